/* SPDX-License-Identifier: MIT */
/* DFU requests and the state machine: which request is allowed in which state, and when to ask again. */
#include "loader/dfu_internal.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

#define STALLS_MAX     20 /* in a row, while busy */
#define CLEARS_MAX     5  /* CLRSTATUS in a row that do not help */
#define BLOCK_TRIES    3
#define SESSION_TRIES  32
#define SETTLE_STEP_MS 500 /* longest wait between two status requests of a device that stalls */

static enum kiln_status request(struct kiln_dfu *self, struct kiln_ctx *ctx, uint8_t direction,
                                enum kiln_dfu_request what, uint16_t value, uint8_t *bytes,
                                size_t len, size_t *out_len)
{
    const struct kiln_usb_setup setup = {.request_type = direction,
                                         .request = (uint8_t)what,
                                         .value = value,
                                         .index = self->interface};

    *out_len = 0;
    return kiln_usb_control(self->link, ctx, &setup, bytes, len, out_len);
}

static enum kiln_status short_request(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                      enum kiln_dfu_request what, uint16_t value)
{
    uint64_t saved = kiln_deadline_narrow(ctx, DFU_CONTROL_MS);
    size_t ignored;
    enum kiln_status status =
        request(self, ctx, KILN_DFU_REQUEST_OUT, what, value, NULL, 0, &ignored);

    kiln_deadline_restore(ctx, saved);
    self->state = DFU_STATE_UNKNOWN;
    self->run = DFU_RUN_NONE;
    return status;
}

/* As long as the deadline lets it: boot ROMs do their work before they answer this one. */
static enum kiln_status ask_status(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                   struct kiln_dfu_status *out)
{
    uint8_t bytes[KILN_DFU_STATUS_LEN];
    size_t got;

    self->state = DFU_STATE_UNKNOWN;
    KILN_TRY(
        request(self, ctx, KILN_DFU_REQUEST_IN, KILN_DFU_GETSTATUS, 0, bytes, sizeof bytes, &got));
    if (!kiln_dfu_status_decode(bytes, got, out))
        return kiln_fail(ctx, KILN_E_PROTO, "status reply has %zu bytes instead of 6", got);
    if (self->quirk != NULL && self->quirk->poll_ms != 0)
        out->poll_ms = self->quirk->poll_ms;
    self->state = out->state;
    return KILN_OK;
}

enum kiln_status dfu_get_status(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                struct kiln_dfu_status *out)
{
    uint64_t saved = kiln_deadline_narrow(ctx, DFU_CONTROL_MS);
    enum kiln_status status = ask_status(self, ctx, out);

    kiln_deadline_restore(ctx, saved);
    return status;
}

enum kiln_status dfu_clear_status(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    return short_request(self, ctx, KILN_DFU_CLRSTATUS, 0);
}

enum kiln_status dfu_abort(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    return short_request(self, ctx, KILN_DFU_ABORT, 0);
}

enum kiln_status dfu_detach(struct kiln_dfu *self, struct kiln_ctx *ctx, uint16_t timeout_ms)
{
    return short_request(self, ctx, KILN_DFU_DETACH, timeout_ms);
}

/* ---- back to idle ---- */

struct idle_walk {
    uint64_t busy_since_ns;
    unsigned clears;
    bool unstuck;
};

static enum kiln_status clear_once(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                   const struct kiln_dfu_status *s, struct idle_walk *walk)
{
    if (++walk->clears > CLEARS_MAX)
        return dfu_refused(self, ctx, s, "leave its error state");
    return dfu_clear_status(self, ctx);
}

static enum kiln_status wait_busy(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                  const struct kiln_dfu_status *s, struct idle_walk *walk)
{
    uint64_t now = kiln_ctx_now_ns(ctx);

    if (walk->busy_since_ns == 0)
        walk->busy_since_ns = now + 1;
    if (!walk->unstuck && now > walk->busy_since_ns + (uint64_t)DFU_STUCK_MS * KILN_NS_PER_MS) {
        walk->unstuck = true;
        return dfu_clear_status(self, ctx);
    }
    return kiln_sleep_ms(ctx, KILN_MIN(KILN_MAX(s->poll_ms, 1u), (uint32_t)SETTLE_STEP_MS));
}

/* One step towards dfuIDLE, by the request that this state allows. */
static enum kiln_status step_to_idle(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                     const struct kiln_dfu_status *s, struct idle_walk *walk)
{
    switch ((enum kiln_dfu_state)s->state) {
    case KILN_DFU_DNLOAD_IDLE:
    case KILN_DFU_UPLOAD_IDLE:
        /* every way through here costs time, so that a device that never gets idle runs out of it */
        if (++walk->clears > CLEARS_MAX)
            KILN_TRY(kiln_sleep_ms(ctx, SETTLE_STEP_MS));
        return dfu_abort(self, ctx);
    case KILN_DFU_ERROR:
        return clear_once(self, ctx, s, walk);
    case KILN_DFU_DNLOAD_SYNC:
    case KILN_DFU_DNBUSY:
    case KILN_DFU_MANIFEST_SYNC:
    case KILN_DFU_MANIFEST:
        return wait_busy(self, ctx, s, walk);
    case KILN_DFU_MANIFEST_WAIT_RESET:
        return kiln_fail_hint(ctx, KILN_E_GONE, KILN_HINT_DFU_REPLUG,
                              "the device has taken an image and waits for a reset");
    case KILN_DFU_APP_IDLE:
    case KILN_DFU_APP_DETACH:
    case KILN_DFU_IDLE:
        break;
    }
    return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_DFU_REPLUG,
                          "the device is in state %s (%u), not in DFU mode",
                          kiln_dfu_state_name(s->state), s->state);
}

static enum kiln_status walk_to_idle(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    struct idle_walk walk = {0};
    struct kiln_dfu_status s;
    unsigned stalls = 0;

    if (self->state == KILN_DFU_DNLOAD_IDLE || self->state == KILN_DFU_UPLOAD_IDLE) {
        enum kiln_status status = dfu_abort(self, ctx);

        if (status != KILN_OK && status != KILN_E_NAK)
            return status;
    }
    for (;;) {
        enum kiln_status status = dfu_get_status(self, ctx, &s);

        if (status == KILN_E_NAK && ++stalls <= STALLS_MAX) {
            KILN_TRY(kiln_sleep_ms(ctx, 10 * stalls));
            continue;
        }
        if (status != KILN_OK)
            return status;
        if (s.state == KILN_DFU_IDLE)
            return KILN_OK;
        kiln_log(ctx, KILN_LOG_DEBUG, "loader", "device is in %s (%s)",
                 kiln_dfu_state_name(s.state), kiln_dfu_status_name(s.status));
        status = step_to_idle(self, ctx, &s, &walk);
        /* a strict device stalls what it deems out of place; its next status tells where it is */
        if (status == KILN_E_NAK && ctx->error.code == 0 && ++stalls <= STALLS_MAX)
            continue;
        if (status != KILN_OK)
            return status;
    }
}

enum kiln_status dfu_to_idle(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    uint64_t saved = kiln_deadline_narrow(ctx, DFU_IDLE_MS);
    enum kiln_status status = walk_to_idle(self, ctx);

    kiln_deadline_restore(ctx, saved);
    return status;
}

enum kiln_status dfu_abandon(struct kiln_loader *loader, struct kiln_ctx *ctx)
{
    struct kiln_dfu *self = dfu_of(loader);

    if (self->left || kiln_usb_is_gone(self->link))
        return KILN_OK;
    return dfu_to_idle(self, ctx);
}

enum kiln_status dfu_ready_to_download(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    if (self->state == KILN_DFU_IDLE || self->state == KILN_DFU_DNLOAD_IDLE)
        return KILN_OK;
    return dfu_to_idle(self, ctx);
}

enum kiln_status dfu_ready_to_upload(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    if (self->state == KILN_DFU_IDLE || self->state == KILN_DFU_UPLOAD_IDLE)
        return KILN_OK;
    return dfu_to_idle(self, ctx);
}

/* ---- waiting for the device to finish ---- */

/*
 * How long to wait before asking again. The first time not at all: boot ROMs work while they hold the
 * status reply back. Then an eighth of the time spent so far, so that little is lost at the end of a long
 * erase and few requests are made during it.
 */
static uint32_t next_wait_ms(const struct kiln_dfu *self, const struct kiln_dfu_status *s,
                             uint64_t elapsed_ms, unsigned asked)
{
    uint32_t ceiling = KILN_MIN(KILN_MAX(s->poll_ms, 1u), (uint32_t)DFU_DATA_MS);

    if (self->patient)
        return s->poll_ms != 0 || asked < 2 ? KILN_MIN(s->poll_ms, (uint32_t)DFU_DATA_MS) : 1;
    if (asked < 2)
        return 0;
    return (uint32_t)KILN_MIN(KILN_MAX(elapsed_ms / 8, 1u), (uint64_t)ceiling);
}

/* A device that stalls while it is busy: first what it said it takes, then an eighth of the time spent so that
 * little is lost at the end, then half, so that it is not asked more than STALLS_MAX times. */
static uint32_t stall_wait_ms(const struct kiln_dfu_status *s, uint64_t elapsed_ms, unsigned stalls)
{
    uint64_t wait = stalls == 1 ? KILN_MAX(s->poll_ms, 5u) : elapsed_ms / (stalls <= 10 ? 8 : 2);

    return (uint32_t)KILN_MIN(KILN_MAX(wait, (uint64_t)1), (uint64_t)SETTLE_STEP_MS);
}

static enum kiln_status settle_within(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                      struct kiln_dfu_status *out)
{
    uint64_t start = kiln_ctx_now_ns(ctx);
    unsigned stalls = 0, asked = 0;

    for (;;) {
        struct kiln_dfu_status s;
        enum kiln_status status = ask_status(self, ctx, &s);
        uint32_t wait;

        if (status == KILN_E_NAK && ++stalls <= STALLS_MAX) {
            wait = stall_wait_ms(out, (kiln_ctx_now_ns(ctx) - start) / KILN_NS_PER_MS, stalls);
        } else if (status != KILN_OK) {
            return status;
        } else {
            *out = s;
            stalls = 0;
            asked++;
            if (!kiln_dfu_state_is_busy(s.state))
                return KILN_OK;
            wait = next_wait_ms(self, &s, (kiln_ctx_now_ns(ctx) - start) / KILN_NS_PER_MS, asked);
        }
        if (wait > 0)
            KILN_TRY(kiln_sleep_ms(ctx, wait));
        KILN_TRY(kiln_ctx_check(ctx));
    }
}

enum kiln_status dfu_settle(struct kiln_dfu *self, struct kiln_ctx *ctx, uint32_t timeout_ms,
                            struct kiln_dfu_status *out)
{
    uint64_t saved = kiln_deadline_narrow(ctx, timeout_ms);
    enum kiln_status status;

    *out = (struct kiln_dfu_status){.state = DFU_STATE_UNKNOWN};
    status = settle_within(self, ctx, out);
    kiln_deadline_restore(ctx, saved);
    return status;
}

/* ---- data ---- */

enum kiln_status dfu_refused(struct kiln_dfu *self, struct kiln_ctx *ctx,
                             const struct kiln_dfu_status *status, const char *what)
{
    self->run = DFU_RUN_NONE;
    if (status->status == KILN_DFU_ERR_VENDOR && self->base.ops == &kiln_dfuse_ops)
        (void)kiln_fail_hint(ctx, KILN_E_NAK, KILN_HINT_READ_PROTECTED,
                             "device refuses to %s: errVENDOR, its read protection is on", what);
    else
        (void)kiln_fail_hint(
            ctx, KILN_E_NAK, KILN_HINT_DFU_REPLUG, "device refuses to %s: %s (%u)%s%s, state %s",
            what, kiln_dfu_status_name(status->status), status->status,
            kiln_dfu_status_meaning(status->status)[0] != '\0' ? ", " : "",
            kiln_dfu_status_meaning(status->status), kiln_dfu_state_name(status->state));
    return kiln_fail_code(ctx, status->status);
}

/* The device stalled a data request. What does it say about that? */
static enum kiln_status explain_stall(struct kiln_dfu *self, struct kiln_ctx *ctx, const char *what)
{
    struct kiln_dfu_status s;

    self->run = DFU_RUN_NONE;
    KILN_TRY(dfu_get_status(self, ctx, &s));
    if (s.status != KILN_DFU_OK)
        return dfu_refused(self, ctx, &s, what);
    return kiln_fail_hint(ctx, KILN_E_IO, KILN_HINT_DFU_REPLUG,
                          "device stalled the request to %s and gives no reason (state %s)", what,
                          kiln_dfu_state_name(s.state));
}

enum kiln_status dfu_download(struct kiln_dfu *self, struct kiln_ctx *ctx, uint16_t block,
                              const uint8_t *bytes, size_t len, uint32_t timeout_ms,
                              const char *what)
{
    uint64_t saved = kiln_deadline_narrow(ctx, DFU_CONTROL_MS);
    uint8_t copy[DFU_TRANSFER_MAX]; /* the link's data pointer is not const */
    struct kiln_dfu_status s;
    enum kiln_status status;
    size_t ignored;

    memcpy(copy, bytes, len);
    status = request(self, ctx, KILN_DFU_REQUEST_OUT, KILN_DFU_DNLOAD, block, copy, len, &ignored);
    kiln_deadline_restore(ctx, saved);
    self->state = DFU_STATE_UNKNOWN;
    if (status == KILN_OK)
        status = dfu_settle(self, ctx, timeout_ms, &s);
    if (status == KILN_E_NAK)
        return explain_stall(self, ctx, what);
    if (status != KILN_OK)
        return status;
    if (s.status != KILN_DFU_OK || (s.state != KILN_DFU_DNLOAD_IDLE && s.state != KILN_DFU_IDLE))
        return dfu_refused(self, ctx, &s, what);
    return KILN_OK;
}

enum kiln_status dfu_download_end(struct kiln_dfu *self, struct kiln_ctx *ctx, uint16_t block)
{
    return short_request(self, ctx, KILN_DFU_DNLOAD, block);
}

enum kiln_status dfu_upload(struct kiln_dfu *self, struct kiln_ctx *ctx, uint16_t block,
                            uint8_t *bytes, size_t len, size_t *out_len, const char *what)
{
    uint64_t saved = kiln_deadline_narrow(ctx, DFU_CONTROL_MS);
    enum kiln_status status =
        request(self, ctx, KILN_DFU_REQUEST_IN, KILN_DFU_UPLOAD, block, bytes, len, out_len);

    kiln_deadline_restore(ctx, saved);
    self->state = status == KILN_OK && *out_len == len ? KILN_DFU_UPLOAD_IDLE : DFU_STATE_UNKNOWN;
    if (status == KILN_E_NAK)
        return explain_stall(self, ctx, what);
    if (status == KILN_OK && *out_len > len)
        return kiln_fail(ctx, KILN_E_PROTO, "device sent %zu bytes where %zu were asked for",
                         *out_len, len);
    return status;
}

/* A stall without reason, a line error, or a code that tells of a mix-up and not of the memory. */
static bool may_pass(const struct kiln_ctx *ctx, enum kiln_status status)
{
    if (status == KILN_E_NAK)
        return ctx->error.code == KILN_DFU_ERR_STALLEDPKT ||
               ctx->error.code == KILN_DFU_ERR_UNKNOWN || ctx->error.code == KILN_DFU_ERR_USBR;
    return status == KILN_E_IO || status == KILN_E_PROTO;
}

bool dfu_try_again(struct kiln_dfu *self, struct kiln_ctx *ctx, enum kiln_status status,
                   unsigned *tries)
{
    struct kiln_error first = ctx->error;

    self->run = DFU_RUN_NONE;
    if (!may_pass(ctx, status) || ++*tries > BLOCK_TRIES || ++self->retries > SESSION_TRIES)
        return false;
    kiln_log(ctx, KILN_LOG_WARN, "loader", "%s; trying again, more slowly", first.message);
    self->patient = true;
    if (kiln_sleep_ms(ctx, 10 * *tries) == KILN_OK && dfu_to_idle(self, ctx) == KILN_OK) {
        kiln_error_clear(ctx);
        return true;
    }
    if (ctx->error.status != KILN_E_CANCELLED)
        ctx->error = first;
    return false;
}

/* ---- the rest ---- */

enum kiln_status dfu_select_alt(struct kiln_dfu *self, struct kiln_ctx *ctx, uint8_t alt)
{
    if (self->alt == alt)
        return KILN_OK;
    self->run = DFU_RUN_NONE;
    self->alt = -1;
    if (self->state != KILN_DFU_IDLE && self->state != DFU_STATE_UNKNOWN)
        KILN_TRY(dfu_to_idle(self, ctx));
    KILN_TRY(kiln_usb_set_alt(self->link, ctx, self->interface, alt));
    self->alt = alt;
    self->state = DFU_STATE_UNKNOWN;
    return KILN_OK;
}

bool dfu_wait_gone(struct kiln_dfu *self, struct kiln_ctx *ctx, uint32_t timeout_ms)
{
    uint64_t end = kiln_ctx_now_ns(ctx) + (uint64_t)timeout_ms * KILN_NS_PER_MS;

    while (!kiln_usb_is_gone(self->link)) {
        if (kiln_ctx_now_ns(ctx) >= end || kiln_sleep_ms(ctx, 10) != KILN_OK)
            return false;
    }
    return true;
}

void dfu_note(struct kiln_dfu *self, struct kiln_ctx *ctx, const char *format, ...)
{
    char *notes = self->info.notes;
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    kiln_log(ctx, KILN_LOG_INFO, "loader", "%s", text);
    if (strlen(notes) + strlen(text) + 2 > sizeof self->info.notes)
        return;
    snprintf(notes + strlen(notes), sizeof self->info.notes - strlen(notes), "%s%s",
             notes[0] != '\0' ? "\n" : "", text);
}
