/* SPDX-License-Identifier: MIT */
/* Who or what stands in the way of opening a port, as far as it can be known without privileges. */
#include "os/port.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A small file of /proc as text; -1 if it cannot be read. */
static ssize_t read_text(const char *path, char *text, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t len = -1;

    if (fd >= 0) {
        len = read(fd, text, cap - 1);
        close(fd);
    }
    text[len > 0 ? len : 0] = '\0';
    return len;
}

static void process_name(int pid, char *name, size_t cap)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    if (read_text(path, name, cap) > 0)
        name[strcspn(name, "\n")] = '\0';
}

static void set_holder(struct kiln_holder *holder, int pid)
{
    holder->pid = pid;
    process_name(pid, holder->name, sizeof holder->name);
}

void kiln_holder_text(const struct kiln_holder *holder, char *text, size_t cap)
{
    if (holder->pid == 0)
        snprintf(text, cap, "another program");
    else if (holder->name[0] == '\0')
        snprintf(text, cap, "process %d", holder->pid);
    else
        snprintf(text, cap, "%s (process %d)", holder->name, holder->pid);
}

/* The two forms of a lock file: the number as text, or as four bytes in the host's order. */
static int lock_owner(const char *text, ssize_t len)
{
    int32_t binary;

    if (len == (ssize_t)sizeof binary) {
        memcpy(&binary, text, sizeof binary);
        return binary;
    }
    return (int)strtol(text, NULL, 10);
}

bool kiln_uucp_locked(const char *folder, const char *path, struct kiln_holder *out_holder)
{
    const char *name = strrchr(path, '/');
    char file[PATH_MAX], text[32];
    ssize_t len;
    int pid;

    *out_holder = (struct kiln_holder){0};
    snprintf(file, sizeof file, "%s/LCK..%s", folder, name == NULL ? path : name + 1);
    len = read_text(file, text, sizeof text);
    if (len <= 0)
        return false;
    pid = lock_owner(text, len);
    if (pid <= 0 || pid == getpid() || (kill(pid, 0) != 0 && errno == ESRCH))
        return false;
    set_holder(out_holder, pid);
    return true;
}

static int process_id(const char *name)
{
    return isdigit((unsigned char)name[0]) ? (int)strtol(name, NULL, 10) : 0;
}

/* True if one of the descriptors of `pid` is the device `wanted`. */
static bool process_holds(int pid, dev_t wanted)
{
    char folder[64], link[PATH_MAX], target[64];
    struct dirent *entry;
    bool holds = false;
    DIR *dir;

    snprintf(folder, sizeof folder, "/proc/%d/fd", pid);
    dir = opendir(folder);
    while (dir != NULL && !holds && (entry = readdir(dir)) != NULL) {
        struct stat info;
        ssize_t len;

        snprintf(link, sizeof link, "%s/%s", folder, entry->d_name);
        len = readlink(link, target, sizeof target);
        if (len < 5 || memcmp(target, "/dev/", 5) != 0)
            continue;
        holds = stat(link, &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == wanted;
    }
    if (dir != NULL)
        closedir(dir);
    return holds;
}

/* The process of a line like "3: FLOCK  ADVISORY  WRITE 812 00:05:311 0 EOF" if it is about `node`, else 0. */
static int lock_line(const char *line, const struct stat *node)
{
    unsigned long device_major, device_minor, inode;
    char *at = strstr(line, ": FLOCK ");
    long pid;

    if (at == NULL)
        return 0;
    at = strpbrk(at + 8, "0123456789");
    if (at == NULL)
        return 0;
    pid = strtol(at, &at, 10);
    device_major = strtoul(at, &at, 16);
    if (*at != ':')
        return 0;
    device_minor = strtoul(at + 1, &at, 16);
    if (*at != ':')
        return 0;
    inode = strtoul(at + 1, &at, 10);
    return inode == node->st_ino && device_major == major(node->st_dev) &&
                   device_minor == minor(node->st_dev)
               ? (int)pid
               : 0;
}

/* Unlike the descriptors of other users' processes, the list of locks is readable by everybody. */
static bool lock_holder(const struct stat *node, struct kiln_holder *out_holder)
{
    FILE *locks = fopen("/proc/locks", "re");
    char line[160];
    bool found = false;

    while (locks != NULL && !found && fgets(line, sizeof line, locks) != NULL) {
        int pid = lock_line(line, node);

        if (pid <= 0 || pid == getpid())
            continue;
        set_holder(out_holder, pid);
        found = true;
    }
    if (locks != NULL)
        fclose(locks);
    return found;
}

bool kiln_find_holder(const char *path, struct kiln_holder *out_holder)
{
    struct dirent *entry;
    struct stat node;
    bool found;
    DIR *proc;

    *out_holder = (struct kiln_holder){0};
    if (stat(path, &node) != 0 || !S_ISCHR(node.st_mode))
        return false;
    found = lock_holder(&node, out_holder);
    proc = found ? NULL : opendir("/proc");
    while (proc != NULL && !found && (entry = readdir(proc)) != NULL) {
        int pid = process_id(entry->d_name);

        if (pid <= 0 || pid == getpid() || !process_holds(pid, node.st_rdev))
            continue;
        set_holder(out_holder, pid);
        found = true;
    }
    if (proc != NULL)
        closedir(proc);
    return found;
}

bool kiln_process_runs(const char *name)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    bool found = false;

    while (proc != NULL && !found && (entry = readdir(proc)) != NULL) {
        char comm[32];
        int pid = process_id(entry->d_name);

        if (pid <= 0)
            continue;
        process_name(pid, comm, sizeof comm);
        found = strcmp(comm, name) == 0;
    }
    if (proc != NULL)
        closedir(proc);
    return found;
}

static bool process_has_group(gid_t group)
{
    gid_t groups[256];
    int count = getgroups(256, groups);

    if (getegid() == group)
        return true;
    for (int i = 0; i < count; i++) {
        if (groups[i] == group)
            return true;
    }
    return false;
}

/* The account is a member of `group`, whatever this process was started with. */
static bool account_has_group(const struct group *group)
{
    struct passwd entry, *found = NULL;
    char text[1024];

    if (getpwuid_r(getuid(), &entry, text, sizeof text, &found) != 0 || found == NULL)
        return false;
    if (entry.pw_gid == group->gr_gid)
        return true;
    for (char **member = group->gr_mem; *member != NULL; member++) {
        if (strcmp(*member, entry.pw_name) == 0)
            return true;
    }
    return false;
}

enum kiln_hint kiln_why_denied(const char *path, char *text, size_t cap)
{
    struct group group, *found = NULL;
    char storage[8192];
    struct stat node;

    if (stat(path, &node) != 0 || (node.st_mode & 060) != 060 || node.st_gid == 0 ||
        process_has_group(node.st_gid)) {
        snprintf(text, cap, "only root may open it: no udev rule gives it to you");
        return KILN_HINT_UDEV_RULE;
    }
    if (getgrgid_r(node.st_gid, &group, storage, sizeof storage, &found) != 0 || found == NULL) {
        snprintf(text, cap, "it belongs to group %u", (unsigned)node.st_gid);
        return KILN_HINT_JOIN_GROUP;
    }
    if (account_has_group(&group)) {
        snprintf(text, cap, "you are in group %s, but this session began before you joined it",
                 group.gr_name);
        return KILN_HINT_LOG_IN_AGAIN;
    }
    snprintf(text, cap, "you are not in group %s", group.gr_name);
    return KILN_HINT_JOIN_GROUP;
}

enum kiln_status kiln_port_fail_open(struct kiln_ctx *ctx, const char *path, int error)
{
    struct kiln_holder holder;
    enum kiln_hint hint;
    char why[160];

    switch (error) {
    case ENOENT:
        return kiln_fail_hint(ctx, KILN_E_NO_DEVICE, KILN_HINT_CONNECT_DEVICE,
                              "there is no port %s", path);
    case ENXIO:
    case ENODEV:
    case EIO:
        return kiln_fail_hint(ctx, KILN_E_NO_DEVICE, KILN_HINT_CONNECT_DEVICE,
                              "there is no hardware behind %s", path);
    case EPERM:
        return kiln_fail_hint(ctx, KILN_E_DENIED, KILN_HINT_CONTAINER,
                              "opening %s is not permitted here", path);
    case EACCES:
        hint = kiln_why_denied(path, why, sizeof why);
        return kiln_fail_hint(ctx, KILN_E_DENIED, hint, "%s cannot be opened: %s", path, why);
    case EBUSY:
    case EWOULDBLOCK:
        (void)kiln_find_holder(path, &holder);
        kiln_holder_text(&holder, why, sizeof why);
        return kiln_fail_hint(ctx, KILN_E_BUSY, KILN_HINT_PORT_BUSY, "%s is in use by %s", path,
                              why);
    default:
        (void)!kiln_fail(ctx, KILN_E_IO, "%s cannot be opened: %s", path, strerror(error));
        return kiln_fail_code(ctx, error);
    }
}
