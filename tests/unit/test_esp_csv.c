/* SPDX-License-Identifier: MIT */
/*
 * Partition tables as text. Each expectation was seen at ESP-IDF's gen_esp32part.py 1.5, save where the row says that
 * kiln knows better; the bytes of the first table are that program's.
 */
#include "image/esp.h"

#include "base/bytes.h"

#include <kiln/image.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kiln_image *parse(const char *text, uint64_t address, struct kiln_error *error)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image = NULL;

    *error = (struct kiln_error){0};
    options.address = address;
    if (kiln_image_parse("t.csv", (const uint8_t *)text, strlen(text), &options, &image, error) !=
        KILN_OK)
        return NULL;
    return image;
}

/* "00 02 9000 6000 0 nvs": type, subtype, offset, size, flags, name of each entry, in hexadecimal. */
static void list(const struct kiln_image *image, char *out, size_t cap)
{
    const struct kiln_segment *segment = kiln_image_segment(image, 0);
    size_t used = 0;

    out[0] = '\0';
    for (const uint8_t *e = segment->data; e[0] == 0xaa && used < cap; e += KILN_ESP_ENTRY_SIZE)
        used += (size_t)snprintf(out + used, cap - used, "%s%02x %02x %x %x %x %.16s",
                                 used > 0 ? "|" : "", e[2], e[3], (unsigned)kiln_le32(e + 4),
                                 (unsigned)kiln_le32(e + 8), (unsigned)kiln_le32(e + 28),
                                 (const char *)e + 12);
}

static void taken(const char *text, const char *expected)
{
    struct kiln_error error;
    struct kiln_image *image = parse(text, KILN_NO_ADDRESS, &error);
    char found[512];

    if (image == NULL || kiln_image_info(image)->type != KILN_IMAGE_ESP_PARTITIONS)
        fail_msg("not taken: %s\n%s", text, error.message);
    list(image, found, sizeof found);
    if (strcmp(found, expected) != 0)
        fail_msg("%s\nis      %s\nand not %s", text, found, expected);
    kiln_image_free(image);
}

static void refused(const char *text, const char *why)
{
    struct kiln_error error;
    struct kiln_image *image = parse(text, KILN_NO_ADDRESS, &error);

    if (image != NULL)
        fail_msg("taken: %s", text);
    if (strstr(error.message, why) == NULL)
        fail_msg("%s\nsays %s\nand not %s", text, error.message, why);
}

static void a_table_is_what_esp_idf_makes(void **state)
{
    static const uint8_t md5[16] = {0xf4, 0xad, 0x4f, 0x45, 0x38, 0x56, 0x4b, 0x5d,
                                    0x74, 0x35, 0xb6, 0x2c, 0x75, 0xb6, 0x95, 0x24};
    static const char text[] = "# Name, Type, SubType, Offset, Size, Flags\n"
                               "nvs,      data, nvs,     ,        0x6000,\n"
                               "phy_init, data, phy,     ,        0x1000,\n"
                               "factory,  app,  factory, ,        1M,\n";
    struct kiln_error error;
    struct kiln_image *image = parse(text, KILN_NO_ADDRESS, &error);
    const struct kiln_segment *segment;

    (void)state;
    assert_non_null(image);
    segment = kiln_image_segment(image, 0);
    assert_int_equal(segment->size, 0xc00);
    assert_int_equal(kiln_le16(segment->data + 96), 0xebeb);
    for (size_t i = 98; i < 112; i++)
        assert_int_equal(segment->data[i], 0xff);
    assert_memory_equal(segment->data + 112, md5, 16);
    for (size_t i = 128; i < segment->size; i++)
        assert_int_equal(segment->data[i], 0xff);
    kiln_image_free(image);
    taken(text, "01 02 9000 6000 0 nvs|01 01 f000 1000 0 phy_init|00 00 10000 100000 0 factory");
}

static void offsets_follow_each_other(void **state)
{
    struct kiln_error error;
    struct kiln_image *image;
    char found[128];

    (void)state;
    taken("a,app,ota_0,,4K\nb,data,fat,,1\nc,data,0x99,,16k,",
          "00 10 10000 1000 0 a|01 81 11000 1 0 b|01 99 12000 4000 0 c");
    taken("a,data,fat,0x9000,0x1000\nb,app,test,0x20000,64K\nc,app,factory,,64K",
          "01 81 9000 1000 0 a|00 20 20000 10000 0 b|00 00 30000 10000 0 c");
    taken("a,data,fat,,-0x20000", "01 81 9000 17000 0 a"); /* up to this address */
    image = parse("a,data,nvs,,12K", 0x10000, &error);
    assert_non_null(image);
    list(image, found, sizeof found);
    assert_string_equal(found, "01 02 11000 3000 0 a");
    kiln_image_free(image);
    refused("a,data,fat,0x8000,0x1000", "begins before 0x9000");
    refused("a,data,fat,,8K\nb,data,fat,0xa000,4K",
            "line 2: partition 'b' at 0xa000 begins before");
    refused("a,data,fat,,-0x9000", "no room in a flash");
    refused("a,app,test,0x11000,64K", "multiples of 64 KB");
    refused("a,data,fat,0x9800,4K", "multiples of 4 KB");
    refused("a,app,test,,0x1001", "a multiple of 4 KB");
    refused("a,data,fat,0xfffff000,8K", "no room"); /* that program takes it */
    refused("a,data,fat,-0x9000,8K", "the offset of a partition");
}

static void numbers_are_pythons(void **state)
{
    static const struct {
        const char *text;
        unsigned value; /* 0: refused */
    } rows[] = {
        {"0x1000", 0x1000},
        {"0X1000", 0x1000},
        {"4096", 4096},
        {"4K", 4096},
        {"4k", 4096},
        {"1m", 1 << 20},
        {"1M", 1 << 20},
        {"0x10k", 0x4000},
        {"4 K", 4096},
        {"1_0", 10},
        {"0b1000", 8},
        {"0o100", 64},
        {"+8", 8},
        {"0x_8", 8},
        {"1kk", 1 << 20},
        {"010", 0},
        {"", 0},
        {"0x", 0},
        {"K", 0},
        {"1MB", 0},
        {"1.5M", 0},
        {"1__0", 0},
        {"1_", 0},
        {"0xg", 0},
        {"N/A", 0},
        {"5000M", 0},
        {"4294967296", 0},
        {"0", 0},
        {"8e", 0},
        {"- 8", 0},
        {"99999999999999999999999", 0},
    };
    char text[80], expected[80];

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        snprintf(text, sizeof text, "z,data,fat,,4K\na,data,0x50,,%s,\n", rows[i].text);
        snprintf(expected, sizeof expected, "01 81 9000 1000 0 z|01 50 a000 %x 0 a", rows[i].value);
        if (rows[i].value != 0)
            taken(text, expected);
        else
            refused(text, "line 2: the size of a partition is a number");
    }
}

static void words_have_numbers(void **state)
{
    (void)state;
    taken("a,App,OTA_15,,4K", "00 1f 10000 1000 0 a");
    taken("a,0,16,,4K", "00 10 10000 1000 0 a");
    taken("a,app,tee_1,,4K", "00 31 10000 1000 0 a");
    taken("a,data,tee_ota,,8K", "01 90 9000 2000 0 a");
    taken("a,DATA,,,4K", "01 06 9000 1000 0 a");
    taken("a,0x40,,,4K", "40 06 9000 1000 0 a");
    taken("a,0xff,0xff,,4K", "ff ff 9000 1000 0 a");
    taken("a,data,undefined,,4K,encrypted:readonly:", "01 06 9000 1000 3 a");
    refused("z,data,fat,,4K\na,app,,,4K", "no such subtype");
    refused("z,data,fat,,4K\na,app,ota_16,,4K", "no such subtype");
    refused("z,data,fat,,4K\na,app,ota_01,,4K", "no such subtype");
    refused("z,data,fat,,4K\na,data,factory,,4K", "no such subtype");
    refused("z,data,fat,,4K\na,data,256,,4K", "no such subtype");
    refused("z,data,fat,,4K\na,data,-1,,4K", "no such subtype");
    refused("z,data,fat,,4K\na,,fat,,4K", "no partition type");
    refused("z,data,fat,,4K\na,apps,0,,4K", "no partition type");
    refused("a,data,fat,,4K,Encrypted", "flags are");
    refused("a,data,fat,,4K,encrypted: readonly", "flags are");
    refused("a,data,fat,,4K,# note", "flags are");
    refused("z,data,fat,,4K\nb,bootloader,primary,,", "depends on the chip");
}

static void names_lines_and_marks(void **state)
{
    char text[300];

    (void)state;
    taken("\xef\xbb\xbf# c\r\n\r\n \t\r\na,data,fat,,4K\r\n", "01 81 9000 1000 0 a");
    taken("na\xc3\xafve,data,fat,,4K", "01 81 9000 1000 0 na\xc3\xafve");
    taken("a#b,data,fat,,4K", "01 81 9000 1000 0 a#b");
    taken("\"a,data,fat,,4K", "01 81 9000 1000 0 \"a"); /* quotes are letters */
    taken("0123456789abcdefXYZ,data,fat,,4K", "01 81 9000 1000 0 0123456789abcdef");
    taken(",data,fat,,4K", "01 81 9000 1000 0 ");
    taken("t,partition_table,primary,,\na,data,fat,,4K", "03 00 8000 1000 0 t|01 81 9000 1000 0 a");
    refused("a,foo,,,\nb,data,fat,,4K", "line 1: there is no partition type 'foo'");
    refused("a,data,fat,,4K\na,data,nvs,,12K", "line 2: there are two partitions 'a'");
    snprintf(text, sizeof text, "a,data,fat,,4K\nb,data,fat,,4K,%0180d", 0);
    refused(text, "line 2: no partition needs a line as long");
    snprintf(text, sizeof text, "a,data,fat,,4K\n#%0180d\nb,data,fat,,4K", 0);
    taken(text, "01 81 9000 1000 0 a|01 81 a000 1000 0 b");
}

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    taken("o,data,ota,,0x2000", "01 00 9000 2000 0 o");
    refused("o,data,ota,,0x1000", "otadata has 0x2000 bytes");
    refused("o,data,tee_ota,,0x3000", "otadata has 0x2000 bytes");
    refused("o,data,ota,,8K\np,data,ota,,8K", "second otadata");
    refused("o,data,ota,,8K,readonly", "cannot be readonly");
    refused("o,data,coredump,,64K,readonly", "cannot be readonly");
    refused("n,data,nvs,,8K", "0x3000 bytes at least");
    taken("n,data,nvs,,8K,readonly", "01 02 9000 2000 2 n");
    refused("t,partition_table,ota,0x8000,\na,data,fat,,4K", "begins before");
}

static void a_table_has_94_rows(void **state)
{
    char *text = calloc(1, 96 * 24);
    struct kiln_error error;
    struct kiln_image *image;
    size_t used = 0;

    (void)state;
    assert_non_null(text);
    for (unsigned i = 0; i < 94; i++)
        used += (size_t)snprintf(text + used, 24, "n%u,data,0x50,,4K\n", i);
    image = parse(text, KILN_NO_ADDRESS, &error);
    assert_non_null(image);
    assert_int_equal(kiln_image_info(image)->type, KILN_IMAGE_ESP_PARTITIONS);
    kiln_image_free(image);
    snprintf(text + used, 24, "n94,data,0x50,,4K\n");
    refused(text, "a table holds 94 partitions");
    free(text);
}

/* What is no table must not be taken for one. */
static void other_text_is_left_alone(void **state)
{
    static const char *const others[] = {
        "time,temp,hum,volt\n1021,21.50,40.1,3.291\n",
        "# only a comment\n",
        "a,data\n",
        "hello world\n",
        "a,data,fat,,\n",
        "a,b,c,d,e,f\n",
        "\x01,data,fat,,4K\n",
    };
    struct kiln_error error;

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(others); i++) {
        struct kiln_image *image = parse(others[i], KILN_NO_ADDRESS, &error);

        if (image != NULL && kiln_image_info(image)->type == KILN_IMAGE_ESP_PARTITIONS)
            fail_msg("taken for a table: %s", others[i]);
        kiln_image_free(image);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_what_esp_idf_makes),
        cmocka_unit_test(offsets_follow_each_other),
        cmocka_unit_test(numbers_are_pythons),
        cmocka_unit_test(words_have_numbers),
        cmocka_unit_test(names_lines_and_marks),
        cmocka_unit_test(what_cannot_work_is_refused),
        cmocka_unit_test(a_table_has_94_rows),
        cmocka_unit_test(other_text_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
