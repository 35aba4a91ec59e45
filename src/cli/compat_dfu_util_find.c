/* SPDX-License-Identifier: MIT */
/* Which device dfu-util's options mean. */
#include "cli/compat_dfu_util.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct dfu_util_args dfu_util_any_device(const char *tool)
{
    return (struct dfu_util_args){.tool = tool,
                                  .app_ids = {DFU_ID_ANY, DFU_ID_ANY},
                                  .dfu_ids = {DFU_ID_ANY, DFU_ID_ANY},
                                  .app_serial = "",
                                  .dfu_serial = "",
                                  .devnum = -1,
                                  .configuration = -1,
                                  .interface = -1};
}

static bool id_fits(int32_t wanted, uint16_t id)
{
    return wanted == DFU_ID_ANY || wanted == id;
}

static bool serial_fits(const char *wanted, size_t len, const char *serial)
{
    return len == 0 || (strlen(serial) == len && memcmp(wanted, serial, len) == 0);
}

static bool alt_fits(const char *wanted, const struct kiln_dfu_setting *setting)
{
    struct kiln_dfu_memory memory[KILN_DFU_MEMORY_MAX];
    char name[40], *end;
    unsigned long number;

    if (wanted == NULL)
        return true;
    number = strtoul(wanted, &end, 0);
    if (end != wanted && *end == '\0')
        return number == setting->alt;
    return strcmp(wanted, setting->name) == 0 ||
           (kiln_dfu_decode_layout(setting->name, name, memory) > 0 && strcmp(wanted, name) == 0);
}

static bool fits(const struct dfu_util_args *args, const struct kiln_dfu_setting *setting)
{
    const struct dfu_ids *ids = setting->dfu_mode ? &args->dfu_ids : &args->app_ids;

    if (!id_fits(ids->vid, setting->vid) || !id_fits(ids->pid, setting->pid))
        return false;
    if (args->path != NULL && strcmp(args->path, setting->path) != 0)
        return false;
    if (args->devnum >= 0 && args->devnum != setting->address)
        return false;
    if (setting->usable != KILN_OK)
        return true;
    if (args->configuration >= 0 && args->configuration != setting->configuration)
        return false;
    if (args->interface >= 0 && args->interface != setting->interface)
        return false;
    if (setting->dfu_mode)
        return serial_fits(args->dfu_serial, strlen(args->dfu_serial), setting->serial) &&
               alt_fits(args->alt, setting);
    return serial_fits(args->app_serial, args->app_serial_len, setting->serial);
}

static void warn_unusable(const struct dfu_util_args *args, const struct kiln_dfu_setting *setting)
{
    (void)dfu_fail(args->tool, 0, "Cannot open DFU device %04x:%04x found on devnum %u (%s)",
                   setting->vid, setting->pid, setting->address, kiln_status_name(setting->usable));
    if (setting->usable == KILN_E_DENIED)
        fprintf(stderr, "  %s\n", kiln_hint_text(KILN_HINT_PERMISSION));
}

int dfu_util_find(const struct dfu_util_args *args, struct kiln_dfu_list *out)
{
    struct kiln_error error = {0};
    size_t kept = 0;

    if (kiln_dfu_enumerate(args->path, out, &error) != KILN_OK)
        return dfu_util_fail(args->tool, &error);
    for (size_t i = 0; i < out->count; i++) {
        if (!fits(args, &out->items[i]))
            continue;
        if (out->items[i].usable != KILN_OK)
            warn_unusable(args, &out->items[i]);
        else
            out->items[kept++] = out->items[i];
    }
    out->count = kept;
    return 0;
}

static bool one_device(const struct kiln_dfu_list *list)
{
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(list->items[i].path, list->items[0].path) != 0)
            return false;
    return true;
}

/* Without addresses the setting says where the file goes, so it is not guessed. */
static bool one_place(const struct dfu_util_args *args, const struct kiln_dfu_list *list)
{
    const struct kiln_dfu_setting *first = &list->items[0];

    return list->count < 2 || !first->dfu_mode || first->version == 0x011a ||
           (args->mode != 'D' && args->mode != 'U');
}

int dfu_util_choose(const struct dfu_util_args *args, struct kiln_dfu_list *out)
{
    static const struct timespec nap = {.tv_nsec = 200000000};
    int status = dfu_util_find(args, out);

    if (status == 0 && out->count == 0 && args->wait) {
        puts("Waiting for device, exit with ctrl-C");
        fflush(stdout);
        while (status == 0 && out->count == 0) {
            kiln_dfu_list_free(out);
            nanosleep(&nap, NULL);
            status = dfu_util_find(args, out);
        }
    }
    if (status != 0)
        return status;
    if (out->count == 0)
        return dfu_fail(args->tool, EX_IOERR, "No DFU capable USB device available");
    if (one_device(out) && one_place(args, out))
        return 0;
    (void)dfu_fail(args->tool, 0,
                   one_device(out)
                       ? "More than one alternate setting found! Choose one with --alt:"
                       : "More than one DFU capable USB device found! Try `--list' and specify "
                         "the serial number or disconnect all but one device");
    dfu_util_print_list(out);
    return EX_IOERR;
}

void dfu_util_print_list(const struct kiln_dfu_list *list)
{
    /* dfu-util shows the last setting first */
    for (size_t i = list->count; i-- > 0;) {
        const struct kiln_dfu_setting *s = &list->items[i];

        printf("Found %s: [%04x:%04x] ver=%04x, devnum=%u, cfg=%u, intf=%u, path=\"%s\", alt=%u, "
               "name=\"%s\", serial=\"%s\"\n",
               s->dfu_mode ? "DFU" : "Runtime", s->vid, s->pid, s->bcd_device, s->address,
               s->configuration, s->interface, s->path, s->alt, s->named ? s->name : "UNKNOWN",
               s->serial[0] != '\0' ? s->serial : "UNKNOWN");
    }
}
