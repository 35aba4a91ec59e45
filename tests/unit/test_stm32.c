/* SPDX-License-Identifier: MIT */
/*
 * The rows of STM32 parts held against the memory maps of some 400 parts that other people took from ST's device
 * packs (tests/data/stm32_parts.facts): flash size, where every sector begins in each bank mode, RAM, one-time
 * memory, option bytes. A digit typed wrong in a row fails here.
 */
#include "base/bytes.h"
#include "chip/chip.h"
#include "chip/stm32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KIB       1024u
#define ROWS_MAX  128
#define RAM_START 0x20000000u

struct part {
    char name[24], sectors[128], otp[64], options[32];
    unsigned kib;
    unsigned long ram_end;
};

/* What the parts of a row showed of it. */
struct seen {
    unsigned parts;
    bool org[KILN_STM32_ORG_MAX], otp, whole; /* whole: a part has all of the row's flash */
    unsigned long ram_end;
};

/* Does `org` have exactly these sectors for the first `size` bytes? */
static bool org_has(const struct kiln_stm32_org *org, const char *sectors, uint64_t size)
{
    uint64_t at = 0;

    while (at < size) {
        char *end;
        unsigned long count = strtoul(sectors, &end, 10), page = strtoul(end + 1, &end, 10);

        if (*end == 'K') {
            page *= KIB;
            end++;
        }
        for (unsigned long i = 0; i < count; i++, at += page)
            if (kiln_stm32_page_at(org, at) != page)
                return false;
        if (*end != ',')
            break;
        sectors = end + 1;
    }
    return at == size;
}

/* Parts of one family have one size of one-time memory or two, with and without its lock bytes. */
static bool otp_is(const struct kiln_stm32_facts *facts, const char *otp)
{
    while (*otp != '\0') {
        char *end;
        unsigned long from = strtoul(otp, &end, 16), to = strtoul(end + 1, &end, 16);

        if (from == facts->otp && to - from == facts->otp_size)
            return true;
        otp = end + (*end == '+');
    }
    return false;
}

static bool check_sectors(const struct part *part, const struct kiln_stm32_facts *facts,
                          struct seen *seen)
{
    const char *one = part->sectors;
    bool good = true;

    while (*one != '\0') {
        bool found = false;

        for (size_t o = 0; o < KILN_STM32_ORG_MAX; o++)
            if (facts->org[o].run[0].count > 0 &&
                org_has(&facts->org[o], one, (uint64_t)part->kib * KIB))
                found = seen->org[o] = true;
        good = good && found;
        one += strcspn(one, "/");
        one += *one == '/';
    }
    return good;
}

static bool check_part(const struct part *part, const struct kiln_chip *chip, struct seen *seen)
{
    const struct kiln_stm32_facts *facts = chip->stm32;
    unsigned long options = strtoul(part->options, NULL, 16), ram_end = 0;
    bool good = part->kib * KIB <= facts->flash_max;

    for (const struct kiln_map_entry *entry = chip->map; entry->name != NULL; entry++)
        if (entry->start == RAM_START)
            ram_end = (unsigned long)entry->end;
    seen->parts++;
    seen->whole = seen->whole || part->kib * KIB == facts->flash_max;
    seen->ram_end = KILN_MAX(seen->ram_end, part->ram_end);
    if (strcmp(part->sectors, "-") != 0 && !check_sectors(part, facts, seen))
        good = false;
    if (ram_end != 0 && part->ram_end > ram_end)
        good = false;
    if (strcmp(part->otp, "-") != 0) {
        good = good && otp_is(facts, part->otp);
        seen->otp = true;
    }
    /* What some ROMs show instead is the registers. */
    if (options != 0 && facts->option_bytes != 0 && facts->option_bytes < RAM_START)
        good = good && options == facts->option_bytes;
    return good;
}

/* The next word of a line, cut to what `out` holds. */
static const char *word(const char *line, char *out, size_t cap)
{
    size_t len = strcspn(line, " \n");

    snprintf(out, cap, "%.*s", (int)len, line);
    return line + len + (line[len] != '\0');
}

static bool read_part(const char *line, struct part *part)
{
    char number[24];

    if (line[0] == '#')
        return false;
    line = word(line, part->name, sizeof part->name);
    line = word(line, number, sizeof number);
    part->kib = (unsigned)strtoul(number, NULL, 10);
    line = word(line, part->sectors, sizeof part->sectors);
    line = word(line, number, sizeof number);
    part->ram_end = strtoul(number, NULL, 16);
    line = word(line, part->otp, sizeof part->otp);
    word(line, part->options, sizeof part->options);
    return part->options[0] != '\0';
}

static unsigned check_file(FILE *file, struct seen *seen, unsigned *out_parts)
{
    unsigned wrong = 0;
    char line[400];

    *out_parts = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        const struct kiln_chip *chip;
        struct part part;
        size_t row = 0;

        if (!read_part(line, &part))
            continue;
        ++*out_parts;
        chip = kiln_chip_find(part.name);
        if (chip == NULL) {
            print_error("no row for %s", line);
            wrong++;
            continue;
        }
        while (kiln_stm32_at(row) != chip)
            row++;
        if (!check_part(&part, chip, &seen[row])) {
            print_error("%s is not %s", chip->name, line);
            wrong++;
        }
    }
    return wrong;
}

static void rows_have_the_memory_of_their_parts(void **state)
{
    static struct seen seen[ROWS_MAX];
    unsigned parts, wrong;
    char path[512];
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/tests/data/stm32_parts.facts", getenv("KILN_SOURCE_ROOT"));
    file = fopen(path, "r");
    assert_non_null(file);
    wrong = check_file(file, seen, &parts);
    fclose(file);
    assert_true(parts > 350);
    for (size_t i = 0; kiln_stm32_at(i) != NULL; i++) {
        const struct kiln_chip *chip = kiln_stm32_at(i);

        if (seen[i].parts == 0)
            print_message("%s: held against no part\n", chip->name);
        for (size_t o = 0; o < KILN_STM32_ORG_MAX && seen[i].parts > 0; o++)
            if (chip->stm32->org[o].run[0].count > 0 && !seen[i].org[o])
                print_message("%s: pages \"%s\" held against no part\n", chip->name,
                              chip->stm32->org[o].name);
        if (seen[i].parts > 0 && !seen[i].whole)
            print_message("%s: no part has all of its flash\n", chip->name);
    }
    assert_int_equal(wrong, 0);
}

/* Where sectors begin, as manuals print it. */
static void sectors_begin_where_manuals_say(void **state)
{
    static const struct {
        const char *chip;
        size_t org;
        uint32_t address, page;
    } places[] = {
        {"stm32f405", 0, 0x0800c000, 0x4000},  {"stm32f405", 0, 0x08010000, 0x10000},
        {"stm32f405", 0, 0x08020000, 0x20000}, {"stm32f405", 0, 0x080e0000, 0x20000},
        {"stm32f429", 0, 0x08100000, 0x4000},  {"stm32f429", 0, 0x081e0000, 0x20000},
        {"stm32f429", 1, 0x08080000, 0x4000},  {"stm32f429", 1, 0x080e0000, 0x20000},
        {"stm32f74", 0, 0x08020000, 0x20000},  {"stm32f74", 0, 0x080c0000, 0x40000},
        {"stm32f76", 0, 0x081c0000, 0x40000},  {"stm32f76", 1, 0x08100000, 0x4000},
        {"stm32h74", 0, 0x08100000, 0x20000},  {"stm32g47", 0, 0x0807f800, 0x800},
        {"stm32g47", 1, 0x0807f000, 0x1000},   {"stm32l07", 0, 0x0802ff80, 0x80},
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(places); i++) {
        const struct kiln_chip *chip = kiln_chip_find(places[i].chip);

        assert_non_null(chip);
        assert_int_equal(kiln_stm32_page_at(&chip->stm32->org[places[i].org],
                                            places[i].address - KILN_STM32_FLASH_BASE),
                         places[i].page);
        assert_int_equal(kiln_stm32_page_at(&chip->stm32->org[places[i].org],
                                            places[i].address - KILN_STM32_FLASH_BASE + 4),
                         0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_the_memory_of_their_parts),
        cmocka_unit_test(sectors_begin_where_manuals_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
