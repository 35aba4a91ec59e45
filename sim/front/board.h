/* SPDX-License-Identifier: MIT */
/*
 * What every front has in common: a simulated USB board that lives in real time, and the program that is
 * to meet it. How the board is shown to the program is each front's own.
 */
#ifndef KILN_SIM_FRONT_BOARD_H
#define KILN_SIM_FRONT_BOARD_H

#include "sim/sim.h"

#include <sys/types.h>

#define KILN_FRONT_NEVER       UINT64_MAX
#define KILN_FRONT_EXIT_USAGE  2
#define KILN_FRONT_EXIT_FAILED 12

/* Waiting takes real time. What the board itself takes (erase, program) does so only with time=real:
 * otherwise model time jumps ahead of real time by `skew_ns`. */
struct kiln_front_board {
    struct kiln_sim_usb *usb;
    bool real_time;
    uint64_t skew_ns;
};

/* Makes the board that `text` (BOARD[?KNOBS]) names. False after a message that begins with `program`;
 * afterwards kiln_front_board_free() is due only if it was true. */
bool kiln_front_board_make(struct kiln_front_board *out, const char *program, const char *text);
void kiln_front_board_free(struct kiln_front_board *board);

/* CLOCK_MONOTONIC. */
uint64_t kiln_front_real_ns(void);
uint64_t kiln_front_model_ns(const struct kiln_front_board *board);

/* When, in real time, something that ends at `done_ns` of the model is to be seen. */
uint64_t kiln_front_due(struct kiln_front_board *board, uint64_t done_ns);

/* When, in real time, the board next changes by itself, or KILN_FRONT_NEVER. */
uint64_t kiln_front_next_event_ns(const struct kiln_front_board *board);

/* How long to wait for `when_ns` of real time, at most `max_ms`. */
int kiln_front_wait_ms(uint64_t when_ns, unsigned max_ms);

/* The place of "--" in argv, looked for from `first`; 0 unless at least one and at most `boards_max` boards
 * stand before it and a program behind it. */
int kiln_front_split(int argc, char **argv, int first, size_t boards_max);

/* Starts the program; *out_pid is for kiln_front_exit_status(). A pidfd that becomes readable when the
 * program has ended, or -1. */
int kiln_front_start(const char *program, char **argv, pid_t *out_pid);

/* Waits for the end of the program; its exit status, or 128 + the signal, as a shell has it. */
int kiln_front_exit_status(pid_t pid);

#endif
