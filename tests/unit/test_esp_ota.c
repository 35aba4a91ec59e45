/* SPDX-License-Identifier: MIT */
/* otadata and application descriptors, against bytes that other programs wrote. */
#include "image/esp_ota.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kiln_otadata_entry made(uint32_t sequence, uint32_t state)
{
    struct kiln_otadata_entry entry;
    uint8_t bytes[KILN_OTADATA_SIZE];

    kiln_otadata_make(sequence, bytes);
    kiln_put_le32(bytes + 24, state);
    kiln_otadata_parse(bytes, &entry);
    return entry;
}

static void entries_are_as_other_tools_write_them(void **state)
{
    static const uint8_t boot_app0[4] = {0x9a, 0x98, 0x43, 0x47}; /* Arduino's, sequence 1 */
    static const uint8_t idf_second[4] = {0x74, 0x37, 0xf6, 0x55};
    uint8_t bytes[KILN_OTADATA_SIZE];

    (void)state;
    kiln_otadata_make(1, bytes);
    assert_memory_equal(bytes + 28, boot_app0, 4);
    assert_int_equal(kiln_le32(bytes), 1);
    assert_int_equal(kiln_le32(bytes + 24), UINT32_MAX);
    kiln_otadata_make(2, bytes);
    assert_memory_equal(bytes + 28, idf_second, 4);
}

static void failed_and_damaged_entries_do_not_select(void **state)
{
    struct kiln_otadata_entry entry;
    uint8_t bytes[KILN_OTADATA_SIZE];

    (void)state;
    assert_true(made(7, UINT32_MAX).selects);
    assert_true(made(7, 2).selects);
    assert_false(made(7, 3).selects);
    assert_false(made(7, 4).selects);
    assert_false(made(0, UINT32_MAX).selects);
    assert_false(made(UINT32_MAX, UINT32_MAX).selects);
    memset(bytes, 0xff, sizeof bytes);
    kiln_otadata_parse(bytes, &entry);
    assert_true(entry.blank);
    assert_false(entry.selects);
    kiln_otadata_make(7, bytes);
    bytes[1] ^= 1;
    kiln_otadata_parse(bytes, &entry);
    assert_false(entry.crc_right);
    assert_false(entry.selects);
}

static void the_next_number_means_the_wanted_slot(void **state)
{
    (void)state;
    for (unsigned slots = 1; slots <= 16; slots++)
        for (unsigned slot = 0; slot < slots; slot++)
            for (uint32_t now = 1; now < 40; now++) {
                struct kiln_otadata_entry entry[2] = {made(now, UINT32_MAX), made(now + 1, 3)};
                uint32_t next;

                assert_int_equal(kiln_otadata_active(entry), 0);
                assert_true(kiln_otadata_next(entry, slots, slot, &next));
                entry[1] = made(next, UINT32_MAX);
                assert_true(next > now && next <= now + slots);
                assert_int_equal(kiln_otadata_active(entry), 1);
                assert_int_equal(kiln_otadata_slot(&entry[1], slots), slot);
            }
}

static void numbers_that_are_used_up_are_told(void **state)
{
    struct kiln_otadata_entry entry[2] = {made(UINT32_MAX - 1, UINT32_MAX), made(1, 4)};
    uint32_t next;

    (void)state;
    assert_false(kiln_otadata_next(entry, 2, 0, &next));
    assert_false(kiln_otadata_next(entry, 2, 1, &next));
}

static void a_descriptor_is_read_whole_or_not_at_all(void **state)
{
    uint8_t bytes[KILN_APP_DESCRIPTOR_SIZE] = {0x32, 0x54, 0xcd, 0xab, 9};
    struct kiln_app_descriptor app;
    char text[320];

    (void)state;
    memset(bytes + 0x30, 'p', 32); /* no NUL at the end */
    memcpy(bytes + 0x10, "v1.4", 4);
    bytes[0x90] = 0xad;
    assert_true(kiln_app_descriptor_parse(bytes, sizeof bytes, &app));
    assert_int_equal(strlen(app.project), 32);
    assert_string_equal(app.version, "v1.4");
    assert_int_equal(app.secure_version, 9);
    kiln_app_descriptor_text(&app, text, sizeof text);
    assert_non_null(strstr(text, "SHA-256 ad00"));
    assert_false(kiln_app_descriptor_parse(bytes, sizeof bytes - 1, &app));
    bytes[0] ^= 1;
    assert_false(kiln_app_descriptor_parse(bytes, sizeof bytes, &app));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_as_other_tools_write_them),
        cmocka_unit_test(failed_and_damaged_entries_do_not_select),
        cmocka_unit_test(the_next_number_means_the_wanted_slot),
        cmocka_unit_test(numbers_that_are_used_up_are_told),
        cmocka_unit_test(a_descriptor_is_read_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
