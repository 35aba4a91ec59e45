/* SPDX-License-Identifier: MIT */
/* A simulated board on a clock of its own, and jobs on it. */
#ifndef KILN_TESTS_UNIT_SIM_BED_H
#define KILN_TESTS_UNIT_SIM_BED_H

#include "job/job_internal.h"
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct sim_bed {
    struct kiln_virtual_clock clock;
    struct kiln_sim_uart *uart; /* or */
    struct kiln_sim_usb *usb;
};

/* `board` as after "sim:"; the power goes in the middle of a flash operation, or KILN_SIM_NEVER. */
static inline void sim_bed_open(struct sim_bed *bed, const char *board, int64_t power_cut_at)
{
    const struct kiln_sim_board *row;
    struct kiln_sim_knobs knobs;
    struct kiln_ctx ctx;

    *bed = (struct sim_bed){0};
    kiln_virtual_clock_init(&bed->clock);
    kiln_ctx_init(&ctx, &bed->clock.base);
    assert_int_equal(kiln_sim_knobs_parse(&ctx, board, &knobs), KILN_OK);
    if (power_cut_at != KILN_SIM_NEVER)
        knobs.power_cut_at = power_cut_at;
    row = kiln_sim_board_find(knobs.board);
    assert_non_null(row);
    if (row->make_uart != NULL)
        assert_int_equal(row->make_uart(&ctx, &knobs, &bed->uart), KILN_OK);
    else
        assert_int_equal(row->make_usb(&ctx, &knobs, &bed->usb), KILN_OK);
}

static inline void sim_bed_close(struct sim_bed *bed)
{
    if (bed->uart != NULL)
        bed->uart->ops->free(bed->uart);
    if (bed->usb != NULL)
        bed->usb->ops->free(bed->usb);
}

static inline uint8_t *sim_bed_flash(const struct sim_bed *bed, size_t *out_size)
{
    return bed->uart != NULL ? bed->uart->ops->flash(bed->uart, out_size)
                             : bed->usb->ops->flash(bed->usb, out_size);
}

/* Runs a job to its end; `take` gets its events. `fault` may be NULL. */
static inline void sim_bed_run(struct sim_bed *bed, const struct kiln_request *request,
                               struct kiln_fault *fault,
                               void (*take)(void *user, const struct kiln_event *event), void *user)
{
    struct kiln_job_hooks hooks = {bed->uart, bed->usb, &bed->clock.base, fault};
    struct kiln_event event;
    struct kiln_job *job;

    assert_int_equal(kiln_job_create_on(request, &hooks, &job), KILN_OK);
    kiln_job_run_here(job);
    while (kiln_job_next_event(job, &event, 0))
        take(user, &event);
    kiln_job_free(job);
}

#endif
