/* SPDX-License-Identifier: MIT */
/* Help, man page and shell completion, all read from the tables of commands and options. */
#include "cli/cli.h"

#include <ctype.h>
#include <string.h>

static const char *const group_titles[] = {
    [CLI_GROUP_BOARD] = "On a board",
    [CLI_GROUP_BENCH] = "Around it",
    [CLI_GROUP_FILES] = "On files, without a board",
    [CLI_GROUP_OTHER] = "Also",
};

static const char exit_codes[] =
    "0 done, 2 usage, 3 no device, 4 ambiguous device, 5 permission, 6 busy, 7 device lost or "
    "silent, "
    "8 protocol, 9 refused by the device or by a safety check, 10 verify failed, 11 bad file, "
    "12 host input/output, 130 cancelled.";

void cli_print_wrapped(FILE *out, const char *text, int indent, int width)
{
    int column = indent;

    while (*text != '\0') {
        size_t length = strcspn(text, " \n");

        if (column > indent && column + 1 + (int)length > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)length, text);
        column += (int)length;
        text += length;
        if (*text == '\n') {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            text++;
        }
        while (*text == ' ')
            text++;
    }
    fputc('\n', out);
}

#define HELP_COLUMN 30
#define HELP_NARROW 64 /* columns of a terminal that has no room for two */
#define HELP_BELOW  10

static int text_width(const struct cli *cli)
{
    return cli->width > 100 ? 100 : cli->width;
}

static void print_group(const struct cli *cli, enum cli_group group, FILE *out)
{
    bool any = false;

    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        if (cli_command_at(i)->group != group)
            continue;
        if (!any)
            fprintf(out, "\n%s:\n", group_titles[group]);
        any = true;
        fprintf(out, "  %s%-10s%s ", cli_bold(cli), cli_command_at(i)->name, cli_plain(cli));
        cli_print_wrapped(out, cli_command_at(i)->summary, 13, text_width(cli));
    }
}

void cli_print_overview(const struct cli *cli, FILE *out)
{
    cli_putf(out,
             "%skiln%s puts firmware on a microcontroller, whatever bootloader the board speaks.\n",
             cli_bold(cli), cli_plain(cli));
    for (size_t group = 0; group < sizeof group_titles / sizeof group_titles[0]; group++)
        print_group(cli, (enum cli_group)group, out);
    cli_put(out, "\n`kiln help COMMAND` tells the rest. Most often: kiln flash firmware.bin\n");
}

/* The text stands beside the option, or below it where there is no room. */
static void print_option(const struct cli *cli, const struct cli_option *option, FILE *out)
{
    int column = text_width(cli) < HELP_NARROW ? HELP_BELOW : HELP_COLUMN;
    char head[64], list[200] = "(", letter[5] = "    ";

    if (option->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(head, sizeof head, "  %s--%s%s%s", letter, option->name,
             option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
    if ((int)strlen(head) < column)
        fprintf(out, "%-*s", column, head);
    else
        cli_putf(out, "%s\n%*s", head, column, "");
    cli_print_wrapped(out, option->help, column, text_width(cli));
    if (option->choices == NULL)
        return;
    for (const char *const *choice = option->choices; *choice != NULL; choice++) {
        size_t used = strlen(list);

        snprintf(list + used, sizeof list - used, "%s%s", *choice, choice[1] != NULL ? ", " : ")");
    }
    fprintf(out, "%*s", column, "");
    cli_print_wrapped(out, list, column, text_width(cli));
}

void cli_print_command_help(const struct cli *cli, const struct cli_command *command, FILE *out)
{
    cli_putf(out, "%skiln %s%s %s\n", cli_bold(cli), command->name, cli_plain(cli),
             command->operands);
    fputs("  ", out);
    cli_print_wrapped(out, command->summary, 2, text_width(cli));
    if (command->details != NULL) {
        fputs("\n  ", out);
        cli_print_wrapped(out, command->details, 2, text_width(cli));
    }
    if (command->options != NULL)
        fputs("\nOptions:\n", out);
    for (const char *const *name = command->options; name != NULL && *name != NULL; name++)
        if (cli_option_find(*name) != NULL)
            print_option(cli, cli_option_find(*name), out);
    if (command->examples != NULL)
        fputs("\nExamples:\n", out);
    for (const char *const *line = command->examples; line != NULL && *line != NULL; line += 2)
        cli_putf(out, "  %s%s%s\n      %s\n", cli_bold(cli), line[0], cli_plain(cli), line[1]);
}

/* ---- man page ---- */

static void man_text(FILE *out, const char *text)
{
    bool start = true;

    for (; *text != '\0'; text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        start = *text == '\n';
    }
    fputc('\n', out);
}

static void man_option(FILE *out, const struct cli_option *option)
{
    fputs(".TP\n", out);
    if (option->letter != 0)
        fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    fprintf(out, "\\fB\\-\\-%s\\fR", option->name);
    if (option->argument != NULL)
        fprintf(out, " \\fI%s\\fR", option->argument);
    fputc('\n', out);
    man_text(out, option->help);
    if (option->choices == NULL)
        return;
    fputs("One of", out);
    for (const char *const *choice = option->choices; *choice != NULL; choice++)
        fprintf(out, "%s \\fB%s\\fR", choice == option->choices ? "" : ",", *choice);
    fputs(".\n", out);
}

static void man_examples(FILE *out, const struct cli_command *command)
{
    for (const char *const *line = command->examples; line != NULL && *line != NULL; line += 2) {
        fputs(".PP\n.EX\n", out);
        man_text(out, line[0]);
        fputs(".EE\n", out);
        man_text(out, line[1]);
    }
}

static void man_command(FILE *out, const struct cli_command *command)
{
    fprintf(out, ".SS kiln %s ", command->name);
    man_text(out, command->operands);
    man_text(out, command->summary);
    fputs(".PP\n", out);
    if (command->details != NULL)
        man_text(out, command->details);
    for (const char *const *name = command->options; name != NULL && *name != NULL; name++)
        if (cli_option_find(*name) != NULL)
            man_option(out, cli_option_find(*name));
    man_examples(out, command);
}

static void man_files(FILE *out)
{
    fputs(".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\nSet and not empty: no colours.\n"
          ".TP\n\\fBXDG_STATE_HOME\\fR\nFolder of what is remembered of boards.\n"
          ".SH FILES\n.TP\n\\fI~/.local/state/kiln/boards.json\\fR\n"
          "Names, projects and rates of boards; may be deleted. See \\fBkiln name\\fR.\n",
          out);
}

void cli_print_man_page(FILE *out)
{
    fprintf(out, ".TH KILN 1 \"\" \"kiln %s\" \"User Commands\"\n", kiln_version());
    fputs(".SH NAME\nkiln \\- put firmware on a microcontroller\n.SH SYNOPSIS\n"
          ".B kiln\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIOPERAND\\fR]...\n.SH COMMANDS\n",
          out);
    for (size_t i = 0; cli_command_at(i) != NULL; i++)
        man_command(out, cli_command_at(i));
    fputs(".SH EXIT STATUS\n", out);
    man_text(out, exit_codes);
    man_files(out);
}

void cli_print_command_man_page(const struct cli_command *command, FILE *out)
{
    fputs(".TH KILN\\-", out);
    for (const char *c = command->name; *c != '\0'; c++)
        fputc(toupper((unsigned char)*c), out);
    fprintf(out, " 1 \"\" \"kiln %s\" \"User Commands\"\n.SH NAME\nkiln\\-%s \\- ", kiln_version(),
            command->name);
    man_text(out, command->summary);
    fprintf(out, ".SH SYNOPSIS\n.B kiln %s\n", command->name);
    if (command->options != NULL)
        fputs("[\\fIOPTION\\fR]...\n", out);
    man_text(out, command->operands);
    fputs(".SH DESCRIPTION\n", out);
    if (command->details != NULL)
        man_text(out, command->details);
    if (command->options != NULL)
        fputs(".SH OPTIONS\n", out);
    for (const char *const *name = command->options; name != NULL && *name != NULL; name++)
        if (cli_option_find(*name) != NULL)
            man_option(out, cli_option_find(*name));
    if (command->examples != NULL)
        fputs(".SH EXAMPLES\n", out);
    man_examples(out, command);
    fputs(".SH EXIT STATUS\n", out);
    man_text(out, exit_codes);
    fputs(".SH SEE ALSO\n.BR kiln (1)\n", out);
}
