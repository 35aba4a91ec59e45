/* SPDX-License-Identifier: MIT */
/* Inside of the maker of ESP images: from an ELF file to segments (esp_elf.c) to files (esp_layout*.c). */
#ifndef KILN_IMAGE_ESP_BUILD_H
#define KILN_IMAGE_ESP_BUILD_H

#include "base/buf.h"
#include "base/ctx.h"
#include "chip/esp.h"

#include <kiln/esp_image.h>

#define KILN_ESP_SEGMENT_HEADER 8u
#define KILN_ESP_CHECKSUM_SEED  0xefu
#define KILN_ESP_CHECKSUM_ROW   16u
#define KILN_ESP_SEGMENT_LIMIT  0x1000000u
#define KILN_ESP_BUILD_MAX      ((size_t)512 << 20)

/* A section, or what several were merged to, or a part cut off. */
struct kiln_esp_piece {
    const char *name; /* of the first section */
    const uint8_t *data;
    size_t len;
    uint32_t address;
    uint32_t align;
    uint32_t order; /* in the ELF file */
};

struct kiln_esp_builder {
    struct kiln_ctx *ctx;
    const struct kiln_esp_build_options *options;
    const struct kiln_chip *chip;
    const struct kiln_chip *rules; /* the row whose codes and memory map count, mostly the same */
    const uint8_t *elf;
    size_t elf_len;
    /* from the ELF file; data points into it */
    uint32_t entry;
    struct kiln_esp_piece *sections;
    size_t section_count;
    /* what goes into the image */
    struct kiln_buf arena;
    struct kiln_esp_piece segment[KILN_ESP_SEGMENTS_MAX];
    size_t segment_count;
    uint8_t mode, size_freq;
    uint32_t page;
    uint64_t sha256_offset; /* 0: nowhere */
    uint8_t sha256[32];
    /* the file being written */
    struct kiln_buf out;
    uint8_t checksum;
    unsigned written; /* segments */
};

void kiln_esp_say(const struct kiln_esp_listener *listener, enum kiln_esp_say kind,
                  const char *format, ...) KILN_PRINTF(3, 4);

/* The code of a name in the header; ARG with the names there are. */
KILN_MUST_USE enum kiln_status kiln_esp_code_find(struct kiln_ctx *ctx, const char *what,
                                                  const struct kiln_esp_code *codes,
                                                  const char *name, uint8_t *out_code);
KILN_MUST_USE enum kiln_status kiln_esp_mode_find(struct kiln_ctx *ctx, const char *name,
                                                  uint8_t *out_code);
const char *kiln_esp_mode_name(uint8_t code); /* NULL: none */

/* The row of an Espressif chip; ARG. */
KILN_MUST_USE enum kiln_status kiln_esp_chip_named(struct kiln_ctx *ctx, const char *name,
                                                   const struct kiln_chip **out_chip);

/* Names of the memories at an address: "DRAM, BYTE_ACCESSIBLE". */
void kiln_esp_memory_names(const struct kiln_chip *chip, uint32_t address, char text[96]);
/* The same for the layout that is being made. */
bool kiln_esp_is_mapped(const struct kiln_esp_builder *b, uint32_t address);

/* Fills entry and sections. FILE. */
KILN_MUST_USE enum kiln_status kiln_esp_read_elf(struct kiln_esp_builder *b);

/* Appends a segment, with `zeros` bytes behind its data (all zeros if data is NULL), and puts in the ELF's
 * SHA-256 if its place is here. `for_name` stands in messages. */
KILN_MUST_USE enum kiln_status kiln_esp_emit_segment(struct kiln_esp_builder *b,
                                                     const struct kiln_esp_piece *piece,
                                                     size_t zeros, bool in_checksum,
                                                     const char *for_name);
KILN_MUST_USE enum kiln_status kiln_esp_emit_header(struct kiln_esp_builder *b, unsigned segments);
KILN_MUST_USE enum kiln_status kiln_esp_emit_checksum(struct kiln_esp_builder *b);
KILN_MUST_USE enum kiln_status kiln_esp_emit_digest(struct kiln_esp_builder *b);

/* Pieces sorted by address: those that `is_flash` says yes to and the others. */
struct kiln_esp_sorted {
    struct kiln_esp_piece flash[KILN_ESP_SEGMENTS_MAX], ram[KILN_ESP_SEGMENTS_MAX];
    size_t flash_count, ram_count;
};
/* FILE if two flash pieces lie in one page. */
KILN_MUST_USE enum kiln_status kiln_esp_check_pages(struct kiln_esp_builder *b,
                                                    const struct kiln_esp_sorted *sorted);
/* By address, pieces of one address in the ELF file's order. */
void kiln_esp_sort(struct kiln_esp_piece *pieces, size_t count);

/* The layouts: fill b->out; version 1 a second file. */
KILN_MUST_USE enum kiln_status kiln_esp_lay_out(struct kiln_esp_builder *b);
KILN_MUST_USE enum kiln_status kiln_esp_lay_out_v1(struct kiln_esp_builder *b,
                                                   struct kiln_esp_built *out);
KILN_MUST_USE enum kiln_status kiln_esp_lay_out_v2(struct kiln_esp_builder *b,
                                                   uint32_t *out_offset);
KILN_MUST_USE enum kiln_status kiln_esp_lay_out_v3(struct kiln_esp_builder *b);

#endif
