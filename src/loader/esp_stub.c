/* SPDX-License-Identifier: MIT */
/* Uploading the flasher stub. */
#include "loader/esp.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

#define GREETING_MS 1000u

const char *kiln_esp_helper_name(const struct kiln_esp *esp)
{
    return esp->flasher ? "Kiln's flasher" : "flasher stub";
}

/* Why none may run on this chip, or NULL. */
const char *kiln_esp_no_stub_reason(const struct kiln_esp *esp)
{
    if (esp->secure_download)
        return "secure download mode runs no stub";
    if ((esp->facts->flags & KILN_ESP_NO_STUB_SB) && esp->has_security &&
        (esp->security.flags & KILN_ESP_SECURE_BOOT))
        return "secure boot lets no stub run";
    if (kiln_esp_stub_of(esp->chip, esp->revision) == NULL)
        return "there is no stub for this chip";
    return NULL;
}

static enum kiln_status upload(struct kiln_esp *esp, struct kiln_ctx *ctx,
                               const struct kiln_esp_stub_image *image)
{
    KILN_TRY(kiln_esp_mem_write(esp, ctx, image->text_start, image->text, image->text_len));
    if (image->data_len > 0)
        KILN_TRY(kiln_esp_mem_write(esp, ctx, image->data_start, image->data, image->data_len));
    return KILN_OK;
}

static enum kiln_status await_greeting(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t op)
{
    uint64_t saved = kiln_deadline_narrow(ctx, GREETING_MS);
    enum kiln_status status;

    for (;;) {
        struct kiln_esp_reply reply;
        unsigned error;

        status = kiln_esp_next_frame(esp, ctx, GREETING_MS, "start the flasher stub");
        if (status != KILN_OK)
            break;
        if (esp->rx.len == 4 && memcmp(esp->rx.frame, "OHAI", 4) == 0)
            break;
        if (!kiln_esp_parse_reply(esp->rx.frame, esp->rx.len, &reply) || reply.op != op)
            continue;
        if (kiln_esp_judge(&reply, 0, &error) == KILN_ESP_VERDICT_ERROR) {
            status =
                kiln_esp_refused(esp, ctx, KILN_ESP_VERDICT_ERROR, error, "start the flasher stub");
            break;
        }
    }
    kiln_deadline_restore(ctx, saved);
    esp->stub = status == KILN_OK;
    if (status == KILN_OK)
        kiln_esp_in_step(esp);
    return status;
}

static enum kiln_status send_words(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t op,
                                   const uint32_t words[2])
{
    uint8_t request[KILN_ESP_HEADER_LEN + 8];

    kiln_esp_expect(esp);
    kiln_esp_put_header(request, op, 8, 0);
    kiln_esp_put_words(request + KILN_ESP_HEADER_LEN, words, 2);
    return kiln_esp_send_frame(esp, ctx, request, sizeof request);
}

/* Where secure boot forbids MEM_END to jump: the ROM's own flash read is a call through a pointer in RAM. */
static enum kiln_status start_by_pointer(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t entry)
{
    const uint32_t stay[2] = {1, 0};
    const uint32_t nothing[2] = {0, 0};
    uint32_t before = 0;

    KILN_TRY(kiln_esp_words(esp, ctx, KILN_ESP_MEM_END, stay, 2, 0, "finish the upload"));
    KILN_TRY(kiln_esp_read_reg(esp, ctx, esp->facts->read_pointer, &before));
    KILN_TRY(kiln_esp_write_reg(esp, ctx, esp->facts->read_pointer, entry));
    KILN_TRY(send_words(esp, ctx, KILN_ESP_READ_FLASH_SLOW, nothing));
    KILN_TRY(await_greeting(esp, ctx, KILN_ESP_READ_FLASH_SLOW));
    return kiln_esp_write_reg(esp, ctx, esp->facts->read_pointer, before);
}

/* The ROM may or may not answer before it jumps; the stub's greeting is what counts. */
static enum kiln_status start(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t entry)
{
    const uint32_t words[2] = {0, entry};

    if (esp->facts->read_pointer != 0 && esp->has_security &&
        (esp->security.flags & KILN_ESP_SECURE_BOOT))
        return start_by_pointer(esp, ctx, entry);
    KILN_TRY(send_words(esp, ctx, KILN_ESP_MEM_END, words));
    return await_greeting(esp, ctx, KILN_ESP_MEM_END);
}

/* ---- when it is worth its upload ---- */

/* Kiln's own flasher is, always: what is there already it finds out faster than a ROM by more than its upload takes, and
 * a single page too, which a ROM takes uncompressed, erases and programs one after the other. */

#define UPLOAD_BYTES 7500u
#define UPLOAD_MS    10u /* its round trips */
/* Through the ROM a page is received, erased and programmed one after the other, and it comes uncompressed. */
#define ROM_PAGE_MS    55u
#define ROM_PAGES_FREE 2u

void kiln_esp_defer_stub(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    struct kiln_esp_stub_image image;

    esp->deferred = false;
    if (!esp->options.may_defer || kiln_esp_wants_flasher(esp) || esp->stub ||
        esp->options.flasher == KILN_FLASHER_ROM || kiln_esp_no_stub_reason(esp) != NULL ||
        esp->port != KILN_ESP_PORT_UART || esp->options.after == KILN_AFTER_STAY_STUB ||
        (esp->facts->flags & KILN_ESP_ROM_MINIMAL))
        return;
    esp->rom_work = 0;
    if (kiln_esp_stub_load(ctx, esp->options.stub_dir, kiln_esp_stub_of(esp->chip, esp->revision),
                           &image) == KILN_OK) {
        kiln_esp_stub_dispose(&image);
        esp->deferred = true;
    }
    kiln_error_clear(ctx); /* starting it will tell that there is none */
}

enum kiln_status kiln_esp_stub_now(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint32_t slower = kiln_esp_slower(esp->baud);
    bool flasher_failed = esp->flasher_failed;

    if (!esp->deferred)
        return KILN_OK;
    esp->deferred = esp->options.may_defer = false;
    esp->flash_awake = esp->has_flash;
    if (kiln_esp_start_stub(esp, ctx) != KILN_OK) {
        if (esp->entered == NULL || !kiln_esp_may_retry(ctx, ctx->error.status))
            return ctx->error.status;
        if (slower < KILN_ESP_BOOT_BAUD || esp->flasher_failed != flasher_failed)
            slower = esp->baud;
        KILN_TRY(kiln_esp_bring_up(esp, ctx, slower));
        kiln_error_clear(ctx);
    }
    KILN_TRY(kiln_esp_speed_up(esp, ctx));
    esp->info.baud = esp->baud;
    if (esp->stub)
        snprintf(esp->info.loader, sizeof esp->info.loader, "%s", kiln_esp_helper_name(esp));
    if (esp->flasher) /* for which the ROM has connected it */
        return KILN_OK;
    return kiln_esp_attach_surely(esp, ctx);
}

/* Bytes for which the ROM is no slower than stub and upload together. */
static uint64_t good_for_rom(const struct kiln_esp *esp)
{
    uint32_t upload_ms = UPLOAD_MS + (uint32_t)((uint64_t)UPLOAD_BYTES * 10000 / esp->baud);
    uint32_t page_ms = ROM_PAGE_MS + KILN_ESP_FLASH_PAGE * 5000u / esp->baud;

    return (uint64_t)KILN_ESP_FLASH_PAGE * (ROM_PAGES_FREE + upload_ms / page_ms);
}

enum kiln_status kiln_esp_stub_for(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t bytes)
{
    enum kiln_status status;

    if (!esp->deferred)
        return KILN_OK;
    esp->rom_work += bytes;
    if (esp->rom_work > good_for_rom(esp))
        return kiln_esp_stub_now(esp, ctx);
    if (esp->rom_proven || esp->baud <= KILN_ESP_BOOT_BAUD)
        return KILN_OK;
    status = kiln_esp_prove(esp, ctx, KILN_ESP_FIRST_PROBES, KILN_ESP_PROBES);
    esp->rom_proven = status == KILN_OK;
    if (!kiln_esp_may_retry(ctx, status))
        return status;
    kiln_error_clear(ctx);
    return kiln_esp_stub_now(esp, ctx); /* which goes down with the rate */
}

enum kiln_status kiln_esp_prepare(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t bytes)
{
    struct kiln_esp *esp = kiln_esp_of(self);

    if (!esp->deferred || esp->rom_work + bytes <= good_for_rom(esp))
        return KILN_OK;
    return kiln_esp_stub_now(esp, ctx);
}

enum kiln_status kiln_esp_start_stub(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const char *reason = esp->options.flasher == KILN_FLASHER_ROM ? "the stub was switched off"
                                                                  : kiln_esp_no_stub_reason(esp);
    struct kiln_esp_stub_image image;
    enum kiln_status status;

    if (esp->stub)
        return KILN_OK; /* one runs already */
    if (reason != NULL) {
        kiln_esp_note(esp, "%s: only the boot ROM is used, which is slower", reason);
        return KILN_OK;
    }
    if (kiln_esp_wants_flasher(esp))
        return kiln_esp_start_flasher(esp, ctx);
    kiln_esp_note_no_flasher(esp);
    if (kiln_esp_stub_load(ctx, esp->options.stub_dir, kiln_esp_stub_of(esp->chip, esp->revision),
                           &image) != KILN_OK) {
        kiln_esp_note(esp, "no flasher stub (%s): only the boot ROM is used, which is slower",
                      ctx->error.message);
        kiln_error_clear(ctx);
        return KILN_OK;
    }
    status = upload(esp, ctx, &image);
    if (status == KILN_OK)
        status = start(esp, ctx, image.entry);
    kiln_esp_stub_dispose(&image);
    if (status != KILN_OK)
        return kiln_while(ctx, "while starting the flasher stub");
    return KILN_OK;
}
