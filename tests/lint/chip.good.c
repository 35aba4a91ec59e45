/* SPDX-License-Identifier: MIT */
/* lint-as: src/plan/sample.c */
int f(const struct kiln_chip *chip);
/* Of the ESP8266 alone. */
int f(const struct kiln_chip *chip)
{
    const char *example = "kiln chip esp32c3";
    return chip->stm32 != NULL && chip->stm32->id == example[0];
}
