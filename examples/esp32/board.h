/* SPDX-License-Identifier: MIT */
/*
 * The few registers of the ESP32 that the examples drive. Code here is built with the call0 ABI (Debian's compiler
 * for the LX106 core); the boot ROM's functions use the windowed one, so none of them is called.
 * Registers: ESP32 Technical Reference Manual version 5.2.
 */
#ifndef KILN_EXAMPLES_ESP32_BOARD_H
#define KILN_EXAMPLES_ESP32_BOARD_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

#define UART0_FIFO   0x3FF40000u
#define UART0_STATUS 0x3FF4001Cu

#define RTC_CNTL_WDTCONFIG0  0x3FF4808Cu
#define RTC_CNTL_WDTWPROTECT 0x3FF480A4u
#define TIMG0_WDTCONFIG0     0x3FF5F048u
#define TIMG0_WDTWPROTECT    0x3FF5F064u
#define WDT_WRITE_KEY        0x50D83AA1u

/* SPI1, which the ROM has connected to the flash chip */
#define SPI_CMD       0x3FF42000u
#define SPI_ADDR      0x3FF42004u
#define SPI_USER      0x3FF4201Cu
#define SPI_USER1     0x3FF42020u
#define SPI_USER2     0x3FF42024u
#define SPI_MISO_DLEN 0x3FF4202Cu
#define SPI_W0        0x3FF42080u
#define SPI_USR       (1u << 18)
#define SPI_CHUNK     64u

#define CPU_HZ 40000000u /* the crystal: nobody has switched the PLL on */

static inline uint32_t cycles(void)
{
    uint32_t value;

    __asm__ volatile("rsr.ccount %0" : "=a"(value));
    return value;
}

static inline void wait_ms(uint32_t ms)
{
    for (; ms > 0; ms--) {
        uint32_t from = cycles();

        while (cycles() - from < CPU_HZ / 1000)
            continue;
    }
}

static inline void put_char(char c)
{
    while ((REG(UART0_STATUS) >> 16 & 0xff) > 120)
        continue;
    REG(UART0_FIFO) = (uint8_t)c;
}

static inline void put_text(const char *text)
{
    while (*text != '\0')
        put_char(*text++);
}

static inline void put_hex(uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[value >> shift & 15]);
}

/* The ROM starts two watchdogs before it starts us. */
static inline void stop_watchdogs(void)
{
    REG(RTC_CNTL_WDTWPROTECT) = WDT_WRITE_KEY;
    REG(RTC_CNTL_WDTCONFIG0) = 0;
    REG(RTC_CNTL_WDTWPROTECT) = 0;
    REG(TIMG0_WDTWPROTECT) = WDT_WRITE_KEY;
    REG(TIMG0_WDTCONFIG0) = 0;
    REG(TIMG0_WDTWPROTECT) = 0;
}

/* Reads `words` words (16 at most) of flash at `offset` with the plain READ command, 03h. */
static inline void flash_read(uint32_t offset, uint32_t *out, uint32_t words)
{
    REG(SPI_USER) = 1u << 31 | 1u << 30 | 1u << 28; /* command, address, data in */
    REG(SPI_USER1) = 23u << 26;
    REG(SPI_USER2) = 7u << 28 | 0x03;
    REG(SPI_MISO_DLEN) = words * 32 - 1;
    REG(SPI_ADDR) = offset << 8;
    REG(SPI_CMD) = SPI_USR;
    while ((REG(SPI_CMD) & SPI_USR) != 0)
        continue;
    for (uint32_t i = 0; i < words; i++)
        out[i] = REG(SPI_W0 + 4 * i);
}

static inline uint32_t flash_word(uint32_t offset)
{
    uint32_t word;

    flash_read(offset, &word, 1);
    return word;
}

#endif
