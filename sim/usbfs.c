/* SPDX-License-Identifier: MIT */
#include "sim/usbfs.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdbool.h>

#define DESC_INTERFACE 4
#define DESC_ENDPOINT  5
#define TYPE_MASK      0x60
#define TYPE_VENDOR    0x40
#define RECIPIENT_MASK 0x1F
#define TO_INTERFACE   1
#define TO_ENDPOINT    2
#define CONFIG_VALUE   5

/* Walks the configuration; the callback ends it by returning true. */
static bool walk(const struct usbfs_device *dev,
                 bool (*see)(const uint8_t *descriptor, const uint8_t *interface, void *user),
                 void *user)
{
    const uint8_t *interface = NULL;
    size_t at = 0;

    while (at + 2 <= dev->config_len && dev->config[at] >= 2 &&
           at + dev->config[at] <= dev->config_len) {
        const uint8_t *d = dev->config + at;

        if (d[1] == DESC_INTERFACE && d[0] >= 9)
            interface = d;
        if (see(d, interface, user))
            return true;
        at += d[0];
    }
    return false;
}

struct alt_query {
    unsigned interface;
    int alt; /* -1: any */
};

static bool see_alt(const uint8_t *d, const uint8_t *interface, void *user)
{
    const struct alt_query *query = user;

    return d == interface && d[2] == query->interface && (query->alt < 0 || d[3] == query->alt);
}

static bool has_interface(const struct usbfs_device *dev, unsigned interface, int alt)
{
    struct alt_query query = {interface, alt};

    return walk(dev, see_alt, &query);
}

struct endpoint_query {
    const struct usbfs_device *dev;
    uint8_t endpoint;
    unsigned interface, type; /* found */
};

/* Only endpoints of the settings in use exist. */
static bool see_endpoint(const uint8_t *d, const uint8_t *interface, void *user)
{
    struct endpoint_query *query = user;

    if (d[1] != DESC_ENDPOINT || d[0] < 7 || interface == NULL || d[2] != query->endpoint ||
        interface[2] >= USBFS_INTERFACES || query->dev->alt[interface[2]] != interface[3])
        return false;
    query->interface = interface[2];
    query->type = d[3] & 3;
    return true;
}

int kiln_usbfs_claim(struct usbfs_device *dev, const void *file, unsigned interface)
{
    if (interface >= USBFS_INTERFACES)
        return -EINVAL;
    if (!has_interface(dev, interface, -1))
        return -ENOENT;
    if (dev->owner[interface] != NULL && dev->owner[interface] != file)
        return -EBUSY;
    dev->owner[interface] = file;
    return 0;
}

int kiln_usbfs_release(struct usbfs_device *dev, const void *file, unsigned interface)
{
    if (interface >= USBFS_INTERFACES)
        return -EINVAL;
    if (!has_interface(dev, interface, -1))
        return -ENOENT;
    if (dev->owner[interface] != file)
        return -EINVAL;
    dev->owner[interface] = NULL;
    return 0;
}

void kiln_usbfs_close(struct usbfs_device *dev, const void *file)
{
    for (unsigned i = 0; i < USBFS_INTERFACES; i++)
        if (dev->owner[i] == file)
            dev->owner[i] = NULL;
}

int kiln_usbfs_check_alt(struct usbfs_device *dev, const void *file, unsigned interface,
                         unsigned alt)
{
    int status = kiln_usbfs_claim(dev, file, interface);

    if (status != 0)
        return status;
    return has_interface(dev, interface, (int)(alt & 0xFFFF)) ? 0 : -EINVAL;
}

void kiln_usbfs_alt_is_set(struct usbfs_device *dev, unsigned interface, unsigned alt)
{
    if (interface < USBFS_INTERFACES)
        dev->alt[interface] = (uint8_t)alt;
}

int kiln_usbfs_check_configuration(const struct usbfs_device *dev, unsigned value)
{
    for (unsigned i = 0; i < USBFS_INTERFACES; i++)
        if (dev->owner[i] != NULL)
            return -EBUSY;
    if (value != 0 && (dev->config_len <= CONFIG_VALUE || value != dev->config[CONFIG_VALUE]))
        return -EINVAL;
    return 0;
}

static int endpoint_interface(const struct usbfs_device *dev, uint8_t endpoint, unsigned *interface,
                              unsigned *type)
{
    struct endpoint_query query = {dev, endpoint, 0, 0};

    if ((endpoint & ~0x8Fu) != 0)
        return -EINVAL;
    if (!walk(dev, see_endpoint, &query))
        return -ENOENT;
    *interface = query.interface;
    *type = query.type;
    return 0;
}

int kiln_usbfs_check_control(struct usbfs_device *dev, const void *file,
                             const struct kiln_usb_setup *setup, size_t setup_len,
                             size_t buffer_len)
{
    unsigned recipient = setup->request_type & RECIPIENT_MASK;
    uint8_t index = (uint8_t)setup->index;
    unsigned interface, type;
    int status;

    if (buffer_len < 8 || setup_len > buffer_len - 8)
        return -EINVAL;
    if ((setup->request_type & TYPE_MASK) == TYPE_VENDOR)
        return 0;
    if (recipient == TO_INTERFACE)
        return kiln_usbfs_claim(dev, file, index);
    if (recipient != TO_ENDPOINT || (index & 0x7F) == 0)
        return 0;
    status = endpoint_interface(dev, index, &interface, &type);
    if (status == -ENOENT)
        status = endpoint_interface(dev, index ^ 0x80, &interface, &type);
    return status != 0 ? status : kiln_usbfs_claim(dev, file, interface);
}

int kiln_usbfs_check_transfer(struct usbfs_device *dev, const void *file, enum usbfs_transfer type,
                              uint8_t endpoint)
{
    static const unsigned wants[] = {1, 3, 0,
                                     2}; /* bmAttributes of iso, interrupt, control, bulk */
    unsigned interface, is;
    int status = endpoint_interface(dev, endpoint, &interface, &is);

    if (status != 0)
        return status;
    status = kiln_usbfs_claim(dev, file, interface);
    if (status != 0)
        return status;
    if (is == wants[type] || (type == USBFS_BULK && is == wants[USBFS_INTERRUPT]))
        return 0;
    return -EINVAL;
}

int kiln_usbfs_driver(const struct usbfs_device *dev, unsigned interface)
{
    if (interface >= USBFS_INTERFACES || !has_interface(dev, interface, -1))
        return -EINVAL;
    return dev->owner[interface] != NULL ? 0 : -ENODATA;
}
