/* SPDX-License-Identifier: MIT */
/*
 * The DFU loader against the simulated boards: erase, write, read back and leave on every one, what each
 * boot ROM does otherwise, and every request failing once in every way. The flash array is looked at
 * beside the loader.
 */
#include "base/bytes.h"
#include "link/open.h"
#include "loader/loader.h"
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS ((uint64_t)KILN_NS_PER_MS)
#define BOARD_MAX \
    (uint64_t)(600 * 1000) * MS /* no scenario may take ten minutes of the board's time */
#define FLASH_BASE 0x08000000u

struct bench {
    struct kiln_virtual_clock clock;
    struct kiln_cancel cancel;
    struct kiln_ctx ctx;
    struct kiln_sim_usb *board;
    struct kiln_usb_link *link;
    struct kiln_loader_options options;
    struct kiln_loader *loader;
};

static void bench_open(struct bench *b, const char *text, struct kiln_fault *fault)
{
    struct kiln_sim_knobs knobs;

    memset(b, 0, sizeof *b);
    kiln_virtual_clock_init(&b->clock);
    kiln_ctx_init(&b->ctx, &b->clock.base);
    b->cancel.wake_fd = b->cancel.fire_fd = -1;
    b->ctx.cancel = &b->cancel;
    assert_int_equal(kiln_sim_knobs_parse(&b->ctx, text, &knobs), KILN_OK);
    assert_int_equal(kiln_sim_board_find(knobs.board)->make_usb(&b->ctx, &knobs, &b->board),
                     KILN_OK);
    assert_int_equal(kiln_sim_usb_link(&b->ctx, b->board, true, &b->link), KILN_OK);
    if (fault != NULL)
        assert_int_equal(kiln_fault_usb_layer(&b->ctx, fault, b->link, &b->link), KILN_OK);
}

static void bench_close(struct bench *b)
{
    if (b->loader != NULL)
        b->loader->ops->free(b->loader);
    kiln_usb_close(b->link);
}

#define OK_ON(b, text, call)                                                                 \
    do {                                                                                     \
        enum kiln_status ok_ = (call);                                                       \
        if (ok_ != KILN_OK)                                                                  \
            fail_msg("%s: %s: %s (%s)", text, kiln_status_name(ok_), (b)->ctx.error.message, \
                     (b)->ctx.error.context);                                                \
    } while (0)

static enum kiln_status dfu_connect(struct bench *b)
{
    return kiln_dfu_connect(&b->ctx, b->link, &b->options, &b->loader);
}

/* First and last page that can be written: n bytes with a blank stretch in the middle, of odd length. */
static void cycle(struct bench *b, const char *text, uint64_t address, size_t page)
{
    const struct kiln_loader_ops *ops = b->loader->ops;
    uint8_t *image = malloc(page), *back = malloc(page);
    size_t flash_size, len = page - 3;
    const uint8_t *flash = b->board->ops->flash(b->board, &flash_size);

    assert_true(image != NULL && back != NULL);
    memset(image, 0xff, page);
    for (size_t i = 0; i < page; i++)
        if (i < page / 2 || i > page / 4 * 3)
            image[i] = (uint8_t)(i * 7 + i / 256);
    OK_ON(b, text, ops->erase(b->loader, &b->ctx, address, page, NULL));
    OK_ON(b, text, ops->write(b->loader, &b->ctx, address, image, len, NULL));
    OK_ON(b, text, ops->read(b->loader, &b->ctx, address, back, len, NULL));
    assert_memory_equal(image, back, len);
    assert_true(address - FLASH_BASE + len <= flash_size);
    assert_memory_equal(image, flash + (address - FLASH_BASE), len);
    free(image);
    free(back);
}

static void every_dfuse_board_is_written_read_and_left(void **state)
{
    static const char *const boards[] = {"stm32f405",
                                         "stm32f429",
                                         "stm32f429?variant=2mb",
                                         "stm32f405?variant=strict",
                                         "stm32f072",
                                         "stm32f103",
                                         "stm32f746",
                                         "stm32g0c1",
                                         "stm32h743",
                                         "stm32l452",
                                         "stm32u575",
                                         "gd32vf103"};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(boards); i++) {
        const struct kiln_region *first = NULL, *last = NULL;
        const struct kiln_target_info *info;
        struct bench b;

        bench_open(&b, boards[i], NULL);
        OK_ON(&b, boards[i], dfu_connect(&b));
        info = b.loader->ops->info(b.loader);
        for (size_t r = 0; r < info->region_count; r++)
            if (info->region[r].access == 7 && info->region[r].alt == 0) {
                first = first != NULL ? first : &info->region[r];
                last = &info->region[r];
            }
        assert_non_null(first);
        cycle(&b, boards[i], first->start, first->page);
        cycle(&b, boards[i], last->start + last->size - last->page, last->page);
        OK_ON(&b, boards[i], b.loader->ops->erase_all(b.loader, &b.ctx));
        OK_ON(&b, boards[i], b.loader->ops->run(b.loader, &b.ctx, UINT64_MAX));
        assert_true(kiln_usb_is_gone(b.link));
        OK_ON(&b, boards[i], b.loader->ops->leave(b.loader, &b.ctx));
        assert_true(b.clock.now_ns < BOARD_MAX);
        bench_close(&b);
    }
}

static void short_string_of_the_f429_gives_the_whole_layout(void **state)
{
    const struct kiln_target_info *info;
    struct bench b;

    (void)state;
    bench_open(&b, "stm32f429", NULL);
    OK_ON(&b, "f429", dfu_connect(&b));
    info = b.loader->ops->info(b.loader);
    assert_int_equal(info->region[2].start, 0x08020000);
    assert_int_equal(info->region[2].size, 7 * 128 * 1024);
    bench_close(&b);
}

static void wrong_layout_of_the_gd32_is_mended_by_its_serial_number(void **state)
{
    const struct kiln_target_info *info;
    struct bench b;

    (void)state;
    bench_open(&b, "gd32vf103", NULL);
    OK_ON(&b, "gd32", dfu_connect(&b));
    info = b.loader->ops->info(b.loader);
    assert_int_equal(info->region[0].page, 1024);
    assert_int_equal(info->region[0].size, 128 * 1024);
    assert_non_null(strstr(info->notes, "GD32VF103"));
    bench_close(&b);
}

static void erase_that_never_ends_costs_less_once_known(void **state)
{
    uint64_t before;
    struct bench b;

    (void)state;
    bench_open(&b, "stm32h743?variant=idle-start", NULL);
    OK_ON(&b, "h743", dfu_connect(&b));
    before = b.clock.now_ns;
    OK_ON(&b, "h743", b.loader->ops->erase(b.loader, &b.ctx, 0x08100000, 2 * 128 * 1024, NULL));
    assert_true(b.clock.now_ns - before < 10000 * MS);
    assert_string_equal(b.loader->ops->info(b.loader)->chip->name, "stm32h74");
    bench_close(&b);
}

static void protected_chip_is_explained_and_unprotected_when_asked(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, "stm32f405?variant=idle-start,rdp1", NULL);
    OK_ON(&b, "rdp1", dfu_connect(&b));
    assert_true(b.loader->ops->info(b.loader)->read_protected);
    assert_int_equal(b.loader->ops->erase_all(b.loader, &b.ctx), KILN_E_REFUSED);
    OK_ON(&b, "rdp1", b.loader->ops->unprotect(b.loader, &b.ctx));
    bench_close(&b);
}

static void wrong_chip_is_refused_and_right_one_named(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, "stm32f405", NULL);
    b.options.chip = "stm32f103c8";
    assert_int_equal(dfu_connect(&b), KILN_E_REFUSED);
    b.options.chip = "stm32f407vg";
    OK_ON(&b, "f407", dfu_connect(&b));
    assert_string_equal(b.loader->ops->info(b.loader)->chip->name, "stm32f405");
    bench_close(&b);
}

static void given_layout_replaces_the_devices(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, "stm32f405", NULL);
    b.options.layout = "@Mine/0x08000000/04*016Kg,";
    b.options.alt = "0";
    OK_ON(&b, "layout", dfu_connect(&b));
    assert_int_equal(b.loader->ops->info(b.loader)->region_count, 1);
    bench_close(&b);
    bench_open(&b, "stm32f405", NULL);
    b.options.layout = "@Mine/0x08000000/04*016Kg,7?";
    assert_int_equal(dfu_connect(&b), KILN_E_ARG);
    bench_close(&b);
}

static void plain_dfu_device_detaches_takes_a_stream_and_leaves(void **state)
{
    static uint8_t image[5001];
    struct bench b;

    (void)state;
    memset(image, 0x42, sizeof image);
    bench_open(&b, "dfu11", NULL);
    OK_ON(&b, "dfu11", dfu_connect(&b));
    assert_true((b.loader->ops->info(b.loader)->caps & KILN_CAP_STREAM) != 0);
    OK_ON(&b, "dfu11",
          b.loader->ops->write(b.loader, &b.ctx, KILN_STREAM_START(0), image, sizeof image, NULL));
    OK_ON(&b, "dfu11", b.loader->ops->leave(b.loader, &b.ctx));
    bench_close(&b);
}

static void quirk_boards_are_written_or_refused_by_name(void **state)
{
    static const char *const plain[] = {"lpc", "openmoko", "maple"};
    static uint8_t image[20001];
    uint64_t before;
    struct bench b;

    (void)state;
    memset(image, 0x42, sizeof image);
    for (size_t i = 0; i < KILN_ARRAY_LEN(plain); i++) {
        bench_open(&b, plain[i], NULL);
        before = b.clock.now_ns;
        OK_ON(&b, plain[i], dfu_connect(&b));
        OK_ON(&b, plain[i],
              b.loader->ops->write(b.loader, &b.ctx, KILN_STREAM_START(0), image, sizeof image,
                                   NULL));
        OK_ON(&b, plain[i], b.loader->ops->leave(b.loader, &b.ctx));
        assert_true(b.clock.now_ns - before < 20000 * MS);
        bench_close(&b);
    }
    bench_open(&b, "atmel", NULL);
    assert_int_equal(dfu_connect(&b), KILN_E_UNSUPPORTED);
    assert_non_null(strstr(b.ctx.error.message, "FLIP"));
    bench_close(&b);

    bench_open(&b, "stm32f405?variant=pipe", NULL);
    OK_ON(&b, "pipe", dfu_connect(&b));
    cycle(&b, "pipe", FLASH_BASE, 16384);
    cycle(&b, "pipe", FLASH_BASE + 0x20000, 128 * 1024);
    bench_close(&b);
}

/* ---- every request fails once ---- */

static enum kiln_status flash_once(struct bench *b, uint8_t *back, size_t len)
{
    static const uint8_t image[2100] = {1, 2, 3, [1500] = 9, [2099] = 7};
    enum kiln_status status = dfu_connect(b);
    const struct kiln_loader_ops *ops;

    if (status != KILN_OK)
        return status;
    ops = b->loader->ops;
    KILN_TRY(ops->erase(b->loader, &b->ctx, FLASH_BASE, 16384, NULL));
    KILN_TRY(ops->write(b->loader, &b->ctx, FLASH_BASE, image, sizeof image, NULL));
    KILN_TRY(ops->read(b->loader, &b->ctx, FLASH_BASE, back, len, NULL));
    return memcmp(back, image, len) == 0 ? ops->leave(b->loader, &b->ctx)
                                         : kiln_fail(&b->ctx, KILN_E_VERIFY, "differs");
}

static void any_request_may_fail_in_any_way(void **state)
{
    static uint8_t back[2100];
    size_t runs = 0, good = 0;

    (void)state;
    for (int kind = KILN_FAULT_FAIL; kind <= KILN_FAULT_CANCEL; kind++) {
        for (uint64_t at = 0;; at++) {
            struct kiln_fault fault = {.kind = (enum kiln_fault_kind)kind, .at = at};
            enum kiln_status status;
            size_t flash_size;
            struct bench b;

            bench_open(&b, "stm32f405", &fault);
            status = flash_once(&b, back, sizeof back);
            if (status == KILN_OK && b.board->ops->flash(b.board, &flash_size)[1500] != 9)
                fail_msg("fault %d at %llu: success without the image", kind,
                         (unsigned long long)at);
            if (status != KILN_OK && b.ctx.error.message[0] == '\0')
                fail_msg("fault %d at %llu: no message", kind, (unsigned long long)at);
            if (b.clock.now_ns > BOARD_MAX)
                fail_msg("fault %d at %llu: took %llu s", kind, (unsigned long long)at,
                         (unsigned long long)(b.clock.now_ns / 1000 / MS));
            b.ctx.shield = 1; /* as the job's clean-up does */
            if (status != KILN_OK && b.loader != NULL)
                (void)!b.loader->ops->leave(b.loader, &b.ctx);
            runs++;
            good += status == KILN_OK;
            bench_close(&b);
            if (!fault.happened)
                break;
        }
    }
    print_message("%zu faults, %zu of them overcome\n", runs, good);
    assert_true(runs > 100 && good > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dfuse_board_is_written_read_and_left),
        cmocka_unit_test(short_string_of_the_f429_gives_the_whole_layout),
        cmocka_unit_test(wrong_layout_of_the_gd32_is_mended_by_its_serial_number),
        cmocka_unit_test(erase_that_never_ends_costs_less_once_known),
        cmocka_unit_test(protected_chip_is_explained_and_unprotected_when_asked),
        cmocka_unit_test(wrong_chip_is_refused_and_right_one_named),
        cmocka_unit_test(given_layout_replaces_the_devices),
        cmocka_unit_test(plain_dfu_device_detaches_takes_a_stream_and_leaves),
        cmocka_unit_test(quirk_boards_are_written_or_refused_by_name),
        cmocka_unit_test(any_request_may_fail_in_any_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
