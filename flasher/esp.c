/* SPDX-License-Identifier: MIT */
/* The flasher on a chip: how it starts, and its registers. Everything is one translation unit, for size. */
#include "flasher/chips.h"
#include "flasher/port.h"

#define FLASHER_RING __attribute__((section(".ring")))
#include "flasher/flasher.h"

#define REG(address) (*(volatile uint32_t *)(address))

extern uint32_t code_start[], code_end[], bss_start[], bss_end[];
void flasher_main(void) __attribute__((noreturn));

/*
 * The word behind the first jump tells whose code this is. The ROM's interrupts would take what the receiver gets, so
 * they go first; on Xtensa also the register windows, which are the ROM's and no concern of code that does not call in
 * that way.
 */
__asm__(".section .entry, \"ax\"\n"
        "    .global code_entry\n"
#if defined(__XTENSA__)
        "code_entry:\n"
        "    j begin\n"
        "    .balign 4\n"
        "    .word 0x4e4c494b\n"
        "    .text\n"
        "begin:\n"
        "    movi a2, 0x2f\n" /* PS: UM, INTLEVEL 15, no WOE */
        "    wsr a2, ps\n"
        "    rsync\n"
        "    movi a1, stack_top\n"
        "    movi a0, flasher_main\n"
        "    jx a0\n"
#else
        "    .option push\n"
        "    .option norvc\n"
        "    .option norelax\n"
        "code_entry:\n"
        "    j 1f\n"
        "    .word 0x4e4c494b\n"
        "1:  .word 0x30047073\n" /* csrci mstatus, 8 */
        "    la gp, data_middle\n"
        "    la sp, stack_top\n"
        "    j flasher_main\n"
        "    .option pop\n"
#endif
        "    .text\n");

static uint32_t port_waiting(void)
{
    return UART_RX_COUNT(REG(UART_BASE + UART_STATUS));
}

static uint32_t port_get(void)
{
    return REG(UART_BASE) & 0xff;
}

static void port_put(uint32_t byte)
{
    while (UART_TX_COUNT(REG(UART_BASE + UART_STATUS)) >= UART_TX_FULL) {
    }
    REG(UART_TX) = byte;
}

/* Not every core divides, and nothing here is in a hurry. */
static uint32_t divide(uint32_t number, uint32_t by)
{
    uint32_t quotient = 0, rest = 0;

    for (int i = 31; i >= 0; i--) {
        rest = rest << 1 | (number >> i & 1);
        if (rest >= by) {
            rest -= by;
            quotient |= 1u << i;
        }
    }
    return quotient;
}

static void port_baud(uint32_t baud, uint32_t old)
{
    uint32_t now = REG(UART_BASE + UART_CLKDIV);
    uint32_t sixteenths = ((now & UART_DIVIDER_MASK) << 4 | (now >> 20 & 15)) * old;

    if (baud == 0)
        return;
    while (UART_TX_COUNT(REG(UART_BASE + UART_STATUS)) > 0) {
    }
    for (uint32_t i = 0; i < 10000; i++) /* the last byte is still in the shift register */
        (void)REG(UART_BASE + UART_STATUS);
    sixteenths = divide(sixteenths + baud / 2, baud);
    REG(UART_BASE + UART_CLKDIV) = sixteenths >> 4 | (sixteenths & 15) << 20;
    if (UART_UPDATE != 0)
        REG(UART_BASE + UART_UPDATE) |= 1u << 31;
}

static void port_reset(void)
{
    REG(RESET_REG) |= 1u << 31;
    for (;;) {
    }
}

static uint32_t port_load(uint32_t address)
{
    return REG(address);
}

static void port_store(uint32_t address, uint32_t value)
{
    REG(address) = value;
}

static void await_spi(void)
{
    while (REG(SPI_BASE + SPI_CMD) & SPI_CMD_USR) {
    }
}

static volatile uint32_t *port_data(void)
{
    await_spi();
    return &REG(SPI_BASE + SPI_W0);
}

static void port_spi(uint32_t opcode, uint32_t flags, uint32_t address, uint32_t len)
{
    await_spi();
    REG(SPI_BASE + SPI_USER) =
        (REG(SPI_BASE + SPI_USER) & SPI_USER_EDGES) | SPI_USER_COMMAND | flags;
    REG(SPI_BASE + SPI_USER1) = 23u << 26;
    REG(SPI_BASE + SPI_USER2) = 7u << 28 | opcode;
    REG(SPI_BASE + SPI_ADDR) = address << SPI_ADDR_LEFT;
    REG(SPI_BASE + SPI_MOSI_DLEN) = REG(SPI_BASE + SPI_MISO_DLEN) = len * 8 - 1;
    REG(SPI_BASE + SPI_CMD) = SPI_CMD_USR;
}

static void port_code(uint32_t *out_start, uint32_t *out_end)
{
    *out_start = (uint32_t)code_start;
    *out_end = (uint32_t)code_end;
}

void flasher_main(void)
{
    REG(UART_BASE + UART_INT_ENA) = 0;
    for (uint32_t *word = bss_start; word != bss_end; word++)
        *word = 0;
#ifdef SYSCLK_CONF
    REG(SYSCLK_CONF) &= ~SYSCLK_PRE_DIV;
#endif
    REG(SPI_BASE + SPI_CLOCK) = SPI_CLOCK_HALF;
    REG(SPI_BASE + SPI_CTRL) &= ~SPI_CTRL_LINES;
    crc_begin();
    f.rx_crc = CRC_START;
    greet();
    for (;;)
        turn();
}
