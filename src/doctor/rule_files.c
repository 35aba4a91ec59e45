/* SPDX-License-Identifier: MIT */
/* udev's rule files: which of them count, and what they do with a device. */
#include "doctor/doctor.h"

#include "base/bytes.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* A file in an earlier folder stands before one of the same name in a later one (udev(7)). */
static const char *const folders[] = {"/etc/udev/rules.d", "/run/udev/rules.d",
                                      "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d",
                                      "/lib/udev/rules.d"};

/* systemd's 73-seat-late.rules makes access lists of the uaccess tag; what comes later is not seen. */
#define READS_THE_TAG "73-seat-late.rules"
#define FILE_MAX      (256u * 1024)

/* The text of a rule file with its comments cut out, malloc'ed; NULL if it cannot be read. */
static char *read_rules(const struct doctor *doctor, const char *path)
{
    char *text = malloc(FILE_MAX), *to = text;
    bool more = true;

    if (text == NULL || !doctor_read(doctor, path, text, FILE_MAX - 1)) {
        free(text);
        return NULL;
    }
    for (const char *line = text; more;) {
        size_t len = strcspn(line, "\n");
        const char *next = line + len + 1;
        bool comment = line[strspn(line, " \t")] == '#';

        more = line[len] != '\0';
        if (!comment) {
            memmove(to, line, len);
            to += len;
            *to++ = '\n';
        }
        line = next;
    }
    *to = '\0';
    return text;
}

/* The folder before number `before` that has a file of this name, or -1. */
static int shadowed_by(const struct doctor *doctor, size_t before, const char *name)
{
    char path[PATH_MAX], here[PATH_MAX];
    struct stat own, other;

    snprintf(here, sizeof here, "%s%s/%s", doctor->root, folders[before], name);
    for (size_t i = 0; i < before; i++) {
        snprintf(path, sizeof path, "%s%s/%s", doctor->root, folders[i], name);
        /* /lib may be a link to /usr/lib: the same file is no shadow */
        if (lstat(path, &other) == 0 && lstat(here, &own) == 0 &&
            (own.st_ino != other.st_ino || own.st_dev != other.st_dev))
            return (int)i;
    }
    return -1;
}

struct search {
    const struct doctor *doctor;
    char vendor[8];
    enum doctor_rule_state best;
    char *file;
    size_t cap;
};

static void judge(struct search *search, size_t folder, const char *name)
{
    char path[PATH_MAX];
    int shadow;
    char *text;
    enum doctor_rule_state state = DOCTOR_RULE_GOOD;

    snprintf(path, sizeof path, "%s/%s", folders[folder], name);
    text = read_rules(search->doctor, path);
    if (text == NULL)
        return;
    if (strcasestr(text, search->vendor) == NULL || strstr(text, "TAG+=\"uaccess\"") == NULL) {
        free(text);
        return;
    }
    free(text);
    shadow = shadowed_by(search->doctor, folder, name);
    if (shadow >= 0)
        state = DOCTOR_RULE_SHADOWED;
    else if (strcmp(name, READS_THE_TAG) > 0)
        state = DOCTOR_RULE_LATE;
    if (state <= search->best)
        return;
    search->best = state;
    snprintf(search->file, search->cap, "%s/%s", folders[shadow >= 0 ? (size_t)shadow : folder],
             name);
}

static bool is_rule_file(const char *name)
{
    size_t len = strlen(name);

    return len > 6 && strcmp(name + len - 6, ".rules") == 0;
}

/* Names that a shell could take for something else never get into a command. */
static bool is_plain(const char *name)
{
    return name[0] != '-' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
                             "+@")] == '\0';
}

enum doctor_rule_state doctor_rule_find(const struct doctor *doctor, uint16_t vid, char *file,
                                        size_t cap)
{
    struct search search = {.doctor = doctor, .file = file, .cap = cap};

    file[0] = '\0';
    snprintf(search.vendor, sizeof search.vendor, "\"%04x\"", vid);
    for (size_t i = 0; i < KILN_ARRAY_LEN(folders); i++) {
        char path[PATH_MAX];
        struct dirent *entry;
        DIR *dir;

        snprintf(path, sizeof path, "%s%s", doctor->root, folders[i]);
        dir = opendir(path);
        while (dir != NULL && (entry = readdir(dir)) != NULL) {
            if (is_rule_file(entry->d_name) && is_plain(entry->d_name))
                judge(&search, i, entry->d_name);
        }
        if (dir != NULL)
            closedir(dir);
    }
    return search.best;
}

bool doctor_rule_brltty(const struct doctor *doctor, char *file, size_t cap)
{
    /* brltty before 6.5 took every device with these ids, which are those of plain bridges. */
    static const char *const generic[] = {"1a86/7523", "10c4/ea60", "0403/6001"};

    for (size_t i = 0; i < KILN_ARRAY_LEN(folders); i++) {
        char path[PATH_MAX];
        struct dirent *entry;
        bool found = false;
        DIR *dir;

        snprintf(path, sizeof path, "%s%s", doctor->root, folders[i]);
        dir = opendir(path);
        while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
            char *text = NULL;

            if (!is_rule_file(entry->d_name) || !is_plain(entry->d_name) ||
                strstr(entry->d_name, "brltty") == NULL ||
                shadowed_by(doctor, i, entry->d_name) >= 0)
                continue;
            snprintf(path, sizeof path, "%s/%s", folders[i], entry->d_name);
            text = read_rules(doctor, path);
            for (size_t k = 0; text != NULL && k < KILN_ARRAY_LEN(generic); k++)
                found = found || strcasestr(text, generic[k]) != NULL;
            free(text);
        }
        if (dir != NULL)
            closedir(dir);
        if (found) {
            snprintf(file, cap, "%s", path);
            return true;
        }
    }
    return false;
}

bool doctor_rule_own(const struct doctor *doctor, char *file, size_t cap, bool *out_same)
{
    char *want, *have;

    *out_same = false;
    for (size_t i = 0; i < KILN_ARRAY_LEN(folders); i++) {
        snprintf(file, cap, "%s/" KILN_UDEV_RULES_NAME, folders[i]);
        if (!doctor_exists(doctor, file))
            continue;
        have = malloc(FILE_MAX);
        want = kiln_udev_rules();
        if (have != NULL && want != NULL && doctor_read(doctor, file, have, FILE_MAX)) {
            size_t len = strlen(have);

            *out_same = strncmp(have, want, len) == 0 && want[len + strspn(want + len, "\n")] == 0;
        }
        free(have);
        free(want);
        return true;
    }
    return false;
}
