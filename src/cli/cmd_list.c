/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define PORT_COLUMN_MAX 24
#define WHAT_COLUMN_MAX 24

static const char *shown_name(const struct kiln_device *device)
{
    return device->kind == KILN_DEVICE_SERIAL && device->port[0] != '\0' ? device->port
                                                                         : device->selector;
}

static int column(const struct kiln_device_list *list, bool what, size_t most)
{
    size_t width = 4;

    for (size_t i = 0; i < list->count; i++) {
        size_t len = strlen(what ? list->items[i].what : shown_name(&list->items[i]));

        if (len > width)
            width = len;
    }
    return (int)(width < most ? width : most);
}

static enum kiln_hint next_step(const struct kiln_device *device)
{
    if (device->usable == KILN_E_DENIED)
        return KILN_HINT_PERMISSION;
    return device->usable == KILN_E_BUSY ? KILN_HINT_PORT_BUSY : KILN_HINT_NO_DRIVER;
}

static void print_device(const struct cli *cli, const struct kiln_device *device, int name_width,
                         int what_width)
{
    int left = cli->width - name_width - what_width - 6;
    char ids[16] = "", where[64] = "";

    if (device->vid >= 0)
        snprintf(ids, sizeof ids, " %04x:%04x", (unsigned)device->vid, (unsigned)device->pid);
    printf("%s%-*s%s  %-*.*s  %.*s\n", cli_bold(cli), name_width, shown_name(device),
           cli_plain(cli), what_width, what_width, device->what, left > 20 ? left : 20,
           device->title);
    if (device->path[0] != '\0')
        snprintf(where, sizeof where, "usb:%s%s", device->path, ids);
    if (where[0] != '\0')
        printf("  %s%s%s%s%s\n", cli_dim(cli), where, device->serial[0] != '\0' ? " serial " : "",
               device->serial, cli_plain(cli));
    if (device->usable != KILN_OK)
        printf("  %s! %s%s\n    %s\n", cli_yellow(cli), device->obstacle, cli_plain(cli),
               kiln_hint_text(next_step(device)));
}

static void put_text(json_t *object, const char *key, const char *text)
{
    if (text[0] != '\0')
        json_object_set_new(object, key, json_string(text));
}

static void print_json(const struct kiln_device *device)
{
    json_t *object = json_object();
    char ids[8], *line;

    put_text(object, "selector", device->selector);
    put_text(object, "kind", kiln_device_kind_name(device->kind));
    put_text(object, "port", device->port);
    put_text(object, "path", device->path);
    put_text(object, "serial", device->serial);
    put_text(object, "title", device->title);
    put_text(object, "what", device->what);
    put_text(object, "loader", device->loader);
    if (device->vid >= 0) {
        snprintf(ids, sizeof ids, "%04x", (unsigned)device->vid & 0xFFFF);
        put_text(object, "vid", ids);
        snprintf(ids, sizeof ids, "%04x", (unsigned)device->pid & 0xFFFF);
        put_text(object, "pid", ids);
    }
    put_text(object, "usable", kiln_status_name(device->usable));
    put_text(object, "obstacle", device->obstacle);
    line = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (line != NULL)
        puts(line);
    free(line);
    json_decref(object);
}

static int run_list(struct cli *cli)
{
    struct kiln_device_list list = {0};
    struct kiln_error error = {0};
    int name_width, what_width;

    if (cli->args.operand_count > 0)
        return cli_usage(cli, "`kiln list` takes no names");
    if (kiln_device_enumerate(&list, &error) != KILN_OK)
        return cli_fail(cli, &error);
    name_width = column(&list, false, PORT_COLUMN_MAX);
    what_width = column(&list, true, WHAT_COLUMN_MAX);
    for (size_t i = 0; i < list.count; i++) {
        if (cli->args.json)
            print_json(&list.items[i]);
        else
            print_device(cli, &list.items[i], name_width, what_width);
        if (cli->args.verbose > 0 && !cli->args.json)
            cli_print_dfu_settings(cli, &list.items[i]);
    }
    if (list.count == 0 && !cli->args.json)
        puts("No board, port or probe is plugged in. `kiln doctor` looks for the reason.");
    kiln_device_list_free(&list);
    return 0;
}

static const char *const list_options[] = {"json", "verbose", NULL};
static const char *const list_examples[] = {
    "kiln list", "what is plugged in, and what stands in the way of using it", NULL};

const struct cli_command cli_cmd_list = {
    .name = "list",
    .operands = "",
    .summary = "every board, port, DFU device and probe, and what stands in the way of using it",
    .options = list_options,
    .examples = list_examples,
    .group = CLI_GROUP_BOARD,
    .run = run_list,
};
