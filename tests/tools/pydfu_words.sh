#!/bin/sh
# SPDX-License-Identifier: MIT
# pydfu_words.sh KILN_SIM_USB KILN [PYDFU.PY]: command lines of MicroPython's pydfu.py given to kiln as pydfu on simulated
# boards: the exit status and what is in flash afterwards. With PYDFU.PY (tools/pydfu.py of MicroPython; it wants python3-usb)
# that gets them too and is held to the same table; it was last at MicroPython's commit 1c3c201149.
. "$(dirname "$0")/on_boards.sh"
pydfu=${3:-}
ln -s "$kiln" pydfu
head -c 3001 /dev/urandom >odd.bin
head -c 5000 /dev/urandom >two.bin
"$kiln" image merge -q -o elements.dfu odd.bin@0x08000000 two.bin@0x08008000
head -c 1048576 /dev/urandom >before.bin
head -c 6000 elements.dfu >cut.dfu
{ head -c 2000 elements.dfu; printf x; tail -c +2002 elements.dfu; } >crc.dfu
printf 'DfuSe' >head.dfu
: >empty.dfu

bad=0
complain() { bad=$((bad + 1)); echo "FAIL: $*"; tail -n 3 log; }

# one STATUS FLASH-AFTERWARDS PROGRAM...
one() {
    want=$1 after=$2 status=0
    shift 2
    cp before.bin flash.bin
    timeout 60 "$sim" $boards -- "$@" >log 2>&1 </dev/null || status=$?
    [ $status = "$want" ] || complain "$boards: $*: exit status $status, not $want"
    cp flash.bin "$after"
}

# try BOARDS STATUS-OF-PYDFU.PY STATUS-OF-KILN WORDS...
try() {
    boards=$1 theirs=$2 ours=$3
    shift 3
    one "$ours" ours.bin "$tmp/pydfu" "$@"
    [ -n "$pydfu" ] || return 0
    one "$theirs" theirs.bin /usr/bin/python3 "$pydfu" "$@"
    case $boards in *unplug*) return 0 ;; esac # it goes at another command
    cmp -s theirs.bin ours.bin || complain "$boards: $*: other flash contents"
}

f405='stm32f405?flash=flash.bin'
try "$f405" 0 0 -l
try "$f405" 0 0 --list --vid 0x0483
try "$f405" 1 1 -l --vid 0x1234
try "$f405" 0 0 -m
try "$f405" 0 0 -x
try "$f405" 0 0 -m -x
try "$f405" 0 0 -u elements.dfu
try "$f405" 0 0 -m -u elements.dfu
try "$f405" 0 0 -v -u elements.dfu
try "$f405" 1 0 -u elements.dfu -x # pydfu.py leaves twice
try "$f405" 1 1 -u odd.bin
try "$f405" 1 1 -u nofile.dfu
try "$f405" 0 1 -u crc.dfu # nothing is written
try "$f405" 1 1 -u cut.dfu
try "$f405" 1 1 -u head.dfu
try "$f405" 1 1 -u empty.dfu
try "$f405" 0 0
try "$f405" 0 0 --vid 0x0483 --pid 0xdf11 -x
try "$f405" 0 0 --vid 1155 -x
try "$f405" 2 2 --vid 0483 -x
try "$f405" 2 2 --vid zz -x
try "$f405" 1 1 --vid 0x0483 --pid 1 -x
try "$f405" 2 0 -p 0xdf11 -x # short for --pid here
try "$f405" 2 2 --nonsense
try "$f405" 2 2 extra
try "$f405" 2 2 -u
try "$f405" 0 0 -h
try "$f405 stm32f429" 1 1 -x
try "$f405 stm32f429" 0 0 -l
try 'stm32f429?flash=flash.bin' 0 0 -u elements.dfu
try 'stm32f405?flash=flash.bin&variant=rdp1' 1 1 -u elements.dfu
try 'stm32f405?flash=flash.bin&unplug=20' 1 1 -u elements.dfu
[ $bad = 0 ] || exit 1
echo ok
