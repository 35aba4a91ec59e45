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
    KILN_IMAGE_UNKNOWN = 0, /* raw bytes that look like nothing we know: "unknown" */
    KILN_IMAGE_ELF,         /* "elf" */
    KILN_IMAGE_IHEX,        /* "ihex" */
    KILN_IMAGE_SREC,        /* "srec" */
    KILN_IMAGE_UF2,         /* "uf2" */
    KILN_IMAGE_DFU,         /* "dfu": any payload with a DFU suffix or prefix that is not DfuSe */
    KILN_IMAGE_DFUSE,       /* "dfuse" */
    KILN_IMAGE_ESP,         /* "esp-image": E9 header (bootloader or application) */
    KILN_IMAGE_ESP_PARTITIONS, /* "esp-partitions" */
    KILN_IMAGE_ESP_OTADATA,    /* "esp-otadata": two records that say which application starts */
    KILN_IMAGE_ESP_NVS,        /* "esp-nvs": pages of non-volatile storage */
    KILN_IMAGE_ESP_MERGED, /* "esp-merged": FF-filled flash image with bootloader, table, app inside */
    KILN_IMAGE_CORTEX_M,  /* "cortex-m": raw binary that starts with a vector table */
    KILN_IMAGE_ENCRYPTED, /* "encrypted": too much entropy for code, in all or behind the vectors */
    KILN_IMAGE_TYPE_COUNT
};

/* Static storage. */
KILN_API const char *kiln_image_type_name(enum kiln_image_type type);

/* The type of that name ("unknown" and "raw": raw bytes), false if there is none. */
KILN_API bool kiln_image_type_find(const char *name, enum kiln_image_type *out_type);

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

/* What an ESP image is for. */
enum kiln_esp_role { KILN_ESP_ROLE_UNKNOWN, KILN_ESP_ROLE_BOOTLOADER, KILN_ESP_ROLE_APP };

struct kiln_image_info {
    enum kiln_image_type type;
    enum kiln_image_type payload; /* what stands inside a plain DFU file; else the same as type */
    const char *chip; /* "esp32", "stm32f405" ... as far as the file tells, else NULL; static */
    uint64_t address; /* lowest address, KILN_NO_ADDRESS if the file does not tell */
    enum kiln_address_source address_source;
    /* where a raw image was linked to run, by its vector table, wherever it was placed since; KILN_NO_ADDRESS if
     * unknown */
    uint64_t linked;
    uint64_t entry;      /* KILN_NO_ADDRESS if the file does not tell */
    unsigned confidence; /* 0..100 for `linked`, else 100 */
    /* false: `linked` is no place where a bootloader is known to look for an application */
    bool usual;
    uint16_t elf_machine;         /* e_machine of an ELF file, else 0 */
    int32_t esp_chip_id;          /* -1 if not an ESP image with a chip id */
    enum kiln_esp_role esp_role;  /* as far as the image tells */
    uint32_t uf2_family;          /* 0: none */
    int32_t vid, pid, bcd_device; /* from a DFU suffix; -1 none or wildcard */
    bool has_checksum;            /* the format carries one (checked when loaded) */
    char why[256];                /* "ELF header, machine ARM" */
    char notes[1024]; /* further lines for people, '\n' between: "DFU suffix removed", ... */
};

/* A piece that an ESP image's loader copies or maps, in file order. */
struct kiln_image_memory {
    uint64_t address;
    size_t offset; /* of its data in the image */
    size_t size;
};

#define KILN_IMAGE_MEMORY_MAX 16

/* A row of an ESP partition table. */
struct kiln_esp_partition {
    uint8_t type, subtype; /* 0 app, 1 data, ... as in ESP-IDF */
    uint32_t offset, size; /* in flash */
    uint32_t flags;        /* bit 0 encrypted, bit 1 read-only */
    char label[17];
};

/* A part of a whole ESP flash: bootloader, partition table, contents of a partition. */
struct kiln_image_part {
    uint64_t offset, size; /* in flash; as much of it as the file holds */
    char what[24];         /* "bootloader", "partition table", label of the partition */
    char text[200];        /* "kiln-example, version 1.0.0", "blank", "2 of 6 pages in use", ... */
};

struct kiln_image;

struct kiln_image_options {
    size_t size;      /* sizeof(struct kiln_image_options) */
    uint64_t address; /* for a file without addresses; KILN_NO_ADDRESS to infer or leave open */
    enum kiln_image_type type; /* force a format; KILN_IMAGE_UNKNOWN: recognise */
    bool raw;                  /* take the bytes as they are, a DFU suffix included */
    uint64_t max_size;         /* ceiling in bytes of all segments together; 0: 256 MiB */
    uint32_t uf2_family; /* of a UF2 file for several families the one to take; 0: the only one */
};

#define KILN_IMAGE_OPTIONS_INIT                                               \
    {                                                                         \
        .size = sizeof(struct kiln_image_options), .address = KILN_NO_ADDRESS \
    }

/*
 * Loads one file, or `len` bytes with `name` for messages. FILE: the content is damaged, with the place;
 * ARG: options.address is given for a file that states others, or the family is to be chosen; IO: it
 * cannot be read; NOMEM. The error goes to *out_error (may be NULL); *out_image is NULL then.
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

/* An empty image to merge into. NOMEM. */
KILN_API KILN_MUST_USE enum kiln_status kiln_image_new(struct kiln_image **out_image);

/* Adds the segments of `from` (copied). FILE with both places when they overlap, ARG if `from` has no
 * address: `into` is then as it was. After NOMEM it can only be freed. */
KILN_API KILN_MUST_USE enum kiln_status kiln_image_merge(struct kiln_image *into,
                                                         const struct kiln_image *from,
                                                         struct kiln_error *out_error);

/* Moves a raw image to `address`, whatever was inferred. ARG if its format states another one. */
KILN_API KILN_MUST_USE enum kiln_status kiln_image_place(struct kiln_image *image, uint64_t address,
                                                         enum kiln_address_source source,
                                                         struct kiln_error *out_error);

KILN_API void kiln_image_free(struct kiln_image *image); /* NULL is fine */

/* These borrow from the image, until it is placed, merged into or freed. */
KILN_API const struct kiln_image_info *kiln_image_info(const struct kiln_image *image);
KILN_API const char *kiln_image_name(const struct kiln_image *image);
KILN_API size_t kiln_image_segment_count(const struct kiln_image *image);
/* Ordered by alt, then address; NULL behind the last. Until a raw image is placed, its one segment has address 0. */
KILN_API const struct kiln_segment *kiln_image_segment(const struct kiln_image *image,
                                                       size_t index);
KILN_API uint64_t kiln_image_total_bytes(const struct kiln_image *image);
/* The memory pieces of an ESP image; none for other types. */
KILN_API const struct kiln_image_memory *kiln_image_memory(const struct kiln_image *image,
                                                           size_t *out_count);
/* The rows of an ESP partition table, alone or in a merged image; none for other types. */
KILN_API const struct kiln_esp_partition *kiln_image_partitions(const struct kiln_image *image,
                                                                size_t *out_count);
/* What a merged ESP image is made of, by offset; none for other types. */
KILN_API const struct kiln_image_part *kiln_image_parts(const struct kiln_image *image,
                                                        size_t *out_count);
/* The LPC or TI Stellaris prefix of a DFU file: such a bootloader wants it before the first segment in a
 * download. NULL and 0 if there is none. */
KILN_API const uint8_t *kiln_image_prefix(const struct kiln_image *image, size_t *out_len);

/* ---- writing -------------------------------------------------------------------------------- */

struct kiln_image_write_options {
    size_t size;
    enum kiln_image_type type;    /* ihex, srec, uf2, dfu, dfuse, or unknown for raw bytes */
    uint8_t fill;                 /* between segments of a raw or plain DFU file; default FF */
    uint32_t uf2_family;          /* 0: as the image came with, or none */
    int32_t vid, pid, bcd_device; /* for suffixes; -1: as the image came with, or FFFF */
};

#define KILN_IMAGE_WRITE_OPTIONS_INIT                                                        \
    {                                                                                        \
        .size = sizeof(struct kiln_image_write_options), .fill = 0xff, .vid = -1, .pid = -1, \
        .bcd_device = -1                                                                     \
    }

/* Writes to `path`, whole or not at all ("-" = standard output is the caller's business: use
 * kiln_image_serialize). ARG if the format cannot hold the image, IO. */
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
