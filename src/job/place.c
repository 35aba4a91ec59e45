/* SPDX-License-Identifier: MIT */
/*
 * Where files without an address belong on an ESP chip: the bootloader at its fixed place, the table at
 * 0x8000, an application in the partition that starts, anything in the partition the user names. The
 * partition table is that of the files at hand, else the board's own.
 */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "chip/esp.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define TABLE_OFFSET  0x8000u
#define TABLE_SIZE    0xc00u
#define OTADATA_ENTRY 32u
#define OTADATA_PAGE  0x1000u

#define TYPE_APP        0u
#define TYPE_DATA       1u
#define SUBTYPE_FACTORY 0x00u
#define SUBTYPE_OTA_0   0x10u
#define SUBTYPE_OTA_MAX 0x1fu
#define SUBTYPE_OTADATA 0x00u

static enum kiln_status copy_partitions(struct kiln_job *job, const struct kiln_image *image)
{
    size_t count;
    const struct kiln_esp_partition *rows = kiln_image_partitions(image, &count);

    job->partitions = calloc(count + 1, sizeof *job->partitions);
    if (job->partitions == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    if (count > 0)
        memcpy(job->partitions, rows, count * sizeof *rows);
    job->partition_count = count;
    return KILN_OK;
}

static enum kiln_status read_table(struct kiln_job *job)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;
    uint8_t bytes[TABLE_SIZE];
    enum kiln_status status;

    KILN_TRY(
        job->loader->ops->read(job->loader, &job->ctx, TABLE_OFFSET, bytes, sizeof bytes, NULL));
    job->partitions_read = true;
    options.type = KILN_IMAGE_ESP_PARTITIONS;
    if (kiln_image_parse("the board's partition table", bytes, sizeof bytes, &options, &image,
                         NULL) != KILN_OK)
        return KILN_OK; /* blank or foreign flash has none */
    status = copy_partitions(job, image);
    kiln_image_free(image);
    return status;
}

enum kiln_status kiln_job_partitions(struct kiln_job *job)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    size_t count;

    if (job->partitions != NULL || job->partitions_read || info->chip == NULL ||
        info->chip->esp == NULL)
        return KILN_OK;
    for (size_t i = 0; i < job->request.image_count; i++)
        if (kiln_image_partitions(job->request.images[i], &count) != NULL && count > 0)
            return copy_partitions(job, job->request.images[i]);
    return (info->caps & KILN_CAP_READ) ? read_table(job) : KILN_OK;
}

const struct kiln_esp_partition *kiln_job_partition(const struct kiln_job *job, const char *label)
{
    for (size_t i = 0; job->partitions != NULL && i < job->partition_count; i++)
        if (strcmp(job->partitions[i].label, label) == 0)
            return &job->partitions[i];
    return NULL;
}

static const struct kiln_esp_partition *find_type(const struct kiln_job *job, uint8_t type,
                                                  uint8_t subtype)
{
    for (size_t i = 0; i < job->partition_count; i++)
        if (job->partitions[i].type == type && job->partitions[i].subtype == subtype)
            return &job->partitions[i];
    return NULL;
}

static unsigned count_ota_slots(const struct kiln_job *job)
{
    unsigned slots = 0;

    for (size_t i = 0; i < job->partition_count; i++)
        slots += job->partitions[i].type == TYPE_APP &&
                 job->partitions[i].subtype >= SUBTYPE_OTA_0 &&
                 job->partitions[i].subtype <= SUBTYPE_OTA_MAX;
    return slots;
}

/* The sequence number of an otadata entry, 0 if it is not valid. ESP-IDF's CRC starts from register 0. */
static uint32_t otadata_sequence(const uint8_t entry[OTADATA_ENTRY])
{
    uint32_t sequence = kiln_le32(entry), state = kiln_le32(entry + 24);

    if (sequence == 0 || sequence == UINT32_MAX || state == 3 || state == 4)
        return 0;
    return kiln_le32(entry + 28) == crc32(UINT32_MAX, entry, 4) ? sequence : 0;
}

/* The slot that otadata on the board selects; NULL if none. */
static enum kiln_status selected_slot(struct kiln_job *job,
                                      const struct kiln_esp_partition **out_slot)
{
    const struct kiln_esp_partition *otadata = find_type(job, TYPE_DATA, SUBTYPE_OTADATA);
    unsigned slots = count_ota_slots(job);
    uint32_t highest = 0;

    *out_slot = NULL;
    if (otadata == NULL || slots == 0 || otadata->size < 2 * OTADATA_PAGE || !job->partitions_read)
        return KILN_OK;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t entry[OTADATA_ENTRY];
        uint32_t sequence;

        KILN_TRY(job->loader->ops->read(job->loader, &job->ctx, otadata->offset + i * OTADATA_PAGE,
                                        entry, sizeof entry, NULL));
        sequence = otadata_sequence(entry);
        highest = KILN_MAX(highest, sequence);
    }
    if (highest > 0)
        *out_slot = find_type(job, TYPE_APP, (uint8_t)(SUBTYPE_OTA_0 + (highest - 1) % slots));
    return KILN_OK;
}

/* The application partition that the bootloader starts. */
static enum kiln_status boot_partition(struct kiln_job *job,
                                       const struct kiln_esp_partition **out_partition)
{
    KILN_TRY(selected_slot(job, out_partition));
    if (*out_partition == NULL)
        *out_partition = find_type(job, TYPE_APP, SUBTYPE_FACTORY);
    if (*out_partition == NULL)
        *out_partition = find_type(job, TYPE_APP, SUBTYPE_OTA_0);
    return KILN_OK;
}

static enum kiln_status fit(struct kiln_job *job, const struct kiln_image *image,
                            const struct kiln_esp_partition *partition, uint64_t *out_address)
{
    if (kiln_image_total_bytes(image) > partition->size)
        return kiln_fail_hint(&job->ctx, KILN_E_REFUSED, KILN_HINT_FLASH_TOO_SMALL,
                              "%s has %llu bytes and partition %s holds %u", kiln_image_name(image),
                              (unsigned long long)kiln_image_total_bytes(image), partition->label,
                              (unsigned)partition->size);
    *out_address = partition->offset;
    kiln_job_note(job, "%s goes to 0x%x, partition %s", kiln_image_name(image),
                  (unsigned)partition->offset, partition->label);
    return KILN_OK;
}

static enum kiln_status named_place(struct kiln_job *job, const struct kiln_image *image,
                                    const char *name, uint64_t *out_address)
{
    const struct kiln_esp_partition *partition;

    KILN_TRY(kiln_job_partitions(job));
    partition = kiln_job_partition(job, name);
    if (partition == NULL)
        return kiln_fail(&job->ctx, KILN_E_ARG, "there is no partition '%s'%s", name,
                         job->partition_count == 0 ? ", since the board has no partition table"
                                                   : "");
    return fit(job, image, partition, out_address);
}

static enum kiln_status app_place(struct kiln_job *job, const struct kiln_image *image,
                                  uint64_t *out_address)
{
    const struct kiln_esp_partition *partition;

    KILN_TRY(kiln_job_partitions(job));
    KILN_TRY(boot_partition(job, &partition));
    if (partition == NULL)
        return kiln_fail_hint(&job->ctx, KILN_E_ARG, KILN_HINT_GIVE_ADDRESS,
                              "%s is an application and the board has no partition table that says "
                              "where it belongs",
                              kiln_image_name(image));
    return fit(job, image, partition, out_address);
}

static enum kiln_status usual_place(struct kiln_job *job, const struct kiln_image *image,
                                    uint64_t *out_address)
{
    const struct kiln_chip *chip = job->loader->ops->info(job->loader)->chip;
    const struct kiln_image_info *info = kiln_image_info(image);

    *out_address = KILN_NO_ADDRESS;
    if (chip == NULL || chip->esp == NULL)
        return KILN_OK;
    if (info->type == KILN_IMAGE_ESP_PARTITIONS)
        *out_address = TABLE_OFFSET;
    else if (info->type == KILN_IMAGE_ESP_MERGED)
        *out_address = 0;
    else if (info->type == KILN_IMAGE_ESP && info->esp_role == KILN_ESP_ROLE_BOOTLOADER)
        *out_address = chip->esp->boot_offset;
    else if (info->type == KILN_IMAGE_ESP && info->esp_role == KILN_ESP_ROLE_APP)
        return app_place(job, image, out_address);
    else
        return KILN_OK;
    kiln_job_note(job, "%s goes to 0x%llx", kiln_image_name(image),
                  (unsigned long long)*out_address);
    return KILN_OK;
}

static enum kiln_status copy_to(struct kiln_job *job, const struct kiln_image *image,
                                uint64_t address, struct kiln_image **out_copy)
{
    const struct kiln_segment *segment = kiln_image_segment(image, 0);
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_error error = {0};

    options.address = address;
    if (kiln_image_parse(kiln_image_name(image), segment->data, segment->size, &options, out_copy,
                         &error) == KILN_OK)
        return KILN_OK;
    job->ctx.error = error;
    return error.status;
}

static enum kiln_status place_one(struct kiln_job *job, size_t index)
{
    const struct kiln_image *image = job->request.images[index];
    const char *name = job->request.places != NULL ? job->request.places[index] : NULL;
    uint64_t address = kiln_image_info(image)->address;

    if (name != NULL)
        KILN_TRY(named_place(job, image, name, &address));
    else if (address == KILN_NO_ADDRESS)
        KILN_TRY(usual_place(job, image, &address));
    job->images[index] = image;
    if (address == kiln_image_info(image)->address || kiln_image_segment_count(image) != 1)
        return KILN_OK; /* it states its place, or the planner says that it has none */
    KILN_TRY(copy_to(job, image, address, &job->placed[index]));
    job->images[index] = job->placed[index];
    return KILN_OK;
}

enum kiln_status kiln_job_place(struct kiln_job *job)
{
    size_t count = job->request.image_count;

    job->images = calloc(count + 1, sizeof *job->images);
    job->placed = calloc(count + 1, sizeof *job->placed);
    if (job->images == NULL || job->placed == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        KILN_TRY(place_one(job, i));
    return KILN_OK;
}

void kiln_job_place_dispose(struct kiln_job *job)
{
    for (size_t i = 0; job->placed != NULL && i < job->request.image_count; i++)
        kiln_image_free(job->placed[i]);
    free(job->placed);
    free(job->images);
    free(job->partitions);
}
