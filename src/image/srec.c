/* SPDX-License-Identifier: MIT */
/* Motorola S-records. Source: Motorola, M68000 Family Programmer's Reference Manual, revision 1, appendix C. */
#include "image/format.h"
#include "image/text.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct srec {
    uint64_t data_records;
    bool ended;
};

static bool recognise(const uint8_t *bytes, size_t len)
{
    size_t at = kiln_text_skip_blank(bytes, len, 0);

    if (len - at < 10 || bytes[at] != 'S' || bytes[at + 1] < '0' || bytes[at + 1] > '9')
        return false;
    for (size_t i = 2; i < 10; i++) {
        if (kiln_text_nibble(bytes[at + i]) < 0)
            return false;
    }
    return true;
}

/* Bytes of the address of record S0..S9; 0: there is no such record. */
static const uint8_t address_bytes[10] = {2, 2, 3, 4, 0, 2, 3, 4, 3, 2};

static uint32_t be_number(const uint8_t *p, size_t bytes)
{
    uint32_t v = 0;

    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static enum kiln_status check_record(struct kiln_ctx *ctx, const struct kiln_text_record *r)
{
    uint8_t sum = 0;
    size_t address = address_bytes[r->kind - '0'];

    if (address == 0)
        return kiln_text_bad(ctx, r, "there is no S%c record", r->kind);
    if (r->count < 1 || r->count != (size_t)r->bytes[0] + 1 || r->bytes[0] < address + 1)
        return kiln_text_bad(ctx, r, "the record is %zu bytes long but its length says %u",
                             r->count, r->count > 0 ? r->bytes[0] + 1u : 4u);
    for (size_t i = 0; i < r->count; i++)
        sum = (uint8_t)(sum + r->bytes[i]);
    if (sum != 0xff) {
        uint8_t stated = r->bytes[r->count - 1];

        return kiln_text_bad(ctx, r, "wrong checksum %02X, should be %02X", stated,
                             (uint8_t)(stated + 0xff - sum));
    }
    return KILN_OK;
}

static enum kiln_status one_record(struct kiln_image *image, struct kiln_ctx *ctx,
                                   struct srec *state, const struct kiln_text_record *r)
{
    size_t address = address_bytes[r->kind - '0'];
    size_t count = r->count - 2 - address;
    uint32_t number = be_number(r->bytes + 1, address);
    const uint8_t *data = r->bytes + 1 + address;
    char header[80];

    switch (r->kind) {
    case '0':
        kiln_image_text(header, sizeof header, data, count);
        if (header[0] != '\0')
            kiln_image_note(image, "header: %s", header);
        return KILN_OK;
    case '5':
    case '6':
        if (number != (state->data_records & (r->kind == '5' ? 0xffff : 0xffffff)))
            return kiln_text_bad(ctx, r, "the file says %" PRIu32 " data records, but has %" PRIu64,
                                 number, state->data_records);
        return KILN_OK;
    case '7':
    case '8':
    case '9':
        image->info.entry = number;
        state->ended = true;
        return KILN_OK;
    default:
        state->data_records++;
        if ((uint64_t)number + count > (uint64_t)1 << 32)
            return kiln_text_bad(ctx, r, "data runs past the 32-bit address range");
        return kiln_image_add(image, ctx, 0, number, data, count, r->line);
    }
}

static enum kiln_status load(struct kiln_image *image, struct kiln_ctx *ctx,
                             const struct kiln_image_input *in)
{
    struct srec state = {0};
    struct kiln_text text;
    struct kiln_text_record record;
    enum kiln_text_line kind;

    image->place_unit = "line";
    image->info.address_source = KILN_ADDRESS_FILE;
    image->info.has_checksum = true;
    kiln_text_init(&text, in->bytes, in->len, 'S');
    while ((kind = kiln_text_next(&text, &record)) != KILN_TEXT_END) {
        if (kind == KILN_TEXT_BAD)
            return kiln_text_bad(ctx, &record, "%s", text.problem);
        if (state.ended)
            return kiln_text_bad(ctx, &record, "data behind the end record");
        KILN_TRY(check_record(ctx, &record));
        KILN_TRY(one_record(image, ctx, &state, &record));
    }
    if (!state.ended)
        return kiln_image_bad(
            ctx, in->len, "line %zu: the file ends without an S7, S8 or S9 record: it is cut short",
            text.line);
    kiln_image_why(image, "S-records, %" PRIu64 " data records, checksums right",
                   state.data_records);
    return KILN_OK;
}

/* ---- writing ---- */

static enum kiln_status put_record(struct kiln_buf *out, char kind, uint32_t address,
                                   const uint8_t *data, size_t count)
{
    uint8_t record[1 + 4 + 64 + 1], sum = 0;
    size_t width = address_bytes[kind - '0'], len = 1 + width + count;
    char mark[3] = {'S', kind, '\0'};

    record[0] = (uint8_t)(width + count + 1);
    for (size_t i = 0; i < width; i++)
        record[1 + i] = (uint8_t)(address >> (8 * (width - 1 - i)));
    memcpy(record + 1 + width, data, count);
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + record[i]);
    record[len] = (uint8_t)~sum;
    return kiln_text_put(out, mark, record, len + 1);
}

static enum kiln_status serialize(const struct kiln_image *image, struct kiln_ctx *ctx,
                                  const struct kiln_image_write_options *options,
                                  struct kiln_buf *out)
{
    uint64_t highest = 0;
    uint32_t entry = image->info.entry <= UINT32_MAX ? (uint32_t)image->info.entry : 0;
    char data_kind;

    (void)options;
    KILN_TRY(kiln_image_needs_address(image, ctx, "S-records"));
    for (size_t i = 0; i < image->segment_count; i++)
        highest = KILN_MAX(highest, image->segments[i].address + image->segments[i].size - 1);
    highest = KILN_MAX(highest, entry);
    if (highest > UINT32_MAX)
        return kiln_fail(ctx, KILN_E_ARG,
                         "0x%" PRIx64 " is above what S-records can state (32 bits)", highest);
    data_kind = highest > 0xffffff ? '3' : highest > 0xffff ? '2' : '1';
    KILN_TRY(put_record(out, '0', 0, (const uint8_t *)"kiln", 4));
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct kiln_segment *s = &image->segments[i];

        for (size_t done = 0; done < s->size; done += 16)
            KILN_TRY(put_record(out, data_kind, (uint32_t)(s->address + done), s->data + done,
                                KILN_MIN(s->size - done, (size_t)16)));
    }
    return put_record(out, (char)('0' + '9' + 1 - data_kind), entry, (const uint8_t *)"", 0);
}

const struct kiln_image_format kiln_image_format_srec = {.name = "S-records",
                                                         .type = KILN_IMAGE_SREC,
                                                         .recognise = recognise,
                                                         .load = load,
                                                         .serialize = serialize};
