/* SPDX-License-Identifier: MIT */
/* What was built in a folder and how it would be flashed. */
#include "cli/cli.h"
#include "cli/json.h"

#include <inttypes.h>
#include <string.h>

/* ---- JSON ---- */

static json_t *value_of(const struct kiln_project_option *option)
{
    json_t *list;

    switch (option->kind) {
    case KILN_PROJECT_NONE:
        return json_null();
    case KILN_PROJECT_TEXT:
        return cli_json_text(option->texts[0]);
    case KILN_PROJECT_NUMBER:
        return json_integer((json_int_t)option->number);
    case KILN_PROJECT_BOOL:
        return json_boolean(option->number != 0);
    case KILN_PROJECT_LIST:
        list = json_array();
        for (size_t i = 0; i < option->count; i++)
            json_array_append_new(list, cli_json_text(option->texts[i]));
        return list;
    case KILN_PROJECT_ERROR:
        break;
    }
    return json_pack("{s:o}", "error",
                     cli_json_text(option->texts != NULL ? option->texts[0] : "out of memory"));
}

static void put_place(json_t *object, const struct kiln_project_place *place)
{
    if (place->file != NULL)
        json_object_set_new(object, "said_by", cli_json_text(place->file));
    if (place->line != 0)
        json_object_set_new(object, "line", json_integer((json_int_t)place->line));
}

static json_t *file_object(const struct kiln_project_file *file)
{
    json_t *object = json_object();

    json_object_set_new(object, "file", cli_json_text(file->path));
    json_object_set_new(object, "address",
                        file->address == KILN_NO_ADDRESS ? json_null()
                                                         : json_integer((json_int_t)file->address));
    json_object_set_new(object, "what", cli_json_text(file->what));
    json_object_set_new(object, "why", cli_json_text(file->why));
    put_place(object, &file->place);
    if (file->missing)
        json_object_set_new(object, "missing", json_true());
    if (file->encrypted)
        json_object_set_new(object, "encrypted", json_true());
    if (file->on_request)
        json_object_set_new(object, "on_request", json_true());
    if (file->data != NULL)
        json_object_set_new(object, "made", json_integer((json_int_t)file->size));
    return object;
}

static json_t *number_or_null(uint32_t number)
{
    return number != 0 ? json_integer((json_int_t)number) : json_null();
}

static json_t *environment_object(const struct kiln_project_environment *env)
{
    json_t *object = json_object(), *options = json_object(), *flash = json_array();

    for (size_t i = 0; i < env->option_count; i++)
        json_object_set_new(options, env->options[i].name, value_of(&env->options[i]));
    for (size_t i = 0; i < env->file_count; i++)
        json_array_append_new(flash, file_object(&env->files[i]));
    json_object_set_new(object, "name", cli_json_text(env->name));
    json_object_set_new(object, "options", options);
    json_object_set_new(object, "flash", flash);
    json_object_set_new(object, "chip", cli_json_text(env->chip));
    json_object_set_new(object, "board", cli_json_text(env->board));
    json_object_set_new(object, "protocol", cli_json_text(env->protocol));
    json_object_set_new(object, "port", cli_json_text(env->port));
    json_object_set_new(object, "upload_speed", number_or_null(env->upload_speed));
    json_object_set_new(object, "monitor_speed", number_or_null(env->monitor_speed));
    json_object_set_new(object, "elf", cli_json_text(env->elf));
    if (env->unbuilt)
        json_object_set_new(object, "unbuilt", json_true());
    if (env->not_ready != NULL)
        json_object_set_new(object, "not_ready", cli_json_text(env->not_ready));
    if (env->notes[0] != '\0')
        json_object_set_new(object, "notes", cli_json_text(env->notes));
    return object;
}

static void print_json(const struct kiln_project *project,
                       const struct kiln_project_environment *only)
{
    json_t *object = json_object(), *environments = json_array(), *defaults = json_array();

    for (size_t i = 0; i < project->environment_count; i++)
        if (only == NULL || only == &project->environments[i])
            json_array_append_new(environments, environment_object(&project->environments[i]));
    for (size_t i = 0; i < project->default_count; i++)
        json_array_append_new(defaults, cli_json_text(project->defaults[i]));
    json_object_set_new(object, "system", cli_json_text(project->system));
    json_object_set_new(object, "dir", cli_json_text(project->dir));
    json_object_set_new(object, "environments", environments);
    if (project->default_error != NULL) {
        json_decref(defaults);
        defaults = json_pack("{s:o}", "error", cli_json_text(project->default_error));
    }
    json_object_set_new(object, "default", defaults);
    cli_put_json(object);
}

/* ---- for people ---- */

static void print_place(const struct cli *cli, const struct kiln_project_place *place)
{
    if (place->file == NULL)
        return;
    printf("  %s%s", cli_dim(cli), place->file);
    if (place->line != 0)
        printf(":%u", place->line);
    fputs(cli_plain(cli), stdout);
}

/* The option that said it, under the name that this build system gives it. */
static const struct kiln_project_option *said_by(const struct kiln_project_environment *env,
                                                 const char *const *names)
{
    const struct kiln_project_option *said = NULL;

    while (said == NULL && *names != NULL)
        said = kiln_project_option(env, *names++);
    return said;
}

static void print_fact(const struct cli *cli, const struct kiln_project_environment *env,
                       const char *title, const char *value, const char *const *names)
{
    const struct kiln_project_option *said = said_by(env, names);

    if (value == NULL)
        return;
    printf("  %-12s %s", title, value);
    if (said != NULL)
        print_place(cli, &said->place);
    putchar('\n');
}

static void print_speed(const struct cli *cli, const struct kiln_project_environment *env,
                        const char *title, uint32_t speed, const char *const *names)
{
    char text[16];

    snprintf(text, sizeof text, "%" PRIu32, speed);
    print_fact(cli, env, title, speed != 0 ? text : NULL, names);
}

static void print_facts(const struct cli *cli, const struct kiln_project_environment *env)
{
    static const char *const chip[] = {"board_build.mcu", "config.MCU", NULL};
    static const char *const board[] = {"board", "fqbn", NULL};
    static const char *const protocol[] = {"upload_protocol", "flash-runner", NULL};
    static const char *const port[] = {"upload_port", NULL};
    static const char *const speed[] = {"upload_speed", NULL};
    static const char *const monitor[] = {"monitor_speed", "monitor_baud", "config.SERIAL_BAUD",
                                          NULL};

    print_fact(cli, env, "chip", env->chip, chip);
    print_fact(cli, env, "board", env->board, board);
    print_fact(cli, env, "protocol", env->protocol, protocol);
    print_fact(cli, env, "port", env->port, port);
    print_speed(cli, env, "speed", env->upload_speed, speed);
    print_speed(cli, env, "monitor", env->monitor_speed, monitor);
}

/* As short as it can be said: below the project, or whole. */
static const char *shown_path(const struct kiln_project *project, const char *path)
{
    size_t n = strlen(project->dir);

    return strncmp(path, project->dir, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

static void print_file(const struct cli *cli, const struct kiln_project *project,
                       const struct kiln_project_file *file)
{
    char address[24] = "?";

    if (file->address != KILN_NO_ADDRESS)
        snprintf(address, sizeof address, "0x%08" PRIx64, file->address);
    printf("    %s%-10s%s  %-12s  %s%s%s\n", cli_bold(cli), address, cli_plain(cli), file->what,
           file->path != NULL ? shown_path(project, file->path) : "(made by kiln)",
           file->missing ? cli_red(cli) : "", file->missing ? "  missing" : "");
    fputs(cli_plain(cli), stdout);
    printf("                %s%s%s", cli_dim(cli),
           file->why != NULL ? file->why : "nothing says where it belongs", cli_plain(cli));
    if (!file->stated)
        print_place(cli, &file->place);
    if (file->on_request)
        printf("  %swritten with --only fs%s", cli_dim(cli), cli_plain(cli));
    putchar('\n');
}

static void print_notes(const struct cli *cli, const char *notes)
{
    while (*notes != '\0') {
        int n = (int)strcspn(notes, "\n");

        cli_putf(stdout, "  %snote: %.*s%s\n", cli_yellow(cli), n, notes, cli_plain(cli));
        notes += n + (notes[n] == '\n');
    }
}

static void print_errors(const struct cli *cli, const struct kiln_project_environment *env)
{
    for (size_t i = 0; i < env->option_count; i++)
        if (env->options[i].kind == KILN_PROJECT_ERROR &&
            (env->not_ready == NULL || env->options[i].texts == NULL ||
             strcmp(env->not_ready, env->options[i].texts[0]) != 0))
            cli_putf(stdout, "  %s%s: %s%s\n", cli_red(cli), env->options[i].name,
                     env->options[i].texts != NULL ? env->options[i].texts[0] : "out of memory",
                     cli_plain(cli));
}

static void print_environment(const struct cli *cli, const struct kiln_project *project,
                              const struct kiln_project_environment *env)
{
    bool by_itself = false;

    for (size_t i = 0; i < project->default_count; i++)
        by_itself = by_itself || strcmp(project->defaults[i], env->name) == 0;
    printf("\n%s%s%s%s\n", cli_bold(cli), env->name, cli_plain(cli),
           by_itself ? "  (default)" : "");
    print_facts(cli, env);
    for (size_t i = 0; i < env->file_count; i++)
        print_file(cli, project, &env->files[i]);
    if (env->not_ready != NULL)
        cli_putf(stdout, "  %s%s%s\n", cli_yellow(cli), env->not_ready, cli_plain(cli));
    print_notes(cli, env->notes);
    print_errors(cli, env);
}

/* Of many environments those that nobody built are only named. */
#define MANY 6

static void print_all(const struct cli *cli, const struct kiln_project *project,
                      const struct kiln_project_environment *only)
{
    bool many = only == NULL && project->environment_count > MANY, any = false;

    printf("%s project in %s\n", project->system, project->dir);
    for (size_t i = 0; i < project->environment_count; i++) {
        const struct kiln_project_environment *env = &project->environments[i];

        if ((only == NULL || only == env) && !(many && env->unbuilt))
            print_environment(cli, project, env);
    }
    for (size_t i = 0; many && i < project->environment_count; i++) {
        if (!project->environments[i].unbuilt)
            continue;
        printf("%s%s", any ? ", " : "\nnot built yet: ", project->environments[i].name);
        any = true;
    }
    if (any)
        printf("\n%s-e NAME shows one of them%s\n", cli_dim(cli), cli_plain(cli));
    if (project->default_error != NULL)
        printf("\n%sdefault_envs: %s%s\n", cli_red(cli), project->default_error, cli_plain(cli));
}

static int run_project(struct cli *cli)
{
    struct kiln_project *project;
    const struct kiln_project_environment *only = NULL;
    struct kiln_error error = {0};
    enum kiln_status status;

    if (cli->args.operand_count > 0)
        return cli_usage(cli, "`kiln project` takes no file; a folder is given with -p");
    status = kiln_project_open(cli->args.project, &project, &error);
    if (status == KILN_OK && cli->args.environment != NULL)
        status = kiln_project_choose(project, cli->args.environment, &only, &error);
    if (status != KILN_OK) {
        kiln_project_free(project);
        return cli_fail(cli, &error);
    }
    if (cli->args.json)
        print_json(project, only);
    else
        print_all(cli, project, only);
    kiln_project_free(project);
    return 0;
}

static const char *const project_options[] = {"project", "environment", "json", NULL};
static const char *const project_examples[] = {
    "kiln project", "what is built here, where each file goes, and who says so",
    "kiln project -e esp32dev --json", "one environment with every option, for programs", NULL};

const struct cli_command cli_cmd_project = {
    .name = "project",
    .operands = "",
    .summary = "what was built in this folder and how it would be flashed",
    .details = "Reads the files of PlatformIO, ESP-IDF, Zephyr, Arduino and Klipper. Nothing is "
               "run and nothing is written; `kiln flash` without a file flashes what is shown.",
    .options = project_options,
    .examples = project_examples,
    .group = CLI_GROUP_FILES,
    .run = run_project,
};
