/* SPDX-License-Identifier: MIT */
/* Help of the esptool look-alike, from its tables. */
#include "cli/compat_esptool.h"

#include <string.h>

#define TEXT_COLUMN 30

void esptool_print_usage(const struct esptool *e, FILE *out)
{
    const struct esptool_operand *operand;

    if (e->command == NULL) {
        fprintf(out, "Usage: %s [OPTIONS] COMMAND [ARGS]...\n", e->program);
        return;
    }
    fprintf(out, "Usage: %s %s [OPTIONS]", e->program, e->command->name);
    for (operand = e->command->operands; operand != NULL && operand->name != NULL; operand++)
        fprintf(out, operand->fallback != NULL ? " [%s]" : " %s", operand->name);
    fputc('\n', out);
}

/* Wraps `text` behind column TEXT_COLUMN. */
static void print_text(const struct esptool *e, const char *text, FILE *out)
{
    size_t width = e->cli->width > 60 ? (size_t)e->cli->width : 80;
    size_t column = TEXT_COLUMN;

    while (*text != '\0') {
        size_t len = strcspn(text, " ");

        if (column > TEXT_COLUMN && column + 1 + len > width) {
            fprintf(out, "\n%*s", TEXT_COLUMN, "");
            column = TEXT_COLUMN;
        } else if (column > TEXT_COLUMN) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)len, text);
        column += len;
        text += len;
        while (*text == ' ')
            text++;
    }
    fputc('\n', out);
}

static const char *argument_of(const struct esptool_option *option)
{
    if (option->kind == ESPTOOL_FLAG)
        return "";
    return option->argument != NULL ? option->argument : "CHOICE";
}

static void print_option(const struct esptool *e, const struct esptool_option *option, FILE *out)
{
    const char *choice;
    char head[64];
    char more[256] = "";
    size_t len = 0;

    snprintf(head, sizeof head, "  %s%s%s %s", option->name, option->alias != NULL ? ", " : "",
             option->alias != NULL ? option->alias : "", argument_of(option));
    if (strlen(head) < TEXT_COLUMN)
        fprintf(out, "%-*s", TEXT_COLUMN, head);
    else
        fprintf(out, "%s\n%*s", head, TEXT_COLUMN, "");
    print_text(e, option->help, out);
    for (size_t i = 0; (choice = esptool_choice(option, i)) != NULL && len < sizeof more; i++)
        len += (size_t)snprintf(more + len, sizeof more - len, "%s%s", len > 0 ? ", " : "", choice);
    if (len > 0) {
        fprintf(out, "%*s", TEXT_COLUMN, "");
        print_text(e, more, out);
    }
    if (option->fallback != NULL)
        fprintf(out, "%*sdefault: %s\n", TEXT_COLUMN, "", option->fallback);
    if (option->env != NULL)
        fprintf(out, "%*sor from the environment: %s\n", TEXT_COLUMN, "", option->env);
}

static void print_options(const struct esptool *e, const struct esptool_option *const *options,
                          FILE *out)
{
    fputs("\nOptions:\n", out);
    for (; options != NULL && *options != NULL; options++)
        if (!(*options)->hidden)
            print_option(e, *options, out);
    fprintf(out, "%-*s", TEXT_COLUMN, "  --help, -h");
    fputs("this text\n", out);
}

static void print_commands(const struct esptool *e, enum esptool_group group, const char *title,
                           FILE *out)
{
    bool any = false;

    for (size_t i = 0; esptool_command_at(i) != NULL; i++) {
        const struct esptool_command *command = esptool_command_at(i);

        if (command->group != group)
            continue;
        if (!any)
            fprintf(out, "\n%s:\n", title);
        any = true;
        fprintf(out, "  %-*s", TEXT_COLUMN - 2, command->name);
        print_text(e, command->summary, out);
    }
}

void esptool_print_help(const struct esptool *e, FILE *out)
{
    esptool_print_usage(e, out);
    if (e->command != NULL) {
        fprintf(out, "\n  %s\n", e->command->summary);
        print_options(e, e->command->options, out);
        return;
    }
    fputs("\n  Kiln with the command line of esptool v" ESPTOOL_VERSION ".\n", out);
    print_options(e, esptool_global_options, out);
    print_commands(e, ESPTOOL_BASIC, "Basic commands", out);
    print_commands(e, ESPTOOL_ADVANCED, "Advanced commands", out);
    print_commands(e, ESPTOOL_OLD, "Of older versions", out);
    fputs("\n@FILE stands for the words in that file.\n", out);
}
