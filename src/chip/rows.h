/* SPDX-License-Identifier: MIT */
/* The arrays of rows, each ending with a NULL name; chip.c walks them in this order. Internal to chip/. */
#ifndef KILN_CHIP_ROWS_H
#define KILN_CHIP_ROWS_H

#include "chip/esp.h"

extern const struct kiln_chip kiln_chip_rows_esp_xtensa[];
extern const struct kiln_chip kiln_chip_rows_esp_riscv[];
extern const struct kiln_chip kiln_chip_rows_esp_next[];
extern const struct kiln_chip kiln_chip_rows_stm32[];

#endif
