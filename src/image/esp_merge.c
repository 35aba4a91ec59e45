/* SPDX-License-Identifier: MIT */
/* Several flash files as one: raw, UF2 or Intel HEX, with the flash parameters set in the bootloader's header.
 * Sources: Microsoft's UF2 specification with Espressif's MD5 part; Intel's Hexadecimal Object File Format,
 * revision A. */
#include "image/esp_build.h"

#include "base/bytes.h"
#include "image/esp.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define UF2_BLOCK      512u
#define UF2_HEADER     32u
#define UF2_DATA       476u
#define UF2_MD5_PART   24u
#define UF2_FAMILY     0x2000u
#define UF2_MD5        0x4000u
#define HEX_RECORD     16u
#define HEX_DATA       0u
#define HEX_END        1u
#define HEX_UPPER_ADDR 4u

struct merger {
    struct kiln_ctx *ctx;
    const struct kiln_esp_merge_options *options;
    const struct kiln_chip *chip;
    struct kiln_esp_merge_input *inputs; /* sorted by address */
    size_t count;
    struct kiln_buf out;
};

/* ---- the bootloader's header ---- */

struct patch {
    struct kiln_ctx *ctx;
    const struct kiln_chip *chip;
    const struct kiln_esp_listener *listener;
    const char *mode, *size, *freq;
};

static bool all_kept(const struct patch *p)
{
    return p->mode == NULL && p->size == NULL && p->freq == NULL;
}

static enum kiln_status new_fields(const struct patch *p, uint8_t *mode, uint8_t *size_freq)
{
    uint8_t size = *size_freq & 0xf0, freq = *size_freq & 0x0f;

    if (p->mode != NULL)
        KILN_TRY(kiln_esp_mode_find(p->ctx, p->mode, mode));
    if (p->freq != NULL)
        KILN_TRY(kiln_esp_code_find(p->ctx, "Flash frequency", p->chip->esp->frequencies, p->freq,
                                    &freq));
    if (p->size != NULL)
        KILN_TRY(kiln_esp_code_find(p->ctx, "Flash size", p->chip->esp->sizes, p->size, &size));
    *size_freq = (uint8_t)(size + freq);
    return KILN_OK;
}

/* Changes `bytes`, of which this is called only if the address is the bootloader's. */
static enum kiln_status patch(const struct patch *p, uint8_t *bytes, size_t len, uint64_t address)
{
    struct kiln_esp_image image;
    uint8_t mode = bytes[2], size_freq = bytes[3];
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (bytes[0] != KILN_ESP_MAGIC) {
        kiln_esp_say(p->listener, KILN_ESP_SAY_WARNING,
                     "Image file at 0x%" PRIx64 " doesn't look like an image file, so not changing "
                     "any flash settings.",
                     address);
        return KILN_OK;
    }
    if (kiln_esp_inspect(bytes, len, p->chip->name, NULL, &image, NULL) != KILN_OK) {
        kiln_esp_say(p->listener, KILN_ESP_SAY_WARNING,
                     "Image file at 0x%" PRIx64
                     " is not a valid %s image, so not changing any flash settings.",
                     address, p->chip->title);
        return KILN_OK;
    }
    KILN_TRY(new_fields(p, &mode, &size_freq));
    if (mode != bytes[2] || size_freq != bytes[3])
        kiln_esp_say(p->listener, KILN_ESP_SAY_INFO, "Flash parameters set to 0x%02x%02x.", mode,
                     size_freq);
    bytes[2] = mode;
    bytes[3] = size_freq;
    if (!image.digest || len - image.data_len < KILN_ESP_DIGEST_LEN)
        return KILN_OK;
    if (EVP_Digest(bytes, image.data_len, digest, NULL, EVP_sha256(), NULL) != 1)
        return kiln_fail(p->ctx, KILN_E_INTERNAL, "SHA-256 is not available");
    memcpy(bytes + image.data_len, digest, KILN_ESP_DIGEST_LEN);
    kiln_esp_say(p->listener, KILN_ESP_SAY_INFO, "SHA digest in image updated.");
    return KILN_OK;
}

enum kiln_status kiln_esp_patch_header(uint8_t *bytes, size_t len, const char *chip,
                                       uint64_t address, const char *flash_mode,
                                       const char *flash_size, const char *flash_freq,
                                       const struct kiln_esp_listener *listener,
                                       struct kiln_error *out_error)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct patch p = {.ctx = &ctx,
                      .listener = listener,
                      .mode = flash_mode,
                      .size = flash_size,
                      .freq = flash_freq};
    enum kiln_status status;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    status = kiln_esp_chip_named(&ctx, chip, &p.chip);
    if (status == KILN_OK && len >= KILN_ESP_PLAIN_HEADER && !all_kept(&p) &&
        address == p.chip->esp->boot_offset)
        status = patch(&p, bytes, len, address);
    if (status != KILN_OK && out_error != NULL)
        *out_error = ctx.error;
    return status;
}

/* ---- formats ---- */

static enum kiln_status too_big(struct merger *m)
{
    return kiln_fail(m->ctx, KILN_E_NOMEM, "the merged file would be larger than %zu bytes",
                     m->out.ceiling);
}

static enum kiln_status put(struct merger *m, const void *bytes, size_t len)
{
    return kiln_buf_append(&m->out, bytes, len) == KILN_OK ? KILN_OK : too_big(m);
}

static enum kiln_status put_raw(struct merger *m)
{
    uint64_t target = m->options->target_offset, end;

    for (size_t i = 0; i < m->count; i++) {
        uint64_t place = m->inputs[i].address - target;

        if (place > m->out.len &&
            (place - m->out.len > m->out.ceiling ||
             kiln_buf_fill(&m->out, 0xff, (size_t)(place - m->out.len)) != KILN_OK))
            return too_big(m);
        KILN_TRY(put(m, m->inputs[i].bytes, m->inputs[i].len));
    }
    end = m->options->pad_to_size > target ? m->options->pad_to_size - target : 0;
    if (end > m->out.len && (end - m->out.len > m->out.ceiling ||
                             kiln_buf_fill(&m->out, 0xff, (size_t)(end - m->out.len)) != KILN_OK))
        return too_big(m);
    return KILN_OK;
}

static enum kiln_status put_uf2_block(struct merger *m, uint32_t address, const uint8_t *bytes,
                                      uint32_t len, uint32_t number, uint32_t count)
{
    uint8_t block[UF2_BLOCK] = {0};
    uint8_t digest[EVP_MAX_MD_SIZE];
    bool md5 = !m->options->no_md5;
    uint8_t *part = block + UF2_HEADER + len;

    kiln_put_le32(block, 0x0a324655);
    kiln_put_le32(block + 4, 0x9e5d5157);
    kiln_put_le32(block + 8, UF2_FAMILY | (md5 ? UF2_MD5 : 0));
    kiln_put_le32(block + 12, address);
    kiln_put_le32(block + 16, len);
    kiln_put_le32(block + 20, number);
    kiln_put_le32(block + 24, count);
    kiln_put_le32(block + 28, m->chip->esp->uf2_family);
    memcpy(block + UF2_HEADER, bytes, len);
    if (md5) {
        if (EVP_Digest(bytes, len, digest, NULL, EVP_md5(), NULL) != 1)
            return kiln_fail(m->ctx, KILN_E_INTERNAL, "MD5 is not available");
        kiln_put_le32(part, address);
        kiln_put_le32(part + 4, len);
        memcpy(part + 8, digest, 16);
    }
    kiln_put_le32(block + UF2_BLOCK - 4, 0x0ab16f30);
    return put(m, block, sizeof block);
}

static enum kiln_status put_uf2(struct merger *m)
{
    uint32_t room = UF2_DATA - (m->options->no_md5 ? 0 : UF2_MD5_PART);
    uint32_t chunk = m->options->chunk_size != 0 ? m->options->chunk_size : room;

    for (size_t i = 0; i < m->count; i++) {
        const struct kiln_esp_merge_input *in = &m->inputs[i];
        size_t count = (in->len + chunk - 1) / chunk;

        if (KILN_MIN(chunk, in->len) > room)
            return kiln_fail(m->ctx, KILN_E_ARG,
                             "a UF2 block has room for %" PRIu32 " bytes, not %" PRIu32, room,
                             chunk);
        kiln_esp_say(&m->options->listener, KILN_ESP_SAY_INFO, "Adding '%s' at 0x%" PRIx64 "...",
                     in->name, in->address);
        for (size_t k = 0; k < count; k++)
            KILN_TRY(put_uf2_block(m, (uint32_t)(in->address + k * chunk), in->bytes + k * chunk,
                                   (uint32_t)KILN_MIN(chunk, in->len - k * chunk), (uint32_t)k,
                                   (uint32_t)count));
    }
    return KILN_OK;
}

static enum kiln_status put_record(struct merger *m, uint16_t address, uint8_t type,
                                   const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t record[4 + HEX_RECORD + 1] = {(uint8_t)len, (uint8_t)(address >> 8), (uint8_t)address,
                                          type};
    char line[2 * sizeof record + 2] = ":";
    size_t at = 1;
    uint8_t sum = 0;

    if (len > 0)
        memcpy(record + 4, bytes, len);
    for (size_t i = 0; i < 4 + len; i++)
        sum = (uint8_t)(sum + record[i]);
    record[4 + len] = (uint8_t)-sum;
    for (size_t i = 0; i < 5 + len; i++) {
        line[at++] = digits[record[i] >> 4];
        line[at++] = digits[record[i] & 15];
    }
    line[at++] = '\n';
    return put(m, line, at);
}

/* Records run on from one input into the next where these touch. */
static enum kiln_status put_hex(struct merger *m)
{
    bool upper = false;
    uint64_t high = UINT64_MAX, expected = 0;
    uint8_t record[HEX_RECORD], word[2];
    size_t used = 0;

    for (size_t i = 0; i < m->count; i++)
        upper |= m->inputs[i].len > 0 && m->inputs[i].address + m->inputs[i].len > 0x10000;
    for (size_t i = 0; i < m->count; i++) {
        const struct kiln_esp_merge_input *in = &m->inputs[i];

        for (size_t k = 0; k < in->len; k++) {
            uint64_t address = in->address + k;

            if (used > 0 && (address != expected || used == HEX_RECORD || address % 0x10000 == 0)) {
                KILN_TRY(put_record(m, (uint16_t)(expected - used), HEX_DATA, record, used));
                used = 0;
            }
            if (upper && address >> 16 != high) {
                high = address >> 16;
                kiln_put_be16(word, (uint16_t)high);
                KILN_TRY(put_record(m, 0, HEX_UPPER_ADDR, word, sizeof word));
            }
            record[used++] = in->bytes[k];
            expected = address + 1;
        }
    }
    if (used > 0)
        KILN_TRY(put_record(m, (uint16_t)(expected - used), HEX_DATA, record, used));
    return put_record(m, 0, HEX_END, NULL, 0);
}

/* ---- the whole ---- */

static int by_address(const void *left, const void *right)
{
    const struct kiln_esp_merge_input *l = left, *r = right;

    return l->address < r->address ? -1 : l->address > r->address;
}

static enum kiln_status check_inputs(struct merger *m)
{
    uint64_t end = 0;

    if (m->count == 0)
        return kiln_fail(m->ctx, KILN_E_ARG, "No input data.");
    for (size_t i = 0; i < m->count; i++) {
        const struct kiln_esp_merge_input *in = &m->inputs[i];

        if (in->address < m->options->target_offset)
            return kiln_fail(m->ctx, KILN_E_ARG,
                             "Output data target offset is 0x%" PRIx64
                             "; input data offset 0x%" PRIx64 " is before this",
                             m->options->target_offset, in->address);
        if (in->address < end)
            return kiln_fail(m->ctx, KILN_E_ARG,
                             "Detected overlap at address: 0x%" PRIx64 " for file: %s", in->address,
                             in->name);
        end = in->address + in->len;
        if (end < in->address || end > (uint64_t)1 << 32)
            return kiln_fail(m->ctx, KILN_E_ARG, "%s does not fit below 4 GB", in->name);
    }
    return KILN_OK;
}

/* Copies the input that is to be the bootloader, with its header changed; the copy is the caller's. */
static enum kiln_status patch_bootloader(struct merger *m, uint8_t **out_copy)
{
    const struct kiln_esp_merge_options *o = m->options;
    struct patch p = {.ctx = m->ctx,
                      .chip = m->chip,
                      .listener = &o->listener,
                      .mode = o->flash_mode,
                      .size = o->flash_size,
                      .freq = o->flash_freq};

    *out_copy = NULL;
    for (size_t i = 0; i < m->count && !all_kept(&p); i++) {
        struct kiln_esp_merge_input *in = &m->inputs[i];

        if (in->address != m->chip->esp->boot_offset || in->len < KILN_ESP_PLAIN_HEADER)
            continue;
        *out_copy = malloc(in->len);
        if (*out_copy == NULL)
            return kiln_fail(m->ctx, KILN_E_NOMEM, "out of memory");
        memcpy(*out_copy, in->bytes, in->len);
        in->bytes = *out_copy;
        return patch(&p, *out_copy, in->len, in->address);
    }
    return KILN_OK;
}

static enum kiln_status put_format(struct merger *m)
{
    switch (m->options->format) {
    case KILN_ESP_MERGE_UF2:
        return put_uf2(m);
    case KILN_ESP_MERGE_HEX:
        return put_hex(m);
    case KILN_ESP_MERGE_RAW:
        break;
    }
    return put_raw(m);
}

static enum kiln_status merge(struct merger *m)
{
    uint8_t *copy = NULL;
    enum kiln_status status;

    KILN_TRY(kiln_esp_chip_named(m->ctx, m->options->chip, &m->chip));
    if (m->count > 0)
        qsort(m->inputs, m->count, sizeof *m->inputs, by_address);
    KILN_TRY(check_inputs(m));
    status = patch_bootloader(m, &copy);
    if (status == KILN_OK)
        status = put_format(m);
    free(copy);
    return status;
}

enum kiln_status kiln_esp_merge(const struct kiln_esp_merge_input *inputs, size_t count,
                                const struct kiln_esp_merge_options *options, uint8_t **out_bytes,
                                size_t *out_len, struct kiln_error *out_error)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct merger m = {.ctx = &ctx, .options = options, .count = count};
    enum kiln_status status;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    kiln_buf_init(&m.out, KILN_ESP_BUILD_MAX);
    m.inputs = calloc(count + 1, sizeof *m.inputs);
    status = m.inputs != NULL ? KILN_OK : kiln_fail(&ctx, KILN_E_NOMEM, "out of memory");
    if (status == KILN_OK) {
        if (count > 0)
            memcpy(m.inputs, inputs, count * sizeof *m.inputs);
        status = merge(&m);
    }
    free(m.inputs);
    if (status == KILN_OK && m.out.data == NULL)
        status = kiln_buf_reserve(&m.out, 1);
    if (status == KILN_OK) {
        *out_bytes = m.out.data;
        *out_len = m.out.len;
        return KILN_OK;
    }
    if (out_error != NULL)
        *out_error = ctx.error;
    kiln_buf_dispose(&m.out);
    return status;
}
