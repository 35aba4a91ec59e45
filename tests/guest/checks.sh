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
exit $failed
