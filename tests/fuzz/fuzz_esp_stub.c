/* SPDX-License-Identifier: MIT */
/* Stub files come from a folder of the user. */
#include "loader/esp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_esp_stub_image image;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    if (kiln_esp_stub_parse(&ctx, (const char *)data, size, &image) == KILN_OK) {
        volatile uint8_t last = image.text[image.text_len - 1];

        (void)last;
        if (image.entry - image.text_start >= image.text_len)
            abort();
    }
    kiln_esp_stub_dispose(&image);
    return 0;
}
