/* SPDX-License-Identifier: MIT */
/* Does a stretch of bytes look like code and data, or like noise? */
#ifndef KILN_IMAGE_ENTROPY_H
#define KILN_IMAGE_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shannon entropy in bits a byte, 0..8. */
double kiln_entropy_bits(const uint8_t *bytes, size_t len);

/* As random as encrypted or well packed data of that length is, leading and trailing FF or 00 aside. */
bool kiln_entropy_looks_random(const uint8_t *bytes, size_t len);

/* Are the bytes [from, to) scrambled while the rest is plain Thumb code? */
bool kiln_entropy_mixed(const uint8_t *bytes, size_t len, size_t from, size_t to);

#endif
