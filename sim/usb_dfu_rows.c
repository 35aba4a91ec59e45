/* SPDX-License-Identifier: MIT */
/*
 * The simulated DFU devices. Sources, by the letters in the comments:
 *   L  descriptors and layout strings as they stand in users' logs
 *   E  EdgeTX pull request 88: an F429 of 2 MB takes 23 s to erase and 31 s to program when nothing but
 *      the chip is waited for, 159 to 182 s with dfu-util's waits
 *   D  datasheet, typical values: DS8626 (F405), DS5319 (F103), DS12110 (H743), DS12232 (G0C1),
 *      DS11912 (L452), DS13737 (U575), GD32VF103 datasheet
 *   P  poll times from logs: F4 104 ms for an address and 100 ms for a page (modm's documentation; the same
 *      for GD32), F072 40 ms and H743 1000 ms for a page
 *   G  a guess, since no source was found: the behaviour does not depend on it
 * None of it was measured on a board by this project.
 */
#include "base/bytes.h"
#include "sim/boards.h"
#include "sim/usb_dfu.h"

#define KB   1024u
#define RW   (DFU_R | DFU_W)
#define RWE  (DFU_R | DFU_W | DFU_E)
#define ST   "STMicroelectronics"
#define BOOT "STM32  BOOTLOADER"

#define ROM_ATTRIBUTES (DFU_CAN_DNLOAD | DFU_CAN_UPLOAD | DFU_WILL_DETACH)

/* E: 8 x 300 + 2 x 700 + 14 x 1300 ms are 22 s for 2 MB; D gives these at x16. */
#define F4_16K(n)            \
    {                        \
        n, 16 * KB, RWE, 300 \
    }
#define F4_64K(n)            \
    {                        \
        n, 64 * KB, RWE, 700 \
    }
#define F4_128K(n)             \
    {                          \
        n, 128 * KB, RWE, 1300 \
    }
#define F4_BANK F4_16K(4), F4_64K(1), F4_128K(7)

#define F4_STRING "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg"

#define F4_REGIONS(...)                                                    \
    {                                                                      \
        {DFU_AREA_FLASH, 0x08000000, {__VA_ARGS__}},                       \
            {DFU_AREA_OPTION, 0x1FFFC000, {{1, 16, RW, 0}}},               \
            {DFU_AREA_OTP, 0x1FFF7800, {{1, 512, RW, 0}, {1, 16, RW, 0}}}, \
            {DFU_AREA_FEATURE, 0xFFFF0000, {{1, 4, RW, 0}}},               \
    }

#define F4_ALTS                                                                                 \
    {                                                                                           \
        F4_STRING, "@Option Bytes  /0x1FFFC000/01*016 e",                                       \
            "@OTP Memory /0x1FFF7800/01*512 e,01*016 e", "@Device Feature/0xFFFF0000/01*004 e", \
    }

/*
 * Option bytes as parts leave the factory. R: RM0091 Rev 10 (F072), reset value of the F4's and F7's OPTCR, of
 * the L4's and U5's OPTR, of the H743's OPTSR; the rest G.
 */
#define FF4 0xFF, 0xFF, 0xFF, 0xFF
static const uint8_t options_f405[] = {0xEF, 0xAA, 0xFF, 0xFF, FF4, 0xFF, 0xFF, 0xFF, 0xFF, FF4};
static const uint8_t options_f429[] = {0xEF, 0xAA, 0xFF, 0xFF, FF4, 0xFF, 0x3F, 0xFF, 0xFF, FF4};
static const uint8_t options_f072[] = {0xAA, 0x55, 0xFF, 0x00, 0xFF, 0x00, 0xFF, 0x00,
                                       0xFF, 0x00, 0xFF, 0x00, 0xFF, 0x00, 0xFF, 0x00};
static const uint8_t options_f746[] = {0xFF, 0xAA, 0xFF, 0xFF, FF4, 0xFF, 0xC0, 0xFF, 0xFF, FF4,
                                       0x80, 0x00, 0xFF, 0xFF, FF4, 0x40, 0x00, 0xFF, 0xFF, FF4};
static const uint8_t options_l452[] = {0xAA, 0xF8, 0xEF, 0xFF, 0x55, 0x07, 0x10, 0x00, 0xFF, 0xFF,
                                       0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF,
                                       0xFF, 0xFF, 0x00, 0x00, 0xFF, 0xFF, 0x00, 0xFF, 0x00, 0x00,
                                       0xFF, 0x00, 0xFF, 0xFF, 0x00, 0xFF, 0x00, 0x00, 0xFF, 0x00};
static const uint8_t options_h743[] = {0xF0, 0xAA, 0xC6, 0x1B, 0xF0, 0xAA, 0xC6, 0x1B, 0x00, 0x00,
                                       0x00, 0x00, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0x00, 0x00, 0x00,
                                       0xFF, 0x00, 0x00, 0x00, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0x00,
                                       0x00, 0x00, 0xFF, 0x00, 0x00, 0x00, 0x00, 0x08, 0xF0, 0x1F};
static const uint8_t options_u575[] = {0xAA, 0xF8, 0xEF, 0x1F, 0x7F, 0x00, 0x00, 0x08, 0x7F,
                                       0x00, 0xF9, 0x0B, 0x7C, 0x00, 0x80, 0x0F, FF4,  FF4,
                                       0xFF, 0xFF, 0x00, 0xFF, 0xFF, 0xFF, 0x00, 0xFF};
/* Masks and values of Black Magic Probe's table of the G47x; each word is followed by its complement. */
#define WORD(a, b, c, d) a, b, c, d, 0xFF ^ (a), 0xFF ^ (b), 0xFF ^ (c), 0xFF ^ (d)
#define NO_PCROP         WORD(0xFF, 0xFF, 0xFF, 0xFF)
#define NO_WRP           WORD(0xFF, 0xFF, 0x00, 0xFF)
static const uint8_t options_g474[] = {WORD(0xAA, 0xF8, 0xEF, 0xFF),
                                       NO_PCROP,
                                       WORD(0x00, 0x00, 0xFF, 0x00),
                                       NO_WRP,
                                       NO_WRP,
                                       WORD(0x00, 0xFF, 0x00, 0xFF),
                                       NO_PCROP,
                                       NO_PCROP,
                                       NO_PCROP,
                                       NO_WRP,
                                       NO_WRP,
                                       WORD(0x00, 0xFF, 0x00, 0xFF)};
#define OPTIONS(bytes) .options = bytes, .options_len = sizeof bytes

/* clang-format off */
const struct dfu_row kiln_dfusim_rows[] = {
    {   /* L, P; erase E; program E: 16 us a byte; poll of a block: E, 159 to 182 s in blocks of 2 KB */
        .name = "stm32f405",
        .ids = {0x0483, 0xDF11, 0x2200, ST, BOOT, "3267354E3231"},
        .bcd_dfu = 0x011A, .transfer_size = 2048, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2, .alt = F4_ALTS, .region = F4_REGIONS(F4_BANK),
        .poll_set_ms = 104, .poll_erase_ms = 100, .poll_write_ms = 104, .poll_mass_ms = 100,
        .program_ns_per_byte = 16000, .mass_erase_ms = 11000, .reattach_ms = 500,
        .wrp_offset = 8, OPTIONS(options_f405),
        .rdp_offset = 1, .quirks = DFU_Q_START_ERROR,
    },
    {   /* as the F405; the descriptor fault is that of the 1 MB parts */
        .name = "stm32f429",
        .ids = {0x0483, 0xDF11, 0x2100, ST, BOOT, "3768376B3234"},
        .bcd_dfu = 0x011A, .transfer_size = 2048, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2, .alt = F4_ALTS, .region = F4_REGIONS(F4_BANK),
        .poll_set_ms = 104, .poll_erase_ms = 100, .poll_write_ms = 104, .poll_mass_ms = 100,
        .program_ns_per_byte = 16000, .mass_erase_ms = 11000, .reattach_ms = 500,
        .wrp_offset = 8, OPTIONS(options_f429),
        .rdp_offset = 1, .quirks = DFU_Q_START_ERROR | DFU_Q_SHORT_STRING,
    },
    {   /* as the F405, half of its flash */
        .name = "stm32f446",
        .ids = {0x0483, 0xDF11, 0x2200, ST, BOOT, "336B356E3037"},
        .bcd_dfu = 0x011A, .transfer_size = 2048, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2,
        .alt = {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,03*128Kg",
                "@Option Bytes  /0x1FFFC000/01*016 e", "@OTP Memory /0x1FFF7800/01*512 e,01*016 e",
                "@Device Feature/0xFFFF0000/01*004 e"},
        .region = F4_REGIONS(F4_16K(4), F4_64K(1), F4_128K(3)),
        .poll_set_ms = 104, .poll_erase_ms = 100, .poll_write_ms = 104, .poll_mass_ms = 100,
        .program_ns_per_byte = 16000, .mass_erase_ms = 5500, .reattach_ms = 500,
        .rdp_offset = 1, .quirks = DFU_Q_START_ERROR,
    },
    {   /* L, P; D: 30 ms a page, 53.5 us for 16 bits; other polls G */
        .name = "stm32f072",
        .ids = {0x0483, 0xDF11, 0x2200, ST, BOOT, "FFFFFFFEFFFF"},
        .bcd_dfu = 0x011A, .transfer_size = 2048, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2,
        .alt = {"@Internal Flash  /0x08000000/064*0002Kg", "@Option Bytes  /0x1FFFF800/01*016 e"},
        .region = {{DFU_AREA_FLASH, 0x08000000, {{64, 2 * KB, RWE, 30}}},
                   {DFU_AREA_OPTION, 0x1FFFF800, {{1, 16, RW, 0}}}},
        .poll_set_ms = 5, .poll_erase_ms = 40, .poll_write_ms = 60, .poll_mass_ms = 40,
        .program_ns_per_byte = 26750, .mass_erase_ms = 40, .reattach_ms = 500,
        .complements = true, OPTIONS(options_f072),
        .rdp_offset = 0, .quirks = DFU_Q_START_ERROR,
    },
    {   /* ST's loader of its device library: string as in L; D: 30 ms a page, 52.5 us for 16 bits */
        .name = "stm32f103",
        .ids = {0x0483, 0xDF11, 0x0200, ST, "STM32 DownLoad Firmware Update", "8D8B4A6C5256"},
        .bcd_dfu = 0x011A, .transfer_size = 1024, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2, .alt = {"@Internal Flash   /0x08000000/12*001Ka,116*001Kg"},
        .region = {{DFU_AREA_FLASH, 0x08000000, {{12, 1 * KB, DFU_R, 30}, {116, 1 * KB, RWE, 30}}}},
        .poll_set_ms = 0, .poll_erase_ms = 50, .poll_write_ms = 50, .poll_mass_ms = 50,
        .program_ns_per_byte = 26250, .mass_erase_ms = 40, .reattach_ms = 500, .rdp_offset = -1,
    },
    {   /* L; plain DFU that says 1.0 and behaves like 1.1; times as the F103 */
        .name = "maple",
        .ids = {0x1EAF, 0x0003, 0x0200, "LeafLabs", "Maple 003", "LLM 003"},
        .bcd_dfu = 0x0100, .transfer_size = 1024, .detach_ms = 255,
        .attributes = DFU_CAN_DNLOAD | DFU_CAN_UPLOAD, .protocol = 2,
        .alt = {"STM32duino bootloader v1.0  ERROR. Upload to RAM not supported.",
                "STM32duino bootloader v1.0  Upload to Flash 0x8005000",
                "STM32duino bootloader v1.0  Upload to Flash 0x8002000"},
        .region = {{DFU_AREA_FLASH, 0x08002000, {{120, 1 * KB, RWE, 30}}}},
        .poll_write_ms = 60, .program_ns_per_byte = 26250, .reattach_ms = 500, .rdp_offset = -1,
    },
    {   /* L; D gives maxima of 0.8, 2.4 and 4 s, taken by half; program as the F4 */
        .name = "stm32f746",
        .ids = {0x0483, 0xDF11, 0x2200, ST, BOOT, "200364500000"},
        .bcd_dfu = 0x011A, .transfer_size = 2048, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2,
        .alt = {"@Internal Flash  /0x08000000/04*032Kg,01*128Kg,03*256Kg",
                "@Option Bytes  /0x1FFF0000/01*032 e"},
        .region = {{DFU_AREA_FLASH, 0x08000000,
                    {{4, 32 * KB, RWE, 400}, {1, 128 * KB, RWE, 1200}, {3, 256 * KB, RWE, 2000}}},
                   {DFU_AREA_OPTION, 0x1FFF0000, {{1, 32, RW, 0}}}},
        .poll_set_ms = 104, .poll_erase_ms = 100, .poll_write_ms = 104, .poll_mass_ms = 100,
        .program_ns_per_byte = 16000, .mass_erase_ms = 16000, .reattach_ms = 500,
        .wrp_offset = 8, OPTIONS(options_f746),
        .rdp_offset = 1, .quirks = DFU_Q_START_ERROR,
    },
    {   /* L: its flash string stands on all three alternates; D: 22 ms, 85 us for 64 bits; polls G */
        .name = "stm32g0c1",
        .ids = {0x0483, 0xDF11, 0x0200, ST, "DFU in FS Mode", "207A39875848"},
        .bcd_dfu = 0x011A, .transfer_size = 1024, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2,
        .alt = {"@Internal Flash   /0x08000000/256*02Kg", "@Internal Flash   /0x08000000/256*02Kg",
                "@Internal Flash   /0x08000000/256*02Kg"},
        .region = {{DFU_AREA_FLASH, 0x08000000, {{256, 2 * KB, RWE, 22}}}},
        .poll_set_ms = 5, .poll_erase_ms = 25, .poll_write_ms = 15, .poll_mass_ms = 25,
        .program_ns_per_byte = 10625, .mass_erase_ms = 22, .reattach_ms = 500,
        .rdp_offset = -1, .quirks = DFU_Q_START_ERROR,
    },
    {   /* L: two areas of option bytes; times as the L452; polls G */
        .name = "stm32g474",
        .ids = {0x0483, 0xDF11, 0x0200, ST, "DFU in FS Mode", "205939885533"},
        .bcd_dfu = 0x011A, .transfer_size = 1024, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2,
        .alt = {"@Internal Flash   /0x08000000/256*02Kg",
                "@Option Bytes   /0x1FFF7800/01*048 e/0x1FFFF800/01*048 e",
                "@OTP Memory   /0x1FFF7000/01*1024 e"},
        .region = {{DFU_AREA_FLASH, 0x08000000, {{256, 2 * KB, RWE, 22}}},
                   {DFU_AREA_OPTION, 0x1FFF7800, {{1, 48, RW, 0}}},
                   {DFU_AREA_OPTION, 0x1FFFF800, {{1, 48, RW, 0}}},
                   {DFU_AREA_OTP, 0x1FFF7000, {{1, 1 * KB, RW, 0}}}},
        .poll_set_ms = 5, .poll_erase_ms = 25, .poll_write_ms = 15, .poll_mass_ms = 25,
        .program_ns_per_byte = 10250, .mass_erase_ms = 22, .reattach_ms = 500,
        OPTIONS(options_g474), .rdp_offset = 0, .quirks = DFU_Q_START_ERROR,
    },
    {   /* L, P; D at x8: 2 s a sector, 290 us for 32 bytes; bank 2: Betaflight pull requests 1861, 5348 */
        .name = "stm32h743",
        .ids = {0x0483, 0xDF11, 0x0200, ST, "DFU in FS Mode", "200364500000"},
        .bcd_dfu = 0x011A, .transfer_size = 1024, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2,
        .alt = {"@Internal Flash   /0x08000000/16*128Kg", "@Option Bytes   /0x5200201C/01*128 e"},
        .region = {{DFU_AREA_FLASH, 0x08000000, {{16, 128 * KB, RWE, 2000}}},
                   {DFU_AREA_OPTION, 0x5200201C, {{1, 128, RW, 0}}}},
        .poll_set_ms = 5, .poll_erase_ms = 1000, .poll_write_ms = 15, .poll_mass_ms = 1000,
        .program_ns_per_byte = 9063, .mass_erase_ms = 16000, .reattach_ms = 500,
        OPTIONS(options_h743),
        .rdp_offset = 1, .quirks = DFU_Q_START_ERROR | DFU_Q_BANK2_STUCK,
    },
    {   /* the H743's rows with one bank of 1 MB; option bytes G */
        .name = "stm32h723",
        .ids = {0x0483, 0xDF11, 0x0200, ST, "DFU in FS Mode", "200364500001"},
        .bcd_dfu = 0x011A, .transfer_size = 1024, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2,
        .alt = {"@Internal Flash   /0x08000000/08*128Kg", "@Option Bytes   /0x5200201C/01*128 e"},
        .region = {{DFU_AREA_FLASH, 0x08000000, {{8, 128 * KB, RWE, 2000}}},
                   {DFU_AREA_OPTION, 0x5200201C, {{1, 128, RW, 0}}}},
        .poll_set_ms = 5, .poll_erase_ms = 1000, .poll_write_ms = 15, .poll_mass_ms = 1000,
        .program_ns_per_byte = 9063, .mass_erase_ms = 16000, .reattach_ms = 500,
        .rdp_offset = 1, .quirks = DFU_Q_START_ERROR,
    },
    {   /* L; D: 22 ms a page, 82 us for 64 bits; stalls: dfu-util tickets 208; polls G */
        .name = "stm32l452",
        .ids = {0x0483, 0xDF11, 0x2200, ST, BOOT, "206A35875848"},
        .bcd_dfu = 0x011A, .transfer_size = 2048, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2,
        .alt = {"@Internal Flash  /0x08000000/0256*0002Kg", "@Option Bytes  /0x1FFF7800/01*040 e",
                "@OTP Memory /0x1FFF7000/01*0001Ke"},
        .region = {{DFU_AREA_FLASH, 0x08000000, {{256, 2 * KB, RWE, 22}}},
                   {DFU_AREA_OPTION, 0x1FFF7800, {{1, 40, RW, 0}}},
                   {DFU_AREA_OTP, 0x1FFF7000, {{1, 1 * KB, RW, 0}}}},
        .poll_set_ms = 5, .poll_erase_ms = 20, .poll_write_ms = 25, .poll_mass_ms = 20,
        .program_ns_per_byte = 10250, .mass_erase_ms = 25, .reattach_ms = 500, OPTIONS(options_l452),
        .rdp_offset = 0,
        .quirks = DFU_Q_START_ERROR | DFU_Q_STALL_BUSY | DFU_Q_LEAVE_SILENT,
    },
    {   /* L; no dfuDNBUSY: dfu-util ticket 145 (seen on a U5A9); times G */
        .name = "stm32u575",
        .ids = {0x0483, 0xDF11, 0x0200, ST, "DFU in FS Mode", "2053374B4E4D"},
        .bcd_dfu = 0x011A, .transfer_size = 1024, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2,
        .alt = {"@Internal Flash   /0x08000000/256*08Kg", "@OTP Memory   /0x0BFA0000/01*512 e",
                "@Option Bytes   /0x40022040/01*64 e"},
        .region = {{DFU_AREA_FLASH, 0x08000000, {{256, 8 * KB, RWE, 2}}},
                   {DFU_AREA_OTP, 0x0BFA0000, {{1, 512, RW, 0}}},
                   {DFU_AREA_OPTION, 0x40022040, {{1, 64, RW, 0}}}},
        .program_ns_per_byte = 7400, .mass_erase_ms = 400, .reattach_ms = 500, OPTIONS(options_u575),
        .rdp_offset = 0,
        .quirks = DFU_Q_START_ERROR | DFU_Q_NO_DNBUSY,
    },
    {   /* L: the string is wrong, pages are 1 KB, the third letter of the serial number is the size; P;
           times G */
        .name = "gd32vf103",
        .ids = {0x28E9, 0x0189, 0x1000, "GigaDevice", "GD32 USB DFU in FS Mode", "3CBJ"},
        .bcd_dfu = 0x011A, .transfer_size = 2048, .detach_ms = 255, .attributes = ROM_ATTRIBUTES,
        .protocol = 2,
        .alt = {"@Internal Flash  /0x08000000/512*002Kg", "@Option Bytes  /0x1FFFF800/01*016 g"},
        .region = {{DFU_AREA_FLASH, 0x08000000, {{128, 1 * KB, RWE, 50}}},
                   {DFU_AREA_OPTION, 0x1FFFF800, {{1, 16, RWE, 0}}}},
        .poll_set_ms = 104, .poll_erase_ms = 100, .poll_write_ms = 104, .poll_mass_ms = 100,
        .program_ns_per_byte = 18750, .mass_erase_ms = 500, .reattach_ms = 500,
        .rdp_offset = 0, .quirks = DFU_Q_SERIAL_8BIT | DFU_Q_LEAVE_AT_DNLOAD,
    },
    {   /* USB DFU 1.1, every request of it; the ids are pid.codes' test ids */
        .name = "dfu11",
        .ids = {0x1209, 0x0002, 0x0100, "Kiln", "Simulated DFU bootloader", "KILN0001"},
        .runtime = {0x1209, 0x0001, 0x0100, "Kiln", "Simulated application", "KILN0001"},
        .bcd_dfu = 0x0110, .transfer_size = 64, .detach_ms = 1000,
        .attributes = DFU_CAN_DNLOAD | DFU_CAN_UPLOAD | DFU_WILL_DETACH, .protocol = 2,
        .alt = {"application"},
        .region = {{DFU_AREA_FLASH, 0, {{64, 1 * KB, RWE, 20}}}},
        .poll_write_ms = 5, .program_ns_per_byte = 20000, .reattach_ms = 300, .rdp_offset = -1,
        .quirks = DFU_Q_RUNTIME,
    },
    {   /* plain DFU that says it is the run-time interface; rest G */
        .name = "lpc",
        .ids = {0x1FC9, 0x000C, 0x0100, "NXP", "LPC", "ABCD"},
        .bcd_dfu = 0x0100, .transfer_size = 2048, .detach_ms = 1000,
        .attributes = DFU_CAN_DNLOAD | DFU_CAN_UPLOAD, .protocol = 1, .alt = {"DFU"},
        .region = {{DFU_AREA_FLASH, 0, {{64, 1 * KB, RWE, 20}}}},
        .poll_write_ms = 5, .program_ns_per_byte = 1000, .reattach_ms = 300, .rdp_offset = -1,
    },
    {   /* plain DFU that says protocol 0; rest G */
        .name = "jabra",
        .ids = {0x0B0E, 0x0421, 0x0100, "GN Netcom", "Jabra in DFU mode", "0001"},
        .bcd_dfu = 0x0110, .transfer_size = 512, .detach_ms = 1000,
        .attributes = DFU_CAN_DNLOAD | DFU_CAN_UPLOAD, .protocol = 0, .alt = {"DFU"},
        .region = {{DFU_AREA_FLASH, 0, {{64, 1 * KB, RWE, 20}}}},
        .poll_write_ms = 5, .program_ns_per_byte = 1000, .reattach_ms = 300, .rdp_offset = -1,
    },
    {   /* one of the ids whose poll times make no sense; times G */
        .name = "openmoko",
        .ids = {0x1D50, 0x5119, 0x0100, "OpenMoko", "Neo1973 Bootloader", "0000000"},
        .bcd_dfu = 0x0100, .transfer_size = 4096, .detach_ms = 1000,
        .attributes = DFU_CAN_DNLOAD | DFU_CAN_UPLOAD | DFU_MANIFEST_TOLERANT, .protocol = 2,
        .alt = {"kernel"}, .region = {{DFU_AREA_FLASH, 0, {{16, 4 * KB, RWE, 20}}}},
        .poll_write_ms = 60000, .program_ns_per_byte = 1000, .reattach_ms = 300, .rdp_offset = -1,
    },
    {   /* Atmel's ids: another protocol, which is not simulated */
        .name = "atmel",
        .ids = {0x03EB, 0x2FF4, 0x0000, "ATMEL", "DFU", "1.0.0"},
        .bcd_dfu = 0xFF01, .transfer_size = 1024, .attributes = DFU_CAN_DNLOAD | DFU_CAN_UPLOAD,
        .alt = {"DFU"}, .region = {{DFU_AREA_FLASH, 0, {{28, 1 * KB, RWE, 20}}}},
        .reattach_ms = 300, .rdp_offset = -1,
    },
};

const struct dfu_variant kiln_dfusim_variants[] = {
    {"good-string", 0, DFU_Q_SHORT_STRING | DFU_Q_RUBBISH_STRING, NULL, {{0, 0, 0, 0}}},
    {"short-string", DFU_Q_SHORT_STRING, 0, NULL, {{0, 0, 0, 0}}},
    {"rubbish-string", DFU_Q_RUBBISH_STRING, DFU_Q_SHORT_STRING, NULL, {{0, 0, 0, 0}}},
    {"2mb", 0, DFU_Q_SHORT_STRING, F4_STRING ",04*016Kg,01*064Kg,07*128Kg", {F4_BANK}},
    {"no-string", 0, DFU_Q_SHORT_STRING, "", {{0, 0, 0, 0}}},
    {"rdp1", DFU_Q_RDP1, 0, NULL, {{0, 0, 0, 0}}},
    {"rdp1-no-set", DFU_Q_RDP1 | DFU_Q_RDP_NO_SET, 0, NULL, {{0, 0, 0, 0}}},
    {"erased-00", DFU_Q_ERASED_00, 0, NULL, {{0, 0, 0, 0}}},
    {"strict", DFU_Q_STRICT, DFU_Q_START_ERROR, NULL, {{0, 0, 0, 0}}},
    {"revy", 0, DFU_Q_BANK2_STUCK, NULL, {{0, 0, 0, 0}}},
    {"pipe", DFU_Q_PIPE, 0, NULL, {{0, 0, 0, 0}}},
    {"idle-start", 0, DFU_Q_START_ERROR, NULL, {{0, 0, 0, 0}}},
    {"same-block", DFU_Q_SAME_BLOCK, 0, NULL, {{0, 0, 0, 0}}},
    {"hang-alt", DFU_Q_HANG_ALT, 0, NULL, {{0, 0, 0, 0}}},
    {"hostile", DFU_Q_HOSTILE, 0, NULL, {{0, 0, 0, 0}}},
    {"klipper", DFU_Q_RUNTIME | DFU_Q_CDC, 0, NULL, {{0, 0, 0, 0}}},
    {"klipper-deaf", DFU_Q_RUNTIME | DFU_Q_CDC | DFU_Q_DEAF, 0, NULL, {{0, 0, 0, 0}}},
    {"klipper-katapult", DFU_Q_RUNTIME | DFU_Q_CDC | DFU_Q_OTHER_BOOT, 0, NULL, {{0, 0, 0, 0}}},
};

const struct kiln_sim_board kiln_sim_dfu_boards[] = {
    {"stm32f405", "STM32F405 with 1 MB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"stm32f429", "STM32F429 with 1 MB flash in its USB boot ROM, short flash string", NULL, kiln_sim_make_dfu},
    {"stm32f446", "STM32F446 with 512 KB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"stm32f072", "STM32F072 with 128 KB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"stm32f103", "STM32F103 with ST's DFU loader in its first 12 KB", NULL, kiln_sim_make_dfu},
    {"maple", "STM32F103 with the Maple (stm32duino) loader", NULL, kiln_sim_make_dfu},
    {"stm32f746", "STM32F746 with 1 MB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"stm32g0c1", "STM32G0C1 with 512 KB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"stm32g474", "STM32G474 with 512 KB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"stm32h743", "STM32H743 with 2 MB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"stm32h723", "STM32H723 with 1 MB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"stm32l452", "STM32L452 with 512 KB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"stm32u575", "STM32U575 with 2 MB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"gd32vf103", "GD32VF103 with 128 KB flash in its USB boot ROM", NULL, kiln_sim_make_dfu},
    {"dfu11", "an application with a DFU 1.1 run-time interface", NULL, kiln_sim_make_dfu},
    {"lpc", "an LPC boot ROM that calls its DFU mode run-time", NULL, kiln_sim_make_dfu},
    {"jabra", "a headset whose DFU mode says interface protocol 0", NULL, kiln_sim_make_dfu},
    {"openmoko", "a boot loader with poll times of a minute", NULL, kiln_sim_make_dfu},
    {"atmel", "an Atmel boot loader: its ids, not its protocol", NULL, kiln_sim_make_dfu},
    {NULL, NULL, NULL, NULL},
};
/* clang-format on */

const size_t kiln_dfusim_row_count = KILN_ARRAY_LEN(kiln_dfusim_rows);
const size_t kiln_dfusim_variant_count = KILN_ARRAY_LEN(kiln_dfusim_variants);
