/* SPDX-License-Identifier: MIT */
/* The keyboard of a monitor: what goes to the board, and the keys that are for the monitor itself. */
#include "base/bytes.h"
#include "monitor/monitor.h"

#include <stdlib.h>
#include <string.h>

#define KEY_EXIT   0x1d /* Ctrl-] */
#define KEY_MENU   0x14 /* Ctrl-T */
#define KEY_ESCAPE 0x1b
#define KEY_CANCEL 0x03
#define KEY_ERASE  0x7f

/* ---- what is sent ---- */

static const char *eol_of(const struct kiln_monitor *m)
{
    static const char *const ends[] = {"\r\n", "\r", "\n"};

    return ends[m->options.send_eol];
}

static void send_queued(struct kiln_monitor *m)
{
    if (m->queued_len > 0)
        kiln_monitor_transmit(m, m->queued, m->queued_len);
    m->queued_len = 0;
}

static void queue(struct kiln_monitor *m, const char *bytes, size_t len)
{
    if (m->queued_len + len > sizeof m->queued)
        send_queued(m);
    memcpy(m->queued + m->queued_len, bytes, len);
    m->queued_len += len;
}

/* From a keyboard Enter is CR, from a file or pipe LF, with or without CR before it. */
static void send_typed(struct kiln_monitor *m, uint8_t byte)
{
    bool after_cr = m->pasted_cr;
    const char *eol = eol_of(m);

    m->pasted_cr = byte == '\r';
    if (byte == '\n' && after_cr)
        return;
    if (byte == '\r' || byte == '\n')
        queue(m, eol, strlen(eol));
    else
        queue(m, (const char *)&byte, 1);
    if (m->options.echo) {
        char shown = byte == '\r' ? '\n' : (char)byte;

        kiln_monitor_show(m, &shown, 1);
    }
}

/* ---- questions ---- */

static void ask(struct kiln_monitor *m, const char *question,
                void (*answer)(struct kiln_monitor *m, const char *text))
{
    char text[160];
    int len = snprintf(text, sizeof text, "--- %s ", question);

    kiln_monitor_say(m, "Enter takes it, Esc leaves it as it was");
    m->prompt = answer;
    m->typed_len = 0;
    kiln_monitor_show(m, text, (size_t)len);
}

static void take_answer(struct kiln_monitor *m, uint8_t byte)
{
    void (*answer)(struct kiln_monitor * m, const char *text) = m->prompt;

    if (byte == '\r' || byte == '\n' || byte == KEY_ESCAPE || byte == KEY_CANCEL) {
        m->prompt = NULL;
        kiln_monitor_show(m, "\n", 1);
        m->typed[m->typed_len] = '\0';
        if (byte == '\r' || byte == '\n')
            answer(m, m->typed);
    } else if ((byte == KEY_ERASE || byte == '\b') && m->typed_len > 0) {
        m->typed_len--;
        kiln_monitor_show(m, "\b \b", 3);
    } else if (byte >= 0x20 && byte != KEY_ERASE && m->typed_len + 1 < sizeof m->typed) {
        m->typed[m->typed_len++] = (char)byte;
        kiln_monitor_show(m, (const char *)&byte, 1);
    }
}

static void answer_rate(struct kiln_monitor *m, const char *text)
{
    char *end;
    unsigned long baud = strtoul(text, &end, 10);

    if (text[0] == '\0') {
        kiln_monitor_say(m, "looking for the rate");
        kiln_monitor_set_rate(m, 0);
    } else if (*end != '\0' || baud == 0 || baud > 20000000) {
        kiln_monitor_say(m, "'%s' is no rate", text);
    } else {
        kiln_monitor_set_rate(m, (uint32_t)baud);
        kiln_monitor_say(m, "%s at %u baud", m->port, m->rate.current);
    }
}

static void answer_filter(struct kiln_monitor *m, const char *text)
{
    if (kiln_monitor_set_filter(m, text) != KILN_OK)
        kiln_monitor_say(m, "%s", m->ctx.error.message);
    else
        kiln_monitor_say(m, m->has_filter ? "only lines that match %s" : "all lines", text);
}

static void answer_log(struct kiln_monitor *m, const char *text)
{
    if (kiln_monitor_set_log(m, text) != KILN_OK)
        kiln_monitor_say(m, "%s", m->ctx.error.message);
    else
        kiln_monitor_say(m, m->log != NULL ? "everything goes to %s too" : "no log", text);
}

static void answer_send(struct kiln_monitor *m, const char *text)
{
    if (text[0] != '\0' && kiln_monitor_send_file(m, text) != KILN_OK)
        kiln_monitor_say(m, "%s", m->ctx.error.message);
}

/* ---- the menu ---- */

static void do_reset(struct kiln_monitor *m)
{
    kiln_monitor_say(m, "reset");
    kiln_monitor_sequence(m, false);
}

static void do_bootloader(struct kiln_monitor *m)
{
    kiln_monitor_say(m, "into the bootloader");
    kiln_monitor_sequence(m, true);
}

static void do_rate(struct kiln_monitor *m)
{
    ask(m, "baud rate (nothing: find it):", answer_rate);
}

static void do_hex(struct kiln_monitor *m)
{
    kiln_view_break(&m->screen, &m->out);
    m->options.hex = m->screen.options.hex = !m->options.hex;
    kiln_monitor_say(m, m->options.hex ? "hexadecimal" : "text");
}

static void do_time(struct kiln_monitor *m)
{
    static const char *const words[] = {"no times", "time of day", "time since the line before"};

    m->options.time = (enum kiln_monitor_time)((m->options.time + 1) % 3);
    m->screen.options.time = m->file.options.time = m->options.time;
    kiln_monitor_say(m, "%s", words[m->options.time]);
}

static void do_log(struct kiln_monitor *m)
{
    ask(m, m->log != NULL ? "other log file (nothing: end the log):" : "log file:", answer_log);
}

static void do_echo(struct kiln_monitor *m)
{
    m->options.echo = !m->options.echo;
    kiln_monitor_say(m, m->options.echo ? "echo" : "no echo");
}

static void do_eol(struct kiln_monitor *m)
{
    static const char *const words[] = {"CR LF", "CR", "LF"};

    m->options.send_eol = (enum kiln_monitor_eol)((m->options.send_eol + 1) % 3);
    kiln_monitor_say(m, "Enter sends %s", words[m->options.send_eol]);
}

static void do_filter(struct kiln_monitor *m)
{
    ask(m, "only lines that match (nothing: all):", answer_filter);
}

static void do_level(struct kiln_monitor *m)
{
    static const char order[] = "\0EWIDV";
    const char *at = memchr(order, m->options.level, sizeof order - 1);
    size_t next = at == NULL ? 0 : (size_t)(at - order + 1) % (sizeof order - 1);

    m->options.level = m->screen.options.level = order[next];
    if (m->options.level == 0)
        kiln_monitor_say(m, "log lines of all levels");
    else
        kiln_monitor_say(m, "log lines of level %c and above", m->options.level);
}

static void do_send(struct kiln_monitor *m)
{
    ask(m, "file to send:", answer_send);
}

static void toggle(struct kiln_monitor *m, unsigned line, const char *name)
{
    m->lines ^= line;
    if (kiln_link_set_lines(m->link, &m->ctx, line, m->lines) != KILN_OK)
        kiln_monitor_say(m, "%s", m->ctx.error.message);
    else
        kiln_monitor_say(m, "%s %s", name, (m->lines & line) != 0 ? "asserted" : "released");
}

static void do_dtr(struct kiln_monitor *m)
{
    toggle(m, KILN_LINE_DTR, "DTR");
}

static void do_rts(struct kiln_monitor *m)
{
    toggle(m, KILN_LINE_RTS, "RTS");
}

static void do_quit(struct kiln_monitor *m)
{
    m->ended = true;
}

static void do_help(struct kiln_monitor *m);

static const struct {
    char key;
    const char *what;
    void (*run)(struct kiln_monitor *m);
} menu[] = {
    {'r', "reset the board", do_reset},
    {'b', "bring it into its bootloader", do_bootloader},
    {'f', "flash it", kiln_monitor_lend},
    {'s', "speed: set the baud rate or find it", do_rate},
    {'x', "hexadecimal or text", do_hex},
    {'t', "times: none, of day, between lines", do_time},
    {'l', "log to a file", do_log},
    {'g', "only lines that match an expression", do_filter},
    {'v', "only log lines of a level and above", do_level},
    {'e', "echo what is typed", do_echo},
    {'n', "what Enter sends: CR LF, CR, LF", do_eol},
    {'u', "send a file", do_send},
    {'d', "DTR on or off", do_dtr},
    {'y', "RTS on or off", do_rts},
    {'h', "this list", do_help},
    {'q', "end, like Ctrl-]", do_quit},
};

static void do_help(struct kiln_monitor *m)
{
    kiln_monitor_say(m, "Ctrl-T, then one of these; Ctrl-T and Ctrl-] send themselves");
    for (size_t i = 0; i < KILN_ARRAY_LEN(menu); i++)
        kiln_monitor_say(m, "  %c  %s", menu[i].key, menu[i].what);
}

static void take_menu_key(struct kiln_monitor *m, uint8_t byte)
{
    uint8_t key = byte < 0x20 ? (uint8_t)(byte | 0x60) : (uint8_t)(byte | 0x20);

    m->menu = false;
    send_queued(m);
    if (byte == KEY_MENU || byte == KEY_EXIT) {
        kiln_monitor_transmit(m, &byte, 1);
        return;
    }
    if (byte == '?' || byte == '\b' || byte == KEY_ERASE)
        key = 'h';
    if (byte == KEY_ESCAPE || byte == KEY_CANCEL)
        return;
    for (size_t i = 0; i < KILN_ARRAY_LEN(menu); i++)
        if ((uint8_t)menu[i].key == key) {
            menu[i].run(m);
            return;
        }
    kiln_monitor_say(m, "no such key; Ctrl-T H lists them");
}

void kiln_monitor_take_input(struct kiln_monitor *m, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len && !m->ended; i++) {
        if (!m->options.keys)
            send_typed(m, bytes[i]);
        else if (bytes[i] == KEY_EXIT && !m->menu)
            m->ended = true;
        else if (m->prompt != NULL)
            take_answer(m, bytes[i]);
        else if (m->menu)
            take_menu_key(m, bytes[i]);
        else if (bytes[i] == KEY_MENU)
            m->menu = true;
        else
            send_typed(m, bytes[i]);
    }
    send_queued(m);
}

void kiln_monitor_greet(struct kiln_monitor *m)
{
    char rate[32] = "";

    if ((kiln_link_caps(m->link) & KILN_LINK_BAUD) != 0)
        snprintf(rate, sizeof rate, " at %u baud", m->rate.current);
    if (m->options.keys)
        kiln_monitor_say(m, "%s%s | Ctrl-] ends | Ctrl-T R resets, B bootloader,%s H all keys",
                         m->port, rate, m->sink.flash != NULL ? " F flashes," : "");
    else
        kiln_monitor_say(m, "%s%s", m->port, rate);
}
