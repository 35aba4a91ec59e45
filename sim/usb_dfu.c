/* SPDX-License-Identifier: MIT */
/* A simulated DFU device on its bus: presence, power, standard requests, and the failures of the knobs. */
#include "sim/usb_dfu.h"

#include "base/bytes.h"
#include "sim/boards.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000ull

/* Full speed, USB 2.0 table 5-2: 45 bytes of overhead a control transfer; each further packet of 64 bytes
 * has a token, a handshake and gaps, 13 bytes. 12 Mbit/s. */
#define NS_PER_BYTE     667u
#define TRANSFER_BYTES  45u
#define PACKET_OVERHEAD 13u
#define PACKET          64u

#define RECIPIENT_TYPE(request_type) ((request_type)&0x7F)
#define CLASS_INTERFACE              0x21
#define STANDARD_DEVICE              0x00
#define STANDARD_INTERFACE           0x01
#define STANDARD_ENDPOINT            0x02

#define GET_STATUS     0
#define CLEAR_FEATURE  1
#define SET_ADDRESS    5
#define GET_DESCRIPTOR 6
#define GET_CONFIG     8
#define SET_CONFIG     9
#define GET_INTERFACE  10
#define SET_INTERFACE  11

static struct dfu_sim *self_of(struct kiln_sim_usb *base)
{
    return KILN_CONTAINER(base, struct dfu_sim, base);
}

static uint64_t wire_ns(size_t len)
{
    uint64_t packets = (len + PACKET - 1) / PACKET;

    return (TRANSFER_BYTES + len + packets * PACKET_OVERHEAD) * NS_PER_BYTE;
}

/* ---- presence ---- */

void kiln_dfusim_enter(struct dfu_sim *sim, enum dfu_mode mode)
{
    sim->mode = mode;
    sim->state = mode == DFU_MODE_BOOTLOADER ? DFU_IDLE : DFU_APP_IDLE;
    sim->status = DFU_OK;
    if (mode == DFU_MODE_BOOTLOADER && (sim->row.quirks & DFU_Q_START_ERROR) != 0) {
        sim->state = DFU_ERROR;
        sim->status = DFU_ERR_FIRMWARE;
    }
    sim->pointer = sim->row.region[0].base;
    sim->alt = 0;
    sim->configured = false;
    sim->pending = sim->stuck = sim->erasing = false;
    sim->busy_until_ns = sim->detach_until_ns = 0;
    sim->plain_offset = 0;
}

void kiln_dfusim_plan_leave(struct dfu_sim *sim, uint64_t when_ns, bool back, enum dfu_mode mode)
{
    sim->vanish_ns = when_ns;
    sim->comes_back = back;
    sim->next_mode = mode;
}

static void appear(struct dfu_sim *sim, enum dfu_mode mode)
{
    sim->appear_ns = UINT64_MAX;
    kiln_dfusim_enter(sim, mode);
    sim->present = mode != DFU_MODE_SILENT_APPLICATION;
    if (sim->present)
        sim->generation++;
}

static void settle(struct dfu_sim *sim, uint64_t now_ns)
{
    if (sim->plug_later) {
        sim->appear_ns = now_ns + sim->knobs.plug_ms * NS_PER_MS;
        sim->plug_later = false;
    }
    if (sim->present && now_ns >= sim->vanish_ns) {
        sim->present = false;
        if (sim->comes_back)
            sim->appear_ns = sim->vanish_ns + sim->row.reattach_ms * NS_PER_MS;
        else if (sim->powered)
            sim->mode = sim->next_mode;
        sim->vanish_ns = UINT64_MAX;
    }
    if (!sim->present && now_ns >= sim->appear_ns)
        appear(sim, sim->next_mode);
}

static void presence(struct kiln_sim_usb *base, uint64_t now_ns, bool *out_present,
                     unsigned *out_generation)
{
    struct dfu_sim *sim = self_of(base);

    settle(sim, now_ns);
    *out_present = sim->present;
    *out_generation = sim->generation;
}

static uint64_t next_event_ns(struct kiln_sim_usb *base)
{
    struct dfu_sim *sim = self_of(base);

    return sim->present ? sim->vanish_ns : sim->appear_ns;
}

/* How the board starts: with its application where it has a run-time interface or boot=run says so. */
static enum dfu_mode first_mode(const struct dfu_sim *sim)
{
    bool runtime = (sim->row.quirks & DFU_Q_RUNTIME) != 0;
    bool run = sim->knobs.boot[0] != '\0' ? strcmp(sim->knobs.boot, "run") == 0 : runtime;

    if (!run)
        return DFU_MODE_BOOTLOADER;
    return runtime ? DFU_MODE_APPLICATION : DFU_MODE_SILENT_APPLICATION;
}

static void power_cycle(struct kiln_sim_usb *base, uint64_t now_ns)
{
    struct dfu_sim *sim = self_of(base);

    settle(sim, now_ns);
    sim->powered = true;
    sim->present = false;
    sim->vanish_ns = UINT64_MAX;
    appear(sim, first_mode(sim));
}

static void bus_reset(struct kiln_sim_usb *base, uint64_t now_ns)
{
    struct dfu_sim *sim = self_of(base);
    bool runtime = (sim->row.quirks & DFU_Q_RUNTIME) != 0;

    settle(sim, now_ns);
    if (!sim->present)
        return;
    if (sim->mode == DFU_MODE_APPLICATION) {
        if (kiln_dfusim_is_cdc(sim))
            return;
        if (sim->state == DFU_APP_DETACH && now_ns <= sim->detach_until_ns)
            kiln_dfusim_plan_leave(sim, now_ns, true, DFU_MODE_BOOTLOADER);
        else
            sim->state = DFU_APP_IDLE;
    } else if (sim->state == DFU_MANIFEST_WAIT_RESET) {
        kiln_dfusim_plan_leave(sim, now_ns, runtime,
                               runtime ? DFU_MODE_APPLICATION : DFU_MODE_SILENT_APPLICATION);
    } else if (sim->vanish_ns == UINT64_MAX) {
        kiln_dfusim_enter(sim, DFU_MODE_BOOTLOADER);
        sim->state = DFU_IDLE;
        sim->status = DFU_OK;
    }
    settle(sim, now_ns);
}

/* ---- control transfers ---- */

static enum kiln_sim_usb_result get_descriptor(struct dfu_sim *sim,
                                               const struct kiln_usb_setup *setup, uint8_t *data,
                                               size_t len, size_t *out_len)
{
    uint8_t functional[9];

    switch (setup->value >> 8) {
    case 1:
        *out_len = kiln_dfusim_desc_device(sim, data, len);
        return KILN_SIM_USB_OK;
    case 2:
        *out_len = kiln_dfusim_desc_config(sim, data, len);
        return (setup->value & 0xFF) == 0 ? KILN_SIM_USB_OK : KILN_SIM_USB_STALL;
    case 3:
        *out_len = kiln_dfusim_desc_string(sim, (uint8_t)setup->value, data, len);
        return *out_len > 0 || len == 0 ? KILN_SIM_USB_OK : KILN_SIM_USB_STALL;
    case 0x21:
        if ((sim->row.quirks & DFU_Q_STRICT) != 0)
            return KILN_SIM_USB_SILENT;
        *out_len = kiln_dfusim_desc_functional(sim, functional);
        *out_len = KILN_MIN(*out_len, len);
        memcpy(data, functional, *out_len);
        return KILN_SIM_USB_OK;
    default:
        return KILN_SIM_USB_STALL;
    }
}

static enum kiln_sim_usb_result reply_zeros(uint8_t *data, size_t len, size_t want, size_t *out_len)
{
    *out_len = KILN_MIN(len, want);
    memset(data, 0, *out_len);
    return KILN_SIM_USB_OK;
}

static enum kiln_sim_usb_result standard_in(struct dfu_sim *sim, const struct kiln_usb_setup *setup,
                                            uint8_t *data, size_t len, size_t *out_len)
{
    switch (setup->request) {
    case GET_DESCRIPTOR:
        return get_descriptor(sim, setup, data, len, out_len);
    case GET_STATUS:
        return reply_zeros(data, len, 2, out_len);
    case GET_CONFIG:
    case GET_INTERFACE:
        *out_len = KILN_MIN(len, 1u);
        if (len > 0)
            data[0] = setup->request == GET_CONFIG ? sim->configured : sim->alt;
        return KILN_SIM_USB_OK;
    default:
        return KILN_SIM_USB_STALL;
    }
}

static enum kiln_sim_usb_result standard_out(struct dfu_sim *sim,
                                             const struct kiln_usb_setup *setup)
{
    switch (setup->request) {
    case SET_ADDRESS:
        return KILN_SIM_USB_OK;
    case SET_CONFIG:
        if (setup->value > 1)
            return KILN_SIM_USB_STALL;
        sim->configured = setup->value == 1;
        sim->alt = 0;
        return KILN_SIM_USB_OK;
    case SET_INTERFACE:
        if ((sim->row.quirks & DFU_Q_HANG_ALT) != 0)
            return KILN_SIM_USB_SILENT;
        if (kiln_dfusim_is_cdc(sim))
            return setup->index < 2 && setup->value == 0 ? KILN_SIM_USB_OK : KILN_SIM_USB_STALL;
        if (setup->index != 0 || setup->value >= kiln_dfusim_alt_count(sim))
            return KILN_SIM_USB_STALL;
        sim->alt = (uint8_t)setup->value;
        return KILN_SIM_USB_OK;
    case CLEAR_FEATURE:
        return setup->request_type == STANDARD_ENDPOINT ? KILN_SIM_USB_OK : KILN_SIM_USB_STALL;
    default:
        return KILN_SIM_USB_STALL;
    }
}

/* Class requests are the board's commands; the knobs count them and their replies. */
static enum kiln_sim_usb_result counted_request(struct dfu_sim *sim,
                                                const struct kiln_usb_setup *setup, uint8_t *data,
                                                size_t len, size_t *out_len, uint64_t *done_ns)
{
    const struct kiln_sim_knobs *knobs = &sim->knobs;
    int64_t command = sim->commands++;
    enum kiln_sim_usb_result result;
    int64_t reply;

    if (command == knobs->unplug_at) {
        sim->powered = false;
        kiln_dfusim_plan_leave(sim, *done_ns, false, DFU_MODE_BOOTLOADER);
        return KILN_SIM_USB_GONE;
    }
    if (command == knobs->refuse_at) {
        sim->state = DFU_ERROR;
        sim->status = DFU_ERR_STALLEDPKT;
        return KILN_SIM_USB_STALL;
    }
    if (kiln_dfusim_is_cdc(sim))
        result = kiln_dfusim_cdc_request(sim, setup, data, len, out_len, *done_ns);
    else
        result = kiln_dfusim_request(sim, setup, data, len, out_len, done_ns);
    if ((setup->request_type & 0x80) == 0 || result != KILN_SIM_USB_OK)
        return result;
    reply = sim->replies++;
    if (reply == knobs->delay_at)
        *done_ns += knobs->delay_ms * NS_PER_MS;
    if (reply == knobs->corrupt_reply_at && *out_len > 0)
        data[knobs->seed % *out_len] ^= (uint8_t)(1u << (knobs->seed / *out_len % 8));
    return reply == knobs->drop_reply_at ? KILN_SIM_USB_SILENT : result;
}

static enum kiln_sim_usb_result dispatch(struct dfu_sim *sim, const struct kiln_usb_setup *setup,
                                         uint8_t *data, size_t len, size_t *out_len,
                                         uint64_t *done_ns)
{
    switch (RECIPIENT_TYPE(setup->request_type)) {
    case CLASS_INTERFACE:
        return counted_request(sim, setup, data, len, out_len, done_ns);
    case STANDARD_DEVICE:
    case STANDARD_INTERFACE:
    case STANDARD_ENDPOINT:
        if ((setup->request_type & 0x80) != 0)
            return standard_in(sim, setup, data, len, out_len);
        return standard_out(sim, setup);
    default:
        return KILN_SIM_USB_STALL;
    }
}

/* ---- a device that means no good ---- */

static uint32_t roll(struct dfu_sim *sim, size_t sides)
{
    sim->random = sim->random * 1664525u + 1013904223u;
    return (uint32_t)((sim->random >> 8) % sides);
}

/* Of 64 answers one never comes, one is the last, four are stalls, and half of those that carry data carry rubbish. */
static enum kiln_sim_usb_result twist(struct dfu_sim *sim, const struct kiln_usb_setup *setup,
                                      enum kiln_sim_usb_result result, uint8_t *data, size_t len,
                                      size_t *out_len, uint64_t now_ns)
{
    uint32_t dice = roll(sim, 64);

    if (dice == 0)
        return KILN_SIM_USB_SILENT;
    if (dice == 1)
        kiln_dfusim_plan_leave(sim, now_ns, roll(sim, 2) == 0, DFU_MODE_BOOTLOADER);
    if (dice < 6)
        return KILN_SIM_USB_STALL;
    if ((setup->request_type & 0x80) == 0 || dice < 32)
        return result;
    *out_len = roll(sim, 4) == 0 ? roll(sim, len + 1) : len;
    for (size_t i = 0; i < *out_len; i++)
        if (dice < 48 || roll(sim, 8) == 0)
            data[i] = (uint8_t)roll(sim, 256);
    return KILN_SIM_USB_OK;
}

static void twist_descriptor(const struct dfu_sim *sim, uint8_t *bytes, size_t len)
{
    uint32_t seed = sim->knobs.seed;

    for (uint32_t i = 0; (sim->row.quirks & DFU_Q_HOSTILE) != 0 && i < seed % 5; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[9 + (seed >> 8) % (len - 9)] = (uint8_t)(seed >> 24);
    }
}

static bool stalls_while_busy(const struct dfu_sim *sim, uint64_t now_ns)
{
    return now_ns < sim->busy_until_ns && sim->erasing && (sim->row.quirks & DFU_Q_STALL_BUSY) != 0;
}

static enum kiln_sim_usb_result control(struct kiln_sim_usb *base, uint64_t now_ns,
                                        const struct kiln_usb_setup *setup, uint8_t *data,
                                        size_t len, size_t *out_len, uint64_t *done_ns)
{
    struct dfu_sim *sim = self_of(base);
    enum kiln_sim_usb_result result;
    uint64_t start_ns;

    *out_len = 0;
    *done_ns = now_ns;
    settle(sim, now_ns);
    if (!sim->present)
        return KILN_SIM_USB_GONE;
    if (stalls_while_busy(sim, now_ns)) {
        *done_ns = now_ns + wire_ns(0);
        return KILN_SIM_USB_STALL;
    }
    start_ns = KILN_MAX(now_ns, sim->busy_until_ns);
    if (start_ns >= sim->vanish_ns) {
        *done_ns = sim->vanish_ns;
        settle(sim, *done_ns);
        return KILN_SIM_USB_GONE;
    }
    *done_ns = start_ns + wire_ns(len) + sim->knobs.latency_us * 1000ull;
    result = dispatch(sim, setup, data, len, out_len, done_ns);
    if ((sim->row.quirks & DFU_Q_HOSTILE) != 0)
        result = twist(sim, setup, result, data, len, out_len, *done_ns);
    if (result == KILN_SIM_USB_OK && (setup->request_type & 0x80) == 0)
        *out_len = len;
    if (result == KILN_SIM_USB_GONE)
        settle(sim, *done_ns);
    return result;
}

/* A DFU interface has no endpoints; a serial port has nothing to say and swallows all. */
static enum kiln_sim_usb_result transfer(struct kiln_sim_usb *base, uint64_t now_ns,
                                         uint8_t endpoint, uint8_t *data, size_t len,
                                         size_t *out_len, uint64_t *done_ns)
{
    struct dfu_sim *sim = self_of(base);

    (void)data;
    *out_len = 0;
    *done_ns = now_ns;
    settle(sim, now_ns);
    if (!sim->present)
        return KILN_SIM_USB_GONE;
    if (!kiln_dfusim_is_cdc(sim))
        return KILN_SIM_USB_STALL;
    if ((endpoint & 0x80) != 0)
        return KILN_SIM_USB_SILENT;
    *done_ns = now_ns + wire_ns(len);
    *out_len = len;
    return KILN_SIM_USB_OK;
}

static size_t device_descriptor(struct kiln_sim_usb *base, uint8_t *bytes, size_t cap)
{
    return kiln_dfusim_desc_device(self_of(base), bytes, cap);
}

static size_t config_descriptor(struct kiln_sim_usb *base, uint8_t *bytes, size_t cap)
{
    size_t len = kiln_dfusim_desc_config(self_of(base), bytes, cap);

    twist_descriptor(self_of(base), bytes, len);
    return len;
}

static uint8_t *flash(struct kiln_sim_usb *base, size_t *out_size)
{
    struct dfu_sim *sim = self_of(base);

    *out_size = sim->mem_len[0];
    return sim->mem[0];
}

static void release(struct dfu_sim *sim)
{
    for (size_t r = 0; r < DFU_REGIONS; r++)
        free(sim->mem[r]);
    free(sim);
}

static void free_board(struct kiln_sim_usb *base)
{
    struct dfu_sim *sim = self_of(base);

    kiln_sim_flash_save(&sim->knobs, sim->mem[0], sim->mem_len[0]);
    release(sim);
}

static const struct kiln_sim_usb_ops dfu_ops = {
    .control = control,
    .transfer = transfer,
    .presence = presence,
    .next_event_ns = next_event_ns,
    .device_descriptor = device_descriptor,
    .config_descriptor = config_descriptor,
    .bus_reset = bus_reset,
    .power_cycle = power_cycle,
    .flash = flash,
    .free = free_board,
};

/* ---- making one ---- */

static bool apply_variant(struct dfu_row *row, const char *name, size_t len)
{
    for (size_t i = 0; i < kiln_dfusim_variant_count; i++) {
        const struct dfu_variant *variant = &kiln_dfusim_variants[i];
        size_t g = 0;

        if (strncmp(variant->name, name, len) != 0 || variant->name[len] != '\0')
            continue;
        row->quirks = (row->quirks | variant->set) & ~variant->clear;
        if (variant->alt0 != NULL)
            row->alt[0] = variant->alt0;
        if ((variant->set & DFU_Q_STRICT) != 0)
            row->alt[1] = NULL;
        while (g < DFU_GROUPS && row->region[0].group[g].count != 0)
            g++;
        for (size_t m = 0; m < KILN_ARRAY_LEN(variant->more) && g < DFU_GROUPS; m++)
            row->region[0].group[g++] = variant->more[m];
        return true;
    }
    return false;
}

/* variant=NAME or several: "rdp1,strict". */
static enum kiln_status apply_variants(struct kiln_ctx *ctx, struct dfu_sim *sim)
{
    const char *name = sim->knobs.variant;

    while (*name != '\0') {
        size_t len = strcspn(name, ",");

        if (!apply_variant(&sim->row, name, len))
            return kiln_fail(ctx, KILN_E_ARG, "%s has no variant \"%.*s\"", sim->row.name, (int)len,
                             name);
        name += len + (name[len] == ',');
    }
    return KILN_OK;
}

static enum kiln_status make_memory(struct kiln_ctx *ctx, struct dfu_sim *sim)
{
    for (size_t r = 0; r < DFU_REGIONS; r++) {
        const struct dfu_sectors *group = sim->row.region[r].group;

        for (size_t g = 0; g < DFU_GROUPS; g++)
            sim->mem_len[r] += (size_t)group[g].count * group[g].size;
        if (sim->mem_len[r] == 0)
            continue;
        sim->mem[r] = malloc(sim->mem_len[r]);
        if (sim->mem[r] == NULL)
            return kiln_fail(ctx, KILN_E_NOMEM, "no memory for a simulated board");
    }
    kiln_dfusim_mem_init(sim);
    return kiln_sim_flash_load(ctx, &sim->knobs, sim->mem[0], sim->mem_len[0]);
}

enum kiln_status kiln_sim_make_dfu(struct kiln_ctx *ctx, const struct kiln_sim_knobs *knobs,
                                   struct kiln_sim_usb **out)
{
    struct dfu_sim *sim = calloc(1, sizeof *sim);
    enum kiln_status status = KILN_OK;
    size_t i = 0;

    if (sim == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "no memory for a simulated board");
    while (i < kiln_dfusim_row_count && strcmp(kiln_dfusim_rows[i].name, knobs->board) != 0)
        i++;
    if (i == kiln_dfusim_row_count) {
        free(sim);
        return kiln_fail(ctx, KILN_E_ARG, "there is no simulated board \"%s\"", knobs->board);
    }
    sim->base.ops = &dfu_ops;
    sim->row = kiln_dfusim_rows[i];
    sim->knobs = *knobs;
    sim->random = knobs->seed;
    sim->appear_ns = sim->vanish_ns = UINT64_MAX;
    sim->powered = true;
    status = apply_variants(ctx, sim);
    sim->read_protected = (sim->row.quirks & DFU_Q_RDP1) != 0;
    if (status == KILN_OK)
        status = make_memory(ctx, sim);
    if (status != KILN_OK) {
        release(sim);
        return status;
    }
    appear(sim, first_mode(sim));
    if (knobs->plug_ms > 0) {
        sim->next_mode = sim->mode;
        sim->present = false;
        sim->plug_later = true;
    }
    *out = &sim->base;
    return KILN_OK;
}

void kiln_sim_dfu_view(const struct kiln_sim_usb *board, struct kiln_sim_dfu_view *out)
{
    const struct dfu_sim *sim = KILN_CONTAINER(board, struct dfu_sim, base);

    *out = (struct kiln_sim_dfu_view){
        .state = sim->state,
        .status = sim->status,
        .pointer = sim->pointer,
        .read_protected = sim->read_protected,
        .in_application = sim->mode != DFU_MODE_BOOTLOADER,
        .commands = sim->commands,
        .flash_ops = sim->flash_ops,
        .erases = sim->erases,
    };
}
