/* SPDX-License-Identifier: MIT */
/* lint-as: src/loader/sample.c */
#include "base/ctx.h"

enum kiln_status settle(struct kiln_ctx *ctx, unsigned time)
{
    ctx->clock->ops->sleep_until(ctx->clock, ctx, time);
    return kiln_sleep_ms(ctx, time);
}
