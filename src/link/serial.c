/* SPDX-License-Identifier: MIT */
/* The serial port as a byte link. */
#include "base/bytes.h"
#include "chip/usb_ids.h"
#include "link/open.h"
#include "os/port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REOPEN_STEP_MS 50

struct serial_link {
    struct kiln_byte_link base;
    struct kiln_port port;
    char given[128]; /* the path the user gave; a /dev/serial/by-id name outlives a number */
};

static struct kiln_port *port_of(struct kiln_byte_link *self)
{
    return &KILN_CONTAINER(self, struct serial_link, base)->port;
}

static enum kiln_status serial_read(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                    uint8_t *bytes, size_t cap, size_t *out_len)
{
    return kiln_port_read(port_of(self), ctx, bytes, cap, out_len);
}

static enum kiln_status serial_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                     const uint8_t *bytes, size_t len)
{
    return kiln_port_write(port_of(self), ctx, bytes, len);
}

static enum kiln_status serial_drain(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    return kiln_port_drain(port_of(self), ctx);
}

static enum kiln_status serial_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    return kiln_port_discard_input(port_of(self), ctx);
}

static enum kiln_status serial_set_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                        uint32_t baud)
{
    return kiln_port_set_baud(port_of(self), ctx, baud);
}

static enum kiln_status serial_set_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                         unsigned mask, unsigned levels)
{
    return kiln_port_set_lines(port_of(self), ctx, mask, levels);
}

static enum kiln_status serial_set_format(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                          const struct kiln_uart_format *format)
{
    return kiln_port_set_format(port_of(self), ctx, format);
}

static enum kiln_status serial_set_break(struct kiln_byte_link *self, struct kiln_ctx *ctx, bool on)
{
    return kiln_port_set_break(port_of(self), ctx, on);
}

static enum kiln_status serial_get_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                         unsigned *out_levels)
{
    return kiln_port_get_lines(port_of(self), ctx, out_levels);
}

/* A port that has just appeared may not have its owner yet, or be probed by another program. */
static bool worth_another_try(enum kiln_status status)
{
    return status == KILN_E_NO_DEVICE || status == KILN_E_DENIED || status == KILN_E_BUSY ||
           status == KILN_E_GONE || status == KILN_E_IO;
}

/* A CDC-ACM port is a plain pipe unless it belongs to a known bridge with that driver. */
static bool lacks_uart(const struct kiln_port *port)
{
    const struct kiln_usb_id *id = kiln_usb_id_find(port->place.vid, port->place.pid);

    return strcmp(port->place.driver, "cdc_acm") == 0 &&
           (id == NULL || id->role != KILN_USB_BRIDGE);
}

static enum kiln_status serial_reopen(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct serial_link *link = KILN_CONTAINER(self, struct serial_link, base);
    struct kiln_port before = link->port;
    enum kiln_status status;
    char path[128];

    kiln_port_close(&link->port);
    before.fd = -1;
    for (;;) {
        snprintf(path, sizeof path, "%s", link->given);
        status = KILN_E_NO_DEVICE;
        if (before.place.place[0] == '\0' ||
            kiln_port_at_place(before.place.place, path, sizeof path))
            status = kiln_port_open(ctx, path, &before.setup, &link->port);
        if (status == KILN_OK || !worth_another_try(status))
            break;
        if (kiln_ctx_cancelled(ctx))
            status = kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
        else if (kiln_deadline_passed(ctx) && status == KILN_E_NO_DEVICE)
            status = kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_CONNECT_DEVICE,
                                    "%s did not come back", before.path);
        else if (!kiln_deadline_passed(ctx)) {
            (void)!kiln_sleep_ms(ctx, REOPEN_STEP_MS);
            continue;
        }
        break;
    }
    if (status != KILN_OK)
        link->port = before; /* place and rate are kept for the next attempt */
    link->port.no_uart = lacks_uart(&link->port);
    return status;
}

static enum kiln_status serial_release(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    (void)ctx;
    kiln_port_close(port_of(self));
    return KILN_OK;
}

static int serial_poll_fd(const struct kiln_byte_link *self)
{
    return KILN_CONTAINER(self, const struct serial_link, base)->port.fd;
}

static unsigned serial_caps(const struct kiln_byte_link *self)
{
    const struct kiln_port *port = &KILN_CONTAINER(self, const struct serial_link, base)->port;
    unsigned caps = KILN_LINK_BAUD;

    if (port->has_lines)
        caps |= KILN_LINK_LINES | KILN_LINK_LINES_AT_ONCE;
    if (port->no_uart)
        caps |= KILN_LINK_CDC;
    return caps;
}

static void serial_describe(const struct kiln_byte_link *self, char *text, size_t cap)
{
    snprintf(text, cap, "%s", KILN_CONTAINER(self, const struct serial_link, base)->port.path);
}

static void serial_close(struct kiln_byte_link *self)
{
    kiln_port_close(port_of(self));
    free(KILN_CONTAINER(self, struct serial_link, base));
}

static const struct kiln_byte_link_ops serial_ops = {
    .name = "serial",
    .read = serial_read,
    .write = serial_write,
    .drain = serial_drain,
    .discard_input = serial_discard,
    .set_baud = serial_set_baud,
    .set_lines = serial_set_lines,
    .set_format = serial_set_format,
    .set_break = serial_set_break,
    .get_lines = serial_get_lines,
    .reopen = serial_reopen,
    .release = serial_release,
    .poll_fd = serial_poll_fd,
    .caps = serial_caps,
    .describe = serial_describe,
    .close = serial_close,
};

static enum kiln_status open_link(struct kiln_ctx *ctx, const char *path,
                                  const struct kiln_port_setup *setup,
                                  struct kiln_byte_link **out_link)
{
    struct serial_link *link = calloc(1, sizeof *link);
    enum kiln_status status;

    if (link == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    link->base.ops = &serial_ops;
    status = kiln_port_open(ctx, path, setup, &link->port);
    if (status != KILN_OK) {
        free(link);
        return status;
    }
    snprintf(link->given, sizeof link->given, "%s", path);
    link->port.no_uart = lacks_uart(&link->port);
    *out_link = &link->base;
    return KILN_OK;
}

enum kiln_status kiln_serial_open(struct kiln_ctx *ctx, const char *path, uint32_t baud,
                                  struct kiln_byte_link **out_link)
{
    const struct kiln_port_setup setup = {.baud = baud, .format = KILN_UART_8N1};

    return open_link(ctx, path, &setup, out_link);
}

enum kiln_status kiln_serial_open_shared(struct kiln_ctx *ctx, const char *path, uint32_t baud,
                                         struct kiln_byte_link **out_link)
{
    const struct kiln_port_setup setup = {.baud = baud, .format = KILN_UART_8N1, .shared = true};

    return open_link(ctx, path, &setup, out_link);
}
