/* SPDX-License-Identifier: MIT */
#include "chip/esp_reset.h"

#include <string.h>

#define D KILN_RESET_DTR
#define R KILN_RESET_RTS

#define CLASSIC(delay)                                    \
    5,                                                    \
    {                                                     \
        {D, 0, 0}, {R, R, 100}, {D, D, 0}, {R, 0, delay}, \
        {                                                 \
            D, 0, 0                                       \
        }                                                 \
    }

#define TIGHT(delay)                                                                         \
    6,                                                                                       \
    {                                                                                        \
        {D | R, 0, 0}, {D | R, D | R, 0}, {D | R, R, 100}, {D | R, D, delay}, {D | R, 0, 0}, \
        {                                                                                    \
            D, 0, 0                                                                          \
        }                                                                                    \
    }

const struct kiln_reset_sequence kiln_reset_classic = {"classic", false, CLASSIC(50)};
const struct kiln_reset_sequence kiln_reset_classic_slow = {"classic, slow", false, CLASSIC(550)};
const struct kiln_reset_sequence kiln_reset_tight = {"both lines at once", true, TIGHT(50)};
const struct kiln_reset_sequence kiln_reset_tight_slow = {"both lines at once, slow", true,
                                                          TIGHT(550)};

/* The controller behind this port latches the lines one by one; the way from download request to reset
 * must lead through (1,1) and not through (0,0), which would start the application. */
const struct kiln_reset_sequence kiln_reset_usb_jtag = {"USB-JTAG-Serial",
                                                        false,
                                                        8,
                                                        {{R, 0, 0},
                                                         {D, 0, 100},
                                                         {D, D, 0},
                                                         {R, 0, 100},
                                                         {R, R, 0},
                                                         {D, 0, 0},
                                                         {R, R, 100},
                                                         {D | R, 0, 0}}};

const struct kiln_reset_sequence kiln_reset_run = {
    "hard reset", false, 3, {{D, 0, 0}, {R, R, 100}, {R, 0, 0}}};
const struct kiln_reset_sequence kiln_reset_run_usb = {
    "hard reset over USB", false, 3, {{D, 0, 0}, {R, R, 200}, {R, 0, 200}}};

static bool level(char c, uint8_t line, uint8_t *levels)
{
    if (c != '0' && c != '1')
        return false;
    if (c == '1')
        *levels |= line;
    return true;
}

/* Seconds with a decimal point as milliseconds; returns the characters used, 0 if there is no number. */
static size_t parse_wait(const char *text, uint16_t *out_ms)
{
    uint32_t ms = 0;
    uint32_t scale = 1000;
    bool point = false;
    size_t digits = 0;
    size_t i = 0;

    for (;; i++) {
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9')
            break;
        digits++;
        if (point) {
            scale /= 10;
            ms += (uint32_t)(text[i] - '0') * scale;
        } else {
            ms = ms * 10 + (uint32_t)(text[i] - '0') * 1000;
        }
        if (ms > 60000)
            return 0;
    }
    *out_ms = (uint16_t)ms;
    return digits > 0 ? i : 0;
}

/* One word; returns the characters used, 0 if it is wrong. */
static size_t parse_word(const char *text, struct kiln_reset_step *step)
{
    memset(step, 0, sizeof *step);
    switch (text[0]) {
    case 'D':
        step->mask = D;
        return level(text[1], D, &step->levels) ? 2 : 0;
    case 'R':
        step->mask = R;
        return level(text[1], R, &step->levels) ? 2 : 0;
    case 'U':
        step->mask = D | R;
        return level(text[1], D, &step->levels) && text[2] == ',' &&
                       level(text[3], R, &step->levels)
                   ? 4
                   : 0;
    case 'W': {
        size_t used = parse_wait(text + 1, &step->wait_ms);

        return used > 0 ? used + 1 : 0;
    }
    default:
        return 0;
    }
}

bool kiln_reset_parse(const char *text, struct kiln_reset_sequence *out_sequence, size_t *out_bad)
{
    size_t at = 0;

    memset(out_sequence, 0, sizeof *out_sequence);
    out_sequence->name = "custom";
    for (;;) {
        size_t used = 0;

        *out_bad = at;
        if (out_sequence->count < KILN_RESET_STEPS_MAX)
            used = parse_word(text + at, &out_sequence->step[out_sequence->count]);
        if (used == 0)
            return false;
        out_sequence->count++;
        at += used;
        if (text[at] == '\0')
            return true;
        *out_bad = at;
        if (text[at++] != '|')
            return false;
    }
}
