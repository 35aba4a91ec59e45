/* SPDX-License-Identifier: MIT */
/* The flash of a simulated board in a file of the user's: loaded at start, saved at the end. */
#include "base/bytes.h"
#include "sim/sim.h"

#include <kiln/save.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum kiln_status kiln_sim_flash_load(struct kiln_ctx *ctx, const struct kiln_sim_knobs *knobs,
                                     uint8_t *flash, size_t size)
{
    FILE *file;
    bool failed;

    if (knobs->flash_path[0] == '\0')
        return KILN_OK;
    file = fopen(knobs->flash_path, "rb");
    if (file == NULL && errno == ENOENT)
        return KILN_OK;
    if (file == NULL)
        return kiln_fail(ctx, KILN_E_IO, "cannot read %s: %s", knobs->flash_path, strerror(errno));
    (void)!fread(flash, 1, size, file);
    failed = ferror(file) != 0;
    fclose(file);
    return failed ? kiln_fail(ctx, KILN_E_IO, "cannot read %s", knobs->flash_path) : KILN_OK;
}

/* At once, so that another board that loads the same file meanwhile gets it whole. */
bool kiln_sim_flash_save(const struct kiln_sim_knobs *knobs, const uint8_t *flash, size_t size)
{
    return knobs->flash_path[0] == '\0' ||
           kiln_file_save(knobs->flash_path, flash, size, NULL) == KILN_OK;
}
