/* SPDX-License-Identifier: MIT */
/* Links that play the far end of a recorded trace, on the context's clock. */
#include "base/buf.h"
#include "base/bytes.h"
#include "link/open.h"
#include "link/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct replay {
    struct kiln_buf text;
    struct kiln_trace_cursor cursor;
    struct kiln_trace_line line; /* the next one of our link, if have_line */
    bool have_line;
    unsigned link;
    struct kiln_buf data; /* the bytes of the line, decoded */
    size_t data_at;       /* how many of them are dealt with */
    bool have_data;
    struct kiln_clock *clock;
    uint64_t began_ns; /* on the clock: time 0 of the trace */
    char name[128];
};

struct replay_byte {
    struct kiln_byte_link base;
    struct replay replay;
    unsigned caps;
};

struct replay_usb {
    struct kiln_usb_link base;
    struct replay replay;
    struct kiln_usb_identity identity;
    uint8_t config[KILN_USB_CONFIG_MAX];
    size_t config_len;
    bool gone;
};

/* ---- the trace as a list of lines of one link ---- */

static enum kiln_status load(struct replay *r, struct kiln_ctx *ctx, const char *path)
{
    FILE *file = fopen(path, "re");
    uint8_t part[4096];
    size_t got;
    bool too_long = false;

    if (file == NULL)
        return kiln_fail(ctx, KILN_E_IO, "the trace %.200s cannot be read: %s", path,
                         strerror(errno));
    kiln_buf_init(&r->text, KILN_TRACE_FILE_MAX);
    kiln_buf_init(&r->data, KILN_TRACE_FILE_MAX);
    while (!too_long && (got = fread(part, 1, sizeof part, file)) > 0)
        too_long = kiln_buf_append(&r->text, part, got) != KILN_OK;
    fclose(file);
    if (too_long)
        return kiln_fail(ctx, KILN_E_FILE, "the trace %.200s is too long", path);
    r->clock = ctx->clock;
    return kiln_trace_begin(ctx, (const char *)r->text.data, r->text.len, &r->cursor);
}

static void unload(struct replay *r)
{
    kiln_buf_dispose(&r->text);
    kiln_buf_dispose(&r->data);
}

static void advance(struct replay *r)
{
    r->have_line = false;
    r->have_data = false;
    r->data_at = 0;
}

/* Fetches the next line of our link; *out_more is false after the last. */
static enum kiln_status peek(struct replay *r, struct kiln_ctx *ctx, bool *out_more)
{
    *out_more = true;
    while (!r->have_line) {
        KILN_TRY(kiln_trace_next(ctx, &r->cursor, &r->line, out_more));
        if (!*out_more)
            return KILN_OK;
        r->have_line = r->line.link == r->link;
    }
    return KILN_OK;
}

static enum kiln_status malformed(struct kiln_ctx *ctx, const struct replay *r)
{
    return kiln_fail(ctx, KILN_E_FILE, "line %zu of the trace is malformed", r->line.number);
}

/* The client must do `op` now. */
static enum kiln_status expect(struct replay *r, struct kiln_ctx *ctx, const char *op,
                               size_t arg_count)
{
    bool more;

    KILN_TRY(peek(r, ctx, &more));
    if (!more)
        return kiln_fail(ctx, KILN_E_VERIFY, "the trace ended at line %zu, but now comes %s",
                         r->cursor.number, op);
    if (!kiln_trace_is(&r->line.op, op))
        return kiln_fail(ctx, KILN_E_VERIFY, "line %zu of the trace has %.*s, but now comes %s",
                         r->line.number, (int)r->line.op.len, r->line.op.at, op);
    return r->line.arg_count == arg_count ? KILN_OK : malformed(ctx, r);
}

static enum kiln_status expect_number(struct replay *r, struct kiln_ctx *ctx, size_t arg,
                                      unsigned base, uint64_t value)
{
    uint64_t recorded;

    if (!kiln_trace_number(&r->line.arg[arg], base, UINT32_MAX, &recorded))
        return malformed(ctx, r);
    if (recorded == value)
        return KILN_OK;
    return kiln_fail(ctx, KILN_E_VERIFY,
                     base == 16 ? "line %zu of the trace has %.*s with 0x%.*s, but now it is 0x%llx"
                                : "line %zu of the trace has %.*s with %.*s, but now it is %llu",
                     r->line.number, (int)r->line.op.len, r->line.op.at,
                     (int)KILN_MIN(r->line.arg[arg].len, 20u), r->line.arg[arg].at,
                     (unsigned long long)value);
}

static enum kiln_status decode(struct replay *r, struct kiln_ctx *ctx,
                               const struct kiln_trace_slice *slice)
{
    size_t len;

    if (r->have_data)
        return KILN_OK;
    kiln_buf_clear(&r->data);
    if (kiln_buf_reserve(&r->data, slice->len / 2 + 1) != KILN_OK)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    if (!kiln_trace_bytes(slice, r->data.data, slice->len / 2, &len))
        return malformed(ctx, r);
    r->data.len = len;
    r->have_data = true;
    return KILN_OK;
}

/* What the client sends must be what it sent when the trace was made. */
static enum kiln_status compare(const struct replay *r, struct kiln_ctx *ctx, const uint8_t *bytes,
                                size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != r->data.data[r->data_at + i])
            return kiln_fail(ctx, KILN_E_VERIFY,
                             "line %zu of the trace sends %02x at byte %zu, but now it is %02x",
                             r->line.number, r->data.data[r->data_at + i], r->data_at + i,
                             bytes[i]);
    }
    return KILN_OK;
}

/* Waits until the line is over, as far as the deadline allows. */
static enum kiln_status pass_time(const struct replay *r, struct kiln_ctx *ctx)
{
    uint64_t end = r->began_ns + (r->line.start_us + r->line.took_us) * 1000;
    bool cut = end > ctx->deadline_ns;

    if (end > kiln_ctx_now_ns(ctx))
        KILN_TRY(ctx->clock->ops->sleep_until(ctx->clock, ctx, cut ? ctx->deadline_ns : end));
    return cut ? kiln_fail(ctx, KILN_E_TIMEOUT, "no answer in time") : KILN_OK;
}

/* The recorded result, and on to the next line. */
static enum kiln_status conclude(struct replay *r, struct kiln_ctx *ctx)
{
    enum kiln_status status = r->line.status;

    if (!r->line.has_result)
        return malformed(ctx, r);
    if (status == KILN_E_TIMEOUT && ctx->deadline_ns != KILN_NO_DEADLINE)
        KILN_TRY(ctx->clock->ops->sleep_until(ctx->clock, ctx, ctx->deadline_ns));
    else if (status == KILN_OK)
        KILN_TRY(pass_time(r, ctx));
    if (status != KILN_OK)
        (void)!kiln_fail(ctx, status, "line %zu of the trace: %s", r->line.number,
                         kiln_status_name(status));
    advance(r);
    return status;
}

/* Finds the first link of this kind and leaves its line as the next one. */
static enum kiln_status find_link(struct replay *r, struct kiln_ctx *ctx, const char *kind)
{
    bool more = true;

    while (more) {
        KILN_TRY(kiln_trace_next(ctx, &r->cursor, &r->line, &more));
        if (more && kiln_trace_is(&r->line.op, kind)) {
            r->link = r->line.link;
            r->have_line = true;
            r->began_ns = kiln_ctx_now_ns(ctx) - r->line.start_us * 1000;
            return KILN_OK;
        }
    }
    return kiln_fail(ctx, KILN_E_FILE, "the trace holds no %s link", kind);
}

/* ---- byte links ---- */

static struct replay *byte_replay(struct kiln_byte_link *self)
{
    return &KILN_CONTAINER(self, struct replay_byte, base)->replay;
}

/* Hands out recorded bytes as a stream: how they were cut into reads does not matter. */
static enum kiln_status byte_read(struct kiln_byte_link *self, struct kiln_ctx *ctx, uint8_t *bytes,
                                  size_t cap, size_t *out_len)
{
    struct replay *r = byte_replay(self);

    KILN_TRY(expect(r, ctx, "read", 1));
    if (r->line.status != KILN_OK)
        return conclude(r, ctx);
    KILN_TRY(decode(r, ctx, &r->line.result));
    if (r->data.len == 0)
        return malformed(ctx, r);
    KILN_TRY(pass_time(r, ctx));
    *out_len = KILN_MIN(cap, r->data.len - r->data_at);
    memcpy(bytes, r->data.data + r->data_at, *out_len);
    r->data_at += *out_len;
    if (r->data_at == r->data.len)
        advance(r);
    return KILN_OK;
}

static enum kiln_status byte_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                   const uint8_t *bytes, size_t len)
{
    struct replay *r = byte_replay(self);

    while (len > 0) {
        size_t part;

        KILN_TRY(expect(r, ctx, "write", 1));
        KILN_TRY(decode(r, ctx, &r->line.arg[0]));
        part = KILN_MIN(len, r->data.len - r->data_at);
        KILN_TRY(compare(r, ctx, bytes, part));
        r->data_at += part;
        bytes += part;
        len -= part;
        if (r->data_at == r->data.len)
            KILN_TRY(conclude(r, ctx));
    }
    return KILN_OK;
}

static enum kiln_status byte_drain(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    KILN_TRY(expect(byte_replay(self), ctx, "drain", 0));
    return conclude(byte_replay(self), ctx);
}

static enum kiln_status byte_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    KILN_TRY(expect(byte_replay(self), ctx, "discard", 0));
    return conclude(byte_replay(self), ctx);
}

static enum kiln_status byte_set_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      uint32_t baud)
{
    KILN_TRY(expect(byte_replay(self), ctx, "baud", 1));
    KILN_TRY(expect_number(byte_replay(self), ctx, 0, 10, baud));
    return conclude(byte_replay(self), ctx);
}

static enum kiln_status byte_set_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                       unsigned mask, unsigned levels)
{
    KILN_TRY(expect(byte_replay(self), ctx, "lines", 2));
    KILN_TRY(expect_number(byte_replay(self), ctx, 0, 10, mask));
    KILN_TRY(expect_number(byte_replay(self), ctx, 1, 10, levels));
    return conclude(byte_replay(self), ctx);
}

static enum kiln_status byte_reopen(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    KILN_TRY(expect(byte_replay(self), ctx, "reopen", 0));
    return conclude(byte_replay(self), ctx);
}

static unsigned byte_caps(const struct kiln_byte_link *self)
{
    return KILN_CONTAINER(self, const struct replay_byte, base)->caps;
}

static void byte_describe(const struct kiln_byte_link *self, char *text, size_t cap)
{
    snprintf(text, cap, "%s", KILN_CONTAINER(self, const struct replay_byte, base)->replay.name);
}

static void byte_close(struct kiln_byte_link *self)
{
    unload(byte_replay(self));
    free(KILN_CONTAINER(self, struct replay_byte, base));
}

static const struct kiln_byte_link_ops replay_byte_ops = {
    .name = "replay",
    .read = byte_read,
    .write = byte_write,
    .drain = byte_drain,
    .discard_input = byte_discard,
    .set_baud = byte_set_baud,
    .set_lines = byte_set_lines,
    .reopen = byte_reopen,
    .caps = byte_caps,
    .describe = byte_describe,
    .close = byte_close,
};

static enum kiln_status begin_byte(struct replay_byte *link, struct kiln_ctx *ctx, const char *path)
{
    struct replay *r = &link->replay;
    uint64_t caps = 0;

    KILN_TRY(load(r, ctx, path));
    KILN_TRY(find_link(r, ctx, "byte"));
    if (r->line.arg_count != 2 || !kiln_trace_text(&r->line.arg[0], r->name, sizeof r->name) ||
        !kiln_trace_number(&r->line.arg[1], 10, UINT32_MAX, &caps))
        return malformed(ctx, r);
    link->caps = (unsigned)caps;
    advance(r);
    return KILN_OK;
}

enum kiln_status kiln_replay_byte_open(struct kiln_ctx *ctx, const char *path,
                                       struct kiln_byte_link **out_link)
{
    struct replay_byte *link = calloc(1, sizeof *link);
    enum kiln_status status;

    if (link == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    link->base.ops = &replay_byte_ops;
    status = begin_byte(link, ctx, path);
    if (status != KILN_OK) {
        byte_close(&link->base);
        return status;
    }
    *out_link = &link->base;
    return KILN_OK;
}

/* ---- USB links ---- */

static struct replay_usb *usb_of(struct kiln_usb_link *self)
{
    return KILN_CONTAINER(self, struct replay_usb, base);
}

/* The last argument is the length asked for, or the bytes sent; the result what came or how much went. */
static enum kiln_status play_move(struct replay *r, struct kiln_ctx *ctx, bool in, size_t arg,
                                  uint8_t *data, size_t len, size_t *out_len)
{
    uint64_t moved = 0;

    if (in) {
        KILN_TRY(expect_number(r, ctx, arg, 10, len));
        if (r->line.status == KILN_OK && !kiln_trace_bytes(&r->line.result, data, len, out_len))
            return malformed(ctx, r);
        return conclude(r, ctx);
    }
    KILN_TRY(decode(r, ctx, &r->line.arg[arg]));
    if (r->data.len != len)
        return kiln_fail(ctx, KILN_E_VERIFY,
                         "line %zu of the trace sends %zu bytes, but now it is %zu", r->line.number,
                         r->data.len, len);
    KILN_TRY(compare(r, ctx, data, len));
    if (r->line.status == KILN_OK && !kiln_trace_number(&r->line.result, 10, len, &moved))
        return malformed(ctx, r);
    *out_len = (size_t)moved;
    return conclude(r, ctx);
}

static enum kiln_status usb_control(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    const struct kiln_usb_setup *setup, uint8_t *data, size_t len,
                                    size_t *out_len)
{
    struct replay *r = &usb_of(self)->replay;

    KILN_TRY(expect(r, ctx, "control", 5));
    KILN_TRY(expect_number(r, ctx, 0, 16, setup->request_type));
    KILN_TRY(expect_number(r, ctx, 1, 16, setup->request));
    KILN_TRY(expect_number(r, ctx, 2, 16, setup->value));
    KILN_TRY(expect_number(r, ctx, 3, 16, setup->index));
    return play_move(r, ctx, (setup->request_type & 0x80) != 0, 4, data, len, out_len);
}

static enum kiln_status usb_transfer(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                     uint8_t endpoint, uint8_t *data, size_t len, size_t *out_len)
{
    struct replay *r = &usb_of(self)->replay;

    KILN_TRY(expect(r, ctx, "transfer", 2));
    KILN_TRY(expect_number(r, ctx, 0, 16, endpoint));
    return play_move(r, ctx, (endpoint & 0x80) != 0, 1, data, len, out_len);
}

static enum kiln_status usb_claim(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                  uint8_t interface)
{
    KILN_TRY(expect(&usb_of(self)->replay, ctx, "claim", 1));
    KILN_TRY(expect_number(&usb_of(self)->replay, ctx, 0, 10, interface));
    return conclude(&usb_of(self)->replay, ctx);
}

static enum kiln_status usb_release(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    uint8_t interface)
{
    KILN_TRY(expect(&usb_of(self)->replay, ctx, "release", 1));
    KILN_TRY(expect_number(&usb_of(self)->replay, ctx, 0, 10, interface));
    return conclude(&usb_of(self)->replay, ctx);
}

static enum kiln_status usb_set_alt(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    uint8_t interface, uint8_t alt)
{
    KILN_TRY(expect(&usb_of(self)->replay, ctx, "alt", 2));
    KILN_TRY(expect_number(&usb_of(self)->replay, ctx, 0, 10, interface));
    KILN_TRY(expect_number(&usb_of(self)->replay, ctx, 1, 10, alt));
    return conclude(&usb_of(self)->replay, ctx);
}

static enum kiln_status usb_reset(struct kiln_usb_link *self, struct kiln_ctx *ctx)
{
    KILN_TRY(expect(&usb_of(self)->replay, ctx, "reset", 0));
    return conclude(&usb_of(self)->replay, ctx);
}

static enum kiln_status read_usb_line(struct replay_usb *link, struct kiln_ctx *ctx)
{
    static const uint64_t most[] = {0xFFFF, 0xFFFF, 0xFFFF, 255, 255};
    struct replay *r = &link->replay;
    uint64_t number[5];

    KILN_TRY(expect(r, ctx, "usb", 6));
    for (size_t i = 0; i < 5; i++) {
        if (!kiln_trace_number(&r->line.arg[i], i < 3 ? 16 : 10, most[i], &number[i]))
            return malformed(ctx, r);
    }
    link->identity.vid = (uint16_t)number[0];
    link->identity.pid = (uint16_t)number[1];
    link->identity.bcd_device = (uint16_t)number[2];
    link->identity.bus = (uint8_t)number[3];
    link->identity.address = (uint8_t)number[4];
    if (!kiln_trace_text(&r->line.arg[5], link->identity.path, sizeof link->identity.path))
        return malformed(ctx, r);
    advance(r);
    return KILN_OK;
}

static enum kiln_status read_identity(struct replay_usb *link, struct kiln_ctx *ctx)
{
    struct kiln_usb_identity *id = &link->identity;
    struct replay *r = &link->replay;

    KILN_TRY(read_usb_line(link, ctx));
    KILN_TRY(expect(r, ctx, "strings", 3));
    if (!kiln_trace_text(&r->line.arg[0], id->serial, sizeof id->serial) ||
        !kiln_trace_text(&r->line.arg[1], id->product, sizeof id->product) ||
        !kiln_trace_text(&r->line.arg[2], id->manufacturer, sizeof id->manufacturer))
        return malformed(ctx, r);
    advance(r);
    KILN_TRY(expect(r, ctx, "config", 1));
    if (!kiln_trace_bytes(&r->line.arg[0], link->config, sizeof link->config, &link->config_len))
        return malformed(ctx, r);
    advance(r);
    link->gone = false;
    return KILN_OK;
}

static enum kiln_status usb_reopen(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                   const struct kiln_usb_match *match)
{
    struct replay_usb *link = usb_of(self);

    (void)match;
    KILN_TRY(expect(&link->replay, ctx, "reopen", 0));
    KILN_TRY(conclude(&link->replay, ctx));
    return read_identity(link, ctx);
}

static bool usb_is_gone(struct kiln_usb_link *self)
{
    struct replay_usb *link = usb_of(self);
    struct replay *r = &link->replay;
    struct kiln_ctx scratch;
    bool more = false;

    kiln_ctx_init(&scratch, r->clock);
    if (peek(r, &scratch, &more) == KILN_OK && more && kiln_trace_is(&r->line.op, "gone")) {
        link->gone = r->line.arg_count > 0 && kiln_trace_is(&r->line.arg[0], "1");
        advance(r);
    }
    return link->gone;
}

static const struct kiln_usb_identity *usb_identity(const struct kiln_usb_link *self)
{
    return &KILN_CONTAINER(self, const struct replay_usb, base)->identity;
}

static const uint8_t *usb_config(const struct kiln_usb_link *self, size_t *out_len)
{
    const struct replay_usb *link = KILN_CONTAINER(self, const struct replay_usb, base);

    *out_len = link->config_len;
    return link->config;
}

static void usb_close(struct kiln_usb_link *self)
{
    unload(&usb_of(self)->replay);
    free(usb_of(self));
}

static const struct kiln_usb_link_ops replay_usb_ops = {
    .name = "replay",
    .control = usb_control,
    .transfer = usb_transfer,
    .claim = usb_claim,
    .release = usb_release,
    .set_alt = usb_set_alt,
    .reset = usb_reset,
    .reopen = usb_reopen,
    .is_gone = usb_is_gone,
    .identity = usb_identity,
    .config = usb_config,
    .close = usb_close,
};

enum kiln_status kiln_replay_usb_open(struct kiln_ctx *ctx, const char *path,
                                      struct kiln_usb_link **out_link)
{
    struct replay_usb *link = calloc(1, sizeof *link);
    enum kiln_status status;

    if (link == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    link->base.ops = &replay_usb_ops;
    status = load(&link->replay, ctx, path);
    if (status == KILN_OK)
        status = find_link(&link->replay, ctx, "usb");
    if (status == KILN_OK)
        status = read_identity(link, ctx);
    if (status != KILN_OK) {
        usb_close(&link->base);
        return status;
    }
    *out_link = &link->base;
    return KILN_OK;
}
