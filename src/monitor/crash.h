/* SPDX-License-Identifier: MIT */
/*
 * Crash dumps in what a board says, line by line: Xtensa backtraces, RISC-V and ESP8266 registers and stack
 * words, Cortex-M fault registers. Addresses become functions through the symbolizer.
 */
#ifndef KILN_MONITOR_CRASH_H
#define KILN_MONITOR_CRASH_H

#include "base/buf.h"
#include "monitor/unwind.h"

struct kiln_symbolizer {
    /* As the functions of monitor/symbols.h. */
    bool (*lookup)(void *user, uint64_t address, struct kiln_buf *out);
    bool (*is_return)(void *user, uint64_t address);
    bool (*has_digest)(void *user, const char *digits, size_t len);
    size_t (*unwind)(void *user, struct kiln_unwind *state, uint32_t *pcs, size_t cap);
    void *user;
};

enum kiln_crash_dump { KILN_DUMP_NONE, KILN_DUMP_RISCV, KILN_DUMP_MARKED };

#define KILN_CRASH_FRAMES_MAX 48

struct kiln_crash {
    const struct kiln_symbolizer *symbolizer; /* borrowed; NULL: no ELF file was given */
    enum kiln_crash_dump dump;                /* stack words come */
    unsigned frames;                          /* shown of this dump */
    uint32_t last;                            /* the address shown last */
    bool asked;                               /* for the ELF file */
    bool riscv;                               /* the registers are those of a RISC-V */
    struct kiln_unwind state;                 /* its registers and stack words */
};

void kiln_crash_init(struct kiln_crash *crash, const struct kiln_symbolizer *symbolizer);

/* Appends what the line says about a crash, in lines that end with '\n'. */
void kiln_crash_line(struct kiln_crash *crash, const char *text, struct kiln_buf *out);

#endif
