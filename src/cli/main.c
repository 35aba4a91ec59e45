/* SPDX-License-Identifier: MIT */
#include <stdio.h>

int main(void)
{
    puts("kiln 0.1.0");
    return 0;
}
