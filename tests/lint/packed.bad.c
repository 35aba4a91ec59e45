/* SPDX-License-Identifier: MIT */
/* lint-as: src/wire/sample.c */
#define PACKED __attribute__((packed)) /* BAD */
#pragma pack(push, 1) /* BAD */
struct header {
    char tag;
    int size;
} __attribute__((packed)); /* BAD */
