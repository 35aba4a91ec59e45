/* SPDX-License-Identifier: MIT */
/* What a project says about listening to its board: kiln monitor without options in a project's folder. */
#include "cli/cli.h"

#include <inttypes.h>
#include <kiln/project.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static void say(const struct cli *cli, const char *format, ...) KILN_PRINTF(2, 3);

/* Ahead of the monitor's own first line, and like it. */
static void say(const struct cli *cli, const char *format, ...)
{
    FILE *out = cli->tty ? stdout : stderr;
    va_list args;

    if (cli->args.quiet || cli->args.json)
        return;
    fprintf(out, "%s--- ", cli->tty ? cli_yellow(cli) : "");
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fprintf(out, "%s\n", cli->tty ? cli_plain(cli) : "");
    fflush(out);
}

/* " (platformio.ini:7)", or "" where nobody says it. */
static const char *place(const struct kiln_project_option *option, char *text, size_t size)
{
    text[0] = '\0';
    if (option != NULL && option->place.file != NULL && option->place.line != 0)
        snprintf(text, size, " (%s:%u)", option->place.file, option->place.line);
    else if (option != NULL && option->place.file != NULL)
        snprintf(text, size, " (%s)", option->place.file);
    return text;
}

static const char *text_of(const struct kiln_project_environment *env, const char *name)
{
    const struct kiln_project_option *option = kiln_project_option(env, name);

    return option != NULL && option->kind == KILN_PROJECT_TEXT && option->texts[0][0] != '\0'
               ? option->texts[0]
               : NULL;
}

static bool is_on(const struct kiln_project_environment *env, const char *name)
{
    const struct kiln_project_option *option = kiln_project_option(env, name);

    return option != NULL && option->kind == KILN_PROJECT_BOOL && option->number != 0;
}

static void take_speed(const struct cli *cli, const struct kiln_project_environment *env,
                       struct kiln_monitor_options *options)
{
    static const char *const names[] = {"monitor_speed", "monitor_baud", "config.SERIAL_BAUD"};
    const struct kiln_project_option *said = NULL;
    char where[200];

    if (options->baud != 0 || env->monitor_speed == 0)
        return;
    for (size_t i = 0; said == NULL && i < sizeof names / sizeof names[0]; i++)
        said = kiln_project_option(env, names[i]);
    options->baud = env->monitor_speed;
    options->find_rate = true;
    say(cli, "%" PRIu32 " baud, as the project says%s", env->monitor_speed,
        place(said, where, sizeof where));
}

/* PlatformIO's names for what a monitor may do with the text. */
static void take_filter(const struct cli *cli, const struct kiln_project_option *said,
                        const char *name, struct kiln_monitor_options *options)
{
    /* The monitor does what these ask for, or it is how it always shows text. */
    static const char *const done[] = {"default", "direct", "colorize", "printable"};
    static const char decoder[] = "_exception_decoder";
    size_t n = strlen(name);
    char where[200];

    for (size_t i = 0; i < sizeof done / sizeof done[0]; i++)
        if (strcmp(name, done[i]) == 0)
            return;
    if (n >= sizeof decoder && strcmp(name + n - (sizeof decoder - 1), decoder) == 0)
        return; /* crashes of every chip are decoded */
    if (strcmp(name, "time") == 0 && cli->args.time == NULL)
        options->time = KILN_MONITOR_CLOCK;
    else if (strcmp(name, "hexlify") == 0)
        options->hex = true;
    else if (strcmp(name, "log2file") == 0)
        say(cli, "monitor_filters: log2file%s: --log FILE does that here",
            place(said, where, sizeof where));
    else if (strcmp(name, "time") != 0)
        say(cli, "monitor_filters: kiln has no filter '%.60s'%s", name,
            place(said, where, sizeof where));
}

static void take_view(const struct cli *cli, const struct kiln_project_environment *env,
                      struct kiln_monitor_options *options)
{
    const struct kiln_project_option *filters = kiln_project_option(env, "monitor_filters");
    const char *eol = text_of(env, "monitor_eol");

    if (is_on(env, "monitor_echo"))
        options->echo = true;
    if (is_on(env, "monitor_raw"))
        options->visible = false;
    else if (filters != NULL && filters->kind == KILN_PROJECT_LIST)
        for (size_t i = 0; i < filters->count; i++)
            take_filter(cli, filters, filters->texts[i], options);
    if (eol != NULL && cli->args.enter == NULL)
        options->send_eol = strcmp(eol, "CR") == 0   ? KILN_MONITOR_CR
                            : strcmp(eol, "LF") == 0 ? KILN_MONITOR_LF
                                                     : KILN_MONITOR_CRLF;
}

static void take_environment(struct cli *cli, const struct kiln_project_environment *env,
                             struct kiln_monitor_options *options)
{
    const char *port = text_of(env, "monitor_port");

    /* Patterns and ports of other computers are not for here. */
    if (cli->args.devices.count == 0 && port != NULL && strpbrk(port, "*?[") == NULL) {
        char where[200];

        cli->args.devices.word[cli->args.devices.count++] = port;
        options->device = port;
        say(cli, "port %s, as the project says%s", port,
            place(kiln_project_option(env, "monitor_port"), where, sizeof where));
    }
    take_speed(cli, env, options);
    take_view(cli, env, options);
    if (cli->args.elf.count == 0 && env->elf != NULL && access(env->elf, R_OK) == 0) {
        cli->args.elf.word[cli->args.elf.count++] = env->elf;
        options->elf = cli->args.elf.word;
        options->elf_count = cli->args.elf.count;
        say(cli, "crashes are looked up in %s", env->elf);
    }
}

int cli_monitor_project(struct cli *cli, struct kiln_monitor_options *options,
                        struct kiln_project **out_project)
{
    bool asked = cli->args.project != NULL || cli->args.environment != NULL;
    const struct kiln_project_environment *env;
    struct kiln_error error = {0};
    enum kiln_status status = kiln_project_open(cli->args.project, out_project, &error);

    if (status == KILN_E_ARG && !asked)
        return 0; /* no project is here */
    if (status == KILN_OK)
        status = kiln_project_choose(*out_project, cli->args.environment, &env, &error);
    if (status != KILN_OK && asked)
        return cli_fail(cli, &error);
    /* Listening needs no project: what is wrong with it is told, and no more. */
    if (status != KILN_OK) {
        say(cli, "nothing is taken from the project here: %s", error.message);
    } else {
        cli->project_dir = (*out_project)->dir;
        cli->project_environment = env->name;
        take_environment(cli, env, options);
    }
    return 0;
}
