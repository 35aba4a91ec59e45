/* SPDX-License-Identifier: MIT */
/*
 * Who called whom, from the registers and the stack words of a dump: by the call frame information that compilers
 * put into ELF files, as a debugger does. Only frames that are really there are found, where a search for return
 * addresses also finds those that earlier calls left behind.
 */
#ifndef KILN_MONITOR_UNWIND_H
#define KILN_MONITOR_UNWIND_H

#include "base/buf.h"

#include <stdbool.h>

#define KILN_UNWIND_REGISTERS 32u   /* RISC-V's x0 to x31, which DWARF numbers the same */
#define KILN_UNWIND_WORDS     1024u /* of stack, at most */

struct kiln_unwind {
    uint32_t pc;
    uint32_t reg[KILN_UNWIND_REGISTERS];
    uint32_t known; /* one bit a register */
    uint32_t base;  /* the address of the first word */
    uint32_t word[KILN_UNWIND_WORDS];
    size_t words;
};

#define KILN_UNWIND_RA 1u
#define KILN_UNWIND_SP 2u

/* "SP", "S0/FP", "A7": its number; -1 if there is none of that name. */
int kiln_unwind_register(const char *name, size_t len);

#endif
