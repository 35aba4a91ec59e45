#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The map of flash from the command line: several boards, a chip's sectors, a device without addresses.
#
#   tests/tools/map.sh KILN KILN_SIM_USB FIRMWARE
set -euo pipefail
kiln=$1 sim=$2 firmware=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset LD_PRELOAD
export NO_COLOR=1
fail() { echo "map: $*" >&2; cat "$tmp/out" >&2; exit 1; }

# A picture is XML that says whose flash it shows.
picture() { # picture FILE TITLE
    /usr/bin/env python3 - "$1" "$2" <<'PY' || fail "$1 is no picture of $2"
import sys, xml.etree.ElementTree as xml
root = xml.parse(sys.argv[1]).getroot()
assert root.tag.endswith("svg") and sum(e.tag.endswith("rect") for e in root.iter()) > 12
assert sys.argv[2] in [e.text for e in root.iter() if e.tag.endswith("title")][0], root
PY
}

"$sim" stm32f405 stm32f405 -- "$kiln" flash --all -n --svg "$tmp/board.svg" "$firmware" >"$tmp/out" 2>&1 || fail "two boards"
picture "$tmp/board-1.svg" /dev/bus/usb/001/002
picture "$tmp/board-2.svg" /dev/bus/usb/001/003
[ ! -e "$tmp/board.svg" ] || fail "one picture of two boards"
grep -q "The map of /dev/bus/usb/001/003 is $tmp/board-2.svg" "$tmp/out" || fail "which picture is whose"
mkdir "$tmp/a.b"
"$sim" stm32f405 stm32f405 -- "$kiln" flash --all -n --svg "$tmp/a.b/board" "$firmware" >"$tmp/out" 2>&1 || fail "two boards"
[ -e "$tmp/a.b/board-2" ] || fail "a name without ending in a folder with one"
"$sim" stm32f405 -- "$kiln" flash -n --map --svg "$tmp/one.svg" "$firmware" >"$tmp/out" 2>&1 || fail "one board"
picture "$tmp/one.svg" /dev/bus/usb/001/002
grep -q 'sector 11' "$tmp/out" || fail "no map of one board"

head -c 5000 /dev/urandom >"$tmp/plain.bin"
"$sim" dfu11 -- "$kiln" flash -n --map --svg "$tmp/none.svg" "$tmp/plain.bin" >"$tmp/out" 2>&1 || fail "plain DFU"
grep -q 'There is no map: this device tells no addresses' "$tmp/out" || fail "does not say why there is no map"
[ ! -e "$tmp/none.svg" ] || fail "a picture of nothing"

"$kiln" image map -c STM32F407VG --svg "$tmp/file.svg" "$firmware" >"$tmp/out" || fail "the sectors of a chip"
[ "$(grep -c ' sector ' "$tmp/out")" = 12 ] || fail "not the sectors of the chip"
picture "$tmp/file.svg" STM32F405
status=0
"$kiln" image map -c stm32x "$firmware" >"$tmp/out" 2>&1 || status=$?
[ "$status" = 2 ] || fail "status $status for a chip that is none"
parts=$(dirname "$firmware")
"$kiln" image map "$parts/esp32-partitions.bin@0x8000" "$parts/esp32-app-v1.bin@0x300000" >"$tmp/out" || fail "behind the last partition"
grep -q 'written 323.9 KiB' "$tmp/out" || fail "a file behind the last partition is not on the map: $(cat "$tmp/out")"
echo "map: all as it should be"
