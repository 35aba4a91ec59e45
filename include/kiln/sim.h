/* SPDX-License-Identifier: MIT */
/*
 * Simulated boards that other programs can talk to: a board on a pseudo-terminal, on a TCP port or behind
 * an RFC 2217 port server. (In one's own process a board is a device selector: "sim:esp32".)
 */
#ifndef KILN_SIM_H
#define KILN_SIM_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Board number `index`: its name for selectors, what it is, and whether it is a USB device (otherwise it
 * has a serial port). False after the last. Static storage. */
KILN_API bool kiln_sim_listing(size_t index, const char **out_name, const char **out_title,
                               bool *out_usb);

enum kiln_sim_face { KILN_SIM_FACE_PTY, KILN_SIM_FACE_TCP, KILN_SIM_FACE_RFC2217 };

struct kiln_sim_options {
    size_t size;       /* sizeof(struct kiln_sim_options) */
    const char *board; /* what follows "sim:": "esp32?flash=f.bin&time=real" */
    enum kiln_sim_face face;
    const char *link; /* PTY: a symbolic link to make, or NULL */
    uint16_t port;    /* TCP and RFC 2217 at 127.0.0.1; 0: a free one */
};

#define KILN_SIM_OPTIONS_INIT                   \
    {                                           \
        .size = sizeof(struct kiln_sim_options) \
    }

struct kiln_sim_server;

/*
 * Makes the board and its face. ARG (no such board, unusable knob, a USB board), BUSY (port taken), IO,
 * NOMEM. Without the knob "boot" a board on a face that has no DTR and RTS (PTY, TCP) starts in its
 * bootloader, since nothing could bring it there.
 */
KILN_API KILN_MUST_USE enum kiln_status kiln_sim_open(const struct kiln_sim_options *options,
                                                      struct kiln_sim_server **out_server,
                                                      struct kiln_error *out_error);

/* Where it is, as a device selector: "/dev/pts/5", "tcp://127.0.0.1:4000". Valid as long as the server. */
KILN_API const char *kiln_sim_place(const struct kiln_sim_server *server);

/* Lets the board live until kiln_sim_stop() is called (OK) or the knob "unplug" took it away (GONE); IO. */
KILN_API KILN_MUST_USE enum kiln_status kiln_sim_serve(struct kiln_sim_server *server,
                                                       struct kiln_error *out_error);

/* Ends kiln_sim_serve() soon. Async-signal-safe; from any thread. */
KILN_API void kiln_sim_stop(struct kiln_sim_server *server);

/* What the board saw. */
struct kiln_sim_report {
    uint64_t commands, replies;
    uint64_t bytes_in, bytes_out;
    uint64_t lost; /* bytes and frames that arrived while nobody could take them */
    uint64_t erases, programs;
    uint64_t erased_bytes, programmed_bytes;
    uint64_t resets;
};

KILN_API struct kiln_sim_report kiln_sim_report(const struct kiln_sim_server *server);

/* Takes the board away and saves its flash. Not while kiln_sim_serve() runs. NULL is fine. */
KILN_API void kiln_sim_free(struct kiln_sim_server *server);

#ifdef __cplusplus
}
#endif
#endif
