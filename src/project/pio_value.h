/* SPDX-License-Identifier: MIT */
/* Texts of platformio.ini turned into values. */
#ifndef KILN_PROJECT_PIO_VALUE_H
#define KILN_PROJECT_PIO_VALUE_H

#include "project/arena.h"
#include "project/pio_options.h"

#include <kiln/project.h>

/* A multi-valued text: by lines if it has any, else by ", ". Comments and empty items go. */
const char **kiln_pio_split(struct kiln_arena *arena, const char *text, size_t *out_count);

/*
 * Gives `value` its kind by the row (NULL: a text) from `text` (NULL: not set). The words of the error, or
 * NULL if it fits. `dir` is what relative folders and files are relative to.
 */
const char *kiln_pio_cast(struct kiln_arena *arena, const char *dir,
                          const struct kiln_pio_option *row, const char *text,
                          struct kiln_project_option *value);

/* "-0123456789", as ${PROJECT_HASH} ends. */
void kiln_pio_hash(const char *dir, char out[64]);
void kiln_pio_time(char out[64]);

#endif
