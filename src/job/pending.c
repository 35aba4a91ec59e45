/* SPDX-License-Identifier: MIT */
/* Parts that are being written elsewhere at this moment: weak stand-ins that refuse, so that main links.
 * Each is overridden when its part lands; this file goes away with the last. */
#include "job/job_internal.h"
#pragma GCC diagnostic ignored "-Wunused-parameter"

#include <kiln/device.h>

#define PENDING(name, parameters, ctx)                                        \
    __attribute__((weak)) enum kiln_status name parameters;                   \
    __attribute__((weak)) enum kiln_status name parameters                    \
    {                                                                         \
        return kiln_fail(ctx, KILN_E_UNSUPPORTED, #name " is not there yet"); \
    }
#define PENDING_BARE(name, parameters)                      \
    __attribute__((weak)) enum kiln_status name parameters; \
    __attribute__((weak)) enum kiln_status name parameters  \
    {                                                       \
        return KILN_E_UNSUPPORTED;                          \
    }

PENDING(kiln_tcp_open, (struct kiln_ctx * c, const char *h, struct kiln_byte_link **o), c)
PENDING(kiln_rfc2217_open,
        (struct kiln_ctx * c, const char *h, uint32_t b, struct kiln_byte_link **o), c)
PENDING(kiln_libusb_open, (struct kiln_ctx * c, uint8_t b, uint8_t a, struct kiln_usb_link **o), c)
PENDING(kiln_trace_create, (struct kiln_ctx * c, const char *p, struct kiln_trace **o), c)
PENDING(kiln_trace_byte_layer,
        (struct kiln_ctx * c, struct kiln_trace *t, struct kiln_byte_link *b,
         struct kiln_byte_link **o),
        c)
PENDING(kiln_trace_usb_layer,
        (struct kiln_ctx * c, struct kiln_trace *t, struct kiln_usb_link *b,
         struct kiln_usb_link **o),
        c)
PENDING(kiln_fault_byte_layer,
        (struct kiln_ctx * c, struct kiln_fault *f, struct kiln_byte_link *b,
         struct kiln_byte_link **o),
        c)
PENDING(kiln_fault_usb_layer,
        (struct kiln_ctx * c, struct kiln_fault *f, struct kiln_usb_link *b,
         struct kiln_usb_link **o),
        c)
PENDING(kiln_sim_byte_link,
        (struct kiln_ctx * c, struct kiln_sim_uart *b, bool o, uint32_t r,
         struct kiln_byte_link **l),
        c)
PENDING(kiln_sim_usb_link,
        (struct kiln_ctx * c, struct kiln_sim_usb *b, bool o, struct kiln_usb_link **l), c)
PENDING_BARE(kiln_device_select, (const char *s, struct kiln_device_list *l, struct kiln_error *e))
__attribute__((weak)) void kiln_trace_close(struct kiln_trace *trace)
{
}
__attribute__((weak)) void kiln_device_list_free(struct kiln_device_list *list)
{
}
__attribute__((weak)) const char *kiln_device_kind_name(enum kiln_device_kind kind)
{
    return "?";
}
