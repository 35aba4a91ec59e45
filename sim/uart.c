/* SPDX-License-Identifier: MIT */
#include "sim/uart.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000u

bool kiln_sim_line_init(struct kiln_sim_line *line)
{
    memset(line, 0, sizeof *line);
    line->level = true;
    line->ring = malloc(KILN_SIM_LINE_MAX * sizeof *line->ring);
    return line->ring != NULL;
}

void kiln_sim_line_dispose(struct kiln_sim_line *line)
{
    free(line->ring);
    line->ring = NULL;
}

void kiln_sim_line_stop(struct kiln_sim_line *line, uint64_t now_ns)
{
    while (line->count > 0 &&
           line->ring[(line->head + line->count - 1) % KILN_SIM_LINE_MAX].end_ns > now_ns)
        line->count--;
    line->free_ns = now_ns;
}

void kiln_sim_line_clear(struct kiln_sim_line *line)
{
    line->count = 0;
    line->in_frame = false;
    line->level = true;
}

bool kiln_sim_line_put(struct kiln_sim_line *line, uint64_t now_ns, uint32_t pace, uint32_t baud,
                       uint8_t value)
{
    uint64_t start = now_ns > line->free_ns ? now_ns : line->free_ns;
    struct kiln_sim_line_byte *slot;

    if (line->count == KILN_SIM_LINE_MAX)
        return false;
    slot = &line->ring[(line->head + line->count++) % KILN_SIM_LINE_MAX];
    slot->end_ns = line->free_ns = start + 10ull * NS_PER_S / pace;
    slot->baud = baud;
    slot->value = value;
    return true;
}

/* The middle of bit `n` (0 = start bit) of the frame being received. */
static uint64_t sample_ns(const struct kiln_sim_line *line, uint32_t baud, unsigned n)
{
    return line->edge_ns + (2ull * n + 1) * NS_PER_S / (2ull * baud);
}

uint64_t kiln_sim_line_next_ns(const struct kiln_sim_line *line, uint32_t receiver_baud)
{
    if (line->count > 0)
        return line->ring[line->head].end_ns;
    return line->in_frame && receiver_baud != 0 ? sample_ns(line, receiver_baud, 9) + 1
                                                : UINT64_MAX;
}

/* Shows the receiver a stretch of line in which the level does not change. */
static void receive_level(struct kiln_sim_line *line, uint64_t until_ns, bool level, uint32_t baud,
                          uint8_t *bytes, size_t *len)
{
    if (!line->in_frame && line->level && !level) {
        line->in_frame = true;
        line->bit = line->shift = 0;
        line->edge_ns = line->seen_ns;
    }
    while (line->in_frame && sample_ns(line, baud, line->bit) < until_ns) {
        if (line->bit == 0 && level) {
            line->in_frame = false; /* a glitch, no start bit */
        } else if (line->bit < 9) {
            if (line->bit > 0 && level)
                line->shift |= 1u << (line->bit - 1);
            line->bit++;
        } else {
            /* A missing stop bit is a framing error; the byte is taken all the same. */
            if (*len < KILN_SIM_LINE_BURST)
                bytes[(*len)++] = (uint8_t)line->shift;
            line->in_frame = false;
        }
    }
    line->level = level;
    line->seen_ns = until_ns;
}

static bool rates_match(uint32_t a, uint32_t b)
{
    uint32_t difference = a > b ? a - b : b - a;

    return a == 0 || b == 0 || difference <= b / 40;
}

bool kiln_sim_line_take(struct kiln_sim_line *line, uint64_t now_ns, uint32_t receiver_baud,
                        uint8_t bytes[KILN_SIM_LINE_BURST], size_t *out_len)
{
    const struct kiln_sim_line_byte *first = &line->ring[line->head];
    uint64_t bit_ns, start_ns;
    unsigned frame;

    *out_len = 0;
    if (receiver_baud == 0)
        line->in_frame = false;
    if (line->count == 0) {
        if (!line->in_frame || now_ns < line->seen_ns)
            return false;
        receive_level(line, now_ns, true, receiver_baud, bytes, out_len);
        return *out_len > 0;
    }
    if (first->end_ns > now_ns)
        return false;
    line->head = (line->head + 1) % KILN_SIM_LINE_MAX;
    line->count--;
    if (rates_match(first->baud, receiver_baud)) {
        bytes[(*out_len)++] = first->value;
        line->in_frame = false;
        line->level = true;
        line->seen_ns = first->end_ns;
        return true;
    }
    bit_ns = NS_PER_S / first->baud;
    start_ns = first->end_ns - 10 * bit_ns;
    frame = 0x200u | (unsigned)first->value << 1;
    if (start_ns > line->seen_ns)
        receive_level(line, start_ns, true, receiver_baud, bytes, out_len);
    for (unsigned i = 0; i < 10; i++)
        receive_level(line, start_ns + (i + 1) * bit_ns, (frame >> i & 1) != 0, receiver_baud,
                      bytes, out_len);
    return true;
}
