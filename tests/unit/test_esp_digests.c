/* SPDX-License-Identifier: MIT */
/*
 * Digests through Kiln's own flasher on the simulated board, on virtual time. It fails when a list has other bytes than
 * OpenSSL finds, when what a write has read back is asked for again, or believed after it has changed.
 */
#include "link/open.h"
#include "loader/esp.h"
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#define PAGE 4096u

struct bench {
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_sim_uart *board;
    struct kiln_byte_link *link;
    struct kiln_loader *loader;
    uint8_t *flash;
};

static void plug_in(struct bench *bench, enum kiln_flasher flasher)
{
    const struct kiln_loader_options options = {.flasher = flasher, .may_defer = true};
    struct kiln_sim_knobs knobs;
    uint32_t state = 5;
    size_t size;

    memset(bench, 0, sizeof *bench);
    kiln_virtual_clock_init(&bench->clock);
    kiln_ctx_init(&bench->ctx, &bench->clock.base);
    assert_int_equal(kiln_sim_knobs_parse(&bench->ctx, "esp32", &knobs), KILN_OK);
    assert_int_equal(
        kiln_sim_board_find(knobs.board)->make_uart(&bench->ctx, &knobs, &bench->board), KILN_OK);
    assert_int_equal(kiln_sim_byte_link(&bench->ctx, bench->board, false, 115200, &bench->link),
                     KILN_OK);
    assert_int_equal(kiln_esp_connect(&bench->ctx, bench->link, &options, &bench->loader), KILN_OK);
    bench->flash = bench->board->ops->flash(bench->board, &size);
    for (size_t i = 0; i < 64 * PAGE; i++) {
        state = state * 1664525u + 1013904223u;
        bench->flash[i] = (uint8_t)(state >> 24);
    }
}

static void unplug(struct bench *bench)
{
    bench->loader->ops->free(bench->loader);
    kiln_link_close(bench->link);
    bench->board->ops->free(bench->board);
}

static void is_md5_of(const struct bench *bench, size_t at, size_t len, const uint8_t *md5,
                      size_t each)
{
    uint8_t wanted[EVP_MAX_MD_SIZE];

    assert_int_equal(EVP_Digest(bench->flash + at, len, wanted, NULL, EVP_md5(), NULL), 1);
    assert_memory_equal(md5, wanted, each);
}

static void a_list_has_the_digest_of_each_page(void **state)
{
    struct bench bench;
    uint8_t list[40 * 6];

    (void)state;
    plug_in(&bench, KILN_FLASHER_KILN);
    assert_string_equal(bench.loader->ops->info(bench.loader)->loader, "Kiln's flasher");
    assert_int_equal(
        bench.loader->ops->digests(bench.loader, &bench.ctx, 3 * PAGE, 40 * PAGE, PAGE, list, 6),
        KILN_OK);
    for (size_t i = 0; i < 40; i++)
        is_md5_of(&bench, (3 + i) * PAGE, PAGE, list + 6 * i, 6);
    unplug(&bench);
}

static void who_has_no_lists_says_so_without_an_error(void **state)
{
    struct bench bench;
    uint8_t list[6];

    (void)state;
    plug_in(&bench, KILN_FLASHER_STUB);
    assert_int_equal(bench.loader->ops->digests(bench.loader, &bench.ctx, 0, PAGE, PAGE, list, 6),
                     KILN_E_UNSUPPORTED);
    assert_int_equal(bench.ctx.error.status, KILN_OK);
    unplug(&bench);
}

static void what_writes_have_read_back_is_remembered_until_it_changes(void **state)
{
    static uint8_t bytes[2 * PAGE];
    const struct kiln_loader_ops *ops;
    struct bench bench;
    uint8_t md5[16];
    uint64_t before;

    (void)state;
    plug_in(&bench, KILN_FLASHER_KILN);
    ops = bench.loader->ops;
    memset(bytes, 0x5a, sizeof bytes);
    for (uint64_t at = 0; at < 32 * PAGE; at += 4 * PAGE)
        assert_int_equal(ops->write(bench.loader, &bench.ctx, at, bytes, sizeof bytes, NULL),
                         KILN_OK);
    before = bench.clock.now_ns;
    for (size_t at = 0; at < 32 * PAGE; at += 4 * PAGE) {
        assert_int_equal(ops->digest(bench.loader, &bench.ctx, at, sizeof bytes, md5), KILN_OK);
        is_md5_of(&bench, at, sizeof bytes, md5, 16);
    }
    assert_int_equal(bench.clock.now_ns, before);
    assert_int_equal(ops->erase(bench.loader, &bench.ctx, 5 * PAGE, PAGE, NULL), KILN_OK);
    for (size_t at = 0; at < 32 * PAGE; at += 4 * PAGE) {
        assert_int_equal(ops->digest(bench.loader, &bench.ctx, at, sizeof bytes, md5), KILN_OK);
        is_md5_of(&bench, at, sizeof bytes, md5, 16);
    }
    unplug(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_has_the_digest_of_each_page),
        cmocka_unit_test(who_has_no_lists_says_so_without_an_error),
        cmocka_unit_test(what_writes_have_read_back_is_remembered_until_it_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
