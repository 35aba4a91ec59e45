/* SPDX-License-Identifier: MIT */
/* RAM and registers: sparse pages, and the few registers that do something. */
#include "base/bytes.h"
#include "chip/esp.h"
#include "sim/esp.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC_ADDRESS 0x40001000u
#define SPI_USR       (1u << 18) /* in CMD: go */
#define USR_ADDR      (1u << 30)
#define USR_MISO      (1u << 28)
#define USR_MOSI      (1u << 27)
#define WDT_ENABLE    (1u << 31)
#define WDT_TICK_NS   7500u /* of the slow clock */

static uint8_t *page_of(struct esp_board *board, uint32_t address, bool make)
{
    uint32_t base = address & ~(ESP_PAGE - 1);
    struct esp_page *page;

    for (size_t i = 0; i < board->page_count; i++) {
        if (board->pages[i]->base == base)
            return board->pages[i]->bytes;
    }
    if (!make || board->page_count == ESP_PAGES || (page = calloc(1, sizeof *page)) == NULL)
        return NULL;
    page->base = base;
    board->pages[board->page_count++] = page;
    return page->bytes;
}

static uint32_t get(struct esp_board *board, uint32_t address)
{
    const uint8_t *page = page_of(board, address, false);

    return page != NULL ? kiln_le32(page + (address & (ESP_PAGE - 4))) : 0;
}

static void put(struct esp_board *board, uint32_t address, uint32_t value)
{
    uint8_t *page = page_of(board, address, true);

    if (page != NULL)
        kiln_put_le32(page + (address & (ESP_PAGE - 4)), value);
}

void esp_copy_to_ram(struct esp_board *board, uint32_t address, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t at = address & (ESP_PAGE - 1), piece = KILN_MIN(len, ESP_PAGE - at);
        uint8_t *page = page_of(board, address, true);

        if (page != NULL)
            memcpy(page + at, bytes, piece);
        address += (uint32_t)piece;
        bytes += piece;
        len -= piece;
    }
}

/* ---- the MAC: Espressif's 24:6F:28 and three bytes that tell boards apart --------------------------- */

static void put_mac(struct esp_board *board)
{
    uint32_t at = board->chip->mac_address;
    uint32_t low = 0x5eed00u + (board->knobs.seed & 0xffffu);

    if ((board->chip->features & ESP_MAC_IN_OTP) != 0) {
        put(board, at, (low & 0xff) << 24);
        put(board, at + 4, low >> 8);
        put(board, at + 0xc, 0x246f28u);
    } else {
        put(board, at, 0x28000000u | low);
        put(board, at + 4, 0x246fu);
    }
}

/* ---- eFuses of a chip with secure boot or flash encryption -------------------------------------------------- */

#define PURPOSE_XTS_AES_128 4u

static void burn(struct esp_board *board, const struct kiln_esp_bits *bits, uint32_t value)
{
    if (bits->width > 0)
        put(board, bits->reg, get(board, bits->reg) | value << bits->shift);
}

static void put_security(struct esp_board *board)
{
    const struct kiln_chip *chip = kiln_chip_find(board->chip->name);

    if (chip == NULL || chip->esp == NULL)
        return;
    if (board->secure_boot || board->encryption)
        burn(board, &chip->esp->jtag_off, 1);
    if (board->secure_boot) /* the highest bit is that of the newest kind */
        burn(board, &chip->esp->secure_boot, (1u << chip->esp->secure_boot.width) >> 1);
    if (!board->encryption)
        return;
    burn(board, &chip->esp->crypt_count, 1);
    burn(board, &chip->esp->crypt_config, 0xf);
    burn(board, &chip->esp->key_hidden, (1u << chip->esp->key_hidden.width) - 1);
    burn(board, &chip->esp->key_purpose[0], PURPOSE_XTS_AES_128);
    if (board->encryption_release)
        burn(board, &chip->esp->no_manual_encrypt, 1);
}

void esp_memory_reset(struct esp_board *board)
{
    for (size_t i = 0; i < board->page_count; i++)
        free(board->pages[i]);
    board->page_count = 0;
    board->ram_len = 0;
    for (const struct esp_word *w = board->chip->words; w->address != 0; w++)
        put(board, w->address, w->value);
    put_mac(board);
    put_security(board);
    if (board->usb)
        put(board, board->chip->usb_console.address, board->chip->usb_console.value);
}

/* ---- the SPI controller ------------------------------------------------------------------------------ */

struct spi_lengths {
    size_t out, in;
};

static struct spi_lengths spi_lengths(struct esp_board *board, uint32_t usr)
{
    const struct esp_chip *chip = board->chip;
    uint32_t base = chip->spi_base + chip->spi_usr, usr1 = get(board, base + 4);
    uint32_t out_bits, in_bits;

    if ((chip->features & ESP_LENGTH_IN_USR1) != 0) {
        out_bits = (usr1 >> 17 & 0x1ff) + 1;
        in_bits = (usr1 >> 8 & 0x1ff) + 1;
    } else {
        out_bits = (get(board, base + 0xc) & 0x3ff) + 1;
        in_bits = (get(board, base + 0x10) & 0x3ff) + 1;
    }
    return (struct spi_lengths){(usr & USR_MOSI) != 0 ? KILN_MIN(out_bits / 8, 64u) : 0,
                                (usr & USR_MISO) != 0 ? KILN_MIN((in_bits + 7) / 8, 64u) : 0};
}

static void run_spi(struct esp_board *board)
{
    const struct esp_chip *chip = board->chip;
    uint32_t base = chip->spi_base + chip->spi_usr, usr = get(board, base);
    uint32_t address = get(board, chip->spi_base + 4);
    unsigned address_bits = (get(board, base + 4) >> 26) + 1;
    struct spi_lengths lengths = spi_lengths(board, usr);
    uint8_t out[64], in[64];

    if ((usr & USR_ADDR) == 0)
        address = 0;
    else if ((chip->features & ESP_ADDRESS_MSB) != 0 && address_bits < 32)
        address >>= 32 - address_bits;
    for (uint32_t i = 0; i < 16; i++)
        kiln_put_le32(out + 4 * i, get(board, chip->spi_base + chip->spi_w0 + 4 * i));
    memcpy(in, out, sizeof in);
    kiln_nor_spi(&board->nor, board->cpu_ns,
                 &(struct kiln_nor_spi){.opcode = (uint8_t)get(board, base + 8),
                                        .address = address & 0xffffffu,
                                        .out = out,
                                        .out_len = lengths.out,
                                        .in = in,
                                        .in_len = lengths.in});
    for (uint32_t i = 0; i < 16; i++)
        put(board, chip->spi_base + chip->spi_w0 + 4 * i, kiln_le32(in + 4 * i));
}

/* ---- registers ---------------------------------------------------------------------------------------- */

uint32_t esp_load(struct esp_board *board, uint32_t address)
{
    address &= ~3u;
    if (address == MAGIC_ADDRESS)
        return board->chip->magic;
    if (address == board->chip->uart_clkdiv) {
        uint32_t sixteenths = (uint32_t)((uint64_t)board->chip->uart_clock_hz * 16 / board->baud);

        return (sixteenths / 16 & 0xfffff) | (sixteenths % 16) << 20;
    }
    return get(board, address);
}

void esp_store(struct esp_board *board, uint32_t address, uint32_t value)
{
    address &= ~3u;
    for (const struct esp_word *w = board->chip->words; w->address != 0; w++) {
        if (w->address == address)
            return; /* eFuses and the like are read only */
    }
    if (address == board->chip->spi_base) {
        if ((value & SPI_USR) != 0)
            run_spi(board);
        return; /* the bit has fallen again by the time it is read */
    }
    put(board, address, value);
    if (board->chip->wdt_config != 0 && address == board->chip->wdt_config) {
        uint64_t ticks = get(board, address + 4); /* of the first stage */

        board->wdt_ns =
            (value & WDT_ENABLE) != 0 ? board->cpu_ns + ticks * WDT_TICK_NS : UINT64_MAX;
    }
}
