/* SPDX-License-Identifier: MIT */
/*
 * What can go wrong, as a closed list named by who must act, and the detail that goes with it.
 *
 * A function that can fail returns `enum kiln_status`; the words, codes and places are in the
 * `struct kiln_error` of its call context. The lowest layer that knows the fact fills it in; a layer
 * above may add one "while ..." clause; nobody both prints and returns.
 */
#ifndef KILN_STATUS_H
#define KILN_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KILN_API          __attribute__((visibility("default")))
#define KILN_MUST_USE     __attribute__((warn_unused_result))
#define KILN_PRINTF(f, a) __attribute__((format(printf, f, a)))

enum kiln_status {
    KILN_OK = 0,
    KILN_E_ARG,         /* the caller or the command line asks for something unusable */
    KILN_E_NO_DEVICE,   /* nothing matches the device selector */
    KILN_E_AMBIGUOUS,   /* several devices match; we never guess */
    KILN_E_DENIED,      /* the operating system forbids opening the device */
    KILN_E_BUSY,        /* another program holds the device */
    KILN_E_GONE,        /* the device left the bus or the peer closed the connection */
    KILN_E_TIMEOUT,     /* the device is silent: the deadline of the operation passed */
    KILN_E_PROTO,       /* a reply is malformed or out of order */
    KILN_E_NAK,         /* the device understood and refused; `code` is its code */
    KILN_E_REFUSED,     /* a safety check of ours refused; `hint` names the override */
    KILN_E_UNSUPPORTED, /* this device, loader or link cannot do that at all */
    KILN_E_VERIFY,      /* what was read back differs from what was written */
    KILN_E_FILE,        /* an input file is damaged or not what it should be */
    KILN_E_IO,          /* the host failed: disk, kernel, missing file, output pipe */
    KILN_E_NOMEM,       /* out of memory, or a length above its ceiling */
    KILN_E_CANCELLED,   /* the user or the caller cancelled */
    KILN_E_INTERNAL,    /* a defect in Kiln */
    KILN_STATUS_COUNT
};

/* What is known of the device's flash after an operation ended, in whatever way. */
enum kiln_device_state {
    KILN_STATE_UNTOUCHED = 0, /* nothing was written or erased */
    KILN_STATE_ERASED,        /* a range was erased and nothing was written to it yet */
    KILN_STATE_PARTIAL,       /* part of the new contents is there */
    KILN_STATE_WRITTEN,       /* all is written, not verified */
    KILN_STATE_VERIFIED,      /* all is written and was compared */
    KILN_STATE_UNKNOWN        /* we cannot tell (second Ctrl-C, lost link during an erase) */
};

/* What the user could do about it. Texts are in one table; see kiln_hint_text(). */
enum kiln_hint {
    KILN_HINT_NONE = 0,
#define KILN_HINT(id, text) KILN_HINT_##id,
#include <kiln/hints.def>
#undef KILN_HINT
    KILN_HINT_COUNT
};

struct kiln_error {
    enum kiln_status status;
    enum kiln_hint hint;
    int64_t code;     /* device's or system's own code, 0 if none */
    uint64_t address; /* device address or file offset, valid if has_address */
    bool has_address;
    char message[320]; /* what happened, one sentence, no full stop, no newline */
    char context[128]; /* "while erasing 0x08000000", or empty */
};

/* Short lower-case name of a status, for `--json` and logs: "timeout". Static storage. */
KILN_API const char *kiln_status_name(enum kiln_status status);

/* The exit status of the command line for this status: 0, 2..12 or 130. */
KILN_API int kiln_status_exit_code(enum kiln_status status);

/* "untouched", "erased", "partial", "written", "verified", "unknown". Static storage. */
KILN_API const char *kiln_device_state_name(enum kiln_device_state state);

/* One or two sentences that say what to do next; "" for KILN_HINT_NONE. Static storage. */
KILN_API const char *kiln_hint_text(enum kiln_hint hint);

#ifdef __cplusplus
}
#endif
#endif
