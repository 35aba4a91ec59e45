/* SPDX-License-Identifier: MIT */
/* Memory that is freed all at once, and a table of names, for what is read from project files. */
#ifndef KILN_PROJECT_ARENA_H
#define KILN_PROJECT_ARENA_H

#include <kiln/status.h>

struct kiln_arena_block;

/* Allocations fail for good once `ceiling` bytes are handed out; `failed` tells afterwards, so that a
 * caller may build a whole structure and look once. */
struct kiln_arena {
    struct kiln_arena_block *blocks;
    size_t used, ceiling;
    bool failed;
};

void kiln_arena_init(struct kiln_arena *arena, size_t ceiling);
void kiln_arena_dispose(struct kiln_arena *arena);

/* Zeroed; NULL when out of memory or above the ceiling. */
void *kiln_arena_alloc(struct kiln_arena *arena, size_t size);
/* Copies `len` bytes and ends them with NUL. */
char *kiln_arena_text(struct kiln_arena *arena, const char *text, size_t len);
char *kiln_arena_printf(struct kiln_arena *arena, const char *format, ...) KILN_PRINTF(2, 3);

/* ---- names ---- */

struct kiln_names_entry {
    struct kiln_names_entry *next_in_bucket;
    const char *name;
    void *value;
};

/* Name to value; the names are borrowed. Starts zeroed. */
struct kiln_names {
    struct kiln_names_entry **buckets;
    size_t bucket_count, count;
};

void *kiln_names_get(const struct kiln_names *names, const char *name);
/* Adds, or replaces the value. False when out of memory. */
bool kiln_names_put(struct kiln_names *names, struct kiln_arena *arena, const char *name,
                    void *value);

#endif
