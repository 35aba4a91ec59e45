/* SPDX-License-Identifier: MIT */
/* Which devices a selector means. */
#include "link/enumerate.h"
#include "os/wait.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum kiln_status kiln_device_enumerate(struct kiln_device_list *out_list,
                                       struct kiln_error *out_error)
{
    struct kiln_ctx ctx;
    enum kiln_status status;

    kiln_ctx_init(&ctx, kiln_system_clock());
    status = kiln_device_find_all(&ctx, out_list);
    if (out_error != NULL)
        *out_error = ctx.error;
    return status;
}

/* ---- what a selector can be ---- */

enum how { BY_DEFAULT, BY_SCHEME, BY_PORT, BY_IDS, BY_PLACE, BY_SERIAL };

struct wanted {
    enum how how;
    const char *text; /* without "usb:" */
    char port[PATH_MAX];
    int32_t vid, pid;
};

/* Up to four hexadecimal digits; *at moves behind them. */
static bool read_id(const char **at, int32_t *out_id)
{
    size_t digits = strspn(*at, "0123456789abcdefABCDEF");

    if (digits == 0 || digits > 4)
        return false;
    *out_id = (int32_t)strtoul(*at, NULL, 16);
    *at += digits;
    return true;
}

static bool is_ids(const char *text, struct wanted *out_wanted)
{
    return read_id(&text, &out_wanted->vid) && *text++ == ':' && read_id(&text, &out_wanted->pid) &&
           *text == '\0';
}

static bool is_place(const char *text)
{
    size_t bus = strspn(text, "0123456789");

    return bus > 0 && text[bus] == '-' && text[bus + 1] != '\0' &&
           strspn(text + bus + 1, "0123456789.") == strlen(text + bus + 1);
}

static enum kiln_status understand(struct kiln_ctx *ctx, const char *selector,
                                   struct wanted *wanted)
{
    memset(wanted, 0, sizeof *wanted);
    wanted->text = selector;
    if (selector == NULL || selector[0] == '\0') {
        wanted->how = BY_DEFAULT;
    } else if (strlen(selector) >= sizeof((struct kiln_device *)NULL)->selector &&
               strchr(selector, '/') == NULL) {
        return kiln_fail(ctx, KILN_E_ARG, "the device selector is too long: %.60s...", selector);
    } else if (strncmp(selector, "sim:", 4) == 0 || strncmp(selector, "tcp://", 6) == 0 ||
               strncmp(selector, "socket://", 9) == 0 || strncmp(selector, "rfc2217://", 10) == 0) {
        wanted->how = BY_SCHEME;
    } else if (strstr(selector, "://") != NULL) {
        return kiln_fail(ctx, KILN_E_ARG,
                         "\"%.60s\" is no device: there are tcp://, socket:// and rfc2217://",
                         selector);
    } else if (selector[0] == '/' || strncmp(selector, "./", 2) == 0 ||
               strncmp(selector, "../", 3) == 0) {
        wanted->how = BY_PORT;
        if (realpath(selector, wanted->port) == NULL)
            snprintf(wanted->port, sizeof wanted->port, "%s", selector);
    } else if (strncmp(selector, "usb:", 4) != 0) {
        wanted->how = BY_SERIAL;
    } else if (is_place(selector + 4)) {
        wanted->how = BY_PLACE;
        wanted->text = selector + 4;
    } else if (is_ids(selector + 4, wanted)) {
        wanted->how = BY_IDS;
    } else {
        return kiln_fail(ctx, KILN_E_ARG, "\"%.60s\" is neither usb:VID:PID nor usb:BUS-PORT.PORT",
                         selector);
    }
    return KILN_OK;
}

static bool matches(const struct wanted *wanted, const struct kiln_device *device)
{
    switch (wanted->how) {
    case BY_DEFAULT:
        return device->loader[0] != '\0';
    case BY_PORT:
        return strcmp(device->port, wanted->port) == 0 || strcmp(device->port, wanted->text) == 0;
    case BY_IDS:
        return device->vid == wanted->vid && device->pid == wanted->pid;
    case BY_PLACE:
        return strcmp(device->path, wanted->text) == 0;
    case BY_SERIAL:
        return strcasecmp(device->serial, wanted->text) == 0 ||
               strcmp(device->id, wanted->text) == 0 ||
               (strncmp(device->port, "/dev/", 5) == 0 &&
                strcmp(device->port + 5, wanted->text) == 0);
    case BY_SCHEME:
        break;
    }
    return false;
}

/* ---- one entry a device ---- */

/* Higher is what a person means when a device shows several faces. */
static int rank(const struct kiln_device *device)
{
    if (device->kind == KILN_DEVICE_DFU)
        return 5;
    if (device->kind == KILN_DEVICE_SERIAL && device->loader[0] != '\0')
        return device->touch ? 2 : 4;
    if (device->kind == KILN_DEVICE_DFU_RUNTIME)
        return 3; /* to detach is plainer than to touch */
    return device->kind == KILN_DEVICE_SERIAL ? 1 : 0;
}

static bool outranked(const struct kiln_device_list *list, const struct kiln_device *device)
{
    for (size_t i = 0; i < list->count; i++) {
        if (device->path[0] != '\0' && strcmp(list->items[i].path, device->path) == 0 &&
            rank(&list->items[i]) > rank(device))
            return true;
    }
    return false;
}

static bool runs_application(const struct kiln_device *device)
{
    return device->kind == KILN_DEVICE_DFU_RUNTIME || device->touch;
}

/* A running application that could enter DFU (a Bluetooth dongle can, a printer's Klipper) is meant only if
 * nothing else is. */
static bool is_bystander(const struct kiln_device_list *list, const struct kiln_device *device)
{
    if (!runs_application(device))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].loader[0] != '\0' && !runs_application(&list->items[i]))
            return true;
    }
    return false;
}

static enum kiln_status filter(struct kiln_ctx *ctx, const struct wanted *wanted,
                               const struct kiln_device_list *all,
                               struct kiln_device_list *out_list)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct kiln_device *device = &all->items[i];
        struct kiln_device *copy;

        if (!matches(wanted, device))
            continue;
        if (wanted->how != BY_PORT && outranked(all, device))
            continue;
        if (wanted->how == BY_DEFAULT && is_bystander(all, device))
            continue;
        copy = kiln_device_add(out_list);
        if (copy == NULL)
            return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
        *copy = *device;
    }
    return KILN_OK;
}

/* ---- devices that the system does not list ---- */

static enum kiln_status add_scheme(struct kiln_ctx *ctx, const char *selector,
                                   struct kiln_device_list *list)
{
    struct kiln_device *device = kiln_device_add(list);

    if (device == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    device->kind = strncmp(selector, "sim:", 4) == 0 ? KILN_DEVICE_SIMULATED : KILN_DEVICE_NETWORK;
    snprintf(device->selector, sizeof device->selector, "%s", selector);
    snprintf(device->title, sizeof device->title, "%.95s", selector);
    return KILN_OK;
}

/* A path that exists: a pseudo-terminal, a port of a driver that udev does not know. */
static enum kiln_status add_path(struct kiln_ctx *ctx, const char *path,
                                 struct kiln_device_list *list)
{
    struct kiln_device *device;

    if (access(path, F_OK) != 0)
        return kiln_fail_hint(ctx, KILN_E_NO_DEVICE, KILN_HINT_CONNECT_DEVICE,
                              "there is no port %s", path);
    if (strlen(path) >= sizeof device->port)
        return kiln_fail(ctx, KILN_E_ARG, "the port's name is too long: %.60s...", path);
    device = kiln_device_add(list);
    if (device == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    device->kind = KILN_DEVICE_SERIAL;
    snprintf(device->port, sizeof device->port, "%s", path);
    snprintf(device->selector, sizeof device->selector, "%s", path);
    snprintf(device->title, sizeof device->title, "port given by name");
    return KILN_OK;
}

static enum kiln_status fail_none(struct kiln_ctx *ctx, const struct wanted *wanted)
{
    const char *format = "no device matches %s";

    if (wanted->how == BY_DEFAULT)
        return kiln_fail_hint(ctx, KILN_E_NO_DEVICE, KILN_HINT_CONNECT_DEVICE,
                              "no board is plugged in that Kiln could talk to");
    if (wanted->how == BY_SERIAL)
        format = is_place(wanted->text) ? "no board is at USB port %s"
                                        : "no device has the serial number or short id %s";
    if (wanted->how == BY_PLACE)
        format = "no board is at USB port %s";
    return kiln_fail_hint(ctx, KILN_E_NO_DEVICE, KILN_HINT_CONNECT_DEVICE, format, wanted->text);
}

static enum kiln_status choose(struct kiln_ctx *ctx, const char *selector,
                               struct kiln_device_list *out_list)
{
    struct kiln_device_list all;
    struct wanted wanted;
    enum kiln_status status;

    KILN_TRY(understand(ctx, selector, &wanted));
    if (wanted.how == BY_SCHEME)
        return add_scheme(ctx, selector, out_list);
    KILN_TRY(kiln_device_find_all(ctx, &all));
    status = filter(ctx, &wanted, &all, out_list);
    kiln_device_list_free(&all);
    if (status != KILN_OK || out_list->count > 0)
        return status;
    return wanted.how == BY_PORT ? add_path(ctx, selector, out_list) : fail_none(ctx, &wanted);
}

enum kiln_status kiln_device_select(const char *selector, struct kiln_device_list *out_list,
                                    struct kiln_error *out_error)
{
    struct kiln_ctx ctx;
    enum kiln_status status;

    kiln_ctx_init(&ctx, kiln_system_clock());
    *out_list = (struct kiln_device_list){0};
    status = choose(&ctx, selector, out_list);
    if (status != KILN_OK)
        kiln_device_list_free(out_list);
    if (out_error != NULL)
        *out_error = ctx.error;
    return status;
}
