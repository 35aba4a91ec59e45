/* SPDX-License-Identifier: MIT */
#include "sim/front/board.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000ull

bool kiln_front_board_make(struct kiln_front_board *out, const char *program, const char *text)
{
    const struct kiln_sim_board *row;
    struct kiln_virtual_clock clock;
    struct kiln_sim_knobs knobs;
    struct kiln_ctx ctx;

    *out = (struct kiln_front_board){0};
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    if (kiln_sim_knobs_parse(&ctx, text, &knobs) != KILN_OK) {
        fprintf(stderr, "%s: %s\n", program, ctx.error.message);
        return false;
    }
    row = kiln_sim_board_find(knobs.board);
    if (row->make_usb == NULL) {
        fprintf(stderr, "%s: %s is no USB board\n", program, row->name);
        return false;
    }
    if (row->make_usb(&ctx, &knobs, &out->usb) != KILN_OK) {
        fprintf(stderr, "%s: %s\n", program, ctx.error.message);
        return false;
    }
    out->real_time = knobs.real_time;
    return true;
}

void kiln_front_board_free(struct kiln_front_board *board)
{
    board->usb->ops->free(board->usb);
    board->usb = NULL;
}

/* ---- time ---- */

uint64_t kiln_front_real_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t kiln_front_model_ns(const struct kiln_front_board *board)
{
    return kiln_front_real_ns() + board->skew_ns;
}

uint64_t kiln_front_due(struct kiln_front_board *board, uint64_t done_ns)
{
    uint64_t now_ns = kiln_front_model_ns(board);

    if (done_ns <= now_ns)
        return kiln_front_real_ns();
    if (board->real_time)
        return done_ns - board->skew_ns;
    board->skew_ns += done_ns - now_ns;
    return kiln_front_real_ns();
}

uint64_t kiln_front_next_event_ns(const struct kiln_front_board *board)
{
    uint64_t event_ns = board->usb->ops->next_event_ns(board->usb);

    return event_ns == KILN_FRONT_NEVER ? event_ns : event_ns - KILN_MIN(event_ns, board->skew_ns);
}

int kiln_front_wait_ms(uint64_t when_ns, unsigned max_ms)
{
    uint64_t now_ns = kiln_front_real_ns();

    if (when_ns <= now_ns)
        return 0;
    return (int)KILN_MIN((when_ns - now_ns) / NS_PER_MS + 1, max_ms);
}

/* ---- the program ---- */

int kiln_front_split(int argc, char **argv, int first, size_t boards_max)
{
    int at = first;

    while (at < argc && strcmp(argv[at], "--") != 0)
        at++;
    return at > first && at + 1 < argc && (size_t)(at - first) <= boards_max ? at : 0;
}

int kiln_front_start(const char *program, char **argv, pid_t *out_pid)
{
    *out_pid = fork();
    if (*out_pid == 0) {
        execvp(argv[0], argv);
        fprintf(stderr, "%s: cannot run %s: %s\n", program, argv[0], strerror(errno));
        _exit(127);
    }
    return *out_pid > 0 ? (int)syscall(SYS_pidfd_open, *out_pid, 0) : -1;
}

int kiln_front_exit_status(pid_t pid)
{
    int status = 0;

    if (waitpid(pid, &status, 0) != pid)
        return KILN_FRONT_EXIT_FAILED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
