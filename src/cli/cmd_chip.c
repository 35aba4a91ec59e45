/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <jansson.h>
#include <stdlib.h>

static void list_chips(const struct cli *cli)
{
    for (size_t i = 0; kiln_chip_number(i) != NULL; i++) {
        struct kiln_chip_summary summary = kiln_chip_summary(kiln_chip_number(i));

        printf("%s%-14s%s %-44s tested: %s\n", cli_bold(cli), summary.name, cli_plain(cli),
               summary.title, summary.tested);
    }
}

static void show_chip(const struct cli *cli, const struct kiln_chip *chip)
{
    struct kiln_chip_summary summary = kiln_chip_summary(chip);
    uint64_t start, end;
    const char *name;
    char value[160], size[24];

    printf("%s%s%s\n", cli_bold(cli), summary.title, cli_plain(cli));
    for (size_t i = 0; kiln_chip_fact(chip, i, &name, value); i++)
        printf("  %-28s %s\n", name, value);
    puts("\n  Memory map");
    for (size_t i = 0; kiln_chip_range(chip, i, &name, &start, &end); i++)
        printf("    %-16s 0x%08llx - 0x%08llx  %12s\n", name, (unsigned long long)start,
               (unsigned long long)(end - 1), cli_bytes(end - start, size));
    printf("\n  Tested: %s. Source: %s\n", summary.tested, summary.source);
}

static json_t *chip_object(const struct kiln_chip *chip)
{
    struct kiln_chip_summary summary = kiln_chip_summary(chip);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", summary.name, "title", summary.title,
                  "family", summary.family, "tested", summary.tested, "source", summary.source);
    json_t *facts = json_object(), *map = json_array();
    uint64_t start, end;
    const char *name;
    char value[160];

    for (size_t i = 0; kiln_chip_fact(chip, i, &name, value); i++)
        json_object_set_new(facts, name, json_string(value));
    for (size_t i = 0; kiln_chip_range(chip, i, &name, &start, &end); i++)
        json_array_append_new(map, json_pack("{s:s, s:I, s:I}", "name", name, "start",
                                             (json_int_t)start, "end", (json_int_t)end));
    json_object_set_new(object, "facts", facts);
    json_object_set_new(object, "map", map);
    return object;
}

static void print_json(const struct kiln_chip *chip)
{
    json_t *object = chip_object(chip);
    char *line = json_dumps(object, JSON_COMPACT);

    if (line != NULL)
        puts(line);
    free(line);
    json_decref(object);
}

static int run_chip(struct cli *cli)
{
    const char *name = cli->args.operand_count > 0 ? cli->args.operands[0] : NULL;
    const struct kiln_chip *chip = name != NULL ? kiln_chip_named(name) : NULL;

    if (cli->args.operand_count > 1)
        return cli_usage(cli, "`kiln chip` takes one name");
    if (name != NULL && chip == NULL)
        return cli_usage(cli, "no chip is called '%s'; `kiln chip` lists them", name);
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
static const char *const chip_examples[] = {"kiln chip esp32c3", "memory map and flash layout",
                                            NULL};

const struct cli_command cli_cmd_chip = {
    .name = "chip",
    .operands = "[NAME]",
    .summary = "facts about a chip: memory map, flash layout, clocks; without a name: all chips",
    .options = chip_options,
    .examples = chip_examples,
    .group = CLI_GROUP_BENCH,
    .run = run_chip,
};
