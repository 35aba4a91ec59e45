/* SPDX-License-Identifier: MIT */
/* Entry: no interrupts, no register windows, a stack of our own, .bss cleared. */
    .section .entry, "ax"
    .literal_position
    .global start
    .align 4
start:
    movi    a2, 15
    wsr.ps  a2
    rsync
    movi    a1, stack_top
    movi    a2, bss_start
    movi    a3, bss_end
    movi    a4, 0
1:  bgeu    a2, a3, 2f
    s32i    a4, a2, 0
    addi    a2, a2, 4
    j       1b
2:  movi    a0, main
    callx0  a0
3:  j       3b
