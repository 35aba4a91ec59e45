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

PENDING_BARE(kiln_device_select, (const char *s, struct kiln_device_list *l, struct kiln_error *e))
__attribute__((weak)) void kiln_device_list_free(struct kiln_device_list *list)
{
}
__attribute__((weak)) const char *kiln_device_kind_name(enum kiln_device_kind kind)
{
    return "?";
}
