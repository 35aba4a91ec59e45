/* SPDX-License-Identifier: MIT */
/* What is plugged in, from /sys alone: nothing is opened. */
#include "doctor/doctor.h"

#include "chip/usb_ids.h"
#include "os/port.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool doctor_read(const struct doctor *doctor, const char *path, char *text, size_t cap)
{
    char full[PATH_MAX];
    size_t len;
    FILE *file;

    snprintf(full, sizeof full, "%s%s", doctor->root, path);
    file = fopen(full, "re");
    text[0] = '\0';
    if (file == NULL)
        return false;
    len = fread(text, 1, cap - 1, file);
    fclose(file);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
    return true;
}

bool doctor_exists(const struct doctor *doctor, const char *path)
{
    char full[PATH_MAX];

    snprintf(full, sizeof full, "%s%s", doctor->root, path);
    return access(full, F_OK) == 0;
}

void doctor_udev_value(const struct doctor *doctor, const char *dev, const char *key, char *value,
                       size_t cap)
{
    char path[64], text[8192], want[64];
    const char *at;

    value[0] = '\0';
    snprintf(path, sizeof path, "/run/udev/data/c%s", dev);
    snprintf(want, sizeof want, "\nE:%s=", key);
    text[0] = '\n';
    if (dev[0] == '\0' || !doctor_read(doctor, path, text + 1, sizeof text - 1))
        return;
    at = strstr(text, want);
    if (at == NULL)
        return;
    at += strlen(want);
    snprintf(value, cap, "%.*s", (int)strcspn(at, "\n"), at);
}

/* ---- USB ---- */

#define USB_FOLDER "/sys/bus/usb/devices"

static void usb_attribute(const struct doctor *doctor, const char *name, const char *attribute,
                          char *text, size_t cap)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, USB_FOLDER "/%s/%s", name, attribute);
    (void)doctor_read(doctor, path, text, cap);
}

static unsigned long usb_number(const struct doctor *doctor, const char *name,
                                const char *attribute, int base)
{
    char text[32];

    usb_attribute(doctor, name, attribute, text, sizeof text);
    return strtoul(text, NULL, base);
}

/* What the interfaces of a device ("1-1.4:1.0") tell. */
static bool look_at_interfaces(const struct doctor *doctor, struct doctor_usb *usb)
{
    char folder[PATH_MAX], path[PATH_MAX];
    size_t len = strlen(usb->place);
    struct dirent *entry;
    bool dfu = false;
    DIR *dir;

    snprintf(folder, sizeof folder, "%s" USB_FOLDER, doctor->root);
    dir = opendir(folder);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        unsigned long class, subclass;

        if (strncmp(entry->d_name, usb->place, len) != 0 || entry->d_name[len] != ':')
            continue;
        class = usb_number(doctor, entry->d_name, "bInterfaceClass", 16);
        subclass = usb_number(doctor, entry->d_name, "bInterfaceSubClass", 16);
        usb->cdc = usb->cdc || (class == 0x02 && subclass == 2); /* abstract control model */
        dfu = dfu || (class == 0xFE && subclass == 1);
        snprintf(path, sizeof path, USB_FOLDER "/%.64s/driver", entry->d_name);
        usb->has_driver = usb->has_driver || doctor_exists(doctor, path);
    }
    if (dir != NULL)
        closedir(dir);
    return dfu;
}

static void add_usb(struct doctor *doctor, const char *name)
{
    struct doctor_usb usb = {0};
    const struct kiln_usb_id *id;
    bool dfu, probe;

    if (usb_number(doctor, name, "bDeviceClass", 16) == 9)
        return;
    doctor->usb_seen++;
    snprintf(usb.place, sizeof usb.place, "%.31s", name);
    usb.vid = (uint16_t)usb_number(doctor, name, "idVendor", 16);
    usb.pid = (uint16_t)usb_number(doctor, name, "idProduct", 16);
    usb_attribute(doctor, name, "product", usb.title, sizeof usb.title);
    usb_attribute(doctor, name, "dev", usb.dev, sizeof usb.dev);
    snprintf(usb.node, sizeof usb.node, "/dev/bus/usb/%03lu/%03lu",
             usb_number(doctor, name, "busnum", 10) & 0xFF,
             usb_number(doctor, name, "devnum", 10) & 0xFF);
    id = kiln_usb_id_find(usb.vid, usb.pid);
    dfu = look_at_interfaces(doctor, &usb) || (id != NULL && id->role == KILN_USB_DFU);
    probe = (id != NULL && id->role == KILN_USB_PROBE) || strstr(usb.title, "CMSIS-DAP") != NULL;
    if (id == NULL && !dfu && !probe && !usb.cdc)
        return;
    usb.wants_port = !probe && (usb.cdc || (id != NULL && id->role == KILN_USB_BRIDGE));
    if (id != NULL && usb.title[0] == '\0')
        snprintf(usb.title, sizeof usb.title, "%s", id->title);
    if (doctor->usb_count < DOCTOR_DEVICES_MAX)
        doctor->usb[doctor->usb_count++] = usb;
}

/* ---- serial ports ---- */

static int find_usb(const struct doctor *doctor, const char *place)
{
    size_t len = strcspn(place, ":");

    for (size_t i = 0; i < doctor->usb_count; i++) {
        if (strlen(doctor->usb[i].place) == len && strncmp(doctor->usb[i].place, place, len) == 0)
            return (int)i;
    }
    return -1;
}

/* Terminals of the kernel have no device, and the driver for PC ports lists four whether they exist or not. */
static bool is_port(const struct doctor *doctor, const char *name)
{
    char path[PATH_MAX], type[16];

    snprintf(path, sizeof path, "/sys/class/tty/%s/device", name);
    if (!doctor_exists(doctor, path))
        return false;
    snprintf(path, sizeof path, "/sys/class/tty/%s/type", name);
    return strncmp(name, "ttyS", 4) != 0 ||
           (doctor_read(doctor, path, type, sizeof type) && strtoul(type, NULL, 10) != 0);
}

static void add_port(struct doctor *doctor, const char *name)
{
    struct doctor_port port = {.usb = -1};
    struct kiln_port_place place;
    char path[PATH_MAX];

    if (!is_port(doctor, name) || doctor->port_count == DOCTOR_DEVICES_MAX)
        return;
    snprintf(port.node, sizeof port.node, "/dev/%.58s", name);
    snprintf(path, sizeof path, "/sys/class/tty/%s/dev", name);
    (void)doctor_read(doctor, path, port.dev, sizeof port.dev);
    kiln_port_place_in(doctor->root, name, &place);
    port.plugged = place.place[0] != '\0';
    if (port.plugged)
        port.usb = find_usb(doctor, place.place);
    if (port.usb >= 0)
        doctor->usb[port.usb].has_port = true;
    doctor->ports[doctor->port_count++] = port;
}

/* ---- the whole ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strverscmp((*a)->d_name, (*b)->d_name);
}

/* In order, so that two runs say the same. */
static void each_entry(struct doctor *doctor, const char *folder,
                       void (*add)(struct doctor *, const char *))
{
    char path[PATH_MAX];
    struct dirent **entries;
    int count;

    snprintf(path, sizeof path, "%s%s", doctor->root, folder);
    count = scandir(path, &entries, NULL, by_name);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.')
            add(doctor, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void add_if_device(struct doctor *doctor, const char *name)
{
    if (strchr(name, ':') == NULL && strncmp(name, "usb", 3) != 0)
        add_usb(doctor, name);
}

void doctor_scan(struct doctor *doctor)
{
    each_entry(doctor, USB_FOLDER, add_if_device);
    each_entry(doctor, "/sys/class/tty", add_port);
}
