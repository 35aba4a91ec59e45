/* SPDX-License-Identifier: MIT */
/* Memory of a chip that is no flash: looking at it, and running a program in it. */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "chip/esp.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_READ_MAX ((uint64_t)16 << 20)
#define WORD            4u

enum kiln_status kiln_job_read_memory(struct kiln_job *job)
{
    uint64_t size = job->request.length != 0 ? job->request.length : WORD;
    struct kiln_progress progress = kiln_job_op_progress(job);

    if (job->loader->ops->read_memory == NULL)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "this bootloader cannot read memory that is no flash");
    if (job->request.address == KILN_NO_ADDRESS)
        return kiln_fail(&job->ctx, KILN_E_ARG, "which memory is to be read was not said");
    if (size > MEMORY_READ_MAX)
        return kiln_fail(&job->ctx, KILN_E_ARG, "%llu bytes are more than one read may take",
                         (unsigned long long)size);
    job->data = malloc((size_t)size);
    if (job->data == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    kiln_job_begin_phase(job, KILN_PHASE_READ, size, NULL);
    if (job->loader->ops->read_memory(job->loader, &job->ctx, job->request.address, job->data,
                                      (size_t)size, &progress) != KILN_OK)
        return kiln_while(&job->ctx, "while reading memory at 0x%08llx",
                          (unsigned long long)job->request.address);
    kiln_job_op_done(job, size);
    job->result.data = job->data;
    job->result.data_len = (size_t)size;
    return KILN_OK;
}

/* ---- single words ---- */

struct poke {
    uint32_t address, value, mask;
};

static bool word_of(const char **text, char end, uint32_t *out)
{
    char *stop;
    unsigned long long value;

    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    value = strtoull(*text, &stop, 0);
    if (errno != 0 || value > UINT32_MAX || (*stop != end && *stop != '\0'))
        return false;
    *out = (uint32_t)value;
    *text = *stop != '\0' ? stop + 1 : stop;
    return true;
}

static enum kiln_status parse_poke(struct kiln_job *job, const char *set, struct poke *out)
{
    const char *at = set;

    *out = (struct poke){.mask = UINT32_MAX};
    if (!word_of(&at, '=', &out->address) || at[0] == '\0' || at[-1] != '=' ||
        !word_of(&at, '/', &out->value) || (at[-1] == '/' && !word_of(&at, '\0', &out->mask)))
        return kiln_fail(&job->ctx, KILN_E_ARG,
                         "'%s' is not ADDRESS=VALUE or ADDRESS=VALUE/MASK, with numbers of 32 bits",
                         set);
    if (out->address % WORD != 0)
        return kiln_fail(&job->ctx, KILN_E_ARG,
                         "0x%08x is no multiple of 4: registers are written as whole words, bits "
                         "of one with VALUE/MASK",
                         (unsigned)out->address);
    return KILN_OK;
}

enum kiln_status kiln_job_poke(struct kiln_job *job)
{
    const struct kiln_loader_ops *ops = job->loader->ops;
    struct poke poke;

    if (ops->write_register == NULL)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "this bootloader writes no memory that is no flash");
    for (size_t i = 0; i < job->request.set_count; i++)
        KILN_TRY(parse_poke(job, job->request.sets[i], &poke));
    for (size_t i = 0; i < job->request.set_count; i++) {
        uint8_t before[WORD] = {0}, after[WORD] = {0};

        KILN_TRY(parse_poke(job, job->request.sets[i], &poke));
        KILN_TRY(ops->read_memory(job->loader, &job->ctx, poke.address, before, WORD, NULL));
        if (ops->write_register(job->loader, &job->ctx, poke.address, poke.value, poke.mask) !=
                KILN_OK ||
            ops->read_memory(job->loader, &job->ctx, poke.address, after, WORD, NULL) != KILN_OK)
            return kiln_while(&job->ctx, "while writing 0x%08x", (unsigned)poke.address);
        kiln_job_note(job, "0x%08x: 0x%08x -> 0x%08x", (unsigned)poke.address,
                      (unsigned)kiln_le32(before), (unsigned)kiln_le32(after));
    }
    return KILN_OK;
}

/* ---- a program in RAM ---- */

static enum kiln_status check_program(struct kiln_job *job, const struct kiln_image *image)
{
    const struct kiln_image_info *info = kiln_image_info(image);
    const struct kiln_chip *chip = job->loader->ops->info(job->loader)->chip;

    if (job->loader->ops->write_memory == NULL || job->loader->ops->run_memory == NULL)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "this bootloader cannot run a program from RAM");
    if (job->request.image_count != 1)
        return kiln_fail(&job->ctx, KILN_E_ARG, "one program runs at a time");
    if (info->entry == KILN_NO_ADDRESS)
        return kiln_fail(&job->ctx, KILN_E_ARG,
                         "%s does not tell where it begins; an ELF file or an ESP image does",
                         kiln_image_name(image));
    if (info->chip != NULL && chip != NULL && strcmp(info->chip, chip->name) != 0 &&
        !job->request.force)
        return kiln_fail_hint(&job->ctx, KILN_E_REFUSED, KILN_HINT_FORCE_CHIP,
                              "%s is for %s and the board is %s", kiln_image_name(image),
                              info->chip, chip->name);
    return KILN_OK;
}

/* Writing there makes the chip fault, and to the host it looks as if it had fallen silent. */
static enum kiln_status check_in_ram(struct kiln_job *job, const struct kiln_image *image)
{
    const struct kiln_chip *chip = job->loader->ops->info(job->loader)->chip;
    size_t pieces = 0;
    const struct kiln_image_memory *memory = kiln_image_memory(image, &pieces);
    bool esp = kiln_image_info(image)->type == KILN_IMAGE_ESP;

    if (chip == NULL || chip->esp == NULL || job->request.force)
        return KILN_OK;
    for (size_t i = 0; i < (esp ? pieces : kiln_image_segment_count(image)); i++) {
        uint64_t address = esp ? memory[i].address : kiln_image_segment(image, i)->address;

        if (kiln_esp_is_flash(chip, address))
            return kiln_fail_hint(&job->ctx, KILN_E_REFUSED, KILN_HINT_RUN_FROM_FLASH,
                                  "%s is not for RAM: its part at 0x%08llx is run from flash",
                                  kiln_image_name(image), (unsigned long long)address);
    }
    return KILN_OK;
}

static enum kiln_status store(struct kiln_job *job, uint64_t address, const uint8_t *bytes,
                              size_t len)
{
    if (address == 0 || len == 0) /* padding of an image is for nobody */
        return KILN_OK;
    if (job->loader->ops->write_memory(job->loader, &job->ctx, address, bytes, len) != KILN_OK)
        return kiln_while(&job->ctx, "while loading %zu bytes to 0x%08llx", len,
                          (unsigned long long)address);
    kiln_job_op_done(job, len);
    return KILN_OK;
}

static enum kiln_status store_all(struct kiln_job *job, const struct kiln_image *image)
{
    const struct kiln_segment *whole = kiln_image_segment(image, 0);
    size_t pieces = 0;
    const struct kiln_image_memory *memory = kiln_image_memory(image, &pieces);

    if (kiln_image_info(image)->type == KILN_IMAGE_ESP) {
        for (size_t i = 0; i < pieces; i++)
            KILN_TRY(store(job, memory[i].address, whole->data + memory[i].offset, memory[i].size));
        return KILN_OK;
    }
    for (size_t i = 0; i < kiln_image_segment_count(image); i++) {
        const struct kiln_segment *segment = kiln_image_segment(image, i);

        KILN_TRY(store(job, segment->address, segment->data, segment->size));
    }
    return KILN_OK;
}

enum kiln_status kiln_job_run_ram(struct kiln_job *job)
{
    const struct kiln_image *image = job->request.images[0];

    KILN_TRY(check_program(job, image));
    KILN_TRY(check_in_ram(job, image));
    kiln_job_begin_phase(job, KILN_PHASE_WRITE, kiln_image_total_bytes(image), NULL);
    KILN_TRY(store_all(job, image));
    kiln_job_note(job, "%s runs from RAM at 0x%08llx; a reset brings the application in flash back",
                  kiln_image_name(image), (unsigned long long)kiln_image_info(image)->entry);
    return job->loader->ops->run_memory(job->loader, &job->ctx, kiln_image_info(image)->entry);
}
