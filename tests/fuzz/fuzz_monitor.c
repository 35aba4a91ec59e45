/* SPDX-License-Identifier: MIT */
/* Everything that touches the board's bytes: views in all modes, explanations, crash dumps, the rate finder. */
#include "base/bytes.h"
#include "monitor/crash.h"
#include "monitor/explain.h"
#include "monitor/rate.h"
#include "monitor/view.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Knows every third address, so that all ways are gone. */
static bool look_up(void *user, uint64_t address, struct kiln_buf *out)
{
    (void)user;
    if (address % 3 == 0)
        return false;
    (void)!kiln_buf_printf(out, "f at a.c:1\ninlined into g at b.c:%u\n", (unsigned)address & 7);
    return true;
}

static bool is_return(void *user, uint64_t address)
{
    (void)user;
    return (address & 8) != 0;
}

static bool has_digest(void *user, const char *digits, size_t len)
{
    (void)user;
    return len > 0 && digits[len - 1] == '0';
}

/* What a dump says is in the state, and no more than fits. */
static size_t unwind(void *user, struct kiln_unwind *state, uint32_t *pcs, size_t cap)
{
    size_t count = 0;

    (void)user;
    if (state->words > KILN_UNWIND_WORDS)
        abort();
    for (size_t i = 0; i < state->words && count < cap; i++)
        if ((state->word[i] & 8) != 0)
            pcs[count++] = state->word[i];
    return count;
}

static void explain_line(void *user, const char *text, struct kiln_buf *out)
{
    kiln_explain_line(user, text, out);
}

static void crash_line(void *user, const char *text, struct kiln_buf *out)
{
    kiln_crash_line(user, text, out);
}

/* What a terminal would obey does not get through, other than what may. */
static void check_visible(const struct kiln_buf *out)
{
    for (size_t at = 0; at < out->len; at++)
        if (out->data[at] < 0x20 && memchr("\n\r\t\b\a\033", out->data[at], 6) == NULL)
            abort();
}

static void view(const uint8_t *data, size_t size, const struct kiln_view_options *options,
                 const char *encoding)
{
    struct kiln_view view;
    struct kiln_buf out;
    size_t at = 0;
    uint64_t now = 0;

    kiln_view_init(&view, options);
    if (!kiln_view_set_encoding(&view, encoding))
        abort();
    kiln_buf_init(&out, 1 << 22);
    while (at < size) {
        size_t part = KILN_MIN(size - at, 1u + data[at] % 97);

        kiln_view_put(&view, now, data + at, part, &out);
        at += part;
        now += 1000000;
        if (data[at - 1] % 5 == 0)
            kiln_view_idle(&view, now, &out);
        if (data[at - 1] % 7 == 0)
            kiln_view_break(&view, &out);
    }
    kiln_view_idle(&view, now, &out);
    kiln_view_break(&view, &out);
    if (options->show != KILN_MONITOR_DIRECT || options->json)
        check_visible(&out);
    kiln_buf_dispose(&out);
    kiln_view_dispose(&view);
}

static void find_rate(const uint8_t *data, size_t size)
{
    struct kiln_rate rate;
    uint64_t now = 0;

    kiln_rate_init(&rate, 115200, true);
    for (size_t at = 0; at < size;) {
        size_t part = KILN_MIN(size - at, 1u + data[at] % 61);

        (void)kiln_rate_feed(&rate, now, data + at, part);
        at += part;
        now += (uint64_t)data[at - 1] * 10000000u;
        (void)kiln_rate_tick(&rate, now);
        if (rate.sample_len > KILN_RATE_SAMPLE_MAX || rate.current == 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct kiln_symbolizer symbolizer = {look_up, is_return, has_digest, unwind, NULL};
    struct kiln_explain explain = {0};
    struct kiln_crash crash;
    const struct kiln_annotator annotators[] = {{explain_line, &explain}, {crash_line, &crash}};
    struct kiln_view_options options = {.annotators = annotators, .annotator_count = 2};
    static const char *const encodings[] = {"UTF-8", "latin1", "cp437", "UTF-16LE", "SHIFT-JIS"};
    regex_t filter;

    if (size == 0)
        return 0;
    kiln_crash_init(&crash, (data[0] & 1) != 0 ? &symbolizer : NULL);
    options.line_end = (enum kiln_monitor_line_end)(data[0] / 2 % 3);
    options.time = (enum kiln_monitor_time)(data[0] / 8 % 3);
    options.color = (data[0] & 0x40) != 0;
    options.show = KILN_MONITOR_TEXT;
    view(data + 1, size - 1, &options, NULL);
    options.show = (enum kiln_monitor_show)(1 + data[0] % 4);
    options.columns = data[0] / 2 % 80;
    view(data + 1, size - 1, &options, encodings[data[0] % KILN_ARRAY_LEN(encodings)]);
    options.show = KILN_MONITOR_TEXT;
    options.level = "\0EWIDV"[data[0] % 6];
    options.json = (data[0] & 0x80) != 0;
    if (regcomp(&filter, "[0-9]|a+b", REG_EXTENDED | REG_NOSUB) == 0) {
        options.filter = (data[0] & 4) != 0 ? &filter : NULL;
        view(data + 1, size - 1, &options, NULL);
        regfree(&filter);
    }
    options.filter = NULL;
    options.json = false;
    options.hex = true;
    view(data + 1, size - 1, &options, NULL);
    find_rate(data + 1, size - 1);
    return 0;
}
