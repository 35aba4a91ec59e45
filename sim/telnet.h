/* SPDX-License-Identifier: MIT */
/*
 * The server's half of telnet with the COM port control option (RFC 854, 855, 856, 858, 2217), without
 * I/O: bytes in, data, answers and events out.
 */
#ifndef KILN_SIM_TELNET_H
#define KILN_SIM_TELNET_H

#include <kiln/status.h>

#define KILN_TELNET_SUB_MAX 64u

struct kiln_telnet {
    enum {
        KILN_TELNET_DATA,
        KILN_TELNET_IAC,
        KILN_TELNET_VERB,
        KILN_TELNET_SUB,
        KILN_TELNET_SUB_IAC
    } state;
    uint8_t verb;
    uint8_t sub[KILN_TELNET_SUB_MAX];
    size_t sub_len;
    bool ours[256], theirs[256]; /* options in force, to answer only changes */
    uint32_t baud;               /* what the client last set */
    unsigned lines;              /* KILN_LINE_* */
};

/* What one byte of input meant. */
enum kiln_telnet_event {
    KILN_TELNET_NOTHING,
    KILN_TELNET_BYTE,  /* *out_data is one byte for the serial port */
    KILN_TELNET_BAUD,  /* self->baud changed */
    KILN_TELNET_LINES, /* self->lines changed */
    KILN_TELNET_PURGE  /* the client wants what was received and not yet read dropped */
};

#define KILN_TELNET_ANSWER_MAX 24u

void kiln_telnet_init(struct kiln_telnet *self, uint32_t baud);

/* `answer` takes up to KILN_TELNET_ANSWER_MAX bytes to be sent to the client. */
enum kiln_telnet_event kiln_telnet_take(struct kiln_telnet *self, uint8_t byte, uint8_t *out_data,
                                        uint8_t *answer, size_t *out_answer_len);

#endif
