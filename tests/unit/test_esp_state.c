/* SPDX-License-Identifier: MIT */
/*
 * What a job says about the board after it failed, held against the flash of the simulated board: what is called
 * untouched has not changed, what is called verified is there. Fails if a refusal before the first change is told as a
 * firmware that is half there, or the other way round.
 */
#include "base/bytes.h"
#include "tests/unit/sim_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AT    0x10000u
#define SMALL 4096u
#define LARGE 30000u

struct outcome {
    struct kiln_event_result result;
    struct kiln_error error;
    bool changed, complete, blank;
};

static struct kiln_image *make_image(uint8_t *bytes, size_t len)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 37 + i / 256 + 1);
    options.address = AT;
    options.raw = true;
    assert_int_equal(kiln_image_parse("data", bytes, len, &options, &image, NULL), KILN_OK);
    return image;
}

static void take(void *user, const struct kiln_event *event)
{
    struct outcome *out = user;

    if (event->kind != KILN_EVENT_RESULT)
        return;
    out->result = *event->result;
    if (event->result->error != NULL)
        out->error = *event->result->error;
}

static void attempt(const char *board, enum kiln_verb verb, bool rom, size_t len,
                    struct outcome *out)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    static uint8_t bytes[LARGE];
    struct kiln_image *image = make_image(bytes, len);
    const struct kiln_image *images[] = {image};
    struct sim_bed bed;
    uint8_t *flash, *before;
    size_t size;

    memset(out, 0, sizeof *out);
    sim_bed_open(&bed, board, KILN_SIM_NEVER);
    flash = sim_bed_flash(&bed, &size);
    memset(flash + AT, 0x55, 0x10000);
    before = malloc(size);
    assert_non_null(before);
    memcpy(before, flash, size);
    request.verb = verb;
    request.device = "sim";
    request.loader = rom ? KILN_LOADER_ROM : KILN_LOADER_STUB;
    request.address = AT;
    request.length = kiln_round_up(len, 4096);
    if (verb == KILN_VERB_FLASH) {
        request.images = images;
        request.image_count = 1;
    }
    sim_bed_run(&bed, &request, NULL, take, out);
    out->changed = memcmp(before, flash, size) != 0;
    out->complete = memcmp(flash + AT, bytes, len) == 0;
    out->blank = true;
    for (size_t i = 0; i < request.length; i++)
        out->blank = out->blank && flash[AT + i] == 0xff;
    sim_bed_close(&bed);
    kiln_image_free(image);
    free(before);
}

/* `looks`: the loader can look at the flash; the ROM of the ESP8266 cannot and must be believed. */
static void check_truth(const char *board, enum kiln_verb verb, bool looks,
                        const struct outcome *out)
{
    enum kiln_device_state state = out->result.state;

    if (state == KILN_STATE_UNTOUCHED && out->changed)
        fail_msg("%s, verb %d: changed and called untouched (%s)", board, verb, out->error.message);
    if (state == KILN_STATE_VERIFIED && !out->complete)
        fail_msg("%s, verb %d: called verified and is not there", board, verb);
    if (out->result.status != KILN_OK && out->error.message[0] == '\0')
        fail_msg("%s, verb %d: an error without words", board, verb);
    if (out->result.status == KILN_E_REFUSED && out->changed)
        fail_msg("%s, verb %d: refused after a change", board, verb);
    if (out->result.status == KILN_E_REFUSED && state != KILN_STATE_UNTOUCHED)
        fail_msg("%s, verb %d: refused and called state %d", board, verb, (int)state);
    if (verb == KILN_VERB_ERASE && looks && out->result.status == KILN_OK && !out->blank)
        fail_msg("%s: erased, it says, and is not", board);
}

static void what_is_said_is_so(void **state)
{
    static const char *const boards[] = {"esp32", "esp32c3", "esp8266"};
    static const char *const faults[] = {"refuse", "unplug", "cut"};
    unsigned touched = 0, untouched = 0;

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(boards) * KILN_ARRAY_LEN(faults) * 4; i++)
        for (unsigned at = 0; at < 70; at += 1 + at / 16) {
            enum kiln_verb verb = i % 2 != 0 ? KILN_VERB_ERASE : KILN_VERB_FLASH;
            bool rom = i / 2 % 2 != 0;
            struct outcome out;
            char board[64];

            snprintf(board, sizeof board, "%s?%s=%u", boards[i / 12], faults[i / 4 % 3], at);
            attempt(board, verb, rom, LARGE, &out);
            check_truth(board, verb, !rom || i / 12 != 2, &out);
            touched += out.result.status != KILN_OK && out.changed;
            untouched += out.result.status != KILN_OK && !out.changed;
        }
    assert_true(touched > 20 && untouched > 20);
}

/* Its ROM erases two sectors at least. */
static void a_refused_sector_is_as_it_was(void **state)
{
    static const enum kiln_verb verbs[] = {KILN_VERB_FLASH, KILN_VERB_ERASE};
    struct outcome out;

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(verbs); i++) {
        attempt("esp8266", verbs[i], true, SMALL, &out);
        assert_int_equal(out.result.status, KILN_E_REFUSED);
        assert_int_equal(out.error.hint, KILN_HINT_WITH_STUB);
        assert_int_equal(out.result.state, KILN_STATE_UNTOUCHED);
        assert_false(out.changed);
    }
    attempt("esp8266", KILN_VERB_FLASH, false, SMALL, &out);
    assert_int_equal(out.result.state, KILN_STATE_VERIFIED);
}

static void a_dead_flash_is_named(void **state)
{
    static const enum kiln_verb verbs[] = {KILN_VERB_FLASH, KILN_VERB_ERASE, KILN_VERB_READ};
    struct outcome out;

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(verbs); i++) {
        attempt("esp32?variant=dead-flash", verbs[i], false, LARGE, &out);
        assert_int_equal(out.result.status, KILN_E_UNSUPPORTED);
        assert_non_null(strstr(out.error.message, "the SPI flash does not answer"));
        assert_int_equal(out.error.hint, KILN_HINT_FLASH_SILENT);
        assert_int_equal(out.result.state, KILN_STATE_UNTOUCHED);
    }
}

/* A sector that cannot be programmed: all was sent, and the firmware is not there. */
static void what_does_not_compare_is_no_firmware(void **state)
{
    struct outcome out;

    (void)state;
    attempt("esp32?badsector=0x12000", KILN_VERB_FLASH, false, LARGE, &out);
    assert_int_equal(out.result.status, KILN_E_VERIFY);
    assert_int_equal(out.result.state, KILN_STATE_PARTIAL);
}

static void a_silent_board_is_not_called_ready(void **state)
{
    struct outcome out;

    (void)state;
    attempt("esp32?cut=3", KILN_VERB_FLASH, false, LARGE, &out);
    assert_int_equal(out.result.status, KILN_E_TIMEOUT);
    assert_int_equal(out.result.state, KILN_STATE_PARTIAL);
    assert_null(strstr(out.result.board_note, "ready"));
}

/* No board answers above some rate: the work goes on below it, and the board is still the right one. */
static void a_bad_cable_costs_time_only(void **state)
{
    static const unsigned limits[] = {115200, 230400, 460800, 921600};
    struct outcome out;

    (void)state;
    for (unsigned i = 0; i < KILN_ARRAY_LEN(limits) * 24; i++) {
        char board[64];

        snprintf(board, sizeof board, "esp32?baudmax=%u&seed=%u", limits[i % 4], i + 1);
        attempt(board, KILN_VERB_FLASH, i % 3 == 2, i % 5 == 4 ? LARGE : SMALL, &out);
        if (out.result.status != KILN_OK)
            fail_msg("%s: %s", board, out.error.message);
        assert_int_equal(out.result.state, KILN_STATE_VERIFIED);
        assert_true(out.complete);
    }
}

/* ---- boards that do not come ---- */

#define SAYS_EVERY_MS 300u

struct talker {
    struct kiln_byte_link base;
    const char *says; /* every now and then; NULL: nothing */
    bool echoes;
    uint64_t next_ns;
    uint8_t heard[256];
    size_t heard_len;
};

static enum kiln_status talker_read(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                    uint8_t *bytes, size_t cap, size_t *out_len)
{
    struct talker *t = (struct talker *)self;

    *out_len = 0;
    if (t->heard_len > 0 && t->heard_len <= cap) {
        memcpy(bytes, t->heard, t->heard_len);
        *out_len = t->heard_len;
        t->heard_len = 0;
        return KILN_OK;
    }
    if (t->says == NULL)
        return kiln_sleep_ms(ctx, 0x7fffffff);
    if (kiln_ctx_now_ns(ctx) < t->next_ns)
        KILN_TRY(kiln_sleep_ms(
            ctx, (uint32_t)((t->next_ns - kiln_ctx_now_ns(ctx)) / KILN_NS_PER_MS) + 1));
    t->next_ns = kiln_ctx_now_ns(ctx) + (uint64_t)SAYS_EVERY_MS * KILN_NS_PER_MS;
    *out_len = KILN_MIN(cap, strlen(t->says));
    memcpy(bytes, t->says, *out_len);
    return KILN_OK;
}

static enum kiln_status talker_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                     const uint8_t *bytes, size_t len)
{
    struct talker *t = (struct talker *)self;

    (void)ctx;
    if (t->echoes && len <= sizeof t->heard) {
        memcpy(t->heard, bytes, len);
        t->heard_len = len;
    }
    return KILN_OK;
}

static enum kiln_status talker_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    (void)ctx;
    ((struct talker *)self)->heard_len = 0;
    return KILN_OK;
}

static void talker_close(struct kiln_byte_link *self)
{
    (void)self;
}

static void each_silence_has_its_reason(void **state)
{
    static const struct kiln_byte_link_ops ops = {.name = "talker",
                                                  .read = talker_read,
                                                  .write = talker_write,
                                                  .discard_input = talker_discard,
                                                  .close = talker_close};
    static const struct {
        const char *says;
        bool echoes;
        const char *words;
        enum kiln_hint hint;
    } rows[] = {
        {NULL, false, "stays silent", KILN_HINT_ESP_NO_REPLY},
        {NULL, true, "sends back what it is sent", KILN_HINT_ESP_ECHO},
        {"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT)\r\nwaiting for download\r\n", false,
         "what we send does not reach it", KILN_HINT_ESP_TX_DEAD},
        {"boot:0x13 (SPI_FAST_FLASH_BOOT)\r\ninvalid header: 0xffffffff\r\n", false,
         "finds no program in its flash", KILN_HINT_BOOT_BUTTON},
        {"Brownout detector was triggered\r\n\r\nrst:0xc,boot:0x13 (SPI)\r\n", false, "brownout",
         KILN_HINT_ESP_SUPPLY},
        {"boot:0x13 (SPI)\r\nGuru Meditation Error\r\n", false, "restarts again and again",
         KILN_HINT_BOOT_BUTTON},
        {"I (1234) wifi: connected\r\n", false, "it says \"I (1234) wifi: connected\"",
         KILN_HINT_BOOT_BUTTON},
        {"\x80\xfe\x1c\xe0\x0c\x9c\x80\x6c\x0e\x80\xfe", false, "makes no sense at 115200 baud",
         KILN_HINT_BOOT_BUTTON},
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        struct talker talker = {.base.ops = &ops, .says = rows[i].says, .echoes = rows[i].echoes};
        const struct kiln_loader_options options = {.connect_attempts = 2};
        struct kiln_virtual_clock clock;
        struct kiln_loader *loader;
        struct kiln_ctx ctx;

        kiln_virtual_clock_init(&clock);
        kiln_ctx_init(&ctx, &clock.base);
        assert_int_equal(kiln_esp_connect(&ctx, &talker.base, &options, &loader), KILN_E_TIMEOUT);
        if (strstr(ctx.error.message, rows[i].words) == NULL || ctx.error.hint != rows[i].hint)
            fail_msg("row %zu: %s", i, ctx.error.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_is_so),
        cmocka_unit_test(a_refused_sector_is_as_it_was),
        cmocka_unit_test(a_dead_flash_is_named),
        cmocka_unit_test(what_does_not_compare_is_no_firmware),
        cmocka_unit_test(a_silent_board_is_not_called_ready),
        cmocka_unit_test(a_bad_cable_costs_time_only),
        cmocka_unit_test(each_silence_has_its_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
