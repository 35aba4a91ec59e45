/* SPDX-License-Identifier: MIT */
/* Parts of flash, and over them, in the order in which they happen, the things that are done. */
#include "plan/map.h"

#include "base/bytes.h"
#include "chip/chip.h"

#include <kiln/dfu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More sectors than this are one line together: nobody reads 512 lines of 4 KB. */
#define SECTORS_MAX 24u

struct op {
    uint64_t start, end;
    enum kiln_map_state state;
};

struct ops {
    struct op *item;
    size_t count;
};

const char *kiln_map_state_name(enum kiln_map_state state)
{
    static const char *const names[KILN_MAP_STATE_COUNT] = {"kept", "equal", "erased", "written"};

    return (unsigned)state < KILN_MAP_STATE_COUNT ? names[state] : "?";
}

void kiln_map_dispose(struct kiln_map *map)
{
    free(map->parts);
    free(map->spans);
    *map = (struct kiln_map){0};
}

static enum kiln_status add_op(struct kiln_ctx *ctx, struct ops *ops, enum kiln_map_state state,
                               uint64_t start, uint64_t size)
{
    struct op *grown = realloc(ops->item, (ops->count + 1) * sizeof *grown);

    if (grown == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    ops->item = grown;
    grown[ops->count++] = (struct op){start, start + size, state};
    return KILN_OK;
}

static enum kiln_status add_part(struct kiln_ctx *ctx, struct kiln_map *map, uint64_t start,
                                 uint64_t size, uint32_t page, const char *name)
{
    struct kiln_map_part *grown;

    if (size == 0)
        return KILN_OK;
    grown = realloc(map->parts, (map->part_count + 1) * sizeof *grown);
    if (grown == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    map->parts = grown;
    grown += map->part_count++;
    *grown = (struct kiln_map_part){.start = start, .size = size, .page = page};
    snprintf(grown->name, sizeof grown->name, "%s", name);
    return KILN_OK;
}

/* ---- spans ---- */

static enum kiln_status add_span(struct kiln_ctx *ctx, struct kiln_map *map,
                                 struct kiln_map_part *part, uint64_t end,
                                 enum kiln_map_state state)
{
    struct kiln_map_span *last = part->span_count > 0 ? &map->spans[map->span_count - 1] : NULL;
    uint64_t start = last != NULL ? last->start + last->size : part->start;
    struct kiln_map_span *grown;

    map->bytes[state] += end - start;
    if (last != NULL && last->state == state) {
        last->size += end - start;
        return KILN_OK;
    }
    grown = realloc(map->spans, (map->span_count + 1) * sizeof *grown);
    if (grown == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    map->spans = grown;
    grown[map->span_count++] = (struct kiln_map_span){start, end - start, state};
    part->span_count++;
    return KILN_OK;
}

/* The last op that covers `at` decides; *out_end is where that may change, at most `limit`. */
static enum kiln_map_state state_at(const struct ops *ops, uint64_t at, uint64_t limit,
                                    uint64_t *out_end)
{
    enum kiln_map_state state = KILN_MAP_KEPT;

    for (size_t i = 0; i < ops->count; i++) {
        const struct op *op = &ops->item[i];

        if (op->start > at && op->start < limit)
            limit = op->start;
        if (op->end > at && op->end < limit)
            limit = op->end;
        if (op->start <= at && op->end > at)
            state = op->state;
    }
    *out_end = limit;
    return state;
}

static enum kiln_status paint(struct kiln_ctx *ctx, const struct ops *ops, struct kiln_map *map)
{
    for (size_t i = 0; i < map->part_count; i++) {
        struct kiln_map_part *part = &map->parts[i];
        uint64_t at = part->start;

        part->span = map->span_count;
        while (at < part->start + part->size) {
            uint64_t end;
            enum kiln_map_state state = state_at(ops, at, part->start + part->size, &end);

            KILN_TRY(add_span(ctx, map, part, end, state));
            at = end;
        }
    }
    return KILN_OK;
}

/* ---- parts ---- */

static enum kiln_status add_sectors(struct kiln_ctx *ctx, struct kiln_map *map,
                                    const struct kiln_region *region, unsigned *number)
{
    uint64_t count = region->page != 0 ? region->size / region->page : 0;
    char name[40];

    if (count == 0 || count > SECTORS_MAX) {
        *number += (unsigned)count;
        return add_part(ctx, map, region->start, region->size, region->page, region->name);
    }
    for (uint64_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "sector %u", (*number)++);
        KILN_TRY(
            add_part(ctx, map, region->start + i * region->page, region->page, region->page, name));
    }
    return KILN_OK;
}

/* The next partition at or behind `at` that lies in the region. */
static const struct kiln_esp_partition *next_partition(const struct kiln_region *region,
                                                       const struct kiln_esp_partition *partitions,
                                                       size_t count, uint64_t at)
{
    const struct kiln_esp_partition *next = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct kiln_esp_partition *p = &partitions[i];

        if (p->offset >= at && p->size > 0 &&
            (uint64_t)p->offset + p->size <= region->start + region->size &&
            (next == NULL || p->offset < next->offset))
            next = p;
    }
    return next;
}

static enum kiln_status add_partitions(struct kiln_ctx *ctx, struct kiln_map *map,
                                       const struct kiln_region *region,
                                       const struct kiln_esp_partition *partitions, size_t count)
{
    const struct kiln_esp_partition *p = next_partition(region, partitions, count, region->start);
    const char *around = "boot, table";
    uint64_t at = region->start;

    for (; p != NULL; p = next_partition(region, partitions, count, at)) {
        KILN_TRY(add_part(ctx, map, at, p->offset - at, region->page, around));
        KILN_TRY(add_part(ctx, map, p->offset, p->size, region->page, p->label));
        at = (uint64_t)p->offset + p->size;
        around = "(free)";
    }
    return add_part(ctx, map, at, region->start + region->size - at, region->page, around);
}

static int by_start(const void *a, const void *b)
{
    const struct kiln_map_part *one = a, *two = b;

    return one->start < two->start ? -1 : one->start > two->start;
}

static bool touched(const struct kiln_region *region, const struct ops *ops)
{
    for (size_t i = 0; i < ops->count; i++) {
        if (ops->item[i].start < region->start + region->size && ops->item[i].end > region->start)
            return true;
    }
    return false;
}

/* Memory that can be erased is flash; option bytes and the like are shown only if something happens there. */
static enum kiln_status add_regions(struct kiln_ctx *ctx, struct kiln_map *map,
                                    const struct kiln_region *regions, size_t region_count,
                                    const struct kiln_esp_partition *partitions,
                                    size_t partition_count, const struct ops *ops)
{
    const unsigned flash = KILN_REGION_WRITE | KILN_REGION_ERASE;
    unsigned number = 0;

    for (size_t i = 0; i < region_count; i++) {
        const struct kiln_region *region = &regions[i];

        if ((region->access & flash) != flash && !touched(region, ops))
            continue;
        if (next_partition(region, partitions, partition_count, region->start) != NULL)
            KILN_TRY(add_partitions(ctx, map, region, partitions, partition_count));
        else
            KILN_TRY(add_sectors(ctx, map, region, &number));
    }
    if (map->part_count > 1)
        qsort(map->parts, map->part_count, sizeof *map->parts, by_start);
    return KILN_OK;
}

/* ---- of a plan ---- */

static enum kiln_status ops_of_plan(struct kiln_ctx *ctx, const struct kiln_plan *plan,
                                    bool erase_all, const struct kiln_region *regions,
                                    size_t region_count, struct ops *ops)
{
    static const enum kiln_map_state states[] = {[KILN_STEP_SKIP] = KILN_MAP_EQUAL,
                                                 [KILN_STEP_ERASE] = KILN_MAP_ERASED,
                                                 [KILN_STEP_WRITE] = KILN_MAP_WRITTEN};

    for (size_t i = 0; i < region_count && erase_all; i++)
        if (regions[i].access & KILN_REGION_ERASE)
            KILN_TRY(add_op(ctx, ops, KILN_MAP_ERASED, regions[i].start, regions[i].size));
    for (size_t i = 0; i < plan->step_count; i++)
        if (plan->steps[i].kind != KILN_STEP_VERIFY)
            KILN_TRY(add_op(ctx, ops, states[plan->steps[i].kind], plan->steps[i].address,
                            plan->steps[i].size));
    for (size_t i = 0; i < plan->gap_count && !erase_all; i++)
        KILN_TRY(add_op(ctx, ops, KILN_MAP_KEPT, plan->gaps[i].address, plan->gaps[i].size));
    return KILN_OK;
}

enum kiln_status kiln_map_of_plan(struct kiln_ctx *ctx, const struct kiln_plan *plan,
                                  bool erase_all, const struct kiln_region *regions,
                                  size_t region_count, const struct kiln_esp_partition *partitions,
                                  size_t partition_count, struct kiln_map *out_map)
{
    struct ops ops = {0};
    enum kiln_status status;

    *out_map = (struct kiln_map){0};
    status = ops_of_plan(ctx, plan, erase_all, regions, region_count, &ops);
    if (status == KILN_OK)
        status =
            add_regions(ctx, out_map, regions, region_count, partitions, partition_count, &ops);
    if (status == KILN_OK)
        status = paint(ctx, &ops, out_map);
    free(ops.item);
    if (status != KILN_OK)
        kiln_map_dispose(out_map);
    return status;
}

/* ---- of files ---- */

static enum kiln_status ops_of_images(struct kiln_ctx *ctx, const struct kiln_image *const *images,
                                      size_t count, struct ops *ops)
{
    for (size_t i = 0; i < count; i++) {
        if (kiln_image_info(images[i])->address == KILN_NO_ADDRESS)
            return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_GIVE_ADDRESS,
                                  "%s does not say where it belongs", kiln_image_name(images[i]));
        for (size_t k = 0; k < kiln_image_segment_count(images[i]); k++) {
            const struct kiln_segment *segment = kiln_image_segment(images[i], k);

            KILN_TRY(add_op(ctx, ops, KILN_MAP_WRITTEN, segment->address, segment->size));
        }
    }
    return KILN_OK;
}

static enum kiln_status regions_of_layout(struct kiln_ctx *ctx, const char *layout,
                                          struct kiln_region *regions, size_t *out_count)
{
    struct kiln_dfu_memory memory[KILN_DFU_MEMORY_MAX];
    char name[40];

    *out_count = kiln_dfu_decode_layout(layout, name, memory);
    if (*out_count == 0)
        return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_GIVE_LAYOUT,
                              "\"%.60s\" is no memory layout", layout);
    for (size_t i = 0; i < *out_count; i++) {
        regions[i] = (struct kiln_region){.start = memory[i].start,
                                          .size = memory[i].pages * memory[i].page,
                                          .page = memory[i].page,
                                          .access = (uint8_t)memory[i].access};
        snprintf(regions[i].name, sizeof regions[i].name, "%s", name);
    }
    return KILN_OK;
}

/* The runs of equal sectors of a chip's flash; 0 if the row does not tell. */
static size_t regions_of_chip(const struct kiln_chip *chip, struct kiln_region *regions)
{
    struct kiln_chip_pages pages;
    size_t count = 0;

    while (count < KILN_DFU_MEMORY_MAX && kiln_chip_pages(chip, count, &pages)) {
        regions[count++] = (struct kiln_region){.name = "FLASH",
                                                .start = pages.start,
                                                .size = (uint64_t)pages.count * pages.size,
                                                .page = pages.size,
                                                .access = KILN_REGION_READ | KILN_REGION_ERASE |
                                                          KILN_REGION_WRITE};
    }
    return count;
}

static const struct kiln_esp_partition *find_table(const struct kiln_image *const *images,
                                                   size_t count, size_t *out_count)
{
    for (size_t i = 0; i < count; i++) {
        const struct kiln_esp_partition *rows = kiln_image_partitions(images[i], out_count);

        if (rows != NULL && *out_count > 0)
            return rows;
    }
    *out_count = 0;
    return NULL;
}

/* Without any word of what the flash looks like: each file's stretches by the name of the file. */
static enum kiln_status parts_of_images(struct kiln_ctx *ctx,
                                        const struct kiln_image *const *images, size_t count,
                                        struct kiln_map *map)
{
    for (size_t i = 0; i < count; i++) {
        const char *path = kiln_image_name(images[i]);
        const char *name = strrchr(path, '/');

        for (size_t k = 0; k < kiln_image_segment_count(images[i]); k++) {
            const struct kiln_segment *segment = kiln_image_segment(images[i], k);

            KILN_TRY(add_part(ctx, map, segment->address, segment->size, 0,
                              name != NULL ? name + 1 : path));
        }
    }
    if (map->part_count > 1)
        qsort(map->parts, map->part_count, sizeof *map->parts, by_start);
    return KILN_OK;
}

/* What lies nowhere would not be seen on the map. */
static enum kiln_status check_inside(struct kiln_ctx *ctx, const struct kiln_image *image,
                                     const struct kiln_region *regions, size_t region_count)
{
    for (size_t k = 0; k < kiln_image_segment_count(image); k++) {
        const struct kiln_segment *segment = kiln_image_segment(image, k);
        uint64_t inside = 0;

        for (size_t i = 0; i < region_count; i++) {
            uint64_t from = KILN_MAX(segment->address, regions[i].start);
            uint64_t to =
                KILN_MIN(segment->address + segment->size, regions[i].start + regions[i].size);

            inside += to > from ? to - from : 0;
        }
        if (inside < segment->size)
            return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_FLASH_TOO_SMALL,
                                  "%llu of the %zu bytes that %s has from 0x%llx on lie outside of "
                                  "this memory",
                                  (unsigned long long)(segment->size - inside), segment->size,
                                  kiln_image_name(image), (unsigned long long)segment->address);
    }
    return KILN_OK;
}

static enum kiln_status map_images(struct kiln_ctx *ctx, const struct kiln_image *const *images,
                                   size_t count, const char *layout, const struct kiln_chip *chip,
                                   struct ops *ops, struct kiln_map *map)
{
    struct kiln_region regions[KILN_DFU_MEMORY_MAX];
    const struct kiln_esp_partition *table;
    size_t region_count = 1, partition_count = 0;

    KILN_TRY(ops_of_images(ctx, images, count, ops));
    table = find_table(images, count, &partition_count);
    if (layout != NULL) {
        KILN_TRY(regions_of_layout(ctx, layout, regions, &region_count));
    } else if (table != NULL) {
        uint64_t end = 0;

        for (size_t i = 0; i < partition_count; i++)
            end = KILN_MAX(end, (uint64_t)table[i].offset + table[i].size);
        for (size_t i = 0; i < ops->count; i++)
            end = KILN_MAX(end, ops->item[i].end);
        regions[0] = (struct kiln_region){.size = end, .page = 4096, .access = 7};
    } else {
        region_count = chip != NULL ? regions_of_chip(chip, regions) : 0;
    }
    if (region_count == 0) {
        KILN_TRY(parts_of_images(ctx, images, count, map));
        return paint(ctx, ops, map);
    }
    for (size_t i = 0; i < count; i++)
        KILN_TRY(check_inside(ctx, images[i], regions, region_count));
    KILN_TRY(add_regions(ctx, map, regions, region_count, table, partition_count, ops));
    return paint(ctx, ops, map);
}

enum kiln_status kiln_map_of_images(const struct kiln_image *const *images, size_t count,
                                    const char *layout, const struct kiln_chip *chip,
                                    struct kiln_map *out_map, struct kiln_error *out_error)
{
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct ops ops = {0};
    enum kiln_status status;

    kiln_virtual_clock_init(&clock); /* nothing here waits */
    kiln_ctx_init(&ctx, &clock.base);
    *out_map = (struct kiln_map){0};
    status = map_images(&ctx, images, count, layout, chip, &ops, out_map);
    free(ops.item);
    if (status != KILN_OK)
        kiln_map_dispose(out_map);
    if (out_error != NULL)
        *out_error = ctx.error;
    return status;
}
