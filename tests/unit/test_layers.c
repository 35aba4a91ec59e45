/* SPDX-License-Identifier: MIT */
/* Layers over a small far end: trace and replay, faults, throttle, and how they stack. */
#include "base/bytes.h"
#include "link/open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct kiln_virtual_clock clock;
    struct kiln_cancel cancel;
    struct kiln_ctx ctx;
    char path[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    kiln_virtual_clock_init(&f->clock);
    kiln_ctx_init(&f->ctx, &f->clock.base);
    f->cancel.wake_fd = f->cancel.fire_fd = -1;
    f->ctx.cancel = &f->cancel;
    kiln_deadline_narrow(&f->ctx, 60000);
    snprintf(f->path, sizeof f->path, "/tmp/kiln-trace-XXXXXX");
    close(mkstemp(f->path));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    unlink(f->path);
    free(f);
    return 0;
}

/* ---- a far end: gives back what was written, 5 ms later, and notes the rest ---- */

struct echo {
    struct kiln_byte_link base;
    uint8_t bytes[256];
    size_t len;
    uint32_t baud;
    unsigned levels;
    int *closed;
};

static struct echo *echo_of(struct kiln_byte_link *self)
{
    return KILN_CONTAINER(self, struct echo, base);
}

static enum kiln_status echo_read(struct kiln_byte_link *self, struct kiln_ctx *ctx, uint8_t *bytes,
                                  size_t cap, size_t *out_len)
{
    struct echo *e = echo_of(self);

    if (e->len == 0) {
        KILN_TRY(ctx->clock->ops->sleep_until(ctx->clock, ctx, ctx->deadline_ns));
        return kiln_fail(ctx, KILN_E_TIMEOUT, "no answer in time");
    }
    KILN_TRY(kiln_sleep_ms(ctx, 5));
    *out_len = KILN_MIN(cap, e->len);
    memcpy(bytes, e->bytes, *out_len);
    memmove(e->bytes, e->bytes + *out_len, e->len - *out_len);
    e->len -= *out_len;
    return KILN_OK;
}

static enum kiln_status echo_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                   const uint8_t *bytes, size_t len)
{
    struct echo *e = echo_of(self);

    KILN_TRY(kiln_ctx_check(ctx));
    assert_true(e->len + len <= sizeof e->bytes);
    memcpy(e->bytes + e->len, bytes, len);
    e->len += len;
    return KILN_OK;
}

static enum kiln_status echo_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    (void)ctx;
    echo_of(self)->len = 0;
    return KILN_OK;
}

static enum kiln_status echo_set_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      uint32_t baud)
{
    if (baud > 1000000)
        return kiln_fail(ctx, KILN_E_ARG, "too fast");
    echo_of(self)->baud = baud;
    return KILN_OK;
}

static enum kiln_status echo_set_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                       unsigned mask, unsigned levels)
{
    (void)ctx;
    echo_of(self)->levels = (echo_of(self)->levels & ~mask) | (levels & mask);
    return KILN_OK;
}

static unsigned echo_caps(const struct kiln_byte_link *self)
{
    (void)self;
    return KILN_LINK_BAUD | KILN_LINK_LINES;
}

static void echo_describe(const struct kiln_byte_link *self, char *text, size_t cap)
{
    (void)self;
    snprintf(text, cap, "an echo, 100%% faithful");
}

static void echo_close(struct kiln_byte_link *self)
{
    struct echo *e = echo_of(self);

    ++*e->closed;
    free(e);
}

static const struct kiln_byte_link_ops echo_ops = {
    .name = "echo",
    .read = echo_read,
    .write = echo_write,
    .discard_input = echo_discard,
    .set_baud = echo_set_baud,
    .set_lines = echo_set_lines,
    .caps = echo_caps,
    .describe = echo_describe,
    .close = echo_close,
};

static struct echo *new_echo(int *closed)
{
    struct echo *e = calloc(1, sizeof *e);

    e->base.ops = &echo_ops;
    e->closed = closed;
    return e;
}

/* ---- a USB far end: a register that control transfers write and read ---- */

struct reg {
    struct kiln_usb_link base;
    struct kiln_usb_identity identity;
    uint8_t value[64];
    size_t len;
    int *closed;
};

static const uint8_t reg_config_bytes[] = {9, 2, 9, 0, 0, 1, 0, 0x80, 50};

static enum kiln_status reg_control(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    const struct kiln_usb_setup *asked, uint8_t *data, size_t len,
                                    size_t *out_len)
{
    struct reg *r = KILN_CONTAINER(self, struct reg, base);

    KILN_TRY(kiln_sleep_ms(ctx, 3));
    if (asked->request == 0xEE)
        return kiln_fail(ctx, KILN_E_NAK, "stalled");
    if ((asked->request_type & 0x80) != 0) {
        *out_len = KILN_MIN(len, r->len);
        memcpy(data, r->value, *out_len);
        return KILN_OK;
    }
    memcpy(r->value, data, len);
    r->len = *out_len = len;
    return KILN_OK;
}

static enum kiln_status reg_transfer(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                     uint8_t endpoint, uint8_t *data, size_t len, size_t *out_len)
{
    const struct kiln_usb_setup setup = {.request_type = endpoint & 0x80};

    return reg_control(self, ctx, &setup, data, len, out_len);
}

static enum kiln_status reg_set_alt(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    uint8_t interface, uint8_t alt)
{
    (void)self;
    return interface == 0 && alt < 2 ? KILN_OK : kiln_fail(ctx, KILN_E_NAK, "stalled");
}

static enum kiln_status reg_reset(struct kiln_usb_link *self, struct kiln_ctx *ctx)
{
    (void)self;
    return kiln_sleep_ms(ctx, 50);
}

static enum kiln_status reg_reopen(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                   const struct kiln_usb_match *match)
{
    (void)match;
    KILN_CONTAINER(self, struct reg, base)->identity.pid = 0xDF12;
    return kiln_sleep_ms(ctx, 500);
}

static bool reg_is_gone(struct kiln_usb_link *self)
{
    return KILN_CONTAINER(self, struct reg, base)->len == 1;
}

static const struct kiln_usb_identity *reg_identity(const struct kiln_usb_link *self)
{
    return &KILN_CONTAINER(self, const struct reg, base)->identity;
}

static const uint8_t *reg_config(const struct kiln_usb_link *self, size_t *out_len)
{
    (void)self;
    *out_len = sizeof reg_config_bytes;
    return reg_config_bytes;
}

static void reg_close(struct kiln_usb_link *self)
{
    struct reg *r = KILN_CONTAINER(self, struct reg, base);

    ++*r->closed;
    free(r);
}

static const struct kiln_usb_link_ops reg_ops = {
    .name = "register",
    .control = reg_control,
    .transfer = reg_transfer,
    .set_alt = reg_set_alt,
    .reset = reg_reset,
    .reopen = reg_reopen,
    .is_gone = reg_is_gone,
    .identity = reg_identity,
    .config = reg_config,
    .close = reg_close,
};

static struct kiln_usb_link *new_reg(int *closed)
{
    struct reg *r = calloc(1, sizeof *r);

    r->base.ops = &reg_ops;
    r->closed = closed;
    r->identity = (struct kiln_usb_identity){.vid = 0x0483,
                                             .pid = 0xDF11,
                                             .bcd_device = 0x2200,
                                             .bus = 1,
                                             .address = 7,
                                             .path = "1-1.4",
                                             .serial = "",
                                             .product = "A 100% product",
                                             .manufacturer = "-"};
    return &r->base;
}

/* ---- trace and replay ---- */

/* A client; the same calls must give the same results on the far end and on its trace. */
static void talk(struct fixture *f, struct kiln_byte_link *link)
{
    uint8_t got[16];
    size_t len;
    uint64_t saved;
    char name[64];

    kiln_link_describe(link, name, sizeof name);
    assert_string_equal(name, "an echo, 100% faithful");
    assert_int_equal(kiln_link_caps(link), KILN_LINK_BAUD | KILN_LINK_LINES);
    assert_int_equal(kiln_link_set_baud(link, &f->ctx, 115200), KILN_OK);
    assert_int_equal(kiln_link_set_baud(link, &f->ctx, 2000000), KILN_E_ARG);
    assert_int_equal(kiln_link_set_lines(link, &f->ctx, 3, KILN_LINE_RTS), KILN_OK);
    assert_int_equal(kiln_link_write(link, &f->ctx, (const uint8_t *)"hello", 5), KILN_OK);
    assert_int_equal(kiln_link_drain(link, &f->ctx), KILN_OK);
    assert_int_equal(kiln_link_read(link, &f->ctx, got, 3, &len), KILN_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(got, "hel", 3);
    assert_int_equal(kiln_link_discard_input(link, &f->ctx), KILN_OK);
    saved = kiln_deadline_narrow(&f->ctx, 100);
    assert_int_equal(kiln_link_read(link, &f->ctx, got, 3, &len), KILN_E_TIMEOUT);
    kiln_deadline_restore(&f->ctx, saved);
    assert_int_equal(kiln_link_reopen(link, &f->ctx), KILN_E_UNSUPPORTED);
}

static void a_replay_answers_as_the_device_did(void **state)
{
    struct fixture *f = *state;
    struct kiln_trace *trace = NULL;
    struct kiln_byte_link *link = NULL;
    uint64_t took;
    uint8_t byte;
    size_t len;
    int closed = 0;

    assert_int_equal(kiln_trace_create(&f->ctx, f->path, &trace), KILN_OK);
    assert_int_equal(kiln_trace_byte_layer(&f->ctx, trace, &new_echo(&closed)->base, &link),
                     KILN_OK);
    talk(f, link);
    kiln_link_close(link);
    kiln_trace_close(trace);
    assert_int_equal(closed, 1);
    took = f->clock.now_ns;

    assert_int_equal(kiln_replay_byte_open(&f->ctx, f->path, &link), KILN_OK);
    talk(f, link);
    assert_int_equal(f->clock.now_ns, 2 * took); /* and takes as long */
    assert_int_equal(kiln_link_read(link, &f->ctx, &byte, 1, &len), KILN_E_VERIFY);
    assert_non_null(strstr(f->ctx.error.message, "ended"));
    kiln_link_close(link);
}

static void a_replay_names_the_line_that_differs(void **state)
{
    struct fixture *f = *state;
    struct kiln_trace *trace = NULL;
    struct kiln_byte_link *link = NULL;
    uint8_t got[8];
    size_t len;
    int closed = 0;

    assert_int_equal(kiln_trace_create(&f->ctx, f->path, &trace), KILN_OK);
    assert_int_equal(kiln_trace_byte_layer(&f->ctx, trace, &new_echo(&closed)->base, &link),
                     KILN_OK);
    assert_int_equal(kiln_link_set_baud(link, &f->ctx, 9600), KILN_OK);
    assert_int_equal(kiln_link_write(link, &f->ctx, (const uint8_t *)"abc", 3), KILN_OK);
    kiln_link_close(link);
    kiln_trace_close(trace);

    assert_int_equal(kiln_replay_byte_open(&f->ctx, f->path, &link), KILN_OK);
    assert_int_equal(kiln_link_read(link, &f->ctx, got, 1, &len), KILN_E_VERIFY);
    assert_string_equal(f->ctx.error.message, "line 3 of the trace has baud, but now comes read");
    assert_int_equal(kiln_link_set_baud(link, &f->ctx, 9601), KILN_E_VERIFY);
    assert_string_equal(f->ctx.error.message,
                        "line 3 of the trace has baud with 9600, but now it is 9601");
    assert_int_equal(kiln_link_set_baud(link, &f->ctx, 9600), KILN_OK);
    assert_int_equal(kiln_link_write(link, &f->ctx, (const uint8_t *)"a", 1), KILN_OK);
    assert_int_equal(kiln_link_write(link, &f->ctx, (const uint8_t *)"bd", 2), KILN_E_VERIFY);
    assert_string_equal(f->ctx.error.message,
                        "line 4 of the trace sends 63 at byte 2, but now it is 64");
    kiln_link_close(link);
}

static void talk_usb(struct fixture *f, struct kiln_usb_link *link)
{
    struct kiln_usb_setup out = {.request_type = 0x21, .request = 1, .value = 2, .index = 0x1234};
    struct kiln_usb_setup in = {.request_type = 0xA1, .request = 3};
    struct kiln_usb_match any = {-1, -1};
    uint8_t bytes[8] = {1, 2, 3};
    size_t len;

    assert_string_equal(kiln_usb_identity(link)->product, "A 100% product");
    assert_string_equal(kiln_usb_identity(link)->manufacturer, "-");
    assert_string_equal(kiln_usb_identity(link)->serial, "");
    assert_string_equal(kiln_usb_identity(link)->path, "1-1.4");
    assert_memory_equal(kiln_usb_config(link, &len), reg_config_bytes, sizeof reg_config_bytes);
    assert_int_equal(len, sizeof reg_config_bytes);
    assert_int_equal(kiln_usb_claim(link, &f->ctx, 0), KILN_OK);
    assert_int_equal(kiln_usb_set_alt(link, &f->ctx, 0, 1), KILN_OK);
    assert_int_equal(kiln_usb_set_alt(link, &f->ctx, 0, 2), KILN_E_NAK);
    assert_int_equal(kiln_usb_control(link, &f->ctx, &out, bytes, 3, &len), KILN_OK);
    assert_int_equal(len, 3);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(kiln_usb_control(link, &f->ctx, &in, bytes, 8, &len), KILN_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(bytes, "\1\2\3", 3);
    in.request = 0xEE;
    assert_int_equal(kiln_usb_control(link, &f->ctx, &in, bytes, 8, &len), KILN_E_NAK);
    assert_false(kiln_usb_is_gone(link));
    assert_int_equal(kiln_usb_transfer(link, &f->ctx, 1, bytes, 1, &len), KILN_OK);
    assert_true(kiln_usb_is_gone(link));
    assert_int_equal(kiln_usb_reset(link, &f->ctx), KILN_OK);
    assert_int_equal(kiln_usb_reopen(link, &f->ctx, &any), KILN_OK);
    assert_int_equal(kiln_usb_identity(link)->pid, 0xDF12);
    assert_int_equal(kiln_usb_transfer(link, &f->ctx, 0x81, bytes, 8, &len), KILN_OK);
    assert_int_equal(len, 1);
    assert_int_equal(kiln_usb_release(link, &f->ctx, 0), KILN_OK);
}

static void usb_replays_too(void **state)
{
    struct kiln_usb_setup other = {.request_type = 0x80, .request = 6};
    struct fixture *f = *state;
    struct kiln_trace *trace = NULL;
    struct kiln_usb_link *link = NULL;
    uint8_t bytes[8];
    uint64_t took;
    int closed = 0;

    assert_int_equal(kiln_trace_create(&f->ctx, f->path, &trace), KILN_OK);
    assert_int_equal(kiln_trace_usb_layer(&f->ctx, trace, new_reg(&closed), &link), KILN_OK);
    talk_usb(f, link);
    kiln_usb_close(link);
    kiln_trace_close(trace);
    assert_int_equal(closed, 1);
    took = f->clock.now_ns;

    assert_int_equal(kiln_replay_usb_open(&f->ctx, f->path, &link), KILN_OK);
    talk_usb(f, link);
    assert_in_range(f->clock.now_ns, took, 2 * took);
    kiln_usb_close(link);
    assert_int_equal(kiln_replay_usb_open(&f->ctx, f->path, &link), KILN_OK);
    assert_int_equal(kiln_usb_control(link, &f->ctx, &other, bytes, 8, NULL), KILN_E_VERIFY);
    kiln_usb_close(link);
}

static void two_links_share_a_trace(void **state)
{
    struct fixture *f = *state;
    struct kiln_trace *trace = NULL;
    struct kiln_byte_link *one = NULL, *two = NULL;
    uint8_t got[8];
    size_t len;
    int closed = 0;

    assert_int_equal(kiln_trace_create(&f->ctx, f->path, &trace), KILN_OK);
    assert_int_equal(kiln_trace_byte_layer(&f->ctx, trace, &new_echo(&closed)->base, &one),
                     KILN_OK);
    assert_int_equal(kiln_trace_byte_layer(&f->ctx, trace, &new_echo(&closed)->base, &two),
                     KILN_OK);
    assert_int_equal(kiln_link_write(two, &f->ctx, (const uint8_t *)"22", 2), KILN_OK);
    assert_int_equal(kiln_link_write(one, &f->ctx, (const uint8_t *)"1", 1), KILN_OK);
    assert_int_equal(kiln_link_read(two, &f->ctx, got, 8, &len), KILN_OK);
    assert_int_equal(kiln_link_read(one, &f->ctx, got, 8, &len), KILN_OK);
    kiln_link_close(one);
    kiln_link_close(two);
    kiln_trace_close(trace);
    assert_int_equal(kiln_replay_byte_open(&f->ctx, f->path, &one), KILN_OK);
    assert_int_equal(kiln_link_write(one, &f->ctx, (const uint8_t *)"1", 1), KILN_OK);
    assert_int_equal(kiln_link_read(one, &f->ctx, got, 8, &len), KILN_OK);
    assert_int_equal(len, 1);
    kiln_link_close(one);
}

static void a_file_that_is_no_trace_is_told(void **state)
{
    static const char *const bad[] = {"",
                                      "kiln-trace 2\n",
                                      "kiln-trace 1\nrubbish\n",
                                      "kiln-trace 1\n0+0 0 byte x\n",
                                      "kiln-trace 1\n0+0 0 usb 1\n",
                                      "kiln-trace 1\n0+0 0 byte %zz 3\n",
                                      "kiln-trace 1\n"};
    struct fixture *f = *state;
    struct kiln_byte_link *link = NULL;
    struct kiln_usb_link *usb = NULL;

    for (size_t i = 0; i < KILN_ARRAY_LEN(bad); i++) {
        FILE *file = fopen(f->path, "w");

        fputs(bad[i], file);
        fclose(file);
        assert_int_equal(kiln_replay_byte_open(&f->ctx, f->path, &link), KILN_E_FILE);
        assert_int_equal(kiln_replay_usb_open(&f->ctx, f->path, &usb), KILN_E_FILE);
    }
    assert_int_equal(kiln_replay_byte_open(&f->ctx, "/nonexistent", &link), KILN_E_IO);
}

/* ---- faults ---- */

static struct kiln_byte_link *faulty(struct fixture *f, struct kiln_fault *fault, int *closed)
{
    struct kiln_byte_link *link = NULL;

    assert_int_equal(kiln_fault_byte_layer(&f->ctx, fault, &new_echo(closed)->base, &link),
                     KILN_OK);
    return link;
}

/* Write, then read, as operations 0 and 1. */
static enum kiln_status exchange(struct fixture *f, struct kiln_byte_link *link, uint8_t got[8],
                                 size_t *out_len)
{
    *out_len = 0;
    KILN_TRY(kiln_link_write(link, &f->ctx, (const uint8_t *)"\x10\x20\x30\x40", 4));
    return kiln_link_read(link, &f->ctx, got, 8, out_len);
}

static void each_kind_of_fault_does_what_it_says(void **state)
{
    static const struct {
        enum kiln_fault_kind kind;
        uint64_t at;
        enum kiln_status first, second;
        size_t len;
        uint8_t third;
    } cases[] = {
        {KILN_FAULT_NONE, 0, KILN_OK, KILN_OK, 4, 0x30},
        {KILN_FAULT_FAIL, 0, KILN_E_IO, KILN_OK, 0, 0},
        {KILN_FAULT_FAIL, 1, KILN_E_IO, KILN_OK, 0, 0},
        {KILN_FAULT_GONE, 0, KILN_E_GONE, KILN_E_GONE, 0, 0},
        {KILN_FAULT_GONE, 1, KILN_E_GONE, KILN_E_GONE, 0, 0},
        {KILN_FAULT_SILENT, 0, KILN_E_TIMEOUT, KILN_E_TIMEOUT, 0, 0},
        {KILN_FAULT_SILENT, 1, KILN_E_TIMEOUT, KILN_E_TIMEOUT, 0, 0},
        {KILN_FAULT_CORRUPT, 0, KILN_OK, KILN_OK, 4, 0x31},
        {KILN_FAULT_CORRUPT, 1, KILN_OK, KILN_OK, 4, 0x32},
        {KILN_FAULT_DROP, 0, KILN_OK, KILN_OK, 3, 0x40},
        {KILN_FAULT_DROP, 1, KILN_OK, KILN_OK, 3, 0x40},
        {KILN_FAULT_CANCEL, 0, KILN_E_CANCELLED, KILN_E_CANCELLED, 0, 0},
        {KILN_FAULT_CANCEL, 1, KILN_E_CANCELLED, KILN_E_CANCELLED, 0, 0},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < KILN_ARRAY_LEN(cases); i++) {
        struct kiln_fault fault = {.kind = cases[i].kind, .at = cases[i].at};
        int closed = 0;
        struct kiln_byte_link *link = faulty(f, &fault, &closed);
        uint64_t saved = kiln_deadline_narrow(&f->ctx, 100);
        uint8_t got[8];
        size_t len;

        assert_int_equal(exchange(f, link, got, &len), cases[i].first);
        assert_int_equal(len, cases[i].len);
        if (len > 0)
            assert_int_equal(got[2], cases[i].third);
        assert_int_equal(fault.happened, cases[i].kind != KILN_FAULT_NONE);
        kiln_deadline_restore(&f->ctx, saved);
        saved = kiln_deadline_narrow(&f->ctx, 100);
        assert_int_equal(exchange(f, link, got, &len), cases[i].second);
        kiln_deadline_restore(&f->ctx, saved);
        atomic_store(&f->cancel.fired, false);
        kiln_link_close(link);
        assert_int_equal(closed, 1);
    }
}

static void usb_faults_do_what_they_say(void **state)
{
    static const struct {
        enum kiln_fault_kind kind;
        enum kiln_status status;
        size_t len;
        uint8_t second;
    } cases[] = {
        {KILN_FAULT_NONE, KILN_OK, 3, 2},
        {KILN_FAULT_FAIL, KILN_E_IO, 0, 0},
        {KILN_FAULT_GONE, KILN_E_GONE, 0, 0},
        {KILN_FAULT_SILENT, KILN_E_TIMEOUT, 0, 0},
        {KILN_FAULT_CORRUPT, KILN_OK, 3, 0},
        {KILN_FAULT_DROP, KILN_OK, 2, 3},
        {KILN_FAULT_CANCEL, KILN_E_CANCELLED, 0, 0},
    };
    struct kiln_usb_setup out = {.request_type = 0x21}, in = {.request_type = 0xA1};
    struct fixture *f = *state;

    for (size_t i = 0; i < KILN_ARRAY_LEN(cases); i++) {
        struct kiln_fault fault = {.kind = cases[i].kind, .at = 1};
        struct kiln_usb_link *link = NULL;
        uint64_t saved = kiln_deadline_narrow(&f->ctx, 100);
        uint8_t bytes[8] = {1, 2, 3};
        size_t len = 0;
        int closed = 0;

        assert_int_equal(kiln_fault_usb_layer(&f->ctx, &fault, new_reg(&closed), &link), KILN_OK);
        assert_int_equal(kiln_usb_control(link, &f->ctx, &out, bytes, 3, &len), KILN_OK);
        memset(bytes, 9, sizeof bytes);
        assert_int_equal(kiln_usb_control(link, &f->ctx, &in, bytes, 8, &len), cases[i].status);
        assert_int_equal(len, cases[i].len);
        if (len > 0)
            assert_int_equal(bytes[1], cases[i].second);
        assert_int_equal(kiln_usb_is_gone(link), cases[i].kind == KILN_FAULT_GONE);
        kiln_deadline_restore(&f->ctx, saved);
        atomic_store(&f->cancel.fired, false);
        kiln_usb_close(link);
    }
}

/* ---- throttle, and all together ---- */

static void throttle_takes_the_time_of_the_wire(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = NULL;
    uint8_t bytes[96] = {0};
    size_t len;
    int closed = 0;

    assert_int_equal(kiln_throttle_byte_layer(&f->ctx, 9600, 1000, &new_echo(&closed)->base, &link),
                     KILN_OK);
    assert_int_equal(kiln_link_write(link, &f->ctx, bytes, 96), KILN_OK);
    assert_int_equal(f->clock.now_ns, 100ull * KILN_NS_PER_MS);
    assert_int_equal(kiln_link_read(link, &f->ctx, bytes, 1, &len), KILN_OK);
    assert_in_range(f->clock.now_ns, 106ull * KILN_NS_PER_MS, 107ull * KILN_NS_PER_MS);
    kiln_link_close(link);
    assert_int_equal(closed, 1);
}

static void layers_compose_and_close_together(void **state)
{
    struct fixture *f = *state;
    struct kiln_fault fault = {.kind = KILN_FAULT_CORRUPT, .at = 1};
    struct kiln_trace *trace = NULL;
    int closed = 0;
    struct kiln_byte_link *link = faulty(f, &fault, &closed);
    uint8_t got[8];
    size_t len;

    assert_int_equal(kiln_throttle_byte_layer(&f->ctx, 115200, 0, link, &link), KILN_OK);
    assert_int_equal(kiln_trace_create(&f->ctx, f->path, &trace), KILN_OK);
    assert_int_equal(kiln_trace_byte_layer(&f->ctx, trace, link, &link), KILN_OK);
    assert_int_equal(exchange(f, link, got, &len), KILN_OK);
    assert_int_equal(got[2], 0x32);
    kiln_link_close(link);
    kiln_trace_close(trace);
    assert_int_equal(closed, 1);

    assert_int_equal(kiln_replay_byte_open(&f->ctx, f->path, &link), KILN_OK);
    assert_int_equal(exchange(f, link, got, &len), KILN_OK);
    assert_int_equal(got[2], 0x32); /* the trace holds what the client saw */
    kiln_link_close(link);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_replay_answers_as_the_device_did),
        TEST(a_replay_names_the_line_that_differs),
        TEST(usb_replays_too),
        TEST(two_links_share_a_trace),
        TEST(a_file_that_is_no_trace_is_told),
        TEST(each_kind_of_fault_does_what_it_says),
        TEST(usb_faults_do_what_they_say),
        TEST(throttle_takes_the_time_of_the_wire),
        TEST(layers_compose_and_close_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
