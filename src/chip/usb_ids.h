/* SPDX-License-Identifier: MIT */
/* What USB ids mean to a person who flashes boards: one line per device. */
#ifndef KILN_CHIP_USB_IDS_H
#define KILN_CHIP_USB_IDS_H

#include <stddef.h>
#include <stdint.h>

enum kiln_usb_role {
    KILN_USB_BRIDGE,   /* a UART bridge: what is behind it is unknown */
    KILN_USB_CDC,      /* a chip with USB of its own; a serial port without a UART */
    KILN_USB_CDC_BOOT, /* the same, and it is a bootloader */
    KILN_USB_CDC_APP,  /* the same, and it is a running application */
    KILN_USB_CDC_TOUCH, /* the same, and a touch at 1200 baud makes it enter the bootloader of `loader` */
    KILN_USB_DFU,       /* a DFU bootloader; also told by its interface class */
    KILN_USB_PROBE /* a debug probe */
};

#define KILN_USB_ANY_PID (-1)

struct kiln_usb_id {
    uint16_t vid;
    int32_t pid; /* KILN_USB_ANY_PID: every other device of this vendor */
    enum kiln_usb_role role;
    const char *title;  /* the chip or product */
    const char *what;   /* what it probably is, "" if the title says it */
    const char *loader; /* the loader that may talk to it: "esp", "dfu", "" */
};

/* The row for a device, the one with its own product id first; NULL if unknown. */
const struct kiln_usb_id *kiln_usb_id_find(uint16_t vid, uint16_t pid);

/* All rows; NULL after the last. */
const struct kiln_usb_id *kiln_usb_id_at(size_t index);

/* The Linux driver that makes a serial port of this vendor's bridges, "" if unknown. */
const char *kiln_usb_driver(uint16_t vid);

#endif
