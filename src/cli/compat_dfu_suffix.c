/* SPDX-License-Identifier: MIT */
#include "cli/compat_dfu.h"

#include <stdlib.h>

static const struct dfu_option options[] = {
    {"help", 'h', false, "Print this help message"},
    {"version", 'V', false, "Print the version number"},
    {"check", 'c', true, "Show the DFU suffix of this file"},
    {"add", 'a', true, "Add a DFU suffix to this file"},
    {"delete", 'D', true, "Remove the DFU suffix of this file"},
    {"pid", 'p', true, "Product ID of the suffix, hexadecimal"},
    {"vid", 'v', true, "Vendor ID of the suffix, hexadecimal"},
    {"did", 'd', true, "Device ID (bcdDevice) of the suffix, hexadecimal"},
    {"spec", 'S', true, "DFU version of the suffix: 0x0100 or 0x011a"},
    {NULL, 0, false, NULL},
};

static uint16_t id(const char *text)
{
    return (uint16_t)strtoul(text, NULL, 16);
}

static void take(void *user, int code, const char *value)
{
    struct dfu_suffix *suffix = user;

    *(code == 'p'   ? &suffix->product
      : code == 'v' ? &suffix->vendor
      : code == 'd' ? &suffix->device
                    : &suffix->version) = id(value);
}

static int check(const struct dfu_words *words, int mode, const void *user)
{
    const struct dfu_suffix *suffix = user;

    (void)mode;
    if (suffix->version != 0x0100 && suffix->version != 0x011a)
        return dfu_usage(words, "Only DFU specification 0x0100 and 0x011a supported");
    return -1;
}

static int act(const struct dfu_words *words, int mode, const void *user, struct dfu_file *file)
{
    /* the bytes in front count as payload here */
    const struct dfu_suffix *suffix = mode == 'a' ? user : NULL;
    int status;

    if (mode == 'a' && file->no_suffix == NULL)
        return dfu_fail(words->tool, EX_DATAERR,
                        "Please remove existing DFU suffix before adding a new one.\n");
    if (mode != 'a' && file->no_suffix != NULL) {
        (void)dfu_fail(words->tool, 0, "%s", file->no_suffix);
        return dfu_fail(words->tool, EX_DATAERR, "Valid DFU suffix needed");
    }
    if (mode == 'c') {
        dfu_print_prefix(file);
        dfu_print_suffix(file);
        return 0;
    }
    status = dfu_file_write(words->tool, file, file->bytes, file->prefix_len, suffix);
    if (status == 0)
        puts(suffix != NULL ? "Suffix successfully added to file"
                            : "Suffix successfully removed from file");
    return status;
}

static const struct dfu_file_tool tool = {
    .name = "dfu-suffix",
    .shown = "dfu-suffix (dfu-util)",
    .options = options,
    .take = take,
    .check = check,
    .act = act,
};

static int run_suffix(struct cli *cli)
{
    struct dfu_suffix suffix = {0xffff, 0xffff, 0xffff, 0x0100, DFU_SUFFIX_LEN, 0};

    return dfu_file_tool_run(cli, &tool, &suffix);
}

const struct cli_command cli_cmd_dfu_suffix = {
    .name = "dfu-suffix",
    .operands = "[OPTIONS]...",
    .summary = "the command line of dfu-suffix: show, add and remove the DFU suffix of a file",
    .details = "A link to kiln named dfu-suffix does the same. `kiln dfu-suffix -h` shows the "
               "options.",
    .group = CLI_GROUP_OTHER,
    .operands_verbatim = true,
    .run = run_suffix,
};
