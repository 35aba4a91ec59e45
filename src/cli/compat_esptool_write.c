/* SPDX-License-Identifier: MIT */
/* write-flash of the esptool look-alike. */
#include "cli/compat_esptool_board.h"

#include <stdlib.h>
#include <string.h>

#define SECTOR 0x1000u

/* One file on its way to the flash. */
struct item {
    const struct esptool_file *file;
    const struct esptool_file *before; /* what is in flash now, or NULL */
    bool encrypted;
};

struct writer {
    struct esptool_board *b;
    struct item *item;
    size_t count;
    const char *flash_size;
    bool skip_flashed, no_diff_verify, diffs;
};

void esptool_md5_text(const uint8_t md5[16], char text[33])
{
    for (size_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", md5[i]);
}

/* ---- which files, and how ---- */

static int by_address(const void *left, const void *right)
{
    const struct item *a = left;
    const struct item *b = right;

    return a->file->address < b->file->address ? -1 : a->file->address > b->file->address;
}

static int load_diff(struct writer *w, size_t index, const char *path)
{
    struct esptool_files loaded = {0};
    int status = esptool_read_input(w->b->e, path, w->item[index].file->address, true, &loaded);

    if (status == 0 && loaded.count > 0)
        w->item[index].before = &loaded.file[0];
    return status;
}

static int collect(struct writer *w)
{
    const struct esptool_args *args = &w->b->e->args;
    size_t count = args->files.count + args->encrypt_files.count;
    int status = 0;

    w->item = esptool_keep(w->b->e, calloc(count + 1, sizeof *w->item));
    if (w->item == NULL)
        return esptool_fatal(w->b->e, "out of memory");
    for (size_t i = 0; i < args->files.count; i++)
        w->item[w->count++] = (struct item){&args->files.file[i], NULL, args->encrypt};
    for (size_t i = 0; i < args->encrypt_files.count; i++)
        w->item[w->count++] = (struct item){&args->encrypt_files.file[i], NULL, true};
    if (args->encrypt_files.count > 0)
        qsort(w->item, w->count, sizeof *w->item, by_address);
    for (size_t i = 0; i < args->diff_with.count && i < w->count && w->diffs && status == 0; i++)
        if (strcmp(args->diff_with.word[i], "skip") != 0)
            status = load_diff(w, i, args->diff_with.word[i]);
    return status;
}

/* Comparing with what is in flash does not go with everything. */
static void settle_options(struct writer *w)
{
    const struct esptool *e = w->b->e;
    const char *reason = NULL;

    w->skip_flashed = e->args.skip_flashed;
    w->no_diff_verify = e->args.no_diff_verify;
    w->diffs = e->args.diff_with.count > 0;
    if (e->args.erase_all)
        reason = "enabled erase-all";
    else if (e->args.encrypt)
        reason = "enabled encryption";
    else if (w->b->about.rom_minimal && !w->b->about.stub)
        reason = "this chip's ROM bootloader";
    else if (w->b->about.secure_download)
        reason = "enabled secure download mode";
    if (reason != NULL && w->diffs)
        esptool_note(e,
                     "Fast reflashing of changed data sectors is not supported with %s. Will "
                     "flash all data.",
                     reason);
    if (reason != NULL && w->skip_flashed)
        esptool_note(e,
                     "Skipping flashing of already flashed content is not supported with %s. Will "
                     "flash all data.",
                     reason);
    if (reason != NULL)
        w->diffs = w->skip_flashed = false;
    if (w->no_diff_verify && !w->diffs) {
        esptool_note(e, "No diff verification mode requires diff data to be specified.");
        w->no_diff_verify = false;
    }
}

static int check_fit(struct writer *w)
{
    uint64_t wished = esptool_size_bytes(w->flash_size);
    uint64_t end = w->b->about.flash_size;
    char text[24];

    if (wished != 0 && end != 0 && wished > end)
        esptool_warning(w->b->e, "Set flash_size %s is larger than the available flash size of %s.",
                        w->flash_size, esptool_size_text(end, text));
    if (wished != 0 && (end == 0 || wished < end))
        end = wished;
    for (size_t i = 0; i < w->count && end != 0; i++) {
        const struct esptool_file *file = w->item[i].file;

        if (file->len > end || file->address > end - file->len)
            return esptool_fatal(w->b->e,
                                 "File '%s' (length %zu) at offset 0x%08llx will not fit in %llu "
                                 "bytes of flash. Change the flash_size argument or flashing "
                                 "address.",
                                 file->name, file->len, (unsigned long long)file->address,
                                 (unsigned long long)end);
    }
    return 0;
}

/* ---- writing one region ---- */

struct region {
    uint64_t address;
    const uint8_t *bytes;
    size_t len;
    bool encrypted;
    const char *name;
};

static void tell_erase(const struct writer *w, const struct region *region)
{
    unsigned over = (unsigned)(region->address % SECTOR);
    uint64_t end = (region->address + region->len + SECTOR - 1) / SECTOR * SECTOR;

    if (w->b->e->args.erase_all)
        return;
    if (over != 0)
        esptool_note(
            w->b->e,
            "Flash address 0x%08llx is not aligned to a 0x%x byte flash sector. 0x%x bytes "
            "before this address will be erased.",
            (unsigned long long)region->address, SECTOR, over);
    esptool_print(w->b->e, "Flash will be erased from 0x%08llx to 0x%08llx...",
                  (unsigned long long)(region->address - over), (unsigned long long)(end - 1));
    if (end - (region->address - over) == SECTOR && w->b->about.rom_minimal && !w->b->about.stub)
        esptool_warning(
            w->b->e,
            "This chip's boot ROM erases two sectors at least: what is from 0x%08llx to "
            "0x%08llx is lost too. With the flasher stub it is not.",
            (unsigned long long)end, (unsigned long long)(end + SECTOR - 1));
}

static int write_region(struct writer *w, const struct region *region)
{
    const struct esptool_args *args = &w->b->e->args;
    bool plain = args->no_compress || (!args->compress && !w->b->about.stub);
    const struct kiln_esp_write write = {.size = sizeof write,
                                         .address = region->address,
                                         .bytes = region->bytes,
                                         .len = region->len,
                                         .plain = plain,
                                         .encrypted = region->encrypted,
                                         .lone_sector = true};
    struct esptool_bar bar = {.e = w->b->e, .verb = "Writing at", .address = region->address};
    const struct kiln_esp_progress progress = {esptool_bar_step, &bar};
    enum kiln_status status;
    struct timespec start;
    uint64_t wire = 0;
    char speed[32], squeezed[48] = "";
    double took;

    tell_erase(w, region);
    clock_gettime(CLOCK_MONOTONIC, &start);
    status = kiln_esp_session_write(w->b->session, &write, &progress, &wire);
    esptool_bar_end(&bar);
    if (status != KILN_OK)
        return esptool_board_fail(w->b);
    took = esptool_seconds_since(&start);
    if (!plain && wire < region->len)
        snprintf(squeezed, sizeof squeezed, " (%llu compressed)", (unsigned long long)wire);
    else if (!plain && !w->b->about.stub)
        esptool_note(w->b->e, "'%s' is sent uncompressed: the boot ROM's inflater can spill over.",
                     region->name);
    else if (!plain)
        esptool_note(w->b->e,
                     "Cannot compress '%s' more than the original size, flashed "
                     "uncompressed.",
                     region->name);
    esptool_print(w->b->e, "Wrote %zu bytes%s at 0x%08llx in %.1f seconds%s.", region->len,
                  squeezed, (unsigned long long)region->address, took,
                  esptool_speed(region->len, took, speed));
    return 0;
}

/* ---- only what changed ---- */

static uint8_t byte_at(const uint8_t *bytes, size_t len, uint64_t at)
{
    return at < len ? bytes[at] : 0xff;
}

/* True if the sector at `sector` changes; what of it is outside the image counts as erased. */
static bool sector_differs(const struct region *new, const uint8_t *old, size_t old_len,
                           uint64_t sector)
{
    for (uint64_t at = sector; at < sector + SECTOR; at++) {
        if (at < new->address)
            continue;
        if (byte_at(new->bytes, new->len, at - new->address) !=
            byte_at(old, old_len, at - new->address))
            return true;
    }
    return false;
}

static int write_run(struct writer *w, const struct region *whole, uint64_t start, uint64_t end)
{
    uint8_t *bytes = esptool_keep(w->b->e, malloc((size_t)(end - start) + 1));
    struct region run = {start, bytes, (size_t)(end - start), false, whole->name};
    unsigned sectors = (unsigned)((end - start) / SECTOR);

    if (bytes == NULL)
        return esptool_fatal(w->b->e, "out of memory");
    for (uint64_t at = start; at < end; at++)
        bytes[at - start] =
            at < whole->address ? 0xff : byte_at(whole->bytes, whole->len, at - whole->address);
    esptool_print(w->b->e, "Reflashing %u changed sector%s at 0x%08llx...", sectors,
                  sectors > 1 ? "s" : "", (unsigned long long)start);
    return write_region(w, &run);
}

static int write_changed(struct writer *w, const struct region *whole, const uint8_t *old,
                         size_t old_len)
{
    uint64_t sector = whole->address / SECTOR * SECTOR;
    uint64_t end = whole->address + whole->len;
    bool any = false;
    int status = 0;

    while (sector < end && status == 0) {
        uint64_t run = sector;

        while (run < end && sector_differs(whole, old, old_len, run))
            run += SECTOR;
        if (run == sector) {
            sector += SECTOR;
            continue;
        }
        if (!any && w->no_diff_verify)
            esptool_print(w->b->e, "No diff verification enabled, will reflash changed sectors "
                                   "without pre-verification...");
        else if (!any)
            esptool_print(w->b->e,
                          "Diff data in flash matches, will reflash changed sectors only...");
        any = true;
        status = write_run(w, whole, sector, run);
        sector = run;
    }
    if (!any)
        esptool_print(w->b->e, "No changed sectors found, skipping write.");
    return status;
}

/* ---- what is in flash already ---- */

static int flash_equals(struct writer *w, uint64_t address, const uint8_t *bytes, size_t len,
                        bool *out_equal)
{
    uint8_t found[16], wanted[16];

    *out_equal = false;
    if (kiln_esp_session_md5(w->b->session, address, len, found) != KILN_OK)
        return esptool_board_fail(w->b);
    kiln_esp_md5(bytes, len, wanted);
    *out_equal = memcmp(found, wanted, sizeof wanted) == 0;
    return 0;
}

static int verify(struct writer *w, const struct region *region)
{
    uint8_t found[16], wanted[16], blank[16];
    char text[33];
    uint8_t *erased;

    esptool_print(w->b->e, "Verifying written data...");
    if (region->encrypted || w->b->about.secure_download) {
        esptool_print(w->b->e,
                      "Cannot verify written data if encrypted or in secure download mode.");
        return 0;
    }
    if (w->b->about.rom_minimal && !w->b->about.stub)
        return 0;
    if (kiln_esp_session_md5(w->b->session, region->address, region->len, found) != KILN_OK)
        return esptool_board_fail(w->b);
    kiln_esp_md5(region->bytes, region->len, wanted);
    if (memcmp(found, wanted, sizeof found) == 0) {
        esptool_print(w->b->e, "Hash of data verified.");
        return 0;
    }
    esptool_md5_text(wanted, text);
    esptool_print(w->b->e, "Input MD5: %s", text);
    esptool_md5_text(found, text);
    esptool_print(w->b->e, "Flash MD5: %s", text);
    erased = esptool_keep(w->b->e, malloc(region->len + 1));
    if (erased == NULL)
        return esptool_fatal(w->b->e, "out of memory");
    memset(erased, 0xff, region->len);
    kiln_esp_md5(erased, region->len, blank);
    return memcmp(found, blank, sizeof blank) == 0
               ? esptool_fatal(w->b->e, "Write failed, the written flash region is empty.")
               : esptool_fatal(w->b->e, "MD5 of file does not match data in flash!");
}

/* ---- one file ---- */

/* Whether flash holds the old contents, on the stretch that both have. */
static int holds_old(struct writer *w, const struct region *new, const uint8_t *old, size_t old_len,
                     bool *out_holds)
{
    *out_holds = w->no_diff_verify;
    if (*out_holds)
        return 0;
    return flash_equals(w, new->address, old, old_len < new->len ? old_len : new->len, out_holds);
}

static int write_with_diff(struct writer *w, const struct item *item, const struct region *region)
{
    size_t old_len = 0;
    uint8_t *old = esptool_flash_image(w->b, item->before, 4, w->flash_size, &old_len);
    bool holds = false;
    int status;

    if (old == NULL)
        return 2;
    status = holds_old(w, region, old, old_len, &holds);
    if (status != 0)
        return status;
    if (holds)
        return write_changed(w, region, old, old_len);
    esptool_note(w->b->e, "Diff data in flash has changed, flashing all of the new data...");
    return write_region(w, region);
}

static int write_file(struct writer *w, const struct item *item)
{
    const struct esptool_file *before = item->encrypted ? NULL : item->before;
    struct region region = {
        .address = item->file->address, .encrypted = item->encrypted, .name = item->file->name};
    size_t align = item->encrypted ? w->b->about.encrypted_align : 4;
    bool there = false;
    int status = 0;

    if (item->file->len == 0) {
        esptool_warning(w->b->e, "'%s' is empty.", region.name);
        return 0;
    }
    if (item->before != NULL && item->encrypted)
        esptool_note(w->b->e,
                     "Fast reflashing encrypted images is not supported. Will flash the full %s.",
                     region.name);
    region.bytes = esptool_flash_image(w->b, item->file, align, w->flash_size, &region.len);
    if (region.bytes == NULL)
        return 2;
    if ((w->skip_flashed || before != NULL) && !w->no_diff_verify && !item->encrypted) {
        esptool_print(w->b->e, "Comparing flash contents against new data...");
        status = flash_equals(w, region.address, region.bytes, region.len, &there);
    }
    if (status != 0)
        return status;
    if (there) {
        esptool_print(w->b->e, "'%s' at 0x%08llx already in flash, skipping write.", region.name,
                      (unsigned long long)region.address);
        return 0;
    }
    status = before != NULL ? write_with_diff(w, item, &region) : write_region(w, &region);
    return status != 0 ? status : verify(w, &region);
}

static int erase_all(struct writer *w)
{
    struct timespec start;

    esptool_print(w->b->e, "Erasing flash memory (this may take a while)...");
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (kiln_esp_session_erase_all(w->b->session) != KILN_OK)
        return esptool_board_fail(w->b);
    esptool_print(w->b->e, "Flash memory erased successfully in %.1f seconds.",
                  esptool_seconds_since(&start));
    return 0;
}

static int write_flash(struct esptool_board *b)
{
    struct writer w = {.b = b};
    char text[24];
    int status;

    settle_options(&w);
    status = collect(&w);
    if (status == 0)
        status = esptool_check_before_write(b);
    if (status == 0)
        status = esptool_settle_size(b, b->e->args.flash_size, text, &w.flash_size);
    if (status == 0)
        status = check_fit(&w);
    if (status == 0 && b->e->args.erase_all)
        status = erase_all(&w);
    for (size_t i = 0; i < w.count && status == 0; i++)
        status = write_file(&w, &w.item[i]);
    return status;
}

int esptool_write_flash(struct esptool *e)
{
    if (e->args.skip_flashed && e->args.no_diff_verify)
        return esptool_fatal(e, "Options --skip-flashed and --no-diff-verify must not be specified "
                                "at the same time.");
    return esptool_on_board(e, ESPTOOL_ATTACH | ESPTOOL_SECURE, write_flash);
}
