/* SPDX-License-Identifier: MIT */
/*
 * Where to cut a compressed stream into blocks for a flasher stub.
 *
 * A stub erases and programs one block while it receives the next, and no more than one: each turn takes as long as
 * the slower of the two. Equal blocks waste time, since one erase of 64 KB holds the flash for 150 ms and another
 * block needs none. The cuts are those with the smallest sum; by what is known of flash chips it is an estimate, and
 * a wrong one costs time only.
 */
#include "loader/esp.h"

#include "base/bytes.h"

#define ZLIB_CONST
#include <stdlib.h>
#include <zlib.h>

#define GRAIN      512u /* cuts are at multiples */
#define MOST       (KILN_ESP_WRITE_BLOCK / GRAIN)
#define FLASH_PAGE 256u
#define WINDOW     32768u

/* Typical times of a W25Q32JV (data sheet revision H); others are near. */
#define SECTOR_ERASE_US 45000u
#define BLOCK_ERASE_US  150000u
#define PROGRAM_US      500u
/* Of a block beyond its data: header, checksum, reply, and a frame of USB each way. */
#define TURN_BYTES 40u
#define TURN_US    1500u

struct cutter {
    size_t grains;   /* of the stream, the last may be short */
    uint64_t *flash; /* [i]: microseconds of flash work for what comes out of the first i grains */
    uint64_t *
        best; /* [end * MOST + len - 1]: until the block of `len` grains that ends there has arrived */
    uint8_t *before; /* the same: grains of the block before it */
    uint64_t grain_us, turn_us;
};

/* Erasing and programming of the first `done` bytes of a stream. */
static uint64_t flash_us(uint64_t address, size_t len, size_t done)
{
    uint64_t end = kiln_round_up(address + len, KILN_ESP_FLASH_PAGE);
    uint64_t at = kiln_round_down(address, KILN_ESP_FLASH_PAGE);
    uint64_t us = (uint64_t)(done + FLASH_PAGE - 1) / FLASH_PAGE * PROGRAM_US;

    while (done > 0 && at < address + done) {
        bool block = at % KILN_ESP_FLASH_BLOCK == 0 && end - at >= KILN_ESP_FLASH_BLOCK;

        us += block ? BLOCK_ERASE_US : SECTOR_ERASE_US;
        at += block ? KILN_ESP_FLASH_BLOCK : KILN_ESP_FLASH_PAGE;
    }
    return us;
}

/* How much has come out of the inflater after each grain. */
static bool follow(struct cutter *cutter, const uint8_t *zlib, size_t zlib_len, uint64_t address,
                   size_t len)
{
    uint8_t *scratch = malloc(WINDOW);
    z_stream z = {0};
    int result = Z_OK;

    if (scratch == NULL || inflateInit(&z) != Z_OK) {
        free(scratch);
        return false;
    }
    for (size_t i = 1; i <= cutter->grains && result >= Z_OK; i++) {
        size_t at = (i - 1) * GRAIN;

        z.next_in = zlib + at;
        z.avail_in = (uInt)KILN_MIN((size_t)GRAIN, zlib_len - at);
        do {
            z.next_out = scratch;
            z.avail_out = WINDOW;
            result = inflate(&z, Z_NO_FLUSH);
        } while (result == Z_OK && z.avail_out == 0);
        if (result == Z_BUF_ERROR) /* nothing to do just now */
            result = Z_OK;
        cutter->flash[i] = flash_us(address, len, (size_t)z.total_out);
    }
    inflateEnd(&z);
    free(scratch);
    return result >= Z_OK;
}

/* The best time for a block of `len` grains that ends at `end`. */
static void place(struct cutter *cutter, size_t end, size_t len)
{
    size_t start = end - len;
    uint64_t wire = len * cutter->grain_us;
    uint64_t *best = &cutter->best[end * MOST + len - 1];

    *best = start == 0 ? wire : UINT64_MAX;
    for (size_t n = 1; n <= KILN_MIN(start, (size_t)MOST); n++) {
        uint64_t work = cutter->flash[start] - cutter->flash[start - n];
        uint64_t time = cutter->best[start * MOST + n - 1] + KILN_MAX(wire, work) + cutter->turn_us;

        if (time < *best) {
            *best = time;
            cutter->before[end * MOST + len - 1] = (uint8_t)n;
        }
    }
}

/* Lengths in grains, from the last block to the first; returns how many. */
static size_t choose(struct cutter *cutter, uint32_t *lengths)
{
    size_t end = cutter->grains, len = 1, count = 0;
    uint64_t least = UINT64_MAX;

    for (size_t at = 1; at <= end; at++)
        for (size_t n = 1; n <= KILN_MIN(at, (size_t)MOST); n++)
            place(cutter, at, n);
    for (size_t n = 1; n <= KILN_MIN(end, (size_t)MOST); n++) {
        uint64_t time =
            cutter->best[end * MOST + n - 1] + cutter->flash[end] - cutter->flash[end - n];

        if (time < least) {
            least = time;
            len = n;
        }
    }
    while (end > 0) {
        size_t before = cutter->before[end * MOST + len - 1];

        lengths[count++] = (uint32_t)len;
        end -= len;
        len = before;
    }
    return count;
}

static void to_bytes(uint32_t *lengths, size_t count, size_t zlib_len)
{
    size_t at = 0;

    for (size_t i = 0; i < count / 2; i++) {
        uint32_t swap = lengths[i];

        lengths[i] = lengths[count - 1 - i];
        lengths[count - 1 - i] = swap;
    }
    for (size_t i = 0; i < count; i++) {
        lengths[i] = (uint32_t)KILN_MIN((size_t)lengths[i] * GRAIN, zlib_len - at);
        at += lengths[i];
    }
}

uint32_t *kiln_esp_cut(const struct kiln_esp_cut_stream *stream, size_t *out_count)
{
    struct cutter cutter = {
        .grains = (stream->zlib_len + GRAIN - 1) / GRAIN,
        .grain_us = (uint64_t)GRAIN * 10000000u / stream->baud,
        .turn_us = (uint64_t)TURN_BYTES * 10000000u / stream->baud + TURN_US,
    };
    uint32_t *lengths = calloc(cutter.grains + 1, sizeof *lengths);

    *out_count = 0;
    cutter.flash = calloc(cutter.grains + 1, sizeof *cutter.flash);
    cutter.best = calloc((cutter.grains + 1) * MOST, sizeof *cutter.best);
    cutter.before = calloc((cutter.grains + 1) * MOST, sizeof *cutter.before);
    if (lengths != NULL && cutter.flash != NULL && cutter.best != NULL && cutter.before != NULL &&
        follow(&cutter, stream->zlib, stream->zlib_len, stream->address, stream->len)) {
        *out_count = choose(&cutter, lengths);
        to_bytes(lengths, *out_count, stream->zlib_len);
    }
    free(cutter.flash);
    free(cutter.best);
    free(cutter.before);
    if (*out_count == 0) {
        free(lengths);
        return NULL;
    }
    return lengths;
}
