/* SPDX-License-Identifier: MIT */
/* What single DFU devices do otherwise than the DFU 1.1 and DfuSe documents say, by VID:PID:bcdDevice. */
#ifndef KILN_CHIP_DFU_QUIRKS_H
#define KILN_CHIP_DFU_QUIRKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KILN_DFU_QUIRK_FORCE_DFU11 \
    1u /* the version in the functional descriptor is wrong: DFU 1.1 */
#define KILN_DFU_QUIRK_FORCE_DFUSE 2u /* ... or missing: DfuSe */
#define KILN_DFU_QUIRK_IN_DFU_MODE 4u /* is in DFU mode whatever bInterfaceProtocol says */
#define KILN_DFU_QUIRK_SERIAL_8BIT 8u /* the serial string descriptor holds bytes, not UTF-16 */
#define KILN_DFU_QUIRK_LEAVE_SILENT \
    16u /* leaves in the middle of the zero-length DNLOAD, unanswered */
#define KILN_DFU_QUIRK_UNSUPPORTED 32u /* speaks another protocol under a DFU name; see `what` */
#define KILN_DFU_QUIRK_STM32       64u /* ids of ST's boot ROM: the STM32 part table may be asked */
#define KILN_DFU_QUIRK_ONE_INTERFACE \
    128u /* IN_DFU_MODE only where the configuration has this one interface */

/* A layout that follows from one character of the serial number. */
struct kiln_dfu_serial_layout {
    char letter; /* 0 ends the list */
    const char *layout;
};

struct kiln_dfu_quirk {
    uint16_t vid, pid_first, pid_last;
    int32_t bcd_device;         /* -1: any */
    unsigned flags;             /* KILN_DFU_QUIRK_* */
    uint32_t poll_ms;           /* use this instead of bwPollTimeout; 0: as the device says */
    const char *serial_pattern; /* "3?%J": '?' any, '%' the letter of `serial_layout`; or NULL */
    const struct kiln_dfu_serial_layout *serial_layout; /* replaces the device's main layout */
    const char *what;
    const char *source;
};

/* The row for a device, NULL if it has none. The first that fits counts. */
const struct kiln_dfu_quirk *kiln_dfu_quirk_find(uint16_t vid, uint16_t pid, uint16_t bcd_device);

/* All rows; NULL after the last. */
const struct kiln_dfu_quirk *kiln_dfu_quirk_at(size_t index);

/* The layout a row gives for a device with this serial number, NULL if none. */
const char *kiln_dfu_quirk_layout(const struct kiln_dfu_quirk *quirk, const char *serial);

#endif
