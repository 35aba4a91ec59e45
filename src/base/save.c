/* SPDX-License-Identifier: MIT */
#include <kiln/save.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_TRIED 100u

static enum kiln_status fail(const char *path, int reason, struct kiln_error *out_error)
{
    if (out_error != NULL) {
        *out_error = (struct kiln_error){.status = KILN_E_IO, .code = reason};
        snprintf(out_error->message, sizeof out_error->message, "cannot write %s: %s", path,
                 strerror(reason));
    }
    return KILN_E_IO;
}

/* 0 or errno. */
static int write_all(int fd, const uint8_t *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t put = write(fd, bytes + done, len - done);

        if (put < 0 && errno != EINTR)
            return errno;
        done += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

static int finish(int fd, const uint8_t *bytes, size_t len)
{
    int reason = write_all(fd, bytes, len);

    if (close(fd) != 0 && reason == 0)
        reason = errno;
    return reason;
}

static int write_over(const char *path, const uint8_t *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC | O_NOCTTY);

    return fd < 0 ? errno : finish(fd, bytes, len);
}

/* A new file with a name of its own, whoever else of this program writes the same one. Its descriptor, or -1. */
static int create_beside(const char *path, char **out_name)
{
    int fd = -1;

    for (unsigned i = 0; i < NAMES_TRIED && fd < 0; i++) {
        if (asprintf(out_name, "%s.%ld-%u.new", path, (long)getpid(), i) < 0) {
            *out_name = NULL;
            return -1;
        }
        fd = open(*out_name, O_WRONLY | O_CLOEXEC | O_CREAT | O_EXCL, 0666);
        if (fd >= 0 || errno != EEXIST)
            break;
        free(*out_name);
        *out_name = NULL;
    }
    return fd;
}

/* It takes the place of the old one. `old` is NULL if there is none yet. */
static int write_beside(const char *path, const struct stat *old, const uint8_t *bytes, size_t len)
{
    char *fresh = NULL;
    int fd = create_beside(path, &fresh), reason;

    if (fd < 0) {
        reason = errno;
    } else {
        reason = old != NULL && (fchown(fd, (uid_t)-1, old->st_gid) != 0 ||
                                 fchmod(fd, old->st_mode & 07777) != 0)
                     ? errno
                     : 0;
        if (reason == 0)
            reason = finish(fd, bytes, len);
        else
            (void)close(fd);
        if (reason == 0 && rename(fresh, path) != 0)
            reason = errno;
        if (reason != 0)
            (void)unlink(fresh);
    }
    free(fresh);
    return reason;
}

static bool replaceable(const struct stat *old)
{
    return S_ISREG(old->st_mode) && old->st_nlink == 1 && old->st_uid == geteuid();
}

static int save(const char *path, const uint8_t *bytes, size_t len)
{
    struct stat old;
    char *real;
    int reason;

    if (stat(path, &old) != 0)
        return errno == ENOENT ? write_beside(path, NULL, bytes, len) : errno;
    if (!replaceable(&old))
        return write_over(path, bytes, len);
    if (access(path, W_OK) != 0)
        return errno;
    real = realpath(path, NULL);
    if (real == NULL)
        return errno;
    reason = write_beside(real, &old, bytes, len);
    if (reason == EACCES || reason == EPERM || reason == EROFS)
        reason = write_over(real, bytes, len);
    free(real);
    return reason;
}

enum kiln_status kiln_file_save(const char *path, const void *bytes, size_t len,
                                struct kiln_error *out_error)
{
    int reason = save(path, bytes, len);

    return reason == 0 ? KILN_OK : fail(path, reason, out_error);
}

static int folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    int reason = folder == NULL ? ENOMEM : access(folder, W_OK | X_OK) == 0 ? 0 : errno;

    free(folder);
    return reason;
}

enum kiln_status kiln_file_may_save(const char *path, struct kiln_error *out_error)
{
    struct stat st;
    int reason;

    if (stat(path, &st) != 0)
        reason = errno == ENOENT && path[0] != '\0' ? folder_of(path) : errno;
    else if (S_ISDIR(st.st_mode))
        reason = EISDIR;
    else
        reason = access(path, W_OK) == 0 ? 0 : errno;
    return reason == 0 ? KILN_OK : fail(path, reason, out_error);
}
