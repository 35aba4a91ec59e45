/* SPDX-License-Identifier: MIT */
/* What a project is flashed with: its files, and what it says that the user did not. */
#include "cli/cli.h"

#include <glob.h>
#include <inttypes.h>
#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- which files ---- */

/* A name of --only as the project's files have it. */
static const char *full_name(const char *word)
{
    static const char *const names[][2] = {{"app", "application"},
                                           {"fs", "filesystem"},
                                           {"partition-table", "partitions"},
                                           {"partition_table", "partitions"}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(word, names[i][0]) == 0)
            return names[i][1];
    return word;
}

static bool is_called(const struct kiln_project_file *file, const char *word)
{
    return strcmp(file->what, word) == 0 || strcmp(file->what, full_name(word)) == 0;
}

static bool wanted(const struct cli *cli, const struct kiln_project_file *file)
{
    if (cli->args.only.count == 0)
        return !file->on_request;
    for (size_t i = 0; i < cli->args.only.count; i++)
        if (is_called(file, cli->args.only.word[i]))
            return true;
    return false;
}

/* Every word of --only must be one of the files. */
static int check_only(struct cli *cli, const struct kiln_project_environment *env)
{
    char names[160] = "";
    size_t len = 0;

    for (size_t i = 0; i < env->file_count && len + 2 < sizeof names; i++)
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i > 0 ? ", " : "",
                                env->files[i].what);
    for (size_t i = 0; i < cli->args.only.count; i++) {
        bool found = false;

        for (size_t k = 0; k < env->file_count && !found; k++)
            found = is_called(&env->files[k], cli->args.only.word[i]);
        if (!found && strcmp(full_name(cli->args.only.word[i]), "filesystem") == 0)
            return cli_usage(cli,
                             "environment '%s' has no image of a file system; PlatformIO builds it "
                             "with: pio run -e %s -t buildfs",
                             env->name, env->name);
        if (!found)
            return cli_usage(cli, "environment '%s' has no '%s' to flash, only: %s", env->name,
                             cli->args.only.word[i], names);
    }
    return 0;
}

/* ---- the port ---- */

static void say(const struct cli *cli, const char *format, ...) KILN_PRINTF(2, 3);

static void say(const struct cli *cli, const char *format, ...)
{
    va_list args;

    if (cli->args.json || cli->args.quiet)
        return;
    printf("  %snote: ", cli_yellow(cli));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("%s\n", cli_plain(cli));
}

/* "192.168.1.7" or "name.local": an update over the air, which is no port of this computer. */
static bool is_network(const struct kiln_project_environment *env, const char *port)
{
    size_t n = strlen(port);

    if (strstr(port, "://") != NULL || port[0] == '/')
        return false;
    return (env->protocol != NULL && strcmp(env->protocol, "espota") == 0) ||
           strspn(port, "0123456789.") == n || (n > 6 && strcmp(port + n - 6, ".local") == 0);
}

/* "COM6", "/dev/cu.usbserial-1420": of other systems, in a file that people share. */
static bool is_elsewhere(const char *port)
{
    return (strncmp(port, "COM", 3) == 0 && port[3] >= '0' && port[3] <= '9') ||
           ((strncmp(port, "/dev/cu.", 8) == 0 || strncmp(port, "/dev/tty.", 9) == 0) &&
            access(port, F_OK) != 0);
}

static bool matches(const regex_t *pattern, const struct kiln_device *device)
{
    char ids[200];

    snprintf(ids, sizeof ids, "USB VID:PID=%04" PRIX32 ":%04" PRIX32 "%s%s LOCATION=%s",
             (uint32_t)device->vid & 0xffff, (uint32_t)device->pid & 0xffff,
             device->serial[0] != '\0' ? " SER=" : "", device->serial, device->path);
    return regexec(pattern, device->port, 0, NULL, 0) == 0 ||
           regexec(pattern, device->title, 0, NULL, 0) == 0 ||
           (device->vid >= 0 && regexec(pattern, ids, 0, NULL, 0) == 0);
}

/* hwgrep://REGEX: the first serial port whose name, title or USB ids match, as pySerial writes them. */
static int take_matching(struct cli *cli, const char *expression)
{
    struct kiln_device_list list = {0};
    struct kiln_error error = {0};
    regex_t pattern;

    if (regcomp(&pattern, expression, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
        return cli_usage(cli, "upload_port hwgrep://%s is no regular expression", expression);
    if (kiln_device_enumerate(&list, &error) != KILN_OK) {
        regfree(&pattern);
        return cli_fail(cli, &error);
    }
    for (size_t i = 0; i < list.count && cli->args.port[0] == '\0'; i++)
        if (list.items[i].kind == KILN_DEVICE_SERIAL && matches(&pattern, &list.items[i]))
            snprintf(cli->args.port, sizeof cli->args.port, "%s", list.items[i].port);
    kiln_device_list_free(&list);
    regfree(&pattern);
    return cli->args.port[0] != '\0'
               ? 0
               : cli_usage(cli, "no port matches upload_port hwgrep://%s", expression);
}

/* A pattern stands for the first port that matches, as in PlatformIO. */
static int take_pattern(struct cli *cli, const char *pattern)
{
    glob_t found;

    if (glob(pattern, 0, NULL, &found) != 0)
        return cli_usage(cli, "no port matches upload_port %s", pattern);
    snprintf(cli->args.port, sizeof cli->args.port, "%s", found.gl_pathv[0]);
    globfree(&found);
    return 0;
}

static int take_port(struct cli *cli, const struct kiln_project_environment *env)
{
    const struct kiln_project_option *said = kiln_project_option(env, "upload_port");
    const char *where = said != NULL && said->place.file != NULL ? said->place.file : "the project";
    size_t n = strlen(env->port);
    bool quoted = n >= 2 && env->port[0] == '"' && env->port[n - 1] == '"';
    char port[256];
    int status = 0;

    snprintf(port, sizeof port, "%.*s", (int)(quoted ? n - 2 : n), env->port + (quoted ? 1 : 0));
    if (is_network(env, port))
        return cli_usage(cli, "environment '%s' uploads over the air to %s; choose a port with -d",
                         env->name, port);
    if (is_elsewhere(port)) {
        say(cli, "upload_port %s of %s is a port of another computer; the board is looked for",
            port, where);
        return 0;
    }
    if (strncmp(port, "hwgrep://", 9) == 0)
        status = take_matching(cli, port + 9);
    else if (strpbrk(port, "*?[") != NULL)
        status = take_pattern(cli, port);
    else
        snprintf(cli->args.port, sizeof cli->args.port, "%s", port);
    if (status == 0)
        cli->args.devices.word[cli->args.devices.count++] = cli->args.port;
    return status;
}

/* What the user did not say. */
static int take_settings(struct cli *cli, const struct kiln_project_environment *env)
{
    if (cli->args.chip == NULL && env->chip != NULL && !env->chip_is_line &&
        kiln_chip_named(env->chip) != NULL)
        cli->args.chip = env->chip;
    if (cli->args.baud == 0)
        cli->args.baud = env->upload_speed;
    if (cli->args.before == NULL)
        cli->args.before = env->before;
    if (cli->args.after == NULL)
        cli->args.after = env->after;
    if (cli->args.flash_size == NULL)
        cli->args.flash_size = env->flash_size;
    if (env->no_stub && cli->args.loader == NULL)
        cli->args.loader = "rom";
    if (cli->args.devices.count > 0 || cli->args.all || env->port == NULL)
        return 0;
    return take_port(cli, env);
}

/* ---- loading ---- */

/* One file as the project places it. */
static enum kiln_status load_planned(const struct kiln_project_file *file,
                                     struct kiln_image **out_image, struct kiln_error *out_error)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;

    if (!file->stated)
        options.address = file->address;
    /* Whatever a file system begins with, it is no program. */
    options.raw = file->on_request;
    options.type = KILN_IMAGE_UNKNOWN;
    if (file->data != NULL)
        return kiln_image_parse(file->what, file->data, file->size, &options, out_image, out_error);
    return kiln_image_load(file->path, &options, out_image, out_error);
}

/* Says what was taken, for nothing was named. */
static void announce(const struct cli *cli, const struct kiln_project *project,
                     const struct kiln_project_environment *env)
{
    if (cli->args.json || cli->args.quiet)
        return;
    printf("%s project, environment %s%s%s%s%s\n", project->system, cli_bold(cli), env->name,
           cli_plain(cli), env->chip != NULL ? ", for " : "", env->chip != NULL ? env->chip : "");
    for (const char *line = env->notes; *line != '\0'; line += strspn(line, "\n")) {
        int n = (int)strcspn(line, "\n");

        say(cli, "%.*s", n, line);
        line += n;
    }
}

/* --encrypt is for those that the project means to be encrypted, where it says so of some. */
static int load_files(struct cli *cli, const struct kiln_project_environment *env,
                      struct cli_files *out_files)
{
    struct kiln_error error = {0};
    bool some = false;

    if (!cli_files_reserve(out_files, env->file_count))
        return 12;
    for (size_t i = 0; i < env->file_count; i++)
        some = some || env->files[i].encrypted;
    for (size_t i = 0; i < env->file_count; i++) {
        if (!wanted(cli, &env->files[i]))
            continue;
        if (load_planned(&env->files[i], &out_files->images[out_files->count], &error) != KILN_OK)
            return cli_fail(cli, &error);
        out_files->encrypted[out_files->count] =
            cli->args.encrypt && (env->files[i].encrypted || !some);
        out_files->count++;
    }
    return 0;
}

int cli_project_load(struct cli *cli, struct kiln_project **out_project,
                     struct cli_files *out_files)
{
    const struct kiln_project_environment *env;
    struct kiln_error error = {0};
    enum kiln_status status = kiln_project_open(cli->args.project, out_project, &error);
    int exit_status;

    if (status == KILN_E_ARG && cli->args.project == NULL && cli->args.environment == NULL)
        return cli_usage(cli, "`kiln %s` needs a file, for %s", cli->command->name, error.message);
    if (status == KILN_OK)
        status = kiln_project_choose(*out_project, cli->args.environment, &env, &error);
    if (status != KILN_OK)
        return cli_fail(cli, &error);
    if (env->not_ready != NULL || env->file_count == 0) {
        error = (struct kiln_error){.status = KILN_E_FILE, .hint = KILN_HINT_CHECK_PROJECT};
        snprintf(error.message, sizeof error.message, "environment '%.60s': %s", env->name,
                 env->not_ready != NULL ? env->not_ready : "there is nothing to flash");
        return cli_fail(cli, &error);
    }
    exit_status = check_only(cli, env);
    if (exit_status != 0)
        return exit_status;
    cli->project_dir = (*out_project)->dir;
    cli->project_environment = env->name;
    announce(cli, *out_project, env);
    exit_status = take_settings(cli, env);
    fflush(stdout);
    return exit_status != 0 ? exit_status : load_files(cli, env, out_files);
}
