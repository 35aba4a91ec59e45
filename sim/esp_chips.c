/* SPDX-License-Identifier: MIT */
/* The simulated chips: what differs between their boot ROMs and registers. */
#include "base/bytes.h"
#include "sim/boards.h"
#include "sim/esp.h"

/* ESP32-D0WD-V3 revision 3.1. eFuse block 0, and the registers from which tools learn revision and
 * crystal: TRM 5.2 chapters 20 (eFuse), 29 (RTC: RTCCALICFG1), IO_MUX strapping. */
static const struct esp_word esp32_words[] = {
    {0x3ff5a000, 0},
    {0x3ff5a00c, 0x0000a200}, /* package 1, revision bit 0, 240 MHz rated */
    {0x3ff5a010, 0x00000480}, /* 8 MHz clock trim and ADC reference */
    {0x3ff5a014, 0x01100000}, /* revision bit 1, minor revision 1 */
    {0x3ff5a018, 0},
    {0x3ff6607c, 0x96042000}, /* APB_CTRL_DATE: bit 31 is revision bit 2 */
    {0x3ff5f06c, 800u << 7},  /* slow clock calibration, says 40 MHz with the trim above */
    {0x3ff44038, 0x00000012}, /* strapping pins: 3.3 V flash */
    {0, 0},
};

const struct esp_chip esp_chips[] = {
    {
        .name = "esp32",
        .magic = 0x00f01d83,
        .features = ESP_HAS_ATTACH | ESP_HAS_DEFLATE | ESP_HAS_SLOW_READ | ESP_ADDRESS_MSB,
        .status_len = 4,
        .spi_base = 0x3ff42000,
        .spi_usr = 0x1c,
        .spi_w0 = 0x80,
        .uart_clkdiv = 0x3ff40014,
        .uart_clock_hz = 40000000,
        .boot_baud = 115200,
        .flash_size = 4u << 20,
        .boot_offset = 0x1000,
        .words = esp32_words,
        .mac_address = 0x3ff5a004,
        .banner = "ets Jul 29 2019 12:21:46\n\nrst:0x1 (POWERON_RESET),",
        .run_mode = "boot:0x13 (SPI_FAST_FLASH_BOOT)",
        .download_mode = "boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))",
        .waiting = "waiting for download\n",
    },
};

const size_t esp_chip_count = KILN_ARRAY_LEN(esp_chips);
