/* SPDX-License-Identifier: MIT */
/*
 * Kiln's flasher: runs in the chip's RAM and writes its flash. The protocol is in docs/flasher.md. One thread, no
 * interrupts: everything that waits calls work(), which empties the receiver and keeps the flash chip busy.
 *
 * The includer gives port.h's functions.
 */
#ifndef KILN_FLASHER_FLASHER_H
#define KILN_FLASHER_FLASHER_H

#include "flasher/inflate.h"
#include "flasher/md5.h"
#include "flasher/port.h"

#define FLASHER_VERSION 1u
#define FLASHER_MAGIC   0x4e4c494bu /* "KILN" */

#define IN_SIZE 32768u /* compressed data that has come and was not looked at: the host's credit */
#define OUT_SIZE \
    65536u /* what was inflated: not yet in flash, and as far back as a stream can refer */
#define WINDOW     32768u
#define FRAME_DATA 4096u
#define ACK_EVERY  2048u
#define TELL_EVERY 32768u /* of what happens in the flash, while nothing comes */

#define SECTOR 4096u
#define CHUNK  PORT_SPI_MAX
#define STEP \
    16u /* of what comes out of the stream, between two looks at the flash chip: a part of a CHUNK */

enum op {
    OP_SYNC = 0x08,
    OP_WRITE_REG = 0x09,
    OP_READ_REG = 0x0a,
    OP_BAUD = 0x0f,
    OP_WRITE = 0xe0,
    OP_DATA = 0xe1,
    OP_DONE = 0xe2,
    OP_HASH = 0xe3,
    OP_ERASE = 0xe4,
    OP_READ = 0xe5,
    OP_RESET = 0xe6
};

enum error {
    OK = 0,
    ERROR_GAP = 1,     /* data is missing or came damaged: send again from where the reply says */
    ERROR_COMMAND = 2, /* unknown, or not as long as it should be */
    ERROR_RANGE = 3,   /* not in the flash, or not on a sector's border */
    ERROR_STREAM = 4   /* the stream cannot be inflated, or to another length than was said */
};

#define SYNC_LEN 36u

enum arg {
    ARG_ADDRESS,
    ARG_LEN,   /* whole sectors where something is erased */
    ARG_FLASH, /* size of the flash */
    ARG_HALF,  /* opcode that erases 32 KB, 0: none */
    ARG_PLAIN, /* what comes out of the stream */
    ARG_STREAM,
    /* of a hash */
    ARG_UNIT = 3,
    ARG_SIZE, /* bytes of each */
    ARG_TOTAL /* and of all */
};

#define FAST static inline __attribute__((always_inline))

struct flasher {
    uint32_t rx_len, rx_crc;
    uint8_t rx_bad, rx_escape;
    uint8_t ready; /* a request waits in rx; nothing more is received until it was seen to */
    uint8_t writing;
    uint8_t busy; /* the flash chip, as far as we know */

    uint32_t tx_crc;
    uint32_t request_len;
    uint32_t arg[6];

    /* A range that is worked on; positions count from its start. */
    uint32_t address, covers, half_opcode, len, stream_len;
    uint32_t taken; /* of the stream, by the inflater */
    uint32_t got;
    uint32_t erased_to; /* ready for programs */
    uint32_t programmed, hashed;
    uint32_t acked, complained; /* what was taken at the last time; where data was missing, + 1 */
    uint32_t error;
    uint32_t take_to;        /* how far the inflater may take without a look at what has come */
    uint32_t produced, room; /* and put without a look at the rest */
    uint32_t blank_to;       /* seen to be blank within the next unit */
    uint32_t has_block;
    uint32_t block[16]; /* read back and not hashed yet */
    uint32_t md5[4];
    struct inflate inflate;
};

static struct flasher f;
static uint32_t rx[(12 + FRAME_DATA) / 4]; /* header, data, CRC */
static uint32_t crc_table[256];
#ifndef FLASHER_RING
#define FLASHER_RING
#endif
static FLASHER_RING uint8_t in_ring[IN_SIZE];
static FLASHER_RING uint32_t out_ring[OUT_SIZE / 4];

/* ---- CRC-32 as in IEEE 802.3 ---- */

#define CRC_START 0xffffffffu
#define CRC_GOOD  0xdebb20e3u /* over data and its CRC */

static void crc_begin(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;

        for (uint32_t k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
        crc_table[i] = crc;
    }
}

static uint32_t crc_add(uint32_t crc, uint32_t byte)
{
    return crc_table[(crc ^ byte) & 0xff] ^ crc >> 8;
}

/* ---- sending ---- */

#define SLIP_END     0xc0u
#define SLIP_ESC     0xdbu
#define SLIP_ESC_END 0xdcu
#define SLIP_ESC_ESC 0xddu

static void send(uint32_t byte)
{
    byte &= 0xff;
    f.tx_crc = crc_add(f.tx_crc, byte);
    if (byte == SLIP_END || byte == SLIP_ESC) {
        port_put(SLIP_ESC);
        byte = byte == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
    }
    port_put(byte);
}

static void send_word(uint32_t word)
{
    for (uint32_t i = 0; i < 4; i++, word >>= 8)
        send(word);
}

/* `len` bytes follow, then reply_end(). */
static void reply_begin(uint32_t op, uint32_t value, uint32_t len)
{
    port_put(SLIP_END);
    f.tx_crc = CRC_START;
    send_word(1 | op << 8 | (len + 2) << 16);
    send_word(value);
}

static void reply_end(uint32_t error)
{
    send(error);
    send(0);
    send_word(~f.tx_crc);
    port_put(SLIP_END);
}

static void reply(uint32_t op, uint32_t value, uint32_t error)
{
    reply_begin(op, value, 0);
    reply_end(error);
}

/* How far everything is. */
static void acknowledge(uint32_t error)
{
    f.acked = f.taken;
    reply_begin(OP_DATA, f.taken, 16);
    for (uint32_t *word = &f.got; word != &f.acked; word++)
        send_word(*word);
    reply_end(error);
}

/* ---- receiving ---- */

/* Data that is not the next in line was sent before the host knew better; once is enough to tell it. */
static void gap(void)
{
    if (f.complained == f.got + 1)
        return;
    f.complained = f.got + 1;
    acknowledge(ERROR_GAP);
}

static void take_data(uint32_t len)
{
    const uint8_t *from = (const uint8_t *)&rx[2];

    if (rx[1] != f.got) {
        if (rx[1] > f.got)
            gap();
        else
            acknowledge(OK); /* the host has missed something */
        return;
    }
    if (len > IN_SIZE - (f.got - f.taken) || len > f.stream_len - f.got) {
        gap();
        return;
    }
    for (uint32_t i = 0; i < len; i++)
        in_ring[(f.got + i) % IN_SIZE] = from[i];
    f.got += len;
}

static void frame_ends(void)
{
    uint32_t op = rx[0] >> 8 & 0xff, len = f.rx_len;

    if (len == 0)
        return;
    /* Whoever asks what is here need not know how we talk. */
    if (op == OP_SYNC && len == 8 + SYNC_LEN && !f.rx_bad) {
        f.ready = 1;
        return;
    }
    if (f.rx_bad || f.rx_crc != CRC_GOOD || len < 12 || (rx[0] & 0xff) != 0 ||
        rx[0] >> 16 != len - 12) {
        if (f.writing) {
            f.complained = 0;
            gap();
        }
        return;
    }
    if (op != OP_DATA)
        f.ready = 1;
    else if (f.writing)
        take_data(len - 12);
}

static void receive(uint32_t byte)
{
    if (byte == SLIP_END) {
        frame_ends();
        if (!f.ready)
            f.rx_len = 0;
        f.rx_bad = f.rx_escape = 0;
        f.rx_crc = CRC_START;
        return;
    }
    if (byte == SLIP_ESC) {
        f.rx_escape = 1;
        return;
    }
    if (f.rx_escape) {
        f.rx_escape = 0;
        byte = byte == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
    }
    if (f.rx_len == sizeof rx) {
        f.rx_bad = 1;
        return;
    }
    ((uint8_t *)rx)[f.rx_len++] = (uint8_t)byte;
    f.rx_crc = crc_add(f.rx_crc, byte);
}

static void poll(void)
{
    for (uint32_t waiting = port_waiting(); waiting > 0 && !f.ready; waiting--)
        receive(port_get());
}

/* ---- the flash chip ---- */

#define SPI_PROGRAM      0x02u
#define SPI_READ         0x03u
#define SPI_STATUS       0x05u
#define SPI_WRITE_ENABLE 0x06u
#define SPI_ERASE_4K     0x20u
#define SPI_ERASE_64K    0xd8u

static uint32_t flash_status(void)
{
    port_spi(SPI_STATUS, PORT_SPI_IN, 0, 1);
    return port_data()[0] & 0xff;
}

static int flash_is_busy(void)
{
    if (f.busy)
        f.busy = flash_status() & 1;
    return f.busy;
}

static void flash_change(uint32_t opcode, uint32_t flags, uint32_t address, uint32_t len)
{
    port_spi(SPI_WRITE_ENABLE, 0, 0, 0);
    port_spi(opcode, PORT_SPI_ADDRESS | flags, address, len);
    f.busy = 1;
}

static void flash_read(uint32_t address, uint32_t len)
{
    port_spi(SPI_READ, PORT_SPI_ADDRESS | PORT_SPI_IN, address, len);
}

static void copy_words(volatile uint32_t *to, const volatile uint32_t *from)
{
    for (uint32_t i = 0; i < CHUNK / 4; i++)
        to[i] = from[i];
}

static int is_blank(const volatile uint32_t *data)
{
    uint32_t all = data[0];

    for (uint32_t i = 1; i < CHUNK / 4; i++)
        all &= data[i];
    return all == 0xffffffff;
}

/* The largest unit that begins at `at` and is wholly part of the write. */
static uint32_t erase_unit(uint32_t *out_opcode)
{
    uint32_t at = f.address + f.erased_to, left = f.covers - f.erased_to;

    *out_opcode = SPI_ERASE_64K;
    if (at % 65536 == 0 && left >= 65536)
        return 65536;
    *out_opcode = f.half_opcode;
    if (f.half_opcode != 0 && at % 32768 == 0 && left >= 32768)
        return 32768;
    *out_opcode = SPI_ERASE_4K;
    return SECTOR;
}

/* The receiver is emptied while the data is on the bus. */
static volatile uint32_t *read_chunk(uint32_t address)
{
    flash_read(address, CHUNK);
    poll();
    return port_data();
}

/* Looks at the next few bytes of the next unit: is it blank, it needs no erasing. */
static void erase_ahead(void)
{
    uint32_t opcode, unit = erase_unit(&opcode);

    if (is_blank(read_chunk(f.address + f.blank_to))) {
        f.blank_to += CHUNK;
        if (f.blank_to - f.erased_to < unit)
            return;
    } else {
        flash_change(opcode, 0, f.address + f.erased_to, 0);
    }
    f.erased_to += unit;
    f.blank_to = f.erased_to;
    if (f.erased_to % TELL_EVERY == 0)
        acknowledge(OK);
}

static void program(uint32_t len)
{
    const uint32_t *from = &out_ring[f.programmed % OUT_SIZE / 4];
    uint32_t at = f.address + f.programmed;

    copy_words(port_data(), from);
    f.programmed += len;
    if (f.programmed % TELL_EVERY == 0)
        acknowledge(OK);
    if (len < CHUNK || !is_blank(from))
        flash_change(SPI_PROGRAM, PORT_SPI_OUT, at, len);
}

static void read_block(uint32_t address)
{
    copy_words(f.block, read_chunk(address));
}

/* Reads what was written while the flash chip is idle, and hashes it while it is not. */
static void read_back(void)
{
    uint32_t end = f.programmed == f.len ? f.erased_to : f.programmed;

    if (f.has_block || f.hashed + CHUNK > end)
        return;
    read_block(f.address + f.hashed);
    f.has_block = 1;
}

static void hash_block(void)
{
    if (!f.has_block)
        return;
    f.has_block = 0;
    md5_block(f.md5, f.block);
    f.hashed += CHUNK;
    if (f.hashed % TELL_EVERY == 0)
        acknowledge(OK);
}

/* What there is to do for the flash chip, as far as it can do it now. */
static void flash_step(void)
{
    uint32_t waiting = f.produced - f.programmed;
    uint32_t len = waiting < CHUNK ? waiting : CHUNK;

    if (!f.writing)
        return;
    if (!flash_is_busy()) {
        read_back();
        if ((len == CHUNK || (len > 0 && f.produced == f.len)) && f.programmed < f.erased_to)
            program(len);
        else if (f.erased_to < f.covers)
            erase_ahead();
    }
    hash_block();
}

static void work(void)
{
    poll();
    flash_step();
}

/* False if a request came meanwhile. */
static int await_flash(void)
{
    while (flash_is_busy())
        poll();
    poll();
    return !f.ready;
}

/* ---- what the inflater needs ---- */

FAST int inflate_stopped(void)
{
    return (f.ready | f.error) != 0;
}

static void inflate_pause(void)
{
    work();
}

/* False if there will be none. */
static int await_data(void)
{
    while (f.taken == f.got) {
        if (f.taken == f.stream_len)
            f.error = ERROR_STREAM;
        if (inflate_stopped())
            return 0;
        work();
    }
    if (f.taken - f.acked >= ACK_EVERY)
        acknowledge(OK);
    f.take_to = f.acked + ACK_EVERY - f.taken < f.got - f.taken ? f.acked + ACK_EVERY : f.got;
    return 1;
}

FAST uint32_t inflate_take(void)
{
    if (f.taken == f.take_to && !await_data())
        return 0;
    return in_ring[f.taken++ % IN_SIZE];
}

/* At the end of a step: waits until there is room for the next one. */
static void make_room(void)
{
    if (f.produced == f.len)
        f.error = ERROR_STREAM;
    do
        work();
    while (f.produced - f.programmed > OUT_SIZE - WINDOW - CHUNK && !f.ready);
    f.room = f.len - f.produced < STEP ? f.len : f.produced + STEP;
}

FAST void inflate_put(uint32_t byte)
{
    if (f.produced == f.room) {
        make_room();
        if (inflate_stopped())
            return;
    }
    ((uint8_t *)out_ring)[f.produced++ % OUT_SIZE] = (uint8_t)byte;
}

FAST uint32_t inflate_produced(void)
{
    return f.produced;
}

static void inflate_copy(uint32_t distance, uint32_t len)
{
    uint8_t *out = (uint8_t *)out_ring;

    while (len > 0) {
        uint32_t n, to = f.produced, from = to - distance;

        if (to == f.room) {
            make_room();
            if (inflate_stopped())
                return;
        }
        n = f.room - to < len ? f.room - to : len;
        len -= n;
        for (f.produced = n += to; to != n; to++, from++)
            out[to % OUT_SIZE] = out[from % OUT_SIZE];
    }
}

#include "flasher/requests.h"

#endif
