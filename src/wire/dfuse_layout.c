/* SPDX-License-Identifier: MIT */
#include "wire/dfuse_layout.h"

#include <string.h>

#define ADDRESS_SPACE 0x100000000ull

struct cursor {
    const char *at, *end;
};

static int peek(const struct cursor *c)
{
    return c->at < c->end ? (unsigned char)*c->at : -1;
}

static void skip_spaces(struct cursor *c)
{
    while (peek(c) == ' ')
        c->at++;
}

static bool take(struct cursor *c, char wanted)
{
    if (peek(c) != (unsigned char)wanted)
        return false;
    c->at++;
    return true;
}

static int digit(int c, unsigned base)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (base == 16 && c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (base == 16 && c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* At least one digit; false as well for what does not fit 32 bits. */
static bool take_number(struct cursor *c, unsigned base, uint64_t *out)
{
    uint64_t value = 0;
    bool any = false;
    int d;

    while ((d = digit(peek(c), base)) >= 0) {
        value = value * base + (uint64_t)d;
        if (value >= ADDRESS_SPACE)
            return false;
        any = true;
        c->at++;
    }
    *out = value;
    return any;
}

/* "/0x08000000/", "/0X8000000/" or "/08000000/". */
static bool take_group(struct cursor *c, uint64_t *out_address)
{
    struct cursor trial = *c;

    skip_spaces(&trial);
    if (!take(&trial, '/'))
        return false;
    skip_spaces(&trial);
    if (peek(&trial) == '0' && trial.end - trial.at > 1 &&
        (trial.at[1] == 'x' || trial.at[1] == 'X'))
        trial.at += 2;
    if (!take_number(&trial, 16, out_address))
        return false;
    skip_spaces(&trial);
    if (!take(&trial, '/'))
        return false;
    *c = trial;
    return true;
}

static bool is_type(int c)
{
    return (c >= 'a' && c <= 'g') || (c >= 'A' && c <= 'G');
}

/* The multiplier is 'K', 'M', 'B', a space or left out; 'b' followed by no type letter is itself one. */
static uint32_t take_multiplier(struct cursor *c, unsigned *liberties)
{
    bool more = c->end - c->at > 1;

    switch (peek(c)) {
    case 'k':
    case 'm':
        *liberties |= KILN_LAYOUT_SMALL_MULTIPLIER;
        return *c->at++ == 'k' ? 1024 : 1024 * 1024;
    case 'K':
        c->at++;
        return 1024;
    case 'M':
        c->at++;
        return 1024 * 1024;
    case ' ':
        skip_spaces(c);
        return strchr("KkMm", peek(c) > 0 ? peek(c) : ',') != NULL ? take_multiplier(c, liberties)
                                                                   : 1;
    case 'B': /* never a type: "016B" says nothing of what may be done */
        c->at++;
        return 1;
    case 'b':
        if (more && is_type((unsigned char)c->at[1])) {
            c->at++;
            return 1;
        }
        break;
    default:
        break;
    }
    *liberties |= KILN_LAYOUT_NO_MULTIPLIER;
    return 1;
}

static bool at_segment_end(const struct cursor *c)
{
    struct cursor trial = *c;

    skip_spaces(&trial);
    return peek(&trial) == -1 || peek(&trial) == ',' || peek(&trial) == '/';
}

/* A whole segment may have uninitialised bytes behind it: a ROM that sends more of its buffer than the string
 * has. A letter or digit instead would mean that the segment itself is damaged. */
static bool at_rubbish(const struct cursor *c)
{
    int next = peek(c);

    return next >= 0 && next != ' ' && next != '*' && digit(next, 10) < 0 &&
           ((next | 0x20) < 'a' || (next | 0x20) > 'z');
}

/* One "04*016Kg". On success the cursor stands at the ',' or '/' or end behind it, or at rubbish. */
static bool take_segment(struct cursor *c, struct kiln_dfuse_segment *out, unsigned *liberties)
{
    struct cursor trial = *c;
    unsigned taken = 0;
    uint64_t size;
    uint32_t multiplier;

    memset(out, 0, sizeof *out);
    skip_spaces(&trial);
    if (!take_number(&trial, 10, &out->count))
        return false;
    skip_spaces(&trial);
    if (!take(&trial, '*'))
        return false;
    skip_spaces(&trial);
    if (!take_number(&trial, 10, &size))
        return false;
    multiplier = take_multiplier(&trial, &taken);
    if (size == 0 || size * multiplier >= ADDRESS_SPACE)
        return false;
    out->page = (uint32_t)(size * multiplier);
    if (is_type(peek(&trial))) {
        out->access = (uint8_t)(*trial.at++ & 7);
    } else {
        /* "07*128" at the very end is a string that was cut off, not 7 pages of 128 bytes */
        if ((taken & KILN_LAYOUT_NO_MULTIPLIER) != 0 && peek(&trial) != ',')
            return false;
        out->access = KILN_DFUSE_MAY_READ;
        out->no_type = true;
        taken |= KILN_LAYOUT_NO_TYPE;
    }
    if (!at_segment_end(&trial) &&
        ((taken & (KILN_LAYOUT_NO_MULTIPLIER | KILN_LAYOUT_NO_TYPE)) != 0 || !at_rubbish(&trial)))
        return false;
    skip_spaces(&trial);
    *liberties |= taken;
    *c = trial;
    return true;
}

static bool add_segment(struct kiln_dfuse_layout *layout, struct kiln_dfuse_segment *segment,
                        uint64_t *address)
{
    uint64_t size = segment->count * segment->page;

    /* both factors are below 2^32, so the product cannot wrap */
    if (size > ADDRESS_SPACE - *address)
        return false;
    if (segment->count == 0) {
        layout->liberties |= KILN_LAYOUT_EMPTY_SEGMENT;
        return true;
    }
    if (layout->count == KILN_DFUSE_SEGMENT_MAX) {
        layout->liberties |= KILN_LAYOUT_TOO_MANY;
        return false;
    }
    segment->start = *address;
    *address += size;
    layout->segment[layout->count++] = *segment;
    return true;
}

/* The name ends where a group begins; one without a group after it leaves nothing to read. */
static void take_name(struct cursor *c, struct kiln_dfuse_layout *layout)
{
    size_t n = 0;
    uint64_t ignored;

    skip_spaces(c);
    if (!take(c, '@'))
        layout->liberties |= KILN_LAYOUT_NO_AT;
    while (c->at < c->end) {
        struct cursor trial = *c;

        if (peek(c) == '/' && take_group(&trial, &ignored))
            break;
        if (n + 1 < sizeof layout->name)
            layout->name[n++] = (char)(*c->at >= ' ' && *c->at <= '~' ? *c->at : '?');
        c->at++;
    }
    while (n > 0 && layout->name[n - 1] == ' ')
        n--;
    layout->name[n] = '\0';
}

bool kiln_dfuse_layout_parse(const char *text, size_t len, struct kiln_dfuse_layout *out)
{
    struct cursor c = {text, text + strnlen(text, len)};
    struct kiln_dfuse_segment segment;
    uint64_t address;

    memset(out, 0, sizeof *out);
    take_name(&c, out);
    while (take_group(&c, &address)) {
        do {
            struct cursor before = c;

            if (!take_segment(&c, &segment, &out->liberties) ||
                !add_segment(out, &segment, &address)) {
                c = before;
                goto done;
            }
            out->understood = (size_t)(c.at - text);
        } while (take(&c, ','));
    }
    skip_spaces(&c);
done:
    if (c.at < c.end)
        out->liberties |= KILN_LAYOUT_CUT;
    return out->count > 0;
}
