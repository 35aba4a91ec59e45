/* SPDX-License-Identifier: MIT */
/* The system's serial ports: the operations of one open port, and where a port is plugged in. */
#ifndef KILN_OS_PORT_H
#define KILN_OS_PORT_H

#include "base/ctx.h"
#include "base/uart.h"

struct kiln_port_place {
    char place[64]; /* "1-1.4:1.0": USB port and interface; "" if not USB */
    char driver[32];
    uint16_t vid, pid;
};

struct kiln_port_setup {
    uint32_t baud;
    struct kiln_uart_format format;
    bool shared; /* locks of others do not count, and none is taken */
};

struct kiln_port {
    int fd; /* -1 while closed */
    char path[128];
    struct kiln_port_place place;
    bool no_uart;                 /* set by the owner: bytes never wait for a wire */
    struct kiln_port_setup setup; /* as it is now */
    bool has_lines;
    unsigned levels;       /* KILN_LINE_*-compatible: 1 DTR, 2 RTS */
    int other_lines;       /* TIOCM_ bits that are not ours to change */
    uint64_t wire_free_ns; /* when the last byte written should have left the UART */
};

/*
 * Opens, claims and sets up a port; see kiln_serial_open() for the promises. On failure nothing is left
 * open or locked. NO_DEVICE, DENIED, BUSY, ARG, IO, CANCELLED.
 */
KILN_MUST_USE enum kiln_status kiln_port_open(struct kiln_ctx *ctx, const char *path,
                                              const struct kiln_port_setup *setup,
                                              struct kiln_port *port);
/* Gives what was written 100 ms to leave, drops the rest, closes. */
void kiln_port_close(struct kiln_port *port);

KILN_MUST_USE enum kiln_status kiln_port_read(struct kiln_port *port, struct kiln_ctx *ctx,
                                              uint8_t *bytes, size_t cap, size_t *out_len);
KILN_MUST_USE enum kiln_status kiln_port_write(struct kiln_port *port, struct kiln_ctx *ctx,
                                               const uint8_t *bytes, size_t len);
KILN_MUST_USE enum kiln_status kiln_port_drain(struct kiln_port *port, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_port_discard_input(struct kiln_port *port,
                                                       struct kiln_ctx *ctx);

/* ARG if the driver cannot make the rate within 10 %; a warning is logged above 2.5 %. */
KILN_MUST_USE enum kiln_status kiln_port_set_baud(struct kiln_port *port, struct kiln_ctx *ctx,
                                                  uint32_t baud);
/* A warning is logged if the driver does not take the whole of it. */
KILN_MUST_USE enum kiln_status kiln_port_set_format(struct kiln_port *port, struct kiln_ctx *ctx,
                                                    const struct kiln_uart_format *format);
KILN_MUST_USE enum kiln_status kiln_port_set_lines(struct kiln_port *port, struct kiln_ctx *ctx,
                                                   unsigned mask, unsigned levels);
KILN_MUST_USE enum kiln_status kiln_port_set_break(struct kiln_port *port, struct kiln_ctx *ctx,
                                                   bool on);
/* All lines as they are now, KILN_LINE_*-compatible: 1 DTR, 2 RTS, 4 CTS, 8 DSR, 16 RI, 32 CD. */
KILN_MUST_USE enum kiln_status kiln_port_get_lines(struct kiln_port *port, struct kiln_ctx *ctx,
                                                   unsigned *out_levels);

/* ---- places (port_place_linux.c) ---- */

/* The place of the tty called `name` ("ttyUSB0"). */
void kiln_port_place(const char *name, struct kiln_port_place *out_place);
void kiln_port_place_in(const char *root, const char *name, struct kiln_port_place *out_place);

/* The path of the tty at `place` now; one on another interface of the same device if there is none on
 * that one. False if there is none. */
bool kiln_port_at_place(const char *place, char *path, size_t cap);

/* ---- who stands in the way (port_claim_linux.c) ---- */

struct kiln_holder {
    int pid; /* 0 if unknown */
    char name[32];
    char unit[96];   /* the systemd service it belongs to, "" if none */
    bool of_session; /* ... of the user's own systemd */
};

/* The UUCP lock file of `path` in `folder`: true if a living process other than this one holds it. */
bool kiln_uucp_locked(const char *folder, const char *path, struct kiln_holder *out_holder);
#define KILN_UUCP_FOLDER "/run/lock"

/* Another process that has the character device open, as far as this user may see. */
bool kiln_find_holder(const char *path, struct kiln_holder *out_holder);
/* The same for the system whose root folder is `root`. */
bool kiln_find_holder_in(const char *root, const char *path, struct kiln_holder *out_holder);

/* True if a process of this name runs. */
bool kiln_process_runs(const char *name);
bool kiln_process_runs_in(const char *root, const char *name);

/* "NAME (process PID)", "NAME (process PID, UNIT)", or "another program" if nothing is known. */
void kiln_holder_text(const struct kiln_holder *holder, char *text, size_t cap);

/* Why this user may not open `path`, as the second half of a sentence, and the hint that goes with it. */
enum kiln_hint kiln_why_denied(const char *path, char *text, size_t cap);

/* Fills the error slot for a failed open of `path` with the system's `error` number. */
KILN_MUST_USE enum kiln_status kiln_port_fail_open(struct kiln_ctx *ctx, const char *path,
                                                   int error);

#endif
