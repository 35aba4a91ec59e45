/* SPDX-License-Identifier: MIT */
/* Rows in words: the public view of the chip tables. */
#include "base/bytes.h"
#include "chip/chip.h"
#include "chip/esp.h"
#include "chip/notes.h"
#include "chip/stm32.h"

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
        *out_name = "Bootloader at";
        if (esp->flags & KILN_ESP_IMAGE_PLAIN)
            snprintf(value, VALUE_MAX, "none: the boot ROM starts the program at 0x0 in flash");
        else
            snprintf(value, VALUE_MAX, "0x%x in flash", esp->boot_offset);
        return true;
    case 1:
        *out_name = "Partition table at";
        snprintf(value, VALUE_MAX, "%s",
                 esp->flags & KILN_ESP_IMAGE_PLAIN
                     ? "none"
                     : "usually 0x8000 in flash, the first application at 0x10000");
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
    case 8:
        *out_name = "eFuse registers at";
        snprintf(value, VALUE_MAX, "0x%08x", esp->efuse_base);
        return esp->efuse_base != 0;
    default:
        return false;
    }
}

/* "4 x 16 KiB, 1 x 64 KiB": the pages of an organisation, as far as the largest part of the row goes. */
static void list_pages(const struct kiln_stm32_org *org, char *value)
{
    size_t length = 0;

    for (size_t i = 0; i < KILN_STM32_RUN_MAX && org->run[i].count != 0; i++) {
        bool kib = org->run[i].size % 1024 == 0;

        length += (size_t)snprintf(value + length, VALUE_MAX - length, "%s%u x %u %s",
                                   length > 0 ? ", " : "", org->run[i].count,
                                   kib ? org->run[i].size / 1024 : org->run[i].size,
                                   kib ? "KiB" : "bytes");
    }
    if (org->name[0] != '\0')
        snprintf(value + length, VALUE_MAX - length, " (%s)", org->name);
}

static bool stm32_register(uint32_t address, const char *what, char *value)
{
    if (address != 0)
        snprintf(value, VALUE_MAX, "0x%08x%s", address, what);
    else
        snprintf(value, VALUE_MAX, "not known");
    return true;
}

static bool stm32_fact(const struct kiln_stm32_facts *stm32, size_t index, const char **out_name,
                       char *value)
{
    static const char *const names[] = {"Parts",       "Device id",         "Flash pages",
                                        "Boot ROM at", "Option bytes at",   "Flash size register",
                                        "Erased byte", "One-time memory at"};
    size_t org = index < KILN_ARRAY_LEN(names) ? 0 : index - KILN_ARRAY_LEN(names) + 1;

    if (org >= KILN_STM32_ORG_MAX || (org > 0 && stm32->org[org].run[0].count == 0))
        return false;
    *out_name = org > 0 ? "Flash pages, by option" : names[index];
    switch (index) {
    case 0:
        snprintf(value, VALUE_MAX, "%s", stm32->parts);
        return true;
    case 1:
        snprintf(value, VALUE_MAX, "0x%03x in DBGMCU_IDCODE at 0x%08x", stm32->id,
                 stm32->idcode_reg);
        return true;
    case 2:
        list_pages(&stm32->org[0], value);
        return true;
    case 3:
        return stm32_register(stm32->system_memory, "", value);
    case 4:
        return stm32_register(stm32->option_bytes, "", value);
    case 5:
        return stm32_register(stm32->flash_size_reg, ", in KiB", value);
    case 6:
        snprintf(value, VALUE_MAX, "0x%02x", stm32->erased);
        return true;
    case 7:
        stm32_register(stm32->otp, "", value);
        if (stm32->otp != 0)
            snprintf(value, VALUE_MAX, "0x%08x, %u bytes", stm32->otp, stm32->otp_size);
        return true;
    default:
        list_pages(&stm32->org[org], value);
        return true;
    }
}

/* What one would ask of each chip of a family and no note answers. */
static bool list_unknown(const struct kiln_chip *chip, char *value)
{
    static const char *const esp[] = {"Download mode", "UART0",         "JTAG",
                                      "USB",           "Highest clock", NULL};
    static const char *const stm32[] = {"Boot ROM", "Boot ROM's serial port", "SWD",
                                        "USB",      "Highest clock",          NULL};
    const char *const *asked = chip->esp != NULL ? esp : stm32;
    size_t length = 0;

    for (; *asked != NULL; asked++) {
        struct kiln_chip_note note;
        /* A chip of this family that can print to no USB port has none. */
        bool found = chip->esp != NULL && chip->esp->console == NULL && strcmp(*asked, "USB") == 0;

        for (size_t i = 0; kiln_chip_note_at(chip, i, &note); i++)
            found |= strcmp(note.name, *asked) == 0;
        if (!found)
            length += (size_t)snprintf(value + length, VALUE_MAX - length, "%s%s",
                                       length > 0 ? ", " : "", *asked);
    }
    return length > 0;
}

bool kiln_chip_fact(const struct kiln_chip *chip, size_t index, const char **out_name,
                    char value[VALUE_MAX], const char **out_source)
{
    struct kiln_chip_note note;
    size_t own = 0, of_notes = 0;

    *out_source = chip->source;
    while (chip->esp != NULL ? esp_fact(chip->esp, own, out_name, value)
                             : chip->stm32 != NULL && stm32_fact(chip->stm32, own, out_name, value))
        if (own++ == index)
            return true;
    while (kiln_chip_note_at(chip, of_notes, &note)) {
        if (own + of_notes++ != index)
            continue;
        *out_name = note.name;
        *out_source = note.source;
        snprintf(value, VALUE_MAX, "%s", note.value);
        return true;
    }
    *out_name = "Not known here";
    *out_source = NULL;
    return index == own + of_notes && list_unknown(chip, value);
}
