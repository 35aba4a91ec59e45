/* SPDX-License-Identifier: MIT */
/*
 * The sweep: a flash scenario is run once to count its link operations, then once more for every operation
 * and every way in which that operation can go wrong, and once for every flash operation at which power can
 * be lost. Whatever happens, the job must end in bounded (virtual) time, what it says of the flash must be
 * true, and the next run must succeed.
 *
 * It fails when a wait has no deadline, when a state is claimed that is not so, or when a failure leaves
 * the bootloader so that the next try does not get through.
 */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "os/wait.h"
#include "tests/unit/sim_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IMAGE_SIZE   (40u * 1024u)
#define RUN_LIMIT_MS (10u * 60u * 1000u)
/* Operations tried in each scenario and way: all of them up to here, evenly spread ones beyond. */
#define TRIES_MAX 160u

struct scenario {
    const char *board; /* as after "sim:" */
    uint64_t address;
    uint64_t base; /* address of the first byte of the flash array */
    enum kiln_request_loader loader;
};

struct bench {
    const struct scenario *scenario;
    struct sim_bed bed;
    struct kiln_image *image;
    uint8_t *wanted;
    uint8_t *before;
    size_t flash_size;
};

struct outcome {
    enum kiln_status status;
    enum kiln_device_state state;
    uint64_t elapsed_ms;
    char message[320];
    char loader[32];
};

static uint8_t *target_of(const struct bench *bench)
{
    size_t size;

    return sim_bed_flash(&bench->bed, &size) + (bench->scenario->address - bench->scenario->base);
}

/* Compressible and not, with a stretch of erased bytes in the middle. */
static void make_contents(uint8_t *bytes, size_t size)
{
    uint32_t seed = 12345;

    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = i < size / 3 ? (uint8_t)(seed >> 24) : (uint8_t)(i / 7);
    }
    memset(bytes + size / 2, 0xff, 9000);
}

static void open_board(struct bench *bench, int64_t power_cut_at)
{
    uint8_t *flash;

    sim_bed_open(&bench->bed, bench->scenario->board, power_cut_at);
    flash = sim_bed_flash(&bench->bed, &bench->flash_size);
    /* An older firmware of which one page is equal, so that the survey has something to find. */
    memset(flash, 0xff, bench->flash_size);
    memset(target_of(bench), 0x5a, IMAGE_SIZE + 4096);
    memcpy(target_of(bench) + 8192, bench->wanted + 8192, 4096);
    memcpy(bench->before, flash, bench->flash_size);
}

static void power_cycle(struct bench *bench)
{
    if (bench->bed.uart != NULL)
        bench->bed.uart->ops->power_cycle(bench->bed.uart, bench->bed.clock.now_ns);
    else
        bench->bed.usb->ops->power_cycle(bench->bed.usb, bench->bed.clock.now_ns);
}

static void take(void *user, const struct kiln_event *event)
{
    struct outcome *outcome = user;

    if (event->kind == KILN_EVENT_DEVICE)
        snprintf(outcome->loader, sizeof outcome->loader, "%s", event->target->loader);
    if (event->kind != KILN_EVENT_RESULT)
        return;
    outcome->status = event->result->status;
    outcome->state = event->result->state;
    outcome->elapsed_ms = event->result->elapsed_ms;
    if (event->result->error != NULL)
        memcpy(outcome->message, event->result->error->message, sizeof outcome->message);
}

static struct outcome run(struct bench *bench, struct kiln_fault *fault)
{
    const struct kiln_image *images[] = {bench->image};
    struct kiln_request request = KILN_REQUEST_INIT;
    struct outcome outcome = {0};

    request.verb = KILN_VERB_FLASH;
    request.device = "board";
    request.images = images;
    request.image_count = 1;
    request.loader = bench->scenario->loader;
    sim_bed_run(&bench->bed, &request, fault, take, &outcome);
    return outcome;
}

static void check_truth(struct bench *bench, const struct outcome *outcome)
{
    bool there = memcmp(target_of(bench), bench->wanted, IMAGE_SIZE) == 0;
    size_t size;
    bool unchanged =
        memcmp(sim_bed_flash(&bench->bed, &size), bench->before, bench->flash_size) == 0;

    assert_true(outcome->elapsed_ms < RUN_LIMIT_MS);
    if (outcome->status == KILN_OK)
        assert_int_equal(outcome->state, KILN_STATE_VERIFIED);
    else
        assert_true(outcome->message[0] != '\0');
    assert_true(outcome->status != KILN_E_INTERNAL);
    if (outcome->state == KILN_STATE_VERIFIED)
        assert_true(there);
    if (outcome->state == KILN_STATE_UNTOUCHED)
        assert_true(unchanged);
}

static void check_recovery(struct bench *bench)
{
    struct outcome outcome;

    power_cycle(bench);
    outcome = run(bench, NULL);
    if (outcome.status != KILN_OK)
        print_message("recovery: %s\n", outcome.message);
    assert_int_equal(outcome.status, KILN_OK);
    check_truth(bench, &outcome);
}

static void try_fault(struct bench *bench, enum kiln_fault_kind kind, uint64_t at)
{
    struct kiln_fault fault = {.kind = kind, .at = at};
    struct outcome outcome;

    open_board(bench, KILN_SIM_NEVER);
    outcome = run(bench, &fault);
    if (fault.happened && kind == KILN_FAULT_CANCEL && outcome.status != KILN_OK)
        assert_int_equal(outcome.status, KILN_E_CANCELLED);
    check_truth(bench, &outcome);
    check_recovery(bench);
    sim_bed_close(&bench->bed);
}

static void try_power_cut(struct bench *bench, int64_t at)
{
    struct outcome outcome;

    open_board(bench, at);
    outcome = run(bench, NULL);
    check_truth(bench, &outcome);
    check_recovery(bench);
    sim_bed_close(&bench->bed);
}

static uint64_t count_operations(struct bench *bench)
{
    struct kiln_fault fault = {.kind = KILN_FAULT_NONE};
    struct outcome outcome;

    open_board(bench, KILN_SIM_NEVER);
    outcome = run(bench, &fault);
    if (outcome.status != KILN_OK)
        print_message("undisturbed: %s\n", outcome.message);
    assert_int_equal(outcome.status, KILN_OK);
    if (bench->scenario->loader == KILN_LOADER_KILN)
        assert_string_equal(outcome.loader, "Kiln's flasher");
    check_truth(bench, &outcome);
    sim_bed_close(&bench->bed);
    return fault.count;
}

static void sweep(const struct scenario *scenario)
{
    static const enum kiln_fault_kind kinds[] = {KILN_FAULT_FAIL,   KILN_FAULT_GONE,
                                                 KILN_FAULT_SILENT, KILN_FAULT_CORRUPT,
                                                 KILN_FAULT_DROP,   KILN_FAULT_CANCEL};
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct bench bench = {.scenario = scenario};
    uint64_t operations, step;

    bench.wanted = malloc(IMAGE_SIZE);
    bench.before = malloc((size_t)32 << 20);
    make_contents(bench.wanted, IMAGE_SIZE);
    options.raw = true;
    options.address = scenario->address;
    assert_int_equal(
        kiln_image_parse("new.bin", bench.wanted, IMAGE_SIZE, &options, &bench.image, NULL),
        KILN_OK);
    operations = count_operations(&bench);
    step = operations / TRIES_MAX + 1;
    print_message("%s: %u operations, every %u. tried\n", scenario->board, (unsigned)operations,
                  (unsigned)step);
    for (size_t k = 0; k < KILN_ARRAY_LEN(kinds); k++)
        for (uint64_t at = 0; at < operations; at += step)
            try_fault(&bench, kinds[k], at);
    for (int64_t at = 0; at < 40; at++)
        try_power_cut(&bench, at);
    kiln_image_free(bench.image);
    free(bench.wanted);
    free(bench.before);
}

static void esp32_with_our_flasher(void **state)
{
    static const struct scenario scenario = {"esp32?size=1MB", 0x10000, 0, KILN_LOADER_KILN};

    (void)state;
    sweep(&scenario);
}

static void esp32_with_the_stub(void **state)
{
    static const struct scenario scenario = {"esp32?size=1MB", 0x10000, 0, KILN_LOADER_STUB};

    (void)state;
    sweep(&scenario);
}

static void esp32_through_the_rom(void **state)
{
    static const struct scenario scenario = {"esp32?size=1MB", 0x10000, 0, KILN_LOADER_ROM};

    (void)state;
    sweep(&scenario);
}

static void stm32f405_by_dfu(void **state)
{
    static const struct scenario scenario = {"stm32f405", 0x08000000, 0x08000000, KILN_LOADER_STUB};

    (void)state;
    sweep(&scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(esp32_with_our_flasher),
        cmocka_unit_test(esp32_with_the_stub),
        cmocka_unit_test(esp32_through_the_rom),
        cmocka_unit_test(stm32f405_by_dfu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
