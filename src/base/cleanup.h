/* SPDX-License-Identifier: MIT */
/*
 * The clean-up stack of a job: what must be undone before the board is left, last in first out.
 *
 * The actions run shielded: cancel is ignored and each has a short deadline of its own, so that a
 * cancelled or failed job still leaves DFU mode or releases the reset line.
 */
#ifndef KILN_BASE_CLEANUP_H
#define KILN_BASE_CLEANUP_H

#include "base/ctx.h"

#define KILN_CLEANUP_MAX        16
#define KILN_CLEANUP_TIMEOUT_MS 2000

struct kiln_cleanup {
    struct {
        void (*action)(void *self, struct kiln_ctx *ctx);
        void *self;
    } item[KILN_CLEANUP_MAX];
    size_t count;
};

void kiln_cleanup_init(struct kiln_cleanup *stack);

/* NOMEM when the stack is full: a defect, the number of actions is known at build time. */
KILN_MUST_USE enum kiln_status kiln_cleanup_push(struct kiln_cleanup *stack,
                                                 void (*action)(void *self, struct kiln_ctx *ctx),
                                                 void *self);

/* Removes the last entry with this `self` without running it: the thing was done in the ordinary way. */
void kiln_cleanup_drop(struct kiln_cleanup *stack, void *self);

/* Runs and removes everything. The context's error slot is kept as it was. */
void kiln_cleanup_run(struct kiln_cleanup *stack, struct kiln_ctx *ctx);

#endif
