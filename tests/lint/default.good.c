/* SPDX-License-Identifier: MIT */
/* lint-as: src/base/sample.c */
enum colour { RED, GREEN };
enum { GET_STATUS = 3 }; /* a number of the protocol: any byte may come */
int number(enum colour colour, unsigned char request)
{
    switch (colour) {
    case RED:
        switch (request) {
        case GET_STATUS:
            return 3;
        default:
            return 2;
        }
    case GREEN:
        return 1;
    }
    return 0;
}
