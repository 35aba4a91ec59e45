/* SPDX-License-Identifier: MIT */
#include "project/esp_plan.h"

#include "chip/esp.h"

#include <string.h>

#define APP_OFFSET     0x10000u
#define PARTITION_APP  0
#define PARTITION_DATA 1
#define DATA_OTA       0
#define APP_FACTORY    0
#define APP_OTA_0      0x10

struct table {
    bool known;
    bool has_app, has_ota, has_factory;
    uint32_t app, otadata;
};

static struct table read_table(const char *path)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct table table = {0};
    struct kiln_image *image;
    const struct kiln_esp_partition *rows;
    size_t count;

    if (path == NULL || kiln_image_load(path, &options, &image, NULL) != KILN_OK)
        return table;
    rows = kiln_image_partitions(image, &count);
    table.known = count > 0;
    for (size_t i = 0; i < count; i++) {
        bool factory = rows[i].type == PARTITION_APP && rows[i].subtype == APP_FACTORY;
        bool ota_0 = rows[i].type == PARTITION_APP && rows[i].subtype == APP_OTA_0;

        if ((factory && !table.has_factory) || (ota_0 && !table.has_app)) {
            table.has_app = true;
            table.app = rows[i].offset;
            table.has_factory = factory;
        }
        if (rows[i].type == PARTITION_DATA && rows[i].subtype == DATA_OTA && !table.has_ota) {
            table.has_ota = true;
            table.otadata = rows[i].offset;
        }
    }
    kiln_image_free(image);
    return table;
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

static void add_otadata(struct kiln_build *build, struct kiln_build_env *env,
                        const struct kiln_esp_parts *parts, const struct table *table)
{
    struct kiln_project_place place = {0};

    if (!table->has_ota || parts->otadata == NULL)
        return;
    place.file = kiln_build_shown(build, parts->table);
    /* boot_app0 starts ota_0. With a factory partition the program goes there, and an old application in
     * ota_0 would start in its place. */
    if (parts->is_boot_app0 && (table->has_factory || !kiln_file_exists(parts->otadata)))
        kiln_build_otadata(build, env, table->otadata, table->has_factory,
                           table->has_factory
                               ? "the otadata partition; blank, to start the factory application"
                               : "the otadata partition; made, as boot_app0.bin is not there",
                           place);
    else
        kiln_build_add(build, env, parts->otadata, "otadata", table->otadata,
                       "the otadata partition", place);
}

void kiln_esp_plan(struct kiln_build *build, struct kiln_build_env *env,
                   const struct kiln_esp_parts *parts)
{
    struct table table = read_table(parts->table);
    struct kiln_project_place nobody = {0};

    add_bootloader(build, env, parts);
    if (parts->table != NULL) {
        bool told = parts->table_at != KILN_NO_ADDRESS;

        kiln_build_add(build, env, parts->table, "partitions",
                       told ? parts->table_at : KILN_ESP_TABLE_OFFSET,
                       told ? parts->table_why : "where the bootloader looks for it",
                       told ? parts->table_place : nobody);
        if (!table.known)
            kiln_build_note(build, env, "%s is no partition table",
                            kiln_build_shown(build, parts->table));
    }
    add_otadata(build, env, parts, &table);
    if (parts->program_at != KILN_NO_ADDRESS) {
        kiln_build_add(build, env, parts->program, "application", parts->program_at,
                       parts->program_why, parts->program_place);
    } else if (table.has_app) {
        struct kiln_project_place place = {kiln_build_shown(build, parts->table), 0};

        kiln_build_add(build, env, parts->program, "application", table.app,
                       table.has_factory ? "the factory partition" : "the partition ota_0", place);
    } else {
        kiln_build_add(build, env, parts->program, "application", APP_OFFSET,
                       "where the framework puts it by itself", nobody);
    }
}
