/* SPDX-License-Identifier: MIT */
/* What Kiln knows of chips, for people and programs to read. Everything here has static storage. */
#ifndef KILN_CHIP_H
#define KILN_CHIP_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kiln_chip;

/* Chip number `index`, NULL after the last. */
KILN_API const struct kiln_chip *kiln_chip_number(size_t index);

/* By name; letter case, '-' and '_' do not matter, and part names such as "stm32f407vgt6" are
 * understood. NULL if unknown. */
KILN_API const struct kiln_chip *kiln_chip_named(const char *name);

struct kiln_chip_summary {
    const char *name;   /* "esp32" */
    const char *title;  /* "ESP32" */
    const char *family; /* "esp", "stm32", "other" */
    const char *tested; /* "no", "simulator", "emulated boot ROM", "board" */
    const char *source; /* where the facts come from */
};

/* No text is NULL. */
KILN_API struct kiln_chip_summary kiln_chip_summary(const struct kiln_chip *chip);

/* One range of the memory map; false after the last. `end` is exclusive. */
KILN_API bool kiln_chip_range(const struct kiln_chip *chip, size_t index, const char **out_name,
                              uint64_t *out_start, uint64_t *out_end);

/* One further fact as a name and its value in words ("Bootloader at", "0x1000"); false after the last.
 * `value` needs room for 160 bytes. Pins and boot modes are among them; the last one may say what is not known. `*out_source` says where
 * the fact is from, NULL where it is none. */
KILN_API bool kiln_chip_fact(const struct kiln_chip *chip, size_t index, const char **out_name,
                             char value[160], const char **out_source);

#ifdef __cplusplus
}
#endif
#endif
