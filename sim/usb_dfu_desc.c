/* SPDX-License-Identifier: MIT */
/* Descriptors of the simulated DFU devices, faults included. */
#include "base/bytes.h"
#include "sim/usb_dfu.h"

#include <string.h>

#define DESC_DEVICE     1
#define DESC_CONFIG     2
#define DESC_STRING     3
#define DESC_INTERFACE  4
#define DESC_FUNCTIONAL 0x21

#define STRING_ALT 4

/* The ROM of the F42x and F43x with 1 MB cuts its flash string, but not the length in front of it. */
#define SHORT_CLAIMED 166

bool kiln_dfusim_is_cdc(const struct dfu_sim *sim)
{
    return (sim->row.quirks & DFU_Q_CDC) != 0 && sim->mode != DFU_MODE_BOOTLOADER;
}

static const struct dfu_ids *ids_now(const struct dfu_sim *sim)
{
    static const struct dfu_ids klipper = {0x1D50,    0x614E,        0x0100,
                                           "Klipper", "stm32f405xx", "KILN0001"};
    static const struct dfu_ids katapult = {0x1D50,     0x6177,        0x0100,
                                            "katapult", "stm32f405xx", "KILN0001"};

    if (kiln_dfusim_is_cdc(sim))
        return sim->mode == DFU_MODE_APPLICATION ? &klipper : &katapult;
    return sim->mode == DFU_MODE_APPLICATION ? &sim->row.runtime : &sim->row.ids;
}

unsigned kiln_dfusim_alt_count(const struct dfu_sim *sim)
{
    unsigned count = 0;

    if (sim->mode == DFU_MODE_APPLICATION)
        return 1;
    while (count < DFU_ALTS && sim->row.alt[count] != NULL)
        count++;
    return count;
}

static size_t copy_out(const uint8_t *from, size_t len, uint8_t *bytes, size_t cap)
{
    size_t n = KILN_MIN(len, cap);

    memcpy(bytes, from, n);
    return n;
}

size_t kiln_dfusim_desc_device(const struct dfu_sim *sim, uint8_t *bytes, size_t cap)
{
    const struct dfu_ids *ids = ids_now(sim);
    uint8_t d[18] = {sizeof d, DESC_DEVICE, 0x00, 0x01, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 1, 2, 3, 1};

    if (kiln_dfusim_is_cdc(sim))
        d[4] = 2;
    kiln_put_le16(d + 8, ids->vid);
    kiln_put_le16(d + 10, ids->pid);
    kiln_put_le16(d + 12, ids->bcd_device);
    if (ids->manufacturer == NULL)
        d[14] = 0;
    if (ids->serial == NULL)
        d[16] = 0;
    return copy_out(d, sizeof d, bytes, cap);
}

size_t kiln_dfusim_desc_functional(const struct dfu_sim *sim, uint8_t *bytes)
{
    bytes[0] = 9;
    bytes[1] = DESC_FUNCTIONAL;
    bytes[2] = sim->row.attributes;
    kiln_put_le16(bytes + 3, sim->row.detach_ms);
    kiln_put_le16(bytes + 5, sim->row.transfer_size);
    kiln_put_le16(bytes + 7, sim->row.bcd_dfu);
    return 9;
}

size_t kiln_dfusim_desc_config(const struct dfu_sim *sim, uint8_t *bytes, size_t cap)
{
    bool runtime = sim->mode == DFU_MODE_APPLICATION;
    uint8_t d[KILN_MAX(9 + 9 * DFU_ALTS + 9, KILN_DFUSIM_CDC_LEN)] = {9, DESC_CONFIG, 0,    0,   1,
                                                                      1, 0,           0xC0, 0x32};
    size_t len = 9;

    if (kiln_dfusim_is_cdc(sim))
        return copy_out(d, kiln_dfusim_cdc_config(d), bytes, cap);
    for (unsigned i = 0; i < kiln_dfusim_alt_count(sim); i++) {
        const uint8_t interface[9] = {
            9,
            DESC_INTERFACE,
            0,
            (uint8_t)i,
            0,
            0xFE,
            0x01,
            runtime ? 1 : sim->row.protocol,
            runtime ? 0 : (uint8_t)(STRING_ALT + i),
        };

        memcpy(d + len, interface, sizeof interface);
        len += sizeof interface;
    }
    len += kiln_dfusim_desc_functional(sim, d + len);
    kiln_put_le16(d + 2, (uint16_t)len);
    return copy_out(d, len, bytes, cap);
}

static size_t put_string(uint8_t *d, const char *text, bool wide)
{
    size_t len = 2;

    d[1] = DESC_STRING;
    for (; *text != '\0' && len + 2 <= 254; text++) {
        d[len++] = (uint8_t)*text;
        if (wide)
            d[len++] = 0;
    }
    d[0] = (uint8_t)len;
    return len;
}

size_t kiln_dfusim_desc_string(struct dfu_sim *sim, uint8_t index, uint8_t *bytes, size_t cap)
{
    const struct dfu_ids *ids = ids_now(sim);
    const char *text = NULL;
    uint8_t d[256] = {4, DESC_STRING, 0x09, 0x04};
    bool wide = true;
    size_t len;

    if (index == 0)
        return copy_out(d, 4, bytes, cap);
    if (index == 1)
        text = ids->manufacturer;
    else if (index == 2)
        text = ids->product;
    else if (index == 3)
        text = ids->serial;
    else if (sim->mode == DFU_MODE_BOOTLOADER &&
             index - STRING_ALT < (int)kiln_dfusim_alt_count(sim))
        text = sim->row.alt[index - STRING_ALT];
    if (text == NULL)
        return 0;
    if (index == 3 && (sim->row.quirks & DFU_Q_SERIAL_8BIT) != 0)
        wide = false;
    len = put_string(d, text, wide);
    if (index == STRING_ALT && (sim->row.quirks & DFU_Q_SHORT_STRING) != 0) {
        d[0] = SHORT_CLAIMED;
    } else if (index == STRING_ALT && (sim->row.quirks & DFU_Q_RUBBISH_STRING) != 0) {
        d[0] = SHORT_CLAIMED;
        for (; len < SHORT_CLAIMED; len++) {
            sim->random = sim->random * 1664525u + 1013904223u;
            d[len] = (uint8_t)(sim->random >> 24);
        }
    }
    return copy_out(d, len, bytes, cap);
}
