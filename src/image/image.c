/* SPDX-License-Identifier: MIT */
/* The public face of an image: load, merge, place, look. */
#include "image/format.h"

#include <kiln/save.h>

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const type_names[KILN_IMAGE_TYPE_COUNT] = {
    [KILN_IMAGE_UNKNOWN] = "unknown",
    [KILN_IMAGE_ELF] = "elf",
    [KILN_IMAGE_IHEX] = "ihex",
    [KILN_IMAGE_SREC] = "srec",
    [KILN_IMAGE_UF2] = "uf2",
    [KILN_IMAGE_DFU] = "dfu",
    [KILN_IMAGE_DFUSE] = "dfuse",
    [KILN_IMAGE_ESP] = "esp-image",
    [KILN_IMAGE_ESP_PARTITIONS] = "esp-partitions",
    [KILN_IMAGE_ESP_OTADATA] = "esp-otadata",
    [KILN_IMAGE_ESP_NVS] = "esp-nvs",
    [KILN_IMAGE_ESP_MERGED] = "esp-merged",
    [KILN_IMAGE_CORTEX_M] = "cortex-m",
    [KILN_IMAGE_ENCRYPTED] = "encrypted",
};

const char *kiln_image_type_name(enum kiln_image_type type)
{
    return (unsigned)type < KILN_IMAGE_TYPE_COUNT ? type_names[type] : "unknown";
}

bool kiln_image_type_find(const char *name, enum kiln_image_type *out_type)
{
    static const struct {
        const char *name;
        enum kiln_image_type type;
    } aliases[] = {{"raw", KILN_IMAGE_UNKNOWN},
                   {"bin", KILN_IMAGE_UNKNOWN},
                   {"hex", KILN_IMAGE_IHEX},
                   {"s19", KILN_IMAGE_SREC}};

    for (unsigned i = 0; i < KILN_IMAGE_TYPE_COUNT; i++) {
        if (strcmp(type_names[i], name) == 0) {
            *out_type = (enum kiln_image_type)i;
            return true;
        }
    }
    for (size_t i = 0; i < KILN_ARRAY_LEN(aliases); i++) {
        if (strcmp(aliases[i].name, name) == 0) {
            *out_type = aliases[i].type;
            return true;
        }
    }
    return false;
}

/* The error slot of a public call: puts the file's name before the message and hands it out. */
static enum kiln_status hand_out(const struct kiln_ctx *ctx, const char *name,
                                 struct kiln_error *out_error)
{
    if (out_error == NULL)
        return ctx->error.status;
    *out_error = ctx->error;
    if (name != NULL)
        snprintf(out_error->message, sizeof out_error->message, "%.100s: %.216s", name,
                 ctx->error.message);
    return ctx->error.status;
}

static struct kiln_image *new_image(const char *name, uint64_t max_size)
{
    struct kiln_image *image = calloc(1, sizeof *image);

    if (image == NULL)
        return NULL;
    image->name = strdup(name);
    if (image->name == NULL) {
        free(image);
        return NULL;
    }
    image->max_size = max_size == 0 ? KILN_IMAGE_DEFAULT_MAX : max_size;
    if (image->max_size > SIZE_MAX / 8)
        image->max_size = SIZE_MAX / 8;
    image->place_unit = "offset";
    image->info = (struct kiln_image_info){.address = KILN_NO_ADDRESS,
                                           .linked = KILN_NO_ADDRESS,
                                           .entry = KILN_NO_ADDRESS,
                                           .confidence = 100,
                                           .usual = true,
                                           .esp_chip_id = -1,
                                           .vid = -1,
                                           .pid = -1,
                                           .bcd_device = -1};
    /* Text formats take about three characters a byte, UF2 two bytes a byte. */
    kiln_buf_init(&image->file, (size_t)image->max_size * 5 + 65536);
    kiln_buf_init(&image->arena, (size_t)image->max_size);
    return image;
}

void kiln_image_free(struct kiln_image *image)
{
    if (image == NULL)
        return;
    kiln_buf_dispose(&image->file);
    kiln_buf_dispose(&image->arena);
    free(image->runs);
    free(image->segments);
    free(image->partitions);
    free(image->parts);
    free(image->name);
    free(image);
}

/* A context for code that neither waits nor talks, only to carry the error. */
static void error_ctx(struct kiln_ctx *ctx, struct kiln_virtual_clock *clock)
{
    kiln_virtual_clock_init(clock);
    kiln_ctx_init(ctx, &clock->base);
}

/* ---- loading -------------------------------------------------------------------------------- */

enum kiln_status kiln_image_load_any(struct kiln_image *image, struct kiln_ctx *ctx,
                                     const struct kiln_image_input *in)
{
    const struct kiln_image_format *format = NULL;

    for (size_t i = 0; (format = kiln_image_format_at(i)) != NULL; i++) {
        if (format->recognise(in->bytes, in->len)) {
            image->info.type = image->info.payload = format->type;
            return format->load(image, ctx, in);
        }
    }
    return kiln_fail(ctx, KILN_E_INTERNAL, "the table of formats has no last row");
}

static enum kiln_status load_as_told(struct kiln_image *image, struct kiln_ctx *ctx,
                                     const struct kiln_image_options *options)
{
    const struct kiln_image_format *format;
    struct kiln_image_input in = {
        .bytes = image->file.data, .len = image->file.len, .options = options};

    if (options->raw)
        return kiln_image_format_raw.load(image, ctx, &in);
    if (options->type == KILN_IMAGE_UNKNOWN)
        return kiln_image_load_any(image, ctx, &in);
    format = kiln_image_format_of(options->type);
    if (format == NULL || !format->recognise(in.bytes, in.len))
        return kiln_image_bad(ctx, 0, "is not %s", kiln_image_type_name(options->type));
    image->info.type = image->info.payload = format->type;
    return format->load(image, ctx, &in);
}

static enum kiln_status place_image(struct kiln_image *image, struct kiln_ctx *ctx,
                                    uint64_t address, enum kiln_address_source source)
{
    if (image->info.address_source == KILN_ADDRESS_FILE) {
        if (address == image->info.address)
            return KILN_OK;
        return kiln_fail(ctx, KILN_E_ARG,
                         "states its own address 0x%08" PRIx64 "; it cannot be put at 0x%08" PRIx64,
                         image->info.address, address);
    }
    if (image->total > 0 && address > UINT64_MAX - image->total)
        return kiln_fail(ctx, KILN_E_ARG, "does not fit at 0x%" PRIx64, address);
    for (size_t i = 0; i < image->segment_count; i++)
        image->segments[i].address = address;
    for (size_t i = 0; i < image->run_count; i++)
        image->runs[i].address = address;
    image->info.address = address;
    image->info.address_source = source;
    return KILN_OK;
}

/* Takes over image->file's bytes, whatever the outcome. */
static enum kiln_status parse_file(struct kiln_image *image, struct kiln_ctx *ctx,
                                   const struct kiln_image_options *options)
{
    if (image->file.len == 0)
        return kiln_image_bad(ctx, 0, "is empty");
    KILN_TRY(load_as_told(image, ctx, options));
    KILN_TRY(kiln_image_finish(image, ctx));
    if (image->segment_count == 0)
        return kiln_image_bad(ctx, 0, "holds no bytes to write (%s)",
                              kiln_image_type_name(image->info.type));
    if (options->address != KILN_NO_ADDRESS)
        return place_image(image, ctx, options->address, KILN_ADDRESS_GIVEN);
    return KILN_OK;
}

static enum kiln_status read_whole(struct kiln_image *image, struct kiln_ctx *ctx, int fd)
{
    struct stat st;
    ssize_t got = 1;

    if (fstat(fd, &st) != 0)
        return kiln_fail_code(ctx, kiln_fail(ctx, KILN_E_IO, "%s", strerror(errno)));
    if (S_ISDIR(st.st_mode))
        return kiln_fail(ctx, KILN_E_IO, "is a folder");
    if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
        return kiln_fail(ctx, KILN_E_IO, "is a device, not a file");
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > image->file.ceiling)
        return kiln_image_bad(ctx, 0, "is too large for firmware (%" PRIu64 " MiB)",
                              (uint64_t)st.st_size >> 20);
    if (S_ISREG(st.st_mode) && kiln_buf_reserve(&image->file, (size_t)st.st_size) != KILN_OK)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    while (got != 0) {
        size_t room = image->file.capacity - image->file.len;

        if (room == 0) {
            uint8_t extra[4096];

            got = read(fd, extra, sizeof extra);
            if (got > 0 && kiln_buf_append(&image->file, extra, (size_t)got) != KILN_OK)
                return kiln_image_bad(ctx, 0, "is too large for firmware");
        } else {
            got = read(fd, image->file.data + image->file.len, room);
            if (got > 0)
                image->file.len += (size_t)got;
        }
        if (got < 0 && errno != EINTR)
            return kiln_fail(ctx, KILN_E_IO, "cannot be read: %s", strerror(errno));
    }
    return KILN_OK;
}

static enum kiln_status open_and_read(struct kiln_image *image, struct kiln_ctx *ctx,
                                      const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    enum kiln_status status;

    if (fd < 0)
        return kiln_fail(ctx, KILN_E_IO, "%s", strerror(errno));
    status = read_whole(image, ctx, fd);
    close(fd);
    return status;
}

static enum kiln_status load(const char *name, const char *path, const uint8_t *bytes, size_t len,
                             const struct kiln_image_options *options,
                             struct kiln_image **out_image, struct kiln_error *out_error)
{
    struct kiln_image_options defaults = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_image *image;
    enum kiln_status status;

    *out_image = NULL;
    error_ctx(&ctx, &clock);
    if (options == NULL)
        options = &defaults;
    image = new_image(name, options->max_size);
    if (image == NULL) {
        (void)kiln_fail(&ctx, KILN_E_NOMEM, "out of memory");
        return hand_out(&ctx, name, out_error);
    }
    if (path != NULL)
        status = open_and_read(image, &ctx, path);
    else if (kiln_buf_append(&image->file, bytes, len) != KILN_OK)
        status = kiln_image_bad(&ctx, 0, "is too large for firmware");
    else
        status = KILN_OK;
    if (status == KILN_OK)
        status = parse_file(image, &ctx, options);
    if (status != KILN_OK) {
        kiln_image_free(image);
        return hand_out(&ctx, name, out_error);
    }
    *out_image = image;
    return KILN_OK;
}

enum kiln_status kiln_image_load(const char *path, const struct kiln_image_options *options,
                                 struct kiln_image **out_image, struct kiln_error *out_error)
{
    return load(path, path, NULL, 0, options, out_image, out_error);
}

enum kiln_status kiln_image_parse(const char *name, const uint8_t *bytes, size_t len,
                                  const struct kiln_image_options *options,
                                  struct kiln_image **out_image, struct kiln_error *out_error)
{
    return load(name, NULL, bytes, len, options, out_image, out_error);
}

/* ---- changing ------------------------------------------------------------------------------- */

enum kiln_status kiln_image_new(struct kiln_image **out_image)
{
    *out_image = new_image("merged", 0);
    if (*out_image == NULL)
        return KILN_E_NOMEM;
    (*out_image)->info.address_source = KILN_ADDRESS_FILE;
    return KILN_OK;
}

static enum kiln_status check_merge(const struct kiln_image *into, struct kiln_ctx *ctx,
                                    const struct kiln_image *from)
{
    size_t i = 0, j = 0;

    if (from->info.address_source == KILN_ADDRESS_NONE)
        return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_GIVE_ADDRESS,
                              "%.100s does not tell its address", from->name);
    if (from->total > into->max_size - into->total)
        return kiln_fail(ctx, KILN_E_FILE, "%.100s makes it larger than %" PRIu64 " MiB",
                         from->name, into->max_size >> 20);
    while (i < into->segment_count && j < from->segment_count) {
        const struct kiln_segment *a = &into->segments[i], *b = &from->segments[j];

        if (a->alt == b->alt && a->address < b->address + b->size &&
            b->address < a->address + a->size) {
            (void)kiln_fail(ctx, KILN_E_FILE,
                            "%.100s: 0x%08" PRIx64 " to 0x%08" PRIx64
                            " overlaps with what is already at 0x%08" PRIx64 " to 0x%08" PRIx64,
                            from->name, b->address, b->address + b->size, a->address,
                            a->address + a->size);
            return kiln_fail_at(ctx, KILN_MAX(a->address, b->address));
        }
        if (a->alt < b->alt || (a->alt == b->alt && a->address < b->address))
            i++;
        else
            j++;
    }
    return KILN_OK;
}

enum kiln_status kiln_image_merge(struct kiln_image *into, const struct kiln_image *from,
                                  struct kiln_error *out_error)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    enum kiln_status status;

    error_ctx(&ctx, &clock);
    status = check_merge(into, &ctx, from);
    for (size_t i = 0; i < from->segment_count && status == KILN_OK; i++) {
        const struct kiln_segment *s = &from->segments[i];

        status = kiln_image_add(into, &ctx, s->alt, s->address, s->data, s->size, i);
    }
    if (status == KILN_OK)
        status = kiln_image_finish(into, &ctx);
    if (status != KILN_OK)
        return hand_out(&ctx, NULL, out_error);
    if (into->info.why[0] == '\0')
        kiln_image_why(into, "merged from several files");
    if (into->info.chip == NULL)
        into->info.chip = from->info.chip;
    if (into->info.uf2_family == 0)
        into->info.uf2_family = from->info.uf2_family;
    if (into->info.entry == KILN_NO_ADDRESS)
        into->info.entry = from->info.entry;
    return KILN_OK;
}

enum kiln_status kiln_image_place(struct kiln_image *image, uint64_t address,
                                  enum kiln_address_source source, struct kiln_error *out_error)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;

    error_ctx(&ctx, &clock);
    if (place_image(image, &ctx, address, source) != KILN_OK)
        return hand_out(&ctx, image->name, out_error);
    return KILN_OK;
}

/* ---- looking -------------------------------------------------------------------------------- */

const struct kiln_image_info *kiln_image_info(const struct kiln_image *image)
{
    return &image->info;
}

const char *kiln_image_name(const struct kiln_image *image)
{
    return image->name;
}

size_t kiln_image_segment_count(const struct kiln_image *image)
{
    return image->segment_count;
}

const struct kiln_segment *kiln_image_segment(const struct kiln_image *image, size_t index)
{
    return index < image->segment_count ? &image->segments[index] : NULL;
}

uint64_t kiln_image_total_bytes(const struct kiln_image *image)
{
    return image->total;
}

const struct kiln_image_memory *kiln_image_memory(const struct kiln_image *image, size_t *out_count)
{
    *out_count = image->memory_count;
    return image->memory;
}

const struct kiln_image_part *kiln_image_parts(const struct kiln_image *image, size_t *out_count)
{
    *out_count = image->part_count;
    return image->parts;
}

const struct kiln_esp_partition *kiln_image_partitions(const struct kiln_image *image,
                                                       size_t *out_count)
{
    *out_count = image->partition_count;
    return image->partitions;
}

const uint8_t *kiln_image_prefix(const struct kiln_image *image, size_t *out_len)
{
    *out_len = image->prefix_len;
    return image->prefix_len > 0 ? image->prefix : NULL;
}

/* ---- writing -------------------------------------------------------------------------------- */

enum kiln_status kiln_image_serialize(const struct kiln_image *image,
                                      const struct kiln_image_write_options *options,
                                      uint8_t **out_bytes, size_t *out_len,
                                      struct kiln_error *out_error)
{
    struct kiln_image_write_options defaults = KILN_IMAGE_WRITE_OPTIONS_INIT;
    const struct kiln_image_format *format;
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_buf out;
    enum kiln_status status;

    *out_bytes = NULL;
    *out_len = 0;
    error_ctx(&ctx, &clock);
    if (options == NULL)
        options = &defaults;
    kiln_buf_init(&out, (size_t)KILN_MAX(image->max_size, KILN_IMAGE_DEFAULT_MAX) * 5);
    format = kiln_image_format_of(options->type);
    if (format == NULL || format->serialize == NULL)
        status = kiln_fail(&ctx, KILN_E_ARG, "cannot be written as %s",
                           kiln_image_type_name(options->type));
    else
        status = format->serialize(image, &ctx, options, &out);
    if (status != KILN_OK) {
        kiln_buf_dispose(&out);
        if (ctx.error.status == KILN_OK)
            (void)kiln_fail(&ctx, status, "out of memory");
        return hand_out(&ctx, image->name, out_error);
    }
    *out_bytes = out.data;
    *out_len = out.len;
    return KILN_OK;
}

enum kiln_status kiln_image_save(const struct kiln_image *image, const char *path,
                                 const struct kiln_image_write_options *options,
                                 struct kiln_error *out_error)
{
    enum kiln_status status;
    uint8_t *bytes;
    size_t len;

    KILN_TRY(kiln_image_serialize(image, options, &bytes, &len, out_error));
    status = kiln_file_save(path, bytes, len, out_error);
    free(bytes);
    return status;
}
