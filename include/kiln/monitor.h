/* SPDX-License-Identifier: MIT */
/*
 * The serial monitor: shows what a board says and sends what is typed, comes back when the board does,
 * finds the rate, explains the boot ROM's messages and decodes crashes.
 *
 * A monitor belongs to one thread, which kiln_monitor_run() keeps until the end. Only kiln_monitor_stop()
 * may be called from elsewhere.
 */
#ifndef KILN_MONITOR_H
#define KILN_MONITOR_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the Enter key sends. */
enum kiln_monitor_eol { KILN_MONITOR_CRLF, KILN_MONITOR_CR, KILN_MONITOR_LF };

/* What ends a line of the board. AUTO: LF, and a CR before it is dropped. */
enum kiln_monitor_line_end { KILN_MONITOR_END_AUTO, KILN_MONITOR_END_LF, KILN_MONITOR_END_CR };

enum kiln_monitor_time { KILN_MONITOR_NO_TIME, KILN_MONITOR_CLOCK, KILN_MONITOR_DELTA };

/* What becomes of control characters and of what is no text, on its way to the screen. */
enum kiln_monitor_show {
    KILN_MONITOR_DIRECT,    /* everything as it came: for another program, or a trusted board */
    KILN_MONITOR_TEXT,      /* colours pass; other control characters and broken UTF-8 are \xNN */
    KILN_MONITOR_PICTURES,  /* control characters as one-character pictures; no sequence passes */
    KILN_MONITOR_NOCONTROL, /* ... also CR, LF, TAB, BS and the space */
    KILN_MONITOR_PRINTABLE, /* ... and what is not ASCII as its number in small digits */
    KILN_MONITOR_DEBUG      /* what comes and what goes, piece by piece, quoted as in C */
};

/* A line that is set when the port is opened. AUTO: released; asserted on USB ports without a UART behind
 * them, many of which say nothing until a terminal is there. */
enum kiln_monitor_level { KILN_MONITOR_AUTO, KILN_MONITOR_OFF, KILN_MONITOR_ON };

struct kiln_monitor_options {
    size_t size;                      /* sizeof(struct kiln_monitor_options) */
    const char *device;               /* a selector that names one device; see kiln/device.h */
    uint32_t baud;                    /* 0: 115200, and another one if that gives no text */
    bool find_rate;                   /* another rate may be tried if `baud` gives no text either */
    uint8_t data_bits;                /* 5 to 8; 0: 8 */
    char parity;                      /* 'N' 'E' 'O' 'M' 'S'; 0: 'N' */
    uint8_t stop_half_bits;           /* 2 to 4; 0: 2, one stop bit */
    bool rtscts, xonxoff;             /* flow control */
    enum kiln_monitor_level dtr, rts; /* both are set in one step */
    bool shared;                      /* no locks: beside other programs that have the port open */
    bool reset; /* restart the board once the port is open; else its lines are left in peace */
    bool reset_by_line; /* as `reset`, where a line of a UART does it; elsewhere nothing is done */
    enum kiln_monitor_eol send_eol;
    enum kiln_monitor_line_end line_end;
    enum kiln_monitor_time time;
    bool echo;  /* show what is typed */
    bool hex;   /* bytes in hexadecimal instead of text */
    bool color; /* escape sequences may be used */
    enum kiln_monitor_show show;
    const char *encoding;   /* of the board's text, as iconv(1) names it; NULL: UTF-8 */
    bool json;              /* one object a line */
    const char *filter;     /* POSIX extended regular expression: only lines that match; or NULL */
    char level;             /* 'E' 'W' 'I' 'D' 'V': hide log lines below it; 0: none */
    const char *log;        /* file that everything shown is appended to, or NULL */
    const char *send;       /* file to send at once, or NULL */
    const char *const *elf; /* files with the symbols of what runs on the board */
    size_t elf_count;
    const char *reset_sequence; /* instead of the usual ways into the bootloader, or NULL */
    uint32_t duration_ms;       /* end after so long; 0: never */
    int output; /* descriptor that what is shown goes to: the monitor ends when its reader left; -1: none */
    int input;               /* descriptor that typed bytes come from, -1: none */
    bool keys;               /* the input is a keyboard: Ctrl-] and Ctrl-T are for the monitor */
    char exit_key, menu_key; /* instead of these two; 0: these */
    bool send_hex;           /* what is typed are hexadecimal digits of bytes */
    bool by_line;            /* what is typed is sent when Enter ends the line */
};

#define KILN_MONITOR_OPTIONS_INIT                                              \
    {                                                                          \
        .size = sizeof(struct kiln_monitor_options), .output = -1, .input = -1 \
    }

/* Who sees what. The calls come from inside kiln_monitor_run(). */
struct kiln_monitor_sink {
    /* Shows bytes of the board, with what the filters made of them. False: nobody looks any more, the
     * monitor ends. */
    bool (*show)(void *user, const uint8_t *bytes, size_t len);
    /* One line of the monitor's own, without newline. */
    void (*notice)(void *user, const char *text);
    /* The flash key: the port is free now and is taken again on return. NULL: there is no such key. */
    void (*flash)(void *user, const char *port);
    void *user;
    /* How many columns the screen has now; NULL or 0: lines may be of any length. */
    unsigned (*columns)(void *user);
};

struct kiln_monitor;

/* Opens the port, the log and the ELF files. The strings of the options are copied or no longer needed
 * after that; the sink is copied. NO_DEVICE, AMBIGUOUS, DENIED, BUSY, ARG (expression, sequence), FILE
 * (ELF), IO, NOMEM. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_monitor_open(const struct kiln_monitor_options *options, const struct kiln_monitor_sink *sink,
                  struct kiln_monitor **out_monitor, struct kiln_error *out_error);

/* Until the exit key, the end of the duration or a sink that does not look any more (OK), kiln_monitor_stop()
 * (CANCELLED), or an error that cannot be waited out. A board that leaves is waited for. */
KILN_API KILN_MUST_USE enum kiln_status kiln_monitor_run(struct kiln_monitor *monitor,
                                                         struct kiln_error *out_error);

/* The rate at which what came was text last, 0 if nothing told. */
KILN_API uint32_t kiln_monitor_rate(const struct kiln_monitor *monitor);

/* Ends kiln_monitor_run() soon. Async-signal-safe; from any thread. */
KILN_API void kiln_monitor_stop(struct kiln_monitor *monitor);

/* NULL is fine. The port's lines are left as they are. */
KILN_API void kiln_monitor_free(struct kiln_monitor *monitor);

#ifdef __cplusplus
}
#endif
#endif
