/* SPDX-License-Identifier: MIT */
/* Names under which this program behaves like another one: links to it, one row each. */
#include "cli/cli.h"

#include <string.h>

static const struct {
    const char *program;
    const struct cli_command *command;
} rows[] = {
    {"esptool", &cli_cmd_esptool},       {"esptool.py", &cli_cmd_esptool},
    {"dfu-prefix", &cli_cmd_dfu_prefix}, {"dfu-suffix", &cli_cmd_dfu_suffix},
    {"dfu-util", &cli_cmd_dfu_util},     {"pydfu", &cli_cmd_pydfu},
    {"pydfu.py", &cli_cmd_pydfu},
};

const struct cli_command *cli_compat_find(const char *path, const char **out_program)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].program, name) == 0) {
            *out_program = rows[i].program;
            return rows[i].command;
        }
    return NULL;
}
