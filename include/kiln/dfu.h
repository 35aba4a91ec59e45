/* SPDX-License-Identifier: MIT */
/* The alternate settings of the DFU interfaces on this computer's USB, decoded. */
#ifndef KILN_DFU_H
#define KILN_DFU_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kiln_dfu_setting {
    uint16_t vid, pid, bcd_device;
    uint8_t bus, address; /* address: the device number, another one after each re-enumeration */
    uint8_t configuration, interface, alt;
    bool dfu_mode;  /* false: an application runs that can detach */
    bool named;     /* `name` was read; some run-time interfaces have none */
    char path[32];  /* "1-1.4" */
    char name[128]; /* iInterface; of a DfuSe device the layout string, as it came */
    char serial[64];
    uint16_t version;        /* bcdDFUVersion, 0x011a is DfuSe; 0 if the device does not tell */
    uint16_t transfer_size;  /* bytes; 0 if the device does not tell */
    enum kiln_status usable; /* what opening the device gave; not OK: the texts are empty */
};

struct kiln_dfu_list {
    struct kiln_dfu_setting *items; /* by path, interface and number of the setting */
    size_t count;
};

/* All settings of the device at `path`, or of all devices if that is NULL. Opens each device for a moment
 * to read its strings, and claims nothing. An empty list is OK. IO if the system gives no list, NOMEM. */
KILN_API KILN_MUST_USE enum kiln_status
kiln_dfu_enumerate(const char *path, struct kiln_dfu_list *out_list, struct kiln_error *out_error);
KILN_API void kiln_dfu_list_free(struct kiln_dfu_list *list);

struct kiln_dfu_memory {
    uint64_t start;
    uint64_t pages;
    uint32_t page;   /* bytes */
    unsigned access; /* 1 read, 2 erase, 4 write */
};

#define KILN_DFU_MEMORY_MAX 32

/* What a DfuSe layout string ("@Internal Flash  /0x08000000/04*016Kg") says: its name, and the number of
 * runs of equal pages filled in; 0 if it is no layout string. */
KILN_API size_t kiln_dfu_decode_layout(const char *text, char name[40],
                                       struct kiln_dfu_memory memory[KILN_DFU_MEMORY_MAX]);

#ifdef __cplusplus
}
#endif
#endif
