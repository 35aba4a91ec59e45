#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_octopus.sh KILN_SIM_USB KILN: the report of the Octopus Pro's owners. The board starts in dfuERROR, its flash string is cut
# short, klipper.bin is linked behind a boot loader: `kiln flash klipper.bin` writes it where it belongs, says why, and leaves
# the boot loader in the first 32 KB (128 KB on the H7) as it was.
. "$(dirname "$0")/on_boards.sh"
example=$examples/stm32f405-offset.bin

# image LINKED_AT: a vector table, and functions at uneven distances that its handlers point to
image() {
    python3 - "$1" <<'EOF'
import struct, sys
base = int(sys.argv[1])
body = bytearray(b'\x00\x20' * 15000 + b'k')
struct.pack_into('<I', body, 0, 0x20020000)
at = 0x140
for i in range(1, 60):
    struct.pack_into('<H', body, at, 0xb510)
    struct.pack_into('<I', body, 4 * i, base + at + 1)
    at += 40 + i * i % 37 * 4
    struct.pack_into('<H', body, at - 2, 0xbd10)
sys.stdout.buffer.write(body)
EOF
}

head -c 131072 /dev/urandom >bootloader.bin

# octopus BOARD OFFSET
octopus() {
    image $((0x08000000 + $2)) >klipper.bin
    try "$1" "$2"
}

# try BOARD OFFSET: klipper.bin
try() {
    board=$1 offset=$2
    cp bootloader.bin flash.bin
    case $board in *\?*) knob="$board&flash=flash.bin" ;; *) knob="$board?flash=flash.bin" ;; esac
    timeout 60 "$sim" "$knob" -- "$kiln" flash klipper.bin >log 2>&1 || fail "$board: exit status $?"
    cmp -n "$offset" bootloader.bin flash.bin || fail "$board: the boot loader was touched"
    cmp -i 0:"$offset" -n "$(wc -c <klipper.bin)" klipper.bin flash.bin || fail "$board: klipper.bin is not in flash"
    grep -qi 'linked' log && grep -qi "0x0*$(printf %x $((0x08000000 + offset)))" log || fail "$board: the offset is not explained"
}
cp "$example" klipper.bin # a real build, made for 0x08008000
try stm32f429 32768
octopus stm32f429 32768
octopus 'stm32f429?variant=rubbish-string' 32768
octopus 'stm32f429?variant=2mb' 32768
octopus stm32f405 32768
octopus stm32f446 32768
octopus stm32h723 131072
echo ok
