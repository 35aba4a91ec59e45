/* SPDX-License-Identifier: MIT */
/* Images from anywhere, looked into and with their header changed. The first byte chooses the chip. */
#include <kiln/esp_image.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct kiln_esp_image *image, size_t len)
{
    if (image->data_len > len || image->segment_count > KILN_ESP_SEGMENTS_MAX)
        abort();
    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segment[i].offset + 8 > len || strlen(image->segment[i].memory) >= 96)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const char *chip;
        uint64_t boot;
    } chips[] = {{"esp8266", 0}, {"esp32", 0x1000}, {"esp32c6", 0}, {"esp32p4", 0x2000}};
    struct kiln_esp_image image;
    size_t at = size > 0 ? data[0] % 4 : 0;
    uint8_t *copy;

    if (size < 1)
        return 0;
    if (kiln_esp_inspect(data + 1, size - 1, NULL, NULL, &image, NULL) == KILN_OK)
        check(&image, size - 1);
    copy = malloc(size);
    if (copy == NULL)
        return 0;
    memcpy(copy, data + 1, size - 1);
    if (kiln_esp_patch_header(copy, size - 1, chips[at].chip, chips[at].boot, "dio", "4MB", NULL,
                              NULL, NULL) != KILN_OK)
        abort();
    if (kiln_esp_inspect(copy, size - 1, chips[at].chip, NULL, &image, NULL) == KILN_OK) {
        check(&image, size - 1);
        if (copy[0] == 0xe9 && (image.flash_mode != 2 || image.flash_size == NULL))
            abort();
        if (image.digest && size - 1 - image.data_len >= 32 &&
            memcmp(image.sha256, image.sha256_found, 32) != 0)
            abort();
    }
    free(copy);
    return 0;
}
