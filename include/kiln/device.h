/* SPDX-License-Identifier: MIT */
/*
 * Devices of this computer, and how the user chooses one.
 *
 * A selector is: a port path ("/dev/ttyUSB0", "./port"), "usb:VID:PID" (hex), "usb:BUS-PORT.PORT", a short
 * id of kiln_device_enumerate() ("1-1.4"), a serial number,
 * "tcp://host:port", "socket://host:port", "rfc2217://host:port", "sim:BOARD?knob=value&...".
 */
#ifndef KILN_DEVICE_H
#define KILN_DEVICE_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kiln_device_kind {
    KILN_DEVICE_SERIAL,
    KILN_DEVICE_DFU,         /* in its DFU bootloader */
    KILN_DEVICE_DFU_RUNTIME, /* runs an application that can detach into DFU */
    KILN_DEVICE_PROBE,       /* a debug probe */
    KILN_DEVICE_NETWORK,     /* tcp://, rfc2217:// as given */
    KILN_DEVICE_SIMULATED,
    KILN_DEVICE_KIND_COUNT
};

/* "serial", "dfu", ... Static storage. */
KILN_API const char *kiln_device_kind_name(enum kiln_device_kind kind);

struct kiln_device {
    enum kiln_device_kind kind;
    /* Short and the same on each call, after a replug at the same port, and whatever the board shows itself
     * as: its USB place ("1-1.4"), ":N" behind it for interface N of a board with several serial ports;
     * the port's name ("ttyS0") where there is no USB. All faces of one board but such ports share it. */
    char id[48];
    char selector[128]; /* what to give -d for exactly this one */
    char port[128];     /* "/dev/ttyUSB0", or the usbfs node of a DFU device */
    char path[32];      /* USB place "1-1.4", "" if not USB */
    char serial[64];
    char title[96];     /* "CP2102N USB to UART Bridge", "STM32 BOOTLOADER" */
    char what[64];      /* what it probably is: "ESP32 USB-JTAG-Serial", "DfuSe bootloader", ... */
    char obstacle[160]; /* what stands in the way of using it, "" if nothing */
    /* the systemd service of the program that uses it, "" if none or not to be seen */
    char unit[96];
    char loader[16];  /* loader name that would talk to it: "esp", "dfu", "" if none */
    char mode[16];    /* what runs on it: "bootloader", "run-time", "" if not told */
    int32_t vid, pid; /* -1 if not USB */
    uint8_t bus, address;
    uint8_t interface_number; /* of a USB serial port */
    /* a serial port; its board enters the bootloader for `loader` when touched at 1200 baud */
    bool touch;
    enum kiln_status usable; /* OK, DENIED, BUSY, ... */
};

struct kiln_device_list {
    struct kiln_device *items;
    size_t count;
};

/* Everything that is there, serial ports that are no USB devices included. IO if the system gives no
 * list. */
KILN_API KILN_MUST_USE enum kiln_status kiln_device_enumerate(struct kiln_device_list *out_list,
                                                              struct kiln_error *out_error);
KILN_API void kiln_device_list_free(struct kiln_device_list *list);

/* ---- plug and unplug ---- */

struct kiln_device_watch;

/* Begins to listen for devices that come and go. IO if the system does not tell. */
KILN_API KILN_MUST_USE enum kiln_status kiln_device_watch_new(struct kiln_device_watch **out_watch,
                                                              struct kiln_error *out_error);
/* Readable when something came or went. */
KILN_API int kiln_device_watch_fd(const struct kiln_device_watch *watch);
/* Takes what is waiting, without blocking. True if the list may have changed. */
KILN_API bool kiln_device_watch_take(struct kiln_device_watch *watch);
KILN_API void kiln_device_watch_free(struct kiln_device_watch *watch);

/*
 * What changed between two lists. `each` is told of a device that came (`before` NULL), went (`after`
 * NULL), or is another thing than before at the same place: other ids, other kind, other obstacle.
 */
KILN_API void kiln_device_list_compare(const struct kiln_device_list *before,
                                       const struct kiln_device_list *after,
                                       void (*each)(void *user, const struct kiln_device *before,
                                                    const struct kiln_device *after),
                                       void *user);

/*
 * The devices a selector means, NULL or "" for "whatever is there that a loader can talk to". Several may
 * match; the caller decides. Selectors with a scheme match themselves and touch nothing.
 * NO_DEVICE with a message, ARG for a malformed selector.
 */
KILN_API KILN_MUST_USE enum kiln_status kiln_device_select(const char *selector,
                                                           struct kiln_device_list *out_list,
                                                           struct kiln_error *out_error);

#ifdef __cplusplus
}
#endif
#endif
