/* SPDX-License-Identifier: MIT */
/* One event a line, the same events the terminal draws. */
#include "cli/map.h"
#include "cli/render.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *value;

    if (text == NULL || text[0] == '\0')
        return;
    value = json_string(text);
    if (value == NULL) /* not UTF-8: a device said it */
        value = json_string("?");
    json_object_set_new(object, key, value);
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

static json_t *revision(unsigned value)
{
    char text[16];

    snprintf(text, sizeof text, "%u.%u", value / 100, value % 100);
    return json_string(text);
}

static void add_app(json_t *object, const struct kiln_event_app *app)
{
    json_t *view = json_object();
    char digest[65] = "";

    if (app->described) {
        for (size_t i = 0; i < 32; i++)
            snprintf(digest + 2 * i, 3, "%02x", app->elf_sha256[i]);
        set_text(view, "project", app->project);
        set_text(view, "version", app->version);
        set_text(view, "date", app->date);
        set_text(view, "time", app->time);
        set_text(view, "idf", app->idf);
        set_number(view, "secure_version", app->secure_version);
        set_text(view, "elf_sha256", digest);
    }
    if (app->found) {
        json_object_set_new(view, "min_revision", revision(app->min_revision));
        if (app->max_revision != 0 && app->max_revision != UINT16_MAX)
            json_object_set_new(view, "max_revision", revision(app->max_revision));
    }
    json_object_set_new(object, "app", app->found ? view : json_null());
    if (!app->found)
        json_decref(view);
}

static void add_partitions(json_t *object, const struct kiln_event_target *target)
{
    json_t *partitions = json_array();

    for (size_t i = 0; i < target->partition_count; i++) {
        json_t *partition = json_object();

        set_text(partition, "label", target->partitions[i].label);
        set_number(partition, "type", target->partitions[i].type);
        set_number(partition, "subtype", target->partitions[i].subtype);
        set_number(partition, "start", target->partitions[i].start);
        set_number(partition, "size", target->partitions[i].size);
        set_number(partition, "flags", target->partitions[i].flags);
        if (target->partitions[i].app != NULL)
            add_app(partition, target->partitions[i].app);
        json_array_append_new(partitions, partition);
    }
    if (target->partition_count > 0)
        json_object_set(object, "partitions", partitions);
    json_decref(partitions);
}

static void add_otadata(json_t *object, const struct kiln_event_target *target)
{
    json_t *entries = json_array();

    for (size_t i = 0; i < target->otadata_count; i++) {
        const struct kiln_event_otadata *entry = &target->otadata[i];
        json_t *item = json_object();

        json_object_set_new(item, "blank", json_boolean(entry->blank));
        if (!entry->blank) {
            set_number(item, "sequence", entry->sequence);
            set_text(item, "state", entry->state);
            json_object_set_new(item, "crc_right", json_boolean(entry->crc_right));
            json_object_set_new(item, "selects", json_boolean(entry->selects));
        }
        json_array_append_new(entries, item);
    }
    if (target->otadata_count > 0)
        json_object_set(object, "otadata", entries);
    json_decref(entries);
    set_text(object, "boots", target->boots);
}

static void add_options(json_t *object, const struct kiln_event_options *options)
{
    json_t *view = json_object(), *list = json_array();
    char raw[513] = "";

    for (size_t i = 0; i < options->raw_len && 2 * i + 2 < sizeof raw; i++)
        snprintf(raw + 2 * i, 3, "%02x", options->raw[i]);
    for (size_t i = 0; i < options->option_count; i++) {
        const struct kiln_event_option *option = &options->options[i];
        json_t *item = json_object();

        set_text(item, "name", option->name);
        set_number(item, "address", option->address);
        set_number(item, "value", option->value);
        if (option->changed != option->value)
            set_number(item, "changed", option->changed);
        set_text(item, "text", option->text);
        json_array_append_new(list, item);
    }
    set_text(view, "series", options->series);
    set_text(view, "source", options->source);
    set_number(view, "address", options->address);
    set_text(view, "raw", raw);
    json_object_set_new(view, "options", list);
    json_object_set_new(object, "option_bytes", view);
}

static void add_target(json_t *object, const struct kiln_event_target *target)
{
    json_t *regions = json_array();

    set_text(object, "chip", target->chip);
    set_text(object, "title", target->title);
    set_text(object, "features", target->features);
    set_text(object, "serial", target->serial);
    set_text(object, "loader", target->loader);
    if (target->flash_id != 0)
        set_number(object, "flash_id", target->flash_id);
    if (target->crystal_mhz != 0)
        set_number(object, "crystal_mhz", target->crystal_mhz);
    if (target->baud != 0)
        set_number(object, "baud", target->baud);
    json_object_set_new(object, "read_protected", json_boolean(target->read_protected));
    for (size_t i = 0; i < target->region_count; i++) {
        json_t *region = json_object();

        set_text(region, "name", target->regions[i].name);
        set_number(region, "start", target->regions[i].start);
        set_number(region, "size", target->regions[i].size);
        set_number(region, "page", target->regions[i].page);
        set_number(region, "access", target->regions[i].access);
        json_array_append_new(regions, region);
    }
    json_object_set_new(object, "regions", regions);
    add_partitions(object, target);
    add_otadata(object, target);
    if (target->options != NULL)
        add_options(object, target->options);
}

static void add_plan(json_t *object, const struct kiln_event_plan *plan)
{
    static const char *const names[] = {"skip", "erase", "write", "verify"};
    json_t *steps = json_array();

    for (size_t i = 0; i < plan->step_count; i++) {
        json_t *step = json_object();

        set_text(step, "step", names[plan->steps[i].kind]);
        set_number(step, "address", plan->steps[i].address);
        set_number(step, "size", plan->steps[i].size);
        set_text(step, "region", plan->steps[i].region);
        if (plan->steps[i].encrypted)
            json_object_set_new(step, "encrypted", json_true());
        json_array_append_new(steps, step);
    }
    json_object_set_new(object, "steps", steps);
    if (plan->map != NULL)
        json_object_set_new(object, "map", cli_map_json(plan->map));
    set_number(object, "image_bytes", plan->image_bytes);
    set_number(object, "erase_bytes", plan->erase_bytes);
    set_number(object, "write_bytes", plan->write_bytes);
    set_number(object, "skip_bytes", plan->skip_bytes);
    set_number(object, "verify_bytes", plan->verify_bytes);
    set_number(object, "kept_bytes", plan->kept_bytes);
}

static void add_result(json_t *object, const struct kiln_event_result *result)
{
    set_text(object, "status", kiln_status_name(result->status));
    set_number(object, "exit", (uint64_t)kiln_status_exit_code(result->status));
    set_text(object, "state", kiln_device_state_name(result->state));
    set_text(object, "board", result->board_note);
    set_number(object, "written", result->written);
    set_number(object, "skipped", result->skipped);
    set_number(object, "erased", result->erased);
    set_number(object, "verified", result->verified);
    set_number(object, "elapsed_ms", result->elapsed_ms);
    set_number(object, "transfer_ms", result->transfer_ms);
    if (result->error == NULL)
        return;
    set_text(object, "message", result->error->message);
    set_text(object, "context", result->error->context);
    if (result->error->has_address)
        set_number(object, "address", result->error->address);
    if (result->error->code != 0)
        json_object_set_new(object, "code", json_integer(result->error->code));
    set_text(object, "hint", kiln_hint_text(result->error->hint));
}

static void json_event(struct renderer *self, size_t job, const struct kiln_event *event)
{
    static const char *const names[] = {"log",  "phase",   "progress", "device",
                                        "plan", "options", "note",     "result"};
    json_t *object = json_object();
    char *line;

    (void)self;
    if (object == NULL)
        return;
    set_text(object, "event", names[event->kind]);
    set_text(object, "device", event->device);
    set_number(object, "job", job);
    set_number(object, "time_ms", event->time_ms);
    if (event->kind == KILN_EVENT_PHASE || event->kind == KILN_EVENT_PROGRESS) {
        set_text(object, "phase", kiln_phase_name(event->phase));
        set_number(object, "done", event->done);
        set_number(object, "total", event->total);
    }
    if (event->kind == KILN_EVENT_LOG)
        set_number(object, "level", (uint64_t)event->level);
    set_text(object, "text", event->text);
    if (event->target != NULL)
        add_target(object, event->target);
    if (event->plan != NULL)
        add_plan(object, event->plan);
    if (event->options != NULL)
        add_options(object, event->options);
    if (event->result != NULL)
        add_result(object, event->result);
    line = json_dumps(object, JSON_COMPACT);
    if (line != NULL)
        puts(line);
    fflush(stdout);
    free(line);
    json_decref(object);
}

static void json_notice(struct renderer *self, const char *text)
{
    json_t *object = json_pack("{s:s, s:s}", "event", "notice", "text", text);
    char *line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

    (void)self;
    if (line != NULL)
        puts(line);
    fflush(stdout);
    free(line);
    json_decref(object);
}

static void json_end(struct renderer *self)
{
    (void)self;
}

static void json_free(struct renderer *self)
{
    free(self);
}

struct renderer *renderer_json_new(const struct cli *cli, size_t job_count)
{
    static const struct renderer_ops ops = {json_event, json_notice, json_end, json_free};
    struct renderer *self = calloc(1, sizeof *self);

    if (self != NULL)
        *self = (struct renderer){&ops, cli, job_count};
    return self;
}
