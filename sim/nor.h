/* SPDX-License-Identifier: MIT */
/*
 * The one model of a serial NOR flash chip: bits only fall by programming and rise by erasing, a page
 * program wraps inside its 256 bytes, operations take typical time, a bad sector ignores them silently and
 * power can be lost in the middle of one.
 *
 * Timing and commands follow the Winbond W25Q32JV data sheet, revision H (typical values).
 */
#ifndef KILN_SIM_NOR_H
#define KILN_SIM_NOR_H

#include "sim/sim.h"

#define KILN_NOR_PAGE   256u
#define KILN_NOR_SECTOR 4096u
#define KILN_NOR_BLOCK  65536u
#define KILN_NOR_HALF   32768u

struct kiln_nor {
    uint8_t *mem;
    size_t size; /* a power of two, 64 KiB to 16 MiB */
    uint32_t jedec;
    uint8_t status[3]; /* WEL and BUSY are not in here */
    bool write_enabled, status_volatile, asleep;
    bool reset_armed;
    bool dead;       /* drives nothing: every byte read is FF */
    bool power_lost; /* by the knob; nothing works until kiln_nor_power_on */
    uint64_t busy_until_ns;
    int64_t operations; /* erase and program calls so far */
    uint32_t random;
    const struct kiln_sim_knobs *knobs;
    struct kiln_sim_counts *counts;
};

/* `knobs` and `counts` are borrowed. `size` 0 in the knobs means `default_size`. ARG for a size no chip
 * has, NOMEM, IO if the backing file cannot be read. */
KILN_MUST_USE enum kiln_status kiln_nor_init(struct kiln_ctx *ctx, struct kiln_nor *nor,
                                             const struct kiln_sim_knobs *knobs,
                                             size_t default_size, struct kiln_sim_counts *counts);
/* Saves to the backing file and frees. */
void kiln_nor_dispose(struct kiln_nor *nor);

/* Power off and on: ends what is under way, clears what is volatile. The write-protect bits stay. */
void kiln_nor_power_on(struct kiln_nor *nor);

/* Addresses beyond the chip wrap, as they do when a chip has fewer address bits than were sent. */
void kiln_nor_read(const struct kiln_nor *nor, uint32_t address, uint8_t *bytes, size_t len);

/* Both begin when the chip is free, at `now_ns` or later, and return when the chip is done. `unit` is
 * KILN_NOR_SECTOR, _HALF, _BLOCK or the chip's size; `address` is rounded down to it. `len` <= 256, and
 * bytes that go over the page's end go to its start. */
uint64_t kiln_nor_erase(struct kiln_nor *nor, uint64_t now_ns, uint32_t address, size_t unit);
uint64_t kiln_nor_program(struct kiln_nor *nor, uint64_t now_ns, uint32_t address,
                          const uint8_t *bytes, size_t len);

/* Any range: whole pages, and for erasing the largest units that fit. Return when the chip is done. */
uint64_t kiln_nor_program_range(struct kiln_nor *nor, uint64_t now_ns, uint32_t address,
                                const uint8_t *bytes, size_t len);
uint64_t kiln_nor_erase_range(struct kiln_nor *nor, uint64_t now_ns, uint32_t address, size_t len);

/* One command on the SPI bus. `in` receives what the chip drives, FF where it drives nothing. While busy
 * the chip answers only status reads. */
struct kiln_nor_spi {
    uint8_t opcode;
    uint32_t address;
    const uint8_t *out;
    size_t out_len;
    uint8_t *in;
    size_t in_len;
};

void kiln_nor_spi(struct kiln_nor *nor, uint64_t now_ns, const struct kiln_nor_spi *command);

/* A small xorshift generator, for everything that is random in a board. */
uint32_t kiln_sim_random(uint32_t *state);

#endif
