/* SPDX-License-Identifier: MIT */
/* image-info of the esptool look-alike. Scripts read its lines, which are therefore esptool's. */
#include "cli/compat_esptool.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static void print_title(const struct esptool *e, const char *format, ...) KILN_PRINTF(2, 3);

static void print_title(const struct esptool *e, const char *format, ...)
{
    char title[96], line[96];
    va_list args;
    size_t len;

    va_start(args, format);
    vsnprintf(title, sizeof title, format, args);
    va_end(args);
    len = strlen(title);
    memset(line, '=', len);
    line[len] = '\0';
    esptool_print(e, "%s", title);
    esptool_print(e, "%s", line);
}

static const char *upper(const char *text, char out[16])
{
    size_t len = 0;

    for (; *text != '\0' && len < 15; text++)
        out[len++] = (char)toupper((unsigned char)*text);
    out[len] = '\0';
    return out;
}

static void print_header(const struct esptool *e, const struct kiln_esp_image *image,
                         const char *title)
{
    char mode[16];

    esptool_print(e, "%s", "");
    print_title(e, "%s Image Header", title);
    esptool_print(e, "Image version: %u", image->version);
    if (image->entry != 0)
        esptool_print(e, "Entry point: %#8" PRIx32, image->entry);
    else
        esptool_print(e, "Entry point not set");
    esptool_print(e, "Segments: %zu", image->segment_count);
    if (image->flash_size != NULL)
        esptool_print(e, "Flash size: %s", image->flash_size);
    else
        esptool_warning(e, "Invalid flash size (0x%x)", image->flash_size_freq & 0xf0);
    if (image->flash_freq != NULL)
        esptool_print(e, "Flash freq: %s", image->flash_freq);
    else
        esptool_warning(e, "Invalid flash frequency (0x%x)", image->flash_size_freq & 0x0f);
    if (image->flash_mode_name != NULL)
        esptool_print(e, "Flash mode: %s", upper(image->flash_mode_name, mode));
    else
        esptool_warning(e, "Invalid flash mode (%u)", image->flash_mode);
}

static void print_extended(const struct esptool *e, const struct kiln_esp_image *image,
                           const char *title)
{
    esptool_print(e, "%s", "");
    print_title(e, "%s Extended Image Header", title);
    esptool_print(e, "WP pin: 0x%x%s", image->wp_pin, image->wp_pin == 0xee ? " (disabled)" : "");
    esptool_print(e,
                  "Flash pins drive settings: clk_drv: 0x%x, q_drv: 0x%x, d_drv: 0x%x, "
                  "cs0_drv: 0x%x, hd_drv: 0x%x, wp_drv: 0x%x",
                  image->clk_drv, image->q_drv, image->d_drv, image->cs_drv, image->hd_drv,
                  image->wp_drv);
    esptool_print(e, "Chip ID: %u (%s)", image->chip_id,
                  image->chip_id_title != NULL ? image->chip_id_title : "Unknown ID");
    esptool_print(e, "Minimal chip revision: v%u.%u, (legacy min_rev = %u)",
                  image->min_rev_full / 100u, image->min_rev_full % 100u, image->min_rev);
    esptool_print(e, "Maximal chip revision: v%u.%u", image->max_rev_full / 100u,
                  image->max_rev_full % 100u);
}

static void print_segments(const struct esptool *e, const struct kiln_esp_image *image)
{
    esptool_print(e, "%s", "");
    print_title(e, "Segments Information");
    esptool_print(e, "%7s  %7s  %10s  %10s  %-10s", "Segment", "Length", "Load addr", "File offs",
                  "Memory types");
    esptool_print(e, "-------  -------  ----------  ----------  ------------");
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct kiln_esp_segment *s = &image->segment[i];

        esptool_print(e, "%7zu  0x%05" PRIx32 "  0x%08" PRIx32 "  0x%08zx  %s", i, s->size,
                      s->address, s->offset, s->memory);
    }
}

static void print_footer(const struct esptool *e, const struct kiln_esp_image *image,
                         const char *title)
{
    char hex[65];

    esptool_print(e, "%s", "");
    print_title(e, "%s Image Footer", title);
    if (image->checksum == image->checksum_found)
        esptool_print(e, "Checksum: 0x%02x (valid)", image->checksum_found);
    else
        esptool_print(e, "Checksum: 0x%02x (invalid - calculated 0x%02x)", image->checksum_found,
                      image->checksum);
    if (!image->digest)
        return;
    for (size_t i = 0; i < sizeof image->sha256; i++)
        snprintf(hex + 2 * i, 3, "%02x", image->sha256[i]);
    esptool_print(e, "Validation hash: %s (%s)", hex,
                  memcmp(image->sha256, image->sha256_found, sizeof image->sha256) == 0
                      ? "valid"
                      : "invalid");
}

static void print_app(const struct esptool *e, const struct kiln_esp_app *app)
{
    char hex[65];

    for (size_t i = 0; i < sizeof app->elf_sha256; i++)
        snprintf(hex + 2 * i, 3, "%02x", app->elf_sha256[i]);
    esptool_print(e, "%s", "");
    print_title(e, "Application Information");
    esptool_print(e, "Project name: %s", app->project);
    esptool_print(e, "App version: %s", app->version);
    esptool_print(e, "Compile time: %s %s", app->date, app->time);
    esptool_print(e, "ELF file SHA256: %s", hex);
    esptool_print(e, "ESP-IDF: %s", app->idf);
    esptool_print(e, "Minimal eFuse block revision: %u.%u", app->min_efuse_block / 100u,
                  app->min_efuse_block % 100u);
    esptool_print(e, "Maximal eFuse block revision: %u.%u", app->max_efuse_block / 100u,
                  app->max_efuse_block % 100u);
    if (app->mmu_page_size != 0)
        esptool_print(e, "MMU page size: %" PRIu32 " KB", app->mmu_page_size / 1024);
    esptool_print(e, "Secure version: %" PRIu32, app->secure_version);
}

static void print_image(const struct esptool *e, const struct kiln_esp_image *image)
{
    const char *title = kiln_chip_summary(kiln_chip_named(image->chip)).title;

    print_header(e, image, title);
    if (image->extended)
        print_extended(e, image, title);
    print_segments(e, image);
    print_footer(e, image, title);
    if (image->has_app)
        print_app(e, &image->app);
    if (!image->has_boot)
        return;
    esptool_print(e, "%s", "");
    print_title(e, "Bootloader Information");
    esptool_print(e, "Bootloader version: %" PRIu32, image->boot.version);
    esptool_print(e, "ESP-IDF: %s", image->boot.idf);
    esptool_print(e, "Compile time: %s", image->boot.built);
}

static const char *chip_or_null(const struct esptool *e)
{
    return strcmp(e->args.chip, "auto") != 0 ? e->args.chip : NULL;
}

static int print_one(struct esptool *e, const struct esptool_file *file)
{
    struct kiln_esp_listener listener = esptool_listener(e);
    struct kiln_esp_image image;
    struct kiln_error error;

    if (kiln_esp_inspect(file->data, file->len, chip_or_null(e), &listener, &image, &error) !=
        KILN_OK)
        return esptool_fail(e, &error);
    esptool_print(e, "Image size: %zu bytes", file->len);
    if (image.detected)
        esptool_print(e, "Detected image type: %s",
                      kiln_chip_summary(kiln_chip_named(image.chip)).title);
    print_image(e, &image);
    return 0;
}

static void print_region(struct esptool *e, const struct esptool_file *file, size_t number,
                         size_t count, const char **chip)
{
    struct kiln_esp_listener listener = esptool_listener(e);
    struct kiln_esp_image image;
    struct kiln_error error;
    char text[128], line[128];
    int len = snprintf(text, sizeof text,
                       "Processing file %zu/%zu, offset: 0x%" PRIx64 ", size: %zu bytes", number,
                       count, file->address, file->len);

    memset(line, '=', (size_t)len);
    line[len] = '\0';
    esptool_print(e, "%s", "");
    esptool_print(e, "%s", line);
    esptool_print(e, "%s", text);
    esptool_print(e, "%s", line);
    if (kiln_esp_inspect(file->data, file->len, *chip, &listener, &image, &error) != KILN_OK) {
        esptool_error(e, "Error processing file %zu/%zu: %s", number, count, error.message);
        esptool_error(e, "Probably not a valid firmware image (e.g. partition table).");
        return;
    }
    if (number == 1 && *chip == NULL) {
        esptool_print(e, "Detected image type: %s",
                      kiln_chip_summary(kiln_chip_named(image.chip)).title);
        *chip = image.chip;
    }
    print_image(e, &image);
}

static int run_image_info(struct esptool *e)
{
    const struct esptool_files *files = &e->args.files;
    const char *chip = chip_or_null(e);

    if (files->count == 0)
        return esptool_fatal(e, "Image is empty.");
    if (files->count == 1)
        return print_one(e, &files->file[0]);
    esptool_print(e, "Merged binary image detected. Processing each file individually.");
    for (size_t i = 0; i < files->count; i++)
        print_region(e, &files->file[i], i + 1, files->count, &chip);
    return 0;
}

static const struct esptool_operand operands[] = {
    {"FILENAME", ESPTOOL_INPUT, offsetof(struct esptool_args, files), NULL},
    {NULL, ESPTOOL_TEXT, 0, NULL}};

const struct esptool_command esptool_cmd_image_info = {
    .name = "image-info",
    .operands = operands,
    .summary = "show what is in a bootloader or application image",
    .group = ESPTOOL_BASIC,
    .run = run_image_info,
};
