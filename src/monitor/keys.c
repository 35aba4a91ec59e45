/* SPDX-License-Identifier: MIT */
/* The keyboard of a monitor: what goes to the board, and the keys that are for the monitor itself. */
#include "base/bytes.h"
#include "monitor/monitor.h"

#include <string.h>

#define KEY_EXIT   0x1d /* Ctrl-] */
#define KEY_MENU   0x14 /* Ctrl-T */
#define KEY_ESCAPE 0x1b
#define KEY_CANCEL 0x03
#define KEY_ERASE  0x7f

char kiln_monitor_exit_key(const struct kiln_monitor *m)
{
    return m->options.exit_key != 0 ? m->options.exit_key : KEY_EXIT;
}

char kiln_monitor_menu_key(const struct kiln_monitor *m)
{
    return m->options.menu_key != 0 ? m->options.menu_key : KEY_MENU;
}

const char *kiln_monitor_key_name(char key, char *text)
{
    if ((uint8_t)key < 0x20)
        snprintf(text, 8, "Ctrl-%c", key + 0x40);
    else
        snprintf(text, 8, "%c", key);
    return text;
}

/* ---- what is sent ---- */

static const char *eol_of(const struct kiln_monitor *m)
{
    static const char *const ends[] = {"\r\n", "\r", "\n"};

    return ends[m->options.send_eol];
}

static void show_echo(struct kiln_monitor *m)
{
    static const char on[] = "\033[36m", off[] = "\033[0m";

    if (m->echoed.len == 0)
        return;
    if (m->options.color)
        kiln_monitor_show(m, on, sizeof on - 1);
    kiln_monitor_show(m, (const char *)m->echoed.data, m->echoed.len);
    if (m->options.color)
        kiln_monitor_show(m, off, sizeof off - 1);
    kiln_buf_clear(&m->echoed);
}

static void send_queued(struct kiln_monitor *m)
{
    struct kiln_buf encoded;

    if (m->queued_len > 0 && m->encode.on && !m->options.send_hex) {
        kiln_buf_init(&encoded, 8 * sizeof m->queued);
        kiln_recode_put(&m->encode, m->queued, m->queued_len, &encoded);
        kiln_monitor_transmit(m, encoded.data, encoded.len);
        kiln_buf_dispose(&encoded);
    } else if (m->queued_len > 0) {
        kiln_monitor_transmit(m, m->queued, m->queued_len);
    }
    m->queued_len = 0;
    show_echo(m);
}

static void queue(struct kiln_monitor *m, const char *bytes, size_t len)
{
    if (m->queued_len + len > sizeof m->queued)
        send_queued(m);
    memcpy(m->queued + m->queued_len, bytes, len);
    m->queued_len += len;
}

static void echo(struct kiln_monitor *m, const char *text, size_t len)
{
    if (m->options.echo)
        (void)!kiln_buf_append(&m->echoed, text, len);
}

static int digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Two digits are a byte; everything else only parts them. */
static void send_digit(struct kiln_monitor *m, uint8_t byte)
{
    int digit = digit_of(byte);
    char whole;

    if (digit < 0) {
        m->nibble = -1;
        return;
    }
    if (m->nibble < 0) {
        m->nibble = digit;
        return;
    }
    whole = (char)(m->nibble << 4 | digit);
    m->nibble = -1;
    queue(m, &whole, 1);
}

/* The last character of the line that is not sent yet. */
static void erase_typed(struct kiln_monitor *m)
{
    if (m->queued_len == 0)
        return;
    while (m->queued_len > 1 && (m->queued[m->queued_len - 1] & 0xc0) == 0x80)
        m->queued_len--;
    m->queued_len--;
    echo(m, "\b \b", 3);
}

/* From a keyboard Enter is CR, from a file or pipe LF, with or without CR before it. */
static void send_typed(struct kiln_monitor *m, uint8_t byte)
{
    bool after_cr = m->pasted_cr;
    const char *eol = eol_of(m);
    char shown = byte == '\r' ? '\n' : (char)byte;

    m->pasted_cr = byte == '\r';
    if (byte == '\n' && after_cr)
        return;
    if (m->options.by_line && (byte == KEY_ERASE || byte == '\b')) {
        erase_typed(m);
        return;
    }
    if (m->options.send_hex)
        send_digit(m, byte);
    else if (byte == '\r' || byte == '\n')
        queue(m, eol, strlen(eol));
    else
        queue(m, (const char *)&byte, 1);
    echo(m, &shown, 1);
    if (m->options.by_line && shown == '\n')
        send_queued(m);
}

void kiln_monitor_send_digits(struct kiln_monitor *m, const char *text)
{
    bool before = m->options.send_hex;

    m->options.send_hex = true;
    m->nibble = -1;
    for (; *text != '\0'; text++)
        send_digit(m, (uint8_t)*text);
    send_queued(m);
    m->options.send_hex = before;
    m->nibble = -1;
}

/* ---- questions ---- */

void kiln_monitor_ask(struct kiln_monitor *m, const char *question,
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

/* ---- every byte ---- */

static void take_behind_menu(struct kiln_monitor *m, uint8_t byte)
{
    m->menu = false;
    send_queued(m);
    if ((char)byte == kiln_monitor_menu_key(m) || (char)byte == kiln_monitor_exit_key(m))
        kiln_monitor_transmit(m, &byte, 1);
    else if (byte == '?' || byte == '\b' || byte == KEY_ERASE)
        kiln_monitor_take_menu_key(m, 'h');
    else if (byte != KEY_ESCAPE && byte != KEY_CANCEL)
        kiln_monitor_take_menu_key(m,
                                   byte < 0x20 ? (uint8_t)(byte | 0x60) : (uint8_t)(byte | 0x20));
}

static void take_key(struct kiln_monitor *m, uint8_t byte)
{
    if ((char)byte == kiln_monitor_exit_key(m) && !m->menu)
        m->ended = true;
    else if (m->prompt != NULL)
        take_answer(m, byte);
    else if (m->menu)
        take_behind_menu(m, byte);
    else if ((char)byte == kiln_monitor_menu_key(m))
        m->menu = true;
    else if (m->state == KILN_MONITOR_PARKED)
        kiln_monitor_resume(m);
    else
        send_typed(m, byte);
}

void kiln_monitor_take_input(struct kiln_monitor *m, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len && !m->ended; i++) {
        if (m->options.keys)
            take_key(m, bytes[i]);
        else
            send_typed(m, bytes[i]);
    }
    if (m->options.by_line)
        show_echo(m);
    else
        send_queued(m);
}

void kiln_monitor_end_input(struct kiln_monitor *m)
{
    m->input_open = false;
    send_queued(m);
}

void kiln_monitor_greet(struct kiln_monitor *m)
{
    char rate[32] = "", leave[8], menu[8];

    if ((kiln_link_caps(m->link) & KILN_LINK_BAUD) != 0)
        snprintf(rate, sizeof rate, " at %u baud", m->rate.current);
    if (!m->options.keys) {
        kiln_monitor_say(m, "%s%s", m->port, rate);
        return;
    }
    kiln_monitor_key_name(kiln_monitor_exit_key(m), leave);
    kiln_monitor_key_name(kiln_monitor_menu_key(m), menu);
    kiln_monitor_say(m, "%s%s | %s ends | %s R resets, B bootloader,%s H all keys", m->port, rate,
                     leave, menu, m->sink.flash != NULL ? " F flashes," : "");
}
