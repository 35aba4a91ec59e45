/* SPDX-License-Identifier: MIT */
/*
 * Flash settings in the header of an ESP bootloader: changed as the request says, and where the size it was built for
 * is more than the board has. Each change is said in one line.
 */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "chip/esp.h"
#include "image/esp.h"
#include "loader/esp.h"

#include <ctype.h>
#include <kiln/esp_image.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE_MAGIC 0xe7u /* first byte of a signature sector of secure boot v2 */
#define SIGNATURE_PAGE  4096u

struct settings {
    const char *mode, *freq, *size; /* NULL: as it is */
    bool asked;                     /* the request names any of them */
};

static const char *named(const char *word)
{
    return word == NULL || strcmp(word, "keep") == 0 ? NULL : word;
}

static const char *name_of_size(const struct kiln_chip *chip, uint64_t bytes)
{
    const struct kiln_esp_code *row = kiln_esp_code_for(chip->esp->sizes, bytes);

    return row != NULL ? row->name : NULL;
}

static uint64_t size_in(const struct kiln_chip *chip, const uint8_t *header)
{
    const struct kiln_esp_code *row = kiln_esp_code_of(chip->esp->sizes, header[3] & 0xf0u);

    return row != NULL ? row->value : 0;
}

static enum kiln_status detected_size(struct kiln_job *job, const char **out_name)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);

    *out_name = name_of_size(info->chip, kiln_esp_flash_size_of(info->flash_id));
    if (*out_name != NULL)
        return KILN_OK;
    return kiln_fail_hint(&job->ctx, KILN_E_ARG, KILN_HINT_GIVE_FLASH_SIZE,
                          "--flash-size detect: the size of this board's flash cannot be told");
}

static enum kiln_status given_size(struct kiln_job *job, const char **out_name)
{
    const struct kiln_chip *chip = job->loader->ops->info(job->loader)->chip;

    *out_name = name_of_size(chip, job->request.flash_size);
    if (*out_name != NULL)
        return KILN_OK;
    return kiln_fail(&job->ctx, KILN_E_ARG, "no %s header can say that the flash has %llu bytes",
                     chip->title, (unsigned long long)job->request.flash_size);
}

static enum kiln_status choose(struct kiln_job *job, const uint8_t *header, struct settings *out)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    const char *size = job->request.header_size;
    uint64_t real = kiln_esp_flash_size_of(info->flash_id);

    *out = (struct settings){.mode = named(job->request.flash_mode),
                             .freq = named(job->request.flash_freq)};
    if (job->request.flash_size != 0)
        KILN_TRY(given_size(job, &out->size));
    else if (named(size) != NULL)
        KILN_TRY(detected_size(job, &out->size));
    out->asked = out->mode != NULL || out->freq != NULL || out->size != NULL;
    if (out->size == NULL && size == NULL && real != 0 && size_in(info->chip, header) > real)
        out->size = name_of_size(info->chip, real);
    return KILN_OK;
}

/* Where in the image's one segment the bootloader begins, SIZE_MAX if it is not in there. */
static size_t find_bootloader(const struct kiln_chip *chip, const struct kiln_image *image)
{
    const struct kiln_image_info *info = kiln_image_info(image);
    const struct kiln_segment *whole;
    uint64_t at = chip->esp->boot_offset;

    if ((info->type != KILN_IMAGE_ESP && info->type != KILN_IMAGE_ESP_MERGED) ||
        kiln_image_segment_count(image) != 1 || info->address == KILN_NO_ADDRESS)
        return SIZE_MAX;
    whole = kiln_image_segment(image, 0);
    if (at < whole->address || at - whole->address >= whole->size)
        return SIZE_MAX;
    at -= whole->address;
    if (!kiln_esp_header_fits(whole->data + at, whole->size - (size_t)at) ||
        kiln_esp_header_chip(whole->data + at, whole->size - (size_t)at) != chip)
        return SIZE_MAX;
    return (size_t)at;
}

static bool is_signed(const struct kiln_esp_image *parts, const uint8_t *bytes, size_t len)
{
    size_t end = parts->data_len + (parts->digest ? KILN_ESP_DIGEST_LEN : 0);
    size_t page = (size_t)kiln_round_up(end, SIGNATURE_PAGE);

    return page < len && bytes[page] == SIGNATURE_MAGIC;
}

/* "DIO, 40m, 4MB" */
static const char *text_of(const struct kiln_esp_image *parts, char text[48])
{
    const char *mode = parts->flash_mode_name;

    snprintf(text, 48, "%s, %s, %s", mode != NULL ? mode : "?",
             parts->flash_freq != NULL ? parts->flash_freq : "?",
             parts->flash_size != NULL ? parts->flash_size : "?");
    for (char *at = text; *at != '\0' && *at != ','; at++)
        *at = (char)toupper((unsigned char)*at);
    return text;
}

static void say(struct kiln_job *job, const struct kiln_image *image,
                const struct kiln_esp_image *was, const struct kiln_esp_image *is, bool asked)
{
    char before[48], after[48];

    kiln_job_note(
        job, "%s: flash settings %s become %s%s%s", kiln_image_name(image), text_of(was, before),
        text_of(is, after), is->digest ? ", with a new SHA-256" : "",
        asked ? "" : ", since the board's flash is smaller (--flash-size keep leaves it)");
}

static enum kiln_status patch(struct kiln_job *job, const struct kiln_image *image,
                              const struct settings *settings, uint8_t *bytes, size_t len)
{
    const struct kiln_chip *chip = job->loader->ops->info(job->loader)->chip;
    struct kiln_esp_image was, is;
    struct kiln_error error = {0};

    if (kiln_esp_inspect(bytes, len, chip->name, NULL, &was, &error) != KILN_OK)
        return KILN_OK; /* what was loaded as an image is one */
    if (is_signed(&was, bytes, len) && !job->request.force) {
        if (!settings->asked)
            return KILN_OK; /* the size check says the rest */
        return kiln_fail_hint(&job->ctx, KILN_E_REFUSED, KILN_HINT_FORCE,
                              "%s is signed for secure boot, and with other flash settings its "
                              "signature is not right any more",
                              kiln_image_name(image));
    }
    if (kiln_esp_patch_header(bytes, len, chip->name, chip->esp->boot_offset, settings->mode,
                              settings->size, settings->freq, NULL, &error) != KILN_OK ||
        kiln_esp_inspect(bytes, len, chip->name, NULL, &is, &error) != KILN_OK) {
        job->ctx.error = error;
        return error.status;
    }
    if (was.flash_mode != is.flash_mode || was.flash_size_freq != is.flash_size_freq)
        say(job, image, &was, &is, settings->asked);
    return KILN_OK;
}

static enum kiln_status replace(struct kiln_job *job, size_t index, const uint8_t *bytes,
                                size_t len)
{
    const struct kiln_image *old = job->images[index];
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_error error = {0};
    struct kiln_image *fresh;

    if (kiln_image_info(old)->type == KILN_IMAGE_ESP)
        options.address = kiln_image_info(old)->address;
    if (kiln_image_parse(kiln_image_name(old), bytes, len, &options, &fresh, &error) != KILN_OK) {
        job->ctx.error = error;
        return error.status;
    }
    kiln_image_free(job->placed[index]);
    job->images[index] = job->placed[index] = fresh;
    return KILN_OK;
}

static enum kiln_status settle(struct kiln_job *job, size_t index, size_t boot)
{
    const struct kiln_image *image = job->images[index];
    const struct kiln_segment *whole = kiln_image_segment(image, 0);
    struct settings settings;
    enum kiln_status status;
    uint8_t *copy;

    KILN_TRY(choose(job, whole->data + boot, &settings));
    if (settings.mode == NULL && settings.freq == NULL && settings.size == NULL)
        return KILN_OK;
    if (job->protection.secure_boot || job->protection.secure_download) {
        kiln_job_note(job, "%s is on, so the flash settings of %s stay as they are",
                      job->protection.secure_boot ? "secure boot" : "secure download mode",
                      kiln_image_name(image));
        return KILN_OK;
    }
    copy = malloc(whole->size);
    if (copy == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    memcpy(copy, whole->data, whole->size);
    status = patch(job, image, &settings, copy + boot, whole->size - boot);
    if (status == KILN_OK && memcmp(copy, whole->data, whole->size) != 0)
        status = replace(job, index, copy, whole->size);
    free(copy);
    return status;
}

enum kiln_status kiln_job_settle_headers(struct kiln_job *job)
{
    const struct kiln_chip *chip = job->loader->ops->info(job->loader)->chip;
    bool asked = named(job->request.flash_mode) != NULL || named(job->request.flash_freq) != NULL;
    bool found = false;

    if (chip == NULL || chip->esp == NULL) {
        if (asked)
            return kiln_fail(&job->ctx, KILN_E_ARG,
                             "--flash-mode and --flash-freq are about the bootloader of an ESP "
                             "chip, which this board is not");
        return KILN_OK;
    }
    for (size_t i = 0; i < job->image_count; i++) {
        size_t boot = find_bootloader(chip, job->images[i]);

        if (boot == SIZE_MAX)
            continue;
        found = true;
        KILN_TRY(settle(job, i, boot));
    }
    if (asked && !found)
        kiln_job_note(job,
                      "no file holds a bootloader for 0x%x, so there is no header to put flash "
                      "settings in",
                      (unsigned)chip->esp->boot_offset);
    return KILN_OK;
}
