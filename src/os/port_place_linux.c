/* SPDX-License-Identifier: MIT */
/* Where a serial port is plugged in, from sysfs: .../usb1/1-1/1-1.4/1-1.4:1.0/ttyUSB0/tty/ttyUSB0 */
#include "os/port.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The path component "1-1.4:1.0": digits with '-' and ':'. */
static bool is_interface(const char *part, size_t len)
{
    return len > 0 && part[0] >= '0' && part[0] <= '9' && memchr(part, '-', len) != NULL &&
           memchr(part, ':', len) != NULL && strspn(part, "0123456789-.:") >= len;
}

static void copy_part(char *to, size_t cap, const char *from, size_t len)
{
    if (len >= cap)
        len = cap - 1;
    memcpy(to, from, len);
    to[len] = '\0';
}

static bool interface_folder(const char *root, const char *name, char folder[PATH_MAX])
{
    char link[PATH_MAX];
    char *at, *end = NULL;

    snprintf(link, sizeof link, "%s/sys/class/tty/%s", root, name);
    if (realpath(link, folder) == NULL)
        return false;
    for (at = folder; at != NULL; at = strchr(at + 1, '/')) {
        size_t len = strcspn(at + 1, "/");

        if (is_interface(at + 1, len))
            end = at + 1 + len;
    }
    if (end == NULL)
        return false;
    *end = '\0';
    return true;
}

/* A file of hexadecimal digits in the folder above `folder`; 0 if there is none. */
static uint16_t device_id(const char *folder, const char *name)
{
    char path[PATH_MAX + 32], text[16] = "";
    FILE *file;

    snprintf(path, sizeof path, "%s/../%s", folder, name);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fgets(text, sizeof text, file) == NULL)
        text[0] = '\0';
    fclose(file);
    return (uint16_t)strtoul(text, NULL, 16);
}

void kiln_port_place(const char *name, struct kiln_port_place *out_place)
{
    kiln_port_place_in("", name, out_place);
}

void kiln_port_place_in(const char *root, const char *name, struct kiln_port_place *out_place)
{
    char folder[PATH_MAX], link[PATH_MAX + 8], target[PATH_MAX];
    const char *last;
    ssize_t len;

    memset(out_place, 0, sizeof *out_place);
    if (!interface_folder(root, name, folder))
        return;
    last = strrchr(folder, '/') + 1;
    copy_part(out_place->place, sizeof out_place->place, last, strlen(last));
    out_place->vid = device_id(folder, "idVendor");
    out_place->pid = device_id(folder, "idProduct");
    snprintf(link, sizeof link, "%s/driver", folder);
    len = readlink(link, target, sizeof target - 1);
    if (len <= 0)
        return;
    target[len] = '\0';
    last = strrchr(target, '/');
    last = last == NULL ? target : last + 1;
    copy_part(out_place->driver, sizeof out_place->driver, last, strlen(last));
}

bool kiln_port_at_place(const char *place, char *path, size_t cap)
{
    size_t device_len = strcspn(place, ":");
    DIR *dir = opendir("/sys/class/tty");
    struct dirent *entry;
    bool found = false, exact = false;

    while (dir != NULL && !exact && (entry = readdir(dir)) != NULL) {
        struct kiln_port_place here;

        if (entry->d_name[0] == '.')
            continue;
        kiln_port_place(entry->d_name, &here);
        if (strncmp(here.place, place, device_len) != 0 || here.place[device_len] != ':')
            continue;
        exact = strcmp(here.place, place) == 0;
        if (!found || exact)
            snprintf(path, cap, "/dev/%s", entry->d_name);
        found = true;
    }
    if (dir != NULL)
        closedir(dir);
    return found;
}
