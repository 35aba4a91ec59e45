/* SPDX-License-Identifier: MIT */
/* lint-as: src/plan/sample.c */
#include <string.h>
#define IS_ESP8266 1 /* BAD */
int f(const char *chip);
int f(const char *chip)
{
    int is_esp32 = strcmp(chip, "esp32c3") == 0; /* BAD */
    return is_esp32 + (strncmp(chip, "stm32", 5) == 0); /* BAD */
}
