/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.h */
#ifndef KILN_BASE_SAMPLE_H
#define KILN_BASE_SAMPLE_H
#include <kiln/status.h>
struct kiln_ctx;
struct ops {
    enum kiln_status (*open)(const char *path);
};
KILN_API KILN_MUST_USE enum kiln_status kiln_open(const char *path);
enum kiln_status kiln_fail(struct kiln_ctx *ctx, enum kiln_status status, const char *format, ...);
const char *kiln_name(enum kiln_status status);
#endif
