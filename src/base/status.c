/* SPDX-License-Identifier: MIT */
#include <kiln/status.h>

struct status_row {
    const char *name;
    int exit_code;
};

static const struct status_row rows[KILN_STATUS_COUNT] = {
    [KILN_OK] = {"ok", 0},
    [KILN_E_ARG] = {"usage", 2},
    [KILN_E_NO_DEVICE] = {"no-device", 3},
    [KILN_E_AMBIGUOUS] = {"ambiguous", 4},
    [KILN_E_DENIED] = {"denied", 5},
    [KILN_E_BUSY] = {"busy", 6},
    [KILN_E_GONE] = {"gone", 7},
    [KILN_E_TIMEOUT] = {"timeout", 7},
    [KILN_E_PROTO] = {"protocol", 8},
    [KILN_E_NAK] = {"nak", 9},
    [KILN_E_REFUSED] = {"refused", 9},
    [KILN_E_UNSUPPORTED] = {"unsupported", 9},
    [KILN_E_VERIFY] = {"verify", 10},
    [KILN_E_FILE] = {"file", 11},
    [KILN_E_IO] = {"io", 12},
    [KILN_E_NOMEM] = {"memory", 12},
    [KILN_E_CANCELLED] = {"cancelled", 130},
    [KILN_E_INTERNAL] = {"internal", 8},
};

const char *kiln_status_name(enum kiln_status status)
{
    return (unsigned)status < KILN_STATUS_COUNT ? rows[status].name : "?";
}

int kiln_status_exit_code(enum kiln_status status)
{
    return (unsigned)status < KILN_STATUS_COUNT ? rows[status].exit_code : 8;
}

const char *kiln_device_state_name(enum kiln_device_state state)
{
    switch (state) {
    case KILN_STATE_UNTOUCHED:
        return "untouched";
    case KILN_STATE_ERASED:
        return "erased";
    case KILN_STATE_PARTIAL:
        return "partial";
    case KILN_STATE_WRITTEN:
        return "written";
    case KILN_STATE_VERIFIED:
        return "verified";
    case KILN_STATE_UNKNOWN:
        break;
    }
    return "unknown";
}

static const char *const hints[KILN_HINT_COUNT] = {
    [KILN_HINT_NONE] = "",
#define KILN_HINT(id, text) [KILN_HINT_##id] = (text),
#include <kiln/hints.def>
#undef KILN_HINT
};

const char *kiln_hint_text(enum kiln_hint hint)
{
    return (unsigned)hint < KILN_HINT_COUNT ? hints[hint] : "";
}
