/* SPDX-License-Identifier: MIT */
#include "project/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MATCHES_MAX 4096
#define VISITS_MAX  100000 /* folders and names looked at for one pattern */
#define DEPTH_MAX   24

char *kiln_file_read(struct kiln_arena *arena, const char *path, size_t max, size_t *out_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    char *bytes = NULL;
    size_t len = 0;
    ssize_t n = 1;

    if (fd < 0)
        return NULL;
    errno = EINVAL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        goto out;
    errno = EFBIG;
    if (st.st_size < 0 || (uint64_t)st.st_size > max)
        goto out;
    errno = ENOMEM;
    bytes = kiln_arena_alloc(arena, (size_t)st.st_size + 1);
    while (bytes != NULL && len < (size_t)st.st_size && n > 0) {
        n = read(fd, bytes + len, (size_t)st.st_size - len);
        len += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        bytes = NULL;
    *out_len = len;
out:
    close(fd);
    return bytes;
}

bool kiln_file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool kiln_folder_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

uint64_t kiln_file_time(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0 || st.st_mtim.tv_sec <= 0)
        return 0;
    return (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
}

/* ---- paths ---- */

/* Removes the last component of out[0 .. len), down to `root`; returns the new length. */
static size_t drop_component(const char *out, size_t len, size_t root)
{
    while (len > root && out[len - 1] != '/')
        len--;
    return len > root ? len - 1 : root;
}

char *kiln_path_absolute(struct kiln_arena *arena, const char *dir, const char *path)
{
    char *joined = path[0] == '/' ? kiln_arena_text(arena, path, strlen(path))
                                  : kiln_arena_printf(arena, "%s/%s", dir, path);
    char *out = joined != NULL ? kiln_arena_alloc(arena, strlen(joined) + 2) : NULL;
    size_t root, len;

    if (out == NULL)
        return NULL;
    /* Two leading slashes stay two, as POSIX wants; three are one. */
    root = joined[0] != '/' ? 0 : joined[1] == '/' && joined[2] != '/' ? 2 : 1;
    memcpy(out, "//", root);
    len = root;
    for (const char *at = joined; *at != '\0';) {
        size_t n = strcspn(at, "/");

        if (n == 2 && at[0] == '.' && at[1] == '.') {
            len = drop_component(out, len, root);
        } else if (n > 0 && !(n == 1 && at[0] == '.')) {
            if (len > root)
                out[len++] = '/';
            memcpy(out + len, at, n);
            len += n;
        }
        at += n + (at[n] == '/');
    }
    out[len] = '\0';
    return out;
}

const char *kiln_path_user(struct kiln_arena *arena, const char *path)
{
    const char *home = NULL;
    size_t user_len = strcspn(path, "/");
    struct passwd entry, *found = NULL;
    char buffer[4096], user[64];

    if (path[0] != '~')
        return path;
    if (user_len == 1) {
        home = getenv("HOME");
        if (home == NULL && getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) == 0 &&
            found != NULL)
            home = found->pw_dir;
    } else if (user_len < sizeof user) {
        snprintf(user, sizeof user, "%.*s", (int)user_len - 1, path + 1);
        if (getpwnam_r(user, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
            home = found->pw_dir;
    }
    if (home == NULL)
        return path;
    return kiln_arena_printf(
        arena, "%.*s%s", (int)(strlen(home) - (home[0] != '\0' && home[strlen(home) - 1] == '/')),
        home, path + user_len);
}

const char *kiln_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

bool kiln_path_ends(const char *path, const char *ending)
{
    size_t len = strlen(path), n = strlen(ending);

    return len >= n && strcmp(path + len - n, ending) == 0;
}

/* ---- patterns ---- */

bool kiln_paths_add(struct kiln_arena *arena, struct kiln_paths *paths, const char *path)
{
    if (paths->count == MATCHES_MAX || path == NULL)
        return false;
    if (paths->count == paths->capacity) {
        size_t capacity = paths->capacity == 0 ? 16 : paths->capacity * 2;
        const char **grown = kiln_arena_alloc(arena, capacity * sizeof *grown);

        if (grown == NULL)
            return false;
        if (paths->count > 0)
            memcpy(grown, paths->path, paths->count * sizeof *grown);
        paths->path = grown;
        paths->capacity = capacity;
    }
    paths->path[paths->count++] = path;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void kiln_folder_list(struct kiln_arena *arena, const char *dir, struct kiln_paths *out_names)
{
    DIR *folder = opendir(dir);
    struct dirent *entry;

    *out_names = (struct kiln_paths){0};
    if (folder == NULL)
        return;
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.' &&
            !kiln_paths_add(arena, out_names,
                            kiln_arena_text(arena, entry->d_name, strlen(entry->d_name))))
            break;
    closedir(folder);
    if (out_names->count > 1)
        qsort(out_names->path, out_names->count, sizeof *out_names->path, by_name);
}

struct match {
    struct kiln_arena *arena;
    const char *dir; /* what relative names are relative to */
    struct kiln_paths *paths;
    unsigned visits;
};

static void match_below(struct match *m, const char *base, const char *pattern, unsigned depth);

static const char *join(struct match *m, const char *base, const char *name)
{
    if (base[0] == '\0')
        return name;
    return kiln_arena_printf(m->arena, "%s%s%s", base, kiln_path_ends(base, "/") ? "" : "/", name);
}

static const char *full(struct match *m, const char *path)
{
    return path[0] == '/' ? path : join(m, m->dir, path);
}

static bool is_real_folder(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* "**": here, and in every folder below that is no symbolic link. */
static void match_any_depth(struct match *m, const char *base, const char *rest, unsigned depth)
{
    struct kiln_paths names;
    const char *here = base[0] != '\0' ? full(m, base) : m->dir;

    match_below(m, base, rest, depth + 1);
    if (here == NULL || depth > DEPTH_MAX)
        return;
    kiln_folder_list(m->arena, here, &names);
    for (size_t i = 0; i < names.count && m->visits < VISITS_MAX; i++) {
        const char *path = join(m, base, names.path[i]);
        const char *absolute = path != NULL ? full(m, path) : NULL;

        m->visits++;
        if (absolute != NULL && is_real_folder(absolute))
            match_any_depth(m, path, rest, depth + 1);
    }
}

static void match_names(struct match *m, const char *base, const char *component, const char *rest,
                        unsigned depth)
{
    struct kiln_paths names;
    const char *here = base[0] != '\0' ? full(m, base) : m->dir;

    if (here == NULL)
        return;
    kiln_folder_list(m->arena, here, &names);
    for (size_t i = 0; i < names.count && m->visits < VISITS_MAX; i++) {
        const char *path;

        m->visits++;
        if (fnmatch(component, names.path[i], FNM_NOESCAPE | FNM_PERIOD) != 0)
            continue;
        path = join(m, base, names.path[i]);
        if (path != NULL)
            match_below(m, path, rest, depth + 1);
    }
}

static void match_below(struct match *m, const char *base, const char *pattern, unsigned depth)
{
    size_t n = strcspn(pattern, "/");
    const char *rest = pattern + n + strspn(pattern + n, "/");
    const char *component = kiln_arena_text(m->arena, pattern, n), *path;
    struct stat st;

    if (component == NULL || depth > DEPTH_MAX || m->visits++ > VISITS_MAX)
        return;
    if (n == 0) {
        path = full(m, base);
        if (base[0] != '\0' && path != NULL && lstat(path, &st) == 0)
            kiln_paths_add(m->arena, m->paths, base);
        return;
    }
    if (strcmp(component, "**") == 0) {
        match_any_depth(m, base, rest[0] != '\0' ? rest : "*", depth);
        return;
    }
    if (strpbrk(component, "*?[") != NULL) {
        match_names(m, base, component, rest, depth);
        return;
    }
    path = join(m, base, component);
    if (path != NULL)
        match_below(m, path, rest, depth + 1);
}

void kiln_paths_match(struct kiln_arena *arena, const char *dir, const char *pattern,
                      struct kiln_paths *out_paths)
{
    struct match m = {arena, dir, out_paths, 0};

    *out_paths = (struct kiln_paths){0};
    if (pattern[0] == '/')
        match_below(&m, "/", pattern + strspn(pattern, "/"), 0);
    else
        match_below(&m, "", pattern, 0);
    if (out_paths->count > 1)
        qsort(out_paths->path, out_paths->count, sizeof *out_paths->path, by_name);
}
