/* SPDX-License-Identifier: MIT */
/* From a selector to an open link. */
#include "job/open_link.h"

#include "base/bytes.h"
#include "link/open.h"
#include "os/yield.h"

#include <kiln/device.h>
#include <stdio.h>
#include <string.h>

#define FIRST_BAUD 115200u /* every boot ROM listens at this rate */

static const char *after_scheme(const char *selector, const char *scheme)
{
    size_t length = strlen(scheme);

    return strncmp(selector, scheme, length) == 0 ? selector + length : NULL;
}

enum kiln_status kiln_open_uart_board(struct kiln_ctx *ctx, struct kiln_sim_uart *board, bool owns,
                                      struct kiln_opened *out)
{
    return kiln_sim_byte_link(ctx, board, owns, FIRST_BAUD, &out->byte_link);
}

static enum kiln_status open_simulated(struct kiln_ctx *ctx, const char *text,
                                       struct kiln_opened *out)
{
    struct kiln_sim_knobs knobs;
    const struct kiln_sim_board *board;
    struct kiln_sim_uart *uart;
    struct kiln_sim_usb *usb;

    KILN_TRY(kiln_sim_knobs_parse(ctx, text, &knobs));
    board = kiln_sim_board_find(knobs.board);
    if (board == NULL)
        return kiln_fail(ctx, KILN_E_NO_DEVICE, "there is no simulated board '%s'", knobs.board);
    if (!knobs.real_time) {
        kiln_virtual_clock_init(out->virtual_clock);
        ctx->clock = &out->virtual_clock->base;
    }
    if (board->make_uart != NULL) {
        KILN_TRY(board->make_uart(ctx, &knobs, &uart));
        return kiln_open_uart_board(ctx, uart, true, out);
    }
    KILN_TRY(board->make_usb(ctx, &knobs, &usb));
    return kiln_sim_usb_link(ctx, usb, true, &out->usb_link);
}

bool kiln_open_may_settle(enum kiln_status status)
{
    return status == KILN_E_DENIED || status == KILN_E_IO || status == KILN_E_GONE ||
           status == KILN_E_NO_DEVICE;
}

static enum kiln_status fail_like(struct kiln_ctx *ctx, const struct kiln_error *error)
{
    ctx->error = *error;
    return error->status;
}

/* Waits for a device to appear. */
static enum kiln_status select_device(struct kiln_ctx *ctx, const char *selector, uint32_t wait_ms,
                                      struct kiln_device_list *out_list)
{
    struct kiln_error error = {0};
    uint64_t until = kiln_ctx_now_ns(ctx) + (uint64_t)wait_ms * KILN_NS_PER_MS;

    for (;;) {
        enum kiln_status status = kiln_device_select(selector, out_list, &error);

        if (status != KILN_E_NO_DEVICE || kiln_ctx_now_ns(ctx) >= until)
            return status == KILN_OK ? KILN_OK : fail_like(ctx, &error);
        KILN_TRY(kiln_sleep_ms(ctx, 100));
    }
}

static enum kiln_status refuse_to_touch(struct kiln_ctx *ctx, const struct kiln_device *device)
{
    return kiln_fail_hint(ctx, KILN_E_REFUSED, KILN_HINT_TOUCH,
                          "%s runs its application (%s), which is stopped unasked only to flash a "
                          "file that may be for it",
                          device->port, device->what);
}

static enum kiln_status open_local(struct kiln_ctx *ctx, const struct kiln_device *device,
                                   enum kiln_touch touch, struct kiln_opened *out)
{
    snprintf(out->device, sizeof out->device, "%s",
             device->port[0] != '\0' ? device->port : device->selector);
    if (touch == KILN_TOUCH_ASKED || (touch == KILN_TOUCH_KNOWN && device->touch))
        return kiln_open_touched(ctx, device, out);
    if (touch == KILN_TOUCH_REFUSE && device->touch)
        return refuse_to_touch(ctx, device);
    if (device->kind == KILN_DEVICE_SERIAL) {
        KILN_TRY(kiln_yield_ask(ctx, device->port, &out->yielded));
        return kiln_serial_open(ctx, device->port, FIRST_BAUD, &out->byte_link);
    }
    if (device->kind == KILN_DEVICE_DFU || device->kind == KILN_DEVICE_DFU_RUNTIME)
        return kiln_libusb_open(ctx, device->bus, device->address, &out->usb_link);
    return kiln_fail(ctx, KILN_E_UNSUPPORTED, "no loader talks to %s (%s)", device->title,
                     kiln_device_kind_name(device->kind));
}

static enum kiln_status select_and_open(struct kiln_ctx *ctx, const struct kiln_opening *opening,
                                        struct kiln_opened *out)
{
    struct kiln_device_list list = {0};
    enum kiln_status status;

    KILN_TRY(select_device(ctx, opening->selector, opening->wait_ms, &list));
    if (list.count > 1)
        status = kiln_fail_hint(ctx, KILN_E_AMBIGUOUS, KILN_HINT_CHOOSE_DEVICE,
                                "'%s' means %zu devices", opening->selector, list.count);
    else
        status = open_local(ctx, &list.items[0], opening->touch, out);
    kiln_device_list_free(&list);
    return status;
}

/* Who waits for a device meets it before the system has made its node and given it to its owner. */
static enum kiln_status open_selected(struct kiln_ctx *ctx, const struct kiln_opening *opening,
                                      struct kiln_opened *out)
{
    uint64_t wait_ms = KILN_MIN(opening->wait_ms, KILN_OPEN_SETTLE_MS);
    uint64_t until = 0;

    for (;;) {
        enum kiln_status status = select_and_open(ctx, opening, out);

        if (!kiln_open_may_settle(status))
            return status;
        if (until == 0)
            until = kiln_ctx_now_ns(ctx) + wait_ms * KILN_NS_PER_MS;
        if (kiln_ctx_now_ns(ctx) >= until)
            return status;
        kiln_error_clear(ctx);
        KILN_TRY(kiln_sleep_ms(ctx, 100));
    }
}

enum kiln_status kiln_open_selector(struct kiln_ctx *ctx, const struct kiln_opening *opening,
                                    struct kiln_opened *out)
{
    const char *selector = opening->selector, *rest = after_scheme(selector, "sim:");
    bool url = strstr(selector, "://") != NULL;

    snprintf(out->device, sizeof out->device, "%s", selector);
    if (opening->touch == KILN_TOUCH_ASKED && (rest != NULL || url))
        return kiln_fail(ctx, KILN_E_ARG, "a touch at 1200 baud needs a serial port on USB");
    if (rest != NULL)
        return open_simulated(ctx, rest, out);
    if (url)
        return kiln_network_open(ctx, selector, FIRST_BAUD, &out->byte_link);
    return open_selected(ctx, opening, out);
}
