/* SPDX-License-Identifier: MIT */
/* Erasing and writing flash, and asking for its MD5. */
#include "loader/esp.h"

#include "base/bytes.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

/* A stream that breaks is sent again from its start, so it must not be long; but each costs a round trip
 * and its own dictionary. */
#define STREAM_MAX (512u << 10)
/* A blank stretch inside is erased and not sent when it saves at least one large erase. */
#define BLANK_MIN    KILN_ESP_FLASH_BLOCK
#define STREAM_TRIES 4u
/* The hardest level saves 2 % of the bytes for five times the CPU and 8 MB of memory. That pays on slow lines only,
 * and not for many boards at once. */
#define DEFLATE_LEVEL      9
#define DEFLATE_SLOW_LEVEL 12
#define SLOW_BAUD          230400u
#define ERASE_STRIDE       (512u << 10)

enum kiln_status kiln_esp_check_range(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                      uint64_t len)
{
    if (!esp->has_flash)
        return kiln_fail_hint(ctx, KILN_E_UNSUPPORTED, KILN_HINT_FLASH_SILENT,
                              "the SPI flash does not answer (id %06x)", (unsigned)esp->flash_id);
    if (address > esp->flash_size || len > esp->flash_size - address) {
        kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_FLASH_TOO_SMALL,
                       "0x%llx bytes at 0x%llx do not fit into the flash of 0x%llx bytes",
                       (unsigned long long)len, (unsigned long long)address,
                       (unsigned long long)esp->flash_size);
        return kiln_fail_at(ctx, address);
    }
    return KILN_OK;
}

uint32_t kiln_esp_time_for(const struct kiln_esp *esp, uint32_t per_mb_ms, uint64_t bytes)
{
    uint64_t ms = esp->timing.reply_ms + bytes * per_mb_ms / 1000000;

    return (uint32_t)KILN_MIN(ms, (uint64_t)esp->timing.ceiling_ms);
}

static enum kiln_status failed_at(struct kiln_ctx *ctx, uint64_t address, const char *what)
{
    kiln_while(ctx, "while %s 0x%llx", what, (unsigned long long)address);
    return kiln_fail_at(ctx, address);
}

static void tell(const struct kiln_progress *progress, uint64_t done)
{
    if (progress != NULL && progress->step != NULL)
        progress->step(progress->user, done);
}

/* ---- erasing ---- */

/* FLASH_BEGIN or FLASH_DEFL_BEGIN. A ROM erases here. */
static enum kiln_status begin(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t op, uint32_t size,
                              uint32_t blocks, uint32_t block, uint64_t address, uint64_t covers,
                              bool encrypted)
{
    const uint32_t words[5] = {size, blocks, block, (uint32_t)address, encrypted};
    bool four = !esp->stub && (esp->facts->flags & KILN_ESP_BEGIN_4_WORDS);

    esp->touched = esp->touched || !esp->stub;
    return kiln_esp_words(
        esp, ctx, op, words, four ? 4 : 5,
        kiln_esp_time_for(esp, esp->stub ? 0 : esp->timing.erase_per_mb_ms, covers),
        "prepare the flash");
}

/*
 * Some ROMs erase the sectors up to the next 64 KB border twice as many as asked, so these get asked for half of
 * it: sources are the vendor's own tool and the simulator's row. An odd number has no half, so there the last two
 * sectors are erased first, by themselves; a single sector cannot be erased without the one behind it.
 */
static enum kiln_status rom_erase_size(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                       uint64_t len, bool lone_sector, uint32_t *out_size)
{
    uint64_t sectors = (len + KILN_ESP_FLASH_PAGE - 1) / KILN_ESP_FLASH_PAGE;
    uint64_t head = 16 - address / KILN_ESP_FLASH_PAGE % 16;
    uint64_t last_two = address + (sectors - 2) * KILN_ESP_FLASH_PAGE;

    *out_size = (uint32_t)len;
    if (!(esp->facts->flags & KILN_ESP_ERASE_BUG) || sectors == 0)
        return KILN_OK;
    *out_size = (uint32_t)((sectors - KILN_MIN(head, sectors / 2)) * KILN_ESP_FLASH_PAGE);
    if (sectors % 2 == 0 || sectors >= 2 * head || (sectors == 1 && lone_sector))
        return KILN_OK;
    if (sectors == 1)
        return kiln_fail_hint(
            ctx, KILN_E_REFUSED, KILN_HINT_WITH_STUB,
            "this chip's boot ROM erases two sectors at least, and what is in the "
            "one behind 0x%08llx would be lost",
            (unsigned long long)address);
    *out_size = (uint32_t)(sectors / 2 * KILN_ESP_FLASH_PAGE);
    return begin(esp, ctx, KILN_ESP_FLASH_BEGIN, KILN_ESP_FLASH_PAGE, 1, KILN_ESP_ROM_WRITE_BLOCK,
                 last_two, 2 * KILN_ESP_FLASH_PAGE, false);
}

static enum kiln_status erase_piece(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                    uint64_t len)
{
    const uint32_t words[2] = {(uint32_t)address, (uint32_t)len};
    uint32_t size;

    esp->touched = esp->touched || esp->stub;
    if (esp->flasher)
        return kiln_esp_flasher_erase(esp, ctx, address, len);
    if (esp->stub)
        return kiln_esp_words(esp, ctx, KILN_ESP_ERASE_REGION, words, 2,
                              kiln_esp_time_for(esp, esp->timing.erase_per_mb_ms, len),
                              "erase the flash");
    KILN_TRY(rom_erase_size(esp, ctx, address, len, false, &size));
    return begin(esp, ctx, KILN_ESP_FLASH_BEGIN, size,
                 (uint32_t)((len + KILN_ESP_ROM_WRITE_BLOCK - 1) / KILN_ESP_ROM_WRITE_BLOCK),
                 KILN_ESP_ROM_WRITE_BLOCK, address, len, false);
}

/* Erasing twice does no harm, so a lost reply is no reason to give up. */
static enum kiln_status erase_range(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                    uint64_t len, const struct kiln_progress *progress,
                                    uint64_t done)
{
    uint64_t end = address + len;

    kiln_esp_forget_written(esp, address, len);
    while (address < end) {
        uint64_t stop = KILN_MIN(kiln_round_down(address + ERASE_STRIDE, ERASE_STRIDE), end);
        enum kiln_status status = KILN_OK;

        if (end - stop == KILN_ESP_FLASH_PAGE)
            stop = end; /* not every ROM erases one by itself */
        for (unsigned i = 1; i <= STREAM_TRIES; i++) {
            status = erase_piece(esp, ctx, address, stop - address);
            if (!kiln_esp_may_retry(ctx, status) || i == STREAM_TRIES)
                break;
            KILN_TRY(kiln_esp_recover(esp, ctx, i));
        }
        if (status != KILN_OK)
            return failed_at(ctx, address, "erasing");
        done += stop - address;
        address = stop;
        tell(progress, done);
    }
    return KILN_OK;
}

enum kiln_status kiln_esp_erase(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                                uint64_t len, const struct kiln_progress *progress)
{
    struct kiln_esp *esp = kiln_esp_of(self);

    KILN_TRY(kiln_esp_check_range(esp, ctx, address, len));
    if (address % KILN_ESP_FLASH_PAGE != 0 || len % KILN_ESP_FLASH_PAGE != 0)
        return kiln_fail(ctx, KILN_E_ARG, "only whole pages of 4096 bytes can be erased");
    KILN_TRY(kiln_esp_stub_now(esp, ctx));
    return erase_range(esp, ctx, address, len, progress, 0);
}

enum kiln_status kiln_esp_erase_all(struct kiln_loader *self, struct kiln_ctx *ctx)
{
    struct kiln_esp *esp = kiln_esp_of(self);

    KILN_TRY(kiln_esp_check_range(esp, ctx, 0, 0));
    KILN_TRY(kiln_esp_stub_now(esp, ctx));
    if (!esp->stub || esp->flasher)
        return erase_range(esp, ctx, 0, esp->flash_size, NULL, 0);
    esp->touched = true;
    return kiln_esp_words(esp, ctx, KILN_ESP_ERASE_FLASH, NULL, 0, esp->timing.erase_all_ms,
                          "erase the whole flash");
}

/* ---- one stream ---- */

struct stream {
    uint64_t address;
    const uint8_t *bytes; /* plain */
    size_t len;           /* without the blank tail */
    size_t covers;        /* with it: whole pages */
    uint8_t *zlib;        /* zlib form, NULL: sent plain */
    size_t zlib_len;
    struct kiln_esp_write_form form;
    uint64_t done_before;
    const struct kiln_progress *progress;
};

static uint32_t write_block(const struct kiln_esp *esp)
{
    if (!esp->stub)
        return KILN_ESP_ROM_WRITE_BLOCK;
    return esp->port == KILN_ESP_PORT_OTG ? KILN_ESP_OTG_BLOCK : KILN_ESP_WRITE_BLOCK;
}

static void pack(const struct kiln_esp *esp, struct stream *stream)
{
    struct libdeflate_compressor *compressor;

    /* A ROM that inflates may write its whole output buffer of 32 KB, over what follows the data. */
    if (stream->form.plain || !esp->stub)
        return;
    compressor =
        libdeflate_alloc_compressor(esp->baud <= SLOW_BAUD ? DEFLATE_SLOW_LEVEL : DEFLATE_LEVEL);
    stream->zlib = malloc(stream->len);
    if (compressor != NULL && stream->zlib != NULL)
        stream->zlib_len = libdeflate_zlib_compress(compressor, stream->bytes, stream->len,
                                                    stream->zlib, stream->len);
    libdeflate_free_compressor(compressor);
    if (stream->zlib_len == 0) { /* not smaller, or no memory */
        free(stream->zlib);
        stream->zlib = NULL;
    }
}

/* How long one block may take: what comes out of it must be erased and programmed. How much that is only
 * the inflater knows; four times the average has been enough, and all of it is always. */
static uint32_t block_time(const struct kiln_esp *esp, const struct stream *stream, size_t wire_len,
                           uint32_t block)
{
    uint64_t plain = (uint64_t)stream->len * block / wire_len * 4;

    return kiln_esp_time_for(esp, esp->timing.write_per_mb_ms,
                             KILN_MIN(plain, (uint64_t)stream->len));
}

static enum kiln_status send_block(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t op,
                                   uint32_t seq, const uint8_t *bytes, size_t len,
                                   uint32_t timeout_ms)
{
    const uint32_t words[4] = {(uint32_t)len, seq, 0, 0};
    uint8_t head[KILN_ESP_DATA_HEAD_LEN];
    const struct kiln_esp_call call = {.op = op,
                                       .head = head,
                                       .head_len = sizeof head,
                                       .data = bytes,
                                       .data_len = len,
                                       .checksum = true,
                                       .timeout_ms = timeout_ms,
                                       .what = "write the flash"};
    enum kiln_status status = KILN_OK;

    esp->touched = true;
    kiln_esp_put_words(head, words, 4);
    for (unsigned i = 0; i < esp->timing.block_tries; i++) {
        status = kiln_esp_command(esp, ctx, &call);
        /* Only a block that was refused as damaged may come again: after silence nobody knows whether it
         * was taken. */
        if (status != KILN_E_NAK || !kiln_esp_may_retry(ctx, status))
            break;
    }
    return status;
}

/* A stub acknowledges a block before it programs it; what went wrong shows with the next request. */
static enum kiln_status settle(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t timeout_ms)
{
    uint8_t head[4];
    const struct kiln_esp_call call = {.op = KILN_ESP_READ_REG,
                                       .head = head,
                                       .head_len = 4,
                                       .timeout_ms = timeout_ms,
                                       .what = "finish writing the flash"};

    if (!esp->stub)
        return KILN_OK;
    kiln_put_le32(head, KILN_ESP_MAGIC_REG);
    return kiln_esp_command(esp, ctx, &call);
}

static enum kiln_status send_blocks(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                    const struct stream *stream, const uint32_t *cuts,
                                    size_t cut_count)
{
    bool zlib = stream->zlib != NULL;
    const uint8_t *wire = zlib ? stream->zlib : stream->bytes;
    size_t wire_len = zlib ? stream->zlib_len : stream->len;
    uint32_t block = write_block(esp);
    uint32_t count =
        cuts != NULL ? (uint32_t)cut_count : (uint32_t)((wire_len + block - 1) / block);
    size_t at = 0;
    uint32_t timeout_ms = block_time(esp, stream, wire_len, block);
    uint8_t op = zlib ? KILN_ESP_FLASH_DEFL_DATA : KILN_ESP_FLASH_DATA;
    uint32_t size = (uint32_t)stream->len;
    uint8_t last[KILN_ESP_WRITE_BLOCK];

    if (!esp->stub && zlib)
        size = (uint32_t)kiln_round_up(stream->covers, block);
    else if (!esp->stub)
        KILN_TRY(rom_erase_size(esp, ctx, stream->address, stream->covers, stream->form.lone_sector,
                                &size));
    KILN_TRY(begin(esp, ctx, zlib ? KILN_ESP_FLASH_DEFL_BEGIN : KILN_ESP_FLASH_BEGIN, size, count,
                   block, stream->address, stream->covers, stream->form.encrypted));
    for (uint32_t seq = 0; seq < count; seq++) {
        size_t n = cuts != NULL ? cuts[seq] : KILN_MIN((size_t)block, wire_len - at);
        const uint8_t *bytes = wire + at;
        enum kiln_status status;

        if (!zlib && n < block) {
            memset(last, 0xff, sizeof last);
            memcpy(last, bytes, n);
            bytes = last;
        }
        status = send_block(esp, ctx, op, seq, bytes, zlib ? n : block, timeout_ms);
        if (status != KILN_OK)
            return failed_at(ctx, stream->address + (uint64_t)stream->len * at / wire_len,
                             "writing near");
        at += n;
        tell(stream->progress, stream->done_before + (uint64_t)stream->covers * at / wire_len);
    }
    if (settle(esp, ctx, timeout_ms) != KILN_OK)
        return failed_at(ctx, stream->address + stream->len - 1, "writing up to");
    return KILN_OK;
}

static enum kiln_status send_stream(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                    const struct stream *stream)
{
    const struct kiln_esp_cut_stream whole = {stream->zlib, stream->zlib_len, stream->address,
                                              stream->len, esp->baud};
    bool cut = esp->stub && stream->zlib != NULL && write_block(esp) == KILN_ESP_WRITE_BLOCK;
    size_t count = 0;
    uint32_t *cuts = cut ? kiln_esp_cut(&whole, &count) : NULL;
    enum kiln_status status = send_blocks(esp, ctx, stream, cuts, count);

    free(cuts);
    return status;
}

/* One more chance is worth it also when the flash itself failed: a supply dip passes. */
static bool stream_may_retry(struct kiln_ctx *ctx, enum kiln_status status, unsigned attempt)
{
    if (kiln_esp_may_retry(ctx, status))
        return true;
    return status == KILN_E_NAK && attempt == 1 &&
           !kiln_esp_error_is_unknown_command((unsigned)ctx->error.code);
}

static enum kiln_status write_stream(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                     struct stream *stream, uint64_t *wire)
{
    enum kiln_status status = KILN_OK;

    pack(esp, stream);
    *wire += stream->zlib != NULL ? stream->zlib_len : stream->len;
    for (unsigned i = 1; i <= STREAM_TRIES; i++) {
        esp->wrote = true;
        status = send_stream(esp, ctx, stream);
        if (i == STREAM_TRIES || !stream_may_retry(ctx, status, i))
            break;
        kiln_log(ctx, KILN_LOG_INFO, "loader", "%s; sending again from 0x%llx", ctx->error.message,
                 (unsigned long long)stream->address);
        status = kiln_esp_recover(esp, ctx, i);
        if (status != KILN_OK)
            break;
    }
    if (status == KILN_E_NAK)
        ctx->error.hint = KILN_HINT_RETRY_WRITE;
    free(stream->zlib);
    stream->zlib = NULL;
    return status;
}

/* ---- a range as streams and blanks ---- */

static bool is_blank(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0xff && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static size_t blank_run(const uint8_t *bytes, size_t len)
{
    size_t n = 0;

    while (n < len && is_blank(bytes + n, KILN_MIN((size_t)KILN_ESP_FLASH_PAGE, len - n)))
        n += KILN_MIN((size_t)KILN_ESP_FLASH_PAGE, len - n);
    return n;
}

/* Pages from the start that are to be sent: up to a blank run that is worth leaving out, a stream's
 * greatest length on a 64 KB boundary, or the end. */
static size_t data_run(uint64_t address, const uint8_t *bytes, size_t len)
{
    uint64_t stop = kiln_round_down(address + STREAM_MAX, KILN_ESP_FLASH_BLOCK);
    size_t limit = (size_t)KILN_MIN(stop - address, (uint64_t)len);
    size_t n = 0;

    while (n < limit) {
        size_t blank = blank_run(bytes + n, len - n);

        if (blank > 0 && (blank >= BLANK_MIN || n + blank == len))
            return n;
        n += blank + (n + blank < limit ? KILN_ESP_FLASH_PAGE : 0);
    }
    return KILN_MIN(n, limit);
}

/* How much of a range makes one stream or one blank. Where the ROM erases two pages at least, none is left by itself. */
static size_t piece(const struct kiln_esp *esp, uint64_t address, const uint8_t *bytes, size_t len,
                    bool *out_blank)
{
    size_t blank = blank_run(bytes, len);
    size_t n;

    *out_blank = blank == len || blank >= BLANK_MIN;
    n = *out_blank ? blank : data_run(address, bytes, len);
    if (!esp->stub && (esp->facts->flags & KILN_ESP_ERASE_BUG)) {
        if (n == KILN_ESP_FLASH_PAGE && len > n)
            n += KILN_ESP_FLASH_PAGE;
        if (len - n == KILN_ESP_FLASH_PAGE)
            n = n > 2u * KILN_ESP_FLASH_PAGE ? n - KILN_ESP_FLASH_PAGE : len;
        *out_blank = *out_blank && n <= blank;
    }
    return n;
}

/* From a stub's only within the last page: what is not sent at all it does not erase. A ROM erases by the size it was
 * told, takes whole blocks, and misses none before FLASH_END, which is never sent. */
static size_t without_blank_tail(const struct kiln_esp *esp, const uint8_t *bytes, size_t len)
{
    size_t unit = esp->stub ? 4 : KILN_ESP_ROM_WRITE_BLOCK;
    size_t least = esp->stub ? len - KILN_ESP_FLASH_PAGE + unit : unit;

    while (len > least && is_blank(bytes + len - unit, unit))
        len -= unit;
    return len;
}

static enum kiln_status write_encrypted(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                        uint64_t address, const uint8_t *bytes, size_t len,
                                        struct kiln_esp_write_form form,
                                        const struct kiln_progress *progress, uint64_t *out_wire)
{
    unsigned align = esp->stub ? esp->facts->encrypted_align : KILN_ESP_FLASH_PAGE;
    size_t at = 0;

    if (!esp->stub && (esp->facts->flags & KILN_ESP_BEGIN_4_WORDS))
        return kiln_fail(ctx, KILN_E_UNSUPPORTED,
                         "the boot ROM of the %s does not encrypt, only the flasher stub does",
                         esp->chip->title);
    if (address % align != 0 || len % esp->facts->encrypted_align != 0)
        return kiln_fail(ctx, KILN_E_ARG, "encrypted data begins and ends at multiples of %u bytes",
                         align);
    while (at < len) {
        uint64_t stop = kiln_round_down(address + at + STREAM_MAX, KILN_ESP_FLASH_BLOCK);
        size_t n = (size_t)KILN_MIN(stop - (address + at), (uint64_t)(len - at));
        struct stream stream = {.address = address + at,
                                .bytes = bytes + at,
                                .len = n,
                                .covers = n,
                                .form = form,
                                .done_before = at,
                                .progress = progress};

        KILN_TRY(write_stream(esp, ctx, &stream, out_wire));
        at += n;
    }
    return KILN_OK;
}

/* ---- through Kiln's own flasher ---- */

static enum kiln_status deflate_all(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                    const uint8_t *bytes, struct kiln_esp_flasher_stream *stream,
                                    uint8_t **out_deflated)
{
    struct libdeflate_compressor *compressor =
        libdeflate_alloc_compressor(esp->baud <= SLOW_BAUD ? DEFLATE_SLOW_LEVEL : DEFLATE_LEVEL);
    size_t room = libdeflate_deflate_compress_bound(compressor, stream->len);

    *out_deflated = malloc(room);
    if (compressor != NULL && *out_deflated != NULL)
        stream->deflated_len =
            libdeflate_deflate_compress(compressor, bytes, stream->len, *out_deflated, room);
    libdeflate_free_compressor(compressor);
    stream->deflated = *out_deflated;
    return stream->deflated_len > 0 ? KILN_OK : kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
}

/* A flasher that died leaves the work to what serves in its place: then *out_done is false and the status OK. */
static enum kiln_status write_by_flasher(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                         uint64_t address, const uint8_t *bytes, size_t len,
                                         const struct kiln_progress *progress, uint64_t *wire,
                                         bool *out_done)
{
    struct kiln_esp_flasher_stream stream = {.address = address, .len = len, .covers = len};
    uint8_t *deflated = NULL;
    enum kiln_status status;

    while (stream.len > 1 && bytes[stream.len - 1] == 0xff)
        stream.len--;
    *out_done = true;
    status = deflate_all(esp, ctx, bytes, &stream, &deflated);
    for (unsigned i = 1; status == KILN_OK && *out_done; i++) {
        *wire += stream.deflated_len;
        esp->touched = true;
        status = kiln_esp_flasher_write(esp, ctx, &stream, progress);
        if (i == STREAM_TRIES || !stream_may_retry(ctx, status, i))
            break;
        kiln_log(ctx, KILN_LOG_INFO, "loader", "%s; sending again from 0x%llx", ctx->error.message,
                 (unsigned long long)address);
        status = kiln_esp_recover(esp, ctx, i);
        *out_done = esp->flasher;
    }
    free(deflated);
    if (status == KILN_E_NAK)
        ctx->error.hint = KILN_HINT_RETRY_WRITE;
    return status == KILN_OK ? KILN_OK : failed_at(ctx, address, "writing from");
}

enum kiln_status kiln_esp_write_as(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                   const uint8_t *bytes, size_t len,
                                   struct kiln_esp_write_form form,
                                   const struct kiln_progress *progress, uint64_t *out_wire)
{
    size_t at = 0;

    *out_wire = 0;
    KILN_TRY(kiln_esp_check_range(esp, ctx, address, len));
    kiln_esp_forget_written(esp, address, len);
    if (form.encrypted)
        return write_encrypted(esp, ctx, address, bytes, len, form, progress, out_wire);
    if (address % KILN_ESP_FLASH_PAGE != 0 || len % KILN_ESP_FLASH_PAGE != 0)
        return kiln_fail(ctx, KILN_E_ARG, "only whole pages of 4096 bytes can be written");
    KILN_TRY(kiln_esp_stub_for(esp, ctx, len));
    if (esp->flasher && !form.plain) {
        bool done;

        KILN_TRY(write_by_flasher(esp, ctx, address, bytes, len, progress, out_wire, &done));
        if (done)
            return KILN_OK;
    }
    while (at < len) {
        bool blank;
        size_t n = piece(esp, address + at, bytes + at, len - at, &blank);
        struct stream stream = {
            .address = address + at, .form = form, .done_before = at, .progress = progress};

        if (blank) {
            KILN_TRY(erase_range(esp, ctx, address + at, n, progress, at));
        } else {
            stream.bytes = bytes + at;
            stream.covers = n;
            stream.len = without_blank_tail(esp, bytes + at, n);
            KILN_TRY(write_stream(esp, ctx, &stream, out_wire));
        }
        at += n;
    }
    return KILN_OK;
}

enum kiln_status kiln_esp_write(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                                const uint8_t *bytes, size_t len,
                                const struct kiln_progress *progress)
{
    const struct kiln_esp_write_form form = {.plain = false};
    uint64_t wire;

    return kiln_esp_write_as(kiln_esp_of(self), ctx, address, bytes, len, form, progress, &wire);
}

/* ---- digest ---- */

static enum kiln_status digest_once(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                    uint64_t len, uint8_t out_md5[16])
{
    const uint32_t words[4] = {(uint32_t)address, (uint32_t)len, 0, 0};
    uint8_t head[sizeof words];
    const struct kiln_esp_call call = {.op = KILN_ESP_FLASH_MD5,
                                       .head = head,
                                       .head_len = sizeof head,
                                       .timeout_ms =
                                           kiln_esp_time_for(esp, esp->timing.md5_per_mb_ms, len),
                                       .tries = 1,
                                       .what = "compute the MD5 of the flash"};
    struct kiln_esp_reply reply;
    enum kiln_esp_verdict verdict;
    unsigned error = 0;

    if (esp->flasher && len > 0)
        return kiln_esp_flasher_hash(esp, ctx, address, len, (uint32_t)len, out_md5, 16);
    kiln_esp_put_words(head, words, 4);
    KILN_TRY(kiln_esp_exchange(esp, ctx, &call, &reply));
    verdict = kiln_esp_parse_md5(&reply, out_md5, &error);
    return kiln_esp_refused(esp, ctx, verdict, error, call.what);
}

enum kiln_status kiln_esp_digest(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                                 uint64_t len, uint8_t out_md5[16])
{
    struct kiln_esp *esp = kiln_esp_of(self);
    enum kiln_status status = KILN_OK;

    KILN_TRY(kiln_esp_check_range(esp, ctx, address, len));
    if (!(esp->info.caps & KILN_CAP_DIGEST))
        return kiln_fail(ctx, KILN_E_UNSUPPORTED, "this boot ROM computes no MD5");
    for (size_t i = 0; i < esp->written_count; i++) {
        if (esp->written[i].len == len && esp->written[i].address == address) {
            memcpy(out_md5, esp->written[i].md5, sizeof esp->written[i].md5);
            return KILN_OK;
        }
    }
    for (unsigned i = 1; i <= STREAM_TRIES; i++) {
        status = digest_once(esp, ctx, address, len, out_md5);
        if (i == STREAM_TRIES || !kiln_esp_may_retry(ctx, status))
            break;
        KILN_TRY(kiln_esp_recover(esp, ctx, i));
    }
    if (status != KILN_OK)
        return failed_at(ctx, address, "checking");
    return KILN_OK;
}

enum kiln_status kiln_esp_digests(struct kiln_loader *self, struct kiln_ctx *ctx, uint64_t address,
                                  uint64_t len, uint32_t unit, uint8_t *out, size_t each)
{
    struct kiln_esp *esp = kiln_esp_of(self);
    enum kiln_status status = KILN_E_UNSUPPORTED;

    KILN_TRY(kiln_esp_check_range(esp, ctx, address, len));
    for (unsigned i = 1; esp->flasher && i <= STREAM_TRIES; i++) {
        status = kiln_esp_flasher_hash(esp, ctx, address, len, unit, out, each);
        if (i == STREAM_TRIES || !kiln_esp_may_retry(ctx, status))
            break;
        status = KILN_E_UNSUPPORTED; /* of what serves in the place of a flasher that died */
        KILN_TRY(kiln_esp_recover(esp, ctx, i));
    }
    if (status != KILN_OK && status != KILN_E_UNSUPPORTED)
        return failed_at(ctx, address, "checking");
    return status;
}
