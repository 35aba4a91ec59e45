/* SPDX-License-Identifier: MIT */
/*
 * Simulated boards. A board model is written from the protocol's description and shares only constants
 * with the client, never a codec. It has two faces: the wire face (a UART with DTR/RTS, or a USB device)
 * that in-process links and the PTY, TCP, RFC 2217 and umockdev fronts drive, and the knob face that
 * tests turn.
 *
 * A model is driven, it has no thread: every call says what time it is (`now_ns` on the caller's clock).
 * So the same model runs on virtual time in a test and on real time behind a PTY.
 */
#ifndef KILN_SIM_SIM_H
#define KILN_SIM_SIM_H

#include "base/ctx.h"
#include "link/link.h"

/* ---- knobs ---------------------------------------------------------------------------------- */

/* Parsed from "esp32?flash=f.bin&boot=download&time=real&drop=17". One struct for all boards; a board
 * that has no use for a knob ignores it. */
struct kiln_sim_knobs {
    char board[32];
    char
        flash_path[1024]; /* flash=FILE: loaded at start, saved at the end; "" = blank, not saved */
    uint64_t flash_size;  /* size=4MB */
    char boot[16];        /* boot=run|download: state after power-on; "" = the board's default */
    bool real_time;       /* time=real: take as long as the real board; default: virtual */
    bool secure_download; /* secure=1 */
    uint32_t baud_max;    /* baudmax=N: above it bytes are garbled (a bad cable) */
    uint32_t latency_us;  /* latency=N: extra delay of the USB-serial bridge per read and write */
    uint32_t seed;        /* seed=N: for everything random */
    /* Failures. Operations are counted from 0 in the board's own unit: flash erase and program calls. */
    int64_t power_cut_at;     /* cut=N: power is lost in the middle of flash operation N */
    int64_t drop_reply_at;    /* drop=N: the Nth reply is never sent */
    int64_t corrupt_reply_at; /* corrupt=N: one bit of the Nth reply is wrong */
    int64_t refuse_at;        /* refuse=N: the Nth command is refused with the protocol's error */
    int64_t delay_at;         /* delay=N:... the Nth reply comes delay_ms late */
    uint32_t delay_ms;        /* delayms=M */
    uint32_t
        plug_ms; /* plug=MS: a USB board is plugged in that long after somebody looked for it */
    int64_t unplug_at;     /* unplug=N: the device vanishes at the Nth command */
    int64_t bad_sector_at; /* badsector=ADDR: that sector ignores erase and program, silently */
    char lie[16];     /* lie=md5|size|op|endless|short|value: what an ESP chip's replies are like */
    char variant[32]; /* variant=NAME: board's own, e.g. "short-string", "rdp1", "rev3" */
};

#define KILN_SIM_NEVER (-1)

void kiln_sim_knobs_init(struct kiln_sim_knobs *knobs);
/* `text` is what follows "sim:". ARG with the offending word. */
KILN_MUST_USE enum kiln_status kiln_sim_knobs_parse(struct kiln_ctx *ctx, const char *text,
                                                    struct kiln_sim_knobs *knobs);

/* flash=FILE: what is in the file goes to the start of `flash`; a file that is not there yet is no error.
 * IO. */
KILN_MUST_USE enum kiln_status kiln_sim_flash_load(struct kiln_ctx *ctx,
                                                   const struct kiln_sim_knobs *knobs,
                                                   uint8_t *flash, size_t size);
/* Writes the whole array to the file; false if that failed. Called by a board's `free`. */
bool kiln_sim_flash_save(const struct kiln_sim_knobs *knobs, const uint8_t *flash, size_t size);

/* What a board saw since it was made, for the one who simulates to look at. */
struct kiln_sim_counts {
    uint64_t commands, replies;
    uint64_t bytes_in, bytes_out; /* over the wire, as the board sees it */
    uint64_t lost;                /* bytes and frames that arrived while nobody could take them */
    uint64_t erases, programs;
    uint64_t erased_bytes, programmed_bytes;
    uint64_t resets;
};

/* ---- UART boards ------------------------------------------------------------------------------ */

struct kiln_sim_uart;

struct kiln_sim_uart_ops {
    /* Bytes from the host as they are put on the wire at `now_ns` at rate `baud` (0: the face knows no
     * rate and bytes arrive unharmed). */
    void (*host_sends)(struct kiln_sim_uart *self, uint64_t now_ns, uint32_t baud,
                       const uint8_t *bytes, size_t len);
    /* Up to `cap` bytes that have arrived at the host by `now_ns`, received at rate `baud`. */
    size_t (*host_receives)(struct kiln_sim_uart *self, uint64_t now_ns, uint32_t baud,
                            uint8_t *bytes, size_t cap);
    /* When something will next happen by itself (a byte arrives, the board has done its work),
     * UINT64_MAX if nothing is under way. */
    uint64_t (*next_event_ns)(struct kiln_sim_uart *self);
    /* When a watchdog bites, UINT64_MAX if it sleeps. A host races with it: a face must not let the
     * board's clock jump there. */
    uint64_t (*watchdog_ns)(struct kiln_sim_uart *self);
    /* When the last byte handed to host_sends will have left the host. */
    uint64_t (*sent_ns)(struct kiln_sim_uart *self);
    /* The host's DTR and RTS (KILN_LINE_* levels) changed. */
    void (*lines)(struct kiln_sim_uart *self, uint64_t now_ns, unsigned levels);
    /* True once a knob unplugged the board; power_cycle plugs it in again. */
    bool (*is_gone)(struct kiln_sim_uart *self);
    /* Power off and on: the knob face's way to go on after a power cut. */
    void (*power_cycle)(struct kiln_sim_uart *self, uint64_t now_ns);
    /* The flash array, for tests to look at and prepare. */
    uint8_t *(*flash)(struct kiln_sim_uart *self, size_t *out_size);
    const struct kiln_sim_counts *(*counts)(const struct kiln_sim_uart *self);
    /* Saves the flash if the knobs name a file. */
    void (*free)(struct kiln_sim_uart *self);
};

struct kiln_sim_uart {
    const struct kiln_sim_uart_ops *ops;
};

/* ---- USB boards ------------------------------------------------------------------------------- */

enum kiln_sim_usb_result {
    KILN_SIM_USB_OK,
    KILN_SIM_USB_STALL,
    KILN_SIM_USB_SILENT,
    KILN_SIM_USB_GONE
};

struct kiln_sim_usb;

struct kiln_sim_usb_ops {
    /* One control transfer. `done_ns` is when the status stage ends (the device may take its time).
     * In: up to `len` bytes go to `data`, *out_len says how many; it may be less than asked. */
    enum kiln_sim_usb_result (*control)(struct kiln_sim_usb *self, uint64_t now_ns,
                                        const struct kiln_usb_setup *setup, uint8_t *data,
                                        size_t len, size_t *out_len, uint64_t *done_ns);
    enum kiln_sim_usb_result (*transfer)(struct kiln_sim_usb *self, uint64_t now_ns,
                                         uint8_t endpoint, uint8_t *data, size_t len,
                                         size_t *out_len, uint64_t *done_ns);
    /* Which device is on the bus now: changes after a detach or a leave. `generation` counts every
     * appearance; present = false while it is off the bus. Descriptors are the raw bytes. */
    void (*presence)(struct kiln_sim_usb *self, uint64_t now_ns, bool *out_present,
                     unsigned *out_generation);
    /* When presence will next change by itself, UINT64_MAX if not. */
    uint64_t (*next_event_ns)(struct kiln_sim_usb *self);
    size_t (*device_descriptor)(struct kiln_sim_usb *self, uint8_t *bytes, size_t cap);
    size_t (*config_descriptor)(struct kiln_sim_usb *self, uint8_t *bytes, size_t cap);
    void (*bus_reset)(struct kiln_sim_usb *self, uint64_t now_ns);
    void (*power_cycle)(struct kiln_sim_usb *self, uint64_t now_ns);
    uint8_t *(*flash)(struct kiln_sim_usb *self, size_t *out_size);
    void (*free)(struct kiln_sim_usb *self);
};

struct kiln_sim_usb {
    const struct kiln_sim_usb_ops *ops;
};

/* ---- the table of boards ----------------------------------------------------------------------- */

struct kiln_sim_board {
    const char *name;  /* "esp32", "stm32f405" */
    const char *title; /* "ESP32 with 4 MB flash on a USB-serial bridge" */
    enum kiln_status (*make_uart)(struct kiln_ctx *ctx, const struct kiln_sim_knobs *knobs,
                                  struct kiln_sim_uart **out); /* NULL for USB boards */
    enum kiln_status (*make_usb)(struct kiln_ctx *ctx, const struct kiln_sim_knobs *knobs,
                                 struct kiln_sim_usb **out); /* NULL for UART boards */
};

const struct kiln_sim_board *kiln_sim_board_at(size_t index); /* NULL after the last */
const struct kiln_sim_board *kiln_sim_board_find(const char *name);

/* ---- in-process links ---------------------------------------------------------------------------- */

/* A link with the board at its far end. Waiting is done on the context's clock. The link borrows the
 * board unless `owns`. */
KILN_MUST_USE enum kiln_status kiln_sim_byte_link(struct kiln_ctx *ctx, struct kiln_sim_uart *board,
                                                  bool owns, uint32_t baud,
                                                  struct kiln_byte_link **out_link);
KILN_MUST_USE enum kiln_status kiln_sim_usb_link(struct kiln_ctx *ctx, struct kiln_sim_usb *board,
                                                 bool owns, struct kiln_usb_link **out_link);

#endif
