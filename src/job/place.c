/* SPDX-License-Identifier: MIT */
/*
 * Where files without an address belong on an ESP chip: the bootloader at its fixed place, the table at
 * 0x8000, an application in the partition that starts, anything in the partition the user names. The
 * partition table is that of the files at hand, else the board's own.
 */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "chip/esp.h"
#include "image/esp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_PART 0x100u /* read at a time */

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

/* A table fills a small part of its place as a rule, and a slow wire makes the rest worth not asking for. */
static enum kiln_status read_rows(struct kiln_job *job, uint8_t bytes[KILN_ESP_TABLE_SIZE])
{
    size_t have = 0, row = 0;

    memset(bytes, 0xff, KILN_ESP_TABLE_SIZE);
    for (; have < KILN_ESP_TABLE_SIZE; have += TABLE_PART) {
        KILN_TRY(job->loader->ops->read(job->loader, &job->ctx, KILN_ESP_TABLE_OFFSET + have,
                                        bytes + have, TABLE_PART, NULL));
        for (; row < have + TABLE_PART; row += KILN_ESP_ENTRY_SIZE)
            if (kiln_le16(bytes + row) == 0xffff)
                return KILN_OK;
    }
    return KILN_OK;
}

static enum kiln_status read_table(struct kiln_job *job)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_image *image;
    uint8_t bytes[KILN_ESP_TABLE_SIZE];
    enum kiln_status status;

    KILN_TRY(read_rows(job, bytes));
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
    return (info->caps & KILN_CAP_READ) && info->region_count > 0 ? read_table(job) : KILN_OK;
}

enum kiln_status kiln_job_partition_once(struct kiln_job *job, const char *label)
{
    const struct kiln_esp_partition *first = kiln_job_partition(job, label), *other;

    if (first == NULL)
        return KILN_OK;
    for (other = first + 1; other < job->partitions + job->partition_count; other++)
        if (strcmp(other->label, label) == 0)
            return kiln_fail_hint(&job->ctx, KILN_E_ARG, KILN_HINT_GIVE_ADDRESS,
                                  "there are two partitions '%s', at 0x%x and at 0x%x", label,
                                  (unsigned)first->offset, (unsigned)other->offset);
    return KILN_OK;
}

const struct kiln_esp_partition *kiln_job_partition(const struct kiln_job *job, const char *label)
{
    for (size_t i = 0; job->partitions != NULL && i < job->partition_count; i++)
        if (strcmp(job->partitions[i].label, label) == 0)
            return &job->partitions[i];
    return NULL;
}

enum kiln_status kiln_job_no_partition(struct kiln_job *job, const char *name)
{
    char names[240] = "";

    for (size_t i = 0; job->partitions != NULL && i < job->partition_count; i++) {
        size_t length = strlen(names);

        snprintf(names + length, sizeof names - length, "%s%s", length > 0 ? ", " : "",
                 job->partitions[i].label);
    }
    if (names[0] == '\0')
        return kiln_fail(&job->ctx, KILN_E_ARG,
                         "there is no partition '%s', since the board has no partition table",
                         name);
    return kiln_fail(&job->ctx, KILN_E_ARG, "there is no partition '%s'; there are %s", name,
                     names);
}

/* The first partition at or behind `address`, NULL if there is none. */
static const struct kiln_esp_partition *behind(const struct kiln_job *job, uint64_t address)
{
    const struct kiln_esp_partition *found = NULL;

    for (size_t i = 0; i < job->partition_count; i++)
        if (job->partitions[i].offset >= address &&
            (found == NULL || job->partitions[i].offset < found->offset))
            found = &job->partitions[i];
    return found;
}

static enum kiln_status fit(struct kiln_job *job, const struct kiln_image *image,
                            const struct kiln_esp_partition *partition, uint64_t *out_address)
{
    const struct kiln_esp_partition *next =
        behind(job, (uint64_t)partition->offset + partition->size);

    if (kiln_image_total_bytes(image) > partition->size)
        return kiln_fail_hint(
            &job->ctx, KILN_E_REFUSED, KILN_HINT_FLASH_TOO_SMALL,
            "%s has %llu bytes and partition %s holds %u%s%s", kiln_image_name(image),
            (unsigned long long)kiln_image_total_bytes(image), partition->label,
            (unsigned)partition->size, next != NULL ? "; the rest would overwrite partition " : "",
            next != NULL ? next->label : "");
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
    KILN_TRY(kiln_job_partition_once(job, name));
    partition = kiln_job_partition(job, name);
    if (partition == NULL)
        return kiln_job_no_partition(job, name);
    return fit(job, image, partition, out_address);
}

static enum kiln_status app_place(struct kiln_job *job, const struct kiln_image *image,
                                  uint64_t *out_address)
{
    const struct kiln_esp_partition *partition;

    KILN_TRY(kiln_job_partitions(job));
    KILN_TRY(kiln_job_boot_slot(job, &partition));
    if (partition == NULL)
        return kiln_fail_hint(&job->ctx, KILN_E_ARG, KILN_HINT_GIVE_ADDRESS,
                              "%s is an application and the board has no partition table that says "
                              "where it belongs",
                              kiln_image_name(image));
    return fit(job, image, partition, out_address);
}

static enum kiln_status otadata_place(struct kiln_job *job, const struct kiln_image *image,
                                      uint64_t *out_address)
{
    KILN_TRY(kiln_job_partitions(job));
    for (size_t i = 0; i < job->partition_count; i++)
        if (job->partitions[i].type == 1 && job->partitions[i].subtype == 0)
            return fit(job, image, &job->partitions[i], out_address);
    return KILN_OK; /* the planner says that it has no place */
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
        *out_address = KILN_ESP_TABLE_OFFSET;
    else if (info->type == KILN_IMAGE_ESP_MERGED)
        *out_address = 0;
    else if (info->type == KILN_IMAGE_ESP_OTADATA)
        return otadata_place(job, image, out_address);
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

static enum kiln_status place_as(struct kiln_job *job, const struct kiln_image *image, size_t index)
{
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

static enum kiln_status place_one(struct kiln_job *job, size_t index)
{
    const struct kiln_image *image = job->request.images[index];
    struct kiln_image *made;
    enum kiln_status status;

    if (!kiln_job_needs_image(job, image))
        return place_as(job, image, index);
    KILN_TRY(kiln_job_make_image(job, image, &made));
    kiln_job_note(job, "%s: an image was made of this ELF file", kiln_image_name(image));
    status = place_as(job, made, index);
    if (job->images[index] == made)
        job->placed[index] = made;
    else
        kiln_image_free(made);
    return status;
}

enum kiln_status kiln_job_place(struct kiln_job *job)
{
    size_t count = job->request.image_count;

    job->images = calloc(count + 2, sizeof *job->images);
    job->placed = calloc(count + 2, sizeof *job->placed);
    job->encrypted = calloc(count + 2, sizeof *job->encrypted);
    if (job->images == NULL || job->placed == NULL || job->encrypted == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    if (job->request.encrypt != NULL)
        memcpy(job->encrypted, job->request.encrypt, count * sizeof *job->encrypted);
    for (; job->image_count < count; job->image_count++)
        KILN_TRY(place_one(job, job->image_count));
    if (job->request.boot_slot == NULL)
        return KILN_OK;
    if (job->protection.flash_encryption)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "flash encryption is on: what otadata says can only be read and changed "
                         "by the application itself");
    KILN_TRY(kiln_job_boot_image(job, &job->placed[count]));
    job->images[count] = job->placed[count];
    job->image_count++;
    job->last_from = kiln_image_segment(job->images[count], 0)->address;
    job->last_to = job->last_from + kiln_image_segment(job->images[count], 0)->size;
    return KILN_OK;
}

void kiln_job_place_dispose(struct kiln_job *job)
{
    for (size_t i = 0; job->placed != NULL && i <= job->request.image_count; i++)
        kiln_image_free(job->placed[i]);
    free(job->placed);
    free(job->images);
    free(job->encrypted);
    free(job->partitions);
}
