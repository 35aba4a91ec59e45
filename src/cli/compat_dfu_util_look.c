/* SPDX-License-Identifier: MIT */
/* Events of a job in the form that scripts and IDEs know from dfu-util. */
#include "cli/compat_dfu_util.h"

#include <string.h>

#define BAR_WIDTH 25

int dfu_util_exit_status(const struct kiln_error *error)
{
    switch (error->status) {
    case KILN_OK:
        return EX_OK;
    case KILN_E_ARG:
    case KILN_E_UNSUPPORTED:
        return EX_USAGE;
    case KILN_E_REFUSED:
        return error->hint == KILN_HINT_READ_PROTECTED ? EX_IOERR : EX_USAGE;
    case KILN_E_FILE:
        return EX_DATAERR;
    case KILN_E_PROTO:
        return EX_PROTOCOL;
    case KILN_E_NOMEM:
    case KILN_E_INTERNAL:
        return EX_SOFTWARE;
    case KILN_E_CANCELLED:
        return 130;
    case KILN_E_NO_DEVICE:
    case KILN_E_AMBIGUOUS:
    case KILN_E_DENIED:
    case KILN_E_BUSY:
    case KILN_E_GONE:
    case KILN_E_TIMEOUT:
    case KILN_E_NAK:
    case KILN_E_VERIFY:
    case KILN_E_IO:
    case KILN_STATUS_COUNT:
        break;
    }
    return EX_IOERR;
}

int dfu_util_fail(const char *tool, const struct kiln_error *error)
{
    (void)dfu_fail(tool, 0, "%s%s%s", error->message, error->context[0] != '\0' ? ", " : "",
                   error->context);
    if (error->hint != KILN_HINT_NONE)
        fprintf(stderr, "  %s\n", kiln_hint_text(error->hint));
    return dfu_util_exit_status(error);
}

static const char *title(enum kiln_phase phase)
{
    switch (phase) {
    case KILN_PHASE_SURVEY:
        return "Compare ";
    case KILN_PHASE_ERASE:
        return "Erase   ";
    case KILN_PHASE_WRITE:
        return "Download";
    case KILN_PHASE_VERIFY:
        return "Verify  ";
    case KILN_PHASE_READ:
        return "Upload  ";
    case KILN_PHASE_CONNECT:
    case KILN_PHASE_START:
    case KILN_PHASE_COUNT:
        break;
    }
    return NULL;
}

static void draw(struct dfu_util_look *self, uint64_t done)
{
    uint64_t total = self->total > 0 ? self->total : 1;
    int width = (int)((done < total ? done : total) * BAR_WIDTH / total);

    if (self->quiet || width == self->bar)
        return;
    self->bar = width;
    printf("\r%s\t[%.*s%*s] %3u%% %12llu bytes", title(self->phase), width,
           "=========================", BAR_WIDTH - width, "",
           (unsigned)((done < total ? done : total) * 100 / total), (unsigned long long)done);
    fflush(stdout);
}

static void end_bar(struct dfu_util_look *self, bool good)
{
    if (self->bar < 0)
        return;
    if (good)
        draw(self, self->total);
    self->bar = -1;
    putchar('\n');
    if (good)
        printf("%s done.\n", title(self->phase));
    fflush(stdout);
}

static void begin_phase(struct dfu_util_look *self, const struct kiln_event *event)
{
    end_bar(self, true);
    self->phase = event->phase;
    self->total = event->total;
    if (event->phase == KILN_PHASE_START && !self->quiet)
        puts("Submitting leave request...");
    if (title(event->phase) != NULL && event->total > 0)
        draw(self, 0);
}

static void take_target(struct dfu_util_look *self, const struct kiln_event_target *target)
{
    size_t room = sizeof self->region / sizeof self->region[0];

    self->region_count = target->region_count < room ? target->region_count : room;
    for (size_t i = 0; i < self->region_count; i++) {
        self->region[i] = target->regions[i];
        self->region[i].name = "";
    }
}

static const char *state_words(enum kiln_device_state state)
{
    return state == KILN_STATE_UNTOUCHED ? "unchanged" : kiln_device_state_name(state);
}

static void take_result(struct dfu_util_look *self, const struct kiln_event_result *result)
{
    bool noted = result->board_note[0] != '\0';

    end_bar(self, result->status == KILN_OK);
    if (result->status != KILN_OK) {
        self->error = *result->error;
        (void)dfu_util_fail(self->tool, &self->error);
        fprintf(stderr, "  The flash is %s%s%s.\n", state_words(result->state),
                noted ? "; the device is " : "", noted ? result->board_note : "");
        return;
    }
    if (self->save != NULL)
        self->save_failed =
            fwrite(result->data, 1, result->data_len, self->save) != result->data_len;
    if (!self->quiet && result->written == 0 && result->skipped > 0)
        puts("All of it was in the flash already.");
}

static void on_event(struct renderer *renderer, size_t job, const struct kiln_event *event)
{
    struct dfu_util_look *self = (struct dfu_util_look *)renderer;

    (void)job;
    switch (event->kind) {
    case KILN_EVENT_LOG:
    case KILN_EVENT_NOTE:
        if (self->quiet)
            break;
        end_bar(self, self->bar == BAR_WIDTH);
        fflush(stdout);
        fprintf(stderr, "%s: %s\n", self->tool, event->text);
        break;
    case KILN_EVENT_PHASE:
        begin_phase(self, event);
        break;
    case KILN_EVENT_PROGRESS:
        if (title(self->phase) != NULL && event->total > 0)
            draw(self, event->done);
        break;
    case KILN_EVENT_DEVICE:
        take_target(self, event->target);
        break;
    case KILN_EVENT_OPTIONS:
    case KILN_EVENT_PLAN:
        break;
    case KILN_EVENT_RESULT:
        take_result(self, event->result);
        break;
    }
}

static void on_notice(struct renderer *renderer, const char *text)
{
    end_bar((struct dfu_util_look *)renderer, false);
    fprintf(stderr, "%s\n", text);
}

static void on_end(struct renderer *renderer)
{
    (void)renderer;
    fflush(stdout);
}

static void on_free(struct renderer *renderer)
{
    (void)renderer; /* the caller's */
}

int dfu_util_run(struct cli *cli, struct kiln_request *request, struct dfu_util_look *look)
{
    static const struct renderer_ops ops = {on_event, on_notice, on_end, on_free};
    int status;

    look->base = (struct renderer){&ops, cli, 1};
    look->bar = -1;
    look->error = (struct kiln_error){0};
    status = cli_run_job_drawn(cli, request, &look->base);
    if (status == 0)
        return 0;
    return look->error.status != KILN_OK ? dfu_util_exit_status(&look->error) : EX_OSERR;
}
