/* SPDX-License-Identifier: MIT */
/*
 * Checks that only chips with Espressif's bootloader need: the header of each image that a file holds, and what the
 * chip's fuses say. Source: ESP-IDF 5.x, esp_image_format.h and the guides on flash encryption and secure boot.
 */
#include "plan/guard.h"

#include "base/bytes.h"
#include "chip/esp.h"
#include "image/esp.h"
#include "loader/esp.h"

#include <inttypes.h>
#include <stdio.h>

#define MEGABYTE          (1u << 20)
#define REVISION_NONE     0xffffu /* no upper end */
#define FIRST_BOOTLOADERS 0x8000u /* below it secure boot v1 keeps its bootloader */
#define CRYPT_CONFIG_ALL  0xfu    /* all address bits go into the key */

/* ---- headers ---- */

static const char *revision_text(unsigned revision, char text[16])
{
    snprintf(text, 16, "v%u.%u", revision / 100, revision % 100);
    return text;
}

/* A header with a full range has it count; older tools only wrote the one-byte field. */
static enum kiln_status check_revision(struct kiln_guard *g, const uint8_t *header)
{
    const struct kiln_chip *chip = g->input->target->chip;
    unsigned revision = (unsigned)g->input->target->revision;
    unsigned low = kiln_le16(header + 15), high = kiln_le16(header + 17);
    bool minor = (chip->esp->flags & KILN_ESP_MIN_REV_MINOR) != 0;
    unsigned simple = minor ? revision % 100 : revision / 100;
    bool full = high != 0 && !(high == REVISION_NONE && low == 0 && header[14] != 0);
    char is[16], from[16], to[16];

    revision_text(revision, is);
    if (!full && simple < header[14])
        return kiln_guard_object(
            g, KILN_HINT_FORCE_CHIP, "%s needs a chip of %s revision %u or above and this is %s",
            kiln_image_name(g->image), minor ? "minor" : "major", header[14], is);
    if (!full || (revision >= low && revision <= high))
        return KILN_OK;
    revision_text(low, from);
    if (high == REVISION_NONE)
        return kiln_guard_object(g, KILN_HINT_FORCE_CHIP,
                                 "%s needs a chip of revision %s or above and this is %s",
                                 kiln_image_name(g->image), from, is);
    return kiln_guard_object(g, KILN_HINT_FORCE_CHIP,
                             "%s is for chips of revision %s to %s and this is %s",
                             kiln_image_name(g->image), from, revision_text(high, to), is);
}

/* Only the bootloader's header counts, and a flash that is larger than it says starts all the same. */
static enum kiln_status check_flash_size(struct kiln_guard *g, const uint8_t *header,
                                         uint64_t address)
{
    const struct kiln_target_info *target = g->input->target;
    const struct kiln_esp_facts *facts = target->chip->esp;
    const struct kiln_esp_code *row = kiln_esp_code_of(facts->sizes, header[3] & 0xf0u);
    uint64_t real = kiln_esp_flash_size_of(target->flash_id);

    if (address != facts->boot_offset || real == 0 || row == NULL || row->value <= real)
        return KILN_OK;
    return kiln_guard_object(
        g, KILN_HINT_FLASH_SIZE,
        "%s is made for %s of flash and this board has %" PRIu64 "%s, so it would not start",
        kiln_image_name(g->image), row->name, real >= MEGABYTE ? real / MEGABYTE : real / 1024,
        real >= MEGABYTE ? "MB" : "KB");
}

static enum kiln_status check_header(struct kiln_guard *g, const uint8_t *bytes, size_t len,
                                     uint64_t address)
{
    const struct kiln_chip *chip = g->input->target->chip, *meant;

    if (!kiln_esp_header_fits(bytes, len))
        return KILN_OK;
    meant = kiln_esp_header_chip(bytes, len);
    if (meant != chip) /* that is said by another check */
        return KILN_OK;
    if (!kiln_esp_is_plain(chip->name) && g->input->target->revision >= 0)
        KILN_TRY(check_revision(g, bytes));
    return check_flash_size(g, bytes, address);
}

enum kiln_status kiln_guard_esp_headers(struct kiln_guard *g)
{
    const struct kiln_chip *chip = g->input->target->chip;
    const struct kiln_segment *whole;
    const struct kiln_esp_partition *rows;
    size_t count = 0;

    if (chip == NULL || chip->esp == NULL || kiln_image_segment_count(g->image) != 1 ||
        (g->info->type != KILN_IMAGE_ESP && g->info->type != KILN_IMAGE_ESP_MERGED))
        return KILN_OK;
    whole = kiln_image_segment(g->image, 0);
    if (g->info->type == KILN_IMAGE_ESP)
        return check_header(g, whole->data, whole->size, g->info->address);
    if (chip->esp->boot_offset >= whole->address &&
        chip->esp->boot_offset - whole->address < whole->size)
        KILN_TRY(check_header(g, whole->data + (chip->esp->boot_offset - whole->address),
                              whole->size - (chip->esp->boot_offset - whole->address),
                              chip->esp->boot_offset));
    rows = kiln_image_partitions(g->image, &count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].type == 0 && rows[i].offset >= whole->address &&
            rows[i].offset - whole->address < whole->size)
            KILN_TRY(check_header(g, whole->data + (rows[i].offset - whole->address),
                                  whole->size - (rows[i].offset - whole->address), rows[i].offset));
    return KILN_OK;
}

/* ---- fuses ---- */

/* What never works is no matter of force. */
static enum kiln_status check_encrypted(struct kiln_guard *g)
{
    const struct kiln_protection *p = g->input->protection;
    const char *name = kiln_image_name(g->image);

    if (p == NULL || p->align == 0 || !p->encrypts)
        return kiln_fail_hint(g->ctx, KILN_E_UNSUPPORTED,
                              p != NULL && p->align != 0 ? KILN_HINT_WITH_STUB : KILN_HINT_NONE,
                              "%s is to be encrypted, which this bootloader cannot do", name);
    if (p->no_manual_encrypt)
        return kiln_fail_hint(g->ctx, KILN_E_REFUSED, KILN_HINT_FLASH_ENCRYPTED,
                              "%s is to be encrypted, and the chip's fuses forbid that in "
                              "download mode (flash encryption in release mode)",
                              name);
    if (!p->flash_encryption)
        KILN_TRY(kiln_guard_object(g, KILN_HINT_FORCE,
                                   "%s is to be encrypted, but flash encryption is off in the "
                                   "chip's fuses: it would not be decrypted when it runs",
                                   name));
    if (p->secure_download)
        return KILN_OK; /* the rest cannot be read */
    if (!p->has_key)
        return kiln_guard_object(g, KILN_HINT_FORCE,
                                 "%s is to be encrypted, but the chip has no key for it", name);
    if (p->crypt_config >= 0 && p->crypt_config != (int32_t)CRYPT_CONFIG_ALL)
        return kiln_guard_object(g, KILN_HINT_FORCE,
                                 "%s is to be encrypted, but the chip's FLASH_CRYPT_CONFIG is "
                                 "0x%x and not 0xf: it would not be decrypted right",
                                 name, (unsigned)p->crypt_config);
    return KILN_OK;
}

static enum kiln_status check_plain(struct kiln_guard *g)
{
    const struct kiln_protection *p = g->input->protection;
    const char *name = kiln_image_name(g->image);

    if (!p->flash_encryption || g->info->type == KILN_IMAGE_ENCRYPTED)
        return KILN_OK;
    if (p->secure_download || p->no_manual_encrypt)
        return kiln_guard_object(g, KILN_HINT_FLASH_ENCRYPTED,
                                 "flash encryption is on%s and %s would be written as it is: if "
                                 "it was not encrypted before, the chip does not start again",
                                 p->secure_download ? ", in secure download mode," : " for good",
                                 name);
    kiln_guard_note(g,
                    "flash encryption is on and %s is written as it is; --encrypt lets the chip "
                    "encrypt it",
                    name);
    return KILN_OK;
}

enum kiln_status kiln_guard_esp_fuses(struct kiln_guard *g)
{
    const struct kiln_protection *p = g->input->protection;

    if (p != NULL && p->secure_boot_v1)
        for (size_t i = 0; i < kiln_image_segment_count(g->image); i++)
            if (kiln_image_segment(g->image, i)->address < FIRST_BOOTLOADERS)
                return kiln_guard_object(
                    g, KILN_HINT_FORCE,
                    "%s goes to 0x%" PRIx64 ", and with secure boot v1 on a new bootloader "
                    "below 0x8000 would not be started: the board would be dead",
                    kiln_image_name(g->image), kiln_image_segment(g->image, i)->address);
    if (g->encrypted)
        return check_encrypted(g);
    return p != NULL ? check_plain(g) : KILN_OK;
}
