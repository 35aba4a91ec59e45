/* SPDX-License-Identifier: MIT */
/*
 * What ESP-IDF keeps about applications in flash: otadata, which selects the slot that starts, and the descriptor
 * inside each application. Source: ESP-IDF 5.x, esp_flash_partitions.h (esp_ota_select_entry_t), esp_app_desc.h,
 * bootloader_common.c.
 */
#ifndef KILN_IMAGE_ESP_OTA_H
#define KILN_IMAGE_ESP_OTA_H

#include <kiln/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KILN_OTADATA_ENTRIES 2
#define KILN_OTADATA_SIZE    32u     /* bytes of an entry */
#define KILN_OTADATA_SECTOR  0x1000u /* each entry begins one */

struct kiln_otadata_entry {
    uint32_t sequence, state, crc;
    bool blank;     /* erased */
    bool crc_right; /* over the sequence number */
    bool
        selects; /* the bootloader heeds it: a sequence, its CRC, and a state that is not a failure */
};

void kiln_otadata_parse(const uint8_t bytes[KILN_OTADATA_SIZE], struct kiln_otadata_entry *out);

/* An entry without rollback state, as ESP-IDF's ota_data_initial.bin and Arduino's boot_app0.bin have it. */
void kiln_otadata_make(uint32_t sequence, uint8_t out_bytes[KILN_OTADATA_SIZE]);

/* The entry that counts, -1 if none does. */
int kiln_otadata_active(const struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES]);

/* The slot, of `slots` (at least 1), that an entry which selects means. */
unsigned kiln_otadata_slot(const struct kiln_otadata_entry *entry, unsigned slots);

/* The lowest sequence number that outranks the active entry and means `slot`. False: the numbers are used up. */
bool kiln_otadata_next(const struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES], unsigned slots,
                       unsigned slot, uint32_t *out_sequence);

/* "undefined", "new", ...; "unknown" for values nobody defined. */
const char *kiln_otadata_state_name(uint32_t state);

#define KILN_APP_DESCRIPTOR_SIZE 256u
/* How much of an application's beginning holds its headers and its descriptor. */
#define KILN_APP_HEAD 288u

struct kiln_app_descriptor {
    char version[33], project[33], time[17], date[17], idf[33];
    uint8_t elf_sha256[32];
    uint32_t secure_version;
};

/* False if no descriptor stands there. */
bool kiln_app_descriptor_parse(const uint8_t *bytes, size_t len, struct kiln_app_descriptor *out);

/* "hello, version 1.2, built Jan  1 2026 00:00:00, ESP-IDF v5.2, ..." */
void kiln_app_descriptor_text(const struct kiln_app_descriptor *app, char *out, size_t cap);

#endif
