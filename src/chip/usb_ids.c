/* SPDX-License-Identifier: MIT */
/* USB ids. Sources: the vendors' driver files and descriptors, the Linux kernel's driver tables, the
 * registries at usb.org, pid.codes and openmoko (1d50). A row for one product goes before its vendor's. */
#include "chip/usb_ids.h"

#include "base/bytes.h"

/* clang-format off */
static const struct kiln_usb_id rows[] = {
    /* UART bridges */
    {0x10C4, 0xEA60, KILN_USB_BRIDGE, "CP210x USB to UART bridge", "", "esp"},
    {0x10C4, 0xEA63, KILN_USB_BRIDGE, "CP2103 USB to UART bridge", "", "esp"},
    {0x10C4, 0xEA70, KILN_USB_BRIDGE, "CP2105 dual UART bridge", "", "esp"},
    {0x10C4, 0xEA71, KILN_USB_BRIDGE, "CP2108 quad UART bridge", "", "esp"},
    {0x1A86, 0x7522, KILN_USB_BRIDGE, "CH340K USB to UART bridge", "", "esp"},
    {0x1A86, 0x7523, KILN_USB_BRIDGE, "CH340 USB to UART bridge", "", "esp"},
    {0x1A86, 0x5523, KILN_USB_BRIDGE, "CH341 USB to UART bridge", "", "esp"},
    {0x1A86, 0x55D2, KILN_USB_BRIDGE, "CH342 dual UART bridge", "", "esp"},
    {0x1A86, 0x55D3, KILN_USB_BRIDGE, "CH343 USB to UART bridge", "", "esp"},
    {0x1A86, 0x55D4, KILN_USB_BRIDGE, "CH9102 USB to UART bridge", "", "esp"},
    {0x1A86, 0x55D5, KILN_USB_BRIDGE, "CH344 quad UART bridge", "", "esp"},
    {0x0403, 0x6001, KILN_USB_BRIDGE, "FT232R USB to UART bridge", "", "esp"},
    {0x0403, 0x6010, KILN_USB_BRIDGE, "FT2232 dual UART bridge", "", "esp"},
    {0x0403, 0x6011, KILN_USB_BRIDGE, "FT4232 quad UART bridge", "", "esp"},
    {0x0403, 0x6014, KILN_USB_BRIDGE, "FT232H USB to UART bridge", "", "esp"},
    {0x0403, 0x6015, KILN_USB_BRIDGE, "FT231X USB to UART bridge", "", "esp"},
    {0x067B, 0x2303, KILN_USB_BRIDGE, "PL2303 USB to UART bridge", "", "esp"},
    {0x067B, 0x23A3, KILN_USB_BRIDGE, "PL2303GC USB to UART bridge", "", "esp"},
    {0x067B, 0x23C3, KILN_USB_BRIDGE, "PL2303GT USB to UART bridge", "", "esp"},
    {0x04D8, 0x000A, KILN_USB_BRIDGE, "MCP2200 USB to UART bridge", "", "esp"},
    {0x04D8, 0x00DD, KILN_USB_BRIDGE, "MCP2221 USB to UART bridge", "", "esp"},
    {0x04E2, 0x1410, KILN_USB_BRIDGE, "XR21V1410 USB to UART bridge", "", "esp"},
    {0x303A, 0x1002, KILN_USB_BRIDGE, "ESP USB Bridge", "UART and JTAG bridge", "esp"},

    /* chips with USB of their own */
    {0x303A, 0x0002, KILN_USB_CDC_BOOT, "ESP32-S2", "boot ROM", "esp"},
    {0x303A, 0x0009, KILN_USB_CDC_BOOT, "ESP32-S3", "boot ROM", "esp"},
    {0x303A, 0x1001, KILN_USB_CDC, "Espressif chip", "ESP32 USB-Serial-JTAG", "esp"},
    {0x303A, 0x4001, KILN_USB_CDC_APP, "ESP32-S2/S3", "TinyUSB application", "esp"},
    {0x303A, KILN_USB_ANY_PID, KILN_USB_CDC, "Espressif device", "", "esp"},
    {0x1D50, 0x6177, KILN_USB_CDC_BOOT, "Katapult bootloader", "Katapult bootloader", ""},
    {0x1D50, 0x614E, KILN_USB_CDC_TOUCH, "Klipper firmware", "Klipper", "dfu"},
    {0x0483, 0x5740, KILN_USB_CDC_APP, "STM32 virtual COM port", "application", ""},
    {0x2E8A, 0x0005, KILN_USB_CDC_APP, "Raspberry Pi Pico", "MicroPython", ""},
    {0x2E8A, 0x000A, KILN_USB_CDC_APP, "Raspberry Pi Pico", "pico-sdk application", ""},
    /* use_1200bps_touch and dfu-util: boards.txt of ArduinoCore-mbed */
    {0x2341, 0x025B, KILN_USB_CDC_TOUCH, "Arduino Portenta H7", "Arduino sketch", "dfu"},
    {0x2341, 0x025F, KILN_USB_CDC_TOUCH, "Arduino Nicla Vision", "Arduino sketch", "dfu"},
    {0x2341, 0x0266, KILN_USB_CDC_TOUCH, "Arduino Giga R1", "Arduino sketch", "dfu"},
    {0x2341, 0x0064, KILN_USB_CDC_TOUCH, "Arduino Opta", "Arduino sketch", "dfu"},
    {0x2341, 0x0164, KILN_USB_CDC_TOUCH, "Arduino Opta", "Arduino sketch", "dfu"},
    {0x2341, 0x0264, KILN_USB_CDC_TOUCH, "Arduino Opta", "Arduino sketch", "dfu"},
    {0x2341, KILN_USB_ANY_PID, KILN_USB_CDC, "Arduino board", "", ""},
    {0x239A, KILN_USB_ANY_PID, KILN_USB_CDC, "Adafruit board", "", ""},

    /* DFU bootloaders */
    {0x0483, 0xDF11, KILN_USB_DFU, "STM32 bootloader", "DfuSe bootloader", "dfu"},
    {0x28E9, 0x0189, KILN_USB_DFU, "GD32 bootloader", "DfuSe bootloader", "dfu"},
    {0x2E3C, 0xDF11, KILN_USB_DFU, "AT32 bootloader", "DfuSe bootloader", "dfu"},
    {0x314B, 0x0106, KILN_USB_DFU, "APM32 bootloader", "DfuSe bootloader", "dfu"},
    {0x1EAF, 0x0003, KILN_USB_DFU, "Maple bootloader", "STM32duino bootloader", "dfu"},
    {0x1209, 0xDB42, KILN_USB_DFU, "dapboot", "DFU bootloader", "dfu"},
    {0x1D50, 0x6017, KILN_USB_DFU, "Black Magic Probe bootloader", "DFU bootloader", "dfu"},

    /* debug probes */
    {0x0483, 0x3744, KILN_USB_PROBE, "ST-Link/V1", "debug probe", ""},
    {0x0483, 0x3748, KILN_USB_PROBE, "ST-Link/V2", "debug probe", ""},
    {0x0483, 0x374A, KILN_USB_PROBE, "ST-Link/V2-1", "debug probe", ""},
    {0x0483, 0x374B, KILN_USB_PROBE, "ST-Link/V2-1", "debug probe", ""},
    {0x0483, 0x3752, KILN_USB_PROBE, "ST-Link/V2-1", "debug probe", ""},
    {0x0483, 0x374D, KILN_USB_PROBE, "ST-Link/V3 bootloader", "debug probe", ""},
    {0x0483, 0x374E, KILN_USB_PROBE, "ST-Link/V3E", "debug probe", ""},
    {0x0483, 0x374F, KILN_USB_PROBE, "ST-Link/V3S", "debug probe", ""},
    {0x0483, 0x3753, KILN_USB_PROBE, "ST-Link/V3 two ports", "debug probe", ""},
    {0x0483, 0x3754, KILN_USB_PROBE, "ST-Link/V3 without disk", "debug probe", ""},
    {0x0483, 0x3755, KILN_USB_PROBE, "ST-Link/V3P", "debug probe", ""},
    {0x0483, 0x3757, KILN_USB_PROBE, "ST-Link/V3P", "debug probe", ""},
    {0x1366, KILN_USB_ANY_PID, KILN_USB_PROBE, "J-Link", "debug probe", ""},
    {0x1D50, 0x6018, KILN_USB_PROBE, "Black Magic Probe", "debug probe", ""},
    {0x0D28, 0x0204, KILN_USB_PROBE, "DAPLink", "CMSIS-DAP debug probe", ""},
    {0x2E8A, 0x000C, KILN_USB_PROBE, "Raspberry Pi Debug Probe", "CMSIS-DAP debug probe", ""},
    {0x1A86, 0x8010, KILN_USB_PROBE, "WCH-Link", "debug probe", ""},
    {0x1A86, 0x8012, KILN_USB_PROBE, "WCH-Link", "CMSIS-DAP debug probe", ""},
};
/* clang-format on */

const struct kiln_usb_id *kiln_usb_id_find(uint16_t vid, uint16_t pid)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        if (rows[i].vid == vid && (rows[i].pid == pid || rows[i].pid == KILN_USB_ANY_PID))
            return &rows[i];
    }
    return NULL;
}

const struct kiln_usb_id *kiln_usb_id_at(size_t index)
{
    return index < KILN_ARRAY_LEN(rows) ? &rows[index] : NULL;
}

/* The kernel's drivers/usb/serial. Bridges that are communications devices (cdc_acm) tell so by their class. */
static const struct {
    uint16_t vid;
    const char *driver;
} drivers[] = {
    {0x10C4, "cp210x"}, {0x1A86, "ch341"},     {0x0403, "ftdi_sio"},
    {0x067B, "pl2303"}, {0x04E2, "xr_serial"},
};

const char *kiln_usb_driver(uint16_t vid)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(drivers); i++) {
        if (drivers[i].vid == vid)
            return drivers[i].driver;
    }
    return "";
}
