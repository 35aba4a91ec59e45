/* SPDX-License-Identifier: MIT */
/*
 * The esptool look-alike: its table of commands, and how one is found and run.
 *
 * To add a command: a row `const struct esptool_command esptool_cmd_NAME` in a file compat_esptool_*.c
 * (name with dashes; the old name with '_' is understood by itself) with its operands and options as lists
 * of rows and a function that reads its fields of `e->args`, talks through esptool_print() and the like,
 * and returns the exit status; then its name in `commands` here and in compat_esptool.h. A field that is not
 * there yet goes into struct esptool_args, an option that several commands have into
 * compat_esptool_options.c. What stands before the command (port, baud, before, after, ...) is in `e->args`
 * by then, with defaults and environment applied, and what the configuration file says in `e->config`.
 * Commands that talk to a board are rows of one table in compat_esptool_commands.c.
 */
#include "cli/compat_esptool_board.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct esptool_command *const commands[] = {
    &esptool_cmd_elf2image, &esptool_cmd_image_info, &esptool_cmd_merge_bin,
    &esptool_cmd_version,   &esptool_cmd_make_image,
};

const struct esptool_command *esptool_command_at(size_t index)
{
    size_t own = sizeof commands / sizeof commands[0];

    return index < own ? commands[index] : esptool_board_command_at(index - own);
}

/* ---- what it says ---- */

static void say(FILE *out, const char *before, const char *format, va_list args)
{
    fputs(before, out);
    vfprintf(out, format, args);
    fputc('\n', out);
}

void esptool_print(const struct esptool *e, const char *format, ...)
{
    va_list args;

    if (e->args.silent)
        return;
    va_start(args, format);
    say(stdout, "", format, args);
    va_end(args);
}

void esptool_note(const struct esptool *e, const char *format, ...)
{
    va_list args;

    if (e->args.silent)
        return;
    va_start(args, format);
    say(stdout, "Note: ", format, args);
    va_end(args);
}

void esptool_warning(const struct esptool *e, const char *format, ...)
{
    va_list args;

    if (e->args.silent)
        return;
    fputs(cli_yellow(e->cli), stdout);
    fputs("Warning:", stdout);
    fputs(cli_plain(e->cli), stdout);
    va_start(args, format);
    say(stdout, " ", format, args);
    va_end(args);
}

void esptool_error(const struct esptool *e, const char *format, ...)
{
    va_list args;

    (void)e;
    fflush(stdout);
    va_start(args, format);
    say(stderr, "", format, args);
    va_end(args);
}

int esptool_fatal(const struct esptool *e, const char *format, ...)
{
    va_list args;

    (void)e;
    fflush(stdout);
    va_start(args, format);
    say(stderr, "\nA fatal error occurred: ", format, args);
    va_end(args);
    return 2;
}

int esptool_uncaught(const struct esptool *e, const char *format, ...)
{
    va_list args;

    (void)e;
    fflush(stdout);
    va_start(args, format);
    say(stderr, "\nAn error occurred: ", format, args);
    va_end(args);
    return 1;
}

int esptool_save(const struct esptool *e, const char *path, const uint8_t *bytes, size_t len)
{
    struct kiln_error error;

    return kiln_file_save(path, bytes, len, &error) == KILN_OK
               ? 0
               : esptool_uncaught(e, "%s", error.message);
}

int esptool_fail(const struct esptool *e, const struct kiln_error *error)
{
    const char *comma = error->context[0] != '\0' ? ", " : "";

    esptool_fatal(e, "%s%s%s", error->message, comma, error->context);
    if (error->hint != KILN_HINT_NONE)
        esptool_error(e, "%s", kiln_hint_text(error->hint));
    return 2;
}

int esptool_usage(const struct esptool *e, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    esptool_print_usage(e, stderr);
    fprintf(stderr, "Try '%s%s%s -h' for help.\n", e->program, e->command != NULL ? " " : "",
            e->command != NULL ? e->command->name : "");
    va_start(args, format);
    say(stderr, "\nError: ", format, args);
    va_end(args);
    return 2;
}

/* ---- running ---- */

static int print_version(struct esptool *e)
{
    esptool_print(e, "%s", ESPTOOL_VERSION);
    return 0;
}

const struct esptool_command esptool_cmd_version = {
    .name = "version",
    .summary = "the version of esptool whose command line this is",
    .group = ESPTOOL_BASIC,
    .run = print_version,
};

static const struct esptool_command *find_command(const struct esptool *e, const char *word)
{
    const struct esptool_command *command;

    for (size_t i = 0; (command = esptool_command_at(i)) != NULL; i++) {
        const char *name = command->name;
        size_t len = strlen(name), same = 0;

        if (strcmp(name, word) == 0)
            return command;
        while (same < len && (name[same] == word[same] || (name[same] == '-' && word[same] == '_')))
            same++;
        if (same < len || word[len] != '\0' || strchr(word, '-') != NULL)
            continue;
        esptool_warning(e, "Deprecated: Command '%s' is deprecated. Use '%s' instead.", word, name);
        return command;
    }
    return NULL;
}

static int run_command(struct esptool *e, const struct esptool_words *words, size_t at)
{
    struct esptool_words operands = {0};
    bool help = false;
    int status = esptool_parse(e, e->command->options, words, &at, true, &operands, &help);

    if (status != 0)
        return status;
    if (help) {
        esptool_print_help(e, stdout);
        return 0;
    }
    status = esptool_parse_operands(e, &operands);
    return status != 0 ? status : e->command->run(e);
}

static int check_globals(const struct esptool *e)
{
    if (e->args.silent && (e->args.verbose || e->args.trace))
        return esptool_fatal(e, "Cannot use both %s and --silent options at the same time.",
                             e->args.verbose ? "--verbose" : "--trace");
    return 0;
}

static int run_words(struct esptool *e, const struct esptool_words *words)
{
    struct esptool_words none = {0};
    size_t at = 0;
    bool help = false;
    int status = esptool_parse(e, esptool_global_options, words, &at, false, &none, &help);

    if (status != 0)
        return status;
    if (help || words->count == 0) {
        esptool_print_help(e, stdout);
        return 0;
    }
    if (at >= words->count)
        return esptool_usage(e, "Missing command.");
    e->command = find_command(e, words->word[at]);
    if (e->command == NULL)
        return esptool_usage(e, "No such command '%s'.", words->word[at]);
    status = check_globals(e);
    if (status != 0)
        return status;
    esptool_print(e, "esptool v%s", ESPTOOL_VERSION);
    esptool_tell_config(e);
    return run_command(e, words, at + 1);
}

static int run_line(struct esptool *e)
{
    const struct cli *cli = e->cli;
    struct esptool_words words = {0};
    int status;

    if (cli->program != NULL && strstr(cli->program, ".py") != NULL)
        esptool_warning(e, "DEPRECATED: '%s' is deprecated. Please use 'esptool' instead.",
                        cli->program);
    status = esptool_load_config(e);
    if (status == 0)
        status = esptool_expand_words(e, cli->args.operand_count, cli->args.operands, &words);
    return status != 0 ? status : run_words(e, &words);
}

static int run_esptool(struct cli *cli)
{
    struct esptool e = {.cli = cli,
                        .program = cli->program != NULL ? cli->program : "kiln esptool"};
    int status = 0;

    if (!esptool_complete(&e, &status))
        status = run_line(&e);
    for (size_t i = 0; i < e.kept_count; i++)
        free(e.kept[i]);
    free(e.kept);
    return status;
}

const struct cli_command cli_cmd_esptool = {
    .name = "esptool",
    .operands = "[OPTIONS] COMMAND [ARGS]...",
    .summary = "the command line of esptool " ESPTOOL_VERSION,
    .details = "Options, file effects and exit statuses are those of esptool, with the spellings "
               "of its versions 2 to 4. A link to kiln named esptool or esptool.py does the same. "
               "`kiln esptool -h` shows the commands.",
    .group = CLI_GROUP_OTHER,
    .operands_verbatim = true,
    .run = run_esptool,
};
