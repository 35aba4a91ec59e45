/* SPDX-License-Identifier: MIT */
/* Getting the chip into its bootloader, and saying which wire is wrong when it does not come. */
#include "loader/esp.h"

#include "base/bytes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define ATTEMPTS_DEFAULT 7u
#define SYNCS_PER_RESET  5
#define ROM_START_MS     150u
#define ATTACH_TRIES     6u /* each from the third on at a lower rate */

enum kiln_status kiln_esp_run_sequence(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                       const struct kiln_reset_sequence *sequence)
{
    for (size_t i = 0; i < sequence->count; i++) {
        const struct kiln_reset_step *step = &sequence->step[i];

        if (step->mask != 0)
            KILN_TRY(kiln_link_set_lines(esp->link, ctx, step->mask, step->levels));
        if (step->wait_ms > 0)
            KILN_TRY(kiln_sleep_ms(ctx, step->wait_ms));
    }
    return KILN_OK;
}

/* ---- which sequences ---- */

#define ROTATION_MAX 5

/* The last pause of a sequence is the one that holds GPIO0. */
static void with_delay(struct kiln_reset_sequence *sequence, uint16_t delay_ms)
{
    for (size_t i = sequence->count; i > 0; i--) {
        if (sequence->step[i - 1].wait_ms > 0) {
            sequence->step[i - 1].wait_ms = delay_ms;
            return;
        }
    }
}

static size_t delayed_rotation(struct kiln_esp *esp, unsigned caps,
                               const struct kiln_reset_sequence *out[])
{
    size_t n = 0;

    if (caps & KILN_LINK_LINES_AT_ONCE)
        esp->delayed[n++] = kiln_reset_tight;
    esp->delayed[n++] = kiln_reset_classic;
    for (size_t i = 0; i < n; i++) {
        with_delay(&esp->delayed[i], (uint16_t)KILN_MIN(esp->timing.reset_delay_ms, 60000u));
        out[i] = &esp->delayed[i];
    }
    return n;
}

static size_t rotation(struct kiln_esp *esp, const struct kiln_reset_sequence *out[])
{
    unsigned caps = kiln_link_caps(esp->link);
    size_t n = 0;

    if (esp->options.before == KILN_BEFORE_NO_RESET || esp->options.before == KILN_BEFORE_NO_SYNC ||
        !(caps & KILN_LINK_LINES))
        return 0;
    if (esp->options.reset_sequence != NULL) {
        out[n++] = &esp->custom_reset;
        return n;
    }
    if (esp->options.before == KILN_BEFORE_USB || (caps & KILN_LINK_CDC))
        out[n++] = &kiln_reset_usb_jtag;
    if (esp->options.before == KILN_BEFORE_USB)
        return n;
    if (esp->timing.reset_delay_ms > 0)
        return n + delayed_rotation(esp, caps, out + n);
    if (caps & KILN_LINK_LINES_AT_ONCE) {
        out[n++] = &kiln_reset_tight;
        out[n++] = &kiln_reset_tight_slow;
    }
    out[n++] = &kiln_reset_classic;
    out[n++] = &kiln_reset_classic_slow;
    return n;
}

/* ---- one attempt ---- */

/* A port that is part of the chip goes away and comes back when the chip is reset. */
static enum kiln_status reset_into_bootloader(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                              const struct kiln_reset_sequence *sequence)
{
    enum kiln_status status = kiln_esp_run_sequence(esp, ctx, sequence);

    if (status == KILN_E_GONE) {
        uint64_t saved = kiln_deadline_narrow(ctx, 3000);

        status = kiln_link_reopen(esp->link, ctx);
        kiln_deadline_restore(ctx, saved);
    }
    kiln_esp_was_reset(esp);
    return status;
}

static enum kiln_status attempt(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                const struct kiln_reset_sequence *sequence)
{
    enum kiln_status status = KILN_OK;

    KILN_TRY(kiln_esp_flush(esp, ctx));
    esp->log_len = 0;
    if (sequence != NULL)
        KILN_TRY(reset_into_bootloader(esp, ctx, sequence));
    for (int i = 0; i < SYNCS_PER_RESET; i++) {
        status = kiln_esp_sync(esp, ctx);
        if (!kiln_esp_may_retry(ctx, status))
            return status;
        KILN_TRY(kiln_sleep_ms(ctx, 50));
    }
    return status;
}

/* ---- diagnosis ---- */

static unsigned readable_percent(const uint8_t *bytes, size_t len)
{
    size_t good = 0;

    for (size_t i = 0; i < len; i++)
        good += bytes[i] == '\r' || bytes[i] == '\n' || bytes[i] == '\t' ||
                (bytes[i] < 0x80 && isprint(bytes[i]));
    return len == 0 ? 0 : (unsigned)(good * 100 / len);
}

/* The longest readable stretch of the log, for the message. */
static void quote(const struct kiln_esp *esp, char *text, size_t cap)
{
    size_t best = 0, best_len = 0, start = 0;

    for (size_t i = 0; i <= esp->log_len; i++) {
        bool readable = i < esp->log_len && esp->log[i] < 0x80 && isprint(esp->log[i]);

        if (!readable && i - start > best_len) {
            best = start;
            best_len = i - start;
        }
        if (!readable)
            start = i + 1;
    }
    best_len = KILN_MIN(best_len, cap - 1);
    memcpy(text, esp->log + best, best_len);
    text[best_len] = '\0';
}

static enum kiln_status diagnose_boot(struct kiln_ctx *ctx, const struct kiln_esp_boot_log *log,
                                      const char *port)
{
    if (log->download)
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_ESP_TX_DEAD,
                              "the board on %s is in download mode (0x%02x) but does not answer: "
                              "what we send does not reach it",
                              port, log->mode);
    if (log->brownout)
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_ESP_SUPPLY,
                              "the board on %s resets itself because its supply breaks down "
                              "(brownout), and did not enter the bootloader",
                              port);
    if (log->no_program || log->resets > 1)
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_BOOT_BUTTON,
                              "the board on %s %s and did not enter the bootloader (boot mode "
                              "0x%02x): GPIO0 was not low at reset",
                              port,
                              log->no_program ? "finds no program in its flash that it can start"
                                              : "restarts again and again",
                              log->mode);
    return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_BOOT_BUTTON,
                          "the board on %s started its program and not the bootloader "
                          "(boot mode 0x%02x): GPIO0 was not low at reset",
                          port, log->mode);
}

static bool is_echo(const struct kiln_esp *esp)
{
    uint8_t sync[KILN_ESP_SYNC_LEN];

    kiln_esp_put_sync(sync);
    return memmem(esp->log, esp->log_len, sync, sizeof sync) != NULL;
}

static enum kiln_status diagnose(struct kiln_esp *esp, struct kiln_ctx *ctx, bool did_reset)
{
    char port[96];
    char words[48];
    struct kiln_esp_boot_log log;

    kiln_link_describe(esp->link, port, sizeof port);
    kiln_esp_scan_boot_log(esp->log, esp->log_len, &log);
    if (log.seen)
        return diagnose_boot(ctx, &log, port);
    if (is_echo(esp))
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_ESP_ECHO,
                              "%s sends back what it is sent: the board runs a program that does "
                              "so, or TX and RX are joined",
                              port);
    if (esp->log_len >= 8 && readable_percent(esp->log, esp->log_len) >= 80) {
        quote(esp, words, sizeof words);
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_BOOT_BUTTON,
                              "the board on %s runs its program (it says \"%s\") and did not enter "
                              "the bootloader",
                              port, words);
    }
    if (esp->log_len >= 8)
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_BOOT_BUTTON,
                              "the board on %s sends data that makes no sense at %u baud: it runs "
                              "its program, or its clock is unusual",
                              port, (unsigned)esp->baud);
    return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_ESP_NO_REPLY,
                          did_reset ? "the board on %s stays silent, whatever reset was tried"
                                    : "the board on %s stays silent",
                          port);
}

enum kiln_status kiln_esp_enter(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const struct kiln_reset_sequence *sequences[ROTATION_MAX];
    size_t count = rotation(esp, sequences);
    uint32_t attempts =
        esp->options.connect_attempts > 0 ? esp->options.connect_attempts : ATTEMPTS_DEFAULT;
    bool no_sync = esp->options.before == KILN_BEFORE_NO_SYNC;

    esp->entered = NULL;
    esp->flash_awake = false;
    esp->word_count = 0;
    if (no_sync)
        return kiln_esp_flush(esp, ctx);
    for (uint32_t i = 0; i < attempts; i++) {
        const struct kiln_reset_sequence *sequence = count > 0 ? sequences[i % count] : NULL;
        enum kiln_status status = attempt(esp, ctx, sequence);

        if (status == KILN_OK) {
            esp->entered = sequence;
            kiln_log(ctx, KILN_LOG_DEBUG, "loader", "in the bootloader by reset \"%s\", attempt %u",
                     sequence != NULL ? sequence->name : "none", i + 1);
            return KILN_OK;
        }
        if (!kiln_esp_may_retry(ctx, status) && status != KILN_E_TIMEOUT)
            return status;
        if (kiln_deadline_passed(ctx))
            break;
    }
    return diagnose(esp, ctx, count > 0);
}

/* ---- bringing up ---- */

static enum kiln_status to_boot_rate(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    unsigned caps = kiln_link_caps(esp->link);
    uint32_t rate = KILN_ESP_BOOT_BAUD;

    if (esp->options.baud > 0 && esp->options.baud < rate)
        rate = esp->options.baud;
    if (caps & KILN_LINK_BAUD)
        KILN_TRY(kiln_link_set_baud(esp->link, ctx, rate));
    esp->baud = rate;
    return KILN_OK;
}

enum kiln_status kiln_esp_find(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    KILN_TRY(to_boot_rate(esp, ctx));
    KILN_TRY(kiln_esp_enter(esp, ctx));
    if (esp->flasher) { /* left by somebody who could not reset the chip */
        kiln_esp_flasher_reset(esp, ctx);
        KILN_TRY(kiln_sleep_ms(ctx, ROM_START_MS));
        KILN_TRY(kiln_esp_resync(esp, ctx));
    }
    if (esp->chip == NULL)
        KILN_TRY(kiln_esp_detect(esp, ctx));
    esp->found_stub = esp->stub;
    return kiln_esp_settle(esp, ctx);
}

/* A refused rate is no reason to stop: both sides still have the old one. */
static enum kiln_status raise_rate(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t baud)
{
    uint32_t before = esp->baud;
    enum kiln_status status = kiln_esp_change_baud(esp, ctx, baud);

    if (status != KILN_E_NAK || esp->baud != before)
        return status;
    kiln_esp_note(esp, "the chip refused %u baud, going on with %u", (unsigned)baud,
                  (unsigned)before);
    kiln_error_clear(ctx);
    return KILN_OK;
}

static enum kiln_status equip_once(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t baud)
{
    bool early;

    /* Before the stub is uploaded where the ROM can: the upload then runs fast and proves the rate. */
    early = !esp->stub && (kiln_link_caps(esp->link) & KILN_LINK_BAUD) &&
            !(esp->facts->flags & KILN_ESP_ROM_MINIMAL);
    if (early && baud != esp->baud)
        KILN_TRY(raise_rate(esp, ctx, baud));
    kiln_esp_note_no_flasher(esp);
    kiln_esp_defer_stub(esp, ctx);
    if (!esp->deferred)
        KILN_TRY(kiln_esp_spare(esp, ctx, kiln_esp_start_stub(esp, ctx),
                                "no flasher stub, only the boot ROM is used"));
    if (baud != esp->baud && (esp->stub || !(esp->facts->flags & KILN_ESP_ROM_MINIMAL)))
        KILN_TRY(raise_rate(esp, ctx, baud));
    return KILN_OK;
}

bool kiln_esp_line_trouble(const struct kiln_esp *esp, struct kiln_ctx *ctx,
                           enum kiln_status status)
{
    return kiln_esp_may_retry(ctx, status) ||
           (status == KILN_E_NAK && esp->baud > KILN_ESP_BOOT_BAUD && !kiln_deadline_passed(ctx));
}

enum kiln_status kiln_esp_equip(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t baud)
{
    bool flasher_failed = esp->flasher_failed;
    enum kiln_status status = equip_once(esp, ctx, baud);

    /* Only a reset gets the chip out of a flasher that did not come up. */
    if (status != KILN_OK && esp->flasher_failed != flasher_failed && esp->entered != NULL &&
        kiln_esp_may_retry(ctx, status)) {
        KILN_TRY(kiln_esp_find(esp, ctx));
        status = equip_once(esp, ctx, baud);
    }
    /* A lost reply is no reason to go slower, and without reset lines there is no other way. */
    if (status != KILN_OK && kiln_esp_may_retry(ctx, status) &&
        (esp->baud == KILN_ESP_BOOT_BAUD || esp->entered == NULL)) {
        kiln_log(ctx, KILN_LOG_INFO, "loader", "%s; once more", ctx->error.message);
        status = kiln_esp_resync(esp, ctx);
        if (kiln_esp_may_retry(ctx, status) && esp->entered != NULL)
            status = kiln_esp_find(esp, ctx);
        KILN_TRY(status);
        status = equip_once(esp, ctx, baud);
    }
    while (status != KILN_OK) {
        bool raised = esp->chip != NULL && esp->baud > KILN_ESP_BOOT_BAUD;

        if (!raised || esp->entered == NULL || !kiln_esp_line_trouble(esp, ctx, status))
            return status;
        kiln_esp_note(esp, "%u baud did not work, going down", (unsigned)baud);
        baud = kiln_esp_slower(baud);
        if (baud < KILN_ESP_BOOT_BAUD)
            return status;
        KILN_TRY(kiln_esp_find(esp, ctx));
        status = equip_once(esp, ctx, baud);
    }
    return KILN_OK;
}

enum kiln_status kiln_esp_bring_up(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t baud)
{
    KILN_TRY(kiln_esp_find(esp, ctx));
    return kiln_esp_equip(esp, ctx, baud);
}

/* The state of the flash interface is lost with a reset. */
static enum kiln_status start_over(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t baud)
{
    esp->options.may_defer = false;
    esp->written_count = 0;
    if (esp->entered == NULL)
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_LOWER_BAUD,
                              "the board does not answer any more and cannot be reset over this "
                              "link");
    KILN_TRY(kiln_esp_bring_up(esp, ctx, baud));
    return kiln_esp_attach(esp, ctx);
}

enum kiln_status kiln_esp_recover(struct kiln_esp *esp, struct kiln_ctx *ctx, unsigned attempt_no)
{
    bool stub = esp->stub, flasher = esp->flasher;
    uint32_t slower = kiln_esp_slower(esp->baud);
    enum kiln_status status = kiln_esp_resync(esp, ctx);

    if (status == KILN_OK && esp->stub == stub && esp->flasher == flasher) {
        bool step_down = attempt_no > 1 && slower >= KILN_ESP_BOOT_BAUD &&
                         (kiln_link_caps(esp->link) & KILN_LINK_BAUD) &&
                         (esp->stub || esp->entered != NULL);

        if (!step_down)
            return KILN_OK;
        kiln_esp_note(esp, "errors at %u baud, going on with %u", (unsigned)esp->baud,
                      (unsigned)slower);
        return esp->stub ? kiln_esp_change_baud(esp, ctx, slower) : start_over(esp, ctx, slower);
    }
    if (status != KILN_OK && !kiln_esp_may_retry(ctx, status))
        return status;
    if (flasher && !esp->flasher_failed)
        kiln_log(ctx, KILN_LOG_INFO, "loader",
                 "Kiln's own flasher does not answer any more: going on without it");
    esp->flasher_failed = esp->flasher_failed || flasher;
    return start_over(esp, ctx, slower >= KILN_ESP_BOOT_BAUD ? slower : esp->baud);
}

enum kiln_status kiln_esp_attach_surely(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    enum kiln_status status = kiln_esp_attach(esp, ctx);

    for (unsigned i = 1; i < ATTACH_TRIES && kiln_esp_line_trouble(esp, ctx, status); i++) {
        kiln_esp_note(esp, "%s; asked again", ctx->error.message);
        status = kiln_esp_recover(esp, ctx, i);
        if (status == KILN_OK)
            status = kiln_esp_attach(esp, ctx);
    }
    return status;
}
