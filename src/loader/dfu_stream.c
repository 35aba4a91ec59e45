/* SPDX-License-Identifier: MIT */
/*
 * DFU 1.0 and 1.1 without addresses: each alternate setting takes one image from its first block to its
 * last and then "manifests" it. The device paces the host by bwPollTimeout, which is waited for.
 */
#include "loader/dfu_internal.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

static enum kiln_status use_stream(struct kiln_dfu *self, struct kiln_ctx *ctx, uint64_t address,
                                   unsigned access, const char *what)
{
    if (self->left)
        return kiln_fail(ctx, KILN_E_GONE, "the device has left its bootloader");
    for (size_t i = 0; i < self->info.region_count; i++) {
        const struct kiln_region *r = &self->info.region[i];

        if (r->start != address)
            continue;
        if ((r->access & access) == 0)
            return kiln_fail(ctx, KILN_E_UNSUPPORTED, "\"%s\" does not allow to %s it", r->name,
                             what);
        KILN_TRY(dfu_select_alt(self, ctx, r->alt));
        return dfu_to_idle(self, ctx);
    }
    return kiln_fail(ctx, KILN_E_ARG,
                     "this device has no addresses: it takes whole images from their beginning");
}

static void report(const struct kiln_progress *progress, uint64_t done)
{
    if (progress != NULL && progress->step != NULL)
        progress->step(progress->user, done);
}

/* ---- writing ---- */

/* After the last block: the device writes what it has and is idle, waits for a reset, or is gone. */
static enum kiln_status manifest(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    struct kiln_dfu_status s;
    enum kiln_status status = dfu_settle(self, ctx, DFU_MANIFEST_MS, &s);

    if (status == KILN_E_CANCELLED || (status == KILN_E_TIMEOUT && kiln_deadline_passed(ctx)))
        return status;
    if (status == KILN_OK && s.status != KILN_DFU_OK)
        return dfu_refused(self, ctx, &s, "take the image");
    if (status == KILN_OK)
        return KILN_OK;
    /* A device that is not manifestation tolerant may reset before it answers. */
    if ((self->function.attributes & KILN_DFU_MANIFESTATION_TOLERANT) == 0 ||
        dfu_wait_gone(self, ctx, DFU_LEAVE_MS)) {
        kiln_error_clear(ctx);
        self->left = kiln_usb_is_gone(self->link);
        return KILN_OK;
    }
    return kiln_while(ctx, "while the device takes the image over");
}

static enum kiln_status send_end(struct kiln_dfu *self, struct kiln_ctx *ctx, uint16_t block)
{
    enum kiln_status status = dfu_download_end(self, ctx, block);

    if (status != KILN_OK && status != KILN_E_GONE)
        return kiln_while(ctx, "while telling the end of the image");
    return manifest(self, ctx);
}

static enum kiln_status stream_write(struct kiln_loader *loader, struct kiln_ctx *ctx,
                                     uint64_t address, const uint8_t *bytes, size_t len,
                                     const struct kiln_progress *progress)
{
    struct kiln_dfu *self = dfu_of(loader);
    size_t done = 0;
    uint16_t block = 0;

    KILN_TRY(use_stream(self, ctx, address, KILN_REGION_WRITE, "write"));
    self->incomplete = true;
    while (done < len) {
        size_t n = KILN_MIN(len - done, self->block);

        KILN_TRY(kiln_ctx_check(ctx));
        if (dfu_download(self, ctx, block++, bytes + done, n, DFU_DATA_MS + DFU_MASS_ERASE_MS,
                         "write") != KILN_OK)
            return kiln_while(ctx, "while sending byte %zu of the image", done);
        done += n;
        report(progress, done);
    }
    KILN_TRY(send_end(self, ctx, block));
    self->incomplete = false;
    return KILN_OK;
}

static enum kiln_status stream_erase(struct kiln_loader *loader, struct kiln_ctx *ctx,
                                     uint64_t address, uint64_t len,
                                     const struct kiln_progress *progress)
{
    (void)loader;
    (void)address;
    (void)len;
    (void)progress;
    return kiln_fail(ctx, KILN_E_UNSUPPORTED,
                     "this device cannot be told to erase: it does so when it takes an image");
}

/* ---- reading ---- */

static enum kiln_status stream_read(struct kiln_loader *loader, struct kiln_ctx *ctx,
                                    uint64_t address, uint8_t *bytes, size_t len,
                                    const struct kiln_progress *progress)
{
    struct kiln_dfu *self = dfu_of(loader);
    size_t done = 0;
    uint16_t block = 0;

    KILN_TRY(use_stream(self, ctx, address, KILN_REGION_READ, "read"));
    while (done < len) {
        size_t n = KILN_MIN(len - done, self->block), got = 0;

        KILN_TRY(kiln_ctx_check(ctx));
        if (dfu_upload(self, ctx, block++, bytes + done, n, &got, "read") != KILN_OK)
            return kiln_while(ctx, "while reading byte %zu", done);
        done += got;
        report(progress, done);
        if (got < n)
            return kiln_fail(ctx, KILN_E_PROTO, "the device holds %zu bytes, %zu were asked for",
                             done, len);
    }
    return dfu_to_idle(self, ctx);
}

static enum kiln_status stream_upload(struct kiln_loader *loader, struct kiln_ctx *ctx,
                                      uint64_t address, struct kiln_buf *out,
                                      const struct kiln_progress *progress)
{
    struct kiln_dfu *self = dfu_of(loader);
    uint8_t bytes[DFU_TRANSFER_MAX];
    size_t start = out->len, got;
    uint16_t block = 0;

    KILN_TRY(use_stream(self, ctx, address, KILN_REGION_READ, "read"));
    do {
        KILN_TRY(kiln_ctx_check(ctx));
        got = 0;
        if (dfu_upload(self, ctx, block++, bytes, self->block, &got, "read") != KILN_OK)
            return kiln_while(ctx, "while reading byte %zu", out->len - start);
        if (kiln_buf_append(out, bytes, got) != KILN_OK)
            return kiln_fail(ctx, KILN_E_NOMEM, "the device sends more than %zu bytes",
                             out->ceiling);
        report(progress, out->len - start);
    } while (got == self->block);
    return dfu_to_idle(self, ctx);
}

/* ---- leaving ---- */

/* A bus reset takes a device in DFU mode back to its application (DFU 1.1, A.1). */
static enum kiln_status stream_run(struct kiln_loader *loader, struct kiln_ctx *ctx,
                                   uint64_t address)
{
    struct kiln_dfu *self = dfu_of(loader);
    enum kiln_status status;

    (void)address;
    if (self->left || kiln_usb_is_gone(self->link))
        return KILN_OK;
    status = kiln_usb_reset(self->link, ctx);
    if (status == KILN_E_CANCELLED)
        return status;
    self->left = true;
    if (!dfu_wait_gone(self, ctx, DFU_LEAVE_MS))
        dfu_note(self, ctx, "the device has not left the bus; reset the board if nothing runs");
    kiln_error_clear(ctx);
    return KILN_OK;
}

static enum kiln_status stream_leave(struct kiln_loader *loader, struct kiln_ctx *ctx)
{
    struct kiln_dfu *self = dfu_of(loader);

    bool stay = self->after == KILN_AFTER_STAY || self->after == KILN_AFTER_STAY_STUB;

    if (self->left || kiln_usb_is_gone(self->link))
        return KILN_OK;
    /* a device that has taken its image and now waits for a reset has nowhere else to go */
    if (stay && self->state == KILN_DFU_MANIFEST_WAIT_RESET)
        return KILN_OK;
    if (stay || self->incomplete)
        return dfu_to_idle(self, ctx);
    return stream_run(loader, ctx, 0);
}

const struct kiln_loader_ops kiln_dfu_stream_ops = {
    .name = "dfu",
    .link_kind = KILN_LINK_KIND_USB,
    .leave = stream_leave,
    .abandon = dfu_abandon,
    .run = stream_run,
    .read = stream_read,
    .erase = stream_erase,
    .write = stream_write,
    .upload = stream_upload,
    .info = dfu_info,
    .free = dfu_free,
};

/* ---- who it is ---- */

static unsigned stream_access(const struct kiln_dfu *self)
{
    /* Without a functional descriptor nobody forbids anything. */
    if (!self->function.present)
        return KILN_REGION_WRITE;
    return ((self->function.attributes & KILN_DFU_CAN_DNLOAD) != 0 ? KILN_REGION_WRITE : 0) |
           ((self->function.attributes & KILN_DFU_CAN_UPLOAD) != 0 ? KILN_REGION_READ : 0);
}

enum kiln_status dfu_stream_identify(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                     const struct kiln_loader_options *options)
{
    char names[DFU_ALT_NAMES_MAX] = "";

    self->patient = true;
    for (size_t i = 0; i < self->alt_count && i < KILN_REGION_MAX; i++) {
        const struct kiln_dfu_alt *alt = &self->alts[i];
        struct kiln_region *region = &self->info.region[self->info.region_count];
        char name[DFU_TEXT_MAX] = "";

        if (kiln_usb_string(self->link, ctx, alt->string, name, sizeof name) != KILN_OK) {
            if (ctx->error.status == KILN_E_GONE || ctx->error.status == KILN_E_CANCELLED)
                return ctx->error.status;
            kiln_error_clear(ctx);
        }
        dfu_add_alt_name(names, sizeof names, alt->alt, name);
        if (!dfu_alt_is_wanted(options, alt->alt, name))
            continue;
        *region = (struct kiln_region){.start = KILN_STREAM_START(alt->alt),
                                       .size = KILN_STREAM_SIZE,
                                       .page = 1,
                                       .erased = 0xff,
                                       .access = (uint8_t)stream_access(self),
                                       .alt = alt->alt};
        snprintf(region->name, sizeof region->name, "%.39s", name[0] != '\0' ? name : "Firmware");
        self->info.region_count++;
    }
    if (self->info.region_count == 0)
        return dfu_fail_alt(ctx, options, names);
    self->info.caps = KILN_CAP_STREAM | KILN_CAP_RUN;
    if ((self->info.region[0].access & KILN_REGION_READ) != 0)
        self->info.caps |= KILN_CAP_READ;
    if ((self->function.attributes & KILN_DFU_MANIFESTATION_TOLERANT) == 0)
        self->info.caps |= KILN_CAP_ONE_SHOT;
    return KILN_OK;
}
