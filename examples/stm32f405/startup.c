/* SPDX-License-Identifier: MIT */
/* Vector table and reset: copies .data, clears .bss, calls main. Positions of the 82 interrupts: RM0090 rev 19,
 * table 62. */
#include <stdint.h>

extern uint32_t stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[];
extern uint32_t vectors_start[];

int main(void);
void systick_handler(void);
void reset_handler(void);

#define SCB_VTOR (*(volatile uint32_t *)0xE000ED08u)

static void stop(void)
{
    for (;;)
        __asm__ volatile("wfi");
}

void reset_handler(void)
{
    uint32_t *from = data_load;

    SCB_VTOR = (uint32_t)vectors_start;
    for (uint32_t *p = data_start; p < data_end; p++)
        *p = *from++;
    for (uint32_t *p = bss_start; p < bss_end; p++)
        *p = 0;
    main();
    stop();
}

union vector {
    void *stack;
    void (*handler)(void);
};

__attribute__((section(".vectors"), used)) static const union vector vectors[16 + 82] = {
    [0] = {.stack = stack_top},
    [1] = {.handler = reset_handler},
    [2 ... 6] = {.handler = stop},
    [11] = {.handler = stop},
    [12] = {.handler = stop},
    [14] = {.handler = stop},
    [15] = {.handler = systick_handler},
    [16 ... 16 + 81] = {.handler = stop},
};
