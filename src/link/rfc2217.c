/* SPDX-License-Identifier: MIT */
/*
 * A serial port behind an RFC 2217 server, as a layer over a TCP link. DTR and RTS are two commands there,
 * so they never change in one step; both go out together and cost one round trip.
 */
#include "base/buf.h"
#include "base/bytes.h"
#include "link/open.h"
#include "wire/telnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS  3000
#define RX_CEILING (1u << 20) /* payload that may pile up while an answer is awaited */
#define WAITS_MAX  8

enum option_state { OFF, ASKED, ON };

static const uint8_t options[] = {KILN_TELNET_BINARY, KILN_TELNET_SGA, KILN_TELNET_COM_PORT};
#define OPTION_COUNT    (sizeof options)
#define OPTION_COM_PORT 2 /* its place in the list */

/* An answer that is awaited. */
struct wait {
    uint8_t command;
    uint8_t from, to; /* the first payload byte that counts as this answer; 0..255 is any */
    bool seen;
    uint32_t value; /* out: the first four payload bytes, or the only one */
};

struct rfc2217_link {
    struct kiln_byte_link base;
    struct kiln_telnet decoder;
    struct kiln_buf rx;      /* payload not read yet */
    struct kiln_buf replies; /* option answers not sent yet */
    uint8_t ours[OPTION_COUNT], theirs[OPTION_COUNT];
    bool refused;
    struct wait wait[WAITS_MAX];
    size_t wait_count;
    uint32_t baud;
    struct kiln_uart_format format;
    unsigned levels;
    bool ignore_control, ignore_purge;
    char host_port[300];
};

static struct rfc2217_link *self_of(struct kiln_byte_link *self)
{
    return KILN_CONTAINER(self, struct rfc2217_link, base);
}

/* ---- what the server says ---- */

static enum kiln_status queue_option(struct rfc2217_link *link, uint8_t verb, uint8_t option)
{
    const uint8_t bytes[] = {KILN_TELNET_IAC, verb, option};

    return kiln_buf_append(&link->replies, bytes, sizeof bytes);
}

/* The server wants (or no longer wants) one side's option on: answered only if that is news. */
static enum kiln_status negotiate(struct rfc2217_link *link, uint8_t verb, uint8_t option)
{
    bool about_us = verb == KILN_TELNET_DO || verb == KILN_TELNET_DONT;
    bool wanted = verb == KILN_TELNET_DO || verb == KILN_TELNET_WILL;
    uint8_t yes = about_us ? KILN_TELNET_WILL : KILN_TELNET_DO;
    uint8_t no = about_us ? KILN_TELNET_WONT : KILN_TELNET_DONT;
    uint8_t *state;
    uint8_t before;
    size_t i = 0;

    while (i < OPTION_COUNT && options[i] != option)
        i++;
    if (i == OPTION_COUNT)
        return wanted ? queue_option(link, no, option) : KILN_OK;
    state = about_us ? &link->ours[i] : &link->theirs[i];
    before = *state;
    *state = wanted ? ON : OFF;
    if (!wanted && i == OPTION_COM_PORT && about_us)
        link->refused = true;
    if (wanted)
        return before == OFF ? queue_option(link, yes, option) : KILN_OK;
    return before == ON ? queue_option(link, no, option) : KILN_OK;
}

static void answer(struct rfc2217_link *link, const uint8_t *bytes, size_t len)
{
    uint8_t first = len > 1 ? bytes[1] : 0;

    for (size_t i = 0; i < link->wait_count && len > 0; i++) {
        struct wait *wait = &link->wait[i];

        if (wait->seen || bytes[0] != wait->command + KILN_COM_ANSWER || first < wait->from ||
            first > wait->to)
            continue;
        wait->seen = true;
        wait->value = len >= 5 ? kiln_be32(bytes + 1) : first;
        return;
    }
}

static enum kiln_status take(struct rfc2217_link *link, const uint8_t *bytes, size_t len)
{
    const uint8_t *at = bytes;
    struct kiln_telnet_event event;

    while (kiln_telnet_next(&link->decoder, &at, bytes + len, &event)) {
        switch (event.kind) {
        case KILN_TELNET_DATA:
            KILN_TRY(kiln_buf_append(&link->rx, event.bytes, event.len));
            break;
        case KILN_TELNET_OPTION:
            KILN_TRY(negotiate(link, event.verb, event.option));
            break;
        case KILN_TELNET_SUB:
            if (event.option == KILN_TELNET_COM_PORT)
                answer(link, event.bytes, event.len);
            break;
        }
    }
    return KILN_OK;
}

/* Takes something from the server, whatever it is, and answers its questions. What has come is taken even if
 * the deadline is over: a caller that polled the descriptor asks for just that. */
static enum kiln_status take_some(struct rfc2217_link *link, struct kiln_ctx *ctx)
{
    uint8_t raw[4096];
    size_t len;

    KILN_TRY(kiln_link_read(link->base.below, ctx, raw, sizeof raw, &len));
    if (take(link, raw, len) != KILN_OK)
        return kiln_fail(ctx, KILN_E_PROTO, "%s sends without end and does not answer",
                         link->host_port);
    if (link->replies.len == 0)
        return KILN_OK;
    KILN_TRY(kiln_link_write(link->base.below, ctx, link->replies.data, link->replies.len));
    kiln_buf_clear(&link->replies);
    return KILN_OK;
}

/* A server that never stops talking does not outlast the deadline. */
static enum kiln_status pump(struct rfc2217_link *link, struct kiln_ctx *ctx)
{
    KILN_TRY(kiln_ctx_check(ctx));
    return take_some(link, ctx);
}

/* ---- what we ask ---- */

/* Commands are collected and go out in one segment; with `from` <= `to` an answer is awaited. */
struct request {
    struct rfc2217_link *link;
    uint8_t bytes[WAITS_MAX * 16];
    size_t len;
};

static void begin(struct rfc2217_link *link, struct request *request)
{
    request->link = link;
    request->len = 0;
    link->wait_count = 0;
}

static void add(struct request *request, uint8_t command, const uint8_t *payload, size_t len,
                uint8_t from, uint8_t to)
{
    struct rfc2217_link *link = request->link;

    request->len += kiln_telnet_com_port(command, payload, len, request->bytes + request->len);
    if (from <= to)
        link->wait[link->wait_count++] = (struct wait){command, from, to, false, 0};
}

static void add_byte(struct request *request, uint8_t command, uint8_t value, uint8_t from,
                     uint8_t to)
{
    add(request, command, &value, 1, from, to);
}

static bool all_seen(const struct rfc2217_link *link)
{
    for (size_t i = 0; i < link->wait_count; i++) {
        if (!link->wait[i].seen)
            return false;
    }
    return true;
}

static enum kiln_status finish(struct request *request, struct kiln_ctx *ctx, const char *what)
{
    struct rfc2217_link *link = request->link;
    uint64_t saved = kiln_deadline_narrow(ctx, ANSWER_MS);
    enum kiln_status status = kiln_link_write(link->base.below, ctx, request->bytes, request->len);

    while (status == KILN_OK && !all_seen(link))
        status = pump(link, ctx);
    kiln_deadline_restore(ctx, saved);
    link->wait_count = status == KILN_OK ? link->wait_count : 0;
    if (status == KILN_E_TIMEOUT && !kiln_deadline_passed(ctx))
        return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_IGN_SET_CONTROL,
                              "%s does not confirm %s", link->host_port, what);
    return status;
}

static void add_baud(struct request *request, uint32_t baud)
{
    uint8_t payload[4];

    kiln_put_be32(payload, baud);
    add(request, KILN_COM_BAUD, payload, sizeof payload, 0, 255);
}

static void add_line(struct request *request, uint8_t off_value, bool on)
{
    bool wait = !request->link->ignore_control;
    uint8_t on_value = (uint8_t)(off_value - 1);

    add_byte(request, KILN_COM_CONTROL, on ? on_value : off_value, wait ? on_value : 1,
             wait ? off_value : 0);
}

static enum kiln_status check_baud(struct rfc2217_link *link, struct kiln_ctx *ctx, uint32_t baud)
{
    uint32_t got = link->wait[0].value;
    uint32_t off = got > baud ? got - baud : baud - got;

    if (off > baud / 10)
        return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_LOWER_BAUD,
                              "%s cannot do %u baud: it answers %u", link->host_port, baud, got);
    if (off > baud / 40)
        kiln_log(ctx, KILN_LOG_WARN, "link", "%s runs at %u baud instead of %u", link->host_port,
                 got, baud);
    link->baud = baud;
    return KILN_OK;
}

static enum kiln_status agree(struct rfc2217_link *link, struct kiln_ctx *ctx)
{
    static const uint8_t opening[] = {
        KILN_TELNET_IAC,    KILN_TELNET_WILL,   KILN_TELNET_COM_PORT, KILN_TELNET_IAC,
        KILN_TELNET_WILL,   KILN_TELNET_BINARY, KILN_TELNET_IAC,      KILN_TELNET_DO,
        KILN_TELNET_BINARY, KILN_TELNET_IAC,    KILN_TELNET_WILL,     KILN_TELNET_SGA,
        KILN_TELNET_IAC,    KILN_TELNET_DO,     KILN_TELNET_SGA,
    };
    enum kiln_status status;
    uint64_t saved;

    memset(link->ours, ASKED, sizeof link->ours);
    memset(link->theirs, ASKED, sizeof link->theirs);
    link->theirs[OPTION_COM_PORT] = OFF;
    link->refused = false;
    kiln_telnet_init(&link->decoder);
    kiln_buf_clear(&link->rx);
    kiln_buf_clear(&link->replies);
    saved = kiln_deadline_narrow(ctx, ANSWER_MS);
    status = kiln_link_write(link->base.below, ctx, opening, sizeof opening);
    while (status == KILN_OK && link->ours[OPTION_COM_PORT] != ON &&
           link->theirs[OPTION_COM_PORT] != ON && !link->refused)
        status = pump(link, ctx);
    kiln_deadline_restore(ctx, saved);
    /* The caller's own deadline is no sign that the server does not know the option. */
    if ((status == KILN_E_TIMEOUT && !kiln_deadline_passed(ctx)) || link->refused)
        return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_USE_TCP,
                              "%s is no RFC 2217 server: it does not agree to the COM-PORT option",
                              link->host_port);
    return status;
}

struct frame_codes {
    uint8_t parity, stop, flow;
};

static struct frame_codes codes_of(const struct kiln_uart_format *format)
{
    static const char parities[] = "NOEMS";
    const char *parity = strchr(parities, format->parity);

    return (struct frame_codes){
        .parity = (uint8_t)(parity == NULL ? 1 : parity - parities + 1),
        .stop = format->stop_half_bits == 3 ? 3 : format->stop_half_bits / 2,
        .flow = format->rtscts    ? KILN_COM_FLOW_HARD
                : format->xonxoff ? KILN_COM_FLOW_XON
                                  : KILN_COM_FLOW_NONE,
    };
}

static void add_format(struct request *request, const struct kiln_uart_format *format)
{
    struct frame_codes codes = codes_of(format);

    add_byte(request, KILN_COM_DATASIZE, format->data_bits, 0, 255);
    add_byte(request, KILN_COM_PARITY, codes.parity, 0, 255);
    add_byte(request, KILN_COM_STOPSIZE, codes.stop, 0, 255);
}

static enum kiln_status start(struct rfc2217_link *link, struct kiln_ctx *ctx)
{
    struct request request;
    enum kiln_status status;

    KILN_TRY(agree(link, ctx));
    begin(link, &request);
    add_baud(&request, link->baud);
    add_format(&request, &link->format);
    KILN_TRY(finish(&request, ctx, "the serial settings"));
    KILN_TRY(check_baud(link, ctx, link->baud));
    begin(link, &request);
    add_byte(&request, KILN_COM_MODEM_MASK, 0, 1, 0);
    add_byte(&request, KILN_COM_LINESTATE_MASK, 0, 1, 0);
    add_byte(&request, KILN_COM_CONTROL, codes_of(&link->format).flow, 1, 0);
    add_line(&request, KILN_COM_DTR_OFF, false);
    add_line(&request, KILN_COM_RTS_OFF, false);
    add_byte(&request, KILN_COM_PURGE, KILN_COM_PURGE_RX, 1, 0);
    link->levels = 0;
    status = finish(&request, ctx, "DTR and RTS");
    if (status == KILN_E_TIMEOUT && !kiln_deadline_passed(ctx)) {
        /* ser2net says nothing where its port has no such lines. */
        kiln_log(ctx, KILN_LOG_WARN, "link",
                 "%s does not confirm DTR and RTS; they may not reach the board", link->host_port);
        link->ignore_control = true;
        kiln_error_clear(ctx);
        status = KILN_OK;
    }
    KILN_TRY(status);
    /* What came before was read at other settings, as on a local port. */
    kiln_buf_clear(&link->rx);
    return KILN_OK;
}

/* ---- the ops ---- */

static enum kiln_status rfc2217_read(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                     uint8_t *bytes, size_t cap, size_t *out_len)
{
    struct rfc2217_link *link = self_of(self);

    if (link->rx.len == 0)
        KILN_TRY(take_some(link, ctx));
    while (link->rx.len == 0)
        KILN_TRY(pump(link, ctx));
    *out_len = KILN_MIN(cap, link->rx.len);
    memcpy(bytes, link->rx.data, *out_len);
    kiln_buf_consume(&link->rx, *out_len);
    return KILN_OK;
}

static enum kiln_status rfc2217_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      const uint8_t *bytes, size_t len)
{
    uint8_t escaped[2048];

    while (len > 0) {
        size_t part = KILN_MIN(len, sizeof escaped / 2);

        KILN_TRY(
            kiln_link_write(self->below, ctx, escaped, kiln_telnet_escape(bytes, part, escaped)));
        bytes += part;
        len -= part;
    }
    return KILN_OK;
}

/* Waits for the server's word that it has purged: bytes before it are old, bytes after it are new. */
static enum kiln_status rfc2217_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct rfc2217_link *link = self_of(self);
    struct request request;
    enum kiln_status status;

    kiln_buf_clear(&link->rx);
    begin(link, &request);
    add_byte(&request, KILN_COM_PURGE, KILN_COM_PURGE_RX, link->ignore_purge ? 1 : 0,
             link->ignore_purge ? 0 : 255);
    status = finish(&request, ctx, "that it has dropped old input");
    kiln_buf_clear(&link->rx);
    if (status == KILN_E_TIMEOUT && !kiln_deadline_passed(ctx)) {
        link->ignore_purge = true; /* some servers never answer this */
        kiln_error_clear(ctx);
        return KILN_OK;
    }
    return status;
}

static enum kiln_status rfc2217_set_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                         uint32_t baud)
{
    struct rfc2217_link *link = self_of(self);
    struct request request;

    begin(link, &request);
    add_baud(&request, baud);
    KILN_TRY(finish(&request, ctx, "the baud rate"));
    return check_baud(link, ctx, baud);
}

static enum kiln_status rfc2217_set_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                          unsigned mask, unsigned levels)
{
    struct rfc2217_link *link = self_of(self);
    struct request request;

    begin(link, &request);
    if ((mask & KILN_LINE_DTR) != 0)
        add_line(&request, KILN_COM_DTR_OFF, (levels & KILN_LINE_DTR) != 0);
    if ((mask & KILN_LINE_RTS) != 0)
        add_line(&request, KILN_COM_RTS_OFF, (levels & KILN_LINE_RTS) != 0);
    link->levels = (link->levels & ~mask) | (levels & mask);
    return finish(&request, ctx, "DTR and RTS");
}

static enum kiln_status rfc2217_set_format(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                           const struct kiln_uart_format *format)
{
    struct rfc2217_link *link = self_of(self);
    struct frame_codes codes = codes_of(format);
    struct request request;

    begin(link, &request);
    add_format(&request, format);
    KILN_TRY(finish(&request, ctx, "the serial settings"));
    if (link->wait[0].value != format->data_bits || link->wait[1].value != codes.parity ||
        link->wait[2].value != codes.stop)
        kiln_log(ctx, KILN_LOG_WARN, "link",
                 "%s does not take data bits %u, parity %c; bytes may be wrong", link->host_port,
                 format->data_bits, format->parity);
    link->format = *format;
    begin(link, &request);
    add_byte(&request, KILN_COM_CONTROL, codes.flow, 1, 0);
    return finish(&request, ctx, "flow control");
}

static enum kiln_status rfc2217_set_break(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                          bool on)
{
    struct rfc2217_link *link = self_of(self);
    bool wait = !link->ignore_control;
    struct request request;

    begin(link, &request);
    add_byte(&request, KILN_COM_CONTROL, on ? KILN_COM_BREAK_ON : KILN_COM_BREAK_OFF,
             wait ? KILN_COM_BREAK_ON : 1, wait ? KILN_COM_BREAK_OFF : 0);
    return finish(&request, ctx, "a break");
}

static enum kiln_status rfc2217_reopen(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    KILN_TRY(kiln_link_reopen(self->below, ctx));
    return start(self_of(self), ctx);
}

static int rfc2217_poll_fd(const struct kiln_byte_link *self)
{
    const struct rfc2217_link *link = KILN_CONTAINER(self, const struct rfc2217_link, base);

    return link->rx.len > 0 ? -1 : kiln_link_poll_fd(self->below);
}

static unsigned rfc2217_caps(const struct kiln_byte_link *self)
{
    (void)self;
    return KILN_LINK_BAUD | KILN_LINK_LINES | KILN_LINK_NETWORK;
}

static void rfc2217_describe(const struct kiln_byte_link *self, char *text, size_t cap)
{
    snprintf(text, cap, "rfc2217://%s",
             KILN_CONTAINER(self, const struct rfc2217_link, base)->host_port);
}

static void rfc2217_close(struct kiln_byte_link *self)
{
    struct rfc2217_link *link = self_of(self);

    kiln_link_close(self->below);
    kiln_buf_dispose(&link->rx);
    kiln_buf_dispose(&link->replies);
    free(link);
}

static const struct kiln_byte_link_ops rfc2217_ops = {
    .name = "rfc2217",
    .read = rfc2217_read,
    .write = rfc2217_write,
    .discard_input = rfc2217_discard,
    .set_baud = rfc2217_set_baud,
    .set_lines = rfc2217_set_lines,
    .set_format = rfc2217_set_format,
    .set_break = rfc2217_set_break,
    .reopen = rfc2217_reopen,
    .release = kiln_byte_pass_release,
    .poll_fd = rfc2217_poll_fd,
    .caps = rfc2217_caps,
    .describe = rfc2217_describe,
    .close = rfc2217_close,
};

/* "host:port?ign_set_control" */
static enum kiln_status parse(struct rfc2217_link *link, struct kiln_ctx *ctx, const char *text)
{
    size_t len = strcspn(text, "?");

    if (len >= sizeof link->host_port)
        return kiln_fail(ctx, KILN_E_ARG, "the server's name is too long");
    memcpy(link->host_port, text, len);
    link->host_port[len] = '\0';
    if (text[len] == '\0')
        return KILN_OK;
    link->ignore_control = strcmp(text + len + 1, "ign_set_control") == 0;
    if (!link->ignore_control)
        return kiln_fail(ctx, KILN_E_ARG, "\"%.60s\" is no option of rfc2217://; there is only %s",
                         text + len + 1, "ign_set_control");
    return KILN_OK;
}

enum kiln_status kiln_rfc2217_open(struct kiln_ctx *ctx, const char *host_port, uint32_t baud,
                                   struct kiln_byte_link **out_link)
{
    struct rfc2217_link *link = calloc(1, sizeof *link);
    enum kiln_status status;

    if (link == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    link->base.ops = &rfc2217_ops;
    link->baud = baud;
    link->format = KILN_UART_8N1;
    kiln_buf_init(&link->rx, RX_CEILING);
    kiln_buf_init(&link->replies, RX_CEILING);
    status = parse(link, ctx, host_port);
    if (status == KILN_OK)
        status = kiln_tcp_open(ctx, link->host_port, &link->base.below);
    if (status == KILN_OK)
        status = start(link, ctx);
    if (status != KILN_OK) {
        rfc2217_close(&link->base);
        return status;
    }
    *out_link = &link->base;
    return KILN_OK;
}
