/* SPDX-License-Identifier: MIT */
#include "chip/chip.h"

#include "base/bytes.h"
#include "chip/rows.h"
#include "chip/stm32.h"

#include <ctype.h>
#include <string.h>

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
