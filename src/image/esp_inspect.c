/* SPDX-License-Identifier: MIT */
/* Looking into an ESP image, damaged or not. Sources: as esp_build.c; ESP-IDF 5.x, esp_app_desc.h and
 * esp_bootloader_desc.h. */
#include "image/esp_build.h"

#include "base/bytes.h"
#include "image/esp.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

struct inspection {
    struct kiln_ctx *ctx;
    const struct kiln_esp_listener *listener;
    const struct kiln_chip *chip;
    const uint8_t *bytes;
    size_t len, at;
    struct kiln_esp_image *out;
};

/* ---- header ---- */

/* An image of the old kind has no extended header, and its bytes are taken for it then. */
static const struct kiln_chip *detect(const uint8_t *bytes, size_t len)
{
    const struct kiln_chip *plain = kiln_esp_plain(), *chip;

    if (bytes[0] == KILN_ESP_MAGIC_V2 || len < KILN_ESP_EXTENDED_HEADER || bytes[23] > 1)
        return plain;
    chip = kiln_esp_by_chip_id(bytes[12]);
    return chip != NULL ? chip : plain;
}

static void read_plain(struct inspection *in, const uint8_t *header)
{
    struct kiln_esp_image *out = in->out;

    out->flash_mode = header[2];
    out->flash_size_freq = header[3];
    out->entry = kiln_le32(header + 4);
    out->flash_mode_name = kiln_esp_mode_name(header[2]);
    out->flash_size = kiln_esp_code_name(in->chip->esp->sizes, header[3] & 0xf0);
    out->flash_freq = kiln_esp_code_name(in->chip->esp->frequencies, header[3] & 0x0f);
}

static enum kiln_status read_extended(struct inspection *in)
{
    const uint8_t *h = in->bytes + 8;
    struct kiln_esp_image *out = in->out;
    const struct kiln_chip *named;

    if (in->len < KILN_ESP_EXTENDED_HEADER)
        return kiln_fail(in->ctx, KILN_E_FILE, "the image ends inside its header");
    out->extended = true;
    out->wp_pin = h[0];
    out->clk_drv = h[1] & 15;
    out->q_drv = h[1] >> 4;
    out->d_drv = h[2] & 15;
    out->cs_drv = h[2] >> 4;
    out->hd_drv = h[3] & 15;
    out->wp_drv = h[3] >> 4;
    out->chip_id = kiln_le16(h + 4);
    out->min_rev = h[6];
    out->min_rev_full = kiln_le16(h + 7);
    out->max_rev_full = kiln_le16(h + 9);
    named = kiln_esp_by_chip_id(out->chip_id);
    out->chip_id_title = named != NULL ? named->title : NULL;
    if (out->chip_id != in->chip->esp->chip_id)
        kiln_esp_say(in->listener, KILN_ESP_SAY_WARNING,
                     "Unexpected chip ID in image. Expected %" PRId32
                     " but value was %u. Is this image for a different chip model?",
                     in->chip->esp->chip_id, out->chip_id);
    if (h[15] > 1)
        return kiln_fail(in->ctx, KILN_E_FILE,
                         "invalid value for append_digest field (0x%02x), should be 0 or 1", h[15]);
    out->digest = h[15] == 1;
    return KILN_OK;
}

/* ---- segments ---- */

/* Of the old layouts, whose memory is small. */
static bool unusual(uint32_t address, uint32_t size)
{
    return address > 0x40200000 || address < 0x3ffe0000 || size > 65536;
}

static enum kiln_status read_segment(struct inspection *in, bool mapped)
{
    struct kiln_esp_image *out = in->out;
    struct kiln_esp_segment *segment = &out->segment[out->segment_count];
    uint32_t address, size;

    if (in->len - in->at < KILN_ESP_SEGMENT_HEADER)
        return kiln_fail(in->ctx, KILN_E_FILE,
                         "End of file at 0x%zx, before the header of segment %zu", in->len,
                         out->segment_count);
    address = kiln_le32(in->bytes + in->at);
    size = kiln_le32(in->bytes + in->at + 4);
    if (!out->extended && !mapped && unusual(address, size))
        kiln_esp_say(in->listener, KILN_ESP_SAY_WARNING,
                     "Suspicious segment 0x%" PRIx32 ", length %" PRIu32, address, size);
    if (size > in->len - in->at - KILN_ESP_SEGMENT_HEADER)
        return kiln_fail(in->ctx, KILN_E_FILE,
                         "End of file reading segment 0x%" PRIx32 ", length %" PRIu32
                         " (actual length %zu)",
                         address, size, in->len - in->at - KILN_ESP_SEGMENT_HEADER);
    segment->address = mapped ? 0 : address;
    segment->size =
        segment->address != 0 && size <= UINT32_MAX - 3 ? (uint32_t)kiln_round_up(size, 4) : size;
    segment->offset = in->at;
    kiln_esp_memory_names(in->chip, segment->address, segment->memory);
    in->at += KILN_ESP_SEGMENT_HEADER;
    for (size_t i = 0; !mapped && i < size; i++)
        out->checksum ^= in->bytes[in->at + i];
    in->at += size;
    out->segment_count++;
    return KILN_OK;
}

static enum kiln_status read_segments(struct inspection *in, unsigned count)
{
    if (in->out->segment_count + count > KILN_ESP_SEGMENTS_MAX)
        return kiln_fail(in->ctx, KILN_E_FILE,
                         "Invalid segment count %zu (max 16), usually a linker script problem",
                         in->out->segment_count + count);
    for (unsigned i = 0; i < count; i++)
        KILN_TRY(read_segment(in, false));
    return KILN_OK;
}

static void compare_headers(const struct inspection *in, const uint8_t *first,
                            const uint8_t *second)
{
    static const struct {
        const char *name;
        unsigned at, len;
    } fields[] = {
        {"Flash mode value", 2, 1}, {"Flash size/freq value", 3, 1}, {"Entrypoint address", 4, 4}};

    for (size_t i = 0; i < KILN_ARRAY_LEN(fields); i++)
        if (memcmp(first + fields[i].at, second + fields[i].at, fields[i].len) != 0)
            kiln_esp_say(in->listener, KILN_ESP_SAY_WARNING,
                         "%s in first header disagrees with second. Using second value.",
                         fields[i].name);
}

/* The flash-mapped segment behind a header of its own, then an image as of version 1. */
static enum kiln_status read_v2(struct inspection *in)
{
    const uint8_t *second;

    in->out->version = 2;
    if (in->bytes[1] != 4)
        kiln_esp_say(in->listener, KILN_ESP_SAY_WARNING,
                     "V2 header has unexpected \"segment\" count %u (usually 4)", in->bytes[1]);
    KILN_TRY(read_segment(in, true));
    if (in->len - in->at < KILN_ESP_PLAIN_HEADER)
        return kiln_fail(in->ctx, KILN_E_FILE, "the image ends before its second header");
    second = in->bytes + in->at;
    if (second[0] != KILN_ESP_MAGIC)
        return kiln_fail(in->ctx, KILN_E_FILE, "Invalid firmware image magic=0x%x at 0x%zx",
                         second[0], in->at);
    compare_headers(in, in->bytes, second);
    read_plain(in, second);
    in->at += KILN_ESP_PLAIN_HEADER;
    return read_segments(in, second[1]);
}

static enum kiln_status read_tail(struct inspection *in)
{
    struct kiln_esp_image *out = in->out;
    size_t end = (in->at / KILN_ESP_CHECKSUM_ROW + 1) * KILN_ESP_CHECKSUM_ROW;
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (end > in->len)
        return kiln_fail(in->ctx, KILN_E_FILE, "End of file at 0x%zx, before the checksum at 0x%zx",
                         in->len, end - 1);
    out->checksum_found = in->bytes[end - 1];
    out->data_len = end;
    if (!out->digest)
        return KILN_OK;
    if (EVP_Digest(in->bytes, end, digest, NULL, EVP_sha256(), NULL) != 1)
        return kiln_fail(in->ctx, KILN_E_INTERNAL, "SHA-256 is not available");
    memcpy(out->sha256, digest, sizeof out->sha256);
    /* What is cut off stays 0 and differs. */
    memcpy(out->sha256_found, in->bytes + end, KILN_MIN(sizeof out->sha256_found, in->len - end));
    return KILN_OK;
}

/* ---- descriptors ---- */

/* Length of the UTF-8 character at `bytes` that a terminal may be given, 0 if it is none. */
static size_t character(const uint8_t *bytes, size_t len)
{
    size_t more = bytes[0] < 0x80                       ? 0
                  : bytes[0] >= 0xc2 && bytes[0] < 0xe0 ? 1
                  : bytes[0] >= 0xe0 && bytes[0] < 0xf0 ? 2
                                                        : 3;

    if (bytes[0] < 0x20 || bytes[0] == 0x7f || (bytes[0] >= 0x80 && bytes[0] < 0xc2) ||
        bytes[0] >= 0xf5 || more >= len)
        return 0;
    if (bytes[0] == 0xc2 && bytes[1] < 0xa0)
        return 0; /* control characters of ISO 8859 */
    for (size_t i = 1; i <= more; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    return 1 + more;
}

/* All characters of a field, zero bytes left out, '?' for what is no text. */
static void field(char *out, const uint8_t *bytes, size_t len)
{
    size_t used = 0, at = 0;

    while (at < len) {
        size_t n = character(bytes + at, len - at);

        if (n > 0)
            memcpy(out + used, bytes + at, n);
        else if (bytes[at] != 0)
            out[used] = '?';
        used += n > 0 ? n : bytes[at] != 0;
        at += n > 0 ? n : 1;
    }
    out[used] = '\0';
}

static void read_app(struct kiln_esp_image *out, const uint8_t *d)
{
    struct kiln_esp_app *app = &out->app;
    unsigned log2 = d[0xb4];

    out->has_app = true;
    app->secure_version = kiln_le32(d + 4);
    field(app->version, d + 0x10, 32);
    field(app->project, d + 0x30, 32);
    field(app->time, d + 0x50, 16);
    field(app->date, d + 0x60, 16);
    field(app->idf, d + 0x70, 32);
    memcpy(app->elf_sha256, d + 0x90, 32);
    app->min_efuse_block = kiln_le16(d + 0xb0);
    app->max_efuse_block = kiln_le16(d + 0xb2);
    app->mmu_page_size = log2 > 0 && log2 < 32 ? (uint32_t)1 << log2 : 0;
}

static bool has_memory(const struct kiln_esp_segment *segment, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = segment->memory; (at = strstr(at, name)) != NULL; at += len)
        if ((at == segment->memory || at[-1] == ' ') && (at[len] == '\0' || at[len] == ','))
            return true;
    return false;
}

/* The application's stands at the head of the first segment of DROM, the bootloader's of the last of DRAM. */
static void find_descriptors(struct inspection *in)
{
    struct kiln_esp_image *out = in->out;
    const struct kiln_esp_segment *drom = NULL, *dram = NULL;
    const uint8_t *d;

    for (size_t i = 0; i < out->segment_count; i++) {
        const struct kiln_esp_segment *s = &out->segment[i];

        if (drom == NULL && has_memory(s, "DROM"))
            drom = s;
        else if (has_memory(s, "DRAM") && s->size >= 80)
            dram = s;
    }
    if (drom != NULL && drom->size > 0) {
        d = in->bytes + drom->offset + KILN_ESP_SEGMENT_HEADER;
        if (drom->size >= 256 && kiln_le32(d) == KILN_ESP_DESCRIPTOR_MAGIC)
            read_app(out, d);
        return;
    }
    d = dram != NULL ? in->bytes + dram->offset + KILN_ESP_SEGMENT_HEADER : NULL;
    if (d == NULL || d[0] != KILN_ESP_BOOT_DESCRIPTOR)
        return;
    out->has_boot = true;
    out->boot.version = kiln_le32(d + 4);
    field(out->boot.idf, d + 8, 32);
    field(out->boot.built, d + 40, 24);
}

/* ---- the whole ---- */

static enum kiln_status inspect(struct inspection *in, const char *chip)
{
    struct kiln_esp_image *out = in->out;
    bool plain;

    if (in->len == 0)
        return kiln_fail(in->ctx, KILN_E_FILE, "Image is empty.");
    if (in->bytes[0] != KILN_ESP_MAGIC && in->bytes[0] != KILN_ESP_MAGIC_V2)
        return kiln_fail(in->ctx, KILN_E_FILE,
                         "This is not a valid image (invalid magic number: 0x%x)", in->bytes[0]);
    if (in->len < KILN_ESP_PLAIN_HEADER)
        return kiln_fail(in->ctx, KILN_E_FILE, "the image ends inside its header");
    out->detected = chip == NULL;
    if (chip != NULL)
        KILN_TRY(kiln_esp_chip_named(in->ctx, chip, &in->chip));
    else
        in->chip = detect(in->bytes, in->len);
    out->chip = in->chip->name;
    plain = (in->chip->esp->flags & KILN_ESP_IMAGE_PLAIN) != 0;
    out->version = 1;
    out->checksum = KILN_ESP_CHECKSUM_SEED;
    in->at = plain ? KILN_ESP_PLAIN_HEADER : KILN_ESP_EXTENDED_HEADER;
    read_plain(in, in->bytes);
    if (in->bytes[0] == KILN_ESP_MAGIC_V2) {
        if (!plain)
            return kiln_fail(in->ctx, KILN_E_FILE, "Invalid firmware image magic=0x%x",
                             in->bytes[0]);
        KILN_TRY(read_v2(in));
    } else {
        if (!plain)
            KILN_TRY(read_extended(in));
        KILN_TRY(read_segments(in, in->bytes[1]));
    }
    KILN_TRY(read_tail(in));
    find_descriptors(in);
    return KILN_OK;
}

enum kiln_status kiln_esp_inspect(const uint8_t *bytes, size_t len, const char *chip,
                                  const struct kiln_esp_listener *listener,
                                  struct kiln_esp_image *out, struct kiln_error *out_error)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct inspection in = {
        .ctx = &ctx, .listener = listener, .bytes = bytes, .len = len, .out = out};
    enum kiln_status status;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    *out = (struct kiln_esp_image){0};
    status = inspect(&in, chip);
    if (status != KILN_OK && out_error != NULL)
        *out_error = ctx.error;
    return status;
}
