#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_util.sh KILN_SIM_USB KILN: Debian's dfu-util and lsusb against the simulated DFU devices, through umockdev.
# Fails when the model or the front does not do what these programs need. 77 (skipped) without dfu-util.
. "$(dirname "$0")/on_boards.sh"
command -v dfu-util >/dev/null && command -v lsusb >/dev/null || exit 77

# run BOARD COMMAND...: its output in log
run() {
    run_board=$1
    shift
    timeout 40 "$sim" "$run_board" -- "$@" >log 2>&1
}

head -c 3001 /dev/urandom >image.bin

# All boards in one list: 12 flash alternates, each with its string; lsusb finds all DFU descriptors.
boards="stm32f405 stm32f429 stm32f429?variant=rubbish-string stm32f429?variant=2mb stm32f072 stm32f103
    stm32f746 stm32g0c1 stm32h743 stm32l452 stm32u575 gd32vf103"
timeout 40 "$sim" $boards -- dfu-util -l >log 2>&1 || fail list
[ "$(grep -c 'alt=0, name="@Internal Flash' log)" = 12 ] || fail "flash alternates in the list"
timeout 40 "$sim" $boards -- lsusb -v >log 2>&1 || fail lsusb
[ "$(grep -c 'bcdDFUVersion *1.1a' log)" = 12 ] || fail "DFU descriptors shown by lsusb"

# Write with leave, then read back in a second run: byte-equal, odd length. In parallel: it is all waiting.
write_and_read() {
    mkdir "$1" && cd "$1"
    run "$1?flash=flash.bin" dfu-util -a 0 -s 0x08000000:leave -D ../image.bin || fail "$1: write"
    run "$1?flash=flash.bin" dfu-util -a 0 -s 0x08000000:3001 -U back.bin || fail "$1: read"
    cmp ../image.bin back.bin || fail "$1: read back differs"
    cmp -n 3001 ../image.bin flash.bin || fail "$1: flash differs"
}
jobs=
for board in stm32f405 stm32f429 stm32f072 stm32f746 stm32g0c1 stm32h743; do
    (write_and_read $board) &
    jobs="$jobs $!"
done
for job in $jobs; do
    wait $job || exit 1
done

# The device is off the bus after the leave.
run stm32f405 sh -c 'dfu-util -a 0 -s 0x08000000:leave -D image.bin; sleep 0.1; dfu-util -l' || fail leave
[ "$(grep -c 'Found DFU' log)" = 0 ] || fail "the device is still there after leave"

# dfu-util 0.11 knows no answer without dfuDNBUSY; newer ones do.
if dfu-util -V | grep -q 'dfu-util 0.11$'; then
    ! run stm32u575 dfu-util -a 0 -s 0x08000000 -D image.bin || fail "stm32u575: dfu-util 0.11 should give up"
    grep -q 'Wrong state after command' log || fail "stm32u575: another reason"
fi

# Detach, new ids, new device number, plain DFU, bus reset. dfu-util 0.11 takes the device that is another
# one after the reset (ENODEV) for an I/O error, after a success.
rm -f flash.bin
status=0
run 'dfu11?flash=flash.bin' dfu-util -E 1 -d 1209:0001,1209:0002 -R -D image.bin || status=$?
[ $status = 0 ] || [ $status = 74 ] || fail "dfu11: exit status $status"
grep -q 'Done!' log || fail "dfu11: write"
cmp -n 3001 image.bin flash.bin || fail "dfu11: flash differs"

# The exit status of the program comes through; several boards at once.
run stm32f405 sh -c 'exit 37' && fail "exit status" || [ $? = 37 ] || fail "exit status"
timeout 40 "$sim" stm32f405 stm32f429 maple -- dfu-util -l >log 2>&1
[ "$(grep -o 'devnum=[0-9]*' log | sort -u | wc -l)" = 3 ] || fail "three boards"

# kiln and dfu-util read each other's writes, on the real libusb.
run 'stm32f429?flash=other.bin' "$kiln" flash --force image.bin@0x08000000 || fail "kiln flash"
rm -f back.bin
run 'stm32f429?flash=other.bin' dfu-util -a 0 -s 0x08000000:3001 -U back.bin || fail "dfu-util reads kiln's write"
cmp image.bin back.bin || fail "dfu-util reads kiln's write"
rm -f back.bin
run 'stm32f405?flash=stm32f405/flash.bin' "$kiln" read -a 0x08000000 -s 3001 back.bin || fail "kiln read"
cmp image.bin back.bin || fail "kiln reads dfu-util's write"
timeout 40 "$kiln" sim stm32f405 --run lsusb >log 2>&1 || fail "kiln sim --run"
grep -q 0483:df11 log || fail "kiln sim --run lsusb"
echo ok
