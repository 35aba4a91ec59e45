/* SPDX-License-Identifier: MIT */
/* What an ESP session can do: registers, RAM, security state, flash. */
#include "job/esp_session.h"

#include "base/bytes.h"

#include <kiln/image.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_MAX ((size_t)1 << 30)

/* ---- registers and RAM ---- */

enum kiln_status kiln_esp_session_read_reg(struct kiln_esp_session *session, uint32_t address,
                                           uint32_t *out_value)
{
    KILN_TRY(kiln_esp_session_ready(session, false));
    return kiln_esp_read_reg(session->esp, &session->ctx, address, out_value);
}

enum kiln_status kiln_esp_session_write_reg(struct kiln_esp_session *session, uint32_t address,
                                            uint32_t value, uint32_t mask)
{
    const struct kiln_esp_reg_write write = {address, value, mask, 0};

    KILN_TRY(kiln_esp_session_ready(session, false));
    return kiln_esp_write_regs(session->esp, &session->ctx, &write, 1);
}

static enum kiln_status check_range(struct kiln_ctx *ctx, uint32_t address, size_t len,
                                    uint64_t start, uint64_t end)
{
    if (address < end && address + (uint64_t)len > start)
        return kiln_fail_hint(
            ctx, KILN_E_REFUSED, KILN_HINT_NO_STUB,
            "the flasher stub is at 0x%08llx-0x%08llx, where 0x%08x-0x%08llx is to be loaded",
            (unsigned long long)start, (unsigned long long)end, (unsigned)address,
            (unsigned long long)(address + (uint64_t)len));
    return KILN_OK;
}

static enum kiln_status spare_stub(struct kiln_esp_session *session, uint32_t address, size_t len)
{
    const struct kiln_esp *esp = session->esp;
    const char *file = kiln_esp_stub_of(esp->chip, esp->revision);
    struct kiln_esp_stub_image image;
    enum kiln_status status;

    if (!esp->stub || file == NULL)
        return KILN_OK;
    /* A stub that was found running may be another one; then where it is nobody knows. */
    if (kiln_esp_stub_load(&session->ctx, esp->options.stub_dir, file, &image) != KILN_OK) {
        kiln_error_clear(&session->ctx);
        return KILN_OK;
    }
    status = check_range(&session->ctx, address, len, image.text_start,
                         image.text_start + (uint64_t)image.text_len);
    if (status == KILN_OK)
        status = check_range(&session->ctx, address, len,
                             image.bss_start != 0 ? KILN_MIN(image.bss_start, image.data_start)
                                                  : image.data_start,
                             image.data_start + (uint64_t)image.data_len);
    kiln_esp_stub_dispose(&image);
    return status;
}

enum kiln_status kiln_esp_session_write_ram(struct kiln_esp_session *session, uint32_t address,
                                            const uint8_t *bytes, size_t len)
{
    KILN_TRY(kiln_esp_session_ready(session, false));
    KILN_TRY(spare_stub(session, address, len));
    return kiln_esp_mem_write(session->esp, &session->ctx, address, bytes, len);
}

enum kiln_status kiln_esp_session_run_ram(struct kiln_esp_session *session, uint32_t entry)
{
    KILN_TRY(kiln_esp_session_ready(session, false));
    session->esp->left = true;
    return kiln_esp_mem_run(session->esp, &session->ctx, entry);
}

enum kiln_status kiln_esp_session_run(struct kiln_esp_session *session)
{
    KILN_TRY(kiln_esp_session_ready(session, false));
    return kiln_esp_run(&session->esp->base, &session->ctx, KILN_NO_ADDRESS);
}

/* RTC_CNTL_SDIO_CONF_REG. The tie to 3.3 V is never set: it would put that on a 1.8 V flash. */
#define SDIO_XPD   (1u << 31)
#define SDIO_DREF  (0x3fu << 25) /* all three reference fields at their highest: 1.9 V */
#define SDIO_FORCE (1u << 22)
#define SDIO_PD_EN (1u << 21)

enum kiln_status kiln_esp_session_set_flash_supply(struct kiln_esp_session *session,
                                                   unsigned millivolts)
{
    uint32_t value = SDIO_FORCE | SDIO_PD_EN;

    KILN_TRY(kiln_esp_session_ready(session, false));
    if (session->esp->facts->sdio_conf == 0)
        return kiln_fail(&session->ctx, KILN_E_UNSUPPORTED,
                         "the %s has no regulator for the flash that can be overridden",
                         session->esp->chip->title);
    if (millivolts != 0 && millivolts != 1800 && millivolts != 1900)
        return kiln_fail(&session->ctx, KILN_E_ARG,
                         "the regulator makes 1.8 V and 1.9 V and not %u mV", millivolts);
    if (millivolts != 0)
        value |= SDIO_XPD;
    if (millivolts == 1900)
        value |= SDIO_DREF;
    return kiln_esp_write_reg(session->esp, &session->ctx, session->esp->facts->sdio_conf, value);
}

enum kiln_status kiln_esp_session_chip_number(struct kiln_esp_session *session,
                                              uint32_t *out_number)
{
    uint32_t low, high;

    *out_number = 0;
    KILN_TRY(kiln_esp_session_ready(session, false));
    if (session->esp->facts->chip_id >= 0)
        return kiln_fail(&session->ctx, KILN_E_UNSUPPORTED, "the %s has no number of its own",
                         session->esp->chip->title);
    KILN_TRY(kiln_esp_read_reg(session->esp, &session->ctx, session->esp->facts->mac, &low));
    KILN_TRY(kiln_esp_read_reg(session->esp, &session->ctx, session->esp->facts->mac + 4, &high));
    *out_number = low >> 24 | (high & 0xffffff) << 8;
    return KILN_OK;
}

/* ---- security ---- */

enum kiln_status kiln_esp_session_security(struct kiln_esp_session *session,
                                           struct kiln_esp_security_report *out_report)
{
    const struct kiln_esp_facts *facts;
    struct kiln_esp_security info;

    *out_report = (struct kiln_esp_security_report){0};
    KILN_TRY(kiln_esp_session_ready(session, false));
    KILN_TRY(kiln_esp_security_info(session->esp, &session->ctx, &info));
    facts = session->esp->facts;
    out_report->flags = info.flags;
    out_report->crypt_count = info.crypt_count;
    memcpy(out_report->key_purpose, info.key_purpose, sizeof out_report->key_purpose);
    out_report->has_keys = facts->key_names != NULL;
    for (size_t i = 0; i < KILN_ARRAY_LEN(info.key_purpose); i++) {
        const char *name = kiln_esp_key_name(facts, info.key_purpose[i]);

        out_report->key_name[i] = name != NULL ? name : "UNKNOWN";
    }
    out_report->has_chip_id = info.has_chip_id;
    out_report->chip_id = info.chip_id;
    out_report->api_version = info.api_version;
    return KILN_OK;
}

enum kiln_status kiln_esp_session_protection(struct kiln_esp_session *session,
                                             struct kiln_esp_protection *out)
{
    struct kiln_protection found = {.crypt_config = -1};

    *out = (struct kiln_esp_protection){.crypt_config = -1};
    KILN_TRY(kiln_esp_session_ready(session, false));
    KILN_TRY(kiln_esp_protection(session->esp, &session->ctx, true, &found));
    *out = (struct kiln_esp_protection){
        .secure_boot = found.secure_boot,
        .secure_boot_v1 = found.secure_boot_v1,
        .flash_encryption = found.flash_encryption,
        .no_manual_encrypt = found.no_manual_encrypt,
        .has_key = found.has_key,
        .crypt_config = found.crypt_config,
    };
    return KILN_OK;
}

/* ---- flash ---- */

struct relay {
    const struct kiln_esp_progress *to;
    uint64_t skip, total; /* padding in front is not told */
};

static void relay_step(void *user, uint64_t done)
{
    const struct relay *relay = user;

    if (relay->to == NULL || relay->to->step == NULL)
        return;
    done = done > relay->skip ? done - relay->skip : 0;
    relay->to->step(relay->to->user, KILN_MIN(done, relay->total), relay->total);
}

enum kiln_status kiln_esp_session_set_flash_size(struct kiln_esp_session *session, uint64_t size)
{
    const uint32_t parameters[6] = {0,   (uint32_t)size, KILN_ESP_FLASH_BLOCK, KILN_ESP_FLASH_PAGE,
                                    256, 0xffff};

    KILN_TRY(kiln_esp_session_ready(session, false));
    if (size == 0 || size > UINT32_MAX || size % KILN_ESP_FLASH_PAGE != 0)
        return kiln_fail(&session->ctx, KILN_E_ARG, "no flash has %llu bytes",
                         (unsigned long long)size);
    session->esp->options.flash_size = size;
    session->esp->flash_size = size;
    session->esp->has_flash = true;
    kiln_esp_fill_info(session->esp);
    if (!session->esp->stub && (session->esp->facts->flags & KILN_ESP_ROM_MINIMAL))
        return KILN_OK;
    return kiln_esp_words(session->esp, &session->ctx, KILN_ESP_SPI_SET_PARAMS, parameters, 6, 0,
                          "take the size of the flash");
}

enum kiln_status kiln_esp_session_read_sfdp(struct kiln_esp_session *session, uint32_t address,
                                            uint8_t *bytes, size_t count)
{
    KILN_TRY(kiln_esp_session_ready(session, false));
    return kiln_esp_read_sfdp(session->esp, &session->ctx, address, bytes, count);
}

enum kiln_status kiln_esp_session_flash_wiring(struct kiln_esp_session *session,
                                               unsigned *out_lines, const char **out_supply_by,
                                               unsigned *out_supply_mv)
{
    struct kiln_event_flash flash = {.supply_by = ""};
    enum kiln_status status = kiln_esp_session_ready(session, false);

    if (status == KILN_OK)
        status = kiln_esp_flash_lines(session->esp, &session->ctx, &flash.data_lines);
    if (status == KILN_OK)
        status = kiln_esp_flash_supply(session->esp, &session->ctx, &flash);
    *out_lines = flash.data_lines;
    *out_supply_by = flash.supply_by;
    *out_supply_mv = flash.supply_mv;
    return status;
}

enum kiln_status kiln_esp_session_read_status(struct kiln_esp_session *session, unsigned count,
                                              uint32_t *out_value)
{
    KILN_TRY(kiln_esp_session_ready(session, false));
    return kiln_esp_read_status(session->esp, &session->ctx, count, out_value);
}

enum kiln_status kiln_esp_session_write_status(struct kiln_esp_session *session, unsigned count,
                                               uint32_t value, bool non_volatile)
{
    KILN_TRY(kiln_esp_session_ready(session, false));
    return kiln_esp_write_status(session->esp, &session->ctx, count, value, non_volatile);
}

enum kiln_status kiln_esp_session_read_flash(struct kiln_esp_session *session, uint64_t address,
                                             uint8_t *bytes, size_t len,
                                             const struct kiln_esp_progress *progress)
{
    struct relay relay = {progress, 0, len};
    const struct kiln_progress inner = {relay_step, &relay};

    KILN_TRY(kiln_esp_session_ready(session, true));
    return kiln_esp_read(&session->esp->base, &session->ctx, address, bytes, len, &inner);
}

void kiln_esp_md5(const uint8_t *bytes, size_t len, uint8_t out_md5[16])
{
    uint8_t md5[EVP_MAX_MD_SIZE] = {0};

    (void)EVP_Digest(bytes, len, md5, NULL, EVP_md5(), NULL);
    memcpy(out_md5, md5, 16);
}

enum kiln_status kiln_esp_session_md5(struct kiln_esp_session *session, uint64_t address,
                                      uint64_t len, uint8_t out_md5[16])
{
    KILN_TRY(kiln_esp_session_ready(session, true));
    return kiln_esp_digest(&session->esp->base, &session->ctx, address, len, out_md5);
}

enum kiln_status kiln_esp_session_erase(struct kiln_esp_session *session, uint64_t address,
                                        uint64_t len, const struct kiln_esp_progress *progress)
{
    struct relay relay = {progress, 0, len};
    const struct kiln_progress inner = {relay_step, &relay};

    KILN_TRY(kiln_esp_session_ready(session, true));
    return kiln_esp_erase(&session->esp->base, &session->ctx, address, len, &inner);
}

enum kiln_status kiln_esp_session_erase_all(struct kiln_esp_session *session)
{
    KILN_TRY(kiln_esp_session_ready(session, true));
    return kiln_esp_erase_all(&session->esp->base, &session->ctx);
}

/* What is written must fill whole sectors: an erased byte costs nothing. What the chip encrypts is told to it
 * as it is, save for a ROM, which begins at a sector. */
enum kiln_status kiln_esp_session_write(struct kiln_esp_session *session,
                                        const struct kiln_esp_write *write,
                                        const struct kiln_esp_progress *progress,
                                        uint64_t *out_wire)
{
    const struct kiln_esp_write_form form = {write->plain, write->encrypted, write->lone_sector};
    bool exact;
    uint64_t start, end;
    struct relay relay;
    const struct kiln_progress inner = {relay_step, &relay};
    uint8_t *padded;
    enum kiln_status status;

    *out_wire = 0;
    KILN_TRY(kiln_esp_session_ready(session, true));
    if (write->len > WRITE_MAX || write->address > UINT32_MAX)
        return kiln_fail(&session->ctx, KILN_E_ARG, "0x%llx bytes at 0x%llx are out of reach",
                         (unsigned long long)write->len, (unsigned long long)write->address);
    exact = write->encrypted && session->esp->stub;
    start = exact ? write->address : kiln_round_down(write->address, KILN_ESP_FLASH_PAGE);
    end = write->address + write->len;
    if (!write->encrypted)
        end = kiln_round_up(end, KILN_ESP_FLASH_PAGE);
    relay = (struct relay){progress, write->address - start, write->len};
    padded = malloc((size_t)(end - start) + 1);
    if (padded == NULL)
        return kiln_fail(&session->ctx, KILN_E_NOMEM, "out of memory");
    memset(padded, 0xff, (size_t)(end - start));
    memcpy(padded + (write->address - start), write->bytes, write->len);
    status = kiln_esp_write_as(session->esp, &session->ctx, start, padded, (size_t)(end - start),
                               form, &inner, out_wire);
    free(padded);
    return status;
}
