/* SPDX-License-Identifier: MIT */
/*
 * The ESP loader against the simulated board, on virtual time. The board was written from the protocol's
 * description and shares no code with the loader; what both get wrong in the same way shows only against
 * a real ROM.
 */
#include "base/bytes.h"
#include "link/open.h"
#include "loader/esp.h"
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#define APP_MAX (1u << 20)

struct bench {
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_sim_uart *board;
    struct kiln_byte_link *link;
    struct kiln_loader *loader;
    struct kiln_loader_options options;
    struct kiln_fault fault;
};

static void plug_in(struct bench *bench, const char *board)
{
    struct kiln_sim_knobs knobs;
    const struct kiln_sim_board *row;

    memset(bench, 0, sizeof *bench);
    kiln_virtual_clock_init(&bench->clock);
    kiln_ctx_init(&bench->ctx, &bench->clock.base);
    assert_int_equal(kiln_sim_knobs_parse(&bench->ctx, board, &knobs), KILN_OK);
    row = kiln_sim_board_find(knobs.board);
    assert_non_null(row);
    assert_int_equal(row->make_uart(&bench->ctx, &knobs, &bench->board), KILN_OK);
    assert_int_equal(kiln_sim_byte_link(&bench->ctx, bench->board, false, 115200, &bench->link),
                     KILN_OK);
}

static enum kiln_status connect(struct bench *bench)
{
    return kiln_esp_connect(&bench->ctx, bench->link, &bench->options, &bench->loader);
}

static void must(struct bench *bench, enum kiln_status status)
{
    if (status != KILN_OK)
        fail_msg("%s: %s %s", kiln_status_name(status), bench->ctx.error.message,
                 bench->ctx.error.context);
}

static const struct kiln_target_info *info(struct bench *bench)
{
    return bench->loader->ops->info(bench->loader);
}

static void unplug(struct bench *bench)
{
    if (bench->loader != NULL)
        bench->loader->ops->free(bench->loader);
    kiln_link_close(bench->link);
    bench->board->ops->free(bench->board);
}

static uint64_t elapsed_ms(const struct bench *bench)
{
    return bench->clock.now_ns / KILN_NS_PER_MS;
}

/* Reproducible bytes: `noise` of 256 pages are random, the rest repeats. */
static uint8_t *firmware(size_t len, unsigned noise)
{
    uint8_t *bytes = malloc(len);
    uint32_t state = 12345;

    for (size_t i = 0; i < len; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (i / 4096) % 256 < noise ? (uint8_t)(state >> 24) : (uint8_t)(i / 64);
    }
    return bytes;
}

static void in_flash(struct bench *bench, uint64_t address, const uint8_t *bytes, size_t len)
{
    size_t size;
    const uint8_t *flash = bench->board->ops->flash(bench->board, &size);

    assert_true(address + len <= size);
    assert_memory_equal(flash + address, bytes, len);
}

static void write_and_check(struct bench *bench, uint64_t address, const uint8_t *bytes, size_t len)
{
    const struct kiln_loader_ops *ops = bench->loader->ops;
    uint8_t md5[16];
    uint8_t expected[EVP_MAX_MD_SIZE];

    must(bench, ops->write(bench->loader, &bench->ctx, address, bytes, len, NULL));
    in_flash(bench, address, bytes, len);
    if (!(info(bench)->caps & KILN_CAP_DIGEST))
        return;
    must(bench, ops->digest(bench->loader, &bench->ctx, address, len, md5));
    EVP_Digest(bytes, len, expected, NULL, EVP_md5(), NULL);
    assert_memory_equal(md5, expected, 16);
}

/* ---- tests ---- */

static void a_running_board_is_reset_and_identified(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    must(&bench, connect(&bench));
    assert_string_equal(info(&bench)->chip->name, "esp32");
    assert_int_equal(info(&bench)->region_count, 1);
    assert_int_equal(info(&bench)->region[0].size, 4u << 20);
    assert_int_equal(info(&bench)->crystal_mhz, 40);
    assert_int_equal(strlen(info(&bench)->serial), 17);
    must(&bench, bench.loader->ops->leave(bench.loader, &bench.ctx));
    must(&bench, bench.loader->ops->leave(bench.loader, &bench.ctx));
    unplug(&bench);
}

static void round_trip(const char *board, enum kiln_flasher flasher, size_t len)
{
    struct bench bench;
    uint8_t *bytes = firmware(len, 40);
    uint8_t *back = malloc(len);

    plug_in(&bench, board);
    bench.options.flasher = flasher;
    must(&bench, connect(&bench));
    if (flasher == KILN_FLASHER_KILN)
        assert_string_equal(info(&bench)->loader, "Kiln's flasher");
    write_and_check(&bench, 0x10000, bytes, len);
    if (info(&bench)->caps & KILN_CAP_READ) {
        must(&bench, bench.loader->ops->read(bench.loader, &bench.ctx, 0x10000, back, len, NULL));
        assert_memory_equal(back, bytes, len);
    }
    must(&bench, bench.loader->ops->erase(bench.loader, &bench.ctx, 0x11000, 0x2000, NULL));
    memset(bytes + 0x1000, 0xff, 0x2000);
    in_flash(&bench, 0x10000, bytes, len);
    must(&bench, bench.loader->ops->leave(bench.loader, &bench.ctx));
    free(bytes);
    free(back);
    unplug(&bench);
}

static void everything_works_through_the_stub(void **state)
{
    (void)state;
    round_trip("esp32", KILN_FLASHER_STUB, 0x51000);
}

static void everything_works_through_our_flasher(void **state)
{
    (void)state;
    if (kiln_flasher_left_out("esp32") || kiln_flasher_left_out("esp32c3"))
        fail_msg("this build has no flasher of Kiln's: `make full` brings the compilers");
    round_trip("esp32", KILN_FLASHER_KILN, 0x51000);
    round_trip("esp32c3", KILN_FLASHER_KILN, 0x51000);
}

static void where_our_flasher_cannot_run_a_note_says_why(void **state)
{
    static const struct {
        const char *board, *reason;
        enum kiln_after after;
        uint64_t flash_size;
    } rows[] = {
        {"esp8266", "it is not made for this chip", KILN_AFTER_DEFAULT, 0},
        {"esp32", "16 MB of flash and no more", KILN_AFTER_DEFAULT, 32u << 20},
        {"esp32", "no other program could talk to it afterwards", KILN_AFTER_STAY_STUB, 0},
        {"esp32c3?variant=usb", "the chip's own USB", KILN_AFTER_DEFAULT, 0},
    };
    struct bench bench;

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        plug_in(&bench, rows[i].board);
        bench.options.flasher = KILN_FLASHER_KILN;
        bench.options.after = rows[i].after;
        bench.options.flash_size = rows[i].flash_size;
        must(&bench, connect(&bench));
        assert_string_equal(info(&bench)->loader, "flasher stub");
        assert_non_null(strstr(info(&bench)->notes, rows[i].reason));
        unplug(&bench);
    }
}

/* It is silent after the upload, or says that its code is another. */
static void a_flasher_that_fails_gives_way_to_the_stub(void **state)
{
    static const char *const boards[] = {"esp32?variant=dead-flasher",
                                         "esp32c3?variant=odd-flasher"};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(boards); i++)
        for (int defer = 0; defer < 2; defer++) {
            struct bench bench;
            uint8_t *bytes = firmware(0x20000, 20);

            plug_in(&bench, boards[i]);
            bench.options.may_defer = defer != 0;
            bench.options.flasher = KILN_FLASHER_KILN;
            must(&bench, connect(&bench));
            write_and_check(&bench, 0x20000, bytes, 0x20000);
            assert_string_equal(info(&bench)->loader, "flasher stub");
            assert_true(elapsed_ms(&bench) < 6000);
            free(bytes);
            unplug(&bench);
        }
}

/* The next session finds the ROM, whoever it is. */
static void a_flasher_without_reset_lines_goes_back_to_the_rom(void **state)
{
    struct bench bench;
    uint8_t *bytes = firmware(0x8000, 8);

    (void)state;
    plug_in(&bench, "esp32?boot=download");
    bench.options.before = KILN_BEFORE_NO_RESET;
    bench.options.after = KILN_AFTER_STAY;
    bench.options.flasher = KILN_FLASHER_KILN;
    must(&bench, connect(&bench));
    assert_string_equal(info(&bench)->loader, "Kiln's flasher");
    write_and_check(&bench, 0, bytes, 0x8000);
    must(&bench, bench.loader->ops->leave(bench.loader, &bench.ctx));
    bench.loader->ops->free(bench.loader);
    bench.options.flasher = KILN_FLASHER_ROM;
    must(&bench, connect(&bench));
    assert_non_null(strstr(info(&bench)->loader, "boot ROM"));
    in_flash(&bench, 0, bytes, 0x8000);
    free(bytes);
    unplug(&bench);
}

/* Our flasher: data that does not compress takes the time of the wire at 115200, whatever has to be erased, and hardly more. */
static void a_long_write_keeps_the_wire_busy(void **state)
{
    struct bench bench;
    uint8_t *bytes = firmware(0x18000, 256);
    uint64_t before_ms, spent_ms, wire_ms = 0x18000ull * 10 * 1000 / 115200;
    size_t size;

    (void)state;
    plug_in(&bench, "esp32");
    bench.options.baud = 115200;
    bench.options.flasher = KILN_FLASHER_KILN;
    must(&bench, connect(&bench));
    memset(bench.board->ops->flash(bench.board, &size), 0, 4u << 20);
    before_ms = elapsed_ms(&bench);
    write_and_check(&bench, 0x1000, bytes, 0x18000);
    spent_ms = elapsed_ms(&bench) - before_ms;
    print_message("%u ms, the wire alone %u ms\n", (unsigned)spent_ms, (unsigned)wire_ms);
    assert_in_range(spent_ms, wire_ms, wire_ms * 103 / 100);
    free(bytes);
    unplug(&bench);
}

static void everything_works_through_the_rom_alone(void **state)
{
    (void)state;
    round_trip("esp32", KILN_FLASHER_ROM, 0x9000);
}

static void other_chips_work_through_their_roms(void **state)
{
    (void)state;
    round_trip("esp32c3", KILN_FLASHER_ROM, 0x5000);
}

/* Everything around the written sectors, byte for byte: a verify of the data alone does not see it. */
static void neighbours_stay(const char *board, bool no_stub, uint64_t address, size_t len)
{
    struct bench bench;
    uint8_t *bytes = firmware(len, 1);
    uint8_t *before;
    uint8_t *flash;
    size_t size;

    plug_in(&bench, board);
    bench.options.flasher = no_stub ? KILN_FLASHER_ROM : KILN_FLASHER_STUB;
    must(&bench, connect(&bench));
    flash = bench.board->ops->flash(bench.board, &size);
    memset(flash, 0x5a, size);
    before = malloc(size);
    memcpy(before, flash, size);
    write_and_check(&bench, address, bytes, len);
    memcpy(before + address, bytes, len);
    assert_memory_equal(flash, before, size);
    must(&bench, bench.loader->ops->leave(bench.loader, &bench.ctx));
    free(before);
    free(bytes);
    unplug(&bench);
}

/* Fails if a ROM that writes its inflater's whole window is sent compressed data. */
static void what_is_beside_the_data_stays(void **state)
{
    static const char *const boards[] = {"esp32",   "esp32c3", "esp32s3",
                                         "esp32c6", "esp32p4", "esp8266"};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(boards); i++) {
        neighbours_stay(boards[i], true, 0x20000, 0x4000);
        neighbours_stay(boards[i], false, 0x20000, 0x4000);
    }
}

/* Fails if a ROM that erases the head of a range twice takes a sector too many, or leaves one unerased. */
static void an_odd_number_of_sectors_is_erased_exactly(void **state)
{
    static const uint64_t starts[] = {0x20000, 0x21000, 0x2e000, 0x2f000};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(starts); i++)
        for (size_t sectors = 2; sectors <= 34; sectors++)
            neighbours_stay("esp8266", true, starts[i], sectors * 0x1000);
}

static void a_single_sector_is_refused_where_it_would_take_its_neighbour(void **state)
{
    struct bench bench;
    uint8_t *flash;
    size_t size;

    (void)state;
    plug_in(&bench, "esp8266");
    bench.options.flasher = KILN_FLASHER_ROM;
    must(&bench, connect(&bench));
    flash = bench.board->ops->flash(bench.board, &size);
    memset(flash, 0x5a, size);
    assert_int_equal(bench.loader->ops->erase(bench.loader, &bench.ctx, 0x20000, 0x1000, NULL),
                     KILN_E_REFUSED);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(flash[i], 0x5a);
    unplug(&bench);
}

static void blank_stretches_are_erased_and_not_sent(void **state)
{
    struct bench bench;
    size_t len = 0x60000;
    uint8_t *bytes = firmware(len, 256);
    uint64_t start;
    uint64_t full;

    (void)state;
    plug_in(&bench, "esp32");
    must(&bench, connect(&bench));
    start = elapsed_ms(&bench);
    write_and_check(&bench, 0x10000, bytes, len);
    full = elapsed_ms(&bench) - start;
    memset(bytes + 0x8000, 0xff, len - 0x10000);
    memset(bytes + len - 0x3000, 0xff, 0x3000);
    start = elapsed_ms(&bench);
    write_and_check(&bench, 0x10000, bytes, len);
    assert_true(elapsed_ms(&bench) - start < full);
    free(bytes);
    unplug(&bench);
}

/* A real application: erases of 64 KB every now and then, and data that compresses unevenly. Equal blocks take 1.24 times
 * as long as the flash chip alone needs, which these cuts must stay well below. */
static void the_flash_chip_seldom_waits(void **state)
{
    const char *root = getenv("KILN_SOURCE_ROOT");
    uint8_t *bytes = calloc(1, APP_MAX);
    struct bench bench;
    uint64_t flash_ms, spent_ms;
    char path[512];
    size_t len;
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/examples/firmware/esp32-app-v1.bin", root != NULL ? root : ".");
    file = fopen(path, "rb");
    assert_non_null(file);
    len = fread(bytes, 1, APP_MAX, file);
    fclose(file);
    len = (size_t)kiln_round_up(len, 4096);
    flash_ms = len / 65536 * 150 + len % 65536 / 4096 * 45 + len / 512;
    plug_in(&bench, "esp32");
    bench.options.baud = 921600;
    bench.options.flasher = KILN_FLASHER_STUB; /* Kiln's own erases nothing that is blank */
    must(&bench, connect(&bench));
    spent_ms = elapsed_ms(&bench);
    must(&bench, bench.loader->ops->write(bench.loader, &bench.ctx, 0x10000, bytes, len, NULL));
    spent_ms = elapsed_ms(&bench) - spent_ms;
    in_flash(&bench, 0x10000, bytes, len);
    print_message("%u ms, the flash chip alone %u ms\n", (unsigned)spent_ms, (unsigned)flash_ms);
    assert_in_range(spent_ms, flash_ms, flash_ms * 112 / 100);
    free(bytes);
    unplug(&bench);
}

/* A page is quicker through the ROM, and many never are, not even the first. */
static void the_whole_work_decides_about_the_stub(void **state)
{
    struct bench bench;

    (void)state;
    for (int many = 0; many < 2; many++) {
        plug_in(&bench, "esp32");
        bench.options.baud = 921600;
        bench.options.may_defer = true;
        must(&bench, connect(&bench));
        assert_non_null(strstr(info(&bench)->loader, "ROM"));
        must(&bench,
             bench.loader->ops->prepare(bench.loader, &bench.ctx, many ? 256u << 10 : 4096));
        assert_true((strstr(info(&bench)->loader, "boot ROM") == NULL) == (many != 0));
        unplug(&bench);
    }
}

static void a_range_outside_the_flash_is_refused(void **state)
{
    struct bench bench;
    uint8_t page[4096] = {0};

    (void)state;
    plug_in(&bench, "esp32");
    bench.options.flasher = KILN_FLASHER_ROM;
    must(&bench, connect(&bench));
    assert_int_equal(
        bench.loader->ops->write(bench.loader, &bench.ctx, 0x400000, page, sizeof page, NULL),
        KILN_E_ARG);
    assert_true(bench.ctx.error.has_address);
    assert_int_equal(
        bench.loader->ops->write(bench.loader, &bench.ctx, 0x100, page, sizeof page, NULL),
        KILN_E_ARG);
    unplug(&bench);
}

static void the_wrong_chip_is_refused_before_anything_is_done(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    bench.options.chip = "ESP32-S3";
    assert_int_equal(connect(&bench), KILN_E_REFUSED);
    assert_non_null(strstr(bench.ctx.error.message, "ESP32-S3"));
    unplug(&bench);
}

static void a_wrong_reset_string_is_named(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    bench.options.reset_sequence = "D0|R1|X";
    assert_int_equal(connect(&bench), KILN_E_ARG);
    assert_non_null(strstr(bench.ctx.error.message, "character 7"));
    unplug(&bench);
}

static void a_custom_reset_string_brings_the_chip_in(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    bench.options.flasher = KILN_FLASHER_ROM;
    bench.options.reset_sequence = "D0|R1|W0.1|D1|R0|W0.05|D0";
    must(&bench, connect(&bench));
    unplug(&bench);
}

static void a_reset_string_of_ones_own_ends_the_session(void **state)
{
    struct bench bench;
    uint64_t before;

    (void)state;
    plug_in(&bench, "esp32");
    bench.options.flasher = KILN_FLASHER_ROM;
    bench.options.run_sequence = "D0|W7.5";
    must(&bench, connect(&bench));
    before = elapsed_ms(&bench);
    must(&bench, bench.loader->ops->leave(bench.loader, &bench.ctx));
    assert_in_range(elapsed_ms(&bench) - before, 7500, 7599);
    unplug(&bench);
}

/* What is blank behind the data is erased with it and not sent. */
static void a_rom_gets_no_blank_tail(void **state)
{
    uint8_t bytes[3 * 4096];
    struct bench bench;
    uint64_t before;
    size_t size;
    uint8_t *flash;

    (void)state;
    plug_in(&bench, "esp32");
    bench.options.flasher = KILN_FLASHER_ROM;
    must(&bench, connect(&bench));
    flash = (uint8_t *)(uintptr_t)bench.board->ops->flash(bench.board, &size);
    memset(flash + 0x10000, 0x55, sizeof bytes);
    memset(bytes, 0xff, sizeof bytes);
    memset(bytes + 2048, 0xa5, 10);
    before = bench.board->ops->counts(bench.board)->commands;
    must(&bench,
         bench.loader->ops->write(bench.loader, &bench.ctx, 0x10000, bytes, sizeof bytes, NULL));
    in_flash(&bench, 0x10000, bytes, sizeof bytes);
    assert_in_range(bench.board->ops->counts(bench.board)->commands - before, 4, 5);
    unplug(&bench);
}

static void the_reset_delay_can_be_set(void **state)
{
    const struct kiln_esp_timing timing = {.reset_delay_ms = 4000};
    struct kiln_esp *esp = NULL;
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    must(&bench, kiln_esp_create(&bench.ctx, bench.link, &bench.options, &esp));
    bench.loader = &esp->base;
    kiln_esp_set_timing(esp, &timing);
    must(&bench, kiln_esp_find(esp, &bench.ctx));
    assert_in_range(elapsed_ms(&bench), 4000, 4999);
    unplug(&bench);
}

static void timeouts_and_tries_can_be_set(void **state)
{
    const struct kiln_esp_timing timing = {
        .reply_ms = 700, .ram_start_ms = 50, .ceiling_ms = 2000, .block_tries = 9};
    struct kiln_esp *esp = NULL;
    struct bench bench;
    uint8_t byte = 0;
    uint64_t before;

    (void)state;
    plug_in(&bench, "esp32");
    must(&bench, kiln_esp_create(&bench.ctx, bench.link, &bench.options, &esp));
    bench.loader = &esp->base;
    assert_int_equal(kiln_esp_time_for(esp, esp->timing.md5_per_mb_ms, 1000000), 11000);
    kiln_esp_set_timing(esp, &timing);
    assert_int_equal(kiln_esp_time_for(esp, esp->timing.md5_per_mb_ms, 100000), 1500);
    assert_int_equal(kiln_esp_time_for(esp, esp->timing.md5_per_mb_ms, 1000000), 2000);
    assert_int_equal(esp->timing.block_tries, 9);
    assert_int_equal(esp->timing.sync_ms, 100);
    must(&bench, kiln_esp_find(esp, &bench.ctx));
    /* The program that starts in RAM answers nothing any more. */
    must(&bench, kiln_esp_mem_run(esp, &bench.ctx, 0x40080000));
    before = elapsed_ms(&bench);
    assert_int_equal(kiln_esp_mem_write(esp, &bench.ctx, 0x3ffb0000, &byte, 1), KILN_E_TIMEOUT);
    assert_in_range(elapsed_ms(&bench) - before, 700, 799);
    unplug(&bench);
}

static void without_a_reset_the_boot_log_tells_why(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32?boot=run");
    bench.options.reset_sequence = "D0|R1|W0.1|R0|W0.3"; /* GPIO0 stays high: the program starts */
    assert_int_equal(connect(&bench), KILN_E_TIMEOUT);
    assert_int_equal(bench.ctx.error.hint, KILN_HINT_BOOT_BUTTON);
    assert_non_null(strstr(bench.ctx.error.message, "0x13"));
    unplug(&bench);
}

static void a_missing_stub_is_a_note_and_no_failure(void **state)
{
    struct bench bench;

    (void)state;
    plug_in(&bench, "esp32");
    bench.options.flasher = KILN_FLASHER_STUB;
    bench.options.stub_dir = "/nonexistent";
    must(&bench, connect(&bench));
    assert_non_null(strstr(info(&bench)->loader, "boot ROM"));
    assert_non_null(strstr(info(&bench)->notes, "/nonexistent"));
    unplug(&bench);
}

/* A cable that carries 500 kbaud: the rate is found, and all is written right. */
static void the_rate_goes_down_on_a_bad_cable(void **state)
{
    struct bench bench;
    uint8_t *bytes = firmware(0x20000, 64);

    (void)state;
    plug_in(&bench, "esp32?baudmax=500000");
    must(&bench, connect(&bench));
    assert_true(info(&bench)->baud <= 500000);
    write_and_check(&bench, 0, bytes, 0x20000);
    free(bytes);
    unplug(&bench);
}

/* ---- faults ---- */

#define SWEEP_LEN     0x3000u
#define SWEEP_TIME_MS 600000u

/* One scenario with a fault at operation `at`. Whatever happens, it ends in bounded time, and a success is
 * a real one. Returns false once `at` lies behind the last operation. */
static bool suffer(enum kiln_fault_kind kind, uint64_t at, enum kiln_flasher flasher)
{
    struct bench bench;
    uint8_t *bytes = firmware(SWEEP_LEN, 2);
    uint8_t md5[16];
    uint8_t expected[EVP_MAX_MD_SIZE];
    bool reached;
    enum kiln_status status;

    plug_in(&bench, "esp32");
    bench.options.flasher = flasher;
    bench.options.connect_attempts = 3;
    bench.fault.kind = kind;
    bench.fault.at = at;
    must(&bench, kiln_fault_byte_layer(&bench.ctx, &bench.fault, bench.link, &bench.link));
    status = connect(&bench);
    if (status == KILN_OK)
        status =
            bench.loader->ops->write(bench.loader, &bench.ctx, 0x10000, bytes, SWEEP_LEN, NULL);
    if (status == KILN_OK)
        status = bench.loader->ops->digest(bench.loader, &bench.ctx, 0x10000, SWEEP_LEN, md5);
    EVP_Digest(bytes, SWEEP_LEN, expected, NULL, EVP_md5(), NULL);
    /* The protocol has no checksum on requests: a flipped bit may send the data elsewhere, and so does a lost
     * byte through the ROM, which looks at no length; then the digest says so. Otherwise success means that
     * it is there. */
    if (status == KILN_OK && memcmp(md5, expected, 16) == 0)
        in_flash(&bench, 0x10000, bytes, SWEEP_LEN);
    else if (status == KILN_OK)
        assert_true((kind == KILN_FAULT_CORRUPT && flasher != KILN_FLASHER_KILN) ||
                    (kind == KILN_FAULT_DROP && strstr(info(&bench)->loader, "ROM") != NULL));
    else
        assert_true(bench.ctx.error.message[0] != '\0');
    if (bench.loader != NULL) {
        uint64_t saved = kiln_deadline_narrow(&bench.ctx, 30000);

        bench.ctx.shield++;
        (void)bench.loader->ops->leave(bench.loader, &bench.ctx);
        kiln_deadline_restore(&bench.ctx, saved);
    }
    assert_true(elapsed_ms(&bench) < SWEEP_TIME_MS);
    reached = bench.fault.count > at;
    free(bytes);
    unplug(&bench);
    return reached;
}

static void sweep(enum kiln_flasher flasher, uint64_t stride)
{
    static const enum kiln_fault_kind kinds[] = {
        KILN_FAULT_FAIL, KILN_FAULT_GONE, KILN_FAULT_SILENT, KILN_FAULT_CORRUPT, KILN_FAULT_DROP};

    for (size_t k = 0; k < KILN_ARRAY_LEN(kinds); k++) {
        uint64_t at = k;

        while (suffer(kinds[k], at, flasher))
            at += stride;
        assert_true(at > 50);
    }
}

static void no_fault_hangs_or_fakes_success_through_the_stub(void **state)
{
    (void)state;
    sweep(KILN_FLASHER_STUB, 5);
}

static void no_fault_hangs_or_fakes_success_through_the_rom(void **state)
{
    (void)state;
    sweep(KILN_FLASHER_ROM, 5);
}

static void no_fault_hangs_or_fakes_success_through_our_flasher(void **state)
{
    (void)state;
    sweep(KILN_FLASHER_KILN, 13);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(no_fault_hangs_or_fakes_success_through_our_flasher),
    cmocka_unit_test(everything_works_through_our_flasher),
    cmocka_unit_test(where_our_flasher_cannot_run_a_note_says_why),
    cmocka_unit_test(a_flasher_that_fails_gives_way_to_the_stub),
    cmocka_unit_test(a_flasher_without_reset_lines_goes_back_to_the_rom),
    cmocka_unit_test(a_long_write_keeps_the_wire_busy),
    cmocka_unit_test(no_fault_hangs_or_fakes_success_through_the_stub),
    cmocka_unit_test(no_fault_hangs_or_fakes_success_through_the_rom),
    cmocka_unit_test(a_running_board_is_reset_and_identified),
    cmocka_unit_test(everything_works_through_the_stub),
    cmocka_unit_test(everything_works_through_the_rom_alone),
    cmocka_unit_test(other_chips_work_through_their_roms),
    cmocka_unit_test(what_is_beside_the_data_stays),
    cmocka_unit_test(an_odd_number_of_sectors_is_erased_exactly),
    cmocka_unit_test(a_single_sector_is_refused_where_it_would_take_its_neighbour),
    cmocka_unit_test(blank_stretches_are_erased_and_not_sent),
    cmocka_unit_test(the_flash_chip_seldom_waits),
    cmocka_unit_test(the_whole_work_decides_about_the_stub),
    cmocka_unit_test(a_range_outside_the_flash_is_refused),
    cmocka_unit_test(the_wrong_chip_is_refused_before_anything_is_done),
    cmocka_unit_test(a_wrong_reset_string_is_named),
    cmocka_unit_test(a_custom_reset_string_brings_the_chip_in),
    cmocka_unit_test(a_reset_string_of_ones_own_ends_the_session),
    cmocka_unit_test(a_rom_gets_no_blank_tail),
    cmocka_unit_test(the_reset_delay_can_be_set),
    cmocka_unit_test(timeouts_and_tries_can_be_set),
    cmocka_unit_test(without_a_reset_the_boot_log_tells_why),
    cmocka_unit_test(a_missing_stub_is_a_note_and_no_failure),
    cmocka_unit_test(the_rate_goes_down_on_a_bad_cable),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
