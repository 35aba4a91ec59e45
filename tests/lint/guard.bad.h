/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.h */
#ifndef SAMPLE_H
#define SAMPLE_H
int f(void);
#endif
