/* SPDX-License-Identifier: MIT */
/*
 * Parsing as esptool 5 does it (with the library click): options of the program stand before the command
 * and its own behind it, in any order with its operands; the last of several counts; a name of one dash
 * and several letters is a long name; words are taken as a value whatever they look like.
 */
#include "cli/compat_esptool.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MAX 64u

/* "'--chip' / '-c'" */
static const char *shown(const struct esptool_option *option, char text[64])
{
    if (option->alias != NULL)
        snprintf(text, 64, "'%s' / '%s'", option->name, option->alias);
    else
        snprintf(text, 64, "'%s'", option->name);
    return text;
}

/* ---- values ---- */

static int bad_choice(struct esptool *e, const char *what, const char *value,
                      const struct esptool_option *option)
{
    const char *choice;
    char list[256] = "";
    size_t len = 0;

    for (size_t i = 0; (choice = esptool_choice(option, i)) != NULL && len < sizeof list; i++) {
        int more = snprintf(list + len, sizeof list - len, "%s'%s'", len > 0 ? ", " : "", choice);

        len += (size_t)more;
    }
    /* "-cp PORT -cb RATE -ca ADDRESS -cf FILE" of another program of that name */
    if (option->kind == ESPTOOL_CHIP && strlen(value) == 1 && strchr("abdefpruz", value[0]) != NULL)
        return esptool_usage(e,
                             "-c%s is an option of esptool-ck, the old tool for the ESP8266. Here "
                             "it is: --port PORT --baud RATE write-flash ADDRESS FILE",
                             value);
    return esptool_usage(e, "Invalid value for %s: '%s' is not one of %s.", what, value, list);
}

static const char *find_choice(const char *value, const struct esptool_option *option)
{
    const char *choice;

    for (size_t i = 0; (choice = esptool_choice(option, i)) != NULL; i++)
        if (strcmp(choice, value) == 0)
            break;
    return choice;
}

static int store_choice(struct esptool *e, const struct esptool_option *option, const char *what,
                        const char *value, const char **field)
{
    char plain[32];
    size_t len = 0;
    bool old = false;

    for (const char *c = value; *c != '\0' && len + 1 < sizeof plain; c++) {
        if (option->kind == ESPTOOL_CHIP && strchr("-()", *c) != NULL)
            continue;
        old |= *c == '_';
        plain[len++] = option->kind == ESPTOOL_CHIP ? (char)tolower((unsigned char)*c)
                       : option->kind == ESPTOOL_RESET && *c == '_' ? '-'
                                                                    : *c;
    }
    plain[len] = '\0';
    *field = find_choice(option->kind == ESPTOOL_CHOICE ? value : plain, option);
    if (*field == NULL)
        return bad_choice(e, what, value, option);
    if (option->kind == ESPTOOL_RESET && old)
        esptool_warning(e,
                        "Deprecated: Choice '%s' for option '%s' is deprecated. Use '%s' instead.",
                        value, option->name, *field);
    return 0;
}

static bool is_spi(const char *value)
{
    int64_t pin;
    char word[16];
    size_t pins = 0;

    if (strcasecmp(value, "SPI") == 0 || strcasecmp(value, "HSPI") == 0)
        return true;
    for (;; value++) {
        size_t len = strcspn(value, ",");

        if (len >= sizeof word)
            return false;
        memcpy(word, value, len);
        word[len] = '\0';
        if (!esptool_int(word, &pin) || pin < 0)
            return false;
        pins++;
        value += len;
        if (*value == '\0')
            return pins == 5;
    }
}

static bool size_with_suffix(const char *value, int64_t *out)
{
    size_t len = strlen(value);
    char digits[32];
    int64_t unit = len == 0                ? 0
                   : value[len - 1] == 'k' ? 1024
                   : value[len - 1] == 'M' ? 1024 * 1024
                                           : 0;

    if (unit == 0)
        return esptool_int(value, out);
    if (len > sizeof digits)
        return false;
    memcpy(digits, value, len - 1);
    digits[len - 1] = '\0';
    return esptool_int(digits, out) && !__builtin_mul_overflow(*out, unit, out);
}

static int store_number(struct esptool *e, const struct esptool_option *option, const char *what,
                        const char *value, int64_t *field)
{
    bool good;

    if (option->kind == ESPTOOL_SIZE_ALL && strcasecmp(value, "all") == 0) {
        *field = ESPTOOL_ALL;
        return 0;
    }
    good = option->kind == ESPTOOL_DECIMAL || option->kind == ESPTOOL_RATE
               ? esptool_decimal(value, field)
           : option->kind == ESPTOOL_SIZE || option->kind == ESPTOOL_SIZE_ALL
               ? size_with_suffix(value, field)
               : esptool_int(value, field);
    if (!good && option->kind == ESPTOOL_RATE)
        return esptool_uncaught(e, "Invalid value for %s: '%s' is not a valid integer.", what,
                                value);
    if (!good)
        return esptool_usage(e, "Invalid value for %s: '%s' is not a valid integer.", what, value);
    if (option->kind == ESPTOOL_DECIMAL && (*field < option->min || *field > option->max))
        return esptool_usage(e, "Invalid value for %s: %s is not in the range %lld to %lld.", what,
                             value, (long long)option->min, (long long)option->max);
    if (option->kind == ESPTOOL_ALIGNED && (*field & 3) != 0)
        return esptool_usage(
            e, "Invalid value for %s: Chunk size should be a 4-byte aligned number.", what);
    return 0;
}

static int store(struct esptool *e, const struct esptool_option *option, const char *what,
                 char *value)
{
    void *field = (char *)&e->args + option->field;

    switch (option->kind) {
    case ESPTOOL_FLAG:
        *(bool *)field = true;
        return 0;
    case ESPTOOL_PATH:
        if (access(value, F_OK) != 0)
            return esptool_usage(e, "Invalid value for %s: Path '%s' does not exist.", what, value);
        *(const char **)field = value;
        return 0;
    case ESPTOOL_TEXT:
        *(const char **)field = value;
        return 0;
    case ESPTOOL_SPI:
        if (!is_spi(value))
            return esptool_usage(e,
                                 "Invalid value for %s: %s is not a valid spi-connection value. It "
                                 "is SPI, HSPI, or five numbers CLK,Q,D,HD,CS.",
                                 what, value);
        *(const char **)field = value;
        return 0;
    case ESPTOOL_CHOICE:
    case ESPTOOL_RESET:
    case ESPTOOL_CHIP:
        return store_choice(e, option, what, value, field);
    case ESPTOOL_DECIMAL:
    case ESPTOOL_RATE:
    case ESPTOOL_INT:
    case ESPTOOL_ALIGNED:
    case ESPTOOL_SIZE:
    case ESPTOOL_SIZE_ALL:
        return store_number(e, option, what, value, field);
    case ESPTOOL_WORDS:
        return esptool_add_word(e, field, value) ? 0 : esptool_fatal(e, "out of memory");
    case ESPTOOL_INPUT:
        return esptool_read_input(e, value, 0, false, field);
    case ESPTOOL_PAIRS:
        break;
    }
    return 1;
}

/* ---- words ---- */

struct parse {
    struct esptool *e;
    const struct esptool_option *const *options;
    const struct esptool_words *words;
    size_t at;
    bool seen[OPTIONS_MAX];
    bool help;
};

static const struct esptool_option *option_at(const struct parse *p, size_t index)
{
    return p->options == NULL || index >= OPTIONS_MAX ? NULL : p->options[index];
}

static bool is_name(const struct esptool_option *option, const char *name, size_t len)
{
    return (strlen(option->name) == len && strncmp(option->name, name, len) == 0) ||
           (option->alias != NULL && strlen(option->alias) == len &&
            strncmp(option->alias, name, len) == 0);
}

const struct esptool_option *esptool_find_option(const struct esptool_option *const *options,
                                                 const char *name, size_t len)
{
    for (; options != NULL && *options != NULL; options++)
        if (is_name(*options, name, len))
            return *options;
    return NULL;
}

/* The index of the option of that name, OPTIONS_MAX if there is none. */
static size_t find(const struct parse *p, const char *name, size_t len)
{
    for (size_t i = 0; option_at(p, i) != NULL; i++)
        if (is_name(p->options[i], name, len))
            return i;
    return OPTIONS_MAX;
}

static bool is_command(const char *word)
{
    for (size_t i = 0; esptool_command_at(i) != NULL; i++)
        if (strcmp(esptool_command_at(i)->name, word) == 0)
            return true;
    return false;
}

/* All words up to the next option. Before the command also up to the command. */
static int eat(struct parse *p, const struct esptool_option *option, const char *what, char *value)
{
    struct esptool_words words = {0};
    const struct esptool_words *all = p->words;
    bool good = esptool_add_word(p->e, &words, value);

    while (good && p->at < all->count && all->word[p->at][0] != '-' &&
           (p->e->command != NULL || !is_command(all->word[p->at])))
        good = esptool_add_word(p->e, &words, all->word[p->at++]);
    if (!good)
        return esptool_fatal(p->e, "out of memory");
    if (option->kind == ESPTOOL_PAIRS)
        return esptool_read_pairs(p->e, &words,
                                  (struct esptool_files *)((char *)&p->e->args + option->field));
    for (size_t i = 0; i < words.count; i++) {
        int status = store(p->e, option, what, words.word[i]);

        if (status != 0)
            return status;
    }
    return 0;
}

static int take(struct parse *p, size_t index, char *value)
{
    const struct esptool_option *option = p->options[index];
    char what[64];

    p->seen[index] = true;
    if (option->kind == ESPTOOL_FLAG)
        return value == NULL
                   ? store(p->e, option, "", NULL)
                   : esptool_usage(p->e, "Option '%s' does not take a value.", option->name);
    if (value == NULL) {
        if (p->at >= p->words->count)
            return esptool_usage(p->e, "Option '%s' requires an argument.", option->name);
        value = p->words->word[p->at++];
    }
    shown(option, what);
    return option->eats ? eat(p, option, what, value) : store(p->e, option, what, value);
}

static bool is_help(const char *word)
{
    return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
}

/* "-vb115200": each letter an option, the first that takes a value takes the rest. */
static int take_letters(struct parse *p, char *word)
{
    for (char *c = word + 1; *c != '\0'; c++) {
        const char name[3] = {'-', *c, '\0'};
        size_t index = find(p, name, 2);
        int status;

        if (*c == 'h') {
            p->help = true;
            continue;
        }
        if (index == OPTIONS_MAX)
            return esptool_usage(p->e, "No such option: %s", name);
        if (p->options[index]->kind != ESPTOOL_FLAG)
            return take(p, index, c[1] != '\0' ? c + 1 : NULL);
        status = take(p, index, NULL);
        if (status != 0)
            return status;
    }
    return 0;
}

static int take_option(struct parse *p)
{
    char *word = p->words->word[p->at++];
    char *equals = strchr(word, '=');
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    size_t index = find(p, word, len);

    if (is_help(word)) {
        p->help = true;
        return 0;
    }
    /* A letter of its own does not take its value behind '='. */
    if (index != OPTIONS_MAX && (len > 2 || equals == NULL))
        return take(p, index, equals != NULL ? equals + 1 : NULL);
    if (word[1] == '-')
        return esptool_usage(p->e, "No such option: %.*s", (int)len, word);
    return take_letters(p, word);
}

/* Fields of options that were not given. */
static int take_fallbacks(struct parse *p)
{
    for (size_t i = 0; option_at(p, i) != NULL; i++) {
        const struct esptool_option *option = p->options[i];
        const char *value = option->env != NULL ? getenv(option->env) : NULL;
        char what[64];
        char *copy;
        int status;

        if (p->seen[i])
            continue;
        if (option->required)
            return esptool_usage(p->e, "Missing option %s.", shown(option, what));
        if (value == NULL)
            value = option->fallback;
        if (value == NULL) {
            if (option->kind >= ESPTOOL_DECIMAL && option->kind <= ESPTOOL_SIZE_ALL)
                *(int64_t *)((char *)&p->e->args + option->field) = ESPTOOL_NOT_GIVEN;
            continue;
        }
        copy = esptool_keep(p->e, strdup(value));
        if (copy == NULL)
            return esptool_fatal(p->e, "out of memory");
        status = store(p->e, option, shown(option, what), copy);
        if (status != 0)
            return status;
    }
    return 0;
}

static int check_exclusive(const struct parse *p)
{
    for (size_t i = 0; option_at(p, i) != NULL; i++) {
        const char *other = p->options[i]->excludes;
        size_t index = other != NULL ? find(p, other, strlen(other)) : OPTIONS_MAX;

        if (p->seen[i] && index != OPTIONS_MAX && p->seen[index])
            return esptool_usage(p->e,
                                 "Illegal usage: %s is mutually exclusive with arguments: %s.",
                                 p->options[i]->name, other);
    }
    return 0;
}

int esptool_parse(struct esptool *e, const struct esptool_option *const *options,
                  const struct esptool_words *words, size_t *at, bool interspersed,
                  struct esptool_words *out, bool *out_help)
{
    struct parse p = {.e = e, .options = options, .words = words, .at = *at};
    bool rest = false;
    int status = 0;

    while (status == 0 && p.at < words->count) {
        char *word = words->word[p.at];

        if (!rest && word[0] == '-' && word[1] != '\0') {
            rest = strcmp(word, "--") == 0;
            if (rest)
                p.at++;
            else
                status = take_option(&p);
            continue;
        }
        if (!interspersed)
            break;
        if (!esptool_add_word(e, out, word))
            return esptool_fatal(e, "out of memory");
        p.at++;
    }
    *at = p.at;
    *out_help = p.help;
    if (status == 0 && !p.help)
        status = check_exclusive(&p);
    if (status == 0 && !p.help)
        status = take_fallbacks(&p);
    return status;
}

int esptool_parse_operands(struct esptool *e, const struct esptool_words *words)
{
    const struct esptool_operand *operand = e->command->operands;
    size_t at = 0;

    for (; operand != NULL && operand->name != NULL; operand++) {
        const struct esptool_option as = {
            .name = operand->name, .kind = operand->kind, .field = operand->field};
        char what[64];
        const char *value = at < words->count ? words->word[at] : operand->fallback;
        char *copy;
        int status;

        if (value == NULL)
            return esptool_usage(e, "Missing argument '%s'.", operand->name);
        if (operand->kind == ESPTOOL_PAIRS)
            return esptool_read_pairs(e, words,
                                      (struct esptool_files *)((char *)&e->args + operand->field));
        copy = esptool_keep(e, strdup(value));
        if (copy == NULL)
            return esptool_fatal(e, "out of memory");
        status = store(e, &as, shown(&as, what), copy);
        if (status != 0)
            return status;
        at++;
    }
    if (at < words->count)
        return esptool_usage(e, "Got unexpected extra argument%s (%s)",
                             words->count - at > 1 ? "s" : "", words->word[at]);
    return 0;
}
