/* SPDX-License-Identifier: MIT */
/* Files with a DFU suffix (DFU 1.1, appendix B), a TI Stellaris prefix (TI SPMA003) or an NXP LPC prefix (NXP
 * UM10503, DFU boot). */
#include "cli/compat_dfu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)256 << 20)

static uint32_t little(const uint8_t *bytes, unsigned count)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < count; i++)
        value |= (uint32_t)bytes[i] << (8 * i);
    return value;
}

static void put_little(uint8_t *bytes, uint32_t value, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

/* The CRC-32 of Ethernet, begun with ones and not inverted at the end. */
static uint32_t suffix_crc(uint32_t crc, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
    }
    return crc;
}

static void find_suffix(struct dfu_file *file)
{
    size_t before = file->len < DFU_SUFFIX_LEN ? 0 : file->len - DFU_SUFFIX_LEN;
    const uint8_t *at = file->bytes + before;

    file->no_suffix = NULL;
    if (file->len < DFU_SUFFIX_LEN) {
        file->no_suffix = "File too short for DFU suffix";
    } else if (memcmp(at + 8, "UFD", 3) != 0) {
        file->no_suffix = "Invalid DFU suffix signature";
    } else {
        file->suffix = (struct dfu_suffix){
            .device = (uint16_t)little(at, 2),
            .product = (uint16_t)little(at + 2, 2),
            .vendor = (uint16_t)little(at + 4, 2),
            .version = (uint16_t)little(at + 6, 2),
            .length = at[11],
            .crc = little(at + 12, 4),
        };
        if (file->suffix.crc != suffix_crc(UINT32_MAX, file->bytes, file->len - 4))
            file->no_suffix = "DFU suffix CRC does not match";
        else if (file->suffix.length < DFU_SUFFIX_LEN || file->suffix.length > file->len)
            file->no_suffix = "Unsupported DFU suffix length";
    }
}

static size_t suffix_len(const struct dfu_file *file)
{
    return file->no_suffix == NULL ? file->suffix.length : 0;
}

static void find_prefix(struct dfu_file *file)
{
    const uint8_t *bytes = file->bytes;
    size_t len = file->len - suffix_len(file);

    file->prefix = DFU_PREFIX_NONE;
    file->prefix_len = 0;
    if (len >= 8 && bytes[0] == 1 && bytes[1] == 0 && little(bytes + 4, 4) == len - 8) {
        file->prefix = DFU_PREFIX_STELLARIS;
        file->prefix_len = 8;
    } else if (len >= 16 && bytes[0] == 0x1a && bytes[1] == 0x3f) {
        file->prefix = DFU_PREFIX_LPC;
        file->prefix_len = 16;
    }
}

static bool read_all(FILE *in, struct dfu_file *out)
{
    size_t room = 1 << 16, got;

    out->bytes = malloc(room);
    while (out->bytes != NULL && (got = fread(out->bytes + out->len, 1, room - out->len, in)) > 0) {
        uint8_t *grown;

        out->len += got;
        if (out->len < room)
            continue;
        room *= 2;
        grown = room > FILE_MAX ? NULL : realloc(out->bytes, room);
        if (grown == NULL)
            free(out->bytes);
        out->bytes = grown;
    }
    return out->bytes != NULL && !ferror(in);
}

int dfu_file_read(const char *tool, const char *path, struct dfu_file *out)
{
    FILE *in = fopen(path, "rb");
    bool good;

    *out = (struct dfu_file){.path = path};
    if (in == NULL)
        return dfu_fail(tool, EX_NOINPUT, "Could not open file %s for reading: %s", path,
                        strerror(errno));
    good = read_all(in, out);
    fclose(in);
    if (!good) {
        free(out->bytes);
        out->bytes = NULL;
        return dfu_fail(tool, EX_IOERR, "Could not read %s", path);
    }
    find_suffix(out);
    find_prefix(out);
    return 0;
}

size_t dfu_file_payload_len(const struct dfu_file *file)
{
    return file->len - file->prefix_len - suffix_len(file);
}

const uint8_t *dfu_file_payload(const struct dfu_file *file)
{
    return file->bytes + file->prefix_len;
}

static void encode_suffix(const struct dfu_suffix *suffix, uint8_t out[DFU_SUFFIX_LEN])
{
    put_little(out, suffix->device, 2);
    put_little(out + 2, suffix->product, 2);
    put_little(out + 4, suffix->vendor, 2);
    put_little(out + 6, suffix->version, 2);
    memcpy(out + 8, "UFD", 3);
    out[11] = DFU_SUFFIX_LEN;
}

static bool write_parts(FILE *out, const struct dfu_file *file, const uint8_t *prefix,
                        size_t prefix_len, const struct dfu_suffix *suffix)
{
    uint8_t tail[DFU_SUFFIX_LEN];
    size_t len = dfu_file_payload_len(file);
    uint32_t crc;

    if (fwrite(prefix, 1, prefix_len, out) != prefix_len ||
        fwrite(dfu_file_payload(file), 1, len, out) != len)
        return false;
    if (suffix == NULL)
        return true;
    encode_suffix(suffix, tail);
    crc = suffix_crc(UINT32_MAX, prefix, prefix_len);
    crc = suffix_crc(crc, dfu_file_payload(file), len);
    put_little(tail + 12, suffix_crc(crc, tail, 12), 4);
    return fwrite(tail, 1, sizeof tail, out) == sizeof tail;
}

int dfu_file_write(const char *tool, const struct dfu_file *file, const uint8_t *prefix,
                   size_t prefix_len, const struct dfu_suffix *suffix)
{
    struct stat old;
    bool good;
    char *part;
    FILE *out;

    if (asprintf(&part, "%s.part", file->path) < 0)
        return EX_OSERR;
    out = fopen(part, "wb");
    good = out != NULL && write_parts(out, file, prefix, prefix_len, suffix);
    if (good && fstat(fileno(out), &old) == 0 && stat(file->path, &old) == 0)
        good = fchmod(fileno(out), old.st_mode & 07777) == 0;
    if (out != NULL)
        good = fclose(out) == 0 && good;
    good = good && rename(part, file->path) == 0;
    if (!good) {
        (void)dfu_fail(tool, 0, "Could not write %s: %s", file->path, strerror(errno));
        if (out != NULL)
            remove(part);
    }
    free(part);
    return good ? 0 : EX_CANTCREAT;
}

void dfu_print_prefix(const struct dfu_file *file)
{
    const uint8_t *bytes = file->bytes;

    if (file->prefix == DFU_PREFIX_STELLARIS) {
        printf("The file %s contains a TI Stellaris DFU prefix with the following properties:\n",
               file->path);
        printf("Address:\t0x%08x\n", 1024u * (bytes[2] | (unsigned)bytes[3] << 8));
    } else if (file->prefix == DFU_PREFIX_LPC) {
        printf("The file %s contains a NXP unencrypted LPC DFU prefix with the following "
               "properties:\n",
               file->path);
        printf("Size:\t%5u kiB\n", (bytes[2] | (unsigned)bytes[3] << 8) / 2);
    }
}

void dfu_print_suffix(const struct dfu_file *file)
{
    const struct dfu_suffix *s = &file->suffix;

    printf("The file %s contains a DFU suffix with the following properties:\n", file->path);
    printf("BCD device:\t0x%04X\nProduct ID:\t0x%04X\nVendor ID:\t0x%04X\n", s->device, s->product,
           s->vendor);
    printf("BCD DFU:\t0x%04X\nLength:\t\t%u\nCRC:\t\t0x%08X\n", s->version, s->length, s->crc);
}

/* ---- a tool for one file ---- */

struct file_wish {
    int mode;
    const char *path;
};

/* Exit status, or -1 to go on. */
static int parse_file_words(struct dfu_words *words, const struct dfu_file_tool *tool, void *wishes,
                            struct file_wish *wish)
{
    const char *value;
    int code;

    while ((code = dfu_words_next(words, &value)) != -1) {
        switch (code) {
        case 'h':
            dfu_print_help(words, stdout);
            return 0;
        case 'V':
            return 0;
        case 'c':
        case 'a':
        case 'D':
            *wish = (struct file_wish){code, value};
            break;
        case '?':
            dfu_print_help(words, stderr);
            return EX_USAGE;
        default:
            tool->take(wishes, code, value);
        }
    }
    if (wish->path == NULL)
        return dfu_usage(words, "You need to specify a filename");
    return tool->check(words, wish->mode, wishes);
}

int dfu_file_tool_run(struct cli *cli, const struct dfu_file_tool *tool, void *wishes)
{
    struct dfu_words words = {.tool = tool->name, .shown = tool->shown, .options = tool->options};
    struct file_wish wish = {0};
    struct dfu_file file = {0};
    int status;

    if (!dfu_words_init(cli, &words))
        return EX_OSERR;
    status = parse_file_words(&words, tool, wishes, &wish);
    if (status < 0) {
        status = dfu_file_read(words.tool, wish.path, &file);
        if (status == 0)
            status = tool->act(&words, wish.mode, wishes, &file);
    }
    free(file.bytes);
    dfu_words_dispose(&words);
    return status;
}
