/* SPDX-License-Identifier: MIT */
/*
 * A hostile device: ids, descriptors, strings and every answer come from the input. Whatever it says, the
 * loader neither crashes nor hangs (on a virtual clock), and sends no data to an address outside what the
 * device's own regions allow (watched where the configuration is the usual one).
 *
 * Input: 1 byte flags, 1 byte which ids, 2 bytes length of the configuration descriptor, that descriptor,
 * then the answers: a byte that says how, and for data a length and the bytes.
 */
#include "base/bytes.h"
#include "loader/loader.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUESTS_MAX 200000u
#define OP_LIMIT_MS  3600000u

#define USUAL_TRANSFER_SIZE 512u /* as in usual_config */

struct hostile {
    struct kiln_usb_link base;
    struct kiln_usb_identity id;
    const uint8_t *config;
    size_t config_len;
    const uint8_t *at, *end;
    unsigned requests;
    uint8_t phase; /* well-behaved answers come in the order of a real device */
    bool gone, polite;
    const struct kiln_target_info *info; /* set where the usual configuration is in use */
    uint32_t pointer;
};

static struct hostile *hostile_of(struct kiln_usb_link *link)
{
    return (struct hostile *)link;
}

static uint8_t take(struct hostile *h)
{
    return h->at < h->end ? *h->at++ : 0;
}

/* What a decent device would say, so that the fuzzer gets deep without guessing every reply. */
static size_t decent(struct hostile *h, const struct kiln_usb_setup *setup, uint8_t *data,
                     size_t len)
{
    static const char text[] = "@Internal Flash /0x08000000/01*001Ka,02*001Kg,01*004Kg";
    uint8_t reply[256] = {0};
    size_t n = len;

    if (setup->request_type == 0x80) {
        bool language = (setup->value & 0xff) == 0;

        reply[0] = language ? 4 : (uint8_t)(2 + 2 * strlen(text));
        reply[1] = 3;
        for (size_t i = 0; !language && i < strlen(text); i++)
            reply[2 + 2 * i] = (uint8_t)text[i];
        n = KILN_MIN(len, (size_t)reply[0]);
        memcpy(data, reply, n);
    } else if (setup->request == 3) {
        reply[4] = h->phase;
        n = KILN_MIN(len, 6u);
        memcpy(data, reply, n);
    } else if (setup->request_type & 0x80) {
        memset(data, 0xff, len);
    } else if (setup->request == 1) {
        h->phase = 5;
    } else {
        h->phase = 2;
    }
    return n;
}

/* Nothing is erased or written but where a region of the device allows it. */
static void check_download(struct hostile *h, const struct kiln_usb_setup *setup,
                           const uint8_t *data, size_t len)
{
    uint64_t at = h->pointer + (uint64_t)(setup->value - 2) * USUAL_TRANSFER_SIZE;
    unsigned access = KILN_REGION_WRITE;

    if (setup->value == 0 && len == 5 && data[0] == 0x21)
        h->pointer = kiln_le32(data + 1);
    if (setup->value == 0 && len == 5 && data[0] == 0x41) {
        at = kiln_le32(data + 1);
        len = 1;
        access = KILN_REGION_ERASE;
    } else if (setup->value < 2) {
        return;
    }
    if (h->info == NULL || (h->info->caps & KILN_CAP_STREAM) != 0 || len == 0)
        return;
    for (size_t i = 0; i < h->info->region_count; i++) {
        const struct kiln_region *r = &h->info->region[i];

        if (at >= r->start && at + len <= r->start + r->size && (r->access & access) != 0)
            return;
    }
    abort();
}

static enum kiln_status hostile_control(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                        const struct kiln_usb_setup *setup, uint8_t *data,
                                        size_t len, size_t *out_len)
{
    struct hostile *h = hostile_of(self);
    uint8_t how = take(h);

    *out_len = 0;
    if (setup->request_type == 0x21 && setup->request == 1)
        check_download(h, setup, data, len);
    if (++h->requests > REQUESTS_MAX || len > 4096)
        abort();
    if (h->gone)
        return kiln_fail(ctx, KILN_E_GONE, "gone");
    if (kiln_ctx_check(ctx) != KILN_OK)
        return ctx->error.status;
    ((struct kiln_virtual_clock *)ctx->clock)->now_ns += 20000;
    switch (h->polite && how < 200 ? 0 : how % 8) {
    case 1:
        return kiln_fail(ctx, KILN_E_NAK, "stalled");
    case 2:
        return kiln_fail(ctx, KILN_E_IO, "line error");
    case 3:
        return kiln_sleep_ms(ctx, 0x7fffffff); /* silent until the deadline */
    case 4:
        h->gone = take(h) == 0;
        return h->gone ? kiln_fail(ctx, KILN_E_GONE, "gone") : KILN_OK;
    case 5:
    case 6:
        if ((setup->request_type & 0x80) != 0) {
            size_t wished = take(h);

            *out_len = KILN_MIN(wished, len);
            for (size_t i = 0; i < *out_len; i++)
                data[i] = take(h);
        }
        return KILN_OK;
    default:
        *out_len = decent(h, setup, data, len);
        return KILN_OK;
    }
}

static enum kiln_status hostile_interface(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                          uint8_t interface)
{
    (void)self, (void)ctx, (void)interface;
    return KILN_OK;
}

static enum kiln_status hostile_alt(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                    uint8_t interface, uint8_t alt)
{
    (void)interface, (void)alt;
    return take(hostile_of(self)) == 255 ? kiln_fail(ctx, KILN_E_NAK, "stalled") : KILN_OK;
}

static enum kiln_status hostile_reset(struct kiln_usb_link *self, struct kiln_ctx *ctx)
{
    hostile_of(self)->gone = take(hostile_of(self)) % 2 == 0;
    return hostile_of(self)->gone ? kiln_fail(ctx, KILN_E_GONE, "gone") : KILN_OK;
}

static enum kiln_status hostile_reopen(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                       const struct kiln_usb_match *match)
{
    struct hostile *h = hostile_of(self);

    (void)match;
    h->gone = false;
    if (take(h) == 255)
        return kiln_sleep_ms(ctx, 0x7fffffff);
    h->id.pid = 0xdf11;
    return KILN_OK;
}

static bool hostile_is_gone(struct kiln_usb_link *self)
{
    return hostile_of(self)->gone;
}

static const struct kiln_usb_identity *hostile_identity(const struct kiln_usb_link *self)
{
    return &((const struct hostile *)self)->id;
}

static const uint8_t *hostile_config(const struct kiln_usb_link *self, size_t *out_len)
{
    *out_len = ((const struct hostile *)self)->config_len;
    return ((const struct hostile *)self)->config;
}

static const struct kiln_usb_link_ops hostile_ops = {
    .name = "hostile",
    .control = hostile_control,
    .claim = hostile_interface,
    .release = hostile_interface,
    .set_alt = hostile_alt,
    .reset = hostile_reset,
    .reopen = hostile_reopen,
    .is_gone = hostile_is_gone,
    .identity = hostile_identity,
    .config = hostile_config,
};

static const uint8_t usual_config[] = {9, 2,    36,   0,    1, 1,    0, 0xc0, 0x32, /**/
                                       9, 4,    0,    0,    0, 0xfe, 1, 2,    1,    /**/
                                       9, 4,    0,    1,    0, 0xfe, 1, 2,    2,    /**/
                                       9, 0x21, 0x0b, 0xff, 0, 0,    2, 0x1a, 0x01};

static void use(struct hostile *h, struct kiln_ctx *ctx, struct kiln_loader *loader)
{
    const struct kiln_target_info *info = loader->ops->info(loader);
    const struct kiln_region *r =
        &info->region[info->region_count > 0 ? take(h) % info->region_count : 0];
    static uint8_t bytes[3000];
    uint64_t at = r->start + take(h);
    size_t len = take(h) * 11u;
    struct kiln_buf buf;

    kiln_buf_init(&buf, 1 << 16);
    for (int i = 0; i < 6; i++) {
        uint64_t before = kiln_ctx_now_ns(ctx);
        enum kiln_status status = KILN_OK;

        memset(bytes, 0x5a, sizeof bytes);
        switch (take(h) % 8) {
        case 0:
            status = loader->ops->read(loader, ctx, at, bytes, len, NULL);
            break;
        case 1:
            status = loader->ops->write(loader, ctx, at, bytes, len, NULL);
            break;
        case 2:
            status = loader->ops->erase(loader, ctx, r->start, r->page, NULL);
            break;
        case 3:
            if (loader->ops->erase_all != NULL)
                status = loader->ops->erase_all(loader, ctx);
            break;
        case 4:
            if (loader->ops->unprotect != NULL)
                status = loader->ops->unprotect(loader, ctx);
            break;
        case 5:
            if (loader->ops->upload != NULL)
                status = loader->ops->upload(loader, ctx, r->start, &buf, NULL);
            break;
        case 6:
            status = loader->ops->run(loader, ctx, r->start);
            break;
        default:
            status = loader->ops->leave(loader, ctx);
            break;
        }
        if (status != KILN_OK && ctx->error.message[0] == '\0')
            abort(); /* an error without words */
        if (kiln_ctx_now_ns(ctx) - before > (uint64_t)OP_LIMIT_MS * KILN_NS_PER_MS)
            abort(); /* hung */
    }
    kiln_buf_dispose(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t ids[][2] = {{0x0483, 0xdf11}, {0x28e9, 0x0189}, {0x1eaf, 0x0003},
                                      {0x1209, 0xbeba}, {0x1d50, 0x5117}, {0x1fc9, 0x000c}};
    struct hostile h = {.base.ops = &hostile_ops};
    struct kiln_loader_options options = {0};
    struct kiln_virtual_clock clock;
    struct kiln_loader *loader;
    struct kiln_ctx ctx;

    if (size < 4)
        return 0;
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    h.polite = (data[0] & 1) != 0;
    h.id.vid = ids[data[1] % KILN_ARRAY_LEN(ids)][0];
    h.id.pid = ids[data[1] % KILN_ARRAY_LEN(ids)][1];
    h.id.bcd_device = (data[0] & 2) != 0 ? 0x0200 : 0;
    h.config_len = KILN_MIN(kiln_le16(data + 2), size - 4);
    h.config = data + 4;
    h.at = data + 4 + h.config_len;
    h.end = data + size;
    h.phase = 2;
    if ((data[0] & 4) != 0) {
        h.config = usual_config;
        h.config_len = sizeof usual_config;
    }
    if ((data[0] & 8) != 0)
        options.chip = "stm32f407";
    options.after = (data[0] & 16) != 0 ? KILN_AFTER_STAY : KILN_AFTER_DEFAULT;
    if (kiln_dfu_connect(&ctx, &h.base, &options, &loader) == KILN_OK) {
        if (h.config == usual_config)
            h.info = loader->ops->info(loader);
        use(&h, &ctx, loader);
        loader->ops->free(loader);
    } else if (ctx.error.message[0] == '\0') {
        abort();
    }
    return 0;
}
