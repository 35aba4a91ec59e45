/* SPDX-License-Identifier: MIT */
/* From what the user calls a device to an open link: for jobs and for sessions. */
#ifndef KILN_JOB_OPEN_LINK_H
#define KILN_JOB_OPEN_LINK_H

#include "base/ctx.h"
#include "link/link.h"
#include "sim/sim.h"

/* One of the links is set after success. The virtual clock is the caller's and lives as long as the link: a
 * simulated board without `real_time` puts it into the context. */
struct kiln_opened {
    char device[128]; /* how messages name it */
    struct kiln_byte_link *byte_link;
    struct kiln_usb_link *usb_link;
    struct kiln_virtual_clock *virtual_clock;
    int yielded; /* -1, or what kiln_yield_return() takes when the link is closed again */
};

/* Waits up to `wait_ms` for the device to appear. */
KILN_MUST_USE enum kiln_status kiln_open_selector(struct kiln_ctx *ctx, const char *selector,
                                                  uint32_t wait_ms, struct kiln_opened *out);

/* The same with `touch`: see kiln_open_touched(). */
KILN_MUST_USE enum kiln_status kiln_open_selector_touched(struct kiln_ctx *ctx,
                                                          const char *selector, uint32_t wait_ms,
                                                          struct kiln_opened *out);

/* Touches the serial port of a USB device at 1200 baud and opens the DFU bootloader that comes up at the same
 * place. A device that is in DFU mode already is just opened. ARG for anything else. */
struct kiln_device;
KILN_MUST_USE enum kiln_status
kiln_open_touched(struct kiln_ctx *ctx, const struct kiln_device *device, struct kiln_opened *out);

/* The link to a simulated board that exists already. */
KILN_MUST_USE enum kiln_status kiln_open_uart_board(struct kiln_ctx *ctx,
                                                    struct kiln_sim_uart *board, bool owns,
                                                    struct kiln_opened *out);

#endif
