/* SPDX-License-Identifier: MIT */
/* The chip's memory and registers. */
#include "loader/esp.h"

#include "base/bytes.h"

#include <string.h>

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
