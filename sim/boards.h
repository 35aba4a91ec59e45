/* SPDX-License-Identifier: MIT */
/* The families of simulated boards: arrays that end with a row without name. A new family is one line here
 * and one in board_table.c. */
#ifndef KILN_SIM_BOARDS_H
#define KILN_SIM_BOARDS_H

#include "sim/sim.h"

extern const struct kiln_sim_board kiln_sim_dfu_boards[];
extern const struct kiln_sim_board kiln_sim_esp_boards[];

#endif
