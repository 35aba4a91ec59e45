/* SPDX-License-Identifier: MIT */
/*
 * What is in the flash now, as far as it helps to write less.
 *
 * With a digest: some pages all over the extent first, since an extent of which all of them differ is written
 * as a whole; then parts, parts of those that differ, down to pages. The board hashes a few MB a second, so
 * what counts is how often a byte is hashed, and only then the number of questions. Where the board gives lists of
 * digests: those of the first pages, and if these do not all differ, those of all. Without: read and compare.
 */
#include "job/job_internal.h"

#include "base/bytes.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Below this many answers about single pages nothing is concluded from their share. */
#define ENOUGH_ANSWERS 8u
#define SAMPLES        8u
#define FAN_OUT        8u
#define LIST_MAX       512u /* pages in one request for a list */
#define LIST_EACH      6u   /* bytes of each digest in it */
#define READ_CHUNK     32768u
#define BLANK_LOOK     256u
#define READ_LOOK      4096u /* a multiple of what most devices move at a time */

struct survey {
    struct kiln_job *job;
    struct kiln_plan_extent *extent;
    unsigned pages_equal, pages_different;
};

static enum kiln_status md5_of(struct kiln_ctx *ctx, const uint8_t *bytes, size_t size,
                               uint8_t out_md5[16])
{
    if (EVP_Digest(bytes, size, out_md5, NULL, EVP_md5(), NULL) != 1)
        return kiln_fail(ctx, KILN_E_INTERNAL, "MD5 is not available");
    return KILN_OK;
}

static void mark(struct kiln_plan_extent *extent, size_t from, size_t to, uint8_t flag)
{
    for (size_t at = from; at < to; at += extent->page)
        extent->covered[at / extent->page] |= flag;
}

static enum kiln_status ask(struct survey *survey, size_t from, size_t to, bool *out_equal)
{
    struct kiln_job *job = survey->job;
    uint8_t there[16], wanted[16];

    KILN_TRY(md5_of(&job->ctx, survey->extent->bytes + from, to - from, wanted));
    KILN_TRY(job->loader->ops->digest(job->loader, &job->ctx, survey->extent->address + from,
                                      to - from, there));
    *out_equal = memcmp(there, wanted, sizeof there) == 0;
    if (to - from == survey->extent->page) {
        if (*out_equal)
            survey->pages_equal++;
        else
            survey->pages_different++;
    }
    return KILN_OK;
}

static bool hopeless(const struct survey *survey)
{
    return survey->pages_different >= ENOUGH_ANSWERS &&
           survey->pages_different > 3 * survey->pages_equal;
}

static enum kiln_status descend(struct survey *survey, size_t from, size_t to, bool differs);

static enum kiln_status ask_part(struct survey *survey, size_t from, size_t to, bool *out_equal)
{
    KILN_TRY(ask(survey, from, to, out_equal));
    if (*out_equal)
        mark(survey->extent, from, to, KILN_PAGE_EQUAL);
    return *out_equal ? KILN_OK : descend(survey, from, to, true);
}

/* If [from, to) is known to differ somewhere, its last part need not be asked about when the others are
 * equal. */
static enum kiln_status descend(struct survey *survey, size_t from, size_t to, bool differs)
{
    size_t page = survey->extent->page;
    size_t part = (size_t)kiln_round_up((to - from + FAN_OUT - 1) / FAN_OUT, page);
    bool all_equal = true;

    if (differs && to - from <= page)
        return KILN_OK;
    for (size_t at = from; at < to; at += part) {
        size_t end = KILN_MIN(at + part, to);
        bool equal = false;

        if (hopeless(survey))
            return KILN_OK;
        if (differs && all_equal && end == to)
            return descend(survey, at, end, true);
        KILN_TRY(ask_part(survey, at, end, &equal));
        all_equal = all_equal && equal;
    }
    return KILN_OK;
}

/* UNSUPPORTED: not by lists. */
static enum kiln_status survey_by_lists(struct survey *survey)
{
    struct kiln_plan_extent *extent = survey->extent;
    struct kiln_job *job = survey->job;
    size_t page = extent->page, pages = extent->size / page, n;
    uint8_t there[LIST_MAX * LIST_EACH], wanted[16];

    if (job->loader->ops->digests == NULL)
        return KILN_E_UNSUPPORTED;
    for (size_t at = 0; at < pages && !hopeless(survey); at += n) {
        n = KILN_MIN((size_t)(at == 0 ? ENOUGH_ANSWERS : LIST_MAX), pages - at);
        KILN_TRY(job->loader->ops->digests(job->loader, &job->ctx, extent->address + at * page,
                                           n * page, (uint32_t)page, there, LIST_EACH));
        for (size_t i = 0; i < n; i++) {
            size_t from = (at + i) * page;

            KILN_TRY(md5_of(&job->ctx, extent->bytes + from, page, wanted));
            if (memcmp(there + i * LIST_EACH, wanted, LIST_EACH) == 0) {
                mark(extent, from, from + page, KILN_PAGE_EQUAL);
                survey->pages_equal++;
            } else {
                survey->pages_different++;
            }
        }
    }
    return KILN_OK;
}

static enum kiln_status survey_by_digest(struct survey *survey)
{
    size_t page = survey->extent->page;
    size_t pages = survey->extent->size / page;
    bool equal = false;
    enum kiln_status status = survey_by_lists(survey);

    if (status != KILN_E_UNSUPPORTED)
        return status;
    for (size_t i = 0; i < SAMPLES && !equal && pages >= 2 * SAMPLES; i++)
        KILN_TRY(ask(survey, pages * (2 * i + 1) / (2 * SAMPLES) * page,
                     (pages * (2 * i + 1) / (2 * SAMPLES) + 1) * page, &equal));
    return descend(survey, 0, survey->extent->size, false);
}

static bool all_erased(const uint8_t *bytes, size_t size, uint8_t erased)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != erased)
            return false;
    return true;
}

/* Memory that is written once and holds a bit that is to be another cannot be brought to hold it. */
static enum kiln_status check_once(struct survey *survey, size_t from, const uint8_t *now,
                                   size_t size)
{
    const struct kiln_plan_extent *extent = survey->extent;

    if ((extent->region->flags & KILN_REGION_ONCE) == 0)
        return KILN_OK;
    for (size_t i = 0; i < size; i++) {
        uint8_t wanted = extent->bytes[from + i];

        if ((now[i] & wanted) == wanted)
            continue;
        (void)kiln_fail(&survey->job->ctx, KILN_E_REFUSED,
                        "%s at 0x%08llx holds 0x%02x for ever and cannot become 0x%02x",
                        extent->region->name, (unsigned long long)(extent->address + from + i),
                        now[i], wanted);
        return kiln_fail_at(&survey->job->ctx, extent->address + from + i);
    }
    return KILN_OK;
}

/* Marks what [from, from + size), now in `now`, tells of its pages: a page that differs anywhere is not
 * equal, and one that holds anything is not blank. */
static void judge(struct kiln_plan_extent *extent, size_t from, const uint8_t *now, size_t size)
{
    for (size_t at = from; at < from + size;) {
        size_t page = at / extent->page;
        size_t end = KILN_MIN((page + 1) * extent->page, from + size);

        if (memcmp(now + (at - from), extent->bytes + at, end - at) != 0)
            extent->covered[page] &= (uint8_t)~KILN_PAGE_EQUAL;
        if (!all_erased(now + (at - from), end - at, extent->region->erased))
            extent->covered[page] &= (uint8_t)~KILN_PAGE_BLANK;
        at = end;
    }
}

/* Small pages are read many at a time; of a large one no more than shows that it must be erased and
 * written, which is often its first block. */
static enum kiln_status survey_by_reading(struct survey *survey)
{
    struct kiln_plan_extent *extent = survey->extent;
    struct kiln_job *job = survey->job;
    uint8_t now[READ_LOOK];

    mark(extent, 0, extent->size, KILN_PAGE_EQUAL | KILN_PAGE_BLANK);
    for (size_t at = 0; at < extent->size;) {
        size_t size = KILN_MIN(extent->size - at, sizeof now);
        size_t page = at / extent->page, left = (page + 1) * extent->page - at;
        struct kiln_progress progress = kiln_job_op_progress(job);

        if ((extent->covered[page] & (KILN_PAGE_EQUAL | KILN_PAGE_BLANK)) == 0 &&
            (extent->region->flags & KILN_REGION_ONCE) == 0) {
            left = KILN_MIN(left, extent->size - at);
            kiln_job_op_done(job, left);
            at += left;
            continue;
        }
        KILN_TRY(job->loader->ops->read(job->loader, &job->ctx, extent->address + at, now, size,
                                        &progress));
        kiln_job_op_done(job, size);
        KILN_TRY(check_once(survey, at, now, size));
        judge(extent, at, now, size);
        at += size;
    }
    return KILN_OK;
}

/* Most gaps are blank, which a digest tells much faster than reading. */
static enum kiln_status gap_is_blank(struct kiln_job *job, const struct kiln_plan_gap *gap,
                                     uint8_t *bytes, bool *out_blank)
{
    uint8_t there[16], blank[16];

    *out_blank = false;
    if (!(job->loader->ops->info(job->loader)->caps & KILN_CAP_DIGEST))
        return KILN_OK;
    memset(bytes, job->plan.extents[gap->extent].region->erased, gap->size);
    KILN_TRY(md5_of(&job->ctx, bytes, gap->size, blank));
    KILN_TRY(job->loader->ops->digest(job->loader, &job->ctx, gap->address, gap->size, there));
    *out_blank = memcmp(there, blank, sizeof there) == 0;
    return KILN_OK;
}

static enum kiln_status fill_gaps(struct kiln_job *job)
{
    for (size_t i = 0; i < job->plan.gap_count; i++) {
        const struct kiln_plan_gap *gap = &job->plan.gaps[i];
        struct kiln_plan_extent *extent = &job->plan.extents[gap->extent];
        uint8_t *bytes = extent->bytes + (gap->address - extent->address);
        bool blank;

        KILN_TRY(gap_is_blank(job, gap, bytes, &blank));
        if (!blank)
            KILN_TRY(job->loader->ops->read(job->loader, &job->ctx, gap->address, bytes, gap->size,
                                            NULL));
    }
    return KILN_OK;
}

static uint64_t bytes_to_read(const struct kiln_plan *plan)
{
    uint64_t total = 0;

    for (size_t i = 0; i < plan->extent_count; i++)
        total += plan->extents[i].size;
    return total;
}

enum kiln_status kiln_job_survey(struct kiln_job *job)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    bool digest = (info->caps & KILN_CAP_DIGEST) != 0;
    bool wanted = !job->request.full && !job->request.erase_all;

    if (!(info->caps & KILN_CAP_READ) && !digest)
        return KILN_OK;
    kiln_job_begin_phase(job, KILN_PHASE_SURVEY, wanted && !digest ? bytes_to_read(&job->plan) : 0,
                         NULL);
    if (info->caps & KILN_CAP_READ)
        KILN_TRY(fill_gaps(job));
    for (size_t i = 0; i < job->plan.extent_count; i++) {
        struct survey survey = {.job = job, .extent = &job->plan.extents[i]};
        const struct kiln_region *region = survey.extent->region;

        if (!(region->access & KILN_REGION_READ) || survey.extent->encrypted ||
            (!wanted && !(region->flags & KILN_REGION_ONCE)))
            continue;
        KILN_TRY(digest ? survey_by_digest(&survey) : survey_by_reading(&survey));
    }
    return KILN_OK;
}

/* *out_blank: all of it is `erased`. */
static enum kiln_status holds_only(struct kiln_job *job, uint64_t address, uint64_t size,
                                   uint8_t erased, bool *out_blank)
{
    uint8_t now[READ_LOOK];

    *out_blank = true;
    for (uint64_t done = 0; done < size && *out_blank;) {
        size_t part = (size_t)KILN_MIN(size - done, (uint64_t)sizeof now);

        KILN_TRY(job->loader->ops->read(job->loader, &job->ctx, address + done, now, part, NULL));
        *out_blank = all_erased(now, part, erased);
        done += part;
    }
    return KILN_OK;
}

enum kiln_status kiln_job_is_blank(struct kiln_job *job, const struct kiln_region *region,
                                   uint64_t page, bool *out_blank)
{
    return holds_only(job, page, region->page, region->erased, out_blank);
}

enum kiln_status kiln_job_looks_erased(struct kiln_job *job, const struct kiln_region *region,
                                       uint64_t page, bool *out_blank)
{
    uint64_t look = KILN_MIN((uint64_t)region->page, (uint64_t)BLANK_LOOK);
    uint64_t places[] = {page, page + region->page - look};

    *out_blank = true;
    for (size_t i = 0; i < KILN_ARRAY_LEN(places) && *out_blank; i++) {
        KILN_TRY(holds_only(job, places[i], look, region->erased, out_blank));
        if (!*out_blank)
            KILN_TRY(holds_only(job, places[i], look, (uint8_t)~region->erased, out_blank));
    }
    return KILN_OK;
}

/* A wrong byte after a write is mended by another try, one found by verify alone by a first write. */
static enum kiln_hint mend_hint(const struct kiln_job *job)
{
    return job->request.verb == KILN_VERB_VERIFY ? KILN_HINT_FLASH_IT : KILN_HINT_RETRY_WRITE;
}

static enum kiln_status compare_by_reading(struct kiln_job *job, uint64_t address,
                                           const uint8_t *wanted, size_t size, uint8_t *scratch,
                                           bool *out_equal)
{
    for (size_t done = 0; done < size; done += READ_CHUNK) {
        size_t part = KILN_MIN(size - done, READ_CHUNK);
        struct kiln_progress progress = kiln_job_op_progress(job);

        KILN_TRY(job->loader->ops->read(job->loader, &job->ctx, address + done, scratch, part,
                                        &progress));
        kiln_job_op_done(job, part);
        for (size_t i = 0; i < part; i++) {
            if (scratch[i] == wanted[done + i])
                continue;
            *out_equal = false;
            (void)kiln_fail_hint(&job->ctx, KILN_E_VERIFY, mend_hint(job),
                                 "flash at 0x%08llx holds 0x%02x instead of 0x%02x",
                                 (unsigned long long)(address + done + i), scratch[i],
                                 wanted[done + i]);
            (void)kiln_fail_at(&job->ctx, address + done + i);
            return KILN_OK;
        }
    }
    *out_equal = true;
    return KILN_OK;
}

static enum kiln_status compare_by_digest(struct kiln_job *job, uint64_t address,
                                          const uint8_t *wanted, size_t size, bool *out_equal)
{
    uint8_t there[16], here[16];

    KILN_TRY(md5_of(&job->ctx, wanted, size, here));
    KILN_TRY(job->loader->ops->digest(job->loader, &job->ctx, address, size, there));
    kiln_job_op_done(job, size);
    *out_equal = memcmp(here, there, sizeof here) == 0;
    if (*out_equal)
        return KILN_OK;
    (void)kiln_fail_hint(&job->ctx, KILN_E_VERIFY, mend_hint(job),
                         "flash from 0x%08llx to 0x%08llx does not hold what it should",
                         (unsigned long long)address, (unsigned long long)(address + size - 1));
    (void)kiln_fail_at(&job->ctx, address);
    return KILN_OK;
}

static enum kiln_status compare_bytes(struct kiln_job *job, uint64_t address, const uint8_t *wanted,
                                      size_t size, bool *out_equal)
{
    uint8_t *scratch = malloc(READ_CHUNK);
    enum kiln_status status;

    if (scratch == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    status = compare_by_reading(job, address, wanted, size, scratch, out_equal);
    free(scratch);
    return status;
}

enum kiln_status kiln_job_compare(struct kiln_job *job, uint64_t address, const uint8_t *wanted,
                                  size_t size, bool *out_equal)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    bool digest = (info->caps & KILN_CAP_DIGEST) != 0;
    bool equal = false;
    enum kiln_status status = digest ? compare_by_digest(job, address, wanted, size, &equal)
                                     : compare_bytes(job, address, wanted, size, &equal);

    /* Who only compares wants to know where. */
    if (status == KILN_OK && !equal && digest && job->request.verb == KILN_VERB_VERIFY &&
        (info->caps & KILN_CAP_READ))
        status = compare_bytes(job, address, wanted, size, &equal);
    if (status == KILN_OK && out_equal != NULL)
        *out_equal = equal;
    else if (status == KILN_OK && !equal)
        status = KILN_E_VERIFY;
    return status;
}
