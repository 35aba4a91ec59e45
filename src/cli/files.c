/* SPDX-License-Identifier: MIT */
/* FILE[@ADDRESS] operands. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Splits "FILE@ADDRESS" in place unless a file of the whole name exists. False if what follows '@' is no
 * number. */
static bool split_address(char *word, uint64_t *out_address)
{
    char *at = strrchr(word, '@');

    *out_address = KILN_NO_ADDRESS;
    if (at == NULL || access(word, F_OK) == 0)
        return true;
    if (!cli_number(at + 1, out_address))
        return false;
    *at = '\0';
    return true;
}

int cli_file_load(struct cli *cli, char *word, bool alone, struct kiln_image **out_image)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_error error = {0};

    if (!split_address(word, &options.address))
        return cli_usage(cli, "'%s': what follows @ must be an address", word);
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
    if (out_files->images == NULL)
        return 12;
    for (size_t i = first; i < count; i++) {
        int status = cli_file_load(cli, cli->args.operands[i], count == first + 1,
                                   &out_files->images[out_files->count]);

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
    for (size_t i = 0; i < files->count; i++)
        kiln_image_free(files->images[i]);
    free(files->images);
    *files = (struct cli_files){0};
}
