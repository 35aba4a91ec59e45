/* SPDX-License-Identifier: MIT */
#include "monitor/text.h"

#include <stdio.h>
#include <string.h>

#define CSI_MAX 32u /* no sequence in use is longer */

/* The length of the ESC [ sequence at `text`; 0: none; -1: not finished yet. */
static int csi_len(const char *text, size_t len)
{
    if (len == 0 || text[0] != '\033')
        return 0;
    if (len == 1)
        return -1;
    if (text[1] != '[')
        return 0;
    for (size_t i = 2; i < len && i < CSI_MAX; i++) {
        if (text[i] >= 0x40 && text[i] < 0x7f)
            return (int)i + 1;
        if (text[i] < 0x20 || text[i] == 0x7f)
            return 0;
    }
    return len < CSI_MAX ? -1 : 0;
}

size_t kiln_text_skip_csi(const char *text, size_t len)
{
    size_t at = 0;
    int n;

    while ((n = csi_len(text + at, len - at)) > 0)
        at += (size_t)n;
    return at;
}

int kiln_text_utf8(const char *text, size_t len)
{
    const uint8_t *byte = (const uint8_t *)text;
    size_t need;

    if (len == 0)
        return 0;
    if (byte[0] < 0x80)
        return 1;
    need = byte[0] >= 0xc2 && byte[0] < 0xe0   ? 2
           : byte[0] >= 0xe0 && byte[0] < 0xf0 ? 3
           : byte[0] >= 0xf0 && byte[0] < 0xf5 ? 4
                                               : 0;
    for (size_t i = 1; i < need && i < len; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    if (need > 1 && len > 1 &&
        ((byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] >= 0xa0) ||
         (byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] >= 0x90)))
        return 0;
    if (need > len)
        return -1;
    /* U+0080..U+009F are control characters too: a terminal obeys them. */
    return need == 2 && byte[0] == 0xc2 && byte[1] < 0xa0 ? 0 : (int)need;
}

static bool is_plain(uint8_t byte)
{
    return (byte >= 0x20 && byte < 0x7f) || byte == '\t' || byte == '\r' || byte == '\b' ||
           byte == '\a';
}

size_t kiln_text_visible(const char *text, size_t len, bool all, struct kiln_buf *out)
{
    size_t at = 0;

    while (at < len) {
        uint8_t byte = (uint8_t)text[at];
        int n = byte == '\033' ? csi_len(text + at, len - at)
                : byte >= 0x80 ? kiln_text_utf8(text + at, len - at)
                               : is_plain(byte);

        if (n < 0 && !all)
            return at;
        if (n > 0) {
            (void)!kiln_buf_append(out, text + at, (size_t)n);
            at += (size_t)n;
        } else {
            (void)!kiln_buf_printf(out, "\\x%02x", byte);
            at++;
        }
    }
    return at;
}

/* U+0000 to U+FFFF as UTF-8. */
static void put_rune(uint32_t rune, struct kiln_buf *out)
{
    const uint8_t bytes[] = {(uint8_t)(0xe0 | rune >> 12), (uint8_t)(0x80 | (rune >> 6 & 0x3f)),
                             (uint8_t)(0x80 | (rune & 0x3f))};

    (void)!kiln_buf_append(out, bytes, sizeof bytes);
}

static uint32_t rune_of(const char *text, int len)
{
    uint32_t rune = (uint8_t)text[0] & (len > 1 ? 0xffu >> (len + 1) : 0x7fu);

    for (int i = 1; i < len; i++)
        rune = rune << 6 | ((uint8_t)text[i] & 0x3f);
    return rune;
}

/* The number in subscript digits, with a space behind. */
static void put_number(uint32_t number, struct kiln_buf *out)
{
    char digits[12];

    snprintf(digits, sizeof digits, "%u", number);
    for (const char *c = digits; *c != '\0'; c++)
        put_rune(0x2080u + (uint32_t)(*c - '0'), out);
    (void)!kiln_buf_append(out, " ", 1);
}

/* One character of `n` bytes, or a byte that is none (n is 0). */
static void put_picture(enum kiln_monitor_show show, const char *at, int n, struct kiln_buf *out)
{
    uint8_t byte = (uint8_t)at[0];
    bool whole = show == KILN_MONITOR_NOCONTROL;

    if (byte < 0x20 && (whole || strchr("\r\n\b\t", byte) == NULL || byte == 0))
        put_rune(0x2400u + byte, out);
    else if (byte == 0x20 && whole)
        put_rune(0x2423, out);
    else if (byte < 0x7f)
        (void)!kiln_buf_append(out, at, 1);
    else if (show == KILN_MONITOR_PRINTABLE)
        put_number(n > 0 ? rune_of(at, n) : byte, out);
    else if (byte == 0x7f)
        put_rune(0x2421, out);
    else if (n > 0)
        (void)!kiln_buf_append(out, at, (size_t)n);
    else
        put_rune(0xfffd, out);
}

size_t kiln_text_show(enum kiln_monitor_show show, const char *text, size_t len, bool all,
                      struct kiln_buf *out)
{
    size_t at = 0;

    if (show == KILN_MONITOR_TEXT || show == KILN_MONITOR_DEBUG)
        return kiln_text_visible(text, len, all, out);
    if (show == KILN_MONITOR_DIRECT) {
        (void)!kiln_buf_append(out, text, len);
        return len;
    }
    while (at < len) {
        int n = (uint8_t)text[at] < 0x80 ? 1 : kiln_text_utf8(text + at, len - at);

        if (n < 0 && !all)
            return at;
        n = n < 0 ? 0 : n;
        put_picture(show, text + at, n, out);
        at += n > 1 ? (size_t)n : 1;
    }
    return at;
}

void kiln_text_quote(const uint8_t *bytes, size_t len, struct kiln_buf *out)
{
    static const char named[] = "\a\b\t\n\v\f\r", names[] = "abtnvfr";

    for (size_t at = 0; at < len;) {
        int n = kiln_text_utf8((const char *)bytes + at, len - at);
        const char *name = bytes[at] != 0 ? strchr(named, bytes[at]) : NULL;

        if (name != NULL)
            (void)!kiln_buf_printf(out, "\\%c", names[name - named]);
        else if (bytes[at] == '"' || bytes[at] == '\\')
            (void)!kiln_buf_printf(out, "\\%c", bytes[at]);
        else if (n <= 0 || bytes[at] < 0x20 || bytes[at] == 0x7f)
            (void)!kiln_buf_printf(out, "\\x%02x", bytes[at]);
        else
            (void)!kiln_buf_append(out, bytes + at, (size_t)n);
        at += n > 1 ? (size_t)n : 1;
    }
}

static unsigned columns_of(const char *text, size_t len)
{
    unsigned count = 0;

    for (size_t i = 0; i < len; i++)
        count += ((uint8_t)text[i] & 0xc0) != 0x80;
    return count;
}

void kiln_text_wrap(const char *text, size_t len, unsigned columns, unsigned indent,
                    struct kiln_buf *out)
{
    unsigned column = indent;
    size_t at = 0;

    while (at < len) {
        size_t gap = 0, word = 0;

        while (at + gap < len && text[at + gap] == ' ')
            gap++;
        while (at + gap + word < len && text[at + gap + word] != ' ')
            word++;
        if (columns > indent && column > indent &&
            column + gap + columns_of(text + at + gap, word) > columns) {
            (void)!kiln_buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else {
            (void)!kiln_buf_append(out, text + at, gap);
            column += (unsigned)gap;
        }
        (void)!kiln_buf_append(out, text + at + gap, word);
        column += columns_of(text + at + gap, word);
        at += gap + word;
    }
}

void kiln_text_json(const char *text, size_t len, struct kiln_buf *out)
{
    size_t at = 0;

    while (at < len) {
        uint8_t byte = (uint8_t)text[at];
        int n = csi_len(text + at, len - at);

        if (n > 0) {
            at += (size_t)n;
            continue;
        }
        n = kiln_text_utf8(text + at, len - at);
        if (byte == '"' || byte == '\\')
            (void)!kiln_buf_printf(out, "\\%c", byte);
        else if (byte == '\t')
            (void)!kiln_buf_append(out, "\\t", 2);
        else if (byte < 0x20 || byte == 0x7f || n <= 0)
            (void)!kiln_buf_printf(out, "\\u%04x", byte);
        else
            (void)!kiln_buf_append(out, text + at, (size_t)n);
        at += byte >= 0x20 && n > 1 ? (size_t)n : 1;
    }
}

static int digit(char c)
{
    const char *all = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(all, c >= 'A' && c <= 'F' ? c + 32 : c);

    return found == NULL ? -1 : (int)(found - all);
}

bool kiln_text_hex(const char **at, uint32_t *out_value)
{
    const char *p = *at;
    uint32_t value = 0;
    size_t n = 0;

    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
        p += 2;
    for (; digit(*p) >= 0; p++, n++)
        value = value << 4 | (uint32_t)digit(*p);
    if (n == 0 || n > 8)
        return false;
    *at = p;
    *out_value = value;
    return true;
}
