/* SPDX-License-Identifier: MIT */
/* What the boot ROMs, second-stage loaders and run-time systems mean by what they say. One table. */
#ifndef KILN_MONITOR_EXPLAIN_H
#define KILN_MONITOR_EXPLAIN_H

#include "base/buf.h"

struct kiln_explain {
    const void *last; /* the row that was explained last, so that a repetition is not */
    uint32_t told;    /* the rows that are said once only */
};

/* Appends one line for each thing in `text` that has a meaning. */
void kiln_explain_line(struct kiln_explain *explain, const char *text, struct kiln_buf *out);

#endif
