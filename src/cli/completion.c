/* SPDX-License-Identifier: MIT */
/* Shell completion, read from the tables of commands and options: every option and what it may be. */
#include "cli/cli.h"

#include <string.h>

static void put_choices(FILE *out, const struct cli_option *option)
{
    for (const char *const *choice = option->choices; *choice != NULL; choice++)
        fprintf(out, "%s%s", choice == option->choices ? "" : " ", *choice);
}

/* ---- bash ---- */

static void bash_values(FILE *out)
{
    fputs("    case $prev in\n", out);
    for (size_t i = 0; cli_option_at(i) != NULL; i++) {
        const struct cli_option *option = cli_option_at(i);

        if (option->choices == NULL)
            continue;
        fprintf(out, "    --%s", option->name);
        if (option->letter != 0)
            fprintf(out, "|-%c", option->letter);
        fputs(") words='", out);
        put_choices(out, option);
        fputs("'; mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\"); return ;;\n", out);
    }
    fputs("    esac\n", out);
}

static void print_bash(FILE *out)
{
    fputs("_kiln() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
          "words\n",
          out);
    bash_values(out);
    fputs("    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words='", out);
    for (size_t i = 0; cli_command_at(i) != NULL; i++)
        fprintf(out, "%s%s", i == 0 ? "" : " ", cli_command_at(i)->name);
    fputs("'\n    else\n        case ${COMP_WORDS[1]} in\n", out);
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        const struct cli_command *command = cli_command_at(i);

        fprintf(out, "        %s) words='", command->name);
        for (const char *const *name = command->options; name != NULL && *name != NULL; name++)
            fprintf(out, "--%s ", *name);
        fputs("--help' ;;\n", out);
    }
    fputs("        esac\n    fi\n    case $cur in\n"
          "    -*) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
          "    *) if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "           mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "       else\n           mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n       fi ;;\n"
          "    esac\n}\ncomplete -o filenames -F _kiln kiln\n",
          out);
}

/* ---- zsh ---- */

/* Inside single quotes, within [ ] and before a colon. */
static void zsh_quoted(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text) != NULL)
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
}

static void zsh_option(FILE *out, const struct cli_option *option)
{
    fputs(" \\\n            ", out);
    if (option->letter != 0)
        fprintf(out, "'*'{-%c,--%s%s}'[", option->letter, option->name,
                option->argument != NULL ? "=" : "");
    else
        fprintf(out, "'*--%s%s[", option->name, option->argument != NULL ? "=" : "");
    zsh_quoted(out, option->help);
    fputs("]", out);
    if (option->choices != NULL) {
        fputs(":value:(", out);
        put_choices(out, option);
        fputs(")", out);
    } else if (option->argument != NULL) {
        fputs(":value:_files", out);
    }
    fputs("'", out);
}

static void print_zsh(FILE *out)
{
    fputs("#compdef kiln\n_kiln() {\n    local -a commands\n    commands=(\n", out);
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        fprintf(out, "        '%s:", cli_command_at(i)->name);
        zsh_quoted(out, cli_command_at(i)->summary);
        fputs("'\n", out);
    }
    fputs("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        "
          "return\n"
          "    fi\n    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case "
          "$command in\n",
          out);
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        const struct cli_command *command = cli_command_at(i);

        fprintf(out, "    %s) _arguments", command->name);
        for (const char *const *name = command->options; name != NULL && *name != NULL; name++)
            zsh_option(out, cli_option_find(*name));
        zsh_option(out, cli_option_find("help"));
        fputs(" \\\n            '*:file:_files' ;;\n", out);
    }
    fputs("    esac\n}\n_kiln \"$@\"\n", out);
}

/* ---- fish ---- */

static void fish_quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void fish_option(FILE *out, const struct cli_command *command,
                        const struct cli_option *option)
{
    fprintf(out, "complete -c kiln -n '__fish_seen_subcommand_from %s' -l %s", command->name,
            option->name);
    if (option->letter != 0)
        fprintf(out, " -s %c", option->letter);
    if (option->choices != NULL) {
        fputs(" -x -a '", out);
        put_choices(out, option);
        fputs("'", out);
    } else if (option->argument != NULL) {
        fputs(" -r", out);
    }
    fputs(" -d ", out);
    fish_quoted(out, option->help);
    fputc('\n', out);
}

static void print_fish(FILE *out)
{
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        const struct cli_command *command = cli_command_at(i);

        fprintf(out, "complete -c kiln -f -n __fish_use_subcommand -a %s -d ", command->name);
        fish_quoted(out, command->summary);
        fputc('\n', out);
        for (const char *const *name = command->options; name != NULL && *name != NULL; name++)
            fish_option(out, command, cli_option_find(*name));
        fish_option(out, command, cli_option_find("help"));
    }
}

bool cli_print_completion(const char *shell, FILE *out)
{
    if (strcmp(shell, "bash") == 0)
        print_bash(out);
    else if (strcmp(shell, "zsh") == 0)
        print_zsh(out);
    else if (strcmp(shell, "fish") == 0)
        print_fish(out);
    else
        return false;
    return true;
}
