/* SPDX-License-Identifier: MIT */
/* What the files of a job share. Tests may create a job on a link of their own. */
#ifndef KILN_JOB_JOB_INTERNAL_H
#define KILN_JOB_JOB_INTERNAL_H

#include "base/cleanup.h"
#include "base/ctx.h"
#include "image/esp_ota.h"
#include "link/open.h"
#include "loader/loader.h"
#include "plan/map.h"
#include "plan/plan.h"
#include "sim/sim.h"

#include <kiln/job.h>
#include <pthread.h>

struct event_node;

/* The queue between the worker and whoever takes events. */
struct kiln_event_queue {
    pthread_mutex_t lock;
    int fd; /* an eventfd, readable while the queue is not empty */
    struct event_node *first, *last;
    struct event_node *taken;   /* the one whose strings the taker may still read */
    struct event_node *reserve; /* for the RESULT event, which must never be lost */
    bool ended;
};

bool kiln_event_queue_init(struct kiln_event_queue *queue);
void kiln_event_queue_dispose(struct kiln_event_queue *queue);
/* Copies the event and its text. Drops it when out of memory, except RESULT. */
void kiln_event_queue_put(struct kiln_event_queue *queue, const struct kiln_event *event);
bool kiln_event_queue_take(struct kiln_event_queue *queue, struct kiln_event *out_event,
                           uint32_t timeout_ms);

/* Instead of opening what the selector names. All borrowed; for tests and for the sweep. */
struct kiln_job_hooks {
    struct kiln_sim_uart *uart; /* at most one of the two */
    struct kiln_sim_usb *usb;
    struct kiln_clock *clock;
    struct kiln_fault *fault; /* laid over the link; its CANCEL kind fires the job's token */
};

struct kiln_job_app {
    struct kiln_app_descriptor descriptor;
    struct kiln_event_app view;
};

struct kiln_job {
    struct kiln_request request; /* strings owned */
    struct kiln_job_hooks hooks;
    struct kiln_event_queue queue;
    pthread_t thread;
    bool started;

    /* Worker's own from here on. */
    struct kiln_ctx ctx;
    struct kiln_cancel cancel;
    struct kiln_log_sink log;
    struct kiln_cleanup cleanup;
    struct kiln_virtual_clock virtual_clock;
    uint64_t began_ns;
    char device[128]; /* how messages name the device */
    struct kiln_byte_link *byte_link;
    struct kiln_usb_link *usb_link;
    struct kiln_trace *trace;
    int yielded; /* from the monitor that let go of the port for us, -1 */
    struct kiln_loader *loader;
    /* the one before the board first reset itself: plan and events point to it */
    struct kiln_loader *retired;
    const struct kiln_image *
        *images;                /* the request's, those without address replaced by placed ones */
    size_t image_count;         /* of them; one more than the request's where otadata is switched */
    bool *encrypted;            /* for each of them whether the chip encrypts it */
    struct kiln_image **placed; /* owned; NULL where the request's image is used */
    /* of the files or of the board; see kiln_job_partitions() */
    struct kiln_esp_partition *partitions;
    size_t partition_count;
    bool partitions_read; /* from the board */
    /* of a job FLASH; all zero where the board has no such fuses */
    struct kiln_protection protection;
    bool has_protection;
    uint64_t last_from, last_to; /* what the plan writes last; equal if nothing */
    struct kiln_plan plan;
    const char *board_note;
    const char *running; /* what the board does once it is started, as in board_note */
    atomic_int state;    /* enum kiln_device_state */

    /* What events point to. The loader's own information changes while it works (a flasher stub starts, a rate
     * is raised), so what was told of the board is a copy. */
    struct kiln_target_info told;
    struct kiln_event_target target;
    struct kiln_event_region *regions;
    struct kiln_job_options *options; /* NULL until they were read */
    struct kiln_event_partition *partition_view;
    struct kiln_job_app *apps; /* of each partition */
    struct kiln_event_otadata otadata_view[2];
    struct kiln_details details;
    struct kiln_event_boot_header boot_header;
    struct kiln_event_plan plan_view;
    struct kiln_map map;
    struct kiln_event_step *steps;
    struct kiln_event_result result;
    struct kiln_error error;
    uint8_t *data;

    /* The phase in progress. */
    enum kiln_phase phase;
    uint64_t phase_total, phase_done, op_base;
};

/* Like kiln_job_create(), on hooks. */
KILN_MUST_USE enum kiln_status kiln_job_create_on(const struct kiln_request *request,
                                                  const struct kiln_job_hooks *hooks,
                                                  struct kiln_job **out_job);

/* Runs the job on the calling thread instead of starting one. */
void kiln_job_run_here(struct kiln_job *job);

/* ---- events ---- */

/* Fills in device and time and puts the event into the queue. */
void kiln_job_emit(struct kiln_job *job, struct kiln_event *event);
void kiln_job_begin_phase(struct kiln_job *job, enum kiln_phase phase, uint64_t total,
                          const char *text);
/* Progress of the loader op that begins now: its `done` counts from what the phase has done so far. */
struct kiln_progress kiln_job_op_progress(struct kiln_job *job);
/* The op dealt with `bytes`. */
void kiln_job_op_done(struct kiln_job *job, uint64_t bytes);
void kiln_job_note(struct kiln_job *job, const char *format, ...) KILN_PRINTF(2, 3);
/* What comes of a question that only informs: a job INFO notes what the board refuses to tell, and goes on. */
KILN_MUST_USE enum kiln_status kiln_job_spare(struct kiln_job *job, enum kiln_status status,
                                              const char *what);
void kiln_job_set_state(struct kiln_job *job, enum kiln_device_state state);

/* What happens to the board at the end: a USB bootloader that was only looked at is left as it was found. */
enum kiln_reset_after kiln_job_after(const struct kiln_job *job);

/* ---- parts of a run, each with the context of the job ---- */

KILN_MUST_USE enum kiln_status kiln_job_open(struct kiln_job *job);
/* A new loader on the link of a board that has come back. The old one stays if it cannot be had. */
KILN_MUST_USE enum kiln_status kiln_job_connect_again(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_survey(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_flash(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_verify(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_read(struct kiln_job *job);
/* READ with request.memory, and RUN with an image. */
KILN_MUST_USE enum kiln_status kiln_job_read_memory(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_poke(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_run_ram(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_erase(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_reset(struct kiln_job *job);

KILN_MUST_USE enum kiln_status kiln_job_options(struct kiln_job *job);

/* Option bytes that a file covers, which the plan's steps for them say: told and checked before anything is
 * written, and written and verified after all else, through the reset that follows. */
KILN_MUST_USE enum kiln_status kiln_job_options_plan(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_options_of_plan(struct kiln_job *job);

/* Reads and decodes the option bytes, if the board has any that can be read: job->options. */
KILN_MUST_USE enum kiln_status kiln_job_options_read(struct kiln_job *job);
const struct kiln_event_options *kiln_job_options_view(const struct kiln_job *job);
void kiln_job_options_dispose(struct kiln_job *job);

/* The same verbs for a device without addresses. */
KILN_MUST_USE enum kiln_status kiln_job_stream_flash(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_stream_verify(struct kiln_job *job);
KILN_MUST_USE enum kiln_status kiln_job_stream_read(struct kiln_job *job);

/* What a command that erases the whole chip is about: neither option bytes nor one-time memory. */
bool kiln_job_is_main_memory(const struct kiln_region *region);

/* Erases the whole chip, or says that it would in a dry run. */
KILN_MUST_USE enum kiln_status kiln_job_erase_chip(struct kiln_job *job);
/* E_VERIFY if a page of the range holds something: boot ROMs pass over what is write-protected and say nothing. */
KILN_MUST_USE enum kiln_status kiln_job_check_erased(struct kiln_job *job,
                                                     const struct kiln_region *region,
                                                     uint64_t address, uint64_t size);
/* Erases all of the main memory in place of the plan's pages if that is quicker and there is nothing else in it. */
KILN_MUST_USE enum kiln_status kiln_job_erase_at_once(struct kiln_job *job, bool *out_erased);

/* Whether the chip's bootloader takes no ELF files, so that one must be made into an image. */
bool kiln_job_needs_image(const struct kiln_job *job, const struct kiln_image *image);
/* The image that the ELF file stands for. FILE, REFUSED if it is for another chip. */
KILN_MUST_USE enum kiln_status kiln_job_make_image(struct kiln_job *job,
                                                   const struct kiln_image *elf,
                                                   struct kiln_image **out_image);

/* Finds a place for every image of the request that has none: job->images. */
KILN_MUST_USE enum kiln_status kiln_job_place(struct kiln_job *job);
void kiln_job_place_dispose(struct kiln_job *job);
/* Puts the flash settings that are wished for into the bootloader among job->images. */
KILN_MUST_USE enum kiln_status kiln_job_settle_headers(struct kiln_job *job);

/* Fills job->partitions if this is an ESP chip and a table is to be had; none is no error. */
KILN_MUST_USE enum kiln_status kiln_job_partitions(struct kiln_job *job);
/* ARG if the table has two of that name. */
KILN_MUST_USE enum kiln_status kiln_job_partition_once(struct kiln_job *job, const char *label);
const struct kiln_esp_partition *kiln_job_partition(const struct kiln_job *job, const char *label);
/* Fails with what partitions there are instead of `name`. */
KILN_MUST_USE enum kiln_status kiln_job_no_partition(struct kiln_job *job, const char *name);

/* The slot the user wants to start, else the one that the bootloader starts; NULL if there is none. The partitions
 * are known. */
KILN_MUST_USE enum kiln_status kiln_job_boot_slot(struct kiln_job *job,
                                                  const struct kiln_esp_partition **out_slot);
/* What is to be written so that request.boot_slot starts. Unchanged contents if it does already. */
KILN_MUST_USE enum kiln_status kiln_job_boot_image(struct kiln_job *job,
                                                   struct kiln_image **out_image);
/* Fills in what the device event says of applications and otadata. Partitions are known and viewed. */
KILN_MUST_USE enum kiln_status kiln_job_view_slots(struct kiln_job *job);

/* Fills in what the device event says of protection, flash and bootloader. */
KILN_MUST_USE enum kiln_status kiln_job_view_details(struct kiln_job *job);

/* Does a page hold nothing at all? */
KILN_MUST_USE enum kiln_status kiln_job_is_blank(struct kiln_job *job,
                                                 const struct kiln_region *region, uint64_t page,
                                                 bool *out_blank);
/* Do the beginning and end of a page that was just erased look so? All FF or all 00: clones erase to either. */
KILN_MUST_USE enum kiln_status kiln_job_looks_erased(struct kiln_job *job,
                                                     const struct kiln_region *region,
                                                     uint64_t page, bool *out_blank);

/* Compares [address, +size) of the device with `wanted`: by digest where the loader has one, else by
 * reading. VERIFY with the place of the first difference; *out_equal instead if it is not NULL. */
KILN_MUST_USE enum kiln_status kiln_job_compare(struct kiln_job *job, uint64_t address,
                                                const uint8_t *wanted, size_t size,
                                                bool *out_equal);

#endif
