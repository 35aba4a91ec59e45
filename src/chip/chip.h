/* SPDX-License-Identifier: MIT */
/*
 * Seam 3: chips are const rows. One file per family holds the rows; core code never names a chip but
 * reads a column. Each row says where its facts come from and how far they were tried.
 */
#ifndef KILN_CHIP_CHIP_H
#define KILN_CHIP_CHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kiln_chip_family { KILN_FAMILY_ESP, KILN_FAMILY_STM32, KILN_FAMILY_OTHER };

/* How far a row was tried. Worse first. */
enum kiln_tested {
    KILN_TESTED_NO,
    KILN_TESTED_SIMULATOR,
    KILN_TESTED_ROM_EMULATED,
    KILN_TESTED_BOARD
};

#define KILN_MAP_READ    1u
#define KILN_MAP_WRITE   2u
#define KILN_MAP_EXECUTE 4u
#define KILN_MAP_FLASH   8u

struct kiln_map_entry {
    const char *name;    /* "DROM", "IRAM", "FLASH", "SYSTEM" */
    uint64_t start, end; /* end exclusive */
    unsigned flags;
};

/* What a person at the bench asks about a chip and no code reads: pins, boot modes, boards. What was not found in a
 * source is not there. */
struct kiln_chip_note {
    const char *name;  /* "UART0"; NULL ends a list */
    const char *value; /* up to 159 bytes */
    const char *source;
};

struct kiln_esp_facts;
struct kiln_stm32_facts;

struct kiln_chip {
    const char *name;  /* "esp32", "stm32f405": lower case, unique */
    const char *title; /* "ESP32", "STM32F405/407/415/417" */
    enum kiln_chip_family family;
    const struct kiln_map_entry *map;   /* ends with a NULL name */
    const struct kiln_chip_note *notes; /* its own; NULL: only those it shares, see chip/notes.h */
    const struct kiln_esp_facts *esp;   /* non-NULL for KILN_FAMILY_ESP */
    const struct kiln_stm32_facts *stm32; /* non-NULL for KILN_FAMILY_STM32 */
    /* So many letters of `name` are the line whose rows stand for each other in a file that names a
     * chip ("stm32f4"); 0: a row stands for itself alone. */
    uint8_t line_prefix;
    uint16_t elf_machine; /* e_machine of the programs it runs; 0: not held against it */
    enum kiln_tested tested;
    const char *source;
};

/* All rows of all families; walk until NULL. */
const struct kiln_chip *kiln_chip_at(size_t index);

/* By name, letter case, '-' and '_' ignored. Of STM32 parts the whole part name ("STM32F407VGT6") or an
 * unambiguous prefix does as well ("stm32f4" is not). NULL if unknown. */
const struct kiln_chip *kiln_chip_find(const char *name);

/* Where the flash of a part begins that only the beginning of its name is known of, as other tools'
 * files write it ("stm32f103c8t6", "gd32f303"): true where a program without a bootloader starts there. */
bool kiln_chip_flash_base(const char *part, uint64_t *out_base);

/* Equal pages of flash behind each other. */
struct kiln_chip_pages {
    uint64_t start; /* bus address */
    uint32_t count, size;
};

/* Run number `index` of the flash of the row's largest part; false after the last, or if the row does not tell. */
bool kiln_chip_pages(const struct kiln_chip *chip, size_t index, struct kiln_chip_pages *out_pages);

#endif
