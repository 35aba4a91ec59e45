/* SPDX-License-Identifier: MIT */
/* Erasing the whole chip, or all of it in the course of a write: by the way that takes less time. */
#include "job/job_internal.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

/* Erasing sectors of this size takes as long in sum as a mass erase (F4 at x16: 4 x 0.3 + 0.7 + 7 x 1.3 s against
 * 11 s), while a blank one is read in a tenth of its erase time. Smaller pages take as long each as all together. */
#define SECTOR_MIN  16384u
#define DIGEST_MOST (1u << 20) /* in one question */

bool kiln_job_is_main_memory(const struct kiln_region *region)
{
    return (region->access & KILN_REGION_ERASE) != 0 && region->flags == 0;
}

struct erase_map {
    uint8_t *blank; /* a flag a page of the main memory, region after region */
    size_t pages;
    uint64_t total, bytes; /* of the main memory, and of its pages that are not blank */
    bool worth_looking;
};

static void measure(const struct kiln_target_info *info, struct erase_map *map)
{
    map->worth_looking = true;
    for (size_t i = 0; i < info->region_count; i++) {
        const struct kiln_region *region = &info->region[i];

        if (!kiln_job_is_main_memory(region))
            continue;
        map->pages += (size_t)(region->size / region->page);
        map->total += region->size;
        if (region->page < SECTOR_MIN || !(region->access & KILN_REGION_READ))
            map->worth_looking = false;
    }
    map->bytes = map->total;
}

static enum kiln_status look_for_blank(struct kiln_job *job, struct erase_map *map)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    size_t page = 0;

    for (size_t i = 0; i < info->region_count; i++) {
        const struct kiln_region *region = &info->region[i];

        for (uint64_t at = 0; kiln_job_is_main_memory(region) && at < region->size;
             at += region->page) {
            bool blank = false;

            if (region->access & KILN_REGION_READ)
                KILN_TRY(kiln_job_is_blank(job, region, region->start + at, &blank));
            map->blank[page++] = blank;
            map->bytes -= blank ? region->page : 0;
        }
    }
    return KILN_OK;
}

static enum kiln_status erase_pages(struct kiln_job *job, const struct erase_map *map)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    size_t page = 0;

    if (map->bytes == 0) {
        kiln_job_note(job, "all %llu KiB are empty already",
                      (unsigned long long)(map->total / 1024));
        return KILN_OK;
    }
    kiln_job_note(job, "%llu of %llu KiB hold something: only that is erased",
                  (unsigned long long)(map->bytes / 1024), (unsigned long long)(map->total / 1024));
    kiln_job_begin_phase(job, KILN_PHASE_ERASE, map->bytes, NULL);
    kiln_job_set_state(job, KILN_STATE_ERASED);
    for (size_t i = 0; i < info->region_count; i++) {
        const struct kiln_region *region = &info->region[i];

        for (uint64_t at = 0; kiln_job_is_main_memory(region) && at < region->size;
             at += region->page) {
            struct kiln_progress progress = kiln_job_op_progress(job);

            if (map->blank[page++])
                continue;
            KILN_TRY(job->loader->ops->erase(job->loader, &job->ctx, region->start + at,
                                             region->page, &progress));
            kiln_job_op_done(job, region->page);
        }
    }
    return KILN_OK;
}

/* Page by page where that is quicker or the only way, else by the command for all of it. */
static enum kiln_status erase_main_memory(struct kiln_job *job, struct erase_map *map)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    bool mass = job->loader->ops->erase_all != NULL && (info->caps & KILN_CAP_ERASE_ALL) != 0;
    bool paged = (info->caps & KILN_CAP_NEEDS_ERASE) != 0;

    if (!mass && !paged)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "this bootloader cannot erase the whole chip");
    if (paged && (info->caps & KILN_CAP_READ) != 0 && (map->worth_looking || !mass))
        KILN_TRY(look_for_blank(job, map));
    if (!mass || map->bytes < map->total)
        return erase_pages(job, map);
    kiln_job_begin_phase(job, KILN_PHASE_ERASE, 0, NULL);
    kiln_job_set_state(job, KILN_STATE_ERASED);
    return job->loader->ops->erase_all(job->loader, &job->ctx);
}

static enum kiln_status still_holds(struct kiln_job *job, enum kiln_hint hint, const char *what,
                                    uint64_t at)
{
    (void)kiln_fail_hint(&job->ctx, KILN_E_VERIFY, hint,
                         "the %s at 0x%08llx still holds data after it was erased", what,
                         (unsigned long long)at);
    return kiln_fail_at(&job->ctx, at);
}

static enum kiln_status check_by_digest(struct kiln_job *job, const struct kiln_region *region,
                                        uint64_t address, uint64_t size)
{
    size_t most = (size_t)KILN_MIN(size, (uint64_t)DIGEST_MOST);
    uint8_t *blank = malloc(most);
    enum kiln_status status = KILN_OK;

    if (blank == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    memset(blank, region->erased, most);
    for (uint64_t done = 0; done < size && status == KILN_OK;) {
        size_t part = (size_t)KILN_MIN(size - done, (uint64_t)most);
        bool equal;

        status = kiln_job_compare(job, address + done, blank, part, &equal);
        if (status == KILN_OK && !equal)
            status = still_holds(job, KILN_HINT_ERASE_AGAIN, "range", address + done);
        done += part;
    }
    free(blank);
    return status;
}

/* Boot ROMs and flash chips pass over what is write-protected and say nothing. */
enum kiln_status kiln_job_check_erased(struct kiln_job *job, const struct kiln_region *region,
                                       uint64_t address, uint64_t size)
{
    unsigned needed = KILN_CAP_NEEDS_ERASE | KILN_CAP_READ;

    if (job->loader->ops->info(job->loader)->caps & KILN_CAP_DIGEST)
        return check_by_digest(job, region, address, size);
    if ((job->loader->ops->info(job->loader)->caps & needed) != needed ||
        (region->access & KILN_REGION_READ) == 0)
        return KILN_OK;
    for (uint64_t at = address; at < address + size; at += region->page) {
        bool blank;

        KILN_TRY(kiln_job_looks_erased(job, region, at, &blank));
        if (!blank)
            return still_holds(job, KILN_HINT_WRITE_PROTECTED, "page", at);
    }
    return KILN_OK;
}

static enum kiln_status erase_and_check(struct kiln_job *job)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    struct erase_map map = {0};
    enum kiln_status status;

    measure(info, &map);
    map.blank = calloc(map.pages + 1, 1);
    if (map.blank == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    status = erase_main_memory(job, &map);
    free(map.blank);
    if (status != KILN_OK)
        return kiln_while(&job->ctx, "while erasing the whole chip");
    job->result.erased += map.bytes;
    for (size_t i = 0; i < info->region_count; i++)
        if (kiln_job_is_main_memory(&info->region[i]))
            KILN_TRY(kiln_job_check_erased(job, &info->region[i], info->region[i].start,
                                           info->region[i].size));
    return KILN_OK;
}

enum kiln_status kiln_job_erase_chip(struct kiln_job *job)
{
    if (job->loader->ops->info(job->loader)->read_protected)
        return kiln_fail_hint(&job->ctx, KILN_E_REFUSED, KILN_HINT_READ_PROTECTED,
                              "cannot erase: the chip's read protection is on");
    if (job->request.dry_run) {
        kiln_job_note(job, "the whole chip would be erased");
        return KILN_OK;
    }
    return erase_and_check(job);
}

/* ---- instead of many pages ---- */

#define PAGE_MAX    4096u /* pages of this size take about PAGE_MS each, or all together */
#define PAGE_MS     22u   /* typical of F0, F1, F3, G0, G4, L4: 20 to 30 ms */
#define READ_PER_MS 800u  /* bytes over full-speed USB */
#define SURE_MS     50u   /* what is to be gained at least */

/* Is it the memory of a boot ROM of ST's, whose command for all of it spares nothing else than what is here? */
static bool is_all_small_pages(const struct kiln_target_info *info)
{
    unsigned caps =
        KILN_CAP_ERASE_ALL | KILN_CAP_NEEDS_ERASE | KILN_CAP_READ | KILN_CAP_OPTION_BYTES;
    unsigned access = KILN_REGION_READ | KILN_REGION_ERASE | KILN_REGION_WRITE;
    bool any = false;

    if ((info->caps & caps) != caps)
        return false;
    for (size_t i = 0; i < info->region_count; i++) {
        const struct kiln_region *region = &info->region[i];

        bool other = region->alt != info->region[0].alt; /* which the command may spare */

        if (region->flags != 0 || (other && !kiln_job_is_main_memory(region)))
            continue;
        if (other || (region->access & access) != access || region->page > PAGE_MAX ||
            region->erased == 0)
            return false;
        any = true;
    }
    return any;
}

static bool is_in_plan(const struct kiln_plan *plan, uint64_t address)
{
    for (size_t i = 0; i < plan->extent_count; i++)
        if (address >= plan->extents[i].address &&
            address - plan->extents[i].address < plan->extents[i].size)
            return true;
    return false;
}

static enum kiln_status rest_is_blank(struct kiln_job *job, bool *out_blank)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);

    *out_blank = true;
    for (size_t i = 0; i < info->region_count; i++) {
        const struct kiln_region *region = &info->region[i];

        for (uint64_t at = region->start;
             kiln_job_is_main_memory(region) && *out_blank && at < region->start + region->size;
             at += region->page)
            if (!is_in_plan(&job->plan, at))
                KILN_TRY(kiln_job_is_blank(job, region, at, out_blank));
    }
    return KILN_OK;
}

enum kiln_status kiln_job_erase_at_once(struct kiln_job *job, bool *out_erased)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    const struct kiln_plan *plan = &job->plan;
    uint64_t pages_ms, rest_ms, total = 0;
    bool blank;

    *out_erased = false;
    if (!is_all_small_pages(info) || plan->skip_bytes > 0)
        return KILN_OK;
    for (size_t i = 0; i < info->region_count; i++)
        total += kiln_job_is_main_memory(&info->region[i]) ? info->region[i].size : 0;
    pages_ms = plan->erase_bytes / info->region[0].page * PAGE_MS;
    rest_ms = (total - KILN_MIN(total, plan->erase_bytes)) / READ_PER_MS;
    if (pages_ms < rest_ms + SURE_MS)
        return KILN_OK;
    KILN_TRY(rest_is_blank(job, &blank));
    if (!blank)
        return KILN_OK;
    kiln_job_set_state(job, KILN_STATE_ERASED);
    if (job->loader->ops->erase_all(job->loader, &job->ctx) != KILN_OK)
        return kiln_while(&job->ctx, "while erasing the whole chip");
    job->result.erased += plan->erase_bytes;
    *out_erased = true;
    return KILN_OK;
}
