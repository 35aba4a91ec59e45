/* SPDX-License-Identifier: MIT */
/* Every DFU interface on the bus with its alternate settings, for people to choose from. */
#include "base/bytes.h"
#include "link/enumerate.h"
#include "link/open.h"
#include "loader/dfu_internal.h"
#include "os/wait.h"

#include <kiln/dfu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 2000 /* for all strings of one device */

void kiln_dfu_list_free(struct kiln_dfu_list *list)
{
    free(list->items);
    *list = (struct kiln_dfu_list){0};
}

static struct kiln_dfu_setting *add_setting(struct kiln_dfu_list *list)
{
    struct kiln_dfu_setting *grown = realloc(list->items, (list->count + 1) * sizeof *grown);

    if (grown == NULL)
        return NULL;
    list->items = grown;
    grown += list->count++;
    memset(grown, 0, sizeof *grown);
    return grown;
}

static bool add_unopened(struct kiln_dfu_list *list, const struct kiln_device *device,
                         enum kiln_status status)
{
    struct kiln_dfu_setting *setting = add_setting(list);

    if (setting == NULL)
        return false;
    setting->vid = (uint16_t)device->vid;
    setting->pid = (uint16_t)device->pid;
    setting->bus = device->bus;
    setting->address = device->address;
    setting->dfu_mode = device->kind == KILN_DEVICE_DFU;
    setting->usable = status;
    snprintf(setting->path, sizeof setting->path, "%s", device->path);
    return true;
}

static void fill_setting(struct kiln_ctx *ctx, struct kiln_usb_link *link, const char *serial,
                         bool dfu_mode, const struct kiln_dfu_alt *alt,
                         struct kiln_dfu_setting *setting)
{
    const struct kiln_usb_identity *id = kiln_usb_identity(link);
    size_t len;
    const uint8_t *config = kiln_usb_config(link, &len);

    setting->vid = id->vid;
    setting->pid = id->pid;
    setting->bcd_device = id->bcd_device;
    setting->bus = id->bus;
    setting->address = id->address;
    setting->configuration = len > 5 ? config[5] : 0;
    setting->interface = alt->interface;
    setting->alt = alt->alt;
    setting->dfu_mode = dfu_mode;
    setting->version = alt->function.present ? alt->function.version : 0;
    setting->transfer_size = alt->function.transfer_size;
    snprintf(setting->path, sizeof setting->path, "%s", id->path);
    snprintf(setting->serial, sizeof setting->serial, "%s", serial);
    if (alt->string != 0 &&
        kiln_usb_string(link, ctx, alt->string, setting->name, sizeof setting->name) == KILN_OK)
        setting->named = true;
    kiln_error_clear(ctx);
}

static bool add_opened(struct kiln_ctx *ctx, struct kiln_usb_link *link, struct kiln_dfu_list *list)
{
    const struct kiln_usb_identity *id = kiln_usb_identity(link);
    const struct kiln_dfu_quirk *quirk = kiln_dfu_quirk_find(id->vid, id->pid, id->bcd_device);
    unsigned quirks = quirk != NULL ? quirk->flags : 0;
    struct kiln_dfu_alt alts[KILN_DFU_ALT_MAX];
    char serial[64];
    size_t len;
    const uint8_t *config = kiln_usb_config(link, &len);
    size_t count = kiln_dfu_find_alts(config, len, alts, KILN_ARRAY_LEN(alts));
    unsigned interfaces = kiln_dfu_interface_count(config, len);

    snprintf(serial, sizeof serial, "%s", id->serial);
    if ((quirks & KILN_DFU_QUIRK_SERIAL_8BIT) != 0)
        dfu_read_8bit_serial(link, ctx, serial, sizeof serial);
    for (size_t i = 0; i < count; i++) {
        struct kiln_dfu_setting *setting = add_setting(list);

        if (setting == NULL)
            return false;
        fill_setting(ctx, link, serial, dfu_alt_in_dfu_mode(quirks, &alts[i], interfaces), &alts[i],
                     setting);
    }
    return true;
}

static bool look_at(const struct kiln_device *device, struct kiln_dfu_list *list)
{
    struct kiln_usb_link *link = NULL;
    struct kiln_ctx ctx;
    bool good;

    kiln_ctx_init(&ctx, kiln_system_clock());
    (void)kiln_deadline_narrow(&ctx, LOOK_MS);
    if (kiln_libusb_open(&ctx, device->bus, device->address, &link) != KILN_OK)
        return add_unopened(list, device, ctx.error.status);
    good = add_opened(&ctx, link, list);
    kiln_usb_close(link);
    return good;
}

enum kiln_status kiln_dfu_enumerate(const char *path, struct kiln_dfu_list *out_list,
                                    struct kiln_error *out_error)
{
    struct kiln_device_list devices;
    struct kiln_error error = {0};
    enum kiln_status status = kiln_device_enumerate(&devices, &error);

    *out_list = (struct kiln_dfu_list){0};
    for (size_t i = 0; status == KILN_OK && i < devices.count; i++) {
        const struct kiln_device *device = &devices.items[i];

        if (device->kind != KILN_DEVICE_DFU && device->kind != KILN_DEVICE_DFU_RUNTIME)
            continue;
        if (path != NULL && strcmp(path, device->path) != 0)
            continue;
        if (!look_at(device, out_list))
            error.status = status = KILN_E_NOMEM;
    }
    if (error.status == KILN_E_NOMEM)
        snprintf(error.message, sizeof error.message, "out of memory");
    kiln_device_list_free(&devices);
    if (status != KILN_OK)
        kiln_dfu_list_free(out_list);
    if (out_error != NULL)
        *out_error = error;
    return status;
}

size_t kiln_dfu_decode_layout(const char *text, char name[40],
                              struct kiln_dfu_memory memory[KILN_DFU_MEMORY_MAX])
{
    struct kiln_dfuse_layout layout;

    _Static_assert(KILN_DFU_MEMORY_MAX == KILN_DFUSE_SEGMENT_MAX && KILN_DFUSE_NAME_MAX == 40,
                   "the public sizes are those of the codec");
    (void)kiln_dfuse_layout_parse(text, strlen(text) + 1, &layout);
    snprintf(name, 40, "%s", layout.name);
    for (size_t i = 0; i < layout.count; i++)
        memory[i] = (struct kiln_dfu_memory){layout.segment[i].start, layout.segment[i].count,
                                             layout.segment[i].page, layout.segment[i].access};
    return layout.count;
}
