/* SPDX-License-Identifier: MIT */
/* One environment of a PlatformIO project while it is looked at, and its board's manifest. */
#ifndef KILN_PROJECT_PIO_BOARD_H
#define KILN_PROJECT_PIO_BOARD_H

#include "project/build.h"
#include "project/pio_config.h"

struct kiln_pio_target {
    struct kiln_build *build;
    struct kiln_pio *pio;
    struct kiln_build_env *env;
    const char *section;  /* "env:NAME" */
    const char *platform; /* as written, or NULL */
    const char *folder;   /* of its build */
    const char *program;  /* newest .bin that is the program, or NULL */
    json_t *board;        /* the manifest, NULL if none is installed */
    struct kiln_build_json manifest;
};

/* A value and who says it. */
struct kiln_pio_said {
    const char *text;
    /* "board_upload.offset_address", or "upload.offset_address" of the manifest */
    const char *option;
    struct kiln_project_place place;
};

/* Looks for the manifest of the environment's board: the project's boards_dir, then what PlatformIO
 * installed. One that is damaged is noted and passed over. */
void kiln_pio_board_load(struct kiln_pio_target *target);

/* The value at a path of the manifest ("upload.offset_address"), or of the option board_PATH that goes before
 * it. False if nobody sets it. */
bool kiln_pio_board(struct kiln_pio_target *target, const char *path,
                    struct kiln_pio_said *out_said);

#endif
