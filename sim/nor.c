/* SPDX-License-Identifier: MIT */
#include "sim/nor.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define STATUS_BUSY    0x01u
#define STATUS_WEL     0x02u
#define STATUS_PROTECT 0x1cu /* BP2..BP0: any of them protects the whole array in this model */

#define FIRST_BYTE_NS   30000u /* tBP1 */
#define NEXT_BYTE_NS    1843u  /* so that a page takes 0.5 ms */
#define SECTOR_ERASE_NS 45000000u
#define HALF_ERASE_NS   120000000u
#define BLOCK_ERASE_NS  150000000u
#define STATUS_WRITE_NS 10000000u

static const uint8_t unique_id[8] = {0xd1, 0x63, 0x84, 0x31, 0x4b, 0x69, 0x6c, 0x6e};

uint32_t kiln_sim_random(uint32_t *state)
{
    uint32_t x = *state != 0 ? *state : 0x9e3779b9u;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return x;
}

enum kiln_status kiln_nor_init(struct kiln_ctx *ctx, struct kiln_nor *nor,
                               const struct kiln_sim_knobs *knobs, size_t default_size,
                               struct kiln_sim_counts *counts)
{
    size_t size = knobs->flash_size != 0 ? (size_t)knobs->flash_size : default_size;
    unsigned log2 = 0;

    while (log2 < 63 && (size_t)1 << log2 < size)
        log2++;
    if (size < KILN_NOR_BLOCK || size > 16u * 1024 * 1024 || (size_t)1 << log2 != size)
        return kiln_fail(ctx, KILN_E_ARG,
                         "a simulated flash chip has 64KB to 16MB, a power of two, not %zu bytes",
                         size);
    memset(nor, 0, sizeof *nor);
    nor->mem = malloc(size);
    if (nor->mem == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory for a flash of %zu bytes", size);
    memset(nor->mem, 0xff, size);
    nor->size = size;
    nor->jedec = 0xef4000u | log2;
    nor->random = knobs->seed;
    nor->knobs = knobs;
    nor->counts = counts;
    if (kiln_sim_flash_load(ctx, knobs, nor->mem, size) == KILN_OK)
        return KILN_OK;
    free(nor->mem);
    nor->mem = NULL;
    return ctx->error.status;
}

void kiln_nor_dispose(struct kiln_nor *nor)
{
    if (nor->mem != NULL)
        (void)kiln_sim_flash_save(nor->knobs, nor->mem, nor->size);
    free(nor->mem);
    nor->mem = NULL;
}

void kiln_nor_power_on(struct kiln_nor *nor)
{
    nor->power_lost = nor->write_enabled = nor->status_volatile = nor->asleep = false;
    nor->reset_armed = false;
    nor->busy_until_ns = 0;
}

void kiln_nor_read(const struct kiln_nor *nor, uint32_t address, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = nor->dead ? 0xff : nor->mem[(address + i) & (nor->size - 1)];
}

/* ---- erase and program ------------------------------------------------------------------------ */

static bool overlaps_bad_sector(const struct kiln_nor *nor, size_t start, size_t len)
{
    uint64_t bad;

    if (nor->knobs->bad_sector_at < 0)
        return false;
    bad = kiln_round_down((uint64_t)nor->knobs->bad_sector_at, KILN_NOR_SECTOR);
    return bad < start + len && start < bad + KILN_NOR_SECTOR;
}

/* True if this operation is the one in which power goes. */
static bool power_goes_now(struct kiln_nor *nor)
{
    int64_t operation = nor->operations++;

    nor->power_lost = operation == nor->knobs->power_cut_at;
    return nor->power_lost;
}

static uint64_t begin_ns(const struct kiln_nor *nor, uint64_t now_ns)
{
    return KILN_MAX(now_ns, nor->busy_until_ns);
}

/* Half of an erase: a first part is FF, then some bytes have some of their bits risen. */
static void erase_in_part(struct kiln_nor *nor, size_t start, size_t unit)
{
    size_t done = kiln_sim_random(&nor->random) % unit;
    size_t weak = KILN_MIN(unit - done, 64u);

    memset(nor->mem + start, 0xff, done);
    for (size_t i = 0; i < weak; i++)
        nor->mem[start + done + i] |= (uint8_t)kiln_sim_random(&nor->random);
}

static void erase_memory(struct kiln_nor *nor, size_t start, size_t unit)
{
    if (power_goes_now(nor)) {
        erase_in_part(nor, start, unit);
        return;
    }
    if (!overlaps_bad_sector(nor, start, unit)) {
        memset(nor->mem + start, 0xff, unit);
        return;
    }
    for (size_t at = start; at < start + unit; at += KILN_NOR_SECTOR) {
        if (!overlaps_bad_sector(nor, at, KILN_NOR_SECTOR))
            memset(nor->mem + at, 0xff, KILN_NOR_SECTOR);
    }
}

uint64_t kiln_nor_erase(struct kiln_nor *nor, uint64_t now_ns, uint32_t address, size_t unit)
{
    size_t start = (size_t)kiln_round_down(address & (nor->size - 1), unit);
    uint64_t takes = unit == KILN_NOR_SECTOR ? SECTOR_ERASE_NS
                     : unit == KILN_NOR_HALF ? HALF_ERASE_NS
                                             : BLOCK_ERASE_NS * (unit / KILN_NOR_BLOCK);

    if (nor->power_lost)
        return now_ns;
    nor->counts->erases++;
    nor->counts->erased_bytes += unit;
    if ((nor->status[0] & STATUS_PROTECT) != 0)
        return begin_ns(nor, now_ns);
    erase_memory(nor, start, unit);
    return nor->busy_until_ns = begin_ns(nor, now_ns) + takes;
}

uint64_t kiln_nor_program(struct kiln_nor *nor, uint64_t now_ns, uint32_t address,
                          const uint8_t *bytes, size_t len)
{
    size_t page = kiln_round_down(address & (nor->size - 1), KILN_NOR_PAGE);
    size_t done = len;
    uint8_t weak = 0xff;

    if (nor->power_lost || len == 0)
        return now_ns;
    nor->counts->programs++;
    nor->counts->programmed_bytes += len;
    if ((nor->status[0] & STATUS_PROTECT) != 0)
        return begin_ns(nor, now_ns);
    if (power_goes_now(nor)) {
        done = kiln_sim_random(&nor->random) % len;
        weak = (uint8_t)kiln_sim_random(&nor->random);
    }
    if (!overlaps_bad_sector(nor, page, KILN_NOR_PAGE)) {
        for (size_t i = 0; i < done; i++)
            nor->mem[page + ((address + i) & (KILN_NOR_PAGE - 1))] &= bytes[i];
        if (done < len)
            nor->mem[page + ((address + done) & (KILN_NOR_PAGE - 1))] &=
                (uint8_t)(bytes[done] | weak);
    }
    return nor->busy_until_ns =
               begin_ns(nor, now_ns) + FIRST_BYTE_NS + (uint64_t)(len - 1) * NEXT_BYTE_NS;
}

uint64_t kiln_nor_program_range(struct kiln_nor *nor, uint64_t now_ns, uint32_t address,
                                const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t piece = KILN_MIN(len, KILN_NOR_PAGE - address % KILN_NOR_PAGE);

        now_ns = kiln_nor_program(nor, now_ns, address, bytes, piece);
        address += (uint32_t)piece;
        bytes += piece;
        len -= piece;
    }
    return now_ns;
}

uint64_t kiln_nor_erase_range(struct kiln_nor *nor, uint64_t now_ns, uint32_t address, size_t len)
{
    uint64_t end = kiln_round_up((uint64_t)address + KILN_MIN(len, nor->size), KILN_NOR_SECTOR);

    address = (uint32_t)kiln_round_down(address, KILN_NOR_SECTOR);
    while (len > 0 && address < end) {
        bool block = address % KILN_NOR_BLOCK == 0 && end - address >= KILN_NOR_BLOCK;
        size_t unit = block ? KILN_NOR_BLOCK : KILN_NOR_SECTOR;

        now_ns = kiln_nor_erase(nor, now_ns, address, unit);
        address += (uint32_t)unit;
    }
    return now_ns;
}

/* ---- the SPI bus -------------------------------------------------------------------------------- */

/* JESD216 header and basic flash parameter table; the fields that tools look at. */
static void sfdp(const struct kiln_nor *nor, uint8_t table[256])
{
    static const uint8_t header[16] = {'S',  'F',  'D',  'P',  0x05, 0x01, 0x00, 0xff,
                                       0x00, 0x05, 0x01, 0x10, 0x80, 0x00, 0x00, 0xff};
    static const uint8_t erase_types[8] = {0x0c, 0x20, 0x0f, 0x52, 0x10, 0xd8, 0x00, 0x00};

    memset(table, 0xff, 256);
    memcpy(table, header, sizeof header);
    memset(table + 0x80, 0, 64);
    kiln_put_le32(table + 0x80,
                  0xfff920e5u); /* 4 KiB erase with 20h, 1-1-2, 1-1-4, 3-byte address */
    kiln_put_le32(table + 0x84, (uint32_t)(nor->size * 8 - 1));
    kiln_put_le32(table + 0x88, 0x6b08eb44u);
    kiln_put_le32(table + 0x8c, 0xbb423b08u);
    memcpy(table + 0x9c, erase_types, sizeof erase_types);
    kiln_put_le32(table + 0xa8, 0x00000080u); /* page of 2^8 bytes */
}

static void answer(const struct kiln_nor_spi *command, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < command->in_len; i++)
        command->in[i] = len > 0 ? bytes[i % len] : 0xff;
}

static uint8_t status_now(const struct kiln_nor *nor, uint64_t now_ns, unsigned index)
{
    uint8_t value = nor->status[index];

    if (index == 0 && now_ns < nor->busy_until_ns)
        value |= STATUS_BUSY;
    if (index == 0 && nor->write_enabled)
        value |= STATUS_WEL;
    return value;
}

static void spi_reads(struct kiln_nor *nor, const struct kiln_nor_spi *command)
{
    uint8_t table[256],
        id[3] = {(uint8_t)(nor->jedec >> 16), (uint8_t)(nor->jedec >> 8), (uint8_t)nor->jedec};

    switch (command->opcode) {
    case 0x9f:
        answer(command, id, sizeof id);
        break;
    case 0x4b:
        answer(command, unique_id, sizeof unique_id);
        break;
    case 0x5a:
        sfdp(nor, table);
        for (size_t i = 0; i < command->in_len; i++)
            command->in[i] = command->address + i < 256 ? table[command->address + i] : 0xff;
        break;
    case 0x03:
    case 0x0b:
        kiln_nor_read(nor, command->address, command->in, command->in_len);
        break;
    default:
        break;
    }
}

static void write_status(struct kiln_nor *nor, uint64_t now_ns, unsigned first,
                         const struct kiln_nor_spi *command)
{
    if (!nor->write_enabled && !nor->status_volatile)
        return;
    for (size_t i = 0; i < command->out_len && first + i < 3; i++)
        nor->status[first + i] = first + i == 0
                                     ? (uint8_t)(command->out[i] & ~(STATUS_BUSY | STATUS_WEL))
                                     : command->out[i];
    if (!nor->status_volatile)
        nor->busy_until_ns = now_ns + STATUS_WRITE_NS;
}

/* Commands that need WEL; it falls when they are done. */
static void spi_writes(struct kiln_nor *nor, uint64_t now_ns, const struct kiln_nor_spi *command)
{
    switch (command->opcode) {
    case 0x01:
        write_status(nor, now_ns, 0, command);
        break;
    case 0x31:
        write_status(nor, now_ns, 1, command);
        break;
    case 0x11:
        write_status(nor, now_ns, 2, command);
        break;
    case 0x02:
        if (nor->write_enabled)
            (void)kiln_nor_program(nor, now_ns, command->address, command->out,
                                   KILN_MIN(command->out_len, KILN_NOR_PAGE));
        break;
    case 0x20:
    case 0x52:
    case 0xd8:
        if (nor->write_enabled)
            (void)kiln_nor_erase(nor, now_ns, command->address,
                                 command->opcode == 0x20   ? KILN_NOR_SECTOR
                                 : command->opcode == 0x52 ? KILN_NOR_HALF
                                                           : KILN_NOR_BLOCK);
        break;
    case 0x60:
    case 0xc7:
        if (nor->write_enabled)
            (void)kiln_nor_erase(nor, now_ns, 0, nor->size);
        break;
    default:
        return;
    }
    nor->write_enabled = nor->status_volatile = false;
}

void kiln_nor_spi(struct kiln_nor *nor, uint64_t now_ns, const struct kiln_nor_spi *command)
{
    static const uint8_t status_opcode[3] = {0x05, 0x35, 0x15};
    bool reset_was_armed = nor->reset_armed;

    answer(command, NULL, 0);
    if (nor->dead || nor->power_lost || (nor->asleep && command->opcode != 0xab))
        return;
    for (unsigned i = 0; i < 3; i++) {
        if (command->opcode == status_opcode[i]) {
            uint8_t value = status_now(nor, now_ns, i);

            answer(command, &value, 1);
            return;
        }
    }
    if (now_ns < nor->busy_until_ns)
        return;
    nor->reset_armed = command->opcode == 0x66;
    switch (command->opcode) {
    case 0x06:
        nor->write_enabled = true;
        break;
    case 0x50:
        nor->status_volatile = true;
        break;
    case 0x04:
        nor->write_enabled = nor->status_volatile = false;
        break;
    case 0xb9:
        nor->asleep = true;
        break;
    case 0xab:
        nor->asleep = false;
        break;
    case 0x99:
        if (reset_was_armed)
            kiln_nor_power_on(nor);
        break;
    default:
        spi_reads(nor, command);
        spi_writes(nor, now_ns, command);
        break;
    }
}
