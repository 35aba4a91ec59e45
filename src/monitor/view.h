/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the board's bytes on their way to the eye: line ends, times, colour, hexadecimal,
 * visible control characters, filters, and lines that explain a line. Bytes in, bytes out, no I/O.
 */
#ifndef KILN_MONITOR_VIEW_H
#define KILN_MONITOR_VIEW_H

#include "base/buf.h"
#include "monitor/recode.h"

#include <kiln/monitor.h>
#include <regex.h>

#define KILN_VIEW_LINE_MAX 4096u /* longer lines are cut in pieces */

/* Adds what it knows about a finished line to `out`: text lines, each ended by '\n'. */
struct kiln_annotator {
    void (*line)(void *user, const char *text, struct kiln_buf *out);
    void *user;
};

struct kiln_view_options {
    enum kiln_monitor_line_end line_end;
    enum kiln_monitor_time time;
    bool hex, color, json;
    enum kiln_monitor_show show;
    unsigned columns;                        /* of the screen; 0: lines may be of any length */
    char level;                              /* see kiln_monitor_options */
    const regex_t *filter;                   /* borrowed, NULL: none */
    int64_t wall_ns;                         /* the time of day at 0 of the session's clock */
    const struct kiln_annotator *annotators; /* borrowed */
    size_t annotator_count;
};

struct kiln_view {
    struct kiln_view_options options;
    struct kiln_recode recode; /* from the board's encoding */
    struct kiln_buf line;      /* the line so far, as it came, without line end */
    struct kiln_buf notes;     /* what the annotators said */
    size_t shown;              /* how much of the line has gone out */
    bool started;              /* the line's prefix has gone out */
    bool colored;              /* its colour is on */
    bool cr;                   /* a CR waits for what follows */
    bool mid_line;             /* what went out does not end with a newline */
    uint64_t line_ns, last_ns; /* when this line and the one before began */
    bool any_line;
    uint8_t row[16]; /* hexadecimal view */
    size_t row_len;
    uint64_t offset;
};

void kiln_view_init(struct kiln_view *view, const struct kiln_view_options *options);
void kiln_view_dispose(struct kiln_view *view);

/* The board's encoding from now on; NULL: UTF-8. False, and nothing changes, if there is none of this name. */
KILN_MUST_USE bool kiln_view_set_encoding(struct kiln_view *view, const char *encoding);

/* Bytes that came at `now_ns`; what to show is appended to `out`, as far as there is memory. */
void kiln_view_put(struct kiln_view *view, uint64_t now_ns, const uint8_t *bytes, size_t len,
                   struct kiln_buf *out);

/* Nothing came for a while: shows what was held back in the hope of more. */
void kiln_view_idle(struct kiln_view *view, uint64_t now_ns, struct kiln_buf *out);

/* Ends the line that is being shown, so that another text can follow. */
void kiln_view_break(struct kiln_view *view, struct kiln_buf *out);

/* 'E' 'W' 'I' 'D' 'V' of a log line of ESP-IDF, Arduino-ESP32 or Zephyr, 0 for any other line. */
char kiln_log_level_of(const char *line, size_t len);

#endif
