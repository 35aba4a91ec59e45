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

struct asked {
    int mode; /* 'c', 'a', 'D', 'h', 'V' or 0 */
    const char *path;
    struct dfu_suffix suffix;
};

static uint16_t id(const char *text)
{
    return (uint16_t)strtoul(text, NULL, 16);
}

/* Exit status, or -1 to go on. The last of -c, -a and -D counts. */
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
        case 'p':
            asked->suffix.product = id(value);
            break;
        case 'v':
            asked->suffix.vendor = id(value);
            break;
        case 'd':
            asked->suffix.device = id(value);
            break;
        case 'S':
            asked->suffix.version = id(value);
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
    if (asked->suffix.version != 0x0100 && asked->suffix.version != 0x011a)
        return dfu_usage(words, "Only DFU specification 0x0100 and 0x011a supported");
    return -1;
}

static int act(const struct dfu_words *words, const struct asked *asked,
               const struct dfu_file *file)
{
    /* the bytes in front count as payload here */
    const struct dfu_suffix *suffix = asked->mode == 'a' ? &asked->suffix : NULL;
    int status;

    if (asked->mode == 'a' && file->no_suffix == NULL)
        return dfu_fail(words->tool, EX_DATAERR,
                        "Please remove existing DFU suffix before adding a new one.\n");
    if (asked->mode != 'a' && file->no_suffix != NULL) {
        (void)dfu_fail(words->tool, 0, "%s", file->no_suffix);
        return dfu_fail(words->tool, EX_DATAERR, "Valid DFU suffix needed");
    }
    if (asked->mode == 'c') {
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

static int run_suffix(struct cli *cli)
{
    struct dfu_words words = {
        .tool = "dfu-suffix", .shown = "dfu-suffix (dfu-util)", .options = options};
    struct asked asked = {.suffix = {0xffff, 0xffff, 0xffff, 0x0100, DFU_SUFFIX_LEN, 0}};
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
