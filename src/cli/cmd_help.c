/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static int print_udev_rules(void)
{
    char *rules = kiln_udev_rules();

    if (rules == NULL)
        return kiln_status_exit_code(KILN_E_NOMEM);
    fputs(rules, stdout);
    free(rules);
    return 0;
}

static int run_help(struct cli *cli)
{
    const struct cli_args *args = &cli->args;
    const char *topic = args->operand_count > 0 ? args->operands[0] : NULL;
    const struct cli_command *command;

    if (topic == NULL) {
        cli_print_overview(cli, stdout);
        return 0;
    }
    command = cli_command_find(topic);
    if (command != NULL) {
        cli_print_command_help(cli, command, stdout);
        return 0;
    }
    if (strcmp(topic, "man") == 0) {
        command = args->operand_count > 1 ? cli_command_find(args->operands[1]) : NULL;
        if (args->operand_count > 1 && command == NULL)
            return cli_usage(cli, "there is no command '%s'", args->operands[1]);
        if (command != NULL)
            cli_print_command_man_page(command, stdout);
        else
            cli_print_man_page(stdout);
        return 0;
    }
    if (strcmp(topic, "udev-rules") == 0)
        return print_udev_rules();
    if (strcmp(topic, "completion") == 0 && args->operand_count > 1 &&
        cli_print_completion(args->operands[1], stdout))
        return 0;
    return cli_usage(cli, "there is no help on '%s'", topic);
}

const struct cli_command cli_cmd_help = {
    .name = "help",
    .operands = "[COMMAND | man [COMMAND] | completion bash|zsh|fish | udev-rules]",
    .summary = "what there is and how it is used",
    .details = "`kiln help man` prints the man page, with a command that of the command, `kiln "
               "help completion SHELL` the completion "
               "script for a shell, `kiln help udev-rules` the rule file that gives boards and "
               "probes to whoever sits at the computer.",
    .group = CLI_GROUP_OTHER,
    .run = run_help,
};

static int run_version(struct cli *cli)
{
    if (cli->args.json)
        printf("{\"name\":\"kiln\",\"version\":\"%s\"}\n", kiln_version());
    else
        printf("kiln %s\n", kiln_version());
    return 0;
}

static const char *const version_options[] = {"json", NULL};

const struct cli_command cli_cmd_version = {
    .name = "version",
    .operands = "",
    .summary = "the version of this program",
    .options = version_options,
    .group = CLI_GROUP_OTHER,
    .run = run_version,
};
