/* SPDX-License-Identifier: MIT */
/* The trace format of docs/trace.md: how a line is written and how it is read. */
#ifndef KILN_LINK_TRACE_H
#define KILN_LINK_TRACE_H

#include "link/link.h"

#define KILN_TRACE_HEAD      "kiln-trace 1"
#define KILN_TRACE_ARGS      8
#define KILN_TRACE_FILE_MAX  (256u << 20)
#define KILN_TRACE_LINKS_MAX 100

/* One line, as slices of the text it was read from. */
struct kiln_trace_slice {
    const char *at;
    size_t len;
};

struct kiln_trace_line {
    size_t number; /* of the line in the file, from 1 */
    uint64_t start_us, took_us;
    unsigned link;
    struct kiln_trace_slice op;
    struct kiln_trace_slice arg[KILN_TRACE_ARGS];
    size_t arg_count;
    bool has_result;
    enum kiln_status status;
    struct kiln_trace_slice result; /* what follows the status, empty if nothing does */
};

struct kiln_trace_cursor {
    const char *at, *end;
    size_t number;
};

/* Checks the head line. FILE if `text` is no trace. */
KILN_MUST_USE enum kiln_status kiln_trace_begin(struct kiln_ctx *ctx, const char *text, size_t len,
                                                struct kiln_trace_cursor *out_cursor);

/* The next line that is neither empty nor a comment. *out_more is false at the end. FILE with the line
 * number if the line is malformed. */
KILN_MUST_USE enum kiln_status kiln_trace_next(struct kiln_ctx *ctx,
                                               struct kiln_trace_cursor *cursor,
                                               struct kiln_trace_line *out_line, bool *out_more);

bool kiln_trace_is(const struct kiln_trace_slice *slice, const char *word);

/* False if the slice is not wholly a number in this base, or above `max`. */
bool kiln_trace_number(const struct kiln_trace_slice *slice, unsigned base, uint64_t max,
                       uint64_t *out_value);

/* Bytes written as hex; "-" is none. False if malformed or more than `cap`. */
bool kiln_trace_bytes(const struct kiln_trace_slice *slice, uint8_t *bytes, size_t cap,
                      size_t *out_len);

/* A text with %XX for what is not plain; "-" is "". False if malformed or too long. */
bool kiln_trace_text(const struct kiln_trace_slice *slice, char *text, size_t cap);

#endif
