/* SPDX-License-Identifier: MIT */
#include "cli/json.h"

#include <kiln/status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *cli_json_text(const char *text)
{
    json_t *value = text != NULL ? json_string(text) : json_null();
    char *copy = value == NULL ? strdup(text) : NULL;

    if (value != NULL)
        return value;
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    value = copy != NULL ? json_string(copy) : json_null();
    free(copy);
    return value;
}

void cli_json_set(json_t *object, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_object_set_new(object, key, cli_json_text(text));
}

void cli_put_json(json_t *object)
{
    char *line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

    if (line != NULL)
        puts(line);
    fflush(stdout);
    free(line);
    json_decref(object);
}

json_t *cli_error_json(const struct kiln_error *error)
{
    json_t *object = json_object();

    cli_json_set(object, "event", "error");
    cli_json_set(object, "status", kiln_status_name(error->status));
    json_object_set_new(object, "exit", json_integer(kiln_status_exit_code(error->status)));
    cli_json_set(object, "message", error->message);
    cli_json_set(object, "context", error->context);
    if (error->hint != KILN_HINT_NONE)
        cli_json_set(object, "hint", kiln_hint_text(error->hint));
    return object;
}

json_t *cli_notice_json(const char *text)
{
    json_t *object = json_object();

    cli_json_set(object, "event", "notice");
    cli_json_set(object, "text", text);
    return object;
}
