/* SPDX-License-Identifier: MIT */
#include "image/esp_ota.h"

#include "base/bytes.h"
#include "image/esp.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { STATE_NEW, STATE_PENDING, STATE_VALID, STATE_INVALID, STATE_ABORTED };

/* ESP-IDF's CRC starts from register 0. */
static uint32_t sequence_crc(const uint8_t *sequence)
{
    return (uint32_t)crc32(UINT32_MAX, sequence, 4);
}

void kiln_otadata_parse(const uint8_t bytes[KILN_OTADATA_SIZE], struct kiln_otadata_entry *out)
{
    *out = (struct kiln_otadata_entry){.sequence = kiln_le32(bytes),
                                       .state = kiln_le32(bytes + 24),
                                       .crc = kiln_le32(bytes + 28),
                                       .blank = true};
    for (size_t i = 0; i < KILN_OTADATA_SIZE; i++)
        out->blank = out->blank && bytes[i] == 0xff;
    out->crc_right = !out->blank && out->crc == sequence_crc(bytes);
    out->selects = out->crc_right && out->sequence != 0 && out->sequence != UINT32_MAX &&
                   out->state != STATE_INVALID && out->state != STATE_ABORTED;
}

void kiln_otadata_make(uint32_t sequence, uint8_t out_bytes[KILN_OTADATA_SIZE])
{
    memset(out_bytes, 0xff, KILN_OTADATA_SIZE);
    kiln_put_le32(out_bytes, sequence);
    kiln_put_le32(out_bytes + 28, sequence_crc(out_bytes));
}

int kiln_otadata_active(const struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES])
{
    if (entry[0].selects && entry[1].selects)
        return entry[1].sequence > entry[0].sequence;
    return entry[0].selects ? 0 : entry[1].selects ? 1 : -1;
}

unsigned kiln_otadata_slot(const struct kiln_otadata_entry *entry, unsigned slots)
{
    return (entry->sequence - 1) % slots;
}

bool kiln_otadata_next(const struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES], unsigned slots,
                       unsigned slot, uint32_t *out_sequence)
{
    int active = kiln_otadata_active(entry);
    uint64_t sequence = (active < 0 ? 0 : (uint64_t)entry[active].sequence) + 1;

    while ((sequence - 1) % slots != slot)
        sequence++;
    *out_sequence = (uint32_t)sequence;
    return sequence < UINT32_MAX;
}

const char *kiln_otadata_state_name(uint32_t state)
{
    static const char *const names[] = {
        [STATE_NEW] = "new",         [STATE_PENDING] = "pending verification",
        [STATE_VALID] = "valid",     [STATE_INVALID] = "invalid",
        [STATE_ABORTED] = "aborted",
    };

    if (state == UINT32_MAX)
        return "undefined";
    return state < KILN_ARRAY_LEN(names) ? names[state] : "unknown";
}

bool kiln_app_descriptor_parse(const uint8_t *bytes, size_t len, struct kiln_app_descriptor *out)
{
    *out = (struct kiln_app_descriptor){.secure_version = 0};
    if (len < KILN_APP_DESCRIPTOR_SIZE || kiln_le32(bytes) != KILN_ESP_DESCRIPTOR_MAGIC)
        return false;
    out->secure_version = kiln_le32(bytes + 0x04);
    kiln_image_text(out->version, sizeof out->version, bytes + 0x10, 32);
    kiln_image_text(out->project, sizeof out->project, bytes + 0x30, 32);
    kiln_image_text(out->time, sizeof out->time, bytes + 0x50, 16);
    kiln_image_text(out->date, sizeof out->date, bytes + 0x60, 16);
    kiln_image_text(out->idf, sizeof out->idf, bytes + 0x70, 32);
    memcpy(out->elf_sha256, bytes + 0x90, sizeof out->elf_sha256);
    return true;
}

void kiln_app_descriptor_text(const struct kiln_app_descriptor *app, char *out, size_t cap)
{
    char sha[2 * sizeof app->elf_sha256 + 1];

    for (size_t i = 0; i < sizeof app->elf_sha256; i++)
        snprintf(sha + 2 * i, 3, "%02x", app->elf_sha256[i]);
    snprintf(out, cap, "%s, version %s, built %s %s, ESP-IDF %s, secure version %u, ELF SHA-256 %s",
             app->project, app->version, app->date, app->time, app->idf,
             (unsigned)app->secure_version, sha);
}
