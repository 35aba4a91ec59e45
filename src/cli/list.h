/* SPDX-License-Identifier: MIT */
/* What the parts of `kiln list` share. */
#ifndef KILN_CLI_LIST_H
#define KILN_CLI_LIST_H

#include "cli/cli.h"
#include "cli/json.h"

/* The table, or one sentence if nothing is there. */
void cli_print_devices(const struct cli *cli, const struct kiln_device_list *list);

json_t *cli_device_json(const struct cli *cli, const struct kiln_device *device);
/* The alternate settings of a device in DFU mode, or at run-time; NULL if it has none or cannot be opened. */
json_t *cli_dfu_settings_json(const struct kiln_device *device);

/* `kiln list --watch`. Returns the exit status. */
int cli_list_watch(struct cli *cli);

#endif
