/* SPDX-License-Identifier: MIT */
/* Notes that several rows share, one row a note. */
#ifndef KILN_CHIP_NOTES_H
#define KILN_CHIP_NOTES_H

#include "chip/chip.h"

struct kiln_shared_note {
    const char *chips; /* names, ' ' between; '*' at the end of one stands for any rest */
    const char *name, *value, *source;
};

/* Note number `index` of a chip, its own first; false after the last. */
bool kiln_chip_note_at(const struct kiln_chip *chip, size_t index, struct kiln_chip_note *out_note);

/* All shared rows; NULL after the last. */
const struct kiln_shared_note *kiln_shared_note_row(size_t index);

/* Whether a note's list of chips has this one. */
bool kiln_shared_note_is_of(const struct kiln_shared_note *note, const char *chip);

#endif
