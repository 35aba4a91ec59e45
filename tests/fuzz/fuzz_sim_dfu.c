/* SPDX-License-Identifier: MIT */
/*
 * Any sequence of control transfers, waits and resets against a simulated DFU device: it may refuse, stall
 * or leave, but neither crash nor claim more data than was asked for. The first byte chooses the row, the second
 * one the variant; then come records: what, setup packet, length, data.
 */
#include "base/bytes.h"
#include "sim/usb_dfu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS 200

struct input {
    const uint8_t *data;
    size_t left;
};

static uint32_t take(struct input *in, size_t bytes)
{
    uint32_t value = 0;

    for (size_t i = 0; i<bytes; i++, in->left -= in->left> 0) {
        value |= (in->left > 0 ? *in->data : 0u) << (8 * i);
        in->data += in->left > 0;
    }
    return value;
}

static void one_transfer(struct kiln_sim_usb *board, struct input *in, uint64_t *now_ns)
{
    /* Most of the time a class request, or nearly all input would stop at the request type. */
    uint8_t what = (uint8_t)take(in, 1);
    uint8_t out_types[] = {0x21, 0x21, 0x21, (uint8_t)take(in, 1)};
    uint8_t type = out_types[what & 3] | (uint8_t)(what & 0x80);
    struct kiln_usb_setup setup = {type, (uint8_t)take(in, 1), (uint16_t)take(in, 2), 0};
    size_t len = take(in, 2) % 4097, got = 0;
    uint8_t *buffer = calloc(1, len > 0 ? len : 1);
    uint64_t done_ns = 0;
    size_t n;

    if ((what & 4) != 0)
        setup.index = (uint16_t)take(in, 2);
    n = len < in->left ? len : in->left;
    if (buffer == NULL)
        return;
    if ((type & 0x80) == 0) {
        memcpy(buffer, in->data, n);
        in->data += n;
        in->left -= n;
    }
    board->ops->control(board, *now_ns, &setup, buffer, len, &got, &done_ns);
    if (got > len || done_ns < *now_ns)
        abort();
    if ((what & 8) != 0)
        *now_ns = done_ns;
    free(buffer);
}

static void one_record(struct kiln_sim_usb *board, struct input *in, uint64_t *now_ns)
{
    unsigned generation;
    bool present;

    switch (take(in, 1) % 8) {
    case 0:
        *now_ns += (uint64_t)take(in, 2) * 1000000;
        break;
    case 1:
        board->ops->bus_reset(board, *now_ns);
        break;
    case 2:
        board->ops->power_cycle(board, *now_ns);
        break;
    default:
        one_transfer(board, in, now_ns);
        break;
    }
    board->ops->presence(board, *now_ns, &present, &generation);
    if (board->ops->next_event_ns(board) < *now_ns)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct kiln_virtual_clock clock;
    struct kiln_sim_knobs knobs;
    struct kiln_sim_usb *board;
    struct kiln_ctx ctx;
    uint64_t now_ns = 0;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    kiln_sim_knobs_init(&knobs);
    snprintf(knobs.board, sizeof knobs.board, "%s",
             kiln_dfusim_rows[take(&in, 1) % kiln_dfusim_row_count].name);
    snprintf(knobs.variant, sizeof knobs.variant, "%s",
             kiln_dfusim_variants[take(&in, 1) % kiln_dfusim_variant_count].name);
    if (kiln_sim_make_dfu(&ctx, &knobs, &board) != KILN_OK)
        return 0;
    for (int i = 0; i < RECORDS && in.left > 0; i++)
        one_record(board, &in, &now_ns);
    board->ops->free(board);
    return 0;
}
