/* SPDX-License-Identifier: MIT */
/*
 * A USB link with a simulated device at its far end, on the context's clock. It is as strict as usbfs and
 * libusb together, or stricter: what is not claimed is not used, what the configuration does not name
 * does not exist, and a handle dies with the appearance of the device that it was opened on.
 */
#include "base/bytes.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_MAX    4096
#define IN             0x80
#define RECIPIENT_MASK 0x1F
#define TYPE_MASK      0x60
#define TYPE_VENDOR    0x40
#define TO_INTERFACE   0x01
#define TO_ENDPOINT    0x02

#define DESC_INTERFACE 4
#define DESC_ENDPOINT  5

struct sim_link {
    struct kiln_usb_link base;
    struct kiln_sim_usb *board;
    bool owns;
    unsigned generation; /* of the device this handle was opened on */
    bool dead;
    uint64_t claimed; /* a bit for each interface */
    struct kiln_usb_identity identity;
    uint8_t config[KILN_USB_CONFIG_MAX];
    size_t config_len;
    struct kiln_clock *clock; /* of the last op: is_gone has no context */
};

static struct sim_link *self_of(const struct kiln_usb_link *base)
{
    return (struct sim_link *)KILN_CONTAINER(base, struct sim_link, base);
}

static bool there(struct sim_link *self)
{
    unsigned generation;
    bool present;

    self->board->ops->presence(self->board, self->clock->ops->now_ns(self->clock), &present,
                               &generation);
    if (!present || generation != self->generation)
        self->dead = true;
    return !self->dead;
}

static enum kiln_status gone(struct sim_link *self, struct kiln_ctx *ctx)
{
    self->dead = true;
    return kiln_fail(ctx, KILN_E_GONE, "the simulated device at %s has left the bus",
                     self->identity.path);
}

/* ---- what the configuration holds ---- */

/* Calls for descriptor after descriptor: the offset of the next one of `type` from `at` on, or the end. */
static size_t find_descriptor(const struct sim_link *self, size_t at, uint8_t type)
{
    while (at + 2 <= self->config_len && self->config[at] >= 2 &&
           at + self->config[at] <= self->config_len) {
        if (self->config[at + 1] == type && self->config[at] >= 7)
            return at;
        at += self->config[at];
    }
    return self->config_len;
}

static bool has_alt(const struct sim_link *self, uint8_t interface, int alt)
{
    size_t at = find_descriptor(self, 0, DESC_INTERFACE);

    for (; at < self->config_len; at = find_descriptor(self, at + self->config[at], DESC_INTERFACE))
        if (self->config[at + 2] == interface && (alt < 0 || self->config[at + 3] == alt))
            return true;
    return false;
}

/* The interface an endpoint belongs to, -1 if there is no such endpoint. */
static int interface_of(const struct sim_link *self, uint8_t endpoint)
{
    int interface = -1;

    for (size_t at = 0; at + 2 <= self->config_len && self->config[at] >= 2 &&
                        at + self->config[at] <= self->config_len;
         at += self->config[at]) {
        if (self->config[at + 1] == DESC_INTERFACE && self->config[at] >= 9)
            interface = self->config[at + 2];
        if (self->config[at + 1] == DESC_ENDPOINT && self->config[at] >= 7 &&
            self->config[at + 2] == endpoint)
            return interface;
    }
    return -1;
}

static bool is_claimed(const struct sim_link *self, int interface)
{
    return interface >= 0 && interface < 64 && (self->claimed >> interface & 1) != 0;
}

/* ---- transfers ---- */

/* Waits for the end of a transfer and says what came of it. */
static enum kiln_status finish(struct sim_link *self, struct kiln_ctx *ctx,
                               enum kiln_sim_usb_result result, uint64_t done_ns)
{
    uint64_t until = KILN_MIN(done_ns, ctx->deadline_ns);
    bool late = done_ns > ctx->deadline_ns;

    if (result == KILN_SIM_USB_SILENT || late) {
        until = ctx->deadline_ns;
        if (until == KILN_NO_DEADLINE)
            return kiln_fail(ctx, KILN_E_INTERNAL, "a USB transfer without a deadline hangs");
    }
    KILN_TRY(ctx->clock->ops->sleep_until(ctx->clock, ctx, until));
    if (result == KILN_SIM_USB_GONE || !there(self))
        return gone(self, ctx);
    if (result == KILN_SIM_USB_SILENT || late)
        return kiln_fail(ctx, KILN_E_TIMEOUT, "no answer from the simulated device in time");
    if (result == KILN_SIM_USB_STALL)
        return kiln_fail(ctx, KILN_E_NAK, "the simulated device refused the request (stall)");
    return KILN_OK;
}

static enum kiln_status not_claimed(struct kiln_ctx *ctx, int interface)
{
    return kiln_fail(ctx, KILN_E_INTERNAL, "USB interface %d is used but not claimed", interface);
}

static enum kiln_status check_recipient(const struct sim_link *self, struct kiln_ctx *ctx,
                                        const struct kiln_usb_setup *setup)
{
    uint8_t recipient = setup->request_type & RECIPIENT_MASK;
    int interface = setup->index & 0xFF;

    if ((setup->request_type & TYPE_MASK) == TYPE_VENDOR)
        return KILN_OK;
    if (recipient == TO_ENDPOINT && (setup->index & 0x7F) != 0)
        interface = interface_of(self, (uint8_t)setup->index);
    else if (recipient != TO_INTERFACE)
        return KILN_OK;
    return is_claimed(self, interface) ? KILN_OK : not_claimed(ctx, interface);
}

static enum kiln_status control(struct kiln_usb_link *base, struct kiln_ctx *ctx,
                                const struct kiln_usb_setup *setup, uint8_t *data, size_t len,
                                size_t *out_len)
{
    struct sim_link *self = self_of(base);
    enum kiln_sim_usb_result result;
    uint64_t now_ns = kiln_ctx_now_ns(ctx), done_ns = now_ns;
    size_t got = 0;
    uint8_t empty[1];

    *out_len = 0;
    self->clock = ctx->clock;
    KILN_TRY(kiln_ctx_check(ctx));
    if (!there(self))
        return gone(self, ctx);
    if (len > CONTROL_MAX)
        return kiln_fail(ctx, KILN_E_INTERNAL, "a USB control transfer of %zu bytes", len);
    KILN_TRY(check_recipient(self, ctx, setup));
    result = self->board->ops->control(self->board, now_ns, setup, len > 0 ? data : empty, len,
                                       &got, &done_ns);
    KILN_TRY(finish(self, ctx, result, done_ns));
    *out_len = got;
    return KILN_OK;
}

static enum kiln_status transfer(struct kiln_usb_link *base, struct kiln_ctx *ctx, uint8_t endpoint,
                                 uint8_t *data, size_t len, size_t *out_len)
{
    struct sim_link *self = self_of(base);
    int interface = interface_of(self, endpoint);
    uint64_t now_ns = kiln_ctx_now_ns(ctx), done_ns = now_ns;
    enum kiln_sim_usb_result result;
    size_t got = 0;

    *out_len = 0;
    self->clock = ctx->clock;
    KILN_TRY(kiln_ctx_check(ctx));
    if (!there(self))
        return gone(self, ctx);
    if (!is_claimed(self, interface))
        return not_claimed(ctx, interface);
    result = self->board->ops->transfer(self->board, now_ns, endpoint, data, len, &got, &done_ns);
    KILN_TRY(finish(self, ctx, result, done_ns));
    *out_len = got;
    return KILN_OK;
}

/* ---- the handle ---- */

static enum kiln_status claim(struct kiln_usb_link *base, struct kiln_ctx *ctx, uint8_t interface)
{
    struct sim_link *self = self_of(base);

    if (!there(self))
        return gone(self, ctx);
    if (interface >= 64 || !has_alt(self, interface, -1))
        return kiln_fail(ctx, KILN_E_ARG, "the simulated device has no interface %u", interface);
    self->claimed |= 1ull << interface;
    return KILN_OK;
}

static enum kiln_status release_interface(struct kiln_usb_link *base, struct kiln_ctx *ctx,
                                          uint8_t interface)
{
    struct sim_link *self = self_of(base);

    if (!is_claimed(self, interface))
        return not_claimed(ctx, interface);
    self->claimed &= ~(1ull << interface);
    return there(self) ? KILN_OK : gone(self, ctx);
}

static enum kiln_status set_alt(struct kiln_usb_link *base, struct kiln_ctx *ctx, uint8_t interface,
                                uint8_t alt)
{
    struct sim_link *self = self_of(base);
    const struct kiln_usb_setup setup = {TO_INTERFACE, 11, alt, interface};
    size_t got;

    if (!is_claimed(self, interface))
        return not_claimed(ctx, interface);
    if (!has_alt(self, interface, alt))
        return kiln_fail(ctx, KILN_E_ARG, "interface %u of the simulated device has no setting %u",
                         interface, alt);
    return control(base, ctx, &setup, NULL, 0, &got);
}

static enum kiln_status reset(struct kiln_usb_link *base, struct kiln_ctx *ctx)
{
    struct sim_link *self = self_of(base);

    KILN_TRY(kiln_ctx_check(ctx));
    if (!there(self))
        return gone(self, ctx);
    self->board->ops->bus_reset(self->board, kiln_ctx_now_ns(ctx));
    return there(self) ? KILN_OK : gone(self, ctx);
}

static void read_string(struct sim_link *self, uint64_t now_ns, uint8_t index, char *text,
                        size_t cap)
{
    const struct kiln_usb_setup setup = {IN, 6, (uint16_t)(0x300 | index), 0x0409};
    size_t got = 0, len = 0;
    uint64_t done_ns;
    uint8_t raw[255];

    text[0] = '\0';
    if (index == 0 || self->board->ops->control(self->board, now_ns, &setup, raw, sizeof raw, &got,
                                                &done_ns) != KILN_SIM_USB_OK)
        return;
    if (got > 0)
        got = KILN_MIN(got, (size_t)raw[0]);
    for (size_t i = 2; i + 1 < got && len + 1 < cap; i += 2)
        text[len++] = raw[i + 1] == 0 && raw[i] >= 0x20 && raw[i] < 0x7F ? (char)raw[i] : '?';
    text[len] = '\0';
}

/* Opens the device that is there now. */
static void open_handle(struct sim_link *self, uint64_t now_ns, unsigned generation)
{
    struct kiln_usb_identity *id = &self->identity;
    uint8_t d[18] = {0};

    self->board->ops->device_descriptor(self->board, d, sizeof d);
    self->config_len =
        self->board->ops->config_descriptor(self->board, self->config, sizeof self->config);
    self->generation = generation;
    self->claimed = 0;
    self->dead = false;
    memset(id, 0, sizeof *id);
    id->vid = kiln_le16(d + 8);
    id->pid = kiln_le16(d + 10);
    id->bcd_device = kiln_le16(d + 12);
    id->bus = 1;
    id->address = (uint8_t)(1 + generation % 126);
    snprintf(id->path, sizeof id->path, "1-1");
    read_string(self, now_ns, d[14], id->manufacturer, sizeof id->manufacturer);
    read_string(self, now_ns, d[15], id->product, sizeof id->product);
    read_string(self, now_ns, d[16], id->serial, sizeof id->serial);
}

static bool matches(struct sim_link *self, const struct kiln_usb_match *match)
{
    uint8_t d[18] = {0};

    self->board->ops->device_descriptor(self->board, d, sizeof d);
    return (match->vid < 0 || match->vid == kiln_le16(d + 8)) &&
           (match->pid < 0 || match->pid == kiln_le16(d + 10));
}

static enum kiln_status reopen(struct kiln_usb_link *base, struct kiln_ctx *ctx,
                               const struct kiln_usb_match *match)
{
    struct sim_link *self = self_of(base);

    for (;;) {
        uint64_t now_ns = kiln_ctx_now_ns(ctx), next_ns;
        unsigned generation;
        bool present;

        KILN_TRY(kiln_ctx_check(ctx));
        self->board->ops->presence(self->board, now_ns, &present, &generation);
        if (present && generation != self->generation && matches(self, match)) {
            open_handle(self, now_ns, generation);
            return KILN_OK;
        }
        next_ns = KILN_MIN(self->board->ops->next_event_ns(self->board), ctx->deadline_ns);
        if (next_ns == KILN_NO_DEADLINE)
            return kiln_fail(ctx, KILN_E_INTERNAL,
                             "waiting for a USB device without a deadline hangs");
        KILN_TRY(ctx->clock->ops->sleep_until(ctx->clock, ctx, KILN_MAX(next_ns, now_ns + 1)));
    }
}

static bool is_gone(struct kiln_usb_link *base)
{
    struct sim_link *self = self_of(base);

    return !there(self);
}

static const struct kiln_usb_identity *identity(const struct kiln_usb_link *base)
{
    return &self_of(base)->identity;
}

static const uint8_t *config(const struct kiln_usb_link *base, size_t *out_len)
{
    *out_len = self_of(base)->config_len;
    return self_of(base)->config;
}

static void close_link(struct kiln_usb_link *base)
{
    struct sim_link *self = self_of(base);

    if (self->owns)
        self->board->ops->free(self->board);
    free(self);
}

static const struct kiln_usb_link_ops sim_ops = {
    .name = "sim",
    .control = control,
    .transfer = transfer,
    .claim = claim,
    .release = release_interface,
    .set_alt = set_alt,
    .reset = reset,
    .reopen = reopen,
    .is_gone = is_gone,
    .identity = identity,
    .config = config,
    .close = close_link,
};

enum kiln_status kiln_sim_usb_link(struct kiln_ctx *ctx, struct kiln_sim_usb *board, bool owns,
                                   struct kiln_usb_link **out_link)
{
    struct sim_link *self = calloc(1, sizeof *self);
    unsigned generation;
    bool present;

    board->ops->presence(board, kiln_ctx_now_ns(ctx), &present, &generation);
    if (self == NULL || !present) {
        if (owns)
            board->ops->free(board);
        if (self == NULL)
            return kiln_fail(ctx, KILN_E_NOMEM, "no memory for a simulated device");
        free(self);
        return kiln_fail_hint(ctx, KILN_E_NO_DEVICE, KILN_HINT_CONNECT_DEVICE,
                              "the simulated device is not on the bus");
    }
    self->clock = ctx->clock;
    self->base.ops = &sim_ops;
    self->board = board;
    self->owns = owns;
    open_handle(self, kiln_ctx_now_ns(ctx), generation);
    *out_link = &self->base;
    return KILN_OK;
}
