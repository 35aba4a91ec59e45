/* SPDX-License-Identifier: MIT */
/*
 * Every message of the boot ROMs that the monitor explains, as they print it. The names of resets and boot modes
 * are those in the ROMs of the chips named.
 */
#include "base/bytes.h"
#include "monitor/explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *text, *meaning;
};

/* clang-format off */
static const struct row resets[] = {
    /* esp32 */
    {"POWERON_RESET", "power came on"},
    {"EXT_SYS_RESET", "external"},
    {"SW_RESET", "restarted the chip"},
    {"OWDT_RESET", "the main watchdog"},
    {"DEEPSLEEP_RESET", "woke"},
    {"SDIO_RESET", "SDIO host"},
    {"TG0WDT_SYS_RESET", "the main watchdog"},
    {"TG1WDT_SYS_RESET", "interrupt watchdog"},
    {"RTCWDT_SYS_RESET", "the RTC watchdog"},
    {"INTRUSION_RESET", "intrusion"},
    {"TGWDT_CPU_RESET", "the main watchdog"},
    {"SW_CPU_RESET", "after a panic"},
    {"RTCWDT_CPU_RESET", "the RTC watchdog"},
    {"EXT_CPU_RESET", "second"},
    {"RTCWDT_BROWN_OUT_RESET", "fell too low"},
    {"RTCWDT_RTC_RESET", "nothing that can start"},
    /* esp32s2 */
    {"POWERON", "power came on"},
    {"RTC_SW_SYS_RST", "restarted the chip"},
    {"DSLEEP", "woke"},
    {"TG0WDT_SYS_RST", "the main watchdog"},
    {"TG1WDT_SYS_RST", "interrupt watchdog"},
    {"RTCWDT_SYS_RST", "the RTC watchdog"},
    {"INTRUSION_RST", "intrusion"},
    {"TG0WDT_CPU_RST", "the main watchdog"},
    {"RTC_SW_CPU_RST", "after a panic"},
    {"RTCWDT_CPU_RST", "the RTC watchdog"},
    {"BROWN_OUT_RST", "fell too low"},
    {"RTCWDT_RTC_RST", "nothing that can start"},
    {"TG1WDT_CPU_RST", "interrupt watchdog"},
    {"SUPER_WDT_RST", "super watchdog"},
    {"GLITCH_RTC_RST", "clock"},
    {"EFUSE_RST", "eFuses"},
    /* esp32s3, c2, c3 */
    {"POWERON", "power came on"},
    {"RTC_SW_SYS_RST", "restarted the chip"},
    {"DSLEEP", "woke"},
    {"TG0WDT_SYS_RST", "the main watchdog"},
    {"TG1WDT_SYS_RST", "interrupt watchdog"},
    {"RTCWDT_SYS_RST", "the RTC watchdog"},
    {"INTRUSION_RST", "intrusion"},
    {"TG0WDT_CPU_RST", "the main watchdog"},
    {"RTC_SW_CPU_RST", "after a panic"},
    {"RTCWDT_CPU_RST", "the RTC watchdog"},
    {"BROWNOUT_RST", "fell too low"},
    {"RTCWDT_RTC_RST", "nothing that can start"},
    {"TG1WDT_CPU_RST", "interrupt watchdog"},
    {"SUPER_WDT_RST", "super watchdog"},
    {"GLITCH_RTC_RST", "clock"},
    {"EFUSE_RST", "eFuses"},
    {"USB_UART_CHIP_RESET", "by the computer"},
    {"USB_JTAG_CHIP_RESET", "debugger"},
    {"POWER_GLITCH_RESET", "dipped"},
    {"JTAG_RESET", "debugger"},
    /* esp32c6, h2 */
    {"POWERON", "power came on"},
    {"LP_SW_HPSYS", "restarted the chip"},
    {"SLEEP_WAKEUP", "woke"},
    {"SDIO_HPSYS", "SDIO host"},
    {"TG0_WDT_HPSYS", "the main watchdog"},
    {"TG1_WDT_HPSYS", "interrupt watchdog"},
    {"LP_WDT_HPSYS", "the RTC watchdog"},
    {"TG0_WDT_CPU", "the main watchdog"},
    {"SW_CPU", "after a panic"},
    {"LP_WDT_CPU", "the RTC watchdog"},
    {"LP_BOD_SYS", "fell too low"},
    {"LP_WDT_SYS", "nothing that can start"},
    {"TG1_WDT_CPU", "interrupt watchdog"},
    {"LP_SWDT_SYS", "super watchdog"},
    {"EFUSE_HPSYS", "eFuses"},
    {"USB_UART_HPSYS", "by the computer"},
    {"USB_JTAG_HPSYS", "debugger"},
    {"POWER_GLITCH_SYS", "dipped"},
    {"JTAG_CPU", "debugger"},
    /* esp32c5, c61 */
    {"POWERON", "power came on"},
    {"RTC_SW_HPSYS", "restarted the chip"},
    {"SLEEP_WAKEUP", "woke"},
    {"SDIO_HPSYS", "SDIO host"},
    {"TG0_WDT_HPSYS", "the main watchdog"},
    {"TG1_WDT_HPSYS", "interrupt watchdog"},
    {"RTC_WDT_HPSYS", "the RTC watchdog"},
    {"TG0_WDT_CPU", "the main watchdog"},
    {"SW_CPU", "after a panic"},
    {"RTC_WDT_CPU", "the RTC watchdog"},
    {"RTC_BOD_SYS", "fell too low"},
    {"RTC_WDT_SYS", "nothing that can start"},
    {"TG1_WDT_CPU", "interrupt watchdog"},
    {"RTC_SWDT_SYS", "super watchdog"},
    {"EFUSE_HPSYS", "eFuses"},
    {"USB_UART_HPSYS", "by the computer"},
    {"USB_JTAG_HPSYS", "debugger"},
    {"JTAG_CPU", "debugger"},
    {"RTC_PWR_GLITCH", "dipped"},
    {"CPU_LOCKUP", "locked up"},
    /* esp32p4 */
    {"POWERON", "power came on"},
    {"SW_SYS_RESET", "restarted the chip"},
    {"PMU_SYS_PWR_DOWN_RESET", "woke"},
    {"PMU_CPU_PWR_DOWN_RESET", "woke"},
    {"HP_SYS_HP_WDT_RESET", "the main watchdog"},
    {"HP_SYS_LP_WDT_RESET", "the RTC watchdog"},
    {"HP_CORE_HP_WDT_RESET", "the main watchdog"},
    {"SW_CPU_RESET", "after a panic"},
    {"HP_CORE_LP_WDT_RESET", "the RTC watchdog"},
    {"BROWN_OUT_RESET", "fell too low"},
    {"CHIP_LP_WDT_RESET", "nothing that can start"},
    {"SUPER_WDT_RESET", "super watchdog"},
    {"GLITCH_RTC_RESET", "clock"},
    {"EFUSE_CRC_ERR_RESET", "eFuses"},
    {"CHIP_USB_JTAG_RESET", "debugger"},
    {"CHIP_USB_UART_RESET", "by the computer"},
    {"HP_JTAG_RESET", "debugger"},
    {"CPU_LOCKUP_RESET", "locked up"},
    {"PVT_POWER_GLITCH_RESET", "dipped"},
    /* esp32s31 */
    {"POWERON", "power came on"},
    {"SW_SYS_RESET", "restarted the chip"},
    {"PMU_SYS_PWR_DOWN_RESET", "woke"},
    {"PMU_CPU_PWR_DOWN_RESET", "woke"},
    {"HP_SYS_HP_WDT0_RESET", "the main watchdog"},
    {"HP_SYS_HP_WDT1_RESET", "interrupt watchdog"},
    {"HP_SYS_LP_WDT_RESET", "the RTC watchdog"},
    {"HP_CORE_HP_WDT_RESET", "the main watchdog"},
    {"SW_CPU_RESET", "after a panic"},
    {"HP_CORE_LP_WDT_RESET", "the RTC watchdog"},
    {"BROWN_OUT_RESET", "fell too low"},
    {"CHIP_LP_WDT_RESET", "nothing that can start"},
    {"SUPER_WDT_RESET", "super watchdog"},
    {"GLITCH_RTC_RESET", "clock"},
    {"EFUSE_CRC_ERR_RESET", "eFuses"},
    {"CHIP_USB_JTAG_RESET", "debugger"},
    {"CHIP_USB_UART_RESET", "by the computer"},
    {"HP_JTAG_RESET", "debugger"},
    {"PVT0_PWR_GLITCH_RESET", "dipped"},
    {"CPU_LOCKUP_RESET", "locked up"},
};

static const struct row boots[] = {
    {"DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2)", "waits in its bootloader"},
    {"DOWNLOAD_BOOT(UART0/UART1/SDIO_FEI_FEO_V2)", "waits in its bootloader"},
    {"DOWNLOAD(UART0)", "waits in its bootloader"},
    {"DOWNLOAD(USB/UART0/1)", "waits in its bootloader"},
    {"DOWNLOAD(USB/UART0)", "waits in its bootloader"},
    {"DOWNLOAD(UART0/USB)", "waits in its bootloader"},
    {"DOWNLOAD(UART0/SDIO_FEI_FEO)", "waits in its bootloader"},
    {"DOWNLOAD(USB/UART0/SDIO_REI_REO)", "waits in its bootloader"},
    {"DOWNLOAD(USB/UART0/SPI)", "waits in its bootloader"},
    {"DOWNLOAD(USB/UART0/1/SPI)", "waits in its bootloader"},
    {"UART_BOOT(UART0)", "waits in its bootloader"},
    {"UART0_BOOT", "waits in its bootloader"},
    {"USB_BOOT", "waits in its bootloader"},
    {"SPI_DOWNLOAD_BOOT", "over SPI"},
    {"SDIO_REI_FEO_V1_BOOT", "SDIO host"},
    {"ATE_BOOT", "factory"},
    {"SPI_FAST_FLASH_BOOT", "from flash"},
    {"SPI_FLASH_BOOT", "from flash"},
    {"HSPI_FLASH_BOOT", "from flash"},
};

static const struct row messages[] = {
    {" ets Jan  8 2013,rst cause:1, boot mode:(3,6)", "power came on"},
    {" ets Jan  8 2013,rst cause:2, boot mode:(1,6)", "the RST pin was pulled"},
    {" ets Jan  8 2013,rst cause:3, boot mode:(3,6)", "software watchdog"},
    {" ets Jan  8 2013,rst cause:4, boot mode:(1,6)", "hardware watchdog ran out"},
    {" ets Jan  8 2013,rst cause:2, boot mode:(1,6)", "boot: the chip waits in its bootloader"},
    {" ets Jan  8 2013,rst cause:2, boot mode:(3,6)", "boot: from flash"},
    {" ets Jan  8 2013,rst cause:2, boot mode:(4,7)", "GPIO15 was high"},
    {" ets Jan  8 2013,rst cause:2, boot mode:(5,7)", "GPIO15 was high"},
    {" ets Jan  8 2013,rst cause:2, boot mode:(6,7)", "GPIO15 was high"},
    {" ets Jan  8 2013,rst cause:2, boot mode:(7,7)", "GPIO15 was high"},
    {"ets Jun  8 2016 00:22:57", "before revision 3"},
    {"ets Jul 29 2019 12:21:46", "of revision 3"},
    {"ESP-ROM:esp32c3-api1-20210207", "chip's name"},
    {"entry 0x400805e4", "starts it here"},
    {"Saved PC:0x4038061c", "before the reset"},
    {"Core0 Saved PC:0x4fc00abc", "before the reset"},
    {"invalid header: 0xffffffff", "empty where the bootloader should be"},
    {"invalid header: 0xe9020220", "no image"},
    {"invalid segment length 0xffffffff", "not complete"},
    {"csum err:0x9a!=0x5f", "damaged"},
    {"Checksum failure. Calculated 0x12 stored 0x34", "damaged"},
    {"flash read err, 1000", "GPIO12"},
    {"ets_main.c 371 ", "nothing that it could start"},
    {"SHA-256 comparison failed:", "not as it was built"},
    {"Invalid chip id. Expected 5 read 0. Bootloader for wrong chip?", "another chip"},
    {"Invalid image block count: 255 (max 16)", "no whole image"},
    {"Invalid image block, can't boot.", "no whole image"},
    {"Invalid image block, can't verify.", "no whole image"},
    {"Invalid magic 0xff", "no image"},
    {"Direct boot returned", "came to its end"},
    {"Image security version < Programmed in eFuse", "eFuses allow"},
    {"PRIMARY - FAIL", "recovery"},
    {"Loading RECOVERY Bootloader...", "recovery"},
    {"SPI flash busy detected(0x03)", "still at work"},
    {"secure boot verification failed", "not signed"},
    {"RSA-PSS secure boot verification failed", "not signed"},
    {"Secure boot check fail", "secure boot is on"},
    {"Signature Check Failed", "secure boot is on"},
    {"Sig block 0 signed with untrusted key", "another key"},
    {"Sig block 0 signature verification failed", "signature is wrong"},
    {"No signature block magic byte found at signature sector (found 0xff not 0xe7). Image not V2 signed?", "not signed"},
    {"No trusted signatures", "key that the chip knows"},
    {"Download mode is disabled. Restart with GPIO0 high.", "eFuse forbids"},
    {"Download boot modes disabled", "eFuse forbids"},
    {"Invalid mode for secure boot download", "forbidden by an eFuse"},
    {"invalid reset", "does not know why"},
    {"analog super wdt reset", "super watchdog"},
    {"pro cpu reset by JTAG", "debugger"},
    {"user code done", "ended"},
    {"waiting for download", "waits for a program"},
    {"wait uart0 download", "waits for a program"},
    {"wait usb download", "over USB"},
    {"wait spi download", "over SPI"},
    {"wait sdio download", "over SDIO"},
    {"wait uart download(secure mode)", "secure download mode"},
    {"waiting for sdio host", "SDIO host"},
    {"waiting for host", "GPIO15"},
    {"Booting into dfu mode.", "USB DFU device"},
    {"E (54) boot: Factory app partition is not bootable", "factory application"},
    {"E (39) boot: ota data partition invalid, falling back to factory", "which application slot"},
    {"E (56) boot: No bootable app partitions in the partition table", "no application that is there"},
    {"E (42) esp_image: image at 0x10000 has invalid magic byte (nothing flashed here?)", "no application is at that offset"},
    {"E (378) esp_image: Image hash failed - image is corrupt", "damaged"},
    {"E (378) esp_image: Checksum failed. Calculated 0x12 read 0x34", "damaged"},
    {"E (47) boot: mismatch chip ID, expected 5, found 9", "another chip"},
    {"E (50) boot_comm: Image requires chip rev >= v3.0, but chip is v1.0", "newer revision"},
    {"E (50) boot_comm: Image requires efuse blk rev >= v1.0, but chip is v0.0", "eFuse contents"},
    {"E (60) flash_parts: partition 0 invalid magic number 0xffff", "no partition table"},
    {"E (61) boot: Failed to verify partition table", "partition table"},
    {"E (377) spi_flash: Detected size(2048k) smaller than the size in the binary image header(4096k). Probe failed.", "larger flash"},
    {"Brownout detector was triggered", "supply voltage"},
    {"E (10303) task_wdt: Task watchdog got triggered. The following tasks/users did not reset the watchdog in time:", "did not let others run"},
    {"***ERROR*** A stack overflow in task main has been detected.", "larger one"},
    {"Debug exception reason: Stack canary watchpoint triggered (main)", "larger one"},
    {"Stack smashing protect failure!", "array on its stack"},
    {"CORRUPT HEAP: Bad head at 0x3ffb8000. Expected 0xabba1234 got 0x00000000", "behind a block of the heap"},
    {"assert failed: xQueueGenericSend queue.c:832 (pxQueue)", "did not hold"},
    {"abort() was called at PC 0x400d3a29 on core 0", "ended itself"},
    {"ESP_ERROR_CHECK failed: esp_err_t 0x101 (ESP_ERR_NO_MEM) at 0x400d1234", "returned an error"},
    {"E (234) quad_psram: PSRAM ID read error: 0x00ffffff, PSRAM chip not found or not supported", "no PSRAM"},
    {"last failed alloc call: 40201234(1024)", "no room"},
    {"Unhandled C++ exception: OOM", "used up"},
    {"wdt reset", "hardware watchdog"},
    {"Soft WDT reset", "yield()"},
};

static const char *const panics[] = {
    "LoadProhibited",
    "StoreProhibited",
    "InstrFetchProhibited",
    "IllegalInstruction",
    "LoadStoreAlignment",
    "LoadStoreError",
    "IntegerDivideByZero",
    "Unhandled debug exception",
    "Interrupt wdt timeout on CPU0",
    "Cache disabled but cached memory region accessed",
    "Load access fault",
    "Store access fault",
    "Instruction access fault",
    "Illegal instruction",
    "Stack protection fault",
    "Instruction address misaligned",
    "Load address misaligned",
    "Store address misaligned",
    "Breakpoint",
    "Memory protection fault",
    "Double exception",
    "Coprocessor exception",
};
/* clang-format on */

static const unsigned exceptions[] = {0,  1,  2,  3,  4,  5,  6,  8,  9,  12,
                                      13, 14, 15, 16, 18, 20, 24, 26, 28, 29};

static void explain(const char *text, struct kiln_buf *out)
{
    struct kiln_explain state = {0};

    kiln_buf_init(out, 4096);
    kiln_explain_line(&state, text, out);
    assert_int_equal(kiln_buf_append(out, "", 1), KILN_OK);
}

static void must_mean(const char *text, const char *meaning, unsigned lines)
{
    struct kiln_buf out;
    unsigned count = 0;

    explain(text, &out);
    if (strstr((const char *)out.data, meaning) == NULL)
        fail_msg("'%s' is explained as '%s', not '%s'", text, (const char *)out.data, meaning);
    for (size_t i = 0; i < out.len; i++)
        count += out.data[i] == '\n';
    if (lines != 0 && count != lines)
        fail_msg("'%s' is explained in %u lines: %s", text, count, (const char *)out.data);
    kiln_buf_dispose(&out);
}

static void every_reset_of_every_rom(void **state)
{
    char text[160];

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(resets); i++) {
        snprintf(text, sizeof text, "rst:0x%zx (%s),boot:0x13 (SPI_FAST_FLASH_BOOT)", i,
                 resets[i].text);
        must_mean(text, resets[i].meaning, 2);
        must_mean(text, "reset: ", 2);
        must_mean(text, "boot: from flash", 2);
    }
}

static void every_boot_mode_of_every_rom(void **state)
{
    char text[160];

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(boots); i++) {
        snprintf(text, sizeof text, "rst:0x1 (POWERON),boot:0x%zx (%s)", i, boots[i].text);
        must_mean(text, boots[i].meaning, 2);
    }
}

static void every_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(messages); i++)
        must_mean(messages[i].text, messages[i].meaning, 0);
}

static void every_exception(void **state)
{
    char text[160];

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(panics); i++) {
        snprintf(text, sizeof text,
                 "Guru Meditation Error: Core  1 panic'ed (%s). Exception was unhandled.",
                 panics[i]);
        must_mean(text, "", 1);
    }
    for (size_t i = 0; i < KILN_ARRAY_LEN(exceptions); i++) {
        snprintf(text, sizeof text, "Exception (%u):", exceptions[i]);
        must_mean(text, "", 1);
        snprintf(text, sizeof text, "Fatal exception (%u): ", exceptions[i]);
        must_mean(text, "", 1);
    }
    must_mean("Fatal exception 28(LoadProhibitedCause): ", "read from an address", 1);
}

static void what_is_no_news_is_said_once(void **state)
{
    struct kiln_explain explained = {0};
    struct kiln_buf out;

    (void)state;
    kiln_buf_init(&out, 4096);
    for (int i = 0; i < 3; i++) {
        kiln_explain_line(&explained, "ets Jul 29 2019 12:21:46", &out);
        kiln_explain_line(&explained, "", &out);
        kiln_explain_line(&explained, "some text", &out);
    }
    assert_int_equal(kiln_buf_append(&out, "", 1), KILN_OK);
    assert_string_equal((const char *)out.data,
                        "the boot ROM of an ESP32 begins, of a chip of revision 3 or newer\n");
    kiln_buf_clear(&out);
    /* A line that repeats without another between is explained once, and again after another. */
    for (int i = 0; i < 3; i++)
        kiln_explain_line(&explained, "invalid header: 0xffffffff", &out);
    kiln_explain_line(&explained, "other", &out);
    kiln_explain_line(&explained, "invalid header: 0xffffffff", &out);
    assert_int_equal(kiln_buf_append(&out, "", 1), KILN_OK);
    assert_non_null(strstr(strstr((const char *)out.data, "empty") + 1, "empty"));
    assert_null(strstr(strstr(strstr((const char *)out.data, "empty") + 1, "empty") + 1, "empty"));
    kiln_buf_dispose(&out);
}

static void ordinary_lines_are_left_alone(void **state)
{
    static const char *const lines[] = {
        "I (31) boot: ESP-IDF v5.1 2nd stage bootloader",
        "load:0x3fff0030,len:1344",
        "mode:DIO, clock div:2",
        "configsip: 0, SPIWP:0xee",
        "ho 0 tail 12 room 4",
        "the watchdog was fed; reset in 5 s",
        "",
        "rst:",
        "rst:0x1",
        "rst:0x1 (",
        "boot:0x (",
        "rst:0x1 (NO_SUCH_RESET),boot:0x1 (NO_SUCH_BOOT)",
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(lines); i++) {
        struct kiln_buf out;

        explain(lines[i], &out);
        assert_string_equal((const char *)out.data, "");
        kiln_buf_dispose(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reset_of_every_rom),
        cmocka_unit_test(every_boot_mode_of_every_rom),
        cmocka_unit_test(every_message),
        cmocka_unit_test(every_exception),
        cmocka_unit_test(what_is_no_news_is_said_once),
        cmocka_unit_test(ordinary_lines_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
