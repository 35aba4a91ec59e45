/* SPDX-License-Identifier: MIT */
/*
 * The flasher's own C on the host: a receiver with bytes in it, a sender that collects, and a flash chip that minds its
 * manners (bits only fall, a program wraps in its page, nothing without write enable, a time of being busy).
 */
#ifndef KILN_TESTS_FLASHER_HOST_H
#define KILN_TESTS_FLASHER_HOST_H

#include "flasher/flasher.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_FLASH  (1u << 19)
#define HOST_IDLE   5000
#define HOST_PAUSES 200

struct host {
    const uint8_t *in;
    size_t in_len, in_at;
    size_t pause
        [HOST_PAUSES]; /* nothing comes at these places until the flasher has nothing more to do */
    size_t pauses, paused;
    uint8_t *out;
    size_t out_len, out_room;
    uint8_t flash[HOST_FLASH];
    uint32_t data[16];
    bool write_enabled, was_reset;
    unsigned busy, idle, erases, programs;
    uint32_t low, high; /* what may be changed */
    uint32_t baud, word;
    size_t ended; /* bytes of the request that ends whatever is under way */
};

static struct host host;

/* SYNC, which ends everything, between two delimiters. */
#define HOST_SYNC (2 + 8 + SYNC_LEN)
static int host_sync(size_t at)
{
    return at == 0 || at == HOST_SYNC - 1 ? SLIP_END : at == 2 ? OP_SYNC : 0;
}

static uint32_t port_waiting(void)
{
    if (host.paused < host.pauses && host.in_at == host.pause[host.paused]) {
        if (++host.idle < HOST_IDLE)
            return 0;
        host.paused++;
        host.idle = 0;
    }
    if (host.in_at < host.in_len) {
        host.idle = 0;
        return 1;
    }
    if (host.idle < HOST_IDLE)
        host.idle++;
    else
        return host.ended < HOST_SYNC;
    return 0;
}

static uint32_t port_get(void)
{
    if (host.in_at < host.in_len)
        return host.in[host.in_at++];
    return (uint32_t)host_sync(host.ended++);
}

static void port_put(uint32_t byte)
{
    if (byte > 0xff)
        abort();
    if (host.out_len == host.out_room) {
        host.out_room = 2 * host.out_room + 4096;
        host.out = realloc(host.out, host.out_room);
        if (host.out == NULL)
            abort();
    }
    host.out[host.out_len++] = (uint8_t)byte;
}

static void port_baud(uint32_t baud, uint32_t old)
{
    (void)old;
    host.baud = baud;
}

static void port_reset(void)
{
    host.was_reset = true;
}

static uint32_t port_load(uint32_t address)
{
    return address == 0x1000 ? host.word : address;
}

static void port_store(uint32_t address, uint32_t value)
{
    if (address == 0x1000)
        host.word = value;
}

static volatile uint32_t *port_data(void)
{
    return host.data;
}

static void port_code(uint32_t *out_start, uint32_t *out_end)
{
    *out_start = *out_end = 0;
}

/* Whoever changes anything outside of what was announced is caught here. */
static void change(uint32_t at, uint8_t value)
{
    if (at < host.low || at >= host.high)
        abort();
    host.flash[at] = value;
}

static void erase(uint32_t address, uint32_t unit)
{
    host.erases++;
    for (uint32_t i = 0; i < unit; i++)
        change((address & ~(unit - 1)) + i, 0xff);
    host.busy = 20;
}

static void port_spi(uint32_t opcode, uint32_t flags, uint32_t address, uint32_t len)
{
    uint8_t *bytes = (uint8_t *)host.data;

    if (len > PORT_SPI_MAX)
        abort();
    if (opcode == SPI_STATUS) {
        host.busy -= host.busy > 0;
        host.data[0] = (host.busy > 0) | (uint32_t)host.write_enabled << 1;
        return;
    }
    host.idle = 0;
    if (host.busy > 0)
        abort(); /* a real chip would not have listened */
    if (opcode == SPI_READ && flags == (PORT_SPI_ADDRESS | PORT_SPI_IN)) {
        for (uint32_t i = 0; i < len; i++)
            bytes[i] = host.flash[(address + i) % HOST_FLASH];
    } else if (opcode == SPI_WRITE_ENABLE) {
        host.write_enabled = true;
    } else if (!host.write_enabled) {
        abort();
    } else if (opcode == SPI_PROGRAM && flags == (PORT_SPI_ADDRESS | PORT_SPI_OUT)) {
        host.programs++;
        for (uint32_t i = 0; i < len; i++) {
            uint32_t at = (address & ~255u) | ((address + i) & 255);

            if (at < HOST_FLASH)
                change(at, host.flash[at] & bytes[i]);
        }
        host.busy = 3;
        host.write_enabled = false;
    } else {
        erase(address, opcode == SPI_ERASE_4K ? 4096 : opcode == SPI_ERASE_64K ? 65536 : 32768);
        host.write_enabled = false;
    }
}

/* As after start-up, with a blank flash of which [low, high) may change. */
static void host_begin(uint32_t low, uint32_t high)
{
    uint8_t *out = host.out;

    memset(&host, 0, sizeof host);
    free(out);
    memset(host.flash, 0xff, sizeof host.flash);
    host.low = low;
    host.high = high;
    memset(&f, 0, sizeof f);
    crc_begin();
    f.rx_crc = CRC_START;
}

/* The next bytes of a line that has `len` so far come only then. */
static void host_pause(size_t len)
{
    if (host.pauses < HOST_PAUSES)
        host.pause[host.pauses++] = len;
}

/* Lets it work until it has nothing more to do. */
static void host_run(const uint8_t *in, size_t len)
{
    host.in = in;
    host.in_len = len;
    host.in_at = host.paused = 0;
    host.idle = 0;
    host.ended = 0;
    while (host.ended < HOST_SYNC && !host.was_reset)
        turn();
    host.pauses = 0;
}

#endif
