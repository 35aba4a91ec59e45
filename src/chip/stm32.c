/* SPDX-License-Identifier: MIT */
/*
 * STM32 parts. Page sizes, RAM and boot ROM places as stm32flash 0.7 (dev_table.c) and stlink (chips)
 * give them, option byte places from the reference manuals; where the two disagree the former is kept,
 * except that the F301/F303 boot ROM is at 1FFFD800. RAM starts are safe, not optimal. None of the rows
 * was tried on a board. Flash, RAM and one-time memory are held against the maps of 400 parts in ST's packs by
 * tests/unit/test_stm32.c.
 *
 * Bytes of one-time memory programmed together: F2, F4, F7 by the byte (PM0059, RM0090), G0 by 8 and only once
 * (RM0444), the others as OpenOCD's drivers program their flash, H5 and H7A by 16 bits (RM0481, RM0455).
 *
 * Clones (GD32, AT32, CKS, APM32) re-use the ids.
 */
#include "chip/stm32.h"

#include "base/bytes.h"
#include "chip/rows.h"

#include <string.h>

#define KIB 1024u

#define SF "stm32flash 0.7 dev_table.c, reference manual"
#define ST "stlink chips table, datasheet"
#define PR "probe-rs targets, OpenOCD"

/* DBGMCU_IDCODE by core */
#define ID_M0  0x40015800
#define ID_M3  0xe0042000 /* Cortex-M3, M4, M7 */
#define ID_H7  0x5c001000
#define ID_M33 0xe0044000

#define RWX (KILN_MAP_READ | KILN_MAP_WRITE | KILN_MAP_EXECUTE)
#define FLASH(kib)                                                         \
    {                                                                      \
        "FLASH", KILN_STM32_FLASH_BASE, KILN_STM32_FLASH_BASE + (kib)*KIB, \
            KILN_MAP_READ | KILN_MAP_EXECUTE | KILN_MAP_FLASH              \
    }
#define RAM(end)                    \
    {                               \
        "RAM", 0x20000000, end, RWX \
    }
#define MAP(...)                    \
    (const struct kiln_map_entry[]) \
    {                               \
        __VA_ARGS__,                \
        {                           \
            NULL, 0, 0, 0           \
        }                           \
    }
#define CHIP(chip_name, chip_title, where, chip_map, ...)                                     \
    {                                                                                         \
        .name = chip_name, .title = chip_title, .family = KILN_FAMILY_STM32, .map = chip_map, \
        .stm32 = &(const struct kiln_stm32_facts){__VA_ARGS__}, .line_prefix = 7,             \
        .elf_machine = KILN_MACHINE_ARM, .tested = KILN_TESTED_NO, .source = where            \
    }

/* clang-format off */
const struct kiln_chip kiln_chip_rows_stm32[] = {
    CHIP("stm32f05", "STM32F05x, F030x8", SF, MAP(FLASH(64), RAM(0x20002000)),
         .id = 0x440, .parts = "stm32f051 stm32f058 stm32f030?8",
         .flash_max = 64 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{64, 1 * KIB}}}},
         .ram_start = 0x20000800, .ram_end = 0x20002000, .system_memory = 0x1fffec00, .idcode_reg = ID_M0, .flash_size_reg = 0x1ffff7cc, .option_bytes = 0x1ffff800),
    CHIP("stm32f03", "STM32F03x, F030x4/x6", SF, MAP(FLASH(32), RAM(0x20001000)),
         .id = 0x444, .parts = "stm32f031 stm32f038 stm32f030?4 stm32f030?6",
         .flash_max = 32 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{32, 1 * KIB}}}},
         .ram_start = 0x20000800, .ram_end = 0x20001000, .system_memory = 0x1fffec00, .idcode_reg = ID_M0, .flash_size_reg = 0x1ffff7cc, .option_bytes = 0x1ffff800),
    CHIP("stm32f09", "STM32F09x, F030xC", SF, MAP(FLASH(256), RAM(0x20008000)),
         .id = 0x442, .parts = "stm32f091 stm32f098 stm32f030?c",
         .flash_max = 256 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 2 * KIB}}}},
         .ram_start = 0x20001800, .ram_end = 0x20008000, .system_memory = 0x1fffd800, .idcode_reg = ID_M0, .flash_size_reg = 0x1ffff7cc, .option_bytes = 0x1ffff800),
    CHIP("stm32f04", "STM32F04x, F070x6", SF, MAP(FLASH(32), RAM(0x20001800)),
         .id = 0x445, .parts = "stm32f042 stm32f048 stm32f070?6",
         .flash_max = 32 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{32, 1 * KIB}}}},
         .system_memory = 0x1fffc400, .idcode_reg = ID_M0, .flash_size_reg = 0x1ffff7cc, .option_bytes = 0x1ffff800),
    CHIP("stm32f07", "STM32F07x, F070xB", SF, MAP(FLASH(128), RAM(0x20004000)),
         .id = 0x448, .parts = "stm32f071 stm32f072 stm32f078 stm32f070?b",
         .flash_max = 128 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{64, 2 * KIB}}}},
         .ram_start = 0x20001800, .ram_end = 0x20004000, .system_memory = 0x1fffc800, .idcode_reg = ID_M0, .flash_size_reg = 0x1ffff7cc, .option_bytes = 0x1ffff800),
    CHIP("stm32f103low", "STM32F10x low density", SF, MAP(FLASH(32), RAM(0x20002800)),
         .id = 0x412, .parts = "stm32f101?4 stm32f101?6 stm32f102?4 stm32f102?6 stm32f103?4 stm32f103?6",
         .flash_max = 32 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{32, 1 * KIB}}}},
         .ram_start = 0x20000200, .ram_end = 0x20002800, .system_memory = 0x1ffff000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7e0, .option_bytes = 0x1ffff800),
    CHIP("stm32f103", "STM32F10x medium density", SF, MAP(FLASH(128), RAM(0x20005000)),
         .id = 0x410, .parts = "stm32f101?8 stm32f101?b stm32f102?8 stm32f102?b stm32f103?8 stm32f103?b",
         .flash_max = 128 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 1 * KIB}}}},
         .ram_start = 0x20000200, .ram_end = 0x20005000, .system_memory = 0x1ffff000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7e0, .option_bytes = 0x1ffff800),
    CHIP("stm32f103high", "STM32F10x high density", SF, MAP(FLASH(512), RAM(0x20010000)),
         .id = 0x414, .parts = "stm32f101?c stm32f101?d stm32f101?e stm32f103?c stm32f103?d stm32f103?e",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{256, 2 * KIB}}}},
         .ram_start = 0x20000200, .ram_end = 0x20010000, .system_memory = 0x1ffff000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7e0, .option_bytes = 0x1ffff800),
    CHIP("stm32f100", "STM32F100 low and medium density", SF, MAP(FLASH(128), RAM(0x20002000)),
         .id = 0x420, .parts = "stm32f100?4 stm32f100?6 stm32f100?8 stm32f100?b",
         .flash_max = 128 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 1 * KIB}}}},
         .ram_start = 0x20000200, .ram_end = 0x20002000, .system_memory = 0x1ffff000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7e0, .option_bytes = 0x1ffff800),
    CHIP("stm32f100high", "STM32F100 high density", SF, MAP(FLASH(512), RAM(0x20008000)),
         .id = 0x428, .parts = "stm32f100?c stm32f100?d stm32f100?e",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{256, 2 * KIB}}}},
         .ram_start = 0x20000200, .ram_end = 0x20008000, .system_memory = 0x1ffff000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7e0, .option_bytes = 0x1ffff800),
    CHIP("stm32f105", "STM32F105/107", SF, MAP(FLASH(256), RAM(0x20010000)),
         .id = 0x418, .parts = "stm32f105 stm32f107",
         .flash_max = 256 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 2 * KIB}}}},
         .ram_start = 0x20001000, .ram_end = 0x20010000, .system_memory = 0x1fffb000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7e0, .option_bytes = 0x1ffff800),
    CHIP("stm32f103xl", "STM32F10x XL density", SF, MAP(FLASH(1024), RAM(0x20018000)),
         .id = 0x430, .parts = "stm32f101?f stm32f101?g stm32f103?f stm32f103?g",
         .flash_max = 1024 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{512, 2 * KIB}}}},
         .ram_start = 0x20000800, .ram_end = 0x20018000, .system_memory = 0x1fffe000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7e0, .option_bytes = 0x1ffff800),
    CHIP("stm32f2", "STM32F205/207/215/217", SF, MAP(FLASH(1024), RAM(0x20020000)),
         .id = 0x411, .parts = "stm32f205 stm32f207 stm32f215 stm32f217",
         .flash_max = 1024 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {7, 128 * KIB}}}},
         .ram_start = 0x20002000, .ram_end = 0x20020000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f37", "STM32F37x", SF, MAP(FLASH(256), RAM(0x20008000)),
         .id = 0x432, .parts = "stm32f373 stm32f378",
         .flash_max = 256 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 2 * KIB}}}},
         .ram_start = 0x20001400, .ram_end = 0x20008000, .system_memory = 0x1fffd800, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7cc, .option_bytes = 0x1ffff800),
    CHIP("stm32f303", "STM32F302/303xB-xC, F358", SF, MAP(FLASH(256), RAM(0x2000a000), {"CCM", 0x10000000, 0x10002000, RWX}),
         .id = 0x422, .parts = "stm32f302?b stm32f302?c stm32f303?b stm32f303?c stm32f358",
         .flash_max = 256 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 2 * KIB}}}},
         .ram_start = 0x20001400, .ram_end = 0x2000a000, .system_memory = 0x1fffd800, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7cc, .option_bytes = 0x1ffff800),
    CHIP("stm32f301", "STM32F301, F302x4-x8, F318", SF, MAP(FLASH(64), RAM(0x20004000)),
         .id = 0x439, .parts = "stm32f301 stm32f302?4 stm32f302?6 stm32f302?8 stm32f318",
         .flash_max = 64 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{32, 2 * KIB}}}},
         .ram_start = 0x20001800, .ram_end = 0x20004000, .system_memory = 0x1fffd800, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7cc, .option_bytes = 0x1ffff800),
    CHIP("stm32f334", "STM32F303x4-x8, F334, F328", SF, MAP(FLASH(64), RAM(0x20003000), {"CCM", 0x10000000, 0x10001000, RWX}),
         .id = 0x438, .parts = "stm32f303?4 stm32f303?6 stm32f303?8 stm32f334 stm32f328",
         .flash_max = 64 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{32, 2 * KIB}}}},
         .ram_start = 0x20001800, .ram_end = 0x20003000, .system_memory = 0x1fffd800, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7cc, .option_bytes = 0x1ffff800),
    CHIP("stm32f303xe", "STM32F302/303xD-xE, F398", SF, MAP(FLASH(512), RAM(0x20010000), {"CCM", 0x10000000, 0x10004000, RWX}),
         .id = 0x446, .parts = "stm32f302?d stm32f302?e stm32f303?d stm32f303?e stm32f398",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{256, 2 * KIB}}}},
         .ram_start = 0x20001800, .ram_end = 0x20010000, .system_memory = 0x1fffd800, .idcode_reg = ID_M3, .flash_size_reg = 0x1ffff7cc, .option_bytes = 0x1ffff800),
    CHIP("stm32f405", "STM32F405/407/415/417", SF, MAP(FLASH(1024), RAM(0x20020000), {"CCM", 0x10000000, 0x10010000, RWX}),
         .id = 0x413, .parts = "stm32f405 stm32f407 stm32f415 stm32f417",
         .flash_max = 1024 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {7, 128 * KIB}}}},
         .ram_start = 0x20003000, .ram_end = 0x20020000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f429", "STM32F42x/43x", SF, MAP(FLASH(2048), RAM(0x20030000), {"CCM", 0x10000000, 0x10010000, RWX}),
         .id = 0x419, .parts = "stm32f427 stm32f429 stm32f437 stm32f439",
         .flash_max = 2048 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {7, 128 * KIB}, {4, 16 * KIB}, {1, 64 * KIB}, {7, 128 * KIB}}}, {"dual bank of 512 KB (DB1M)", {{4, 16 * KIB}, {1, 64 * KIB}, {3, 128 * KIB}, {4, 16 * KIB}, {1, 64 * KIB}, {3, 128 * KIB}}}},
         .ram_start = 0x20003000, .ram_end = 0x20030000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f401", "STM32F401xB-xC", SF, MAP(FLASH(256), RAM(0x20010000)),
         .id = 0x423, .parts = "stm32f401?b stm32f401?c",
         .flash_max = 256 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {1, 128 * KIB}}}},
         .ram_start = 0x20003000, .ram_end = 0x20010000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f401xe", "STM32F401xD-xE", SF, MAP(FLASH(512), RAM(0x20018000)),
         .id = 0x433, .parts = "stm32f401?d stm32f401?e",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {3, 128 * KIB}}}},
         .ram_start = 0x20003000, .ram_end = 0x20018000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f410", "STM32F410", SF, MAP(FLASH(128), RAM(0x20008000)),
         .id = 0x458, .parts = "stm32f410",
         .flash_max = 128 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}}}},
         .ram_start = 0x20003000, .ram_end = 0x20008000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f411", "STM32F411", SF, MAP(FLASH(512), RAM(0x20020000)),
         .id = 0x431, .parts = "stm32f411",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {3, 128 * KIB}}}},
         .ram_start = 0x20003000, .ram_end = 0x20020000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f412", "STM32F412", SF, MAP(FLASH(1024), RAM(0x20040000)),
         .id = 0x441, .parts = "stm32f412",
         .flash_max = 1024 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {7, 128 * KIB}}}},
         .ram_start = 0x20003000, .ram_end = 0x20040000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f446", "STM32F446", SF, MAP(FLASH(512), RAM(0x20020000)),
         .id = 0x421, .parts = "stm32f446",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {3, 128 * KIB}}}},
         .ram_start = 0x20003000, .ram_end = 0x20020000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f469", "STM32F469/479", SF, MAP(FLASH(2048), RAM(0x20060000), {"CCM", 0x10000000, 0x10010000, RWX}),
         .id = 0x434, .parts = "stm32f469 stm32f479",
         .flash_max = 2048 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {7, 128 * KIB}, {4, 16 * KIB}, {1, 64 * KIB}, {7, 128 * KIB}}}, {"dual bank of 512 KB (DB1M)", {{4, 16 * KIB}, {1, 64 * KIB}, {3, 128 * KIB}, {4, 16 * KIB}, {1, 64 * KIB}, {3, 128 * KIB}}}},
         .ram_start = 0x20003000, .ram_end = 0x20060000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f413", "STM32F413/423", SF, MAP(FLASH(1536), RAM(0x20050000)),
         .id = 0x463, .parts = "stm32f413 stm32f423",
         .flash_max = 1536 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {11, 128 * KIB}}}},
         .ram_start = 0x20003000, .ram_end = 0x20050000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff7a22, .option_bytes = 0x1fffc000, .otp = 0x1fff7800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f72", "STM32F72x/73x", SF, MAP(FLASH(512), RAM(0x20040000)),
         .id = 0x452, .parts = "stm32f722 stm32f723 stm32f730 stm32f732 stm32f733",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 16 * KIB}, {1, 64 * KIB}, {3, 128 * KIB}}}},
         .ram_start = 0x20004000, .ram_end = 0x20040000, .system_memory = 0x1ff00000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ff07a22, .option_bytes = 0x1fff0000, .otp = 0x1ff07800, .otp_size = 528, .otp_unit = 1),
    CHIP("stm32f74", "STM32F74x/75x", SF, MAP(FLASH(1024), RAM(0x20050000)),
         .id = 0x449, .parts = "stm32f745 stm32f746 stm32f750 stm32f756",
         .flash_max = 1024 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{4, 32 * KIB}, {1, 128 * KIB}, {3, 256 * KIB}}}},
         .ram_start = 0x20004000, .ram_end = 0x20050000, .system_memory = 0x1ff00000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ff0f442, .option_bytes = 0x1fff0000, .otp = 0x1ff0f000, .otp_size = 1040, .otp_unit = 1),
    CHIP("stm32f76", "STM32F76x/77x", SF, MAP(FLASH(2048), RAM(0x20080000)),
         .id = 0x451, .parts = "stm32f765 stm32f767 stm32f768 stm32f769 stm32f777 stm32f778 stm32f779",
         .flash_max = 2048 * KIB, .banks = 2, .erased = 0xff, .org = {{"single bank (nDBANK)", {{4, 32 * KIB}, {1, 128 * KIB}, {7, 256 * KIB}}}, {"dual bank (nDBANK cleared)", {{4, 16 * KIB}, {1, 64 * KIB}, {7, 128 * KIB}, {4, 16 * KIB}, {1, 64 * KIB}, {7, 128 * KIB}}}, {"1 MB, dual bank (nDBANK cleared)", {{4, 16 * KIB}, {1, 64 * KIB}, {3, 128 * KIB}, {4, 16 * KIB}, {1, 64 * KIB}, {3, 128 * KIB}}}},
         .ram_start = 0x20004000, .ram_end = 0x20080000, .system_memory = 0x1ff00000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ff0f442, .option_bytes = 0x1fff0000, .otp = 0x1ff0f000, .otp_size = 1040, .otp_unit = 1),
    CHIP("stm32g03", "STM32G03x/04x", SF, MAP(FLASH(64), RAM(0x20002000)),
         .id = 0x466, .parts = "stm32g030 stm32g031 stm32g041",
         .flash_max = 64 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{32, 2 * KIB}}}},
         .ram_start = 0x20001000, .ram_end = 0x20002000, .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32g07", "STM32G07x/08x", SF, MAP(FLASH(128), RAM(0x20009000)),
         .id = 0x460, .parts = "stm32g070 stm32g071 stm32g081",
         .flash_max = 128 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{64, 2 * KIB}}}},
         .ram_start = 0x20002700, .ram_end = 0x20009000, .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32g05", "STM32G05x/06x", SF, MAP(FLASH(64), RAM(0x20004800)),
         .id = 0x456, .parts = "stm32g050 stm32g051 stm32g061",
         .flash_max = 64 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{32, 2 * KIB}}}},
         .ram_start = 0x20001000, .ram_end = 0x20004800, .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32g0b", "STM32G0Bx/0Cx", SF, MAP(FLASH(512), RAM(0x20024000)),
         .id = 0x467, .parts = "stm32g0b0 stm32g0b1 stm32g0c1",
         .flash_max = 512 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{256, 2 * KIB}}}},
         .ram_start = 0x20004000, .ram_end = 0x20020000, .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32g43", "STM32G43x/44x", SF, MAP(FLASH(128), RAM(0x20008000)),
         .id = 0x468, .parts = "stm32g431 stm32g441",
         .flash_max = 128 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{64, 2 * KIB}}}},
         .ram_start = 0x20004000, .ram_end = 0x20005800, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32g47", "STM32G47x/48x", SF, MAP(FLASH(512), RAM(0x20020000)),
         .id = 0x469, .parts = "stm32g471 stm32g473 stm32g474 stm32g483 stm32g484",
         .flash_max = 512 * KIB, .banks = 2, .erased = 0xff, .org = {{"dual bank", {{256, 2 * KIB}}}, {"single bank (DBANK cleared)", {{128, 4 * KIB}}}},
         .ram_start = 0x20004000, .ram_end = 0x20018000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32g49", "STM32G491/4A1", SF, MAP(FLASH(512), RAM(0x2001c000)),
         .id = 0x479, .parts = "stm32g491 stm32g4a1",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{256, 2 * KIB}}}},
         .ram_start = 0x20004000, .ram_end = 0x2001c000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32h74", "STM32H74x/75x", SF, MAP(FLASH(2048), RAM(0x20020000), {"AXI SRAM", 0x24000000, 0x24080000, RWX}, {"SRAM D2", 0x30000000, 0x30048000, RWX}),
         .id = 0x450, .parts = "stm32h742 stm32h743 stm32h745 stm32h747 stm32h750 stm32h753 stm32h755 stm32h757",
         .flash_max = 2048 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{16, 128 * KIB}}}},
         .ram_start = 0x20004100, .ram_end = 0x20020000, .system_memory = 0x1ff00000, .idcode_reg = ID_H7, .flash_size_reg = 0x1ff1e880, .option_bytes = 0x5200201c, .erase_sticks_from = 0x08100000),
    CHIP("stm32h72", "STM32H72x/73x", SF, MAP(FLASH(1024), RAM(0x20020000), {"AXI SRAM", 0x24000000, 0x24050000, RWX}),
         .id = 0x483, .parts = "stm32h723 stm32h725 stm32h730 stm32h733 stm32h735",
         .flash_max = 1024 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{8, 128 * KIB}}}},
         .ram_start = 0x20004100, .ram_end = 0x20020000, .system_memory = 0x1ff00000, .idcode_reg = ID_H7, .flash_size_reg = 0x1ff1e880, .option_bytes = 0x5200201c),
    CHIP("stm32h7a", "STM32H7Ax/7Bx", SF, MAP(FLASH(2048), RAM(0x20020000), {"AXI SRAM", 0x24000000, 0x24100000, RWX}),
         .id = 0x480, .parts = "stm32h7a3 stm32h7b0 stm32h7b3",
         .flash_max = 2048 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{256, 8 * KIB}}}},
         .ram_start = 0x20004100, .ram_end = 0x20020000, .system_memory = 0x1ff00000, .idcode_reg = ID_H7, .flash_size_reg = 0x08fff80c, .option_bytes = 0x5200201c, .otp = 0x08fff000, .otp_size = 1024, .otp_unit = 2),
    CHIP("stm32h7rs", "STM32H7Rx/7Sx", SF, MAP(FLASH(64), RAM(0x20030000), {"AXI SRAM", 0x24000000, 0x24072000, RWX}),
         .id = 0x485, .parts = "stm32h7r3 stm32h7r7 stm32h7s3 stm32h7s7",
         .flash_max = 64 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{8, 8 * KIB}}}},
         .ram_start = 0x20004100, .ram_end = 0x20020000, .system_memory = 0x1ff00000, .idcode_reg = ID_H7),
    CHIP("stm32h5", "STM32H562/563/573", SF, MAP(FLASH(2048), RAM(0x200a0000)),
         .id = 0x484, .parts = "stm32h562 stm32h563 stm32h573",
         .flash_max = 2048 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{256, 8 * KIB}}}},
         .system_memory = 0x0bf80000, .idcode_reg = ID_M33, .flash_size_reg = 0x08fff80c, .otp = 0x08fff000, .otp_size = 2048, .otp_unit = 2),
    CHIP("stm32h52", "STM32H523/533", PR, MAP(FLASH(512), RAM(0x20044000)),
         .id = 0x478, .parts = "stm32h523 stm32h533",
         .flash_max = 512 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{64, 8 * KIB}}}},
         .system_memory = 0x0bf80000, .idcode_reg = ID_M33, .flash_size_reg = 0x08fff80c, .otp = 0x08fff000, .otp_size = 2048, .otp_unit = 2),
    CHIP("stm32h503", "STM32H503", PR, MAP(FLASH(128), RAM(0x20008000)),
         .id = 0x474, .parts = "stm32h503",
         .flash_max = 128 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{16, 8 * KIB}}}},
         .idcode_reg = ID_M33, .flash_size_reg = 0x08fff80c, .otp = 0x08fff000, .otp_size = 2048, .otp_unit = 2),
    CHIP("stm32l01", "STM32L01x/02x", SF, MAP(FLASH(16), RAM(0x20000800)),
         .id = 0x457, .parts = "stm32l010?4 stm32l011 stm32l021",
         .flash_max = 16 * KIB, .banks = 1, .erased = 0x00, .org = {{"", {{128, 128}}}},
         .system_memory = 0x1ff00000, .idcode_reg = ID_M0, .flash_size_reg = 0x1ff8007c, .option_bytes = 0x1ff80000),
    CHIP("stm32l03", "STM32L03x/04x", SF, MAP(FLASH(32), RAM(0x20002000)),
         .id = 0x425, .parts = "stm32l010?6 stm32l031 stm32l041",
         .flash_max = 32 * KIB, .banks = 1, .erased = 0x00, .org = {{"", {{256, 128}}}},
         .ram_start = 0x20001000, .ram_end = 0x20002000, .system_memory = 0x1ff00000, .idcode_reg = ID_M0, .flash_size_reg = 0x1ff8007c, .option_bytes = 0x1ff80000),
    CHIP("stm32l05", "STM32L05x/06x", SF, MAP(FLASH(64), RAM(0x20002000)),
         .id = 0x417, .parts = "stm32l010?8 stm32l051 stm32l052 stm32l053 stm32l062 stm32l063",
         .flash_max = 64 * KIB, .banks = 1, .erased = 0x00, .org = {{"", {{512, 128}}}},
         .ram_start = 0x20001000, .ram_end = 0x20002000, .system_memory = 0x1ff00000, .idcode_reg = ID_M0, .flash_size_reg = 0x1ff8007c, .option_bytes = 0x1ff80000),
    CHIP("stm32l07", "STM32L07x/08x", SF, MAP(FLASH(192), RAM(0x20005000)),
         .id = 0x447, .parts = "stm32l010?b stm32l071 stm32l072 stm32l073 stm32l081 stm32l082 stm32l083",
         .flash_max = 192 * KIB, .banks = 1, .erased = 0x00, .org = {{"", {{1536, 128}}}},
         .ram_start = 0x20002000, .ram_end = 0x20005000, .system_memory = 0x1ff00000, .idcode_reg = ID_M0, .flash_size_reg = 0x1ff8007c, .option_bytes = 0x1ff80000),
    CHIP("stm32l1cat1", "STM32L1 category 1", SF, MAP(FLASH(128), RAM(0x20004000)),
         .id = 0x416, .parts = "stm32l100?6 stm32l100?8 stm32l100?b stm32l151?6 stm32l151?8 stm32l151?b stm32l152?6 stm32l152?8 stm32l152?b",
         .flash_max = 128 * KIB, .banks = 1, .erased = 0x00, .org = {{"", {{512, 256}}}},
         .ram_start = 0x20000800, .ram_end = 0x20004000, .system_memory = 0x1ff00000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ff8004c, .option_bytes = 0x1ff80000),
    CHIP("stm32l1cat2", "STM32L1 category 2", SF, MAP(FLASH(128), RAM(0x20008000)),
         .id = 0x429, .parts = "stm32l100?6??a stm32l100?8??a stm32l100?b??a stm32l151?6??a stm32l151?8??a stm32l151?b??a stm32l152?6??a stm32l152?8??a stm32l152?b??a",
         .flash_max = 128 * KIB, .banks = 1, .erased = 0x00, .org = {{"", {{512, 256}}}},
         .ram_start = 0x20001000, .ram_end = 0x20008000, .system_memory = 0x1ff00000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ff8004c, .option_bytes = 0x1ff80000),
    CHIP("stm32l1cat3", "STM32L1 category 3", SF, MAP(FLASH(256), RAM(0x20008000)),
         .id = 0x427, .parts = "stm32l100?c stm32l151?c stm32l152?c stm32l162?c",
         .flash_max = 256 * KIB, .banks = 1, .erased = 0x00, .org = {{"", {{1024, 256}}}},
         .ram_start = 0x20001000, .ram_end = 0x20008000, .system_memory = 0x1ff00000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ff800cc, .option_bytes = 0x1ff80000),
    CHIP("stm32l1cat4", "STM32L1 category 4", SF, MAP(FLASH(384), RAM(0x2000c000)),
         .id = 0x436, .parts = "stm32l151?d stm32l152?d stm32l162?d",
         .flash_max = 384 * KIB, .banks = 2, .erased = 0x00, .org = {{"", {{1536, 256}}}},
         .ram_start = 0x20001000, .ram_end = 0x2000c000, .system_memory = 0x1ff00000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ff800cc, .option_bytes = 0x1ff80000),
    CHIP("stm32l1cat5", "STM32L1 category 5", SF, MAP(FLASH(512), RAM(0x20014000)),
         .id = 0x437, .parts = "stm32l151?e stm32l152?e stm32l162?e",
         .flash_max = 512 * KIB, .banks = 2, .erased = 0x00, .org = {{"", {{2048, 256}}}},
         .ram_start = 0x20001000, .ram_end = 0x20014000, .system_memory = 0x1ff00000, .idcode_reg = ID_M3, .flash_size_reg = 0x1ff800cc, .option_bytes = 0x1ff80000),
    CHIP("stm32l41", "STM32L41x/42x", SF, MAP(FLASH(128), RAM(0x2000a000)),
         .id = 0x464, .parts = "stm32l412 stm32l422",
         .flash_max = 128 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{64, 2 * KIB}}}},
         .ram_start = 0x20003100, .ram_end = 0x20008000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32l43", "STM32L43x/44x", SF, MAP(FLASH(256), RAM(0x20010000)),
         .id = 0x435, .parts = "stm32l431 stm32l432 stm32l433 stm32l442 stm32l443",
         .flash_max = 256 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 2 * KIB}}}},
         .ram_start = 0x20003100, .ram_end = 0x2000c000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32l45", "STM32L45x/46x", SF, MAP(FLASH(512), RAM(0x20028000)),
         .id = 0x462, .parts = "stm32l451 stm32l452 stm32l462",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{256, 2 * KIB}}}},
         .ram_start = 0x20003100, .ram_end = 0x20020000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32l47", "STM32L47x/48x", SF, MAP(FLASH(1024), RAM(0x20018000), {"SRAM2", 0x10000000, 0x10008000, RWX}),
         .id = 0x415, .parts = "stm32l471 stm32l475 stm32l476 stm32l485 stm32l486",
         .flash_max = 1024 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{512, 2 * KIB}}}},
         .ram_start = 0x20003100, .ram_end = 0x20018000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32l49", "STM32L49x/4Ax", SF, MAP(FLASH(1024), RAM(0x20050000), {"SRAM2", 0x10000000, 0x10010000, RWX}),
         .id = 0x461, .parts = "stm32l496 stm32l4a6",
         .flash_max = 1024 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{512, 2 * KIB}}}},
         .ram_start = 0x20003100, .ram_end = 0x20040000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32l4r", "STM32L4Rx/4Sx", SF, MAP(FLASH(2048), RAM(0x200a0000)),
         .id = 0x470, .parts = "stm32l4r5 stm32l4r7 stm32l4r9 stm32l4s5 stm32l4s7 stm32l4s9",
         .flash_max = 2048 * KIB, .banks = 2, .erased = 0xff, .org = {{"dual bank", {{512, 4 * KIB}}}, {"single bank (DBANK cleared)", {{256, 8 * KIB}}}},
         .ram_start = 0x20003200, .ram_end = 0x200a0000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1ff00000, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32l4p", "STM32L4Px/4Qx", SF, MAP(FLASH(1024), RAM(0x20050000)),
         .id = 0x471, .parts = "stm32l4p5 stm32l4q5",
         .flash_max = 1024 * KIB, .banks = 2, .erased = 0xff, .org = {{"dual bank", {{256, 4 * KIB}}}, {"single bank (DBANK cleared)", {{128, 8 * KIB}}}},
         .ram_start = 0x20004000, .ram_end = 0x20050000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1ff00000, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32l5", "STM32L552/562", SF, MAP(FLASH(512), RAM(0x20040000)),
         .id = 0x472, .parts = "stm32l552 stm32l562",
         .flash_max = 512 * KIB, .banks = 2, .erased = 0xff, .org = {{"dual bank", {{256, 2 * KIB}}}, {"single bank (DBANK cleared)", {{128, 4 * KIB}}}},
         .ram_start = 0x20004000, .ram_end = 0x20040000, .system_memory = 0x0bf90000, .idcode_reg = ID_M33, .flash_size_reg = 0x0bfa05e0, .option_bytes = 0x40022040, .otp = 0x0bfa0000, .otp_size = 512, .otp_unit = 8),
    CHIP("stm32u53", "STM32U535/545", ST, MAP(FLASH(512)),
         .id = 0x455, .parts = "stm32u535 stm32u545",
         .flash_max = 512 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{64, 8 * KIB}}}},
         .system_memory = 0x0bf90000, .idcode_reg = ID_M33, .flash_size_reg = 0x0bfa07a0, .option_bytes = 0x40022040, .otp = 0x0bfa0000, .otp_size = 512, .otp_unit = 16),
    CHIP("stm32u57", "STM32U575/585", ST, MAP(FLASH(2048), RAM(0x200c0000)),
         .id = 0x482, .parts = "stm32u575 stm32u585",
         .flash_max = 2048 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{256, 8 * KIB}}}},
         .system_memory = 0x0bf90000, .idcode_reg = ID_M33, .flash_size_reg = 0x0bfa07a0, .option_bytes = 0x40022040, .otp = 0x0bfa0000, .otp_size = 512, .otp_unit = 16),
    CHIP("stm32u59", "STM32U59x/5Ax", ST, MAP(FLASH(4096), RAM(0x20270000)),
         .id = 0x481, .parts = "stm32u595 stm32u599 stm32u5a5 stm32u5a9",
         .flash_max = 4096 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{512, 8 * KIB}}}},
         .system_memory = 0x0bf90000, .idcode_reg = ID_M33, .flash_size_reg = 0x0bfa07a0, .option_bytes = 0x40022040, .otp = 0x0bfa0000, .otp_size = 512, .otp_unit = 16),
    CHIP("stm32u5f", "STM32U5Fx/5Gx", ST, MAP(FLASH(4096), RAM(0x202f0000)),
         .id = 0x476, .parts = "stm32u5f7 stm32u5f9 stm32u5g7 stm32u5g9",
         .flash_max = 4096 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{512, 8 * KIB}}}},
         .system_memory = 0x0bf90000, .idcode_reg = ID_M33, .flash_size_reg = 0x0bfa07a0, .option_bytes = 0x40022040, .otp = 0x0bfa0000, .otp_size = 512, .otp_unit = 16),
    CHIP("stm32c01", "STM32C011", ST, MAP(FLASH(32), RAM(0x20001800)),
         .id = 0x443, .parts = "stm32c011",
         .flash_max = 32 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{16, 2 * KIB}}}},
         .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .flash_size_reg = 0x1fff75a0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32c03", "STM32C031", ST, MAP(FLASH(32), RAM(0x20003000)),
         .id = 0x453, .parts = "stm32c031",
         .flash_max = 32 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{16, 2 * KIB}}}},
         .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .flash_size_reg = 0x1fff75a0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32c05", "STM32C051", ST, MAP(FLASH(64)),
         .id = 0x44c, .parts = "stm32c051",
         .flash_max = 64 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{32, 2 * KIB}}}},
         .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .flash_size_reg = 0x1fff75a0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32c07", "STM32C071", ST, MAP(FLASH(128), RAM(0x20006000)),
         .id = 0x493, .parts = "stm32c071",
         .flash_max = 128 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{64, 2 * KIB}}}},
         .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .flash_size_reg = 0x1fff75a0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32c09", "STM32C091/092", ST, MAP(FLASH(256)),
         .id = 0x44d, .parts = "stm32c091 stm32c092",
         .flash_max = 256 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 2 * KIB}}}},
         .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .flash_size_reg = 0x1fff75a0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32u03", "STM32U031", ST, MAP(FLASH(64), RAM(0x20003000)),
         .id = 0x459, .parts = "stm32u031",
         .flash_max = 64 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{32, 2 * KIB}}}},
         .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .otp = 0x1fff6800, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32u07", "STM32U073/083", ST, MAP(FLASH(256), RAM(0x2000a000)),
         .id = 0x489, .parts = "stm32u073 stm32u083",
         .flash_max = 256 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 2 * KIB}}}},
         .system_memory = 0x1fff0000, .idcode_reg = ID_M0, .otp = 0x1fff6800, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32wb5", "STM32WB50/55", ST, MAP(FLASH(1024), RAM(0x20040000)),
         .id = 0x495, .parts = "stm32wb50 stm32wb55 stm32wb5m",
         .flash_max = 1024 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{256, 4 * KIB}}}},
         .ram_start = 0x20005000, .ram_end = 0x20040000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32wb3", "STM32WB30/35", ST, MAP(FLASH(512), RAM(0x20018000)),
         .id = 0x496, .parts = "stm32wb30 stm32wb35",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 4 * KIB}}}},
         .ram_start = 0x20005000, .ram_end = 0x20018000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32wb1", "STM32WB10/15", PR, MAP(FLASH(320), RAM(0x20003000)),
         .id = 0x494, .parts = "stm32wb10 stm32wb15 stm32wb1m",
         .flash_max = 320 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{160, 2 * KIB}}}},
         .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32wl", "STM32WLE5/WL55", SF, MAP(FLASH(256), RAM(0x20010000)),
         .id = 0x497, .parts = "stm32wle4 stm32wle5 stm32wl54 stm32wl55 stm32wl5m",
         .flash_max = 256 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 2 * KIB}}}},
         .ram_start = 0x20002000, .ram_end = 0x20010000, .system_memory = 0x1fff0000, .idcode_reg = ID_M3, .flash_size_reg = 0x1fff75e0, .option_bytes = 0x1fff7800, .otp = 0x1fff7000, .otp_size = 1024, .otp_unit = 8),
    CHIP("stm32wba5", "STM32WBA5x", ST, MAP(FLASH(1024), RAM(0x20020000)),
         .id = 0x492, .parts = "stm32wba50 stm32wba52 stm32wba54 stm32wba55 stm32wba5m",
         .flash_max = 1024 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 8 * KIB}}}},
         .idcode_reg = ID_M33, .otp = 0x0bf90000, .otp_size = 512, .otp_unit = 16),
    CHIP("stm32wba6", "STM32WBA6x", ST, MAP(FLASH(2048)),
         .id = 0x4b0, .parts = "stm32wba62 stm32wba63 stm32wba64 stm32wba65 stm32wba6m",
         .flash_max = 2048 * KIB, .banks = 2, .erased = 0xff, .org = {{"", {{256, 8 * KIB}}}},
         .idcode_reg = ID_M33, .otp = 0x0bfa0000, .otp_size = 512, .otp_unit = 16),
    CHIP("stm32wba2", "STM32WBA2x", ST, MAP(FLASH(512)),
         .id = 0x4b2, .parts = "stm32wba23 stm32wba25",
         .flash_max = 512 * KIB, .banks = 1, .erased = 0xff, .org = {{"", {{128, 4 * KIB}}}},
         .idcode_reg = ID_M33, .otp = 0x0bf8d000, .otp_size = 512, .otp_unit = 16),
    {.name = NULL},
};
/* clang-format on */

const struct kiln_chip *kiln_stm32_at(size_t index)
{
    return index < KILN_ARRAY_LEN(kiln_chip_rows_stm32) - 1 ? &kiln_chip_rows_stm32[index] : NULL;
}

const uint32_t kiln_stm32_idcode_registers[] = {ID_M3, ID_M0, ID_H7, ID_M33, 0};

const struct kiln_chip *kiln_stm32_by_id(uint16_t dev_id)
{
    const struct kiln_chip *chip;

    for (size_t i = 0; (chip = kiln_stm32_at(i)) != NULL; i++)
        if (chip->stm32->id == dev_id)
            return chip;
    return NULL;
}

uint32_t kiln_stm32_page_at(const struct kiln_stm32_org *org, uint64_t offset)
{
    uint64_t at = 0;

    for (size_t i = 0; i < KILN_STM32_RUN_MAX && org->run[i].count > 0; i++) {
        uint64_t end = at + (uint64_t)org->run[i].count * org->run[i].size;

        if (offset < end)
            return (offset - at) % org->run[i].size == 0 ? org->run[i].size : 0;
        at = end;
    }
    return 0;
}

/* ---- names ---- */

#define NAME_MAX_LEN 40

/* Lower case, without '-' and '_'. */
static bool normalise(const char *name, char out[NAME_MAX_LEN])
{
    size_t n = 0;

    for (; *name != '\0'; name++) {
        if (*name == '-' || *name == '_')
            continue;
        if (n + 1 == NAME_MAX_LEN)
            return false;
        out[n++] = (char)(*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name);
    }
    out[n] = '\0';
    return n > 0;
}

enum fit { FIT_NO, FIT_BEGINNING, FIT_WHOLE };

/* Does `name` fit one pattern of `len` characters: as a whole (it may go on), or does it end before? */
static enum fit fit_pattern(const char *name, const char *pattern, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '\0')
            return FIT_BEGINNING;
        if (pattern[i] != '?' && pattern[i] != name[i])
            return FIT_NO;
    }
    return FIT_WHOLE;
}

/* *out_len: the length of the longest pattern that fits as a whole, 0 if none does. */
static enum fit fit_row(const char *name, const struct kiln_chip *chip, size_t *out_len)
{
    const char *p = chip->stm32->parts;
    enum fit best = FIT_NO;

    *out_len = 0;
    while (*p != '\0') {
        size_t len = strcspn(p, " ");
        enum fit fit = fit_pattern(name, p, len);

        best = KILN_MAX(best, fit);
        if (fit == FIT_WHOLE)
            *out_len = KILN_MAX(*out_len, len);
        p += len;
        p += *p == ' ';
    }
    return best;
}

/* What fits as a whole goes before what only begins so, and of several the longest pattern: "stm32l151?8??a" is
 * another chip than "stm32l151?8". */
const struct kiln_chip *kiln_stm32_find(const char *name)
{
    const struct kiln_chip *whole = NULL, *beginning = NULL;
    const struct kiln_chip *chip;
    size_t longest = 0, beginnings = 0;
    char wanted[NAME_MAX_LEN];

    if (!normalise(name, wanted))
        return NULL;
    for (size_t i = 0; (chip = kiln_stm32_at(i)) != NULL; i++) {
        size_t len;
        enum fit fit;

        if (strcmp(wanted, chip->name) == 0)
            return chip;
        fit = fit_row(wanted, chip, &len);
        if (fit == FIT_WHOLE && len >= longest) {
            whole = len > longest ? chip : NULL; /* two of one length: neither */
            longest = len;
        }
        if (fit == FIT_BEGINNING) {
            beginning = chip;
            beginnings++;
        }
    }
    if (longest > 0)
        return whole;
    return beginnings == 1 ? beginning : NULL;
}
