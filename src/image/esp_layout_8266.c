/* SPDX-License-Identifier: MIT */
/* The three older layouts. Source: Espressif, ESP8266 SDK Getting Started Guide (boot modes); ESP8266_RTOS_SDK for
 * version 3. */
#include "image/esp_build.h"

#include "base/bytes.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#define V2_MAGIC   0xeau
#define V2_COUNT   4u /* where the number of segments stands in other headers */
#define V2_ROW     16u
#define SECTOR     0x1000u
#define V3_REMOVED 8u /* room that the linker left for the header */

/* The segment that the flash cache maps; NULL if there is none. FILE if there are several. */
static enum kiln_status find_irom(struct kiln_esp_builder *b, const struct kiln_esp_piece **out)
{
    size_t count = 0;

    *out = NULL;
    for (size_t i = 0; i < b->segment_count; i++)
        if (kiln_esp_is_flash(b->chip, b->segment[i].address)) {
            *out = &b->segment[i];
            count++;
        }
    if (count > 1)
        return kiln_fail(b->ctx, KILN_E_FILE,
                         "Found %zu segments that could be irom0; bad ELF file?", count);
    return KILN_OK;
}

/* Header, all segments but `irom`, checksum. */
static enum kiln_status put_normal(struct kiln_esp_builder *b, const struct kiln_esp_piece *irom)
{
    KILN_TRY(kiln_esp_emit_header(b, (unsigned)(b->segment_count - (irom != NULL))));
    for (size_t i = 0; i < b->segment_count; i++)
        if (&b->segment[i] != irom)
            KILN_TRY(kiln_esp_emit_segment(b, &b->segment[i], 0, true, b->segment[i].name));
    return kiln_esp_emit_checksum(b);
}

enum kiln_status kiln_esp_lay_out_v1(struct kiln_esp_builder *b, struct kiln_esp_built *out)
{
    const struct kiln_esp_piece *irom;
    uint8_t *bytes;

    KILN_TRY(find_irom(b, &irom));
    KILN_TRY(put_normal(b, irom));
    if (irom == NULL)
        return KILN_OK;
    bytes = malloc(irom->len > 0 ? irom->len : 1);
    if (bytes == NULL)
        return kiln_fail(b->ctx, KILN_E_NOMEM, "out of memory");
    memcpy(bytes, irom->data, irom->len);
    out->part[out->part_count++] = (struct kiln_esp_built_part){
        .bytes = bytes,
        .len = irom->len,
        .offset = irom->address - kiln_esp_window(b->chip, true).start};
    return KILN_OK;
}

enum kiln_status kiln_esp_lay_out_v2(struct kiln_esp_builder *b, uint32_t *out_offset)
{
    const struct kiln_esp_piece *irom;
    uint8_t word[4];
    uint32_t crc;

    KILN_TRY(find_irom(b, &irom));
    *out_offset =
        irom != NULL ? (irom->address - kiln_esp_window(b->chip, true).start) / SECTOR * SECTOR : 0;
    KILN_TRY(kiln_esp_emit_header(b, V2_COUNT));
    b->out.data[0] = V2_MAGIC;
    if (irom != NULL) {
        struct kiln_esp_piece mapped = *irom;

        mapped.address = 0;
        KILN_TRY(kiln_esp_emit_segment(
            b, &mapped, (size_t)kiln_round_up(irom->len, V2_ROW) - irom->len, false, irom->name));
    }
    KILN_TRY(put_normal(b, irom));
    crc = libdeflate_crc32(0, b->out.data, b->out.len);
    kiln_put_le32(word, (crc & 0x80000000) != 0 ? ~crc : crc + 1);
    if (kiln_buf_append(&b->out, word, sizeof word) != KILN_OK)
        return kiln_fail(b->ctx, KILN_E_NOMEM, "out of memory");
    return KILN_OK;
}

enum kiln_status kiln_esp_lay_out_v3(struct kiln_esp_builder *b)
{
    struct kiln_esp_sorted s = {.flash_count = 0};
    struct kiln_esp_piece sorted[KILN_ESP_SEGMENTS_MAX];

    memcpy(sorted, b->segment, sizeof sorted);
    kiln_esp_sort(sorted, b->segment_count);
    for (size_t i = 0; i < b->segment_count; i++) {
        if (kiln_esp_is_mapped(b, sorted[i].address))
            s.flash[s.flash_count++] = sorted[i];
        else
            s.ram[s.ram_count++] = sorted[i];
    }
    KILN_TRY(kiln_esp_check_pages(b, &s));
    KILN_TRY(kiln_esp_emit_header(b, 0));
    for (size_t i = 0; i < s.flash_count; i++) {
        struct kiln_esp_piece piece = s.flash[i];

        if (strcmp(piece.name, ".flash.rodata") == 0) {
            size_t removed = KILN_MIN(V3_REMOVED, piece.len);

            piece.data += removed;
            piece.len -= removed;
        }
        KILN_TRY(kiln_esp_emit_segment(b, &piece, 0, true, piece.name));
    }
    for (size_t i = 0; i < s.ram_count; i++)
        KILN_TRY(kiln_esp_emit_segment(b, &s.ram[i], 0, true, s.ram[i].name));
    KILN_TRY(kiln_esp_emit_checksum(b));
    b->out.data[1] = (uint8_t)b->written;
    return kiln_esp_emit_digest(b);
}
