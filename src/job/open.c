/* SPDX-License-Identifier: MIT */
/* From the selector of the request to an open link with its layers and a connected loader. */
#include "job/job_internal.h"
#include "job/open_link.h"

#include "os/wait.h"

#include <kiln/device.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file that says that it is for another family of chips must not take a running board out of its work. */
static bool may_be_for(const char *loader, const struct kiln_request *request)
{
    for (size_t i = 0; i < request->image_count; i++) {
        enum kiln_image_type type = kiln_image_info(request->images[i])->type;

        if (strcmp(loader, "dfu") == 0 &&
            (type == KILN_IMAGE_ESP || type == KILN_IMAGE_ESP_MERGED ||
             type == KILN_IMAGE_ESP_PARTITIONS))
            return false;
    }
    return true;
}

/* Only who flashes wants the application stopped; a dry run changes nothing. */
static enum kiln_touch touch_of(const struct kiln_request *request)
{
    if (request->before == KILN_RESET_BEFORE_TOUCH)
        return KILN_TOUCH_ASKED;
    if (request->verb == KILN_VERB_RESET)
        return KILN_TOUCH_NEVER;
    if (request->verb != KILN_VERB_FLASH || request->dry_run ||
        request->before != KILN_RESET_BEFORE_DEFAULT || !may_be_for("dfu", request))
        return KILN_TOUCH_REFUSE;
    return KILN_TOUCH_KNOWN;
}

static enum kiln_status open_link(struct kiln_job *job)
{
    const char *selector = job->request.device != NULL ? job->request.device : "";
    const struct kiln_opening opening = {selector, job->request.wait_ms, touch_of(&job->request)};
    struct kiln_opened opened = {.virtual_clock = &job->virtual_clock, .yielded = -1};
    struct kiln_clock *clock = job->ctx.clock;
    enum kiln_status status;

    if (job->hooks.uart != NULL)
        status = kiln_open_uart_board(&job->ctx, job->hooks.uart, false, &opened);
    else if (job->hooks.usb != NULL)
        status = kiln_sim_usb_link(&job->ctx, job->hooks.usb, false, &opened.usb_link);
    else
        status = kiln_open_selector(&job->ctx, &opening, &opened);
    if (opened.note[0] != '\0')
        kiln_job_note(job, "%s", opened.note);
    if (job->ctx.clock != clock)
        job->began_ns = 0; /* the simulated board brought its own clock */
    snprintf(job->device, sizeof job->device, "%s",
             opened.device[0] != '\0' ? opened.device : selector);
    job->yielded = opened.yielded;
    job->byte_link = opened.byte_link;
    job->usb_link = opened.usb_link;
    return status;
}

/* A constructor closes what it was given when it fails, so the job forgets the lower link first. */
static enum kiln_status lay_over(struct kiln_job *job)
{
    struct kiln_byte_link *byte_link = job->byte_link;
    struct kiln_usb_link *usb_link = job->usb_link;

    job->byte_link = NULL;
    job->usb_link = NULL;
    if (job->hooks.fault != NULL && byte_link != NULL)
        KILN_TRY(kiln_fault_byte_layer(&job->ctx, job->hooks.fault, byte_link, &byte_link));
    if (job->hooks.fault != NULL && usb_link != NULL)
        KILN_TRY(kiln_fault_usb_layer(&job->ctx, job->hooks.fault, usb_link, &usb_link));
    if (job->trace != NULL && byte_link != NULL)
        KILN_TRY(kiln_trace_byte_layer(&job->ctx, job->trace, byte_link, &byte_link));
    if (job->trace != NULL && usb_link != NULL)
        KILN_TRY(kiln_trace_usb_layer(&job->ctx, job->trace, usb_link, &usb_link));
    job->byte_link = byte_link;
    job->usb_link = usb_link;
    return KILN_OK;
}

enum kiln_reset_after kiln_job_after(const struct kiln_job *job)
{
    enum kiln_verb verb = job->request.verb;
    bool starts = verb == KILN_VERB_FLASH || verb == KILN_VERB_RUN || verb == KILN_VERB_RESET;

    /* A reset would undo what was written. */
    if (job->request.after == KILN_RESET_AFTER_DEFAULT && verb == KILN_VERB_POKE)
        return KILN_RESET_AFTER_STAY;
    if (job->request.after == KILN_RESET_AFTER_DEFAULT && job->usb_link != NULL &&
        (!starts || job->request.dry_run))
        return KILN_RESET_AFTER_STAY;
    return job->request.after;
}

/* The touch is done by now; the loader has nothing left to do for it. */
static enum kiln_before before_of(enum kiln_reset_before before)
{
    return before == KILN_RESET_BEFORE_TOUCH ? KILN_BEFORE_DEFAULT : (enum kiln_before)before;
}

/* A program in RAM would meet the helper there, and only the vendor's knows encryption. */
static enum kiln_flasher flasher_of(const struct kiln_request *request)
{
    if (request->verb == KILN_VERB_RUN && request->image_count > 0)
        return KILN_FLASHER_ROM;
    for (size_t i = 0; request->encrypt != NULL && i < request->image_count; i++)
        if (request->encrypt[i] && request->loader != KILN_LOADER_ROM)
            return KILN_FLASHER_STUB;
    _Static_assert((int)KILN_LOADER_STUB == (int)KILN_FLASHER_STUB &&
                       (int)KILN_LOADER_ROM == (int)KILN_FLASHER_ROM &&
                       (int)KILN_LOADER_KILN == (int)KILN_FLASHER_KILN,
                   "the same words in the same order");
    return (enum kiln_flasher)request->loader;
}

static void fill_options(const struct kiln_job *job, struct kiln_loader_options *options)
{
    const struct kiln_request *request = &job->request;

    *options = (struct kiln_loader_options){
        .chip = request->chip,
        .baud = request->baud,
        .before = before_of(request->before),
        .after = (enum kiln_after)kiln_job_after(job),
        .flasher = flasher_of(request),
        .may_defer = (request->verb == KILN_VERB_FLASH && !request->full && !request->erase_all) ||
                     request->verb == KILN_VERB_VERIFY,
        .tolerant = request->verb == KILN_VERB_INFO,
        .connect_attempts = request->connect_attempts,
        .stub_dir = request->stub_dir,
        .layout = request->layout,
        .alt = request->alt,
        .has_dfu_interface = request->dfu_interface >= 0,
        .dfu_interface = (uint8_t)request->dfu_interface,
        .transfer_size = request->transfer_size,
        .has_start_address = request->start_address != KILN_NO_ADDRESS,
        .start_address = request->start_address,
        .reset_sequence = request->reset_sequence,
        .flash_size = request->flash_size,
    };
}

static enum kiln_status connect_loader(struct kiln_job *job)
{
    struct kiln_loader_options options;

    fill_options(job, &options);
    /* Every bootloader of today is told apart by its kind of link. */
    for (size_t i = 0; kiln_loader_at(i) != NULL; i++) {
        const struct kiln_loader_row *row = kiln_loader_at(i);

        if (row->link_kind == KILN_LINK_KIND_BYTE && job->byte_link != NULL)
            return row->connect_byte(&job->ctx, job->byte_link, &options, &job->loader);
        if (row->link_kind == KILN_LINK_KIND_USB && job->usb_link != NULL)
            return row->connect_usb(&job->ctx, job->usb_link, &options, &job->loader);
    }
    return kiln_fail(&job->ctx, KILN_E_INTERNAL, "no loader for this kind of link");
}

enum kiln_status kiln_job_connect_again(struct kiln_job *job)
{
    struct kiln_loader *before = job->loader;
    enum kiln_status status;

    status = connect_loader(job);
    if (status != KILN_OK)
        job->loader = before;
    else if (job->retired == NULL)
        job->retired = before;
    else
        before->ops->free(before);
    return status;
}

enum kiln_status kiln_job_open(struct kiln_job *job)
{
    if (job->request.trace_path != NULL)
        KILN_TRY(kiln_trace_create(&job->ctx, job->request.trace_path, &job->trace));
    KILN_TRY(open_link(job));
    KILN_TRY(lay_over(job));
    if (job->request.verb == KILN_VERB_RESET && job->byte_link != NULL)
        return KILN_OK; /* a reset is the business of the lines alone */
    kiln_job_begin_phase(job, KILN_PHASE_CONNECT, 0, job->device);
    return connect_loader(job);
}
