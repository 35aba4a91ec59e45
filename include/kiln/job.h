/* SPDX-License-Identifier: MIT */
/*
 * Jobs. One device = one job = one worker thread with its own link, loader and clean-up stack. A job
 * emits events, and nothing else leaves it. Any number of jobs may run at once; they share nothing that
 * changes.
 */
#ifndef KILN_JOB_H
#define KILN_JOB_H

#include <kiln/event.h>
#include <kiln/image.h>
#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kiln_verb {
    KILN_VERB_FLASH,
    KILN_VERB_VERIFY,
    KILN_VERB_READ,
    KILN_VERB_ERASE,
    KILN_VERB_RUN, /* start the application; with an image: put that into RAM and start it there */
    KILN_VERB_RESET, /* reset the board, no bootloader involved where the link allows */
    KILN_VERB_INFO,
    KILN_VERB_OPTIONS, /* change option bytes by name */
    KILN_VERB_POKE     /* write words of the chip's memory: `sets` */
};

enum kiln_reset_before {
    KILN_RESET_BEFORE_DEFAULT, /* as the board's USB id and chip tell, several ways in turn */
    KILN_RESET_BEFORE_USB,     /* as for the USB-Serial-JTAG of an ESP chip */
    KILN_RESET_BEFORE_NONE,    /* it is in its bootloader already */
    KILN_RESET_BEFORE_NO_SYNC, /* ... and has been spoken to: not even a SYNC is sent */
    /* open the serial port at 1200 baud and wait for the DFU device that comes up at the same USB place */
    KILN_RESET_BEFORE_TOUCH
};
enum kiln_reset_after {
    KILN_RESET_AFTER_DEFAULT,   /* started; a USB bootloader only after FLASH, RUN and RESET */
    KILN_RESET_AFTER_HARD,      /* by the reset line */
    KILN_RESET_AFTER_SOFT,      /* by a command of the bootloader */
    KILN_RESET_AFTER_STAY,      /* not at all: in its bootloader */
    KILN_RESET_AFTER_STAY_STUB, /* ... with the flasher stub running */
    KILN_RESET_AFTER_WATCHDOG   /* by the watchdog of an ESP chip that has no other way */
};

/* What serves on an ESP chip. */
enum kiln_request_loader {
    KILN_LOADER_STUB, /* the vendor's flasher stub, else the ROM */
    KILN_LOADER_ROM,
    KILN_LOADER_KILN /* Kiln's own flasher, tried in emulators only; else as STUB */
};

struct kiln_request {
    size_t size; /* sizeof(struct kiln_request) */
    enum kiln_verb verb;
    const char *device; /* -d: a selector that names one device; see kiln/device.h */
    const char *chip;   /* what the user says it is, or NULL */
    /* FLASH, VERIFY, RUN: borrowed until the job is freed */
    const struct kiln_image *const *images;
    size_t image_count;
    /* for each image the partition it goes to, or NULL; may be NULL; borrowed like the images */
    const char *const *places;
    /* FLASH: the application slot of an ESP chip that starts from now on, by label or OTA number; NULL: as
     * otadata says */
    const char *boot_slot;
    /* OPTIONS: "nBOOT0=1", ...; POKE: "ADDRESS=VALUE[/MASK]", ...; borrowed until the job is freed */
    const char *const *sets;
    size_t set_count;
    uint64_t address, length;  /* READ and ERASE; length 0: the whole region */
    const char *region;        /* READ and ERASE by region name, or NULL */
    uint32_t baud;             /* 0: the fastest that holds */
    uint32_t connect_attempts; /* 0: default */
    enum kiln_reset_before before;
    enum kiln_reset_after after;
    enum kiln_request_loader loader;
    const char *layout;     /* DfuSe layout string that replaces the device's */
    const char *alt;        /* DFU alternate setting by number or name, or NULL */
    int32_t dfu_interface;  /* number of the DFU interface if there are several; -1: the first */
    uint32_t transfer_size; /* bytes of a DFU transfer; 0: what the device says */
    /* FLASH: where leaving a DFU bootloader starts the application; KILN_NO_ADDRESS: the beginning of the flash */
    uint64_t start_address;
    const char *reset_sequence; /* custom reset string */
    const char *trace_path;     /* record the link here */
    const char *stub_dir;
    uint64_t flash_size; /* 0: detect */
    /* FLASH: what goes into the header of an ESP bootloader. Mode and frequency: "dio", "80m"; "keep" or NULL:
     * as they are. Size: `flash_size` if that is given, "detect": what the board has, "keep": as it is,
     * NULL: as it is unless the board has less. */
    const char *flash_mode, *flash_freq, *header_size;
    /* FLASH: for each image whether the chip encrypts it with its own key; may be NULL; borrowed like the images */
    const bool *encrypt;
    uint32_t wait_ms; /* wait that long for the device to appear */
    bool map;         /* FLASH: the plan's event carries a map of the flash */
    bool full;        /* write all, also what is equal */
    bool force;       /* override safety checks */
    bool no_verify;
    bool erase_all; /* FLASH: erase the chip first; ERASE: the whole chip */
    bool unprotect; /* ERASE: remove read protection */
    bool dry_run;   /* plan only */
    bool memory;    /* READ: of the chip's address space, registers included, not of its flash */
    bool bus_reset; /* reset a USB device that is still there at the end */
    int log_level;  /* 0 trace .. 3 warnings only */
};

#define KILN_REQUEST_INIT                                                         \
    {                                                                             \
        .size = sizeof(struct kiln_request), .log_level = 3, .dfu_interface = -1, \
        .start_address = KILN_NO_ADDRESS                                          \
    }

struct kiln_job;

/* Copies the strings of the request but for what is said to be borrowed. Nothing is opened yet. NOMEM
 * alone, also if no descriptor is left. */
KILN_API KILN_MUST_USE enum kiln_status kiln_job_create(const struct kiln_request *request,
                                                        struct kiln_job **out_job);

/* Starts the job's thread; once. NOMEM: there is none to be had. What goes wrong later is in the RESULT event. */
KILN_API KILN_MUST_USE enum kiln_status kiln_job_start(struct kiln_job *job);

/*
 * Takes the next event; waits up to `timeout_ms` for it (0: does not wait). False if none came, or after
 * the RESULT event was taken. Of one thread at a time; what the event points to lives until the next call.
 */
KILN_API bool kiln_job_next_event(struct kiln_job *job, struct kiln_event *out_event,
                                  uint32_t timeout_ms);

/* Readable while an event waits; for poll(). Owned by the job. */
KILN_API int kiln_job_event_fd(const struct kiln_job *job);

/* Stops the job in the best state there is: finishes the flash operation under way, leaves the
 * bootloader, releases the reset line. Async-signal-safe. The RESULT event still comes. */
KILN_API void kiln_job_cancel(struct kiln_job *job);

/* The state the device is in as far as is known at this moment; for the message of a second Ctrl-C. */
KILN_API enum kiln_device_state kiln_job_state(const struct kiln_job *job);

/* Cancels if it still runs, joins the thread, frees. NULL is fine. */
KILN_API void kiln_job_free(struct kiln_job *job);

#ifdef __cplusplus
}
#endif
#endif
