/* SPDX-License-Identifier: MIT */
/*
 * Files in the grammar of Python's ConfigParser (3.11, inline comments "#" and ";"), which is the grammar
 * of platformio.ini: indented continuation lines, [DEFAULT], "%" interpolation, strict about duplicates.
 */
#ifndef KILN_PROJECT_INI_H
#define KILN_PROJECT_INI_H

#include "project/arena.h"

/* One "key = value" as it stands in the last file that set it. */
struct kiln_ini_option {
    const char *name;  /* lower case */
    const char *value; /* lines joined by '\n'; nothing expanded */
    const char *file;
    unsigned line;
    size_t order; /* within its section: which key was written first */
    struct kiln_ini_option *next;
};

struct kiln_ini_section {
    const char *name;
    const char *file;
    unsigned line;
    struct kiln_ini_option *first, *last; /* in the order in which they first appeared */
    struct kiln_names by_name;
    struct kiln_ini_section *next;
};

struct kiln_ini {
    struct kiln_arena *arena;
    struct kiln_ini_section *first, *last; /* without [DEFAULT] */
    struct kiln_ini_section defaults;
    struct kiln_names by_name;
};

void kiln_ini_init(struct kiln_ini *ini, struct kiln_arena *arena);

/*
 * Reads `len` bytes of the file `name` on top of what is there: a later file overrides single keys. FILE
 * with file and line in the message; then the contents are half read and good for nothing. NOMEM.
 */
KILN_MUST_USE enum kiln_status kiln_ini_parse(struct kiln_ini *ini, const char *name,
                                              const char *bytes, size_t len,
                                              struct kiln_error *out_error);

/* NULL if there is none; "DEFAULT" is the section of defaults. */
const struct kiln_ini_section *kiln_ini_section(const struct kiln_ini *ini, const char *name);

/* The option of the section or, failing that, of [DEFAULT]; NULL if neither has it. */
const struct kiln_ini_option *kiln_ini_option(const struct kiln_ini *ini,
                                              const struct kiln_ini_section *section,
                                              const char *name);

/*
 * The value with %% and %(name)s expanded by the keys of the section and [DEFAULT]. FILE with the place if
 * it cannot be; NOMEM, also when it grows above `ceiling`.
 */
KILN_MUST_USE enum kiln_status kiln_ini_expand(const struct kiln_ini *ini,
                                               const struct kiln_ini_section *section,
                                               const struct kiln_ini_option *option, size_t ceiling,
                                               const char **out_value,
                                               struct kiln_error *out_error);

/* The bytes of one white-space character at `at` as Python sees it, 0 if it is none. */
size_t kiln_ini_space(const char *at, const char *end);

/* Narrows [*at, *end) to what str.strip() leaves. */
void kiln_ini_strip(const char **at, const char **end);

/* Fills the slot and returns the status. */
KILN_MUST_USE enum kiln_status kiln_project_fail(struct kiln_error *out_error,
                                                 enum kiln_status status, const char *format, ...)
    KILN_PRINTF(3, 4);

#endif
