/* SPDX-License-Identifier: MIT */
#include "project/pio_config.h"

#include "base/bytes.h"
#include "base/ctx.h"
#include "project/files.h"
#include "project/pio_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES_MAX ((size_t)16 << 20)
#define VALUE_BYTES_MAX  ((size_t)1 << 20)
#define NESTING_MAX      200
#define WORK_MAX         ((size_t)20000000)

/* Where the options of a section come from: itself, what it extends, [env]. */
struct walk {
    const struct kiln_ini_section **sections;
    size_t count, capacity;
    const char *error;
};

static const struct kiln_project_option under_way = {.kind = KILN_PROJECT_ERROR};

static enum kiln_pio_scope scope_of(const char *section)
{
    size_t n = strcspn(section, ":");

    if (n == 3 && memcmp(section, "env", 3) == 0)
        return KILN_PIO_ENV;
    if (n == 10 && memcmp(section, "platformio", 10) == 0)
        return KILN_PIO_PLATFORMIO;
    return KILN_PIO_OTHER;
}

/* ---- extends ---- */

struct walker {
    struct kiln_pio *pio;
    struct walk *walk;
    struct kiln_names seen; /* section -> one of the marks */
    char open, closed;      /* their addresses: its parents are being visited, or have been */
};

static bool walk_add(struct walker *w, const struct kiln_ini_section *section)
{
    struct walk *walk = w->walk;

    if (walk->count == walk->capacity) {
        size_t capacity = walk->capacity == 0 ? 8 : walk->capacity * 2;
        const struct kiln_ini_section **grown =
            kiln_arena_alloc(w->pio->arena, capacity * sizeof(void *));

        if (grown == NULL)
            return false;
        if (walk->count > 0)
            memcpy(grown, walk->sections, walk->count * sizeof(void *));
        walk->sections = grown;
        walk->capacity = capacity;
    }
    walk->sections[walk->count++] = section;
    return true;
}

static void visit(struct walker *w, const char *name, unsigned depth);

/* The parents of a section, the last listed first. */
static void visit_parents(struct walker *w, const struct kiln_ini_section *section, unsigned depth)
{
    struct kiln_pio *pio = w->pio;
    const struct kiln_ini_option *option = kiln_ini_option(&pio->ini, section, "extends");
    const char *text, *const *parents;
    struct kiln_error error;
    size_t count;

    if (option == NULL)
        return;
    if (kiln_ini_expand(&pio->ini, section, option, VALUE_BYTES_MAX, &text, &error) != KILN_OK) {
        w->walk->error = kiln_arena_printf(pio->arena, "%s", error.message);
        return;
    }
    parents = kiln_pio_split(pio->arena, text, &count);
    while (count-- > 0 && w->walk->error == NULL) {
        void *mark = kiln_names_get(&w->seen, parents[count]);

        if (mark == &w->open)
            w->walk->error =
                kiln_arena_printf(pio->arena, "%s:%u: [%s] extends [%s], which extends it in turn",
                                  option->file, option->line, section->name, parents[count]);
        else if (mark == NULL)
            visit(w, parents[count], depth + 1);
    }
}

static void visit(struct walker *w, const char *name, unsigned depth)
{
    struct kiln_pio *pio = w->pio;
    const struct kiln_ini_section *section = kiln_names_get(&pio->ini.by_name, name);

    if (section == NULL)
        return;
    if (depth > NESTING_MAX || ++pio->work > WORK_MAX) {
        w->walk->error =
            kiln_arena_printf(pio->arena, "%s:%u: `extends` is nested too deep at [%s]",
                              section->file, section->line, name);
        return;
    }
    if (!walk_add(w, section) || !kiln_names_put(&w->seen, pio->arena, section->name, &w->open))
        return;
    visit_parents(w, section, depth);
    (void)kiln_names_put(&w->seen, pio->arena, section->name, &w->closed);
}

static const struct walk *walk_of(struct kiln_pio *pio, const char *root)
{
    struct walk *walk = kiln_names_get(&pio->walks, root);
    struct walker w = {.pio = pio};
    char *key;

    if (walk != NULL)
        return walk;
    walk = kiln_arena_alloc(pio->arena, sizeof *walk);
    key = kiln_arena_text(pio->arena, root, strlen(root));
    if (walk == NULL || key == NULL)
        return NULL;
    w.walk = walk;
    visit(&w, root, 0);
    if (strncmp(root, "env:", 4) == 0 && kiln_names_get(&w.seen, "env") == NULL)
        visit(&w, "env", 0);
    return kiln_names_put(&pio->walks, pio->arena, key, walk) ? walk : NULL;
}

/* ---- looking up ---- */

/* Something that was looked for and where it stands. */
struct found {
    const struct kiln_ini_section *section;
    const struct kiln_ini_option *option;
};

/* Of the names an option may have, the one written first in these options. */
static const struct kiln_ini_option *first_of(const struct kiln_names *names, const char *name,
                                              const struct kiln_pio_option *row)
{
    const struct kiln_ini_option *best = kiln_names_get(names, name), *other;
    const char *old = row != NULL ? row->old_names : NULL;
    char word[64];

    if (row == NULL)
        return best;
    other = kiln_names_get(names, row->name);
    if (other != NULL && (best == NULL || other->order < best->order))
        best = other;
    while (old != NULL && *old != '\0') {
        size_t n = strcspn(old, " ");

        snprintf(word, sizeof word, "%.*s", (int)n, old);
        other = kiln_names_get(names, word);
        if (other != NULL && (best == NULL || other->order < best->order))
            best = other;
        old += n + (old[n] == ' ');
    }
    return best;
}

static struct found look_up(struct kiln_pio *pio, const struct walk *walk, const char *name,
                            const struct kiln_pio_option *row)
{
    for (size_t i = 0; i < walk->count; i++) {
        const struct kiln_ini_option *option = first_of(&walk->sections[i]->by_name, name, row);

        pio->work++;
        if (option == NULL)
            option = first_of(&pio->ini.defaults.by_name, name, row);
        if (option != NULL)
            return (struct found){walk->sections[i], option};
    }
    return (struct found){0};
}

/* What the environment says: the variable itself, else the one of an old name. NULL if neither is set or both
 * are empty. */
static const char *variable_of(const struct kiln_pio_option *row, char name[64])
{
    const char *value, *old = row->old_names;

    if (row->variable == NULL)
        return NULL;
    snprintf(name, 64, "%s", row->variable);
    value = getenv(name);
    while ((value == NULL || *value == '\0') && old != NULL && *old != '\0') {
        size_t n = strcspn(old, " ");

        snprintf(name, 64, "PLATFORMIO_%.*s", (int)KILN_MIN(n, 40), old);
        for (char *c = name; *c != '\0'; c++)
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        value = getenv(name);
        old += n + (old[n] == ' ');
    }
    return value != NULL && *value != '\0' ? value : NULL;
}

/* ---- ${...} ---- */

struct text {
    struct kiln_pio *pio;
    char *bytes;
    size_t len, capacity;
    bool too_long;
};

static void put(struct text *t, const char *bytes, size_t len)
{
    if (t->too_long || len > VALUE_BYTES_MAX - t->len) {
        t->too_long = true;
        return;
    }
    if (t->len + len + 1 > t->capacity) {
        size_t capacity = (t->len + len + 1) * 2;
        char *grown = kiln_arena_alloc(t->pio->arena, capacity);

        if (grown == NULL) {
            t->too_long = true;
            return;
        }
        if (t->len > 0)
            memcpy(grown, t->bytes, t->len);
        t->bytes = grown;
        t->capacity = capacity;
    }
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
    t->bytes[t->len] = '\0';
}

/* "${section.option}" or "${option}" at `at`; `section` is NULL for the latter. False if it is neither. */
static bool is_reference(struct kiln_pio *pio, const char *at, const char **out_section,
                         const char **out_option, const char **out_end)
{
    const char *start = at + 2, *dot, *close;

    if (at[0] != '$' || at[1] != '{')
        return false;
    close = strchr(start, '}');
    if (close == NULL || close == start)
        return false;
    dot = start + strcspn(start, ".}()");
    *out_section = NULL;
    if (dot > start && *dot == '.' && close > dot + 1) {
        *out_section = kiln_arena_text(pio->arena, start, (size_t)(dot - start));
        start = dot + 1;
    }
    *out_option = kiln_arena_text(pio->arena, start, (size_t)(close - start));
    *out_end = close + 1;
    return *out_option != NULL;
}

static bool put_builtin(struct text *t, const char *name)
{
    char value[64];

    if (strcmp(name, "PROJECT_DIR") == 0) {
        put(t, t->pio->dir, strlen(t->pio->dir));
    } else if (strcmp(name, "PROJECT_HASH") == 0) {
        const char *base = kiln_path_base(t->pio->dir);

        kiln_pio_hash(t->pio->dir, value);
        put(t, base, strlen(base));
        put(t, value, strlen(value));
    } else if (strcmp(name, "UNIX_TIME") == 0) {
        kiln_pio_time(value);
        put(t, value, strlen(value));
    } else {
        return false;
    }
    return true;
}

/* Puts in what one reference stands for. The error text, or NULL. */
static const char *put_reference(struct text *t, const char *home, const char *home_option,
                                 const char *section, const char *option)
{
    const struct kiln_project_option *value;
    const char *word;

    if (section == NULL) {
        if (put_builtin(t, option))
            return NULL;
        put(t, "${", 2);
        put(t, option, strlen(option));
        put(t, "}", 1);
        return NULL;
    }
    if (strcmp(section, "sysenv") == 0) {
        word = getenv(option);
        put(t, word != NULL ? word : "", word != NULL ? strlen(word) : 0);
        return NULL;
    }
    if (strcmp(section, "this") == 0) {
        section = home;
        if (strcmp(option, "__env__") == 0) {
            if (strncmp(home, "env:", 4) != 0)
                return kiln_arena_printf(t->pio->arena,
                                         "${this.__env__} in option '%s' of [%s], which is no "
                                         "environment",
                                         home_option, home);
            put(t, home + 4, strlen(home + 4));
            return NULL;
        }
    }
    value = kiln_pio_get(t->pio, section, option);
    if (value->kind == KILN_PROJECT_ERROR)
        return value->texts != NULL ? value->texts[0] : "out of memory";
    word = kiln_pio_text(t->pio, value);
    put(t, word, strlen(word));
    return NULL;
}

/* "$PROJECT_HASH" without braces, from old times. */
static const char *modernised(struct kiln_pio *pio, const char *value)
{
    static const char old[] = "$PROJECT_HASH";
    const char *at = strstr(value, old);
    struct text t = {.pio = pio};

    if (at == NULL)
        return value;
    while (at != NULL) {
        char before = at > value ? at[-1] : t.len > 0 ? t.bytes[t.len - 1] : at[strlen(at) - 1];

        if (before == '$')
            break;
        put(&t, value, (size_t)(at - value));
        put(&t, "${PROJECT_HASH}", 15);
        value = at + sizeof old - 1;
        at = strstr(value, old);
    }
    put(&t, value, strlen(value));
    return t.too_long ? value : t.bytes;
}

/* The value with every reference replaced. The error text, or NULL. */
static const char *interpolate(struct kiln_pio *pio, const char *section, const char *name,
                               const char *value, const char **out_value)
{
    struct text t = {.pio = pio};

    *out_value = value;
    if (strchr(value, '$') == NULL)
        return NULL;
    value = modernised(pio, value);
    *out_value = value;
    if (strstr(value, "${") == NULL || strchr(value, '}') == NULL)
        return NULL;
    while (*value != '\0') {
        const char *at = strstr(value, "${"), *ref_section, *option, *end, *error;

        if (at == NULL)
            at = value + strlen(value);
        put(&t, value, (size_t)(at - value));
        value = at;
        if (*value == '\0')
            break;
        if (!is_reference(pio, value, &ref_section, &option, &end)) {
            put(&t, value++, 1);
            continue;
        }
        error = put_reference(&t, section, name, ref_section, option);
        if (error != NULL)
            return error;
        value = end;
        if (t.too_long || ++pio->work > WORK_MAX)
            return kiln_arena_printf(pio->arena, "option '%s' of [%s] grows above %zu bytes", name,
                                     section, VALUE_BYTES_MAX);
    }
    *out_value = t.bytes != NULL ? t.bytes : "";
    return NULL;
}

/* ---- values ---- */

static void *fail(struct kiln_pio *pio, struct kiln_project_option *value, const char *text)
{
    const char **slot = kiln_arena_alloc(pio->arena, sizeof *slot);

    value->kind = KILN_PROJECT_ERROR;
    value->count = 1;
    if (slot != NULL && text != NULL) {
        *slot = text;
        value->texts = slot;
    }
    return NULL;
}

/* A value of an option PlatformIO does not know: as it stands in the section, or nowhere. */
static struct found stand_alone(struct kiln_pio *pio, const char *section, const char *name,
                                struct kiln_project_option *value)
{
    const struct kiln_ini_section *in = kiln_ini_section(&pio->ini, section);
    char *lower = kiln_arena_text(pio->arena, name, strlen(name));
    struct found found = {in, NULL};

    if (in == NULL || lower == NULL) {
        fail(pio, value, kiln_arena_printf(pio->arena, "there is no section [%s]", section));
        return found;
    }
    for (char *c = lower; *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    found.option = kiln_ini_option(&pio->ini, in, lower);
    if (found.option == NULL)
        fail(pio, value,
             kiln_arena_printf(pio->arena, "there is no option '%s' in section [%s]", name,
                               section));
    return found;
}

/* The text before "${...}": from the files, the environment or the default. NULL: not set, or an error in
 * `value`. */
static const char *raw_value(struct kiln_pio *pio, const char *section, const char *name,
                             const struct kiln_pio_option *row, struct kiln_project_option *value)
{
    const struct walk *walk = walk_of(pio, section);
    struct found found;
    struct kiln_error error;
    const char *text = NULL, *given;
    char variable[64];

    if (walk == NULL || walk->error != NULL)
        return fail(pio, value, walk != NULL ? walk->error : NULL);
    found = look_up(pio, walk, name, row);
    if (found.option == NULL && row == NULL)
        found = stand_alone(pio, section, name, value);
    if (value->kind == KILN_PROJECT_ERROR)
        return NULL;
    if (found.option != NULL) {
        value->place = (struct kiln_project_place){found.option->file, found.option->line};
        if (kiln_ini_expand(&pio->ini, found.section, found.option, VALUE_BYTES_MAX, &text,
                            &error) != KILN_OK)
            return fail(pio, value, kiln_arena_printf(pio->arena, "%s", error.message));
    }
    given = row != NULL ? variable_of(row, variable) : NULL;
    if (given != NULL) {
        bool add = row->multiple && text != NULL && *text != '\0';

        text = kiln_arena_printf(pio->arena, "%s%s%s", add ? text : "", add ? "\n" : "", given);
        if (!add)
            value->place = (struct kiln_project_place){
                kiln_arena_printf(pio->arena, "environment variable %s", variable), 0};
    }
    if (text == NULL && row != NULL)
        text = row->scope == KILN_PIO_PLATFORMIO && strcmp(row->name, "name") == 0
                   ? kiln_path_base(pio->dir)
                   : row->default_value;
    return text;
}

static void resolve(struct kiln_pio *pio, const char *section, const char *name,
                    struct kiln_project_option *value)
{
    const struct kiln_pio_option *row = kiln_pio_option_find(scope_of(section), name);
    const char *text = raw_value(pio, section, name, row, value), *error;

    if (value->kind == KILN_PROJECT_ERROR)
        return;
    if (text != NULL) {
        error = interpolate(pio, section, name, text, &text);
        if (error != NULL) {
            fail(pio, value,
                 value->place.line != 0 && strstr(error, ": ") == NULL
                     ? kiln_arena_printf(pio->arena, "%s:%u: %s", value->place.file,
                                         value->place.line, error)
                     : error);
            return;
        }
    }
    error = kiln_pio_cast(pio->arena, pio->dir, row, text, value);
    if (error != NULL)
        fail(pio, value,
             kiln_arena_printf(pio->arena, "%s:%u: option '%s' of [%s]: %s",
                               value->place.file != NULL ? value->place.file : "platformio.ini",
                               value->place.line, name, section, error));
}

const struct kiln_project_option *kiln_pio_get(struct kiln_pio *pio, const char *section,
                                               const char *name)
{
    static const struct kiln_project_option nothing = {.kind = KILN_PROJECT_ERROR};
    char *key = kiln_arena_printf(pio->arena, "%s\001%s", section, name);
    const struct kiln_project_option *known =
        key != NULL ? kiln_names_get(&pio->values, key) : NULL;
    struct kiln_project_option *value = kiln_arena_alloc(pio->arena, sizeof *value);

    if (known != NULL && known != &under_way)
        return known;
    if (value == NULL || key == NULL)
        return &nothing;
    value->name = strchr(key, '\001') + 1;
    if (known == &under_way || pio->depth >= NESTING_MAX || pio->work > WORK_MAX) {
        fail(pio, value,
             kiln_arena_printf(pio->arena, "option '%s' of [%s] %s", name, section,
                               known == &under_way    ? "refers to itself"
                               : pio->work > WORK_MAX ? "takes too much work"
                                                      : "is nested too deep"));
        return value;
    }
    (void)kiln_names_put(&pio->values, pio->arena, key, (void *)(uintptr_t)&under_way);
    pio->depth++;
    resolve(pio, section, name, value);
    pio->depth--;
    (void)kiln_names_put(&pio->values, pio->arena, key, value);
    return value;
}

const char *kiln_pio_text(struct kiln_pio *pio, const struct kiln_project_option *value)
{
    struct text t = {.pio = pio};
    char number[32];

    switch (value->kind) {
    case KILN_PROJECT_NONE:
        return "None";
    case KILN_PROJECT_BOOL:
        return value->number != 0 ? "True" : "False";
    case KILN_PROJECT_NUMBER:
        snprintf(number, sizeof number, "%lld", (long long)value->number);
        put(&t, number, strlen(number));
        break;
    case KILN_PROJECT_TEXT:
        return value->texts[0];
    case KILN_PROJECT_LIST:
        for (size_t i = 0; i < value->count; i++) {
            if (i > 0)
                put(&t, "\n", 1);
            put(&t, value->texts[i], strlen(value->texts[i]));
        }
        break;
    case KILN_PROJECT_ERROR:
        break;
    }
    return t.bytes != NULL ? t.bytes : "";
}

/* ---- all options ---- */

struct listing {
    struct kiln_pio *pio;
    const char **names;
    size_t count, capacity;
    struct kiln_names seen;
};

static void list_name(struct listing *l, const char *name)
{
    struct kiln_arena *arena = l->pio->arena;

    l->pio->work++;
    if (kiln_names_get(&l->seen, name) != NULL)
        return;
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 32 : l->capacity * 2;
        const char **grown = kiln_arena_alloc(arena, capacity * sizeof *grown);

        if (grown == NULL)
            return;
        if (l->count > 0)
            memcpy(grown, l->names, l->count * sizeof *grown);
        l->names = grown;
        l->capacity = capacity;
    }
    l->names[l->count++] = name;
    (void)kiln_names_put(&l->seen, arena, name, (void *)(uintptr_t)name);
}

const struct kiln_project_option *kiln_pio_options(struct kiln_pio *pio, const char *section,
                                                   size_t *out_count)
{
    const struct walk *walk = walk_of(pio, section);
    struct listing l = {.pio = pio};
    const struct kiln_pio_option *row;
    struct kiln_project_option *options;

    *out_count = 0;
    for (size_t i = 0; walk != NULL && i < walk->count && pio->work < WORK_MAX; i++) {
        for (const struct kiln_ini_option *o = walk->sections[i]->first; o != NULL; o = o->next)
            list_name(&l, o->name);
        for (const struct kiln_ini_option *o = pio->ini.defaults.first; o != NULL; o = o->next)
            list_name(&l, o->name);
    }
    for (size_t i = 0; (row = kiln_pio_option_at(i)) != NULL; i++)
        if (row->scope == scope_of(section) && row->variable != NULL &&
            getenv(row->variable) != NULL)
            list_name(&l, row->name);
    options = kiln_arena_alloc(pio->arena, (l.count + 1) * sizeof *options);
    if (options == NULL)
        return NULL;
    for (size_t i = 0; i < l.count; i++) {
        options[i] = *kiln_pio_get(pio, section, l.names[i]);
        options[i].name = l.names[i];
    }
    *out_count = l.count;
    return options;
}

/* ---- files ---- */

static void start(struct kiln_pio *pio, struct kiln_arena *arena, const char *dir,
                  const char *shown)
{
    *pio = (struct kiln_pio){.arena = arena, .dir = dir, .shown = shown};
    kiln_ini_init(&pio->ini, arena);
}

/* What was resolved from half of the files counts no longer. */
static void forget(struct kiln_pio *pio)
{
    pio->values = (struct kiln_names){0};
    pio->walks = (struct kiln_names){0};
}

static enum kiln_status read_config(struct kiln_pio *pio, const char *name, unsigned depth,
                                    struct kiln_error *out_error);

static enum kiln_status read_extra(struct kiln_pio *pio, unsigned depth,
                                   struct kiln_error *out_error)
{
    const struct kiln_project_option *extra;

    if (kiln_ini_section(&pio->ini, "platformio") == NULL)
        return KILN_OK;
    extra = kiln_pio_get(pio, "platformio", "extra_configs");
    if (extra->kind == KILN_PROJECT_ERROR)
        return kiln_project_fail(out_error, KILN_E_FILE, "extra_configs: %s",
                                 extra->texts != NULL ? extra->texts[0] : "out of memory");
    for (size_t i = 0; i < extra->count; i++) {
        const char *pattern = kiln_path_user(pio->arena, extra->texts[i]);
        struct kiln_paths paths;

        if (pattern == NULL)
            break;
        kiln_paths_match(pio->arena, pio->dir, pattern, &paths);
        for (size_t k = 0; k < paths.count; k++)
            KILN_TRY(read_config(pio, paths.path[k], depth + 1, out_error));
    }
    return KILN_OK;
}

static enum kiln_status read_config(struct kiln_pio *pio, const char *name, unsigned depth,
                                    struct kiln_error *out_error)
{
    const char *path = kiln_path_absolute(pio->arena, pio->dir, name);
    const char *shown =
        name[0] == '/' ? name : kiln_arena_printf(pio->arena, "%s%s", pio->shown, name);
    size_t len;
    char *bytes;

    if (path == NULL || shown == NULL)
        return kiln_project_fail(out_error, KILN_E_NOMEM, "%.200s: not enough memory", name);
    if (kiln_names_get(&pio->files, name) != NULL)
        return KILN_OK;
    (void)kiln_names_put(&pio->files, pio->arena, name, pio);
    if (depth > NESTING_MAX)
        return kiln_project_fail(out_error, KILN_E_FILE,
                                 "%.200s: extra_configs are nested too deep", shown);
    bytes = kiln_file_read(pio->arena, path, CONFIG_BYTES_MAX, &len);
    if (bytes == NULL && depth == 0)
        return kiln_project_fail(out_error, KILN_E_IO, "%.200s cannot be read: %s", shown,
                                 strerror(errno));
    if (bytes == NULL) /* PlatformIO passes over it, too: a folder that matches, mostly */
        return KILN_OK;
    KILN_TRY(kiln_ini_parse(&pio->ini, shown, bytes, len, out_error));
    forget(pio);
    return read_extra(pio, depth, out_error);
}

enum kiln_status kiln_pio_open(struct kiln_pio *pio, struct kiln_arena *arena, const char *dir,
                               const char *shown, struct kiln_error *out_error)
{
    start(pio, arena, dir, shown);
    KILN_TRY(read_config(pio, "platformio.ini", 0, out_error));
    forget(pio);
    return KILN_OK;
}

enum kiln_status kiln_pio_parse(struct kiln_pio *pio, struct kiln_arena *arena, const char *dir,
                                const char *bytes, size_t len, struct kiln_error *out_error)
{
    start(pio, arena, dir, "");
    return kiln_ini_parse(&pio->ini, "platformio.ini", bytes, len, out_error);
}
