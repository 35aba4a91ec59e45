/* SPDX-License-Identifier: MIT */
/* flash and verify: the two commands that hold a file against a board. */
#include "cli/cli.h"

static int run_agreed(struct cli *cli, struct kiln_request *request, struct cli_files *files)
{
    if (cli_files_agreed(cli, files))
        return cli_run_job(cli, request);
    fputs("Nothing was changed. FILE@ADDRESS says where a file belongs.\n", stderr);
    return 2;
}

static bool has_files(const struct cli *cli)
{
    return cli->args.operand_count > 0 || cli->args.encrypted.count > 0;
}

static int run_verb(struct cli *cli, enum kiln_verb verb)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    struct cli_files files = {0};
    int status = 0;

    if (cli->args.has_address && cli->args.operand_count + cli->args.encrypted.count != 1)
        return cli_usage(cli, "--address is for one file; of several say FILE@ADDRESS");
    if (has_files(cli))
        status = cli_files_load(cli, 0, &files);
    if (status != 0)
        return status;
    request.verb = verb;
    request.images = (const struct kiln_image *const *)files.images;
    request.image_count = files.count;
    request.places = files.places;
    request.encrypt = files.encrypted;
    status = run_agreed(cli, &request, &files);
    cli_files_free(&files);
    return status;
}

/* Without a file: what the project of this folder was built to be flashed with. */
static int run_project(struct cli *cli, enum kiln_verb verb)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    struct kiln_project *project = NULL;
    struct cli_files files = {0};
    int status;

    if (cli->args.has_address)
        return cli_usage(cli,
                         "--address is for a file; where the files of a project go is said in it");
    status = cli_project_load(cli, &project, &files);
    if (status == 0) {
        request.verb = verb;
        request.images = (const struct kiln_image *const *)files.images;
        request.image_count = files.count;
        request.encrypt = files.encrypted;
        status = run_agreed(cli, &request, &files);
        if (status == 0 && verb == KILN_VERB_FLASH && !cli->args.dry_run)
            cli_remember_project(cli);
    }
    cli->project_dir = cli->project_environment = NULL;
    cli_files_free(&files);
    kiln_project_free(project);
    return status;
}

static int run_either(struct cli *cli, enum kiln_verb verb)
{
    if (!has_files(cli) &&
        (cli->args.boot == NULL || cli->args.project != NULL || cli->args.environment != NULL))
        return run_project(cli, verb);
    if (cli->args.project != NULL || cli->args.environment != NULL || cli->args.only.count > 0)
        return cli_usage(cli, "give files, or a project with -p, -e and --only, not both");
    return run_verb(cli, verb);
}

/* No file: option bytes instead of firmware. */
static int run_options(struct cli *cli)
{
    struct kiln_request request = KILN_REQUEST_INIT;

    if (has_files(cli) || cli->args.project != NULL || cli->args.environment != NULL ||
        cli->args.boot != NULL || cli->args.erase_all)
        return cli_usage(cli, "--set changes option bytes and nothing else: the board resets "
                              "itself after it; flash files in a run of their own");
    request.verb = KILN_VERB_OPTIONS;
    request.sets = cli->args.sets.word;
    request.set_count = cli->args.sets.count;
    return cli_run_job(cli, &request);
}

static int run_flash(struct cli *cli)
{
    int status;

    if (cli->args.monitor && (cli->args.all || cli->args.devices.count > 1))
        return cli_usage(cli,
                         "one monitor listens to one board: --monitor and several boards do not "
                         "go together");
    if (cli->args.monitor && cli->args.dry_run)
        return cli_usage(cli, "--dry-run starts nothing that --monitor could listen to");
    status = cli->args.sets.count > 0 ? run_options(cli) : run_either(cli, KILN_VERB_FLASH);
    return status == 0 && cli->args.monitor ? cli_monitor_after(cli) : status;
}

static int run_verify(struct cli *cli)
{
    return run_either(cli, KILN_VERB_VERIFY);
}

static const char *const flash_options[] = {"device",
                                            "project",
                                            "environment",
                                            "only",
                                            "all",
                                            "boot",
                                            "address",
                                            "baud",
                                            "chip",
                                            "dry-run",
                                            "full",
                                            "force",
                                            "erase-all",
                                            "no-verify",
                                            "loader",
                                            "before",
                                            "after",
                                            "connect-attempts",
                                            "encrypt",
                                            "encrypt-file",
                                            "flash-mode",
                                            "flash-freq",
                                            "flash-size",
                                            "layout",
                                            "map",
                                            "svg",
                                            "alt",
                                            "raw",
                                            "reset-sequence",
                                            "stub-dir",
                                            "trace",
                                            "wait",
                                            "set",
                                            "monitor",
                                            "json",
                                            "quiet",
                                            "verbose",
                                            NULL};

static const char *const flash_examples[] = {
    "kiln flash firmware.bin",
    "find the board, write what differs, verify, start it",
    "kiln flash bootloader.bin@0x1000 partitions.bin@0x8000 app.bin@0x10000",
    "three files, each at its place",
    "kiln flash",
    "in a project's folder: what was built there, as its build system means it",
    "kiln flash --only fs",
    "its file system image alone, to the partition for it",
    "kiln flash --boot ota_1",
    "start the application that is in partition ota_1 from now on; with a file, put it there first",
    "kiln flash -n firmware.elf",
    "show what would be erased and written",
    "kiln flash -n --set BOR_LEV=0 --set nBOOT0=1",
    "show what would change in the option bytes of an STM32; `kiln info` names them",
    "kiln flash --flash-mode dio --flash-size detect boot.bin@0x1000 app.bin@0x10000",
    "the bootloader with these settings in its header and a new digest",
    "kiln flash boot.bin@0x1000 --encrypt-file app.bin@0x10000",
    "the second file encrypted by the chip as it is written; --encrypt does that to all",
    "kiln flash --monitor",
    "flash the project here and show what the board says",
    "kiln flash -n --map --svg map.svg firmware.elf",
    "the same as a map, also as a picture for a report; of several boards map-1.svg, map-2.svg",
    NULL};

const struct cli_command cli_cmd_flash = {
    .name = "flash",
    .operands = "[FILE[@ADDRESS|@PARTITION]...]",
    .summary = "put firmware on a board: find it, plan, write what differs, verify, start it",
    .details =
        "Files are recognised by their content: ELF, Intel HEX, S-record, UF2, DFU, DfuSe, "
        "ESP image or raw "
        "binary. A raw binary needs an address, given or found in its vector table. On an "
        "ESP chip a bootloader, a partition table and an application find their places by "
        "themselves, and FILE@NAME goes to the partition of that name; of an ELF file the "
        "image that its bootloader wants is made first. Without a file, the "
        "project of the current folder (or of -p) says what to flash: see `kiln project`. The "
        "board it went to is remembered, and taken again when several are plugged in and -d "
        "names none: see `kiln name`. "
        "With --set NAME=VALUE the option bytes of an STM32 are changed instead: other "
        "bits are kept, complements are made, and they are read again after the board has "
        "reset itself.",
    .options = flash_options,
    .examples = flash_examples,
    .group = CLI_GROUP_BOARD,
    .run = run_flash,
};

static const char *const verify_options[] = {"device",
                                             "project",
                                             "environment",
                                             "only",
                                             "all",
                                             "address",
                                             "baud",
                                             "chip",
                                             "force",
                                             "loader",
                                             "before",
                                             "after",
                                             "connect-attempts",
                                             "flash-size",
                                             "flash-mode",
                                             "flash-freq",
                                             "layout",
                                             "alt",
                                             "raw",
                                             "reset-sequence",
                                             "stub-dir",
                                             "trace",
                                             "wait",
                                             "json",
                                             "quiet",
                                             "verbose",
                                             NULL};

const struct cli_command cli_cmd_verify = {
    .name = "verify",
    .operands = "[FILE[@ADDRESS|@PARTITION]...]",
    .summary = "compare files with what is in flash; exit status 10 if they differ",
    .options = verify_options,
    .group = CLI_GROUP_BOARD,
    .run = run_verify,
};
