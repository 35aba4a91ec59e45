/* SPDX-License-Identifier: MIT */
/* A layer over a byte link that shows what passes: bytes, requests and packets. */
#include "job/esp_session.h"

#include "base/bytes.h"

#include <stdlib.h>

struct watch {
    struct kiln_byte_link base;
    void (*tell)(void *user, enum kiln_esp_watch what, unsigned op, const uint8_t *bytes,
                 size_t len);
    void *user;
    struct kiln_slip_decoder in, out;
    uint8_t in_frame[KILN_ESP_FRAME_MAX], out_frame[KILN_ESP_FRAME_MAX];
};

static struct watch *self_of(struct kiln_byte_link *self)
{
    return KILN_CONTAINER(self, struct watch, base);
}

static void tell_packets(struct watch *w, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t used = 0;

        if (kiln_slip_push(&w->in, bytes, len, &used))
            w->tell(w->user, KILN_ESP_WATCH_PACKET, 0, w->in.frame, w->in.len);
        bytes += used;
        len -= used;
    }
}

static void tell_commands(struct watch *w, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t used = 0;

        if (kiln_slip_push(&w->out, bytes, len, &used) && w->out.len >= KILN_ESP_HEADER_LEN &&
            w->out.frame[0] == 0)
            w->tell(w->user, KILN_ESP_WATCH_COMMAND, w->out.frame[1],
                    w->out.frame + KILN_ESP_HEADER_LEN, w->out.len - KILN_ESP_HEADER_LEN);
        bytes += used;
        len -= used;
    }
}

static enum kiln_status watch_read(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                   uint8_t *bytes, size_t cap, size_t *out_len)
{
    struct watch *w = self_of(self);

    KILN_TRY(kiln_link_read(self->below, ctx, bytes, cap, out_len));
    w->tell(w->user, KILN_ESP_WATCH_READ, 0, bytes, *out_len);
    tell_packets(w, bytes, *out_len);
    return KILN_OK;
}

static enum kiln_status watch_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                    const uint8_t *bytes, size_t len)
{
    struct watch *w = self_of(self);

    tell_commands(w, bytes, len);
    w->tell(w->user, KILN_ESP_WATCH_WRITE, 0, bytes, len);
    return kiln_link_write(self->below, ctx, bytes, len);
}

static enum kiln_status watch_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    kiln_slip_decoder_reset(&self_of(self)->in);
    return kiln_link_discard_input(self->below, ctx);
}

static void watch_close(struct kiln_byte_link *self)
{
    kiln_link_close(self->below);
    free(self_of(self));
}

static const struct kiln_byte_link_ops watch_ops = {
    .name = "watch",
    .read = watch_read,
    .write = watch_write,
    .drain = kiln_byte_pass_drain,
    .discard_input = watch_discard,
    .set_baud = kiln_byte_pass_baud,
    .set_lines = kiln_byte_pass_lines,
    .reopen = kiln_byte_pass_reopen,
    .caps = kiln_byte_pass_caps,
    .describe = kiln_byte_pass_describe,
    .close = watch_close,
};

enum kiln_status kiln_esp_watch_layer(struct kiln_ctx *ctx,
                                      const struct kiln_esp_session_options *options,
                                      struct kiln_byte_link *below,
                                      struct kiln_byte_link **out_link)
{
    struct watch *w = calloc(1, sizeof *w);

    if (w == NULL) {
        kiln_link_close(below);
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    }
    w->base = (struct kiln_byte_link){&watch_ops, below};
    w->tell = options->watch;
    w->user = options->user;
    kiln_slip_decoder_init(&w->in, w->in_frame, sizeof w->in_frame);
    kiln_slip_decoder_init(&w->out, w->out_frame, sizeof w->out_frame);
    *out_link = &w->base;
    return KILN_OK;
}
