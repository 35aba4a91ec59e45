/* SPDX-License-Identifier: MIT */
#include "project/ini.h"

#include "base/bytes.h"
#include "base/ctx.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FILE_BYTES_MAX    ((size_t)16 << 20)
#define REFERENCES_MAX    100000
#define INTERPOLATION_MAX 10 /* configparser.MAX_INTERPOLATION_DEPTH */

enum kiln_status kiln_project_fail(struct kiln_error *out_error, enum kiln_status status,
                                   const char *format, ...)
{
    va_list args;

    if (out_error == NULL)
        return status;
    *out_error = (struct kiln_error){.status = status};
    va_start(args, format);
    vsnprintf(out_error->message, sizeof out_error->message, format, args);
    va_end(args);
    return status;
}

static enum kiln_status no_memory(struct kiln_error *out_error, const char *file)
{
    return kiln_project_fail(out_error, KILN_E_NOMEM, "%.200s: not enough memory, or too large",
                             file);
}

/* ---- white space ---- */

static uint32_t code_point(const char *at, const char *end, size_t *out_len)
{
    uint8_t c = (uint8_t)at[0];

    if (c >= 0xc2 && c < 0xe0 && end - at >= 2) {
        *out_len = 2;
        return (c & 0x1fu) << 6 | ((uint8_t)at[1] & 0x3fu);
    }
    if (c >= 0xe0 && c < 0xf0 && end - at >= 3) {
        *out_len = 3;
        return (c & 0x0fu) << 12 | ((uint8_t)at[1] & 0x3fu) << 6 | ((uint8_t)at[2] & 0x3fu);
    }
    *out_len = 1;
    return c;
}

size_t kiln_ini_space(const char *at, const char *end)
{
    size_t len;
    uint32_t c;

    if (at >= end)
        return 0;
    c = code_point(at, end, &len);
    if ((c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20))
        return len;
    if (len == 1)
        return 0;
    if (c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
        c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000)
        return len;
    return 0;
}

/* The bytes of one white-space character that ends at `end`, 0 if none does. */
static size_t space_before(const char *start, const char *end)
{
    for (size_t len = 1; len <= 3 && len <= (size_t)(end - start); len++)
        if (kiln_ini_space(end - len, end) == len)
            return len;
    return 0;
}

void kiln_ini_strip(const char **at, const char **end)
{
    size_t n;

    while ((n = kiln_ini_space(*at, *end)) > 0)
        *at += n;
    while ((n = space_before(*at, *end)) > 0)
        *end -= n;
}

/* ---- parsing ---- */

/* What one file has set so far, for the duplicate errors: they count within one file only. */
struct seen {
    struct kiln_names sections; /* name -> the section */
    struct kiln_names options;  /* "section\x01option" -> the option */
};

struct parser {
    struct kiln_ini *ini;
    const char *file;
    struct kiln_error *error;
    struct seen seen;
    struct kiln_ini_section *section;
    struct kiln_ini_option *option;
    char *value; /* of `option`, under construction */
    size_t value_len, value_capacity;
    unsigned line;
    size_t indent; /* of the line with the key */
    unsigned bad_line;
    char bad_text[80];
};

void kiln_ini_init(struct kiln_ini *ini, struct kiln_arena *arena)
{
    *ini = (struct kiln_ini){.arena = arena, .defaults = {.name = "DEFAULT"}};
}

const struct kiln_ini_section *kiln_ini_section(const struct kiln_ini *ini, const char *name)
{
    if (strcmp(name, "DEFAULT") == 0)
        return &ini->defaults;
    return kiln_names_get(&ini->by_name, name);
}

const struct kiln_ini_option *kiln_ini_option(const struct kiln_ini *ini,
                                              const struct kiln_ini_section *section,
                                              const char *name)
{
    const struct kiln_ini_option *option = kiln_names_get(&section->by_name, name);

    return option != NULL ? option : kiln_names_get(&ini->defaults.by_name, name);
}

/*
 * Where the comment of a line starts, NULL without one. In rounds: the n-th ';' and the n-th '#' are looked
 * at together, and the first round with one that stands after white space decides.
 */
static const char *comment_start(const char *line, const char *end)
{
    static const char marks[] = {'#', ';'};
    const char *next[2] = {line, line};
    const char *found = NULL, *first = line, *last = end;

    kiln_ini_strip(&first, &last);
    if (first < last && (*first == '#' || *first == ';'))
        return line;
    while (found == NULL && (next[0] != NULL || next[1] != NULL)) {
        for (size_t i = 0; i < 2; i++) {
            const char *at =
                next[i] != NULL ? memchr(next[i], marks[i], (size_t)(end - next[i])) : NULL;

            next[i] = at != NULL ? at + 1 : NULL;
            if (at != NULL && (at == line || space_before(line, at) > 0) &&
                (found == NULL || at < found))
                found = at;
        }
    }
    return found;
}

/* The indentation in characters. */
static size_t indentation(const char *line, const char *end)
{
    size_t count = 0, n;

    for (; (n = kiln_ini_space(line, end)) > 0; line += n)
        count++;
    return line < end ? count : 0;
}

static bool append_line(struct parser *p, const char *text, size_t len)
{
    size_t need = p->value_len + len + 2;

    if (need > p->value_capacity) {
        size_t capacity = need * 2;
        char *grown = kiln_arena_alloc(p->ini->arena, capacity);

        if (grown == NULL)
            return false;
        if (p->value_len > 0)
            memcpy(grown, p->value, p->value_len);
        p->value = grown;
        p->value_capacity = capacity;
    }
    if (p->option->value != NULL)
        p->value[p->value_len++] = '\n';
    memcpy(p->value + p->value_len, text, len);
    p->value_len += len;
    p->value[p->value_len] = '\0';
    p->option->value = p->value;
    return true;
}

/* The value is complete: trailing white space goes. */
static void end_value(struct parser *p)
{
    size_t n;

    if (p->value != NULL) {
        char *end = p->value + p->value_len;

        while ((n = space_before(p->value, end)) > 0)
            end -= n;
        *end = '\0';
    }
    p->option = NULL;
    p->value = NULL;
    p->value_len = p->value_capacity = 0;
}

static enum kiln_status start_section(struct parser *p, const char *name, size_t len)
{
    struct kiln_arena *arena = p->ini->arena;
    char *copy = kiln_arena_text(arena, name, len);
    struct kiln_ini_section *section, *before;

    if (copy == NULL)
        return no_memory(p->error, p->file);
    if (strcmp(copy, "DEFAULT") == 0) {
        p->section = &p->ini->defaults;
        return KILN_OK;
    }
    before = kiln_names_get(&p->seen.sections, copy);
    if (before != NULL)
        return kiln_project_fail(p->error, KILN_E_FILE,
                                 "%.120s:%u: section [%.60s] stands here a second time; the first "
                                 "is in line %u",
                                 p->file, p->line, copy, before->line);
    section = kiln_names_get(&p->ini->by_name, copy);
    if (section == NULL) {
        section = kiln_arena_alloc(arena, sizeof *section);
        if (section == NULL || !kiln_names_put(&p->ini->by_name, arena, copy, section))
            return no_memory(p->error, p->file);
        section->name = copy;
        if (p->ini->last != NULL)
            p->ini->last->next = section;
        else
            p->ini->first = section;
        p->ini->last = section;
    }
    section->file = p->file;
    section->line = p->line;
    p->section = section;
    return kiln_names_put(&p->seen.sections, arena, copy, section) ? KILN_OK
                                                                   : no_memory(p->error, p->file);
}

static struct kiln_ini_option *add_option(struct parser *p, const char *name)
{
    struct kiln_ini_option *option = kiln_names_get(&p->section->by_name, name);

    if (option != NULL) {
        option->value = NULL;
        return option;
    }
    option = kiln_arena_alloc(p->ini->arena, sizeof *option);
    if (option == NULL || !kiln_names_put(&p->section->by_name, p->ini->arena, name, option))
        return NULL;
    option->name = name;
    option->order = p->section->by_name.count;
    if (p->section->last != NULL)
        p->section->last->next = option;
    else
        p->section->first = option;
    p->section->last = option;
    return option;
}

static enum kiln_status start_option(struct parser *p, const char *name, size_t name_len,
                                     const char *value, size_t value_len)
{
    struct kiln_arena *arena = p->ini->arena;
    char *copy = kiln_arena_text(arena, name, name_len), *key;
    const struct kiln_ini_option *before;

    for (size_t i = 0; copy != NULL && i < name_len; i++)
        copy[i] = (char)tolower((unsigned char)copy[i]);
    key = copy != NULL ? kiln_arena_printf(arena, "%s\001%s", p->section->name, copy) : NULL;
    if (key == NULL)
        return no_memory(p->error, p->file);
    before = kiln_names_get(&p->seen.options, key);
    if (before != NULL)
        return kiln_project_fail(
            p->error, KILN_E_FILE,
            "%.120s:%u: option '%.60s' stands a second time in section [%.60s]; the first is in "
            "line %u",
            p->file, p->line, copy, p->section->name, before->line);
    p->option = add_option(p, copy);
    if (p->option == NULL || !kiln_names_put(&p->seen.options, arena, key, p->option))
        return no_memory(p->error, p->file);
    p->option->file = p->file;
    p->option->line = p->line;
    return append_line(p, value, value_len) ? KILN_OK : no_memory(p->error, p->file);
}

/* "key = value": the first delimiter counts. A line without one is an error that is reported only if the
 * rest of the file has no other. */
static enum kiln_status key_line(struct parser *p, const char *at, const char *end)
{
    const char *delimiter = at, *key_end, *value = at;

    while (delimiter < end && *delimiter != '=' && *delimiter != ':')
        delimiter++;
    key_end = delimiter;
    kiln_ini_strip(&at, &key_end);
    if (delimiter == end || key_end == at) {
        if (p->bad_line == 0) {
            p->bad_line = p->line;
            snprintf(p->bad_text, sizeof p->bad_text, "%.*s", (int)KILN_MIN(end - value, 60),
                     value);
        }
        return KILN_OK;
    }
    value = delimiter + 1;
    kiln_ini_strip(&value, &end);
    end_value(p);
    return start_option(p, at, (size_t)(key_end - at), value, (size_t)(end - value));
}

/* The name in "[name] whatever", NULL if the line is no section header. */
static const char *section_name(const char *at, const char *end, size_t *out_len)
{
    const char *close = end;

    if (at >= end || *at != '[')
        return NULL;
    while (close > at && close[-1] != ']')
        close--;
    if (close - at < 3) /* "[x]" is the shortest */
        return NULL;
    *out_len = (size_t)(close - at) - 2;
    return at + 1;
}

static enum kiln_status one_line(struct parser *p, const char *line, const char *line_end)
{
    const char *comment = comment_start(line, line_end);
    const char *at = line, *end = comment != NULL ? comment : line_end, *name;
    size_t indent, name_len;

    kiln_ini_strip(&at, &end);
    if (at == end) {
        if (comment == NULL && p->option != NULL && !append_line(p, "", 0))
            return no_memory(p->error, p->file);
        return KILN_OK;
    }
    indent = indentation(line, line_end);
    if (p->option != NULL && indent > p->indent)
        return append_line(p, at, (size_t)(end - at)) ? KILN_OK : no_memory(p->error, p->file);
    p->indent = indent;
    name = section_name(at, end, &name_len);
    if (name != NULL) {
        end_value(p);
        return start_section(p, name, name_len);
    }
    if (p->section == NULL)
        return kiln_project_fail(p->error, KILN_E_FILE,
                                 "%.160s:%u: '%.*s' stands before the first [section]", p->file,
                                 p->line, (int)KILN_MIN(end - at, 60), at);
    return key_line(p, at, end);
}

static bool well_formed_utf8(const uint8_t *s, size_t len, size_t *out_bad)
{
    size_t i = 0;

    while (i < len) {
        uint8_t c = s[i];
        size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        uint32_t point = more == 0 ? c : more == 1 ? c & 0x1fu : more == 2 ? c & 0x0fu : c & 7u;

        *out_bad = i;
        if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || len - i <= more || c == 0)
            return false;
        for (size_t k = 1; k <= more; k++) {
            if ((s[i + k] & 0xc0) != 0x80)
                return false;
            point = point << 6 | (s[i + k] & 0x3fu);
        }
        if ((more == 2 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) ||
            (more == 3 && (point < 0x10000 || point > 0x10ffff)))
            return false;
        i += more + 1;
    }
    return true;
}

static enum kiln_status check_text(const char *name, const char *bytes, size_t len,
                                   struct kiln_error *out_error)
{
    size_t bad;
    unsigned line = 1;

    if (len > FILE_BYTES_MAX)
        return kiln_project_fail(out_error, KILN_E_FILE, "%.200s: %zu bytes are too many for it",
                                 name, len);
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        return kiln_project_fail(out_error, KILN_E_FILE,
                                 "%.160s:1: the file starts with a byte order mark (BOM); save it "
                                 "as UTF-8 without one",
                                 name);
    if (well_formed_utf8((const uint8_t *)bytes, len, &bad))
        return KILN_OK;
    for (size_t i = 0; i < bad; i++)
        line += bytes[i] == '\n';
    return kiln_project_fail(out_error, KILN_E_FILE, "%.200s:%u: %s", name, line,
                             bytes[bad] == '\0' ? "a zero byte" : "this is not UTF-8");
}

enum kiln_status kiln_ini_parse(struct kiln_ini *ini, const char *name, const char *bytes,
                                size_t len, struct kiln_error *out_error)
{
    struct parser p = {.ini = ini, .error = out_error, .line = 0};
    const char *end = bytes + len;

    KILN_TRY(check_text(name, bytes, len, out_error));
    p.file = kiln_arena_text(ini->arena, name, strlen(name));
    if (p.file == NULL)
        return no_memory(out_error, name);
    while (bytes < end) {
        const char *line = bytes;

        while (bytes < end && *bytes != '\n' && *bytes != '\r')
            bytes++;
        p.line++;
        KILN_TRY(one_line(&p, line, bytes));
        if (bytes < end)
            bytes += *bytes == '\r' && end - bytes > 1 && bytes[1] == '\n' ? 2 : 1;
    }
    end_value(&p);
    if (p.bad_line != 0)
        return kiln_project_fail(out_error, KILN_E_FILE,
                                 "%.160s:%u: '%s' is neither a [section] nor a key with a value",
                                 name, p.bad_line, p.bad_text);
    return KILN_OK;
}

/* ---- % interpolation ---- */

struct expansion {
    const struct kiln_ini *ini;
    const struct kiln_ini_section *section;
    const struct kiln_ini_option *option; /* for messages */
    struct kiln_error *error;
    char *out;
    size_t len, capacity, ceiling;
    unsigned references;
};

static enum kiln_status put(struct expansion *x, const char *text, size_t len)
{
    if (len > x->ceiling - x->len)
        return kiln_project_fail(x->error, KILN_E_NOMEM,
                                 "%.160s:%u: the value of '%.60s' grows above %zu bytes",
                                 x->option->file, x->option->line, x->option->name, x->ceiling);
    if (x->out == NULL || x->len + len + 1 > x->capacity) {
        size_t capacity = (x->len + len + 1) * 2;
        char *grown = kiln_arena_alloc(x->ini->arena, capacity);

        if (grown == NULL)
            return no_memory(x->error, x->option->file);
        if (x->out != NULL)
            memcpy(grown, x->out, x->len);
        x->out = grown;
        x->capacity = capacity;
    }
    memcpy(x->out + x->len, text, len);
    x->len += len;
    return KILN_OK;
}

static enum kiln_status bad_percent(struct expansion *x, const char *what, const char *at)
{
    return kiln_project_fail(
        x->error, KILN_E_FILE, "%.120s:%u: option '%.40s' in [%.40s]: %s, not '%.24s'",
        x->option->file, x->option->line, x->option->name, x->section->name, what, at);
}

static enum kiln_status expand(struct expansion *x, const char *text, unsigned depth);

/* "%(name)s" at `at`; moves past it. */
static enum kiln_status expand_name(struct expansion *x, const char **at, unsigned depth)
{
    const char *close = strchr(*at + 2, ')');
    const struct kiln_ini_option *option;
    char name[256];
    size_t len = close != NULL ? (size_t)(close - *at) - 2 : 0;

    if (len == 0 || close[1] != 's')
        return bad_percent(x, "a reference looks like %(name)s", *at);
    snprintf(name, sizeof name, "%.*s", (int)KILN_MIN(len, sizeof name - 1), *at + 2);
    for (char *c = name; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    option = len < sizeof name ? kiln_ini_option(x->ini, x->section, name) : NULL;
    if (option == NULL)
        return kiln_project_fail(x->error, KILN_E_FILE,
                                 "%.120s:%u: option '%.40s': neither [%.40s] nor [DEFAULT] has "
                                 "'%.40s' for %%(...)s",
                                 x->option->file, x->option->line, x->option->name,
                                 x->section->name, name);
    *at = close + 2;
    if (strchr(option->value, '%') == NULL)
        return put(x, option->value, strlen(option->value));
    return expand(x, option->value, depth + 1);
}

/* The depth is bounded, the output by its ceiling, and what puts out nothing by the number of references. */
static enum kiln_status expand(struct expansion *x, const char *text, unsigned depth)
{
    if (depth > INTERPOLATION_MAX || ++x->references > REFERENCES_MAX)
        return kiln_project_fail(x->error, KILN_E_FILE,
                                 "%.120s:%u: option '%.60s' in [%.60s] nests its %%(...)s "
                                 "more than %d deep",
                                 x->option->file, x->option->line, x->option->name,
                                 x->section->name, INTERPOLATION_MAX);
    while (*text != '\0') {
        size_t plain = strcspn(text, "%");

        KILN_TRY(put(x, text, plain));
        text += plain;
        if (*text == '\0')
            break;
        if (text[1] == '%') {
            KILN_TRY(put(x, "%", 1));
            text += 2;
        } else if (text[1] == '(') {
            KILN_TRY(expand_name(x, &text, depth));
        } else {
            return bad_percent(x, "'%' must be written '%%'", text);
        }
    }
    return KILN_OK;
}

enum kiln_status kiln_ini_expand(const struct kiln_ini *ini, const struct kiln_ini_section *section,
                                 const struct kiln_ini_option *option, size_t ceiling,
                                 const char **out_value, struct kiln_error *out_error)
{
    struct expansion x = {ini, section, option, out_error, NULL, 0, 0, ceiling, 0};

    *out_value = option->value;
    if (strchr(option->value, '%') == NULL)
        return KILN_OK;
    KILN_TRY(expand(&x, option->value, 1));
    KILN_TRY(put(&x, "", 1));
    *out_value = x.out;
    return KILN_OK;
}
