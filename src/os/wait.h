/* SPDX-License-Identifier: MIT */
/* The one place where Kiln waits for the operating system: a descriptor, the cancel token, the deadline. */
#ifndef KILN_OS_WAIT_H
#define KILN_OS_WAIT_H

#include "base/ctx.h"

struct pollfd;

/* The monotonic clock of the system. Never destroyed. */
struct kiln_clock *kiln_system_clock(void);

/* The time of day in nanoseconds since 1970. */
int64_t kiln_wall_clock_ns(void);

/* IO if the system gives no descriptors. Fire is async-signal-safe and may be called from any thread. */
KILN_MUST_USE enum kiln_status kiln_cancel_init(struct kiln_cancel *cancel);
void kiln_cancel_fire(struct kiln_cancel *cancel);
void kiln_cancel_dispose(struct kiln_cancel *cancel);

/*
 * Waits until `fd` is ready for `events` (POLLIN, POLLOUT), has an error or hung up: KILN_OK, with what
 * poll() said in out_revents (may be NULL). CANCELLED, TIMEOUT (error slot filled), IO.
 */
KILN_MUST_USE enum kiln_status kiln_wait_fd(struct kiln_ctx *ctx, int fd, short events,
                                            short *out_revents);

/* The same for `count` descriptors at once; what poll() said is in them. The array has room for one more
 * after them, which is used for the cancel token. */
KILN_MUST_USE enum kiln_status kiln_wait_fds(struct kiln_ctx *ctx, struct pollfd *fds,
                                             size_t count);

#endif
