/* SPDX-License-Identifier: MIT */
/* lint-as: src/link/sample.c */
#ifdef __linux__ /* BAD */
int a(void);
#elif defined(_WIN32) /* BAD */
int b(void);
#endif
