/* SPDX-License-Identifier: MIT */
/* The image format of Espressif's ROM loaders. Sources: ESP-IDF, esp_image_format.h and esp_app_desc.h (5.x);
 * Espressif, ESP8266 Technical Reference 1.7 for the older headers. */
#include "image/esp.h"

#include "base/bytes.h"
#include "chip/esp.h"
#include "image/esp_ota.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define SEGMENTS_MAX 16u
#define SEGMENT_MAX  (16u << 20)
#define CHECKSUM     0xefu

static bool is_plain_address(uint32_t address)
{
    for (const struct kiln_map_entry *m = kiln_esp_plain()->esp->loads; m->name != NULL; m++)
        if (address >= m->start && address < m->end)
            return true;
    return false;
}

/* A plain header is followed by the first segment's address, an extended one by pin numbers. */
static bool is_plain(const uint8_t *bytes, size_t len)
{
    if (bytes[0] == KILN_ESP_MAGIC_V2)
        return true;
    return len >= KILN_ESP_PLAIN_HEADER + 8 && is_plain_address(kiln_le32(bytes + 8));
}

bool kiln_esp_header_fits(const uint8_t *bytes, size_t len)
{
    static const uint8_t reserved[4];

    if (len < KILN_ESP_PLAIN_HEADER + 8)
        return false;
    if (bytes[0] == KILN_ESP_MAGIC_V2)
        return bytes[1] == 4 && bytes[2] <= 5 && kiln_le32(bytes + 8) == 0;
    if (bytes[0] != KILN_ESP_MAGIC || bytes[1] == 0 || bytes[1] > SEGMENTS_MAX)
        return false;
    if (is_plain(bytes, len))
        return true;
    return len >= KILN_ESP_EXTENDED_HEADER && (bytes[2] <= 5 || bytes[2] == 0xff) &&
           bytes[23] <= 1 && kiln_le16(bytes + 12) < 0x100 && memcmp(bytes + 19, reserved, 4) == 0;
}

const struct kiln_chip *kiln_esp_header_chip(const uint8_t *bytes, size_t len)
{
    return is_plain(bytes, len) ? kiln_esp_plain() : kiln_esp_by_chip_id(kiln_le16(bytes + 12));
}

/* ---- the walk over the segments ---- */

struct walk {
    struct kiln_image *image;
    struct kiln_ctx *ctx;
    const uint8_t *bytes;
    size_t len, at; /* `at`: offset of bytes[0] in the file */
    size_t next;    /* offset of the next segment header */
    uint8_t checksum;
};

static enum kiln_status walk_segment(struct walk *w, unsigned index, bool in_checksum)
{
    struct kiln_image_memory *memory = &w->image->memory[w->image->memory_count];
    uint32_t address, size;
    size_t data = w->next + 8;

    if (w->len < data)
        return kiln_image_bad(w->ctx, w->at + w->len,
                              "ends at 0x%zx, before the header of segment %u: it is cut short",
                              w->at + w->len, index);
    address = kiln_le32(w->bytes + w->next);
    size = kiln_le32(w->bytes + w->next + 4);
    if (size > SEGMENT_MAX)
        return kiln_image_bad(w->ctx, w->at + w->next,
                              "segment %u at 0x%zx claims %" PRIu32 " bytes, more than 16 MB",
                              index, w->at + w->next, size);
    if (size > w->len - data)
        return kiln_image_bad(w->ctx, w->at + w->len,
                              "segment %u has %" PRIu32
                              " bytes but the file ends after %zu of them: "
                              "it is cut short",
                              index, size, w->len - data);
    for (size_t i = 0; in_checksum && i < size; i++)
        w->checksum ^= w->bytes[data + i];
    if (w->image->memory_count < KILN_IMAGE_MEMORY_MAX) {
        *memory =
            (struct kiln_image_memory){.address = address, .offset = w->at + data, .size = size};
        w->image->memory_count++;
    }
    w->next = data + size;
    return KILN_OK;
}

static enum kiln_status check_digest(struct walk *w, size_t end)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (w->len - end < KILN_ESP_DIGEST_LEN)
        return kiln_image_bad(w->ctx, w->at + w->len,
                              "ends at 0x%zx, before its SHA-256: it is cut short", w->at + w->len);
    if (EVP_Digest(w->bytes, end, digest, NULL, EVP_sha256(), NULL) != 1)
        return kiln_fail(w->ctx, KILN_E_INTERNAL, "SHA-256 is not available");
    if (memcmp(digest, w->bytes + end, KILN_ESP_DIGEST_LEN) != 0)
        return kiln_image_bad(w->ctx, w->at + end,
                              "the SHA-256 at 0x%zx does not match the image: it is damaged or was "
                              "changed without a new digest",
                              w->at + end);
    return KILN_OK;
}

/* The CRC behind an ESP8266 V2 image. */
static enum kiln_status check_v2_crc(struct walk *w, size_t end)
{
    uint32_t crc;

    if (w->len != end + 4)
        return KILN_OK;
    crc = libdeflate_crc32(0, w->bytes, end);
    crc = crc & 0x80000000 ? ~crc : crc + 1;
    if (crc != kiln_le32(w->bytes + end))
        return kiln_image_bad(w->ctx, w->at + end,
                              "the CRC at 0x%zx is wrong: the image is damaged", w->at + end);
    return KILN_OK;
}

static enum kiln_status walk_segments(struct walk *w, bool v2, unsigned count, size_t *out_end)
{
    size_t end;

    if (v2) {
        KILN_TRY(walk_segment(w, 0, false));
        if (w->len - w->next < KILN_ESP_PLAIN_HEADER || w->bytes[w->next] != KILN_ESP_MAGIC ||
            w->bytes[w->next + 1] > SEGMENTS_MAX)
            return kiln_image_bad(w->ctx, w->at + w->next,
                                  "no second header behind the flash segment at 0x%zx",
                                  w->at + w->next);
        count = w->bytes[w->next + 1];
        w->next += KILN_ESP_PLAIN_HEADER;
    }
    for (unsigned i = 0; i < count; i++)
        KILN_TRY(walk_segment(w, v2 ? i + 1 : i, true));
    /* The checksum is the last byte of a row of 16. */
    end = (w->next / 16 + 1) * 16;
    if (end > w->len)
        return kiln_image_bad(w->ctx, w->at + w->len,
                              "ends at 0x%zx, before its checksum: it is cut short",
                              w->at + w->len);
    if (w->bytes[end - 1] != w->checksum)
        return kiln_image_bad(w->ctx, w->at + end - 1,
                              "checksum %02X at 0x%zx is wrong, should be %02X", w->bytes[end - 1],
                              w->at + end - 1, w->checksum);
    *out_end = end;
    return v2 ? check_v2_crc(w, end) : KILN_OK;
}

/* ---- what the image says of itself ---- */

static const char *code_name(const struct kiln_esp_code *codes, unsigned code)
{
    const char *name = kiln_esp_code_name(codes, code);

    return name != NULL ? name : "?";
}

static void note_header(struct kiln_image *image, const uint8_t *bytes, bool extended,
                        const struct kiln_chip *chip)
{
    static const char *const modes[] = {"QIO", "QOUT", "DIO", "DOUT", "fast read", "slow read"};

    if (chip != NULL && chip->esp != NULL)
        kiln_image_note(image, "flash settings: %s, %s, %s",
                        bytes[2] < KILN_ARRAY_LEN(modes) ? modes[bytes[2]] : "?",
                        code_name(chip->esp->frequencies, bytes[3] & 15u),
                        code_name(chip->esp->sizes, bytes[3] & 0xf0u));
    if (extended) {
        unsigned low = kiln_le16(bytes + 15), high = kiln_le16(bytes + 17);

        if (high != 0 && high != 0xffff)
            kiln_image_note(image, "for chip revision v%u.%u to v%u.%u", low / 100, low % 100,
                            high / 100, high % 100);
        else if (low != 0)
            kiln_image_note(image, "for chip revision v%u.%u and above", low / 100, low % 100);
    }
}

static void note_app_descriptor(struct kiln_image *image, const uint8_t *d)
{
    struct kiln_app_descriptor app;
    char text[320];

    if (!kiln_app_descriptor_parse(d, KILN_APP_DESCRIPTOR_SIZE, &app))
        return;
    kiln_app_descriptor_text(&app, text, sizeof text);
    kiln_image_note(image, "application: %s", text);
}

static void note_boot_descriptor(struct kiln_image *image, const uint8_t *d)
{
    char idf[33], built[25];

    kiln_image_text(idf, sizeof idf, d + 8, 32);
    kiln_image_text(built, sizeof built, d + 40, 24);
    kiln_image_note(image, "bootloader: ESP-IDF %s, built %s", idf, built);
}

static void find_role(struct walk *w, const struct kiln_chip *chip)
{
    struct kiln_image *image = w->image;
    bool mapped = false;

    for (size_t i = 0; i < image->memory_count; i++) {
        const struct kiln_image_memory *m = &image->memory[i];
        const uint8_t *data = w->bytes + (m->offset - w->at);

        mapped |= chip != NULL && kiln_esp_is_flash(chip, m->address);
        if (m->size >= 256 && kiln_le32(data) == KILN_ESP_DESCRIPTOR_MAGIC) {
            image->info.esp_role = KILN_ESP_ROLE_APP;
            note_app_descriptor(image, data);
            return;
        }
        if (i == 0 && m->size >= 80 && data[0] == KILN_ESP_BOOT_DESCRIPTOR && data[8] == 'v') {
            image->info.esp_role = KILN_ESP_ROLE_BOOTLOADER;
            note_boot_descriptor(image, data);
            return;
        }
    }
    if (chip != NULL)
        image->info.esp_role = mapped ? KILN_ESP_ROLE_APP : KILN_ESP_ROLE_BOOTLOADER;
}

static void note_tail(struct walk *w, size_t end)
{
    size_t rest = w->len - end;
    bool blank = true;

    for (size_t i = end; i < w->len && blank; i++)
        blank = w->bytes[i] == 0xff;
    if (rest == 0)
        return;
    if (blank)
        kiln_image_note(w->image, "%zu bytes of FF stand behind the image", rest);
    else if (kiln_round_up(end, 4096) + 2 < w->len && w->bytes[kiln_round_up(end, 4096)] == 0xe7 &&
             w->bytes[kiln_round_up(end, 4096) + 1] == 2)
        kiln_image_note(w->image, "signed for secure boot v2");
    else
        kiln_image_note(w->image, "%zu bytes stand behind the image", rest);
}

enum kiln_status kiln_esp_image_walk(struct kiln_image *image, struct kiln_ctx *ctx,
                                     const uint8_t *bytes, size_t len, size_t at, size_t *out_end)
{
    bool old = is_plain(bytes, len), v2 = bytes[0] == KILN_ESP_MAGIC_V2;
    const struct kiln_chip *chip = kiln_esp_header_chip(bytes, len);
    struct walk w = {.image = image,
                     .ctx = ctx,
                     .bytes = bytes,
                     .len = len,
                     .at = at,
                     .next = old ? KILN_ESP_PLAIN_HEADER : KILN_ESP_EXTENDED_HEADER,
                     .checksum = CHECKSUM};

    image->memory_count = 0;
    image->info.entry = kiln_le32(bytes + 4);
    image->info.chip = chip != NULL ? chip->name : NULL;
    image->info.esp_chip_id = old ? -1 : kiln_le16(bytes + 12);
    image->info.has_checksum = true;
    KILN_TRY(walk_segments(&w, v2, bytes[1], out_end));
    if (!old && bytes[23] == 1) {
        KILN_TRY(check_digest(&w, *out_end));
        *out_end += KILN_ESP_DIGEST_LEN;
    }
    note_header(image, bytes, !old, chip);
    if (!old)
        find_role(&w, chip);
    return KILN_OK;
}

static bool recognise(const uint8_t *bytes, size_t len)
{
    return kiln_esp_header_fits(bytes, len);
}

static enum kiln_status load(struct kiln_image *image, struct kiln_ctx *ctx,
                             const struct kiln_image_input *in)
{
    static const char *const roles[] = {"", ", bootloader or RAM program", ", application"};
    struct walk w = {.image = image, .bytes = in->bytes, .len = in->len};
    size_t end;
    bool digest;

    KILN_TRY(kiln_esp_image_walk(image, ctx, in->bytes, in->len, in->origin, &end));
    digest = image->info.esp_chip_id >= 0 && in->bytes[23] == 1;
    if (image->info.chip != NULL)
        kiln_image_why(image, "header byte %02X, %zu segments, %s%s; checksum%s right",
                       in->bytes[0], image->memory_count, image->info.chip,
                       roles[image->info.esp_role], digest ? " and SHA-256" : "");
    else
        kiln_image_why(
            image, "header byte %02X, %zu segments, unknown chip id %" PRId32 "; checksum%s right",
            in->bytes[0], image->memory_count, image->info.esp_chip_id,
            digest ? " and SHA-256" : "");
    if (in->bytes[0] != KILN_ESP_MAGIC_V2 || in->len != end + 4)
        note_tail(&w, end);
    return kiln_image_add_view(image, ctx, 0, 0, in->origin, in->len);
}

const struct kiln_image_format kiln_image_format_esp = {
    .name = "ESP image", .type = KILN_IMAGE_ESP, .recognise = recognise, .load = load};
