/* SPDX-License-Identifier: MIT */
/* One event a line, the same events the terminal draws. */
#include "cli/json.h"
#include "cli/map.h"
#include "cli/render.h"

#include <stdlib.h>
#include <string.h>

static void set_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void set_flag(json_t *object, const char *key, bool value)
{
    json_object_set_new(object, key, json_boolean(value));
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
        cli_json_set(view, "project", app->project);
        cli_json_set(view, "version", app->version);
        cli_json_set(view, "date", app->date);
        cli_json_set(view, "time", app->time);
        cli_json_set(view, "idf", app->idf);
        set_number(view, "secure_version", app->secure_version);
        cli_json_set(view, "elf_sha256", digest);
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

        cli_json_set(partition, "label", target->partitions[i].label);
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

        set_flag(item, "blank", entry->blank);
        if (!entry->blank) {
            set_number(item, "sequence", entry->sequence);
            cli_json_set(item, "state", entry->state);
            set_flag(item, "crc_right", entry->crc_right);
            set_flag(item, "selects", entry->selects);
        }
        json_array_append_new(entries, item);
    }
    if (target->otadata_count > 0)
        json_object_set(object, "otadata", entries);
    json_decref(entries);
    cli_json_set(object, "boots", target->boots);
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

        cli_json_set(item, "name", option->name);
        set_number(item, "address", option->address);
        set_number(item, "value", option->value);
        if (option->changed != option->value)
            set_number(item, "changed", option->changed);
        cli_json_set(item, "text", option->text);
        json_array_append_new(list, item);
    }
    cli_json_set(view, "series", options->series);
    cli_json_set(view, "source", options->source);
    set_number(view, "address", options->address);
    cli_json_set(view, "raw", raw);
    json_object_set_new(view, "options", list);
    json_object_set_new(object, "option_bytes", view);
}

static void add_keys(json_t *view, const struct kiln_event_security *security)
{
    json_t *keys = json_array(), *revoked = json_array();

    for (unsigned i = 0; i < 3; i++)
        if (security->revoked_digests >> i & 1)
            json_array_append_new(revoked, json_integer(i));
    for (size_t i = 0; i < security->key_count; i++) {
        json_t *key = json_object();

        set_number(key, "block", security->keys[i].block);
        set_number(key, "purpose", security->keys[i].purpose);
        cli_json_set(key, "name", security->keys[i].name);
        json_array_append_new(keys, key);
    }
    json_object_set_new(view, "revoked_digests", revoked);
    json_object_set_new(view, "keys", keys);
}

static void add_security(json_t *object, const struct kiln_event_security *security)
{
    static const char *const jtag[] = {"", "open", "soft-off", "off"};
    json_t *view = json_object();

    set_flag(view, "secure_boot", security->secure_boot);
    if (security->secure_boot)
        set_number(view, "secure_boot_version", security->secure_boot_version);
    set_flag(view, "flash_encryption", security->flash_encryption);
    set_number(view, "crypt_count", security->crypt_count);
    set_flag(view, "secure_download", security->secure_download);
    cli_json_set(view, "jtag", jtag[security->jtag]);
    if (security->has_fuses) {
        set_flag(view, "flash_key", security->flash_key);
        set_flag(view, "rom_encrypts", security->rom_encrypts);
    }
    if (security->has_flags) {
        set_number(view, "flags", security->flags);
        set_flag(view, "aggressive_revocation", security->aggressive_revocation);
        set_flag(view, "usb_off", security->usb_off);
        set_flag(view, "download_icache_off", security->download_icache_off);
        set_flag(view, "download_dcache_off", security->download_dcache_off);
        add_keys(view, security);
    }
    json_object_set_new(object, "security", view);
}

static void add_sfdp(json_t *view, const struct kiln_event_flash *flash)
{
    json_t *sfdp;
    char version[16];

    if (!flash->has_sfdp)
        return;
    sfdp = flash->sfdp ? json_object() : json_null();
    if (flash->sfdp) {
        snprintf(version, sizeof version, "%u.%u", flash->sfdp_major, flash->sfdp_minor);
        cli_json_set(sfdp, "version", version);
        if (flash->sfdp_size != 0)
            set_number(sfdp, "size", flash->sfdp_size);
    }
    json_object_set_new(view, "sfdp", sfdp);
}

static void add_flash(json_t *object, const struct kiln_event_flash *flash)
{
    json_t *view = json_object(), *status = flash->has_status ? json_array() : NULL;

    set_number(view, "manufacturer", flash->manufacturer);
    cli_json_set(view, "maker", flash->maker);
    set_number(view, "device", flash->device);
    if (flash->size != 0)
        set_number(view, "size", flash->size);
    for (size_t i = 0; flash->has_status && i < 3; i++)
        json_array_append_new(status, json_integer(flash->status[i]));
    if (flash->has_status)
        json_object_set_new(view, "status", status);
    add_sfdp(view, flash);
    if (flash->data_lines != 0)
        set_number(view, "data_lines", flash->data_lines);
    if (flash->supply_by[0] != '\0') {
        cli_json_set(view, "supply_by", flash->supply_by);
        set_number(view, "supply_mv", flash->supply_mv);
    }
    json_object_set_new(object, "flash", view);
}

static void add_boot_header(json_t *object, const struct kiln_event_boot_header *header)
{
    json_t *view = json_object();

    cli_json_set(view, "mode", header->mode);
    cli_json_set(view, "frequency", header->frequency);
    cli_json_set(view, "size", header->size);
    json_object_set_new(object, "boot_header", view);
}

static void add_target(json_t *object, const struct kiln_event_target *target)
{
    json_t *regions = json_array();

    cli_json_set(object, "chip", target->chip);
    cli_json_set(object, "title", target->title);
    cli_json_set(object, "features", target->features);
    cli_json_set(object, "serial", target->serial);
    cli_json_set(object, "loader", target->loader);
    if (target->flash_id != 0)
        set_number(object, "flash_id", target->flash_id);
    if (target->crystal_mhz != 0)
        set_number(object, "crystal_mhz", target->crystal_mhz);
    if (target->baud != 0)
        set_number(object, "baud", target->baud);
    set_flag(object, "read_protected", target->read_protected);
    for (size_t i = 0; i < target->region_count; i++) {
        json_t *region = json_object();

        cli_json_set(region, "name", target->regions[i].name);
        set_number(region, "start", target->regions[i].start);
        set_number(region, "size", target->regions[i].size);
        set_number(region, "page", target->regions[i].page);
        set_number(region, "access", target->regions[i].access);
        json_array_append_new(regions, region);
    }
    json_object_set_new(object, "regions", regions);
    add_partitions(object, target);
    add_otadata(object, target);
    if (target->security != NULL)
        add_security(object, target->security);
    if (target->flash != NULL)
        add_flash(object, target->flash);
    if (target->boot_header != NULL)
        add_boot_header(object, target->boot_header);
    if (target->options != NULL)
        add_options(object, target->options);
}

static void add_plan(json_t *object, const struct kiln_event_plan *plan)
{
    static const char *const names[] = {"skip", "erase", "write", "verify"};
    json_t *steps = json_array();

    for (size_t i = 0; i < plan->step_count; i++) {
        json_t *step = json_object();

        cli_json_set(step, "step", names[plan->steps[i].kind]);
        set_number(step, "address", plan->steps[i].address);
        set_number(step, "size", plan->steps[i].size);
        cli_json_set(step, "region", plan->steps[i].region);
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
    cli_json_set(object, "status", kiln_status_name(result->status));
    set_number(object, "exit", (uint64_t)kiln_status_exit_code(result->status));
    cli_json_set(object, "state", kiln_device_state_name(result->state));
    cli_json_set(object, "board", result->board_note);
    set_number(object, "written", result->written);
    set_number(object, "skipped", result->skipped);
    set_number(object, "erased", result->erased);
    set_number(object, "verified", result->verified);
    set_number(object, "elapsed_ms", result->elapsed_ms);
    set_number(object, "transfer_ms", result->transfer_ms);
    if (result->error == NULL)
        return;
    cli_json_set(object, "message", result->error->message);
    cli_json_set(object, "context", result->error->context);
    if (result->error->has_address)
        set_number(object, "address", result->error->address);
    if (result->error->code != 0)
        json_object_set_new(object, "code", json_integer(result->error->code));
    cli_json_set(object, "hint", kiln_hint_text(result->error->hint));
}

static void json_event(struct renderer *self, size_t job, const struct kiln_event *event)
{
    static const char *const names[] = {"log",  "phase",   "progress", "device",
                                        "plan", "options", "note",     "result"};
    json_t *object = json_object();

    (void)self;
    if (object == NULL)
        return;
    cli_json_set(object, "event", names[event->kind]);
    cli_json_set(object, "device", event->device);
    set_number(object, "job", job);
    set_number(object, "time_ms", event->time_ms);
    if (event->kind == KILN_EVENT_PHASE || event->kind == KILN_EVENT_PROGRESS) {
        cli_json_set(object, "phase", kiln_phase_name(event->phase));
        set_number(object, "done", event->done);
        set_number(object, "total", event->total);
    }
    if (event->kind == KILN_EVENT_LOG)
        set_number(object, "level", (uint64_t)event->level);
    cli_json_set(object, "text", event->text);
    if (event->target != NULL)
        add_target(object, event->target);
    if (event->plan != NULL)
        add_plan(object, event->plan);
    if (event->options != NULL)
        add_options(object, event->options);
    if (event->result != NULL)
        add_result(object, event->result);
    cli_put_json(object);
}

static void json_notice(struct renderer *self, const char *text)
{
    (void)self;
    cli_put_json(cli_notice_json(text));
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
