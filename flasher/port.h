/* SPDX-License-Identifier: MIT */
/* What the flasher needs of a chip. On a chip: registers (esp.c); in the tests: a model of the flash. */
#ifndef KILN_FLASHER_PORT_H
#define KILN_FLASHER_PORT_H

#include <stdint.h>

/* How many received bytes wait, at least 1 if any, and the next of them. */
static uint32_t port_waiting(void);
static uint32_t port_get(void);
/* Sends one; waits while the transmitter is full. */
static void port_put(uint32_t byte);
/* 8N1 at `baud`, from a register that stands for `old` now; what was sent is out by then. */
static void port_baud(uint32_t baud, uint32_t old);
/* Back into the boot ROM. Does not return on a chip. */
static void port_reset(void);

static uint32_t port_load(uint32_t address);
static void port_store(uint32_t address, uint32_t value);

/* One command to the flash chip, with what PORT_SPI_* says; data passes through port_data(). It has begun on return, and
 * is over when the next one begins or port_data() returns. */
#define PORT_SPI_ADDRESS (1u << 30)
#define PORT_SPI_IN      (1u << 28)
#define PORT_SPI_OUT     (1u << 27)
#define PORT_SPI_MAX     64u
static void port_spi(uint32_t opcode, uint32_t flags, uint32_t address, uint32_t len);
/* Sixteen words, the first byte in the lowest bits of the first. */
static volatile uint32_t *port_data(void);

/* CRC-32 of the code as it lies in RAM, so that an upload that was damaged is seen. */
static void port_code(uint32_t *out_start, uint32_t *out_end);

#endif
