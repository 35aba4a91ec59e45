/* SPDX-License-Identifier: MIT */
/* Bytes from a chip: SLIP, replies, their payloads, and the boot log. */
#include "base/bytes.h"
#include "wire/esp.h"
#include "wire/slip.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const uint8_t *frame, size_t len)
{
    struct kiln_esp_reply reply;
    struct kiln_esp_security security;
    uint8_t md5[16];
    unsigned error;

    if (!kiln_esp_parse_reply(frame, len, &reply))
        return;
    for (size_t expect = 0; expect <= 64; expect += 16) {
        if (kiln_esp_judge(&reply, expect, &error) == KILN_ESP_VERDICT_OK &&
            reply.body_len < expect + 2)
            abort();
        (void)kiln_esp_error_text(error);
    }
    (void)kiln_esp_parse_security(&reply, &security, &error);
    (void)kiln_esp_parse_md5(&reply, md5, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t frame[300];
    uint8_t again[KILN_SLIP_ROOM(sizeof frame)];
    struct kiln_slip_decoder decoder;
    struct kiln_esp_boot_log log;

    kiln_esp_scan_boot_log(data, size, &log);
    kiln_slip_decoder_init(&decoder, frame, sizeof frame);
    for (size_t at = 0; at < size;) {
        size_t used = 0;

        if (kiln_slip_push(&decoder, data + at, size - at, &used)) {
            uint8_t copy[sizeof frame];
            struct kiln_slip_decoder second;
            size_t len = kiln_slip_encode(decoder.frame, decoder.len, NULL, 0, again);

            use(decoder.frame, decoder.len);
            kiln_slip_decoder_init(&second, copy, sizeof copy);
            if (!kiln_slip_push(&second, again, len, &len) || second.len != decoder.len ||
                memcmp(copy, frame, second.len) != 0)
                abort();
        }
        if (used == 0)
            abort();
        at += used;
    }
    return 0;
}
