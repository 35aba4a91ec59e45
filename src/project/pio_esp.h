/* SPDX-License-Identifier: MIT */
/* PlatformIO on ESP chips: several images, each at its offset. */
#ifndef KILN_PROJECT_PIO_ESP_H
#define KILN_PROJECT_PIO_ESP_H

#include "project/pio_board.h"

/* By the chip, the platform's name, or the program itself. */
bool kiln_pio_is_esp(struct kiln_pio_target *target);
void kiln_pio_esp_plan(struct kiln_pio_target *target);

#endif
