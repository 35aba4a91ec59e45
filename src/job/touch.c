/* SPDX-License-Identifier: MIT */
/*
 * The 1200-baud touch: a running application on USB (Arduino cores, Klipper, MicroPython, TinyUSB) takes a host
 * that opens its serial port at 1200 baud and drops DTR for the wish to enter the bootloader. The device
 * comes back as another one at the same USB place.
 */
#include "job/open_link.h"

#include "link/open.h"
#include "os/wait.h"

#include <kiln/device.h>
#include <stdio.h>
#include <string.h>

#define TOUCH_BAUD    1200u
#define TOUCH_HOLD_MS 50
#define COMES_BACK_MS 8000 /* Klipper's scripts wait 4 s, slow hubs need more */

/* DTR up, the rate, DTR down. The device may be gone at any of these, which is what is wanted. */
static enum kiln_status touch_port(struct kiln_ctx *ctx, const char *port)
{
    struct kiln_byte_link *link = NULL;
    enum kiln_status status;

    KILN_TRY(kiln_serial_open(ctx, port, TOUCH_BAUD, &link));
    status = kiln_link_set_lines(link, ctx, KILN_LINE_DTR, KILN_LINE_DTR);
    if (status == KILN_OK)
        status = kiln_link_set_baud(link, ctx, TOUCH_BAUD);
    if (status == KILN_OK)
        status = kiln_sleep_ms(ctx, TOUCH_HOLD_MS);
    if (status == KILN_OK)
        status = kiln_link_set_lines(link, ctx, KILN_LINE_DTR, 0);
    kiln_link_close(link);
    if (status == KILN_E_CANCELLED)
        return status;
    kiln_error_clear(ctx);
    return KILN_OK;
}

static enum kiln_status find_bootloader(struct kiln_ctx *ctx, const char *place,
                                        struct kiln_opened *out)
{
    struct kiln_device_list list = {0};
    struct kiln_error error = {0};
    enum kiln_status status = kiln_device_select(place, &list, &error);

    if (status == KILN_OK &&
        (list.items[0].kind != KILN_DEVICE_DFU || list.items[0].usable == KILN_E_DENIED))
        status = KILN_E_NO_DEVICE; /* still the application, or udev has not given it to us yet */
    if (status == KILN_OK) {
        status = kiln_libusb_open(ctx, list.items[0].bus, list.items[0].address, &out->usb_link);
        snprintf(out->device, sizeof out->device, "%s", list.items[0].port);
    }
    kiln_device_list_free(&list);
    return status;
}

static enum kiln_status wait_for_bootloader(struct kiln_ctx *ctx, const struct kiln_device *device,
                                            struct kiln_opened *out)
{
    uint64_t until = kiln_ctx_now_ns(ctx) + COMES_BACK_MS * KILN_NS_PER_MS;
    char place[48];

    snprintf(place, sizeof place, "usb:%s", device->path);
    for (;;) {
        enum kiln_status status = find_bootloader(ctx, place, out);

        if (status == KILN_OK)
            return KILN_OK;
        if (kiln_ctx_now_ns(ctx) >= until)
            break;
        kiln_error_clear(ctx);
        KILN_TRY(kiln_sleep_ms(ctx, 100));
    }
    if (ctx->error.status != KILN_OK)
        return ctx->error.status;
    return kiln_fail_hint(
        ctx, KILN_E_TIMEOUT, KILN_HINT_DFU_REPLUG,
        "%s was opened at 1200 baud, but no DFU bootloader came up at USB port %s "
        "in %d s",
        device->port, device->path, COMES_BACK_MS / 1000);
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
    KILN_TRY(touch_port(ctx, device->port));
    return wait_for_bootloader(ctx, device, out);
}
