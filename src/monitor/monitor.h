/* SPDX-License-Identifier: MIT */
/* What the files of a monitor session share. Tests may run one on a link and a clock of their own. */
#ifndef KILN_MONITOR_MONITOR_H
#define KILN_MONITOR_MONITOR_H

#include "chip/esp_reset.h"
#include "link/link.h"
#include "monitor/crash.h"
#include "monitor/explain.h"
#include "monitor/rate.h"
#include "monitor/recode.h"
#include "monitor/symbols.h"
#include "monitor/view.h"
#include "os/yield.h"

#include <kiln/monitor.h>
#include <stdio.h>

#define KILN_PROMPT_MAX 256

enum kiln_monitor_state {
    KILN_MONITOR_OPEN,
    KILN_MONITOR_GONE,    /* the board left; it is waited for */
    KILN_MONITOR_YIELDED, /* another program has the port for a while */
    KILN_MONITOR_PARKED   /* ... the user took it away; a key takes it back */
};

struct kiln_monitor {
    struct kiln_ctx ctx;
    struct kiln_cancel cancel;
    struct kiln_log_sink log_sink;
    struct kiln_monitor_options options; /* its strings are not to be used after open */
    struct kiln_monitor_sink sink;
    struct kiln_byte_link *link;
    char port[160];  /* its name now */
    char early[256]; /* a warning from before there was anybody to tell */
    enum kiln_monitor_state state;
    uint64_t began_ns, lost_ns, retry_ns, heard_ns, back_ns;
    unsigned flaps; /* how often in a row it left as soon as it was back */
    bool told_why;  /* why it cannot be opened again was said */

    struct kiln_view screen, file;
    struct kiln_buf out; /* what is to be shown */
    bool idle;           /* nothing is held back */
    FILE *log, *send;
    unsigned long sent; /* so many bytes of the file */
    regex_t filter;
    bool has_filter;
    struct kiln_annotator annotators[2];
    struct kiln_explain explain;
    struct kiln_crash crash;
    struct kiln_symbols *symbols; /* NULL: no ELF file */
    struct kiln_symbolizer symbolizer;

    struct kiln_rate rate;
    struct kiln_yield_server yield;
    struct kiln_reset_sequence bootloader;
    bool has_sequence; /* `bootloader` is the user's own */
    struct kiln_uart_format format;
    unsigned lines; /* DTR and RTS as the monitor left them */
    bool breaking;

    /* The keyboard. */
    struct kiln_recode encode; /* to the board's encoding */
    char encoding[64];
    bool input_open, menu, pasted_cr, ended;
    int nibble;             /* the first half of a byte in hexadecimal, -1: none */
    struct kiln_buf echoed; /* what is to be shown of what was typed */
    void (*prompt)(struct kiln_monitor *monitor, const char *text); /* asks for a line */
    uint8_t queued[512];                                            /* on its way to the board */
    size_t queued_len;
    char typed[KILN_PROMPT_MAX];
    size_t typed_len;
};

/* ---- session.c ---- */

/* A monitor without a port: everything else is ready. The clock is borrowed. */
KILN_MUST_USE enum kiln_status kiln_monitor_create(const struct kiln_monitor_options *options,
                                                   const struct kiln_monitor_sink *sink,
                                                   struct kiln_clock *clock, int64_t wall_ns,
                                                   struct kiln_monitor **out_monitor,
                                                   struct kiln_error *out_error);

/* Hands over an open link at the monitor's rate. */
void kiln_monitor_take_link(struct kiln_monitor *monitor, struct kiln_byte_link *link);

/* One line of the monitor's own, on the screen and in the log. */
void kiln_monitor_say(struct kiln_monitor *monitor, const char *format, ...) KILN_PRINTF(2, 3);

/* Of the screen; 0: unknown. */
unsigned kiln_monitor_columns(const struct kiln_monitor *monitor);

/* Sends to the board, if it is there. */
void kiln_monitor_transmit(struct kiln_monitor *monitor, const uint8_t *bytes, size_t len);

/* The port is closed, `what` is done, the port is opened again. */
void kiln_monitor_lend(struct kiln_monitor *monitor);

/* Sets the rate; 0 looks for the right one. */
void kiln_monitor_set_rate(struct kiln_monitor *monitor, uint32_t baud);

KILN_MUST_USE enum kiln_status kiln_monitor_set_filter(struct kiln_monitor *monitor,
                                                       const char *expression);
/* NULL or "" closes the log. */
KILN_MUST_USE enum kiln_status kiln_monitor_set_log(struct kiln_monitor *monitor, const char *path);
KILN_MUST_USE enum kiln_status kiln_monitor_send_file(struct kiln_monitor *monitor,
                                                      const char *path);

/* Closes the port until kiln_monitor_resume(). */
void kiln_monitor_park(struct kiln_monitor *monitor);
void kiln_monitor_resume(struct kiln_monitor *monitor);

/* Shows bytes of the monitor's own (echo, prompts) on the screen. */
void kiln_monitor_show(struct kiln_monitor *monitor, const char *text, size_t len);

/* ---- open.c ---- */

/* Opens another port and leaves the one there is; the latter stays if that fails. */
KILN_MUST_USE enum kiln_status kiln_monitor_set_port(struct kiln_monitor *monitor,
                                                     const char *selector);

/* The board's encoding from now on, both ways. */
KILN_MUST_USE enum kiln_status kiln_monitor_set_encoding(struct kiln_monitor *monitor,
                                                         const char *name);

/* ---- lines.c ---- */

/* Framing, flow control, DTR and RTS of a port that was just opened. */
void kiln_monitor_set_up_port(struct kiln_monitor *monitor);

/* Runs a sequence on DTR and RTS; says what comes of it. */
void kiln_monitor_sequence(struct kiln_monitor *monitor, bool bootloader);

/* DTR and RTS that are wires, and no requests on USB: those also mean other things. */
bool kiln_monitor_has_reset_line(const struct kiln_monitor *monitor);

void kiln_monitor_toggle_line(struct kiln_monitor *monitor, unsigned line, const char *name);
void kiln_monitor_toggle_break(struct kiln_monitor *monitor);
void kiln_monitor_set_format(struct kiln_monitor *monitor, const struct kiln_uart_format *format);

/* "8N1", "7E1.5". Flow control is left as it is. False if it is none. */
bool kiln_monitor_read_format(const char *text, struct kiln_uart_format *format);
/* `text` has room for 8 bytes. */
const char *kiln_monitor_format_text(const struct kiln_uart_format *format, char *text);

/* Says how port and screen are set. */
void kiln_monitor_tell_settings(struct kiln_monitor *monitor);

/* ---- menu.c ---- */

/* The key behind the menu key. */
void kiln_monitor_take_menu_key(struct kiln_monitor *monitor, uint8_t key);

/* ---- keys.c ---- */

void kiln_monitor_take_input(struct kiln_monitor *monitor, const uint8_t *bytes, size_t len);
/* No more will be typed. */
void kiln_monitor_end_input(struct kiln_monitor *monitor);

char kiln_monitor_exit_key(const struct kiln_monitor *monitor);
char kiln_monitor_menu_key(const struct kiln_monitor *monitor);
/* "Ctrl-]"; `text` has room for 8 bytes. */
const char *kiln_monitor_key_name(char key, char *text);

/* Asks for a line, of which `answer` gets the text. */
void kiln_monitor_ask(struct kiln_monitor *monitor, const char *question,
                      void (*answer)(struct kiln_monitor *monitor, const char *text));

/* Sends what the prompt got: "41 42 0d" as bytes. */
void kiln_monitor_send_digits(struct kiln_monitor *monitor, const char *text);

/* The line that the session begins with. */
void kiln_monitor_greet(struct kiln_monitor *monitor);

#endif
