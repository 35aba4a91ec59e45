/* SPDX-License-Identifier: MIT */
/* lint-as: src/cli/sample.c */
#define COPY(a, b) strcpy(a, b) /* BAD */
int copy(char *to, const char *from)
{
    strcat(to, from);       /* BAD */
    sprintf(to, "%s", from); /* BAD */
    if (system(from) != 0)  /* BAD */
        return atoi(from);  /* BAD */
    return (int)strtok(to, ",")[0]; /* BAD */
}
