/* SPDX-License-Identifier: MIT */
/* Words of the command line before they are parsed, and numbers in them. */
#include "cli/compat_esptool.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *esptool_keep(struct esptool *e, void *pointer)
{
    void **kept = pointer != NULL ? realloc(e->kept, (e->kept_count + 1) * sizeof *kept) : NULL;

    if (kept == NULL) {
        free(pointer);
        return NULL;
    }
    e->kept = kept;
    e->kept[e->kept_count++] = pointer;
    return pointer;
}

bool esptool_add_word(struct esptool *e, struct esptool_words *words, char *word)
{
    if (words->count == words->capacity) {
        size_t capacity = words->capacity == 0 ? 16 : 2 * words->capacity;
        char **grown = esptool_keep(e, calloc(capacity, sizeof *grown));

        if (grown == NULL)
            return false;
        if (words->count > 0)
            memcpy(grown, words->word, words->count * sizeof *grown);
        words->word = grown;
        words->capacity = capacity;
    }
    words->word[words->count++] = word;
    return true;
}

/* ---- numbers as Python reads them ---- */

static int digit_of(char c)
{
    return isdigit((unsigned char)c)   ? c - '0'
           : isalpha((unsigned char)c) ? tolower(c) - 'a' + 10
                                       : 99;
}

/* Digits of `base`, single '_' between them. */
static bool digits(const char *text, size_t len, int base, int64_t *out)
{
    bool was_digit = false;

    *out = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '_' && was_digit) {
            was_digit = false;
            continue;
        }
        if (digit_of(text[i]) >= base || __builtin_mul_overflow(*out, (int64_t)base, out) ||
            __builtin_add_overflow(*out, (int64_t)digit_of(text[i]), out))
            return false;
        was_digit = true;
    }
    return was_digit;
}

static int base_of(const char *text, size_t len)
{
    if (len < 2 || text[0] != '0')
        return 10;
    switch (tolower((unsigned char)text[1])) {
    case 'x':
        return 16;
    case 'o':
        return 8;
    case 'b':
        return 2;
    default:
        return 10;
    }
}

static bool number(const char *text, bool any_base, int64_t *out)
{
    size_t len;
    bool negative;
    int base;

    while (isspace((unsigned char)*text))
        text++;
    len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    negative = len > 0 && text[0] == '-';
    if (len > 0 && (text[0] == '-' || text[0] == '+')) {
        text++;
        len--;
    }
    base = any_base ? base_of(text, len) : 10;
    if (base != 10) {
        text += 2;
        len -= 2;
        if (len > 1 && text[0] == '_') { /* 0x_1 */
            text++;
            len--;
        }
    }
    if (!digits(text, len, base, out))
        return false;
    /* "010" is no number with any base, "00" is. */
    if (any_base && base == 10 && len > 1 && text[0] == '0' && *out != 0)
        return false;
    if (negative)
        *out = -*out;
    return true;
}

bool esptool_int(const char *text, int64_t *out)
{
    return number(text, true, out);
}

bool esptool_decimal(const char *text, int64_t *out)
{
    return number(text, false, out);
}

/* ---- @FILE ---- */

char *esptool_next_word(char **text, bool *out_good)
{
    char *in = *text, *start, *out;
    char quote = '\0';

    *out_good = true;
    while (isspace((unsigned char)*in))
        in++;
    if (*in == '\0')
        return NULL;
    start = out = in;
    for (; *in != '\0' && (quote != '\0' || !isspace((unsigned char)*in)); in++) {
        if (quote == '\0' && (*in == '\'' || *in == '"'))
            quote = *in;
        else if (quote != '\0' && *in == quote)
            quote = '\0';
        else if (*in == '\\' && in[1] != '\0' &&
                 (quote == '\0' || (quote == '"' && strchr("\"\\", in[1]) != NULL)))
            *out++ = *++in;
        else
            *out++ = *in;
    }
    *out_good = quote == '\0';
    *text = *in != '\0' ? in + 1 : in;
    *out = '\0';
    return start;
}

static int expand_line(struct esptool *e, char *line, const char *path, struct esptool_words *out)
{
    bool good;
    char *word;

    while ((word = esptool_next_word(&line, &good)) != NULL) {
        if (!good)
            return esptool_uncaught(e, "'%s': a quotation mark is not closed", path);
        if (!esptool_add_word(e, out, word))
            return esptool_fatal(e, "out of memory");
    }
    return 0;
}

static int expand_file(struct esptool *e, const char *path, struct esptool_words *out)
{
    FILE *file = fopen(path, "r");
    int status = 0;

    if (file == NULL)
        return esptool_uncaught(e, "'%s': %s", path, strerror(errno));
    while (status == 0) {
        char *line = NULL;
        size_t capacity = 0;

        errno = 0;
        if (getline(&line, &capacity, file) < 0) {
            if (!feof(file))
                status = esptool_uncaught(e, "'%s': %s", path, strerror(errno));
            free(line);
            break;
        }
        if (esptool_keep(e, line) == NULL)
            status = esptool_fatal(e, "out of memory");
        else
            status = expand_line(e, line, path, out);
    }
    fclose(file);
    return status;
}

/* ---- old names ---- */

static const struct {
    const char *old, *now;
} old_options[] = {
    {"--flash_size", "--flash-size"},
    {"--flash_freq", "--flash-freq"},
    {"--flash_mode", "--flash-mode"},
    {"--use_segments", "--use-segments"},
    {"--ignore_flash_encryption_efuse_setting", "--ignore-flash-enc-efuse"},
    {"--fill-flash-size", "--pad-to-size"},
};

static char *new_name(struct esptool *e, char *word)
{
    size_t len = strcspn(word, "=");

    for (size_t i = 0; i < sizeof old_options / sizeof old_options[0]; i++) {
        const char *old = old_options[i].old, *now = old_options[i].now;
        size_t size = strlen(now) + strlen(word + len) + 1;
        char *replaced;

        if (strlen(old) != len || strncmp(old, word, len) != 0)
            continue;
        esptool_warning(e, "Deprecated: Option '%s' is deprecated. Use '%s' instead.", old, now);
        replaced = esptool_keep(e, malloc(size));
        if (replaced != NULL)
            snprintf(replaced, size, "%s%s", now, word + len);
        return replaced;
    }
    return word;
}

static void print_expanded(const struct esptool *e, const struct esptool_words *words)
{
    fputs("esptool", stdout);
    for (size_t i = 0; i < words->count; i++)
        printf(" %s", words->word[i]);
    putchar('\n');
    (void)e;
}

int esptool_expand_words(struct esptool *e, size_t count, char **word, struct esptool_words *out)
{
    bool expanded = false;
    int status = 0;

    for (size_t i = 0; i < count && status == 0; i++) {
        if (word[i][0] == '@') {
            expanded = true;
            status = expand_file(e, word[i] + 1, out);
        } else if (!esptool_add_word(e, out, word[i])) {
            status = esptool_fatal(e, "out of memory");
        }
    }
    if (status == 0 && expanded)
        print_expanded(e, out);
    for (size_t i = 0; i < out->count && status == 0; i++) {
        out->word[i] = new_name(e, out->word[i]);
        if (out->word[i] == NULL)
            status = esptool_fatal(e, "out of memory");
    }
    return status;
}
