/* SPDX-License-Identifier: MIT */
#include "sim/telnet_server.h"

#include "base/bytes.h"
#include "link/link.h"

#include <string.h>

#define IAC  255u
#define DONT 254u
#define DO   253u
#define WONT 252u
#define WILL 251u
#define SB   250u
#define SE   240u

#define OPTION_BINARY   0u
#define OPTION_SGA      3u
#define OPTION_COM_PORT 44u

/* RFC 2217, client to server; the server answers with the code plus 100. */
#define SIGNATURE     0u
#define SET_BAUDRATE  1u
#define SET_DATASIZE  2u
#define SET_PARITY    3u
#define SET_STOPSIZE  4u
#define SET_CONTROL   5u
#define PURGE_DATA    12u
#define TO_THE_CLIENT 100u

#define CONTROL_NO_FLOW   1u
#define CONTROL_BREAK_OFF 6u
#define CONTROL_DTR_ASK   7u
#define CONTROL_DTR_ON    8u
#define CONTROL_DTR_OFF   9u
#define CONTROL_RTS_ASK   10u
#define CONTROL_RTS_ON    11u
#define CONTROL_RTS_OFF   12u
#define CONTROL_IN_ASK    13u
#define CONTROL_IN_NONE   14u

static const uint8_t signature[] = "kiln sim";

void kiln_sim_telnet_init(struct kiln_sim_telnet *self, uint32_t baud)
{
    memset(self, 0, sizeof *self);
    self->baud = baud;
}

static bool supported(uint8_t option)
{
    return option == OPTION_BINARY || option == OPTION_SGA || option == OPTION_COM_PORT;
}

/* RFC 854: agree or refuse, and never answer what is in force already. */
static size_t negotiate(struct kiln_sim_telnet *self, uint8_t verb, uint8_t option, uint8_t *answer)
{
    bool about_us = verb == DO || verb == DONT;
    bool wanted = verb == DO || verb == WILL;
    bool *in_force = about_us ? &self->ours[option] : &self->theirs[option];
    bool agreed = wanted && supported(option);

    if (agreed == *in_force && agreed == wanted)
        return 0;
    *in_force = agreed;
    answer[0] = IAC;
    answer[1] = (uint8_t)(about_us ? (agreed ? WILL : WONT) : (agreed ? DO : DONT));
    answer[2] = option;
    return 3;
}

static size_t put(uint8_t *answer, size_t at, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        answer[at++] = bytes[i];
        if (bytes[i] == IAC)
            answer[at++] = IAC;
    }
    return at;
}

static size_t com_port_answer(uint8_t code, const uint8_t *value, size_t len, uint8_t *answer)
{
    static const uint8_t head[] = {IAC, SB, OPTION_COM_PORT}, tail[] = {IAC, SE};
    size_t at = sizeof head;

    memcpy(answer, head, sizeof head);
    answer[at++] = (uint8_t)(code + TO_THE_CLIENT);
    at = put(answer, at, value, len);
    memcpy(answer + at, tail, sizeof tail);
    return at + sizeof tail;
}

static uint8_t line_state(const struct kiln_sim_telnet *self, unsigned line, uint8_t on,
                          uint8_t off)
{
    return (self->lines & line) != 0 ? on : off;
}

/* SET-CONTROL: DTR and RTS; flow control and break stay off whatever is asked. */
static enum kiln_sim_telnet_event control(struct kiln_sim_telnet *self, uint8_t asked,
                                          uint8_t *value)
{
    unsigned before = self->lines;

    switch (asked) {
    case CONTROL_DTR_ON:
        self->lines |= KILN_LINE_DTR;
        break;
    case CONTROL_DTR_OFF:
        self->lines &= ~KILN_LINE_DTR;
        break;
    case CONTROL_RTS_ON:
        self->lines |= KILN_LINE_RTS;
        break;
    case CONTROL_RTS_OFF:
        self->lines &= ~KILN_LINE_RTS;
        break;
    default:
        break;
    }
    if (asked >= CONTROL_DTR_ASK && asked <= CONTROL_DTR_OFF)
        *value = line_state(self, KILN_LINE_DTR, CONTROL_DTR_ON, CONTROL_DTR_OFF);
    else if (asked >= CONTROL_RTS_ASK && asked <= CONTROL_RTS_OFF)
        *value = line_state(self, KILN_LINE_RTS, CONTROL_RTS_ON, CONTROL_RTS_OFF);
    else if (asked >= CONTROL_IN_ASK)
        *value = CONTROL_IN_NONE;
    else
        *value = asked < 4 ? CONTROL_NO_FLOW : CONTROL_BREAK_OFF;
    return self->lines != before ? KILN_SIM_TELNET_LINES : KILN_SIM_TELNET_NOTHING;
}

static enum kiln_sim_telnet_event set_baud(struct kiln_sim_telnet *self, const uint8_t *value,
                                           size_t len)
{
    uint32_t baud = len >= 4 ? kiln_be32(value) : 0;

    if (baud == 0 || baud == self->baud)
        return KILN_SIM_TELNET_NOTHING;
    self->baud = baud;
    return KILN_SIM_TELNET_BAUD;
}

static enum kiln_sim_telnet_event com_port(struct kiln_sim_telnet *self, uint8_t *answer,
                                           size_t *out_len)
{
    uint8_t code = self->sub_len > 1 ? self->sub[1] : 0xff, first = 0, value[4];
    const uint8_t *argument = self->sub + 2;
    size_t len = self->sub_len > 2 ? self->sub_len - 2 : 0;
    enum kiln_sim_telnet_event event = KILN_SIM_TELNET_NOTHING;

    if (len > 0)
        first = argument[0];
    switch (code) {
    case SIGNATURE:
        *out_len = com_port_answer(code, signature, sizeof signature - 1, answer);
        break;
    case SET_BAUDRATE:
        event = set_baud(self, argument, len);
        kiln_put_be32(value, self->baud);
        *out_len = com_port_answer(code, value, 4, answer);
        break;
    case SET_DATASIZE:
        *out_len = com_port_answer(code, (const uint8_t *)"\x08", 1, answer);
        break;
    case SET_PARITY:
    case SET_STOPSIZE:
        *out_len = com_port_answer(code, (const uint8_t *)"\x01", 1, answer);
        break;
    case SET_CONTROL:
        event = control(self, first, value);
        *out_len = com_port_answer(code, value, 1, answer);
        break;
    case PURGE_DATA:
        event = (first & 1) != 0 ? KILN_SIM_TELNET_PURGE : KILN_SIM_TELNET_NOTHING;
        *out_len = com_port_answer(code, &first, 1, answer);
        break;
    default:
        break; /* masks and flow control of the network: nothing to do, no answer defined */
    }
    return event;
}

static enum kiln_sim_telnet_event after_iac(struct kiln_sim_telnet *self, uint8_t byte,
                                            uint8_t *out_data)
{
    self->state = KILN_SIM_TELNET_DATA;
    if (byte == IAC) {
        *out_data = IAC;
        return KILN_SIM_TELNET_BYTE;
    }
    if (byte == SB) {
        self->sub_len = 0;
        self->state = KILN_SIM_TELNET_SUB;
    } else if (byte >= WILL) {
        self->verb = byte;
        self->state = KILN_SIM_TELNET_VERB;
    }
    return KILN_SIM_TELNET_NOTHING;
}

static void add_to_sub(struct kiln_sim_telnet *self, uint8_t byte)
{
    if (self->sub_len < sizeof self->sub)
        self->sub[self->sub_len++] = byte;
}

enum kiln_sim_telnet_event kiln_sim_telnet_take(struct kiln_sim_telnet *self, uint8_t byte,
                                                uint8_t *out_data, uint8_t *answer,
                                                size_t *out_answer_len)
{
    *out_answer_len = 0;
    switch (self->state) {
    case KILN_SIM_TELNET_DATA:
        if (byte == IAC) {
            self->state = KILN_SIM_TELNET_IAC;
            return KILN_SIM_TELNET_NOTHING;
        }
        *out_data = byte;
        return KILN_SIM_TELNET_BYTE;
    case KILN_SIM_TELNET_IAC:
        return after_iac(self, byte, out_data);
    case KILN_SIM_TELNET_VERB:
        self->state = KILN_SIM_TELNET_DATA;
        *out_answer_len = negotiate(self, self->verb, byte, answer);
        return KILN_SIM_TELNET_NOTHING;
    case KILN_SIM_TELNET_SUB:
        if (byte == IAC)
            self->state = KILN_SIM_TELNET_SUB_IAC;
        else
            add_to_sub(self, byte);
        return KILN_SIM_TELNET_NOTHING;
    case KILN_SIM_TELNET_SUB_IAC:
        if (byte == IAC) {
            add_to_sub(self, byte);
            self->state = KILN_SIM_TELNET_SUB;
            return KILN_SIM_TELNET_NOTHING;
        }
        self->state = KILN_SIM_TELNET_DATA;
        if (byte == SE && self->sub_len > 0 && self->sub[0] == OPTION_COM_PORT)
            return com_port(self, answer, out_answer_len);
        return KILN_SIM_TELNET_NOTHING;
    }
    return KILN_SIM_TELNET_NOTHING;
}
