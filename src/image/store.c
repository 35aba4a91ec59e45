/* SPDX-License-Identifier: MIT */
/* An image under construction: runs in the order of the file become ordered segments. */
#include "image/format.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kiln_image_note(struct kiln_image *image, const char *format, ...)
{
    char *notes = image->info.notes;
    size_t used = strlen(notes), left = sizeof image->info.notes - used;
    size_t gap = used > 0 ? 1 : 0;
    char line[256];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (strlen(line) + gap + 1 > left || strstr(notes, line) != NULL)
        return;
    snprintf(notes + used, left, "%s%s", gap ? "\n" : "", line);
}

void kiln_image_why(struct kiln_image *image, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(image->info.why, sizeof image->info.why, format, args);
    va_end(args);
}

enum kiln_status kiln_image_bad(struct kiln_ctx *ctx, uint64_t offset, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)kiln_fail_hint(ctx, KILN_E_FILE, KILN_HINT_REBUILD, "%s", text);
    return kiln_fail_at(ctx, offset);
}

enum kiln_status kiln_image_needs_address(const struct kiln_image *image, struct kiln_ctx *ctx,
                                          const char *what)
{
    if (image->segment_count > 0 &&
        image->segments[0].alt != image->segments[image->segment_count - 1].alt)
        return kiln_fail(ctx, KILN_E_ARG,
                         "is for several DFU alternate settings, which %s cannot state", what);
    if (image->info.address_source != KILN_ADDRESS_NONE)
        return KILN_OK;
    return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_GIVE_ADDRESS,
                          "%s needs addresses and the file does not tell its own", what);
}

void kiln_image_text(char *out, size_t cap, const uint8_t *bytes, size_t len)
{
    size_t n = 0;

    while (n < len && n + 1 < cap && bytes[n] != 0) {
        out[n] = bytes[n] >= 0x20 && bytes[n] < 0x7f ? (char)bytes[n] : '?';
        n++;
    }
    out[n] = '\0';
}

static enum kiln_status too_large(struct kiln_image *image, struct kiln_ctx *ctx)
{
    return kiln_fail(ctx, KILN_E_FILE, "holds more than %" PRIu64 " MiB", image->max_size >> 20);
}

static bool goes_on(const struct kiln_image_run *last, const struct kiln_image_run *run)
{
    return last->alt == run->alt && last->in_file == run->in_file &&
           last->address + last->size == run->address && last->offset + last->size == run->offset;
}

static enum kiln_status append_run(struct kiln_image *image, struct kiln_ctx *ctx,
                                   const struct kiln_image_run *run)
{
    if (run->address > UINT64_MAX - run->size)
        return kiln_image_bad(ctx, run->place, "%s %" PRIu64 ": data runs past the end of memory",
                              image->place_unit, run->place);
    if (run->size > image->max_size || image->total > image->max_size - run->size)
        return too_large(image, ctx);
    image->total += run->size;
    if (image->run_count > 0 && goes_on(&image->runs[image->run_count - 1], run)) {
        image->runs[image->run_count - 1].size += run->size;
        return KILN_OK;
    }
    if (image->run_count == image->run_capacity) {
        size_t capacity = image->run_capacity == 0 ? 16 : image->run_capacity * 2;
        struct kiln_image_run *grown = realloc(image->runs, capacity * sizeof *grown);

        if (grown == NULL)
            return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
        image->runs = grown;
        image->run_capacity = capacity;
    }
    image->runs[image->run_count++] = *run;
    return KILN_OK;
}

enum kiln_status kiln_image_add(struct kiln_image *image, struct kiln_ctx *ctx, uint8_t alt,
                                uint64_t address, const uint8_t *bytes, size_t len, uint64_t place)
{
    struct kiln_image_run run = {
        .address = address, .offset = image->arena.len, .size = len, .place = place, .alt = alt};

    if (len == 0)
        return KILN_OK;
    KILN_TRY(append_run(image, ctx, &run));
    if (kiln_buf_append(&image->arena, bytes, len) != KILN_OK)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    return KILN_OK;
}

enum kiln_status kiln_image_add_view(struct kiln_image *image, struct kiln_ctx *ctx, uint8_t alt,
                                     uint64_t address, size_t offset, size_t len)
{
    struct kiln_image_run run = {.address = address,
                                 .offset = offset,
                                 .size = len,
                                 .place = offset,
                                 .alt = alt,
                                 .in_file = true};

    return len == 0 ? KILN_OK : append_run(image, ctx, &run);
}

static int by_address(const void *left, const void *right)
{
    const struct kiln_image_run *a = left, *b = right;

    if (a->alt != b->alt)
        return a->alt < b->alt ? -1 : 1;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

static const uint8_t *run_bytes(const struct kiln_image *image, const struct kiln_image_run *run)
{
    return (run->in_file ? image->file.data : image->arena.data) + run->offset;
}

static bool adjacent(const struct kiln_image_run *a, const struct kiln_image_run *b)
{
    return a->alt == b->alt && a->address + a->size == b->address;
}

static enum kiln_status check_overlap(struct kiln_image *image, struct kiln_ctx *ctx)
{
    for (size_t i = 1; i < image->run_count; i++) {
        const struct kiln_image_run *a = &image->runs[i - 1], *b = &image->runs[i];

        if (a->alt == b->alt && a->address + a->size > b->address) {
            (void)kiln_image_bad(ctx, b->address,
                                 "two different pieces claim address 0x%08" PRIx64
                                 ": from %s %" PRIu64 " and from %s %" PRIu64,
                                 b->address, image->place_unit, KILN_MIN(a->place, b->place),
                                 image->place_unit, KILN_MAX(a->place, b->place));
            return ctx->error.status;
        }
    }
    return KILN_OK;
}

/* Brings runs that are adjacent in address but not in memory together, by copying all in order. */
static enum kiln_status straighten(struct kiln_image *image, struct kiln_ctx *ctx)
{
    bool straight = true;
    struct kiln_buf ordered;

    for (size_t i = 1; i < image->run_count && straight; i++)
        straight = !adjacent(&image->runs[i - 1], &image->runs[i]) ||
                   run_bytes(image, &image->runs[i - 1]) + image->runs[i - 1].size ==
                       run_bytes(image, &image->runs[i]);
    if (straight)
        return KILN_OK;
    kiln_buf_init(&ordered, image->arena.ceiling);
    if (kiln_buf_reserve(&ordered, (size_t)image->total) != KILN_OK)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    for (size_t i = 0; i < image->run_count; i++) {
        struct kiln_image_run *run = &image->runs[i];
        size_t offset = ordered.len;

        if (kiln_buf_append(&ordered, run_bytes(image, run), run->size) != KILN_OK)
            return kiln_fail(ctx, KILN_E_INTERNAL, "segment sizes do not add up");
        run->offset = offset;
        run->in_file = false;
    }
    kiln_buf_dispose(&image->arena);
    image->arena = ordered;
    return KILN_OK;
}

static void fill_segments(struct kiln_image *image)
{
    bool uses_file = false;
    uint64_t lowest = KILN_NO_ADDRESS;

    image->segment_count = 0;
    for (size_t i = 0; i < image->run_count; i++) {
        const struct kiln_image_run *run = &image->runs[i];
        struct kiln_segment *segment = &image->segments[image->segment_count];

        uses_file |= run->in_file;
        lowest = KILN_MIN(lowest, run->address);
        if (i > 0 && adjacent(&image->runs[i - 1], run)) {
            segment[-1].size += run->size;
            continue;
        }
        *segment = (struct kiln_segment){.address = run->address,
                                         .data = run_bytes(image, run),
                                         .size = run->size,
                                         .alt = run->alt};
        image->segment_count++;
    }
    if (!uses_file)
        kiln_buf_dispose(&image->file);
    if (image->info.address_source != KILN_ADDRESS_NONE)
        image->info.address = lowest;
}

enum kiln_status kiln_image_finish(struct kiln_image *image, struct kiln_ctx *ctx)
{
    bool sorted = true;
    struct kiln_segment *segments;

    if (image->run_count == 0)
        return KILN_OK;
    for (size_t i = 1; i < image->run_count && sorted; i++)
        sorted = by_address(&image->runs[i - 1], &image->runs[i]) <= 0;
    if (!sorted)
        qsort(image->runs, image->run_count, sizeof *image->runs, by_address);
    KILN_TRY(check_overlap(image, ctx));
    KILN_TRY(straighten(image, ctx));
    segments = realloc(image->segments, image->run_count * sizeof *segments);
    if (segments == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    image->segments = segments;
    fill_segments(image);
    return KILN_OK;
}
