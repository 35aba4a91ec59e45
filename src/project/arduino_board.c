/* SPDX-License-Identifier: MIT */
/* Format: Arduino platform specification 1.x, "boards.txt" and "custom board options". */
#include "project/arduino_board.h"

#include <stdlib.h>
#include <string.h>

#define BOARDS_BYTES_MAX ((size_t)32 << 20)

/* ---- where the core is ---- */

/* ROOT/VENDOR/hardware/ARCH/VERSION (Arduino CLI's packages) or ROOT/VENDOR/ARCH (a sketchbook). Of several
 * versions the last by name. */
static const char *find_core(struct kiln_build *build, const char *root, const char *vendor,
                             const char *architecture)
{
    const char *core =
        kiln_arena_printf(&build->arena, "%s/%s/hardware/%s", root, vendor, architecture);
    struct kiln_paths versions;

    if (core == NULL)
        return NULL;
    kiln_folder_list(&build->arena, core, &versions);
    for (size_t i = versions.count; i-- > 0;) {
        const char *path =
            kiln_arena_printf(&build->arena, "%s/%s/boards.txt", core, versions.path[i]);

        if (path != NULL && kiln_file_exists(path))
            return path;
    }
    core = kiln_arena_printf(&build->arena, "%s/%s/%s/boards.txt", root, vendor, architecture);
    return core != NULL && kiln_file_exists(core) ? core : NULL;
}

static const char *find_anywhere(struct kiln_build *build, const char *folders, const char *vendor,
                                 const char *architecture)
{
    const char *data = getenv("ARDUINO_DIRECTORIES_DATA"), *home = getenv("HOME"), *path = NULL;

    while (folders != NULL && *folders != '\0' && path == NULL) {
        size_t n = strcspn(folders, ",");
        const char *root = kiln_arena_text(&build->arena, folders, n);

        path = root != NULL ? find_core(build, root, vendor, architecture) : NULL;
        folders += n + (folders[n] == ',');
    }
    if (path == NULL && data != NULL)
        path = find_core(build, kiln_arena_printf(&build->arena, "%s/packages", data), vendor,
                         architecture);
    if (path == NULL && home != NULL)
        path = find_core(build, kiln_arena_printf(&build->arena, "%s/.arduino15/packages", home),
                         vendor, architecture);
    return path;
}

/* ---- the FQBN ---- */

/* The next part up to `end`, and goes behind it. */
static const char *part(struct kiln_build *build, const char **at, const char *end)
{
    size_t n = strcspn(*at, end);
    const char *text = kiln_arena_text(&build->arena, *at, n);

    *at += n + ((*at)[n] != '\0');
    return text;
}

void kiln_arduino_board_open(struct kiln_build *build, const char *fqbn, const char *folders,
                             struct kiln_arduino_board *out_board)
{
    const char *at = fqbn, *vendor = part(build, &at, ":");
    size_t len;

    *out_board = (struct kiln_arduino_board){.build = build};
    out_board->architecture = part(build, &at, ":");
    out_board->name = part(build, &at, ":");
    while (*at != '\0') {
        const char *menu = part(build, &at, "=,"),
                   *pick = at[-1] == '=' ? part(build, &at, ",") : "";

        if (!kiln_paths_add(&build->arena, &out_board->menu, menu) ||
            !kiln_paths_add(&build->arena, &out_board->pick, pick))
            return;
    }
    if (vendor == NULL || out_board->architecture == NULL || out_board->name == NULL ||
        out_board->name[0] == '\0' || strstr(fqbn, "..") != NULL || strchr(fqbn, '/') != NULL)
        return;
    out_board->path = find_anywhere(build, folders, vendor, out_board->architecture);
    if (out_board->path != NULL)
        out_board->text = kiln_file_read(&build->arena, out_board->path, BOARDS_BYTES_MAX, &len);
}

/* ---- values ---- */

/* The value behind "KEY=" at the start of a line, the last one if there are several. */
static const char *value_of(const struct kiln_arduino_board *board, const char *key,
                            struct kiln_project_place *out_place)
{
    size_t n = key != NULL ? strlen(key) : 0;
    const char *value = NULL, *at = board->text;
    unsigned line = 1;

    for (; n > 0 && at != NULL && *at != '\0'; line++) {
        size_t len = strcspn(at, "\n");

        if (len > n && memcmp(at, key, n) == 0 && at[n] == '=') {
            const char *from = at + n + 1, *end = at + len;

            kiln_ini_strip(&from, &end);
            value = kiln_arena_text(&board->build->arena, from, (size_t)(end - from));
            *out_place =
                (struct kiln_project_place){kiln_build_shown(board->build, board->path), line};
        }
        at += len + (at[len] == '\n');
    }
    return value;
}

const char *kiln_arduino_board_get(const struct kiln_arduino_board *board, const char *key,
                                   struct kiln_project_place *out_place)
{
    struct kiln_arena *arena = &board->build->arena;

    for (size_t i = 0; board->text != NULL && i < board->menu.count; i++) {
        const char *value =
            value_of(board,
                     kiln_arena_printf(arena, "%s.menu.%s.%s.%s", board->name, board->menu.path[i],
                                       board->pick.path[i], key),
                     out_place);

        if (value != NULL)
            return value;
    }
    return value_of(board, kiln_arena_printf(arena, "%s.%s", board->name, key), out_place);
}
