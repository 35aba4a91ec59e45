/* SPDX-License-Identifier: MIT */
#include "chip/esp.h"

#include <string.h>

/* Purposes that all these chips have. */
#define COMMON_KEYS                                                                             \
    [0] = "USER/EMPTY", [4] = "XTS_AES_128_KEY", [5] = "HMAC_DOWN_ALL", [6] = "HMAC_DOWN_JTAG", \
    [7] = "HMAC_DOWN_DIGITAL_SIGNATURE", [8] = "HMAC_UP", [9] = "SECURE_BOOT_DIGEST0",          \
    [10] = "SECURE_BOOT_DIGEST1", [11] = "SECURE_BOOT_DIGEST2"
/* Those of 12 and above: ESP-IDF, esp_efuse_chip.h of the chips, and esptool 5.2.0's tables of espefuse. */
#define AES256_KEYS [2] = "XTS_AES_256_KEY_1", [3] = "XTS_AES_256_KEY_2"
#define P384_KEYS   [16] = "ECDSA_KEY_P192", [17] = "ECDSA_KEY_P384_L", [18] = "ECDSA_KEY_P384_H"
#define PSRAM_KEYS                                                      \
    [13] = "XTS_AES_256_PSRAM_KEY_1", [14] = "XTS_AES_256_PSRAM_KEY_2", \
    [15] = "XTS_AES_128_PSRAM_KEY"

const char *const kiln_esp_keys_aes128[KILN_ESP_KEY_NAMES] = {COMMON_KEYS, [1] = "RESERVED"};
const char *const kiln_esp_keys_aes256[KILN_ESP_KEY_NAMES] = {COMMON_KEYS,
                                                              AES256_KEYS, [1] = "RESERVED"};
const char *const kiln_esp_keys_ecdsa[KILN_ESP_KEY_NAMES] = {COMMON_KEYS,
                                                             AES256_KEYS, [1] = "ECDSA_KEY"};
const char *const kiln_esp_keys_manager[KILN_ESP_KEY_NAMES] = {
    COMMON_KEYS, AES256_KEYS, [1] = "ECDSA_KEY", [12] = "KM_INIT_KEY"};
const char *const kiln_esp_keys_p384[KILN_ESP_KEY_NAMES] = {
    COMMON_KEYS, P384_KEYS, [1] = "ECDSA_KEY", [12] = "KM_INIT_KEY"};
const char *const kiln_esp_keys_p384_psram[KILN_ESP_KEY_NAMES] = {
    COMMON_KEYS, P384_KEYS, PSRAM_KEYS, [1] = "ECDSA_KEY", [12] = "KM_INIT_KEY"};
const char *const kiln_esp_keys_manager_p384[KILN_ESP_KEY_NAMES] = {
    COMMON_KEYS, AES256_KEYS, P384_KEYS, [1] = "ECDSA_KEY", [12] = "KM_INIT_KEY"};
const char *const kiln_esp_keys_sdc[KILN_ESP_KEY_NAMES] = {COMMON_KEYS,
                                                           AES256_KEYS,
                                                           P384_KEYS,
                                                           PSRAM_KEYS,
                                                           [1] = "ECDSA_KEY",
                                                           [12] = "KM_INIT_KEY",
                                                           [19] = "SDC_KEY_DIGEST"};
const char *const kiln_esp_keys_psram[KILN_ESP_KEY_NAMES] = {
    COMMON_KEYS, [1] = "ECDSA_KEY", [12] = "KM_INIT_KEY", [15] = "XTS_AES_128_KEY_PSRAM"};

const struct kiln_esp_code kiln_esp_frequencies_26m[] = {
    {80, 0xf, "80m"}, {40, 0x0, "40m"}, {26, 0x1, "26m"}, {20, 0x2, "20m"}, {0, 0, NULL},
};

const struct kiln_esp_code kiln_esp_frequencies[] = {
    {80, 0xf, "80m"},
    {40, 0x0, "40m"},
    {20, 0x2, "20m"},
    {0, 0, NULL},
};

const struct kiln_esp_code kiln_esp_sizes[] = {
    {1u << 20, 0x00, "1MB"},   {2u << 20, 0x10, "2MB"},     {4u << 20, 0x20, "4MB"},
    {8u << 20, 0x30, "8MB"},   {16u << 20, 0x40, "16MB"},   {32u << 20, 0x50, "32MB"},
    {64u << 20, 0x60, "64MB"}, {128u << 20, 0x70, "128MB"}, {0, 0, NULL},
};

const struct kiln_esp_code kiln_esp8266_sizes[] = {
    {512u << 10, 0x00, "512KB"}, {256u << 10, 0x10, "256KB"},
    {1u << 20, 0x20, "1MB"},     {2u << 20, 0x30, "2MB"},
    {4u << 20, 0x40, "4MB"},     {2u << 20, 0x50, "2MB-c1"},
    {4u << 20, 0x60, "4MB-c1"},  {8u << 20, 0x80, "8MB"},
    {16u << 20, 0x90, "16MB"},   {0, 0, NULL},
};

const struct kiln_esp_code *kiln_esp_code_of(const struct kiln_esp_code *codes, unsigned code)
{
    for (; codes->name != NULL; codes++)
        if (codes->code == code)
            return codes;
    return NULL;
}

const char *kiln_esp_code_name(const struct kiln_esp_code *codes, unsigned code)
{
    const struct kiln_esp_code *found = kiln_esp_code_of(codes, code);

    return found != NULL ? found->name : NULL;
}

const struct kiln_esp_code *kiln_esp_code_for(const struct kiln_esp_code *codes, uint64_t value)
{
    for (; codes->name != NULL; codes++)
        if (codes->value == value)
            return codes;
    return NULL;
}

const struct kiln_esp_stub kiln_esp_no_stub[] = {{0, NULL}};

const char *kiln_esp_key_name(const struct kiln_esp_facts *facts, unsigned purpose)
{
    return facts->key_names != NULL && purpose < KILN_ESP_KEY_NAMES ? facts->key_names[purpose]
                                                                    : NULL;
}

/* Whether a key has the purpose of this name. */
static bool has_purpose(const struct kiln_esp_facts *facts, uint32_t purposes, const char *name)
{
    for (unsigned i = 0; facts->key_names != NULL && i < KILN_ESP_KEY_NAMES; i++)
        if (facts->key_names[i] != NULL && strcmp(facts->key_names[i], name) == 0)
            return (purposes >> i & 1) != 0;
    return false;
}

bool kiln_esp_has_flash_key(const struct kiln_esp_facts *facts, uint32_t purposes)
{
    return has_purpose(facts, purposes, "XTS_AES_128_KEY") ||
           (has_purpose(facts, purposes, "XTS_AES_256_KEY_1") &&
            has_purpose(facts, purposes, "XTS_AES_256_KEY_2"));
}

const struct kiln_chip *kiln_esp_by_chip_id(uint32_t chip_id)
{
    const struct kiln_chip *chip;

    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++) {
        if (chip->esp != NULL && chip->esp->chip_id >= 0 && (uint32_t)chip->esp->chip_id == chip_id)
            return chip;
    }
    return NULL;
}

const struct kiln_chip *kiln_esp_by_magic(uint32_t magic)
{
    const struct kiln_chip *chip;

    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++) {
        if (chip->esp != NULL && chip->esp->magic != 0 && chip->esp->magic == magic)
            return chip;
    }
    return NULL;
}

const struct kiln_chip *kiln_esp_plain(void)
{
    const struct kiln_chip *chip;

    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++) {
        if (chip->esp != NULL && (chip->esp->flags & KILN_ESP_IMAGE_PLAIN) != 0)
            return chip;
    }
    return NULL;
}

bool kiln_esp_is_plain(const char *name)
{
    return name != NULL && kiln_chip_find(name) == kiln_esp_plain();
}

const struct kiln_esp_console *kiln_esp_console_of(const struct kiln_esp_facts *facts,
                                                   unsigned revision)
{
    const struct kiln_esp_console *row = facts->console;

    while (row != NULL && row->below_revision != 0 && revision >= row->below_revision)
        row++;
    return row;
}

const char *kiln_esp_stub_of(const struct kiln_chip *chip, unsigned revision)
{
    const struct kiln_esp_stub *row = chip->esp->stubs;

    if (row == NULL)
        return chip->name;
    while (row->below_revision != 0 && revision >= row->below_revision)
        row++;
    return row->file;
}

struct kiln_esp_window kiln_esp_window(const struct kiln_chip *chip, bool code)
{
    const struct kiln_esp_facts *facts = chip->esp;

    if (facts->irom_end != 0)
        return code ? (struct kiln_esp_window){facts->irom_start, facts->irom_end}
                    : (struct kiln_esp_window){facts->drom_start, facts->drom_end};
    for (const struct kiln_map_entry *m = chip->map; m->name != NULL; m++)
        if (strcmp(m->name, code ? "IROM" : "DROM") == 0)
            return (struct kiln_esp_window){(uint32_t)m->start, (uint32_t)m->end};
    return (struct kiln_esp_window){0, 0};
}

bool kiln_esp_is_flash(const struct kiln_chip *chip, uint64_t address)
{
    struct kiln_esp_window code = kiln_esp_window(chip, true);
    struct kiln_esp_window data = kiln_esp_window(chip, false);

    return (address >= code.start && address < code.end) ||
           (address >= data.start && address < data.end);
}
