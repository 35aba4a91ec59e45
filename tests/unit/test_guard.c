/* SPDX-License-Identifier: MIT */
/* What is refused before the first write, what is only noted, and what `force` does. */
#include "plan/plan.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FLASH 0x08000000u
#define SIZE  (512u << 10)

static uint8_t flash[SIZE];

static enum kiln_status read_flash(void *user, struct kiln_ctx *ctx, uint64_t address,
                                   uint8_t *bytes, size_t len)
{
    uint64_t at = address & ~(uint64_t)FLASH; /* that of an ESP chip begins at 0 */

    (void)user;
    (void)ctx;
    assert_true(at + len <= SIZE);
    memcpy(bytes, flash + at, len);
    return KILN_OK;
}

/* A program linked at `base`: a table, and functions at uneven distances that its handlers point to. */
static void program(uint8_t *bytes, size_t size, uint32_t base, uint32_t sp)
{
    uint32_t at = 0x140;

    for (size_t i = 0; i < size; i += 2)
        kiln_put_le16(bytes + i, 0x2000);
    kiln_put_le32(bytes, sp);
    for (uint32_t i = 1; i < 60; i++) {
        kiln_put_le16(bytes + at, 0xb510);
        kiln_put_le32(bytes + 4 * i, base + at + 1);
        at += 40 + i * i % 37 * 4;
        kiln_put_le16(bytes + at - 2, 0xbd10);
    }
    for (uint32_t i = 60; i < 64; i++)
        kiln_put_le32(bytes + 4 * i, 0x20002000);
}

static struct kiln_target_info board(const char *chip)
{
    struct kiln_target_info info = {.chip = kiln_chip_find(chip), .region_count = 1};

    info.region[0] = (struct kiln_region){
        .name = "Flash", .start = FLASH, .size = SIZE, .page = 2048, .erased = 0xff, .access = 7};
    return info;
}

static const struct kiln_esp_partition partitions[] = {
    {.type = 1, .subtype = 2, .offset = 0x9000, .size = 0x6000, .label = "nvs"},
    {.type = 0, .subtype = 0, .offset = 0x10000, .size = 0x1000, .label = "factory"},
    {.type = 0, .subtype = 16, .offset = 0x20000, .size = 0x10000, .label = "ota_0"},
};
static bool partitions_in_force, erases_all;

static enum kiln_status check(struct kiln_image *image, const struct kiln_target_info *target,
                              bool force, struct kiln_error *out_error,
                              struct kiln_guard_notes *notes)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    const struct kiln_image *images[] = {image};
    struct kiln_guard_input input = {.images = images,
                                     .image_count = 1,
                                     .target = target,
                                     .read = read_flash,
                                     .force = force,
                                     .erase_all = erases_all};
    enum kiln_status status;

    if (partitions_in_force) {
        input.partitions = partitions;
        input.partition_count = KILN_ARRAY_LEN(partitions);
    }
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    *notes = (struct kiln_guard_notes){0};
    status = kiln_guard_files(&ctx, &input, notes);
    if (status == KILN_OK)
        status = kiln_guard_places(&ctx, &input, notes);
    *out_error = ctx.error;
    return status;
}

/* Refused with these words, without force; with force only noted. */
static void refuses(struct kiln_image *image, const struct kiln_target_info *target,
                    enum kiln_hint hint, const char *words)
{
    struct kiln_error error;
    struct kiln_guard_notes notes;

    assert_int_equal(check(image, target, false, &error, &notes), KILN_E_REFUSED);
    if (strstr(error.message, words) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", error.message, words);
    assert_int_equal(error.hint, hint);
    assert_int_equal(check(image, target, true, &error, &notes), KILN_OK);
    if (strstr(notes.text, "forced") == NULL || strstr(notes.text, words) == NULL)
        fail_msg("forced, but the notes are \"%s\"", notes.text);
}

static void allows(struct kiln_image *image, const struct kiln_target_info *target,
                   const char *note)
{
    struct kiln_error error;
    struct kiln_guard_notes notes;

    if (check(image, target, false, &error, &notes) != KILN_OK)
        fail_msg("%s", error.message);
    if (note == NULL ? notes.text[0] != '\0' : strstr(notes.text, note) == NULL)
        fail_msg("notes: \"%s\"", notes.text);
    if (strstr(notes.text, "no bootloader") != NULL)
        assert_string_equal(notes.running, "not running: it has no bootloader");
    else if (strstr(notes.text, "no partition table") != NULL)
        assert_non_null(notes.running);
    else
        assert_null(notes.running);
}

static struct kiln_image *image_at(const uint8_t *bytes, size_t len, uint64_t address)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;

    options.address = address;
    assert_int_equal(kiln_image_parse("fw.bin", bytes, len, &options, &image, NULL), KILN_OK);
    return image;
}

static void a_linked_image_goes_only_where_it_runs(void **state)
{
    static uint8_t bytes[32768];
    struct kiln_target_info target = board("stm32f405");
    struct kiln_image *image;

    (void)state;
    memset(flash, 0xff, sizeof flash);
    program(bytes, sizeof bytes, FLASH + 0x8000, 0x20010000);
    image = image_at(bytes, sizeof bytes, KILN_NO_ADDRESS);
    assert_int_equal(kiln_image_info(image)->linked, FLASH + 0x8000);
    kiln_image_free(image);
    image = image_at(bytes, sizeof bytes, FLASH);
    refuses(image, &target, KILN_HINT_FORCE, "linked to run at 0x08008000");
    kiln_image_free(image);
    program(bytes, sizeof bytes, FLASH, 0x20010000);
    image = image_at(bytes, sizeof bytes, FLASH + 0x8000);
    refuses(image, &target, KILN_HINT_FORCE, "linked to run at 0x08000000");
    kiln_image_free(image);
}

static void an_unusual_place_is_not_taken_for_sure(void **state)
{
    static uint8_t bytes[32768];
    struct kiln_target_info target = board("stm32f405");
    struct kiln_image *image;

    (void)state;
    memset(flash, 0xff, sizeof flash);
    program(bytes, sizeof bytes, FLASH + 0x12200, 0x20010000);
    image = image_at(bytes, sizeof bytes, KILN_NO_ADDRESS);
    assert_int_equal(kiln_image_info(image)->linked, FLASH + 0x12200);
    assert_true(kiln_image_info(image)->confidence > 60);
    refuses(image, &target, KILN_HINT_GIVE_ADDRESS, "belongs at 0x08012200, where no known");
    kiln_image_free(image);
    image = image_at(bytes, sizeof bytes, FLASH + 0x12200); /* said by the user */
    allows(image, &target, "no bootloader: the flash is empty");
    kiln_image_free(image);
    program(bytes, sizeof bytes, FLASH + 0x8000, 0x20010000);
    image = image_at(bytes, sizeof bytes, KILN_NO_ADDRESS);
    allows(image, &target, "are not touched");
    kiln_image_free(image);
}

static void a_bootloader_is_not_overwritten(void **state)
{
    static uint8_t bytes[32768], whole[65536];
    struct kiln_target_info target = board("stm32f405");
    struct kiln_image *image;

    (void)state;
    program(bytes, sizeof bytes, FLASH, 0x20020000);
    image = image_at(bytes, sizeof bytes, KILN_NO_ADDRESS);
    memset(flash, 0xff, sizeof flash);
    allows(image, &target, NULL); /* blank */
    program(flash, 0x4000, FLASH, 0x20001000);
    allows(image, &target, NULL); /* a program, but none behind it */
    program(flash + 0x8000, 0x4000, FLASH + 0x8000, 0x20020000);
    refuses(image, &target, KILN_HINT_FORCE, "overwrite a bootloader");
    kiln_image_free(image);

    /* A new build of the bootloader itself, and a whole flash with both, are welcome. */
    program(bytes, 0x4000, FLASH, 0x20001000);
    image = image_at(bytes, 0x4000, KILN_NO_ADDRESS);
    allows(image, &target, NULL);
    kiln_image_free(image);
    program(whole, 0x8000, FLASH, 0x20003000);
    program(whole + 0x8000, 0x8000, FLASH + 0x8000, 0x20020000);
    image = image_at(whole, sizeof whole, FLASH);
    allows(image, &target, NULL);
    kiln_image_free(image);
}

static void an_application_without_bootloader_is_noted(void **state)
{
    static uint8_t bytes[32768];
    struct kiln_target_info target = board("stm32f405");
    struct kiln_image *image;

    (void)state;
    program(bytes, sizeof bytes, FLASH + 0x8000, 0x20010000);
    image = image_at(bytes, sizeof bytes, KILN_NO_ADDRESS);
    memset(flash, 0xff, sizeof flash);
    allows(image, &target, "no bootloader");
    program(flash, 0x4000, FLASH, 0x20001000);
    allows(image, &target,
           "linked to run at 0x08008000 and goes there; the 32 KiB before it, where a "
           "bootloader lives, are not touched");
    erases_all = true; /* what is there now does not stay */
    allows(image, &target, "no bootloader: the flash will be empty at 0x08000000");
    erases_all = false;
    kiln_image_free(image);
}

static void what_does_not_fit_is_not_forced(void **state)
{
    static uint8_t bytes[SIZE + 1];
    struct kiln_target_info target = board("stm32f405");
    struct kiln_image *image = image_at(bytes, sizeof bytes, FLASH);
    struct kiln_error error;
    struct kiln_guard_notes notes;

    (void)state;
    assert_int_equal(check(image, &target, true, &error, &notes), KILN_E_REFUSED);
    assert_int_equal(error.hint, KILN_HINT_FLASH_TOO_SMALL);
    kiln_image_free(image);
}

/* The smallest ESP image: one segment of 4 bytes in RAM, as a bootloader has, checksum, no digest. */
static size_t esp_image(uint8_t *b, uint16_t chip_id)
{
    memset(b, 0, 48);
    memcpy(b, "\xe9\x01\x02\x20", 4);
    b[8] = 0xee;
    kiln_put_le16(b + 12, chip_id);
    kiln_put_le32(b + 24, 0x40380000);
    kiln_put_le32(b + 28, 4);
    memcpy(b + 32, "\1\2\4\x8", 4);
    b[47] = 0xef ^ 15;
    return 48;
}

static void an_image_for_another_chip_is_refused(void **state)
{
    uint8_t bytes[64];
    size_t len = esp_image(bytes, 5);
    struct kiln_target_info esp32 = board("esp32"), c3 = board("esp32c3"), stm = board("stm32f405");
    struct kiln_image *image = image_at(bytes, len, 0);

    (void)state;
    memset(flash, 0xff, sizeof flash);
    allows(image, &c3, NULL);
    refuses(image, &esp32, KILN_HINT_FORCE_CHIP,
            "fw.bin is for esp32c3 (chip id 5) and this is ESP32");
    if (stm.chip != NULL)
        refuses(image, &stm, KILN_HINT_FORCE_CHIP, "is an ESP image");
    kiln_image_free(image);
}

/* An application by its descriptor, `size` bytes of which are in flash-mapped memory of the ESP32. */
static struct kiln_image *esp_application(uint64_t address, size_t size)
{
    static uint8_t b[0x4000];
    uint8_t sum = 0xef;
    struct kiln_image *image;

    memset(b, 0, sizeof b);
    memcpy(b, "\xe9\x01\x02\x20", 4);
    b[8] = 0xee;
    kiln_put_le32(b + 24, 0x3f400020);
    kiln_put_le32(b + 28, (uint32_t)size - 48);
    kiln_put_le32(b + 32, 0xabcd5432);
    for (size_t i = 32; i < size - 16; i++)
        sum ^= b[i];
    b[size - 1] = sum;
    image = image_at(b, size, address);
    assert_int_equal(kiln_image_info(image)->esp_role, KILN_ESP_ROLE_APP);
    return image;
}

static void refuses_at(uint64_t address, size_t size, enum kiln_hint hint, const char *words)
{
    struct kiln_target_info esp32 = board("esp32");
    struct kiln_image *image = esp_application(address, size);

    esp32.region[0].start = 0;
    refuses(image, &esp32, hint, words);
    kiln_image_free(image);
}

static void allows_at(uint64_t address, const char *note)
{
    struct kiln_target_info esp32 = board("esp32");
    struct kiln_image *image = esp_application(address, 0x800);

    esp32.region[0].start = 0;
    allows(image, &esp32, note);
    kiln_image_free(image);
}

static void an_esp_application_goes_to_its_partition(void **state)
{
    (void)state;
    memset(flash, 0xff, sizeof flash);
    refuses_at(0x1000, 0x800, KILN_HINT_FORCE, "would overwrite the bootloader");
    refuses_at(10000, 0x800, KILN_HINT_FORCE,
               "to 0x2710: applications begin at multiples of 0x10000");
    allows_at(0x10000, "no bootloader: the flash is empty at 0x1000");
    flash[0x1000] = 0xe9;
    allows_at(0x10000, "no partition table at 0x8000");
    partitions_in_force = true;
    allows_at(0x10000, NULL);
    allows_at(0x20000, NULL);
    refuses_at(0x9000, 0x800, KILN_HINT_FORCE, "factory at 0x10000, ota_0 at 0x20000");
    refuses_at(0x10000, 0x1010, KILN_HINT_FLASH_TOO_SMALL, "partition factory holds 4096");
    partitions_in_force = false;
}

static void bootloader_and_table_of_an_esp_chip_stay(void **state)
{
    static uint8_t bytes[0x9000];
    struct kiln_target_info esp32 = board("esp32");
    struct kiln_image *image;

    (void)state;
    esp32.region[0].start = 0;
    memset(flash, 0xff, sizeof flash);
    memset(bytes, 0x5a, sizeof bytes);
    image = image_at(bytes, sizeof bytes, 0);
    allows(image, &esp32, NULL); /* nothing there that could be lost */
    flash[0x1000] = 0xe9;
    refuses(image, &esp32, KILN_HINT_FORCE, "overwrite the bootloader at 0x1000");
    kiln_image_free(image);
    bytes[0x1000] = 0xe9;
    image = image_at(bytes, sizeof bytes, 0);
    refuses(image, &esp32, KILN_HINT_FORCE, "begins like an image at 0x1000");
    kiln_image_free(image);
    esp_image(bytes + 0x1000, 0); /* a whole flash brings its own */
    image = image_at(bytes, sizeof bytes, 0);
    allows(image, &esp32, NULL);
    partitions_in_force = true;
    refuses(image, &esp32, KILN_HINT_FORCE, "overwrite the partition table at 0x8000");
    partitions_in_force = false;
    kiln_image_free(image);
    esp_image(bytes, 0);
    kiln_put_le32(bytes + 24, 0x40080000); /* RAM of this one */
    image = image_at(bytes, 48, 0);
    refuses(image, &esp32, KILN_HINT_FORCE, "ESP32 looks for it at 0x1000");
    kiln_image_free(image);
}

/* A flipped bit of the header, and the file is just bytes for which somebody gave an address. */
static void a_damaged_header_is_not_taken_for_data(void **state)
{
    static const uint8_t damaged[] = {1, 2, 13, 19, 22, 23};
    struct kiln_target_info esp32 = board("esp32");
    uint8_t bytes[64];

    (void)state;
    esp32.region[0].start = 0;
    memset(flash, 0xff, sizeof flash);
    for (size_t i = 0; i < KILN_ARRAY_LEN(damaged); i++)
        for (int in_force = 0; in_force < 2; in_force++) {
            struct kiln_image *image;

            memset(bytes, 0, sizeof bytes);
            esp_image(bytes, 0);
            bytes[damaged[i]] ^= 0xff;
            partitions_in_force = in_force != 0;
            image = image_at(bytes, sizeof bytes, 0x10000);
            refuses(image, &esp32, KILN_HINT_FORCE, "begins like an image at 0x10000");
            kiln_image_free(image);
            image = image_at(bytes, sizeof bytes, 0x1000);
            refuses(image, &esp32, KILN_HINT_FORCE, "begins like an image at 0x1000");
            kiln_image_free(image);
            image = image_at(bytes, sizeof bytes, 0x9000);
            allows(image, &esp32, NULL); /* data may begin with any byte */
            kiln_image_free(image);
        }
    partitions_in_force = false;
}

static void an_application_is_not_overwritten_by_anything_else(void **state)
{
    struct kiln_target_info esp32 = board("esp32");
    uint8_t bytes[64];
    struct kiln_image *image;
    struct kiln_guard_notes notes;
    struct kiln_error error;

    (void)state;
    esp32.region[0].start = 0;
    memset(flash, 0xff, sizeof flash);
    memset(bytes, 0x5a, sizeof bytes);
    for (int in_force = 0; in_force < 2; in_force++) {
        partitions_in_force = in_force != 0;
        memset(flash, 0xff, sizeof flash);
        image = image_at(bytes, sizeof bytes, 0x20000);
        allows(image, &esp32, NULL); /* an empty slot */
        esp_image(flash + 0x20000, 0);
        assert_int_equal(check(image, &esp32, false, &error, &notes), KILN_E_REFUSED);
        assert_non_null(strstr(error.message, "overwrite the application at 0x20000"));
        assert_int_equal(check(image, &esp32, true, &error, &notes), KILN_OK); /* not even looked */
        kiln_image_free(image);
        image = image_at(bytes, sizeof bytes, 0x8000000); /* said by the planner */
        allows(image, &esp32, NULL);
        kiln_image_free(image);
        image = image_at(bytes, sizeof bytes, 0x9000);
        allows(image, &esp32, NULL);
        kiln_image_free(image);
    }
    partitions_in_force = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linked_image_goes_only_where_it_runs),
        cmocka_unit_test(an_unusual_place_is_not_taken_for_sure),
        cmocka_unit_test(a_bootloader_is_not_overwritten),
        cmocka_unit_test(an_application_without_bootloader_is_noted),
        cmocka_unit_test(what_does_not_fit_is_not_forced),
        cmocka_unit_test(an_image_for_another_chip_is_refused),
        cmocka_unit_test(an_esp_application_goes_to_its_partition),
        cmocka_unit_test(bootloader_and_table_of_an_esp_chip_stay),
        cmocka_unit_test(a_damaged_header_is_not_taken_for_data),
        cmocka_unit_test(an_application_is_not_overwritten_by_anything_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
