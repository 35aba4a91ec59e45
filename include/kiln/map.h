/* SPDX-License-Identifier: MIT */
/* A map of flash: its parts (partitions or sectors) and what happens to each stretch of them. */
#ifndef KILN_MAP_H
#define KILN_MAP_H

#include <kiln/chip.h>
#include <kiln/image.h>
#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kiln_map_state {
    KILN_MAP_KEPT,    /* not touched, or read and put back */
    KILN_MAP_EQUAL,   /* holds the wanted bytes already */
    KILN_MAP_ERASED,  /* erased and nothing written */
    KILN_MAP_WRITTEN, /* written anew */
    KILN_MAP_STATE_COUNT
};

/* "kept", "equal", "erased", "written". Static storage. */
KILN_API const char *kiln_map_state_name(enum kiln_map_state state);

struct kiln_map_part {
    char name[40];
    uint64_t start, size;
    uint32_t page;           /* smallest erase unit, 0 if unknown */
    size_t span, span_count; /* its stretches: from spans[span] on */
};

struct kiln_map_span {
    uint64_t start, size;
    enum kiln_map_state state;
};

/* Parts are ordered by address and do not overlap; the spans of a part cover it without holes. */
struct kiln_map {
    struct kiln_map_part *parts;
    size_t part_count;
    struct kiln_map_span *spans;
    size_t span_count;
    uint64_t bytes[KILN_MAP_STATE_COUNT];
};

/*
 * What writing these files touches, without a board: parts are the partitions of a table among the files,
 * else the sectors of a DfuSe layout string, else those of `chip` (of an STM32 the largest part of the row), else
 * the files' own stretches. ARG if a file has no address or lies outside of that memory, or `layout` is no layout string. Both may be NULL.
 */
KILN_API KILN_MUST_USE enum kiln_status kiln_map_of_images(const struct kiln_image *const *images,
                                                           size_t count, const char *layout,
                                                           const struct kiln_chip *chip,
                                                           struct kiln_map *out_map,
                                                           struct kiln_error *out_error);
/* Frees what is in it; one that is all zero is fine. */
KILN_API void kiln_map_dispose(struct kiln_map *map);

#ifdef __cplusplus
}
#endif
#endif
