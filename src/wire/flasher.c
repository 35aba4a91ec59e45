/* SPDX-License-Identifier: MIT */
#include "wire/flasher.h"

#include "base/bytes.h"
#include "wire/esp.h"

#include <libdeflate.h>
#include <string.h>

#define STATUS_LEN 2u

size_t kiln_flasher_seal(uint8_t *bytes, size_t len)
{
    kiln_put_le32(bytes + len, libdeflate_crc32(0, bytes, len));
    return len + KILN_FLASHER_CRC;
}

void kiln_flasher_put_range(uint8_t *out, uint8_t op, const struct kiln_flasher_range *range)
{
    const uint32_t words[KILN_FLASHER_WORDS] = {range->address, range->len,     range->flash_size,
                                                range->more[0], range->more[1], range->more[2]};

    kiln_esp_put_header(out, op, sizeof words, 0);
    kiln_esp_put_words(out + KILN_FLASHER_HEAD, words, KILN_FLASHER_WORDS);
}

bool kiln_flasher_parse(const uint8_t *frame, size_t len, struct kiln_flasher_reply *out)
{
    size_t body;

    if (len < KILN_FLASHER_HEAD + STATUS_LEN + KILN_FLASHER_CRC || frame[0] != 1)
        return false;
    body = len - KILN_FLASHER_HEAD - KILN_FLASHER_CRC;
    if (kiln_le16(frame + 2) != body || libdeflate_crc32(0, frame, len - KILN_FLASHER_CRC) !=
                                            kiln_le32(frame + len - KILN_FLASHER_CRC))
        return false;
    out->op = frame[1];
    out->value = kiln_le32(frame + 4);
    out->body = frame + KILN_FLASHER_HEAD;
    out->body_len = body - STATUS_LEN;
    out->status = out->body[out->body_len];
    return true;
}

bool kiln_flasher_parse_hello(const struct kiln_flasher_reply *reply,
                              struct kiln_flasher_hello *out)
{
    if (reply->op != KILN_ESP_SYNC || reply->value != KILN_FLASHER_MAGIC || reply->body_len < 16)
        return false;
    out->version = kiln_le32(reply->body);
    out->code_crc = kiln_le32(reply->body + 4);
    out->window = kiln_le32(reply->body + 8);
    out->frame = kiln_le32(reply->body + 12);
    return true;
}

bool kiln_flasher_parse_progress(const struct kiln_flasher_reply *reply,
                                 struct kiln_flasher_progress *out)
{
    if (reply->op != KILN_FLASHER_DATA || reply->body_len != 16)
        return false;
    out->used = reply->value;
    out->got = kiln_le32(reply->body);
    out->erased = kiln_le32(reply->body + 4);
    out->programmed = kiln_le32(reply->body + 8);
    out->hashed = kiln_le32(reply->body + 12);
    return true;
}

const char *kiln_flasher_status_text(unsigned status)
{
    switch (status) {
    case KILN_FLASHER_OK:
        return "done";
    case KILN_FLASHER_GAP:
        return "data is missing";
    case KILN_FLASHER_COMMAND:
        return "it does not know this request";
    case KILN_FLASHER_RANGE:
        return "the range is not in the flash";
    case KILN_FLASHER_STREAM:
        return "the compressed data is damaged";
    default:
        return "unknown reason";
    }
}
