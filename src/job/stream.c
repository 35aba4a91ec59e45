/* SPDX-License-Identifier: MIT */
/*
 * Boards without addresses (plain DFU): one file goes out as one stream and the device knows where it
 * belongs. What can be read is compared before, so that an equal firmware is not sent again, and after.
 */
#include "job/job_internal.h"

#include <stdlib.h>
#include <string.h>

/* A device that never ends its upload is stopped here. */
#define UPLOAD_MAX ((size_t)64 << 20)

struct stream {
    const struct kiln_region *region;
    uint8_t *bytes; /* what to send; malloc'ed */
    size_t size;
};

static enum kiln_status choose_region(struct kiln_job *job, uint8_t access,
                                      const struct kiln_region **out_region)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);

    for (size_t i = 0; i < info->region_count; i++) {
        const struct kiln_region *region = &info->region[i];

        if (job->request.region != NULL && strcmp(job->request.region, region->name) != 0)
            continue;
        if (!(region->access & access))
            continue;
        *out_region = region;
        return KILN_OK;
    }
    return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED, "this device does not offer %s",
                     access == KILN_REGION_READ ? "reading" : "writing");
}

static enum kiln_status load_stream(struct kiln_job *job, struct stream *stream)
{
    struct kiln_image_write_options options = KILN_IMAGE_WRITE_OPTIONS_INIT;
    struct kiln_error error = {0};

    if (job->request.image_count != 1)
        return kiln_fail(&job->ctx, KILN_E_ARG,
                         "this device takes one file, since it has no addresses, not %zu",
                         job->request.image_count);
    if (kiln_image_serialize(job->request.images[0], &options, &stream->bytes, &stream->size,
                             &error) == KILN_OK)
        return KILN_OK;
    job->ctx.error = error;
    return error.status;
}

/* Whether the device holds the stream now; it may give more bytes than were written. */
static enum kiln_status compare_stream(struct kiln_job *job, const struct stream *stream,
                                       enum kiln_phase phase, bool *out_equal)
{
    struct kiln_progress progress = kiln_job_op_progress(job);
    struct kiln_buf there;
    enum kiln_status status;

    kiln_job_begin_phase(job, phase, stream->size, NULL);
    kiln_buf_init(&there, UPLOAD_MAX);
    status =
        job->loader->ops->upload(job->loader, &job->ctx, stream->region->start, &there, &progress);
    *out_equal = status == KILN_OK && there.len >= stream->size &&
                 memcmp(there.data, stream->bytes, stream->size) == 0;
    kiln_buf_dispose(&there);
    return status;
}

static void publish(struct kiln_job *job, const struct stream *stream, bool equal)
{
    struct kiln_event event = {.kind = KILN_EVENT_PLAN, .plan = &job->plan_view};

    job->steps = calloc(1, sizeof *job->steps);
    if (job->steps == NULL)
        return;
    job->steps[0] = (struct kiln_event_step){.kind = equal ? KILN_STEP_SKIP : KILN_STEP_WRITE,
                                             .address = stream->region->start,
                                             .size = stream->size,
                                             .region = stream->region->name};
    job->plan_view = (struct kiln_event_plan){.steps = job->steps,
                                              .step_count = 1,
                                              .image_bytes = stream->size,
                                              .write_bytes = equal ? 0 : stream->size,
                                              .skip_bytes = equal ? stream->size : 0};
    kiln_job_emit(job, &event);
}

static enum kiln_status write_stream(struct kiln_job *job, const struct stream *stream)
{
    struct kiln_progress progress = kiln_job_op_progress(job);
    uint64_t began = kiln_ctx_now_ns(&job->ctx);

    kiln_job_begin_phase(job, KILN_PHASE_WRITE, stream->size, NULL);
    kiln_job_set_state(job, KILN_STATE_PARTIAL);
    if (job->loader->ops->write(job->loader, &job->ctx, stream->region->start, stream->bytes,
                                stream->size, &progress) != KILN_OK)
        return kiln_while(&job->ctx, "while sending the firmware");
    kiln_job_set_state(job, KILN_STATE_WRITTEN);
    job->result.written = stream->size;
    job->result.transfer_ms = (kiln_ctx_now_ns(&job->ctx) - began) / KILN_NS_PER_MS;
    return KILN_OK;
}

static enum kiln_status verify_stream(struct kiln_job *job, const struct stream *stream)
{
    bool equal;

    KILN_TRY(compare_stream(job, stream, KILN_PHASE_VERIFY, &equal));
    if (!equal)
        return kiln_fail_hint(&job->ctx, KILN_E_VERIFY, KILN_HINT_RETRY_WRITE,
                              "the device does not hold what was sent to it");
    kiln_job_set_state(job, KILN_STATE_VERIFIED);
    job->result.verified = stream->size;
    return KILN_OK;
}

static enum kiln_status flash_stream(struct kiln_job *job, struct stream *stream)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    bool readable = (info->caps & KILN_CAP_READ) && (stream->region->access & KILN_REGION_READ);
    bool equal = false;

    KILN_TRY(load_stream(job, stream));
    if (readable && !job->request.full)
        KILN_TRY(compare_stream(job, stream, KILN_PHASE_SURVEY, &equal));
    publish(job, stream, equal);
    if (job->request.dry_run)
        return KILN_OK;
    if (equal) {
        job->result.skipped = job->result.verified = stream->size;
        kiln_job_set_state(job, KILN_STATE_VERIFIED);
        return KILN_OK;
    }
    KILN_TRY(write_stream(job, stream));
    if (!readable || (info->caps & KILN_CAP_ONE_SHOT)) {
        kiln_job_note(job, "This device cannot be read after a write, so nothing was verified.");
        return KILN_OK;
    }
    return job->request.no_verify ? KILN_OK : verify_stream(job, stream);
}

enum kiln_status kiln_job_stream_flash(struct kiln_job *job)
{
    struct stream stream = {0};
    enum kiln_status status = choose_region(job, KILN_REGION_WRITE, &stream.region);

    if (status == KILN_OK)
        status = flash_stream(job, &stream);
    free(stream.bytes);
    return status;
}

enum kiln_status kiln_job_stream_verify(struct kiln_job *job)
{
    struct stream stream = {0};
    enum kiln_status status = choose_region(job, KILN_REGION_READ, &stream.region);

    if (status == KILN_OK)
        status = load_stream(job, &stream);
    if (status == KILN_OK)
        status = verify_stream(job, &stream);
    /* Comparing changes nothing on the board. */
    kiln_job_set_state(job, KILN_STATE_UNTOUCHED);
    free(stream.bytes);
    return status;
}

enum kiln_status kiln_job_stream_read(struct kiln_job *job)
{
    struct kiln_progress progress = kiln_job_op_progress(job);
    const struct kiln_region *region = NULL;
    struct kiln_buf there;
    enum kiln_status status;

    KILN_TRY(choose_region(job, KILN_REGION_READ, &region));
    kiln_job_begin_phase(job, KILN_PHASE_READ, 0, NULL);
    kiln_buf_init(&there, UPLOAD_MAX);
    status = job->loader->ops->upload(job->loader, &job->ctx, region->start, &there, &progress);
    if (status != KILN_OK) {
        kiln_buf_dispose(&there);
        return status;
    }
    job->data = there.data;
    job->result.data = there.data;
    job->result.data_len = there.len;
    if (job->request.length > 0 && job->request.length < there.len)
        job->result.data_len = (size_t)job->request.length;
    return KILN_OK;
}
