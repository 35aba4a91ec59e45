/* SPDX-License-Identifier: MIT */
/* Laying images over a device's pages. See steps.c for what follows from the survey. */
#include "plan/plan.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

/* Up to this page size the rest of a partly covered page is always kept: it is quick to read, and it may
 * belong to a neighbour. Larger pages (STM32 sectors) keep what lies before and between, while what lies
 * behind the image in its last page is the old firmware's tail and goes. */
#define KEEP_TAIL_PAGE_MAX 4096u

struct piece {
    const struct kiln_segment *segment;
    const struct kiln_image *image;
    bool encrypted;
};

struct pieces {
    struct piece *item;
    size_t count;
};

static int by_address(const void *a, const void *b)
{
    const struct kiln_segment *left = ((const struct piece *)a)->segment;
    const struct kiln_segment *right = ((const struct piece *)b)->segment;

    if (left->alt != right->alt)
        return left->alt < right->alt ? -1 : 1;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    return 0;
}

static enum kiln_status check_overlap(struct kiln_ctx *ctx, const struct pieces *pieces)
{
    for (size_t i = 1; i < pieces->count; i++) {
        const struct piece *low = &pieces->item[i - 1], *high = &pieces->item[i];

        if (low->segment->alt != high->segment->alt ||
            low->segment->address + low->segment->size <= high->segment->address)
            continue;
        (void)kiln_fail(ctx, KILN_E_ARG, "%s and %s overlap at 0x%08llx",
                        kiln_image_name(low->image), kiln_image_name(high->image),
                        (unsigned long long)high->segment->address);
        return kiln_fail_at(ctx, high->segment->address);
    }
    return KILN_OK;
}

static enum kiln_status collect(struct kiln_ctx *ctx, const struct kiln_image *const *images,
                                size_t image_count, const struct kiln_plan_policy *policy,
                                struct pieces *out)
{
    size_t count = 0;

    for (size_t i = 0; i < image_count; i++) {
        if (kiln_image_info(images[i])->address == KILN_NO_ADDRESS)
            return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_GIVE_ADDRESS,
                                  "%s does not tell where it belongs", kiln_image_name(images[i]));
        count += kiln_image_segment_count(images[i]);
    }
    out->item = calloc(count + 1, sizeof *out->item);
    if (out->item == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    for (size_t i = 0; i < image_count; i++)
        for (size_t k = 0; k < kiln_image_segment_count(images[i]); k++)
            if (kiln_image_segment(images[i], k)->size > 0)
                out->item[out->count++] =
                    (struct piece){kiln_image_segment(images[i], k), images[i],
                                   policy->encrypted != NULL && policy->encrypted[i]};
    qsort(out->item, out->count, sizeof *out->item, by_address);
    return check_overlap(ctx, out);
}

static const struct kiln_region *region_of(const struct kiln_region *regions, size_t count,
                                           uint64_t address, uint8_t alt)
{
    const struct kiln_region *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (address < regions[i].start || address - regions[i].start >= regions[i].size)
            continue;
        if (regions[i].alt == alt)
            return &regions[i];
        if (found == NULL)
            found = &regions[i];
    }
    return found;
}

static enum kiln_status outside(struct kiln_ctx *ctx, const struct piece *piece, uint64_t address,
                                const struct kiln_region *regions, size_t count)
{
    const struct kiln_region *before = NULL;

    for (size_t i = 0; i < count; i++)
        if (regions[i].start + regions[i].size <= address &&
            (before == NULL || regions[i].start >= before->start))
            before = &regions[i];
    if (before != NULL && address == before->start + before->size)
        (void)kiln_fail_hint(
            ctx, KILN_E_REFUSED, KILN_HINT_FLASH_TOO_SMALL,
            "%s needs 0x%08llx-0x%08llx, but the board's %s ends at 0x%08llx",
            kiln_image_name(piece->image), (unsigned long long)piece->segment->address,
            (unsigned long long)(piece->segment->address + piece->segment->size - 1), before->name,
            (unsigned long long)(before->start + before->size - 1));
    else
        (void)kiln_fail_hint(ctx, KILN_E_REFUSED, KILN_HINT_FLASH_TOO_SMALL,
                             "%s has data at 0x%08llx, where this board has no flash",
                             kiln_image_name(piece->image), (unsigned long long)address);
    return kiln_fail_at(ctx, address);
}

static enum kiln_status read_only(struct kiln_ctx *ctx, const struct piece *piece, uint64_t address,
                                  const struct kiln_region *region)
{
    (void)kiln_fail_hint(ctx, KILN_E_REFUSED, KILN_HINT_BUILD_BEHIND,
                         "%s has data at 0x%08llx, in %s up to 0x%08llx, which cannot be written",
                         kiln_image_name(piece->image), (unsigned long long)address, region->name,
                         (unsigned long long)(region->start + region->size - 1));
    return kiln_fail_at(ctx, address);
}

/* The rest of a page that holds encrypted data is lost, and a page is either encrypted or not. */
static enum kiln_status check_encrypted(struct kiln_ctx *ctx, const struct kiln_plan *plan,
                                        const struct piece *piece, const struct kiln_region *region,
                                        uint64_t first)
{
    const struct kiln_plan_extent *last =
        plan->extent_count > 0 ? &plan->extents[plan->extent_count - 1] : NULL;

    if (piece->encrypted && first != piece->segment->address) {
        (void)kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_GIVE_ADDRESS,
                             "%s goes to 0x%08llx, and what the chip encrypts begins at a "
                             "multiple of %u bytes",
                             kiln_image_name(piece->image),
                             (unsigned long long)piece->segment->address, (unsigned)region->page);
        return kiln_fail_at(ctx, piece->segment->address);
    }
    if (last == NULL || last->region != region || first >= last->address + last->size ||
        last->encrypted == piece->encrypted)
        return KILN_OK;
    (void)kiln_fail(ctx, KILN_E_ARG,
                    "%s begins in a page at 0x%08llx that holds the end of another file, and only "
                    "one of the two is to be encrypted",
                    kiln_image_name(piece->image), (unsigned long long)first);
    return kiln_fail_at(ctx, first);
}

static enum kiln_status grow_extents(struct kiln_ctx *ctx, struct kiln_plan *plan)
{
    struct kiln_plan_extent *grown =
        realloc(plan->extents, (plan->extent_count + 1) * sizeof *plan->extents);

    if (grown == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    plan->extents = grown;
    grown[plan->extent_count] = (struct kiln_plan_extent){0};
    plan->extent_count++;
    return KILN_OK;
}

/* Covers [start, start+size) of `region` (page-aligned), joined to the last extent where they touch, unless one of
 * them is to be written behind the others. */
static enum kiln_status cover(struct kiln_ctx *ctx, struct kiln_plan *plan,
                              const struct kiln_plan_policy *policy, bool encrypted,
                              const struct kiln_region *region, uint64_t start, size_t size)
{
    struct kiln_plan_extent *last;

    if (plan->extent_count > 0) {
        last = &plan->extents[plan->extent_count - 1];
        if (last->region == region && start <= last->address + last->size && !encrypted &&
            !last->encrypted &&
            kiln_plan_rank(policy, region, start) ==
                kiln_plan_rank(policy, region, last->address)) {
            if (start + size > last->address + last->size)
                last->size = (size_t)(start + size - last->address);
            return KILN_OK;
        }
    }
    KILN_TRY(grow_extents(ctx, plan));
    last = &plan->extents[plan->extent_count - 1];
    last->address = start;
    last->size = size;
    last->region = region;
    last->encrypted = encrypted;
    return KILN_OK;
}

/* What is programmed together is closed by the first bit: its other bytes could never be written. */
static enum kiln_status check_units(struct kiln_ctx *ctx, const struct piece *piece,
                                    const struct kiln_region *region, uint64_t from, uint64_t to)
{
    if ((region->flags & KILN_REGION_ONCE) == 0 || region->unit < 2 ||
        ((from - region->start) % region->unit == 0 && (to - region->start) % region->unit == 0))
        return KILN_OK;
    (void)kiln_fail(ctx, KILN_E_REFUSED,
                    "%s covers 0x%08llx-0x%08llx of %s, which is programmed %u bytes at a time and "
                    "each only once: pad the file to begin and end at a multiple of that",
                    kiln_image_name(piece->image), (unsigned long long)from,
                    (unsigned long long)(to - 1), region->name, region->unit);
    return kiln_fail_at(ctx, from);
}

/* Finds the pages a segment touches, region by region. */
static enum kiln_status cover_piece(struct kiln_ctx *ctx, struct kiln_plan *plan,
                                    const struct kiln_plan_policy *policy,
                                    const struct piece *piece, const struct kiln_region *regions,
                                    size_t count)
{
    uint64_t at = piece->segment->address;
    uint64_t end = at + piece->segment->size;

    while (at < end) {
        const struct kiln_region *region = region_of(regions, count, at, piece->segment->alt);
        uint64_t stop, first, last;

        if (region == NULL)
            return outside(ctx, piece, at, regions, count);
        if (!(region->access & KILN_REGION_WRITE))
            return read_only(ctx, piece, at, region);
        stop = KILN_MIN(end, region->start + region->size);
        KILN_TRY(check_units(ctx, piece, region, at, stop));
        first = at;
        last = stop;
        if ((region->flags & KILN_REGION_ONCE) == 0) {
            first = region->start + kiln_round_down(at - region->start, region->page);
            last = region->start + kiln_round_up(stop - region->start, region->page);
        }
        KILN_TRY(check_encrypted(ctx, plan, piece, region, first));
        KILN_TRY(cover(ctx, plan, policy, piece->encrypted, region, first, (size_t)(last - first)));
        at = stop;
    }
    return KILN_OK;
}

static enum kiln_status allocate_extents(struct kiln_ctx *ctx, struct kiln_plan *plan)
{
    for (size_t i = 0; i < plan->extent_count; i++) {
        struct kiln_plan_extent *extent = &plan->extents[i];

        extent->page =
            extent->region->flags & KILN_REGION_ONCE ? extent->size : extent->region->page;
        extent->bytes = malloc(extent->size);
        extent->covered = calloc(extent->size / extent->page, 1);
        if (extent->bytes == NULL || extent->covered == NULL)
            return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
        memset(extent->bytes, extent->region->erased, extent->size);
    }
    return KILN_OK;
}

static enum kiln_status add_gap(struct kiln_ctx *ctx, struct kiln_plan *plan, size_t extent,
                                uint64_t from, uint64_t to)
{
    struct kiln_plan_gap *grown = realloc(plan->gaps, (plan->gap_count + 1) * sizeof *plan->gaps);

    if (grown == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    plan->gaps = grown;
    grown[plan->gap_count++] =
        (struct kiln_plan_gap){.address = from, .size = (size_t)(to - from), .extent = extent};
    plan->kept_bytes += to - from;
    return KILN_OK;
}

/* What the images leave uncovered between `from` and `to` of an extent. */
static enum kiln_status note_gap(struct kiln_ctx *ctx, struct kiln_plan *plan, size_t index,
                                 uint64_t from, uint64_t to, const struct kiln_plan_policy *policy)
{
    struct kiln_plan_extent *extent = &plan->extents[index];
    bool tail = to == extent->address + extent->size;

    if (from >= to)
        return KILN_OK;
    for (uint64_t at = from; at < to;) {
        size_t page = (size_t)((at - extent->address) / extent->page);

        extent->covered[page] |= KILN_PAGE_PARTIAL;
        at = extent->address + (uint64_t)(page + 1) * extent->page;
    }
    if (policy->erase_all || extent->encrypted || !(extent->region->access & KILN_REGION_READ))
        return KILN_OK;
    if (tail && !policy->keep_tail && extent->page > KEEP_TAIL_PAGE_MAX)
        return KILN_OK;
    return add_gap(ctx, plan, index, from, to);
}

/* Copies what of the pieces lies in extent `index` and finds the gaps. */
static enum kiln_status fill_extent(struct kiln_ctx *ctx, struct kiln_plan *plan, size_t index,
                                    const struct pieces *pieces,
                                    const struct kiln_plan_policy *policy)
{
    struct kiln_plan_extent *extent = &plan->extents[index];
    uint64_t end = extent->address + extent->size;
    uint64_t at = extent->address;

    for (size_t i = 0; i < pieces->count; i++) {
        const struct kiln_segment *segment = pieces->item[i].segment;
        uint64_t from = KILN_MAX(segment->address, extent->address);
        uint64_t to = KILN_MIN(segment->address + segment->size, end);

        if (from >= to)
            continue;
        KILN_TRY(note_gap(ctx, plan, index, at, from, policy));
        memcpy(extent->bytes + (from - extent->address), segment->data + (from - segment->address),
               (size_t)(to - from));
        plan->image_bytes += to - from;
        at = to;
        extent->used = (size_t)(at - extent->address);
    }
    return note_gap(ctx, plan, index, at, end, policy);
}

static enum kiln_status lay(struct kiln_ctx *ctx, const struct pieces *pieces,
                            const struct kiln_region *regions, size_t region_count,
                            const struct kiln_plan_policy *policy, struct kiln_plan *plan)
{
    for (size_t i = 0; i < pieces->count; i++)
        KILN_TRY(cover_piece(ctx, plan, policy, &pieces->item[i], regions, region_count));
    KILN_TRY(allocate_extents(ctx, plan));
    for (size_t i = 0; i < plan->extent_count; i++)
        KILN_TRY(fill_extent(ctx, plan, i, pieces, policy));
    return KILN_OK;
}

enum kiln_status kiln_plan_layout(struct kiln_ctx *ctx, const struct kiln_image *const *images,
                                  size_t image_count, const struct kiln_region *regions,
                                  size_t region_count, const struct kiln_plan_policy *policy,
                                  struct kiln_plan *out_plan)
{
    struct pieces pieces = {0};
    enum kiln_status status;

    *out_plan = (struct kiln_plan){0};
    status = collect(ctx, images, image_count, policy, &pieces);
    if (status == KILN_OK)
        status = lay(ctx, &pieces, regions, region_count, policy, out_plan);
    free(pieces.item);
    if (status != KILN_OK)
        kiln_plan_dispose(out_plan);
    return status;
}

void kiln_plan_dispose(struct kiln_plan *plan)
{
    for (size_t i = 0; i < plan->extent_count; i++) {
        free(plan->extents[i].bytes);
        free(plan->extents[i].covered);
    }
    free(plan->extents);
    free(plan->gaps);
    free(plan->steps);
    *plan = (struct kiln_plan){0};
}
