/* SPDX-License-Identifier: MIT */
/* Any layout string: what is understood lies in 32 bits of address space and does not overlap itself. */
#include "wire/dfuse_layout.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_dfuse_layout layout;
    bool some = kiln_dfuse_layout_parse((const char *)data, size, &layout);

    if (some != (layout.count > 0) || layout.count > KILN_DFUSE_SEGMENT_MAX ||
        layout.understood > size)
        abort();
    for (size_t i = 0; i < layout.count; i++) {
        const struct kiln_dfuse_segment *s = &layout.segment[i];

        if (s->page == 0 || s->count == 0 || s->access == 0 ||
            s->start + s->count * s->page > 0x100000000ull)
            abort();
    }
    return 0;
}
