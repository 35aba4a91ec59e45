/* SPDX-License-Identifier: MIT */
/*
 * What Linux's usbfs (drivers/usb/core/devio.c) allows and refuses, for the fronts that answer a program's
 * ioctls in the kernel's place: claims by open file, which interfaces, settings and endpoints exist, and
 * which transfer may go where. All functions return 0 or a negative errno, as the kernel does.
 */
#ifndef KILN_SIM_USBFS_H
#define KILN_SIM_USBFS_H

#include "link/link.h"

#include <stddef.h>
#include <stdint.h>

#define USBFS_INTERFACES 32

enum usbfs_transfer { USBFS_ISO, USBFS_INTERRUPT, USBFS_CONTROL, USBFS_BULK };

/* One appearance of a device. */
struct usbfs_device {
    uint8_t config[KILN_USB_CONFIG_MAX];
    size_t config_len;
    const void *owner[USBFS_INTERFACES]; /* the open file that claimed it */
    uint8_t alt[USBFS_INTERFACES];
};

int kiln_usbfs_claim(struct usbfs_device *dev, const void *file, unsigned interface);
int kiln_usbfs_release(struct usbfs_device *dev, const void *file, unsigned interface);
void kiln_usbfs_close(struct usbfs_device *dev, const void *file);

/* Before SET_INTERFACE goes to the device, and after it was taken. */
int kiln_usbfs_check_alt(struct usbfs_device *dev, const void *file, unsigned interface,
                         unsigned alt);
void kiln_usbfs_alt_is_set(struct usbfs_device *dev, unsigned interface, unsigned alt);

int kiln_usbfs_check_configuration(const struct usbfs_device *dev, unsigned value);

/* A control transfer whose buffer (with the 8 bytes of setup) has `buffer_len` bytes. Claims the interface
 * it goes to if nobody has it, as the kernel does. */
int kiln_usbfs_check_control(struct usbfs_device *dev, const void *file,
                             const struct kiln_usb_setup *setup, size_t setup_len,
                             size_t buffer_len);

/* Any other transfer. */
int kiln_usbfs_check_transfer(struct usbfs_device *dev, const void *file, enum usbfs_transfer type,
                              uint8_t endpoint);

/* Who drives the interface: 0 for a usbfs file, -ENODATA for nobody, -EINVAL if there is none. */
int kiln_usbfs_driver(const struct usbfs_device *dev, unsigned interface);

#endif
