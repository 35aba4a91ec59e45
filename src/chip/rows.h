/* SPDX-License-Identifier: MIT */
/* The arrays of rows, each ending with a NULL name; chip.c walks them in this order. Internal to chip/. */
#ifndef KILN_CHIP_ROWS_H
#define KILN_CHIP_ROWS_H

#include "chip/esp.h"

/* e_machine of the ELF specification */
#define KILN_MACHINE_ARM    40
#define KILN_MACHINE_XTENSA 94
#define KILN_MACHINE_RISCV  243

/*
 * What a chip shares with its family: from the S2 on, eFuse blocks begin at the same distances from their base, and
 * most parts keep their security bits at the same places in block 0. A row that names one of these differs from the
 * family only in what it says besides.
 */
#define KILN_ESP_EFUSES(base) .efuse_base = (base), .mac = (base) + 0x44
#define KILN_ESP_EFUSE_SECURITY(base)                                                   \
    .crypt_count = {(base) + 0x34, 18, 3, 0}, .secure_boot = {(base) + 0x38, 20, 1, 0}, \
    .no_manual_encrypt = {(base) + 0x30, 20, 1, 0},                                     \
    .key_purpose = {                                                                    \
        {(base) + 0x34, 24, 4, 0}, {(base) + 0x34, 28, 4, 0}, {(base) + 0x38, 0, 4, 0}, \
        {(base) + 0x38, 4, 4, 0},  {(base) + 0x38, 8, 4, 0},  {(base) + 0x38, 12, 4, 0}}
/* The flash's SPI controller of every chip from the S2 on. */
#define KILN_ESP_SPI(base)                         \
    {                                              \
        (base), 0x18, 0x1c, 0x20, 0x58, 0x24, 0x28 \
    }

/* RTC watchdog and super watchdog in one block of registers. */
#define KILN_ESP_WDT(base, wprotect)                                                              \
    {                                                                                             \
        (base), (base) + 4, (base) + (wprotect), 0x50d83aa1, (base) + (wprotect) + 4, 0x00040000, \
            (base) + (wprotect) + 8, 0x50d83aa1                                                   \
    }

/* Where notes come from. */
#define KILN_NOTE_BOOT         "esptool 5.2.0 documentation, Boot Mode Selection"
#define KILN_NOTE_JTAG         "ESP-IDF Programming Guide, JTAG Debugging"
#define KILN_NOTE_UART         "ESP-IDF, soc/uart_pins.h"
#define KILN_NOTE_IOMUX        "ESP-IDF, soc/io_mux_reg.h"
#define KILN_NOTE_USB          "ESP-IDF Programming Guide, USB Device Stack"
#define KILN_NOTE_ARDUINO      "Arduino core for ESP32, variants (github.com/espressif/arduino-esp32)"
#define KILN_NOTE_ARDUINO_8266 "Arduino core for ESP8266, variants (github.com/esp8266/Arduino)"
#define KILN_NOTE_PLATFORMIO   "PlatformIO, platform-espressif32, boards"
/* Written down without the document at hand. */
#define KILN_NOTE_DATASHEET "first page of the datasheet (not checked against the document)"

#define KILN_BOOT_BUTTON \
    "hold BOOT or FLASH (the boot pin to GND), press and release EN or RESET, let BOOT go"
#define KILN_ESP_BOOT_BY_LINES                                                                \
    {                                                                                         \
        "Automatic download mode",                                                            \
            "RTS asserted pulls EN low, DTR asserted the boot pin; both together leave both " \
            "alone",                                                                          \
            KILN_NOTE_BOOT                                                                    \
    }
/* How download mode is entered: by GPIO0 alone, or by one pin low while another is high. */
#define KILN_ESP_BOOT_GPIO0                                                     \
    {"Download mode", "GPIO0 low at reset; " KILN_BOOT_BUTTON, KILN_NOTE_BOOT}, \
        KILN_ESP_BOOT_BY_LINES
#define KILN_ESP_BOOT_PINS(low, high)                                                            \
    {"Download mode", "GPIO" #low " low and GPIO" #high " high at reset; " KILN_BOOT_BUTTON,     \
     KILN_NOTE_BOOT},                                                                            \
        KILN_ESP_BOOT_BY_LINES,                                                                  \
        {"Strapping GPIO" #low, "low: boot ROM's loader; high: program in flash; has a pull-up", \
         KILN_NOTE_BOOT},                                                                        \
    {                                                                                            \
        "Strapping GPIO" #high, "high for download mode; else ignored; never both low",          \
            KILN_NOTE_BOOT                                                                       \
    }

/* The row of a chip whose map, facts and notes have its name in front. */
#define KILN_ESP_ROW(id, label, machine, how)                                           \
    {                                                                                   \
        .name = #id, .title = label, .family = KILN_FAMILY_ESP, .map = id##_map,        \
        .notes = id##_notes, .esp = &id##_facts, .elf_machine = machine, .tested = how, \
        .source = "esptool 5.2.0, targets/" #id ".py"                                   \
    }

extern const struct kiln_chip kiln_chip_rows_esp_xtensa[];
extern const struct kiln_chip kiln_chip_rows_esp_riscv[];
extern const struct kiln_chip kiln_chip_rows_esp_next[];
extern const struct kiln_chip kiln_chip_rows_stm32[];

#endif
