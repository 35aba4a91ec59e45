/* SPDX-License-Identifier: MIT */
/*
 * A chip whose replies are not true: wrong digests, wrong lengths, other commands' names, replies that do not end. Every
 * job ends in bounded time (of the virtual clock) and with words; none calls a flash verified that it cannot know. Fails
 * if a lie is believed or waited for.
 */
#include "job/esp_session.h"
#include "job/job_internal.h"

#include "base/bytes.h"
#include "tests/unit/sim_bed.h"

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

static void take(void *user, const struct kiln_event *event)
{
    struct outcome *out = user;

    if (event->kind != KILN_EVENT_RESULT)
        return;
    out->result = *event->result;
    if (event->result->error != NULL)
        snprintf(out->message, sizeof out->message, "%s", event->result->error->message);
}

static void attempt(const char *board, const char *lie, enum kiln_verb verb, bool no_stub,
                    struct outcome *out)
{
    static const char *const sets[] = {"0x3ff44004=1"};
    struct kiln_request request = KILN_REQUEST_INIT;
    struct kiln_image *image = make_image();
    const struct kiln_image *images[] = {image};
    struct sim_bed bed;
    char text[80];

    *out = (struct outcome){.message = ""};
    snprintf(text, sizeof text, "%s?lie=%s", board, lie);
    sim_bed_open(&bed, text, KILN_SIM_NEVER);
    request.verb = verb;
    request.device = "sim";
    request.loader = no_stub ? KILN_LOADER_ROM : KILN_LOADER_STUB;
    request.address = 0x10000;
    request.length = 8192;
    if (verb == KILN_VERB_POKE) {
        request.sets = sets;
        request.set_count = 1;
    }
    if (verb == KILN_VERB_RUN)
        request.address = KILN_NO_ADDRESS;
    if (verb == KILN_VERB_FLASH || verb == KILN_VERB_VERIFY) {
        request.images = images;
        request.image_count = 1;
    }
    sim_bed_run(&bed, &request, NULL, take, out);
    if (bed.clock.now_ns / KILN_NS_PER_MS > MINUTES_8)
        fail_msg("%s: verb %d took %u s", text, verb, (unsigned)(bed.clock.now_ns / 1000000000));
    sim_bed_close(&bed);
    kiln_image_free(image);
}

/* ---- the commands of other tools ---- */

struct visit {
    struct kiln_esp_session *session;
    const char *board;
    uint64_t began_ns;
};

static void step(struct visit *v, const char *what, enum kiln_status status)
{
    uint64_t now_ns = v->session->virtual_clock.now_ns;

    if (status != KILN_OK && kiln_esp_session_error(v->session)->message[0] == '\0')
        fail_msg("%s: %s: an error without words", v->board, what);
    if ((now_ns - v->began_ns) / KILN_NS_PER_MS > MINUTES_8)
        fail_msg("%s: %s took %u s", v->board, what,
                 (unsigned)((now_ns - v->began_ns) / 1000000000));
    v->began_ns = now_ns;
}

static void look(struct visit *v)
{
    struct kiln_esp_session *s = v->session;
    struct kiln_esp_security_report security;
    struct kiln_esp_protection protection;
    const char *by;
    uint8_t bytes[64];
    uint32_t value;
    unsigned lines, millivolts;

    step(v, "chip number", kiln_esp_session_chip_number(s, &value));
    step(v, "security", kiln_esp_session_security(s, &security));
    step(v, "protection", kiln_esp_session_protection(s, &protection));
    step(v, "read a register", kiln_esp_session_read_reg(s, 0x40001000, &value));
    step(v, "write a register", kiln_esp_session_write_reg(s, 0x3ff44004, 1, 3));
    step(v, "read SFDP", kiln_esp_session_read_sfdp(s, 0, bytes, sizeof bytes));
    step(v, "wiring", kiln_esp_session_flash_wiring(s, &lines, &by, &millivolts));
    step(v, "supply", kiln_esp_session_set_flash_supply(s, 1800));
    step(v, "read status", kiln_esp_session_read_status(s, 3, &value));
    step(v, "write status", kiln_esp_session_write_status(s, 2, 0, false));
}

static void work(struct visit *v)
{
    struct kiln_esp_session *s = v->session;
    static uint8_t bytes[8192];
    const struct kiln_esp_write write = {
        .size = sizeof write, .address = 0x10000, .bytes = bytes, .len = sizeof bytes};
    uint8_t md5[16];
    uint64_t wire;

    step(v, "flash size", kiln_esp_session_set_flash_size(s, 4u << 20));
    step(v, "read", kiln_esp_session_read_flash(s, 0x10000, bytes, sizeof bytes, NULL));
    step(v, "md5", kiln_esp_session_md5(s, 0x10000, 8192, md5));
    step(v, "erase", kiln_esp_session_erase(s, 0x10000, 8192, NULL));
    step(v, "write", kiln_esp_session_write(s, &write, NULL, &wire));
    step(v, "erase all", kiln_esp_session_erase_all(s));
    step(v, "write RAM", kiln_esp_session_write_ram(s, 0x3ffb0000, bytes, 256));
}

static void visit(const char *board, bool no_stub)
{
    struct kiln_esp_session_options options = KILN_ESP_SESSION_OPTIONS_INIT;
    struct visit v = {.board = board};
    char device[96];

    snprintf(device, sizeof device, "sim:%s", board);
    options.device = device;
    options.no_stub = no_stub;
    assert_int_equal(kiln_esp_session_create(&options, &v.session), KILN_OK);
    step(&v, "connect", kiln_esp_session_connect(v.session));
    step(&v, "start", kiln_esp_session_start(v.session));
    step(&v, "attach", kiln_esp_session_attach(v.session, KILN_ESP_PINS_DEFAULT));
    if (v.session->esp != NULL) {
        look(&v);
        work(&v);
        step(&v, "run", kiln_esp_session_run(v.session));
        step(&v, "leave", kiln_esp_session_leave(v.session));
    }
    kiln_esp_session_free(v.session);
}

static void every_command_ends(void **state)
{
    static const char *const boards[] = {"esp32", "esp32c3", "esp8266"};
    static const char *const faults[] = {"lie=md5",   "lie=size",  "lie=op",   "lie=endless",
                                         "lie=short", "lie=value", "unplug=%", "drop=%",
                                         "corrupt=%", "refuse=%",  "cut=%"};
    char board[64], fault[32];

    (void)state;
    for (size_t b = 0; b < KILN_ARRAY_LEN(boards); b++)
        for (size_t f = 0; f < KILN_ARRAY_LEN(faults); f++)
            for (unsigned at = 0; at < 120; at += 7) {
                char *sign;

                snprintf(fault, sizeof fault, "%s", faults[f]);
                sign = strchr(fault, '%');
                if (sign != NULL)
                    snprintf(sign, 8, "%u", at);
                snprintf(board, sizeof board, "%s?%s", boards[b], fault);
                visit(board, at % 2 != 0);
                if (sign == NULL && at > 0)
                    break;
            }
}

static void every_lie_ends(void **state)
{
    static const char *const boards[] = {"esp32", "esp32c3", "esp8266"};
    static const char *const lies[] = {"md5", "size", "op", "endless", "short", "value"};
    static const enum kiln_verb verbs[] = {KILN_VERB_FLASH, KILN_VERB_VERIFY, KILN_VERB_READ,
                                           KILN_VERB_INFO,  KILN_VERB_ERASE,  KILN_VERB_RUN,
                                           KILN_VERB_POKE};
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
        cmocka_unit_test(every_command_ends),
        cmocka_unit_test(a_wrong_digest_is_no_proof),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
