/* SPDX-License-Identifier: MIT */
/* Application slots of an ESP chip: what is in them, which one starts, and making another one start. */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "image/esp.h"
#include "image/esp_ota.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_APP        0u
#define TYPE_DATA       1u
#define SUBTYPE_FACTORY 0x00u
#define SUBTYPE_OTA_0   0x10u
#define SUBTYPE_OTA_MAX 0x1fu
#define SUBTYPE_OTADATA 0x00u

static bool is_ota(const struct kiln_esp_partition *partition)
{
    return partition->type == TYPE_APP && partition->subtype >= SUBTYPE_OTA_0 &&
           partition->subtype <= SUBTYPE_OTA_MAX;
}

static const struct kiln_esp_partition *find_type(const struct kiln_job *job, uint8_t type,
                                                  uint8_t subtype)
{
    for (size_t i = 0; i < job->partition_count; i++)
        if (job->partitions[i].type == type && job->partitions[i].subtype == subtype)
            return &job->partitions[i];
    return NULL;
}

static unsigned count_slots(const struct kiln_job *job)
{
    unsigned slots = 0;

    for (size_t i = 0; i < job->partition_count; i++)
        slots += is_ota(&job->partitions[i]);
    return slots;
}

/* otadata as it is on the board; NULL if the table has none or it is too small. */
static enum kiln_status read_otadata(struct kiln_job *job,
                                     struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES],
                                     const struct kiln_esp_partition **out_otadata)
{
    const struct kiln_esp_partition *otadata = find_type(job, TYPE_DATA, SUBTYPE_OTADATA);

    *out_otadata = NULL;
    if (otadata == NULL || otadata->size < KILN_OTADATA_ENTRIES * KILN_OTADATA_SECTOR)
        return KILN_OK;
    for (unsigned i = 0; i < KILN_OTADATA_ENTRIES; i++) {
        uint8_t bytes[KILN_OTADATA_SIZE];

        KILN_TRY(job->loader->ops->read(job->loader, &job->ctx,
                                        otadata->offset + i * KILN_OTADATA_SECTOR, bytes,
                                        sizeof bytes, NULL));
        kiln_otadata_parse(bytes, &entry[i]);
    }
    *out_otadata = otadata;
    return KILN_OK;
}

/* Without a word from otadata the bootloader starts the factory application, or else the first slot. */
static const struct kiln_esp_partition *
slot_of(const struct kiln_job *job, const struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES])
{
    unsigned slots = count_slots(job);
    int active = entry != NULL && slots > 0 ? kiln_otadata_active(entry) : -1;
    const struct kiln_esp_partition *slot = NULL;

    if (active >= 0)
        slot = find_type(job, TYPE_APP,
                         (uint8_t)(SUBTYPE_OTA_0 + kiln_otadata_slot(&entry[active], slots)));
    if (slot == NULL)
        slot = find_type(job, TYPE_APP, SUBTYPE_FACTORY);
    return slot != NULL ? slot : find_type(job, TYPE_APP, SUBTYPE_OTA_0);
}

static enum kiln_status named_slot(struct kiln_job *job, const struct kiln_esp_partition **out_slot)
{
    const char *name = job->request.boot_slot;
    char *end;
    unsigned long number = strtoul(name, &end, 10);

    *out_slot = kiln_job_partition(job, name);
    if (*out_slot == NULL && end != name && *end == '\0' && number < 16)
        *out_slot = find_type(job, TYPE_APP, (uint8_t)(SUBTYPE_OTA_0 + number));
    if (*out_slot != NULL && (is_ota(*out_slot) || ((*out_slot)->type == TYPE_APP &&
                                                    (*out_slot)->subtype == SUBTYPE_FACTORY)))
        return KILN_OK;
    if (*out_slot != NULL)
        return kiln_fail(&job->ctx, KILN_E_ARG,
                         "partition '%s' is not one that the bootloader starts", name);
    return kiln_job_no_partition(job, name);
}

enum kiln_status kiln_job_boot_slot(struct kiln_job *job,
                                    const struct kiln_esp_partition **out_slot)
{
    struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES];
    const struct kiln_esp_partition *otadata = NULL;

    if (job->request.boot_slot != NULL)
        return named_slot(job, out_slot);
    if (job->partitions_read)
        KILN_TRY(read_otadata(job, entry, &otadata));
    *out_slot = slot_of(job, otadata != NULL ? entry : NULL);
    return KILN_OK;
}

/* ---- another slot ---- */

static bool image_goes_to(const struct kiln_job *job, uint64_t address)
{
    for (size_t i = 0; i < job->image_count; i++)
        for (size_t k = 0; k < kiln_image_segment_count(job->images[i]); k++)
            if (kiln_image_segment(job->images[i], k)->address == address)
                return true;
    return false;
}

/* A slot without application would leave the board on another one, or on none. */
static enum kiln_status check_slot(struct kiln_job *job, const struct kiln_esp_partition *slot)
{
    uint8_t head[4];

    if (job->request.force || image_goes_to(job, slot->offset))
        return KILN_OK;
    KILN_TRY(job->loader->ops->read(job->loader, &job->ctx, slot->offset, head, sizeof head, NULL));
    if (head[0] == KILN_ESP_MAGIC)
        return KILN_OK;
    return kiln_fail_hint(&job->ctx, KILN_E_REFUSED, KILN_HINT_FORCE,
                          "partition %s holds no application, so the board could not start it",
                          slot->label);
}

/* The sector of otadata that is to be written so that `slot` starts. The one that counts now is left alone, so
 * that a power cut leaves a board that starts; if it selects the slot already it is written as it is. */
static enum kiln_status select_slot(struct kiln_job *job, const struct kiln_esp_partition *slot,
                                    const struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES],
                                    const struct kiln_esp_partition *otadata,
                                    uint8_t bytes[KILN_OTADATA_SECTOR], uint64_t *out_address)
{
    unsigned slots = count_slots(job), wanted = slot->subtype - SUBTYPE_OTA_0;
    int active = kiln_otadata_active(entry);
    uint32_t sequence;

    if (wanted >= slots)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "the table has %u OTA slots and no numbering that reaches %s", slots,
                         slot->label);
    if (active >= 0 && kiln_otadata_slot(&entry[active], slots) == wanted) {
        kiln_job_note(job, "otadata selects %s already", slot->label);
        *out_address = otadata->offset + (unsigned)active * KILN_OTADATA_SECTOR;
        return job->loader->ops->read(job->loader, &job->ctx, *out_address, bytes,
                                      KILN_OTADATA_SECTOR, NULL);
    }
    if (!kiln_otadata_next(entry, slots, wanted, &sequence))
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "otadata's sequence numbers are used up (0x%x); erase the otadata "
                         "partition and try again",
                         (unsigned)entry[active].sequence);
    memset(bytes, 0xff, KILN_OTADATA_SECTOR);
    kiln_otadata_make(sequence, bytes);
    *out_address = otadata->offset + (active == 0 ? KILN_OTADATA_SECTOR : 0);
    kiln_job_note(job, "otadata entry %u gets sequence %u: %s starts from now on", active == 0,
                  (unsigned)sequence, slot->label);
    return KILN_OK;
}

static enum kiln_status make_image(struct kiln_job *job, uint64_t address, const uint8_t *bytes,
                                   size_t size, struct kiln_image **out_image)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_error error = {0};

    options.address = address;
    options.raw = true;
    if (kiln_image_parse("otadata", bytes, size, &options, out_image, &error) == KILN_OK)
        return KILN_OK;
    job->ctx.error = error;
    return error.status;
}

enum kiln_status kiln_job_boot_image(struct kiln_job *job, struct kiln_image **out_image)
{
    struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES];
    const struct kiln_esp_partition *slot = NULL, *otadata = NULL;
    uint8_t bytes[KILN_OTADATA_ENTRIES * KILN_OTADATA_SECTOR];
    uint64_t address = KILN_NO_ADDRESS;

    if (!(job->loader->ops->info(job->loader)->caps & KILN_CAP_READ))
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "the flash cannot be read, so nobody knows which slot starts now");
    KILN_TRY(kiln_job_partitions(job));
    KILN_TRY(named_slot(job, &slot));
    KILN_TRY(read_otadata(job, entry, &otadata));
    if (otadata == NULL)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "the partition table has no otadata of two sectors, so the bootloader "
                         "always starts the same slot");
    KILN_TRY(check_slot(job, slot));
    if (!is_ota(slot)) {
        memset(bytes, 0xff, sizeof bytes);
        kiln_job_note(job, "otadata becomes blank: %s starts from now on", slot->label);
        return make_image(job, otadata->offset, bytes, sizeof bytes, out_image);
    }
    KILN_TRY(select_slot(job, slot, entry, otadata, bytes, &address));
    return make_image(job, address, bytes, KILN_OTADATA_SECTOR, out_image);
}

/* ---- what there is ---- */

static enum kiln_status view_app(struct kiln_job *job, size_t index)
{
    const struct kiln_esp_partition *partition = &job->partitions[index];
    struct kiln_job_app *app = &job->apps[index];
    uint8_t head[KILN_APP_HEAD];

    if (partition->size < sizeof head)
        return KILN_OK;
    KILN_TRY(
        job->loader->ops->read(job->loader, &job->ctx, partition->offset, head, sizeof head, NULL));
    app->view.found = head[0] == KILN_ESP_MAGIC;
    app->view.described =
        app->view.found && kiln_app_descriptor_parse(head + 32, sizeof head - 32, &app->descriptor);
    app->view.project = app->descriptor.project;
    app->view.version = app->descriptor.version;
    app->view.date = app->descriptor.date;
    app->view.time = app->descriptor.time;
    app->view.idf = app->descriptor.idf;
    app->view.secure_version = app->descriptor.secure_version;
    app->view.elf_sha256 = app->descriptor.elf_sha256;
    app->view.min_revision = kiln_le16(head + 15);
    app->view.max_revision = kiln_le16(head + 17);
    job->partition_view[index].app = &app->view;
    return KILN_OK;
}

static enum kiln_status view_apps(struct kiln_job *job)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    uint64_t flash = info->region_count > 0 ? info->region[0].size : 0;
    char what[64];

    for (size_t i = 0; i < job->partition_count; i++) {
        const struct kiln_esp_partition *partition = &job->partitions[i];

        snprintf(what, sizeof what, "partition %s cannot be read", partition->label);
        if ((uint64_t)partition->offset + partition->size > flash)
            kiln_job_note(job, "partition %s ends behind the flash", partition->label);
        else if (partition->type == TYPE_APP)
            KILN_TRY(kiln_job_spare(job, view_app(job, i), what));
    }
    return KILN_OK;
}

enum kiln_status kiln_job_view_slots(struct kiln_job *job)
{
    struct kiln_otadata_entry entry[KILN_OTADATA_ENTRIES];
    const struct kiln_esp_partition *otadata = NULL, *slot;
    enum kiln_status status;

    job->apps = calloc(job->partition_count + 1, sizeof *job->apps);
    if (job->apps == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    KILN_TRY(view_apps(job));
    status = read_otadata(job, entry, &otadata);
    if (status != KILN_OK) /* then which one starts is not known */
        return kiln_job_spare(job, status, "otadata cannot be read");
    for (unsigned i = 0; otadata != NULL && i < KILN_OTADATA_ENTRIES; i++)
        job->otadata_view[i] = (struct kiln_event_otadata){
            .blank = entry[i].blank,
            .crc_right = entry[i].crc_right,
            .selects = entry[i].selects,
            .sequence = entry[i].sequence,
            .state = kiln_otadata_state_name(entry[i].state),
        };
    if (otadata != NULL) {
        job->target.otadata = job->otadata_view;
        job->target.otadata_count = KILN_OTADATA_ENTRIES;
    }
    slot = slot_of(job, otadata != NULL ? entry : NULL);
    job->target.boots = slot != NULL ? slot->label : "";
    return KILN_OK;
}
