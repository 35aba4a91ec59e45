/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
const char *const a = "/dev/ttyUSB0"; /* ~/.local, /usr/share, a/work/item */
const char *const b = "https://usb.org/documents";
