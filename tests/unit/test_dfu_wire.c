/* SPDX-License-Identifier: MIT */
/* Descriptors and layout strings as real devices send them (logs in public issue trackers), and the STM32
 * part table. */
#include "base/bytes.h"
#include "chip/dfu_quirks.h"
#include "chip/stm32.h"
#include "wire/dfu.h"
#include "wire/dfuse_layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void status_is_decoded_and_short_ones_refused(void **state)
{
    static const uint8_t busy[] = {0, 0x68, 0x00, 0x01, 4, 0};
    struct kiln_dfu_status s;

    (void)state;
    assert_true(kiln_dfu_status_decode(busy, sizeof busy, &s));
    assert_int_equal(s.poll_ms, 0x10068);
    assert_int_equal(s.state, KILN_DFU_DNBUSY);
    assert_false(kiln_dfu_status_decode(busy, 5, &s));
    assert_string_equal(kiln_dfu_state_name(10), "dfuERROR");
    assert_string_equal(kiln_dfu_state_name(200), "?");
    assert_string_equal(kiln_dfu_status_name(11), "errVENDOR");
}

/* The configuration of an STM32F4 in its boot ROM with two of the alternate settings; the functional
 * descriptor stands behind the last one. */
static const uint8_t st_config[] = {9, 2,    45,   0,    1, 1,    0, 0xc0, 0x32, /* configuration */
                                    9, 4,    0,    0,    0, 0xfe, 1, 2,    4,    /* alt 0 */
                                    9, 4,    0,    1,    0, 0xfe, 1, 2,    5,    /* alt 1 */
                                    9, 0x21, 0x0b, 0xff, 0, 0,    8, 0x1a, 0x01}; /* functional */

static void alternate_settings_share_the_functional_descriptor(void **state)
{
    struct kiln_dfu_alt alts[4];

    (void)state;
    assert_int_equal(kiln_dfu_find_alts(st_config, sizeof st_config, alts, 4), 2);
    assert_int_equal(alts[0].string, 4);
    assert_int_equal(alts[1].alt, 1);
    assert_int_equal(alts[0].function.transfer_size, 2048);
    assert_int_equal(alts[1].function.version, 0x011a);
    assert_int_equal(alts[0].function.attributes, 0x0b);
    assert_int_equal(kiln_dfu_find_alts(st_config, sizeof st_config, alts, 1), 1);
    /* cut off in the functional descriptor: the interfaces stay, the function is not known */
    assert_int_equal(kiln_dfu_find_alts(st_config, sizeof st_config - 4, alts, 4), 2);
    assert_false(alts[0].function.present);
    /* the short form of DFU 1.0 */
    assert_int_equal(kiln_dfu_find_alts(st_config, sizeof st_config - 2, alts, 4), 2);
    assert_int_equal(alts[0].function.version, 0x0100);
}

static void a_hid_descriptor_is_not_a_dfu_function(void **state)
{
    static const uint8_t config[] = {
        9, 2,    0,    0,    2, 1,    0,    0xc0, 0x32, /* configuration */
        9, 4,    0,    0,    1, 3,    0,    0,    0,    /* a keyboard */
        9, 0x21, 0x11, 1,    0, 1,    0x22, 0x3f, 0,    /* its HID descriptor */
        9, 4,    1,    0,    0, 0xfe, 1,    1,    0,    /* DFU run-time */
        9, 0x21, 0x0d, 0xe8, 3, 0x40, 0,    0x10, 0x01, 0 /* bLength 0 */, 9};
    struct kiln_dfu_alt alts[4];

    (void)state;
    assert_int_equal(kiln_dfu_find_alts(config, sizeof config, alts, 4), 1);
    assert_int_equal(alts[0].interface, 1);
    assert_int_equal(alts[0].protocol, KILN_DFU_PROTOCOL_RUNTIME);
    assert_int_equal(alts[0].function.detach_timeout_ms, 1000);
    assert_int_equal(kiln_dfu_interface_count(config, sizeof config), 2);
}

struct layout_case {
    const char *text;
    const char *want; /* "start+count*page:access ..." or "" */
    unsigned liberties;
};

static const struct layout_case layouts[] = {
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg",
     "8000000+4*16384:7 8010000+1*65536:7 8020000+7*131072:7 ", 0},
    {"@Option Bytes  /0x1FFFC000/01*016 e", "1fffc000+1*16:5 ", 0},
    {"@OTP Memory /0x1FFF7800/01*512 e,01*016 e", "1fff7800+1*512:5 1fff7a00+1*16:5 ", 0},
    {"@Device Feature/0xFFFF0000/01*004 e", "ffff0000+1*4:5 ", 0},
    {"@OTP Memory /0x1FFF7000/01*0001Ke", "1fff7000+1*1024:5 ", 0},
    {"@Option Bytes   /0x1FFF7800/01*048 e/0x1FFFF800/01*048 e", "1fff7800+1*48:5 1ffff800+1*48:5 ",
     0},
    {"@Internal Flash   /0x08000000/16*128Kg", "8000000+16*131072:7 ", 0},
    {"@Internal Flash /0x08000000/03*016Ka,01*016Kg,01*064Kg,07*128Kg",
     "8000000+3*16384:1 800c000+1*16384:7 8010000+1*65536:7 8020000+7*131072:7 ", 0},
    {"@Flash /0x08000000/1536*128g", "8000000+1536*128:7 ", KILN_LAYOUT_NO_MULTIPLIER},
    {"@QSPI Flash/0x90000000/1001*128Kg", "90000000+1001*131072:7 ", 0},
    {"@Internal Flash /0x08000000/08*04Ka,1000*04Kg", "8000000+8*4096:1 8008000+1000*4096:7 ", 0},
    {"@Option byte /0x1FFFC000/01*4096 g", "1fffc000+1*4096:7 ", 0},
    {"@Option Bytes /0x1FFFF800/01*016Be", "1ffff800+1*16:5 ", 0},
    {"@Option Bytes /0x1FFF0000/01*528e", "1fff0000+1*528:5 ", KILN_LAYOUT_NO_MULTIPLIER},
    {"@Option Bytes /0x1FFFF800/01*016B", "1ffff800+1*16:1 ", KILN_LAYOUT_NO_TYPE},
    {"@Option Bytes /0x1FFFF800/01*016b", "1ffff800+1*16:2 ", KILN_LAYOUT_NO_MULTIPLIER},
    {"@x/0x08000000/128*2kg", "8000000+128*2048:7 ", KILN_LAYOUT_SMALL_MULTIPLIER},
    {"@/0X8000000/1*1Mg", "8000000+1*1048576:7 ", 0},
    {"Flash /08000000/ 2*2 Kg , 1 * 4Kg ", "8000000+2*2048:7 8001000+1*4096:7 ", KILN_LAYOUT_NO_AT},
    {"@F/0x08000000/128*2K", "8000000+128*2048:1 ", KILN_LAYOUT_NO_TYPE},
    /* rubbish behind a good beginning, as uninitialised bytes of a ROM's buffer give it */
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*1?", "8000000+4*16384:7 8010000+1*65536:7 ",
     KILN_LAYOUT_CUT},
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg???",
     "8000000+4*16384:7 8010000+1*65536:7 8020000+7*131072:7 ", KILN_LAYOUT_CUT},
    {"@F/0x08000000/04*016Kg?,01*064Kg", "8000000+4*16384:7 ", KILN_LAYOUT_CUT},
    {"@F/0x08000000/04*016Kg,01*064g?", "8000000+4*16384:7 ", KILN_LAYOUT_CUT},
    {"@F/0x08000000/04*016Kg,01*064Kg8", "8000000+4*16384:7 ", KILN_LAYOUT_CUT},
    {"@Internal Flash  /0x08000000/04*016Kg,?!/0x1FFF0000/01*016 e", "8000000+4*16384:7 ",
     KILN_LAYOUT_CUT},
    {"@Internal Flash  /0x08000000/04*016Kg,07*128", "8000000+4*16384:7 ", KILN_LAYOUT_CUT},
    {"@Internal Flash  /0x08000000/04*016Kg,07*128Kz", "8000000+4*16384:7 ", KILN_LAYOUT_CUT},
    {"@F/0x08000000/00*16Kg,1*1Kg", "8000000+1*1024:7 ", KILN_LAYOUT_EMPTY_SEGMENT},
    {"@F/0xFFFFF000/1*4Kg,1*1Kg", "fffff000+1*4096:7 ", KILN_LAYOUT_CUT},
    {"@F/0x08000000/99999999999*1Kg", "", KILN_LAYOUT_CUT},
    {"@F/0x08000000/1*0Kg", "", KILN_LAYOUT_CUT},
    {"@F/0x08000000/1*4194304Kg", "", KILN_LAYOUT_CUT},
    {"@F/0x108000000/1*1Kg", "", 0},
    {"STM32 BOOTLOADER", "", KILN_LAYOUT_NO_AT},
    {"", "", KILN_LAYOUT_NO_AT},
};

static void layout_strings_of_the_wild(void **state)
{
    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(layouts); i++) {
        struct kiln_dfuse_layout layout;
        char got[512] = "";
        size_t at = 0;

        assert_int_equal(kiln_dfuse_layout_parse(layouts[i].text, strlen(layouts[i].text), &layout),
                         layouts[i].want[0] != '\0');
        for (size_t s = 0; s < layout.count; s++)
            at += (size_t)snprintf(got + at, sizeof got - at, "%llx+%llu*%u:%u ",
                                   (unsigned long long)layout.segment[s].start,
                                   (unsigned long long)layout.segment[s].count,
                                   layout.segment[s].page, layout.segment[s].access);
        if (strcmp(got, layouts[i].want) != 0 || layout.liberties != layouts[i].liberties)
            fail_msg("\"%s\": got \"%s\" liberties %u, want \"%s\" %u", layouts[i].text, got,
                     layout.liberties, layouts[i].want, layouts[i].liberties);
    }
}

static void layout_names_lose_their_padding(void **state)
{
    static const char text[] = "@Internal Flash  /0x08000000/64*2Kg";
    struct kiln_dfuse_layout layout;

    (void)state;
    assert_true(kiln_dfuse_layout_parse(text, sizeof text, &layout));
    assert_string_equal(layout.name, "Internal Flash");
    assert_int_equal(layout.understood, strlen(text));
}

/* Every organisation of every row adds up to the size of its largest part, or to half of it where a
 * smaller part has an organisation of its own. */
static void part_table_adds_up(void **state)
{
    const struct kiln_chip *chip;

    (void)state;
    for (size_t i = 0; (chip = kiln_stm32_at(i)) != NULL; i++) {
        const struct kiln_stm32_facts *facts = chip->stm32;

        assert_ptr_equal(kiln_stm32_by_id(facts->id), chip);
        assert_ptr_equal(kiln_chip_find(chip->name), chip);
        for (size_t o = 0; o < KILN_STM32_ORG_MAX && facts->org[o].run[0].count > 0; o++) {
            uint64_t at = 0;
            uint32_t page;

            while ((page = kiln_stm32_page_at(&facts->org[o], at)) != 0)
                at += page;
            if (at != facts->flash_max && !(o >= 1 && at * 2 == facts->flash_max))
                fail_msg("%s: organisation %zu has %llu bytes", chip->name, o,
                         (unsigned long long)at);
        }
        assert_true((facts->erased == 0) == (strncmp(chip->name, "stm32l0", 7) == 0 ||
                                             strncmp(chip->name, "stm32l1", 7) == 0));
    }
}

static void parts_are_found_by_their_names(void **state)
{
    (void)state;
    assert_int_equal(kiln_chip_find("STM32F407VGT6")->stm32->id, 0x413);
    assert_int_equal(kiln_chip_find("stm32-f401cc")->stm32->id, 0x423);
    assert_int_equal(kiln_chip_find("stm32f401re")->stm32->id, 0x433);
    assert_int_equal(kiln_chip_find("stm32f103c8")->stm32->id, 0x410);
    assert_int_equal(kiln_chip_find("stm32l151cbt6")->stm32->id, 0x416);
    assert_int_equal(kiln_chip_find("stm32l151cbt6a")->stm32->id, 0x429);
    assert_int_equal(kiln_chip_find("stm32l010rb")->stm32->id, 0x447);
    assert_int_equal(kiln_chip_find("stm32l010f4")->stm32->id, 0x457);
    assert_int_equal(kiln_chip_find("stm32f103rct6")->stm32->id, 0x414);
    assert_int_equal(kiln_chip_find("stm32h743zi")->stm32->id, 0x450);
    assert_null(kiln_chip_find("stm32f4"));
    assert_null(kiln_chip_find("stm32"));
    assert_null(kiln_chip_find("stm32z9"));
}

static void quirks_are_found_by_ids(void **state)
{
    const struct kiln_dfu_quirk *quirk = kiln_dfu_quirk_find(0x28e9, 0x0189, 0x1000);

    (void)state;
    assert_string_equal(kiln_dfu_quirk_layout(quirk, "3CBJ"),
                        "@Internal Flash/0x08000000/128*001Kg");
    assert_string_equal(kiln_dfu_quirk_layout(quirk, "3R4J"),
                        "@Internal Flash/0x08000000/016*001Kg");
    assert_null(kiln_dfu_quirk_layout(quirk, "3CBJX"));
    assert_null(kiln_dfu_quirk_layout(quirk, "3CZJ"));
    assert_null(kiln_dfu_quirk_layout(quirk, "3"));
    assert_int_equal(kiln_dfu_quirk_find(0x1d50, 0x5120, 0)->poll_ms, 5);
    assert_null(kiln_dfu_quirk_find(0x1d50, 0x6017, 0));
    assert_null(kiln_dfu_quirk_find(0x1eaf, 0x0003, 0x0201));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_is_decoded_and_short_ones_refused),
        cmocka_unit_test(alternate_settings_share_the_functional_descriptor),
        cmocka_unit_test(a_hid_descriptor_is_not_a_dfu_function),
        cmocka_unit_test(layout_strings_of_the_wild),
        cmocka_unit_test(layout_names_lose_their_padding),
        cmocka_unit_test(part_table_adds_up),
        cmocka_unit_test(parts_are_found_by_their_names),
        cmocka_unit_test(quirks_are_found_by_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
