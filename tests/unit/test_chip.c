/* SPDX-License-Identifier: MIT */
/* The rows of the chips, held against each other and against the figures of esptool 5.2.0
 * (tests/data/esp_chips.facts): a digit typed wrong in a row fails here. */
#include "chip/chip.h"

#include "base/bytes.h"
#include "chip/esp.h"
#include "chip/notes.h"
#include "chip/stm32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FACT(column, text)                                        \
    {                                                             \
        text, offsetof(struct kiln_esp_facts, column),            \
            sizeof(((const struct kiln_esp_facts *)NULL)->column) \
    }

struct fact {
    const char *name;
    size_t offset, size;
};

static const struct fact facts[] = {
    FACT(chip_id, "chip_id"),
    FACT(boot_offset, "boot_offset"),
    FACT(uf2_family, "uf2_family"),
    FACT(spi.base, "spi_base"),
    FACT(spi.usr, "spi_usr"),
    FACT(spi.usr1, "spi_usr1"),
    FACT(spi.usr2, "spi_usr2"),
    FACT(spi.w0, "spi_w0"),
    FACT(spi.mosi_dlen, "spi_mosi"),
    FACT(spi.miso_dlen, "spi_miso"),
    FACT(xtal_divider, "xtal_divider"),
    FACT(efuse_base, "efuse_base"),
    FACT(mac, "mac"),
    FACT(wdt.config0, "wdt_config0"),
    FACT(wdt.config1, "wdt_config1"),
    FACT(wdt.wprotect, "wdt_wprotect"),
    FACT(wdt.wkey, "wdt_wkey"),
    FACT(wdt.swd_conf, "swd_conf"),
    FACT(wdt.swd_auto_feed, "swd_feed"),
    FACT(wdt.swd_wprotect, "swd_wprotect"),
    FACT(wdt.swd_wkey, "swd_wkey"),
    FACT(encrypted_align, "encrypted_align"),
    FACT(uart_clkdiv, "uart_clkdiv"),
    FACT(magic, "magic"),
    FACT(strap, "strap"),
    FACT(force_download, "force_download"),
    FACT(force_download_mask, "force_download_mask"),
    FACT(flash_pins, "flash_pins"),
    FACT(usb_pins, "usb_pins"),
};

static uint64_t column(const struct kiln_esp_facts *esp, const struct fact *fact)
{
    const uint8_t *at = (const uint8_t *)esp + fact->offset;
    uint64_t whole;
    uint32_t word;

    if (fact->size == 1)
        return *at;
    if (fact->size == sizeof whole) {
        memcpy(&whole, at, sizeof whole);
        return whole;
    }
    memcpy(&word, at, sizeof word);
    return word;
}

static bool code_is(const struct kiln_esp_code *codes, const char *name, uint64_t code)
{
    for (; codes->value != 0; codes++)
        if (strcmp(codes->name, name) == 0)
            return codes->code == code;
    return false;
}

static bool map_has(const struct kiln_chip *chip, const char *name, uint64_t start, uint64_t end)
{
    for (const struct kiln_map_entry *entry = chip->map; entry->name != NULL; entry++)
        if (strcmp(entry->name, name) == 0 && entry->start == start && entry->end == end)
            return true;
    return false;
}

/* What esptool's classes have by inheritance and the rows do not claim: the S31's watchdogs are given at the C5's addresses, and the C2
 * has no USB, on which alone the super watchdog is fed. */
static bool is_inherited(const char *chip, const char *name)
{
    return (strcmp(chip, "esp32s31") == 0 &&
            (strncmp(name, "wdt_", 4) == 0 || strncmp(name, "swd_", 4) == 0)) ||
           (strcmp(chip, "esp32c2") == 0 && strncmp(name, "swd_", 4) == 0);
}

/* "irom_start" and the like: an edge of where the flash is mapped. */
static bool window_has(const struct kiln_chip *chip, const char *name, uint64_t value)
{
    struct kiln_esp_window window = kiln_esp_window(chip, name[0] == 'i');

    return (strcmp(name + 5, "end") == 0 ? window.end : window.start) == value;
}

/* ---- fields ---- */

/* A number and the character behind it ('\0' for the end, ',' or '\0' for ','); moves on behind both. */
static bool take(const char **text, int base, char end, unsigned *out_number)
{
    char *rest;

    *out_number = (unsigned)strtoul(*text, &rest, base);
    if (rest == *text || (*rest != end && (end != ',' || *rest != '\0')))
        return false;
    *text = *rest != '\0' ? rest + 1 : rest;
    return true;
}

/* "key.4": the number behind the word. */
static bool numbered(const char *name, const char *word, unsigned *out_number)
{
    size_t len = strlen(word);

    if (strncmp(name, word, len) != 0)
        return false;
    name += len;
    return take(&name, 10, '\0', out_number);
}

/* Bit `place` of the field is in this register at this place. */
static bool bit_is(const struct kiln_esp_bits *part, size_t parts, unsigned place, uint32_t reg,
                   unsigned bit)
{
    for (size_t i = 0; i < parts && part[i].width > 0; i++)
        if (place >= part[i].place && place - part[i].place < part[i].width)
            return part[i].reg == reg && place - part[i].place + part[i].shift == bit;
    return false;
}

static unsigned width_of(const struct kiln_esp_bits *part, size_t parts)
{
    unsigned width = 0;

    for (size_t i = 0; i < parts; i++)
        width += part[i].width;
    return width;
}

/* "0x600b484c:4+2@0,0x600b484c:23+1@2": bit for bit, however the row cuts it into parts. */
static bool field_is(const struct kiln_esp_bits *part, size_t parts, const char *text)
{
    unsigned reg, shift, width, place, bits = 0;

    while (*text != '\0') {
        if (!take(&text, 16, ':', &reg) || !take(&text, 10, '+', &shift) ||
            !take(&text, 10, '@', &width) || !take(&text, 10, ',', &place))
            return false;
        for (unsigned i = 0; i < width; i++)
            if (!bit_is(part, parts, place + i, reg, shift + i))
                return false;
        bits += width;
    }
    return bits > 0 && bits == width_of(part, parts);
}

static bool supply_is(const struct kiln_esp_facts *esp, const char *name, const char *text)
{
    const struct kiln_esp_supply *s = &esp->supply;
    const struct kiln_esp_bits bits = {
        .reg = strcmp(name, "strap") == 0 ? esp->strap : s->reg,
        .shift = strcmp(name, "force") == 0  ? s->force
                 : strcmp(name, "xpd") == 0  ? s->xpd
                 : strcmp(name, "tieh") == 0 ? s->tieh
                                             : s->strap,
        .width = 1,
    };

    return field_is(&bits, 1, text);
}

static bool console_is(const struct kiln_esp_facts *esp, unsigned revision, const char *text)
{
    const struct kiln_esp_console *row = kiln_esp_console_of(esp, revision);
    unsigned word, otg, jtag;

    return take(&text, 16, ':', &word) && take(&text, 10, '+', &otg) &&
           take(&text, 10, '\0', &jtag) && row != NULL && row->word == word &&
           row->usb_otg == otg && row->usb_jtag_serial == jtag;
}

#define FIELD(column)                                    \
    {                                                    \
#column, offsetof(struct kiln_esp_facts, column) \
    }

/* Facts that are not one number; 0 if this is none. -1: the row does not have it, 1: it has. */
static int text_fact(const struct kiln_esp_facts *esp, const char *name, const char *text)
{
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {FIELD(crypt_count), FIELD(secure_boot),  FIELD(no_manual_encrypt),
                  FIELD(jtag_off),    FIELD(crypt_config), FIELD(flash_octal)};
    unsigned number = 0;
    bool has = false;

    if (numbered(name, "console.", &number))
        has = console_is(esp, number, text);
    else if (numbered(name, "key_purpose.", &number))
        has = number < 6 && field_is(&esp->key_purpose[number], 1, text);
    else if (numbered(name, "key.", &number))
        has = kiln_esp_key_name(esp, number) != NULL &&
              strcmp(kiln_esp_key_name(esp, number), text) == 0;
    else if (strncmp(name, "supply_", 7) == 0)
        has = supply_is(esp, name + 7, text);
    else if (strcmp(name, "major") == 0)
        has = field_is(esp->major.part, KILN_ESP_PARTS, text);
    else if (strcmp(name, "minor") == 0)
        has = field_is(esp->minor.part, KILN_ESP_PARTS, text);
    else if (strchr(text, '@') == NULL)
        return 0;
    for (size_t i = 0; i < KILN_ARRAY_LEN(fields); i++)
        if (strcmp(name, fields[i].name) == 0)
            has = field_is(
                (const struct kiln_esp_bits *)(const void *)((const char *)esp + fields[i].offset),
                1, text);
    return has ? 1 : -1;
}

/* Whether a row has the fact. */
static bool row_has(const struct kiln_chip *chip, const char *name, uint64_t value, uint64_t end)
{
    const struct kiln_esp_facts *esp = chip->esp;

    if (strncmp(name, "freq.", 5) == 0)
        return code_is(esp->frequencies, name + 5, value);
    if (strncmp(name, "size.", 5) == 0)
        return code_is(esp->sizes, name + 5, value);
    if (strncmp(name, "map.", 4) == 0)
        return map_has(chip, name + 4, value, end);
    if (strncmp(name, "irom_", 5) == 0 || strncmp(name, "drom_", 5) == 0)
        return window_has(chip, name, value);
    for (size_t i = 0; i < KILN_ARRAY_LEN(facts); i++) {
        if (strcmp(name, facts[i].name) != 0)
            continue;
        /* A fixed crystal needs no divider register; what is 0 in a row is not claimed there. */
        if (strcmp(name, "uart_clkdiv") == 0 && esp->uart_clkdiv == 0)
            return esp->xtal_mhz != 0;
        return column(esp, &facts[i]) == value;
    }
    return false;
}

static void test_rows_have_esptools_figures(void **state)
{
    char path[512], line[128];
    unsigned seen = 0, wrong = 0;
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/tests/data/esp_chips.facts", getenv("KILN_SOURCE_ROOT"));
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        char *name = strchr(line, '.'), *value = strchr(line, '='), *rest;
        const struct kiln_chip *chip;
        uint64_t first, end = 0;
        int text;

        if (line[0] == '#' || name == NULL || value == NULL)
            continue;
        *name++ = '\0';
        *value++ = '\0';
        first = strtoull(value, &rest, 16);
        if (*rest == '-')
            end = strtoull(rest + 1, NULL, 16);
        chip = kiln_chip_find(line);
        assert_non_null(chip);
        seen++;
        value[strcspn(value, "\n")] = '\0';
        text = text_fact(chip->esp, name, value);
        if (text < 0 ||
            (text == 0 && is_inherited(line, name) != !row_has(chip, name, first, end))) {
            print_error("%s.%s is not %s\n", line, name, value);
            wrong++;
        }
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(seen > 1000);
}

static void check_esp_row(const struct kiln_chip *chip)
{
    const struct kiln_esp_facts *esp = chip->esp;
    struct kiln_esp_window code = kiln_esp_window(chip, true);
    struct kiln_esp_window data = kiln_esp_window(chip, false);

    assert_non_null(esp->features);
    assert_non_null(esp->frequencies);
    assert_non_null(esp->sizes);
    assert_true(esp->spi.base != 0 && esp->spi.w0 != 0 && esp->mac != 0);
    assert_true(esp->xtal_mhz != 0 || esp->uart_clkdiv != 0);
    assert_int_equal(esp->boot_offset % 0x1000, 0);
    assert_true(code.start < code.end && data.start <= data.end);
    if (esp->chip_id >= 0)
        assert_ptr_equal(kiln_esp_by_chip_id((uint32_t)esp->chip_id), chip);
    else
        assert_ptr_equal(kiln_esp_plain(), chip);
    if (esp->magic != 0)
        assert_ptr_equal(kiln_esp_by_magic(esp->magic), chip);
}

static void check_stm32_row(const struct kiln_chip *chip)
{
    const struct kiln_stm32_facts *facts_of = chip->stm32;
    uint64_t at = 0;
    size_t known;

    assert_true(facts_of->banks == 1 || facts_of->banks == 2);
    assert_true(facts_of->erased == 0xff || facts_of->erased == 0);
    assert_true(facts_of->ram_start <= facts_of->ram_end);
    for (known = 0; kiln_stm32_idcode_registers[known] != facts_of->idcode_reg; known++)
        assert_true(kiln_stm32_idcode_registers[known] != 0);
    for (uint32_t page; at < facts_of->flash_max; at += page) {
        page = kiln_stm32_page_at(&facts_of->org[0], at);
        assert_true(page != 0);
    }
    assert_int_equal(at, facts_of->flash_max);
    assert_true(
        map_has(chip, "FLASH", KILN_STM32_FLASH_BASE, KILN_STM32_FLASH_BASE + facts_of->flash_max));
}

static void test_every_row_is_whole(void **state)
{
    const struct kiln_chip *chip;
    unsigned esp = 0;

    (void)state;
    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++) {
        assert_ptr_equal(kiln_chip_find(chip->name), chip); /* no two have one name */
        assert_true(chip->title[0] != '\0' && chip->source[0] != '\0');
        assert_int_equal(chip->esp != NULL, chip->family == KILN_FAMILY_ESP);
        assert_int_equal(chip->stm32 != NULL, chip->family == KILN_FAMILY_STM32);
        for (const struct kiln_map_entry *entry = chip->map; entry->name != NULL; entry++)
            assert_true(entry->start < entry->end);
        if (chip->esp != NULL)
            check_esp_row(chip);
        if (chip->stm32 != NULL)
            check_stm32_row(chip);
        esp += chip->esp != NULL;
    }
    assert_int_equal(esp, 15);
}

static void test_a_part_tells_its_flash_base(void **state)
{
    uint64_t base = 0;

    (void)state;
    assert_true(kiln_chip_flash_base("STM32F103C8T6", &base));
    assert_int_equal(base, 0x08000000);
    assert_true(kiln_chip_flash_base("gd32f303cct6", &base));
    assert_false(kiln_chip_flash_base("gd32vf103", &base));
    assert_false(kiln_chip_flash_base("atmega328p", &base));
}

/* A shared note of no chip, a note twice of one or too long for the public view was typed wrong. */
static void test_notes_fit_rows(void **state)
{
    const struct kiln_shared_note *shared;
    struct kiln_chip_note note, other;
    const struct kiln_chip *chip;

    (void)state;
    for (size_t i = 0; (shared = kiln_shared_note_row(i)) != NULL; i++) {
        unsigned named = 1, found = 0;

        for (const char *c = shared->chips; *c != '\0'; c++)
            named += *c == ' ';
        for (size_t k = 0; (chip = kiln_chip_at(k)) != NULL; k++)
            found += kiln_shared_note_is_of(shared, chip->name);
        assert_true(found >= named);
    }
    for (size_t k = 0; (chip = kiln_chip_at(k)) != NULL; k++) {
        for (size_t i = 0; kiln_chip_note_at(chip, i, &note); i++) {
            assert_true(strlen(note.value) < 160 && strlen(note.name) <= 24 &&
                        note.source[0] != '\0');
            for (size_t n = i + 1; kiln_chip_note_at(chip, n, &other); n++)
                if (strcmp(other.name, note.name) == 0)
                    fail_msg("%s has two notes \"%s\"", chip->name, note.name);
        }
    }
}

/* Purposes 2 and 3 are halves of a key only where the chip has keys of 256 bits. */
static void test_a_flash_key_is_told_by_the_chip(void **state)
{
    static const struct {
        const char *chip;
        uint32_t purposes;
        bool key;
    } rows[] = {
        {"esp32c3", 1u << 4, true},   {"esp32c3", 1u << 2 | 1u << 3, false},
        {"esp32s3", 1u << 2, false},  {"esp32s3", 1u << 2 | 1u << 3, true},
        {"esp32c5", 1u << 15, false}, {"esp32c5", 1u << 4, true},
        {"esp32p4", 1u << 12, false}, {"esp32h2", 1u << 2 | 1u << 3, true},
        {"esp32c6", 1u << 9, false},  {"esp32", 1u << 4, false},
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++)
        if (kiln_esp_has_flash_key(kiln_chip_find(rows[i].chip)->esp, rows[i].purposes) !=
            rows[i].key)
            fail_msg("%s with purposes %x", rows[i].chip, (unsigned)rows[i].purposes);
    assert_int_equal(kiln_chip_find("esp32c5")->esp->key_manager.shift, 11);
    assert_int_equal(kiln_chip_find("esp32p4")->esp->key_manager.shift, 10);
}

/* What eFuses hold beyond the purposes that all chips share. */
static void test_newer_key_purposes_have_names(void **state)
{
    static const struct {
        const char *chip;
        unsigned purpose;
        const char *name; /* NULL: none */
    } rows[] = {
        {"esp32c3", 11, "SECURE_BOOT_DIGEST2"},
        {"esp32c3", 12, NULL},
        {"esp32c6", 2, NULL},
        {"esp32h2", 1, "ECDSA_KEY"},
        {"esp32c5", 13, "XTS_AES_256_PSRAM_KEY_1"},
        {"esp32c5", 15, "XTS_AES_128_PSRAM_KEY"},
        {"esp32c5", 18, "ECDSA_KEY_P384_H"},
        {"esp32c61", 15, "XTS_AES_128_KEY_PSRAM"},
        {"esp32h4", 16, "ECDSA_KEY_P192"},
        {"esp32p4", 12, "KM_INIT_KEY"},
        {"esp32p4", 17, "ECDSA_KEY_P384_L"},
        {"esp32e22", 13, NULL},
        {"esp32s31", 19, "SDC_KEY_DIGEST"},
        {"esp32s31", 20, NULL},
        {"esp32s31", 255, NULL},
        {"esp32", 4, NULL},
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        const char *name = kiln_esp_key_name(kiln_chip_find(rows[i].chip)->esp, rows[i].purpose);

        if (rows[i].name == NULL ? name != NULL : name == NULL || strcmp(name, rows[i].name) != 0)
            fail_msg("%s: purpose %u is %s", rows[i].chip, rows[i].purpose, name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_have_esptools_figures),
        cmocka_unit_test(test_every_row_is_whole),
        cmocka_unit_test(test_notes_fit_rows),
        cmocka_unit_test(test_a_part_tells_its_flash_base),
        cmocka_unit_test(test_a_flash_key_is_told_by_the_chip),
        cmocka_unit_test(test_newer_key_purposes_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
