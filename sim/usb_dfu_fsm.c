/* SPDX-License-Identifier: MIT */
/*
 * The DFU state machine: USB DFU 1.1 appendix A with ST's DfuSe commands in it.
 *
 * Like ST's own code it answers CLRSTATUS outside of dfuERROR by going there (errUNKNOWN), and ignores an
 * ABORT that makes no sense; DFU_Q_STRICT devices stall both.
 */
#include "base/bytes.h"
#include "sim/usb_dfu.h"

#include <string.h>

#define NS_PER_MS 1000000ull

enum {
    REQUEST_DETACH,
    REQUEST_DNLOAD,
    REQUEST_UPLOAD,
    REQUEST_GETSTATUS,
    REQUEST_CLRSTATUS,
    REQUEST_GETSTATE,
    REQUEST_ABORT
};

enum { COMMAND_GET = 0x00, COMMAND_SET_ADDRESS = 0x21, COMMAND_ERASE = 0x41 };
#define COMMAND_READ_UNPROTECT 0x92

#define BANK_2       0x08100000u
#define FIRST_BLOCK  2 /* blocks 0 and 1 are commands and reserved */
#define LEAVE_NS     (5 * NS_PER_MS)
#define MANIFEST_MS  50
#define STRING_INDEX 0

bool kiln_dfusim_is_dfuse(const struct dfu_sim *sim)
{
    return sim->row.bcd_dfu == 0x011A;
}

static void set_error(struct dfu_sim *sim, enum dfu_status status)
{
    sim->state = DFU_ERROR;
    sim->status = status;
    sim->pending = false;
}

/* A request that the state does not allow. */
static enum kiln_sim_usb_result stall(struct dfu_sim *sim)
{
    set_error(sim, DFU_ERR_STALLEDPKT);
    return KILN_SIM_USB_STALL;
}

static void to_idle(struct dfu_sim *sim)
{
    sim->state = DFU_IDLE;
    sim->status = DFU_OK;
    sim->pending = false;
    sim->block = 0;
    sim->plain_offset = 0;
}

/* ---- the work that DNLOAD asked for ---- */

static bool is_command(const struct dfu_sim *sim, uint8_t command, size_t len)
{
    return kiln_dfusim_is_dfuse(sim) && sim->block == 0 && sim->buffer_len == len &&
           sim->buffer[0] == command;
}

static bool is_mass_erase(const struct dfu_sim *sim)
{
    return is_command(sim, COMMAND_ERASE, 1) || is_command(sim, COMMAND_READ_UNPROTECT, 1);
}

static struct dfu_work do_command(struct dfu_sim *sim)
{
    struct dfu_work work = {DFU_OK, 0, false};
    uint32_t address = sim->buffer_len == 5 ? kiln_le32(sim->buffer + 1) : 0;
    size_t left;

    if (is_command(sim, COMMAND_SET_ADDRESS, 5)) {
        if (sim->read_protected && (sim->row.quirks & DFU_Q_RDP_NO_SET) != 0)
            work.status = DFU_ERR_VENDOR;
        else if (kiln_dfusim_mem_find(sim, address, 0, &left) == NULL)
            work.status = DFU_ERR_TARGET;
        else
            sim->pointer = address;
    } else if (is_command(sim, COMMAND_ERASE, 5)) {
        work = kiln_dfusim_mem_erase_page(sim, address);
        sim->stuck = work.status == DFU_OK && address >= BANK_2 &&
                     (sim->row.quirks & DFU_Q_BANK2_STUCK) != 0;
    } else if (is_command(sim, COMMAND_ERASE, 1)) {
        if (sim->read_protected)
            work.status = DFU_ERR_VENDOR;
        else
            work = kiln_dfusim_mem_erase_all(sim);
    } else if (is_command(sim, COMMAND_READ_UNPROTECT, 1)) {
        work = kiln_dfusim_mem_erase_all(sim);
        kiln_dfusim_mem_unprotect(sim);
        work.resets = true;
    } else if (!is_command(sim, COMMAND_GET, 1)) {
        work.status = DFU_ERR_TARGET;
    }
    return work;
}

/* Plain DFU has no addresses: blocks follow each other from the start of the region, and the device
 * erases the sectors that it comes to. */
static struct dfu_work do_plain_block(struct dfu_sim *sim)
{
    const struct dfu_region *region = &sim->row.region[0];
    uint32_t at = region->base + sim->plain_offset;
    struct dfu_work work = {DFU_OK, 0, false};
    uint64_t erase_ns = 0;
    uint32_t page = region->group[0].size;

    if (sim->plain_offset + sim->buffer_len > sim->mem_len[0]) {
        work.status = DFU_ERR_ADDRESS;
        return work;
    }
    for (size_t i = 0; i < sim->buffer_len; i++)
        if ((sim->plain_offset + i) % page == 0)
            erase_ns += kiln_dfusim_mem_erase_page(sim, at + (uint32_t)i).ns;
    work = kiln_dfusim_mem_program(sim, at, sim->buffer, sim->buffer_len);
    work.ns += erase_ns;
    sim->plain_offset += (uint32_t)sim->buffer_len;
    return work;
}

/* Where a block of data goes to or comes from. */
static uint32_t block_address(const struct dfu_sim *sim, unsigned block)
{
    if ((sim->row.quirks & DFU_Q_SAME_BLOCK) != 0)
        return sim->pointer;
    return sim->pointer + (block - FIRST_BLOCK) * sim->row.transfer_size;
}

static struct dfu_work do_work(struct dfu_sim *sim)
{
    struct dfu_work work = {DFU_OK, 0, false};

    sim->pending = false;
    sim->erasing = sim->block == 0 && kiln_dfusim_is_dfuse(sim) && sim->buffer[0] == COMMAND_ERASE;
    if (!kiln_dfusim_is_dfuse(sim))
        work = do_plain_block(sim);
    else if (sim->block == 0)
        work = do_command(sim);
    else if (sim->block >= FIRST_BLOCK)
        work = kiln_dfusim_mem_program(sim, block_address(sim, sim->block), sim->buffer,
                                       sim->buffer_len);
    return work;
}

static uint16_t poll_ms(const struct dfu_sim *sim)
{
    if (is_mass_erase(sim))
        return sim->row.poll_mass_ms;
    if (is_command(sim, COMMAND_ERASE, 5))
        return sim->row.poll_erase_ms;
    if (kiln_dfusim_is_dfuse(sim) && sim->block == 0)
        return sim->row.poll_set_ms;
    return sim->row.poll_write_ms;
}

/* Does the pending work from `start_ns` on; the state is then what the host sees after it. */
static void run_work(struct dfu_sim *sim, uint64_t start_ns)
{
    struct dfu_work work = do_work(sim);

    sim->busy_until_ns = start_ns + work.ns;
    if (!sim->powered)
        kiln_dfusim_plan_leave(sim, start_ns + work.ns / 2, false, DFU_MODE_BOOTLOADER);
    else if (work.resets)
        kiln_dfusim_plan_leave(sim, sim->busy_until_ns, true, DFU_MODE_BOOTLOADER);
    if (work.status != DFU_OK)
        set_error(sim, work.status);
    else
        sim->state = DFU_DNLOAD_SYNC;
}

/* ---- requests ---- */

static void put_status(const struct dfu_sim *sim, uint16_t poll, uint8_t *reply)
{
    reply[0] = (uint8_t)sim->status;
    kiln_put_le16(reply + 1, poll);
    reply[3] = 0;
    reply[4] = (uint8_t)sim->state;
    reply[5] = STRING_INDEX;
}

static void status_of_download(struct dfu_sim *sim, uint8_t *reply, uint64_t *done_ns)
{
    uint16_t poll = poll_ms(sim);

    if (!sim->pending) {
        sim->state = DFU_DNLOAD_IDLE;
        put_status(sim, 0, reply);
    } else if ((sim->row.quirks & DFU_Q_NO_DNBUSY) != 0) {
        run_work(sim, *done_ns);
        *done_ns = sim->busy_until_ns;
        if (sim->state == DFU_DNLOAD_SYNC)
            sim->state = DFU_DNLOAD_IDLE;
        put_status(sim, 0, reply);
    } else {
        sim->state = DFU_DNBUSY;
        put_status(sim, poll, reply);
        run_work(sim, *done_ns);
    }
}

/* The zero-length download came before: this GETSTATUS starts the new firmware. */
static enum kiln_sim_usb_result status_of_manifest(struct dfu_sim *sim, uint8_t *reply,
                                                   uint64_t *done_ns)
{
    bool runtime = (sim->row.quirks & DFU_Q_RUNTIME) != 0;
    enum dfu_mode next = runtime ? DFU_MODE_APPLICATION : DFU_MODE_SILENT_APPLICATION;

    sim->state = DFU_MANIFEST;
    put_status(sim, kiln_dfusim_is_dfuse(sim) ? 0 : MANIFEST_MS, reply);
    if (kiln_dfusim_is_dfuse(sim)) {
        kiln_dfusim_plan_leave(sim, *done_ns + LEAVE_NS, runtime, next);
        if ((sim->row.quirks & DFU_Q_LEAVE_SILENT) == 0)
            return KILN_SIM_USB_OK;
        kiln_dfusim_plan_leave(sim, *done_ns, runtime, next);
        return KILN_SIM_USB_GONE;
    }
    sim->busy_until_ns = *done_ns + MANIFEST_MS * NS_PER_MS;
    return KILN_SIM_USB_OK;
}

static void after_manifest(struct dfu_sim *sim)
{
    if ((sim->row.attributes & DFU_MANIFEST_TOLERANT) != 0)
        to_idle(sim);
    else
        sim->state = DFU_MANIFEST_WAIT_RESET;
}

static enum kiln_sim_usb_result get_status(struct dfu_sim *sim, uint8_t *data, size_t len,
                                           size_t *out_len, uint64_t *done_ns)
{
    enum kiln_sim_usb_result result = KILN_SIM_USB_OK;
    uint8_t reply[6];

    if (sim->stuck) {
        sim->state = DFU_DNBUSY;
        put_status(sim, sim->row.poll_erase_ms, reply);
    } else if (sim->state == DFU_DNLOAD_SYNC) {
        status_of_download(sim, reply, done_ns);
    } else if (sim->state == DFU_MANIFEST_SYNC) {
        result = status_of_manifest(sim, reply, done_ns);
    } else {
        if (sim->state == DFU_MANIFEST && !kiln_dfusim_is_dfuse(sim))
            after_manifest(sim);
        put_status(sim, 0, reply);
    }
    *out_len = KILN_MIN(len, sizeof reply);
    memcpy(data, reply, *out_len);
    return result;
}

static enum kiln_sim_usb_result download(struct dfu_sim *sim, const struct kiln_usb_setup *setup,
                                         const uint8_t *data, size_t len, uint64_t *done_ns)
{
    if ((sim->state != DFU_IDLE && sim->state != DFU_DNLOAD_IDLE) ||
        (sim->row.attributes & DFU_CAN_DNLOAD) == 0 || len > sim->row.transfer_size)
        return stall(sim);
    if (len == 0) {
        if (!kiln_dfusim_is_dfuse(sim) && sim->state == DFU_IDLE)
            return stall(sim);
        sim->state = DFU_MANIFEST_SYNC;
        if ((sim->row.quirks & DFU_Q_LEAVE_AT_DNLOAD) == 0)
            return KILN_SIM_USB_OK;
        kiln_dfusim_plan_leave(sim, *done_ns, false, DFU_MODE_SILENT_APPLICATION);
        return KILN_SIM_USB_GONE;
    }
    if ((sim->row.quirks & DFU_Q_PIPE) != 0 && setup->value >= FIRST_BLOCK &&
        ++sim->data_blocks % 5 == 0)
        return stall(sim);
    if (sim->state == DFU_IDLE)
        sim->plain_offset = 0;
    memcpy(sim->buffer, data, len);
    sim->buffer_len = len;
    sim->block = setup->value;
    sim->pending = true;
    sim->state = DFU_DNLOAD_SYNC;
    return KILN_SIM_USB_OK;
}

static size_t get_commands(uint8_t *data, size_t len)
{
    static const uint8_t commands[] = {COMMAND_GET, COMMAND_SET_ADDRESS, COMMAND_ERASE,
                                       COMMAND_READ_UNPROTECT};
    size_t n = KILN_MIN(len, sizeof commands);

    memcpy(data, commands, n);
    return n;
}

static enum kiln_sim_usb_result upload_block(struct dfu_sim *sim, uint16_t block, uint8_t *data,
                                             size_t len, size_t *out_len)
{
    bool plain = !kiln_dfusim_is_dfuse(sim);
    uint32_t address;
    size_t left;
    const uint8_t *from;

    if (plain)
        address = sim->row.region[0].base + sim->plain_offset;
    else
        address = block_address(sim, block);
    from = kiln_dfusim_mem_find(sim, address, DFU_R, &left);
    if (sim->read_protected || (from == NULL && !plain)) {
        set_error(sim, sim->read_protected ? DFU_ERR_VENDOR : DFU_ERR_TARGET);
        return KILN_SIM_USB_STALL;
    }
    *out_len = KILN_MIN(len, left);
    if (from != NULL)
        memcpy(data, from, *out_len);
    sim->plain_offset += (uint32_t)*out_len;
    sim->state = plain && *out_len < len ? DFU_IDLE : DFU_UPLOAD_IDLE;
    return KILN_SIM_USB_OK;
}

static enum kiln_sim_usb_result upload(struct dfu_sim *sim, const struct kiln_usb_setup *setup,
                                       uint8_t *data, size_t len, size_t *out_len)
{
    if ((sim->state != DFU_IDLE && sim->state != DFU_UPLOAD_IDLE) ||
        (sim->row.attributes & DFU_CAN_UPLOAD) == 0 || len > sim->row.transfer_size)
        return stall(sim);
    if (sim->state == DFU_IDLE)
        sim->plain_offset = 0;
    if (len == 0) {
        to_idle(sim);
        return KILN_SIM_USB_OK;
    }
    if (!kiln_dfusim_is_dfuse(sim))
        return upload_block(sim, setup->value, data, len, out_len);
    if (setup->value == 0) {
        *out_len = get_commands(data, len);
        sim->state = len > 3 ? DFU_IDLE : DFU_UPLOAD_IDLE;
        return KILN_SIM_USB_OK;
    }
    if (setup->value < FIRST_BLOCK)
        return stall(sim);
    return upload_block(sim, setup->value, data, len, out_len);
}

static enum kiln_sim_usb_result clear_status(struct dfu_sim *sim)
{
    if (sim->state == DFU_ERROR) {
        to_idle(sim);
    } else if ((sim->row.quirks & DFU_Q_STRICT) != 0 || !kiln_dfusim_is_dfuse(sim)) {
        return stall(sim);
    } else {
        sim->stuck = false;
        set_error(sim, DFU_ERR_UNKNOWN);
    }
    return KILN_SIM_USB_OK;
}

static enum kiln_sim_usb_result abort_request(struct dfu_sim *sim)
{
    bool can_abort = sim->state == DFU_DNLOAD_SYNC || sim->state == DFU_DNLOAD_IDLE ||
                     sim->state == DFU_MANIFEST_SYNC || sim->state == DFU_UPLOAD_IDLE;

    if (!can_abort && (sim->row.quirks & DFU_Q_STRICT) != 0)
        return stall(sim);
    if (can_abort || sim->state == DFU_IDLE)
        to_idle(sim);
    return KILN_SIM_USB_OK;
}

/* The application's DFU interface knows three requests. */
static enum kiln_sim_usb_result runtime_request(struct dfu_sim *sim,
                                                const struct kiln_usb_setup *setup, uint8_t *data,
                                                size_t len, size_t *out_len, uint64_t *done_ns)
{
    switch (setup->request) {
    case REQUEST_DETACH:
        sim->state = DFU_APP_DETACH;
        sim->detach_until_ns = *done_ns + setup->value * NS_PER_MS;
        if ((sim->row.attributes & DFU_WILL_DETACH) != 0)
            kiln_dfusim_plan_leave(sim, *done_ns + LEAVE_NS, true, DFU_MODE_BOOTLOADER);
        return KILN_SIM_USB_OK;
    case REQUEST_GETSTATUS:
        return get_status(sim, data, len, out_len, done_ns);
    case REQUEST_GETSTATE:
        if (len > 0)
            data[0] = (uint8_t)sim->state;
        *out_len = KILN_MIN(len, 1u);
        return KILN_SIM_USB_OK;
    default:
        return KILN_SIM_USB_STALL;
    }
}

enum kiln_sim_usb_result kiln_dfusim_request(struct dfu_sim *sim,
                                             const struct kiln_usb_setup *setup, uint8_t *data,
                                             size_t len, size_t *out_len, uint64_t *done_ns)
{
    static const bool is_in[] = {false, false, true, true, false, true, false};

    if (setup->request >= KILN_ARRAY_LEN(is_in) ||
        is_in[setup->request] != ((setup->request_type & 0x80) != 0) || (setup->index & 0xFF) != 0)
        return stall(sim);
    if (sim->mode == DFU_MODE_APPLICATION)
        return runtime_request(sim, setup, data, len, out_len, done_ns);
    switch (setup->request) {
    case REQUEST_DNLOAD:
        return download(sim, setup, data, len, done_ns);
    case REQUEST_UPLOAD:
        return upload(sim, setup, data, len, out_len);
    case REQUEST_GETSTATUS:
        return get_status(sim, data, len, out_len, done_ns);
    case REQUEST_CLRSTATUS:
        return clear_status(sim);
    case REQUEST_GETSTATE:
        if (len > 0)
            data[0] = (uint8_t)sim->state;
        *out_len = KILN_MIN(len, 1u);
        return KILN_SIM_USB_OK;
    case REQUEST_ABORT:
        return abort_request(sim);
    default:
        return stall(sim);
    }
}
