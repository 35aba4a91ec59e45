/* SPDX-License-Identifier: MIT */
/* FILE[@ADDRESS] and FILE[@PARTITION] operands. */
#include "cli/cli.h"

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

int cli_files_load(struct cli *cli, size_t first, struct cli_files *out_files)
{
    size_t count = cli->args.operand_count;

    *out_files = (struct cli_files){0};
    if (first >= count)
        return cli_usage(cli, "`kiln %s` needs a file", cli->command->name);
    out_files->images = calloc(count - first, sizeof(struct kiln_image *));
    out_files->places = calloc(count - first, sizeof(char *));
    if (out_files->images == NULL || out_files->places == NULL) {
        cli_files_free(out_files);
        return 12;
    }
    for (size_t i = first; i < count; i++) {
        int status = cli_file_load(cli, cli->args.operands[i], count == first + 1,
                                   &out_files->images[out_files->count],
                                   &out_files->places[out_files->count]);

        if (status != 0) {
            cli_files_free(out_files);
            return status;
        }
        out_files->count++;
    }
    return 0;
}

void cli_files_free(struct cli_files *files)
{
    for (size_t i = 0; files->images != NULL && i < files->count; i++)
        kiln_image_free(files->images[i]);
    free(files->images);
    free(files->places);
    *files = (struct cli_files){0};
}
