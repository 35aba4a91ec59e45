#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_touch.sh KILN_SIM_USB KILN: boards whose application is a serial port. `kiln flash` touches those that are known to
# enter their bootloader by it, follows them by their USB port and says so; nothing else touches them unasked.
. "$(dirname "$0")/on_boards.sh"
image=$examples/stm32f405-v1.bin

# kiln flash does it by itself, and the board runs again afterwards.
on 'stm32f405?variant=klipper&flash=f.bin' 0 sh -c '"$0" flash "$1" && sleep 1 && "$0" list' "$kiln" "$image"
said '/dev/ttyACM0 (Klipper) was opened at 1200 baud; its bootloader STM32.*came up at USB port 1-1'
said 'verified, running'
said '1-1 .*ttyACM0 .*Klipper'
cmp -n "$(wc -c <"$image")" "$image" f.bin || fail "other flash contents"
on 'stm32f405?variant=klipper' 0 "$kiln" flash -d 1-1 "$image"
said 'was opened at 1200 baud'

# Nothing else does it unasked; each says how to ask.
for words in "info" "flash -n $image" "flash --before no-reset $image" "read -a 0x08000000 -s 16 back.bin" \
    "verify $image" "erase --erase-all" "flash $examples/esp32-app-v1.bin@0x10000"; do
    on 'stm32f405?variant=klipper' 9 sh -c 'kiln=$0; "$kiln" "$@"; status=$?; "$kiln" list; exit $status' "$kiln" $words
    said 'runs its application (Klipper)'
    said '--before touch'
    said 'ttyACM0 .*Klipper'
done
on 'stm32f405?variant=klipper' 0 "$kiln" info --before touch
said 'was opened at 1200 baud'
said 'DfuSe'

# A board that waits in its bootloader is meant, not one that runs; of two that run none is guessed.
on 'stm32f405?variant=klipper stm32f429' 0 sh -c '"$0" flash "$1" && "$0" list' "$kiln" "$image"
unsaid '1200 baud'
said 'ttyACM0 .*Klipper'
on 'stm32f405?variant=klipper stm32f446?variant=klipper' 4 "$kiln" flash "$image"
said '-d /dev/ttyACM0'
said '-d /dev/ttyACM1'
on 'stm32f405?variant=klipper stm32f446?variant=klipper' 0 "$kiln" flash --all "$image"

# Another bootloader than expected came up, or none.
on 'stm32f405?variant=klipper-katapult' 9 "$kiln" flash "$image"
said 'what came up at USB port 1-1 is Katapult bootloader (1d50:6177 at /dev/ttyACM0)'
said 'flashtool.py'
on 'stm32f405?variant=klipper-deaf' 7 "$kiln" flash "$image"
said 'the application runs on'
said 'BOOT0'
echo ok
