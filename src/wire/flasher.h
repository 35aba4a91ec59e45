/* SPDX-License-Identifier: MIT */
/* Requests and replies of Kiln's own flasher (docs/flasher.md). Layouts only, no I/O. */
#ifndef KILN_WIRE_FLASHER_H
#define KILN_WIRE_FLASHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kiln_flasher_op {
    KILN_FLASHER_WRITE = 0xe0,
    KILN_FLASHER_DATA = 0xe1,
    KILN_FLASHER_DONE = 0xe2, /* never asked for: the end of a write */
    KILN_FLASHER_HASH = 0xe3,
    KILN_FLASHER_ERASE = 0xe4,
    KILN_FLASHER_READ = 0xe5,
    KILN_FLASHER_RESET = 0xe6
};

#define KILN_FLASHER_MAGIC   0x4e4c494bu /* value of the reply to SYNC */
#define KILN_FLASHER_VERSION 1u

#define KILN_FLASHER_HEAD  8u
#define KILN_FLASHER_CRC   4u
#define KILN_FLASHER_WORDS 6u /* of a request about a range */

/* First status byte of a reply. */
#define KILN_FLASHER_OK      0u
#define KILN_FLASHER_GAP     1u
#define KILN_FLASHER_COMMAND 2u
#define KILN_FLASHER_RANGE   3u
#define KILN_FLASHER_STREAM  4u

/* Ends the `len` bytes of a request with their CRC; returns the new length. `bytes` has room. */
size_t kiln_flasher_seal(uint8_t *bytes, size_t len);

/* A request about a range of the flash. `out` has KILN_FLASHER_RANGE_LEN bytes; the CRC is not in it. */
struct kiln_flasher_range {
    uint32_t address, len, flash_size;
    uint32_t more[3]; /* WRITE: opcode that erases 32 KB, bytes that come out, bytes of the stream;
                         HASH: unit, bytes of each hash, bytes of all */
};
#define KILN_FLASHER_RANGE_LEN (KILN_FLASHER_HEAD + 4u * KILN_FLASHER_WORDS)
void kiln_flasher_put_range(uint8_t *out, uint8_t op, const struct kiln_flasher_range *range);

struct kiln_flasher_reply {
    uint8_t op;
    uint8_t status;
    uint32_t value;
    const uint8_t *body; /* in the frame, without the status */
    size_t body_len;
};

/* False if it is no reply, or damaged. */
bool kiln_flasher_parse(const uint8_t *frame, size_t len, struct kiln_flasher_reply *out);

/* What the flasher says of itself. */
struct kiln_flasher_hello {
    uint32_t version;
    uint32_t code_crc; /* of the code as it lies in RAM */
    uint32_t window;   /* bytes of a stream that may be under way */
    uint32_t frame;    /* bytes in one DATA at most */
};
bool kiln_flasher_parse_hello(const struct kiln_flasher_reply *reply,
                              struct kiln_flasher_hello *out);

/* How far a write is. */
struct kiln_flasher_progress {
    uint32_t used; /* of the stream; what makes room in the window */
    uint32_t got;
    uint32_t erased, programmed, hashed; /* of the range */
};
bool kiln_flasher_parse_progress(const struct kiln_flasher_reply *reply,
                                 struct kiln_flasher_progress *out);

/* The status in words. */
const char *kiln_flasher_status_text(unsigned status);

#endif
