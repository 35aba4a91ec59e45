/* SPDX-License-Identifier: MIT */
/*
 * Partition tables of ESP chips as ESP-IDF keeps them in source: name, type, subtype, offset, size, flags. Offsets that
 * are left out follow each other. What is loaded is the binary table that goes into flash.
 * Source: ESP-IDF 5.x, Partition Tables (API guide).
 */
#include "image/esp.h"

#include "base/bytes.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS      6u
#define ROWS_MAX    95u
#define FIRST       0x9000u /* behind the table at its usual place */
#define ALIGN_APP   0x10000u
#define ALIGN_OTHER 0x1000u
#define TYPE_APP    0u
#define TYPE_DATA   1u
#define LOOK        4096u /* bytes in which the first row must stand */

struct word {
    const char *name;
    uint8_t value;
};

static const struct word types[] = {
    {"app", TYPE_APP}, {"data", TYPE_DATA}, {"bootloader", 2}, {"partition_table", 3}, {NULL, 0}};
static const struct word app_subtypes[] = {{"factory", 0}, {"test", 0x20}, {NULL, 0}};
static const struct word data_subtypes[] = {
    {"ota", 0},       {"phy", 1},         {"nvs", 2},         {"coredump", 3},
    {"nvs_keys", 4},  {"efuse", 5},       {"fat", 0x81},      {"undefined", 6},
    {"spiffs", 0x82}, {"littlefs", 0x83}, {"esphttpd", 0x80}, {NULL, 0}};
static const struct word other_subtypes[] = {
    {"primary", 0}, {"ota", 1}, {"recovery", 2}, {NULL, 0}};

struct row {
    char text[160];
    char *field[FIELDS];
    unsigned line;
};

struct csv {
    struct kiln_ctx *ctx;
    const uint8_t *bytes;
    size_t len, at;
    unsigned line;
    uint8_t out[KILN_ESP_TABLE_SIZE];
    size_t rows;
    uint64_t next; /* where a row without offset goes */
};

static char *trim(char *text)
{
    size_t len;

    while (isspace((unsigned char)*text))
        text++;
    len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

static void split(struct row *row)
{
    char *rest = row->text;

    for (size_t i = 0; i < FIELDS; i++) {
        char *field = rest != NULL ? strsep(&rest, ",") : NULL;

        row->field[i] = field != NULL ? trim(field) : row->text + strlen(row->text);
    }
}

/* The next line that is not empty and no comment. False at the end; a line too long is one without fields. */
static bool next_row(struct csv *csv, struct row *row)
{
    while (csv->at < csv->len) {
        const uint8_t *line = csv->bytes + csv->at;
        const uint8_t *end = memchr(line, '\n', csv->len - csv->at);
        size_t len = end != NULL ? (size_t)(end - line) : csv->len - csv->at;
        size_t used = KILN_MIN(len, sizeof row->text - 1);

        csv->at += len + (end != NULL);
        csv->line++;
        memcpy(row->text, line, used);
        row->text[used] = '\0';
        row->text[strcspn(row->text, "#")] = '\0';
        if (trim(row->text)[0] == '\0')
            continue;
        row->line = csv->line;
        split(row);
        return true;
    }
    return false;
}

static enum kiln_status bad(struct csv *csv, const struct row *row, const char *what,
                            const char *word)
{
    return kiln_image_bad(csv->ctx, row->line, "line %u: %s '%.40s'", row->line, what, word);
}

static bool number(const char *text, uint64_t *out)
{
    char *end;
    uint64_t unit = 1;

    if (!isdigit((unsigned char)text[0]))
        return false;
    *out = strtoull(text, &end, 0);
    if (*end == 'K' || *end == 'k')
        unit = 1024;
    else if (*end == 'M' || *end == 'm')
        unit = 1024 * 1024;
    if (unit != 1)
        end++;
    if (*end != '\0' || *out > UINT32_MAX / unit)
        return false;
    *out *= unit;
    return true;
}

static bool byte_of(const char *text, const struct word *words, uint8_t *out)
{
    uint64_t value;

    for (; words->name != NULL; words++)
        if (strcmp(words->name, text) == 0) {
            *out = words->value;
            return true;
        }
    if (!number(text, &value) || value > 0xfe)
        return false;
    *out = (uint8_t)value;
    return true;
}

static bool subtype_of(const char *text, uint8_t type, uint8_t *out)
{
    uint64_t slot;

    if (type == TYPE_APP && strncmp(text, "ota_", 4) == 0) {
        if (!number(text + 4, &slot) || slot > 15)
            return false;
        *out = (uint8_t)(0x10 + slot);
        return true;
    }
    if (text[0] == '\0') { /* app and data need one in older tables too; 0 is what tools put */
        *out = 0;
        return true;
    }
    return byte_of(text,
                   type == TYPE_APP    ? app_subtypes
                   : type == TYPE_DATA ? data_subtypes
                                       : other_subtypes,
                   out);
}

static bool flags_of(char *text, uint32_t *out)
{
    char *rest = text, *flag;

    *out = 0;
    while ((flag = strsep(&rest, ":")) != NULL) {
        flag = trim(flag);
        if (strcmp(flag, "encrypted") == 0)
            *out |= 1;
        else if (strcmp(flag, "readonly") == 0)
            *out |= 2;
        else if (*flag != '\0')
            return false;
    }
    return true;
}

static enum kiln_status add_row(struct csv *csv, struct row *row)
{
    uint8_t *e = csv->out + csv->rows * KILN_ESP_ENTRY_SIZE;
    uint8_t type = 0, subtype = 0;
    uint64_t offset = 0, size = 0;
    uint32_t flags = 0, align;

    if (csv->rows == ROWS_MAX)
        return bad(csv, row, "a table holds 95 partitions, and one more is", row->field[0]);
    if (row->field[0][0] == '\0' || strlen(row->field[0]) > 16)
        return bad(csv, row, "a name has 1 to 16 characters, not", row->field[0]);
    if (!byte_of(row->field[1], types, &type))
        return bad(csv, row, "there is no partition type", row->field[1]);
    if (!subtype_of(row->field[2], type, &subtype))
        return bad(csv, row, "there is no such subtype:", row->field[2]);
    if (!number(row->field[4], &size) || size == 0)
        return bad(csv, row, "the size of a partition is a number like 0x6000, 24K or 1M, not",
                   row->field[4]);
    if (!flags_of(row->field[5], &flags))
        return bad(csv, row, "flags are encrypted and readonly, not", row->field[5]);
    align = type == TYPE_APP ? ALIGN_APP : ALIGN_OTHER;
    if (row->field[3][0] == '\0')
        offset = kiln_round_up(csv->next, align);
    else if (!number(row->field[3], &offset))
        return bad(csv, row, "the offset of a partition is a number like 0x10000, not",
                   row->field[3]);
    if (offset % align != 0 || offset + size > UINT32_MAX)
        return bad(csv, row,
                   type == TYPE_APP ? "applications begin at multiples of 64 KB, not at"
                                    : "partitions begin at multiples of 4 KB, not at",
                   row->field[3]);
    e[0] = 0xaa;
    e[1] = 0x50;
    e[2] = type;
    e[3] = subtype;
    kiln_put_le32(e + 4, (uint32_t)offset);
    kiln_put_le32(e + 8, (uint32_t)size);
    memset(e + 12, 0, 20);
    memcpy(e + 12, row->field[0], strlen(row->field[0]));
    kiln_put_le32(e + 28, flags);
    csv->next = offset + size;
    csv->rows++;
    return KILN_OK;
}

static enum kiln_status end_table(struct csv *csv)
{
    size_t end = csv->rows * KILN_ESP_ENTRY_SIZE;
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(csv->out, end, digest, NULL, EVP_md5(), NULL) != 1)
        return kiln_fail(csv->ctx, KILN_E_INTERNAL, "MD5 is not available");
    csv->out[end] = csv->out[end + 1] = 0xeb;
    memcpy(csv->out + end + 16, digest, 16);
    return KILN_OK;
}

static bool recognise(const uint8_t *bytes, size_t len)
{
    struct csv csv = {.bytes = bytes, .len = KILN_MIN(len, LOOK)};
    uint8_t type = 0;
    struct row row;

    for (size_t i = 0; i < csv.len; i++)
        if (bytes[i] == 0 || bytes[i] >= 0x7f)
            return false;
    return next_row(&csv, &row) && byte_of(row.field[1], types, &type) && row.field[4][0] != '\0';
}

static enum kiln_status load(struct kiln_image *image, struct kiln_ctx *ctx,
                             const struct kiln_image_input *in)
{
    struct csv csv = {.ctx = ctx, .bytes = in->bytes, .len = in->len, .next = FIRST};
    struct row row;

    memset(csv.out, 0xff, sizeof csv.out);
    while (next_row(&csv, &row))
        KILN_TRY(add_row(&csv, &row));
    KILN_TRY(end_table(&csv));
    KILN_TRY(kiln_esp_table_parse(image, ctx, csv.out, sizeof csv.out, 0));
    kiln_image_why(image, "comma-separated rows: %zu partitions", image->partition_count);
    kiln_image_note(image, "the binary table made of it goes to the board");
    return kiln_image_add(image, ctx, 0, 0, csv.out, sizeof csv.out, 0);
}

const struct kiln_image_format kiln_image_format_esp_csv = {.name = "ESP partition table as text",
                                                            .type = KILN_IMAGE_ESP_PARTITIONS,
                                                            .recognise = recognise,
                                                            .load = load};
