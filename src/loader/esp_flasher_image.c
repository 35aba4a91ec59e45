/* SPDX-License-Identifier: MIT */
/* Kiln's own flasher for the chips that it was built for. */
#include "loader/esp.h"

#include "flasher/flasher_images.h"

#include <string.h>

const struct kiln_flasher_image *kiln_flasher_image(const char *chip)
{
    for (size_t i = 0; images[i].chip != NULL; i++) {
        if (strcmp(images[i].chip, chip) == 0)
            return &images[i];
    }
    return NULL;
}

bool kiln_flasher_left_out(const char *chip)
{
    for (size_t i = 0; left_out[i] != NULL; i++) {
        if (strcmp(left_out[i], chip) == 0)
            return true;
    }
    return false;
}
