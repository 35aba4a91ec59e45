/* SPDX-License-Identifier: MIT */
/*
 * The SPI flash chip itself: SFDP, status registers, reset, and the start-up of chips that did not come up. Commands
 * are those of JESD216 and of the chips' datasheets.
 */
#include "loader/esp.h"

#include "base/bytes.h"

#define RDSR_TIMEOUT_MS 1000u

#define VENDOR_XMC     0x20u
#define SFDP_VENDOR_AT 0x10u

static enum kiln_status bare(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t opcode)
{
    const struct kiln_esp_spi_command command = {.opcode = opcode};

    return kiln_esp_spi(esp, ctx, &command);
}

enum kiln_status kiln_esp_read_sfdp(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t address,
                                    uint8_t *bytes, size_t count)
{
    const struct kiln_esp_spi_command rdsfdp = {.opcode = 0x5a,
                                                .address = address,
                                                .address_bits = 24,
                                                .dummy_bits = 8,
                                                .in = bytes,
                                                .in_len = count};

    return kiln_esp_spi(esp, ctx, &rdsfdp);
}

/* ---- start-up ---- */

static bool answers(uint32_t id)
{
    return kiln_esp_flash_size_of(id) != 0;
}

/* Ids that XMC has given to chips; another one under its number is a chip that did not come up. */
static bool is_good_xmc(uint32_t id)
{
    unsigned type = id >> 8 & 0xff;
    unsigned capacity = id >> 16 & 0xff;

    return (type == 0x40 && capacity >= 0x13 && capacity <= 0x20) ||
           (type == 0x41 && capacity >= 0x17 && capacity <= 0x20) ||
           (type == 0x50 && capacity >= 0x15 && capacity <= 0x16);
}

static bool looks_right(uint32_t id)
{
    return (id & 0xff) == VENDOR_XMC ? is_good_xmc(id) : answers(id);
}

/* A chip that was left in the middle of a transfer or in another mode comes back by this. */
enum kiln_status kiln_esp_reset_flash(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    KILN_TRY(bare(esp, ctx, 0x66));
    KILN_TRY(bare(esp, ctx, 0x99));
    return kiln_sleep_ms(ctx, 1);
}

/* Down into deep and ultra-deep power-down and up again. */
static enum kiln_status restart_xmc(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint8_t vendor = 0;

    KILN_TRY(kiln_esp_read_sfdp(esp, ctx, SFDP_VENDOR_AT, &vendor, 1));
    if (vendor != VENDOR_XMC)
        return KILN_OK;
    kiln_log(ctx, KILN_LOG_INFO, "loader", "the XMC flash did not start up; starting it again");
    KILN_TRY(bare(esp, ctx, 0xb9));
    KILN_TRY(bare(esp, ctx, 0x79));
    KILN_TRY(bare(esp, ctx, 0xff));
    KILN_TRY(kiln_sleep_ms(ctx, 2));
    KILN_TRY(bare(esp, ctx, 0xab));
    KILN_TRY(kiln_sleep_ms(ctx, 1));
    KILN_TRY(kiln_esp_flash_id(esp, ctx, &esp->flash_id));
    if (is_good_xmc(esp->flash_id))
        kiln_esp_note(esp, "the XMC flash had not started up and was started again");
    else
        kiln_esp_note(esp, "the XMC flash did not start up (id %06x)", (unsigned)esp->flash_id);
    return KILN_OK;
}

enum kiln_status kiln_esp_wake_flash(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    KILN_TRY(kiln_esp_flash_id(esp, ctx, &esp->flash_id));
    if (looks_right(esp->flash_id))
        return KILN_OK;
    KILN_TRY(kiln_esp_reset_flash(esp, ctx));
    KILN_TRY(kiln_esp_flash_id(esp, ctx, &esp->flash_id));
    return looks_right(esp->flash_id) ? KILN_OK : restart_xmc(esp, ctx);
}

/* ---- status registers ---- */

static enum kiln_status read_one(struct kiln_esp *esp, struct kiln_ctx *ctx, unsigned which,
                                 uint8_t *out_value)
{
    static const uint8_t opcode[3] = {0x05, 0x35, 0x15};
    const struct kiln_esp_spi_command rdsr = {
        .opcode = opcode[which], .in = out_value, .in_len = 1};

    return kiln_esp_spi(esp, ctx, &rdsr);
}

static enum kiln_status check_count(struct kiln_ctx *ctx, unsigned count)
{
    if (count < 1 || count > 3)
        return kiln_fail(ctx, KILN_E_ARG, "a flash chip has 1 to 3 status registers, not %u",
                         count);
    return KILN_OK;
}

enum kiln_status kiln_esp_read_status(struct kiln_esp *esp, struct kiln_ctx *ctx, unsigned count,
                                      uint32_t *out_value)
{
    *out_value = 0;
    KILN_TRY(check_count(ctx, count));
    for (unsigned i = 0; i < count; i++) {
        uint8_t value = 0;

        KILN_TRY(read_one(esp, ctx, i, &value));
        *out_value |= (uint32_t)value << 8 * i;
    }
    return KILN_OK;
}

static enum kiln_status await_idle(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint64_t until = kiln_ctx_now_ns(ctx) + (uint64_t)RDSR_TIMEOUT_MS * KILN_NS_PER_MS;

    for (;;) {
        uint8_t status = 0;

        KILN_TRY(read_one(esp, ctx, 0, &status));
        if (!(status & 1))
            return KILN_OK;
        if (kiln_ctx_now_ns(ctx) >= until)
            return kiln_fail(ctx, KILN_E_TIMEOUT, "the flash chip stays busy");
        KILN_TRY(kiln_sleep_ms(ctx, 1));
    }
}

static enum kiln_status write_one(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t opcode,
                                  const uint8_t *bytes, size_t len, bool non_volatile)
{
    const struct kiln_esp_spi_command wrsr = {.opcode = opcode, .out = bytes, .out_len = len};

    KILN_TRY(bare(esp, ctx, non_volatile ? 0x06 : 0x50));
    KILN_TRY(kiln_esp_spi(esp, ctx, &wrsr));
    return await_idle(esp, ctx);
}

enum kiln_status kiln_esp_write_status(struct kiln_esp *esp, struct kiln_ctx *ctx, unsigned count,
                                       uint32_t value, bool non_volatile)
{
    static const uint8_t opcode[3] = {0x01, 0x31, 0x11};
    uint8_t bytes[4];

    KILN_TRY(check_count(ctx, count));
    kiln_put_le32(bytes, value);
    /* Older chips take two registers by one command, newer ones each by its own. */
    if (count == 2)
        KILN_TRY(write_one(esp, ctx, opcode[0], bytes, 2, non_volatile));
    for (unsigned i = 0; i < count; i++)
        KILN_TRY(write_one(esp, ctx, opcode[i], bytes + i, 1, non_volatile));
    return bare(esp, ctx, 0x04);
}
