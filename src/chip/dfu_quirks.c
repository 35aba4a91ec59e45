/* SPDX-License-Identifier: MIT */
#include "chip/dfu_quirks.h"

#include "base/bytes.h"

#define ANY_BCD (-1)

/* GD32VF103 datasheet, device features table: 4, 6, 8, B = 16, 32, 64, 128 KB in pages of 1 KB. */
static const struct kiln_dfu_serial_layout gd32vf103[] = {
    {'4', "@Internal Flash/0x08000000/016*001Kg"},
    {'6', "@Internal Flash/0x08000000/032*001Kg"},
    {'8', "@Internal Flash/0x08000000/064*001Kg"},
    {'B', "@Internal Flash/0x08000000/128*001Kg"},
    {0, NULL},
};

#define POLL_5MS .poll_ms = 5, .source = "dfu-util 0.11 quirk table"

static const struct kiln_dfu_quirk rows[] = {
    {.vid = 0x0483,
     .pid_first = 0xdf11,
     .pid_last = 0xdf11,
     .bcd_device = ANY_BCD,
     .flags = KILN_DFU_QUIRK_STM32 | KILN_DFU_QUIRK_FORCE_DFUSE,
     .what = "STM32 boot ROM or a loader with its ids",
     .source = "AN2606, AN3156; fwupd forces 011a"},
    {.vid = 0x28e9,
     .pid_first = 0x0189,
     .pid_last = 0x0189,
     .bcd_device = ANY_BCD,
     .flags = KILN_DFU_QUIRK_SERIAL_8BIT | KILN_DFU_QUIRK_LEAVE_SILENT,
     .serial_pattern = "3?%J",
     .serial_layout = gd32vf103,
     .what = "GD32VF103: layout string with wrong page size and count",
     .source = "dfu-util 0.11 quirk table, GD32VF103 datasheet"},
    {.vid = 0x1d50, .pid_first = 0x5117, .pid_last = 0x5126, .bcd_device = ANY_BCD, POLL_5MS},
    {.vid = 0x1457, .pid_first = 0x5117, .pid_last = 0x5126, .bcd_device = ANY_BCD, POLL_5MS},
    {.vid = 0x16c0, .pid_first = 0x076b, .pid_last = 0x076c, .bcd_device = ANY_BCD, POLL_5MS},
    {.vid = 0x16c0, .pid_first = 0x0762, .pid_last = 0x0762, .bcd_device = ANY_BCD, POLL_5MS},
    {.vid = 0x0908, .pid_first = 0x02c4, .pid_last = 0x02c5, .bcd_device = 0, POLL_5MS},
    {.vid = 0x0763, .pid_first = 0x2806, .pid_last = 0x2806, .bcd_device = ANY_BCD, POLL_5MS},
    {.vid = 0x1eaf,
     .pid_first = 0x0003,
     .pid_last = 0x0003,
     .bcd_device = 0x0200,
     .flags = KILN_DFU_QUIRK_FORCE_DFU11,
     .what = "Maple bootloader: claims DfuSe, is DFU 1.1",
     .source = "dfu-util 0.11 quirk table"},
    {.vid = 0x1fc9,
     .pid_first = 0x000c,
     .pid_last = 0x000c,
     .bcd_device = ANY_BCD,
     .flags = KILN_DFU_QUIRK_IN_DFU_MODE,
     .what = "LPC boot ROM: reports the run-time protocol",
     .source = "dfu-util 0.11"},
    {.vid = 0x0b0e,
     .pid_first = 0x0000,
     .pid_last = 0xffff,
     .bcd_device = ANY_BCD,
     .flags = KILN_DFU_QUIRK_IN_DFU_MODE | KILN_DFU_QUIRK_ONE_INTERFACE,
     .what = "Jabra: reports protocol 0 in DFU mode",
     .source = "dfu-util 0.11"},
    {.vid = 0x03eb,
     .pid_first = 0x2fee,
     .pid_last = 0x2ffb,
     .bcd_device = ANY_BCD,
     .flags = KILN_DFU_QUIRK_UNSUPPORTED,
     .what = "Atmel's own protocol (FLIP) under the name of DFU",
     .source = "Atmel doc7618, fwupd legacy-protocol; use dfu-programmer"},
};

const struct kiln_dfu_quirk *kiln_dfu_quirk_find(uint16_t vid, uint16_t pid, uint16_t bcd_device)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++)
        if (rows[i].vid == vid && pid >= rows[i].pid_first && pid <= rows[i].pid_last &&
            (rows[i].bcd_device < 0 || rows[i].bcd_device == bcd_device))
            return &rows[i];
    return NULL;
}

const struct kiln_dfu_quirk *kiln_dfu_quirk_at(size_t index)
{
    return index < KILN_ARRAY_LEN(rows) ? &rows[index] : NULL;
}

const char *kiln_dfu_quirk_layout(const struct kiln_dfu_quirk *quirk, const char *serial)
{
    const char *p;
    char letter = 0;

    if (quirk->serial_pattern == NULL)
        return NULL;
    for (p = quirk->serial_pattern; *p != '\0'; p++, serial++) {
        if (*serial == '\0' || (*p != '?' && *p != '%' && *p != *serial))
            return NULL;
        if (*p == '%')
            letter = *serial;
    }
    if (*serial != '\0')
        return NULL;
    for (const struct kiln_dfu_serial_layout *l = quirk->serial_layout; l->letter != 0; l++)
        if (l->letter == letter)
            return l->layout;
    return NULL;
}
