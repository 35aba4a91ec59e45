/* SPDX-License-Identifier: MIT */
/*
 * The flasher's own C on the host, with frames and streams that others made (libdeflate deflates, OpenSSL hashes). It fails when
 * the inflater, the windows, the order of erasing and programming, or the answers are wrong.
 */
#include "tests/flasher_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <libdeflate.h>
#include <openssl/evp.h>

#define LINE_MAX_ 700000u

static uint8_t line[LINE_MAX_];
static size_t line_len;

static void le32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t word_at(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

static void put_frame(const uint8_t *bytes, size_t len)
{
    line[line_len++] = 0xc0;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == 0xc0 || bytes[i] == 0xdb) {
            line[line_len++] = 0xdb;
            line[line_len++] = bytes[i] == 0xc0 ? 0xdc : 0xdd;
        } else {
            line[line_len++] = bytes[i];
        }
    }
    line[line_len++] = 0xc0;
}

static void request(uint8_t op, uint32_t word, const uint8_t *body, size_t len)
{
    uint8_t frame[8 + 4096 + 4] = {0, op, (uint8_t)len, (uint8_t)(len >> 8)};

    le32(frame + 4, word);
    if (len > 0)
        memcpy(frame + 8, body, len);
    le32(frame + 8 + len, libdeflate_crc32(0, frame, 8 + len));
    put_frame(frame, 12 + len);
    host_pause(line_len);
}

static void range(uint8_t op, uint32_t address, uint32_t len, uint32_t a, uint32_t b, uint32_t c)
{
    uint8_t body[24];

    le32(body, address);
    le32(body + 4, len);
    le32(body + 8, HOST_FLASH);
    le32(body + 12, a);
    le32(body + 16, b);
    le32(body + 20, c);
    request(op, 0, body, sizeof body);
}

/* Sends what is in `line`; nothing of it is left. */
static void run(void)
{
    host.out_len = 0;
    host_run(line, line_len);
    line_len = 0;
}

struct reply {
    uint8_t op, status;
    uint32_t value;
    uint8_t body[4200];
    size_t len;
};

/* The `index`th reply with this opcode; false if there is none. Each must have a right CRC. */
static bool reply_of(uint8_t op, size_t index, struct reply *out)
{
    static uint8_t frame[8400];
    size_t n = 0;

    for (size_t i = 0; i < host.out_len; i++) {
        uint8_t byte = host.out[i];

        if (byte == 0xdb) {
            frame[n++] = host.out[++i] == 0xdc ? 0xc0 : 0xdb;
        } else if (byte != 0xc0) {
            frame[n++] = byte;
        } else if (n > 0) {
            assert_true(n >= 14);
            assert_int_equal(libdeflate_crc32(0, frame, n - 4), word_at(frame + n - 4));
            assert_int_equal(frame[2] | frame[3] << 8, n - 12);
            if (frame[1] == op && index-- == 0) {
                out->op = op;
                out->value = word_at(frame + 4);
                out->len = n - 14;
                out->status = frame[n - 6];
                memcpy(out->body, frame + 8, out->len);
                return true;
            }
            n = 0;
        }
    }
    return false;
}

static struct reply the(uint8_t op)
{
    static struct reply reply;

    assert_true(reply_of(op, 0, &reply));
    return reply;
}

static void make(uint8_t *bytes, size_t len, int kind)
{
    uint32_t seed = 7;

    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = kind == 0   ? (uint8_t)(seed >> 24)
                   : kind == 1 ? (uint8_t)(i / 300 + (seed >> 30))
                   : kind == 2 ? 0xff
                               : (uint8_t)(seed >> 24 & 7);
    }
}

static void md5_is(const uint8_t *md5, const uint8_t *bytes, size_t len)
{
    uint8_t wanted[EVP_MAX_MD_SIZE];

    assert_int_equal(EVP_Digest(bytes, len, wanted, NULL, EVP_md5(), NULL), 1);
    assert_memory_equal(md5, wanted, 16);
}

static uint8_t deflated[300000];

static uint32_t deflate(const uint8_t *bytes, size_t len, int level)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(level);
    size_t n = libdeflate_deflate_compress(compressor, bytes, len, deflated, sizeof deflated);

    libdeflate_free_compressor(compressor);
    assert_true(n > 0);
    return (uint32_t)n;
}

static void send_stream(uint32_t len)
{
    for (uint32_t at = 0; at < len; at += 4096)
        request(0xe1, at, deflated + at, len - at < 4096 ? len - at : 4096);
}

static void round_trip(uint32_t address, uint32_t len, int kind, int level)
{
    static uint8_t plain[262144];
    uint32_t covers = (len + 4095) / 4096 * 4096;

    make(plain, len, kind);
    host_begin(address, address + covers);
    memset(host.flash, 0x5a, sizeof host.flash);
    range(0xe0, address, covers, 0, len, deflate(plain, len, level));
    send_stream(deflate(plain, len, level));
    run();
    assert_int_equal(the(0xe0).status, 0);
    assert_int_equal(the(0xe2).status, 0);
    assert_int_equal(the(0xe2).value, len);
    md5_is(the(0xe2).body, host.flash + address, covers);
    assert_memory_equal(host.flash + address, plain, len);
    for (uint32_t i = len; i < covers; i++)
        assert_int_equal(host.flash[address + i], 0xff);
    for (uint32_t i = 0; i < HOST_FLASH; i++)
        assert_true((i >= address && i < address + covers) || host.flash[i] == 0x5a);
}

static void every_stream_arrives(void **state)
{
    static const uint32_t lengths[] = {1, 2, 63, 64, 65, 255, 4095, 4096, 4097, 70001, 250000};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (int kind = 0; kind < 4; kind++)
            for (int level = 0; level <= 12; level += 3)
                if (lengths[i] < 70000 || level != 3)
                    round_trip(0x1000 * (uint32_t)(kind + 5), lengths[i], kind, level);
}

/* A host that sends beyond what was lost is told so once, and once more for every damaged frame. */
static void a_gap_is_told_and_mended(void **state)
{
    static uint8_t plain[60000];
    struct reply reply;
    unsigned gaps = 0;
    uint32_t n;

    (void)state;
    make(plain, sizeof plain, 0);
    host_begin(0, 0x10000);
    n = deflate(plain, sizeof plain, 6);
    range(0xe0, 0, 0xf000, 0, sizeof plain, n);
    request(0xe1, 0, deflated, 4096);
    request(0xe1, 8192, deflated + 8192, 4096);
    request(0xe1, 12288, deflated + 12288, 4096);
    request(0xe1, 4096, deflated + 4096, 4096);
    line[line_len - 20] ^= 0x10;
    request(0xe1, 0, deflated, 4096);
    for (uint32_t at = 4096; at < n; at += 4096)
        request(0xe1, at, deflated + at, n - at < 4096 ? n - at : 4096);
    run();
    for (size_t i = 0; reply_of(0xe1, i, &reply); i++) {
        gaps += reply.status == 1;
        if (reply.status == 1)
            assert_int_equal(word_at(reply.body), 4096);
    }
    assert_int_equal(gaps, 2);
    assert_int_equal(the(0xe2).status, 0);
    assert_memory_equal(host.flash, plain, sizeof plain);
}

static void blank_places_are_neither_erased_nor_programmed(void **state)
{
    static uint8_t plain[131072];

    (void)state;
    memset(plain, 0xff, sizeof plain);
    host_begin(0, 0x20000);
    plain[0x11000] = 0;
    range(0xe0, 0, 0x20000, 0, sizeof plain, deflate(plain, sizeof plain, 6));
    send_stream(deflate(plain, sizeof plain, 6));
    run();
    assert_int_equal(the(0xe2).status, 0);
    assert_int_equal(host.erases, 0);
    assert_int_equal(host.programs, 1);
    host.flash[0x3000] = 0; /* in the first 64 KB */
    range(0xe4, 0, 0x20000, 0x52, 0, 0);
    run();
    assert_int_equal(the(0xe4).status, 0);
    assert_int_equal(host.erases, 2);
}

/* What is refused or goes wrong leaves all the rest of the flash as it is; the model of it watches. */
static void bad_streams_end_in_an_error(void **state)
{
    static uint8_t plain[9000];
    uint32_t n;

    (void)state;
    make(plain, sizeof plain, 1);
    for (int kind = 0; kind < 6; kind++) {
        host_begin(0x4000, 0x7000);
        memset(host.flash, 0, sizeof host.flash);
        n = deflate(plain, sizeof plain, 9);
        if (kind == 0)
            deflated[0] |= 6; /* no such kind of block */
        else if (kind == 1)
            memset(deflated + n / 2, 0, n - n / 2);
        else if (kind == 2)
            n -= 3;
        range(0xe0, 0x4000, 0x3000, 0,
              kind == 3   ? 8999
              : kind == 4 ? 9001
                          : 9000,
              kind == 5 ? n + 1 : n);
        if (kind == 5)
            deflated[n++] = 0;
        send_stream(n);
        run();
        assert_int_equal(the(0xe2).status, 4);
    }
}

static void ranges_are_checked(void **state)
{
    static const uint32_t bad[][3] = {
        {0x1001, 0x1000, 1},     {0x1000, 0x1001, 1},     {HOST_FLASH - 0x1000, 0x2000, 1},
        {0xfffff000, 0x1000, 1}, {0x1000, 0xfffff000, 1}, {0x1000, 0x1000, 0x1001},
        {0x1000, 0x1000, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        host_begin(0, 0);
        range(0xe0, bad[i][0], bad[i][1], 0, bad[i][2], 10);
        run();
        assert_int_equal(the(0xe0).status, 3);
    }
    host_begin(0, 0);
    request(0xe0, 0, line + 1000, 23);
    request(0x55, 0, NULL, 0);
    run();
    assert_int_equal(the(0xe0).status, 2);
    assert_int_equal(the(0x55).status, 2);
}

static void a_request_ends_a_write(void **state)
{
    static uint8_t plain[9000];
    struct reply reply;

    (void)state;
    make(plain, sizeof plain, 0);
    host_begin(0, 0x3000);
    range(0xe0, 0, 0x3000, 0, sizeof plain, deflate(plain, sizeof plain, 6));
    request(0xe1, 0, deflated, 4000);
    request(0x0a, 0, (const uint8_t *)"\x44\x33\x22\x11", 4);
    run();
    assert_false(reply_of(0xe2, 0, &reply));
    assert_int_equal(the(0x0a).value, 0x11223344);
    /* SYNC without a CRC is understood, in the middle of rubbish too. */
    line[line_len++] = 0x55;
    line[line_len++] = 0xdb;
    memset(plain, 0x55, 44);
    memcpy(plain, "\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20", 12);
    put_frame(plain, 44);
    run();
    assert_int_equal(the(0x08).value, 0x4e4c494b);
    assert_int_equal(word_at(the(0x08).body), 1);
}

static void reads_and_hashes(void **state)
{
    static const uint32_t lengths[] = {1, 55, 56, 57, 63, 64, 65, 119, 120, 4096, 100001};
    struct reply reply;

    (void)state;
    host_begin(0, 0);
    make(host.flash, HOST_FLASH, 0);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        range(0xe3, 0x123, lengths[i], lengths[i], 16, 16);
        run();
        md5_is(the(0xe3).body, host.flash + 0x123, lengths[i]);
    }
    range(0xe3, 0x1000, 10 * 4096 + 5, 4096, 8, 88);
    run();
    assert_int_equal(the(0xe3).len, 88);
    for (uint32_t i = 0; i < 11; i++) {
        uint8_t wanted[EVP_MAX_MD_SIZE];

        EVP_Digest(host.flash + 0x1000 + (size_t)4096 * i, i < 10 ? 4096 : 5, wanted, NULL,
                   EVP_md5(), NULL);
        assert_memory_equal(the(0xe3).body + (size_t)8 * i, wanted, 8);
    }
    range(0xe5, 0x777, 2500, 0, 0, 0);
    run();
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(reply_of(0xe5, i, &reply));
        assert_int_equal(reply.value, 0x777 + 1024 * i);
        assert_int_equal(reply.len, i < 2 ? 1024 : 452);
        assert_memory_equal(reply.body, host.flash + 0x777 + (size_t)1024 * i, reply.len);
    }
}

static void registers_rate_and_reset(void **state)
{
    uint8_t body[32] = {0};

    (void)state;
    host_begin(0, 0);
    host.word = 0x11111111;
    for (size_t i = 0; i < 2; i++) {
        le32(body + 16 * i, 0x1000);
        le32(body + 16 * i + 4, 0xabcdef00 + (uint32_t)i);
        le32(body + 16 * i + 8, i == 0 ? 0xffff0000 : 0x000000ff);
    }
    request(0x09, 0, body, 32);
    le32(body, 921600);
    request(0x0f, 0, body, 8);
    run();
    assert_int_equal(host.word, 0xabcd1101);
    assert_int_equal(the(0x0f).status, 0);
    assert_int_equal(host.baud, 921600);
    request(0xe6, 0, NULL, 0);
    run();
    assert_true(host.was_reset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stream_arrives),
        cmocka_unit_test(a_gap_is_told_and_mended),
        cmocka_unit_test(blank_places_are_neither_erased_nor_programmed),
        cmocka_unit_test(bad_streams_end_in_an_error),
        cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(a_request_ends_a_write),
        cmocka_unit_test(reads_and_hashes),
        cmocka_unit_test(registers_rate_and_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
