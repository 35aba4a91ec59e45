/* SPDX-License-Identifier: MIT */
/* lint-as: src/cli/sample.c */
static volatile int interrupted; /* the program, not the library */
