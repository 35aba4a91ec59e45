/* SPDX-License-Identifier: MIT */
/* Any configuration descriptor and status reply. */
#include "wire/dfu.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_dfu_alt alts[KILN_DFU_ALT_MAX];
    struct kiln_dfu_status status;
    size_t count = kiln_dfu_find_alts(data, size, alts, KILN_DFU_ALT_MAX);

    if (count > KILN_DFU_ALT_MAX || kiln_dfu_interface_count(data, size) > 256)
        abort();
    if (count > 0 && kiln_dfu_interface_count(data, size) == 0)
        abort();
    if (kiln_dfu_status_decode(data, size, &status) != (size >= KILN_DFU_STATUS_LEN))
        abort();
    return kiln_dfu_state_name(status.state) == NULL || kiln_dfu_status_name(status.status) == NULL;
}
