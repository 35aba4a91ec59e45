/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kiln_buf_init(struct kiln_buf *buf, size_t ceiling)
{
    *buf = (struct kiln_buf){.ceiling = ceiling};
}

void kiln_buf_dispose(struct kiln_buf *buf)
{
    free(buf->data);
    *buf = (struct kiln_buf){.ceiling = buf->ceiling};
}

void kiln_buf_clear(struct kiln_buf *buf)
{
    buf->len = 0;
}

enum kiln_status kiln_buf_reserve(struct kiln_buf *buf, size_t extra)
{
    size_t wanted, capacity;
    uint8_t *grown;

    if (extra > buf->ceiling || buf->len > buf->ceiling - extra)
        return KILN_E_NOMEM;
    wanted = buf->len + extra;
    if (wanted <= buf->capacity)
        return KILN_OK;
    capacity = buf->capacity < 64 ? 64 : buf->capacity;
    while (capacity < wanted)
        capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
    if (capacity > buf->ceiling)
        capacity = buf->ceiling;
    grown = realloc(buf->data, capacity);
    if (grown == NULL)
        return KILN_E_NOMEM;
    buf->data = grown;
    buf->capacity = capacity;
    return KILN_OK;
}

enum kiln_status kiln_buf_append(struct kiln_buf *buf, const void *bytes, size_t len)
{
    enum kiln_status status = kiln_buf_reserve(buf, len);

    if (status != KILN_OK || len == 0)
        return status;
    memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    return KILN_OK;
}

enum kiln_status kiln_buf_fill(struct kiln_buf *buf, uint8_t byte, size_t count)
{
    enum kiln_status status = kiln_buf_reserve(buf, count);

    if (status != KILN_OK || count == 0)
        return status;
    memset(buf->data + buf->len, byte, count);
    buf->len += count;
    return KILN_OK;
}

enum kiln_status kiln_buf_printf(struct kiln_buf *buf, const char *format, ...)
{
    va_list args;
    int needed;
    enum kiln_status status;

    va_start(args, format);
    needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (needed < 0)
        return KILN_E_INTERNAL;
    status = kiln_buf_reserve(buf, (size_t)needed + 1);
    if (status != KILN_OK)
        return status;
    va_start(args, format);
    vsnprintf((char *)buf->data + buf->len, (size_t)needed + 1, format, args);
    va_end(args);
    buf->len += (size_t)needed;
    return KILN_OK;
}

void kiln_buf_consume(struct kiln_buf *buf, size_t count)
{
    if (count >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->data, buf->data + count, buf->len - count);
    buf->len -= count;
}
