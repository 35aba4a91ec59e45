/* SPDX-License-Identifier: MIT */
#include "link/trace.h"

#include <string.h>

enum kiln_status kiln_trace_begin(struct kiln_ctx *ctx, const char *text, size_t len,
                                  struct kiln_trace_cursor *out_cursor)
{
    const size_t head_len = strlen(KILN_TRACE_HEAD);

    if (len <= head_len || memcmp(text, KILN_TRACE_HEAD, head_len) != 0 || text[head_len] != '\n')
        return kiln_fail(ctx, KILN_E_FILE, "the file is no trace: it does not begin with \"%s\"",
                         KILN_TRACE_HEAD);
    *out_cursor = (struct kiln_trace_cursor){text + head_len + 1, text + len, 1};
    return KILN_OK;
}

bool kiln_trace_is(const struct kiln_trace_slice *slice, const char *word)
{
    return slice->len == strlen(word) && memcmp(slice->at, word, slice->len) == 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool kiln_trace_number(const struct kiln_trace_slice *slice, unsigned base, uint64_t max,
                       uint64_t *out_value)
{
    uint64_t value = 0;

    if (slice->len == 0 || slice->len > 20)
        return false;
    for (size_t i = 0; i < slice->len; i++) {
        int digit = hex_digit(slice->at[i]);

        if (digit < 0 || (unsigned)digit >= base || value > (max - (unsigned)digit) / base)
            return false;
        value = value * base + (unsigned)digit;
    }
    *out_value = value;
    return value <= max;
}

bool kiln_trace_bytes(const struct kiln_trace_slice *slice, uint8_t *bytes, size_t cap,
                      size_t *out_len)
{
    *out_len = 0;
    if (kiln_trace_is(slice, "-"))
        return true;
    if (slice->len % 2 != 0 || slice->len / 2 > cap)
        return false;
    for (size_t i = 0; i < slice->len; i += 2) {
        int high = hex_digit(slice->at[i]), low = hex_digit(slice->at[i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    *out_len = slice->len / 2;
    return true;
}

bool kiln_trace_text(const struct kiln_trace_slice *slice, char *text, size_t cap)
{
    size_t used = 0;

    text[0] = '\0';
    if (kiln_trace_is(slice, "-"))
        return true;
    for (size_t i = 0; i < slice->len; i++) {
        char c = slice->at[i];

        if (used + 1 >= cap)
            return false;
        if (c == '%') {
            bool whole = i + 2 < slice->len;
            int high = whole ? hex_digit(slice->at[i + 1]) : -1;
            int low = whole ? hex_digit(slice->at[i + 2]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        text[used++] = c;
    }
    text[used] = '\0';
    return true;
}

static bool next_word(const char **at, const char *end, struct kiln_trace_slice *out_word)
{
    const char *space;

    while (*at < end && **at == ' ')
        ++*at;
    space = *at < end ? memchr(*at, ' ', (size_t)(end - *at)) : NULL;
    *out_word = (struct kiln_trace_slice){*at, (size_t)((space == NULL ? end : space) - *at)};
    *at += out_word->len;
    return out_word->len > 0;
}

static bool find_status(const struct kiln_trace_slice *word, enum kiln_status *out_status)
{
    for (unsigned i = 0; i < KILN_STATUS_COUNT; i++) {
        if (kiln_trace_is(word, kiln_status_name((enum kiln_status)i))) {
            *out_status = (enum kiln_status)i;
            return true;
        }
    }
    return false;
}

/* "12034+150": start and duration in microseconds. */
static bool read_times(const struct kiln_trace_slice *word, struct kiln_trace_line *line)
{
    const char *plus = memchr(word->at, '+', word->len);
    struct kiln_trace_slice start, took;

    if (plus == NULL)
        return false;
    start = (struct kiln_trace_slice){word->at, (size_t)(plus - word->at)};
    took = (struct kiln_trace_slice){plus + 1, word->len - start.len - 1};
    return kiln_trace_number(&start, 10, UINT64_MAX / 4000, &line->start_us) &&
           kiln_trace_number(&took, 10, UINT64_MAX / 4000, &line->took_us);
}

static bool read_line(const char *at, const char *end, struct kiln_trace_line *line)
{
    struct kiln_trace_slice word;
    uint64_t link;

    if (!next_word(&at, end, &word) || !read_times(&word, line) || !next_word(&at, end, &word) ||
        !kiln_trace_number(&word, 10, KILN_TRACE_LINKS_MAX, &link) ||
        !next_word(&at, end, &line->op))
        return false;
    line->link = (unsigned)link;
    while (next_word(&at, end, &word)) {
        if (kiln_trace_is(&word, "=")) {
            line->has_result = true;
            if (!next_word(&at, end, &word) || !find_status(&word, &line->status))
                return false;
            (void)next_word(&at, end, &line->result);
            return !next_word(&at, end, &word);
        }
        if (line->arg_count == KILN_TRACE_ARGS)
            return false;
        line->arg[line->arg_count++] = word;
    }
    return true;
}

enum kiln_status kiln_trace_next(struct kiln_ctx *ctx, struct kiln_trace_cursor *cursor,
                                 struct kiln_trace_line *out_line, bool *out_more)
{
    *out_more = false;
    while (cursor->at < cursor->end) {
        const char *from = cursor->at;
        const char *end = memchr(from, '\n', (size_t)(cursor->end - from));

        if (end == NULL)
            end = cursor->end;
        cursor->at = end < cursor->end ? end + 1 : end;
        cursor->number++;
        if (end > from && end[-1] == '\r')
            end--;
        if (end == from || *from == '#')
            continue;
        memset(out_line, 0, sizeof *out_line);
        out_line->number = cursor->number;
        if (!read_line(from, end, out_line))
            return kiln_fail(ctx, KILN_E_FILE, "line %zu of the trace is malformed",
                             cursor->number);
        *out_more = true;
        return KILN_OK;
    }
    return KILN_OK;
}
