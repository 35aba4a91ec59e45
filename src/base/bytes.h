/* SPDX-License-Identifier: MIT */
/* Reading and writing integers in byte arrays. The caller has checked that the bytes are there. */
#ifndef KILN_BASE_BYTES_H
#define KILN_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

static inline uint16_t kiln_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t kiln_le24(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static inline uint32_t kiln_le32(const uint8_t *p)
{
    return kiln_le24(p) | (uint32_t)p[3] << 24;
}

static inline uint16_t kiln_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t kiln_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void kiln_put_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void kiln_put_le32(uint8_t *p, uint32_t v)
{
    kiln_put_le16(p, (uint16_t)v);
    kiln_put_le16(p + 2, (uint16_t)(v >> 16));
}

static inline void kiln_put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void kiln_put_be32(uint8_t *p, uint32_t v)
{
    kiln_put_be16(p, (uint16_t)(v >> 16));
    kiln_put_be16(p + 2, (uint16_t)v);
}

/* `v` rounded down and up to a multiple of `unit` (any unit > 0). */
static inline uint64_t kiln_round_down(uint64_t v, uint64_t unit)
{
    return v - v % unit;
}

static inline uint64_t kiln_round_up(uint64_t v, uint64_t unit)
{
    return kiln_round_down(v + unit - 1, unit);
}

#define KILN_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define KILN_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define KILN_MAX(a, b)    ((a) > (b) ? (a) : (b))

/* The instance that embeds `member` at `pointer`. */
#define KILN_CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
