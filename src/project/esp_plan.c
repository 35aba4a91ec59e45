/* SPDX-License-Identifier: MIT */
#include "project/esp_plan.h"

#include "chip/esp.h"

#include <string.h>

#define APP_OFFSET     0x10000u
#define PARTITION_APP  0
#define PARTITION_DATA 1
#define DATA_OTA       0
#define DATA_FAT       0x81
#define DATA_LITTLEFS  0x83
#define APP_FACTORY    0
#define APP_OTA_0      0x10
#define FFAT_SECTOR    0x1000u /* FFat keeps its wear levelling in the first sector of the partition */

/* NULL: there is none. */
struct table {
    struct kiln_image *image;
    const struct kiln_esp_partition *factory, *ota_0, *at_default, *named, *otadata, *files;
};

static void take_row(struct table *table, const struct kiln_esp_partition *row, const char *named)
{
    bool factory = row->subtype == APP_FACTORY, ota_0 = row->subtype == APP_OTA_0;

    if (named != NULL && strcmp(row->label, named) == 0)
        table->named = row;
    if (row->type == PARTITION_DATA) {
        if (row->subtype == DATA_OTA && table->otadata == NULL)
            table->otadata = row;
        if (row->subtype >= DATA_FAT && row->subtype <= DATA_LITTLEFS)
            table->files = row;
    } else if (row->type == PARTITION_APP) {
        if (row->offset == APP_OFFSET)
            table->at_default = row;
        if (factory && table->factory == NULL)
            table->factory = row;
        if (ota_0 && table->ota_0 == NULL)
            table->ota_0 = row;
    }
}

/* False if it is no partition table. Free table->image. */
static bool read_table(const char *path, const char *named, struct table *out_table)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    const struct kiln_esp_partition *rows;
    size_t count;

    *out_table = (struct table){0};
    if (path == NULL || kiln_image_load(path, &options, &out_table->image, NULL) != KILN_OK)
        return false;
    rows = kiln_image_partitions(out_table->image, &count);
    for (size_t i = 0; i < count; i++)
        take_row(out_table, &rows[i], named);
    return count > 0;
}

/* Where the build system puts the program. Arduino's tools write it to 0x10000 whatever the table says, ESP-IDF's
 * look for the factory partition before ota_0. NULL: the table does not say. */
static const struct kiln_esp_partition *app_row(const struct kiln_esp_parts *parts,
                                                const struct table *table)
{
    if (table->named != NULL)
        return table->named;
    if (parts->arduino && table->at_default != NULL)
        return table->at_default;
    return table->factory != NULL ? table->factory : table->ota_0;
}

static void add_bootloader(struct kiln_build *build, struct kiln_build_env *env,
                           const struct kiln_esp_parts *parts)
{
    struct kiln_build_look look;
    uint64_t at;

    if (parts->bootloader == NULL) {
        kiln_build_note(build, env, "the build left no bootloader: the one on the board stays");
        return;
    }
    look = kiln_build_look(parts->bootloader);
    if (kiln_build_bootloader_at(env->is.chip, &at) ||
        (look.ok && kiln_build_bootloader_at(look.info.chip, &at)))
        kiln_build_add(build, env, parts->bootloader, "bootloader", at,
                       "where the chip's ROM looks for it", (struct kiln_project_place){0});
    else
        kiln_build_note(build, env, "%s is left out: the chip is not known",
                        kiln_build_shown(build, parts->bootloader));
}

/* boot_app0 starts ota_0. Where the program goes to the factory partition, an old application in ota_0 would start
 * in its place. */
static void add_otadata(struct kiln_build *build, struct kiln_build_env *env,
                        const struct kiln_esp_parts *parts, const struct table *table)
{
    struct kiln_project_place place = {0};
    const struct kiln_esp_partition *app = app_row(parts, table);
    bool factory = app != NULL && app == table->factory;

    if (table->otadata == NULL || parts->otadata == NULL)
        return;
    place.file = kiln_build_shown(build, parts->table);
    if (parts->is_boot_app0 && (factory || !kiln_file_exists(parts->otadata)))
        kiln_build_otadata(build, env, table->otadata->offset, factory,
                           factory
                               ? "the otadata partition; blank, to start the factory application"
                               : "the otadata partition; made, as boot_app0.bin is not there",
                           place);
    else
        kiln_build_add(build, env, parts->otadata, "otadata", table->otadata->offset,
                       "the otadata partition", place);
}

static void add_program(struct kiln_build *build, struct kiln_build_env *env,
                        const struct kiln_esp_parts *parts, const struct table *table)
{
    const struct kiln_esp_partition *row = app_row(parts, table);
    struct kiln_project_place place = {0};
    const char *why = "where the framework puts it by itself";

    if (parts->program_at != KILN_NO_ADDRESS) {
        kiln_build_add(build, env, parts->program, "application", parts->program_at,
                       parts->program_why, parts->program_place);
        return;
    }
    if (parts->app_partition != NULL && table->named == NULL)
        kiln_build_note(build, env, "there is no partition '%s' for the application",
                        parts->app_partition);
    if (row != NULL) {
        why = kiln_arena_printf(&build->arena, "the partition %s", row->label);
        place.file = kiln_build_shown(build, parts->table);
    }
    kiln_build_add(build, env, parts->program, "application",
                   row != NULL ? row->offset : APP_OFFSET, why, place);
}

/* A file system image, if the build left one: the build system has a command of its own for it. */
static void add_files(struct kiln_build *build, struct kiln_build_env *env,
                      const struct kiln_esp_parts *parts, const struct table *table)
{
    struct kiln_project_file file = {
        .path = parts->files, .what = "filesystem", .on_request = true};

    if (parts->files == NULL)
        return;
    if (table->files == NULL) {
        kiln_build_note(build, env, "%s is left out: the partition table has no place for it",
                        kiln_build_shown(build, parts->files));
        return;
    }
    file.address = table->files->offset +
                   (parts->files_are_fat && table->files->subtype == DATA_FAT ? FFAT_SECTOR : 0);
    file.why = kiln_arena_printf(&build->arena, "the partition %s", table->files->label);
    file.place.file = kiln_build_shown(build, parts->table);
    kiln_build_file(build, env, &file);
}

void kiln_esp_plan(struct kiln_build *build, struct kiln_build_env *env,
                   const struct kiln_esp_parts *parts)
{
    struct table table;
    bool known = read_table(parts->table, parts->app_partition, &table);

    add_bootloader(build, env, parts);
    if (parts->table != NULL) {
        bool told = parts->table_at != KILN_NO_ADDRESS;

        kiln_build_add(build, env, parts->table, "partitions",
                       told ? parts->table_at : KILN_ESP_TABLE_OFFSET,
                       told ? parts->table_why : "where the bootloader looks for it",
                       told ? parts->table_place : (struct kiln_project_place){0});
        if (!known)
            kiln_build_note(build, env, "%s is no partition table",
                            kiln_build_shown(build, parts->table));
    }
    add_otadata(build, env, parts, &table);
    add_program(build, env, parts, &table);
    add_files(build, env, parts, &table);
    kiln_image_free(table.image);
}

void kiln_esp_plan_files(struct kiln_build *build, struct kiln_build_env *env,
                         const struct kiln_esp_parts *parts)
{
    struct table table;

    (void)read_table(parts->table, NULL, &table);
    add_files(build, env, parts, &table);
    kiln_image_free(table.image);
}
