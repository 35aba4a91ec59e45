/* SPDX-License-Identifier: MIT */
/* ESP partition tables, and images of a whole flash with bootloader, table and applications.
 * Source: ESP-IDF 5.x, Partition Tables (API guide) and esp_flash_partitions.h. */
#include "image/esp.h"

#include "base/bytes.h"
#include "chip/esp.h"

#include <inttypes.h>
#include <kiln/esp_image.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_SEARCH_END 0x20000u
#define SECTOR           0x1000u

static bool all_ff(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0xff)
            return false;
    }
    return true;
}

bool kiln_esp_table_fits(const uint8_t *bytes, size_t len)
{
    uint32_t offset, size;

    if (len < KILN_ESP_ENTRY_SIZE || bytes[0] != 0xaa || bytes[1] != 0x50)
        return false;
    offset = kiln_le32(bytes + 4);
    size = kiln_le32(bytes + 8);
    return (bytes[2] <= 3 || bytes[2] >= 0x40) && offset % 0x1000 == 0 && size > 0 &&
           (uint64_t)offset + size <= (uint64_t)1 << 32;
}

static enum kiln_status check_table_md5(struct kiln_ctx *ctx, const uint8_t *bytes, size_t entry,
                                        size_t at)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(bytes, entry, digest, NULL, EVP_md5(), NULL) != 1)
        return kiln_fail(ctx, KILN_E_INTERNAL, "MD5 is not available");
    if (memcmp(digest, bytes + entry + 16, 16) != 0)
        return kiln_image_bad(ctx, at + entry,
                              "the partition table's MD5 at 0x%zx is wrong: it is damaged",
                              at + entry);
    return KILN_OK;
}

static enum kiln_status add_partition(struct kiln_image *image, struct kiln_ctx *ctx,
                                      const uint8_t *e, size_t at)
{
    struct kiln_esp_partition *p = &image->partitions[image->partition_count];

    *p = (struct kiln_esp_partition){.type = e[2],
                                     .subtype = e[3],
                                     .offset = kiln_le32(e + 4),
                                     .size = kiln_le32(e + 8),
                                     .flags = kiln_le32(e + 28)};
    kiln_image_text(p->label, sizeof p->label, e + 12, 16);
    if ((uint64_t)p->offset + p->size > (uint64_t)1 << 32)
        return kiln_image_bad(ctx, at, "partition %s at 0x%zx runs past the end of memory",
                              p->label, at);
    for (size_t i = 0; i < image->partition_count; i++) {
        const struct kiln_esp_partition *q = &image->partitions[i];

        if (p->offset < (uint64_t)q->offset + q->size && q->offset < (uint64_t)p->offset + p->size)
            return kiln_image_bad(ctx, at, "partitions %s and %s overlap at 0x%" PRIx32, q->label,
                                  p->label, KILN_MAX(p->offset, q->offset));
    }
    image->partition_count++;
    return KILN_OK;
}

enum kiln_status kiln_esp_table_parse(struct kiln_image *image, struct kiln_ctx *ctx,
                                      const uint8_t *bytes, size_t len, size_t at)
{
    size_t end = KILN_MIN(len, (size_t)KILN_ESP_TABLE_SIZE), entry;

    if (image->partitions == NULL)
        image->partitions =
            calloc(KILN_ESP_TABLE_SIZE / KILN_ESP_ENTRY_SIZE, sizeof *image->partitions);
    if (image->partitions == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    image->partition_count = 0;
    for (entry = 0; end - entry >= KILN_ESP_ENTRY_SIZE; entry += KILN_ESP_ENTRY_SIZE) {
        const uint8_t *e = bytes + entry;

        if (all_ff(e, KILN_ESP_ENTRY_SIZE))
            return KILN_OK;
        if (e[0] == 0xeb && e[1] == 0xeb) {
            image->info.has_checksum = true;
            return check_table_md5(ctx, bytes, entry, at);
        }
        if (e[0] != 0xaa || e[1] != 0x50)
            return kiln_image_bad(ctx, at + entry,
                                  "the partition table has no valid entry at 0x%zx: it is damaged",
                                  at + entry);
        KILN_TRY(add_partition(image, ctx, e, at + entry));
    }
    /* Old tools write the entries and nothing behind them. */
    if (entry != end)
        return kiln_image_bad(ctx, at + end,
                              "the partition table ends at 0x%zx within an entry: it is cut short",
                              at + end);
    kiln_image_note(image, "the partition table has no end mark");
    return KILN_OK;
}

/* ---- a table alone ---- */

static enum kiln_status load_table(struct kiln_image *image, struct kiln_ctx *ctx,
                                   const struct kiln_image_input *in)
{
    KILN_TRY(kiln_esp_table_parse(image, ctx, in->bytes, in->len, in->origin));
    kiln_image_why(image, "AA 50 entries: %zu partitions%s", image->partition_count,
                   image->info.has_checksum ? ", MD5 right" : ", without MD5");
    return kiln_image_add_view(image, ctx, 0, 0, in->origin, in->len);
}

/* ---- a whole flash ---- */

struct merged {
    size_t boot, table; /* offsets in the file */
    uint64_t start;     /* flash offset of the file's first byte */
};

/* A bootloader at `boot` of a chip whose ROM looks there, or a file that begins with it; and a table behind. */
static bool merged_at(const uint8_t *bytes, size_t len, size_t boot, struct merged *out)
{
    const struct kiln_chip *chip;

    if (boot >= len || !kiln_esp_header_fits(bytes + boot, len - boot) || !all_ff(bytes, boot))
        return false;
    chip = kiln_esp_header_chip(bytes + boot, len - boot);
    if (chip == NULL || chip->esp == NULL || chip->esp->boot_offset < boot)
        return false;
    for (size_t table = boot + SECTOR; table < len && table <= TABLE_SEARCH_END; table += SECTOR) {
        if (!kiln_esp_table_fits(bytes + table, len - table))
            continue;
        *out =
            (struct merged){.boot = boot, .table = table, .start = chip->esp->boot_offset - boot};
        return true;
    }
    return false;
}

/* The bootloader stands where the chip's ROM looks for it; that tells where the file begins. */
static bool find_merged(const uint8_t *bytes, size_t len, struct merged *out)
{
    const struct kiln_chip *chip;

    if (merged_at(bytes, len, 0, out))
        return true;
    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++)
        if (chip->esp != NULL && chip->esp->boot_offset != 0 &&
            merged_at(bytes, len, chip->esp->boot_offset, out))
            return true;
    return false;
}

static bool recognise_merged(const uint8_t *bytes, size_t len)
{
    struct merged merged;

    return find_merged(bytes, len, &merged);
}

/* The applications that stand in the app partitions are checked too: a truncated one must not be written. */
static enum kiln_status check_apps(struct kiln_image *image, struct kiln_ctx *ctx,
                                   const struct kiln_image_input *in, const struct merged *merged,
                                   unsigned *out_apps)
{
    *out_apps = 0;
    for (size_t i = 0; i < image->partition_count; i++) {
        const struct kiln_esp_partition *p = &image->partitions[i];
        uint64_t at = p->offset - merged->start;
        size_t end;

        if (p->type != 0 || p->offset < merged->start || at >= in->len ||
            !kiln_esp_header_fits(in->bytes + at, in->len - at))
            continue;
        KILN_TRY(kiln_esp_image_walk(image, ctx, in->bytes + at, in->len - at,
                                     in->origin + (size_t)at, &end));
        if (end > p->size)
            return kiln_image_bad(ctx, in->origin + at,
                                  "the application at 0x%" PRIx32
                                  " has %zu bytes, more than its partition %s holds",
                                  p->offset, end, p->label);
        ++*out_apps;
    }
    return KILN_OK;
}

/* ---- its parts ---- */

static struct kiln_image_part *add_part(struct kiln_image *image, uint64_t offset, uint64_t size,
                                        const char *what)
{
    struct kiln_image_part *part = &image->parts[image->part_count++];

    *part = (struct kiln_image_part){.offset = offset, .size = size};
    snprintf(part->what, sizeof part->what, "%s", what);
    return part;
}

/* Bootloader or application. */
static void describe_program(struct kiln_image_part *part, const uint8_t *bytes, size_t len)
{
    struct kiln_esp_image view;

    if (!kiln_esp_header_fits(bytes, len) ||
        kiln_esp_inspect(bytes, len, NULL, NULL, &view, NULL) != KILN_OK) {
        kiln_esp_data_text(bytes, len, part->text, sizeof part->text);
        return;
    }
    if (view.has_app)
        snprintf(part->text, sizeof part->text,
                 "%s, version %s, built %s %s, ESP-IDF %s; %zu bytes", view.app.project,
                 view.app.version, view.app.date, view.app.time, view.app.idf, view.data_len);
    else if (view.has_boot)
        snprintf(part->text, sizeof part->text, "ESP-IDF %s, built %s; %zu bytes", view.boot.idf,
                 view.boot.built, view.data_len);
    else
        snprintf(part->text, sizeof part->text, "%s program without descriptor; %zu bytes",
                 view.chip, view.data_len);
}

static int by_offset(const void *a, const void *b)
{
    uint64_t x = ((const struct kiln_image_part *)a)->offset;
    uint64_t y = ((const struct kiln_image_part *)b)->offset;

    return x < y ? -1 : x > y;
}

static enum kiln_status list_parts(struct kiln_image *image, struct kiln_ctx *ctx,
                                   const struct kiln_image_input *in, const struct merged *m)
{
    struct kiln_image_part *part;

    image->part_count = 0;
    image->parts = calloc(image->partition_count + 2, sizeof *image->parts);
    if (image->parts == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    part = add_part(image, m->start + m->boot, m->table - m->boot, "bootloader");
    describe_program(part, in->bytes + m->boot, m->table - m->boot);
    part = add_part(image, m->start + m->table, KILN_ESP_TABLE_SIZE, "partition table");
    snprintf(part->text, sizeof part->text, "%zu partitions", image->partition_count);
    for (size_t i = 0; i < image->partition_count; i++) {
        const struct kiln_esp_partition *p = &image->partitions[i];
        uint64_t at = p->offset - m->start;
        size_t len;

        if (p->offset < m->start || at >= in->len)
            continue;
        len = (size_t)KILN_MIN(p->size, in->len - at);
        part = add_part(image, p->offset, len, p->label);
        if (p->type == 0)
            describe_program(part, in->bytes + at, len);
        else
            kiln_esp_data_text(in->bytes + at, len, part->text, sizeof part->text);
    }
    qsort(image->parts, image->part_count, sizeof *image->parts, by_offset);
    return KILN_OK;
}

static enum kiln_status load_merged(struct kiln_image *image, struct kiln_ctx *ctx,
                                    const struct kiln_image_input *in)
{
    struct merged m = {0};
    size_t end;
    unsigned apps;
    const char *chip;

    if (!find_merged(in->bytes, in->len, &m))
        return kiln_image_bad(ctx, 0, "has no bootloader with a partition table behind it");
    KILN_TRY(kiln_esp_image_walk(image, ctx, in->bytes + m.boot, m.table - m.boot,
                                 in->origin + m.boot, &end));
    chip = image->info.chip;
    KILN_TRY(kiln_esp_table_parse(image, ctx, in->bytes + m.table, in->len - m.table,
                                  in->origin + m.table));
    KILN_TRY(check_apps(image, ctx, in, &m, &apps));
    KILN_TRY(list_parts(image, ctx, in, &m));
    if (chip != image->info.chip)
        kiln_image_note(image, "bootloader and application are for different chips");
    image->info.chip = chip;
    image->memory_count = 0;
    image->info.entry = KILN_NO_ADDRESS;
    image->info.esp_role = KILN_ESP_ROLE_UNKNOWN;
    image->info.address_source = KILN_ADDRESS_FILE;
    kiln_image_why(image,
                   "%s bootloader at 0x%" PRIx64 ", partition table at 0x%" PRIx64
                   " with %zu partitions, %u application%s",
                   chip, m.start + m.boot, m.start + m.table, image->partition_count, apps,
                   apps == 1 ? "" : "s");
    return kiln_image_add_view(image, ctx, 0, m.start, in->origin, in->len);
}

const struct kiln_image_format kiln_image_format_esp_partitions = {.name = "ESP partition table",
                                                                   .type =
                                                                       KILN_IMAGE_ESP_PARTITIONS,
                                                                   .recognise = kiln_esp_table_fits,
                                                                   .load = load_table};

const struct kiln_image_format kiln_image_format_esp_merged = {.name = "ESP flash image",
                                                               .type = KILN_IMAGE_ESP_MERGED,
                                                               .recognise = recognise_merged,
                                                               .load = load_merged};
