/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
struct row {
    const char *name;
};
static int count; /* BAD */
int shared = 3;   /* BAD */
static const char *names[] = {"a", "b"}; /* BAD: the pointers can be changed */
static struct row rows[] = {{"x"}};      /* BAD */
static int (*hook)(void);                /* BAD */
static struct {                          /* BAD */
    const char *p;
} state;
extern int elsewhere; /* BAD */
_Thread_local int depth; /* BAD */

int next(void)
{
    static int last; /* BAD */
    return ++last;
}
