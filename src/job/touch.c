/* SPDX-License-Identifier: MIT */
/*
 * The 1200-baud touch: a running application on USB (Arduino cores, Klipper, MicroPython, TinyUSB) takes a host
 * that opens its serial port at 1200 baud and drops DTR for the wish to enter the bootloader. The device
 * comes back as another one at the same USB place.
 */
#include "job/open_link.h"

#include "link/open.h"
#include "os/usb_place.h"
#include "os/wait.h"
#include "os/yield.h"

#include <kiln/device.h>
#include <stdio.h>
#include <string.h>

#define TOUCH_BAUD    1200u
#define TOUCH_HOLD_MS 50
#define COMES_BACK_MS 8000 /* Klipper's scripts wait 4 s, slow hubs need more */
#define LOOK_MS       100
#define STRANGE_MS    1500
#define FIRST_BAUD    115200u
#define BOTH          (KILN_LINE_DTR | KILN_LINE_RTS)

/* Both lines up, the rate, both down: Arduino and Klipper look at DTR, MicroPython at both. The device may be gone at any of these, which is what is wanted. */
static enum kiln_status touch_port(struct kiln_ctx *ctx, const char *port)
{
    struct kiln_byte_link *link = NULL;
    enum kiln_status status;

    KILN_TRY(kiln_serial_open(ctx, port, TOUCH_BAUD, &link));
    status = kiln_link_set_lines(link, ctx, BOTH, BOTH);
    if (status == KILN_OK)
        status = kiln_link_set_baud(link, ctx, TOUCH_BAUD);
    if (status == KILN_OK)
        status = kiln_sleep_ms(ctx, TOUCH_HOLD_MS);
    if (status == KILN_OK)
        status = kiln_link_set_lines(link, ctx, BOTH, 0);
    kiln_link_close(link);
    if (status == KILN_E_CANCELLED)
        return status;
    kiln_error_clear(ctx);
    return KILN_OK;
}

/* What is at the place now. */
enum found {
    FOUND_NOTHING,
    FOUND_APPLICATION, /* still, or again */
    FOUND_BOOTLOADER,
    FOUND_DENIED, /* a bootloader that udev has not given to us, or not yet */
    FOUND_OTHER   /* a bootloader that no loader here talks to */
};

static enum found look_at(const struct kiln_device *before, const struct kiln_device *now)
{
    bool serial = now->kind == KILN_DEVICE_SERIAL;

    if (now->vid == before->vid && now->pid == before->pid && serial)
        return FOUND_APPLICATION;
    if (!serial && now->kind != KILN_DEVICE_DFU)
        return FOUND_NOTHING;
    if (now->usable == KILN_E_DENIED)
        return FOUND_DENIED;
    return now->loader[0] != '\0' && !now->touch ? FOUND_BOOTLOADER : FOUND_OTHER;
}

/* *out_now is what to open or to name. */
static enum found look(const struct kiln_device *before, struct kiln_device *out_now)
{
    struct kiln_device_list list = {0};
    struct kiln_usb_place usb;
    enum found found = FOUND_NOTHING;
    char place[48];

    *out_now = (struct kiln_device){.kind = KILN_DEVICE_SERIAL};
    snprintf(place, sizeof place, "usb:%s", before->path);
    if (kiln_device_select(place, &list, NULL) == KILN_OK) {
        *out_now = list.items[0];
        found = look_at(before, out_now);
    } else if (kiln_usb_at(before->path, &usb)) {
        out_now->vid = usb.vid;
        out_now->pid = usb.pid;
        kiln_usb_attribute(before->path, "product", out_now->title, sizeof out_now->title);
        found = usb.vid == before->vid && usb.pid == before->pid ? FOUND_APPLICATION : FOUND_OTHER;
    }
    kiln_device_list_free(&list);
    return found;
}

static enum kiln_status open_found(struct kiln_ctx *ctx, const struct kiln_device *now,
                                   struct kiln_opened *out)
{
    snprintf(out->device, sizeof out->device, "%s", now->port);
    if (now->kind == KILN_DEVICE_DFU)
        return kiln_libusb_open(ctx, now->bus, now->address, &out->usb_link);
    return kiln_serial_open(ctx, now->port, FIRST_BAUD, &out->byte_link);
}

static enum kiln_status fail_found(struct kiln_ctx *ctx, const struct kiln_device *before,
                                   const struct kiln_device *now, enum found found)
{
    if (found == FOUND_OTHER)
        return kiln_fail_hint(ctx, KILN_E_UNSUPPORTED, KILN_HINT_TOUCH_OTHER,
                              "%s was opened at 1200 baud, and what came up at USB port %s is %s "
                              "(%04x:%04x%s%s), which no loader of Kiln talks to",
                              before->port, before->path,
                              now->what[0] != '\0' ? now->what : now->title,
                              (unsigned)now->vid & 0xFFFF, (unsigned)now->pid & 0xFFFF,
                              now->port[0] != '\0' ? " at " : "", now->port);
    if (found == FOUND_DENIED)
        return kiln_fail_hint(ctx, KILN_E_DENIED, KILN_HINT_PERMISSION,
                              "%s was opened at 1200 baud and %s came up at USB port %s, but %s",
                              before->port, now->title, before->path, now->obstacle);
    if (found == FOUND_APPLICATION)
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_TOUCH_DEAF,
                              "%s was opened at 1200 baud, but the application runs on and no "
                              "bootloader came up at USB port %s in %d s",
                              before->port, before->path, COMES_BACK_MS / 1000);
    return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_DFU_REPLUG,
                          "%s was opened at 1200 baud, but no bootloader came up at USB port %s "
                          "in %d s",
                          before->port, before->path, COMES_BACK_MS / 1000);
}

static void tell(const struct kiln_device *before, const struct kiln_device *now,
                 struct kiln_opened *out)
{
    snprintf(out->note, sizeof out->note,
             "%s (%s) was opened at 1200 baud; its bootloader %s came up at USB port %s",
             before->port, before->what, now->title, before->path);
}

static enum kiln_status wait_for_bootloader(struct kiln_ctx *ctx, const struct kiln_device *before,
                                            struct kiln_opened *out)
{
    uint64_t from = kiln_ctx_now_ns(ctx), until = from + COMES_BACK_MS * KILN_NS_PER_MS;
    unsigned strange = 0;
    struct kiln_device now;
    enum kiln_status status;

    for (;;) {
        enum found found = look(before, &now);

        if (found == FOUND_BOOTLOADER) {
            status = open_found(ctx, &now, out);
            if (status == KILN_OK)
                tell(before, &now, out);
            if (!kiln_open_may_settle(status) || kiln_ctx_now_ns(ctx) >= until)
                return status;
            kiln_error_clear(ctx);
        }
        /* Ids are there before the port or the interface is: once is not enough. */
        strange = found == FOUND_OTHER ? strange + 1 : 0;
        if (strange * LOOK_MS >= STRANGE_MS || kiln_ctx_now_ns(ctx) >= until)
            return fail_found(ctx, before, &now, found);
        KILN_TRY(kiln_sleep_ms(ctx, LOOK_MS));
    }
}

enum kiln_status kiln_open_touched(struct kiln_ctx *ctx, const struct kiln_device *device,
                                   struct kiln_opened *out)
{
    if (device->kind == KILN_DEVICE_DFU)
        return kiln_libusb_open(ctx, device->bus, device->address, &out->usb_link);
    if (device->kind != KILN_DEVICE_SERIAL || device->path[0] == '\0')
        return kiln_fail(ctx, KILN_E_ARG,
                         "%s is no serial port of a USB device: a touch at 1200 baud means nothing "
                         "to it",
                         device->selector);
    kiln_log(ctx, KILN_LOG_INFO, "open", "%s: touch at 1200 baud", device->port);
    KILN_TRY(kiln_yield_ask(ctx, device->port, &out->yielded));
    KILN_TRY(touch_port(ctx, device->port));
    return wait_for_bootloader(ctx, device, out);
}
