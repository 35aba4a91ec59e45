/* SPDX-License-Identifier: MIT */
/* Formats with addresses: what they hold, what is refused and where the message points. */
#include <kiln/image.h>

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct kiln_image *parsed(const void *bytes, size_t len)
{
    struct kiln_image *image;
    struct kiln_error error;

    if (kiln_image_parse("file", bytes, len, NULL, &image, &error) != KILN_OK)
        fail_msg("%s", error.message);
    return image;
}

static void refused(const void *bytes, size_t len, enum kiln_status status, const char *part)
{
    struct kiln_image *image;
    struct kiln_error error;

    assert_int_equal(kiln_image_parse("bad.x", bytes, len, NULL, &image, &error), status);
    assert_null(image);
    if (strncmp(error.message, "bad.x: ", 7) != 0 || strstr(error.message, part) == NULL)
        fail_msg("\"%s\" does not name the file or say \"%s\"", error.message, part);
}

static void refused_text(const char *text, const char *part)
{
    refused(text, strlen(text), KILN_E_FILE, part);
}

static void segment_is(const struct kiln_image *image, size_t index, uint64_t address,
                       const char *bytes, size_t len)
{
    const struct kiln_segment *s = kiln_image_segment(image, index);

    assert_non_null(s);
    assert_int_equal(s->address, address);
    assert_int_equal(s->size, len);
    assert_memory_equal(s->data, bytes, len);
}

static void ihex_holds_segments_in_order(void **state)
{
    static const char text[] =
        ":020000040800F2\r\n"
        ":0400100001020304E2\n" /* joins with the next although it comes first */
        ":04000C0009080706D2\n"
        ":020000040801F1\n"
        ":01000000AA55\n"
        ":0400000508000ABB2A\n"
        ":00000001FF\n\n";
    struct kiln_image *image = parsed(text, strlen(text));

    (void)state;
    assert_int_equal(kiln_image_info(image)->type, KILN_IMAGE_IHEX);
    assert_int_equal(kiln_image_info(image)->address, 0x0800000c);
    assert_int_equal(kiln_image_info(image)->address_source, KILN_ADDRESS_FILE);
    assert_int_equal(kiln_image_info(image)->entry, 0x08000abb);
    assert_int_equal(kiln_image_segment_count(image), 2);
    segment_is(image, 0, 0x0800000c, "\x09\x08\x07\x06\x01\x02\x03\x04", 8);
    segment_is(image, 1, 0x08010000, "\xaa", 1);
    assert_int_equal(kiln_image_total_bytes(image), 9);
    kiln_image_free(image);
}

static void ihex_errors_name_the_line(void **state)
{
    (void)state;
    refused_text(":0100000001FE\n:0100010001FE\n:00000001FF\n",
                 "line 2: wrong checksum FE, should be FD");
    refused_text(":0100000001FE\n", "cut short");
    refused_text(":0100000001FE\n:00000001FF\n:0100010001FD\n", "line 3: data behind the end");
    refused_text(":0100000001FE\n:01000000FF00\n:00000001FF\n",
                 "claim address 0x00000000: from line 1 and from line 2");
    refused_text(":0100000001FE\nnonsense\n:00000001FF\n", "line 2");
    refused_text(":0200000001FE\n:00000001FF\n",
                 "line 1: the record is 6 bytes long but its length says 7");
    refused_text(":0100000001FE\n:0100000001F\n", "line 2");
    refused_text(":0100000C01F2\n:00000001FF\n", "universal hex");
    refused_text(":02000004FFFFFC\n:02FFFF00010101\n:00000001FF\n", "line 2: wrong");
    refused_text(":02000004FFFFFC\n:02FFFF000101FE\n:00000001FF\n", "past the 32-bit");
    refused_text(":020000021000EC\n:02FFFF000101FE\n:00000001FF\n",
                 "over the end of a 64 KiB segment");
    refused_text(":00000001FF\n", "no bytes to write");
}

static void srec_holds_segments_and_counts(void **state)
{
    static const char good[] = "S00600004844521B\nS107080001020304E6\nS5030001FB\nS9030800F4\n";
    struct kiln_image *image = parsed(good, strlen(good));

    (void)state;
    assert_int_equal(kiln_image_info(image)->type, KILN_IMAGE_SREC);
    assert_int_equal(kiln_image_info(image)->entry, 0x800);
    segment_is(image, 0, 0x800, "\1\2\3\4", 4);
    assert_non_null(strstr(kiln_image_info(image)->notes, "HDR"));
    kiln_image_free(image);
    refused_text("S107080001020304E7\nS9030800F4\n", "line 1: wrong checksum E7, should be E6");
    refused_text("S107080001020304E6\nS5030002FA\nS9030800F4\n",
                 "line 2: the file says 2 data records, but has 1");
    refused_text("S107080001020304E6\n", "cut short");
    refused_text("S107080001020304E6\nS4030001FB\nS9030800F4\n", "line 2: there is no S4");
}

static void uf2_block(uint8_t *b, uint32_t address, uint32_t number, uint32_t count, uint8_t fill)
{
    memset(b, 0, 512);
    kiln_put_le32(b, 0x0a324655);
    kiln_put_le32(b + 4, 0x9e5d5157);
    kiln_put_le32(b + 8, 0x2000);
    kiln_put_le32(b + 12, address);
    kiln_put_le32(b + 16, 256);
    kiln_put_le32(b + 20, number);
    kiln_put_le32(b + 24, count);
    kiln_put_le32(b + 28, 0xe48bff56);
    memset(b + 32, fill, 256);
    kiln_put_le32(b + 508, 0x0ab16f30);
}

static void uf2_needs_every_block_and_one_family(void **state)
{
    uint8_t file[3 * 512];
    struct kiln_image_options choose = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        uf2_block(file + i * 512, 0x10000000 + i * 256, i, 3, (uint8_t)i);
    image = parsed(file, sizeof file);
    assert_int_equal(kiln_image_info(image)->type, KILN_IMAGE_UF2);
    assert_string_equal(kiln_image_info(image)->chip, "rp2040");
    assert_int_equal(kiln_image_segment_count(image), 1);
    assert_int_equal(kiln_image_total_bytes(image), 768);
    kiln_image_free(image);

    refused(file, 1024, KILN_E_FILE, "holds 2 of 3 blocks");
    refused(file, 1000, KILN_E_FILE, "no multiple of 512");
    file[512 + 508] ^= 1;
    refused(file, sizeof file, KILN_E_FILE, "block 1: wrong magic");
    file[512 + 508] ^= 1;
    kiln_put_le32(file + 1024 + 16, 477);
    refused(file, sizeof file, KILN_E_FILE, "block 2: payload of 477");

    for (unsigned i = 0; i < 2; i++)
        uf2_block(file + i * 512, 0x2000, 0, 1, (uint8_t)i);
    refused(file, 1024, KILN_E_FILE, "from block 0 and from block 1");
    kiln_put_le32(file + 512 + 28, 0x68ed2b88);
    refused(file, 1024, KILN_E_ARG, "several chips");
    choose.uf2_family = 0x68ed2b88;
    assert_int_equal(kiln_image_parse("f", file, 1024, &choose, &image, NULL), KILN_OK);
    assert_int_equal(kiln_image_segment(image, 0)->data[0], 1);
    assert_string_equal(kiln_image_info(image)->chip, "samd21");
    kiln_image_free(image);
}

/* Every writable format gives the same segments back, gaps and odd places included. */
static void formats_give_back_what_they_were_given(void **state)
{
    static const enum kiln_image_type types[] = {KILN_IMAGE_IHEX, KILN_IMAGE_SREC,
                                                 KILN_IMAGE_DFUSE};
    uint8_t bytes[70001];
    struct kiln_image *made, *piece;
    struct kiln_image_options at = KILN_IMAGE_OPTIONS_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(kiln_image_new(&made), KILN_OK);
    at.raw = true;
    at.address = 0x0800fffd;
    assert_int_equal(kiln_image_parse("a", bytes, sizeof bytes, &at, &piece, NULL), KILN_OK);
    assert_int_equal(kiln_image_merge(made, piece, NULL), KILN_OK);
    kiln_image_free(piece);
    at.address = 0x08000001;
    assert_int_equal(kiln_image_parse("b", bytes, 3, &at, &piece, NULL), KILN_OK);
    assert_int_equal(kiln_image_merge(made, piece, NULL), KILN_OK);
    kiln_image_free(piece);
    assert_int_equal(kiln_image_segment_count(made), 2);
    for (size_t t = 0; t < KILN_ARRAY_LEN(types); t++) {
        struct kiln_image_write_options how = KILN_IMAGE_WRITE_OPTIONS_INIT;
        struct kiln_image *back;
        uint8_t *out;
        size_t len;

        how.type = types[t];
        assert_int_equal(kiln_image_serialize(made, &how, &out, &len, NULL), KILN_OK);
        back = parsed(out, len);
        assert_int_equal(kiln_image_info(back)->type, types[t]);
        assert_int_equal(kiln_image_segment_count(back), 2);
        segment_is(back, 0, 0x08000001, (const char *)bytes, 3);
        segment_is(back, 1, 0x0800fffd, (const char *)bytes, sizeof bytes);
        kiln_image_free(back);
        free(out);
    }
    kiln_image_free(made);
}

static void raw_and_uf2_fill_gaps(void **state)
{
    static const char text[] = ":0200FE000102FD\n:020204000304F1\n:00000001FF\n";
    struct kiln_image_write_options how = KILN_IMAGE_WRITE_OPTIONS_INIT;
    struct kiln_image *image = parsed(text, strlen(text)), *back;
    uint8_t *out;
    size_t len;

    (void)state;
    how.fill = 0xee;
    assert_int_equal(kiln_image_serialize(image, &how, &out, &len, NULL), KILN_OK);
    assert_int_equal(len, 0x108);
    assert_memory_equal(out, "\1\2\xee", 3);
    assert_memory_equal(out + 0x105, "\xee\3\4", 3);
    free(out);
    how.type = KILN_IMAGE_UF2;
    assert_int_equal(kiln_image_serialize(image, &how, &out, &len, NULL), KILN_OK);
    assert_int_equal(len, 2 * 512); /* pages 0 and 0x200, not the one between */
    back = parsed(out, len);
    assert_int_equal(kiln_image_segment(back, 0)->data[0xfe], 1);
    assert_int_equal(kiln_image_segment(back, 1)->address, 0x200);
    assert_int_equal(kiln_image_segment(back, 1)->data[5], 4);
    assert_int_equal(kiln_image_segment(back, 1)->data[6], 0xee);
    kiln_image_free(back);
    free(out);
    kiln_image_free(image);
}

static void merging_refuses_overlap_and_keeps_the_image(void **state)
{
    struct kiln_image_options at = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *into, *a, *b, *c;
    struct kiln_error error;

    (void)state;
    at.address = 0x1000;
    assert_int_equal(kiln_image_new(&into), KILN_OK);
    assert_int_equal(kiln_image_parse("a", (const uint8_t *)"0123456789", 10, &at, &a, NULL),
                     KILN_OK);
    at.address = 0x1009;
    assert_int_equal(kiln_image_parse("b.bin", (const uint8_t *)"xy", 2, &at, &b, NULL), KILN_OK);
    at.address = KILN_NO_ADDRESS;
    assert_int_equal(kiln_image_parse("c.bin", (const uint8_t *)"xy", 2, &at, &c, NULL), KILN_OK);
    assert_int_equal(kiln_image_merge(into, a, &error), KILN_OK);
    assert_int_equal(kiln_image_merge(into, b, &error), KILN_E_FILE);
    assert_non_null(strstr(error.message, "b.bin"));
    assert_non_null(strstr(error.message, "0x00001009"));
    assert_int_equal(kiln_image_merge(into, c, &error), KILN_E_ARG);
    assert_int_equal(kiln_image_total_bytes(into), 10);
    segment_is(into, 0, 0x1000, "0123456789", 10);
    kiln_image_free(into);
    kiln_image_free(a);
    kiln_image_free(b);
    kiln_image_free(c);
}

/* One row of an ESP partition table: a data partition. */
static void put_row(uint8_t *at, uint32_t offset, uint32_t size, const char *label)
{
    memset(at, 0, 32);
    kiln_put_le16(at, 0x50aa);
    at[2] = 1;
    kiln_put_le32(at + 4, offset);
    kiln_put_le32(at + 8, size);
    memcpy(at + 12, label, strlen(label));
}

/* Everything that can be wrong with a table, and two that are right: a label without NUL, and no room for an end. */
static void partition_tables_are_read_or_refused_with_the_place(void **state)
{
    uint8_t table[0xc00], row[32];
    struct kiln_image *image;
    size_t count;

    (void)state;
    memset(table, 0xff, sizeof table);
    put_row(table, 0x9000, 0x6000, "a_label_of_16ch.");
    put_row(table + 32, 0xf000, 0x1000, "second");
    image = parsed(table, sizeof table);
    assert_int_equal(kiln_image_info(image)->type, KILN_IMAGE_ESP_PARTITIONS);
    assert_string_equal(kiln_image_partitions(image, &count)[0].label, "a_label_of_16ch.");
    assert_int_equal(count, 2);
    kiln_image_free(image);

    put_row(table + 32, 0xe000, 0x1000, "second");
    refused(table, sizeof table, KILN_E_FILE, "overlap at 0xe000");
    put_row(table + 32, 0xfffff000, 0x2000, "second");
    refused(table, sizeof table, KILN_E_FILE, "runs past the end of memory");
    put_row(table + 32, 0xf000, 0x1000, "second");
    table[64] = 0x12;
    refused(table, sizeof table, KILN_E_FILE, "no valid entry at 0x40");
    memset(table + 64, 0xff, 32);
    table[64] = table[65] = 0xeb; /* an MD5 of FF */
    refused(table, sizeof table, KILN_E_FILE, "MD5 at 0x40 is wrong");
    refused(table, 40, KILN_E_FILE, "cut short");

    for (unsigned i = 0; i < 96; i++) { /* full to the end, without an end mark */
        put_row(row, 0x10000 + i * 0x1000, 0x1000, "full");
        memcpy(table + (size_t)32 * i, row, sizeof row);
    }
    image = parsed(table, sizeof table);
    assert_non_null(kiln_image_partitions(image, &count));
    assert_int_equal(count, 96);
    kiln_image_free(image);
}

static void a_ceiling_stops_large_files(void **state)
{
    struct kiln_image_options small = KILN_IMAGE_OPTIONS_INIT;
    static const char text[] = ":0400000001020304F2\n:0400100001020304E2\n:00000001FF\n";
    struct kiln_image *image;
    struct kiln_error error;

    (void)state;
    small.max_size = 7;
    assert_int_equal(
        kiln_image_parse("f", (const uint8_t *)text, strlen(text), &small, &image, &error),
        KILN_E_FILE);
    small.max_size = 8;
    assert_int_equal(
        kiln_image_parse("f", (const uint8_t *)text, strlen(text), &small, &image, &error),
        KILN_OK);
    kiln_image_free(image);
}

static void an_address_is_only_for_files_without(void **state)
{
    static const char text[] = ":0400000001020304F2\n:00000001FF\n";
    struct kiln_image_options at = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;
    struct kiln_error error;

    (void)state;
    at.address = 0x4000;
    assert_int_equal(
        kiln_image_parse("f.hex", (const uint8_t *)text, strlen(text), &at, &image, &error),
        KILN_E_ARG);
    assert_non_null(strstr(error.message, "f.hex"));
    assert_int_equal(kiln_image_parse("f.bin", (const uint8_t *)"abc", 3, &at, &image, &error),
                     KILN_OK);
    assert_int_equal(kiln_image_info(image)->address, 0x4000);
    assert_int_equal(kiln_image_info(image)->address_source, KILN_ADDRESS_GIVEN);
    kiln_image_free(image);
}

static void files_that_are_none_are_named(void **state)
{
    struct kiln_image *image;
    struct kiln_error error;

    (void)state;
    assert_int_equal(kiln_image_load("/nonexistent/x.hex", NULL, &image, &error), KILN_E_IO);
    assert_non_null(strstr(error.message, "/nonexistent/x.hex"));
    assert_int_equal(kiln_image_load("/", NULL, &image, &error), KILN_E_IO);
    assert_non_null(strstr(error.message, "folder"));
    assert_int_equal(kiln_image_load("/dev/zero", NULL, &image, &error), KILN_E_IO);
    refused("", 0, KILN_E_FILE, "empty");
}

static void saving_is_all_or_nothing(void **state)
{
    char folder[] = "/tmp/kiln-image-XXXXXX", path[64];
    struct kiln_image *image = parsed("abc", 3), *back;
    struct kiln_error error;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/out.bin", folder);
    assert_int_equal(kiln_image_save(image, path, NULL, &error), KILN_OK);
    assert_int_equal(kiln_image_load(path, NULL, &back, NULL), KILN_OK);
    assert_int_equal(kiln_image_total_bytes(back), 3);
    kiln_image_free(back);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* nothing is left beside it */
    assert_int_equal(kiln_image_save(image, "/nonexistent/out.bin", NULL, &error), KILN_E_IO);
    assert_non_null(strstr(error.message, "/nonexistent/out.bin"));
    kiln_image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ihex_holds_segments_in_order),
        cmocka_unit_test(ihex_errors_name_the_line),
        cmocka_unit_test(srec_holds_segments_and_counts),
        cmocka_unit_test(uf2_needs_every_block_and_one_family),
        cmocka_unit_test(formats_give_back_what_they_were_given),
        cmocka_unit_test(raw_and_uf2_fill_gaps),
        cmocka_unit_test(merging_refuses_overlap_and_keeps_the_image),
        cmocka_unit_test(partition_tables_are_read_or_refused_with_the_place),
        cmocka_unit_test(a_ceiling_stops_large_files),
        cmocka_unit_test(an_address_is_only_for_files_without),
        cmocka_unit_test(files_that_are_none_are_named),
        cmocka_unit_test(saving_is_all_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
