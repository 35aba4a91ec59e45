/* SPDX-License-Identifier: MIT */
/* What Intel HEX and S-records share: lines of hexadecimal bytes behind a mark. */
#ifndef KILN_IMAGE_TEXT_H
#define KILN_IMAGE_TEXT_H

#include "base/buf.h"
#include "base/ctx.h"

struct kiln_text {
    const uint8_t *bytes;
    size_t len, at;
    size_t line; /* lines with a record so far, or the number of the last one */
    char mark;
    const char *problem; /* after KILN_TEXT_BAD */
};

struct kiln_text_record {
    size_t line, offset;
    uint8_t kind; /* the character behind the 'S' of an S-record, else 0 */
    uint8_t bytes[300];
    size_t count;
};

enum kiln_text_line { KILN_TEXT_END, KILN_TEXT_RECORD, KILN_TEXT_BAD };

int kiln_text_nibble(uint8_t c); /* -1 if it is no hexadecimal digit */

/* The first place from `at` on that is neither white space nor padding (NUL, Ctrl-Z, BOM). */
size_t kiln_text_skip_blank(const uint8_t *bytes, size_t len, size_t at);

void kiln_text_init(struct kiln_text *text, const uint8_t *bytes, size_t len, char mark);

/* The next line that holds anything. */
enum kiln_text_line kiln_text_next(struct kiln_text *text, struct kiln_text_record *out_record);

/* FILE: "line N: ..." with the file offset. */
enum kiln_status kiln_text_bad(struct kiln_ctx *ctx, const struct kiln_text_record *record,
                               const char *format, ...) KILN_PRINTF(3, 4);

/* Appends mark, the bytes in upper-case hexadecimal, and CR LF as objcopy writes it. */
KILN_MUST_USE enum kiln_status kiln_text_put(struct kiln_buf *out, const char *mark,
                                             const uint8_t *bytes, size_t len);

#endif
