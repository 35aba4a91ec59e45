/* SPDX-License-Identifier: MIT */
/*
 * Data partitions that are told by their content. The layout of an NVS page is ESP-IDF's (nvs_flash, page and entry), and
 * the CRC of an empty first page is as nvs_partition_gen.py computes it.
 */
#include "image/esp.h"

#include "base/bytes.h"
#include "image/esp_ota.h"

#include <kiln/image.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define PAGE  4096u
#define PAGES 3u

struct bed {
    uint8_t bytes[PAGES * PAGE];
    char text[240];
};

static int set_up(void **state)
{
    struct bed *bed = malloc(sizeof *bed);

    assert_non_null(bed);
    memset(bed->bytes, 0xff, sizeof bed->bytes);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static enum kiln_image_type type_of(const uint8_t *bytes, size_t len)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image = NULL;
    enum kiln_image_type type;

    if (kiln_image_parse("t.bin", bytes, len, &options, &image, NULL) != KILN_OK)
        return KILN_IMAGE_UNKNOWN;
    type = kiln_image_info(image)->type;
    kiln_image_free(image);
    return type;
}

static const char *text_of(struct bed *bed, size_t len)
{
    kiln_esp_data_text(bed->bytes, len, bed->text, sizeof bed->text);
    return bed->text;
}

/* ---- NVS ---- */

static void begin_page(uint8_t *page, uint32_t state, uint32_t sequence, uint8_t version)
{
    memset(page, 0xff, PAGE);
    kiln_put_le32(page, state);
    kiln_put_le32(page + 4, sequence);
    page[8] = version;
    kiln_put_le32(page + 28, (uint32_t)crc32(UINT32_MAX, page + 4, 24));
}

/* Entry `index`: namespace, type, how many entries it spans, key. `bits`: 2 written, 0 erased, 3 empty. */
static void put_entry(uint8_t *page, unsigned index, unsigned bits, const uint8_t head[3],
                      const char *key)
{
    uint8_t *e = page + 64 + (size_t)index * 32;
    unsigned at = index % 4 * 2;

    page[32 + index / 4] = (uint8_t)((page[32 + index / 4] & ~(3u << at)) | (bits & 3u) << at);
    memcpy(e, head, 3);
    memset(e + 8, 0, 16);
    memcpy(e + 8, key, KILN_MIN(strlen(key), (size_t)16));
}

#define HEAD(space, type, span) ((const uint8_t[3]){space, type, span})

static void an_nvs_page_is_known_by_its_header(void **state)
{
    struct bed *bed = *state;

    begin_page(bed->bytes, 0xfffffffe, 0, 0xfe);
    assert_int_equal(kiln_le32(bed->bytes + 28), 0xb9ba2d84);
    assert_int_equal(type_of(bed->bytes, sizeof bed->bytes), KILN_IMAGE_ESP_NVS);
    assert_string_equal(text_of(bed, sizeof bed->bytes), "1 of 3 pages in use, 0 entries");
    begin_page(bed->bytes, 0xfffffffc, 5, 0xff);
    assert_int_equal(type_of(bed->bytes, sizeof bed->bytes), KILN_IMAGE_ESP_NVS);
    begin_page(bed->bytes, 0xfffffff8, 5, 0xfe);
    assert_int_equal(type_of(bed->bytes, PAGE), KILN_IMAGE_ESP_NVS);
    /* not the state, the version, the CRC, the length of one */
    begin_page(bed->bytes, 0xfffffff0, 5, 0xfe);
    assert_int_not_equal(type_of(bed->bytes, PAGE), KILN_IMAGE_ESP_NVS);
    begin_page(bed->bytes, 0xfffffffe, 5, 0xfd);
    assert_int_not_equal(type_of(bed->bytes, PAGE), KILN_IMAGE_ESP_NVS);
    begin_page(bed->bytes, 0xfffffffe, 5, 0xfe);
    bed->bytes[28] ^= 1;
    assert_int_not_equal(type_of(bed->bytes, PAGE), KILN_IMAGE_ESP_NVS);
    begin_page(bed->bytes, 0xfffffffe, 5, 0xfe);
    assert_int_not_equal(type_of(bed->bytes, PAGE - 1), KILN_IMAGE_ESP_NVS);
    assert_int_not_equal(type_of(bed->bytes, PAGE + 32), KILN_IMAGE_ESP_NVS);
}

static void the_first_page_in_use_decides(void **state)
{
    struct bed *bed = *state;

    begin_page(bed->bytes + PAGE, 0xfffffffe, 1, 0xfe);
    assert_int_equal(type_of(bed->bytes, sizeof bed->bytes), KILN_IMAGE_ESP_NVS);
    memset(bed->bytes, 0x5a, PAGE);
    assert_int_not_equal(type_of(bed->bytes, sizeof bed->bytes), KILN_IMAGE_ESP_NVS);
    assert_string_equal(text_of(bed, sizeof bed->bytes), "data");
}

static void entries_are_counted_and_namespaces_named(void **state)
{
    struct bed *bed = *state;
    uint8_t *page = bed->bytes;

    begin_page(page, 0xfffffffe, 0, 0xfe);
    put_entry(page, 0, 2, HEAD(0, 1, 1), "wifi");       /* a namespace */
    put_entry(page, 1, 2, HEAD(1, 0x21, 3), "ssid");    /* a string over three */
    put_entry(page, 2, 2, HEAD(0, 1, 1), "not_a_name"); /* its bytes look like a namespace */
    put_entry(page, 3, 2, HEAD(0, 1, 1), "neither");
    put_entry(page, 4, 0, HEAD(0, 1, 1), "erased");
    put_entry(page, 5, 2, HEAD(0, 1, 1), "0123456789abcdef"); /* no 0 behind it */
    put_entry(page, 6, 2, HEAD(2, 4, 1), "n");
    put_entry(page, 125, 2, HEAD(2, 4, 200), "last"); /* spans past the end of the page */
    assert_string_equal(text_of(bed, PAGE),
                        "1 of 1 pages in use, 3 entries, namespaces wifi, 0123456789abcdef");
    put_entry(page, 7, 2, HEAD(2, 4, 0), "none"); /* a span of 0 must not stop the walk */
    put_entry(page, 8, 2, HEAD(2, 4, 1), "more");
    put_entry(page, 9, 2, HEAD(1, 1, 1), "byte"); /* a value of the type that namespaces have */
    assert_non_null(strstr(text_of(bed, PAGE), "6 entries, namespaces wifi, 0123456789abcdef"));
}

static void many_namespaces_do_not_overflow(void **state)
{
    struct bed *bed = *state;

    for (unsigned p = 0; p < PAGES; p++) {
        begin_page(bed->bytes + (size_t)p * PAGE, 0xfffffffc, p, 0xfe);
        for (unsigned i = 0; i < 126; i++)
            put_entry(bed->bytes + (size_t)p * PAGE, i, 2, HEAD(0, 1, 1), "abcdefghijklmno");
    }
    assert_non_null(strstr(text_of(bed, sizeof bed->bytes), "3 of 3 pages in use, 0 entries"));
    kiln_esp_data_text(bed->bytes, sizeof bed->bytes, bed->text, 20);
    assert_int_equal(strlen(bed->text), 19);
}

/* ---- otadata ---- */

static void otadata_is_two_sectors_with_a_right_record(void **state)
{
    struct bed *bed = *state;

    kiln_otadata_make(4, bed->bytes + PAGE);
    assert_int_equal(type_of(bed->bytes, 2 * PAGE), KILN_IMAGE_ESP_OTADATA);
    assert_string_equal(text_of(bed, 2 * PAGE), "sequence 4, undefined: with two slots ota_1");
    kiln_otadata_make(5, bed->bytes);
    assert_string_equal(text_of(bed, 2 * PAGE), "sequence 5, undefined: with two slots ota_0");
    /* in a longer partition too, but not as a file of another length */
    assert_string_equal(text_of(bed, 3 * PAGE), "sequence 5, undefined: with two slots ota_0");
    assert_int_not_equal(type_of(bed->bytes, 3 * PAGE), KILN_IMAGE_ESP_OTADATA);
    assert_int_not_equal(type_of(bed->bytes, PAGE), KILN_IMAGE_ESP_OTADATA);
    bed->bytes[28] ^= 1; /* one CRC wrong */
    assert_int_not_equal(type_of(bed->bytes, 2 * PAGE), KILN_IMAGE_ESP_OTADATA);
    bed->bytes[28] ^= 1;
    bed->bytes[PAGE - 1] = 0; /* something else in the sector */
    assert_int_not_equal(type_of(bed->bytes, 2 * PAGE), KILN_IMAGE_ESP_OTADATA);
}

static void records_that_select_nothing_say_so(void **state)
{
    struct bed *bed = *state;

    kiln_otadata_make(3, bed->bytes);
    kiln_put_le32(bed->bytes + 24, 3); /* invalid */
    assert_string_equal(text_of(bed, 2 * PAGE), "selects nothing");
    memset(bed->bytes, 0xff, 2 * PAGE);
    assert_string_equal(text_of(bed, 2 * PAGE), "blank");
    assert_int_not_equal(type_of(bed->bytes, 2 * PAGE), KILN_IMAGE_ESP_OTADATA);
    assert_string_equal(text_of(bed, 0), "blank");
    assert_string_equal(text_of(bed, 1), "blank");
    bed->bytes[0] = 0;
    assert_string_equal(text_of(bed, 1), "data");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_nvs_page_is_known_by_its_header),         TEST(the_first_page_in_use_decides),
        TEST(entries_are_counted_and_namespaces_named),   TEST(many_namespaces_do_not_overflow),
        TEST(otadata_is_two_sectors_with_a_right_record), TEST(records_that_select_nothing_say_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
