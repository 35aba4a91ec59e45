/* SPDX-License-Identifier: MIT */
/* Layers that make one thing go wrong at one counted operation. */
#include "base/bytes.h"
#include "link/open.h"
#include "os/wait.h"

#include <stdlib.h>
#include <string.h>

struct fault_byte {
    struct kiln_byte_link base;
    struct kiln_fault *fault; /* borrowed */
};

struct fault_usb {
    struct kiln_usb_link base;
    struct kiln_fault *fault; /* borrowed */
};

/* What the operation that is about to run shall do. */
enum verdict { PASS, FAILS, IS_GONE, IS_SILENT, FLIPS_BIT, LOSES_BYTE };

static enum verdict judge(struct kiln_fault *fault, struct kiln_ctx *ctx)
{
    uint64_t number = fault->count++;
    bool now = number == fault->at;
    bool lasting = number >= fault->at;

    switch (fault->kind) {
    case KILN_FAULT_NONE:
        return PASS;
    case KILN_FAULT_FAIL:
        return now ? FAILS : PASS;
    case KILN_FAULT_GONE:
        return lasting ? IS_GONE : PASS;
    case KILN_FAULT_SILENT:
        return lasting ? IS_SILENT : PASS;
    case KILN_FAULT_CORRUPT:
        return now ? FLIPS_BIT : PASS;
    case KILN_FAULT_DROP:
        return now ? LOSES_BYTE : PASS;
    case KILN_FAULT_CANCEL:
        if (now && ctx->cancel != NULL) {
            fault->happened = true;
            kiln_cancel_fire(ctx->cancel);
        }
        return PASS;
    }
    return PASS;
}

/* Whether the lasting kinds have struck, for operations that are not counted. */
static enum verdict state_of(const struct kiln_fault *fault)
{
    if (!fault->happened)
        return PASS;
    if (fault->kind == KILN_FAULT_GONE)
        return IS_GONE;
    return fault->kind == KILN_FAULT_SILENT ? IS_SILENT : PASS;
}

static enum kiln_status fail(struct kiln_fault *fault, struct kiln_ctx *ctx, enum verdict verdict)
{
    fault->happened = true;
    if (verdict == IS_GONE)
        return kiln_fail(ctx, KILN_E_GONE, "the device is gone (injected fault)");
    return kiln_fail(ctx, KILN_E_IO, "the operation failed (injected fault)");
}

/* Nothing comes until the deadline. Without one nothing would ever end, so that is at once. */
static enum kiln_status silence(struct kiln_fault *fault, struct kiln_ctx *ctx)
{
    fault->happened = true;
    if (ctx->deadline_ns != KILN_NO_DEADLINE)
        KILN_TRY(ctx->clock->ops->sleep_until(ctx->clock, ctx, ctx->deadline_ns));
    return kiln_fail(ctx, KILN_E_TIMEOUT, "no answer in time");
}

/* A copy of `bytes` with one thing wrong; NULL if there is no memory. */
static uint8_t *damage(struct kiln_fault *fault, enum verdict verdict, const uint8_t *bytes,
                       size_t *len)
{
    size_t middle = *len / 2;
    uint8_t *copy = malloc(*len + 1);

    if (copy == NULL)
        return NULL;
    if (*len == 0) /* then `bytes` may be NULL */
        return copy;
    memcpy(copy, bytes, *len);
    fault->happened = true;
    if (verdict == FLIPS_BIT) {
        copy[middle] ^= (uint8_t)(1u << (fault->at % 8));
    } else {
        memmove(copy + middle, copy + middle + 1, *len - middle - 1);
        --*len;
    }
    return copy;
}

/* The same in place, for what was received. */
static void damage_received(struct kiln_fault *fault, enum verdict verdict, uint8_t *bytes,
                            size_t *len)
{
    size_t middle = *len / 2;

    if (*len == 0)
        return;
    fault->happened = true;
    if (verdict == FLIPS_BIT) {
        bytes[middle] ^= (uint8_t)(1u << (fault->at % 8));
    } else {
        memmove(bytes + middle, bytes + middle + 1, *len - middle - 1);
        --*len;
    }
}

/* ---- byte links ---- */

static struct kiln_fault *byte_fault(struct kiln_byte_link *self)
{
    return KILN_CONTAINER(self, struct fault_byte, base)->fault;
}

static enum kiln_status byte_read(struct kiln_byte_link *self, struct kiln_ctx *ctx, uint8_t *bytes,
                                  size_t cap, size_t *out_len)
{
    struct kiln_fault *fault = byte_fault(self);
    enum verdict verdict = judge(fault, ctx);

    if (verdict == FAILS || verdict == IS_GONE)
        return fail(fault, ctx, verdict);
    if (verdict == IS_SILENT)
        return silence(fault, ctx);
    KILN_TRY(kiln_link_read(self->below, ctx, bytes, cap, out_len));
    if (verdict == PASS)
        return KILN_OK;
    damage_received(fault, verdict, bytes, out_len);
    return *out_len > 0 ? KILN_OK : kiln_link_read(self->below, ctx, bytes, cap, out_len);
}

static enum kiln_status byte_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                   const uint8_t *bytes, size_t len)
{
    struct kiln_fault *fault = byte_fault(self);
    enum verdict verdict = judge(fault, ctx);
    enum kiln_status status;
    uint8_t *copy;

    if (verdict == PASS)
        return kiln_link_write(self->below, ctx, bytes, len);
    if (verdict == FAILS || verdict == IS_GONE)
        return fail(fault, ctx, verdict);
    fault->happened = true;
    if (verdict == IS_SILENT)
        return KILN_OK;
    copy = damage(fault, verdict, bytes, &len);
    if (copy == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    status = kiln_link_write(self->below, ctx, copy, len);
    free(copy);
    return status;
}

/* set_baud and set_lines carry no data to damage: only failure, loss and silence happen to them. */
static bool struck(struct kiln_fault *fault, struct kiln_ctx *ctx, enum kiln_status *out_status)
{
    enum verdict verdict = judge(fault, ctx);

    if (verdict == FAILS || verdict == IS_GONE) {
        *out_status = fail(fault, ctx, verdict);
        return true;
    }
    fault->happened |= verdict == IS_SILENT;
    *out_status = KILN_OK;
    return verdict == IS_SILENT;
}

static enum kiln_status byte_set_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      uint32_t baud)
{
    enum kiln_status status;

    return struck(byte_fault(self), ctx, &status) ? status
                                                  : kiln_link_set_baud(self->below, ctx, baud);
}

static enum kiln_status byte_set_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                       unsigned mask, unsigned levels)
{
    enum kiln_status status;

    return struck(byte_fault(self), ctx, &status)
               ? status
               : kiln_link_set_lines(self->below, ctx, mask, levels);
}

static enum kiln_status byte_drain(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct kiln_fault *fault = byte_fault(self);

    if (state_of(fault) == IS_GONE)
        return fail(fault, ctx, IS_GONE);
    return kiln_link_drain(self->below, ctx);
}

static enum kiln_status byte_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct kiln_fault *fault = byte_fault(self);

    if (state_of(fault) == IS_GONE)
        return fail(fault, ctx, IS_GONE);
    return kiln_link_discard_input(self->below, ctx);
}

static enum kiln_status byte_reopen(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct kiln_fault *fault = byte_fault(self);

    if (state_of(fault) == IS_GONE)
        return silence(fault, ctx);
    return kiln_link_reopen(self->below, ctx);
}

static void byte_close(struct kiln_byte_link *self)
{
    kiln_link_close(self->below);
    free(KILN_CONTAINER(self, struct fault_byte, base));
}

static const struct kiln_byte_link_ops fault_byte_ops = {
    .name = "fault",
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

enum kiln_status kiln_fault_byte_layer(struct kiln_ctx *ctx, struct kiln_fault *fault,
                                       struct kiln_byte_link *below,
                                       struct kiln_byte_link **out_link)
{
    struct fault_byte *layer = calloc(1, sizeof *layer);

    if (layer == NULL) {
        kiln_link_close(below);
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    }
    layer->base = (struct kiln_byte_link){&fault_byte_ops, below};
    layer->fault = fault;
    *out_link = &layer->base;
    return KILN_OK;
}

/* ---- USB links ---- */

static struct kiln_fault *usb_fault(struct kiln_usb_link *self)
{
    return KILN_CONTAINER(self, struct fault_usb, base)->fault;
}

/* A transfer in either direction below the layer. */
struct move {
    struct kiln_usb_link *below;
    const struct kiln_usb_setup *setup; /* NULL: not a control transfer */
    uint8_t endpoint;
};

static enum kiln_status move(const struct move *move, struct kiln_ctx *ctx, uint8_t *data,
                             size_t len, size_t *out_len)
{
    if (move->setup != NULL)
        return kiln_usb_control(move->below, ctx, move->setup, data, len, out_len);
    return kiln_usb_transfer(move->below, ctx, move->endpoint, data, len, out_len);
}

static enum kiln_status disturb(struct kiln_fault *fault, const struct move *how,
                                struct kiln_ctx *ctx, uint8_t *data, size_t len, size_t *out_len)
{
    enum verdict verdict = judge(fault, ctx);
    uint8_t direction = how->setup != NULL ? how->setup->request_type : how->endpoint;
    enum kiln_status status;
    uint8_t *copy;

    if (verdict == PASS)
        return move(how, ctx, data, len, out_len);
    if (verdict == FAILS || verdict == IS_GONE)
        return fail(fault, ctx, verdict);
    if (verdict == IS_SILENT)
        return silence(fault, ctx);
    if ((direction & 0x80) != 0) {
        KILN_TRY(move(how, ctx, data, len, out_len));
        damage_received(fault, verdict, data, out_len);
        return KILN_OK;
    }
    copy = damage(fault, verdict, data, &len);
    if (copy == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    status = move(how, ctx, copy, len, out_len);
    free(copy);
    return status;
}

static enum kiln_status usb_control(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    const struct kiln_usb_setup *setup, uint8_t *data, size_t len,
                                    size_t *out_len)
{
    const struct move how = {self->below, setup, 0};

    return disturb(usb_fault(self), &how, ctx, data, len, out_len);
}

static enum kiln_status usb_transfer(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                     uint8_t endpoint, uint8_t *data, size_t len, size_t *out_len)
{
    const struct move how = {self->below, NULL, endpoint};

    return disturb(usb_fault(self), &how, ctx, data, len, out_len);
}

static enum kiln_status usb_claim(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                  uint8_t interface)
{
    struct kiln_fault *fault = usb_fault(self);

    if (state_of(fault) == IS_GONE)
        return fail(fault, ctx, IS_GONE);
    return kiln_usb_claim(self->below, ctx, interface);
}

static enum kiln_status usb_set_alt(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    uint8_t interface, uint8_t alt)
{
    struct kiln_fault *fault = usb_fault(self);

    if (state_of(fault) == IS_GONE)
        return fail(fault, ctx, IS_GONE);
    if (state_of(fault) == IS_SILENT)
        return silence(fault, ctx);
    return kiln_usb_set_alt(self->below, ctx, interface, alt);
}

static enum kiln_status usb_reset(struct kiln_usb_link *self, struct kiln_ctx *ctx)
{
    struct kiln_fault *fault = usb_fault(self);

    if (state_of(fault) == IS_GONE)
        return fail(fault, ctx, IS_GONE);
    return kiln_usb_reset(self->below, ctx);
}

static enum kiln_status usb_reopen(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                   const struct kiln_usb_match *match)
{
    struct kiln_fault *fault = usb_fault(self);

    if (state_of(fault) == IS_GONE)
        return silence(fault, ctx);
    return kiln_usb_reopen(self->below, ctx, match);
}

static bool usb_is_gone(struct kiln_usb_link *self)
{
    return state_of(usb_fault(self)) == IS_GONE || kiln_usb_is_gone(self->below);
}

static void usb_close(struct kiln_usb_link *self)
{
    kiln_usb_close(self->below);
    free(KILN_CONTAINER(self, struct fault_usb, base));
}

static const struct kiln_usb_link_ops fault_usb_ops = {
    .name = "fault",
    .control = usb_control,
    .transfer = usb_transfer,
    .claim = usb_claim,
    .release = kiln_usb_pass_release,
    .set_alt = usb_set_alt,
    .reset = usb_reset,
    .reopen = usb_reopen,
    .is_gone = usb_is_gone,
    .identity = kiln_usb_pass_identity,
    .config = kiln_usb_pass_config,
    .close = usb_close,
};

enum kiln_status kiln_fault_usb_layer(struct kiln_ctx *ctx, struct kiln_fault *fault,
                                      struct kiln_usb_link *below, struct kiln_usb_link **out_link)
{
    struct fault_usb *layer = calloc(1, sizeof *layer);

    if (layer == NULL) {
        kiln_usb_close(below);
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    }
    layer->base = (struct kiln_usb_link){&fault_usb_ops, below};
    layer->fault = fault;
    *out_link = &layer->base;
    return KILN_OK;
}
