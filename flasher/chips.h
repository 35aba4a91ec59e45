/* SPDX-License-Identifier: MIT */
/*
 * What differs between the chips: addresses of the peripherals, of the registers in them, and of the RAM that the
 * flasher takes. The boot ROM is not used any more once the flasher runs, so all of its RAM is free then; the code
 * must be where the ROM itself keeps nothing while it receives it.
 *
 * The ROMs leave the core of the ESP32 at the 40 MHz of the crystal and that of the ESP32-C3 at half of it, and the flash at
 * a quarter of the core's clock. Here both cores run at 40 MHz, the flash at 20 MHz, which every chip's plain read can.
 *
 * Sources: ESP32 Technical Reference Manual 5.2, chapters UART, SPI, system and memory; ESP32-C3 Technical Reference
 * Manual 1.1, the same chapters (SPI1 is not in it: its registers are those of the ESP32-S2's, TRM 1.1).
 */
#ifndef KILN_FLASHER_CHIPS_H
#define KILN_FLASHER_CHIPS_H

#if defined(CHIP_ESP32)

#define UART_BASE         0x3ff40000u
#define UART_TX           0x60000000u /* writes through the other bus may be lost */
#define UART_RX_COUNT(s)  ((s)&0xff)
#define UART_TX_COUNT(s)  ((s) >> 16 & 0xff)
#define UART_DIVIDER_MASK 0xfffffu
#define UART_UPDATE       0u

#define SPI_BASE      0x3ff42000u
#define SPI_CLOCK     0x18u
#define SPI_USER      0x1cu
#define SPI_W0        0x80u
#define SPI_ADDR_LEFT 8 /* the address register is justified to its upper end */

#define RESET_REG 0x3ff48000u /* RTC_CNTL_OPTIONS0_REG, SW_SYS_RST */

#elif defined(CHIP_ESP32C3)

#define UART_BASE         0x60000000u
#define UART_TX           0x60000000u
#define UART_RX_COUNT(s)  ((s)&0x3ff)
#define UART_TX_COUNT(s)  ((s) >> 16 & 0x3ff)
#define UART_DIVIDER_MASK 0xfffu
#define UART_UPDATE       0x80u /* UART_ID_REG: bit 31 makes new values count */

#define SPI_BASE      0x60002000u
#define SPI_CLOCK     0x14u
#define SPI_USER      0x18u
#define SPI_W0        0x58u
#define SPI_ADDR_LEFT 0

#define RESET_REG 0x60008000u /* RTC_CNTL_OPTIONS0_REG, SW_SYS_RST */

#define SYSCLK_CONF    0x600c0058u
#define SYSCLK_PRE_DIV 0x3ffu /* divides the crystal's clock by one more */

#else
#error "no such chip"
#endif

/* The same in all of them. */
#define UART_INT_ENA 0x0cu
#define UART_CLKDIV  0x14u /* divider, and sixteenths of it in bits 20-23 */
#define UART_STATUS  0x1cu
#define UART_TX_FULL 120u

#define SPI_CMD          0x00u
#define SPI_ADDR         0x04u
#define SPI_CTRL         0x08u
#define SPI_USER1        (SPI_USER + 0x04u)
#define SPI_USER2        (SPI_USER + 0x08u)
#define SPI_MOSI_DLEN    (SPI_USER + 0x0cu)
#define SPI_MISO_DLEN    (SPI_USER + 0x10u)
#define SPI_CMD_USR      (1u << 18)
#define SPI_USER_COMMAND (1u << 31)
#define SPI_USER_EDGES   0xf0u /* clock edges, set-up and hold of chip select: as the ROM has them */
#define SPI_CTRL_LINES   0x01906000u /* two or four data lines, fast reads */
#define SPI_CLOCK_HALF   0x00001001u /* of the bus clock */

#endif
