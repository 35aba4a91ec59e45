/* SPDX-License-Identifier: MIT */
/* Renderers draw the events of one or more jobs. They decide nothing. */
#ifndef KILN_CLI_RENDER_H
#define KILN_CLI_RENDER_H

#include "cli/cli.h"

struct renderer;

struct renderer_ops {
    /* One event of job number `job`. */
    void (*event)(struct renderer *self, size_t job, const struct kiln_event *event);
    /* A line of our own between the events ("Stopping ..."). */
    void (*notice)(struct renderer *self, const char *text);
    /* After the last event. */
    void (*end)(struct renderer *self);
    void (*free)(struct renderer *self);
};

struct renderer {
    const struct renderer_ops *ops;
    const struct cli *cli;
    size_t job_count;
};

/* The one that fits the options and the terminal; NULL when out of memory. */
struct renderer *renderer_new(const struct cli *cli, size_t job_count);

struct renderer *renderer_json_new(const struct cli *cli, size_t job_count);
struct renderer *renderer_lines_new(const struct cli *cli, size_t job_count);

/*
 * For look-alikes: runs the request as it stands, with its `device`, and lets `renderer` draw it (and frees
 * that by its op). Returns Kiln's exit status.
 */
int cli_run_job_drawn(struct cli *cli, struct kiln_request *request, struct renderer *renderer);

/* ---- text shared by the line renderers ---- */

/* What an event says to a person as whole lines (each with newline), "" if nothing. */
void render_text(const struct cli *cli, const struct kiln_event *event, size_t job_count, char *out,
                 size_t cap);

/* "Writing", "Comparing", ... */
const char *render_phase_title(enum kiln_phase phase);

#endif
