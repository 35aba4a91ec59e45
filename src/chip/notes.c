/* SPDX-License-Identifier: MIT */
#include "chip/notes.h"

#include "base/bytes.h"

#include <stdbool.h>
#include <string.h>

#define BOOT_DOC  "esptool 5.2.0 documentation, Boot Mode Selection"
#define JTAG_DOC  "ESP-IDF Programming Guide, JTAG Debugging"
#define UART_DOC  "ESP-IDF, soc/uart_pins.h"
#define ARDUINO_8 "Arduino core for ESP8266, variants"
#define ARDUINO_E "Arduino core for ESP32, variants"
#define ZEPHYR    "Zephyr, boards/weact"

#define GPIO9_CHIPS "esp32c2 esp32c3 esp32c6 esp32c61 esp32h2"
#define GPIO0_CHIPS "esp32s2 esp32s3"
#define OTHER_BOOT  "esp32p4 esp32c5 esp32h21 esp32h4"
#define BUTTON \
    "hold BOOT or FLASH (the boot pin to GND), press and release EN or RESET, let BOOT go"

static const struct kiln_chip_note notes[] = {
    {"esp8266 esp32 " GPIO0_CHIPS, "Download mode", "GPIO0 low at reset; " BUTTON, BOOT_DOC},
    {GPIO9_CHIPS, "Download mode", "GPIO9 low and GPIO8 high at reset; " BUTTON, BOOT_DOC},
    {"esp32p4", "Download mode", "GPIO35 low and GPIO36 high at reset; " BUTTON, BOOT_DOC},
    {"esp32c5", "Download mode", "GPIO28 low and GPIO27 high at reset; " BUTTON, BOOT_DOC},
    {"esp32h21 esp32h4", "Download mode", "GPIO14 low and GPIO13 high at reset; " BUTTON, BOOT_DOC},
    {"esp8266 esp32 " GPIO0_CHIPS " " GPIO9_CHIPS " " OTHER_BOOT, "Automatic download mode",
     "RTS asserted pulls EN low, DTR asserted the boot pin; both together leave both alone",
     BOOT_DOC},
    {"esp8266", "Strapping GPIO0", "low: boot ROM's loader; high: program in flash", BOOT_DOC},
    {"esp8266", "Strapping GPIO2", "must be high, has a weak pull-up; prints in download mode",
     BOOT_DOC},
    {"esp8266", "Strapping GPIO15", "must be low", BOOT_DOC},
    {"esp32 " GPIO0_CHIPS, "Strapping GPIO0",
     "low: boot ROM's loader; high: program in flash; has a pull-up", BOOT_DOC},
    {"esp32", "Strapping GPIO2", "low or open for download mode; else ignored", BOOT_DOC},
    {"esp32", "Strapping GPIO12",
     "MTDI; high: flash gets 1.8 V, and a 3.3 V flash then fails; has a pull-down", BOOT_DOC},
    {"esp32", "Strapping GPIO15", "MTDO; low: the boot ROM prints nothing; has a pull-up",
     BOOT_DOC},
    {GPIO0_CHIPS, "Strapping GPIO46", "low or open for download mode; else ignored", BOOT_DOC},
    {GPIO9_CHIPS, "Strapping GPIO9",
     "low: boot ROM's loader; high: program in flash; has a pull-up", BOOT_DOC},
    {GPIO9_CHIPS, "Strapping GPIO8", "high for download mode; else ignored; never both low",
     BOOT_DOC},
    {"esp32p4", "Strapping GPIO35", "low: boot ROM's loader; high: program in flash; has a pull-up",
     BOOT_DOC},
    {"esp32p4", "Strapping GPIO36", "high for download mode; else ignored; never both low",
     BOOT_DOC},
    {"esp32c5", "Strapping GPIO28", "low: boot ROM's loader; high: program in flash; has a pull-up",
     BOOT_DOC},
    {"esp32c5", "Strapping GPIO27", "high for download mode; else ignored; never both low",
     BOOT_DOC},
    {"esp32h21 esp32h4", "Strapping GPIO14",
     "low: boot ROM's loader; high: program in flash; has a pull-up", BOOT_DOC},
    {"esp32h21 esp32h4", "Strapping GPIO13", "high for download mode; else ignored; never both low",
     BOOT_DOC},

    {"esp32", "UART0", "TX GPIO1, RX GPIO3", UART_DOC},
    {GPIO0_CHIPS, "UART0", "TX GPIO43, RX GPIO44", UART_DOC},
    {"esp32c2", "UART0", "TX GPIO20, RX GPIO19", UART_DOC},
    {"esp32c3", "UART0", "TX GPIO21, RX GPIO20", UART_DOC},
    {"esp32c6", "UART0", "TX GPIO16, RX GPIO17", UART_DOC},
    {"esp32c61", "UART0", "TX GPIO11, RX GPIO10", UART_DOC},
    {"esp32h2", "UART0", "TX GPIO24, RX GPIO23", UART_DOC},

    {"esp32", "JTAG", "TMS GPIO14, TCK GPIO13, TDI GPIO12, TDO GPIO15", JTAG_DOC},
    {"esp32s3", "JTAG", "TMS GPIO42, TCK GPIO39, TDI GPIO41, TDO GPIO40; GPIO3 selects", JTAG_DOC},
    {"esp32c2 esp32c3", "JTAG", "TMS GPIO4, TCK GPIO6, TDI GPIO5, TDO GPIO7", JTAG_DOC},
    {"esp32h2", "JTAG", "TMS GPIO2, TCK GPIO4, TDI GPIO5, TDO GPIO3; GPIO25 selects", JTAG_DOC},
    {"esp32p4", "JTAG", "TMS GPIO4, TCK GPIO2, TDI GPIO3, TDO GPIO5; GPIO34 selects", JTAG_DOC},
    {"esp32c5", "JTAG", "TMS GPIO2, TCK GPIO4, TDI GPIO3, TDO GPIO5; GPIO7 selects", JTAG_DOC},
    {"esp32c61", "JTAG", "TMS GPIO3, TCK GPIO5, TDI GPIO4, TDO GPIO6; GPIO7 selects", JTAG_DOC},

    {"esp32s3", "USB", "D- GPIO19, D+ GPIO20", JTAG_DOC},
    {"esp32c3", "USB", "D- GPIO18, D+ GPIO19", JTAG_DOC},
    {"esp32c6", "USB", "D- GPIO12, D+ GPIO13", JTAG_DOC},
    {"esp32h2", "USB", "D- GPIO26, D+ GPIO27", JTAG_DOC},

    {"esp8266", "Board NodeMCU", "LED GPIO2", ARDUINO_8},
    {"esp32", "Board Lolin D32", "LED GPIO5, battery voltage GPIO35", ARDUINO_E},
    {"esp32s3", "Board XIAO ESP32S3", "LED GPIO21, TX GPIO43, RX GPIO44", ARDUINO_E},
    {"esp32s3", "Board ESP32S3 Dev Module", "RGB LED GPIO48", ARDUINO_E},

    {"stm32f10*", "Boot ROM", "BOOT0 high and BOOT1 low at reset; BOOT0 low starts the program",
     "Zephyr on Blue Pill (m3y54m/start-bluepill-zephyr)"},
    {"stm32f103", "Boot ROM's serial port", "TX PA9, RX PA10",
     "Arduino_STM32 wiki, Flashing the bootloader"},
    {"stm32f401 stm32f401xe stm32f411", "Boot ROM's serial port",
     "RX PA10; open, its noise can win over USB, and no DFU device appears",
     "ST AN2606 (excerpts), forums"},
    {"stm32f401 stm32f411", "BOOT1", "PB2", "WeAct MiniSTM32F4x1, issue 39"},
    {"stm32f411", "USB", "D- PA11, D+ PA12", ZEPHYR},
    {"stm32f401", "Highest clock", "84 MHz", ZEPHYR},
    {"stm32f411", "Highest clock", "100 MHz", ZEPHYR},
    {"stm32f411", "Board Black Pill",
     "LED PC13 (on when low), KEY PA0 (low when pressed), crystal 25 MHz", ZEPHYR},
    {"stm32f103", "Board Blue Pill", "LED PC13", "dapboot, README"},
};

bool kiln_chip_note_is_of(const struct kiln_chip_note *note, const char *chip)
{
    const char *at = note->chips;

    while (*at != '\0') {
        size_t len = strcspn(at, " ");
        bool any_rest = at[len - 1] == '*';

        if (any_rest ? strncmp(at, chip, len - 1) == 0
                     : strlen(chip) == len && strncmp(at, chip, len) == 0)
            return true;
        at += len + strspn(at + len, " ");
    }
    return false;
}

const struct kiln_chip_note *kiln_chip_note_row(size_t index)
{
    return index < KILN_ARRAY_LEN(notes) ? &notes[index] : NULL;
}

const struct kiln_chip_note *kiln_chip_note_at(const char *chip, size_t index)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(notes); i++)
        if (kiln_chip_note_is_of(&notes[i], chip) && index-- == 0)
            return &notes[i];
    return NULL;
}
