/* SPDX-License-Identifier: MIT */
/* The chip's memory and registers, and what it tells about its flash and its security. */
#include "loader/esp.h"

#include "base/bytes.h"
#include "chip/jedec.h"

#include <stdio.h>
#include <string.h>

#define SECURE_BOOT 1u /* bit 0 of the security flags */

static enum kiln_status check_open(const struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    if (!esp->secure_download)
        return KILN_OK;
    return kiln_fail(ctx, KILN_E_UNSUPPORTED,
                     "the chip is in secure download mode and keeps its memory to itself");
}

static enum kiln_status check_32_bits(struct kiln_ctx *ctx, uint64_t address, size_t len)
{
    if (address + len <= (uint64_t)1 << 32 && address + len >= address)
        return KILN_OK;
    return kiln_fail(ctx, KILN_E_ARG, "the chip's addresses have 32 bits");
}

enum kiln_status kiln_esp_read_memory(struct kiln_loader *self, struct kiln_ctx *ctx,
                                      uint64_t address, uint8_t *bytes, size_t len,
                                      const struct kiln_progress *progress)
{
    struct kiln_esp *esp = kiln_esp_of(self);

    KILN_TRY(check_open(esp, ctx));
    KILN_TRY(check_32_bits(ctx, address, len));
    for (size_t done = 0; done < len;) {
        size_t skip = (address + done) % 4, n = KILN_MIN(4 - skip, len - done);
        uint8_t word[4];
        uint32_t value;

        KILN_TRY(kiln_esp_read_reg(esp, ctx, (uint32_t)(address + done - skip), &value));
        kiln_put_le32(word, value);
        memcpy(bytes + done, word + skip, n);
        done += n;
        if (progress != NULL && progress->step != NULL)
            progress->step(progress->user, done);
    }
    return KILN_OK;
}

enum kiln_status kiln_esp_write_register(struct kiln_loader *self, struct kiln_ctx *ctx,
                                         uint64_t address, uint32_t value, uint32_t mask)
{
    struct kiln_esp *esp = kiln_esp_of(self);
    const struct kiln_esp_reg_write write = {(uint32_t)address, value, mask, 0};

    KILN_TRY(check_open(esp, ctx));
    KILN_TRY(check_32_bits(ctx, address, 4));
    return kiln_esp_write_regs(esp, ctx, &write, 1);
}

enum kiln_status kiln_esp_write_memory(struct kiln_loader *self, struct kiln_ctx *ctx,
                                       uint64_t address, const uint8_t *bytes, size_t len)
{
    struct kiln_esp *esp = kiln_esp_of(self);

    KILN_TRY(check_open(esp, ctx));
    KILN_TRY(check_32_bits(ctx, address, len));
    return kiln_esp_mem_write(esp, ctx, (uint32_t)address, bytes, len);
}

enum kiln_status kiln_esp_run_memory(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t entry)
{
    struct kiln_esp *esp = kiln_esp_of(self);

    KILN_TRY(check_32_bits(ctx, entry, 0));
    esp->left = true;
    return kiln_esp_mem_run(esp, ctx, (uint32_t)entry);
}

/* ---- details ---- */

/* A chip that answers one question and refuses another tells what it tells. */
static enum kiln_status refusal(struct kiln_ctx *ctx, enum kiln_status status, char *text,
                                size_t cap)
{
    if (status != KILN_E_NAK && status != KILN_E_UNSUPPORTED)
        return status;
    snprintf(text, cap, "unknown (%.300s)", ctx->error.message);
    kiln_error_clear(ctx);
    return KILN_OK;
}

static enum kiln_status flash_details(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                      void (*say)(void *user, const char *text), void *user)
{
    const char *maker = kiln_jedec_maker(esp->flash_id & 0xff);
    uint8_t sfdp[4] = {0};
    uint32_t value = 0;
    char text[900], registers[340], tables[340];
    enum kiln_status status = kiln_esp_read_status(esp, ctx, 2, &value);

    snprintf(registers, sizeof registers, "%04x", (unsigned)value);
    KILN_TRY(refusal(ctx, status, registers, sizeof registers));
    status = kiln_esp_read_sfdp(esp, ctx, 0, sfdp, sizeof sfdp);
    snprintf(tables, sizeof tables, "%s", memcmp(sfdp, "SFDP", 4) == 0 ? "there" : "none");
    KILN_TRY(refusal(ctx, status, tables, sizeof tables));
    snprintf(text, sizeof text,
             "flash: maker %02x%s%s, device %02x%02x, status registers %s, SFDP tables %s",
             (unsigned)(esp->flash_id & 0xff), maker != NULL ? " " : "", maker != NULL ? maker : "",
             (unsigned)(esp->flash_id >> 8 & 0xff), (unsigned)(esp->flash_id >> 16 & 0xff),
             registers, tables);
    say(user, text);
    return KILN_OK;
}

enum kiln_status kiln_esp_details(struct kiln_loader *self, struct kiln_ctx *ctx,
                                  void (*say)(void *user, const char *text), void *user)
{
    struct kiln_esp *esp = kiln_esp_of(self);
    char text[160];

    if (esp->has_security) {
        snprintf(text, sizeof text,
                 "security: secure boot %s, flash encryption %s, secure download mode %s, flags "
                 "%08x",
                 esp->security.flags & SECURE_BOOT ? "on" : "off",
                 kiln_esp_encrypts(esp->security.crypt_count) ? "on" : "off",
                 esp->secure_download ? "on" : "off", (unsigned)esp->security.flags);
        say(user, text);
    }
    return esp->has_flash && !esp->secure_download ? flash_details(esp, ctx, say, user) : KILN_OK;
}
