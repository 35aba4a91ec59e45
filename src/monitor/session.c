/* SPDX-License-Identifier: MIT */
/* The loop of a monitor: one wait for the board, the keyboard and whoever wants the port. */
#include "base/bytes.h"
#include "monitor/monitor.h"
#include "monitor/text.h"
#include "os/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE_MS      40  /* after so much silence an unfinished line is shown as it is */
#define RETRY_MS     25  /* how often a board that left is looked for */
#define RETRY_NET_MS 500 /* ... and the time that one attempt over a network may take */
#define PATIENCE_MS  2000
#define STEADY_MS    1500 /* a connection that lasts so long is one */
#define FLAP_MS      1000
#define SLICE_MS     10 /* how long a link without a descriptor is listened to at a time */
#define SEND_PIECE   512
#define SLOWEST_BITS 12u /* of one byte on the wire */
#define READ_MAX     65536

static uint64_t now_ns(const struct kiln_monitor *m)
{
    return kiln_ctx_now_ns(&m->ctx);
}

static uint64_t ms(uint64_t count)
{
    return count * KILN_NS_PER_MS;
}

/* ---- showing ---- */

static void flush(struct kiln_monitor *m)
{
    if (m->prompt != NULL || m->out.len == 0)
        return;
    if (!m->sink.show(m->sink.user, m->out.data, m->out.len))
        m->ended = true;
    kiln_buf_clear(&m->out);
}

unsigned kiln_monitor_columns(const struct kiln_monitor *m)
{
    return m->sink.columns != NULL ? m->sink.columns(m->sink.user) : 0;
}

void kiln_monitor_show(struct kiln_monitor *m, const char *text, size_t len)
{
    if (!m->options.json && !m->sink.show(m->sink.user, (const uint8_t *)text, len))
        m->ended = true;
}

void kiln_monitor_say(struct kiln_monitor *m, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    kiln_view_break(&m->screen, &m->out);
    flush(m);
    m->sink.notice(m->sink.user, text);
    if (m->log != NULL)
        fprintf(m->log, "--- %s\n", text);
}

static bool is_debugging(const struct kiln_monitor *m)
{
    return m->options.show == KILN_MONITOR_DEBUG && !m->options.hex && !m->options.json;
}

/* One piece that came or went, as it was. */
static void show_piece(struct kiln_monitor *m, const char *arrow, const uint8_t *bytes, size_t len)
{
    (void)!kiln_buf_printf(&m->out, "%s \"", arrow);
    kiln_text_quote(bytes, len, &m->out);
    (void)!kiln_buf_append(&m->out, "\"\n", 2);
}

static void show_bytes(struct kiln_monitor *m, const uint8_t *bytes, size_t len)
{
    struct kiln_buf file;

    m->screen.options.columns = kiln_monitor_columns(m);
    if (is_debugging(m))
        show_piece(m, "<-", bytes, len);
    else
        kiln_view_put(&m->screen, now_ns(m), bytes, len, &m->out);
    m->idle = false;
    m->heard_ns = now_ns(m);
    if (m->log == NULL)
        return;
    kiln_buf_init(&file, 4 * READ_MAX);
    kiln_view_put(&m->file, now_ns(m), bytes, len, &file);
    (void)!fwrite(file.data, 1, file.len, m->log);
    (void)fflush(m->log);
    kiln_buf_dispose(&file);
}

static void show_held_back(struct kiln_monitor *m)
{
    if (m->idle || now_ns(m) < m->heard_ns + ms(IDLE_MS))
        return;
    kiln_view_idle(&m->screen, now_ns(m), &m->out);
    m->idle = true;
}

/* ---- the board leaves and comes back ---- */

void kiln_monitor_take_link(struct kiln_monitor *m, struct kiln_byte_link *link)
{
    m->link = link;
    m->state = KILN_MONITOR_OPEN;
    kiln_link_describe(link, m->port, sizeof m->port);
    (void)kiln_yield_listen(&m->yield, m->port);
}

static void lost(struct kiln_monitor *m)
{
    /* A USB board that restarts again and again is caught each time; a server that does not want us is let be. */
    bool flap = (kiln_link_caps(m->link) & KILN_LINK_NETWORK) != 0 && m->back_ns != 0 &&
                now_ns(m) < m->back_ns + ms(STEADY_MS);

    m->state = KILN_MONITOR_GONE;
    m->lost_ns = m->retry_ns = now_ns(m);
    m->told_why = false;
    m->flaps = flap ? m->flaps + 1 : 0;
    m->retry_ns += flap ? ms(FLAP_MS) : 0;
    if (m->flaps == 0)
        kiln_monitor_say(m, "%s is gone; waiting for it to come back", m->port);
    else if (m->flaps == 1)
        kiln_monitor_say(m, "%s is gone again at once; tried on every second", m->port);
}

static void tell_back(struct kiln_monitor *m)
{
    if (m->flaps > 0 && now_ns(m) >= m->back_ns + ms(STEADY_MS)) {
        kiln_monitor_say(m, "%s is back", m->port);
        m->flaps = 0;
    }
}

static enum kiln_status come_back(struct kiln_monitor *m)
{
    bool network = (kiln_link_caps(m->link) & KILN_LINK_NETWORK) != 0;
    char before[sizeof m->port];
    enum kiln_status status;
    uint64_t saved;

    if (now_ns(m) < m->retry_ns)
        return KILN_OK;
    snprintf(before, sizeof before, "%s", m->port);
    saved = kiln_deadline_narrow(&m->ctx, network ? RETRY_NET_MS : 0);
    status = kiln_link_reopen(m->link, &m->ctx);
    kiln_deadline_restore(&m->ctx, saved);
    m->retry_ns = now_ns(m) + ms(network ? RETRY_NET_MS : RETRY_MS);
    if (status == KILN_OK) {
        kiln_monitor_take_link(m, m->link);
        if ((kiln_link_caps(m->link) & KILN_LINK_BAUD) != 0)
            (void)!kiln_link_set_baud(m->link, &m->ctx, m->rate.current);
        kiln_monitor_set_up_port(m);
        m->back_ns = now_ns(m);
        if (m->flaps > 0)
            return KILN_OK;
        if (strcmp(before, m->port) == 0)
            kiln_monitor_say(m, "%s is back", m->port);
        else
            kiln_monitor_say(m, "%s is back as %s", before, m->port);
        return KILN_OK;
    }
    if (status == KILN_E_CANCELLED || status == KILN_E_UNSUPPORTED || status == KILN_E_NOMEM)
        return status;
    if (status != KILN_E_TIMEOUT && status != KILN_E_NO_DEVICE && !m->told_why &&
        now_ns(m) > m->lost_ns + ms(PATIENCE_MS)) {
        kiln_monitor_say(m, "%s", m->ctx.error.message);
        m->told_why = true;
    }
    return KILN_OK;
}

static enum kiln_status take_yield(struct kiln_monitor *m)
{
    switch (kiln_yield_take(&m->yield)) {
    case KILN_YIELD_ASKED:
        (void)!kiln_link_release(m->link, &m->ctx);
        m->state = KILN_MONITOR_YIELDED;
        kiln_monitor_say(m, "%s has %s now; the monitor comes back after it", m->yield.who,
                         m->port);
        kiln_yield_grant(&m->yield);
        return KILN_OK;
    case KILN_YIELD_RETURNED:
        if (m->state == KILN_MONITOR_YIELDED) {
            m->state = KILN_MONITOR_GONE;
            m->lost_ns = m->retry_ns = now_ns(m);
            return come_back(m);
        }
        return KILN_OK;
    case KILN_YIELD_NOTHING:
        break;
    }
    return KILN_OK;
}

void kiln_monitor_park(struct kiln_monitor *m)
{
    if (m->state == KILN_MONITOR_OPEN && kiln_link_release(m->link, &m->ctx) != KILN_OK) {
        kiln_monitor_say(m, "%s", m->ctx.error.message);
        return;
    }
    m->state = KILN_MONITOR_PARKED;
    kiln_monitor_say(m, "%s is free for others; any key takes it back", m->port);
}

void kiln_monitor_resume(struct kiln_monitor *m)
{
    m->state = KILN_MONITOR_GONE;
    m->lost_ns = m->retry_ns = now_ns(m);
    m->told_why = false;
}

void kiln_monitor_lend(struct kiln_monitor *m)
{
    if (m->sink.flash == NULL || kiln_link_release(m->link, &m->ctx) != KILN_OK) {
        kiln_monitor_say(m, "nothing can be flashed through this link");
        return;
    }
    kiln_view_break(&m->screen, &m->out);
    flush(m);
    /* Who flashes would ask this monitor for the port, which cannot answer until that is done. */
    kiln_yield_close(&m->yield);
    m->sink.flash(m->sink.user, m->port);
    m->state = KILN_MONITOR_GONE;
    m->lost_ns = m->retry_ns = now_ns(m);
}

/* ---- the rate ---- */

static void apply_rate(struct kiln_monitor *m)
{
    if (m->state != KILN_MONITOR_OPEN)
        return;
    if (kiln_link_set_baud(m->link, &m->ctx, m->rate.current) != KILN_OK)
        kiln_monitor_say(m, "%s", m->ctx.error.message);
    else
        (void)!kiln_link_discard_input(m->link, &m->ctx);
}

static void obey_rate(struct kiln_monitor *m, enum kiln_rate_verdict verdict)
{
    uint32_t home = m->rate.home;

    switch (verdict) {
    case KILN_RATE_KEEP:
        break;
    case KILN_RATE_TRY:
        if (m->rate.candidate == 0)
            kiln_view_break(&m->screen, &m->out);
        apply_rate(m);
        break;
    case KILN_RATE_FOUND:
        kiln_monitor_say(m, "the board speaks at %u baud; -b %u sets it from the start", home,
                         home);
        if (m->rate.sample_len > 0)
            show_bytes(m, m->rate.sample, m->rate.sample_len);
        else
            apply_rate(m);
        break;
    case KILN_RATE_GAVE_UP:
        apply_rate(m);
        kiln_monitor_say(m, "what comes is text at no usual rate; listening at %u baud again",
                         home);
        break;
    case KILN_RATE_GARBAGE:
        kiln_monitor_say(m, "this is no text at %u baud; Ctrl-T S finds the rate", home);
        break;
    }
}

void kiln_monitor_set_rate(struct kiln_monitor *m, uint32_t baud)
{
    enum kiln_rate_verdict verdict =
        kiln_rate_set(&m->rate, now_ns(m), baud != 0 ? baud : m->rate.current, baud == 0);

    if (verdict == KILN_RATE_KEEP)
        apply_rate(m);
    obey_rate(m, verdict);
}

static void take_bytes(struct kiln_monitor *m, const uint8_t *bytes, size_t len)
{
    bool listening = m->rate.searching;
    enum kiln_rate_verdict verdict = KILN_RATE_KEEP;

    if (!m->options.hex && (kiln_link_caps(m->link) & KILN_LINK_CDC) == 0 &&
        (kiln_link_caps(m->link) & KILN_LINK_BAUD) != 0)
        verdict = kiln_rate_feed(&m->rate, now_ns(m), bytes, len);
    if (!listening && verdict != KILN_RATE_TRY)
        show_bytes(m, bytes, len);
    obey_rate(m, verdict);
}

/* ---- sending ---- */

void kiln_monitor_transmit(struct kiln_monitor *m, const uint8_t *bytes, size_t len)
{
    uint64_t wire_ms = (uint64_t)len * SLOWEST_BITS * 1000 / KILN_MAX(m->rate.current, 1u);
    uint64_t saved = kiln_deadline_narrow(&m->ctx, (uint32_t)(PATIENCE_MS + wire_ms));
    enum kiln_status status = KILN_OK;

    if (m->state == KILN_MONITOR_OPEN && is_debugging(m))
        show_piece(m, "->", bytes, len);
    if (m->state == KILN_MONITOR_OPEN)
        status = kiln_link_write(m->link, &m->ctx, bytes, len);
    kiln_deadline_restore(&m->ctx, saved);
    if (status == KILN_E_GONE || status == KILN_E_IO)
        lost(m);
    else if (status == KILN_E_TIMEOUT)
        kiln_monitor_say(m, "the board does not take what is sent; some of it is lost");
}

static void end_sending(struct kiln_monitor *m, const char *how)
{
    kiln_monitor_say(m, "%s: %lu bytes", how, m->sent);
    fclose(m->send);
    m->send = NULL;
}

static void send_piece(struct kiln_monitor *m)
{
    uint8_t piece[SEND_PIECE];
    size_t len = fread(piece, 1, sizeof piece, m->send);

    if (len > 0)
        kiln_monitor_transmit(m, piece, len);
    m->sent += len;
    if (m->state != KILN_MONITOR_OPEN)
        end_sending(m, "the file was not sent to its end");
    else if (len < sizeof piece)
        end_sending(m, "the file is sent");
}

enum kiln_status kiln_monitor_send_file(struct kiln_monitor *m, const char *path)
{
    if (m->send != NULL)
        fclose(m->send);
    m->sent = 0;
    m->send = fopen(path, "re");
    if (m->send == NULL)
        return kiln_fail(&m->ctx, KILN_E_IO, "cannot read %.200s: %s", path, strerror(errno));
    return KILN_OK;
}

/* ---- the loop ---- */

static enum kiln_status read_link(struct kiln_monitor *m, uint32_t patience_ms)
{
    uint8_t bytes[4096];
    size_t len, total = 0;
    enum kiln_status status = KILN_OK;

    while (status == KILN_OK && total < READ_MAX && m->state == KILN_MONITOR_OPEN) {
        uint64_t saved = kiln_deadline_narrow(&m->ctx, patience_ms);

        status = kiln_link_read(m->link, &m->ctx, bytes, sizeof bytes, &len);
        kiln_deadline_restore(&m->ctx, saved);
        if (status == KILN_OK)
            take_bytes(m, bytes, len);
        total += len;
        patience_ms = 0;
    }
    if (status == KILN_E_GONE || status == KILN_E_IO) {
        lost(m);
        return come_back(m);
    }
    return status == KILN_E_TIMEOUT ? KILN_OK : status;
}

static void read_input(struct kiln_monitor *m)
{
    uint8_t bytes[1024];
    ssize_t len = read(m->options.input, bytes, sizeof bytes);

    if (len > 0)
        kiln_monitor_take_input(m, bytes, (size_t)len);
    else if (len == 0 || (errno != EAGAIN && errno != EINTR))
        kiln_monitor_end_input(m);
}

static uint64_t next_due(const struct kiln_monitor *m)
{
    uint64_t due = UINT64_MAX;

    if (m->options.duration_ms != 0)
        due = m->began_ns + ms(m->options.duration_ms);
    if (m->state == KILN_MONITOR_GONE)
        due = KILN_MIN(due, m->retry_ns);
    if (!m->idle)
        due = KILN_MIN(due, m->heard_ns + ms(IDLE_MS));
    if (m->state == KILN_MONITOR_OPEN)
        due = KILN_MIN(due, kiln_rate_due_ns(&m->rate));
    if (m->state == KILN_MONITOR_OPEN && m->flaps > 0)
        due = KILN_MIN(due, m->back_ns + ms(STEADY_MS));
    if (m->send != NULL)
        due = 0;
    return due;
}

struct sources {
    struct pollfd fds[5]; /* one more than there are */
    size_t count, link, input, yield, output;
};

static size_t add_source(struct sources *sources, int fd)
{
    if (fd < 0)
        return SIZE_MAX;
    sources->fds[sources->count] = (struct pollfd){.fd = fd, .events = POLLIN};
    return sources->count++;
}

static bool is_ready(const struct sources *sources, size_t index)
{
    return index != SIZE_MAX && sources->fds[index].revents != 0;
}

/* Waits for the first thing to happen. TIMEOUT is OK. */
static enum kiln_status wait_for(struct kiln_monitor *m, struct sources *sources, uint64_t due)
{
    enum kiln_status status;
    uint64_t saved = m->ctx.deadline_ns;

    m->ctx.deadline_ns = due;
    if (sources->count > 0)
        status = kiln_wait_fds(&m->ctx, sources->fds, sources->count);
    else
        status = m->ctx.clock->ops->sleep_until(m->ctx.clock, &m->ctx, due);
    m->ctx.deadline_ns = saved;
    if (status == KILN_E_TIMEOUT)
        for (size_t i = 0; i < sources->count; i++)
            sources->fds[i].revents = 0;
    return status == KILN_E_TIMEOUT ? KILN_OK : status;
}

static enum kiln_status turn(struct kiln_monitor *m)
{
    struct sources sources = {.count = 0};
    bool open = m->state == KILN_MONITOR_OPEN;
    int fd = open ? kiln_link_poll_fd(m->link) : -1;
    uint64_t due = next_due(m);

    sources.link = add_source(&sources, fd);
    /* What a file or a pipe holds is not read for a board that is not there. */
    sources.input =
        add_source(&sources, m->input_open && (open || m->options.keys) ? m->options.input : -1);
    sources.output = add_source(&sources, m->options.output);
    if (sources.output != SIZE_MAX)
        sources.fds[sources.output].events = 0; /* an error tells that the reader has left */
    sources.yield = add_source(&sources, kiln_yield_fd(&m->yield));
    if (open && fd < 0) {
        if (sources.count > 0)
            KILN_TRY(wait_for(m, &sources, 0));
        KILN_TRY(read_link(m, due <= now_ns(m) ? 0 : SLICE_MS));
    } else {
        KILN_TRY(wait_for(m, &sources, due));
    }
    if (is_ready(&sources, sources.output))
        m->ended = true;
    if (is_ready(&sources, sources.link))
        KILN_TRY(read_link(m, 0));
    if (is_ready(&sources, sources.input))
        read_input(m);
    if (is_ready(&sources, sources.yield))
        KILN_TRY(take_yield(m));
    if (m->state == KILN_MONITOR_GONE)
        KILN_TRY(come_back(m));
    if (m->state == KILN_MONITOR_OPEN)
        obey_rate(m, kiln_rate_tick(&m->rate, now_ns(m)));
    if (m->state == KILN_MONITOR_OPEN)
        tell_back(m);
    if (m->send != NULL)
        send_piece(m);
    show_held_back(m);
    flush(m);
    return KILN_OK;
}

enum kiln_status kiln_monitor_run(struct kiln_monitor *m, struct kiln_error *out_error)
{
    enum kiln_status status = KILN_OK;

    m->began_ns = now_ns(m);
    kiln_monitor_set_up_port(m);
    kiln_monitor_greet(m);
    if (m->early[0] != '\0')
        kiln_monitor_say(m, "%s", m->early);
    if (m->options.reset || (m->options.reset_by_line && kiln_monitor_has_reset_line(m)))
        kiln_monitor_sequence(m, false);
    while (status == KILN_OK && !m->ended &&
           (m->options.duration_ms == 0 || now_ns(m) < m->began_ns + ms(m->options.duration_ms)))
        status = turn(m);
    m->prompt = NULL;
    kiln_view_idle(&m->screen, now_ns(m), &m->out);
    kiln_view_break(&m->screen, &m->out);
    flush(m);
    if (out_error != NULL)
        *out_error = m->ctx.error;
    return status;
}
