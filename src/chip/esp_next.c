/* SPDX-License-Identifier: MIT */
/*
 * The H series, P4, and the newest parts: E22, S31.
 *
 * Constants are from esptool 5.2.0 and the technical reference manuals and keep their addresses as there; bits of
 * revision, package, features and security are those of the eFuse tables (esptool 5.2.0, efuse_defs; the S31's are
 * not those that its class in esptool inherits). See chip/esp.h for the columns.
 */
#include "chip/rows.h"

#define R KILN_MAP_READ
#define W KILN_MAP_WRITE
#define X KILN_MAP_EXECUTE
#define F KILN_MAP_FLASH

/* ---- ESP32-H2 ---- */

static const struct kiln_map_entry esp32h2_map[] = {
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

static const struct kiln_esp_code esp32h2_frequencies[] = {
    {48, 0xf, "48m"}, {24, 0x0, "24m"}, {16, 0x1, "16m"}, {12, 0x2, "12m"}, {0, 0, NULL},
};

static const struct kiln_esp_console esp32h2_console[] = {
    {0, 0x4084fefc, 0, 3},
};

static const struct kiln_chip_note esp32h2_notes[] = {
    KILN_ESP_BOOT_PINS(9, 8),
    {"UART0", "TX GPIO24, RX GPIO23", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO2, TCK GPIO4, TDI GPIO5, TDO GPIO3; GPIO25 selects", KILN_NOTE_JTAG},
    {"USB", "D- GPIO26, D+ GPIO27", KILN_NOTE_JTAG},
    {"Highest clock", "96 MHz", KILN_NOTE_DATASHEET},
    {"Board ESP32H2 Dev Module", "RGB LED GPIO8", KILN_NOTE_ARDUINO},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32h2_facts = {
    .chip_id = 16,
    .boot_offset = 0x0,
    .uf2_family = 0x332726f6,
    .flags = KILN_ESP_EUI64,
    .spi = KILN_ESP_SPI(0x60003000),
    .uart_clkdiv = 0x60000014,
    .xtal_mhz = 32,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0x600b0800),
    .major = {{{0x600b0850, 21, 2, 0}}},
    .minor = {{{0x600b0850, 18, 3, 0}}},
    .variant = {{{0x600b0854, 0, 3, 0}}},
    .features = "BT 5 (LE), IEEE802.15.4, Single Core, 96MHz",
    .frequencies = esp32h2_frequencies,
    .sizes = kiln_esp_sizes,
    .console = esp32h2_console,
    .wdt = KILN_ESP_WDT(0x600b1c00, 0x1c),
    KILN_ESP_EFUSE_SECURITY(0x600b0800),
    .irom_start = 0x42000000,
    .irom_end = 0x42800000,
    .drom_start = 0x42800000,
    .drom_end = 0x43000000,
    .mmu_page_kb = {8, 16, 32, 64},
    .encrypted_align = 16,
    .key_names = kiln_esp_keys_ecdsa,
    .flash_pins = KILN_ESP_GPIOS(0, 27),
    .usb_pins = KILN_ESP_GPIOS(26, 27),
};

/* ---- ESP32-H21 ---- */

static const struct kiln_map_entry esp32h21_map[] = {
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

static const struct kiln_chip_note esp32h21_notes[] = {
    KILN_ESP_BOOT_PINS(14, 13),
    {"UART0", "TX GPIO16, RX GPIO15", KILN_NOTE_UART},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32h21_facts = {
    .chip_id = 25,
    .boot_offset = 0x0,
    .uf2_family = 0xb6dd00af,
    .flags = KILN_ESP_EUI64,
    .spi = KILN_ESP_SPI(0x60003000),
    .uart_clkdiv = 0x60000014,
    .xtal_mhz = 32,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0x600b4000),
    .features = "BT 5 (LE), IEEE802.15.4, Single Core, 96MHz",
    .frequencies = esp32h2_frequencies,
    .sizes = kiln_esp_sizes,
    .console = esp32h2_console,
    .stubs = kiln_esp_no_stub,
    .wdt = KILN_ESP_WDT(0x600b1c00, 0x1c),
    KILN_ESP_EFUSE_SECURITY(0x600b4000),
    .irom_start = 0x42000000,
    .irom_end = 0x42800000,
    .drom_start = 0x42800000,
    .drom_end = 0x43000000,
    .mmu_page_kb = {8, 16, 32, 64},
    .encrypted_align = 16,
    .key_names = kiln_esp_keys_ecdsa,
    .flash_pins = KILN_ESP_GPIOS(0, 27),
    .usb_pins = KILN_ESP_GPIOS(26, 27),
};

/* ---- ESP32-H4 ---- */

static const struct kiln_map_entry esp32h4_map[] = {
    {"DROM", 0x42000000, 0x44000000, R | F},
    {"DRAM", 0x40810000, 0x40860000, R | W},
    {"BYTE_ACCESSIBLE", 0x40810000, 0x40860000, R | W},
    {"DROM_MASK", 0x40000000, 0x40050000, R},
    {"IROM_MASK", 0x40000000, 0x40050000, R | X},
    {"IROM", 0x42000000, 0x44000000, R | X | F},
    {"IRAM", 0x40810000, 0x40860000, R | W | X},
    {"RTC_IRAM", 0x50000000, 0x50004000, R | W | X},
    {"RTC_DRAM", 0x50000000, 0x50004000, R | W},
    {"MEM_INTERNAL2", 0x60000000, 0x60100000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_name esp32h4_names[] = {
    {0x0, 0x0, "ESP32-H4 (QFN40)"},
    {0, 0, NULL},
};

static const struct kiln_esp_code esp32h4_frequencies[] = {
    {48, 0x0, "48m"}, {24, 0x0, "24m"}, {16, 0x1, "16m"}, {12, 0x2, "12m"}, {0, 0, NULL},
};

static const struct kiln_esp_console esp32h4_console[] = {
    {0, 0x4087f580, 0, 3},
};

static const struct kiln_chip_note esp32h4_notes[] = {
    KILN_ESP_BOOT_PINS(14, 13),
    {"UART0", "TX GPIO24, RX GPIO23", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO28, TCK GPIO30, TDI GPIO29, TDO GPIO31; GPIO36 selects", KILN_NOTE_JTAG},
    {"USB", "D- GPIO21, D+ GPIO22", KILN_NOTE_USB},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32h4_facts = {
    .chip_id = 28,
    .boot_offset = 0x2000,
    .uf2_family = 0x9e0baa8a,
    .flags = KILN_ESP_EUI64,
    .spi = KILN_ESP_SPI(0x60099000),
    .uart_clkdiv = 0x60000014,
    .xtal_mhz = 32,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0x600b1800),
    .names = esp32h4_names,
    .features = "BT 5 (LE), IEEE802.15.4, Dual Core, 96MHz",
    .frequencies = esp32h4_frequencies,
    .sizes = kiln_esp_sizes,
    .console = esp32h4_console,
    .wdt = {0x60090048, 0x6009004c, 0x60090064, 0x50d83aa1, 0x600b541c, 0x00040000, 0x600b5420,
            0x50d83aa1},
    .crypt_count = {0x600b1830, 23, 3, 0},
    .secure_boot = {0x600b1838, 5, 1, 0},
    .no_manual_encrypt = {0x600b1830, 14, 1, 0},
    .key_purpose = {{0x600b1834, 0, 5, 0},
                    {0x600b1834, 5, 5, 0},
                    {0x600b1834, 10, 5, 0},
                    {0x600b1834, 15, 5, 0},
                    {0x600b1834, 20, 5, 0},
                    {0x600b1834, 25, 5, 0}},
    .irom_start = 0x42000000,
    .irom_end = 0x42800000,
    .drom_start = 0x42800000,
    .drom_end = 0x43000000,
    .mmu_page_kb = {8, 16, 32, 64},
    .encrypted_align = 16,
    .key_manager = {0x600b1838, 20, 1, 0},
    .key_names = kiln_esp_keys_p384,
    .flash_pins = KILN_ESP_GPIOS(0, 39),
    .usb_pins = KILN_ESP_GPIOS(13, 14),
};

/* ---- ESP32-P4 ---- */

static const struct kiln_map_entry esp32p4_map[] = {
    {"DROM", 0x40000000, 0x4c000000, R | F},
    {"DRAM", 0x4ff00000, 0x4ffa0000, R | W},
    {"BYTE_ACCESSIBLE", 0x4ff00000, 0x4ffa0000, R | W},
    {"DROM_MASK", 0x4fc00000, 0x4fc20000, R},
    {"IROM_MASK", 0x4fc00000, 0x4fc20000, R | X},
    {"IROM", 0x40000000, 0x4c000000, R | X | F},
    {"IRAM", 0x4ff00000, 0x4ffa0000, R | W | X},
    {"RTC_IRAM", 0x50108000, 0x50110000, R | W | X},
    {"RTC_DRAM", 0x50108000, 0x50110000, R | W},
    {"MEM_INTERNAL2", 0x600fe000, 0x60100000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_console esp32p4_console[] = {
    {300, 0x4ff3fec8, 5, 6},
    {0, 0x4ffbfec8, 5, 6},
};

static const struct kiln_esp_stub esp32p4_stubs[] = {
    {300, "esp32p4-rev1"},
    {0, "esp32p4"},
};

/* Revision 3.1 starts with its flash supply off, so that 1.8 V parts survive; the sequence is esptool's. */
static const struct kiln_esp_power_step esp32p4_power_on[] = {
    {0x5011010c, 0xffffffff, 1, 10000},
    {0x501151bc, 0, 1u << 27, 0},
    {0x501151b8, 0, 1u << 7, 0},
    {0x501153fc, 0, 3, 50},
    {0x501151bc, 1u << 27, 0, 0},
    {0x501151b8, 0xffu << 23, 0, 0},
    {0x501151b8, 0, 0x80, 0},
    {0x501151b8, 1u << 7, 0, 1800},
    {0, 0, 0, 0},
};

static const struct kiln_chip_note esp32p4_notes[] = {
    KILN_ESP_BOOT_PINS(35, 36),
    {"UART0", "TX GPIO37, RX GPIO38", KILN_NOTE_ARDUINO},
    {"JTAG", "TMS GPIO4, TCK GPIO2, TDI GPIO3, TDO GPIO5; GPIO34 selects", KILN_NOTE_JTAG},
    {"USB", "USB-JTAG-Serial D- GPIO24, D+ GPIO25; OTG full speed D- GPIO26, D+ GPIO27",
     KILN_NOTE_IOMUX},
    {"Highest clock", "400 MHz; 360 MHz before revision 3", KILN_NOTE_DATASHEET},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32p4_facts = {
    .chip_id = 18,
    .boot_offset = 0x2000,
    .uf2_family = 0x3d308e94,
    .flags = KILN_ESP_WDT_RESET | KILN_ESP_BIG_FLASH | KILN_ESP_OTG_WDT_ALWAYS,
    .spi = KILN_ESP_SPI(0x5008d000),
    .xtal_mhz = 40,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0x5012d000),
    .major = {{{0x5012d04c, 4, 2, 0}, {0x5012d04c, 23, 1, 2}}},
    .minor = {{{0x5012d04c, 0, 4, 0}}},
    .variant = {{{0x5012d04c, 20, 3, 0}}},
    .features = "Dual Core + LP Core, 400MHz",
    .frequencies = kiln_esp_frequencies_26m,
    .sizes = kiln_esp_sizes,
    .console = esp32p4_console,
    .stubs = esp32p4_stubs,
    .wdt = KILN_ESP_WDT(0x50116000, 0x18),
    .strap = 0x500e0038,
    .force_download = 0x50110008,
    .force_download_mask = 4,
    KILN_ESP_EFUSE_SECURITY(0x5012d000),
    .power_on = esp32p4_power_on,
    .power_on_revision = 301,
    .mmu_page_kb = {64},
    .encrypted_align = 16,
    .key_manager = {0x5012d034, 10, 1, 0},
    .key_names = kiln_esp_keys_manager_p384,
    .flash_pins = KILN_ESP_GPIOS(0, 54),
    .usb_pins = KILN_ESP_GPIOS(24, 25),
};

/* ---- ESP32-E22 ---- */

static const struct kiln_map_entry esp32e22_map[] = {
    {"DROM", 0x3c000000, 0x40000000, R | F},
    {"DRAM", 0x31000000, 0x31200000, R | W},
    {"BYTE_ACCESSIBLE", 0x31000000, 0x31200000, R | W},
    {"DROM_MASK", 0x30000000, 0x30120000, R},
    {"IROM_MASK", 0x30000000, 0x30120000, R | X},
    {"IROM", 0x3c000000, 0x40000000, R | X | F},
    {"IRAM", 0x30fe0000, 0x31200000, R | W | X},
    {"RTC_IRAM", 0xc0000000, 0xc0008000, R | W | X},
    {"RTC_DRAM", 0xc0000000, 0xc0008000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_esp_console esp32e22_console[] = {
    {0, 0x3111b700, 3, 0},
};

/* No public document tells its pins. */
static const struct kiln_chip_note esp32e22_notes[] = {{NULL, NULL, NULL}};

static const struct kiln_esp_facts esp32e22_facts = {
    .chip_id = 31,
    .boot_offset = 0x0,
    .uf2_family = 0x1c5f21b0,
    .flags = 0,
    .spi = KILN_ESP_SPI(0xc3003000),
    .uart_clkdiv = 0xc3102014,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0xc4008000),
    .features = "Wi-Fi 6E (tri-band, 2x2 MU-MIMO), BT 5.4 (LE) + Classic, Dual Core, 500MHz",
    .frequencies = kiln_esp_frequencies_26m,
    .sizes = kiln_esp_sizes,
    .console = esp32e22_console,
    .stubs = kiln_esp_no_stub,
    .strap = 0xc310d000,
    .secure_boot = {0xc4008038, 20, 1, 0},
    .key_purpose = {{0xc4008034, 24, 4, 0},
                    {0xc4008034, 28, 4, 0},
                    {0xc4008038, 0, 4, 0},
                    {0xc4008038, 4, 4, 0},
                    {0xc4008038, 8, 4, 0},
                    {0xc4008038, 12, 4, 0}},
    .mmu_page_kb = {64},
    .encrypted_align = 16,
    .key_names = kiln_esp_keys_manager,
    .flash_pins = KILN_ESP_GPIOS(0, 52),
    .usb_pins = KILN_ESP_GPIOS(18, 19),
};

/* ---- ESP32-S31 ---- */

static const struct kiln_map_entry esp32s31_map[] = {
    {"DROM", 0x40000000, 0x54000000, R | F},
    {"DRAM", 0x2f000000, 0x2f080000, R | W},
    {"BYTE_ACCESSIBLE", 0x2f000000, 0x2f080000, R | W},
    {"DROM_MASK", 0x2f800000, 0x2f850000, R},
    {"IROM_MASK", 0x2f800000, 0x2f850000, R | X},
    {"IROM", 0x40000000, 0x54000000, R | X | F},
    {"IRAM", 0x2f000000, 0x2f080000, R | W | X},
    {"RTC_IRAM", 0x2e000000, 0x2e008000, R | W | X},
    {"RTC_DRAM", 0x2e000000, 0x2e008000, R | W},
    {NULL, 0, 0, 0},
};

static const struct kiln_chip_note esp32s31_notes[] = {
    {"UART0", "TX GPIO58, RX GPIO59", KILN_NOTE_UART},
    {"JTAG", "TMS GPIO57, TCK GPIO55, TDI GPIO56, TDO GPIO54; GPIO37 selects", KILN_NOTE_JTAG},
    {NULL, NULL, NULL},
};

static const struct kiln_esp_facts esp32s31_facts = {
    .chip_id = 32,
    .boot_offset = 0x2000,
    .uf2_family = 0x3101f7c1,
    .flags = KILN_ESP_BIG_FLASH,
    .spi = KILN_ESP_SPI(0x20500000),
    .xtal_mhz = 40,
    .xtal_divider = 1,
    KILN_ESP_EFUSES(0x20715000),
    .major = {{{0x2071504c, 4, 2, 0}}},
    .minor = {{{0x2071504c, 0, 4, 0}}},
    .variant = {{{0x2071504c, 20, 3, 0}}},
    .features = "Wi-Fi 6, BT 5.4 (LE), IEEE802.15.4, Dual Core + LP Core, 300MHz",
    .frequencies = kiln_esp_frequencies,
    .sizes = kiln_esp_sizes,
    .crypt_count = {0x20715034, 21, 3, 0},
    .secure_boot = {0x2071503c, 2, 1, 0},
    .no_manual_encrypt = {0x20715030, 20, 1, 0},
    .key_purpose = {{0x20715038, 0, 5, 0},
                    {0x20715038, 5, 5, 0},
                    {0x20715038, 10, 5, 0},
                    {0x20715038, 15, 5, 0},
                    {0x20715038, 20, 5, 0}},
    .key_manager = {0x20715034, 13, 1, 0},
    .mmu_page_kb = {64},
    .encrypted_align = 16,
    .key_names = kiln_esp_keys_sdc,
    .flash_pins = KILN_ESP_GPIOS(0, 60),
    .usb_pins = KILN_ESP_GPIOS(33, 34),
};

#define ROW(id, label, how) KILN_ESP_ROW(id, label, KILN_MACHINE_RISCV, how)

const struct kiln_chip kiln_chip_rows_esp_next[] = {
    ROW(esp32h2, "ESP32-H2", KILN_TESTED_NO),
    ROW(esp32h21, "ESP32-H21", KILN_TESTED_NO),
    ROW(esp32h4, "ESP32-H4", KILN_TESTED_NO),
    ROW(esp32p4, "ESP32-P4", KILN_TESTED_NO),
    ROW(esp32e22, "ESP32-E22", KILN_TESTED_NO),
    ROW(esp32s31, "ESP32-S31", KILN_TESTED_NO),
    {.name = NULL},
};
