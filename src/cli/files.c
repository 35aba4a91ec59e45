/* SPDX-License-Identifier: MIT */
/* FILE[@ADDRESS] and FILE[@PARTITION] operands, and what a project is flashed with instead of them. */
#include "cli/cli.h"

#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Splits "FILE@ADDRESS" or "FILE@PARTITION" in place unless a file of the whole name exists. */
static void split_place(char *word, uint64_t *out_address, const char **out_partition)
{
    char *at = strrchr(word, '@');

    *out_address = KILN_NO_ADDRESS;
    *out_partition = NULL;
    if (at == NULL || at[1] == '\0' || access(word, F_OK) == 0)
        return;
    if (!cli_number(at + 1, out_address)) {
        *out_address = KILN_NO_ADDRESS;
        *out_partition = at + 1;
    }
    *at = '\0';
}

int cli_file_load(struct cli *cli, char *word, bool alone, struct kiln_image **out_image,
                  const char **out_partition)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_error error = {0};
    const char *partition;

    split_place(word, &options.address, &partition);
    if (partition != NULL && out_partition == NULL)
        return cli_usage(cli, "'%s@%s': what follows @ must be an address", word, partition);
    if (out_partition != NULL)
        *out_partition = partition;
    if (options.address == KILN_NO_ADDRESS && cli->args.has_address && alone)
        options.address = cli->args.address;
    options.raw = cli->args.raw;
    options.uf2_family = (uint32_t)cli->args.family;
    if (kiln_image_load(word, &options, out_image, &error) != KILN_OK)
        return cli_fail(cli, &error);
    return 0;
}

static int add_file(struct cli *cli, const char *word, bool alone, bool encrypted,
                    struct cli_files *files)
{
    char *copy = strdup(word);
    int status;

    if (copy == NULL)
        return 12;
    files->words[files->count] = copy;
    files->encrypted[files->count] = encrypted;
    status =
        cli_file_load(cli, copy, alone, &files->images[files->count], &files->places[files->count]);
    if (status == 0)
        files->count++;
    else
        free(copy);
    return status;
}

static bool reserve(struct cli_files *files, size_t count)
{
    *files = (struct cli_files){.images = calloc(count + 1, sizeof *files->images),
                                .places = calloc(count + 1, sizeof *files->places),
                                .words = calloc(count + 1, sizeof *files->words),
                                .encrypted = calloc(count + 1, sizeof *files->encrypted)};
    return files->images != NULL && files->places != NULL && files->words != NULL &&
           files->encrypted != NULL;
}

int cli_files_load(struct cli *cli, size_t first, struct cli_files *out_files)
{
    const struct cli_list *encrypted = &cli->args.encrypted;
    size_t plain = cli->args.operand_count - first, count = plain + encrypted->count;
    int status = reserve(out_files, count) ? 0 : 12;

    if (count == 0)
        status = cli_usage(cli, "`kiln %s` needs a file", cli->command->name);
    for (size_t i = 0; i < count && status == 0; i++)
        status =
            add_file(cli, i < plain ? cli->args.operands[first + i] : encrypted->word[i - plain],
                     count == 1, cli->args.encrypt || i >= plain, out_files);
    if (status != 0)
        cli_files_free(out_files);
    return status;
}

bool cli_files_agreed(const struct cli *cli, struct cli_files *files)
{
    if (!cli->tty || isatty(STDIN_FILENO) == 0 || cli->args.json || cli->args.force)
        return true;
    for (size_t i = 0; i < files->count; i++) {
        const struct kiln_image_info *info = kiln_image_info(files->images[i]);

        if (info->address_source != KILN_ADDRESS_INFERRED || info->usual)
            continue;
        if (!cli_ask("%s says by its vectors that it belongs at 0x%08" PRIx64
                     ", where no known bootloader looks for an application. Take this address?",
                     kiln_image_name(files->images[i]), info->address) ||
            kiln_image_place(files->images[i], info->address, KILN_ADDRESS_GIVEN, NULL) != KILN_OK)
            return false;
    }
    return true;
}

/* ---- the files of a project ---- */

/* One file as the project places it. */
static enum kiln_status load_planned(const struct kiln_project_file *file,
                                     struct kiln_image **out_image, struct kiln_error *out_error)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;

    if (!file->stated)
        options.address = file->address;
    if (file->data != NULL)
        return kiln_image_parse(file->what, file->data, file->size, &options, out_image, out_error);
    return kiln_image_load(file->path, &options, out_image, out_error);
}

/* "192.168.1.7" or "name.local": an update over the air, which is no port of this computer. */
static bool is_network(const char *port)
{
    size_t n = strlen(port);

    return strspn(port, "0123456789.") == n || (n > 6 && strcmp(port + n - 6, ".local") == 0);
}

/* What the user did not say. A port may be a pattern: the first that matches, as PlatformIO does. */
static int take_settings(struct cli *cli, const struct kiln_project_environment *env)
{
    glob_t found;

    if (cli->args.chip == NULL && env->chip != NULL && kiln_chip_named(env->chip) != NULL)
        cli->args.chip = env->chip;
    if (cli->args.baud == 0)
        cli->args.baud = env->upload_speed;
    if (cli->args.devices.count > 0 || cli->args.all || env->port == NULL)
        return 0;
    if (is_network(env->port))
        return cli_usage(cli, "environment '%s' uploads over the air to %s; choose a port with -d",
                         env->name, env->port);
    if (strpbrk(env->port, "*?[") == NULL) {
        cli->args.devices.word[cli->args.devices.count++] = env->port;
        return 0;
    }
    if (glob(env->port, 0, NULL, &found) != 0)
        return cli_usage(cli, "no port matches upload_port %s of environment '%s'", env->port,
                         env->name);
    snprintf(cli->args.port, sizeof cli->args.port, "%s", found.gl_pathv[0]);
    globfree(&found);
    cli->args.devices.word[cli->args.devices.count++] = cli->args.port;
    return 0;
}

/* Says what was taken, for nothing was named. */
static void announce(const struct cli *cli, const struct kiln_project *project,
                     const struct kiln_project_environment *env)
{
    if (cli->args.json || cli->args.quiet)
        return;
    printf("%s project, environment %s%s%s\n", project->system, cli_bold(cli), env->name,
           cli_plain(cli));
    fflush(stdout);
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
    if (env->not_ready != NULL || env->file_count == 0)
        return cli_usage(cli, "environment '%s': %s", env->name,
                         env->not_ready != NULL ? env->not_ready : "there is nothing to flash");
    exit_status = take_settings(cli, env);
    if (exit_status != 0)
        return exit_status;
    cli->project_dir = (*out_project)->dir;
    cli->project_environment = env->name;
    announce(cli, *out_project, env);
    if (!reserve(out_files, env->file_count))
        return 12;
    for (size_t i = 0; i < env->file_count; i++) {
        if (load_planned(&env->files[i], &out_files->images[i], &error) != KILN_OK)
            return cli_fail(cli, &error);
        out_files->encrypted[i] = cli->args.encrypt;
        out_files->count++;
    }
    return 0;
}

void cli_files_free(struct cli_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        kiln_image_free(files->images[i]);
        free(files->words[i]);
    }
    free(files->images);
    free(files->places);
    free(files->words);
    free(files->encrypted);
    *files = (struct cli_files){0};
}
