/* SPDX-License-Identifier: MIT */
/* Images for Espressif's chips: elf2image, and merging into a flash. */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool cli_is_esp(const char *chip)
{
    const struct kiln_chip *row = kiln_chip_named(chip);

    return row != NULL && strcmp(kiln_chip_summary(row).family, "esp") == 0;
}

int cli_write_output(struct cli *cli, const uint8_t *bytes, size_t len)
{
    struct kiln_error error = {.status = KILN_E_IO};

    if (strcmp(cli->args.output, "-") != 0)
        return kiln_file_save(cli->args.output, bytes, len, &error) == KILN_OK
                   ? 0
                   : cli_fail(cli, &error);
    if (fwrite(bytes, 1, len, stdout) == len && fflush(stdout) == 0)
        return 0;
    snprintf(error.message, sizeof error.message, "cannot write standard output: %s",
             strerror(errno));
    return cli_fail(cli, &error);
}

/* Standard output may be the image. */
static void say(void *user, enum kiln_esp_say kind, const char *text)
{
    const struct cli *cli = user;

    if (kind == KILN_ESP_SAY_WARNING)
        cli_putf(stderr, "kiln: %s\n", text);
    else if (!cli->args.quiet && !cli->args.json && strcmp(cli->args.output, "-") != 0)
        puts(text);
}

/* The name that the chip's table has for a size: "4MB", "512KB". */
static const char *size_name(uint64_t bytes, char text[24])
{
    if (bytes == 0)
        return NULL;
    if (bytes % (1024 * 1024) == 0)
        snprintf(text, 24, "%" PRIu64 "MB", bytes / (1024 * 1024));
    else
        snprintf(text, 24, "%" PRIu64 "KB", bytes / 1024);
    return text;
}

static const char *kept(const char *word)
{
    return word == NULL || strcmp(word, "keep") == 0 ? NULL : word;
}

static int need_chip(struct cli *cli)
{
    if (cli->args.output == NULL)
        return cli_usage(cli, "say where to write: -o FILE, or -o - for standard output");
    if (cli->args.chip == NULL || !cli_is_esp(cli->args.chip))
        return cli_usage(cli, "say for which Espressif chip: -c esp32, -c esp32c3, ...");
    if (cli->args.page_size > UINT32_MAX)
        return cli_usage(cli, "--page-size is too large");
    return 0;
}

/* The whole file; the caller frees *out. */
static int read_file(struct cli *cli, const char *path, uint8_t **out, size_t *out_len)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;
    struct kiln_error error;
    const struct kiln_segment *segment;

    options.raw = true;
    options.type = KILN_IMAGE_UNKNOWN;
    options.address = 0;
    if (kiln_image_load(path, &options, &image, &error) != KILN_OK)
        return cli_fail(cli, &error);
    segment = kiln_image_segment_count(image) > 0 ? kiln_image_segment(image, 0) : NULL;
    *out_len = segment != NULL ? segment->size : 0;
    *out = malloc(*out_len + 1);
    if (*out != NULL && segment != NULL)
        memcpy(*out, segment->data, *out_len);
    kiln_image_free(image);
    return *out != NULL ? 0 : 12;
}

static void fill_options(struct cli *cli, struct kiln_esp_build_options *o)
{
    const char *pad = cli->args.secure_pad;

    o->chip = cli->args.chip;
    o->flash_mode = kept(cli->args.flash_mode);
    o->flash_freq = kept(cli->args.flash_freq);
    o->mmu_page_size = (uint32_t)cli->args.page_size;
    o->pad_to_size = cli->args.pad_to;
    o->secure_pad = pad == NULL              ? KILN_ESP_SECURE_PAD_NONE
                    : strcmp(pad, "v1") == 0 ? KILN_ESP_SECURE_PAD_V1
                                             : KILN_ESP_SECURE_PAD_V2;
    o->listener = (struct kiln_esp_listener){.say = say, .user = cli};
}

int cli_image_elf2image(struct cli *cli)
{
    struct kiln_esp_build_options options = KILN_ESP_BUILD_OPTIONS_INIT;
    struct kiln_esp_built built;
    struct kiln_error error;
    char size[24];
    uint8_t *elf = NULL;
    size_t len = 0;
    int status = need_chip(cli);

    if (status == 0 && cli->args.operand_count != 2)
        return cli_usage(cli, "`kiln image elf2image` takes one ELF file");
    if (status == 0)
        status = read_file(cli, cli->args.operands[1], &elf, &len);
    if (status != 0)
        return status;
    fill_options(cli, &options);
    options.own_machine = true;
    options.version = 2; /* one file; the ROM of the ESP8266 alone would take two */
    options.flash_size = size_name(cli_flash_size(cli), size);
    if (kiln_esp_build(elf, len, &options, &built, &error) == KILN_OK) {
        status = cli_write_output(cli, built.part[0].bytes, built.part[0].len);
        kiln_esp_built_free(&built);
    } else {
        struct kiln_error named = error;

        snprintf(named.message, sizeof named.message, "%s: %.240s", cli->args.operands[1],
                 error.message);
        status = cli_fail(cli, &named);
    }
    free(elf);
    return status;
}

/* ---- merge ---- */

static int merge_type(struct cli *cli, enum kiln_esp_merge_format *out)
{
    const char *type = cli->args.type;
    const char *dot = strrchr(cli->args.output, '.');

    if (type == NULL)
        type = dot == NULL                ? "raw"
               : strcmp(dot, ".uf2") == 0 ? "uf2"
               : strcmp(dot, ".hex") == 0 ? "ihex"
                                          : "raw";
    *out = strcmp(type, "uf2") == 0    ? KILN_ESP_MERGE_UF2
           : strcmp(type, "ihex") == 0 ? KILN_ESP_MERGE_HEX
                                       : KILN_ESP_MERGE_RAW;
    if (*out == KILN_ESP_MERGE_RAW && strcmp(type, "raw") != 0)
        return cli_usage(cli, "a flash of an Espressif chip is written as raw, uf2 or ihex");
    return 0;
}

static int gather(struct cli *cli, const struct cli_files *files, struct kiln_esp_merge_input **out,
                  size_t *out_count)
{
    size_t count = 0;

    for (size_t i = 0; i < files->count; i++)
        count += kiln_image_segment_count(files->images[i]);
    *out = calloc(count + 1, sizeof **out);
    *out_count = 0;
    for (size_t i = 0; i < files->count && *out != NULL; i++) {
        const struct kiln_image *image = files->images[i];

        if (kiln_image_info(image)->address_source == KILN_ADDRESS_NONE)
            return cli_usage(cli, "%s: say where it belongs: FILE@ADDRESS", kiln_image_name(image));
        for (size_t k = 0; k < kiln_image_segment_count(image); k++) {
            const struct kiln_segment *s = kiln_image_segment(image, k);

            (*out)[(*out_count)++] = (struct kiln_esp_merge_input){.name = kiln_image_name(image),
                                                                   .address = s->address,
                                                                   .bytes = s->data,
                                                                   .len = s->size};
        }
    }
    return *out != NULL ? 0 : 12;
}

int cli_image_merge_esp(struct cli *cli, const struct cli_files *files)
{
    struct kiln_esp_merge_options options = KILN_ESP_MERGE_OPTIONS_INIT;
    struct kiln_esp_merge_input *inputs = NULL;
    struct kiln_error error;
    char size[24];
    uint8_t *bytes;
    size_t count, len;
    int status = need_chip(cli);

    if (status == 0)
        status = merge_type(cli, &options.format);
    if (status == 0)
        status = gather(cli, files, &inputs, &count);
    if (status != 0) {
        free(inputs);
        return status;
    }
    options.chip = cli->args.chip;
    options.flash_mode = kept(cli->args.flash_mode);
    options.flash_freq = kept(cli->args.flash_freq);
    options.flash_size = size_name(cli_flash_size(cli), size);
    options.target_offset = cli->args.has_address ? cli->args.address : 0;
    options.pad_to_size = cli->args.pad_to;
    options.listener = (struct kiln_esp_listener){.say = say, .user = cli};
    if (kiln_esp_merge(inputs, count, &options, &bytes, &len, &error) == KILN_OK) {
        status = cli_write_output(cli, bytes, len);
        free(bytes);
    } else {
        status = cli_fail(cli, &error);
    }
    free(inputs);
    return status;
}
