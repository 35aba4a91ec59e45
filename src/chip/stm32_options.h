/* SPDX-License-Identifier: MIT */
/* What the option bytes of ST's STM32 parts mean, as the DfuSe boot ROM shows them. */
#ifndef KILN_CHIP_STM32_OPTIONS_H
#define KILN_CHIP_STM32_OPTIONS_H

#include "chip/chip.h"

/* An option from here on stands in the second bank's option bytes. */
#define KILN_OPTION_BANK_2 512u

enum kiln_option_kind {
    KILN_OPTION_VALUE, /* `values` names them, '|' between, from 0 on; NULL: a number */
    KILN_OPTION_SHOWN, /* the same, never changed: no bootloader takes it back */
    KILN_OPTION_RDP,   /* read-out protection */
    KILN_OPTION_NWRP, /* 0 bits cannot be written; `values` says what a bit stands for, NULL: a group of pages */
    KILN_OPTION_WRP,       /* the same with 1 bits */
    KILN_OPTION_BOOT_128,  /* address in units of 128 bytes ... */
    KILN_OPTION_BOOT_16K,  /* ... of 16 KiB */
    KILN_OPTION_BOOT_64K,  /* ... of 64 KiB */
    KILN_OPTION_WRP_START, /* first page that cannot be written ... */
    KILN_OPTION_WRP_END /* ... and the last, in the same word 16 bits higher; none if it is lower */
};

/* Whether each value has its complement beside it, and how many bytes behind it. */
enum kiln_option_complement {
    KILN_COMPLEMENT_NONE = 0,
    KILN_COMPLEMENT_BYTE = 1, /* pairs of bytes */
    KILN_COMPLEMENT_HALF = 2, /* pairs of 16 bits */
    KILN_COMPLEMENT_WORD = 4  /* pairs of 32 bits */
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
    uint16_t seen
        [2]; /* bytes that ROMs of the series show, by which it is known without its part; 0: not */
    enum kiln_option_complement complement;
    uint8_t level0, level2; /* RDP values; any other is level 1. level2 0: there is none */
    bool
        shared; /* other series keep other things at this address: who changes them must know the part */
    const char
        *at_power_on; /* beginnings of names of parts whose reset does not load them, or NULL */
    const char *read_only; /* why it is not changed; NULL: it is known how the ROM takes a write */
    const struct kiln_stm32_option *option; /* ends with a NULL name */
};

/* The layout of `len` option bytes at `address`; `chip` may be NULL, then only a layout that no other
 * series shares is taken. NULL if it is not known. */
const struct kiln_stm32_options *kiln_stm32_options_find(const struct kiln_chip *chip,
                                                         uint64_t address, const uint8_t *bytes,
                                                         size_t len);
const struct kiln_stm32_options *kiln_stm32_options_at(size_t index); /* NULL after the last */

/* Do they count only from the next power-on on, or may they? */
bool kiln_stm32_options_at_power_on(const struct kiln_stm32_options *layout,
                                    const struct kiln_chip *chip);

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
