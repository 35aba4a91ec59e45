/* SPDX-License-Identifier: MIT */
#include "wire/telnet.h"

#include <string.h>

enum state { PLAIN, AFTER_IAC, AFTER_VERB, AFTER_SB, IN_SUB, IAC_IN_SUB };

void kiln_telnet_init(struct kiln_telnet *self)
{
    memset(self, 0, sizeof *self);
}

static void keep(struct kiln_telnet *self, uint8_t byte)
{
    if (self->sub_len < sizeof self->sub)
        self->sub[self->sub_len++] = byte;
    else
        self->too_long = true;
}

static void start_sub(struct kiln_telnet *self)
{
    self->state = AFTER_SB;
    self->sub_len = 0;
    self->too_long = false;
}

/* The byte after IAC in plain text. True if it is payload itself. */
static bool command(struct kiln_telnet *self, uint8_t byte)
{
    self->state = PLAIN;
    if (byte == KILN_TELNET_SB) {
        start_sub(self);
    } else if (byte >= KILN_TELNET_WILL && byte <= KILN_TELNET_DONT) {
        self->verb = byte;
        self->state = AFTER_VERB;
    }
    return byte == KILN_TELNET_IAC;
}

/* One byte outside plain text. True if it completed an event. */
static bool take(struct kiln_telnet *self, const uint8_t *byte, struct kiln_telnet_event *event)
{
    switch ((enum state)self->state) {
    case AFTER_IAC:
        if (!command(self, *byte))
            return false;
        *event = (struct kiln_telnet_event){KILN_TELNET_DATA, .bytes = byte, .len = 1};
        return true;
    case AFTER_VERB:
        self->state = PLAIN;
        *event =
            (struct kiln_telnet_event){KILN_TELNET_OPTION, .verb = self->verb, .option = *byte};
        return true;
    case AFTER_SB:
        self->verb = *byte; /* the option; there is no verb in a subnegotiation */
        self->state = IN_SUB;
        return false;
    case IN_SUB:
        if (*byte == KILN_TELNET_IAC)
            self->state = IAC_IN_SUB;
        else
            keep(self, *byte);
        return false;
    case IAC_IN_SUB:
        self->state = IN_SUB;
        if (*byte == KILN_TELNET_IAC) {
            keep(self, *byte);
            return false;
        }
        if (*byte != KILN_TELNET_SE) { /* the end got lost and another command began */
            (void)command(self, *byte);
            return false;
        }
        self->state = PLAIN;
        *event = (struct kiln_telnet_event){KILN_TELNET_SUB, .option = self->verb,
                                            .bytes = self->sub, .len = self->sub_len};
        return !self->too_long;
    case PLAIN:
        break;
    }
    return false;
}

bool kiln_telnet_next(struct kiln_telnet *self, const uint8_t **at, const uint8_t *end,
                      struct kiln_telnet_event *out_event)
{
    while (*at < end) {
        const uint8_t *from = *at, *iac;

        if (self->state != PLAIN) {
            ++*at;
            if (take(self, from, out_event))
                return true;
            continue;
        }
        iac = memchr(from, KILN_TELNET_IAC, (size_t)(end - from));
        if (iac == from) {
            self->state = AFTER_IAC;
            ++*at;
            continue;
        }
        *at = iac == NULL ? end : iac;
        *out_event = (struct kiln_telnet_event){KILN_TELNET_DATA, .bytes = from,
                                                .len = (size_t)(*at - from)};
        return true;
    }
    return false;
}

size_t kiln_telnet_escape(const uint8_t *bytes, size_t len, uint8_t *out)
{
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        out[used++] = bytes[i];
        if (bytes[i] == KILN_TELNET_IAC)
            out[used++] = KILN_TELNET_IAC;
    }
    return used;
}

size_t kiln_telnet_com_port(uint8_t command_byte, const uint8_t *payload, size_t len, uint8_t *out)
{
    size_t used = 0;

    out[used++] = KILN_TELNET_IAC;
    out[used++] = KILN_TELNET_SB;
    out[used++] = KILN_TELNET_COM_PORT;
    out[used++] = command_byte;
    used += kiln_telnet_escape(payload, len, out + used);
    out[used++] = KILN_TELNET_IAC;
    out[used++] = KILN_TELNET_SE;
    return used;
}
