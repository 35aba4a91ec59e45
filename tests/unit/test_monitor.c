/* SPDX-License-Identifier: MIT */
/*
 * The monitor's filters on what real boards print, and whole sessions on a scripted link and virtual time.
 * The addresses in the dumps are those of tests/data/crash-*.elf, read off with objdump.
 */
#include "base/bytes.h"
#include "monitor/monitor.h"
#include "sim/uart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* ---- a board by script ---- */

struct line {
    uint64_t at_ms;
    const char *text; /* NULL: the board leaves */
    uint32_t baud;    /* what it speaks; 0: any rate hears it */
};

struct board {
    struct kiln_byte_link base;
    const struct line *script; /* ends with at_ms UINT64_MAX */
    size_t next, offset;
    uint32_t baud;
    bool gone, released, cdc;
    const char *name; /* what it is called after it came back */
    uint64_t back_ms; /* when it is there again */
    unsigned opens;
    char sent[512];
    size_t sent_len;
    char lines[64]; /* what was done to DTR and RTS */
};

static struct board *of(struct kiln_byte_link *link)
{
    return KILN_CONTAINER(link, struct board, base);
}

static size_t garble(const struct line *line, uint32_t receiver, uint8_t *bytes, size_t cap)
{
    struct kiln_sim_line wire;
    size_t total = 0, len;
    uint8_t burst[KILN_SIM_LINE_BURST];

    assert_true(kiln_sim_line_init(&wire));
    for (const char *c = line->text; *c != '\0'; c++)
        assert_true(kiln_sim_line_put(&wire, 1000, line->baud, line->baud, (uint8_t)*c));
    while (kiln_sim_line_take(&wire, UINT64_MAX / 4, receiver, burst, &len) || wire.count > 0)
        for (size_t i = 0; i < len && total < cap; i++)
            bytes[total++] = burst[i];
    kiln_sim_line_dispose(&wire);
    return total;
}

static enum kiln_status board_read(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                   uint8_t *bytes, size_t cap, size_t *out_len)
{
    struct board *board = of(self);
    const struct line *line = &board->script[board->next];
    uint64_t due = line->at_ms == UINT64_MAX ? UINT64_MAX : line->at_ms * KILN_NS_PER_MS;

    *out_len = 0;
    if (board->gone || board->released)
        return kiln_fail(ctx, KILN_E_GONE, "the board is gone");
    if (due > ctx->deadline_ns) {
        (void)!ctx->clock->ops->sleep_until(ctx->clock, ctx,
                                            KILN_MAX(ctx->deadline_ns, kiln_ctx_now_ns(ctx)));
        return kiln_fail(ctx, KILN_E_TIMEOUT, "silence");
    }
    if (due > kiln_ctx_now_ns(ctx))
        (void)!ctx->clock->ops->sleep_until(ctx->clock, ctx, due);
    board->next++;
    if (line->text == NULL) {
        board->gone = true;
        return kiln_fail(ctx, KILN_E_GONE, "the board is gone");
    }
    if (line->baud == 0) {
        *out_len = KILN_MIN(strlen(line->text), cap);
        memcpy(bytes, line->text, *out_len);
    } else {
        *out_len = garble(line, board->baud, bytes, cap);
    }
    return *out_len > 0 ? KILN_OK : kiln_fail(ctx, KILN_E_TIMEOUT, "silence");
}

static enum kiln_status board_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                    const uint8_t *bytes, size_t len)
{
    struct board *board = of(self);

    (void)ctx;
    assert_true(board->sent_len + len < sizeof board->sent);
    memcpy(board->sent + board->sent_len, bytes, len);
    board->sent_len += len;
    return KILN_OK;
}

static enum kiln_status board_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    (void)self, (void)ctx;
    return KILN_OK;
}

static enum kiln_status board_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx, uint32_t baud)
{
    (void)ctx;
    of(self)->baud = baud;
    return KILN_OK;
}

static enum kiln_status board_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                    unsigned mask, unsigned levels)
{
    struct board *board = of(self);
    size_t len = strlen(board->lines);

    (void)ctx;
    snprintf(board->lines + len, sizeof board->lines - len, "%u%u ", mask, levels);
    return KILN_OK;
}

static enum kiln_status board_format(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                     const struct kiln_uart_format *format)
{
    struct board *board = of(self);
    size_t len = strlen(board->lines);
    char text[8];

    (void)ctx;
    snprintf(board->lines + len, sizeof board->lines - len, "%s%s%s ",
             kiln_monitor_format_text(format, text), format->rtscts ? "+rtscts" : "",
             format->xonxoff ? "+xonxoff" : "");
    return KILN_OK;
}

static enum kiln_status board_break(struct kiln_byte_link *self, struct kiln_ctx *ctx, bool on)
{
    struct board *board = of(self);
    size_t len = strlen(board->lines);

    (void)ctx;
    snprintf(board->lines + len, sizeof board->lines - len, on ? "break " : "go ");
    return KILN_OK;
}

static enum kiln_status board_reopen(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct board *board = of(self);

    if (kiln_ctx_now_ns(ctx) < board->back_ms * KILN_NS_PER_MS)
        return kiln_fail(ctx, KILN_E_TIMEOUT, "not there yet");
    board->gone = board->released = false;
    board->opens++;
    return KILN_OK;
}

static enum kiln_status board_release(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    (void)ctx;
    of(self)->released = true;
    return KILN_OK;
}

static unsigned board_caps(const struct kiln_byte_link *self)
{
    unsigned cdc = KILN_CONTAINER(self, const struct board, base)->cdc ? KILN_LINK_CDC : 0;

    return KILN_LINK_BAUD | KILN_LINK_LINES | KILN_LINK_LINES_AT_ONCE | cdc;
}

static void board_describe(const struct kiln_byte_link *self, char *text, size_t cap)
{
    const struct board *board = KILN_CONTAINER(self, const struct board, base);

    snprintf(text, cap, "%s",
             board->opens > 0 && board->name != NULL ? board->name : "/dev/board0");
}

static void board_close(struct kiln_byte_link *self)
{
    (void)self;
}

static const struct kiln_byte_link_ops board_ops = {
    .name = "script",
    .read = board_read,
    .write = board_write,
    .discard_input = board_discard,
    .set_baud = board_baud,
    .set_lines = board_lines,
    .set_format = board_format,
    .set_break = board_break,
    .reopen = board_reopen,
    .release = board_release,
    .caps = board_caps,
    .describe = board_describe,
    .close = board_close,
};

/* ---- a session ---- */

struct seen {
    char shown[65536], notices[4096];
    size_t shown_len;
    char flashed[64];
};

static bool see(void *user, const uint8_t *bytes, size_t len)
{
    struct seen *seen = user;

    assert_true(seen->shown_len + len < sizeof seen->shown);
    memcpy(seen->shown + seen->shown_len, bytes, len);
    seen->shown_len += len;
    seen->shown[seen->shown_len] = '\0';
    return true;
}

static void hear(void *user, const char *text)
{
    struct seen *seen = user;
    size_t len = strlen(seen->notices);

    snprintf(seen->notices + len, sizeof seen->notices - len, "%s\n", text);
}

static void flash(void *user, const char *port)
{
    snprintf(((struct seen *)user)->flashed, 64, "%s", port);
}

static void run_with(struct board *board, struct kiln_monitor_options *options, struct seen *seen,
                     const char *typed)
{
    const struct kiln_monitor_sink sink = {see, hear, flash, seen, NULL};
    struct kiln_virtual_clock clock;
    struct kiln_monitor *monitor;
    struct kiln_error error = {0};

    memset(seen, 0, sizeof *seen);
    kiln_virtual_clock_init(&clock);
    board->base.ops = &board_ops;
    board->baud = options->baud != 0 ? options->baud : 115200;
    assert_int_equal(kiln_monitor_create(options, &sink, &clock.base, 1000000000ll * 1700000000ll,
                                         &monitor, &error),
                     KILN_OK);
    kiln_monitor_take_link(monitor, &board->base);
    if (typed != NULL)
        kiln_monitor_take_input(monitor, (const uint8_t *)typed, strlen(typed));
    assert_int_equal(kiln_monitor_run(monitor, &error), KILN_OK);
    kiln_monitor_free(monitor);
}

#define END                 \
    {                       \
        UINT64_MAX, NULL, 0 \
    }

static void need(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is missing in:\n%s", part, text);
}

static void must_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("\"%s\" should not be in:\n%s", part, text);
}

static void a_board_reboots_leaves_and_comes_back_elsewhere(void **state)
{
    static const struct line script[] = {
        {10, "hello\r\n", 0},
        {20, "rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n", 0},
        {30, "prompt> ", 0},
        {500, NULL, 0},
        {900, "back again\r\n", 0},
        END};
    struct board board = {.script = script, .back_ms = 820, .name = "/dev/board1"};
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct seen seen;

    (void)state;
    options.duration_ms = 2000;
    run_with(&board, &options, &seen, NULL);
    assert_string_equal(seen.shown,
                        "hello\n"
                        "rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n"
                        "  ^ reset: the RTC watchdog ran out; the boot hangs, or nothing that can "
                        "start is in the flash\n"
                        "  ^ boot: from flash; if a bootloader was wanted, hold BOOT and tap EN\n"
                        "prompt> \nback again\n");
    need(seen.notices, "/dev/board0 is gone");
    need(seen.notices, "/dev/board0 is back as /dev/board1");
    assert_int_equal(board.opens, 1);
    /* Nothing was done to the lines: the board was not reset. */
    assert_string_equal(board.lines, "");
}

static void the_rate_is_found(void **state)
{
    static const uint32_t rates[] = {74880,  9600,   57600,  230400, 460800,
                                     921600, 250000, 500000, 1000000};
    struct line script[400];
    struct seen seen;

    (void)state;
    for (size_t r = 0; r < KILN_ARRAY_LEN(rates); r++) {
        struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
        struct board board = {.script = script};
        char wanted[40];

        for (size_t i = 0; i < 399; i++)
            script[i] = (struct line){
                100 * (i + 1), "I (2104) sensor: temperature 21.5 C, humidity 40 %\r\n", rates[r]};
        script[399] = (struct line)END;
        options.duration_ms = 40000;
        run_with(&board, &options, &seen, NULL);
        snprintf(wanted, sizeof wanted, "the board speaks at %u baud", rates[r]);
        need(seen.notices, wanted);
        assert_int_equal(board.baud, rates[r]);
        need(seen.shown, "\nI (2104) sensor: temperature 21.5 C, humidity 40 %\n");
    }
}

static void a_given_rate_is_kept(void **state)
{
    static const char text[] = "temperature 21.5 C, humidity 40 %, pressure 1013 hPa\r\n";
    const struct line script[] = {
        {10, text, 9600}, {20, text, 9600}, {30, text, 9600}, {40, text, 9600}, END};
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct board board = {.script = script};
    struct seen seen;

    (void)state;
    options.duration_ms = 1000;
    options.baud = 115200;
    run_with(&board, &options, &seen, NULL);
    assert_int_equal(board.baud, 115200);
    need(seen.notices, "this is no text at 115200 baud");
}

/* The ESP8266: its ROM at 74880, its program at 115200. The monitor ends at the program's rate. */
static void a_burst_of_another_rate_passes(void **state)
{
    static const char rom[] = "\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\nload "
                              "0x4010f000, len 3460, room 16\r\n";
    struct line script[20] = {{10, rom, 74880}};
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct board board = {.script = script};
    struct seen seen;

    (void)state;
    for (size_t i = 1; i < 19; i++)
        script[i] = (struct line){200 * i, "connecting to the access point ...\r\n", 115200};
    script[19] = (struct line)END;
    options.duration_ms = 5000;
    run_with(&board, &options, &seen, NULL);
    assert_int_equal(board.baud, 115200);
    need(seen.shown, "connecting to the access point ...\n");
}

static void lines_are_filtered(void **state)
{
    static const struct line script[] = {
        {1, "\033[0;32mI (1) wifi: up\033[0m\nD (2) wifi: detail\nE (3) main: bad\nno level\n", 0},
        {2, "[  12][W][WiFi.cpp:10] begin(): slow\n[00:00:00.1] <dbg> net: x\n", 0},
        END};
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct board board = {.script = script};
    struct seen seen;

    (void)state;
    options.duration_ms = 100;
    options.level = 'W';
    run_with(&board, &options, &seen, NULL);
    assert_string_equal(seen.shown,
                        "E (3) main: bad\nno level\n[  12][W][WiFi.cpp:10] begin(): slow\n");
    board = (struct board){.script = script};
    options.level = 0;
    options.filter = "wifi|WiFi";
    run_with(&board, &options, &seen, NULL);
    assert_string_equal(seen.shown, "\033[0;32mI (1) wifi: up\033[0m\nD (2) wifi: detail\n"
                                    "[  12][W][WiFi.cpp:10] begin(): slow\n");
    board = (struct board){.script = script};
    options.filter = "up|bad";
    options.json = true;
    run_with(&board, &options, &seen, NULL);
    need(seen.shown, "\"text\":\"I (1) wifi: up\"}\n");
    must_not(seen.shown, "detail");
}

static void times_hex_and_control_characters(void **state)
{
    static const struct line script[] = {
        {1, "one\n", 0},
        {251, "t\001w\033[1mo\033[0m \033]0;x\007 \xc3\xa4 \xff\n", 0},
        {300, "part", 0},
        END};
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct board board = {.script = script};
    struct seen seen;

    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    options.duration_ms = 500;
    options.time = KILN_MONITOR_DELTA;
    options.show = KILN_MONITOR_TEXT;
    run_with(&board, &options, &seen, NULL);
    assert_string_equal(seen.shown,
                        "[+  0.000] one\n[+  0.250] t\\x01w\033[1mo\033[0m \\x1b]0;x\007 \xc3\xa4 "
                        "\\xff\n[+  0.049] part\n");
    board = (struct board){.script = script};
    options.time = KILN_MONITOR_CLOCK;
    options.hex = true;
    run_with(&board, &options, &seen, NULL);
    need(seen.shown,
         "[22:13:20.001] 00000000  6f 6e 65 0a                                       |one.|\n");
}

static void keys_reset_flash_and_send(void **state)
{
    static const struct line script[] = {{400, "flashed\n", 0}, END};
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct board board = {.script = script};
    struct seen seen;

    (void)state;
    options.duration_ms = 600;
    options.keys = true;
    options.send_eol = KILN_MONITOR_LF;
    run_with(&board, &options, &seen,
             "a\r\024\024\024r\024f\024s9600\177\177 \033\024s250000\r\024e\024n");
    assert_string_equal(board.lines, "10 22 20 ");
    assert_memory_equal(board.sent, "a\n\024", 3);
    assert_string_equal(seen.flashed, "/dev/board0");
    assert_int_equal(board.baud, 250000);
    need(seen.shown, "flashed\n");
    need(seen.notices, "Ctrl-] ends");
    need(seen.notices, "echo");
    need(seen.notices, "Enter sends CR LF");
}

/* What a terminal would obey, in every way of showing it; in another encoding too. */
static void odd_characters_are_shown_as_asked(void **state)
{
    static const struct line script[] = {{1, "t\001\033[1m \303\244\377\177\tz\r\n", 0}, END};
    static const struct {
        enum kiln_monitor_show show;
        const char *encoding, *shown;
    } rows[] = {
        {KILN_MONITOR_DIRECT, NULL, "t\001\033[1m \303\244\377\177\tz\n"},
        {KILN_MONITOR_TEXT, NULL, "t\\x01\033[1m \303\244\\xff\\x7f\tz\n"},
        {KILN_MONITOR_PICTURES, NULL, "t␁␛[1m \303\244\357\277\275␡\tz\n"},
        {KILN_MONITOR_NOCONTROL, NULL, "t␁␛[1m␣\303\244\357\277\275␡␉z␍␊\n"},
        {KILN_MONITOR_PRINTABLE, NULL, "t␁␛[1m ₂₂₈ ₂₅₅ ₁₂₇ \tz\n"},
        {KILN_MONITOR_DEBUG, NULL, "<- \"t\\x01\\x1b[1m \303\244\\xff\\x7f\\tz\\r\\n\"\n"},
        {KILN_MONITOR_PICTURES, "Latin-1", "t␁␛[1m \303\203\302\244\303\277␡\tz\n"},
        {KILN_MONITOR_PICTURES, "cp437", "t␁␛[1m \342\224\234\303\261\302\240␡\tz\n"},
    };
    struct seen seen;

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
        struct board board = {.script = script};

        options.duration_ms = 100;
        options.show = rows[i].show;
        options.encoding = rows[i].encoding;
        run_with(&board, &options, &seen, NULL);
        assert_string_equal(seen.shown, rows[i].shown);
    }
}

static void the_port_is_set_as_asked(void **state)
{
    static const struct line script[] = {{10, NULL, 0}, {400, "back\n", 0}, END};
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct board board = {.script = script, .back_ms = 200};
    struct seen seen;

    (void)state;
    options.duration_ms = 600;
    options.data_bits = 7;
    options.parity = 'E';
    options.stop_half_bits = 4;
    options.xonxoff = true;
    options.dtr = KILN_MONITOR_ON;
    run_with(&board, &options, &seen, NULL);
    /* Once, with both lines in one step; and again when the board is back. */
    assert_string_equal(board.lines, "7E2+xonxoff 31 7E2+xonxoff 31 ");
    /* A USB board without UART waits for a terminal; what is said for sure goes first. */
    board = (struct board){.script = script, .back_ms = 200, .cdc = true};
    options = (struct kiln_monitor_options)KILN_MONITOR_OPTIONS_INIT;
    options.duration_ms = 100;
    run_with(&board, &options, &seen, NULL);
    assert_string_equal(board.lines, "33 ");
    board = (struct board){.script = script, .back_ms = 200, .cdc = true};
    options.dtr = options.rts = KILN_MONITOR_OFF;
    run_with(&board, &options, &seen, NULL);
    assert_string_equal(board.lines, "");
    /* The far end may not send while RTS is released. */
    board = (struct board){.script = script, .back_ms = 200};
    options = (struct kiln_monitor_options)KILN_MONITOR_OPTIONS_INIT;
    options.duration_ms = 100;
    options.rtscts = true;
    run_with(&board, &options, &seen, NULL);
    assert_string_equal(board.lines, "8N1+rtscts 32 ");
}

static void keys_change_the_port(void **state)
{
    static const struct line script[] = {{10, "x\n", 0}, {300, "on\n", 0}, END};
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct board board = {.script = script};
    struct seen seen;

    (void)state;
    options.duration_ms = 500;
    options.keys = true;
    options.menu_key = 1;
    run_with(
        &board, &options, &seen,
        "\001d\001y\001y\001k\001k\001o7e1\r\001o9x1\r\001c\001c\001c\001i\001alatin1\r\303\274"
        "\001anosuch\r\001m41 4 2c\r\001z");
    /* The last one is of the beginning of the session, which these keys were ahead of. */
    assert_string_equal(board.lines, "11 23 21 break go 7E1 7E1+rtscts 7E1+xonxoff 7E1 7E1 ");
    need(seen.notices, "'9x1' is none");
    need(seen.notices, "no encoding 'nosuch'");
    need(seen.notices, "7E1, flow control: XON/XOFF");
    need(seen.notices, "DTR on, RTS off, break off");
    need(seen.notices, "Ctrl-A R resets");
    assert_int_equal(board.sent_len, 3);
    assert_memory_equal(board.sent, "\374A,", 3);
    need(seen.notices, "is free for others; any key takes it back");
    assert_true(board.released);
}

static void a_line_is_sent_whole(void **state)
{
    static const struct line script[] = {{10, "x\n", 0}, END};
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct board board = {.script = script};
    struct seen seen;

    (void)state;
    options.duration_ms = 100;
    options.keys = options.by_line = options.echo = true;
    run_with(&board, &options, &seen, "ab\303\274\177c\rnot yet");
    assert_int_equal(board.sent_len, 5);
    assert_memory_equal(board.sent, "abc\r\n", 5);
    board = (struct board){.script = script};
    options = (struct kiln_monitor_options)KILN_MONITOR_OPTIONS_INIT;
    options.duration_ms = 100;
    options.send_hex = true;
    run_with(&board, &options, &seen, "7f 0 a0\n1");
    assert_int_equal(board.sent_len, 2);
    assert_memory_equal(board.sent, "\177\240", 2);
}

static void one_key_ends(void **state)
{
    static const struct line script[] = {{1, "x\n", 0}, END};
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct board board = {.script = script};
    struct seen seen;

    (void)state;
    options.keys = true; /* without a duration this would run for ever */
    run_with(&board, &options, &seen, "abc\035def");
    assert_memory_equal(board.sent, "abc", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_board_reboots_leaves_and_comes_back_elsewhere),
        cmocka_unit_test(the_rate_is_found),
        cmocka_unit_test(a_given_rate_is_kept),
        cmocka_unit_test(a_burst_of_another_rate_passes),
        cmocka_unit_test(lines_are_filtered),
        cmocka_unit_test(times_hex_and_control_characters),
        cmocka_unit_test(keys_reset_flash_and_send),
        cmocka_unit_test(one_key_ends),
        cmocka_unit_test(odd_characters_are_shown_as_asked),
        cmocka_unit_test(the_port_is_set_as_asked),
        cmocka_unit_test(keys_change_the_port),
        cmocka_unit_test(a_line_is_sent_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
