/* SPDX-License-Identifier: MIT */
/*
 * USB DFU 1.0 and 1.1, and ST's DfuSe extension, as bytes: no I/O, no allocation.
 *
 * Sources: USB Device Class Specification for Device Firmware Upgrade, revision 1.1 (requests, states,
 * status codes, functional descriptor); ST UM0424 and AN3156 (DfuSe commands).
 */
#ifndef KILN_WIRE_DFU_H
#define KILN_WIRE_DFU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* bmRequestType of every DFU request: class, interface. */
#define KILN_DFU_REQUEST_OUT 0x21
#define KILN_DFU_REQUEST_IN  0xa1

enum kiln_dfu_request {
    KILN_DFU_DETACH = 0,
    KILN_DFU_DNLOAD = 1,
    KILN_DFU_UPLOAD = 2,
    KILN_DFU_GETSTATUS = 3,
    KILN_DFU_CLRSTATUS = 4,
    KILN_DFU_GETSTATE = 5,
    KILN_DFU_ABORT = 6
};

enum kiln_dfu_state {
    KILN_DFU_APP_IDLE = 0,
    KILN_DFU_APP_DETACH = 1,
    KILN_DFU_IDLE = 2,
    KILN_DFU_DNLOAD_SYNC = 3,
    KILN_DFU_DNBUSY = 4,
    KILN_DFU_DNLOAD_IDLE = 5,
    KILN_DFU_MANIFEST_SYNC = 6,
    KILN_DFU_MANIFEST = 7,
    KILN_DFU_MANIFEST_WAIT_RESET = 8,
    KILN_DFU_UPLOAD_IDLE = 9,
    KILN_DFU_ERROR = 10
};

enum kiln_dfu_status_code {
    KILN_DFU_OK = 0,
    KILN_DFU_ERR_TARGET = 1,
    KILN_DFU_ERR_FILE = 2,
    KILN_DFU_ERR_WRITE = 3,
    KILN_DFU_ERR_ERASE = 4,
    KILN_DFU_ERR_CHECK_ERASED = 5,
    KILN_DFU_ERR_PROG = 6,
    KILN_DFU_ERR_VERIFY = 7,
    KILN_DFU_ERR_ADDRESS = 8,
    KILN_DFU_ERR_NOTDONE = 9,
    KILN_DFU_ERR_FIRMWARE = 10,
    KILN_DFU_ERR_VENDOR = 11,
    KILN_DFU_ERR_USBR = 12,
    KILN_DFU_ERR_POR = 13,
    KILN_DFU_ERR_UNKNOWN = 14,
    KILN_DFU_ERR_STALLEDPKT = 15
};

#define KILN_DFU_STATUS_LEN 6

struct kiln_dfu_status {
    uint8_t status;   /* kiln_dfu_status_code, or anything else a device makes up */
    uint32_t poll_ms; /* bwPollTimeout, 24 bits */
    uint8_t state;    /* kiln_dfu_state, or anything else */
    uint8_t string;   /* index of a string that describes the status, 0 if none */
};

/* False if fewer than 6 bytes came. */
bool kiln_dfu_status_decode(const uint8_t *bytes, size_t len, struct kiln_dfu_status *out);

/* The device still works on the last block: ask again. */
bool kiln_dfu_state_is_busy(uint8_t state);

/* "dfuIDLE", "errTARGET"; "?" for numbers that have no name. Static storage. */
const char *kiln_dfu_state_name(uint8_t state);
const char *kiln_dfu_status_name(uint8_t status);

/* What a status code means, for people: "the file is not for this device". "" for OK. */
const char *kiln_dfu_status_meaning(uint8_t status);

/* ---- descriptors ------------------------------------------------------------------------------ */

#define KILN_DFU_CAN_DNLOAD             0x01u
#define KILN_DFU_CAN_UPLOAD             0x02u
#define KILN_DFU_MANIFESTATION_TOLERANT 0x04u
#define KILN_DFU_WILL_DETACH            0x08u

#define KILN_DFU_VERSION_DFUSE 0x011au
#define KILN_DFU_VERSION_ATMEL 0xff01u

#define KILN_DFU_PROTOCOL_RUNTIME 1
#define KILN_DFU_PROTOCOL_DFU     2

/* The functional descriptor (type 0x21) that belongs to the interface. */
struct kiln_dfu_function {
    bool present;
    uint8_t attributes; /* KILN_DFU_CAN_* ... */
    uint16_t detach_timeout_ms;
    uint16_t transfer_size;
    uint16_t version; /* bcdDFUVersion; 0x0100 where the descriptor is the short one of DFU 1.0 */
};

/* One alternate setting of a DFU interface. */
struct kiln_dfu_alt {
    uint8_t interface;
    uint8_t alt;
    uint8_t protocol; /* KILN_DFU_PROTOCOL_*, or 0 from sloppy devices */
    uint8_t string;   /* iInterface */
    struct kiln_dfu_function function;
};

#define KILN_DFU_ALT_MAX 32

/*
 * Finds every alternate setting of class FE subclass 01 in a raw configuration descriptor, as it came,
 * truncated or not. The functional descriptor counts for all alternate settings of its interface, in
 * whatever place it stands. Returns how many were found, at most `cap`.
 */
size_t kiln_dfu_find_alts(const uint8_t *config, size_t len, struct kiln_dfu_alt *out, size_t cap);

/* Number of interfaces of any kind that the configuration holds (alternate settings not counted). */
unsigned kiln_dfu_interface_count(const uint8_t *config, size_t len);

/* ---- DfuSe ------------------------------------------------------------------------------------- */

enum kiln_dfuse_command {
    KILN_DFUSE_GET_COMMANDS = 0x00,
    KILN_DFUSE_SET_ADDRESS = 0x21,
    KILN_DFUSE_ERASE = 0x41,
    KILN_DFUSE_READ_UNPROTECT = 0x92
};

#define KILN_DFUSE_COMMAND_MAX 5

/* wValue of the first data block: data goes to address pointer + (wValue - 2) * wTransferSize. */
#define KILN_DFUSE_FIRST_BLOCK 2u
#define KILN_DFUSE_LAST_BLOCK  65535u

/* Encode into `out`; return the length. */
size_t kiln_dfuse_command_address(enum kiln_dfuse_command command, uint32_t address,
                                  uint8_t out[KILN_DFUSE_COMMAND_MAX]);
size_t kiln_dfuse_command_plain(enum kiln_dfuse_command command,
                                uint8_t out[KILN_DFUSE_COMMAND_MAX]);

#endif
