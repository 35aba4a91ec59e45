/* SPDX-License-Identifier: MIT */
#include "loader/loader.h"

#include "base/bytes.h"

#include <string.h>

static const struct kiln_loader_row rows[] = {
    {.name = "esp", .link_kind = KILN_LINK_KIND_BYTE, .connect_byte = kiln_esp_connect},
    {.name = "dfu", .link_kind = KILN_LINK_KIND_USB, .connect_usb = kiln_dfu_connect},
};

const struct kiln_loader_row *kiln_loader_at(size_t index)
{
    return index < KILN_ARRAY_LEN(rows) ? &rows[index] : NULL;
}

const struct kiln_loader_row *kiln_loader_find(const char *name)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}
