/* SPDX-License-Identifier: MIT */
/* What the option bytes of ST's STM32 parts mean, as the DfuSe boot ROM shows them. */
#ifndef KILN_CHIP_STM32_OPTIONS_H
#define KILN_CHIP_STM32_OPTIONS_H

#include "chip/chip.h"

/* An option from here on stands in the second bank's option bytes. */
#define KILN_OPTION_BANK_2 512u

enum kiln_option_kind {
    KILN_OPTION_VALUE, /* `values` names them, '|' between, from 0 on; NULL: a number */
    KILN_OPTION_RDP,   /* read-out protection */
    KILN_OPTION_NWRP, /* 0 bits cannot be written; `values` says what a bit stands for, NULL: a group of pages */
    KILN_OPTION_BOOT_16K,  /* address in units of 16 KiB */
    KILN_OPTION_BOOT_64K,  /* address in units of 64 KiB */
    KILN_OPTION_WRP_START, /* first page that cannot be written ... */
    KILN_OPTION_WRP_END /* ... and the last, in the same word 16 bits higher; none if it is lower */
};

/* Whether and where each value has its complement beside it. */
enum kiln_option_complement {
    KILN_COMPLEMENT_NONE,
    KILN_COMPLEMENT_BYTE, /* in the byte that follows each byte */
    KILN_COMPLEMENT_WORD  /* in the word of 32 bits that follows each such word */
};

struct kiln_stm32_option {
    const char *name; /* as in the reference manual */
    uint16_t at;      /* byte the value begins in (KILN_OPTION_BANK_2); little-endian from there */
    uint8_t shift, width;
    enum kiln_option_kind kind;
    const char *values;
    const char *chips; /* beginnings of the rows' names, ' ' between, that have it; NULL: all */
};

struct kiln_stm32_options {
    const char *series; /* "STM32F2/F4" */
    const char *source;
    const char *chips; /* beginnings of the rows' names, ' ' between */
    uint32_t address;
    uint32_t bank_2; /* where those of the second bank stand, 0: they are not shown apart */
    uint16_t size;   /* bytes that the fields need */
    uint16_t seen;   /* bytes that the ROM of a part of the series shows; 0: as many as it likes */
    enum kiln_option_complement complement;
    uint8_t level0, level2; /* RDP values; any other is level 1. level2 0: there is none */
    const char *read_only;  /* why it is not changed; NULL: it is known how the ROM takes a write */
    const struct kiln_stm32_option *option; /* ends with a NULL name */
};

/* The layout of `len` option bytes at `address`; `chip` may be NULL, then only a layout that no other
 * series shares is taken. NULL if it is not known. */
const struct kiln_stm32_options *kiln_stm32_options_find(const struct kiln_chip *chip,
                                                         uint64_t address, const uint8_t *bytes,
                                                         size_t len);
const struct kiln_stm32_options *kiln_stm32_options_at(size_t index); /* NULL after the last */

/* Does the part have this option? With `chip` NULL: do all parts of the series? */
bool kiln_stm32_option_applies(const struct kiln_stm32_option *option,
                               const struct kiln_chip *chip);
/* By name, letter case ignored; NULL if there is none. */
const struct kiln_stm32_option *kiln_stm32_option_named(const struct kiln_stm32_options *layout,
                                                        const char *name);

uint32_t kiln_stm32_option_get(const struct kiln_stm32_option *option, const uint8_t *bytes);
/* Sets the value and its complement, and nothing else. `value` must fit. */
void kiln_stm32_option_set(const struct kiln_stm32_options *layout,
                           const struct kiln_stm32_option *option, uint32_t value, uint8_t *bytes);
bool kiln_stm32_option_complement_good(const struct kiln_stm32_options *layout,
                                       const struct kiln_stm32_option *option,
                                       const uint8_t *bytes);
/* Read-out protection that the value stands for: 0, 1 or 2. */
unsigned kiln_stm32_option_level(const struct kiln_stm32_options *layout, uint32_t value);
/* In words; "" if there are none. `bytes` is where it stands among the others. */
void kiln_stm32_option_text(const struct kiln_stm32_options *layout,
                            const struct kiln_stm32_option *option, const uint8_t *bytes,
                            char *text, size_t cap);

#endif
