/* SPDX-License-Identifier: MIT */
/* The verbs that take no file: read, erase, reset. */
#include "job/job_internal.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The largest read that is held in memory. */
#define READ_MAX ((uint64_t)1 << 30)

struct span {
    uint64_t address, size;
};

/* The first of this name, or that of them which holds the address. */
static const struct kiln_region *region_named(const struct kiln_target_info *info, const char *name,
                                              uint64_t address)
{
    const struct kiln_region *first = NULL;

    for (size_t i = 0; i < info->region_count; i++) {
        const struct kiln_region *region = &info->region[i];

        if (strcasecmp(region->name, name) != 0)
            continue;
        if (address >= region->start && address - region->start < region->size)
            return region;
        if (first == NULL)
            first = region;
    }
    return first;
}

/* Where the contiguous memory of the same name and kind that holds region `index` ends. */
static uint64_t end_of_memory(const struct kiln_target_info *info, const struct kiln_region *region)
{
    uint64_t end = region->start + region->size;

    for (size_t i = 0; i < info->region_count; i++)
        if (info->region[i].start == end && strcmp(info->region[i].name, region->name) == 0)
            end += info->region[i].size;
    return end;
}

static enum kiln_status no_such_region(struct kiln_job *job, const struct kiln_target_info *info)
{
    char names[200] = "";

    for (size_t i = 0; i < info->region_count; i++) {
        size_t length = strlen(names);

        if (strstr(names, info->region[i].name) == NULL)
            snprintf(names + length, sizeof names - length, "%s%s", length > 0 ? ", " : "",
                     info->region[i].name);
    }
    for (size_t i = 0; i < job->partition_count; i++) {
        size_t length = strlen(names);

        snprintf(names + length, sizeof names - length, ", %s", job->partitions[i].label);
    }
    return kiln_fail(&job->ctx, KILN_E_ARG, "the board has no region or partition '%s'; it has %s",
                     job->request.region, names);
}

/* A name that is no region may be a partition of an ESP chip. */
static enum kiln_status named_span(struct kiln_job *job, const struct kiln_target_info *info,
                                   struct span *out_span)
{
    const struct kiln_region *region =
        region_named(info, job->request.region, job->request.address);
    const struct kiln_esp_partition *partition;

    if (region != NULL) {
        *out_span = (struct span){region->start, end_of_memory(info, region) - region->start};
        return KILN_OK;
    }
    KILN_TRY(kiln_job_partitions(job));
    KILN_TRY(kiln_job_partition_once(job, job->request.region));
    partition = kiln_job_partition(job, job->request.region);
    if (partition == NULL)
        return no_such_region(job, info);
    *out_span = (struct span){partition->offset, partition->size};
    return KILN_OK;
}

/* The memory that holds the address, from there to its end. */
static enum kiln_status span_from(struct kiln_job *job, const struct kiln_target_info *info,
                                  uint64_t address, struct span *out_span)
{
    for (size_t i = 0; i < info->region_count; i++)
        if (address >= info->region[i].start &&
            address - info->region[i].start < info->region[i].size) {
            *out_span = (struct span){address, end_of_memory(info, &info->region[i]) - address};
            return KILN_OK;
        }
    (void)kiln_fail(&job->ctx, KILN_E_ARG, "the board has no memory at 0x%08llx",
                    (unsigned long long)address);
    return kiln_fail_at(&job->ctx, address);
}

/* From address, length and region of the request to a range of the device; what has a name is not left. */
static enum kiln_status choose_span(struct kiln_job *job, struct span *out_span)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    const struct kiln_request *request = &job->request;
    struct span named = {0};
    uint64_t address = request->address;

    if (info->region_count == 0)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED, "nothing is known of the board's memory");
    if (request->region != NULL) {
        KILN_TRY(named_span(job, info, &named));
        if (address == KILN_NO_ADDRESS)
            address = named.address;
        if (address < named.address || address - named.address >= named.size ||
            request->length > named.size - (address - named.address))
            return kiln_fail(&job->ctx, KILN_E_ARG,
                             "%s reaches from 0x%08llx to 0x%08llx, and what is asked for does not "
                             "lie in it",
                             request->region, (unsigned long long)named.address,
                             (unsigned long long)(named.address + named.size - 1));
        named.size -= address - named.address;
        named.address = address;
    } else {
        if (address == KILN_NO_ADDRESS)
            address = info->region[0].start;
        if (request->length > UINT64_MAX - address)
            return kiln_fail(&job->ctx, KILN_E_ARG, "there are no %llu bytes behind 0x%08llx",
                             (unsigned long long)request->length, (unsigned long long)address);
        named.address = address;
        if (request->length == 0)
            KILN_TRY(span_from(job, info, address, &named));
    }
    if (request->length > 0)
        named.size = request->length;
    *out_span = named;
    return KILN_OK;
}

/* Loader ops stay within one region. */
static enum kiln_status part_in_region(struct kiln_job *job, uint64_t address, uint64_t end,
                                       uint8_t access, const struct kiln_region **out_region,
                                       uint64_t *out_end)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);

    for (size_t i = 0; i < info->region_count; i++) {
        const struct kiln_region *region = &info->region[i];

        if (address < region->start || address - region->start >= region->size)
            continue;
        if (!(region->access & access))
            return kiln_fail(&job->ctx, KILN_E_REFUSED, "%s at 0x%08llx cannot be %s", region->name,
                             (unsigned long long)address,
                             access == KILN_REGION_READ ? "read" : "erased");
        *out_region = region;
        *out_end = KILN_MIN(end, region->start + region->size);
        return KILN_OK;
    }
    (void)kiln_fail(&job->ctx, KILN_E_ARG, "the board has no memory at 0x%08llx",
                    (unsigned long long)address);
    return kiln_fail_at(&job->ctx, address);
}

enum kiln_status kiln_job_read(struct kiln_job *job)
{
    struct span span = {0};
    uint64_t at, end;

    KILN_TRY(choose_span(job, &span));
    if (job->loader->ops->read == NULL)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED, "this bootloader cannot read the flash");
    if (span.size > READ_MAX)
        return kiln_fail(&job->ctx, KILN_E_ARG, "%llu bytes are more than one read may take",
                         (unsigned long long)span.size);
    job->data = malloc((size_t)span.size + 1);
    if (job->data == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    kiln_job_begin_phase(job, KILN_PHASE_READ, span.size, NULL);
    end = span.address + span.size;
    for (at = span.address; at < end;) {
        struct kiln_progress progress = kiln_job_op_progress(job);
        const struct kiln_region *region;
        uint64_t stop;

        KILN_TRY(part_in_region(job, at, end, KILN_REGION_READ, &region, &stop));
        if (job->loader->ops->read(job->loader, &job->ctx, at, job->data + (at - span.address),
                                   (size_t)(stop - at), &progress) != KILN_OK)
            return kiln_while(&job->ctx, "while reading 0x%08llx", (unsigned long long)at);
        kiln_job_op_done(job, stop - at);
        at = stop;
    }
    job->result.data = job->data;
    job->result.data_len = (size_t)span.size;
    return KILN_OK;
}

/* Only whole pages can be erased; which ones these are is said, so that they can be asked for. */
static enum kiln_status check_pages(struct kiln_job *job, const struct kiln_region *region,
                                    uint64_t from, uint64_t to)
{
    uint64_t first = region->start + kiln_round_down(from - region->start, region->page);
    uint64_t last = region->start + kiln_round_up(to - region->start, region->page);

    if (first == from && last == to)
        return KILN_OK;
    (void)kiln_fail(&job->ctx, KILN_E_ARG,
                    "only whole pages of %u bytes can be erased: 0x%llx-0x%llx lies in those from "
                    "0x%llx to 0x%llx, which -a 0x%llx -s 0x%llx erases with all that is in them",
                    (unsigned)region->page, (unsigned long long)from, (unsigned long long)(to - 1),
                    (unsigned long long)first, (unsigned long long)(last - 1),
                    (unsigned long long)first, (unsigned long long)(last - first));
    return kiln_fail_at(&job->ctx, from);
}

static enum kiln_status check_special(struct kiln_job *job, const struct kiln_region *region,
                                      uint64_t at)
{
    if (job->request.force || (region->flags & (KILN_REGION_OPTION | KILN_REGION_ONCE)) == 0)
        return KILN_OK;
    (void)kiln_fail_hint(
        &job->ctx, KILN_E_REFUSED, KILN_HINT_FORCE, "0x%08llx lies in %s, which %s",
        (unsigned long long)at,
        (region->flags & KILN_REGION_ONCE) != 0 ? "one-time memory" : "the option bytes",
        (region->flags & KILN_REGION_ONCE) != 0 ? "can only be written"
                                                : "can lock the chip for ever when they are empty");
    return kiln_fail_at(&job->ctx, at);
}

static enum kiln_status check_range(struct kiln_job *job, uint64_t from, uint64_t end)
{
    while (from < end) {
        const struct kiln_region *region;
        uint64_t stop;

        KILN_TRY(part_in_region(job, from, end, KILN_REGION_ERASE, &region, &stop));
        KILN_TRY(check_special(job, region, from));
        KILN_TRY(check_pages(job, region, from, stop));
        from = stop;
    }
    return KILN_OK;
}

static enum kiln_status erase_range(struct kiln_job *job)
{
    struct span span = {0};
    uint64_t end;

    KILN_TRY(choose_span(job, &span));
    end = span.address + span.size;
    KILN_TRY(check_range(job, span.address, end));
    if (job->request.dry_run) {
        kiln_job_note(job, "0x%08llx-0x%08llx would be erased", (unsigned long long)span.address,
                      (unsigned long long)(end - 1));
        return KILN_OK;
    }
    kiln_job_begin_phase(job, KILN_PHASE_ERASE, span.size, NULL);
    for (uint64_t at = span.address; at < end;) {
        struct kiln_progress progress = kiln_job_op_progress(job);
        const struct kiln_region *region;
        uint64_t stop;

        KILN_TRY(part_in_region(job, at, end, KILN_REGION_ERASE, &region, &stop));
        kiln_job_set_state(job, KILN_STATE_ERASED);
        if (job->loader->ops->erase(job->loader, &job->ctx, at, stop - at, &progress) != KILN_OK)
            return kiln_while(&job->ctx, "while erasing 0x%08llx", (unsigned long long)at);
        kiln_job_op_done(job, stop - at);
        job->result.erased += stop - at;
        KILN_TRY(kiln_job_check_erased(job, region, at, stop - at));
        at = stop;
    }
    job->running = "reset";
    return KILN_OK;
}

static enum kiln_status unprotect(struct kiln_job *job)
{
    if (job->loader->ops->unprotect == NULL)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "this bootloader has no read protection to remove");
    if (job->request.dry_run) {
        kiln_job_note(job, "read protection would be removed and the whole chip erased");
        return KILN_OK;
    }
    kiln_job_begin_phase(job, KILN_PHASE_ERASE, 0, NULL);
    kiln_job_set_state(job, KILN_STATE_ERASED);
    return job->loader->ops->unprotect(job->loader, &job->ctx);
}

enum kiln_status kiln_job_erase(struct kiln_job *job)
{
    if (job->request.unprotect)
        KILN_TRY(unprotect(job));
    else if (job->request.erase_all)
        KILN_TRY(kiln_job_erase_chip(job));
    else
        return erase_range(job);
    if (!job->request.dry_run)
        job->running = "not running: its flash is empty";
    return KILN_OK;
}

enum kiln_status kiln_job_reset(struct kiln_job *job)
{
    char name[128];

    if (job->loader != NULL)
        return job->loader->ops->leave(job->loader, &job->ctx);
    kiln_link_describe(job->byte_link, name, sizeof name);
    if (!(kiln_link_caps(job->byte_link) & KILN_LINK_LINES))
        return kiln_fail_hint(&job->ctx, KILN_E_UNSUPPORTED, KILN_HINT_NONE,
                              "%s has no reset line; press the board's reset button", name);
    /* EN low for 100 ms with GPIO0 high: the auto-reset circuit of every ESP board; others ignore it. */
    KILN_TRY(kiln_link_set_lines(job->byte_link, &job->ctx, KILN_LINE_DTR | KILN_LINE_RTS,
                                 KILN_LINE_RTS));
    KILN_TRY(kiln_sleep_ms(&job->ctx, 100));
    return kiln_link_set_lines(job->byte_link, &job->ctx, KILN_LINE_DTR | KILN_LINE_RTS, 0);
}
