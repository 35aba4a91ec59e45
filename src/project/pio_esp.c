/* SPDX-License-Identifier: MIT */
#include "project/pio_esp.h"

#include "base/bytes.h"
#include "chip/esp.h"
#include "project/esp_plan.h"

#include <string.h>

#define LINKER_SCRIPTS   "framework-arduinoespressif8266/tools/sdk/ld/"
#define MAPPED_AT        0x40200000u /* where the ESP8266 maps its flash */
#define MAPPED_END       0x41200000u
#define ARDUINO_SDK      "framework-arduinoespressif32/tools/sdk/"
#define ARDUINO_BOOT_APP "framework-arduinoespressif32/tools/partitions/boot_app0.bin"

bool kiln_pio_is_esp(struct kiln_pio_target *t)
{
    const char *chip = t->env->is.chip, *platform = t->platform;
    struct kiln_build_look look;

    if (chip != NULL)
        return strncmp(chip, "esp", 3) == 0;
    if (platform != NULL && strstr(platform, "espressif") != NULL)
        return true;
    if (t->program == NULL)
        return false;
    look = kiln_build_look(t->program);
    return look.ok && look.info.type == KILN_IMAGE_ESP;
}

static const char *in_folder(struct kiln_pio_target *t, const char *name)
{
    const char *path = kiln_build_path(t->build, t->folder, name);

    return kiln_file_exists(path) ? path : NULL;
}

static bool is_arduino(struct kiln_pio_target *t)
{
    const struct kiln_project_option *framework = kiln_pio_get(t->pio, t->section, "framework");

    for (size_t i = 0; framework->kind == KILN_PROJECT_LIST && i < framework->count; i++)
        if (strcmp(framework->texts[i], "arduino") == 0)
            return true;
    return false;
}

/* ---- from idedata.json ---- */

static bool fresh(struct kiln_pio_target *t, const char *path)
{
    uint64_t time = kiln_file_time(path);

    return time != 0 && (t->env->is.elf == NULL || time >= kiln_file_time(t->env->is.elf)) &&
           time >= kiln_file_time(kiln_build_path(t->build, t->build->dir, "platformio.ini"));
}

static bool json_offset(const json_t *value, uint64_t *out)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out = (uint64_t)json_integer_value(value);
        return true;
    }
    return json_is_string(value) && kiln_build_number(json_string_value(value), out);
}

static void add_from_idedata(struct kiln_pio_target *t, const struct kiln_build_json *json,
                             const json_t *image)
{
    const char *path = json_string_value(json_object_get(image, "path"));
    const json_t *offset = json_object_get(image, "offset");
    uint64_t address;

    if (path == NULL || !json_offset(offset, &address))
        return;
    path = kiln_build_path(t->build, t->folder, path);
    if (!kiln_file_exists(path) && strcmp(kiln_path_base(path), "boot_app0.bin") == 0)
        kiln_build_otadata(t->build, t->env, address, false,
                           "idedata.json; made, as boot_app0.bin is not installed",
                           kiln_build_json_place(t->build, json, "flash_images"));
    else
        kiln_build_add(t->build, t->env, path, "image", address, "idedata.json",
                       kiln_build_json_place(t->build, json,
                                             json_is_string(offset) ? json_string_value(offset)
                                                                    : "flash_images"));
}

/* What PlatformIO itself worked out, if it did so after the last change. */
static bool plan_from_idedata(struct kiln_pio_target *t)
{
    const char *path = in_folder(t, "idedata.json");
    struct kiln_build_json json;
    const json_t *extra, *images, *image;
    uint64_t app;
    size_t i;
    bool good;

    if (path == NULL || t->program == NULL || !fresh(t, path) ||
        kiln_build_json(t->build, path, &json, NULL) != KILN_OK)
        return false;
    extra = json_object_get(json.root, "extra");
    images = json_object_get(extra, "flash_images");
    good = json_is_array(images) && json_offset(json_object_get(extra, "application_offset"), &app);
    if (good) {
        json_array_foreach(images, i, image) add_from_idedata(t, &json, image);
        kiln_build_add(t->build, t->env, t->program, "application", app, "application_offset",
                       kiln_build_json_place(t->build, &json, "application_offset"));
    }
    json_decref(json.root);
    return good;
}

/* ---- from the partition table and the board ---- */

static const char *boot_app0_of(struct kiln_pio_target *t)
{
    const struct kiln_project_option *dir = kiln_pio_get(t->pio, "platformio", "packages_dir");

    return dir->kind == KILN_PROJECT_TEXT
               ? kiln_build_path(t->build, dir->texts[0], ARDUINO_BOOT_APP)
               : "";
}

/* "40000000L" as "40m". */
static const char *megahertz(struct kiln_pio_target *t, const char *text)
{
    uint64_t hertz;

    text = kiln_arena_text(&t->build->arena, text, strspn(text, "0123456789"));
    return text != NULL && kiln_build_number(text, &hertz)
               ? kiln_arena_printf(&t->build->arena, "%um", (unsigned)(hertz / 1000000))
               : "";
}

/* Arduino's cores before 2.0.3 bring ready bootloaders instead of making one for each build. */
static const char *packaged_bootloader(struct kiln_pio_target *t)
{
    const struct kiln_project_option *dir = kiln_pio_get(t->pio, "platformio", "packages_dir");
    struct kiln_pio_said mode, speed;
    const char *name;

    if (dir->kind != KILN_PROJECT_TEXT || t->env->is.chip == NULL ||
        (!kiln_pio_board(t, "build.boot", &mode) &&
         !kiln_pio_board(t, "build.flash_mode", &mode)) ||
        (!kiln_pio_board(t, "build.f_boot", &speed) && !kiln_pio_board(t, "build.f_flash", &speed)))
        return NULL;
    name = kiln_arena_printf(&t->build->arena, "bin/bootloader_%s_%s.bin", mode.text,
                             megahertz(t, speed.text));
    for (int own = 0; own <= 1; own++) {
        const char *path =
            kiln_build_path(t->build, dir->texts[0],
                            kiln_arena_printf(&t->build->arena, ARDUINO_SDK "%s%s%s",
                                              own == 1 ? t->env->is.chip : "", own == 1 ? "/" : "",
                                              name != NULL ? name : ""));

        if (kiln_file_exists(path))
            return path;
    }
    return NULL;
}

/* The file system image that was built: of several the one the project is set to. */
static const char *file_system(struct kiln_pio_target *t, bool *out_fat)
{
    static const char *const names[] = {"littlefs.bin", "spiffs.bin", "fatfs.bin"};
    struct kiln_pio_said said;
    const char *best = NULL;

    if (kiln_pio_board(t, "build.filesystem", &said))
        best = in_folder(t, kiln_arena_printf(&t->build->arena, "%s.bin", said.text));
    for (size_t i = 0; best == NULL && i < KILN_ARRAY_LEN(names); i++)
        best = in_folder(t, names[i]);
    *out_fat = best != NULL && strcmp(kiln_path_base(best), "fatfs.bin") == 0;
    return best;
}

/* The value as an address, and who says it. */
static void take_address(struct kiln_pio_target *t, const char *path, uint64_t *address,
                         const char **why, struct kiln_project_place *place)
{
    struct kiln_pio_said said;

    if (!kiln_pio_board(t, path, &said) || !kiln_build_number(said.text, address))
        return;
    *why = said.option;
    *place = said.place;
}

static void plan_with_table(struct kiln_pio_target *t)
{
    struct kiln_esp_parts parts = {.bootloader = in_folder(t, "bootloader.bin"),
                                   .table = in_folder(t, "partitions.bin"),
                                   .otadata = in_folder(t, "ota_data_initial.bin"),
                                   .program = t->program,
                                   .table_at = KILN_NO_ADDRESS,
                                   .program_at = KILN_NO_ADDRESS,
                                   .arduino = is_arduino(t)};
    struct kiln_pio_said said;

    parts.files = file_system(t, &parts.files_are_fat);
    if (plan_from_idedata(t)) {
        kiln_esp_plan_files(t->build, t->env, &parts);
        return;
    }
    if (parts.bootloader == NULL && parts.arduino)
        parts.bootloader = packaged_bootloader(t);
    if (parts.otadata == NULL && parts.arduino) {
        parts.otadata = boot_app0_of(t);
        parts.is_boot_app0 = true;
    }
    take_address(t, "upload.partition_table_offset", &parts.table_at, &parts.table_why,
                 &parts.table_place);
    take_address(t, "upload.offset_address", &parts.program_at, &parts.program_why,
                 &parts.program_place);
    if (kiln_pio_board(t, "build.app_partition_name", &said))
        parts.app_partition = said.text;
    if (t->program == NULL)
        kiln_build_not_ready(t->build, t->env, "%s holds no firmware; build it: pio run -e %s",
                             kiln_build_shown(t->build, t->folder), t->env->is.name);
    else
        kiln_esp_plan(t->build, t->env, &parts);
}

/* ---- the ESP8266: one image, and a file system where the linker script says ---- */

/* `_FS_start = ABSOLUTE(0x402FB000);` in a linker script of the core: an address of the flash's mapping. */
static bool find_fs_start(struct kiln_pio_target *t, const char *path, uint64_t *out_offset,
                          struct kiln_project_place *out_place)
{
    size_t len;
    const char *text = kiln_file_read(&t->build->arena, path, KILN_BUILD_JSON_MAX, &len);
    const char *at = text != NULL ? strstr(text, "_FS_start") : NULL, *number;
    uint64_t address;

    if (at == NULL || (number = strstr(at, "0x")) == NULL || number - at > 64 ||
        !kiln_build_number(kiln_arena_text(&t->build->arena, number,
                                           2 + strspn(number + 2, "0123456789abcdefABCDEF")),
                           &address) ||
        address < MAPPED_AT || address >= MAPPED_END)
        return false;
    *out_offset = address - MAPPED_AT;
    *out_place = (struct kiln_project_place){kiln_build_shown(t->build, path), 1};
    for (const char *c = text; c < at; c++)
        out_place->line += *c == '\n';
    return true;
}

static void plan_plain_files(struct kiln_pio_target *t)
{
    bool fat;
    struct kiln_project_file file = {.path = file_system(t, &fat),
                                     .what = "filesystem",
                                     .why = "_FS_start of the linker script",
                                     .on_request = true};
    const struct kiln_project_option *dir = kiln_pio_get(t->pio, "platformio", "packages_dir");
    struct kiln_pio_said said;

    if (file.path == NULL)
        return;
    if ((kiln_pio_board(t, "build.ldscript", &said) ||
         kiln_pio_board(t, "build.arduino.ldscript", &said)) &&
        dir->kind == KILN_PROJECT_TEXT &&
        find_fs_start(
            t,
            kiln_build_path(t->build, dir->texts[0],
                            kiln_arena_printf(&t->build->arena, LINKER_SCRIPTS "%s", said.text)),
            &file.address, &file.place))
        kiln_build_file(t->build, t->env, &file);
    else
        kiln_build_note(t->build, t->env,
                        "%s is left out: its place stands in the linker script of the core, which "
                        "is not installed here",
                        kiln_build_shown(t->build, file.path));
}

void kiln_pio_esp_plan(struct kiln_pio_target *t)
{
    struct kiln_build_look look =
        t->program != NULL ? kiln_build_look(t->program) : (struct kiln_build_look){0};
    bool plain;

    if (t->env->is.chip == NULL && look.ok)
        t->env->is.chip = look.info.chip;
    plain = t->env->is.chip != NULL
                ? kiln_esp_is_plain(t->env->is.chip)
                : t->platform != NULL && strstr(t->platform, "espressif8266") != NULL;
    if (!plain) {
        plan_with_table(t);
        return;
    }
    t->env->is.chip = kiln_esp_plain()->name;
    if (t->program == NULL)
        kiln_build_not_ready(t->build, t->env, "%s holds no firmware; build it: pio run -e %s",
                             kiln_build_shown(t->build, t->folder), t->env->is.name);
    else
        kiln_build_add(t->build, t->env, t->program, "application", 0,
                       "the chip's ROM starts it there", (struct kiln_project_place){0});
    plan_plain_files(t);
}
