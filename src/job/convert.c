/* SPDX-License-Identifier: MIT */
/* An ELF file for a chip whose bootloader wants an image of its own kind: the image is made here. */
#include "job/job_internal.h"

#include "chip/esp.h"
#include "image/esp_build.h"
#include "image/format.h"

#include <string.h>

bool kiln_job_needs_image(const struct kiln_job *job, const struct kiln_image *image)
{
    const struct kiln_chip *chip = job->loader->ops->info(job->loader)->chip;

    return chip != NULL && chip->esp != NULL && chip != kiln_esp_plain() &&
           kiln_image_info(image)->type == KILN_IMAGE_ELF;
}

/* Chips share their processor: only what is where tells a file for another one. */
static enum kiln_status check_memory(struct kiln_job *job, const struct kiln_image *image)
{
    const struct kiln_chip *chip = job->loader->ops->info(job->loader)->chip;
    size_t count;
    const struct kiln_image_memory *memory = kiln_image_memory(image, &count);
    char names[96];

    for (size_t i = 0; i < count; i++) {
        kiln_esp_memory_names(chip, (uint32_t)memory[i].address, names);
        if (names[0] == '\0')
            return kiln_fail_hint(&job->ctx, KILN_E_REFUSED, KILN_HINT_FORCE_CHIP,
                                  "%s has code or data at 0x%08x, where %s has no memory: it was "
                                  "built for another chip",
                                  kiln_image_name(image), (unsigned)memory[i].address, chip->title);
    }
    return KILN_OK;
}

static enum kiln_status passed_on(struct kiln_job *job, const struct kiln_error *error)
{
    job->ctx.error = *error;
    return error->status;
}

enum kiln_status kiln_job_make_image(struct kiln_job *job, const struct kiln_image *elf,
                                     struct kiln_image **out_image)
{
    struct kiln_esp_build_options build = KILN_ESP_BUILD_OPTIONS_INIT;
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    struct kiln_esp_built built;
    struct kiln_error error = {0};
    enum kiln_status status;

    *out_image = NULL;
    build.chip = job->loader->ops->info(job->loader)->chip->name;
    build.flash_mode = "dio"; /* only the bootloader's header counts */
    if (kiln_esp_build(elf->file.data, elf->file.len, &build, &built, &error) != KILN_OK)
        return passed_on(job, &error);
    status = kiln_image_parse(kiln_image_name(elf), built.part[0].bytes, built.part[0].len,
                              &options, out_image, &error);
    kiln_esp_built_free(&built);
    if (status != KILN_OK)
        return passed_on(job, &error);
    if (!job->request.force && (status = check_memory(job, *out_image)) != KILN_OK) {
        kiln_image_free(*out_image);
        *out_image = NULL;
    }
    return status;
}
