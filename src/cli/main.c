/* SPDX-License-Identifier: MIT */
#include "cli/boards.h"
#include "cli/cli.h"
#include "cli/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* clang-format off */
static const struct cli_command *const commands[] = {
    &cli_cmd_flash,
    &cli_cmd_read,
    &cli_cmd_verify,
    &cli_cmd_erase,
    &cli_cmd_run,
    &cli_cmd_reset,
    &cli_cmd_info,
    &cli_cmd_poke,
    &cli_cmd_list,
    &cli_cmd_monitor,
    &cli_cmd_name,
    &cli_cmd_doctor,
    &cli_cmd_chip,
    &cli_cmd_image,
    &cli_cmd_project,
    &cli_cmd_sim,
    &cli_cmd_esptool,
    &cli_cmd_dfu_prefix,
    &cli_cmd_dfu_suffix,
    &cli_cmd_dfu_util,
    &cli_cmd_pydfu,
    &cli_cmd_help,
    &cli_cmd_version,
};
/* clang-format on */

const struct cli_command *cli_command_at(size_t index)
{
    return index < sizeof commands / sizeof commands[0] ? commands[index] : NULL;
}

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; cli_command_at(i) != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

int cli_width_now(const struct cli *cli)
{
    struct winsize size;

    return cli->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20
               ? size.ws_col
               : 80;
}

static void look_at_terminal(struct cli *cli)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    cli->tty = isatty(STDOUT_FILENO) != 0 && term != NULL && strcmp(term, "dumb") != 0;
    cli->color = cli->tty && (no_color == NULL || no_color[0] == '\0');
    cli->width = cli_width_now(cli);
}

static const char *paint(const struct cli *cli, const char *sequence)
{
    return cli->color ? sequence : "";
}

const char *cli_bold(const struct cli *cli)
{
    return paint(cli, "\033[1m");
}

const char *cli_red(const struct cli *cli)
{
    return paint(cli, "\033[31m");
}

const char *cli_green(const struct cli *cli)
{
    return paint(cli, "\033[32m");
}

const char *cli_yellow(const struct cli *cli)
{
    return paint(cli, "\033[33m");
}

const char *cli_dim(const struct cli *cli)
{
    return paint(cli, "\033[2m");
}

const char *cli_plain(const struct cli *cli)
{
    return paint(cli, "\033[0m");
}

const char *cli_bytes(uint64_t bytes, char *text)
{
    if (bytes < 1024)
        snprintf(text, 24, "%u B", (unsigned)bytes);
    else if (bytes < 1024 * 1024)
        snprintf(text, 24, "%.1f KiB", (double)bytes / 1024);
    else
        snprintf(text, 24, "%.2f MiB", (double)bytes / (1024 * 1024));
    return text;
}

int cli_fail(struct cli *cli, const struct kiln_error *error)
{
    const char *comma = error->context[0] != '\0' ? ", " : "";

    if (cli->args.json) {
        cli_put_json(cli_error_json(error));
        return kiln_status_exit_code(error->status);
    }
    fflush(stdout);
    cli_putf(stderr, "kiln: %s%s%s\n", error->message, comma, error->context);
    if (error->hint != KILN_HINT_NONE)
        cli_putf(stderr, "  %s\n", kiln_hint_text(error->hint));
    return kiln_status_exit_code(error->status);
}

bool cli_ask(const char *format, ...)
{
    char answer[16], rest[64];
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    fputs(" [y/N] ", stdout);
    fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) == NULL) {
        puts("\nNobody answered: no.");
        return false;
    }
    snprintf(rest, sizeof rest, "%s", answer);
    while (rest[0] != '\0' && rest[strlen(rest) - 1] != '\n') /* one line answers one question */
        if (fgets(rest, sizeof rest, stdin) == NULL)
            break;
    answer[strcspn(answer, "\r\n")] = '\0';
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

/* ---- lines beside the work ---- */

static void say(const struct cli *cli, FILE *out, const char *text)
{
    fflush(stdout);
    if (cli->args.json)
        cli_put_json(cli_notice_json(text));
    else
        cli_putf(out, "%s%s\n", out == stderr ? "kiln: " : "", text);
    fflush(out);
}

void cli_note(const struct cli *cli, const char *format, ...)
{
    char text[512];
    va_list args;

    if (cli->args.quiet)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(cli, stdout, text);
}

void cli_warn(const struct cli *cli, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(cli, stderr, text);
}

int cli_usage(struct cli *cli, const char *format, ...)
{
    struct kiln_error error = {.status = KILN_E_ARG};
    va_list args;

    va_start(args, format);
    vsnprintf(error.message, sizeof error.message, format, args);
    va_end(args);
    if (cli->args.json)
        return cli_fail(cli, &error);
    cli_putf(stderr, "kiln: %s\n  `kiln help%s%s` shows what there is.\n", error.message,
             cli->command != NULL ? " " : "", cli->command != NULL ? cli->command->name : "");
    return 2;
}

static int dispatch(struct cli *cli, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    cli->command = cli_command_find(name);
    if (cli->command == NULL)
        return cli_usage(cli, "there is no command '%s'", name);
    if (!cli_keep_words(cli, argc > 2 ? argc - 2 : 0, argv + 2))
        return 12;
    if (!cli_parse(cli, argc > 2 ? argc - 2 : 0, argv + 2))
        return 2;
    if (cli->args.help) {
        cli_print_command_help(cli, cli->command, stdout);
        return 0;
    }
    return cli->command->run(cli);
}

static int run_look_alike(struct cli *cli, int argc, char **argv)
{
    if (!cli_parse(cli, argc - 1, argv + 1))
        return 2;
    return cli->command->run(cli);
}

/* A port that got the number of a missing standard stream would be sent what is printed. */
static void open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            _exit(12);
}

/* Output that was lost is a failure, unless its reader went away and so wants no more. */
static int end_output(int status)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    if ((fflush(stdout) == 0 && !ferror(stdout)) || status != 0)
        return status;
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0)
        return 0;
    fputs("kiln: not everything could be written to standard output\n", stderr);
    return 12;
}

int main(int argc, char **argv)
{
    struct boards boards = {0};
    struct cli cli = {.boards = &boards};
    int status;

    open_standard_streams();
    look_at_terminal(&cli);
    cli.command = argc > 0 ? cli_compat_find(argv[0], &cli.program) : NULL;
    status = cli.command != NULL ? run_look_alike(&cli, argc, argv) : dispatch(&cli, argc, argv);
    boards_free(&boards);
    cli_free_words(&cli);
    return end_output(status);
}
