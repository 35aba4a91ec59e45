/* SPDX-License-Identifier: MIT */
/* Raw bytes: the last row of the table, which takes everything, and encrypted files, told by their entropy. */
#include "image/entropy.h"
#include "image/format.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <string.h>

#define ENCRYPTED_MIN 4096

static const struct {
    const char *magic;
    size_t len;
    const char *what;
} archives[] = {
    {"\x1f\x8b\x08", 3, "gzip"},
    {"PK\x03\x04", 4, "zip"},
    {"\xfd"
     "7zXZ",
     5, "xz"},
    {"\x28\xb5\x2f\xfd", 4, "zstd"},
    {"BZh", 3, "bzip2"},
    {"7z\xbc\xaf\x27\x1c", 6, "7-Zip"},
    {"Rar!", 4, "RAR"},
};

static const char *packed_as(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(archives); i++) {
        if (len >= archives[i].len && memcmp(bytes, archives[i].magic, archives[i].len) == 0)
            return archives[i].what;
    }
    return NULL;
}

static bool recognise_any(const uint8_t *bytes, size_t len)
{
    (void)bytes;
    (void)len;
    return true;
}

static bool recognise_encrypted(const uint8_t *bytes, size_t len)
{
    return len >= ENCRYPTED_MIN && packed_as(bytes, len) == NULL &&
           kiln_entropy_looks_random(bytes, len);
}

static enum kiln_status load_encrypted(struct kiln_image *image, struct kiln_ctx *ctx,
                                       const struct kiln_image_input *in)
{
    kiln_image_why(image, "no structure, and %.3f bits of entropy a byte: encrypted or packed",
                   kiln_entropy_bits(in->bytes, in->len));
    kiln_image_note(image, "such a file is for the board's own bootloader (SD card, updater); "
                           "written straight to flash it does not run");
    return kiln_image_add_view(image, ctx, 0, 0, in->origin, in->len);
}

static enum kiln_status load_raw(struct kiln_image *image, struct kiln_ctx *ctx,
                                 const struct kiln_image_input *in)
{
    const char *what = packed_as(in->bytes, in->len);

    if (in->options->raw)
        kiln_image_why(image, "taken as raw bytes as told");
    else if (what != NULL)
        kiln_image_why(image, "%s archive, no firmware: unpack it first", what);
    else
        kiln_image_why(image, "no known header, no vector table");
    return kiln_image_add_view(image, ctx, 0, 0, in->origin, in->len);
}

enum kiln_status kiln_image_put_raw(const struct kiln_image *image, struct kiln_ctx *ctx,
                                    uint8_t fill, struct kiln_buf *out)
{
    uint64_t start, at;

    if (image->segment_count == 0)
        return KILN_OK;
    if (image->segments[0].alt != image->segments[image->segment_count - 1].alt)
        return kiln_fail(ctx, KILN_E_ARG,
                         "is for several DFU alternate settings, which raw bytes cannot state");
    start = at = image->segments[0].address;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct kiln_segment *s = &image->segments[i];

        if (s->address + s->size - start > image->max_size)
            return kiln_fail(ctx, KILN_E_ARG,
                             "reaches from 0x%08" PRIx64 " to 0x%08" PRIx64
                             ": as raw bytes that would be %" PRIu64 " MiB, nearly all filling",
                             start, s->address + s->size, (s->address + s->size - start) >> 20);
        KILN_TRY(kiln_buf_fill(out, fill, (size_t)(s->address - at)));
        KILN_TRY(kiln_buf_append(out, s->data, s->size));
        at = s->address + s->size;
    }
    return KILN_OK;
}

static enum kiln_status serialize(const struct kiln_image *image, struct kiln_ctx *ctx,
                                  const struct kiln_image_write_options *options,
                                  struct kiln_buf *out)
{
    return kiln_image_put_raw(image, ctx, options->fill, out);
}

const struct kiln_image_format kiln_image_format_encrypted = {.name = "encrypted",
                                                              .type = KILN_IMAGE_ENCRYPTED,
                                                              .recognise = recognise_encrypted,
                                                              .load = load_encrypted};

const struct kiln_image_format kiln_image_format_raw = {.name = "raw bytes",
                                                        .type = KILN_IMAGE_UNKNOWN,
                                                        .recognise = recognise_any,
                                                        .load = load_raw,
                                                        .serialize = serialize};
