/* SPDX-License-Identifier: MIT */
/* The loader for chips with Espressif's serial bootloader: its vtable, making and freeing it. */
#include "loader/esp.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kiln_target_info *info(const struct kiln_loader *self)
{
    return &((const struct kiln_esp *)self)->info;
}

static bool untouched(const struct kiln_loader *self)
{
    return !((const struct kiln_esp *)self)->touched;
}

static void dispose(struct kiln_loader *self)
{
    struct kiln_esp *esp = kiln_esp_of(self);

    free((char *)(uintptr_t)esp->options.chip);
    free((char *)(uintptr_t)esp->options.stub_dir);
    free(esp);
}

static const struct kiln_loader_ops ops = {
    .name = "esp",
    .link_kind = KILN_LINK_KIND_BYTE,
    .leave = kiln_esp_leave,
    .abandon = kiln_esp_abandon,
    .run = kiln_esp_run,
    .read = kiln_esp_read,
    .erase = kiln_esp_erase,
    .erase_all = kiln_esp_erase_all,
    .prepare = kiln_esp_prepare,
    .write = kiln_esp_write,
    .protection = kiln_esp_protection_op,
    .write_encrypted = kiln_esp_write_encrypted,
    .digest = kiln_esp_digest,
    .digests = kiln_esp_digests,
    .read_memory = kiln_esp_read_memory,
    .write_register = kiln_esp_write_register,
    .write_memory = kiln_esp_write_memory,
    .run_memory = kiln_esp_run_memory,
    .details = kiln_esp_details,
    .untouched = untouched,
    .info = info,
    .free = dispose,
};

/* They cover the slowest flash chips that are sold. */
static const struct kiln_esp_timing usual_timing = {
    .reply_ms = 3000,
    .send_ms = 3000,
    .sync_ms = 100,
    .ram_start_ms = 200,
    .md5_per_mb_ms = 8000,
    .erase_per_mb_ms = 30000,
    .write_per_mb_ms = 40000,
    .erase_all_ms = 240000,
    .ceiling_ms = 240000,
    .block_tries = 3,
};

static void replace(uint32_t *field, uint32_t value)
{
    if (value > 0)
        *field = value;
}

void kiln_esp_set_timing(struct kiln_esp *esp, const struct kiln_esp_timing *timing)
{
    replace(&esp->timing.reply_ms, timing->reply_ms);
    replace(&esp->timing.send_ms, timing->send_ms);
    replace(&esp->timing.sync_ms, timing->sync_ms);
    replace(&esp->timing.ram_start_ms, timing->ram_start_ms);
    replace(&esp->timing.md5_per_mb_ms, timing->md5_per_mb_ms);
    replace(&esp->timing.erase_per_mb_ms, timing->erase_per_mb_ms);
    replace(&esp->timing.write_per_mb_ms, timing->write_per_mb_ms);
    replace(&esp->timing.erase_all_ms, timing->erase_all_ms);
    replace(&esp->timing.ceiling_ms, timing->ceiling_ms);
    replace(&esp->timing.block_tries, timing->block_tries);
    replace(&esp->timing.reset_delay_ms, timing->reset_delay_ms);
}

static enum kiln_status parse_sequence(struct kiln_ctx *ctx, const char *text,
                                       struct kiln_reset_sequence *out)
{
    size_t bad = 0;

    if (text == NULL || kiln_reset_parse(text, out, &bad))
        return KILN_OK;
    return kiln_fail(ctx, KILN_E_ARG,
                     "the reset sequence \"%s\" is wrong at character %zu: D0, R1, U1,0 and "
                     "W0.1 are joined by |",
                     text, bad + 1);
}

static enum kiln_status copy_options(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                     const struct kiln_loader_options *options)
{
    esp->options = *options;
    esp->options.chip = options->chip != NULL ? strdup(options->chip) : NULL;
    esp->options.stub_dir = options->stub_dir != NULL ? strdup(options->stub_dir) : NULL;
    if ((options->chip != NULL && esp->options.chip == NULL) ||
        (options->stub_dir != NULL && esp->options.stub_dir == NULL))
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    if (options->chip != NULL && strcmp(options->chip, "auto") == 0) {
        free((char *)(uintptr_t)esp->options.chip);
        esp->options.chip = NULL;
    }
    KILN_TRY(parse_sequence(ctx, options->reset_sequence, &esp->custom_reset));
    return parse_sequence(ctx, options->run_sequence, &esp->custom_run);
}

void kiln_esp_fill_info(struct kiln_esp *esp)
{
    struct kiln_target_info *target = &esp->info;
    bool minimal = !esp->stub && (esp->facts->flags & KILN_ESP_ROM_MINIMAL) != 0;

    if (esp->stub)
        snprintf(target->loader, sizeof target->loader, "%s", kiln_esp_helper_name(esp));
    else
        snprintf(target->loader, sizeof target->loader, "%s boot ROM", esp->chip->title);
    target->flash_id = esp->flash_id;
    target->revision =
        esp->secure_download || esp->facts->minor.part[0].width == 0 ? -1 : (int32_t)esp->revision;
    target->baud = esp->baud;
    target->caps = KILN_CAP_ERASE_ALL | KILN_CAP_RUN;
    if (!minimal && !esp->secure_download)
        target->caps |= KILN_CAP_READ | KILN_CAP_DIGEST;
    target->read_protected = esp->secure_download;
    target->region_count = esp->has_flash ? 1 : 0;
    if (esp->has_flash) {
        struct kiln_region *region = &target->region[0];

        snprintf(region->name, sizeof region->name, "SPI flash");
        region->start = 0;
        region->size = esp->flash_size;
        region->page = KILN_ESP_FLASH_PAGE;
        region->erased = 0xff;
        region->access = KILN_REGION_ERASE | KILN_REGION_WRITE;
        if (target->caps & KILN_CAP_READ)
            region->access |= KILN_REGION_READ;
    }
}

static enum kiln_status attach(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    enum kiln_status status = kiln_esp_attach_surely(esp, ctx);

    if (status != KILN_OK) {
        KILN_TRY(kiln_esp_spare(esp, ctx, status, "flash not connected"));
        esp->has_flash = false;
    }
    return KILN_OK;
}

static enum kiln_status connect(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    KILN_TRY(kiln_esp_bring_up(esp, ctx, kiln_esp_first_baud(esp)));
    KILN_TRY(kiln_esp_speed_up(esp, ctx));
    KILN_TRY(attach(esp, ctx));
    if (esp->flash_size > KILN_ESP_ROM_FLASH_MAX)
        KILN_TRY(kiln_esp_stub_now(esp, ctx));
    KILN_TRY(kiln_esp_describe(esp, ctx));
    kiln_esp_fill_info(esp);
    return KILN_OK;
}

static void abandon(void *self, struct kiln_ctx *ctx)
{
    (void)!kiln_esp_abandon(self, ctx); /* the error that led here is the one to tell */
}

/* A connect that was cancelled or failed must not leave the board held in reset or in its bootloader. */
static void release(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    struct kiln_cleanup stack;

    if (!(kiln_link_caps(esp->link) & KILN_LINK_LINES))
        return;
    kiln_cleanup_init(&stack);
    if (kiln_cleanup_push(&stack, abandon, &esp->base) == KILN_OK)
        kiln_cleanup_run(&stack, ctx);
}

enum kiln_status kiln_esp_create(struct kiln_ctx *ctx, struct kiln_byte_link *link,
                                 const struct kiln_loader_options *options,
                                 struct kiln_esp **out_esp)
{
    struct kiln_esp *esp = calloc(1, sizeof *esp);
    enum kiln_status status;

    *out_esp = NULL;
    if (esp == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    esp->base.ops = &ops;
    esp->link = link;
    esp->timing = usual_timing;
    kiln_slip_decoder_init(&esp->rx, esp->rx_frame, sizeof esp->rx_frame);
    status = copy_options(esp, ctx, options);
    if (status != KILN_OK) {
        dispose(&esp->base);
        return status;
    }
    *out_esp = esp;
    return KILN_OK;
}

enum kiln_status kiln_esp_connect(struct kiln_ctx *ctx, struct kiln_byte_link *link,
                                  const struct kiln_loader_options *options,
                                  struct kiln_loader **out_loader)
{
    struct kiln_esp *esp;
    enum kiln_status status;

    *out_loader = NULL;
    KILN_TRY(kiln_esp_create(ctx, link, options, &esp));
    status = connect(esp, ctx);
    if (status != KILN_OK) {
        release(esp, ctx);
        dispose(&esp->base);
        return status;
    }
    *out_loader = &esp->base;
    return KILN_OK;
}
