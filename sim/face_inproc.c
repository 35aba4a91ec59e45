/* SPDX-License-Identifier: MIT */
/* A byte link with a simulated UART board at its far end, on the context's clock. */
#include "base/bytes.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

/* As much as the driver of a serial port buffers: write returns before the bytes are on the wire. */
#define DRIVER_BUFFER 4096u

struct sim_link {
    struct kiln_byte_link base;
    struct kiln_sim_uart *board;
    bool owns;
    uint32_t baud;
    unsigned lines;
};

static enum kiln_status gone(struct kiln_ctx *ctx)
{
    return kiln_fail_hint(ctx, KILN_E_GONE, KILN_HINT_CONNECT_DEVICE,
                          "the simulated board was unplugged");
}

static enum kiln_status sleep_to(struct kiln_ctx *ctx, uint64_t t_ns)
{
    return ctx->clock->ops->sleep_until(ctx->clock, ctx, KILN_MIN(t_ns, ctx->deadline_ns));
}

static enum kiln_status sim_read(struct kiln_byte_link *self, struct kiln_ctx *ctx, uint8_t *bytes,
                                 size_t cap, size_t *out_len)
{
    struct sim_link *link = (struct sim_link *)self;
    const struct kiln_sim_uart_ops *board = link->board->ops;

    *out_len = 0;
    for (;;) {
        uint64_t next;

        *out_len = board->host_receives(link->board, kiln_ctx_now_ns(ctx), link->baud, bytes, cap);
        if (*out_len > 0)
            return KILN_OK;
        if (board->is_gone(link->board))
            return gone(ctx);
        if (kiln_ctx_cancelled(ctx))
            return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
        if (kiln_deadline_passed(ctx))
            return kiln_fail(ctx, KILN_E_TIMEOUT, "no answer from the simulated board in time");
        next = board->next_event_ns(link->board);
        if (next == UINT64_MAX && ctx->deadline_ns == KILN_NO_DEADLINE)
            return kiln_fail(ctx, KILN_E_TIMEOUT,
                             "the simulated board will never answer and nothing limits the wait");
        KILN_TRY(sleep_to(ctx, KILN_MAX(next, kiln_ctx_now_ns(ctx) + 1)));
    }
}

/* Waits until at most `pending` bytes of what was written are still to leave the host. */
static enum kiln_status wait_sent(struct sim_link *link, struct kiln_ctx *ctx, size_t pending)
{
    uint64_t lead = link->baud != 0 ? pending * 10000000000u / link->baud : 0;
    uint64_t sent = link->board->ops->sent_ns(link->board);
    uint64_t until = sent > lead ? sent - lead : 0;

    if (until <= kiln_ctx_now_ns(ctx))
        return KILN_OK;
    KILN_TRY(sleep_to(ctx, until));
    if (until > ctx->deadline_ns)
        return kiln_fail(ctx, KILN_E_TIMEOUT, "the simulated board was not sent all bytes in time");
    return KILN_OK;
}

static enum kiln_status sim_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                  const uint8_t *bytes, size_t len)
{
    struct sim_link *link = (struct sim_link *)self;

    while (len > 0) {
        size_t piece = KILN_MIN(len, DRIVER_BUFFER / 2);

        if (link->board->ops->is_gone(link->board))
            return gone(ctx);
        KILN_TRY(kiln_ctx_check(ctx));
        KILN_TRY(wait_sent(link, ctx, DRIVER_BUFFER - piece));
        link->board->ops->host_sends(link->board, kiln_ctx_now_ns(ctx), link->baud, bytes, piece);
        bytes += piece;
        len -= piece;
    }
    return KILN_OK;
}

static enum kiln_status sim_drain(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct sim_link *link = (struct sim_link *)self;

    if (link->board->ops->is_gone(link->board))
        return gone(ctx);
    return wait_sent(link, ctx, 0);
}

static enum kiln_status sim_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct sim_link *link = (struct sim_link *)self;
    uint8_t bytes[256];

    while (link->board->ops->host_receives(link->board, kiln_ctx_now_ns(ctx), link->baud, bytes,
                                           sizeof bytes) > 0)
        continue;
    return KILN_OK;
}

static enum kiln_status sim_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx, uint32_t baud)
{
    struct sim_link *link = (struct sim_link *)self;

    if (baud == 0)
        return kiln_fail(ctx, KILN_E_ARG, "a serial line cannot run at 0 baud");
    KILN_TRY(sim_drain(self, ctx));
    link->baud = baud;
    return KILN_OK;
}

static enum kiln_status sim_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx, unsigned mask,
                                  unsigned levels)
{
    struct sim_link *link = (struct sim_link *)self;

    if (link->board->ops->is_gone(link->board))
        return gone(ctx);
    link->lines = (link->lines & ~mask) | (levels & mask);
    link->board->ops->lines(link->board, kiln_ctx_now_ns(ctx), link->lines);
    return KILN_OK;
}

static enum kiln_status sim_reopen(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct sim_link *link = (struct sim_link *)self;

    if (link->board->ops->is_gone(link->board))
        return kiln_fail(ctx, KILN_E_TIMEOUT, "the simulated board did not come back");
    return KILN_OK;
}

static unsigned sim_caps(const struct kiln_byte_link *self)
{
    (void)self;
    return KILN_LINK_BAUD | KILN_LINK_LINES | KILN_LINK_LINES_AT_ONCE;
}

static void sim_describe(const struct kiln_byte_link *self, char *text, size_t cap)
{
    (void)self;
    snprintf(text, cap, "the simulated board");
}

static void sim_close(struct kiln_byte_link *self)
{
    struct sim_link *link = (struct sim_link *)self;

    if (link->owns)
        link->board->ops->free(link->board);
    free(link);
}

static const struct kiln_byte_link_ops sim_link_ops = {
    .name = "sim",
    .read = sim_read,
    .write = sim_write,
    .drain = sim_drain,
    .discard_input = sim_discard,
    .set_baud = sim_baud,
    .set_lines = sim_lines,
    .reopen = sim_reopen,
    .caps = sim_caps,
    .describe = sim_describe,
    .close = sim_close,
};

enum kiln_status kiln_sim_byte_link(struct kiln_ctx *ctx, struct kiln_sim_uart *board, bool owns,
                                    uint32_t baud, struct kiln_byte_link **out_link)
{
    struct sim_link *link = calloc(1, sizeof *link);

    if (link == NULL) {
        if (owns)
            board->ops->free(board);
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    }
    link->base.ops = &sim_link_ops;
    link->board = board;
    link->owns = owns;
    link->baud = baud;
    board->ops->lines(board, kiln_ctx_now_ns(ctx), 0);
    *out_link = &link->base;
    return KILN_OK;
}
