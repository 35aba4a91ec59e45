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

struct wishes {
    enum dfu_prefix kind;
    uint32_t address;
};

static void take(void *user, int code, const char *value)
{
    struct wishes *wishes = user;

    wishes->kind = code == 'L' ? DFU_PREFIX_LPC : DFU_PREFIX_STELLARIS;
    if (code == 's')
        wishes->address = (uint32_t)strtoul(value, NULL, 0);
}

static int check(const struct dfu_words *words, int mode, const void *user)
{
    const struct wishes *wishes = user;

    if (mode == 'a' && wishes->kind == DFU_PREFIX_NONE)
        return dfu_fail(words->tool, EX_USAGE, "Prefix type must be specified");
    return -1;
}

static size_t make_prefix(const struct wishes *wishes, size_t payload, uint8_t out[LPC_LEN])
{
    uint32_t kib = wishes->address / 1024, units = (uint32_t)((payload + 511) / 512);

    if (wishes->kind == DFU_PREFIX_STELLARIS) {
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

static int act(const struct dfu_words *words, int mode, const void *user, struct dfu_file *file)
{
    const struct wishes *wishes = user;
    const struct dfu_suffix *suffix = file->no_suffix == NULL ? &file->suffix : NULL;
    uint8_t prefix[LPC_LEN];
    size_t len = 0;

    if (file->no_suffix != NULL) {
        (void)dfu_fail(words->tool, 0, "Warning: %s", file->no_suffix);
        (void)dfu_fail(words->tool, 0,
                       "A valid DFU suffix will be required in a future dfu-util release");
    }
    if (mode == 'a') {
        if (file->prefix != DFU_PREFIX_NONE)
            return dfu_fail(words->tool, EX_DATAERR,
                            "Please remove existing prefix before adding a new one.\n");
        len = make_prefix(wishes, dfu_file_payload_len(file), prefix);
        puts("Adding prefix to file");
        return dfu_file_write(words->tool, file, prefix, len, suffix);
    }
    if (mode == 'D' && file->prefix == DFU_PREFIX_NONE && wishes->kind == DFU_PREFIX_NONE)
        return dfu_fail(words->tool, EX_DATAERR, "Valid DFU prefix needed");
    if (mode == 'c')
        dfu_print_prefix(file);
    if (wishes->kind != DFU_PREFIX_NONE && wishes->kind != file->prefix)
        return dfu_fail(words->tool, EX_DATAERR, "No prefix of requested type");
    if (mode == 'D') {
        puts("Removing prefix from file");
        return dfu_file_write(words->tool, file, prefix, 0, suffix);
    }
    if (suffix != NULL)
        dfu_print_suffix(file);
    return 0;
}

static const struct dfu_file_tool tool = {
    .name = "dfu-prefix",
    .shown = "dfu-prefix (dfu-util)",
    .options = options,
    .take = take,
    .check = check,
    .act = act,
};

static int run_prefix(struct cli *cli)
{
    struct wishes wishes = {0};

    return dfu_file_tool_run(cli, &tool, &wishes);
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
