#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_compat.sh KILN_SIM_USB KILN: kiln under the names dfu-util and pydfu beside Debian's dfu-util on simulated boards:
# the same list, the same flash contents, the same exit statuses but where Kiln does better on purpose. 77 (skipped)
# without dfu-util.
. "$(dirname "$0")/on_boards.sh"
command -v dfu-util >/dev/null || exit 77
ln -s "$kiln" dfu-util
ln -s "$kiln" pydfu
ours=$tmp/dfu-util

head -c 3001 /dev/urandom >odd.bin
head -c 5000 /dev/urandom >two.bin
"$kiln" image merge -q -o elements.dfu odd.bin@0x08000000 two.bin@0x08008000

# Lists: the same lines.
for board in stm32f405 stm32f429 stm32f072 stm32f103 stm32f746 stm32g0c1 stm32h743 stm32l452 stm32u575 maple dfu11; do
    on $board 0 dfu-util -l
    grep Found log >theirs || fail "$board: nothing found"
    on $board 0 "$ours" -l
    grep Found log >list || fail "$board: kiln finds nothing"
    diff theirs list || fail "$board: other lists"
done

# One write and what it leaves: raw at an address, at an offset with an odd length, a DfuSe file with two elements.
for words in "-a 0 -s 0x08000000 -D odd.bin" "-a 0 -s 0x08004000:leave -D two.bin" "-D elements.dfu"; do
    rm -f theirs.bin ours.bin
    on 'stm32f405?flash=theirs.bin' 0 dfu-util $words
    on 'stm32f405?flash=ours.bin' 0 "$ours" $words
    said 'File downloaded successfully'
    cmp theirs.bin ours.bin || fail "$words: other flash contents"
done

# Each reads the other's.
on 'stm32f405?flash=ours.bin' 0 dfu-util -a 0 -s 0x08000000:3001 -U theirs.back
on 'stm32f405?flash=theirs.bin' 0 "$ours" -a 0 -s 0x08000000:3001 -U ours.back
cmp theirs.back ours.back || fail "other bytes read"
on 'stm32f405?flash=ours.bin' 73 "$ours" -a 0 -s 0x08000000:3001 -U ours.back
rm -f theirs.back ours.back
# Without a length: to the end of the run of equal pages; without an address: 16 KB.
for words in "-s 0x08000000" ""; do
    on 'stm32f405?flash=ours.bin' 0 dfu-util -a 0 $words -U theirs.back
    on 'stm32f405?flash=ours.bin' 0 "$ours" -a 0 $words -U ours.back
    cmp theirs.back ours.back || fail "$words: other bytes read"
    rm -f theirs.back ours.back
done

# Exit statuses on other boards; dfu_words.sh holds the command lines.
same_status() {
    status_board=$1 status=0
    shift
    timeout 60 "$sim" "$status_board" -- dfu-util "$@" >log 2>&1 || status=$?
    on "$status_board" $status "$ours" "$@"
}
same_status maple -D odd.bin
same_status dfu11 -e
same_status 'stm32f405?unplug=3' -a 0 -s 0x08000000 -D odd.bin

# What dfu-util cannot: -a left out, standard input, an answer without dfuDNBUSY, a device that leaves, an ELF file.
rm -f flash.bin
on 'stm32f405?flash=flash.bin' 0 "$ours" -s 0x08000000:leave:fast -D odd.bin
cmp -n 3001 odd.bin flash.bin || fail "without -a"
on 'stm32f405?flash=flash.bin' 0 sh -c 'cat two.bin | "$0" -w -t 1024 -v -s 0x08000000 -D -' "$ours"
cmp -n 5000 two.bin flash.bin || fail "standard input"
on 'stm32f405?flash=flash.bin' 0 "$ours" -a 0 -s 0x08000000:mass-erase:force -D odd.bin
head -c 32768 /dev/zero | tr '\0' '\377' >blank.bin
cmp -n 5000 -i 0:32768 blank.bin flash.bin || fail "mass erase"
on stm32u575 0 "$ours" -s 0x08000000:leave -D odd.bin
rm -f flash.bin
on 'dfu11?flash=flash.bin' 0 "$ours" -d 1209:0001,1209:0002 -R -D odd.bin
said 'Done!'
cmp -n 3001 odd.bin flash.bin || fail "dfu11"
on 'maple' 0 "$ours" -a 2 -D odd.bin
on stm32f405 0 sh -c '"$0" -s 0x08000000:leave -D odd.bin && sleep 0.2 && "$0" -l' "$ours"
! grep -q 'Found DFU' log || fail "still there after leave"

# pydfu
rm -f flash.bin
on 'stm32f405?flash=flash.bin' 0 ./pydfu -m -u elements.dfu
cmp -n 3001 odd.bin flash.bin && cmp -n 5000 -i 0:32768 two.bin flash.bin || fail "pydfu -u"
on stm32f405 0 ./pydfu -l
said 'ID 0483:df11'
said '0x8000000  4 pages of  16K bytes'
on stm32f405 0 ./pydfu --vid 0x0483 --pid 0xdf11 -x
on stm32f405 1 ./pydfu --vid 0x1234 -x
on stm32f405 1 ./pydfu -u odd.bin
echo ok
