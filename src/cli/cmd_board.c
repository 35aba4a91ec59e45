/* SPDX-License-Identifier: MIT */
/* Commands that take a board and no file: erase, run, reset, info. */
#include "cli/cli.h"

/* One way of saying what to erase, for the widest of two that contradict each other must not win. */
static int check_erase(struct cli *cli)
{
    const struct cli_args *args = &cli->args;

    if (args->has_size && args->size == 0)
        return cli_usage(cli, "--size 0: there is nothing to erase");
    if ((args->erase_all || args->unprotect) &&
        (args->has_address || args->has_size || args->region != NULL))
        return cli_usage(cli, "--%s takes the whole chip: leave out --address, --size and --region",
                         args->erase_all ? "erase-all" : "unprotect");
    if (args->region != NULL && (args->has_address || args->has_size))
        return cli_usage(cli, "--region names the whole range: leave out --address and --size");
    return 0;
}

static int run_erase(struct cli *cli)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    const struct cli_args *args = &cli->args;
    int status = check_erase(cli);

    if (status != 0)
        return status;
    if (args->operand_count == 1 && args->region == NULL && !args->erase_all && !args->unprotect &&
        !args->has_address && !args->has_size)
        cli->args.region = args->operands[0];
    else if (args->operand_count > 0)
        return cli_usage(cli, "`kiln erase` takes one name of a region or partition, or --address "
                              "and --size, or --erase-all");
    if (!args->erase_all && !args->unprotect && args->region == NULL &&
        (!args->has_address || !args->has_size))
        return cli_usage(cli, "say what to erase: --address and --size, --region, or --erase-all");
    request.verb = KILN_VERB_ERASE;
    request.address = args->has_address ? args->address : KILN_NO_ADDRESS;
    request.length = args->size;
    request.region = args->region;
    return cli_run_job(cli, &request);
}

static int run_plain(struct cli *cli, enum kiln_verb verb)
{
    struct kiln_request request = KILN_REQUEST_INIT;

    if (cli->args.operand_count > 0)
        return cli_usage(cli, "`kiln %s` takes no '%s'", cli->command->name, cli->args.operands[0]);
    request.verb = verb;
    request.address = cli->args.has_address ? cli->args.address : KILN_NO_ADDRESS;
    return cli_run_job(cli, &request);
}

static int run_in_ram(struct cli *cli)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    struct cli_files files = {0};
    int status = cli_files_load(cli, 0, &files);

    if (status != 0)
        return status;
    request.verb = KILN_VERB_RUN;
    request.images = (const struct kiln_image *const *)files.images;
    request.image_count = files.count;
    status = cli_run_job(cli, &request);
    cli_files_free(&files);
    return status;
}

static int run_run(struct cli *cli)
{
    if (cli->args.operand_count > 0)
        return run_in_ram(cli);
    return run_plain(cli, KILN_VERB_RUN);
}

static int run_reset(struct cli *cli)
{
    return run_plain(cli, KILN_VERB_RESET);
}

static int run_poke(struct cli *cli)
{
    struct kiln_request request = KILN_REQUEST_INIT;

    if (cli->args.operand_count == 0)
        return cli_usage(cli, "say what to write: ADDRESS=VALUE, or ADDRESS=VALUE/MASK");
    request.verb = KILN_VERB_POKE;
    request.sets = (const char *const *)cli->args.operands;
    request.set_count = cli->args.operand_count;
    return cli_run_job(cli, &request);
}

static int run_info(struct cli *cli)
{
    return run_plain(cli, KILN_VERB_INFO);
}

#define COMMON                                                                                  \
    "device", "all", "baud", "chip", "before", "after", "connect-attempts", "loader", "layout", \
        "alt", "reset-sequence", "stub-dir", "trace", "wait", "json", "quiet", "verbose"

static const char *const erase_options[] = {"address", "size",  "region", "erase-all", "unprotect",
                                            "dry-run", "force", COMMON,   NULL};
static const char *const run_options[] = {"address", "force", COMMON, NULL};
static const char *const plain_options[] = {COMMON, NULL};
/* On a serial port the lines alone do it: no bootloader is asked what chip this is. */
static const char *const reset_options[] = {"device", "all",  "layout", "alt",     "trace",
                                            "wait",   "json", "quiet",  "verbose", NULL};

static const char *const erase_examples[] = {"kiln erase --erase-all",
                                             "the whole chip",
                                             "kiln erase -a 0x9000 -s 0x5000",
                                             "the pages of this range",
                                             "kiln erase nvs",
                                             "the region or partition of this name",
                                             NULL};

const struct cli_command cli_cmd_erase = {
    .name = "erase",
    .operands = "[NAME]",
    .summary = "erase pages, a region or the whole chip",
    .options = erase_options,
    .examples = erase_examples,
    .group = CLI_GROUP_BOARD,
    .run = run_erase,
};

const struct cli_command cli_cmd_run = {
    .name = "run",
    .operands = "[FILE]",
    .summary = "leave the bootloader and start the application, or FILE in RAM (ESP chips)",
    .options = run_options,
    .group = CLI_GROUP_BOARD,
    .run = run_run,
};

const struct cli_command cli_cmd_reset = {
    .name = "reset",
    .operands = "",
    .summary = "restart the board",
    .options = reset_options,
    .group = CLI_GROUP_BOARD,
    .run = run_reset,
};

static const char *const poke_examples[] = {
    "kiln poke 0x3ff44004=0x4", "a word into a register of an ESP chip",
    "kiln poke 0x3ff44004=0x4/0x6 --before no-reset",
    "only the bits of the mask, without a reset before", NULL};

const struct cli_command cli_cmd_poke = {
    .name = "poke",
    .operands = "ADDRESS=VALUE[/MASK]...",
    .summary = "write registers or words of RAM of an ESP chip",
    .details = "Each word is shown as it was and as it reads afterwards. The chip stays in its "
               "bootloader, for a reset would undo it; --after hard starts it. `kiln read --mem` "
               "reads.",
    .options = plain_options,
    .examples = poke_examples,
    .group = CLI_GROUP_BOARD,
    .run = run_poke,
};

const struct cli_command cli_cmd_info = {
    .name = "info",
    .operands = "",
    .summary = "which chip, which bootloader, what memory",
    .options = plain_options,
    .group = CLI_GROUP_BOARD,
    .run = run_info,
};
