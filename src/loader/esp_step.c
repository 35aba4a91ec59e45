/* SPDX-License-Identifier: MIT */
/*
 * Requests and replies in step.
 *
 * A reply has no number, only the name of its command. One that comes after its request was given up would pass for the
 * reply to the next request of that name: a register reads as the one before it, and nothing looks wrong. However long
 * a link stalls, this much holds: nothing overtakes anything, a request has one reply at most and a SYNC eight. So the
 * reply to a SYNC that went out after a request proves that the request's own reply is through or lost. It must not be
 * the reply to an older SYNC; how many of these may be under way is known, since each SYNC was counted, and the reply
 * that exceeds their number is the proof. Bytes that are lost or dropped make the count too high, which costs a few
 * more SYNCs and no truth.
 */
#include "loader/esp.h"

#include "base/bytes.h"

#define RESYNCS        5
#define FRAMES_MAX     100 /* that are not replies to SYNC, in one wait */
#define FAR_SYNC_TIMES 10u
#define FAR_REPLY_MS   4000u

bool kiln_esp_is_far(const struct kiln_esp *esp)
{
    return (kiln_link_caps(esp->link) & KILN_LINK_NETWORK) != 0;
}

uint32_t kiln_esp_patience_ms(const struct kiln_esp *esp, uint32_t ms)
{
    return kiln_esp_is_far(esp) && ms < FAR_REPLY_MS ? FAR_REPLY_MS : ms;
}

void kiln_esp_expect(struct kiln_esp *esp)
{
    esp->late.open = true;
    esp->late.older = esp->late.syncs;
}

void kiln_esp_in_step(struct kiln_esp *esp)
{
    esp->late.open = false;
    esp->late.syncs = esp->late.older = 0;
}

/* Here what came before the reset was dropped with it; on a network it may still be on its way. */
void kiln_esp_was_reset(struct kiln_esp *esp)
{
    if (kiln_esp_is_far(esp))
        esp->late.older = esp->late.syncs;
}

/* Of the replies that a SYNC was counted with, what this one stands for: Kiln's flasher sends no other. */
static uint32_t worth(const struct kiln_esp_reply *reply)
{
    return reply->value == KILN_FLASHER_MAGIC ? KILN_ESP_SYNC_REPLIES : 1;
}

/* The next reply to a SYNC, whichever. */
static enum kiln_status next_sync(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t timeout_ms,
                                  struct kiln_esp_reply *out_reply)
{
    uint64_t saved = kiln_deadline_narrow(ctx, timeout_ms);
    enum kiln_status status = KILN_OK;
    unsigned error;
    bool found = false;

    for (int i = 0; i < FRAMES_MAX && status == KILN_OK && !found; i++) {
        status = kiln_esp_next_frame(esp, ctx, timeout_ms, "synchronise");
        found = status == KILN_OK && kiln_esp_parse_reply(esp->rx.frame, esp->rx.len, out_reply) &&
                out_reply->op == KILN_ESP_SYNC &&
                kiln_esp_judge(out_reply, 0, &error) == KILN_ESP_VERDICT_OK;
    }
    kiln_deadline_restore(ctx, saved);
    if (status != KILN_OK)
        return status;
    if (!found)
        return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_LOWER_BAUD,
                              "%d replies came and none of them belongs to a SYNC", FRAMES_MAX);
    esp->last_op = KILN_ESP_SYNC;
    esp->late.syncs -= KILN_MIN(esp->late.syncs, worth(out_reply));
    return KILN_OK;
}

/* The first reply that proves something. */
static enum kiln_status first_reply(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t timeout_ms,
                                    struct kiln_esp_reply *out_reply)
{
    for (;;) {
        unsigned heard = 0;

        KILN_TRY(kiln_esp_send_sync(esp, ctx));
        for (; heard < KILN_ESP_SYNC_REPLIES; heard++) {
            enum kiln_status status = next_sync(esp, ctx, timeout_ms, out_reply);

            if (status == KILN_E_TIMEOUT && heard > 0 && !kiln_deadline_passed(ctx))
                break;
            if (status != KILN_OK || esp->late.older == 0)
                return status;
            esp->late.older -= KILN_MIN(esp->late.older, worth(out_reply));
        }
    }
}

/* Those that follow it, so that they are not in the way later; and who sends them. */
static enum kiln_status surplus(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t timeout_ms,
                                bool *stub)
{
    struct kiln_esp_reply reply;

    for (unsigned i = 1; i < KILN_ESP_SYNC_REPLIES; i++) {
        enum kiln_status status = next_sync(esp, ctx, timeout_ms, &reply);

        if (status == KILN_E_PROTO || (status == KILN_E_TIMEOUT && !kiln_deadline_passed(ctx)))
            break;
        if (status != KILN_OK)
            return status;
        *stub = *stub && reply.value == 0;
    }
    kiln_error_clear(ctx);
    return KILN_OK;
}

enum kiln_status kiln_esp_sync(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint32_t timeout_ms = esp->timing.sync_ms * (kiln_esp_is_far(esp) ? FAR_SYNC_TIMES : 1);
    struct kiln_esp_reply reply;
    bool stub;

    KILN_TRY(first_reply(esp, ctx, timeout_ms, &reply));
    esp->late.open = false;
    esp->flasher = reply.value == KILN_FLASHER_MAGIC;
    stub = esp->flasher || reply.value == 0;
    if (!esp->flasher)
        KILN_TRY(surplus(esp, ctx, timeout_ms / 2, &stub));
    esp->stub = stub;
    return KILN_OK;
}

enum kiln_status kiln_esp_resync(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    enum kiln_status status = KILN_OK;

    for (int i = 0; i < RESYNCS; i++) {
        KILN_TRY(kiln_sleep_ms(ctx, 50));
        KILN_TRY(kiln_esp_flush(esp, ctx));
        status = kiln_esp_sync(esp, ctx);
        if (!kiln_esp_may_retry(ctx, status))
            return status;
    }
    return status;
}
