/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
int f(void);
