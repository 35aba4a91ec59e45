/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"
#include "sim/nor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct chip {
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_sim_knobs knobs;
    struct kiln_sim_counts counts;
    struct kiln_nor nor;
};

static void start(struct chip *chip)
{
    memset(chip, 0, sizeof *chip);
    kiln_virtual_clock_init(&chip->clock);
    kiln_ctx_init(&chip->ctx, &chip->clock.base);
    kiln_sim_knobs_init(&chip->knobs);
    chip->knobs.flash_size = 1 << 20;
}

static void power(struct chip *chip)
{
    assert_int_equal(kiln_nor_init(&chip->ctx, &chip->nor, &chip->knobs, 0, &chip->counts),
                     KILN_OK);
}

/* Fails if programming can raise a bit. */
static void programming_only_clears_bits(void **state)
{
    struct chip c;

    (void)state;
    start(&c);
    power(&c);
    kiln_nor_program(&c.nor, 0, 0x100, (const uint8_t *)"\xf0", 1);
    kiln_nor_program(&c.nor, 0, 0x100, (const uint8_t *)"\x3c", 1);
    assert_int_equal(c.nor.mem[0x100], 0x30);
    kiln_nor_erase(&c.nor, 0, 0x1ff, KILN_NOR_SECTOR);
    assert_int_equal(c.nor.mem[0x100], 0xff);
    kiln_nor_dispose(&c.nor);
}

static void a_page_program_wraps_inside_its_page(void **state)
{
    struct chip c;
    uint8_t page[256];

    (void)state;
    start(&c);
    power(&c);
    for (int i = 0; i < 256; i++)
        page[i] = (uint8_t)i;
    kiln_nor_program(&c.nor, 0, 0x2fe, page, 4);
    assert_memory_equal(c.nor.mem + 0x2fe, "\x00\x01", 2);
    assert_memory_equal(c.nor.mem + 0x200, "\x02\x03", 2);
    assert_int_equal(c.nor.mem[0x300], 0xff);
    kiln_nor_program_range(&c.nor, 0, 0x4f0, page, 32);
    assert_memory_equal(c.nor.mem + 0x4f0, page, 32);
    kiln_nor_dispose(&c.nor);
}

static void operations_take_the_typical_time(void **state)
{
    struct chip c;
    uint8_t page[256] = {0};

    (void)state;
    start(&c);
    power(&c);
    assert_in_range(kiln_nor_program(&c.nor, 0, 0, page, 256), 499000, 501000);
    assert_int_equal(kiln_nor_erase(&c.nor, 1000000, 0, KILN_NOR_SECTOR), 46000000);
    assert_int_equal(kiln_nor_erase(&c.nor, 0, 0, KILN_NOR_BLOCK), 196000000);
    /* 60 KiB from 4 KiB on in sectors, then one block */
    c.counts.erases = 0;
    kiln_nor_erase_range(&c.nor, 0, 0x1000, 0x1f000);
    assert_int_equal(c.counts.erases, 16);
    kiln_nor_dispose(&c.nor);
}

/* Fails if a cut leaves the whole operation done or undone in every run, or if the chip works on. */
static void power_cut_leaves_a_partial_operation(void **state)
{
    unsigned partly = 0;
    uint8_t page[256] = {0};

    (void)state;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct chip c;
        size_t risen = 0;

        start(&c);
        c.knobs.seed = seed;
        c.knobs.power_cut_at = 2;
        power(&c);
        kiln_nor_program(&c.nor, 0, 0, page, 256);
        kiln_nor_program(&c.nor, 0, 0x800, page, 256);
        kiln_nor_erase(&c.nor, 0, 0, KILN_NOR_SECTOR);
        assert_true(c.nor.power_lost);
        for (size_t i = 0; i < 256; i++)
            risen += c.nor.mem[i] == 0xff;
        for (size_t i = 0x800; i < 0x900; i++)
            risen += c.nor.mem[i] == 0xff;
        partly += risen > 0 && risen < 512;
        kiln_nor_program(&c.nor, 0, 0x5000, page, 256);
        assert_int_equal(c.nor.mem[0x5000], 0xff);
        kiln_nor_power_on(&c.nor);
        kiln_nor_program(&c.nor, 0, 0x5000, page, 256);
        assert_int_equal(c.nor.mem[0x5000], 0);
        kiln_nor_dispose(&c.nor);
    }
    assert_true(partly > 5);
}

static void a_bad_sector_ignores_everything_silently(void **state)
{
    struct chip c;

    (void)state;
    start(&c);
    c.knobs.bad_sector_at = 0x3010;
    power(&c);
    c.nor.mem[0x3000] = 0x55;
    c.nor.mem[0x2fff] = 0x55;
    kiln_nor_erase(&c.nor, 0, 0, KILN_NOR_BLOCK);
    kiln_nor_program(&c.nor, 0, 0x3fff, (const uint8_t *)"", 1);
    assert_int_equal(c.nor.mem[0x3000], 0x55);
    assert_int_equal(c.nor.mem[0x2fff], 0xff);
    assert_int_equal(c.nor.mem[0x3fff], 0xff);
    kiln_nor_dispose(&c.nor);
}

static uint32_t spi(struct chip *c, uint64_t now, uint8_t opcode, uint32_t address, const char *out,
                    size_t out_len, size_t in_len)
{
    uint8_t in[8] = {0};

    kiln_nor_spi(
        &c->nor, now,
        &(struct kiln_nor_spi){opcode, address, (const uint8_t *)out, out_len, in, in_len});
    return kiln_le32(in);
}

/* Fails if a write works without WEL, if WEL stays, or if a busy chip answers other than status. */
static void the_bus_follows_the_data_sheet(void **state)
{
    struct chip c;

    (void)state;
    start(&c);
    power(&c);
    assert_int_equal(spi(&c, 0, 0x9f, 0, "", 0, 3), 0x1440ef);
    spi(&c, 0, 0x02, 0x10, "\x12\x34", 2, 0);
    assert_int_equal(c.nor.mem[0x10], 0xff);
    spi(&c, 0, 0x06, 0, "", 0, 0);
    assert_int_equal(spi(&c, 0, 0x05, 0, "", 0, 1), 0x02);
    spi(&c, 0, 0x02, 0x10, "\x12\x34", 2, 0);
    assert_int_equal(spi(&c, 0, 0x05, 0, "", 0, 1), 0x01);
    assert_int_equal(spi(&c, 0, 0x9f, 0, "", 0, 3), 0xffffff);
    assert_int_equal(spi(&c, 1000000, 0x05, 0, "", 0, 1), 0x00);
    assert_int_equal(spi(&c, 1000000, 0x03, 0x10, "", 0, 2), 0x3412);
    assert_int_equal(spi(&c, 1000000, 0x5a, 0, "", 0, 4), 0x50444653);
    assert_int_equal(spi(&c, 1000000, 0x5a, 0x84, "", 0, 4), (1u << 23) - 1);
    spi(&c, 2000000, 0x06, 0, "", 0, 0);
    spi(&c, 2000000, 0x01, 0, "\x1c", 1, 0);
    spi(&c, 20000000, 0x06, 0, "", 0, 0);
    spi(&c, 20000000, 0x20, 0, "", 0, 0);
    assert_int_equal(c.nor.mem[0x10], 0x12); /* protected */
    kiln_nor_dispose(&c.nor);
}

static void the_contents_survive_in_their_file(void **state)
{
    char path[] = "/tmp/kiln-nor-XXXXXX";
    struct chip c;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    start(&c);
    memcpy(c.knobs.flash_path, path, sizeof path);
    power(&c);
    kiln_nor_program(&c.nor, 0, 0xffff0, (const uint8_t *)"kiln", 4);
    kiln_nor_dispose(&c.nor);
    power(&c);
    assert_memory_equal(c.nor.mem + 0xffff0, "kiln", 4);
    kiln_nor_dispose(&c.nor);
    c.knobs.flash_size = 3000000;
    assert_int_equal(kiln_nor_init(&c.ctx, &c.nor, &c.knobs, 0, &c.counts), KILN_E_ARG);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programming_only_clears_bits),
        cmocka_unit_test(a_page_program_wraps_inside_its_page),
        cmocka_unit_test(operations_take_the_typical_time),
        cmocka_unit_test(power_cut_leaves_a_partial_operation),
        cmocka_unit_test(a_bad_sector_ignores_everything_silently),
        cmocka_unit_test(the_bus_follows_the_data_sheet),
        cmocka_unit_test(the_contents_survive_in_their_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
