/* SPDX-License-Identifier: MIT */
/* Whole jobs on simulated boards, in virtual time: what goes where, what is kept, how the board is left. */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "tests/unit/sim_bed.h"

#include <kiln/kiln.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct bench {
    struct sim_bed bed;
    struct kiln_image *images[4];
    const char *places[4];
    size_t image_count;
    struct kiln_request request;
    struct kiln_event_result result;
    char board_note[64], message[320], notes[1024];
    size_t partition_count;
    struct kiln_event_otadata otadata; /* the first */
    char boots[20], version[40];       /* of the first application */
    unsigned erasing;                  /* how often that was announced */
};

static void take_slots(struct bench *bench, const struct kiln_event_target *target)
{
    snprintf(bench->boots, sizeof bench->boots, "%s", target->boots);
    bench->version[0] = '\0';
    if (target->otadata_count > 0)
        bench->otadata = target->otadata[0];
    for (size_t i = 0; i < target->partition_count && bench->version[0] == '\0'; i++)
        if (target->partitions[i].app != NULL && target->partitions[i].app->described)
            snprintf(bench->version, sizeof bench->version, "%s",
                     target->partitions[i].app->version);
}

static void plug_in(struct bench *bench, const char *text)
{
    memset(bench, 0, sizeof *bench);
    sim_bed_open(&bench->bed, text, KILN_SIM_NEVER);
    bench->request = (struct kiln_request)KILN_REQUEST_INIT;
    bench->request.device = "board";
}

static void unplug(struct bench *bench)
{
    for (size_t i = 0; i < bench->image_count; i++)
        kiln_image_free(bench->images[i]);
    sim_bed_close(&bench->bed);
}

static uint8_t *flash_of(const struct bench *bench)
{
    size_t size;

    return sim_bed_flash(&bench->bed, &size);
}

static void add_file(struct bench *bench, const char *name, uint64_t address, const char *place)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    char path[1024];

    snprintf(path, sizeof path, "%s/examples/firmware/%s", getenv("KILN_SOURCE_ROOT"), name);
    options.address = address;
    assert_int_equal(kiln_image_load(path, &options, &bench->images[bench->image_count], NULL),
                     KILN_OK);
    bench->places[bench->image_count++] = place;
}

static void drop_files(struct bench *bench)
{
    for (size_t i = 0; i < bench->image_count; i++)
        kiln_image_free(bench->images[i]);
    bench->image_count = 0;
}

static void take(void *user, const struct kiln_event *event)
{
    struct bench *bench = user;
    size_t length = strlen(bench->notes);

    if (event->kind == KILN_EVENT_NOTE)
        snprintf(bench->notes + length, sizeof bench->notes - length, "%s\n", event->text);
    bench->erasing += event->kind == KILN_EVENT_PHASE && event->phase == KILN_PHASE_ERASE;
    if (event->kind == KILN_EVENT_DEVICE) {
        bench->partition_count = event->target->partition_count;
        take_slots(bench, event->target);
    }
    if (event->kind != KILN_EVENT_RESULT)
        return;
    bench->result = *event->result;
    snprintf(bench->board_note, sizeof bench->board_note, "%s", event->result->board_note);
    snprintf(bench->message, sizeof bench->message, "%s",
             event->result->error != NULL ? event->result->error->message : "");
}

static enum kiln_status run(struct bench *bench, enum kiln_verb verb)
{
    bench->notes[0] = '\0';
    bench->request.verb = verb;
    bench->request.images = (const struct kiln_image *const *)bench->images;
    bench->request.places = bench->places;
    bench->request.image_count = bench->image_count;
    sim_bed_run(&bench->bed, &bench->request, NULL, take, bench);
    return bench->result.status;
}

static void esp_files_find_their_places(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    add_file(&bench, "esp32-app-v1.bin", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_E_ARG); /* a blank board has no table */
    assert_int_equal(bench.result.state, KILN_STATE_UNTOUCHED);

    add_file(&bench, "esp32-partitions.bin", KILN_NO_ADDRESS, NULL);
    add_file(&bench, "esp32-bootloader.bin", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_int_equal(flash_of(&bench)[0x1000], 0xe9);
    assert_int_equal(kiln_le16(flash_of(&bench) + 0x8000), 0x50aa);
    assert_int_equal(flash_of(&bench)[0x10000], 0xe9);

    drop_files(&bench); /* now by the table on the board */
    add_file(&bench, "esp32-app-v2.bin", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_true(bench.result.skipped > 10 * bench.result.written);
    assert_non_null(strstr(bench.notes, "0x10000, partition factory"));
    unplug(&bench);
}

static void a_partition_takes_what_it_holds_and_no_more(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    add_file(&bench, "esp32-partitions.bin", KILN_NO_ADDRESS, NULL);
    add_file(&bench, "esp32-bootloader.bin", KILN_NO_ADDRESS, "nvs");
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_E_REFUSED);
    assert_non_null(strstr(bench.message, "looks for it at 0x1000"));
    bench.request.force = true;
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_int_equal(flash_of(&bench)[0x9000], 0xe9);
    drop_files(&bench);
    add_file(&bench, "esp32-app-v1.bin", KILN_NO_ADDRESS, "nvs");
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_E_REFUSED);
    drop_files(&bench);
    add_file(&bench, "esp32-app-v1.bin", KILN_NO_ADDRESS, "no-such");
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_E_ARG);
    unplug(&bench);
}

/* Two OTA slots; otadata selects the second. */
static void put_ota_table(uint8_t *flash)
{
    static const struct {
        uint8_t type, subtype;
        uint32_t offset, size;
        const char *label;
    } rows[] = {{1, 0, 0xd000, 0x2000, "otadata"},
                {0, 0x10, 0x10000, 0x100000, "ota_0"},
                {0, 0x11, 0x110000, 0x100000, "ota_1"}};
    uint8_t *at = flash + 0x8000, *otadata = flash + 0xd000;

    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++, at += 32) {
        memset(at, 0, 32);
        kiln_put_le16(at, 0x50aa);
        at[2] = rows[i].type;
        at[3] = rows[i].subtype;
        kiln_put_le32(at + 4, rows[i].offset);
        kiln_put_le32(at + 8, rows[i].size);
        memcpy(at + 12, rows[i].label, strlen(rows[i].label));
    }
    kiln_put_le32(otadata, 2);
    kiln_put_le32(otadata + 28, 0x55f63774); /* as ESP-IDF writes it for sequence 2 */
}

static void an_application_goes_to_the_slot_that_boots(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    put_ota_table(flash_of(&bench));
    add_file(&bench, "esp32-app-v1.bin", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_int_equal(flash_of(&bench)[0x110000], 0xe9);
    assert_int_equal(flash_of(&bench)[0x10000], 0xff);
    flash_of(&bench)[0xd000 + 28] ^= 1; /* no valid entry: the first slot */
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_int_equal(flash_of(&bench)[0x10000], 0xe9);
    unplug(&bench);
}

static void another_slot_is_started_on_demand(void **state)
{
    static const uint8_t second[] = {2, 0, 0, 0}, third[] = {3, 0, 0, 0};
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    put_ota_table(flash_of(&bench));
    bench.request.boot_slot = "ota_0";
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_E_REFUSED); /* it is empty */
    assert_int_equal(bench.result.state, KILN_STATE_UNTOUCHED);
    add_file(&bench, "esp32-app-v1.bin", KILN_NO_ADDRESS, NULL); /* goes to the slot named */
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_int_equal(flash_of(&bench)[0x10000], 0xe9);
    assert_memory_equal(flash_of(&bench) + 0xd000, second, 4); /* what counted is not touched */
    assert_memory_equal(flash_of(&bench) + 0xe000, third, 4);
    drop_files(&bench);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_int_equal(bench.result.written, 0);
    assert_non_null(strstr(bench.notes, "already"));
    flash_of(&bench)[0x110000] = 0xe9;
    bench.request.boot_slot = "1";
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_int_equal(kiln_le32(flash_of(&bench) + 0xd000), 4);
    assert_memory_equal(flash_of(&bench) + 0xe000, third, 4);
    bench.request.boot_slot = "nvs";
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_E_ARG);
    assert_non_null(strstr(bench.message, "ota_0, ota_1"));
    bench.request.boot_slot = NULL;
    assert_int_equal(run(&bench, KILN_VERB_INFO), KILN_OK);
    assert_int_equal(bench.otadata.sequence, 4);
    assert_true(bench.otadata.crc_right && bench.otadata.selects);
    assert_string_equal(bench.otadata.state, "undefined");
    assert_string_equal(bench.boots, "ota_1");
    assert_string_equal(bench.version, "1.0.0");
    unplug(&bench);
}

static void an_elf_file_becomes_an_image(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    add_file(&bench, "esp32-partitions.bin", KILN_NO_ADDRESS, NULL);
    add_file(&bench, "esp32-app-v1.elf", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_non_null(strstr(bench.notes, "no bootloader"));
    assert_int_equal(flash_of(&bench)[0x10000], 0xe9);
    assert_int_equal(kiln_le32(flash_of(&bench) + 0x10020), 0xabcd5432);
    assert_int_equal(run(&bench, KILN_VERB_VERIFY), KILN_OK);
    unplug(&bench);

    plug_in(&bench, "esp32s3"); /* the same processor, another memory */
    add_file(&bench, "esp32-app-v1.elf", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_E_REFUSED);
    assert_non_null(strstr(bench.message, "ESP32-S3 has no memory"));
    assert_int_equal(bench.result.state, KILN_STATE_UNTOUCHED);
    unplug(&bench);

    plug_in(&bench, "esp32c3");
    add_file(&bench, "esp32-app-v1.elf", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_E_REFUSED);
    assert_non_null(strstr(bench.message, "another processor"));
    drop_files(&bench); /* the wrong chip is said, not that there is no partition table */
    add_file(&bench, "esp32-app-v1.bin", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_E_REFUSED);
    assert_non_null(strstr(bench.message, "chip id 0"));
    unplug(&bench);
}

static void neighbours_in_a_sector_are_kept(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    memset(flash_of(&bench) + 0x3000, 0x77, 0x2000);
    bench.request.force = true;                             /* this is not its place */
    add_file(&bench, "esp32-bootloader.bin", 0x3100, NULL); /* 1024 bytes */
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_int_equal(flash_of(&bench)[0x30ff], 0x77);
    assert_int_equal(flash_of(&bench)[0x3100], 0xe9);
    assert_int_equal(flash_of(&bench)[0x3500], 0x77);
    unplug(&bench);
}

static void info_reads_the_table_and_changes_nothing(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    put_ota_table(flash_of(&bench));
    assert_int_equal(run(&bench, KILN_VERB_INFO), KILN_OK);
    assert_int_equal(bench.partition_count, 3);
    assert_string_equal(bench.board_note, "running");
    unplug(&bench);
}

static void a_usb_bootloader_is_left_as_it_was_found(void **state)
{
    struct bench bench;
    unsigned before, after;
    bool present;

    (void)state;
    plug_in(&bench, "stm32f405");
    bench.bed.usb->ops->presence(bench.bed.usb, 0, &present, &before);
    assert_int_equal(run(&bench, KILN_VERB_INFO), KILN_OK);
    assert_string_equal(bench.board_note, "still in its bootloader");
    add_file(&bench, "stm32f405-v1.bin", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_VERIFY), KILN_E_VERIFY);
    bench.bed.usb->ops->presence(bench.bed.usb, bench.bed.clock.now_ns, &present, &after);
    assert_true(present);
    assert_int_equal(before, after);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_string_equal(bench.board_note, "running");
    unplug(&bench);
}

static void what_cannot_start_is_not_called_running(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    bench.request.erase_all = true;
    assert_int_equal(run(&bench, KILN_VERB_ERASE), KILN_OK);
    assert_string_equal(bench.board_note, "not running: its flash is empty");
    bench.request.erase_all = false;
    add_file(&bench, "esp32-app-v1.bin", 0x10000, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_string_equal(bench.board_note, "not running: it has no bootloader");
    add_file(&bench, "esp32-bootloader.bin", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_non_null(strstr(bench.board_note, "perhaps not running"));
    add_file(&bench, "esp32-partitions.bin", KILN_NO_ADDRESS, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_string_equal(bench.board_note, "running");
    drop_files(&bench);
    add_file(&bench, "esp32-app-v1.bin", 0x10000, NULL);
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_string_equal(bench.board_note, "running");
    bench.request.erase_all = true; /* with the bootloader that is there now */
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_string_equal(bench.board_note, "not running: it has no bootloader");
    bench.request.erase_all = false;
    bench.request.after = KILN_RESET_AFTER_WATCHDOG; /* this chip's cannot */
    assert_int_equal(run(&bench, KILN_VERB_INFO), KILN_E_UNSUPPORTED);
    assert_string_equal(bench.board_note, "still in its bootloader");
    unplug(&bench);
}

static void nothing_is_announced_that_is_refused(void **state)
{
    static const struct {
        const char *board;
        uint64_t address, size;
        const char *words;
    } rows[] = {
        {"stm32f405", 0x08000100, 5, "only whole pages"},
        {"stm32f405", 0x08000000, 0x4005, "only whole pages"}, /* the first one would do */
        {"stm32f405", 0x080fc000, 0x8000, ""},                 /* ends behind the flash */
        {"stm32f405", 0x08000000, UINT64_MAX, "there are no"},
        {"esp32", 0x9001, 0x1000, "only whole pages"},
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        struct bench bench;

        plug_in(&bench, rows[i].board);
        memset(flash_of(&bench), 0x55, 0x10000);
        bench.request.address = rows[i].address;
        bench.request.length = rows[i].size;
        assert_int_equal(run(&bench, KILN_VERB_ERASE), KILN_E_ARG);
        if (strstr(bench.message, rows[i].words) == NULL)
            fail_msg("row %zu: %s", i, bench.message);
        assert_int_equal(bench.erasing, 0);
        assert_int_equal(bench.result.state, KILN_STATE_UNTOUCHED);
        assert_int_equal(flash_of(&bench)[0], 0x55);
        unplug(&bench);
    }
}

/* Whatever way a file takes there: a layout of the user's own, one setting alone, a part that is not known. */
static void no_layout_hides_what_is_for_ever(void **state)
{
    static const struct {
        const char *board, *layout, *alt, *chip;
        uint64_t address;
    } rows[] = {
        {"stm32f405", NULL, NULL, NULL, 0x1fff7800},
        {"stm32f405", NULL, "2", NULL, 0x1fff7800},
        {"stm32f405", NULL, "1", NULL, 0x1fffc000},
        {"stm32f405", "@Flash/0x1FFF7800/1*512 g", NULL, NULL, 0x1fff7800},
        {"stm32f405", "@Flash/0x1FFF7800/1*512 g", "0", NULL, 0x1fff7800},
        {"stm32f405", "@Flash/0x1FFF7800/1*512 g", NULL, "stm32f405", 0x1fff7800},
        {"stm32f405", "@Flash/0x1FFF7000/1*4Kg", NULL, NULL, 0x1fff7000}, /* begins before it */
        {"stm32f405", "@Flash/0x1FFFC008/1*8 g", NULL, NULL, 0x1fffc008},
        {"stm32f405", "@Flash/0x08000000/4*16Kg,1*64Kg,7*128Kg/0x1FFFC000/1*16 g", NULL, NULL,
         0x1fffc000},
        {"stm32f405", "@Flash/0x08000000/3*1Kg/0x1FFFC000/1*16 g", NULL, NULL, 0x1fffc000},
        {"stm32g474", "@Flash/0x1FFFF800/1*48 g", NULL, NULL, 0x1ffff800}, /* the second bank */
        {"gd32vf103", "@Flash/0x1FFFF800/1*16 g", NULL, NULL, 0x1ffff800},
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        static const uint8_t bytes[8] = {0x55, 0xaa};
        struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
        struct bench bench;

        plug_in(&bench, rows[i].board);
        bench.request.layout = rows[i].layout;
        bench.request.alt = rows[i].alt;
        bench.request.chip = rows[i].chip;
        options.address = rows[i].address;
        options.raw = true;
        assert_int_equal(kiln_image_parse("some.bin", bytes, sizeof bytes, &options,
                                          &bench.images[bench.image_count++], NULL),
                         KILN_OK);
        if (run(&bench, KILN_VERB_FLASH) != KILN_E_REFUSED)
            fail_msg("row %zu is written: %s", i, bench.message);
        assert_int_equal(bench.result.state, KILN_STATE_UNTOUCHED);
        unplug(&bench);
    }
}

/* Not with all that says yes: force, a layout under which nobody knows what the bytes are, only some of them. */
static void no_file_locks_a_chip_for_ever(void **state)
{
    static const char *const layouts[] = {NULL, "@Mine/0x1FFFC000/1*16 g",
                                          "@Mine/0x1FFFC001/1*1 g"};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(layouts); i++) {
        struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
        struct bench bench;
        uint8_t bytes[16];

        memset(bytes, 0xff, sizeof bytes);
        bytes[1] = 0xcc;
        plug_in(&bench, "stm32f405");
        bench.request.force = true;
        bench.request.layout = layouts[i];
        options.raw = true;
        options.address = i < 2 ? 0x1fffc000 : 0x1fffc001;
        assert_int_equal(kiln_image_parse("some.bin", i < 2 ? bytes : bytes + 1, i < 2 ? 16 : 1,
                                          &options, &bench.images[bench.image_count++], NULL),
                         KILN_OK);
        if (run(&bench, KILN_VERB_FLASH) != KILN_E_REFUSED)
            fail_msg("row %zu is written: %s", i, bench.message);
        assert_non_null(strstr(bench.message, "level 2"));
        assert_int_equal(bench.result.state, KILN_STATE_UNTOUCHED);
        unplug(&bench);
    }
}

static void a_name_and_a_size_go_together(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    put_ota_table(flash_of(&bench));
    memset(flash_of(&bench) + 0xd000, 0x55, 0x3000);
    bench.request.address = KILN_NO_ADDRESS;
    bench.request.region = "otadata";
    bench.request.length = 16;
    assert_int_equal(run(&bench, KILN_VERB_READ), KILN_OK);
    assert_int_equal(bench.result.data_len, 16);
    bench.request.length = 0x1000;
    assert_int_equal(run(&bench, KILN_VERB_ERASE), KILN_OK);
    assert_int_equal(bench.result.erased, 0x1000);
    assert_int_equal(flash_of(&bench)[0xe000], 0x55);
    bench.request.address = 0xe000;
    assert_int_equal(run(&bench, KILN_VERB_ERASE), KILN_OK);
    assert_int_equal(flash_of(&bench)[0xe000], 0xff);
    assert_int_equal(flash_of(&bench)[0xf000], 0x55);
    bench.request.length = 0x100000; /* more than the partition has */
    assert_int_equal(run(&bench, KILN_VERB_ERASE), KILN_E_ARG);
    assert_non_null(strstr(bench.message, "does not lie in it"));
    bench.request.address = 0x1000; /* before it */
    bench.request.length = 0x1000;
    assert_int_equal(run(&bench, KILN_VERB_ERASE), KILN_E_ARG);
    unplug(&bench);
}

static void option_bytes_are_not_erased(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "gd32vf103"); /* whose string says that they can be */
    bench.request.region = "Option Bytes";
    bench.request.address = KILN_NO_ADDRESS;
    assert_int_equal(run(&bench, KILN_VERB_ERASE), KILN_E_REFUSED);
    assert_non_null(strstr(bench.message, "can lock the chip"));
    assert_int_equal(bench.erasing, 0);
    unplug(&bench);
}

static void what_cannot_be_read_is_not_called_verified(void **state)
{
    static const char *const boards[] = {"esp32c3?secure=1", "esp32s3?secure=1"};
    struct bench bench;

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(boards); i++) {
        plug_in(&bench, boards[i]);
        add_file(&bench, "esp32-bootloader.bin", 0x10000, NULL);
        bench.request.force = true;
        assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
        assert_true(bench.result.written > 0);
        assert_int_equal(bench.result.verified, 0);
        assert_int_equal(bench.result.state, KILN_STATE_WRITTEN);
        assert_non_null(strstr(bench.notes, "written, not verified"));
        unplug(&bench);
    }
}

static void a_dry_run_writes_nothing(void **state)
{
    struct bench bench;
    uint8_t before;

    (void)state;
    plug_in(&bench, "stm32f405");
    before = flash_of(&bench)[0];
    add_file(&bench, "stm32f405-v1.elf", KILN_NO_ADDRESS, NULL);
    bench.request.dry_run = true;
    assert_int_equal(run(&bench, KILN_VERB_FLASH), KILN_OK);
    assert_int_equal(bench.result.state, KILN_STATE_UNTOUCHED);
    assert_int_equal(flash_of(&bench)[0], before);
    unplug(&bench);
}

/* Sixteen boards in one process, one of them bad: each job has its own result. */
static void many_boards_do_not_disturb_each_other(void **state)
{
    struct bench bench;
    struct kiln_job *jobs[16];
    struct kiln_event event;

    (void)state;
    plug_in(&bench, "esp32");
    add_file(&bench, "esp32-app-v1.bin", 0x10000, NULL);
    bench.request.verb = KILN_VERB_FLASH;
    bench.request.images = (const struct kiln_image *const *)bench.images;
    bench.request.image_count = 1;
    for (size_t i = 0; i < 16; i++) {
        bench.request.device = i == 7 ? "sim:esp32?badsector=0x12000" : "sim:esp32";
        assert_int_equal(kiln_job_create(&bench.request, &jobs[i]), KILN_OK);
    }
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(kiln_job_start(jobs[i]), KILN_OK);
    for (size_t i = 0; i < 16; i++) {
        while (kiln_job_next_event(jobs[i], &event, 60000))
            if (event.kind == KILN_EVENT_RESULT)
                assert_int_equal(event.result->status, i == 7 ? KILN_E_VERIFY : KILN_OK);
        kiln_job_free(jobs[i]);
    }
    unplug(&bench);
}

static void a_job_can_be_cancelled_and_freed_at_any_time(void **state)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    struct kiln_event event;
    struct kiln_job *job;

    (void)state;
    request.verb = KILN_VERB_INFO;
    request.device = "sim:esp32?time=real&boot=run";
    assert_int_equal(kiln_job_create(&request, &job), KILN_OK);
    kiln_job_free(job); /* never started */
    assert_int_equal(kiln_job_create(&request, &job), KILN_OK);
    assert_int_equal(kiln_job_start(job), KILN_OK);
    kiln_job_cancel(job);
    while (kiln_job_next_event(job, &event, 60000))
        if (event.kind == KILN_EVENT_RESULT)
            assert_int_equal(event.result->status, KILN_E_CANCELLED);
    kiln_job_free(job);
    assert_int_equal(kiln_job_create(&request, &job), KILN_OK);
    assert_int_equal(kiln_job_start(job), KILN_OK);
    kiln_job_free(job); /* while it runs */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(esp_files_find_their_places),
        cmocka_unit_test(a_partition_takes_what_it_holds_and_no_more),
        cmocka_unit_test(an_application_goes_to_the_slot_that_boots),
        cmocka_unit_test(another_slot_is_started_on_demand),
        cmocka_unit_test(an_elf_file_becomes_an_image),
        cmocka_unit_test(neighbours_in_a_sector_are_kept),
        cmocka_unit_test(info_reads_the_table_and_changes_nothing),
        cmocka_unit_test(a_usb_bootloader_is_left_as_it_was_found),
        cmocka_unit_test(what_cannot_start_is_not_called_running),
        cmocka_unit_test(nothing_is_announced_that_is_refused),
        cmocka_unit_test(no_layout_hides_what_is_for_ever),
        cmocka_unit_test(no_file_locks_a_chip_for_ever),
        cmocka_unit_test(a_name_and_a_size_go_together),
        cmocka_unit_test(option_bytes_are_not_erased),
        cmocka_unit_test(what_cannot_be_read_is_not_called_verified),
        cmocka_unit_test(a_dry_run_writes_nothing),
        cmocka_unit_test(many_boards_do_not_disturb_each_other),
        cmocka_unit_test(a_job_can_be_cancelled_and_freed_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
