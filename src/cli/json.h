/* SPDX-License-Identifier: MIT */
/* What the JSON of all commands shares: text of any origin, and one object a line. */
#ifndef KILN_CLI_JSON_H
#define KILN_CLI_JSON_H

#include <jansson.h>

struct kiln_error;

/* Text that a device or a file may have said: what is no UTF-8 becomes '?'. NULL becomes null. */
json_t *cli_json_text(const char *text);
/* Sets the member; leaves it out if the text is NULL or "". */
void cli_json_set(json_t *object, const char *key, const char *text);
/* The events "error" and "notice". */
json_t *cli_error_json(const struct kiln_error *error);
json_t *cli_notice_json(const char *text);
/* Prints the object as one line and gives it up. */
void cli_put_json(json_t *object);

#endif
