/* SPDX-License-Identifier: MIT */
/*
 * From layout strings to regions. In this order: what the user gives, the quirk row, the device's string
 * as far as it makes sense, completed from the part table where size and pages agree. What was read and
 * what was assumed is noted; memory that nobody vouches for is no region, so nothing is written there.
 */
#include "loader/dfu_internal.h"

#include "base/bytes.h"
#include "chip/stm32.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FULL_ACCESS (KILN_DFUSE_MAY_READ | KILN_DFUSE_MAY_ERASE | KILN_DFUSE_MAY_WRITE)

#define OPTION_BYTES_SIZE 64u /* at most, of all parts' first bank */

struct main_flash {
    struct dfu_candidates parts;
    const struct kiln_chip *given; /* what the user says it is */
    uint8_t erased;
    bool alt_found; /* a setting is the one the user wants */
    char names[DFU_ALT_NAMES_MAX];
    /* What the device's own strings call option bytes or one-time memory, whatever is used instead of them. */
    struct special {
        uint64_t start, size;
        uint8_t flags;
    } special[KILN_REGION_MAX];
    size_t special_count;
};

/* ---- one layout ---- */

static void note_liberties(struct kiln_dfu *self, struct kiln_ctx *ctx,
                           const struct kiln_dfuse_layout *layout, const char *text)
{
    if ((layout->liberties & KILN_LAYOUT_CUT) != 0)
        dfu_note(self, ctx, "layout string \"%s\" makes sense only up to character %zu", text,
                 layout->understood);
    if ((layout->liberties & KILN_LAYOUT_TOO_MANY) != 0)
        dfu_note(self, ctx, "layout string has more than %d segments; the rest is not used",
                 KILN_DFUSE_SEGMENT_MAX);
    if ((layout->liberties & KILN_LAYOUT_SMALL_MULTIPLIER) != 0)
        dfu_note(self, ctx, "layout string \"%s\": small k and m taken as K and M", text);
    if ((layout->liberties &
         (KILN_LAYOUT_NO_MULTIPLIER | KILN_LAYOUT_NO_AT | KILN_LAYOUT_EMPTY_SEGMENT)) != 0)
        kiln_log(ctx, KILN_LOG_DEBUG, "loader", "layout string \"%s\" is not regular (%x)", text,
                 layout->liberties);
}

static uint64_t flash_bytes(const struct kiln_dfuse_layout *layout)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < layout->count; i++) {
        if (layout->segment[i].start != KILN_STM32_FLASH_BASE + bytes)
            break;
        bytes += layout->segment[i].count * layout->segment[i].page;
    }
    return bytes;
}

static void give_types(struct kiln_dfu *self, struct kiln_ctx *ctx,
                       struct kiln_dfuse_layout *layout, bool vouched_for)
{
    if ((layout->liberties & KILN_LAYOUT_NO_TYPE) == 0)
        return;
    for (size_t i = 0; vouched_for && i < layout->count; i++)
        if (layout->segment[i].no_type)
            layout->segment[i].access = FULL_ACCESS;
    dfu_note(self, ctx, "layout string says not what may be done with its memory; taken as %s",
             vouched_for ? "ordinary flash, since its pages are those of an STM32" : "read-only");
}

/* What is missing of the main flash, where its size can be known and all parts it may be agree. */
static void complete(struct kiln_dfu *self, struct kiln_ctx *ctx,
                     const struct kiln_loader_options *options, struct main_flash *flash,
                     struct kiln_dfuse_layout *layout)
{
    uint64_t have = flash_bytes(layout);
    uint64_t size = options->flash_size;
    const char *from = "given";
    const struct kiln_chip *chip = flash->given;

    if (chip == NULL && layout->count == 0 && (chip = dfu_parts_read_id(self, ctx)) != NULL)
        dfu_note(self, ctx, "id register says %s", chip->title);
    if (chip != NULL)
        dfu_parts_keep_chip(&flash->parts, chip);
    if (size == 0) {
        size = dfu_parts_read_size(self, ctx, &flash->parts, have);
        from = "size register";
    }
    if (size > have && dfu_parts_complete(&flash->parts, size, layout))
        dfu_note(self, ctx, "flash layout completed to %llu KB from the part table (%s)",
                 (unsigned long long)(size / 1024), from);
    else if (size != have || size == 0)
        dfu_note(self, ctx,
                 "flash behind 0x%08llx, if there is any, is not used: its layout is not known; "
                 "--layout gives it",
                 (unsigned long long)(KILN_STM32_FLASH_BASE + have));
    if (layout->name[0] == '\0')
        snprintf(layout->name, sizeof layout->name, "Internal Flash");
}

static bool is_stm32_flash(const struct kiln_dfu *self, const struct main_flash *flash,
                           const struct kiln_dfuse_layout *layout)
{
    if (flash->given == NULL && (self->quirks & KILN_DFU_QUIRK_STM32) == 0)
        return false;
    return layout->count == 0 || layout->segment[0].start == KILN_STM32_FLASH_BASE;
}

static enum kiln_status match_parts(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                    const struct kiln_loader_options *options,
                                    struct main_flash *flash, struct kiln_dfuse_layout *layout)
{
    if (!is_stm32_flash(self, flash, layout))
        return KILN_OK;
    dfu_parts_match(layout, &flash->parts);
    if (flash->given != NULL) {
        dfu_parts_keep_chip(&flash->parts, flash->given);
        if (flash->parts.count == 0 && options->layout == NULL)
            return kiln_fail_hint(ctx, KILN_E_REFUSED, KILN_HINT_FORCE_CHIP,
                                  "the board's flash does not have the pages of an %s",
                                  flash->given->title);
    }
    give_types(self, ctx, layout, flash->parts.count > 0);
    if (layout->count == 0 || (layout->liberties & KILN_LAYOUT_CUT) != 0)
        complete(self, ctx, options, flash, layout);
    return KILN_OK;
}

/* The layout of the first alternate setting, which is the main flash wherever there is one. */
static enum kiln_status main_layout(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                    const struct kiln_loader_options *options, const char *text,
                                    struct main_flash *flash, struct kiln_dfuse_layout *layout)
{
    const char *row = NULL;

    if (self->quirk != NULL)
        row = kiln_dfu_quirk_layout(self->quirk, self->info.serial);
    if (options->layout != NULL) {
        if (!kiln_dfuse_layout_parse(options->layout, strlen(options->layout), layout) ||
            (layout->liberties & (KILN_LAYOUT_CUT | KILN_LAYOUT_NO_TYPE)) != 0)
            return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_GIVE_LAYOUT,
                                  "layout \"%s\" makes no sense behind character %zu",
                                  options->layout, layout->understood);
        dfu_note(self, ctx, "layout as given instead of the device's \"%s\"", text);
    } else if (row != NULL) {
        (void)kiln_dfuse_layout_parse(row, strlen(row), layout);
        dfu_note(self, ctx, "%s; \"%s\" used instead of \"%s\"", self->quirk->what, row, text);
    } else {
        if (!kiln_dfuse_layout_parse(text, DFU_TEXT_MAX, layout))
            dfu_note(self, ctx, "the device's layout string makes no sense: \"%s\"", text);
        else
            note_liberties(self, ctx, layout, text);
    }
    return match_parts(self, ctx, options, flash, layout);
}

/* ---- regions ---- */

static bool overlaps(const struct kiln_dfu *self, uint64_t start, uint64_t size)
{
    for (size_t i = 0; i < self->info.region_count; i++) {
        const struct kiln_region *r = &self->info.region[i];

        if (start < r->start + r->size && r->start < start + size)
            return true;
    }
    return false;
}

/*
 * What a memory is for stands in its name ("Option Bytes", "Option byte", "OTP Memory"). Where it cannot be
 * erased, the boot ROM loads the option bytes after a write by resetting the chip.
 */
static uint8_t flags_of(const char *name, uint8_t access)
{
    if (strncasecmp(name, "OTP", strlen("OTP")) == 0)
        return KILN_REGION_ONCE;
    if (strncasecmp(name, "Option", strlen("Option")) != 0)
        return 0;
    return (access & KILN_DFUSE_MAY_ERASE) != 0 ? KILN_REGION_OPTION
                                                : KILN_REGION_OPTION | KILN_REGION_RESETS;
}

static bool continues(const struct kiln_region *r, const struct kiln_dfuse_segment *s, uint8_t alt)
{
    return r->alt == alt && r->page == s->page && r->access == s->access &&
           r->start + r->size == s->start;
}

static void add_regions(struct kiln_dfu *self, struct kiln_ctx *ctx, uint8_t alt, uint8_t erased,
                        const struct kiln_dfuse_layout *layout)
{
    for (size_t i = 0; i < layout->count; i++) {
        const struct kiln_dfuse_segment *s = &layout->segment[i];
        struct kiln_region *region = &self->info.region[self->info.region_count];
        uint64_t size = s->count * s->page;

        if (overlaps(self, s->start, size)) {
            dfu_note(self, ctx,
                     "alternate setting %u tells of 0x%08llx, which another one has already: "
                     "not used; what it is named after cannot be reached here",
                     alt, (unsigned long long)s->start);
            return;
        }
        if (self->info.region_count > 0 && continues(region - 1, s, alt)) {
            (region - 1)->size += size;
            continue;
        }
        if (self->info.region_count == KILN_REGION_MAX) {
            dfu_note(self, ctx, "more than %d memory regions; the rest is not used",
                     KILN_REGION_MAX);
            return;
        }
        *region = (struct kiln_region){.start = s->start,
                                       .size = size,
                                       .page = s->page,
                                       .erased = erased,
                                       .access = s->access,
                                       .flags = flags_of(layout->name, s->access),
                                       .alt = alt};
        snprintf(region->name, sizeof region->name, "%s",
                 layout->name[0] != '\0' ? layout->name : "Memory");
        self->info.region_count++;
    }
}

static int by_start(const void *a, const void *b)
{
    const struct kiln_region *x = a, *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

/* ---- who it may be ---- */

/* L0 and L1 erase to 00. Only where all candidates agree is that believed. */
static uint8_t erased_value(const struct dfu_candidates *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        if (parts->item[i].chip->stm32->erased != 0)
            return 0xff;
    return parts->count > 0 ? 0x00 : 0xff;
}

static void name_parts(struct kiln_dfu *self, const struct dfu_candidates *parts)
{
    struct kiln_target_info *info = &self->info;
    const struct kiln_chip *first = parts->count > 0 ? parts->item[0].chip : NULL;
    bool only = parts->count > 0;
    size_t at = 0;

    for (size_t i = 1; i < parts->count; i++)
        only &= parts->item[i].chip == first;
    info->chip = only ? first : NULL;
    if (only) {
        snprintf(info->chip_title, sizeof info->chip_title, "%s", first->title);
        if (parts->count == 1)
            snprintf(info->features, sizeof info->features, "%s",
                     first->stm32->org[parts->item[0].org].name);
        return;
    }
    for (size_t i = 0; i < parts->count; i++) {
        const char *title = parts->item[i].chip->title;

        if (i > 0 && parts->item[i].chip == parts->item[i - 1].chip)
            continue;
        if (at + strlen(title) + 8 > sizeof info->features) {
            snprintf(info->features + at, sizeof info->features - at, ", ...");
            return;
        }
        at += (size_t)snprintf(info->features + at, sizeof info->features - at, "%s%s",
                               at == 0 ? "one of " : ", ", title);
    }
}

static bool reaches(const struct kiln_region *region, uint64_t start, uint64_t size)
{
    return region->start < start + size && start < region->start + region->size;
}

/* Memory whose string gives it another name or none is what the parts have at its address. Where they differ in
 * how much is programmed together, the most counts. */
static void flag_by_address(struct kiln_region *region, const struct kiln_stm32_facts *facts)
{
    if (facts->otp != 0 && reaches(region, facts->otp, facts->otp_size)) {
        region->flags |= KILN_REGION_ONCE;
        region->unit = KILN_MAX(region->unit, facts->otp_unit);
    } else if (facts->option_bytes != 0 &&
               reaches(region, facts->option_bytes, OPTION_BYTES_SIZE)) {
        region->flags |= flags_of("Option Bytes", region->access);
    }
}

static void flag_by_parts(struct kiln_dfu *self, const struct dfu_candidates *parts)
{
    for (size_t r = 0; r < self->info.region_count; r++)
        for (size_t i = 0; i < parts->count; i++)
            flag_by_address(&self->info.region[r], parts->item[i].chip->stm32);
}

/* A layout that was given says nothing of what it covers: that is known from the device's own strings, and of an
 * STM32 whose pages are no part's from all parts. */
static void flag_given(struct kiln_dfu *self, const struct main_flash *flash)
{
    struct dfu_candidates *all;

    for (size_t r = 0; r < self->info.region_count; r++)
        for (size_t i = 0; i < flash->special_count; i++)
            if (reaches(&self->info.region[r], flash->special[i].start, flash->special[i].size))
                self->info.region[r].flags |= flash->special[i].flags;
    if (flash->parts.count > 0 ||
        (flash->given == NULL && (self->quirks & KILN_DFU_QUIRK_STM32) == 0))
        return;
    all = calloc(1, sizeof *all);
    if (all == NULL)
        return;
    dfu_parts_match(&(struct kiln_dfuse_layout){.count = 0}, all);
    flag_by_parts(self, all);
    free(all);
}

static void use_parts(struct kiln_dfu *self, struct dfu_candidates *parts)
{
    flag_by_parts(self, parts);
    for (size_t i = 0; i < self->info.region_count; i++)
        if ((self->info.region[i].flags & KILN_REGION_OPTION) != 0) {
            dfu_parts_keep_option_bytes(parts, self->info.region[i].start);
            break;
        }
    name_parts(self, parts);
    for (size_t i = 0; i < parts->count; i++) {
        uint32_t from = parts->item[i].chip->stm32->erase_sticks_from;

        if (from != 0)
            self->sticks_from = KILN_MIN(self->sticks_from, from);
    }
}

/* ---- all together ---- */

static enum kiln_status read_text(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                  const struct kiln_dfu_alt *alt, char text[DFU_TEXT_MAX])
{
    uint64_t saved = kiln_deadline_narrow(ctx, DFU_CONTROL_MS);
    enum kiln_status status = kiln_usb_string(self->link, ctx, alt->string, text, DFU_TEXT_MAX);

    kiln_deadline_restore(ctx, saved);
    if (status == KILN_E_GONE || status == KILN_E_CANCELLED || kiln_deadline_passed(ctx))
        return status;
    if (status != KILN_OK) {
        dfu_note(self, ctx, "layout string of alternate setting %u cannot be read: %s", alt->alt,
                 ctx->error.message);
        kiln_error_clear(ctx);
        text[0] = '\0';
    }
    kiln_log(ctx, KILN_LOG_DEBUG, "loader", "alternate setting %u: \"%s\"", alt->alt, text);
    return KILN_OK;
}

static void remember_special(struct main_flash *flash, const struct kiln_dfuse_layout *layout)
{
    for (size_t i = 0; i < layout->count && flash->special_count < KILN_REGION_MAX; i++) {
        const struct kiln_dfuse_segment *s = &layout->segment[i];
        uint8_t flags = flags_of(layout->name, s->access);

        if (flags != 0)
            flash->special[flash->special_count++] =
                (struct special){s->start, s->count * s->page, flags};
    }
}

static enum kiln_status add_alt(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                const struct kiln_loader_options *options, size_t index,
                                struct main_flash *flash)
{
    const struct kiln_dfu_alt *alt = &self->alts[index];
    struct kiln_dfuse_layout layout;
    char text[DFU_TEXT_MAX] = "";

    KILN_TRY(read_text(self, ctx, alt, text));
    (void)kiln_dfuse_layout_parse(text, sizeof text, &layout);
    remember_special(flash, &layout);
    dfu_add_alt_name(flash->names, sizeof flash->names, alt->alt,
                     layout.name[0] != '\0' ? layout.name : text);
    if (!dfu_alt_is_wanted(options, alt->alt, layout.name))
        return KILN_OK;
    flash->alt_found = true;
    if (index == 0) {
        KILN_TRY(main_layout(self, ctx, options, text, flash, &layout));
        flash->erased = erased_value(&flash->parts);
    } else {
        note_liberties(self, ctx, &layout, text);
        give_types(self, ctx, &layout, false);
        if (layout.count == 0)
            dfu_note(self, ctx, "alternate setting %u has no layout: \"%s\"", alt->alt, text);
    }
    add_regions(self, ctx, alt->alt, index == 0 ? flash->erased : 0xff, &layout);
    return KILN_OK;
}

enum kiln_status dfuse_find_regions(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                    const struct kiln_loader_options *options)
{
    struct main_flash *flash = calloc(1, sizeof *flash);
    enum kiln_status status = KILN_OK;

    if (flash == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    flash->erased = 0xff;
    if (options->chip != NULL) {
        flash->given = kiln_chip_find(options->chip);
        if (flash->given == NULL || flash->given->family != KILN_FAMILY_STM32)
            status = kiln_fail_hint(ctx, KILN_E_REFUSED, KILN_HINT_FORCE_CHIP,
                                    "the board is in ST's DFU bootloader and \"%s\" is no known "
                                    "STM32 part",
                                    options->chip);
    }
    for (size_t i = 0; status == KILN_OK && i < self->alt_count; i++)
        status = add_alt(self, ctx, options, i, flash);
    if (status == KILN_OK && !flash->alt_found)
        status = dfu_fail_alt(ctx, options, flash->names);
    if (status == KILN_OK && self->info.region_count == 0)
        status = kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_GIVE_LAYOUT,
                                "the device does not tell what memory it has%s%s",
                                self->info.notes[0] != '\0' ? ": " : "", self->info.notes);
    if (status == KILN_OK) {
        use_parts(self, &flash->parts);
        flag_given(self, flash);
        qsort(self->info.region, self->info.region_count, sizeof self->info.region[0], by_start);
    }
    free(flash);
    return status;
}
