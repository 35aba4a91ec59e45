/* SPDX-License-Identifier: MIT */
/*
 * Inside of the image module: the image under construction and the table of formats. A format is one file
 * and one row in formats.c.
 */
#ifndef KILN_IMAGE_FORMAT_H
#define KILN_IMAGE_FORMAT_H

#include "base/buf.h"
#include "base/ctx.h"

#include <kiln/image.h>

#define KILN_IMAGE_DEFAULT_MAX ((uint64_t)256 << 20)

/* A stretch of bytes as the format gave it, before sorting and joining. */
struct kiln_image_run {
    uint64_t address;
    size_t offset; /* into the image's file (in_file) or its arena */
    size_t size;
    uint64_t place; /* line, block or file offset it came from, for messages */
    uint8_t alt;
    bool in_file;
};

struct kiln_image {
    struct kiln_image_info info;
    char *name;
    struct kiln_buf file;  /* the file's bytes, as long as a run borrows from them */
    struct kiln_buf arena; /* decoded bytes */
    struct kiln_image_run *runs;
    size_t run_count, run_capacity;
    struct kiln_segment *segments;
    size_t segment_count;
    uint64_t total, max_size;
    const char *place_unit; /* "line", "block", "offset" */
    struct kiln_image_memory memory[KILN_IMAGE_MEMORY_MAX];
    size_t memory_count;
    struct kiln_esp_partition *partitions;
    size_t partition_count;
    struct kiln_image_part *parts;
    size_t part_count;
    uint8_t prefix[16]; /* what stood before the payload of a DFU file */
    size_t prefix_len;
};

/* What a loader gets. The bytes are image->file's, so runs may borrow them by offset. */
struct kiln_image_input {
    const uint8_t *bytes;
    size_t len;     /* without a suffix that was taken off */
    size_t origin;  /* offset of bytes[0] in image->file */
    unsigned depth; /* of DFU wrappers around it */
    const struct kiln_image_options *options;
};

struct kiln_image_format {
    const char *name;
    enum kiln_image_type type;

    /* Is this content of the format, damaged perhaps? Looks only; must be cheap. */
    bool (*recognise)(const uint8_t *bytes, size_t len);

    /* Adds the runs and fills info (type, why, notes, entry, ...). FILE with the place, NOMEM. The name of
     * the file is put before the message by the caller. */
    enum kiln_status (*load)(struct kiln_image *image, struct kiln_ctx *ctx,
                             const struct kiln_image_input *in);

    /* NULL: cannot be written. Appends to `out`. ARG if the image does not fit the format. */
    enum kiln_status (*serialize)(const struct kiln_image *image, struct kiln_ctx *ctx,
                                  const struct kiln_image_write_options *options,
                                  struct kiln_buf *out);
};

/* In the order in which they are tried; the last (raw bytes) takes everything. NULL after the last. */
const struct kiln_image_format *kiln_image_format_at(size_t index);
/* The first row of a type. */
const struct kiln_image_format *kiln_image_format_of(enum kiln_image_type type);

extern const struct kiln_image_format kiln_image_format_elf;
extern const struct kiln_image_format kiln_image_format_uf2;
extern const struct kiln_image_format kiln_image_format_dfu;
extern const struct kiln_image_format kiln_image_format_dfuse;
extern const struct kiln_image_format kiln_image_format_prefixed;
extern const struct kiln_image_format kiln_image_format_ihex;
extern const struct kiln_image_format kiln_image_format_srec;
extern const struct kiln_image_format kiln_image_format_esp;
extern const struct kiln_image_format kiln_image_format_esp_partitions;
extern const struct kiln_image_format kiln_image_format_esp_csv;
extern const struct kiln_image_format kiln_image_format_esp_otadata;
extern const struct kiln_image_format kiln_image_format_esp_nvs;
extern const struct kiln_image_format kiln_image_format_esp_merged;
extern const struct kiln_image_format kiln_image_format_cortexm;
extern const struct kiln_image_format kiln_image_format_encrypted;
extern const struct kiln_image_format kiln_image_format_raw;

/* Recognises `in` and loads it with the first row that says yes. For DFU payloads too. */
KILN_MUST_USE enum kiln_status kiln_image_load_any(struct kiln_image *image, struct kiln_ctx *ctx,
                                                   const struct kiln_image_input *in);

/* ---- building (store.c) ---- */

/* Appends a copy of `len` bytes at `address`. FILE above the ceiling, NOMEM. */
KILN_MUST_USE enum kiln_status kiln_image_add(struct kiln_image *image, struct kiln_ctx *ctx,
                                              uint8_t alt, uint64_t address, const uint8_t *bytes,
                                              size_t len, uint64_t place);

/* The same for bytes that stay where they are in image->file. */
KILN_MUST_USE enum kiln_status kiln_image_add_view(struct kiln_image *image, struct kiln_ctx *ctx,
                                                   uint8_t alt, uint64_t address, size_t offset,
                                                   size_t len);

/* Sorts, checks for overlaps, joins what is adjacent and fills the segments. */
KILN_MUST_USE enum kiln_status kiln_image_finish(struct kiln_image *image, struct kiln_ctx *ctx);

/* Adds a line to the notes; what does not fit is dropped whole. */
void kiln_image_note(struct kiln_image *image, const char *format, ...) KILN_PRINTF(2, 3);
void kiln_image_why(struct kiln_image *image, const char *format, ...) KILN_PRINTF(2, 3);

/* FILE with the file offset in the error's address. */
enum kiln_status kiln_image_bad(struct kiln_ctx *ctx, uint64_t offset, const char *format, ...)
    KILN_PRINTF(3, 4);

/* ARG with a hint unless the image has an address, which `what` needs. */
KILN_MUST_USE enum kiln_status kiln_image_needs_address(const struct kiln_image *image,
                                                        struct kiln_ctx *ctx, const char *what);

/* Appends the image as raw bytes from its lowest address, gaps filled. */
KILN_MUST_USE enum kiln_status kiln_image_put_raw(const struct kiln_image *image,
                                                  struct kiln_ctx *ctx, uint8_t fill,
                                                  struct kiln_buf *out);

/* Copies `len` bytes of a file into `out` as printable text, ends at the first NUL. */
void kiln_image_text(char *out, size_t cap, const uint8_t *bytes, size_t len);

#endif
