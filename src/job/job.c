/* SPDX-License-Identifier: MIT */
/* The job: its thread, its state, its life. */
#include "job/job_internal.h"

#include "os/wait.h"
#include "os/yield.h"

#include <kiln/kiln.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *kiln_version(void)
{
    return KILN_VERSION;
}

const char *kiln_phase_name(enum kiln_phase phase)
{
    static const char *const names[KILN_PHASE_COUNT] = {"connect", "survey", "erase", "write",
                                                        "verify",  "read",   "start"};

    return (unsigned)phase < KILN_PHASE_COUNT ? names[phase] : "?";
}

/* ---- events ---- */

static uint64_t elapsed_ms(const struct kiln_job *job)
{
    return (kiln_ctx_now_ns(&job->ctx) - job->began_ns) / KILN_NS_PER_MS;
}

void kiln_job_emit(struct kiln_job *job, struct kiln_event *event)
{
    event->device = job->device;
    event->time_ms = elapsed_ms(job);
    kiln_event_queue_put(&job->queue, event);
}

void kiln_job_begin_phase(struct kiln_job *job, enum kiln_phase phase, uint64_t total,
                          const char *text)
{
    struct kiln_event event = {
        .kind = KILN_EVENT_PHASE, .phase = phase, .total = total, .text = text};

    job->phase = phase;
    job->phase_total = total;
    job->phase_done = 0;
    job->op_base = 0;
    kiln_job_emit(job, &event);
}

static void report_progress(struct kiln_job *job)
{
    struct kiln_event event = {.kind = KILN_EVENT_PROGRESS,
                               .phase = job->phase,
                               .done = job->phase_done,
                               .total = job->phase_total};

    if (event.done > event.total)
        event.done = event.total;
    kiln_job_emit(job, &event);
}

static void op_step(void *user, uint64_t done)
{
    struct kiln_job *job = user;

    job->phase_done = job->op_base + done;
    report_progress(job);
}

struct kiln_progress kiln_job_op_progress(struct kiln_job *job)
{
    return (struct kiln_progress){op_step, job};
}

void kiln_job_op_done(struct kiln_job *job, uint64_t bytes)
{
    job->op_base += bytes;
    job->phase_done = job->op_base;
    if (job->phase_total > 0)
        report_progress(job);
}

void kiln_job_note(struct kiln_job *job, const char *format, ...)
{
    struct kiln_event event = {.kind = KILN_EVENT_NOTE};
    char text[600];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    event.text = text;
    kiln_job_emit(job, &event);
}

enum kiln_status kiln_job_spare(struct kiln_job *job, enum kiln_status status, const char *what)
{
    if (job->request.verb != KILN_VERB_INFO ||
        (status != KILN_E_NAK && status != KILN_E_UNSUPPORTED && status != KILN_E_ARG &&
         status != KILN_E_PROTO))
        return status;
    kiln_job_note(job, "%s: %s", what, job->ctx.error.message);
    kiln_error_clear(&job->ctx);
    return KILN_OK;
}

void kiln_job_set_state(struct kiln_job *job, enum kiln_device_state state)
{
    atomic_store(&job->state, (int)state);
}

static void log_line(void *user, enum kiln_log_level level, const char *domain, const char *text)
{
    struct kiln_job *job = user;
    struct kiln_event event = {.kind = KILN_EVENT_LOG, .level = (int)level};
    char line[560];

    snprintf(line, sizeof line, "%s: %s", domain, text);
    event.text = line;
    kiln_job_emit(job, &event);
}

/* ---- the device event ---- */

/* Only who asks for information waits for the board's partition table to be read. */
static enum kiln_status view_partitions(struct kiln_job *job)
{
    if (job->request.verb != KILN_VERB_INFO)
        return KILN_OK;
    KILN_TRY(kiln_job_spare(job, kiln_job_partitions(job), "the partition table cannot be read"));
    job->partition_view = calloc(job->partition_count + 1, sizeof *job->partition_view);
    if (job->partition_view == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    for (size_t i = 0; i < job->partition_count; i++)
        job->partition_view[i] = (struct kiln_event_partition){
            .label = job->partitions[i].label,
            .type = job->partitions[i].type,
            .subtype = job->partitions[i].subtype,
            .start = job->partitions[i].offset,
            .size = job->partitions[i].size,
            .flags = job->partitions[i].flags,
        };
    job->target.partitions = job->partition_view;
    job->target.partition_count = job->partition_count;
    return job->partition_count > 0 ? kiln_job_view_slots(job) : KILN_OK;
}

static enum kiln_status publish_target(struct kiln_job *job)
{
    const struct kiln_target_info *info = &job->told;
    struct kiln_event event = {.kind = KILN_EVENT_DEVICE, .target = &job->target};

    job->told = *job->loader->ops->info(job->loader);
    job->regions = calloc(info->region_count + 1, sizeof *job->regions);
    if (job->regions == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    for (size_t i = 0; i < info->region_count; i++)
        job->regions[i] = (struct kiln_event_region){
            .name = info->region[i].name,
            .start = info->region[i].start,
            .size = info->region[i].size,
            .page = info->region[i].page,
            .access = info->region[i].access,
        };
    job->target = (struct kiln_event_target){
        .chip = info->chip != NULL ? info->chip->name : "",
        .title = info->chip_title,
        .features = info->features,
        .serial = info->serial,
        .loader = info->loader,
        .boots = "",
        .flash_id = info->flash_id,
        .crystal_mhz = info->crystal_mhz,
        .baud = info->baud,
        .read_protected = info->read_protected,
        .regions = job->regions,
        .region_count = info->region_count,
    };
    KILN_TRY(view_partitions(job));
    if (job->request.verb == KILN_VERB_INFO) {
        KILN_TRY(kiln_job_view_details(job));
        KILN_TRY(kiln_job_options_read(job));
        job->target.options = kiln_job_options_view(job);
        /* what was asked has made notes of its own */
        snprintf(job->told.notes, sizeof job->told.notes, "%s",
                 job->loader->ops->info(job->loader)->notes);
    }
    kiln_job_emit(job, &event);
    if (info->notes[0] != '\0') {
        struct kiln_event note = {.kind = KILN_EVENT_NOTE, .text = info->notes};

        kiln_job_emit(job, &note);
    }
    return KILN_OK;
}

/* ---- the run ---- */

static void abandon(void *self, struct kiln_ctx *ctx)
{
    struct kiln_job *job = self;
    const struct kiln_loader_ops *ops = job->loader->ops;
    bool silent = job->error.hint == KILN_HINT_ESP_NO_REPLY;
    enum kiln_status status =
        ops->abandon != NULL ? ops->abandon(job->loader, ctx) : ops->leave(job->loader, ctx);

    job->board_note = status != KILN_OK ? "not answering; replug it"
                      : silent          ? "reset, and did not answer before that"
                                        : "ready for another try";
}

static const char *note_after(const struct kiln_job *job)
{
    switch (kiln_job_after(job)) {
    case KILN_RESET_AFTER_STAY:
        return "still in its bootloader";
    case KILN_RESET_AFTER_STAY_STUB:
        return "still in the flasher stub";
    case KILN_RESET_AFTER_DEFAULT:
    case KILN_RESET_AFTER_HARD:
    case KILN_RESET_AFTER_SOFT:
    case KILN_RESET_AFTER_WATCHDOG:
        break;
    }
    return job->running;
}

/* Whether the verb is about memory that is not there. */
static enum kiln_status check_memory(struct kiln_job *job)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    enum kiln_verb verb = job->request.verb;
    bool needs = verb == KILN_VERB_FLASH || verb == KILN_VERB_VERIFY || verb == KILN_VERB_ERASE ||
                 (verb == KILN_VERB_READ && !job->request.memory);

    if (!needs || info->region_count > 0 || info->no_memory[0] == '\0')
        return KILN_OK;
    return kiln_fail_hint(&job->ctx, KILN_E_UNSUPPORTED, KILN_HINT_FLASH_SILENT, "%s",
                          info->no_memory);
}

static enum kiln_status do_verb(struct kiln_job *job)
{
    bool stream = (job->loader->ops->info(job->loader)->caps & KILN_CAP_STREAM) != 0;

    KILN_TRY(check_memory(job));
    switch (job->request.verb) {
    case KILN_VERB_FLASH:
        return stream ? kiln_job_stream_flash(job) : kiln_job_flash(job);
    case KILN_VERB_VERIFY:
        return stream ? kiln_job_stream_verify(job) : kiln_job_verify(job);
    case KILN_VERB_READ:
        if (job->request.memory)
            return kiln_job_read_memory(job);
        return stream ? kiln_job_stream_read(job) : kiln_job_read(job);
    case KILN_VERB_ERASE:
        return kiln_job_erase(job);
    case KILN_VERB_RUN:
        if (job->request.image_count > 0)
            return kiln_job_run_ram(job);
        if (job->loader->ops->run != NULL)
            return job->loader->ops->run(job->loader, &job->ctx, job->request.address);
        return KILN_OK; /* leaving starts it */
    case KILN_VERB_RESET:
        return kiln_job_reset(job);
    case KILN_VERB_INFO:
        return KILN_OK; /* the device event has told it */
    case KILN_VERB_OPTIONS:
        return kiln_job_options(job);
    case KILN_VERB_POKE:
        return kiln_job_poke(job);
    }
    return kiln_fail(&job->ctx, KILN_E_INTERNAL, "unknown verb");
}

static enum kiln_status leave(struct kiln_job *job)
{
    bool starts = job->request.verb != KILN_VERB_RUN && job->request.verb != KILN_VERB_RESET;
    enum kiln_status status;

    kiln_cleanup_drop(&job->cleanup, job);
    if (!starts) {
        job->board_note = job->running;
        return KILN_OK;
    }
    if (kiln_job_after(job) != KILN_RESET_AFTER_STAY)
        kiln_job_begin_phase(job, KILN_PHASE_START, 0, NULL);
    status = job->loader->ops->leave(job->loader, &job->ctx);
    job->board_note = status == KILN_OK              ? note_after(job)
                      : status == KILN_E_UNSUPPORTED ? "still in its bootloader"
                                                     : "";
    if (status == KILN_E_UNSUPPORTED && kiln_job_after(job) == KILN_RESET_AFTER_DEFAULT) {
        /* The work is done; that the link has no reset line is no failure of it. */
        kiln_error_clear(&job->ctx);
        return KILN_OK;
    }
    if (status != KILN_OK)
        return kiln_while(&job->ctx, "while leaving the bootloader");
    return KILN_OK;
}

/* A device that leaves the bus in the middle of its reset has been reset. */
static enum kiln_status reset_bus(struct kiln_job *job)
{
    enum kiln_status status;

    if (job->usb_link == NULL || kiln_usb_is_gone(job->usb_link))
        return KILN_OK;
    status = kiln_usb_reset(job->usb_link, &job->ctx);
    if (status != KILN_OK && status != KILN_E_GONE)
        return kiln_while(&job->ctx, "while resetting the device");
    kiln_error_clear(&job->ctx);
    job->board_note = "reset";
    return KILN_OK;
}

static enum kiln_status work(struct kiln_job *job)
{
    KILN_TRY(kiln_job_open(job));
    if (job->loader == NULL) {
        job->board_note = job->running;
        return kiln_job_reset(job);
    }
    if (kiln_cleanup_push(&job->cleanup, abandon, job) != KILN_OK)
        return kiln_fail(&job->ctx, KILN_E_INTERNAL, "clean-up stack is full");
    KILN_TRY(publish_target(job));
    KILN_TRY(do_verb(job));
    KILN_TRY(leave(job));
    return job->request.bus_reset ? reset_bus(job) : KILN_OK;
}

static void close_links(struct kiln_job *job)
{
    if (job->loader != NULL)
        job->loader->ops->free(job->loader);
    if (job->retired != NULL)
        job->retired->ops->free(job->retired);
    job->retired = NULL;
    kiln_link_close(job->byte_link);
    kiln_usb_close(job->usb_link);
    kiln_trace_close(job->trace);
    kiln_yield_return(job->yielded);
    job->yielded = -1;
    job->loader = NULL;
    job->byte_link = NULL;
    job->usb_link = NULL;
    job->trace = NULL;
}

/* What was to be changed and was refused, or was not reached, is as it was. */
static void state_after_failure(struct kiln_job *job)
{
    enum kiln_device_state state = (enum kiln_device_state)atomic_load(&job->state);
    bool begun = state == KILN_STATE_ERASED || state == KILN_STATE_PARTIAL;

    if (begun && job->loader != NULL && job->loader->ops->untouched != NULL &&
        job->loader->ops->untouched(job->loader))
        kiln_job_set_state(job, KILN_STATE_UNTOUCHED);
}

void kiln_job_run_here(struct kiln_job *job)
{
    struct kiln_event event = {.kind = KILN_EVENT_RESULT, .result = &job->result};
    enum kiln_status status;

    job->began_ns = kiln_ctx_now_ns(&job->ctx);
    status = work(job);
    if (status != KILN_OK) {
        job->error = job->ctx.error;
        state_after_failure(job);
    }
    kiln_cleanup_run(&job->cleanup, &job->ctx);
    job->result.status = status;
    job->result.error = status != KILN_OK ? &job->error : NULL;
    job->result.state = (enum kiln_device_state)atomic_load(&job->state);
    job->result.board_note = job->result.status == KILN_E_GONE ? "" : job->board_note;
    job->result.elapsed_ms = elapsed_ms(job);
    /* The simulators' clock and links end here; the result is all that stays. */
    kiln_job_emit(job, &event);
    close_links(job);
}

static void *thread_main(void *user)
{
    kiln_job_run_here(user);
    return NULL;
}

/* ---- life ---- */

static bool copy_text(const char **field)
{
    if (*field == NULL)
        return true;
    *field = strdup(*field);
    return *field != NULL;
}

static bool copy_strings(struct kiln_request *request)
{
    const char **fields[] = {&request->device,         &request->chip,       &request->region,
                             &request->layout,         &request->trace_path, &request->stub_dir,
                             &request->reset_sequence, &request->alt,        &request->boot_slot,
                             &request->flash_mode,     &request->flash_freq, &request->header_size};
    bool good = true;

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        good = copy_text(fields[i]) && good;
    return good;
}

static void free_strings(struct kiln_request *request)
{
    const char *fields[] = {request->device,         request->chip,       request->region,
                            request->layout,         request->trace_path, request->stub_dir,
                            request->reset_sequence, request->alt,        request->boot_slot,
                            request->flash_mode,     request->flash_freq, request->header_size};

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        free((void *)(uintptr_t)fields[i]);
}

enum kiln_status kiln_job_create_on(const struct kiln_request *request,
                                    const struct kiln_job_hooks *hooks, struct kiln_job **out_job)
{
    struct kiln_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return KILN_E_NOMEM;
    job->request = *request;
    if (hooks != NULL)
        job->hooks = *hooks;
    job->board_note = "";
    job->running = "running";
    job->yielded = -1;
    job->cancel.wake_fd = job->cancel.fire_fd = -1;
    kiln_ctx_init(&job->ctx, job->hooks.clock != NULL ? job->hooks.clock : kiln_system_clock());
    job->log = (struct kiln_log_sink){log_line, job, (enum kiln_log_level)request->log_level};
    job->ctx.log = &job->log;
    kiln_cleanup_init(&job->cleanup);
    if (!copy_strings(&job->request) || !kiln_event_queue_init(&job->queue) ||
        kiln_cancel_init(&job->cancel) != KILN_OK) {
        kiln_job_free(job);
        return KILN_E_NOMEM;
    }
    job->ctx.cancel = &job->cancel;
    *out_job = job;
    return KILN_OK;
}

enum kiln_status kiln_job_create(const struct kiln_request *request, struct kiln_job **out_job)
{
    return kiln_job_create_on(request, NULL, out_job);
}

enum kiln_status kiln_job_start(struct kiln_job *job)
{
    if (pthread_create(&job->thread, NULL, thread_main, job) != 0)
        return KILN_E_NOMEM;
    job->started = true;
    return KILN_OK;
}

bool kiln_job_next_event(struct kiln_job *job, struct kiln_event *out_event, uint32_t timeout_ms)
{
    return kiln_event_queue_take(&job->queue, out_event, timeout_ms);
}

int kiln_job_event_fd(const struct kiln_job *job)
{
    return job->queue.fd;
}

void kiln_job_cancel(struct kiln_job *job)
{
    kiln_cancel_fire(&job->cancel);
}

enum kiln_device_state kiln_job_state(const struct kiln_job *job)
{
    return (enum kiln_device_state)atomic_load(&job->state);
}

void kiln_job_free(struct kiln_job *job)
{
    if (job == NULL)
        return;
    if (job->started) {
        kiln_job_cancel(job);
        pthread_join(job->thread, NULL);
    }
    kiln_event_queue_dispose(&job->queue);
    if (job->cancel.wake_fd >= 0)
        kiln_cancel_dispose(&job->cancel);
    free_strings(&job->request);
    kiln_plan_dispose(&job->plan);
    kiln_job_place_dispose(job);
    kiln_job_options_dispose(job);
    free(job->regions);
    free(job->partition_view);
    free(job->apps);
    free(job->steps);
    kiln_map_dispose(&job->map);
    free(job->data);
    free(job);
}
