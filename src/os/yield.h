/* SPDX-License-Identifier: MIT */
/*
 * A port changes hands between two programs of one user: who watches it (a serial monitor) lets go when
 * another asks, and takes it back when that one is done.
 *
 * The watcher listens on a socket in the user's run-time folder, named after the port's device number. The
 * other connects, says "yield PID NAME\n", and may open the port once it has read "free\n". It keeps the
 * connection as long as it needs the port; closing it, also by dying, gives the port back.
 */
#ifndef KILN_OS_YIELD_H
#define KILN_OS_YIELD_H

#include "base/ctx.h"

struct kiln_yield_server {
    int listener, client; /* -1: none */
    char path[108];       /* of the socket; "" if there is none */
    char who[64];         /* "kiln (process 812)": the client */
};

enum kiln_yield_event { KILN_YIELD_NOTHING, KILN_YIELD_ASKED, KILN_YIELD_RETURNED };

void kiln_yield_init(struct kiln_yield_server *server);

/* Listens for those who want the port at `port_path`, which the caller holds; a socket for another port is
 * closed first, a client is kept. False if the system gives no place for it: the monitor works without. */
bool kiln_yield_listen(struct kiln_yield_server *server, const char *port_path);

/* The descriptor that becomes readable when kiln_yield_take() has something to say; -1 if none. */
int kiln_yield_fd(const struct kiln_yield_server *server);

/* What happened. Never waits. */
enum kiln_yield_event kiln_yield_take(struct kiln_yield_server *server);

/* The port is closed; the client may open it. */
void kiln_yield_grant(struct kiln_yield_server *server);

void kiln_yield_close(struct kiln_yield_server *server);

/*
 * Asks whoever watches `port_path` to let go of it. OK with the connection to close when the port is not
 * needed any more, or with -1 if nobody watches it. TIMEOUT if the watcher does not answer in 3 s, IO.
 */
KILN_MUST_USE enum kiln_status kiln_yield_ask(struct kiln_ctx *ctx, const char *port_path,
                                              int *out_fd);
/* Gives the port back: call it when the port is closed again. -1 is fine. */
void kiln_yield_return(int fd);

#endif
