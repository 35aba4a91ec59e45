/* SPDX-License-Identifier: MIT */
/* Intel HEX. Source: Intel, Hexadecimal Object File Format Specification, revision A, 1988. */
#include "image/format.h"
#include "image/text.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum record_type {
    RECORD_DATA,
    RECORD_END,
    RECORD_SEGMENT_BASE, /* bits 4..19 */
    RECORD_CS_IP,
    RECORD_LINEAR_BASE, /* bits 16..31 */
    RECORD_EIP
};

struct ihex {
    uint64_t base;
    bool segmented; /* offsets wrap at 64 KiB */
    bool ended;
};

static bool recognise(const uint8_t *bytes, size_t len)
{
    size_t at = kiln_text_skip_blank(bytes, len, 0);

    if (len - at < 11 || bytes[at] != ':')
        return false;
    for (size_t i = 1; i < 11; i++) {
        if (kiln_text_nibble(bytes[at + i]) < 0)
            return false;
    }
    return true;
}

static enum kiln_status data_record(struct kiln_image *image, struct kiln_ctx *ctx,
                                    const struct ihex *state, const struct kiln_text_record *r)
{
    uint32_t offset = kiln_be16(r->bytes + 1);
    uint8_t count = r->bytes[0];

    if (state->segmented && offset + count > 0x10000)
        return kiln_text_bad(ctx, r, "data runs over the end of a 64 KiB segment");
    if (state->base + offset + count > (uint64_t)1 << 32)
        return kiln_text_bad(ctx, r, "data runs past the 32-bit address range");
    return kiln_image_add(image, ctx, 0, state->base + offset, r->bytes + 4, count, r->line);
}

static enum kiln_status other_record(struct kiln_image *image, struct kiln_ctx *ctx,
                                     struct ihex *state, const struct kiln_text_record *r)
{
    static const uint8_t wanted[] = {[RECORD_END] = 0,
                                     [RECORD_SEGMENT_BASE] = 2,
                                     [RECORD_CS_IP] = 4,
                                     [RECORD_LINEAR_BASE] = 2,
                                     [RECORD_EIP] = 4};
    uint8_t type = r->bytes[3];
    const uint8_t *data = r->bytes + 4;

    if (type >= 0x0a && type <= 0x0e)
        return kiln_text_bad(ctx, r,
                             "record type %02X belongs to a universal hex file for several boards; "
                             "take the file for one board",
                             type);
    if (type > RECORD_EIP)
        return kiln_text_bad(ctx, r, "unknown record type %02X", type);
    if (r->bytes[0] != wanted[type])
        return kiln_text_bad(ctx, r, "record type %02X has %u data bytes instead of %u", type,
                             r->bytes[0], wanted[type]);
    switch ((enum record_type)type) {
    case RECORD_END:
        state->ended = true;
        break;
    case RECORD_SEGMENT_BASE:
        state->base = (uint64_t)kiln_be16(data) << 4;
        state->segmented = true;
        break;
    case RECORD_LINEAR_BASE:
        state->base = (uint64_t)kiln_be16(data) << 16;
        state->segmented = false;
        break;
    case RECORD_CS_IP:
        image->info.entry = ((uint64_t)kiln_be16(data) << 4) + kiln_be16(data + 2);
        break;
    case RECORD_EIP:
        image->info.entry = kiln_be32(data);
        break;
    case RECORD_DATA:
        break;
    }
    return KILN_OK;
}

static enum kiln_status one_record(struct kiln_image *image, struct kiln_ctx *ctx,
                                   struct ihex *state, const struct kiln_text_record *r)
{
    uint8_t sum = 0;

    if (r->count < 5 || r->count != (size_t)r->bytes[0] + 5)
        return kiln_text_bad(ctx, r, "the record is %zu bytes long but its length says %u",
                             r->count, r->count > 0 ? r->bytes[0] + 5u : 5u);
    for (size_t i = 0; i < r->count; i++)
        sum = (uint8_t)(sum + r->bytes[i]);
    if (sum != 0) {
        uint8_t stated = r->bytes[r->count - 1];

        return kiln_text_bad(ctx, r, "wrong checksum %02X, should be %02X", stated,
                             (uint8_t)(stated - sum));
    }
    if (r->bytes[3] == RECORD_DATA)
        return data_record(image, ctx, state, r);
    return other_record(image, ctx, state, r);
}

static enum kiln_status load(struct kiln_image *image, struct kiln_ctx *ctx,
                             const struct kiln_image_input *in)
{
    struct ihex state = {0};
    struct kiln_text text;
    struct kiln_text_record record;
    enum kiln_text_line kind;

    image->place_unit = "line";
    image->info.address_source = KILN_ADDRESS_FILE;
    image->info.has_checksum = true;
    kiln_text_init(&text, in->bytes, in->len, ':');
    while ((kind = kiln_text_next(&text, &record)) != KILN_TEXT_END) {
        if (kind == KILN_TEXT_BAD)
            return kiln_text_bad(ctx, &record, "%s", text.problem);
        if (state.ended)
            return kiln_text_bad(ctx, &record, "data behind the end record");
        KILN_TRY(one_record(image, ctx, &state, &record));
    }
    if (!state.ended)
        return kiln_image_bad(ctx, in->len,
                              "line %zu: the file ends without an end record: it is cut short",
                              text.line);
    kiln_image_why(image, "Intel HEX, %zu lines, checksums right", text.line);
    return KILN_OK;
}

/* ---- writing ---- */

static enum kiln_status put_record(struct kiln_buf *out, uint8_t type, uint16_t offset,
                                   const uint8_t *data, uint8_t count)
{
    uint8_t record[4 + 255 + 1], sum = 0;
    size_t len = (size_t)count + 4;

    record[0] = count;
    kiln_put_be16(record + 1, offset);
    record[3] = type;
    memcpy(record + 4, data, count);
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + record[i]);
    record[len] = (uint8_t)-sum;
    return kiln_text_put(out, ":", record, len + 1);
}

static enum kiln_status put_segment(struct kiln_ctx *ctx, const struct kiln_segment *segment,
                                    uint64_t *base, struct kiln_buf *out)
{
    if (segment->address + segment->size > (uint64_t)1 << 32)
        return kiln_fail(ctx, KILN_E_ARG,
                         "0x%" PRIx64 " is above what Intel HEX can state (32 bits)",
                         segment->address);
    for (size_t done = 0; done < segment->size;) {
        uint64_t at = segment->address + done;
        size_t count = KILN_MIN(segment->size - done, (size_t)16);

        count = KILN_MIN(count, (size_t)(0x10000 - (at & 0xffff)));
        if (at >> 16 != *base) {
            uint8_t upper[2];

            *base = at >> 16;
            kiln_put_be16(upper, (uint16_t)*base);
            KILN_TRY(put_record(out, RECORD_LINEAR_BASE, 0, upper, 2));
        }
        KILN_TRY(put_record(out, RECORD_DATA, (uint16_t)at, segment->data + done, (uint8_t)count));
        done += count;
    }
    return KILN_OK;
}

static enum kiln_status serialize(const struct kiln_image *image, struct kiln_ctx *ctx,
                                  const struct kiln_image_write_options *options,
                                  struct kiln_buf *out)
{
    uint64_t base = 0;

    (void)options;
    KILN_TRY(kiln_image_needs_address(image, ctx, "Intel HEX"));
    for (size_t i = 0; i < image->segment_count; i++)
        KILN_TRY(put_segment(ctx, &image->segments[i], &base, out));
    if (image->info.entry <= UINT32_MAX) {
        uint8_t entry[4];

        kiln_put_be32(entry, (uint32_t)image->info.entry);
        KILN_TRY(put_record(out, RECORD_EIP, 0, entry, 4));
    }
    return put_record(out, RECORD_END, 0, (const uint8_t *)"", 0);
}

const struct kiln_image_format kiln_image_format_ihex = {.name = "Intel HEX",
                                                         .type = KILN_IMAGE_IHEX,
                                                         .recognise = recognise,
                                                         .load = load,
                                                         .serialize = serialize};
