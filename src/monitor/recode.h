/* SPDX-License-Identifier: MIT */
/* Text of other encodings to and from UTF-8, piece by piece as it comes. */
#ifndef KILN_MONITOR_RECODE_H
#define KILN_MONITOR_RECODE_H

#include "base/buf.h"

#include <iconv.h>

struct kiln_recode {
    bool on, from_utf8;
    iconv_t handle;
    char rest[16]; /* the beginning of a character whose end has not come */
    size_t rest_len;
    const char *instead; /* for what cannot be converted, in the target encoding */
};

/* False if the system does not know one of the encodings. */
KILN_MUST_USE bool kiln_recode_open(struct kiln_recode *recode, const char *from, const char *to);
void kiln_recode_close(struct kiln_recode *recode); /* one that is zero or off is fine */

/* Appends the bytes converted; as they are if it is off. */
void kiln_recode_put(struct kiln_recode *recode, const uint8_t *bytes, size_t len,
                     struct kiln_buf *out);

/* True if the name means UTF-8. */
bool kiln_recode_is_utf8(const char *name);

#endif
