/* SPDX-License-Identifier: MIT */
/* The verb flash: check, survey, plan, erase and write, verify. */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "chip/esp.h"

#include <stdlib.h>
#include <string.h>

static const struct kiln_target_info *target(struct kiln_job *job)
{
    return job->loader->ops->info(job->loader);
}

static const struct kiln_region *main_flash(const struct kiln_target_info *info)
{
    for (size_t i = 0; i < info->region_count; i++)
        if (info->region[i].access & KILN_REGION_WRITE)
            return &info->region[i];
    return NULL;
}

static enum kiln_status read_for_guard(void *user, struct kiln_ctx *ctx, uint64_t address,
                                       uint8_t *bytes, size_t len)
{
    struct kiln_job *job = user;

    return job->loader->ops->read(job->loader, ctx, address, bytes, len, NULL);
}

/* The table is asked for only when a check needs it: on a slow wire it takes a while. */
static bool partitions_matter(struct kiln_job *job)
{
    if (target(job)->chip == kiln_esp_plain())
        return false;
    for (size_t i = 0; i < job->image_count; i++) {
        const struct kiln_image *image = job->images[i];

        if (kiln_image_info(image)->esp_role == KILN_ESP_ROLE_APP)
            return true;
        for (size_t k = 0; k < kiln_image_segment_count(image); k++) {
            const struct kiln_segment *s = kiln_image_segment(image, k);

            if (s->address <= KILN_ESP_TABLE_OFFSET && s->address + s->size > KILN_ESP_TABLE_OFFSET)
                return true;
        }
    }
    return false;
}

static enum kiln_status check_files(struct kiln_job *job)
{
    struct kiln_guard_notes notes = {0};
    const struct kiln_guard_input input = {
        .images = job->request.images,
        .image_count = job->request.image_count,
        .target = target(job),
        .force = job->request.force,
    };

    KILN_TRY(kiln_guard_files(&job->ctx, &input, &notes));
    if (notes.text[0] != '\0')
        kiln_job_note(job, "%s", notes.text);
    return KILN_OK;
}

static enum kiln_status check_safety(struct kiln_job *job)
{
    const struct kiln_region *region = main_flash(target(job));
    struct kiln_guard_notes notes = {0};
    struct kiln_guard_input input = {
        .images = job->images,
        .image_count = job->image_count,
        .target = target(job),
        .force = job->request.force,
        .erase_all = job->request.erase_all,
        .user = job,
        .protection = job->has_protection ? &job->protection : NULL,
        .encrypted = job->encrypted,
    };

    if (region != NULL && (region->access & KILN_REGION_READ) &&
        (target(job)->caps & KILN_CAP_READ) && !target(job)->read_protected)
        input.read = read_for_guard;
    if (partitions_matter(job)) {
        KILN_TRY(kiln_job_partitions(job));
        input.partitions = job->partitions;
        if (job->partitions != NULL && !(job->request.erase_all && job->partitions_read))
            input.partition_count = job->partition_count;
    }
    KILN_TRY(kiln_guard_places(&job->ctx, &input, &notes));
    if (notes.text[0] != '\0')
        kiln_job_note(job, "%s", notes.text);
    if (notes.running != NULL)
        job->running = notes.running;
    return KILN_OK;
}

static struct kiln_plan_policy policy_of(struct kiln_job *job)
{
    return (struct kiln_plan_policy){
        .full = job->request.full,
        .no_verify = job->request.no_verify,
        .needs_erase = (target(job)->caps & KILN_CAP_NEEDS_ERASE) != 0,
        .erase_all = job->request.erase_all,
        .force = job->request.force,
        .last_from = job->last_from,
        .last_to = job->last_to,
        .encrypted = job->encrypted,
        .encrypted_align = job->protection.align,
    };
}

static enum kiln_status draw_map(struct kiln_job *job)
{
    const struct kiln_target_info *info = target(job);

    KILN_TRY(kiln_job_partitions(job));
    KILN_TRY(kiln_map_of_plan(&job->ctx, &job->plan, job->request.erase_all, info->region,
                              info->region_count, job->partitions,
                              job->partitions != NULL ? job->partition_count : 0, &job->map));
    job->plan_view.map = &job->map;
    return KILN_OK;
}

/* What an event points to outlives the loader. */
static const char *region_name(struct kiln_job *job, const struct kiln_plan_step *step)
{
    const struct kiln_region *region = job->plan.extents[step->extent].region;

    return job->told.region[region - target(job)->region].name;
}

static enum kiln_status publish_plan(struct kiln_job *job)
{
    const struct kiln_plan *plan = &job->plan;
    struct kiln_event event = {.kind = KILN_EVENT_PLAN, .plan = &job->plan_view};

    job->steps = calloc(plan->step_count + 1, sizeof *job->steps);
    if (job->steps == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    for (size_t i = 0; i < plan->step_count; i++)
        job->steps[i] = (struct kiln_event_step){
            .kind = plan->steps[i].kind,
            .address = plan->steps[i].address,
            .size = plan->steps[i].size,
            .region = region_name(job, &plan->steps[i]),
            .encrypted = plan->extents[plan->steps[i].extent].encrypted,
        };
    job->plan_view = (struct kiln_event_plan){
        .steps = job->steps,
        .step_count = plan->step_count,
        .image_bytes = plan->image_bytes,
        .erase_bytes = plan->erase_bytes,
        .write_bytes = plan->write_bytes,
        .skip_bytes = plan->skip_bytes,
        .verify_bytes = plan->verify_bytes,
        .kept_bytes = plan->kept_bytes,
    };
    if (job->request.map)
        KILN_TRY(draw_map(job));
    kiln_job_emit(job, &event);
    return KILN_OK;
}

static const uint8_t *step_bytes(const struct kiln_job *job, const struct kiln_plan_step *step)
{
    const struct kiln_plan_extent *extent = &job->plan.extents[step->extent];

    return extent->bytes + (step->address - extent->address);
}

/* The chip restarts after this: kiln_job_options_of_plan() writes it when all else is done. */
static bool is_deferred(const struct kiln_job *job, const struct kiln_plan_step *step)
{
    return (job->plan.extents[step->extent].region->flags & KILN_REGION_RESETS) != 0;
}

/* Bytes of the steps of one kind that are done here and now. */
static uint64_t bytes_now(const struct kiln_job *job, enum kiln_step_kind kind)
{
    uint64_t total = 0;

    for (size_t i = 0; i < job->plan.step_count; i++)
        if (job->plan.steps[i].kind == kind && !is_deferred(job, &job->plan.steps[i]))
            total += job->plan.steps[i].size;
    return total;
}

static enum kiln_status erase_step(struct kiln_job *job, const struct kiln_plan_step *step)
{
    struct kiln_progress progress = kiln_job_op_progress(job);

    if (atomic_load(&job->state) == KILN_STATE_UNTOUCHED)
        kiln_job_set_state(job, KILN_STATE_ERASED);
    KILN_TRY(job->loader->ops->erase(job->loader, &job->ctx, step->address, step->size, &progress));
    kiln_job_op_done(job, step->size);
    job->result.erased += step->size;
    return KILN_OK;
}

static enum kiln_status write_step(struct kiln_job *job, const struct kiln_plan_step *step)
{
    struct kiln_progress progress = kiln_job_op_progress(job);
    const struct kiln_loader_ops *ops = job->loader->ops;
    bool encrypted = job->plan.extents[step->extent].encrypted;

    kiln_job_set_state(job, KILN_STATE_PARTIAL);
    KILN_TRY((encrypted ? ops->write_encrypted : ops->write)(
        job->loader, &job->ctx, step->address, step_bytes(job, step), step->size, &progress));
    kiln_job_op_done(job, step->size);
    job->result.written += step->size;
    return KILN_OK;
}

/* Erases and writes in the order of the plan; each turn from one to the other is a phase of its own on
 * the screen only when there is much of it, so the two are counted together. */
static enum kiln_status change_flash(struct kiln_job *job)
{
    uint64_t began = kiln_ctx_now_ns(&job->ctx);
    uint64_t bytes = bytes_now(job, KILN_STEP_ERASE) + bytes_now(job, KILN_STEP_WRITE);
    const struct kiln_plan *plan = &job->plan;
    bool erased;

    kiln_job_begin_phase(job, KILN_PHASE_WRITE, bytes, NULL);
    if (job->loader->ops->prepare != NULL)
        KILN_TRY(job->loader->ops->prepare(job->loader, &job->ctx, bytes));
    KILN_TRY(kiln_job_erase_at_once(job, &erased));
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct kiln_plan_step *step = &plan->steps[i];

        if (is_deferred(job, step))
            continue;
        if (step->kind == KILN_STEP_ERASE && erased &&
            kiln_job_is_main_memory(plan->extents[step->extent].region))
            kiln_job_op_done(job, step->size);
        else if (step->kind == KILN_STEP_ERASE && erase_step(job, step) != KILN_OK)
            return kiln_while(&job->ctx, "while erasing 0x%08llx-0x%08llx",
                              (unsigned long long)step->address,
                              (unsigned long long)(step->address + step->size - 1));
        if (step->kind == KILN_STEP_WRITE && write_step(job, step) != KILN_OK)
            return kiln_while(&job->ctx, "while writing 0x%08llx-0x%08llx",
                              (unsigned long long)step->address,
                              (unsigned long long)(step->address + step->size - 1));
    }
    job->result.transfer_ms = (kiln_ctx_now_ns(&job->ctx) - began) / KILN_NS_PER_MS;
    kiln_job_set_state(job, KILN_STATE_WRITTEN);
    return KILN_OK;
}

/* Erases and writes again what a verify step covers. */
static enum kiln_status repeat_step(struct kiln_job *job, const struct kiln_plan_step *verify)
{
    uint64_t end = verify->address + verify->size;

    kiln_job_set_state(job, KILN_STATE_PARTIAL);
    if (job->loader->ops->doubt != NULL)
        job->loader->ops->doubt(job->loader);
    if (target(job)->caps & KILN_CAP_NEEDS_ERASE)
        KILN_TRY(
            job->loader->ops->erase(job->loader, &job->ctx, verify->address, verify->size, NULL));
    for (size_t i = 0; i < job->plan.step_count; i++) {
        const struct kiln_plan_step *step = &job->plan.steps[i];

        if (step->extent != verify->extent || step->address < verify->address ||
            step->address >= end)
            continue;
        if (step->kind == KILN_STEP_WRITE)
            KILN_TRY(job->loader->ops->write(job->loader, &job->ctx, step->address,
                                             step_bytes(job, step), step->size, NULL));
        else if (step->kind == KILN_STEP_ERASE && !(target(job)->caps & KILN_CAP_NEEDS_ERASE))
            KILN_TRY(
                job->loader->ops->erase(job->loader, &job->ctx, step->address, step->size, NULL));
    }
    kiln_job_set_state(job, KILN_STATE_WRITTEN);
    return KILN_OK;
}

/* What was programmed stays, and another try could only take more bits away. */
static enum kiln_status once_is_wrong(struct kiln_job *job)
{
    uint64_t at = job->ctx.error.address;

    (void)kiln_fail(&job->ctx, KILN_E_VERIFY,
                    "the one-time memory at 0x%08llx does not hold what was programmed, and it "
                    "cannot be programmed again",
                    (unsigned long long)at);
    return kiln_fail_at(&job->ctx, at);
}

/* A range that does not compare is written once more: one lost byte on a bad cable should not cost the
 * user a second try. */
static enum kiln_status verify_step(struct kiln_job *job, const struct kiln_plan_step *step)
{
    bool equal;

    KILN_TRY(kiln_job_compare(job, step->address, step_bytes(job, step), step->size, &equal));
    if (!equal && (job->plan.extents[step->extent].region->flags & KILN_REGION_ONCE) != 0)
        return once_is_wrong(job);
    if (!equal) {
        kiln_job_note(job, "%s; writing this part again", job->ctx.error.message);
        KILN_TRY(repeat_step(job, step));
        KILN_TRY(kiln_job_compare(job, step->address, step_bytes(job, step), step->size, NULL));
    }
    job->result.verified += step->size;
    return KILN_OK;
}

/* What was written encrypted, or to a region that cannot be read, has no verify step, and proves nothing. Why
 * not, NULL if all can be verified. */
static const char *unverified(const struct kiln_plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct kiln_plan_extent *extent = &plan->extents[plan->steps[i].extent];

        if (plan->steps[i].kind != KILN_STEP_WRITE)
            continue;
        if (!(extent->region->access & KILN_REGION_READ))
            return "written, not verified: the flash cannot be read back";
        if (extent->encrypted)
            return "what the chip encrypted was written, not verified: only the chip can read it";
    }
    return NULL;
}

static enum kiln_status verify_flash(struct kiln_job *job)
{
    const struct kiln_plan *plan = &job->plan;
    const char *why_not = unverified(plan);

    if (bytes_now(job, KILN_STEP_VERIFY) > 0)
        kiln_job_begin_phase(job, KILN_PHASE_VERIFY, bytes_now(job, KILN_STEP_VERIFY), NULL);
    for (size_t i = 0; i < plan->step_count; i++)
        if (plan->steps[i].kind == KILN_STEP_VERIFY && !is_deferred(job, &plan->steps[i]) &&
            verify_step(job, &plan->steps[i]) != KILN_OK) {
            if (job->ctx.error.status == KILN_E_VERIFY)
                kiln_job_set_state(job, KILN_STATE_PARTIAL);
            return kiln_while(&job->ctx, "while verifying");
        }
    if (job->request.no_verify)
        return KILN_OK;
    if (why_not != NULL)
        kiln_job_note(job, "%s", why_not);
    else
        kiln_job_set_state(job, KILN_STATE_VERIFIED);
    return KILN_OK;
}

/* Fuses are asked about only as far as the job needs them. */
static enum kiln_status look_at_fuses(struct kiln_job *job)
{
    bool encrypts = false;

    for (size_t i = 0; job->request.encrypt != NULL && i < job->request.image_count; i++)
        encrypts = encrypts || job->request.encrypt[i];
    if (job->loader->ops->protection == NULL)
        return KILN_OK;
    KILN_TRY(job->loader->ops->protection(job->loader, &job->ctx, encrypts, &job->protection));
    job->has_protection = true;
    return KILN_OK;
}

static enum kiln_status prepare_images(struct kiln_job *job)
{
    KILN_TRY(check_files(job));
    KILN_TRY(look_at_fuses(job));
    KILN_TRY(kiln_job_place(job));
    KILN_TRY(kiln_job_settle_headers(job));
    return check_safety(job);
}

enum kiln_status kiln_job_flash(struct kiln_job *job)
{
    const struct kiln_target_info *info = target(job);
    struct kiln_plan_policy policy;

    KILN_TRY(prepare_images(job));
    policy = policy_of(job); /* placing says what is written last */
    KILN_TRY(kiln_plan_layout(&job->ctx, job->images, job->image_count, info->region,
                              info->region_count, &policy, &job->plan));
    KILN_TRY(kiln_job_survey(job));
    KILN_TRY(kiln_plan_steps(&job->ctx, &policy, &job->plan));
    KILN_TRY(publish_plan(job));
    KILN_TRY(kiln_job_options_plan(job));
    job->result.skipped = job->plan.skip_bytes;
    if (job->request.erase_all)
        KILN_TRY(kiln_job_erase_chip(job));
    if (job->request.dry_run)
        return KILN_OK;
    if (bytes_now(job, KILN_STEP_WRITE) + bytes_now(job, KILN_STEP_ERASE) > 0)
        KILN_TRY(change_flash(job));
    KILN_TRY(verify_flash(job));
    if (job->plan.skip_bytes > 0)
        job->result.verified += job->plan.skip_bytes; /* the survey compared them */
    return kiln_job_options_of_plan(job);
}

enum kiln_status kiln_job_verify(struct kiln_job *job)
{
    const struct kiln_target_info *info = target(job);
    uint64_t total = 0;

    KILN_TRY(look_at_fuses(job));
    KILN_TRY(kiln_job_place(job));
    KILN_TRY(kiln_job_settle_headers(job)); /* as a flash would have changed them */
    for (size_t i = 0; i < job->image_count; i++) {
        if (kiln_image_info(job->images[i])->address == KILN_NO_ADDRESS)
            return kiln_fail_hint(&job->ctx, KILN_E_ARG, KILN_HINT_GIVE_ADDRESS,
                                  "%s does not tell where it belongs",
                                  kiln_image_name(job->images[i]));
        total += kiln_image_total_bytes(job->images[i]);
    }
    if (!(info->caps & (KILN_CAP_READ | KILN_CAP_DIGEST)))
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "this bootloader cannot read the flash back");
    kiln_job_begin_phase(job, KILN_PHASE_VERIFY, total, NULL);
    for (size_t i = 0; i < job->image_count; i++)
        for (size_t k = 0; k < kiln_image_segment_count(job->images[i]); k++) {
            const struct kiln_segment *segment = kiln_image_segment(job->images[i], k);

            KILN_TRY(kiln_job_compare(job, segment->address, segment->data, segment->size, NULL));
            job->result.verified += segment->size;
        }
    return KILN_OK;
}
