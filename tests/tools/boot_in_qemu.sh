#!/bin/sh
# SPDX-License-Identifier: MIT
# boot_in_qemu.sh KILN FIRMWARE: the flash that `kiln flash` wrote on the simulated STM32F405 starts in QEMU's model of
# that chip, whose first two lines on USART2 must come out.
set -eu
kiln=$1
firmware=$2
tmp=$(mktemp -d)
emulator=
finish() {
    [ -z "$emulator" ] || kill "$emulator" 2>/dev/null || true
    rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

"$kiln" flash "$firmware" -d "sim:stm32f405?flash=$tmp/flash.bin"
mkfifo "$tmp/usart2"
qemu-system-arm -M netduinoplus2 -nodefaults -display none -monitor none -serial null -serial stdio \
    -kernel "$tmp/flash.bin" </dev/null >"$tmp/usart2" &
emulator=$!
timeout 60 head -n 2 "$tmp/usart2" | tr -d '\r' | tee "$tmp/seen"
[ "$(sed -n 1p "$tmp/seen")" = "Kiln example for STM32F405, version 1.0.0" ]
grep -qx 'tables [0-9a-f]\{8\}' "$tmp/seen"
