/* SPDX-License-Identifier: MIT */
/* The table of formats, in the order in which a file is held against them. */
#include "image/format.h"

#include "base/bytes.h"

static const struct kiln_image_format *const formats[] = {
    &kiln_image_format_elf,
    &kiln_image_format_uf2,
    &kiln_image_format_dfuse,
    &kiln_image_format_dfu,
    &kiln_image_format_prefixed,
    &kiln_image_format_ihex,
    &kiln_image_format_srec,
    &kiln_image_format_esp_merged, /* starts like an ESP image where the boot offset is 0 */
    &kiln_image_format_esp,
    &kiln_image_format_esp_partitions,
    &kiln_image_format_esp_csv,
    &kiln_image_format_esp_otadata,
    &kiln_image_format_esp_nvs,
    &kiln_image_format_cortexm,
    &kiln_image_format_encrypted,
    &kiln_image_format_raw,
};

const struct kiln_image_format *kiln_image_format_at(size_t index)
{
    return index < KILN_ARRAY_LEN(formats) ? formats[index] : NULL;
}

const struct kiln_image_format *kiln_image_format_of(enum kiln_image_type type)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(formats); i++) {
        if (formats[i]->type == type)
            return formats[i];
    }
    return NULL;
}
