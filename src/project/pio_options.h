/* SPDX-License-Identifier: MIT */
/* The options PlatformIO knows, as rows (platformio-core 6.1, platformio/project/options.py). */
#ifndef KILN_PROJECT_PIO_OPTIONS_H
#define KILN_PROJECT_PIO_OPTIONS_H

#include <kiln/status.h>

enum kiln_pio_scope { KILN_PIO_OTHER, KILN_PIO_PLATFORMIO, KILN_PIO_ENV };

enum kiln_pio_type {
    KILN_PIO_TEXT,
    KILN_PIO_INT,
    KILN_PIO_BIT, /* an integer, 0 or 1 */
    KILN_PIO_BOOL,
    KILN_PIO_CHOICE,
    KILN_PIO_DIR, /* made absolute */
    KILN_PIO_FILE /* must exist */
};

struct kiln_pio_option {
    enum kiln_pio_scope scope;
    const char *name;
    enum kiln_pio_type type;
    bool multiple;
    const char *variable;      /* of the environment, or NULL */
    const char *old_names;     /* separated by ' ', or NULL */
    const char *choices;       /* separated by ' ', or NULL */
    const char *default_value; /* unexpanded; NULL: none */
};

const struct kiln_pio_option *kiln_pio_option_at(size_t index); /* NULL after the last */
/* By its name or an old one; NULL if PlatformIO does not know it. */
const struct kiln_pio_option *kiln_pio_option_find(enum kiln_pio_scope scope, const char *name);
/* Whether `word` is one of the words in `list` (which may be NULL). */
bool kiln_pio_word_in(const char *list, const char *word);

#endif
