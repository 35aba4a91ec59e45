/* SPDX-License-Identifier: MIT */
#include "chip/notes.h"

#include "base/bytes.h"
#include "chip/rows.h"

#include <string.h>

#define ARDUINO_S "Arduino core for STM32, variants (github.com/stm32duino/Arduino_Core_STM32)"
#define PIO_S     "PlatformIO, platform-ststm32, boards"
#define KLIPPER   "Klipper, config/ (github.com/Klipper3d/klipper)"
#define ZEPHYR    "Zephyr, boards/weact"
/* Written down without the document at hand. */
#define AN2606 "ST AN2606, activation patterns and pins (not checked against the document)"

static const struct kiln_shared_note notes[] = {
    /* ---- how the boot ROM is entered ---- */
    {"stm32f10*", "Boot ROM", "BOOT0 high and BOOT1 low at reset; BOOT0 low starts the program",
     "Zephyr on Blue Pill (m3y54m/start-bluepill-zephyr)"},
    {"stm32f2 stm32f4* stm32l1*", "Boot ROM",
     "BOOT0 high and BOOT1 (PB2) low at reset; BOOT0 low starts the program", AN2606},
    {"stm32f0* stm32f3* stm32l0*", "Boot ROM",
     "BOOT0 high at reset, with option bit nBOOT1 set (as delivered); BOOT0 low starts the program",
     AN2606},
    {"stm32l4* stm32l5 stm32wb5 stm32wb3 stm32g4*", "Boot ROM",
     "BOOT0 high at reset, with option bits nBOOT1 and nSWBOOT0 set (as delivered); an empty chip "
     "starts it by itself",
     AN2606},
    {"stm32g0* stm32c0*", "Boot ROM",
     "option nBOOT_SEL decides: set (as delivered) the BOOT0 pin counts for nothing and nBOOT0 "
     "does; an "
     "empty chip starts it",
     AN2606},
    {"stm32f7*", "Boot ROM",
     "BOOT0 high at reset, with option BOOT_ADD1 at 0x0040 (as delivered); BOOT0 low starts the "
     "program",
     AN2606},
    {"stm32h74 stm32h72 stm32h7a", "Boot ROM",
     "BOOT0 high at reset, with option BOOT_ADD1 at 0x1FF0 (as delivered); BOOT0 low starts the "
     "program",
     AN2606},

    {"stm32f103", "Boot ROM's serial port", "TX PA9, RX PA10",
     "Arduino_STM32 wiki, Flashing the bootloader"},
    {"stm32f401 stm32f401xe stm32f411", "Boot ROM's serial port",
     "RX PA10; open, its noise can win over USB, and no DFU device appears",
     "ST AN2606 (excerpts), forums"},
    {"stm32f0* stm32f2 stm32f3* stm32f103low stm32f103high stm32f103xl stm32f100* stm32f7* "
     "stm32l4*",
     "Boot ROM's serial port", "TX PA9, RX PA10 (USART1), and others", AN2606},
    {"stm32f405 stm32f429 stm32f410 stm32f412 stm32f413 stm32f446 stm32f469",
     "Boot ROM's serial port", "TX PA9, RX PA10 (USART1), and others", AN2606},
    {"stm32g0* stm32g4* stm32h74 stm32h72 stm32l0* stm32l1*", "Boot ROM's serial port",
     "TX PA9, RX PA10 (USART1), and others", AN2606},
    {"stm32f401 stm32f411", "BOOT1", "PB2", "WeAct MiniSTM32F4x1, issue 39"},

    /* ---- pins and clocks ---- */
    {"stm32*", "SWD", "SWDIO PA13, SWCLK PA14", ARDUINO_S},
    {"stm32f411", "USB", "D- PA11, D+ PA12", ZEPHYR},
    {"stm32f103*", "USB", "D- PA11, D+ PA12; the boot ROM does not speak USB", ARDUINO_S},
    {"stm32f04 stm32f105 stm32f401 stm32f401xe stm32f412 stm32f413 stm32g0b stm32g43 stm32g47 "
     "stm32g49",
     "USB", "D- PA11, D+ PA12", ARDUINO_S},
    {"stm32f07 stm32f37 stm32f301 stm32f303 stm32f303xe stm32l05 stm32l07 stm32l1*", "USB",
     "D- PA11, D+ PA12, on the parts that have USB", ARDUINO_S},
    {"stm32f2 stm32f405 stm32f429 stm32f446 stm32f469 stm32f7* stm32h74", "USB",
     "D- PA11, D+ PA12; the second one (OTG HS) D- PB14, D+ PB15", ARDUINO_S},
    {"stm32h72 stm32h7a stm32h5 stm32u5* stm32c07 stm32l49 stm32l4r stm32l4p stm32l5", "USB",
     "D- PA11, D+ PA12", ARDUINO_S},
    {"stm32l41 stm32l43 stm32l45 stm32l47 stm32u07 stm32wb5 stm32wb3", "USB",
     "D- PA11, D+ PA12, on the parts that have USB", ARDUINO_S},
    {"stm32wba6", "USB", "D- PD7, D+ PD6, on the parts that have USB", ARDUINO_S},
    {"stm32wba2", "USB", "D- PB9, D+ PB8, on the parts that have USB", ARDUINO_S},
    {"stm32f03 stm32f05 stm32f09 stm32f100* stm32f334 stm32f410 stm32g03 stm32g05 stm32g07", "USB",
     "none", ARDUINO_S},
    {"stm32c01 stm32c03 stm32c05 stm32c09 stm32l01 stm32l03 stm32u03 stm32wl stm32wba5", "USB",
     "none", ARDUINO_S},

    {"stm32f03 stm32f04 stm32f05 stm32f07 stm32f09 stm32wl", "Highest clock", "48 MHz", PIO_S},
    {"stm32f100", "Highest clock", "24 MHz", PIO_S},
    {"stm32f103 stm32f105 stm32f301 stm32f303 stm32f303xe stm32f334 stm32f37", "Highest clock",
     "72 MHz", PIO_S},
    {"stm32f103high stm32f103low stm32f103xl", "Highest clock", "72 MHz", PIO_S},
    {"stm32f2 stm32l4r", "Highest clock", "120 MHz", PIO_S},
    {"stm32f401", "Highest clock", "84 MHz", ZEPHYR},
    {"stm32f411", "Highest clock", "100 MHz", ZEPHYR},
    {"stm32f401xe", "Highest clock", "84 MHz", PIO_S},
    {"stm32f410 stm32f412 stm32f413", "Highest clock", "100 MHz", PIO_S},
    {"stm32f405", "Highest clock", "168 MHz", PIO_S},
    {"stm32f429 stm32f446 stm32f469", "Highest clock", "180 MHz", PIO_S},
    {"stm32f7*", "Highest clock", "216 MHz", PIO_S},
    {"stm32g0* stm32wb5", "Highest clock", "64 MHz", PIO_S},
    {"stm32g4*", "Highest clock", "170 MHz", PIO_S},
    {"stm32h74", "Highest clock", "480 MHz; 400 MHz before revision V", PIO_S},
    {"stm32h72", "Highest clock", "550 MHz", PIO_S},
    {"stm32h5", "Highest clock", "250 MHz", PIO_S},
    {"stm32l0* stm32l1*", "Highest clock", "32 MHz", PIO_S},
    {"stm32l41 stm32l43 stm32l45 stm32l47 stm32l49", "Highest clock", "80 MHz", PIO_S},
    {"stm32u57", "Highest clock", "160 MHz", PIO_S},
    {"stm32u53 stm32u59 stm32u5f", "Highest clock", "160 MHz", KILN_NOTE_DATASHEET},
    {"stm32h7a", "Highest clock", "280 MHz", KILN_NOTE_DATASHEET},
    {"stm32h7rs", "Highest clock", "600 MHz", KILN_NOTE_DATASHEET},
    {"stm32l4p", "Highest clock", "120 MHz", KILN_NOTE_DATASHEET},
    {"stm32l5", "Highest clock", "110 MHz", KILN_NOTE_DATASHEET},
    {"stm32c0*", "Highest clock", "48 MHz", KILN_NOTE_DATASHEET},
    {"stm32u0*", "Highest clock", "56 MHz", KILN_NOTE_DATASHEET},
    {"stm32wb3", "Highest clock", "64 MHz", KILN_NOTE_DATASHEET},
    {"stm32wba*", "Highest clock", "100 MHz", KILN_NOTE_DATASHEET},

    /* ---- boards ---- */
    {"stm32f103", "Board Blue Pill", "LED PC13 (on when low)", ARDUINO_S},
    {"stm32f103", "Board Black Pill F103", "LED PB12", ARDUINO_S},
    {"stm32f103", "Board Maple Mini", "LED PB1", ARDUINO_S},
    {"stm32f103", "Board Nucleo-F103RB", "LED PA5, button PC13", ARDUINO_S},
    {"stm32f103high", "Board SKR mini E3 V2.0", "boot loader in the first 28 KiB", KLIPPER},
    {"stm32f411", "Board Black Pill",
     "LED PC13 (on when low), KEY PA0 (low when pressed), crystal 25 MHz", ZEPHYR},
    {"stm32f401", "Board Black Pill", "LED PC13 (on when low)", ARDUINO_S},
    {"stm32f401xe", "Board Nucleo-F401RE", "LED PA5, button PC13", ARDUINO_S},
    {"stm32f411", "Board Nucleo-F411RE", "LED PA5, button PC13", ARDUINO_S},
    {"stm32f446", "Board Nucleo-F446RE", "LED PA5, button PC13", ARDUINO_S},
    {"stm32f446", "Board BTT Octopus", "boot loader in the first 32 KiB, crystal 12 MHz", KLIPPER},
    {"stm32f429", "Board BTT Octopus", "boot loader in the first 32 KiB, crystal 8 MHz", KLIPPER},
    {"stm32f429", "Board F429I-DISC", "LEDs PG13, PG14; button PA0", ARDUINO_S},
    {"stm32f405", "Board F407G-DISC1", "LEDs PD12, PD13, PD14, PD15; button PA0", ARDUINO_S},
    {"stm32f405", "Board Feather STM32F405", "LED PC1, crystal 12 MHz", ARDUINO_S},
    {"stm32f411", "Board F411E-DISCO", "LEDs PD12, PD13, PD14, PD15; button PA0", ARDUINO_S},
    {"stm32f412", "Board Nucleo-F412ZG", "LEDs PB0, PB7, PB14; button PC13", ARDUINO_S},
    {"stm32f413", "Board Nucleo-F413ZH", "LEDs PB0, PB7, PB14; button PC13", ARDUINO_S},
    {"stm32f2", "Board Nucleo-F207ZG", "LEDs PB0, PB7, PB14; button PC13", ARDUINO_S},
    {"stm32f72", "Board Nucleo-F722ZE", "LEDs PB0, PB7, PB14; button PC13", ARDUINO_S},
    {"stm32f74", "Board F746G-DISCO", "LED PI1, button PI11", ARDUINO_S},
    {"stm32f76", "Board Nucleo-F767ZI", "LEDs PB0, PB7, PB14; button PC13", ARDUINO_S},
    {"stm32h74", "Board Nucleo-H743ZI", "LEDs PB0, PB7, PB14; button PC13", ARDUINO_S},
    {"stm32h74 stm32h72", "Board BTT SKR 3", "boot loader in the first 128 KiB, crystal 25 MHz",
     KLIPPER},
    {"stm32h72", "Board Nucleo-H723ZG", "LEDs PB0 and PB14, button PC13", ARDUINO_S},
    {"stm32h5", "Board Nucleo-H563ZI", "LEDs PB0, PF4, PG4; button PC13", ARDUINO_S},
    {"stm32f04", "Board Nucleo-F042K6", "LED PB3", ARDUINO_S},
    {"stm32f05", "Board F0308-DISCO", "LEDs PC8 and PC9", ARDUINO_S},
    {"stm32f05", "Board Nucleo-F030R8", "LED PA5, button PC13", ARDUINO_S},
    {"stm32f07", "Board Nucleo-F072RB", "LED PA5, button PC13", ARDUINO_S},
    {"stm32f07", "Board F072B-DISCO", "LEDs PC6, PC7, PC8, PC9; button PA0", ARDUINO_S},
    {"stm32f09", "Board Nucleo-F091RC", "LED PA5, button PC13", ARDUINO_S},
    {"stm32f100", "Board F100RB-DISCO", "LEDs PC8 and PC9, button PA0", ARDUINO_S},
    {"stm32f301", "Board Nucleo-F302R8", "LED PB13, button PC13", ARDUINO_S},
    {"stm32f303", "Board F3-DISCO", "LEDs PE8 to PE15, button PA0", ARDUINO_S},
    {"stm32f303xe", "Board Nucleo-F303RE", "LED PA5, button PC13", ARDUINO_S},
    {"stm32f334", "Board Nucleo-F334R8", "LED PA5, button PC13", ARDUINO_S},
    {"stm32g03", "Board Nucleo-G031K8", "LED PC6, button PF2", ARDUINO_S},
    {"stm32g07", "Board Nucleo-G071RB", "LED PA5, button PC13", ARDUINO_S},
    {"stm32g0b", "Board Nucleo-G0B1RE", "LED PA5, button PC13", ARDUINO_S},
    {"stm32g0b", "Board SKR mini E3 V3.0", "boot loader in the first 8 KiB", KLIPPER},
    {"stm32g0b", "Board BTT Manta M8P", "boot loader in the first 8 KiB", KLIPPER},
    {"stm32g43", "Board Nucleo-G431KB", "LED PB8", ARDUINO_S},
    {"stm32g47", "Board Nucleo-G474RE", "LED PA5, button PC13", ARDUINO_S},
    {"stm32l05", "Board Nucleo-L053R8", "LED PA5, button PC13", ARDUINO_S},
    {"stm32l07", "Board Nucleo-L073RZ", "LED PA5, button PC13", ARDUINO_S},
    {"stm32l1cat5", "Board Nucleo-L152RE", "LED PA5, button PC13", ARDUINO_S},
    {"stm32l43", "Board Nucleo-L432KC", "LED PB3", ARDUINO_S},
    {"stm32l45", "Board Nucleo-L452RE", "LED PA5, button PC13", ARDUINO_S},
    {"stm32l47", "Board Nucleo-L476RG", "LED PA5, button PC13", ARDUINO_S},
    {"stm32l49", "Board Nucleo-L496ZG", "LEDs PC7, PB7, PB14; button PC13", ARDUINO_S},
    {"stm32l4r", "Board Nucleo-L4R5ZI", "LEDs PC7, PB7, PB14; button PC13", ARDUINO_S},
    {"stm32l5", "Board Nucleo-L552ZE-Q", "LEDs PC7, PB7, PA9; button PC13", ARDUINO_S},
    {"stm32u57", "Board Nucleo-U575ZI-Q", "LEDs PC7, PB7, PG2", ARDUINO_S},
    {"stm32u07", "Board Nucleo-U083RC", "LED PA5, button PC13", ARDUINO_S},
    {"stm32c03", "Board Nucleo-C031C6", "LED PA5, button PC13", ARDUINO_S},
    {"stm32wb5", "Board Nucleo-WB55RG", "LEDs PB5, PB0, PB1; button PC4", ARDUINO_S},
    {"stm32wl", "Board Nucleo-WL55JC1", "LEDs PB15, PB9, PB11; button PA0", ARDUINO_S},
    {"stm32wba5", "Board Nucleo-WBA55CG", "LEDs PB4, PA9, PB8; button PC13", ARDUINO_S},
};

bool kiln_shared_note_is_of(const struct kiln_shared_note *note, const char *chip)
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

const struct kiln_shared_note *kiln_shared_note_row(size_t index)
{
    return index < KILN_ARRAY_LEN(notes) ? &notes[index] : NULL;
}

bool kiln_chip_note_at(const struct kiln_chip *chip, size_t index, struct kiln_chip_note *out_note)
{
    for (const struct kiln_chip_note *n = chip->notes; n != NULL && n->name != NULL; n++) {
        *out_note = *n;
        if (index-- == 0)
            return true;
    }
    for (size_t i = 0; i < KILN_ARRAY_LEN(notes); i++) {
        if (!kiln_shared_note_is_of(&notes[i], chip->name))
            continue;
        *out_note = (struct kiln_chip_note){notes[i].name, notes[i].value, notes[i].source};
        if (index-- == 0)
            return true;
    }
    return false;
}
