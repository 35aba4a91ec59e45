/* SPDX-License-Identifier: MIT */
/*
 * Simulated DFU devices: the row that describes one, and the running device. Written from USB DFU 1.1
 * (usb.org, 2004), ST's DfuSe extension (UM0424, AN2662, AN3156) and what is known of real boot ROMs.
 *
 * The ROM does its work synchronously: DNLOAD only stores the request, the GETSTATUS after it answers
 * dfuDNBUSY with a poll time, and then the CPU erases or programs and answers nothing (NAK) until it is
 * done. Programming, erasing and waiting therefore happen between one GETSTATUS and the next.
 */
#ifndef KILN_SIM_USB_DFU_H
#define KILN_SIM_USB_DFU_H

#include "sim/sim.h"

enum dfu_state {
    DFU_APP_IDLE,
    DFU_APP_DETACH,
    DFU_IDLE,
    DFU_DNLOAD_SYNC,
    DFU_DNBUSY,
    DFU_DNLOAD_IDLE,
    DFU_MANIFEST_SYNC,
    DFU_MANIFEST,
    DFU_MANIFEST_WAIT_RESET,
    DFU_UPLOAD_IDLE,
    DFU_ERROR
};

enum dfu_status {
    DFU_OK = 0,
    DFU_ERR_TARGET = 1,
    DFU_ERR_FILE = 2,
    DFU_ERR_ADDRESS = 8,
    DFU_ERR_NOTDONE = 9,
    DFU_ERR_FIRMWARE = 10,
    DFU_ERR_VENDOR = 11,
    DFU_ERR_UNKNOWN = 14,
    DFU_ERR_STALLEDPKT = 15
};

/* What differs from the ordinary boot ROM. */
enum {
    DFU_Q_START_ERROR = 1u << 0,     /* the first state is dfuERROR/errFIRMWARE */
    DFU_Q_NO_DNBUSY = 1u << 1,       /* works inside the first GETSTATUS, which gives the result */
    DFU_Q_STALL_BUSY = 1u << 2,      /* stalls GETSTATUS while it erases, instead of NAK */
    DFU_Q_BANK2_STUCK = 1u << 3,     /* an erase from 0x08100000 up stays dfuDNBUSY for ever */
    DFU_Q_STRICT = 1u << 4,          /* stalls CLRSTATUS and ABORT where they make no sense; silent
                                        on GET_DESCRIPTOR(0x21) */
    DFU_Q_LEAVE_AT_DNLOAD = 1u << 5, /* gone with the zero-length DNLOAD, unanswered */
    DFU_Q_LEAVE_SILENT = 1u << 6,    /* gone with the GETSTATUS after it, unanswered */
    DFU_Q_SERIAL_8BIT = 1u << 7,     /* the serial number string is not UTF-16 */
    DFU_Q_SHORT_STRING = 1u << 8,    /* the flash string claims 166 bytes and 112 are sent */
    DFU_Q_RUBBISH_STRING = 1u << 9,  /* ... and rubbish fills it up to 166 */
    DFU_Q_RDP1 = 1u << 10,           /* starts read-protected */
    DFU_Q_RDP_NO_SET = 1u << 11,     /* read-protected, it refuses set-address too */
    DFU_Q_ERASED_00 = 1u << 12,      /* erased flash reads 0x00, programming sets bits */
    DFU_Q_RUNTIME = 1u << 13,        /* starts with its application: a DFU run-time interface */
    DFU_Q_PIPE = 1u << 14,           /* stalls every fifth block of data */
    DFU_Q_CDC = 1u << 15,        /* with RUNTIME: the application is Klipper's serial port, and a
                                        touch at 1200 baud ends it */
    DFU_Q_DEAF = 1u << 16,       /* ... which this one does not know */
    DFU_Q_OTHER_BOOT = 1u << 17, /* ... and it enters Katapult instead */
    DFU_Q_SAME_BLOCK = 1u << 18, /* every block is read from and written to the address pointer */
    DFU_Q_HANG_ALT = 1u << 19,   /* never answers SET_INTERFACE */
    DFU_Q_HOSTILE = 1u << 20     /* answers anything, as the seed has it */
};

#define DFU_CAN_DNLOAD        1u
#define DFU_CAN_UPLOAD        2u
#define DFU_MANIFEST_TOLERANT 4u
#define DFU_WILL_DETACH       8u

#define DFU_R 1u
#define DFU_E 2u
#define DFU_W 4u

enum dfu_area { DFU_AREA_NONE, DFU_AREA_FLASH, DFU_AREA_OPTION, DFU_AREA_OTP, DFU_AREA_FEATURE };

struct dfu_sectors {
    uint16_t count;
    uint32_t size;
    uint8_t access; /* DFU_R | DFU_E | DFU_W */
    uint16_t erase_ms;
};

#define DFU_GROUPS  8
#define DFU_REGIONS 5
#define DFU_ALTS    5

struct dfu_region {
    enum dfu_area area;
    uint32_t base;
    struct dfu_sectors group[DFU_GROUPS]; /* ends with a count of 0 */
};

struct dfu_ids {
    uint16_t vid, pid, bcd_device;
    const char *manufacturer, *product, *serial;
};

struct dfu_row {
    const char *name; /* of its row in kiln_sim_dfu_boards */
    struct dfu_ids ids;
    struct dfu_ids runtime; /* with DFU_Q_RUNTIME */
    uint16_t bcd_dfu, transfer_size, detach_ms;
    uint8_t attributes;
    uint8_t protocol; /* bInterfaceProtocol in DFU mode: 2 */
    const char *alt[DFU_ALTS];
    struct dfu_region region[DFU_REGIONS];
    /* What GETSTATUS tells the host to wait, and what the work really takes. */
    uint16_t poll_set_ms, poll_erase_ms, poll_write_ms, poll_mass_ms;
    uint32_t program_ns_per_byte, mass_erase_ms;
    uint16_t reattach_ms;   /* from leaving the bus to being back, where it comes back */
    int16_t rdp_offset;     /* of the RDP byte in the option bytes, -1: none */
    uint8_t wrp_offset;     /* of 16 bits there, one a sector, 0: writing it is refused; 0: none */
    bool complements;       /* each option byte is followed by its complement, or counts as FF */
    const uint8_t *options; /* as the factory leaves them, area by area; NULL: FF but for RDP */
    size_t options_len;
    uint32_t quirks;
};

struct dfu_variant {
    const char *name;
    uint32_t set, clear;        /* quirks */
    const char *alt0;           /* flash string, NULL: unchanged */
    struct dfu_sectors more[4]; /* sectors behind those of the row */
};

extern const struct dfu_row kiln_dfusim_rows[];
extern const size_t kiln_dfusim_row_count;
extern const struct dfu_variant kiln_dfusim_variants[];
extern const size_t kiln_dfusim_variant_count;

enum dfu_mode {
    DFU_MODE_BOOTLOADER,
    DFU_MODE_APPLICATION,
    DFU_MODE_SILENT_APPLICATION,
    DFU_MODE_OTHER_BOOTLOADER
};

struct dfu_sim {
    struct kiln_sim_usb base;
    struct kiln_sim_knobs knobs;
    struct dfu_row row; /* a copy, changed by the variant */
    uint8_t *mem[DFU_REGIONS];
    size_t mem_len[DFU_REGIONS];

    enum dfu_mode mode;
    bool present, powered;
    bool plug_later; /* plugged in some time after it is first looked for */
    unsigned generation;
    uint64_t appear_ns, vanish_ns; /* UINT64_MAX: not planned */
    enum dfu_mode next_mode;
    bool comes_back;

    enum dfu_state state;
    enum dfu_status status;
    uint8_t alt;
    bool configured;
    uint32_t pointer;
    uint16_t block;
    bool pending;
    size_t buffer_len;
    uint8_t buffer[4096];
    uint32_t plain_offset; /* plain DFU: where the next block goes */
    uint64_t busy_until_ns, detach_until_ns;
    unsigned data_blocks;
    bool erasing; /* what it is busy with until then */
    bool stuck, read_protected;

    int64_t commands, replies, flash_ops, erases;
    uint32_t random;
    uint32_t baud; /* of the application's serial port */
};

KILN_MUST_USE enum kiln_status kiln_sim_make_dfu(struct kiln_ctx *ctx,
                                                 const struct kiln_sim_knobs *knobs,
                                                 struct kiln_sim_usb **out);

/* What a test wants to know. */
struct kiln_sim_dfu_view {
    enum dfu_state state;
    enum dfu_status status;
    uint32_t pointer;
    bool read_protected, in_application;
    int64_t commands, flash_ops, erases;
};

void kiln_sim_dfu_view(const struct kiln_sim_usb *board, struct kiln_sim_dfu_view *out);

/* ---- parts of the model ---- */

/* What erasing and programming cost, and whether power was cut in it. */
struct dfu_work {
    enum dfu_status status;
    uint64_t ns;
    bool resets; /* the chip restarts after it */
};

void kiln_dfusim_mem_init(struct dfu_sim *sim);
/* The RDP byte goes back to level 0. */
void kiln_dfusim_mem_unprotect(struct dfu_sim *sim);
uint8_t kiln_dfusim_mem_erased(const struct dfu_sim *sim);
/* Bytes at `address`, NULL if there is nothing that may be accessed so; *out_left is how many follow. */
uint8_t *kiln_dfusim_mem_find(struct dfu_sim *sim, uint32_t address, uint8_t access,
                              size_t *out_left);
struct dfu_work kiln_dfusim_mem_erase_page(struct dfu_sim *sim, uint32_t address);
struct dfu_work kiln_dfusim_mem_erase_all(struct dfu_sim *sim);
struct dfu_work kiln_dfusim_mem_program(struct dfu_sim *sim, uint32_t address, const uint8_t *bytes,
                                        size_t len);

size_t kiln_dfusim_desc_device(const struct dfu_sim *sim, uint8_t *bytes, size_t cap);
size_t kiln_dfusim_desc_config(const struct dfu_sim *sim, uint8_t *bytes, size_t cap);
size_t kiln_dfusim_desc_string(struct dfu_sim *sim, uint8_t index, uint8_t *bytes, size_t cap);
size_t kiln_dfusim_desc_functional(const struct dfu_sim *sim, uint8_t *bytes);
unsigned kiln_dfusim_alt_count(const struct dfu_sim *sim);

/* The board shows itself as a serial port now. */
bool kiln_dfusim_is_cdc(const struct dfu_sim *sim);
#define KILN_DFUSIM_CDC_LEN 67
size_t kiln_dfusim_cdc_config(uint8_t *bytes);
enum kiln_sim_usb_result kiln_dfusim_cdc_request(struct dfu_sim *sim,
                                                 const struct kiln_usb_setup *setup, uint8_t *data,
                                                 size_t len, size_t *out_len, uint64_t done_ns);

/* One class request. `start_ns` is when the device begins to serve it; *done_ns is moved on by what it
 * takes the device. */
enum kiln_sim_usb_result kiln_dfusim_request(struct dfu_sim *sim,
                                             const struct kiln_usb_setup *setup, uint8_t *data,
                                             size_t len, size_t *out_len, uint64_t *done_ns);

/* The device leaves the bus at `when_ns`, and comes back in `mode` if `back`. */
void kiln_dfusim_plan_leave(struct dfu_sim *sim, uint64_t when_ns, bool back, enum dfu_mode mode);
void kiln_dfusim_enter(struct dfu_sim *sim, enum dfu_mode mode);
bool kiln_dfusim_is_dfuse(const struct dfu_sim *sim);

#endif
