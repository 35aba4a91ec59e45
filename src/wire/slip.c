/* SPDX-License-Identifier: MIT */
#include "wire/slip.h"

static size_t escape(const uint8_t *bytes, size_t len, uint8_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == KILN_SLIP_END) {
            out[n++] = KILN_SLIP_ESC;
            out[n++] = KILN_SLIP_ESC_END;
        } else if (bytes[i] == KILN_SLIP_ESC) {
            out[n++] = KILN_SLIP_ESC;
            out[n++] = KILN_SLIP_ESC_ESC;
        } else {
            out[n++] = bytes[i];
        }
    }
    return n;
}

size_t kiln_slip_encode(const uint8_t *head, size_t head_len, const uint8_t *body, size_t body_len,
                        uint8_t *out)
{
    size_t n = 0;

    out[n++] = KILN_SLIP_END;
    n += escape(head, head_len, out + n);
    n += escape(body, body_len, out + n);
    out[n++] = KILN_SLIP_END;
    return n;
}

void kiln_slip_decoder_init(struct kiln_slip_decoder *decoder, uint8_t *frame, size_t cap)
{
    decoder->frame = frame;
    decoder->cap = cap;
    kiln_slip_decoder_reset(decoder);
}

void kiln_slip_decoder_reset(struct kiln_slip_decoder *decoder)
{
    decoder->len = 0;
    decoder->escaped = false;
    decoder->broken = false;
    decoder->complete = false;
}

static void take(struct kiln_slip_decoder *decoder, uint8_t byte)
{
    if (decoder->escaped) {
        decoder->escaped = false;
        if (byte == KILN_SLIP_ESC_END)
            byte = KILN_SLIP_END;
        else if (byte == KILN_SLIP_ESC_ESC)
            byte = KILN_SLIP_ESC;
        else
            decoder->broken = true;
    } else if (byte == KILN_SLIP_ESC) {
        decoder->escaped = true;
        return;
    }
    if (decoder->len == decoder->cap)
        decoder->broken = true;
    else
        decoder->frame[decoder->len++] = byte;
}

bool kiln_slip_push(struct kiln_slip_decoder *decoder, const uint8_t *bytes, size_t len,
                    size_t *out_used)
{
    if (decoder->complete)
        kiln_slip_decoder_reset(decoder);
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != KILN_SLIP_END) {
            take(decoder, bytes[i]);
            continue;
        }
        if (decoder->len > 0 && !decoder->broken && !decoder->escaped) {
            decoder->complete = true;
            *out_used = i + 1;
            return true;
        }
        kiln_slip_decoder_reset(decoder);
    }
    *out_used = len;
    return false;
}
