/* SPDX-License-Identifier: MIT */
/* Raw binaries that start with a Cortex-M vector table, directly or behind the RP2040's second stage.
 * Sources: ARMv6-M and ARMv7-M Architecture Reference Manuals (vector table); RP2040 datasheet 2.8.1.3.1;
 * RP2350 datasheet 5.9 (image definition block). */
#include "image/entropy.h"
#include "image/format.h"
#include "image/vectors.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <string.h>

#define BOOT2_LEN    256u
#define XIP_BASE     0x10000000u
#define BLOCK_MARKER 0xffffded3u
#define BLOCK_END    0xab123579u
#define BLOCK_SEARCH 4096u

/* MakerBase scrambles these bytes of its SD-card images and leaves the vector table readable. */
#define MKS_START 320u
#define MKS_END   31040u

/* CRC-32 as the RP2040's ROM computes it: not reflected, no final inversion. */
static uint32_t boot2_crc(const uint8_t *bytes, size_t len)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)bytes[i] << 24;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x80000000 ? crc << 1 ^ 0x04c11db7 : crc << 1;
    }
    return crc;
}

static bool has_boot2(const uint8_t *bytes, size_t len)
{
    struct kiln_vectors vectors;

    return len >= BOOT2_LEN + 64 &&
           boot2_crc(bytes, BOOT2_LEN - 4) == kiln_le32(bytes + BOOT2_LEN - 4) &&
           kiln_vectors_fit(bytes + BOOT2_LEN, len - BOOT2_LEN, len, &vectors);
}

static bool has_rp2350_block(const uint8_t *bytes, size_t len)
{
    size_t end = KILN_MIN(len, (size_t)BLOCK_SEARCH);

    for (size_t at = 0; at + 20 <= end; at += 4) {
        if (kiln_le32(bytes + at) != BLOCK_MARKER)
            continue;
        for (size_t tail = at + 8; tail + 4 <= KILN_MIN(len, at + 1024); tail += 4) {
            if (kiln_le32(bytes + tail) == BLOCK_END)
                return true;
        }
    }
    return false;
}

static bool recognise(const uint8_t *bytes, size_t len)
{
    struct kiln_vectors vectors;

    return kiln_vectors_fit(bytes, len, len, &vectors) || has_boot2(bytes, len);
}

static bool scrambled(const uint8_t *bytes, size_t len)
{
    return len > MKS_END && kiln_entropy_mixed(bytes, len, MKS_START, MKS_END);
}

static enum kiln_status load_scrambled(struct kiln_image *image, struct kiln_ctx *ctx,
                                       const struct kiln_image_input *in)
{
    image->info.type = image->info.payload = KILN_IMAGE_ENCRYPTED;
    kiln_image_why(image,
                   "a plain vector table, but bytes %u to %u are scrambled (MKS SD-card image)",
                   MKS_START, MKS_END - 1);
    kiln_image_note(image, "such a file is for the board's own bootloader (SD card); "
                           "written straight to flash it does not run");
    return kiln_image_add_view(image, ctx, 0, 0, in->origin, in->len);
}

static enum kiln_status load_rp2040(struct kiln_image *image, struct kiln_ctx *ctx,
                                    const struct kiln_image_input *in)
{
    image->info.chip = "rp2040";
    image->info.linked = XIP_BASE;
    image->info.address_source = KILN_ADDRESS_INFERRED;
    image->info.has_checksum = true;
    kiln_image_why(image, "RP2040 second stage with right CRC, vector table behind it");
    return kiln_image_add_view(image, ctx, 0, XIP_BASE, in->origin, in->len);
}

static enum kiln_status load(struct kiln_image *image, struct kiln_ctx *ctx,
                             const struct kiln_image_input *in)
{
    struct kiln_vectors v;
    struct kiln_link_base base = {0};
    bool found;

    if (has_boot2(in->bytes, in->len))
        return load_rp2040(image, ctx, in);
    if (!kiln_vectors_fit(in->bytes, in->len, in->len, &v))
        return kiln_image_bad(ctx, 0, "has no vector table at its start");
    if (scrambled(in->bytes, in->len))
        return load_scrambled(image, ctx, in);
    found = kiln_vectors_infer(in->bytes, in->len, &v, &base);
    image->info.entry = v.reset - 1;
    if (found && base.base == XIP_BASE && has_rp2350_block(in->bytes, in->len))
        image->info.chip = "rp2350";
    if (!found) {
        kiln_image_why(image,
                       "vector table (SP 0x%08" PRIx32 ", reset 0x%08" PRIx32
                       "), but the handlers lie outside any address it could run at",
                       v.sp, v.reset);
        return kiln_image_add_view(image, ctx, 0, 0, in->origin, in->len);
    }
    image->info.linked = base.base;
    image->info.confidence = base.confidence;
    image->info.usual = base.usual;
    image->info.address_source = KILN_ADDRESS_INFERRED;
    kiln_image_why(image,
                   "vector table (SP 0x%08" PRIx32 ", reset 0x%08" PRIx32
                   "), linked at 0x%08" PRIx64 ": best of %zu, confidence %u %%",
                   v.sp, v.reset, base.base, base.candidates, base.confidence);
    return kiln_image_add_view(image, ctx, 0, base.base, in->origin, in->len);
}

const struct kiln_image_format kiln_image_format_cortexm = {
    .name = "Cortex-M binary", .type = KILN_IMAGE_CORTEX_M, .recognise = recognise, .load = load};
