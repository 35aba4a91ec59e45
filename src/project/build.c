/* SPDX-License-Identifier: MIT */
#include "project/build.h"

#include "base/bytes.h"
#include "chip/esp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OTADATA_BYTES 0x2000

struct kiln_build_env *kiln_build_environment(struct kiln_build *build, const char *name)
{
    struct kiln_build_env *env = kiln_arena_alloc(&build->arena, sizeof *env);

    if (env == NULL)
        return NULL;
    env->is.name = name;
    env->is.notes = "";
    if (build->last != NULL)
        build->last->next = env;
    else
        build->first = env;
    build->last = env;
    build->project.environment_count++;
    return env;
}

void kiln_build_file(struct kiln_build *build, struct kiln_build_env *env,
                     const struct kiln_project_file *file)
{
    size_t at = env->is.file_count;

    if (at == env->capacity) {
        size_t capacity = env->capacity == 0 ? 8 : env->capacity * 2;
        struct kiln_project_file *grown = kiln_arena_alloc(&build->arena, capacity * sizeof *grown);

        if (grown == NULL)
            return;
        if (at > 0)
            memcpy(grown, env->files, at * sizeof *grown);
        env->files = grown;
        env->capacity = capacity;
    }
    while (at > 0 && env->files[at - 1].address > file->address) {
        env->files[at] = env->files[at - 1];
        at--;
    }
    env->files[at] = *file;
    env->is.files = env->files;
    env->is.file_count++;
}

void kiln_build_add(struct kiln_build *build, struct kiln_build_env *env, const char *path,
                    const char *what, uint64_t address, const char *why,
                    struct kiln_project_place place)
{
    struct kiln_project_file file = {.path = path,
                                     .what = what,
                                     .address = address,
                                     .missing = !kiln_file_exists(path),
                                     .why = why,
                                     .place = place};

    kiln_build_file(build, env, &file);
}

void kiln_build_note(struct kiln_build *build, struct kiln_build_env *env, const char *format, ...)
{
    char line[512];
    va_list args;
    const char *notes;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    notes = kiln_arena_printf(&build->arena, "%s%s%s", env->is.notes,
                              env->is.notes[0] != '\0' ? "\n" : "", line);
    if (notes != NULL)
        env->is.notes = notes;
}

void kiln_build_not_ready(struct kiln_build *build, struct kiln_build_env *env, const char *format,
                          ...)
{
    char line[512];
    va_list args;

    if (env->is.not_ready != NULL)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    env->is.not_ready = kiln_arena_printf(&build->arena, "%s", line);
}

void kiln_build_unbuilt(struct kiln_build *build, struct kiln_build_env *env, const char *command)
{
    env->is.unbuilt = env->is.not_ready == NULL;
    kiln_build_not_ready(build, env, "it is not built yet: %s", command != NULL ? command : "");
}

void kiln_build_option(struct kiln_build *build, struct kiln_build_env *env, const char *name,
                       const char *value, struct kiln_project_place place)
{
    size_t at = env->is.option_count;
    const char **texts = kiln_arena_alloc(&build->arena, sizeof *texts);

    if (value == NULL || texts == NULL)
        return;
    if (at == env->option_capacity) {
        size_t capacity = env->option_capacity == 0 ? 8 : env->option_capacity * 2;
        struct kiln_project_option *grown =
            kiln_arena_alloc(&build->arena, capacity * sizeof *grown);

        if (grown == NULL)
            return;
        if (at > 0)
            memcpy(grown, env->options, at * sizeof *grown);
        env->options = grown;
        env->option_capacity = capacity;
    }
    *texts = value;
    env->options[at] = (struct kiln_project_option){
        .name = name, .kind = KILN_PROJECT_TEXT, .texts = texts, .count = 1, .place = place};
    env->is.options = env->options;
    env->is.option_count++;
}

void kiln_build_otadata(struct kiln_build *build, struct kiln_build_env *env, uint64_t address,
                        bool factory, const char *why, struct kiln_project_place place)
{
    /* ota_seq 1 at 0; its CRC-32 (start FFFFFFFF, esp_rom_crc32_le) at 28 (ESP-IDF esp_ota_select_entry_t) */
    uint8_t *bytes = kiln_arena_alloc(&build->arena, OTADATA_BYTES);
    struct kiln_project_file file = {.what = "otadata",
                                     .address = address,
                                     .data = bytes,
                                     .size = OTADATA_BYTES,
                                     .why = why,
                                     .place = place};

    if (bytes == NULL)
        return;
    memset(bytes, 0xff, OTADATA_BYTES);
    if (!factory) {
        kiln_put_le32(bytes, 1);
        kiln_put_le32(bytes + 28, 0x4743989a);
    }
    kiln_build_file(build, env, &file);
}

const char *kiln_build_shown(struct kiln_build *build, const char *path)
{
    size_t n = strlen(build->dir);
    const char *shown;

    if (strncmp(path, build->dir, n) != 0 || path[n] != '/')
        return path;
    shown = kiln_arena_printf(&build->arena, "%s%s", build->shown, path + n + 1);
    return shown != NULL ? shown : path;
}

const char *kiln_build_path(struct kiln_build *build, const char *dir, const char *name)
{
    const char *path = name[0] == '/' ? kiln_arena_text(&build->arena, name, strlen(name))
                                      : kiln_path_absolute(&build->arena, dir, name);

    return path != NULL ? path : "";
}

/* ---- JSON ---- */

enum kiln_status kiln_build_json(struct kiln_build *build, const char *path,
                                 struct kiln_build_json *out_json, struct kiln_error *out_error)
{
    json_error_t error;
    size_t len;
    const char *shown = kiln_build_shown(build, path);

    *out_json = (struct kiln_build_json){.path = path};
    out_json->text = kiln_file_read(&build->arena, path, KILN_BUILD_JSON_MAX, &len);
    if (out_json->text == NULL)
        return kiln_project_fail(out_error, KILN_E_IO, "%.200s cannot be read: %s", shown,
                                 strerror(errno));
    out_json->root = json_loadb(out_json->text, len, JSON_REJECT_DUPLICATES, &error);
    if (out_json->root == NULL)
        return kiln_project_fail(out_error, KILN_E_FILE, "%.160s:%d: %.140s", shown, error.line,
                                 error.text);
    if (json_is_object(out_json->root))
        return KILN_OK;
    json_decref(out_json->root);
    out_json->root = NULL;
    return kiln_project_fail(out_error, KILN_E_FILE, "%.200s:1: a JSON object was expected", shown);
}

struct kiln_project_place kiln_build_json_place(struct kiln_build *build,
                                                const struct kiln_build_json *json,
                                                const char *word)
{
    struct kiln_project_place place = {kiln_build_shown(build, json->path), 0};
    const char *quoted = kiln_arena_printf(&build->arena, "\"%s\"", word);
    const char *at = quoted != NULL ? strstr(json->text, quoted) : NULL;

    if (at == NULL)
        return place;
    place.line = 1;
    for (const char *c = json->text; c < at; c++)
        place.line += *c == '\n';
    return place;
}

bool kiln_build_number(const char *text, uint64_t *out_number)
{
    const char *end = text + strlen(text);
    char digits[32], *stop;
    int base = 10;

    kiln_ini_strip(&text, &end);
    if (end - text > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    if (end == text || end - text >= (ptrdiff_t)sizeof digits || *text == '-' || *text == '+')
        return false;
    snprintf(digits, sizeof digits, "%.*s", (int)(end - text), text);
    errno = 0;
    *out_number = strtoull(digits, &stop, base);
    if (stop == digits || errno != 0)
        return false;
    if (*stop == 'k' || *stop == 'K') {
        *out_number *= 1024;
        stop++;
    }
    return *stop == '\0' && *out_number < UINT64_MAX / 2;
}

struct kiln_build_look kiln_build_look(const char *path)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_build_look look = {.info = {.address = KILN_NO_ADDRESS, .linked = KILN_NO_ADDRESS}};
    struct kiln_image *image;

    if (!kiln_file_exists(path) || kiln_image_load(path, &options, &image, NULL) != KILN_OK)
        return look;
    look.ok = true;
    look.info = *kiln_image_info(image);
    kiln_image_free(image);
    return look;
}

bool kiln_build_bootloader_at(const char *chip, uint64_t *out_address)
{
    const struct kiln_chip *row = chip != NULL ? kiln_chip_find(chip) : NULL;

    if (row == NULL || row->esp == NULL)
        return false;
    *out_address = row->esp->boot_offset;
    return true;
}

bool kiln_build_program(struct kiln_build *build, struct kiln_build_env *env,
                        const struct kiln_build_program *program)
{
    const char *const stated[] = {program->uf2, program->hex, program->elf};
    struct kiln_project_file file = {.what = program->what != NULL ? program->what : "application",
                                     .address = KILN_NO_ADDRESS};

    for (size_t i = 0; i < KILN_ARRAY_LEN(stated); i++) {
        struct kiln_build_look look =
            stated[i] != NULL ? kiln_build_look(stated[i]) : (struct kiln_build_look){0};

        if (!look.ok || look.info.address_source != KILN_ADDRESS_FILE)
            continue;
        file.path = stated[i];
        file.address = look.info.address;
        file.stated = true;
        file.why = "the file states it";
        file.place.file = kiln_build_shown(build, stated[i]);
        kiln_build_file(build, env, &file);
        if (stated[i] == program->uf2 && env->is.protocol == NULL)
            env->is.protocol = "uf2";
        return true;
    }
    if (program->bin == NULL || !kiln_file_exists(program->bin))
        return false;
    file.path = program->bin;
    file.address = kiln_build_look(program->bin).info.address;
    if (file.address != KILN_NO_ADDRESS) {
        file.stated = true;
        file.why = "its vector table";
        file.place.file = kiln_build_shown(build, program->bin);
    }
    kiln_build_file(build, env, &file);
    return true;
}

/* ---- sources newer than what was built ---- */

#define SOURCES_MAX 20000u
#define CLOCK_SLACK 2000000000u /* files of one copy or checkout are no builds */
#define DEPTH_MAX   12u

struct newest {
    struct kiln_arena *arena;
    const char *path;
    uint64_t time;
    unsigned visits;
};

static bool is_source(const char *name)
{
    static const char *const endings[] = {".c",   ".cpp", ".cc", ".cxx", ".h", ".hpp",
                                          ".ino", ".S",   ".s",  ".ini", NULL};

    for (const char *const *ending = endings; *ending != NULL; ending++)
        if (kiln_path_ends(name, *ending))
            return true;
    return false;
}

static void take_newer(struct newest *newest, const char *path)
{
    uint64_t time = kiln_file_time(path);

    if (time <= newest->time)
        return;
    newest->time = time;
    newest->path = path;
}

static void look_below(struct newest *newest, const char *folder, unsigned depth)
{
    struct kiln_paths names;

    kiln_folder_list(newest->arena, folder, &names);
    for (size_t i = 0; i < names.count && newest->visits++ < SOURCES_MAX; i++) {
        const char *path = kiln_arena_printf(newest->arena, "%s/%s", folder, names.path[i]);

        if (path == NULL)
            return;
        if (is_source(names.path[i]))
            take_newer(newest, path);
        else if (depth < DEPTH_MAX && kiln_folder_exists(path))
            look_below(newest, path, depth + 1);
    }
}

void kiln_build_stale(struct kiln_build *build, struct kiln_build_env *env,
                      const char *const *sources, const char *command)
{
    struct newest newest = {.arena = &build->arena};
    const char *program = NULL;
    uint64_t built = 0;

    for (size_t i = 0; i < env->is.file_count; i++) {
        uint64_t time = env->files[i].path != NULL && strcmp(env->files[i].what, "filesystem") != 0
                            ? kiln_file_time(env->files[i].path)
                            : 0;

        built = time > built ? time : built;
        if (time != 0 && (program == NULL || strcmp(env->files[i].what, "application") == 0))
            program = env->files[i].path;
    }
    if (program == NULL || command == NULL)
        return;
    for (; *sources != NULL; sources++) {
        const char *path = kiln_build_path(build, build->dir, *sources);

        if (kiln_folder_exists(path))
            look_below(&newest, path, 0);
        else
            take_newer(&newest, path);
    }
    if (newest.time > built + CLOCK_SLACK)
        kiln_build_note(build, env, "%s is newer than %s: build it again with %s to flash that",
                        kiln_build_shown(build, newest.path), kiln_build_shown(build, program),
                        command);
}

const char *kiln_build_kconfig(struct kiln_build *build, const char *path, const char *name,
                               struct kiln_project_place *out_place)
{
    size_t len, name_len = strlen(name);
    const char *text = kiln_file_read(&build->arena, path, KILN_BUILD_JSON_MAX, &len);

    *out_place = (struct kiln_project_place){kiln_build_shown(build, path), 0};
    while (text != NULL && *text != '\0') {
        size_t n = strcspn(text, "\r\n");

        out_place->line++;
        if (n > name_len && memcmp(text, name, name_len) == 0 && text[name_len] == '=') {
            const char *at = text + name_len + 1, *end = text + n;

            if (end - at >= 2 && *at == '"' && end[-1] == '"') {
                at++;
                end--;
            }
            return kiln_arena_text(&build->arena, at, (size_t)(end - at));
        }
        text += n;
        text += *text == '\r' && text[1] == '\n' ? 2 : *text != '\0';
    }
    return NULL;
}
