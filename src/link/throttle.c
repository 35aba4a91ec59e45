/* SPDX-License-Identifier: MIT */
/* A layer that makes a link as slow as a given wire, on the context's clock. */
#include "base/bytes.h"
#include "link/open.h"

#include <stdlib.h>

#define BITS_PER_BYTE 10
#define NS_PER_SECOND 1000000000ull

struct throttle {
    struct kiln_byte_link base;
    uint32_t baud, latency_us;
    uint64_t read_free_ns, write_free_ns; /* when each direction of the wire is free again */
};

static struct throttle *self_of(struct kiln_byte_link *self)
{
    return KILN_CONTAINER(self, struct throttle, base);
}

/* Occupies one direction for `len` bytes and waits until they are through. What is under way arrives
 * even if the deadline passes meanwhile: dropping it would be another fault than slowness. */
static enum kiln_status occupy(struct throttle *t, struct kiln_ctx *ctx, uint64_t *free_ns,
                               size_t len)
{
    uint64_t now = kiln_ctx_now_ns(ctx);
    uint64_t took = (uint64_t)len * BITS_PER_BYTE * NS_PER_SECOND / t->baud;

    took = KILN_MAX(took, (uint64_t)t->latency_us * 1000);
    *free_ns = KILN_MAX(*free_ns, now) + took;
    return ctx->clock->ops->sleep_until(ctx->clock, ctx, *free_ns);
}

static enum kiln_status throttle_read(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      uint8_t *bytes, size_t cap, size_t *out_len)
{
    struct throttle *t = self_of(self);

    KILN_TRY(kiln_link_read(self->below, ctx, bytes, cap, out_len));
    return occupy(t, ctx, &t->read_free_ns, *out_len);
}

static enum kiln_status throttle_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                       const uint8_t *bytes, size_t len)
{
    struct throttle *t = self_of(self);

    KILN_TRY(kiln_link_write(self->below, ctx, bytes, len));
    return occupy(t, ctx, &t->write_free_ns, len);
}

static enum kiln_status throttle_set_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                           unsigned mask, unsigned levels)
{
    struct throttle *t = self_of(self);

    KILN_TRY(kiln_link_set_lines(self->below, ctx, mask, levels));
    return occupy(t, ctx, &t->write_free_ns, 0);
}

static void throttle_close(struct kiln_byte_link *self)
{
    kiln_link_close(self->below);
    free(self_of(self));
}

static const struct kiln_byte_link_ops throttle_ops = {
    .name = "throttle",
    .read = throttle_read,
    .write = throttle_write,
    .drain = kiln_byte_pass_drain,
    .discard_input = kiln_byte_pass_discard,
    .set_baud = kiln_byte_pass_baud,
    .set_lines = throttle_set_lines,
    .reopen = kiln_byte_pass_reopen,
    .release = kiln_byte_pass_release,
    .poll_fd = kiln_byte_pass_poll_fd,
    .caps = kiln_byte_pass_caps,
    .describe = kiln_byte_pass_describe,
    .close = throttle_close,
};

enum kiln_status kiln_throttle_byte_layer(struct kiln_ctx *ctx, uint32_t baud, uint32_t latency_us,
                                          struct kiln_byte_link *below,
                                          struct kiln_byte_link **out_link)
{
    struct throttle *t = calloc(1, sizeof *t);

    if (t == NULL || baud == 0) {
        free(t);
        kiln_link_close(below);
        return baud == 0 ? kiln_fail(ctx, KILN_E_ARG, "a wire of 0 baud carries nothing")
                         : kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    }
    t->base = (struct kiln_byte_link){&throttle_ops, below};
    t->baud = baud;
    t->latency_us = latency_us;
    *out_link = &t->base;
    return KILN_OK;
}
