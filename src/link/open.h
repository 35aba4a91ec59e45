/* SPDX-License-Identifier: MIT */
/* Constructors of the links. Each takes ownership of what is below it, also when it fails. */
#ifndef KILN_LINK_OPEN_H
#define KILN_LINK_OPEN_H

#include "link/link.h"

/*
 * A serial port: exclusive (flock, then TIOCEXCL, UUCP lock files honoured), raw, 8N1, no hang-up on
 * close, DTR and RTS both released in one step. NO_DEVICE, DENIED, BUSY, IO, each with a message that
 * says who or what stands in the way as far as it can be known without privileges.
 */
KILN_MUST_USE enum kiln_status kiln_serial_open(struct kiln_ctx *ctx, const char *path,
                                                uint32_t baud, struct kiln_byte_link **out_link);

/* The same without locks, beside other programs that may take bytes away. */
KILN_MUST_USE enum kiln_status kiln_serial_open_shared(struct kiln_ctx *ctx, const char *path,
                                                       uint32_t baud,
                                                       struct kiln_byte_link **out_link);

/* "host:port" of a raw TCP byte stream. */
KILN_MUST_USE enum kiln_status kiln_tcp_open(struct kiln_ctx *ctx, const char *host_port,
                                             struct kiln_byte_link **out_link);

/* "host:port[?ign_set_control]" of an RFC 2217 server. */
KILN_MUST_USE enum kiln_status kiln_rfc2217_open(struct kiln_ctx *ctx, const char *host_port,
                                                 uint32_t baud, struct kiln_byte_link **out_link);

/* A link for "tcp://...", "socket://..." or "rfc2217://..."; ARG for anything else. */
KILN_MUST_USE enum kiln_status kiln_network_open(struct kiln_ctx *ctx, const char *url,
                                                 uint32_t baud, struct kiln_byte_link **out_link);

/* A USB device through libusb, by identity as kiln_usb_find() gave it. The link owns its own libusb
 * context. */
KILN_MUST_USE enum kiln_status kiln_libusb_open(struct kiln_ctx *ctx, uint8_t bus, uint8_t address,
                                                struct kiln_usb_link **out_link);

/* ---- layers ---- */

struct kiln_trace; /* an open trace file that several layers of one job may write to */

/* The format is documented in docs/trace.md and can be replayed. IO if the file cannot be made. */
KILN_MUST_USE enum kiln_status kiln_trace_create(struct kiln_ctx *ctx, const char *path,
                                                 struct kiln_trace **out_trace);
void kiln_trace_close(struct kiln_trace *trace); /* NULL is fine */

KILN_MUST_USE enum kiln_status kiln_trace_byte_layer(struct kiln_ctx *ctx, struct kiln_trace *trace,
                                                     struct kiln_byte_link *below,
                                                     struct kiln_byte_link **out_link);
KILN_MUST_USE enum kiln_status kiln_trace_usb_layer(struct kiln_ctx *ctx, struct kiln_trace *trace,
                                                    struct kiln_usb_link *below,
                                                    struct kiln_usb_link **out_link);

/* Plays the far end of a recorded trace: answers as recorded, fails with VERIFY (and the line number in
 * the message) when the client does something else than was recorded. */
KILN_MUST_USE enum kiln_status kiln_replay_byte_open(struct kiln_ctx *ctx, const char *path,
                                                     struct kiln_byte_link **out_link);
KILN_MUST_USE enum kiln_status kiln_replay_usb_open(struct kiln_ctx *ctx, const char *path,
                                                    struct kiln_usb_link **out_link);

/*
 * What a fault layer does at operation `at` (counted from 0 over read, write, set_baud, set_lines,
 * control, transfer). The sweep runs a scenario once for every operation and kind. An operation that
 * carries no data has none to corrupt or drop: `happened` then stays false.
 */
enum kiln_fault_kind {
    KILN_FAULT_NONE,
    KILN_FAULT_FAIL,   /* the op fails with IO once */
    KILN_FAULT_GONE,   /* the op and all later ones fail with GONE */
    KILN_FAULT_SILENT, /* nothing is delivered from then on: reads and USB transfers time out (at the
                           deadline, at once if there is none), writes vanish */
    KILN_FAULT_CORRUPT, /* one bit of the data is flipped once */
    KILN_FAULT_DROP,    /* one byte of the data is lost once (USB: the transfer is short) */
    KILN_FAULT_CANCEL   /* the context's cancel token fires before the op */
};

struct kiln_fault {
    enum kiln_fault_kind kind;
    uint64_t at;
    uint64_t count; /* out: operations seen so far */
    bool happened;  /* out */
};

/* `fault` is borrowed and must outlive the link. */
KILN_MUST_USE enum kiln_status kiln_fault_byte_layer(struct kiln_ctx *ctx, struct kiln_fault *fault,
                                                     struct kiln_byte_link *below,
                                                     struct kiln_byte_link **out_link);
KILN_MUST_USE enum kiln_status kiln_fault_usb_layer(struct kiln_ctx *ctx, struct kiln_fault *fault,
                                                    struct kiln_usb_link *below,
                                                    struct kiln_usb_link **out_link);

/* Delays so that the link is no faster than `baud` (10 bits a byte) and each operation costs at least
 * `latency_us`; on the context's clock. */
KILN_MUST_USE enum kiln_status kiln_throttle_byte_layer(struct kiln_ctx *ctx, uint32_t baud,
                                                        uint32_t latency_us,
                                                        struct kiln_byte_link *below,
                                                        struct kiln_byte_link **out_link);

#endif
