/* SPDX-License-Identifier: MIT */
/*
 * The ESP loader on a line that stalls: several times, for random times, in random places and both ways, so that
 * replies come after their request was given up. Nothing is lost and nothing overtakes anything. What the loader then
 * says must be true, or be an error. Fails if a late reply is taken for that to a later request.
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

#define QUEUE_MAX (1u << 16)
#define NEVER     UINT64_MAX

/* Bytes on their way, each with the time when it comes out. */
struct way {
    uint8_t byte[QUEUE_MAX];
    uint64_t due_ns[QUEUE_MAX];
    size_t head, count;
    uint64_t last_ns;
};

struct stalling {
    struct kiln_byte_link base;
    struct kiln_byte_link *below; /* borrowed */
    struct way in, out;
    uint32_t random, one_in, longest_ms;
    bool far;
    unsigned stalls;
};

static uint32_t draw(struct stalling *s, uint32_t below)
{
    s->random = s->random * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(s->random >> 8) * below >> 24);
}

static void send_off(struct stalling *s, struct way *way, uint64_t now_ns, const uint8_t *bytes,
                     size_t len)
{
    if (s->one_in > 0 && draw(s, s->one_in) == 0) {
        s->stalls++;
        now_ns += (uint64_t)draw(s, s->longest_ms) * KILN_NS_PER_MS;
    }
    way->last_ns = KILN_MAX(way->last_ns, now_ns);
    assert_true(way->count + len <= QUEUE_MAX);
    for (size_t i = 0; i < len; i++) {
        size_t at = (way->head + way->count++) % QUEUE_MAX;

        way->byte[at] = bytes[i];
        way->due_ns[at] = way->last_ns;
    }
}

static size_t arrive(struct way *way, uint64_t now_ns, uint8_t *bytes, size_t cap)
{
    size_t n = 0;

    while (n < cap && way->count > 0 && way->due_ns[way->head] <= now_ns) {
        bytes[n++] = way->byte[way->head];
        way->head = (way->head + 1) % QUEUE_MAX;
        way->count--;
    }
    return n;
}

static uint64_t next_due(const struct way *way)
{
    return way->count > 0 ? way->due_ns[way->head] : NEVER;
}

static enum kiln_status forward(struct stalling *s, struct kiln_ctx *ctx)
{
    uint8_t bytes[512];
    size_t n;

    while ((n = arrive(&s->out, kiln_ctx_now_ns(ctx), bytes, sizeof bytes)) > 0)
        KILN_TRY(kiln_link_write(s->below, ctx, bytes, n));
    return KILN_OK;
}

/* Takes what the board has sent until then, or until something is due. */
static enum kiln_status listen(struct stalling *s, struct kiln_ctx *ctx, uint64_t until_ns)
{
    uint64_t saved = ctx->deadline_ns;
    uint8_t bytes[64];
    size_t n = 0;
    enum kiln_status status;

    KILN_TRY(forward(s, ctx));
    ctx->deadline_ns = KILN_MIN(saved, KILN_MIN(until_ns, next_due(&s->out)));
    status = kiln_link_read(s->below, ctx, bytes, 1 + draw(s, sizeof bytes), &n);
    ctx->deadline_ns = saved;
    send_off(s, &s->in, kiln_ctx_now_ns(ctx), bytes, n);
    if (status != KILN_E_TIMEOUT)
        return status;
    kiln_error_clear(ctx);
    return KILN_OK;
}

static enum kiln_status stalling_read(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      uint8_t *bytes, size_t cap, size_t *out_len)
{
    struct stalling *s = (struct stalling *)self;

    while ((*out_len = arrive(&s->in, kiln_ctx_now_ns(ctx), bytes, cap)) == 0) {
        KILN_TRY(kiln_ctx_check(ctx));
        KILN_TRY(listen(s, ctx, next_due(&s->in)));
    }
    return KILN_OK;
}

static enum kiln_status stalling_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                       const uint8_t *bytes, size_t len)
{
    struct stalling *s = (struct stalling *)self;

    send_off(s, &s->out, kiln_ctx_now_ns(ctx), bytes, len);
    return forward(s, ctx);
}

/* What has not come out yet cannot be dropped. */
static enum kiln_status stalling_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct stalling *s = (struct stalling *)self;
    uint8_t bytes[256];
    size_t before;

    do {
        before = s->in.count;
        KILN_TRY(listen(s, ctx, kiln_ctx_now_ns(ctx)));
    } while (s->in.count > before);
    while (arrive(&s->in, kiln_ctx_now_ns(ctx), bytes, sizeof bytes) > 0)
        continue;
    return KILN_OK;
}

static enum kiln_status stalling_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      uint32_t baud)
{
    return kiln_link_set_baud(((struct stalling *)self)->below, ctx, baud);
}

static enum kiln_status stalling_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                       unsigned mask, unsigned levels)
{
    return kiln_link_set_lines(((struct stalling *)self)->below, ctx, mask, levels);
}

static unsigned stalling_caps(const struct kiln_byte_link *self)
{
    const struct stalling *s = (const struct stalling *)self;

    return kiln_link_caps(s->below) | (s->far ? KILN_LINK_NETWORK : 0);
}

static void stalling_close(struct kiln_byte_link *self)
{
    (void)self;
}

static const struct kiln_byte_link_ops stalling_ops = {
    .name = "stalling",
    .read = stalling_read,
    .write = stalling_write,
    .discard_input = stalling_discard,
    .set_baud = stalling_baud,
    .set_lines = stalling_lines,
    .caps = stalling_caps,
    .close = stalling_close,
};

/* ---- the bench ---- */

struct bench {
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_sim_uart *board;
    struct kiln_byte_link *link;
    struct stalling stalling;
    struct kiln_loader_options options;
    struct kiln_loader *loader;
};

static struct bench bench; /* too big for a stack */

static void plug_in(const char *board, uint32_t seed, bool far)
{
    struct kiln_sim_knobs knobs;

    memset(&bench, 0, sizeof bench);
    kiln_virtual_clock_init(&bench.clock);
    kiln_ctx_init(&bench.ctx, &bench.clock.base);
    assert_int_equal(kiln_sim_knobs_parse(&bench.ctx, board, &knobs), KILN_OK);
    assert_int_equal(kiln_sim_board_find(knobs.board)->make_uart(&bench.ctx, &knobs, &bench.board),
                     KILN_OK);
    assert_int_equal(kiln_sim_byte_link(&bench.ctx, bench.board, false, 115200, &bench.link),
                     KILN_OK);
    bench.stalling.base.ops = &stalling_ops;
    bench.stalling.below = bench.link;
    bench.stalling.far = far;
    bench.stalling.random = seed * 2654435761u + 1;
    bench.stalling.one_in = 60 + draw(&bench.stalling, 1500);
    bench.stalling.longest_ms = 500 + draw(&bench.stalling, far ? 9000 : 3000);
    bench.options.flasher = KILN_FLASHER_ROM;
    (void)kiln_deadline_narrow(&bench.ctx, 15 * 60 * 1000);
}

static enum kiln_status connect(void)
{
    return kiln_esp_connect(&bench.ctx, &bench.stalling.base, &bench.options, &bench.loader);
}

static void unplug(void)
{
    if (bench.loader != NULL)
        bench.loader->ops->free(bench.loader);
    kiln_link_close(bench.link);
    bench.board->ops->free(bench.board);
}

/* Only that it takes too long, or that words got lost; never that the board is another one. */
static void check_excuse(enum kiln_status status, uint32_t seed)
{
    if (status != KILN_E_TIMEOUT && status != KILN_E_PROTO)
        fail_msg("seed %u: %s: %s", seed, kiln_status_name(status), bench.ctx.error.message);
    assert_string_not_equal(bench.ctx.error.message, "");
}

/* ---- who is it ---- */

static const struct person {
    const char *board, *title, *mac;
    uint32_t flash_id;
} people[] = {
    {"esp32", "ESP32-D0WD-V3 (revision v3.1)", "24:6f:28:5e:ed:01", 0x1640ef},
    {"esp32c3", "ESP32-C3 (QFN32) (revision v0.4)", "24:6f:28:5e:ed:01", 0x1640ef},
    {"esp8266", "ESP8266EX", "24:6f:28:5e:ed:01", 0x1640ef},
};

static unsigned meet(const struct person *who, uint32_t seed, bool far)
{
    enum kiln_status status;

    plug_in(who->board, seed, far);
    status = connect();
    if (status == KILN_OK) {
        const struct kiln_target_info *info = bench.loader->ops->info(bench.loader);

        if (strcmp(info->chip_title, who->title) != 0 || strcmp(info->serial, who->mac) != 0 ||
            info->flash_id != who->flash_id)
            fail_msg("seed %u: took a %s for \"%s\" with MAC %s and flash %06x", seed, who->board,
                     info->chip_title, info->serial, (unsigned)info->flash_id);
    } else {
        check_excuse(status, seed);
    }
    unplug();
    return status == KILN_OK;
}

static void nobody_is_taken_for_somebody_else(void **state)
{
    unsigned known = 0, count = 0;

    (void)state;
    for (uint32_t seed = 0; seed < 1000; seed++)
        for (size_t i = 0; i < KILN_ARRAY_LEN(people); i++) {
            known += meet(&people[i], seed, seed % 2 != 0);
            count++;
        }
    print_message("%u of %u were recognised\n", known, count);
    assert_in_range(known, count / 2, count);
}

/* One reply late, at each place. */
static void a_late_reply_is_nobody_elses(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (unsigned late = 8; late < 60; late++) {
        char board[64];

        snprintf(board, sizeof board, "esp32?delay=%u&delayms=1500", late);
        plug_in(board, late, false);
        bench.stalling.one_in = 0;
        if (connect() != KILN_OK) { /* late in the middle of a SYNC that nobody repeats */
            assert_int_equal(bench.ctx.error.status, KILN_E_TIMEOUT);
            failures++;
        } else {
            const struct kiln_target_info *info = bench.loader->ops->info(bench.loader);

            assert_string_equal(info->chip_title, people[0].title);
            assert_string_equal(info->serial, people[0].mac);
        }
        unplug();
    }
    assert_in_range(failures, 0, 1);
}

/* ---- what it holds ---- */

#define AT  0x10000u
#define LEN 12288u

/* Contents with a digest and bytes of their own in each of three ranges, so that one does not pass for another. */
static void fill(uint8_t *bytes, uint32_t seed)
{
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (uint8_t)(i / 4096 * 77 + i * (seed | 1) + (i >> 7));
}

static const uint8_t *in_flash(void)
{
    size_t size;

    return bench.board->ops->flash(bench.board, &size) + AT;
}

static bool true_digests(uint32_t seed)
{
    const struct kiln_loader_ops *ops = bench.loader->ops;

    for (unsigned i = 0; i < 4; i++) {
        uint32_t at = i % 3 * 4096, len = i < 3 ? 4096 : LEN;
        uint8_t md5[16], truth[EVP_MAX_MD_SIZE];
        enum kiln_status status = ops->digest(bench.loader, &bench.ctx, AT + at, len, md5);

        if (status != KILN_OK) {
            check_excuse(status, seed);
            return false;
        }
        assert_int_equal(EVP_Digest(in_flash() + at, len, truth, NULL, EVP_md5(), NULL), 1);
        if (memcmp(md5, truth, sizeof md5) != 0)
            fail_msg("seed %u: a wrong digest at 0x%x", seed, (unsigned)at);
    }
    return true;
}

static bool true_bytes(uint32_t seed)
{
    static uint8_t bytes[LEN];
    enum kiln_status status =
        bench.loader->ops->read(bench.loader, &bench.ctx, AT, bytes, LEN, NULL);

    if (status != KILN_OK) {
        check_excuse(status, seed);
        return false;
    }
    if (memcmp(bytes, in_flash(), LEN) != 0)
        fail_msg("seed %u: wrong bytes were read", seed);
    return true;
}

static unsigned work(const char *board, enum kiln_flasher flasher, uint32_t seed)
{
    static uint8_t bytes[LEN];
    uint32_t one_in;
    enum kiln_status status;
    bool done = false;

    fill(bytes, seed);
    plug_in(board, seed, seed % 2 != 0);
    bench.options.flasher = flasher;
    one_in = bench.stalling.one_in;
    bench.stalling.one_in = 0;
    assert_int_equal(connect(), KILN_OK);
    if (flasher == KILN_FLASHER_KILN)
        assert_string_equal(bench.loader->ops->info(bench.loader)->loader, "Kiln's flasher");
    bench.stalling.one_in = 10 * one_in;
    status = bench.loader->ops->write(bench.loader, &bench.ctx, AT, bytes, LEN, NULL);
    if (status != KILN_OK)
        check_excuse(status, seed);
    else if (memcmp(bytes, in_flash(), LEN) != 0)
        fail_msg("seed %u: %s says it wrote and did not", seed, board);
    else
        done = true_digests(seed) && true_bytes(seed);
    unplug();
    return done;
}

static void nothing_is_said_of_other_flash(void **state)
{
    static const char *const boards[] = {"esp32", "esp32c3", "esp32s3"};
    static const enum kiln_flasher flashers[] = {KILN_FLASHER_ROM, KILN_FLASHER_STUB,
                                                 KILN_FLASHER_KILN};
    unsigned done = 0, count = 0;

    (void)state;
    for (uint32_t seed = 0; seed < 100; seed++)
        for (size_t i = 0; i < 8; i++) { /* Kiln's flasher is not made for the S3 */
            done += work(boards[i % 3], flashers[i / 3], seed);
            count++;
        }
    print_message("%u of %u went through\n", done, count);
    assert_in_range(done, count / 2, count);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nobody_is_taken_for_somebody_else),
    cmocka_unit_test(a_late_reply_is_nobody_elses),
    cmocka_unit_test(nothing_is_said_of_other_flash),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
