/* SPDX-License-Identifier: MIT */
/* What is plugged in, from udev and sysfs. Nothing is opened. */
#include "link/enumerate.h"

#include "base/bytes.h"
#include "chip/usb_ids.h"
#include "os/port.h"

#include <errno.h>
#include <fcntl.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 8192

struct kiln_device *kiln_device_add(struct kiln_device_list *list)
{
    struct kiln_device *grown = realloc(list->items, (list->count + 1) * sizeof *grown);

    if (grown == NULL)
        return NULL;
    list->items = grown;
    grown += list->count++;
    memset(grown, 0, sizeof *grown);
    grown->vid = grown->pid = -1;
    return grown;
}

void kiln_device_list_free(struct kiln_device_list *list)
{
    free(list->items);
    *list = (struct kiln_device_list){0};
}

const char *kiln_device_kind_name(enum kiln_device_kind kind)
{
    static const char *const names[KILN_DEVICE_KIND_COUNT] = {"serial", "dfu",     "dfu-runtime",
                                                              "probe",  "network", "simulated"};

    return (unsigned)kind < KILN_DEVICE_KIND_COUNT ? names[kind] : "?";
}

int kiln_dfu_role(const uint8_t *bytes, size_t len, bool *out_dfuse)
{
    int role = KILN_DFU_NONE;

    *out_dfuse = false;
    for (size_t at = 0; at + 2 <= len; at += bytes[at]) {
        const uint8_t *descriptor = bytes + at;

        if (descriptor[0] < 2 || at + descriptor[0] > len)
            break;
        if (descriptor[1] == 4 && descriptor[0] >= 9 && descriptor[5] == 0xFE && descriptor[6] == 1)
            role = descriptor[7] == 2 ? KILN_DFU_MODE : KILN_MAX(role, KILN_DFU_APP);
        if (descriptor[1] == 0x21 && descriptor[0] >= 9 && role != KILN_DFU_NONE)
            *out_dfuse = kiln_le16(descriptor + 7) == 0x011A;
    }
    return role;
}

/* ---- what udev says of a USB device ---- */

static const char *attribute(struct udev_device *device, const char *name)
{
    const char *value = device == NULL ? NULL : udev_device_get_sysattr_value(device, name);

    return value == NULL ? "" : value;
}

static void copy_text(char *to, size_t cap, const char *from)
{
    size_t used = 0;

    for (; *from != '\0' && used + 1 < cap; from++)
        to[used++] = *from >= 0x20 && *from < 0x7F ? *from : '?';
    while (used > 0 && to[used - 1] == ' ')
        used--;
    to[used] = '\0';
}

static void describe_usb(struct kiln_device *device, struct udev_device *usb,
                         const struct kiln_usb_id **out_id)
{
    const struct kiln_usb_id *id;

    device->vid = (int32_t)(strtoul(attribute(usb, "idVendor"), NULL, 16) & 0xFFFF);
    device->pid = (int32_t)(strtoul(attribute(usb, "idProduct"), NULL, 16) & 0xFFFF);
    device->bus = (uint8_t)strtoul(attribute(usb, "busnum"), NULL, 10);
    device->address = (uint8_t)strtoul(attribute(usb, "devnum"), NULL, 10);
    id = kiln_usb_id_find((uint16_t)device->vid, (uint16_t)device->pid);
    copy_text(device->path, sizeof device->path, udev_device_get_sysname(usb));
    copy_text(device->serial, sizeof device->serial, attribute(usb, "serial"));
    copy_text(device->title, sizeof device->title, attribute(usb, "product"));
    if (device->title[0] == '\0' && id != NULL)
        copy_text(device->title, sizeof device->title, id->title);
    if (id != NULL) {
        copy_text(device->what, sizeof device->what, id->what[0] != '\0' ? id->what : id->title);
        copy_text(device->loader, sizeof device->loader, id->loader);
        if (id->role == KILN_USB_CDC_BOOT || id->role == KILN_USB_DFU)
            copy_text(device->mode, sizeof device->mode, "bootloader");
        if (id->role == KILN_USB_CDC_APP || id->role == KILN_USB_CDC_TOUCH)
            copy_text(device->mode, sizeof device->mode, "run-time");
    }
    *out_id = id;
}

static bool may_open(const char *path)
{
    return faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0 || errno != EACCES;
}

static bool check_permission(struct kiln_device *device)
{
    if (may_open(device->port))
        return true;
    device->usable = KILN_E_DENIED;
    (void)kiln_why_denied(device->port, device->obstacle, sizeof device->obstacle);
    return false;
}

/* ---- serial ports ---- */

static void check_holder(struct kiln_device *device)
{
    bool serial = device->kind == KILN_DEVICE_SERIAL;
    struct kiln_holder holder;
    char who[160];

    if (!(serial && kiln_uucp_locked(KILN_UUCP_FOLDER, device->port, &holder)) &&
        !kiln_find_holder(device->port, &holder))
        return;
    kiln_holder_text(&holder, who, sizeof who);
    device->usable = KILN_E_BUSY;
    snprintf(device->unit, sizeof device->unit, "%s", holder.unit);
    snprintf(device->obstacle, sizeof device->obstacle, "in use by %.140s", who);
}

/* Terminals of the kernel have no parent, and the driver for PC ports lists four whether they exist or not. */
static bool is_port(struct udev_device *tty)
{
    const char *name = udev_device_get_sysname(tty);

    if (udev_device_get_devnode(tty) == NULL || udev_device_get_parent(tty) == NULL)
        return false;
    return strncmp(name, "ttyS", 4) != 0 || strtoul(attribute(tty, "type"), NULL, 10) != 0;
}

static bool add_port(struct kiln_device_list *list, struct udev_device *tty)
{
    struct udev_device *usb =
        udev_device_get_parent_with_subsystem_devtype(tty, "usb", "usb_device");
    struct udev_device *function =
        udev_device_get_parent_with_subsystem_devtype(tty, "usb", "usb_interface");
    const struct kiln_usb_id *id = NULL;
    struct kiln_device *device;

    if (!is_port(tty))
        return true;
    device = kiln_device_add(list);
    if (device == NULL)
        return false;
    device->kind = KILN_DEVICE_SERIAL;
    copy_text(device->port, sizeof device->port, udev_device_get_devnode(tty));
    copy_text(device->selector, sizeof device->selector, device->port);
    device->interface_number = (uint8_t)strtoul(attribute(function, "bInterfaceNumber"), NULL, 16);
    if (usb != NULL)
        describe_usb(device, usb, &id);
    device->touch = id != NULL && id->role == KILN_USB_CDC_TOUCH;
    if (usb == NULL)
        copy_text(device->title, sizeof device->title, "serial port of this computer");
    if (check_permission(device))
        check_holder(device);
    return true;
}

/* ---- USB devices that are no serial ports ---- */

static size_t read_descriptors(struct udev_device *usb, uint8_t *bytes)
{
    char path[512];
    ssize_t len;
    int fd;

    snprintf(path, sizeof path, "%s/descriptors", udev_device_get_syspath(usb));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    len = read(fd, bytes, DESCRIPTORS_MAX);
    close(fd);
    return len > 0 ? (size_t)len : 0;
}

static bool has_port(const struct kiln_device_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == KILN_DEVICE_SERIAL && strcmp(list->items[i].path, path) == 0)
            return true;
    }
    return false;
}

static void explain_no_port(struct kiln_device *device)
{
    device->usable = KILN_E_NO_DEVICE;
    snprintf(device->obstacle, sizeof device->obstacle, "%s",
             kiln_process_runs("brltty")
                 ? "brltty, a driver for Braille displays, has taken it; remove or mask brltty"
                 : "the system made no serial port of it: its driver is missing");
}

/* A probe of any vendor has this in the name of the product or of the interface that debuggers use. */
static bool is_cmsis_dap(struct udev_device *usb, const struct kiln_device *device)
{
    struct udev_enumerate *all = udev_enumerate_new(udev_device_get_udev(usb));
    struct udev_list_entry *entry;
    bool found = strstr(device->title, "CMSIS-DAP") != NULL;
    bool good = !found && all != NULL && udev_enumerate_add_match_parent(all, usb) >= 0 &&
                udev_enumerate_add_match_subsystem(all, "usb") >= 0 &&
                udev_enumerate_scan_devices(all) >= 0;

    udev_list_entry_foreach(entry, good ? udev_enumerate_get_list_entry(all) : NULL)
    {
        struct udev_device *function = udev_device_new_from_syspath(
            udev_device_get_udev(usb), udev_list_entry_get_name(entry));

        /* A hub's children include the devices behind it. */
        if (function != NULL &&
            strncmp(udev_device_get_sysname(function), device->path, strlen(device->path)) == 0 &&
            udev_device_get_sysname(function)[strlen(device->path)] == ':' &&
            strstr(attribute(function, "interface"), "CMSIS-DAP") != NULL)
            found = true;
        udev_device_unref(function);
    }
    udev_enumerate_unref(all);
    return found;
}

/* Decides what a USB device is to us. False: nothing. */
static bool classify(struct kiln_device *device, const struct kiln_usb_id *id, bool dap, int dfu,
                     bool dfuse)
{
    if (dap || (id != NULL && id->role == KILN_USB_PROBE)) {
        device->kind = KILN_DEVICE_PROBE;
        if (device->what[0] == '\0')
            copy_text(device->what, sizeof device->what, "CMSIS-DAP debug probe");
        return true;
    }
    if (strcmp(device->loader, "esp") == 0)
        dfu = KILN_DFU_NONE; /* its ROM speaks DFU too, but the esp loader does more */
    if (dfu == KILN_DFU_NONE && (id == NULL || id->role != KILN_USB_DFU)) {
        device->kind = KILN_DEVICE_SERIAL;
        return id != NULL && (id->role == KILN_USB_BRIDGE || device->loader[0] != '\0' ||
                              device->mode[0] != '\0');
    }
    device->kind = dfu == KILN_DFU_APP ? KILN_DEVICE_DFU_RUNTIME : KILN_DEVICE_DFU;
    copy_text(device->loader, sizeof device->loader, "dfu");
    copy_text(device->mode, sizeof device->mode,
              device->kind == KILN_DEVICE_DFU ? "bootloader" : "run-time");
    if (device->kind == KILN_DEVICE_DFU_RUNTIME)
        copy_text(device->what, sizeof device->what, "application that can enter DFU");
    else if (device->what[0] == '\0')
        copy_text(device->what, sizeof device->what, dfuse ? "DfuSe bootloader" : "DFU bootloader");
    return true;
}

static bool add_usb(struct kiln_device_list *list, struct udev_device *usb)
{
    const struct kiln_usb_id *id = NULL;
    struct kiln_device *device, found;
    uint8_t bytes[DESCRIPTORS_MAX];
    bool dfuse;
    int dfu = kiln_dfu_role(bytes, read_descriptors(usb, bytes), &dfuse);

    memset(&found, 0, sizeof found);
    describe_usb(&found, usb, &id);
    if (!classify(&found, id, is_cmsis_dap(usb, &found), dfu, dfuse))
        return true;
    if (found.kind == KILN_DEVICE_SERIAL) {
        if (has_port(list, found.path))
            return true;
        explain_no_port(&found);
    } else {
        snprintf(found.port, sizeof found.port, "/dev/bus/usb/%03u/%03u", found.bus, found.address);
        if (check_permission(&found))
            check_holder(&found);
    }
    snprintf(found.selector, sizeof found.selector, "usb:%s", found.path);
    device = kiln_device_add(list);
    if (device == NULL)
        return false;
    *device = found;
    return true;
}

/* ---- the whole ---- */

/* True if the same USB device has another serial port. */
static bool has_sibling(const struct kiln_device_list *list, const struct kiln_device *device)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct kiln_device *other = &list->items[i];

        if (other != device && other->kind == KILN_DEVICE_SERIAL &&
            strcmp(other->path, device->path) == 0)
            return true;
    }
    return false;
}

void kiln_device_name_all(struct kiln_device_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct kiln_device *device = &list->items[i];
        const char *name = strrchr(device->port, '/');

        if (device->path[0] == '\0')
            snprintf(device->id, sizeof device->id, "%.40s",
                     name != NULL ? name + 1 : device->port);
        else if (device->kind == KILN_DEVICE_SERIAL && has_sibling(list, device))
            snprintf(device->id, sizeof device->id, "%s:%u", device->path,
                     device->interface_number);
        else
            snprintf(device->id, sizeof device->id, "%s", device->path);
    }
}

static bool each(struct udev *udev, const char *subsystem, const char *type,
                 struct kiln_device_list *list,
                 bool (*add)(struct kiln_device_list *, struct udev_device *))
{
    struct udev_enumerate *all = udev_enumerate_new(udev);
    struct udev_list_entry *entry;
    bool good = all != NULL && udev_enumerate_add_match_subsystem(all, subsystem) >= 0 &&
                udev_enumerate_scan_devices(all) >= 0;

    udev_list_entry_foreach(entry, good ? udev_enumerate_get_list_entry(all) : NULL)
    {
        struct udev_device *device =
            udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));
        const char *devtype = device == NULL ? NULL : udev_device_get_devtype(device);

        if (device != NULL && (type == NULL || (devtype != NULL && strcmp(devtype, type) == 0)))
            good = good && add(list, device);
        udev_device_unref(device);
    }
    udev_enumerate_unref(all);
    return good;
}

static int by_name(const void *a, const void *b)
{
    const struct kiln_device *one = a, *two = b;

    if (one->kind != two->kind)
        return one->kind < two->kind ? -1 : 1;
    return strverscmp(one->selector, two->selector);
}

enum kiln_status kiln_device_find_all(struct kiln_ctx *ctx, struct kiln_device_list *out_list)
{
    struct udev *udev = udev_new();
    bool good;

    *out_list = (struct kiln_device_list){0};
    if (udev == NULL)
        return kiln_fail(ctx, KILN_E_IO, "the system gives no list of devices");
    good = each(udev, "tty", NULL, out_list, add_port) &&
           each(udev, "usb", "usb_device", out_list, add_usb);
    udev_unref(udev);
    if (!good) {
        kiln_device_list_free(out_list);
        return kiln_fail(ctx, KILN_E_IO, "the system gives no list of devices");
    }
    kiln_device_name_all(out_list);
    if (out_list->count > 1)
        qsort(out_list->items, out_list->count, sizeof *out_list->items, by_name);
    return KILN_OK;
}
