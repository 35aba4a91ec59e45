/* SPDX-License-Identifier: MIT */
/*
 * DFU files: any payload with a DFU suffix, DfuSe files, and the prefixes of LPC and TI Stellaris
 * bootloaders. Sources: USB DFU 1.1 appendix B; ST UM0391 revision 1 (DfuSe file format).
 */
#include "image/format.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <stdio.h>
#include <string.h>

#define SUFFIX_LEN    16u
#define BCD_DFUSE     0x011au
#define DFUSE_HEADER  11u
#define TARGET_HEADER 274u
#define NESTING_MAX   4u

/* The DFU CRC is CRC-32 without the final inversion. */
static uint32_t dfu_crc(const uint8_t *bytes, size_t len)
{
    return ~libdeflate_crc32(0, bytes, len);
}

static bool has_suffix(const uint8_t *bytes, size_t len)
{
    const uint8_t *s;

    if (len < SUFFIX_LEN)
        return false;
    s = bytes + len - SUFFIX_LEN;
    return memcmp(s + 8, "UFD", 3) == 0 && s[11] >= SUFFIX_LEN;
}

static bool is_dfuse(const uint8_t *bytes, size_t len)
{
    return len >= DFUSE_HEADER && memcmp(bytes, "DfuSe", 5) == 0;
}

static int32_t id_or_any(uint16_t id)
{
    return id == 0xffff ? -1 : id;
}

/* Checks the suffix, takes its facts and gives the length of what stands before it. */
static enum kiln_status take_suffix(struct kiln_image *image, struct kiln_ctx *ctx,
                                    const struct kiln_image_input *in, size_t *out_len)
{
    const uint8_t *s = in->bytes + in->len - SUFFIX_LEN;
    uint32_t stated = kiln_le32(s + 12), crc = dfu_crc(in->bytes, in->len - 4);

    if (stated != crc)
        return kiln_image_bad(ctx, in->origin + in->len - 4,
                              "the DFU suffix states CRC %08" PRIx32 " but the file has %08" PRIx32
                              ": it is damaged",
                              stated, crc);
    if (s[11] > in->len)
        return kiln_image_bad(ctx, in->origin + in->len - 5,
                              "the DFU suffix is longer than the file");
    image->info.bcd_device = id_or_any(kiln_le16(s));
    image->info.pid = id_or_any(kiln_le16(s + 2));
    image->info.vid = id_or_any(kiln_le16(s + 4));
    image->info.has_checksum = true;
    *out_len = in->len - s[11];
    return KILN_OK;
}

/* ---- DfuSe ---- */

static bool recognise_dfuse(const uint8_t *bytes, size_t len)
{
    return is_dfuse(bytes, len);
}

static enum kiln_status element(struct kiln_image *image, struct kiln_ctx *ctx,
                                const uint8_t *bytes, uint8_t alt, size_t end, size_t *at)
{
    uint32_t address, size;

    if (end - *at < 8)
        return kiln_image_bad(ctx, *at, "a DfuSe element at 0x%zx is cut off", *at);
    address = kiln_le32(bytes + *at);
    size = kiln_le32(bytes + *at + 4);
    *at += 8;
    if (size > end - *at)
        return kiln_image_bad(ctx, *at - 4,
                              "a DfuSe element at 0x%zx has %" PRIu32
                              " bytes, more than its target holds",
                              *at - 8, size);
    if ((uint64_t)address + size > (uint64_t)1 << 32)
        return kiln_image_bad(ctx, *at - 8, "a DfuSe element runs past the 32-bit address range");
    KILN_TRY(kiln_image_add_view(image, ctx, alt, address, *at, size));
    *at += size;
    return KILN_OK;
}

static enum kiln_status target(struct kiln_image *image, struct kiln_ctx *ctx, const uint8_t *bytes,
                               size_t len, size_t *at)
{
    const uint8_t *header = bytes + *at;
    uint32_t size, elements;
    size_t start = *at, end;
    char name[64];

    if (len - *at < TARGET_HEADER || memcmp(header, "Target", 6) != 0)
        return kiln_image_bad(ctx, start, "no DfuSe target at 0x%zx", start);
    size = kiln_le32(header + 266);
    elements = kiln_le32(header + 270);
    *at += TARGET_HEADER;
    if (size > len - *at)
        return kiln_image_bad(ctx, start + 266,
                              "the DfuSe target at 0x%zx has %" PRIu32
                              " bytes, more than the file: it is cut short",
                              start, size);
    end = *at + size;
    for (uint32_t i = 0; i < elements; i++)
        KILN_TRY(element(image, ctx, bytes, header[6], end, at));
    if (*at != end)
        return kiln_image_bad(ctx, *at,
                              "the DfuSe target at 0x%zx has %zu bytes behind its elements", start,
                              end - *at);
    if (kiln_le32(header + 7) != 0) {
        kiln_image_text(name, sizeof name, header + 11, 255);
        kiln_image_note(image, "target for alternate setting %u: %s", header[6], name);
    }
    return KILN_OK;
}

static enum kiln_status load_dfuse(struct kiln_image *image, struct kiln_ctx *ctx,
                                   const struct kiln_image_input *in)
{
    size_t len = 0, at = DFUSE_HEADER;
    uint8_t targets;

    if (in->bytes[5] != 1)
        return kiln_image_bad(ctx, 5, "DfuSe version %u is unknown", in->bytes[5]);
    if (!has_suffix(in->bytes, in->len))
        return kiln_image_bad(ctx, in->len,
                              "is a DfuSe file without its DFU suffix: it is cut short");
    KILN_TRY(take_suffix(image, ctx, in, &len));
    if (kiln_le16(in->bytes + in->len - SUFFIX_LEN + 6) != BCD_DFUSE)
        kiln_image_note(image, "the suffix does not say DfuSe 1.1a, the content is all the same");
    if (len < DFUSE_HEADER || kiln_le32(in->bytes + 6) != len)
        return kiln_image_bad(ctx, 6,
                              "the DfuSe header says %" PRIu32 " bytes but the file has %zu",
                              kiln_le32(in->bytes + 6), len);
    targets = in->bytes[10];
    image->info.address_source = KILN_ADDRESS_FILE;
    for (unsigned i = 0; i < targets; i++)
        KILN_TRY(target(image, ctx, in->bytes, len, &at));
    if (at != len)
        return kiln_image_bad(ctx, at, "%zu bytes stand behind the last DfuSe target", len - at);
    kiln_image_why(image, "DfuSe header with %u target%s, DFU suffix with right CRC", targets,
                   targets == 1 ? "" : "s");
    return KILN_OK;
}

/* ---- prefixes ---- */

enum prefix_kind { PREFIX_NONE, PREFIX_LPC, PREFIX_TI };

static enum prefix_kind prefix_of(const uint8_t *bytes, size_t len)
{
    static const uint8_t lpc_tail[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};

    if (len > 8 && kiln_le16(bytes) == 0x0001 && kiln_le32(bytes + 4) == len - 8)
        return PREFIX_TI;
    if (len > 16 && kiln_le16(bytes) == 0x3f1a && memcmp(bytes + 4, lpc_tail, 12) == 0 &&
        kiln_le16(bytes + 2) == (len - 16 + 511) / 512)
        return PREFIX_LPC;
    return PREFIX_NONE;
}

static bool recognise_prefixed(const uint8_t *bytes, size_t len)
{
    return prefix_of(bytes, len) != PREFIX_NONE;
}

/* What stands inside is recognised in its turn. */
static enum kiln_status load_payload(struct kiln_image *image, struct kiln_ctx *ctx,
                                     const struct kiln_image_input *in, size_t skip, size_t len)
{
    struct kiln_image_input inner = *in;

    inner.bytes += skip;
    inner.origin += skip;
    inner.len = len;
    if (++inner.depth > NESTING_MAX)
        return kiln_image_bad(ctx, inner.origin, "DFU suffixes and prefixes are nested too deep");
    return kiln_image_load_any(image, ctx, &inner);
}

static enum kiln_status load_prefixed(struct kiln_image *image, struct kiln_ctx *ctx,
                                      const struct kiln_image_input *in)
{
    enum prefix_kind kind = prefix_of(in->bytes, in->len);
    size_t len = kind == PREFIX_TI ? 8 : 16;
    uint64_t address = (uint64_t)kiln_le16(in->bytes + 2) << 10;
    char why[200];

    memcpy(image->prefix, in->bytes, len);
    image->prefix_len = len;
    KILN_TRY(load_payload(image, ctx, in, len, in->len - len));
    image->info.payload = image->info.type;
    image->info.type = KILN_IMAGE_DFU;
    snprintf(why, sizeof why, "%.199s", image->info.why);
    if (kind == PREFIX_LPC) {
        kiln_image_why(image, "LPC DFU prefix; inside: %s", why);
        return KILN_OK;
    }
    if (image->info.address_source != KILN_ADDRESS_FILE) {
        for (size_t i = 0; i < image->run_count; i++)
            image->runs[i].address = address;
        image->info.address_source = KILN_ADDRESS_FILE;
    }
    kiln_image_why(image, "TI Stellaris DFU prefix for 0x%08" PRIx64 "; inside: %s", address, why);
    return KILN_OK;
}

/* ---- plain DFU ---- */

static bool recognise_dfu(const uint8_t *bytes, size_t len)
{
    return has_suffix(bytes, len);
}

static enum kiln_status load_dfu(struct kiln_image *image, struct kiln_ctx *ctx,
                                 const struct kiln_image_input *in)
{
    size_t len = 0;
    char why[200];

    KILN_TRY(take_suffix(image, ctx, in, &len));
    if (len == 0)
        return kiln_image_bad(ctx, 0, "holds nothing but a DFU suffix");
    KILN_TRY(load_payload(image, ctx, in, 0, len));
    if (image->info.type != KILN_IMAGE_DFU)
        image->info.payload = image->info.type;
    image->info.type = KILN_IMAGE_DFU;
    snprintf(why, sizeof why, "%.199s", image->info.why);
    kiln_image_why(image, "DFU suffix with right CRC; inside: %s", why);
    kiln_image_note(image,
                    "the DFU suffix of %zu bytes is not part of the firmware and was taken off",
                    in->len - len);
    return KILN_OK;
}

/* ---- writing ---- */

static enum kiln_status put_suffix(const struct kiln_image *image,
                                   const struct kiln_image_write_options *options, uint16_t bcd_dfu,
                                   struct kiln_buf *out)
{
    uint8_t s[SUFFIX_LEN - 4], crc[4];
    const struct kiln_image_info *info = &image->info;

    kiln_put_le16(s, (uint16_t)(options->bcd_device >= 0 ? options->bcd_device : info->bcd_device));
    kiln_put_le16(s + 2, (uint16_t)(options->pid >= 0 ? options->pid : info->pid));
    kiln_put_le16(s + 4, (uint16_t)(options->vid >= 0 ? options->vid : info->vid));
    kiln_put_le16(s + 6, bcd_dfu);
    memcpy(s + 8, "UFD", 3);
    s[11] = SUFFIX_LEN;
    KILN_TRY(kiln_buf_append(out, s, sizeof s));
    kiln_put_le32(crc, dfu_crc(out->data, out->len));
    return kiln_buf_append(out, crc, sizeof crc);
}

static enum kiln_status serialize_dfu(const struct kiln_image *image, struct kiln_ctx *ctx,
                                      const struct kiln_image_write_options *options,
                                      struct kiln_buf *out)
{
    KILN_TRY(kiln_buf_append(out, image->prefix, image->prefix_len));
    KILN_TRY(kiln_image_put_raw(image, ctx, options->fill, out));
    return put_suffix(image, options, 0x0100, out);
}

static enum kiln_status put_target(const struct kiln_image *image, size_t first, size_t end,
                                   struct kiln_buf *out)
{
    uint8_t header[TARGET_HEADER] = {0};
    uint64_t size = 0;

    for (size_t i = first; i < end; i++)
        size += 8 + image->segments[i].size;
    memcpy(header, "Target", 6);
    header[6] = image->segments[first].alt;
    kiln_put_le32(header + 7, 1);
    memcpy(header + 11, "ST...", 5);
    kiln_put_le32(header + 266, (uint32_t)size);
    kiln_put_le32(header + 270, (uint32_t)(end - first));
    KILN_TRY(kiln_buf_append(out, header, sizeof header));
    for (size_t i = first; i < end; i++) {
        uint8_t element_header[8];

        kiln_put_le32(element_header, (uint32_t)image->segments[i].address);
        kiln_put_le32(element_header + 4, (uint32_t)image->segments[i].size);
        KILN_TRY(kiln_buf_append(out, element_header, sizeof element_header));
        KILN_TRY(kiln_buf_append(out, image->segments[i].data, image->segments[i].size));
    }
    return KILN_OK;
}

static enum kiln_status check_dfuse(const struct kiln_image *image, struct kiln_ctx *ctx)
{
    uint64_t total = DFUSE_HEADER;

    if (image->info.address_source == KILN_ADDRESS_NONE)
        return kiln_image_needs_address(image, ctx, "DfuSe");
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct kiln_segment *s = &image->segments[i];

        if (s->address + s->size > (uint64_t)1 << 32)
            return kiln_fail(ctx, KILN_E_ARG,
                             "0x%" PRIx64 " is above what DfuSe can state (32 bits)", s->address);
        total += s->size + 8 + TARGET_HEADER;
    }
    if (total > UINT32_MAX)
        return kiln_fail(ctx, KILN_E_ARG, "is too large for DfuSe");
    return KILN_OK;
}

static enum kiln_status serialize_dfuse(const struct kiln_image *image, struct kiln_ctx *ctx,
                                        const struct kiln_image_write_options *options,
                                        struct kiln_buf *out)
{
    static const uint8_t header[DFUSE_HEADER] = {'D', 'f', 'u', 'S', 'e', 1};
    unsigned targets = 0;

    KILN_TRY(check_dfuse(image, ctx));
    KILN_TRY(kiln_buf_append(out, header, sizeof header));
    for (size_t first = 0, end; first < image->segment_count; first = end) {
        for (end = first + 1;
             end < image->segment_count && image->segments[end].alt == image->segments[first].alt;)
            end++;
        KILN_TRY(put_target(image, first, end, out));
        targets++;
    }
    if (targets > 255)
        return kiln_fail(ctx, KILN_E_ARG, "has %u targets, more than DfuSe can state", targets);
    kiln_put_le32(out->data + 6, (uint32_t)out->len);
    out->data[10] = (uint8_t)targets;
    return put_suffix(image, options, BCD_DFUSE, out);
}

const struct kiln_image_format kiln_image_format_dfuse = {.name = "DfuSe",
                                                          .type = KILN_IMAGE_DFUSE,
                                                          .recognise = recognise_dfuse,
                                                          .load = load_dfuse,
                                                          .serialize = serialize_dfuse};

const struct kiln_image_format kiln_image_format_dfu = {.name = "DFU",
                                                        .type = KILN_IMAGE_DFU,
                                                        .recognise = recognise_dfu,
                                                        .load = load_dfu,
                                                        .serialize = serialize_dfu};

const struct kiln_image_format kiln_image_format_prefixed = {.name = "DFU with a prefix",
                                                             .type = KILN_IMAGE_DFU,
                                                             .recognise = recognise_prefixed,
                                                             .load = load_prefixed};
