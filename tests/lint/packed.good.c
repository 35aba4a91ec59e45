/* SPDX-License-Identifier: MIT */
/* lint-as: src/wire/sample.c */
struct header {
    int packed; /* __attribute__((packed)) would be wrong */
    int size;
} __attribute__((aligned(8)));
