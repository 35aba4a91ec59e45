/* SPDX-License-Identifier: MIT */
/* How a UART frames its bytes and who may hold whom back. */
#ifndef KILN_BASE_UART_H
#define KILN_BASE_UART_H

#include <stdbool.h>
#include <stdint.h>

struct kiln_uart_format {
    uint8_t data_bits;      /* 5 to 8 */
    char parity;            /* 'N' none, 'E' even, 'O' odd, 'M' mark, 'S' space */
    uint8_t stop_half_bits; /* 2, 3 or 4: one, one and a half, two stop bits */
    bool rtscts, xonxoff;   /* flow control by lines, by characters */
};

#define KILN_UART_8N1                                                                         \
    (struct kiln_uart_format)                                                                 \
    {                                                                                         \
        .data_bits = 8, .parity = 'N', .stop_half_bits = 2, .rtscts = false, .xonxoff = false \
    }

#endif
