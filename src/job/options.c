/* SPDX-License-Identifier: MIT */
/* Option bytes of STM32 parts: read, told in words, changed by name. */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "chip/stm32_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RAW_MAX    (2 * KILN_OPTION_BANK_2)
#define OPTION_MAX 64
#define GONE_MS    2000  /* the reset follows the last GETSTATUS at once */
#define RETURN_MS  15000 /* back on the bus, unless its boot pin now says otherwise */
#define LEVEL_1    0xbb

/* Option bytes that the boot ROM shows in one piece; a second one is the second bank's. */
struct area {
    uint64_t address;
    size_t at, len; /* in raw and wanted */
};

struct kiln_job_options {
    const struct kiln_stm32_options *layout; /* NULL: not known */
    struct area area[2];
    size_t area_count;
    const struct kiln_chip *chip;
    struct kiln_event_options view;
    struct kiln_event_option item[OPTION_MAX];
    char text[OPTION_MAX][96];
    char more[400];
    uint8_t raw[RAW_MAX], wanted[RAW_MAX];
};

/* Fills `area` with the option bytes that can be read. */
static size_t find_areas(const struct kiln_job *job, struct area area[2])
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    size_t count = 0;

    for (size_t i = 0; i < info->region_count && count < 2; i++) {
        const struct kiln_region *region = &info->region[i];

        if (!(info->caps & KILN_CAP_OPTION_BYTES) || !(region->flags & KILN_REGION_OPTION) ||
            !(region->access & KILN_REGION_READ) || region->size > KILN_OPTION_BANK_2)
            continue;
        area[count] =
            (struct area){region->start, count * KILN_OPTION_BANK_2, (size_t)region->size};
        count++;
    }
    return count;
}

/* Does the part have it, and does its boot ROM show it? */
static bool applies(const struct kiln_job_options *self, const struct kiln_stm32_option *option)
{
    size_t bank = option->at / KILN_OPTION_BANK_2, at = option->at % KILN_OPTION_BANK_2;

    if (bank >= self->area_count ||
        (bank == 1 && self->area[bank].address != self->layout->bank_2) ||
        at + (option->shift + option->width + 7u) / 8 > self->area[bank].len)
        return false;
    return kiln_stm32_option_applies(option, self->chip);
}

static uint64_t address_of(const struct kiln_job_options *self,
                           const struct kiln_stm32_option *option)
{
    return option->at < KILN_OPTION_BANK_2
               ? self->layout->address + option->at
               : self->layout->bank_2 + (option->at - KILN_OPTION_BANK_2);
}

static void add_more(struct kiln_job_options *self, const char *name)
{
    size_t used = strlen(self->more);

    if (strstr(self->more, name) != NULL)
        return;
    snprintf(self->more + used, sizeof self->more - used, "%s%s", used > 0 ? " " : "", name);
}

/* From the bytes to the view; `only_changes` leaves out what stays as it is. */
static void decode(struct kiln_job_options *self, bool only_changes)
{
    size_t count = 0;

    self->more[0] = '\0';
    for (const struct kiln_stm32_option *o = self->layout != NULL ? self->layout->option : NULL;
         o != NULL && o->name != NULL && count < OPTION_MAX; o++) {
        struct kiln_event_option *item = &self->item[count];

        if (!applies(self, o)) {
            if (self->chip == NULL && o->at < KILN_OPTION_BANK_2)
                add_more(self, o->name);
            continue;
        }
        *item = (struct kiln_event_option){
            .name = o->name,
            .address = address_of(self, o),
            .value = kiln_stm32_option_get(o, self->raw),
            .changed = kiln_stm32_option_get(o, self->wanted),
            .width = o->width,
            .text = self->text[count],
        };
        if (only_changes && item->value == item->changed)
            continue;
        kiln_stm32_option_text(self->layout, o, self->wanted, self->text[count],
                               sizeof self->text[count]);
        if (!kiln_stm32_option_complement_good(self->layout, o, self->raw))
            snprintf(self->text[count], sizeof self->text[count],
                     "its complement does not match: the chip takes it for all ones");
        count++;
    }
    self->view.options = self->item;
    self->view.option_count = count;
}

static enum kiln_status read_areas(struct kiln_job *job, const struct kiln_job_options *self,
                                   uint8_t raw[RAW_MAX])
{
    for (size_t i = 0; i < self->area_count; i++)
        KILN_TRY(job->loader->ops->read(job->loader, &job->ctx, self->area[i].address,
                                        raw + self->area[i].at, self->area[i].len, NULL));
    return KILN_OK;
}

enum kiln_status kiln_job_options_read(struct kiln_job *job)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    struct kiln_job_options *self;
    struct area area[2];
    enum kiln_status status;

    if (find_areas(job, area) == 0 || info->read_protected || job->options != NULL)
        return KILN_OK;
    self = calloc(1, sizeof *self);
    if (self == NULL)
        return kiln_fail(&job->ctx, KILN_E_NOMEM, "out of memory");
    self->area_count = find_areas(job, self->area);
    status = read_areas(job, self, self->raw);
    if (status != KILN_OK) {
        free(self);
        if (status == KILN_E_GONE || status == KILN_E_CANCELLED)
            return status;
        kiln_job_note(job, "the option bytes cannot be read: %s", job->ctx.error.message);
        kiln_error_clear(&job->ctx);
        return KILN_OK;
    }
    memcpy(self->wanted, self->raw, sizeof self->wanted);
    self->chip = info->chip;
    self->layout =
        kiln_stm32_options_find(info->chip, self->area[0].address, self->raw, self->area[0].len);
    self->view = (struct kiln_event_options){
        .series = self->layout != NULL ? self->layout->series : "",
        .source = self->layout != NULL ? self->layout->source : "",
        .address = self->area[0].address,
        .raw = self->raw,
        .raw_len = self->area[0].len,
        .more = self->more,
    };
    decode(self, false);
    job->options = self;
    return KILN_OK;
}

const struct kiln_event_options *kiln_job_options_view(const struct kiln_job *job)
{
    return job->options != NULL ? &job->options->view : NULL;
}

void kiln_job_options_dispose(struct kiln_job *job)
{
    free(job->options);
    job->options = NULL;
}

/* ---- what is asked for ---- */

/* A protection level is only taken as a word: 0, 1 and 2 as values of the byte all mean level 1. */
static enum kiln_status parse_level(struct kiln_job *job, const struct kiln_stm32_options *layout,
                                    const char *word, uint32_t *out_value)
{
    if (strcasecmp(word, "level0") == 0)
        *out_value = layout->level0;
    else if (strcasecmp(word, "level1") == 0)
        *out_value = LEVEL_1;
    else if (strcasecmp(word, "level2-for-ever") == 0 && layout->level2 != 0)
        *out_value = layout->level2;
    else if (strncasecmp(word, "level2", strlen("level2")) == 0 && layout->level2 != 0)
        return kiln_fail(&job->ctx, KILN_E_REFUSED,
                         "read-out protection level 2 cannot be undone by anyone and locks this "
                         "bootloader out; who means it says RDP=level2-for-ever");
    else
        return kiln_fail(&job->ctx, KILN_E_ARG, "RDP is level0 or level1, not '%s'", word);
    return KILN_OK;
}

static enum kiln_status parse_value(struct kiln_job *job, const struct kiln_stm32_option *option,
                                    const char *word, uint32_t *out_value)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(word, &end, 0);
    if (word[0] < '0' || word[0] > '9' || *end != '\0' || errno != 0)
        return kiln_fail(&job->ctx, KILN_E_ARG, "'%s' is no number for %s", word, option->name);
    if (value >> option->width != 0)
        return kiln_fail(&job->ctx, KILN_E_ARG, "%s takes 0 to %llu, not %s", option->name,
                         (1ull << option->width) - 1, word);
    *out_value = (uint32_t)value;
    return KILN_OK;
}

/* The option of that name that this part has; several parts may have different ones of one name. */
static const struct kiln_stm32_option *find_option(const struct kiln_job_options *self,
                                                   const char *name)
{
    for (const struct kiln_stm32_option *o = self->layout->option; o->name != NULL; o++)
        if (strcasecmp(o->name, name) == 0 && applies(self, o))
            return o;
    return NULL;
}

static enum kiln_status no_such_option(struct kiln_job *job, const char *name)
{
    const struct kiln_job_options *self = job->options;

    if (self->chip == NULL && kiln_stm32_option_named(self->layout, name) != NULL)
        return kiln_fail(&job->ctx, KILN_E_ARG,
                         "only some %s parts have the option %s: say with --chip which this is",
                         self->layout->series, name);
    return kiln_fail(&job->ctx, KILN_E_ARG, "%s parts have no option '%s'; `kiln info` lists them",
                     self->layout->series, name);
}

static enum kiln_status apply(struct kiln_job *job, const char *set)
{
    struct kiln_job_options *self = job->options;
    const char *equals = strchr(set, '=');
    const struct kiln_stm32_option *option;
    uint32_t value = 0;
    char name[40];

    if (equals == NULL || equals == set || (size_t)(equals - set) >= sizeof name)
        return kiln_fail(&job->ctx, KILN_E_ARG, "'%s' is not NAME=VALUE", set);
    snprintf(name, sizeof name, "%.*s", (int)(equals - set), set);
    option = find_option(self, name);
    if (option == NULL)
        return no_such_option(job, name);
    if (option->kind == KILN_OPTION_SHOWN)
        return kiln_fail(&job->ctx, KILN_E_REFUSED,
                         "%s is not changed here: a wrong value may keep this bootloader out, or "
                         "parts of the flash unreadable, for ever",
                         option->name);
    if (option->kind == KILN_OPTION_RDP)
        KILN_TRY(parse_level(job, self->layout, equals + 1, &value));
    else
        KILN_TRY(parse_value(job, option, equals + 1, &value));
    kiln_stm32_option_set(self->layout, option, value, self->wanted);
    return KILN_OK;
}

static unsigned level_of(const struct kiln_job_options *self, const uint8_t *bytes)
{
    return kiln_stm32_option_level(
        self->layout, kiln_stm32_option_get(kiln_stm32_option_named(self->layout, "RDP"), bytes));
}

static bool is_changed(const struct kiln_job_options *self, size_t area)
{
    return memcmp(self->raw + self->area[area].at, self->wanted + self->area[area].at,
                  self->area[area].len) != 0;
}

static void tell_consequences(struct kiln_job *job)
{
    const struct kiln_job_options *self = job->options;
    unsigned now = level_of(self, self->raw), then = level_of(self, self->wanted);

    if (now == 0 && then == 1)
        kiln_job_note(job,
                      "read-out protection level 0 -> 1: from then on the flash can be neither "
                      "read nor written over USB until `kiln erase --unprotect`, which erases all "
                      "of it");
    if (now < 2 && then == 2)
        kiln_job_note(job,
                      "read-out protection level %u -> 2: for ever; no tool, this one "
                      "included, reaches this chip again",
                      now);
    if (now == 1 && then == 0)
        kiln_job_note(job, "read-out protection level 1 -> 0: mass erase, all flash is lost");
    kiln_job_note(job, "The board resets itself after the write.");
    if (kiln_stm32_options_at_power_on(self->layout, self->chip))
        kiln_job_note(job,
                      "%s load option bytes at power-on and not at every reset: take the power off "
                      "and on before you rely on them.",
                      self->chip != NULL ? "These parts" : "Some of these parts");
}

/* ---- the write ---- */

static enum kiln_status wait_gone(struct kiln_job *job)
{
    for (uint32_t ms = 0; ms < GONE_MS && !kiln_usb_is_gone(job->usb_link); ms += 20)
        KILN_TRY(kiln_sleep_ms(&job->ctx, 20));
    return KILN_OK;
}

/* The board comes back in its bootloader if its boot pin still says so. */
static bool comes_back(struct kiln_job *job)
{
    static const struct kiln_usb_match any = {-1, -1};
    uint64_t saved = kiln_deadline_narrow(&job->ctx, RETURN_MS);
    enum kiln_status status = kiln_usb_reopen(job->usb_link, &job->ctx, &any);

    kiln_deadline_restore(&job->ctx, saved);
    return status == KILN_OK && kiln_job_connect_again(job) == KILN_OK;
}

static enum kiln_status compare_fields(struct kiln_job *job, const uint8_t *now)
{
    struct kiln_job_options *self = job->options;

    for (const struct kiln_stm32_option *o = self->layout->option; o->name != NULL; o++) {
        uint32_t is, wanted;

        if (!applies(self, o))
            continue;
        is = kiln_stm32_option_get(o, now);
        wanted = kiln_stm32_option_get(o, self->wanted);
        if (is != wanted)
            return kiln_fail(&job->ctx, KILN_E_VERIFY, "%s is 0x%x after the write, not 0x%x",
                             o->name, is, wanted);
    }
    return KILN_OK;
}

/* Reserved bits may read as they like, so where the layout is known its fields are what counts. */
static enum kiln_status compare(struct kiln_job *job)
{
    struct kiln_job_options *self = job->options;
    uint8_t now[RAW_MAX] = {0};

    if (job->loader->ops->info(job->loader)->read_protected) {
        if (self->layout == NULL || level_of(self, self->wanted) > 0)
            return KILN_OK; /* as asked, and nobody can look further */
        return kiln_fail_hint(&job->ctx, KILN_E_VERIFY, KILN_HINT_READ_PROTECTED,
                              "read protection is on after the write");
    }
    KILN_TRY(read_areas(job, self, now));
    if (self->layout != NULL)
        KILN_TRY(compare_fields(job, now));
    else if (memcmp(now, self->wanted, sizeof now) != 0)
        return kiln_fail(&job->ctx, KILN_E_VERIFY,
                         "the option bytes read otherwise than they were written");
    for (size_t i = 0; i < self->area_count; i++)
        if (is_changed(self, i))
            job->result.verified += self->area[i].len;
    return KILN_OK;
}

/* Writes one piece and follows the reset. *out_back is false if the board stayed away. */
static enum kiln_status write_area(struct kiln_job *job, const struct area *area, bool *out_back)
{
    const uint8_t *wanted = job->options->wanted + area->at;

    *out_back = true;
    kiln_job_set_state(job, KILN_STATE_UNKNOWN);
    KILN_TRY(
        job->loader->ops->write(job->loader, &job->ctx, area->address, wanted, area->len, NULL));
    job->result.written += area->len;
    KILN_TRY(wait_gone(job));
    if (!kiln_usb_is_gone(job->usb_link) || comes_back(job))
        return KILN_OK;
    if (job->ctx.error.status == KILN_E_CANCELLED)
        return KILN_E_CANCELLED;
    kiln_error_clear(&job->ctx);
    *out_back = false;
    return KILN_OK;
}

static enum kiln_status write_areas(struct kiln_job *job, bool *out_back)
{
    const struct kiln_job_options *self = job->options;

    *out_back = true;
    for (size_t i = 0; i < self->area_count; i++) {
        if (!is_changed(self, i))
            continue;
        if (!*out_back)
            return kiln_fail(&job->ctx, KILN_E_GONE,
                             "the board has not come back in its bootloader, so the option bytes "
                             "of bank 2 are as they were");
        KILN_TRY(write_area(job, &self->area[i], out_back));
    }
    return KILN_OK;
}

static enum kiln_status write_and_verify(struct kiln_job *job)
{
    bool back;

    kiln_job_begin_phase(job, KILN_PHASE_WRITE, 0, NULL);
    KILN_TRY(write_areas(job, &back));
    if (!back)
        kiln_job_note(job, "the board has not come back in its bootloader, so the option bytes "
                           "could not be read again; set its boot pin and look with `kiln info`");
    if (!back || job->request.no_verify) {
        kiln_job_set_state(job, KILN_STATE_WRITTEN);
        return KILN_OK;
    }
    kiln_job_begin_phase(job, KILN_PHASE_VERIFY, 0, NULL);
    if (compare(job) != KILN_OK)
        return kiln_while(&job->ctx, "while reading the option bytes again");
    kiln_job_set_state(job, KILN_STATE_VERIFIED);
    return KILN_OK;
}

static enum kiln_status check_changeable(struct kiln_job *job)
{
    const struct kiln_target_info *info = job->loader->ops->info(job->loader);
    struct area area[2];

    if (info->read_protected)
        return kiln_fail_hint(&job->ctx, KILN_E_REFUSED, KILN_HINT_READ_PROTECTED,
                              "the option bytes cannot be changed: the chip's read protection is "
                              "on");
    if (find_areas(job, area) == 0)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "this bootloader shows no option bytes of an STM32");
    KILN_TRY(kiln_job_options_read(job));
    if (job->options == NULL)
        return kiln_fail(&job->ctx, KILN_E_REFUSED, "the option bytes cannot be read");
    return KILN_OK;
}

static void tell_changes(struct kiln_job *job)
{
    struct kiln_event event = {.kind = KILN_EVENT_OPTIONS, .options = &job->options->view};

    decode(job->options, true);
    kiln_job_emit(job, &event);
    tell_consequences(job);
}

enum kiln_status kiln_job_options(struct kiln_job *job)
{
    const struct kiln_stm32_options *layout;

    KILN_TRY(check_changeable(job));
    layout = job->options->layout;
    if (layout == NULL)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "it is not known what these option bytes mean; --chip may tell");
    if (layout->read_only != NULL)
        return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                         "the option bytes of %s parts are only read, not changed: %s",
                         layout->series, layout->read_only);
    if (layout->shared && job->options->chip == NULL)
        return kiln_fail_hint(&job->ctx, KILN_E_ARG, KILN_HINT_NONE,
                              "several series keep option bytes at 0x%08llx, each in its own way: "
                              "say with --chip which part this is",
                              (unsigned long long)layout->address);
    for (size_t i = 0; i < job->request.set_count; i++)
        KILN_TRY(apply(job, job->request.sets[i]));
    if (memcmp(job->options->raw, job->options->wanted, RAW_MAX) == 0) {
        kiln_job_note(job, "The option bytes are so already; nothing to write.");
        return KILN_OK;
    }
    tell_changes(job);
    return job->request.dry_run ? KILN_OK : write_and_verify(job);
}

/* ---- from a file ---- */

static enum kiln_status take_extent(struct kiln_job *job, const struct kiln_plan_extent *extent)
{
    struct kiln_job_options *self;

    KILN_TRY(check_changeable(job));
    self = job->options;
    for (size_t i = 0; i < self->area_count; i++)
        if (self->area[i].address == extent->address && self->area[i].len == extent->size) {
            memcpy(self->wanted + self->area[i].at, extent->bytes, extent->size);
            return KILN_OK;
        }
    return kiln_fail(&job->ctx, KILN_E_UNSUPPORTED,
                     "option bytes at 0x%08llx cannot be written: they cannot be read back",
                     (unsigned long long)extent->address);
}

/* Would a byte be level 2 on any part that keeps its RDP there? Asked where it is not known which part it is. */
static bool may_be_level_2(const struct kiln_job_options *self)
{
    const struct kiln_stm32_options *layout;

    for (size_t i = 0; (layout = kiln_stm32_options_at(i)) != NULL; i++) {
        const struct kiln_stm32_option *rdp = kiln_stm32_option_named(layout, "RDP");

        for (size_t a = 0; rdp != NULL && layout->level2 != 0 && a < self->area_count; a++) {
            const struct area *area = &self->area[a];
            uint64_t off = layout->address + rdp->at - area->address; /* huge if before it */

            if (off < area->len && self->wanted[area->at + off] == layout->level2 &&
                self->raw[area->at + off] != layout->level2)
                return true;
        }
    }
    return false;
}

enum kiln_status kiln_job_options_plan(struct kiln_job *job)
{
    const struct kiln_job_options *self;
    bool any = false;

    for (size_t i = 0; i < job->plan.extent_count; i++)
        if ((job->plan.extents[i].region->flags & KILN_REGION_RESETS) != 0) {
            KILN_TRY(take_extent(job, &job->plan.extents[i]));
            any = true;
        }
    self = job->options;
    if (!any || memcmp(self->raw, self->wanted, RAW_MAX) == 0)
        return KILN_OK;
    if (self->layout != NULL ? level_of(self, self->wanted) == 2 && level_of(self, self->raw) < 2
                             : may_be_level_2(self))
        return kiln_fail(&job->ctx, KILN_E_REFUSED,
                         "the file would set read-out protection level 2, which cannot be undone "
                         "by anyone; who means it says `kiln flash --set RDP=level2-for-ever`");
    if (self->layout != NULL)
        tell_changes(job);
    else
        kiln_job_note(job, "What these option bytes mean is not known. The board may reset itself "
                           "after the write.");
    return KILN_OK;
}

enum kiln_status kiln_job_options_of_plan(struct kiln_job *job)
{
    if (job->options == NULL || memcmp(job->options->raw, job->options->wanted, RAW_MAX) == 0)
        return KILN_OK;
    return write_and_verify(job);
}
