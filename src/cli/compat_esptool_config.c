/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: section [esptool] of esptool.cfg, setup.cfg or tox.ini in the current folder,
 * ~/.config/esptool or the home folder, or the file that ESPTOOL_CFGFILE names. Its grammar is that of
 * Python's configparser: "key = value" or "key: value", whole-line comments, continued lines.
 */
#include "cli/compat_esptool.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum key_kind {
    KEY_SECONDS, /* uint32_t, in ms */
    KEY_COUNT,   /* uint32_t, at least 1 */
    KEY_NUMBER,  /* int64_t */
    KEY_TEXT     /* const char * */
};

#define TIMING(name) offsetof(struct esptool_config, timing.name)
#define CONFIG(name) offsetof(struct esptool_config, name)

static const struct key {
    const char *name;
    enum key_kind kind;
    size_t field; /* in struct esptool_config */
} keys[] = {
    {"timeout", KEY_SECONDS, TIMING(reply_ms)},
    {"chip_erase_timeout", KEY_SECONDS, TIMING(erase_all_ms)},
    {"max_timeout", KEY_SECONDS, TIMING(ceiling_ms)},
    {"sync_timeout", KEY_SECONDS, TIMING(sync_ms)},
    {"md5_timeout_per_mb", KEY_SECONDS, TIMING(md5_per_mb_ms)},
    {"erase_region_timeout_per_mb", KEY_SECONDS, TIMING(erase_per_mb_ms)},
    {"erase_write_timeout_per_mb", KEY_SECONDS, TIMING(write_per_mb_ms)},
    {"mem_end_rom_timeout", KEY_SECONDS, TIMING(ram_start_ms)},
    {"serial_write_timeout", KEY_SECONDS, TIMING(send_ms)},
    {"connect_attempts", KEY_NUMBER, CONFIG(connect_attempts)},
    {"write_block_attempts", KEY_COUNT, TIMING(block_tries)},
    {"reset_delay", KEY_SECONDS, TIMING(reset_delay_ms)},
    {"open_port_attempts", KEY_NUMBER, CONFIG(open_port_attempts)},
    {"custom_reset_sequence", KEY_TEXT, CONFIG(reset_sequence)},
    {"custom_hard_reset_sequence", KEY_TEXT, CONFIG(run_sequence)},
};

struct setting {
    char *key, *value;
};

struct reading {
    struct esptool *e;
    struct setting *settings;
    size_t count;
    bool section, ours, found; /* in a section, in [esptool], [esptool] was there */
    char *last;                /* key whose value an indented line continues */
    size_t indent;             /* of that key */
    unsigned line;
    char sections[512]; /* names so far, each behind '\n': a second one of a name is an error */
    char wrong[128];    /* why the file is not valid, "" */
};

static char *trim(char *text)
{
    size_t len;

    while (isspace((unsigned char)*text))
        text++;
    len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

static struct setting *setting_of(const struct reading *r, const char *key)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->settings[i].key, key) == 0)
            return &r->settings[i];
    return NULL;
}

static void begin_section(struct reading *r, char *text)
{
    char *end = strrchr(text, ']');
    char name[130];
    size_t len;

    if (end == NULL) {
        snprintf(r->wrong, sizeof r->wrong, "line %u: ']' is missing", r->line);
        return;
    }
    *end = '\0';
    r->section = true;
    r->ours = strcmp(text + 1, "esptool") == 0;
    r->last = NULL;
    snprintf(name, sizeof name, "\n%.120s\n", text + 1);
    if (strstr(r->sections, name) != NULL) {
        snprintf(r->wrong, sizeof r->wrong, "line %u: section '%.40s' is there twice", r->line,
                 text + 1);
        return;
    }
    len = strlen(r->sections);
    snprintf(r->sections + len, sizeof r->sections - len, "%s", name);
    r->found |= r->ours;
}

static void add_setting(struct reading *r, const char *key, const char *value)
{
    struct setting *grown;
    char *lower = esptool_keep(r->e, strdup(key));
    char *copy = esptool_keep(r->e, strdup(value));

    for (char *c = lower; c != NULL && *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    r->last = lower;
    if (!r->ours || lower == NULL || copy == NULL)
        return;
    if (setting_of(r, lower) != NULL) {
        snprintf(r->wrong, sizeof r->wrong,
                 "line %u: option '%.40s' in section 'esptool' already exists", r->line, lower);
        return;
    }
    grown = esptool_keep(r->e, calloc(r->count + 1, sizeof *grown));
    if (grown == NULL)
        return;
    if (r->count > 0)
        memcpy(grown, r->settings, r->count * sizeof *grown);
    grown[r->count++] = (struct setting){lower, copy};
    r->settings = grown;
}

static void continue_value(struct reading *r, const char *text)
{
    struct setting *setting = r->ours ? setting_of(r, r->last) : NULL;
    size_t size;
    char *joined;

    if (setting == NULL)
        return;
    size = strlen(setting->value) + strlen(text) + 2;
    joined = esptool_keep(r->e, malloc(size));
    if (joined == NULL)
        return;
    snprintf(joined, size, "%s\n%s", setting->value, text);
    setting->value = joined;
}

static void read_line(struct reading *r, char *line)
{
    size_t indent = strspn(line, " \t");
    char *text = trim(line);
    char *sign = strpbrk(text, "=:");

    r->line++;
    if (*text == '\0' || *text == '#' || *text == ';')
        return;
    if (r->last != NULL && indent > r->indent) {
        continue_value(r, text);
        return;
    }
    if (*text == '[') {
        begin_section(r, text);
        return;
    }
    if (!r->section || sign == NULL || sign == text) {
        snprintf(r->wrong, sizeof r->wrong,
                 r->section ? "line %u is no setting" : "line %u stands before any section",
                 r->line);
        return;
    }
    *sign = '\0';
    r->indent = indent;
    add_setting(r, trim(text), trim(sign + 1));
}

/* True if `path` is a valid file with the section [esptool]. */
static bool read_file(struct reading *r, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0;

    if (file == NULL)
        return false;
    while (r->wrong[0] == '\0' && getline(&line, &capacity, file) >= 0)
        read_line(r, line);
    free(line);
    fclose(file);
    return r->wrong[0] == '\0' && r->found;
}

/* ---- values ---- */

static const struct key *key_named(const char *name)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

/* As Python's float(): "1_000.5", "1e3", "inf", and neither "0x1" nor "nan(1)". */
static bool seconds(const char *text, double *out)
{
    char plain[64];
    size_t len = 0;
    char *end;

    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '_' && c > text && isdigit((unsigned char)c[-1]) && isdigit((unsigned char)c[1]))
            continue;
        if (*c == '_' || *c == '(' || tolower((unsigned char)*c) == 'x' || len + 1 == sizeof plain)
            return false;
        plain[len++] = *c;
    }
    plain[len] = '\0';
    *out = strtod(plain, &end);
    return len > 0 && *end == '\0';
}

static uint32_t milliseconds(double value)
{
    const double most = UINT32_MAX / 2;

    /* 0 would be the default: the shortest wait that there is stands for none. */
    return value * 1000 < 1 ? 1 : value * 1000 > most ? (uint32_t)most : (uint32_t)(value * 1000);
}

/* NULL, or what is wrong with the value. */
static const char *take_value(struct esptool_config *config, const struct key *key,
                              const char *value)
{
    void *field = (char *)config + key->field;
    double number = 0;
    int64_t count = 0;

    switch (key->kind) {
    case KEY_TEXT:
        *(const char **)field = value;
        return NULL;
    case KEY_NUMBER:
        return esptool_decimal(value, field) ? NULL : "is not a whole number";
    case KEY_COUNT:
        if (!esptool_decimal(value, &count) || count < 1 || count > UINT32_MAX)
            return "is not a whole number above 0";
        *(uint32_t *)field = (uint32_t)count;
        return NULL;
    case KEY_SECONDS:
        if (!seconds(value, &number) || !(number >= 0))
            return "is not a number of seconds";
        *(uint32_t *)field = milliseconds(number);
        return NULL;
    }
    return NULL;
}

static int take_values(struct reading *r, const char *path)
{
    struct esptool_config *config = &r->e->config;

    for (size_t i = 0; i < r->count; i++) {
        const struct key *key = key_named(r->settings[i].key);
        const char *wrong = key != NULL ? take_value(config, key, r->settings[i].value) : NULL;

        if (wrong != NULL)
            return esptool_uncaught(r->e, "%s: option '%s': '%s' %s.", path, key->name,
                                    r->settings[i].value, wrong);
    }
    /* Erasing everything may take long, and nothing may take longer than twice that. */
    if (config->timing.erase_all_ms > 0 && config->timing.ceiling_ms == 0)
        config->timing.ceiling_ms = 2 * config->timing.erase_all_ms;
    return 0;
}

/* ---- files ---- */

static int by_name(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* What is to be said of the files, when the time has come. */
static void remember(struct esptool *e, const char *format, ...) KILN_PRINTF(2, 3);

static void remember(struct esptool *e, const char *format, ...)
{
    size_t len = strlen(e->config.notes);
    va_list args;

    va_start(args, format);
    vsnprintf(e->config.notes + len, sizeof e->config.notes - len, format, args);
    va_end(args);
    len = strlen(e->config.notes);
    snprintf(e->config.notes + len, sizeof e->config.notes - len, "\n");
}

static void note_unknown(const struct reading *r)
{
    const char *names[16];
    char list[512] = "";
    size_t count = 0, len = 0;

    for (size_t i = 0; i < r->count && count < sizeof names / sizeof names[0]; i++)
        if (key_named(r->settings[i].key) == NULL)
            names[count++] = r->settings[i].key;
    if (count == 0)
        return;
    qsort(names, count, sizeof names[0], by_name);
    for (size_t i = 0; i < count && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", names[i]);
    remember(r->e, "Note: Ignoring unknown config file option%s: %s", count > 1 ? "s" : "", list);
}

/* *out_status is that of a file which was taken and is wrong. */
static bool try_file(struct esptool *e, const char *path, bool from_environment, int *out_status)
{
    struct reading r = {.e = e};
    char full[PATH_MAX];

    if (!read_file(&r, path)) {
        if (r.wrong[0] != '\0' && !from_environment)
            remember(e, "Note: Ignoring invalid config file %s: %s", path, r.wrong);
        return false;
    }
    if (!from_environment)
        note_unknown(&r);
    remember(e, "Loaded custom configuration from %s%s", realpath(path, full) != NULL ? full : path,
             from_environment ? " (set with ESPTOOL_CFGFILE)" : "");
    *out_status = take_values(&r, path);
    return true;
}

static bool try_folder(struct esptool *e, const char *folder, const char *below, int *out_status)
{
    static const char *const names[] = {"esptool.cfg", "setup.cfg", "tox.ini"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int len = snprintf(path, sizeof path, "%s%s/%s", folder, below, names[i]);

        if (len > 0 && (size_t)len < sizeof path && try_file(e, path, false, out_status))
            return true;
    }
    return false;
}

int esptool_load_config(struct esptool *e)
{
    const char *named = getenv("ESPTOOL_CFGFILE");
    const char *home = getenv("HOME");
    char here[PATH_MAX];
    int status = 0;

    e->config.connect_attempts = ESPTOOL_CONNECT_ATTEMPTS;
    e->config.open_port_attempts = 1;
    if (named != NULL && try_file(e, named, true, &status))
        return status;
    if (getcwd(here, sizeof here) != NULL && try_folder(e, here, "", &status))
        return status;
    if (home != NULL && !try_folder(e, home, "/.config/esptool", &status))
        try_folder(e, home, "", &status);
    return status;
}

void esptool_tell_config(const struct esptool *e)
{
    if (!e->args.silent)
        fputs(e->config.notes, stdout);
}
