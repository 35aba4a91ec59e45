/* SPDX-License-Identifier: MIT */
/* Any bytes as a firmware file: an image whose promises hold, or an error with the file's name. */
#include <kiln/image.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Ordered, not overlapping, all bytes there, and the totals add up. */
static void check_segments(const struct kiln_image *image)
{
    uint64_t total = 0;
    unsigned sum = 0;

    for (size_t i = 0; i < kiln_image_segment_count(image); i++) {
        const struct kiln_segment *s = kiln_image_segment(image, i);

        require(s->size > 0);
        if (i > 0)
            require(s[-1].alt < s->alt ||
                    (s[-1].alt == s->alt && s[-1].address + s[-1].size < s->address));
        for (size_t k = 0; k < s->size; k++)
            sum += s->data[k];
        total += s->size;
    }
    require(total == kiln_image_total_bytes(image) && total > 0);
    require(sum != 0xdeadbeef); /* the bytes were read */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;
    struct kiln_error error;
    const struct kiln_image_info *info;

    options.max_size = 4 << 20;
    if (kiln_image_parse("input", data, size, &options, &image, &error) != KILN_OK) {
        require(image == NULL && strncmp(error.message, "input: ", 7) == 0);
        return 0;
    }
    info = kiln_image_info(image);
    require(info->type < KILN_IMAGE_TYPE_COUNT && info->why[0] != '\0');
    require((info->address == KILN_NO_ADDRESS) == (info->address_source == KILN_ADDRESS_NONE));
    check_segments(image);
    kiln_image_free(image);
    return 0;
}
