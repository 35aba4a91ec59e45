/* SPDX-License-Identifier: MIT */
/* The simulated Espressif boards through the in-process link. The frames are written out by hand from the
 * protocol's description, so that this test shares nothing with the client. */
#include "base/bytes.h"
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

struct bench {
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_sim_uart *board;
    struct kiln_byte_link *link;
};

static void start(struct bench *b, const char *text)
{
    struct kiln_sim_knobs knobs;

    kiln_virtual_clock_init(&b->clock);
    kiln_ctx_init(&b->ctx, &b->clock.base);
    assert_int_equal(kiln_sim_knobs_parse(&b->ctx, text, &knobs), KILN_OK);
    assert_int_equal(kiln_sim_board_find(knobs.board)->make_uart(&b->ctx, &knobs, &b->board),
                     KILN_OK);
    assert_int_equal(kiln_sim_byte_link(&b->ctx, b->board, true, 115200, &b->link), KILN_OK);
}

static void stop(struct bench *b)
{
    kiln_link_close(b->link);
}

/* Everything that comes within `ms`, as text. */
static size_t hear(struct bench *b, uint32_t ms, uint8_t *bytes, size_t cap)
{
    uint64_t saved = kiln_deadline_narrow(&b->ctx, ms);
    size_t len = 0, got;

    while (len < cap - 1 &&
           kiln_link_read(b->link, &b->ctx, bytes + len, cap - 1 - len, &got) == KILN_OK)
        len += got;
    bytes[len] = 0;
    kiln_deadline_restore(&b->ctx, saved);
    return len;
}

static void say(struct bench *b, uint8_t op, uint32_t checksum, const void *data, size_t len)
{
    uint8_t head[8] = {0, op, (uint8_t)len, (uint8_t)(len >> 8)};
    uint8_t wire[2 * 20000];
    const uint8_t *part = head;
    size_t n = 0, left = sizeof head;

    kiln_put_le32(head + 4, checksum);
    wire[n++] = 0xc0;
    for (int pass = 0; pass < 2; pass++, part = data, left = len) {
        for (size_t i = 0; i < left; i++) {
            if (part[i] == 0xc0 || part[i] == 0xdb) {
                wire[n++] = 0xdb;
                wire[n++] = part[i] == 0xc0 ? 0xdc : 0xdd;
            } else {
                wire[n++] = part[i];
            }
        }
    }
    wire[n++] = 0xc0;
    assert_int_equal(kiln_link_write(b->link, &b->ctx, wire, n), KILN_OK);
}

/* One frame without its SLIP clothes; 0 if none comes in `ms`. */
static size_t frame(struct bench *b, uint32_t ms, uint8_t *bytes, size_t cap)
{
    uint64_t saved = kiln_deadline_narrow(&b->ctx, ms);
    bool inside = false, escaped = false;
    size_t len = 0, got;
    uint8_t byte;

    while (kiln_link_read(b->link, &b->ctx, &byte, 1, &got) == KILN_OK) {
        if (byte == 0xc0 && inside && len > 0)
            break;
        if (byte == 0xc0) {
            inside = true;
        } else if (byte == 0xdb) {
            escaped = true;
        } else if (inside && len < cap) {
            bytes[len++] = !escaped ? byte : byte == 0xdc ? 0xc0 : 0xdb;
            escaped = false;
        }
    }
    kiln_deadline_restore(&b->ctx, saved);
    return len;
}

static const uint8_t sync_data[36] = {0x07, 0x07, 0x12, 0x20, 0x55, 0x55, 0x55, 0x55, 0x55,
                                      0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
                                      0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
                                      0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55};

static void enter_download(struct bench *b)
{
    uint8_t text[2000];

    hear(b, 1000, text, sizeof text);
    (void)!kiln_link_set_lines(b->link, &b->ctx, 3, KILN_LINE_RTS);
    (void)!kiln_sleep_ms(&b->ctx, 100);
    (void)!kiln_link_set_lines(b->link, &b->ctx, 3, KILN_LINE_DTR);
    (void)!kiln_sleep_ms(&b->ctx, 50);
    (void)!kiln_link_set_lines(b->link, &b->ctx, 3, 0);
    hear(b, 100, text, sizeof text);
}

static void synced(struct bench *b, const char *text)
{
    uint8_t reply[64];

    start(b, text);
    enter_download(b);
    say(b, 0x08, 0, sync_data, sizeof sync_data);
    for (int i = 0; i < 8; i++)
        assert_int_equal(frame(b, 100, reply, sizeof reply), 12);
    assert_memory_equal(reply, "\x01\x08\x04\x00\x07\x07\x12\x20\x00\x00\x00\x00", 12);
}

/* One command with words; returns status<<8 | error, or -1 if no reply comes. */
static int ask(struct bench *b, uint8_t op, const uint32_t *words, size_t count, uint32_t *value)
{
    uint8_t data[64], reply[256];
    size_t len;

    for (size_t i = 0; i < count; i++)
        kiln_put_le32(data + 4 * i, words[i]);
    say(b, op, 0, data, 4 * count);
    len = frame(b, 300000, reply, sizeof reply);
    if (len < 10 || reply[0] != 1 || reply[1] != op)
        return -1;
    if (value != NULL)
        *value = kiln_le32(reply + 4);
    return reply[8] << 8 | reply[9];
}

#define ASK(b, op, value, ...)                  \
    ask(b, op, (const uint32_t[]){__VA_ARGS__}, \
        sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), value)

static void blank_board_says_so(void **state)
{
    uint8_t text[2000];
    struct bench b;

    (void)state;
    start(&b, "esp32?size=1MB");
    hear(&b, 1000, text, sizeof text);
    assert_non_null(strstr((char *)text, "boot:0x13 (SPI_FAST_FLASH_BOOT)"));
    assert_non_null(strstr((char *)text, "invalid header: 0xffffffff"));
    stop(&b);
}

/* Fails if the transistors' truth table is wrong or the strap is sampled at another moment. */
static void lines_choose_the_boot_mode(void **state)
{
    uint8_t text[2000];
    struct bench b;

    (void)state;
    start(&b, "esp32?size=1MB");
    hear(&b, 1000, text, sizeof text);
    (void)!kiln_link_set_lines(b.link, &b.ctx, 3, KILN_LINE_RTS | KILN_LINE_DTR);
    assert_int_equal(hear(&b, 1000, text, sizeof text), 0); /* both: neither */
    (void)!kiln_link_set_lines(b.link, &b.ctx, 3, KILN_LINE_RTS);
    assert_int_equal(hear(&b, 1000, text, sizeof text), 0); /* held in reset */
    (void)!kiln_link_set_lines(b.link, &b.ctx, 3, KILN_LINE_DTR);
    hear(&b, 1000, text, sizeof text);
    assert_non_null(strstr((char *)text, "waiting for download"));
    stop(&b);
    start(&b, "esp32?size=1MB&variant=slow-reset");
    (void)!kiln_sleep_ms(&b.ctx, 500);
    enter_download(&b);
    hear(&b, 1000, text, sizeof text);
    assert_null(strstr((char *)text, "waiting for download")); /* GPIO0 was let go too early */
    stop(&b);
}

static void registers_tell_who_it_is(void **state)
{
    struct bench b;
    uint32_t value = 0;
    uint8_t reply[64];

    (void)state;
    synced(&b, "esp32?size=1MB");
    assert_int_equal(ASK(&b, 0x0a, &value, 0x40001000), 0);
    assert_int_equal(value, 0x00f01d83);
    assert_int_equal(ASK(&b, 0x0a, &value, 0x3ff40014), 0);
    assert_in_range((value & 0xfffff) * 115200, 39000000, 41000000);
    /* No security info in this ROM. It answers with the command's code it answered last. */
    say(&b, 0x14, 0, NULL, 0);
    assert_int_equal(frame(&b, 100, reply, sizeof reply), 12);
    assert_memory_equal(reply, "\x01\x0a\x04\x00", 4);
    assert_memory_equal(reply + 8, "\x01\x05", 2);
    stop(&b);
}

/* Reads the flash id through the SPI controller's registers. */
static void spi_controller_reaches_the_flash(void **state)
{
    struct bench b;
    uint32_t value = 0;

    (void)state;
    synced(&b, "esp32?size=1MB");
    assert_int_equal(ASK(&b, 0x0d, NULL, 0, 0), 0);
    assert_int_equal(ASK(&b, 0x09, NULL, 0x3ff4202c, 23, UINT32_MAX, 0), 0);
    assert_int_equal(ASK(&b, 0x09, NULL, 0x3ff4201c, 1u << 31 | 1u << 28, UINT32_MAX, 0), 0);
    assert_int_equal(ASK(&b, 0x09, NULL, 0x3ff42024, 7u << 28 | 0x9f, UINT32_MAX, 0), 0);
    assert_int_equal(ASK(&b, 0x09, NULL, 0x3ff42000, 1u << 18, UINT32_MAX, 0), 0);
    assert_int_equal(ASK(&b, 0x0a, &value, 0x3ff42000), 0);
    assert_int_equal(value, 0);
    assert_int_equal(ASK(&b, 0x0a, &value, 0x3ff42080), 0);
    assert_int_equal(value & 0xffffff, 0x1440ef);
    stop(&b);
}

static void send_block(struct bench *b, uint8_t op, const uint8_t *bytes, uint32_t len)
{
    uint8_t data[16 + 1024] = {0};
    uint8_t sum = 0xef;

    kiln_put_le32(data, len);
    memcpy(data + 16, bytes, len);
    for (uint32_t i = 0; i < len; i++)
        sum ^= bytes[i];
    say(b, op, sum, data, 16 + len);
}

/* Fails if the ROM does not erase in BEGIN, acknowledges before it has programmed, or takes a bad block. */
static void rom_writes_flash(void **state)
{
    struct bench b;
    uint8_t block[1024], reply[64];
    size_t size;
    uint64_t before;

    (void)state;
    synced(&b, "esp32?size=1MB");
    memset(b.board->ops->flash(b.board, &size) + 0x1000, 0, 0x2000);
    assert_int_equal(ASK(&b, 0x0d, NULL, 0, 0), 0);
    before = b.clock.now_ns;
    assert_int_equal(ASK(&b, 0x02, NULL, 1024, 1, 1024, 0x1000), 0);
    assert_true(b.clock.now_ns - before > 45u * KILN_NS_PER_MS);
    memset(block, 0xa5, sizeof block);
    before = b.clock.now_ns;
    send_block(&b, 0x03, block, sizeof block);
    assert_int_equal(frame(&b, 1000, reply, sizeof reply), 12);
    assert_int_equal(reply[8], 0);
    /* 1042 bytes at 115200 and four pages */
    assert_in_range(b.clock.now_ns - before, 90500000, 95000000);
    assert_memory_equal(b.board->ops->flash(b.board, &size) + 0x1000, block, sizeof block);
    assert_int_equal(b.board->ops->flash(b.board, &size)[0x1400], 0xff);
    assert_int_equal(b.board->ops->flash(b.board, &size)[0x2000], 0);
    say(&b, 0x03, 0x00, block, 32);
    assert_int_equal(frame(&b, 1000, reply, sizeof reply), 12);
    assert_int_equal(reply[8], 1);
    assert_int_equal(ASK(&b, 0x13, NULL, 0x1000, 1024, 0, 0),
                     '4' << 8 | 'd'); /* hexadecimal text */
    stop(&b);
}

/* `len` zeros as one deflated block to 0x1000 of a flash full of 0x5a: how far behind it the flash changed. */
static size_t changed_behind(const char *board, uint32_t len)
{
    struct bench b;
    size_t size, at = 0x1000 + (size_t)kiln_round_up(len, 4096);
    size_t last = at;
    uint8_t *zeros = calloc(1, len), deflated[1024], reply[64];
    unsigned long deflated_len = sizeof deflated;
    bool fifth = strcmp(board, "esp32?size=1MB") != 0;
    uint8_t *flash;

    synced(&b, board);
    flash = b.board->ops->flash(b.board, &size);
    memset(flash, 0x5a, size);
    assert_int_equal(compress(deflated, &deflated_len, zeros, len), Z_OK);
    assert_int_equal(ASK(&b, 0x0d, NULL, 0, 0), 0);
    if (fifth)
        assert_int_equal(ASK(&b, 0x10, NULL, len, 1, 1024, 0x1000, 0), 0);
    else
        assert_int_equal(ASK(&b, 0x10, NULL, len, 1, 1024, 0x1000), 0);
    send_block(&b, 0x11, deflated, (uint32_t)deflated_len);
    assert_int_equal(frame(&b, 3000, reply, sizeof reply), 12);
    assert_int_equal(reply[8], 0);
    assert_memory_equal(flash + 0x1000, zeros, len);
    for (size_t i = at; i < size; i++)
        last = flash[i] != 0x5a ? i + 1 : last;
    free(zeros);
    stop(&b);
    return last - at;
}

/* As measured at the ROMs in an emulator. Fails if the ESP32's inflater leaves alone what is behind the data. */
static void the_inflater_spills(void **state)
{
    (void)state;
    assert_in_range(changed_behind("esp32?size=1MB", 0x1000), 0x6ff0, 0x7000);
    assert_in_range(changed_behind("esp32?size=1MB", 0x8000), 0x7000, 0x8000);
    assert_in_range(changed_behind("esp32?size=1MB", 0x9000), 0x6000, 0x7000);
    assert_int_equal(changed_behind("esp32c3?size=1MB", 0x1000), 0);
    assert_int_equal(changed_behind("esp32c3?size=1MB", 0x8000), 0);
}

/* Fails if a wrong rate goes unnoticed in either direction. */
static void a_wrong_rate_garbles(void **state)
{
    struct bench b;
    uint8_t reply[64];

    (void)state;
    synced(&b, "esp32?size=1MB");
    (void)!kiln_link_set_baud(b.link, &b.ctx, 921600);
    assert_int_equal(ASK(&b, 0x0a, NULL, 0x40001000), -1);
    (void)!kiln_link_set_baud(b.link, &b.ctx, 115200);
    hear(&b, 100, reply, sizeof reply);
    assert_int_equal(ASK(&b, 0x0f, NULL, 921600, 0), 0);
    assert_int_equal(ASK(&b, 0x0a, NULL, 0x40001000), -1);
    (void)!kiln_link_set_baud(b.link, &b.ctx, 921600);
    hear(&b, 100, reply, sizeof reply);
    assert_int_equal(ASK(&b, 0x0a, NULL, 0x40001000), 0);
    stop(&b);
}

static void knobs_make_it_fail(void **state)
{
    struct bench b;
    uint8_t reply[64];

    (void)state;
    synced(&b, "esp32?size=1MB&drop=8&refuse=2&unplug=4");
    assert_int_equal(ASK(&b, 0x0a, NULL, 0x40001000), -1);
    assert_int_equal(ASK(&b, 0x0a, NULL, 0x40001000), 0x0106);
    assert_int_equal(ASK(&b, 0x0a, NULL, 0x40001000), 0);
    assert_int_equal(ASK(&b, 0x0a, NULL, 0x40001000), -1);
    assert_int_equal(kiln_link_write(b.link, &b.ctx, reply, 1), KILN_E_GONE);
    b.board->ops->power_cycle(b.board, b.clock.now_ns);
    assert_true(hear(&b, 1000, reply, sizeof reply) > 0);
    stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blank_board_says_so),
        cmocka_unit_test(lines_choose_the_boot_mode),
        cmocka_unit_test(registers_tell_who_it_is),
        cmocka_unit_test(spi_controller_reaches_the_flash),
        cmocka_unit_test(rom_writes_flash),
        cmocka_unit_test(the_inflater_spills),
        cmocka_unit_test(a_wrong_rate_garbles),
        cmocka_unit_test(knobs_make_it_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
