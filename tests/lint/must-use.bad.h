/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.h */
#ifndef KILN_BASE_SAMPLE_H
#define KILN_BASE_SAMPLE_H
#include <kiln/status.h>
enum kiln_status kiln_open(const char *path); /* BAD */
static inline enum kiln_status kiln_close(int fd) /* BAD */
{
    return fd < 0 ? KILN_E_ARG : KILN_OK;
}
#endif
