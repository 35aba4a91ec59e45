/* SPDX-License-Identifier: MIT */
/* A growable byte buffer with a ceiling, so that a length from a file or a device cannot eat the host. */
#ifndef KILN_BASE_BUF_H
#define KILN_BASE_BUF_H

#include <kiln/status.h>

struct kiln_buf {
    uint8_t *data;
    size_t len;
    size_t capacity;
    size_t ceiling;
};

/* Starts empty; nothing is allocated yet. `ceiling` is the largest length it will ever take. */
void kiln_buf_init(struct kiln_buf *buf, size_t ceiling);
void kiln_buf_dispose(struct kiln_buf *buf);
void kiln_buf_clear(struct kiln_buf *buf);

/* NOMEM when out of memory or above the ceiling; the contents are kept then. */
KILN_MUST_USE enum kiln_status kiln_buf_reserve(struct kiln_buf *buf, size_t extra);
KILN_MUST_USE enum kiln_status kiln_buf_append(struct kiln_buf *buf, const void *bytes, size_t len);
KILN_MUST_USE enum kiln_status kiln_buf_fill(struct kiln_buf *buf, uint8_t byte, size_t count);
KILN_MUST_USE enum kiln_status kiln_buf_printf(struct kiln_buf *buf, const char *format, ...)
    KILN_PRINTF(2, 3);

/* Removes `count` bytes from the front. */
void kiln_buf_consume(struct kiln_buf *buf, size_t count);

#endif
