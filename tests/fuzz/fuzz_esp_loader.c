/* SPDX-License-Identifier: MIT */
/*
 * A hostile chip under the real ESP loader: every answer comes from the input. Whatever it says, or does not say, or
 * never stops saying, the loader neither crashes nor goes on past its deadline (on a virtual clock), and no request
 * that erases or writes reaches behind the flash.
 *
 * Input: 1 byte flags, 1 byte which chip, then for each request a byte that says how it is answered, and where that
 * needs it a length and bytes. A polite chip answers most requests as a real one would, so that the fuzzer gets deep.
 */
#include "base/bytes.h"
#include "chip/esp.h"
#include "loader/esp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define READS_MAX   2000000u
#define DEADLINE_MS 60000u
#define SLACK_MS    30000u /* leaving the board in order runs behind the deadline */
#define BYTE_NS     20000u
#define OUT_MAX     (64u << 10)

struct hostile {
    struct kiln_byte_link base;
    const struct kiln_chip *chip;
    const uint8_t *at, *end;
    bool polite, stub, lines, gone;
    int babble; /* a byte that comes for ever, -1: none */
    uint8_t out[OUT_MAX];
    size_t out_len, out_at;
    uint8_t frame[0x4800];
    size_t frame_len;
    bool in_frame, escaped;
    uint32_t seed;
    unsigned reads;
    uint64_t flash_size; /* as the loader sees it, 0 before it does */
};

static struct hostile *hostile_of(struct kiln_byte_link *link)
{
    return (struct hostile *)link;
}

static uint8_t take(struct hostile *h)
{
    return h->at < h->end ? *h->at++ : 0;
}

static void put_raw(struct hostile *h, uint8_t byte)
{
    if (h->out_len < OUT_MAX)
        h->out[h->out_len++] = byte;
}

static void put_frame(struct hostile *h, const uint8_t *bytes, size_t len)
{
    put_raw(h, 0xc0);
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == 0xc0 || bytes[i] == 0xdb) {
            put_raw(h, 0xdb);
            put_raw(h, bytes[i] == 0xc0 ? 0xdc : 0xdd);
        } else {
            put_raw(h, bytes[i]);
        }
    }
    put_raw(h, 0xc0);
}

static void reply(struct hostile *h, uint8_t op, uint32_t value, const uint8_t *body, size_t len,
                  unsigned error)
{
    uint8_t frame[8 + 128 + 4] = {1, op};
    size_t status = h->stub || (h->chip->esp->flags & KILN_ESP_ROM_MINIMAL) ? 2 : 4;

    kiln_put_le16(frame + 2, (uint16_t)(len + status));
    kiln_put_le32(frame + 4, value);
    if (len > 0)
        memcpy(frame + 8, body, len);
    frame[8 + len] = error != 0;
    frame[9 + len] = (uint8_t)error;
    put_frame(h, frame, 8 + len + status);
}

static uint32_t word(const struct hostile *h, size_t index)
{
    return 8 + 4 * index + 4 <= h->frame_len ? kiln_le32(h->frame + 8 + 4 * index) : 0;
}

/* A register of a chip that is well: its magic, a flash id in the controller's buffer, small numbers elsewhere. */
static uint32_t reg(const struct hostile *h, uint32_t address)
{
    const struct kiln_esp_facts *facts = h->chip->esp;

    if (address == KILN_ESP_MAGIC_REG)
        return facts->magic;
    if (address == facts->spi.base + facts->spi.w0)
        return 0x1640ef;
    if (address == facts->uart_clkdiv)
        return 347;
    return 0;
}

static void send_flash(struct hostile *h)
{
    uint8_t bytes[4096];
    size_t left = KILN_MIN(word(h, 1), 16384u);

    memset(bytes, 0xff, sizeof bytes);
    for (; left > 0; left -= KILN_MIN(left, sizeof bytes))
        put_frame(h, bytes, KILN_MIN(left, sizeof bytes));
    put_frame(h, bytes, 16);
}

static void decent_sync(struct hostile *h, uint8_t op)
{
    for (int i = 0; i < 8; i++)
        reply(h, op, h->stub ? 0 : 0x20120707, NULL, 0, 0);
}

static void decent_reg(struct hostile *h, uint8_t op)
{
    reply(h, op, reg(h, word(h, 0)), NULL, 0, 0);
}

static void decent_security(struct hostile *h, uint8_t op)
{
    uint8_t body[20] = {0};

    kiln_put_le32(body + 12, (uint32_t)h->chip->esp->chip_id);
    reply(h, op, 0, body, sizeof body, 0);
}

static void decent_md5(struct hostile *h, uint8_t op)
{
    uint8_t body[32];

    memset(body, h->stub ? 0 : '0', sizeof body);
    reply(h, op, 0, body, h->stub ? 16 : 32, 0);
}

static void decent_slow_read(struct hostile *h, uint8_t op)
{
    uint8_t body[64] = {0};

    reply(h, op, 0, body, sizeof body, 0);
}

static void decent_read(struct hostile *h, uint8_t op)
{
    reply(h, op, 0, NULL, 0, 0);
    send_flash(h);
}

static void decent_start(struct hostile *h, uint8_t op)
{
    reply(h, op, 0, NULL, 0, 0);
    if (word(h, 0) != 0)
        return;
    put_frame(h, (const uint8_t *)"OHAI", 4);
    h->stub = true;
}

/* What a decent chip would say. */
static void decent(struct hostile *h, uint8_t op)
{
    static const struct {
        uint8_t op;
        void (*say)(struct hostile *h, uint8_t op);
    } rows[] = {
        {KILN_ESP_SYNC, decent_sync},
        {KILN_ESP_READ_REG, decent_reg},
        {KILN_ESP_GET_SECURITY_INFO, decent_security},
        {KILN_ESP_FLASH_MD5, decent_md5},
        {KILN_ESP_READ_FLASH_SLOW, decent_slow_read},
        {KILN_ESP_READ_FLASH, decent_read},
        {KILN_ESP_MEM_END, decent_start},
    };

    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++)
        if (rows[i].op == op) {
            rows[i].say(h, op);
            return;
        }
    reply(h, op, 0, NULL, 0, 0);
}

/* Nothing is erased or written behind the flash. */
static void check_range(const struct hostile *h, uint8_t op)
{
    uint64_t from = 0, len = 0;

    if (op == KILN_ESP_FLASH_BEGIN || op == KILN_ESP_FLASH_DEFL_BEGIN) {
        from = word(h, 3);
        len = word(h, 0);
    } else if (op == KILN_ESP_ERASE_REGION) {
        from = word(h, 0);
        len = word(h, 1);
    }
    if (h->flash_size != 0 && from + len > kiln_round_up(h->flash_size, 0x10000))
        abort();
}

static void some_bytes(struct hostile *h, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (h->at < h->end) {
            out[i] = take(h);
        } else {
            h->seed = h->seed * 1664525u + 1013904223u;
            out[i] = (uint8_t)(h->seed >> 24);
        }
    }
}

static void rubbish(struct hostile *h, bool framed)
{
    uint8_t bytes[256];
    size_t len = take(h);

    some_bytes(h, bytes, len);
    if (framed)
        put_frame(h, bytes, len);
    for (size_t i = 0; i < len && !framed; i++)
        put_raw(h, bytes[i]);
}

static void any_body(struct hostile *h, uint8_t op, size_t len)
{
    uint8_t bytes[68];

    some_bytes(h, bytes, len + 4);
    reply(h, op, kiln_le32(bytes), bytes, len, 0);
}

static void very_long(struct hostile *h)
{
    put_raw(h, 0xc0);
    for (size_t i = 0, n = 256u * take(h); i < n; i++)
        put_raw(h, (uint8_t)(i % 0xc0));
    put_raw(h, 0xc0);
}

static void half(struct hostile *h, uint8_t op)
{
    size_t less = take(h);

    decent(h, op);
    h->out_len -= KILN_MIN(h->out_len - h->out_at, less);
}

static void answer(struct hostile *h)
{
    uint8_t op = h->frame[1], how = take(h);

    check_range(h, op);
    if (h->polite && how < 224) {
        decent(h, op);
        return;
    }
    switch (how % 16) {
    case 1: /* another command's name */
        reply(h, take(h), take(h), NULL, 0, take(h));
        break;
    case 2:
        reply(h, op, 0, NULL, 0, 1u + take(h));
        break;
    case 3: /* rubbish on the line, or in a frame */
    case 5:
        rubbish(h, how % 16 == 5);
        break;
    case 4: /* silence */
        break;
    case 6: /* the right name and any body, or none but a value */
    case 11:
        any_body(h, op, how % 16 == 6 ? take(h) % 64 : 0);
        break;
    case 7: /* without end */
        h->babble = take(h);
        break;
    case 8:
        h->gone = take(h) == 0;
        break;
    case 9:
        very_long(h);
        break;
    case 10: /* twice */
        decent(h, op);
        decent(h, op);
        break;
    case 12:
        half(h, op);
        break;
    default:
        decent(h, op);
        break;
    }
}

/* ---- the link ---- */

static void listen(struct hostile *h, uint8_t byte)
{
    if (byte == 0xc0) {
        if (h->in_frame && h->frame_len >= 8)
            answer(h);
        h->in_frame = !(h->in_frame && h->frame_len > 0);
        h->frame_len = 0;
        h->escaped = false;
        return;
    }
    if (byte == 0xdb) {
        h->escaped = true;
        return;
    }
    if (h->escaped)
        byte = byte == 0xdc ? 0xc0 : 0xdb;
    h->escaped = false;
    if (h->in_frame && h->frame_len < sizeof h->frame)
        h->frame[h->frame_len++] = byte;
}

static void pass_time(struct kiln_ctx *ctx, size_t bytes)
{
    ((struct kiln_virtual_clock *)ctx->clock)->now_ns += bytes * BYTE_NS;
}

static enum kiln_status hostile_write(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      const uint8_t *bytes, size_t len)
{
    struct hostile *h = hostile_of(self);

    if (h->gone)
        return kiln_fail(ctx, KILN_E_GONE, "gone");
    pass_time(ctx, len);
    if (h->out_at == h->out_len)
        h->out_at = h->out_len = 0;
    for (size_t i = 0; i < len; i++)
        listen(h, bytes[i]);
    return KILN_OK;
}

static enum kiln_status hostile_read(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                     uint8_t *bytes, size_t cap, size_t *out_len)
{
    struct hostile *h = hostile_of(self);

    *out_len = 0;
    if (++h->reads > READS_MAX)
        abort(); /* it never ends */
    if (h->gone)
        return kiln_fail(ctx, KILN_E_GONE, "gone");
    if (kiln_ctx_check(ctx) != KILN_OK)
        return ctx->error.status;
    if (h->out_at < h->out_len) {
        *out_len = KILN_MIN(cap, h->out_len - h->out_at);
        memcpy(bytes, h->out + h->out_at, *out_len);
        h->out_at += *out_len;
    } else if (h->babble >= 0) {
        *out_len = cap;
        memset(bytes, h->babble, cap);
    } else {
        return kiln_sleep_ms(ctx, 0x7fffffff); /* silent until the deadline */
    }
    pass_time(ctx, *out_len);
    return KILN_OK;
}

static enum kiln_status hostile_discard(struct kiln_byte_link *self, struct kiln_ctx *ctx)
{
    struct hostile *h = hostile_of(self);

    (void)ctx;
    h->out_at = h->out_len = 0;
    return KILN_OK;
}

static enum kiln_status hostile_baud(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                     uint32_t baud)
{
    if (take(hostile_of(self)) == 255)
        return kiln_fail(ctx, KILN_E_ARG, "no %u", (unsigned)baud);
    return KILN_OK;
}

static enum kiln_status hostile_lines(struct kiln_byte_link *self, struct kiln_ctx *ctx,
                                      unsigned mask, unsigned levels)
{
    struct hostile *h = hostile_of(self);

    (void)ctx, (void)mask;
    if (levels != 0) { /* a reset: the ROM again */
        h->stub = false;
        h->babble = -1;
    }
    return KILN_OK;
}

static unsigned hostile_caps(const struct kiln_byte_link *self)
{
    return KILN_LINK_BAUD | (((const struct hostile *)self)->lines ? KILN_LINK_LINES : 0);
}

static void hostile_close(struct kiln_byte_link *self)
{
    (void)self;
}

static const struct kiln_byte_link_ops hostile_ops = {
    .name = "hostile",
    .read = hostile_read,
    .write = hostile_write,
    .discard_input = hostile_discard,
    .set_baud = hostile_baud,
    .set_lines = hostile_lines,
    .caps = hostile_caps,
    .close = hostile_close,
};

/* ---- what is done with it ---- */

/* Every name that was told can be read, and no more keys than there is room for. */
static enum kiln_status look_at_details(struct kiln_loader *loader, struct kiln_ctx *ctx)
{
    struct kiln_details details;
    enum kiln_status status = loader->ops->details(loader, ctx, &details);

    if (details.security.key_count > KILN_EVENT_KEYS)
        abort();
    for (size_t i = 0; i < details.security.key_count; i++)
        if (strlen(details.security.keys[i].name) > 64)
            abort();
    if (details.has_flash && strlen(details.flash.maker) + strlen(details.flash.supply_by) > 64)
        abort();
    return status;
}

/* What the commands of other tools ask beyond the usual. */
static enum kiln_status rare_op(struct kiln_ctx *ctx, struct kiln_loader *loader, uint8_t what)
{
    const struct kiln_loader_ops *ops = loader->ops;
    struct kiln_esp *esp = kiln_esp_of(loader);
    struct kiln_esp_security security;
    uint8_t bytes[64];
    uint32_t value;

    switch (what % 8) {
    case 0:
        return kiln_esp_security_info(esp, ctx, &security);
    case 1:
        return kiln_esp_read_sfdp(esp, ctx, 0, bytes, sizeof bytes);
    case 2:
        return kiln_esp_read_status(esp, ctx, 3, &value);
    case 3:
        return kiln_esp_write_status(esp, ctx, 2, 0x1c, true);
    case 4:
        return ops->run(loader, ctx, what < 240 ? KILN_NO_ADDRESS : 0x40080000);
    case 5:
        return ops->write_register(loader, ctx, 0x3ff44004, 1, 0xff);
    case 6:
        return ops->run_memory(loader, ctx, 0x40080000);
    default:
        return kiln_esp_wake_flash(esp, ctx);
    }
}

static enum kiln_status one_op(struct hostile *h, struct kiln_ctx *ctx, struct kiln_loader *loader)
{
    static uint8_t bytes[12288];
    const struct kiln_loader_ops *ops = loader->ops;
    struct kiln_protection protection;
    uint8_t md5[16], what = take(h);
    uint64_t page = 4096u * (take(h) % 4u);
    size_t len = 4096u * (1u + take(h) % 3u);

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + what);
    if (what >= 224)
        return rare_op(ctx, loader, what);
    switch (what % 14) {
    case 0:
        return ops->read(loader, ctx, page, bytes, len, NULL);
    case 1:
    case 2:
        return ops->write(loader, ctx, page, bytes, len, NULL);
    case 3:
        return ops->erase(loader, ctx, page, len, NULL);
    case 4:
        return ops->erase_all(loader, ctx);
    case 5:
        return ops->digest(loader, ctx, page, len, md5);
    case 6:
        return look_at_details(loader, ctx);
    case 7:
        return ops->protection(loader, ctx, true, &protection);
    case 8:
        return ops->write_encrypted(loader, ctx, page, bytes, len, NULL);
    case 9:
        return ops->read_memory(loader, ctx, 0x40000000 + page, bytes, 64, NULL);
    case 10:
        return ops->write_memory(loader, ctx, 0x3ffb0000, bytes, len);
    case 11:
        return ops->prepare(loader, ctx, 1u << 20);
    case 12:
        return ops->abandon(loader, ctx);
    default:
        return ops->leave(loader, ctx);
    }
}

static void check_end(const struct kiln_ctx *ctx, enum kiln_status status, uint64_t until_ns)
{
    if (status != KILN_OK && ctx->error.message[0] == '\0')
        abort(); /* an error without words */
    if (kiln_ctx_now_ns(ctx) > until_ns + (uint64_t)SLACK_MS * KILN_NS_PER_MS)
        abort(); /* past the deadline */
}

/* A stub that can be uploaded quickly, for every chip. */
static const char *stub_folder(void)
{
    static char folder[] = "/tmp/fuzz_esp_loader.XXXXXX";
    static bool made;
    const struct kiln_chip *chip;

    if (!made && mkdtemp(folder) != NULL)
        for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++) {
            char path[128];
            FILE *file;

            if (chip->esp == NULL || kiln_esp_stub_of(chip, 0) == NULL)
                continue;
            snprintf(path, sizeof path, "%s/%s.json", folder, kiln_esp_stub_of(chip, 0));
            file = fopen(path, "w");
            if (file == NULL)
                continue;
            fputs("{\"entry\":1073807360,\"text\":\"AAAAAAAAAAAAAAAAAAAAAA==\","
                  "\"text_start\":1073807360,\"data\":\"AAAAAA==\",\"data_start\":1073414144}",
                  file);
            fclose(file);
        }
    made = true;
    return folder;
}

static const struct kiln_chip *choose_chip(uint8_t which)
{
    const struct kiln_chip *chip;
    size_t count = 0;

    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++)
        count += chip->esp != NULL;
    which = (uint8_t)(which % count);
    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++)
        if (chip->esp != NULL && which-- == 0)
            return chip;
    return NULL;
}

static void begin(struct hostile *h, const uint8_t *data, size_t size,
                  struct kiln_loader_options *options)
{
    *h = (struct hostile){.base.ops = &hostile_ops, .babble = -1};
    h->chip = choose_chip(data[1]);
    h->polite = (data[0] & 1) != 0;
    h->stub = (data[0] & 2) != 0;
    h->lines = (data[0] & 4) == 0;
    h->at = data + 2;
    h->end = data + size;
    h->seed = (uint32_t)size;
    *options = (struct kiln_loader_options){.stub_dir = stub_folder(), .connect_attempts = 2};
    options->flasher = (data[0] & 8) != 0 ? KILN_FLASHER_ROM
                       : size % 2 == 0    ? KILN_FLASHER_STUB
                                          : KILN_FLASHER_KILN;
    options->may_defer = (data[0] & 16) != 0;
    options->tolerant = (data[0] & 32) != 0;
    options->chip = (data[0] & 64) != 0 ? h->chip->name : NULL;
    if ((data[0] & 128) != 0)
        options->before = h->at < h->end && *h->at % 2 ? KILN_BEFORE_NO_SYNC : KILN_BEFORE_NO_RESET;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hostile h;
    struct kiln_loader_options options;
    struct kiln_virtual_clock clock;
    struct kiln_loader *loader = NULL;
    struct kiln_ctx ctx;
    enum kiln_status status;
    uint64_t until;

    if (size < 3)
        return 0;
    begin(&h, data, size, &options);
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    (void)kiln_deadline_narrow(&ctx, DEADLINE_MS);
    until = ctx.deadline_ns;
    status = kiln_esp_connect(&ctx, &h.base, &options, &loader);
    check_end(&ctx, status, until);
    for (int i = 0; i < 5 && loader != NULL; i++) {
        const struct kiln_target_info *info = loader->ops->info(loader);

        h.flash_size = info->region_count > 0 ? info->region[0].size : 0;
        if (info->notes[sizeof info->notes - 1] != '\0')
            abort();
        kiln_error_clear(&ctx);
        check_end(&ctx, one_op(&h, &ctx, loader), until);
    }
    if (loader != NULL)
        loader->ops->free(loader);
    return 0;
}
