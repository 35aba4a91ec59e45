/* SPDX-License-Identifier: MIT */
/* Events in words. What a person reads about a job is written here and nowhere else. */
#include "cli/render.h"

#include <stdarg.h>
#include <string.h>

struct text {
    char *at;
    size_t left;
};

static void put(struct text *text, const char *format, ...) KILN_PRINTF(2, 3);

static void put(struct text *text, const char *format, ...)
{
    va_list args;
    int written;

    va_start(args, format);
    written = vsnprintf(text->at, text->left, format, args);
    va_end(args);
    if (written < 0)
        return;
    if ((size_t)written >= text->left)
        written = (int)text->left - 1;
    text->at += written;
    text->left -= (size_t)written;
}

const char *render_phase_title(enum kiln_phase phase)
{
    switch (phase) {
    case KILN_PHASE_CONNECT:
        return "Connecting";
    case KILN_PHASE_SURVEY:
        return "Comparing";
    case KILN_PHASE_ERASE:
        return "Erasing";
    case KILN_PHASE_WRITE:
        return "Writing";
    case KILN_PHASE_VERIFY:
        return "Verifying";
    case KILN_PHASE_READ:
        return "Reading";
    case KILN_PHASE_START:
        return "Starting";
    case KILN_PHASE_COUNT:
        break;
    }
    return "Working";
}

static void put_regions(struct text *text, const struct kiln_event_target *target)
{
    char size[24], page[24];

    put(text, "  Memory\n");
    for (size_t i = 0; i < target->region_count; i++) {
        const struct kiln_event_region *region = &target->regions[i];

        if (region->page == 1) { /* plain DFU: no addresses, the device knows */
            put(text, "    %-16s takes one file as a stream\n", region->name);
            continue;
        }
        put(text, "    %-16s 0x%08llx - 0x%08llx %10s  %c%c%c  pages of %s\n", region->name,
            (unsigned long long)region->start,
            (unsigned long long)(region->start + region->size - 1), cli_bytes(region->size, size),
            region->access & 1 ? 'r' : '-', region->access & 2 ? 'e' : '-',
            region->access & 4 ? 'w' : '-', cli_bytes(region->page, page));
    }
}

static const char *partition_kind(const struct kiln_event_partition *partition, char text[16])
{
    static const char *const data[] = {"ota", "phy", "nvs", "coredump", "nvs_keys", "efuse"};
    unsigned subtype = partition->subtype;

    if (partition->type == 0 && subtype >= 0x10 && subtype < 0x20)
        snprintf(text, 16, "app ota_%u", subtype - 0x10);
    else if (partition->type == 0 && (subtype == 0 || subtype == 0x20))
        snprintf(text, 16, "app %s", subtype == 0 ? "factory" : "test");
    else if (partition->type == 1 && subtype < sizeof data / sizeof data[0])
        snprintf(text, 16, "data %s", data[subtype]);
    else if (partition->type == 1 && subtype >= 0x81 && subtype <= 0x83)
        snprintf(text, 16, "data %s",
                 subtype == 0x81   ? "fat"
                 : subtype == 0x82 ? "spiffs"
                                   : "littlefs");
    else
        snprintf(text, 16, "%02x %02x", partition->type, subtype);
    return text;
}

static void put_partitions(struct text *text, const struct kiln_event_target *target)
{
    char size[24], kind[16];

    put(text, "  Partitions\n");
    for (size_t i = 0; i < target->partition_count; i++) {
        const struct kiln_event_partition *partition = &target->partitions[i];

        put(text, "    %-16s 0x%08llx - 0x%08llx %10s  %s%s%s\n", partition->label,
            (unsigned long long)partition->start,
            (unsigned long long)(partition->start + partition->size - 1),
            cli_bytes(partition->size, size), partition_kind(partition, kind),
            partition->flags & 1 ? ", encrypted" : "", partition->flags & 2 ? ", read-only" : "");
    }
}

static void put_app(struct text *text, const char *label, const struct kiln_event_app *app)
{
    if (!app->found) {
        put(text, "    %s: no application\n", label);
        return;
    }
    if (!app->described) {
        put(text, "    %s: an application without descriptor\n", label);
        return;
    }
    put(text, "    %s: %s, version %s, built %s %s, ESP-IDF %s, secure version %u", label,
        app->project, app->version, app->date, app->time, app->idf, app->secure_version);
    if (app->max_revision != 0 && app->max_revision != UINT16_MAX)
        put(text, ", chip revision v%u.%u to v%u.%u", app->min_revision / 100u,
            app->min_revision % 100u, app->max_revision / 100u, app->max_revision % 100u);
    else if (app->min_revision != 0)
        put(text, ", chip revision v%u.%u and above", app->min_revision / 100u,
            app->min_revision % 100u);
    put(text, "\n");
}

/* Applications, and which of them starts. */
static void put_slots(struct text *text, const struct kiln_event_target *target)
{
    bool titled = false;

    for (size_t i = 0; i < target->partition_count; i++) {
        if (target->partitions[i].app == NULL)
            continue;
        if (!titled)
            put(text, "  Applications\n");
        titled = true;
        put_app(text, target->partitions[i].label, target->partitions[i].app);
    }
    for (size_t i = 0; i < target->otadata_count; i++) {
        const struct kiln_event_otadata *entry = &target->otadata[i];

        if (entry->blank)
            put(text, "    otadata entry %zu: blank\n", i);
        else
            put(text, "    otadata entry %zu: sequence %u, %s, CRC %s\n", i, entry->sequence,
                entry->state, entry->crc_right ? "right" : "wrong");
    }
    if (target->boots[0] != '\0')
        for (size_t i = 0; i < target->partition_count; i++)
            if (strcmp(target->partitions[i].label, target->boots) == 0)
                put(text, "    the bootloader starts %s at 0x%llx\n", target->boots,
                    (unsigned long long)target->partitions[i].start);
}

static void put_raw(struct text *text, const struct kiln_event_options *options)
{
    put(text, "  Option bytes (layout not known%s)\n",
        options->series[0] == '\0' ? "; --chip may tell" : "");
    for (size_t i = 0; i < options->raw_len; i++)
        put(text, "%s%02x%s", i % 16 == 0 ? "    " : " ", options->raw[i],
            i % 16 == 15 || i + 1 == options->raw_len ? "\n" : "");
}

static void put_options(struct text *text, const struct kiln_event_options *options)
{
    if (options->series[0] == '\0') {
        put_raw(text, options);
        return;
    }
    put(text, "  Option bytes at 0x%08llx, %s (%s)\n", (unsigned long long)options->address,
        options->series, options->source);
    for (size_t i = 0; i < options->option_count; i++)
        put(text, "    %-20s 0x%-*x%s\n", options->options[i].name,
            options->options[i].text[0] != '\0' ? 8 : 1, options->options[i].value,
            options->options[i].text);
    if (options->more[0] != '\0')
        put(text, "    --chip PART tells more, which only some of these parts have: %s\n",
            options->more);
}

static void put_option_changes(struct text *text, const struct kiln_event_options *options)
{
    put(text, "  Option bytes at 0x%08llx:\n", (unsigned long long)options->address);
    for (size_t i = 0; i < options->option_count; i++)
        put(text, "    %-20s 0x%x -> 0x%x  %s\n", options->options[i].name,
            options->options[i].value, options->options[i].changed, options->options[i].text);
}

/* What is off as it is in a new chip is not said. */
static void put_security(struct text *text, const struct kiln_event_security *security)
{
    static const char *const jtag[] = {"", ", JTAG open", ", JTAG off until a program enables it",
                                       ", JTAG off for ever"};

    put(text, "  Security    secure boot %s", security->secure_boot ? "" : "off");
    if (security->secure_boot)
        put(text, "version %u on", security->secure_boot_version);
    put(text, ", flash encryption %s", security->flash_encryption ? "on" : "off");
    if (security->has_flags) /* others do not have it */
        put(text, ", secure download mode %s", security->secure_download ? "on" : "off");
    put(text, "%s\n", jtag[security->jtag]);
    if (security->has_fuses && security->flash_key)
        put(text, "    a key for flash encryption is in eFuses%s\n",
            security->rom_encrypts ? "" : "; the boot ROM does not encrypt");
    for (unsigned i = 0; i < 3; i++)
        if (security->revoked_digests >> i & 1)
            put(text, "    secure boot key %u is revoked\n", i);
    if (security->aggressive_revocation)
        put(text, "    a secure boot key that fails once is revoked\n");
    if (security->usb_off)
        put(text, "    the USB port is off\n");
    if (security->download_icache_off || security->download_dcache_off)
        put(text, "    in download mode without %s\n",
            !security->download_dcache_off   ? "instruction cache"
            : !security->download_icache_off ? "data cache"
                                             : "caches");
    for (size_t i = 0; i < security->key_count; i++)
        if (security->keys[i].name[0] == '\0')
            put(text, "    key %u: purpose %u, not known of this chip\n", security->keys[i].block,
                security->keys[i].purpose);
        else if (security->keys[i].purpose != 0)
            put(text, "    key %u: %s\n", security->keys[i].block, security->keys[i].name);
}

static void put_flash(struct text *text, const struct kiln_event_flash *flash)
{
    char size[24];

    put(text, "  Flash chip  maker %02x%s%s, device %04x", flash->manufacturer,
        flash->maker[0] != '\0' ? " " : "", flash->maker, flash->device);
    if (flash->size != 0)
        put(text, ", %s", cli_bytes(flash->size, size));
    if (flash->data_lines != 0)
        put(text, ", %u data lines", flash->data_lines);
    if (flash->supply_by[0] != '\0' && flash->supply_mv == 0)
        put(text, ", supply off by %s", flash->supply_by);
    else if (flash->supply_by[0] != '\0')
        put(text, ", %u.%u V by %s", flash->supply_mv / 1000, flash->supply_mv / 100 % 10,
            flash->supply_by);
    put(text, "\n");
    if (flash->has_status)
        put(text, "    status registers %02x %02x %02x\n", flash->status[0], flash->status[1],
            flash->status[2]);
    if (flash->has_sfdp && !flash->sfdp)
        put(text, "    no SFDP tables\n");
    if (flash->sfdp)
        put(text, "    SFDP %u.%u%s%s\n", flash->sfdp_major, flash->sfdp_minor,
            flash->sfdp_size != 0 ? ", which says " : "",
            flash->sfdp_size != 0 ? cli_bytes(flash->sfdp_size, size) : "");
}

static void put_boot_header(struct text *text, const struct kiln_event_boot_header *header)
{
    put(text, "  Bootloader  takes the flash for %s, %s, %s\n",
        header->size[0] != '\0' ? header->size : "an unknown size",
        header->mode[0] != '\0' ? header->mode : "an unknown mode",
        header->frequency[0] != '\0' ? header->frequency : "an unknown frequency");
}

/* What `kiln info` was asked for. */
static void put_details(struct text *text, const struct kiln_event_target *target)
{
    if (target->features[0] != '\0')
        put(text, "  Features    %s\n", target->features);
    if (target->crystal_mhz != 0)
        put(text, "  Crystal     %u MHz\n", target->crystal_mhz);
    if (target->flash != NULL)
        put_flash(text, target->flash);
    else if (target->flash_id != 0)
        put(text, "  Flash id    %06x\n", target->flash_id);
    if (target->boot_header != NULL)
        put_boot_header(text, target->boot_header);
    if (target->security != NULL)
        put_security(text, target->security);
    if (target->region_count > 0)
        put_regions(text, target);
    if (target->partition_count > 0)
        put_partitions(text, target);
    put_slots(text, target);
    if (target->options != NULL)
        put_options(text, target->options);
}

static void put_target(const struct cli *cli, struct text *text, const struct kiln_event *event)
{
    const struct kiln_event_target *target = event->target;
    uint64_t flash = 0;
    char size[24];

    put(text, "%s%s%s on %s", cli_bold(cli),
        target->title[0] != '\0' ? target->title : target->loader, cli_plain(cli), event->device);
    if (target->serial[0] != '\0')
        put(text, ", %s", target->serial);
    for (size_t i = 0; i < target->region_count; i++)
        if (strstr(target->regions[i].name, "lash") != NULL)
            flash += target->regions[i].size;
    if (flash > 0)
        put(text, ", %s flash", cli_bytes(flash, size));
    if (target->title[0] != '\0' && target->loader[0] != '\0')
        put(text, ", %s", target->loader);
    if (target->baud != 0)
        put(text, " at %u baud", target->baud);
    put(text, "\n");
    if (cli->command == &cli_cmd_info)
        put_details(text, target);
}

static void put_plan_steps(struct text *text, const struct kiln_event_plan *plan)
{
    static const char *const names[] = {"keep", "erase", "write", "verify"};

    for (size_t i = 0; i < plan->step_count; i++) {
        const struct kiln_event_step *step = &plan->steps[i];
        char size[24];

        put(text, "  %-6s 0x%08llx - 0x%08llx  %10s  %s%s\n", names[step->kind],
            (unsigned long long)step->address, (unsigned long long)(step->address + step->size - 1),
            cli_bytes(step->size, size), step->region,
            step->kind == KILN_STEP_SKIP ? " (equal already)"
            : step->encrypted            ? " (encrypted by the chip)"
                                         : "");
    }
}

static void put_plan(const struct cli *cli, struct text *text, const struct kiln_event_plan *plan)
{
    char image[24], write[24], skip[24];

    if ((cli->args.dry_run && !cli->args.map) || cli->args.verbose > 0)
        put_plan_steps(text, plan);
    if (plan->image_bytes == 0)
        return;
    cli_bytes(plan->image_bytes, image);
    cli_bytes(plan->write_bytes, write);
    cli_bytes(plan->skip_bytes, skip);
    if (plan->write_bytes == 0)
        put(text, "  All %s are there already; nothing to write.\n", image);
    else if (plan->skip_bytes > 0)
        put(text, "  %s of firmware: %s differ, %s are there already.\n", image, write, skip);
    else
        put(text, "  %s of firmware, %s to write.\n", image, write);
}

static const char *state_sentence(const struct cli *cli, enum kiln_device_state state)
{
    switch (state) {
    case KILN_STATE_UNTOUCHED:
        return cli->command == &cli_cmd_poke || cli->command == &cli_cmd_run
                   ? "Nothing in its flash was changed."
                   : "Nothing on the board was changed.";
    case KILN_STATE_ERASED:
        return "Part of the flash is erased; the board may hold no complete firmware.";
    case KILN_STATE_PARTIAL:
        return "The firmware is only partly written; the board holds no complete firmware.";
    case KILN_STATE_WRITTEN:
        return "Everything was written, but not verified.";
    case KILN_STATE_VERIFIED:
        return "The firmware was written and verified.";
    case KILN_STATE_UNKNOWN:
        break;
    }
    return "It is not known what is in the flash now.";
}

static void put_failure(const struct cli *cli, struct text *text, const struct kiln_event *event)
{
    const struct kiln_error *error = event->result->error;
    const char *comma = error->context[0] != '\0' ? ", " : "";

    put(text, "%skiln: %s%s%s%s\n", cli_red(cli), error->message, comma, error->context,
        cli_plain(cli));
    put(text, "  %s", state_sentence(cli, event->result->state));
    if (event->result->board_note[0] != '\0')
        put(text, " The board is %s.", event->result->board_note);
    put(text, "\n");
    if (error->hint != KILN_HINT_NONE)
        put(text, "  %s\n", kiln_hint_text(error->hint));
}

static void put_result(const struct cli *cli, struct text *text, const struct kiln_event *event)
{
    const struct kiln_event_result *result = event->result;
    const char *glue = "";
    char size[24];

    if (result->status != KILN_OK) {
        put_failure(cli, text, event);
        return;
    }
    put(text, "%sDone%s in %.1f s: ", cli_green(cli), cli_plain(cli),
        (double)result->elapsed_ms / 1000);
    if (result->written > 0) {
        put(text, "%s written", cli_bytes(result->written, size));
        glue = ", ";
    } else if (result->erased > 0) {
        put(text, "%s erased", cli_bytes(result->erased, size));
        glue = ", ";
    }
    if (result->data_len > 0) {
        put(text, "%s%s read", glue, cli_bytes(result->data_len, size));
        glue = ", ";
    }
    if (result->verified > 0) {
        put(text, "%sverified", glue);
        glue = ", ";
    }
    put(text, "%s%s\n", result->board_note[0] != '\0' ? glue : "",
        result->board_note[0] != '\0' ? result->board_note
        : glue[0] != '\0'             ? ""
                                      : "nothing to do");
}

static void put_text_lines(struct text *text, const char *prefix, const char *lines)
{
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");

        if (length > 0)
            put(text, "%s%.*s\n", prefix, (int)length, lines);
        lines += length + (lines[length] == '\n');
    }
}

void render_text(const struct cli *cli, const struct kiln_event *event, size_t job_count, char *out,
                 size_t cap)
{
    struct text text = {out, cap};

    out[0] = '\0';
    if (job_count > 1 && event->kind != KILN_EVENT_PHASE && event->kind != KILN_EVENT_PROGRESS &&
        event->kind != KILN_EVENT_DEVICE)
        put(&text, "%s: ", event->device);
    switch (event->kind) {
    case KILN_EVENT_LOG:
        put_text_lines(&text, "  ", event->text);
        break;
    case KILN_EVENT_NOTE:
        put_text_lines(&text, "  ", event->text);
        break;
    case KILN_EVENT_DEVICE:
        put_target(cli, &text, event);
        break;
    case KILN_EVENT_PLAN:
        put_plan(cli, &text, event->plan);
        break;
    case KILN_EVENT_OPTIONS:
        put_option_changes(&text, event->options);
        break;
    case KILN_EVENT_RESULT:
        put_result(cli, &text, event);
        break;
    case KILN_EVENT_PHASE:
    case KILN_EVENT_PROGRESS:
        break;
    }
}
