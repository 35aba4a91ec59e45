/* SPDX-License-Identifier: MIT */
/*
 * The flash settings in a bootloader's header, as a flash job puts them there: what the simulated board holds afterwards is
 * compared byte by byte with the image that was given. Fails if a header is changed that nobody asked for, if one is
 * left that does not fit the board, or if a digest does not follow.
 */
#include "base/bytes.h"
#include "tests/unit/sim_bed.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BOOT     0x1000u
#define DATA     48u
#define BODY     80u /* header, segment, checksum */
#define DIGEST   32u
#define FILE_MAX 0x3000u

struct seen {
    enum kiln_status status;
    struct kiln_error error;
    char notes[2048];
    uint8_t head[BODY + DIGEST]; /* of what stands in flash at BOOT */
};

/* An image of one segment in RAM for the ESP32. */
static size_t make_boot(uint8_t *bytes, uint8_t mode, uint8_t size_freq, bool digest)
{
    uint8_t sum = 0xef;

    memset(bytes, 0xff, FILE_MAX);
    memset(bytes, 0, BODY);
    bytes[0] = 0xe9;
    bytes[1] = 1;
    bytes[2] = mode;
    bytes[3] = size_freq;
    kiln_put_le32(bytes + 4, 0x40080400);
    bytes[8] = 0xee;
    bytes[23] = digest;
    kiln_put_le32(bytes + 24, 0x3fff0000);
    kiln_put_le32(bytes + 28, DATA - 16);
    for (size_t i = 0; i < DATA - 16; i++)
        sum ^= bytes[32 + i] = (uint8_t)(i * 5 + 1);
    bytes[BODY - 1] = sum;
    if (digest && EVP_Digest(bytes, BODY, bytes + BODY, NULL, EVP_sha256(), NULL) != 1)
        fail();
    return BODY + (digest ? DIGEST : 0);
}

static void digest_again(uint8_t *bytes)
{
    if (EVP_Digest(bytes, BODY, bytes + BODY, NULL, EVP_sha256(), NULL) != 1)
        fail();
}

static void take(void *user, const struct kiln_event *event)
{
    struct seen *seen = user;
    size_t used = strlen(seen->notes);

    if (event->kind == KILN_EVENT_NOTE)
        snprintf(seen->notes + used, sizeof seen->notes - used, "%s\n", event->text);
    if (event->kind != KILN_EVENT_RESULT)
        return;
    seen->status = event->result->status;
    if (event->result->error != NULL)
        seen->error = *event->result->error;
}

/* Flashes the file at `address` with the settings of `wishes`. */
static void flash(const char *board, const uint8_t *file, size_t len, uint64_t address,
                  struct kiln_request wishes, struct seen *seen)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_request request = wishes;
    struct kiln_image *image = NULL;
    struct sim_bed bed;
    size_t size;

    *seen = (struct seen){0};
    sim_bed_open(&bed, board, KILN_SIM_NEVER);
    options.address = address;
    assert_int_equal(kiln_image_parse("boot.bin", file, len, &options, &image, NULL), KILN_OK);
    request.verb = KILN_VERB_FLASH;
    request.device = "sim";
    request.loader = KILN_LOADER_ROM;
    request.images = (const struct kiln_image *const *)&image;
    request.image_count = 1;
    sim_bed_run(&bed, &request, NULL, take, seen);
    memcpy(seen->head, sim_bed_flash(&bed, &size) + BOOT, sizeof seen->head);
    kiln_image_free(image);
    sim_bed_close(&bed);
}

static const struct kiln_request nothing = KILN_REQUEST_INIT;

static struct kiln_request wish(const char *mode, const char *freq, const char *size)
{
    struct kiln_request request = KILN_REQUEST_INIT;

    request.flash_mode = mode;
    request.flash_freq = freq;
    request.header_size = size;
    return request;
}

/* A bootloader with DIO, 40 MHz, 2 MB on a board of 4 MB: what is written is `mode` and `size_freq`. */
static void becomes(struct kiln_request wishes, uint8_t mode, uint8_t size_freq)
{
    uint8_t file[FILE_MAX], expected[FILE_MAX];
    size_t len = make_boot(file, 2, 0x10, true);
    struct seen seen;

    make_boot(expected, mode, size_freq, true);
    flash("esp32", file, len, BOOT, wishes, &seen);
    if (seen.status != KILN_OK)
        fail_msg("%s", seen.error.message);
    assert_memory_equal(seen.head, expected, len);
    if (memcmp(file, expected, len) == 0)
        assert_null(strstr(seen.notes, "flash settings"));
    else
        assert_non_null(strstr(seen.notes, "with a new SHA-256"));
}

static void only_what_is_asked_is_changed(void **state)
{
    struct kiln_request bytes = KILN_REQUEST_INIT;

    (void)state;
    becomes(nothing, 2, 0x10);
    becomes(wish("keep", "keep", "keep"), 2, 0x10);
    becomes(wish("qio", NULL, NULL), 0, 0x10);
    becomes(wish("dout", "80m", NULL), 3, 0x1f);
    becomes(wish(NULL, "26m", "keep"), 2, 0x11);
    becomes(wish(NULL, NULL, "detect"), 2, 0x20);
    becomes(wish("dio", "40m", NULL), 2, 0x10); /* as it is */
    bytes.flash_size = 1u << 20;
    becomes(bytes, 2, 0x00);
}

static void a_size_that_the_board_lacks_is_mended(void **state)
{
    uint8_t file[FILE_MAX];
    size_t len = make_boot(file, 2, 0x40, true); /* 16 MB */
    struct kiln_request kept = wish(NULL, NULL, "keep");
    struct seen seen;

    (void)state;
    flash("esp32", file, len, BOOT, nothing, &seen);
    assert_int_equal(seen.status, KILN_OK);
    assert_int_equal(seen.head[3], 0x20);
    assert_non_null(strstr(seen.notes, "DIO, 40m, 16MB become DIO, 40m, 4MB"));
    assert_non_null(strstr(seen.notes, "--flash-size keep leaves it"));
    file[3] = 0x20;
    digest_again(file);
    assert_memory_equal(seen.head, file, len);

    len = make_boot(file, 2, 0x40, true);
    flash("esp32", file, len, BOOT, wish(NULL, NULL, "keep"), &seen);
    assert_int_equal(seen.status, KILN_E_REFUSED); /* it would not start */
    kept.force = true;
    flash("esp32", file, len, BOOT, kept, &seen);
    assert_int_equal(seen.status, KILN_OK);
    assert_memory_equal(seen.head, file, len);
    assert_null(strstr(seen.notes, "become"));
    /* without a digest there is none to make */
    len = make_boot(file, 2, 0x40, false);
    flash("esp32", file, len, BOOT, nothing, &seen);
    assert_int_equal(seen.status, KILN_OK);
    assert_int_equal(seen.head[3], 0x20);
    assert_null(strstr(seen.notes, "SHA-256"));
}

static void wishes_that_no_header_can_hold_are_refused(void **state)
{
    struct kiln_request odd = KILN_REQUEST_INIT;
    uint8_t file[FILE_MAX];
    size_t len = make_boot(file, 2, 0x10, true);
    struct seen seen;

    (void)state;
    flash("esp32", file, len, BOOT, wish(NULL, "33m", NULL), &seen);
    assert_int_equal(seen.status, KILN_E_ARG);
    assert_int_equal(seen.head[0], 0xff); /* before anything is written */
    flash("esp32", file, len, BOOT, wish("octal", NULL, NULL), &seen);
    assert_int_equal(seen.status, KILN_E_ARG);
    odd.flash_size = 3u << 20;
    flash("esp32", file, len, BOOT, odd, &seen);
    assert_int_equal(seen.status, KILN_E_ARG);
    assert_non_null(strstr(seen.error.message, "no ESP32 header can say"));
}

/* A signature of secure boot v2 stands in the sector behind: other settings would break it. */
static void a_signed_bootloader_is_left_alone(void **state)
{
    struct kiln_request forced = wish("qio", NULL, NULL);
    uint8_t file[FILE_MAX];
    struct seen seen;

    (void)state;
    make_boot(file, 2, 0x40, true);
    file[0x1000] = 0xe7;
    flash("esp32", file, 0x2000, BOOT, wish("qio", NULL, NULL), &seen);
    assert_int_equal(seen.status, KILN_E_REFUSED);
    assert_non_null(strstr(seen.error.message, "signed for secure boot"));
    assert_int_equal(seen.error.hint, KILN_HINT_FORCE);
    forced.force = true;
    flash("esp32", file, 0x2000, BOOT, forced, &seen);
    assert_int_equal(seen.status, KILN_OK);
    assert_int_equal(seen.head[2], 0);
    file[0x1000] = 0xe6; /* no signature */
    flash("esp32", file, 0x2000, BOOT, wish("qio", NULL, NULL), &seen);
    assert_int_equal(seen.status, KILN_OK);
    assert_int_equal(seen.head[2], 0);
}

static void a_wish_without_a_bootloader_is_noted(void **state)
{
    uint8_t file[FILE_MAX];
    size_t len = make_boot(file, 2, 0x40, true);
    enum kiln_status first;
    struct seen seen;

    (void)state;
    flash("esp32", file, len, 0x20000, wish("qio", NULL, NULL), &seen);
    assert_non_null(strstr(seen.notes, "no file holds a bootloader for 0x1000"));
    first = seen.status;
    flash("esp32", file, len, 0x20000, nothing, &seen);
    assert_int_equal(seen.status, first);
    assert_null(strstr(seen.notes, "no file holds"));
}

/* The bootloader in the middle of one file for the whole flash. */
static void a_whole_flash_is_patched_where_its_bootloader_is(void **state)
{
    static const uint8_t entry[32] = {0xaa, 0x50, 1, 2, 0,   0x90, 0,  0,
                                      0,    0x60, 0, 0, 'n', 'v',  's'};
    uint8_t *file = malloc(0x10000);
    struct seen seen;

    (void)state;
    assert_non_null(file);
    memset(file, 0xff, 0x10000);
    make_boot(file + BOOT, 2, 0x40, true);
    memcpy(file + 0x8000, entry, sizeof entry);
    flash("esp32", file, 0x10000, 0, wish("qout", NULL, NULL), &seen);
    assert_int_equal(seen.status, KILN_OK);
    assert_int_equal(seen.head[2], 1);
    assert_int_equal(seen.head[3], 0x20);
    free(file);
}

static void secure_boot_keeps_the_settings(void **state)
{
    struct kiln_request forced = wish("qio", NULL, NULL);
    uint8_t file[FILE_MAX];
    size_t len = make_boot(file, 2, 0x10, true);
    struct seen seen;

    (void)state;
    forced.force = true; /* else the bootloader of such a chip is not written at all */
    flash("esp32?variant=secure-boot", file, len, BOOT, forced, &seen);
    assert_non_null(
        strstr(seen.notes, "secure boot is on, so the flash settings of boot.bin stay"));
    assert_int_equal(seen.status, KILN_OK);
    assert_memory_equal(seen.head, file, len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_asked_is_changed),
        cmocka_unit_test(a_size_that_the_board_lacks_is_mended),
        cmocka_unit_test(wishes_that_no_header_can_hold_are_refused),
        cmocka_unit_test(a_signed_bootloader_is_left_alone),
        cmocka_unit_test(a_wish_without_a_bootloader_is_noted),
        cmocka_unit_test(a_whole_flash_is_patched_where_its_bootloader_is),
        cmocka_unit_test(secure_boot_keeps_the_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
