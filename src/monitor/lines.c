/* SPDX-License-Identifier: MIT */
/* The wires of the port: DTR and RTS, break, framing and flow control. */
#include "base/bytes.h"
#include "monitor/monitor.h"

#include <string.h>

#define BOTH_LINES (KILN_LINE_DTR | KILN_LINE_RTS)

/* ---- DTR and RTS ---- */

static unsigned wanted_line(const struct kiln_monitor *m, enum kiln_monitor_level level,
                            unsigned line)
{
    unsigned both = KILN_LINK_CDC | KILN_LINK_LINES;
    bool cdc = (kiln_link_caps(m->link) & both) == both;
    bool ready = line == KILN_LINE_RTS && m->format.rtscts;

    if (level == KILN_MONITOR_AUTO)
        return cdc || ready ? line : 0;
    return level == KILN_MONITOR_ON ? line : 0;
}

/* The port was opened with both released. */
static enum kiln_status set_wanted_lines(struct kiln_monitor *m)
{
    unsigned wanted = wanted_line(m, m->options.dtr, KILN_LINE_DTR) |
                      wanted_line(m, m->options.rts, KILN_LINE_RTS);

    m->lines = wanted;
    return wanted == 0 ? KILN_OK : kiln_link_set_lines(m->link, &m->ctx, BOTH_LINES, wanted);
}

static bool is_plain(const struct kiln_uart_format *format)
{
    return format->data_bits == 8 && format->parity == 'N' && format->stop_half_bits == 2 &&
           !format->rtscts && !format->xonxoff;
}

void kiln_monitor_set_up_port(struct kiln_monitor *m)
{
    m->breaking = false;
    if (!is_plain(&m->format) && kiln_link_set_format(m->link, &m->ctx, &m->format) != KILN_OK)
        kiln_monitor_say(m, "%s", m->ctx.error.message);
    if (set_wanted_lines(m) != KILN_OK)
        kiln_monitor_say(m, "%s", m->ctx.error.message);
}

static const struct kiln_reset_sequence *choose_sequence(const struct kiln_monitor *m,
                                                         bool bootloader)
{
    unsigned caps = kiln_link_caps(m->link);

    if (bootloader && m->has_sequence)
        return &m->bootloader;
    if ((caps & KILN_LINK_CDC) != 0)
        return bootloader ? &kiln_reset_usb_jtag : &kiln_reset_run_usb;
    if (!bootloader)
        return &kiln_reset_run;
    return (caps & KILN_LINK_LINES_AT_ONCE) != 0 ? &kiln_reset_tight : &kiln_reset_classic;
}

static enum kiln_status run_sequence(struct kiln_monitor *m,
                                     const struct kiln_reset_sequence *sequence)
{
    for (size_t i = 0; i < sequence->count; i++) {
        const struct kiln_reset_step *step = &sequence->step[i];

        if (step->mask != 0)
            KILN_TRY(kiln_link_set_lines(m->link, &m->ctx, step->mask, step->levels));
        if (step->wait_ms != 0)
            KILN_TRY(kiln_sleep_ms(&m->ctx, step->wait_ms));
    }
    return set_wanted_lines(m);
}

void kiln_monitor_sequence(struct kiln_monitor *m, bool bootloader)
{
    if (m->state != KILN_MONITOR_OPEN)
        kiln_monitor_say(m, "the board is not there");
    else if (run_sequence(m, choose_sequence(m, bootloader)) != KILN_OK)
        kiln_monitor_say(m, "%s", m->ctx.error.message);
}

bool kiln_monitor_has_reset_line(const struct kiln_monitor *m)
{
    unsigned caps = kiln_link_caps(m->link);

    return (caps & KILN_LINK_LINES) != 0 && (caps & KILN_LINK_CDC) == 0;
}

void kiln_monitor_toggle_line(struct kiln_monitor *m, unsigned line, const char *name)
{
    unsigned levels = m->lines ^ line;

    if (kiln_link_set_lines(m->link, &m->ctx, line, levels) != KILN_OK) {
        kiln_monitor_say(m, "%s", m->ctx.error.message);
        return;
    }
    m->lines = levels;
    kiln_monitor_say(m, "%s %s", name, (levels & line) != 0 ? "asserted" : "released");
}

void kiln_monitor_toggle_break(struct kiln_monitor *m)
{
    if (kiln_link_set_break(m->link, &m->ctx, !m->breaking) != KILN_OK) {
        kiln_monitor_say(m, "%s", m->ctx.error.message);
        return;
    }
    m->breaking = !m->breaking;
    kiln_monitor_say(m, m->breaking ? "break begins" : "break ends");
}

/* ---- framing ---- */

void kiln_monitor_set_format(struct kiln_monitor *m, const struct kiln_uart_format *format)
{
    char text[8];

    if (m->state == KILN_MONITOR_OPEN &&
        kiln_link_set_format(m->link, &m->ctx, format) != KILN_OK) {
        kiln_monitor_say(m, "%s", m->ctx.error.message);
        return;
    }
    m->format = *format;
    kiln_monitor_say(m, "%s, flow control: %s", kiln_monitor_format_text(format, text),
                     format->rtscts    ? "RTS/CTS"
                     : format->xonxoff ? "XON/XOFF"
                                       : "none");
}

bool kiln_monitor_read_format(const char *text, struct kiln_uart_format *format)
{
    static const char *const stops[] = {"1", "1.5", "2"};
    char parity = text[0] != '\0' ? (char)(text[1] & ~0x20) : '\0';

    if (text[0] < '5' || text[0] > '8' || parity == '\0' || strchr("NEOMS", parity) == NULL)
        return false;
    for (size_t i = 0; i < KILN_ARRAY_LEN(stops); i++)
        if (strcmp(text + 2, stops[i]) == 0) {
            format->data_bits = (uint8_t)(text[0] - '0');
            format->parity = parity;
            format->stop_half_bits = (uint8_t)(i + 2);
            return true;
        }
    return false;
}

const char *kiln_monitor_format_text(const struct kiln_uart_format *format, char *text)
{
    static const char *const stops[] = {"1", "1.5", "2"};

    snprintf(text, 8, "%c%c%s", '0' + format->data_bits % 10, format->parity,
             stops[(format->stop_half_bits - 2) % 3]);
    return text;
}

/* ---- what is set ---- */

static const char *level_name(unsigned levels, unsigned line)
{
    return (levels & line) != 0 ? "on" : "off";
}

void kiln_monitor_tell_settings(struct kiln_monitor *m)
{
    static const char *const shows[] = {"direct",    "text",      "pictures",
                                        "nocontrol", "printable", "debug"};
    static const char *const ends[] = {"CR LF", "CR", "LF"};
    char format[8];
    unsigned now = m->lines;
    bool known =
        m->state == KILN_MONITOR_OPEN && kiln_link_get_lines(m->link, &m->ctx, &now) == KILN_OK;

    kiln_monitor_say(m, "%s, %u baud, %s, flow control: %s", m->port, m->rate.current,
                     kiln_monitor_format_text(&m->format, format),
                     m->format.rtscts    ? "RTS/CTS"
                     : m->format.xonxoff ? "XON/XOFF"
                                         : "none");
    kiln_monitor_say(m, "DTR %s, RTS %s, break %s", level_name(now, KILN_LINE_DTR),
                     level_name(now, KILN_LINE_RTS), m->breaking ? "on" : "off");
    if (known)
        kiln_monitor_say(m, "CTS %s, DSR %s, RI %s, CD %s", level_name(now, KILN_LINE_CTS),
                         level_name(now, KILN_LINE_DSR), level_name(now, KILN_LINE_RI),
                         level_name(now, KILN_LINE_CD));
    kiln_monitor_say(m, "encoding %s, Enter sends %s, echo %s",
                     m->encoding[0] != '\0' ? m->encoding : "UTF-8", ends[m->options.send_eol],
                     m->options.echo ? "on" : "off");
    kiln_monitor_say(m, "shown as %s, filter %s, level %c, log %s",
                     m->options.hex ? "hex" : shows[m->options.show], m->has_filter ? "on" : "off",
                     m->options.level != 0 ? m->options.level : '-', m->log != NULL ? "on" : "off");
}
