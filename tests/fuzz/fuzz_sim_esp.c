/* SPDX-License-Identifier: MIT */
/* What a host can send to a simulated Espressif board: any bytes, lines and rates. The first byte chooses
 * chip and state; after it come records: a kind, a length, bytes. */
#include "base/bytes.h"
#include "sim/sim.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const boards[] = {"esp32?size=64KB&boot=download", "esp32?size=64KB&cut=3",
                                     "esp32c6?size=64KB&secure=1&boot=download",
                                     "esp32?size=64KB&boot=download&corrupt=9&delay=2"};

static void drain(struct kiln_sim_uart *board, uint64_t now, uint32_t baud)
{
    uint8_t bytes[512];

    while (board->ops->host_receives(board, now, baud, bytes, sizeof bytes) > 0)
        continue;
}

static void frame(struct kiln_sim_uart *board, uint64_t now, const uint8_t *bytes, size_t len)
{
    uint8_t delimiter = 0xc0;

    board->ops->host_sends(board, now, 115200, &delimiter, 1);
    board->ops->host_sends(board, now, 115200, bytes, len);
    board->ops->host_sends(board, now, 115200, &delimiter, 1);
}

static void play(struct kiln_sim_uart *board, const uint8_t *data, size_t size)
{
    uint64_t now = 1000000000;
    uint32_t baud = 115200;

    while (size >= 2) {
        size_t len = KILN_MIN(size - 2, (size_t)data[1]);

        switch (data[0] % 5) {
        case 0:
            board->ops->host_sends(board, now, baud, data + 2, len);
            break;
        case 1:
            frame(board, now, data + 2, len);
            break;
        case 2:
            board->ops->lines(board, now, data[1] & 3u);
            len = 0;
            break;
        case 3:
            baud = 9600u << data[1] % 8;
            len = 0;
            break;
        default:
            now += (uint64_t)data[1] * 10000000;
            len = 0;
            break;
        }
        now += 3000000;
        drain(board, now, baud);
        data += 2 + len;
        size -= 2 + len;
    }
    drain(board, now + 1000000000, baud);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_virtual_clock clock;
    struct kiln_sim_knobs knobs;
    struct kiln_sim_uart *board;
    struct kiln_ctx ctx;

    if (size < 1)
        return 0;
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    if (kiln_sim_knobs_parse(&ctx, boards[data[0] % KILN_ARRAY_LEN(boards)], &knobs) != KILN_OK)
        return 0;
    if (kiln_sim_board_find(knobs.board)->make_uart(&ctx, &knobs, &board) != KILN_OK)
        return 0;
    play(board, data + 1, size - 1);
    board->ops->free(board);
    return 0;
}
