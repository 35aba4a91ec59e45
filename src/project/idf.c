/* SPDX-License-Identifier: MIT */
/* ESP-IDF: flasher_args.json, flash_args and project_description.json of a build folder. */
#include "base/ctx.h"
#include "project/build.h"
#include "project/upload.h"

#include <stdlib.h>
#include <string.h>

static const char *const arg_files[] = {"flash_args", "flash_project_args", NULL};

static bool is_build(struct kiln_build *build, const char *folder)
{
    if (kiln_file_exists(kiln_build_path(build, folder, "flasher_args.json")))
        return true;
    for (const char *const *name = arg_files; *name != NULL; name++)
        if (kiln_file_exists(kiln_build_path(build, folder, *name)))
            return true;
    return false;
}

/* A project that nobody built yet: its CMakeLists.txt includes ESP-IDF's. */
static bool is_source(struct kiln_build *build)
{
    size_t len;
    const char *text =
        kiln_file_read(&build->arena, kiln_build_path(build, build->dir, "CMakeLists.txt"),
                       KILN_BUILD_JSON_MAX, &len);

    return text != NULL && strstr(text, "IDF_PATH") != NULL &&
           strstr(text, "project.cmake") != NULL;
}

static bool any_build(struct kiln_build *build)
{
    struct kiln_paths names;

    kiln_folder_list(&build->arena, build->dir, &names);
    for (size_t i = 0; i < names.count; i++)
        if (strncmp(names.path[i], "build", 5) == 0 &&
            is_build(build, kiln_build_path(build, build->dir, names.path[i])))
            return true;
    return false;
}

static bool detect(struct kiln_build *build)
{
    return is_build(build, build->dir) || any_build(build) || is_source(build);
}

/* ---- flasher_args.json ---- */

/* The name of the image object with this offset: "bootloader", "app", "partition-table", ... */
static const char *name_of(const json_t *root, const char *offset, bool *out_encrypted)
{
    const char *key;
    json_t *value;

    *out_encrypted = false;
    json_object_foreach((json_t *)root, key, value)
    {
        const char *own = json_string_value(json_object_get(value, "offset"));
        const char *encrypted = json_string_value(json_object_get(value, "encrypted"));

        if (own == NULL || strcmp(own, offset) != 0)
            continue;
        *out_encrypted = encrypted != NULL && strcmp(encrypted, "true") == 0;
        return strcmp(key, "app") == 0               ? "application"
               : strcmp(key, "partition-table") == 0 ? "partitions"
               : strcmp(key, "partition_table") == 0 ? "partitions"
                                                     : key;
    }
    return "image";
}

static enum kiln_status add_images(struct kiln_build *build, struct kiln_build_env *env,
                                   const struct kiln_build_json *json, const char *folder,
                                   struct kiln_error *out_error)
{
    json_t *files = json_object_get(json->root, "flash_files"), *value;
    const char *offset;

    if (!json_is_object(files))
        return kiln_project_fail(out_error, KILN_E_FILE, "%.200s: there is no \"flash_files\"",
                                 kiln_build_shown(build, json->path));
    json_object_foreach(files, offset, value)
    {
        struct kiln_project_file file = {.why = "flash_files"};
        const char *path = json_string_value(value), *what;
        bool encrypted;

        file.place = kiln_build_json_place(build, json, offset);
        if (path == NULL || !kiln_build_number(offset, &file.address))
            return kiln_project_fail(out_error, KILN_E_FILE,
                                     "%.160s:%u: \"%.40s\" is no offset with a file",
                                     file.place.file, file.place.line, offset);
        what = name_of(json->root, offset, &encrypted);
        file.what = kiln_arena_printf(&build->arena, "%s", what);
        file.path = kiln_build_path(build, folder, path);
        file.missing = !kiln_file_exists(file.path);
        file.encrypted = encrypted;
        if (encrypted)
            kiln_build_note(build, env,
                            "%s belongs to an encrypted flash: a new board encrypts it at its "
                            "first start; with --encrypt the chip does it while it is written",
                            file.what);
        kiln_build_file(build, env, &file);
    }
    return KILN_OK;
}

/* Every text and flag of an object as an option "group.key". */
static void add_options(struct kiln_build *build, struct kiln_build_env *env,
                        const struct kiln_build_json *json, const char *group)
{
    json_t *object = json_object_get(json->root, group), *value;
    const char *key;

    json_object_foreach(object, key, value)
    {
        const char *name = kiln_arena_printf(&build->arena, "%s.%s", group, key);
        const char *text = json_is_string(value)  ? json_string_value(value)
                           : json_is_true(value)  ? "true"
                           : json_is_false(value) ? "false"
                                                  : NULL;

        if (name != NULL && text != NULL)
            kiln_build_option(build, env, name, kiln_arena_printf(&build->arena, "%s", text),
                              kiln_build_json_place(build, json, key));
    }
}

/* How idf.py would tell esptool to reset and to work. */
static void take_esptool(struct kiln_build *build, struct kiln_build_env *env,
                         const struct kiln_build_json *json)
{
    const json_t *args = json_object_get(json->root, "extra_esptool_args");
    const char *chip = json_string_value(json_object_get(args, "chip"));
    const char *before = json_string_value(json_object_get(args, "before"));
    const char *after = json_string_value(json_object_get(args, "after")), *size;

    if (chip != NULL)
        env->is.chip = kiln_arena_printf(&build->arena, "%s", chip);
    env->is.before = before != NULL ? kiln_upload_before(before) : NULL;
    env->is.after = after != NULL ? kiln_upload_after(after) : NULL;
    size = json_string_value(
        json_object_get(json_object_get(json->root, "flash_settings"), "flash_size"));
    if (size != NULL && strcmp(size, "detect") == 0)
        env->is.flash_size = "detect";
    else if (size != NULL && strcmp(size, "keep") == 0)
        env->is.flash_size = "keep";
    env->is.no_stub = json_is_false(json_object_get(args, "stub"));
}

static enum kiln_status load_json(struct kiln_build *build, struct kiln_build_env *env,
                                  const char *folder, const char *path,
                                  struct kiln_error *out_error)
{
    struct kiln_build_json json;
    enum kiln_status status;

    KILN_TRY(kiln_build_json(build, path, &json, out_error));
    status = add_images(build, env, &json, folder, out_error);
    add_options(build, env, &json, "flash_settings");
    add_options(build, env, &json, "extra_esptool_args");
    take_esptool(build, env, &json);
    json_decref(json.root);
    return status;
}

/* ---- flash_args: options in the first line, then "OFFSET FILE" ---- */

/* The file as flasher_args.json would call it. */
static const char *what_is(const char *path)
{
    struct kiln_build_look look = kiln_build_look(path);

    if (strcmp(kiln_path_base(path), "ota_data_initial.bin") == 0)
        return "otadata";
    if (look.ok && look.info.type == KILN_IMAGE_ESP_PARTITIONS)
        return "partitions";
    if (look.ok && look.info.type == KILN_IMAGE_ESP)
        return look.info.esp_role == KILN_ESP_ROLE_BOOTLOADER ? "bootloader" : "application";
    return "image";
}

static enum kiln_status load_args(struct kiln_build *build, struct kiln_build_env *env,
                                  const char *folder, const char *path,
                                  struct kiln_error *out_error)
{
    size_t len;
    const char *text = kiln_file_read(&build->arena, path, KILN_BUILD_JSON_MAX, &len);
    struct kiln_project_place place = {kiln_build_shown(build, path), 0};

    if (text == NULL)
        return kiln_project_fail(out_error, KILN_E_IO, "%.200s cannot be read", place.file);
    if (strlen(text) != len)
        return kiln_project_fail(out_error, KILN_E_FILE, "%.200s is no text", place.file);
    for (size_t n; *text != '\0'; text += n + (text[n] != '\0')) {
        struct kiln_project_file file = {.what = "image", .why = kiln_path_base(path)};
        const char *at = text, *end, *gap;

        n = strcspn(text, "\n");
        end = text + n;
        place.line++;
        kiln_ini_strip(&at, &end);
        if (at == end || *at == '-')
            continue;
        gap = at;
        while (gap < end && *gap != ' ' && *gap != '\t')
            gap++;
        if (!kiln_build_number(kiln_arena_printf(&build->arena, "%.*s", (int)(gap - at), at),
                               &file.address) ||
            gap == end)
            return kiln_project_fail(out_error, KILN_E_FILE,
                                     "%.160s:%u: '%.*s' is no offset with a file", place.file,
                                     place.line, (int)(end - at < 60 ? end - at : 60), at);
        kiln_ini_strip(&gap, &end);
        file.path = kiln_build_path(
            build, folder, kiln_arena_printf(&build->arena, "%.*s", (int)(end - gap), gap));
        file.what = what_is(file.path);
        file.missing = !kiln_file_exists(file.path);
        file.place = place;
        kiln_build_file(build, env, &file);
    }
    return KILN_OK;
}

/* ---- project_description.json: what is good to know, nothing that is needed ---- */

static void describe(struct kiln_build *build, struct kiln_build_env *env, const char *folder)
{
    const char *path = kiln_build_path(build, folder, "project_description.json"), *text;
    struct kiln_build_json json;
    uint64_t baud;

    if (!kiln_file_exists(path))
        return;
    if (kiln_build_json(build, path, &json, NULL) != KILN_OK) {
        kiln_build_note(build, env, "%s is damaged and passed over", kiln_build_shown(build, path));
        return;
    }
    text = json_string_value(json_object_get(json.root, "app_elf"));
    if (text != NULL)
        env->is.elf = kiln_build_path(build, folder, text);
    text = json_string_value(json_object_get(json.root, "target"));
    if (text != NULL && env->is.chip == NULL)
        env->is.chip = kiln_arena_printf(&build->arena, "%s", text);
    text = json_string_value(json_object_get(json.root, "monitor_baud"));
    if (text != NULL && kiln_build_number(text, &baud) && baud <= UINT32_MAX)
        env->is.monitor_speed = (uint32_t)baud;
    if (env->is.monitor_speed != 0)
        kiln_build_option(build, env, "monitor_baud", kiln_arena_printf(&build->arena, "%s", text),
                          kiln_build_json_place(build, &json, "monitor_baud"));
    text = json_string_value(json_object_get(json.root, "project_name"));
    if (text != NULL)
        kiln_build_option(build, env, "project_name", kiln_arena_printf(&build->arena, "%s", text),
                          kiln_build_json_place(build, &json, "project_name"));
    json_decref(json.root);
}

/* The variables that idf.py takes the port and the speed from. */
static void take_environment(struct kiln_build *build, struct kiln_build_env *env)
{
    const char *port = getenv("ESPPORT"), *baud = getenv("ESPBAUD");
    uint64_t speed;

    if (port != NULL && *port != '\0') {
        env->is.port = kiln_arena_printf(&build->arena, "%s", port);
        kiln_build_option(build, env, "upload_port", env->is.port,
                          (struct kiln_project_place){"environment variable ESPPORT", 0});
    }
    if (baud != NULL && kiln_build_number(baud, &speed) && speed <= UINT32_MAX) {
        env->is.upload_speed = (uint32_t)speed;
        kiln_build_option(build, env, "upload_speed", kiln_arena_printf(&build->arena, "%s", baud),
                          (struct kiln_project_place){"environment variable ESPBAUD", 0});
    }
}

static enum kiln_status load_build(struct kiln_build *build, const char *name, const char *folder,
                                   struct kiln_error *out_error)
{
    struct kiln_build_env *env = kiln_build_environment(build, name);
    const char *path = kiln_build_path(build, folder, "flasher_args.json");

    if (env == NULL)
        return KILN_OK; /* told at the end: the arena has failed */
    env->is.protocol = "esptool";
    if (kiln_file_exists(path)) {
        KILN_TRY(load_json(build, env, folder, path, out_error));
    } else {
        for (const char *const *file = arg_files; *file != NULL; file++) {
            path = kiln_build_path(build, folder, *file);
            if (!kiln_file_exists(path))
                continue;
            KILN_TRY(load_args(build, env, folder, path, out_error));
            break;
        }
    }
    describe(build, env, folder);
    take_environment(build, env);
    kiln_build_stale(build, env, (const char *const[]){"main", "components", "sdkconfig", NULL},
                     "idf.py build");
    return KILN_OK;
}

static enum kiln_status load(struct kiln_build *build, struct kiln_error *out_error)
{
    static const char *const by_itself[] = {"build"};
    struct kiln_paths names;
    struct kiln_project_place place;
    struct kiln_build_env *env;

    if (is_build(build, build->dir))
        return load_build(build, kiln_path_base(build->dir), build->dir, out_error);
    kiln_folder_list(&build->arena, build->dir, &names);
    for (size_t i = 0; i < names.count; i++) {
        const char *folder = kiln_build_path(build, build->dir, names.path[i]);

        if (strncmp(names.path[i], "build", 5) != 0 || !is_build(build, folder))
            continue;
        KILN_TRY(load_build(build, names.path[i], folder, out_error));
        if (strcmp(names.path[i], "build") == 0) {
            build->project.defaults = by_itself;
            build->project.default_count = 1;
        }
    }
    if (build->first != NULL)
        return KILN_OK;
    env = kiln_build_environment(build, "build");
    if (env == NULL)
        return KILN_OK; /* told at the end: the arena has failed */
    env->is.chip = kiln_build_kconfig(build, kiln_build_path(build, build->dir, "sdkconfig"),
                                      "CONFIG_IDF_TARGET", &place);
    kiln_build_unbuilt(build, env, "idf.py build");
    return KILN_OK;
}

const struct kiln_project_system kiln_project_idf = {
    .name = "esp-idf", .detect = detect, .load = load};
