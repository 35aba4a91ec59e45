/* SPDX-License-Identifier: MIT */
/* The arrays of rows, each ending with a NULL name; chip.c walks them in this order. Internal to chip/. */
#ifndef KILN_CHIP_ROWS_H
#define KILN_CHIP_ROWS_H

#include "chip/esp.h"

/* e_machine of the ELF specification */
#define KILN_MACHINE_ARM    40
#define KILN_MACHINE_XTENSA 94
#define KILN_MACHINE_RISCV  243

extern const struct kiln_chip kiln_chip_rows_esp_xtensa[];
extern const struct kiln_chip kiln_chip_rows_esp_riscv[];
extern const struct kiln_chip kiln_chip_rows_esp_next[];
extern const struct kiln_chip kiln_chip_rows_stm32[];

#endif
