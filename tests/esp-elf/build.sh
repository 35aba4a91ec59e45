#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the ELF files of this folder with Debian's gcc-xtensa-lx106 and gcc-riscv64-unknown-elf. They are
# committed because the SHA-256 sums in tests/unit/test_esp_image.c are of images of exactly these files.
set -e
cd "$(dirname "$0")"
xtensa() {
    xtensa-lx106-elf-gcc -nostdlib -ffreestanding -Os -s -Wl,-z,max-page-size=16 -mlongcalls -mtext-section-literals "$@"
}
riscv() {
    riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 -nostdlib -ffreestanding -Os -s -Wl,-z,max-page-size=16 -Wl,--build-id=none "$@"
}
memories() {
    echo "-T flash.ld -Wl,--defsym=DROM=$1,--defsym=IROM=$2,--defsym=IRAM=$3,--defsym=DRAM=$4"
}
xtensa -DMMU_PAGE_LOG2=0 -T 8266.ld program.c -o esp8266.elf
xtensa -DMMU_PAGE_LOG2=0 $(memories 0x3f400000 0x400d0000 0x40080000 0x3ffb0000) program.c -o esp32.elf
riscv -DMMU_PAGE_LOG2=16 $(memories 0x3c000000 0x42010000 0x40380000 0x3fc90000) program.c -o esp32c3.elf
riscv -DMMU_PAGE_LOG2=15 $(memories 0x42000000 0x42010000 0x40800000 0x40820000) program.c -o esp32c6.elf
