/* SPDX-License-Identifier: MIT */
/*
 * The flasher's own C under a hostile host. The input says which range is announced and is then the stream, or, with the
 * first byte odd, whatever comes on the line. Whatever it is: nothing outside the announced range is changed (the model of
 * the flash aborts), and no memory is touched that is not the flasher's.
 */
#include "tests/flasher_host.h"

#define SECTORS (HOST_FLASH / SECTOR)

static uint8_t line[1u << 18];
static size_t line_len;

static void put(uint32_t byte)
{
    if (line_len + 2 > sizeof line)
        return;
    if (byte == SLIP_END || byte == SLIP_ESC) {
        line[line_len++] = SLIP_ESC;
        byte = byte == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
    }
    line[line_len++] = (uint8_t)byte;
}

static void frame(uint32_t op, uint32_t word, const uint8_t *body, uint32_t len)
{
    const uint8_t head[8] = {0,
                             (uint8_t)op,
                             (uint8_t)len,
                             (uint8_t)(len >> 8),
                             (uint8_t)word,
                             (uint8_t)(word >> 8),
                             (uint8_t)(word >> 16),
                             (uint8_t)(word >> 24)};
    uint32_t crc = CRC_START;

    for (uint32_t i = 0; i < 8 + len; i++) {
        uint8_t byte = i < 8 ? head[i] : body[i - 8];

        crc = crc_add(crc, byte);
        put(byte);
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++, crc >>= 8)
        put(crc & 0xff);
    line[line_len++] = SLIP_END;
    host_pause(line_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t first, sectors, words[6];

    if (size < 6 || size > 40000)
        return 0;
    first = data[1] % SECTORS;
    sectors = 1 + data[2] % (SECTORS - first);
    host_begin(first * SECTOR, (first + sectors) * SECTOR);
    for (uint32_t i = host.low; i < host.high; i += 1000)
        host.flash[i] = data[3];
    line_len = 0;
    words[0] = host.low;
    words[1] = host.high - host.low;
    words[2] = HOST_FLASH;
    words[3] = data[3] & 1 ? 0x52 : 0;
    words[4] = 1 + (uint32_t)(data[4] << 8 | data[5]) % words[1];
    words[5] = (uint32_t)size - 6;
    frame(OP_WRITE, 0, (const uint8_t *)words, sizeof words);
    for (size_t at = 6; at < size; at += 1024) {
        uint32_t n = size - at < 1024 ? (uint32_t)(size - at) : 1024;

        if (data[0] & 1)
            frame(data[at], at % 5 == 0 ? data[at] : (uint32_t)at - 6, data + at, n);
        else
            frame(OP_DATA, (uint32_t)at - 6, data + at, n);
    }
    if (data[0] & 1) {
        /* Other requests about ranges could rightly change other places. */
        host.low = 0;
        host.high = HOST_FLASH;
    }
    host_run(line, line_len);
    return 0;
}
