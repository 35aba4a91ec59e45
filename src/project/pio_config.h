/* SPDX-License-Identifier: MIT */
/*
 * platformio.ini as PlatformIO reads it: extra_configs, `extends`, "${...}", variables of the environment,
 * types. Its rules were measured against platformio-core 6.1.
 */
#ifndef KILN_PROJECT_PIO_CONFIG_H
#define KILN_PROJECT_PIO_CONFIG_H

#include "project/ini.h"
#include "project/pio_options.h"

#include <kiln/project.h>

struct kiln_pio {
    struct kiln_arena *arena;
    struct kiln_ini ini;
    const char *dir;   /* absolute, without symbolic links, as PlatformIO's getcwd() gives it */
    const char *shown; /* what stands before file names in messages: "" or "folder/" */
    struct kiln_names files;  /* read so far */
    struct kiln_names values; /* "section\001option" -> the value or the marker of one under way */
    struct kiln_names walks;  /* section -> where its options come from */
    unsigned depth;
    size_t work;
};

/* Reads DIR/platformio.ini and its extra_configs. `pio` borrows the arena and both texts. */
KILN_MUST_USE enum kiln_status kiln_pio_open(struct kiln_pio *pio, struct kiln_arena *arena,
                                             const char *dir, const char *shown,
                                             struct kiln_error *out_error);

/* The same from memory, without extra_configs. */
KILN_MUST_USE enum kiln_status kiln_pio_parse(struct kiln_pio *pio, struct kiln_arena *arena,
                                              const char *dir, const char *bytes, size_t len,
                                              struct kiln_error *out_error);

/* The value of an option as PlatformIO's ProjectConfig.get() has it. Never NULL: what cannot be resolved is
 * of the kind ERROR. */
const struct kiln_project_option *kiln_pio_get(struct kiln_pio *pio, const char *section,
                                               const char *name);

/* The text of a value, as it would be put in for "${section.option}"; "" for an error. */
const char *kiln_pio_text(struct kiln_pio *pio, const struct kiln_project_option *value);

/* Every option of the section, own and inherited, in PlatformIO's order. */
const struct kiln_project_option *kiln_pio_options(struct kiln_pio *pio, const char *section,
                                                   size_t *out_count);

#endif
