/* SPDX-License-Identifier: MIT */
/*
 * Firmware files. Any supported format, recognised by its content and never by its name, becomes an
 * ordered list of non-overlapping segments with whatever else the file said. An image is immutable once
 * loaded and may be read from several threads.
 */
#ifndef KILN_IMAGE_H
#define KILN_IMAGE_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kiln_image_type {
    KILN_IMAGE_UNKNOWN = 0,    /* raw bytes that look like nothing we know: "unknown" */
    KILN_IMAGE_ELF,            /* "elf" */
    KILN_IMAGE_IHEX,           /* "ihex" */
    KILN_IMAGE_SREC,           /* "srec" */
    KILN_IMAGE_UF2,            /* "uf2" */
    KILN_IMAGE_DFU,            /* "dfu": any payload with a DFU suffix that is not DfuSe */
    KILN_IMAGE_DFUSE,          /* "dfuse" */
    KILN_IMAGE_ESP,            /* "esp-image": E9 header (bootloader or application) */
    KILN_IMAGE_ESP_PARTITIONS, /* "esp-partitions" */
    KILN_IMAGE_ESP_MERGED, /* "esp-merged": FF-filled flash image with bootloader, table, app inside */
    KILN_IMAGE_CORTEX_M,  /* "cortex-m": raw binary that starts with a vector table */
    KILN_IMAGE_ENCRYPTED, /* "encrypted": no structure and too much entropy for code */
    KILN_IMAGE_TYPE_COUNT
};

KILN_API const char *kiln_image_type_name(enum kiln_image_type type);

#define KILN_NO_ADDRESS UINT64_MAX

/* How the address of an image (or of its first segment) is known. */
enum kiln_address_source {
    KILN_ADDRESS_NONE,     /* the file does not tell and nobody said */
    KILN_ADDRESS_FILE,     /* the format states it */
    KILN_ADDRESS_GIVEN,    /* FILE@ADDR */
    KILN_ADDRESS_INFERRED, /* from the vector table; see kiln_image_info.confidence */
    KILN_ADDRESS_DEFAULT   /* the usual place for this type of file on this chip */
};

struct kiln_segment {
    uint64_t address;
    const uint8_t *data; /* borrowed from the image */
    size_t size;
    uint8_t alt; /* DfuSe target / DFU alternate setting it is meant for; 0 otherwise */
};

struct kiln_image_info {
    enum kiln_image_type type;
    const char *chip; /* "esp32", "stm32f405" ... as far as the file tells, else NULL */
    uint64_t address; /* lowest address, KILN_NO_ADDRESS if the file does not tell */
    enum kiln_address_source address_source;
    uint64_t entry;               /* KILN_NO_ADDRESS if the file does not tell */
    unsigned confidence;          /* 0..100 for KILN_ADDRESS_INFERRED, else 100 */
    int32_t esp_chip_id;          /* -1 if not an ESP image */
    int32_t vid, pid, bcd_device; /* from a DFU suffix; -1 none or wildcard */
    bool has_checksum;            /* the format carries one (checked when loaded) */
    char why[256];                /* "ELF header, machine ARM" */
    char notes[512]; /* further lines for people, '\n' between: "DFU suffix removed", ... */
};

struct kiln_image;
struct kiln_log_sink;

struct kiln_image_options {
    size_t size;      /* sizeof(struct kiln_image_options) */
    uint64_t address; /* for a file without addresses; KILN_NO_ADDRESS to infer or leave open */
    enum kiln_image_type type; /* force a format; KILN_IMAGE_UNKNOWN: recognise */
    bool raw;                  /* take the bytes as they are */
    uint64_t max_size;         /* ceiling in bytes of all segments together; 0: 256 MiB */
};

#define KILN_IMAGE_OPTIONS_INIT                                               \
    {                                                                         \
        .size = sizeof(struct kiln_image_options), .address = KILN_NO_ADDRESS \
    }

/*
 * Loads one file, or `len` bytes with `name` for messages. FILE: the content is damaged, with the place;
 * IO: it cannot be read; NOMEM. The error goes to *out_error (may be NULL).
 */
KILN_API KILN_MUST_USE enum kiln_status kiln_image_load(const char *path,
                                                        const struct kiln_image_options *options,
                                                        struct kiln_image **out_image,
                                                        struct kiln_error *out_error);
KILN_API KILN_MUST_USE enum kiln_status kiln_image_parse(const char *name, const uint8_t *bytes,
                                                         size_t len,
                                                         const struct kiln_image_options *options,
                                                         struct kiln_image **out_image,
                                                         struct kiln_error *out_error);

/* An empty image to merge into. */
KILN_API KILN_MUST_USE enum kiln_status kiln_image_new(struct kiln_image **out_image);

/* Adds the segments of `from` (copied). FILE with both places when they overlap; ARG if `from` has no
 * address. */
KILN_API KILN_MUST_USE enum kiln_status kiln_image_merge(struct kiln_image *into,
                                                         const struct kiln_image *from,
                                                         struct kiln_error *out_error);

/* Moves a raw image without address to `address`. ARG if it already has one from its format. */
KILN_API KILN_MUST_USE enum kiln_status kiln_image_place(struct kiln_image *image, uint64_t address,
                                                         enum kiln_address_source source,
                                                         struct kiln_error *out_error);

KILN_API void kiln_image_free(struct kiln_image *image); /* NULL is fine */

KILN_API const struct kiln_image_info *kiln_image_info(const struct kiln_image *image);
KILN_API const char *kiln_image_name(const struct kiln_image *image);
KILN_API size_t kiln_image_segment_count(const struct kiln_image *image);
/* Ordered by alt, then address. Until a raw image is placed, its one segment has address 0. */
KILN_API const struct kiln_segment *kiln_image_segment(const struct kiln_image *image,
                                                       size_t index);
KILN_API uint64_t kiln_image_total_bytes(const struct kiln_image *image);

/* ---- writing -------------------------------------------------------------------------------- */

struct kiln_image_write_options {
    size_t size;
    enum kiln_image_type type;    /* ihex, srec, uf2, dfu, dfuse, or unknown for raw bytes */
    uint8_t fill;                 /* between segments of a raw file; default FF */
    uint32_t uf2_family;          /* 0: none */
    int32_t vid, pid, bcd_device; /* for suffixes; -1: FFFF */
};

#define KILN_IMAGE_WRITE_OPTIONS_INIT                                                        \
    {                                                                                        \
        .size = sizeof(struct kiln_image_write_options), .fill = 0xff, .vid = -1, .pid = -1, \
        .bcd_device = -1                                                                     \
    }

/* Writes to `path` ("-" = standard output is the caller's business: use kiln_image_serialize). */
KILN_API KILN_MUST_USE enum kiln_status
kiln_image_save(const struct kiln_image *image, const char *path,
                const struct kiln_image_write_options *options, struct kiln_error *out_error);

/* The bytes in memory; the caller frees *out_bytes with free(). */
KILN_API KILN_MUST_USE enum kiln_status
kiln_image_serialize(const struct kiln_image *image, const struct kiln_image_write_options *options,
                     uint8_t **out_bytes, size_t *out_len, struct kiln_error *out_error);

#ifdef __cplusplus
}
#endif
#endif
