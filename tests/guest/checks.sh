#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs in the guest: checks.sh BUILD_FOLDER. Each check prints a line; the exit status is 1 if one failed.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
sim=$1/kiln-sim-usbip
kiln=$1/kiln
failed=0
mkdir -p /run/checks && cd /run/checks || exit 1
head -c 5001 /dev/urandom >image.bin

# check NAME COMMAND...: its output is shown if it fails.
check() {
    name=$1
    shift
    start=$(cut -d' ' -f1 /proc/uptime)
    if "$@" >log 2>&1; then
        result=ok
    else
        result="FAILED ($?)"
        failed=1
    fi
    awk -v n="$name" -v r="$result" -v a="$start" -v b="$(cut -d' ' -f1 /proc/uptime)" \
        'BEGIN { printf "guest: %-52s %-12s %5.1f s\n", n, r, b - a }'
    [ "$result" = ok ] || tail -30 log
}

listed() {
    timeout 30 "$sim" "$1" -- dfu-util -l >list 2>&1
    cat list
    grep -q "alt=0, name=\"$2" list
}

# In one go: the flash file carries the contents from one appearance of the board to the next.
dfu_util_round() {
    rm -f flash.bin back.bin
    timeout 60 "$sim" "$1?flash=flash.bin" -- dfu-util -a 0 -s 0x08000000:leave -D image.bin || return 1
    timeout 60 "$sim" "$1?flash=flash.bin" -- dfu-util -a 0 -s 0x08000000:5001 -U back.bin || return 1
    cmp image.bin back.bin
}

detached() {
    rm -f flash.bin
    timeout 60 "$sim" "dfu11?flash=flash.bin" -- dfu-util -E 2 -d 1209:0001,1209:0002 -D image.bin
    cmp -n 5001 image.bin flash.bin
}

flash="@Internal Flash  /0x08000000/04\\*016Kg,01\\*064Kg,07\\*128Kg\""
check "dfu-util -l, stm32f405" listed stm32f405 "$flash"
check "dfu-util -l, stm32f429 (short string)" listed stm32f429 "$flash"
check "dfu-util -l, stm32f429 (rubbish behind)" listed 'stm32f429?variant=rubbish-string' "@Internal Flash"
check "dfu-util -l, dfu11" listed dfu11 UNKNOWN
check "dfu-util write, leave, read, stm32f405" dfu_util_round stm32f405
check "dfu-util write, leave, read, stm32f429" dfu_util_round stm32f429
check "dfu-util detach and write, dfu11" detached

kiln_flash() {
    rm -f flash.bin back.bin
    timeout 60 "$sim" "$1?flash=flash.bin" -- "$kiln" flash --force image.bin@0x08000000 || return 1
    cmp -n 5001 image.bin flash.bin || return 1
    timeout 60 "$sim" "$1?flash=flash.bin" -- dfu-util -a 0 -s 0x08000000:5001 -U back.bin || return 1
    cmp image.bin back.bin
}
check "kiln flash, dfu-util reads it back, stm32f405" kiln_flash stm32f405
check "kiln flash, dfu-util reads it back, stm32f429" kiln_flash stm32f429

# ---- the same boards behind the xHCI host controller, each on its port ----

while read -r module; do
    busybox insmod "/run/modules/$module" || failed=1
done </run/modules/order
bus=0
for hub in /sys/bus/pci/drivers/xhci_hcd/*/usb*; do
    [ "$(tr -d ' ' <"$hub/version")" = 2.00 ] && bus=$(cat "$hub/busnum")
done
ln -sf "$kiln" dfu-util
ours=$PWD/dfu-util

all_there() {
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        udevadm settle 2>/dev/null
        found=$(dfu-util -l 2>/dev/null | sed -n 's/.*path="\([^"]*\)".*/\1/p' | sort -u | grep -c "^$bus-")
        [ "$found" = 15 ] && break
        sleep 0.5
    done
    dfu-util -l >theirs 2>&1
    "$ours" -l >list 2>&1
    grep Found theirs | sort >theirs.found
    grep Found list | sort >list.found
    cat theirs
    [ "$found" = 15 ] && diff theirs.found list.found
}

# xhci PORT ADDRESS: kiln writes, dfu-util reads it; then the other way round, at once
xhci() {
    rm -f back.bin
    timeout 60 "$ours" -p "$bus-$1" -a 0 -s "$2" -D image.bin || return 1
    timeout 60 "${3:-dfu-util}" -p "$bus-$1" -a 0 -s "$2:5001" -U back.bin || return 1
    cmp image.bin back.bin || return 1
    [ $# = 3 ] && return 0
    head -c 3333 /dev/urandom >second.bin
    rm -f back.bin
    timeout 60 dfu-util -p "$bus-$1" -a 0 -s "$2" -D second.bin || return 1
    timeout 60 "$ours" -p "$bus-$1" -a 0 -s "$2:3333" -U back.bin || return 1
    cmp second.bin back.bin
}

left() {
    timeout 60 "$ours" -p "$bus-1" -a 0 -s 0x08000000:leave -D image.bin || return 1
    sleep 0.3
    ! dfu-util -l | grep "path=\"$bus-1\""
}

# 74, a word about it from kiln, and the device is gone
unplugged() {
    status=0
    timeout 60 "$1" -p "$bus-$2" -a 0 -s 0x08000000 -D image.bin >out 2>&1 || status=$?
    cat out
    [ $status = 74 ] || return 1
    [ "$1" = dfu-util ] || grep -q 'unplug\|has left\|gone' out || return 1
    ! dfu-util -l | grep "path=\"$bus-$2\""
}

plain() {
    rm -f back.bin
    timeout 60 "$ours" -p "$bus-$1" "$2" "$3" -D image.bin
}

check "xHCI: 15 boards, the same lists" all_there
check "xHCI: both write and read, stm32f405" xhci 1 0x08000000
check "xHCI: both write and read, stm32f429 (short string)" xhci 2 0x08008000
check "xHCI: dfu-util, unplugged in mid-write" unplugged dfu-util 3
check "xHCI: kiln, unplugged in mid-write" unplugged "$ours" 4
check "xHCI: both write and read, stm32f072" xhci 5 0x08000800
check "xHCI: both write and read, stm32f103" xhci 6 0x08003000
check "xHCI: both write and read, stm32f746" xhci 7 0x08000000
check "xHCI: both write and read, stm32g0c1" xhci 8 0x08000000
check "xHCI: both write and read, stm32h743" xhci 9 0x08020000
check "xHCI: both write and read, stm32l452" xhci 10 0x08000000
check "xHCI: kiln writes and reads, stm32u575" xhci 11 0x08000000 "$ours"
check "xHCI: both write and read, gd32vf103" xhci 12 0x08000000
check "xHCI: both write and read, stm32f429 (rubbish behind)" xhci 15 0x08000000
check "xHCI: kiln writes, maple" plain 13 -a 2
check "xHCI: kiln detaches and writes, dfu11" plain 14 -d 1209:0001,1209:0002
check "xHCI: written and left, stm32f405" left
exit $failed
