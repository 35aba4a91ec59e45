/* SPDX-License-Identifier: MIT */
/* MD5 (RFC 1321), four steps at a time: fast enough, and not too long. The table is words: the chips' instruction RAM
 * gives out nothing smaller. */
#ifndef KILN_FLASHER_MD5_H
#define KILN_FLASHER_MD5_H

#include <stdint.h>

static const uint32_t md5_sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static void md5_begin(uint32_t state[4])
{
    state[0] = 0x67452301;
    state[1] = 0xefcdab89;
    state[2] = 0x98badcfe;
    state[3] = 0x10325476;
}

#define MD5_STEP(mix, a, b, word, turn)             \
    do {                                            \
        a += (mix) + *sine++ + (word);              \
        a = b + (a << (turn) | a >> (32 - (turn))); \
    } while (0)

/* Four steps with the `step`th word after `at` each, until the four names stand for what they stood for before. */
#define MD5_STEPS(mix, at, step, t1, t2, t3, t4)                       \
    do {                                                               \
        MD5_STEP(mix(b, c, d), a, b, x[(at) % 16], t1);                \
        MD5_STEP(mix(a, b, c), d, a, x[((at) + (step)) % 16], t2);     \
        MD5_STEP(mix(d, a, b), c, d, x[((at) + 2 * (step)) % 16], t3); \
        MD5_STEP(mix(c, d, a), b, c, x[((at) + 3 * (step)) % 16], t4); \
    } while (0)

#define MD5_MIX1(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define MD5_MIX2(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define MD5_MIX3(x, y, z) ((x) ^ (y) ^ (z))
#define MD5_MIX4(x, y, z) ((y) ^ ((x) | ~(z)))

static void md5_block(uint32_t state[4], const uint32_t x[16])
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    const uint32_t *sine = md5_sines;

    for (uint32_t i = 0; i < 16; i += 4)
        MD5_STEPS(MD5_MIX1, i, 1, 7, 12, 17, 22);
    for (uint32_t i = 1; i < 17; i += 4)
        MD5_STEPS(MD5_MIX2, i, 5, 5, 9, 14, 20);
    for (uint32_t i = 5; i != 53; i += 12)
        MD5_STEPS(MD5_MIX3, i, 3, 4, 11, 16, 23);
    for (uint32_t i = 0; i != 112; i += 28)
        MD5_STEPS(MD5_MIX4, i, 7, 6, 10, 15, 21);
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

#endif
