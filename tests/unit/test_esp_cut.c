/* SPDX-License-Identifier: MIT */
/* Where a stream is cut. A length of zero, too long a block or a lost byte would fail here,
 * That the cuts save time is tested against the simulated board, in test_esp_loader.c. */
#include "base/bytes.h"
#include "loader/esp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libdeflate.h>

#define SIZE (512u << 10)

/* Of every 16 pages `noise` are random and the others a ramp. */
static uint8_t *contents(unsigned noise)
{
    uint8_t *bytes = malloc(SIZE);
    uint32_t state = 99;

    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = i / 4096 % 16 < noise ? (uint8_t)(state >> 24) : (uint8_t)(i / 512);
    }
    return bytes;
}

static uint8_t *deflated(const uint8_t *bytes, size_t len, size_t *out_len)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(9);
    size_t room = libdeflate_zlib_compress_bound(compressor, len);
    uint8_t *zlib = malloc(room);

    assert_non_null(zlib);
    *out_len = libdeflate_zlib_compress(compressor, bytes, len, zlib, room);
    libdeflate_free_compressor(compressor);
    return zlib;
}

static void check(uint64_t address, unsigned noise, size_t len, uint32_t baud)
{
    uint8_t *bytes = contents(noise);
    struct kiln_esp_cut_stream stream = {.address = address, .len = len, .baud = baud};
    uint8_t *zlib = deflated(bytes, len, &stream.zlib_len);
    size_t count = 0, sum = 0;
    uint32_t *cuts;

    stream.zlib = zlib;
    cuts = kiln_esp_cut(&stream, &count);
    assert_non_null(cuts);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(cuts[i], 1, KILN_ESP_WRITE_BLOCK);
        sum += cuts[i];
    }
    assert_int_equal(sum, stream.zlib_len);
    free(cuts);
    free(zlib);
    free(bytes);
}

static void every_byte_is_in_one_block(void **state)
{
    static const uint32_t bauds[] = {300, 115200, 921600, 2000000, 5000000};
    static const size_t lengths[] = {1, 4096, 65536, 100001, SIZE};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(bauds); i++)
        for (size_t k = 0; k < KILN_ARRAY_LEN(lengths); k++) {
            check(0x10000, 3, lengths[k], bauds[i]);
            check(0x3000, 0, lengths[k], bauds[i]);
            check(0xff000, 16, lengths[k], bauds[i]);
        }
}

static void what_does_not_inflate_is_not_cut(void **state)
{
    uint8_t junk[2000];
    const struct kiln_esp_cut_stream stream = {
        .zlib = junk, .zlib_len = sizeof junk, .len = 4096, .baud = 115200};
    size_t count = 7;

    (void)state;
    memset(junk, 0xa5, sizeof junk);
    assert_null(kiln_esp_cut(&stream, &count));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_in_one_block),
        cmocka_unit_test(what_does_not_inflate_is_not_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
