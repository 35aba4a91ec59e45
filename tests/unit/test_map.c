/* SPDX-License-Identifier: MIT */
/* The map of flash as text: plan, regions and partitions in, parts with their stretches out. */
#include "base/bytes.h"
#include "plan/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct kiln_region sectors[] = {
    {"Internal Flash", 0x08000000, 0x10000, 0x4000, 0xff, 7, 0, 0, 0},
    {"Internal Flash", 0x08010000, 0x10000, 0x10000, 0xff, 7, 0, 0, 0},
    {"Option Bytes", 0x1fffc000, 16, 16, 0xff, 5, 1, 0, 0},
};
static const struct kiln_region spi[] = {{"SPI flash", 0, 0x40000, 0x1000, 0xff, 7, 0, 0, 0}};
static const struct kiln_esp_partition table[] = {
    {1, 2, 0x9000, 0x5000, 0, "nvs"},
    {0, 0, 0x10000, 0x20000, 0, "factory"},
};

static struct kiln_image *image_at(uint64_t address, size_t size)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, 1, size);
    options.raw = true;
    options.address = address;
    assert_int_equal(kiln_image_parse("dir/image.bin", bytes, size, &options, &image, NULL),
                     KILN_OK);
    free(bytes);
    return image;
}

/* "nvs 9000+5000: kept 9000+5000; ..." */
static void expect_map(struct kiln_map *map, const char *expected)
{
    char text[1024] = "";

    for (size_t i = 0; i < map->part_count; i++) {
        const struct kiln_map_part *part = &map->parts[i];
        size_t used = strlen(text);

        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s:", i > 0 ? "; " : "",
                                 part->name);
        for (size_t k = part->span; k < part->span + part->span_count; k++)
            used += (size_t)snprintf(text + used, sizeof text - used, " %s %llx+%llx",
                                     kiln_map_state_name(map->spans[k].state),
                                     (unsigned long long)map->spans[k].start,
                                     (unsigned long long)map->spans[k].size);
    }
    assert_string_equal(text, expected);
    kiln_map_dispose(map);
}

struct made {
    const struct kiln_region *regions;
    size_t region_count, partition_count;
    uint64_t address;
    size_t size, equal_page; /* SIZE_MAX: none */
    struct kiln_plan_policy policy;
};

static void expect_plan(const struct made *made, const char *expected)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_plan plan = {0};
    struct kiln_map map;
    struct kiln_image *image = image_at(made->address, made->size);
    const struct kiln_image *const images[] = {image};

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    assert_int_equal(
        kiln_plan_layout(&ctx, images, 1, made->regions, made->region_count, &made->policy, &plan),
        KILN_OK);
    if (made->equal_page != SIZE_MAX)
        plan.extents[0].covered[made->equal_page] |= KILN_PAGE_EQUAL;
    assert_int_equal(kiln_plan_steps(&ctx, &made->policy, &plan), KILN_OK);
    assert_int_equal(kiln_map_of_plan(&ctx, &plan, made->policy.erase_all, made->regions,
                                      made->region_count, table, made->partition_count, &map),
                     KILN_OK);
    expect_map(&map, expected);
    kiln_plan_dispose(&plan);
    kiln_image_free(image);
}

static void sectors_show_what_is_kept_erased_and_written(void **state)
{
    (void)state;
    expect_plan(&(struct made){.regions = sectors,
                               .region_count = 3,
                               .address = 0x08008000,
                               .size = 0x9000,
                               .equal_page = SIZE_MAX,
                               .policy = {.needs_erase = true}},
                "sector 0: kept 8000000+4000; sector 1: kept 8004000+4000; "
                "sector 2: written 8008000+4000; sector 3: written 800c000+4000; "
                "sector 4: written 8010000+1000 erased 8011000+f000");
}

static void equal_sectors_and_kept_bytes_before_the_image_are_told(void **state)
{
    (void)state;
    expect_plan(&(struct made){.regions = sectors,
                               .region_count = 3,
                               .address = 0x08004800,
                               .size = 0x7800,
                               .equal_page = 1,
                               .policy = {.needs_erase = true}},
                "sector 0: kept 8000000+4000; sector 1: kept 8004000+800 written 8004800+3800; "
                "sector 2: equal 8008000+4000; sector 3: kept 800c000+4000; sector 4: kept "
                "8010000+10000");
}

static void partitions_divide_the_flash_of_a_chip_that_has_them(void **state)
{
    (void)state;
    expect_plan(&(struct made){.regions = spi,
                               .region_count = 1,
                               .partition_count = 2,
                               .address = 0x10000,
                               .size = 0x3000,
                               .equal_page = 1},
                "boot, table: kept 0+9000; nvs: kept 9000+5000; (free): kept e000+2000; "
                "factory: written 10000+1000 equal 11000+1000 written 12000+1000 kept "
                "13000+1d000; (free): kept 30000+10000");
}

static void erasing_all_keeps_nothing(void **state)
{
    (void)state;
    expect_plan(&(struct made){.regions = spi,
                               .region_count = 1,
                               .address = 0x1000,
                               .size = 0x1000,
                               .equal_page = SIZE_MAX,
                               .policy = {.erase_all = true, .needs_erase = true}},
                "SPI flash: erased 0+1000 written 1000+1000 erased 2000+3e000");
}

static void files_alone_have_a_map_too(void **state)
{
    struct kiln_image *image = image_at(0x08004000, 0x100), *nowhere = image_at(KILN_NO_ADDRESS, 4);
    const struct kiln_image *const images[] = {image}, *const lost[] = {nowhere};
    struct kiln_error error = {0};
    struct kiln_map map;

    (void)state;
    assert_int_equal(kiln_map_of_images(images, 1, NULL, NULL, &map, &error), KILN_OK);
    expect_map(&map, "image.bin: written 8004000+100");
    assert_int_equal(
        kiln_map_of_images(images, 1, "@Flash/0x08000000/02*016Kg", NULL, &map, &error), KILN_OK);
    expect_map(&map,
               "sector 0: kept 8000000+4000; sector 1: written 8004000+100 kept 8004100+3f00");
    assert_int_equal(
        kiln_map_of_images(images, 1, NULL, kiln_chip_named("stm32f401cc"), &map, &error), KILN_OK);
    expect_map(&map,
               "sector 0: kept 8000000+4000; sector 1: written 8004000+100 kept 8004100+3f00; "
               "sector 2: kept 8008000+4000; sector 3: kept 800c000+4000; sector 4: kept "
               "8010000+10000; sector 5: kept 8020000+20000");
    /* The flash of an ESP chip is divided by its partition table, and none is among the files. */
    assert_int_equal(kiln_map_of_images(images, 1, NULL, kiln_chip_named("esp32"), &map, &error),
                     KILN_OK);
    expect_map(&map, "image.bin: written 8004000+100");
    assert_int_equal(kiln_map_of_images(images, 1, "rubbish", NULL, &map, &error), KILN_E_ARG);
    assert_int_equal(kiln_map_of_images(lost, 1, NULL, NULL, &map, &error), KILN_E_ARG);
    assert_null(map.parts);
    /* What would lie outside is told and not left out. */
    assert_int_equal(
        kiln_map_of_images(images, 1, "@Flash/0x08000000/01*016Kg", NULL, &map, &error),
        KILN_E_ARG);
    assert_non_null(strstr(error.message, "256 of the 256 bytes"));
    assert_null(map.parts);
    kiln_image_free(image);
    kiln_image_free(nowhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sectors_show_what_is_kept_erased_and_written),
        cmocka_unit_test(equal_sectors_and_kept_bytes_before_the_image_are_told),
        cmocka_unit_test(partitions_divide_the_flash_of_a_chip_that_has_them),
        cmocka_unit_test(erasing_all_keeps_nothing),
        cmocka_unit_test(files_alone_have_a_map_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
