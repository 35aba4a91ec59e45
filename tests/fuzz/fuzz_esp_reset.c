/* SPDX-License-Identifier: MIT */
/* Custom reset sequences from the command line or a project file. */
#include "chip/esp_reset.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_reset_sequence sequence;
    char *text = malloc(size + 1);
    size_t bad = 0;

    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (kiln_reset_parse(text, &sequence, &bad)) {
        if (sequence.count == 0 || sequence.count > KILN_RESET_STEPS_MAX)
            abort();
        for (size_t i = 0; i < sequence.count; i++) {
            if ((sequence.step[i].levels & ~sequence.step[i].mask) != 0)
                abort();
        }
    } else if (bad > strlen(text)) {
        abort();
    }
    free(text);
    return 0;
}
