/* SPDX-License-Identifier: MIT */
/*
 * Inflates a raw deflate stream (RFC 1951) that comes byte by byte. The includer gives where bytes come from and go to;
 * in between these may wait as long as they like. Nothing is read or written beyond the arrays here, whatever
 * comes.
 */
#ifndef KILN_FLASHER_INFLATE_H
#define KILN_FLASHER_INFLATE_H

#include <stdint.h>

#define INFLATE_CODE_MAX 15u
#define INFLATE_FAST     10u /* codes up to this length are looked up, longer ones taken bit by bit */
#define INFLATE_SYMBOLS  288u
#define INFLATE_LENGTHS  (INFLATE_SYMBOLS + 32u)

/* A prefix code: how many codes have each length, the symbols in the order of their codes, and by the next bits the
 * symbol << 4 | length of its code, 0 if that is longer or there is none. */
struct inflate_code {
    uint16_t count[INFLATE_CODE_MAX + 1];
    uint16_t symbol[INFLATE_SYMBOLS];
    uint16_t fast[1u << INFLATE_FAST];
};

struct inflate {
    uint32_t bits, bit_count; /* what is above bit_count is 0 */
    struct inflate_code literals, distances;
    uint8_t length[INFLATE_LENGTHS];
};

/* The next byte of the stream; anything once inflate_stopped(). */
static uint32_t inflate_take(void);
static void inflate_put(uint32_t byte);
/* The bytes that were put `distance` bytes ago, at least 1 and at most what was put and 32768. */
static void inflate_copy(uint32_t distance, uint32_t len);
static uint32_t inflate_produced(void);
/* Whether there is any use in going on. */
static int inflate_stopped(void);
/* Called every few hundred instructions while nothing is taken or put. */
static void inflate_pause(void);

static uint32_t inflate_bits(struct inflate *in, uint32_t count)
{
    uint32_t value;

    while (in->bit_count < count) {
        in->bits |= inflate_take() << in->bit_count;
        in->bit_count += 8;
    }
    value = in->bits & ((1u << count) - 1);
    in->bits >>= count;
    in->bit_count -= count;
    return value;
}

/* Codes come with their first bit lowest, so the next one is counted up from its last bit, the highest. */
static void inflate_look_up(struct inflate_code *code)
{
    const uint16_t *symbol = code->symbol;
    uint32_t at = 0;

    for (uint32_t i = 0; i < 1u << INFLATE_FAST; i++)
        code->fast[i] = 0;
    for (uint32_t len = 1; len <= INFLATE_FAST; len++) {
        inflate_pause();
        for (uint32_t left = code->count[len]; left > 0; left--) {
            uint32_t entry = (uint32_t)*symbol++ << 4 | len, bit = 1u << (len - 1);

            for (uint32_t i = at; i < 1u << INFLATE_FAST; i += 1u << len)
                code->fast[i] = (uint16_t)entry;
            for (; at & bit; bit >>= 1)
                at ^= bit;
            at |= bit;
        }
    }
}

/* False if the lengths make no prefix code. A code with a single symbol may be incomplete, and there may be none. */
static int inflate_build(struct inflate_code *code, const uint8_t *length, uint32_t count)
{
    uint16_t next[INFLATE_CODE_MAX + 2];
    int32_t left = 1;

    for (uint32_t i = 0; i <= INFLATE_CODE_MAX; i++)
        code->count[i] = 0;
    for (uint32_t i = 0; i < count; i++)
        code->count[length[i]]++;
    code->count[0] = 0;
    next[1] = 0;
    for (uint32_t i = 1; i <= INFLATE_CODE_MAX; i++) {
        left = 2 * left - code->count[i];
        if (left < 0)
            return 0;
        next[i + 1] = (uint16_t)(next[i] + code->count[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (length[i] != 0)
            code->symbol[next[length[i]]++] = (uint16_t)i;
    }
    inflate_look_up(code);
    return 1;
}

/* A code that is in no table. */
static uint32_t inflate_long_symbol(struct inflate *in, const struct inflate_code *code)
{
    int32_t value = 0, first = 0, index = 0;
    uint32_t bits = in->bits, have = in->bit_count, found = INFLATE_SYMBOLS;

    for (uint32_t len = 1; len <= INFLATE_CODE_MAX; len++) {
        int32_t count = code->count[len];

        if (have == 0) {
            bits = inflate_take();
            have = 8;
        }
        value |= (int32_t)(bits & 1);
        bits >>= 1;
        have--;
        if (value - first < count) {
            found = code->symbol[index + value - first];
            break;
        }
        index += count;
        first = (first + count) << 1;
        value <<= 1;
    }
    in->bits = bits;
    in->bit_count = have;
    return found;
}

/* The next symbol, or INFLATE_SYMBOLS if no code begins like this. */
static uint32_t inflate_symbol(struct inflate *in, const struct inflate_code *code)
{
    uint32_t bits = in->bits, have = in->bit_count;

    for (;;) {
        uint32_t entry = code->fast[bits % (1u << INFLATE_FAST)], len = entry & 15;

        if (len - 1 < have) {
            in->bits = bits >> len;
            in->bit_count = have - len;
            return entry >> 4;
        }
        if (have >= INFLATE_FAST)
            break;
        bits |= inflate_take() << have;
        have += 8;
        if (inflate_stopped())
            return INFLATE_SYMBOLS;
    }
    in->bits = bits;
    in->bit_count = have;
    return inflate_long_symbol(in, code);
}

static int inflate_stored(struct inflate *in)
{
    uint32_t len;

    inflate_bits(in, in->bit_count % 8);
    len = inflate_bits(in, 16);
    if (inflate_bits(in, 16) != (len ^ 0xffff))
        return 0;
    for (; len > 0 && !inflate_stopped(); len--)
        inflate_put(inflate_bits(in, 8));
    return 1;
}

static int inflate_fixed(struct inflate *in)
{
    for (uint32_t i = 0; i < INFLATE_SYMBOLS; i++)
        in->length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    inflate_build(&in->literals, in->length, INFLATE_SYMBOLS);
    for (uint32_t i = 0; i < 30; i++)
        in->length[i] = 5;
    return inflate_build(&in->distances, in->length, 30);
}

/* The order in which lengths of the code for lengths come, four in a word. */
static const uint32_t inflate_order[5] = {
    16 | 17 << 8 | 18 << 16 | 0 << 24,
    8 | 7 << 8 | 9 << 16 | 6 << 24,
    10 | 5 << 8 | 11 << 16 | 4 << 24,
    12 | 3 << 8 | 13 << 16 | 2 << 24,
    14 | 1 << 8 | 15 << 16,
};

static int inflate_dynamic(struct inflate *in)
{
    uint32_t literals = inflate_bits(in, 5) + 257, distances = inflate_bits(in, 5) + 1;
    uint32_t ordered = inflate_bits(in, 4) + 4, n = 0;

    for (uint32_t i = 0; i < 19; i++)
        in->length[i] = 0;
    for (uint32_t i = 0; i < ordered; i++)
        in->length[inflate_order[i / 4] >> i % 4 * 8 & 31] = (uint8_t)inflate_bits(in, 3);
    if (literals > 286 || distances > 30 || !inflate_build(&in->literals, in->length, 19))
        return 0;
    while (n < literals + distances) {
        uint32_t symbol = inflate_symbol(in, &in->literals), repeat = 1;
        uint8_t length = (uint8_t)symbol;

        if (symbol > 18 || (symbol == 16 && n == 0) || inflate_stopped())
            return 0;
        inflate_pause();
        if (symbol == 16) {
            length = in->length[n - 1];
            repeat = 3 + inflate_bits(in, 2);
        } else if (symbol > 16) {
            length = 0;
            repeat = symbol == 17 ? 3 + inflate_bits(in, 3) : 11 + inflate_bits(in, 7);
        }
        if (repeat > literals + distances - n)
            return 0;
        for (; repeat > 0; repeat--)
            in->length[n++] = length;
    }
    return inflate_build(&in->literals, in->length, literals) &&
           inflate_build(&in->distances, in->length + literals, distances);
}

/* Lengths and distances beyond the first few come in groups of 1 << shift codes, each with one extra bit more than the
 * group before. */
static uint32_t inflate_number(struct inflate *in, uint32_t symbol, uint32_t shift)
{
    uint32_t extra = symbol >> shift;

    if (extra < 2)
        return symbol;
    extra--;
    return (((1u << shift) + (symbol & ((1u << shift) - 1))) << extra) + inflate_bits(in, extra);
}

static int inflate_codes(struct inflate *in)
{
    for (;;) {
        uint32_t symbol = inflate_symbol(in, &in->literals), distance;

        if (inflate_stopped())
            return 0;
        if (symbol < 256) {
            inflate_put(symbol);
            continue;
        }
        if (symbol == 256)
            return 1;
        if (symbol > 285)
            return 0;
        symbol = symbol == 285 ? 255 : inflate_number(in, symbol - 257, 2);
        distance = inflate_symbol(in, &in->distances);
        if (distance > 29)
            return 0;
        distance = inflate_number(in, distance, 1) + 1;
        if (distance > inflate_produced())
            return 0;
        inflate_copy(distance, symbol + 3);
    }
}

/* 1 when the stream has ended as it should. */
static int inflate_run(struct inflate *in)
{
    uint32_t last;

    in->bits = in->bit_count = 0;
    do {
        uint32_t kind;
        int good;

        last = inflate_bits(in, 1);
        kind = inflate_bits(in, 2);
        if (kind == 0)
            good = inflate_stored(in);
        else
            good = kind != 3 && (kind == 1 ? inflate_fixed(in) : inflate_dynamic(in)) &&
                   inflate_codes(in);
        if (!good || inflate_stopped())
            return 0;
    } while (!last);
    return 1;
}

#endif
