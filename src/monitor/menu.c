/* SPDX-License-Identifier: MIT */
/* What the keys behind the menu key do. */
#include "base/bytes.h"
#include "monitor/monitor.h"

#include <kiln/device.h>
#include <stdlib.h>
#include <string.h>

#define TWO_COLUMNS 76u /* where two keys of the help fit side by side */

/* ---- answers to questions ---- */

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

static void answer_encoding(struct kiln_monitor *m, const char *text)
{
    if (text[0] != '\0' && kiln_monitor_set_encoding(m, text) != KILN_OK)
        kiln_monitor_say(m, "%s", m->ctx.error.message);
    else
        kiln_monitor_say(m, "encoding %s", m->encoding[0] != '\0' ? m->encoding : "UTF-8");
}

static void answer_format(struct kiln_monitor *m, const char *text)
{
    struct kiln_uart_format format = m->format;

    if (text[0] == '\0')
        return;
    if (kiln_monitor_read_format(text, &format))
        kiln_monitor_set_format(m, &format);
    else
        kiln_monitor_say(m,
                         "'%s' is none: data bits 5 to 8, parity N, E, O, M or S, stop bits 1, "
                         "1.5 or 2, like 8N1",
                         text);
}

/* A number of the list that was shown is a port too. */
static void answer_port(struct kiln_monitor *m, const char *text)
{
    struct kiln_device_list list = {0};
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    enum kiln_status status;

    if (text[0] == '\0')
        return;
    if (*end == '\0' && kiln_device_enumerate(&list, &m->ctx.error) == KILN_OK && number > 0) {
        for (size_t i = 0; i < list.count; i++)
            if (list.items[i].kind == KILN_DEVICE_SERIAL && --number == 0)
                text = list.items[i].port;
    }
    status = kiln_monitor_set_port(m, text);
    kiln_device_list_free(&list);
    if (status != KILN_OK)
        kiln_monitor_say(m, "%s; still at %s", m->ctx.error.message, m->port);
}

/* ---- the keys ---- */

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
    kiln_monitor_ask(m, "baud rate (nothing: find it):", answer_rate);
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
    kiln_monitor_ask(
        m, m->log != NULL ? "other log file (nothing: end the log):" : "log file:", answer_log);
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
    kiln_monitor_ask(m, "only lines that match (nothing: all):", answer_filter);
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
    if (m->send != NULL) {
        fclose(m->send);
        m->send = NULL;
        kiln_monitor_say(m, "sending ended after %lu bytes", m->sent);
        return;
    }
    kiln_monitor_ask(m, "file to send:", answer_send);
}

static void do_dtr(struct kiln_monitor *m)
{
    kiln_monitor_toggle_line(m, KILN_LINE_DTR, "DTR");
}

static void do_rts(struct kiln_monitor *m)
{
    kiln_monitor_toggle_line(m, KILN_LINE_RTS, "RTS");
}

static void do_quit(struct kiln_monitor *m)
{
    m->ended = true;
}

static void do_break(struct kiln_monitor *m)
{
    kiln_monitor_toggle_break(m);
}

static void do_show(struct kiln_monitor *m)
{
    static const char *const words[] = {"everything as it comes",
                                        "text and colours",
                                        "control characters as pictures",
                                        "also CR, LF, TAB and the space as pictures",
                                        "only ASCII, other characters as numbers",
                                        "what comes and what goes, quoted"};

    kiln_view_break(&m->screen, &m->out);
    m->options.show = (enum kiln_monitor_show)((m->options.show + 1) % KILN_ARRAY_LEN(words));
    m->screen.options.show = m->options.show;
    kiln_monitor_say(m, "shown: %s", words[m->options.show]);
}

static void do_encoding(struct kiln_monitor *m)
{
    kiln_monitor_ask(m, "encoding, like UTF-8, latin1, cp437:", answer_encoding);
}

static void do_format(struct kiln_monitor *m)
{
    kiln_monitor_ask(m, "data bits, parity, stop bits, like 8N1:", answer_format);
}

static void do_flow(struct kiln_monitor *m)
{
    struct kiln_uart_format format = m->format;

    format.rtscts = !m->format.rtscts && !m->format.xonxoff;
    format.xonxoff = m->format.rtscts;
    kiln_monitor_set_format(m, &format);
}

static void do_digits(struct kiln_monitor *m)
{
    kiln_monitor_ask(m, "bytes to send, in hexadecimal:", kiln_monitor_send_digits);
}

static void do_port(struct kiln_monitor *m)
{
    struct kiln_device_list list = {0};
    unsigned number = 0;

    if (kiln_device_enumerate(&list, &m->ctx.error) != KILN_OK)
        kiln_monitor_say(m, "%s", m->ctx.error.message);
    for (size_t i = 0; i < list.count; i++)
        if (list.items[i].kind == KILN_DEVICE_SERIAL)
            kiln_monitor_say(m, "  %u  %s %s", ++number, list.items[i].port, list.items[i].title);
    kiln_device_list_free(&list);
    kiln_monitor_ask(m, "other port, its number or name:", answer_port);
}

static void do_help(struct kiln_monitor *m);

static const struct {
    char key;
    const char *what; /* fits half of 80 columns */
    void (*run)(struct kiln_monitor *m);
} menu[] = {
    {'r', "reset the board", do_reset},
    {'b', "bring it into its bootloader", do_bootloader},
    {'f', "flash it", kiln_monitor_lend},
    {'z', "let go of the port until a key", kiln_monitor_park},
    {'p', "another port", do_port},
    {'s', "speed: set the rate or find it", do_rate},
    {'o', "data bits, parity, stop bits", do_format},
    {'c', "flow control", do_flow},
    {'d', "DTR on or off", do_dtr},
    {'y', "RTS on or off", do_rts},
    {'k', "break on or off", do_break},
    {'i', "how everything is set", kiln_monitor_tell_settings},
    {'t', "times: none, of day, between", do_time},
    {'x', "hexadecimal or text", do_hex},
    {'w', "what is shown of odd characters", do_show},
    {'a', "encoding of the board's text", do_encoding},
    {'g', "only lines that match", do_filter},
    {'v', "only log lines of a level", do_level},
    {'l', "log to a file", do_log},
    {'e', "echo what is typed", do_echo},
    {'n', "what Enter sends: CR LF, CR, LF", do_eol},
    {'u', "send a file, or stop that", do_send},
    {'m', "send bytes in hexadecimal", do_digits},
    {'h', "this list", do_help},
    {'q', "end", do_quit},
};

static void do_help(struct kiln_monitor *m)
{
    size_t rows = (KILN_ARRAY_LEN(menu) + 1) / 2;
    unsigned columns = kiln_monitor_columns(m);
    char leave[8], key[8];

    kiln_monitor_key_name(kiln_monitor_exit_key(m), leave);
    kiln_monitor_key_name(kiln_monitor_menu_key(m), key);
    kiln_monitor_say(m, "%s ends. %s, then one of these; %s and %s send themselves:", leave, key,
                     key, leave);
    if (columns > 0 && columns < TWO_COLUMNS)
        rows = KILN_ARRAY_LEN(menu);
    for (size_t i = 0; i < rows; i++) {
        size_t other = i + rows;

        if (other < KILN_ARRAY_LEN(menu))
            kiln_monitor_say(m, " %c  %-32s %c  %s", menu[i].key, menu[i].what, menu[other].key,
                             menu[other].what);
        else
            kiln_monitor_say(m, " %c  %s", menu[i].key, menu[i].what);
    }
}

void kiln_monitor_take_menu_key(struct kiln_monitor *m, uint8_t key)
{
    char name[8];

    for (size_t i = 0; i < KILN_ARRAY_LEN(menu); i++)
        if ((uint8_t)menu[i].key == key) {
            menu[i].run(m);
            return;
        }
    kiln_monitor_key_name(kiln_monitor_menu_key(m), name);
    kiln_monitor_say(m, "no such key; %s H lists them", name);
}
