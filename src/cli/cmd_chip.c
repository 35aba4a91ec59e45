/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/json.h"

#include <ctype.h>
#include <string.h>

#define NAME_COLUMN  27
#define SOURCES_MAX  16
#define NEAR_MAX     3
#define NAME_MAX_LEN 32

static void list_chips(const struct cli *cli)
{
    cli_putf(stdout, "%s%-15s %-44s %s%s\n", cli_bold(cli), "NAME", "TITLE", "TESTED ON",
             cli_plain(cli));
    for (size_t i = 0; kiln_chip_number(i) != NULL; i++) {
        struct kiln_chip_summary summary = kiln_chip_summary(kiln_chip_number(i));

        cli_putf(stdout, "%s%-15s%s %-44.44s %s\n", cli_bold(cli), summary.name, cli_plain(cli),
                 summary.title, strcmp(summary.tested, "no") == 0 ? "-" : summary.tested);
    }
}

/* The number of a source in the list below the facts, 0 if there is none to give. */
static size_t number_source(const char **sources, size_t *count, const char *source)
{
    if (source == NULL)
        return 0;
    for (size_t i = 0; i < *count; i++)
        if (strcmp(sources[i], source) == 0)
            return i + 1;
    if (*count == SOURCES_MAX)
        return 0;
    sources[*count] = source;
    return ++*count;
}

static void show_chip(const struct cli *cli, const struct kiln_chip *chip)
{
    struct kiln_chip_summary summary = kiln_chip_summary(chip);
    const char *name, *source, *sources[SOURCES_MAX];
    char value[160], size[24], tail[32];
    uint64_t start, end;
    size_t count = 0;

    number_source(sources, &count, summary.source);
    printf("%s%s%s\n", cli_bold(cli), summary.title, cli_plain(cli));
    for (size_t i = 0; kiln_chip_fact(chip, i, &name, value, &source); i++) {
        size_t number = number_source(sources, &count, source);

        tail[0] = '\0';
        if (number != 0)
            snprintf(tail, sizeof tail, " [%zu]", number);
        cli_putf(stdout, "  %-*s %s%s\n", NAME_COLUMN - 3, name, value, tail);
    }
    puts("\n  Memory map [1]");
    for (size_t i = 0; kiln_chip_range(chip, i, &name, &start, &end); i++)
        cli_putf(stdout, "    %-16s 0x%08llx - 0x%08llx  %12s\n", name, (unsigned long long)start,
                 (unsigned long long)(end - 1), cli_bytes(end - start, size));
    puts("\n  Sources");
    for (size_t i = 0; i < count; i++)
        cli_putf(stdout, "    [%zu] %s\n", i + 1, sources[i]);
    printf("  Tested on: %s\n", strcmp(summary.tested, "no") == 0 ? "nothing yet" : summary.tested);
}

static json_t *chip_object(const struct kiln_chip *chip)
{
    struct kiln_chip_summary summary = kiln_chip_summary(chip);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", summary.name, "title", summary.title,
                  "family", summary.family, "tested", summary.tested, "source", summary.source);
    json_t *facts = json_object(), *sources = json_object(), *map = json_array();
    const char *name, *source;
    uint64_t start, end;
    char value[160];

    for (size_t i = 0; kiln_chip_fact(chip, i, &name, value, &source); i++) {
        json_object_set_new(facts, name, json_string(value));
        if (source != NULL)
            json_object_set_new(sources, name, json_string(source));
    }
    for (size_t i = 0; kiln_chip_range(chip, i, &name, &start, &end); i++)
        json_array_append_new(map, json_pack("{s:s, s:I, s:I}", "name", name, "start",
                                             (json_int_t)start, "end", (json_int_t)end));
    json_object_set_new(object, "facts", facts);
    json_object_set_new(object, "sources", sources);
    json_object_set_new(object, "map", map);
    return object;
}

static void print_json(const struct kiln_chip *chip)
{
    cli_put_json(chip_object(chip));
}

/* Edit distance of two short names. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_LEN + 1];
    size_t len = strlen(b);

    if (len > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (unsigned i = 0; i <= len; i++)
        row[i] = i;
    for (; *a != '\0'; a++) {
        unsigned before = row[0]++;

        for (size_t i = 1; i <= len; i++) {
            unsigned replaced = before + (tolower((unsigned char)*a) != b[i - 1]);
            unsigned moved = (row[i] < row[i - 1] ? row[i] : row[i - 1]) + 1;

            before = row[i];
            row[i] = replaced < moved ? replaced : moved;
        }
    }
    return row[len];
}

static int unknown_chip(struct cli *cli, const char *name)
{
    const char *near[NEAR_MAX] = {"", "", ""};
    unsigned best[NEAR_MAX] = {NAME_MAX_LEN, NAME_MAX_LEN, NAME_MAX_LEN};

    for (size_t i = 0; kiln_chip_number(i) != NULL; i++) {
        const char *candidate = kiln_chip_summary(kiln_chip_number(i)).name;
        unsigned d = distance(name, candidate);
        size_t at = NEAR_MAX;

        while (at > 0 && d < best[at - 1])
            at--;
        if (at == NEAR_MAX)
            continue;
        for (size_t k = NEAR_MAX - 1; k > at; k--) {
            best[k] = best[k - 1];
            near[k] = near[k - 1];
        }
        best[at] = d;
        near[at] = candidate;
    }
    return cli_usage(
        cli, "no chip is called '%s'; the nearest names are %s, %s, %s; `kiln chip` lists all",
        name, near[0], near[1], near[2]);
}

static int run_chip(struct cli *cli)
{
    const char *name = cli->args.operand_count > 0 ? cli->args.operands[0] : NULL;
    const struct kiln_chip *chip = name != NULL ? kiln_chip_named(name) : NULL;

    if (cli->args.operand_count > 1)
        return cli_usage(cli, "`kiln chip` takes one name");
    if (name != NULL && chip == NULL)
        return unknown_chip(cli, name);
    if (cli->args.json) {
        for (size_t i = 0; chip == NULL && kiln_chip_number(i) != NULL; i++)
            print_json(kiln_chip_number(i));
        if (chip != NULL)
            print_json(chip);
        return 0;
    }
    if (chip != NULL)
        show_chip(cli, chip);
    else
        list_chips(cli);
    return 0;
}

static const char *const chip_options[] = {"json", NULL};
static const char *const chip_examples[] = {"kiln chip esp32c3",
                                            "memory map, flash layout, boot mode and pins", NULL};

const struct cli_command cli_cmd_chip = {
    .name = "chip",
    .operands = "[NAME]",
    .summary = "facts about a chip: memory map, flash, boot mode, pins; without a name: all chips",
    .options = chip_options,
    .examples = chip_examples,
    .group = CLI_GROUP_BENCH,
    .run = run_chip,
};
