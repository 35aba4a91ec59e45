/* SPDX-License-Identifier: MIT */
/* The rate: what to ask for, what a ROM understands by it, and whether it holds. */
#include "loader/esp.h"

#include "base/bytes.h"

/* A ROM changes over as soon as its answer has left; a stub waits 10 ms first. Bridges change over within a
 * USB frame or two. What is slower than that is caught by knocking again. */
#define ROM_SETTLE_MS  5u
#define STUB_SETTLE_MS 15u
#define SLOW_SETTLE_MS 50u
#define KNOCKS         3
#define KNOCK_MS       60u
#define KNOCK_FAR_MS   1000u
/* What is only tried because it would be faster: where it holds, a dozen round trips. */
#define TRY_MS     600u
#define TRY_FAR_MS 6000u

/* Steps down on errors. The first choice without a wish of the user is FIRST; the stub then tries more. */
#define FIRST 921600u

static const uint32_t ladder[] = {3000000, 2000000, 1500000, 921600, 460800, 230400, 115200};

static const uint32_t above_first[] = {2000000, 1500000};

uint32_t kiln_esp_slower(uint32_t baud)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(ladder); i++) {
        if (ladder[i] < baud)
            return ladder[i];
    }
    return 0;
}

uint32_t kiln_esp_first_baud(const struct kiln_esp *esp)
{
    unsigned caps = kiln_link_caps(esp->link);

    if (esp->options.baud > 0)
        return esp->options.baud;
    if (!(caps & KILN_LINK_BAUD) || (caps & KILN_LINK_CDC))
        return KILN_ESP_BOOT_BAUD;
    return FIRST;
}

/* What to ask a ROM for so that `baud` comes out: its idea of the crystal may be wrong. */
static enum kiln_status rom_request(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t baud,
                                    uint32_t *out_request)
{
    const struct kiln_esp_clock *clock = &esp->facts->rom_clock;
    uint32_t crystal = 0;
    uint32_t field = 0;
    uint32_t field2 = 0;
    uint64_t believed_hz;

    *out_request = baud;
    if (clock->kind == KILN_ESP_CLOCK_RIGHT || esp->secure_download)
        return KILN_OK;
    KILN_TRY(kiln_esp_crystal(esp, ctx, &crystal));
    believed_hz = (uint64_t)clock->mhz * 1000000;
    if (clock->kind == KILN_ESP_CLOCK_REGISTER) {
        KILN_TRY(kiln_esp_bits(esp, ctx, &clock->field, &field));
        believed_hz = (uint64_t)field * 1000000;
    } else if (clock->kind == KILN_ESP_CLOCK_CALIBRATED) {
        KILN_TRY(kiln_esp_bits(esp, ctx, &clock->field, &field));
        KILN_TRY(kiln_esp_bits(esp, ctx, &clock->field2, &field2));
        believed_hz = (uint64_t)field * 15625 * field2 / 40;
        crystal = believed_hz > 33000000 ? 40 : 26;
    }
    /* An emulator or an unprogrammed eFuse gives nonsense; then the ROM's idea is not to be guessed. */
    if (believed_hz < 20000000 || believed_hz > 60000000 || crystal == 0)
        return KILN_OK;
    *out_request = (uint32_t)((uint64_t)baud * believed_hz / ((uint64_t)crystal * 1000000));
    return KILN_OK;
}

/* A rate that the link cannot make must be known before the chip has changed. */
static enum kiln_status try_link(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t baud)
{
    if (!(kiln_link_caps(esp->link) & KILN_LINK_BAUD))
        return KILN_OK;
    KILN_TRY(kiln_link_set_baud(esp->link, ctx, baud));
    return kiln_link_set_baud(esp->link, ctx, esp->baud);
}

static enum kiln_status switch_both(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t request,
                                    uint32_t baud)
{
    const uint32_t words[2] = {request, esp->stub ? esp->baud : 0};

    KILN_TRY(kiln_esp_words(esp, ctx, KILN_ESP_CHANGE_BAUD, words, 2,
                            kiln_esp_patience_ms(esp, 1000), "change the rate"));
    esp->baud = baud;
    if (kiln_link_caps(esp->link) & KILN_LINK_BAUD)
        KILN_TRY(kiln_link_set_baud(esp->link, ctx, baud));
    KILN_TRY(kiln_sleep_ms(ctx, esp->stub ? STUB_SETTLE_MS : ROM_SETTLE_MS));
    return kiln_esp_flush(esp, ctx);
}

/* The first request at a new rate: what is on the line meanwhile may be garbage for either side. */
static enum kiln_status knock(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint8_t head[4];
    const struct kiln_esp_call call = {.op = KILN_ESP_READ_REG,
                                       .head = head,
                                       .head_len = sizeof head,
                                       .timeout_ms = kiln_esp_is_far(esp) ? KNOCK_FAR_MS : KNOCK_MS,
                                       .what = "answer at the new rate"};
    enum kiln_status status;

    kiln_put_le32(head, KILN_ESP_MAGIC_REG);
    status = kiln_esp_command(esp, ctx, &call);
    for (int i = 1; i < KNOCKS && kiln_esp_may_retry(ctx, status); i++) {
        KILN_TRY(kiln_sleep_ms(ctx, SLOW_SETTLE_MS));
        KILN_TRY(kiln_esp_flush(esp, ctx));
        status = kiln_esp_sync(esp, ctx);
    }
    return status;
}

enum kiln_status kiln_esp_prove(struct kiln_esp *esp, struct kiln_ctx *ctx, size_t from, size_t to)
{
    for (size_t i = from; i < to && esp->word_count > 0; i++) {
        size_t which = i % esp->word_count;
        uint32_t value = 0;

        KILN_TRY(kiln_esp_read_reg(esp, ctx, esp->word[which].address, &value));
        if (value != esp->word[which].value)
            return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_LOWER_BAUD,
                                  "the same register reads differently at %u baud",
                                  (unsigned)esp->baud);
    }
    return KILN_OK;
}

/* The stub's upload is a better test than any register, and so is what kiln_esp_stub_for() does without one. */
static size_t first_probes(const struct kiln_esp *esp)
{
    if (esp->baud <= KILN_ESP_BOOT_BAUD)
        return 0;
    return esp->stub || esp->options.flasher == KILN_FLASHER_ROM ? KILN_ESP_PROBES
                                                                 : KILN_ESP_FIRST_PROBES;
}

enum kiln_status kiln_esp_change_baud(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t baud)
{
    uint32_t request = baud;

    if (esp->secure_download && (esp->facts->flags & KILN_ESP_SDM_NO_BAUD)) {
        kiln_esp_note(esp, "the rate stays at %u baud in secure download mode",
                      (unsigned)esp->baud);
        return KILN_OK;
    }
    KILN_TRY(try_link(esp, ctx, baud));
    if (!esp->stub)
        KILN_TRY(rom_request(esp, ctx, baud, &request));
    KILN_TRY(switch_both(esp, ctx, request, baud));
    if (esp->secure_download) {
        KILN_TRY(kiln_esp_sync(esp, ctx));
    } else {
        KILN_TRY(knock(esp, ctx));
        KILN_TRY(kiln_esp_prove(esp, ctx, 0, first_probes(esp)));
    }
    kiln_log(ctx, KILN_LOG_DEBUG, "loader", "rate is %u baud now", (unsigned)baud);
    return KILN_OK;
}

enum kiln_status kiln_esp_speed_up(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint32_t good = esp->baud;

    if (esp->options.baud != 0 || !esp->stub || good < FIRST || esp->entered == NULL)
        return KILN_OK;
    for (size_t i = 0; i < KILN_ARRAY_LEN(above_first); i++) {
        uint64_t saved = kiln_deadline_narrow(ctx, kiln_esp_is_far(esp) ? TRY_FAR_MS : TRY_MS);
        enum kiln_status status = kiln_esp_change_baud(esp, ctx, above_first[i]);

        kiln_deadline_restore(ctx, saved);
        if (status == KILN_OK)
            return KILN_OK;
        if (status == KILN_E_ARG || status == KILN_E_UNSUPPORTED) {
            /* The link cannot make that rate: nothing has happened. */
            KILN_TRY(kiln_link_set_baud(esp->link, ctx, good));
            continue;
        }
        if (!kiln_esp_may_retry(ctx, status) && status != KILN_E_NAK)
            return status;
        /* The chip may have either rate and understand neither. To find out takes seconds, a reset a third of one, and there is
         * nothing yet that it would undo. */
        kiln_esp_note(esp, "%u baud did not work, going down", (unsigned)above_first[i]);
        return kiln_esp_bring_up(esp, ctx, good);
    }
    return KILN_OK;
}
