/* SPDX-License-Identifier: MIT */
#include "os/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool bind_and_listen(int fd, uint16_t port, struct sockaddr_in *address)
{
    socklen_t len = sizeof *address;
    int on = 1;

    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_port = htobe16(port);
    address->sin_addr.s_addr = htobe32(INADDR_LOOPBACK);
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           bind(fd, (struct sockaddr *)address, sizeof *address) == 0 && listen(fd, 1) == 0 &&
           getsockname(fd, (struct sockaddr *)address, &len) == 0;
}

enum kiln_status kiln_listen(struct kiln_ctx *ctx, uint16_t port, int *out_fd, uint16_t *out_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address;

    if (fd >= 0 && bind_and_listen(fd, port, &address)) {
        *out_fd = fd;
        *out_port = be16toh(address.sin_port);
        return KILN_OK;
    }
    (void)!kiln_fail(ctx, errno == EADDRINUSE ? KILN_E_BUSY : KILN_E_IO,
                     "cannot listen at TCP port %u: %s", port, strerror(errno));
    if (fd >= 0)
        close(fd);
    return ctx->error.status;
}

int kiln_listen_accept(int fd)
{
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), on = 1;

    if (client >= 0)
        (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return client;
}
