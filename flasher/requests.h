/* SPDX-License-Identifier: MIT */
/* What the host can ask for. A part of flasher.h, which includes it. */
#ifndef KILN_FLASHER_REQUESTS_H
#define KILN_FLASHER_REQUESTS_H

static void send_words(const volatile uint32_t *words, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        send(words[i / 4] >> i % 4 * 8);
}

/* The last block of a message of `len` bytes, of which the rest is in block already. */
static void md5_end(uint32_t md5[4], uint32_t block[16], uint32_t len)
{
    uint32_t rest = len % 64;

    block[rest / 4] = (block[rest / 4] & ((1u << rest % 4 * 8) - 1)) | 0x80u << rest % 4 * 8;
    for (uint32_t i = rest / 4 + 1; i < 16; i++)
        block[i] = 0;
    if (rest >= 56) {
        md5_block(md5, block);
        for (uint32_t i = 0; i < 16; i++)
            block[i] = 0;
    }
    block[14] = len << 3;
    block[15] = len >> 29;
    md5_block(md5, block);
}

static void begin_write(void)
{
    for (uint32_t *word = &f.taken; word != f.md5; word++)
        *word = 0;
    f.address = f.arg[ARG_ADDRESS];
    f.covers = f.arg[ARG_LEN];
    f.half_opcode = f.arg[ARG_HALF];
}

static uint32_t write_flash(void)
{
    f.len = f.arg[ARG_PLAIN];
    f.stream_len = f.arg[ARG_STREAM];
    if (f.len - 1 >= f.covers)
        return ERROR_RANGE;
    md5_begin(f.md5);
    reply(OP_WRITE, flash_status(), OK);
    f.writing = 1;
    if (!inflate_run(&f.inflate) || f.produced != f.len || f.taken != f.stream_len)
        f.error |= ERROR_STREAM;
    while (!inflate_stopped() && (f.hashed < f.covers || f.busy))
        work();
    f.writing = 0;
    if (f.ready)
        return OK;
    md5_end(f.md5, f.block, f.covers);
    reply_begin(OP_DONE, f.produced, 16);
    send_words(f.md5, 16);
    reply_end(f.error);
    return OK;
}

/* The next chunk is read while the last one is hashed. */
static uint32_t hash_flash(void)
{
    uint32_t left = f.covers, at = f.address, unit = f.arg[ARG_UNIT], size = f.arg[ARG_SIZE];

    if (size > 16 || unit == 0 || f.arg[ARG_TOTAL] > FRAME_DATA)
        return ERROR_RANGE;
    reply_begin(OP_HASH, 0, f.arg[ARG_TOTAL]);
    while (left > 0) {
        uint32_t len = left < unit ? left : unit, end = at + len / CHUNK * CHUNK;

        md5_begin(f.md5);
        read_block(at);
        while (at != end) {
            uint32_t block[16];

            copy_words(block, f.block);
            at += CHUNK;
            flash_read(at, CHUNK);
            md5_block(f.md5, block);
            poll();
            if (f.ready)
                return OK; /* and the frame stays without its end */
            copy_words(f.block, port_data());
        }
        md5_end(f.md5, f.block, len);
        send_words(f.md5, size);
        at += len % CHUNK;
        left -= len;
    }
    reply_end(OK);
    return OK;
}

static uint32_t erase_flash(void)
{
    while (f.erased_to < f.covers || f.busy) {
        if (!await_flash())
            return OK;
        if (f.erased_to < f.covers)
            erase_ahead();
    }
    reply(OP_ERASE, 0, OK);
    return OK;
}

/* The bytes come in frames of at most 1 KB, the value says from where. */
static uint32_t read_flash(void)
{
    uint32_t at = f.address, end = at + f.covers;

    while (at != end) {
        uint32_t left = end - at < 1024 ? end - at : 1024;

        reply_begin(OP_READ, at, left);
        while (left > 0) {
            uint32_t len = left < CHUNK ? left : CHUNK;

            flash_read(at, CHUNK);
            send_words(port_data(), len);
            at += len;
            left -= len;
            poll();
            if (f.ready)
                return OK;
        }
        reply_end(OK);
    }
    return OK;
}

/* Requests about a range of the flash: all have the same six words. */
static void work_on_flash(uint32_t op)
{
    uint32_t address = f.arg[ARG_ADDRESS], len = f.arg[ARG_LEN], size = f.arg[ARG_FLASH];
    uint32_t error = ERROR_RANGE;
    int whole = (address | len) % SECTOR == 0;

    if (!await_flash())
        return;
    begin_write();
    if (f.request_len != 12 + sizeof f.arg)
        error = ERROR_COMMAND;
    else if (address <= size && len <= size - address) {
        if (op == OP_READ)
            error = read_flash();
        else if (op == OP_HASH)
            error = hash_flash();
        else if (whole)
            error = op == OP_WRITE ? write_flash() : erase_flash();
    }
    if (error != OK)
        reply(op, 0, error);
}

/* Address, value, mask, and a word that is not used, any number of times. */
static void write_registers(void)
{
    for (uint32_t i = 2; 4 * i + 16 <= f.request_len - 4; i += 4)
        port_store(rx[i], (port_load(rx[i]) & ~rx[i + 2]) | (rx[i + 1] & rx[i + 2]));
    reply(OP_WRITE_REG, 0, OK);
}

/* Also said unasked at the start. */
static void greet(void)
{
    uint32_t start, end, crc = CRC_START;

    port_code(&start, &end);
    for (; start != end; start += 4) {
        uint32_t word = port_load(start);

        for (uint32_t i = 0; i < 4; i++, word >>= 8)
            crc = crc_add(crc, word & 0xff);
    }
    reply_begin(OP_SYNC, FLASHER_MAGIC, 16);
    send_word(FLASHER_VERSION);
    send_word(~crc);
    send_word(IN_SIZE);
    send_word(FRAME_DATA);
    reply_end(OK);
}

static void change_baud(void)
{
    reply(OP_BAUD, 0, OK);
    port_baud(f.arg[0], f.arg[1]);
}

static void execute(void)
{
    uint32_t op = rx[0] >> 8 & 0xff;

    f.ready = 0;
    f.request_len = f.rx_len;
    f.rx_len = 0;
    for (uint32_t i = 0; i < 6; i++)
        f.arg[i] = rx[2 + i];
    if (op == OP_SYNC)
        greet();
    else if (op == OP_READ_REG)
        reply(op, port_load(f.arg[0]), OK);
    else if (op == OP_WRITE_REG)
        write_registers();
    else if (op == OP_BAUD)
        change_baud();
    else if (op == OP_WRITE || (op >= OP_HASH && op <= OP_READ))
        work_on_flash(op);
    else if (op == OP_RESET)
        port_reset();
    else
        reply(op, 0, ERROR_COMMAND);
}

/* Does one request, if one is there. */
static void turn(void)
{
    poll();
    if (f.ready)
        execute();
}

#endif
