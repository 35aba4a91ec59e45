/* SPDX-License-Identifier: MIT */
/* Klipper: out/klipper.bin with its dictionary, and the .config that says where it was linked. */
#include "base/ctx.h"
#include "chip/chip.h"
#include "project/build.h"

#include <string.h>

static const char *out_folder(struct kiln_build *build)
{
    const char *out = kiln_build_path(build, build->dir, "out");

    if (kiln_file_exists(kiln_build_path(build, out, "klipper.dict")))
        return out;
    if (kiln_file_exists(kiln_build_path(build, build->dir, "klipper.dict")))
        return build->dir;
    return NULL;
}

/* A checkout that nobody built yet. */
static bool is_source(struct kiln_build *build)
{
    return kiln_file_exists(kiln_build_path(build, build->dir, "klippy/klippy.py")) &&
           kiln_file_exists(kiln_build_path(build, build->dir, "src/Kconfig"));
}

static bool detect(struct kiln_build *build)
{
    return out_folder(build) != NULL || is_source(build);
}

/* Klipper builds for one part of a line and means all of it ("stm32f103xe"): does Kiln know several? */
static bool is_line(const char *mcu)
{
    size_t digits = mcu != NULL ? strcspn(mcu, "0123456789") : 0, n, count = 0;
    const struct kiln_chip *chip;

    if (mcu == NULL)
        return false;
    n = digits + strcspn(mcu + digits, "x");
    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++)
        count += strncmp(chip->name, mcu, n) == 0;
    return count > 1;
}

static enum kiln_status read_dictionary(struct kiln_build *build, struct kiln_build_env *env,
                                        const char *path, struct kiln_error *out_error)
{
    struct kiln_build_json json;
    const char *key, *version;
    json_t *config, *value;

    KILN_TRY(kiln_build_json(build, path, &json, out_error));
    version = json_string_value(json_object_get(json.root, "version"));
    if (version != NULL)
        kiln_build_option(build, env, "version", kiln_arena_printf(&build->arena, "%s", version),
                          kiln_build_json_place(build, &json, "version"));
    config = json_object_get(json.root, "config");
    json_object_foreach(config, key, value)
    {
        const char *name = kiln_arena_printf(&build->arena, "config.%s", key), *text;

        if (strcmp(key, "SERIAL_BAUD") == 0 && json_integer_value(value) > 0 &&
            json_integer_value(value) <= UINT32_MAX)
            env->is.monitor_speed = (uint32_t)json_integer_value(value);
        text = json_is_string(value)
                   ? kiln_arena_printf(&build->arena, "%s", json_string_value(value))
               : json_is_integer(value)
                   ? kiln_arena_printf(&build->arena, "%lld", (long long)json_integer_value(value))
                   : NULL;
        if (strcmp(key, "MCU") == 0) {
            env->is.chip = text;
            env->is.chip_is_line = is_line(text);
        }
        kiln_build_option(build, env, name, text, kiln_build_json_place(build, &json, key));
    }
    json_decref(json.root);
    return KILN_OK;
}

/* A raw binary where its own ELF file is linked, else at the address of the .config it was built with, if that is
 * not newer than the build. */
static bool add_configured(struct kiln_build *build, struct kiln_build_env *env, const char *bin)
{
    const char *config = kiln_build_path(build, build->dir, ".config");
    struct kiln_project_file file = {
        .path = bin, .what = "application", .why = "CONFIG_FLASH_APPLICATION_ADDRESS"};
    const char *address =
        kiln_build_kconfig(build, config, "CONFIG_FLASH_APPLICATION_ADDRESS", &file.place);
    struct kiln_build_look elf =
        env->is.elf != NULL ? kiln_build_look(env->is.elf) : (struct kiln_build_look){0};
    bool configured = address != NULL && kiln_build_number(address, &file.address);

    if (!kiln_file_exists(bin))
        return false;
    if (elf.ok && elf.info.address != KILN_NO_ADDRESS) {
        if (configured && file.address != elf.info.address)
            kiln_build_note(build, env,
                            "%s:%u says 0x%08llx, but the program was linked at 0x%08llx",
                            file.place.file, file.place.line, (unsigned long long)file.address,
                            (unsigned long long)elf.info.address);
        if (!configured || file.address != elf.info.address) {
            file.why = "load address in the ELF file";
            file.place = (struct kiln_project_place){kiln_build_shown(build, env->is.elf), 0};
        }
        file.address = elf.info.address;
    } else if (!configured) {
        return false;
    } else if (kiln_file_time(config) > kiln_file_time(bin)) {
        kiln_build_note(build, env, ".config is newer than %s: its address does not count",
                        kiln_build_shown(build, bin));
        return false;
    }
    kiln_build_file(build, env, &file);
    return true;
}

static enum kiln_status load(struct kiln_build *build, struct kiln_error *out_error)
{
    const char *out = out_folder(build);
    struct kiln_build_env *env = kiln_build_environment(build, "klipper");
    const char *bin, *elf;
    struct kiln_build_program program = {0};

    if (env == NULL)
        return KILN_OK; /* told at the end: the arena has failed */
    if (out == NULL) {
        kiln_build_unbuilt(build, env, "make menuconfig, then make");
        return KILN_OK;
    }
    KILN_TRY(read_dictionary(build, env, kiln_build_path(build, out, "klipper.dict"), out_error));
    bin = kiln_build_path(build, out, "klipper.bin");
    elf = kiln_build_path(build, out, "klipper.elf");
    if (kiln_file_exists(elf))
        env->is.elf = elf;
    program.uf2 = kiln_build_path(build, out, "klipper.uf2");
    program.hex = kiln_build_path(build, out, "klipper.elf.hex");
    if (kiln_file_exists(program.uf2) || !add_configured(build, env, bin)) {
        program.elf = elf;
        program.bin = bin;
        if (!kiln_build_program(build, env, &program))
            kiln_build_not_ready(build, env, "%s holds no firmware; build it: make",
                                 kiln_build_shown(build, out));
    }
    kiln_build_stale(build, env, (const char *const[]){"src", "lib", ".config", NULL}, "make");
    return KILN_OK;
}

const struct kiln_project_system kiln_project_klipper = {
    .name = "klipper", .detect = detect, .load = load};
