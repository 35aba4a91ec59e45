/* SPDX-License-Identifier: MIT */
/* What boards.txt of an installed Arduino core says about a board. */
#ifndef KILN_PROJECT_ARDUINO_BOARD_H
#define KILN_PROJECT_ARDUINO_BOARD_H

#include "project/build.h"

struct kiln_arduino_board {
    struct kiln_build *build;
    const char *path;             /* of boards.txt; NULL: the core is not installed */
    const char *text;             /* of the file */
    const char *name;             /* "uno" */
    const char *architecture;     /* "avr" */
    struct kiln_paths menu, pick; /* "UploadSpeed", and what the FQBN chose: "921600" */
};

/*
 * The board of an FQBN (VENDOR:ARCHITECTURE:BOARD[:MENU=PICK,...]). `folders`: comma-separated hardware
 * folders as build.options.json lists them, or NULL; the data folder of Arduino CLI is looked into as well.
 */
void kiln_arduino_board_open(struct kiln_build *build, const char *fqbn, const char *folders,
                             struct kiln_arduino_board *out_board);

/* "upload.speed": as the chosen menu entries set it, else as the board itself does. NULL if nobody does. */
const char *kiln_arduino_board_get(const struct kiln_arduino_board *board, const char *key,
                                   struct kiln_project_place *out_place);

#endif
