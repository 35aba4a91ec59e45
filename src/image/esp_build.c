/* SPDX-License-Identifier: MIT */
/*
 * ELF file to ESP image: the options against the chip, sections merged to segments, the pieces that all
 * layouts are made of. Source: ESP-IDF 5.x, App Image Format (API guide); esptool 5.2.0 for what an ELF
 * file becomes.
 */
#include "image/esp_build.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAGIC    0xe9u
#define DESCRIPTOR_SHA  0xb0u /* of an application descriptor right behind both headers */
#define SHA256_LEN      32u
#define WP_PIN_DISABLED 0xeeu

static const char *const modes[] = {"qio", "qout", "dio", "dout"};

void kiln_esp_say(const struct kiln_esp_listener *listener, enum kiln_esp_say kind,
                  const char *format, ...)
{
    char text[512];
    va_list args;

    if (listener == NULL || listener->say == NULL)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    listener->say(listener->user, kind, text);
}

/* ---- names ---- */

enum kiln_status kiln_esp_code_find(struct kiln_ctx *ctx, const char *what,
                                    const struct kiln_esp_code *codes, const char *name,
                                    uint8_t *out_code)
{
    char list[160] = "";
    size_t len = 0;

    for (size_t i = 0; codes[i].name != NULL; i++)
        if (strcmp(codes[i].name, name) == 0) {
            *out_code = codes[i].code;
            return KILN_OK;
        }
    for (size_t i = 0; codes[i].name != NULL && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "",
                                codes[i].name);
    return kiln_fail(ctx, KILN_E_ARG, "%s '%s' is not supported by this chip type; it has: %s",
                     what, name, list);
}

enum kiln_status kiln_esp_mode_find(struct kiln_ctx *ctx, const char *name, uint8_t *out_code)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(modes); i++)
        if (strcmp(modes[i], name) == 0) {
            *out_code = (uint8_t)i;
            return KILN_OK;
        }
    return kiln_fail(ctx, KILN_E_ARG, "flash mode '%s' is none of qio, qout, dio, dout", name);
}

const char *kiln_esp_mode_name(uint8_t code)
{
    return code < KILN_ARRAY_LEN(modes) ? modes[code] : NULL;
}

enum kiln_status kiln_esp_chip_named(struct kiln_ctx *ctx, const char *name,
                                     const struct kiln_chip **out_chip)
{
    *out_chip = name != NULL ? kiln_chip_find(name) : NULL;
    if (*out_chip == NULL || (*out_chip)->esp == NULL)
        return kiln_fail(ctx, KILN_E_ARG, "'%s' is no chip of Espressif", name != NULL ? name : "");
    return KILN_OK;
}

void kiln_esp_memory_names(const struct kiln_chip *chip, uint32_t address, char text[96])
{
    size_t len = 0;

    text[0] = '\0';
    if (address < 0x10000 && (chip->esp->flags & KILN_ESP_IMAGE_PLAIN) == 0)
        len = (size_t)snprintf(text, 96, "PADDING");
    for (const struct kiln_map_entry *m = chip->map; m->name != NULL && len < 96; m++)
        if (address >= m->start && address < m->end)
            len += (size_t)snprintf(text + len, 96 - len, "%s%s", len > 0 ? ", " : "", m->name);
}

bool kiln_esp_is_mapped(const struct kiln_esp_builder *b, uint32_t address)
{
    if ((b->chip->esp->flags & KILN_ESP_IMAGE_PLAIN) == 0)
        return kiln_esp_is_flash(b->chip, address);
    return b->options->version == 3 && address > kiln_esp_window(b->chip, true).start;
}

/* ---- sections to segments ---- */

static int by_address(const void *left, const void *right)
{
    const struct kiln_esp_piece *l = left, *r = right;

    if (l->address != r->address)
        return l->address < r->address ? -1 : 1;
    return l->order < r->order ? -1 : l->order > r->order;
}

void kiln_esp_sort(struct kiln_esp_piece *pieces, size_t count)
{
    if (count > 1)
        qsort(pieces, count, sizeof *pieces, by_address);
}

static size_t padded(const struct kiln_esp_piece *piece)
{
    return (size_t)kiln_round_up(piece->len, 4);
}

/* Bytes between two sections that are there only because the second is aligned. */
static size_t gap_between(const struct kiln_esp_piece *first, const struct kiln_esp_piece *second)
{
    uint64_t end = (uint64_t)first->address + padded(first);
    uint64_t aligned = second->align > 1 ? kiln_round_up(end, second->align) : end;

    return aligned == second->address ? (size_t)(aligned - end) : 0;
}

static bool same_memory(const struct kiln_chip *chip, uint32_t left, uint32_t right)
{
    char l[96], r[96];

    kiln_esp_memory_names(chip, left, l);
    kiln_esp_memory_names(chip, right, r);
    return strcmp(l, r) == 0;
}

static enum kiln_status arena_put(struct kiln_esp_builder *b, const struct kiln_esp_piece *piece)
{
    if (kiln_buf_append(&b->arena, piece->data, piece->len) != KILN_OK ||
        kiln_buf_fill(&b->arena, 0, padded(piece) - piece->len) != KILN_OK)
        return kiln_fail(b->ctx, KILN_E_NOMEM, "the image would be larger than %zu bytes",
                         b->arena.ceiling);
    return KILN_OK;
}

/* Does section `at` go on where the one before it ends? *out_gap: alignment bytes that the one before gets
 * in any case. */
static bool goes_on(const struct kiln_esp_builder *b, size_t at, bool fill, size_t *out_gap)
{
    const struct kiln_esp_piece *first = &b->sections[at - 1], *second = &b->sections[at];

    *out_gap = fill ? gap_between(first, second) : 0;
    return (uint64_t)first->address + padded(first) + *out_gap == second->address &&
           same_memory(b->rules, first->address, second->address);
}

static enum kiln_status count_segments(struct kiln_esp_builder *b, bool fill)
{
    size_t count = b->section_count > 0 ? 1 : 0, gap;

    for (size_t i = 1; i < b->section_count; i++)
        count += !goes_on(b, i, fill, &gap);
    if (count < b->section_count)
        kiln_esp_say(&b->options->listener, KILN_ESP_SAY_INFO, "Merged %zu ELF section%s.",
                     b->section_count - count, b->section_count - count > 1 ? "s" : "");
    if (count > KILN_ESP_SEGMENTS_MAX)
        return kiln_fail(b->ctx, KILN_E_FILE,
                         "Invalid segment count %zu (max 16), usually a linker script problem",
                         count);
    return KILN_OK;
}

/* Lays merged sections one behind the other in the arena. */
static enum kiln_status merge_sections(struct kiln_esp_builder *b, bool fill)
{
    size_t starts[KILN_ESP_SEGMENTS_MAX] = {0};

    KILN_TRY(count_segments(b, fill));
    for (size_t i = 0; i < b->section_count; i++) {
        size_t gap = 0;
        bool begins = i == 0 || !goes_on(b, i, fill, &gap);

        if (gap > 0)
            kiln_esp_say(&b->options->listener, KILN_ESP_SAY_NOTE,
                         "Inserting %zu bytes padding between %s and %s", gap,
                         b->sections[i - 1].name, b->sections[i].name);
        if (kiln_buf_fill(&b->arena, 0, gap) != KILN_OK)
            return kiln_fail(b->ctx, KILN_E_NOMEM, "out of memory");
        if (begins) {
            starts[b->segment_count] = b->arena.len;
            b->segment[b->segment_count++] = b->sections[i];
        }
        KILN_TRY(arena_put(b, &b->sections[i]));
    }
    for (size_t i = 0; i < b->segment_count; i++) {
        size_t end = i + 1 < b->segment_count ? starts[i + 1] : b->arena.len;

        b->segment[i].data = b->arena.data + starts[i];
        b->segment[i].len = end - starts[i];
    }
    return KILN_OK;
}

/* ---- the file ---- */

static enum kiln_status put(struct kiln_esp_builder *b, const void *bytes, size_t len)
{
    if (kiln_buf_append(&b->out, bytes, len) == KILN_OK)
        return KILN_OK;
    return kiln_fail(b->ctx, KILN_E_NOMEM, "the image would be larger than %zu bytes",
                     b->out.ceiling);
}

enum kiln_status kiln_esp_emit_header(struct kiln_esp_builder *b, unsigned segments)
{
    uint8_t header[24] = {HEADER_MAGIC, (uint8_t)segments, b->mode, b->size_freq};
    const struct kiln_esp_build_options *o = b->options;
    bool plain = b->chip == NULL || (b->chip->esp->flags & KILN_ESP_IMAGE_PLAIN) != 0;

    kiln_put_le32(header + 4, b->entry);
    if (plain)
        return put(b, header, 8);
    header[8] = WP_PIN_DISABLED;
    kiln_put_le16(header + 12, (uint16_t)b->chip->esp->chip_id);
    header[14] = o->min_rev;
    kiln_put_le16(header + 15, o->min_rev_full);
    kiln_put_le16(header + 17, o->max_rev_full);
    header[23] = !o->no_digest && !o->ram_only_header;
    return put(b, header, sizeof header);
}

/* The ELF file's SHA-256, if its place is in the segment whose header is at `start`. */
static enum kiln_status put_elf_digest(struct kiln_esp_builder *b, size_t start, size_t len)
{
    static const uint8_t zeros[SHA256_LEN];
    uint8_t *place;

    if (b->sha256_offset == 0 || b->sha256_offset < start || b->sha256_offset >= start + len)
        return KILN_OK;
    if (b->sha256_offset - start < KILN_ESP_SEGMENT_HEADER ||
        b->sha256_offset - start + SHA256_LEN > len)
        return kiln_fail(
            b->ctx, KILN_E_FILE,
            "Cannot place SHA256 digest on segment boundary (elf_sha256_offset=0x%" PRIx64
            ", segment at 0x%zx with %zu bytes)",
            b->sha256_offset, start, len);
    place = b->out.data + b->sha256_offset;
    if (memcmp(place, zeros, SHA256_LEN) != 0)
        return kiln_fail(b->ctx, KILN_E_FILE,
                         "Contents of segment at SHA256 digest offset 0x%" PRIx64
                         " are not zero; they are not overwritten",
                         b->sha256_offset);
    memcpy(place, b->sha256, SHA256_LEN);
    return KILN_OK;
}

enum kiln_status kiln_esp_emit_segment(struct kiln_esp_builder *b,
                                       const struct kiln_esp_piece *piece, size_t zeros,
                                       bool in_checksum, const char *for_name)
{
    size_t start = b->out.len, len = (piece->data != NULL ? piece->len : 0) + zeros;
    uint8_t header[KILN_ESP_SEGMENT_HEADER];

    if (len % 4 != 0)
        return kiln_fail(b->ctx, KILN_E_FILE,
                         "Invalid %s segment length 0x%zx, it has to be multiple of 4", for_name,
                         len);
    if (len >= KILN_ESP_SEGMENT_LIMIT)
        return kiln_fail(b->ctx, KILN_E_FILE,
                         "Invalid %s segment length 0x%zx, the 16 MB limit has been exceeded",
                         for_name, len);
    kiln_put_le32(header, piece->address);
    kiln_put_le32(header + 4, (uint32_t)len);
    KILN_TRY(put(b, header, sizeof header));
    if (piece->data != NULL)
        KILN_TRY(put(b, piece->data, piece->len));
    if (kiln_buf_fill(&b->out, 0, zeros) != KILN_OK)
        return kiln_fail(b->ctx, KILN_E_NOMEM, "out of memory");
    KILN_TRY(put_elf_digest(b, start, len));
    for (size_t i = start + sizeof header; in_checksum && i < b->out.len; i++)
        b->checksum ^= b->out.data[i];
    b->written++;
    return KILN_OK;
}

enum kiln_status kiln_esp_emit_checksum(struct kiln_esp_builder *b)
{
    size_t zeros = KILN_ESP_CHECKSUM_ROW - 1 - b->out.len % KILN_ESP_CHECKSUM_ROW;

    if (kiln_buf_fill(&b->out, 0, zeros) != KILN_OK)
        return kiln_fail(b->ctx, KILN_E_NOMEM, "out of memory");
    return put(b, &b->checksum, 1);
}

enum kiln_status kiln_esp_emit_digest(struct kiln_esp_builder *b)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(b->out.data, b->out.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return kiln_fail(b->ctx, KILN_E_INTERNAL, "SHA-256 is not available");
    return put(b, digest, SHA256_LEN);
}

/* ---- the whole ---- */

static enum kiln_status read_options(struct kiln_esp_builder *b)
{
    const struct kiln_esp_build_options *o = b->options;
    uint8_t size, freq = 0;

    KILN_TRY(kiln_esp_mode_find(b->ctx, o->flash_mode != NULL ? o->flash_mode : "qio", &b->mode));
    KILN_TRY(kiln_esp_code_find(b->ctx, "Flash size", b->rules->esp->sizes,
                                o->flash_size != NULL ? o->flash_size : "1MB", &size));
    if (o->flash_freq != NULL)
        KILN_TRY(kiln_esp_code_find(b->ctx, "Flash frequency", b->rules->esp->frequencies,
                                    o->flash_freq, &freq));
    b->size_freq = (uint8_t)(size + freq);
    b->page = 64 * 1024;
    return KILN_OK;
}

static enum kiln_status place_elf_digest(struct kiln_esp_builder *b)
{
    b->sha256_offset = b->options->elf_sha256_offset;
    for (size_t i = 0; b->sha256_offset == 0 && i < b->section_count; i++)
        if (strstr(b->sections[i].name, ".flash.appdesc") != NULL) {
            if (kiln_esp_is_mapped(b, b->sections[i].address))
                b->sha256_offset = DESCRIPTOR_SHA;
            break;
        }
    if (b->sha256_offset != 0 &&
        EVP_Digest(b->elf, b->elf_len, b->sha256, NULL, EVP_sha256(), NULL) != 1)
        return kiln_fail(b->ctx, KILN_E_INTERNAL, "SHA-256 is not available");
    return KILN_OK;
}

static void hand_out(struct kiln_esp_builder *b, struct kiln_esp_built *out, uint32_t offset)
{
    out->part[out->part_count++] =
        (struct kiln_esp_built_part){.bytes = b->out.data, .len = b->out.len, .offset = offset};
    b->out.data = NULL;
    b->out.len = b->out.capacity = 0;
}

static enum kiln_status lay_out(struct kiln_esp_builder *b, struct kiln_esp_built *out)
{
    uint32_t offset = 0;
    bool plain = (b->chip->esp->flags & KILN_ESP_IMAGE_PLAIN) != 0;

    if (!plain)
        KILN_TRY(kiln_esp_lay_out(b));
    else if (b->options->version == 1)
        KILN_TRY(kiln_esp_lay_out_v1(b, out));
    else if (b->options->version == 2)
        KILN_TRY(kiln_esp_lay_out_v2(b, &offset));
    else
        KILN_TRY(kiln_esp_lay_out_v3(b));
    hand_out(b, out, offset);
    out->version = plain ? b->options->version : 0;
    return KILN_OK;
}

static enum kiln_status build(struct kiln_esp_builder *b, struct kiln_esp_built *out)
{
    const struct kiln_esp_build_options *o = b->options;
    bool fill;

    KILN_TRY(kiln_esp_chip_named(b->ctx, o->chip, &b->chip));
    if (o->version < 1 || o->version > 3)
        return kiln_fail(b->ctx, KILN_E_ARG, "there is no image version %u", o->version);
    b->rules = b->chip;
    if (b->chip->esp->layout_3_rules != NULL && o->version == 3)
        KILN_TRY(kiln_esp_chip_named(b->ctx, b->chip->esp->layout_3_rules, &b->rules));
    KILN_TRY(read_options(b));
    fill = o->ram_only_header && (b->chip->esp->flags & KILN_ESP_IMAGE_PLAIN) == 0;
    kiln_esp_say(&o->listener, KILN_ESP_SAY_INFO, "Creating %s image...", b->chip->title);
    KILN_TRY(kiln_esp_read_elf(b));
    KILN_TRY(place_elf_digest(b));
    if (o->ram_only_header) {
        kiln_esp_say(&o->listener, KILN_ESP_SAY_INFO,
                     "Image has only RAM segments visible. ROM segments are hidden and SHA256 "
                     "digest is not appended.");
        kiln_esp_sort(b->sections, b->section_count);
    }
    KILN_TRY(merge_sections(b, fill));
    KILN_TRY(lay_out(b, out));
    kiln_esp_say(&o->listener, KILN_ESP_SAY_INFO, "Successfully created %s image.", b->chip->title);
    return KILN_OK;
}

enum kiln_status kiln_esp_build(const uint8_t *elf, size_t len,
                                const struct kiln_esp_build_options *options,
                                struct kiln_esp_built *out, struct kiln_error *out_error)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_esp_builder b = {.ctx = &ctx,
                                 .options = options,
                                 .elf = elf,
                                 .elf_len = len,
                                 .checksum = KILN_ESP_CHECKSUM_SEED};
    enum kiln_status status;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    kiln_buf_init(&b.arena, KILN_ESP_BUILD_MAX);
    kiln_buf_init(&b.out, KILN_ESP_BUILD_MAX);
    *out = (struct kiln_esp_built){0};
    status = build(&b, out);
    if (status != KILN_OK)
        kiln_esp_built_free(out);
    if (status != KILN_OK && out_error != NULL)
        *out_error = ctx.error;
    kiln_buf_dispose(&b.arena);
    kiln_buf_dispose(&b.out);
    free(b.sections);
    return status;
}

void kiln_esp_built_free(struct kiln_esp_built *built)
{
    for (size_t i = 0; i < built->part_count; i++)
        free(built->part[i].bytes);
    *built = (struct kiln_esp_built){0};
}

static enum kiln_status assemble(struct kiln_esp_builder *b, const struct kiln_esp_blob *blobs,
                                 size_t count)
{
    if (count == 0 || count > KILN_ESP_SEGMENTS_MAX)
        return kiln_fail(b->ctx, KILN_E_ARG, "an image has 1 to 16 segments, not %zu", count);
    KILN_TRY(kiln_esp_emit_header(b, (unsigned)count));
    for (size_t i = 0; i < count; i++) {
        struct kiln_esp_piece piece = {
            .data = blobs[i].bytes, .len = blobs[i].len, .address = blobs[i].address};

        KILN_TRY(kiln_esp_emit_segment(b, &piece, padded(&piece) - piece.len, true, "given"));
    }
    return kiln_esp_emit_checksum(b);
}

enum kiln_status kiln_esp_assemble(const struct kiln_esp_blob *blobs, size_t count, uint32_t entry,
                                   uint8_t **out_bytes, size_t *out_len,
                                   struct kiln_error *out_error)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_esp_builder b = {.ctx = &ctx, .entry = entry, .checksum = KILN_ESP_CHECKSUM_SEED};
    enum kiln_status status;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    kiln_buf_init(&b.out, KILN_ESP_BUILD_MAX);
    status = assemble(&b, blobs, count);
    if (status == KILN_OK) {
        *out_bytes = b.out.data;
        *out_len = b.out.len;
        return KILN_OK;
    }
    if (out_error != NULL)
        *out_error = ctx.error;
    kiln_buf_dispose(&b.out);
    return status;
}
