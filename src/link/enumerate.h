/* SPDX-License-Identifier: MIT */
/* The list of devices while it grows, shared by the finders and the selector. */
#ifndef KILN_LINK_ENUMERATE_H
#define KILN_LINK_ENUMERATE_H

#include "base/ctx.h"

#include <kiln/device.h>

/* A new entry with vid and pid set to -1, or NULL if out of memory. */
struct kiln_device *kiln_device_add(struct kiln_device_list *list);

#define KILN_DFU_NONE 0
#define KILN_DFU_APP  1 /* run-time: an application that can detach */
#define KILN_DFU_MODE 2

/* What the raw descriptors (device, then configurations) tell about DFU; *out_dfuse if ST's extension. */
int kiln_dfu_role(const uint8_t *bytes, size_t len, bool *out_dfuse);

/* Gives every entry its short id, once all are in the list. */
void kiln_device_name_all(struct kiln_device_list *list);

KILN_MUST_USE enum kiln_status kiln_device_find_all(struct kiln_ctx *ctx,
                                                    struct kiln_device_list *out_list);

#endif
