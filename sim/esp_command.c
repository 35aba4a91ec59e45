/* SPDX-License-Identifier: MIT */
/* What ROM and stub do with a request. */
#include "base/bytes.h"
#include "sim/esp.h"

#include <string.h>

#define COMMAND_NS 40000u /* to take a request apart */
#define SYNC_VALUE 0x20120707u

uint8_t esp_error(const struct esp_board *board, uint8_t rom, uint8_t stub)
{
    return board->state == ESP_STUB ? stub : rom;
}

static void damage(struct esp_board *board, uint8_t *frame, size_t len)
{
    uint32_t r = kiln_sim_random(&board->random);

    frame[r % len] ^= (uint8_t)(1u << (r >> 16) % 8);
}

/* The ROM has one reply in memory and fills in only what a command knows. */
static void fill_status(struct esp_board *board, uint8_t *status, uint8_t error)
{
    if (board->state == ESP_STUB) {
        status[0] = error;
        return;
    }
    status[0] = error != ESP_OK;
    status[1] = board->reply_error;
    if (board->chip->status_len == 4)
        memcpy(status + 2, board->reply_tail, 2);
}

#define ENDLESS 60000u /* bytes that follow a reply that does not end */

/* The greeting is true, or nobody would go on talking to it. */
static void deceive(struct esp_board *board, uint8_t *frame, size_t *total)
{
    uint32_t r = kiln_sim_random(&board->random);

    if (frame[1] == 0x08)
        return;
    if (board->lie == ESP_LIE_MD5 && frame[1] == 0x13)
        frame[8 + r % 16] ^= 1;
    else if (board->lie == ESP_LIE_SIZE)
        kiln_put_le16(frame + 2, (uint16_t)(kiln_le16(frame + 2) + 1 + r % 4000));
    else if (board->lie == ESP_LIE_OP)
        frame[1] ^= (uint8_t)(1 + r % 15);
    else if (board->lie == ESP_LIE_SHORT)
        *total -= (*total - 8) / 2;
    else if (board->lie == ESP_LIE_VALUE)
        kiln_put_le32(frame + 4, r);
}

static void never_end(struct esp_board *board)
{
    static const uint8_t filler[256];

    for (uint32_t sent = 0; sent < ENDLESS; sent += (uint32_t)sizeof filler)
        esp_put_raw(board, filler, sizeof filler);
}

void esp_reply(struct esp_board *board, uint8_t op, uint32_t value, const uint8_t *data, size_t len,
               uint8_t error)
{
    uint8_t frame[128];
    size_t status_len = board->state == ESP_STUB ? 2 : board->chip->status_len;
    size_t total = 8 + len + status_len;
    int64_t number = (int64_t)board->replies++;

    memset(frame, 0, sizeof frame);
    frame[0] = 1;
    frame[1] = board->reply_op = op;
    kiln_put_le16(frame + 2, (uint16_t)(len + status_len));
    kiln_put_le32(frame + 4, value);
    if (len > 0)
        memcpy(frame + 8, data, len);
    if (error != ESP_OK)
        board->reply_error = error;
    fill_status(board, frame + 8 + len, error);
    deceive(board, frame, &total);
    if (number == board->knobs.corrupt_reply_at)
        damage(board, frame, total);
    if (number == board->knobs.delay_at)
        board->cpu_ns += (uint64_t)board->knobs.delay_ms * KILN_NS_PER_MS;
    if (number == board->knobs.drop_reply_at)
        return;
    board->counts.replies++;
    if (board->lie == ESP_LIE_ENDLESS && op != 0x08)
        never_end(board);
    esp_put_frame(board, frame, total);
}

static void reply_status(struct esp_board *board, const struct esp_request *request, uint8_t error)
{
    esp_reply(board, request->op, board->state == ESP_STUB ? 0 : board->reply_value, NULL, 0,
              error);
}

static uint32_t word(const struct esp_request *request, size_t index)
{
    return kiln_le32(request->data + 4 * index);
}

/* ---- commands that both have ------------------------------------------------------------------- */

static void sync_command(struct esp_board *board, const struct esp_request *request)
{
    board->synced = true;
    board->reply_value = SYNC_VALUE;
    board->reply_error = 0;
    for (int i = 0; i < 8; i++)
        reply_status(board, request, ESP_OK);
}

static void mem_begin(struct esp_board *board, const struct esp_request *request)
{
    struct esp_download *to = &board->download;

    esp_download_end(board);
    if (board->state != ESP_STUB && word(request, 2) > ESP_ROM_BLOCK_MAX) {
        reply_status(board, request, ESP_ROM_BAD_MESSAGE);
        return;
    }
    to->kind = ESP_TO_RAM;
    to->left = word(request, 0);
    to->address = word(request, 3);
    if (board->ram_len == 0 || to->address < board->ram_low)
        board->ram_low = to->address;
    reply_status(board, request, ESP_OK);
}

/*
 * The ROM believes the length word, wants the blocks in order, and counts a block also when its checksum is
 * wrong: the same block sent again is refused. The stub looks at length and checksum only.
 */
static uint8_t check_data(struct esp_board *board, const struct esp_request *request,
                          uint32_t *out_len)
{
    bool stub = board->state == ESP_STUB;
    uint32_t len = word(request, 0);
    uint8_t sum = 0xef;

    *out_len = len;
    if (stub ? len != request->len - 16 : len > ESP_ROM_BLOCK_MAX)
        return esp_error(board, ESP_ROM_BAD_MESSAGE, ESP_STUB_BAD_LENGTH);
    if (!stub &&
        (board->download.kind == ESP_NO_DOWNLOAD || word(request, 1) != board->download.next_block))
        return ESP_ROM_BAD_MESSAGE;
    board->download.next_block++;
    if (board->download.blocks_left > 0)
        board->download.blocks_left--;
    for (size_t i = 0; i < len; i++)
        sum ^= request->data[16 + i];
    if (sum != (uint8_t)request->checksum)
        return esp_error(board, ESP_ROM_BAD_CHECKSUM, ESP_STUB_CHECKSUM);
    return ESP_OK;
}

static void mem_data(struct esp_board *board, const struct esp_request *request)
{
    struct esp_download *to = &board->download;
    uint32_t len;
    uint8_t error = check_data(board, request, &len);

    if (error == ESP_OK && to->kind != ESP_TO_RAM)
        error = esp_error(board, ESP_ROM_BAD_MESSAGE, ESP_STUB_NOT_WRITING);
    if (error == ESP_OK) {
        esp_copy_to_ram(board, to->address, request->data + 16, len);
        to->address += len;
        board->ram_len += len;
    }
    reply_status(board, request, error);
}

/* The vendor's second flasher stub begins with its entry function, the first one does not. */
static void start_stub(struct esp_board *board, uint32_t entry)
{
    board->state = ESP_STUB;
    board->one_block_reads = entry - board->ram_low < 16;
    board->attached = true;
    esp_put_frame(board, (const uint8_t *)"OHAI", 4);
}

#define SMALLEST_STUB 1024u /* a shorter upload is taken for somebody's program */

static void mem_end(struct esp_board *board, const struct esp_request *request)
{
    bool stay = word(request, 0) != 0;
    uint32_t entry = word(request, 1), len = board->ram_len;

    esp_download_end(board);
    reply_status(board, request, ESP_OK);
    if (stay)
        return;
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->to_host.free_ns);
    board->ram_len = 0;
    if (board->secure_boot && (board->chip->features & ESP_NO_JUMP_IF_SECURE) != 0) {
        esp_run_from_ram(board, entry);
    } else if (esp_load(board, board->ram_low + 4) == ESP_FLASHER_MAGIC) {
        board->ram_len = len;
        esp_flasher_start(board);
    } else if (len >= SMALLEST_STUB) {
        start_stub(board, entry);
    } else {
        esp_run_from_ram(board, entry);
    }
}

static void write_reg(struct esp_board *board, const struct esp_request *request)
{
    size_t records = board->state == ESP_STUB ? request->len / 16 : 1;

    for (size_t i = 0; i < records; i++) {
        uint32_t address = word(request, 4 * i), value = word(request, 4 * i + 1);
        uint32_t mask = word(request, 4 * i + 2);

        board->cpu_ns += (uint64_t)KILN_MIN(word(request, 4 * i + 3), 1000000u) * 1000;
        if (mask != UINT32_MAX)
            value = (esp_load(board, address) & ~mask) | (value & mask);
        esp_store(board, address, value);
    }
    reply_status(board, request, ESP_OK);
}

static void read_reg(struct esp_board *board, const struct esp_request *request)
{
    uint32_t value = esp_load(board, word(request, 0));

    board->reply_value = value;
    esp_reply(board, request->op, value, NULL, 0, ESP_OK);
}

static void spi_params(struct esp_board *board, const struct esp_request *request)
{
    bool good = board->state == ESP_STUB || request->size == 24;

    reply_status(board, request, good ? ESP_OK : ESP_ROM_BAD_MESSAGE);
}

static void spi_attach(struct esp_board *board, const struct esp_request *request)
{
    board->attached = true;
    reply_status(board, request, ESP_OK);
}

static void change_baud(struct esp_board *board, const struct esp_request *request)
{
    uint32_t baud = word(request, 0);

    reply_status(board, request, ESP_OK);
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->to_host.free_ns);
    if (baud >= 300 && baud <= 5000000)
        board->baud = baud;
    if (board->state != ESP_STUB) {
        /* Two lone delimiters follow from the ROM. */
        esp_put_frame(board, NULL, 0);
        board->cpu_ns = KILN_MAX(board->cpu_ns, board->to_host.free_ns);
    }
}

/* A chip that ESP-IDF has secured: JTAG is off, the digests that were not used are revoked, and the cache
 * does not decrypt in download mode. */
#define SECURED_BOOT  (1u << 0 | 1u << 4 | 1u << 5 | 1u << 7)
#define SECURED_FLASH (1u << 7 | 1u << 10)
#define DIGEST_0      9u

static void security_info(struct esp_board *board, const struct esp_request *request)
{
    uint8_t info[20] = {0};

    kiln_put_le32(info, (board->knobs.secure_download ? 4u : 0) |
                            (board->secure_boot ? SECURED_BOOT : 0) |
                            (board->encryption ? SECURED_FLASH : 0));
    info[4] = board->encryption;
    info[5] = board->encryption ? 4 : board->secure_boot ? DIGEST_0 : 0;
    kiln_put_le32(info + 12, board->chip->chip_id);
    esp_reply(board, request->op, board->reply_value, info, board->chip->security_info_len, ESP_OK);
}

static void flash_begin(struct esp_board *board, const struct esp_request *request)
{
    uint16_t size = (board->chip->features & ESP_HAS_ENCRYPT) != 0 ? 20 : 16;

    if (board->state != ESP_STUB && request->size != size)
        reply_status(board, request, ESP_ROM_BAD_MESSAGE);
    else
        reply_status(board, request, esp_flash_begin(board, request));
}

static void flash_data(struct esp_board *board, const struct esp_request *request)
{
    struct esp_download *to = &board->download;
    bool stub = board->state == ESP_STUB, inflate = request->op == 0x11;
    uint32_t len;
    uint8_t error = check_data(board, request, &len);

    if (error == ESP_OK && to->kind != (inflate ? ESP_DEFLATED : ESP_TO_FLASH))
        error = esp_error(board, ESP_ROM_BAD_MESSAGE, ESP_STUB_NOT_WRITING);
    if (error == ESP_OK && stub)
        error = to->error;
    if (error != ESP_OK || stub)
        reply_status(board, request, error);
    if (error != ESP_OK)
        return;
    esp_flash_data(board, request->data + 16, len);
    if (!stub && !board->wedged)
        reply_status(board, request, to->error);
}

/* The end of raw data leaves the ROM whatever the word says; the end of deflated data can stay. */
static void flash_end(struct esp_board *board, const struct esp_request *request)
{
    bool stub = board->state == ESP_STUB, leave = request->op == 0x04 || word(request, 0) == 0;
    uint8_t error = board->download.error;

    if (!stub && board->download.blocks_left > 0)
        error = ESP_ROM_FAILED;
    esp_download_end(board);
    reply_status(board, request, error);
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->to_host.free_ns);
    if (leave && !stub)
        esp_leave_rom(board);
}

/* Always 64 bytes, however few were asked for. */
static void slow_read(struct esp_board *board, const struct esp_request *request)
{
    uint32_t len = word(request, 1);
    uint32_t called =
        board->chip->read_pointer != 0 ? esp_load(board, board->chip->read_pointer) : 0;
    uint8_t bytes[64];

    if (called != 0 && board->ram_len >= SMALLEST_STUB) { /* somebody's own code, no answer */
        start_stub(board, called);
        return;
    }
    memset(bytes, 0, sizeof bytes);
    if (len <= sizeof bytes && board->attached)
        kiln_nor_read(&board->nor, word(request, 0), bytes, len);
    esp_reply(board, request->op, board->reply_value, bytes, sizeof bytes,
              len > sizeof bytes ? ESP_ROM_READ_LENGTH
              : !board->attached ? ESP_ROM_READ_FAILED
                                 : ESP_OK);
}

/* ---- commands of the stub ----------------------------------------------------------------------- */

static void erase_all(struct esp_board *board, const struct esp_request *request)
{
    board->cpu_ns = kiln_nor_erase(&board->nor, board->cpu_ns, 0, board->nor.size);
    reply_status(board, request, ESP_OK);
}

static void erase_region(struct esp_board *board, const struct esp_request *request)
{
    uint32_t address = word(request, 0), len = word(request, 1);

    if (address % KILN_NOR_SECTOR != 0 || len % KILN_NOR_SECTOR != 0) {
        reply_status(board, request, ESP_STUB_BAD_LENGTH);
        return;
    }
    board->cpu_ns = kiln_nor_erase_range(&board->nor, board->cpu_ns, address, len);
    reply_status(board, request, ESP_OK);
}

static void run_user_code(struct esp_board *board, const struct esp_request *request)
{
    (void)request;
    esp_boot(board, false);
}

/* ---- the table ----------------------------------------------------------------------------------- */

#define ROM    1u
#define STUB   2u
#define SECURE 4u /* also in secure download mode */

static const struct command {
    uint8_t op;
    unsigned where;
    unsigned features; /* of the chip, for the ROM; any of them */
    size_t shortest;   /* bytes of data */
    void (*run)(struct esp_board *board, const struct esp_request *request);
} commands[] = {
    {0x02, ROM | STUB | SECURE, 0, 16, flash_begin},
    {0x03, ROM | STUB | SECURE, 0, 16, flash_data},
    {0x04, ROM | STUB | SECURE, 0, 4, flash_end},
    {0x05, ROM | STUB, 0, 16, mem_begin},
    {0x06, ROM | STUB, 0, 8, mem_end},
    {0x07, ROM | STUB, 0, 16, mem_data},
    {0x08, ROM | STUB | SECURE, 0, 36, sync_command},
    {0x09, ROM | STUB, 0, 16, write_reg},
    {0x0a, ROM | STUB, 0, 4, read_reg},
    {0x0b, ROM | STUB | SECURE, ESP_HAS_ATTACH, 24, spi_params},
    {0x0d, ROM | STUB | SECURE, ESP_HAS_ATTACH, 4, spi_attach},
    {0x0e, ROM, ESP_HAS_SLOW_READ, 8, slow_read},
    {0x0f, ROM | STUB | SECURE, ESP_HAS_ATTACH, 8, change_baud},
    {0x10, ROM | STUB | SECURE, ESP_HAS_DEFLATE, 16, flash_begin},
    {0x11, ROM | STUB | SECURE, ESP_HAS_DEFLATE, 16, flash_data},
    {0x12, ROM | STUB | SECURE, ESP_HAS_DEFLATE, 4, flash_end},
    {0x13, ROM | STUB, ESP_HAS_ATTACH, 16, esp_flash_md5},
    {0x14, ROM | STUB | SECURE, 0, 0, security_info},
    {0xd0, STUB, 0, 0, erase_all},
    {0xd1, STUB, 0, 8, erase_region},
    {0xd2, STUB, 0, 16, esp_read_begin},
    {0xd3, STUB, 0, 0, run_user_code},
};

static const struct command *find_command(const struct esp_board *board, uint8_t op)
{
    unsigned where = board->state == ESP_STUB ? STUB : board->knobs.secure_download ? SECURE : ROM;

    for (size_t i = 0; i < KILN_ARRAY_LEN(commands); i++) {
        const struct command *command = &commands[i];

        if (command->op != op || (command->where & where) == 0)
            continue;
        if (op == 0x14 && board->chip->security_info_len == 0)
            return NULL;
        if (board->state != ESP_STUB && command->features != 0 &&
            (command->features & board->chip->features) == 0)
            return NULL;
        return command;
    }
    return NULL;
}

static bool keeps_error(uint8_t op)
{
    return op == 0x02 || op == 0x03 || op == 0x05 || op == 0x07 || op == 0x10 || op == 0x11;
}

static void execute_request(struct esp_board *board, const struct esp_request *request)
{
    const struct command *command = find_command(board, request->op);
    bool stub = board->state == ESP_STUB;
    int64_t number = (int64_t)board->counts.commands++;

    if (number == board->knobs.unplug_at) {
        board->gone = true;
    } else if (command == NULL) {
        /* The ROM answers with what is still in its reply: another command's code. */
        esp_reply(board, stub ? request->op : board->reply_op, stub ? 0 : board->reply_value, NULL,
                  0, esp_error(board, ESP_ROM_BAD_MESSAGE, ESP_STUB_UNKNOWN));
    } else if (number == board->knobs.refuse_at) {
        reply_status(board, request, esp_error(board, ESP_ROM_FAILED, ESP_STUB_FAILED));
    } else if (stub && (request->size != request->len || request->len < command->shortest)) {
        reply_status(board, request, ESP_STUB_BAD_LENGTH);
    } else {
        if (!keeps_error(request->op))
            board->reply_error = 0;
        command->run(board, request);
    }
}

/* The ROM trusts no length, because it looks at none: a short frame has the rest of an older one. */
void esp_execute(struct esp_board *board, const uint8_t *frame, size_t len)
{
    struct esp_request request = {.op = frame[1],
                                  .size = kiln_le16(frame + 2),
                                  .checksum = kiln_le32(frame + 4),
                                  .data = frame + 8,
                                  .len = len > 8 ? len - 8 : 0};

    board->cpu_ns = KILN_MAX(board->cpu_ns, board->now_ns) + COMMAND_NS;
    if (board->state == ESP_STUB && board->read.active) {
        esp_read_ack(board, frame, len);
        return;
    }
    if (board->state == ESP_STUB && (len < 8 || frame[0] != 0))
        return;
    if (frame[0] != 0)
        esp_reply(board, board->reply_op, board->reply_value, NULL, 0, ESP_ROM_BAD_MESSAGE);
    else
        execute_request(board, &request);
    if (board->nor.power_lost)
        board->state = ESP_DARK;
}
