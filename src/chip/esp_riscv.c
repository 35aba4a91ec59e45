/* SPDX-License-Identifier: MIT */
/*
 * The C series (RISC-V): C2, C3, C5, C6, C61.
 *
 * Constants are from esptool 5.2.0 and the technical reference manuals and keep their addresses as there; bits of
 * revision, package, features and security are those of the eFuse tables (esptool 5.2.0, efuse_defs; ESP-IDF,
 * esp_efuse_table.csv). Where esptool's classes inherit another chip's bits against the chip's own table (encryption
 * counter of the C2 and C5, secure boot of the C5, manual encryption of the C61) the table is right: by it no two
 * fields share a bit. See chip/esp.h for the columns.
 */
#include "chip/rows.h"

#define R KILN_MAP_READ
#define W KILN_MAP_WRITE
#define X KILN_MAP_EXECUTE
#define F KILN_MAP_FLASH

/* ---- ESP32-C2 ---- */

static const struct kiln_map_entry esp32c2_map[] = {
    {"DROM", 0x3c000000, 0x3c400000, R | F},
    {"DRAM", 0x3fca0000, 0x3fce0000, R | W},
    {"BYTE_ACCESSIBLE", 0x3fc88000, 0x3fd00000, R | W},
    {"DROM_MASK", 0x3ff00000, 0x3ff50000, R},
    {"IROM_MASK", 0x40000000, 0x40090000, R | X},
    {"IROM", 0x42000000, 0x42400000, R | X | F},
    {"IRAM", 0x4037c000, 0x403c0000, R | W | X},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_name esp32c2_names[] = {
    {0x7, 0x0, "ESP32-C2"},
    {0x7, 0x1, "ESP8684H"},
    {0, 0, NULL},
};

static const struct kiln_esp_makers esp32c2_flash_maker = {
    {0x6000885c, 24, 3, 0}, {NULL, "XMC", "GD", "FM", "TT", "ZBIT", NULL, NULL}};

static const struct kiln_esp_feature esp32c2_extra[] = {
    {.field = {0x6000885c, 29, 3, 0},
     .value = 1,
     .text = "Embedded Flash 4MB",
     .maker = &esp32c2_flash_maker},
    {.field = {0x6000885c, 29, 3, 0},
     .value = 2,
     .text = "Embedded Flash 2MB",
     .maker = &esp32c2_flash_maker},
    {.field = {0x6000885c, 29, 3, 0},
     .value = 3,
     .text = "Embedded Flash 1MB",
     .maker = &esp32c2_flash_maker},
    {.text = NULL},
};

static const struct kiln_esp_code esp32c2_frequencies[] = {
    {60, 0xf, "60m"}, {30, 0x0, "30m"}, {20, 0x1, "20m"}, {15, 0x2, "15m"}, {0, 0, NULL},
};

static const struct kiln_esp_stub esp32c2_stubs[] = {
    {1, NULL},
    {0, "esp32c2"},
};

static const struct kiln_chip_note esp32c2_notes[] = {
    KILN_ESP_BOOT_PINS(9, 8),
    {"UART0", "TX GPIO20, RX GPIO19", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO4, TCK GPIO6, TDI GPIO5, TDO GPIO7", KILN_NOTE_JTAG},
    {"Highest clock", "120 MHz", KILN_NOTE_DATASHEET},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32c2_facts = {
    .chip_id = 12,
    .boot_offset = 0x0,
    .uf2_family = 0x2b88d29c,
    .flags = KILN_ESP_SDM_NO_BAUD | KILN_ESP_WDT_RESET,
    .spi = KILN_ESP_SPI(0x60002000),
    .uart_clkdiv = 0x60000014,
    .xtal_divider = 1,
    .rom_clock = {KILN_ESP_CLOCK_ASSUMED, 40, {0, 0, 0, 0}, {0, 0, 0, 0}},
    .efuse_base = 0x60008800,
    .mac = 0x60008840,
    .major = {{{0x60008844, 20, 2, 0}}},
    .minor = {{{0x60008844, 16, 4, 0}}},
    .variant = {{{0x60008844, 22, 3, 0}}},
    .names = esp32c2_names,
    .features = "Wi-Fi, BT 5 (LE), Single Core, 120MHz",
    .extra = esp32c2_extra,
    .frequencies = esp32c2_frequencies,
    .sizes = kiln_esp_sizes,
    .stubs = esp32c2_stubs,
    .wdt = {0x60008084, 0x60008088, 0x6000809c, 0x50d83aa1, 0x00000000, 0x00000000, 0x00000000,
            0x00000000},
    .crypt_count = {0x60008830, 7, 3, 0},
    .secure_boot = {0x60008830, 21, 1, 0},
    .key_hidden = {0x60008830, 0, 1, 0},
    .key_long = {0x60008830, 10, 1, 0},
    .key_hidden_long = {0x60008830, 0, 2, 0},
    .key_block = 0x60008860,
    .no_manual_encrypt = {0x60008830, 6, 1, 0},
    .mmu_page_kb = {16, 32, 64},
    .encrypted_align = 16,
    .flash_pins = KILN_ESP_GPIOS(0, 20),
};

/* ---- ESP32-C3 ---- */

static const struct kiln_map_entry esp32c3_map[] = {
    {"DROM", 0x3c000000, 0x3c800000, R | F},
    {"DRAM", 0x3fc80000, 0x3fce0000, R | W},
    {"BYTE_ACCESSIBLE", 0x3fc88000, 0x3fd00000, R | W},
    {"DROM_MASK", 0x3ff00000, 0x3ff20000, R},
    {"IROM_MASK", 0x40000000, 0x40060000, R | X},
    {"IROM", 0x42000000, 0x42800000, R | X | F},
    {"IRAM", 0x4037c000, 0x403e0000, R | W | X},
    {"RTC_IRAM", 0x50000000, 0x50002000, R | W | X},
    {"RTC_DRAM", 0x50000000, 0x50002000, R | W},
    {"MEM_INTERNAL2", 0x600fe000, 0x60100000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_name esp32c3_names[] = {
    {0x7, 0x0, "ESP32-C3 (QFN32)"},
    {0x7, 0x1, "ESP8685 (QFN28)"},
    {0x7, 0x2, "ESP32-C3 AZ (QFN32)"},
    {0x7, 0x3, "ESP8686 (QFN24)"},
    {0, 0, NULL},
};

static const struct kiln_esp_makers esp32c3_flash_maker = {
    {0x60008854, 0, 3, 0}, {NULL, "XMC", "GD", "FM", "TT", "ZBIT", NULL, NULL}};

static const struct kiln_esp_feature esp32c3_extra[] = {
    {.field = {0x60008850, 27, 3, 0},
     .value = 1,
     .text = "Embedded Flash 4MB",
     .maker = &esp32c3_flash_maker},
    {.field = {0x60008850, 27, 3, 0},
     .value = 2,
     .text = "Embedded Flash 2MB",
     .maker = &esp32c3_flash_maker},
    {.field = {0x60008850, 27, 3, 0},
     .value = 3,
     .text = "Embedded Flash 1MB",
     .maker = &esp32c3_flash_maker},
    {.field = {0x60008850, 27, 3, 0},
     .value = 4,
     .text = "Embedded Flash 8MB",
     .maker = &esp32c3_flash_maker},
    {.text = NULL},
};

static const struct kiln_esp_console esp32c3_console[] = {
    {101, 0x3fcdf07c, 0, 3},
    {0, 0x3fcdf078, 0, 3},
};

static const struct kiln_chip_note esp32c3_notes[] = {
    KILN_ESP_BOOT_PINS(9, 8),
    {"UART0", "TX GPIO21, RX GPIO20", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO4, TCK GPIO6, TDI GPIO5, TDO GPIO7", KILN_NOTE_JTAG},
    {"USB", "D- GPIO18, D+ GPIO19", KILN_NOTE_JTAG},
    {"Highest clock", "160 MHz", KILN_NOTE_PLATFORMIO},
    {"Board ESP32C3 Dev Module", "RGB LED GPIO8", KILN_NOTE_ARDUINO},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32c3_facts = {
    .chip_id = 5,
    .boot_offset = 0x0,
    .uf2_family = 0xd42ba06c,
    .flags = KILN_ESP_WDT_RESET | KILN_ESP_NO_STUB_SB | KILN_ESP_MIN_REV_MINOR,
    .spi = KILN_ESP_SPI(0x60002000),
    .uart_clkdiv = 0x60000014,
    .xtal_mhz = 40,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0x60008800),
    .major = {{{0x60008858, 24, 2, 0}}},
    .minor = {{{0x60008850, 18, 3, 0}, {0x60008858, 23, 1, 3}}},
    .variant = {{{0x60008850, 21, 3, 0}}},
    .names = esp32c3_names,
    .features = "Wi-Fi, BT 5 (LE), Single Core, 160MHz",
    .extra = esp32c3_extra,
    .frequencies = kiln_esp_frequencies_26m,
    .sizes = kiln_esp_sizes,
    .console = esp32c3_console,
    .wdt = {0x60008090, 0x60008094, 0x600080a8, 0x50d83aa1, 0x600080ac, 0x80000000, 0x600080b0,
            0x8f1d312a},
    KILN_ESP_EFUSE_SECURITY(0x60008800),
    .mmu_page_kb = {64},
    .encrypted_align = 16,
    .key_names = kiln_esp_keys_aes128,
    .flash_pins = KILN_ESP_GPIOS(0, 21),
    .usb_pins = KILN_ESP_GPIOS(18, 19),
};

/* ---- ESP32-C5 ---- */

static const struct kiln_map_entry esp32c5_map[] = {
    {"DROM", 0x42000000, 0x44000000, R | F},
    {"DRAM", 0x40800000, 0x40860000, R | W},
    {"BYTE_ACCESSIBLE", 0x40800000, 0x40860000, R | W},
    {"DROM_MASK", 0x4003a000, 0x40040000, R},
    {"IROM_MASK", 0x40000000, 0x4003a000, R | X},
    {"IROM", 0x42000000, 0x44000000, R | X | F},
    {"IRAM", 0x40800000, 0x40860000, R | W | X},
    {"RTC_IRAM", 0x50000000, 0x50004000, R | W | X},
    {"RTC_DRAM", 0x50000000, 0x50004000, R | W},
    {"MEM_INTERNAL2", 0x600fe000, 0x60100000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_console esp32c5_console[] = {
    {0, 0x4085f514, 0, 3},
};

static const struct kiln_chip_note esp32c5_notes[] = {
    KILN_ESP_BOOT_PINS(28, 27),
    {"UART0", "TX GPIO11, RX GPIO12", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO2, TCK GPIO4, TDI GPIO3, TDO GPIO5; GPIO7 selects", KILN_NOTE_JTAG},
    {"USB", "D- GPIO13, D+ GPIO14", KILN_NOTE_ARDUINO},
    {"Highest clock", "240 MHz", KILN_NOTE_DATASHEET},
    {"Board ESP32C5 Dev Module", "RGB LED GPIO27", KILN_NOTE_ARDUINO},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32c5_facts = {
    .chip_id = 23,
    .boot_offset = 0x2000,
    .uf2_family = 0xf71c0343,
    .flags = KILN_ESP_WDT_RESET | KILN_ESP_SDM_NO_BAUD | KILN_ESP_BIG_FLASH | KILN_ESP_EUI64,
    .spi = KILN_ESP_SPI(0x60003000),
    .uart_clkdiv = 0x60000014,
    .xtal_divider = 1,
    .rom_clock = {KILN_ESP_CLOCK_REGISTER, 0, {0x60096110, 24, 7, 0}, {0, 0, 0, 0}},
    KILN_ESP_EFUSES(0x600b4800),
    .major = {{{0x600b484c, 4, 2, 0}}},
    .minor = {{{0x600b484c, 0, 4, 0}}},
    .variant = {{{0x600b484c, 26, 3, 0}}},
    .features = "Wi-Fi 6 (dual-band), BT 5 (LE), IEEE802.15.4, Single Core + LP Core, 240MHz",
    .frequencies = kiln_esp_frequencies,
    .sizes = kiln_esp_sizes,
    .console = esp32c5_console,
    .wdt = KILN_ESP_WDT(0x600b1c00, 0x18),
    .crypt_count = {0x600b4834, 16, 3, 0},
    .secure_boot = {0x600b4838, 25, 1, 0},
    .no_manual_encrypt = {0x600b4830, 20, 1, 0},
    .key_purpose = {{0x600b4834, 22, 5, 0},
                    {0x600b4834, 27, 5, 0},
                    {0x600b4838, 0, 5, 0},
                    {0x600b4838, 5, 5, 0},
                    {0x600b4838, 10, 5, 0},
                    {0x600b4838, 15, 5, 0}},
    .mmu_page_kb = {64},
    .encrypted_align = 16,
    .key_manager = {0x600b4834, 11, 1, 0},
    .key_names = kiln_esp_keys_p384_psram,
    .flash_pins = KILN_ESP_GPIOS(0, 28),
    .usb_pins = KILN_ESP_GPIOS(13, 14),
};

/* ---- ESP32-C6 ---- */

static const struct kiln_map_entry esp32c6_map[] = {
    {"DROM", 0x42000000, 0x43000000, R | F},
    {"DRAM", 0x40800000, 0x40880000, R | W},
    {"BYTE_ACCESSIBLE", 0x40800000, 0x40880000, R | W},
    {"DROM_MASK", 0x4004ac00, 0x40050000, R},
    {"IROM_MASK", 0x40000000, 0x4004ac00, R | X},
    {"IROM", 0x42000000, 0x43000000, R | X | F},
    {"IRAM", 0x40800000, 0x40880000, R | W | X},
    {"RTC_IRAM", 0x50000000, 0x50004000, R | W | X},
    {"RTC_DRAM", 0x50000000, 0x50004000, R | W},
    {"MEM_INTERNAL2", 0x600fe000, 0x60100000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_name esp32c6_names[] = {
    {0x7, 0x0, "ESP32-C6 (QFN40)"},
    {0x77, 0x11, "ESP32-C6FH4 (QFN32)"},
    {0x77, 0x21, "ESP32-C6FH8 (QFN32)"},
    {0, 0, NULL},
};

static const struct kiln_esp_feature esp32c6_extra[] = {
    {.field = {0x600b0854, 0, 3, 0}, .value = 1, .text = "Embedded Flash 4MB"},
    {.field = {0x600b0854, 0, 3, 0}, .value = 2, .text = "Embedded Flash 8MB"},
    {.text = NULL},
};

static const struct kiln_esp_code esp32c6_frequencies[] = {
    {80, 0x0, "80m"},
    {40, 0x0, "40m"},
    {20, 0x2, "20m"},
    {0, 0, NULL},
};

static const struct kiln_esp_console esp32c6_console[] = {
    {0, 0x4087f580, 0, 3},
};

static const struct kiln_chip_note esp32c6_notes[] = {
    KILN_ESP_BOOT_PINS(9, 8),
    {"UART0", "TX GPIO16, RX GPIO17", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO4, TCK GPIO6, TDI GPIO5, TDO GPIO7; GPIO15 selects",
     "ESP32-C6 datasheet (not checked against the document)"},
    {"USB", "D- GPIO12, D+ GPIO13", KILN_NOTE_JTAG},
    {"Highest clock", "160 MHz", KILN_NOTE_PLATFORMIO},
    {"Board ESP32C6 Dev Module", "RGB LED GPIO8", KILN_NOTE_ARDUINO},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32c6_facts = {
    .chip_id = 13,
    .boot_offset = 0x0,
    .uf2_family = 0x540ddf62,
    .flags = KILN_ESP_EUI64,
    .spi = KILN_ESP_SPI(0x60003000),
    .uart_clkdiv = 0x60000014,
    .xtal_mhz = 40,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0x600b0800),
    .major = {{{0x600b0850, 22, 2, 0}}},
    .minor = {{{0x600b0850, 18, 4, 0}}},
    .variant = {{{0x600b0850, 24, 3, 0}, {0x600b0854, 0, 3, 4}}},
    .names = esp32c6_names,
    .features = "Wi-Fi 6, BT 5 (LE), IEEE802.15.4, Single Core + LP Core, 160MHz",
    .extra = esp32c6_extra,
    .frequencies = esp32c6_frequencies,
    .sizes = kiln_esp_sizes,
    .console = esp32c6_console,
    .wdt = KILN_ESP_WDT(0x600b1c00, 0x18),
    KILN_ESP_EFUSE_SECURITY(0x600b0800),
    .irom_start = 0x42000000,
    .irom_end = 0x42800000,
    .drom_start = 0x42800000,
    .drom_end = 0x43000000,
    .mmu_page_kb = {8, 16, 32, 64},
    .encrypted_align = 16,
    .key_names = kiln_esp_keys_aes128,
    .flash_pins = KILN_ESP_GPIOS(0, 30),
    .usb_pins = KILN_ESP_GPIOS(12, 13),
};

/* ---- ESP32-C61 ---- */

static const struct kiln_map_entry esp32c61_map[] = {
    {"DROM", 0x42000000, 0x44000000, R | F},
    {"DRAM", 0x40800000, 0x40860000, R | W},
    {"BYTE_ACCESSIBLE", 0x40800000, 0x40860000, R | W},
    {"DROM_MASK", 0x4004ac00, 0x40050000, R},
    {"IROM_MASK", 0x40000000, 0x4004ac00, R | X},
    {"IROM", 0x42000000, 0x44000000, R | X | F},
    {"IRAM", 0x40800000, 0x40860000, R | W | X},
    {"RTC_IRAM", 0x50000000, 0x50004000, R | W | X},
    {"RTC_DRAM", 0x50000000, 0x50004000, R | W},
    {"MEM_INTERNAL2", 0x600fe000, 0x60100000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_console esp32c61_console[] = {
    {3, 0x4084f5ec, 0, 3},
    {0, 0x4084f5e4, 0, 4},
};

static const struct kiln_chip_note esp32c61_notes[] = {
    KILN_ESP_BOOT_PINS(9, 8),
    {"UART0", "TX GPIO11, RX GPIO10", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO3, TCK GPIO5, TDI GPIO4, TDO GPIO6; GPIO7 selects", KILN_NOTE_JTAG},
    {"USB", "D- GPIO12, D+ GPIO13", KILN_NOTE_IOMUX},
    {"Highest clock", "160 MHz", KILN_NOTE_DATASHEET},
    {"Board C61 Dev Module", "RGB LED GPIO8", KILN_NOTE_ARDUINO},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32c61_facts = {
    .chip_id = 20,
    .boot_offset = 0x0,
    .uf2_family = 0x77d850c4,
    .flags = KILN_ESP_WDT_RESET,
    .spi = KILN_ESP_SPI(0x60003000),
    .uart_clkdiv = 0x60000014,
    .xtal_mhz = 40,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0x600b4800),
    .major = {{{0x600b484c, 4, 2, 0}}},
    .minor = {{{0x600b484c, 0, 4, 0}}},
    .variant = {{{0x600b484c, 26, 3, 0}}},
    .features = "Wi-Fi 6, BT 5 (LE), Single Core, 160MHz",
    .frequencies = kiln_esp_frequencies,
    .sizes = kiln_esp_sizes,
    .console = esp32c61_console,
    .wdt = KILN_ESP_WDT(0x600b1c00, 0x18),
    .crypt_count = {0x600b4830, 23, 3, 0},
    .secure_boot = {0x600b4834, 26, 1, 0},
    .no_manual_encrypt = {0x600b4830, 14, 1, 0},
    .key_purpose = {{0x600b4834, 0, 4, 0},
                    {0x600b4834, 4, 4, 0},
                    {0x600b4834, 8, 4, 0},
                    {0x600b4834, 12, 4, 0},
                    {0x600b4834, 16, 4, 0},
                    {0x600b4834, 20, 4, 0}},
    .irom_start = 0x42000000,
    .irom_end = 0x42800000,
    .drom_start = 0x42800000,
    .drom_end = 0x43000000,
    .mmu_page_kb = {8, 16, 32, 64},
    .encrypted_align = 16,
    .key_names = kiln_esp_keys_psram,
    .flash_pins = KILN_ESP_GPIOS(0, 30),
    .usb_pins = KILN_ESP_GPIOS(12, 13),
};

#define ROW(id, label, how) KILN_ESP_ROW(id, label, KILN_MACHINE_RISCV, how)

const struct kiln_chip kiln_chip_rows_esp_riscv[] = {
    ROW(esp32c2, "ESP32-C2", KILN_TESTED_NO),   ROW(esp32c3, "ESP32-C3", KILN_TESTED_ROM_EMULATED),
    ROW(esp32c5, "ESP32-C5", KILN_TESTED_NO),   ROW(esp32c6, "ESP32-C6", KILN_TESTED_NO),
    ROW(esp32c61, "ESP32-C61", KILN_TESTED_NO), {.name = NULL},
};
