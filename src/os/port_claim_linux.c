/* SPDX-License-Identifier: MIT */
/* Who or what stands in the way of opening a port, as far as it can be known without privileges. */
#include "os/port.h"

#include "os/access.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PTS_MAJOR 136u /* to 143, Documentation/admin-guide/devices.txt */

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

static void process_name(const char *root, int pid, char *name, size_t cap)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/proc/%d/comm", root, pid);
    if (read_text(path, name, cap) > 0)
        name[strcspn(name, "\n")] = '\0';
}

/*
 * The service of a line of /proc/PID/cgroup: ".../system.slice/klipper.service", or
 * ".../user@1000.service/app.slice/octoprint.service" for one of a user's session. False for what is none, such
 * as a scope of a terminal or a container.
 */
static bool unit_of_group(const char *path, struct kiln_holder *holder)
{
    const char *name = strrchr(path, '/'), *manager = strstr(path, "/user@");
    size_t len = name == NULL ? 0 : strlen(++name);

    if (len <= 8 || len >= sizeof holder->unit || strcmp(name + len - 8, ".service") != 0 ||
        strncmp(name, "user@", 5) == 0)
        return false;
    if (manager == NULL && strstr(path, "/system.slice/") == NULL)
        return false;
    snprintf(holder->unit, sizeof holder->unit, "%s", name);
    holder->of_session = manager != NULL;
    return true;
}

static void set_unit(const char *root, struct kiln_holder *holder)
{
    char path[PATH_MAX], text[4096], *rest = text, *line;

    snprintf(path, sizeof path, "%s/proc/%d/cgroup", root, holder->pid);
    (void)read_text(path, text, sizeof text);
    while ((line = strsep(&rest, "\n")) != NULL)
        if (unit_of_group(line, holder))
            return;
}

static void set_holder(const char *root, struct kiln_holder *holder, int pid)
{
    holder->pid = pid;
    process_name(root, pid, holder->name, sizeof holder->name);
    set_unit(root, holder);
}

void kiln_holder_text(const struct kiln_holder *holder, char *text, size_t cap)
{
    const char *comma = holder->unit[0] != '\0' ? ", " : "";

    if (holder->pid == 0)
        snprintf(text, cap, "another program");
    else if (holder->name[0] == '\0')
        snprintf(text, cap, "process %d%s%s", holder->pid, comma, holder->unit);
    else
        snprintf(text, cap, "%s (process %d%s%s)", holder->name, holder->pid, comma, holder->unit);
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
    set_holder("", out_holder, pid);
    return true;
}

static int process_id(const char *name)
{
    return isdigit((unsigned char)name[0]) ? (int)strtol(name, NULL, 10) : 0;
}

/* Pseudo-terminals have the same numbers in every instance of devpts (containers, changed roots), of which each is a file
 * system of its own; any other port is one device, whatever node leads to it. */
static bool same_device(const struct stat *a, const struct stat *b)
{
    unsigned number = major(a->st_rdev);

    return S_ISCHR(b->st_mode) && a->st_rdev == b->st_rdev &&
           (number < PTS_MAJOR || number >= PTS_MAJOR + 8 || a->st_dev == b->st_dev);
}

/* True if one of the descriptors of `pid` is the device `wanted`, by number or, where the node is none
 * (another root), by name. */
static bool process_holds(const char *root, int pid, const char *wanted, const struct stat *node)
{
    char folder[PATH_MAX], link[PATH_MAX + 300], target[PATH_MAX];
    struct dirent *entry;
    bool holds = false;
    DIR *dir;

    snprintf(folder, sizeof folder, "%s/proc/%d/fd", root, pid);
    dir = opendir(folder);
    while (dir != NULL && !holds && (entry = readdir(dir)) != NULL) {
        struct stat info;
        ssize_t len;

        snprintf(link, sizeof link, "%s/%s", folder, entry->d_name);
        len = readlink(link, target, sizeof target - 1);
        if (len < 5 || memcmp(target, "/dev/", 5) != 0)
            continue;
        target[len] = '\0';
        if (S_ISCHR(node->st_mode))
            holds = stat(link, &info) == 0 && same_device(node, &info);
        else
            holds = root[0] != '\0' && strcmp(target, wanted) == 0;
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
static bool lock_holder(const char *root, const struct stat *node, struct kiln_holder *out_holder)
{
    char path[PATH_MAX], line[160];
    FILE *locks;
    bool found = false;

    snprintf(path, sizeof path, "%s/proc/locks", root);
    locks = fopen(path, "re");
    while (locks != NULL && !found && fgets(line, sizeof line, locks) != NULL) {
        int pid = lock_line(line, node);

        if (pid <= 0 || pid == getpid())
            continue;
        set_holder(root, out_holder, pid);
        found = true;
    }
    if (locks != NULL)
        fclose(locks);
    return found;
}

bool kiln_find_holder_in(const char *root, const char *path, struct kiln_holder *out_holder)
{
    char node_path[PATH_MAX], folder[PATH_MAX];
    struct dirent *entry;
    struct stat node;
    bool found;
    DIR *proc;

    *out_holder = (struct kiln_holder){0};
    snprintf(node_path, sizeof node_path, "%s%s", root, path);
    snprintf(folder, sizeof folder, "%s/proc", root);
    if (stat(node_path, &node) != 0 || (!S_ISCHR(node.st_mode) && root[0] == '\0'))
        return false;
    found = lock_holder(root, &node, out_holder);
    proc = found ? NULL : opendir(folder);
    while (proc != NULL && !found && (entry = readdir(proc)) != NULL) {
        int pid = process_id(entry->d_name);

        if (pid <= 0 || pid == getpid() || !process_holds(root, pid, path, &node))
            continue;
        set_holder(root, out_holder, pid);
        found = true;
    }
    if (proc != NULL)
        closedir(proc);
    return found;
}

bool kiln_find_holder(const char *path, struct kiln_holder *out_holder)
{
    return kiln_find_holder_in("", path, out_holder);
}

bool kiln_process_runs_in(const char *root, const char *name)
{
    char folder[PATH_MAX];
    struct dirent *entry;
    bool found = false;
    DIR *proc;

    snprintf(folder, sizeof folder, "%s/proc", root);
    proc = opendir(folder);
    while (proc != NULL && !found && (entry = readdir(proc)) != NULL) {
        char comm[32];
        int pid = process_id(entry->d_name);

        if (pid <= 0)
            continue;
        process_name(root, pid, comm, sizeof comm);
        found = strcmp(comm, name) == 0;
    }
    if (proc != NULL)
        closedir(proc);
    return found;
}

bool kiln_process_runs(const char *name)
{
    return kiln_process_runs_in("", name);
}

enum kiln_hint kiln_why_denied(const char *path, char *text, size_t cap)
{
    struct kiln_identity who;
    char group[64];

    kiln_identity_of_process(&who);
    switch (kiln_denial_find(&who, path, group, sizeof group)) {
    case KILN_DENIAL_GROUP:
        snprintf(text, cap, "you are not in group %s", group);
        return KILN_HINT_JOIN_GROUP;
    case KILN_DENIAL_LOG_IN:
        snprintf(text, cap, "you are in group %s, but this session began before you joined it",
                 group);
        return KILN_HINT_LOG_IN_AGAIN;
    case KILN_DENIAL_NONE: /* a security module, or a namespace, forbids it */
    case KILN_DENIAL_ROOT:
        break;
    }
    snprintf(text, cap, "only root may open it: no udev rule gives it to you");
    return KILN_HINT_UDEV_RULE;
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
