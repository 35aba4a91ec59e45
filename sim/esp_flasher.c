/* SPDX-License-Identifier: MIT */
/*
 * Kiln's own flasher as docs/flasher.md describes it, not as flasher/ is written: what either gets wrong shows in the
 * other.
 *
 * Times: a core at the 40 MHz of the crystal and SPI at 20 MHz, as docs/flasher.md says. Instructions were counted in
 * an emulator, on the slower of the two cores, and take 1.5 cycles each here for what an emulator does not show (taken
 * branches, loads, registers behind a slow bus).
 */
#include "base/bytes.h"
#include "sim/esp.h"

#include <openssl/evp.h>
#include <string.h>

#define CHUNK        64u
#define CHUNK_BUS_NS 28000u /* 64 bytes, opcode and address at 20 MHz */
#define CHUNK_CPU_NS \
    12000u /* to set the controller up and to move the data: 160 instructions and 40 accesses */
#define RECEIVE_NS     2000u /* a byte on the wire: 50 instructions */
#define INFLATE_IN_NS  3750u /* a byte of the stream: 100 instructions */
#define INFLATE_OUT_NS 375u  /* a byte that comes out: 10 instructions */
#define STEP           16u /* such bytes, after which it looks at the flash chip: 60 instructions */
#define STEP_NS        2200u
#define MD5_NS         640u /* a byte: 17 instructions */
#define ACK_EVERY      2048u
#define TELL_EVERY     32768u
#define FRAME_DATA     4096u
#define READ_FRAME     1024u
#define STATUS_OK      0u
#define STATUS_GAP     1u
#define STATUS_COMMAND 2u
#define STATUS_RANGE   3u
#define STATUS_STREAM  4u
#define BLOCK_PROTECT  0x1cu
#define SYNC_FRAME     44u
#define RANGE_FRAME    32u
#define RESET_REQUEST  0xe6u

/* ---- replies ---------------------------------------------------------------------------------- */

static void answer(struct esp_board *board, uint8_t op, uint32_t value, const uint8_t *body,
                   size_t len, uint8_t status)
{
    uint8_t frame[8 + FRAME_DATA + 2 + 4];
    int64_t number = (int64_t)board->replies++;

    frame[0] = 1;
    frame[1] = op;
    kiln_put_le16(frame + 2, (uint16_t)(len + 2));
    kiln_put_le32(frame + 4, value);
    if (len > 0)
        memcpy(frame + 8, body, len);
    frame[8 + len] = status;
    frame[9 + len] = 0;
    kiln_put_le32(frame + 10 + len, (uint32_t)crc32(0, frame, (uInt)(10 + len)));
    if (number == board->knobs.corrupt_reply_at) {
        uint32_t r = kiln_sim_random(&board->random);

        frame[r % (14 + len)] ^= (uint8_t)(1u << (r >> 16) % 8);
    }
    if (number == board->knobs.delay_at)
        board->cpu_ns += (uint64_t)board->knobs.delay_ms * KILN_NS_PER_MS;
    if (number == board->knobs.drop_reply_at)
        return;
    board->counts.replies++;
    esp_put_frame(board, frame, 14 + len);
}

static void tell_progress(struct esp_board *board, uint8_t status)
{
    struct esp_flasher *flasher = &board->flasher;
    const uint32_t words[4] = {flasher->got, flasher->erased, flasher->programmed, flasher->hashed};
    uint8_t body[16];

    for (size_t i = 0; i < 4; i++)
        kiln_put_le32(body + 4 * i, words[i]);
    flasher->acked = flasher->taken;
    answer(board, 0xe1, flasher->taken, body, sizeof body, status);
}

static void greet(struct esp_board *board)
{
    uint8_t body[16], word[4];
    uLong crc = crc32(0, NULL, 0);

    for (uint32_t i = 0; i + 4 <= board->ram_len; i += 4) {
        kiln_put_le32(word, esp_load(board, board->ram_low + i));
        crc = crc32(crc, word, 4);
    }
    kiln_put_le32(body, 1);
    kiln_put_le32(body + 4, (uint32_t)crc ^ (board->flasher.odd ? 1u : 0));
    kiln_put_le32(body + 8, ESP_FLASHER_WINDOW);
    kiln_put_le32(body + 12, FRAME_DATA);
    answer(board, 0x08, ESP_FLASHER_MAGIC, body, sizeof body, STATUS_OK);
}

void esp_flasher_end(struct esp_board *board)
{
    struct esp_flasher *flasher = &board->flasher;

    if (flasher->inflating)
        inflateEnd(&flasher->z);
    EVP_MD_CTX_free(flasher->md5);
    flasher->md5 = NULL;
    flasher->inflating = flasher->writing = flasher->reading = false;
}

void esp_flasher_start(struct esp_board *board)
{
    board->state = ESP_FLASHER;
    esp_clear_input(board);
    if (!board->flasher.dead)
        greet(board);
}

/* ---- the work of a write ----------------------------------------------------------------------- */

static void read_chunk(struct esp_board *board, uint32_t address, uint8_t *bytes)
{
    kiln_nor_read(&board->nor, address, bytes, CHUNK);
    board->cpu_ns += CHUNK_CPU_NS + CHUNK_BUS_NS;
    board->flasher.waited_ns += CHUNK_BUS_NS;
}

static bool is_blank(const uint8_t bytes[CHUNK])
{
    for (size_t i = 0; i < CHUNK; i++)
        if (bytes[i] != 0xff)
            return false;
    return true;
}

static uint32_t next_unit(const struct esp_flasher *flasher)
{
    uint32_t at = flasher->address + flasher->erased, left = flasher->covers - flasher->erased;

    if (at % KILN_NOR_BLOCK == 0 && left >= KILN_NOR_BLOCK)
        return KILN_NOR_BLOCK;
    if (flasher->half_opcode != 0 && at % KILN_NOR_HALF == 0 && left >= KILN_NOR_HALF)
        return KILN_NOR_HALF;
    return KILN_NOR_SECTOR;
}

/* A look at 64 bytes of the next unit; the first that are not blank get it erased. */
static void erase_ahead(struct esp_board *board)
{
    struct esp_flasher *flasher = &board->flasher;
    uint32_t unit = next_unit(flasher);
    uint8_t bytes[CHUNK];

    read_chunk(board, flasher->address + flasher->erased + flasher->blank, bytes);
    flasher->blank += CHUNK;
    if (!is_blank(bytes))
        (void)kiln_nor_erase(&board->nor, board->cpu_ns, flasher->address + flasher->erased, unit);
    else if (flasher->blank < unit)
        return;
    flasher->blank = 0;
    flasher->erased += unit;
    if (flasher->erased % TELL_EVERY == 0)
        tell_progress(board, STATUS_OK);
}

static void program_chunk(struct esp_board *board, uint32_t len)
{
    struct esp_flasher *flasher = &board->flasher;
    uint32_t waiting = flasher->produced - flasher->programmed;
    uint8_t bytes[CHUNK];

    memset(bytes, 0xff, sizeof bytes);
    memcpy(bytes, flasher->out, len);
    board->cpu_ns += CHUNK_CPU_NS;
    if (!is_blank(bytes)) /* nobody waits for the bus here */
        (void)kiln_nor_program(&board->nor, board->cpu_ns + CHUNK_BUS_NS,
                               flasher->address + flasher->programmed, bytes, len);
    memmove(flasher->out, flasher->out + len, waiting - len);
    flasher->programmed += len;
    if (flasher->programmed % TELL_EVERY == 0)
        tell_progress(board, STATUS_OK);
}

static void hash_chunk(struct esp_board *board)
{
    struct esp_flasher *flasher = &board->flasher;
    uint8_t bytes[CHUNK];

    read_chunk(board, flasher->address + flasher->hashed, bytes);
    flasher->md5_ns = (uint64_t)CHUNK * MD5_NS;
    EVP_DigestUpdate(flasher->md5, bytes, CHUNK);
    flasher->hashed += CHUNK;
    if (flasher->hashed % TELL_EVERY == 0)
        tell_progress(board, STATUS_OK);
}

enum step { NOTHING, PROGRAM, ERASE };

/* What was programmed, or is blank behind the data, and was not read back yet. */
static bool can_hash(const struct esp_flasher *flasher)
{
    uint32_t end = flasher->programmed == flasher->len ? flasher->erased : flasher->programmed;

    return flasher->hashed + CHUNK <= end;
}

/* What the flash could do if it were idle. */
static enum step next_step(const struct esp_flasher *flasher)
{
    uint32_t waiting = flasher->produced - flasher->programmed;
    bool whole = waiting >= CHUNK || (waiting > 0 && flasher->produced == flasher->len);

    if (whole && flasher->programmed < flasher->erased)
        return PROGRAM;
    if (flasher->erased < flasher->covers)
        return ERASE;
    return NOTHING;
}

static bool can_inflate(const struct esp_flasher *flasher)
{
    return flasher->inflating && (flasher->taken < flasher->got || flasher->more) &&
           flasher->error == STATUS_OK &&
           flasher->produced - flasher->programmed <= ESP_FLASHER_AHEAD - CHUNK;
}

static void end_of_stream(struct esp_flasher *flasher, int result)
{
    bool whole = flasher->produced == flasher->len && flasher->taken == flasher->stream_len;

    if (result == Z_STREAM_END) {
        inflateEnd(&flasher->z);
        flasher->inflating = false;
    }
    flasher->more = result == Z_OK && flasher->z.avail_out == 0;
    if ((result < 0 && result != Z_BUF_ERROR) || (result == Z_STREAM_END && !whole) ||
        (result != Z_STREAM_END && flasher->taken == flasher->stream_len && !flasher->more))
        flasher->error = STATUS_STREAM;
}

static void inflate_some(struct esp_board *board)
{
    struct esp_flasher *flasher = &board->flasher;
    uint32_t waiting = flasher->produced - flasher->programmed;
    uint32_t have = flasher->got - flasher->taken, used, made;
    uint8_t out[STEP];
    int result;

    flasher->z.next_in = flasher->in;
    flasher->z.avail_in = have;
    flasher->z.next_out = out;
    flasher->z.avail_out = STEP;
    result = inflate(&flasher->z, Z_NO_FLUSH);
    used = have - flasher->z.avail_in;
    made = STEP - flasher->z.avail_out;
    memmove(flasher->in, flasher->in + used, have - used);
    flasher->taken += used;
    if (made > flasher->len - flasher->produced) {
        flasher->error = STATUS_STREAM;
        return;
    }
    memcpy(flasher->out + waiting, out, made);
    flasher->produced += made;
    board->cpu_ns += (uint64_t)used * INFLATE_IN_NS + (uint64_t)made * INFLATE_OUT_NS + STEP_NS;
    end_of_stream(flasher, result);
    if (flasher->taken - flasher->acked >= ACK_EVERY)
        tell_progress(board, STATUS_OK);
}

static void finish_write(struct esp_board *board)
{
    struct esp_flasher *flasher = &board->flasher;
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};

    EVP_DigestFinal_ex(flasher->md5, digest, NULL);
    answer(board, 0xe2, flasher->produced, digest, 16, flasher->error);
    esp_flasher_end(board);
}

static void write_more(struct esp_board *board)
{
    struct esp_flasher *flasher = &board->flasher;
    bool idle;

    if (can_inflate(flasher))
        inflate_some(board);
    idle = board->nor.busy_until_ns <= board->cpu_ns;
    if (idle && flasher->error == STATUS_OK) {
        enum step step = next_step(flasher);
        bool hashed = can_hash(flasher);

        if (hashed)
            hash_chunk(board);
        if (step == PROGRAM)
            program_chunk(board, KILN_MIN(flasher->produced - flasher->programmed, CHUNK));
        else if (step == ERASE)
            erase_ahead(board);
        else if (!hashed && flasher->hashed == flasher->covers && !flasher->inflating)
            finish_write(board);
        board->cpu_ns += flasher->md5_ns; /* while the chip programs */
        flasher->md5_ns = 0;
    } else if (flasher->error != STATUS_OK) {
        finish_write(board);
    }
}

static void read_more(struct esp_board *board)
{
    struct esp_flasher *flasher = &board->flasher;
    uint32_t len = KILN_MIN(READ_FRAME, flasher->covers - flasher->produced);
    uint8_t bytes[READ_FRAME];

    kiln_nor_read(&board->nor, flasher->address + flasher->produced, bytes, len);
    board->cpu_ns += (uint64_t)len * (CHUNK_CPU_NS + CHUNK_BUS_NS) / CHUNK;
    answer(board, 0xe5, flasher->address + flasher->produced, bytes, len, STATUS_OK);
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->to_host.free_ns);
    flasher->produced += len;
    flasher->reading = flasher->produced < flasher->covers;
}

uint64_t esp_flasher_next_ns(const struct esp_board *board)
{
    const struct esp_flasher *flasher = &board->flasher;
    uint64_t free_ns = KILN_MAX(board->cpu_ns, board->now_ns);

    if (flasher->reading || (flasher->writing && (can_inflate(flasher) || flasher->error)))
        return free_ns;
    if (flasher->writing && (next_step(flasher) != NOTHING || can_hash(flasher) ||
                             (flasher->hashed == flasher->covers && !flasher->inflating)))
        return KILN_MAX(free_ns, board->nor.busy_until_ns);
    return UINT64_MAX;
}

void esp_flasher_work(struct esp_board *board)
{
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->now_ns);
    if (board->flasher.reading)
        read_more(board);
    else
        write_more(board);
    if (board->nor.power_lost)
        board->state = ESP_DARK;
}

/* ---- requests ------------------------------------------------------------------------------------- */

static void begin_write(struct esp_board *board, const uint32_t *word)
{
    struct esp_flasher *flasher = &board->flasher;

    flasher->len = word[4];
    flasher->stream_len = word[5];
    if (flasher->len == 0 || flasher->len > flasher->covers) {
        answer(board, 0xe0, 0, NULL, 0, STATUS_RANGE);
        return;
    }
    memset(&flasher->z, 0, sizeof flasher->z);
    flasher->inflating = inflateInit2(&flasher->z, -15) == Z_OK;
    flasher->md5 = EVP_MD_CTX_new();
    if (flasher->md5 == NULL || !flasher->inflating)
        return;
    EVP_DigestInit_ex(flasher->md5, EVP_md5(), NULL);
    flasher->writing = true;
    answer(board, 0xe0, board->nor.status[0] & BLOCK_PROTECT, NULL, 0, STATUS_OK);
}

static void hash_units(struct esp_board *board, const uint32_t *word)
{
    uint32_t unit = word[3], each = word[4], total = 0;
    uint8_t hashes[FRAME_DATA] = {0}, chunk[CHUNK], digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md5 = EVP_MD_CTX_new();

    if (unit == 0 || each > 16 || word[5] > FRAME_DATA || md5 == NULL) {
        EVP_MD_CTX_free(md5);
        answer(board, 0xe3, 0, NULL, 0, STATUS_RANGE);
        return;
    }
    for (uint32_t at = 0; at < word[1] && total + each <= FRAME_DATA; at += unit, total += each) {
        uint32_t left = KILN_MIN(unit, word[1] - at);

        EVP_DigestInit_ex(md5, EVP_md5(), NULL);
        for (uint32_t done = 0; done < left; done += CHUNK) {
            uint32_t n = KILN_MIN(CHUNK, left - done);

            kiln_nor_read(&board->nor, word[0] + at + done, chunk, n);
            EVP_DigestUpdate(md5, chunk, n);
        }
        EVP_DigestFinal_ex(md5, digest, NULL);
        memcpy(hashes + total, digest, each);
        if (unit > word[1] - at)
            break;
    }
    EVP_MD_CTX_free(md5);
    /* The next bytes are on the bus meanwhile. */
    board->cpu_ns += (uint64_t)word[1] * (MD5_NS + CHUNK_CPU_NS / CHUNK);
    answer(board, 0xe3, 0, hashes, KILN_MIN(word[5], FRAME_DATA), STATUS_OK);
}

static void erase_range(struct esp_board *board)
{
    while (board->flasher.erased < board->flasher.covers && !board->nor.power_lost) {
        board->cpu_ns = KILN_MAX(board->cpu_ns, board->nor.busy_until_ns);
        erase_ahead(board);
    }
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->nor.busy_until_ns);
    answer(board, 0xe4, 0, NULL, 0, STATUS_OK);
}

static void range_request(struct esp_board *board, uint8_t op, const uint8_t *frame, size_t len)
{
    struct esp_flasher *flasher = &board->flasher;
    bool whole = op == 0xe0 || op == 0xe4;
    uint32_t word[6];

    if (len != RANGE_FRAME) {
        answer(board, op, 0, NULL, 0, STATUS_COMMAND);
        return;
    }
    for (size_t i = 0; i < 6; i++)
        word[i] = kiln_le32(frame + 8 + 4 * i);
    if (word[0] > word[2] || word[1] > word[2] - word[0] ||
        (whole && (word[0] % KILN_NOR_SECTOR != 0 || word[1] % KILN_NOR_SECTOR != 0))) {
        answer(board, op, 0, NULL, 0, STATUS_RANGE);
        return;
    }
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->nor.busy_until_ns);
    flasher->address = word[0];
    flasher->covers = word[1];
    flasher->half_opcode = word[3];
    flasher->got = flasher->taken = flasher->acked = flasher->produced = 0;
    flasher->programmed = flasher->erased = flasher->blank = flasher->hashed = 0;
    flasher->error = STATUS_OK;
    flasher->complained = flasher->more = false;
    if (op == 0xe0)
        begin_write(board, word);
    else if (op == 0xe3)
        hash_units(board, word);
    else if (op == 0xe4)
        erase_range(board);
    else
        flasher->reading = flasher->covers > 0;
}

static void write_registers(struct esp_board *board, const uint8_t *frame, size_t len)
{
    for (size_t at = 8; at + 16 <= len; at += 16) {
        uint32_t address = kiln_le32(frame + at), mask = kiln_le32(frame + at + 8);

        esp_store(board, address,
                  (esp_load(board, address) & ~mask) | (kiln_le32(frame + at + 4) & mask));
    }
    answer(board, 0x09, 0, NULL, 0, STATUS_OK);
}

static void change_baud(struct esp_board *board, const uint8_t *frame, size_t len)
{
    uint32_t baud = len >= 16 ? kiln_le32(frame + 8) : 0;

    answer(board, 0x0f, 0, NULL, 0, STATUS_OK);
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->to_host.free_ns);
    if (baud >= 300 && baud <= 5000000)
        board->baud = baud;
}

static void request(struct esp_board *board, uint8_t op, const uint8_t *frame, size_t len)
{
    esp_flasher_end(board); /* a request ends a write that is under way */
    if (op == 0x08)
        greet(board);
    else if (op == 0x0a && len >= 12)
        answer(board, op, esp_load(board, kiln_le32(frame + 8)), NULL, 0, STATUS_OK);
    else if (op == 0x09)
        write_registers(board, frame, len);
    else if (op == 0x0f)
        change_baud(board, frame, len);
    else if (op == 0xe0 || (op >= 0xe3 && op <= 0xe5))
        range_request(board, op, frame, len);
    else if (op == RESET_REQUEST)
        esp_boot(board, true);
    else
        answer(board, op, 0, NULL, 0, STATUS_COMMAND);
}

/* Once for each place; the host knows then. */
static void complain(struct esp_board *board)
{
    struct esp_flasher *flasher = &board->flasher;

    if (flasher->complained && flasher->complained_at == flasher->got)
        return;
    flasher->complained = true;
    flasher->complained_at = flasher->got;
    tell_progress(board, STATUS_GAP);
}

static void take_data(struct esp_board *board, const uint8_t *frame, size_t len)
{
    struct esp_flasher *flasher = &board->flasher;
    uint32_t offset = kiln_le32(frame + 4), n = (uint32_t)len - 8;

    if (!flasher->writing)
        return;
    if (offset < flasher->got) {
        tell_progress(board, STATUS_OK);
    } else if (offset > flasher->got || n > ESP_FLASHER_WINDOW - (flasher->got - flasher->taken) ||
               n > flasher->stream_len - flasher->got) {
        complain(board);
    } else {
        memcpy(flasher->in + (flasher->got - flasher->taken), frame + 8, n);
        flasher->got += n;
    }
}

/* While the core waits for the bus it empties the receiver. */
static void receive(struct esp_board *board, size_t len)
{
    uint64_t takes = len * RECEIVE_NS;

    board->cpu_ns += takes - KILN_MIN(takes, board->flasher.waited_ns);
    board->flasher.waited_ns = 0;
}

void esp_flasher_frame(struct esp_board *board, const uint8_t *frame, size_t len, bool bad)
{
    bool bare = len == SYNC_FRAME && frame[1] == 0x08;
    bool sound = len >= 12 && !bad && frame[0] == 0 && kiln_le16(frame + 2) == len - 12 &&
                 crc32(0, frame, (uInt)(len - 4)) == kiln_le32(frame + len - 4);
    int64_t number;

    if (board->flasher.dead)
        return;
    board->cpu_ns = KILN_MAX(board->cpu_ns, board->now_ns);
    receive(board, len);
    if (!sound && (bad || !bare)) {
        board->counts.lost++;
        if (board->flasher.writing) {
            board->flasher.complained = false;
            complain(board);
        }
        return;
    }
    number = (int64_t)board->counts.commands++;
    if (number == board->knobs.unplug_at)
        board->gone = true;
    else if (number == board->knobs.refuse_at && frame[1] != 0xe1)
        answer(board, frame[1], 0, NULL, 0, STATUS_COMMAND);
    else if (frame[1] == 0xe1)
        take_data(board, frame, len - 4);
    else
        request(board, frame[1], frame, sound ? len - 4 : len);
    if (board->nor.power_lost)
        board->state = ESP_DARK;
}
