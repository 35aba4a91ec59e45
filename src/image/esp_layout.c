/* SPDX-License-Identifier: MIT */
/*
 * The layout of images for chips that map flash by pages: the data of a flash segment must stand at the same
 * place in its page in the file as in memory. What is missing up to there is filled with pieces of the RAM
 * segments, whose place does not matter.
 */
#include "image/esp_build.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <string.h>

#define SIGNATURE_V1 (32u + 4u + 64u + 12u) /* digest, version, signature, rest of its row */
#define SIGNATURE_V2 32u                    /* digest; the signature has a sector of its own */
#define TAIL         0x24u

/* The piece of that name goes to the front: the loader looks for descriptors there. */
static void to_front(struct kiln_esp_piece *pieces, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        struct kiln_esp_piece piece = pieces[i];

        if (strcmp(piece.name, name) != 0)
            continue;
        memmove(pieces + 1, pieces, i * sizeof *pieces);
        pieces[0] = piece;
        return;
    }
}

static void sort_out(struct kiln_esp_builder *b, struct kiln_esp_sorted *s)
{
    struct kiln_esp_piece sorted[KILN_ESP_SEGMENTS_MAX];

    memcpy(sorted, b->segment, sizeof sorted);
    kiln_esp_sort(sorted, b->segment_count);
    s->flash_count = s->ram_count = 0;
    for (size_t i = 0; i < b->segment_count; i++) {
        if (kiln_esp_is_flash(b->chip, sorted[i].address))
            s->flash[s->flash_count++] = sorted[i];
        else
            s->ram[s->ram_count++] = sorted[i];
    }
    to_front(s->flash, s->flash_count, ".flash.appdesc");
    to_front(s->ram, s->ram_count, ".dram0.bootdesc");
}

enum kiln_status kiln_esp_check_pages(struct kiln_esp_builder *b, const struct kiln_esp_sorted *s)
{
    for (size_t i = 1; i < s->flash_count; i++) {
        uint32_t last = s->flash[i - 1].address, address = s->flash[i].address;

        if (address / b->page == last / b->page)
            return kiln_fail(b->ctx, KILN_E_FILE,
                             "Segment loaded at 0x%08" PRIx32 " lands in same %" PRIu32
                             " KB flash mapping as segment loaded at 0x%08" PRIx32
                             "; change the linker script so that they are one section",
                             address, b->page / 1024, last);
    }
    return KILN_OK;
}

/* Bytes of data that a segment before this one must have, so that this one's data stand right. */
static size_t bytes_missing(const struct kiln_esp_builder *b, uint32_t address)
{
    int64_t page = b->page;
    int64_t past = (int64_t)(address % b->page) - KILN_ESP_SEGMENT_HEADER;
    int64_t len = page - (int64_t)(b->out.len % b->page) + past;

    if (len == 0 || len == page)
        return 0;
    len -= KILN_ESP_SEGMENT_HEADER;
    return (size_t)(len < 0 ? len + page : len);
}

/* Must hold right before a flash segment is written; `shift`: where the file will be in flash. */
static enum kiln_status check_place(struct kiln_esp_builder *b, const struct kiln_esp_piece *piece,
                                    uint32_t shift)
{
    if ((b->out.len + KILN_ESP_SEGMENT_HEADER + shift) % b->page == piece->address % b->page)
        return KILN_OK;
    return kiln_fail(b->ctx, KILN_E_FILE,
                     "segment %s at 0x%08" PRIx32 " cannot be aligned to its %" PRIu32
                     " KB page: the header of a padding segment is all that fits before it",
                     piece->name, piece->address, b->page / 1024);
}

static enum kiln_status put_flash(struct kiln_esp_builder *b, const struct kiln_esp_piece *piece,
                                  bool in_checksum)
{
    size_t over = (b->out.len + piece->len + KILN_ESP_SEGMENT_HEADER) % b->page;
    bool short_tail = (b->chip->esp->flags & KILN_ESP_IMAGE_TAIL) != 0 && over < TAIL;

    return kiln_esp_emit_segment(b, piece, short_tail ? TAIL - over : 0, in_checksum, piece->name);
}

/* Fills up with the beginning of the first RAM segment, or with zeros where that does not do. */
static enum kiln_status put_filler(struct kiln_esp_builder *b, struct kiln_esp_sorted *s,
                                   size_t len, const char *for_name)
{
    struct kiln_esp_piece filler = {.name = for_name};
    size_t part;

    if (s->ram_count == 0 || len <= KILN_ESP_SEGMENT_HEADER)
        return kiln_esp_emit_segment(b, &filler, len, true, for_name);
    part = KILN_MIN(len, s->ram[0].len);
    filler = s->ram[0];
    filler.len = part;
    s->ram[0].data += part;
    s->ram[0].len -= part;
    s->ram[0].address += (uint32_t)len;
    if (s->ram[0].len == 0) {
        s->ram_count--;
        memmove(s->ram, s->ram + 1, s->ram_count * sizeof s->ram[0]);
    }
    return kiln_esp_emit_segment(b, &filler, 0, true, for_name);
}

static enum kiln_status put_all(struct kiln_esp_builder *b, struct kiln_esp_sorted *s)
{
    for (size_t i = 0; i < s->flash_count; i++) {
        const struct kiln_esp_piece *piece = &s->flash[i];
        size_t missing;

        while ((missing = bytes_missing(b, piece->address)) > 0)
            KILN_TRY(put_filler(b, s, missing, piece->name));
        KILN_TRY(check_place(b, piece, 0));
        KILN_TRY(put_flash(b, piece, true));
    }
    for (size_t i = 0; i < s->ram_count; i++)
        KILN_TRY(kiln_esp_emit_segment(b, &s->ram[i], 0, true, s->ram[i].name));
    return KILN_OK;
}

static enum kiln_status put_ram_only(struct kiln_esp_builder *b, const struct kiln_esp_sorted *s)
{
    uint32_t boot = b->chip->esp->boot_offset;

    for (size_t i = 0; i < s->ram_count; i++)
        KILN_TRY(kiln_esp_emit_segment(b, &s->ram[i], 0, true, s->ram[i].name));
    KILN_TRY(kiln_esp_emit_checksum(b));
    for (size_t i = s->flash_count; i-- > 0;) {
        const struct kiln_esp_piece *piece = &s->flash[i];
        struct kiln_esp_piece filler = {.name = piece->name};
        size_t missing = bytes_missing(b, piece->address);

        if (missing < boot)
            missing += b->page;
        if (missing < boot)
            return check_place(b, piece, boot);
        KILN_TRY(kiln_esp_emit_segment(b, &filler, missing - boot, false, piece->name));
        KILN_TRY(check_place(b, piece, boot));
        KILN_TRY(put_flash(b, piece, false));
    }
    return KILN_OK;
}

static enum kiln_status put_secure_pad(struct kiln_esp_builder *b, unsigned behind)
{
    struct kiln_esp_piece filler = {.name = "padding"};
    int64_t page = b->page;
    int64_t past = (int64_t)((b->out.len + KILN_ESP_SEGMENT_HEADER) % b->page);
    int64_t len = (page - past - KILN_ESP_CHECKSUM_ROW - (int64_t)behind) % page;

    return kiln_esp_emit_segment(b, &filler, (size_t)(len < 0 ? len + page : len), true,
                                 filler.name);
}

/* Bytes that signing adds behind the checksum, 0: not to be padded. */
static unsigned signature_len(const struct kiln_esp_builder *b)
{
    switch (b->options->secure_pad) {
    case KILN_ESP_SECURE_PAD_V1:
        return (b->chip->esp->flags & KILN_ESP_SECURE_BOOT_V1) != 0 ? SIGNATURE_V1 : 0;
    case KILN_ESP_SECURE_PAD_V2:
        return SIGNATURE_V2;
    case KILN_ESP_SECURE_PAD_NONE:
        break;
    }
    return 0;
}

static enum kiln_status pad_file(struct kiln_esp_builder *b)
{
    uint64_t unit = b->options->pad_to_size;
    uint64_t end = unit != 0 ? kiln_round_up(b->out.len, unit) : b->out.len;

    if (end < b->out.len || end > b->out.ceiling ||
        kiln_buf_fill(&b->out, 0xff, (size_t)(end - b->out.len)) != KILN_OK)
        return kiln_fail(b->ctx, KILN_E_ARG, "%" PRIu64 " bytes are too many to pad to", unit);
    return KILN_OK;
}

enum kiln_status kiln_esp_lay_out(struct kiln_esp_builder *b)
{
    const struct kiln_esp_build_options *o = b->options;
    bool digest = !o->no_digest && !o->ram_only_header;
    unsigned behind = signature_len(b);
    struct kiln_esp_sorted sorted;

    if (behind != 0 && !digest)
        return kiln_fail(
            b->ctx, KILN_E_ARG,
            "secure_pad only applies if a SHA-256 digest is also appended to the image");
    sort_out(b, &sorted);
    KILN_TRY(kiln_esp_check_pages(b, &sorted));
    KILN_TRY(kiln_esp_emit_header(b, 0));
    if (o->ram_only_header) {
        KILN_TRY(put_ram_only(b, &sorted));
        b->out.data[1] = (uint8_t)sorted.ram_count;
        return pad_file(b);
    }
    KILN_TRY(put_all(b, &sorted));
    if (behind != 0)
        KILN_TRY(put_secure_pad(b, behind));
    KILN_TRY(kiln_esp_emit_checksum(b));
    if (behind != 0 && (b->out.len + behind) % b->page != 0)
        return kiln_fail(b->ctx, KILN_E_INTERNAL, "the padded image does not end on a page");
    b->out.data[1] = (uint8_t)b->written;
    if (digest)
        KILN_TRY(kiln_esp_emit_digest(b));
    return pad_file(b);
}
