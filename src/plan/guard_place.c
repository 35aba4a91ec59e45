/* SPDX-License-Identifier: MIT */
/* The flash of an ESP chip: bootloader, partition table and applications each have their place. */
#include "plan/guard.h"

#include "base/bytes.h"
#include "chip/esp.h"
#include "image/esp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TYPE_APP   0u
#define APP_ALIGN  0x10000u /* of application partitions */
#define ROW_MAGIC  0x50aau  /* a row of a partition table begins with it */
#define NAMES_SIZE 200u

/* "factory at 0x10000, ota_0 at 0x110000" */
static void application_places(const struct kiln_guard_input *input, char names[NAMES_SIZE])
{
    size_t len = 0;

    names[0] = '\0';
    for (size_t i = 0; i < input->partition_count && len < NAMES_SIZE; i++)
        if (input->partitions[i].type == TYPE_APP)
            len +=
                (size_t)snprintf(names + len, NAMES_SIZE - len, "%s%s at 0x%x", len > 0 ? ", " : "",
                                 input->partitions[i].label, (unsigned)input->partitions[i].offset);
}

static const struct kiln_esp_partition *application_at(const struct kiln_guard_input *input,
                                                       uint64_t address)
{
    for (size_t i = 0; i < input->partition_count; i++)
        if (input->partitions[i].type == TYPE_APP && input->partitions[i].offset == address)
            return &input->partitions[i];
    return NULL;
}

static enum kiln_status check_app_place(struct kiln_guard *g, uint32_t boot_offset)
{
    const struct kiln_guard_input *input = g->input;
    const struct kiln_esp_partition *place = application_at(input, g->info->address);
    const char *name = kiln_image_name(g->image);
    char names[NAMES_SIZE];

    application_places(input, names);
    if (place != NULL && kiln_image_total_bytes(g->image) > place->size)
        return kiln_guard_object(
            g, KILN_HINT_FLASH_TOO_SMALL, "%s has %" PRIu64 " bytes and partition %s holds %u",
            name, kiln_image_total_bytes(g->image), place->label, (unsigned)place->size);
    if (place != NULL)
        return KILN_OK;
    if (g->info->address == boot_offset)
        return kiln_guard_object(
            g, KILN_HINT_FORCE,
            "%s is an application and would overwrite the bootloader, whose place is 0x%x%s%s",
            name, (unsigned)boot_offset,
            names[0] != '\0' ? "; the partition table has room for applications: " : "", names);
    if (names[0] != '\0')
        return kiln_guard_object(g, KILN_HINT_FORCE,
                                 "%s is an application and the bootloader does not look for one at "
                                 "0x%" PRIx64 ": the partition table has %s",
                                 name, g->info->address, names);
    if (g->info->address % APP_ALIGN != 0)
        return kiln_guard_object(g, KILN_HINT_FORCE,
                                 "%s is an application and would be written to 0x%" PRIx64
                                 ": applications begin at multiples of 0x%x (a number without 0x "
                                 "is decimal)",
                                 name, g->info->address, APP_ALIGN);
    return KILN_OK;
}

static bool brings_bootloader(const struct kiln_guard_input *input, uint32_t boot_offset)
{
    size_t len;

    for (size_t i = 0; i < input->image_count; i++) {
        const struct kiln_guard other = {.image = input->images[i]};

        if (kiln_guard_bytes_at(&other, boot_offset, &len) != NULL)
            return true;
    }
    return false;
}

/* An application alone does not start: the ROM needs the bootloader, and that needs the table. */
static enum kiln_status note_missing(struct kiln_guard *g, uint32_t boot_offset)
{
    const struct kiln_guard_input *input = g->input;
    bool brought = brings_bootloader(input, boot_offset);
    uint8_t now[4] = {0};

    if (input->read == NULL)
        return KILN_OK;
    if (!brought)
        KILN_TRY(input->read(input->user, g->ctx, boot_offset, now, sizeof now));
    if (!brought && (input->erase_all || kiln_le32(now) == UINT32_MAX)) {
        kiln_guard_note(g,
                        "no bootloader: the flash %s empty at 0x%x, so %s will not start by "
                        "itself; flash its bootloader and partition table too",
                        input->erase_all ? "will be" : "is", (unsigned)boot_offset,
                        kiln_image_name(g->image));
        g->notes->running = "not running: it has no bootloader";
    } else if (input->partition_count == 0) {
        kiln_guard_note(g,
                        "no partition table at 0x%x: the bootloader will not find %s unless it "
                        "was built with the table at another place",
                        KILN_ESP_TABLE_OFFSET, kiln_image_name(g->image));
        g->notes->running = "reset, and perhaps not running: it has no partition table";
    }
    return KILN_OK;
}

static enum kiln_status check_application(struct kiln_guard *g, uint32_t boot_offset)
{
    KILN_TRY(check_app_place(g, boot_offset));
    return note_missing(g, boot_offset);
}

/* What covers the table's place must be a table there, if there is to be one. */
static enum kiln_status check_table(struct kiln_guard *g)
{
    size_t len;
    const uint8_t *bytes = kiln_guard_bytes_at(g, KILN_ESP_TABLE_OFFSET, &len);

    if (bytes == NULL || g->input->partition_count == 0 ||
        (len >= 2 && kiln_le16(bytes) == ROW_MAGIC))
        return KILN_OK;
    return kiln_guard_object(g, KILN_HINT_FORCE,
                             "%s would overwrite the partition table at 0x%x with something else",
                             kiln_image_name(g->image), KILN_ESP_TABLE_OFFSET);
}

static bool is_image(uint8_t magic)
{
    return magic == KILN_ESP_MAGIC || magic == KILN_ESP_MAGIC_V2;
}

/* What covers the bootloader's place must be a bootloader, if the flash has one. */
static enum kiln_status check_bootloader(struct kiln_guard *g, uint32_t boot_offset)
{
    size_t len;
    const uint8_t *bytes = kiln_guard_bytes_at(g, boot_offset, &len);
    uint8_t now[4];

    if (bytes == NULL || is_image(bytes[0]) || g->input->read == NULL)
        return KILN_OK;
    KILN_TRY(g->input->read(g->input->user, g->ctx, boot_offset, now, sizeof now));
    if (!is_image(now[0]))
        return KILN_OK;
    return kiln_guard_object(g, KILN_HINT_FORCE,
                             "%s would overwrite the bootloader at 0x%x with something else",
                             kiln_image_name(g->image), (unsigned)boot_offset);
}

static bool may_be_encrypted(const struct kiln_guard *g)
{
    const struct kiln_protection *fuses = g->input->protection;

    return g->info->type == KILN_IMAGE_ENCRYPTED && (fuses == NULL || fuses->flash_encryption);
}

static bool can_be_read(const struct kiln_guard *g, uint64_t address, uint64_t len)
{
    for (size_t i = 0; i < g->input->target->region_count; i++) {
        const struct kiln_region *r = &g->input->target->region[i];

        if (address >= r->start && address - r->start < r->size &&
            r->size - (address - r->start) >= len)
            return g->input->read != NULL;
    }
    return false;
}

/* An application is replaced by another one, or by what is encrypted and so looks like nothing. Without a table that had
 * to be read for this, what is in flash tells. Who forces it is not made to wait for that. */
static enum kiln_status check_application_at(struct kiln_guard *g, uint64_t address)
{
    uint8_t now[KILN_ESP_EXTENDED_HEADER];
    size_t len;
    const uint8_t *bytes = kiln_guard_bytes_at(g, address, &len);

    if (bytes == NULL || is_image(bytes[0]) || may_be_encrypted(g) ||
        !can_be_read(g, address, sizeof now) || g->input->erase_all || g->input->force)
        return KILN_OK;
    KILN_TRY(g->input->read(g->input->user, g->ctx, address, now, sizeof now));
    if (!kiln_esp_header_fits(now, sizeof now))
        return KILN_OK;
    return kiln_guard_object(g, KILN_HINT_FORCE,
                             "%s would overwrite the application at 0x%" PRIx64
                             " with something else",
                             kiln_image_name(g->image), address);
}

/* A damaged header makes a file look like any other bytes, and then nothing else would be said about it. */
static enum kiln_status check_sense(struct kiln_guard *g, uint64_t address)
{
    size_t len;
    const uint8_t *bytes = kiln_guard_bytes_at(g, address, &len);

    if (bytes == NULL || bytes[0] != KILN_ESP_MAGIC || kiln_esp_header_fits(bytes, len))
        return KILN_OK;
    return kiln_guard_object(g, KILN_HINT_FORCE,
                             "%s begins like an image at 0x%" PRIx64
                             ", but its header is damaged: it would not start",
                             kiln_image_name(g->image), address);
}

static enum kiln_status check_place(struct kiln_guard *g, uint64_t address)
{
    KILN_TRY(check_sense(g, address));
    return check_application_at(g, address);
}

static enum kiln_status check_application_places(struct kiln_guard *g)
{
    const struct kiln_guard_input *input = g->input;

    for (size_t i = 0; i < input->partition_count; i++)
        if (input->partitions[i].type == TYPE_APP)
            KILN_TRY(check_place(g, input->partitions[i].offset));
    if (input->partition_count > 0 || g->info->address < APP_ALIGN ||
        g->info->address % APP_ALIGN != 0)
        return KILN_OK;
    return check_place(g, g->info->address);
}

enum kiln_status kiln_guard_esp_place(struct kiln_guard *g)
{
    const struct kiln_chip *chip = g->input->target->chip;
    uint32_t boot_offset;

    if (chip == NULL || chip->esp == NULL || g->info->address == KILN_NO_ADDRESS)
        return KILN_OK;
    boot_offset = chip->esp->boot_offset;
    /* The ROM of this one starts any application at 0 itself. */
    if (chip != kiln_esp_plain() && g->info->type == KILN_IMAGE_ESP) {
        if (g->info->esp_role == KILN_ESP_ROLE_APP)
            KILN_TRY(check_application(g, boot_offset));
        else if (g->info->esp_role == KILN_ESP_ROLE_BOOTLOADER && g->info->address != boot_offset)
            KILN_TRY(kiln_guard_object(
                g, KILN_HINT_FORCE,
                "%s is a bootloader and would be written to 0x%" PRIx64 ": %s looks for it at 0x%x",
                kiln_image_name(g->image), g->info->address, chip->title, (unsigned)boot_offset));
    }
    KILN_TRY(check_table(g));
    if (chip != kiln_esp_plain()) { /* whose headers have little that could be wrong */
        KILN_TRY(check_sense(g, boot_offset));
        KILN_TRY(check_application_places(g));
    }
    return check_bootloader(g, boot_offset);
}
