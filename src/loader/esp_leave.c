/* SPDX-License-Identifier: MIT */
/* Starting the application and leaving the board. */
#include "loader/esp.h"

#include <kiln/image.h>

#define RTC_RESET_MS 500u
#define REFUSAL_MS   200u

static enum kiln_status watchdog_reset(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const struct kiln_esp_watchdog *wdt = &esp->facts->wdt;
    /* Stage 0 resets system and RTC after 2000 slow clocks. */
    const struct kiln_esp_reg_write bite[] = {
        {wdt->wprotect, wdt->wkey, UINT32_MAX, 0},
        {wdt->config1, 2000, UINT32_MAX, 0},
        {wdt->config0, 1u << 31 | 5u << 28 | 1u << 8 | 2, UINT32_MAX, 0},
        {wdt->wprotect, 0, UINT32_MAX, 0},
    };
    enum kiln_status status;

    if (!(esp->facts->flags & KILN_ESP_WDT_RESET) || wdt->config0 == 0 || esp->secure_download)
        return kiln_fail(ctx, KILN_E_UNSUPPORTED,
                         "the watchdog of this chip cannot be used to reset it");
    status = kiln_esp_write_regs(esp, ctx, bite, 4);
    /* A chip that is gone before it answered did what it was told. */
    if (status != KILN_OK && status != KILN_E_TIMEOUT && status != KILN_E_GONE)
        return status;
    kiln_error_clear(ctx);
    return kiln_sleep_ms(ctx, RTC_RESET_MS);
}

/* The chip came up in download mode because of its pin and a reset of the core would not look again. */
static enum kiln_status held_by_strap(struct kiln_esp *esp, struct kiln_ctx *ctx, bool *out_held)
{
    const struct kiln_esp_facts *facts = esp->facts;
    uint32_t strap = 8;
    uint32_t forced = 0;

    *out_held = false;
    if (facts->strap == 0 || facts->force_download == 0)
        return KILN_OK;
    KILN_TRY(kiln_esp_read_reg(esp, ctx, facts->strap, &strap));
    KILN_TRY(kiln_esp_read_reg(esp, ctx, facts->force_download, &forced));
    *out_held = (strap & 8) == 0 && (forced & facts->force_download_mask) == 0;
    return KILN_OK;
}

static enum kiln_status clear_force_download(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const struct kiln_esp_reg_write clear = {esp->facts->force_download, 0,
                                             esp->facts->force_download_mask, 0};

    if (!(esp->facts->flags & KILN_ESP_CLEAR_FORCE_DL) || esp->secure_download)
        return KILN_OK;
    return kiln_esp_write_regs(esp, ctx, &clear, 1);
}

/* True if only the watchdog gets this chip out of its bootloader. */
static enum kiln_status wants_watchdog(struct kiln_esp *esp, struct kiln_ctx *ctx, bool *out_wants)
{
    bool can = (esp->facts->flags & KILN_ESP_WDT_RESET) && !esp->secure_download;
    bool lines = (kiln_link_caps(esp->link) & KILN_LINK_LINES) != 0;

    *out_wants = false;
    if (!can)
        return KILN_OK;
    if (esp->port == KILN_ESP_PORT_OTG && (esp->facts->flags & KILN_ESP_OTG_WDT_ALWAYS)) {
        *out_wants = true;
        return KILN_OK;
    }
    if (esp->port == KILN_ESP_PORT_OTG)
        return held_by_strap(esp, ctx, out_wants);
    /* On the built-in port a chip that nobody reset into the bootloader was put there by hand. */
    *out_wants = !lines || (esp->port == KILN_ESP_PORT_USB_JTAG && esp->entered == NULL);
    return KILN_OK;
}

static const struct kiln_reset_sequence *run_sequence(const struct kiln_esp *esp)
{
    if (esp->options.run_sequence != NULL)
        return &esp->custom_run;
    return esp->port != KILN_ESP_PORT_UART ? &kiln_reset_run_usb : &kiln_reset_run;
}

static enum kiln_status hard_reset(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    bool watchdog = false;
    enum kiln_status status;

    /* Neither of these may keep the reset from happening. */
    if (clear_force_download(esp, ctx) != KILN_OK || wants_watchdog(esp, ctx, &watchdog) != KILN_OK)
        watchdog = false;
    if (watchdog)
        return watchdog_reset(esp, ctx);
    if (!(kiln_link_caps(esp->link) & KILN_LINK_LINES))
        return kiln_fail(ctx, KILN_E_UNSUPPORTED,
                         "the link has no reset line: reset the board by hand");
    status = kiln_esp_run_sequence(esp, ctx, run_sequence(esp));
    return status == KILN_E_GONE ? KILN_OK : status;
}

/* The stub does it and says nothing; only a refusal comes back. */
static enum kiln_status run_from_stub(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    enum kiln_status status;

    if (esp->flasher || !(esp->facts->flags & KILN_ESP_SOFT_RESET))
        return kiln_fail(ctx, KILN_E_UNSUPPORTED,
                         "the flasher stub cannot start the application of this chip");
    status = kiln_esp_words(esp, ctx, KILN_ESP_RUN_USER_CODE, NULL, 0, REFUSAL_MS,
                            "run the application");
    if (status != KILN_E_TIMEOUT || kiln_deadline_passed(ctx))
        return status;
    kiln_error_clear(ctx);
    return KILN_OK;
}

static enum kiln_status soft_reset(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const uint32_t nothing[5] = {0};
    const uint32_t run = 1;

    if (esp->stub)
        return run_from_stub(esp, ctx);
    KILN_TRY(kiln_esp_words(esp, ctx, KILN_ESP_FLASH_BEGIN, nothing,
                            esp->facts->flags & KILN_ESP_BEGIN_4_WORDS ? 4 : 5, 0,
                            "run the application"));
    return kiln_esp_words(esp, ctx, KILN_ESP_FLASH_END, &run, 1, 1000, "run the application");
}

static enum kiln_status finish_writing(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const uint32_t stay = 1;

    if (!esp->wrote || !esp->stub || esp->flasher)
        return KILN_OK;
    esp->wrote = false;
    return kiln_esp_words(esp, ctx, KILN_ESP_FLASH_END, &stay, 1, 0, "finish writing the flash");
}

/* Whoever comes next speaks the boot rate. */
static enum kiln_status boot_rate(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    if (esp->flasher) { /* nobody else speaks its language */
        kiln_esp_flasher_reset(esp, ctx);
        return KILN_OK;
    }
    return esp->baud == KILN_ESP_BOOT_BAUD ? KILN_OK
                                           : kiln_esp_change_baud(esp, ctx, KILN_ESP_BOOT_BAUD);
}

static enum kiln_status stay(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    if (esp->stub && esp->entered != NULL)
        return kiln_esp_run_sequence(esp, ctx, esp->entered); /* out of the stub, into the ROM */
    return boot_rate(esp, ctx);
}

/* Where nothing can reset the board it stays, and whoever comes next finds it at the boot rate. */
static enum kiln_status usual_way(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    enum kiln_status status = hard_reset(esp, ctx);

    if (status != KILN_E_UNSUPPORTED)
        return status;
    KILN_TRY(boot_rate(esp, ctx));
    return kiln_fail(ctx, KILN_E_UNSUPPORTED,
                     "the board stays in its bootloader, since this link cannot reset it");
}

enum kiln_status kiln_esp_leave(struct kiln_loader *self, struct kiln_ctx *ctx)
{
    struct kiln_esp *esp = kiln_esp_of(self);
    enum kiln_status status;

    if (esp->left)
        return KILN_OK;
    esp->left = true;
    status = finish_writing(esp, ctx);
    if (status != KILN_OK && !kiln_esp_may_retry(ctx, status) && status != KILN_E_NAK)
        return status;
    switch (esp->options.after) {
    case KILN_AFTER_STAY:
        return stay(esp, ctx);
    case KILN_AFTER_STAY_STUB:
        return boot_rate(esp, ctx);
    case KILN_AFTER_SOFT:
        return soft_reset(esp, ctx);
    case KILN_AFTER_WATCHDOG:
        return watchdog_reset(esp, ctx);
    case KILN_AFTER_HARD:
        return hard_reset(esp, ctx);
    case KILN_AFTER_DEFAULT:
        break;
    }
    return usual_way(esp, ctx);
}

/* Whatever the chip was in the middle of: a reset by the lines ends it and asks nothing of the protocol.
 * Without lines the loader is brought to where the next client expects it. */
enum kiln_status kiln_esp_abandon(struct kiln_loader *self, struct kiln_ctx *ctx)
{
    struct kiln_esp *esp = kiln_esp_of(self);
    bool usb = esp->port != KILN_ESP_PORT_UART;
    enum kiln_status status;

    if (esp->left)
        return KILN_OK;
    esp->left = true;
    if ((kiln_link_caps(esp->link) & KILN_LINK_LINES) &&
        esp->options.before != KILN_BEFORE_NO_RESET && esp->options.before != KILN_BEFORE_NO_SYNC) {
        status = kiln_esp_run_sequence(esp, ctx, run_sequence(esp));
        return status == KILN_E_GONE && usb ? KILN_OK : status;
    }
    KILN_TRY(kiln_esp_resync(esp, ctx));
    return boot_rate(esp, ctx);
}

enum kiln_status kiln_esp_run(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address)
{
    struct kiln_esp *esp = kiln_esp_of(self);
    enum kiln_status status;

    esp->left = true;
    if (address != KILN_NO_ADDRESS)
        return kiln_esp_mem_run(esp, ctx, (uint32_t)address);
    if ((kiln_link_caps(esp->link) & KILN_LINK_LINES) || (esp->facts->flags & KILN_ESP_WDT_RESET))
        return hard_reset(esp, ctx);
    status = soft_reset(esp, ctx);
    if (status == KILN_E_UNSUPPORTED)
        esp->left = false; /* nothing was done */
    return status;
}
