/* SPDX-License-Identifier: MIT */
/* What is remembered of boards put to use: names with -d, the board of a project, its rate. */
#include "cli/boards.h"
#include "cli/cli.h"

#include <limits.h>
#include <string.h>

const struct boards *cli_boards(const struct cli *cli)
{
    char path[PATH_MAX];

    if (cli->boards->list != NULL || !boards_load(cli->boards))
        return cli->boards;
    if (!boards_path(path, sizeof path))
        path[0] = '\0';
    if (cli->boards->state == BOARDS_DAMAGED)
        cli_warn(cli, "what is remembered of boards cannot be read: %s: %s", path,
                 cli->boards->why);
    else if (cli->boards->state == BOARDS_NEWER)
        cli_warn(cli, "%s is of a newer kiln; no board is known by its name", path);
    return cli->boards;
}

/* ---- -d NAME ---- */

static void keep_only(struct kiln_device_list *list,
                      bool (*good)(const json_t *board, const struct kiln_device *device),
                      const json_t *board)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++)
        if (good(board, &list->items[i]))
            list->items[count++] = list->items[i];
    list->count = count;
}

static enum kiln_status not_here(const json_t *board, struct kiln_error *out_error)
{
    const char *usb = board_text(board, "usb");
    char words[300];

    *out_error = (struct kiln_error){.status = KILN_E_NO_DEVICE, .hint = KILN_HINT_CONNECT_DEVICE};
    snprintf(out_error->message, sizeof out_error->message, "%s is not plugged in",
             board_words(board, words, sizeof words));
    if (board_text(board, "serial")[0] != '\0' && usb[0] != '\0')
        snprintf(out_error->context, sizeof out_error->context,
                 "it was at USB port %s; as a bootloader it may have another serial number: "
                 "-d usb:%s takes what is there now",
                 usb, usb);
    return KILN_E_NO_DEVICE;
}

static enum kiln_status select_named(const json_t *board, struct kiln_device_list *out_list,
                                     struct kiln_error *out_error)
{
    char selector[1100];
    enum kiln_status status;

    board_selector(board, selector, sizeof selector);
    status = kiln_device_select(selector, out_list, out_error);
    if (status == KILN_OK)
        keep_only(out_list, board_is, board);
    else if (status != KILN_E_NO_DEVICE)
        return status;
    if (status == KILN_OK && out_list->count > 0)
        return KILN_OK;
    kiln_device_list_free(out_list);
    *out_list = (struct kiln_device_list){0};
    return not_here(board, out_error);
}

enum kiln_status cli_device_select(const struct cli *cli, const char *selector,
                                   struct kiln_device_list *out_list, struct kiln_error *out_error)
{
    bool may_be_name = selector != NULL && boards_name_ok(selector);
    const json_t *board = may_be_name ? boards_named(cli_boards(cli), selector) : NULL;
    enum kiln_status status;

    *out_list = (struct kiln_device_list){0};
    if (board != NULL)
        return select_named(board, out_list, out_error);
    status = kiln_device_select(selector, out_list, out_error);
    if (status == KILN_E_NO_DEVICE && may_be_name)
        snprintf(out_error->message, sizeof out_error->message,
                 "no board that is here has the name, serial number or short id %s", selector);
    return status;
}

/* ---- the board of a project ---- */

static size_t count_of(const struct kiln_device_list *list, const json_t *board)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++)
        count += board_is_surely(board, &list->items[i]);
    return count;
}

void cli_prefer_known(const struct cli *cli, struct kiln_device_list *list, bool writes)
{
    const json_t *board;
    char words[300];
    size_t here;

    if (cli->project_dir == NULL || list->count == 0)
        return;
    board = boards_of_project(cli_boards(cli), cli->project_dir, cli->project_environment);
    if (board == NULL)
        return;
    here = count_of(list, board);
    board_words(board, words, sizeof words);
    if (here == 0 && list->count == 1 && !writes)
        return; /* listening harms nobody, and a board shows other numbers in its bootloader */
    if (here == 0 && list->count == 1)
        cli_warn(cli,
                 "this project was last flashed to %s, which is not here; taking %s at %s, the "
                 "only board that is",
                 words, list->items[0].title, list->items[0].selector);
    else if (here == 0)
        cli_warn(cli, "this project was last flashed to %s, which is not here", words);
    else if (here == 1 && list->count > 1)
        cli_note(cli,
                 "%zu boards are plugged in: taking %s, which this project was last flashed to; "
                 "-d chooses another",
                 list->count, words);
    if (here == 1)
        keep_only(list, board_is_surely, board);
}

struct lesson {
    const struct cli *cli;
    const struct kiln_device *device;
    uint32_t rate; /* 0: the project is the lesson */
};

bool cli_has_twin(const struct kiln_device_list *all, const struct kiln_device *device)
{
    for (size_t i = 0; i < all->count && device->serial[0] != '\0'; i++)
        if (strcmp(all->items[i].serial, device->serial) == 0 &&
            strcmp(all->items[i].path, device->path) != 0)
            return true;
    return false;
}

static bool twin_is_here(const struct kiln_device *device)
{
    struct kiln_device_list all;
    bool twin;

    if (kiln_device_enumerate(&all, NULL) != KILN_OK)
        return false;
    twin = cli_has_twin(&all, device);
    kiln_device_list_free(&all);
    return twin;
}

static bool learn(struct boards *boards, void *user)
{
    const struct lesson *lesson = user;
    const struct cli *cli = lesson->cli;
    json_t *board = boards_keep(boards, lesson->device, twin_is_here(lesson->device));

    if (board == NULL)
        return false;
    if (lesson->rate != 0)
        boards_set_rate(board, lesson->rate);
    else
        boards_set_project(boards, board, cli->project_dir, cli->project_environment);
    return true;
}

/* Whether it worked is of no interest: nothing needs the memory. */
static void teach(struct lesson *lesson)
{
    (void)boards_change(learn, lesson);
    boards_free(lesson->cli->boards); /* read anew when asked for again */
}

void cli_remember_project(const struct cli *cli)
{
    struct lesson lesson = {cli, &cli->worked_on, 0};
    const json_t *board;

    /* Only what may be found without -d; what is on the network or simulated is not. */
    if (cli->project_dir == NULL || cli->worked_on.path[0] == '\0')
        return;
    board = boards_of_project(cli_boards(cli), cli->project_dir, cli->project_environment);
    if (board == NULL || board != boards_of(cli->boards, &cli->worked_on))
        teach(&lesson);
}

/* ---- the rate, the name ---- */

void cli_remember_rate(const struct cli *cli, const struct kiln_device *device, uint32_t rate)
{
    struct lesson lesson = {cli, device, rate};

    /* What is not on USB, such as a pseudo-terminal, may be another thing tomorrow, unless it has a name. */
    if (rate != 0 && (device->path[0] != '\0' || cli_known_name(cli, device)[0] != '\0') &&
        cli_known_rate(cli, device) != rate)
        teach(&lesson);
}

uint32_t cli_known_rate(const struct cli *cli, const struct kiln_device *device)
{
    const json_t *board = boards_of(cli_boards(cli), device);

    return board != NULL ? board_rate(board) : 0;
}

const char *cli_known_name(const struct cli *cli, const struct kiln_device *device)
{
    const json_t *board = boards_of(cli_boards(cli), device);

    return board != NULL ? board_text(board, "name") : "";
}
