/* SPDX-License-Identifier: MIT */
/* lint-as: src/os/sample.c */
#ifdef __linux__
int a(void);
#endif
