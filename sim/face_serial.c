/* SPDX-License-Identifier: MIT */
/*
 * A UART board that other programs talk to, on a pseudo-terminal, a TCP port or behind an RFC 2217 server.
 * One loop, one client at a time.
 */
#include "base/bytes.h"
#include "os/listen.h"
#include "os/pty.h"
#include "os/wait.h"
#include "sim/sim.h"
#include "sim/telnet_server.h"

#include <errno.h>
#include <kiln/sim.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 4096u

/* A host changes DTR and RTS one after the other; the board's reset must not run ahead of it. */
#define LINES_SETTLE_NS (5u * KILN_NS_PER_MS)
#define PTY_LOOK_MS     10u
#define IDLE_NS         (1000ull * KILN_NS_PER_MS)

struct kiln_sim_server {
    struct kiln_ctx ctx;
    struct kiln_cancel cancel;
    struct kiln_sim_uart *board;
    struct kiln_sim_knobs knobs;
    enum kiln_sim_face face;
    struct kiln_pty pty;
    struct kiln_sim_telnet telnet;
    unsigned board_lines; /* what the board was shown of the client's DTR and RTS */
    int listener, client; /* the client of a pseudo-terminal is always there */
    char place[320];
    uint64_t ahead_ns;   /* how far the board's clock is before the system's, without time=real */
    uint64_t settled_ns; /* on the system's clock: until then the board's clock does not jump */
    uint8_t out[2 * CHUNK];
    size_t out_at, out_len;
    bool in_use; /* somebody has the pseudo-terminal open */
};

/* ---- time ---- */

static uint64_t board_now(const struct kiln_sim_server *server)
{
    return kiln_ctx_now_ns(&server->ctx) + server->ahead_ns;
}

/* The board's clock jumps over the time in which nothing happens, but a watchdog gives the client all of it. */
static bool jumps_to(const struct kiln_sim_server *server, uint64_t event_ns)
{
    return !server->knobs.real_time && event_ns != server->board->ops->watchdog_ns(server->board);
}

/* How long to wait for the client, as a time on the system's clock; lets the board's clock jump. */
static uint64_t wait_until(struct kiln_sim_server *server)
{
    uint64_t now = kiln_ctx_now_ns(&server->ctx);
    uint64_t next = server->board->ops->next_event_ns(server->board);
    uint64_t due;

    if (next == UINT64_MAX)
        return now + IDLE_NS;
    due = next > server->ahead_ns ? next - server->ahead_ns : 0;
    if (!jumps_to(server, next) || due <= now)
        return KILN_MAX(due, now);
    if (now < server->settled_ns)
        return KILN_MIN(due, server->settled_ns);
    return now; /* look once whether the client has something to say, then jump */
}

static void jump_if_idle(struct kiln_sim_server *server)
{
    uint64_t now = kiln_ctx_now_ns(&server->ctx);
    uint64_t next = server->board->ops->next_event_ns(server->board);

    if (now >= server->settled_ns && next != UINT64_MAX && jumps_to(server, next) &&
        next > now + server->ahead_ns)
        server->ahead_ns = next - now;
}

/* ---- from the board to the client ---- */

static uint32_t client_baud(const struct kiln_sim_server *server)
{
    switch (server->face) {
    case KILN_SIM_FACE_PTY:
        return kiln_pty_baud(&server->pty);
    case KILN_SIM_FACE_RFC2217:
        return server->telnet.baud;
    case KILN_SIM_FACE_TCP:
        break;
    }
    return 0;
}

/* A pseudo-terminal has no lines that could reset the board: closing it does. */
static void drop_client(struct kiln_sim_server *server)
{
    server->out_len = server->out_at = 0;
    if (server->face == KILN_SIM_FACE_PTY) {
        if (server->in_use)
            server->board->ops->power_cycle(server->board, board_now(server));
        server->in_use = false;
    } else if (server->client >= 0) {
        close(server->client);
        server->client = -1;
    }
}

static void push(struct kiln_sim_server *server)
{
    while (server->out_at < server->out_len && server->client >= 0) {
        ssize_t n =
            write(server->client, server->out + server->out_at, server->out_len - server->out_at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            drop_client(server);
        if (n < 0)
            return;
        server->out_at += (size_t)n;
    }
    server->out_at = server->out_len = 0;
}

static void queue(struct kiln_sim_server *server, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len && server->out_len < sizeof server->out; i++)
        server->out[server->out_len++] = bytes[i];
}

/* Takes what the board has sent, unless the client has not yet taken what came before. */
static void pull(struct kiln_sim_server *server)
{
    uint8_t bytes[CHUNK];
    size_t len;

    push(server);
    if (server->out_len > 0)
        return;
    len = server->board->ops->host_receives(server->board, board_now(server), client_baud(server),
                                            bytes, sizeof bytes);
    for (size_t i = 0; i < len; i++) {
        queue(server, &bytes[i], 1);
        if (server->face == KILN_SIM_FACE_RFC2217 && bytes[i] == 0xff)
            queue(server, &bytes[i], 1);
    }
    if (server->client < 0)
        server->out_len = 0; /* a port that nobody has open loses what comes */
    push(server);
}

/* ---- from the client to the board ---- */

static void purge(struct kiln_sim_server *server)
{
    uint8_t bytes[CHUNK];

    while (server->board->ops->host_receives(server->board, board_now(server), 0, bytes,
                                             sizeof bytes) > 0)
        continue;
}

/*
 * A client far away cannot change DTR and RTS at once: on its way from "reset" to "boot button" it asserts
 * both for a while, which lets the reset go too early. Like Espressif's own port server, this one takes the
 * first step for the whole.
 */
static void change_lines(struct kiln_sim_server *server)
{
    const unsigned both = KILN_LINE_DTR | KILN_LINE_RTS;
    unsigned lines = server->telnet.lines;

    if (lines == both && server->board_lines == KILN_LINE_RTS)
        lines = KILN_LINE_DTR;
    server->board_lines = lines;
    server->board->ops->lines(server->board, board_now(server), lines);
    server->settled_ns = kiln_ctx_now_ns(&server->ctx) + LINES_SETTLE_NS;
}

static void take_telnet(struct kiln_sim_server *server, const uint8_t *bytes, size_t len)
{
    const struct kiln_sim_uart_ops *board = server->board->ops;
    uint8_t data, answer[KILN_SIM_TELNET_ANSWER_MAX];
    size_t answer_len;

    for (size_t i = 0; i < len; i++) {
        uint32_t baud = server->telnet.baud;
        enum kiln_sim_telnet_event event =
            kiln_sim_telnet_take(&server->telnet, bytes[i], &data, answer, &answer_len);

        if (event == KILN_SIM_TELNET_BYTE) {
            board->host_sends(server->board, board_now(server), baud, &data, 1);
        } else if (event == KILN_SIM_TELNET_LINES) {
            change_lines(server);
        } else if (event == KILN_SIM_TELNET_PURGE) {
            purge(server);
        }
        queue(server, answer, answer_len);
    }
}

/* As many bytes are under way to the board as a serial port's driver would take. */
static bool board_is_fed(const struct kiln_sim_server *server)
{
    uint32_t baud = client_baud(server);
    uint64_t sent = server->board->ops->sent_ns(server->board);

    return sent > board_now(server) + CHUNK * 10000000000ull / (baud != 0 ? baud : 115200u);
}

static void take_input(struct kiln_sim_server *server)
{
    uint8_t bytes[CHUNK / 4];
    ssize_t len = read(server->client, bytes, sizeof bytes);

    if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR)) {
        drop_client(server);
        return;
    }
    if (len < 0)
        return;
    if (server->face == KILN_SIM_FACE_RFC2217)
        take_telnet(server, bytes, (size_t)len);
    else
        server->board->ops->host_sends(server->board, board_now(server), client_baud(server), bytes,
                                       (size_t)len);
}

static void take_client(struct kiln_sim_server *server)
{
    server->client = kiln_listen_accept(server->listener);
    kiln_sim_telnet_init(&server->telnet, server->telnet.baud);
    server->board_lines = 0;
    if (server->client >= 0 && server->face == KILN_SIM_FACE_RFC2217)
        server->board->ops->lines(server->board, board_now(server), 0);
}

/* ---- the loop ---- */

static enum kiln_status turn(struct kiln_sim_server *server)
{
    bool fed = board_is_fed(server);
    int fd = server->client >= 0 ? server->client : server->listener;
    short events = 0, ready = 0;
    enum kiln_status status;

    if (server->face == KILN_SIM_FACE_PTY && !server->in_use) {
        server->ctx.deadline_ns = KILN_NO_DEADLINE;
        server->in_use = kiln_pty_in_use(&server->pty);
        if (!server->in_use)
            return kiln_sleep_ms(&server->ctx, PTY_LOOK_MS);
    }
    pull(server);
    if (!fed)
        events |= POLLIN;
    if (server->out_len > 0)
        events |= POLLOUT;
    server->ctx.deadline_ns = server->out_len > 0 && !server->knobs.real_time
                                  ? kiln_ctx_now_ns(&server->ctx) + IDLE_NS
                                  : wait_until(server);
    status = kiln_wait_fd(&server->ctx, fd, events, &ready);
    if (status == KILN_E_TIMEOUT) {
        if (server->out_len == 0)
            jump_if_idle(server);
        return KILN_OK;
    }
    if (status != KILN_OK)
        return status;
    if (server->client < 0)
        take_client(server);
    else if ((ready & ~POLLOUT) != 0)
        take_input(server);
    return KILN_OK;
}

enum kiln_status kiln_sim_serve(struct kiln_sim_server *server, struct kiln_error *out_error)
{
    enum kiln_status status = KILN_OK;

    while (status == KILN_OK) {
        status = turn(server);
        if (status == KILN_OK && server->board->ops->is_gone(server->board))
            status = kiln_fail(&server->ctx, KILN_E_GONE, "the simulated board was unplugged");
    }
    if (status == KILN_E_CANCELLED)
        return KILN_OK;
    if (out_error != NULL)
        *out_error = server->ctx.error;
    return status;
}

/* ---- opening and closing ---- */

static enum kiln_status open_face(struct kiln_sim_server *server,
                                  const struct kiln_sim_options *options)
{
    const char *scheme = options->face == KILN_SIM_FACE_TCP ? "tcp" : "rfc2217";
    uint16_t port;

    if (options->face == KILN_SIM_FACE_PTY) {
        KILN_TRY(kiln_pty_open(&server->ctx, options->link, &server->pty));
        server->client = server->pty.master;
        snprintf(server->place, sizeof server->place, "%s",
                 server->pty.link[0] != '\0' ? server->pty.link : server->pty.path);
        return KILN_OK;
    }
    KILN_TRY(kiln_listen(&server->ctx, options->port, &server->listener, &port));
    snprintf(server->place, sizeof server->place, "%s://127.0.0.1:%u", scheme, port);
    return KILN_OK;
}

static enum kiln_status open_board(struct kiln_sim_server *server,
                                   const struct kiln_sim_options *options)
{
    const struct kiln_sim_board *row;

    KILN_TRY(kiln_sim_knobs_parse(&server->ctx, options->board, &server->knobs));
    if (server->knobs.boot[0] == '\0' && options->face != KILN_SIM_FACE_RFC2217)
        snprintf(server->knobs.boot, sizeof server->knobs.boot, "download");
    row = kiln_sim_board_find(server->knobs.board);
    if (row == NULL || row->make_uart == NULL)
        return kiln_fail(&server->ctx, KILN_E_ARG, "%s is no board with a serial port",
                         server->knobs.board);
    return row->make_uart(&server->ctx, &server->knobs, &server->board);
}

enum kiln_status kiln_sim_open(const struct kiln_sim_options *options,
                               struct kiln_sim_server **out_server, struct kiln_error *out_error)
{
    struct kiln_sim_server *server = calloc(1, sizeof *server);
    enum kiln_status status;

    if (server == NULL || kiln_cancel_init(&server->cancel) != KILN_OK) {
        free(server);
        if (out_error != NULL)
            *out_error = (struct kiln_error){.status = KILN_E_NOMEM, .message = "out of memory"};
        return KILN_E_NOMEM;
    }
    kiln_ctx_init(&server->ctx, kiln_system_clock());
    server->ctx.cancel = &server->cancel;
    server->face = options->face;
    server->listener = server->client = -1;
    server->pty.master = -1;
    /* The board's time begins now. */
    kiln_sim_telnet_init(&server->telnet, 115200);
    status = open_board(server, options);
    if (status == KILN_OK)
        status = open_face(server, options);
    if (status == KILN_OK) {
        server->board->ops->power_cycle(server->board, board_now(server));
        *out_server = server;
        return KILN_OK;
    }
    if (out_error != NULL)
        *out_error = server->ctx.error;
    kiln_sim_free(server);
    return status;
}

const char *kiln_sim_place(const struct kiln_sim_server *server)
{
    return server->place;
}

void kiln_sim_stop(struct kiln_sim_server *server)
{
    kiln_cancel_fire(&server->cancel);
}

struct kiln_sim_report kiln_sim_report(const struct kiln_sim_server *server)
{
    const struct kiln_sim_counts *c = server->board->ops->counts(server->board);

    return (struct kiln_sim_report){.commands = c->commands,
                                    .replies = c->replies,
                                    .bytes_in = c->bytes_in,
                                    .bytes_out = c->bytes_out,
                                    .lost = c->lost,
                                    .erases = c->erases,
                                    .programs = c->programs,
                                    .erased_bytes = c->erased_bytes,
                                    .programmed_bytes = c->programmed_bytes,
                                    .resets = c->resets};
}

void kiln_sim_free(struct kiln_sim_server *server)
{
    if (server == NULL)
        return;
    drop_client(server);
    if (server->listener >= 0)
        close(server->listener);
    kiln_pty_close(&server->pty);
    if (server->board != NULL)
        server->board->ops->free(server->board);
    kiln_cancel_dispose(&server->cancel);
    free(server);
}

bool kiln_sim_listing(size_t index, const char **out_name, const char **out_title, bool *out_usb)
{
    const struct kiln_sim_board *row = kiln_sim_board_at(index);

    if (row == NULL)
        return false;
    *out_name = row->name;
    *out_title = row->title;
    *out_usb = row->make_usb != NULL;
    return true;
}
