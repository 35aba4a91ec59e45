/* SPDX-License-Identifier: MIT */
/* The trace parser and the readers of its fields. */
#include "link/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_fields(const struct kiln_trace_slice *slice)
{
    uint8_t bytes[64];
    char text[64];
    uint64_t number;
    size_t len;

    (void)kiln_trace_bytes(slice, bytes, sizeof bytes, &len);
    (void)kiln_trace_text(slice, text, sizeof text);
    (void)kiln_trace_number(slice, 10, UINT64_MAX, &number);
    (void)kiln_trace_number(slice, 16, 0xFFFF, &number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_virtual_clock clock;
    struct kiln_trace_cursor cursor;
    struct kiln_trace_line line;
    struct kiln_ctx ctx;
    bool more = true;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    if (kiln_trace_begin(&ctx, (const char *)data, size, &cursor) != KILN_OK)
        return 0;
    while (kiln_trace_next(&ctx, &cursor, &line, &more) == KILN_OK && more) {
        for (size_t i = 0; i < line.arg_count; i++)
            read_fields(&line.arg[i]);
        read_fields(&line.result);
    }
    return 0;
}
