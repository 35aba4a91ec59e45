/* SPDX-License-Identifier: MIT */
/*
 * Images for the boot loaders of Espressif's chips: made from ELF files, put together, looked into. No board is
 * needed. The bytes are those that esptool 5.2.0 makes of the same input.
 */
#ifndef KILN_ESP_IMAGE_H
#define KILN_ESP_IMAGE_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a function tells on the way. */
enum kiln_esp_say { KILN_ESP_SAY_INFO, KILN_ESP_SAY_NOTE, KILN_ESP_SAY_WARNING };

struct kiln_esp_listener {
    /* One line without newline, valid during the call only. */
    void (*say)(void *user, enum kiln_esp_say kind, const char *text);
    void *user;
};

/* ---- ELF to image --------------------------------------------------------------------------- */

enum kiln_esp_secure_pad {
    KILN_ESP_SECURE_PAD_NONE,
    KILN_ESP_SECURE_PAD_V1, /* the image with its secure boot v1 signature ends on 64 KB; without
                               effect on chips that have no secure boot v1 */
    KILN_ESP_SECURE_PAD_V2  /* the signature sector of secure boot v2 begins on a page */
};

struct kiln_esp_build_options {
    size_t size;      /* sizeof(struct kiln_esp_build_options) */
    const char *chip; /* name of a chip row, must be given */
    unsigned version; /* 1, 2, 3: layout of images for the ESP8266; others ignore it */
    const char *flash_mode, *flash_size; /* "dio", "4MB"; NULL: qio, 1MB */
    const char *flash_freq;              /* "40m"; NULL: the frequency with code 0 */
    uint8_t min_rev;                     /* old field: major revision */
    uint16_t min_rev_full, max_rev_full; /* major * 100 + minor */
    enum kiln_esp_secure_pad secure_pad;
    uint64_t elf_sha256_offset; /* where in the image the ELF file's SHA-256 goes; 0: into the
                                   application descriptor if there is one in flash */
    uint32_t mmu_page_size;     /* 0: as the application descriptor says, or 64 KB */
    uint64_t pad_to_size;       /* filled up with FF to a multiple of this; 0: not */
    bool no_digest;             /* no SHA-256 behind the image */
    bool use_segments;          /* program headers instead of sections */
    bool ram_only_header;       /* RAM segments first and only these counted in the header */
    bool own_machine;           /* an ELF file for another processor than the chip's is refused */
    struct kiln_esp_listener listener;
};

#define KILN_ESP_BUILD_OPTIONS_INIT                                                             \
    {                                                                                           \
        .size = sizeof(struct kiln_esp_build_options), .version = 1, .max_rev_full = UINT16_MAX \
    }

#define KILN_ESP_BUILT_PARTS 2

/* One file that was made. */
struct kiln_esp_built_part {
    uint8_t *bytes;
    size_t len;
    uint32_t offset; /* in flash, of the flash-mapped part of version 1 and 2; else 0 */
};

struct kiln_esp_built {
    /* version 1: the flash-mapped part first, if there is one */
    struct kiln_esp_built_part part[KILN_ESP_BUILT_PARTS];
    size_t part_count;
    unsigned version; /* layout, of a chip that has several; else 0 */
};

/* FILE: the ELF file is damaged or cannot be laid out; ARG: an option does not fit the chip. *out is empty
 * then. Free with kiln_esp_built_free(). */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_build(const uint8_t *elf, size_t len,
                                                       const struct kiln_esp_build_options *options,
                                                       struct kiln_esp_built *out,
                                                       struct kiln_error *out_error);
KILN_API void kiln_esp_built_free(struct kiln_esp_built *built);

/* A segment that is there already, for kiln_esp_assemble(). */
struct kiln_esp_blob {
    uint32_t address;
    const uint8_t *bytes;
    size_t len;
};

/* A version 1 image of an ESP8266 made of ready segments, header fields 0. */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_assemble(const struct kiln_esp_blob *blobs,
                                                          size_t count, uint32_t entry,
                                                          uint8_t **out_bytes, size_t *out_len,
                                                          struct kiln_error *out_error);

/* ---- files to one file ---------------------------------------------------------------------- */

enum kiln_esp_merge_format { KILN_ESP_MERGE_RAW, KILN_ESP_MERGE_UF2, KILN_ESP_MERGE_HEX };

struct kiln_esp_merge_input {
    const char *name; /* for messages */
    uint64_t address; /* in flash */
    const uint8_t *bytes;
    size_t len;
};

struct kiln_esp_merge_options {
    size_t size;
    const char *chip; /* must be given */
    enum kiln_esp_merge_format format;
    const char *flash_mode, *flash_size, *flash_freq; /* for the bootloader's header; NULL: keep */
    uint64_t target_offset; /* raw: flash offset of the first byte written */
    uint64_t pad_to_size;   /* raw: flash offset up to which FF is added; 0: none */
    uint32_t chunk_size;    /* uf2: bytes of data in a block; 0: as many as fit */
    bool no_md5;            /* uf2 */
    struct kiln_esp_listener listener;
};

#define KILN_ESP_MERGE_OPTIONS_INIT                   \
    {                                                 \
        .size = sizeof(struct kiln_esp_merge_options) \
    }

/* The inputs must not overlap and may stand in any order. ARG, FILE; free *out_bytes with free(). */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_merge(const struct kiln_esp_merge_input *inputs,
                                                       size_t count,
                                                       const struct kiln_esp_merge_options *options,
                                                       uint8_t **out_bytes, size_t *out_len,
                                                       struct kiln_error *out_error);

/*
 * Changes mode, size and frequency (NULL: keep) in the header at `bytes`, and the SHA-256 behind the image,
 * if this is a valid image for `chip` and `address` is where its bootloader belongs. Else says why and
 * changes nothing. ARG if the chip does not have the value.
 */
KILN_API KILN_MUST_USE enum kiln_status
kiln_esp_patch_header(uint8_t *bytes, size_t len, const char *chip, uint64_t address,
                      const char *flash_mode, const char *flash_size, const char *flash_freq,
                      const struct kiln_esp_listener *listener, struct kiln_error *out_error);

/* ---- looking into an image ------------------------------------------------------------------ */

#define KILN_ESP_SEGMENTS_MAX 16

struct kiln_esp_segment {
    uint32_t address, size; /* size with padding to 4 bytes */
    size_t offset;          /* of its header in the file; its data is 8 bytes further */
    char memory[96];        /* "DRAM, BYTE_ACCESSIBLE" */
};

struct kiln_esp_app {
    char project[33], version[33], time[17], date[17], idf[33];
    uint8_t elf_sha256[32];
    uint32_t secure_version;
    uint16_t min_efuse_block, max_efuse_block; /* major * 100 + minor */
    uint32_t mmu_page_size;                    /* bytes, 0: not told */
};

struct kiln_esp_boot {
    uint32_t version;
    char idf[33], built[25];
};

struct kiln_esp_image {
    const char *chip; /* name of the chip row */
    bool detected;    /* from the header, not given by the caller */
    unsigned version; /* 1; 2 for the two-part layout of the ESP8266 */
    uint32_t entry;
    uint8_t flash_mode, flash_size_freq;
    const char *flash_mode_name, *flash_size, *flash_freq; /* NULL: the code means nothing */
    bool extended; /* the fields up to max_rev_full are there */
    uint8_t wp_pin, clk_drv, q_drv, d_drv, cs_drv, hd_drv, wp_drv;
    uint16_t chip_id;
    const char *chip_id_title; /* "ESP32-C3", NULL if unknown */
    uint8_t min_rev;
    uint16_t min_rev_full, max_rev_full;
    struct kiln_esp_segment segment[KILN_ESP_SEGMENTS_MAX];
    size_t segment_count;
    uint8_t checksum, checksum_found; /* as calculated, as stored */
    size_t data_len;                  /* header to checksum */
    bool digest;                      /* a SHA-256 follows */
    uint8_t sha256[32], sha256_found[32];
    bool has_app, has_boot;
    struct kiln_esp_app app;
    struct kiln_esp_boot boot;
};

/* Reads the image at `bytes`; what follows it is not looked at. A wrong checksum or digest is no error.
 * `chip` NULL: told by the header. FILE with the place. */
KILN_API KILN_MUST_USE enum kiln_status kiln_esp_inspect(const uint8_t *bytes, size_t len,
                                                         const char *chip,
                                                         const struct kiln_esp_listener *listener,
                                                         struct kiln_esp_image *out,
                                                         struct kiln_error *out_error);

#ifdef __cplusplus
}
#endif
#endif
