/* SPDX-License-Identifier: MIT */
/* From a USB device to a DFU session: finding the interface, detaching from run-time, first state. */
#include "loader/dfu_internal.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TRANSFER_SIZE_FALLBACK 1024 /* fwupd's, for devices that say FFFF */
#define TRANSFER_SIZE_UNKNOWN \
    64 /* the packet size of endpoint 0 at full speed, or a multiple of it */

const struct kiln_target_info *dfu_info(const struct kiln_loader *loader)
{
    return &((const struct kiln_dfu *)loader)->info;
}

void dfu_free(struct kiln_loader *loader)
{
    free(loader);
}

bool dfu_alt_is_wanted(const struct kiln_loader_options *options, uint8_t alt, const char *name)
{
    char *end;
    unsigned long number;

    if (options->alt == NULL || options->alt[0] == '\0')
        return true;
    number = strtoul(options->alt, &end, 10);
    if (*end == '\0')
        return number == alt;
    return strcasecmp(options->alt, name) == 0;
}

enum kiln_status dfu_fail_alt(struct kiln_ctx *ctx, const struct kiln_loader_options *options,
                              const char *names)
{
    return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_CHOOSE_ALT,
                          "the device has no alternate setting \"%s\" but %s", options->alt, names);
}

void dfu_add_alt_name(char *names, size_t cap, uint8_t alt, const char *name)
{
    size_t used = strlen(names);

    snprintf(names + used, cap - used, "%s%u \"%s\"", used > 0 ? ", " : "", alt, name);
}

/* ---- which interface ---- */

bool dfu_alt_in_dfu_mode(unsigned quirks, const struct kiln_dfu_alt *alt, unsigned interfaces)
{
    if (alt->protocol == KILN_DFU_PROTOCOL_DFU)
        return true;
    if ((quirks & KILN_DFU_QUIRK_IN_DFU_MODE) != 0 &&
        ((quirks & KILN_DFU_QUIRK_ONE_INTERFACE) == 0 || interfaces == 1))
        return true;
    return alt->protocol == 0 && alt->function.version == KILN_DFU_VERSION_DFUSE;
}

static void use_interface(struct kiln_dfu *self, const struct kiln_dfu_alt *all, size_t count,
                          const struct kiln_dfu_alt *chosen)
{
    self->interface = chosen->interface;
    self->function = chosen->function;
    self->alt_count = 0;
    for (size_t i = 0; i < count; i++)
        if (all[i].interface == chosen->interface)
            self->alts[self->alt_count++] = all[i];
}

/* Reads the device's ids and descriptors afresh. OK with *out_dfu_mode false: it is in run-time. */
static enum kiln_status find_interface(struct kiln_dfu *self, struct kiln_ctx *ctx,
                                       bool *out_dfu_mode)
{
    const struct kiln_usb_identity *id = kiln_usb_identity(self->link);
    struct kiln_dfu_alt all[KILN_DFU_ALT_MAX];
    size_t len, count;
    const uint8_t *config = kiln_usb_config(self->link, &len);
    unsigned interfaces = kiln_dfu_interface_count(config, len);

    self->quirk = kiln_dfu_quirk_find(id->vid, id->pid, id->bcd_device);
    self->quirks = self->quirk != NULL ? self->quirk->flags : 0;
    if ((self->quirks & KILN_DFU_QUIRK_UNSUPPORTED) != 0)
        return kiln_fail(ctx, KILN_E_UNSUPPORTED, "%04x:%04x: %s", id->vid, id->pid,
                         self->quirk->what);
    count = kiln_dfu_find_alts(config, len, all, KILN_ARRAY_LEN(all));
    if (count == 0)
        return kiln_fail_hint(ctx, KILN_E_UNSUPPORTED, KILN_HINT_DFU_REPLUG,
                              "%04x:%04x has no DFU interface", id->vid, id->pid);
    *out_dfu_mode = true;
    for (size_t i = 0; i < count; i++)
        if ((self->wanted_interface < 0 || self->wanted_interface == all[i].interface) &&
            dfu_alt_in_dfu_mode(self->quirks, &all[i], interfaces)) {
            use_interface(self, all, count, &all[i]);
            return KILN_OK;
        }
    *out_dfu_mode = false;
    use_interface(self, all, count, &all[0]);
    return KILN_OK;
}

/* ---- from run-time to DFU mode ---- */

/* DETACH and, for a device that does not do so by itself, a bus reset within wDetachTimeOut. */
static enum kiln_status push_off(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    bool by_itself = (self->function.attributes & KILN_DFU_WILL_DETACH) != 0;
    uint16_t timeout =
        self->function.detach_timeout_ms != 0 ? self->function.detach_timeout_ms : 1000;
    enum kiln_status status = dfu_detach(self, ctx, timeout);

    if (status == KILN_E_CANCELLED)
        return status;
    /* a device may be off the bus before it has answered, or stall and go all the same */
    if (by_itself || status != KILN_OK) {
        if (dfu_wait_gone(self, ctx, DFU_DETACH_MS))
            return KILN_OK;
        if (status == KILN_E_NAK)
            return kiln_fail_hint(ctx, KILN_E_NAK, KILN_HINT_DFU_REPLUG,
                                  "the running application refuses to detach");
    }
    status = kiln_usb_reset(self->link, ctx);
    if (status == KILN_E_CANCELLED)
        return status;
    if (status != KILN_OK && status != KILN_E_GONE)
        return kiln_while(ctx, "while resetting the device into DFU mode");
    return dfu_wait_gone(self, ctx, DFU_DETACH_MS) || status == KILN_E_GONE
               ? KILN_OK
               : kiln_fail_hint(ctx, KILN_E_TIMEOUT, KILN_HINT_DFU_REPLUG,
                                "the device stays in its application after detach and reset");
}

static enum kiln_status enter_dfu_mode(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    static const struct kiln_usb_match any = {-1, -1};
    const struct kiln_usb_identity *id = kiln_usb_identity(self->link);
    bool dfu_mode = false;
    uint64_t saved;
    enum kiln_status status;

    kiln_log(ctx, KILN_LOG_INFO, "loader", "%04x:%04x runs its application: detaching", id->vid,
             id->pid);
    KILN_TRY(kiln_usb_claim(self->link, ctx, self->interface));
    KILN_TRY(push_off(self, ctx));
    kiln_error_clear(ctx);
    saved = kiln_deadline_narrow(ctx, DFU_RETURN_MS);
    status = kiln_usb_reopen(self->link, ctx, &any);
    kiln_deadline_restore(ctx, saved);
    if (status != KILN_OK)
        return kiln_while(ctx, "while waiting for the device to come back in DFU mode");
    KILN_TRY(find_interface(self, ctx, &dfu_mode));
    if (!dfu_mode)
        return kiln_fail_hint(ctx, KILN_E_PROTO, KILN_HINT_DFU_REPLUG,
                              "the device detached and came back in its application");
    return KILN_OK;
}

/* ---- what the descriptors mean ---- */

static void mend_function(struct kiln_dfu *self, struct kiln_ctx *ctx, uint32_t wanted_size)
{
    struct kiln_dfu_function *f = &self->function;
    uint16_t size = f->transfer_size;

    if (!f->present) {
        dfu_note(self, ctx, "no functional descriptor: what the device can do is assumed");
        f->attributes = KILN_DFU_CAN_DNLOAD | KILN_DFU_CAN_UPLOAD;
        f->version = 0x0100;
    }
    if ((self->quirks & KILN_DFU_QUIRK_FORCE_DFU11) != 0)
        f->version = 0x0110;
    if ((self->quirks & KILN_DFU_QUIRK_FORCE_DFUSE) != 0)
        f->version = KILN_DFU_VERSION_DFUSE;
    if (size == 0xffff)
        self->block = TRANSFER_SIZE_FALLBACK;
    else if (size == 0)
        self->block = TRANSFER_SIZE_UNKNOWN;
    else
        self->block = KILN_MIN(size, DFU_TRANSFER_MAX);
    self->counts = self->block == size;
    if (wanted_size != 0) {
        /* less than a packet makes nothing easier for the device, and a comparison take minutes; more than it says it
         * cannot take */
        size_t most = size == 0 || size == 0xffff ? (size_t)DFU_TRANSFER_MAX : self->block;

        self->block = KILN_MIN(self->block, (size_t)TRANSFER_SIZE_UNKNOWN);
        self->block = KILN_MIN(KILN_MAX(wanted_size, self->block), most);
        self->counts = self->block == size;
    } else if (!self->counts)
        dfu_note(self, ctx, "transfer size %u taken as %zu", size, self->block);
}

/* Bytes where UTF-16 should be. */
void dfu_read_8bit_serial(struct kiln_usb_link *link, struct kiln_ctx *ctx, char *text, size_t cap)
{
    struct kiln_usb_setup setup = {.request_type = 0x80, .request = 6, .value = 0x0100};
    uint64_t saved = kiln_deadline_narrow(ctx, DFU_CONTROL_MS);
    uint8_t bytes[255];
    size_t got = 0, n = 0;

    if (kiln_usb_control(link, ctx, &setup, bytes, 18, &got) == KILN_OK && got >= 17 &&
        bytes[16] != 0) {
        setup.value = (uint16_t)(0x0300 | bytes[16]);
        setup.index = 0x0409;
        if (kiln_usb_control(link, ctx, &setup, bytes, sizeof bytes, &got) == KILN_OK && got >= 2) {
            got = KILN_MIN(got, bytes[0]);
            for (size_t i = 2; i < got && n + 1 < cap; i++)
                if (bytes[i] >= ' ' && bytes[i] <= '~')
                    text[n++] = (char)bytes[i];
            text[n] = '\0';
        }
    }
    kiln_deadline_restore(ctx, saved);
    kiln_error_clear(ctx);
}

static void fill_info(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    const struct kiln_usb_identity *id = kiln_usb_identity(self->link);
    struct kiln_target_info *info = &self->info;
    size_t n = 0;

    for (const char *p = id->product; *p != '\0' && n + 1 < sizeof info->chip_title; p++)
        if (*p != ' ' || (n > 0 && info->chip_title[n - 1] != ' '))
            info->chip_title[n++] = *p;
    if (n == 0)
        snprintf(info->chip_title, sizeof info->chip_title, "DFU device %04x:%04x", id->vid,
                 id->pid);
    snprintf(info->serial, sizeof info->serial, "%s", id->serial);
    if ((self->quirks & KILN_DFU_QUIRK_SERIAL_8BIT) != 0)
        dfu_read_8bit_serial(self->link, ctx, info->serial, sizeof info->serial);
    snprintf(info->loader, sizeof info->loader,
             self->function.version == KILN_DFU_VERSION_DFUSE ? "DfuSe 1.1a" : "DFU %x.%x",
             self->function.version >> 8, self->function.version >> 4 & 0xf);
    if (self->quirk != NULL && self->quirk->what != NULL)
        kiln_log(ctx, KILN_LOG_DEBUG, "loader", "quirk row: %s", self->quirk->what);
}

static enum kiln_status select_first_alt(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    enum kiln_status status;

    if (self->alt_count == 1 && self->alts[0].alt == 0) {
        self->alt = 0; /* a device with one setting need not know SET_INTERFACE */
        return KILN_OK;
    }
    status = dfu_select_alt(self, ctx, self->alts[0].alt);
    if (self->alts[0].alt != 0 || (status != KILN_E_NAK && status != KILN_E_TIMEOUT))
        return status;
    kiln_error_clear(ctx);
    dfu_note(self, ctx, "the device does not answer when setting 0 is chosen; it is taken to be");
    self->alt = 0;
    return KILN_OK;
}

static enum kiln_status attach(struct kiln_dfu *self, struct kiln_ctx *ctx,
                               const struct kiln_loader_options *options)
{
    bool dfu_mode = false;

    KILN_TRY(find_interface(self, ctx, &dfu_mode));
    if (!dfu_mode && options->before == KILN_BEFORE_NO_RESET)
        return kiln_fail_hint(ctx, KILN_E_REFUSED, KILN_HINT_DFU_REPLUG,
                              "the device runs its application and may not be reset");
    if (!dfu_mode)
        KILN_TRY(enter_dfu_mode(self, ctx));
    mend_function(self, ctx, options->transfer_size);
    if (self->function.version == KILN_DFU_VERSION_ATMEL)
        return kiln_fail(ctx, KILN_E_UNSUPPORTED,
                         "the device speaks Atmel's own protocol under the name of DFU");
    KILN_TRY(kiln_usb_claim(self->link, ctx, self->interface));
    KILN_TRY(select_first_alt(self, ctx));
    KILN_TRY(dfu_to_idle(self, ctx));
    fill_info(self, ctx);
    if (self->function.version == KILN_DFU_VERSION_DFUSE) {
        self->base.ops = &kiln_dfuse_ops;
        return dfuse_identify(self, ctx, options);
    }
    return dfu_stream_identify(self, ctx, options);
}

enum kiln_status kiln_dfu_connect(struct kiln_ctx *ctx, struct kiln_usb_link *link,
                                  const struct kiln_loader_options *options,
                                  struct kiln_loader **out_loader)
{
    struct kiln_dfu *self = calloc(1, sizeof *self);
    enum kiln_status status;

    *out_loader = NULL;
    if (self == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    self->base.ops = &kiln_dfu_stream_ops;
    self->link = link;
    self->after = options->after;
    self->start_address = options->has_start_address ? options->start_address : UINT64_MAX;
    self->wanted_interface = options->has_dfu_interface ? options->dfu_interface : -1;
    self->alt = -1;
    self->state = DFU_STATE_UNKNOWN;
    self->sticks_from = UINT64_MAX;
    status = attach(self, ctx, options);
    if (status != KILN_OK) {
        free(self);
        return status;
    }
    *out_loader = &self->base;
    return KILN_OK;
}
