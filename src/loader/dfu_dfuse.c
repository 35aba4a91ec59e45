/* SPDX-License-Identifier: MIT */
/*
 * DfuSe, ST's extension of DFU with addresses (AN3156): data blocks go to the address pointer plus
 * (wBlockNum - 2) * wTransferSize, so the pointer is set once and the block number counts.
 */
#include "loader/dfu_internal.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

/* Longest that erasing a page takes: 2 to 3 times the datasheets' maxima (F4 128 KB: 4 s), so that a
 * slow part is not given up. */
static uint32_t erase_page_ms(const struct kiln_dfu *self, uint64_t address, uint32_t page)
{
    uint32_t kib = page / 1024;

    if (self->erase_sticks || address >= self->sticks_from)
        return 2000 + KILN_MIN(kib, 4096u) * 16;
    return 5000 + KILN_MIN(kib, 4096u) * 60;
}

static const struct kiln_region *region_at(const struct kiln_dfu *self, uint64_t address)
{
    for (size_t i = 0; i < self->info.region_count; i++) {
        const struct kiln_region *r = &self->info.region[i];

        if (address >= r->start && address - r->start < r->size)
            return r;
    }
    return NULL;
}

/* The region of `address` if it allows `access`, its alternate setting selected; else the reason. */
static enum kiln_status use_region(struct kiln_dfu *self, struct kiln_ctx *ctx, uint64_t address,
                                   unsigned access, const char *what,
                                   const struct kiln_region **out)
{
    const struct kiln_region *region = region_at(self, address);

    *out = region;
    if (self->left)
        return kiln_fail(ctx, KILN_E_GONE, "the device has left its bootloader");
    if (region == NULL) {
        (void)kiln_fail(ctx, KILN_E_UNSUPPORTED, "the device has no memory at 0x%08llx",
                        (unsigned long long)address);
        return kiln_fail_at(ctx, address);
    }
    if (self->info.read_protected)
        return kiln_fail_hint(ctx, KILN_E_REFUSED, KILN_HINT_READ_PROTECTED,
                              "cannot %s: the chip's read protection is on", what);
    if ((region->access & access) != access) {
        (void)kiln_fail(
            ctx, KILN_E_UNSUPPORTED,
            "cannot %s 0x%08llx: region \"%s\" (0x%08llx, %llu bytes) does not allow it", what,
            (unsigned long long)address, region->name, (unsigned long long)region->start,
            (unsigned long long)region->size);
        return kiln_fail_at(ctx, address);
    }
    return dfu_select_alt(self, ctx, region->alt);
}

static enum kiln_status command(struct kiln_dfu *self, struct kiln_ctx *ctx, const uint8_t *bytes,
                                size_t len, uint32_t timeout_ms, const char *what)
{
    self->run = DFU_RUN_NONE;
    KILN_TRY(dfu_ready_to_download(self, ctx));
    return dfu_download(self, ctx, 0, bytes, len, timeout_ms, what);
}

static enum kiln_status set_address(struct kiln_dfu *self, struct kiln_ctx *ctx, uint64_t address)
{
    uint8_t bytes[KILN_DFUSE_COMMAND_MAX];
    size_t len = kiln_dfuse_command_address(KILN_DFUSE_SET_ADDRESS, (uint32_t)address, bytes);
    unsigned tries = 0;
    enum kiln_status status;

    do
        status = command(self, ctx, bytes, len, DFU_CONTROL_MS, "set the address");
    while (status != KILN_OK && dfu_try_again(self, ctx, status, &tries));
    if (status != KILN_OK)
        return kiln_fail_at(ctx, address);
    return KILN_OK;
}

/* The address pointer is such that the next block goes to or comes from `address`. */
static bool pointer_is_at(const struct kiln_dfu *self, enum dfu_run run, uint64_t address)
{
    return self->run == run && self->run_block <= KILN_DFUSE_LAST_BLOCK &&
           self->run_base + (uint64_t)(self->run_block - KILN_DFUSE_FIRST_BLOCK) * self->block ==
               address;
}

static enum kiln_status point_to(struct kiln_dfu *self, struct kiln_ctx *ctx, enum dfu_run run,
                                 uint64_t address)
{
    uint8_t good = run == DFU_RUN_READ ? KILN_DFU_UPLOAD_IDLE : KILN_DFU_DNLOAD_IDLE;

    if (pointer_is_at(self, run, address) && self->state == good)
        return KILN_OK;
    KILN_TRY(set_address(self, ctx, address));
    if (run == DFU_RUN_READ) /* set address leaves dfuDNLOAD-IDLE, uploads begin in dfuIDLE */
        KILN_TRY(dfu_to_idle(self, ctx));
    self->run = run;
    self->run_base = address;
    self->run_block = KILN_DFUSE_FIRST_BLOCK;
    return KILN_OK;
}

/* A block of `len` bytes was moved. Only whole ones of the device's own size may be counted on. */
static void pointer_moved(struct kiln_dfu *self, size_t len)
{
    self->run_block++;
    if (!self->counts || len != self->block)
        self->run = DFU_RUN_NONE;
}

static void report(const struct kiln_progress *progress, uint64_t done)
{
    if (progress != NULL && progress->step != NULL)
        progress->step(progress->user, done);
}

/* ---- reading ---- */

static enum kiln_status read_block(struct kiln_dfu *self, struct kiln_ctx *ctx, uint64_t address,
                                   uint8_t *bytes, size_t len)
{
    unsigned tries = 0;
    enum kiln_status status;
    size_t got = 0;

    do {
        status = point_to(self, ctx, DFU_RUN_READ, address);
        if (status != KILN_OK)
            return status;
        status = dfu_upload(self, ctx, (uint16_t)self->run_block, bytes, len, &got, "read");
        if (status == KILN_OK && got != len)
            status = kiln_fail(ctx, KILN_E_PROTO, "device sent %zu bytes where %zu were asked for",
                               got, len);
    } while (status != KILN_OK && dfu_try_again(self, ctx, status, &tries));
    if (status != KILN_OK)
        return kiln_fail_at(ctx, address);
    pointer_moved(self, len);
    return KILN_OK;
}

/* The address is set before every block from now on. */
static void dfuse_doubt(struct kiln_loader *loader)
{
    struct kiln_dfu *self = dfu_of(loader);

    self->counts = false;
    self->run = DFU_RUN_NONE;
}

static bool is_uniform(const uint8_t *bytes, size_t len)
{
    return memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* A device that ignores block numbers sends the block at the address again and again. Twice the same is looked at
 * from its own address; on a device that counts that costs one request, and rarely. */
static enum kiln_status read_doubting(struct kiln_dfu *self, struct kiln_ctx *ctx, uint64_t address,
                                      uint8_t *bytes, size_t len)
{
    bool counted = self->counts && self->run == DFU_RUN_READ &&
                   self->run_block > KILN_DFUSE_FIRST_BLOCK && len == self->block;
    uint8_t again[DFU_TRANSFER_MAX];

    KILN_TRY(read_block(self, ctx, address, bytes, len));
    if (counted && len > 1 && self->last_read_len == len &&
        memcmp(self->last_read, bytes, len) == 0 && !is_uniform(bytes, len)) {
        self->run = DFU_RUN_NONE;
        KILN_TRY(read_block(self, ctx, address, again, len));
        if (memcmp(again, bytes, len) != 0) {
            dfuse_doubt(&self->base);
            kiln_log(ctx, KILN_LOG_WARN, "loader",
                     "the device ignores block numbers: the address is set before every block");
            memcpy(bytes, again, len);
        }
    }
    memcpy(self->last_read, bytes, len);
    self->last_read_len = len;
    return KILN_OK;
}

enum kiln_status dfuse_peek(struct kiln_dfu *self, struct kiln_ctx *ctx, uint32_t address,
                            uint8_t *bytes, size_t len)
{
    uint8_t command_bytes[KILN_DFUSE_COMMAND_MAX];
    size_t n = kiln_dfuse_command_address(KILN_DFUSE_SET_ADDRESS, address, command_bytes);
    enum kiln_status status;
    struct kiln_error error;
    size_t got = 0;

    status = command(self, ctx, command_bytes, n, DFU_CONTROL_MS, "set the address");
    if (status == KILN_OK)
        status = dfu_to_idle(self, ctx);
    if (status == KILN_OK)
        status = dfu_upload(self, ctx, KILN_DFUSE_FIRST_BLOCK, bytes, len, &got, "read");
    if (status == KILN_OK && got != len)
        status = kiln_fail(ctx, KILN_E_PROTO, "device sent %zu bytes instead of %zu", got, len);
    error = ctx->error;
    KILN_TRY(dfu_to_idle(self, ctx));
    ctx->error = error;
    return status;
}

/* Small memories such as option bytes come whole or not at all (16 bytes on F105: AN2662). */
static bool is_whole_only(const struct kiln_dfu *self, const struct kiln_region *region)
{
    return (region->access & KILN_REGION_ERASE) == 0 && region->size <= self->block;
}

static enum kiln_status read_piece(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                   const struct kiln_region *region, uint64_t address,
                                   uint8_t *bytes, size_t cap, size_t *out_len)
{
    uint64_t left = region->start + region->size - address;
    uint8_t whole[DFU_TRANSFER_MAX];

    if (is_whole_only(self, region)) {
        *out_len = (size_t)KILN_MIN(left, (uint64_t)cap);
        KILN_TRY(read_block(self, ctx, region->start, whole, (size_t)region->size));
        memcpy(bytes, whole + (address - region->start), *out_len);
        return KILN_OK;
    }
    *out_len = (size_t)KILN_MIN(left, (uint64_t)KILN_MIN(cap, self->block));
    return read_doubting(self, ctx, address, bytes, *out_len);
}

static enum kiln_status dfuse_read(struct kiln_loader *loader, struct kiln_ctx *ctx,
                                   uint64_t address, uint8_t *bytes, size_t len,
                                   const struct kiln_progress *progress)
{
    struct kiln_dfu *self = dfu_of(loader);
    size_t done = 0;

    while (done < len) {
        const struct kiln_region *region;
        size_t n = 0;

        KILN_TRY(kiln_ctx_check(ctx));
        KILN_TRY(use_region(self, ctx, address + done, KILN_REGION_READ, "read", &region));
        KILN_TRY(read_piece(self, ctx, region, address + done, bytes + done, len - done, &n));
        done += n;
        report(progress, done);
    }
    return KILN_OK;
}

/* ---- erasing ---- */

/* True if the page, or as much of its beginning and end as is quickly read, holds nothing. */
static bool page_is_blank(struct kiln_dfu *self, struct kiln_ctx *ctx,
                          const struct kiln_region *region, uint64_t address)
{
    size_t n = (size_t)KILN_MIN((uint64_t)self->block, (uint64_t)region->page);
    const uint64_t places[] = {address, address + region->page - n};
    uint8_t bytes[DFU_TRANSFER_MAX];

    if ((region->access & KILN_REGION_READ) == 0)
        return false;
    for (size_t p = 0; p < KILN_ARRAY_LEN(places); p++) {
        if (read_block(self, ctx, places[p], bytes, n) != KILN_OK)
            return false;
        for (size_t i = 0; i < n; i++)
            if (bytes[i] != region->erased)
                return false;
    }
    return true;
}

/* A device that answers "busy" for ever though its flash is done: CLRSTATUS takes it to dfuERROR, a second
 * one to dfuIDLE. Only what then is in flash tells whether it was done. */
static enum kiln_status after_stuck_erase(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                          const struct kiln_region *region, uint64_t address)
{
    struct kiln_error first = ctx->error;

    self->run = DFU_RUN_NONE;
    if (dfu_clear_status(self, ctx) == KILN_OK && dfu_to_idle(self, ctx) == KILN_OK &&
        page_is_blank(self, ctx, region, address)) {
        if (!self->erase_sticks)
            dfu_note(self, ctx,
                     "the boot ROM stays busy after erasing 0x%08llx though it has ended",
                     (unsigned long long)address);
        self->erase_sticks = true;
        kiln_error_clear(ctx);
        return KILN_OK;
    }
    ctx->error = first;
    return first.status;
}

static enum kiln_status erase_command(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                      const uint8_t *bytes, size_t len, uint32_t timeout_ms,
                                      const struct kiln_region *region, uint64_t address)
{
    unsigned tries = 0;
    enum kiln_status status;

    do {
        status = command(self, ctx, bytes, len, timeout_ms, "erase");
        if (status == KILN_E_TIMEOUT && kiln_ctx_check(ctx) == KILN_OK &&
            self->state == KILN_DFU_DNBUSY) {
            (void)kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_DFU_REPLUG,
                                 "erase did not end in %u ms", timeout_ms);
            status = after_stuck_erase(self, ctx, region, address);
        }
    } while (status != KILN_OK && dfu_try_again(self, ctx, status, &tries));
    return status;
}

static enum kiln_status dfuse_erase(struct kiln_loader *loader, struct kiln_ctx *ctx,
                                    uint64_t address, uint64_t len,
                                    const struct kiln_progress *progress)
{
    struct kiln_dfu *self = dfu_of(loader);
    uint64_t done = 0;

    while (done < len) {
        uint64_t at = address + done;
        const struct kiln_region *region;
        uint8_t bytes[KILN_DFUSE_COMMAND_MAX];
        size_t n;

        KILN_TRY(kiln_ctx_check(ctx));
        KILN_TRY(use_region(self, ctx, at, KILN_REGION_ERASE, "erase", &region));
        if ((at - region->start) % region->page != 0 || len - done < region->page) {
            (void)kiln_fail(ctx, KILN_E_ARG, "0x%08llx and %llu bytes are not whole pages of %u",
                            (unsigned long long)at, (unsigned long long)(len - done), region->page);
            return kiln_fail_at(ctx, at);
        }
        self->incomplete = true;
        n = kiln_dfuse_command_address(KILN_DFUSE_ERASE, (uint32_t)at, bytes);
        if (erase_command(self, ctx, bytes, n, erase_page_ms(self, at, region->page), region, at) !=
            KILN_OK) {
            (void)kiln_fail_at(ctx, at);
            return kiln_while(ctx, "while erasing the page at 0x%08llx", (unsigned long long)at);
        }
        done += region->page;
        report(progress, done);
    }
    return KILN_OK;
}

/* The region that stands for the main flash: the lowest that can be erased and written. */
static const struct kiln_region *main_region(const struct kiln_dfu *self)
{
    const unsigned wanted = KILN_REGION_ERASE | KILN_REGION_WRITE;

    for (size_t i = 0; i < self->info.region_count; i++)
        if ((self->info.region[i].access & wanted) == wanted)
            return &self->info.region[i];
    return NULL;
}

static enum kiln_status dfuse_erase_all(struct kiln_loader *loader, struct kiln_ctx *ctx)
{
    struct kiln_dfu *self = dfu_of(loader);
    const struct kiln_region *region = main_region(self);
    uint8_t bytes[KILN_DFUSE_COMMAND_MAX];
    uint64_t total = 0;
    uint32_t mib;

    if (region == NULL)
        return kiln_fail(ctx, KILN_E_UNSUPPORTED, "the device has no memory that can be erased");
    KILN_TRY(use_region(self, ctx, region->start, KILN_REGION_ERASE, "erase", &region));
    for (size_t i = 0; i < self->info.region_count; i++)
        if (self->info.region[i].alt == region->alt)
            total += self->info.region[i].size;
    mib = (uint32_t)KILN_MIN(KILN_MAX((total + 0xfffff) >> 20, 1u), (uint64_t)8);
    self->incomplete = true;
    if (erase_command(self, ctx, bytes, kiln_dfuse_command_plain(KILN_DFUSE_ERASE, bytes),
                      mib * DFU_MASS_ERASE_MS, region, region->start) != KILN_OK)
        return kiln_while(ctx, "while erasing the whole flash");
    return KILN_OK;
}

/* ---- writing ---- */

static bool is_erased(const struct kiln_region *region, const uint8_t *bytes, size_t len)
{
    if ((region->access & KILN_REGION_ERASE) == 0)
        return false;
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != region->erased)
            return false;
    return true;
}

/* Flash with check bits does not take the same bytes twice. So a block whose status got lost is looked at
 * before it is sent again. */
static bool is_there(struct kiln_dfu *self, struct kiln_ctx *ctx, const struct kiln_region *region,
                     uint64_t address, const uint8_t *bytes, size_t len)
{
    uint8_t now[DFU_TRANSFER_MAX];
    bool same;

    if ((region->access & KILN_REGION_READ) == 0)
        return false;
    same = read_block(self, ctx, address, now, len) == KILN_OK && memcmp(now, bytes, len) == 0;
    kiln_error_clear(ctx);
    return same;
}

static enum kiln_status write_block(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                    const struct kiln_region *region, uint64_t address,
                                    const uint8_t *bytes, size_t len)
{
    unsigned tries = 0;
    enum kiln_status status;

    for (;;) {
        status = point_to(self, ctx, DFU_RUN_WRITE, address);
        if (status != KILN_OK)
            return status;
        status =
            dfu_download(self, ctx, (uint16_t)self->run_block, bytes, len, DFU_DATA_MS, "write");
        if (status == KILN_OK)
            break;
        if (!dfu_try_again(self, ctx, status, &tries))
            return kiln_fail_at(ctx, address);
        if (is_there(self, ctx, region, address, bytes, len)) {
            self->run = DFU_RUN_NONE;
            return KILN_OK;
        }
    }
    pointer_moved(self, len);
    return KILN_OK;
}

/* The chip restarts after this (AN3156): then the silence is the answer. */
static enum kiln_status write_options(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                      const struct kiln_region *region, uint64_t address,
                                      const uint8_t *bytes, size_t len)
{
    enum kiln_status status = write_block(self, ctx, region, address, bytes, len);

    if (status != KILN_E_GONE && status != KILN_E_TIMEOUT && status != KILN_E_IO)
        return status;
    if (!dfu_wait_gone(self, ctx, DFU_LEAVE_MS))
        return status;
    kiln_error_clear(ctx);
    kiln_log(ctx, KILN_LOG_INFO, "loader", "the chip has reset itself to load its option bytes");
    self->left = true;
    return KILN_OK;
}

static enum kiln_status write_piece(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                    const struct kiln_region *region, uint64_t address,
                                    const uint8_t *bytes, size_t len)
{
    if ((region->flags & KILN_REGION_RESETS) != 0)
        return write_options(self, ctx, region, address, bytes, len);
    if (!is_erased(region, bytes, len))
        return write_block(self, ctx, region, address, bytes, len);
    /* erased already: pass over it, by block number where that counts */
    if (pointer_is_at(self, DFU_RUN_WRITE, address))
        pointer_moved(self, len);
    return KILN_OK;
}

static enum kiln_status dfuse_write(struct kiln_loader *loader, struct kiln_ctx *ctx,
                                    uint64_t address, const uint8_t *bytes, size_t len,
                                    const struct kiln_progress *progress)
{
    struct kiln_dfu *self = dfu_of(loader);
    size_t done = 0;

    while (done < len) {
        uint64_t at = address + done;
        const struct kiln_region *region;
        size_t n;

        KILN_TRY(kiln_ctx_check(ctx));
        KILN_TRY(use_region(self, ctx, at, KILN_REGION_WRITE, "write", &region));
        n = (size_t)KILN_MIN(region->start + region->size - at,
                             (uint64_t)KILN_MIN(len - done, self->block));
        self->incomplete = true;
        if (write_piece(self, ctx, region, at, bytes + done, n) != KILN_OK)
            return kiln_while(ctx, "while writing 0x%08llx", (unsigned long long)at);
        done += n;
        report(progress, done);
    }
    self->incomplete = false;
    return KILN_OK;
}

/* ---- leaving ---- */

/* The zero-length DNLOAD makes the device leave when the status after it is asked for; some answer that,
 * some stall, some are gone before they could. */
static enum kiln_status leave_bootloader(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    struct kiln_dfu_status s;
    enum kiln_status status = dfu_download_end(self, ctx, KILN_DFUSE_FIRST_BLOCK);
    bool silent = (self->quirks & KILN_DFU_QUIRK_LEAVE_SILENT) != 0;

    if (status == KILN_E_CANCELLED)
        return status;
    if (status != KILN_OK && status != KILN_E_GONE && !silent && !dfu_wait_gone(self, ctx, 100))
        return kiln_while(ctx, "while leaving the bootloader");
    status = dfu_get_status(self, ctx, &s);
    if (status == KILN_E_CANCELLED)
        return status;
    if (status == KILN_OK && s.status != KILN_DFU_OK)
        return dfu_refused(self, ctx, &s, "leave its bootloader");
    kiln_error_clear(ctx);
    self->left = true;
    if (status == KILN_OK && s.state == KILN_DFU_MANIFEST_WAIT_RESET)
        (void)!kiln_usb_reset(self->link, ctx);
    if (!dfu_wait_gone(self, ctx, DFU_LEAVE_MS))
        dfu_note(self, ctx, "the device has not left the bus; reset the board if nothing runs");
    kiln_error_clear(ctx);
    return KILN_OK;
}

static enum kiln_status dfuse_run(struct kiln_loader *loader, struct kiln_ctx *ctx,
                                  uint64_t address)
{
    struct kiln_dfu *self = dfu_of(loader);
    const struct kiln_region *region = main_region(self);

    if (self->left || kiln_usb_is_gone(self->link))
        return KILN_OK;
    if (address == UINT64_MAX)
        address = self->start_address;
    if (address == UINT64_MAX && region != NULL)
        address = region->start;
    if (region != NULL)
        KILN_TRY(dfu_select_alt(self, ctx, region->alt));
    if (address != UINT64_MAX && !self->info.read_protected)
        KILN_TRY(set_address(self, ctx, address));
    else
        KILN_TRY(dfu_to_idle(self, ctx));
    return leave_bootloader(self, ctx);
}

static enum kiln_status dfuse_leave(struct kiln_loader *loader, struct kiln_ctx *ctx)
{
    struct kiln_dfu *self = dfu_of(loader);

    if (self->left || kiln_usb_is_gone(self->link))
        return KILN_OK;
    if (self->after == KILN_AFTER_STAY || self->after == KILN_AFTER_STAY_STUB)
        return dfu_to_idle(self, ctx);
    if (self->incomplete) {
        kiln_log(ctx, KILN_LOG_INFO, "loader",
                 "left in its bootloader: there is no complete firmware to start");
        return dfu_to_idle(self, ctx);
    }
    return dfuse_run(loader, ctx, UINT64_MAX);
}

static enum kiln_status dfuse_unprotect(struct kiln_loader *loader, struct kiln_ctx *ctx)
{
    struct kiln_dfu *self = dfu_of(loader);
    uint8_t bytes[KILN_DFUSE_COMMAND_MAX];
    size_t len = kiln_dfuse_command_plain(KILN_DFUSE_READ_UNPROTECT, bytes);
    enum kiln_status status = command(self, ctx, bytes, len, DFU_MASS_ERASE_MS, "unprotect");

    /* the chip erases itself and resets in the middle of this */
    if (status == KILN_E_CANCELLED || status == KILN_E_NAK)
        return status;
    if (dfu_wait_gone(self, ctx, status == KILN_OK ? DFU_LEAVE_MS : DFU_MASS_ERASE_MS)) {
        kiln_error_clear(ctx);
        self->left = true;
        return KILN_OK;
    }
    return status == KILN_OK ? status : kiln_while(ctx, "while removing the read protection");
}

const struct kiln_loader_ops kiln_dfuse_ops = {
    .name = "dfu",
    .link_kind = KILN_LINK_KIND_USB,
    .leave = dfuse_leave,
    .doubt = dfuse_doubt,
    .abandon = dfu_abandon,
    .run = dfuse_run,
    .read = dfuse_read,
    .erase = dfuse_erase,
    .erase_all = dfuse_erase_all,
    .write = dfuse_write,
    .unprotect = dfuse_unprotect,
    .info = dfu_info,
    .free = dfu_free,
};

/* ---- who it is ---- */

/* UPLOAD of block 0 lists the commands. A loader that does not know this sends flash contents or stalls,
 * so only an answer that can be nothing else is believed. */
static unsigned ask_commands(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    unsigned usual = KILN_CAP_ERASE_ALL;
    uint8_t list[16];
    size_t got = 0;

    if ((self->quirks & KILN_DFU_QUIRK_STM32) != 0)
        usual |= KILN_CAP_UNPROTECT;
    if ((self->function.attributes & KILN_DFU_CAN_UPLOAD) == 0)
        return usual;
    if (dfu_upload(self, ctx, 0, list, sizeof list, &got, "list its commands") != KILN_OK ||
        got < 3 || got >= sizeof list || list[0] != KILN_DFUSE_GET_COMMANDS ||
        memchr(list, KILN_DFUSE_SET_ADDRESS, got) == NULL) {
        kiln_error_clear(ctx);
        return usual;
    }
    return (memchr(list, KILN_DFUSE_ERASE, got) != NULL ? KILN_CAP_ERASE_ALL : 0) |
           (memchr(list, KILN_DFUSE_READ_UNPROTECT, got) != NULL ? KILN_CAP_UNPROTECT : 0);
}

static bool worth_ending_for(enum kiln_status status)
{
    return status == KILN_E_GONE || status == KILN_E_CANCELLED || status == KILN_E_TIMEOUT;
}

/* A first look at the main flash: a read-protected chip says errVENDOR to it. */
static enum kiln_status ask_protection(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    const struct kiln_region *region = main_region(self);
    enum kiln_status status;
    uint8_t bytes[64];

    if (region == NULL || (self->function.attributes & KILN_DFU_CAN_UPLOAD) == 0 ||
        (region->access & KILN_REGION_READ) == 0)
        return KILN_OK;
    KILN_TRY(dfu_select_alt(self, ctx, region->alt));
    status =
        dfuse_peek(self, ctx, (uint32_t)region->start, bytes, KILN_MIN(sizeof bytes, self->block));
    if (worth_ending_for(status))
        return status;
    if (status == KILN_E_NAK && ctx->error.code == KILN_DFU_ERR_VENDOR) {
        self->info.read_protected = true;
        dfu_note(self, ctx,
                 "read protection is on (level 1): the flash can be neither read nor changed until "
                 "it is removed, which erases the chip; at level 2 this bootloader would not run");
    } else if (status != KILN_OK) {
        dfu_note(self, ctx, "the flash cannot be read: %s", ctx->error.message);
    }
    kiln_error_clear(ctx);
    return KILN_OK;
}

enum kiln_status dfuse_identify(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                const struct kiln_loader_options *options)
{
    enum kiln_status status;
    unsigned caps;

    KILN_TRY(dfuse_find_regions(self, ctx, options));
    caps = ask_commands(self, ctx);
    status = dfu_to_idle(self, ctx);
    if (status == KILN_OK)
        status = ask_protection(self, ctx);
    if (status != KILN_OK)
        return kiln_while(ctx, "while looking at the device");
    self->info.caps = caps | KILN_CAP_RUN | KILN_CAP_NEEDS_ERASE;
    if ((self->function.attributes & KILN_DFU_CAN_UPLOAD) != 0)
        self->info.caps |= KILN_CAP_READ;
    if ((self->quirks & KILN_DFU_QUIRK_STM32) != 0)
        self->info.caps |= KILN_CAP_OPTION_BYTES;
    return KILN_OK;
}
