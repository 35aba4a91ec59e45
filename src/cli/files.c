/* SPDX-License-Identifier: MIT */
/* FILE[@ADDRESS] and FILE[@PARTITION] operands. */
#include "cli/cli.h"

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

bool cli_files_reserve(struct cli_files *files, size_t count)
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
    int status = cli_files_reserve(out_files, count) ? 0 : 12;

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
