/* SPDX-License-Identifier: MIT */
/*
 * Data partitions of ESP chips that are told by their content: otadata and NVS. Source: ESP-IDF 5.x,
 * esp_flash_partitions.h and the NVS guide (structure of a page and of an entry).
 */
#include "image/esp.h"

#include "base/bytes.h"
#include "image/esp_ota.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

static bool all_ff(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0xff && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* ---- otadata ---- */

static void entries_of(const uint8_t *bytes, struct kiln_otadata_entry out[KILN_OTADATA_ENTRIES])
{
    for (unsigned i = 0; i < KILN_OTADATA_ENTRIES; i++)
        kiln_otadata_parse(bytes + i * KILN_OTADATA_SECTOR, &out[i]);
}

/* At least one record with its CRC, and nothing else in both sectors. */
static bool is_otadata(const uint8_t *bytes, size_t len)
{
    struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES];

    if (len != KILN_OTADATA_ENTRIES * KILN_OTADATA_SECTOR)
        return false;
    entries_of(bytes, entry);
    for (unsigned i = 0; i < KILN_OTADATA_ENTRIES; i++)
        if ((!entry[i].blank && !entry[i].crc_right) ||
            !all_ff(bytes + i * KILN_OTADATA_SECTOR + KILN_OTADATA_SIZE,
                    KILN_OTADATA_SECTOR - KILN_OTADATA_SIZE))
            return false;
    return !entry[0].blank || !entry[1].blank;
}

static void otadata_text(const uint8_t *bytes, char *out, size_t cap)
{
    struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES];
    int active;

    entries_of(bytes, entry);
    active = kiln_otadata_active(entry);
    if (active < 0)
        snprintf(out, cap, "selects nothing");
    else
        snprintf(out, cap, "sequence %u, %s: with two slots ota_%u",
                 (unsigned)entry[active].sequence, kiln_otadata_state_name(entry[active].state),
                 kiln_otadata_slot(&entry[active], 2));
}

static enum kiln_status load_otadata(struct kiln_image *image, struct kiln_ctx *ctx,
                                     const struct kiln_image_input *in)
{
    struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES];
    char text[80];

    entries_of(in->bytes, entry);
    otadata_text(in->bytes, text, sizeof text);
    kiln_image_why(image, "two sectors with records of otadata, CRC right; %s", text);
    for (unsigned i = 0; i < KILN_OTADATA_ENTRIES; i++)
        if (entry[i].blank)
            kiln_image_note(image, "record %u: blank", i);
        else
            kiln_image_note(image, "record %u: sequence %u, %s", i, (unsigned)entry[i].sequence,
                            kiln_otadata_state_name(entry[i].state));
    return kiln_image_add_view(image, ctx, 0, 0, in->origin, in->len);
}

const struct kiln_image_format kiln_image_format_esp_otadata = {.name = "ESP otadata",
                                                                .type = KILN_IMAGE_ESP_OTADATA,
                                                                .recognise = is_otadata,
                                                                .load = load_otadata};

/* ---- NVS ---- */

#define NVS_PAGE      4096u
#define NVS_ENTRY     32u
#define NVS_FIRST     64u /* behind header and bitmap */
#define NVS_ENTRIES   126u
#define NVS_WRITTEN   2u /* of the two bits of an entry: 3 empty, 2 written, 0 erased */
#define NVS_U8        0x01u
#define NVS_ANY_CHUNK 0xffu
#define NVS_NAMES_MAX 160u
#define NVS_PAGES_MAX 4096u

static bool nvs_page(const uint8_t *page)
{
    uint32_t state = kiln_le32(page);

    return (state == 0xfffffffe || state == 0xfffffffc || state == 0xfffffff8) &&
           (page[8] == 0xff || page[8] == 0xfe) &&
           kiln_le32(page + 28) == (uint32_t)crc32(UINT32_MAX, page + 4, 24);
}

/* The first page in use decides. */
static bool is_nvs(const uint8_t *bytes, size_t len)
{
    if (len < NVS_PAGE || len % NVS_PAGE != 0)
        return false;
    for (size_t at = 0; at < len; at += NVS_PAGE)
        if (!all_ff(bytes + at, NVS_PAGE))
            return nvs_page(bytes + at);
    return false;
}

struct nvs {
    unsigned pages, used, entries;
    char names[NVS_NAMES_MAX];
};

static void nvs_entry(struct nvs *nvs, const uint8_t *e)
{
    char name[17];
    size_t used = strlen(nvs->names);

    nvs->entries++;
    if (e[0] != 0 || e[1] != NVS_U8) /* namespace 0 holds the names of the others */
        return;
    nvs->entries--;
    kiln_image_text(name, sizeof name, e + 8, 16);
    snprintf(nvs->names + used, sizeof nvs->names - used, "%s%s", used > 0 ? ", " : "", name);
}

static void nvs_count(const uint8_t *bytes, size_t len, struct nvs *nvs)
{
    *nvs = (struct nvs){.pages = (unsigned)(len / NVS_PAGE)};
    for (size_t at = 0; at + NVS_PAGE <= len; at += NVS_PAGE) {
        const uint8_t *page = bytes + at;
        unsigned span = 1;

        if (!nvs_page(page))
            continue;
        nvs->used++;
        for (unsigned i = 0; i < NVS_ENTRIES; i += span) {
            const uint8_t *e = page + NVS_FIRST + (size_t)i * NVS_ENTRY;

            span = 1;
            if ((page[NVS_ENTRY + i / 4] >> (i % 4 * 2) & 3) != NVS_WRITTEN)
                continue;
            nvs_entry(nvs, e);
            span = e[2] > 0 && e[2] <= NVS_ENTRIES - i ? e[2] : 1;
        }
    }
}

static void nvs_text(const uint8_t *bytes, size_t len, char *out, size_t cap)
{
    struct nvs nvs;

    nvs_count(bytes, len, &nvs);
    snprintf(out, cap, "%u of %u pages in use, %u entries%s%s", nvs.used, nvs.pages, nvs.entries,
             nvs.names[0] != '\0' ? ", namespaces " : "", nvs.names);
}

static enum kiln_status load_nvs(struct kiln_image *image, struct kiln_ctx *ctx,
                                 const struct kiln_image_input *in)
{
    char text[240];

    nvs_text(in->bytes, in->len, text, sizeof text);
    kiln_image_why(image, "NVS page header, CRC right: %.200s", text);
    return kiln_image_add_view(image, ctx, 0, 0, in->origin, in->len);
}

const struct kiln_image_format kiln_image_format_esp_nvs = {
    .name = "ESP NVS", .type = KILN_IMAGE_ESP_NVS, .recognise = is_nvs, .load = load_nvs};

/* ---- a stretch of flash in words ---- */

void kiln_esp_data_text(const uint8_t *bytes, size_t len, char *out, size_t cap)
{
    if (all_ff(bytes, len))
        snprintf(out, cap, "blank");
    else if (len >= KILN_OTADATA_ENTRIES * KILN_OTADATA_SECTOR &&
             is_otadata(bytes, KILN_OTADATA_ENTRIES * KILN_OTADATA_SECTOR))
        otadata_text(bytes, out, cap);
    else if (is_nvs(bytes, len / NVS_PAGE * NVS_PAGE))
        nvs_text(bytes, len / NVS_PAGE * NVS_PAGE, out, cap);
    else
        snprintf(out, cap, "data");
}
