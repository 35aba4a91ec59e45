/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
int f(const char *todo); /* TODO(#12): wait for the erratum */
const char *const text = "TODO";
