/* SPDX-License-Identifier: MIT */
#include "wire/esp.h"

#include "base/bytes.h"

#include <string.h>

void kiln_esp_put_header(uint8_t out[KILN_ESP_HEADER_LEN], uint8_t op, size_t body_len,
                         uint32_t checksum)
{
    out[0] = 0;
    out[1] = op;
    kiln_put_le16(out + 2, (uint16_t)body_len);
    kiln_put_le32(out + 4, checksum);
}

uint8_t kiln_esp_checksum(const uint8_t *bytes, size_t len)
{
    uint8_t sum = KILN_ESP_CHECKSUM_SEED;

    for (size_t i = 0; i < len; i++)
        sum ^= bytes[i];
    return sum;
}

void kiln_esp_put_sync(uint8_t out[KILN_ESP_SYNC_LEN])
{
    static const uint8_t head[4] = {0x07, 0x07, 0x12, 0x20};

    memcpy(out, head, sizeof head);
    memset(out + sizeof head, 0x55, KILN_ESP_SYNC_LEN - sizeof head);
}

void kiln_esp_put_words(uint8_t *out, const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kiln_put_le32(out + 4 * i, words[i]);
}

bool kiln_esp_parse_reply(const uint8_t *frame, size_t len, struct kiln_esp_reply *out_reply)
{
    if (len < KILN_ESP_HEADER_LEN || frame[0] != 1)
        return false;
    out_reply->op = frame[1];
    out_reply->value = kiln_le32(frame + 4);
    out_reply->body = frame + KILN_ESP_HEADER_LEN;
    out_reply->body_len = KILN_MIN((size_t)kiln_le16(frame + 2), len - KILN_ESP_HEADER_LEN);
    return true;
}

static unsigned status_at(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

enum kiln_esp_verdict kiln_esp_judge(const struct kiln_esp_reply *reply, size_t expect,
                                     unsigned *out_error)
{
    bool short_reply = reply->body_len < expect + 2;
    const uint8_t *status = reply->body + (short_reply ? 0 : expect);

    *out_error = 0;
    if (reply->body_len < 2)
        return KILN_ESP_VERDICT_SHORT;
    if (status[0] == 0)
        return short_reply ? KILN_ESP_VERDICT_SHORT : KILN_ESP_VERDICT_OK;
    if (short_reply && reply->body_len > 4)
        return KILN_ESP_VERDICT_SHORT; /* part of a payload, not a status */
    if (status[0] != 1 && status[0] < 0xc0)
        return KILN_ESP_VERDICT_SHORT; /* no status that a ROM or a stub has */
    *out_error = status_at(status);
    return KILN_ESP_VERDICT_ERROR;
}

static const struct {
    unsigned error;
    const char *text;
} errors[] = {
    {0x0100, "no further reason"},
    {0x0101, "a parameter is not allowed"},
    {0x0102, "the chip is out of memory"},
    {0x0103, "the chip could not send"},
    {0x0104, "the chip could not receive"},
    {0x0105, "the boot ROM does not know this command or does not allow it"},
    {0x0106, "the command was understood and failed"},
    {0x0107, "the data came with a wrong checksum"},
    {0x0108, "writing the flash failed"},
    {0x0109, "reading the flash failed"},
    {0x010a, "the length of a flash read is not allowed"},
    {0x010b, "the compressed data could not be unpacked"},
    {0x010c, "the compressed data came with a wrong Adler-32"},
    {0x010d, "a parameter of the compressed data is wrong"},
    {0x010e, "the size of the RAM image is not allowed"},
    {0x010f, "the address of the RAM image is not allowed"},
    {0x0164, "a parameter is not allowed"},
    {0x0165, "the format is wrong"},
    {0x0166, "the description is too long"},
    {0x0167, "the encoding of the description is wrong"},
    {0x0169, "not enough room on the chip"},
    {0xc000, "the data has the wrong length"},
    {0xc100, "the data came with a wrong checksum"},
    {0xc200, "the block size is wrong"},
    {0xc300, "the stub does not know this command"},
    {0xc400, "an operation on the SPI flash failed"},
    {0xc500, "the SPI flash could not be unlocked"},
    {0xc600, "the stub is not in flash mode"},
    {0xc700, "the compressed data could not be unpacked"},
    {0xc800, "less data came than was announced"},
    {0xc900, "more data came than was announced"},
    {0xff00, "the command is not implemented"},
};

/* A stub puts its number into the first byte and something of no meaning into the second. */
static unsigned plain(unsigned error)
{
    return error >= 0x8000 ? error & 0xff00 : error;
}

const char *kiln_esp_error_text(unsigned error)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(errors); i++) {
        if (errors[i].error == plain(error))
            return errors[i].text;
    }
    return NULL;
}

bool kiln_esp_error_is_unknown_command(unsigned error)
{
    return (error < 0x8000 && (error & 0xff) == 0x05) || plain(error) == 0xc300 ||
           plain(error) == 0xff00;
}

bool kiln_esp_error_is_transport(unsigned error)
{
    return error == KILN_ESP_ERROR_BAD_CHECKSUM || plain(error) == KILN_ESP_ERROR_STUB_CHECKSUM ||
           plain(error) == 0xc000;
}

enum kiln_esp_verdict kiln_esp_parse_security(const struct kiln_esp_reply *reply,
                                              struct kiln_esp_security *out, unsigned *out_error)
{
    enum kiln_esp_verdict verdict =
        kiln_esp_judge(reply, reply->body_len >= 22 ? 20 : 12, out_error);

    if (verdict != KILN_ESP_VERDICT_OK)
        return verdict;
    memset(out, 0, sizeof *out);
    out->flags = kiln_le32(reply->body);
    out->crypt_count = reply->body[4];
    memcpy(out->key_purpose, reply->body + 5, sizeof out->key_purpose);
    out->has_chip_id = reply->body_len >= 22;
    if (out->has_chip_id) {
        out->chip_id = kiln_le32(reply->body + 12);
        out->api_version = kiln_le32(reply->body + 16);
    }
    return KILN_ESP_VERDICT_OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

enum kiln_esp_verdict kiln_esp_parse_md5(const struct kiln_esp_reply *reply, uint8_t out_md5[16],
                                         unsigned *out_error)
{
    bool hex = reply->body_len >= 34;
    enum kiln_esp_verdict verdict = kiln_esp_judge(reply, hex ? 32 : 16, out_error);

    if (verdict != KILN_ESP_VERDICT_OK)
        return verdict;
    if (!hex) {
        memcpy(out_md5, reply->body, 16);
        return KILN_ESP_VERDICT_OK;
    }
    for (size_t i = 0; i < 16; i++) {
        int high = hex_digit(reply->body[2 * i]);
        int low = hex_digit(reply->body[2 * i + 1]);

        if (high < 0 || low < 0)
            return KILN_ESP_VERDICT_SHORT;
        out_md5[i] = (uint8_t)(high << 4 | low);
    }
    return KILN_ESP_VERDICT_OK;
}

static bool has_text(const uint8_t *text, size_t len, const char *what)
{
    return memmem(text, len, what, strlen(what)) != NULL;
}

void kiln_esp_scan_boot_log(const uint8_t *text, size_t len, struct kiln_esp_boot_log *out)
{
    static const char mark[] = "boot:0x";
    const uint8_t *end = text + len;
    const uint8_t *at = text;

    memset(out, 0, sizeof *out);
    out->no_program = has_text(text, len, "invalid header: 0x") ||
                      has_text(text, len, "flash read err,") || has_text(text, len, "csum err:");
    out->brownout = has_text(text, len, "Brownout detector was triggered");
    while ((at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1)) != NULL) {
        uint32_t mode = 0;
        size_t digits = 0;

        at += sizeof mark - 1;
        for (; at < end && digits < 8 && hex_digit(*at) >= 0; at++, digits++)
            mode = mode << 4 | (uint32_t)hex_digit(*at);
        if (digits == 0)
            continue;
        out->seen = true;
        out->resets++;
        out->mode = mode;
        out->download = has_text(at, (size_t)(end - at), "waiting for download");
    }
}
