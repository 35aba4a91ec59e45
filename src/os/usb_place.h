/* SPDX-License-Identifier: MIT */
/* What the system knows of a USB port without touching the device. */
#ifndef KILN_OS_USB_PLACE_H
#define KILN_OS_USB_PLACE_H

#include <kiln/status.h>

struct kiln_usb_place {
    uint8_t bus, address;
    uint16_t vid, pid;
};

/* The device at `path` ("1-1.4") now; false if there is none. */
bool kiln_usb_at(const char *path, struct kiln_usb_place *out_place);

/* An attribute of it as text without newline: "product", "serial"; "" if there is none. */
void kiln_usb_attribute(const char *path, const char *name, char *text, size_t cap);

#endif
