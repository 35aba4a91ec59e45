/* SPDX-License-Identifier: MIT */
/* On iconv(3), which is part of the C library. */
#include "monitor/recode.h"

#include "base/bytes.h"
#include "monitor/text.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

bool kiln_recode_is_utf8(const char *name)
{
    return strcasecmp(name, "utf-8") == 0 || strcasecmp(name, "utf8") == 0;
}

/* Spellings of one name that programs take for the same: "latin-1", "iso8859_15". */
static bool respell(const char *name, int how, char *text, size_t cap)
{
    size_t len = 0;

    for (; *name != '\0' && len + 1 < cap; name++)
        if (how == 0 || (*name != '_' && *name != '-'))
            text[len++] = *name;
        else if (how == 1)
            text[len++] = '-';
    text[len] = '\0';
    return *name == '\0';
}

bool kiln_recode_open(struct kiln_recode *recode, const char *from, const char *to)
{
    char one[64], other[64];

    memset(recode, 0, sizeof *recode);
    for (int how = 0; how < 3 && !recode->on; how++) {
        if (!respell(from, how, one, sizeof one) || !respell(to, how, other, sizeof other))
            return false;
        recode->handle = iconv_open(other, one);
        recode->on = recode->handle != (iconv_t)-1;
    }
    recode->from_utf8 = kiln_recode_is_utf8(from);
    recode->instead = kiln_recode_is_utf8(to) ? "\xef\xbf\xbd" : "?";
    return recode->on;
}

void kiln_recode_close(struct kiln_recode *recode)
{
    if (recode->on)
        iconv_close(recode->handle);
    recode->on = false;
}

/* Converts from `in` on; moves it behind what was used. */
static void convert(struct kiln_recode *recode, char **in, size_t *len, struct kiln_buf *out)
{
    while (*len > 0) {
        char piece[512], *to = piece;
        size_t room = sizeof piece;
        size_t bad = iconv(recode->handle, in, len, &to, &room);
        int error = errno, skip;

        (void)!kiln_buf_append(out, piece, sizeof piece - room);
        if (bad != (size_t)-1 || error == E2BIG)
            continue;
        if (error == EINVAL)
            return; /* the rest of this character is still to come */
        (void)!kiln_buf_append(out, recode->instead, strlen(recode->instead));
        skip = recode->from_utf8 ? kiln_text_utf8(*in, *len) : 1;
        *in += skip > 0 ? skip : 1;
        *len -= skip > 0 ? (size_t)skip : 1;
        (void)iconv(recode->handle, NULL, NULL, NULL, NULL);
    }
}

void kiln_recode_put(struct kiln_recode *recode, const uint8_t *bytes, size_t len,
                     struct kiln_buf *out)
{
    char piece[256 + sizeof recode->rest];

    if (!recode->on) {
        (void)!kiln_buf_append(out, bytes, len);
        return;
    }
    while (len > 0) {
        size_t part = KILN_MIN(len, sizeof piece - recode->rest_len);
        size_t left = recode->rest_len + part;
        char *at = piece;

        memcpy(piece, recode->rest, recode->rest_len);
        memcpy(piece + recode->rest_len, bytes, part);
        bytes += part;
        len -= part;
        convert(recode, &at, &left, out);
        /* A beginning longer than any character is none. */
        if (left > sizeof recode->rest) {
            (void)!kiln_buf_append(out, recode->instead, strlen(recode->instead));
            left = 0;
        }
        memcpy(recode->rest, at, left);
        recode->rest_len = left;
    }
}
