/* SPDX-License-Identifier: MIT */
/* What the esptool look-alike checks before it writes, and the sizes of flash. */
#include "cli/compat_esptool_board.h"

#include <stdlib.h>
#include <string.h>

#define MEGABYTE          (1u << 20)
#define FIRST_BOOTLOADERS 0x8000u /* below it secure boot v1 keeps its bootloader */
#define ROM_REACH         (16u * MEGABYTE)

/* ---- sizes ---- */

const char *esptool_size_text(uint64_t bytes, char text[24])
{
    snprintf(text, 24, bytes >= MEGABYTE ? "%lluMB" : "%lluKB",
             (unsigned long long)(bytes >= MEGABYTE ? bytes / MEGABYTE : bytes / 1024));
    return text;
}

uint64_t esptool_size_bytes(const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);

    if (strncmp(end, "MB", 2) == 0)
        return number * MEGABYTE;
    return strncmp(end, "KB", 2) == 0 ? number * 1024 : 0;
}

int esptool_settle_size(struct esptool_board *b, const char *wanted, char text[24],
                        const char **out_size)
{
    bool reaches = b->about.stub && b->about.big_flash;
    uint64_t size;

    *out_size = "keep";
    esptool_print(b->e, "Configuring flash size...");
    if (strcmp(wanted, "keep") == 0) {
        size = b->about.flash_size;
    } else if (strcmp(wanted, "detect") == 0) {
        if (b->about.secure_download)
            return esptool_fatal(b->e, "Detecting flash size is not supported in secure download "
                                       "mode. Need to manually specify flash size.");
        size = b->about.flash_size;
        if (size == 0) {
            esptool_warning(b->e, "Could not auto-detect flash size, defaulting to 4MB.");
            size = 4 * MEGABYTE;
        } else {
            esptool_print(b->e, "Auto-detected flash size: %s", esptool_size_text(size, text));
        }
        *out_size = esptool_size_text(size, text);
    } else {
        size = esptool_size_bytes(wanted);
        *out_size = wanted;
    }
    if (size > ROM_REACH && !reaches)
        esptool_note(b->e, "Flash sizes larger than 16MB are not fully supported. Change the flash "
                           "size argument in case of a failure.");
    if (strcmp(wanted, "keep") != 0 && kiln_esp_session_set_flash_size(b->session, size) != KILN_OK)
        return esptool_board_fail(b);
    return 0;
}

int esptool_check_size(struct esptool_board *b, uint64_t address, uint64_t size)
{
    uint64_t end = b->about.flash_size;

    if (b->about.secure_download || end == 0 || (address <= end && size <= end - address))
        return 0;
    return esptool_fatal(b->e,
                         "Can't access flash regions larger than detected flash size (0x%llx bytes "
                         "at 0x%llx in 0x%llx).",
                         (unsigned long long)size, (unsigned long long)address,
                         (unsigned long long)end);
}

/* ---- images ---- */

static const char *kept(const char *value)
{
    return value == NULL || strcmp(value, "keep") == 0 ? NULL : value;
}

uint8_t *esptool_flash_image(struct esptool_board *b, const struct esptool_file *file, size_t align,
                             const char *flash_size, size_t *out_len)
{
    const struct esptool_args *args = &b->e->args;
    const struct kiln_esp_listener listener = esptool_listener(b->e);
    size_t len = (file->len + align - 1) / align * align;
    uint8_t *bytes = esptool_keep(b->e, malloc(len + 1));
    bool changes = kept(args->flash_mode) != NULL || kept(args->flash_freq) != NULL ||
                   kept(flash_size) != NULL;
    struct kiln_esp_protection protection = {.secure_boot = b->about.secure_download};
    struct kiln_error error = {0};

    *out_len = len;
    if (bytes == NULL) {
        esptool_fatal(b->e, "out of memory");
        return NULL;
    }
    memcpy(bytes, file->data, file->len);
    memset(bytes + file->len, 0xff, len - file->len);
    if (!changes)
        return bytes;
    if (!b->about.secure_download &&
        kiln_esp_session_protection(b->session, &protection) != KILN_OK) {
        esptool_board_fail(b);
        return NULL;
    }
    if (protection.secure_boot) {
        esptool_warning(b->e, "Security features enabled, so not changing any flash settings.");
        return bytes;
    }
    if (kiln_esp_patch_header(bytes, file->len, b->about.chip, file->address,
                              kept(args->flash_mode), kept(flash_size), kept(args->flash_freq),
                              &listener, &error) == KILN_OK)
        return bytes;
    esptool_fail(b->e, &error);
    return NULL;
}

static int check_revision(struct esptool_board *b, const struct esptool_file *file,
                          const struct kiln_esp_image *image)
{
    unsigned revision = b->about.revision;
    unsigned simple = b->about.min_rev_is_minor ? revision % 100 : revision / 100;
    bool full = image->max_rev_full != 0 &&
                !(image->max_rev_full == 65535 && image->min_rev_full == 0 && image->min_rev != 0);
    char range[64] = "max rev not set";

    if (full && (revision < image->min_rev_full || revision > image->max_rev_full)) {
        if (image->max_rev_full != 65535)
            snprintf(range, sizeof range, "v%u.%u", image->max_rev_full / 100u,
                     image->max_rev_full % 100u);
        return esptool_fatal(b->e,
                             "'%s' requires chip revision in range [v%u.%u - %s] (this chip is "
                             "revision v%u.%u). Use the force argument to flash anyway.",
                             file->name, image->min_rev_full / 100u, image->min_rev_full % 100u,
                             range, revision / 100, revision % 100);
    }
    if (!full && simple < image->min_rev)
        return esptool_fatal(b->e,
                             "'%s' requires chip revision %u or higher (this chip is revision %u). "
                             "Use the force argument to flash anyway.",
                             file->name, image->min_rev, simple);
    return 0;
}

static int check_image(struct esptool_board *b, const struct esptool_file *file)
{
    struct kiln_esp_image image;
    struct kiln_error error;

    if (file->len == 0 || file->data[0] != 0xe9 ||
        kiln_esp_inspect(file->data, file->len, b->about.chip, NULL, &image, &error) != KILN_OK ||
        !image.extended)
        return 0;
    if (image.chip_id != b->about.chip_id) {
        esptool_warning(
            b->e,
            "Unexpected chip ID in image. Expected %d but value was %u. Is this image for "
            "a different chip model?",
            (int)b->about.chip_id, image.chip_id);
        return esptool_fatal(b->e,
                             "'%s' is not an %s image. Use the force argument to flash anyway.",
                             file->name, b->about.title);
    }
    return check_revision(b, file, &image);
}

static int check_images(struct esptool_board *b, const struct kiln_esp_protection *protection)
{
    const struct esptool_files *files = &b->e->args.files;

    for (size_t i = 0; i < files->count && protection->secure_boot_v1; i++) {
        if (files->file[i].address < FIRST_BOOTLOADERS)
            return esptool_fatal(b->e, "Secure Boot V1 detected, writing to flash regions < 0x8000 "
                                       "is disabled to protect the bootloader. Use the force "
                                       "argument to override, please use with caution, otherwise "
                                       "it may brick your device!");
    }
    for (size_t i = 0; i < files->count; i++) {
        int status = check_image(b, &files->file[i]);

        if (status != 0)
            return status;
    }
    return 0;
}

/* ---- encryption ---- */

static bool aligned(struct esptool_board *b, const struct esptool_files *files)
{
    bool good = true;

    for (size_t i = 0; i < files->count; i++) {
        if (files->file[i].address % b->about.encrypted_align == 0)
            continue;
        esptool_warning(b->e,
                        "'%s' (address 0x%llx) is not %u byte aligned, can't flash encrypted.",
                        files->file[i].name, (unsigned long long)files->file[i].address,
                        (unsigned)b->about.encrypted_align);
        good = false;
    }
    return good;
}

static int check_encryption(struct esptool_board *b, const struct kiln_esp_protection *protection)
{
    const struct esptool_args *args = &b->e->args;
    bool good = true;

    if (b->about.chip_id < 0)
        return esptool_fatal(b->e, "%s does not support encrypted flashing.", b->about.title);
    if (!b->about.stub && !b->about.rom_encrypts)
        return esptool_fatal(b->e,
                             "%s ROM bootloader does not support encrypted writes. Encrypted "
                             "writing is only supported by the flasher stub. Do not use --no-stub "
                             "when writing encrypted data.",
                             b->about.title);
    if (protection->no_manual_encrypt)
        return esptool_fatal(b->e, "This chip has encrypt functionality in UART download mode "
                                   "disabled. This is the Flash Encryption configuration for "
                                   "Production mode instead of Development mode.");
    if (!b->about.secure_download && protection->crypt_config >= 0 &&
        protection->crypt_config != 0xf) {
        esptool_print(b->e, "Unexpected FLASH_CRYPT_CONFIG value: 0x%x",
                      (unsigned)protection->crypt_config);
        good = false;
    }
    if (!b->about.secure_download && !protection->has_key) {
        esptool_print(b->e, "Flash encryption key is not programmed.");
        good = false;
    }
    good = aligned(b, args->encrypt ? &args->files : &args->encrypt_files) && good;
    if (!good && !args->ignore_flash_enc)
        return esptool_fatal(b->e, "Can't perform encrypted flash write, consult Flash Encryption "
                                   "documentation for more information.");
    return 0;
}

static int check_plain(struct esptool_board *b, const struct kiln_esp_protection *protection)
{
    if (b->e->args.force || !protection->flash_encryption)
        return 0;
    if (b->about.secure_download)
        return esptool_fatal(b->e, "Detected flash encryption and secure download mode enabled.\n"
                                   "Flashing plaintext binary may brick your device! Use the force "
                                   "argument to override the warning.");
    if (protection->no_manual_encrypt)
        return esptool_fatal(b->e, "Detected flash encryption enabled and download manual encrypt "
                                   "disabled.\nFlashing plaintext binary may brick your device! "
                                   "Use the force argument to override the warning.");
    return 0;
}

int esptool_check_before_write(struct esptool_board *b)
{
    const struct esptool_args *args = &b->e->args;
    struct kiln_esp_protection protection;
    bool encrypts = args->encrypt || args->encrypt_files.count > 0;
    int status = 0;

    if (kiln_esp_session_protection(b->session, &protection) != KILN_OK)
        return esptool_board_fail(b);
    if (!args->force && !b->about.secure_download)
        status = check_images(b, &protection);
    if (status != 0)
        return status;
    return encrypts ? check_encryption(b, &protection) : check_plain(b, &protection);
}
