/* SPDX-License-Identifier: MIT */
/*
 * A small second-stage bootloader for the ESP32, at flash offset 0x1000 where the ROM looks for it: finds the first
 * application in the partition table at 0x8000, copies its RAM segments and starts it.
 */
#include "board.h"

#define TABLE_OFFSET 0x8000u
#define TABLE_MAGIC  0x50AAu
#define IMAGE_MAGIC  0xE9u
#define ENTRY_SIZE   32u

/* Where flash contents may be copied to: all of the internal RAM. */
static int is_ram(uint32_t address)
{
    return (address >= 0x3FFA0000u && address < 0x40000000u) ||
           (address >= 0x40080000u && address < 0x400A0000u);
}

/* Flash offset of the first partition of type "app", 0 if there is none. */
static uint32_t find_app(void)
{
    for (uint32_t at = TABLE_OFFSET; at < TABLE_OFFSET + 0xC00; at += ENTRY_SIZE) {
        uint32_t word = flash_word(at);

        if ((word & 0xffff) != TABLE_MAGIC)
            return 0;
        if ((word >> 16 & 0xff) == 0)
            return flash_word(at + 4);
    }
    return 0;
}

static void copy(uint32_t from, uint32_t *to, uint32_t bytes)
{
    while (bytes > 0) {
        uint32_t part = bytes < SPI_CHUNK ? bytes : SPI_CHUNK;

        flash_read(from, to, part / 4);
        from += part;
        to += part / 4;
        bytes -= part;
    }
}

static void (*load(uint32_t app))(void)
{
    uint32_t header = flash_word(app);
    uint32_t entry = flash_word(app + 4);
    uint32_t at = app + 24;

    if ((header & 0xff) != IMAGE_MAGIC)
        return 0;
    for (uint32_t segment = header >> 8 & 0xff; segment > 0; segment--) {
        uint32_t address = flash_word(at), size = flash_word(at + 4);

        put_text("boot: segment ");
        put_hex(address);
        put_text(" size ");
        put_hex(size);
        put_text(is_ram(address) ? " load\r\n" : " stays in flash\r\n");
        if (is_ram(address))
            copy(at + 8, (uint32_t *)address, size);
        at += 8 + size;
    }
    return (void (*)(void))entry;
}

int main(void)
{
    uint32_t app;
    void (*entry)(void);

    stop_watchdogs();
    put_text("\r\nboot: Kiln example bootloader\r\n");
    app = find_app();
    entry = app != 0 ? load(app) : 0;
    if (entry != 0) {
        put_text("boot: starting the application at ");
        put_hex(app);
        put_text("\r\n");
        entry();
    }
    for (;;) {
        put_text("boot: no application\r\n");
        wait_ms(1000);
    }
}
