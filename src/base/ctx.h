/* SPDX-License-Identifier: MIT */
/*
 * The call context: the second argument of every operation that can wait, fail or talk.
 *
 * It carries the clock (injected, so that a test of a timeout takes no wall time), the deadline, the
 * cancel token, the error slot and the log sink. One context belongs to one thread at a time.
 */
#ifndef KILN_BASE_CTX_H
#define KILN_BASE_CTX_H

#include <kiln/status.h>
#include <stdarg.h>
#include <stdatomic.h>

#define KILN_NS_PER_MS   1000000u
#define KILN_NO_DEADLINE UINT64_MAX

struct kiln_ctx;

/* ---- clock ------------------------------------------------------------------------------- */

struct kiln_clock;

struct kiln_clock_ops {
    /* Monotonic nanoseconds since an arbitrary start. Never fails, never goes back. */
    uint64_t (*now_ns)(struct kiln_clock *self);
    /* Waits until now_ns() >= t_ns. CANCELLED if the context's token fires first; the deadline of the
     * context is NOT looked at (the caller clamps t_ns). A virtual clock jumps there at once. */
    enum kiln_status (*sleep_until)(struct kiln_clock *self, struct kiln_ctx *ctx, uint64_t t_ns);
};

struct kiln_clock {
    const struct kiln_clock_ops *ops;
};

/* A clock that only moves when somebody sleeps: for tests and for in-process simulators. */
struct kiln_virtual_clock {
    struct kiln_clock base;
    uint64_t now_ns;
};

void kiln_virtual_clock_init(struct kiln_virtual_clock *self);

/* ---- cancel token ------------------------------------------------------------------------ */

/* Created by kiln_cancel_init() of os/; base only reads the flag. `wake_fd` becomes readable and stays
 * so once the token fires, -1 if the token has none (tests). */
struct kiln_cancel {
    atomic_bool fired;
    int wake_fd;
    int fire_fd;
};

/* ---- log --------------------------------------------------------------------------------- */

enum kiln_log_level { KILN_LOG_TRACE, KILN_LOG_DEBUG, KILN_LOG_INFO, KILN_LOG_WARN };

struct kiln_log_sink {
    /* `text` is one line without newline, valid during the call only. `domain` is a layer's name:
     * "link", "wire", "loader", "plan", "job", "image". */
    void (*line)(void *user, enum kiln_log_level level, const char *domain, const char *text);
    void *user;
    enum kiln_log_level level; /* less important lines are dropped before they are formatted */
};

/* ---- the context ------------------------------------------------------------------------- */

struct kiln_ctx {
    struct kiln_clock *clock;        /* never NULL */
    struct kiln_cancel *cancel;      /* NULL: cannot be cancelled */
    const struct kiln_log_sink *log; /* NULL: silent */
    uint64_t deadline_ns;            /* on `clock`; KILN_NO_DEADLINE */
    unsigned shield;                 /* > 0: cancel is ignored (clean-up is running) */
    struct kiln_error error;         /* valid after a status other than KILN_OK */
};

void kiln_ctx_init(struct kiln_ctx *ctx, struct kiln_clock *clock);

uint64_t kiln_ctx_now_ns(const struct kiln_ctx *ctx);

/*
 * Narrows the deadline to at most `timeout_ms` from now and returns the old one, which the caller hands
 * to kiln_deadline_restore() on every way out. A deadline is never widened.
 */
uint64_t kiln_deadline_narrow(struct kiln_ctx *ctx, uint32_t timeout_ms);
void kiln_deadline_restore(struct kiln_ctx *ctx, uint64_t saved);

/* True once the deadline has passed. */
bool kiln_deadline_passed(const struct kiln_ctx *ctx);

/* Time left in ms rounded up, UINT32_MAX without a deadline. */
uint32_t kiln_deadline_left_ms(const struct kiln_ctx *ctx);

bool kiln_ctx_cancelled(const struct kiln_ctx *ctx);

/* KILN_OK, or CANCELLED or TIMEOUT with the error slot filled. For loops that do no I/O of their own. */
KILN_MUST_USE enum kiln_status kiln_ctx_check(struct kiln_ctx *ctx);

/* Sleeps on the context's clock, no longer than the deadline. OK, CANCELLED, or TIMEOUT if the deadline
 * ended the sleep. */
KILN_MUST_USE enum kiln_status kiln_sleep_ms(struct kiln_ctx *ctx, uint32_t ms);

/* ---- errors ------------------------------------------------------------------------------ */

/* Fills the error slot (hint, code and address cleared) and returns `status`. */
enum kiln_status kiln_fail(struct kiln_ctx *ctx, enum kiln_status status, const char *format, ...)
    KILN_PRINTF(3, 4);

/* The same with the hint that goes with it. */
enum kiln_status kiln_fail_hint(struct kiln_ctx *ctx, enum kiln_status status, enum kiln_hint hint,
                                const char *format, ...) KILN_PRINTF(4, 5);

/* Adds to the error just set. Each returns the status in the slot, so that it can end a function. */
enum kiln_status kiln_fail_code(struct kiln_ctx *ctx, int64_t code);
enum kiln_status kiln_fail_at(struct kiln_ctx *ctx, uint64_t address);

/* Adds the one "while ..." clause if none is there yet, and returns the status in the slot. */
enum kiln_status kiln_while(struct kiln_ctx *ctx, const char *format, ...) KILN_PRINTF(2, 3);

void kiln_error_clear(struct kiln_ctx *ctx);

#define KILN_TRY(expression)                              \
    do {                                                  \
        enum kiln_status kiln_try_status_ = (expression); \
        if (kiln_try_status_ != KILN_OK)                  \
            return kiln_try_status_;                      \
    } while (0)

void kiln_log(struct kiln_ctx *ctx, enum kiln_log_level level, const char *domain,
              const char *format, ...) KILN_PRINTF(4, 5);

#endif
