/* SPDX-License-Identifier: MIT */
/*
 * Crash dumps of many systems, in the forms in which people posted them. Their addresses are those of
 * tests/data/crash-*.elf, read off with objdump; panic-riscv is a program that was run and what it printed.
 */
#include "base/bytes.h"
#include "monitor/crash.h"
#include "monitor/explain.h"
#include "monitor/symbols.h"
#include "os/wait.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void path_of(const char *name, char *path, size_t cap)
{
    snprintf(path, cap, "%s/tests/data/%s", getenv("KILN_SOURCE_ROOT"), name);
}

static char notes[65536];

/* What is added to the lines of `dump`, with the ELF file of that name, NULL: none. */
static void decode(const char *elf, const char *dump)
{
    struct kiln_symbolizer symbolizer;
    struct kiln_symbols *symbols = NULL;
    struct kiln_explain explain = {0};
    struct kiln_crash crash;
    struct kiln_ctx ctx;
    struct kiln_buf out;
    char path[512], line[1024];
    const char *paths[] = {path};

    kiln_ctx_init(&ctx, kiln_system_clock());
    kiln_buf_init(&out, sizeof notes - 1);
    if (elf != NULL) {
        path_of(elf, path, sizeof path);
        assert_int_equal(kiln_symbols_open(&ctx, paths, 1, &symbols), KILN_OK);
        symbolizer = kiln_symbols_symbolizer(symbols);
    }
    kiln_crash_init(&crash, elf != NULL ? &symbolizer : NULL);
    while (*dump != '\0') {
        size_t len = strcspn(dump, "\n");
        size_t text = len > 0 && dump[len - 1] == '\r' ? len - 1 : len;

        snprintf(line, sizeof line, "%.*s", (int)text, dump);
        kiln_explain_line(&explain, line, &out);
        kiln_crash_line(&crash, line, &out);
        dump += len + (dump[len] == '\n');
    }
    snprintf(notes, sizeof notes, "%.*s", (int)out.len, out.len > 0 ? (const char *)out.data : "");
    kiln_buf_dispose(&out);
    kiln_symbols_free(symbols);
}

static void need(const char *part)
{
    if (strstr(notes, part) == NULL)
        fail_msg("\"%s\" is missing in:\n%s", part, notes);
}

static void must_not(const char *part)
{
    if (strstr(notes, part) != NULL)
        fail_msg("\"%s\" should not be in:\n%s", part, notes);
}

/* ---- Xtensa ---- */

static void xtensa_panics(void **state)
{
    (void)state;
    decode("crash-xtensa.elf",
           "Guru Meditation Error: Core  1 panic'ed (StoreProhibited). Exception was unhandled.\r\n"
           "\r\nCore  1 register dump:\r\n"
           "PC      : 0x40201006  PS      : 0x00060330  A0      : 0x80201031  A1      : "
           "0x3ffb4f30  \r\n"
           "A14     : 0x00000001  A15     : 0x00000000  SAR     : 0x0000001b  EXCCAUSE: "
           "0x0000001d  \r\n"
           "EXCVADDR: 0x00000000  LBEG    : 0x4000c2e0  LEND    : 0x4000c2f6  LCOUNT  : "
           "0x00000000  \r\n\r\n\r\n"
           "Backtrace: 0x40201004:0x3ffb4f30 0x4020102e:0x3ffb4f50 0x8020105e:0x3ffb4f70 "
           "0x40001234:0x3ffb4f90 |<-CORRUPTED\r\n\r\n\r\n\r\n\r\n"
           "ELF file SHA256: 0123456789abcdef\r\n");
    need("wrote to an address where nothing is");
    need("EXCVADDR 0x00000000 is an access through a NULL pointer");
    need("PC     0x40201006  store_value at firmware/crash.c:12\n");
    need("inlined into write_sensor at firmware/crash.c:18\n");
    need("caller 0x40201031  read_sensors at firmware/crash.c:24\n");
    need("#1     0x4020102e  read_sensors at firmware/crash.c:24\n");
    /* The window bits are off, and the return address is moved into the call. */
    need("#2     0x4020105e  app_main at firmware/crash.c:32\n");
    need("#3     0x40001234  not in the ELF file");
    need("the stack is damaged");
    need("of another build");
}

/* Capital digits, no space, prefixes of the log: as older and newer systems print it. */
static void xtensa_backtraces(void **state)
{
    static const char *const lines[] = {
        "Backtrace:0x40201004:0x3FFB4F300x4020102e:0x3ffb4f50",
        "Backtrace: 0x40201004:0x3ffb4f30 0x4020102E:0x3FFB4F50",
        "E (10303) task_wdt: Backtrace: 0x40201004:0x3ffb4f30 0x4020102e:0x3ffb4f50",
        "  Backtrace:  0x40201004:0x3ffb4f30  0x4020102e:0x3ffb4f50 \t",
        "\x1b[0;31mBacktrace: 0x40201004:0x3ffb4f30 0x4020102e:0x3ffb4f50\x1b[0m",
    };

    (void)state;
    for (size_t i = 1; i < KILN_ARRAY_LEN(lines); i++) {
        decode("crash-xtensa.elf", lines[i]);
        need("#0     0x40201004  store_value at");
        need("#1     0x4020102e  read_sensors at");
        must_not("#2");
    }
    decode("crash-xtensa.elf", lines[0]);
    must_not("#1"); /* two words in one are none */
}

static void aborts_and_watchdogs(void **state)
{
    (void)state;
    decode("crash-xtensa.elf",
           "E (10303) task_wdt: Task watchdog got triggered. The following tasks/users did not "
           "reset the watchdog in time:\r\n"
           "E (10303) task_wdt:  - IDLE0 (CPU 0)\r\n"
           "E (10303) task_wdt: Tasks currently running:\r\n"
           "E (10303) task_wdt: CPU 0: main\r\n"
           "E (10303) task_wdt: Print CPU 0 (current core) backtrace\r\n\r\n\r\n"
           "Backtrace: 0x40201031:0x3ffb0e30 0x4020105e:0x3ffb0e50\r\n");
    need("a task did not let others run");
    need("#0     0x40201031  read_sensors at");
    need("#1     0x4020105e  app_main at");
    decode("crash-xtensa.elf", "abort() was called at PC 0x40201031 on core 0\r\n\r\n\r\n"
                               "Backtrace: 0x40201004:0x3ffb4f30 0x4020102e:0x3ffb4f50\r\n\r\n"
                               "assert failed: xQueueGenericSend queue.c:832 (pxQueue)\r\n");
    need("the program ended itself");
    need("PC     0x40201031  read_sensors at");
    need("a check in the program did not hold");
    decode("crash-xtensa.elf",
           "***ERROR*** A stack overflow in task main has been detected.\r\n"
           "Guru Meditation Error: Core  0 panic'ed (Unhandled debug exception). \r\n"
           "Debug exception reason: Stack canary watchpoint triggered (main) \r\n");
    need("a task used more than its stack");
    need("a breakpoint or the end of a stack");
}

static void esp8266_exceptions(void **state)
{
    (void)state;
    decode("crash-xtensa.elf",
           "Exception (29):\nepc1=0x40201006 epc2=0x00000000 epc3=0x00000000 excvaddr=0x00000004 "
           "depc=0x00000000\n\n>>>stack>>>\n\nctx: cont\nsp: 3ffffdb0 end: 3fffffc0 offset: 0190\n"
           "3fffff40:  00000003 40201031 3ffe8a10 40201020  \n"
           "3fffff50:  3fffdad0 00000000 3ffee4bc 4020105e <\n<<<stack<<<\n"
           "3fffff60:  40201031 4020105e\n"
           "last failed alloc call: 40201031(1460)\n");
    need("wrote to an address where nothing is; excvaddr near 0");
    need("excvaddr 0x00000004 is an access through a NULL pointer");
    need("PC     0x40201006  store_value at firmware/crash.c:12\n");
    need("#0     0x40201031  read_sensors at firmware/crash.c:24\n");
    need("#1     0x4020105e  app_main at firmware/crash.c:32\n");
    must_not("0x40201020  ");
    must_not("#2");
    need("the heap had no room");
    need("caller 0x40201031  read_sensors");
    /* Of the RTOS SDK and the NONOS SDK. */
    decode("crash-xtensa.elf", "Fatal exception 28(LoadProhibitedCause): \n"
                               "epc1=0x40201006, epc2=0x00000000, epc3=0x00000000, "
                               "excvaddr=0x000000eb, depc=0x00000000\n");
    need("read from an address where nothing is");
    need("PC     0x40201006  store_value");
    decode("crash-xtensa.elf", "Soft WDT reset\n\n>>>stack>>>\n\nctx: cont\n"
                               "3fffff40:  00000003 40201031 3ffe8a10 40201020\n<<<stack<<<\n");
    need("call yield()");
    need("#0     0x40201031  read_sensors");
}

/* ---- RISC-V ---- */

static void riscv_panics(void **state)
{
    (void)state;
    decode("crash-riscv.elf",
           "Guru Meditation Error: Core  0 panic'ed (Store access fault). Exception was "
           "unhandled.\r\n"
           "MEPC    : 0x42000004  RA      : 0x4200002e  SP      : 0x3fc91230  GP      : "
           "0x3fc8b000\r\n"
           "MTVEC   : 0x40380001  MCAUSE  : 0x00000007  MTVAL   : 0x00000000  MHARTID : "
           "0x00000000\r\n"
           "Stack memory:\r\nELF file SHA256: \r\n");
    need("wrote to an address where nothing is; MTVAL near 0");
    need("PC     0x42000004  store_value at firmware/crash.c:12\n");
    need("inlined into write_sensor at firmware/crash.c:18\n");
    need("caller 0x4200002e  read_sensors at firmware/crash.c:24\n");
    need("MCAUSE wrote to an address where nothing is");
}

static void read_dump(const char *name, char *text, size_t cap)
{
    char path[512];
    FILE *file;

    path_of(name, path, sizeof path);
    file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, cap - 1, file)] = '\0';
    fclose(file);
}

/* The stack is full of return addresses that earlier calls left: only those in progress are shown. */
static void riscv_stacks_are_unwound(void **state)
{
    static const char *const calls[] = {
        "#0     0x420001ac  write_pixel at", "#1     0x4200027a  draw_line at",
        "#2     0x420002a2  draw_box at",    "#3     0x420002b6  draw_box at",
        "#4     0x420002b6  draw_box at",    "#5     0x420002b6  draw_box at",
        "#6     0x42000304  app_main at",    "#7     0x42000314  main_task at",
        "#8     0x4200032a  start at",
    };
    char dump[8192], *at;

    (void)state;
    read_dump("panic-riscv.txt", dump, sizeof dump);
    decode("panic-riscv.elf", dump);
    for (size_t i = 0; i < KILN_ARRAY_LEN(calls); i++)
        need(calls[i]);
    must_not("#9");
    must_not("warm_up");
    must_not("of another build"); /* its digest was not filled in */
    /* Called through a bad pointer: the caller is in RA, and the stack is still the caller's. */
    at = strstr(dump, "MEPC    : 0x420001ac");
    memcpy(at, "MEPC    : 0x00000004", 20);
    at = strstr(dump, "SP      : 0x420034e0");
    memcpy(at, "SP      : 0x42003500", 20);
    at = strstr(dump, "420034e0: ");
    memmove(at, strstr(at, "42003500: "), strlen(strstr(at, "42003500: ")) + 1);
    decode("panic-riscv.elf", dump);
    need("#0     0x00000004  not in the ELF file");
    for (size_t i = 1; i < KILN_ARRAY_LEN(calls); i++)
        need(calls[i]);
    must_not("warm_up");
    /* With a stack pointer that is not to be believed there are only guesses. */
    at = strstr(dump, "SP      : 0x42003");
    memcpy(at, "SP      : 0x00000", 17);
    decode("panic-riscv.elf", dump);
    need("no further way through the stack is known");
    need("warm_up");
}

/* ---- Cortex-M ---- */

static void zephyr_faults(void **state)
{
    (void)state;
    decode("crash-arm.elf",
           "[00:00:01.000,000] <err> os: ***** BUS FAULT *****\r\n"
           "[00:00:01.000,000] <err> os:   Precise data bus error\r\n"
           "[00:00:01.000,000] <err> os:   BFAR Address: 0x00000000\r\n"
           "[00:00:01.000,000] <err> os: r0/a1:  0x50000000  r1/a2:  0x00000001  r2/a3:  "
           "0x0000000a\r\n"
           "[00:00:01.000,000] <err> os: r3/a4:  0x20000000 r12/ip:  0x00000000 r14/lr:  "
           "0x08000021\r\n"
           "[00:00:01.000,000] <err> os: Faulting instruction address (r15/pc): 0x08000004\r\n"
           "[00:00:01.000,000] <err> os: >>> ZEPHYR FATAL ERROR 25: Unknown error on CPU 0\r\n");
    need("BFAR Address 0x00000000 is an access through a NULL pointer");
    need("caller 0x08000021  read_sensors at firmware/crash.c:24\n");
    need("PC     0x08000004  store_value at firmware/crash.c:12\n");
    decode("crash-arm.elf", "***** BUS FAULT *****\n  Executing thread ID (thread): 0x200069d4\n"
                            "  Faulting instruction address:  0x08000004\n"
                            "  Precise data bus error\n  Address: 0x00f41ccc\n");
    need("PC     0x08000004  store_value");
}

static void mbed_faults(void **state)
{
    (void)state;
    decode("crash-arm.elf", "++ MbedOS Fault Handler ++\n\nFaultType: HardFault\n\nContext:\n"
                            "R0   : DEADDEAD\nR1   : FFFFFFFF\nR12  : 00005269\nSP   : 2002FFA8\n"
                            "LR   : 08000021\nPC   : 08000004\nxPSR : 2101000B\nHFSR : 40000000\n"
                            "MMFSR: 00000000\nBFSR : 00000082\nUFSR : 00000000\nDFSR : 00000010\n"
                            "BFAR : DEADDEAD\nMode : Thread\n\n-- MbedOS Fault Handler --\n"
                            "Location: 0x800003c\n");
    need("caller 0x08000021  read_sensors");
    need("PC     0x08000004  store_value");
    need("HFSR   a fault that had no handler of its own");
    need("BFSR   data access to where no memory is; the address is in BFAR (PRECISERR)");
    need("PC     0x0800003c  app_main");
    must_not("MMFSR");
    decode("crash-arm.elf", "UFSR : 00000200\nMMFSR: 00000001\n");
    need("UFSR   divided by zero (DIVBYZERO)");
    need("MMFSR  an instruction was fetched from where none may be (IACCVIOL)");
}

static void other_cortex_m_faults(void **state)
{
    (void)state;
    /* CmBacktrace */
    decode("crash-arm.elf",
           "Fault on interrupt or bare metal(no OS) environment\n"
           "  R12: fffffdff  LR : 08000021  PC : 08000004  PSR: 61000000\n"
           "Usage fault is caused by Indicates a divide by zero has taken place\n"
           "Show more call stack info by run: addr2line -e CmBacktrace.axf -a -f 08000004 "
           "0800001d 0800003c \n");
    need("caller 0x08000021  read_sensors");
    need("#0     0x08000004  store_value");
    need("#1     0x0800001d  read_sensors");
    need("#2     0x0800003c  app_main");
    decode("crash-arm.elf", "Show more call stack info by run: addr2line -e fade.elf -afpiC "
                            "08000004 0800001d");
    need("#1     0x0800001d  read_sensors");
    decode("crash-arm.elf", "Show more call stack info by run: addr2line -e iHome.axf -a -f s");
    must_not("#0");
    /* Teensy */
    decode("crash-arm.elf", "CrashReport:\n  Code was executing from address 0x8000004\n"
                            "  CFSR: 82\n\t(DACCVIOL) Data Access Violation\n"
                            "\t(MMARVALID) Accessed Address: 0x0 (nullptr)\n");
    need("PC     0x08000004  store_value");
    need("CFSR   data access that the memory protection forbids (DACCVIOL)");
    need("Accessed Address 0x00000000 is an access through a NULL pointer");
    /* Joseph Yiu's handler, which many projects took over */
    decode("crash-arm.elf", "[Hard fault handler - all numbers in hex]\nR0 = 0\nR12 = 0\n"
                            "LR [R14] = 8000021  subroutine call return address\n"
                            "PC [R15] = 8000004  program counter\nPSR = 21000000\nBFAR = e000ed38\n"
                            "CFSR = 8200\nHFSR = 40000000\n");
    need("caller 0x08000021  read_sensors");
    need("PC     0x08000004  store_value");
    need("CFSR   data access to where no memory is");
    need("HFSR   a fault that had no handler of its own");
    /* RIOT, nRF5 SDK, Rust's cortex-m-rt */
    decode("crash-arm.elf", "INFO #    lr: 0x08000021\nINFO #    pc: 0x08000004\n");
    need("caller 0x08000021  read_sensors");
    need("PC     0x08000004  store_value");
    decode("crash-arm.elf", "<error> hardfault: HARD FAULT at 0x08000004\n"
                            "<error> hardfault:   R12: 0x00000000  LR:  0x08000021  PSR: 0x0\n");
    need("PC     0x08000004  store_value");
    need("caller 0x08000021  read_sensors");
    decode("crash-arm.elf", "ExceptionFrame { r0: 0x00000000, lr: 0x08000021, pc: 0x08000004, "
                            "xpsr: 0x61000000 }");
    need("caller 0x08000021  read_sensors");
    need("PC     0x08000004  store_value");
}

static void words_that_only_look_like_registers(void **state)
{
    (void)state;
    decode("crash-arm.elf", "the pc is 5, lr: 7\nPC 08000004x\nPC8000004\nlr 8000021\n"
                            "CFSR bits follow\nmy_pc: 08000004\n");
    assert_string_equal(notes, "");
}

/* ---- the file ---- */

static void another_build_is_told(void **state)
{
    static const char file[] = "crash-xtensa.elf";
    char path[512], text[200], digits[65];
    uint8_t bytes[20000], digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    size_t size;
    FILE *elf;

    (void)state;
    path_of(file, path, sizeof path);
    elf = fopen(path, "re");
    assert_non_null(elf);
    size = fread(bytes, 1, sizeof bytes, elf);
    fclose(elf);
    assert_int_equal(EVP_Digest(bytes, size, digest, &len, EVP_sha256(), NULL), 1);
    for (unsigned i = 0; i < 32; i++)
        snprintf(digits + 2 * (size_t)i, 3, "%02x", digest[i]);
    /* At the start of an application 9 or 16 digits, in a panic 16 or all. */
    for (int n = 9; n <= 64; n += n == 9 ? 7 : 48) {
        snprintf(text, sizeof text, "I (29) cpu_start: ELF file SHA256:  %.*s...", n, digits);
        decode(file, text);
        must_not("of another build");
        text[40] = text[40] == 'a' ? 'b' : 'a';
        decode(file, text);
        need("of another build");
        decode(NULL, text);
        assert_string_equal(notes, "");
    }
    decode(file, "ELF file SHA256: 0000000000000000");
    must_not("of another build");
}

static void without_an_elf_file_it_asks_once(void **state)
{
    char *first;

    (void)state;
    decode(NULL, "Backtrace: 0x40201004:0x3ffb4f30\nBacktrace: 0x40201004:0x3ffb4f30\n");
    first = strstr(notes, "--elf");
    assert_non_null(first);
    assert_null(strstr(first + 1, "--elf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xtensa_panics),
        cmocka_unit_test(xtensa_backtraces),
        cmocka_unit_test(aborts_and_watchdogs),
        cmocka_unit_test(esp8266_exceptions),
        cmocka_unit_test(riscv_panics),
        cmocka_unit_test(riscv_stacks_are_unwound),
        cmocka_unit_test(zephyr_faults),
        cmocka_unit_test(mbed_faults),
        cmocka_unit_test(other_cortex_m_faults),
        cmocka_unit_test(words_that_only_look_like_registers),
        cmocka_unit_test(another_build_is_told),
        cmocka_unit_test(without_an_elf_file_it_asks_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
