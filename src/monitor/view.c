/* SPDX-License-Identifier: MIT */
#include "monitor/view.h"

#include "monitor/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S    1000000000
#define ROW         16u
#define NOTE_INDENT 4u
#define LEVEL_LEN   3u /* "E (" decides about the colour of a line */

void kiln_view_init(struct kiln_view *view, const struct kiln_view_options *options)
{
    memset(view, 0, sizeof *view);
    view->options = *options;
    kiln_buf_init(&view->line, KILN_VIEW_LINE_MAX + 1);
    kiln_buf_init(&view->notes, 64 * 1024);
}

void kiln_view_dispose(struct kiln_view *view)
{
    kiln_recode_close(&view->recode);
    kiln_buf_dispose(&view->line);
    kiln_buf_dispose(&view->notes);
}

bool kiln_view_set_encoding(struct kiln_view *view, const char *encoding)
{
    struct kiln_recode recode = {.on = false};

    if (encoding != NULL && !kiln_recode_is_utf8(encoding) &&
        !kiln_recode_open(&recode, encoding, "UTF-8"))
        return false;
    kiln_recode_close(&view->recode);
    view->recode = recode;
    return true;
}

static void put(struct kiln_buf *out, const void *bytes, size_t len)
{
    (void)!kiln_buf_append(out, bytes, len);
}

static void put_text(struct kiln_buf *out, const char *text)
{
    put(out, text, strlen(text));
}

/* ---- times ---- */

/* Local time of day with milliseconds; with the date and the zone for a log that is read later. */
static void wall_time(const struct kiln_view *view, uint64_t ns, bool full, char *text, size_t cap)
{
    int64_t wall = view->options.wall_ns + (int64_t)ns;
    time_t seconds = (time_t)(wall / NS_PER_S);
    unsigned ms = (unsigned)(wall / 1000000 % 1000);
    char head[48], zone[8] = "";
    struct tm parts;

    if (localtime_r(&seconds, &parts) == NULL ||
        strftime(head, sizeof head, full ? "%Y-%m-%dT%H:%M:%S" : "%H:%M:%S", &parts) == 0)
        head[0] = '\0';
    if (full && strftime(zone, sizeof zone, "%z", &parts) == 0)
        zone[0] = '\0';
    snprintf(text, cap, "%s.%03u%s", head, ms, zone);
}

static void put_time(const struct kiln_view *view, struct kiln_buf *out)
{
    uint64_t since = view->any_line ? view->line_ns - view->last_ns : 0;
    char text[80], clock[64];

    if (view->options.time == KILN_MONITOR_NO_TIME)
        return;
    if (view->options.time == KILN_MONITOR_DELTA) {
        snprintf(text, sizeof text, "[+%3u.%03u] ", (unsigned)(since / NS_PER_S),
                 (unsigned)(since / 1000000 % 1000));
    } else {
        wall_time(view, view->line_ns, false, clock, sizeof clock);
        snprintf(text, sizeof text, "[%s] ", clock);
    }
    if (view->options.color)
        put_text(out, "\033[2m");
    put_text(out, text);
    if (view->options.color)
        put_text(out, "\033[0m");
}

/* ---- levels ---- */

char kiln_log_level_of(const char *line, size_t len)
{
    static const struct {
        const char *mark;
        char level;
    } zephyr[] = {{"<err>", 'E'}, {"<wrn>", 'W'}, {"<inf>", 'I'}, {"<dbg>", 'D'}};
    size_t at = kiln_text_skip_csi(line, len);

    if (len - at >= LEVEL_LEN && strchr("EWIDV", line[at]) != NULL && line[at] != '\0' &&
        line[at + 1] == ' ' && line[at + 2] == '(')
        return line[at];
    if (at >= len || line[at] != '[')
        return 0;
    for (size_t i = at; i + 2 < len && i < at + 16; i++)
        if (line[i] == '[' && line[i + 2] == ']' && line[i + 1] != '\0' &&
            strchr("EWIDV", line[i + 1]) != NULL)
            return line[i + 1];
    for (size_t row = 0; row < sizeof zephyr / sizeof zephyr[0]; row++)
        if (memmem(line + at, len - at < 40 ? len - at : 40, zephyr[row].mark, 5) != NULL)
            return zephyr[row].level;
    return 0;
}

static const char *level_color(char level)
{
    switch (level) {
    case 'E':
        return "\033[31m";
    case 'W':
        return "\033[33m";
    case 'I':
        return "\033[32m";
    case 'D':
    case 'V':
        return "\033[2m";
    default:
        return "";
    }
}

/* ---- text ---- */

static bool by_lines(const struct kiln_view *view)
{
    return view->options.json || view->options.filter != NULL || view->options.level != 0;
}

static void begin_line(struct kiln_view *view, struct kiln_buf *out)
{
    const char *line = (const char *)view->line.data;
    const char *color = "";

    view->started = true;
    put_time(view, out);
    if (view->options.color && view->line.len > 0 && line[0] != '\033')
        color = level_color(kiln_log_level_of(line, view->line.len));
    view->colored = color[0] != '\0';
    put_text(out, color);
    view->mid_line = true;
}

/* Shows the line as far as it is there; `all`: also what might be the beginning of a longer character. */
static void show_rest(struct kiln_view *view, bool all, struct kiln_buf *out)
{
    const char *line = (const char *)view->line.data;

    if (view->line.len == view->shown && (view->started || !all))
        return;
    if (!view->started && !all && view->options.color && view->line.len < LEVEL_LEN)
        return;
    if (!view->started)
        begin_line(view, out);
    view->shown += kiln_text_show(view->options.show, line + view->shown,
                                  view->line.len - view->shown, all, out);
}

static bool passes(const struct kiln_view *view)
{
    static const char order[] = "EWIDV";
    const char *line = (const char *)view->line.data;
    char level;

    if (view->notes.len > 0)
        return true;
    if (view->options.filter != NULL && regexec(view->options.filter, line, 0, NULL, 0) != 0)
        return false;
    level = view->options.level != 0 ? kiln_log_level_of(line, view->line.len) : 0;
    return level == 0 || strchr(order, level) <= strchr(order, view->options.level);
}

static void put_json(const struct kiln_view *view, const char *event, const char *line, size_t len,
                     struct kiln_buf *out)
{
    char stamp[64];

    wall_time(view, view->line_ns, true, stamp, sizeof stamp);
    (void)!kiln_buf_printf(out, "{\"event\":\"%s\",\"time\":\"%s\",\"text\":\"", event, stamp);
    kiln_text_json(line, len, out);
    put_text(out, "\"}\n");
}

static void put_notes(struct kiln_view *view, struct kiln_buf *out)
{
    const char *at = (const char *)view->notes.data;
    const char *end = view->notes.len > 0 ? at + view->notes.len : at;

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop != NULL ? stop : end) - at);

        if (view->options.json) {
            put_json(view, "note", at, len, out);
        } else {
            put_text(out, view->options.color ? "\033[36m  ^ " : "  ^ ");
            kiln_text_wrap(at, len, view->options.columns, NOTE_INDENT, out);
            put_text(out, view->options.color ? "\033[0m\n" : "\n");
        }
        at += len + 1;
    }
    kiln_buf_clear(&view->notes);
}

static void end_line(struct kiln_view *view, struct kiln_buf *out)
{
    if (kiln_buf_reserve(&view->line, 1) == KILN_OK)
        view->line.data[view->line.len] = '\0';
    else
        return;
    for (size_t i = 0; i < view->options.annotator_count; i++)
        view->options.annotators[i].line(view->options.annotators[i].user,
                                         (const char *)view->line.data, &view->notes);
    if (view->options.json && passes(view)) {
        put_json(view, "line", (const char *)view->line.data, view->line.len, out);
    } else if (!view->options.json && (!by_lines(view) || passes(view))) {
        show_rest(view, true, out);
        put_text(out, view->colored ? "\033[0m\n" : "\n");
    }
    view->mid_line = false;
    put_notes(view, out);
    view->last_ns = view->line_ns;
    view->any_line = true;
    kiln_buf_clear(&view->line);
    view->shown = 0;
    view->started = view->colored = false;
}

static void take_char(struct kiln_view *view, uint64_t now_ns, uint8_t byte, struct kiln_buf *out)
{
    if (view->line.len == 0)
        view->line_ns = now_ns;
    (void)!kiln_buf_append(&view->line, &byte, 1);
    if (view->line.len >= KILN_VIEW_LINE_MAX)
        end_line(view, out);
}

/* Text behind a CR that ends no line begins at the left edge again: a progress display. */
static void take_byte(struct kiln_view *view, uint64_t now_ns, uint8_t byte, struct kiln_buf *out)
{
    enum kiln_monitor_line_end ends = view->options.line_end;
    bool cr = view->cr;

    view->cr = false;
    if (view->options.show == KILN_MONITOR_NOCONTROL && !view->options.json &&
        (byte == '\n' || byte == '\r')) {
        take_char(view, now_ns, byte, out);
        if (byte == (ends == KILN_MONITOR_END_CR ? '\r' : '\n'))
            end_line(view, out);
        return;
    }
    if (byte == '\n' && ends != KILN_MONITOR_END_CR) {
        if (view->line.len == 0)
            view->line_ns = now_ns;
        end_line(view, out);
    } else if (byte == '\r' && ends == KILN_MONITOR_END_CR) {
        end_line(view, out);
    } else if (byte == '\r' && ends == KILN_MONITOR_END_AUTO) {
        view->cr = true;
    } else {
        if (cr && by_lines(view) && view->line.len > 0)
            end_line(view, out);
        else if (cr)
            take_char(view, now_ns, '\r', out);
        take_char(view, now_ns, byte, out);
    }
}

/* ---- hexadecimal ---- */

static void end_row(struct kiln_view *view, struct kiln_buf *out)
{
    char text[ROW + 1];
    size_t len = view->row_len;

    if (len == 0)
        return;
    put_time(view, out);
    (void)!kiln_buf_printf(out, "%08llx ", (unsigned long long)view->offset);
    for (size_t i = 0; i < ROW; i++) {
        if (i < len)
            (void)!kiln_buf_printf(out, i == ROW / 2 ? "  %02x" : " %02x", view->row[i]);
        else
            put_text(out, i == ROW / 2 ? "    " : "   ");
        text[i] = i >= len                                   ? '\0'
                  : view->row[i] >= 32 && view->row[i] < 127 ? (char)view->row[i]
                                                             : '.';
    }
    text[ROW] = '\0';
    (void)!kiln_buf_printf(out, "  |%s|\n", text);
    view->offset += len;
    view->row_len = 0;
    view->last_ns = view->line_ns;
    view->any_line = true;
}

static void put_hex(struct kiln_view *view, uint64_t now_ns, const uint8_t *bytes, size_t len,
                    struct kiln_buf *out)
{
    for (size_t i = 0; i < len; i++) {
        if (view->row_len == 0)
            view->line_ns = now_ns;
        view->row[view->row_len++] = bytes[i];
        if (view->row_len == ROW)
            end_row(view, out);
    }
}

/* ---- the outside ---- */

void kiln_view_put(struct kiln_view *view, uint64_t now_ns, const uint8_t *bytes, size_t len,
                   struct kiln_buf *out)
{
    struct kiln_buf text;

    if (view->options.hex && !view->options.json) {
        put_hex(view, now_ns, bytes, len, out);
        return;
    }
    kiln_buf_init(&text, 8 * len + 64);
    if (view->recode.on) {
        kiln_recode_put(&view->recode, bytes, len, &text);
        bytes = text.data;
        len = text.len;
    }
    for (size_t i = 0; i < len; i++)
        take_byte(view, now_ns, bytes[i], out);
    kiln_buf_dispose(&text);
    if (!by_lines(view))
        show_rest(view, false, out);
}

void kiln_view_idle(struct kiln_view *view, uint64_t now_ns, struct kiln_buf *out)
{
    if (view->options.hex && !view->options.json) {
        end_row(view, out);
        return;
    }
    if (by_lines(view))
        return;
    if (view->cr) {
        view->cr = false;
        take_char(view, now_ns, '\r', out);
    }
    if (view->line.len > view->shown)
        show_rest(view, true, out);
}

void kiln_view_break(struct kiln_view *view, struct kiln_buf *out)
{
    if (view->options.hex) {
        end_row(view, out);
    } else if (view->mid_line) {
        show_rest(view, true, out);
        put_text(out, view->colored ? "\033[0m\n" : "\n");
        view->mid_line = view->started = view->colored = false;
        view->shown = view->line.len;
    }
}
