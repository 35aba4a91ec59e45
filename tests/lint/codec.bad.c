/* SPDX-License-Identifier: MIT */
/* lint-as: src/wire/sample.c */
void *decode(int fd, unsigned char *bytes, unsigned long len)
{
    void *out = malloc(len); /* BAD */
    read(fd, bytes, len);    /* BAD */
    return out;
}
