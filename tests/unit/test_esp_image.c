/* SPDX-License-Identifier: MIT */
/*
 * Images for Espressif's chips. The SHA-256 sums are of what esptool 5.2.0 makes of the same ELF files with the same
 * options, so that a byte that moves shows.
 */
#include <kiln/esp_image.h>

#include "base/bytes.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t *read_elf(const char *name, size_t *out_len)
{
    const char *root = getenv("KILN_SOURCE_ROOT");
    uint8_t *bytes = malloc(1 << 16);
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/tests/esp-elf/%s.elf", root != NULL ? root : ".", name);
    file = fopen(path, "rb");
    if (file == NULL || bytes == NULL)
        fail_msg("%s cannot be read", path);
    *out_len = fread(bytes, 1, 1 << 16, file);
    fclose(file);
    return bytes;
}

static void sum_is(const uint8_t *bytes, size_t len, const char *expected)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char text[65];

    assert_int_equal(EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL), 1);
    for (size_t i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, expected);
}

#define OPTIONS(...)                                               \
    {                                                              \
        .size = sizeof(struct kiln_esp_build_options), __VA_ARGS__ \
    }

static const struct {
    struct kiln_esp_build_options options;
    const char *sum, *second;
} made[] = {
    {OPTIONS(.chip = "esp8266", .version = 1),
     "aba552f8676f30badee5f7a13214b01d048d883c2ce3d5ee70f073237bf7a871",
     "d03f22ba1c0ac6f968eb36f8031129de0e92aba60cf3ec413e2ecb117c2e2d37"},
    {OPTIONS(.chip = "esp8266", .version = 2, .flash_size = "4MB", .flash_freq = "80m"),
     "77661a23aa233fa2ef7b6c26fad1c76037112da7289e3177ea4d39c63a32c8b5", NULL},
    {OPTIONS(.chip = "esp8266", .version = 3, .flash_mode = "dio"),
     "e39c41a43cd71364a62526f9c64843844f336f26850af85a8f4e073d7401c88f", NULL},
    {OPTIONS(.chip = "esp32", .version = 1),
     "6899e2deb4db2c0b64cc261b3bfae81358d3f381556b55da635758d2ba9e2a0e", NULL},
    {OPTIONS(.chip = "esp32", .version = 1, .flash_mode = "dio", .flash_size = "4MB",
             .flash_freq = "40m"),
     "6721cdaa78e7f215d6a00ef45cdf0f91430393a42c176833d19f7dad1eec881f", NULL},
    {OPTIONS(.chip = "esp32", .version = 1, .secure_pad = KILN_ESP_SECURE_PAD_V1),
     "2af71026f093dc9a3e4d0aafbadba6885c0039e8cfff29eba52bdca9add45f85", NULL},
    {OPTIONS(.chip = "esp32", .version = 1, .secure_pad = KILN_ESP_SECURE_PAD_V2),
     "485d2e4e2573886e3e693d9f38d1b97f7a9d2e245eaa1f6a5708c2ca6d578301", NULL},
    {OPTIONS(.chip = "esp32", .version = 1, .ram_only_header = true),
     "4fdf1b794509bf272de30c06fcb5a656846a83793fb1c0ba260359c52f94810e", NULL},
    {OPTIONS(.chip = "esp32", .version = 1, .use_segments = true),
     "aa2e781f143475f2924365d83a4fc43e6c66df9af802c5f1a5015b36e603381d", NULL},
    {OPTIONS(.chip = "esp32", .version = 1, .no_digest = true, .min_rev = 3, .min_rev_full = 301,
             .max_rev_full = 399),
     "c1340ca0d8c66f9ae267ecfaa3ff8e65ef38435fc9724eafe927910b53a6a19e", NULL},
    {OPTIONS(.chip = "esp32", .version = 1, .pad_to_size = 65536),
     "39b8e1c5257b0b4f0249309a92c118789c8767443e1044e72880174bc9627611", NULL},
    {OPTIONS(.chip = "esp32", .version = 1, .elf_sha256_offset = 0xb0),
     "6899e2deb4db2c0b64cc261b3bfae81358d3f381556b55da635758d2ba9e2a0e", NULL},
    {OPTIONS(.chip = "esp32c3", .version = 1),
     "c841f289ed3053314e1977e0b8c00316d54ef69abb5e190d7e604716dd4feaa3", NULL},
    {OPTIONS(.chip = "esp32c3", .version = 1, .secure_pad = KILN_ESP_SECURE_PAD_V2,
             .flash_size = "4MB"),
     "7cc8e37011ab9af7bad724ac350c9fd1411b498e795faa0750658eec4b210e31", NULL},
    {OPTIONS(.chip = "esp32c3", .version = 1, .ram_only_header = true),
     "8cb2b3ecc5b585dfd366a712ce255eb87987e45a2dd4f68629cb9b10d9d9410d", NULL},
    {OPTIONS(.chip = "esp32c6", .version = 1),
     "376b90ca4c7afc041a35e0d2a9e78ea1e3df5eed348ae1f3750b85e6d7accd8a", NULL},
    {OPTIONS(.chip = "esp32c6", .version = 1, .mmu_page_size = 16384),
     "12064b27d53ac9bac4535b217292057b4f520c611d3fe0779307df1c998f8378", NULL},
    {OPTIONS(.chip = "esp32c6", .version = 1, .ram_only_header = true),
     "5f43ef1316c41cbeb477651464c1802e8842eb3d71d2dd472a9f08702e1120ac", NULL},
    {OPTIONS(.chip = "esp32c6", .version = 1, .flash_freq = "20m",
             .secure_pad = KILN_ESP_SECURE_PAD_V2),
     "f172125d76a7bf3abecbd4491d97050ff923b64fc2c3bca2f766e072e3f7ccb2", NULL},
};

static void images_equal_those_of_esptool(void **state)
{
    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(made); i++) {
        struct kiln_esp_built built;
        struct kiln_error error;
        size_t len;
        uint8_t *elf = read_elf(made[i].options.chip, &len);
        struct kiln_esp_build_options options = made[i].options;

        if (options.max_rev_full == 0)
            options.max_rev_full = UINT16_MAX;
        if (kiln_esp_build(elf, len, &options, &built, &error) != KILN_OK)
            fail_msg("row %zu: %s", i, error.message);
        assert_int_equal(built.part_count, made[i].second != NULL ? 2 : 1);
        sum_is(built.part[0].bytes, built.part[0].len, made[i].sum);
        if (made[i].second != NULL)
            sum_is(built.part[1].bytes, built.part[1].len, made[i].second);
        kiln_esp_built_free(&built);
        free(elf);
    }
}

/* The image of a chip with default options; the caller frees the parts. */
static struct kiln_esp_built image_of(const char *chip)
{
    struct kiln_esp_build_options options = KILN_ESP_BUILD_OPTIONS_INIT;
    struct kiln_esp_built built;
    size_t len;
    uint8_t *elf = read_elf(chip, &len);

    options.chip = chip;
    assert_int_equal(kiln_esp_build(elf, len, &options, &built, NULL), KILN_OK);
    free(elf);
    return built;
}

static void an_elf_for_another_processor_is_refused_on_request(void **state)
{
    struct kiln_esp_build_options options = KILN_ESP_BUILD_OPTIONS_INIT;
    struct kiln_esp_built built;
    struct kiln_error error;
    size_t len;
    uint8_t *elf = read_elf("esp32", &len);

    (void)state;
    options.own_machine = true;
    options.chip = "esp32";
    assert_int_equal(kiln_esp_build(elf, len, &options, &built, NULL), KILN_OK);
    kiln_esp_built_free(&built);
    options.chip = "esp32c3";
    assert_int_equal(kiln_esp_build(elf, len, &options, &built, &error), KILN_E_FILE);
    assert_string_equal(error.message, "is for an Xtensa processor, which ESP32-C3 does not have");
    free(elf);
}

/* esptool cuts off the image here, from its third byte on. */
static void padding_without_digest_keeps_the_image(void **state)
{
    struct kiln_esp_build_options options = KILN_ESP_BUILD_OPTIONS_INIT;
    struct kiln_esp_built plain, padded;
    size_t len;
    uint8_t *elf = read_elf("esp32", &len);

    (void)state;
    options.chip = "esp32";
    options.no_digest = true;
    assert_int_equal(kiln_esp_build(elf, len, &options, &plain, NULL), KILN_OK);
    options.pad_to_size = 1 << 20;
    assert_int_equal(kiln_esp_build(elf, len, &options, &padded, NULL), KILN_OK);
    assert_int_equal(padded.part[0].len, 1 << 20);
    assert_memory_equal(padded.part[0].bytes, plain.part[0].bytes, plain.part[0].len);
    assert_int_equal(padded.part[0].bytes[plain.part[0].len], 0xff);
    kiln_esp_built_free(&plain);
    kiln_esp_built_free(&padded);
    free(elf);
}

static void every_cut_elf_is_refused_or_made(void **state)
{
    struct kiln_esp_build_options options = KILN_ESP_BUILD_OPTIONS_INIT;
    size_t len, refused = 0;
    uint8_t *elf = read_elf("esp32c3", &len);

    (void)state;
    options.chip = "esp32c3";
    for (size_t cut = 0; cut < len; cut++) {
        struct kiln_esp_built built;
        struct kiln_error error = {0};
        uint8_t *exact = malloc(cut + 1);

        assert_non_null(exact);
        memcpy(exact, elf, cut);
        if (kiln_esp_build(exact, cut, &options, &built, &error) != KILN_OK) {
            assert_int_equal(error.status, KILN_E_FILE);
            assert_true(error.message[0] != '\0');
            refused++;
        }
        kiln_esp_built_free(&built);
        free(exact);
    }
    assert_int_equal(refused, len);
    free(elf);
}

static void options_that_do_not_fit_the_chip_are_refused(void **state)
{
    static const struct kiln_esp_build_options bad[] = {
        OPTIONS(.version = 1),
        OPTIONS(.chip = "stm32f405", .version = 1),
        OPTIONS(.chip = "esp32c3", .version = 4),
        OPTIONS(.chip = "esp32c3", .version = 1, .flash_freq = "30m"),
        OPTIONS(.chip = "esp32c3", .version = 1, .flash_size = "512KB"),
        OPTIONS(.chip = "esp32c3", .version = 1, .flash_mode = "fast"),
        OPTIONS(.chip = "esp32c3", .version = 1, .no_digest = true,
                .secure_pad = KILN_ESP_SECURE_PAD_V2),
        OPTIONS(.chip = "esp32c6", .version = 1, .mmu_page_size = 4096),
        OPTIONS(.chip = "esp32c3", .version = 1, .pad_to_size = UINT64_MAX),
    };
    size_t len;
    uint8_t *elf = read_elf("esp32c3", &len);

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(bad); i++) {
        struct kiln_esp_built built;
        struct kiln_error error = {0};

        if (kiln_esp_build(elf, len, &bad[i], &built, &error) != KILN_E_ARG)
            fail_msg("row %zu: %s", i, error.message);
        assert_int_equal(built.part_count, 0);
    }
    free(elf);
}

static void an_image_is_looked_into(void **state)
{
    struct kiln_esp_built built = image_of("esp32c6");
    struct kiln_esp_image image;

    (void)state;
    assert_int_equal(
        kiln_esp_inspect(built.part[0].bytes, built.part[0].len, NULL, NULL, &image, NULL),
        KILN_OK);
    assert_string_equal(image.chip, "esp32c6");
    assert_true(image.detected && image.extended && image.digest && image.has_app);
    assert_int_equal(image.checksum, image.checksum_found);
    assert_memory_equal(image.sha256, image.sha256_found, 32);
    assert_string_equal(image.app.project, "kiln-test");
    assert_string_equal(image.app.version, "1.2.3");
    assert_int_equal(image.app.mmu_page_size, 32768);
    assert_string_equal(image.segment[0].memory, "DROM, IROM");
    assert_int_equal(image.segment[0].address, 0x42000020);
    assert_int_equal(image.segment[0].offset, 24);
    built.part[0].bytes[0x100] ^= 1;
    assert_int_equal(
        kiln_esp_inspect(built.part[0].bytes, built.part[0].len, NULL, NULL, &image, NULL),
        KILN_OK);
    assert_int_not_equal(image.checksum, image.checksum_found);
    assert_memory_not_equal(image.sha256, image.sha256_found, 32);
    kiln_esp_built_free(&built);
}

static void the_header_is_changed_with_its_digest(void **state)
{
    struct kiln_esp_built built = image_of("esp32");
    uint8_t *bytes = built.part[0].bytes;
    size_t len = built.part[0].len;
    struct kiln_esp_image image;

    (void)state;
    assert_int_equal(
        kiln_esp_patch_header(bytes, len, "esp32", 0x1000, "dout", "8MB", "80m", NULL, NULL),
        KILN_OK);
    assert_int_equal(bytes[2], 3);
    assert_int_equal(bytes[3], 0x3f);
    assert_int_equal(kiln_esp_inspect(bytes, len, "esp32", NULL, &image, NULL), KILN_OK);
    assert_memory_equal(image.sha256, image.sha256_found, 32);
    /* Elsewhere it is no bootloader. */
    assert_int_equal(
        kiln_esp_patch_header(bytes, len, "esp32", 0x10000, "qio", NULL, NULL, NULL, NULL),
        KILN_OK);
    assert_int_equal(bytes[2], 3);
    assert_int_equal(
        kiln_esp_patch_header(bytes, len, "esp32", 0x1000, NULL, "512KB", NULL, NULL, NULL),
        KILN_E_ARG);
    assert_int_equal(bytes[3], 0x3f);
    kiln_esp_built_free(&built);
}

static void files_are_merged(void **state)
{
    static const uint8_t low[] = {1, 2, 3}, high[600] = {9};
    const struct kiln_esp_merge_input inputs[] = {
        {.name = "high", .address = 0xfff8, .bytes = high, .len = sizeof high},
        {.name = "low", .address = 0x1000, .bytes = low, .len = sizeof low}};
    struct kiln_esp_merge_options options = KILN_ESP_MERGE_OPTIONS_INIT;
    uint8_t *bytes;
    size_t len;

    (void)state;
    options.chip = "esp32c3";
    options.target_offset = 0x1000;
    assert_int_equal(kiln_esp_merge(inputs, 2, &options, &bytes, &len, NULL), KILN_OK);
    assert_int_equal(len, 0xeff8 + sizeof high);
    assert_memory_equal(bytes, low, sizeof low);
    assert_int_equal(bytes[sizeof low], 0xff);
    assert_int_equal(bytes[0xeff8], 9);
    free(bytes);
    options.target_offset = 0x1001;
    assert_int_equal(kiln_esp_merge(inputs, 2, &options, &bytes, &len, NULL), KILN_E_ARG);
    options.target_offset = 0;
    options.format = KILN_ESP_MERGE_HEX;
    assert_int_equal(kiln_esp_merge(inputs, 2, &options, &bytes, &len, NULL), KILN_OK);
    sum_is(bytes, len, "8e66f8bba78d8f2f51f12704b1e302fe0d4f1a6491e8151513cf5cd67dc039d0");
    free(bytes);
    options.format = KILN_ESP_MERGE_UF2;
    assert_int_equal(kiln_esp_merge(inputs, 2, &options, &bytes, &len, NULL), KILN_OK);
    assert_int_equal(len, 3 * 512);
    sum_is(bytes, len, "34f8757f120a1b3deadc089fdea2aa4e1aa00d23c686429fa3144af6cb8cb50b");
    free(bytes);
    options.chunk_size = 476;
    assert_int_equal(kiln_esp_merge(inputs, 2, &options, &bytes, &len, NULL), KILN_E_ARG);
}

static void overlapping_files_are_refused(void **state)
{
    static const uint8_t some[16];
    const struct kiln_esp_merge_input inputs[] = {
        {.name = "one", .address = 8, .bytes = some, .len = sizeof some},
        {.name = "two", .address = 0, .bytes = some, .len = sizeof some}};
    struct kiln_esp_merge_options options = KILN_ESP_MERGE_OPTIONS_INIT;
    struct kiln_error error;
    uint8_t *bytes;
    size_t len;

    (void)state;
    options.chip = "esp32";
    assert_int_equal(kiln_esp_merge(inputs, 2, &options, &bytes, &len, &error), KILN_E_ARG);
    assert_non_null(strstr(error.message, "one"));
    assert_int_equal(kiln_esp_merge(inputs, 0, &options, &bytes, &len, &error), KILN_E_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_equal_those_of_esptool),
        cmocka_unit_test(an_elf_for_another_processor_is_refused_on_request),
        cmocka_unit_test(padding_without_digest_keeps_the_image),
        cmocka_unit_test(every_cut_elf_is_refused_or_made),
        cmocka_unit_test(options_that_do_not_fit_the_chip_are_refused),
        cmocka_unit_test(an_image_is_looked_into),
        cmocka_unit_test(the_header_is_changed_with_its_digest),
        cmocka_unit_test(files_are_merged),
        cmocka_unit_test(overlapping_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
