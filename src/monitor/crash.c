/* SPDX-License-Identifier: MIT */
/*
 * Sources: ESP-IDF panic handler's output (esp_system/port/arch), ESP8266 Arduino core's postmortem, Zephyr
 * fatal error log, ARMv7-M Architecture Reference Manual B3.2.15 (CFSR) and B3.2.16 (HFSR), The RISC-V
 * Instruction Set Manual II 3.1.15 (mcause).
 */
#include "monitor/crash.h"

#include "base/bytes.h"
#include "monitor/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NULL_PAGE 0x1000u
#define FEW       2 /* frames that the registers alone can tell */

void kiln_crash_init(struct kiln_crash *crash, const struct kiln_symbolizer *symbolizer)
{
    memset(crash, 0, sizeof *crash);
    crash->symbolizer = symbolizer;
}

/* ---- one address ---- */

/* A return address of windowed Xtensa code has the window's size in its two top bits. */
static uint32_t without_window(uint32_t address)
{
    return address >= 0x80000000u ? ((address & 0x3fffffffu) | 0x40000000u) : address;
}

/* "LABEL 0xADDRESS function at file:line", and the lines of inlined functions below it. */
static bool put_address(struct kiln_crash *crash, const char *label, uint32_t address,
                        bool is_return, struct kiln_buf *out)
{
    const struct kiln_symbolizer *symbols = crash->symbolizer;
    char *at, *end;
    struct kiln_buf found;
    bool known;

    kiln_buf_init(&found, 16 * 1024);
    known = symbols->lookup(symbols->user, is_return ? (address & ~1u) - 1 : address & ~1u, &found);
    if (known && kiln_buf_append(&found, "", 1) == KILN_OK) {
        at = (char *)found.data;
        (void)!kiln_buf_printf(out, "%-6s 0x%08x  ", label, address);
        for (bool first = true; (end = strchr(at, '\n')) != NULL; at = end + 1, first = false) {
            *end = '\0';
            (void)!kiln_buf_printf(out, first ? "%s\n" : "                      %s\n", at);
        }
    }
    kiln_buf_dispose(&found);
    return known;
}

static void put_unknown(const char *label, uint32_t address, struct kiln_buf *out)
{
    (void)!kiln_buf_printf(out,
                           "%-6s 0x%08x  not in the ELF file: the boot ROM, or another program\n",
                           label, address);
}

static bool is_return(const struct kiln_crash *crash, uint32_t address)
{
    return crash->symbolizer->is_return(crash->symbolizer->user, address);
}

/* True if there are symbols; says once that there are none. */
static bool can_decode(struct kiln_crash *crash, struct kiln_buf *out)
{
    if (crash->symbolizer != NULL)
        return true;
    if (!crash->asked)
        (void)!kiln_buf_printf(out, "give the program's ELF file with --elf to see functions and "
                                    "lines here\n");
    crash->asked = true;
    return false;
}

/* ---- Xtensa: "Backtrace: 0x400d1234:0x3ffb1230 0x400d...:0x... |<-CORRUPTED" ---- */

static void take_backtrace(struct kiln_crash *crash, const char *text, struct kiln_buf *out)
{
    uint32_t pc, sp;
    unsigned frame = 0;
    char label[12];

    if (!can_decode(crash, out))
        return;
    while (frame < KILN_CRASH_FRAMES_MAX) {
        while (*text == ' ' || *text == '\t')
            text++;
        if (!kiln_text_hex(&text, &pc) || *text != ':')
            break;
        text++;
        if (!kiln_text_hex(&text, &sp))
            break;
        /* ESP-IDF has moved the address into the call already, unless the window bits are still there. */
        snprintf(label, sizeof label, "#%u", frame);
        if (!put_address(crash, label, without_window(pc),
                         pc >= 0x80000000u || is_return(crash, pc), out))
            put_unknown(label, without_window(pc), out);
        frame++;
    }
    if (strstr(text, "CORRUPTED") != NULL)
        (void)!kiln_buf_printf(out, "the stack is damaged from here on\n");
}

/* ---- stack words ---- */

static void take_word(struct kiln_crash *crash, uint32_t word, struct kiln_buf *out)
{
    char label[12];

    if (crash->frames >= KILN_CRASH_FRAMES_MAX || word == crash->last || !is_return(crash, word))
        return;
    snprintf(label, sizeof label, "#%u", crash->frames);
    if (put_address(crash, label, word, true, out))
        crash->frames++;
    crash->last = word;
}

/* Keeps a word of the stack if it follows the one before. */
static void keep_word(struct kiln_unwind *state, uint32_t address, uint32_t word)
{
    if (state->words == 0)
        state->base = address;
    if (state->words < KILN_UNWIND_WORDS && address == state->base + 4 * (uint32_t)state->words)
        state->word[state->words++] = word;
}

/* "3fc91230: 0x00000000 0x42001234 ..." and "3ffffdb0:  40201234 3ffe8a10 ..." */
static bool take_stack_line(struct kiln_crash *crash, const char *text, struct kiln_buf *out)
{
    uint32_t address, word;

    if (!kiln_text_hex(&text, &address) || *text != ':')
        return false;
    text++;
    for (;;) {
        while (*text == ' ' || *text == '\t')
            text++;
        if (!kiln_text_hex(&text, &word))
            return true;
        if (crash->dump == KILN_DUMP_RISCV)
            keep_word(&crash->state, address, word);
        else if (crash->symbolizer != NULL)
            take_word(crash, word, out);
        address += 4;
    }
}

/* The end of a RISC-V dump: the calls that were in progress, else what looks like return addresses. */
static void end_dump(struct kiln_crash *crash, struct kiln_buf *out)
{
    const struct kiln_symbolizer *symbols = crash->symbolizer;
    struct kiln_unwind *state = &crash->state;
    uint32_t pcs[KILN_CRASH_FRAMES_MAX];
    size_t words = state->words, count = 0;
    char label[12];

    if (crash->dump == KILN_DUMP_RISCV && symbols != NULL && words > 0) {
        count = symbols->unwind(symbols->user, state, pcs, KILN_CRASH_FRAMES_MAX);
        for (size_t i = 0; count > 1 && i < count; i++) {
            snprintf(label, sizeof label, "#%zu", i);
            if (!put_address(crash, label, pcs[i], i > 0, out))
                put_unknown(label, pcs[i], out);
        }
        if (count <= FEW)
            (void)!kiln_buf_printf(
                out, "no further way through the stack is known; perhaps called from:\n");
        for (size_t i = 0; count <= FEW && i < words; i++)
            take_word(crash, state->word[i], out);
    }
    crash->dump = KILN_DUMP_NONE;
    crash->riscv = false;
    state->words = 0;
    state->known = 0;
}

static void begin_dump(struct kiln_crash *crash, enum kiln_crash_dump dump, struct kiln_buf *out)
{
    crash->dump = dump;
    crash->frames = 0;
    crash->last = 0;
    (void)can_decode(crash, out);
}

/* ---- registers: "MEPC    : 0x42001234", "epc1=0x40201234", "r15/pc:  0x08001234", "PC = 08001234" ---- */

enum reg_kind {
    REG_PC,
    REG_RETURN,
    REG_ACCESS,
    REG_CFSR,
    REG_MMFSR, /* the three parts of CFSR */
    REG_BFSR,
    REG_UFSR,
    REG_HFSR,
    REG_MCAUSE
};

static const struct {
    const char *name;
    enum reg_kind kind;
} registers[] = {
    {"MEPC", REG_PC},
    {"RA", REG_RETURN},
    {"MTVAL", REG_ACCESS},
    {"MCAUSE", REG_MCAUSE},
    {"PC", REG_PC},
    {"A0", REG_RETURN},
    {"EXCVADDR", REG_ACCESS},
    {"epc1", REG_PC},
    {"excvaddr", REG_ACCESS},
    {"pc", REG_PC},
    {"lr", REG_RETURN},
    {"LR", REG_RETURN},
    {"at PC", REG_PC},
    {"Saved PC", REG_PC},
    {"HARD FAULT at", REG_PC},
    {"executing from address", REG_PC},
    {"Location", REG_PC},
    {"Faulting instruction address", REG_PC},
    {"last failed alloc call", REG_RETURN},
    {"CFSR", REG_CFSR},
    {"MMFSR", REG_MMFSR},
    {"BFSR", REG_BFSR},
    {"UFSR", REG_UFSR},
    {"HFSR", REG_HFSR},
    {"MMFAR", REG_ACCESS},
    {"BFAR", REG_ACCESS},
    {"MMFAR Address", REG_ACCESS},
    {"Accessed Address", REG_ACCESS},
    {"BFAR Address", REG_ACCESS},
    {"Faulting instruction address (r15/pc)", REG_PC},
};

struct bit {
    unsigned number;
    const char *meaning;
};

static const struct bit cfsr_bits[] = {
    {0, "an instruction was fetched from where none may be (IACCVIOL)"},
    {1, "data access that the memory protection forbids (DACCVIOL)"},
    {3, "the stack was not accessible on return from an exception (MUNSTKERR)"},
    {4, "the stack was not accessible on entry to an exception: often a stack overflow (MSTKERR)"},
    {5, "memory protection fault while saving floating point registers (MLSPERR)"},
    {8, "an instruction was fetched from where no memory is (IBUSERR)"},
    {9, "data access to where no memory is; the address is in BFAR (PRECISERR)"},
    {10, "data access to where no memory is, some instructions before (IMPRECISERR)"},
    {11, "bus fault on return from an exception (UNSTKERR)"},
    {12, "bus fault on entry to an exception: often a stack overflow (STKERR)"},
    {13, "bus fault while saving floating point registers (LSPERR)"},
    {16, "ran into something that is no instruction (UNDEFINSTR)"},
    {17, "jumped to an even address, which is no Thumb code: a bad function pointer (INVSTATE)"},
    {18, "a bad value was loaded into PC on return from an exception (INVPC)"},
    {19, "used the floating point unit before it was switched on (NOCP)"},
    {20, "the stack is used up (STKOF)"},
    {24, "an access that is not aligned (UNALIGNED)"},
    {25, "divided by zero (DIVBYZERO)"},
};

static const struct bit hfsr_bits[] = {
    {1, "the vector table could not be read (VECTTBL)"},
    {30, "a fault that had no handler of its own; CFSR says which (FORCED)"},
    {31, "a breakpoint without a debugger (DEBUGEVT)"},
};

static const char *const mcauses[] = {
    "jumped to an address that is not aligned", "jumped to where no code is",
    "ran into something that is no code",       "a breakpoint was reached",
    "read from an address that is not aligned", "read from an address where nothing is",
    "wrote to an address that is not aligned",  "wrote to an address where nothing is",
};

static void put_bits(const char *name, uint32_t value, const struct bit *bits, size_t count,
                     struct kiln_buf *out)
{
    for (size_t i = 0; i < count; i++)
        if ((value >> bits[i].number & 1) != 0)
            (void)!kiln_buf_printf(out, "%-6s %s\n", name, bits[i].meaning);
}

static void take_register(struct kiln_crash *crash, const char *name, enum reg_kind kind,
                          uint32_t value, struct kiln_buf *out)
{
    uint32_t address = without_window(value);

    switch (kind) {
    case REG_PC:
    case REG_RETURN:
        if (crash->symbolizer != NULL)
            (void)put_address(crash, kind == REG_PC ? "PC" : "caller", address,
                              kind == REG_RETURN && is_return(crash, address), out);
        break;
    case REG_ACCESS:
        if (value < NULL_PAGE)
            (void)!kiln_buf_printf(
                out, "%s 0x%08x is an access through a NULL pointer, if there was one\n", name,
                value);
        break;
    case REG_MMFSR:
    case REG_BFSR:
    case REG_UFSR:
        value = (value & 0xffff) << 8 * (kind - REG_MMFSR);
        put_bits(name, value, cfsr_bits, KILN_ARRAY_LEN(cfsr_bits), out);
        break;
    case REG_CFSR:
        put_bits(name, value, cfsr_bits, KILN_ARRAY_LEN(cfsr_bits), out);
        break;
    case REG_HFSR:
        put_bits(name, value, hfsr_bits, KILN_ARRAY_LEN(hfsr_bits), out);
        break;
    case REG_MCAUSE:
        if (value < KILN_ARRAY_LEN(mcauses))
            (void)!kiln_buf_printf(out, "%-6s %s\n", name, mcauses[value]);
        break;
    }
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static bool is_bits(enum reg_kind kind)
{
    return kind >= REG_CFSR && kind <= REG_HFSR;
}

/* The value behind a register's name, as "PC : 0x400d1234", "PC [R15] = 8000e5c", "CFSR: 82". Without 0x and a
 * sign between a name may be a word of a sentence: then it must have all eight digits. */
static bool read_value(const char *at, enum reg_kind kind, uint32_t *out_value)
{
    const char *start = at + strspn(at, " \t"), *end;
    bool sign;
    size_t digits;

    if (start[0] == '[' && strchr(start, ']') != NULL)
        start = strchr(start, ']') + 1;
    start += strspn(start, " \t(");
    sign = start[0] == ':' || start[0] == '=';
    start += strspn(start, " \t:=(");
    end = start;
    if (start == at || !kiln_text_hex(&end, out_value) || is_word_char(*end))
        return false;
    digits = (size_t)(end - start);
    return (start[0] == '0' && start[1] == 'x') || digits == 8 || (sign && digits >= 5) ||
           (sign && is_bits(kind));
}

/* All registers of a RISC-V's line: "S0/FP   : 0x3fc94d58  S1      : 0x00000002". */
static void keep_registers(struct kiln_crash *crash, const char *text)
{
    struct kiln_unwind *state = &crash->state;
    const char *at = text;

    if (strstr(text, "MEPC ") != NULL) {
        memset(state, 0, sizeof *state);
        crash->riscv = true;
    }
    while (crash->riscv && *at != '\0') {
        size_t len = strcspn(at, " \t");
        const char *end = at + len;
        int number = kiln_unwind_register(at, len);
        uint32_t value;

        end += strspn(end, " \t");
        if (*end == ':' && read_value(end, REG_PC, &value)) {
            if (number > 0) {
                state->reg[number] = value;
                state->known |= UINT32_C(1) << number;
            } else if (len == 4 && strncmp(at, "MEPC", 4) == 0) {
                state->pc = value;
            }
        }
        at = end;
        if (len == 0)
            at++;
    }
}

static void take_registers(struct kiln_crash *crash, const char *text, struct kiln_buf *out)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(registers); i++) {
        const char *name = registers[i].name, *at = text;
        size_t len = strlen(name);
        uint32_t value;

        /* An argument there, the return address of Xtensa's windows elsewhere. */
        if (crash->riscv && strcmp(name, "A0") == 0)
            continue;
        while ((at = strstr(at, name)) != NULL) {
            bool whole = at == text || !is_word_char(at[-1]);

            at += len;
            if (whole && read_value(at, registers[i].kind, &value)) {
                take_register(crash, name, registers[i].kind, value, out);
                break;
            }
        }
    }
}

/* ---- lines ---- */

static void take_digest(const struct kiln_crash *crash, const char *digits, struct kiln_buf *out)
{
    const struct kiln_symbolizer *symbols = crash->symbolizer;
    size_t len;

    digits += strspn(digits, " \t");
    len = strspn(digits, "0123456789abcdef");
    if (strspn(digits, "0") == len)
        return; /* the build did not put it in */
    if (symbols != NULL && len >= 8 && !symbols->has_digest(symbols->user, digits, len))
        (void)!kiln_buf_printf(out, "the ELF file is of another build than the program on the "
                                    "board: functions and lines may be wrong\n");
}

/* A line that is nothing but an address, as esp-backtrace prints them. */
static void take_lone_address(struct kiln_crash *crash, const char *text, struct kiln_buf *out)
{
    uint32_t address;

    text += strspn(text, " \t");
    if (crash->symbolizer == NULL || text[0] != '0' || text[1] != 'x' ||
        !kiln_text_hex(&text, &address) || text[strspn(text, " \t")] != '\0')
        return;
    (void)put_address(crash, "", address, is_return(crash, address), out);
}

/* CmBacktrace: "Show more call stack info by run: addr2line -e APP.elf -afpiC 08001ce2 08001dad" */
static void take_addr2line(struct kiln_crash *crash, const char *words, struct kiln_buf *out)
{
    unsigned frame = 0;
    char label[12];

    if (!can_decode(crash, out))
        return;
    while (*words != '\0' && frame < KILN_CRASH_FRAMES_MAX) {
        const char *end = words + strspn(words, " \t");
        const char *start = end;
        uint32_t address;

        words = start + strcspn(start, " \t");
        if (!kiln_text_hex(&end, &address) || end != words || end - start < 5)
            continue;
        snprintf(label, sizeof label, "#%u", frame++);
        (void)put_address(crash, label, address, false, out);
    }
}

static const char *behind(const char *text, const char *mark)
{
    const char *at = strstr(text, mark);

    return at == NULL ? NULL : at + strlen(mark);
}

void kiln_crash_line(struct kiln_crash *crash, const char *text, struct kiln_buf *out)
{
    const char *rest;

    text += kiln_text_skip_csi(text, strlen(text));
    keep_registers(crash, text);
    if (strstr(text, "<<<stack<<<") != NULL) {
        crash->dump = KILN_DUMP_NONE;
    } else if (strstr(text, ">>>stack>>>") != NULL) {
        begin_dump(crash, KILN_DUMP_MARKED, out);
    } else if (strstr(text, "Stack memory:") != NULL) {
        begin_dump(crash, KILN_DUMP_RISCV, out);
    } else if ((rest = behind(text, "Backtrace:")) != NULL) {
        take_backtrace(crash, rest, out);
    } else if ((rest = behind(text, "ELF file SHA256:")) != NULL) {
        end_dump(crash, out);
        take_digest(crash, rest, out);
    } else if ((rest = behind(text, "addr2line -e ")) != NULL) {
        take_addr2line(crash, rest + strcspn(rest, " \t"), out);
    } else if (crash->dump != KILN_DUMP_NONE && take_stack_line(crash, text, out)) {
        return;
    } else {
        if (crash->dump == KILN_DUMP_RISCV && (text[0] != '\0' || crash->state.words > 0))
            end_dump(crash, out);
        take_registers(crash, text, out);
        take_lone_address(crash, text, out);
    }
}
