/* SPDX-License-Identifier: MIT */
/* Reading what lies in a project folder: files, names by pattern, paths. */
#ifndef KILN_PROJECT_FILES_H
#define KILN_PROJECT_FILES_H

#include "project/arena.h"

/* The file's bytes with a NUL behind them. NULL if it is no regular file, cannot be read or is larger than
 * `max`; errno tells (EFBIG). */
char *kiln_file_read(struct kiln_arena *arena, const char *path, size_t max, size_t *out_len);

bool kiln_file_exists(const char *path);
bool kiln_folder_exists(const char *path);
/* Nanoseconds since the epoch, 0 if there is no such file. */
uint64_t kiln_file_time(const char *path);

/* `path` if it is absolute, else below `dir`; "." and ".." folded as os.path.abspath() does. */
char *kiln_path_absolute(struct kiln_arena *arena, const char *dir, const char *path);
/* "~" and "~user" at the start replaced. */
const char *kiln_path_user(struct kiln_arena *arena, const char *path);
const char *kiln_path_base(const char *path);
bool kiln_path_ends(const char *path, const char *ending);

/* Paths that match a pattern, sorted: "*", "?", "[...]", and "**" as a whole component for any depth.
 * Relative patterns are looked for below `dir` and give relative names. */
struct kiln_paths {
    const char **path;
    size_t count, capacity;
};
/* False when out of memory or when there are too many; the path is borrowed, NULL counts as out of memory. */
bool kiln_paths_add(struct kiln_arena *arena, struct kiln_paths *paths, const char *path);
void kiln_paths_match(struct kiln_arena *arena, const char *dir, const char *pattern,
                      struct kiln_paths *out_paths);

/* The names in a folder, sorted, without hidden ones. */
void kiln_folder_list(struct kiln_arena *arena, const char *dir, struct kiln_paths *out_names);

#endif
