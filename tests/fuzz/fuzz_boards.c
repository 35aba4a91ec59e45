/* SPDX-License-Identifier: MIT */
/* The file of remembered boards: any bytes give a memory that can be asked, changed, written and read again. */
#include "cli/boards.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct boards *boards)
{
    struct kiln_device device = {.kind = KILN_DEVICE_SERIAL, .vid = 0x10c4, .pid = 0xea60};
    char text[300];
    json_t *board;
    size_t i;

    snprintf(device.serial, sizeof device.serial, "0001");
    snprintf(device.path, sizeof device.path, "1-1.4");
    snprintf(device.id, sizeof device.id, "1-1.4:1");
    snprintf(device.selector, sizeof device.selector, "/dev/ttyUSB0");
    json_array_foreach(boards->list, i, board)
    {
        (void)board_words(board, text, sizeof text);
        board_selector(board, text, sizeof text);
        (void)board_is(board, &device);
        (void)board_rate(board);
    }
    board = boards_keep(boards, &device, false);
    if (board == NULL)
        abort();
    boards_set_name(boards, board, "left");
    boards_set_rate(board, 74880);
    boards_set_project(boards, board, "/src/blink", "esp32dev");
    if (boards_named(boards, "left") != board || boards_of(boards, &device) != board ||
        boards_of_project(boards, "/src/blink", "esp32dev") != board)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct boards boards, again;
    char *text, *second;

    if (!boards_parse((const char *)data, size, &boards))
        return 0;
    use(&boards);
    text = boards_print(&boards);
    /* What was written is understood whole. */
    if (text == NULL || !boards_parse(text, strlen(text), &again) || again.state != BOARDS_GOOD)
        abort();
    second = boards_print(&again);
    if (second == NULL || strcmp(text, second) != 0)
        abort();
    free(text);
    free(second);
    boards_free(&boards);
    boards_free(&again);
    return 0;
}
