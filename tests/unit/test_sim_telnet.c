/* SPDX-License-Identifier: MIT */
/* The port server's half of RFC 2217, held against bytes written out from the RFC, and the knobs. */
#include "link/link.h"
#include "sim/sim.h"
#include "sim/telnet_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct heard {
    uint8_t answer[256], data[64];
    size_t answer_len, data_len;
    unsigned purges;
};

static void feed(struct kiln_sim_telnet *telnet, struct heard *heard, const char *bytes, size_t len)
{
    memset(heard, 0, sizeof *heard);
    for (size_t i = 0; i < len; i++) {
        uint8_t data, answer[KILN_SIM_TELNET_ANSWER_MAX];
        size_t n;
        enum kiln_sim_telnet_event event =
            kiln_sim_telnet_take(telnet, (uint8_t)bytes[i], &data, answer, &n);

        if (event == KILN_SIM_TELNET_BYTE)
            heard->data[heard->data_len++] = data;
        heard->purges += event == KILN_SIM_TELNET_PURGE;
        memcpy(heard->answer + heard->answer_len, answer, n);
        heard->answer_len += n;
    }
}

/* Fails if an option is agreed to twice (a loop between two polite parties) or ECHO is taken. */
static void options_are_answered_once(void **state)
{
    struct kiln_sim_telnet telnet;
    struct heard heard;

    (void)state;
    kiln_sim_telnet_init(&telnet, 115200);
    feed(&telnet, &heard, "\xff\xfb\x2c\xff\xfd\x00\xff\xfd\x01", 9);
    assert_int_equal(heard.answer_len, 9);
    assert_memory_equal(heard.answer, "\xff\xfd\x2c\xff\xfb\x00\xff\xfc\x01", 9);
    feed(&telnet, &heard, "\xff\xfb\x2c\xff\xfd\x00", 6);
    assert_int_equal(heard.answer_len, 0);
}

static void data_is_unescaped(void **state)
{
    struct kiln_sim_telnet telnet;
    struct heard heard;

    (void)state;
    kiln_sim_telnet_init(&telnet, 115200);
    feed(&telnet, &heard, "a\xff\xff\x62\xff\xf1\xc0", 7);
    assert_int_equal(heard.data_len, 4);
    assert_memory_equal(heard.data, "a\xff\x62\xc0", 4);
}

static void rate_lines_and_purge(void **state)
{
    struct kiln_sim_telnet telnet;
    struct heard heard;

    (void)state;
    kiln_sim_telnet_init(&telnet, 115200);
    feed(&telnet, &heard, "\xff\xfa\x2c\x01\x00\x0e\x10\x00\xff\xf0", 10);
    assert_int_equal(telnet.baud, 921600);
    assert_memory_equal(heard.answer, "\xff\xfa\x2c\x65\x00\x0e\x10\x00\xff\xf0", 10);
    feed(&telnet, &heard, "\xff\xfa\x2c\x01\x00\x00\x00\x00\xff\xf0", 10); /* asks */
    assert_memory_equal(heard.answer, "\xff\xfa\x2c\x65\x00\x0e\x10\x00\xff\xf0", 10);
    feed(&telnet, &heard, "\xff\xfa\x2c\x05\x08\xff\xf0\xff\xfa\x2c\x05\x0b\xff\xf0", 14);
    assert_int_equal(telnet.lines, KILN_LINE_DTR | KILN_LINE_RTS);
    assert_memory_equal(heard.answer, "\xff\xfa\x2c\x69\x08\xff\xf0\xff\xfa\x2c\x69\x0b\xff\xf0",
                        14);
    feed(&telnet, &heard, "\xff\xfa\x2c\x0c\x01\xff\xf0", 7);
    assert_int_equal(heard.purges, 1);
    assert_memory_equal(heard.answer, "\xff\xfa\x2c\x70\x01\xff\xf0", 7);
    /* a rate with the byte FF in it comes doubled and goes doubled */
    feed(&telnet, &heard, "\xff\xfa\x2c\x01\x00\x00\xff\xff\x00\xff\xf0", 11);
    assert_int_equal(telnet.baud, 0xff00);
    assert_int_equal(heard.answer_len, 11);
}

static enum kiln_status parse(const char *text, struct kiln_sim_knobs *knobs)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    return kiln_sim_knobs_parse(&ctx, text, knobs);
}

static void knobs_are_read(void **state)
{
    struct kiln_sim_knobs knobs;

    (void)state;
    assert_int_equal(
        parse("esp32?flash=a.bin&size=4MB&boot=download&time=real&drop=17&badsector=0x3000",
              &knobs),
        KILN_OK);
    assert_string_equal(knobs.board, "esp32");
    assert_string_equal(knobs.flash_path, "a.bin");
    assert_int_equal(knobs.flash_size, 4 << 20);
    assert_true(knobs.real_time);
    assert_int_equal(knobs.drop_reply_at, 17);
    assert_int_equal(knobs.bad_sector_at, 0x3000);
    assert_int_equal(knobs.unplug_at, KILN_SIM_NEVER);
    assert_int_equal(parse("esp32?drop=x", &knobs), KILN_E_ARG);
    assert_int_equal(parse("esp32?drop=-1", &knobs), KILN_E_ARG);
    assert_int_equal(parse("esp32?size=99999999999999999999", &knobs), KILN_E_ARG);
    assert_int_equal(parse("esp32?nothing=1", &knobs), KILN_E_ARG);
    assert_int_equal(parse("no-such-board", &knobs), KILN_E_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_answered_once),
        cmocka_unit_test(data_is_unescaped),
        cmocka_unit_test(rate_lines_and_purge),
        cmocka_unit_test(knobs_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
