#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_tool.sh KILN_SIM_USB KILN: every command that docs/dfu-util.md gives in the place of one of dfu-tool's, on a simulated
# board; what the changing ones leave is looked at.
. "$(dirname "$0")/on_boards.sh"
mkdir bin
ln -s "$kiln" bin/kiln
PATH=$tmp/bin:$PATH
sed -n '/<!-- dfu-tool -->/,/<!-- \/dfu-tool -->/s/^| .* | `\(kiln.*\)` |$/\1/p' "$tools/../../docs/dfu-util.md" >commands
[ "$(wc -l <commands)" -ge 16 ] || fail "the table is not there"

# fresh: the files that the commands name, and a board
fresh() {
    rm -f ./*.bin ./*.dfu ./*.hex
    head -c 5000 /dev/urandom >firmware.bin
    head -c 300 /dev/urandom >other.bin
    head -c 1048576 /dev/zero | tr '\0' '\377' >flash.bin
    kiln image convert -q firmware.bin --raw -a 0x08000000 -o firmware.dfu
    kiln image convert -q firmware.bin --raw -a 0x08000000 -o firmware.hex
    kiln image convert -q other.bin --raw -a 0x08008000 -o other.dfu
    cp firmware.bin before.bin
}
while read -r command; do
    fresh
    case $command in *--watch) command="$command --duration 1" ;; esac
    on 'stm32f405?flash=flash.bin' 0 sh -c "$command"
    case $command in
    *"kiln flash"*) cmp -n 5000 before.bin flash.bin || fail "$command: not in flash" ;;
    *back.bin) [ "$(wc -c <back.bin)" = 1048576 ] || fail "$command: size" ;;
    *options.bin) [ "$(wc -c <options.bin)" = 16 ] || fail "$command: size" ;;
    *"-o new.dfu") dfu-suffix -c new.dfu | grep -q 'BCD DFU:.*0x011A' || fail "$command: no DfuSe file" ;;
    *"-o new.bin") cmp before.bin new.bin || fail "$command: other bytes" ;;
    *"-o all.dfu") kiln image info all.dfu | grep -q 0x08008000 || fail "$command: second part" ;;
    *"-o moved.dfu") kiln image info moved.dfu | grep -q 0x08004000 || fail "$command: address" ;;
    *"-a firmware.bin") dfu-suffix -c firmware.bin | grep -q 'Vendor ID:.*0x1234' || fail "$command: ids" ;;
    *"-a firmware.dfu") dfu-suffix -c firmware.dfu | grep -q 'Product ID:.*0x5678' || fail "$command: ids" ;;
    esac
done <commands
echo ok
