#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_hostile.sh KILN_SIM_USB KILN [SEEDS]: devices that answer requests with rubbish, stalls and silence, leave at any moment and
# have damaged descriptors, met through the real libusb: every command ends with one of Kiln's exit statuses, with a message
# where that is not 0, and in time.
. "$(dirname "$0")/on_boards.sh"
seeds=${3:-5}
image=$examples/stm32f405-v1.bin
ln -s "$kiln" dfu-util
ln -s "$kiln" pydfu

# attack COMMAND...: on $board with $seed
attack() {
    log=log.$seed.$board.$(basename "$1").$2
    status=0
    timeout 100 "$sim" "$board?variant=hostile&seed=$seed" -- "$@" >"$log" 2>&1 </dev/null || status=$?
    case $status in
    0 | [2-9] | 10 | 11 | 12 | 6[4-9] | 7[0-8]) ;;
    1) [ "$1" = "$tmp/pydfu" ] || echo "seed $seed: $board: $*: exit status 1" >>failures ;;
    *) echo "seed $seed: $board: $*: exit status $status" >>failures ;;
    esac
    [ $status = 0 ] || [ -s "$log" ] || echo "seed $seed: $board: $*: no message" >>failures
    ! grep -q 'AddressSanitizer\|runtime error' "$log" || { cat "$log"; echo "seed $seed: $board: $*" >>failures; }
}

: >failures
for seed in $(seq "$seeds"); do
    for board in stm32f405 maple dfu11; do
        (
            attack "$kiln" list -v
            attack "$kiln" list --json
            attack "$kiln" info
            attack "$kiln" flash --force "$image@0x08000000"
            attack "$tmp/dfu-util" -l
            attack "$tmp/dfu-util" -a 0 -s 0x08000000:64 -U "back.$seed.$board"
            attack "$tmp/pydfu" -l
        ) &
    done
    [ $((seed % 5)) != 0 ] || wait
done
wait
[ ! -s failures ] || { cat failures; exit 1; }
echo ok
