/* SPDX-License-Identifier: MIT */
/* Arduino CLI and IDE 2: a build folder (build.options.json), a sketch with exported binaries (build/FQBN/),
 * or a sketch whose build lies in the folder for temporary files. */
#include "base/ctx.h"
#include "chip/esp.h"
#include "project/build.h"
#include "project/esp_plan.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The folder Arduino builds a sketch in: named by the MD5 of the sketch's path. NULL if there is none. */
static const char *temporary_build(struct kiln_build *build)
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;
    char name[33];
    const char *home = getenv("HOME"), *tmp = getenv("TMPDIR"), *roots[2], *folder;

    (void)EVP_Digest(build->dir, strlen(build->dir), digest, &len, EVP_md5(), NULL);
    for (size_t i = 0; i < 16; i++)
        snprintf(name + 2 * i, 3, "%02X", digest[i]);
    roots[0] = kiln_arena_printf(&build->arena, "%s/.cache/arduino/sketches/%s",
                                 home != NULL ? home : "", name);
    roots[1] = kiln_arena_printf(&build->arena, "%s/arduino/sketches/%s",
                                 tmp != NULL && *tmp != '\0' ? tmp : "/tmp", name);
    for (size_t i = 0; i < 2; i++) {
        folder = roots[i];
        if (folder != NULL && program_in(build, folder) != NULL)
            return folder;
    }
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

static void read_options(struct kiln_build *build, struct kiln_build_env *env, const char *folder)
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
    }
    json_decref(json.root);
}

static const char *beside(struct kiln_build *build, const char *folder, const char *program,
                          const char *ending)
{
    const char *name = kiln_arena_printf(&build->arena, "%s%s", program, ending);
    const char *path = name != NULL ? kiln_build_path(build, folder, name) : "";

    return kiln_file_exists(path) ? path : NULL;
}

static void load_build(struct kiln_build *build, const char *name, const char *folder)
{
    struct kiln_build_env *env = kiln_build_environment(build, name);
    const char *program = program_in(build, folder), *bin;
    struct kiln_build_look look = {0};

    if (env == NULL)
        return;
    read_options(build, env, folder);
    if (program == NULL) {
        kiln_build_not_ready(build, env, "%s holds no firmware", kiln_build_shown(build, folder));
        return;
    }
    env->is.elf = beside(build, folder, program, ".elf");
    bin = beside(build, folder, program, ".bin");
    if (bin != NULL)
        look = kiln_build_look(bin);
    if (look.ok && look.info.type == KILN_IMAGE_ESP) {
        struct kiln_esp_parts parts = {
            .bootloader = beside(build, folder, program, ".bootloader.bin"),
            .table = beside(build, folder, program, ".partitions.bin"),
            .program = bin,
            .otadata = kiln_build_path(build, folder, "boot_app0.bin"),
            .is_boot_app0 = true,
            .table_at = KILN_NO_ADDRESS,
            .program_at = KILN_NO_ADDRESS,
        };

        env->is.chip = look.info.chip;
        env->is.protocol = "esptool";
        if (kiln_esp_is_plain(look.info.chip)) {
            parts.program_at = 0;
            parts.program_why = "the chip's ROM starts it there";
            parts.table = NULL;
            kiln_build_file(
                build, env,
                &(struct kiln_project_file){
                    .path = bin, .what = "application", .address = 0, .why = parts.program_why});
            return;
        }
        kiln_esp_plan(build, env, &parts);
        return;
    }
    if (!kiln_build_program(build, env,
                            &(struct kiln_build_program){beside(build, folder, program, ".uf2"),
                                                         beside(build, folder, program, ".hex"),
                                                         env->is.elf, bin, NULL}))
        kiln_build_not_ready(build, env, "%s holds no firmware that says where it belongs",
                             kiln_build_shown(build, folder));
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
    temporary = build->first == NULL ? temporary_build(build) : NULL;
    if (temporary != NULL)
        load_build(build, kiln_path_base(build->dir), temporary);
    if (build->first != NULL)
        return KILN_OK;
    env = kiln_build_environment(build, kiln_path_base(build->dir));
    if (env != NULL)
        kiln_build_not_ready(build, env, "it is not built yet: arduino-cli compile");
    return KILN_OK;
}

const struct kiln_project_system kiln_project_arduino = {
    .name = "arduino", .detect = detect, .load = load};
