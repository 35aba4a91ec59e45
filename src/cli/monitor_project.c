/* SPDX-License-Identifier: MIT */
/* What a project says about listening to its board: kiln monitor without options in a project's folder. */
#include "cli/cli.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <kiln/project.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
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

/* "NAME VALUE, as the project says (platformio.ini:7)" */
static void tell(const struct cli *cli, const struct kiln_project_environment *env,
                 const char *option, const char *what, const char *value)
{
    char where[200];

    say(cli, "%s %s, as the project says%s", what, value,
        place(kiln_project_option(env, option), where, sizeof where));
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

/* ---- PlatformIO's names for what a monitor may do with the text ---- */

/* logs/device-monitor-YYMMDD-HHMMSS.log in the project's folder. */
static void log_to_file(struct cli *cli, const struct kiln_project *project,
                        struct kiln_monitor_options *options)
{
    char *path = cli->args.log_path, stamp[32] = "";
    size_t cap = sizeof cli->args.log_path;
    time_t now = time(NULL);
    struct tm parts;

    if (options->log != NULL)
        return;
    snprintf(path, cap, "%s/logs", project->dir);
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        say(cli, "no log: %s cannot be made: %s", path, strerror(errno));
        return;
    }
    if (localtime_r(&now, &parts) != NULL)
        (void)!strftime(stamp, sizeof stamp, "%y%m%d-%H%M%S", &parts);
    snprintf(path, cap, "%s/logs/device-monitor-%s.log", project->dir, stamp);
    options->log = path;
    say(cli, "everything goes to %s too", path);
}

static bool choose_show(const struct cli *cli, const char *name,
                        struct kiln_monitor_options *options)
{
    static const struct {
        const char *name;
        enum kiln_monitor_show show;
    } rows[] = {
        {"direct", KILN_MONITOR_DIRECT},
        {"nocontrol", KILN_MONITOR_NOCONTROL},
        {"printable", KILN_MONITOR_PRINTABLE},
        {"debug", KILN_MONITOR_DEBUG},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(name, rows[i].name) == 0) {
            if (cli->args.show == NULL)
                options->show = rows[i].show;
            return true;
        }
    return false;
}

/* What the monitor does anyway: text in colours, and crashes of every chip decoded. */
static bool is_usual(const char *name)
{
    static const char decoder[] = "_exception_decoder";
    size_t n = strlen(name);

    return strcmp(name, "default") == 0 || strcmp(name, "colorize") == 0 ||
           (n >= sizeof decoder && strcmp(name + n - (sizeof decoder - 1), decoder) == 0);
}

static void take_filter(struct cli *cli, const struct kiln_project *project,
                        const struct kiln_project_option *said, const char *name,
                        struct kiln_monitor_options *options)
{
    char where[200];

    if (is_usual(name) || choose_show(cli, name, options))
        return;
    if (strcmp(name, "time") == 0) {
        if (cli->args.time == NULL)
            options->time = KILN_MONITOR_CLOCK;
    } else if (strcmp(name, "hexlify") == 0) {
        options->hex = true;
    } else if (strcmp(name, "send_on_enter") == 0) {
        options->by_line = true;
    } else if (strcmp(name, "log2file") == 0) {
        log_to_file(cli, project, options);
    } else {
        say(cli, "monitor_filters: kiln has no filter '%.60s'%s", name,
            place(said, where, sizeof where));
    }
}

static void take_view(struct cli *cli, const struct kiln_project *project,
                      const struct kiln_project_environment *env,
                      struct kiln_monitor_options *options)
{
    const struct kiln_project_option *filters = kiln_project_option(env, "monitor_filters");
    const char *eol = text_of(env, "monitor_eol");
    const char *encoding = text_of(env, "monitor_encoding");

    if (is_on(env, "monitor_echo"))
        options->echo = true;
    if (is_on(env, "monitor_raw") && cli->args.show == NULL)
        options->show = KILN_MONITOR_DIRECT;
    if (!is_on(env, "monitor_raw") && filters != NULL && filters->kind == KILN_PROJECT_LIST)
        for (size_t i = 0; i < filters->count; i++)
            take_filter(cli, project, filters, filters->texts[i], options);
    if (eol != NULL && cli->args.enter == NULL)
        options->send_eol = strcmp(eol, "CR") == 0   ? KILN_MONITOR_CR
                            : strcmp(eol, "LF") == 0 ? KILN_MONITOR_LF
                                                     : KILN_MONITOR_CRLF;
    if (encoding == NULL || cli->args.encoding != NULL || strcasecmp(encoding, "UTF-8") == 0)
        return;
    tell(cli, env, "monitor_encoding", "encoding", encoding);
    if (strcasecmp(encoding, "hexlify") == 0)
        options->hex = options->send_hex = true;
    else
        options->encoding = encoding;
}

/* ---- the port ---- */

static void take_level(const struct cli *cli, const struct kiln_project_environment *env,
                       const char *name, const char *line, bool given,
                       enum kiln_monitor_level *level)
{
    const struct kiln_project_option *option = kiln_project_option(env, name);

    if (given || option == NULL ||
        (option->kind != KILN_PROJECT_NUMBER && option->kind != KILN_PROJECT_BOOL))
        return;
    *level = option->number != 0 ? KILN_MONITOR_ON : KILN_MONITOR_OFF;
    if (option->number != 0)
        tell(cli, env, name, line, "asserted");
}

/* A port may be a pattern: the first that matches. Those of another system are not for here. */
static void take_port(struct cli *cli, const struct kiln_project_environment *env,
                      const char *option, const char *port, struct kiln_monitor_options *options)
{
    char where[200];
    glob_t found;

    if (cli->args.devices.count > 0 || port == NULL)
        return;
    if (strncasecmp(port, "COM", 3) == 0 && port[3] >= '0' && port[3] <= '9') {
        say(cli, "%s %s%s is a port of another system; it is not used", option, port,
            place(kiln_project_option(env, option), where, sizeof where));
        return;
    }
    if (strpbrk(port, "*?[") != NULL && strstr(port, "://") == NULL) {
        if (glob(port, 0, NULL, &found) != 0) {
            say(cli, "no port matches %s %s%s", option, port,
                place(kiln_project_option(env, option), where, sizeof where));
            return;
        }
        snprintf(cli->args.port, sizeof cli->args.port, "%s", found.gl_pathv[0]);
        globfree(&found);
        port = cli->args.port;
    }
    cli->args.devices.word[cli->args.devices.count++] = port;
    options->device = port;
    tell(cli, env, option, "port", port);
}

static void take_line(struct cli *cli, const struct kiln_project_environment *env,
                      struct kiln_monitor_options *options)
{
    const char *parity = text_of(env, "monitor_parity");

    take_port(cli, env, "monitor_port", text_of(env, "monitor_port"), options);
    take_speed(cli, env, options);
    take_level(cli, env, "monitor_dtr", "DTR", cli->args.dtr != NULL, &options->dtr);
    take_level(cli, env, "monitor_rts", "RTS", cli->args.rts != NULL, &options->rts);
    if (parity == NULL || cli->args.parity != NULL || parity[0] == 'N')
        return;
    options->parity = parity[0];
    tell(cli, env, "monitor_parity", "parity", parity);
}

static void take_environment(struct cli *cli, const struct kiln_project *project,
                             const struct kiln_project_environment *env,
                             struct kiln_monitor_options *options)
{
    take_line(cli, env, options);
    take_view(cli, project, env, options);
    if (cli->args.elf.count == 0 && env->elf != NULL && access(env->elf, R_OK) == 0) {
        cli->args.elf.word[cli->args.elf.count++] = env->elf;
        options->elf = cli->args.elf.word;
        options->elf_count = cli->args.elf.count;
        say(cli, "crashes are looked up in %s", env->elf);
    }
}

/* ---- which environment ---- */

static bool same_option(const struct kiln_project_option *a, const struct kiln_project_option *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (a->kind != b->kind || a->number != b->number || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->texts[i], b->texts[i]) != 0)
            return false;
    return true;
}

static bool same_monitor(const struct kiln_project_environment *a,
                         const struct kiln_project_environment *b)
{
    for (size_t i = 0; i < a->option_count; i++)
        if (strncmp(a->options[i].name, "monitor_", 8) == 0 &&
            !same_option(&a->options[i], kiln_project_option(b, a->options[i].name)))
            return false;
    return a->monitor_speed == b->monitor_speed;
}

/* Several environments that say the same of the monitor are as good as one; only the ELF file is open then. */
static const struct kiln_project_environment *find_common(const struct kiln_project *project,
                                                          struct kiln_project_environment *copy)
{
    if (project == NULL || project->environment_count < 2)
        return NULL;
    for (size_t i = 1; i < project->environment_count; i++)
        if (!same_monitor(&project->environments[0], &project->environments[i]) ||
            !same_monitor(&project->environments[i], &project->environments[0]))
            return NULL;
    *copy = project->environments[0];
    copy->elf = NULL;
    return copy;
}

int cli_monitor_project(struct cli *cli, struct kiln_monitor_options *options,
                        struct kiln_project **out_project)
{
    bool asked = cli->args.project != NULL || cli->args.environment != NULL;
    const struct kiln_project_environment *env = NULL;
    struct kiln_project_environment common;
    struct kiln_error error = {0};
    enum kiln_status status = kiln_project_open(cli->args.project, out_project, &error);

    if (status == KILN_E_ARG && !asked)
        return 0; /* no project is here */
    if (status == KILN_OK)
        status = kiln_project_choose(*out_project, cli->args.environment, &env, &error);
    env = status == KILN_E_ARG && cli->args.environment == NULL ? find_common(*out_project, &common)
                                                                : env;
    if (status != KILN_OK && asked && env == NULL)
        return cli_fail(cli, &error);
    /* Listening needs no project: what is wrong with it is told, and no more. */
    if (status == KILN_OK) {
        cli->project_dir = (*out_project)->dir;
        cli->project_environment = env->name;
        take_environment(cli, *out_project, env, options);
        return 0;
    }
    if (env == NULL) {
        say(cli, "nothing is taken from the project here: %s", error.message);
        return 0;
    }
    cli->project_dir = (*out_project)->dir;
    take_environment(cli, *out_project, env, options);
    say(cli, "-e chooses an environment, so that crashes can be looked up in its ELF file");
    return 0;
}
