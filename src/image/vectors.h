/* SPDX-License-Identifier: MIT */
/*
 * Cortex-M vector tables: is there one, and where was the image linked to run that starts with it?
 *
 * The first words of a table (initial stack pointer, reset, NMI, HardFault) are absolute. Every address in
 * the image that points to the start of a function or of a text counts for the base at which it does; the
 * base with the most such hits beyond chance wins. Known bootloader offsets and round numbers break ties.
 */
#ifndef KILN_IMAGE_VECTORS_H
#define KILN_IMAGE_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kiln_vectors {
    uint32_t sp, reset;
    uint32_t lowest, highest; /* handler addresses, without the Thumb bit */
    size_t words;             /* length of the table as far as it looks like one */
};

/* Does a table stand at bytes[0]? `span`: size of the image or flash it is in, which bounds how far its
 * handlers lie apart; `len` bytes of that are there to look at. */
bool kiln_vectors_fit(const uint8_t *bytes, size_t len, uint64_t span,
                      struct kiln_vectors *out_vectors);

/* Number `index` of the offsets from the flash's start that bootloaders leave their applications, in ascending order; false
 * after the last. */
bool kiln_vectors_offset(size_t index, uint32_t *out_offset);

struct kiln_link_base {
    uint64_t base;
    unsigned confidence; /* 0..100 */
    size_t candidates;   /* bases that the bounds allow */
    double margin;       /* log-likelihood over the second best, for tests */
    bool usual;          /* the start of a flash, or an offset that some bootloader leaves free */
};

/* False if no base fits. */
bool kiln_vectors_infer(const uint8_t *bytes, size_t len, const struct kiln_vectors *vectors,
                        struct kiln_link_base *out_base);

#endif
