/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int fail_write(struct cli *cli, const char *path)
{
    struct kiln_error error = {.status = KILN_E_IO};

    snprintf(error.message, sizeof error.message, "cannot write %s: %s", path, strerror(errno));
    return cli_fail(cli, &error);
}

static int save(struct cli *cli, void *user, const struct kiln_event_result *result)
{
    const char *path = user;
    struct kiln_error error;

    if (strcmp(path, "-") == 0)
        return fwrite(result->data, 1, result->data_len, stdout) == result->data_len &&
                       fflush(stdout) == 0
                   ? 0
                   : fail_write(cli, "standard output");
    return kiln_file_save(path, result->data, result->data_len, &error) == KILN_OK
               ? 0
               : cli_fail(cli, &error);
}

static int show(struct cli *cli, void *user, const struct kiln_event_result *result)
{
    (void)user;
    if (cli->args.json)
        printf("{\"event\":\"memory\",\"address\":%llu,\"bytes\":\"",
               (unsigned long long)cli->args.address);
    for (size_t i = 0; i < result->data_len; i++) {
        if (!cli->args.json && i % 16 == 0)
            printf("%s%08llx ", i > 0 ? "\n" : "", (unsigned long long)cli->args.address + i);
        printf(cli->args.json ? "%02x" : " %02x", result->data[i]);
    }
    puts(cli->args.json ? "\"}" : "");
    return ferror(stdout) ? fail_write(cli, "standard output") : 0;
}

/* Known before the board is read, which may take minutes. */
static int check_output(struct cli *cli, const char *path)
{
    struct kiln_error error;

    return path == NULL || strcmp(path, "-") == 0 || kiln_file_may_save(path, &error) == KILN_OK
               ? 0
               : cli_fail(cli, &error);
}

static int read_memory(struct cli *cli, const char *path)
{
    struct kiln_request request = KILN_REQUEST_INIT;

    if (!cli->args.has_address || cli->args.region != NULL)
        return cli_usage(cli,
                         "`kiln read --mem` needs --address, and --size unless it is one word");
    cli->args.quiet = cli->args.quiet || path == NULL || strcmp(path, "-") == 0;
    request.verb = KILN_VERB_READ;
    request.memory = true;
    request.address = cli->args.address;
    request.length = cli->args.size;
    return cli_run_job_with(cli, &request, path != NULL ? save : show, (void *)(uintptr_t)path);
}

static int run_read(struct cli *cli)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    const char *path = cli->args.output;
    int status;

    if (path != NULL && cli->args.operand_count == 1 && cli->args.region == NULL)
        cli->args.region = cli->args.operands[0];
    else if (path == NULL && cli->args.operand_count == 1)
        path = cli->args.operands[0];
    else if (cli->args.operand_count > 0)
        return cli_usage(cli, "`kiln read` takes one file");
    if (cli->args.has_size && cli->args.size == 0)
        return cli_usage(cli, "--size 0: there is nothing to read");
    if (cli->args.json && path != NULL && strcmp(path, "-") == 0)
        return cli_usage(cli, "--json and -o - both want standard output");
    status = check_output(cli, path);
    if (status != 0)
        return status;
    if (cli->args.mem && !cli->args.all && cli->args.devices.count < 2)
        return read_memory(cli, path);
    if (path == NULL)
        return cli_usage(cli, "`kiln read` needs a file to write, or - for standard output");
    if (cli->args.all || cli->args.devices.count > 1)
        return cli_usage(cli, "`kiln read` reads one board");
    if (strcmp(path, "-") == 0)
        cli->args.quiet = true;
    request.verb = KILN_VERB_READ;
    request.address = cli->args.has_address ? cli->args.address : KILN_NO_ADDRESS;
    request.length = cli->args.size;
    request.region = cli->args.region;
    return cli_run_job_with(cli, &request, save, (void *)(uintptr_t)path);
}

static const char *const read_options[] = {
    "device",   "address",    "size",   "region", "output",
    "baud",     "chip",       "before", "after",  "connect-attempts",
    "loader",   "flash-size", "layout", "alt",    "reset-sequence",
    "stub-dir", "trace",      "wait",   "json",   "quiet",
    "verbose",  "mem",        NULL};

static const char *const read_examples[] = {"kiln read backup.bin",
                                            "the whole flash",
                                            "kiln read -a 0x8000 -s 4k table.bin",
                                            "4096 bytes from 0x8000",
                                            "kiln read --mem -a 0x3ff00000 -s 16",
                                            "registers or RAM of an ESP chip",
                                            "kiln read nvs -o nvs.bin",
                                            "the region or partition of this name",
                                            NULL};

const struct cli_command cli_cmd_read = {
    .name = "read",
    .operands = "FILE | NAME -o FILE",
    .summary = "save what is in flash to a file",
    .options = read_options,
    .examples = read_examples,
    .group = CLI_GROUP_BOARD,
    .run = run_read,
};
