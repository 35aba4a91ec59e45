/* SPDX-License-Identifier: MIT */
/* The board's UART: SLIP frames in and out, written from RFC 1055. */
#include "base/bytes.h"
#include "sim/esp.h"

#include <string.h>

/* What USB full speed with its packet overhead comes to, in bits of a UART. */
#define USB_PACE 8000000u

static void put_byte(struct esp_board *board, uint8_t byte)
{
    uint32_t pace = board->usb ? USB_PACE : board->baud;

    if (!kiln_sim_line_put(&board->to_host, board->cpu_ns, pace, board->usb ? 0 : board->baud,
                           byte))
        board->counts.lost++;
    board->counts.bytes_out++;
}

void esp_put_raw(struct esp_board *board, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put_byte(board, bytes[i]);
}

void esp_put_text(struct esp_board *board, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            put_byte(board, '\r');
        put_byte(board, (uint8_t)*text);
    }
}

void esp_put_frame(struct esp_board *board, const uint8_t *bytes, size_t len)
{
    put_byte(board, 0xc0);
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == 0xc0 || bytes[i] == 0xdb) {
            put_byte(board, 0xdb);
            put_byte(board, bytes[i] == 0xc0 ? 0xdc : 0xdd);
        } else {
            put_byte(board, bytes[i]);
        }
    }
    put_byte(board, 0xc0);
}

void esp_clear_input(struct esp_board *board)
{
    board->in_frame = board->escaped = board->frame_bad = board->has_pending = false;
    board->frame_len = 0;
    board->fifo_count = 0;
}

/* A frame has ended. The stub's interrupt keeps one while the main loop works; a second one is lost. */
static void frame_ends(struct esp_board *board)
{
    bool busy = board->cpu_ns > board->now_ns;

    if (board->state == ESP_FLASHER) {
        esp_flasher_frame(board, board->frame, board->frame_len, board->frame_bad);
    } else if (board->frame_bad) {
        board->counts.lost++;
    } else if (board->state != ESP_STUB || !busy) {
        esp_execute(board, board->frame, board->frame_len);
    } else if (!board->has_pending) {
        memcpy(board->pending, board->frame, board->frame_len);
        board->pending_len = board->frame_len;
        board->has_pending = true;
    } else {
        board->counts.lost++;
    }
    board->in_frame = false;
}

static void add_byte(struct esp_board *board, uint8_t byte)
{
    if (board->frame_len < ESP_FRAME_MAX)
        board->frame[board->frame_len++] = byte;
    else
        board->frame_bad = true;
}

void esp_take_byte(struct esp_board *board, uint8_t byte)
{
    if (byte == 0xc0) {
        if (board->in_frame && board->frame_len > 0) {
            frame_ends(board);
            return;
        }
        board->in_frame = true;
        board->escaped = board->frame_bad = false;
        board->frame_len = 0;
    } else if (!board->in_frame) {
        return;
    } else if (board->escaped) {
        board->escaped = false;
        if (byte != 0xdc && byte != 0xdd) {
            board->frame_bad = true;
            board->wedged = board->state == ESP_ROM; /* it is not seen to come back from this */
        }
        add_byte(board, byte == 0xdc ? 0xc0 : 0xdb);
    } else if (byte == 0xdb) {
        board->escaped = true;
    } else {
        add_byte(board, byte);
    }
}
