/* SPDX-License-Identifier: MIT */
/* Erasing the whole chip, or all of it in the course of a write: by the way that takes less time. */
#include "job/job_internal.h"

#include "base/bytes.h"

#include <stdlib.h>

/* Erasing sectors of this size takes as long in sum as a mass erase (F4 at x16: 4 x 0.3 + 0.7 + 7 x 1.3 s against
 * 11 s), while a blank one is read in a tenth of its erase time. Smaller pages take as long each as all together. */
#define SECTOR_MIN 16384u

static bool is_main_memory(const struct kiln_region *region)
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

        if (!is_main_memory(region))
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

        for (uint64_t at = 0; is_main_memory(region) && at < region->size; at += region->page) {
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
    for (size_t i = 0; i < info->region_count; i++) {
        const struct kiln_region *region = &info->region[i];

        for (uint64_t at = 0; is_main_memory(region) && at < region->size; at += region->page) {
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
    bool paged = (info->caps & KILN_CAP_NEEDS_ERASE) != 0 && map->blank != NULL;

    if (!mass && !paged)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "this bootloader cannot erase the whole chip");
    if (paged && (info->caps & KILN_CAP_READ) != 0 && (map->worth_looking || !mass))
        KILN_TRY(look_for_blank(job, map));
    if (!mass || map->bytes < map->total)
        return erase_pages(job, map);
    kiln_job_begin_phase(job, KILN_PHASE_ERASE, 0, NULL);
    return job->loader->ops->erase_all(job->loader, &job->ctx);
}

/* Boot ROMs pass over what is write-protected and say nothing. */
enum kiln_status kiln_job_check_erased(struct kiln_job *job, const struct kiln_region *region,
                                       uint64_t address, uint64_t size)
{
    unsigned needed = KILN_CAP_NEEDS_ERASE | KILN_CAP_READ;

    if ((job->loader->ops->info(job->loader)->caps & needed) != needed ||
        (region->access & KILN_REGION_READ) == 0)
        return KILN_OK;
    for (uint64_t at = address; at < address + size; at += region->page) {
        bool blank;

        KILN_TRY(kiln_job_looks_erased(job, region, at, &blank));
        if (blank)
            continue;
        (void)kiln_fail_hint(&job->ctx, KILN_E_VERIFY, KILN_HINT_WRITE_PROTECTED,
                             "the page at 0x%08llx still holds data after it was erased",
                             (unsigned long long)at);
        return kiln_fail_at(&job->ctx, at);
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
        if (is_main_memory(&info->region[i]))
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
    kiln_job_set_state(job, KILN_STATE_ERASED);
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

        if (region->flags != 0 || region->alt != info->region[0].alt)
            continue;
        if ((region->access & access) != access || region->page > PAGE_MAX || region->erased == 0)
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
             is_main_memory(region) && *out_blank && at < region->start + region->size;
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
        total += is_main_memory(&info->region[i]) ? info->region[i].size : 0;
    pages_ms = plan->erase_bytes / info->region[0].page * PAGE_MS;
    rest_ms = (total - KILN_MIN(total, plan->erase_bytes)) / READ_PER_MS;
    if (pages_ms < rest_ms + SURE_MS)
        return KILN_OK;
    KILN_TRY(rest_is_blank(job, &blank));
    if (!blank)
        return KILN_OK;
    kiln_job_set_state(job, KILN_STATE_ERASED);
    KILN_TRY(job->loader->ops->erase_all(job->loader, &job->ctx));
    job->result.erased += plan->erase_bytes;
    *out_erased = true;
    return KILN_OK;
}
