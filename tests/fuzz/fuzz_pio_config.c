/* SPDX-License-Identifier: MIT */
/* Any bytes as platformio.ini: every option of every environment gets a value or an error, and it ends. */
#include "project/pio_config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_arena arena;
    struct kiln_pio pio;
    struct kiln_error error = {0};

    kiln_arena_init(&arena, (size_t)64 << 20);
    if (kiln_pio_parse(&pio, &arena, "/nowhere", (const char *)data, size, &error) == KILN_OK) {
        for (const struct kiln_ini_section *s = pio.ini.first; s != NULL; s = s->next) {
            size_t count;
            const struct kiln_project_option *options = kiln_pio_options(&pio, s->name, &count);

            for (size_t i = 0; i < count; i++)
                if (options[i].kind != KILN_PROJECT_ERROR &&
                    strlen(kiln_pio_text(&pio, &options[i])) > (size_t)2 << 20)
                    abort();
        }
    } else if (strncmp(error.message, "platformio.ini", 14) != 0) {
        abort();
    }
    kiln_arena_dispose(&arena);
    return 0;
}
