/* SPDX-License-Identifier: MIT */
#include "base/ctx.h"

#include <stdio.h>
#include <string.h>

static uint64_t virtual_now(struct kiln_clock *self)
{
    return ((struct kiln_virtual_clock *)self)->now_ns;
}

static enum kiln_status virtual_sleep(struct kiln_clock *self, struct kiln_ctx *ctx, uint64_t t_ns)
{
    struct kiln_virtual_clock *clock = (struct kiln_virtual_clock *)self;

    if (kiln_ctx_cancelled(ctx))
        return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
    if (t_ns > clock->now_ns)
        clock->now_ns = t_ns;
    return KILN_OK;
}

static const struct kiln_clock_ops virtual_ops = {virtual_now, virtual_sleep};

void kiln_virtual_clock_init(struct kiln_virtual_clock *self)
{
    self->base.ops = &virtual_ops;
    self->now_ns = 0;
}

void kiln_ctx_init(struct kiln_ctx *ctx, struct kiln_clock *clock)
{
    memset(ctx, 0, sizeof *ctx);
    ctx->clock = clock;
    ctx->deadline_ns = KILN_NO_DEADLINE;
}

uint64_t kiln_ctx_now_ns(const struct kiln_ctx *ctx)
{
    return ctx->clock->ops->now_ns(ctx->clock);
}

uint64_t kiln_deadline_narrow(struct kiln_ctx *ctx, uint32_t timeout_ms)
{
    uint64_t saved = ctx->deadline_ns;
    uint64_t wanted = kiln_ctx_now_ns(ctx) + (uint64_t)timeout_ms * KILN_NS_PER_MS;

    if (wanted < saved)
        ctx->deadline_ns = wanted;
    return saved;
}

void kiln_deadline_restore(struct kiln_ctx *ctx, uint64_t saved)
{
    ctx->deadline_ns = saved;
}

bool kiln_deadline_passed(const struct kiln_ctx *ctx)
{
    return ctx->deadline_ns != KILN_NO_DEADLINE && kiln_ctx_now_ns(ctx) >= ctx->deadline_ns;
}

uint32_t kiln_deadline_left_ms(const struct kiln_ctx *ctx)
{
    uint64_t now = kiln_ctx_now_ns(ctx);
    uint64_t left;

    if (ctx->deadline_ns == KILN_NO_DEADLINE)
        return UINT32_MAX;
    if (now >= ctx->deadline_ns)
        return 0;
    left = (ctx->deadline_ns - now + KILN_NS_PER_MS - 1) / KILN_NS_PER_MS;
    return left < UINT32_MAX ? (uint32_t)left : UINT32_MAX - 1;
}

bool kiln_ctx_cancelled(const struct kiln_ctx *ctx)
{
    return ctx->cancel != NULL && ctx->shield == 0 && atomic_load(&ctx->cancel->fired);
}

enum kiln_status kiln_ctx_check(struct kiln_ctx *ctx)
{
    if (kiln_ctx_cancelled(ctx))
        return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
    if (kiln_deadline_passed(ctx))
        return kiln_fail(ctx, KILN_E_TIMEOUT, "no answer in time");
    return KILN_OK;
}

enum kiln_status kiln_sleep_ms(struct kiln_ctx *ctx, uint32_t ms)
{
    uint64_t until = kiln_ctx_now_ns(ctx) + (uint64_t)ms * KILN_NS_PER_MS;
    bool cut = until > ctx->deadline_ns;

    KILN_TRY(ctx->clock->ops->sleep_until(ctx->clock, ctx, cut ? ctx->deadline_ns : until));
    if (cut)
        return kiln_fail(ctx, KILN_E_TIMEOUT, "no answer in time");
    return KILN_OK;
}

static void set_error(struct kiln_ctx *ctx, enum kiln_status status, enum kiln_hint hint)
{
    memset(&ctx->error, 0, sizeof ctx->error);
    ctx->error.status = status;
    ctx->error.hint = hint;
}

enum kiln_status kiln_fail(struct kiln_ctx *ctx, enum kiln_status status, const char *format, ...)
{
    va_list args;

    set_error(ctx, status, KILN_HINT_NONE);
    va_start(args, format);
    vsnprintf(ctx->error.message, sizeof ctx->error.message, format, args);
    va_end(args);
    return status;
}

enum kiln_status kiln_fail_hint(struct kiln_ctx *ctx, enum kiln_status status, enum kiln_hint hint,
                                const char *format, ...)
{
    va_list args;

    set_error(ctx, status, hint);
    va_start(args, format);
    vsnprintf(ctx->error.message, sizeof ctx->error.message, format, args);
    va_end(args);
    return status;
}

enum kiln_status kiln_fail_code(struct kiln_ctx *ctx, int64_t code)
{
    ctx->error.code = code;
    return ctx->error.status;
}

enum kiln_status kiln_fail_at(struct kiln_ctx *ctx, uint64_t address)
{
    ctx->error.address = address;
    ctx->error.has_address = true;
    return ctx->error.status;
}

enum kiln_status kiln_while(struct kiln_ctx *ctx, const char *format, ...)
{
    va_list args;

    if (ctx->error.context[0] == '\0') {
        va_start(args, format);
        vsnprintf(ctx->error.context, sizeof ctx->error.context, format, args);
        va_end(args);
    }
    return ctx->error.status;
}

void kiln_error_clear(struct kiln_ctx *ctx)
{
    set_error(ctx, KILN_OK, KILN_HINT_NONE);
}

void kiln_log(struct kiln_ctx *ctx, enum kiln_log_level level, const char *domain,
              const char *format, ...)
{
    char text[512];
    va_list args;

    if (ctx->log == NULL || level < ctx->log->level)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ctx->log->line(ctx->log->user, level, domain, text);
}
