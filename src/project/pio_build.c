/* SPDX-License-Identifier: MIT */
/* PlatformIO: what lies in .pio/build and where it would be written. */
#include "base/bytes.h"
#include "base/ctx.h"
#include "chip/chip.h"
#include "project/build.h"
#include "project/pio_board.h"
#include "project/pio_config.h"
#include "project/pio_esp.h"
#include "project/upload.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool detect(struct kiln_build *build)
{
    return kiln_file_exists(kiln_build_path(build, build->dir, "platformio.ini"));
}

/* A text option without the white space around it; NULL if it is not set or empty. */
static const char *text_option(struct kiln_pio_target *t, const char *name)
{
    const struct kiln_project_option *option = kiln_pio_get(t->pio, t->section, name);
    const char *at, *end;

    if (option->kind != KILN_PROJECT_TEXT)
        return NULL;
    at = option->texts[0];
    end = at + strlen(at);
    kiln_ini_strip(&at, &end);
    return at < end ? kiln_arena_text(&t->build->arena, at, (size_t)(end - at)) : NULL;
}

static uint32_t number_option(struct kiln_pio_target *t, const char *name)
{
    const struct kiln_project_option *option = kiln_project_option(&t->env->is, name);

    if (option == NULL || option->kind != KILN_PROJECT_NUMBER || option->number < 0 ||
        option->number > UINT32_MAX)
        return 0;
    return (uint32_t)option->number;
}

/* ---- the program ---- */

/* Files a build leaves beside the program, and images made of it. */
static bool is_helper(const char *name)
{
    static const char *const helpers[] = {
        "bootloader.bin", "partitions.bin", "ota_data_initial.bin",
        "boot_app0.bin",  "spiffs.bin",     "littlefs.bin",
        "fatfs.bin",      "safeboot.bin",   "partition-table.bin"};

    for (size_t i = 0; i < KILN_ARRAY_LEN(helpers); i++)
        if (strcmp(name, helpers[i]) == 0)
            return true;
    return strstr(name, ".factory.bin") != NULL || strstr(name, "-factory.bin") != NULL ||
           strstr(name, "merged.bin") != NULL || kiln_path_ends(name, ".ota.bin") ||
           strstr(name, "bootloader") != NULL;
}

/* The newest file of the build folder with this ending that is the program; NULL if there is none. */
static const char *newest(struct kiln_pio_target *t, const char *ending)
{
    struct kiln_paths names;
    const char *best = NULL;
    uint64_t best_time = 0;

    kiln_folder_list(&t->build->arena, t->folder, &names);
    for (size_t i = 0; i < names.count; i++) {
        const char *path;
        uint64_t time;

        if (!kiln_path_ends(names.path[i], ending) || is_helper(names.path[i]))
            continue;
        path = kiln_build_path(t->build, t->folder, names.path[i]);
        time = kiln_file_exists(path) ? kiln_file_time(path) : 0;
        if (time > best_time ||
            (time == best_time && time != 0 && strncmp(names.path[i], "firmware.", 9) == 0)) {
            best = path;
            best_time = time;
        }
    }
    return best;
}

/* ---- boards without a table of images: the file or its ELF says where it belongs ---- */

/* Where a raw image belongs, by the first who says so. */
static void place_raw(struct kiln_pio_target *t, struct kiln_project_file *file)
{
    struct kiln_build_look look = kiln_build_look(file->path), elf = {0};
    struct kiln_pio_said said;
    uint64_t offset, base = 0;
    bool has_base = t->env->is.chip != NULL && kiln_chip_flash_base(t->env->is.chip, &base);

    if (t->env->is.elf != NULL)
        elf = kiln_build_look(t->env->is.elf);
    if (kiln_pio_board(t, "upload.offset_address", &said) &&
        kiln_build_number(said.text, &file->address)) {
        file->why = said.option;
        file->place = said.place;
        if (elf.ok && elf.info.address != KILN_NO_ADDRESS && elf.info.address != file->address)
            kiln_build_note(t->build, t->env,
                            "%s says 0x%08llx, but the program is linked at 0x%08llx", said.option,
                            (unsigned long long)file->address,
                            (unsigned long long)elf.info.address);
    } else if (elf.ok && elf.info.address != KILN_NO_ADDRESS) {
        file->address = elf.info.address;
        file->why = "load address in the ELF file";
        file->place.file = kiln_build_shown(t->build, t->env->is.elf);
    } else if (has_base && kiln_pio_board(t, "build.offset", &said) &&
               kiln_build_number(said.text, &offset)) {
        file->address = base + offset;
        file->why = said.option;
        file->place = said.place;
    } else if (look.ok && look.info.address != KILN_NO_ADDRESS) {
        file->address = look.info.address;
        file->stated = true;
        file->why = "its vector table";
        file->place.file = kiln_build_shown(t->build, file->path);
    } else if (has_base) {
        file->address = base;
        file->why = "the start of the chip's flash: nothing says otherwise";
    }
}

static bool is_damaged_or_scrambled(const char *path)
{
    struct kiln_build_look look = kiln_build_look(path);

    return !look.ok || look.info.type == KILN_IMAGE_ENCRYPTED;
}

static bool add_stated(struct kiln_pio_target *t, const char *path)
{
    struct kiln_build_look look =
        path != NULL ? kiln_build_look(path) : (struct kiln_build_look){0};
    struct kiln_project_file file = {.path = path,
                                     .what = "application",
                                     .stated = true,
                                     .address = look.info.address,
                                     .why = "the file states it"};

    if (!look.ok || look.info.address == KILN_NO_ADDRESS)
        return false;
    file.place.file = kiln_build_shown(t->build, path);
    kiln_build_file(t->build, t->env, &file);
    return true;
}

static void plan_plain(struct kiln_pio_target *t)
{
    struct kiln_project_file file = {
        .path = newest(t, ".bin"), .what = "application", .address = KILN_NO_ADDRESS};

    if (file.path != NULL && !is_damaged_or_scrambled(file.path)) {
        place_raw(t, &file);
        kiln_build_file(t->build, t->env, &file);
        return;
    }
    if (file.path != NULL && t->env->is.elf != NULL)
        kiln_build_note(t->build, t->env, "%s is scrambled for an SD card; the ELF file is used",
                        kiln_build_shown(t->build, file.path));
    if (add_stated(t, newest(t, ".uf2")) || add_stated(t, newest(t, ".hex")) ||
        add_stated(t, t->env->is.elf))
        return;
    kiln_build_not_ready(t->build, t->env, "%s holds no firmware; build it: pio run -e %s",
                         kiln_build_shown(t->build, t->folder), t->env->is.name);
}

/* ---- one environment ---- */

static void fill_facts(struct kiln_pio_target *t)
{
    struct kiln_project_environment *is = &t->env->is;
    struct kiln_pio_said said;
    uint64_t speed;

    is->board = text_option(t, "board");
    kiln_pio_board_load(t);
    if (kiln_pio_board(t, "build.mcu", &said)) {
        char *mcu = kiln_arena_text(&t->build->arena, said.text, strlen(said.text));

        for (char *c = mcu; c != NULL && *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        is->chip = mcu;
    }
    is->protocol = text_option(t, "upload_protocol");
    if (is->protocol == NULL && kiln_pio_board(t, "upload.protocol", &said))
        is->protocol = said.text;
    is->port = text_option(t, "upload_port");
    is->upload_speed = number_option(t, "upload_speed");
    if (is->upload_speed == 0 && kiln_pio_board(t, "upload.speed", &said) &&
        kiln_build_number(said.text, &speed) && speed <= UINT32_MAX)
        is->upload_speed = (uint32_t)speed;
    if (kiln_pio_board(t, "upload.before_reset", &said))
        is->before = kiln_upload_before(said.text);
    if (kiln_pio_board(t, "upload.after_reset", &said))
        is->after = kiln_upload_after(said.text);
    is->monitor_speed = number_option(t, "monitor_speed");
    t->platform = text_option(t, "platform");
}

/* A folder of [platformio]; a name that nobody has if it cannot be resolved. */
static const char *folder(struct kiln_pio_target *t, const char *option)
{
    const struct kiln_project_option *dir = kiln_pio_get(t->pio, "platformio", option);

    return dir->kind == KILN_PROJECT_TEXT && dir->texts[0][0] != '\0' ? dir->texts[0] : "src";
}

static void fill_build(struct kiln_pio_target *t)
{
    const struct kiln_project_option *dir = kiln_pio_get(t->pio, "platformio", "build_dir");

    if (dir->kind != KILN_PROJECT_TEXT) {
        kiln_build_not_ready(t->build, t->env, "build_dir cannot be resolved: %s",
                             dir->kind == KILN_PROJECT_ERROR && dir->texts != NULL ? dir->texts[0]
                                                                                   : "not set");
        return;
    }
    t->folder = kiln_build_path(t->build, dir->texts[0], t->env->is.name);
    if (!kiln_folder_exists(t->folder)) {
        kiln_build_unbuilt(t->build, t->env,
                           kiln_arena_printf(&t->build->arena, "pio run -e %s", t->env->is.name));
        return;
    }
    t->env->is.elf = newest(t, ".elf");
    t->program = newest(t, ".bin");
    if (kiln_pio_is_esp(t))
        kiln_pio_esp_plan(t);
    else
        plan_plain(t);
    kiln_build_stale(t->build, t->env,
                     (const char *const[]){folder(t, "src_dir"), folder(t, "include_dir"),
                                           folder(t, "lib_dir"), "platformio.ini", NULL},
                     kiln_arena_printf(&t->build->arena, "pio run -e %s", t->env->is.name));
}

static const char *broken_extends(struct kiln_pio_target *t)
{
    const struct kiln_project_environment *is = &t->env->is;

    for (size_t i = 0; i < is->option_count; i++)
        if (is->options[i].kind == KILN_PROJECT_ERROR &&
            strncmp(is->options[i].name, "upload_", 7) == 0)
            return is->options[i].texts != NULL ? is->options[i].texts[0] : "out of memory";
    return NULL;
}

static void load_environment(struct kiln_build *build, struct kiln_pio *pio, const char *section)
{
    struct kiln_pio_target t = {.build = build, .pio = pio, .section = section};
    const char *error;

    t.env = kiln_build_environment(build, section + 4);
    if (t.env == NULL)
        return;
    t.env->is.options = kiln_pio_options(pio, section, &t.env->is.option_count);
    fill_facts(&t);
    error = broken_extends(&t);
    if (error != NULL)
        kiln_build_not_ready(build, t.env, "%s", error);
    else
        fill_build(&t);
    json_decref(t.board);
}

static enum kiln_status load(struct kiln_build *build, struct kiln_error *out_error)
{
    struct kiln_pio *pio = kiln_arena_alloc(&build->arena, sizeof *pio);
    const struct kiln_project_option *defaults;

    if (pio == NULL)
        return kiln_project_fail(out_error, KILN_E_NOMEM, "out of memory");
    KILN_TRY(kiln_pio_open(pio, &build->arena, build->dir, build->shown, out_error));
    for (const struct kiln_ini_section *s = pio->ini.first; s != NULL; s = s->next)
        if (strncmp(s->name, "env:", 4) == 0)
            load_environment(build, pio, s->name);
    defaults = kiln_pio_get(pio, "platformio", "default_envs");
    if (build->arena.failed)
        return KILN_OK; /* told at the end */
    if (defaults->kind == KILN_PROJECT_ERROR) {
        build->project.default_error =
            defaults->texts != NULL ? defaults->texts[0] : "out of memory";
        return KILN_OK;
    }
    build->project.defaults = defaults->texts;
    build->project.default_count = defaults->count;
    return KILN_OK;
}

const struct kiln_project_system kiln_project_platformio = {
    .name = "platformio", .detect = detect, .load = load};
