/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
struct row {
    const char *name;
    int value;
};
struct later;
enum kind { ONE, TWO };
typedef int (*callback)(void *user);
static const int limit = 3;
static const char *const names[] = {"a = b;", "static int x;"};
static const struct row rows[] = {{"x", 1}, {"y", 2}};
static int (*const hook)(void) = 0;
extern const struct row table[];
static int helper(struct row *row, int (*each)(const char *name));
_Static_assert(sizeof(int) >= 4, "int");

static int helper(struct row *row, int (*each)(const char *name))
{
    static const unsigned char zero[4] = {0};
    int local = zero[0];

    for (int i = 0; i < 3; i++)
        local += each(row[i].name);
    return local;
}
