#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_odd.sh KILN_SIM_USB KILN: devices that leave out a part of the protocol, through the real libusb.
. "$(dirname "$0")/on_boards.sh"
first=$examples/stm32f405-v1.bin
second=$examples/stm32f405-v2.bin
head -c 20481 /dev/urandom >random.bin

held() { cmp -n "$(wc -c <"$1")" "$1" flash.bin || fail "$2: other flash contents"; }

# Block numbers that mean nothing: first write, small change, nothing to do, random data, reading, and dfu-util's words.
board='stm32f405?variant=same-block&flash=flash.bin'
rm -f flash.bin
on "$board" 0 "$kiln" flash "$first"
said 'writing this part again'
held "$first" "first write"
on "$board" 0 "$kiln" flash -v "$second"
said 'ignores block numbers'
held "$second" "small change"
on "$board" 0 "$kiln" flash "$second"
said 'nothing to write'
on "$board" 0 "$kiln" flash --force random.bin@0x08000000
held random.bin "random data"
on "$board" 0 "$kiln" read -a 0x08000000 -s 20481 back.bin
cmp random.bin back.bin || fail "reading"
on "$board" 0 "$kiln" dfu-util -a 0 -s 0x08000000:leave -D "$first"
held "$first" "kiln dfu-util"

# No answer to SET_INTERFACE.
board='stm32f405?variant=hang-alt&flash=flash.bin'
rm -f flash.bin
on "$board" 0 "$kiln" flash "$first"
said 'setting 0 is chosen'
held "$first" "hang-alt"
on "$board" 9 "$kiln" read --region "Option Bytes" options.bin
said 'does not take alternate setting 1'

# Interface protocol 0 in DFU mode: it is not detached.
rm -f flash.bin
on 'jabra?flash=flash.bin' 0 "$kiln" list
said 'alt 0  DFU'
on 'jabra?flash=flash.bin' 0 "$kiln" flash --force random.bin
held random.bin jabra
echo ok
