/* SPDX-License-Identifier: MIT */
/*
 * A session with a chip that speaks Espressif's serial bootloader: for what goes beyond a job, such as
 * registers, RAM, flash status and security state. Everything happens on the caller's thread and waits no
 * longer than its deadline; one session is used by one thread at a time, except for
 * kiln_esp_session_cancel().
 *
 * Order of calls: create, connect, then optionally start, then optionally attach, then the rest, then
 * leave, then free. Flash needs attach. The other functions work with the boot ROM (after connect) as well
 * as with the flasher stub (after start).
 *
 * After a status other than KILN_OK, kiln_esp_session_error() tells what happened. Statuses: TIMEOUT, PROTO,
 * NAK (the chip refused), GONE, CANCELLED, UNSUPPORTED (this chip or its boot ROM cannot), ARG, IO, NOMEM.
 */
#ifndef KILN_ESP_H
#define KILN_ESP_H

#include <kiln/job.h>
#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What passes on the link, for whoever wants to see it. */
enum kiln_esp_watch {
    KILN_ESP_WATCH_WRITE,   /* bytes given to the link */
    KILN_ESP_WATCH_READ,    /* bytes that came */
    KILN_ESP_WATCH_COMMAND, /* a request: `op`, and its body */
    KILN_ESP_WATCH_PACKET   /* a whole packet that came, without framing */
};

/* How long to wait and how often to try; 0 in a field: the default. */
struct kiln_esp_timing {
    uint32_t reply_ms;      /* any reply, on top of the time on the wire */
    uint32_t send_ms;       /* the link takes a request */
    uint32_t sync_ms;       /* the reply to SYNC */
    uint32_t ram_start_ms;  /* a boot ROM's reply when code in RAM is started; it may not come */
    uint32_t md5_per_mb_ms; /* on top of reply_ms, for 1e6 bytes, as the next two */
    uint32_t erase_per_mb_ms;
    uint32_t write_per_mb_ms;
    uint32_t erase_all_ms;
    uint32_t ceiling_ms;     /* no request waits longer */
    uint32_t block_tries;    /* of a block of data that arrives damaged */
    uint32_t reset_delay_ms; /* how long a reset into the bootloader holds GPIO0 low */
};

struct kiln_esp_session_options {
    size_t size;        /* sizeof(struct kiln_esp_session_options) */
    const char *device; /* a selector, see kiln/device.h */
    const char *chip;   /* what the user says it is; NULL: whatever it is */
    const char *stub_dir;
    const char *reset_sequence; /* custom reset string into the bootloader, or NULL */
    const char *run_sequence;   /* the same for the hard reset at the end */
    uint32_t baud;              /* wished rate; 0: the fastest that holds */
    uint32_t connect_attempts;  /* 0: default */
    struct kiln_esp_timing timing;
    enum kiln_reset_before before;
    enum kiln_reset_after after;
    bool no_stub;
    /* May be NULL. Called on the caller's thread; must not call back into the session. */
    void (*watch)(void *user, enum kiln_esp_watch what, unsigned op, const uint8_t *bytes,
                  size_t len);
    void *user;
};

#define KILN_ESP_SESSION_OPTIONS_INIT                   \
    {                                                   \
        .size = sizeof(struct kiln_esp_session_options) \
    }

struct kiln_esp_session;

/* Copies the strings; opens nothing. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_create(const struct kiln_esp_session_options *options,
                        struct kiln_esp_session **out_session);

/* Makes the operation under way and all later ones fail with CANCELLED, save leaving. Async-signal-safe. */
KILN_API void kiln_esp_session_cancel(struct kiln_esp_session *session);

/* What the last operation that failed says; valid until the next call. */
KILN_API const struct kiln_error *kiln_esp_session_error(const struct kiln_esp_session *session);

/* Opens the device, brings the chip into its bootloader and identifies it. REFUSED: not the chip asked
 * for; NO_DEVICE, DENIED, BUSY: the port. */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_session_connect(struct kiln_esp_session *session);

/* Uploads the flasher stub if one may run, and changes the rate. */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_session_start(struct kiln_esp_session *session);

/* How the flash is connected: the default, HSPI, or pins given one by one. */
#define KILN_ESP_PINS_DEFAULT 0u
#define KILN_ESP_PINS_HSPI    1u
#define KILN_ESP_PINS(clk, q, d, hd, cs)                                                      \
    ((uint32_t)(hd) << 24 | (uint32_t)(cs) << 18 | (uint32_t)(d) << 12 | (uint32_t)(q) << 6 | \
     (uint32_t)(clk))

/* Connects the flash and finds its size. A flash that does not answer is no error here: its id is 0 or
 * FFFFFF then. ARG: the chip cannot have its flash on these pins; UNSUPPORTED: not on any but its own. */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_session_attach(struct kiln_esp_session *session,
                                                                uint32_t pins);

/* Leaves the chip as the options say. UNSUPPORTED: it stays in its bootloader. */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_session_leave(struct kiln_esp_session *session);
/* Changes what leave will do. */
KILN_API void kiln_esp_session_set_after(struct kiln_esp_session *session,
                                         enum kiln_reset_after after);

/* Closes and frees. NULL is fine. Does not reset the chip. */
KILN_API void kiln_esp_session_free(struct kiln_esp_session *session);

enum kiln_esp_usb { KILN_ESP_USB_NONE, KILN_ESP_USB_OTG, KILN_ESP_USB_SERIAL_JTAG };

/* Who the chip is. Strings are the session's. */
struct kiln_esp_about {
    const char *chip;     /* "esp32" */
    const char *title;    /* "ESP32" */
    const char *variant;  /* "ESP32-D0WD-V3 (revision v3.1)" */
    const char *features; /* "Wi-Fi, BT" */
    const char *device;   /* "/dev/ttyUSB0" */
    const char *notes;    /* '\n' between lines */
    /* why no stub may run on this chip as it is; NULL: one may, or runs */
    const char *no_stub_reason;
    int32_t chip_id;   /* of the image header; -1: has none */
    unsigned revision; /* major * 100 + minor */
    uint32_t crystal_mhz;
    uint32_t baud; /* in use now */
    enum kiln_esp_usb usb;
    uint8_t mac[8];
    size_t mac_len;  /* 6, 8 with an extended address, 0 if not known */
    bool stub;       /* the flasher stub runs */
    bool found_stub; /* it ran already when we came */
    bool secure_download;
    bool has_reset_lines;  /* the link can reset the board */
    bool rom_minimal;      /* the ROM has neither compression nor MD5 nor slow read */
    bool watchdog_resets;  /* the watchdog can reset the chip */
    bool min_rev_is_minor; /* an image's one-byte least revision means the minor one */
    bool big_flash;        /* the stub reaches flash above 16 MB */
    bool rom_encrypts;     /* the ROM can write encrypted, not only the stub */
    uint32_t boot_offset;  /* of the second-stage bootloader */
    uint32_t encrypted_align;
    uint32_t flash_id;   /* JEDEC: manufacturer in bits 0-7, type in 8-15, capacity in 16-23 */
    uint64_t flash_size; /* as detected; 0: unknown */
};

/* What is known so far; before connect little is. The strings live until the next call that changes them. */
KILN_API void kiln_esp_session_about(const struct kiln_esp_session *session,
                                     struct kiln_esp_about *out_about);

/* The chip's own number, from the words that hold its MAC: what a chip without an id in images has instead.
 * UNSUPPORTED: this one has an id. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_chip_number(struct kiln_esp_session *session, uint32_t *out_number);

/* ---- security ---- */

struct kiln_esp_security_report {
    uint32_t flags;
    uint8_t crypt_count;
    uint8_t key_purpose[7];
    bool has_keys;           /* the purposes mean something on this chip */
    const char *key_name[7]; /* of the purposes, "UNKNOWN" if it has none */
    bool has_chip_id;
    uint32_t chip_id, api_version;
};

/* Asks the ROM (UNSUPPORTED or NAK where it has no such command). */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_security(struct kiln_esp_session *session,
                          struct kiln_esp_security_report *out_report);

/* What eFuses say about writing. */
struct kiln_esp_protection {
    bool secure_boot;
    bool secure_boot_v1;    /* the bootloader must not be replaced */
    bool flash_encryption;  /* an odd number of bits in the counter */
    bool no_manual_encrypt; /* the ROM encrypts nothing for us */
    bool has_key;           /* for flash encryption */
    int32_t crypt_config;   /* -1: the chip has none */
};

/* All false on a chip without such eFuses. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_protection(struct kiln_esp_session *session,
                            struct kiln_esp_protection *out_protection);

/* Overrides the flash supply by the internal regulator: 1800 or 1900 mV, 0 for off. ARG for another value,
 * UNSUPPORTED where the chip has none. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_set_flash_supply(struct kiln_esp_session *session, unsigned millivolts);

/* ---- registers and RAM ---- */

/* A word of the chip's address space. Some registers change by being read. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_read_reg(struct kiln_esp_session *session, uint32_t address, uint32_t *out_value);

/* reg = (reg & ~mask) | (value & mask) */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_session_write_reg(struct kiln_esp_session *session,
                                                                   uint32_t address, uint32_t value,
                                                                   uint32_t mask);

/* `len` bytes of RAM from `address` on. REFUSED if they would overwrite the running stub. */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_session_write_ram(struct kiln_esp_session *session,
                                                                   uint32_t address,
                                                                   const uint8_t *bytes,
                                                                   size_t len);

/* Starts code in RAM at `entry`. The session is over, save for leave, which then does nothing. */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_session_run_ram(struct kiln_esp_session *session,
                                                                 uint32_t entry);

/* Starts the application in flash without a reset. UNSUPPORTED where the chip or its stub cannot. */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_session_run(struct kiln_esp_session *session);

/* ---- flash ---- */

struct kiln_esp_progress {
    void (*step)(void *user, uint64_t done, uint64_t total); /* may be NULL */
    void *user;
};

/* Tells the chip a size in bytes other than the one detected: a multiple of 4096 below 4 GiB, else ARG. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_set_flash_size(struct kiln_esp_session *session, uint64_t size);

/* `count` bytes of SFDP from `address`, 1 to 64. */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_session_read_sfdp(struct kiln_esp_session *session,
                                                                   uint32_t address, uint8_t *bytes,
                                                                   size_t count);

/* How the flash is connected and fed: data lines as eFuses have them (4 or 8, 0: not said), and who decides about its
 * supply ("eFuse", "strapping pin", "register", "": not known) of so many millivolts, 0 for off. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_flash_wiring(struct kiln_esp_session *session, unsigned *out_lines,
                              const char **out_supply_by, unsigned *out_supply_mv);

/* Status registers 1 to `count` of 3, the first in the low byte. ARG for another count. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_read_status(struct kiln_esp_session *session, unsigned count, uint32_t *out_value);
/* The same the other way; not `non_volatile`: until power goes. Wrong bits may protect the flash for ever. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_write_status(struct kiln_esp_session *session, unsigned count, uint32_t value,
                              bool non_volatile);

/* ARG: it ends behind the flash; UNSUPPORTED: this ROM does not read flash, or the flash does not answer. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_read_flash(struct kiln_esp_session *session, uint64_t address, uint8_t *bytes,
                            size_t len, const struct kiln_esp_progress *progress);
/* The MD5 of bytes here, to compare with that of a region there: of `len` bytes from `address` on, as
 * kiln_esp_session_read_flash() counts them. UNSUPPORTED: this boot ROM computes none. */
KILN_API void kiln_esp_md5(const uint8_t *bytes, size_t len, uint8_t out_md5[16]);
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_session_md5(struct kiln_esp_session *session,
                                                             uint64_t address, uint64_t len,
                                                             uint8_t out_md5[16]);
/* Whole sectors: `address` and `len` are multiples of 4096, else ARG. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_erase(struct kiln_esp_session *session, uint64_t address, uint64_t len,
                       const struct kiln_esp_progress *progress);
/* The whole flash; takes seconds to minutes. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_erase_all(struct kiln_esp_session *session);

struct kiln_esp_write {
    size_t size;      /* sizeof(struct kiln_esp_write) */
    uint64_t address; /* any; what stands before it in its 4 KB sector is erased */
    const uint8_t *bytes;
    size_t len;       /* what stands behind it in the last sector is erased */
    bool plain;       /* no compression */
    bool encrypted;   /* the chip encrypts; address and len are multiples of encrypted_align */
    bool lone_sector; /* where the ROM cannot erase a single sector it may erase the next one too;
                         else that is REFUSED */
};

/* Writes one region and does not verify. *out_wire: bytes of data that were sent; less than `len` if they
 * were compressed. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_session_write(struct kiln_esp_session *session, const struct kiln_esp_write *write,
                       const struct kiln_esp_progress *progress, uint64_t *out_wire);

#ifdef __cplusplus
}
#endif
#endif
