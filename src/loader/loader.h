/* SPDX-License-Identifier: MIT */
/*
 * Seam 2: a loader speaks one bootloader's protocol over a link. One const vtable per bootloader, listed
 * in loader_table.c. Optional ops are NULL, have a shared default and a capability bit.
 *
 * Addresses are what the user sees for this kind of device: flash offsets for ESP chips, bus addresses
 * for DFU devices.
 */
#ifndef KILN_LOADER_LOADER_H
#define KILN_LOADER_LOADER_H

#include "base/buf.h"
#include "chip/chip.h"
#include "link/link.h"

#include <kiln/event.h>

enum kiln_link_kind { KILN_LINK_KIND_BYTE, KILN_LINK_KIND_USB };

#define KILN_CAP_READ        1u
#define KILN_CAP_DIGEST      2u /* MD5 of a range is cheap on the device */
#define KILN_CAP_ERASE_ALL   4u
#define KILN_CAP_RUN         8u  /* can start the application */
#define KILN_CAP_NEEDS_ERASE 16u /* write needs erase before; otherwise write erases by itself */
#define KILN_CAP_UNPROTECT   32u
/* Memory without addresses (plain DFU): every region is one stream of unknown length, with pages of one
 * byte. It takes one whole image in a single write from region.start, and nothing is erased, kept or
 * skipped. A read begins at region.start; `upload` reads to the stream's end. */
#define KILN_CAP_STREAM 64u
/* After a write the device can only be left: no verify by reading back. */
#define KILN_CAP_ONE_SHOT 128u
/* A region with KILN_REGION_OPTION holds what ST's reference manuals say (chip/stm32_options.h). */
#define KILN_CAP_OPTION_BYTES 256u

#define KILN_REGION_READ  1u
#define KILN_REGION_ERASE 2u
#define KILN_REGION_WRITE 4u

#define KILN_REGION_OPTION 1u /* settings of the chip: a wrong byte can lock it for ever */
#define KILN_REGION_ONCE \
    2u /* one-time programmable: a written bit stays; only the bytes given are written */
#define KILN_REGION_RESETS 4u /* the chip restarts by itself after a write */

/* Pages of one size. A device's memory is an ordered list of such regions. */
struct kiln_region {
    char name[40]; /* "Internal Flash", "SPI flash", "Option Bytes" */
    uint64_t start;
    uint64_t size;  /* a multiple of page */
    uint32_t page;  /* smallest erase unit in bytes */
    uint8_t erased; /* value of an erased byte: FF, or 00 on STM32 L0/L1 */
    uint8_t access; /* KILN_REGION_READ, _ERASE, _WRITE */
    uint8_t alt;    /* DFU alternate setting */
    uint8_t flags;  /* KILN_REGION_OPTION, _ONCE, _RESETS */
    uint8_t unit;   /* bytes that are programmed together, once, in one-time memory; 0: not known */
};

#define KILN_REGION_MAX 64

/* Where the stream of DFU alternate setting `alt` stands, and the most it is taken to hold. */
#define KILN_STREAM_START(alt) ((uint64_t)(alt) << 32)
#define KILN_STREAM_SIZE       (1ull << 32)

struct kiln_target_info {
    char chip_title[64];          /* "ESP32-D0WD-V3 (revision v3.1)" */
    char features[256];           /* "Wi-Fi, BT, dual core" or "" */
    char serial[64];              /* MAC or USB serial number */
    const struct kiln_chip *chip; /* NULL if only the bootloader is known */
    char loader[48];              /* "ESP32 boot ROM", "flasher stub", "DfuSe 1.1a" */
    uint32_t flash_id;            /* JEDEC id, 0 if not applicable */
    uint32_t crystal_mhz;         /* 0 if unknown */
    uint32_t baud;                /* rate in use now, 0 if not applicable */
    struct kiln_region region[KILN_REGION_MAX];
    size_t region_count;
    unsigned caps;       /* KILN_CAP_* of this device with this loader */
    int32_t revision;    /* of an ESP chip, major * 100 + minor; -1 if not known */
    bool read_protected; /* flash cannot be read, writing may need an unprotect */
    char no_memory[80];  /* why there is no region, "" where the device just has none */
    char notes[1024];    /* what was assumed and why, '\n' between lines */
};

enum kiln_before {
    KILN_BEFORE_DEFAULT,
    KILN_BEFORE_USB,
    KILN_BEFORE_NO_RESET,
    KILN_BEFORE_NO_SYNC
};
enum kiln_after {
    KILN_AFTER_DEFAULT,
    KILN_AFTER_HARD,
    KILN_AFTER_SOFT,
    KILN_AFTER_STAY,
    KILN_AFTER_STAY_STUB,
    KILN_AFTER_WATCHDOG
};

/* What serves on a chip that can run a helper in its RAM. */
enum kiln_flasher {
    KILN_FLASHER_STUB, /* the vendor's, else the ROM */
    KILN_FLASHER_ROM,
    KILN_FLASHER_KILN /* Kiln's own, else as STUB */
};

struct kiln_loader_options {
    const char *chip; /* what the user says it is, or NULL */
    uint32_t baud;    /* wished rate for data, 0: the best the link holds */
    enum kiln_before before;
    enum kiln_after after;
    enum kiln_flasher flasher;
    bool
        may_defer; /* the work may turn out to be small: helpers on the chip are started when it does not */
    bool tolerant; /* the work only looks: what the device refuses to tell is noted and left out */
    uint32_t connect_attempts; /* 0: default */
    const char *stub_dir;      /* NULL: built-in places */
    const char *layout;        /* DfuSe layout string that replaces the device's */
    const char *alt;           /* DFU alternate setting, by number or name; NULL: all, by address */
    bool has_dfu_interface;    /* which DFU interface to use where there are several */
    uint8_t dfu_interface;
    uint32_t transfer_size; /* bytes of a DFU transfer, 0: what the device says */
    bool has_start_address; /* where leaving starts the application instead of at the main flash */
    uint64_t start_address;
    const char *reset_sequence; /* custom ESP reset string into the bootloader, or NULL */
    const char *run_sequence;   /* the same for the hard reset at the end */
    uint64_t flash_size;        /* 0: detect */
};

/* Told as bytes are dealt with; `done` counts within the current op. Must not call back into the loader. */
struct kiln_progress {
    void (*step)(void *user, uint64_t done);
    void *user;
};

/* What stands in the way of writing a chip's flash, by its fuses. */
struct kiln_protection {
    bool secure_boot;
    bool secure_boot_v1;    /* the bootloader must not be replaced */
    bool flash_encryption;  /* what is written plain is decrypted when it runs */
    bool no_manual_encrypt; /* the chip encrypts nothing for us */
    bool has_key;           /* for flash encryption; needs `all` */
    bool
        secure_download; /* nothing can be read; only `secure_boot` and `flash_encryption` are known */
    bool encrypts;       /* this loader has a write that the chip encrypts */
    int32_t crypt_config; /* -1: the chip has none, or `all` was not asked for */
    uint32_t align;       /* an encrypted write ends at a multiple of this */
};

struct kiln_details {
    bool has_security, has_flash;
    struct kiln_event_security security;
    struct kiln_event_flash flash;
};

struct kiln_loader;

struct kiln_loader_ops {
    const char *name; /* "esp", "dfu" */
    enum kiln_link_kind link_kind;

    /* Finishes the session in the way `after` of the options says and frees nothing. A device that goes
     * away because of it has done well. Idempotent; also the clean-up after a failure.
     * UNSUPPORTED: nothing on this link can start the board, it stays in its bootloader. */
    enum kiln_status (*leave)(struct kiln_loader *self, struct kiln_ctx *ctx);

    /* What was written does not compare: from now on the slower way that asks less of the device. NULL: there is
     * only one way. */
    void (*doubt)(struct kiln_loader *self);

    /* Ends the session after a failure or a cancel, from any state: the bootloader is left so that the next
     * try works, reset lines are released, and a half-written application is not started where that can be
     * avoided. NULL: `leave` does. */
    enum kiln_status (*abandon)(struct kiln_loader *self, struct kiln_ctx *ctx);

    /* Starts the application at `address` (KILN_NO_ADDRESS: the normal boot). */
    enum kiln_status (*run)(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address);

    /* Fills at most `len` bytes from `address`. NULL if not KILN_CAP_READ. */
    enum kiln_status (*read)(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                             uint8_t *bytes, size_t len, const struct kiln_progress *progress);

    /* Erases whole pages; [address, address+len) must be page-aligned within one region. UNSUPPORTED with
     * KILN_CAP_STREAM. */
    enum kiln_status (*erase)(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                              uint64_t len, const struct kiln_progress *progress);

    enum kiln_status (*erase_all)(struct kiln_loader *self, struct kiln_ctx *ctx);

    /* Told once before the first erase or write of a job how many bytes they are in all, so that helpers on the chip
     * are started early or not at all. NULL: it makes no difference. */
    enum kiln_status (*prepare)(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t bytes);

    /* Writes. With KILN_CAP_NEEDS_ERASE the range was erased before; otherwise the op erases the pages it
     * touches, so `address` and the end are page-aligned (the planner sees to both). */
    enum kiln_status (*write)(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                              const uint8_t *bytes, size_t len,
                              const struct kiln_progress *progress);

    /* What fuses say about writing; `all` also what only an encrypted write needs. NULL: there are none. */
    enum kiln_status (*protection)(struct kiln_loader *self, struct kiln_ctx *ctx, bool all,
                                   struct kiln_protection *out);

    /* Writes so that the chip encrypts with its own key, and erases the pages it touches. `address` is
     * page-aligned, `len` a multiple of kiln_protection.align. NULL if there is no such thing. */
    enum kiln_status (*write_encrypted)(struct kiln_loader *self, struct kiln_ctx *ctx,
                                        uint64_t address, const uint8_t *bytes, size_t len,
                                        const struct kiln_progress *progress);

    /* MD5 of what is in flash now. NULL if not KILN_CAP_DIGEST. */
    enum kiln_status (*digest)(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                               uint64_t len, uint8_t out_md5[16]);

    /* The first `each` bytes, at most 16, of the MD5 of each `unit` of the range, in one request; `out` has room for
     * all of them, 4096 bytes at most. UNSUPPORTED, without an error in the context: ask for one digest after the
     * other. NULL alike. */
    enum kiln_status (*digests)(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                                uint64_t len, uint32_t unit, uint8_t *out, size_t each);

    /* Appends all that the stream region beginning at `address` gives. NULL without KILN_CAP_STREAM. */
    enum kiln_status (*upload)(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                               struct kiln_buf *out, const struct kiln_progress *progress);

    /* Removes read protection; erases the whole chip and may reset it. NULL if not KILN_CAP_UNPROTECT. */
    enum kiln_status (*unprotect)(struct kiln_loader *self, struct kiln_ctx *ctx);

    /* Memory and registers in the chip's address space. NULL if the bootloader has no such request. */
    enum kiln_status (*read_memory)(struct kiln_loader *self, struct kiln_ctx *ctx,
                                    uint64_t address, uint8_t *bytes, size_t len,
                                    const struct kiln_progress *progress);
    /* Bits of one word: word = (word & ~mask) | (value & mask). NULL alike. */
    enum kiln_status (*write_register)(struct kiln_loader *self, struct kiln_ctx *ctx,
                                       uint64_t address, uint32_t value, uint32_t mask);
    /* Puts a piece of a program into RAM that the bootloader does not use itself, and starts one; the session
     * is over then and leave does nothing. NULL alike. */
    enum kiln_status (*write_memory)(struct kiln_loader *self, struct kiln_ctx *ctx,
                                     uint64_t address, const uint8_t *bytes, size_t len);
    enum kiln_status (*run_memory)(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t entry);

    /* What else the device tells about itself. Of a device that refuses one question the rest is told (and the
     * refusal noted in `info`, if the options are tolerant). May be NULL. */
    enum kiln_status (*details)(struct kiln_loader *self, struct kiln_ctx *ctx,
                                struct kiln_details *out_details);

    /* True while nothing that was asked of the device can have changed its memory, whatever op has begun. NULL: an op
     * that has begun may have. */
    bool (*untouched)(const struct kiln_loader *self);

    /* What is known of the device; valid as long as the loader. */
    const struct kiln_target_info *(*info)(const struct kiln_loader *self);

    /* Frees the loader; the link stays open and the caller's. */
    void (*free)(struct kiln_loader *self);
};

struct kiln_loader {
    const struct kiln_loader_ops *ops;
};

/*
 * Connects: brings the chip into its bootloader, syncs, identifies. Links are borrowed. Errors: TIMEOUT
 * (silent), PROTO, REFUSED (chip is not the one asked for), ... with a diagnosis in the message.
 */
KILN_MUST_USE enum kiln_status kiln_esp_connect(struct kiln_ctx *ctx, struct kiln_byte_link *link,
                                                const struct kiln_loader_options *options,
                                                struct kiln_loader **out_loader);
KILN_MUST_USE enum kiln_status kiln_dfu_connect(struct kiln_ctx *ctx, struct kiln_usb_link *link,
                                                const struct kiln_loader_options *options,
                                                struct kiln_loader **out_loader);

/* One row of the loader table: how a device is recognised and which loader talks to it. */
struct kiln_loader_row {
    const char *name;
    enum kiln_link_kind link_kind;
    enum kiln_status (*connect_byte)(struct kiln_ctx *ctx, struct kiln_byte_link *link,
                                     const struct kiln_loader_options *options,
                                     struct kiln_loader **out_loader);
    enum kiln_status (*connect_usb)(struct kiln_ctx *ctx, struct kiln_usb_link *link,
                                    const struct kiln_loader_options *options,
                                    struct kiln_loader **out_loader);
};

const struct kiln_loader_row *kiln_loader_find(const char *name);
const struct kiln_loader_row *kiln_loader_at(size_t index); /* NULL after the last */

#endif
