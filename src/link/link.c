/* SPDX-License-Identifier: MIT */
/* What callers of links use: the vtables with their shared defaults. */
#include "link/link.h"

#include <stdio.h>
#include <string.h>

static enum kiln_status cannot(struct kiln_ctx *ctx, const char *link, const char *what)
{
    return kiln_fail(ctx, KILN_E_UNSUPPORTED, "a %s link cannot %s", link, what);
}

/* ---- byte links ---- */

enum kiln_status kiln_link_read(struct kiln_byte_link *link, struct kiln_ctx *ctx, uint8_t *bytes,
                                size_t cap, size_t *out_len)
{
    *out_len = 0;
    if (cap == 0)
        return KILN_OK;
    return link->ops->read(link, ctx, bytes, cap, out_len);
}

enum kiln_status kiln_link_write(struct kiln_byte_link *link, struct kiln_ctx *ctx,
                                 const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return KILN_OK;
    return link->ops->write(link, ctx, bytes, len);
}

enum kiln_status kiln_link_drain(struct kiln_byte_link *link, struct kiln_ctx *ctx)
{
    return link->ops->drain == NULL ? KILN_OK : link->ops->drain(link, ctx);
}

enum kiln_status kiln_link_discard_input(struct kiln_byte_link *link, struct kiln_ctx *ctx)
{
    return link->ops->discard_input(link, ctx);
}

enum kiln_status kiln_link_set_baud(struct kiln_byte_link *link, struct kiln_ctx *ctx,
                                    uint32_t baud)
{
    if (link->ops->set_baud == NULL)
        return cannot(ctx, link->ops->name, "change its baud rate");
    if (baud == 0)
        return kiln_fail(ctx, KILN_E_ARG, "a baud rate of 0 cannot be set");
    return link->ops->set_baud(link, ctx, baud);
}

enum kiln_status kiln_link_set_lines(struct kiln_byte_link *link, struct kiln_ctx *ctx,
                                     unsigned mask, unsigned levels)
{
    if (link->ops->set_lines == NULL)
        return cannot(ctx, link->ops->name, "set DTR and RTS");
    return link->ops->set_lines(link, ctx, mask, levels);
}

enum kiln_status kiln_link_set_format(struct kiln_byte_link *link, struct kiln_ctx *ctx,
                                      const struct kiln_uart_format *format)
{
    if (link->ops->set_format == NULL)
        return cannot(ctx, link->ops->name, "change data bits, parity and flow control");
    return link->ops->set_format(link, ctx, format);
}

enum kiln_status kiln_link_set_break(struct kiln_byte_link *link, struct kiln_ctx *ctx, bool on)
{
    if (link->ops->set_break == NULL)
        return cannot(ctx, link->ops->name, "send a break");
    return link->ops->set_break(link, ctx, on);
}

enum kiln_status kiln_link_get_lines(struct kiln_byte_link *link, struct kiln_ctx *ctx,
                                     unsigned *out_levels)
{
    if (link->ops->get_lines == NULL)
        return cannot(ctx, link->ops->name, "tell the levels of its lines");
    return link->ops->get_lines(link, ctx, out_levels);
}

enum kiln_status kiln_link_reopen(struct kiln_byte_link *link, struct kiln_ctx *ctx)
{
    if (link->ops->reopen == NULL)
        return cannot(ctx, link->ops->name, "be opened again");
    return link->ops->reopen(link, ctx);
}

enum kiln_status kiln_link_release(struct kiln_byte_link *link, struct kiln_ctx *ctx)
{
    if (link->ops->release == NULL)
        return cannot(ctx, link->ops->name, "let go of its device");
    return link->ops->release(link, ctx);
}

int kiln_link_poll_fd(const struct kiln_byte_link *link)
{
    return link->ops->poll_fd == NULL ? -1 : link->ops->poll_fd(link);
}

unsigned kiln_link_caps(const struct kiln_byte_link *link)
{
    return link->ops->caps == NULL ? 0 : link->ops->caps(link);
}

void kiln_link_describe(const struct kiln_byte_link *link, char *text, size_t cap)
{
    if (link->ops->describe != NULL)
        link->ops->describe(link, text, cap);
    else
        snprintf(text, cap, "%s", link->ops->name);
}

void kiln_link_close(struct kiln_byte_link *link)
{
    if (link != NULL)
        link->ops->close(link);
}

enum kiln_status kiln_byte_pass_read(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                     uint8_t *bytes, size_t cap, size_t *out_len)
{
    return kiln_link_read(self->below, ctx, bytes, cap, out_len);
}

enum kiln_status kiln_byte_pass_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      const uint8_t *bytes, size_t len)
{
    return kiln_link_write(self->below, ctx, bytes, len);
}

enum kiln_status kiln_byte_pass_drain(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    return kiln_link_drain(self->below, ctx);
}

enum kiln_status kiln_byte_pass_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    return kiln_link_discard_input(self->below, ctx);
}

enum kiln_status kiln_byte_pass_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                     uint32_t baud)
{
    return kiln_link_set_baud(self->below, ctx, baud);
}

enum kiln_status kiln_byte_pass_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      unsigned mask, unsigned levels)
{
    return kiln_link_set_lines(self->below, ctx, mask, levels);
}

enum kiln_status kiln_byte_pass_reopen(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    return kiln_link_reopen(self->below, ctx);
}

enum kiln_status kiln_byte_pass_release(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    return kiln_link_release(self->below, ctx);
}

int kiln_byte_pass_poll_fd(const struct kiln_byte_link *self)
{
    return kiln_link_poll_fd(self->below);
}

unsigned kiln_byte_pass_caps(const struct kiln_byte_link *self)
{
    return kiln_link_caps(self->below);
}

void kiln_byte_pass_describe(const struct kiln_byte_link *self, char *text, size_t cap)
{
    kiln_link_describe(self->below, text, cap);
}

/* ---- USB links ---- */

enum kiln_status kiln_usb_control(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                  const struct kiln_usb_setup *setup, uint8_t *data, size_t len,
                                  size_t *out_len)
{
    size_t ignored;

    if (out_len == NULL)
        out_len = &ignored;
    *out_len = 0;
    if (len > KILN_USB_CONTROL_MAX)
        return kiln_fail(ctx, KILN_E_ARG, "a control transfer of %zu bytes is too long", len);
    return link->ops->control(link, ctx, setup, data, len, out_len);
}

enum kiln_status kiln_usb_transfer(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                   uint8_t endpoint, uint8_t *data, size_t len, size_t *out_len)
{
    size_t ignored;

    if (out_len == NULL)
        out_len = &ignored;
    *out_len = 0;
    if (link->ops->transfer == NULL)
        return cannot(ctx, link->ops->name, "do bulk transfers");
    return link->ops->transfer(link, ctx, endpoint, data, len, out_len);
}

enum kiln_status kiln_usb_claim(struct kiln_usb_link *link, struct kiln_ctx *ctx, uint8_t interface)
{
    return link->ops->claim == NULL ? KILN_OK : link->ops->claim(link, ctx, interface);
}

enum kiln_status kiln_usb_release(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                  uint8_t interface)
{
    return link->ops->release == NULL ? KILN_OK : link->ops->release(link, ctx, interface);
}

enum kiln_status kiln_usb_set_alt(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                  uint8_t interface, uint8_t alt)
{
    return link->ops->set_alt(link, ctx, interface, alt);
}

enum kiln_status kiln_usb_reset(struct kiln_usb_link *link, struct kiln_ctx *ctx)
{
    return link->ops->reset(link, ctx);
}

enum kiln_status kiln_usb_reopen(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                 const struct kiln_usb_match *match)
{
    if (link->ops->reopen == NULL)
        return cannot(ctx, link->ops->name, "be opened again");
    return link->ops->reopen(link, ctx, match);
}

bool kiln_usb_is_gone(struct kiln_usb_link *link)
{
    return link->ops->is_gone(link);
}

const struct kiln_usb_identity *kiln_usb_identity(const struct kiln_usb_link *link)
{
    return link->ops->identity(link);
}

const uint8_t *kiln_usb_config(const struct kiln_usb_link *link, size_t *out_len)
{
    return link->ops->config(link, out_len);
}

void kiln_usb_close(struct kiln_usb_link *link)
{
    if (link != NULL)
        link->ops->close(link);
}

enum kiln_status kiln_usb_pass_control(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                       const struct kiln_usb_setup *setup, uint8_t *data,
                                       size_t len, size_t *out_len)
{
    return kiln_usb_control(self->below, ctx, setup, data, len, out_len);
}

enum kiln_status kiln_usb_pass_transfer(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                        uint8_t endpoint, uint8_t *data, size_t len,
                                        size_t *out_len)
{
    return kiln_usb_transfer(self->below, ctx, endpoint, data, len, out_len);
}

enum kiln_status kiln_usb_pass_claim(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                     uint8_t interface)
{
    return kiln_usb_claim(self->below, ctx, interface);
}

enum kiln_status kiln_usb_pass_release(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                       uint8_t interface)
{
    return kiln_usb_release(self->below, ctx, interface);
}

enum kiln_status kiln_usb_pass_set_alt(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                       uint8_t interface, uint8_t alt)
{
    return kiln_usb_set_alt(self->below, ctx, interface, alt);
}

enum kiln_status kiln_usb_pass_reset(struct kiln_usb_link *self, struct kiln_ctx *ctx)
{
    return kiln_usb_reset(self->below, ctx);
}

enum kiln_status kiln_usb_pass_reopen(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                      const struct kiln_usb_match *match)
{
    return kiln_usb_reopen(self->below, ctx, match);
}

bool kiln_usb_pass_is_gone(struct kiln_usb_link *self)
{
    return kiln_usb_is_gone(self->below);
}

const struct kiln_usb_identity *kiln_usb_pass_identity(const struct kiln_usb_link *self)
{
    return kiln_usb_identity(self->below);
}

const uint8_t *kiln_usb_pass_config(const struct kiln_usb_link *self, size_t *out_len)
{
    return kiln_usb_config(self->below, out_len);
}
