/* SPDX-License-Identifier: MIT */
/*
 * Sources: the texts in the boot ROMs themselves, ESP-IDF's "Fatal Errors" and "Bootloader" chapters, esptool's
 * "Boot Mode Selection" pages, ESP8266 Arduino "Exception Causes".
 */
#include "monitor/explain.h"

#include "base/bytes.h"

#include <string.h>

/* clang-format off */
/* ---- "rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)" ---- */

#define POWERON  "power came on, or the EN pin was pulled"
#define RESTART  "the program restarted the chip"
#define WOKE     "woke from deep sleep"
#define SDIO     "by the SDIO host"
#define TASK_WDT "the main watchdog ran out; a task or interrupt held the CPU for too long, or the flash holds nothing that starts"
#define IRQ_WDT  "the interrupt watchdog ran out; interrupts were off for too long"
#define RTC_WDT  "the RTC watchdog ran out"
#define BOOT_WDT "the RTC watchdog ran out; the boot hangs, or nothing that can start is in the flash"
#define SUPER    "the super watchdog ran out: the chip was stuck as a whole"
#define BROWNOUT "the supply voltage fell too low; look at the cable, the USB port and the regulator"
#define DIP      "the supply voltage dipped for a moment; look at the cable and the capacitors"
#define CPU      "the program restarted the CPU, by itself or after a panic"
#define HOST     "by the computer, over the chip's USB-Serial-JTAG"
#define DEBUGGER "by a debugger"
#define EFUSE    "the eFuses could not be read without error"
#define GLITCH   "the clock was disturbed"
#define LOCKUP   "the CPU was locked up: a fault inside of the fault handler"

struct name {
    const char *name, *meaning;
};

/* Every name that the ROMs of ESP32, S2, S3, C2, C3, C5, C6, C61, H2, P4 and S31 print. */
static const struct name resets[] = {
    {"POWERON_RESET", POWERON}, {"POWERON", POWERON},
    {"EXT_SYS_RESET", "by the external reset line"},
    {"SW_RESET", RESTART}, {"RTC_SW_SYS_RST", RESTART}, {"LP_SW_HPSYS", RESTART}, {"RTC_SW_HPSYS", RESTART},
    {"SW_SYS_RESET", RESTART},
    {"DEEPSLEEP_RESET", WOKE}, {"DSLEEP", WOKE}, {"SLEEP_WAKEUP", WOKE}, {"PMU_SYS_PWR_DOWN_RESET", WOKE},
    {"PMU_CPU_PWR_DOWN_RESET", "woke from a sleep in which the CPU had no power"},
    {"SDIO_RESET", SDIO}, {"SDIO_HPSYS", SDIO},
    {"TG0WDT_SYS_RESET", TASK_WDT}, {"TG0WDT_SYS_RST", TASK_WDT}, {"TG0_WDT_HPSYS", TASK_WDT},
    {"TGWDT_CPU_RESET", TASK_WDT}, {"TG0WDT_CPU_RST", TASK_WDT}, {"TG0_WDT_CPU", TASK_WDT},
    {"HP_SYS_HP_WDT_RESET", TASK_WDT}, {"HP_SYS_HP_WDT0_RESET", TASK_WDT}, {"HP_CORE_HP_WDT_RESET", TASK_WDT},
    {"OWDT_RESET", TASK_WDT},
    {"TG1WDT_SYS_RESET", IRQ_WDT}, {"TG1WDT_SYS_RST", IRQ_WDT}, {"TG1_WDT_HPSYS", IRQ_WDT},
    {"TG1WDT_CPU_RST", IRQ_WDT}, {"TG1_WDT_CPU", IRQ_WDT}, {"HP_SYS_HP_WDT1_RESET", IRQ_WDT},
    {"RTCWDT_SYS_RESET", RTC_WDT}, {"RTCWDT_SYS_RST", RTC_WDT}, {"RTC_WDT_HPSYS", RTC_WDT},
    {"LP_WDT_HPSYS", RTC_WDT}, {"HP_SYS_LP_WDT_RESET", RTC_WDT}, {"RTCWDT_CPU_RESET", RTC_WDT},
    {"RTCWDT_CPU_RST", RTC_WDT}, {"RTC_WDT_CPU", RTC_WDT}, {"LP_WDT_CPU", RTC_WDT},
    {"HP_CORE_LP_WDT_RESET", RTC_WDT},
    {"RTCWDT_RTC_RESET", BOOT_WDT}, {"RTCWDT_RTC_RST", BOOT_WDT}, {"RTC_WDT_SYS", BOOT_WDT}, {"LP_WDT_SYS", BOOT_WDT},
    {"CHIP_LP_WDT_RESET", BOOT_WDT},
    {"SUPER_WDT_RST", SUPER}, {"RTC_SWDT_SYS", SUPER}, {"LP_SWDT_SYS", SUPER}, {"SUPER_WDT_RESET", SUPER},
    {"RTCWDT_BROWN_OUT_RESET", BROWNOUT}, {"BROWN_OUT_RST", BROWNOUT}, {"BROWNOUT_RST", BROWNOUT},
    {"RTC_BOD_SYS", BROWNOUT}, {"LP_BOD_SYS", BROWNOUT}, {"BROWN_OUT_RESET", BROWNOUT},
    {"POWER_GLITCH_RESET", DIP}, {"RTC_PWR_GLITCH", DIP}, {"POWER_GLITCH_SYS", DIP}, {"PVT_POWER_GLITCH_RESET", DIP},
    {"PVT0_PWR_GLITCH_RESET", DIP},
    {"SW_CPU_RESET", CPU}, {"RTC_SW_CPU_RST", CPU}, {"SW_CPU", CPU},
    {"EXT_CPU_RESET", "the first core restarted the second"},
    {"USB_UART_CHIP_RESET", HOST}, {"USB_UART_HPSYS", HOST}, {"CHIP_USB_UART_RESET", HOST},
    {"USB_JTAG_CHIP_RESET", DEBUGGER}, {"USB_JTAG_HPSYS", DEBUGGER}, {"CHIP_USB_JTAG_RESET", DEBUGGER},
    {"JTAG_RESET", DEBUGGER}, {"JTAG_CPU", DEBUGGER}, {"HP_JTAG_RESET", DEBUGGER},
    {"EFUSE_RST", EFUSE}, {"EFUSE_HPSYS", EFUSE}, {"EFUSE_CRC_ERR_RESET", EFUSE},
    {"GLITCH_RTC_RST", GLITCH}, {"GLITCH_RTC_RESET", GLITCH},
    {"CPU_LOCKUP_RESET", LOCKUP}, {"CPU_LOCKUP", LOCKUP},
    {"INTRUSION_RESET", "the RTC watchdog saw an intrusion"}, {"INTRUSION_RST", "the RTC watchdog saw an intrusion"},
};

#define LOADER "the chip waits in its bootloader; its boot pin (GPIO0, GPIO9, GPIO28 or GPIO35) was low at reset"
#define FLASHED "from flash; if a bootloader was wanted, hold BOOT and tap EN"

/* By how the name begins. */
static const struct name boots[] = {
    {"DOWNLOAD", LOADER}, {"UART_BOOT", LOADER}, {"UART0_BOOT", LOADER}, {"USB_BOOT", LOADER},
    {"SPI_DOWNLOAD_BOOT", "the chip waits for a program over SPI: one more boot pin than wanted was low at reset"},
    {"SDIO_", "the chip waits for an SDIO host: a boot pin has the wrong level"},
    {"ATE_BOOT", "a mode for the factory: the boot pins have the wrong levels"},
    {"SPI_FAST_FLASH_BOOT", FLASHED}, {"SPI_FLASH_BOOT", FLASHED}, {"HSPI_FLASH_BOOT", FLASHED},
};

/* ---- other lines ---- */

/* A row applies if all of `a` and, if there is one, `b` stand in the line, in this order. The first row that
 * applies of each group speaks. */
struct row {
    unsigned group;
    const char *a, *b;
    const char *meaning;
};

/* ONCE: said the first time only, for it is no news. */
enum { RESET = 1, BOOT, FLASH, PANIC, OTHER, ONCE, GROUP_END };

static const struct row rows[] = {
    {RESET, "rst cause:1,", NULL, "reset: power came on"},
    {RESET, "rst cause:2,", NULL, "reset: the RST pin was pulled, or the chip woke from deep sleep"},
    {RESET, "rst cause:3,", NULL, "reset: the program or its software watchdog restarted the chip"},
    {RESET, "rst cause:4,", NULL, "reset: the hardware watchdog ran out; the program hung or crashed before"},
    {OTHER, "analog super wdt reset", NULL, "reset: " SUPER},
    {RESET, "pro cpu reset by JTAG", NULL, "reset: " DEBUGGER},
    {BOOT, "boot mode:(1,", NULL, "boot: the chip waits in its bootloader; GPIO0 was low at reset"},
    {BOOT, "boot mode:(3,", NULL, "boot: from flash"},
    {BOOT, "boot mode:(4,", NULL, "boot: the chip waits for an SDIO host; GPIO15 was high at reset"},
    {BOOT, "boot mode:(5,", NULL, "boot: the chip waits for an SDIO host; GPIO15 was high at reset"},
    {BOOT, "boot mode:(6,", NULL, "boot: the chip waits for an SDIO host; GPIO15 was high at reset"},
    {BOOT, "boot mode:(7,", NULL, "boot: the chip waits for an SDIO host; GPIO15 was high at reset"},
    {ONCE, "ets Jan  8 2013", NULL, "the boot ROM of an ESP8266 begins, at 74880 baud"},
    {ONCE, "ets Jun  8 2016", NULL, "the boot ROM of an ESP32 begins, of a chip before revision 3"},
    {ONCE, "ets Jul 29 2019", NULL, "the boot ROM of an ESP32 begins, of a chip of revision 3 or newer"},
    {ONCE, "ESP-ROM:", NULL, "the boot ROM begins; the chip's name is in this line"},
    {ONCE, "entry 0x", NULL, "the ROM has loaded the second-stage bootloader and starts it here"},
    {ONCE, "Saved PC:", NULL, "where the CPU was before the reset"},
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
    {FLASH, "Checksum failure.", NULL, "the image in the flash is damaged: write it again"},
    {FLASH, "SHA-256 comparison failed", NULL, "the image in the flash is not as it was built: it is damaged, or its header was changed without a new digest"},
    {FLASH, "SHA-256 simple hash comparison failed", NULL, "the image in the flash is not as it was built: it is damaged, or its header was changed without a new digest"},
    {FLASH, "Invalid chip id.", NULL, "the bootloader in the flash is for another chip"},
    {FLASH, "Invalid image block", NULL, "what is in the flash is no whole image: it is damaged, or something else is at that offset"},
    {FLASH, "Invalid magic 0x", NULL, "what is in the flash is no image"},
    {FLASH, "Direct boot returned", NULL, "the program that starts in flash without a bootloader came to its end"},
    {FLASH, "Image security version <", NULL, "the image is older than the oldest one that the eFuses allow"},
    {FLASH, "PRIMARY - FAIL", NULL, "the first bootloader did not start; the ROM tries the recovery one"},
    {FLASH, "Loading RECOVERY Bootloader", NULL, "the first bootloader did not start; the ROM tries the recovery one"},
    {FLASH, "SPI flash busy detected", NULL, "the flash chip was still at work when the chip was reset"},
    {FLASH, "ecure boot verification failed", NULL, "secure boot is on, and the bootloader is not signed with a key that the chip knows"},
    {FLASH, "Secure boot check fail", NULL, "secure boot is on, and the bootloader is not the one that the chip knows"},
    {FLASH, "Signature Check Failed", NULL, "secure boot is on, and the signature is wrong"},
    {FLASH, "signed with untrusted key", NULL, "secure boot is on, and the image is signed with another key than the chip knows"},
    {FLASH, "ignature verification failed", NULL, "secure boot is on, and the signature is wrong"},
    {FLASH, "Image not V2 signed", NULL, "secure boot is on, and the image is not signed"},
    {FLASH, "No trusted signatures", NULL, "secure boot is on, and no signature of the image is by a key that the chip knows"},
    {FLASH, "Download mode is disabled", NULL, "an eFuse forbids the bootloader of this chip: it can only start what is in its flash"},
    {FLASH, "Download boot modes disabled", NULL, "an eFuse forbids the bootloader of this chip: it can only start what is in its flash"},
    {FLASH, "Invalid mode for secure boot download", NULL, "this way into the bootloader is forbidden by an eFuse"},
    {FLASH, "invalid reset", NULL, "the ROM does not know why the chip was reset"},
    {FLASH, "mismatch chip ID", NULL, "the application is for another chip"},
    {FLASH, "requires chip rev", NULL, "the application is built for a newer revision of the chip: set the lowest revision in the project"},
    {FLASH, "requires efuse blk rev", NULL, "the application is built for chips with newer eFuse contents"},
    {FLASH, "Factory app partition is not bootable", NULL, "the factory application is missing or damaged: write it to the offset that the table gives"},
    {FLASH, "app partition is not bootable", NULL, "that application slot is empty or damaged"},
    {FLASH, "ota data partition invalid", NULL, "nothing says which application slot starts; the first that can is taken"},
    {FLASH, "Failed to verify partition table", NULL, "no whole partition table is at its offset (usually 0x8000): write it there"},
    {FLASH, "user code done", NULL, "the program ended; the ROM has nothing more to run"},
    {FLASH, "waiting for download", NULL, "the chip waits for a program: `kiln flash` can write one now"},
    {FLASH, "wait uart0 download", NULL, "the chip waits for a program: `kiln flash` can write one now"},
    {FLASH, "wait usb download", NULL, "the chip waits for a program over USB: `kiln flash` can write one now"},
    {FLASH, "wait uart download(secure mode)", NULL, "the chip waits for a program, in secure download mode: only some commands work"},
    {FLASH, "wait spi download", NULL, "the chip waits for a program over SPI"},
    {FLASH, "wait sdio download", NULL, "the chip waits for a program over SDIO"},
    {FLASH, "waiting for sdio host", NULL, "the chip waits for an SDIO host: a boot pin has the wrong level"},
    {FLASH, "waiting for host", NULL, "the chip waits for an SDIO host; GPIO15 was high at reset"},
    {FLASH, "Booting into dfu mode", NULL, "the chip becomes a USB DFU device: `kiln flash` can write a program now"},
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
    {PANIC, "panic'ed (Instruction address misaligned)", NULL, "jumped to an address that is not aligned: a bad function pointer"},
    {PANIC, "panic'ed (Load address misaligned)", NULL, "read from an address that is not aligned"},
    {PANIC, "panic'ed (Store address misaligned)", NULL, "wrote to an address that is not aligned"},
    {PANIC, "panic'ed (Breakpoint)", NULL, "a breakpoint was reached, and there is no debugger"},
    {PANIC, "panic'ed (Memory protection fault)", NULL, "an access that the memory protection forbids"},
    {PANIC, "panic'ed (Double exception)", NULL, "a fault inside of the fault handler: often a stack that was overwritten"},
    {PANIC, "panic'ed (Coprocessor exception)", NULL, "the floating point unit was used where it may not be: in an interrupt"},
    {PANIC, "xception (0):", NULL, "ran into something that is no code"},
    {PANIC, "xception (1):", NULL, "a system call, which this chip does not have: the program ran into data"},
    {PANIC, "xception (2):", NULL, "jumped to where no code is"},
    {PANIC, "xception (3):", NULL, "a byte or halfword access to flash, or a write to it"},
    {PANIC, "xception (4):", NULL, "an interrupt of level 1 that nobody handles"},
    {PANIC, "xception (5):", NULL, "the stack had no room for a variable array"},
    {PANIC, "xception (6):", NULL, "divided by zero"},
    {PANIC, "xception (8):", NULL, "an instruction that is not allowed here"},
    {PANIC, "xception (9):", NULL, "an access that is not aligned; often a damaged pointer"},
    {PANIC, "xception (12):", NULL, "the bus gave an error for an instruction: a damaged address"},
    {PANIC, "xception (13):", NULL, "the bus gave an error for data: a damaged pointer"},
    {PANIC, "xception (14):", NULL, "the bus knows no such code address: a bad function pointer"},
    {PANIC, "xception (15):", NULL, "the bus knows no such data address: a damaged pointer"},
    {PANIC, "xception (16):", NULL, "jumped to where no code is: a bad function pointer"},
    {PANIC, "xception (18):", NULL, "jumped to where code may not run"},
    {PANIC, "xception (20):", NULL, "jumped to where no code is: a bad function pointer"},
    {PANIC, "xception (24):", NULL, "an access to where nothing is: a damaged pointer"},
    {PANIC, "xception (26):", NULL, "an access that is not allowed here: a damaged pointer"},
    {PANIC, "xception (28):", NULL, "read from an address where nothing is; excvaddr near 0 means a NULL pointer"},
    {PANIC, "xception (29):", NULL, "wrote to an address where nothing is; excvaddr near 0 means a NULL pointer"},
    {PANIC, "atal exception 28(", NULL, "read from an address where nothing is; excvaddr near 0 means a NULL pointer"},
    {PANIC, "atal exception 29(", NULL, "wrote to an address where nothing is; excvaddr near 0 means a NULL pointer"},
    {PANIC, "atal exception 0(", NULL, "ran into something that is no code"},
    {PANIC, "atal exception 9(", NULL, "an access that is not aligned; often a damaged pointer"},
    {OTHER, "Brownout detector was triggered", NULL, "the supply voltage fell too low; look at the cable, the USB port and the regulator"},
    {OTHER, "Task watchdog got triggered", NULL, "a task did not let others run for seconds; the lines below say which"},
    {OTHER, "stack overflow in task", NULL, "a task used more than its stack: give it a larger one"},
    {OTHER, "Stack canary watchpoint triggered", NULL, "a task used more than its stack: give it a larger one"},
    {OTHER, "Stack smashing protect failure", NULL, "a function wrote behind an array on its stack"},
    {OTHER, "CORRUPT HEAP", NULL, "something wrote behind a block of the heap, or used it after free"},
    {OTHER, "assert failed:", NULL, "a check in the program did not hold; the line names it"},
    {OTHER, "abort() was called", NULL, "the program ended itself: a failed check, an error code in ESP_ERROR_CHECK(), or an exception of C++"},
    {OTHER, "ESP_ERROR_CHECK failed:", NULL, "a call returned an error; the lines below name it"},
    {OTHER, "PSRAM ID read error", NULL, "no PSRAM answers: the module has none, or another kind (quad, octal) is set in the project"},
    {OTHER, "PSRAM chip is not connected", NULL, "no PSRAM answers: the module has none, or another kind (quad, octal) is set in the project"},
    {OTHER, "last failed alloc call:", NULL, "the heap had no room for that many bytes"},
    {OTHER, "Unhandled C++ exception: OOM", NULL, "the heap is used up"},
    {OTHER, "wdt reset", NULL, "the hardware watchdog ran out; the program hung or crashed before"},
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

/* The first row of `names` that the text in parentheses behind `mark` and its number is, or begins with. */
static const struct name *find_name(const char *text, const char *mark, const struct name *names,
                                    size_t count, bool whole)
{
    const char *at = strstr(text, mark);
    size_t len;

    at = at != NULL ? strchr(at, '(') : NULL;
    if (at == NULL)
        return NULL;
    len = strcspn(++at, "(),");
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(names[i].name);

        if (n <= len && strncmp(at, names[i].name, n) == 0 && (!whole || n == len))
            return &names[i];
    }
    return NULL;
}

struct said {
    struct kiln_explain *explain;
    struct kiln_buf *out;
    unsigned groups; /* that have spoken of this line */
    bool any, repeated;
};

/* A line that repeats is explained once. */
static void speak(struct said *said, unsigned group, const void *row, const char *head,
                  const char *meaning)
{
    if (said->repeated || (said->groups & 1u << group) != 0)
        return;
    said->groups |= 1u << group;
    if (!said->any && said->explain->last == row) {
        said->repeated = true;
        return;
    }
    if (!said->any)
        said->explain->last = row;
    said->any = true;
    (void)!kiln_buf_printf(said->out, "%s%s\n", head, meaning);
}

static bool is_news(struct kiln_explain *explain, size_t row)
{
    uint32_t bit = UINT32_C(1) << (row % 32);

    if (rows[row].group != ONCE)
        return true;
    if ((explain->told & bit) != 0)
        return false;
    explain->told |= bit;
    return true;
}

void kiln_explain_line(struct kiln_explain *explain, const char *text, struct kiln_buf *out)
{
    struct said said = {.explain = explain, .out = out};
    const struct name *name = find_name(text, "rst:0x", resets, KILN_ARRAY_LEN(resets), true);

    if (name != NULL)
        speak(&said, RESET, name, "reset: ", name->meaning);
    name = find_name(text, "boot:0x", boots, KILN_ARRAY_LEN(boots), false);
    if (name != NULL)
        speak(&said, BOOT, name, "boot: ", name->meaning);
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++)
        if (applies(&rows[i], text) && is_news(explain, i))
            speak(&said, rows[i].group, &rows[i], "", rows[i].meaning);
    if (!said.any && !said.repeated && text[0] != '\0')
        explain->last = NULL;
}
