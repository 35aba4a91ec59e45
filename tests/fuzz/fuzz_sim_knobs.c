/* SPDX-License-Identifier: MIT */
#include "sim/sim.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_virtual_clock clock;
    struct kiln_sim_knobs knobs;
    struct kiln_ctx ctx;
    char text[4096];

    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    if (kiln_sim_knobs_parse(&ctx, text, &knobs) != KILN_OK &&
        (ctx.error.status != KILN_E_ARG || ctx.error.message[0] == '\0'))
        __builtin_trap();
    return 0;
}
