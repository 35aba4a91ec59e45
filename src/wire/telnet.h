/* SPDX-License-Identifier: MIT */
/*
 * The telnet protocol (RFC 854, 855) with the COM-PORT option (RFC 2217), as far as a client needs it.
 * A decoder that never fails: what makes no sense is skipped.
 */
#ifndef KILN_WIRE_TELNET_H
#define KILN_WIRE_TELNET_H

#include <kiln/status.h>

#define KILN_TELNET_SE   240
#define KILN_TELNET_SB   250
#define KILN_TELNET_WILL 251
#define KILN_TELNET_WONT 252
#define KILN_TELNET_DO   253
#define KILN_TELNET_DONT 254
#define KILN_TELNET_IAC  255

#define KILN_TELNET_BINARY   0
#define KILN_TELNET_SGA      3 /* suppress go-ahead */
#define KILN_TELNET_COM_PORT 44

/* Commands of the COM-PORT option, client to server; the server's answer is the number + 100. */
#define KILN_COM_BAUD           1
#define KILN_COM_DATASIZE       2
#define KILN_COM_PARITY         3
#define KILN_COM_STOPSIZE       4
#define KILN_COM_CONTROL        5
#define KILN_COM_LINESTATE_MASK 10
#define KILN_COM_MODEM_MASK     11
#define KILN_COM_PURGE          12
#define KILN_COM_ANSWER         100

#define KILN_COM_FLOW_NONE 1
#define KILN_COM_FLOW_XON  2
#define KILN_COM_FLOW_HARD 3
#define KILN_COM_BREAK_ON  5
#define KILN_COM_BREAK_OFF 6
#define KILN_COM_DTR_ON    8
#define KILN_COM_DTR_OFF   9
#define KILN_COM_RTS_ON    11
#define KILN_COM_RTS_OFF   12
#define KILN_COM_PURGE_RX  1

#define KILN_TELNET_SUB_MAX 64 /* a longer subnegotiation is skipped: none of ours is */

enum kiln_telnet_kind {
    KILN_TELNET_DATA,   /* bytes, len: a run of payload within the input */
    KILN_TELNET_OPTION, /* verb (WILL, WONT, DO, DONT), option */
    KILN_TELNET_SUB     /* option; bytes, len: what followed it, within the decoder */
};

struct kiln_telnet_event {
    enum kiln_telnet_kind kind;
    uint8_t verb, option;
    const uint8_t *bytes;
    size_t len;
};

struct kiln_telnet {
    uint8_t state;
    uint8_t verb;
    bool too_long;
    uint8_t sub[KILN_TELNET_SUB_MAX];
    size_t sub_len;
};

void kiln_telnet_init(struct kiln_telnet *self);

/* Takes bytes from *at, at least one unless *at == end, up to the end of one event. False if `end` was
 * reached before an event was complete; the rest of it may come with the next input. */
bool kiln_telnet_next(struct kiln_telnet *self, const uint8_t **at, const uint8_t *end,
                      struct kiln_telnet_event *out_event);

/* Doubles every IAC. `out` has room for 2 * len bytes. Returns how many were written. */
size_t kiln_telnet_escape(const uint8_t *bytes, size_t len, uint8_t *out);

/* A COM-PORT command, payload escaped. `out` has room for 2 * len + 6 bytes. */
size_t kiln_telnet_com_port(uint8_t command, const uint8_t *payload, size_t len, uint8_t *out);

#endif
