/* SPDX-License-Identifier: MIT */
/* Lines that are longer than the terminal is wide: broken at blanks, and set in below what they belong to. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LABEL_MAX 30 /* columns up to which a gap of blanks ends a label */

/* 0: no terminal, nothing is folded. */
static size_t width_of(FILE *out)
{
    const char *term = getenv("TERM");
    struct winsize size;

    if (isatty(fileno(out)) == 0 || term == NULL || strcmp(term, "dumb") == 0 ||
        ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 0;
    return size.ws_col;
}

/* Columns that `len` bytes take: escape sequences take none, characters of several bytes one. */
static size_t columns_of(const char *text, size_t len)
{
    size_t columns = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\033') {
            while (i < len && text[i] != 'm')
                i++;
            continue;
        }
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    }
    return columns;
}

/* Where a line goes on: below the text behind its label, else a step further in than it begins. */
static size_t hang_of(const char *line, size_t len, size_t width)
{
    size_t begin = strspn(line, " ");

    for (size_t i = begin; begin > 0 && i + 2 < len && i < LABEL_MAX; i++) {
        size_t gap = strspn(line + i, " ");

        if (gap > 1 && i + gap < len)
            return columns_of(line, i + gap) <= width / 2 ? columns_of(line, i + gap) : begin + 4;
    }
    return begin + 4;
}

static void fold_line(FILE *out, const char *line, size_t len, size_t width)
{
    size_t hang = hang_of(line, len, width), column = 0;

    while (len > 0) {
        size_t gap = strspn(line, " "), word, columns;

        gap = gap < len ? gap : len;
        word = strcspn(line + gap, " \n");
        word = word < len - gap ? word : len - gap;
        columns = columns_of(line + gap, word);
        if (column > hang && column + gap + columns > width) {
            fprintf(out, "\n%*s", (int)hang, "");
            column = hang;
        } else {
            fprintf(out, "%*s", (int)gap, "");
            column += gap;
        }
        fwrite(line + gap, 1, word, out);
        column += columns;
        line += gap + word;
        len -= gap + word;
    }
}

void cli_put(FILE *out, const char *text)
{
    size_t width = width_of(out);

    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        if (width == 0 || columns_of(text, len) <= width)
            fwrite(text, 1, len, out);
        else
            fold_line(out, text, len, width);
        text += len;
        if (*text == '\n')
            fputc(*text++, out);
    }
}

void cli_putf(FILE *out, const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (text != NULL)
        cli_put(out, text);
    free(text);
}

static bool speaks_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && value[0] != '\0')
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

bool cli_draws_utf8(const struct cli *cli)
{
    return cli->tty && speaks_utf8();
}
