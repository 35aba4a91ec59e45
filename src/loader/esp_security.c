/* SPDX-License-Identifier: MIT */
/* What eFuses say about writing the flash: secure boot, flash encryption and its key. */
#include "loader/esp.h"

#include "base/bytes.h"

#define KEY_WORDS      4u
#define KEY_WORDS_LONG 8u

static enum kiln_status flag(struct kiln_esp *esp, struct kiln_ctx *ctx,
                             const struct kiln_esp_bits *bits, bool *out_set)
{
    uint32_t value = 0;

    *out_set = false;
    if (bits->width > 0)
        KILN_TRY(kiln_esp_bits(esp, ctx, bits, &value));
    *out_set = value != 0;
    return KILN_OK;
}

/* A chip whose key block has no purpose: the key is there if it cannot be read, or is not zero. */
static enum kiln_status find_key_block(struct kiln_esp *esp, struct kiln_ctx *ctx, bool *out_has)
{
    const struct kiln_esp_facts *facts = esp->facts;
    const struct kiln_esp_bits *bits = &facts->key_hidden;
    uint32_t hidden = 0, word = 0;
    bool by_length, is_long;
    size_t words;

    KILN_TRY(flag(esp, ctx, &facts->key_long, &by_length));
    is_long = by_length || facts->key_long.width == 0;
    words = is_long ? KEY_WORDS_LONG : KEY_WORDS;
    if (by_length)
        bits = &facts->key_hidden_long;
    KILN_TRY(kiln_esp_bits(esp, ctx, bits, &hidden));
    *out_has = hidden == (1u << bits->width) - 1;
    for (size_t i = 0; i < words && !*out_has; i++) {
        KILN_TRY(kiln_esp_read_reg(esp, ctx, facts->key_block + 4 * (uint32_t)i, &word));
        *out_has = word != 0;
    }
    return KILN_OK;
}

static enum kiln_status find_key(struct kiln_esp *esp, struct kiln_ctx *ctx, bool *out_has)
{
    const struct kiln_esp_facts *facts = esp->facts;
    uint32_t seen = 0;

    KILN_TRY(flag(esp, ctx, &facts->key_manager, out_has));
    if (*out_has)
        return KILN_OK;
    if (facts->key_hidden.width != 0)
        return find_key_block(esp, ctx, out_has);
    for (size_t i = 0; i < KILN_ARRAY_LEN(facts->key_purpose); i++) {
        uint32_t purpose = 0;

        if (facts->key_purpose[i].width == 0)
            break;
        KILN_TRY(kiln_esp_bits(esp, ctx, &facts->key_purpose[i], &purpose));
        seen |= 1u << (purpose & 31);
    }
    *out_has = kiln_esp_has_flash_key(facts, seen);
    return KILN_OK;
}

static enum kiln_status read_fuses(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                   struct kiln_protection *out)
{
    const struct kiln_esp_facts *facts = esp->facts;
    uint32_t value = 0;

    KILN_TRY(flag(esp, ctx, &facts->secure_boot, &out->secure_boot));
    if (facts->crypt_count.width > 0) {
        KILN_TRY(kiln_esp_bits(esp, ctx, &facts->crypt_count, &value));
        out->flash_encryption = kiln_esp_encrypts(value);
    }
    return KILN_OK;
}

/* A ROM that tells both by one command has them from the same eFuses. */
enum kiln_status kiln_esp_protection(struct kiln_esp *esp, struct kiln_ctx *ctx, bool all,
                                     struct kiln_protection *out)
{
    const struct kiln_esp_facts *facts = esp->facts;
    uint32_t value = 0;

    *out = (struct kiln_protection){
        .crypt_config = -1,
        .secure_download = esp->secure_download,
        .encrypts = facts->chip_id >= 0 &&
                    (esp->stub || esp->deferred || !(facts->flags & KILN_ESP_BEGIN_4_WORDS)),
        .align = facts->encrypted_align};
    if (esp->has_security) {
        out->secure_boot = (esp->security.flags & KILN_ESP_SECURE_BOOT) != 0;
        out->flash_encryption = kiln_esp_encrypts(esp->security.crypt_count);
    }
    if (esp->secure_download)
        return KILN_OK;
    if (all || !esp->has_security)
        KILN_TRY(read_fuses(esp, ctx, out));
    KILN_TRY(flag(esp, ctx, &facts->secure_boot_v1, &out->secure_boot_v1));
    if (!all && !out->flash_encryption)
        return KILN_OK;
    KILN_TRY(flag(esp, ctx, &facts->no_manual_encrypt, &out->no_manual_encrypt));
    if (!all)
        return KILN_OK;
    if (facts->crypt_config.width > 0) {
        KILN_TRY(kiln_esp_bits(esp, ctx, &facts->crypt_config, &value));
        out->crypt_config = (int32_t)value;
    }
    return find_key(esp, ctx, &out->has_key);
}

enum kiln_status kiln_esp_protection_op(struct kiln_loader *self, struct kiln_ctx *ctx, bool all,
                                        struct kiln_protection *out)
{
    return kiln_esp_protection(kiln_esp_of(self), ctx, all, out);
}

enum kiln_status kiln_esp_write_encrypted(struct kiln_loader *self, struct kiln_ctx *ctx,
                                          uint64_t address, const uint8_t *bytes, size_t len,
                                          const struct kiln_progress *progress)
{
    const struct kiln_esp_write_form form = {.plain = true, .encrypted = true};
    struct kiln_esp *esp = kiln_esp_of(self);
    uint64_t wire;

    KILN_TRY(kiln_esp_stub_now(esp, ctx));
    return kiln_esp_write_as(esp, ctx, address, bytes, len, form, progress, &wire);
}
