#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the Debian packages for 64-bit ARM, unpacks them and flashes simulated boards with the program from
# them under qemu-user. The boards' contents must equal what the program of this machine writes.
#
#   tests/tools/arm64.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
work=${1:?a folder to work in}
mkdir -p "$work"
work=$(cd "$work" && pwd)
fail() { echo "arm64: $*" >&2; exit 1; }

tools/arm64-root
tools/make-deb -c build-arm64-root/cross "$work/deb" >"$work/names"
deb=$(grep '/kiln_' "$work/names")
[ "$(dpkg-deb -f "$deb" Architecture)" = arm64 ] || fail "the package is for $(dpkg-deb -f "$deb" Architecture)"
rm -rf "$work/root"
dpkg-deb -x "$deb" "$work/root"
kiln() { qemu-aarch64-static -L build-arm64-root "$work/root/usr/bin/kiln" "$@"; }
case $(od -An -j18 -N2 -tx1 "$work/root/usr/bin/kiln") in
" b7 00") ;;
*) fail "the program is not for 64-bit ARM" ;;
esac
[ "$(kiln version)" = "kiln $(dpkg-deb -f "$deb" Version)" ] || fail "kiln version"

holds() { # holds FILE OFFSET IMAGE: the board's memory has the image there
    cmp -n "$(stat -c %s "$3")" "$1" "$3" "$2" 0
}
esp=examples/firmware/esp32-app-v1.bin
rm -f "$work/esp.bin" "$work/stm.bin"
kiln flash -d "sim:esp32?flash=$work/esp.bin" examples/firmware/esp32-bootloader.bin examples/firmware/esp32-partitions.bin \
    "$esp" >"$work/log" || fail "ESP32: $(tail -3 "$work/log")"
grep -q 'verified, running' "$work/log" || fail "ESP32: $(tail -3 "$work/log")"
holds "$work/esp.bin" 65536 "$esp" || fail "the ESP32 holds something else"
kiln flash -v --loader kiln -d sim:esp32c3 examples/firmware/esp32-app-v1.bin@0x10000 --force 2>&1 | grep -q "Kiln's own flasher runs" ||
    fail "Kiln's own flasher is not in it"
kiln flash -d "sim:stm32f405?flash=$work/stm.bin" examples/firmware/stm32f405-v1.elf >"$work/log" ||
    fail "STM32F405: $(tail -3 "$work/log")"
holds "$work/stm.bin" 0 examples/firmware/stm32f405-v1.bin || fail "the STM32F405 holds something else"
kiln image info --json examples/firmware/stm32f405-v1.hex | grep -q '"type": *"ihex"' || fail "image info"
echo "arm64: $(wc -c <"$deb") bytes of package"
