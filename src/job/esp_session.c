/* SPDX-License-Identifier: MIT */
/* An ESP session: its life. */
#include "job/esp_session.h"

#include "os/wait.h"
#include "os/yield.h"

#include <stdlib.h>
#include <string.h>

static bool copy_text(const char **field)
{
    if (*field == NULL)
        return true;
    *field = strdup(*field);
    return *field != NULL;
}

enum kiln_status kiln_esp_session_create(const struct kiln_esp_session_options *options,
                                         struct kiln_esp_session **out_session)
{
    struct kiln_esp_session *session = calloc(1, sizeof *session);

    *out_session = NULL;
    if (session == NULL)
        return KILN_E_NOMEM;
    session->options = *options;
    session->cancel.wake_fd = session->cancel.fire_fd = -1;
    session->opened.yielded = -1;
    session->opened.virtual_clock = &session->virtual_clock;
    kiln_ctx_init(&session->ctx, kiln_system_clock());
    bool copied = copy_text(&session->options.device);
    copied = copy_text(&session->options.chip) && copied;
    copied = copy_text(&session->options.stub_dir) && copied;
    copied = copy_text(&session->options.reset_sequence) && copied;
    copied = copy_text(&session->options.run_sequence) && copied;
    if (!copied || kiln_cancel_init(&session->cancel) != KILN_OK) {
        kiln_esp_session_free(session);
        return KILN_E_NOMEM;
    }
    session->ctx.cancel = &session->cancel;
    *out_session = session;
    return KILN_OK;
}

void kiln_esp_session_cancel(struct kiln_esp_session *session)
{
    kiln_cancel_fire(&session->cancel);
}

const struct kiln_error *kiln_esp_session_error(const struct kiln_esp_session *session)
{
    return &session->ctx.error;
}

void kiln_esp_session_free(struct kiln_esp_session *session)
{
    if (session == NULL)
        return;
    if (session->esp != NULL)
        session->esp->base.ops->free(&session->esp->base);
    kiln_link_close(session->link);
    kiln_yield_return(session->opened.yielded);
    if (session->cancel.wake_fd >= 0)
        kiln_cancel_dispose(&session->cancel);
    free((void *)(uintptr_t)session->options.device);
    free((void *)(uintptr_t)session->options.chip);
    free((void *)(uintptr_t)session->options.stub_dir);
    free((void *)(uintptr_t)session->options.reset_sequence);
    free((void *)(uintptr_t)session->options.run_sequence);
    free(session);
}

/* ---- connecting ---- */

static enum kiln_status open_link(struct kiln_esp_session *session)
{
    const char *device = session->options.device;
    struct kiln_ctx *ctx = &session->ctx;

    KILN_TRY(kiln_open_selector(
        ctx, &(struct kiln_opening){device != NULL ? device : "", 0, KILN_TOUCH_NEVER},
        &session->opened));
    session->link = session->opened.byte_link;
    session->opened.byte_link = NULL;
    if (session->opened.usb_link != NULL) {
        kiln_usb_close(session->opened.usb_link);
        session->opened.usb_link = NULL;
        return kiln_fail(ctx, KILN_E_UNSUPPORTED, "%s is no serial port", session->opened.device);
    }
    if (session->options.watch != NULL) {
        struct kiln_byte_link *below = session->link;

        session->link = NULL; /* the layer closes it if it fails */
        KILN_TRY(kiln_esp_watch_layer(ctx, &session->options, below, &session->link));
    }
    return KILN_OK;
}

static enum kiln_status find(struct kiln_esp_session *session)
{
    const struct kiln_esp_session_options *wanted = &session->options;
    const struct kiln_loader_options options = {
        .chip = wanted->chip,
        .baud = wanted->baud,
        .before = (enum kiln_before)wanted->before,
        .after = (enum kiln_after)wanted->after,
        .flasher = wanted->no_stub ? KILN_FLASHER_ROM : KILN_FLASHER_STUB,
        .connect_attempts = wanted->connect_attempts,
        .stub_dir = wanted->stub_dir,
        .reset_sequence = wanted->reset_sequence,
        .run_sequence = wanted->run_sequence,
    };
    struct kiln_ctx *ctx = &session->ctx;

    KILN_TRY(kiln_esp_create(ctx, session->link, &options, &session->esp));
    kiln_esp_set_timing(session->esp, &wanted->timing);
    KILN_TRY(kiln_esp_find(session->esp, ctx));
    KILN_TRY(kiln_esp_describe(session->esp, ctx));
    if (!session->esp->secure_download)
        KILN_TRY(kiln_esp_mac(session->esp, ctx, session->mac, &session->mac_len));
    kiln_esp_fill_info(session->esp);
    return KILN_OK;
}

/* The lines are released and the board is not left in its bootloader; the error that led here is the one to
 * tell. */
static void give_up(struct kiln_esp_session *session)
{
    struct kiln_error error = session->ctx.error;

    if (session->esp == NULL)
        return;
    session->ctx.shield++;
    if (kiln_link_caps(session->link) & KILN_LINK_LINES)
        (void)!kiln_esp_abandon(&session->esp->base, &session->ctx);
    session->ctx.shield--;
    session->ctx.error = error;
    session->esp->base.ops->free(&session->esp->base);
    session->esp = NULL;
}

enum kiln_status kiln_esp_session_connect(struct kiln_esp_session *session)
{
    enum kiln_status status;

    if (session->esp != NULL)
        return kiln_fail(&session->ctx, KILN_E_ARG, "the session is connected already");
    if (session->link == NULL)
        KILN_TRY(open_link(session));
    status = find(session);
    if (status != KILN_OK)
        give_up(session);
    return status;
}

enum kiln_status kiln_esp_session_ready(struct kiln_esp_session *session, bool needs_flash)
{
    if (session->esp == NULL)
        return kiln_fail(&session->ctx, KILN_E_ARG, "the session is not connected");
    if (session->esp->left)
        return kiln_fail(&session->ctx, KILN_E_ARG, "the chip has left its bootloader");
    if (needs_flash && !session->esp->has_flash)
        return kiln_fail(&session->ctx, KILN_E_UNSUPPORTED, "the SPI flash does not answer");
    return KILN_OK;
}

enum kiln_status kiln_esp_session_start(struct kiln_esp_session *session)
{
    struct kiln_esp *esp = session->esp;
    struct kiln_ctx *ctx = &session->ctx;

    KILN_TRY(kiln_esp_session_ready(session, false));
    KILN_TRY(kiln_esp_equip(esp, ctx, kiln_esp_first_baud(esp)));
    KILN_TRY(kiln_esp_speed_up(esp, ctx));
    kiln_esp_fill_info(esp);
    return KILN_OK;
}

enum kiln_status kiln_esp_session_attach(struct kiln_esp_session *session, uint32_t pins)
{
    KILN_TRY(kiln_esp_session_ready(session, false));
    session->esp->pins = pins;
    KILN_TRY(kiln_esp_attach(session->esp, &session->ctx));
    /* An application may have left it in a mode in which the ROM cannot read it at the next start. */
    if (session->esp->has_flash && !session->esp->secure_download)
        KILN_TRY(kiln_esp_reset_flash(session->esp, &session->ctx));
    kiln_esp_fill_info(session->esp);
    return KILN_OK;
}

enum kiln_status kiln_esp_session_leave(struct kiln_esp_session *session)
{
    enum kiln_status status;

    if (session->esp == NULL)
        return kiln_fail(&session->ctx, KILN_E_ARG, "the session is not connected");
    session->ctx.shield++;
    status = kiln_esp_leave(&session->esp->base, &session->ctx);
    session->ctx.shield--;
    return status;
}

void kiln_esp_session_set_after(struct kiln_esp_session *session, enum kiln_reset_after after)
{
    session->options.after = after;
    if (session->esp != NULL)
        session->esp->options.after = (enum kiln_after)after;
}

/* ---- who it is ---- */

void kiln_esp_session_about(const struct kiln_esp_session *session,
                            struct kiln_esp_about *out_about)
{
    static const enum kiln_esp_usb ports[] = {
        [KILN_ESP_PORT_UART] = KILN_ESP_USB_NONE,
        [KILN_ESP_PORT_OTG] = KILN_ESP_USB_OTG,
        [KILN_ESP_PORT_USB_JTAG] = KILN_ESP_USB_SERIAL_JTAG,
    };
    const struct kiln_esp *esp = session->esp;

    *out_about = (struct kiln_esp_about){.chip = "",
                                         .title = "",
                                         .variant = "",
                                         .features = "",
                                         .device = session->opened.device,
                                         .notes = "",
                                         .chip_id = -1};
    if (session->link != NULL)
        out_about->has_reset_lines = (kiln_link_caps(session->link) & KILN_LINK_LINES) != 0;
    if (esp == NULL)
        return;
    out_about->chip = esp->chip->name;
    out_about->title = esp->chip->title;
    out_about->variant = esp->info.chip_title;
    out_about->features = esp->info.features;
    out_about->notes = esp->info.notes;
    out_about->no_stub_reason = esp->stub ? NULL : kiln_esp_no_stub_reason(esp);
    out_about->chip_id = esp->facts->chip_id;
    out_about->revision = esp->revision;
    out_about->crystal_mhz = esp->info.crystal_mhz;
    out_about->baud = esp->baud;
    out_about->usb = ports[esp->port];
    memcpy(out_about->mac, session->mac, sizeof out_about->mac);
    out_about->mac_len = session->mac_len;
    out_about->stub = esp->stub;
    out_about->found_stub = esp->found_stub;
    out_about->secure_download = esp->secure_download;
    out_about->rom_minimal = (esp->facts->flags & KILN_ESP_ROM_MINIMAL) != 0;
    out_about->watchdog_resets = (esp->facts->flags & KILN_ESP_WDT_RESET) && !esp->secure_download;
    out_about->min_rev_is_minor = (esp->facts->flags & KILN_ESP_MIN_REV_MINOR) != 0;
    out_about->big_flash = (esp->facts->flags & KILN_ESP_BIG_FLASH) != 0;
    out_about->rom_encrypts = !(esp->facts->flags & KILN_ESP_BEGIN_4_WORDS);
    out_about->boot_offset = esp->facts->boot_offset;
    out_about->encrypted_align = esp->facts->encrypted_align;
    out_about->flash_id = esp->flash_id;
    out_about->flash_size = esp->secure_download ? 0 : kiln_esp_flash_size_of(esp->flash_id);
}
