/* SPDX-License-Identifier: MIT */
/*
 * Sources: ESP32 ROM (QEMU with the real ROM, see the simulator's banner), ESP-IDF's "Fatal Errors" and
 * "Bootloader" chapters, esptool's "Boot Mode Selection" pages, ESP8266 Arduino "Exception Causes".
 */
#include "monitor/explain.h"

#include "base/bytes.h"

#include <string.h>

/* A row applies if all of `a` and, if there is one, `b` stand in the line, in this order. The first row that
 * applies of each group speaks. */
struct row {
    unsigned group;
    const char *a, *b;
    const char *meaning;
};

enum { RESET = 1, BOOT, FLASH, PANIC, OTHER, GROUP_END };

/* clang-format off */
static const struct row rows[] = {
    {RESET, "rst:0x", "POWERON", "reset: power came on, or the EN pin was pulled"},
    {RESET, "rst:0x", "BROWN_OUT", "reset: the supply voltage fell too low; look at the cable, the USB port and the regulator"},
    {RESET, "rst:0x", "DEEPSLEEP", "reset: woke from deep sleep"},
    {RESET, "rst:0x", "RTCWDT_RTC", "reset: the RTC watchdog ran out; the boot hangs, or nothing that can start is in the flash"},
    {RESET, "rst:0x", "RTCWDT", "reset: the RTC watchdog ran out"},
    {RESET, "rst:0x", "TG0WDT", "reset: the main watchdog ran out; a task or interrupt held the CPU for too long, or the flash holds nothing that starts"},
    {RESET, "rst:0x", "TG1WDT", "reset: the interrupt watchdog ran out; interrupts were off for too long"},
    {RESET, "rst:0x", "TGWDT", "reset: a watchdog ran out"},
    {RESET, "rst:0x", "SW_CPU", "reset: the program restarted the CPU, by itself or after a panic"},
    {RESET, "rst:0x", "SW_", "reset: the program restarted the chip"},
    {RESET, "rst:0x", "SDIO", "reset: by the SDIO host"},
    {RESET, "rst:0x", "EXT_CPU", "reset: the first core restarted the second"},
    {RESET, "rst:0x", "USB_UART", "reset: by the computer, over the chip's USB-Serial-JTAG"},
    {RESET, "rst:0x", "USB_JTAG", "reset: by a debugger, over the chip's USB-Serial-JTAG"},
    {RESET, "rst:0x", "INTRUSION", "reset: the RTC watchdog saw an intrusion"},
    {RESET, "rst:0x10", NULL, "reset: the RTC watchdog ran out; the boot hangs, or nothing that can start is in the flash"},
    {RESET, "rst cause:1", NULL, "reset: power came on"},
    {RESET, "rst cause:2", NULL, "reset: the RST pin was pulled, or the chip woke from deep sleep"},
    {RESET, "rst cause:3", NULL, "reset: the program or its software watchdog restarted the chip"},
    {RESET, "rst cause:4", NULL, "reset: the hardware watchdog ran out; the program hung or crashed before"},
    {BOOT, "boot:0x", "DOWNLOAD", "boot: the chip waits in its bootloader; GPIO0 (on newer chips GPIO9 or GPIO8) was low at reset"},
    {BOOT, "boot:0x", "USB_BOOT", "boot: the chip waits in its bootloader"},
    {BOOT, "boot:0x", "UART", "boot: the chip waits in its bootloader"},
    {BOOT, "boot:0x", "FLASH_BOOT", "boot: from flash; if a bootloader was wanted, hold BOOT and tap EN"},
    {BOOT, "boot:0x13", NULL, "boot: from flash; if a bootloader was wanted, hold BOOT and tap EN"},
    {BOOT, "boot mode:(1,", NULL, "boot: the chip waits in its bootloader; GPIO0 was low at reset"},
    {BOOT, "boot mode:(3,", NULL, "boot: from flash"},
    {FLASH, "invalid header: 0xffffffff", NULL, "the flash is empty where the bootloader should be: it was erased, or the bootloader was written to another offset"},
    {FLASH, "invalid header: 0x", NULL, "what is in the flash is no image: another offset, another flash mode than the board is wired for, or an encrypted chip"},
    {FLASH, "invalid segment length 0xffffffff", NULL, "the image in the flash is not complete"},
    {FLASH, "csum err", NULL, "the image in the flash is damaged, or is read wrongly: write it again, with flash mode dio and a lower flash frequency if that does not help"},
    {FLASH, "flash read err", NULL, "the ROM cannot read the flash: it is empty, GPIO12 (MTDI) was high at reset (1.8 V flash supply), or the flash chip is not connected well"},
    {FLASH, "ets_main.c", NULL, "the ROM found nothing that it could start"},
    {FLASH, "No bootable app partitions", NULL, "the partition table names no application that is there: write the application to the offset that the table gives"},
    {FLASH, "invalid magic byte", NULL, "no application is at that offset, or it is read wrongly"},
    {FLASH, "partition", "invalid magic number", "no partition table is at its offset (usually 0x8000): write it there"},
    {FLASH, "Image hash failed", NULL, "the application in the flash is damaged: write it again"},
    {FLASH, "Checksum failed", NULL, "the application in the flash is damaged: write it again"},
    {FLASH, "smaller than the size in the binary image header", NULL, "the image was built for a larger flash: set the flash size in the project, or write with --flash-size"},
    {FLASH, "user code done", NULL, "the program ended; the ROM has nothing more to run"},
    {FLASH, "waiting for download", NULL, "the chip waits for a program: `kiln flash` can write one now"},
    {FLASH, "wait uart0 download", NULL, "the chip waits for a program: `kiln flash` can write one now"},
    {PANIC, "panic'ed (LoadProhibited)", NULL, "read from an address where nothing is; EXCVADDR near 0 means a NULL pointer"},
    {PANIC, "panic'ed (StoreProhibited)", NULL, "wrote to an address where nothing is; EXCVADDR near 0 means a NULL pointer"},
    {PANIC, "panic'ed (InstrFetchProhibited)", NULL, "jumped to where no code is: a bad function pointer, or a stack that was overwritten"},
    {PANIC, "panic'ed (IllegalInstruction)", NULL, "ran into something that is no code: a function without return, a task that returned, a stack that was overwritten"},
    {PANIC, "panic'ed (LoadStoreAlignment)", NULL, "an access that is not aligned, to memory that asks for it"},
    {PANIC, "panic'ed (LoadStoreError)", NULL, "a byte or halfword access to instruction memory, or a write to read-only data"},
    {PANIC, "panic'ed (IntegerDivideByZero)", NULL, "divided by zero"},
    {PANIC, "panic'ed (Unhandled debug exception)", NULL, "a breakpoint or the end of a stack was reached"},
    {PANIC, "panic'ed (Interrupt wdt", NULL, "interrupts were off, or one interrupt ran, for too long"},
    {PANIC, "panic'ed (Cache disabled", NULL, "code or data in flash was used while the flash was being written; put it into IRAM or DRAM"},
    {PANIC, "panic'ed (Load access fault)", NULL, "read from an address where nothing is; MTVAL near 0 means a NULL pointer"},
    {PANIC, "panic'ed (Store access fault)", NULL, "wrote to an address where nothing is; MTVAL near 0 means a NULL pointer"},
    {PANIC, "panic'ed (Instruction access fault)", NULL, "jumped to where no code is: a bad function pointer, or a stack that was overwritten"},
    {PANIC, "panic'ed (Illegal instruction)", NULL, "ran into something that is no code"},
    {PANIC, "panic'ed (Stack protection fault)", NULL, "a task used more than its stack"},
    {PANIC, "Exception (0):", NULL, "ran into something that is no code"},
    {PANIC, "Exception (2):", NULL, "jumped to where no code is"},
    {PANIC, "Exception (3):", NULL, "a byte or halfword access to flash, or a write to it"},
    {PANIC, "Exception (6):", NULL, "divided by zero"},
    {PANIC, "Exception (9):", NULL, "an access that is not aligned; often a damaged pointer"},
    {PANIC, "Exception (20):", NULL, "jumped to where no code is: a bad function pointer"},
    {PANIC, "Exception (28):", NULL, "read from an address where nothing is; excvaddr near 0 means a NULL pointer"},
    {PANIC, "Exception (29):", NULL, "wrote to an address where nothing is; excvaddr near 0 means a NULL pointer"},
    {OTHER, "Brownout detector was triggered", NULL, "the supply voltage fell too low; look at the cable, the USB port and the regulator"},
    {OTHER, "Task watchdog got triggered", NULL, "a task did not let others run for seconds; the lines below say which"},
    {OTHER, "stack overflow in task", NULL, "a task used more than its stack: give it a larger one"},
    {OTHER, "Stack canary watchpoint triggered", NULL, "a task used more than its stack: give it a larger one"},
    {OTHER, "Stack smashing protect failure", NULL, "a function wrote behind an array on its stack"},
    {OTHER, "CORRUPT HEAP", NULL, "something wrote behind a block of the heap, or used it after free"},
    {OTHER, "Soft WDT reset", NULL, "the program did not return to the system for seconds: call yield() or delay() in long loops"},
};
/* clang-format on */

static bool applies(const struct row *row, const char *text)
{
    const char *at = strstr(text, row->a);

    if (at == NULL)
        return false;
    return row->b == NULL || strstr(at + strlen(row->a), row->b) != NULL;
}

void kiln_explain_line(struct kiln_explain *explain, const char *text, struct kiln_buf *out)
{
    unsigned done = 0;
    bool said = false;

    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        if ((done & 1u << rows[i].group) != 0 || !applies(&rows[i], text))
            continue;
        done |= 1u << rows[i].group;
        if (!said && explain->last_row == i + 1)
            return;
        if (!said)
            explain->last_row = i + 1;
        said = true;
        (void)!kiln_buf_printf(out, "%s\n", rows[i].meaning);
    }
    if (!said && text[0] != '\0')
        explain->last_row = 0;
}
