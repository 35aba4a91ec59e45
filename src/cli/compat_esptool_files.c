/* SPDX-License-Identifier: MIT */
/* Input files: read whole, Intel HEX (told by its first byte) cut into contiguous regions. */
#include "cli/compat_esptool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECTOR   0x1000
#define FILE_MAX ((size_t)512 << 20)

/* Reads `file` to its end, also a pipe. */
static uint8_t *read_stream(FILE *file, size_t *out_len)
{
    size_t capacity = 1 << 16, len = 0;
    uint8_t *bytes = malloc(capacity);

    while (bytes != NULL) {
        size_t got = fread(bytes + len, 1, capacity - len, file);
        uint8_t *grown;

        len += got;
        if (len < capacity)
            break;
        grown = capacity < FILE_MAX ? realloc(bytes, 2 * capacity) : NULL;
        if (grown == NULL) {
            free(bytes);
            return NULL;
        }
        bytes = grown;
        capacity *= 2;
    }
    *out_len = len;
    return bytes;
}

int esptool_read_bytes(struct esptool *e, const char *path, const uint8_t **out, size_t *out_len)
{
    FILE *file = fopen(path, "rb");
    struct stat about;

    if (file == NULL)
        return esptool_usage(e, "Invalid value: '%s': %s", path, strerror(errno));
    if (fstat(fileno(file), &about) == 0 && S_ISDIR(about.st_mode)) {
        fclose(file);
        return esptool_usage(e, "Invalid value: '%s': %s", path, strerror(EISDIR));
    }
    *out = esptool_keep(e, read_stream(file, out_len));
    fclose(file);
    return *out != NULL ? 0 : esptool_fatal(e, "'%s' is too big", path);
}

static int add_file(struct esptool *e, struct esptool_files *files, const struct esptool_file *file)
{
    struct esptool_file *grown = malloc((files->count + 1) * sizeof *grown);

    if (esptool_keep(e, grown) == NULL)
        return esptool_fatal(e, "out of memory");
    if (files->count > 0)
        memcpy(grown, files->file, files->count * sizeof *grown);
    grown[files->count] = *file;
    files->file = grown;
    files->count++;
    return 0;
}

static int add_regions(struct esptool *e, const char *path, const struct kiln_image *image,
                       struct esptool_files *files)
{
    int status = 0;

    for (size_t i = 0; i < kiln_image_segment_count(image) && status == 0; i++) {
        const struct kiln_segment *s = kiln_image_segment(image, i);
        uint8_t *copy = esptool_keep(e, malloc(s->size + 1));

        if (copy == NULL)
            return esptool_fatal(e, "out of memory");
        memcpy(copy, s->data, s->size);
        status = add_file(e, files,
                          &(struct esptool_file){.name = path,
                                                 .address = s->address,
                                                 .has_address = true,
                                                 .data = copy,
                                                 .len = s->size});
    }
    return status;
}

int esptool_read_input(struct esptool *e, const char *path, uint64_t address, bool has_address,
                       struct esptool_files *files)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;
    struct kiln_error error;
    const uint8_t *bytes = NULL;
    size_t len = 0;
    int status = esptool_read_bytes(e, path, &bytes, &len);

    if (status != 0)
        return status;
    options.type = KILN_IMAGE_IHEX;
    if (len > 0 && bytes[0] == ':') {
        if (kiln_image_parse(path, bytes, len, &options, &image, &error) == KILN_OK) {
            status = add_regions(e, path, image, files);
            kiln_image_free(image);
            return status;
        }
        esptool_note(e, "%s. It is taken as raw bytes.", error.message);
    }
    return add_file(e, files,
                    &(struct esptool_file){.name = path,
                                           .address = address,
                                           .has_address = has_address,
                                           .data = bytes,
                                           .len = len});
}

/* ---- pairs ---- */

static int by_address(const void *left, const void *right)
{
    const struct esptool_file *const *l = left, *const *r = right;

    return (*l)->address < (*r)->address   ? -1
           : (*l)->address > (*r)->address ? 1
           : *l < *r                       ? -1
                                           : 1;
}

/* Two files must not share a sector: the second would erase what the first wrote. */
static int check_overlap(struct esptool *e, const struct esptool_files *files)
{
    const struct esptool_file **sorted = calloc(files->count, sizeof *sorted);
    uint64_t end = 0;
    int status = 0;

    if (esptool_keep(e, sorted) == NULL)
        return esptool_fatal(e, "out of memory");
    for (size_t i = 0; i < files->count; i++)
        sorted[i] = &files->file[i];
    qsort(sorted, files->count, sizeof *sorted, by_address);
    for (size_t i = 0; i < files->count && status == 0; i++) {
        const struct esptool_file *f = sorted[i];
        uint64_t start = f->address / SECTOR * SECTOR;
        uint64_t stop = (f->address + f->len + SECTOR - 1) / SECTOR * SECTOR;

        if (start < end)
            status = esptool_usage(
                e, "Invalid value: Detected overlap at address: 0x%" PRIx64 " for file: %s.",
                f->address, f->name);
        end = stop;
    }
    return status;
}

int esptool_read_pairs(struct esptool *e, const struct esptool_words *words,
                       struct esptool_files *out)
{
    *out = (struct esptool_files){0};
    if (words->count == 0)
        return esptool_usage(e, "Missing argument '<ADDRESS> <FILENAME>...'.");
    if (words->count % 2 != 0)
        return esptool_usage(e, "Invalid value: Must be pairs of an address and the binary "
                                "filename to write there.");
    for (size_t i = 0; i < words->count; i += 2) {
        int64_t address;
        int status;

        if (!esptool_int(words->word[i], &address) || address < 0 || address > UINT32_MAX)
            return esptool_usage(e, "Invalid value: Address \"%s\" must be a number.",
                                 words->word[i]);
        status = esptool_read_input(e, words->word[i + 1], (uint64_t)address, true, out);
        if (status != 0)
            return status;
    }
    return check_overlap(e, out);
}
