/* SPDX-License-Identifier: MIT */
#include "chip/chip.h"

#include "base/bytes.h"
#include "chip/rows.h"

#include <ctype.h>
#include <string.h>

static const struct kiln_chip *const families[] = {
    kiln_chip_rows_esp_xtensa,
    kiln_chip_rows_esp_riscv,
    kiln_chip_rows_esp_next,
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

/* How many letters of `name` the user gave: -1 for a contradiction, otherwise those left over. */
static int left_over(const char *given, const char *name)
{
    for (;;) {
        char g = next_letter(&given);

        if (g == '\0')
            return (int)strlen(name);
        if (g != next_letter(&name))
            return -1;
    }
}

const struct kiln_chip *kiln_chip_find(const char *name)
{
    const struct kiln_chip *by_prefix = NULL;
    const struct kiln_chip *chip;
    size_t matches = 0;

    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++) {
        int rest = left_over(name, chip->name);

        if (rest == 0)
            return chip;
        if (rest > 0 && chip->family == KILN_FAMILY_STM32) {
            by_prefix = chip;
            matches++;
        }
    }
    return matches == 1 ? by_prefix : NULL;
}
