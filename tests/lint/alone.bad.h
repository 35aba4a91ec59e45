/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.h */
#ifndef KILN_BASE_SAMPLE_H
#define KILN_BASE_SAMPLE_H
uint32_t f(size_t len);
#endif
