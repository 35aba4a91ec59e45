/* SPDX-License-Identifier: MIT */
/* Work on files, no board needed: info, convert, merge; elf2image is in cmd_image_esp.c. */
#include "cli/json.h"
#include "cli/map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct image_verb {
    const char *name;
    int (*run)(struct cli *cli);
};

/* ---- info ---- */

static const char *source_name(enum kiln_address_source source)
{
    static const char *const names[] = {[KILN_ADDRESS_NONE] = "none",
                                        [KILN_ADDRESS_FILE] = "file",
                                        [KILN_ADDRESS_GIVEN] = "given",
                                        [KILN_ADDRESS_INFERRED] = "inferred",
                                        [KILN_ADDRESS_DEFAULT] = "default"};

    return names[source];
}

static const char *role_name(enum kiln_esp_role role)
{
    return role == KILN_ESP_ROLE_APP          ? "application"
           : role == KILN_ESP_ROLE_BOOTLOADER ? "bootloader"
                                              : NULL;
}

static json_t *address_or_null(uint64_t address)
{
    return address == KILN_NO_ADDRESS ? json_null() : json_integer((json_int_t)address);
}

static json_t *id_or_null(int64_t id)
{
    return id < 0 ? json_null() : json_integer(id);
}

static json_t *segments_array(const struct kiln_image *image)
{
    json_t *array = json_array();
    bool placed = kiln_image_info(image)->address_source != KILN_ADDRESS_NONE;

    for (size_t i = 0; i < kiln_image_segment_count(image); i++) {
        const struct kiln_segment *s = kiln_image_segment(image, i);

        json_array_append_new(array, json_pack("{s:o, s:I, s:i}", "address",
                                               placed ? address_or_null(s->address) : json_null(),
                                               "size", (json_int_t)s->size, "alt", (int)s->alt));
    }
    return array;
}

static json_t *memory_array(const struct kiln_image *image)
{
    json_t *array = json_array();
    size_t count;
    const struct kiln_image_memory *memory = kiln_image_memory(image, &count);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            array, json_pack("{s:I, s:I, s:I}", "address", (json_int_t)memory[i].address, "size",
                             (json_int_t)memory[i].size, "offset", (json_int_t)memory[i].offset));
    return array;
}

static json_t *partitions_array(const struct kiln_image *image)
{
    json_t *array = json_array();
    size_t count;
    const struct kiln_esp_partition *p = kiln_image_partitions(image, &count);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array,
                              json_pack("{s:s, s:i, s:i, s:I, s:I, s:I}", "label", p[i].label,
                                        "type", (int)p[i].type, "subtype", (int)p[i].subtype,
                                        "offset", (json_int_t)p[i].offset, "size",
                                        (json_int_t)p[i].size, "flags", (json_int_t)p[i].flags));
    return array;
}

static json_t *parts_array(const struct kiln_image *image)
{
    json_t *array = json_array();
    size_t count;
    const struct kiln_image_part *parts = kiln_image_parts(image, &count);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_pack("{s:I, s:I, s:s, s:s}", "offset",
                                               (json_int_t)parts[i].offset, "size",
                                               (json_int_t)parts[i].size, "what", parts[i].what,
                                               "text", parts[i].text));
    return array;
}

/* Descriptors of an ESP image; null for other files and images without one. */
static void add_descriptors(json_t *o, const struct kiln_image *image)
{
    const struct kiln_segment *s =
        kiln_image_segment_count(image) == 1 ? kiln_image_segment(image, 0) : NULL;
    struct kiln_esp_image view;
    json_t *app = json_null(), *boot = json_null();

    if (kiln_image_info(image)->type == KILN_IMAGE_ESP && s != NULL &&
        kiln_esp_inspect(s->data, s->size, NULL, NULL, &view, NULL) == KILN_OK) {
        if (view.has_app)
            app =
                json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "project", view.app.project, "version",
                          view.app.version, "date", view.app.date, "time", view.app.time, "idf",
                          view.app.idf, "secure_version", (json_int_t)view.app.secure_version);
        if (view.has_boot)
            boot = json_pack("{s:s, s:s, s:I}", "idf", view.boot.idf, "built", view.boot.built,
                             "version", (json_int_t)view.boot.version);
    }
    json_object_set_new(o, "app", app != NULL ? app : json_null());
    json_object_set_new(o, "bootloader", boot != NULL ? boot : json_null());
}

static json_t *notes_array(const char *notes)
{
    json_t *array = json_array();

    while (*notes != '\0') {
        size_t len = strcspn(notes, "\n");

        json_array_append_new(array, json_stringn(notes, len));
        notes += len + (notes[len] == '\n');
    }
    return array;
}

static json_t *info_object(const struct kiln_image *image)
{
    const struct kiln_image_info *info = kiln_image_info(image);
    json_t *o = json_object();

    json_object_set_new(o, "file", cli_json_text(kiln_image_name(image)));
    json_object_set_new(o, "type", json_string(kiln_image_type_name(info->type)));
    json_object_set_new(o, "payload", json_string(kiln_image_type_name(info->payload)));
    json_object_set_new(o, "chip", cli_json_text(info->chip));
    json_object_set_new(o, "address", address_or_null(info->address));
    json_object_set_new(o, "address_source", json_string(source_name(info->address_source)));
    json_object_set_new(o, "linked", address_or_null(info->linked));
    json_object_set_new(o, "confidence", json_integer((json_int_t)info->confidence));
    json_object_set_new(o, "entry", address_or_null(info->entry));
    json_object_set_new(o, "size", json_integer((json_int_t)kiln_image_total_bytes(image)));
    json_object_set_new(o, "segments", segments_array(image));
    json_object_set_new(o, "memory", memory_array(image));
    json_object_set_new(o, "partitions", partitions_array(image));
    json_object_set_new(o, "parts", parts_array(image));
    add_descriptors(o, image);
    json_object_set_new(o, "role", cli_json_text(role_name(info->esp_role)));
    json_object_set_new(o, "esp_chip_id", id_or_null(info->esp_chip_id));
    json_object_set_new(o, "uf2_family",
                        id_or_null(info->uf2_family != 0 ? (int64_t)info->uf2_family : -1));
    json_object_set_new(o, "vid", id_or_null(info->vid));
    json_object_set_new(o, "pid", id_or_null(info->pid));
    json_object_set_new(o, "bcd_device", id_or_null(info->bcd_device));
    json_object_set_new(o, "why", cli_json_text(info->why));
    json_object_set_new(o, "notes", notes_array(info->notes));
    return o;
}

static void print_json(const struct kiln_image *image)
{
    cli_put_json(info_object(image));
}

static void print_address(const struct kiln_image_info *info)
{
    if (info->address == KILN_NO_ADDRESS)
        puts("  address     the file does not tell");
    else if (info->address_source == KILN_ADDRESS_INFERRED)
        printf("  address     0x%08" PRIx64 "  inferred, confidence %u %%\n", info->address,
               info->confidence);
    else
        printf("  address     0x%08" PRIx64 "%s\n", info->address,
               info->address_source == KILN_ADDRESS_GIVEN ? "  as given" : "");
    if (info->linked != KILN_NO_ADDRESS && info->linked != info->address)
        printf("  linked at   0x%08" PRIx64 "\n", info->linked);
    if (info->entry != KILN_NO_ADDRESS)
        printf("  entry       0x%08" PRIx64 "\n", info->entry);
}

static void print_segments(const struct kiln_image *image)
{
    bool placed = kiln_image_info(image)->address_source != KILN_ADDRESS_NONE;
    size_t count = kiln_image_segment_count(image), pieces;
    const struct kiln_image_memory *memory = kiln_image_memory(image, &pieces);
    char size[24];

    for (size_t i = 0; i < count; i++) {
        const struct kiln_segment *s = kiln_image_segment(image, i);

        if (placed)
            printf("  %-10s  0x%08" PRIx64 " - 0x%08" PRIx64 "  %12s", i == 0 ? "segments" : "",
                   s->address, s->address + s->size - 1, cli_bytes(s->size, size));
        else
            printf("  %-10s  %s", "size", cli_bytes(s->size, size));
        if (s->alt != 0)
            printf("  alternate setting %u", s->alt);
        putchar('\n');
    }
    for (size_t i = 0; i < pieces; i++)
        cli_putf(stdout, "  %-10s  0x%08" PRIx64 " - 0x%08" PRIx64 "  %12s  at 0x%zx\n",
                 i == 0 ? "memory" : "", memory[i].address,
                 memory[i].address + memory[i].size - (memory[i].size > 0),
                 cli_bytes(memory[i].size, size), memory[i].offset);
}

static const char *partition_type(const struct kiln_esp_partition *p, char text[16])
{
    static const char *const types[] = {"app", "data", "bootloader", "table"};

    if (p->type < sizeof types / sizeof types[0])
        snprintf(text, 16, "%s", types[p->type]);
    else
        snprintf(text, 16, "type 0x%02x", p->type);
    return text;
}

static void print_partitions(const struct kiln_image *image)
{
    size_t count;
    const struct kiln_esp_partition *p = kiln_image_partitions(image, &count);
    char size[24], type[16];

    for (size_t i = 0; i < count; i++)
        cli_putf(stdout, "  %-10s  0x%08" PRIx32 " - 0x%08" PRIx64 "  %12s  %s, %s 0x%02x%s\n",
                 i == 0 ? "partitions" : "", p[i].offset, (uint64_t)p[i].offset + p[i].size - 1,
                 cli_bytes(p[i].size, size), p[i].label, partition_type(&p[i], type), p[i].subtype,
                 (p[i].flags & 1) ? ", encrypted" : "");
}

static void print_parts(const struct kiln_image *image)
{
    size_t count;
    const struct kiln_image_part *parts = kiln_image_parts(image, &count);

    for (size_t i = 0; i < count; i++)
        cli_putf(stdout, "  %-10s  0x%08" PRIx64 " - 0x%08" PRIx64 "  %-16s  %s\n",
                 i == 0 ? "parts" : "", parts[i].offset, parts[i].offset + parts[i].size - 1,
                 parts[i].what, parts[i].text);
}

static void print_info(const struct cli *cli, const struct kiln_image *image)
{
    const struct kiln_image_info *info = kiln_image_info(image);
    const char *notes = info->notes;

    cli_putf(stdout, "%s%s%s: %s\n", cli_bold(cli), kiln_image_name(image), cli_plain(cli),
             kiln_image_type_name(info->type));
    cli_putf(stdout, "  why         %s\n", info->why);
    if (info->chip != NULL)
        printf("  chip        %s\n", info->chip);
    print_address(info);
    if (info->vid >= 0 || info->pid >= 0)
        printf("  device      %04x:%04x\n", (unsigned)info->vid & 0xffff,
               (unsigned)info->pid & 0xffff);
    print_segments(image);
    print_partitions(image);
    print_parts(image);
    while (*notes != '\0') {
        size_t len = strcspn(notes, "\n");

        cli_putf(stdout, "  note        %.*s\n", (int)len, notes);
        notes += len + (notes[len] == '\n');
    }
}

/* Every file gets its answer, also when one of them is bad. */
static int run_info(struct cli *cli)
{
    int worst = 0;

    if (cli->args.operand_count < 2)
        return cli_usage(cli, "`kiln image info` needs a file");
    for (size_t i = 1; i < cli->args.operand_count; i++) {
        struct kiln_image *image;
        int status =
            cli_file_load(cli, cli->args.operands[i], cli->args.operand_count == 2, &image, NULL);

        if (status != 0) {
            worst = status;
            continue;
        }
        if (cli->args.json)
            print_json(image);
        else
            print_info(cli, image);
        kiln_image_free(image);
    }
    return worst;
}

/* ---- convert and merge ---- */

/* What the name of the file to be written stands for, if no type was asked for. */
static enum kiln_image_type type_of_name(const char *path, const struct kiln_image *image)
{
    static const struct {
        const char *ending;
        enum kiln_image_type type;
    } rows[] = {{".hex", KILN_IMAGE_IHEX}, {".ihex", KILN_IMAGE_IHEX}, {".srec", KILN_IMAGE_SREC},
                {".s19", KILN_IMAGE_SREC}, {".mot", KILN_IMAGE_SREC},  {".uf2", KILN_IMAGE_UF2}};
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot != NULL && i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(dot, rows[i].ending) == 0)
            return rows[i].type;
    if (dot != NULL && strcmp(dot, ".dfu") == 0)
        return kiln_image_info(image)->address_source != KILN_ADDRESS_NONE ? KILN_IMAGE_DFUSE
                                                                           : KILN_IMAGE_DFU;
    return KILN_IMAGE_UNKNOWN;
}

static int write_out(struct cli *cli, const struct kiln_image *image)
{
    struct kiln_image_write_options options = KILN_IMAGE_WRITE_OPTIONS_INIT;
    struct kiln_error error = {0};
    uint8_t *bytes;
    size_t len;
    int status;

    if (cli->args.type == NULL)
        options.type = type_of_name(cli->args.output, image);
    else if (!kiln_image_type_find(cli->args.type, &options.type))
        return cli_usage(cli, "there is no type '%s'", cli->args.type);
    if (cli->args.has_fill)
        options.fill = (uint8_t)cli->args.fill;
    options.uf2_family = (uint32_t)cli->args.family;
    if (strcmp(cli->args.output, "-") != 0)
        return kiln_image_save(image, cli->args.output, &options, &error) == KILN_OK
                   ? 0
                   : cli_fail(cli, &error);
    if (kiln_image_serialize(image, &options, &bytes, &len, &error) != KILN_OK)
        return cli_fail(cli, &error);
    status = cli_write_output(cli, bytes, len);
    free(bytes);
    return status;
}

static int check_options(struct cli *cli)
{
    if (cli->args.output == NULL)
        return cli_usage(cli, "say where to write: -o FILE, or -o - for standard output");
    if (cli->args.has_fill && cli->args.fill > 0xff)
        return cli_usage(cli, "--fill takes one byte, 0 to 0xff");
    if (cli->args.family > UINT32_MAX)
        return cli_usage(cli, "--family takes 32 bits");
    return 0;
}

static int run_convert(struct cli *cli)
{
    struct kiln_image *image;
    int status = check_options(cli);

    if (status != 0)
        return status;
    if (cli->args.operand_count != 2)
        return cli_usage(cli, "`kiln image convert` takes one file; `kiln image merge` several");
    status = cli_file_load(cli, cli->args.operands[1], true, &image, NULL);
    if (status != 0)
        return status;
    status = write_out(cli, image);
    kiln_image_free(image);
    return status;
}

static int merge_files(struct cli *cli, const struct cli_files *files)
{
    struct kiln_image *merged;
    struct kiln_error error = {.status = KILN_E_NOMEM, .message = "out of memory"};
    enum kiln_status status = kiln_image_new(&merged);
    int code;

    if (status != KILN_OK)
        return cli_fail(cli, &error);
    for (size_t i = 0; i < files->count && status == KILN_OK; i++)
        status = kiln_image_merge(merged, files->images[i], &error);
    code = status == KILN_OK ? write_out(cli, merged) : cli_fail(cli, &error);
    kiln_image_free(merged);
    return code;
}

static int run_merge(struct cli *cli)
{
    struct cli_files files;
    int status = check_options(cli);

    if (status == 0)
        status = cli_files_load(cli, 1, &files);
    if (status != 0)
        return status;
    status = cli->args.chip != NULL && cli_is_esp(cli->args.chip) ? cli_image_merge_esp(cli, &files)
                                                                  : merge_files(cli, &files);
    cli_files_free(&files);
    return status;
}

/* ---- map ---- */

static int draw_map(struct cli *cli, const char *title, const struct kiln_map *map)
{
    if (cli->args.svg != NULL && !cli_map_svg(map, title, cli->args.svg)) {
        cli_putf(stderr, "kiln: %s cannot be written: %s\n", cli->args.svg, strerror(errno));
        return 12;
    }
    if (!cli->args.json) {
        cli_map_print(cli, map, stdout);
        return 0;
    }
    cli_put_json(json_pack("{s:o}", "map", cli_map_json(map)));
    return 0;
}

static int run_map(struct cli *cli)
{
    struct kiln_error error = {0};
    const struct kiln_chip *chip = cli->args.chip != NULL ? kiln_chip_named(cli->args.chip) : NULL;
    struct kiln_map map = {0};
    struct cli_files files;
    int status;

    if (cli->args.chip != NULL && chip == NULL)
        return cli_usage(cli, "no chip is called '%s'; `kiln chip` lists all", cli->args.chip);
    status = cli_files_load(cli, 1, &files);
    if (status != 0)
        return status;
    if (kiln_map_of_images((const struct kiln_image *const *)files.images, files.count,
                           cli->args.layout, chip, &map, &error) != KILN_OK)
        status = cli_fail(cli, &error);
    else
        status = draw_map(cli, chip != NULL ? kiln_chip_summary(chip).title : "files", &map);
    kiln_map_dispose(&map);
    cli_files_free(&files);
    return status;
}

static const struct image_verb verbs[] = {{"info", run_info},
                                          {"map", run_map},
                                          {"convert", run_convert},
                                          {"merge", run_merge},
                                          {"elf2image", cli_image_elf2image}};

static int run_image(struct cli *cli)
{
    const char *verb = cli->args.operand_count > 0 ? cli->args.operands[0] : NULL;

    if (verb == NULL)
        return cli_usage(cli, "`kiln image` needs one of info, map, convert, merge, elf2image");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, verb) == 0)
            return verbs[i].run(cli);
    return cli_usage(cli, "`kiln image` knows info, map, convert, merge and elf2image, not '%s'",
                     verb);
}

static const char *const image_options[] = {
    "output", "type",   "address",    "fill",       "family",     "raw",
    "json",   "chip",   "flash-mode", "flash-size", "flash-freq", "page-size",
    "pad-to", "layout", "svg",        "secure-pad", "quiet",      NULL};
static const char *const image_examples[] = {
    "kiln image info firmware.bin",
    "what it is and where it belongs",
    "kiln image map boot.bin@0x1000 table.bin@0x8000 app.bin@0x10000",
    "where files go in the partitions of an ESP flash",
    "kiln image map -c stm32f407vg klipper.elf",
    "in the sectors of an STM32; --layout tells those of another chip",
    "kiln image convert firmware.elf -o firmware.hex",
    "the loadable part as Intel HEX",
    "kiln image convert firmware.bin -a 0x08008000 -t dfuse -o firmware.dfu",
    "a DfuSe file",
    "kiln image merge boot.hex app.bin@0x08008000 -o all.bin",
    "several files as one",
    "kiln image elf2image app.elf -c esp32 --flash-size 4MB -o app.bin",
    "what the boot loader of an ESP chip loads",
    "kiln image merge -c esp32 boot.bin@0x1000 table.bin@0x8000 app.bin@0x10000 -o all.bin",
    "a flash from its first byte on",
    NULL};

const struct cli_command cli_cmd_image = {
    .name = "image",
    .operands = "info|map|convert|merge|elf2image FILE[@ADDRESS]...",
    .summary = "look into firmware files, convert and merge them",
    .details =
        "A file is recognised by its content: ELF, Intel HEX, S-records, UF2, DFU, DfuSe, ESP "
        "images, partition tables (binary and CSV), otadata, NVS and whole flashes, Cortex-M "
        "binaries. What convert and merge "
        "write follows --type, or the ending of the file's name (.hex, .srec, .uf2, .dfu), or is "
        "raw bytes. elf2image makes the image of an Espressif chip from an ELF file. With --chip "
        "of "
        "such a chip merge begins a raw file at --address (0 if not given), can change the flash "
        "settings in the bootloader, and puts MD5 sums into UF2.",
    .options = image_options,
    .examples = image_examples,
    .group = CLI_GROUP_FILES,
    .run = run_image,
};
