/* SPDX-License-Identifier: MIT */
/*
 * Partition tables of ESP chips as ESP-IDF keeps them in source: name, type, subtype, offset, size, flags. Offsets that
 * are left out follow each other. What is loaded is the binary table that goes into flash.
 * Source: ESP-IDF 6, Partition Tables (API guide); what gen_esp32part.py 1.5 takes and refuses was compared.
 */
#include "image/esp.h"

#include "base/bytes.h"
#include "chip/esp.h"

#include <ctype.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELDS          6u
#define ROWS_MAX        94u /* with the entry of the MD5 the table must stay below 3 KB */
#define TABLE_SECTOR    0x1000u
#define ALIGN_APP       0x10000u
#define ALIGN_OTHER     0x1000u
#define TYPE_APP        0u
#define TYPE_DATA       1u
#define TYPE_BOOTLOADER 2u
#define TYPE_TABLE      3u
#define DATA_OTA        0u
#define DATA_NVS        2u
#define DATA_COREDUMP   3u
#define DATA_UNDEFINED  6u
#define DATA_TEE_OTA    0x90u
#define TABLE_PRIMARY   0u
#define ENCRYPTED       1u
#define READONLY        2u
#define OTADATA_SIZE    0x2000u
#define NVS_LEAST       0x3000u /* that can be written */
#define NAME_LEN        16u
#define LOOK            4096u /* bytes in which a row must stand that tells what this is */

struct word {
    const char *name;
    uint8_t value;
};

static const struct word types[] = {{"app", TYPE_APP},
                                    {"data", TYPE_DATA},
                                    {"bootloader", TYPE_BOOTLOADER},
                                    {"partition_table", TYPE_TABLE},
                                    {NULL, 0}};
static const struct word app_subtypes[] = {
    {"factory", 0}, {"test", 0x20}, {"tee_0", 0x30}, {"tee_1", 0x31}, {NULL, 0}};
static const struct word data_subtypes[] = {{"ota", DATA_OTA},
                                            {"phy", 1},
                                            {"nvs", DATA_NVS},
                                            {"coredump", DATA_COREDUMP},
                                            {"nvs_keys", 4},
                                            {"efuse", 5},
                                            {"undefined", DATA_UNDEFINED},
                                            {"esphttpd", 0x80},
                                            {"fat", 0x81},
                                            {"spiffs", 0x82},
                                            {"littlefs", 0x83},
                                            {"tee_ota", DATA_TEE_OTA},
                                            {NULL, 0}};
static const struct word bootloader_subtypes[] = {
    {"primary", 0}, {"ota", 1}, {"recovery", 2}, {NULL, 0}};
static const struct word table_subtypes[] = {{"primary", TABLE_PRIMARY}, {"ota", 1}, {NULL, 0}};
static const struct word no_words[] = {{NULL, 0}};

struct row {
    char text[160];
    char *field[FIELDS];
    unsigned line;
    bool whole; /* the line was not too long */
};

struct entry {
    char name[64];
    unsigned line;
    uint8_t type, subtype;
    bool placed;    /* its offset is given */
    bool own_place; /* the table itself, which rows without offset do not follow */
    uint64_t offset;
    int64_t size; /* less than 0: it ends at that address */
    uint32_t flags;
};

struct csv {
    struct kiln_ctx *ctx;
    const uint8_t *bytes;
    size_t len, at;
    unsigned line;
    uint64_t table; /* where the table goes */
    struct entry entry[ROWS_MAX];
    size_t count;
};

/* ---- rows ---- */

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
    char *rest = trim(row->text);

    for (size_t i = 0; i < FIELDS; i++) {
        char *field = rest != NULL ? strsep(&rest, ",") : NULL;

        row->field[i] = field != NULL ? trim(field) : row->text + strlen(row->text);
    }
}

/* The next line that is not empty and no comment; false at the end. */
static bool next_row(struct csv *csv, struct row *row)
{
    while (csv->at < csv->len) {
        const uint8_t *line = csv->bytes + csv->at;
        const uint8_t *end = memchr(line, '\n', csv->len - csv->at);
        size_t len = end != NULL ? (size_t)(end - line) : csv->len - csv->at;
        size_t used = KILN_MIN(len, sizeof row->text - 1);
        const char *first;

        csv->at += len + (end != NULL);
        csv->line++;
        memcpy(row->text, line, used);
        row->text[used] = '\0';
        first = trim(row->text);
        if (*first == '\0' || *first == '#')
            continue;
        row->whole = used == len;
        row->line = csv->line;
        split(row);
        return true;
    }
    return false;
}

static enum kiln_status bad(struct csv *csv, unsigned line, const char *what, const char *word)
{
    return kiln_fail_hint(csv->ctx, KILN_E_FILE, KILN_HINT_EDIT_LINE, "line %u: %s '%.40s'", line,
                          what, word);
}

/* ---- words and numbers ---- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isalpha((unsigned char)c) ? tolower(c) - 'a' + 10 : 99;
}

/* As Python writes integers: 0x, 0o and 0b in front, '_' between digits, no 0 in front of others. */
static bool integer(const char *text, int64_t *out)
{
    bool minus = *text == '-', prefix = false;
    unsigned base = 10;
    int64_t value = 0;

    text += *text == '-' || *text == '+';
    if (text[0] == '0' && strchr("xXoObB", text[1]) != NULL && text[1] != '\0') {
        base = tolower(text[1]) == 'x' ? 16 : tolower(text[1]) == 'o' ? 8 : 2;
        text += 2;
        text += *text == '_';
        prefix = true;
    }
    if (digit_of(*text) >= (int)base)
        return false;
    if (!prefix && *text == '0' && text[strspn(text, "0_")] != '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text == '_' && text[1] != '_' && text[1] != '\0')
            continue;
        if (digit_of(*text) >= (int)base)
            return false;
        value = value * base + digit_of(*text);
        if (value > UINT32_MAX)
            return false;
    }
    *out = minus ? -value : value;
    return true;
}

/* An integer with any number of K and M behind it. */
static bool number(const char *given, int64_t *out)
{
    char copy[64], *text = copy;
    int64_t unit = 1;
    size_t len;

    if (strlen(given) >= sizeof copy)
        return false;
    memcpy(copy, given, strlen(given) + 1);
    for (;;) {
        text = trim(text);
        len = strlen(text);
        if (len == 0)
            return false;
        if (tolower(text[len - 1]) != 'k' && tolower(text[len - 1]) != 'm')
            break;
        unit *= tolower(text[len - 1]) == 'k' ? 1024 : 1024 * 1024;
        if (unit > UINT32_MAX)
            return false;
        text[len - 1] = '\0';
    }
    if (!integer(text, out))
        return false;
    *out *= unit;
    return *out <= UINT32_MAX && *out >= -(int64_t)UINT32_MAX;
}

static bool byte_of(const char *text, const struct word *words, uint8_t *out)
{
    int64_t value;

    for (; words->name != NULL; words++)
        if (strcasecmp(words->name, text) == 0) {
            *out = words->value;
            return true;
        }
    if (!number(text, &value) || value < 0 || value > UINT8_MAX)
        return false;
    *out = (uint8_t)value;
    return true;
}

static bool subtype_of(const char *text, uint8_t type, uint8_t *out)
{
    static const struct word *const words[] = {app_subtypes, data_subtypes, bootloader_subtypes,
                                               table_subtypes};
    char name[8];

    if (text[0] == '\0') { /* an application says which slot it is */
        *out = DATA_UNDEFINED;
        return type != TYPE_APP;
    }
    for (unsigned slot = 0; type == TYPE_APP && slot < 16; slot++) {
        snprintf(name, sizeof name, "ota_%u", slot);
        if (strcasecmp(name, text) == 0) {
            *out = (uint8_t)(0x10 + slot);
            return true;
        }
    }
    return byte_of(text, type < KILN_ARRAY_LEN(words) ? words[type] : no_words, out);
}

static bool flags_of(char *text, uint32_t *out)
{
    char *rest = text, *flag;

    *out = 0;
    while ((flag = strsep(&rest, ":")) != NULL) {
        if (strcmp(flag, "encrypted") == 0)
            *out |= ENCRYPTED;
        else if (strcmp(flag, "readonly") == 0)
            *out |= READONLY;
        else if (*flag != '\0')
            return false;
    }
    return true;
}

/* ---- a row becomes an entry ---- */

static enum kiln_status read_place(struct csv *csv, const struct row *row, struct entry *e)
{
    int64_t offset = 0;

    e->own_place = e->type == TYPE_TABLE && e->subtype == TABLE_PRIMARY;
    e->placed = e->own_place || row->field[3][0] != '\0';
    if (e->own_place)
        e->offset = csv->table;
    else if (e->placed && (!number(row->field[3], &offset) || offset < 0))
        return bad(csv, row->line, "the offset of a partition is a number like 0x10000, not",
                   row->field[3]);
    else
        e->offset = (uint64_t)offset;
    if (e->type == TYPE_TABLE)
        e->size = TABLE_SECTOR;
    else if (!number(row->field[4], &e->size) || e->size == 0)
        return bad(csv, row->line,
                   "the size of a partition is a number like 0x6000, 24K or 1M, not",
                   row->field[4]);
    return KILN_OK;
}

static enum kiln_status add_row(struct csv *csv, struct row *row)
{
    struct entry *e = &csv->entry[csv->count];

    if (csv->count == ROWS_MAX)
        return bad(csv, row->line, "a table holds 94 partitions, and one more is", row->field[0]);
    if (!row->whole || strlen(row->field[0]) >= sizeof e->name)
        return bad(csv, row->line, "no partition needs a line as long as that of", row->field[0]);
    *e = (struct entry){.line = row->line};
    memcpy(e->name, row->field[0], strlen(row->field[0]) + 1);
    if (!byte_of(row->field[1], types, &e->type))
        return bad(csv, row->line, "there is no partition type", row->field[1]);
    if (!subtype_of(row->field[2], e->type, &e->subtype))
        return bad(csv, row->line, "there is no such subtype:", row->field[2]);
    if (e->type == TYPE_BOOTLOADER)
        return bad(csv, row->line,
                   "where a bootloader begins and ends depends on the chip; give the binary table "
                   "of the build instead of",
                   row->field[0]);
    KILN_TRY(read_place(csv, row, e));
    if (!flags_of(row->field[5], &e->flags))
        return bad(csv, row->line, "flags are encrypted and readonly with ':' between, not",
                   row->field[5]);
    csv->count++;
    return KILN_OK;
}

/* ---- places ---- */

static enum kiln_status place_all(struct csv *csv)
{
    uint64_t next = csv->table + TABLE_SECTOR;

    for (struct entry *e = csv->entry; e < csv->entry + csv->count; e++) {
        if (e->own_place)
            continue;
        if (!e->placed)
            e->offset = kiln_round_up(next, e->type == TYPE_APP ? ALIGN_APP : ALIGN_OTHER);
        else if (e->offset < next)
            return kiln_fail_hint(csv->ctx, KILN_E_FILE, KILN_HINT_EDIT_LINE,
                                  "line %u: partition '%.40s' at 0x%" PRIx64
                                  " begins before 0x%" PRIx64 ", where what stands before it ends",
                                  e->line, e->name, e->offset, next);
        if (e->size < 0)
            e->size = -e->size - (int64_t)e->offset;
        if (e->size <= 0 || e->offset + (uint64_t)e->size > UINT32_MAX)
            return bad(csv, e->line, "there is no room in a flash for partition", e->name);
        next = e->offset + (uint64_t)e->size;
    }
    return KILN_OK;
}

static bool is_data(const struct entry *e, uint8_t subtype)
{
    return e->type == TYPE_DATA && e->subtype == subtype;
}

static enum kiln_status check_entry(struct csv *csv, const struct entry *e)
{
    bool otadata = is_data(e, DATA_OTA) || is_data(e, DATA_TEE_OTA);

    if (e->type == TYPE_APP && e->offset % ALIGN_APP != 0)
        return bad(csv, e->line, "applications begin at multiples of 64 KB, unlike", e->name);
    if (e->offset % ALIGN_OTHER != 0)
        return bad(csv, e->line, "partitions begin at multiples of 4 KB, unlike", e->name);
    if (e->type == TYPE_APP && e->size % ALIGN_OTHER != 0)
        return bad(csv, e->line,
                   "the size of an application partition is a multiple of 4 KB, not of", e->name);
    if (otadata && e->size != OTADATA_SIZE)
        return bad(csv, e->line, "otadata has 0x2000 bytes, unlike", e->name);
    if ((is_data(e, DATA_OTA) || is_data(e, DATA_COREDUMP)) && (e->flags & READONLY))
        return bad(csv, e->line,
                   "otadata and core dumps are written and cannot be readonly:", e->name);
    if (is_data(e, DATA_NVS) && e->size < NVS_LEAST && !(e->flags & READONLY))
        return bad(csv, e->line, "NVS that is written has 0x3000 bytes at least, unlike", e->name);
    return KILN_OK;
}

static enum kiln_status check_pair(struct csv *csv, const struct entry *e, const struct entry *o)
{
    if (strcmp(e->name, o->name) == 0)
        return bad(csv, o->line, "there are two partitions", o->name);
    if (e->type == TYPE_DATA && o->type == TYPE_DATA && e->subtype == o->subtype &&
        (e->subtype == DATA_OTA || e->subtype == DATA_TEE_OTA))
        return bad(csv, o->line, "there is a second otadata:", o->name);
    if (e->offset < o->offset + (uint64_t)o->size && o->offset < e->offset + (uint64_t)e->size)
        return bad(csv, o->line, "this partition lies in another one:", o->name);
    return KILN_OK;
}

static enum kiln_status check_all(struct csv *csv)
{
    for (size_t i = 0; i < csv->count; i++) {
        KILN_TRY(check_entry(csv, &csv->entry[i]));
        for (size_t k = i + 1; k < csv->count; k++)
            KILN_TRY(check_pair(csv, &csv->entry[i], &csv->entry[k]));
    }
    return KILN_OK;
}

/* ---- the table ---- */

static void put_entry(const struct entry *e, uint8_t *out)
{
    memset(out, 0, KILN_ESP_ENTRY_SIZE);
    out[0] = 0xaa;
    out[1] = 0x50;
    out[2] = e->type;
    out[3] = e->subtype;
    kiln_put_le32(out + 4, (uint32_t)e->offset);
    kiln_put_le32(out + 8, (uint32_t)e->size);
    memcpy(out + 12, e->name, KILN_MIN(strlen(e->name), (size_t)NAME_LEN));
    kiln_put_le32(out + 28, e->flags);
}

static enum kiln_status put_table(struct csv *csv, uint8_t out[KILN_ESP_TABLE_SIZE])
{
    size_t end = csv->count * KILN_ESP_ENTRY_SIZE;
    uint8_t digest[EVP_MAX_MD_SIZE];

    memset(out, 0xff, KILN_ESP_TABLE_SIZE);
    for (size_t i = 0; i < csv->count; i++)
        put_entry(&csv->entry[i], out + i * KILN_ESP_ENTRY_SIZE);
    if (EVP_Digest(out, end, digest, NULL, EVP_md5(), NULL) != 1)
        return kiln_fail(csv->ctx, KILN_E_INTERNAL, "MD5 is not available");
    out[end] = out[end + 1] = 0xeb;
    memcpy(out + end + 16, digest, 16);
    return KILN_OK;
}

/* ---- the format ---- */

static size_t byte_order_mark(const uint8_t *bytes, size_t len)
{
    return len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* Text whose first row has a type and a size, or that has one of the types by its name further on. */
static bool recognise(const uint8_t *bytes, size_t len)
{
    struct csv csv = {.bytes = bytes, .len = KILN_MIN(len, LOOK)};
    struct row row;
    uint8_t type = 0;
    bool first = true;

    for (size_t i = 0; i < csv.len; i++)
        if (bytes[i] < 0x20 ? !isspace(bytes[i]) : bytes[i] == 0x7f)
            return false;
    csv.at = byte_order_mark(bytes, csv.len);
    for (; next_row(&csv, &row); first = false)
        if (byte_of(row.field[1], types, &type) &&
            (first || isalpha((unsigned char)row.field[1][0])) &&
            (row.field[4][0] != '\0' || type == TYPE_TABLE))
            return true;
    return false;
}

static enum kiln_status read_all(struct csv *csv)
{
    struct row row;

    while (next_row(csv, &row))
        KILN_TRY(add_row(csv, &row));
    KILN_TRY(place_all(csv));
    return check_all(csv);
}

static void note_cut_names(struct kiln_image *image, const struct csv *csv)
{
    for (size_t i = 0; i < csv->count; i++)
        if (strlen(csv->entry[i].name) > NAME_LEN)
            kiln_image_note(image, "line %u: a name has 16 characters, and '%s' is cut",
                            csv->entry[i].line, csv->entry[i].name);
}

static enum kiln_status load(struct kiln_image *image, struct kiln_ctx *ctx,
                             const struct kiln_image_input *in)
{
    uint64_t given = in->options->address;
    struct csv csv = {.ctx = ctx,
                      .bytes = in->bytes,
                      .len = in->len,
                      .at = byte_order_mark(in->bytes, in->len),
                      .table = given != KILN_NO_ADDRESS ? given : KILN_ESP_TABLE_OFFSET};
    uint8_t table[KILN_ESP_TABLE_SIZE];

    KILN_TRY(read_all(&csv));
    KILN_TRY(put_table(&csv, table));
    KILN_TRY(kiln_esp_table_parse(image, ctx, table, sizeof table, 0));
    kiln_image_why(image, "comma-separated rows: %zu partitions", image->partition_count);
    note_cut_names(image, &csv);
    kiln_image_note(image, "the binary table made of it goes to the board");
    return kiln_image_add(image, ctx, 0, 0, table, sizeof table, 0);
}

const struct kiln_image_format kiln_image_format_esp_csv = {.name = "ESP partition table as text",
                                                            .type = KILN_IMAGE_ESP_PARTITIONS,
                                                            .recognise = recognise,
                                                            .load = load};
