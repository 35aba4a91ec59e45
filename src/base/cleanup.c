/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"

#include <string.h>

void kiln_cleanup_init(struct kiln_cleanup *stack)
{
    stack->count = 0;
}

enum kiln_status kiln_cleanup_push(struct kiln_cleanup *stack,
                                   void (*action)(void *self, struct kiln_ctx *ctx), void *self)
{
    if (stack->count == KILN_CLEANUP_MAX)
        return KILN_E_NOMEM;
    stack->item[stack->count].action = action;
    stack->item[stack->count].self = self;
    stack->count++;
    return KILN_OK;
}

void kiln_cleanup_drop(struct kiln_cleanup *stack, void *self)
{
    for (size_t i = stack->count; i-- > 0;) {
        if (stack->item[i].self != self)
            continue;
        memmove(&stack->item[i], &stack->item[i + 1],
                (stack->count - i - 1) * sizeof stack->item[0]);
        stack->count--;
        return;
    }
}

void kiln_cleanup_run(struct kiln_cleanup *stack, struct kiln_ctx *ctx)
{
    struct kiln_error error = ctx->error;
    uint64_t saved = ctx->deadline_ns;

    ctx->shield++;
    while (stack->count > 0) {
        stack->count--;
        ctx->deadline_ns = KILN_NO_DEADLINE;
        kiln_deadline_narrow(ctx, KILN_CLEANUP_TIMEOUT_MS);
        stack->item[stack->count].action(stack->item[stack->count].self, ctx);
    }
    ctx->shield--;
    ctx->deadline_ns = saved;
    ctx->error = error;
}
