/* SPDX-License-Identifier: MIT */
/* The application of a simulated board as a serial port (USB CDC PSTN 1.2, abstract control model): what a host
 * needs to open it, and the touch at 1200 baud that ends it. Nothing is said on the port. */
#include "base/bytes.h"
#include "sim/usb_dfu.h"

#include <string.h>

#define SET_LINE_CODING        0x20
#define GET_LINE_CODING        0x21
#define SET_CONTROL_LINE_STATE 0x22
#define LINE_CODING_LEN        7
#define LINE_DTR               1u
#define TOUCH_BAUD             1200u
#define TOUCHED_NS             50000000ull /* Klipper answers first and resets then */

size_t kiln_dfusim_cdc_config(uint8_t *bytes)
{
    static const uint8_t config[KILN_DFUSIM_CDC_LEN] = {
        9,    2,    KILN_DFUSIM_CDC_LEN,
        0,    2,    1,
        0,    0xC0, 0x32, /* configuration, two interfaces */
        9,    4,    0,
        0,    1,    2,
        2,    1,    0, /* communications, ACM */
        5,    0x24, 0,
        0x10, 1, /* header */
        5,    0x24, 1,
        0,    1, /* call management */
        4,    0x24, 2,
        2, /* ACM: line requests */
        5,    0x24, 6,
        0,    1, /* union */
        7,    5,    0x82,
        3,    8,    0,
        255, /* notifications */
        9,    4,    1,
        0,    2,    0x0A,
        0,    0,    0, /* data */
        7,    5,    0x01,
        2,    64,   0,
        0, /* out */
        7,    5,    0x81,
        2,    64,   0,
        0, /* in */
    };

    memcpy(bytes, config, sizeof config);
    return sizeof config;
}

static void touched(struct dfu_sim *sim, uint64_t now_ns)
{
    enum dfu_mode next =
        (sim->row.quirks & DFU_Q_OTHER_BOOT) != 0 ? DFU_MODE_OTHER_BOOTLOADER : DFU_MODE_BOOTLOADER;

    if (sim->mode == DFU_MODE_APPLICATION && (sim->row.quirks & DFU_Q_DEAF) == 0)
        kiln_dfusim_plan_leave(sim, now_ns + TOUCHED_NS, true, next);
}

enum kiln_sim_usb_result kiln_dfusim_cdc_request(struct dfu_sim *sim,
                                                 const struct kiln_usb_setup *setup, uint8_t *data,
                                                 size_t len, size_t *out_len, uint64_t done_ns)
{
    switch (setup->request) {
    case SET_LINE_CODING:
        if (len < LINE_CODING_LEN)
            return KILN_SIM_USB_STALL;
        sim->baud = kiln_le32(data);
        return KILN_SIM_USB_OK;
    case GET_LINE_CODING:
        *out_len = KILN_MIN(len, (size_t)LINE_CODING_LEN);
        memset(data, 0, *out_len);
        if (*out_len == LINE_CODING_LEN) {
            kiln_put_le32(data, sim->baud);
            data[6] = 8;
        }
        return KILN_SIM_USB_OK;
    case SET_CONTROL_LINE_STATE:
        if (sim->baud == TOUCH_BAUD && (setup->value & LINE_DTR) == 0)
            touched(sim, done_ns);
        return KILN_SIM_USB_OK;
    default:
        return KILN_SIM_USB_STALL;
    }
}
