/* SPDX-License-Identifier: MIT */
/* kiln name: names for boards, and what else is remembered of them. */
#include "cli/boards.h"
#include "cli/cli.h"
#include "cli/json.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* ---- the list ---- */

static void print_projects(const struct cli *cli, const json_t *board)
{
    const json_t *project;
    size_t i;

    json_array_foreach(json_object_get(board, "projects"), i, project)
    {
        const char *environment = board_text(project, "environment");

        printf("  flashed from %s%s%s%s\n", board_text(project, "dir"),
               environment[0] != '\0' ? ", environment " : "", cli_bold(cli), environment);
        fputs(cli_plain(cli), stdout);
    }
}

static void print_board(const struct cli *cli, const json_t *board)
{
    const char *name = board_text(board, "name"), *serial = board_text(board, "serial");
    const char *usb = board_text(board, "usb"), *device = board_text(board, "device");
    const json_t *interface = json_object_get(board, "interface");

    printf("%s%s%s", cli_bold(cli), name[0] != '\0' ? name : "(no name)", cli_plain(cli));
    if (serial[0] != '\0')
        printf("  serial %s, last at usb:%s", serial, usb);
    else
        printf("  %s%s", device[0] != '\0' ? "" : "usb:", device[0] != '\0' ? device : usb);
    if (interface != NULL)
        printf(", interface %d", (int)json_integer_value(interface));
    printf("%s%s\n", board_text(board, "title")[0] != '\0' ? "  " : "", board_text(board, "title"));
    if (board_rate(board) != 0)
        printf("  speaks at %" PRIu32 " baud\n", board_rate(board));
    print_projects(cli, board);
}

static int list_names(struct cli *cli)
{
    const struct boards *boards = cli_boards(cli);
    char path[PATH_MAX];
    json_t *board;
    size_t i;

    json_array_foreach(boards->list, i, board)
    {
        if (cli->args.json)
            cli_put_json(json_incref(board));
        else
            print_board(cli, board);
    }
    if (cli->args.json)
        return 0;
    if (json_array_size(boards->list) == 0)
        puts(
            "No board has a name yet. `kiln name NAME` gives one to the board that is plugged in.");
    else if (boards_path(path, sizeof path))
        printf("%sIn %s%s\n", cli_dim(cli), path, cli_plain(cli));
    return 0;
}

/* ---- changing it ---- */

/* 0, or the exit status after printing the error. */
static int change(struct cli *cli, bool (*edit)(struct boards *boards, void *user), void *user)
{
    struct kiln_error error = {.status = KILN_E_IO};
    char path[PATH_MAX];
    int number = boards_change(edit, user);

    boards_free(cli->boards);
    if (number == 0)
        return 0;
    if (!boards_path(path, sizeof path))
        snprintf(error.message, sizeof error.message,
                 "there is no place to remember boards: neither HOME nor XDG_STATE_HOME is set");
    else if (number == EEXIST)
        snprintf(error.message, sizeof error.message,
                 "%.150s is of a newer kiln and stays as it is", path);
    else if (number == EPERM)
        snprintf(error.message, sizeof error.message,
                 "%.150s cannot be written: the folder belongs to another user", path);
    else
        snprintf(error.message, sizeof error.message, "%.150s cannot be written: %s", path,
                 strerror(number));
    return cli_fail(cli, &error);
}

struct naming {
    const char *name;
    const struct kiln_device *device;
    bool by_place;
    bool failed;
    char was[300];   /* the board that had the name, "" if none or the same */
    char words[300]; /* the board that has it now */
};

static bool give_name(struct boards *boards, void *user)
{
    struct naming *naming = user;
    json_t *before = json_incref(boards_named(boards, naming->name));
    json_t *board = boards_keep(boards, naming->device, naming->by_place);

    if (before != NULL && before != board)
        board_words(before, naming->was, sizeof naming->was);
    json_decref(before);
    naming->failed = board == NULL;
    if (board == NULL)
        return false;
    boards_set_name(boards, board, naming->name);
    board_words(board, naming->words, sizeof naming->words);
    return true;
}

/* A name must not hide what -d means without it. */
static const char *taken_by(const char *name, const struct kiln_device_list *all)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strcasecmp(all->items[i].serial, name) == 0)
            return "the serial number of a board that is plugged in";
        if (strcmp(all->items[i].id, name) == 0)
            return "the short id of a port that is here";
    }
    return NULL;
}

static int name_device(struct cli *cli, const char *name, const struct kiln_device *device,
                       const struct kiln_device_list *all)
{
    struct naming naming = {.name = name, .device = device, .by_place = cli_has_twin(all, device)};
    const char *taken = taken_by(name, all);
    int status;

    if (taken != NULL)
        return cli_usage(cli, "'%s' is %s; take another name", name, taken);
    status = change(cli, give_name, &naming);
    if (status != 0)
        return status;
    if (naming.failed)
        return cli_usage(cli, "nothing tells %s from other boards", device->selector);
    cli_note(cli, "%s%s%s is a name for -d now%s%s", cli_bold(cli), naming.words, cli_plain(cli),
             naming.was[0] != '\0' ? ", and not any more that of " : "",
             naming.was[0] != '\0' ? naming.was : "");
    if (naming.by_place)
        cli_note(cli,
                 "Another board here has the serial number %s too: this one is known by its USB "
                 "port alone.",
                 device->serial);
    else if (device->serial[0] == '\0' && device->path[0] != '\0')
        cli_note(cli, "It has no serial number: it is known by its USB port alone.");
    return 0;
}

static int give(struct cli *cli, const char *name)
{
    const char *selector = cli->args.devices.count > 0 ? cli->args.devices.word[0] : NULL;
    struct kiln_device_list found = {0}, all = {0};
    struct kiln_error error = {0};
    int status;

    if (!boards_name_ok(name))
        return cli_usage(cli,
                         "'%s' is no name: it takes up to %u letters, digits, '.', '_' and '-', "
                         "begins with a letter, and not with tty",
                         name, BOARDS_NAME_MAX);
    if (cli->args.devices.count > 1)
        return cli_usage(cli, "one name is for one board");
    if (cli_device_select(cli, selector, &found, &error) != KILN_OK ||
        kiln_device_enumerate(&all, &error) != KILN_OK)
        status = cli_fail(cli, &error);
    else if (found.count > 1)
        status = cli_ambiguous(cli, selector, &found);
    else
        status = name_device(cli, name, &found.items[0], &all);
    kiln_device_list_free(&found);
    kiln_device_list_free(&all);
    return status;
}

struct forgetting {
    const char *what; /* NULL: all */
    size_t count;
};

static bool is_meant(const json_t *board, const char *what)
{
    static const char *const members[] = {"name", "serial", "usb", "device"};

    if (what == NULL)
        return true;
    if (strncmp(what, "usb:", 4) == 0)
        return strcmp(board_text(board, "usb"), what + 4) == 0;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strcmp(board_text(board, members[i]), what) == 0)
            return true;
    return false;
}

static bool forget(struct boards *boards, void *user)
{
    struct forgetting *forgetting = user;

    for (size_t i = json_array_size(boards->list); i-- > 0;) {
        if (!is_meant(json_array_get(boards->list, i), forgetting->what))
            continue;
        json_array_remove(boards->list, i);
        forgetting->count++;
    }
    return forgetting->count > 0 || boards->state == BOARDS_DAMAGED;
}

static int run_forget(struct cli *cli)
{
    struct forgetting forgetting = {.what = cli->args.forget_all ? NULL : cli->args.forget};
    int status = change(cli, forget, &forgetting);

    if (status != 0)
        return status;
    if (forgetting.what != NULL && forgetting.count == 0)
        return cli_usage(cli, "nothing is remembered of '%s'; `kiln name` lists what is",
                         forgetting.what);
    cli_note(cli, "%zu board%s forgotten", forgetting.count, forgetting.count == 1 ? "" : "s");
    return 0;
}

static int run_name(struct cli *cli)
{
    const struct cli_args *args = &cli->args;
    bool forgets = args->forget != NULL || args->forget_all;

    if (args->operand_count > 1 || (forgets && args->operand_count + args->devices.count > 0) ||
        (args->forget != NULL && args->forget_all))
        return cli_usage(cli, "give one name, or what to forget");
    if (forgets)
        return run_forget(cli);
    if (args->operand_count == 1)
        return give(cli, args->operands[0]);
    if (args->devices.count > 0)
        return cli_usage(cli, "which name is the board to have?");
    return list_names(cli);
}

static const char *const name_options[] = {"device", "forget", "forget-all", "json", "quiet", NULL};
static const char *const name_examples[] = {
    "kiln name left",
    "the one board that is plugged in is called left from now on",
    "kiln name right -d /dev/ttyUSB1",
    "one of several; the name stays with the board whatever its port is called",
    "kiln flash -d left firmware.bin",
    "a name goes wherever -d takes a device",
    "kiln name",
    "every board that is remembered, with its projects and the rate it speaks at",
    "kiln name --forget left",
    "forget that board; --forget-all forgets all",
    NULL};

const struct cli_command cli_cmd_name = {
    .name = "name",
    .operands = "[NAME]",
    .summary = "give a board a name for -d, and see what is remembered of boards",
    .details =
        "A board is known by its USB serial number; where it has none, or another board here has "
        "the same, by the USB port it is plugged into. `kiln list` shows the names.\n\n"
        "Two more things are remembered of a board: the project folders that `kiln flash` flashed "
        "to it, so that it is the one taken there when several are plugged in, and the rate at "
        "which `kiln monitor` last read text from it. Each use is said in one line, and -d or -b "
        "overrides it.\n\n"
        "All of it is in one file, $XDG_STATE_HOME/kiln/boards.json or "
        "~/.local/state/kiln/boards.json, JSON that may be read, edited and deleted: nothing "
        "depends on it. Nothing is written there for another user, as under sudo.",
    .options = name_options,
    .examples = name_examples,
    .group = CLI_GROUP_BOARD,
    .run = run_name,
};
