/* SPDX-License-Identifier: MIT */
/* The file of what Kiln remembers of boards. */
#include "cli/boards.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME   "boards.json"
#define LOCK_TRIES  100
#define LOCK_NAP_NS 10000000
#define PATH_ROOM   64 /* for the names below the folder */

/* The folder of the file; *out_base is the part of it that is not Kiln's. */
static bool find_folder(char *folder, size_t cap, size_t *out_base)
{
    const char *base = getenv("XDG_STATE_HOME"), *below = "/kiln";

    /* The XDG specification: a path that is not absolute counts for nothing. */
    if (base == NULL || base[0] != '/') {
        base = getenv("HOME");
        below = "/.local/state/kiln";
    }
    if (base == NULL || base[0] != '/')
        return false;
    *out_base = strlen(base);
    return (size_t)snprintf(folder, cap, "%s%s", base, below) + PATH_ROOM < cap;
}

bool boards_path(char *path, size_t cap)
{
    char folder[PATH_MAX];
    size_t base;

    if (!find_folder(folder, sizeof folder, &base))
        return false;
    return (size_t)snprintf(path, cap, "%s/" FILE_NAME, folder) < cap;
}

/* ---- reading ---- */

static bool nothing(struct boards *out_boards)
{
    *out_boards = (struct boards){.list = json_array()};
    return out_boards->list != NULL;
}

static bool unreadable(struct boards *out_boards, int error)
{
    if (!nothing(out_boards))
        return false;
    out_boards->state = BOARDS_DAMAGED;
    snprintf(out_boards->why, sizeof out_boards->why, "%s", strerror(error));
    return true;
}

static ssize_t read_all(int fd, char *text, size_t cap)
{
    size_t len = 0;

    while (len < cap) {
        ssize_t got = read(fd, text + len, cap - len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

static bool load_from(const char *path, struct boards *out_boards)
{
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO gives nothing and does not block */
    char *text;
    ssize_t len;
    bool good;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? nothing(out_boards)
                                                   : unreadable(out_boards, errno);
    text = malloc(BOARDS_FILE_MAX + 1);
    len = text != NULL ? read_all(fd, text, BOARDS_FILE_MAX + 1) : 0;
    if (text == NULL)
        good = false;
    else if (len < 0)
        good = unreadable(out_boards, errno);
    else
        good = boards_parse(text, (size_t)len, out_boards);
    free(text);
    close(fd);
    return good;
}

bool boards_load(struct boards *out_boards)
{
    char path[PATH_MAX];

    return boards_path(path, sizeof path) ? load_from(path, out_boards) : nothing(out_boards);
}

/* ---- writing ---- */

/* Makes the folders below the base, for this user alone. 0 or an errno. */
static int make_folder(char *folder, size_t base)
{
    struct stat info;

    /* Under sudo the home may be someone else's: files of root in it would shut its owner out. */
    folder[base] = '\0';
    if (stat(folder, &info) != 0 ? mkdir(folder, 0700) != 0 : info.st_uid != geteuid())
        return EPERM;
    folder[base] = '/';
    for (char *at = folder + base; *at != '\0';) {
        char *slash = strchr(at + 1, '/');

        if (slash != NULL)
            *slash = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return errno;
        if (slash == NULL)
            break;
        *slash = '/';
        at = slash;
    }
    return 0;
}

/*
 * Two programs that change the file take turns by a lock on its folder, which leaves no file behind. Where the
 * file system has no such lock, or its holder does not end, the last writer wins: the file is whole all the
 * same, and a lost change is a board to be chosen with -d once more.
 */
static int lock_folder(const char *folder)
{
    const struct timespec nap = {.tv_nsec = LOCK_NAP_NS};
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            break;
        nanosleep(&nap, NULL);
    }
    return fd;
}

static int write_all(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t put = write(fd, text, len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? errno : EIO;
        text += put;
        len -= (size_t)put;
    }
    return write(fd, "\n", 1) == 1 && fsync(fd) == 0 ? 0 : errno;
}

/* A new file (0600 by mkstemp) takes the place of the old one at once. */
static int replace_file(const char *path, const char *text)
{
    char fresh[PATH_MAX + 8];
    int fd, error;

    snprintf(fresh, sizeof fresh, "%s.XXXXXX", path);
    fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0)
        return errno;
    error = write_all(fd, text);
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0 && rename(fresh, path) != 0)
        error = errno;
    if (error != 0)
        (void)unlink(fresh);
    return error;
}

static int change_file(const char *path, bool (*edit)(struct boards *boards, void *user),
                       void *user)
{
    struct boards boards;
    char aside[PATH_MAX + 8];
    char *text = NULL;
    int error = 0;

    if (!load_from(path, &boards))
        return ENOMEM;
    if (boards.state == BOARDS_NEWER) {
        error = EEXIST;
    } else if (edit(&boards, user)) {
        snprintf(aside, sizeof aside, "%s.bad", path);
        text = boards_print(&boards);
        if (text == NULL)
            error = ENOMEM;
        else if (boards.state == BOARDS_DAMAGED && rename(path, aside) != 0)
            error = errno;
        else
            error = replace_file(path, text);
    }
    free(text);
    boards_free(&boards);
    return error;
}

int boards_change(bool (*edit)(struct boards *boards, void *user), void *user)
{
    char folder[PATH_MAX], path[PATH_MAX], real[PATH_MAX];
    size_t base;
    int lock, error;

    if (!find_folder(folder, sizeof folder, &base) || !boards_path(path, sizeof path))
        return ENOENT;
    error = make_folder(folder, base);
    if (error != 0)
        return error;
    lock = lock_folder(folder);
    error = change_file(realpath(path, real) != NULL ? real : path, edit, user);
    if (lock >= 0)
        close(lock);
    return error;
}
