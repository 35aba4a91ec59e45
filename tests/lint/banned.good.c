/* SPDX-License-Identifier: MIT */
/* lint-as: src/cli/sample.c */
struct shell {
    int (*system)(const char *command);
    int rand;
};
/* not strcpy(to, from) */
static int system_is_ready(struct shell *shell, const char *gets)
{
    return shell->system("strcpy(a, b)") + shell->rand + (int)strtol(gets, 0, 0);
}
