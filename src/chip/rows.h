/* SPDX-License-Identifier: MIT */
/* The arrays of rows, each ending with a NULL name; chip.c walks them in this order. Internal to chip/. */
#ifndef KILN_CHIP_ROWS_H
#define KILN_CHIP_ROWS_H

#include "chip/esp.h"

/* e_machine of the ELF specification */
#define KILN_MACHINE_ARM    40
#define KILN_MACHINE_XTENSA 94
#define KILN_MACHINE_RISCV  243

/*
 * What a chip shares with its family: from the S2 on, eFuse blocks begin at the same distances from their base, and
 * most parts keep their security bits at the same places in block 0. A row that names one of these differs from the
 * family only in what it says besides.
 */
#define KILN_ESP_EFUSE_BLOCKS(base)                                                     \
    .efuse_base = (base), .efuse_block1 = (base) + 0x44, .efuse_block2 = (base) + 0x5c, \
    .mac = (base) + 0x44
#define KILN_ESP_EFUSE_SECURITY(base)                                                   \
    .crypt_count = {(base) + 0x34, 18, 3, 0}, .secure_boot = {(base) + 0x38, 20, 1, 0}, \
    .no_manual_encrypt = {(base) + 0x30, 20, 1, 0},                                     \
    .key_purpose = {                                                                    \
        {(base) + 0x34, 24, 4, 0}, {(base) + 0x34, 28, 4, 0}, {(base) + 0x38, 0, 4, 0}, \
        {(base) + 0x38, 4, 4, 0},  {(base) + 0x38, 8, 4, 0},  {(base) + 0x38, 12, 4, 0}}
/* The flash's SPI controller of every chip from the S2 on. */
#define KILN_ESP_SPI(base)                         \
    {                                              \
        (base), 0x18, 0x1c, 0x20, 0x58, 0x24, 0x28 \
    }

extern const struct kiln_chip kiln_chip_rows_esp_xtensa[];
extern const struct kiln_chip kiln_chip_rows_esp_riscv[];
extern const struct kiln_chip kiln_chip_rows_esp_next[];
extern const struct kiln_chip kiln_chip_rows_stm32[];

#endif
