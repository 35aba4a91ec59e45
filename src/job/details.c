/* SPDX-License-Identifier: MIT */
/* What `kiln info` tells of an ESP chip beside who it is: its protection, its flash, and the header of the bootloader
 * that is there now. */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "chip/esp.h"
#include "image/esp.h"
#include "image/esp_build.h"

static const char *or_none(const char *name)
{
    return name != NULL ? name : "";
}

static enum kiln_status view_boot_header(struct kiln_job *job)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    const struct kiln_esp_facts *facts = info->chip->esp;
    uint8_t head[KILN_ESP_EXTENDED_HEADER];

    KILN_TRY(job->loader->ops->read(job->loader, &job->ctx, facts->boot_offset, head, sizeof head,
                                    NULL));
    if (!kiln_esp_header_fits(head, sizeof head) ||
        kiln_esp_header_chip(head, sizeof head) != info->chip)
        return KILN_OK; /* nothing there, or nothing that can be read plain */
    job->boot_header = (struct kiln_event_boot_header){
        .mode = or_none(kiln_esp_mode_name(head[2])),
        .frequency = or_none(kiln_esp_code_name(facts->frequencies, head[3] & 0x0fu)),
        .size = or_none(kiln_esp_code_name(facts->sizes, head[3] & 0xf0u)),
    };
    job->target.boot_header = &job->boot_header;
    return KILN_OK;
}

enum kiln_status kiln_job_view_details(struct kiln_job *job)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);

    if (job->loader->ops->details == NULL)
        return KILN_OK;
    KILN_TRY(kiln_job_spare(job, job->loader->ops->details(job->loader, &job->ctx, &job->details),
                            "details cannot be read"));
    if (job->details.has_security)
        job->target.security = &job->details.security;
    if (job->details.has_flash)
        job->target.flash = &job->details.flash;
    if (!job->details.has_flash || info->chip == NULL || info->chip->esp == NULL ||
        !(info->caps & KILN_CAP_READ))
        return KILN_OK;
    return kiln_job_spare(job, view_boot_header(job), "the bootloader's header cannot be read");
}
