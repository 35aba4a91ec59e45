/* SPDX-License-Identifier: MIT */
#include "cli/list.h"

#include <string.h>

#define ID_COLUMN_MAX   16
#define PORT_COLUMN_MAX 24
#define WHAT_COLUMN_MAX 28

static const char *shown_port(const struct kiln_device *device)
{
    return device->kind == KILN_DEVICE_SERIAL && device->port[0] != '\0'
               ? device->port
               : kiln_device_kind_name(device->kind);
}

/* A probe's serial port is a part of the probe: one board, one entry. */
static const struct kiln_device *probe_of(const struct kiln_device_list *list,
                                          const struct kiln_device *port)
{
    for (size_t i = 0; i < list->count && port->kind == KILN_DEVICE_SERIAL; i++) {
        if (list->items[i].kind == KILN_DEVICE_PROBE && port->path[0] != '\0' &&
            strcmp(list->items[i].path, port->path) == 0)
            return &list->items[i];
    }
    return NULL;
}

struct columns {
    int id, port, what;
};

static void widen(int *width, const char *text, int most)
{
    int len = (int)strlen(text);

    if (len > *width)
        *width = len < most ? len : most;
}

static struct columns measure(const struct kiln_device_list *list)
{
    struct columns columns = {3, 4, 4};

    for (size_t i = 0; i < list->count; i++) {
        widen(&columns.id, list->items[i].id, ID_COLUMN_MAX);
        widen(&columns.port, shown_port(&list->items[i]), PORT_COLUMN_MAX);
        widen(&columns.what, list->items[i].what, WHAT_COLUMN_MAX);
    }
    return columns;
}

static enum kiln_hint next_step(const struct kiln_device *device)
{
    if (device->usable == KILN_E_DENIED)
        return KILN_HINT_PERMISSION;
    return device->usable == KILN_E_BUSY ? KILN_HINT_PORT_BUSY : KILN_HINT_NO_DRIVER;
}

static void print_obstacle(const struct cli *cli, const struct kiln_device *device)
{
    if (device->usable != KILN_OK)
        printf("  %s! %s%s\n    %s\n", cli_yellow(cli), device->obstacle, cli_plain(cli),
               kiln_hint_text(next_step(device)));
}

static void print_ports_of(const struct cli *cli, const struct kiln_device_list *list,
                           const struct kiln_device *probe)
{
    for (size_t i = 0; i < list->count; i++) {
        if (probe_of(list, &list->items[i]) != probe)
            continue;
        printf("  its serial port %s%s%s\n", cli_bold(cli), list->items[i].port, cli_plain(cli));
        print_obstacle(cli, &list->items[i]);
    }
}

static void print_device(const struct cli *cli, const struct kiln_device *device,
                         const struct columns *columns)
{
    const char *name = cli_known_name(cli, device);
    int left = cli->width - columns->id - columns->port - columns->what - 6;
    bool fits = !cli->tty || (int)strlen(device->title) <= left;

    printf("%s%-*s%s  %-*s  %-*.*s", cli_bold(cli), columns->id, device->id, cli_plain(cli),
           columns->port, shown_port(device), fits ? columns->what : 0, columns->what,
           device->what);
    if (fits)
        printf("  %s\n", device->title);
    else
        printf("\n  %.*s\n", cli->width - 2, device->title);
    if (device->path[0] == '\0' && name[0] != '\0')
        printf("  %s%s%s\n", cli_bold(cli), name, cli_plain(cli));
    if (device->path[0] != '\0') {
        printf("  %s%s%s%s%susb:%s", cli_bold(cli), name, cli_plain(cli),
               name[0] != '\0' ? ", " : "", cli_dim(cli), device->path);
        if (device->vid >= 0)
            printf(" %04x:%04x", (unsigned)device->vid, (unsigned)device->pid);
        printf("%s%s%s%s%s\n", device->mode[0] != '\0' ? ", " : "", device->mode,
               device->serial[0] != '\0' ? ", serial " : "", device->serial, cli_plain(cli));
    }
    print_obstacle(cli, device);
}

void cli_print_devices(const struct cli *cli, const struct kiln_device_list *list)
{
    struct columns columns = measure(list);

    for (size_t i = 0; i < list->count; i++) {
        if (probe_of(list, &list->items[i]) != NULL)
            continue;
        print_device(cli, &list->items[i], &columns);
        if (list->items[i].kind == KILN_DEVICE_PROBE)
            print_ports_of(cli, list, &list->items[i]);
        if (!cli->args.watch || cli->args.verbose > 0)
            cli_print_dfu_settings(cli, &list->items[i]);
    }
    if (list->count == 0)
        puts("No board, port or probe is plugged in. `kiln doctor` looks for the reason.");
}

json_t *cli_device_json(const struct cli *cli, const struct kiln_device *device)
{
    json_t *object = json_object();
    char ids[8];

    cli_json_set(object, "id", device->id);
    cli_json_set(object, "name", cli_known_name(cli, device));
    cli_json_set(object, "selector", device->selector);
    cli_json_set(object, "kind", kiln_device_kind_name(device->kind));
    cli_json_set(object, "port", device->port);
    cli_json_set(object, "path", device->path);
    cli_json_set(object, "serial", device->serial);
    cli_json_set(object, "title", device->title);
    cli_json_set(object, "what", device->what);
    cli_json_set(object, "mode", device->mode);
    cli_json_set(object, "loader", device->loader);
    if (device->vid >= 0) {
        snprintf(ids, sizeof ids, "%04x", (unsigned)device->vid & 0xFFFF);
        cli_json_set(object, "vid", ids);
        snprintf(ids, sizeof ids, "%04x", (unsigned)device->pid & 0xFFFF);
        cli_json_set(object, "pid", ids);
    }
    cli_json_set(object, "usable", kiln_status_name(device->usable));
    cli_json_set(object, "obstacle", device->obstacle);
    cli_json_set(object, "service", device->unit);
    return object;
}

static int run_list(struct cli *cli)
{
    struct kiln_device_list list = {0};
    struct kiln_error error = {0};

    if (cli->args.operand_count > 0)
        return cli_usage(cli, "`kiln list` takes no names");
    if (cli->args.watch)
        return cli_list_watch(cli);
    if (kiln_device_enumerate(&list, &error) != KILN_OK)
        return cli_fail(cli, &error);
    for (size_t i = 0; i < list.count && cli->args.json; i++) {
        json_t *object = cli_device_json(cli, &list.items[i]);
        json_t *settings = cli_dfu_settings_json(&list.items[i]);

        if (settings != NULL)
            json_object_set_new(object, "settings", settings);
        cli_put_json(object);
    }
    if (!cli->args.json)
        cli_print_devices(cli, &list);
    kiln_device_list_free(&list);
    return 0;
}

static const char *const list_options[] = {"duration", "json", "verbose", "watch", NULL};
static const char *const list_examples[] = {
    "kiln list", "what is plugged in, and what stands in the way of using it", "kiln list --watch",
    "show what is plugged in and out as it happens; Ctrl-C ends it", NULL};

const struct cli_command cli_cmd_list = {
    .name = "list",
    .operands = "",
    .summary = "every board, port, DFU device and probe, and what stands in the way of using it",
    .details =
        "The first column is a short id, made for -d: the USB place of the board (\"1-1.4\" is "
        "port 4 of "
        "the hub at port 1 of bus 1), so it stays the same after a replug at the same port and "
        "when the "
        "board becomes another device, such as its bootloader. A board with several serial ports "
        "has "
        "\":N\" behind it, the USB interface of the port; a port without USB goes by its name. A "
        "probe "
        "and its serial port are one entry. The second line begins with the name that `kiln name` "
        "gave "
        "the board.\n\n"
        "A DFU device in its bootloader has a line for each alternate setting: its number and name "
        "(both are "
        "made for --alt), the address, size and rights of the memory behind it, and its pages; "
        "with "
        "-v a line for each run of equal pages. With --json they are the member \"settings\".\n\n"
        "With --watch a terminal shows the list anew after each change; a pipe gets a line an "
        "event: + "
        "came, - went, ~ became something else; with --json an object with the member \"event\" "
        "(present, add, remove, change). --duration ends it with status 0, Ctrl-C with 130.",
    .options = list_options,
    .examples = list_examples,
    .group = CLI_GROUP_BOARD,
    .run = run_list,
};
