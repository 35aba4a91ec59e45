/* SPDX-License-Identifier: MIT */
/* Events: the only thing that leaves a job. The terminal, plain, JSON and look-alike renderers draw the
 * same ones. Strings are valid until the next call that takes an event from the same job. */
#ifndef KILN_EVENT_H
#define KILN_EVENT_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kiln_event_kind {
    KILN_EVENT_LOG,      /* text, level */
    KILN_EVENT_PHASE,    /* phase began; total = bytes to come, 0 if not counted; text = "what" */
    KILN_EVENT_PROGRESS, /* phase, done, total */
    KILN_EVENT_DEVICE,   /* target: who the device is */
    KILN_EVENT_PLAN,     /* plan: what will be done */
    KILN_EVENT_OPTIONS,  /* options: the option bytes that the job will change */
    KILN_EVENT_NOTE,     /* text: something a person should know (assumption, quirk, warning) */
    KILN_EVENT_RESULT    /* the last event of every job: status, error, state, totals */
};

enum kiln_phase {
    KILN_PHASE_CONNECT,
    KILN_PHASE_SURVEY, /* comparing with what is in flash now */
    KILN_PHASE_ERASE,
    KILN_PHASE_WRITE,
    KILN_PHASE_VERIFY,
    KILN_PHASE_READ,
    KILN_PHASE_START, /* leaving the bootloader */
    KILN_PHASE_COUNT
};

/* "connect", "survey", ... Static storage. */
KILN_API const char *kiln_phase_name(enum kiln_phase phase);

struct kiln_event_region {
    const char *name;
    uint64_t start, size;
    uint32_t page;
    unsigned access; /* 1 read, 2 erase, 4 write */
};

/* What stands at the beginning of an application partition. */
struct kiln_event_app {
    bool found;     /* the header of an application */
    bool described; /* and its descriptor: the fields below */
    const char *project, *version, *date, *time, *idf;
    uint32_t secure_version;
    const uint8_t *elf_sha256;           /* 32 bytes */
    uint16_t min_revision, max_revision; /* of the chip it is for, major * 100 + minor */
};

/* One of the two records in the otadata partition. */
struct kiln_event_otadata {
    bool blank, crc_right;
    bool selects; /* the bootloader heeds it */
    uint32_t sequence;
    const char *state; /* "valid", "pending verify", ... */
};

struct kiln_event_partition {
    const char *label;
    uint8_t type, subtype; /* as in ESP-IDF: 0 app, 1 data, ... */
    uint64_t start, size;
    uint32_t flags; /* bit 0 encrypted, bit 1 read-only */
    /* of an application partition that could be read, else NULL */
    const struct kiln_event_app *app;
};

struct kiln_event_option {
    const char *name;        /* as in the part's reference manual: "nBOOT0" */
    uint64_t address;        /* of the first byte it lies in */
    uint32_t value, changed; /* as it is; as it will be, equal unless this job changes it */
    uint8_t width;           /* bits */
    const char *text;        /* in words, of `changed`; "" if there are none */
};

/* Option bytes of an STM32. */
struct kiln_event_options {
    const char *series; /* "STM32F2/F4", "" if their layout is not known */
    const char *source; /* where the layout comes from */
    uint64_t address;
    const uint8_t *raw; /* as they were read */
    size_t raw_len;
    const struct kiln_event_option *options;
    size_t option_count;
    /* options that only some parts of the series have and that are not decoded since it is not known which part this
     * is, ' ' between; "" if none */
    const char *more;
};

enum kiln_jtag {
    KILN_JTAG_UNKNOWN,
    KILN_JTAG_OPEN,
    KILN_JTAG_SOFT_OFF, /* until a program with the right key enables it */
    KILN_JTAG_OFF       /* for ever */
};

/* A key block in eFuses. */
struct kiln_event_key {
    unsigned block, purpose;
    const char *name; /* "XTS_AES_128_KEY"; "" if no such purpose is known of this chip */
};

#define KILN_EVENT_KEYS 6

/* What an ESP chip tells of its protection. */
struct kiln_event_security {
    bool secure_boot, flash_encryption, secure_download;
    unsigned secure_boot_version; /* 1 or 2; 0 while it is off */
    unsigned crypt_count; /* SPI_BOOT_CRYPT_CNT: encryption is on with an odd number of bits */
    enum kiln_jtag jtag;
    bool has_fuses;    /* eFuses could be read: the two below */
    bool flash_key;    /* there is a key for flash encryption */
    bool rom_encrypts; /* in download mode */
    bool has_flags;    /* the boot ROM has told those below; the keys alike */
    uint32_t flags;
    bool aggressive_revocation, usb_off, download_icache_off, download_dcache_off;
    unsigned revoked_digests; /* bit N: of secure boot key N */
    struct kiln_event_key keys[KILN_EVENT_KEYS];
    size_t key_count;
};

/* What an SPI flash chip and its controller tell. */
struct kiln_event_flash {
    unsigned manufacturer; /* JEDEC */
    const char *maker;     /* "" if the number is not known */
    unsigned device;       /* type and capacity */
    uint64_t size;         /* 0: not known */
    bool has_status;
    uint8_t status[3]; /* registers 1 to 3 */
    bool has_sfdp;     /* whether it has such tables is known */
    bool sfdp;         /* it has */
    unsigned sfdp_major, sfdp_minor;
    uint64_t sfdp_size;    /* bytes, as its tables say; 0: they do not */
    unsigned data_lines;   /* as eFuses have it, 4 or 8; 0: not known */
    const char *supply_by; /* "eFuse", "strapping pin", "register"; "" if not known */
    unsigned supply_mv;    /* 0: switched off */
};

/* Flash settings in the header of the bootloader that is in flash now. */
struct kiln_event_boot_header {
    const char *mode, *frequency, *size; /* "dio", "40m", "4MB"; "" for a code that is not known */
};

struct kiln_event_target {
    const char *chip;  /* "esp32", "" if only the bootloader is known */
    const char *title; /* "ESP32-D0WD-V3 (revision v3.1)" */
    const char *features;
    const char *serial;
    const char *loader;
    uint32_t flash_id;
    uint32_t crystal_mhz;
    uint32_t baud;
    bool read_protected;
    const struct kiln_event_region *regions;
    size_t region_count;
    const struct kiln_event_partition *partitions; /* of an ESP chip; only a job INFO reads them */
    size_t partition_count;
    /* alike; NULL if there is none or it cannot be read */
    const struct kiln_event_otadata *otadata;
    size_t otadata_count;
    const char *boots; /* label of the partition that the bootloader starts, "" if not known */
    /* of an ESP chip; each NULL if it is not known or only a job INFO would ask */
    const struct kiln_event_security *security;
    const struct kiln_event_flash *flash;
    const struct kiln_event_boot_header *boot_header;
    /* NULL if there are none or only a job INFO would read */
    const struct kiln_event_options *options;
};

enum kiln_step_kind { KILN_STEP_SKIP, KILN_STEP_ERASE, KILN_STEP_WRITE, KILN_STEP_VERIFY };

struct kiln_event_step {
    enum kiln_step_kind kind;
    uint64_t address, size;
    const char *region;
    bool encrypted; /* of a write: by the chip, with its own key; it cannot be compared */
};

struct kiln_map; /* kiln/map.h */

struct kiln_event_plan {
    const struct kiln_event_step *steps;
    size_t step_count;
    uint64_t image_bytes, erase_bytes, write_bytes, skip_bytes, verify_bytes;
    const struct kiln_map *map; /* NULL unless the request asked for it */
    uint64_t kept_bytes;        /* bytes of partly covered pages that are read and put back */
};

struct kiln_event_result {
    enum kiln_status status;
    const struct kiln_error *error; /* NULL on success */
    enum kiln_device_state state;
    /* How the board was left, behind "the board is": "running", "still in its bootloader", "not running: it
     * has no bootloader", ...; "" if that is not known. */
    const char *board_note;
    uint64_t written, skipped, erased, verified; /* bytes */
    uint64_t elapsed_ms;
    uint64_t transfer_ms; /* of which writing */
    const uint8_t *data;  /* what a read job read; owned by the job */
    size_t data_len;
};

struct kiln_event {
    enum kiln_event_kind kind;
    const char *device; /* how the user would name it: "/dev/ttyUSB0" */
    uint64_t time_ms;   /* since the job began, on the job's clock */
    const char *text;
    int level; /* of KILN_EVENT_LOG: 0 trace .. 3 warning */
    enum kiln_phase phase;
    uint64_t done, total;
    const struct kiln_event_target *target;
    const struct kiln_event_plan *plan;
    const struct kiln_event_options *options;
    const struct kiln_event_result *result;
};

#ifdef __cplusplus
}
#endif
#endif
