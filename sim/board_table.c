/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"
#include "sim/boards.h"

#include <string.h>

static const struct kiln_sim_board *const families[] = {
    kiln_sim_esp_boards,
    kiln_sim_dfu_boards,
};

const struct kiln_sim_board *kiln_sim_board_at(size_t index)
{
    for (size_t f = 0; f < KILN_ARRAY_LEN(families); f++)
        for (const struct kiln_sim_board *row = families[f]; row->name != NULL; row++)
            if (index-- == 0)
                return row;
    return NULL;
}

const struct kiln_sim_board *kiln_sim_board_find(const char *name)
{
    const struct kiln_sim_board *row;

    for (size_t i = 0; (row = kiln_sim_board_at(i)) != NULL; i++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}
