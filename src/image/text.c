/* SPDX-License-Identifier: MIT */
#include "image/text.h"

#include "image/format.h"

#include <stdio.h>
#include <string.h>

#define X (-1)
/* clang-format off */
static const int8_t nibbles[256] = {
    X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
    X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, 0,1,2,3,4,5,6,7,8,9,X,X,X,X,X,X,
    X,10,11,12,13,14,15,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
    X,10,11,12,13,14,15,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
    X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
    X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
    X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
    X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X, X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,X,
};
/* clang-format on */
#undef X

int kiln_text_nibble(uint8_t c)
{
    return nibbles[c];
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == 0 || c == 0x1a;
}

size_t kiln_text_skip_blank(const uint8_t *bytes, size_t len, size_t at)
{
    if (at == 0 && len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        at = 3;
    while (at < len && blank(bytes[at]))
        at++;
    return at;
}

void kiln_text_init(struct kiln_text *text, const uint8_t *bytes, size_t len, char mark)
{
    *text = (struct kiln_text){.bytes = bytes, .len = len, .line = 1, .mark = mark};
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        text->at = 3;
}

static enum kiln_text_line bad(struct kiln_text *text, const char *problem)
{
    text->problem = problem;
    return KILN_TEXT_BAD;
}

/* Skips blanks; a line end counts once for CR LF, LF and CR. */
static void skip_lines(struct kiln_text *text)
{
    while (text->at < text->len && blank(text->bytes[text->at])) {
        uint8_t c = text->bytes[text->at++];

        if (c == '\r' && text->at < text->len && text->bytes[text->at] == '\n')
            text->at++;
        if (c == '\n' || c == '\r')
            text->line++;
    }
}

enum kiln_text_line kiln_text_next(struct kiln_text *text, struct kiln_text_record *out_record)
{
    const uint8_t *p, *end = text->bytes + text->len;

    skip_lines(text);
    out_record->line = text->line;
    out_record->offset = text->at;
    out_record->count = 0;
    out_record->kind = 0;
    if (text->at >= text->len)
        return KILN_TEXT_END;
    p = text->bytes + text->at;
    if (*p != (uint8_t)text->mark)
        return bad(text, text->mark == ':' ? "the line does not start with ':'"
                                           : "the line does not start with 'S'");
    p++;
    if (text->mark == 'S') {
        if (p == end || *p < '0' || *p > '9')
            return bad(text, "no digit behind the 'S'");
        out_record->kind = *p++;
    }
    while (end - p >= 2 && nibbles[p[0]] >= 0 && nibbles[p[1]] >= 0) {
        if (out_record->count == sizeof out_record->bytes)
            return bad(text, "the line is too long for a record");
        out_record->bytes[out_record->count++] = (uint8_t)(nibbles[p[0]] << 4 | nibbles[p[1]]);
        p += 2;
    }
    if (p < end && !blank(*p))
        return bad(text, "a character that is no hexadecimal digit");
    text->at = (size_t)(p - text->bytes);
    return KILN_TEXT_RECORD;
}

enum kiln_status kiln_text_bad(struct kiln_ctx *ctx, const struct kiln_text_record *record,
                               const char *format, ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return kiln_image_bad(ctx, record->offset, "line %zu: %s", record->line, text);
}

enum kiln_status kiln_text_put(struct kiln_buf *out, const char *mark, const uint8_t *bytes,
                               size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t mark_len = strlen(mark);
    uint8_t *p;

    KILN_TRY(kiln_buf_reserve(out, mark_len + 2 * len + 2));
    p = out->data + out->len;
    memcpy(p, mark, mark_len);
    p += mark_len;
    for (size_t i = 0; i < len; i++) {
        *p++ = (uint8_t)digits[bytes[i] >> 4];
        *p++ = (uint8_t)digits[bytes[i] & 15];
    }
    *p++ = '\r';
    *p++ = '\n';
    out->len += mark_len + 2 * len + 2;
    return KILN_OK;
}
