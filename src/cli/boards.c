/* SPDX-License-Identifier: MIT */
#include "cli/boards.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define FORMAT       "kiln boards"
#define VERSION      1
#define TEXT_MAX     1023u
#define PROJECTS_MAX 256u
#define RATE_MAX     20000000

/* ---- reading ---- */

/* NULL, or a text of bounded length without control characters. */
static bool is_text(const json_t *value)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);

    if (value == NULL)
        return true;
    if (text == NULL || len > TEXT_MAX || strlen(text) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}

static bool is_number(const json_t *value, json_int_t most)
{
    return value == NULL || (json_is_integer(value) && json_integer_value(value) >= 0 &&
                             json_integer_value(value) <= most);
}

static bool is_projects(const json_t *value)
{
    const json_t *project;
    size_t i;

    if (value == NULL)
        return true;
    if (!json_is_array(value) || json_array_size(value) > PROJECTS_MAX)
        return false;
    json_array_foreach(value, i, project)
    {
        if (!is_text(json_object_get(project, "dir")) ||
            !is_text(json_object_get(project, "environment")) ||
            board_text(project, "dir")[0] != '/')
            return false;
    }
    return true;
}

static bool is_board(const json_t *board)
{
    static const char *const texts[] = {"name", "serial", "device", "usb", "ids", "title"};

    if (!json_is_object(board))
        return false;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!is_text(json_object_get(board, texts[i])))
            return false;
    return is_number(json_object_get(board, "rate"), RATE_MAX) &&
           is_number(json_object_get(board, "interface"), 255) &&
           is_projects(json_object_get(board, "projects")) &&
           (board_text(board, "name")[0] == '\0' || boards_name_ok(board_text(board, "name"))) &&
           (board_text(board, "serial")[0] != '\0' || board_text(board, "device")[0] != '\0' ||
            board_text(board, "usb")[0] != '\0');
}

/* True, for boards_parse() to return; a macro, since clang-tidy cannot follow the arguments of a function. */
#define DAMAGED(boards, ...)           \
    ((boards)->state = BOARDS_DAMAGED, \
     (void)snprintf((boards)->why, sizeof(boards)->why, __VA_ARGS__), true)

static bool take_entries(struct boards *boards, const json_t *entries)
{
    size_t bad = 0, i;
    json_t *board;

    json_array_foreach(entries, i, board)
    {
        const char *name = board_text(board, "name");

        if (!is_board(board) || json_array_size(boards->list) >= BOARDS_MAX ||
            (name[0] != '\0' && boards_named(boards, name) != NULL))
            bad++;
        else if (json_array_append(boards->list, board) != 0)
            return false;
    }
    return bad == 0 || DAMAGED(boards, "%zu of its entries cannot be understood", bad);
}

bool boards_parse(const char *text, size_t len, struct boards *out_boards)
{
    json_error_t error;
    json_t *root;
    const json_t *version;
    bool good;

    *out_boards = (struct boards){.list = json_array()};
    if (out_boards->list == NULL)
        return false;
    if (len > BOARDS_FILE_MAX)
        return DAMAGED(out_boards, "it is larger than %u bytes", BOARDS_FILE_MAX);
    root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    version = json_object_get(root, "version");
    if (root == NULL) {
        good = DAMAGED(out_boards, "line %d is no JSON", error.line);
    } else if (strcmp(board_text(root, "format"), FORMAT) != 0 || !json_is_integer(version) ||
               json_integer_value(version) < 1) {
        good = DAMAGED(out_boards, "it does not say \"format\": \"" FORMAT "\"");
    } else if (json_integer_value(version) > VERSION) {
        out_boards->state = BOARDS_NEWER;
        good = true;
    } else if (!json_is_array(json_object_get(root, "boards"))) {
        good = DAMAGED(out_boards, "it has no list of boards");
    } else {
        good = take_entries(out_boards, json_object_get(root, "boards"));
    }
    json_decref(root);
    if (!good)
        boards_free(out_boards);
    return good;
}

char *boards_print(const struct boards *boards)
{
    json_t *root =
        json_pack("{s:s, s:i, s:O}", "format", FORMAT, "version", VERSION, "boards", boards->list);
    char *text = root != NULL ? json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;

    json_decref(root);
    return text;
}

void boards_free(struct boards *boards)
{
    json_decref(boards->list);
    *boards = (struct boards){0};
}

/* ---- one board ---- */

bool boards_name_ok(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);

    return len >= 1 && len <= BOARDS_NAME_MAX && strchr(letters, name[0]) != NULL &&
           strspn(name, all) == len && strncmp(name, "tty", 3) != 0;
}

const char *board_text(const json_t *board, const char *member)
{
    const char *text = json_string_value(json_object_get(board, member));

    return text != NULL ? text : "";
}

uint32_t board_rate(const json_t *board)
{
    return (uint32_t)json_integer_value(json_object_get(board, "rate"));
}

static const char *key_words(const json_t *board, const char **out_value)
{
    static const char *const keys[][2] = {
        {"serial", "serial "}, {"device", ""}, {"usb", "USB port "}};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        *out_value = board_text(board, keys[i][0]);
        if ((*out_value)[0] != '\0')
            return keys[i][1];
    }
    return "";
}

const char *board_words(const json_t *board, char *text, size_t cap)
{
    const char *value, *kind = key_words(board, &value);
    const char *name = board_text(board, "name"), *title = board_text(board, "title");

    if (name[0] != '\0')
        snprintf(text, cap, "%s (%s%s)", name, kind, value);
    else
        snprintf(text, cap, "%s (%s%s)", title[0] != '\0' ? title : "the board", kind, value);
    return text;
}

void board_selector(const json_t *board, char *selector, size_t cap)
{
    const char *serial = board_text(board, "serial"), *device = board_text(board, "device");

    if (serial[0] != '\0' || device[0] != '\0')
        snprintf(selector, cap, "%s", serial[0] != '\0' ? serial : device);
    else
        snprintf(selector, cap, "usb:%s", board_text(board, "usb"));
}

/* -1 where the device has but one port, or none. */
static int interface_of(const struct kiln_device *device)
{
    return strchr(device->id, ':') != NULL ? device->interface_number : -1;
}

bool board_is(const json_t *board, const struct kiln_device *device)
{
    const char *serial = board_text(board, "serial"), *where = board_text(board, "device");
    const json_t *interface = json_object_get(board, "interface");

    if (interface != NULL && interface_of(device) >= 0 &&
        json_integer_value(interface) != interface_of(device))
        return false;
    if (serial[0] != '\0')
        return strcasecmp(serial, device->serial) == 0;
    if (where[0] != '\0')
        return strcmp(where, device->selector) == 0 || strcmp(where, device->port) == 0;
    return strcmp(board_text(board, "usb"), device->path) == 0;
}

/* ---- finding one ---- */

json_t *boards_named(const struct boards *boards, const char *name)
{
    json_t *board;
    size_t i;

    json_array_foreach(boards->list, i, board)
    {
        if (strcmp(board_text(board, "name"), name) == 0)
            return board;
    }
    return NULL;
}

static const char *ids_of(const struct kiln_device *device, char text[16])
{
    snprintf(text, 16, "%04x:%04x", (unsigned)device->vid & 0xFFFF, (unsigned)device->pid & 0xFFFF);
    return device->vid >= 0 ? text : "";
}

bool board_is_surely(const json_t *board, const struct kiln_device *device)
{
    const json_t *interface = json_object_get(board, "interface");
    char ids[16];

    return board_is(board, device) && (interface != NULL) == (interface_of(device) >= 0) &&
           (board_text(board, "serial")[0] != '\0' ||
            strcmp(board_text(board, "ids"), ids_of(device, ids)) == 0);
}

json_t *boards_of(const struct boards *boards, const struct kiln_device *device)
{
    json_t *board, *found = NULL;
    size_t i;

    json_array_foreach(boards->list, i, board)
    {
        /* What is known by its serial number is surer than what was once at a place. */
        if (board_is_surely(board, device) &&
            (found == NULL || board_text(found, "serial")[0] == '\0'))
            found = board;
    }
    return found;
}

static bool is_project(const json_t *project, const char *dir, const char *environment)
{
    return strcmp(board_text(project, "dir"), dir) == 0 &&
           strcmp(board_text(project, "environment"), environment) == 0;
}

json_t *boards_of_project(const struct boards *boards, const char *dir, const char *environment)
{
    json_t *board, *project;
    size_t i, k;

    json_array_foreach(boards->list, i, board)
    {
        json_array_foreach(json_object_get(board, "projects"), k, project)
        {
            if (is_project(project, dir, environment))
                return board;
        }
    }
    return NULL;
}

/* ---- changing ---- */

static size_t index_of(const struct boards *boards, const json_t *board)
{
    size_t i = 0;

    while (i < json_array_size(boards->list) && json_array_get(boards->list, i) != board)
        i++;
    return i;
}

void boards_forget(struct boards *boards, const json_t *board)
{
    json_array_remove(boards->list, index_of(boards, board));
}

/* Room for one more. */
static void drop_oldest(struct boards *boards)
{
    size_t i = 0;

    if (json_array_size(boards->list) < BOARDS_MAX)
        return;
    while (i + 1 < json_array_size(boards->list) &&
           board_text(json_array_get(boards->list, i), "name")[0] != '\0')
        i++;
    json_array_remove(boards->list, i);
}

static void set_text(json_t *board, const char *member, const char *text)
{
    json_t *value = text[0] != '\0' ? json_string(text) : NULL;

    if (value != NULL && is_text(value))
        json_object_set(board, member, value);
    else
        json_object_del(board, member);
    json_decref(value);
}

/* A port is told by a path that means the same from any folder. */
static void set_device(json_t *board, const struct kiln_device *device)
{
    char path[PATH_MAX];

    if (device->kind == KILN_DEVICE_SERIAL && device->selector[0] != '/' &&
        realpath(device->selector, path) != NULL)
        set_text(board, "device", path);
    else
        set_text(board, "device", device->selector);
}

static void describe(json_t *board, const struct kiln_device *device, bool by_place)
{
    char ids[16];

    if (device->path[0] == '\0') {
        set_device(board, device);
        return;
    }
    set_text(board, "serial", by_place ? "" : device->serial);
    set_text(board, "usb", device->path);
    if (interface_of(device) >= 0)
        json_object_set_new(board, "interface", json_integer(interface_of(device)));
    set_text(board, "ids", ids_of(device, ids));
    set_text(board, "title", device->title);
}

json_t *boards_keep(struct boards *boards, const struct kiln_device *device, bool by_place)
{
    json_t *board = json_incref(boards_of(boards, device));

    if (board != NULL) {
        boards_forget(boards, board);
        by_place = by_place || board_text(board, "serial")[0] == '\0';
    } else {
        board = json_object();
    }
    if (board == NULL)
        return NULL;
    describe(board, device, by_place);
    drop_oldest(boards);
    if (!is_board(board) || json_array_append(boards->list, board) != 0) {
        json_decref(board);
        return NULL;
    }
    json_decref(board); /* the list holds it */
    return board;
}

void boards_set_name(struct boards *boards, json_t *board, const char *name)
{
    json_t *other = boards_named(boards, name);

    if (other != NULL && other != board)
        json_object_del(other, "name");
    set_text(board, "name", name);
}

void boards_set_rate(json_t *board, uint32_t rate)
{
    json_object_set_new(board, "rate", json_integer(rate));
}

static void drop_project(json_t *board, const char *dir, const char *environment)
{
    json_t *projects = json_object_get(board, "projects");

    for (size_t i = json_array_size(projects); i-- > 0;)
        if (is_project(json_array_get(projects, i), dir, environment))
            json_array_remove(projects, i);
}

/* Entries that say nothing any more. */
static void drop_idle(struct boards *boards)
{
    for (size_t i = json_array_size(boards->list); i-- > 0;) {
        const json_t *board = json_array_get(boards->list, i);

        if (board_text(board, "name")[0] == '\0' && board_rate(board) == 0 &&
            json_array_size(json_object_get(board, "projects")) == 0)
            json_array_remove(boards->list, i);
    }
}

void boards_set_project(struct boards *boards, json_t *board, const char *dir,
                        const char *environment)
{
    json_t *projects, *project = json_object(), *other;
    size_t i;

    json_array_foreach(boards->list, i, other)
    {
        drop_project(other, dir, environment);
    }
    projects = json_object_get(board, "projects");
    if (projects == NULL) {
        json_object_set_new(board, "projects", json_array());
        projects = json_object_get(board, "projects");
    }
    set_text(project, "dir", dir);
    set_text(project, "environment", environment);
    if (json_array_size(projects) >= PROJECTS_MAX)
        json_array_remove(projects, 0);
    json_array_append_new(projects, project);
    drop_idle(boards);
}
