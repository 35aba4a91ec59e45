/* SPDX-License-Identifier: MIT */
#include "sim/boards.h"

const struct kiln_sim_board kiln_sim_dfu_boards[] = {{NULL, NULL, NULL, NULL}};
