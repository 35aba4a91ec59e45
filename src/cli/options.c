/* SPDX-License-Identifier: MIT */
/* The table of options and the parser that reads it. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELD(name) offsetof(struct cli_args, name)

static const char *const before_choices[] = {"default", "usb",   "no-reset",
                                             "no-sync", "touch", NULL};
static const char *const after_choices[] = {"default",   "hard",     "soft", "stay",
                                            "stay-stub", "watchdog", NULL};
static const char *const loader_choices[] = {"stub", "rom", "kiln", NULL};
static const char *const enter_choices[] = {"crlf", "cr", "lf", NULL};
static const char *const line_end_choices[] = {"auto", "lf", "cr", NULL};
static const char *const time_choices[] = {"none", "clock", "delta", NULL};
static const char *const parity_choices[] = {"N", "E", "O", "M", "S", NULL};
static const char *const stop_choices[] = {"1", "1.5", "2", NULL};
static const char *const line_choices[] = {"off", "on", "0", "1", NULL};
static const char *const show_choices[] = {"direct",    "text",  "pictures", "nocontrol",
                                           "printable", "debug", NULL};
static const char *const level_choices[] = {"E", "W", "I", "D", "V", NULL};
static const char *const mode_choices[] = {"qio", "qout", "dio", "dout", "keep", NULL};
static const char *const pad_choices[] = {"v1", "v2", NULL};
static const char *const type_choices[] = {"raw", "ihex", "srec", "uf2", "dfu", "dfuse", NULL};

/* clang-format off */
static const struct cli_option options[] = {
    {"address", 'a', CLI_NUMBER, FIELD(address), FIELD(has_address), "ADDRESS", NULL,
     "where to begin: a flash offset for ESP chips, a bus address for others"},
    {"after", 0, CLI_CHOICE, FIELD(after), CLI_NOT_TOLD, "HOW", after_choices,
     "what to do with the board at the end"},
    {"all", 0, CLI_FLAG, FIELD(all), CLI_NOT_TOLD, NULL, NULL,
     "every board that matches, all at once"},
    {"alt", 0, CLI_TEXT, FIELD(alt), CLI_NOT_TOLD, "SETTING", NULL,
     "DFU alternate setting by number or name; default: by address"},
    {"ask", 0, CLI_FLAG, FIELD(ask), CLI_NOT_TOLD, NULL, NULL,
     "if several ports are there or one cannot be opened: ask which"},
    {"baud", 'b', CLI_WORD, FIELD(baud), CLI_NOT_TOLD, "RATE", NULL,
     "speed of the serial link; default: to flash, the fastest that holds; for the monitor, that of the project here, or 115200 until another one fits"},
    {"before", 0, CLI_CHOICE, FIELD(before), CLI_NOT_TOLD, "HOW", before_choices,
     "how to bring the board into its bootloader; touch: open its port at 1200 baud, which `kiln flash` does by itself where it is known to help"},
    {"boot", 0, CLI_TEXT, FIELD(boot), CLI_NOT_TOLD, "SLOT", NULL,
     "the application slot of an ESP chip that starts from now on: factory, ota_1, or its OTA number"},
    {"by-line", 0, CLI_FLAG, FIELD(by_line), CLI_NOT_TOLD, NULL, NULL,
     "send what is typed when Enter ends the line; Backspace works before that"},
    {"chip", 'c', CLI_TEXT, FIELD(chip), CLI_NOT_TOLD, "NAME", NULL,
     "what the board must be; anything else is refused"},
    {"connect-attempts", 0, CLI_WORD, FIELD(connect_attempts), CLI_NOT_TOLD, "N", NULL,
     "how often to try to reach the bootloader"},
    {"data-bits", 0, CLI_WORD, FIELD(data_bits), CLI_NOT_TOLD, "N", NULL,
     "data bits of the serial line, 5 to 8; default 8"},
    {"device", 'd', CLI_LIST, FIELD(devices), CLI_NOT_TOLD, "DEVICE", NULL,
     "a port, a name of `kiln name`, a short id of `kiln list`, usb:VID:PID, usb:BUS-PORT, a serial number, tcp://, rfc2217:// or sim:BOARD; "
     "default: the one board that is there; several -d: all of these at once"},
    {"dtr", 0, CLI_CHOICE, FIELD(dtr), CLI_NOT_TOLD, "LEVEL", line_choices,
     "DTR once the port is open; default: off, on for USB boards that wait for a terminal"},
    {"dry-run", 'n', CLI_FLAG, FIELD(dry_run), CLI_NOT_TOLD, NULL, NULL,
     "show the plan and change nothing"},
    {"duration", 0, CLI_WORD, FIELD(duration_s), CLI_NOT_TOLD, "SECONDS", NULL,
     "end after so long"},
    {"echo", 0, CLI_FLAG, FIELD(echo), CLI_NOT_TOLD, NULL, NULL, "show what is typed"},
    {"elf", 0, CLI_LIST, FIELD(elf), CLI_NOT_TOLD, "FILE", NULL,
     "the program on the board, for functions and lines of crashes; may be given several times"},
    {"encoding", 0, CLI_TEXT, FIELD(encoding), CLI_NOT_TOLD, "NAME", NULL,
     "encoding of the board's text, like latin1 or cp437; default UTF-8"},
    {"enter", 0, CLI_CHOICE, FIELD(enter), CLI_NOT_TOLD, "WHAT", enter_choices,
     "what the Enter key sends; default crlf"},
    {"encrypt", 0, CLI_FLAG, FIELD(encrypt), CLI_NOT_TOLD, NULL, NULL,
     "an ESP chip with flash encryption encrypts all files with its own key as it writes them"},
    {"encrypt-file", 0, CLI_LIST, FIELD(encrypted), CLI_NOT_TOLD, "FILE[@ADDRESS|@PARTITION]", NULL,
     "one more file, and the chip encrypts this one; may be given several times"},
    {"environment", 'e', CLI_TEXT, FIELD(environment), CLI_NOT_TOLD, "NAME", NULL,
     "the project's environment to use"},
    {"erase-all", 0, CLI_FLAG, FIELD(erase_all), CLI_NOT_TOLD, NULL, NULL,
     "erase the whole chip"},
    {"exit-key", 0, CLI_TEXT, FIELD(exit_key), CLI_NOT_TOLD, "KEY", NULL,
     "the key that ends: ^C or its number; default ^]"},
    {"family", 0, CLI_WORD, FIELD(family), CLI_NOT_TOLD, "ID", NULL, "UF2 family id"},
    {"fill", 0, CLI_NUMBER, FIELD(fill), FIELD(has_fill), "BYTE", NULL,
     "byte between the segments of a raw file; default 0xff"},
    {"filter", 0, CLI_TEXT, FIELD(filter), CLI_NOT_TOLD, "REGEX", NULL,
     "show only lines that match this extended regular expression"},
    {"flash", 0, CLI_TEXT, FIELD(flash), CLI_NOT_TOLD, "FILE[@ADDRESS]", NULL,
     "what the flash key writes"},
    {"flash-freq", 0, CLI_TEXT, FIELD(flash_freq), CLI_NOT_TOLD, "FREQUENCY", NULL,
     "SPI clock in the header of an ESP bootloader: 40m, 80m, ..., or keep"},
    {"flash-mode", 0, CLI_CHOICE, FIELD(flash_mode), CLI_NOT_TOLD, "MODE", mode_choices,
     "SPI mode in the header of an ESP bootloader; keep leaves it"},
    {"fix", 0, CLI_FLAG, FIELD(fix), CLI_NOT_TOLD, NULL, NULL,
     "show the command that mends each thing, ask, and run it"},
    {"flash-size", 0, CLI_SIZE, FIELD(flash_size), CLI_NOT_TOLD, "SIZE", NULL,
     "of the flash, like 4MB, if it is not to be detected; an ESP bootloader gets it in its header: detect puts there "
     "what the board has, keep leaves it, the default changes it only if the board has less"},
    {"force", 0, CLI_FLAG, FIELD(force), CLI_NOT_TOLD, NULL, NULL,
     "override the safety check that refused"},
    {"forget", 0, CLI_TEXT, FIELD(forget), CLI_NOT_TOLD, "BOARD", NULL,
     "forget what is remembered of the board with this name, serial number or USB place"},
    {"forget-all", 0, CLI_FLAG, FIELD(forget_all), CLI_NOT_TOLD, NULL, NULL,
     "forget every board"},
    {"full", 0, CLI_FLAG, FIELD(full), CLI_NOT_TOLD, NULL, NULL,
     "write everything, also what is there already"},
    {"help", 'h', CLI_FLAG, FIELD(help), CLI_NOT_TOLD, NULL, NULL, "this text"},
    {"hex", 'x', CLI_FLAG, FIELD(hex), CLI_NOT_TOLD, NULL, NULL, "bytes in hexadecimal"},
    {"json", 0, CLI_FLAG, FIELD(json), CLI_NOT_TOLD, NULL, NULL,
     "events or results as JSON, one object a line"},
    {"layout", 0, CLI_TEXT, FIELD(layout), CLI_NOT_TOLD, "STRING", NULL,
     "DfuSe memory layout to use instead of the device's"},
    {"level", 0, CLI_CHOICE, FIELD(level), CLI_NOT_TOLD, "LEVEL", level_choices,
     "hide log lines below this level: E error, W warning, I info, D debug, V verbose"},
    {"line-end", 0, CLI_CHOICE, FIELD(line_end), CLI_NOT_TOLD, "WHAT", line_end_choices,
     "what ends a line of the board; default: lf, and a cr before it is dropped"},
    {"list", 0, CLI_FLAG, FIELD(list), CLI_NOT_TOLD, NULL, NULL, "list what there is"},
    {"loader", 0, CLI_CHOICE, FIELD(loader), CLI_NOT_TOLD, "WHICH", loader_choices,
     "what works on an ESP chip: the vendor's stub (for little that is to do, the ROM alone), the boot ROM, or kiln's own flasher, which was tried in emulators only; default: stub"},
    {"log", 0, CLI_TEXT, FIELD(log), CLI_NOT_TOLD, "FILE", NULL,
     "append everything that is shown to this file"},
    {"map", 0, CLI_FLAG, FIELD(map), CLI_NOT_TOLD, NULL, NULL,
     "draw the flash: what is kept, equal, erased and written"},
    {"mem", 0, CLI_FLAG, FIELD(mem), CLI_NOT_TOLD, NULL, NULL,
     "the chip's memory and registers instead of its flash; without a file they are shown"},
    {"menu-key", 0, CLI_TEXT, FIELD(menu_key), CLI_NOT_TOLD, "KEY", NULL,
     "the key before those of the menu: ^A or its number; default ^T"},
    {"monitor", 0, CLI_FLAG, FIELD(monitor), CLI_NOT_TOLD, NULL, NULL,
     "then show what the board says, as `kiln monitor` does"},
    {"no-verify", 0, CLI_FLAG, FIELD(no_verify), CLI_NOT_TOLD, NULL, NULL,
     "do not compare after writing"},
    {"only", 0, CLI_LIST, FIELD(only), CLI_NOT_TOLD, "WHAT", NULL,
     "of a project only this, as `kiln project` names it: app, bootloader, partitions, fs, ...; may be given several "
     "times"},
    {"output", 'o', CLI_TEXT, FIELD(output), CLI_NOT_TOLD, "FILE", NULL,
     "file to write; - is standard output"},
    {"pad-to", 0, CLI_NUMBER, FIELD(pad_to), CLI_NOT_TOLD, "SIZE", NULL,
     "fill up an ESP image with FF to a multiple of this, a merged one to the end of a flash of this size"},
    {"page-size", 0, CLI_WORD, FIELD(page_size), CLI_NOT_TOLD, "SIZE", NULL,
     "page of the flash mapping of an ESP chip; default: as the image tells"},
    {"parity", 0, CLI_CHOICE, FIELD(parity), CLI_NOT_TOLD, "LETTER", parity_choices,
     "parity of the serial line: none, even, odd, mark, space; default N"},
    {"project", 'p', CLI_TEXT, FIELD(project), CLI_NOT_TOLD, "FOLDER", NULL,
     "the project's folder; default: the current one"},
    {"pty", 0, CLI_TEXT, FIELD(pty), CLI_NOT_TOLD, "LINK", NULL,
     "serve the board on a pseudo-terminal and make this link to it"},
    {"quiet", 'q', CLI_FLAG, FIELD(quiet), CLI_NOT_TOLD, NULL, NULL, "only errors"},
    {"raw", 0, CLI_FLAG, FIELD(raw), CLI_NOT_TOLD, NULL, NULL,
     "take the bytes of the files as they are, whatever they look like"},
    {"region", 0, CLI_TEXT, FIELD(region), CLI_NOT_TOLD, "NAME", NULL,
     "a region of the device by its name"},
    {"reset", 0, CLI_FLAG, FIELD(reset), CLI_NOT_TOLD, NULL, NULL,
     "restart the board first; without it the board is left in peace"},
    {"reset-sequence", 0, CLI_TEXT, FIELD(reset_sequence), CLI_NOT_TOLD, "STRING", NULL,
     "steps on DTR and RTS that enter the bootloader, like D0|R1|W0.1|D1|R0|W0.05|D0"},
    {"rfc2217", 0, CLI_NUMBER, FIELD(rfc2217_port), FIELD(has_rfc2217), "PORT", NULL,
     "serve the board by RFC 2217 on this TCP port; 0: any free one"},
    {"root", 0, CLI_TEXT, FIELD(root), CLI_NOT_TOLD, "DIR", NULL,
     "look at the system in this folder instead, such as the mounted card of another computer"},
    {"rts", 0, CLI_CHOICE, FIELD(rts), CLI_NOT_TOLD, "LEVEL", line_choices,
     "RTS once the port is open; set in one step with DTR"},
    {"rtscts", 0, CLI_FLAG, FIELD(rtscts), CLI_NOT_TOLD, NULL, NULL,
     "flow control by the lines RTS and CTS"},
    {"run", 0, CLI_REST, FIELD(run_program), CLI_NOT_TOLD, "PROGRAM", NULL,
     "run this program with the board plugged into its USB"},
    {"secure-pad", 0, CLI_CHOICE, FIELD(secure_pad), CLI_NOT_TOLD, "VERSION", pad_choices,
     "leave room so that the ESP image ends right once it is signed for secure boot"},
    {"send", 0, CLI_TEXT, FIELD(send), CLI_NOT_TOLD, "FILE", NULL, "send this file at once"},
    {"send-hex", 0, CLI_FLAG, FIELD(send_hex), CLI_NOT_TOLD, NULL, NULL,
     "what is typed are bytes in hexadecimal"},
    {"set", 0, CLI_LIST, FIELD(sets), CLI_NOT_TOLD, "NAME=VALUE", NULL,
     "change an option byte of an STM32 by its name in the reference manual; may be given several "
     "times"},
    {"shared", 0, CLI_FLAG, FIELD(shared), CLI_NOT_TOLD, NULL, NULL,
     "no locks: open the port beside other programs that have it"},
    {"show", 0, CLI_CHOICE, FIELD(show), CLI_NOT_TOLD, "WHAT", show_choices,
     "what becomes of control characters; default: text on a terminal, direct in a pipe"},
    {"size", 's', CLI_NUMBER, FIELD(size), FIELD(has_size), "SIZE", NULL,
     "how many bytes; k and M are understood"},
    {"stop-bits", 0, CLI_CHOICE, FIELD(stop_bits), CLI_NOT_TOLD, "N", stop_choices,
     "stop bits of the serial line; default 1"},
    {"stub-dir", 0, CLI_TEXT, FIELD(stub_dir), CLI_NOT_TOLD, "FOLDER", NULL,
     "where the flasher stubs are"},
    {"svg", 0, CLI_TEXT, FIELD(svg), CLI_NOT_TOLD, "FILE", NULL,
     "write the map of the flash to this file as a picture"},
    {"tcp", 0, CLI_NUMBER, FIELD(tcp_port), FIELD(has_tcp), "PORT", NULL,
     "serve the board on this TCP port; 0: any free one"},
    {"time", 0, CLI_CHOICE, FIELD(time), CLI_NOT_TOLD, "WHICH", time_choices,
     "a time before each line: of day, or since the line before"},
    {"trace", 0, CLI_TEXT, FIELD(trace), CLI_NOT_TOLD, "FILE", NULL,
     "record every byte on the link"},
    {"type", 't', CLI_CHOICE, FIELD(type), CLI_NOT_TOLD, "TYPE", type_choices, "file format"},
    {"unprotect", 0, CLI_FLAG, FIELD(unprotect), CLI_NOT_TOLD, NULL, NULL,
     "remove the read protection, which erases the whole chip"},
    {"verbose", 'v', CLI_COUNT, FIELD(verbose), CLI_NOT_TOLD, NULL, NULL,
     "say more; twice: everything"},
    {"wait", 'w', CLI_NUMBER, FIELD(wait_s), FIELD(has_wait), "SECONDS", NULL,
     "wait that long for the device to appear; 0: without end"},
    {"watch", 0, CLI_FLAG, FIELD(watch), CLI_NOT_TOLD, NULL, NULL,
     "go on and show what comes and goes"},
    {"xonxoff", 0, CLI_FLAG, FIELD(xonxoff), CLI_NOT_TOLD, NULL, NULL,
     "flow control by the characters XON and XOFF"},
};
/* clang-format on */

const struct cli_option *cli_option_at(size_t index)
{
    return index < sizeof options / sizeof options[0] ? &options[index] : NULL;
}

const struct cli_option *cli_option_find(const char *name)
{
    for (size_t i = 0; cli_option_at(i) != NULL; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

static const char *after_digits(const char *text, int base, uint64_t *out_number)
{
    char *end;
    const char *digits = text + (base == 10 ? 0 : 2);

    if (*digits < '0' || (base == 10 && *digits > '9'))
        return NULL;
    *out_number = strtoull(digits, &end, base);
    return end == digits ? NULL : end;
}

bool cli_number(const char *text, uint64_t *out_number)
{
    bool prefixed = text[0] == '0' && text[1] != '\0' && strchr("xXoObB", text[1]) != NULL;
    int base = !prefixed ? 10 : strchr("xX", text[1]) ? 16 : strchr("oO", text[1]) ? 8 : 2;
    const char *end = after_digits(text, base, out_number);
    uint64_t unit = 1;

    if (end == NULL || *out_number == UINT64_MAX)
        return false;
    if (*end == 'k' || *end == 'K')
        unit = 1024;
    else if (*end == 'm' || *end == 'M')
        unit = 1024 * 1024;
    if (unit != 1) {
        end++;
        if (*end == 'i')
            end++;
        if (*end == 'B' || *end == 'b')
            end++;
    }
    if (*end != '\0' || *out_number > UINT64_MAX / unit)
        return false;
    *out_number *= unit;
    return true;
}

static bool takes(const struct cli_command *command, const struct cli_option *option)
{
    if (strcmp(option->name, "help") == 0)
        return true;
    for (const char *const *name = command->options; name != NULL && *name != NULL; name++)
        if (strcmp(*name, option->name) == 0)
            return true;
    return false;
}

static bool store_choice(struct cli *cli, const struct cli_option *option, const char *value)
{
    char list[200] = "";

    for (const char *const *choice = option->choices; *choice != NULL; choice++)
        if (strcasecmp(*choice, value) == 0) {
            *(const char **)((char *)&cli->args + option->field) = *choice;
            return true;
        }
    for (const char *const *choice = option->choices; *choice != NULL; choice++) {
        size_t used = strlen(list);

        snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", *choice);
    }
    cli_usage(cli, "--%s does not take '%.60s'; it takes %s", option->name, value, list);
    return false;
}

uint64_t cli_flash_size(const struct cli *cli)
{
    uint64_t bytes = 0;

    return cli->args.flash_size != NULL && cli_number(cli->args.flash_size, &bytes) ? bytes : 0;
}

static bool store_size(struct cli *cli, const struct cli_option *option, const char *value)
{
    uint64_t bytes = 0;

    *(const char **)((char *)&cli->args + option->field) = value;
    if (strcmp(value, "keep") == 0 || strcmp(value, "detect") == 0 ||
        (cli_number(value, &bytes) && bytes != 0))
        return true;
    cli_usage(cli, "--%s takes a size like 4MB, detect or keep, not '%s'", option->name, value);
    return false;
}

static bool store_word(struct cli *cli, struct cli_list *list, const char *value)
{
    if (list->count == CLI_DEVICE_MAX) {
        cli_usage(cli, "more than %d of one option are too many", CLI_DEVICE_MAX);
        return false;
    }
    list->word[list->count++] = value;
    return true;
}

static bool store(struct cli *cli, const struct cli_option *option, const char *value)
{
    char *field = (char *)&cli->args + option->field;

    if (option->given != CLI_NOT_TOLD)
        *(bool *)((char *)&cli->args + option->given) = true;
    switch (option->kind) {
    case CLI_FLAG:
    case CLI_REST:
        *(bool *)field = true;
        return true;
    case CLI_COUNT:
        ++*(unsigned *)field;
        return true;
    case CLI_TEXT:
        *(const char **)field = value;
        return true;
    case CLI_LIST:
        return store_word(cli, (struct cli_list *)field, value);
    case CLI_CHOICE:
        return store_choice(cli, option, value);
    case CLI_SIZE:
        return store_size(cli, option, value);
    case CLI_NUMBER:
    case CLI_WORD:
        if (cli_number(value, (uint64_t *)field) &&
            (option->kind == CLI_NUMBER || *(uint64_t *)field <= UINT32_MAX))
            return true;
        cli_usage(cli, "--%s takes a number%s, not '%s'", option->name,
                  option->kind == CLI_WORD ? " up to 4294967295" : "", value);
        return false;
    }
    return false;
}

static bool takes_value(const struct cli_option *option)
{
    return option->kind == CLI_TEXT || option->kind == CLI_LIST || option->kind == CLI_NUMBER ||
           option->kind == CLI_WORD || option->kind == CLI_CHOICE || option->kind == CLI_SIZE;
}

struct words {
    int count, at;
    char **word;
};

/* One option with its value, which may follow as a word of its own. */
static bool parse_one(struct cli *cli, struct words *words, const struct cli_option *option,
                      const char *shown, const char *value)
{
    if (option == NULL || !takes(cli->command, option)) {
        cli_usage(cli, "`kiln %s` has no option %s", cli->command->name, shown);
        return false;
    }
    if (!takes_value(option) && value != NULL) {
        cli_usage(cli, "%s takes no value", shown);
        return false;
    }
    if (takes_value(option) && value == NULL) {
        if (words->at + 1 >= words->count) {
            cli_usage(cli, "%s needs a value: %s", shown, option->argument);
            return false;
        }
        value = words->word[++words->at];
    }
    return store(cli, option, value);
}

static bool parse_long(struct cli *cli, struct words *words, const struct cli_option **out_option)
{
    char *word = words->word[words->at];
    char *equals = strchr(word, '=');
    bool good;

    if (equals != NULL)
        *equals = '\0';
    *out_option = cli_option_find(word + 2);
    good = parse_one(cli, words, *out_option, word, equals != NULL ? equals + 1 : NULL);
    if (equals != NULL)
        *equals = '=';
    return good;
}

static const struct cli_option *find_letter(char letter)
{
    for (size_t i = 0; cli_option_at(i) != NULL; i++)
        if (options[i].letter == letter)
            return &options[i];
    return NULL;
}

/* "-v", "-vv", "-b115200", "-b 115200", "-nb115200". */
static bool parse_letters(struct cli *cli, struct words *words,
                          const struct cli_option **out_option)
{
    const char *letters = words->word[words->at] + 1;

    for (; *letters != '\0'; letters++) {
        const struct cli_option *option = find_letter(*letters);
        const char shown[3] = {'-', *letters, '\0'};
        bool rest_is_value = option != NULL && takes_value(option) && letters[1] != '\0';

        *out_option = option;
        if (!parse_one(cli, words, option, shown, rest_is_value ? letters + 1 : NULL))
            return false;
        if (rest_is_value || (option != NULL && takes_value(option)))
            break;
    }
    return true;
}

bool cli_parse(struct cli *cli, int count, char **word)
{
    struct words words = {count, 0, word};
    bool rest = cli->command->operands_verbatim;

    cli->args.operands = word;
    for (; words.at < count; words.at++) {
        const struct cli_option *option = NULL;
        char *text = word[words.at];

        if (rest || text[0] != '-' || text[1] == '\0') {
            word[cli->args.operand_count++] = text;
            continue;
        }
        if (strcmp(text, "--") == 0) {
            rest = true;
            continue;
        }
        if (!(text[1] == '-' ? parse_long(cli, &words, &option)
                             : parse_letters(cli, &words, &option)))
            return false;
        if (option != NULL && option->kind == CLI_REST) {
            rest = true;
            cli->args.rest_at = cli->args.operand_count;
        }
    }
    return true;
}
