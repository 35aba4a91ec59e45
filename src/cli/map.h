/* SPDX-License-Identifier: MIT */
/* The map of flash as text, JSON and SVG. */
#ifndef KILN_CLI_MAP_H
#define KILN_CLI_MAP_H

#include "cli/cli.h"

#include <jansson.h>

void cli_map_print(const struct cli *cli, const struct kiln_map *map, FILE *out);
json_t *cli_map_json(const struct kiln_map *map);
/* `title` tells what it is a map of. False with errno set if the file cannot be written. */
bool cli_map_svg(const struct kiln_map *map, const char *title, const char *path);

#endif
