/* SPDX-License-Identifier: MIT */
/* What can be parsed and written in a format comes back from it with the same bytes at the same places. */
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

/* The bytes at `address` in `image`, at least `size` of them. */
static const uint8_t *bytes_at(const struct kiln_image *image, const struct kiln_segment *like)
{
    for (size_t i = 0; i < kiln_image_segment_count(image); i++) {
        const struct kiln_segment *s = kiln_image_segment(image, i);

        if (s->alt == like->alt && s->address <= like->address &&
            like->address + like->size <= s->address + s->size)
            return s->data + (like->address - s->address);
    }
    return NULL;
}

static void compare(const struct kiln_image *was, const struct kiln_image *is, bool exact)
{
    if (exact) {
        require(kiln_image_total_bytes(was) == kiln_image_total_bytes(is));
        require(kiln_image_segment_count(was) == kiln_image_segment_count(is));
    }
    for (size_t i = 0; i < kiln_image_segment_count(was); i++) {
        struct kiln_segment like = *kiln_image_segment(was, i);
        const uint8_t *bytes;

        if (kiln_image_info(is)->type != KILN_IMAGE_DFUSE)
            like.alt = 0;
        bytes = bytes_at(is, &like);
        require(bytes != NULL && memcmp(bytes, like.data, like.size) == 0);
    }
}

static void there_and_back(const struct kiln_image *image, enum kiln_image_type type)
{
    struct kiln_image_write_options how = KILN_IMAGE_WRITE_OPTIONS_INIT;
    struct kiln_image *back;
    uint8_t *bytes;
    size_t len;

    how.type = type;
    if (kiln_image_serialize(image, &how, &bytes, &len, NULL) != KILN_OK)
        return;
    require(kiln_image_parse("back", bytes, len, NULL, &back, NULL) == KILN_OK);
    require(kiln_image_info(back)->type == type);
    compare(image, back, type != KILN_IMAGE_UF2);
    if (kiln_image_info(image)->entry <= UINT32_MAX &&
        (type == KILN_IMAGE_IHEX || type == KILN_IMAGE_SREC))
        require(kiln_image_info(back)->entry == kiln_image_info(image)->entry);
    free(bytes);
    kiln_image_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;

    options.max_size = 1 << 20;
    if (kiln_image_parse("input", data, size, &options, &image, NULL) != KILN_OK)
        return 0;
    there_and_back(image, KILN_IMAGE_IHEX);
    there_and_back(image, KILN_IMAGE_SREC);
    there_and_back(image, KILN_IMAGE_DFUSE);
    there_and_back(image, KILN_IMAGE_UF2);
    kiln_image_free(image);
    return 0;
}
