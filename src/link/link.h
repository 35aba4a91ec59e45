/* SPDX-License-Identifier: MIT */
/*
 * Seam 1: links move bytes. Two kinds with two vtables: byte links (serial port, TCP, RFC 2217, a
 * simulator's UART) and USB links (libusb, a simulator's device). Trace, record, replay, fault and
 * throttle are links with another link below; what they do not change they pass down.
 *
 * Rules for every op: `self` first, context second. An op that can wait obeys the context's deadline and
 * cancel token and returns TIMEOUT or CANCELLED with the error slot filled. GONE means that the far end
 * has left (unplugged, connection closed) and stays so until `reopen`. Ops are called from one thread at
 * a time.
 */
#ifndef KILN_LINK_LINK_H
#define KILN_LINK_LINK_H

#include "base/ctx.h"
#include "base/uart.h"

/* ---- byte links ------------------------------------------------------------------------------ */

/* Modem lines, as a mask. A set bit in `levels` means asserted, that is: the pin is driven low. */
#define KILN_LINE_DTR 1u
#define KILN_LINE_RTS 2u
/* Those that the far end drives; only get_lines tells them. */
#define KILN_LINE_CTS 4u
#define KILN_LINE_DSR 8u
#define KILN_LINE_RI  16u
#define KILN_LINE_CD  32u

/* What a byte link can do. */
#define KILN_LINK_BAUD          1u  /* set_baud changes the rate on the wire */
#define KILN_LINK_LINES         2u  /* set_lines works */
#define KILN_LINK_LINES_AT_ONCE 4u  /* ... and changes DTR and RTS in one step */
#define KILN_LINK_NETWORK       8u  /* a round trip may take long; prefer few large requests */
#define KILN_LINK_CDC           16u /* the rate is meaningless: USB CDC without a UART behind it */

struct kiln_byte_link;

struct kiln_byte_link_ops {
    const char *name; /* "serial", "tcp", "trace", ... */

    /* Reads at least 1 and at most `cap` bytes; waits for the first one only.
     * OK, TIMEOUT, CANCELLED, GONE, IO. */
    enum kiln_status (*read)(struct kiln_byte_link *self, struct kiln_ctx *ctx, uint8_t *bytes,
                             size_t cap, size_t *out_len);

    /* Hands all of `bytes` to the far end's driver; may return before they are on the wire.
     * After an error an unknown part of them was sent. OK, TIMEOUT, CANCELLED, GONE, IO. */
    enum kiln_status (*write)(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                              const uint8_t *bytes, size_t len);

    /* Waits until everything written is on the wire. */
    enum kiln_status (*drain)(struct kiln_byte_link *self, struct kiln_ctx *ctx);

    /* Drops what was received and not yet read. Waits at most for one round trip of a network link. */
    enum kiln_status (*discard_input)(struct kiln_byte_link *self, struct kiln_ctx *ctx);

    /* Changes the rate, after draining. ARG if the link cannot make this rate, UNSUPPORTED without
     * KILN_LINK_BAUD. */
    enum kiln_status (*set_baud)(struct kiln_byte_link *self, struct kiln_ctx *ctx, uint32_t baud);

    /* Sets the lines in `mask` to `levels`, in one step where the link can. UNSUPPORTED without
     * KILN_LINK_LINES. */
    enum kiln_status (*set_lines)(struct kiln_byte_link *self, struct kiln_ctx *ctx, unsigned mask,
                                  unsigned levels);

    /* How bytes are framed from now on, after draining; kept over reopen. UNSUPPORTED. */
    enum kiln_status (*set_format)(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                   const struct kiln_uart_format *format);

    /* Holds the line at the level of a start bit, or lets it go. UNSUPPORTED. */
    enum kiln_status (*set_break)(struct kiln_byte_link *self, struct kiln_ctx *ctx, bool on);

    /* All KILN_LINE_* as they are now. UNSUPPORTED. */
    enum kiln_status (*get_lines)(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                  unsigned *out_levels);

    /* Waits for the same device (by its place, not its name) to be there and opens it. A device that is
     * about to leave but has not left yet is opened too: first wait for GONE. The lines are released as
     * after open. TIMEOUT if it did not come before the deadline, UNSUPPORTED if the link cannot. */
    enum kiln_status (*reopen)(struct kiln_byte_link *self, struct kiln_ctx *ctx);

    /* Lets go of the device so that another program can open it; its place and rate are kept for reopen.
     * Until then every op but reopen and close is GONE. UNSUPPORTED if the link cannot. */
    enum kiln_status (*release)(struct kiln_byte_link *self, struct kiln_ctx *ctx);

    /* A descriptor that polls readable when bytes arrive, for callers that wait for other things too. -1
     * while bytes wait in the link itself, or if there is none: then read tells. */
    int (*poll_fd)(const struct kiln_byte_link *self);

    /* The capability bits. A layer passes down, masked by what it cannot carry. */
    unsigned (*caps)(const struct kiln_byte_link *self);

    /* A short name for messages: "/dev/ttyUSB0", "tcp://host:5555". Always NUL-terminated. */
    void (*describe)(const struct kiln_byte_link *self, char *text, size_t cap);

    /* Closes and frees this link and all below it. Never fails, never waits long. */
    void (*close)(struct kiln_byte_link *self);
};

struct kiln_byte_link {
    const struct kiln_byte_link_ops *ops;
    struct kiln_byte_link *below; /* NULL at the bottom; owned */
};

/*
 * Every op may be NULL except read, write, discard_input and close: drain then is OK at once, caps is 0,
 * describe gives the name, the rest is UNSUPPORTED.
 *
 * Pass-through ops, for layers to name in their vtable.
 */
KILN_MUST_USE enum kiln_status kiln_byte_pass_read(struct kiln_byte_link *self,
                                                   struct kiln_ctx *ctx, uint8_t *bytes, size_t cap,
                                                   size_t *out_len);
KILN_MUST_USE enum kiln_status kiln_byte_pass_write(struct kiln_byte_link *self,
                                                    struct kiln_ctx *ctx, const uint8_t *bytes,
                                                    size_t len);
KILN_MUST_USE enum kiln_status kiln_byte_pass_drain(struct kiln_byte_link *self,
                                                    struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_byte_pass_discard(struct kiln_byte_link *self,
                                                      struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_byte_pass_baud(struct kiln_byte_link *self,
                                                   struct kiln_ctx *ctx, uint32_t baud);
KILN_MUST_USE enum kiln_status kiln_byte_pass_lines(struct kiln_byte_link *self,
                                                    struct kiln_ctx *ctx, unsigned mask,
                                                    unsigned levels);
KILN_MUST_USE enum kiln_status kiln_byte_pass_reopen(struct kiln_byte_link *self,
                                                     struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_byte_pass_release(struct kiln_byte_link *self,
                                                      struct kiln_ctx *ctx);
int kiln_byte_pass_poll_fd(const struct kiln_byte_link *self);
unsigned kiln_byte_pass_caps(const struct kiln_byte_link *self);
void kiln_byte_pass_describe(const struct kiln_byte_link *self, char *text, size_t cap);

/* Callers use these, not the vtable. Reading or writing 0 bytes is OK and does nothing. */
KILN_MUST_USE enum kiln_status kiln_link_read(struct kiln_byte_link *link, struct kiln_ctx *ctx,
                                              uint8_t *bytes, size_t cap, size_t *out_len);
KILN_MUST_USE enum kiln_status kiln_link_write(struct kiln_byte_link *link, struct kiln_ctx *ctx,
                                               const uint8_t *bytes, size_t len);
KILN_MUST_USE enum kiln_status kiln_link_drain(struct kiln_byte_link *link, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_link_discard_input(struct kiln_byte_link *link,
                                                       struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_link_set_baud(struct kiln_byte_link *link, struct kiln_ctx *ctx,
                                                  uint32_t baud);
KILN_MUST_USE enum kiln_status kiln_link_set_lines(struct kiln_byte_link *link,
                                                   struct kiln_ctx *ctx, unsigned mask,
                                                   unsigned levels);
KILN_MUST_USE enum kiln_status kiln_link_set_format(struct kiln_byte_link *link,
                                                    struct kiln_ctx *ctx,
                                                    const struct kiln_uart_format *format);
KILN_MUST_USE enum kiln_status kiln_link_set_break(struct kiln_byte_link *link,
                                                   struct kiln_ctx *ctx, bool on);
KILN_MUST_USE enum kiln_status kiln_link_get_lines(struct kiln_byte_link *link,
                                                   struct kiln_ctx *ctx, unsigned *out_levels);
KILN_MUST_USE enum kiln_status kiln_link_reopen(struct kiln_byte_link *link, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_link_release(struct kiln_byte_link *link, struct kiln_ctx *ctx);
int kiln_link_poll_fd(const struct kiln_byte_link *link);
unsigned kiln_link_caps(const struct kiln_byte_link *link);
void kiln_link_describe(const struct kiln_byte_link *link, char *text, size_t cap);
void kiln_link_close(struct kiln_byte_link *link); /* NULL is fine */

/* ---- USB links ------------------------------------------------------------------------------- */

struct kiln_usb_setup {
    uint8_t request_type; /* bit 7 set: device to host */
    uint8_t request;
    uint16_t value;
    uint16_t index;
};

/* Who the device is, read when the link was opened (and again by reopen). */
struct kiln_usb_identity {
    uint16_t vid, pid, bcd_device;
    uint8_t bus, address;
    char path[32];   /* "1-1.4": bus and port numbers, stable over re-enumeration */
    char serial[64]; /* "" if there is none */
    char product[64];
    char manufacturer[64];
};

#define KILN_USB_CONFIG_MAX  4096
#define KILN_USB_CONTROL_MAX 4096

struct kiln_usb_link;

/* Which devices reopen accepts at the same place. An id of -1 is any. */
struct kiln_usb_match {
    int32_t vid, pid;
};

struct kiln_usb_link_ops {
    const char *name; /* "libusb", "sim", "trace", ... */

    /* One control transfer on endpoint 0. For device-to-host `data` takes up to `len` bytes and *out_len
     * says how many came; for host-to-device all `len` bytes are sent. `len` <= KILN_USB_CONTROL_MAX.
     * NAK: the device stalled the request (code = 0). TIMEOUT, CANCELLED, GONE, IO (babble, CRC, ...). */
    enum kiln_status (*control)(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                const struct kiln_usb_setup *setup, uint8_t *data, size_t len,
                                size_t *out_len);

    /* Bulk or interrupt transfer on `endpoint` (bit 7 = in). As control. */
    enum kiln_status (*transfer)(struct kiln_usb_link *self, struct kiln_ctx *ctx, uint8_t endpoint,
                                 uint8_t *data, size_t len, size_t *out_len);

    /* Interfaces: claim detaches a kernel driver where there is one. BUSY if another program has it. */
    enum kiln_status (*claim)(struct kiln_usb_link *self, struct kiln_ctx *ctx, uint8_t interface);
    enum kiln_status (*release)(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                uint8_t interface);
    enum kiln_status (*set_alt)(struct kiln_usb_link *self, struct kiln_ctx *ctx, uint8_t interface,
                                uint8_t alt);

    /* Bus reset. The device may come back with other ids: then GONE, and reopen finds it. */
    enum kiln_status (*reset)(struct kiln_usb_link *self, struct kiln_ctx *ctx);

    /* Closes the handle, waits until a device that matches is at the same path (with a new device
     * number if the old one has not left yet) and opens it. TIMEOUT if none came before the deadline. */
    enum kiln_status (*reopen)(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                               const struct kiln_usb_match *match);

    /* True once the device has left the bus. Never waits, never touches the device. */
    bool (*is_gone)(struct kiln_usb_link *self);

    const struct kiln_usb_identity *(*identity)(const struct kiln_usb_link *self);

    /* The raw active configuration descriptor, as the device sent it, at most KILN_USB_CONFIG_MAX. */
    const uint8_t *(*config)(const struct kiln_usb_link *self, size_t *out_len);

    void (*close)(struct kiln_usb_link *self);
};

struct kiln_usb_link {
    const struct kiln_usb_link_ops *ops;
    struct kiln_usb_link *below; /* NULL at the bottom; owned */
};

/*
 * transfer, claim, release and reopen may be NULL: claim and release then are OK, the others UNSUPPORTED.
 *
 * Pass-through ops, for layers to name in their vtable.
 */
KILN_MUST_USE enum kiln_status kiln_usb_pass_control(struct kiln_usb_link *self,
                                                     struct kiln_ctx *ctx,
                                                     const struct kiln_usb_setup *setup,
                                                     uint8_t *data, size_t len, size_t *out_len);
KILN_MUST_USE enum kiln_status kiln_usb_pass_transfer(struct kiln_usb_link *self,
                                                      struct kiln_ctx *ctx, uint8_t endpoint,
                                                      uint8_t *data, size_t len, size_t *out_len);
KILN_MUST_USE enum kiln_status kiln_usb_pass_claim(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                                   uint8_t interface);
KILN_MUST_USE enum kiln_status kiln_usb_pass_release(struct kiln_usb_link *self,
                                                     struct kiln_ctx *ctx, uint8_t interface);
KILN_MUST_USE enum kiln_status kiln_usb_pass_set_alt(struct kiln_usb_link *self,
                                                     struct kiln_ctx *ctx, uint8_t interface,
                                                     uint8_t alt);
KILN_MUST_USE enum kiln_status kiln_usb_pass_reset(struct kiln_usb_link *self,
                                                   struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_usb_pass_reopen(struct kiln_usb_link *self,
                                                    struct kiln_ctx *ctx,
                                                    const struct kiln_usb_match *match);
bool kiln_usb_pass_is_gone(struct kiln_usb_link *self);
const struct kiln_usb_identity *kiln_usb_pass_identity(const struct kiln_usb_link *self);
const uint8_t *kiln_usb_pass_config(const struct kiln_usb_link *self, size_t *out_len);

/* Callers use these, not the vtable. out_len may be NULL. */
KILN_MUST_USE enum kiln_status kiln_usb_control(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                                const struct kiln_usb_setup *setup, uint8_t *data,
                                                size_t len, size_t *out_len);
KILN_MUST_USE enum kiln_status kiln_usb_transfer(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                                 uint8_t endpoint, uint8_t *data, size_t len,
                                                 size_t *out_len);
KILN_MUST_USE enum kiln_status kiln_usb_claim(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                              uint8_t interface);
KILN_MUST_USE enum kiln_status kiln_usb_release(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                                uint8_t interface);
KILN_MUST_USE enum kiln_status kiln_usb_set_alt(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                                uint8_t interface, uint8_t alt);
KILN_MUST_USE enum kiln_status kiln_usb_reset(struct kiln_usb_link *link, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_usb_reopen(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                               const struct kiln_usb_match *match);
bool kiln_usb_is_gone(struct kiln_usb_link *link);
const struct kiln_usb_identity *kiln_usb_identity(const struct kiln_usb_link *link);
const uint8_t *kiln_usb_config(const struct kiln_usb_link *link, size_t *out_len);
void kiln_usb_close(struct kiln_usb_link *link); /* NULL is fine */

/*
 * String descriptor `index` in the first language the device offers, as ASCII; other characters become
 * '?'. Reads the raw descriptor and believes the smaller of its bLength and what arrived, since some boot
 * ROMs claim more than they send. OK with an empty text if there is none.
 */
KILN_MUST_USE enum kiln_status kiln_usb_string(struct kiln_usb_link *link, struct kiln_ctx *ctx,
                                               uint8_t index, char *text, size_t cap);

#endif
