/* SPDX-License-Identifier: MIT */
#include "monitor/rate.h"

#include "base/bytes.h"
#include "base/ctx.h"
#include "monitor/text.h"

#include <string.h>

#define GARBAGE_LEN 48u /* so many bytes without text start a search */
#define GARBAGE_LEN_SET \
    224u /* ... after text was seen: a boot ROM may speak at a rate of its own */
#define JUDGE_LEN      48u
#define JUDGE_LEN_LATE 12u
#define SKIP_LEN       2u /* bytes that were cut by the change of rate */
#define LOOSE          72u
#define LOOSE_FIRST    84u /* before any text was seen */
#define GOOD           92u
#define PASSABLE       80u
#define LATE_NS        (150ull * KILN_NS_PER_MS)  /* after the last byte of a short line */
#define LONG_NS        (1000ull * KILN_NS_PER_MS) /* after the first byte */
#define FEW_NS         (4000ull * KILN_NS_PER_MS) /* ... of few */
#define REST_NS        (20000ull * KILN_NS_PER_MS)

/* How long a candidate waits for a first byte, round by round. A receiver that is much slower than the board
 * may hear nothing at all; a board that speaks seldom needs the later rounds. */
static const uint64_t silent_ns[] = {2000ull * KILN_NS_PER_MS, 10000ull * KILN_NS_PER_MS,
                                     60000ull * KILN_NS_PER_MS};

/* By how often they are met; the boot ROMs' own first. */
static const uint32_t candidates[] = {115200,  74880,   9600,    57600, 230400, 460800,
                                      921600,  250000,  38400,   19200, 500000, 1000000,
                                      1500000, 2000000, 3000000, 4800,  2400,   76800};

unsigned kiln_rate_quality(const uint8_t *bytes, size_t len)
{
    size_t good = 0, rare = 0, at = 0;

    while (at < len) {
        int n = kiln_text_utf8((const char *)bytes + at, len - at);
        uint8_t byte = bytes[at];
        size_t used = n > 1 ? (size_t)n : 1;

        if (n > 1 || (byte >= 0x20 && byte < 0x7f) || byte == '\n' || byte == '\r' ||
            byte == '\t' || byte == 0x1b)
            good += used;
        if (byte >= 0x20 && byte < 0x7f && strchr("`~^|{}$@#&!?\\\"'%;", byte) != NULL)
            rare++;
        at += used;
    }
    if (len == 0)
        return 0;
    /* Text has a few of these; noise in the printable range has every fifth. */
    rare = rare > len / 10 ? rare - len / 10 : 0;
    good -= KILN_MIN(rare, good);
    return (unsigned)(100 * good / len);
}

void kiln_rate_init(struct kiln_rate *rate, uint32_t baud, bool allowed)
{
    memset(rate, 0, sizeof *rate);
    rate->home = rate->current = baud;
    rate->allowed = allowed;
}

static void change(struct kiln_rate *rate, uint64_t now_ns, uint32_t baud)
{
    rate->current = baud;
    rate->heard_ns = rate->first_ns = now_ns;
    rate->sample_len = 0;
    rate->skip = SKIP_LEN;
}

/* Those that heard nothing in this round, once more and longer. False: each was heard, or no round is left. */
static bool next_round(struct kiln_rate *rate)
{
    if (rate->unheard == 0 || rate->round + 1 >= KILN_ARRAY_LEN(silent_ns))
        return false;
    rate->round++;
    rate->candidate = 0;
    return true;
}

static enum kiln_rate_verdict next_candidate(struct kiln_rate *rate, uint64_t now_ns)
{
    do {
        while (rate->candidate < KILN_ARRAY_LEN(candidates)) {
            size_t index = rate->candidate++;

            if (candidates[index] == rate->home || (rate->unheard >> index & 1) == 0)
                continue;
            change(rate, now_ns, candidates[index]);
            return KILN_RATE_TRY;
        }
    } while (next_round(rate));
    rate->searching = false;
    rate->quiet_until_ns = now_ns + REST_NS;
    if (rate->best < PASSABLE) {
        change(rate, now_ns, rate->home);
        rate->told = true;
        return KILN_RATE_GAVE_UP;
    }
    change(rate, now_ns, rate->best_baud);
    rate->home = rate->best_baud;
    return KILN_RATE_FOUND;
}

static enum kiln_rate_verdict begin_search(struct kiln_rate *rate, uint64_t now_ns)
{
    rate->searching = true;
    rate->confirmed = false;
    rate->home = rate->current;
    rate->candidate = 0;
    rate->round = 0;
    rate->unheard = 0;
    for (size_t i = 0; i < KILN_ARRAY_LEN(candidates); i++)
        rate->unheard |= candidates[i] != rate->home ? UINT32_C(1) << i : 0;
    rate->best = 0;
    /* Once more at the same rate: perhaps it was only the boot ROM, which has a rate of its own. */
    change(rate, now_ns, rate->home);
    return KILN_RATE_TRY;
}

enum kiln_rate_verdict kiln_rate_set(struct kiln_rate *rate, uint64_t now_ns, uint32_t baud,
                                     bool search)
{
    rate->searching = rate->confirmed = rate->told = false;
    change(rate, now_ns, baud);
    rate->home = baud;
    rate->quiet_until_ns = 0;
    return search ? begin_search(rate, now_ns) : KILN_RATE_KEEP;
}

/* Words are apart and made of many letters. A few printable bytes again and again are what a receiver that
 * is much too slow makes of a line that repeats. */
static bool has_words(const uint8_t *bytes, size_t len)
{
    bool seen[256] = {false};
    size_t values = 0, gaps = 0;

    for (size_t i = 0; i < len; i++) {
        values += !seen[bytes[i]];
        seen[bytes[i]] = true;
        gaps += bytes[i] == ' ' || bytes[i] == '\n' || bytes[i] == '\t';
    }
    return values >= 6 && gaps * 24 >= len;
}

/* A short line that repeats can become the same few bytes again and again, and these be right UTF-8 by accident. */
static bool is_pattern(const uint8_t *bytes, size_t len)
{
    bool seen[256] = {false};
    size_t values = 0;

    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < 0x80)
            return false;
        values += !seen[bytes[i]];
        seen[bytes[i]] = true;
    }
    return values < 6;
}

static enum kiln_rate_verdict judge(struct kiln_rate *rate, uint64_t now_ns)
{
    unsigned quality = kiln_rate_quality(rate->sample, rate->sample_len);

    if (rate->sample_len > 0 && rate->candidate > 0)
        rate->unheard &= ~(UINT32_C(1) << (rate->candidate - 1));
    if (!has_words(rate->sample, rate->sample_len))
        quality /= 2;
    if (quality >= GOOD) {
        rate->searching = false;
        rate->confirmed = true;
        rate->told = false;
        rate->home = rate->current;
        return KILN_RATE_FOUND;
    }
    if (quality > rate->best) {
        rate->best = quality;
        rate->best_baud = rate->current;
    }
    return next_candidate(rate, now_ns);
}

static enum kiln_rate_verdict watch(struct kiln_rate *rate, uint64_t now_ns)
{
    size_t need = rate->confirmed ? GARBAGE_LEN_SET : GARBAGE_LEN;
    unsigned quality, loose;

    if (rate->sample_len < need)
        return KILN_RATE_KEEP;
    quality = kiln_rate_quality(rate->sample, rate->sample_len);
    if (is_pattern(rate->sample, rate->sample_len))
        quality = 0;
    if (quality >= GOOD)
        rate->confirmed = true;
    else if (!has_words(rate->sample, rate->sample_len))
        quality /= 2;
    loose = rate->confirmed ? LOOSE : LOOSE_FIRST;
    if (quality < loose && !rate->allowed && !rate->told) {
        rate->told = true;
        return KILN_RATE_GARBAGE;
    }
    if (quality < loose && rate->allowed && now_ns >= rate->quiet_until_ns)
        return begin_search(rate, now_ns);
    /* Forget the older half, so that a change is seen soon. */
    memmove(rate->sample, rate->sample + need / 2, rate->sample_len - need / 2);
    rate->sample_len -= need / 2;
    return KILN_RATE_KEEP;
}

enum kiln_rate_verdict kiln_rate_feed(struct kiln_rate *rate, uint64_t now_ns, const uint8_t *bytes,
                                      size_t len)
{
    enum kiln_rate_verdict verdict = KILN_RATE_KEEP;

    rate->heard_ns = now_ns;
    if (rate->sample_len == 0)
        rate->first_ns = now_ns;
    while (len > 0 && verdict == KILN_RATE_KEEP) {
        size_t part = KILN_MIN(len, rate->skip);

        rate->skip -= part;
        bytes += part;
        len -= part;
        part = KILN_MIN(len, KILN_RATE_SAMPLE_MAX - rate->sample_len);
        if (!rate->searching)
            part = KILN_MIN(part, GARBAGE_LEN);
        memcpy(rate->sample + rate->sample_len, bytes, part);
        rate->sample_len += part;
        bytes += part;
        len -= part;
        if (!rate->searching)
            verdict = watch(rate, now_ns);
        else if (rate->sample_len >= JUDGE_LEN)
            return judge(rate, now_ns);
    }
    return verdict;
}

enum kiln_rate_verdict kiln_rate_tick(struct kiln_rate *rate, uint64_t now_ns)
{
    return now_ns >= kiln_rate_due_ns(rate) ? judge(rate, now_ns) : KILN_RATE_KEEP;
}

/* The search begins when the board speaks again: a silent one says nothing about the rate. */
uint64_t kiln_rate_due_ns(const struct kiln_rate *rate)
{
    if (!rate->searching || (rate->sample_len == 0 && rate->candidate == 0))
        return UINT64_MAX;
    if (rate->sample_len == 0)
        return rate->first_ns + silent_ns[rate->round];
    if (rate->sample_len < JUDGE_LEN_LATE)
        return rate->first_ns + FEW_NS;
    return KILN_MIN(rate->heard_ns + LATE_NS, rate->first_ns + LONG_NS);
}
