/* SPDX-License-Identifier: MIT */
/* What a chip tells about its security and its flash. Sources: esptool's documentation of get-security-info and
 * flash-id (5.2.0), the eFuse chapters of the technical reference manuals, JESD216 for the SFDP header. */
#include "loader/esp.h"

#include "base/bytes.h"
#include "chip/jedec.h"

#include <string.h>

/* Bits of GET_SECURITY_INFO's flags. */
#define SECURE_BOOT_EN         (1u << 0)
#define SECURE_BOOT_AGGRESSIVE (1u << 1)
#define KEY_REVOKE_SHIFT       3
#define SOFT_DIS_JTAG          (1u << 6)
#define HARD_DIS_JTAG          (1u << 7)
#define DIS_USB                (1u << 8)
#define DIS_DOWNLOAD_DCACHE    (1u << 9)
#define DIS_DOWNLOAD_ICACHE    (1u << 10)

/* ---- security ---- */

static void tell_flags(const struct kiln_esp *esp, struct kiln_event_security *out)
{
    uint32_t flags = esp->security.flags;

    out->has_flags = true;
    out->flags = flags;
    out->crypt_count = esp->security.crypt_count;
    out->aggressive_revocation = (flags & SECURE_BOOT_AGGRESSIVE) != 0;
    out->revoked_digests = flags >> KEY_REVOKE_SHIFT & 7;
    out->jtag = flags & HARD_DIS_JTAG   ? KILN_JTAG_OFF
                : flags & SOFT_DIS_JTAG ? KILN_JTAG_SOFT_OFF
                                        : KILN_JTAG_OPEN;
    out->usb_off = (flags & DIS_USB) != 0;
    out->download_dcache_off = (flags & DIS_DOWNLOAD_DCACHE) != 0;
    out->download_icache_off = (flags & DIS_DOWNLOAD_ICACHE) != 0;
    if (esp->facts->key_names == NULL)
        return;
    for (unsigned i = 0; i < KILN_EVENT_KEYS; i++) {
        const char *name = kiln_esp_key_name(esp->facts, esp->security.key_purpose[i]);

        out->keys[out->key_count++] = (struct kiln_event_key){
            .block = i, .purpose = esp->security.key_purpose[i], .name = name != NULL ? name : ""};
    }
}

/* What only eFuses tell; those of a chip whose ROM has no command for it tell the rest too. */
static enum kiln_status tell_fuses(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                   struct kiln_event_security *out)
{
    const struct kiln_esp_facts *facts = esp->facts;
    struct kiln_protection found;
    uint32_t value = 0;

    KILN_TRY(kiln_esp_protection(esp, ctx, true, &found));
    if (!esp->has_security) {
        out->secure_boot = found.secure_boot;
        out->flash_encryption = found.flash_encryption;
        if (facts->crypt_count.width > 0)
            KILN_TRY(kiln_esp_bits(esp, ctx, &facts->crypt_count, &value));
        out->crypt_count = value;
    }
    if (facts->jtag_off.width > 0) {
        KILN_TRY(kiln_esp_bits(esp, ctx, &facts->jtag_off, &value));
        out->jtag = value != 0 ? KILN_JTAG_OFF : KILN_JTAG_OPEN;
    }
    if (out->secure_boot)
        out->secure_boot_version = found.secure_boot_v1 ? 1 : 2;
    out->flash_key = found.has_key;
    out->rom_encrypts = !found.no_manual_encrypt;
    out->has_fuses = true;
    return KILN_OK;
}

static enum kiln_status tell_security(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                      struct kiln_details *out)
{
    struct kiln_event_security *security = &out->security;

    if (!esp->has_security && esp->facts->secure_boot.width == 0)
        return KILN_OK; /* this chip has nothing of the kind */
    security->secure_download = esp->secure_download;
    if (esp->has_security) {
        security->secure_boot = (esp->security.flags & SECURE_BOOT_EN) != 0;
        security->flash_encryption = kiln_esp_encrypts(esp->security.crypt_count);
        security->secure_boot_version = security->secure_boot ? 2 : 0;
        tell_flags(esp, security);
    }
    if (!esp->secure_download)
        KILN_TRY(kiln_esp_spare(esp, ctx, tell_fuses(esp, ctx, security), "eFuses not known"));
    out->has_security = security->has_flags || security->has_fuses;
    return KILN_OK;
}

/* ---- flash ---- */

static enum kiln_status tell_status(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                    struct kiln_event_flash *out)
{
    uint32_t value = 0;

    KILN_TRY(kiln_esp_read_status(esp, ctx, 3, &value));
    for (unsigned i = 0; i < 3; i++)
        out->status[i] = (uint8_t)(value >> 8 * i);
    out->has_status = true;
    return KILN_OK;
}

/* The header, the first parameter header behind it, and of the table that it points to the word about density. */
static enum kiln_status tell_sfdp(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                  struct kiln_event_flash *out)
{
    uint8_t head[16] = {0}, word[4] = {0};
    uint32_t density;

    KILN_TRY(kiln_esp_read_sfdp(esp, ctx, 0, head, sizeof head));
    out->sfdp = memcmp(head, "SFDP", 4) == 0;
    out->has_sfdp = true;
    if (!out->sfdp)
        return KILN_OK;
    out->sfdp_minor = head[4];
    out->sfdp_major = head[5];
    if (head[8] != 0 || head[11] < 2) /* not the basic table, or one without the word */
        return KILN_OK;
    KILN_TRY(kiln_esp_read_sfdp(esp, ctx, kiln_le24(head + 12) + 4, word, sizeof word));
    density = kiln_le32(word);
    /* One less than the bits, or above 2 Gbit the power of two. */
    if (!(density >> 31))
        out->sfdp_size = ((uint64_t)density + 1) / 8;
    else if ((density & 0x7fffffff) >= 3 && (density & 0x7fffffff) < 64)
        out->sfdp_size = 1ull << ((density & 0x7fffffff) - 3);
    return KILN_OK;
}

enum kiln_status kiln_esp_flash_lines(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                      unsigned *out_lines)
{
    uint32_t octal = 0;

    *out_lines = 0;
    if (esp->facts->flash_octal.width == 0)
        return KILN_OK;
    KILN_TRY(kiln_esp_bits(esp, ctx, &esp->facts->flash_octal, &octal));
    *out_lines = octal != 0 ? 8 : 4;
    return KILN_OK;
}

/* RTC_CNTL_SDIO_CONF_REG, which overrides eFuses. */
#define SDIO_XPD   (1u << 31)
#define SDIO_DREFH (3u << 29)
#define SDIO_TIEH  (1u << 23)
#define SDIO_FORCE (1u << 22)

enum kiln_status kiln_esp_flash_supply(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                       struct kiln_event_flash *out_flash)
{
    const struct kiln_esp_supply *supply = &esp->facts->supply;
    uint32_t conf = 0, fuses = 0, strap = 0;

    out_flash->supply_by = "";
    if (supply->reg == 0)
        return KILN_OK;
    if (esp->facts->sdio_conf != 0)
        KILN_TRY(kiln_esp_read_reg(esp, ctx, esp->facts->sdio_conf, &conf));
    if (conf & SDIO_FORCE) {
        out_flash->supply_mv = !(conf & SDIO_XPD)  ? 0
                               : conf & SDIO_TIEH  ? 3300
                               : conf & SDIO_DREFH ? 1900
                                                   : 1800;
        out_flash->supply_by = "register";
        return KILN_OK;
    }
    KILN_TRY(kiln_esp_read_reg(esp, ctx, supply->reg, &fuses));
    if (fuses >> supply->force & 1) {
        out_flash->supply_mv = !(fuses >> supply->xpd & 1) ? 0
                               : fuses >> supply->tieh & 1 ? 3300
                                                           : 1800;
        out_flash->supply_by = "eFuse";
        return KILN_OK;
    }
    KILN_TRY(kiln_esp_read_reg(esp, ctx, esp->facts->strap, &strap));
    out_flash->supply_mv = strap >> supply->strap & 1 ? 1800 : 3300;
    out_flash->supply_by = "strapping pin";
    return KILN_OK;
}

static enum kiln_status tell_flash(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                   struct kiln_details *out)
{
    struct kiln_event_flash *flash = &out->flash;
    const char *maker = kiln_jedec_maker(esp->flash_id & 0xff);

    out->has_flash = true;
    *flash = (struct kiln_event_flash){
        .manufacturer = esp->flash_id & 0xff,
        .maker = maker != NULL ? maker : "",
        .device = (esp->flash_id & 0xff00) | (esp->flash_id >> 16 & 0xff),
        .size = kiln_esp_flash_size_of(esp->flash_id),
        .supply_by = "",
    };
    KILN_TRY(kiln_esp_spare(esp, ctx, tell_status(esp, ctx, flash),
                            "status registers of the flash not known"));
    KILN_TRY(
        kiln_esp_spare(esp, ctx, tell_sfdp(esp, ctx, flash), "SFDP tables of the flash not known"));
    KILN_TRY(kiln_esp_spare(esp, ctx, kiln_esp_flash_lines(esp, ctx, &flash->data_lines),
                            "data lines of the flash not known"));
    return kiln_esp_spare(esp, ctx, kiln_esp_flash_supply(esp, ctx, flash),
                          "supply of the flash not known");
}

enum kiln_status kiln_esp_details(struct kiln_loader *self, struct kiln_ctx *ctx,
                                  struct kiln_details *out_details)
{
    struct kiln_esp *esp = kiln_esp_of(self);

    *out_details = (struct kiln_details){.has_security = false};
    KILN_TRY(tell_security(esp, ctx, out_details));
    return esp->has_flash && !esp->secure_download ? tell_flash(esp, ctx, out_details) : KILN_OK;
}
