/* SPDX-License-Identifier: MIT */
/* What a person at the bench asks about a chip and no code reads: pins, boot modes, boards. Rows, each with its
 * source; what was not found in one is not there. */
#ifndef KILN_CHIP_NOTES_H
#define KILN_CHIP_NOTES_H

#include <stdbool.h>
#include <stddef.h>

struct kiln_chip_note {
    const char *chips; /* names, ' ' between; '*' at the end of one stands for any rest */
    const char *name;  /* "UART0" */
    const char *value; /* up to 159 bytes */
    const char *source;
};

/* Note number `index` of a chip; NULL after the last. */
const struct kiln_chip_note *kiln_chip_note_at(const char *chip, size_t index);

/* All rows; NULL after the last. */
const struct kiln_chip_note *kiln_chip_note_row(size_t index);

/* Whether a note's list of chips has this one. */
bool kiln_chip_note_is_of(const struct kiln_chip_note *note, const char *chip);

#endif
