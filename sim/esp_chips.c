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

/* eFuse block 1 of the later chips: chip revision and package; further words read as 0. */
static const struct esp_word esp32c3_words[] = {{0x60008850, 4u << 18}, {0, 0}};   /* v0.4 */
static const struct esp_word esp32s3_words[] = {{0x60007050, 2u << 18}, {0, 0}};   /* v0.2 */
static const struct esp_word esp32c6_words[] = {{0x600b0850, 1u << 18}, {0, 0}};   /* v0.1 */
static const struct esp_word esp32p4_words[] = {{0x5012d04c, 1u << 4}, {0, 0}};    /* v1.0 */
static const struct esp_word esp8266_words[] = {{0x60000078, 0x00062000}, {0, 0}}; /* UART date */

#define ESP_LATER_FEATURES \
    (ESP_HAS_ATTACH | ESP_HAS_DEFLATE | ESP_HAS_ENCRYPT | ESP_HAS_SLOW_READ | ESP_USB_SERIAL)

const struct esp_chip esp_chips[] = {
    {
        .name = "esp32",
        .magic = 0x00f01d83,
        .features = ESP_HAS_ATTACH | ESP_HAS_DEFLATE | ESP_HAS_SLOW_READ | ESP_ADDRESS_MSB |
                    ESP_INFLATE_SPILLS,
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
    {
        .name = "esp32c3",
        .magic = 0x1b31506f,
        .chip_id = 5,
        .features = ESP_LATER_FEATURES | ESP_NO_JUMP_IF_SECURE,
        .status_len = 4,
        .security_info_len = 20,
        .spi_base = 0x60002000,
        .spi_usr = 0x18,
        .spi_w0 = 0x58,
        .uart_clkdiv = 0x60000014,
        .uart_clock_hz = 40000000,
        .boot_baud = 115200,
        .flash_size = 4u << 20,
        .words = esp32c3_words,
        .mac_address = 0x60008844,
        .usb_console = {0x3fcdf07c, 3},
        .wdt_config = 0x60008090,
        .banner = "ESP-ROM:esp32c3-api1-20210207\nBuild:Feb  7 2021\nrst:0x1 (POWERON),",
        .run_mode = "boot:0xc (SPI_FAST_FLASH_BOOT)",
        .download_mode = "boot:0x4 (DOWNLOAD(USB/UART0/1))",
        .waiting = "waiting for download\n",
    },
    {
        .name = "esp32s3",
        .magic = 9,
        .chip_id = 9,
        .features = ESP_LATER_FEATURES | ESP_NO_JUMP_IF_SECURE,
        .status_len = 4,
        .security_info_len = 20,
        .spi_base = 0x60002000,
        .spi_usr = 0x18,
        .spi_w0 = 0x58,
        .uart_clkdiv = 0x60000014,
        .uart_clock_hz = 40000000,
        .boot_baud = 115200,
        .flash_size = 8u << 20,
        .words = esp32s3_words,
        .mac_address = 0x60007044,
        .usb_console = {0x3fcef14c, 4},
        .read_pointer = 0x3fcef688,
        .wdt_config = 0x60008098,
        .banner = "ESP-ROM:esp32s3-20210327\nBuild:Mar 27 2021\nrst:0x1 (POWERON),",
        .run_mode = "boot:0x8 (SPI_FAST_FLASH_BOOT)",
        .download_mode = "boot:0x0 (DOWNLOAD(USB/UART0))",
        .waiting = "waiting for download\n",
    },
    {
        .name = "esp32c6",
        .magic = 0x2ce0806f,
        .chip_id = 13,
        .features = ESP_LATER_FEATURES,
        .status_len = 4,
        .security_info_len = 20,
        .spi_base = 0x60003000,
        .spi_usr = 0x18,
        .spi_w0 = 0x58,
        .uart_clkdiv = 0x60000014,
        .uart_clock_hz = 40000000,
        .boot_baud = 115200,
        .flash_size = 4u << 20,
        .words = esp32c6_words,
        .mac_address = 0x600b0844,
        .usb_console = {0x4087f580, 3},
        .banner = "ESP-ROM:esp32c6-20220919\nBuild:Sep 19 2022\nrst:0x1 (POWERON),",
        .run_mode = "boot:0xc (SPI_FAST_FLASH_BOOT)",
        .download_mode = "boot:0x4 (DOWNLOAD(USB/UART0/SDIO_REI_FEO))",
        .waiting = "waiting for download\n",
    },
    {
        .name = "esp32p4",
        .magic = 18,
        .chip_id = 18,
        .features = ESP_LATER_FEATURES,
        .status_len = 4,
        .security_info_len = 20,
        .spi_base = 0x5008d000,
        .spi_usr = 0x18,
        .spi_w0 = 0x58,
        .uart_clkdiv = 0x500ca014,
        .uart_clock_hz = 40000000,
        .boot_baud = 115200,
        .flash_size = 16u << 20,
        .boot_offset = 0x2000,
        .words = esp32p4_words,
        .mac_address = 0x5012d044,
        .usb_console = {0x4ff3fec8, 6},
        .wdt_config = 0x50116000,
        .banner = "ESP-ROM:esp32p4-eco1-20240205\nBuild:Feb  5 2024\nrst:0x1 (POWERON),",
        .run_mode = "boot:0x30f (SPI_FAST_FLASH_BOOT)",
        .download_mode = "boot:0x307 (DOWNLOAD(USB/UART0/SPI))",
        .waiting = "waiting for download\n",
    },
    {
        .name = "esp8266",
        .magic = 0xfff0c101,
        .features = ESP_ADDRESS_MSB | ESP_LENGTH_IN_USR1 | ESP_MAC_IN_OTP | ESP_ERASES_HEAD_TWICE,
        .status_len = 2,
        .spi_base = 0x60000200,
        .spi_usr = 0x1c,
        .spi_w0 = 0x40,
        .uart_clkdiv = 0x60000014,
        .uart_clock_hz = 52000000,
        .boot_baud = 74880,
        .flash_size = 4u << 20,
        .words = esp8266_words,
        .mac_address = 0x3ff00050,
        .banner = "\n ets Jan  8 2013,rst cause:2, ",
        .run_mode = "boot mode:(3,6)\n",
        .download_mode = "boot mode:(1,6)\n",
        .waiting = "",
    },
};

const size_t esp_chip_count = KILN_ARRAY_LEN(esp_chips);
