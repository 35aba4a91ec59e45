/* SPDX-License-Identifier: MIT */
/* Which chip it is and what it has. Facts are columns of the chip's row. */
#include "loader/esp.h"

#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void kiln_esp_note(struct kiln_esp *esp, const char *format, ...)
{
    size_t used = strlen(esp->info.notes);
    char line[200];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (strstr(esp->info.notes, line) != NULL)
        return;
    snprintf(esp->info.notes + used, sizeof esp->info.notes - used, "%s%s", used > 0 ? "\n" : "",
             line);
}

enum kiln_status kiln_esp_spare(struct kiln_esp *esp, struct kiln_ctx *ctx, enum kiln_status status,
                                const char *what)
{
    if (!esp->options.tolerant || (status != KILN_E_NAK && status != KILN_E_UNSUPPORTED))
        return status;
    kiln_esp_note(esp, "%s: %s", what, ctx->error.message);
    kiln_error_clear(ctx);
    return KILN_OK;
}

enum kiln_status kiln_esp_security_info(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                        struct kiln_esp_security *out)
{
    const struct kiln_esp_call call = {.op = KILN_ESP_GET_SECURITY_INFO,
                                       .timeout_ms = kiln_esp_patience_ms(esp, 500),
                                       .tries = 3,
                                       .what = "tell its security state"};
    struct kiln_esp_reply reply;
    enum kiln_esp_verdict verdict;
    unsigned error = 0;

    KILN_TRY(kiln_esp_exchange(esp, ctx, &call, &reply));
    verdict = kiln_esp_parse_security(&reply, out, &error);
    return kiln_esp_refused(esp, ctx, verdict, error, call.what);
}

/* ---- which chip ---- */

static const struct kiln_chip *only_without_id(uint32_t flags)
{
    const struct kiln_chip *chip;

    /* A ROM that knows the command but gives no id and refuses register reads: the one chip of that kind
     * has its magic word and an id in images. */
    if (!(flags & KILN_ESP_SECURE_DOWNLOAD))
        return NULL;
    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++) {
        if (chip->esp != NULL && chip->esp->magic != 0 && chip->esp->chip_id > 0)
            return chip;
    }
    return NULL;
}

/* The oldest chips have a magic word and know no security information; asking them for it costs a timeout,
 * since their ROM answers under another command's name. */
static enum kiln_status by_magic(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                 const struct kiln_chip **out_chip, bool *out_refused)
{
    uint32_t magic = 0;
    enum kiln_status status = kiln_esp_read_reg(esp, ctx, KILN_ESP_MAGIC_REG, &magic);

    *out_chip = NULL;
    *out_refused = status == KILN_E_NAK;
    if (*out_refused)
        return KILN_OK; /* secure download mode refuses */
    if (status == KILN_OK)
        *out_chip = kiln_esp_by_magic(magic);
    return status;
}

static enum kiln_status probe(struct kiln_esp *esp, struct kiln_ctx *ctx,
                              const struct kiln_chip **out_chip)
{
    const struct kiln_chip *named;
    bool refused = false;
    struct kiln_error silence = {.status = KILN_OK};
    enum kiln_status status = by_magic(esp, ctx, &named, &refused);

    /* A refusal that comes under another command's name may pass for no answer. */
    if (status == KILN_E_TIMEOUT && !kiln_deadline_passed(ctx))
        silence = ctx->error;
    else if (status != KILN_OK)
        return status;
    if (named != NULL && named->esp->chip_id <= 0) {
        *out_chip = named;
        return KILN_OK;
    }
    status = kiln_esp_security_info(esp, ctx, &esp->security);
    esp->has_security = status == KILN_OK;
    refused = refused || status == KILN_E_NAK;
    if (status != KILN_OK && status != KILN_E_NAK && !kiln_esp_may_retry(ctx, status))
        return status;
    if (status == KILN_E_TIMEOUT && named == NULL && !refused)
        return status;
    if (!esp->has_security)
        KILN_TRY(kiln_esp_flush(esp, ctx));
    else if (esp->security.has_chip_id)
        named = kiln_esp_by_chip_id(esp->security.chip_id);
    else if (named == NULL)
        named = only_without_id(esp->security.flags);
    esp->secure_download =
        esp->has_security && (esp->security.flags & KILN_ESP_SECURE_DOWNLOAD) != 0;
    *out_chip = named;
    if (named != NULL)
        return KILN_OK;
    if (esp->has_security && esp->security.has_chip_id)
        return kiln_fail(ctx, KILN_E_UNSUPPORTED,
                         "the board has a chip that is not known here (id %u)",
                         (unsigned)esp->security.chip_id);
    if (silence.status != KILN_OK) {
        ctx->error = silence;
        return KILN_E_TIMEOUT; /* as it was */
    }
    if (refused)
        return kiln_fail_hint(ctx, KILN_E_UNSUPPORTED, KILN_HINT_NAME_CHIP,
                              "the board's boot ROM answers and refuses to say which chip it is");
    return kiln_fail_hint(ctx, KILN_E_UNSUPPORTED, KILN_HINT_LOWER_BAUD,
                          "the board has a chip that is not known here");
}

/* Without a SYNC nobody has said who is there. A stub's replies end with 2 bytes of status, a ROM's with 4;
 * the oldest ROM, with 2 as well, is taken for what it is more often. */
static enum kiln_status rom_or_stub(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint8_t head[4];
    const struct kiln_esp_call call = {.op = KILN_ESP_READ_REG,
                                       .head = head,
                                       .head_len = sizeof head,
                                       .tries = 3,
                                       .timeout_ms = kiln_esp_patience_ms(esp, 1000),
                                       .what = "tell who it is"};
    struct kiln_esp_reply reply;

    kiln_put_le32(head, KILN_ESP_MAGIC_REG);
    KILN_TRY(kiln_esp_exchange(esp, ctx, &call, &reply));
    esp->stub = reply.body_len == 2 && !(esp->facts->flags & KILN_ESP_ROM_MINIMAL);
    return KILN_OK;
}

enum kiln_status kiln_esp_detect(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const struct kiln_chip *asked = NULL;
    const struct kiln_chip *found = NULL;

    if (esp->options.chip != NULL) {
        asked = kiln_chip_find(esp->options.chip);
        if (asked == NULL || asked->esp == NULL)
            return kiln_fail(ctx, KILN_E_ARG, "no ESP chip has the name \"%s\"", esp->options.chip);
    }
    if (asked != NULL && esp->options.before == KILN_BEFORE_NO_SYNC)
        found = asked; /* a pass-through device that may not take a probe */
    else
        KILN_TRY(probe(esp, ctx, &found));
    if (asked != NULL && asked != found)
        return kiln_fail_hint(ctx, KILN_E_REFUSED, KILN_HINT_ASKED_CHIP,
                              "the board has an %s and not an %s", found->title, asked->title);
    esp->chip = found;
    esp->facts = found->esp;
    return esp->options.before == KILN_BEFORE_NO_SYNC ? rom_or_stub(esp, ctx) : KILN_OK;
}

/* ---- revision, port, watchdogs ---- */

static enum kiln_status read_revision(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    static const uint8_t unary[8] = {0, 1, 0, 2, 0, 0, 0, 3};
    const struct kiln_esp_facts *facts = esp->facts;
    uint32_t major = 0;
    uint32_t minor = 0;
    uint32_t block = 0;

    KILN_TRY(kiln_esp_value(esp, ctx, &facts->major, &major));
    KILN_TRY(kiln_esp_value(esp, ctx, &facts->minor, &minor));
    if (facts->flags & KILN_ESP_UNARY_MAJOR)
        major = unary[major & 7];
    if ((facts->flags & KILN_ESP_REV0_BY_BLOCK) && (minor & 7) == 0) {
        KILN_TRY(kiln_esp_value(esp, ctx, &facts->block_version, &block));
        if (block == 0x101)
            major = minor = 0;
    }
    esp->revision = major * 100 + minor;
    return KILN_OK;
}

static enum kiln_status read_console(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const struct kiln_esp_console *row = kiln_esp_console_of(esp->facts, esp->revision);
    uint32_t word = 0;

    esp->port = KILN_ESP_PORT_UART;
    if (row == NULL)
        return KILN_OK;
    KILN_TRY(kiln_esp_read_reg(esp, ctx, row->word, &word));
    word &= 0xff;
    if (row->usb_otg != 0 && word == row->usb_otg)
        esp->port = KILN_ESP_PORT_OTG;
    else if (row->usb_jtag_serial != 0 && word == row->usb_jtag_serial)
        esp->port = KILN_ESP_PORT_USB_JTAG;
    return KILN_OK;
}

/* The reset of this port does not reach the watchdogs, so they would bite in the middle of the work. */
static enum kiln_status calm_watchdogs(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const struct kiln_esp_watchdog *wdt = &esp->facts->wdt;
    const struct kiln_esp_reg_write off[] = {
        {wdt->wprotect, wdt->wkey, UINT32_MAX, 0},
        {wdt->config0, 0, UINT32_MAX, 0},
        {wdt->wprotect, 0, UINT32_MAX, 0},
        {wdt->swd_wprotect, wdt->swd_wkey, UINT32_MAX, 0},
        {wdt->swd_conf, wdt->swd_auto_feed, wdt->swd_auto_feed, 0},
        {wdt->swd_wprotect, 0, UINT32_MAX, 0},
    };

    if (esp->port != KILN_ESP_PORT_USB_JTAG || wdt->config0 == 0 || esp->stub)
        return KILN_OK;
    return kiln_esp_write_regs(esp, ctx, off, wdt->swd_conf != 0 ? 6 : 3);
}

static enum kiln_status power_flash(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const struct kiln_esp_power_step *step = esp->facts->power_on;

    if (step == NULL || esp->revision != esp->facts->power_on_revision || esp->stub)
        return KILN_OK;
    for (; step->reg != 0; step++) {
        uint32_t value = 0;

        if (step->clear != UINT32_MAX)
            KILN_TRY(kiln_esp_read_reg(esp, ctx, step->reg, &value));
        KILN_TRY(kiln_esp_write_reg(esp, ctx, step->reg, (value & ~step->clear) | step->set));
        if (step->wait_us > 0)
            KILN_TRY(kiln_sleep_ms(ctx, (step->wait_us + 999u) / 1000u));
    }
    return KILN_OK;
}

struct words {
    uint32_t address[KILN_ESP_WORDS_MAX];
    size_t count;
};

static void want_bits(struct words *words, const struct kiln_esp_bits *bits)
{
    if (bits->width > 0 && words->count < KILN_ARRAY_LEN(words->address))
        words->address[words->count++] = bits->reg;
}

static void want_value(struct words *words, const struct kiln_esp_value *value)
{
    for (size_t i = 0; i < KILN_ESP_PARTS; i++)
        want_bits(words, &value->part[i]);
}

/* What tells who the chip is and how far it is locked. */
static enum kiln_status fetch_identity(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const struct kiln_esp_facts *facts = esp->facts;
    struct words words = {.address = {facts->mac, facts->mac + 4}, .count = 2};

    want_value(&words, &facts->major);
    want_value(&words, &facts->minor);
    want_value(&words, &facts->variant);
    want_bits(&words, &facts->rom_clock.field);
    want_bits(&words, &facts->rom_clock.field2);
    for (const struct kiln_esp_feature *row = facts->extra; row != NULL && row->text != NULL; row++)
        want_bits(&words, &row->field);
    want_bits(&words, &facts->secure_boot_v1);
    if (!esp->has_security) {
        want_bits(&words, &facts->secure_boot);
        want_bits(&words, &facts->crypt_count);
    }
    return kiln_esp_fetch(esp, ctx, words.address, words.count);
}

enum kiln_status kiln_esp_settle(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint8_t mac[8];
    size_t mac_len;

    if (esp->secure_download)
        return KILN_OK;
    /* At the rate that holds for sure. */
    KILN_TRY(fetch_identity(esp, ctx));
    KILN_TRY(
        kiln_esp_spare(esp, ctx, kiln_esp_mac(esp, ctx, mac, &mac_len), "MAC address not known"));
    KILN_TRY(kiln_esp_spare(esp, ctx, read_revision(esp, ctx), "revision not known"));
    KILN_TRY(kiln_esp_spare(esp, ctx, kiln_esp_crystal(esp, ctx, &esp->info.crystal_mhz),
                            "crystal not known"));
    KILN_TRY(kiln_esp_spare(esp, ctx, read_console(esp, ctx), "console port not known"));
    KILN_TRY(kiln_esp_spare(esp, ctx, calm_watchdogs(esp, ctx), "watchdogs not stopped"));
    return kiln_esp_spare(esp, ctx, power_flash(esp, ctx), "flash supply not switched on");
}

/* ---- description ---- */

static void otp_mac(const uint32_t word[4], uint8_t mac[6])
{
    static const uint8_t vendor[2][3] = {{0x18, 0xfe, 0x34}, {0xac, 0xd0, 0x74}};

    if (word[3] != 0) {
        mac[0] = (uint8_t)(word[3] >> 16);
        mac[1] = (uint8_t)(word[3] >> 8);
        mac[2] = (uint8_t)word[3];
    } else {
        memcpy(mac, vendor[(word[1] >> 16 & 0xff) == 1], 3);
    }
    mac[3] = (uint8_t)(word[1] >> 8);
    mac[4] = (uint8_t)word[1];
    mac[5] = (uint8_t)(word[0] >> 24);
}

enum kiln_status kiln_esp_mac(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t out_mac[8],
                              size_t *out_len)
{
    bool otp = (esp->facts->flags & KILN_ESP_MAC_OTP) != 0;
    uint32_t word[4] = {0};

    *out_len = 0;
    for (uint32_t i = 0; i < (otp ? 4u : 2u); i++) {
        struct kiln_esp_bits whole = {esp->facts->mac + 4 * i, 0, 32, 0};

        KILN_TRY(kiln_esp_bits(esp, ctx, &whole, &word[i]));
    }
    *out_len = 6;
    if (otp) {
        otp_mac(word, out_mac);
        return KILN_OK;
    }
    kiln_put_be16(out_mac, (uint16_t)word[1]);
    kiln_put_be32(out_mac + 2, word[0]);
    if ((esp->facts->flags & KILN_ESP_EUI64) && word[1] >> 16 != 0) {
        memmove(out_mac + 5, out_mac + 3, 3);
        kiln_put_be16(out_mac + 3, (uint16_t)(word[1] >> 16));
        *out_len = 8;
    }
    return KILN_OK;
}

enum kiln_status kiln_esp_crystal(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t *out_mhz)
{
    uint32_t divider = 0;
    uint64_t mhz;

    *out_mhz = esp->facts->xtal_mhz != 0 ? esp->facts->xtal_mhz : esp->info.crystal_mhz;
    /* A stub may have put the UART on another clock than the crystal's. */
    if (*out_mhz != 0 || esp->facts->uart_clkdiv == 0 || esp->secure_download || esp->stub)
        return KILN_OK;
    KILN_TRY(kiln_esp_read_reg(esp, ctx, esp->facts->uart_clkdiv, &divider));
    mhz = (uint64_t)esp->baud * (divider & 0xfffff) / 1000000 / esp->facts->xtal_divider;
    *out_mhz = mhz > 45 ? 48 : mhz > 33 ? 40 : 26;
    return KILN_OK;
}

#define VARIANT_MASK 0xffffffu /* without the revision */

static const char *variant_name(const struct kiln_esp *esp, uint32_t key)
{
    if (esp->facts->names == NULL)
        return (key & VARIANT_MASK) == 0 ? esp->chip->title : NULL;
    for (const struct kiln_esp_name *row = esp->facts->names; row->name != NULL; row++) {
        if ((key & row->mask) == row->value)
            return row->name;
    }
    return NULL;
}

static enum kiln_status name_maker(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                   const struct kiln_esp_makers *makers)
{
    size_t used = strlen(esp->info.features);
    uint32_t value = 0;

    KILN_TRY(kiln_esp_bits(esp, ctx, &makers->field, &value));
    if (value < KILN_ARRAY_LEN(makers->name) && makers->name[value] != NULL)
        snprintf(esp->info.features + used, sizeof esp->info.features - used, " (%s)",
                 makers->name[value]);
    return KILN_OK;
}

static enum kiln_status list_features(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    char *text = esp->info.features;
    size_t cap = sizeof esp->info.features;

    snprintf(text, cap, "%s", esp->facts->features);
    for (const struct kiln_esp_feature *row = esp->facts->extra; row != NULL && row->text != NULL;
         row++) {
        uint32_t value = 0;
        uint32_t also = row->also_value;
        size_t used = strlen(text);

        KILN_TRY(kiln_esp_bits(esp, ctx, &row->field, &value));
        if (row->also.width > 0)
            KILN_TRY(kiln_esp_bits(esp, ctx, &row->also, &also));
        if (value != 0 && row->value == KILN_ESP_NOT_ZERO)
            value = row->value;
        if (value != row->value || also != row->also_value || strstr(text, row->text) != NULL)
            continue;
        snprintf(text + used, cap - used, ", %s", row->text);
        if (row->maker != NULL)
            KILN_TRY(name_maker(esp, ctx, row->maker));
    }
    return KILN_OK;
}

static enum kiln_status name_variant(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    bool has_revision = !(esp->facts->flags & KILN_ESP_IMAGE_PLAIN);
    uint32_t key = 0;
    const char *name;

    KILN_TRY(kiln_esp_value(esp, ctx, &esp->facts->variant, &key));
    name = variant_name(esp, key | (uint32_t)(esp->revision / 100) << 24);
    if (name == NULL)
        kiln_esp_note(esp, "the package of this %s is not known (0x%x)", esp->chip->title,
                      (unsigned)key);
    snprintf(esp->info.chip_title, sizeof esp->info.chip_title,
             has_revision ? "%s%s (revision v%u.%u)" : "%s%s", name != NULL ? "" : "Unknown ",
             name != NULL ? name : esp->chip->title, esp->revision / 100, esp->revision % 100);
    return KILN_OK;
}

enum kiln_status kiln_esp_describe(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint8_t mac[8];
    size_t mac_len = 0;
    size_t used = 0;

    esp->info.chip = esp->chip;
    if (esp->secure_download) {
        snprintf(esp->info.chip_title, sizeof esp->info.chip_title, "%s", esp->chip->title);
        kiln_esp_note(esp,
                      "secure download mode: the chip can be written but not read or verified");
        return KILN_OK;
    }
    snprintf(esp->info.chip_title, sizeof esp->info.chip_title, "%s", esp->chip->title);
    KILN_TRY(kiln_esp_spare(esp, ctx, name_variant(esp, ctx), "package not known"));
    KILN_TRY(kiln_esp_spare(esp, ctx, list_features(esp, ctx), "features not known"));
    KILN_TRY(
        kiln_esp_spare(esp, ctx, kiln_esp_mac(esp, ctx, mac, &mac_len), "MAC address not known"));
    for (size_t i = 0; i < mac_len; i++)
        used += (size_t)snprintf(esp->info.serial + used, sizeof esp->info.serial - used, "%s%02x",
                                 i > 0 ? ":" : "", mac[i]);
    return KILN_OK;
}
