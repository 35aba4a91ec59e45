/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
int walk(int n)
{
    for (int i = 0; i < n; i++) {
        while (n > 3) {
            if (n > 4) {
                do {
                    if (n > 5) /* too deep, even without braces */
                        n--;   /* BAD */
                } while (n);
            }
        }
    }
    return n;
}
