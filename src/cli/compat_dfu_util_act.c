/* SPDX-License-Identifier: MIT */
/* What dfu-util's options make Kiln do. */
#include "cli/compat_dfu_util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DFUSE          0x011a
#define UNBOUND_UPLOAD 16384 /* what dfu-util reads of a DfuSe device without being told where */

struct act {
    struct cli *cli;
    const struct dfu_util_args *args;
    struct kiln_dfu_list settings; /* of the one device, in DFU mode once it is there */
    char selector[48], alt[8];
    struct dfu_util_look look;
    struct dfu_file file; /* of -D */
    struct kiln_image **images;
    size_t image_count;
};

static const struct kiln_dfu_setting *first(const struct act *act)
{
    return &act->settings.items[0];
}

static bool is_dfuse(const struct act *act)
{
    return first(act)->version == DFUSE;
}

static void fill_request(struct act *act, enum kiln_verb verb, struct kiln_request *request)
{
    const struct dfu_util_args *args = act->args;

    snprintf(act->selector, sizeof act->selector, "usb:%s", first(act)->path);
    request->verb = verb;
    request->device = act->selector;
    request->address = args->has_address ? args->address : KILN_NO_ADDRESS;
    request->dfu_interface = args->interface;
    request->transfer_size = args->transfer_size;
    request->after = args->leave ? KILN_RESET_AFTER_HARD : KILN_RESET_AFTER_STAY;
    request->log_level = args->verbose > 1 ? 0 : args->verbose == 1 ? 2 : 3;
    if (args->alt != NULL || !is_dfuse(act)) {
        snprintf(act->alt, sizeof act->alt, "%u", first(act)->alt);
        request->alt = act->alt;
    }
}

/* ---- from run-time to DFU mode ---- */

static void introduce(const struct kiln_dfu_setting *setting)
{
    printf("Opening DFU capable USB device...\nDevice ID %04x:%04x\n", setting->vid, setting->pid);
    if (setting->dfu_mode) {
        printf("DFU mode device DFU version %04x\n", setting->version);
        printf("Device returned transfer size %u\n", setting->transfer_size);
    } else {
        printf("Run-Time device DFU version %04x\n", setting->version);
    }
    fflush(stdout);
}

static int detach(struct act *act)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    struct dfu_util_args again = *act->args;
    char path[sizeof first(act)->path];
    int status;

    fill_request(act, KILN_VERB_INFO, &request);
    request.alt = NULL;
    request.dfu_interface = -1;
    request.after = KILN_RESET_AFTER_STAY;
    puts("Device really in Run-Time Mode, send DFU detach request...");
    fflush(stdout);
    act->look.quiet = true;
    status = dfu_util_run(act->cli, &request, &act->look);
    act->look.quiet = false;
    if (status != 0 || act->args->mode == 'e')
        return status;
    /* the device has other numbers now, and maybe other ids; its place is the same */
    snprintf(path, sizeof path, "%s", first(act)->path);
    again.path = path;
    again.devnum = -1;
    again.wait = false;
    again.app_ids = (struct dfu_ids){DFU_ID_NONE, DFU_ID_NONE};
    kiln_dfu_list_free(&act->settings);
    status = dfu_util_choose(&again, &act->settings);
    if (status == 0)
        introduce(first(act));
    return status;
}

/* ---- upload ---- */

static const struct kiln_event_region *region_of(const struct act *act, uint64_t address)
{
    for (size_t i = 0; i < act->look.region_count; i++) {
        const struct kiln_event_region *region = &act->look.region[i];

        if (address >= region->start && address - region->start < region->size)
            return region;
    }
    return NULL;
}

/* Where the memory that holds `address` ends, be it of several regions. */
static uint64_t end_of_memory(const struct act *act, uint64_t address)
{
    const struct kiln_event_region *region = region_of(act, address);

    while (region != NULL && (region->access & 1) != 0) {
        address = region->start + region->size;
        region = region_of(act, address);
    }
    return address;
}

/* How much there is to read from the address: without a length the run of equal pages that holds it, as dfu-util has
 * it; a length ends where the memory does. */
static int limit_length(struct act *act, uint64_t *length)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    uint64_t address = act->args->address, end;
    const struct kiln_event_region *region;
    int status;

    fill_request(act, KILN_VERB_INFO, &request);
    request.after = KILN_RESET_AFTER_STAY;
    act->look.quiet = true;
    status = dfu_util_run(act->cli, &request, &act->look);
    act->look.quiet = false;
    if (status != 0)
        return status;
    region = region_of(act, address);
    if (region == NULL || (region->access & 1) == 0)
        return dfu_fail(DFU_UTIL, EX_USAGE, "Page at 0x%08llx is not readable",
                        (unsigned long long)address);
    end = *length == 0 ? region->start + region->size : end_of_memory(act, address);
    if (*length != 0 && *length <= end - address)
        return 0;
    (void)dfu_fail(DFU_UTIL, 0,
                   *length == 0
                       ? "no length given: reading to 0x%08llx, where pages of another size or "
                         "kind begin"
                       : "the memory ends at 0x%08llx: reading no further",
                   (unsigned long long)end);
    *length = end - address;
    return 0;
}

static int upload_to(struct act *act)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    int status = 0;

    fill_request(act, KILN_VERB_READ, &request);
    request.length = act->args->length;
    if (is_dfuse(act) && act->args->has_address)
        status = limit_length(act, &request.length);
    if (status != 0)
        return status;
    if (is_dfuse(act) && request.length == 0) {
        (void)dfu_fail(DFU_UTIL, 0, "Unbound upload not supported on DfuSe devices");
        printf("Limiting default upload to %d bytes\n", UNBOUND_UPLOAD);
        request.length = UNBOUND_UPLOAD;
    }
    if (!is_dfuse(act))
        request.address = KILN_NO_ADDRESS;
    request.bus_reset = act->args->reset;
    return dfu_util_run(act->cli, &request, &act->look);
}

static int upload(struct act *act)
{
    const char *path = act->args->file;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int status;

    act->look.save = fd < 0 ? NULL : fdopen(fd, "wb");
    if (act->look.save == NULL)
        return dfu_fail(DFU_UTIL, EX_CANTCREAT, "Cannot open file %s for writing: %s", path,
                        strerror(errno));
    status = upload_to(act);
    if (fclose(act->look.save) != 0 || act->look.save_failed)
        status = dfu_fail(DFU_UTIL, EX_IOERR, "Cannot write %s", path);
    act->look.save = NULL;
    if (status != 0)
        unlink(path);
    return status;
}

/* ---- download ---- */

static int add_image(struct act *act, const uint8_t *bytes, size_t len,
                     const struct kiln_image_options *options)
{
    struct kiln_image **grown = realloc(act->images, (act->image_count + 1) * sizeof *act->images);
    struct kiln_error error = {0};

    if (grown == NULL)
        return dfu_fail(DFU_UTIL, EX_OSERR, "out of memory");
    act->images = grown;
    if (kiln_image_parse(act->args->file, bytes, len, options, &grown[act->image_count], &error) !=
        KILN_OK)
        return dfu_util_fail(DFU_UTIL, &error);
    act->image_count++;
    return 0;
}

static void free_images(struct act *act)
{
    for (size_t i = 0; i < act->image_count; i++)
        kiln_image_free(act->images[i]);
    free(act->images);
    act->images = NULL;
    act->image_count = 0;
}

static bool has_alt(const struct act *act, uint8_t alt)
{
    for (size_t i = 0; i < act->settings.count; i++)
        if (act->settings.items[i].alt == alt)
            return true;
    return false;
}

/* Elements for alternate settings that are not there, or not chosen, are left out. */
static int keep_elements(struct act *act)
{
    struct kiln_image *all = act->images[0];
    size_t count = kiln_image_segment_count(all), there = 0;
    int status = 0;

    for (size_t i = 0; i < count; i++)
        there += has_alt(act, kiln_image_segment(all, i)->alt);
    if (there == count)
        return 0;
    act->image_count = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        const struct kiln_segment *segment = kiln_image_segment(all, i);
        struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;

        if (!has_alt(act, segment->alt)) {
            (void)dfu_fail(DFU_UTIL, 0,
                           "No alternate setting %u (skipping the element at 0x%08llx)",
                           segment->alt, (unsigned long long)segment->address);
            continue;
        }
        options.raw = true;
        options.address = segment->address;
        status = add_image(act, segment->data, segment->size, &options);
    }
    kiln_image_free(all);
    return status;
}

/* Formats that say themselves where their data goes. */
static bool has_places(enum kiln_image_type type)
{
    return type == KILN_IMAGE_ELF || type == KILN_IMAGE_IHEX || type == KILN_IMAGE_SREC ||
           type == KILN_IMAGE_UF2 || type == KILN_IMAGE_DFUSE;
}

/* The bytes as they are but for the suffix; prefixes belong to what is sent. */
static int take_raw(struct act *act)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    size_t len = dfu_file_payload_len(&act->file) + act->file.prefix_len;

    free_images(act);
    options.raw = true;
    options.address = is_dfuse(act) ? act->args->address : 0;
    return add_image(act, act->file.bytes, len, &options);
}

static int prepare_dfuse(struct act *act, const struct kiln_image_info *info)
{
    const struct dfu_util_args *args = act->args;

    if (!has_places(info->type) && args->has_address)
        return take_raw(act);
    if (has_places(info->type) && args->has_address && info->address != args->address)
        return dfu_fail(DFU_UTIL, EX_USAGE,
                        info->type == KILN_IMAGE_DFUSE
                            ? "This is a DfuSe file, not meant for raw download"
                            : "%s says itself where it belongs; leave out the address of -s",
                        args->file);
    if (info->address == KILN_NO_ADDRESS)
        return dfu_fail(DFU_UTIL, EX_USAGE,
                        "%s does not tell where it belongs\n"
                        "(for raw binary download, use the --dfuse-address option)",
                        args->file);
    return info->type == KILN_IMAGE_DFUSE ? keep_elements(act) : 0;
}

static int check_ids(const struct act *act)
{
    const struct dfu_suffix *suffix = &act->file.suffix;
    const struct kiln_dfu_setting *setting = first(act);

    if (act->file.no_suffix != NULL ||
        ((suffix->vendor == 0xffff || suffix->vendor == setting->vid) &&
         (suffix->product == 0xffff || suffix->product == setting->pid)))
        return 0;
    return dfu_fail(DFU_UTIL, EX_DATAERR,
                    "Error: File ID %04x:%04x does not match device (%04x:%04x)", suffix->vendor,
                    suffix->product, setting->vid, setting->pid);
}

static int prepare(struct act *act)
{
    struct kiln_image_options options = KILN_IMAGE_OPTIONS_INIT;
    const struct kiln_image_info *info;
    int status = add_image(act, act->file.bytes, act->file.len, &options);

    if (status != 0)
        return status;
    info = kiln_image_info(act->images[0]);
    if (is_dfuse(act))
        return prepare_dfuse(act, info);
    if (act->args->has_address)
        (void)dfu_fail(DFU_UTIL, 0, "the device is not a DfuSe device: the address is ignored");
    if (info->type == KILN_IMAGE_DFUSE)
        return dfu_fail(DFU_UTIL, EX_DATAERR,
                        "%s is a DfuSe file, and the device takes plain images", act->args->file);
    status = check_ids(act);
    return status != 0 || has_places(info->type) ? status : take_raw(act);
}

static int download(struct act *act)
{
    const struct dfu_util_args *args = act->args;
    struct kiln_request request = KILN_REQUEST_INIT;
    int status = prepare(act);

    if (status != 0 || act->image_count == 0)
        return status;
    fill_request(act, KILN_VERB_FLASH, &request);
    request.images = (const struct kiln_image *const *)act->images;
    request.image_count = act->image_count;
    request.full = args->full;
    request.no_verify = args->no_verify;
    request.erase_all = args->mass_erase;
    /* who says the address, or force, is not asked whether it makes sense */
    request.force = args->has_address || args->force;
    request.bus_reset = args->reset;
    if (is_dfuse(act) && args->has_address && first(act)->alt == 0)
        request.start_address = args->address;
    status = dfu_util_run(act->cli, &request, &act->look);
    if (status == 0)
        puts(is_dfuse(act) ? "File downloaded successfully" : "Done!");
    return status;
}

/* ---- the commands of -s ---- */

static int command(struct act *act)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    const struct dfu_util_args *args = act->args;
    int status;

    if (!is_dfuse(act))
        return dfu_fail(DFU_UTIL, EX_USAGE, "The device is not a DfuSe device");
    fill_request(act,
                 args->unprotect || args->mass_erase ? KILN_VERB_ERASE
                 : args->leave                       ? KILN_VERB_RUN
                                                     : KILN_VERB_INFO,
                 &request);
    request.alt = NULL;
    request.unprotect = args->unprotect;
    request.erase_all = args->mass_erase;
    request.force = true;
    request.bus_reset = args->reset;
    if (request.verb == KILN_VERB_RUN)
        puts("Submitting leave request...");
    if (request.verb == KILN_VERB_INFO)
        puts("DfuSe command mode: nothing was asked for");
    act->look.quiet = request.verb == KILN_VERB_INFO;
    status = dfu_util_run(act->cli, &request, &act->look);
    if (status == 0 && args->unprotect)
        puts("Device disconnects, erases flash and resets now");
    return status;
}

static int act_on(struct act *act)
{
    const struct dfu_util_args *args = act->args;
    int status = 0;

    introduce(first(act));
    if (!first(act)->dfu_mode)
        status = detach(act);
    else if (args->mode == 'e')
        puts("Device is already in DFU mode");
    if (status != 0 || args->mode == 'e')
        return status;
    if (args->unprotect || args->mode == 's')
        return command(act);
    return args->mode == 'U' ? upload(act) : download(act);
}

int dfu_util_act(struct cli *cli, const struct dfu_util_args *args)
{
    struct act act = {.cli = cli, .args = args, .look = {.tool = DFU_UTIL}};
    int status = 0;

    if (args->mode == 'D')
        status = dfu_file_read(DFU_UTIL, strcmp(args->file, "-") == 0 ? "/dev/stdin" : args->file,
                               &act.file);
    if (status == 0)
        status = dfu_util_choose(args, &act.settings);
    if (status == 0)
        status = act_on(&act);
    free_images(&act);
    kiln_dfu_list_free(&act.settings);
    free(act.file.bytes);
    return status;
}
