/* SPDX-License-Identifier: MIT */
/* A raw TCP byte stream as a byte link. */
#include "base/bytes.h"
#include "link/open.h"
#include "os/socket.h"
#include "os/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS     10000
#define REOPEN_STEP_MS 200

struct tcp_link {
    struct kiln_byte_link base;
    int fd; /* -1 while closed */
    char host_port[300];
};

static struct tcp_link *self_of(struct kiln_byte_link *self)
{
    return KILN_CONTAINER(self, struct tcp_link, base);
}

static enum kiln_status fail_io(struct tcp_link *link, struct kiln_ctx *ctx, int error)
{
    if (error == 0 || error == ECONNRESET || error == EPIPE || error == EBADF)
        return kiln_fail_hint(ctx, KILN_E_GONE, KILN_HINT_CHECK_NETWORK, "%s closed the connection",
                              link->host_port);
    if (error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH)
        return kiln_fail_hint(ctx, KILN_E_GONE, KILN_HINT_CHECK_NETWORK,
                              "the connection to %s is lost: %s", link->host_port, strerror(error));
    (void)!kiln_fail(ctx, KILN_E_IO, "the connection to %s failed: %s", link->host_port,
                     strerror(error));
    return kiln_fail_code(ctx, error);
}

static enum kiln_status tcp_read(struct kiln_byte_link *self, struct kiln_ctx *ctx, uint8_t *bytes,
                                 size_t cap, size_t *out_len)
{
    struct tcp_link *link = self_of(self);

    for (;;) {
        ssize_t got;

        if (kiln_ctx_cancelled(ctx))
            return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
        got = recv(link->fd, bytes, cap, 0);
        if (got > 0) {
            *out_len = (size_t)got;
            return KILN_OK;
        }
        if (got == 0)
            return fail_io(link, ctx, 0);
        if (errno != EAGAIN && errno != EINTR)
            return fail_io(link, ctx, errno);
        KILN_TRY(kiln_wait_fd(ctx, link->fd, POLLIN, NULL));
    }
}

static enum kiln_status tcp_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                  const uint8_t *bytes, size_t len)
{
    struct tcp_link *link = self_of(self);

    while (len > 0) {
        ssize_t put;

        if (kiln_ctx_cancelled(ctx))
            return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
        put = send(link->fd, bytes, len, MSG_NOSIGNAL);
        if (put > 0) {
            bytes += put;
            len -= (size_t)put;
            continue;
        }
        if (put < 0 && errno != EAGAIN && errno != EINTR)
            return fail_io(link, ctx, errno);
        KILN_TRY(kiln_wait_fd(ctx, link->fd, POLLOUT, NULL));
    }
    return KILN_OK;
}

/* A far end that sends without pause must not keep us here. */
#define DISCARD_MAX (1 << 20)

static enum kiln_status tcp_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct tcp_link *link = self_of(self);
    uint8_t bytes[4096];

    for (size_t total = 0; total < DISCARD_MAX;) {
        ssize_t got = recv(link->fd, bytes, sizeof bytes, MSG_DONTWAIT);

        if (got == 0)
            return fail_io(link, ctx, 0);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? KILN_OK : fail_io(link, ctx, errno);
        total += (size_t)got;
    }
    return KILN_OK;
}

static void hang_up(struct tcp_link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

static enum kiln_status tcp_reopen(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct tcp_link *link = self_of(self);
    enum kiln_status status;

    hang_up(link);
    for (;;) {
        status = kiln_socket_connect(ctx, link->host_port, &link->fd);
        if (status != KILN_E_NO_DEVICE || kiln_deadline_passed(ctx))
            return status;
        if (kiln_sleep_ms(ctx, REOPEN_STEP_MS) == KILN_E_CANCELLED)
            return KILN_E_CANCELLED;
    }
}

static enum kiln_status tcp_release(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    (void)ctx;
    hang_up(self_of(self));
    return KILN_OK;
}

static int tcp_poll_fd(const struct kiln_byte_link *self)
{
    return KILN_CONTAINER(self, const struct tcp_link, base)->fd;
}

static unsigned tcp_caps(const struct kiln_byte_link *self)
{
    (void)self;
    return KILN_LINK_NETWORK;
}

static void tcp_describe(const struct kiln_byte_link *self, char *text, size_t cap)
{
    snprintf(text, cap, "tcp://%s", KILN_CONTAINER(self, const struct tcp_link, base)->host_port);
}

static void tcp_close(struct kiln_byte_link *self)
{
    hang_up(self_of(self));
    free(self_of(self));
}

static const struct kiln_byte_link_ops tcp_ops = {
    .name = "tcp",
    .read = tcp_read,
    .write = tcp_write,
    .discard_input = tcp_discard,
    .reopen = tcp_reopen,
    .release = tcp_release,
    .poll_fd = tcp_poll_fd,
    .caps = tcp_caps,
    .describe = tcp_describe,
    .close = tcp_close,
};

enum kiln_status kiln_tcp_open(struct kiln_ctx *ctx, const char *host_port,
                               struct kiln_byte_link **out_link)
{
    struct tcp_link *link = calloc(1, sizeof *link);
    enum kiln_status status;
    uint64_t saved;

    if (link == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    link->base.ops = &tcp_ops;
    link->fd = -1;
    snprintf(link->host_port, sizeof link->host_port, "%s", host_port);
    saved = kiln_deadline_narrow(ctx, CONNECT_MS);
    status = kiln_socket_connect(ctx, link->host_port, &link->fd);
    kiln_deadline_restore(ctx, saved);
    if (status != KILN_OK) {
        free(link);
        return status;
    }
    *out_link = &link->base;
    return KILN_OK;
}

enum kiln_status kiln_network_open(struct kiln_ctx *ctx, const char *url, uint32_t baud,
                                   struct kiln_byte_link **out_link)
{
    if (strncmp(url, "tcp://", 6) == 0)
        return kiln_tcp_open(ctx, url + 6, out_link);
    if (strncmp(url, "socket://", 9) == 0)
        return kiln_tcp_open(ctx, url + 9, out_link);
    if (strncmp(url, "rfc2217://", 10) == 0)
        return kiln_rfc2217_open(ctx, url + 10, baud, out_link);
    return kiln_fail(ctx, KILN_E_ARG, "\"%.80s\" is none of tcp://, socket://, rfc2217://", url);
}
