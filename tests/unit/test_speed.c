/* SPDX-License-Identifier: MIT */
/*
 * How long the usual work takes in the board's own time, and how many link operations. Virtual time knows no
 * load of the machine, so the bounds are tight: what needs noticeably more has got slower.
 *
 * It fails when a wait, a round trip or a second pass over the flash comes in.
 */
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

#define IMAGE_SIZE  (256u * 1024u)
#define BIG_SIZE    (1024u * 1024u)
#define EDIT_AT     (200u * 1024u)
#define ESP_ADDRESS 0x10000u
#define STM_ADDRESS 0x08000000u

/* Flash alone: 1.1 s for the whole, 53 ms for a sector. Line alone: 1.6 s. Resets take 250 ms of each. */
#define ESP_FIRST_MS         2200
#define ESP_FIRST_OPERATIONS 1400
#define ESP_EDIT_MS          460
#define ESP_EDIT_OPERATIONS  1550
/* 0.9 s more */
#define ESP_SLOW_BRIDGE_MS         3100
#define ESP_SLOW_BRIDGE_OPERATIONS 3000
#define ESP_SAME_MS                360
#define ESP_SAME_OPERATIONS        1050
/* The ROM programs at 16 us a byte: 4.2 s and 2.1 s, and 1 s more to erase a sector. */
#define STM_FIRST_MS         5000
#define STM_FIRST_OPERATIONS 720
#define STM_EDIT_MS          3950
#define STM_EDIT_OPERATIONS  450
#define STM_SAME_MS          240
#define STM_SAME_OPERATIONS  180
/* The whole flash over other contents: 11 s to erase, 16.8 s to program. */
#define STM_BIG_MS         29900
#define STM_BIG_OPERATIONS 2300

struct bench {
    struct sim_bed bed;
    uint8_t *image;
    size_t size; /* of what is written of it */
    uint64_t address;
    uint32_t baud;
};

/* What it took. */
struct cost {
    uint64_t ms;
    uint64_t operations;
    uint64_t written;
};

static void plug_in(struct bench *bench, const char *board, uint64_t address, uint32_t baud)
{
    uint32_t seed = 1;

    memset(bench, 0, sizeof *bench);
    sim_bed_open(&bench->bed, board, KILN_SIM_NEVER);
    bench->address = address;
    bench->baud = baud;
    bench->image = malloc(BIG_SIZE);
    bench->size = IMAGE_SIZE;
    assert_non_null(bench->image);
    /* Half of every 32 bytes repeats: deflates to about half, like code. */
    for (size_t i = 0; i < BIG_SIZE; i++) {
        seed = seed * 1664525u + 1013904223u;
        bench->image[i] = i % 32 < 16 ? (uint8_t)(seed >> 24) : (uint8_t)(i / 4096);
    }
}

static void unplug(struct bench *bench)
{
    sim_bed_close(&bench->bed);
    free(bench->image);
}

static void take(void *user, const struct kiln_event *event)
{
    struct cost *cost = user;

    if (event->kind != KILN_EVENT_RESULT)
        return;
    assert_int_equal(event->result->status, KILN_OK);
    cost->ms = event->result->elapsed_ms;
    cost->written = event->result->written;
}

static struct cost flash(struct bench *bench)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_request request = KILN_REQUEST_INIT;
    struct kiln_fault fault = {.kind = KILN_FAULT_NONE};
    struct cost cost = {0, 0, 0};
    struct kiln_image *image;

    options.raw = true;
    options.address = bench->address;
    assert_int_equal(kiln_image_parse("new.bin", bench->image, bench->size, &options, &image, NULL),
                     KILN_OK);
    request.verb = KILN_VERB_FLASH;
    request.device = "board";
    request.images = (const struct kiln_image *const[]){image};
    request.image_count = 1;
    request.baud = bench->baud;
    request.force = true; /* it looks like no program */
    sim_bed_run(&bench->bed, &request, &fault, take, &cost);
    cost.operations = fault.count;
    kiln_image_free(image);
    return cost;
}

static void within(const char *what, struct cost cost, uint64_t ms, uint64_t operations)
{
    print_message("%s: %llu ms (at most %llu), %llu operations (at most %llu), %llu bytes\n", what,
                  (unsigned long long)cost.ms, (unsigned long long)ms,
                  (unsigned long long)cost.operations, (unsigned long long)operations,
                  (unsigned long long)cost.written);
    assert_true(cost.ms <= ms);
    assert_true(cost.operations <= operations);
}

static void esp32(void **state)
{
    struct bench bench;
    struct cost cost;

    (void)state;
    plug_in(&bench, "esp32", ESP_ADDRESS, 921600);
    cost = flash(&bench);
    within("ESP32, first write", cost, ESP_FIRST_MS, ESP_FIRST_OPERATIONS);
    bench.image[EDIT_AT] ^= 1;
    cost = flash(&bench);
    assert_int_equal(cost.written, 4096);
    within("ESP32, one byte changed", cost, ESP_EDIT_MS, ESP_EDIT_OPERATIONS);
    cost = flash(&bench);
    assert_int_equal(cost.written, 0);
    within("ESP32, nothing changed", cost, ESP_SAME_MS, ESP_SAME_OPERATIONS);
    unplug(&bench);
}

/* Many a bridge makes 921600 and no more: to find out that a faster rate does not hold may not cost what it would save. */
static void esp32_on_a_slow_bridge(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 8; seed++) {
        struct bench bench;
        char board[48];

        snprintf(board, sizeof board, "esp32?seed=%u&baudmax=921600", seed);
        plug_in(&bench, board, ESP_ADDRESS, 0);
        within("ESP32, first write, no more than 921600", flash(&bench), ESP_SLOW_BRIDGE_MS,
               ESP_SLOW_BRIDGE_OPERATIONS);
        unplug(&bench);
    }
}

static void stm32f405(void **state)
{
    struct bench bench;
    struct cost cost;

    (void)state;
    plug_in(&bench, "stm32f405", STM_ADDRESS, 0);
    cost = flash(&bench);
    within("STM32F405, first write", cost, STM_FIRST_MS, STM_FIRST_OPERATIONS);
    unplug(&bench);
    plug_in(&bench, "stm32f405", STM_ADDRESS, 0);
    {
        size_t size;
        uint8_t *there = sim_bed_flash(&bench.bed, &size);

        memcpy(there, bench.image, IMAGE_SIZE);
        there[EDIT_AT] ^= 1;
    }
    cost = flash(&bench);
    assert_int_equal(cost.written, 128 * 1024);
    within("STM32F405, one byte changed", cost, STM_EDIT_MS, STM_EDIT_OPERATIONS);
    unplug(&bench);
    plug_in(&bench, "stm32f405", STM_ADDRESS, 0);
    {
        size_t size;

        memcpy(sim_bed_flash(&bench.bed, &size), bench.image, IMAGE_SIZE);
    }
    cost = flash(&bench);
    assert_int_equal(cost.written, 0);
    within("STM32F405, nothing changed", cost, STM_SAME_MS, STM_SAME_OPERATIONS);
    unplug(&bench);
}

static void stm32f405_whole(void **state)
{
    struct bench bench;
    uint8_t *there;
    size_t size;

    (void)state;
    plug_in(&bench, "stm32f405", STM_ADDRESS, 0);
    bench.size = BIG_SIZE;
    there = sim_bed_flash(&bench.bed, &size);
    assert_int_equal(size, BIG_SIZE);
    for (size_t i = 0; i < size; i++)
        there[i] = (uint8_t)~bench.image[i];
    within("STM32F405, 1 MB over other contents", flash(&bench), STM_BIG_MS, STM_BIG_OPERATIONS);
    unplug(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(esp32), cmocka_unit_test(esp32_on_a_slow_bridge),
        cmocka_unit_test(stm32f405), cmocka_unit_test(stm32f405_whole)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
