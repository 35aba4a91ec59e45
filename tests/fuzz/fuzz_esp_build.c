/* SPDX-License-Identifier: MIT */
/* An ELF file from anywhere becomes an image that the boot loader takes, or an error. The first eight bytes choose the
 * chip and the options. */
#include <kiln/chip.h>
#include <kiln/esp_image.h>

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const chips[] = {"esp8266",  "esp32",   "esp32s2", "esp32s3",  "esp32c2",
                                    "esp32c3",  "esp32c5", "esp32c6", "esp32c61", "esp32h2",
                                    "esp32h21", "esp32h4", "esp32p4", "esp32e22", "esp32s31"};

static void choose(const uint8_t *data, struct kiln_esp_build_options *o)
{
    static const uint32_t pages[] = {0, 0, 8192, 16384, 32768, 65536};

    o->chip = chips[data[0] % KILN_ARRAY_LEN(chips)];
    o->version = data[1] % 3 + 1;
    o->secure_pad = (enum kiln_esp_secure_pad)(data[2] % 3);
    o->mmu_page_size = pages[data[3] % KILN_ARRAY_LEN(pages)];
    o->elf_sha256_offset = data[4];
    o->use_segments = (data[5] & 1) != 0;
    o->ram_only_header = (data[5] & 2) != 0;
    o->no_digest = (data[5] & 4) != 0;
    o->pad_to_size = (uint64_t)(data[6] % 4) * 4096;
}

static void check(const struct kiln_esp_build_options *o, const struct kiln_esp_built_part *part)
{
    struct kiln_esp_image image;
    struct kiln_error error;

    if (part->bytes[0] == 0xe9 && part->bytes[1] > KILN_ESP_SEGMENTS_MAX)
        return; /* pieces of RAM segments count too; no reader takes so many */
    if (kiln_esp_inspect(part->bytes, part->len, o->chip, NULL, &image, &error) != KILN_OK) {
        if (strstr(error.message, "max 16") != NULL)
            return;
        abort();
    }
    if (image.checksum != image.checksum_found)
        abort();
    if (image.digest && memcmp(image.sha256, image.sha256_found, sizeof image.sha256) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_esp_build_options options = KILN_ESP_BUILD_OPTIONS_INIT;
    struct kiln_esp_built built;
    struct kiln_error error;

    if (size < 8)
        return 0;
    choose(data, &options);
    if (kiln_esp_build(data + 8, size - 8, &options, &built, &error) != KILN_OK) {
        if (error.message[0] == '\0' || built.part_count != 0)
            abort();
        return 0;
    }
    /* Version 2 without a flash-mapped segment has no first segment to read. */
    if (built.version != 2 || kiln_le32(built.part[0].bytes + 8) == 0)
        check(&options, &built.part[built.part_count - 1]);
    kiln_esp_built_free(&built);
    return 0;
}
