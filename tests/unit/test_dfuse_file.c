/* SPDX-License-Identifier: MIT */
/* DfuSe files (ST UM0391) with several targets and elements, made here byte by byte: what they hold, and for each thing that
 * can be wrong with one a refusal that says where. A damaged file that is taken for a good one makes this fail. */
#include <kiln/image.h>

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADER 11
#define TARGET 274
#define SUFFIX 16

struct file {
    uint8_t bytes[4096];
    size_t len, target; /* where the target that is being made begins */
    uint8_t targets;
};

static void put(struct file *file, const void *bytes, size_t len)
{
    assert_true(file->len + len <= sizeof file->bytes);
    memcpy(file->bytes + file->len, bytes, len);
    file->len += len;
}

static void begin(struct file *file)
{
    memset(file, 0, sizeof *file);
    put(file, "DfuSe\1\0\0\0\0\0", HEADER);
}

static void add_target(struct file *file, uint8_t alt, const char *name)
{
    uint8_t header[TARGET] = "Target";

    header[6] = alt;
    header[7] = name != NULL;
    memcpy(header + 11, name != NULL ? name : "", name != NULL ? strlen(name) : 0);
    file->target = file->len;
    file->targets++;
    put(file, header, sizeof header);
}

static void add_element(struct file *file, uint32_t address, const char *text)
{
    uint8_t *target = file->bytes + file->target, header[8];

    kiln_put_le32(header, address);
    kiln_put_le32(header + 4, (uint32_t)strlen(text));
    put(file, header, sizeof header);
    put(file, text, strlen(text));
    kiln_put_le32(target + 266, kiln_le32(target + 266) + 8 + (uint32_t)strlen(text));
    kiln_put_le32(target + 270, kiln_le32(target + 270) + 1);
}

/* The CRC of DFU 1.1 appendix B, bit by bit. */
static void seal(struct file *file)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < file->len - 4; i++) {
        crc ^= file->bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    kiln_put_le32(file->bytes + file->len - 4, crc);
}

static void end(struct file *file)
{
    static const uint8_t suffix[SUFFIX] = {0x00, 0x22, 0x11, 0xdf, 0x83, 0x04,
                                           0x1a, 0x01, 'U',  'F',  'D',  SUFFIX};

    kiln_put_le32(file->bytes + 6, (uint32_t)file->len);
    file->bytes[10] = file->targets;
    put(file, suffix, sizeof suffix);
    seal(file);
}

/* Flash with two elements and option bytes with one. */
static void make(struct file *file)
{
    begin(file);
    add_target(file, 0, "Internal Flash");
    add_element(file, 0x08008000, "application");
    add_element(file, 0x08000000, "boot loader");
    add_target(file, 1, NULL);
    add_element(file, 0x1fffc000, "options!");
    end(file);
}

static struct kiln_image *parsed(const struct file *file)
{
    struct kiln_image *image;
    struct kiln_error error;

    if (kiln_image_parse("file", file->bytes, file->len, NULL, &image, &error) != KILN_OK)
        fail_msg("%s", error.message);
    return image;
}

static void refused(const struct file *file, const char *part)
{
    struct kiln_image *image;
    struct kiln_error error;
    enum kiln_status status =
        kiln_image_parse("bad.dfu", file->bytes, file->len, NULL, &image, &error);

    if (status != KILN_E_FILE || strstr(error.message, part) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", kiln_status_name(status), error.message, part);
    assert_null(image);
}

static void segment_is(const struct kiln_image *image, size_t index, uint8_t alt, uint64_t address,
                       const char *text)
{
    const struct kiln_segment *segment = kiln_image_segment(image, index);

    assert_non_null(segment);
    assert_int_equal(segment->alt, alt);
    assert_int_equal(segment->address, address);
    assert_int_equal(segment->size, strlen(text));
    assert_memory_equal(segment->data, text, strlen(text));
}

static void targets_and_elements_keep_their_places(void **state)
{
    struct kiln_image *image;
    struct file file;

    (void)state;
    make(&file);
    image = parsed(&file);
    assert_int_equal(kiln_image_info(image)->type, KILN_IMAGE_DFUSE);
    assert_int_equal(kiln_image_info(image)->vid, 0x0483);
    assert_int_equal(kiln_image_info(image)->pid, 0xdf11);
    assert_int_equal(kiln_image_info(image)->bcd_device, 0x2200);
    assert_int_equal(kiln_image_segment_count(image), 3);
    segment_is(image, 0, 0, 0x08000000, "boot loader");
    segment_is(image, 1, 0, 0x08008000, "application");
    segment_is(image, 2, 1, 0x1fffc000, "options!");
    kiln_image_free(image);
}

static void what_is_written_is_read_as_the_same(void **state)
{
    struct kiln_image_write_options options = KILN_IMAGE_WRITE_OPTIONS_INIT;
    struct kiln_image *image, *again;
    struct kiln_error error;
    struct file file;
    uint8_t *bytes;
    size_t len;

    (void)state;
    make(&file);
    image = parsed(&file);
    options.type = KILN_IMAGE_DFUSE;
    assert_int_equal(kiln_image_serialize(image, &options, &bytes, &len, &error), KILN_OK);
    assert_int_equal(len, file.len);
    assert_int_equal(bytes[10], 2);
    assert_int_equal(kiln_image_parse("again", bytes, len, NULL, &again, &error), KILN_OK);
    segment_is(again, 0, 0, 0x08000000, "boot loader");
    segment_is(again, 2, 1, 0x1fffc000, "options!");
    kiln_image_free(again);
    kiln_image_free(image);
    free(bytes);
}

/* The same address in two settings is no overlap; in one it is. */
static void settings_have_addresses_of_their_own(void **state)
{
    struct kiln_image *image;
    struct file file;

    (void)state;
    begin(&file);
    add_target(&file, 0, NULL);
    add_element(&file, 0x08000000, "one");
    add_target(&file, 1, NULL);
    add_element(&file, 0x08000000, "two");
    end(&file);
    image = parsed(&file);
    segment_is(image, 0, 0, 0x08000000, "one");
    segment_is(image, 1, 1, 0x08000000, "two");
    kiln_image_free(image);
    begin(&file);
    add_target(&file, 0, NULL);
    add_element(&file, 0x08000000, "four");
    add_element(&file, 0x08000002, "more");
    end(&file);
    refused(&file, "0x08000002");
}

static void every_cut_is_noticed(void **state)
{
    struct file whole, file;

    (void)state;
    make(&whole);
    for (size_t len = HEADER; len < whole.len; len++) {
        file = whole;
        file.len = len;
        refused(&file, "cut short");
    }
}

static void every_changed_byte_is_noticed(void **state)
{
    struct kiln_image *image;
    struct kiln_error error;
    struct file whole, file;

    (void)state;
    make(&whole);
    for (size_t i = 5; i < whole.len; i++) {
        if (i >= whole.len - 8 && i < whole.len - 4)
            continue; /* the signature and length of the suffix: then it is no suffix */
        file = whole;
        file.bytes[i] ^= 0x10;
        if (kiln_image_parse("bad.dfu", file.bytes, file.len, NULL, &image, &error) == KILN_OK)
            fail_msg("byte %zu", i);
    }
}

struct damage {
    size_t at;
    uint32_t value;
    unsigned bytes;
    const char *part;
};

/* Wrong fields under a right CRC. */
static void every_wrong_field_is_named(void **state)
{
    const size_t first = HEADER, one = HEADER + TARGET, second = one + 2 * (8 + 11);
    const struct damage damages[] = {
        {5, 2, 1, "version 2"},
        {6, 17, 4, "header says 17 bytes"},
        {10, 1, 1, "behind the last DfuSe target"},
        {10, 3, 1, "no DfuSe target"},
        {10, 0, 1, "behind the last DfuSe target"},
        {first, 't', 1, "no DfuSe target at 0xb"},
        {first + 266, 0xffffffff, 4, "more than the file"},
        {first + 266, 37, 4, "more than its target holds"},
        {first + 266, 39, 4, "behind its elements"},
        {first + 270, 1, 4, "behind its elements"},
        {first + 270, 3, 4, "is cut off"},
        {first + 270, 0xffffffff, 4, "is cut off"},
        {first + 270, 0, 4, "behind its elements"},
        {one + 4, 0xffffffff, 4, "more than its target holds"},
        {one + 4, 12, 4, "more than its target holds"},
        {one, 0xfffffffc, 4, "32-bit address range"},
        {second, 'X', 1, "no DfuSe target"},
    };
    struct file file;

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(damages); i++) {
        make(&file);
        if (damages[i].bytes == 4)
            kiln_put_le32(file.bytes + damages[i].at, damages[i].value);
        else
            file.bytes[damages[i].at] = (uint8_t)damages[i].value;
        seal(&file);
        refused(&file, damages[i].part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_and_elements_keep_their_places),
        cmocka_unit_test(what_is_written_is_read_as_the_same),
        cmocka_unit_test(settings_have_addresses_of_their_own),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(every_wrong_field_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
