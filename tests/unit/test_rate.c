/* SPDX-License-Identifier: MIT */
/*
 * Finding the rate: what a receiver's shift register makes of each usual rate at each other one, bit by bit, and
 * what must not start a search.
 */
#include "base/bytes.h"
#include "base/ctx.h"
#include "monitor/rate.h"
#include "sim/uart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint32_t rates[] = {9600,   19200,  38400,  57600,   74880,   115200,  230400, 250000,
                                 460800, 500000, 921600, 1000000, 1500000, 2000000, 3000000};

static const char boot_log[] =
    "ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
    "configsip: 0, SPIWP:0xee\r\nclk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00\r\n"
    "mode:DIO, clock div:2\r\nload:0x3fff0030,len:7172\r\nI (29) boot: chip revision: v3.0\r\n"
    "I (33) boot.esp32: SPI Speed      : 40MHz\r\nI (46) boot: Enabling RNG early entropy\r\n";
static const char csv[] = "time,temp,hum,volt\r\n1021,21.50,40.1,3.291\r\n1022,21.52,40.0,3.290\r\n"
                          "1023,21.49,40.2,3.291\r\n1024,-1.25,39.8,3.288\r\n";
static const char utf8[] = "Temperatur: 21,5 \xc2\xb0"
                           "C, K\xc3\xbc"
                           "che gel\xc3\xbc"
                           "ftet, L\xc3\xa4nge 12 \xc2\xb5m\r\nT\xc3\xbcr ge\xc3\xb6"
                           "ffnet, 3 \xe2\x82\xac\r\n";
static const char short_line[] = "temp 21.5 C\r\n";

static const struct sample {
    const char *name, *text;
} samples[] = {{"boot log", boot_log}, {"CSV", csv}, {"UTF-8", utf8}, {"short line", short_line}};

/* What arrives of `text` at `receiver` baud. */
static size_t sampled(const char *text, size_t text_len, uint32_t sender, uint32_t receiver,
                      uint8_t *bytes, size_t cap)
{
    struct kiln_sim_line wire;
    uint8_t burst[KILN_SIM_LINE_BURST];
    size_t total = 0, len;

    assert_true(kiln_sim_line_init(&wire));
    for (size_t i = 0; i < text_len; i++)
        assert_true(kiln_sim_line_put(&wire, 1000, sender, sender, (uint8_t)text[i]));
    while (kiln_sim_line_take(&wire, UINT64_MAX / 4, receiver, burst, &len) || wire.count > 0)
        for (size_t i = 0; i < len && total < cap; i++)
            bytes[total++] = burst[i];
    kiln_sim_line_dispose(&wire);
    return total;
}

static bool fits(uint32_t found, uint32_t sender)
{
    uint32_t off = found > sender ? found - sender : sender - found;

    return off * 100 <= sender * 3;
}

/* The board says `text` every 100 ms; the rate that the search ends at, 0 if it does not. */
static uint32_t search(const struct sample *sample, uint32_t sender, uint32_t start)
{
    struct kiln_rate rate;
    uint8_t bytes[8192];

    kiln_rate_init(&rate, start, true);
    for (uint64_t ms = 100; ms < 120000; ms += 100) {
        uint64_t now = ms * KILN_NS_PER_MS, due;
        size_t len =
            sampled(sample->text, strlen(sample->text), sender, rate.current, bytes, sizeof bytes);
        enum kiln_rate_verdict verdict = KILN_RATE_KEEP;

        if (len > 0)
            verdict = kiln_rate_feed(&rate, now, bytes, len);
        due = kiln_rate_due_ns(&rate);
        if (verdict == KILN_RATE_KEEP && due < now + 100 * KILN_NS_PER_MS)
            verdict = kiln_rate_tick(&rate, KILN_MAX(due, now));
        if (verdict == KILN_RATE_FOUND)
            return rate.current;
    }
    return 0;
}

/* Each start bit is over before a slow receiver looks at it a second time: it hears nothing. */
static bool is_unheard(const struct sample *sample, uint32_t sender, uint32_t receiver)
{
    uint8_t bytes[64];

    return receiver * 9 < sender &&
           sampled(sample->text, strlen(sample->text), sender, receiver, bytes, sizeof bytes) == 0;
}

static void every_rate_is_found_from_every_other(void **state)
{
    unsigned wrong = 0, tried = 0;

    (void)state;
    for (size_t s = 0; s < KILN_ARRAY_LEN(samples); s++)
        for (size_t a = 0; a < KILN_ARRAY_LEN(rates); a++)
            for (size_t b = 0; b < KILN_ARRAY_LEN(rates); b++) {
                uint32_t found;

                if (a == b || is_unheard(&samples[s], rates[a], rates[b]))
                    continue;
                tried++;
                found = search(&samples[s], rates[a], rates[b]);
                if (fits(found, rates[a]))
                    continue;
                wrong++;
                print_message("%s at %u, listening at %u: ends at %u\n", samples[s].name, rates[a],
                              rates[b], found);
            }
    assert_int_equal(wrong, 0);
    assert_true(tried >= 820);
}

/* Feeds the same bytes again and again; whether something other than KEEP ever came. */
static bool disturbs(const uint8_t *bytes, size_t len, size_t piece)
{
    struct kiln_rate rate;

    kiln_rate_init(&rate, 115200, true);
    for (uint64_t turn = 1; turn < 200; turn++)
        for (size_t at = 0; at < len; at += piece) {
            uint64_t now = turn * 100 * KILN_NS_PER_MS;

            if (kiln_rate_feed(&rate, now, bytes + at, KILN_MIN(piece, len - at)) != KILN_RATE_KEEP)
                return true;
            if (kiln_rate_tick(&rate, now) != KILN_RATE_KEEP)
                return true;
        }
    return false;
}

static void right_text_starts_no_search(void **state)
{
    static const size_t pieces[] = {1, 7, 64, 4096};

    (void)state;
    for (size_t s = 0; s < KILN_ARRAY_LEN(samples); s++)
        for (size_t p = 0; p < KILN_ARRAY_LEN(pieces); p++)
            if (disturbs((const uint8_t *)samples[s].text, strlen(samples[s].text), pieces[p]))
                fail_msg("%s in pieces of %zu", samples[s].name, pieces[p]);
}

/* Text that is hard to tell: another script without a newline for long, dots, a table of numbers. */
static void unusual_text_starts_no_search(void **state)
{
    static const char chinese[] =
        "\xe6\xb8\xa9\xe5\xba\xa6\xe4\xbc\xa0\xe6\x84\x9f\xe5\x99\xa8\xe8\xaf\xbb\xe6\x95\xb0"
        "\xe6\xad\xa3\xe5\xb8\xb8\xef\xbc\x8c\xe6\xb9\xbf\xe5\xba\xa6\xe5\x9b\x9b\xe5\x8d\x81\r\n";
    static const char *const texts[] = {chinese, "................................",
                                        "0 0 0 0 1 0 0 0\r\n", "OK\r\n",
                                        "\x1b[0;32mI (312) wifi: connected\x1b[0m\r\n"};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(texts); i++)
        if (disturbs((const uint8_t *)texts[i], strlen(texts[i]), 16))
            fail_msg("%s", texts[i]);
}

/* A board that speaks no text at all: one search, and then the first rate again. */
static void binary_ends_at_the_first_rate(void **state)
{
    struct kiln_rate rate;
    uint32_t noise = 1;
    bool gave_up = false;

    (void)state;
    kiln_rate_init(&rate, 115200, true);
    for (uint64_t ms = 10; ms < 60000 && !gave_up; ms += 10) {
        uint8_t bytes[64];
        enum kiln_rate_verdict verdict;

        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)((noise = noise * 1664525 + 1013904223) >> 24);
        verdict = kiln_rate_feed(&rate, ms * KILN_NS_PER_MS, bytes, sizeof bytes);
        assert_int_not_equal(verdict, KILN_RATE_FOUND);
        gave_up = verdict == KILN_RATE_GAVE_UP;
    }
    assert_true(gave_up);
    assert_int_equal(rate.current, 115200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rate_is_found_from_every_other),
        cmocka_unit_test(right_text_starts_no_search),
        cmocka_unit_test(unusual_text_starts_no_search),
        cmocka_unit_test(binary_ends_at_the_first_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
