/* SPDX-License-Identifier: MIT */
/* Arduino CLI and IDE 2: a build folder (build.options.json), a sketch with exported binaries (build/FQBN/),
 * or a sketch whose build lies in the folder for temporary files. */
#include "base/bytes.h"
#include "base/ctx.h"
#include "chip/esp.h"
#include "project/arduino_board.h"
#include "project/build.h"
#include "project/esp_plan.h"
#include "project/yaml.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "X.ino" of the program in this folder; NULL if there is none. */
static const char *program_in(struct kiln_build *build, const char *folder)
{
    static const char *const endings[] = {".ino.bin", ".ino.hex", ".ino.elf", ".ino.uf2"};
    struct kiln_paths names;

    kiln_folder_list(&build->arena, folder, &names);
    for (size_t i = 0; i < names.count; i++)
        for (size_t k = 0; k < sizeof endings / sizeof endings[0]; k++)
            if (kiln_path_ends(names.path[i], endings[k]))
                return kiln_arena_text(&build->arena, names.path[i],
                                       strlen(names.path[i]) - strlen(".bin"));
    return NULL;
}

static bool has_sketch(struct kiln_build *build)
{
    const char *name = kiln_arena_printf(&build->arena, "%s.ino", kiln_path_base(build->dir));

    return name != NULL && kiln_file_exists(kiln_build_path(build, build->dir, name));
}

/* Anyone can make a folder of a known name in /tmp, and what is in it would go onto the board. */
static bool is_own(const char *folder)
{
    struct stat info;

    return stat(folder, &info) == 0 && (info.st_uid == geteuid() || info.st_uid == 0);
}

/* The folder Arduino builds a sketch in: named by the MD5 of the sketch's path. NULL if there is none. */
static const char *temporary_build(struct kiln_build *build)
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;
    char name[33];
    const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME"), *tmp = getenv("TMPDIR");

    (void)EVP_Digest(build->dir, strlen(build->dir), digest, &len, EVP_md5(), NULL);
    for (size_t i = 0; i < 16; i++)
        snprintf(name + 2 * i, 3, "%02X", digest[i]);
    tmp = tmp != NULL && *tmp != '\0' ? tmp : "/tmp";
    const char *const folders[] = {
        cache != NULL && *cache != '\0'
            ? kiln_arena_printf(&build->arena, "%s/arduino/sketches/%s", cache, name)
            : kiln_arena_printf(&build->arena, "%s/.cache/arduino/sketches/%s",
                                home != NULL ? home : "", name),
        kiln_arena_printf(&build->arena, "%s/arduino/sketches/%s", tmp, name),
        kiln_arena_printf(&build->arena, "%s/arduino-sketch-%s", tmp, name),
    };

    for (size_t i = 0; i < KILN_ARRAY_LEN(folders); i++)
        if (folders[i] != NULL && is_own(folders[i]) && program_in(build, folders[i]) != NULL)
            return folders[i];
    return NULL;
}

static bool any_export(struct kiln_build *build)
{
    const char *root = kiln_build_path(build, build->dir, "build");
    struct kiln_paths names;

    kiln_folder_list(&build->arena, root, &names);
    for (size_t i = 0; i < names.count; i++)
        if (program_in(build, kiln_build_path(build, root, names.path[i])) != NULL)
            return true;
    return program_in(build, root) != NULL;
}

static bool detect(struct kiln_build *build)
{
    return kiln_file_exists(kiln_build_path(build, build->dir, "build.options.json")) ||
           program_in(build, build->dir) != NULL || any_export(build) || has_sketch(build);
}

/* build.options.json: the board as an FQBN, and where cores are looked for. */
static void read_options(struct kiln_build *build, struct kiln_build_env *env, const char *folder,
                         const char **out_folders)
{
    const char *path = kiln_build_path(build, folder, "build.options.json"), *key;
    struct kiln_build_json json;
    json_t *value;

    if (!kiln_file_exists(path))
        return;
    if (kiln_build_json(build, path, &json, NULL) != KILN_OK) {
        kiln_build_note(build, env, "%s is damaged and passed over", kiln_build_shown(build, path));
        return;
    }
    json_object_foreach(json.root, key, value)
    {
        const char *text = json_is_string(value)
                               ? kiln_arena_printf(&build->arena, "%s", json_string_value(value))
                               : NULL;

        kiln_build_option(build, env, kiln_arena_printf(&build->arena, "%s", key), text,
                          kiln_build_json_place(build, &json, key));
        if (strcmp(key, "fqbn") == 0)
            env->is.board = text;
        if (strcmp(key, "hardwareFolders") == 0)
            *out_folders = text;
    }
    json_decref(json.root);
}

/* sketch.yaml: the board and the port that were attached to the sketch. */
static void read_sketch(struct kiln_build *build, struct kiln_build_env *env)
{
    static const char *const names[] = {"sketch.yaml", "sketch.yml"};
    struct kiln_yaml yaml;
    struct kiln_error error;
    const char *text;

    for (size_t i = 0; i < KILN_ARRAY_LEN(names); i++) {
        const char *path = kiln_build_path(build, build->dir, names[i]);
        yaml_node_t *node;

        if (!kiln_file_exists(path))
            continue;
        if (kiln_yaml_load(build, path, &yaml, &error) != KILN_OK) {
            kiln_build_note(build, env, "passed over: %s", error.message);
            return;
        }
        node = kiln_yaml_get(&yaml, NULL, "default_port");
        text = kiln_yaml_text(node);
        if (text != NULL) {
            env->is.port = kiln_arena_printf(&build->arena, "%s", text);
            kiln_build_option(build, env, "upload_port", env->is.port,
                              kiln_yaml_place(build, &yaml, node));
        }
        node = kiln_yaml_get(&yaml, NULL, "default_fqbn");
        text = kiln_yaml_text(node);
        if (text != NULL) {
            text = kiln_arena_printf(&build->arena, "%s", text);
            kiln_build_option(build, env, "default_fqbn", text,
                              kiln_yaml_place(build, &yaml, node));
            if (env->is.board == NULL)
                env->is.board = text;
        }
        yaml_document_delete(&yaml.document);
        return;
    }
}

/* An exported build is in a folder named by its board: "esp32.esp32.esp32". */
static void guess_board(struct kiln_build *build, struct kiln_build_env *env, const char *folder)
{
    const char *name = kiln_path_base(folder), *dot = strchr(name, '.');
    char *board;

    if (env->is.board != NULL || dot == NULL || strchr(dot + 1, '.') == NULL)
        return;
    board = kiln_arena_text(&build->arena, name, strlen(name));
    for (char *c = board; c != NULL && *c != '\0'; c++)
        if (*c == '.')
            *c = ':';
    env->is.board = board;
}

static void take_fact(const struct kiln_arduino_board *board, struct kiln_build_env *env,
                      const char *key, const char *option, const char **out_value)
{
    struct kiln_project_place place;
    const char *value = kiln_arduino_board_get(board, key, &place);

    if (value == NULL || *value == '\0')
        return;
    kiln_build_option(board->build, env, option, value, place);
    *out_value = value;
}

/* What the core says, where it is installed. */
static void read_board(struct kiln_build *build, struct kiln_build_env *env, const char *folders)
{
    struct kiln_arduino_board board;
    const char *speed = NULL;
    uint64_t number;

    if (env->is.board == NULL)
        return;
    kiln_arduino_board_open(build, env->is.board, folders, &board);
    if (board.path == NULL)
        return;
    take_fact(&board, env, "build.mcu", "board_build.mcu", &env->is.chip);
    take_fact(&board, env, "upload.protocol", "upload_protocol", &env->is.protocol);
    take_fact(&board, env, "upload.speed", "upload_speed", &speed);
    if (speed != NULL && kiln_build_number(speed, &number) && number <= UINT32_MAX)
        env->is.upload_speed = (uint32_t)number;
}

static const char *beside(struct kiln_build *build, const char *folder, const char *program,
                          const char *ending)
{
    const char *name = kiln_arena_printf(&build->arena, "%s%s", program, ending);
    const char *path = name != NULL ? kiln_build_path(build, folder, name) : "";

    return kiln_file_exists(path) ? path : NULL;
}

static void plan_esp(struct kiln_build *build, struct kiln_build_env *env, const char *folder,
                     const char *program, const char *bin, const char *chip)
{
    struct kiln_esp_parts parts = {
        .bootloader = beside(build, folder, program, ".bootloader.bin"),
        .table = beside(build, folder, program, ".partitions.bin"),
        .program = bin,
        .otadata = kiln_build_path(build, folder, "boot_app0.bin"),
        .is_boot_app0 = true,
        .arduino = true,
        .table_at = KILN_NO_ADDRESS,
        .program_at = KILN_NO_ADDRESS,
    };

    env->is.chip = chip;
    env->is.protocol = "esptool";
    if (kiln_esp_is_plain(chip))
        kiln_build_add(build, env, bin, "application", 0, "the chip's ROM starts it there",
                       (struct kiln_project_place){0});
    else
        kiln_esp_plan(build, env, &parts);
}

static void plan(struct kiln_build *build, struct kiln_build_env *env, const char *folder,
                 const char *program)
{
    const char *bin = beside(build, folder, program, ".bin");
    struct kiln_build_look look = {0};
    struct kiln_build_program others = {.uf2 = beside(build, folder, program, ".uf2"),
                                        .hex = beside(build, folder, program, ".hex"),
                                        .elf = env->is.elf,
                                        .bin = bin};

    if (bin != NULL)
        look = kiln_build_look(bin);
    if (look.ok && look.info.type == KILN_IMAGE_ESP) {
        plan_esp(build, env, folder, program, bin, look.info.chip);
        return;
    }
    if (!kiln_build_program(build, env, &others))
        kiln_build_not_ready(build, env, "%s holds no firmware that says where it belongs",
                             kiln_build_shown(build, folder));
}

static void load_build(struct kiln_build *build, const char *name, const char *folder)
{
    struct kiln_build_env *env = kiln_build_environment(build, name);
    const char *program = program_in(build, folder), *folders = NULL;

    if (env == NULL)
        return; /* told at the end: the arena has failed */
    read_options(build, env, folder, &folders);
    guess_board(build, env, folder);
    read_sketch(build, env);
    read_board(build, env, folders);
    if (program == NULL) {
        kiln_build_not_ready(build, env, "%s holds no firmware; build it: arduino-cli compile",
                             kiln_build_shown(build, folder));
        return;
    }
    env->is.elf = beside(build, folder, program, ".elf");
    plan(build, env, folder, program);
    if (has_sketch(build))
        kiln_build_stale(build, env,
                         (const char *const[]){
                             kiln_arena_printf(&build->arena, "%s.ino", kiln_path_base(build->dir)),
                             "src", NULL},
                         "arduino-cli compile");
}

/* sketch.yaml's default_fqbn chooses among exported builds, which are in folders named by their boards. */
static void choose_default(struct kiln_build *build)
{
    const struct kiln_project_option *fqbn;
    char *name;
    size_t colons = 0;

    for (const struct kiln_build_env *env = build->first; env != NULL; env = env->next) {
        fqbn = kiln_project_option(&env->is, "default_fqbn");
        if (fqbn == NULL)
            return;
        name = kiln_arena_text(&build->arena, fqbn->texts[0], strlen(fqbn->texts[0]));
        for (char *c = name; c != NULL && *c != '\0'; c++) {
            if (*c == ':')
                *c = ++colons == 3 ? '\0' : '.';
            if (*c == '\0')
                break;
        }
        colons = 0;
        if (name != NULL && strcmp(name, env->is.name) == 0) {
            const char **defaults = kiln_arena_alloc(&build->arena, sizeof *defaults);

            if (defaults == NULL)
                return;
            *defaults = env->is.name;
            build->project.defaults = defaults;
            build->project.default_count = 1;
        }
    }
}

static enum kiln_status load(struct kiln_build *build, struct kiln_error *out_error)
{
    const char *root = kiln_build_path(build, build->dir, "build"), *temporary;
    struct kiln_paths names;
    struct kiln_build_env *env;

    (void)out_error;
    if (kiln_file_exists(kiln_build_path(build, build->dir, "build.options.json")) ||
        program_in(build, build->dir) != NULL) {
        load_build(build, kiln_path_base(build->dir), build->dir);
        return KILN_OK;
    }
    kiln_folder_list(&build->arena, root, &names);
    for (size_t i = 0; i < names.count; i++) {
        const char *folder = kiln_build_path(build, root, names.path[i]);

        if (program_in(build, folder) != NULL)
            load_build(build, names.path[i], folder);
    }
    if (program_in(build, root) != NULL)
        load_build(build, "build", root);
    choose_default(build);
    temporary = build->first == NULL ? temporary_build(build) : NULL;
    if (temporary != NULL)
        load_build(build, kiln_path_base(build->dir), temporary);
    if (build->first != NULL)
        return KILN_OK;
    env = kiln_build_environment(build, kiln_path_base(build->dir));
    if (env != NULL)
        kiln_build_unbuilt(build, env, "arduino-cli compile -b FQBN");
    return KILN_OK;
}

const struct kiln_project_system kiln_project_arduino = {
    .name = "arduino", .detect = detect, .load = load};
