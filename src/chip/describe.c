/* SPDX-License-Identifier: MIT */
/* Rows in words: the public view of the chip tables. */
#include "base/bytes.h"
#include "chip/chip.h"
#include "chip/esp.h"

#include <kiln/chip.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX 160

const struct kiln_chip *kiln_chip_number(size_t index)
{
    return kiln_chip_at(index);
}

const struct kiln_chip *kiln_chip_named(const char *name)
{
    return kiln_chip_find(name);
}

struct kiln_chip_summary kiln_chip_summary(const struct kiln_chip *chip)
{
    static const char *const families[] = {"esp", "stm32", "other"};
    static const char *const tested[] = {"no", "simulator", "emulated boot ROM", "board"};

    return (struct kiln_chip_summary){
        .name = chip->name,
        .title = chip->title,
        .family = families[chip->family],
        .tested = tested[chip->tested],
        .source = chip->source,
    };
}

bool kiln_chip_range(const struct kiln_chip *chip, size_t index, const char **out_name,
                     uint64_t *out_start, uint64_t *out_end)
{
    for (size_t i = 0; chip->map[i].name != NULL; i++) {
        if (i != index)
            continue;
        *out_name = chip->map[i].name;
        *out_start = chip->map[i].start;
        *out_end = chip->map[i].end;
        return true;
    }
    return false;
}

static void list_codes(const struct kiln_esp_code *codes, char *value)
{
    value[0] = '\0';
    for (; codes->value != 0; codes++) {
        size_t length = strlen(value);

        snprintf(value + length, VALUE_MAX - length, "%s%s", length > 0 ? ", " : "", codes->name);
    }
}

static void list_page_sizes(const struct kiln_esp_facts *esp, char *value)
{
    value[0] = '\0';
    for (size_t i = 0; i < KILN_ARRAY_LEN(esp->mmu_page_kb) && esp->mmu_page_kb[i] != 0; i++) {
        size_t length = strlen(value);

        snprintf(value + length, VALUE_MAX - length, "%s%u KiB", length > 0 ? ", " : "",
                 esp->mmu_page_kb[i]);
    }
}

static bool esp_fact(const struct kiln_esp_facts *esp, size_t index, const char **out_name,
                     char *value)
{
    switch (index) {
    case 0:
        *out_name = "Second-stage bootloader at";
        snprintf(value, VALUE_MAX, "0x%x in flash", esp->boot_offset);
        return true;
    case 1:
        *out_name = "Partition table usually at";
        snprintf(value, VALUE_MAX, "0x8000 in flash, first application at 0x10000");
        return true;
    case 2:
        *out_name = "Chip id in images";
        if (esp->chip_id >= 0)
            snprintf(value, VALUE_MAX, "%d", esp->chip_id);
        else
            snprintf(value, VALUE_MAX, "none");
        return true;
    case 3:
        *out_name = "Crystal";
        if (esp->xtal_mhz != 0)
            snprintf(value, VALUE_MAX, "%u MHz", esp->xtal_mhz);
        else
            snprintf(value, VALUE_MAX, "differs from board to board; measured when connecting");
        return true;
    case 4:
        *out_name = "Flash frequencies";
        list_codes(esp->frequencies, value);
        return true;
    case 5:
        *out_name = "Flash sizes";
        list_codes(esp->sizes, value);
        return true;
    case 6:
        *out_name = "MMU pages";
        list_page_sizes(esp, value);
        return true;
    case 7:
        *out_name = "UF2 family";
        snprintf(value, VALUE_MAX, "0x%08x", esp->uf2_family);
        return true;
    default:
        return false;
    }
}

bool kiln_chip_fact(const struct kiln_chip *chip, size_t index, const char **out_name,
                    char value[VALUE_MAX])
{
    return chip->esp != NULL && esp_fact(chip->esp, index, out_name, value);
}
