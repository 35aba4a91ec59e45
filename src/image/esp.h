/* SPDX-License-Identifier: MIT */
/* Pieces of ESP flash contents that several rows of the format table look at. */
#ifndef KILN_IMAGE_ESP_H
#define KILN_IMAGE_ESP_H

#include "image/format.h"

#include "chip/chip.h"

#define KILN_ESP_MAGIC            0xe9u
#define KILN_ESP_MAGIC_V2         0xeau
#define KILN_ESP_TABLE_USUAL      0x8000u
#define KILN_ESP_TABLE_SIZE       0xc00u
#define KILN_ESP_DIGEST_LEN       32u
#define KILN_ESP_EXTENDED_HEADER  24u
#define KILN_ESP_PLAIN_HEADER     8u
#define KILN_ESP_ENTRY_SIZE       32u
#define KILN_ESP_DESCRIPTOR_MAGIC 0xabcd5432u
#define KILN_ESP_BOOT_DESCRIPTOR  0x50u

/* Does an ESP image header stand here, with values that can be? */
bool kiln_esp_header_fits(const uint8_t *bytes, size_t len);

/* The chip a header names, NULL if its id is unknown. The header fits. */
const struct kiln_chip *kiln_esp_header_chip(const uint8_t *bytes, size_t len);

/* What stands in a data partition, in words: "blank", "2 of 6 pages in use, ...", "data". */
void kiln_esp_data_text(const uint8_t *bytes, size_t len, char *out, size_t cap);

/* Does a partition table stand here? Only the first entry is looked at. */
bool kiln_esp_table_fits(const uint8_t *bytes, size_t len);

/* Parses the table into image->partitions and checks its MD5. `at` is its offset for messages. */
KILN_MUST_USE enum kiln_status kiln_esp_table_parse(struct kiln_image *image, struct kiln_ctx *ctx,
                                                    const uint8_t *bytes, size_t len, size_t at);

/* Walks the image at bytes, checks checksum and digest, fills the memory pieces, chip, role and notes. `at`
 * is its offset for messages. */
KILN_MUST_USE enum kiln_status kiln_esp_image_walk(struct kiln_image *image, struct kiln_ctx *ctx,
                                                   const uint8_t *bytes, size_t len, size_t at,
                                                   size_t *out_end);

#endif
