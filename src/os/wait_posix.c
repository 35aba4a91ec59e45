/* SPDX-License-Identifier: MIT */
#include "os/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t system_now(struct kiln_clock *self)
{
    struct timespec now;

    (void)self;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct timespec span(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

/* Polls until `until_ns`; the return value is poll()'s. */
static int poll_until(struct pollfd *fds, nfds_t count, uint64_t until_ns)
{
    for (;;) {
        uint64_t now = system_now(NULL);
        struct timespec left = span(until_ns > now ? until_ns - now : 0);
        int ready = ppoll(fds, count, until_ns == KILN_NO_DEADLINE ? NULL : &left, NULL);

        if (ready >= 0 || errno != EINTR)
            return ready;
    }
}

static int cancel_fd(const struct kiln_ctx *ctx)
{
    return ctx->cancel != NULL && ctx->shield == 0 ? ctx->cancel->wake_fd : -1;
}

static enum kiln_status system_sleep(struct kiln_clock *self, struct kiln_ctx *ctx, uint64_t t_ns)
{
    struct pollfd fds[1] = {{.fd = cancel_fd(ctx), .events = POLLIN}};

    (void)self;
    if (kiln_ctx_cancelled(ctx) || poll_until(fds, 1, t_ns) > 0)
        return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
    return KILN_OK;
}

static const struct kiln_clock_ops system_ops = {system_now, system_sleep};

struct kiln_clock *kiln_system_clock(void)
{
    static const struct kiln_clock clock = {&system_ops};

    /* The clock has no state; ops take a mutable self because virtual clocks do. */
    return (struct kiln_clock *)(uintptr_t)&clock;
}

int64_t kiln_wall_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

enum kiln_status kiln_cancel_init(struct kiln_cancel *cancel)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return KILN_E_IO;
    atomic_init(&cancel->fired, false);
    cancel->wake_fd = fds[0];
    cancel->fire_fd = fds[1];
    return KILN_OK;
}

void kiln_cancel_fire(struct kiln_cancel *cancel)
{
    int saved = errno;

    if (!atomic_exchange(&cancel->fired, true) && cancel->fire_fd >= 0) {
        ssize_t ignored = write(cancel->fire_fd, "!", 1);
        (void)ignored; /* a full pipe is as readable as one more byte would make it */
    }
    errno = saved;
}

void kiln_cancel_dispose(struct kiln_cancel *cancel)
{
    close(cancel->wake_fd);
    close(cancel->fire_fd);
    cancel->wake_fd = cancel->fire_fd = -1;
}

enum kiln_status kiln_wait_fds(struct kiln_ctx *ctx, struct pollfd *fds, size_t count)
{
    int ready;

    if (kiln_ctx_cancelled(ctx))
        return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
    fds[count] = (struct pollfd){.fd = cancel_fd(ctx), .events = POLLIN};
    ready = poll_until(fds, (nfds_t)count + 1, ctx->deadline_ns);
    if (ready < 0)
        return kiln_fail(ctx, KILN_E_IO, "waiting failed: %s", strerror(errno));
    if (fds[count].revents != 0)
        return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
    if (ready == 0)
        return kiln_fail(ctx, KILN_E_TIMEOUT, "no answer in time");
    return KILN_OK;
}

enum kiln_status kiln_wait_fd(struct kiln_ctx *ctx, int fd, short events, short *out_revents)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events}};

    KILN_TRY(kiln_wait_fds(ctx, fds, 1));
    if (out_revents != NULL)
        *out_revents = fds[0].revents;
    return KILN_OK;
}
