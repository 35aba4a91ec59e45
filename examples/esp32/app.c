/* SPDX-License-Identifier: MIT */
/* The application: says who it is and checks its tables in flash, once a second. */
#include "board.h"
#include "tables_in_flash.h"

#ifndef VERSION
#define VERSION "1.0.0"
#endif

/* The description that ESP-IDF puts at the start of an application's flash data (esp_app_desc_t). */
struct app_desc {
    uint32_t magic, secure_version, reserved1[2];
    char version[32], project_name[32], time[16], date[16], idf_version[32];
    uint8_t elf_sha256[32];
    uint32_t reserved2[20];
};

__attribute__((section(".app_desc"), used)) const struct app_desc app_desc = {
    .magic = 0xABCD5432u,
    .version = VERSION,
    .project_name = "kiln-example",
    .time = "00:00:00",
    .date = "Jan  1 2026",
    .idf_version = "none",
};

#define APP_OFFSET 0x10000u
#define FLASH_START \
    (APP_OFFSET + 0x20u) /* where the first segment's data is, and with it app_desc */

static uint32_t words_sum(uint32_t offset, uint32_t bytes)
{
    uint32_t value = 1, word[16];

    for (; bytes >= sizeof word; bytes -= sizeof word, offset += sizeof word) {
        flash_read(offset, word, 16);
        for (uint32_t i = 0; i < 16; i++)
            value = (value << 5 | value >> 27) ^ word[i];
    }
    return value;
}

static void put_flash_text(uint32_t offset, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        char c = (char)(flash_word(offset + (i & ~3u)) >> (i & 3) * 8);

        if (c == '\0')
            return;
        put_char(c);
    }
}

int main(void)
{
    for (uint32_t round = 0;; round++) {
        put_text("app: kiln-example ");
        put_flash_text(FLASH_START + 16, 32);
        put_text(" round ");
        put_hex(round);
        put_text(" tables ");
        put_hex(words_sum(FLASH_START + sizeof app_desc, sizeof wave_table));
        put_text("\r\n");
        wait_ms(1000);
    }
}
