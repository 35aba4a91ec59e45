/* SPDX-License-Identifier: MIT */
/* What the files of an ESP session share. */
#ifndef KILN_JOB_ESP_SESSION_H
#define KILN_JOB_ESP_SESSION_H

#include "job/open_link.h"
#include "loader/esp.h"

#include <kiln/esp.h>

struct kiln_esp_session {
    struct kiln_esp_session_options options; /* strings are copies of ours */
    struct kiln_ctx ctx;
    struct kiln_cancel cancel;
    struct kiln_virtual_clock virtual_clock;
    struct kiln_opened opened;
    struct kiln_byte_link *link; /* with its layers */
    struct kiln_esp *esp;        /* NULL before connect */
    uint8_t mac[8];
    size_t mac_len;
};

/* A layer that shows what passes to `watch`, and understands the framing. */
KILN_MUST_USE enum kiln_status kiln_esp_watch_layer(struct kiln_ctx *ctx,
                                                    const struct kiln_esp_session_options *options,
                                                    struct kiln_byte_link *below,
                                                    struct kiln_byte_link **out_link);

/* Why there is nothing to talk to, else OK. */
KILN_MUST_USE enum kiln_status kiln_esp_session_ready(struct kiln_esp_session *session,
                                                      bool needs_flash);

#endif
