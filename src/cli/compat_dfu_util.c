/* SPDX-License-Identifier: MIT */
/* The dfu-util look-alike: its options and how they are read. */
#include "cli/compat_dfu_util.h"

#include <stdlib.h>
#include <string.h>

#define NO_VERIFY (DFU_LONG + 0)
#define FULL      (DFU_LONG + 1)

static const struct dfu_option options[] = {
    {"help", 'h', false, "Print this help message"},
    {"version", 'V', false, "Print the version number"},
    {"verbose", 'v', false, "Say more; twice: everything"},
    {"list", 'l', false, "List the attached DFU capable devices, one line an alternate setting"},
    {"detach", 'e', false, "Make a device leave its application for DFU mode, nothing else"},
    {"detach-delay", 'E', true,
     "Accepted; the device is waited for as long as it takes, at most 15 s"},
    {"device", 'd', true,
     "VENDOR:PRODUCT[,VENDOR:PRODUCT] in run-time and in DFU mode, hexadecimal;\n"
     "* is any, - is none"},
    {"devnum", 'n', true, "Device number, as --list shows it"},
    {"path", 'p', true, "USB place: BUS-PORT.PORT..., as --list shows it"},
    {"cfg", 'c', true, "Number of the configuration"},
    {"intf", 'i', true, "Number of the DFU interface"},
    {"serial", 'S', true, "Serial number in run-time[, and in DFU mode]"},
    {"alt", 'a', true,
     "Alternate setting by number or name; for DfuSe devices the address says it"},
    {"transfer-size", 't', true, "Bytes of a USB transfer"},
    {"upload", 'U', true, "Read firmware from the device into this file, which must not exist"},
    {"upload-size", 'Z', true, "Accepted; the device says how much there is"},
    {"download", 'D', true, "Write this file to the device; - is standard input"},
    {"reset", 'R', false, "Reset the USB device at the end"},
    {"wait", 'w', false, "Wait for the device to appear"},
    {"dfuse-address", 's', true,
     "ADDRESS[:MODIFIER]... for DfuSe devices:\n"
     "leave       start the application at the end\n"
     "mass-erase  erase the whole flash first (needs force)\n"
     "unprotect   remove the read protection, which erases the chip (needs force)\n"
     "will-reset  the device resets itself afterwards\n"
     "force       allow these\n"
     "fast        accepted: Kiln never waits longer than the device needs\n"
     "LENGTH      how much to read"},
    {"no-verify", NO_VERIFY, false, "Kiln's own: do not compare after writing"},
    {"full", FULL, false, "Kiln's own: write everything, also what is there already"},
    {NULL, 0, false, NULL},
};

/* ---- -d ---- */

static bool parse_id(const char *text, size_t len, int32_t fallback, int32_t *out)
{
    char digits[12], *end;

    if (len == 0) {
        *out = fallback;
        return true;
    }
    if (len == 1 && (text[0] == '*' || text[0] == '-')) {
        *out = text[0] == '*' ? DFU_ID_ANY : DFU_ID_NONE;
        return true;
    }
    if (len >= sizeof digits)
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    *out = (int32_t)strtoul(digits, &end, 16);
    return *end == '\0' && *out >= 0 && *out <= 0xffff;
}

static bool parse_pair(const char *text, size_t len, struct dfu_ids fallback, struct dfu_ids *out)
{
    const char *colon = memchr(text, ':', len);
    size_t first = colon != NULL ? (size_t)(colon - text) : len;

    /* one "*" or "-" stands for both */
    if (colon == NULL && len == 1 && (text[0] == '*' || text[0] == '-'))
        return parse_id(text, 1, 0, &out->vid) && parse_id(text, 1, 0, &out->pid);
    return parse_id(text, first, fallback.vid, &out->vid) &&
           parse_id(colon != NULL ? colon + 1 : "", colon != NULL ? len - first - 1 : 0,
                    fallback.pid, &out->pid);
}

/* Run-time ids alone leave DFU mode open to all; ids of DFU mode alone shut run-time out. */
static bool parse_device(const char *text, struct dfu_util_args *args)
{
    static const struct dfu_ids any = {DFU_ID_ANY, DFU_ID_ANY};
    const char *comma = strchr(text, ',');
    size_t len = comma != NULL ? (size_t)(comma - text) : strlen(text);

    if (!parse_pair(text, len, any, &args->app_ids))
        return false;
    args->dfu_ids = any;
    if (comma == NULL)
        return true;
    if (!parse_pair(comma + 1, strlen(comma + 1), len > 0 ? args->app_ids : any, &args->dfu_ids))
        return false;
    if (len == 0)
        args->app_ids = (struct dfu_ids){DFU_ID_NONE, DFU_ID_NONE};
    return true;
}

/* ---- -s ---- */

static const struct {
    const char *name;
    size_t field;
} modifiers[] = {
    {"leave", offsetof(struct dfu_util_args, leave)},
    {"force", offsetof(struct dfu_util_args, force)},
    {"mass-erase", offsetof(struct dfu_util_args, mass_erase)},
    {"unprotect", offsetof(struct dfu_util_args, unprotect)},
    {"will-reset", offsetof(struct dfu_util_args, will_reset)},
    {"fast", offsetof(struct dfu_util_args, fast)},
};

/* By name, also shortened as dfu-util takes it, or a length. */
static bool parse_modifier(const char *word, size_t len, struct dfu_util_args *args)
{
    char text[24], *end;

    if (len == 0)
        return true;
    for (size_t i = 0; i < sizeof modifiers / sizeof modifiers[0]; i++)
        if (strncmp(modifiers[i].name, word, len) == 0) {
            *(bool *)((char *)args + modifiers[i].field) = true;
            return true;
        }
    if (len >= sizeof text)
        return false;
    memcpy(text, word, len);
    text[len] = '\0';
    args->length = strtoull(text, &end, 0);
    return word[0] >= '0' && word[0] <= '9' && *end == '\0';
}

static int parse_dfuse(const struct dfu_words *words, const char *text, struct dfu_util_args *args)
{
    char *end;

    args->dfuse = true;
    if (*text != ':' && *text != '\0') {
        args->address = strtoull(text, &end, 0);
        args->has_address = true;
        if (end == text || (*end != ':' && *end != '\0') || args->address > UINT32_MAX)
            return dfu_fail(words->tool, EX_USAGE, "Invalid dfuse address: %s", text);
        text = end;
    }
    while (*text == ':') {
        size_t len = strcspn(++text, ":");

        if (!parse_modifier(text, len, args))
            return dfu_fail(words->tool, EX_USAGE, "Invalid dfuse modifier: %.*s", (int)len, text);
        text += len;
    }
    if (args->mass_erase && !args->force)
        return dfu_fail(words->tool, EX_USAGE,
                        "The mass erase command can only be used with force");
    if (args->unprotect && !args->force)
        return dfu_fail(words->tool, EX_USAGE,
                        "The read unprotect command will erase the flash memory\n"
                        "and can only be used with force");
    return 0;
}

/* ---- all options ---- */

static void parse_serial(const char *value, struct dfu_util_args *args)
{
    const char *comma = strchr(value, ',');

    args->app_serial = value;
    args->app_serial_len = comma != NULL ? (size_t)(comma - value) : strlen(value);
    args->dfu_serial = comma != NULL ? comma + 1 : value;
}

static bool parse_number(const char *value, int *out)
{
    char *end;
    long number = strtol(value, &end, 0);

    *out = (int)number;
    return end != value && *end == '\0' && number >= 0 && number <= UINT16_MAX;
}

static int parse_matching(const struct dfu_words *words, int code, const char *value,
                          struct dfu_util_args *args)
{
    int *number = code == 'n'   ? &args->devnum
                  : code == 'c' ? &args->configuration
                                : &args->interface;

    switch (code) {
    case 'd':
        return parse_device(value, args)
                   ? 0
                   : dfu_fail(words->tool, EX_USAGE, "unable to parse vendor/product '%s'", value);
    case 'p':
        args->path = value;
        return 0;
    case 'a':
        args->alt = value;
        return 0;
    case 'S':
        parse_serial(value, args);
        return 0;
    default:
        return parse_number(value, number)
                   ? 0
                   : dfu_fail(words->tool, EX_USAGE, "-%c takes a number, not '%s'", code, value);
    }
}

/* What does not fit is cut: no transfer is larger. 0 is what the device says. */
static int parse_size(const struct dfu_words *words, int code, const char *value,
                      struct dfu_util_args *args)
{
    char *end;
    unsigned long size = strtoul(value, &end, 0);

    if (end == value || *end != '\0' || value[0] == '-')
        return dfu_fail(words->tool, EX_USAGE, "-%c takes a number, not '%s'", code, value);
    if (code == 't')
        args->transfer_size = (uint32_t)(size < UINT16_MAX ? size : UINT16_MAX);
    return 0;
}

static void parse_plain(int code, struct dfu_util_args *args)
{
    args->verbose += code == 'v';
    args->wait |= code == 'w';
    args->reset |= code == 'R';
    args->no_verify |= code == NO_VERIFY;
    args->full |= code == FULL;
}

/* Exit status, or -1 to go on. */
static int parse(struct dfu_words *words, struct dfu_util_args *args)
{
    const char *value;
    int code, status = 0;

    while (status == 0 && (code = dfu_words_next(words, &value)) != -1) {
        if (code == '?') {
            dfu_print_help(words, stderr);
            return EX_USAGE;
        }
        if (code == 'h')
            dfu_print_help(words, stdout);
        if (code == 'h' || code == 'V')
            return 0;
        if (code == 'l' || code == 'e' || code == 'D' || code == 'U') {
            args->mode = code;
            args->file = value;
        } else if (code == 's') {
            status = parse_dfuse(words, value, args);
        } else if (code == 't' || code == 'Z' || code == 'E') {
            status = parse_size(words, code, value, args);
        } else if (strchr("dpaSnci", code) != NULL && code < DFU_LONG) {
            status = parse_matching(words, code, value, args);
        } else {
            parse_plain(code, args);
        }
    }
    if (status != 0)
        return status;
    if (dfu_words_left(words) != NULL)
        return dfu_usage(words, "%s: no option takes this word", dfu_words_left(words));
    if (args->mode == 0 && args->dfuse)
        args->mode = 's';
    return args->mode != 0 ? -1 : dfu_usage(words, "You need to specify one of -D or -U");
}

static int list(const struct dfu_util_args *args)
{
    struct kiln_dfu_list found;
    int status = dfu_util_find(args, &found);

    if (status == 0)
        dfu_util_print_list(&found);
    kiln_dfu_list_free(&found);
    return status;
}

static int run_dfu_util(struct cli *cli)
{
    struct dfu_words words = {.tool = DFU_UTIL, .shown = DFU_UTIL, .options = options};
    struct dfu_util_args args = dfu_util_any_device(DFU_UTIL);
    int status;

    if (!dfu_words_init(cli, &words))
        return EX_OSERR;
    status = parse(&words, &args);
    if (status < 0)
        status = args.mode == 'l' ? list(&args) : dfu_util_act(cli, &args);
    dfu_words_dispose(&words);
    return status;
}

static const char *const examples[] = {
    "kiln dfu-util -l", "list the DFU devices", "kiln dfu-util -s 0x08000000:leave -D firmware.bin",
    "write a raw file to the flash of an STM32 and start it", NULL};

const struct cli_command cli_cmd_dfu_util = {
    .name = "dfu-util",
    .operands = "[OPTIONS]...",
    .summary = "the command line of dfu-util " DFU_UTIL_VERSION,
    .details =
        "Options, file effects and exit statuses are those of dfu-util, but what was written "
        "is compared, only what differs is written, and a device that leaves when it is "
        "told to is no error. A link to kiln named dfu-util does the same. `kiln dfu-util "
        "-h` shows the options.",
    .examples = examples,
    .group = CLI_GROUP_OTHER,
    .operands_verbatim = true,
    .run = run_dfu_util,
};
