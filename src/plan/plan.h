/* SPDX-License-Identifier: MIT */
/*
 * The planner: a pure function of (image, regions of the device, what is known of their contents,
 * policy). It gives the steps with byte totals. Dry run, progress totals, the job and golden tests all
 * read the same plan.
 */
#ifndef KILN_PLAN_PLAN_H
#define KILN_PLAN_PLAN_H

#include "base/ctx.h"
#include "loader/loader.h"

#include <kiln/event.h>
#include <kiln/image.h>

/* A page-aligned piece of the device that the image touches, with the bytes it shall hold afterwards. Of memory
 * that is written once it is exactly the bytes of the image. */
struct kiln_plan_extent {
    uint64_t address;
    size_t size; /* whole pages */
    size_t page; /* the region's; all of it where memory is written once */
    const struct kiln_region *region;
    uint8_t *bytes; /* wanted contents; bytes outside the image hold region->erased until `kept` */
    uint8_t *covered; /* one flag a page, KILN_PAGE_* */
    bool encrypted;   /* the chip encrypts what is written: nothing is compared or kept */
    size_t used;      /* of an encrypted one: where the image's bytes end */
};

#define KILN_PAGE_PARTIAL 1u /* the image covers only part of this page */
#define KILN_PAGE_EQUAL   2u /* known to hold the wanted bytes already */
#define KILN_PAGE_BLANK   4u /* known to be erased */

/* A stretch of a page that the image does not cover and that shall be kept. */
struct kiln_plan_gap {
    uint64_t address;
    size_t size;
    size_t extent;
};

struct kiln_plan_step {
    enum kiln_step_kind kind;
    size_t extent;
    uint64_t address;
    size_t size;
};

struct kiln_plan_policy {
    bool full; /* nothing is skipped */
    bool no_verify;
    bool needs_erase; /* KILN_CAP_NEEDS_ERASE of the loader */
    bool erase_all;   /* the whole chip is erased first: every page counts as blank */
    bool keep_tail;   /* keep also what is behind the image in its last page */
    bool force;
    /* Pages in [last_from, last_to) are written behind all others: they make the others count, such as the
     * record of which application starts. Empty by default. */
    uint64_t last_from, last_to;
    const bool *encrypted;    /* for each image whether the chip encrypts it; NULL: none */
    uint32_t encrypted_align; /* what an encrypted write ends at a multiple of; 0: a page */
};

struct kiln_plan {
    struct kiln_plan_extent *extents;
    size_t extent_count;
    struct kiln_plan_gap *gaps;
    size_t gap_count;
    struct kiln_plan_step *steps;
    size_t step_count;
    uint64_t image_bytes, erase_bytes, write_bytes, skip_bytes, verify_bytes, kept_bytes;
};

/*
 * Step 1: lays the images over the regions. REFUSED when a byte falls outside what can be written (the
 * message names the image, the first bad byte and the region), ARG when an image has no address.
 * Frees nothing of the images, which must outlive nothing: the bytes are copied.
 */
KILN_MUST_USE enum kiln_status
kiln_plan_layout(struct kiln_ctx *ctx, const struct kiln_image *const *images, size_t image_count,
                 const struct kiln_region *regions, size_t region_count,
                 const struct kiln_plan_policy *policy, struct kiln_plan *out_plan);

/* Step 2: the job fills the gaps' bytes (read from the device) and sets the page flags EQUAL and BLANK
 * in the extents as far as it surveyed them. Step 3: */
KILN_MUST_USE enum kiln_status kiln_plan_steps(struct kiln_ctx *ctx,
                                               const struct kiln_plan_policy *policy,
                                               struct kiln_plan *plan);

/* What has a lower rank is written first. Settings of the chip come last: they may end the session or lock it out. */
#define KILN_PLAN_RANKS 4u
static inline unsigned kiln_plan_rank(const struct kiln_plan_policy *policy,
                                      const struct kiln_region *region, uint64_t address)
{
    if ((region->flags & KILN_REGION_OPTION) != 0)
        return 3;
    if ((region->flags & KILN_REGION_ONCE) != 0)
        return 2;
    return address >= policy->last_from && address < policy->last_to ? 1 : 0;
}

void kiln_plan_dispose(struct kiln_plan *plan);

/* ---- safety checks before the first write ---- */

/*
 * First the files: are they for this chip (chip id, machine)? Then, when each has its place: do they fit the flash,
 * do they start where they were linked, would they overwrite a bootloader that they or the board expect?
 * REFUSED says what and with which hint; `force` turns a refusal into a note, except where something does not
 * fit at all. Errors of `read` are passed on.
 */
/* What a person should know although the checks passed. */
struct kiln_guard_notes {
    char text[512]; /* lines, '\n' between; "" if there are none */
    const char
        *running; /* what the board does when it is reset, if that is not "running"; else NULL */
};

struct kiln_guard_input {
    const struct kiln_image *const *images;
    size_t image_count;
    const struct kiln_target_info *target;
    /* Reads the device; NULL if its flash cannot be read. Only few bytes at few places are asked for. */
    enum kiln_status (*read)(void *user, struct kiln_ctx *ctx, uint64_t address, uint8_t *bytes,
                             size_t len);
    void *user;
    const struct kiln_esp_partition *partitions; /* of an ESP chip: those that will be in force */
    size_t partition_count;
    bool force;
    bool erase_all;                           /* nothing that is in the flash now stays */
    const struct kiln_protection *protection; /* of the chip; NULL: it has no such fuses */
    const bool *encrypted;                    /* as in kiln_plan_policy */
};

/* Both add to the notes, which begin as {0}. */
KILN_MUST_USE enum kiln_status kiln_guard_files(struct kiln_ctx *ctx,
                                                const struct kiln_guard_input *input,
                                                struct kiln_guard_notes *notes);
KILN_MUST_USE enum kiln_status kiln_guard_places(struct kiln_ctx *ctx,
                                                 const struct kiln_guard_input *input,
                                                 struct kiln_guard_notes *notes);

#endif
