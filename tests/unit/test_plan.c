/* SPDX-License-Identifier: MIT */
/* The planner as text: images and regions in, the list of steps out. */
#include "base/bytes.h"
#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* STM32F405: 4 x 16 KB, 64 KB, 7 x 128 KB. */
static const struct kiln_region f405[] = {
    {"Internal Flash", 0x08000000, 0x10000, 0x4000, 0xff, 7, 0, 0, 0},
    {"Internal Flash", 0x08010000, 0x10000, 0x10000, 0xff, 7, 0, 0, 0},
    {"Internal Flash", 0x08020000, 0xe0000, 0x20000, 0xff, 7, 0, 0, 0},
    {"Option Bytes", 0x1fffc000, 16, 16, 0xff, 5, 1, 0, 0},
    {"System Memory", 0x1fff0000, 0x7800, 0x7800, 0xff, 1, 0, 0, 0},
};
static const struct kiln_region spi[] = {{"SPI flash", 0, 0x400000, 0x1000, 0xff, 7, 0, 0, 0}};

struct setup {
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_plan plan;
    struct kiln_image *images[4];
    size_t image_count;
};

static void begin(struct setup *setup)
{
    memset(setup, 0, sizeof *setup);
    kiln_virtual_clock_init(&setup->clock);
    kiln_ctx_init(&setup->ctx, &setup->clock.base);
}

static void end(struct setup *setup)
{
    kiln_plan_dispose(&setup->plan);
    for (size_t i = 0; i < setup->image_count; i++)
        kiln_image_free(setup->images[i]);
}

static void add_image(struct setup *setup, uint64_t address, size_t size, uint8_t byte)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, byte, size);
    options.raw = true;
    options.address = address;
    assert_int_equal(kiln_image_parse("image.bin", bytes, size, &options,
                                      &setup->images[setup->image_count], NULL),
                     KILN_OK);
    setup->image_count++;
    free(bytes);
}

static enum kiln_status lay(struct setup *setup, const struct kiln_region *regions, size_t count,
                            const struct kiln_plan_policy *policy)
{
    return kiln_plan_layout(&setup->ctx, (const struct kiln_image *const *)setup->images,
                            setup->image_count, regions, count, policy, &setup->plan);
}

/* "E 08000000+4000 W 08000000+1800 V 08000000+4000" */
static void expect_steps(struct setup *setup, const struct kiln_plan_policy *policy,
                         const char *expected)
{
    static const char letters[] = "SEWV";
    char text[1024] = "";

    assert_int_equal(kiln_plan_steps(&setup->ctx, policy, &setup->plan), KILN_OK);
    for (size_t i = 0; i < setup->plan.step_count; i++) {
        const struct kiln_plan_step *step = &setup->plan.steps[i];
        size_t length = strlen(text);

        snprintf(text + length, sizeof text - length, "%s%c %llx+%zx", length > 0 ? " " : "",
                 letters[step->kind], (unsigned long long)step->address, step->size);
    }
    assert_string_equal(text, expected);
}

static void erases_only_the_pages_it_covers(void **state)
{
    const struct kiln_plan_policy policy = {.needs_erase = true};
    struct setup setup;

    (void)state;
    begin(&setup);
    add_image(&setup, 0x08000000, 0x11234, 0x11);
    assert_int_equal(lay(&setup, f405, KILN_ARRAY_LEN(f405), &policy), KILN_OK);
    expect_steps(&setup, &policy,
                 "E 8000000+10000 W 8000000+10000 V 8000000+10000 "
                 "E 8010000+10000 W 8010000+1800 V 8010000+10000");
    assert_int_equal(setup.plan.gap_count, 0); /* the tail of a large page is not kept */
    end(&setup);
}

static void skips_equal_pages_and_does_not_erase_blank_ones(void **state)
{
    const struct kiln_plan_policy policy = {.needs_erase = true};
    struct setup setup;

    (void)state;
    begin(&setup);
    add_image(&setup, 0x08000000, 0x10000, 0x11);
    assert_int_equal(lay(&setup, f405, KILN_ARRAY_LEN(f405), &policy), KILN_OK);
    setup.plan.extents[0].covered[0] |= KILN_PAGE_EQUAL;
    setup.plan.extents[0].covered[2] |= KILN_PAGE_BLANK;
    expect_steps(&setup, &policy,
                 "S 8000000+4000 E 8004000+4000 E 800c000+4000 W 8004000+c000 V 8004000+c000");
    assert_int_equal(setup.plan.skip_bytes, 0x4000);
    end(&setup);
}

static void keeps_what_lies_before_and_between(void **state)
{
    const struct kiln_plan_policy policy = {.needs_erase = true};
    struct setup setup;

    (void)state;
    begin(&setup);
    add_image(&setup, 0x08020100, 0x100, 1);
    add_image(&setup, 0x08020300, 0x100, 2);
    assert_int_equal(lay(&setup, f405, KILN_ARRAY_LEN(f405), &policy), KILN_OK);
    assert_int_equal(setup.plan.extent_count, 1);
    assert_int_equal(setup.plan.gap_count, 2);
    assert_int_equal(setup.plan.gaps[0].address, 0x08020000);
    assert_int_equal(setup.plan.gaps[0].size, 0x100);
    assert_int_equal(setup.plan.gaps[1].address, 0x08020200);
    assert_int_equal(setup.plan.kept_bytes, 0x200);
    end(&setup);
}

static void keeps_the_rest_of_small_sectors(void **state)
{
    const struct kiln_plan_policy policy = {0};
    struct setup setup;

    (void)state;
    begin(&setup);
    add_image(&setup, 0x10010, 0x1000, 3);
    assert_int_equal(lay(&setup, spi, 1, &policy), KILN_OK);
    assert_int_equal(setup.plan.gap_count, 2);
    assert_int_equal(setup.plan.gaps[1].address, 0x11010);
    assert_int_equal(setup.plan.gaps[1].size, 0xff0);
    expect_steps(&setup, &policy, "W 10000+2000 V 10000+2000");
    end(&setup);
}

static void does_not_send_erased_stretches(void **state)
{
    const struct kiln_plan_policy erase_first = {.needs_erase = true}, by_itself = {0};
    struct setup setup;

    (void)state;
    begin(&setup);
    add_image(&setup, 0x08010000, 0x10, 1);
    add_image(&setup, 0x08018010, 0x10, 2);
    assert_int_equal(lay(&setup, f405, KILN_ARRAY_LEN(f405), &erase_first), KILN_OK);
    expect_steps(&setup, &erase_first,
                 "E 8010000+10000 W 8010000+800 W 8018000+800 V 8010000+10000");
    end(&setup);

    begin(&setup);
    add_image(&setup, 0, 0x3000, 1);
    add_image(&setup, 0x3000, 0x5000, 0xff);
    add_image(&setup, 0x8000, 0x1000, 2);
    assert_int_equal(lay(&setup, spi, 1, &by_itself), KILN_OK);
    expect_steps(&setup, &by_itself, "W 0+3000 E 3000+5000 W 8000+1000 V 0+9000");
    end(&setup);
}

static void joins_images_that_share_a_page(void **state)
{
    const struct kiln_plan_policy policy = {.no_verify = true};
    struct setup setup;

    (void)state;
    begin(&setup);
    add_image(&setup, 0x8800, 0x800, 2);
    add_image(&setup, 0x8000, 0x800, 1);
    assert_int_equal(lay(&setup, spi, 1, &policy), KILN_OK);
    assert_int_equal(setup.plan.extent_count, 1);
    assert_int_equal(setup.plan.extents[0].bytes[0x7ff], 1);
    assert_int_equal(setup.plan.extents[0].bytes[0x800], 2);
    expect_steps(&setup, &policy, "W 8000+1000");
    end(&setup);
}

static void refuses_what_does_not_fit(void **state)
{
    const struct kiln_plan_policy policy = {.needs_erase = true};
    struct setup setup;

    (void)state;
    begin(&setup);
    add_image(&setup, 0x080ffff0, 0x20, 1);
    assert_int_equal(lay(&setup, f405, KILN_ARRAY_LEN(f405), &policy), KILN_E_REFUSED);
    assert_int_equal(setup.ctx.error.address, 0x08100000);
    assert_non_null(strstr(setup.ctx.error.message, "ends at 0x080fffff"));
    end(&setup);

    begin(&setup);
    add_image(&setup, 0x1fff0000, 0x20, 1);
    assert_int_equal(lay(&setup, f405, KILN_ARRAY_LEN(f405), &policy), KILN_E_REFUSED);
    assert_non_null(strstr(setup.ctx.error.message, "cannot be written"));
    end(&setup);

    begin(&setup);
    add_image(&setup, 0x1000, 0x20, 1);
    add_image(&setup, 0x101f, 0x20, 1);
    assert_int_equal(lay(&setup, spi, 1, &policy), KILN_E_ARG);
    assert_non_null(strstr(setup.ctx.error.message, "overlap at 0x0000101f"));
    end(&setup);

    begin(&setup);
    add_image(&setup, KILN_NO_ADDRESS, 0x20, 1);
    assert_int_equal(lay(&setup, spi, 1, &policy), KILN_E_ARG);
    assert_int_equal(setup.ctx.error.hint, KILN_HINT_GIVE_ADDRESS);
    end(&setup);
}

static void writes_option_bytes_without_erasing(void **state)
{
    const struct kiln_plan_policy policy = {.needs_erase = true, .full = true};
    struct setup setup;

    (void)state;
    begin(&setup);
    add_image(&setup, 0x1fffc000, 16, 0xaa);
    assert_int_equal(lay(&setup, f405, KILN_ARRAY_LEN(f405), &policy), KILN_OK);
    expect_steps(&setup, &policy, "W 1fffc000+10 V 1fffc000+10");
    end(&setup);
}

/* Fails if a power cut could leave a record that points at an application not written yet. */
static void writes_what_makes_the_rest_count_at_the_end(void **state)
{
    const struct kiln_plan_policy policy = {.last_from = 0xe000, .last_to = 0xf000};
    struct setup setup;

    (void)state;
    begin(&setup);
    add_image(&setup, 0xe000, 0x1000, 0x11);
    add_image(&setup, 0xd000, 0x1000, 0x22);
    add_image(&setup, 0xf000, 0x2000, 0x33);
    assert_int_equal(lay(&setup, spi, 1, &policy), KILN_OK);
    expect_steps(&setup, &policy,
                 "W d000+1000 V d000+1000 W f000+2000 V f000+2000 W e000+1000 V e000+1000");
    end(&setup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(erases_only_the_pages_it_covers),
        cmocka_unit_test(skips_equal_pages_and_does_not_erase_blank_ones),
        cmocka_unit_test(keeps_what_lies_before_and_between),
        cmocka_unit_test(keeps_the_rest_of_small_sectors),
        cmocka_unit_test(does_not_send_erased_stretches),
        cmocka_unit_test(joins_images_that_share_a_page),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(writes_option_bytes_without_erasing),
        cmocka_unit_test(writes_what_makes_the_rest_count_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
