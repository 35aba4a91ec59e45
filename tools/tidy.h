/* SPDX-License-Identifier: MIT */
/*
 * For clang-tidy only, before every file but those that define these functions: what the analyzer cannot see from declarations. The
 * functions that end a failing call never return KILN_OK; without that it follows paths on which an output
 * was not set and the status says that it was.
 */
#ifndef KILN_TOOLS_TIDY_H
#define KILN_TOOLS_TIDY_H

#include "base/ctx.h"
#include "image/format.h"

KILN_MUST_USE static inline enum kiln_status kiln_tidy_not_ok(enum kiln_status status)
{
    if (status == KILN_OK)
        __builtin_unreachable();
    return status;
}

#define kiln_fail(...)      kiln_tidy_not_ok((kiln_fail)(__VA_ARGS__))
#define kiln_fail_hint(...) kiln_tidy_not_ok((kiln_fail_hint)(__VA_ARGS__))
#define kiln_fail_code(...) kiln_tidy_not_ok((kiln_fail_code)(__VA_ARGS__))
#define kiln_fail_at(...)   kiln_tidy_not_ok((kiln_fail_at)(__VA_ARGS__))
#define kiln_while(...)     kiln_tidy_not_ok((kiln_while)(__VA_ARGS__))
#define kiln_image_bad(...) kiln_tidy_not_ok((kiln_image_bad)(__VA_ARGS__))

#endif
