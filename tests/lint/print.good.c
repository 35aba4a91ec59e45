/* SPDX-License-Identifier: MIT */
/* lint-as: src/plan/sample.c */
/* printf("in a comment"); exit(1); */
struct ops {
    void (*exit)(int code);
};
int format(char *out, unsigned long size, const struct ops *ops)
{
    ops->exit(0);
    return snprintf(out, size, "call exit(1) or printf(\"x\")");
}
