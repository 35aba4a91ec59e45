/* SPDX-License-Identifier: MIT */
/* What the chip says after reset: the ROM's log, the second-stage loader's image, the application. */
#include "base/bytes.h"
#include "sim/esp.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define IMAGE_MAGIC        0xe9u
#define IMAGE_HEADER       24u
#define PARTITIONS         0x8000u
#define PARTITION          32u
#define PARTITIONS_MAX     95u
#define DESCRIPTOR_MAGIC   0xabcd5432u
#define DESCRIPTOR_VERSION 0x10u
#define DESCRIPTOR_PROJECT 0x30u
#define NO_PARTITION       UINT32_MAX
#define SECOND_STAGE_NS    150000000u /* from the ROM's last line to the application's first */
#define RESET_LINE_LEN     192u

static void say(struct esp_board *board, const char *format, ...) KILN_PRINTF(2, 3);

static void say(struct esp_board *board, const char *format, ...)
{
    char text[RESET_LINE_LEN];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    esp_put_text(board, text);
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->to_host.free_ns);
}

static uint32_t flash_word(struct esp_board *board, uint32_t address)
{
    uint8_t bytes[4];

    esp_flash_see(board, address, bytes, sizeof bytes);
    return kiln_le32(bytes);
}

/* The ROM loads the segments of the image at `address`: prints them, checks the checksum byte. */
static bool load_image(struct esp_board *board, uint32_t address)
{
    uint32_t header = flash_word(board, address), entry = flash_word(board, address + 4);
    uint32_t at = address + (board->chip->status_len == 2 ? 8u : IMAGE_HEADER);
    uint8_t sum = 0xef, byte;

    if ((header & 0xff) != IMAGE_MAGIC || (header >> 8 & 0xff) == 0 || (header >> 8 & 0xff) > 16)
        return false;
    for (uint32_t i = 0; i < (header >> 8 & 0xff); i++) {
        uint32_t to = flash_word(board, at), len = flash_word(board, at + 4);

        at += 8;
        if (len >= board->nor.size || at >= board->nor.size || len > board->nor.size - at)
            return false;
        say(board, "load:0x%08x,len:%u\n", to, len);
        for (; len > 0; len--) {
            esp_flash_see(board, at++, &byte, 1);
            sum ^= byte;
        }
    }
    esp_flash_see(board, at | 15, &byte, 1);
    if (byte != sum) {
        say(board, "csum err:0x%02x!=0x%02x\n", byte, sum);
        return false;
    }
    say(board, "entry 0x%08x\n", entry);
    return true;
}

/* The first application in the partition table, as the second-stage loader would choose without OTA data. */
static uint32_t find_application(struct esp_board *board)
{
    uint32_t found = NO_PARTITION;

    for (uint32_t i = 0; i < PARTITIONS_MAX; i++) {
        uint32_t entry = flash_word(board, PARTITIONS + i * PARTITION);
        uint32_t offset = flash_word(board, PARTITIONS + i * PARTITION + 4);

        if ((entry & 0xffff) != 0x50aa)
            break;
        if ((entry >> 16 & 0xff) != 0)
            continue;
        if ((entry >> 24) == 0)
            return offset; /* factory */
        if (found == NO_PARTITION)
            found = offset;
    }
    return found;
}

static void run_application(struct esp_board *board, uint32_t address)
{
    uint32_t descriptor = address + IMAGE_HEADER + 8;
    char version[33] = "", project[33] = "";

    if ((flash_word(board, address) & 0xff) != IMAGE_MAGIC) {
        say(board, "E (50) boot: No bootable app partitions in the partition table\n");
        return;
    }
    if (flash_word(board, descriptor) == DESCRIPTOR_MAGIC) {
        esp_flash_see(board, descriptor + DESCRIPTOR_VERSION, (uint8_t *)version, 32);
        esp_flash_see(board, descriptor + DESCRIPTOR_PROJECT, (uint8_t *)project, 32);
        say(board, "Hello from the simulated board (%.32s %.32s)\n", project, version);
    } else {
        say(board, "Hello from the simulated board\n");
    }
}

static void run_from_flash(struct esp_board *board)
{
    uint32_t first = flash_word(board, board->chip->boot_offset), app;

    if ((first & 0xff) != IMAGE_MAGIC) {
        for (int i = 0; i < 8; i++)
            say(board, "invalid header: 0x%08x\n", first);
        return;
    }
    if (!load_image(board, board->chip->boot_offset))
        return;
    board->cpu_ns += SECOND_STAGE_NS;
    app = find_application(board);
    run_application(board, app != NO_PARTITION ? app : board->chip->boot_offset);
}

void esp_boot(struct esp_board *board, bool download)
{
    const struct esp_chip *chip = board->chip;

    esp_clear_input(board);
    esp_download_end(board);
    esp_read_end(board);
    esp_flasher_end(board);
    esp_memory_reset(board);
    board->counts.resets++;
    board->baud = chip->boot_baud;
    board->attached = (chip->features & ESP_HAS_ATTACH) == 0;
    board->synced = board->wedged = false;
    board->reply_op = board->reply_error = board->reply_tail[0] = board->reply_tail[1] = 0;
    board->reply_value = 0;
    board->state = download ? ESP_ROM : ESP_RUNS;
    board->wdt_ns = UINT64_MAX;
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->now_ns);
    say(board, "%s%s\n", chip->banner, download ? chip->download_mode : chip->run_mode);
    if (download)
        say(board, "%s", chip->waiting);
    else
        run_from_flash(board);
}

void esp_leave_rom(struct esp_board *board)
{
    board->state = ESP_RUNS;
    if ((flash_word(board, board->chip->boot_offset) & 0xff) == IMAGE_MAGIC)
        run_from_flash(board);
    else
        say(board, "flash read err, 1000\nFalling back to built-in command interpreter.\nOK\n>");
}

void esp_run_from_ram(struct esp_board *board, uint32_t entry)
{
    board->state = ESP_RUNS;
    say(board, "Hello from the simulated board (program in RAM at 0x%08x)\n", entry);
}
