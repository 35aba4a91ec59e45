/* SPDX-License-Identifier: MIT */
/* The telnet decoder: payload and events must not depend on how the input is cut into pieces. */
#include "wire/telnet.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    uint64_t payload, bytes, options, subs;
};

static void feed(struct kiln_telnet *decoder, const uint8_t *from, const uint8_t *end,
                 struct sum *sum)
{
    struct kiln_telnet_event event;

    while (kiln_telnet_next(decoder, &from, end, &event)) {
        for (size_t i = 0; event.kind != KILN_TELNET_OPTION && i < event.len; i++) {
            uint64_t *into = event.kind == KILN_TELNET_DATA ? &sum->payload : &sum->subs;

            *into = *into * 31 + event.bytes[i];
        }
        if (event.kind == KILN_TELNET_DATA)
            sum->bytes += event.len;
        else
            sum->options = sum->options * 31 + event.option + event.verb * 256u;
    }
    if (from != end)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_telnet whole, pieces;
    struct sum at_once = {0}, cut = {0};

    kiln_telnet_init(&whole);
    feed(&whole, data, data + size, &at_once);
    kiln_telnet_init(&pieces);
    for (size_t i = 0; i < size; i++)
        feed(&pieces, data + i, data + i + 1, &cut);
    if (at_once.payload != cut.payload || at_once.bytes != cut.bytes || at_once.bytes > size ||
        at_once.subs != cut.subs)
        abort();
    return 0;
}
