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
    char note[400];   /* what was done to the board on the way, "" if nothing */
    struct kiln_byte_link *byte_link;
    struct kiln_usb_link *usb_link;
    struct kiln_virtual_clock *virtual_clock;
    int yielded; /* -1, or what kiln_yield_return() takes when the link is closed again */
};

/* What happens to a running application that enters its bootloader by a touch at 1200 baud. */
enum kiln_touch {
    KILN_TOUCH_NEVER,  /* its port is opened as any other */
    KILN_TOUCH_REFUSE, /* REFUSED, with what to do */
    KILN_TOUCH_KNOWN,  /* touched if its USB id says that it takes that */
    KILN_TOUCH_ASKED   /* touched, whatever it is; ARG if it is no serial port on USB */
};

struct kiln_opening {
    const char *selector;
    uint32_t wait_ms; /* how long to wait for the device to appear */
    enum kiln_touch touch;
};

KILN_MUST_USE enum kiln_status kiln_open_selector(struct kiln_ctx *ctx,
                                                  const struct kiln_opening *opening,
                                                  struct kiln_opened *out);

/* What opening a device that has just appeared may give, and for how long. */
#define KILN_OPEN_SETTLE_MS 3000u
bool kiln_open_may_settle(enum kiln_status status);

/* Touches the serial port of a USB device at 1200 baud and opens the bootloader that comes up at the same place.
 * A device that is in DFU mode already is just opened. ARG for anything else. */
struct kiln_device;
KILN_MUST_USE enum kiln_status
kiln_open_touched(struct kiln_ctx *ctx, const struct kiln_device *device, struct kiln_opened *out);

/* The link to a simulated board that exists already. */
KILN_MUST_USE enum kiln_status kiln_open_uart_board(struct kiln_ctx *ctx,
                                                    struct kiln_sim_uart *board, bool owns,
                                                    struct kiln_opened *out);

#endif
