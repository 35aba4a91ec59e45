/* SPDX-License-Identifier: MIT */
/*
 * The server's half of telnet with the COM port control option (RFC 854, 855, 856, 858, 2217), without
 * I/O: bytes in, data, answers and events out.
 */
#ifndef KILN_SIM_TELNET_SERVER_H
#define KILN_SIM_TELNET_SERVER_H

#include <kiln/status.h>

#define KILN_SIM_TELNET_SUB_MAX 64u

struct kiln_sim_telnet {
    enum {
        KILN_SIM_TELNET_DATA,
        KILN_SIM_TELNET_IAC,
        KILN_SIM_TELNET_VERB,
        KILN_SIM_TELNET_SUB,
        KILN_SIM_TELNET_SUB_IAC
    } state;
    uint8_t verb;
    uint8_t sub[KILN_SIM_TELNET_SUB_MAX];
    size_t sub_len;
    bool ours[256], theirs[256]; /* options in force, to answer only changes */
    uint32_t baud;               /* what the client last set */
    unsigned lines;              /* KILN_LINE_* */
};

/* What one byte of input meant. */
enum kiln_sim_telnet_event {
    KILN_SIM_TELNET_NOTHING,
    KILN_SIM_TELNET_BYTE,  /* *out_data is one byte for the serial port */
    KILN_SIM_TELNET_BAUD,  /* self->baud changed */
    KILN_SIM_TELNET_LINES, /* self->lines changed */
    KILN_SIM_TELNET_PURGE  /* the client wants what was received and not yet read dropped */
};

#define KILN_SIM_TELNET_ANSWER_MAX 24u

void kiln_sim_telnet_init(struct kiln_sim_telnet *self, uint32_t baud);

/* `answer` takes up to KILN_SIM_TELNET_ANSWER_MAX bytes to be sent to the client. */
enum kiln_sim_telnet_event kiln_sim_telnet_take(struct kiln_sim_telnet *self, uint8_t byte,
                                                uint8_t *out_data, uint8_t *answer,
                                                size_t *out_answer_len);

#endif
