/* SPDX-License-Identifier: MIT */
#include "os/yield.h"

#include "os/port.h"
#include "os/wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS 3000
#define ASK_MAX   64

/* Folder of this user's own: nobody else may listen or ask there. */
static bool own_folder(char *folder, size_t cap)
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    struct stat info;
    int n = run != NULL && run[0] == '/'
                ? snprintf(folder, cap, "%s/kiln", run)
                : snprintf(folder, cap, "/tmp/kiln-%u", (unsigned)getuid());

    if (n < 0 || (size_t)n >= cap)
        return false;
    (void)mkdir(folder, 0700);
    return lstat(folder, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == getuid() &&
           (info.st_mode & 077) == 0;
}

static bool socket_address(const char *port_path, struct sockaddr_un *address)
{
    char folder[sizeof address->sun_path];
    struct stat node;
    int n;

    if (stat(port_path, &node) != 0 || !S_ISCHR(node.st_mode) || !own_folder(folder, sizeof folder))
        return false;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    n = snprintf(address->sun_path, sizeof address->sun_path, "%s/port-%u-%u", folder,
                 major(node.st_rdev), minor(node.st_rdev));
    return n > 0 && (size_t)n < sizeof address->sun_path;
}

void kiln_yield_init(struct kiln_yield_server *server)
{
    memset(server, 0, sizeof *server);
    server->listener = server->client = -1;
}

static void stop_listening(struct kiln_yield_server *server)
{
    if (server->listener < 0)
        return;
    (void)unlink(server->path);
    close(server->listener);
    server->listener = -1;
    server->path[0] = '\0';
}

bool kiln_yield_listen(struct kiln_yield_server *server, const char *port_path)
{
    struct sockaddr_un address;

    if (!socket_address(port_path, &address))
        return false;
    if (strcmp(address.sun_path, server->path) == 0)
        return true;
    stop_listening(server);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listener < 0)
        return false;
    /* The port is ours, so what stands there is left over. */
    (void)unlink(address.sun_path);
    snprintf(server->path, sizeof server->path, "%s", address.sun_path);
    if (bind(server->listener, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(server->listener, 4) == 0)
        return true;
    stop_listening(server);
    return false;
}

int kiln_yield_fd(const struct kiln_yield_server *server)
{
    return server->client >= 0 ? server->client : server->listener;
}

/* What the new client says: "yield PID NAME\n". */
static bool understand(struct kiln_yield_server *server, char *text)
{
    char *end;
    long pid;

    if (strncmp(text, "yield ", 6) != 0)
        return false;
    pid = strtol(text + 6, &end, 10);
    if (end == text + 6 || *end != ' ')
        return false;
    end[1 + strcspn(end + 1, "\n")] = '\0';
    snprintf(server->who, sizeof server->who, "%.32s (process %ld)", end + 1, pid);
    return true;
}

static enum kiln_yield_event take_client(struct kiln_yield_server *server)
{
    char text[ASK_MAX + 1];
    struct pollfd ready = {.events = POLLIN};
    ssize_t len = -1;

    server->client = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (server->client < 0)
        return KILN_YIELD_NOTHING;
    ready.fd = server->client;
    if (poll(&ready, 1, 100) == 1)
        len = read(server->client, text, ASK_MAX);
    text[len > 0 ? len : 0] = '\0';
    if (understand(server, text))
        return KILN_YIELD_ASKED;
    close(server->client);
    server->client = -1;
    return KILN_YIELD_NOTHING;
}

enum kiln_yield_event kiln_yield_take(struct kiln_yield_server *server)
{
    char ignored[ASK_MAX];
    ssize_t len;

    if (server->client < 0)
        return server->listener >= 0 ? take_client(server) : KILN_YIELD_NOTHING;
    len = read(server->client, ignored, sizeof ignored);
    if (len > 0 || (len < 0 && (errno == EAGAIN || errno == EINTR)))
        return KILN_YIELD_NOTHING;
    close(server->client);
    server->client = -1;
    return KILN_YIELD_RETURNED;
}

void kiln_yield_grant(struct kiln_yield_server *server)
{
    /* If the client has gone meanwhile, the next take says so. */
    if (server->client >= 0)
        (void)!send(server->client, "free\n", 5, MSG_NOSIGNAL);
}

void kiln_yield_close(struct kiln_yield_server *server)
{
    stop_listening(server);
    if (server->client >= 0)
        close(server->client);
    server->client = -1;
}

/* ---- the one who asks ---- */

static enum kiln_status await_grant(struct kiln_ctx *ctx, const char *port_path, int fd)
{
    uint64_t saved = kiln_deadline_narrow(ctx, ANSWER_MS);
    enum kiln_status status = kiln_wait_fd(ctx, fd, POLLIN, NULL);
    char answer[8];

    kiln_deadline_restore(ctx, saved);
    if (status == KILN_E_TIMEOUT)
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_PORT_BUSY,
                              "a monitor watches %s and does not let go of it", port_path);
    if (status != KILN_OK)
        return status;
    if (read(fd, answer, sizeof answer) < 5 || memcmp(answer, "free\n", 5) != 0)
        return kiln_fail(ctx, KILN_E_GONE, "the monitor of %s has left", port_path);
    return KILN_OK;
}

enum kiln_status kiln_yield_ask(struct kiln_ctx *ctx, const char *port_path, int *out_fd)
{
    struct sockaddr_un address;
    enum kiln_status status;
    char text[ASK_MAX];
    int fd, len;

    *out_fd = -1;
    if (!socket_address(port_path, &address))
        return KILN_OK;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return kiln_fail(ctx, KILN_E_IO, "no socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return KILN_OK; /* nobody there, or left over */
    }
    len =
        snprintf(text, sizeof text, "yield %d %s\n", (int)getpid(), program_invocation_short_name);
    (void)!send(fd, text, (size_t)len < sizeof text ? (size_t)len : sizeof text, MSG_NOSIGNAL);
    status = await_grant(ctx, port_path, fd);
    if (status == KILN_OK) {
        *out_fd = fd;
        return KILN_OK;
    }
    close(fd);
    return status == KILN_E_GONE ? KILN_OK : status;
}

void kiln_yield_return(int fd)
{
    if (fd >= 0)
        close(fd);
}
