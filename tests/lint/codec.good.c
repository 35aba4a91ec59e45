/* SPDX-License-Identifier: MIT */
/* lint-as: src/wire/sample.c */
unsigned decode(const unsigned char *bytes, unsigned long len, unsigned *out_read)
{
    unsigned read = 0;

    while (read < len && bytes[read] != 0)
        read++;
    *out_read = read;
    return read;
}
