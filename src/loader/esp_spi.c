/* SPDX-License-Identifier: MIT */
/* Commands to the SPI flash through the controller's registers, and what its id says. */
#include "loader/esp.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

/* SPI_USR_REG and its neighbours, the same bits in all generations. */
#define USR_COMMAND (1u << 31)
#define USR_ADDR    (1u << 30)
#define USR_DUMMY   (1u << 29)
#define USR_MISO    (1u << 28)
#define USR_MOSI    (1u << 27)
#define CMD_USR     (1u << 18)
#define SPI_WORDS   16u

struct batch {
    struct kiln_esp_reg_write item[SPI_WORDS + 10];
    size_t count;
};

static void add(struct batch *batch, uint32_t address, uint32_t value)
{
    batch->item[batch->count++] = (struct kiln_esp_reg_write){address, value, UINT32_MAX, 0};
}

static uint32_t usr1_lengths(const struct kiln_esp_spi *spi,
                             const struct kiln_esp_spi_command *command)
{
    uint32_t usr1 = 0;

    if (command->address_bits > 0)
        usr1 |= (uint32_t)(command->address_bits - 1) << 26;
    if (command->dummy_bits > 0)
        usr1 |= command->dummy_bits - 1u;
    if (spi->mosi_dlen == 0) {
        usr1 |= command->out_len > 0 ? (uint32_t)(command->out_len * 8 - 1) << 17 : 0;
        usr1 |= command->in_len > 0 ? (uint32_t)(command->in_len * 8 - 1) << 8 : 0;
    }
    return usr1;
}

static bool uses_usr1(const struct kiln_esp_spi *spi, const struct kiln_esp_spi_command *command)
{
    return command->address_bits > 0 || command->dummy_bits > 0 || spi->mosi_dlen == 0;
}

static void prepare(struct kiln_esp *esp, const struct kiln_esp_spi_command *command,
                    struct batch *batch)
{
    const struct kiln_esp_spi *spi = &esp->facts->spi;
    bool left = (esp->facts->flags & KILN_ESP_SPI_ADDR_MSB) != 0;
    uint8_t out[4 * SPI_WORDS] = {0};

    if (spi->mosi_dlen != 0 && command->out_len > 0)
        add(batch, spi->base + spi->mosi_dlen, (uint32_t)(command->out_len * 8 - 1));
    if (spi->miso_dlen != 0 && command->in_len > 0)
        add(batch, spi->base + spi->miso_dlen, (uint32_t)(command->in_len * 8 - 1));
    if (uses_usr1(spi, command))
        add(batch, spi->base + spi->usr1, usr1_lengths(spi, command));
    add(batch, spi->base + spi->usr,
        USR_COMMAND | (command->address_bits > 0 ? USR_ADDR : 0) |
            (command->dummy_bits > 0 ? USR_DUMMY : 0) | (command->in_len > 0 ? USR_MISO : 0) |
            (command->out_len > 0 ? USR_MOSI : 0));
    add(batch, spi->base + spi->usr2, 7u << 28 | command->opcode);
    if (command->address_bits > 0)
        add(batch, spi->base + 4,
            left ? command->address << (32 - command->address_bits) : command->address);
    if (command->out_len == 0) {
        add(batch, spi->base + spi->w0, 0);
    } else {
        memcpy(out, command->out, command->out_len);
        for (uint32_t i = 0; i < (command->out_len + 3) / 4; i++)
            add(batch, spi->base + spi->w0 + 4 * i, kiln_le32(out + (size_t)4 * i));
    }
    add(batch, spi->base, CMD_USR);
}

static enum kiln_status await_done(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    for (int i = 0; i < 10; i++) {
        uint32_t command = 0;

        KILN_TRY(kiln_esp_read_reg(esp, ctx, esp->facts->spi.base, &command));
        if (!(command & CMD_USR))
            return KILN_OK;
    }
    return kiln_fail(ctx, KILN_E_TIMEOUT, "the SPI flash controller does not finish a command");
}

enum kiln_status kiln_esp_spi(struct kiln_esp *esp, struct kiln_ctx *ctx,
                              const struct kiln_esp_spi_command *command)
{
    const struct kiln_esp_spi *spi = &esp->facts->spi;
    struct batch batch = {.count = 0};
    struct kiln_esp_reg_write restore[3];
    size_t restores = 2;
    uint32_t usr = 0;
    uint32_t usr1 = 0;
    uint32_t usr2 = 0;

    if (command->out_len > 4u * SPI_WORDS || command->in_len > 4u * SPI_WORDS)
        return kiln_fail(ctx, KILN_E_INTERNAL, "an SPI command takes at most 64 bytes");
    KILN_TRY(kiln_esp_read_reg(esp, ctx, spi->base + spi->usr, &usr));
    KILN_TRY(kiln_esp_read_reg(esp, ctx, spi->base + spi->usr2, &usr2));
    /* The controller's own erase and write commands take the length of their address from here. */
    if (uses_usr1(spi, command))
        KILN_TRY(kiln_esp_read_reg(esp, ctx, spi->base + spi->usr1, &usr1));
    prepare(esp, command, &batch);
    KILN_TRY(kiln_esp_write_regs(esp, ctx, batch.item, batch.count));
    KILN_TRY(await_done(esp, ctx));
    for (uint32_t at = 0; at < command->in_len; at += 4) {
        uint8_t bytes[4];
        uint32_t word = 0;

        KILN_TRY(kiln_esp_read_reg(esp, ctx, spi->base + spi->w0 + at, &word));
        kiln_put_le32(bytes, word);
        memcpy(command->in + at, bytes, KILN_MIN(command->in_len - at, (size_t)4));
    }
    restore[0] = (struct kiln_esp_reg_write){spi->base + spi->usr, usr, UINT32_MAX, 0};
    restore[1] = (struct kiln_esp_reg_write){spi->base + spi->usr2, usr2, UINT32_MAX, 0};
    if (uses_usr1(spi, command))
        restore[restores++] =
            (struct kiln_esp_reg_write){spi->base + spi->usr1, usr1, UINT32_MAX, 0};
    return kiln_esp_write_regs(esp, ctx, restore, restores);
}

enum kiln_status kiln_esp_flash_id(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t *out_id)
{
    uint8_t id[3];
    const struct kiln_esp_spi_command rdid = {.opcode = 0x9f, .in = id, .in_len = sizeof id};

    KILN_TRY(kiln_esp_spi(esp, ctx, &rdid));
    *out_id = kiln_le24(id);
    return KILN_OK;
}

uint64_t kiln_esp_flash_size_of(uint32_t id)
{
    unsigned capacity = id >> 16 & 0xff;

    if ((id & 0xff) == 0x1f) { /* Adesto: in the low bits of the type */
        unsigned code = id >> 8 & 0x1f;

        return code >= 4 && code <= 9 ? 1ull << (code + 15) : 0;
    }
    if (capacity >= 0x12 && capacity <= 0x1c)
        return 1ull << capacity;
    if (capacity >= 0x20 && capacity <= 0x22)
        return 1ull << (capacity - 6);
    if (capacity >= 0x32 && capacity <= 0x3a)
        return 1ull << (capacity - 0x20);
    return 0;
}

/* ---- attaching ---- */

#define SIZE_SECURE  (2u << 20) /* nothing can be read then; the smallest that is common */
#define SIZE_UNKNOWN (4u << 20)

/* The five numbers of SPI_ATTACH's word, six bits each. */
static enum kiln_status check_pins(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    static const char *const names[] = {"CLK", "Q", "D", "CS", "HD"};
    const struct kiln_esp_facts *facts = esp->facts;
    bool usb = false;

    if (esp->pins <= KILN_ESP_PINS_HSPI)
        return KILN_OK;
    if (facts->flash_pins == 0)
        return kiln_fail(ctx, KILN_E_UNSUPPORTED, "the flash of %s is on pins of its own",
                         esp->chip->title);
    for (unsigned i = 0; i < 5; i++) {
        unsigned pin = esp->pins >> 6 * i & 0x3f;
        bool too_high = i == 4 && facts->flash_hd_max > 0 && pin > facts->flash_hd_max;

        if (!(facts->flash_pins >> pin & 1) || too_high)
            return kiln_fail(ctx, KILN_E_ARG, "%s cannot have %s of its flash on GPIO %u",
                             esp->chip->title, names[i], pin);
        usb = usb || (facts->usb_pins >> pin & 1);
    }
    if (usb)
        kiln_esp_note(esp, "the flash is on pins of the USB port");
    return KILN_OK;
}

enum kiln_status kiln_esp_attach_pins(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint32_t pins[2] = {esp->pins, 0};
    const uint32_t nothing[4] = {0, 0, 0, 0};

    if (esp->flasher)
        return KILN_OK; /* the ROM has done it */
    if (!esp->stub && (esp->facts->flags & KILN_ESP_ROM_MINIMAL))
        return kiln_esp_words(esp, ctx, KILN_ESP_FLASH_BEGIN, nothing, 4, 0,
                              "connect the flash pins");
    /* Flash inside the package is on pins that only eFuses tell, and this ROM does not look there. */
    if (pins[0] == 0 && !esp->stub && !esp->secure_download)
        KILN_TRY(kiln_esp_value(esp, ctx, &esp->facts->spi_pads, &pins[0]));
    return kiln_esp_words(esp, ctx, KILN_ESP_SPI_ATTACH, pins, esp->stub ? 1 : 2, 0,
                          "connect the flash pins");
}

static enum kiln_status find_size(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint32_t id = 0;

    esp->has_flash = true;
    esp->flash_size = esp->options.flash_size;
    if (esp->secure_download) {
        if (esp->flash_size == 0) {
            esp->flash_size = SIZE_SECURE;
            kiln_esp_note(esp, "the flash is taken for 2 MB, its size cannot be read");
        }
        return KILN_OK;
    }
    if (!esp->flash_awake)
        KILN_TRY(kiln_esp_wake_flash(esp, ctx));
    esp->flash_awake = false;
    id = esp->flash_id;
    if (esp->options.flash_size == 0 && (id == 0 || id == 0xffffff || id == 0xffff3f)) {
        esp->has_flash = false;
        snprintf(esp->info.no_memory, sizeof esp->info.no_memory,
                 "the SPI flash does not answer (id %06x)", (unsigned)id);
        kiln_esp_note(esp, "%s: no flash, or its wiring or supply is bad", esp->info.no_memory);
        return KILN_OK;
    }
    if (esp->flash_size == 0)
        esp->flash_size = kiln_esp_flash_size_of(id);
    if (esp->flash_size == 0) {
        esp->flash_size = SIZE_UNKNOWN;
        kiln_esp_note(esp, "the size of the flash (id %06x) is not known and taken for 4 MB",
                      (unsigned)id);
    }
    if (esp->flash_size > KILN_ESP_ROM_FLASH_MAX &&
        !((esp->stub || esp->deferred) && !esp->flasher &&
          (esp->facts->flags & KILN_ESP_BIG_FLASH))) {
        kiln_esp_note(esp, "of %u MB of flash only the first 16 MB can be reached",
                      (unsigned)(esp->flash_size >> 20));
        esp->flash_size = KILN_ESP_ROM_FLASH_MAX;
    }
    return KILN_OK;
}

enum kiln_status kiln_esp_attach(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint32_t parameters[6] = {0, 0, KILN_ESP_FLASH_BLOCK, KILN_ESP_FLASH_PAGE, 256, 0xffff};

    KILN_TRY(check_pins(esp, ctx));
    KILN_TRY(kiln_esp_attach_pins(esp, ctx));
    KILN_TRY(find_size(esp, ctx));
    parameters[1] = (uint32_t)esp->flash_size;
    if (!esp->has_flash || esp->flasher ||
        (!esp->stub && (esp->facts->flags & KILN_ESP_ROM_MINIMAL)))
        return KILN_OK;
    return kiln_esp_words(esp, ctx, KILN_ESP_SPI_SET_PARAMS, parameters, 6, 0,
                          "take the size of the flash");
}
