/* SPDX-License-Identifier: MIT */
#include "os/socket.h"

#include "os/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ONE_ADDRESS_MS 5000 /* then the next address of the name is tried */

/*
 * Looking up a name cannot be cancelled, so a thread does it. It and the caller share this; the one that
 * lets go last frees it, which is the thread if the caller gave up.
 */
struct lookup {
    char host[256], port[8];
    struct addrinfo *found;
    int error;
    int done_fd; /* the thread's end of a pipe */
    pthread_mutex_t lock;
    unsigned users;
};

static void let_go(struct lookup *lookup)
{
    bool last;

    pthread_mutex_lock(&lookup->lock);
    last = --lookup->users == 0;
    pthread_mutex_unlock(&lookup->lock);
    if (!last)
        return;
    if (lookup->found != NULL)
        freeaddrinfo(lookup->found);
    pthread_mutex_destroy(&lookup->lock);
    free(lookup);
}

static void *look_up(void *arg)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct lookup *lookup = arg;
    struct addrinfo *found = NULL;
    int error = getaddrinfo(lookup->host, lookup->port, &wanted, &found);

    pthread_mutex_lock(&lookup->lock);
    lookup->error = error;
    lookup->found = found;
    pthread_mutex_unlock(&lookup->lock);
    close(lookup->done_fd);
    let_go(lookup);
    return NULL;
}

static enum kiln_status split(struct kiln_ctx *ctx, const char *host_port, struct lookup *lookup)
{
    const char *colon = strrchr(host_port, ':');
    const char *host = host_port;
    size_t host_len, port_len = colon == NULL ? 0 : strlen(colon + 1);
    unsigned long port;
    char *end = NULL;

    if (port_len == 0 || port_len >= sizeof lookup->port)
        return kiln_fail(ctx, KILN_E_ARG, "\"%.80s\" is not HOST:PORT", host_port);
    host_len = (size_t)(colon - host_port);
    if (host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']') {
        host++;
        host_len -= 2;
    }
    port = strtoul(colon + 1, &end, 10);
    if (host_len == 0 || host_len >= sizeof lookup->host || *end != '\0' || port == 0 ||
        port > 65535)
        return kiln_fail(ctx, KILN_E_ARG, "\"%.80s\" is not HOST:PORT", host_port);
    memcpy(lookup->host, host, host_len);
    memcpy(lookup->port, colon + 1, port_len + 1);
    return KILN_OK;
}

/* An address written as a number needs no thread. */
static bool look_up_number(struct lookup *lookup)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};

    return getaddrinfo(lookup->host, lookup->port, &wanted, &lookup->found) == 0;
}

static enum kiln_status look_up_name(struct kiln_ctx *ctx, struct lookup *lookup)
{
    enum kiln_status status;
    pthread_t thread;
    int pipe_fds[2];

    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return kiln_fail(ctx, KILN_E_IO, "no more descriptors: %s", strerror(errno));
    lookup->done_fd = pipe_fds[1];
    lookup->users = 2;
    if (pthread_create(&thread, NULL, look_up, lookup) != 0) {
        lookup->users = 1;
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        return kiln_fail(ctx, KILN_E_IO, "no thread could be started");
    }
    pthread_detach(thread);
    status = kiln_wait_fd(ctx, pipe_fds[0], POLLIN, NULL);
    close(pipe_fds[0]);
    if (status == KILN_E_TIMEOUT)
        return kiln_fail(ctx, KILN_E_TIMEOUT, "the name %s was not resolved in time", lookup->host);
    KILN_TRY(status);
    pthread_mutex_lock(&lookup->lock);
    if (lookup->error != 0)
        status = kiln_fail_hint(ctx, KILN_E_NO_DEVICE, KILN_HINT_CHECK_NETWORK,
                                "the host %s is not known: %s", lookup->host,
                                gai_strerror(lookup->error));
    pthread_mutex_unlock(&lookup->lock);
    return status;
}

static enum kiln_status fail_connect(struct kiln_ctx *ctx, const char *host_port, int error)
{
    if (error == ECONNREFUSED)
        return kiln_fail_hint(ctx, KILN_E_NO_DEVICE, KILN_HINT_CHECK_NETWORK,
                              "nothing listens at %s", host_port);
    if (error == ETIMEDOUT)
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_CHECK_NETWORK, "no answer from %s",
                              host_port);
    (void)!kiln_fail_hint(ctx, KILN_E_NO_DEVICE, KILN_HINT_CHECK_NETWORK,
                          "%s cannot be reached: %s", host_port, strerror(error));
    return kiln_fail_code(ctx, error);
}

static enum kiln_status connect_one(struct kiln_ctx *ctx, const struct addrinfo *to,
                                    const char *host_port, int *out_fd)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, error = 0;
    socklen_t size = sizeof error;
    enum kiln_status status = KILN_OK;

    if (fd < 0)
        return fail_connect(ctx, host_port, errno);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
        if (errno == EINPROGRESS) {
            status = kiln_wait_fd(ctx, fd, POLLOUT, NULL);
            if (status == KILN_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
                error = errno;
        } else {
            error = errno;
        }
    }
    if (status == KILN_E_TIMEOUT)
        error = ETIMEDOUT;
    if (error != 0)
        status = fail_connect(ctx, host_port, error);
    if (status != KILN_OK) {
        close(fd);
        return status;
    }
    *out_fd = fd;
    return KILN_OK;
}

static enum kiln_status connect_any(struct kiln_ctx *ctx, const struct addrinfo *list,
                                    const char *host_port, int *out_fd)
{
    enum kiln_status status = kiln_fail(ctx, KILN_E_NO_DEVICE, "%s has no address", host_port);

    for (const struct addrinfo *to = list; to != NULL; to = to->ai_next) {
        uint64_t saved = ctx->deadline_ns;

        if (to->ai_next != NULL)
            saved = kiln_deadline_narrow(ctx, ONE_ADDRESS_MS);
        status = connect_one(ctx, to, host_port, out_fd);
        kiln_deadline_restore(ctx, saved);
        if (status == KILN_OK || status == KILN_E_CANCELLED || kiln_deadline_passed(ctx))
            break;
    }
    return status;
}

enum kiln_status kiln_socket_connect(struct kiln_ctx *ctx, const char *host_port, int *out_fd)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    enum kiln_status status;

    if (lookup == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    pthread_mutex_init(&lookup->lock, NULL);
    lookup->users = 1;
    status = split(ctx, host_port, lookup);
    if (status == KILN_OK && !look_up_number(lookup))
        status = look_up_name(ctx, lookup);
    if (status == KILN_OK)
        status = connect_any(ctx, lookup->found, host_port, out_fd);
    let_go(lookup);
    return status;
}
