/* SPDX-License-Identifier: MIT */
/*
 * A chip whose replies are not true: wrong digests, wrong lengths, other commands' names, replies that do not end. Every
 * job ends in bounded time (of the virtual clock) and with words; none calls a flash verified that it cannot know. Fails
 * if a lie is believed or waited for.
 */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAYLOAD   30000u
#define MINUTES_8 (8u * 60u * 1000u)

static uint8_t payload[PAYLOAD];

struct outcome {
    struct kiln_event_result result;
    char message[320];
};

static struct kiln_image *make_image(void)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;

    for (size_t i = 0; i < PAYLOAD; i++)
        payload[i] = (uint8_t)(i * 31 + i / 256);
    options.address = 0x10000;
    options.raw = true;
    assert_int_equal(kiln_image_parse("data", payload, PAYLOAD, &options, &image, NULL), KILN_OK);
    return image;
}

static void attempt(const char *board, const char *lie, enum kiln_verb verb, bool no_stub,
                    struct outcome *out)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    struct kiln_image *image = make_image();
    const struct kiln_image *images[] = {image};
    struct kiln_virtual_clock clock;
    struct kiln_sim_knobs knobs;
    struct kiln_job_hooks hooks = {.clock = &clock.base};
    struct kiln_event event;
    struct kiln_job *job;
    struct kiln_ctx ctx;
    char text[80];

    *out = (struct outcome){.message = ""};
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    snprintf(text, sizeof text, "%s?lie=%s", board, lie);
    assert_int_equal(kiln_sim_knobs_parse(&ctx, text, &knobs), KILN_OK);
    assert_int_equal(kiln_sim_board_find(knobs.board)->make_uart(&ctx, &knobs, &hooks.uart),
                     KILN_OK);
    request.verb = verb;
    request.device = "sim";
    request.loader = no_stub ? KILN_LOADER_ROM : KILN_LOADER_STUB;
    request.address = 0x10000;
    request.length = 8192;
    if (verb == KILN_VERB_FLASH || verb == KILN_VERB_VERIFY) {
        request.images = images;
        request.image_count = 1;
    }
    assert_int_equal(kiln_job_create_on(&request, &hooks, &job), KILN_OK);
    kiln_job_run_here(job);
    while (kiln_job_next_event(job, &event, 0))
        if (event.kind == KILN_EVENT_RESULT) {
            out->result = *event.result;
            if (event.result->error != NULL)
                snprintf(out->message, sizeof out->message, "%s", event.result->error->message);
        }
    if (clock.now_ns / KILN_NS_PER_MS > MINUTES_8)
        fail_msg("%s: verb %d took %u s", text, verb, (unsigned)(clock.now_ns / 1000000000));
    kiln_job_free(job);
    hooks.uart->ops->free(hooks.uart);
    kiln_image_free(image);
}

static void every_lie_ends(void **state)
{
    static const char *const boards[] = {"esp32", "esp32c3", "esp8266"};
    static const char *const lies[] = {"md5", "size", "op", "endless", "short", "value"};
    static const enum kiln_verb verbs[] = {KILN_VERB_FLASH, KILN_VERB_VERIFY, KILN_VERB_READ,
                                           KILN_VERB_INFO};
    struct outcome outcome;

    (void)state;
    for (size_t b = 0; b < KILN_ARRAY_LEN(boards); b++)
        for (size_t l = 0; l < KILN_ARRAY_LEN(lies); l++)
            for (size_t v = 0; v < 2 * KILN_ARRAY_LEN(verbs); v++) {
                attempt(boards[b], lies[l], verbs[v / 2], v % 2 != 0, &outcome);
                if (outcome.result.status != KILN_OK && outcome.message[0] == '\0')
                    fail_msg("%s, %s: an error without words", boards[b], lies[l]);
            }
}

static void a_wrong_digest_is_no_proof(void **state)
{
    static const char *const boards[] = {"esp32", "esp32c3", "esp32s3", "esp32c6", "esp32p4"};
    struct outcome outcome;

    (void)state;
    for (size_t b = 0; b < KILN_ARRAY_LEN(boards); b++)
        for (unsigned no_stub = 0; no_stub < 2; no_stub++) {
            attempt(boards[b], "md5", KILN_VERB_FLASH, no_stub != 0, &outcome);
            assert_int_not_equal(outcome.result.status, KILN_OK);
            assert_int_not_equal(outcome.result.state, KILN_STATE_VERIFIED);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lie_ends),
        cmocka_unit_test(a_wrong_digest_is_no_proof),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
