/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
enum colour { RED, GREEN };
int number(enum colour colour)
{
    switch (colour) {
    case RED:
        return 1;
    default: /* BAD */
        return 0;
    }
}
