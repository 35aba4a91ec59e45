/* SPDX-License-Identifier: MIT */
#include "image/entropy.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

double kiln_entropy_bits(const uint8_t *bytes, size_t len)
{
    size_t count[256] = {0};
    double bits = 0;

    if (len == 0)
        return 0;
    for (size_t i = 0; i < len; i++)
        count[bytes[i]]++;
    for (size_t i = 0; i < 256; i++) {
        double p = (double)count[i] / (double)len;

        if (count[i] > 0)
            bits -= p * log2(p);
    }
    return bits;
}

bool kiln_entropy_looks_random(const uint8_t *bytes, size_t len)
{
    double bits;

    while (len > 0 && (bytes[len - 1] == 0xff || bytes[len - 1] == 0))
        len--;
    while (len > 0 && (bytes[0] == 0xff || bytes[0] == 0)) {
        bytes++;
        len--;
    }
    if (len < 2048)
        return false;
    /* A sample of n random bytes measures about 8 - 255 / (2 n ln 2) bits, with a spread far below 0.01 here;
     * code measures under 7.3. */
    bits = kiln_entropy_bits(bytes, len);
    return bits > 8.0 - 255.0 / (2.0 * (double)len * M_LN2) - 0.03;
}

/* Share of halfwords that start a Thumb BL, and that are bx lr or push/pop with lr/pc: a few per cent in
 * code, about one per cent in noise. */
static double thumb_share(const uint8_t *bytes, size_t from, size_t to)
{
    size_t hits = 0, count = 0;

    for (size_t at = from; at + 4 <= to; at += 2, count++) {
        uint16_t a = kiln_le16(bytes + at), b = kiln_le16(bytes + at + 2);

        hits += (a & 0xf800) == 0xf000 && (b & 0xd000) == 0xd000;
        hits += a == 0x4770 || (a & 0xff00) == 0xb500 || (a & 0xff00) == 0xbd00;
    }
    return count == 0 ? 0 : (double)hits / (double)count;
}

bool kiln_entropy_mixed(const uint8_t *bytes, size_t len, size_t from, size_t to)
{
    double inside = kiln_entropy_bits(bytes + from, to - from);
    size_t behind = KILN_MIN(len - to, to - from);

    return inside > 7.6 && thumb_share(bytes, from, to) < 0.02 && behind >= 2048 &&
           kiln_entropy_bits(bytes + to, behind) < 7.5;
}
