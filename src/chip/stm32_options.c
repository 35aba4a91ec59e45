/* SPDX-License-Identifier: MIT */
/*
 * STM32 option bytes. The places are those of the reference manuals named in each row. Checked for this
 * file: F0 and F3 against RM0091 Rev 10, RM0313 and RM0365 Rev 7, L4 against ST's CMSIS headers, F42x
 * against Keil's STM32F42xxx_43xxx_OPT.s, the factory value of the G4 against users' reports of RM0440. The
 * other rows are from memory of the manuals, their revision unknown; none was tried on a board.
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

static const struct kiln_stm32_option f4[] = {
    {"RDP", 1, 0, 8, KILN_OPTION_RDP, NULL, NULL},
    {"BOR_LEV", 0, 2, 2, V, "brown-out reset below 2.7 V|brown-out reset below 2.4 V|brown-out reset below 2.1 V|no brown-out reset", NULL},
    {"WDG_SW", 0, 5, 1, V, STARTED("watchdog"), NULL},
    {"nRST_STOP", 0, 6, 1, V, RESET_OR_NOT("Stop mode"), NULL},
    {"nRST_STDBY", 0, 7, 1, V, RESET_OR_NOT("Standby mode"), NULL},
    {"BFB2", 0, 4, 1, V, "boots from bank 1|boots from bank 2 if it holds a program", "stm32f429 stm32f469"},
    {"DB1M", 8, 14, 1, V, "1 MB parts: one bank|1 MB parts: two banks of 512 KiB", "stm32f429 stm32f469"},
    {"SPRMOD", 8, 15, 1, V, "nWRP protects against writing|nWRP protects against reading (PCROP)", "stm32f401 stm32f41 stm32f429 stm32f446 stm32f469"},
    {"nWRP", 8, 0, 12, KILN_OPTION_NWRP, "sector", NULL},
    END
};

static const struct kiln_stm32_option f7[] = {
    {"RDP", 1, 0, 8, KILN_OPTION_RDP, NULL, NULL},
    {"BOR_LEV", 0, 2, 2, V, "brown-out reset below 2.7 V|brown-out reset below 2.4 V|brown-out reset below 2.1 V|no brown-out reset", NULL},
    {"WWDG_SW", 0, 4, 1, V, STARTED("window watchdog"), NULL},
    {"IWDG_SW", 0, 5, 1, V, STARTED("watchdog"), NULL},
    {"nRST_STOP", 0, 6, 1, V, RESET_OR_NOT("Stop mode"), NULL},
    {"nRST_STDBY", 0, 7, 1, V, RESET_OR_NOT("Standby mode"), NULL},
    {"nWRP", 8, 0, 8, KILN_OPTION_NWRP, "sector", "stm32f72 stm32f74"},
    {"nWRP", 8, 0, 12, KILN_OPTION_NWRP, "sector", "stm32f76"},
    {"nDBOOT", 8, 12, 1, V, "boots from either bank|boots from bank 1", "stm32f76"},
    {"nDBANK", 8, 13, 1, V, "dual bank: pages of 16, 64 and 128 KiB|single bank: pages of 32, 128 and 256 KiB", "stm32f76"},
    {"IWDG_STDBY", 8, 14, 1, V, FROZEN("Standby mode"), NULL},
    {"IWDG_STOP", 8, 15, 1, V, FROZEN("Stop mode"), NULL},
    {"BOOT_ADD0", 16, 0, 16, KILN_OPTION_BOOT_16K, NULL, NULL},
    {"BOOT_ADD1", 24, 0, 16, KILN_OPTION_BOOT_16K, NULL, NULL},
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
#define BOOT_BITS(swboot_chips) \
    {"nBOOT1", 0, 23, 1, V, "BOOT0 high boots from RAM|BOOT0 high boots from the boot ROM", NULL}, \
    {"nSWBOOT0", 0, 26, 1, V, "BOOT0 is nBOOT0|BOOT0 is the pin", swboot_chips}, \
    {"nBOOT0", 0, 27, 1, V, "BOOT0 is taken as 1|BOOT0 is taken as 0", swboot_chips}
#define RANGE(name, at) \
    {name "_STRT", at, 0, 8, KILN_OPTION_WRP_START, NULL, NULL}, \
    {name "_END", at, 16, 8, KILN_OPTION_WRP_END, NULL, NULL}

static const struct kiln_stm32_option l4[] = {
    WORDS_COMMON,
    {"BFB2", 0, 20, 1, V, BFB2_TEXT, "stm32l47 stm32l49 stm32l4r stm32l4p"},
    {"DUALBANK", 0, 21, 1, V, "256 and 512 KB parts: one bank|256 and 512 KB parts: two banks", "stm32l47 stm32l49"},
    {"DB1M", 0, 21, 1, V, "1 MB parts: one bank|1 MB parts: two banks", "stm32l4r stm32l4p"},
    {"DBANK", 0, 22, 1, V, "single bank: pages of 8 KiB|dual bank: pages of 4 KiB", "stm32l4r stm32l4p"},
    {"SRAM2_PE", 0, 24, 1, V, "SRAM2 parity is checked|SRAM2 parity is not checked", NULL},
    {"SRAM2_RST", 0, 25, 1, V, "SRAM2 is cleared at reset|SRAM2 is kept at reset", NULL},
    BOOT_BITS("stm32l41 stm32l43 stm32l45 stm32l49 stm32l4r stm32l4p"),
    RANGE("WRP1A", 24), RANGE("WRP1B", 32),
    END
};

static const struct kiln_stm32_option g4[] = {
    WORDS_COMMON,
    {"BFB2", 0, 20, 1, V, BFB2_TEXT, "stm32g47"},
    {"DBANK", 0, 22, 1, V, "single bank: pages of 4 KiB|dual bank: pages of 2 KiB", "stm32g47"},
    BOOT_BITS(NULL),
    RANGE("WRP1A", 24), RANGE("WRP1B", 32),
    END
};

static const struct kiln_stm32_option h7[] = {
    {"RDP", 1, 0, 8, KILN_OPTION_RDP, NULL, NULL},
    {"BOR_LEV", 0, 2, 2, V, "no brown-out reset|brown-out reset below 2.1 V|brown-out reset below 2.4 V|brown-out reset below 2.7 V", NULL},
    {"IWDG1_SW", 0, 4, 1, V, STARTED("watchdog"), NULL},
    {"SECURITY", 2, 5, 1, V, "no secure area|secure area", NULL},
    {"SWAP_BANK", 3, 7, 1, V, "banks in their order|banks swapped", NULL},
    {"nWRP", 28, 0, 8, KILN_OPTION_NWRP, "sector", NULL},
    {"BOOT_ADD0", 36, 0, 16, KILN_OPTION_BOOT_64K, NULL, NULL},
    {"BOOT_ADD1", 38, 0, 16, KILN_OPTION_BOOT_64K, NULL, NULL},
    END
};

static const struct kiln_stm32_option u5[] = {
    WORDS_COMMON,
    {"SWAP_BANK", 0, 20, 1, V, "banks in their order|banks swapped", NULL},
    {"DUALBANK", 0, 21, 1, V, "one bank|two banks", NULL},
    {"nSWBOOT0", 0, 26, 1, V, "BOOT0 is nBOOT0|BOOT0 is the pin", NULL},
    {"nBOOT0", 0, 27, 1, V, "BOOT0 is taken as 1|BOOT0 is taken as 0", NULL},
    {"TZEN", 0, 31, 1, V, "TrustZone off|TrustZone on", NULL},
    RANGE("WRP1A", 24), RANGE("WRP1B", 28),
    END
};

static const struct kiln_stm32_options rows[] = {
    {"STM32F2/F4", "RM0033, RM0090, RM0368, RM0383, RM0390, RM0386", "stm32f2 stm32f4", 0x1fffc000, 0, 16, 16,
     KILN_COMPLEMENT_NONE, 0xaa, 0xcc, NULL, f4},
    {"STM32F7", "RM0385, RM0410, RM0431", "stm32f7", 0x1fff0000, 0, 32, 0,
     KILN_COMPLEMENT_NONE, 0xaa, 0xcc, NULL, f7},
    {"STM32F0/F3", "RM0091 Rev 10, RM0313, RM0365 Rev 7", "stm32f0 stm32f3", 0x1ffff800, 0, 16, 16,
     KILN_COMPLEMENT_BYTE, 0xaa, 0xcc, NULL, f0f3},
    {"STM32F1", "PM0075", "stm32f1", 0x1ffff800, 0, 16, 16,
     KILN_COMPLEMENT_BYTE, 0xa5, 0, NULL, f1},
    {"STM32L4", "RM0351, RM0394, RM0432", "stm32l4", 0x1fff7800, 0, 40, 40,
     KILN_COMPLEMENT_WORD, 0xaa, 0xcc, NULL, l4},
    {"STM32G4", "RM0440", "stm32g4", 0x1fff7800, 0, 40, 48,
     KILN_COMPLEMENT_WORD, 0xaa, 0xcc, NULL, g4},
    {"STM32H74x/75x", "RM0433", "stm32h74", 0x5200201c, 0, 40, 128,
     KILN_COMPLEMENT_NONE, 0xaa, 0xcc, "it is not known how their boot ROM takes them", h7},
    {"STM32U5", "RM0456", "stm32u5", 0x40022040, 0, 32, 64,
     KILN_COMPLEMENT_NONE, 0xaa, 0xcc, "it is not known how their boot ROM takes them", u5},
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
        if (chip == NULL && (layout->seen == 0 || layout->seen == len) &&
            kiln_stm32_option_level(layout, kiln_stm32_option_get(protection(layout), bytes)) != 1)
            return layout;
    }
    return NULL;
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
    return layout->complement == KILN_COMPLEMENT_BYTE ? at + 1 : at + 4;
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

static void list_protected(const struct kiln_stm32_option *option, uint32_t value, char *text,
                           size_t cap)
{
    size_t used;

    snprintf(text, cap, "nothing is write-protected");
    if (value == (1u << option->width) - 1)
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
        name_value(option->values, value, text, cap);
        break;
    case KILN_OPTION_RDP:
        snprintf(text, cap, "%s", levels[kiln_stm32_option_level(layout, value)]);
        break;
    case KILN_OPTION_NWRP:
        list_protected(option, value, text, cap);
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
