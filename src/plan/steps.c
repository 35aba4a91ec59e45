/* SPDX-License-Identifier: MIT */
/* From pages that are equal, blank or different to the list of steps. */
#include "plan/plan.h"

#include "base/bytes.h"

#include <stdlib.h>

/* A stretch of erased bytes this long is not sent. Shorter ones cost less than a new start address. */
#define HOLE_MIN 8192u
/* Where writing starts again behind a hole, and to what the end is rounded: a multiple of the transfer size
 * of every DFU ROM and of every flash word. */
#define HOLE_ALIGN 2048u

struct run {
    const struct kiln_plan_extent *extent;
    size_t index;
    size_t from, to; /* offsets in the extent, whole pages */
};

static enum kiln_status add_step(struct kiln_ctx *ctx, struct kiln_plan *plan,
                                 enum kiln_step_kind kind, const struct run *run, size_t from,
                                 size_t to)
{
    struct kiln_plan_step *grown;

    if (from == to)
        return KILN_OK;
    grown = realloc(plan->steps, (plan->step_count + 1) * sizeof *plan->steps);
    if (grown == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    plan->steps = grown;
    grown[plan->step_count++] = (struct kiln_plan_step){.kind = kind,
                                                        .extent = run->index,
                                                        .address = run->extent->address + from,
                                                        .size = to - from};
    switch (kind) {
    case KILN_STEP_SKIP:
        plan->skip_bytes += to - from;
        break;
    case KILN_STEP_ERASE:
        plan->erase_bytes += to - from;
        break;
    case KILN_STEP_WRITE:
        plan->write_bytes += to - from;
        break;
    case KILN_STEP_VERIFY:
        plan->verify_bytes += to - from;
        break;
    }
    return KILN_OK;
}

/* The first offset in [from, to) at which the wanted byte is (or with `erased` false: is not) erased. */
static size_t find_byte(const struct kiln_plan_extent *extent, size_t from, size_t to, bool erased)
{
    uint8_t blank = extent->region->erased;

    while (from < to && (extent->bytes[from] == blank) != erased)
        from++;
    return from;
}

/* Where the erased stretch that ends the data at `from` begins, if it is long enough to be left out or ends
 * the run; `to` otherwise. *out_next is where data begins again. */
static size_t find_hole(const struct kiln_plan_extent *extent, size_t from, size_t to,
                        size_t *out_next)
{
    for (;;) {
        size_t hole = find_byte(extent, from, to, true);
        size_t next = find_byte(extent, hole, to, false);

        if (next == to || next - hole >= HOLE_MIN) {
            *out_next = next;
            return hole;
        }
        from = next;
    }
}

/* Writes of a run that was erased before: only what is not erased anyway. */
static enum kiln_status add_sparse_writes(struct kiln_ctx *ctx, struct kiln_plan *plan,
                                          const struct run *run)
{
    size_t at = find_byte(run->extent, run->from, run->to, false);

    while (at < run->to) {
        size_t start = run->from + (size_t)kiln_round_down(at - run->from, HOLE_ALIGN);
        size_t next;
        size_t end = find_hole(run->extent, at, run->to, &next);

        end = KILN_MIN(run->from + (size_t)kiln_round_up(end - run->from, HOLE_ALIGN), run->to);
        KILN_TRY(add_step(ctx, plan, KILN_STEP_WRITE, run, start, end));
        at = next < end ? end : next;
    }
    return KILN_OK;
}

/* A loader that erases as it writes: erased stretches of whole pages are erased, the rest is written. */
static enum kiln_status add_erasing_writes(struct kiln_ctx *ctx, struct kiln_plan *plan,
                                           const struct run *run)
{
    size_t page = run->extent->page;
    size_t at = run->from;

    while (at < run->to) {
        size_t next;
        size_t hole = find_hole(run->extent, at, run->to, &next);

        hole = run->from + (size_t)kiln_round_up(hole - run->from, page);
        next =
            next == run->to ? run->to : run->from + (size_t)kiln_round_down(next - run->from, page);
        hole = KILN_MIN(hole, run->to);
        if (next < hole)
            next = hole;
        if (next - hole < HOLE_MIN)
            hole = next;
        KILN_TRY(add_step(ctx, plan, KILN_STEP_WRITE, run, at, hole));
        KILN_TRY(add_step(ctx, plan, KILN_STEP_ERASE, run, hole, next));
        at = next;
    }
    return KILN_OK;
}

/* Erases of the pages of a run that are not blank already. */
static enum kiln_status add_erases(struct kiln_ctx *ctx, struct kiln_plan *plan,
                                   const struct run *run)
{
    size_t page = run->extent->page;
    size_t start = run->from;

    for (size_t at = run->from; at <= run->to; at += page) {
        if (at < run->to && !(run->extent->covered[at / page] & KILN_PAGE_BLANK))
            continue;
        KILN_TRY(add_step(ctx, plan, KILN_STEP_ERASE, run, start, at));
        start = at + page;
    }
    return KILN_OK;
}

static enum kiln_status add_run(struct kiln_ctx *ctx, struct kiln_plan *plan, const struct run *run,
                                const struct kiln_plan_policy *policy)
{
    if (policy->needs_erase) {
        if (!policy->erase_all && (run->extent->region->access & KILN_REGION_ERASE))
            KILN_TRY(add_erases(ctx, plan, run));
        KILN_TRY(add_sparse_writes(ctx, plan, run));
    } else {
        KILN_TRY(add_erasing_writes(ctx, plan, run));
    }
    if (!policy->no_verify && (run->extent->region->access & KILN_REGION_READ))
        KILN_TRY(add_step(ctx, plan, KILN_STEP_VERIFY, run, run->from, run->to));
    return KILN_OK;
}

static bool page_equal(const struct kiln_plan_extent *extent, size_t at,
                       const struct kiln_plan_policy *policy)
{
    bool again = policy->full && (extent->region->flags & KILN_REGION_ONCE) == 0;

    return !again && (extent->covered[at / extent->page] & KILN_PAGE_EQUAL) != 0;
}

/* One write, up to where the data ends: FF that is encrypted is no erased flash. */
static enum kiln_status add_encrypted(struct kiln_ctx *ctx, struct kiln_plan *plan, size_t index,
                                      const struct kiln_plan_policy *policy)
{
    const struct kiln_plan_extent *extent = &plan->extents[index];
    uint32_t align = policy->encrypted_align != 0 ? policy->encrypted_align : extent->region->page;
    struct run run = {extent, index, 0, extent->size};

    if (policy->needs_erase)
        return kiln_fail(ctx, KILN_E_UNSUPPORTED, "this board encrypts nothing");
    return add_step(ctx, plan, KILN_STEP_WRITE, &run, 0,
                    (size_t)kiln_round_up(extent->used, align));
}

static enum kiln_status add_extent(struct kiln_ctx *ctx, struct kiln_plan *plan, size_t index,
                                   const struct kiln_plan_policy *policy)
{
    const struct kiln_plan_extent *extent = &plan->extents[index];
    size_t page = extent->page;
    size_t at = 0;

    if (extent->encrypted)
        return add_encrypted(ctx, plan, index, policy);
    while (at < extent->size) {
        struct run run = {extent, index, at, at};
        bool equal = page_equal(extent, at, policy);

        while (run.to < extent->size && page_equal(extent, run.to, policy) == equal)
            run.to += page;
        if (equal)
            KILN_TRY(add_step(ctx, plan, KILN_STEP_SKIP, &run, run.from, run.to));
        else
            KILN_TRY(add_run(ctx, plan, &run, policy));
        at = run.to;
    }
    return KILN_OK;
}

enum kiln_status kiln_plan_steps(struct kiln_ctx *ctx, const struct kiln_plan_policy *policy,
                                 struct kiln_plan *plan)
{
    free(plan->steps);
    plan->steps = NULL;
    plan->step_count = 0;
    plan->erase_bytes = plan->write_bytes = plan->skip_bytes = plan->verify_bytes = 0;
    for (unsigned rank = 0; rank < KILN_PLAN_RANKS; rank++)
        for (size_t i = 0; i < plan->extent_count; i++)
            if (kiln_plan_rank(policy, plan->extents[i].region, plan->extents[i].address) == rank)
                KILN_TRY(add_extent(ctx, plan, i, policy));
    return KILN_OK;
}
