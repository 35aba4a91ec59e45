/* SPDX-License-Identifier: MIT */
#include "project/pio_board.h"

#include <stdio.h>
#include <string.h>

/* A folder option of [platformio], "" if it cannot be resolved. */
static const char *folder(struct kiln_pio_target *t, const char *option)
{
    const struct kiln_project_option *dir = kiln_pio_get(t->pio, "platformio", option);

    return dir->kind == KILN_PROJECT_TEXT ? dir->texts[0] : "";
}

static bool take(struct kiln_pio_target *t, const char *path)
{
    struct kiln_error error;

    if (t->board != NULL || !kiln_file_exists(path))
        return t->board != NULL;
    if (kiln_build_json(t->build, path, &t->manifest, &error) != KILN_OK) {
        kiln_build_note(t->build, t->env, "board manifest passed over: %s", error.message);
        return false;
    }
    t->board = t->manifest.root;
    return true;
}

/* Installed platforms: the folder is the platform's name, with "@version" when there are several. */
static void take_installed(struct kiln_pio_target *t, const char *file)
{
    const char *platforms = folder(t, "platforms_dir");
    struct kiln_paths names;

    kiln_folder_list(&t->build->arena, platforms, &names);
    for (int wanted = 1; wanted >= 0; wanted--)
        for (size_t i = 0; i < names.count; i++) {
            char name[64];
            const struct kiln_project_option *platform =
                kiln_pio_get(t->pio, t->section, "platform");
            bool named;

            snprintf(name, sizeof name, "%.*s", (int)strcspn(names.path[i], "@"), names.path[i]);
            named = platform->kind == KILN_PROJECT_TEXT && strstr(platform->texts[0], name) != NULL;
            if (named == (wanted == 1) &&
                take(t, kiln_build_path(t->build,
                                        kiln_build_path(t->build, platforms, names.path[i]), file)))
                return;
        }
}

void kiln_pio_board_load(struct kiln_pio_target *t)
{
    const char *id = t->env->is.board, *file, *below;

    if (id == NULL || strchr(id, '/') != NULL || id[0] == '.')
        return;
    file = kiln_arena_printf(&t->build->arena, "%s.json", id);
    below = kiln_arena_printf(&t->build->arena, "boards/%s.json", id);
    if (file == NULL || below == NULL)
        return;
    if (take(t, kiln_build_path(t->build, folder(t, "boards_dir"), file)) ||
        take(t, kiln_build_path(t->build, folder(t, "core_dir"), below)))
        return;
    take_installed(t, below);
}

/* The last word of a path with its quotes may stand at several places; the one meant is behind the words
 * before it. */
static struct kiln_project_place place_of(struct kiln_pio_target *t, const char *path)
{
    struct kiln_project_place place = {kiln_build_shown(t->build, t->manifest.path), 0};
    const char *at = t->manifest.text;
    char quoted[80];

    while (at != NULL && *path != '\0') {
        size_t n = strcspn(path, ".");

        snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)n, path);
        at = strstr(at, quoted);
        path += n + (path[n] == '.');
    }
    for (const char *c = t->manifest.text; at != NULL && c < at; c++)
        place.line += *c == '\n';
    place.line += at != NULL;
    return place;
}

static json_t *value_at(json_t *value, const char *path)
{
    char word[80];

    while (value != NULL && *path != '\0') {
        size_t n = strcspn(path, ".");

        snprintf(word, sizeof word, "%.*s", (int)n, path);
        value = json_object_get(value, word);
        path += n + (path[n] == '.');
    }
    return value;
}

bool kiln_pio_board(struct kiln_pio_target *t, const char *path, struct kiln_pio_said *out_said)
{
    const char *name = kiln_arena_printf(&t->build->arena, "board_%s", path);
    const struct kiln_project_option *option =
        name != NULL ? kiln_project_option(&t->env->is, name) : NULL;
    json_t *value;

    if (name == NULL)
        return false;
    if (option != NULL)
        option = kiln_pio_get(t->pio, t->section, name);
    if (option != NULL && option->kind == KILN_PROJECT_TEXT) {
        const char *at = option->texts[0], *end = at + strlen(at);

        kiln_ini_strip(&at, &end);
        *out_said = (struct kiln_pio_said){
            kiln_arena_text(&t->build->arena, at, (size_t)(end - at)), name, option->place};
        return out_said->text != NULL;
    }
    value = value_at(t->board, path);
    if (!json_is_string(value) && !json_is_integer(value))
        return false;
    *out_said = (struct kiln_pio_said){
        json_is_string(value)
            ? kiln_arena_printf(&t->build->arena, "%s", json_string_value(value))
            : kiln_arena_printf(&t->build->arena, "%lld", (long long)json_integer_value(value)),
        kiln_arena_printf(&t->build->arena, "%s", path), place_of(t, path)};
    return out_said->text != NULL && out_said->option != NULL;
}
