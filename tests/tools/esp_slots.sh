#!/bin/sh
# SPDX-License-Identifier: MIT
# Partitions by name and application slots of a simulated ESP32 through kiln's own commands: $1 is kiln, $2 the
# folder with firmware. Every command is a program of its own; the flash file is what they share.
set -u
. "$(dirname "$0")/esp_table.sh"
kiln=$(realpath "$1")
firmware=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

# run STATUS WORDS...
run() {
    expected=$1
    shift
    "$kiln" "$@" -d 'sim:esp32?flash=flash.bin' >out 2>err
    got=$?
    [ $got -eq "$expected" ] || { echo "kiln $*: exit status $got, not $expected"; cat out err; failed=1; }
}

# said TEXT: the last command said it
said() {
    grep -qF -e "$1" out err || { echo "nobody said: $1"; cat out err; failed=1; }
}

# bytes OFFSET COUNT HEX: the flash holds them
bytes() {
    is=$(od -An -v -tx1 -j "$(($1))" -N "$2" flash.bin | tr -d ' \n')
    [ "$is" = "$3" ] || { echo "flash at $1: $is, not $3"; failed=1; }
}

{
    row 1 2 9 4 nvs
    row 1 0 13 2 otadata
    row 0 16 16 112 ota_0
    row 0 17 128 112 ota_1
} >table.bin
app=$firmware/esp32-app-v1.bin

run 0 flash "$firmware/esp32-bootloader.bin" table.bin "$app"
said '0x10000, partition ota_0'
run 0 info
said 'otadata entry 0: blank'
said 'ota_0: kiln-example, version 1.0.0'
said 'ota_1: no application'
said 'starts ota_0 at 0x10000'

run 9 flash --boot ota_1
said 'ota_1 holds no application'
run 0 flash --boot ota_1 "$firmware/esp32-app-v2.bin" -n
bytes 0xd000 4 ffffffff
run 0 flash --boot ota_1 "$firmware/esp32-app-v2.bin"
bytes 0x80000 1 e9
bytes 0xd000 4 02000000
bytes 0xd01c 4 7437f655
bytes 0xe000 4 ffffffff
run 0 info --json
said '"boots":"ota_1"'
said '"otadata":[{"blank":false,"sequence":2,"state":"undefined","crc_right":true,"selects":true},{"blank":true}]'
said '"label":"ota_1"'
said '"project":"kiln-example"'

run 0 flash --boot 0
bytes 0xd000 4 02000000
bytes 0xe000 4 03000000
run 0 flash --boot ota_0
said 'already'
run 0 info
said 'starts ota_0 at 0x10000'
run 0 flash "$app"
said 'partition ota_0'

run 2 flash --boot nvs
said 'is not one that the bootloader starts'
run 2 flash --boot three
said 'nvs, otadata, ota_0, ota_1'
run 2 flash "$app@three"
said 'nvs, otadata, ota_0, ota_1'

run 0 read otadata -o otadata.bin
dd if=flash.bin bs=4096 skip=13 count=2 2>/dev/null | cmp - otadata.bin || failed=1
run 2 read nothing -o nothing.bin
said 'otadata, ota_0'
run 0 erase otadata
bytes 0xd000 4 ffffffff
bytes 0xe000 4 ffffffff
run 2 erase nothing
said 'otadata, ota_0'

run 0 info
said 'Flash chip  maker ef Winbond, device 4016, 4.00 MiB, 3.3 V by strapping pin'
run 0 read --mem -a 0x40001000
said '40001000  83 1d f0 00'
run 0 read --mem -a 0x40001001 -s 2 memory.bin
[ "$(od -An -tx1 memory.bin | tr -d ' \n')" = 1df0 ] || { echo 'memory.bin is wrong'; failed=1; }
run 2 read --mem
said 'needs --address'
run 2 run table.bin
said 'does not tell where it begins'

exit $failed
