/* SPDX-License-Identifier: MIT */
/*
 * A small program for the STM32F405 (and F407): blinks PD12, says its version and a checksum of its tables
 * on USART2 (PA2, 115200 baud), again and again. Registers: RM0090 rev 19.
 */
#include "tables.h"

#ifndef VERSION
#define VERSION "1.0.0"
#endif

#define REG(address) (*(volatile uint32_t *)(address))

#define RCC_AHB1ENR 0x40023830u
#define RCC_APB1ENR 0x40023840u
#define GPIOA       0x40020000u
#define GPIOD       0x40020C00u
#define MODER       0x00u
#define ODR         0x14u
#define AFRL        0x20u
#define USART2_SR   0x40004400u
#define USART2_DR   0x40004404u
#define USART2_BRR  0x40004408u
#define USART2_CR1  0x4000440Cu
#define SYST_CSR    0xE000E010u
#define SYST_RVR    0xE000E014u

#define HSI_HZ 16000000u

static const char greeting[] = "Kiln example for STM32F405, version " VERSION "\r\n";

static volatile uint32_t ticks;

void systick_handler(void)
{
    ticks++;
}

static void put_char(char c)
{
    while ((REG(USART2_SR) & 0x80u) == 0)
        continue;
    REG(USART2_DR) = (uint8_t)c;
}

static void put_text(const char *text)
{
    while (*text != '\0')
        put_char(*text++);
}

static void put_hex(uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[value >> shift & 15]);
}

static uint32_t sum(const void *bytes, uint32_t len, uint32_t value)
{
    const uint8_t *p = bytes;

    while (len-- > 0)
        value = (value << 5 | value >> 27) ^ *p++;
    return value;
}

static uint32_t table_sum(void)
{
    uint32_t value = sum(wave_table, sizeof wave_table, 1);

    value = sum(sine_table, sizeof sine_table, value);
    return sum(log_table, sizeof log_table, value);
}

static void set_up(void)
{
    REG(RCC_AHB1ENR) |= 1u << 0 | 1u << 3;
    REG(RCC_APB1ENR) |= 1u << 17;
    REG(GPIOA + MODER) = (REG(GPIOA + MODER) & ~(3u << 4)) | 2u << 4;
    REG(GPIOA + AFRL) = (REG(GPIOA + AFRL) & ~(15u << 8)) | 7u << 8;
    REG(GPIOD + MODER) = (REG(GPIOD + MODER) & ~(3u << 24)) | 1u << 24;
    REG(USART2_BRR) = (HSI_HZ + 57600) / 115200;
    REG(USART2_CR1) = 1u << 13 | 1u << 3;
    REG(SYST_RVR) = HSI_HZ / 1000 - 1;
    REG(SYST_CSR) = 7;
}

int main(void)
{
    set_up();
    for (;;) {
        uint32_t until = ticks + 500;

        put_text(greeting);
        put_text("tables ");
        put_hex(table_sum());
        put_text("\r\n");
        REG(GPIOD + ODR) ^= 1u << 12;
        while ((int32_t)(until - ticks) > 0)
            __asm__ volatile("wfi");
    }
}
