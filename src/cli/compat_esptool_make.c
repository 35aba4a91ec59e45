/* SPDX-License-Identifier: MIT */
/* Commands of the esptool look-alike that make files: elf2image, merge-bin, make-image. */
#include "cli/compat_esptool.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(struct esptool_args, name)

/* ---- rows ---- */

static const char *const versions[] = {"1", "2", "3", NULL};
static const char *const page_sizes[] = {"64KB", "32KB", "16KB", "8KB", NULL};
static const char *const formats[] = {"raw", "uf2", "hex", NULL};
static const char *const pad_sizes[] = {"256KB", "512KB", "1MB",  "2MB",   "4MB", "8MB",
                                        "16MB",  "32MB",  "64MB", "128MB", NULL};

/* clang-format off */
static const struct esptool_option
    output_image = {"--output", "-o", ESPTOOL_TEXT, FIELD(output), .argument = "FILE",
        .help = "image to write; for version 1 the beginning of two names"},
    output_merged = {"--output", "-o", ESPTOOL_TEXT, FIELD(output), .required = true,
        .argument = "FILE", .help = "file to write"},
    version = {"--version", "-e", ESPTOOL_CHOICE, FIELD(version), .fallback = "1",
        .choices = versions, .help = "layout of an ESP8266 image"},
    min_rev = {"--min-rev", "-r", ESPTOOL_DECIMAL, FIELD(min_rev), .fallback = "0", .max = 255,
        .hidden = true, .argument = "N", .help = "lowest chip revision, old field"},
    min_rev_full = {"--min-rev-full", NULL, ESPTOOL_DECIMAL, FIELD(min_rev_full), .fallback = "0",
        .max = 65535, .argument = "N", .help = "lowest chip revision: major * 100 + minor"},
    max_rev_full = {"--max-rev-full", NULL, ESPTOOL_DECIMAL, FIELD(max_rev_full),
        .fallback = "65535", .max = 65535, .argument = "N",
        .help = "highest chip revision: major * 100 + minor"},
    secure_pad = {"--secure-pad", NULL, ESPTOOL_FLAG, FIELD(secure_pad),
        .help = "leave room so that the image signed for secure boot v1 ends on 64 KB"},
    secure_pad_v2 = {"--secure-pad-v2", NULL, ESPTOOL_FLAG, FIELD(secure_pad_v2),
        .help = "the same for secure boot v2: the signature sector begins on 64 KB"},
    elf_sha256_offset = {"--elf-sha256-offset", NULL, ESPTOOL_INT, FIELD(elf_sha256_offset),
        .argument = "OFFSET", .help = "where in the image the ELF file's SHA-256 goes"},
    no_digest = {"--dont-append-digest", NULL, ESPTOOL_FLAG, FIELD(no_digest),
        .help = "no SHA-256 behind the image"},
    use_segments = {"--use-segments", NULL, ESPTOOL_FLAG, FIELD(use_segments),
        .help = "go by the ELF file's program headers, not by its sections"},
    mmu_page_size = {"--flash-mmu-page-size", NULL, ESPTOOL_CHOICE, FIELD(mmu_page_size),
        .choices = page_sizes, .help = "page size of the flash mapping"},
    pad_to_size = {"--pad-to-size", NULL, ESPTOOL_TEXT, FIELD(pad_to_size), .argument = "SIZE",
        .help = "fill up with FF to a multiple of this: 64KB, 1MB, ..."},
    ram_only_header = {"--ram-only-header", NULL, ESPTOOL_FLAG, FIELD(ram_only_header),
        .help = "RAM segments first, and a header that tells the ROM of no others; no SHA-256"},
    format = {"--format", "-f", ESPTOOL_CHOICE, FIELD(format), .fallback = "raw",
        .choices = formats, .help = "what to write"},
    chunk_size = {"--chunk-size", NULL, ESPTOOL_ALIGNED, FIELD(chunk_size), .argument = "N",
        .help = "uf2: bytes of data in a block, a multiple of 4; default: as many as fit"},
    md5_disable = {"--md5-disable", NULL, ESPTOOL_FLAG, FIELD(md5_disable),
        .help = "uf2: no MD5 in the blocks"},
    target_offset = {"--target-offset", "-t", ESPTOOL_INT, FIELD(target_offset), .fallback = "0",
        .argument = "OFFSET", .help = "raw: flash offset of the first byte of the file"},
    pad_to_flash = {"--pad-to-size", NULL, ESPTOOL_CHOICE, FIELD(pad_to_size),
        .choices = pad_sizes, .help = "raw: fill up with FF to the end of a flash of this size"},
    segment_file = {"--segfile", "-f", ESPTOOL_WORDS, FIELD(segment_files), .argument = "FILE",
        .help = "contents of a segment; may be given several times"},
    segment_address = {"--segaddr", "-a", ESPTOOL_WORDS, FIELD(segment_addresses),
        .argument = "ADDRESS", .help = "where it is loaded"},
    entry_point = {"--entrypoint", "-e", ESPTOOL_INT, FIELD(entry_point), .fallback = "0",
        .argument = "ADDRESS", .help = "where the program begins"};
/* clang-format on */

static const struct esptool_option *const elf2image_options[] = {&output_image,
                                                                 &version,
                                                                 &min_rev,
                                                                 &min_rev_full,
                                                                 &max_rev_full,
                                                                 &secure_pad,
                                                                 &secure_pad_v2,
                                                                 &elf_sha256_offset,
                                                                 &no_digest,
                                                                 &use_segments,
                                                                 &mmu_page_size,
                                                                 &pad_to_size,
                                                                 &ram_only_header,
                                                                 &esptool_opt_flash_size,
                                                                 &esptool_opt_flash_mode,
                                                                 &esptool_opt_flash_freq,
                                                                 NULL};
static const struct esptool_option *const merge_options[] = {&output_merged,
                                                             &format,
                                                             &chunk_size,
                                                             &md5_disable,
                                                             &target_offset,
                                                             &pad_to_flash,
                                                             &esptool_opt_flash_size_keep,
                                                             &esptool_opt_flash_mode_keep,
                                                             &esptool_opt_flash_freq_keep,
                                                             NULL};
static const struct esptool_option *const make_image_options[] = {&segment_file, &segment_address,
                                                                  &entry_point, NULL};

static const struct esptool_operand elf_operands[] = {
    {"FILENAME", ESPTOOL_PATH, FIELD(filename), NULL}, {NULL, ESPTOOL_TEXT, 0, NULL}};
static const struct esptool_operand pair_operands[] = {
    {"<ADDRESS> <FILENAME>...", ESPTOOL_PAIRS, FIELD(files), NULL}, {NULL, ESPTOOL_TEXT, 0, NULL}};
static const struct esptool_operand output_operands[] = {
    {"OUTPUT", ESPTOOL_TEXT, FIELD(output), NULL}, {NULL, ESPTOOL_TEXT, 0, NULL}};

/* ---- shared ---- */

static void say(void *user, enum kiln_esp_say kind, const char *text)
{
    const struct esptool *e = user;

    switch (kind) {
    case KILN_ESP_SAY_INFO:
        esptool_print(e, "%s", text);
        break;
    case KILN_ESP_SAY_NOTE:
        esptool_note(e, "%s", text);
        break;
    case KILN_ESP_SAY_WARNING:
        esptool_warning(e, "%s", text);
        break;
    }
}

struct kiln_esp_listener esptool_listener(struct esptool *e)
{
    return (struct kiln_esp_listener){.say = say, .user = e};
}

static int need_chip(struct esptool *e)
{
    if (strcmp(e->args.chip, "auto") != 0)
        return 0;
    return esptool_fatal(e, "Specify the --chip argument.");
}

/* "64KB", "1MB". */
static bool size_of(const char *text, uint64_t *out)
{
    const char *unit = strstr(text, "MB");
    uint64_t scale = unit != NULL ? 1024 * 1024 : 1024;
    char digits[24];
    int64_t number;

    if (unit == NULL)
        unit = strstr(text, "KB");
    if (unit == NULL || (size_t)(unit - text) >= sizeof digits)
        return false;
    memcpy(digits, text, (size_t)(unit - text));
    digits[unit - text] = '\0';
    if (!esptool_decimal(digits, &number) || number < 0 || number > INT32_MAX)
        return false;
    *out = (uint64_t)number * scale;
    return true;
}

static const char *unless_keep(const char *value)
{
    return value == NULL || strcmp(value, "keep") == 0 ? NULL : value;
}

/* ---- elf2image ---- */

/* The name of the ELF file without its ending. */
static size_t stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash != NULL ? slash : path, '.');
    const char *first = slash != NULL ? slash + 1 : path;

    /* Dots that begin a name are no ending. */
    while (*first == '.')
        first++;
    return dot != NULL && dot >= first ? (size_t)(dot - path) : strlen(path);
}

/* Where a part of the image goes. False if the name is too long. */
static bool output_name(const struct esptool *e, unsigned layout,
                        const struct kiln_esp_built_part *part, char path[PATH_MAX])
{
    const char *given = e->args.output, *elf = e->args.filename;
    int len;

    if (layout == 1 && given != NULL)
        len = snprintf(path, PATH_MAX, "%s0x%05" PRIx32 ".bin", given, part->offset);
    else if (layout == 1)
        len = snprintf(path, PATH_MAX, "%s-0x%05" PRIx32 ".bin", elf, part->offset);
    else if (given != NULL)
        len = snprintf(path, PATH_MAX, "%s", given);
    else if (layout == 2)
        len =
            snprintf(path, PATH_MAX, "%.*s-0x%05" PRIx32 ".bin", (int)stem(elf), elf, part->offset);
    else
        len = snprintf(path, PATH_MAX, "%.*s.bin", (int)stem(elf), elf);
    return len > 0 && len < PATH_MAX;
}

static int write_parts(struct esptool *e, const struct kiln_esp_built *built)
{
    int status = 0;

    for (size_t i = 0; i < built->part_count && status == 0; i++) {
        char path[PATH_MAX];

        if (!output_name(e, built->version, &built->part[i], path))
            return esptool_fatal(e, "the name of the image would be too long");
        status = esptool_save(e, path, built->part[i].bytes, built->part[i].len);
    }
    return status;
}

static int build_options(struct esptool *e, struct kiln_esp_build_options *o)
{
    const struct esptool_args *a = &e->args;
    uint64_t page = 0;

    if (a->pad_to_size != NULL && !size_of(a->pad_to_size, &o->pad_to_size))
        return esptool_fatal(e, "Unknown size %s", a->pad_to_size);
    if (a->mmu_page_size != NULL && !size_of(a->mmu_page_size, &page))
        return esptool_fatal(e, "Unknown size %s", a->mmu_page_size);
    o->mmu_page_size = (uint32_t)page;
    o->chip = a->chip;
    o->version = (unsigned)(a->version[0] - '0');
    o->flash_mode = a->flash_mode;
    o->flash_size = a->flash_size;
    o->flash_freq = a->flash_freq;
    o->min_rev = (uint8_t)a->min_rev;
    o->min_rev_full = (uint16_t)a->min_rev_full;
    o->max_rev_full = (uint16_t)a->max_rev_full;
    o->secure_pad = a->secure_pad_v2 ? KILN_ESP_SECURE_PAD_V2
                    : a->secure_pad  ? KILN_ESP_SECURE_PAD_V1
                                     : KILN_ESP_SECURE_PAD_NONE;
    o->elf_sha256_offset = a->elf_sha256_offset > 0 ? (uint64_t)a->elf_sha256_offset : 0;
    o->no_digest = a->no_digest;
    o->use_segments = a->use_segments;
    o->ram_only_header = a->ram_only_header;
    o->listener = esptool_listener(e);
    return 0;
}

static int run_elf2image(struct esptool *e)
{
    struct kiln_esp_build_options options = KILN_ESP_BUILD_OPTIONS_INIT;
    struct kiln_esp_built built;
    struct kiln_error error;
    const uint8_t *bytes = NULL;
    size_t len = 0;
    int status = need_chip(e);

    if (status == 0)
        status = build_options(e, &options);
    if (status == 0)
        status = esptool_read_bytes(e, e->args.filename, &bytes, &len);
    if (status != 0)
        return status;
    if (kiln_esp_build(bytes, len, &options, &built, &error) != KILN_OK)
        return esptool_fatal(e, "'%s': %s", e->args.filename, error.message);
    status = write_parts(e, &built);
    kiln_esp_built_free(&built);
    return status;
}

const struct esptool_command esptool_cmd_elf2image = {
    .name = "elf2image",
    .operands = elf_operands,
    .options = elf2image_options,
    .summary = "make a flash image from an ELF file",
    .group = ESPTOOL_BASIC,
    .run = run_elf2image,
};

/* ---- merge-bin ---- */

static int merge_options_of(struct esptool *e, struct kiln_esp_merge_options *o)
{
    const struct esptool_args *a = &e->args;

    if (a->pad_to_size != NULL && !size_of(a->pad_to_size, &o->pad_to_size))
        return esptool_fatal(e, "Unknown size %s", a->pad_to_size);
    if (a->chunk_size != ESPTOOL_NOT_GIVEN && (a->chunk_size <= 0 || a->chunk_size > UINT16_MAX))
        return esptool_fatal(e, "a chunk of %" PRId64 " bytes does not fit into a block",
                             a->chunk_size);
    if (a->target_offset < 0)
        return esptool_fatal(e, "the target offset is negative");
    o->chip = a->chip;
    o->format = strcmp(a->format, "uf2") == 0   ? KILN_ESP_MERGE_UF2
                : strcmp(a->format, "hex") == 0 ? KILN_ESP_MERGE_HEX
                                                : KILN_ESP_MERGE_RAW;
    o->flash_mode = unless_keep(a->flash_mode);
    o->flash_size = unless_keep(a->flash_size);
    o->flash_freq = unless_keep(a->flash_freq);
    o->target_offset = (uint64_t)a->target_offset;
    o->chunk_size = a->chunk_size != ESPTOOL_NOT_GIVEN ? (uint32_t)a->chunk_size : 0;
    o->no_md5 = a->md5_disable;
    o->listener = esptool_listener(e);
    return 0;
}

static int merge_files(struct esptool *e, const struct kiln_esp_merge_options *options,
                       uint8_t **out, size_t *out_len)
{
    const struct esptool_files *files = &e->args.files;
    struct kiln_esp_merge_input *inputs = esptool_keep(e, calloc(files->count + 1, sizeof *inputs));
    struct kiln_error error;

    if (inputs == NULL)
        return esptool_fatal(e, "out of memory");
    for (size_t i = 0; i < files->count; i++)
        inputs[i] = (struct kiln_esp_merge_input){.name = files->file[i].name,
                                                  .address = files->file[i].address,
                                                  .bytes = files->file[i].data,
                                                  .len = files->file[i].len};
    if (kiln_esp_merge(inputs, files->count, options, out, out_len, &error) != KILN_OK)
        return esptool_fail(e, &error);
    return 0;
}

static int run_merge_bin(struct esptool *e)
{
    struct kiln_esp_merge_options options = KILN_ESP_MERGE_OPTIONS_INIT;
    uint8_t *bytes = NULL;
    size_t len = 0;
    int status = need_chip(e);

    if (status == 0)
        status = merge_options_of(e, &options);
    if (status == 0 && options.format == KILN_ESP_MERGE_HEX && e->args.files.count == 1)
        esptool_warning(e, "Only one input file specified, output may include additional padding "
                           "if input file was previously merged.");
    if (status == 0)
        status = merge_files(e, &options, &bytes, &len);
    if (status != 0)
        return status;
    status = esptool_save(e, e->args.output, bytes, len);
    free(bytes);
    if (status != 0)
        return status;
    if (options.format == KILN_ESP_MERGE_UF2)
        esptool_print(
            e, "Wrote 0x%zx bytes to file '%s', ready to be flashed with any ESP USB Bridge.", len,
            e->args.output);
    else
        esptool_print(e, "Wrote 0x%zx bytes to file '%s', ready to flash to offset 0x%" PRIx64 ".",
                      len, e->args.output, options.target_offset);
    return 0;
}

const struct esptool_command esptool_cmd_merge_bin = {
    .name = "merge-bin",
    .operands = pair_operands,
    .options = merge_options,
    .summary = "put several files into one",
    .group = ESPTOOL_BASIC,
    .run = run_merge_bin,
};

/* ---- make-image ---- */

static int read_blobs(struct esptool *e, struct kiln_esp_blob *blobs)
{
    for (size_t i = 0; i < e->args.segment_files.count; i++) {
        int64_t address;
        int status;

        if (!esptool_int(e->args.segment_addresses.word[i], &address) || address < 0 ||
            address > UINT32_MAX)
            return esptool_usage(e, "Invalid value for '--segaddr' / '-a': '%s'",
                                 e->args.segment_addresses.word[i]);
        blobs[i].address = (uint32_t)address;
        status =
            esptool_read_bytes(e, e->args.segment_files.word[i], &blobs[i].bytes, &blobs[i].len);
        if (status != 0)
            return status;
    }
    return 0;
}

static int run_make_image(struct esptool *e)
{
    size_t count = e->args.segment_files.count, len = 0;
    struct kiln_esp_blob *blobs;
    struct kiln_error error;
    uint8_t *bytes = NULL;
    int status;

    if (count == 0)
        return esptool_fatal(e, "No segments specified");
    if (count != e->args.segment_addresses.count)
        return esptool_fatal(e, "Number of specified files does not match number of specified "
                                "addresses");
    blobs = esptool_keep(e, calloc(count, sizeof *blobs));
    if (blobs == NULL)
        return esptool_fatal(e, "out of memory");
    status = read_blobs(e, blobs);
    if (status != 0)
        return status;
    if (kiln_esp_assemble(blobs, count, (uint32_t)e->args.entry_point, &bytes, &len, &error) !=
        KILN_OK)
        return esptool_fail(e, &error);
    status = esptool_save(e, e->args.output, bytes, len);
    free(bytes);
    return status;
}

const struct esptool_command esptool_cmd_make_image = {
    .name = "make-image",
    .operands = output_operands,
    .options = make_image_options,
    .summary = "make an ESP8266 image from binary pieces (esptool 1 to 4)",
    .group = ESPTOOL_OLD,
    .run = run_make_image,
};
