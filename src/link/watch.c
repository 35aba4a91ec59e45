/* SPDX-License-Identifier: MIT */
/* Plug and unplug as udev tells it, and what differs between two lists of devices. */
#include "link/enumerate.h"

#include "os/wait.h"

#include <libudev.h>
#include <stdlib.h>
#include <string.h>

struct kiln_device_watch {
    struct udev *udev;
    struct udev_monitor *monitor;
};

static enum kiln_status open_watch(struct kiln_ctx *ctx, struct kiln_device_watch *watch)
{
    watch->udev = udev_new();
    watch->monitor =
        watch->udev == NULL ? NULL : udev_monitor_new_from_netlink(watch->udev, "udev");
    if (watch->monitor == NULL ||
        udev_monitor_filter_add_match_subsystem_devtype(watch->monitor, "tty", NULL) < 0 ||
        udev_monitor_filter_add_match_subsystem_devtype(watch->monitor, "usb", "usb_device") < 0 ||
        udev_monitor_enable_receiving(watch->monitor) < 0)
        return kiln_fail(ctx, KILN_E_IO, "the system does not tell when devices come and go");
    return KILN_OK;
}

enum kiln_status kiln_device_watch_new(struct kiln_device_watch **out_watch,
                                       struct kiln_error *out_error)
{
    struct kiln_device_watch *watch = calloc(1, sizeof *watch);
    struct kiln_ctx ctx;
    enum kiln_status status;

    kiln_ctx_init(&ctx, kiln_system_clock());
    status =
        watch == NULL ? kiln_fail(&ctx, KILN_E_NOMEM, "out of memory") : open_watch(&ctx, watch);
    if (status != KILN_OK) {
        kiln_device_watch_free(watch);
        watch = NULL;
    }
    if (out_error != NULL)
        *out_error = ctx.error;
    *out_watch = watch;
    return status;
}

int kiln_device_watch_fd(const struct kiln_device_watch *watch)
{
    return udev_monitor_get_fd(watch->monitor);
}

bool kiln_device_watch_take(struct kiln_device_watch *watch)
{
    struct udev_device *device;
    bool any = false;

    while ((device = udev_monitor_receive_device(watch->monitor)) != NULL) {
        any = true;
        udev_device_unref(device);
    }
    return any;
}

void kiln_device_watch_free(struct kiln_device_watch *watch)
{
    if (watch == NULL)
        return;
    udev_monitor_unref(watch->monitor);
    udev_unref(watch->udev);
    free(watch);
}

/* ---- two lists ---- */

/* The same face of the same board. */
static const struct kiln_device *find_face(const struct kiln_device_list *list,
                                           const struct kiln_device *device)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == device->kind && strcmp(list->items[i].id, device->id) == 0)
            return &list->items[i];
    }
    return NULL;
}

/* A device of `list` at the place of `device` whose face is not in `other`: what it turned from or into. */
static const struct kiln_device *find_turned(const struct kiln_device_list *list,
                                             const struct kiln_device_list *other,
                                             const struct kiln_device *device)
{
    for (size_t i = 0; i < list->count && device->path[0] != '\0'; i++) {
        if (strcmp(list->items[i].path, device->path) == 0 &&
            find_face(other, &list->items[i]) == NULL)
            return &list->items[i];
    }
    return NULL;
}

static bool same(const struct kiln_device *one, const struct kiln_device *two)
{
    return one->vid == two->vid && one->pid == two->pid && one->usable == two->usable &&
           strcmp(one->port, two->port) == 0 && strcmp(one->serial, two->serial) == 0 &&
           strcmp(one->title, two->title) == 0 && strcmp(one->obstacle, two->obstacle) == 0;
}

void kiln_device_list_compare(const struct kiln_device_list *before,
                              const struct kiln_device_list *after,
                              void (*each)(void *user, const struct kiln_device *before,
                                           const struct kiln_device *after),
                              void *user)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct kiln_device *old = &before->items[i];

        if (find_face(after, old) == NULL && find_turned(after, before, old) == NULL)
            each(user, old, NULL);
    }
    for (size_t i = 0; i < after->count; i++) {
        const struct kiln_device *now = &after->items[i];
        const struct kiln_device *old = find_face(before, now);

        if (old == NULL)
            each(user, find_turned(before, after, now), now);
        else if (!same(old, now))
            each(user, old, now);
    }
}
