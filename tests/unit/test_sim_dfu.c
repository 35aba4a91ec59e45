/* SPDX-License-Identifier: MIT */
/*
 * The simulated DFU devices on virtual time. What each test expects stands in USB DFU 1.1, in AN2662 and
 * AN3156 or in the reports that the rows name; the requests are made here by hand, with no codec between.
 */
#include "base/bytes.h"
#include "sim/usb_dfu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000ull

struct bench {
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_sim_usb *board;
    struct kiln_usb_link *link;
};

static struct bench *bench_of(const char *text)
{
    struct bench *b = calloc(1, sizeof *b);
    struct kiln_sim_knobs knobs;

    assert_non_null(b);
    kiln_virtual_clock_init(&b->clock);
    kiln_ctx_init(&b->ctx, &b->clock.base);
    assert_int_equal(kiln_sim_knobs_parse(&b->ctx, text, &knobs), KILN_OK);
    assert_int_equal(kiln_sim_board_find(knobs.board)->make_usb(&b->ctx, &knobs, &b->board),
                     KILN_OK);
    assert_int_equal(kiln_sim_usb_link(&b->ctx, b->board, true, &b->link), KILN_OK);
    assert_int_equal(kiln_usb_claim(b->link, &b->ctx, 0), KILN_OK);
    b->ctx.deadline_ns = 3600000 * MS;
    return b;
}

static void bench_free(struct bench *b)
{
    kiln_usb_close(b->link);
    free(b);
}

static enum kiln_status request(struct bench *b, uint8_t type, uint8_t request, uint16_t value,
                                void *data, size_t len, size_t *out_len)
{
    const struct kiln_usb_setup setup = {type, request, value, 0};
    size_t got;

    return kiln_usb_control(b->link, &b->ctx, &setup, data, len, out_len != NULL ? out_len : &got);
}

static enum kiln_status dnload(struct bench *b, uint16_t block, const void *data, size_t len)
{
    uint8_t copy[4096];

    memcpy(copy, data, len);
    return request(b, 0x21, 1, block, copy, len, NULL);
}

struct reply {
    unsigned status, poll, state;
    uint64_t took_ns;
};

static struct reply getstatus(struct bench *b)
{
    uint64_t start = b->clock.now_ns;
    uint8_t raw[6] = {0};
    size_t got = 0;

    assert_int_equal(request(b, 0xA1, 3, 0, raw, sizeof raw, &got), KILN_OK);
    assert_int_equal(got, 6);
    return (struct reply){raw[0], kiln_le24(raw + 1), raw[4], b->clock.now_ns - start};
}

static void clear(struct bench *b)
{
    assert_int_equal(request(b, 0x21, 4, 0, NULL, 0, NULL), KILN_OK);
}

static void abort_to_idle(struct bench *b)
{
    assert_int_equal(request(b, 0x21, 6, 0, NULL, 0, NULL), KILN_OK);
}

/* A DfuSe command and both GETSTATUS that belong to it. */
static struct reply command(struct bench *b, uint8_t code, uint32_t address)
{
    uint8_t raw[5] = {code};

    kiln_put_le32(raw + 1, address);
    assert_int_equal(dnload(b, 0, raw, 5), KILN_OK);
    assert_int_equal(getstatus(b).state, DFU_DNBUSY);
    return getstatus(b);
}

static struct reply set_address(struct bench *b, uint32_t address)
{
    return command(b, 0x21, address);
}

static void test_starts_in_error(void **state)
{
    struct bench *b = bench_of("stm32f405");
    struct reply r = getstatus(b);

    (void)state;
    assert_int_equal(r.state, DFU_ERROR);
    assert_int_equal(r.status, DFU_ERR_FIRMWARE);
    assert_int_equal(dnload(b, 0, "\x21\0\0\0\x08", 5), KILN_E_NAK);
    clear(b);
    assert_int_equal(getstatus(b).state, DFU_IDLE);
    /* ST's answer to a CLRSTATUS too many is dfuERROR. */
    clear(b);
    assert_int_equal(getstatus(b).status, DFU_ERR_UNKNOWN);
    bench_free(b);
}

static void test_poll_and_work_times(void **state)
{
    struct bench *b = bench_of("stm32f405");
    uint8_t block[2048];
    struct reply r;

    (void)state;
    clear(b);
    assert_int_equal(dnload(b, 0, "\x21\0\0\0\x08", 5), KILN_OK);
    r = getstatus(b);
    assert_int_equal(r.state, DFU_DNBUSY);
    assert_int_equal(r.poll, 104);
    assert_int_equal(getstatus(b).state, DFU_DNLOAD_IDLE);

    assert_int_equal(dnload(b, 0, "\x41\0\0\x02\x08", 5), KILN_OK); /* a sector of 128 KB */
    r = getstatus(b);
    assert_int_equal(r.poll, 100);
    assert_true(r.took_ns < 1 * MS); /* the answer comes at once ... */
    r = getstatus(b);
    assert_int_equal(r.state, DFU_DNLOAD_IDLE);
    assert_true(r.took_ns > 1299 * MS &&
                r.took_ns < 1302 * MS); /* ... the next one after the work */

    memset(block, 0x5A, sizeof block);
    assert_int_equal(dnload(b, 2, block, sizeof block), KILN_OK);
    assert_int_equal(getstatus(b).state, DFU_DNBUSY);
    r = getstatus(b);
    assert_true(r.took_ns > 32 * MS && r.took_ns < 34 * MS); /* 2048 x 16 us */
    bench_free(b);
}

static void test_block_addressing(void **state)
{
    struct bench *b = bench_of("stm32f405?variant=idle-start");
    uint8_t block[2048], back[2048];
    size_t size, got;
    uint8_t *flash = b->board->ops->flash(b->board, &size);

    (void)state;
    assert_int_equal(size, 1024 * 1024);
    assert_int_equal(set_address(b, 0x08004000).state, DFU_DNLOAD_IDLE);
    for (uint16_t i = 2; i < 5; i++) {
        memset(block, i, sizeof block);
        assert_int_equal(dnload(b, i, block, i == 4 ? 1001 : sizeof block), KILN_OK);
        assert_int_equal(getstatus(b).state, DFU_DNBUSY);
        assert_int_equal(getstatus(b).state, DFU_DNLOAD_IDLE);
    }
    assert_int_equal(flash[0x3FFF], 0xFF);
    assert_int_equal(flash[0x4000], 2);
    assert_int_equal(flash[0x4800], 3);
    assert_int_equal(flash[0x5000 + 1000], 4);
    assert_int_equal(flash[0x5000 + 1001], 0xFF);
    /* Uploading needs dfuIDLE. */
    assert_int_equal(request(b, 0xA1, 2, 3, back, sizeof back, &got), KILN_E_NAK);
    clear(b);
    assert_int_equal(request(b, 0xA1, 2, 3, back, sizeof back, &got), KILN_OK);
    assert_int_equal(got, sizeof back);
    assert_int_equal(back[2047], 3);
    abort_to_idle(b);
    assert_int_equal(request(b, 0xA1, 2, 0, back, sizeof back, &got), KILN_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(back, "\x00\x21\x41\x92", 4);
    bench_free(b);
}

static void test_flash_bits_only_fall(void **state)
{
    struct bench *b = bench_of("stm32f405?variant=idle-start");
    struct bench *zero = bench_of("stm32f405?variant=idle-start,erased-00");
    size_t size;

    (void)state;
    set_address(b, 0x08000000);
    assert_int_equal(dnload(b, 2, "\xF0", 1), KILN_OK);
    getstatus(b), getstatus(b);
    assert_int_equal(dnload(b, 2, "\x3C", 1), KILN_OK);
    getstatus(b), getstatus(b);
    assert_int_equal(b->board->ops->flash(b->board, &size)[0], 0x30);
    assert_int_equal(command(b, 0x41, 0x08003FFF).state, DFU_DNLOAD_IDLE);
    assert_int_equal(b->board->ops->flash(b->board, &size)[0], 0xFF);
    bench_free(b);

    assert_int_equal(zero->board->ops->flash(zero->board, &size)[0], 0x00);
    bench_free(zero);
}

static void test_bad_addresses(void **state)
{
    struct bench *b = bench_of("stm32f405?variant=idle-start");
    struct bench *loader = bench_of("stm32f103");
    struct reply r;

    (void)state;
    r = set_address(b, 0x08100000);
    assert_int_equal(r.state, DFU_ERROR);
    assert_int_equal(r.status, DFU_ERR_TARGET);
    clear(b);
    assert_int_equal(command(b, 0x41, 0x20000000).status, DFU_ERR_TARGET);
    clear(b);
    assert_int_equal(set_address(b, 0x080FFFFF).state, DFU_DNLOAD_IDLE);
    assert_int_equal(dnload(b, 2, "ab", 2), KILN_OK); /* over the end */
    getstatus(b);
    assert_int_equal(getstatus(b).status, DFU_ERR_TARGET);
    bench_free(b);

    /* The loader's own pages can be read, not erased and not written. */
    assert_int_equal(command(loader, 0x41, 0x08002C00).status, DFU_ERR_TARGET);
    clear(loader);
    assert_int_equal(command(loader, 0x41, 0x08003000).state, DFU_DNLOAD_IDLE);
    bench_free(loader);
}

static void test_leave(void **state)
{
    struct bench *b = bench_of("stm32f405?variant=idle-start");
    struct kiln_sim_dfu_view view;
    unsigned generation;
    bool present;

    (void)state;
    set_address(b, 0x08000000);
    assert_int_equal(dnload(b, 0, "", 0), KILN_OK);
    assert_int_equal(getstatus(b).state, DFU_MANIFEST);
    assert_false(kiln_usb_is_gone(b->link));
    assert_int_equal(kiln_sleep_ms(&b->ctx, 20), KILN_OK);
    assert_true(kiln_usb_is_gone(b->link));
    assert_int_equal(request(b, 0xA1, 3, 0, &(uint8_t[6]){0}, 6, NULL), KILN_E_GONE);
    kiln_sim_dfu_view(b->board, &view);
    assert_true(view.in_application);
    b->board->ops->power_cycle(b->board, b->clock.now_ns);
    b->board->ops->presence(b->board, b->clock.now_ns, &present, &generation);
    assert_true(present);
    assert_true(kiln_usb_is_gone(b->link)); /* the old handle stays dead */
    bench_free(b);
}

static void test_leave_unanswered(void **state)
{
    struct bench *b = bench_of("stm32l452?variant=idle-start");
    uint8_t raw[6];

    (void)state;
    assert_int_equal(dnload(b, 0, "", 0), KILN_OK);
    assert_int_equal(request(b, 0xA1, 3, 0, raw, 6, NULL), KILN_E_GONE);
    bench_free(b);
    b = bench_of("gd32vf103");
    assert_int_equal(dnload(b, 0, "", 0), KILN_E_GONE);
    bench_free(b);
}

static void test_quirks(void **state)
{
    struct bench *h7 = bench_of("stm32h743?variant=idle-start");
    struct bench *l4 = bench_of("stm32l452?variant=idle-start");
    struct bench *u5 = bench_of("stm32u575?variant=idle-start");
    struct bench *strict = bench_of("stm32f405?variant=strict");
    uint8_t raw[6];

    (void)state;
    assert_int_equal(dnload(h7, 0, "\x41\0\0\x10\x08", 5), KILN_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(getstatus(h7).state, DFU_DNBUSY);
    clear(h7);
    assert_int_equal(getstatus(h7).status, DFU_ERR_UNKNOWN);
    clear(h7);
    assert_int_equal(getstatus(h7).state, DFU_IDLE);

    assert_int_equal(dnload(l4, 0, "\x41\0\0\0\x08", 5), KILN_OK);
    assert_int_equal(getstatus(l4).state, DFU_DNBUSY);
    assert_int_equal(request(l4, 0xA1, 3, 0, raw, 6, NULL), KILN_E_NAK);
    assert_int_equal(kiln_sleep_ms(&l4->ctx, 30), KILN_OK);
    assert_int_equal(getstatus(l4).state, DFU_DNLOAD_IDLE);

    assert_int_equal(dnload(u5, 0, "\x41\0\0\0\x08", 5), KILN_OK);
    assert_int_equal(getstatus(u5).state, DFU_DNLOAD_IDLE);

    assert_int_equal(request(strict, 0x21, 4, 0, NULL, 0, NULL), KILN_E_NAK);
    strict->ctx.deadline_ns = strict->clock.now_ns + 100 * MS;
    assert_int_equal(request(strict, 0x80, 6, 0x2100, raw, 6, NULL), KILN_E_TIMEOUT);
    bench_free(h7);
    bench_free(l4);
    bench_free(u5);
    bench_free(strict);
}

static void test_read_protection(void **state)
{
    struct bench *b = bench_of("stm32f405?variant=idle-start,rdp1");
    const struct kiln_usb_match any = {-1, -1};
    uint8_t raw[64];
    size_t size;

    (void)state;
    b->board->ops->flash(b->board, &size)[5] = 0x55;
    assert_int_equal(set_address(b, 0x08000000).state, DFU_DNLOAD_IDLE);
    abort_to_idle(b);
    assert_int_equal(request(b, 0xA1, 2, 2, raw, sizeof raw, NULL), KILN_E_NAK);
    assert_int_equal(getstatus(b).status, DFU_ERR_VENDOR);
    clear(b);
    assert_int_equal(dnload(b, 0, "\x92", 1), KILN_OK);
    assert_int_equal(getstatus(b).state, DFU_DNBUSY);
    assert_int_equal(request(b, 0xA1, 3, 0, raw, 6, NULL), KILN_E_GONE);
    assert_int_equal(kiln_usb_reopen(b->link, &b->ctx, &any), KILN_OK);
    assert_int_equal(b->board->ops->flash(b->board, &size)[5], 0xFF);
    assert_int_equal(kiln_usb_claim(b->link, &b->ctx, 0), KILN_OK);
    assert_int_equal(request(b, 0xA1, 2, 2, raw, sizeof raw, NULL), KILN_OK);
    bench_free(b);
}

static void test_option_bytes_reset(void **state)
{
    struct bench *b = bench_of("stm32f405?variant=idle-start");
    struct kiln_sim_dfu_view view;
    uint8_t option[16] = {0xEF, 0x00}; /* RDP away from 0xAA */

    (void)state;
    set_address(b, 0x1FFFC000);
    assert_int_equal(dnload(b, 2, option, sizeof option), KILN_OK);
    assert_int_equal(getstatus(b).state, DFU_DNBUSY);
    assert_int_equal(request(b, 0xA1, 3, 0, option, 6, NULL), KILN_E_GONE);
    kiln_sim_dfu_view(b->board, &view);
    assert_true(view.read_protected);
    bench_free(b);
}

static void test_short_string(void **state)
{
    struct bench *b = bench_of("stm32f429");
    uint8_t raw[255];
    char text[128];
    size_t got;

    (void)state;
    assert_int_equal(request(b, 0x80, 6, 0x0304, raw, sizeof raw, &got), KILN_OK);
    assert_int_equal(got, 112);
    assert_int_equal(raw[0], 166);
    assert_int_equal(kiln_usb_string(b->link, &b->ctx, 4, text, sizeof text), KILN_OK);
    assert_string_equal(text, "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg");
    bench_free(b);
    b = bench_of("stm32f429?variant=2mb");
    assert_int_equal(request(b, 0x80, 6, 0x0304, raw, sizeof raw, &got), KILN_OK);
    assert_int_equal(got, 166);
    assert_int_equal(raw[0], 166);
    bench_free(b);
}

static void test_runtime_detach(void **state)
{
    struct bench *b = bench_of("dfu11");
    const struct kiln_usb_match dfu = {0x1209, 0x0002};
    uint8_t raw[64] = {1, 2, 3};
    size_t got;

    (void)state;
    assert_int_equal(kiln_usb_identity(b->link)->pid, 0x0001);
    assert_int_equal(getstatus(b).state, DFU_APP_IDLE);
    assert_int_equal(request(b, 0x21, 0, 1000, NULL, 0, NULL), KILN_OK);
    assert_int_equal(kiln_usb_reopen(b->link, &b->ctx, &dfu), KILN_OK);
    assert_int_equal(kiln_usb_identity(b->link)->pid, 0x0002);
    assert_int_equal(kiln_usb_claim(b->link, &b->ctx, 0), KILN_OK);
    for (uint16_t block = 0; block < 2; block++) {
        assert_int_equal(dnload(b, block, raw, sizeof raw), KILN_OK);
        assert_int_equal(getstatus(b).state, DFU_DNBUSY);
        assert_int_equal(getstatus(b).state, DFU_DNLOAD_IDLE);
    }
    assert_int_equal(dnload(b, 2, "", 0), KILN_OK);
    assert_int_equal(getstatus(b).state, DFU_MANIFEST);
    assert_int_equal(getstatus(b).state, DFU_MANIFEST_WAIT_RESET);
    assert_int_equal(kiln_usb_reset(b->link, &b->ctx), KILN_E_GONE);
    assert_int_equal(b->board->ops->flash(b->board, &got)[64 + 2], 3);
    bench_free(b);
}

static void test_link_is_strict(void **state)
{
    struct bench *b = bench_of("stm32f405");
    uint8_t raw[8];
    size_t got;

    (void)state;
    assert_int_equal(kiln_usb_claim(b->link, &b->ctx, 1), KILN_E_ARG);
    assert_int_equal(kiln_usb_set_alt(b->link, &b->ctx, 0, 4), KILN_E_ARG);
    assert_int_equal(kiln_usb_set_alt(b->link, &b->ctx, 0, 3), KILN_OK);
    assert_int_equal(kiln_usb_release(b->link, &b->ctx, 0), KILN_OK);
    assert_int_equal(request(b, 0xA1, 3, 0, raw, 6, &got), KILN_E_INTERNAL);
    assert_int_equal(kiln_usb_transfer(b->link, &b->ctx, 0x81, raw, 8, &got), KILN_E_INTERNAL);
    bench_free(b);
}

static void test_old_handle_is_dead(void **state)
{
    struct bench *b = bench_of("stm32f405");
    uint8_t raw[6];

    (void)state;
    /* Off and on between two calls: the same place and ids, another appearance. */
    b->board->ops->power_cycle(b->board, b->clock.now_ns);
    assert_int_equal(request(b, 0xA1, 3, 0, raw, 6, NULL), KILN_E_GONE);
    bench_free(b);
}

static void test_knobs(void **state)
{
    struct bench *b = bench_of("stm32f405?variant=idle-start&drop=1&refuse=4&unplug=7");
    struct kiln_sim_knobs knobs;
    uint8_t raw[6];

    (void)state;
    assert_int_equal(getstatus(b).state, DFU_IDLE); /* commands 0 and 1 */
    b->ctx.deadline_ns = b->clock.now_ns + 10 * MS;
    assert_int_equal(request(b, 0xA1, 3, 0, raw, 6, NULL), KILN_E_TIMEOUT);
    b->ctx.deadline_ns = 3600000 * MS;
    assert_int_equal(getstatus(b).state, DFU_IDLE);
    assert_int_equal(getstatus(b).state, DFU_IDLE);
    assert_int_equal(dnload(b, 0, "\x21\0\0\0\x08", 5), KILN_E_NAK);
    assert_int_equal(getstatus(b).state, DFU_ERROR);
    clear(b);
    assert_int_equal(request(b, 0xA1, 3, 0, raw, 6, NULL), KILN_E_GONE);
    assert_int_equal(kiln_sim_knobs_parse(&b->ctx, "stm32f405?cut=x", &knobs), KILN_E_ARG);
    assert_int_equal(kiln_sim_knobs_parse(&b->ctx, "stm32f405?nothing=1", &knobs), KILN_E_ARG);
    assert_non_null(strstr(b->ctx.error.message, "there are flash, size, "));
    assert_non_null(strstr(b->ctx.error.message, ", variant")); /* the last one */
    assert_int_equal(kiln_sim_knobs_parse(&b->ctx, "stm32f405?boot=no", &knobs), KILN_E_ARG);
    assert_non_null(strstr(b->ctx.error.message, "run or download"));
    assert_int_equal(kiln_sim_knobs_parse(&b->ctx, "nothing", &knobs), KILN_E_ARG);
    assert_int_equal(kiln_sim_knobs_parse(&b->ctx, "stm32f405?size=2MB&time=real", &knobs),
                     KILN_OK);
    assert_int_equal(knobs.flash_size, 2 << 20);
    assert_true(knobs.real_time);
    bench_free(b);
}

static void test_power_cut(void **state)
{
    struct bench *b = bench_of("stm32f405?variant=idle-start&cut=0&badsector=0x08004000");
    const struct kiln_usb_match any = {-1, -1};
    size_t size;
    uint8_t *flash = b->board->ops->flash(b->board, &size);
    uint8_t raw[6];

    (void)state;
    memset(flash, 0x11, 0x8000);
    assert_int_equal(dnload(b, 0, "\x41\0\0\0\x08", 5), KILN_OK);
    assert_int_equal(getstatus(b).state, DFU_DNBUSY);
    assert_int_equal(request(b, 0xA1, 3, 0, raw, 6, NULL), KILN_E_GONE);
    assert_int_equal(flash[0x1FFF], 0xFF); /* half a sector was erased */
    assert_int_equal(flash[0x2000], 0x11);
    b->board->ops->power_cycle(b->board, b->clock.now_ns);
    assert_int_equal(kiln_usb_reopen(b->link, &b->ctx, &any), KILN_OK);
    assert_int_equal(kiln_usb_claim(b->link, &b->ctx, 0), KILN_OK);
    assert_int_equal(command(b, 0x41, 0x08004000).state, DFU_DNLOAD_IDLE);
    assert_int_equal(flash[0x4000], 0x11); /* no error, no erase */
    bench_free(b);
}

static void test_every_board_and_variant(void **state)
{
    const struct kiln_sim_board *row;
    unsigned boards = 0;

    (void)state;
    for (size_t i = 0; (row = kiln_sim_board_at(i)) != NULL; i++) {
        for (size_t v = 0; row->make_usb != NULL && v <= kiln_dfusim_variant_count; v++) {
            char text[80];

            /* of every fifth seed the hostile one's descriptors are whole */
            snprintf(text, sizeof text, "%s?seed=5&variant=%s", row->name,
                     v < kiln_dfusim_variant_count ? kiln_dfusim_variants[v].name : "");
            bench_free(bench_of(text));
            boards++;
        }
    }
    assert_int_equal(boards, kiln_dfusim_row_count * (kiln_dfusim_variant_count + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_in_error),
        cmocka_unit_test(test_poll_and_work_times),
        cmocka_unit_test(test_block_addressing),
        cmocka_unit_test(test_flash_bits_only_fall),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_leave_unanswered),
        cmocka_unit_test(test_quirks),
        cmocka_unit_test(test_read_protection),
        cmocka_unit_test(test_option_bytes_reset),
        cmocka_unit_test(test_short_string),
        cmocka_unit_test(test_runtime_detach),
        cmocka_unit_test(test_link_is_strict),
        cmocka_unit_test(test_old_handle_is_dead),
        cmocka_unit_test(test_knobs),
        cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_every_board_and_variant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
