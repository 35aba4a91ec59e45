/* SPDX-License-Identifier: MIT */
/* From the selector of the request to an open link with its layers and a connected loader. */
#include "job/job_internal.h"

#include "os/wait.h"
#include "os/yield.h"

#include <kiln/device.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BAUD 115200u /* every boot ROM listens at this rate */

static const char *after_scheme(const char *selector, const char *scheme)
{
    size_t length = strlen(scheme);

    return strncmp(selector, scheme, length) == 0 ? selector + length : NULL;
}

static enum kiln_status open_uart_board(struct kiln_job *job, struct kiln_sim_uart *board,
                                        bool owns)
{
    return kiln_sim_byte_link(&job->ctx, board, owns, FIRST_BAUD, &job->byte_link);
}

static enum kiln_status open_simulated(struct kiln_job *job, const char *text)
{
    struct kiln_ctx *ctx = &job->ctx;
    struct kiln_sim_knobs knobs;
    const struct kiln_sim_board *board;
    struct kiln_sim_uart *uart;
    struct kiln_sim_usb *usb;

    KILN_TRY(kiln_sim_knobs_parse(ctx, text, &knobs));
    board = kiln_sim_board_find(knobs.board);
    if (board == NULL)
        return kiln_fail(ctx, KILN_E_NO_DEVICE, "there is no simulated board '%s'", knobs.board);
    if (!knobs.real_time) {
        kiln_virtual_clock_init(&job->virtual_clock);
        ctx->clock = &job->virtual_clock.base;
        job->began_ns = 0;
    }
    if (board->make_uart != NULL) {
        KILN_TRY(board->make_uart(ctx, &knobs, &uart));
        return open_uart_board(job, uart, true);
    }
    KILN_TRY(board->make_usb(ctx, &knobs, &usb));
    return kiln_sim_usb_link(ctx, usb, true, &job->usb_link);
}

static enum kiln_status fail_like(struct kiln_ctx *ctx, const struct kiln_error *error)
{
    ctx->error = *error;
    return error->status;
}

/* Waits for a device to appear where the request says so. */
static enum kiln_status select_device(struct kiln_job *job, struct kiln_device_list *out_list)
{
    struct kiln_ctx *ctx = &job->ctx;
    struct kiln_error error = {0};
    uint64_t until = kiln_ctx_now_ns(ctx) + (uint64_t)job->request.wait_ms * KILN_NS_PER_MS;

    for (;;) {
        enum kiln_status status = kiln_device_select(job->request.device, out_list, &error);

        if (status != KILN_E_NO_DEVICE || kiln_ctx_now_ns(ctx) >= until)
            return status == KILN_OK ? KILN_OK : fail_like(ctx, &error);
        KILN_TRY(kiln_sleep_ms(ctx, 100));
    }
}

static enum kiln_status open_local(struct kiln_job *job, const struct kiln_device *device)
{
    snprintf(job->device, sizeof job->device, "%s",
             device->port[0] != '\0' ? device->port : device->selector);
    if (device->kind == KILN_DEVICE_SERIAL) {
        KILN_TRY(kiln_yield_ask(&job->ctx, device->port, &job->yielded));
        return kiln_serial_open(&job->ctx, device->port, FIRST_BAUD, &job->byte_link);
    }
    if (device->kind == KILN_DEVICE_DFU || device->kind == KILN_DEVICE_DFU_RUNTIME)
        return kiln_libusb_open(&job->ctx, device->bus, device->address, &job->usb_link);
    return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED, "no loader talks to %s (%s)", device->title,
                     kiln_device_kind_name(device->kind));
}

static enum kiln_status open_selected(struct kiln_job *job)
{
    struct kiln_device_list list = {0};
    enum kiln_status status;

    KILN_TRY(select_device(job, &list));
    if (list.count > 1)
        status = kiln_fail_hint(&job->ctx, KILN_E_AMBIGUOUS, KILN_HINT_CHOOSE_DEVICE,
                                "'%s' means %zu devices", job->request.device, list.count);
    else
        status = open_local(job, &list.items[0]);
    kiln_device_list_free(&list);
    return status;
}

static enum kiln_status open_link(struct kiln_job *job)
{
    const char *selector = job->request.device != NULL ? job->request.device : "";
    struct kiln_ctx *ctx = &job->ctx;
    const char *rest;

    snprintf(job->device, sizeof job->device, "%s", selector);
    if (job->hooks.uart != NULL)
        return open_uart_board(job, job->hooks.uart, false);
    if (job->hooks.usb != NULL)
        return kiln_sim_usb_link(ctx, job->hooks.usb, false, &job->usb_link);
    if ((rest = after_scheme(selector, "sim:")) != NULL)
        return open_simulated(job, rest);
    if (strstr(selector, "://") != NULL)
        return kiln_network_open(ctx, selector, FIRST_BAUD, &job->byte_link);
    return open_selected(job);
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

    if (job->request.after == KILN_RESET_AFTER_DEFAULT && job->usb_link != NULL &&
        (!starts || job->request.dry_run))
        return KILN_RESET_AFTER_STAY;
    return job->request.after;
}

static void fill_options(const struct kiln_job *job, struct kiln_loader_options *options)
{
    const struct kiln_request *request = &job->request;

    *options = (struct kiln_loader_options){
        .chip = request->chip,
        .baud = request->baud,
        .before = (enum kiln_before)request->before,
        .after = (enum kiln_after)kiln_job_after(job),
        .no_stub = request->no_stub,
        .connect_attempts = request->connect_attempts,
        .stub_dir = request->stub_dir,
        .layout = request->layout,
        .alt = request->alt,
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
