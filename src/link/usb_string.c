/* SPDX-License-Identifier: MIT */
/* String descriptors, USB 2.0 section 9.6.7, read so that a device that breaks its rules does no harm. */
#include "base/bytes.h"
#include "link/link.h"

#define IN_STANDARD_DEVICE     0x80
#define REQUEST_GET_DESCRIPTOR 6
#define DESCRIPTOR_STRING      3
#define STRING_MAX             255
#define STRING_MS              2000 /* a device may leave the request unanswered for ever */
#define LANGUAGE_ENGLISH_US    0x0409

/* The payload of string descriptor `index`; *out_len counts it without the two header bytes. */
static enum kiln_status read_raw(struct kiln_usb_link *link, struct kiln_ctx *ctx, uint8_t index,
                                 uint16_t language, uint8_t *bytes, size_t *out_len)
{
    const struct kiln_usb_setup setup = {
        .request_type = IN_STANDARD_DEVICE,
        .request = REQUEST_GET_DESCRIPTOR,
        .value = (uint16_t)(DESCRIPTOR_STRING << 8 | index),
        .index = language,
    };
    uint64_t saved = kiln_deadline_narrow(ctx, STRING_MS);
    size_t got = 0;
    enum kiln_status status = kiln_usb_control(link, ctx, &setup, bytes, STRING_MAX, &got);

    kiln_deadline_restore(ctx, saved);
    *out_len = 0;
    if (status == KILN_E_NAK) { /* a stall is the way to say that there is no such string */
        kiln_error_clear(ctx);
        return KILN_OK;
    }
    if (status != KILN_OK || got < 2 || bytes[1] != DESCRIPTOR_STRING)
        return status;
    got = KILN_MIN(got, bytes[0]);
    *out_len = got < 2 ? 0 : got - 2;
    return KILN_OK;
}

enum kiln_status kiln_usb_string(struct kiln_usb_link *link, struct kiln_ctx *ctx, uint8_t index,
                                 char *text, size_t cap)
{
    uint8_t raw[STRING_MAX];
    uint16_t language = LANGUAGE_ENGLISH_US;
    size_t len, used = 0;

    text[0] = '\0';
    if (index == 0)
        return KILN_OK;
    KILN_TRY(read_raw(link, ctx, 0, 0, raw, &len));
    if (len >= 2)
        language = kiln_le16(raw + 2);
    KILN_TRY(read_raw(link, ctx, index, language, raw, &len));
    for (size_t i = 2; i + 1 < len + 2 && used + 1 < cap; i += 2) {
        uint16_t unit = kiln_le16(raw + i);

        if (unit == 0)
            break;
        text[used++] = unit >= 0x20 && unit < 0x7F ? (char)unit : '?';
    }
    text[used] = '\0';
    return KILN_OK;
}
