/* SPDX-License-Identifier: MIT */
/* Requests and replies over the link. */
#include "loader/esp.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

#define HEAD_MAX         64u
#define FETCH_MAX        6u /* requests that fit into a UART's buffer of 128 bytes */
#define FETCH_MS         500u
#define REPLIES_MAX      100 /* stale ones that are passed over */
#define REG_BATCH        32u
#define FLASHER_DATA_MAX (REG_BATCH * KILN_ESP_WRITE_REG_LEN)

/* Twice the time that `len` bytes take on the wire at the present rate: drivers buffer. */
static uint32_t wire_ms(const struct kiln_esp *esp, size_t len)
{
    uint64_t baud = esp->baud > 0 ? esp->baud : KILN_ESP_BOOT_BAUD;

    return (uint32_t)((uint64_t)len * 10 * 1000 * 2 / baud) + 1;
}

static void keep_log(struct kiln_esp *esp, const uint8_t *bytes, size_t len)
{
    size_t room = sizeof esp->log - esp->log_len;

    if (len > room)
        len = room;
    memcpy(esp->log + esp->log_len, bytes, len);
    esp->log_len += len;
}

enum kiln_status kiln_esp_flush(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    esp->rx_have = esp->rx_at = 0;
    kiln_slip_decoder_reset(&esp->rx);
    return kiln_link_discard_input(esp->link, ctx);
}

static enum kiln_status write_frame(struct kiln_esp *esp, struct kiln_ctx *ctx, const uint8_t *head,
                                    size_t head_len, const uint8_t *body, size_t body_len)
{
    size_t len = kiln_slip_encode(head, head_len, body, body_len, esp->tx);
    uint64_t saved = kiln_deadline_narrow(ctx, esp->timing.send_ms + wire_ms(esp, len));
    enum kiln_status status = kiln_link_write(esp->link, ctx, esp->tx, len);

    kiln_deadline_restore(ctx, saved);
    return status;
}

enum kiln_status kiln_esp_send_frame(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                     const uint8_t *bytes, size_t len)
{
    esp->late.older = esp->late.syncs;
    return write_frame(esp, ctx, bytes, len, NULL, 0);
}

enum kiln_status kiln_esp_send_sync(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint8_t request[KILN_ESP_HEADER_LEN + KILN_ESP_SYNC_LEN];

    kiln_esp_put_header(request, KILN_ESP_SYNC, KILN_ESP_SYNC_LEN, 0);
    kiln_esp_put_sync(request + KILN_ESP_HEADER_LEN);
    esp->late.syncs += KILN_ESP_SYNC_REPLIES;
    return write_frame(esp, ctx, request, sizeof request, NULL, 0);
}

static enum kiln_status fill(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    esp->rx_at = esp->rx_have = 0;
    KILN_TRY(kiln_link_read(esp->link, ctx, esp->rx_bytes, sizeof esp->rx_bytes, &esp->rx_have));
    keep_log(esp, esp->rx_bytes, esp->rx_have);
    return KILN_OK;
}

/* The next whole frame before the context's deadline. */
static enum kiln_status take_frame(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    for (;;) {
        size_t used = 0;
        bool whole =
            kiln_slip_push(&esp->rx, esp->rx_bytes + esp->rx_at, esp->rx_have - esp->rx_at, &used);

        esp->rx_at += used;
        if (whole)
            return KILN_OK;
        KILN_TRY(kiln_ctx_check(ctx));
        KILN_TRY(fill(esp, ctx));
    }
}

static enum kiln_status silent(struct kiln_ctx *ctx, uint32_t waited_ms, const char *what)
{
    return kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_ESP_NO_REPLY,
                          "no answer in %u.%u s to the request to %s", waited_ms / 1000,
                          waited_ms % 1000 / 100, what);
}

enum kiln_status kiln_esp_next_frame(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                     uint32_t timeout_ms, const char *what)
{
    uint64_t saved = kiln_deadline_narrow(ctx, timeout_ms);
    enum kiln_status status = take_frame(esp, ctx);

    kiln_deadline_restore(ctx, saved);
    return status == KILN_E_TIMEOUT ? silent(ctx, timeout_ms, what) : status;
}

/* A ROM refuses a command that it does not know under the name of the one before. */
static bool refuses_unknown(const struct kiln_esp *esp, const struct kiln_esp_reply *reply)
{
    unsigned error = 0;

    return !esp->stub && reply->op == esp->last_op &&
           kiln_esp_judge(reply, 0, &error) == KILN_ESP_VERDICT_ERROR &&
           kiln_esp_error_is_unknown_command(error);
}

static enum kiln_status await_reply(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t op,
                                    struct kiln_esp_reply *out_reply)
{
    for (int i = 0; i < REPLIES_MAX; i++) {
        struct kiln_flasher_reply checked;

        KILN_TRY(take_frame(esp, ctx));
        if (esp->flasher && !kiln_flasher_parse(esp->rx.frame, esp->rx.len, &checked))
            continue;
        if (!kiln_esp_parse_reply(esp->rx.frame, esp->rx.len, out_reply))
            continue;
        if (out_reply->op == op || refuses_unknown(esp, out_reply)) {
            esp->last_op = out_reply->op;
            return KILN_OK;
        }
        if (out_reply->op == KILN_ESP_SYNC && esp->late.syncs > 0) {
            esp->late.syncs--;
            i--;
        }
    }
    return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_LOWER_BAUD,
                          "%d replies came and none of them belongs to the request 0x%02x",
                          REPLIES_MAX, op);
}

static enum kiln_status attempt(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                const struct kiln_esp_call *call, uint32_t timeout_ms,
                                struct kiln_esp_reply *out_reply)
{
    uint8_t head[KILN_ESP_HEADER_LEN + HEAD_MAX];
    uint8_t sealed[sizeof head + FLASHER_DATA_MAX + KILN_FLASHER_CRC];
    uint32_t checksum = call->checksum ? kiln_esp_checksum(call->data, call->data_len) : 0;
    uint64_t saved;
    enum kiln_status status;

    kiln_esp_expect(esp);
    kiln_esp_put_header(head, call->op, call->head_len + call->data_len, checksum);
    if (call->head_len > 0)
        memcpy(head + KILN_ESP_HEADER_LEN, call->head, call->head_len);
    if (esp->flasher) {
        size_t len = KILN_ESP_HEADER_LEN + call->head_len;

        if (call->data_len > FLASHER_DATA_MAX)
            return kiln_fail(ctx, KILN_E_UNSUPPORTED, "the flasher does not %s", call->what);
        memcpy(sealed, head, len);
        if (call->data_len > 0)
            memcpy(sealed + len, call->data, call->data_len);
        KILN_TRY(write_frame(esp, ctx, sealed, kiln_flasher_seal(sealed, len + call->data_len),
                             NULL, 0));
    } else {
        KILN_TRY(write_frame(esp, ctx, head, KILN_ESP_HEADER_LEN + call->head_len, call->data,
                             call->data_len));
    }
    saved = kiln_deadline_narrow(ctx, timeout_ms);
    status = await_reply(esp, ctx, call->op, out_reply);
    kiln_deadline_restore(ctx, saved);
    if (status == KILN_OK)
        kiln_esp_in_step(esp);
    return status == KILN_E_TIMEOUT ? silent(ctx, timeout_ms, call->what) : status;
}

/* What an earlier request left behind would be taken for the reply to this one. */
static enum kiln_status ensure_step(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t waited_ms,
                                    const char *what)
{
    enum kiln_status status = esp->late.open ? kiln_esp_resync(esp, ctx) : KILN_OK;

    return status == KILN_E_TIMEOUT ? silent(ctx, waited_ms, what) : status;
}

enum kiln_status kiln_esp_exchange(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                   const struct kiln_esp_call *call,
                                   struct kiln_esp_reply *out_reply)
{
    uint32_t wait_ms = call->timeout_ms > 0 ? call->timeout_ms : esp->timing.reply_ms;
    uint32_t timeout_ms = KILN_MIN(wait_ms, esp->timing.ceiling_ms) +
                          wire_ms(esp, call->head_len + call->data_len + 64);
    enum kiln_status status = KILN_OK;

    if (call->head_len > HEAD_MAX || call->data_len > KILN_ESP_WRITE_BLOCK)
        return kiln_fail(ctx, KILN_E_INTERNAL, "a request of %zu bytes does not fit a frame",
                         call->head_len + call->data_len);
    for (unsigned i = 0; i < (call->tries > 1 ? call->tries : 1); i++) {
        status = ensure_step(esp, ctx, timeout_ms, call->what);
        if (status == KILN_OK)
            status = attempt(esp, ctx, call, timeout_ms, out_reply);
        if (status != KILN_E_TIMEOUT || kiln_deadline_passed(ctx))
            break;
    }
    return status;
}

enum kiln_status kiln_esp_refused(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                  enum kiln_esp_verdict verdict, unsigned error, const char *what)
{
    const char *text = kiln_esp_error_text(error);

    if (verdict == KILN_ESP_VERDICT_OK)
        return KILN_OK;
    if (verdict == KILN_ESP_VERDICT_SHORT)
        return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_LOWER_BAUD,
                              "the reply to the request to %s is cut short", what);
    /* A ROM that refuses a command as unknown repeats itself for a while. */
    if (!esp->stub && kiln_esp_error_is_unknown_command(error)) {
        kiln_esp_expect(esp);
        if (kiln_sleep_ms(ctx, 200) != KILN_OK || kiln_esp_flush(esp, ctx) != KILN_OK)
            return ctx->error.status;
    }
    kiln_fail_hint(ctx, KILN_E_NAK, KILN_HINT_ESP_REFUSED, "%s%s refused to %s: %s (0x%04x)",
                   esp->flasher ? "" : "the ", esp->stub ? kiln_esp_helper_name(esp) : "boot ROM",
                   what, text != NULL ? text : "unknown reason", error);
    return kiln_fail_code(ctx, error);
}

enum kiln_status kiln_esp_command(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                  const struct kiln_esp_call *call)
{
    struct kiln_esp_reply reply;
    unsigned error;
    enum kiln_esp_verdict verdict;

    KILN_TRY(kiln_esp_exchange(esp, ctx, call, &reply));
    verdict = kiln_esp_judge(&reply, 0, &error);
    return kiln_esp_refused(esp, ctx, verdict, error, call->what);
}

enum kiln_status kiln_esp_words(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t op,
                                const uint32_t *words, size_t count, uint32_t timeout_ms,
                                const char *what)
{
    uint8_t head[HEAD_MAX];
    struct kiln_esp_call call = {.op = op,
                                 .head = head,
                                 .head_len = 4 * count,
                                 .timeout_ms = timeout_ms,
                                 .tries = 1,
                                 .what = what};

    kiln_esp_put_words(head, words, count);
    return kiln_esp_command(esp, ctx, &call);
}

bool kiln_esp_may_retry(struct kiln_ctx *ctx, enum kiln_status status)
{
    if (kiln_deadline_passed(ctx))
        return false;
    return status == KILN_E_TIMEOUT || status == KILN_E_PROTO ||
           (status == KILN_E_NAK && kiln_esp_error_is_transport((unsigned)ctx->error.code));
}

/* ---- registers ---- */

enum kiln_status kiln_esp_read_reg(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t address,
                                   uint32_t *out_value)
{
    uint8_t head[4];
    char what[48];
    struct kiln_esp_call call = {.op = KILN_ESP_READ_REG, .head = head, .head_len = 4, .tries = 3};
    struct kiln_esp_reply reply;
    enum kiln_esp_verdict verdict;
    unsigned error;

    call.timeout_ms = kiln_esp_patience_ms(esp, 1000);
    kiln_put_le32(head, address);
    snprintf(what, sizeof what, "read the register 0x%08x", (unsigned)address);
    call.what = what;
    KILN_TRY(kiln_esp_exchange(esp, ctx, &call, &reply));
    verdict = kiln_esp_judge(&reply, 0, &error);
    *out_value = reply.value;
    return kiln_esp_refused(esp, ctx, verdict, error, what);
}

enum kiln_status kiln_esp_write_regs(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                     const struct kiln_esp_reg_write *writes, size_t count)
{
    uint8_t data[REG_BATCH * KILN_ESP_WRITE_REG_LEN];
    size_t batch = esp->stub ? REG_BATCH : 1;

    while (count > 0) {
        size_t n = KILN_MIN(count, batch);
        char what[48];
        struct kiln_esp_call call = {.op = KILN_ESP_WRITE_REG,
                                     .data = data,
                                     .data_len = n * KILN_ESP_WRITE_REG_LEN,
                                     .what = what};

        for (size_t i = 0; i < n; i++) {
            const struct kiln_esp_reg_write *w = &writes[i];
            const uint32_t words[4] = {w->address, w->value, w->mask, w->delay_us};

            kiln_esp_put_words(data + i * KILN_ESP_WRITE_REG_LEN, words, 4);
        }
        snprintf(what, sizeof what, "write the register 0x%08x", (unsigned)writes->address);
        KILN_TRY(kiln_esp_command(esp, ctx, &call));
        writes += n;
        count -= n;
    }
    return KILN_OK;
}

enum kiln_status kiln_esp_write_reg(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t address,
                                    uint32_t value)
{
    const struct kiln_esp_reg_write write = {address, value, UINT32_MAX, 0};

    return kiln_esp_write_regs(esp, ctx, &write, 1);
}

static bool is_known(const struct kiln_esp *esp, uint32_t address, uint32_t *out_value)
{
    for (size_t i = 0; i < esp->word_count; i++) {
        if (esp->word[i].address == address) {
            *out_value = esp->word[i].value;
            return true;
        }
    }
    return false;
}

static void know(struct kiln_esp *esp, uint32_t address, uint32_t value)
{
    if (esp->word_count == KILN_ESP_WORDS_MAX)
        return;
    esp->word[esp->word_count].address = address;
    esp->word[esp->word_count].value = value;
    esp->word_count++;
}

static enum kiln_status send_reads(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                   const uint32_t *addresses, size_t count)
{
    kiln_esp_expect(esp);
    for (size_t i = 0; i < count; i++) {
        uint8_t head[KILN_ESP_HEADER_LEN + 4];

        kiln_esp_put_header(head, KILN_ESP_READ_REG, 4, 0);
        kiln_put_le32(head + KILN_ESP_HEADER_LEN, addresses[i]);
        KILN_TRY(write_frame(esp, ctx, head, sizeof head, NULL, 0));
    }
    return KILN_OK;
}

/* A few at once. Only if as many replies come as requests went out does each belong to its request. */
static enum kiln_status fetch_some(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                   const uint32_t *addresses, size_t count)
{
    uint64_t saved;
    uint32_t value[FETCH_MAX];
    enum kiln_status status = KILN_OK;
    bool good = true;

    KILN_TRY(send_reads(esp, ctx, addresses, count));
    saved = kiln_deadline_narrow(ctx, kiln_esp_patience_ms(esp, FETCH_MS));
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        struct kiln_esp_reply reply;
        unsigned error = 0;

        status = await_reply(esp, ctx, KILN_ESP_READ_REG, &reply);
        good =
            good && status == KILN_OK && kiln_esp_judge(&reply, 0, &error) == KILN_ESP_VERDICT_OK;
        value[i] = good ? reply.value : 0;
    }
    kiln_deadline_restore(ctx, saved);
    if (kiln_esp_may_retry(ctx, status)) {
        kiln_error_clear(ctx);
        return KILN_OK;
    }
    KILN_TRY(status);
    if (good)
        kiln_esp_in_step(esp);
    for (size_t i = 0; i < count && good; i++)
        know(esp, addresses[i], value[i]);
    return KILN_OK;
}

enum kiln_status kiln_esp_fetch(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                const uint32_t *addresses, size_t count)
{
    uint32_t wanted[FETCH_MAX], value;
    size_t n = 0;

    /* A stub keeps one request while it works on another and no more; USB has no wire to save. */
    if (esp->stub || (kiln_link_caps(esp->link) & KILN_LINK_CDC))
        return KILN_OK;
    for (size_t i = 0; i < count && !esp->late.open; i++) {
        bool again = is_known(esp, addresses[i], &value);

        for (size_t k = 0; k < n; k++)
            again = again || wanted[k] == addresses[i];
        if (!again)
            wanted[n++] = addresses[i];
        if (n == FETCH_MAX || (n > 0 && i + 1 == count)) {
            KILN_TRY(fetch_some(esp, ctx, wanted, n));
            n = 0;
        }
    }
    return KILN_OK;
}

static enum kiln_status constant_word(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t address,
                                      uint32_t *out_value)
{
    if (is_known(esp, address, out_value))
        return KILN_OK;
    KILN_TRY(kiln_esp_read_reg(esp, ctx, address, out_value));
    know(esp, address, *out_value);
    return KILN_OK;
}

enum kiln_status kiln_esp_bits(struct kiln_esp *esp, struct kiln_ctx *ctx,
                               const struct kiln_esp_bits *bits, uint32_t *out_value)
{
    uint32_t word = 0;

    KILN_TRY(constant_word(esp, ctx, bits->reg, &word));
    *out_value = (word >> bits->shift) & (uint32_t)((1ull << bits->width) - 1);
    return KILN_OK;
}

enum kiln_status kiln_esp_value(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                const struct kiln_esp_value *value, uint32_t *out_value)
{
    *out_value = 0;
    for (size_t i = 0; i < KILN_ESP_PARTS && value->part[i].width > 0; i++) {
        uint32_t bits = 0;

        KILN_TRY(kiln_esp_bits(esp, ctx, &value->part[i], &bits));
        *out_value |= bits << value->part[i].place;
    }
    return KILN_OK;
}

/* ---- RAM ---- */

enum kiln_status kiln_esp_mem_write(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t address,
                                    const uint8_t *bytes, size_t len)
{
    uint32_t block = esp->port == KILN_ESP_PORT_OTG ? KILN_ESP_OTG_BLOCK : KILN_ESP_RAM_BLOCK;
    uint32_t count = (uint32_t)((len + block - 1) / block);
    const uint32_t begin[4] = {(uint32_t)len, count, block, address};

    KILN_TRY(kiln_esp_words(esp, ctx, KILN_ESP_MEM_BEGIN, begin, 4, 0, "take code into RAM"));
    for (uint32_t seq = 0; seq < count; seq++) {
        size_t n = KILN_MIN((size_t)block, len - (size_t)seq * block);
        const uint32_t words[4] = {(uint32_t)n, seq, 0, 0};
        uint8_t head[KILN_ESP_DATA_HEAD_LEN];
        struct kiln_esp_call call = {.op = KILN_ESP_MEM_DATA,
                                     .head = head,
                                     .head_len = sizeof head,
                                     .data = bytes + (size_t)seq * block,
                                     .data_len = n,
                                     .checksum = true,
                                     .what = "store code in RAM"};

        kiln_esp_put_words(head, words, 4);
        KILN_TRY(kiln_esp_command(esp, ctx, &call));
    }
    return KILN_OK;
}

enum kiln_status kiln_esp_mem_run(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t entry)
{
    const uint32_t words[2] = {0, entry};
    enum kiln_status status =
        kiln_esp_words(esp, ctx, KILN_ESP_MEM_END, words, 2,
                       esp->stub ? 0 : esp->timing.ram_start_ms, "start the code in RAM");

    return status == KILN_E_TIMEOUT && !esp->stub && !kiln_deadline_passed(ctx) ? KILN_OK : status;
}
