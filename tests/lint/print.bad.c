/* SPDX-License-Identifier: MIT */
/* lint-as: src/plan/sample.c */
#define DIE() abort() /* BAD */
void show(int n)
{
    printf("%d", n);          /* BAD */
    fprintf(stderr, "%d", n); /* BAD */
    if (n > 3)
        exit(1); /* BAD */
    fputs("x", stdout); /* BAD */
}
