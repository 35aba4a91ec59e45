/* SPDX-License-Identifier: MIT */
/*
 * A USB device through libusb. Every link has a libusb context of its own, so that links in different
 * threads share nothing. Transfers are asynchronous and without a timeout of libusb's: this link waits
 * for them on libusb's descriptors together with the cancel token, under the caller's deadline.
 */
#include "base/bytes.h"
#include "link/open.h"
#include "os/port.h"
#include "os/usb_place.h"
#include "os/wait.h"

#include <libusb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDENTIFY_MS    3000
#define REOPEN_STEP_MS 20
#define CANCEL_SECONDS \
    2 /* a kernel that does not give a cancelled transfer back in that time is broken */
#define POLL_FDS_MAX    16
#define INTERFACES_MAX  32
#define CONFIG_HEAD_LEN 9

struct libusb_link {
    struct kiln_usb_link base;
    libusb_context *usb;
    libusb_device_handle *handle; /* NULL while the device is away */
    struct kiln_usb_identity identity;
    uint8_t config[KILN_USB_CONFIG_MAX];
    size_t config_len;
    uint32_t claimed; /* one bit an interface */
    bool gone;
};

static struct libusb_link *self_of(struct kiln_usb_link *self)
{
    return KILN_CONTAINER(self, struct libusb_link, base);
}

static bool is_gone(struct kiln_usb_link *self)
{
    struct libusb_link *link = self_of(self);
    struct kiln_usb_place place;

    if (!link->gone && link->handle != NULL)
        link->gone =
            !kiln_usb_at(link->identity.path, &place) || place.address != link->identity.address;
    return link->gone || link->handle == NULL;
}

static enum kiln_status fail_gone(struct libusb_link *link, struct kiln_ctx *ctx)
{
    link->gone = true;
    return kiln_fail_hint(ctx, KILN_E_GONE, KILN_HINT_CONNECT_DEVICE,
                          "the USB device at %s is gone", link->identity.path);
}

static void node_path(uint8_t bus, uint8_t address, char node[32])
{
    snprintf(node, 32, "/dev/bus/usb/%03u/%03u", bus, address);
}

static enum kiln_status fail_busy(struct libusb_link *link, struct kiln_ctx *ctx)
{
    struct kiln_holder holder;
    char node[32], who[160];

    node_path(link->identity.bus, link->identity.address, node);
    (void)kiln_find_holder(node, &holder);
    kiln_holder_text(&holder, who, sizeof who);
    return kiln_fail_hint(ctx, KILN_E_BUSY, KILN_HINT_PORT_BUSY,
                          "the USB device at %s is in use by %s", link->identity.path, who);
}

static enum kiln_status fail_usb(struct libusb_link *link, struct kiln_ctx *ctx, const char *what,
                                 int error)
{
    if (error == LIBUSB_ERROR_NO_DEVICE || is_gone(&link->base))
        return fail_gone(link, ctx);
    if (error == LIBUSB_ERROR_PIPE)
        return kiln_fail(ctx, KILN_E_NAK, "the device refused %s", what);
    if (error == LIBUSB_ERROR_BUSY)
        return fail_busy(link, ctx);
    (void)!kiln_fail(ctx, error == LIBUSB_ERROR_NO_MEM ? KILN_E_NOMEM : KILN_E_IO, "%s failed: %s",
                     what, libusb_strerror(error));
    return kiln_fail_code(ctx, error);
}

/* ---- transfers ---- */

static void LIBUSB_CALL transfer_done(struct libusb_transfer *transfer)
{
    *(int *)transfer->user_data = 1;
}

static void handle_events(struct libusb_link *link, int *done, int seconds)
{
    struct timeval span = {.tv_sec = seconds};

    (void)libusb_handle_events_timeout_completed(link->usb, &span, done);
}

static enum kiln_status wait_for_events(struct libusb_link *link, struct kiln_ctx *ctx)
{
    const struct libusb_pollfd **list = libusb_get_pollfds(link->usb);
    struct pollfd fds[POLL_FDS_MAX + 1];
    size_t count = 0;

    if (list == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    while (count < POLL_FDS_MAX && list[count] != NULL) {
        fds[count] = (struct pollfd){.fd = list[count]->fd, .events = list[count]->events};
        count++;
    }
    libusb_free_pollfds(list);
    return kiln_wait_fds(ctx, fds, count);
}

/* Takes the transfer back from the kernel. False if that does not work: its memory must not be freed. */
static bool take_back(struct libusb_link *link, struct libusb_transfer *transfer, int *done)
{
    (void)libusb_cancel_transfer(transfer);
    for (int i = 0; !*done && i < CANCEL_SECONDS; i++)
        handle_events(link, done, 1);
    return *done != 0;
}

static enum kiln_status outcome(struct libusb_link *link, struct kiln_ctx *ctx,
                                const struct libusb_transfer *transfer, enum kiln_status waited)
{
    switch (transfer->status) {
    case LIBUSB_TRANSFER_COMPLETED:
        return KILN_OK;
    case LIBUSB_TRANSFER_STALL:
        return kiln_fail(ctx, KILN_E_NAK, "the device refused the request (stall)");
    case LIBUSB_TRANSFER_NO_DEVICE:
        return fail_gone(link, ctx);
    case LIBUSB_TRANSFER_TIMED_OUT:
        return kiln_fail(ctx, KILN_E_TIMEOUT, "no answer in time");
    case LIBUSB_TRANSFER_CANCELLED:
        if (waited != KILN_OK)
            return waited; /* the wait has said why */
        break;
    case LIBUSB_TRANSFER_OVERFLOW:
        return kiln_fail(ctx, KILN_E_IO, "the device sent more than was asked for");
    case LIBUSB_TRANSFER_ERROR:
        break;
    }
    if (is_gone(&link->base))
        return fail_gone(link, ctx);
    return kiln_fail_hint(ctx, KILN_E_IO, KILN_HINT_CHECK_CABLE, "the USB transfer failed");
}

/* Submits, waits, and frees the transfer; *out_moved counts the bytes. */
static enum kiln_status run(struct libusb_link *link, struct kiln_ctx *ctx,
                            struct libusb_transfer *transfer, int *done, size_t *out_moved)
{
    enum kiln_status waited = KILN_OK, status;
    int error = libusb_submit_transfer(transfer);

    *out_moved = 0;
    if (error != 0) {
        *done = 1;
        libusb_free_transfer(transfer);
        return fail_usb(link, ctx, "a USB transfer", error);
    }
    for (;;) {
        handle_events(link, done, 0);
        if (*done)
            break;
        waited = wait_for_events(link, ctx);
        if (waited == KILN_OK) /* a descriptor that is always ready must not outrun the deadline */
            waited = kiln_ctx_check(ctx);
        if (waited != KILN_OK)
            break;
    }
    if (!*done && !take_back(link, transfer, done)) {
        link->gone = true;
        return kiln_fail(ctx, KILN_E_IO, "the system does not give a USB transfer back");
    }
    *out_moved = (size_t)transfer->actual_length;
    status = outcome(link, ctx, transfer, waited);
    libusb_free_transfer(transfer);
    return status;
}

/* A transfer with its buffer and flag in one block, which outlives the call if the kernel keeps it. */
struct flight {
    int done;
    uint8_t bytes[];
};

static struct flight *new_flight(size_t len)
{
    return calloc(1, sizeof(struct flight) + len + 1);
}

/* Ends a flight: copies what came and frees it, unless the kernel still has it. */
static enum kiln_status land(struct flight *flight, size_t skip, uint8_t *into, size_t moved,
                             enum kiln_status status)
{
    if (status == KILN_OK && into != NULL && moved > 0)
        memcpy(into, flight->bytes + skip, moved);
    if (flight->done || status != KILN_E_IO)
        free(flight);
    return status;
}

static enum kiln_status check_open(struct libusb_link *link, struct kiln_ctx *ctx)
{
    if (link->handle == NULL || link->gone)
        return fail_gone(link, ctx);
    if (kiln_ctx_cancelled(ctx))
        return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
    return KILN_OK;
}

static enum kiln_status usb_control(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    const struct kiln_usb_setup *setup, uint8_t *data, size_t len,
                                    size_t *out_len)
{
    struct libusb_link *link = self_of(self);
    bool in = (setup->request_type & LIBUSB_ENDPOINT_IN) != 0;
    struct libusb_transfer *transfer;
    struct flight *flight;
    enum kiln_status status;

    KILN_TRY(check_open(link, ctx));
    flight = new_flight(LIBUSB_CONTROL_SETUP_SIZE + len);
    transfer = libusb_alloc_transfer(0);
    if (flight == NULL || transfer == NULL) {
        free(flight);
        libusb_free_transfer(transfer);
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    }
    libusb_fill_control_setup(flight->bytes, setup->request_type, setup->request, setup->value,
                              setup->index, (uint16_t)len);
    if (!in && len > 0)
        memcpy(flight->bytes + LIBUSB_CONTROL_SETUP_SIZE, data, len);
    libusb_fill_control_transfer(transfer, link->handle, flight->bytes, transfer_done,
                                 &flight->done, 0);
    status = run(link, ctx, transfer, &flight->done, out_len);
    return land(flight, LIBUSB_CONTROL_SETUP_SIZE, in ? data : NULL, *out_len, status);
}

/* The type of an endpoint of the raw configuration; bulk if it is not described. */
static bool is_interrupt(const struct libusb_link *link, uint8_t endpoint)
{
    for (size_t at = 0; at + 2 <= link->config_len && link->config[at] >= 2;
         at += link->config[at]) {
        const uint8_t *descriptor = link->config + at;

        if (descriptor[1] == LIBUSB_DT_ENDPOINT && descriptor[0] >= 7 &&
            at + 7 <= link->config_len && descriptor[2] == endpoint)
            return (descriptor[3] & 3) == LIBUSB_TRANSFER_TYPE_INTERRUPT;
    }
    return false;
}

static enum kiln_status usb_transfer(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                     uint8_t endpoint, uint8_t *data, size_t len, size_t *out_len)
{
    struct libusb_link *link = self_of(self);
    bool in = (endpoint & LIBUSB_ENDPOINT_IN) != 0;
    struct libusb_transfer *transfer;
    struct flight *flight;
    enum kiln_status status;

    KILN_TRY(check_open(link, ctx));
    if (len > INT32_MAX)
        return kiln_fail(ctx, KILN_E_ARG, "a USB transfer of %zu bytes is too long", len);
    flight = new_flight(len);
    transfer = libusb_alloc_transfer(0);
    if (flight == NULL || transfer == NULL) {
        free(flight);
        libusb_free_transfer(transfer);
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    }
    if (!in && len > 0)
        memcpy(flight->bytes, data, len);
    libusb_fill_bulk_transfer(transfer, link->handle, endpoint, flight->bytes, (int)len,
                              transfer_done, &flight->done, 0);
    if (is_interrupt(link, endpoint))
        transfer->type = LIBUSB_TRANSFER_TYPE_INTERRUPT;
    status = run(link, ctx, transfer, &flight->done, out_len);
    return land(flight, 0, in ? data : NULL, *out_len, status);
}

/* ---- interfaces ---- */

/* The kernel's answers for an interface that is not there differ; the descriptor's do not. */
static bool has_interface(const struct libusb_link *link, uint8_t interface)
{
    for (size_t at = 0; at + 3 <= link->config_len && link->config[at] >= 2;
         at += link->config[at]) {
        if (link->config[at + 1] == LIBUSB_DT_INTERFACE && link->config[at + 2] == interface)
            return true;
    }
    return false;
}

static enum kiln_status usb_claim(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                  uint8_t interface)
{
    struct libusb_link *link = self_of(self);
    int error;

    KILN_TRY(check_open(link, ctx));
    if (interface >= INTERFACES_MAX || !has_interface(link, interface))
        return kiln_fail(ctx, KILN_E_ARG, "the device has no interface %u", interface);
    if ((link->claimed & 1u << interface) != 0)
        return KILN_OK;
    (void)libusb_set_auto_detach_kernel_driver(link->handle, 1);
    error = libusb_claim_interface(link->handle, interface);
    if (error != 0)
        return fail_usb(link, ctx, "claiming the interface", error);
    link->claimed |= 1u << interface;
    return KILN_OK;
}

static enum kiln_status usb_release(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    uint8_t interface)
{
    struct libusb_link *link = self_of(self);
    int error;

    KILN_TRY(check_open(link, ctx));
    if (interface >= INTERFACES_MAX || (link->claimed & 1u << interface) == 0)
        return KILN_OK;
    link->claimed &= ~(1u << interface);
    error = libusb_release_interface(link->handle, interface);
    return error == 0 ? KILN_OK : fail_usb(link, ctx, "releasing the interface", error);
}

static enum kiln_status usb_set_alt(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    uint8_t interface, uint8_t alt)
{
    struct libusb_link *link = self_of(self);
    int error;

    KILN_TRY(check_open(link, ctx));
    error = libusb_set_interface_alt_setting(link->handle, interface, alt);
    if (error == LIBUSB_ERROR_NOT_FOUND && !is_gone(self))
        return kiln_fail(ctx, KILN_E_NAK, "the device has no alternate setting %u", alt);
    if (error == LIBUSB_ERROR_OTHER) /* it stalls, or the kernel has waited for it in vain */
        return kiln_fail_hint(ctx, KILN_E_NAK, KILN_HINT_DFU_REPLUG,
                              "the device does not take alternate setting %u", alt);
    return error == 0 ? KILN_OK : fail_usb(link, ctx, "choosing the alternate setting", error);
}

static enum kiln_status usb_reset(struct kiln_usb_link *self, struct kiln_ctx *ctx)
{
    struct libusb_link *link = self_of(self);
    int error;

    KILN_TRY(check_open(link, ctx));
    error = libusb_reset_device(link->handle);
    if (error == LIBUSB_ERROR_NOT_FOUND) /* it came back as another device */
        return fail_gone(link, ctx);
    return error == 0 ? KILN_OK : fail_usb(link, ctx, "the bus reset", error);
}

/* ---- who the device is ---- */

static void note_path(struct kiln_usb_identity *id, libusb_device *device)
{
    uint8_t ports[8];
    int count = libusb_get_port_numbers(device, ports, sizeof ports);
    size_t used = (size_t)snprintf(id->path, sizeof id->path, "%u", id->bus);

    for (int i = 0; i < count && used < sizeof id->path; i++)
        used += (size_t)snprintf(id->path + used, sizeof id->path - used, "%c%u",
                                 i == 0 ? '-' : '.', ports[i]);
}

/* The system has read the strings already; what it could not make sense of is read again by us. */
static enum kiln_status read_text(struct libusb_link *link, struct kiln_ctx *ctx, const char *name,
                                  uint8_t index, char *text, size_t cap)
{
    enum kiln_status status;

    kiln_usb_attribute(link->identity.path, name, text, cap);
    if (text[0] != '\0' || index == 0)
        return KILN_OK;
    status = kiln_usb_string(&link->base, ctx, index, text, cap);
    return status == KILN_E_CANCELLED || status == KILN_E_GONE ? status : KILN_OK;
}

/* The whole configuration in one piece: some boot ROMs hang when asked for a part of it by its own type. */
static enum kiln_status read_config(struct libusb_link *link, struct kiln_ctx *ctx, uint8_t index,
                                    int active, bool *out_found)
{
    struct kiln_usb_setup setup = {
        .request_type = LIBUSB_ENDPOINT_IN,
        .request = LIBUSB_REQUEST_GET_DESCRIPTOR,
        .value = (uint16_t)(LIBUSB_DT_CONFIG << 8 | index),
    };
    size_t len, got = 0;

    *out_found = false;
    KILN_TRY(kiln_usb_control(&link->base, ctx, &setup, link->config, CONFIG_HEAD_LEN, &got));
    if (got < CONFIG_HEAD_LEN || link->config[1] != LIBUSB_DT_CONFIG)
        return kiln_fail(ctx, KILN_E_PROTO, "the device sends no configuration descriptor");
    if (active > 0 && link->config[5] != active)
        return KILN_OK;
    len = KILN_MIN((size_t)kiln_le16(link->config + 2), sizeof link->config);
    len = KILN_MAX(len, (size_t)CONFIG_HEAD_LEN);
    KILN_TRY(kiln_usb_control(&link->base, ctx, &setup, link->config, len, &link->config_len));
    *out_found = true;
    return KILN_OK;
}

static enum kiln_status identify(struct libusb_link *link, struct kiln_ctx *ctx)
{
    libusb_device *device = libusb_get_device(link->handle);
    struct kiln_usb_identity *id = &link->identity;
    struct libusb_device_descriptor descriptor;
    int active = 0;
    bool found = false;

    if (libusb_get_device_descriptor(device, &descriptor) != 0)
        return kiln_fail(ctx, KILN_E_IO, "the device descriptor cannot be read");
    memset(id, 0, sizeof *id);
    id->vid = descriptor.idVendor;
    id->pid = descriptor.idProduct;
    id->bcd_device = descriptor.bcdDevice;
    id->bus = libusb_get_bus_number(device);
    id->address = libusb_get_device_address(device);
    note_path(id, device);
    (void)libusb_get_configuration(link->handle, &active);
    for (unsigned i = 0; i < descriptor.bNumConfigurations && !found; i++)
        KILN_TRY(read_config(link, ctx, (uint8_t)i, active, &found));
    if (!found)
        return kiln_fail(ctx, KILN_E_PROTO, "the device has no active configuration");
    KILN_TRY(
        read_text(link, ctx, "serial", descriptor.iSerialNumber, id->serial, sizeof id->serial));
    KILN_TRY(read_text(link, ctx, "product", descriptor.iProduct, id->product, sizeof id->product));
    return read_text(link, ctx, "manufacturer", descriptor.iManufacturer, id->manufacturer,
                     sizeof id->manufacturer);
}

/* ---- opening ---- */

static void shut(struct libusb_link *link)
{
    for (int i = 0; link->handle != NULL && i < INTERFACES_MAX; i++) {
        if ((link->claimed & 1u << i) != 0)
            (void)libusb_release_interface(link->handle, i);
    }
    if (link->handle != NULL)
        libusb_close(link->handle);
    if (link->usb != NULL)
        libusb_exit(link->usb);
    link->handle = NULL;
    link->usb = NULL;
    link->claimed = 0;
}

static enum kiln_status fail_open(struct kiln_ctx *ctx, uint8_t bus, uint8_t address, int error)
{
    char node[32], why[160];

    node_path(bus, address, node);
    if (error == LIBUSB_ERROR_ACCESS) {
        enum kiln_hint hint = kiln_why_denied(node, why, sizeof why);

        return kiln_fail_hint(ctx, KILN_E_DENIED, hint, "the USB device %s cannot be opened: %s",
                              node, why);
    }
    if (error == LIBUSB_ERROR_NO_DEVICE || error == LIBUSB_ERROR_NOT_FOUND)
        return kiln_fail_hint(ctx, KILN_E_NO_DEVICE, KILN_HINT_CONNECT_DEVICE,
                              "there is no USB device %u on bus %u", address, bus);
    (void)!kiln_fail(ctx, KILN_E_IO, "the USB device %s cannot be opened: %s", node,
                     libusb_strerror(error));
    return kiln_fail_code(ctx, error);
}

static int open_handle(struct libusb_link *link, uint8_t bus, uint8_t address)
{
    libusb_device **list = NULL;
    ssize_t count = libusb_get_device_list(link->usb, &list);
    int error = count < 0 ? (int)count : LIBUSB_ERROR_NO_DEVICE;

    for (ssize_t i = 0; i < count; i++) {
        if (libusb_get_bus_number(list[i]) != bus || libusb_get_device_address(list[i]) != address)
            continue;
        error = libusb_open(list[i], &link->handle);
        break;
    }
    if (list != NULL)
        libusb_free_device_list(list, 1);
    return error;
}

static enum kiln_status open_at(struct libusb_link *link, struct kiln_ctx *ctx, uint8_t bus,
                                uint8_t address)
{
    enum kiln_status status;
    uint64_t saved;
    int error = libusb_init(&link->usb);

    if (error != 0) {
        link->usb = NULL;
        return kiln_fail(ctx, KILN_E_IO, "libusb cannot start: %s", libusb_strerror(error));
    }
    (void)libusb_set_option(link->usb, LIBUSB_OPTION_LOG_LEVEL, LIBUSB_LOG_LEVEL_NONE);
    error = open_handle(link, bus, address);
    if (error != 0) {
        shut(link);
        return fail_open(ctx, bus, address, error);
    }
    link->gone = false;
    saved = kiln_deadline_narrow(ctx, IDENTIFY_MS);
    status = identify(link, ctx);
    kiln_deadline_restore(ctx, saved);
    if (status != KILN_OK)
        shut(link);
    return status;
}

static bool fits(const struct kiln_usb_match *match, const struct kiln_usb_place *place)
{
    return (match->vid < 0 || match->vid == place->vid) &&
           (match->pid < 0 || match->pid == place->pid);
}

/*
 * Looks at the port in the system's device tree instead of listening for hotplug events: those need a
 * running udevd, which a container has not. A new libusb context sees the device list of that moment.
 */
static enum kiln_status usb_reopen(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                   const struct kiln_usb_match *match)
{
    struct libusb_link *link = self_of(self);
    struct kiln_usb_identity before = link->identity;
    enum kiln_status status = KILN_E_NO_DEVICE;
    bool left = false;

    shut(link);
    for (;;) {
        struct kiln_usb_place place;
        bool there = kiln_usb_at(before.path, &place);

        left |= !there;
        if (there && (left || place.address != before.address) && fits(match, &place)) {
            status = open_at(link, ctx, place.bus, place.address);
            if (status == KILN_OK || status == KILN_E_CANCELLED)
                return status;
            link->identity = before;
        }
        if (kiln_deadline_passed(ctx))
            break;
        if (kiln_sleep_ms(ctx, REOPEN_STEP_MS) == KILN_E_CANCELLED)
            return KILN_E_CANCELLED;
    }
    if (status == KILN_E_DENIED) /* came back, but not for us: that is what the user must hear */
        return status;
    return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_CONNECT_DEVICE,
                          "the device did not come back at USB port %s", before.path);
}

static const struct kiln_usb_identity *usb_identity(const struct kiln_usb_link *self)
{
    return &KILN_CONTAINER(self, const struct libusb_link, base)->identity;
}

static const uint8_t *usb_config(const struct kiln_usb_link *self, size_t *out_len)
{
    const struct libusb_link *link = KILN_CONTAINER(self, const struct libusb_link, base);

    *out_len = link->config_len;
    return link->config;
}

static void usb_close(struct kiln_usb_link *self)
{
    shut(self_of(self));
    free(self_of(self));
}

static const struct kiln_usb_link_ops libusb_ops = {
    .name = "libusb",
    .control = usb_control,
    .transfer = usb_transfer,
    .claim = usb_claim,
    .release = usb_release,
    .set_alt = usb_set_alt,
    .reset = usb_reset,
    .reopen = usb_reopen,
    .is_gone = is_gone,
    .identity = usb_identity,
    .config = usb_config,
    .close = usb_close,
};

enum kiln_status kiln_libusb_open(struct kiln_ctx *ctx, uint8_t bus, uint8_t address,
                                  struct kiln_usb_link **out_link)
{
    struct libusb_link *link = calloc(1, sizeof *link);
    enum kiln_status status;

    if (link == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    link->base.ops = &libusb_ops;
    status = open_at(link, ctx, bus, address);
    if (status != KILN_OK) {
        free(link);
        return status;
    }
    *out_link = &link->base;
    return KILN_OK;
}
