/* SPDX-License-Identifier: MIT */
/* Inside of the safety checks: what guard.c and guard_esp.c share. */
#ifndef KILN_PLAN_GUARD_H
#define KILN_PLAN_GUARD_H

#include "plan/plan.h"

/* One image under check. */
struct kiln_guard {
    struct kiln_ctx *ctx;
    const struct kiln_guard_input *input;
    const struct kiln_image *image;
    const struct kiln_image_info *info;
    bool encrypted; /* the chip is to encrypt it */
    struct kiln_guard_notes *notes;
};

void kiln_guard_note(struct kiln_guard *g, const char *format, ...) KILN_PRINTF(2, 3);
/* REFUSED, or with force OK and a note. */
KILN_MUST_USE enum kiln_status kiln_guard_object(struct kiln_guard *g, enum kiln_hint hint,
                                                 const char *format, ...) KILN_PRINTF(3, 4);

/* The bytes of the image from `address` on, NULL if it has none there. */
const uint8_t *kiln_guard_bytes_at(const struct kiln_guard *g, uint64_t address, size_t *out_len);

/* Does it belong where it goes in the flash of an ESP chip, and leave bootloader and table alone? (guard_place.c) */
KILN_MUST_USE enum kiln_status kiln_guard_esp_place(struct kiln_guard *g);
/* Is the image for a chip of this revision, and for a flash of this size? */
KILN_MUST_USE enum kiln_status kiln_guard_esp_headers(struct kiln_guard *g);
/* May it be written encrypted, or plain, to a chip whose fuses are as they are? */
KILN_MUST_USE enum kiln_status kiln_guard_esp_fuses(struct kiln_guard *g);

#endif
