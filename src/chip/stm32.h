/* SPDX-License-Identifier: MIT */
/* What is known of ST's STM32 parts beyond the common columns of chip.h. */
#ifndef KILN_CHIP_STM32_H
#define KILN_CHIP_STM32_H

#include "chip/chip.h"

#define KILN_STM32_FLASH_BASE 0x08000000u

/* `count` pages of `size` bytes. */
struct kiln_stm32_run {
    uint16_t count;
    uint32_t size;
};

#define KILN_STM32_RUN_MAX 6
#define KILN_STM32_ORG_MAX 3

/* How the main flash is cut into pages, from its start; ends with a run of count 0. Smaller parts of the
 * same row have the beginning of it. */
struct kiln_stm32_org {
    const char *name; /* "", "single bank", "dual bank": which option setting gives this */
    struct kiln_stm32_run run[KILN_STM32_RUN_MAX];
};

struct kiln_stm32_facts {
    uint16_t id;        /* DBGMCU DEV_ID, also the PID of the UART boot ROM */
    const char *parts;  /* part names, ' ' between; "?" stands for one character: "stm32f401?b" */
    uint32_t flash_max; /* bytes of the largest part of the row */
    uint8_t banks;      /* 1 or 2 */
    uint8_t erased;     /* value of an erased byte */
    struct kiln_stm32_org org[KILN_STM32_ORG_MAX]; /* the rest is empty */
    uint32_t ram_start,
        ram_end;             /* free beside the boot ROM's own use; 0, 0 where not known or none */
    uint32_t system_memory;  /* start of the boot ROM, 0 where not known */
    uint32_t idcode_reg;     /* DBGMCU_IDCODE: bits 11..0 are `id` */
    uint32_t flash_size_reg; /* 16 bits: KiB of flash; 0 where not known */
    uint32_t option_bytes;   /* where the DfuSe ROM shows them, 0 where not known */
    uint32_t otp, otp_size;  /* one-time memory with its lock bytes; 0 where none or not known */
    uint8_t otp_unit;        /* bytes of it that are programmed together, and only once */
    /* The DfuSe ROM reports dfuDNBUSY for ever after an erase at or above this address, though the
     * erase completes; 0: it does not. */
    uint32_t erase_sticks_from;
};

const struct kiln_chip *kiln_stm32_at(size_t index);       /* NULL after the last */
const struct kiln_chip *kiln_stm32_by_id(uint16_t dev_id); /* NULL if unknown */
/* The columns `idcode_reg` of all rows, each once, those of most parts first; ends with 0. */
extern const uint32_t kiln_stm32_idcode_registers[];

/* The row of a part: "stm32f407vgt6", "STM32F4-07", or a beginning that leaves one row only. NULL if
 * there is none or several. */
const struct kiln_chip *kiln_stm32_find(const char *name);

/* Size of the page that begins `offset` bytes into the flash, 0 if none begins there or `org` ends. */
uint32_t kiln_stm32_page_at(const struct kiln_stm32_org *org, uint64_t offset);

#endif
