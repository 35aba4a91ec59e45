/* SPDX-License-Identifier: MIT */
/* A pseudo-terminal whose far end other programs open as a serial port. */
#ifndef KILN_OS_PTY_H
#define KILN_OS_PTY_H

#include "base/ctx.h"

struct kiln_pty {
    int master;
    char path[64];  /* "/dev/pts/5" */
    char link[256]; /* the symbolic link to it that is removed at the end, "" if none */
};

/* `link` (may be NULL) is made a symbolic link to the terminal; an old symbolic link there is replaced,
 * anything else is not. The master does not block. IO. */
KILN_MUST_USE enum kiln_status kiln_pty_open(struct kiln_ctx *ctx, const char *link,
                                             struct kiln_pty *out_pty);
void kiln_pty_close(struct kiln_pty *pty);

/* False while no program has the far end open and nothing it wrote is left; this cannot be waited for. */
bool kiln_pty_in_use(const struct kiln_pty *pty);

/* The rate the program at the far end has set. */
uint32_t kiln_pty_baud(const struct kiln_pty *pty);

#endif
