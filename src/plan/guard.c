/* SPDX-License-Identifier: MIT */
/*
 * What is checked before the first write. Each check is one row: it says nothing, adds a note, or objects.
 * An objection is a refusal, or with `force` a note. The device is untouched at this point, and each
 * refusal says so by its hint.
 */
#include "plan/guard.h"

#include "base/bytes.h"
#include "chip/esp.h"
#include "image/vectors.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void note_line(struct kiln_guard *g, const char *line)
{
    char *text = g->notes->text;
    size_t used = strlen(text), cap = sizeof g->notes->text;

    if (used + strlen(line) + 2 <= cap)
        snprintf(text + used, cap - used, "%s%s", used > 0 ? "\n" : "", line);
}

void kiln_guard_note(struct kiln_guard *g, const char *format, ...)
{
    char line[300];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    note_line(g, line);
}

enum kiln_status kiln_guard_object(struct kiln_guard *g, enum kiln_hint hint, const char *format,
                                   ...)
{
    char text[280], line[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!g->input->force)
        return kiln_fail_hint(g->ctx, KILN_E_REFUSED, hint, "%s", text);
    snprintf(line, sizeof line, "forced: %s", text);
    note_line(g, line);
    return KILN_OK;
}

static const struct kiln_chip *chip(const struct kiln_guard *g)
{
    return g->input->target->chip;
}

static const struct kiln_region *main_flash(const struct kiln_guard *g)
{
    for (size_t i = 0; i < g->input->target->region_count; i++) {
        if (g->input->target->region[i].access & KILN_REGION_WRITE)
            return &g->input->target->region[i];
    }
    return NULL;
}

static const struct kiln_segment *segment_at(const struct kiln_guard *g, uint64_t address)
{
    for (size_t i = 0; i < kiln_image_segment_count(g->image); i++) {
        const struct kiln_segment *s = kiln_image_segment(g->image, i);

        if (s->address <= address && address - s->address < s->size)
            return s;
    }
    return NULL;
}

const uint8_t *kiln_guard_bytes_at(const struct kiln_guard *g, uint64_t address, size_t *out_len)
{
    const struct kiln_segment *s = segment_at(g, address);

    if (s == NULL)
        return NULL;
    *out_len = s->size - (size_t)(address - s->address);
    return s->data + (address - s->address);
}

/* ---- is it for this chip ---- */

static enum kiln_status check_esp_chip(struct kiln_guard *g)
{
    const struct kiln_chip *c = chip(g);
    const char *name = kiln_image_name(g->image);

    if (g->info->esp_chip_id < 0 && !kiln_esp_is_plain(g->info->chip))
        return KILN_OK;
    if (c == NULL && main_flash(g) != NULL && main_flash(g)->start > 0)
        return kiln_guard_object(g, KILN_HINT_FORCE_CHIP,
                                 "%s is an ESP image (%s) and this board's flash begins at "
                                 "0x%08" PRIx64 ", which no Espressif chip's does",
                                 name, g->info->chip != NULL ? g->info->chip : "unknown chip",
                                 main_flash(g)->start);
    if (c == NULL)
        return KILN_OK;
    if (c->esp == NULL)
        return kiln_guard_object(g, KILN_HINT_FORCE_CHIP, "%s is an ESP image (%s) and this is %s",
                                 name, g->info->chip != NULL ? g->info->chip : "unknown chip",
                                 c->title);
    if (g->info->esp_chip_id != c->esp->chip_id)
        return kiln_guard_object(g, KILN_HINT_FORCE_CHIP,
                                 "%s is for %s (chip id %" PRId32 ") and this is %s", name,
                                 g->info->chip != NULL ? g->info->chip : "an unknown chip",
                                 g->info->esp_chip_id, c->title);
    return KILN_OK;
}

/* A format without a chip id may still name a chip: UF2 by its family, RP2040 by its second stage. */
static enum kiln_status check_named_chip(struct kiln_guard *g)
{
    const struct kiln_chip *c = chip(g);
    const char *wanted = g->info->chip;

    if (c == NULL || wanted == NULL || g->info->esp_chip_id >= 0 || strcmp(c->name, wanted) == 0)
        return KILN_OK;
    if ((c->line_prefix != 0 && strncmp(c->name, wanted, c->line_prefix) == 0) ||
        c->family == KILN_FAMILY_OTHER)
        return KILN_OK;
    return kiln_guard_object(g, KILN_HINT_FORCE_CHIP, "%s is for %s and this is %s",
                             kiln_image_name(g->image), wanted, c->title);
}

static enum kiln_status check_elf_machine(struct kiln_guard *g)
{
    const struct kiln_chip *c = chip(g);
    const char *name = kiln_image_name(g->image);

    if (g->info->type != KILN_IMAGE_ELF || c == NULL)
        return KILN_OK;
    if (c->elf_machine != 0 && g->info->elf_machine != c->elf_machine)
        return kiln_guard_object(g, KILN_HINT_FORCE_CHIP,
                                 "%s is for another processor (%s) than %s", name, g->info->why,
                                 c->title);
    if (c == kiln_esp_plain()) /* which of its layouts is meant stands nowhere */
        return kiln_guard_object(
            g, KILN_HINT_FORCE_CHIP,
            "%s is an ELF file, which %s does not take: make an image of it first with "
            "`kiln image elf2image`",
            name, c->title);
    return KILN_OK;
}

static enum kiln_status check_kind(struct kiln_guard *g)
{
    const struct kiln_chip *c = chip(g);
    const char *name = kiln_image_name(g->image);

    if (g->info->type == KILN_IMAGE_ENCRYPTED && (c == NULL || c->esp == NULL))
        return kiln_guard_object(
            g, KILN_HINT_FORCE,
            "%s is encrypted or scrambled (%s): only the board's own bootloader can use it", name,
            g->info->why);
    if (c != NULL && c->esp != NULL && g->info->payload == KILN_IMAGE_CORTEX_M)
        return kiln_guard_object(g, KILN_HINT_FORCE_CHIP, "%s is for a Cortex-M and this is %s",
                                 name, c->title);
    return KILN_OK;
}

/* ---- does it fit ---- */

/* Sizes are no matter of force: what does not fit cannot be written. */
static enum kiln_status check_size(struct kiln_guard *g)
{
    const struct kiln_region *flash = main_flash(g);
    uint64_t size = kiln_image_total_bytes(g->image), room = 0;

    for (size_t i = 0; i < g->input->target->region_count; i++) {
        const struct kiln_region *r = &g->input->target->region[i];

        if ((r->access & KILN_REGION_WRITE) && r->alt == (flash != NULL ? flash->alt : 0))
            room += r->size;
    }
    if (flash == NULL || size <= room)
        return KILN_OK;
    return kiln_fail_hint(g->ctx, KILN_E_REFUSED, KILN_HINT_FLASH_TOO_SMALL,
                          "%s has %" PRIu64 " bytes and the flash holds %" PRIu64,
                          kiln_image_name(g->image), size, room);
}

/* ---- does it start where it was linked ---- */

#define SURE 60u /* confidence above which an inferred address is worth a refusal */

/* A raw file has no address: say where it goes, and why, where that is not where one expects it. */
static void explain_offset(struct kiln_guard *g)
{
    const struct kiln_region *flash = main_flash(g);

    if (flash == NULL || g->info->address_source != KILN_ADDRESS_INFERRED ||
        g->info->address <= flash->start)
        return;
    kiln_guard_note(g,
                    "%s is linked to run at 0x%08" PRIx64 " and goes there; the %" PRIu64
                    " KiB before it, where a bootloader lives, are not touched",
                    kiln_image_name(g->image), g->info->address,
                    (g->info->address - flash->start) / 1024);
}

static enum kiln_status check_link_address(struct kiln_guard *g)
{
    const char *name = kiln_image_name(g->image);

    if (g->info->linked == KILN_NO_ADDRESS || g->info->address == KILN_NO_ADDRESS)
        return KILN_OK;
    if (g->info->linked == g->info->address) {
        if (g->info->confidence < SURE && g->info->address_source == KILN_ADDRESS_INFERRED)
            return kiln_guard_object(g, KILN_HINT_GIVE_ADDRESS,
                                     "%s does not tell its address clearly (perhaps 0x%08" PRIx64
                                     ")",
                                     name, g->info->address);
        if (!g->info->usual && g->info->address_source == KILN_ADDRESS_INFERRED)
            return kiln_guard_object(g, KILN_HINT_GIVE_ADDRESS,
                                     "%s says by its vectors that it belongs at 0x%08" PRIx64
                                     ", where no known bootloader looks for an application",
                                     name, g->info->address);
        explain_offset(g);
        return KILN_OK;
    }
    /* The same flash seen at another address (STM32 at 0) is the same place. */
    if ((g->info->linked & 0x07ffffff) == (g->info->address & 0x07ffffff) &&
        (g->info->linked >> 27 == 0 || g->info->address >> 27 == 0))
        return KILN_OK;
    if (g->info->confidence < SURE) {
        kiln_guard_note(g, "%s looks as if it were linked at 0x%08" PRIx64, name, g->info->linked);
        return KILN_OK;
    }
    return kiln_guard_object(g, KILN_HINT_FORCE,
                             "%s was linked to run at 0x%08" PRIx64
                             " and would be written to 0x%08" PRIx64 ", where it cannot run",
                             name, g->info->linked, g->info->address);
}

/* ---- the bootloader in flash ---- */

/* Two builds of one program: the stack and the reset handler stay near each other. */
static bool same_program(const struct kiln_vectors *a, const struct kiln_vectors *b)
{
    uint32_t apart = a->reset > b->reset ? a->reset - b->reset : b->reset - a->reset;

    return a->sp == b->sp && apart < 0x1000;
}

#define TABLE_LOOK 64u /* bytes: the part of a table that every Cortex-M has */

static enum kiln_status read_flash(const struct kiln_guard *g, uint64_t address, uint8_t *bytes)
{
    return g->input->read(g->input->user, g->ctx, address, bytes, TABLE_LOOK);
}

/* Looks for an application's table behind the bootloader's. Its handlers lie behind it, which those of a
 * look-alike do not. *out_address stays 0 if there is none. */
static enum kiln_status find_application(const struct kiln_guard *g, uint64_t start, uint64_t size,
                                         uint64_t *out_address)
{
    uint8_t bytes[TABLE_LOOK];
    struct kiln_vectors v;
    uint32_t offset;

    for (size_t i = 0; kiln_vectors_offset(i, &offset) && offset + TABLE_LOOK <= size; i++) {
        uint64_t at = start + offset;

        KILN_TRY(read_flash(g, at, bytes));
        if (kiln_vectors_fit(bytes, sizeof bytes, size, &v) && v.lowest >= at &&
            v.highest < start + size) {
            *out_address = at;
            return KILN_OK;
        }
    }
    return KILN_OK;
}

static bool blank(const uint8_t *bytes, uint8_t erased)
{
    for (size_t i = 0; i < TABLE_LOOK; i++) {
        if (bytes[i] != erased)
            return false;
    }
    return true;
}

/* The end of the regions that follow each other from the main flash's start. */
static uint64_t flash_end(const struct kiln_guard *g, const struct kiln_region *flash)
{
    uint64_t end = flash->start;

    for (size_t i = 0; i < g->input->target->region_count; i++) {
        const struct kiln_region *r = &g->input->target->region[i];

        if ((r->access & KILN_REGION_WRITE) && r->alt == flash->alt && r->start == end)
            end = r->start + r->size;
    }
    return end;
}

/* Does the image bring its own table for the place where the application's is now? Then it is a whole flash. */
static bool brings_application(const struct kiln_segment *s, uint64_t application, uint64_t size)
{
    struct kiln_vectors v;

    return application + TABLE_LOOK <= s->address + s->size &&
           kiln_vectors_fit(s->data + (application - s->address), TABLE_LOOK, size, &v) &&
           v.lowest >= application;
}

static enum kiln_status check_overwrite(struct kiln_guard *g, const struct kiln_region *flash,
                                        const struct kiln_segment *first, const uint8_t *now)
{
    uint64_t size = flash_end(g, flash) - flash->start, application = 0;
    uint64_t skip = flash->start - first->address;
    struct kiln_vectors there, mine;

    if (!kiln_vectors_fit(now, TABLE_LOOK, size, &there))
        return KILN_OK;
    if (first->size - skip >= TABLE_LOOK &&
        kiln_vectors_fit(first->data + skip, TABLE_LOOK, size, &mine) &&
        same_program(&there, &mine))
        return KILN_OK;
    KILN_TRY(find_application(g, flash->start, size, &application));
    if (application == 0 || brings_application(first, application, size))
        return KILN_OK;
    return kiln_guard_object(g, KILN_HINT_FORCE,
                             "%s would overwrite a bootloader: the flash holds one at 0x%08" PRIx64
                             " and its application at 0x%08" PRIx64,
                             kiln_image_name(g->image), flash->start, application);
}

static enum kiln_status check_bootloader(struct kiln_guard *g)
{
    const struct kiln_region *flash = main_flash(g);
    const struct kiln_segment *first;
    uint8_t now[TABLE_LOOK];

    /* ESP flash begins with no vector table, and a flash at 0 is behind a loader of its own (RP2040). */
    if (g->input->read == NULL || flash == NULL || flash->start == 0 || flash->size < TABLE_LOOK ||
        (chip(g) != NULL && chip(g)->esp != NULL))
        return KILN_OK;
    KILN_TRY(read_flash(g, flash->start, now));
    first = segment_at(g, flash->start);
    if (first != NULL)
        return check_overwrite(g, flash, first, now);
    if (g->info->address <= flash->start || g->info->address >= flash_end(g, flash) ||
        g->input->image_count != 1 || !(g->input->erase_all || blank(now, flash->erased)))
        return KILN_OK;
    kiln_guard_note(g,
                    "no bootloader: the flash %s empty at 0x%08" PRIx64
                    " and %s begins at 0x%08" PRIx64 ", so it will not start by itself",
                    g->input->erase_all ? "will be" : "is", flash->start, kiln_image_name(g->image),
                    g->info->address);
    g->notes->running = "not running: it has no bootloader";
    return KILN_OK;
}

/* Regions that take bytes for ever, and such in which a wrong byte locks the chip. */
static enum kiln_status check_special(struct kiln_guard *g)
{
    for (size_t i = 0; i < g->input->target->region_count; i++) {
        const struct kiln_region *region = &g->input->target->region[i];
        bool once = (region->flags & KILN_REGION_ONCE) != 0;

        if (!once && (region->flags & KILN_REGION_OPTION) == 0)
            continue;
        for (size_t s = 0; s < kiln_image_segment_count(g->image); s++) {
            const struct kiln_segment *segment = kiln_image_segment(g->image, s);

            if (segment->address >= region->start + region->size ||
                segment->address + segment->size <= region->start)
                continue;
            if (once)
                return kiln_guard_object(
                    g, KILN_HINT_FORCE,
                    "%s goes to 0x%08" PRIx64
                    ", %s: what is written there stays for ever (its %zu bytes and no "
                    "others would be written)",
                    kiln_image_name(g->image), segment->address, region->name, segment->size);
            return kiln_guard_object(
                g, KILN_HINT_FORCE,
                "%s goes to the option bytes at 0x%08" PRIx64
                ", where a wrong byte can lock the chip for ever; `kiln flash --set "
                "NAME=VALUE` changes them by name",
                kiln_image_name(g->image), segment->address);
        }
    }
    return KILN_OK;
}

typedef enum kiln_status (*check_fn)(struct kiln_guard *g);

static const check_fn file_checks[] = {check_esp_chip, check_named_chip, check_elf_machine,
                                       check_kind};
static const check_fn place_checks[] = {
    check_size,           check_link_address,     check_special,
    check_bootloader,     kiln_guard_esp_headers, kiln_guard_esp_fuses,
    kiln_guard_esp_place,
};

static enum kiln_status run_checks(struct kiln_ctx *ctx, const struct kiln_guard_input *input,
                                   const check_fn *checks, size_t count,
                                   struct kiln_guard_notes *notes)
{
    struct kiln_guard g = {.ctx = ctx, .input = input, .notes = notes};

    for (size_t i = 0; i < input->image_count; i++) {
        g.image = input->images[i];
        g.info = kiln_image_info(g.image);
        g.encrypted = input->encrypted != NULL && input->encrypted[i];
        for (size_t k = 0; k < count; k++)
            KILN_TRY(checks[k](&g));
    }
    return KILN_OK;
}

enum kiln_status kiln_guard_files(struct kiln_ctx *ctx, const struct kiln_guard_input *input,
                                  struct kiln_guard_notes *notes)
{
    return run_checks(ctx, input, file_checks, KILN_ARRAY_LEN(file_checks), notes);
}

enum kiln_status kiln_guard_places(struct kiln_ctx *ctx, const struct kiln_guard_input *input,
                                   struct kiln_guard_notes *notes)
{
    return run_checks(ctx, input, place_checks, KILN_ARRAY_LEN(place_checks), notes);
}
