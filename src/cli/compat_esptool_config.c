/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: section [esptool] of esptool.cfg, setup.cfg or tox.ini in the current folder,
 * ~/.config/esptool or the home folder, or the file that ESPTOOL_CFGFILE names. Its grammar is that of
 * Python's configparser: "key = value" or "key: value", whole-line comments, continued lines.
 */
#include "cli/compat_esptool.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const known_keys[] = {
    "timeout",
    "chip_erase_timeout",
    "max_timeout",
    "sync_timeout",
    "md5_timeout_per_mb",
    "erase_region_timeout_per_mb",
    "erase_write_timeout_per_mb",
    "mem_end_rom_timeout",
    "serial_write_timeout",
    "connect_attempts",
    "write_block_attempts",
    "reset_delay",
    "open_port_attempts",
    "custom_reset_sequence",
    "custom_hard_reset_sequence",
};

struct reading {
    struct esptool *e;
    struct esptool_setting *settings;
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

static struct esptool_setting *setting_of(const struct reading *r, const char *key)
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
    struct esptool_setting *grown;
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
    grown[r->count++] = (struct esptool_setting){lower, copy};
    r->settings = grown;
}

static void continue_value(struct reading *r, const char *text)
{
    struct esptool_setting *setting = r->ours ? setting_of(r, r->last) : NULL;
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

static bool is_known(const char *key)
{
    for (size_t i = 0; i < sizeof known_keys / sizeof known_keys[0]; i++)
        if (strcmp(known_keys[i], key) == 0)
            return true;
    return false;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void note_unknown(const struct reading *r)
{
    const char *names[16];
    char list[512] = "";
    size_t count = 0, len = 0;

    for (size_t i = 0; i < r->count && count < sizeof names / sizeof names[0]; i++)
        if (!is_known(r->settings[i].key))
            names[count++] = r->settings[i].key;
    if (count == 0)
        return;
    qsort(names, count, sizeof names[0], by_name);
    for (size_t i = 0; i < count && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", names[i]);
    esptool_note(r->e, "Ignoring unknown config file option%s: %s", count > 1 ? "s" : "", list);
}

static bool try_file(struct esptool *e, const char *path, bool from_environment)
{
    struct reading r = {.e = e};
    char full[PATH_MAX];

    if (!read_file(&r, path)) {
        if (r.wrong[0] != '\0' && !from_environment)
            esptool_note(e, "Ignoring invalid config file %s: %s", path, r.wrong);
        return false;
    }
    if (!from_environment)
        note_unknown(&r);
    e->settings = r.settings;
    e->setting_count = r.count;
    esptool_print(e, "Loaded custom configuration from %s%s",
                  realpath(path, full) != NULL ? full : path,
                  from_environment ? " (set with ESPTOOL_CFGFILE)" : "");
    return true;
}

static bool try_folder(struct esptool *e, const char *folder, const char *below)
{
    static const char *const names[] = {"esptool.cfg", "setup.cfg", "tox.ini"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int len = snprintf(path, sizeof path, "%s%s/%s", folder, below, names[i]);

        if (len > 0 && (size_t)len < sizeof path && try_file(e, path, false))
            return true;
    }
    return false;
}

void esptool_load_config(struct esptool *e)
{
    const char *named = getenv("ESPTOOL_CFGFILE");
    const char *home = getenv("HOME");
    char here[PATH_MAX];

    if (named != NULL && try_file(e, named, true))
        return;
    if (getcwd(here, sizeof here) != NULL && try_folder(e, here, ""))
        return;
    if (home != NULL && !try_folder(e, home, "/.config/esptool"))
        try_folder(e, home, "");
}

const char *esptool_setting(const struct esptool *e, const char *key)
{
    for (size_t i = 0; i < e->setting_count; i++)
        if (strcmp(e->settings[i].key, key) == 0)
            return e->settings[i].value;
    return NULL;
}
