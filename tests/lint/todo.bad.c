/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
int f(void); /* TODO: BAD */
/* first line
 * FIXME later BAD */
