/* SPDX-License-Identifier: MIT */
/* Which rate turns what comes in into text. No I/O: the caller sets the rate and says what came. */
#ifndef KILN_MONITOR_RATE_H
#define KILN_MONITOR_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KILN_RATE_SAMPLE_MAX 256u

struct kiln_rate {
    uint32_t home;    /* the rate that was set when the text was lost */
    uint32_t current; /* the rate on the wire */
    bool allowed;     /* other rates may be tried */
    bool searching;
    bool confirmed; /* text was seen at the current rate */
    bool told;      /* that this is no text */
    size_t candidate, round;
    uint32_t unheard; /* one bit a candidate that no byte has come at */
    unsigned best;
    uint32_t best_baud;
    uint64_t first_ns, heard_ns; /* when the first and the last byte of the sample came */
    uint64_t quiet_until_ns;     /* no new search before */
    uint8_t sample[KILN_RATE_SAMPLE_MAX];
    size_t sample_len, skip;
};

enum kiln_rate_verdict {
    KILN_RATE_KEEP,
    KILN_RATE_TRY,     /* set rate->current, drop what is in the buffers */
    KILN_RATE_FOUND,   /* the rate on the wire is right; the sample is text */
    KILN_RATE_GAVE_UP, /* none is; set rate->current, which is the first one again */
    KILN_RATE_GARBAGE  /* not allowed to try others, but this is no text; said once */
};

void kiln_rate_init(struct kiln_rate *rate, uint32_t baud, bool allowed);

/* The rate was set from outside; `search`: look for a better one now. */
enum kiln_rate_verdict kiln_rate_set(struct kiln_rate *rate, uint64_t now_ns, uint32_t baud,
                                     bool search);

enum kiln_rate_verdict kiln_rate_feed(struct kiln_rate *rate, uint64_t now_ns, const uint8_t *bytes,
                                      size_t len);

/* To be called at kiln_rate_due_ns(), UINT64_MAX if nothing is waited for. */
enum kiln_rate_verdict kiln_rate_tick(struct kiln_rate *rate, uint64_t now_ns);
uint64_t kiln_rate_due_ns(const struct kiln_rate *rate);

/* How much this looks like text: 0 to 100. */
unsigned kiln_rate_quality(const uint8_t *bytes, size_t len);

#endif
