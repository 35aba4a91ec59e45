/* SPDX-License-Identifier: MIT */
/*
 * SLIP framing (RFC 1055): frames between END bytes, END and ESC inside a frame escaped.
 *
 * The decoder takes an END as the end of one frame and the start of the next alike, so that a lost END
 * costs one frame and never turns "inside" and "outside" round. Text between frames comes out as a frame
 * that its reader does not recognise.
 */
#ifndef KILN_WIRE_SLIP_H
#define KILN_WIRE_SLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KILN_SLIP_END     0xc0u
#define KILN_SLIP_ESC     0xdbu
#define KILN_SLIP_ESC_END 0xdcu
#define KILN_SLIP_ESC_ESC 0xddu

/* Room that kiln_slip_encode() needs in the worst case for `len` bytes. */
#define KILN_SLIP_ROOM(len) (2 * (size_t)(len) + 2)

/*
 * Encodes the frame head‖body into `out`, which has KILN_SLIP_ROOM(head_len + body_len). Two parts, so
 * that a header can be put in front of a payload without a copy. Returns the encoded length.
 */
size_t kiln_slip_encode(const uint8_t *head, size_t head_len, const uint8_t *body, size_t body_len,
                        uint8_t *out);

struct kiln_slip_decoder {
    uint8_t *frame; /* borrowed, `cap` bytes */
    size_t cap;
    size_t len;
    bool escaped;
    bool broken;   /* the frame under way is too long or has a bad escape */
    bool complete; /* frame[0..len) is a whole frame; the next push starts over */
};

void kiln_slip_decoder_init(struct kiln_slip_decoder *decoder, uint8_t *frame, size_t cap);

/* Forgets the frame under way. */
void kiln_slip_decoder_reset(struct kiln_slip_decoder *decoder);

/*
 * Takes bytes until a frame is complete or they are used up; *out_used says how many. True: the frame is
 * in decoder->frame, len > 0, until the next call. Broken and empty frames are dropped.
 */
bool kiln_slip_push(struct kiln_slip_decoder *decoder, const uint8_t *bytes, size_t len,
                    size_t *out_used);

#endif
