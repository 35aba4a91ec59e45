/* SPDX-License-Identifier: MIT */
/*
 * Whole jobs on every simulated DFU board, by the clock of the board: written, verified and left in the time its
 * flash needs and little more; all of it erased, the quicker way; read protection told before anything is tried
 * and taken off only by name. It fails when a board of the list is gone, a step is skipped, or waits come in.
 */
#include "base/bytes.h"
#include "job/job_internal.h"
#include "sim/usb_dfu.h"

#include <kiln/kiln.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IMAGE_SIZE 20000u

struct bench {
    struct kiln_virtual_clock clock;
    struct kiln_sim_usb *usb;
    struct kiln_request request;
    struct kiln_image *image;
    uint8_t bytes[IMAGE_SIZE];
    /* of the last job */
    enum kiln_status status;
    enum kiln_device_state state;
    uint64_t verified, ms;
    char message[400], notes[2048];
};

static void plug_in(struct bench *b, const char *board, const char *variant)
{
    struct kiln_sim_knobs knobs;
    struct kiln_ctx ctx;
    char text[80];

    memset(b, 0, sizeof *b);
    snprintf(text, sizeof text, "%s%s%s", board, variant[0] != '\0' ? "?variant=" : "", variant);
    kiln_virtual_clock_init(&b->clock);
    kiln_ctx_init(&ctx, &b->clock.base);
    assert_int_equal(kiln_sim_knobs_parse(&ctx, text, &knobs), KILN_OK);
    assert_int_equal(kiln_sim_board_find(knobs.board)->make_usb(&ctx, &knobs, &b->usb), KILN_OK);
    b->request = (struct kiln_request)KILN_REQUEST_INIT;
    b->request.device = "board";
}

static void unplug(struct bench *b)
{
    kiln_image_free(b->image);
    b->usb->ops->free(b->usb);
}

static void take(struct bench *b, const struct kiln_event *event)
{
    size_t used = strlen(b->notes);

    if (event->kind == KILN_EVENT_NOTE)
        snprintf(b->notes + used, sizeof b->notes - used, "%s\n", event->text);
    if (event->kind != KILN_EVENT_RESULT)
        return;
    b->status = event->result->status;
    b->state = event->result->state;
    b->verified = event->result->verified;
    b->ms = event->result->elapsed_ms;
    snprintf(b->message, sizeof b->message, "%s",
             event->result->error != NULL ? event->result->error->message : "");
}

static void run(struct bench *b, enum kiln_verb verb)
{
    struct kiln_job_hooks hooks = {.usb = b->usb, .clock = &b->clock.base};
    struct kiln_event event;
    struct kiln_job *job;

    b->request.verb = verb;
    b->notes[0] = '\0';
    assert_int_equal(kiln_job_create_on(&b->request, &hooks, &job), KILN_OK);
    kiln_job_run_here(job);
    while (kiln_job_next_event(job, &event, 0))
        take(b, &event);
    kiln_job_free(job);
}

/* Bytes that look like nothing; KILN_NO_ADDRESS for a board without addresses. */
static void load(struct bench *b, uint64_t address)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    uint32_t seed = 1;

    for (size_t i = 0; i < IMAGE_SIZE; i++) {
        seed = seed * 1664525u + 1013904223u;
        b->bytes[i] = (uint8_t)(seed >> 24);
    }
    options.raw = true;
    options.address = address;
    assert_int_equal(kiln_image_parse("new.bin", b->bytes, IMAGE_SIZE, &options, &b->image, NULL),
                     KILN_OK);
    b->request.images = (const struct kiln_image *const *)&b->image;
    b->request.image_count = 1;
    b->request.force = true; /* it is no program */
}

static uint8_t *flash_of(struct bench *b, size_t *out_size)
{
    return b->usb->ops->flash(b->usb, out_size);
}

static bool is_gone(struct bench *b)
{
    struct kiln_sim_dfu_view view;
    unsigned generation;
    bool present;

    b->usb->ops->presence(b->usb, b->clock.base.ops->now_ns(&b->clock.base), &present, &generation);
    kiln_sim_dfu_view(b->usb, &view);
    return view.in_application || !present;
}

/* Erase and program times of facts in data sheets; where they were not found, of the row. */
struct times {
    const char *board, *variant;
    uint64_t address; /* of the image */
    unsigned erase_ms;
    unsigned program_ns; /* a byte */
    bool unverified;     /* it can only be left after a write */
    bool remains;        /* it takes the next image without leaving the bus */
    bool stays;          /* a busy erase is given up by its deadline */
};

static const struct times boards[] = {
    {"stm32f072", "", 0x08000000, 10 * 30, 53500 / 2, false, false, false},
    {"stm32f103", "", 0x08003000, 20 * 30, 52500 / 2, false, false, false},
    {"maple", "", KILN_NO_ADDRESS, 20 * 30, 52500 / 2, true, false, false},
    {"stm32f405", "", 0x08000000, 2 * 300, 16000, false, false, false},
    {"stm32f405", "strict", 0x08000000, 2 * 300, 16000, false, false, false},
    {"stm32f429", "", 0x08000000, 2 * 300, 16000, false, false, false},
    {"stm32f429", "rubbish-string", 0x08000000, 2 * 300, 16000, false, false, false},
    {"stm32f429", "2mb", 0x08100000, 2 * 300, 16000, false, false, false},
    {"stm32f446", "", 0x08000000, 2 * 300, 16000, false, false, false},
    {"stm32f746", "", 0x08000000, 400, 16000, false, false, false},
    {"stm32g0c1", "", 0x08000000, 10 * 22, 85000 / 8, false, false, false},
    {"stm32g474", "", 0x08000000, 10 * 22, 82000 / 8, false, false, false},
    {"stm32h743", "", 0x08000000, 2000, 290000 / 32, false, false, false},
    {"stm32h743", "", 0x08100000, 2000, 290000 / 32, false, false, true},
    {"stm32h743", "revy", 0x08100000, 2000, 290000 / 32, false, false, false},
    {"stm32h723", "", 0x08000000, 2000, 290000 / 32, false, false, false},
    {"stm32l452", "", 0x08000000, 10 * 22, 82000 / 8, false, false, false},
    {"stm32u575", "", 0x08000000, 3 * 2, 118000 / 16, false, false, false},
    {"gd32vf103", "", 0x08000000, 20 * 50, 37500 / 2, false, false, false},
    {"dfu11", "", KILN_NO_ADDRESS, 20 * 20, 20000, true, false, false},
    {"lpc", "", KILN_NO_ADDRESS, 20 * 20, 1000, true, false, false},
    {"openmoko", "", KILN_NO_ADDRESS, 5 * 20, 1000, false, true, false},
};

static void every_board_is_written_verified_and_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(boards); i++) {
        const struct times *t = &boards[i];
        uint64_t offset = t->address == KILN_NO_ADDRESS ? 0 : t->address - 0x08000000;
        uint64_t least = t->erase_ms + (uint64_t)IMAGE_SIZE * t->program_ns / 1000000;
        struct bench b;
        uint8_t *flash;
        size_t size;

        plug_in(&b, t->board, t->variant);
        load(&b, t->address);
        flash = flash_of(&b, &size);
        memset(flash, 0, size); /* nothing is blank */
        run(&b, KILN_VERB_FLASH);
        print_message("%s?variant=%s: %llu ms, the flash alone %llu%s\n", t->board, t->variant,
                      (unsigned long long)b.ms, (unsigned long long)least, b.message);
        assert_int_equal(b.status, KILN_OK);
        assert_int_equal(b.state, t->unverified ? KILN_STATE_WRITTEN : KILN_STATE_VERIFIED);
        assert_true(t->unverified || b.verified >= IMAGE_SIZE);
        assert_memory_equal(flash + offset, b.bytes, IMAGE_SIZE);
        assert_int_equal(is_gone(&b), !t->remains);
        assert_true(b.ms >= least);
        assert_true(b.ms <= least + least / 8 + 300 + (t->stays ? 10000 : 0) +
                                (t->address == KILN_NO_ADDRESS ? 3000 : 0));
        unplug(&b);
    }
}

static void assert_blank(struct bench *b, size_t from)
{
    size_t size;
    const uint8_t *flash = flash_of(b, &size);

    for (size_t i = from; i < size; i++)
        if (flash[i] != 0xff)
            fail_msg("0x%zx is not erased", i);
}

/* The command for all of it where every sector holds something and where pages are small, sector by sector where
 * most are blank. Either way it is looked at. */
static void the_whole_flash_is_erased_the_quicker_way(void **state)
{
    static const struct {
        const char *board;
        size_t used;          /* bytes from the start that hold something, 0: all */
        size_t kept;          /* bytes at the start that cannot be erased */
        unsigned least, most; /* ms */
    } cases[] = {
        {"stm32f405", 0, 0, 11000, 11300},
        {"stm32f405", 0x5000, 0, 600, 2000},
        {"stm32f429?variant=2mb", 0, 0, 11000, 11500},
        {"stm32f429?variant=2mb", 1, 0, 300, 2800},
        {"stm32f072", 0, 0, 40, 400},
        {"stm32f072", 100, 0, 40, 400},
        {"stm32f103", 0, 12 * 1024, 40, 500},
        {"stm32f746", 0, 0, 16000, 16500},
        {"stm32g0c1", 0, 0, 22, 1000},
        {"stm32g474", 0, 0, 22, 1000},
        {"stm32h743", 0, 0, 16000, 17000},
        {"stm32h743", 10, 0, 2000, 5000},
        {"stm32l452", 0, 0, 25, 1000},
        {"stm32u575", 0, 0, 400, 3000},
        {"gd32vf103", 0, 0, 500, 1000},
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(cases); i++) {
        struct bench b;
        uint8_t *flash;
        size_t size;

        plug_in(&b, cases[i].board, "");
        flash = flash_of(&b, &size);
        memset(flash, i % 2 != 0 ? 0x00 : 0x12, cases[i].used != 0 ? cases[i].used : size);
        b.request.erase_all = true;
        run(&b, KILN_VERB_ERASE);
        print_message("%s: %llu ms %s\n", cases[i].board, (unsigned long long)b.ms, b.message);
        assert_int_equal(b.status, KILN_OK);
        assert_blank(&b, cases[i].kept);
        assert_true(b.ms >= cases[i].least && b.ms <= cases[i].most);
        unplug(&b);
    }
}

/* Small pages are erased all at once where nothing else is in the flash, and only there. */
static void pages_are_erased_at_once_where_nothing_is_lost(void **state)
{
    static const struct {
        const char *board;
        unsigned program_ns, erase_ms;
    } cases[] = {{"stm32f072", 53500 / 2, 10 * 30}, {"gd32vf103", 37500 / 2, 20 * 50}};

    (void)state;
    for (size_t i = 0; i < 2 * KILN_ARRAY_LEN(cases); i++) {
        uint64_t program_ms = (uint64_t)IMAGE_SIZE * cases[i / 2].program_ns / 1000000;
        bool neighbour = i % 2 != 0, at_once = !neighbour && i / 2 == 0;
        struct bench b;
        uint8_t *flash;
        size_t size;

        plug_in(&b, cases[i / 2].board, "");
        load(&b, 0x08000000);
        flash = flash_of(&b, &size);
        memset(flash, 0, IMAGE_SIZE);
        flash[size - 1] = neighbour ? 0x12 : 0xff;
        run(&b, KILN_VERB_FLASH);
        print_message("%s: %llu ms\n", cases[i / 2].board, (unsigned long long)b.ms);
        assert_int_equal(b.state, KILN_STATE_VERIFIED);
        assert_memory_equal(flash, b.bytes, IMAGE_SIZE);
        assert_int_equal(flash[size - 1], neighbour ? 0x12 : 0xff);
        assert_true(b.ms >= program_ms + (at_once ? 40 : cases[i / 2].erase_ms));
        assert_true(b.ms <= program_ms + (at_once ? 300 : cases[i / 2].erase_ms + 300));
        unplug(&b);
    }
}

/* An F4 with a protected sector erases nothing of it and says nothing: neither way is called done. */
static void a_protected_sector_is_not_called_erased(void **state)
{
    const char *sets[] = {"nWRP=0xffd"};
    struct bench b;
    size_t size;

    (void)state;
    plug_in(&b, "stm32f405", "");
    b.request.sets = sets;
    b.request.set_count = 1;
    run(&b, KILN_VERB_OPTIONS);
    assert_int_equal(b.status, KILN_OK);
    memset(flash_of(&b, &size), 0x12, 0x8000);
    for (unsigned all = 0; all <= 1; all++) {
        b.request.erase_all = all != 0;
        b.request.address = 0x08004000;
        b.request.length = 0x4000;
        run(&b, KILN_VERB_ERASE);
        assert_int_equal(b.status, KILN_E_VERIFY);
        assert_non_null(strstr(b.message, "0x08004000 still holds data"));
    }
    unplug(&b);
}

static void protection_is_told_first_and_taken_off_by_name(void **state)
{
    static const char *const names[] = {"stm32f405", "stm32f429", "stm32f446", "stm32f072",
                                        "stm32f746", "stm32g474", "stm32h743", "stm32h723",
                                        "stm32l452", "stm32u575", "gd32vf103"};
    static const char *const variants[] = {"rdp1", "rdp1-no-set"};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(names) * KILN_ARRAY_LEN(variants); i++) {
        struct kiln_ctx ctx;
        struct bench b;
        size_t size;

        plug_in(&b, names[i / 2], variants[i % 2]);
        load(&b, 0x08000000);
        flash_of(&b, &size)[0] = 0x42;
        b.request.after = KILN_RESET_AFTER_STAY;
        run(&b, KILN_VERB_FLASH);
        assert_int_equal(b.status, KILN_E_REFUSED);
        assert_non_null(strstr(b.notes, "read protection is on"));
        assert_int_equal(b.state, KILN_STATE_UNTOUCHED);
        b.request.erase_all = true;
        run(&b, KILN_VERB_ERASE);
        assert_int_equal(b.status, KILN_E_REFUSED);
        assert_int_equal(flash_of(&b, &size)[0], 0x42);
        b.request.erase_all = false;
        b.request.dry_run = b.request.unprotect = true;
        run(&b, KILN_VERB_ERASE);
        assert_int_equal(b.status, KILN_OK);
        assert_int_equal(flash_of(&b, &size)[0], 0x42);
        b.request.dry_run = false;
        run(&b, KILN_VERB_ERASE);
        assert_int_equal(b.status, KILN_OK);
        assert_blank(&b, 0);
        kiln_ctx_init(&ctx, &b.clock.base);
        assert_int_equal(kiln_sleep_ms(&ctx, 3000), KILN_OK);
        run(&b, KILN_VERB_FLASH);
        assert_string_equal(b.message, "");
        assert_int_equal(b.state, KILN_STATE_VERIFIED);
        unplug(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_board_is_written_verified_and_left),
        cmocka_unit_test(the_whole_flash_is_erased_the_quicker_way),
        cmocka_unit_test(pages_are_erased_at_once_where_nothing_is_lost),
        cmocka_unit_test(a_protected_sector_is_not_called_erased),
        cmocka_unit_test(protection_is_told_first_and_taken_off_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
