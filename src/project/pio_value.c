/* SPDX-License-Identifier: MIT */
#include "project/pio_value.h"

#include "project/files.h"
#include "project/ini.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where " ; comment" begins in an item: white space with a ';' right behind it. `end` if there is none. */
static const char *tail_comment(const char *at, const char *end)
{
    const char *space = NULL;

    while (at < end) {
        size_t n = kiln_ini_space(at, end);

        if (n > 0) {
            space = space != NULL ? space : at;
        } else {
            if (*at == ';' && space != NULL)
                return space;
            space = NULL;
            n = 1;
        }
        at += n;
    }
    return end;
}

/* One item without its comment; NULL if nothing is left that counts. */
static const char *item(struct kiln_arena *arena, const char *at, const char *end)
{
    kiln_ini_strip(&at, &end);
    if (at == end || *at == ';' || *at == '#')
        return NULL;
    end = tail_comment(at, end);
    kiln_ini_strip(&at, &end);
    return kiln_arena_text(arena, at, (size_t)(end - at));
}

const char **kiln_pio_split(struct kiln_arena *arena, const char *text, size_t *out_count)
{
    const char *separator = strchr(text, '\n') != NULL ? "\n" : ", ";
    size_t count = 1, step = strlen(separator);
    const char **items;

    *out_count = 0;
    for (const char *at = text; (at = strstr(at, separator)) != NULL; at += step)
        count++;
    items = kiln_arena_alloc(arena, count * sizeof *items);
    while (items != NULL) {
        const char *next = strstr(text, separator);
        const char *one = item(arena, text, next != NULL ? next : text + strlen(text));

        if (one != NULL)
            items[(*out_count)++] = one;
        if (next == NULL)
            break;
        text = next + step;
    }
    return items;
}

/* Python's int(): white space around, a sign, single underscores between digits. */
static const char *to_number(struct kiln_arena *arena, const char *text, int64_t *out)
{
    const char *at = text, *end = text + strlen(text);
    bool negative = false, digit = false;
    uint64_t n = 0;

    kiln_ini_strip(&at, &end);
    if (at < end && (*at == '-' || *at == '+'))
        negative = *at++ == '-';
    for (; at < end; at++) {
        if (*at == '_' && digit && at + 1 < end) {
            digit = false;
            continue;
        }
        if (*at < '0' || *at > '9')
            break;
        if (n > (INT64_MAX - 9) / 10)
            return "the number is too large";
        n = n * 10 + (uint64_t)(*at - '0');
        digit = true;
    }
    if (at != end || !digit)
        return kiln_arena_printf(arena, "'%.60s' is not a valid integer", text);
    *out = negative ? -(int64_t)n : (int64_t)n;
    return NULL;
}

static const char *to_bool(struct kiln_arena *arena, const char *text, int64_t *out)
{
    static const char yes[] = "1 true t yes y on", no[] = "0 false f no n off";
    const char *at = text, *end = text + strlen(text);
    char word[16];

    kiln_ini_strip(&at, &end);
    if (end - at < (ptrdiff_t)sizeof word) {
        snprintf(word, sizeof word, "%.*s", (int)(end - at), at);
        for (char *c = word; *c != '\0'; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        *out = kiln_pio_word_in(yes, word);
        if (*out == 1 || kiln_pio_word_in(no, word))
            return NULL;
    }
    return kiln_arena_printf(arena, "'%.60s' is not a valid boolean", text);
}

static const char *check_items(struct kiln_arena *arena, const struct kiln_pio_option *row,
                               const struct kiln_project_option *value)
{
    for (size_t i = 0; i < value->count && row->type == KILN_PIO_CHOICE; i++)
        if (!kiln_pio_word_in(row->choices, value->texts[i]))
            return kiln_arena_printf(arena, "'%.60s' is not one of %s", value->texts[i],
                                     row->choices);
    return NULL;
}

static const char *check_file(struct kiln_arena *arena, const char *dir, const char *text)
{
    const char *path = kiln_path_absolute(arena, dir, text);

    if (path == NULL || access(path, R_OK) != 0)
        return kiln_arena_printf(arena, "there is no file '%.200s'", text);
    return kiln_folder_exists(path) ? "it is a folder, not a file" : NULL;
}

static const char *folder(struct kiln_arena *arena, const char *dir, const char *text)
{
    if (*text == '\0' || (strstr(text, "${") != NULL && strchr(text, '}') != NULL))
        return text;
    text = kiln_path_user(arena, text);
    return text != NULL ? kiln_path_absolute(arena, dir, text) : NULL;
}

const char *kiln_pio_cast(struct kiln_arena *arena, const char *dir,
                          const struct kiln_pio_option *row, const char *text,
                          struct kiln_project_option *value)
{
    enum kiln_pio_type type = row != NULL ? row->type : KILN_PIO_TEXT;
    const char **slot, *error = NULL;

    if (row != NULL && row->multiple) {
        value->kind = KILN_PROJECT_LIST;
        value->texts = kiln_pio_split(arena, text != NULL ? text : "", &value->count);
        return check_items(arena, row, value);
    }
    value->kind = KILN_PROJECT_NONE;
    if (text == NULL)
        return NULL;
    if (type == KILN_PIO_INT || type == KILN_PIO_BIT) {
        value->kind = KILN_PROJECT_NUMBER;
        error = to_number(arena, text, &value->number);
        if (error == NULL && type == KILN_PIO_BIT && (value->number < 0 || value->number > 1))
            error = kiln_arena_printf(arena, "%lld is neither 0 nor 1", (long long)value->number);
        return error;
    }
    if (type == KILN_PIO_BOOL) {
        value->kind = KILN_PROJECT_BOOL;
        return to_bool(arena, text, &value->number);
    }
    if (type == KILN_PIO_FILE)
        error = check_file(arena, dir, text);
    if (type == KILN_PIO_DIR)
        text = folder(arena, dir, text);
    slot = kiln_arena_alloc(arena, sizeof *slot);
    if (slot == NULL || text == NULL)
        return "out of memory";
    *slot = text;
    value->kind = KILN_PROJECT_TEXT;
    value->texts = slot;
    value->count = 1;
    return error != NULL
               ? error
               : check_items(arena, row != NULL ? row : &(struct kiln_pio_option){0}, value);
}

void kiln_pio_hash(const char *dir, char out[64])
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;

    (void)EVP_Digest(dir, strlen(dir), digest, &len, EVP_sha1(), NULL);
    out[0] = '-';
    for (size_t i = 0; i < 5; i++)
        snprintf(out + 1 + i * 2, 3, "%02x", digest[i]);
}

void kiln_pio_time(char out[64])
{
    struct timespec now = {0};

    (void)timespec_get(&now, TIME_UTC);
    snprintf(out, 64, "%lld", (long long)now.tv_sec);
}
