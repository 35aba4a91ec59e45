/* SPDX-License-Identifier: MIT */
#include "cli/compat_dfu.h"

#include <stdlib.h>

static const struct dfu_option options[] = {
    {"help", 'h', false, "Print this help message"},
    {"version", 'V', false, "Print the version number"},
    {"check", 'c', true, "Show the prefix of this file"},
    {"delete", 'D', true, "Remove the prefix of this file"},
    {"add", 'a', true, "Add a prefix to this file (with -s or -L)"},
    {"stellaris-address", 's', true, "With -a: a TI Stellaris prefix for this load address"},
    {"stellaris", 'T', false, "With -c or -D: only a TI Stellaris prefix"},
    {"lpc-prefix", 'L', false, "An NXP LPC prefix"},
    {NULL, 0, false, NULL},
};

#define STELLARIS_LEN 8
#define LPC_LEN       16

struct asked {
    int mode; /* 'c', 'a', 'D' or 0 */
    const char *path;
    enum dfu_prefix kind;
    uint32_t address;
};

static int parse(struct dfu_words *words, struct asked *asked)
{
    const char *value;
    int code;

    while ((code = dfu_words_next(words, &value)) != -1) {
        switch (code) {
        case 'h':
            dfu_print_help(words, stdout);
            return 0;
        case 'V':
            return 0;
        case 's':
            asked->kind = DFU_PREFIX_STELLARIS;
            asked->address = (uint32_t)strtoul(value, NULL, 0);
            break;
        case 'T':
            asked->kind = DFU_PREFIX_STELLARIS;
            break;
        case 'L':
            asked->kind = DFU_PREFIX_LPC;
            break;
        case 'c':
        case 'a':
        case 'D':
            asked->mode = code;
            asked->path = value;
            break;
        default:
            dfu_print_help(words, stderr);
            return EX_USAGE;
        }
    }
    if (asked->path == NULL)
        return dfu_usage(words, "You need to specify a filename");
    if (asked->mode == 'a' && asked->kind == DFU_PREFIX_NONE)
        return dfu_fail(words->tool, EX_USAGE, "Prefix type must be specified");
    return -1;
}

static size_t make_prefix(const struct asked *asked, size_t payload, uint8_t out[LPC_LEN])
{
    uint32_t kib = asked->address / 1024, units = (uint32_t)((payload + 511) / 512);

    if (asked->kind == DFU_PREFIX_STELLARIS) {
        const uint8_t prefix[STELLARIS_LEN] = {1,
                                               0,
                                               (uint8_t)kib,
                                               (uint8_t)(kib >> 8),
                                               (uint8_t)payload,
                                               (uint8_t)(payload >> 8),
                                               (uint8_t)(payload >> 16),
                                               (uint8_t)(payload >> 24)};

        for (size_t i = 0; i < sizeof prefix; i++)
            out[i] = prefix[i];
        return sizeof prefix;
    }
    for (size_t i = 0; i < LPC_LEN; i++)
        out[i] = i < 12 ? 0 : 0xff;
    out[0] = 0x1a;
    out[1] = 0x3f;
    out[2] = (uint8_t)units;
    out[3] = (uint8_t)(units >> 8);
    return LPC_LEN;
}

static int act(const struct dfu_words *words, const struct asked *asked, struct dfu_file *file)
{
    const struct dfu_suffix *suffix = file->no_suffix == NULL ? &file->suffix : NULL;
    uint8_t prefix[LPC_LEN];
    size_t len = 0;

    if (file->no_suffix != NULL) {
        (void)dfu_fail(words->tool, 0, "Warning: %s", file->no_suffix);
        (void)dfu_fail(words->tool, 0,
                       "A valid DFU suffix will be required in a future dfu-util release");
    }
    if (asked->mode == 'a') {
        if (file->prefix != DFU_PREFIX_NONE)
            return dfu_fail(words->tool, EX_DATAERR,
                            "Please remove existing prefix before adding a new one.\n");
        len = make_prefix(asked, dfu_file_payload_len(file), prefix);
        puts("Adding prefix to file");
        return dfu_file_write(words->tool, file, prefix, len, suffix);
    }
    if (asked->mode == 'D' && file->prefix == DFU_PREFIX_NONE && asked->kind == DFU_PREFIX_NONE)
        return dfu_fail(words->tool, EX_DATAERR, "Valid DFU prefix needed");
    if (asked->mode == 'c')
        dfu_print_prefix(file);
    if (asked->kind != DFU_PREFIX_NONE && asked->kind != file->prefix)
        return dfu_fail(words->tool, EX_DATAERR, "No prefix of requested type");
    if (asked->mode == 'D') {
        puts("Removing prefix from file");
        return dfu_file_write(words->tool, file, prefix, 0, suffix);
    }
    if (suffix != NULL)
        dfu_print_suffix(file);
    return 0;
}

static int run_prefix(struct cli *cli)
{
    struct dfu_words words = {
        .tool = "dfu-prefix", .shown = "dfu-prefix (dfu-util)", .options = options};
    struct asked asked = {0};
    struct dfu_file file = {0};
    int status;

    if (!dfu_words_init(cli, &words))
        return EX_OSERR;
    status = parse(&words, &asked);
    if (status < 0)
        status = dfu_file_read(words.tool, asked.path, &file);
    else
        asked.mode = 0;
    if (status == 0 && asked.mode != 0)
        status = act(&words, &asked, &file);
    free(file.bytes);
    dfu_words_dispose(&words);
    return status;
}

const struct cli_command cli_cmd_dfu_prefix = {
    .name = "dfu-prefix",
    .operands = "[OPTIONS]...",
    .summary = "the command line of dfu-prefix: TI Stellaris and NXP LPC prefixes of a file",
    .details = "A link to kiln named dfu-prefix does the same. `kiln dfu-prefix -h` shows the "
               "options.",
    .group = CLI_GROUP_OTHER,
    .operands_verbatim = true,
    .run = run_prefix,
};
