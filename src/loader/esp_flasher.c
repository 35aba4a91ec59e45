/* SPDX-License-Identifier: MIT */
/*
 * Kiln's own flasher on the chip: starting it, and writing through it. A write is one compressed stream that goes out as
 * fast as the wire takes it, while the chip erases ahead, programs and reads back; what limits it is the window that the
 * flasher grants. docs/flasher.md has the protocol.
 */
#include "loader/esp.h"

#include "base/bytes.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#define GREETING_MS 500u
/* With nothing heard for so long something was lost on the way, if all of it has had time to arrive. */
#define STALL_MS 700u
/* Without any progress for so long the flasher is dead: the slowest erase of 64 KB takes 3 s. */
#define PROGRESS_MS 10000u
#define WINDOW_MAX  (1u << 20)
#define PROTECTED   0x1cu /* block protection in the flash chip's status register */
#define READ_FRAME  1024u

/* ---- whether, and how it starts ---- */

static const char *obstacle(const struct kiln_esp *esp)
{
    if (kiln_flasher_left_out(esp->chip->name))
        return "this kiln was built without it; in its sources `make full` brings the compilers "
               "and "
               "builds it in";
    if (kiln_flasher_image(esp->chip->name) == NULL)
        return "it is not made for this chip";
    if (esp->port != KILN_ESP_PORT_UART)
        return "it does not speak through the chip's own USB";
    if (esp->options.after == KILN_AFTER_STAY_STUB)
        return "no other program could talk to it afterwards";
    if (esp->options.flash_size > KILN_ESP_ROM_FLASH_MAX ||
        esp->flash_size > KILN_ESP_ROM_FLASH_MAX)
        return "it reaches 16 MB of flash and no more";
    return NULL;
}

static bool asked_for(const struct kiln_esp *esp)
{
    return esp->options.flasher == KILN_FLASHER_KILN && !esp->flasher_failed;
}

bool kiln_esp_wants_flasher(const struct kiln_esp *esp)
{
    return asked_for(esp) && obstacle(esp) == NULL;
}

void kiln_esp_note_no_flasher(struct kiln_esp *esp)
{
    const char *reason = asked_for(esp) ? obstacle(esp) : NULL;

    if (reason != NULL && kiln_esp_no_stub_reason(esp) == NULL)
        kiln_esp_note(esp, "Kiln's own flasher cannot do this work: %s", reason);
}

/* The ROM may answer before it jumps; the greeting is what counts. */
static enum kiln_status await_greeting(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t crc)
{
    uint64_t saved = kiln_deadline_narrow(ctx, GREETING_MS);
    struct kiln_flasher_reply reply;
    struct kiln_flasher_hello hello;
    enum kiln_status status;

    do
        status = kiln_esp_next_frame(esp, ctx, GREETING_MS, "start Kiln's flasher");
    while (status == KILN_OK && !(kiln_flasher_parse(esp->rx.frame, esp->rx.len, &reply) &&
                                  kiln_flasher_parse_hello(&reply, &hello)));
    kiln_deadline_restore(ctx, saved);
    if (status != KILN_OK)
        return status;
    if (hello.version != KILN_FLASHER_VERSION || hello.code_crc != crc || hello.frame == 0 ||
        hello.frame > KILN_ESP_WRITE_BLOCK || hello.window < hello.frame ||
        hello.window > WINDOW_MAX)
        return kiln_fail(ctx, KILN_E_PROTO, "the flasher is not the one that was sent");
    esp->stub = esp->flasher = true;
    esp->flasher_window = hello.window;
    esp->flasher_frame = hello.frame;
    return KILN_OK;
}

enum kiln_status kiln_esp_start_flasher(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    const struct kiln_flasher_image *image = kiln_flasher_image(esp->chip->name);
    const uint32_t words[2] = {0, image->address};
    uint8_t run[KILN_ESP_HEADER_LEN + sizeof words];
    enum kiln_status status;

    /* It knows no pins: the flash is connected before. */
    KILN_TRY(kiln_esp_attach_pins(esp, ctx));
    KILN_TRY(kiln_esp_mem_write(esp, ctx, image->address, image->code, image->len));
    kiln_esp_put_header(run, KILN_ESP_MEM_END, sizeof words, 0);
    kiln_esp_put_words(run + KILN_ESP_HEADER_LEN, words, 2);
    KILN_TRY(kiln_esp_send_frame(esp, ctx, run, sizeof run));
    status = await_greeting(esp, ctx, libdeflate_crc32(0, image->code, image->len));
    if (status == KILN_OK) {
        kiln_log(ctx, KILN_LOG_INFO, "loader", "Kiln's own flasher runs, %zu bytes at 0x%08x",
                 image->len, (unsigned)image->address);
        return KILN_OK;
    }
    if (!kiln_esp_may_retry(ctx, status))
        return status;
    esp->flasher_failed = true;
    kiln_log(ctx, KILN_LOG_INFO, "loader",
             "Kiln's own flasher did not start (%s): going on without it", ctx->error.message);
    return status;
}

/* ---- requests about a range ---- */

static enum kiln_status refused(struct kiln_ctx *ctx, unsigned status, const char *what)
{
    (void)kiln_fail_hint(ctx, status == KILN_FLASHER_STREAM ? KILN_E_PROTO : KILN_E_NAK,
                         KILN_HINT_RETRY_WRITE, "the flasher refused to %s: %s", what,
                         kiln_flasher_status_text(status));
    return kiln_fail_code(ctx, status);
}

static enum kiln_status ask(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t op,
                            const struct kiln_flasher_range *range)
{
    uint8_t request[KILN_FLASHER_RANGE_LEN + KILN_FLASHER_CRC];

    kiln_flasher_put_range(request, op, range);
    return kiln_esp_send_frame(esp, ctx, request,
                               kiln_flasher_seal(request, KILN_FLASHER_RANGE_LEN));
}

/* The next frame that is a whole reply. */
static enum kiln_status next_reply(struct kiln_esp *esp, struct kiln_ctx *ctx, uint32_t timeout_ms,
                                   const char *what, struct kiln_flasher_reply *out)
{
    uint64_t saved = kiln_deadline_narrow(ctx, timeout_ms);
    enum kiln_status status;

    do
        status = kiln_esp_next_frame(esp, ctx, timeout_ms, what);
    while (status == KILN_OK && !kiln_flasher_parse(esp->rx.frame, esp->rx.len, out));
    kiln_deadline_restore(ctx, saved);
    return status;
}

/* The reply with this opcode; news of progress in between give it more time, until `timeout_ms` are over. */
static enum kiln_status await_op(struct kiln_esp *esp, struct kiln_ctx *ctx, uint8_t op,
                                 uint32_t timeout_ms, const char *what,
                                 struct kiln_flasher_reply *out)
{
    uint64_t saved = kiln_deadline_narrow(ctx, timeout_ms);
    enum kiln_status status;

    do
        status = next_reply(esp, ctx, PROGRESS_MS, what, out);
    while (status == KILN_OK && out->op != op);
    kiln_deadline_restore(ctx, saved);
    if (status == KILN_OK && out->status != KILN_FLASHER_OK)
        return refused(ctx, out->status, what);
    return status;
}

static struct kiln_flasher_range range_of(const struct kiln_esp *esp, uint64_t address,
                                          uint64_t len)
{
    return (struct kiln_flasher_range){.address = (uint32_t)address,
                                       .len = (uint32_t)len,
                                       .flash_size = (uint32_t)esp->flash_size};
}

enum kiln_status kiln_esp_flasher_erase(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                        uint64_t address, uint64_t len)
{
    const struct kiln_flasher_range range = range_of(esp, address, len);
    struct kiln_flasher_reply reply;

    KILN_TRY(ask(esp, ctx, KILN_FLASHER_ERASE, &range));
    return await_op(esp, ctx, KILN_FLASHER_ERASE,
                    kiln_esp_time_for(esp, esp->timing.erase_per_mb_ms, len), "erase the flash",
                    &reply);
}

enum kiln_status kiln_esp_flasher_hash(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                       uint64_t len, uint32_t unit, uint8_t *out, size_t each)
{
    struct kiln_flasher_range range = range_of(esp, address, len);
    size_t total = (size_t)((len + unit - 1) / unit) * each;
    struct kiln_flasher_reply reply;

    range.more[0] = unit;
    range.more[1] = (uint32_t)each;
    range.more[2] = (uint32_t)total;
    KILN_TRY(ask(esp, ctx, KILN_FLASHER_HASH, &range));
    KILN_TRY(await_op(esp, ctx, KILN_FLASHER_HASH,
                      kiln_esp_time_for(esp, esp->timing.md5_per_mb_ms, len),
                      "compute the MD5 of the flash", &reply));
    if (reply.body_len != total)
        return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_LOWER_BAUD,
                              "%zu bytes of hashes came where %zu were due", reply.body_len, total);
    memcpy(out, reply.body, total);
    return KILN_OK;
}

enum kiln_status kiln_esp_flasher_read(struct kiln_esp *esp, struct kiln_ctx *ctx, uint64_t address,
                                       uint8_t *bytes, size_t len,
                                       const struct kiln_progress *progress, uint64_t done)
{
    const struct kiln_flasher_range range = range_of(esp, address, len);
    size_t have = 0;

    KILN_TRY(ask(esp, ctx, KILN_FLASHER_READ, &range));
    while (have < len) {
        struct kiln_flasher_reply reply;
        size_t due = KILN_MIN((size_t)READ_FRAME, len - have);

        KILN_TRY(
            await_op(esp, ctx, KILN_FLASHER_READ, esp->timing.reply_ms, "read the flash", &reply));
        if (reply.value != address + have || reply.body_len != due)
            return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_LOWER_BAUD,
                                  "data was lost on the way from the board");
        memcpy(bytes + have, reply.body, due);
        have += due;
        if (progress != NULL && progress->step != NULL)
            progress->step(progress->user, done + have);
    }
    return KILN_OK;
}

void kiln_esp_flasher_reset(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint8_t request[KILN_FLASHER_HEAD + KILN_FLASHER_CRC];

    kiln_esp_put_header(request, KILN_FLASHER_RESET, 0, 0);
    if (kiln_esp_send_frame(esp, ctx, request, kiln_flasher_seal(request, KILN_FLASHER_HEAD)) ==
            KILN_OK &&
        kiln_link_drain(esp->link, ctx) == KILN_OK)
        esp->stub = esp->flasher = false;
}

/* ---- a write ---- */

struct sender {
    const uint8_t *stream;
    size_t len;       /* of the stream */
    size_t sent, top; /* what went out last, and furthest */
    struct kiln_flasher_progress at;
    bool probing; /* a piece was sent again to learn how far the flasher is */
    uint64_t heard_ns, moved_ns;
    uint64_t covers;
    const struct kiln_progress *progress;
    uint8_t frame[KILN_FLASHER_HEAD + KILN_ESP_WRITE_BLOCK + KILN_FLASHER_CRC];
};

static enum kiln_status send_piece(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                   struct sender *sender, size_t at)
{
    size_t n = KILN_MIN((size_t)esp->flasher_frame, sender->len - at);

    kiln_esp_put_header(sender->frame, KILN_FLASHER_DATA, n, (uint32_t)at);
    memcpy(sender->frame + KILN_FLASHER_HEAD, sender->stream + at, n);
    return kiln_esp_send_frame(esp, ctx, sender->frame,
                               kiln_flasher_seal(sender->frame, KILN_FLASHER_HEAD + n));
}

static enum kiln_status fill_window(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                    struct sender *sender)
{
    while (sender->sent < sender->len) {
        size_t n = KILN_MIN((size_t)esp->flasher_frame, sender->len - sender->sent);

        if (sender->sent + n - sender->at.used > esp->flasher_window)
            break;
        KILN_TRY(send_piece(esp, ctx, sender, sender->sent));
        sender->sent += n;
        sender->top = KILN_MAX(sender->top, sender->sent);
        sender->heard_ns = kiln_ctx_now_ns(ctx);
    }
    return KILN_OK;
}

/* Progress never goes back and never beyond what was sent; a flasher that says so is out of its mind. */
static enum kiln_status take_progress(struct kiln_ctx *ctx, struct sender *sender,
                                      const struct kiln_flasher_reply *reply)
{
    struct kiln_flasher_progress now;
    const struct kiln_flasher_progress *last = &sender->at;

    if (!kiln_flasher_parse_progress(reply, &now) || now.used < last->used || now.got < last->got ||
        now.used > now.got || now.got > sender->top || now.erased < last->erased ||
        now.erased > sender->covers || now.programmed < last->programmed ||
        now.programmed > sender->covers || now.hashed < last->hashed || now.hashed > sender->covers)
        return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_LOWER_BAUD,
                              "the flasher says nonsense about its progress");
    if (memcmp(&now, last, sizeof now) != 0)
        sender->moved_ns = kiln_ctx_now_ns(ctx);
    sender->at = now;
    if (reply->status == KILN_FLASHER_GAP || (sender->probing && now.got < sender->sent)) {
        kiln_log(ctx, KILN_LOG_DEBUG, "loader", "sending again from %u of %zu", (unsigned)now.got,
                 sender->len);
        sender->sent = now.got;
    }
    sender->probing = false;
    if (sender->progress != NULL && sender->progress->step != NULL)
        sender->progress->step(sender->progress->user, now.programmed);
    return KILN_OK;
}

/* How long silence may last: what is under way needs its time on the wire. */
static uint32_t patience_ms(const struct kiln_esp *esp, const struct sender *sender)
{
    uint64_t under_way = sender->sent - KILN_MIN(sender->sent, (size_t)sender->at.got);

    return STALL_MS + (uint32_t)(under_way * 10 * 1000 / esp->baud);
}

/* Nothing was heard: either the flash is slow, or something was lost. A piece sent again gets an answer. */
static enum kiln_status probe(struct kiln_esp *esp, struct kiln_ctx *ctx, struct sender *sender)
{
    size_t at = KILN_MIN((size_t)sender->at.got, sender->len - 1);

    if (kiln_ctx_now_ns(ctx) - sender->moved_ns > (uint64_t)PROGRESS_MS * KILN_NS_PER_MS)
        return KILN_E_TIMEOUT;
    kiln_error_clear(ctx);
    if (sender->at.got == sender->len)
        return KILN_OK; /* it has everything and is busy */
    sender->probing = true;
    return send_piece(esp, ctx, sender, at);
}

static enum kiln_status pump(struct kiln_esp *esp, struct kiln_ctx *ctx, struct sender *sender,
                             struct kiln_flasher_reply *out_done)
{
    for (;;) {
        enum kiln_status status;

        KILN_TRY(fill_window(esp, ctx, sender));
        status = next_reply(esp, ctx, patience_ms(esp, sender), "write the flash", out_done);
        if (status == KILN_E_TIMEOUT && !kiln_deadline_passed(ctx))
            status = probe(esp, ctx, sender);
        else if (status == KILN_OK && out_done->op == KILN_FLASHER_DATA)
            status = take_progress(ctx, sender, out_done);
        else if (status == KILN_OK && out_done->op == KILN_FLASHER_DONE)
            return KILN_OK;
        if (status != KILN_OK)
            return status;
    }
}

/* The chip's own protection of blocks would let everything pass in silence. */
static enum kiln_status open_blocks(struct kiln_esp *esp, struct kiln_ctx *ctx)
{
    uint32_t registers;

    KILN_TRY(kiln_esp_resync(esp, ctx)); /* ends the write that has begun */
    kiln_esp_note(esp, "the flash chip's block protection was on and is lifted until power-off");
    KILN_TRY(kiln_esp_read_status(esp, ctx, 2, &registers));
    return kiln_esp_write_status(esp, ctx, 2, registers & ~PROTECTED, false);
}

static enum kiln_status begin(struct kiln_esp *esp, struct kiln_ctx *ctx,
                              const struct kiln_flasher_range *range)
{
    struct kiln_flasher_reply reply;

    for (int i = 0; i < 2; i++) {
        KILN_TRY(ask(esp, ctx, KILN_FLASHER_WRITE, range));
        KILN_TRY(await_op(esp, ctx, KILN_FLASHER_WRITE, esp->timing.reply_ms, "write the flash",
                          &reply));
        if (!(reply.value & PROTECTED) || i > 0)
            break;
        KILN_TRY(open_blocks(esp, ctx));
    }
    return KILN_OK;
}

void kiln_esp_forget_written(struct kiln_esp *esp, uint64_t address, uint64_t len)
{
    size_t kept = 0;

    for (size_t i = 0; i < esp->written_count; i++) {
        if (esp->written[i].address >= address + len ||
            address >= esp->written[i].address + esp->written[i].len)
            esp->written[kept++] = esp->written[i];
    }
    esp->written_count = kept;
}

static void remember(struct kiln_esp *esp, const struct kiln_esp_flasher_stream *stream,
                     const uint8_t *md5)
{
    size_t at = esp->written_count < KILN_ESP_WRITTEN_MAX ? esp->written_count++ : 0;

    esp->written[at].address = stream->address;
    esp->written[at].len = stream->covers;
    memcpy(esp->written[at].md5, md5, sizeof esp->written[at].md5);
}

enum kiln_status kiln_esp_flasher_write(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                        const struct kiln_esp_flasher_stream *stream,
                                        const struct kiln_progress *progress)
{
    struct kiln_flasher_range range = range_of(esp, stream->address, stream->covers);
    struct sender *sender = calloc(1, sizeof *sender);
    struct kiln_flasher_reply done;
    uint64_t saved;
    enum kiln_status status;

    if (sender == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    range.more[1] = (uint32_t)stream->len;
    range.more[2] = (uint32_t)stream->deflated_len;
    saved = kiln_deadline_narrow(
        ctx, kiln_esp_time_for(esp, esp->timing.write_per_mb_ms, stream->covers) +
                 (uint32_t)((uint64_t)stream->deflated_len * 3 * 10000 / esp->baud));
    status = begin(esp, ctx, &range);
    sender->stream = stream->deflated;
    sender->len = stream->deflated_len;
    sender->covers = stream->covers;
    sender->progress = progress;
    sender->moved_ns = kiln_ctx_now_ns(ctx);
    if (status == KILN_OK)
        status = pump(esp, ctx, sender, &done);
    kiln_deadline_restore(ctx, saved);
    free(sender);
    if (status != KILN_OK)
        return status;
    if (done.status != KILN_FLASHER_OK)
        return refused(ctx, done.status, "write the flash");
    if (done.body_len != sizeof esp->written[0].md5)
        return kiln_fail(ctx, KILN_E_PROTO, "the flasher's last reply is too short");
    remember(esp, stream, done.body);
    return KILN_OK;
}
