/* SPDX-License-Identifier: MIT */
/* Reading flash: streamed by the stub, 64 bytes at a time by a ROM. */
#include "loader/esp.h"

#include "base/bytes.h"

#include <openssl/evp.h>
#include <string.h>

#define CHUNK      (128u << 10) /* what is read again when the line fails */
#define FRAME      4096u
#define IN_FLIGHT  64u
#define READ_TRIES 4u

static enum kiln_status check_md5(struct kiln_esp *esp, struct kiln_ctx *ctx, const uint8_t *bytes,
                                  size_t len)
{
    uint8_t md5[EVP_MAX_MD_SIZE];

    KILN_TRY(kiln_esp_next_frame(esp, ctx, esp->timing.reply_ms, "send the MD5 of what it read"));
    if (esp->rx.len != 16)
        return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_LOWER_BAUD,
                              "%zu bytes came where an MD5 of 16 was due", esp->rx.len);
    if (EVP_Digest(bytes, len, md5, NULL, EVP_md5(), NULL) != 1)
        return kiln_fail(ctx, KILN_E_INTERNAL, "MD5 is not available");
    if (memcmp(md5, esp->rx.frame, 16) != 0)
        return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_LOWER_BAUD,
                              "data was damaged on the way from the board");
    return KILN_OK;
}

static enum kiln_status read_stream(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                    uint8_t *bytes, size_t len,
                                    const struct kiln_progress *progress, uint64_t done)
{
    const uint32_t words[4] = {(uint32_t)address, (uint32_t)len, FRAME, IN_FLIGHT};
    size_t have = 0;

    KILN_TRY(kiln_esp_words(esp, ctx, KILN_ESP_READ_FLASH, words, 4, 0, "read the flash"));
    kiln_esp_expect(esp);
    while (have < len) {
        uint8_t seen[4];
        size_t due = KILN_MIN((size_t)FRAME, len - have);

        KILN_TRY(kiln_esp_next_frame(esp, ctx, esp->timing.reply_ms, "send what it read"));
        if (esp->rx.len != due)
            return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_LOWER_BAUD,
                                  "%zu bytes came where %zu were due", esp->rx.len, due);
        memcpy(bytes + have, esp->rx.frame, due);
        have += due;
        kiln_put_le32(seen, (uint32_t)have);
        KILN_TRY(kiln_esp_send_frame(esp, ctx, seen, sizeof seen));
        if (progress != NULL && progress->step != NULL)
            progress->step(progress->user, done + have);
    }
    KILN_TRY(check_md5(esp, ctx, bytes, len));
    kiln_esp_in_step(esp);
    return KILN_OK;
}

static enum kiln_status read_slow(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                  uint8_t *bytes, size_t len, const struct kiln_progress *progress,
                                  uint64_t done)
{
    for (size_t at = 0; at < len; at += KILN_ESP_SLOW_READ_LEN) {
        size_t n = KILN_MIN((size_t)KILN_ESP_SLOW_READ_LEN, len - at);
        const uint32_t words[2] = {(uint32_t)(address + at), (uint32_t)n};
        uint8_t head[sizeof words];
        const struct kiln_esp_call call = {.op = KILN_ESP_READ_FLASH_SLOW,
                                           .head = head,
                                           .head_len = sizeof head,
                                           .tries = 3,
                                           .timeout_ms = kiln_esp_patience_ms(esp, 1000),
                                           .what = "read the flash"};
        struct kiln_esp_reply reply;
        enum kiln_esp_verdict verdict;
        unsigned error = 0;

        kiln_esp_put_words(head, words, 2);
        KILN_TRY(kiln_esp_exchange(esp, ctx, &call, &reply));
        /* The reply is always 64 bytes long. */
        verdict = kiln_esp_judge(&reply, KILN_ESP_SLOW_READ_LEN, &error);
        KILN_TRY(kiln_esp_refused(esp, ctx, verdict, error, call.what));
        memcpy(bytes + at, reply.body, n);
        if (progress != NULL && progress->step != NULL && (at % 1024 == 0 || at + n == len))
            progress->step(progress->user, done + at + n);
    }
    return KILN_OK;
}

static enum kiln_status read_piece(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                   uint8_t *bytes, size_t len, const struct kiln_progress *progress,
                                   uint64_t done)
{
    if (esp->flasher)
        return kiln_esp_flasher_read(esp, ctx, address, bytes, len, progress, done);
    return esp->stub ? read_stream(esp, ctx, address, bytes, len, progress, done)
                     : read_slow(esp, ctx, address, bytes, len, progress, done);
}

enum kiln_status kiln_esp_read(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                               uint8_t *bytes, size_t len, const struct kiln_progress *progress)
{
    struct kiln_esp *esp = kiln_esp_of(self);
    size_t at = 0;

    KILN_TRY(kiln_esp_check_range(esp, ctx, address, len));
    if (!(esp->info.caps & KILN_CAP_READ))
        return kiln_fail(ctx, KILN_E_UNSUPPORTED, "this boot ROM does not read flash");
    KILN_TRY(kiln_esp_stub_for(esp, ctx, len));
    while (at < len) {
        size_t n = KILN_MIN((size_t)CHUNK, len - at);
        enum kiln_status status = KILN_OK;

        for (unsigned i = 1; i <= READ_TRIES; i++) {
            status = read_piece(esp, ctx, address + at, bytes + at, n, progress, at);
            if (i == READ_TRIES || !kiln_esp_may_retry(ctx, status))
                break;
            KILN_TRY(kiln_esp_recover(esp, ctx, i));
        }
        if (status != KILN_OK) {
            kiln_while(ctx, "while reading at 0x%llx", (unsigned long long)(address + at));
            return kiln_fail_at(ctx, address + at);
        }
        at += n;
    }
    return KILN_OK;
}
