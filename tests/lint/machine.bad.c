/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
const char *const a = "/home/alice/kiln"; /* BAD */
const char *const b = "https://registry.npmjs.org/x"; /* BAD */
