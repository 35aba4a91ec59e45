/* SPDX-License-Identifier: MIT */
/* The listening side of TCP, on this computer's own address only. */
#ifndef KILN_OS_LISTEN_H
#define KILN_OS_LISTEN_H

#include "base/ctx.h"

/* Listens at 127.0.0.1. Port 0 takes a free one; *out_port says which. BUSY, IO. */
KILN_MUST_USE enum kiln_status kiln_listen(struct kiln_ctx *ctx, uint16_t port, int *out_fd,
                                           uint16_t *out_port);

/* The next client that waits, -1 if there is none. The descriptor does not block and sends at once. */
int kiln_listen_accept(int fd);

#endif
