/* SPDX-License-Identifier: MIT */
#include "chip/chip.h"

#include "base/bytes.h"
#include "chip/rows.h"
#include "chip/stm32.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const struct kiln_chip *const families[] = {
    kiln_chip_rows_esp_xtensa,
    kiln_chip_rows_esp_riscv,
    kiln_chip_rows_esp_next,
    kiln_chip_rows_stm32,
};

const struct kiln_chip *kiln_chip_at(size_t index)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(families); i++) {
        for (const struct kiln_chip *chip = families[i]; chip->name != NULL; chip++) {
            if (index-- == 0)
                return chip;
        }
    }
    return NULL;
}

/* Parts that start at the flash base of ST's, by the beginning of their names: ST's own and those made to
 * take their place. Source: the reference manuals' memory maps. */
static const char *const at_stm32_base[] = {"stm32", "gd32f", "at32f"};

bool kiln_chip_flash_base(const char *part, uint64_t *out_base)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(at_stm32_base); i++) {
        if (strncasecmp(part, at_stm32_base[i], strlen(at_stm32_base[i])) == 0) {
            *out_base = KILN_STM32_FLASH_BASE;
            return true;
        }
    }
    return false;
}

static char next_letter(const char **text)
{
    while (**text == '-' || **text == '_')
        ++*text;
    return (char)tolower((unsigned char)*(*text)++);
}

static bool same_name(const char *given, const char *name)
{
    char g;

    do {
        g = next_letter(&given);
        if (g != next_letter(&name))
            return false;
    } while (g != '\0');
    return true;
}

const struct kiln_chip *kiln_chip_find(const char *name)
{
    const struct kiln_chip *chip;

    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++)
        if (same_name(name, chip->name))
            return chip;
    return kiln_stm32_find(name);
}

bool kiln_chip_pages(const struct kiln_chip *chip, size_t index, struct kiln_chip_pages *out_pages)
{
    const struct kiln_stm32_run *run = chip->stm32 != NULL ? chip->stm32->org[0].run : NULL;

    out_pages->start = KILN_STM32_FLASH_BASE;
    for (size_t i = 0; run != NULL && i < KILN_STM32_RUN_MAX && run[i].count != 0; i++) {
        out_pages->count = run[i].count;
        out_pages->size = run[i].size;
        if (i == index)
            return true;
        out_pages->start += (uint64_t)run[i].count * run[i].size;
    }
    return false;
}
