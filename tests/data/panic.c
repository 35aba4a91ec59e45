/* SPDX-License-Identifier: MIT */
/*
 * A panic with its registers and its stack in the form of ESP-IDF, by a program that runs under qemu-riscv32. What
 * it prints is panic-riscv.txt, itself panic-riscv.elf:
 *   riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 -g -Os -ffreestanding -nostdlib -fno-inline \
 *     -ffile-prefix-map=$PWD=firmware -Wl,-Ttext=0x42000000,-estart panic.c -o panic-riscv.elf
 *   qemu-riscv32-static panic-riscv.elf >panic-riscv.txt
 */
typedef unsigned int word;

word saved[33]; /* x0 to x31, pc */
char stack[8192] __attribute__((aligned(16)));
volatile int sink;

static void put(const char *text, word len)
{
    register word a0 __asm__("a0") = 1, a1 __asm__("a1") = (word)text, a2 __asm__("a2") = len,
                     a7 __asm__("a7") = 64;

    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
}

static void put_text(const char *text)
{
    word len = 0;

    while (text[len] != '\0')
        len++;
    put(text, len);
}

static void put_hex(word value)
{
    char digits[8];

    for (int i = 7; i >= 0; i--, value >>= 4)
        digits[i] = "0123456789abcdef"[value & 15];
    put(digits, 8);
}

__attribute__((used)) void report(void)
{
    static const char names[33][9] = {
        "MEPC    ", "RA      ", "SP      ", "GP      ", "TP      ", "T0      ", "T1      ",
        "T2      ", "S0/FP   ", "S1      ", "A0      ", "A1      ", "A2      ", "A3      ",
        "A4      ", "A5      ", "A6      ", "A7      ", "S2      ", "S3      ", "S4      ",
        "S5      ", "S6      ", "S7      ", "S8      ", "S9      ", "S10     ", "S11     ",
        "T3      ", "T4      ", "T5      ", "T6      ", ""};
    const word *at = (const word *)saved[2];

    put_text("Guru Meditation Error: Core  0 panic'ed (Store access fault). Exception was "
             "unhandled.\r\n\r\nCore  0 register dump:\r\n");
    for (int i = 0; i < 32; i++) {
        put_text(names[i]);
        put_text(": 0x");
        put_hex(saved[i == 0 ? 32 : i]);
        put_text(i % 4 == 3 ? "  \r\n" : "  ");
    }
    put_text("MSTATUS : 0x00001881  MTVEC   : 0x40380001  MCAUSE  : 0x00000007  MTVAL   : "
             "0x00000000  \r\nMHARTID : 0x00000000  \r\n\r\nStack memory:\r\n");
    for (int line = 0; line < 32; line++) {
        put_hex((word)(at + 8 * line));
        put_text(": ");
        for (int i = 0; i < 8; i++) {
            put_text("0x");
            put_hex((const char *)(at + 8 * line + i) < stack + sizeof stack ? at[8 * line + i]
                                                                             : 0);
            put_text(i == 7 ? "\r\n" : " ");
        }
    }
    put_text("\r\n\r\n\r\nELF file SHA256: 0000000000000000\r\n\r\nRebooting...\r\n");
}

#define SAVE(n) "sw x" #n ", 4*" #n "(tp)\n"

/* A store through a NULL pointer, as far as the registers tell. */
int write_pixel(int *place, int color)
{
    int kept[3] = {color, color + 1, sink};

    sink = kept[sink & 1];
    __asm__ volatile("1: la tp, saved\n" SAVE(1) SAVE(2) SAVE(3) SAVE(5) SAVE(6) SAVE(7) SAVE(8)
                         SAVE(9) SAVE(10) SAVE(11) SAVE(12) SAVE(13) SAVE(14) SAVE(15) SAVE(16)
                             SAVE(17) SAVE(18) SAVE(19) SAVE(20) SAVE(21) SAVE(22) SAVE(23) SAVE(24)
                                 SAVE(25) SAVE(26) SAVE(27) SAVE(28) SAVE(29) SAVE(30)
                                     SAVE(31) "la t0, 1b\n"
                                              "sw t0, 4*32(tp)\n"
                                              "call report\n"
                                              "li a0, 0\n"
                                              "li a7, 93\n"
                                              "ecall\n"
                     :
                     : "r"(place), "r"(kept)
                     : "memory", "ra", "t0");
    return kept[0];
}

int draw_line(int from, int to)
{
    int width[40], sum = 0;

    for (int i = from; i < to; i++)
        width[i & 31] = write_pixel((int *)0, i);
    for (int i = 0; i < 4; i++)
        sum += width[i];
    return sum;
}

int draw_box(int depth, int size)
{
    volatile int left = size * 3;

    if (depth == 0)
        return draw_line(1, size) + left;
    return draw_box(depth - 1, size + 1) * left + size;
}

/* Leaves return addresses on the stack that belong to no call in progress. */
int warm_up(int depth)
{
    volatile int kept = depth;

    return depth == 0 ? sink : warm_up(depth - 1) * kept + depth;
}

int app_main(int argument)
{
    sink = warm_up(12);
    return draw_box(3, argument) + 1;
}

__attribute__((used)) int main_task(void)
{
    return app_main(4) * 2;
}

__attribute__((naked)) void start(void)
{
    __asm__ volatile("la sp, stack + 8192\n"
                     "li ra, 0\n"
                     "li s0, 0\n"
                     "call main_task\n"
                     "li a7, 93\n"
                     "ecall");
}
