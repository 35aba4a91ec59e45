/* SPDX-License-Identifier: MIT */
/* Hostile otadata and application descriptors: what is chosen is a slot, and a new entry always takes over. */
#include "image/esp_ota.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void switch_slot(struct kiln_otadata_entry entry[2], unsigned slots, unsigned slot)
{
    uint8_t bytes[KILN_OTADATA_SIZE];
    int active = kiln_otadata_active(entry);
    uint32_t sequence;

    if (active >= 0 && kiln_otadata_slot(&entry[active], slots) >= slots)
        abort();
    if (!kiln_otadata_next(entry, slots, slot, &sequence))
        return;
    kiln_otadata_make(sequence, bytes);
    kiln_otadata_parse(bytes, &entry[active == 0]);
    if (kiln_otadata_active(entry) != (active == 0) ||
        kiln_otadata_slot(&entry[active == 0], slots) != slot)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_app_descriptor app;
    struct kiln_otadata_entry entry[2];
    char text[320];

    if (kiln_app_descriptor_parse(data, size, &app))
        kiln_app_descriptor_text(&app, text, sizeof text);
    if (size < 2 * KILN_OTADATA_SIZE + 2)
        return 0;
    for (unsigned i = 0; i < 2; i++) {
        kiln_otadata_parse(data + i * KILN_OTADATA_SIZE, &entry[i]);
        if (strlen(kiln_otadata_state_name(entry[i].state)) == 0)
            abort();
    }
    switch_slot(entry, data[64] % 16u + 1, data[65] % (data[64] % 16u + 1));
    return 0;
}
