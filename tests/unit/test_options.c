/* SPDX-License-Identifier: MIT */
/*
 * STM32 option bytes: values of the reference manuals and of other people's chips in words, changes that
 * keep every other bit, and whole jobs on boards that reset themselves, protect themselves, refuse to
 * write protected sectors and distrust a byte without its complement.
 */
#include "base/bytes.h"
#include "chip/stm32_options.h"
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

/* ---- layouts ---- */

static uint32_t get(const struct kiln_stm32_options *layout, const char *name, const uint8_t *bytes)
{
    const struct kiln_stm32_option *option = kiln_stm32_option_named(layout, name);

    assert_non_null(option);
    return kiln_stm32_option_get(option, bytes);
}

static void values_of_manuals_and_chips_are_understood(void **state)
{
    /* RM0091 Rev 10: ST production value 0x00FF55AA at 1FFFF800 */
    static const uint8_t f0[16] = {0xaa, 0x55, 0xff, 0x00, 0xff, 0x00, 0xff, 0x00,
                                   0xff, 0x00, 0xff, 0x00, 0xff, 0x00, 0xff, 0x00};
    /* PM0075: the unprotected RDPRT key is A5 */
    static const uint8_t f1[16] = {0xa5, 0x5a, 0xff, 0x00};
    /* RM0440 as users cite it: production value 0xFFEFF8AA, so BFB2 is 0 */
    uint8_t g4[48] = {0xaa, 0xf8, 0xef, 0xff, 0x55, 0x07, 0x10, 0x00};
    /* FLASH_OPTSR of products in the field at level 1 and level 2 */
    uint8_t h7[128] = {0xf0, 0xbb, 0xf6, 0x1b};
    const struct kiln_stm32_options *layout;

    (void)state;
    layout = kiln_stm32_options_find(NULL, 0x1ffff800, f0, sizeof f0);
    assert_string_equal(layout->series, "STM32F0/F3");
    assert_int_equal(kiln_stm32_option_level(layout, get(layout, "RDP", f0)), 0);
    for (const struct kiln_stm32_option *o = layout->option; o->name != NULL; o++)
        assert_true(kiln_stm32_option_complement_good(layout, o, f0));
    assert_string_equal(kiln_stm32_options_find(NULL, 0x1ffff800, f1, sizeof f1)->series,
                        "STM32F1");
    assert_string_equal(
        kiln_stm32_options_find(kiln_chip_find("stm32f105"), 0x1ffff800, f1, sizeof f1)->series,
        "STM32F1");
    layout = kiln_stm32_options_find(NULL, 0x1fff7800, g4, sizeof g4);
    assert_string_equal(layout->series, "STM32L4/G4");
    assert_int_equal(get(layout, "BFB2", g4), 0);
    assert_int_equal(get(layout, "DBANK", g4), 1);
    assert_int_equal(get(layout, "BOR_LEV", g4), 0);
    layout = kiln_stm32_options_find(kiln_chip_find("stm32h74"), 0x5200201c, h7, sizeof h7);
    assert_int_equal(kiln_stm32_option_level(layout, get(layout, "RDP", h7)), 1);
    h7[1] = 0xcc;
    assert_int_equal(kiln_stm32_option_level(layout, get(layout, "RDP", h7)), 2);
    assert_null(kiln_stm32_options_find(NULL, 0x1fffc000, f0, 8));
    assert_null(kiln_stm32_options_find(NULL, 0x12345678, f0, sizeof f0));
    assert_null(kiln_stm32_options_find(kiln_chip_find("stm32f405"), 0x1ffff800, f0, sizeof f0));
}

static void change_and_change_back(const struct kiln_stm32_options *layout,
                                   const struct kiln_stm32_option *option, uint8_t fill,
                                   uint32_t value)
{
    uint8_t before[2 * KILN_OPTION_BANK_2], after[2 * KILN_OPTION_BANK_2];

    memset(before, fill, sizeof before);
    memcpy(after, before, sizeof after);
    assert_true(option->at % KILN_OPTION_BANK_2 + (option->shift + option->width + 7u) / 8 <=
                KILN_MAX(layout->size, layout->seen[1]));
    kiln_stm32_option_set(layout, option, value, after);
    assert_int_equal(kiln_stm32_option_get(option, after), value);
    assert_true(kiln_stm32_option_complement_good(layout, option, after));
    kiln_stm32_option_set(layout, option, kiln_stm32_option_get(option, before), after);
    if (layout->complement == KILN_COMPLEMENT_NONE)
        assert_memory_equal(before, after, sizeof after);
    for (const struct kiln_stm32_option *o = layout->option; o->name != NULL; o++)
        assert_int_equal(kiln_stm32_option_get(o, after), kiln_stm32_option_get(o, before));
}

/* Every option of every layout: set to both ends of its range the value is there, and set back nothing
 * has changed. */
static void a_change_touches_nothing_else(void **state)
{
    const struct kiln_stm32_options *layout;

    (void)state;
    for (size_t i = 0; (layout = kiln_stm32_options_at(i)) != NULL; i++)
        for (const struct kiln_stm32_option *o = layout->option; o->name != NULL; o++) {
            uint32_t ones = (uint32_t)((1ull << o->width) - 1);

            change_and_change_back(layout, o, 0x5a, ones);
            change_and_change_back(layout, o, 0x5a, 0);
            change_and_change_back(layout, o, 0xff, 0);
            change_and_change_back(layout, o, 0x00, ones);
        }
}

/* ---- jobs ---- */

struct bench {
    struct kiln_virtual_clock clock;
    struct kiln_sim_usb *usb;
    struct kiln_request request;
    enum kiln_status status;
    uint64_t verified, written;
    char message[320], notes[2048], changes[512];
    uint8_t data[64]; /* that a job READ gave */
    size_t data_len;
    enum kiln_device_state state;
    size_t told; /* options that a job INFO told */
    bool read_protected;
};

static void plug_in(struct bench *bench, const char *text)
{
    struct kiln_sim_knobs knobs;
    struct kiln_ctx ctx;

    memset(bench, 0, sizeof *bench);
    kiln_virtual_clock_init(&bench->clock);
    kiln_ctx_init(&ctx, &bench->clock.base);
    assert_int_equal(kiln_sim_knobs_parse(&ctx, text, &knobs), KILN_OK);
    assert_int_equal(kiln_sim_board_find(knobs.board)->make_usb(&ctx, &knobs, &bench->usb),
                     KILN_OK);
    bench->request = (struct kiln_request)KILN_REQUEST_INIT;
    bench->request.device = "board";
}

static void take(struct bench *bench, const struct kiln_event *event)
{
    size_t used = strlen(bench->notes), changed = strlen(bench->changes);

    if (event->kind == KILN_EVENT_NOTE)
        snprintf(bench->notes + used, sizeof bench->notes - used, "%s\n", event->text);
    if (event->kind == KILN_EVENT_DEVICE) {
        bench->read_protected = event->target->read_protected;
        bench->told = event->target->options != NULL ? event->target->options->option_count : 0;
    }
    for (size_t i = 0; event->kind == KILN_EVENT_OPTIONS && i < event->options->option_count; i++)
        changed +=
            (size_t)snprintf(bench->changes + changed, sizeof bench->changes - changed,
                             "%s %x->%x; ", event->options->options[i].name,
                             event->options->options[i].value, event->options->options[i].changed);
    if (event->kind != KILN_EVENT_RESULT)
        return;
    bench->status = event->result->status;
    bench->verified = event->result->verified;
    bench->written = event->result->written;
    bench->state = event->result->state;
    bench->data_len = event->result->data_len;
    if (event->result->data_len > 0)
        memcpy(bench->data, event->result->data,
               KILN_MIN(event->result->data_len, sizeof bench->data));
    snprintf(bench->message, sizeof bench->message, "%s",
             event->result->error != NULL ? event->result->error->message : "");
}

static void run(struct bench *bench)
{
    struct kiln_job_hooks hooks = {.usb = bench->usb, .clock = &bench->clock.base};
    struct kiln_event event;
    struct kiln_job *job;

    bench->notes[0] = bench->changes[0] = '\0';
    assert_int_equal(kiln_job_create_on(&bench->request, &hooks, &job), KILN_OK);
    kiln_job_run_here(job);
    while (kiln_job_next_event(job, &event, 0))
        take(bench, &event);
    kiln_job_free(job);
}

static enum kiln_status set(struct bench *bench, const char *first, const char *second)
{
    const char *sets[] = {first, second};

    bench->request.verb = KILN_VERB_OPTIONS;
    bench->request.sets = sets;
    bench->request.set_count = second != NULL ? 2 : 1;
    run(bench);
    return bench->status;
}

/* A chip that erased itself is away from the bus for a moment. */
static void wait_for_board(struct bench *bench)
{
    struct kiln_ctx ctx;

    kiln_ctx_init(&ctx, &bench->clock.base);
    assert_int_equal(kiln_sleep_ms(&ctx, 2000), KILN_OK);
}

static void unplug(struct bench *bench)
{
    bench->usb->ops->free(bench->usb);
}

static void changes_are_made_through_the_reset_and_read_again(void **state)
{
    struct bench b;

    (void)state;
    plug_in(&b, "stm32f405");
    b.request.dry_run = true;
    assert_int_equal(set(&b, "BOR_LEV=0", "wdg_sw=0"), KILN_OK);
    assert_string_equal(b.changes, "BOR_LEV 3->0; WDG_SW 1->0; ");
    assert_non_null(strstr(b.notes, "resets itself"));
    assert_int_equal(b.written, 0);
    b.request.dry_run = false;
    assert_int_equal(set(&b, "BOR_LEV=0", "wdg_sw=0"), KILN_OK);
    assert_string_equal(b.changes, "BOR_LEV 3->0; WDG_SW 1->0; ");
    assert_int_equal(b.written, 16);
    assert_int_equal(b.verified, 16);
    assert_int_equal(set(&b, "BOR_LEV=0", NULL), KILN_OK);
    assert_int_equal(b.written, 0); /* so already */
    assert_int_equal(set(&b, "BOR_LEV=4", NULL), KILN_E_ARG);
    assert_int_equal(set(&b, "BOR_LEV=-1", NULL), KILN_E_ARG);
    assert_int_equal(set(&b, "BOR_LEV", NULL), KILN_E_ARG);
    assert_int_equal(set(&b, "NO_SUCH=1", NULL), KILN_E_ARG);
    assert_int_equal(set(&b, "BFB2=1", NULL), KILN_E_ARG); /* not every F4 has it */
    unplug(&b);
}

static void protection_is_taken_by_words_only_and_level_2_by_its_full_name(void **state)
{
    struct bench b;

    (void)state;
    plug_in(&b, "stm32f072");
    assert_int_equal(set(&b, "RDP=0", NULL), KILN_E_ARG);
    assert_int_equal(set(&b, "RDP=0xcc", NULL), KILN_E_ARG);
    assert_int_equal(set(&b, "RDP=level2", NULL), KILN_E_REFUSED);
    b.request.force = true;
    assert_int_equal(set(&b, "RDP=level2", NULL), KILN_E_REFUSED);
    b.request.dry_run = true;
    assert_int_equal(set(&b, "RDP=level2-for-ever", NULL), KILN_OK);
    assert_non_null(strstr(b.notes, "for ever"));
    b.request.dry_run = false;
    assert_int_equal(set(&b, "RDP=level1", NULL), KILN_OK);
    assert_non_null(strstr(b.notes, "erases all"));
    assert_int_equal(set(&b, "nBOOT1=0", NULL), KILN_E_REFUSED);
    assert_true(b.read_protected);
    b.request.verb = KILN_VERB_INFO;
    run(&b);
    assert_int_equal(b.status, KILN_OK);
    assert_int_equal(b.told, 0);
    b.request.verb = KILN_VERB_ERASE;
    b.request.unprotect = true;
    run(&b);
    assert_int_equal(b.status, KILN_OK);
    b.request.unprotect = false;
    wait_for_board(&b);
    assert_int_equal(set(&b, "nBOOT1=0", NULL), KILN_OK);
    assert_false(b.read_protected);
    assert_int_equal(b.verified, 16);
    unplug(&b);
}

/* A write-protected sector is neither erased nor programmed, and the boot ROM says nothing: only reading
 * back tells. */
static void a_write_protected_sector_is_noticed(void **state)
{
    struct bench b;

    (void)state;
    plug_in(&b, "stm32f405");
    assert_int_equal(set(&b, "nWRP=0xfff", NULL), KILN_OK);
    b.usb->ops->flash(b.usb, &(size_t){0})[0x4000] = 0x42;
    assert_int_equal(set(&b, "nWRP=0xffd", NULL), KILN_OK);
    b.request.verb = KILN_VERB_ERASE;
    b.request.address = 0x08004000;
    b.request.length = 0x4000;
    run(&b);
    assert_int_equal(b.usb->ops->flash(b.usb, &(size_t){0})[0x4000], 0x42);
    assert_int_equal(set(&b, "nWRP=0xfff", NULL), KILN_OK);
    b.request.verb = KILN_VERB_ERASE;
    run(&b);
    assert_int_equal(b.usb->ops->flash(b.usb, &(size_t){0})[0x4000], 0xff);
    unplug(&b);
}

/* What a job READ finds at `address`. */
static void read_back(struct bench *b, uint64_t address, size_t len)
{
    b->request.verb = KILN_VERB_READ;
    b->request.address = address;
    b->request.length = len;
    run(b);
    assert_string_equal(b->message, "");
    assert_int_equal(b->data_len, len);
}

/* Every option byte that a part keeps twice stands beside its complement after a change, also those that were
 * not touched, and the changed one is really changed. */
static void complements_are_kept(void **state)
{
    static const struct {
        const char *board, *set;
        uint64_t address;
        size_t len, apart; /* bytes from a byte to its complement: pairs of bytes, pairs of words */
        size_t at;
        uint8_t changed;
    } cases[] = {
        {"stm32f072", "nRST_STOP=0", 0x1ffff800, 16, 1, 2, 0x02},
        {"stm32f072", "RAM_PARITY_CHECK=0", 0x1ffff800, 16, 1, 2, 0x40},
        {"stm32f072", "Data1=0x5a", 0x1ffff800, 16, 1, 6, 0xa5},
        {"stm32l452", "SRAM2_RST=0", 0x1fff7800, 40, 4, 3, 0x02},
        {"stm32l452", "BOR_LEV=3", 0x1fff7800, 40, 4, 1, 0x03},
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(cases); i++) {
        uint8_t before;
        struct bench b;

        plug_in(&b, cases[i].board);
        b.request.chip = cases[i].board;
        read_back(&b, cases[i].address, cases[i].len);
        before = b.data[cases[i].at];
        assert_int_equal(set(&b, cases[i].set, NULL), KILN_OK);
        assert_true(b.verified > 0);
        read_back(&b, cases[i].address, cases[i].len);
        assert_int_equal(b.data[cases[i].at] ^ before, cases[i].changed);
        for (size_t at = 0; at < cases[i].len; at++)
            if (at % (2 * cases[i].apart) < cases[i].apart)
                assert_int_equal(b.data[at] ^ b.data[at + cases[i].apart], 0xff);
        unplug(&b);
    }
}

/* Where series share an address, a change needs to know the part. Options that nothing takes back are only shown. */
static void who_changes_must_know_the_part(void **state)
{
    struct bench b;

    (void)state;
    plug_in(&b, "stm32l452");
    assert_int_equal(set(&b, "BOR_LEV=1", NULL), KILN_E_ARG);
    assert_non_null(strstr(b.message, "--chip"));
    assert_int_equal(b.written, 0);
    unplug(&b);
    plug_in(&b, "stm32g474");
    b.request.chip = "stm32g474";
    assert_int_equal(set(&b, "BOOT_LOCK=1", NULL), KILN_E_REFUSED);
    assert_int_equal(set(&b, "SRAM2_RST=0", NULL), KILN_E_ARG); /* an L4 has it */
    assert_int_equal(b.written, 0);
    unplug(&b);
}

/* The second bank's option bytes are another piece of memory, written through a reset of its own. */
static void both_banks_are_written(void **state)
{
    struct bench b;

    (void)state;
    plug_in(&b, "stm32g474");
    b.request.chip = "stm32g474";
    assert_int_equal(set(&b, "WRP2A_STRT=3", "WRP2A_END=5"), KILN_OK);
    assert_string_equal(b.changes, "WRP2A_STRT 7f->3; WRP2A_END 0->5; ");
    assert_int_equal(b.written, 48);
    assert_int_equal(b.verified, 48);
    read_back(&b, 0x1ffff818, 8);
    assert_memory_equal(b.data, "\x83\xff\x05\xff\x7c\x00\xfa\x00", 8);
    assert_int_equal(set(&b, "WRP2A_END=6", "nRST_STOP=0"), KILN_OK);
    assert_int_equal(b.written, 96);
    assert_int_equal(b.verified, 96);
    b.request.verb = KILN_VERB_INFO;
    run(&b);
    assert_int_equal(b.told, 34);
    unplug(&b);
    plug_in(&b, "stm32f072"); /* a reset does not load these */
    b.request.dry_run = true;
    assert_int_equal(set(&b, "nRST_STOP=0", NULL), KILN_OK);
    assert_non_null(strstr(b.notes, "power-on"));
    unplug(&b);
}

struct file {
    struct kiln_image *image;
    const struct kiln_image *list[2];
    size_t count;
};

static void add_file(struct bench *b, struct file *file, const char *name, const uint8_t *bytes,
                     size_t len, uint64_t address)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;

    options.raw = true;
    options.address = address;
    assert_int_equal(kiln_image_parse(name, bytes, len, &options, &file->image, NULL), KILN_OK);
    file->list[file->count++] = file->image;
    b->request.verb = KILN_VERB_FLASH;
    b->request.images = file->list;
    b->request.image_count = file->count;
    b->request.after = KILN_RESET_AFTER_STAY;
}

static void free_files(struct file *file)
{
    for (size_t i = 0; i < file->count; i++)
        kiln_image_free((struct kiln_image *)(uintptr_t)file->list[i]);
}

/* A file over option bytes or OTP is refused unless forced, and the reason says what it would do. */
static void files_do_not_go_where_they_stay_for_ever(void **state)
{
    static const uint64_t places[] = {0x1fffc000, 0x1fff7810};
    static const uint8_t bytes[16] = {0};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(places); i++) {
        struct file file = {0};
        struct bench b;

        plug_in(&b, "stm32f405");
        add_file(&b, &file, "o.bin", bytes, sizeof bytes, places[i]);
        run(&b);
        assert_int_equal(b.status, KILN_E_REFUSED);
        assert_non_null(strstr(b.message, "for ever"));
        assert_int_equal(b.state, KILN_STATE_UNTOUCHED);
        b.request.force = b.request.dry_run = true;
        run(&b);
        assert_int_equal(b.status, KILN_OK);
        free_files(&file);
        unplug(&b);
    }
}

/* The name in the layout string is not all that tells what a memory is for: a part has it at this address. */
static void memory_under_another_name_is_known_by_its_place(void **state)
{
    static const struct {
        size_t alt;
        const char *layout;
        uint64_t address;
        const char *message;
    } cases[] = {
        {1, "@Settings /0x1FFFC000/01*016 e", 0x1fffc000, "option bytes"},
        {1, "@option byte /0x1FFFC000/01*016 e", 0x1fffc000, "option bytes"},
        {2, "@Serial numbers /0x1FFF7800/01*512 e,01*016 e", 0x1fff7a04, "for ever"},
        {2, "@Otp /0x1FFF7800/01*512 e,01*016 e", 0x1fff7804, "for ever"},
    };
    static const uint8_t bytes[4] = {0};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(cases); i++) {
        struct file file = {0};
        struct bench b;

        plug_in(&b, "stm32f405");
        KILN_CONTAINER(b.usb, struct dfu_sim, base)->row.alt[cases[i].alt] = cases[i].layout;
        add_file(&b, &file, "o.bin", bytes, sizeof bytes, cases[i].address);
        run(&b);
        assert_int_equal(b.status, KILN_E_REFUSED);
        assert_non_null(strstr(b.message, cases[i].message));
        assert_int_equal(b.state, KILN_STATE_UNTOUCHED);
        free_files(&file);
        unplug(&b);
    }
}

/* Forced, a file of option bytes is written behind the firmware, told in words, followed through the reset and
 * read again. */
static void a_forced_file_of_option_bytes_is_followed_through_the_reset(void **state)
{
    uint8_t bytes[16] = {0xe3, 0xaa, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                         0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t firmware[4096] = {0x00, 0x00, 0x02, 0x20, 0x09, 0x00, 0x00, 0x08};
    struct file file = {0};
    struct bench b;

    (void)state;
    plug_in(&b, "stm32f405");
    b.request.force = true;
    add_file(&b, &file, "fw.bin", firmware, sizeof firmware, 0x08000000);
    add_file(&b, &file, "o.bin", bytes, sizeof bytes, 0x1fffc000);
    run(&b);
    assert_int_equal(b.status, KILN_OK);
    assert_int_equal(b.state, KILN_STATE_VERIFIED);
    assert_string_equal(b.changes, "BOR_LEV 3->0; ");
    free_files(&file);
    read_back(&b, 0x1fffc000, 16);
    assert_memory_equal(b.data, bytes, 2);
    assert_int_equal(b.usb->ops->flash(b.usb, &(size_t){0})[4], 0x09);
    /* the same file again: nothing to write, no reset */
    file = (struct file){0};
    bytes[9] = b.data[9];
    add_file(&b, &file, "o.bin", bytes, sizeof bytes, 0x1fffc000);
    run(&b);
    assert_int_equal(b.status, KILN_OK);
    assert_int_equal(b.written, 0);
    free_files(&file);
    /* level 2 comes from no file */
    file = (struct file){0};
    bytes[1] = 0xcc;
    add_file(&b, &file, "o.bin", bytes, sizeof bytes, 0x1fffc000);
    run(&b);
    assert_int_equal(b.status, KILN_E_REFUSED);
    assert_non_null(strstr(b.message, "level2-for-ever"));
    assert_int_equal(b.state, KILN_STATE_UNTOUCHED);
    free_files(&file);
    /* level 1 is written as asked, though nobody can read it again */
    file = (struct file){0};
    bytes[1] = 0x55;
    add_file(&b, &file, "o.bin", bytes, sizeof bytes, 0x1fffc000);
    run(&b);
    assert_int_equal(b.status, KILN_OK);
    assert_int_equal(b.written, 16);
    free_files(&file);
    unplug(&b);
}

/* One-time memory gets the bytes given and no others: what surrounds them stays blank, and a byte that is not
 * blank any more is never written over. */
static void otp_takes_only_the_bytes_given(void **state)
{
    static const uint8_t bytes[5] = {0x12, 0x34, 0xff, 0x56, 0xff};
    struct file file = {0};
    struct bench b;

    (void)state;
    plug_in(&b, "stm32f405");
    b.request.force = true;
    add_file(&b, &file, "otp.bin", bytes, sizeof bytes, 0x1fff7821);
    run(&b);
    assert_int_equal(b.status, KILN_OK);
    assert_int_equal(b.written, sizeof bytes);
    assert_int_equal(b.verified, sizeof bytes);
    assert_non_null(strstr(b.notes, "for ever"));
    run(&b); /* so already */
    assert_int_equal(b.status, KILN_OK);
    assert_int_equal(b.written, 0);
    b.request.full = true;
    run(&b);
    assert_int_equal(b.written, 0);
    b.request.full = false;
    free_files(&file);
    read_back(&b, 0x1fff7820, 8);
    assert_int_equal(b.data[0], 0xff);
    assert_memory_equal(b.data + 1, bytes, sizeof bytes);
    assert_int_equal(b.data[6], 0xff);
    file = (struct file){0};
    add_file(&b, &file, "otp.bin", (const uint8_t[]){0x13}, 1, 0x1fff7821);
    run(&b);
    assert_int_equal(b.status, KILN_E_REFUSED);
    assert_non_null(strstr(b.message, "holds 0x12 for ever"));
    assert_int_equal(b.state, KILN_STATE_UNTOUCHED);
    free_files(&file);
    unplug(&b);
}

/* A double word of an L4's one-time memory takes its bytes together: a part of one would close the rest. */
static void otp_takes_whole_units(void **state)
{
    static const struct {
        uint64_t address;
        size_t len;
        enum kiln_status status;
    } cases[] = {
        {0x1fff7000, 5, KILN_E_REFUSED},
        {0x1fff7004, 4, KILN_E_REFUSED},
        {0x1fff7008, 16, KILN_OK},
    };
    static const uint8_t bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(cases); i++) {
        struct file file = {0};
        struct bench b;

        plug_in(&b, "stm32l452");
        b.request.force = true;
        add_file(&b, &file, "otp.bin", bytes, cases[i].len, cases[i].address);
        run(&b);
        assert_int_equal(b.status, cases[i].status);
        assert_true(b.status == KILN_OK || strstr(b.message, "8 bytes at a time") != NULL);
        assert_int_equal(b.written, b.status == KILN_OK ? cases[i].len : 0);
        free_files(&file);
        unplug(&b);
    }
}

static void what_is_not_known_is_refused(void **state)
{
    static const char *const boards[] = {"stm32h743", "stm32u575", "stm32g0c1", "gd32vf103",
                                         "stm32f405?variant=rdp1"};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(boards); i++) {
        struct bench b;

        plug_in(&b, boards[i]);
        assert_int_not_equal(set(&b, "BOR_LEV=1", NULL), KILN_OK);
        assert_true(b.status == KILN_E_UNSUPPORTED || b.status == KILN_E_REFUSED);
        assert_int_equal(b.written, 0);
        unplug(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_manuals_and_chips_are_understood),
        cmocka_unit_test(a_change_touches_nothing_else),
        cmocka_unit_test(changes_are_made_through_the_reset_and_read_again),
        cmocka_unit_test(protection_is_taken_by_words_only_and_level_2_by_its_full_name),
        cmocka_unit_test(a_write_protected_sector_is_noticed),
        cmocka_unit_test(complements_are_kept),
        cmocka_unit_test(who_changes_must_know_the_part),
        cmocka_unit_test(both_banks_are_written),
        cmocka_unit_test(files_do_not_go_where_they_stay_for_ever),
        cmocka_unit_test(memory_under_another_name_is_known_by_its_place),
        cmocka_unit_test(a_forced_file_of_option_bytes_is_followed_through_the_reset),
        cmocka_unit_test(otp_takes_only_the_bytes_given),
        cmocka_unit_test(otp_takes_whole_units),
        cmocka_unit_test(what_is_not_known_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
