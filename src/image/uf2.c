/* SPDX-License-Identifier: MIT */
/* UF2. Source: Microsoft, USB Flashing Format (UF2), README and utils/uf2families.json; RP2350 datasheet
 * 5.5 for its families; esptool 5.2.0 documentation for the MD5 part. */
#include "image/format.h"

#include "base/bytes.h"
#include "chip/chip.h"
#include "chip/esp.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#define BLOCK       512u
#define HEADER      32u
#define PAYLOAD_MAX 476u
#define MAGIC_START 0x0a324655u
#define MAGIC_NEXT  0x9e5d5157u
#define MAGIC_END   0x0ab16f30u

#define FLAG_NOT_MAIN_FLASH 0x00000001u
#define FLAG_FILE_CONTAINER 0x00001000u
#define FLAG_FAMILY         0x00002000u
#define FLAG_MD5            0x00004000u

/* A block with this family tells the RP2350 to ignore its own erratum and holds no firmware. */
#define FAMILY_RP2350_ABSOLUTE 0xe48bff57u

/* Families that are no ESP chip's (those are in the chip rows). A chip is named only where the family is one
 * chip or one line of chips. */
static const struct {
    uint32_t family;
    const char *chip;
} families[] = {
    {0xe48bff56, "rp2040"},      {0xe48bff57, "rp2350"},      {0xe48bff58, "rp2350"},
    {0xe48bff59, "rp2350"},      {0xe48bff5a, "rp2350"},      {0xe48bff5b, "rp2350"},
    {0x68ed2b88, "samd21"},      {0x55114460, "samd51"},      {0x1851780a, "saml21"},
    {0x1b57745f, "nrf52"},       {0x621e937a, "nrf52833"},    {0xada52840, "nrf52840"},
    {0x647824b6, "stm32f0"},     {0x5ee21072, "stm32f1"},     {0x5d1a0a2e, "stm32f2"},
    {0x6b846188, "stm32f3"},     {0x57755a57, "stm32f4"},     {0x6d0922fa, "stm32f407"},
    {0x8fb060fe, "stm32f407vg"}, {0x06d1097b, "stm32f411xe"}, {0x2dc309c5, "stm32f411xc"},
    {0x53b80f00, "stm32f7"},     {0x300f5633, "stm32g0"},     {0x4c71240a, "stm32g4"},
    {0x6db66082, "stm32h7"},     {0x202e3a91, "stm32l0"},     {0x1e1f432d, "stm32l1"},
    {0x00ff6919, "stm32l4"},     {0x04240bdf, "stm32l5"},     {0x70d16653, "stm32wb"},
    {0x21460ff0, "stm32wl"},     {0x2abc77ec, "lpc55"},       {0x16573617, "atmega32"},
    {0x9af03e33, "gd32vf103"},   {0x4fb2d5bd, "mimxrt10xx"},
};

static const char *chip_of(uint32_t family)
{
    const struct kiln_chip *chip;

    for (size_t i = 0; i < KILN_ARRAY_LEN(families); i++) {
        if (families[i].family == family)
            return families[i].chip;
    }
    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++) {
        if (chip->esp != NULL && chip->esp->uf2_family == family)
            return chip->name;
    }
    return NULL;
}

struct uf2_block {
    uint32_t flags, address, size, number, count, family;
    const uint8_t *data;
};

static bool recognise(const uint8_t *bytes, size_t len)
{
    return len >= 8 && kiln_le32(bytes) == MAGIC_START && kiln_le32(bytes + 4) == MAGIC_NEXT;
}

static enum kiln_status read_block(struct kiln_ctx *ctx, const uint8_t *p, size_t at,
                                   struct uf2_block *out)
{
    if (kiln_le32(p) != MAGIC_START || kiln_le32(p + 4) != MAGIC_NEXT ||
        kiln_le32(p + 508) != MAGIC_END)
        return kiln_image_bad(ctx, at, "block %zu: wrong magic number: the file is damaged there",
                              at / BLOCK);
    *out = (struct uf2_block){.flags = kiln_le32(p + 8),
                              .address = kiln_le32(p + 12),
                              .size = kiln_le32(p + 16),
                              .number = kiln_le32(p + 20),
                              .count = kiln_le32(p + 24),
                              .data = p + HEADER};
    if (out->flags & FLAG_FAMILY)
        out->family = kiln_le32(p + 28);
    if (out->size > PAYLOAD_MAX || ((out->flags & FLAG_MD5) && out->size > PAYLOAD_MAX - 24))
        return kiln_image_bad(ctx, at, "block %zu: payload of %" PRIu32 " bytes is too large",
                              at / BLOCK, out->size);
    if (out->number >= out->count)
        return kiln_image_bad(ctx, at, "block %zu: is numbered %" PRIu32 " of %" PRIu32, at / BLOCK,
                              out->number, out->count);
    if ((uint64_t)out->address + out->size > (uint64_t)1 << 32)
        return kiln_image_bad(ctx, at, "block %zu: runs past the 32-bit address range", at / BLOCK);
    return KILN_OK;
}

/* The MD5 part states address, length and MD5 of a region; here of the block's own bytes, as esptool writes
 * it. A region that reaches over the block is the bootloader's business. */
static enum kiln_status check_md5(struct kiln_ctx *ctx, const struct uf2_block *block, size_t at)
{
    const uint8_t *part = block->data + PAYLOAD_MAX - 24;
    uint32_t address = kiln_le32(part), size = kiln_le32(part + 4);
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (address < block->address || size > block->size ||
        address - block->address > block->size - size)
        return KILN_OK;
    if (EVP_Digest(block->data + (address - block->address), size, digest, NULL, EVP_md5(), NULL) !=
        1)
        return kiln_fail(ctx, KILN_E_INTERNAL, "MD5 is not available");
    if (memcmp(digest, part + 8, 16) != 0)
        return kiln_image_bad(ctx, at, "block %zu: its MD5 does not match its bytes", at / BLOCK);
    return KILN_OK;
}

struct uf2_state {
    uint32_t family; /* of the blocks taken */
    bool have_family;
    uint64_t taken, numbered, expected; /* blocks; count field of those taken */
    uint64_t not_flash, other_family;
    bool md5;
};

static enum kiln_status wrong_family(struct kiln_ctx *ctx, uint32_t first, uint32_t second)
{
    const char *a = chip_of(first), *b = chip_of(second);

    return kiln_fail(ctx, KILN_E_ARG,
                     "holds firmware for several chips (family %08" PRIx32 "%s%s and %08" PRIx32
                     "%s%s); choose one of these families",
                     first, a ? " " : "", a ? a : "", second, b ? " " : "", b ? b : "");
}

static enum kiln_status one_block(struct kiln_image *image, struct kiln_ctx *ctx,
                                  const struct kiln_image_input *in, struct uf2_state *state,
                                  size_t at)
{
    struct uf2_block block = {0};

    KILN_TRY(read_block(ctx, in->bytes + at, at, &block));
    if ((block.flags & (FLAG_NOT_MAIN_FLASH | FLAG_FILE_CONTAINER)) != 0) {
        state->not_flash++;
        return KILN_OK;
    }
    if (block.family == FAMILY_RP2350_ABSOLUTE && block.count <= 2) {
        state->not_flash++;
        return KILN_OK;
    }
    if (in->options->uf2_family != 0 && block.family != in->options->uf2_family) {
        state->other_family++;
        return KILN_OK;
    }
    if (state->have_family && block.family != state->family)
        return wrong_family(ctx, state->family, block.family);
    state->family = block.family;
    state->have_family = true;
    if (block.flags & FLAG_MD5) {
        state->md5 = true;
        KILN_TRY(check_md5(ctx, &block, at));
    }
    /* Numbering starts again with every file in a concatenation: each run has to be whole. */
    state->taken++;
    if (state->numbered == 0)
        state->expected = block.count;
    if (block.count != state->expected)
        return kiln_image_bad(ctx, at,
                              "block %zu: only %" PRIu64 " of %" PRIu64
                              " blocks came before it: the file is incomplete",
                              at / BLOCK, state->numbered, state->expected);
    if (++state->numbered == state->expected)
        state->numbered = 0;
    return kiln_image_add(image, ctx, 0, block.address, block.data, block.size, at / BLOCK);
}

static enum kiln_status load(struct kiln_image *image, struct kiln_ctx *ctx,
                             const struct kiln_image_input *in)
{
    struct uf2_state state = {0};

    image->place_unit = "block";
    image->info.address_source = KILN_ADDRESS_FILE;
    if (in->len % BLOCK != 0)
        return kiln_image_bad(ctx, in->len - in->len % BLOCK,
                              "its length %zu is no multiple of 512: it is cut short", in->len);
    for (size_t at = 0; at < in->len; at += BLOCK)
        KILN_TRY(one_block(image, ctx, in, &state, at));
    if (state.numbered != 0)
        return kiln_image_bad(ctx, in->len,
                              "holds %" PRIu64 " of %" PRIu64 " blocks: it is incomplete",
                              state.numbered, state.expected);
    if (state.taken == 0 && state.other_family > 0)
        return kiln_fail(ctx, KILN_E_ARG, "has no blocks of family %08" PRIx32,
                         in->options->uf2_family);
    image->info.uf2_family = state.family;
    image->info.chip = chip_of(state.family);
    image->info.has_checksum = state.md5;
    if (state.family != 0)
        kiln_image_why(image, "UF2, %zu blocks, family %08" PRIx32, in->len / BLOCK, state.family);
    else
        kiln_image_why(image, "UF2, %zu blocks, no family", in->len / BLOCK);
    if (state.not_flash > 0)
        kiln_image_note(image, "%" PRIu64 " blocks are not for flash and were left out",
                        state.not_flash);
    if (state.other_family > 0)
        kiln_image_note(image, "%" PRIu64 " blocks are for other families and were left out",
                        state.other_family);
    return KILN_OK;
}

/* ---- writing ---- */

/* What every UF2 bootloader takes; the RP2040's takes nothing else and wants it aligned. So whole pages are
 * written, filled up where the image has no bytes. */
#define PAGE 256u

struct pages {
    const struct kiln_image *image;
    size_t segment;
    uint64_t next; /* no page before this one */
};

/* The next page that holds bytes of the image; false after the last. `out` may be NULL. */
static bool next_page(struct pages *pages, uint8_t fill, uint64_t *out_address, uint8_t *out)
{
    const struct kiln_segment *all = pages->image->segments;
    size_t count = pages->image->segment_count;
    uint64_t page;

    if (pages->segment == count)
        return false;
    page = KILN_MAX(pages->next, kiln_round_down(all[pages->segment].address, PAGE));
    if (out != NULL)
        memset(out, fill, PAGE);
    while (pages->segment < count && all[pages->segment].address < page + PAGE) {
        const struct kiln_segment *s = &all[pages->segment];
        uint64_t from = KILN_MAX(s->address, page);
        uint64_t to = KILN_MIN(s->address + s->size, page + PAGE);

        if (out != NULL)
            memcpy(out + (from - page), s->data + (from - s->address), (size_t)(to - from));
        if (s->address + s->size > page + PAGE)
            break;
        pages->segment++;
    }
    pages->next = page + PAGE;
    *out_address = page;
    return true;
}

static enum kiln_status put_block(struct kiln_buf *out, uint64_t address, const uint8_t *data,
                                  uint32_t number, uint32_t count, uint32_t family)
{
    uint8_t block[BLOCK] = {0};

    kiln_put_le32(block, MAGIC_START);
    kiln_put_le32(block + 4, MAGIC_NEXT);
    kiln_put_le32(block + 8, family != 0 ? FLAG_FAMILY : 0);
    kiln_put_le32(block + 12, (uint32_t)address);
    kiln_put_le32(block + 16, PAGE);
    kiln_put_le32(block + 20, number);
    kiln_put_le32(block + 24, count);
    kiln_put_le32(block + 28, family);
    memcpy(block + HEADER, data, PAGE);
    kiln_put_le32(block + 508, MAGIC_END);
    return kiln_buf_append(out, block, sizeof block);
}

static enum kiln_status serialize(const struct kiln_image *image, struct kiln_ctx *ctx,
                                  const struct kiln_image_write_options *options,
                                  struct kiln_buf *out)
{
    uint32_t family = options->uf2_family != 0 ? options->uf2_family : image->info.uf2_family;
    struct pages counting = {.image = image}, writing = {.image = image};
    uint32_t number = 0, count = 0;
    uint8_t page[PAGE];
    uint64_t address = 0;

    KILN_TRY(kiln_image_needs_address(image, ctx, "UF2"));
    while (next_page(&counting, options->fill, &address, NULL)) {
        if (address > UINT32_MAX)
            return kiln_fail(ctx, KILN_E_ARG, "0x%" PRIx64 " is above what UF2 can state (32 bits)",
                             address);
        count++;
    }
    while (next_page(&writing, options->fill, &address, page))
        KILN_TRY(put_block(out, address, page, number++, count, family));
    return KILN_OK;
}

const struct kiln_image_format kiln_image_format_uf2 = {.name = "UF2",
                                                        .type = KILN_IMAGE_UF2,
                                                        .recognise = recognise,
                                                        .load = load,
                                                        .serialize = serialize};
