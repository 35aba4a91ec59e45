/* SPDX-License-Identifier: MIT */
/* Writing, checking and reading the flash. */
#include "base/bytes.h"
#include "sim/esp.h"

#include <openssl/evp.h>
#include <string.h>

#define INFLATE_NS_PER_BYTE 60u  /* 240 MHz, about 14 cycles a byte */
#define READ_NS_PER_BYTE    150u /* SPI flash read and MD5 together */

static uint32_t word(const struct esp_request *request, size_t index)
{
    return kiln_le32(request->data + 4 * index);
}

void esp_download_end(struct esp_board *board)
{
    if (board->download.inflating)
        inflateEnd(&board->download.z);
    memset(&board->download, 0, sizeof board->download);
}

static uint8_t check_range(const struct esp_board *board, uint32_t offset, uint32_t size)
{
    bool stub = board->state == ESP_STUB;

    if (!board->attached || offset >= board->nor.size || size > board->nor.size - offset ||
        (!stub && offset % KILN_NOR_SECTOR != 0))
        return esp_error(board, ESP_ROM_FAILED, ESP_STUB_FAILED);
    return ESP_OK;
}

/* ---- flash encryption: not AES, but as undone by itself and as bound to the place ------------------ */

static void cipher(uint32_t address, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint32_t at = address + (uint32_t)i;

        bytes[i] ^= (uint8_t)(0x5a + at * 7 + (at >> 8) * 0x9d + (at >> 16) * 0x35);
    }
}

void esp_flash_see(struct esp_board *board, uint32_t address, uint8_t *bytes, size_t len)
{
    kiln_nor_read(&board->nor, address, bytes, len);
    if (board->encryption)
        cipher(address, bytes, len);
}

static uint64_t program(struct esp_board *board, const uint8_t *bytes, uint32_t len)
{
    const struct esp_download *to = &board->download;
    uint8_t part[256];
    uint64_t ns = board->cpu_ns;

    if (!to->encrypted || !board->encryption)
        return kiln_nor_program_range(&board->nor, ns, to->address, bytes, len);
    for (uint32_t at = 0; at < len; at += (uint32_t)sizeof part) {
        uint32_t n = KILN_MIN(len - at, (uint32_t)sizeof part);

        memcpy(part, bytes + at, n);
        cipher(to->address + at, part, n);
        ns = kiln_nor_program_range(&board->nor, ns, to->address + at, part, n);
    }
    return ns;
}

/* What the ROM erases for `size` bytes. */
static uint32_t rom_erases(const struct esp_board *board, uint32_t offset, uint32_t size)
{
    uint32_t sectors = (uint32_t)kiln_round_up(size, KILN_NOR_SECTOR) / KILN_NOR_SECTOR;
    uint32_t to_block = 16 - offset / KILN_NOR_SECTOR % 16;

    if ((board->chip->features & ESP_ERASES_HEAD_TWICE) == 0)
        return size;
    return KILN_MIN((sectors + KILN_MIN(sectors, to_block)) * KILN_NOR_SECTOR,
                    (uint32_t)board->nor.size - offset);
}

/* Size, blocks, block size, offset. The ROM erases the whole range here; the stub erases as data comes. */
uint8_t esp_flash_begin(struct esp_board *board, const struct esp_request *request)
{
    struct esp_download *to = &board->download;
    uint32_t size = word(request, 0), offset = word(request, 3);
    bool stub = board->state == ESP_STUB;

    esp_download_end(board);
    if (word(request, 2) > (stub ? 0x4000u : ESP_ROM_BLOCK_MAX))
        return esp_error(board, ESP_ROM_BAD_MESSAGE, ESP_STUB_BLOCK_SIZE);
    to->kind = request->op == 0x10 ? ESP_DEFLATED : ESP_TO_FLASH;
    to->address = offset;
    to->left = size;
    to->blocks_left = word(request, 1);
    to->encrypted = request->size >= 20 && word(request, 4) != 0;
    if (to->encrypted && board->encryption_release)
        return esp_error(board, ESP_ROM_FAILED, ESP_STUB_FAILED);
    if (check_range(board, offset, size) != ESP_OK)
        return check_range(board, offset, size);
    to->erase_end = (uint32_t)kiln_round_up((uint64_t)offset + size, KILN_NOR_SECTOR);
    to->erased_to = (uint32_t)kiln_round_down(offset, KILN_NOR_SECTOR);
    if (!stub) {
        board->reply_tail[0] = board->reply_tail[1] = 0xff; /* what lies on the ROM's stack */
        board->cpu_ns = kiln_nor_erase_range(&board->nor, board->cpu_ns, offset,
                                             rom_erases(board, offset, size));
        to->erased_to = to->erase_end;
    }
    if (to->kind == ESP_DEFLATED) {
        to->inflating = inflateInit(&to->z) == Z_OK;
        if (!to->inflating)
            return esp_error(board, ESP_ROM_INFLATE, ESP_STUB_INFLATE);
    }
    return ESP_OK;
}

static void erase_up_to(struct esp_board *board, uint32_t end)
{
    struct esp_download *to = &board->download;

    while (to->erased_to < end && to->erased_to < to->erase_end) {
        bool block =
            to->erased_to % KILN_NOR_BLOCK == 0 && to->erase_end - to->erased_to >= KILN_NOR_BLOCK;
        uint32_t unit = block ? KILN_NOR_BLOCK : KILN_NOR_SECTOR;

        board->cpu_ns = kiln_nor_erase(&board->nor, board->cpu_ns, to->erased_to, unit);
        to->erased_to += unit;
    }
}

/* The padding of the last raw block is dropped by the stub; too much inflated data is an error there. The
 * ROM writes whatever comes. */
static void write_flash(struct esp_board *board, const uint8_t *bytes, uint32_t len)
{
    struct esp_download *to = &board->download;
    bool stub = board->state == ESP_STUB;

    if (stub && len > to->left) {
        if (to->kind == ESP_DEFLATED)
            to->error = ESP_STUB_TOO_MUCH;
        len = to->left;
    }
    if (to->address >= board->nor.size || len > board->nor.size - to->address) {
        to->error = esp_error(board, ESP_ROM_FAILED, ESP_STUB_FAILED);
        return;
    }
    erase_up_to(board, to->address + len);
    board->cpu_ns = program(board, bytes, len);
    to->address += len;
    to->left -= KILN_MIN(len, to->left);
}

/*
 * Seen at the ESP32's ROM, not at the ESP32-C3's: the window goes to flash when it is full and when the stream
 * ends, whole each time. What older streams or other code left in it lands behind the data, on what is there and
 * not erased; a stream of just the window's length brings it twice.
 */
static int inflate_by_windows(struct esp_board *board)
{
    struct esp_download *to = &board->download;
    int result = Z_OK;

    while (result == Z_OK && to->error == ESP_OK && !board->nor.power_lost) {
        uint32_t before = to->window_fill;

        to->z.next_out = board->window + before;
        to->z.avail_out = ESP_OUT_BUFFER - before;
        result = inflate(&to->z, Z_NO_FLUSH);
        to->window_fill = ESP_OUT_BUFFER - to->z.avail_out;
        board->cpu_ns += (uint64_t)(to->window_fill - before) * INFLATE_NS_PER_BYTE;
        if (result == Z_OK && to->z.avail_in == 0 && to->z.avail_out > 0)
            break;
        if (to->window_fill == ESP_OUT_BUFFER) {
            write_flash(board, board->window, ESP_OUT_BUFFER);
            to->window_fill = 0;
        }
        if (result == Z_STREAM_END)
            write_flash(board, board->window, ESP_OUT_BUFFER);
    }
    return result;
}

/* Writes what comes out as it comes. */
static int inflate_as_it_comes(struct esp_board *board)
{
    struct esp_download *to = &board->download;
    int result = Z_OK;

    while (result == Z_OK && to->error == ESP_OK && !board->nor.power_lost) {
        uint32_t produced;

        to->z.next_out = board->out;
        to->z.avail_out = sizeof board->out;
        result = inflate(&to->z, Z_NO_FLUSH);
        produced = (uint32_t)(sizeof board->out - to->z.avail_out);
        board->cpu_ns += (uint64_t)produced * INFLATE_NS_PER_BYTE;
        if (produced > 0)
            write_flash(board, board->out, produced);
        if (result == Z_OK && to->z.avail_in == 0 && produced < sizeof board->out)
            break;
    }
    return result;
}

static void inflate_to_flash(struct esp_board *board, const uint8_t *bytes, uint32_t len)
{
    struct esp_download *to = &board->download;
    int result;

    if (to->finished) {
        to->error = ESP_STUB_TOO_MUCH;
        board->wedged = board->state == ESP_ROM; /* seen to hang */
        return;
    }
    to->z.next_in = bytes;
    to->z.avail_in = len;
    result = board->state == ESP_ROM && (board->chip->features & ESP_INFLATE_SPILLS) != 0
                 ? inflate_by_windows(board)
                 : inflate_as_it_comes(board);
    to->finished = result == Z_STREAM_END;
    if (result == Z_STREAM_END && to->z.avail_in > 0)
        to->error = esp_error(board, ESP_ROM_INFLATE, ESP_STUB_TOO_MUCH);
    else if (result < 0 && result != Z_BUF_ERROR)
        to->error = esp_error(board, ESP_ROM_INFLATE, ESP_STUB_INFLATE);
}

void esp_flash_data(struct esp_board *board, const uint8_t *bytes, uint32_t len)
{
    if (board->download.kind == ESP_DEFLATED)
        inflate_to_flash(board, bytes, len);
    else
        write_flash(board, bytes, len);
}

/* ---- MD5 ------------------------------------------------------------------------------------------- */

static void md5_add(struct esp_board *board, EVP_MD_CTX *md5, uint32_t address, uint32_t len)
{
    while (len > 0) {
        uint32_t piece = KILN_MIN(len, (uint32_t)sizeof board->out);

        kiln_nor_read(&board->nor, address, board->out, piece);
        EVP_DigestUpdate(md5, board->out, piece);
        address += piece;
        len -= piece;
    }
}

static bool md5_of(struct esp_board *board, uint32_t address, uint32_t len, uint8_t digest[16])
{
    EVP_MD_CTX *md5 = EVP_MD_CTX_new();
    uint8_t whole[EVP_MAX_MD_SIZE] = {0};
    bool ok = md5 != NULL && EVP_DigestInit_ex(md5, EVP_md5(), NULL) == 1;

    if (ok) {
        md5_add(board, md5, address, len);
        EVP_DigestFinal_ex(md5, whole, NULL);
    }
    EVP_MD_CTX_free(md5);
    memcpy(digest, whole, 16);
    board->cpu_ns += (uint64_t)len * READ_NS_PER_BYTE;
    return ok;
}

/* The ROM answers in hexadecimal text, also when the range is not there. */
void esp_flash_md5(struct esp_board *board, const struct esp_request *request)
{
    static const char hex[] = "0123456789abcdef";
    uint32_t address = word(request, 0), len = word(request, 1);
    uint8_t digest[16] = {0}, text[32];
    bool inside = len <= board->nor.size && address <= board->nor.size - len;
    bool ok = board->attached && inside && md5_of(board, address, len, digest);
    uint8_t error = ok ? ESP_OK : esp_error(board, ESP_ROM_READ_FAILED, ESP_STUB_FAILED);

    if (board->state == ESP_STUB) {
        esp_reply(board, request->op, 0, digest, ok ? 16 : 0, error);
        return;
    }
    for (size_t i = 0; i < 16; i++) {
        text[2 * i] = (uint8_t)hex[digest[i] >> 4];
        text[2 * i + 1] = (uint8_t)hex[digest[i] & 15];
    }
    esp_reply(board, request->op, board->reply_value, text, 32, error);
}

/* ---- READ_FLASH of the stub -------------------------------------------------------------------------- */

void esp_read_end(struct esp_board *board)
{
    EVP_MD_CTX_free(board->read.md5);
    memset(&board->read, 0, sizeof board->read);
}

void esp_read_begin(struct esp_board *board, const struct esp_request *request)
{
    struct esp_read *read = &board->read;
    uint8_t error = ESP_OK;

    esp_read_end(board);
    read->address = word(request, 0);
    read->left = word(request, 1);
    read->block = word(request, 2);
    read->window = word(request, 3);
    if (read->left > board->nor.size || read->address > board->nor.size - read->left)
        error = ESP_STUB_FAILED;
    else if (read->block == 0 || read->block > 0x4000)
        error = ESP_STUB_BLOCK_SIZE;
    esp_reply(board, request->op, 0, NULL, 0, error);
    if (error != ESP_OK || (read->md5 = EVP_MD_CTX_new()) == NULL)
        return;
    EVP_DigestInit_ex(read->md5, EVP_md5(), NULL);
    read->active = true; /* the board goes on with esp_read_more() as long as it can */
}

/* The first stub keeps up to `window` bytes unacknowledged, but always one block; the second keeps one. */
static bool window_open(const struct esp_board *board)
{
    uint32_t under_way = board->read.sent - board->read.acked;

    return under_way == 0 || (!board->one_block_reads && under_way < board->read.window);
}

bool esp_read_can_go_on(const struct esp_board *board)
{
    const struct esp_read *read = &board->read;

    return read->active && (read->left > 0 ? window_open(board) : read->sent == read->acked);
}

void esp_read_more(struct esp_board *board)
{
    struct esp_read *read = &board->read;
    uint32_t len = KILN_MIN(read->block, read->left);
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (len == 0) {
        EVP_DigestFinal_ex(read->md5, digest, NULL);
        esp_put_frame(board, digest, 16);
        esp_read_end(board);
        return;
    }
    kiln_nor_read(&board->nor, read->address, board->out, len);
    EVP_DigestUpdate(read->md5, board->out, len);
    board->cpu_ns += (uint64_t)len * READ_NS_PER_BYTE;
    esp_put_frame(board, board->out, len);
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->to_host.free_ns);
    read->address += len;
    read->left -= len;
    read->sent += len;
}

void esp_read_ack(struct esp_board *board, const uint8_t *frame, size_t len)
{
    struct esp_read *read = &board->read;
    uint32_t total = len == 4 ? kiln_le32(frame) : UINT32_MAX;

    if (total > read->sent) {
        esp_read_end(board); /* not an acknowledgement: the host has given up */
        return;
    }
    read->acked = total;
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->now_ns);
}
