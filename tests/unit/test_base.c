/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/ctx.h"
#include "os/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void buffer_stops_at_its_ceiling(void **state)
{
    struct kiln_buf buf;

    (void)state;
    kiln_buf_init(&buf, 100);
    assert_int_equal(kiln_buf_fill(&buf, 7, 100), KILN_OK);
    assert_int_equal(kiln_buf_append(&buf, "x", 1), KILN_E_NOMEM);
    assert_int_equal(kiln_buf_reserve(&buf, SIZE_MAX), KILN_E_NOMEM);
    assert_int_equal(buf.len, 100);
    kiln_buf_consume(&buf, 99);
    assert_int_equal(buf.len, 1);
    kiln_buf_dispose(&buf);
}

static void virtual_time_passes_only_in_sleep(void **state)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    uint64_t saved;

    (void)state;
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    saved = kiln_deadline_narrow(&ctx, 1000);
    assert_int_equal(kiln_sleep_ms(&ctx, 400), KILN_OK);
    kiln_deadline_narrow(&ctx, 5000); /* cannot widen */
    assert_int_equal(kiln_deadline_left_ms(&ctx), 600);
    assert_int_equal(kiln_sleep_ms(&ctx, 601), KILN_E_TIMEOUT);
    assert_int_equal(clock.now_ns, 1000ull * KILN_NS_PER_MS);
    kiln_deadline_restore(&ctx, saved);
    assert_int_equal(kiln_ctx_check(&ctx), KILN_OK);
}

static void cancel_wakes_a_real_sleep_but_not_a_shielded_one(void **state)
{
    struct kiln_cancel cancel;
    struct kiln_ctx ctx;

    (void)state;
    assert_int_equal(kiln_cancel_init(&cancel), KILN_OK);
    kiln_ctx_init(&ctx, kiln_system_clock());
    ctx.cancel = &cancel;
    kiln_cancel_fire(&cancel);
    assert_int_equal(kiln_sleep_ms(&ctx, 60000), KILN_E_CANCELLED);
    ctx.shield = 1;
    assert_int_equal(kiln_sleep_ms(&ctx, 1), KILN_OK);
    kiln_cancel_dispose(&cancel);
}

static void note_order(void *self, struct kiln_ctx *ctx)
{
    (void)!kiln_fail(ctx, KILN_E_IO, "%s", "clean-up failed too");
    ((char *)self)[0] = (char)(((char *)self)[0] + 1);
}

static void clean_up_keeps_the_first_error(void **state)
{
    struct kiln_virtual_clock clock;
    struct kiln_cleanup stack;
    struct kiln_ctx ctx;
    char a[2] = "0", b[2] = "0";

    (void)state;
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    kiln_cleanup_init(&stack);
    assert_int_equal(kiln_cleanup_push(&stack, note_order, a), KILN_OK);
    assert_int_equal(kiln_cleanup_push(&stack, note_order, b), KILN_OK);
    kiln_cleanup_drop(&stack, a);
    (void)!kiln_fail(&ctx, KILN_E_NAK, "first");
    (void)!kiln_while(&ctx, "while erasing");
    (void)!kiln_while(&ctx, "while flashing");
    kiln_cleanup_run(&stack, &ctx);
    assert_string_equal(a, "0");
    assert_string_equal(b, "1");
    assert_int_equal(ctx.error.status, KILN_E_NAK);
    assert_string_equal(ctx.error.context, "while erasing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_stops_at_its_ceiling),
        cmocka_unit_test(virtual_time_passes_only_in_sleep),
        cmocka_unit_test(cancel_wakes_a_real_sleep_but_not_a_shielded_one),
        cmocka_unit_test(clean_up_keeps_the_first_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
