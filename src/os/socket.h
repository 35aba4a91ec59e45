/* SPDX-License-Identifier: MIT */
/* Connecting a TCP socket under a deadline and a cancel token. */
#ifndef KILN_OS_SOCKET_H
#define KILN_OS_SOCKET_H

#include "base/ctx.h"

/*
 * Connects to `host_port`: "name:port", "1.2.3.4:port" or "[::1]:port". The descriptor is non-blocking and
 * sends without delay. ARG (malformed), NO_DEVICE (unknown name, nothing listens), TIMEOUT, CANCELLED, IO.
 */
KILN_MUST_USE enum kiln_status kiln_socket_connect(struct kiln_ctx *ctx, const char *host_port,
                                                   int *out_fd);

#endif
