/* SPDX-License-Identifier: MIT */
/* lint-as: src/loader/sample.c */
void settle(void)
{
    usleep(1000); /* BAD */
    if (time(0) > 5) /* BAD */
        sleep(1); /* BAD */
}
