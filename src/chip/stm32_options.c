/* SPDX-License-Identifier: MIT */
/*
 * STM32 option bytes as the DfuSe boot ROM shows them. None was tried on a board. What each row was held against
 * (headers of ST's cmsis-device-* and stm32f4xx-hal-driver repositories as of 2025):
 *
 * F2/F4   OPTCR fields: stm32f405xx.h, stm32f429xx.h, stm32f413xx.h and others; SPRMOD, BFB2, DB1M and nWRP by
 *         part: stm32f4xx_hal_flash_ex.h; places 1FFFC000 and 1FFFC008: stlink and Black Magic Probe read them so.
 *         The ROM does not show 1FFEC008 (nWRP of sectors 12 to 23). F2: no header at hand.
 * F7      OPTCR fields: stm32f722xx.h, stm32f746xx.h, stm32f767xx.h; a half word each 8 bytes: Black Magic Probe
 * F0/F3   RM0091 Rev 10, RM0360, RM0313, RM0364, RM0365 Rev 7, RM0366
 * F1      PM0075, stm32f103xg.h
 * L4/G4   places, masks and factory values of L43, L47, L49, G47: table in Black Magic Probe's stm32l4.c; G4 fields:
 *         stm32g431xx.h, stm32g474xx.h, stm32g491xx.h, and ST's open bootloader for the G4 takes them at these
 *         places; L43, L47 fields: ST's headers; the ROM of a G431 was seen to take a whole write (ST community
 *         574813), that of an L43 too (361078)
 * L4+     1FF00000 and 1FF01000: strings of boards' ROMs; fields as the L4's, RM0432
 * H7      stm32h743xx.h, stm32h723xx.h, stm32h7a3xx.h: the ROM shows the registers from FLASH_OPTSR_CUR on
 * U5      stm32u575xx.h: the ROM shows the registers from FLASH_OPTR on
 * L0/L1   stm32l072xx.h, stm32l152xc.h, stm32l152xe.h; places and complements: Black Magic Probe, Keil's loader
 *
 * That a write takes all of them at once and ends in a reset is AN3156's.
 */
#include "chip/stm32_options.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define END                          \
    {                                \
        NULL, 0, 0, 0, 0, NULL, NULL \
    }
#define RESET_OR_NOT(mode) "reset when entering " mode "|no reset when entering " mode
#define STARTED(dog)       dog " started by hardware|" dog " started by software"
#define FROZEN(mode)       "watchdog stands still in " mode "|watchdog runs in " mode

/* clang-format off */
#define V KILN_OPTION_VALUE

#define SHOWN KILN_OPTION_SHOWN
#define BOR_27_TO_OFF "brown-out reset below 2.7 V|brown-out reset below 2.4 V|brown-out reset below 2.1 V|no brown-out reset"

static const struct kiln_stm32_option f4[] = {
    {"RDP", 1, 0, 8, KILN_OPTION_RDP, NULL, NULL},
    {"BOR_LEV", 0, 2, 2, V, BOR_27_TO_OFF, NULL},
    {"WDG_SW", 0, 5, 1, V, STARTED("watchdog"), NULL},
    {"nRST_STOP", 0, 6, 1, V, RESET_OR_NOT("Stop mode"), NULL},
    {"nRST_STDBY", 0, 7, 1, V, RESET_OR_NOT("Standby mode"), NULL},
    {"BFB2", 0, 4, 1, V, "boots from bank 1|boots from bank 2 if it holds a program", "stm32f429 stm32f469"},
    {"DB1M", 8, 14, 1, V, "1 MB parts: one bank|1 MB parts: two banks of 512 KiB", "stm32f429 stm32f469"},
    {"SPRMOD", 8, 15, 1, SHOWN, "nWRP protects against writing|nWRP protects against reading (PCROP)", "stm32f401 stm32f41 stm32f429 stm32f446 stm32f469"},
    {"nWRP", 8, 0, 12, KILN_OPTION_NWRP, "sector", NULL},
    {"nWRP_12", 8, 12, 3, KILN_OPTION_NWRP, "sector 12 +", "stm32f413"},
    END
};

#define F7_COMMON \
    {"RDP", 1, 0, 8, KILN_OPTION_RDP, NULL, NULL}, \
    {"BOR_LEV", 0, 2, 2, V, BOR_27_TO_OFF, NULL}, \
    {"WWDG_SW", 0, 4, 1, V, STARTED("window watchdog"), NULL}, \
    {"IWDG_SW", 0, 5, 1, V, STARTED("watchdog"), NULL}, \
    {"nRST_STOP", 0, 6, 1, V, RESET_OR_NOT("Stop mode"), NULL}, \
    {"nRST_STDBY", 0, 7, 1, V, RESET_OR_NOT("Standby mode"), NULL}, \
    {"IWDG_STDBY", 8, 14, 1, V, FROZEN("Standby mode"), NULL}, \
    {"IWDG_STOP", 8, 15, 1, V, FROZEN("Stop mode"), NULL}, \
    {"BOOT_ADD0", 16, 0, 16, KILN_OPTION_BOOT_16K, NULL, NULL}, \
    {"BOOT_ADD1", 24, 0, 16, KILN_OPTION_BOOT_16K, NULL, NULL}

static const struct kiln_stm32_option f7[] = {
    F7_COMMON,
    {"nWRP", 8, 0, 8, KILN_OPTION_NWRP, "sector", "stm32f74"},
    {"nWRP", 8, 0, 12, KILN_OPTION_NWRP, "sector (pair of sectors in dual bank)", "stm32f76"},
    {"nDBOOT", 8, 12, 1, V, "boots from either bank|boots from bank 1", "stm32f76"},
    {"nDBANK", 8, 13, 1, V, "dual bank: pages of 16, 64 and 128 KiB|single bank: pages of 32, 128 and 256 KiB", "stm32f76"},
    END
};

static const struct kiln_stm32_option f72[] = {
    F7_COMMON,
    {"nWRP", 8, 0, 8, KILN_OPTION_NWRP, "sector", NULL},
    {"PCROP", 32, 0, 8, SHOWN, NULL, NULL},
    {"PCROP_RDP", 40, 15, 1, SHOWN, "PCROP stays when read-out protection is taken back|PCROP ends when read-out protection is taken back", NULL},
    END
};

#define BYTES_COMMON \
    {"RDP", 0, 0, 8, KILN_OPTION_RDP, NULL, NULL}, \
    {"WDG_SW", 2, 0, 1, V, STARTED("watchdog"), NULL}, \
    {"nRST_STOP", 2, 1, 1, V, RESET_OR_NOT("Stop mode"), NULL}, \
    {"nRST_STDBY", 2, 2, 1, V, RESET_OR_NOT("Standby mode"), NULL}
#define BYTES_REST \
    {"Data0", 4, 0, 8, V, NULL, NULL}, \
    {"Data1", 6, 0, 8, V, NULL, NULL}, \
    {"WRP0", 8, 0, 8, KILN_OPTION_NWRP, NULL, NULL}, \
    {"WRP1", 10, 0, 8, KILN_OPTION_NWRP, NULL, NULL}, \
    {"WRP2", 12, 0, 8, KILN_OPTION_NWRP, NULL, NULL}, \
    {"WRP3", 14, 0, 8, KILN_OPTION_NWRP, NULL, NULL}

static const struct kiln_stm32_option f0f3[] = {
    BYTES_COMMON,
    {"nBOOT0", 2, 3, 1, V, "BOOT0 is taken as 1|BOOT0 is taken as 0", "stm32f04 stm32f09"},
    {"nBOOT1", 2, 4, 1, V, "BOOT0 high boots from RAM|BOOT0 high boots from the boot ROM", NULL},
    {"VDDA_MONITOR", 2, 5, 1, V, "VDDA is not monitored|VDDA is monitored", NULL},
    {"RAM_PARITY_CHECK", 2, 6, 1, V, "RAM parity is checked|RAM parity is not checked", NULL},
    {"BOOT_SEL", 2, 7, 1, V, "BOOT0 is nBOOT0|BOOT0 is the pin", "stm32f04 stm32f09"},
    {"SDADC12_VDD_MONITOR", 2, 7, 1, V, "SDADC12 supply is not monitored|SDADC12 supply is monitored", "stm32f37"},
    BYTES_REST,
    END
};

static const struct kiln_stm32_option f1[] = {
    BYTES_COMMON,
    {"BFB2", 2, 3, 1, V, "boots from bank 2 if it holds a program|boots from bank 1", "stm32f103xl"},
    BYTES_REST,
    END
};

#define WORDS_COMMON \
    {"RDP", 0, 0, 8, KILN_OPTION_RDP, NULL, NULL}, \
    {"BOR_LEV", 0, 8, 3, V, "brown-out reset below 1.7 V|brown-out reset below 2.0 V|brown-out reset below 2.2 V|brown-out reset below 2.5 V|brown-out reset below 2.8 V", NULL}, \
    {"nRST_STOP", 0, 12, 1, V, RESET_OR_NOT("Stop mode"), NULL}, \
    {"nRST_STDBY", 0, 13, 1, V, RESET_OR_NOT("Standby mode"), NULL}, \
    {"nRST_SHDW", 0, 14, 1, V, RESET_OR_NOT("Shutdown mode"), NULL}, \
    {"IWDG_SW", 0, 16, 1, V, STARTED("watchdog"), NULL}, \
    {"IWDG_STOP", 0, 17, 1, V, FROZEN("Stop mode"), NULL}, \
    {"IWDG_STDBY", 0, 18, 1, V, FROZEN("Standby mode"), NULL}, \
    {"WWDG_SW", 0, 19, 1, V, STARTED("window watchdog"), NULL}
#define BFB2_TEXT "boots from bank 1|boots from bank 2 if it holds a program"
#define NBOOT1 {"nBOOT1", 0, 23, 1, V, "BOOT0 high boots from RAM|BOOT0 high boots from the boot ROM", NULL}
#define SOFTWARE_BOOT0(which) \
    {"nSWBOOT0", 0, 26, 1, V, "BOOT0 is nBOOT0|BOOT0 is the pin", which}, \
    {"nBOOT0", 0, 27, 1, V, "BOOT0 is taken as 1|BOOT0 is taken as 0", which}
#define RANGE(name, at, width, which) \
    {name "_STRT", at, 0, width, KILN_OPTION_WRP_START, NULL, which}, \
    {name "_END", at, 16, width, KILN_OPTION_WRP_END, NULL, which}
#define PCROP(bank, at, which) \
    {"PCROP" bank "_STRT", at, 0, 16, SHOWN, NULL, which}, \
    {"PCROP" bank "_END", (at) + 8, 0, 16, SHOWN, NULL, which}
#define PCROP_RDP \
    {"PCROP_RDP", 16, 31, 1, SHOWN, "PCROP stays when read-out protection is taken back|PCROP ends when read-out protection is taken back", NULL}
#define L4_SRAM2(which) \
    {"SRAM2_PE", 0, 24, 1, V, "SRAM2 parity is checked|SRAM2 parity is not checked", which}, \
    {"SRAM2_RST", 0, 25, 1, V, "SRAM2 is cleared at reset|SRAM2 is kept at reset", which}
#define BANK_2(at) KILN_OPTION_BANK_2 + (at)
#define L4_DUAL    "stm32l47 stm32l49"

static const struct kiln_stm32_option l4g4[] = {
    WORDS_COMMON,
    {"BFB2", 0, 20, 1, V, BFB2_TEXT, L4_DUAL " stm32g47"},
    {"DUALBANK", 0, 21, 1, V, "256 and 512 KB parts: one bank|256 and 512 KB parts: two banks", L4_DUAL},
    {"DBANK", 0, 22, 1, V, "single bank: pages of 4 KiB|dual bank: pages of 2 KiB", "stm32g47"},
    {"PB4_PUPEN", 0, 22, 1, V, NULL, "stm32g49"},
    NBOOT1,
    L4_SRAM2("stm32l4"),
    {"SRAM_PE", 0, 24, 1, V, "SRAM parity is checked|SRAM parity is not checked", "stm32g4"},
    {"CCMSRAM_RST", 0, 25, 1, V, "CCM SRAM is cleared at reset|CCM SRAM is kept at reset", "stm32g4"},
    SOFTWARE_BOOT0("stm32l41 stm32l43 stm32l45 stm32l49 stm32g4"),
    {"NRST_MODE", 0, 28, 2, V, "reserved|NRST is an input only|NRST is an ordinary pin|NRST is input and output", "stm32g4"},
    {"IRHEN", 0, 30, 1, V, NULL, "stm32g4"},
    PCROP("1", 8, NULL), PCROP_RDP,
    RANGE("WRP1A", 24, 8, "stm32l4"), RANGE("WRP1B", 32, 8, "stm32l4"),
    RANGE("WRP1A", 24, 7, "stm32g4"), RANGE("WRP1B", 32, 7, "stm32g4"),
    {"SEC_SIZE1", 40, 0, 8, SHOWN, NULL, "stm32g4"},
    {"BOOT_LOCK", 40, 16, 1, SHOWN, "boots as the boot pins say|boots from main flash whatever the boot pins say", "stm32g4"},
    PCROP("2", BANK_2(8), L4_DUAL " stm32g47"),
    RANGE("WRP2A", BANK_2(24), 8, L4_DUAL), RANGE("WRP2B", BANK_2(32), 8, L4_DUAL),
    RANGE("WRP2A", BANK_2(24), 7, "stm32g47"), RANGE("WRP2B", BANK_2(32), 7, "stm32g47"),
    {"SEC_SIZE2", BANK_2(40), 0, 8, SHOWN, NULL, "stm32g47"},
    END
};

static const struct kiln_stm32_option l4plus[] = {
    WORDS_COMMON,
    {"BFB2", 0, 20, 1, V, BFB2_TEXT, NULL},
    {"DB1M", 0, 21, 1, V, "smaller parts: one bank|smaller parts: two banks", NULL},
    {"DBANK", 0, 22, 1, V, "single bank: pages of 8 KiB|dual bank: pages of 4 KiB", NULL},
    NBOOT1, L4_SRAM2(NULL), SOFTWARE_BOOT0(NULL),
    PCROP("1", 8, NULL), PCROP_RDP,
    RANGE("WRP1A", 24, 8, NULL), RANGE("WRP1B", 32, 8, NULL),
    PCROP("2", BANK_2(8), NULL),
    RANGE("WRP2A", BANK_2(24), 8, NULL), RANGE("WRP2B", BANK_2(32), 8, NULL),
    END
};

static const struct kiln_stm32_option h7[] = {
    {"RDP", 1, 0, 8, KILN_OPTION_RDP, NULL, NULL},
    {"BOR_LEV", 0, 2, 2, V, "no brown-out reset|brown-out reset below 2.1 V|brown-out reset below 2.4 V|brown-out reset below 2.7 V", NULL},
    {"IWDG1_SW", 0, 4, 1, V, STARTED("watchdog"), NULL},
    {"NRST_STOP_D1", 0, 6, 1, V, RESET_OR_NOT("Stop mode"), NULL},
    {"NRST_STBY_D1", 0, 7, 1, V, RESET_OR_NOT("Standby mode"), NULL},
    {"FZ_IWDG_STOP", 2, 1, 1, V, FROZEN("Stop mode"), NULL},
    {"FZ_IWDG_SDBY", 2, 2, 1, V, FROZEN("Standby mode"), NULL},
    {"ST_RAM_SIZE", 2, 3, 2, V, NULL, NULL},
    {"SECURITY", 2, 5, 1, V, "no secure area|secure area", NULL},
    {"IO_HSLV", 3, 5, 1, V, NULL, NULL},
    {"SWAP_BANK", 3, 7, 1, V, "banks in their order|banks swapped", "stm32h74 stm32h7a"},
    {"nWRP", 28, 0, 8, KILN_OPTION_NWRP, "sector", "stm32h74 stm32h72"},
    {"nWRP", 28, 0, 32, KILN_OPTION_NWRP, "group of 4 sectors", "stm32h7a"},
    {"BOOT_ADD0", 36, 0, 16, KILN_OPTION_BOOT_64K, NULL, NULL},
    {"BOOT_ADD1", 38, 0, 16, KILN_OPTION_BOOT_64K, NULL, NULL},
    END
};

static const struct kiln_stm32_option u5[] = {
    WORDS_COMMON,
    {"SRAM_RST", 0, 15, 1, V, "SRAM is cleared at reset|SRAM is kept at reset", NULL},
    {"SWAP_BANK", 0, 20, 1, V, "banks in their order|banks swapped", NULL},
    {"DUALBANK", 0, 21, 1, V, "one bank|two banks", NULL},
    {"SRAM2_RST", 0, 25, 1, V, "SRAM2 is cleared at reset|SRAM2 is kept at reset", NULL},
    SOFTWARE_BOOT0(NULL),
    {"TZEN", 0, 31, 1, V, "TrustZone off|TrustZone on", NULL},
    {"NSBOOTADD0", 4, 7, 25, KILN_OPTION_BOOT_128, NULL, NULL},
    {"NSBOOTADD1", 8, 7, 25, KILN_OPTION_BOOT_128, NULL, NULL},
    {"BOOT_LOCK", 12, 0, 1, V, NULL, NULL},
    {"SECBOOTADD0", 12, 7, 25, KILN_OPTION_BOOT_128, NULL, NULL},
    RANGE("WRP1A", 24, 8, NULL), RANGE("WRP1B", 28, 8, NULL),
    RANGE("WRP2A", 40, 8, NULL), RANGE("WRP2B", 44, 8, NULL),
    END
};

#define NO_BOR "no brown-out reset|"
static const struct kiln_stm32_option l0l1[] = {
    {"RDP", 0, 0, 8, KILN_OPTION_RDP, NULL, NULL},
    {"WPRMOD", 1, 0, 1, SHOWN, "WRP protects against writing|WRP protects against reading (PCROP)", "stm32l0"},
    {"SPRMOD", 1, 0, 1, SHOWN, "WRP protects against writing|WRP protects against reading (PCROP)", "stm32l1cat2 stm32l1cat3"},
    {"BOR_LEV", 4, 0, 4, V, NO_BOR NO_BOR NO_BOR NO_BOR NO_BOR NO_BOR NO_BOR NO_BOR "brown-out reset below 1.8 V|brown-out reset below 2.0 V|brown-out reset below 2.5 V|brown-out reset below 2.7 V|brown-out reset below 3.0 V", NULL},
    {"IWDG_SW", 4, 4, 1, V, STARTED("watchdog"), NULL},
    {"nRST_STOP", 4, 5, 1, V, RESET_OR_NOT("Stop mode"), NULL},
    {"nRST_STDBY", 4, 6, 1, V, RESET_OR_NOT("Standby mode"), NULL},
    {"BFB2", 4, 7, 1, V, NULL, "stm32l07 stm32l1cat4 stm32l1cat5"},
    {"BOOT1", 5, 7, 1, V, NULL, "stm32l0"},
    {"WRP0", 8, 0, 16, KILN_OPTION_WRP, "sector", NULL},
    {"WRP16", 12, 0, 16, KILN_OPTION_WRP, "sector 16 +", NULL},
    END
};

#define NOT_SOURCED(what) "no public source tells how their boot ROM takes " what ", and a wrong write can lock them for ever"

static const struct kiln_stm32_options rows[] = {
    {.series = "STM32F4", .source = "ST's stm32f4xx headers and HAL, RM0090", .chips = "stm32f4",
     .address = 0x1fffc000, .size = 16, .seen = {16, 16},
     .level0 = 0xaa, .level2 = 0xcc, .option = f4},
    {.series = "STM32F2", .source = "taken to be as the STM32F4", .chips = "stm32f2",
     .address = 0x1fffc000, .size = 16, .seen = {0, 0},
     .level0 = 0xaa, .level2 = 0xcc, .read_only = "their layout was held against no source", .option = f4},
    {.series = "STM32F74x-F77x", .source = "ST's stm32f746xx.h and stm32f767xx.h", .chips = "stm32f74 stm32f76",
     .address = 0x1fff0000, .size = 32, .seen = {32, 32},
     .level0 = 0xaa, .level2 = 0xcc, .option = f7},
    {.series = "STM32F72x/F73x", .source = "ST's stm32f722xx.h", .chips = "stm32f72",
     .address = 0x1fff0000, .size = 48, .seen = {48, 48},
     .level0 = 0xaa, .level2 = 0xcc, .option = f72},
    {.series = "STM32F0/F3", .source = "RM0091 Rev 10, RM0313, RM0365 Rev 7", .chips = "stm32f0 stm32f3",
     .address = 0x1ffff800, .size = 16, .seen = {16, 16}, .complement = KILN_COMPLEMENT_BYTE,
     .level0 = 0xaa, .level2 = 0xcc, .at_power_on = "stm32f0", .option = f0f3},
    {.series = "STM32F1", .source = "PM0075, ST's stm32f103xg.h", .chips = "stm32f1",
     .address = 0x1ffff800, .size = 16, .seen = {16, 16}, .complement = KILN_COMPLEMENT_BYTE,
     .level0 = 0xa5, .option = f1},
    {.series = "STM32L4/G4", .source = "ST's stm32l4xx and stm32g4xx headers, Black Magic Probe", .chips = "stm32l41 stm32l43 stm32l45 stm32l47 stm32l49 stm32g4",
     .address = 0x1fff7800, .bank_2 = 0x1ffff800, .size = 40, .seen = {40, 48}, .complement = KILN_COMPLEMENT_WORD,
     .level0 = 0xaa, .level2 = 0xcc, .shared = true, .option = l4g4},
    {.series = "STM32L4+", .source = "RM0432, boards' ROM strings", .chips = "stm32l4r stm32l4p",
     .address = 0x1ff00000, .bank_2 = 0x1ff01000, .size = 40, .seen = {40, 40}, .complement = KILN_COMPLEMENT_WORD,
     .level0 = 0xaa, .level2 = 0xcc, .option = l4plus},
    {.series = "STM32H7", .source = "ST's stm32h743xx.h, stm32h723xx.h, stm32h7a3xx.h", .chips = "stm32h74 stm32h72 stm32h7a",
     .address = 0x5200201c, .size = 40, .seen = {128, 297},
     .level0 = 0xaa, .level2 = 0xcc, .read_only = NOT_SOURCED("the registers that it shows, those now in force beside those to program"), .option = h7},
    {.series = "STM32U5", .source = "ST's stm32u575xx.h", .chips = "stm32u5",
     .address = 0x40022040, .size = 48, .seen = {64, 64},
     .level0 = 0xaa, .level2 = 0xcc, .read_only = NOT_SOURCED("the registers that it shows, TrustZone and its keys among them"), .option = u5},
    {.series = "STM32L0/L1", .source = "ST's stm32l072xx.h, stm32l152xc.h, stm32l152xe.h", .chips = "stm32l0 stm32l1",
     .address = 0x1ff80000, .size = 16, .seen = {32, 32}, .complement = KILN_COMPLEMENT_HALF,
     .level0 = 0xaa, .level2 = 0xcc, .read_only = NOT_SOURCED("them"), .option = l0l1},
};
/* clang-format on */

const struct kiln_stm32_options *kiln_stm32_options_at(size_t index)
{
    return index < KILN_ARRAY_LEN(rows) ? &rows[index] : NULL;
}

static bool is_one_of(const struct kiln_chip *chip, const char *beginnings)
{
    while (*beginnings != '\0') {
        size_t len = strcspn(beginnings, " ");

        if (strncmp(chip->name, beginnings, len) == 0)
            return true;
        beginnings += len;
        beginnings += *beginnings == ' ';
    }
    return false;
}

static const struct kiln_stm32_option *protection(const struct kiln_stm32_options *layout)
{
    const struct kiln_stm32_option *option = layout->option;

    while (option->kind != KILN_OPTION_RDP)
        option++;
    return option;
}

const struct kiln_stm32_options *kiln_stm32_options_find(const struct kiln_chip *chip,
                                                         uint64_t address, const uint8_t *bytes,
                                                         size_t len)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        const struct kiln_stm32_options *layout = &rows[i];

        if (layout->address != address || len < layout->size)
            continue;
        if (chip != NULL && is_one_of(chip, layout->chips))
            return layout;
        if (chip == NULL && (layout->seen[0] == len || layout->seen[1] == len) &&
            kiln_stm32_option_level(layout, kiln_stm32_option_get(protection(layout), bytes)) != 1)
            return layout;
    }
    return NULL;
}

bool kiln_stm32_options_at_power_on(const struct kiln_stm32_options *layout,
                                    const struct kiln_chip *chip)
{
    return layout->at_power_on != NULL && (chip == NULL || is_one_of(chip, layout->at_power_on));
}

bool kiln_stm32_option_applies(const struct kiln_stm32_option *option, const struct kiln_chip *chip)
{
    return option->chips == NULL || (chip != NULL && is_one_of(chip, option->chips));
}

const struct kiln_stm32_option *kiln_stm32_option_named(const struct kiln_stm32_options *layout,
                                                        const char *name)
{
    for (const struct kiln_stm32_option *o = layout->option; o->name != NULL; o++)
        if (strcasecmp(o->name, name) == 0)
            return o;
    return NULL;
}

uint32_t kiln_stm32_option_get(const struct kiln_stm32_option *option, const uint8_t *bytes)
{
    uint64_t value = 0;
    unsigned count = (option->shift + option->width + 7u) / 8;

    for (unsigned i = 0; i < count; i++)
        value |= (uint64_t)bytes[option->at + i] << (8 * i);
    return (uint32_t)(value >> option->shift & ((1ull << option->width) - 1));
}

/* Offset of the complement of the byte at `at`. */
static size_t complement_of(const struct kiln_stm32_options *layout, size_t at)
{
    return at + (size_t)layout->complement;
}

void kiln_stm32_option_set(const struct kiln_stm32_options *layout,
                           const struct kiln_stm32_option *option, uint32_t value, uint8_t *bytes)
{
    uint64_t mask = ((1ull << option->width) - 1) << option->shift;
    uint64_t wanted = (uint64_t)value << option->shift & mask;
    unsigned count = (option->shift + option->width + 7u) / 8;

    for (unsigned i = 0; i < count; i++) {
        uint8_t *byte = &bytes[option->at + i];

        if ((mask >> (8 * i) & 0xff) == 0)
            continue;
        *byte = (uint8_t)((*byte & ~(mask >> (8 * i))) | (wanted >> (8 * i)));
        if (layout->complement != KILN_COMPLEMENT_NONE)
            bytes[complement_of(layout, option->at + i)] = (uint8_t) ~*byte;
    }
}

bool kiln_stm32_option_complement_good(const struct kiln_stm32_options *layout,
                                       const struct kiln_stm32_option *option, const uint8_t *bytes)
{
    unsigned count = (option->shift + option->width + 7u) / 8;

    if (layout->complement == KILN_COMPLEMENT_NONE)
        return true;
    for (size_t i = option->shift / 8u; i < count; i++)
        if ((bytes[option->at + i] ^ bytes[complement_of(layout, option->at + i)]) != 0xff)
            return false;
    return true;
}

unsigned kiln_stm32_option_level(const struct kiln_stm32_options *layout, uint32_t value)
{
    if (value == layout->level0)
        return 0;
    return layout->level2 != 0 && value == layout->level2 ? 2 : 1;
}

/* ---- words ---- */

static void name_value(const char *values, uint32_t value, char *text, size_t cap)
{
    for (; value > 0 && values != NULL; value--) {
        values = strchr(values, '|');
        values = values != NULL ? values + 1 : NULL;
    }
    if (values != NULL)
        snprintf(text, cap, "%.*s", (int)strcspn(values, "|"), values);
}

/* A bit of 0 protects. */
static void list_protected(const struct kiln_stm32_option *option, uint32_t value, char *text,
                           size_t cap)
{
    size_t used;

    snprintf(text, cap, "nothing is write-protected");
    if (value == (uint32_t)((1ull << option->width) - 1))
        return;
    used = (size_t)snprintf(text, cap, "write-protected: %s",
                            option->values != NULL ? option->values : "bit");
    for (unsigned i = 0; i < option->width && used < cap; i++)
        if ((value >> i & 1) == 0)
            used += (size_t)snprintf(text + used, cap - used, " %u", i);
}

static void name_range(const struct kiln_stm32_option *end, const uint8_t *bytes, char *text,
                       size_t cap)
{
    struct kiln_stm32_option start = *end;
    uint32_t last = kiln_stm32_option_get(end, bytes), first;

    start.shift = (uint8_t)(end->shift - 16);
    first = kiln_stm32_option_get(&start, bytes);
    if (first > last)
        snprintf(text, cap, "nothing is write-protected");
    else
        snprintf(text, cap, "pages %u to %u are write-protected", first, last);
}

void kiln_stm32_option_text(const struct kiln_stm32_options *layout,
                            const struct kiln_stm32_option *option, const uint8_t *bytes,
                            char *text, size_t cap)
{
    static const char *const levels[] = {
        "read-out protection level 0: none",
        "read-out protection level 1: going back to 0 erases everything",
        "read-out protection level 2: for ever"};
    uint32_t value = kiln_stm32_option_get(option, bytes);

    text[0] = '\0';
    switch (option->kind) {
    case KILN_OPTION_VALUE:
    case KILN_OPTION_SHOWN:
        name_value(option->values, value, text, cap);
        break;
    case KILN_OPTION_RDP:
        snprintf(text, cap, "%s", levels[kiln_stm32_option_level(layout, value)]);
        break;
    case KILN_OPTION_NWRP:
        list_protected(option, value, text, cap);
        break;
    case KILN_OPTION_WRP:
        list_protected(option, ~value & (uint32_t)((1ull << option->width) - 1), text, cap);
        break;
    case KILN_OPTION_BOOT_128:
        snprintf(text, cap, "boots from 0x%08llx", (unsigned long long)value << 7);
        break;
    case KILN_OPTION_BOOT_16K:
        snprintf(text, cap, "boots from 0x%08llx", (unsigned long long)value << 14);
        break;
    case KILN_OPTION_BOOT_64K:
        snprintf(text, cap, "boots from 0x%08llx", (unsigned long long)value << 16);
        break;
    case KILN_OPTION_WRP_START:
        break;
    case KILN_OPTION_WRP_END:
        name_range(option, bytes, text, cap);
        break;
    }
}
