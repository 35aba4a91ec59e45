/* SPDX-License-Identifier: MIT */
#include "wire/dfu.h"

#include "base/bytes.h"

#include <string.h>

bool kiln_dfu_status_decode(const uint8_t *bytes, size_t len, struct kiln_dfu_status *out)
{
    memset(out, 0, sizeof *out);
    if (len < KILN_DFU_STATUS_LEN)
        return false;
    out->status = bytes[0];
    out->poll_ms = kiln_le24(bytes + 1);
    out->state = bytes[4];
    out->string = bytes[5];
    return true;
}

bool kiln_dfu_state_is_busy(uint8_t state)
{
    return state == KILN_DFU_DNLOAD_SYNC || state == KILN_DFU_DNBUSY ||
           state == KILN_DFU_MANIFEST_SYNC || state == KILN_DFU_MANIFEST;
}

const char *kiln_dfu_state_name(uint8_t state)
{
    static const char *const names[] = {"appIDLE",          "appDETACH",   "dfuIDLE",
                                        "dfuDNLOAD-SYNC",   "dfuDNBUSY",   "dfuDNLOAD-IDLE",
                                        "dfuMANIFEST-SYNC", "dfuMANIFEST", "dfuMANIFEST-WAIT-RESET",
                                        "dfuUPLOAD-IDLE",   "dfuERROR"};

    return state < KILN_ARRAY_LEN(names) ? names[state] : "?";
}

struct status_row {
    const char *name;
    const char *meaning;
};

static const struct status_row status_rows[] = {
    [KILN_DFU_OK] = {"OK", ""},
    [KILN_DFU_ERR_TARGET] = {"errTARGET", "the address or file is not for this device"},
    [KILN_DFU_ERR_FILE] = {"errFILE", "the file fails the device's own check"},
    [KILN_DFU_ERR_WRITE] = {"errWRITE", "the device cannot write its memory"},
    [KILN_DFU_ERR_ERASE] = {"errERASE", "the memory erase function failed"},
    [KILN_DFU_ERR_CHECK_ERASED] = {"errCHECK_ERASED", "the memory is not blank after the erase"},
    [KILN_DFU_ERR_PROG] = {"errPROG", "the program memory function failed"},
    [KILN_DFU_ERR_VERIFY] = {"errVERIFY", "the programmed memory failed the device's verify"},
    [KILN_DFU_ERR_ADDRESS] = {"errADDRESS", "the address is out of the device's range"},
    [KILN_DFU_ERR_NOTDONE] = {"errNOTDONE", "the device expected more data"},
    [KILN_DFU_ERR_FIRMWARE] = {"errFIRMWARE", "the application on the device is corrupt"},
    [KILN_DFU_ERR_VENDOR] = {"errVENDOR", "vendor specific, on ST parts: read protection"},
    [KILN_DFU_ERR_USBR] = {"errUSBR", "the device saw an unexpected USB reset"},
    [KILN_DFU_ERR_POR] = {"errPOR", "the device saw an unexpected power-on reset"},
    [KILN_DFU_ERR_UNKNOWN] = {"errUNKNOWN", "the device does not know what went wrong"},
    [KILN_DFU_ERR_STALLEDPKT] = {"errSTALLEDPKT", "the device got a request it did not expect"},
};

const char *kiln_dfu_status_name(uint8_t status)
{
    return status < KILN_ARRAY_LEN(status_rows) ? status_rows[status].name : "?";
}

const char *kiln_dfu_status_meaning(uint8_t status)
{
    return status < KILN_ARRAY_LEN(status_rows) ? status_rows[status].meaning : "";
}

/* ---- descriptors ------------------------------------------------------------------------------ */

#define DESCRIPTOR_INTERFACE  0x04
#define DESCRIPTOR_FUNCTIONAL 0x21
#define CLASS_APPLICATION     0xfe
#define SUBCLASS_DFU          0x01

/* The descriptor at *at, which moves behind it; NULL at the end or where a length makes no sense. */
static const uint8_t *next_descriptor(const uint8_t *config, size_t len, size_t *at,
                                      size_t *out_len)
{
    const uint8_t *p = config + *at;

    if (len - *at < 2 || p[0] < 2)
        return NULL;
    *out_len = KILN_MIN((size_t)p[0], len - *at);
    *at += *out_len;
    return p;
}

static bool is_dfu_interface(const uint8_t *p, size_t len)
{
    return len >= 9 && p[1] == DESCRIPTOR_INTERFACE && p[5] == CLASS_APPLICATION &&
           p[6] == SUBCLASS_DFU;
}

static void decode_function(const uint8_t *p, size_t len, struct kiln_dfu_function *out)
{
    out->present = true;
    out->attributes = p[2];
    out->detach_timeout_ms = kiln_le16(p + 3);
    out->transfer_size = kiln_le16(p + 5);
    out->version = len >= 9 ? kiln_le16(p + 7) : 0x0100;
}

size_t kiln_dfu_find_alts(const uint8_t *config, size_t len, struct kiln_dfu_alt *out, size_t cap)
{
    struct kiln_dfu_function function = {0};
    size_t at = 0, count = 0, n;
    bool inside = false;
    const uint8_t *p;
    size_t first = 0; /* of the interface under way */

    while ((p = next_descriptor(config, len, &at, &n)) != NULL) {
        if (n >= 4 && p[1] == DESCRIPTOR_INTERFACE) {
            inside = is_dfu_interface(p, n) && count < cap;
            if (!inside)
                continue;
            if (count == first || out[count - 1].interface != p[2]) {
                first = count;
                memset(&function, 0, sizeof function);
            }
            out[count++] = (struct kiln_dfu_alt){.interface = p[2],
                                                 .alt = p[3],
                                                 .protocol = p[7],
                                                 .string = p[8],
                                                 .function = function};
        } else if (inside && p[1] == DESCRIPTOR_FUNCTIONAL && n >= 7) {
            decode_function(p, n, &function);
            for (size_t i = first; i < count; i++)
                out[i].function = function;
        }
    }
    return count;
}

unsigned kiln_dfu_interface_count(const uint8_t *config, size_t len)
{
    uint8_t seen[32] = {0};
    unsigned count = 0;
    size_t at = 0, n;
    const uint8_t *p;

    while ((p = next_descriptor(config, len, &at, &n)) != NULL) {
        if (n < 4 || p[1] != DESCRIPTOR_INTERFACE || (seen[p[2] / 8] >> p[2] % 8 & 1) != 0)
            continue;
        seen[p[2] / 8] = (uint8_t)(seen[p[2] / 8] | 1u << p[2] % 8);
        count++;
    }
    return count;
}

/* ---- DfuSe ------------------------------------------------------------------------------------- */

size_t kiln_dfuse_command_address(enum kiln_dfuse_command command, uint32_t address,
                                  uint8_t out[KILN_DFUSE_COMMAND_MAX])
{
    out[0] = (uint8_t)command;
    kiln_put_le32(out + 1, address);
    return 5;
}

size_t kiln_dfuse_command_plain(enum kiln_dfuse_command command,
                                uint8_t out[KILN_DFUSE_COMMAND_MAX])
{
    out[0] = (uint8_t)command;
    return 1;
}
