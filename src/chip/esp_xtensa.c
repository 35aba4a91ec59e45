/* SPDX-License-Identifier: MIT */
/*
 * The Xtensa chips: ESP8266, ESP32, S2, S3.
 *
 * Constants are from esptool 5.2.0 and the technical reference manuals and keep their addresses as there; bits of
 * revision, package and features are those of the eFuse tables. See chip/esp.h for the columns.
 */
#include "chip/rows.h"

#define R KILN_MAP_READ
#define W KILN_MAP_WRITE
#define X KILN_MAP_EXECUTE
#define F KILN_MAP_FLASH

/* ---- ESP8266 ---- */

static const struct kiln_map_entry esp8266_map[] = {
    {"DPORT", 0x3ff00000, 0x3ff00010, R | W},
    {"DRAM", 0x3ffe8000, 0x40000000, R | W},
    {"IRAM", 0x40100000, 0x40108000, R | W | X},
    {"IROM", 0x40201010, 0x402e1010, R | X | F},
    {NULL, 0, 0, 0},
};

/* The cache may be used as RAM, and the flash is mapped further than the linker's files go. */
static const struct kiln_map_entry esp8266_loads[] = {
    {"DRAM", 0x3ffe8000, 0x40000000, R | W},
    {"IRAM", 0x40100000, 0x40110000, R | W | X},
    {"IROM", 0x40200000, 0x40600000, R | X | F},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_name esp8266_names[] = {
    {0x3d, 0x21, "ESP8285H08"}, {0x3d, 0x1, "ESP8285N08"},
    {0x3d, 0x29, "ESP8285H16"}, {0x3d, 0x9, "ESP8285N16"},
    {0x3d, 0x24, "ESP8285H16"}, {0x3d, 0x4, "ESP8285N16"},
    {0x1, 0x1, "ESP8285"},      {0x2, 0x2, "ESP8285"},
    {0x0, 0x0, "ESP8266EX"},    {0, 0, NULL},
};

static const struct kiln_esp_feature esp8266_extra[] = {
    {.field = {0x3ff00050, 4, 1, 0}, .value = 1, .text = "Embedded Flash"},
    {.field = {0x3ff00058, 16, 1, 0}, .value = 1, .text = "Embedded Flash"},
    {.text = NULL},
};

static const struct kiln_chip_note esp8266_notes[] = {
    KILN_ESP_BOOT_GPIO0,
    {"Strapping GPIO0", "low: boot ROM's loader; high: program in flash", KILN_NOTE_BOOT},
    {"Strapping GPIO2", "must be high, has a weak pull-up; prints in download mode",
     KILN_NOTE_BOOT},
    {"Strapping GPIO15", "must be low", KILN_NOTE_BOOT},
    {"UART0", "TX GPIO1, RX GPIO3; the boot ROM prints at 74880 baud", KILN_NOTE_ARDUINO_8266},
    {"Highest clock", "160 MHz, usually run at 80 MHz", KILN_NOTE_DATASHEET},
    {"Board NodeMCU", "LED GPIO2", KILN_NOTE_ARDUINO_8266},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp8266_facts = {
    .chip_id = -1,
    .magic = 0xfff0c101,
    .boot_offset = 0x0,
    .uf2_family = 0x7eab61ed,
    .flags = KILN_ESP_ROM_MINIMAL | KILN_ESP_BEGIN_4_WORDS | KILN_ESP_ERASE_BUG |
             KILN_ESP_SPI_ADDR_MSB | KILN_ESP_MAC_OTP | KILN_ESP_SOFT_RESET | KILN_ESP_IMAGE_PLAIN,
    .spi = {0x60000200, 0x1c, 0x20, 0x24, 0x40, 0x0, 0x0},
    .uart_clkdiv = 0x60000014,
    .xtal_divider = 2,
    .mac = 0x3ff00050,
    .variant = {{{0x3ff00050, 4, 1, 0},
                 {0x3ff00058, 16, 1, 1},
                 {0x3ff0005c, 25, 3, 2},
                 {0x3ff00050, 5, 1, 5}}},
    .names = esp8266_names,
    .features = "Wi-Fi, 160MHz",
    .extra = esp8266_extra,
    .frequencies = kiln_esp_frequencies_26m,
    .sizes = kiln_esp8266_sizes,
    .irom_start = 0x40200000,
    .irom_end = 0x40300000,
    .loads = esp8266_loads,
    .mmu_page_kb = {64},
    .encrypted_align = 16,
    .layout_3_rules = "esp32",
};

/* ---- ESP32 ---- */

static const struct kiln_map_entry esp32_map[] = {
    {"DROM", 0x3f400000, 0x3f800000, R | F},
    {"EXTRAM_DATA", 0x3f800000, 0x3fc00000, R | W},
    {"RTC_DRAM", 0x3ff80000, 0x3ff82000, R | W},
    {"BYTE_ACCESSIBLE", 0x3ff90000, 0x40000000, R | W},
    {"DRAM", 0x3ffae000, 0x40000000, R | W},
    {"DIRAM_DRAM", 0x3ffe0000, 0x3ffffffc, R | W},
    {"IROM", 0x40000000, 0x40070000, R | X | F},
    {"CACHE_PRO", 0x40070000, 0x40078000, R | W},
    {"CACHE_APP", 0x40078000, 0x40080000, R | W},
    {"IRAM", 0x40080000, 0x400a0000, R | W | X},
    {"DIRAM_IRAM", 0x400a0000, 0x400bfffc, R | W | X},
    {"RTC_IRAM", 0x400c0000, 0x400c2000, R | W | X},
    {"IROM", 0x400d0000, 0x40400000, R | X | F},
    {"RTC_DATA", 0x50000000, 0x50002000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_name esp32_names[] = {
    {0x1f, 0x10, "ESP32-S0WDQ6"},
    {0x300000f, 0x3000000, "ESP32-D0WDQ6-V3"},
    {0xf, 0x0, "ESP32-D0WDQ6"},
    {0x1f, 0x11, "ESP32-S0WD"},
    {0x300000f, 0x3000001, "ESP32-D0WD-V3"},
    {0xf, 0x1, "ESP32-D0WD"},
    {0xf, 0x2, "ESP32-D2WD"},
    {0xf, 0x4, "ESP32-U4WDH"},
    {0x300000f, 0x3000005, "ESP32-PICO-V3"},
    {0xf, 0x5, "ESP32-PICO-D4"},
    {0xf, 0x6, "ESP32-PICO-V3-02"},
    {0xf, 0x7, "ESP32-D0WDR2-V3"},
    {0, 0, NULL},
};

static const struct kiln_esp_feature esp32_extra[] = {
    {.field = {0x3ff5a00c, 1, 1, 0}, .value = 0, .text = "BT"},
    {.field = {0x3ff5a00c, 0, 1, 0}, .value = 1, .text = "Single Core + LP Core"},
    {.field = {0x3ff5a00c, 0, 1, 0}, .value = 0, .text = "Dual Core + LP Core"},
    {.field = {0x3ff5a00c, 12, 2, 0}, .value = 3, .text = "160MHz"},
    {.field = {0x3ff5a00c, 12, 2, 0}, .value = 2, .text = "240MHz"},
    {.field = {0x3ff5a00c, 9, 3, 0},
     .value = 2,
     .also = {0x3ff5a00c, 2, 1, 0},
     .text = "Embedded Flash"},
    {.field = {0x3ff5a00c, 9, 3, 0},
     .value = 4,
     .also = {0x3ff5a00c, 2, 1, 0},
     .text = "Embedded Flash"},
    {.field = {0x3ff5a00c, 9, 3, 0},
     .value = 5,
     .also = {0x3ff5a00c, 2, 1, 0},
     .text = "Embedded Flash"},
    {.field = {0x3ff5a00c, 9, 3, 0},
     .value = 6,
     .also = {0x3ff5a00c, 2, 1, 0},
     .text = "Embedded Flash, Embedded PSRAM"},
    {.field = {0x3ff5a010, 8, 5, 0},
     .value = KILN_ESP_NOT_ZERO,
     .text = "Vref calibration in eFuse"},
    {.field = {0x3ff5a00c, 14, 1, 0}, .value = 1, .text = "BLK3 partially reserved"},
    {.field = {0x3ff5a018, 0, 2, 0}, .value = 0, .text = "Coding Scheme None"},
    {.field = {0x3ff5a018, 0, 2, 0}, .value = 1, .text = "Coding Scheme 3/4"},
    {.field = {0x3ff5a018, 0, 2, 0}, .value = 2, .text = "Coding Scheme Repeat (UNSUPPORTED)"},
    {.field = {0x3ff5a018, 0, 2, 0},
     .value = 3,
     .text = "Coding Scheme None (may contain encoding data)"},
    {.text = NULL},
};

static const struct kiln_chip_note esp32_notes[] = {
    KILN_ESP_BOOT_GPIO0,
    {"Strapping GPIO0", "low: boot ROM's loader; high: program in flash; has a pull-up",
     KILN_NOTE_BOOT},
    {"Strapping GPIO2", "low or open for download mode; else ignored", KILN_NOTE_BOOT},
    {"Strapping GPIO12",
     "MTDI; high: flash gets 1.8 V, and a 3.3 V flash then fails; has a pull-down", KILN_NOTE_BOOT},
    {"Strapping GPIO15", "MTDO; low: the boot ROM prints nothing; has a pull-up", KILN_NOTE_BOOT},
    {"UART0", "TX GPIO1, RX GPIO3", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO14, TCK GPIO13, TDI GPIO12, TDO GPIO15", KILN_NOTE_JTAG},
    {"Highest clock", "240 MHz", KILN_NOTE_PLATFORMIO},
    {"Board DOIT DevKit V1", "LED GPIO2", KILN_NOTE_ARDUINO},
    {"Board Lolin D32", "LED GPIO5, battery voltage GPIO35", KILN_NOTE_ARDUINO},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32_facts = {
    .chip_id = 0,
    .magic = 0x00f01d83,
    .boot_offset = 0x1000,
    .uf2_family = 0x1c5f21b0,
    .flags = KILN_ESP_BEGIN_4_WORDS | KILN_ESP_SPI_ADDR_MSB | KILN_ESP_UNARY_MAJOR |
             KILN_ESP_IMAGE_TAIL | KILN_ESP_SECURE_BOOT_V1,
    .spi = {0x3ff42000, 0x1c, 0x20, 0x24, 0x80, 0x28, 0x2c},
    .uart_clkdiv = 0x3ff40014,
    .xtal_divider = 1,
    .rom_clock = {KILN_ESP_CLOCK_CALIBRATED, 0, {0x3ff5f06c, 7, 25, 0}, {0x3ff5a010, 0, 8, 0}},
    .efuse_base = 0x3ff5a000,
    .mac = 0x3ff5a004,
    .major = {{{0x3ff5a00c, 15, 1, 0}, {0x3ff5a014, 20, 1, 1}, {0x3ff6607c, 31, 1, 2}}},
    .minor = {{{0x3ff5a014, 24, 2, 0}}},
    .variant = {{{0x3ff5a00c, 9, 3, 0}, {0x3ff5a00c, 2, 1, 3}, {0x3ff5a00c, 0, 1, 4}}},
    .names = esp32_names,
    .features = "Wi-Fi",
    .extra = esp32_extra,
    .frequencies = kiln_esp_frequencies_26m,
    .sizes = kiln_esp_sizes,
    .strap = 0x3ff44038,
    .crypt_count = {0x3ff5a000, 20, 7, 0},
    .secure_boot = {0x3ff5a018, 4, 2, 0},
    .secure_boot_v1 = {0x3ff5a018, 4, 1, 0},
    .no_manual_encrypt = {0x3ff5a018, 7, 1, 0},
    .crypt_config = {0x3ff5a014, 28, 4, 0},
    .key_hidden = {0x3ff5a000, 16, 1, 0},
    .key_block = 0x3ff5a038,
    .jtag_off = {0x3ff5a018, 6, 1, 0},
    .supply = {0x3ff5a010, 16, 14, 15, 5},
    .sdio_conf = 0x3ff48074,
    .spi_pads = {{{0x3ff5a014, 0, 5, 0},
                  {0x3ff5a014, 5, 5, 6},
                  {0x3ff5a014, 10, 5, 12},
                  {0x3ff5a014, 15, 5, 18},
                  {0x3ff5a00c, 4, 5, 24}}},
    .irom_start = 0x400d0000,
    .irom_end = 0x40400000,
    .drom_start = 0x3f400000,
    .drom_end = 0x3f800000,
    .mmu_page_kb = {64},
    .encrypted_align = 32,
    .flash_pins = KILN_ESP_GPIOS(0, 29) | KILN_ESP_GPIOS(32, 33),
};

/* ---- ESP32-S2 ---- */

static const struct kiln_map_entry esp32s2_map[] = {
    {"DROM", 0x3f000000, 0x3ff80000, R | F},
    {"EXTRAM_DATA", 0x3f500000, 0x3ff80000, R | W},
    {"RTC_DRAM", 0x3ff9e000, 0x3ffa0000, R | W},
    {"BYTE_ACCESSIBLE", 0x3ff9e000, 0x40000000, R | W},
    {"MEM_INTERNAL", 0x3ff9e000, 0x40072000, R | W},
    {"DRAM", 0x3ffb0000, 0x40000000, R | W},
    {"IROM_MASK", 0x40000000, 0x4001a100, R | X},
    {"IRAM", 0x40020000, 0x40070000, R | W | X},
    {"RTC_IRAM", 0x40070000, 0x40072000, R | W | X},
    {"IROM", 0x40080000, 0x40800000, R | X | F},
    {"RTC_DATA", 0x50000000, 0x50002000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_name esp32s2_names[] = {
    {0xf0f, 0x0, "ESP32-S2"},       {0xf0f, 0x1, "ESP32-S2FH2"},  {0xf0f, 0x2, "ESP32-S2FH4"},
    {0xf0f, 0x102, "ESP32-S2FNR2"}, {0xf0f, 0x100, "ESP32-S2R2"}, {0, 0, NULL},
};

static const struct kiln_esp_feature esp32s2_extra[] = {
    {.field = {0x3f41a050, 21, 4, 0}, .value = 1, .text = "Embedded Flash 2MB"},
    {.field = {0x3f41a050, 21, 4, 0}, .value = 2, .text = "Embedded Flash 4MB"},
    {.field = {0x3f41a050, 28, 4, 0}, .value = 1, .text = "Embedded PSRAM 2MB"},
    {.field = {0x3f41a050, 28, 4, 0}, .value = 2, .text = "Embedded PSRAM 4MB"},
    {.field = {0x3f41a06c, 4, 3, 0},
     .value = 1,
     .text = "ADC and temperature sensor calibration in BLK2 of eFuse V1"},
    {.field = {0x3f41a06c, 4, 3, 0},
     .value = 2,
     .text = "ADC and temperature sensor calibration in BLK2 of eFuse V2"},
    {.text = NULL},
};

static const struct kiln_esp_console esp32s2_console[] = {
    {0, 0x3ffffd14, 2, 0},
};

static const struct kiln_chip_note esp32s2_notes[] = {
    KILN_ESP_BOOT_GPIO0,
    {"Strapping GPIO0", "low: boot ROM's loader; high: program in flash; has a pull-up",
     KILN_NOTE_BOOT},
    {"Strapping GPIO46", "low or open for download mode; else ignored", KILN_NOTE_BOOT},
    {"UART0", "TX GPIO43, RX GPIO44", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO42, TCK GPIO39, TDI GPIO41, TDO GPIO40", KILN_NOTE_JTAG},
    {"USB", "D- GPIO19, D+ GPIO20", KILN_NOTE_USB},
    {"Highest clock", "240 MHz", KILN_NOTE_PLATFORMIO},
    {"Board ESP32-S2-Saola-1", "RGB LED GPIO18", KILN_NOTE_ARDUINO},
    {"Board ESP32-S2-DevKitM-1", "RGB LED GPIO18", KILN_NOTE_ARDUINO},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32s2_facts = {
    .chip_id = 2,
    .magic = 0x000007c6,
    .boot_offset = 0x1000,
    .uf2_family = 0xbfdd4eee,
    .flags = KILN_ESP_WDT_RESET,
    .spi = KILN_ESP_SPI(0x3f402000),
    .uart_clkdiv = 0x3f400014,
    .xtal_mhz = 40,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0x3f41a000),
    .major = {{{0x3f41a050, 18, 2, 0}}},
    .minor = {{{0x3f41a054, 4, 3, 0}, {0x3f41a050, 20, 1, 3}}},
    .variant = {{{0x3f41a050, 21, 4, 0}, {0x3f41a050, 28, 4, 8}}},
    .names = esp32s2_names,
    .features = "Wi-Fi, Single Core, 240MHz",
    .extra = esp32s2_extra,
    .frequencies = kiln_esp_frequencies_26m,
    .sizes = kiln_esp_sizes,
    .console = esp32s2_console,
    .wdt = {0x3f408094, 0x3f408098, 0x3f4080ac, 0x50d83aa1, 0x00000000, 0x00000000, 0x00000000,
            0x00000000},
    .strap = 0x3f404038,
    .force_download = 0x3f408128,
    .force_download_mask = 1,
    .crypt_count = {0x3f41a034, 18, 3, 0},
    .secure_boot = {0x3f41a038, 20, 1, 0},
    .no_manual_encrypt = {0x3f41a030, 19, 1, 0},
    .key_purpose = {{0x3f41a034, 24, 4, 0},
                    {0x3f41a034, 28, 4, 0},
                    {0x3f41a038, 0, 4, 0},
                    {0x3f41a038, 4, 4, 0},
                    {0x3f41a038, 8, 4, 0},
                    {0x3f41a038, 12, 4, 0}},
    .irom_start = 0x40080000,
    .irom_end = 0x40b80000,
    .drom_start = 0x3f000000,
    .drom_end = 0x3f3f0000,
    .flash_octal = {0x3f41a03c, 9, 1, 0},
    .supply = {0x3f41a034, 6, 4, 5, 4},
    .mmu_page_kb = {64},
    .encrypted_align = 16,
    .key_names = kiln_esp_keys_aes256,
    .flash_pins = KILN_ESP_GPIOS(0, 21) | KILN_ESP_GPIOS(26, 46),
    .usb_pins = KILN_ESP_GPIOS(19, 20),
};

/* ---- ESP32-S3 ---- */

static const struct kiln_map_entry esp32s3_map[] = {
    {"DROM", 0x3c000000, 0x3d000000, R | F},
    {"EXTRAM_DATA", 0x3d000000, 0x3e000000, R | W},
    {"RTC_DRAM", 0x600fe000, 0x60100000, R | W},
    {"BYTE_ACCESSIBLE", 0x3fc88000, 0x3fd00000, R | W},
    {"MEM_INTERNAL", 0x3fc88000, 0x403e2000, R | W},
    {"DRAM", 0x3fc88000, 0x3fd00000, R | W},
    {"IROM_MASK", 0x40000000, 0x4001a100, R | X},
    {"IRAM", 0x40370000, 0x403e0000, R | W | X},
    {"RTC_IRAM", 0x600fe000, 0x60100000, R | W | X},
    {"IROM", 0x42000000, 0x42800000, R | X | F},
    {"RTC_DATA", 0x50000000, 0x50002000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_name esp32s3_names[] = {
    {0x7, 0x0, "ESP32-S3 (QFN56)"},
    {0x7, 0x1, "ESP32-S3-PICO-1 (LGA56)"},
    {0, 0, NULL},
};

static const struct kiln_esp_makers esp32s3_flash_maker = {
    {0x60007054, 0, 3, 0}, {NULL, "XMC", "GD", "FM", "TT", "BY", NULL, NULL}};
static const struct kiln_esp_makers esp32s3_psram_maker = {{0x60007054, 7, 2, 0},
                                                           {NULL, "AP_3v3", "AP_1v8"}};

#define S3_FLASH(code, what)                                          \
    {                                                                 \
        .field = {0x60007050, 27, 3, 0}, .value = code, .text = what, \
        .maker = &esp32s3_flash_maker                                 \
    }
/* The code has a third bit in another word. */
#define S3_PSRAM(code, high, what)                                                     \
    {                                                                                  \
        .field = {0x60007054, 3, 2, 0}, .value = code, .also = {0x60007058, 19, 1, 0}, \
        .also_value = high, .text = what, .maker = &esp32s3_psram_maker                \
    }

static const struct kiln_esp_feature esp32s3_extra[] = {
    S3_FLASH(1, "Embedded Flash 8MB"),
    S3_FLASH(2, "Embedded Flash 4MB"),
    S3_PSRAM(1, 0, "Embedded PSRAM 8MB"),
    S3_PSRAM(2, 0, "Embedded PSRAM 2MB"),
    S3_PSRAM(3, 0, "Embedded PSRAM 16MB"),
    S3_PSRAM(0, 1, "Embedded PSRAM 4MB"),
    {.text = NULL},
};

static const struct kiln_esp_console esp32s3_console[] = {
    {0, 0x3fcef14c, 3, 4},
};

static const struct kiln_chip_note esp32s3_notes[] = {
    KILN_ESP_BOOT_GPIO0,
    {"Strapping GPIO0", "low: boot ROM's loader; high: program in flash; has a pull-up",
     KILN_NOTE_BOOT},
    {"Strapping GPIO46", "low or open for download mode; else ignored", KILN_NOTE_BOOT},
    {"UART0", "TX GPIO43, RX GPIO44", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO42, TCK GPIO39, TDI GPIO41, TDO GPIO40; GPIO3 selects", KILN_NOTE_JTAG},
    {"USB", "D- GPIO19, D+ GPIO20", KILN_NOTE_JTAG},
    {"Highest clock", "240 MHz", KILN_NOTE_PLATFORMIO},
    {"Board XIAO ESP32S3", "LED GPIO21, TX GPIO43, RX GPIO44", KILN_NOTE_ARDUINO},
    {"Board ESP32S3 Dev Module", "RGB LED GPIO48", KILN_NOTE_ARDUINO},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32s3_facts = {
    .chip_id = 9,
    .boot_offset = 0x0,
    .uf2_family = 0xc47e5767,
    .flags =
        KILN_ESP_WDT_RESET | KILN_ESP_BIG_FLASH | KILN_ESP_CLEAR_FORCE_DL | KILN_ESP_REV0_BY_BLOCK,
    .spi = KILN_ESP_SPI(0x60002000),
    .uart_clkdiv = 0x60000014,
    .xtal_mhz = 40,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0x60007000),
    .major = {{{0x60007058, 24, 2, 0}}},
    .minor = {{{0x60007050, 18, 3, 0}, {0x60007058, 23, 1, 3}}},
    .variant = {{{0x60007050, 21, 3, 0}}},
    .block_version = {{{0x6000706c, 0, 2, 8}, {0x60007050, 24, 3, 0}}},
    .names = esp32s3_names,
    .features = "Wi-Fi, BT 5 (LE), Dual Core + LP Core, 240MHz",
    .extra = esp32s3_extra,
    .frequencies = kiln_esp_frequencies_26m,
    .sizes = kiln_esp_sizes,
    .console = esp32s3_console,
    .wdt = {0x60008098, 0x6000809c, 0x600080b0, 0x50d83aa1, 0x600080b4, 0x80000000, 0x600080b8,
            0x8f1d312a},
    .strap = 0x60004038,
    .force_download = 0x6000812c,
    .force_download_mask = 1,
    KILN_ESP_EFUSE_SECURITY(0x60007000),
    .read_pointer = 0x3fcef688,
    .irom_start = 0x42000000,
    .irom_end = 0x44000000,
    .drom_start = 0x3c000000,
    .drom_end = 0x3e000000,
    .flash_octal = {0x6000703c, 9, 1, 0},
    .supply = {0x60007034, 6, 4, 5, 4},
    .mmu_page_kb = {64},
    .encrypted_align = 16,
    .key_names = kiln_esp_keys_aes256,
    .flash_pins = KILN_ESP_GPIOS(0, 21) | KILN_ESP_GPIOS(26, 48),
    .usb_pins = KILN_ESP_GPIOS(19, 20),
    .flash_hd_max = 46,
};

#define ROW(id, label, how) KILN_ESP_ROW(id, label, KILN_MACHINE_XTENSA, how)

const struct kiln_chip kiln_chip_rows_esp_xtensa[] = {
    ROW(esp8266, "ESP8266", KILN_TESTED_NO),
    ROW(esp32, "ESP32", KILN_TESTED_ROM_EMULATED),
    ROW(esp32s2, "ESP32-S2", KILN_TESTED_NO),
    ROW(esp32s3, "ESP32-S3", KILN_TESTED_NO),
    {.name = NULL},
};
