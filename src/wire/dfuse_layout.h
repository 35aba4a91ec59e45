/* SPDX-License-Identifier: MIT */
/*
 * The memory layout string of a DfuSe alternate setting (its iInterface string; ST UM0424):
 *
 *   "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg"
 *
 * A name, then groups of an address and segments COUNT*SIZE MULTIPLIER TYPE that follow each other
 * without gaps. Devices get this wrong in many ways, so the parser takes what makes sense up to the
 * first thing that does not, and tells which liberties it took. What stands behind rubbish is never
 * believed: the sizes before it are not known.
 */
#ifndef KILN_WIRE_DFUSE_LAYOUT_H
#define KILN_WIRE_DFUSE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KILN_DFUSE_MAY_READ  1u
#define KILN_DFUSE_MAY_ERASE 2u
#define KILN_DFUSE_MAY_WRITE 4u

#define KILN_DFUSE_SEGMENT_MAX 32
#define KILN_DFUSE_NAME_MAX    40

struct kiln_dfuse_segment {
    uint64_t start;
    uint64_t count; /* pages, > 0 */
    uint32_t page;  /* bytes, > 0 */
    uint8_t access; /* KILN_DFUSE_* */
    bool no_type;   /* the string gave no type; access is a guess: readable only */
};

/* Liberties taken. */
#define KILN_LAYOUT_NO_MULTIPLIER    1u  /* "1536*128g": taken as bytes */
#define KILN_LAYOUT_SMALL_MULTIPLIER 2u  /* "k", "m": taken as K, M */
#define KILN_LAYOUT_NO_TYPE          4u  /* see no_type */
#define KILN_LAYOUT_CUT              8u  /* rubbish from `understood` on */
#define KILN_LAYOUT_TOO_MANY         16u /* more segments than KILN_DFUSE_SEGMENT_MAX */
#define KILN_LAYOUT_NO_AT            32u /* the '@' in front is missing */
#define KILN_LAYOUT_EMPTY_SEGMENT    64u /* a segment of no pages was passed over */

struct kiln_dfuse_layout {
    char name[KILN_DFUSE_NAME_MAX]; /* printable, without trailing spaces */
    struct kiln_dfuse_segment segment[KILN_DFUSE_SEGMENT_MAX];
    size_t count;
    unsigned liberties; /* KILN_LAYOUT_* */
    size_t understood;  /* characters of the text that made sense */
};

/* False if the text holds not one segment. `len` bytes are looked at, or up to a NUL. */
bool kiln_dfuse_layout_parse(const char *text, size_t len, struct kiln_dfuse_layout *out);

#endif
