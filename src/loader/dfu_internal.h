/* SPDX-License-Identifier: MIT */
/* What the files of the DFU loader share. Nothing here is seen outside dfu_*.c. */
#ifndef KILN_LOADER_DFU_INTERNAL_H
#define KILN_LOADER_DFU_INTERNAL_H

#include "chip/dfu_quirks.h"
#include "loader/loader.h"
#include "wire/dfu.h"
#include "wire/dfuse_layout.h"

#define DFU_CONTROL_MS    5000  /* one control transfer that does not wait for flash */
#define DFU_DATA_MS       10000 /* a block of data, until it is in flash */
#define DFU_IDLE_MS       40000 /* until work that another program left behind has ended */
#define DFU_STUCK_MS      10000 /* busy that long without being asked to: try CLRSTATUS */
#define DFU_MASS_ERASE_MS 35000 /* a started MiB of flash; F4 datasheets: 16 s max x32, 32 s x8 */
#define DFU_MANIFEST_MS   60000
#define DFU_LEAVE_MS      3000  /* until a device that was told to leave is off the bus */
#define DFU_DETACH_MS     5000  /* until a device that detaches by itself has done so */
#define DFU_RETURN_MS     15000 /* until it is back in DFU mode */

#define DFU_TRANSFER_MAX  4096 /* usbfs takes no larger control transfer */
#define DFU_STATE_UNKNOWN 0xff

#define DFU_TEXT_MAX 128

/* Where the device's address pointer stands, so that adjoining reads or writes need not set it again. */
enum dfu_run { DFU_RUN_NONE, DFU_RUN_READ, DFU_RUN_WRITE };

struct kiln_dfu {
    struct kiln_loader base;
    struct kiln_usb_link *link;
    struct kiln_dfu_alt alts[KILN_DFU_ALT_MAX]; /* of `interface` only */
    size_t alt_count;
    struct kiln_dfu_function function;
    const struct kiln_dfu_quirk *quirk; /* NULL: none */
    unsigned quirks;
    enum kiln_after after;
    uint64_t start_address;   /* where leaving starts the application, UINT64_MAX: as usual */
    int32_t wanted_interface; /* -1: any */
    uint8_t interface;
    int alt;       /* selected now, -1: not known */
    uint8_t state; /* as last heard, DFU_STATE_UNKNOWN */
    size_t block;  /* bytes a transfer */
    uint8_t last_read[DFU_TRANSFER_MAX];
    size_t last_read_len;
    bool counts;          /* `block` is the device's own transfer size: block numbers may count */
    bool patient;         /* wait bwPollTimeout before each status request */
    bool erase_sticks;    /* one erase was busy for ever though it had ended */
    uint64_t sticks_from; /* address from which that is known of the part, UINT64_MAX */
    bool left;            /* told to leave, or gone because of what it was told */
    bool incomplete;      /* erased or partly written: starting it makes no sense */
    unsigned retries;
    enum dfu_run run;
    uint64_t run_base;
    uint32_t run_block;
    struct kiln_target_info info;
};

static inline struct kiln_dfu *dfu_of(struct kiln_loader *loader)
{
    return (struct kiln_dfu *)loader;
}

/* ---- dfu_io.c: requests and the state machine ---- */

/* All take no longer than the deadline of the context and DFU_CONTROL_MS, and keep self->state. */
KILN_MUST_USE enum kiln_status dfu_get_status(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                              struct kiln_dfu_status *out);
KILN_MUST_USE enum kiln_status dfu_clear_status(struct kiln_dfu *self, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status dfu_abort(struct kiln_dfu *self, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status dfu_detach(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                          uint16_t timeout_ms);

/* Brings the device to dfuIDLE from whatever state it is in, by the requests that state allows. */
KILN_MUST_USE enum kiln_status dfu_to_idle(struct kiln_dfu *self, struct kiln_ctx *ctx);
/* The op: what was begun stays in the bootloader, where the next try finds it. */
KILN_MUST_USE enum kiln_status dfu_abandon(struct kiln_loader *loader, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status dfu_ready_to_download(struct kiln_dfu *self, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status dfu_ready_to_upload(struct kiln_dfu *self, struct kiln_ctx *ctx);

/*
 * Asks for the status until the device is no longer busy, at once and then backing off up to
 * bwPollTimeout, or by bwPollTimeout where self->patient. Stalls are put up with. TIMEOUT after
 * `timeout_ms`; *out is the last answer then, state DFU_STATE_UNKNOWN if there was none.
 */
KILN_MUST_USE enum kiln_status dfu_settle(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                          uint32_t timeout_ms, struct kiln_dfu_status *out);

/* DNLOAD and what follows, until the device is ready for the next one. NAK with the device's status code
 * when it refuses, IO when it stalled for no reason it can name, TIMEOUT. `what` completes "device refuses to". */
KILN_MUST_USE enum kiln_status dfu_download(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                            uint16_t block, const uint8_t *bytes, size_t len,
                                            uint32_t timeout_ms, const char *what);

/* UPLOAD. Errors as dfu_download. */
KILN_MUST_USE enum kiln_status dfu_upload(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                          uint16_t block, uint8_t *bytes, size_t len,
                                          size_t *out_len, const char *what);

/* The zero-length DNLOAD alone. */
KILN_MUST_USE enum kiln_status dfu_download_end(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                                uint16_t block);

/* Is the error in the slot one that the same request may not meet again? If so, and there are retries
 * left, gets the device back to idle and returns true. */
bool dfu_try_again(struct kiln_dfu *self, struct kiln_ctx *ctx, enum kiln_status status,
                   unsigned *tries);

/* The error for a device that said no. */
KILN_MUST_USE enum kiln_status dfu_refused(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                           const struct kiln_dfu_status *status, const char *what);

KILN_MUST_USE enum kiln_status dfu_select_alt(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                              uint8_t alt);

/* Waits until the device is off the bus; false if it still is there. */
bool dfu_wait_gone(struct kiln_dfu *self, struct kiln_ctx *ctx, uint32_t timeout_ms);

/* Adds a line to the notes of the target info (as far as there is room) and to the log. */
void dfu_note(struct kiln_dfu *self, struct kiln_ctx *ctx, const char *format, ...)
    KILN_PRINTF(3, 4);

/* ---- dfu_dfuse.c ---- */

extern const struct kiln_loader_ops kiln_dfuse_ops;

/* Finds regions and capabilities, and whether the chip is read-protected. */
KILN_MUST_USE enum kiln_status dfuse_identify(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                              const struct kiln_loader_options *options);

/* Reads where no region says that one may: a look at an id register. The device is idle afterwards. */
KILN_MUST_USE enum kiln_status dfuse_peek(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                          uint32_t address, uint8_t *bytes, size_t len);

/* ---- dfu_layout.c ---- */

KILN_MUST_USE enum kiln_status dfuse_find_regions(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                                  const struct kiln_loader_options *options);

/* ---- dfu_parts.c: the STM32 part table held against a layout ---- */

#define DFU_CANDIDATE_MAX 128

struct dfu_candidate {
    const struct kiln_chip *chip;
    uint8_t org;
};

struct dfu_candidates {
    struct dfu_candidate item[DFU_CANDIDATE_MAX];
    size_t count;
};

/* The parts whose flash begins with the pages of `layout`; all of them if it has none. */
void dfu_parts_match(const struct kiln_dfuse_layout *layout, struct dfu_candidates *out);
void dfu_parts_keep_chip(struct dfu_candidates *parts, const struct kiln_chip *chip);
/* Keeps those that show option bytes at this address, or of which that is not known. */
void dfu_parts_keep_option_bytes(struct dfu_candidates *parts, uint64_t address);

/* Completes `layout` to `size` bytes where all candidates agree how; false where they do not. */
bool dfu_parts_complete(const struct dfu_candidates *parts, uint64_t size,
                        struct kiln_dfuse_layout *layout);

/* Tries to read the flash size from the registers of the candidates; 0 if none tells. */
uint64_t dfu_parts_read_size(struct kiln_dfu *self, struct kiln_ctx *ctx,
                             const struct dfu_candidates *parts, uint64_t at_least);
/* Tries to read DBGMCU_IDCODE; NULL if the boot ROM does not let us. */
const struct kiln_chip *dfu_parts_read_id(struct kiln_dfu *self, struct kiln_ctx *ctx);

/* ---- dfu_stream.c ---- */

extern const struct kiln_loader_ops kiln_dfu_stream_ops;

KILN_MUST_USE enum kiln_status dfu_stream_identify(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                                   const struct kiln_loader_options *options);

/* ---- dfu_connect.c ---- */

/* Does the user's wish for an alternate setting (number or name) mean this one? */
bool dfu_alt_is_wanted(const struct kiln_loader_options *options, uint8_t alt, const char *name);
/* Names what there is when none was wanted: `names` is grown by dfu_add_alt_name(). */
#define DFU_ALT_NAMES_MAX 400
void dfu_add_alt_name(char *names, size_t cap, uint8_t alt, const char *name);
KILN_MUST_USE enum kiln_status
dfu_fail_alt(struct kiln_ctx *ctx, const struct kiln_loader_options *options, const char *names);

/* Is the interface in DFU mode? Sloppy devices say so in other ways than by their protocol number. */
bool dfu_alt_in_dfu_mode(unsigned quirks, const struct kiln_dfu_alt *alt, unsigned interfaces);

/* The serial number of a device whose string descriptor holds bytes where UTF-16 should be; `text` stays
 * as it is if that cannot be read. */
void dfu_read_8bit_serial(struct kiln_usb_link *link, struct kiln_ctx *ctx, char *text, size_t cap);

const struct kiln_target_info *dfu_info(const struct kiln_loader *loader);
void dfu_free(struct kiln_loader *loader);

#endif
