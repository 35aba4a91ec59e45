/* SPDX-License-Identifier: MIT */
/* The trace layers: every operation becomes one line of the format in docs/trace.md. */
#include "link/trace.h"

#include "base/bytes.h"
#include "link/open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kiln_trace {
    FILE *file;
    uint64_t began_ns;
    unsigned links; /* numbered in the order of their layers */
    bool failed;    /* told once */
};

struct trace_byte {
    struct kiln_byte_link base;
    struct kiln_trace *trace; /* borrowed */
    unsigned number;
};

struct trace_usb {
    struct kiln_usb_link base;
    struct kiln_trace *trace; /* borrowed */
    unsigned number;
    uint64_t now_ns; /* of the last operation: is_gone has no context to ask */
};

enum kiln_status kiln_trace_create(struct kiln_ctx *ctx, const char *path,
                                   struct kiln_trace **out_trace)
{
    struct kiln_trace *trace = calloc(1, sizeof *trace);

    if (trace == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    trace->file = fopen(path, "we");
    if (trace->file == NULL) {
        free(trace);
        (void)!kiln_fail(ctx, KILN_E_IO, "the trace %.200s cannot be written: %s", path,
                         strerror(errno));
        return kiln_fail_code(ctx, errno);
    }
    trace->began_ns = kiln_ctx_now_ns(ctx);
    fprintf(trace->file, KILN_TRACE_HEAD "\n");
    *out_trace = trace;
    return KILN_OK;
}

void kiln_trace_close(struct kiln_trace *trace)
{
    if (trace == NULL)
        return;
    (void)fclose(trace->file);
    free(trace);
}

/* ---- writing ---- */

static void put_hex(struct kiln_trace *trace, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    putc(' ', trace->file);
    if (len == 0)
        putc('-', trace->file);
    for (size_t i = 0; i < len; i++) {
        putc(digits[bytes[i] >> 4], trace->file);
        putc(digits[bytes[i] & 15], trace->file);
    }
}

static void put_text(struct kiln_trace *trace, const char *text)
{
    putc(' ', trace->file);
    if (text[0] == '\0')
        putc('-', trace->file);
    for (const char *at = text; *at != '\0'; at++) {
        bool plain = *at > ' ' && *at < 0x7F && *at != '%' && (*at != '-' || text[1] != '\0');

        fprintf(trace->file, plain ? "%c" : "%%%02x", (unsigned char)*at);
    }
}

static void put_start(struct kiln_trace *trace, unsigned number, uint64_t from_ns, uint64_t to_ns,
                      const char *op)
{
    fprintf(trace->file, "%llu+%llu %u %s",
            (unsigned long long)((from_ns - trace->began_ns) / 1000),
            (unsigned long long)((to_ns - from_ns) / 1000), number, op);
}

/* Ends a line with the result. A disk that is full costs the trace, not the board. */
static enum kiln_status put_status(struct kiln_trace *trace, struct kiln_ctx *ctx,
                                   enum kiln_status status)
{
    fprintf(trace->file, " = %s", kiln_status_name(status));
    if (ferror(trace->file) && !trace->failed) {
        trace->failed = true;
        kiln_log(ctx, KILN_LOG_WARN, "link", "the trace cannot be written any further: %s",
                 strerror(errno));
    }
    return status;
}

static void end_line(struct kiln_trace *trace, enum kiln_status status)
{
    putc('\n', trace->file);
    if (status != KILN_OK) /* what led to an error is on disk even if the program dies of it */
        (void)fflush(trace->file);
}

static enum kiln_status plain_op(struct kiln_trace *trace, unsigned number, struct kiln_ctx *ctx,
                                 uint64_t from_ns, const char *op, enum kiln_status status)
{
    put_start(trace, number, from_ns, kiln_ctx_now_ns(ctx), op);
    (void)!put_status(trace, ctx, status);
    end_line(trace, status);
    return status;
}

/* ---- byte links ---- */

static struct trace_byte *byte_of(struct kiln_byte_link *self)
{
    return KILN_CONTAINER(self, struct trace_byte, base);
}

static enum kiln_status byte_read(struct kiln_byte_link *self, struct kiln_ctx *ctx, uint8_t *bytes,
                                  size_t cap, size_t *out_len)
{
    struct trace_byte *t = byte_of(self);
    uint64_t from = kiln_ctx_now_ns(ctx);
    enum kiln_status status = kiln_link_read(self->below, ctx, bytes, cap, out_len);

    put_start(t->trace, t->number, from, kiln_ctx_now_ns(ctx), "read");
    fprintf(t->trace->file, " %zu", cap);
    (void)!put_status(t->trace, ctx, status);
    if (status == KILN_OK)
        put_hex(t->trace, bytes, *out_len);
    end_line(t->trace, status);
    return status;
}

static enum kiln_status byte_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                   const uint8_t *bytes, size_t len)
{
    struct trace_byte *t = byte_of(self);
    uint64_t from = kiln_ctx_now_ns(ctx);
    enum kiln_status status = kiln_link_write(self->below, ctx, bytes, len);

    put_start(t->trace, t->number, from, kiln_ctx_now_ns(ctx), "write");
    put_hex(t->trace, bytes, len);
    (void)!put_status(t->trace, ctx, status);
    end_line(t->trace, status);
    return status;
}

static enum kiln_status byte_drain(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct trace_byte *t = byte_of(self);
    uint64_t from = kiln_ctx_now_ns(ctx);

    return plain_op(t->trace, t->number, ctx, from, "drain", kiln_link_drain(self->below, ctx));
}

static enum kiln_status byte_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct trace_byte *t = byte_of(self);
    uint64_t from = kiln_ctx_now_ns(ctx);

    return plain_op(t->trace, t->number, ctx, from, "discard",
                    kiln_link_discard_input(self->below, ctx));
}

static enum kiln_status byte_set_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      uint32_t baud)
{
    struct trace_byte *t = byte_of(self);
    uint64_t from = kiln_ctx_now_ns(ctx);
    char op[32];

    snprintf(op, sizeof op, "baud %u", baud);
    return plain_op(t->trace, t->number, ctx, from, op, kiln_link_set_baud(self->below, ctx, baud));
}

static enum kiln_status byte_set_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                       unsigned mask, unsigned levels)
{
    struct trace_byte *t = byte_of(self);
    uint64_t from = kiln_ctx_now_ns(ctx);
    char op[32];

    snprintf(op, sizeof op, "lines %u %u", mask, levels);
    return plain_op(t->trace, t->number, ctx, from, op,
                    kiln_link_set_lines(self->below, ctx, mask, levels));
}

static enum kiln_status byte_reopen(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct trace_byte *t = byte_of(self);
    uint64_t from = kiln_ctx_now_ns(ctx);

    return plain_op(t->trace, t->number, ctx, from, "reopen", kiln_link_reopen(self->below, ctx));
}

static void byte_close(struct kiln_byte_link *self)
{
    kiln_link_close(self->below);
    free(byte_of(self));
}

static const struct kiln_byte_link_ops trace_byte_ops = {
    .name = "trace",
    .read = byte_read,
    .write = byte_write,
    .drain = byte_drain,
    .discard_input = byte_discard,
    .set_baud = byte_set_baud,
    .set_lines = byte_set_lines,
    .reopen = byte_reopen,
    .release = kiln_byte_pass_release,
    .poll_fd = kiln_byte_pass_poll_fd,
    .caps = kiln_byte_pass_caps,
    .describe = kiln_byte_pass_describe,
    .close = byte_close,
};

enum kiln_status kiln_trace_byte_layer(struct kiln_ctx *ctx, struct kiln_trace *trace,
                                       struct kiln_byte_link *below,
                                       struct kiln_byte_link **out_link)
{
    struct trace_byte *t = calloc(1, sizeof *t);
    uint64_t now = kiln_ctx_now_ns(ctx);
    char name[200];

    if (t == NULL) {
        kiln_link_close(below);
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    }
    t->base = (struct kiln_byte_link){&trace_byte_ops, below};
    t->trace = trace;
    t->number = trace->links++;
    kiln_link_describe(below, name, sizeof name);
    put_start(trace, t->number, now, now, "byte");
    put_text(trace, name);
    fprintf(trace->file, " %u\n", kiln_link_caps(below));
    *out_link = &t->base;
    return KILN_OK;
}

/* ---- USB links ---- */

static struct trace_usb *usb_of(struct kiln_usb_link *self)
{
    return KILN_CONTAINER(self, struct trace_usb, base);
}

static enum kiln_status usb_op(struct trace_usb *t, struct kiln_ctx *ctx, uint64_t from,
                               const char *op, enum kiln_status status)
{
    t->now_ns = kiln_ctx_now_ns(ctx);
    return plain_op(t->trace, t->number, ctx, from, op, status);
}

/* What moved: for a device-to-host transfer what came, else what was sent and how much of it. */
static enum kiln_status put_moved(struct trace_usb *t, struct kiln_ctx *ctx, bool in,
                                  const uint8_t *data, size_t len, size_t moved,
                                  enum kiln_status status)
{
    if (in)
        fprintf(t->trace->file, " %zu", len);
    else
        put_hex(t->trace, data, len);
    (void)!put_status(t->trace, ctx, status);
    if (status == KILN_OK && in)
        put_hex(t->trace, data, moved);
    else if (status == KILN_OK)
        fprintf(t->trace->file, " %zu", moved);
    end_line(t->trace, status);
    return status;
}

static enum kiln_status usb_control(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    const struct kiln_usb_setup *setup, uint8_t *data, size_t len,
                                    size_t *out_len)
{
    struct trace_usb *t = usb_of(self);
    uint64_t from = kiln_ctx_now_ns(ctx);
    enum kiln_status status = kiln_usb_control(self->below, ctx, setup, data, len, out_len);

    t->now_ns = kiln_ctx_now_ns(ctx);
    put_start(t->trace, t->number, from, t->now_ns, "control");
    fprintf(t->trace->file, " %02x %02x %04x %04x", setup->request_type, setup->request,
            setup->value, setup->index);
    return put_moved(t, ctx, (setup->request_type & 0x80) != 0, data, len, *out_len, status);
}

static enum kiln_status usb_transfer(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                     uint8_t endpoint, uint8_t *data, size_t len, size_t *out_len)
{
    struct trace_usb *t = usb_of(self);
    uint64_t from = kiln_ctx_now_ns(ctx);
    enum kiln_status status = kiln_usb_transfer(self->below, ctx, endpoint, data, len, out_len);

    t->now_ns = kiln_ctx_now_ns(ctx);
    put_start(t->trace, t->number, from, t->now_ns, "transfer");
    fprintf(t->trace->file, " %02x", endpoint);
    return put_moved(t, ctx, (endpoint & 0x80) != 0, data, len, *out_len, status);
}

static enum kiln_status usb_claim(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                  uint8_t interface)
{
    uint64_t from = kiln_ctx_now_ns(ctx);
    char op[32];

    snprintf(op, sizeof op, "claim %u", interface);
    return usb_op(usb_of(self), ctx, from, op, kiln_usb_claim(self->below, ctx, interface));
}

static enum kiln_status usb_release(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    uint8_t interface)
{
    uint64_t from = kiln_ctx_now_ns(ctx);
    char op[32];

    snprintf(op, sizeof op, "release %u", interface);
    return usb_op(usb_of(self), ctx, from, op, kiln_usb_release(self->below, ctx, interface));
}

static enum kiln_status usb_set_alt(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    uint8_t interface, uint8_t alt)
{
    uint64_t from = kiln_ctx_now_ns(ctx);
    char op[32];

    snprintf(op, sizeof op, "alt %u %u", interface, alt);
    return usb_op(usb_of(self), ctx, from, op, kiln_usb_set_alt(self->below, ctx, interface, alt));
}

static enum kiln_status usb_reset(struct kiln_usb_link *self, struct kiln_ctx *ctx)
{
    uint64_t from = kiln_ctx_now_ns(ctx);

    return usb_op(usb_of(self), ctx, from, "reset", kiln_usb_reset(self->below, ctx));
}

/* Who the device is: at the beginning and after every reopen. */
static void put_identity(struct trace_usb *t)
{
    const struct kiln_usb_identity *id = kiln_usb_identity(t->base.below);
    size_t config_len = 0;
    const uint8_t *config = kiln_usb_config(t->base.below, &config_len);

    put_start(t->trace, t->number, t->now_ns, t->now_ns, "usb");
    fprintf(t->trace->file, " %04x %04x %04x %u %u", id->vid, id->pid, id->bcd_device, id->bus,
            id->address);
    put_text(t->trace, id->path);
    fprintf(t->trace->file, "\n");
    put_start(t->trace, t->number, t->now_ns, t->now_ns, "strings");
    put_text(t->trace, id->serial);
    put_text(t->trace, id->product);
    put_text(t->trace, id->manufacturer);
    fprintf(t->trace->file, "\n");
    put_start(t->trace, t->number, t->now_ns, t->now_ns, "config");
    put_hex(t->trace, config, config_len);
    fprintf(t->trace->file, "\n");
}

static enum kiln_status usb_reopen(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                   const struct kiln_usb_match *match)
{
    struct trace_usb *t = usb_of(self);
    uint64_t from = kiln_ctx_now_ns(ctx);
    enum kiln_status status;

    status = usb_op(t, ctx, from, "reopen", kiln_usb_reopen(self->below, ctx, match));
    if (status == KILN_OK)
        put_identity(t);
    return status;
}

static bool usb_is_gone(struct kiln_usb_link *self)
{
    struct trace_usb *t = usb_of(self);
    bool gone = kiln_usb_is_gone(self->below);

    put_start(t->trace, t->number, t->now_ns, t->now_ns, gone ? "gone 1\n" : "gone 0\n");
    return gone;
}

static void usb_close(struct kiln_usb_link *self)
{
    kiln_usb_close(self->below);
    free(usb_of(self));
}

static const struct kiln_usb_link_ops trace_usb_ops = {
    .name = "trace",
    .control = usb_control,
    .transfer = usb_transfer,
    .claim = usb_claim,
    .release = usb_release,
    .set_alt = usb_set_alt,
    .reset = usb_reset,
    .reopen = usb_reopen,
    .is_gone = usb_is_gone,
    .identity = kiln_usb_pass_identity,
    .config = kiln_usb_pass_config,
    .close = usb_close,
};

enum kiln_status kiln_trace_usb_layer(struct kiln_ctx *ctx, struct kiln_trace *trace,
                                      struct kiln_usb_link *below, struct kiln_usb_link **out_link)
{
    struct trace_usb *t = calloc(1, sizeof *t);

    if (t == NULL) {
        kiln_usb_close(below);
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    }
    t->base = (struct kiln_usb_link){&trace_usb_ops, below};
    t->trace = trace;
    t->number = trace->links++;
    t->now_ns = kiln_ctx_now_ns(ctx);
    put_identity(t);
    *out_link = &t->base;
    return KILN_OK;
}
