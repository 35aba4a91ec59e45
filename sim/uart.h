/* SPDX-License-Identifier: MIT */
/*
 * One direction of a UART wire at bit level. Bytes take 10 bits (8N1) at the sender's rate; a receiver at
 * another rate samples the same waveform at its own bit times and gets what a real one would get.
 */
#ifndef KILN_SIM_UART_H
#define KILN_SIM_UART_H

#include <kiln/status.h>

#define KILN_SIM_LINE_MAX 65536u /* bytes under way; more are lost */

struct kiln_sim_line {
    struct kiln_sim_line_byte {
        uint64_t end_ns; /* when its stop bit ends */
        uint32_t baud;   /* 0: arrives unharmed whatever the receiver's rate */
        uint8_t value;
    } * ring;
    size_t head, count;
    uint64_t free_ns; /* when the sender can start its next byte */
    /* The receiver's shift register. */
    bool in_frame, level;
    unsigned bit, shift;
    uint64_t edge_ns, seen_ns;
};

KILN_MUST_USE bool kiln_sim_line_init(struct kiln_sim_line *line); /* false: out of memory */
void kiln_sim_line_dispose(struct kiln_sim_line *line);
void kiln_sim_line_clear(struct kiln_sim_line *line);
/* The sender falls silent: what is not yet across never comes. */
void kiln_sim_line_stop(struct kiln_sim_line *line, uint64_t now_ns);

/* Sends one byte that takes 10 bits at `pace`; `baud` is the rate that the receiver must have. False when
 * the line is full. */
bool kiln_sim_line_put(struct kiln_sim_line *line, uint64_t now_ns, uint32_t pace, uint32_t baud,
                       uint8_t value);

/* In what follows a receiver_baud of 0 takes every byte unharmed. */

/* When the next byte will be there, UINT64_MAX if none is under way. */
uint64_t kiln_sim_line_next_ns(const struct kiln_sim_line *line, uint32_t receiver_baud);

#define KILN_SIM_LINE_BURST 32u /* most bytes a slow byte turns into at a fast receiver */

/*
 * Takes what the first byte under way (or the idle line) becomes at the receiver by `now_ns`: 0 to
 * KILN_SIM_LINE_BURST bytes. False when nothing has arrived.
 */
bool kiln_sim_line_take(struct kiln_sim_line *line, uint64_t now_ns, uint32_t receiver_baud,
                        uint8_t bytes[KILN_SIM_LINE_BURST], size_t *out_len);

#endif
