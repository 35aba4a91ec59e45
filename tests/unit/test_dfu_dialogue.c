/* SPDX-License-Identifier: MIT */
/*
 * The DFU loader against dialogues as the protocol documents and logs of real devices have them. A status
 * reply is six bytes: status, 24 bits of poll time, state, string.
 */
#include "base/bytes.h"
#include "loader/loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * A USB device that is a script: it expects control requests in this order and answers as told. What the
 * script does not foresee is a failure of the test. String and configuration descriptors are served by
 * themselves. Time is a virtual clock's.
 */
/* "DNLOAD 0 2100000008" | "UPLOAD 2 64" | "GETSTATUS" | "ALT 1" | "RESET" | "REOPEN"; then " = " and what
 * it answers: hex bytes, "*N:HH" N times one byte, "ok", "stall", "silent", "gone", "io". */
struct fake_usb {
    struct kiln_usb_link base;
    struct kiln_usb_identity id;
    const uint8_t *config;
    size_t config_len;
    const uint8_t *config_after; /* after REOPEN */
    size_t config_after_len;
    const char *const *strings; /* by index */
    const char *const *script;  /* ends with NULL */
    size_t at;
    bool gone;
};

static struct fake_usb *fake_of(struct kiln_usb_link *link)
{
    return (struct fake_usb *)link;
}

static const char *fake_next(struct fake_usb *f, const char *got)
{
    const char *line = f->script[f->at];
    const char *answer = line != NULL ? strstr(line, " = ") : NULL;

    if (answer == NULL || (size_t)(answer - line) != strlen(got) ||
        strncmp(line, got, strlen(got)) != 0)
        fail_msg("step %zu: got \"%s\", script says \"%s\"", f->at, got,
                 line != NULL ? line : "end");
    f->at++;
    return answer + 3;
}

static size_t fake_hex(const char *text, uint8_t *bytes, size_t cap)
{
    size_t n = 0;

    if (text[0] == '*') {
        char *end;
        unsigned long count = strtoul(text + 1, &end, 10);

        assert_true(*end == ':' && count <= cap);
        memset(bytes, (int)strtoul(end + 1, NULL, 16), count);
        return count;
    }
    for (; text[0] != '\0' && text[1] != '\0'; text += 2) {
        const char pair[3] = {text[0], text[1], '\0'};

        assert_true(n < cap);
        bytes[n++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

static enum kiln_status fake_answer(struct fake_usb *f, struct kiln_ctx *ctx, const char *answer,
                                    uint8_t *data, size_t len, size_t *out_len)
{
    *out_len = 0;
    if (strcmp(answer, "ok") == 0)
        return KILN_OK;
    if (strcmp(answer, "stall") == 0)
        return kiln_fail(ctx, KILN_E_NAK, "stalled");
    if (strcmp(answer, "io") == 0)
        return kiln_fail(ctx, KILN_E_IO, "line error");
    if (strcmp(answer, "silent") == 0)
        return kiln_sleep_ms(ctx, 100000);
    if (strcmp(answer, "gone") == 0) {
        f->gone = true;
        return kiln_fail(ctx, KILN_E_GONE, "gone");
    }
    *out_len = fake_hex(answer, data, len);
    return KILN_OK;
}

static size_t fake_string(struct fake_usb *f, unsigned index, uint8_t *data, size_t len)
{
    uint8_t bytes[256] = {4, 3, 9, 4};
    size_t n = 4;

    if (index > 0) {
        n = 2;
        for (const char *p = f->strings[index]; *p != '\0'; p++, n += 2)
            kiln_put_le16(bytes + n, (uint8_t)*p);
        bytes[0] = (uint8_t)n;
    }
    n = KILN_MIN(n, len);
    memcpy(data, bytes, n);
    return n;
}

static enum kiln_status fake_control(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                     const struct kiln_usb_setup *setup, uint8_t *data, size_t len,
                                     size_t *out_len)
{
    static const char *const names[] = {"DETACH",    "DNLOAD",   "UPLOAD", "GETSTATUS",
                                        "CLRSTATUS", "GETSTATE", "ABORT"};
    struct fake_usb *f = fake_of(self);
    char got[12000];
    int n;

    if (f->gone)
        return kiln_fail(ctx, KILN_E_GONE, "gone");
    if (setup->request_type == 0x80 && setup->request == 6 && setup->value >> 8 == 3) {
        *out_len = fake_string(f, setup->value & 0xff, data, len);
        return KILN_OK;
    }
    assert_int_equal(setup->request_type & 0x7f, 0x21);
    assert_true(setup->request <= 6);
    n = snprintf(got, sizeof got, "%s", names[setup->request]);
    if (setup->request <= 2)
        n += snprintf(got + n, sizeof got - (size_t)n, " %u", setup->value);
    if (setup->request == 1 && len > 64)
        snprintf(got + n, sizeof got - (size_t)n, " *%zu:%02x", len, data[0]);
    else if (setup->request == 1 && len > 0)
        n += snprintf(got + n, sizeof got - (size_t)n, " ");
    for (size_t i = 0; setup->request == 1 && len <= 64 && i < len; i++)
        n += snprintf(got + n, sizeof got - (size_t)n, "%02x", data[i]);
    if (setup->request == 2)
        snprintf(got + n, sizeof got - (size_t)n, " %zu", len);
    return fake_answer(f, ctx, fake_next(f, got), data, len, out_len);
}

static enum kiln_status fake_transfer(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                      uint8_t endpoint, uint8_t *data, size_t len, size_t *out_len)
{
    (void)self, (void)endpoint, (void)data, (void)len;
    *out_len = 0;
    return kiln_fail(ctx, KILN_E_UNSUPPORTED, "no endpoints");
}

static enum kiln_status fake_claim(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                   uint8_t interface)
{
    (void)self, (void)ctx, (void)interface;
    return KILN_OK;
}

static enum kiln_status fake_set_alt(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                     uint8_t interface, uint8_t alt)
{
    char got[32];
    size_t ignored;

    (void)interface;
    snprintf(got, sizeof got, "ALT %u", alt);
    return fake_answer(fake_of(self), ctx, fake_next(fake_of(self), got), NULL, 0, &ignored);
}

static enum kiln_status fake_reset(struct kiln_usb_link *self, struct kiln_ctx *ctx)
{
    size_t ignored;

    return fake_answer(fake_of(self), ctx, fake_next(fake_of(self), "RESET"), NULL, 0, &ignored);
}

static enum kiln_status fake_reopen(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    const struct kiln_usb_match *match)
{
    struct fake_usb *f = fake_of(self);
    size_t ignored;

    assert_int_equal(match->vid, -1);
    f->gone = false;
    if (f->config_after != NULL) {
        f->config = f->config_after;
        f->config_len = f->config_after_len;
    }
    return fake_answer(f, ctx, fake_next(f, "REOPEN"), NULL, 0, &ignored);
}

static bool fake_is_gone(struct kiln_usb_link *self)
{
    return fake_of(self)->gone;
}

static const struct kiln_usb_identity *fake_identity(const struct kiln_usb_link *self)
{
    return &((const struct fake_usb *)self)->id;
}

static const uint8_t *fake_config(const struct kiln_usb_link *self, size_t *out_len)
{
    *out_len = ((const struct fake_usb *)self)->config_len;
    return ((const struct fake_usb *)self)->config;
}

static void fake_close(struct kiln_usb_link *self)
{
    (void)self;
}

static const struct kiln_usb_link_ops fake_ops = {
    .name = "fake",
    .control = fake_control,
    .transfer = fake_transfer,
    .claim = fake_claim,
    .release = fake_claim,
    .set_alt = fake_set_alt,
    .reset = fake_reset,
    .reopen = fake_reopen,
    .is_gone = fake_is_gone,
    .identity = fake_identity,
    .config = fake_config,
    .close = fake_close,
};

#define IDLE           "000000000200"
#define DNIDLE         "000000000500"
#define UPIDLE         "000000000900"
#define BUSY           "006800000400" /* poll 104 ms, as the F4 ROM has it */
#define FIRMWARE_ERROR "0a0000000a00"
#define VENDOR_ERROR   "0b0000000a00"
#define UNKNOWN_ERROR  "0e0000000a00"
#define MANIFEST       "000000000700"

static const uint8_t st_config[] = {
    9,    2,    27,   0,    1,
    1,    0,    0xc0, 0x32, /* configuration */
    9,    4,    0,    0,    0,
    0xfe, 1,    2,    1, /* alt 0 */
    9,    0x21, 0x0b, 0xff, 0,
    64,   0,    0x1a, 0x01}; /* functional: 64 bytes a block keep scripts short */

static const uint8_t plain_config[] = {9, 2,    27,   0,    1, 1,    0, 0xc0, 0x32, /**/
                                       9, 4,    0,    0,    0, 0xfe, 1, 2,    1,    /**/
                                       9, 0x21, 0x07, 0xff, 0, 64,   0, 0x10, 0x01};

static const uint8_t runtime_config[] = {9, 2,    27,   0,    1, 1,    0, 0xc0, 0x32, /**/
                                         9, 4,    0,    0,    0, 0xfe, 1, 1,    1,    /**/
                                         9, 0x21, 0x0d, 0xe8, 3, 64,   0, 0x10, 0x01};

struct board {
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct fake_usb usb;
    const char *strings[4];
    struct kiln_loader_options options;
    struct kiln_loader *loader;
};

static void plug(struct board *b, const uint8_t *config, size_t len, const char *text,
                 const char *const *script)
{
    memset(b, 0, sizeof *b);
    kiln_virtual_clock_init(&b->clock);
    kiln_ctx_init(&b->ctx, &b->clock.base);
    b->strings[0] = "";
    b->strings[1] = text;
    b->usb.base.ops = &fake_ops;
    b->usb.id.vid = 0x0483;
    b->usb.id.pid = 0xdf11;
    b->usb.config = config;
    b->usb.config_len = len;
    b->usb.strings = b->strings;
    b->usb.script = script;
    if (config != st_config)
        b->usb.id.vid = 0x1209;
}

static enum kiln_status go(struct board *b)
{
    return kiln_dfu_connect(&b->ctx, &b->usb.base, &b->options, &b->loader);
}

static void unplug(struct board *b)
{
    if (b->loader != NULL)
        b->loader->ops->free(b->loader);
    if (b->usb.script[b->usb.at] != NULL)
        fail_msg("script not played to its end: \"%s\"", b->usb.script[b->usb.at]);
}

#define OK_IN(b, call)                                                             \
    do {                                                                           \
        enum kiln_status ok_ = (call);                                             \
        if (ok_ != KILN_OK)                                                        \
            fail_msg("%s: %s (%s)", kiln_status_name(ok_), (b)->ctx.error.message, \
                     (b)->ctx.error.context);                                      \
    } while (0)

/* Connect of a boot ROM found in dfuERROR, as ST's are. */
#define CONNECT                                                                        \
    "GETSTATUS = " FIRMWARE_ERROR, "CLRSTATUS = ok", "GETSTATUS = " IDLE,              \
        "UPLOAD 0 16 = 00214192", "GETSTATUS = " IDLE, "DNLOAD 0 2100000008 = ok",     \
        "GETSTATUS = " BUSY, "GETSTATUS = " DNIDLE, "ABORT = ok", "GETSTATUS = " IDLE, \
        "UPLOAD 2 64 = *64:ff", "ABORT = ok", "GETSTATUS = " IDLE

#define FLASH_4K "@Internal Flash  /0x08000000/04*001Kg"

static void address_once_blocks_count_and_leave_ends_in_silence(void **state)
{
    static const char *const script[] = {
        CONNECT,
        /* erase of one page */
        "DNLOAD 0 4100000008 = ok", "GETSTATUS = " BUSY, "GETSTATUS = " DNIDLE,
        /* address once, then blocks 2, (3 is blank and passed over), 4 */
        "DNLOAD 0 2100000008 = ok", "GETSTATUS = " BUSY, "GETSTATUS = " DNIDLE,
        "DNLOAD 2 1111111111111111111111111111111111111111111111111111111111111111"
        "1111111111111111111111111111111111111111111111111111111111111111 = ok",
        "GETSTATUS = " BUSY, "GETSTATUS = " DNIDLE, "DNLOAD 4 2222 = ok", "GETSTATUS = " BUSY,
        "GETSTATUS = " DNIDLE,
        /* read back: abort first, uploads begin in dfuIDLE */
        "DNLOAD 0 2100000008 = ok", "GETSTATUS = " BUSY, "GETSTATUS = " DNIDLE, "ABORT = ok",
        "GETSTATUS = " IDLE, "UPLOAD 2 64 = *64:11", "UPLOAD 3 64 = *64:ff",
        /* the next read goes on where this one ended */
        "UPLOAD 4 2 = 2222",
        /* leave: address, zero-length DNLOAD, and the chip is gone */
        "ABORT = ok", "GETSTATUS = " IDLE, "DNLOAD 0 2100000008 = ok", "GETSTATUS = " BUSY,
        "GETSTATUS = " DNIDLE, "DNLOAD 2 = ok", "GETSTATUS = gone", NULL};
    uint8_t image[130], back[130];
    struct board b;

    (void)state;
    memset(image, 0x11, 64);
    memset(image + 64, 0xff, 64);
    memset(image + 128, 0x22, 2);
    plug(&b, st_config, sizeof st_config, FLASH_4K, script);
    OK_IN(&b, go(&b));
    assert_int_equal(b.loader->ops->info(b.loader)->caps,
                     KILN_CAP_READ | KILN_CAP_ERASE_ALL | KILN_CAP_RUN | KILN_CAP_NEEDS_ERASE |
                         KILN_CAP_UNPROTECT | KILN_CAP_OPTION_BYTES);
    OK_IN(&b, b.loader->ops->erase(b.loader, &b.ctx, 0x08000000, 1024, NULL));
    OK_IN(&b, b.loader->ops->write(b.loader, &b.ctx, 0x08000000, image, sizeof image, NULL));
    OK_IN(&b, b.loader->ops->read(b.loader, &b.ctx, 0x08000000, back, 128, NULL));
    OK_IN(&b, b.loader->ops->read(b.loader, &b.ctx, 0x08000080, back + 128, 2, NULL));
    assert_memory_equal(image, back, sizeof image);
    OK_IN(&b, b.loader->ops->leave(b.loader, &b.ctx));
    OK_IN(&b, b.loader->ops->leave(b.loader, &b.ctx));
    assert_true(b.clock.now_ns < 100 * (uint64_t)KILN_NS_PER_MS); /* polled at once */
    unplug(&b);
}

static void leave_endings(void **state)
{
    static const char *const stall[] = {CONNECT,
                                        "DNLOAD 0 2100000008 = ok",
                                        "GETSTATUS = " BUSY,
                                        "GETSTATUS = " DNIDLE,
                                        "DNLOAD 2 = ok",
                                        "GETSTATUS = stall",
                                        NULL};
    static const char *const manifest[] = {CONNECT,
                                           "DNLOAD 0 2100000008 = ok",
                                           "GETSTATUS = " BUSY,
                                           "GETSTATUS = " DNIDLE,
                                           "DNLOAD 2 = ok",
                                           "GETSTATUS = " MANIFEST,
                                           NULL};
    static const char *const silent[] = {CONNECT,
                                         "DNLOAD 0 2100000008 = ok",
                                         "GETSTATUS = " BUSY,
                                         "GETSTATUS = " DNIDLE,
                                         "DNLOAD 2 = ok",
                                         "GETSTATUS = silent",
                                         NULL};
    static const char *const at_once[] = {CONNECT,
                                          "DNLOAD 0 2100000008 = ok",
                                          "GETSTATUS = " BUSY,
                                          "GETSTATUS = " DNIDLE,
                                          "DNLOAD 2 = gone",
                                          NULL};
    static const char *const *const all[] = {stall, manifest, silent, at_once};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(all); i++) {
        struct board b;

        plug(&b, st_config, sizeof st_config, FLASH_4K, all[i]);
        OK_IN(&b, go(&b));
        OK_IN(&b, b.loader->ops->leave(b.loader, &b.ctx));
        unplug(&b);
    }
}

static void leave_that_is_refused_is_an_error(void **state)
{
    static const char *const script[] = {CONNECT,
                                         "DNLOAD 0 2100000008 = ok",
                                         "GETSTATUS = " BUSY,
                                         "GETSTATUS = " DNIDLE,
                                         "DNLOAD 2 = ok",
                                         "GETSTATUS = " VENDOR_ERROR,
                                         NULL};
    struct board b;

    (void)state;
    plug(&b, st_config, sizeof st_config, FLASH_4K, script);
    OK_IN(&b, go(&b));
    assert_int_equal(b.loader->ops->leave(b.loader, &b.ctx), KILN_E_NAK);
    unplug(&b);
}

static void read_protection_is_seen_before_anything_is_tried(void **state)
{
    static const char *const script[] = {"GETSTATUS = " IDLE,
                                         "UPLOAD 0 16 = 00214192",
                                         "GETSTATUS = " IDLE,
                                         "DNLOAD 0 2100000008 = ok",
                                         "GETSTATUS = " BUSY,
                                         "GETSTATUS = " DNIDLE,
                                         "ABORT = ok",
                                         "GETSTATUS = " IDLE,
                                         "UPLOAD 2 64 = stall",
                                         "GETSTATUS = " VENDOR_ERROR,
                                         "GETSTATUS = " VENDOR_ERROR,
                                         "CLRSTATUS = ok",
                                         "GETSTATUS = " IDLE,
                                         NULL};
    uint8_t byte;
    struct board b;

    (void)state;
    plug(&b, st_config, sizeof st_config, FLASH_4K, script);
    OK_IN(&b, go(&b));
    assert_true(b.loader->ops->info(b.loader)->read_protected);
    assert_int_equal(b.loader->ops->erase(b.loader, &b.ctx, 0x08000000, 1024, NULL),
                     KILN_E_REFUSED);
    assert_int_equal(b.ctx.error.hint, KILN_HINT_READ_PROTECTED);
    assert_int_equal(b.loader->ops->read(b.loader, &b.ctx, 0x08000000, &byte, 1, NULL),
                     KILN_E_REFUSED);
    unplug(&b);
}

static void unprotect_ends_with_the_chip_gone(void **state)
{
    static const char *const script[] = {CONNECT, "DNLOAD 0 92 = ok", "GETSTATUS = " BUSY,
                                         "GETSTATUS = gone", NULL};
    struct board b;

    (void)state;
    plug(&b, st_config, sizeof st_config, FLASH_4K, script);
    OK_IN(&b, go(&b));
    OK_IN(&b, b.loader->ops->unprotect(b.loader, &b.ctx));
    OK_IN(&b, b.loader->ops->leave(b.loader, &b.ctx));
    unplug(&b);
}

static void strict_device_sees_no_clrstatus_it_would_stall(void **state)
{
    /* an UPLOAD-IDLE that another program left behind: ABORT, not CLRSTATUS; and no DNBUSY after a
     * command (U5) */
    static const char *const script[] = {
        "GETSTATUS = " UPIDLE,      "ABORT = ok",          "GETSTATUS = " IDLE,
        "UPLOAD 0 16 = 00214192",   "GETSTATUS = " IDLE,   "DNLOAD 0 2100000008 = ok",
        "GETSTATUS = " DNIDLE,      "ABORT = ok",          "GETSTATUS = " IDLE,
        "UPLOAD 2 64 = *64:ff",     "ABORT = ok",          "GETSTATUS = " IDLE,
        "DNLOAD 0 4100000008 = ok", "GETSTATUS = " DNIDLE, NULL};
    struct board b;

    (void)state;
    plug(&b, st_config, sizeof st_config, FLASH_4K, script);
    OK_IN(&b, go(&b));
    OK_IN(&b, b.loader->ops->erase(b.loader, &b.ctx, 0x08000000, 1024, NULL));
    unplug(&b);
}

static void stalls_while_erasing_are_put_up_with(void **state)
{
    static const char *const script[] = {CONNECT,
                                         "DNLOAD 0 4100040008 = ok",
                                         "GETSTATUS = " BUSY,
                                         "GETSTATUS = stall",
                                         "GETSTATUS = stall",
                                         "GETSTATUS = stall",
                                         "GETSTATUS = stall",
                                         "GETSTATUS = " DNIDLE,
                                         NULL};
    struct board b;

    (void)state;
    plug(&b, st_config, sizeof st_config, FLASH_4K, script);
    OK_IN(&b, go(&b));
    OK_IN(&b, b.loader->ops->erase(b.loader, &b.ctx, 0x08000400, 1024, NULL));
    unplug(&b);
}

static void pipe_error_while_writing_is_retried_from_the_block(void **state)
{
    static const char *const script[] = {
        CONNECT, "DNLOAD 0 2100000008 = ok", "GETSTATUS = " BUSY, "GETSTATUS = " DNIDLE,
        "DNLOAD 2 31323334 = stall", "GETSTATUS = 0f0000000a00",
        /* back to idle */
        "GETSTATUS = 0f0000000a00", "CLRSTATUS = ok", "GETSTATUS = " IDLE,
        /* was it written after all? no */
        "DNLOAD 0 2100000008 = ok", "GETSTATUS = " DNIDLE, "ABORT = ok", "GETSTATUS = " IDLE,
        "UPLOAD 2 4 = ffffffff",
        /* again */
        "ABORT = ok", "GETSTATUS = " IDLE, "DNLOAD 0 2100000008 = ok", "GETSTATUS = " DNIDLE,
        "DNLOAD 2 31323334 = ok", "GETSTATUS = " DNIDLE, NULL};
    struct board b;

    (void)state;
    plug(&b, st_config, sizeof st_config, FLASH_4K, script);
    OK_IN(&b, go(&b));
    OK_IN(&b, b.loader->ops->write(b.loader, &b.ctx, 0x08000000, (const uint8_t *)"1234", 4, NULL));
    unplug(&b);
}

static void nothing_is_written_outside_what_the_layout_allows(void **state)
{
    static const char *const script[] = {"GETSTATUS = " IDLE,
                                         "UPLOAD 0 16 = 00214192",
                                         "GETSTATUS = " IDLE,
                                         "DNLOAD 0 2100040008 = ok",
                                         "GETSTATUS = " DNIDLE,
                                         "ABORT = ok",
                                         "GETSTATUS = " IDLE,
                                         "UPLOAD 2 64 = *64:ff",
                                         "ABORT = ok",
                                         "GETSTATUS = " IDLE,
                                         NULL};
    static const uint8_t bytes[16];
    struct board b;

    (void)state;
    plug(&b, st_config, sizeof st_config, "@Internal Flash /0x08000000/01*001Ka,03*001Kg", script);
    OK_IN(&b, go(&b));
    assert_int_equal(b.loader->ops->erase(b.loader, &b.ctx, 0x08000000, 1024, NULL),
                     KILN_E_UNSUPPORTED);
    assert_int_equal(b.loader->ops->write(b.loader, &b.ctx, 0x080003f0, bytes, 16, NULL),
                     KILN_E_UNSUPPORTED);
    assert_int_equal(b.loader->ops->write(b.loader, &b.ctx, 0x08001000, bytes, 16, NULL),
                     KILN_E_UNSUPPORTED);
    assert_int_equal(b.loader->ops->erase(b.loader, &b.ctx, 0x08000500, 1024, NULL), KILN_E_ARG);
    unplug(&b);
}

/* ---- plain DFU ---- */

static void plain_dfu_takes_one_stream_and_waits_its_poll_times(void **state)
{
    static const char *const script[] = {
        "GETSTATUS = " IDLE,
        "GETSTATUS = " IDLE,
        "DNLOAD 0 3131313131313131313131313131313131313131313131313131313131313131"
        "3131313131313131313131313131313131313131313131313131313131313131 = ok",
        "GETSTATUS = 00c800000400",
        "GETSTATUS = " DNIDLE,
        "DNLOAD 1 3131 = ok",
        "GETSTATUS = " DNIDLE,
        "DNLOAD 2 = ok",
        "GETSTATUS = 002c01000700",
        "GETSTATUS = " IDLE,
        "GETSTATUS = " IDLE,
        "UPLOAD 0 64 = *64:31",
        "UPLOAD 1 2 = 3131",
        "ABORT = ok",
        "GETSTATUS = " IDLE,
        "RESET = gone",
        NULL};
    uint8_t image[66], back[66];
    struct board b;

    (void)state;
    memset(image, 0x31, sizeof image);
    plug(&b, plain_config, sizeof plain_config, "Firmware", script);
    OK_IN(&b, go(&b));
    assert_int_equal(b.loader->ops->info(b.loader)->caps,
                     KILN_CAP_STREAM | KILN_CAP_RUN | KILN_CAP_READ);
    OK_IN(&b,
          b.loader->ops->write(b.loader, &b.ctx, KILN_STREAM_START(0), image, sizeof image, NULL));
    assert_true(b.clock.now_ns >= 500 * (uint64_t)KILN_NS_PER_MS);
    OK_IN(&b, b.loader->ops->read(b.loader, &b.ctx, KILN_STREAM_START(0), back, sizeof back, NULL));
    assert_memory_equal(image, back, sizeof image);
    OK_IN(&b, b.loader->ops->leave(b.loader, &b.ctx));
    unplug(&b);
}

static void detach_follows_the_device_to_its_dfu_mode(void **state)
{
    static const char *const script[] = {"DETACH 1000 = gone", "REOPEN = ok", "GETSTATUS = " IDLE,
                                         NULL};
    struct board b;

    (void)state;
    plug(&b, runtime_config, sizeof runtime_config, "Runtime", script);
    b.usb.config_after = plain_config;
    b.usb.config_after_len = sizeof plain_config;
    OK_IN(&b, go(&b));
    unplug(&b);
}

static void device_that_does_not_detach_by_itself_is_reset(void **state)
{
    static const char *const script[] = {"DETACH 1000 = ok", "RESET = gone", "REOPEN = ok",
                                         "GETSTATUS = " IDLE, NULL};
    uint8_t config[sizeof runtime_config];
    struct board b;

    (void)state;
    memcpy(config, runtime_config, sizeof config);
    config[20] = 0x05; /* bmAttributes without bitWillDetach */
    plug(&b, config, sizeof config, "Runtime", script);
    b.usb.config_after = plain_config;
    b.usb.config_after_len = sizeof plain_config;
    OK_IN(&b, go(&b));
    unplug(&b);
}

static void application_that_comes_back_unchanged_is_an_error(void **state)
{
    static const char *const script[] = {"DETACH 1000 = gone", "REOPEN = ok", NULL};
    struct board b;

    (void)state;
    plug(&b, runtime_config, sizeof runtime_config, "Runtime", script);
    assert_int_equal(go(&b), KILN_E_PROTO);
    unplug(&b);
}

static void atmel_flip_is_refused_by_name(void **state)
{
    static const char *const script[] = {NULL};
    struct board b;

    (void)state;
    plug(&b, plain_config, sizeof plain_config, "x", script);
    b.usb.id.vid = 0x03eb;
    b.usb.id.pid = 0x2ff4;
    assert_int_equal(go(&b), KILN_E_UNSUPPORTED);
    unplug(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_once_blocks_count_and_leave_ends_in_silence),
        cmocka_unit_test(leave_endings),
        cmocka_unit_test(leave_that_is_refused_is_an_error),
        cmocka_unit_test(read_protection_is_seen_before_anything_is_tried),
        cmocka_unit_test(unprotect_ends_with_the_chip_gone),
        cmocka_unit_test(strict_device_sees_no_clrstatus_it_would_stall),
        cmocka_unit_test(stalls_while_erasing_are_put_up_with),
        cmocka_unit_test(pipe_error_while_writing_is_retried_from_the_block),
        cmocka_unit_test(nothing_is_written_outside_what_the_layout_allows),
        cmocka_unit_test(plain_dfu_takes_one_stream_and_waits_its_poll_times),
        cmocka_unit_test(detach_follows_the_device_to_its_dfu_mode),
        cmocka_unit_test(device_that_does_not_detach_by_itself_is_reset),
        cmocka_unit_test(application_that_comes_back_unchanged_is_an_error),
        cmocka_unit_test(atmel_flip_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
