#!/bin/sh
# SPDX-License-Identifier: MIT
# The esptool look-alike on simulated boards: file effects, exit statuses and the words that scripts look for.
# esptool_board.sh KILN
set -u
kiln=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail()
{
    echo "FAILED: $1"
    sed 's/^/    /' out
    failures=$((failures + 1))
}

# run STATUS WORDS...: runs the look-alike and checks its exit status; its output goes to the file `out`.
run()
{
    wanted=$1
    shift
    "$kiln" esptool "$@" >out 2>&1
    status=$?
    [ $status -eq "$wanted" ] || fail "status $status, not $wanted: $*"
}

says()
{
    grep -qF -- "$1" out || fail "does not say: $1"
}

says_not()
{
    if grep -qiF -- "$1" out; then
        fail "says: $1"
    fi
}

rom='--no-stub --port sim:esp32?flash=flash.bin --chip esp32'
head -c 5000 /dev/zero | tr '\0' '\125' >five.bin
head -c 1024 /dev/zero | tr '\0' '\252' >one.bin
head -c 8192 /dev/zero | tr '\0' '\001' >old.bin
cp old.bin new.bin
printf 'changed' | dd of=new.bin bs=1 seek=4200 conv=notrunc 2>/dev/null
: >empty.bin

run 0 $rom flash-id
says 'Manufacturer: ef'
says 'Detected flash size: 4MB'
says_not warning

run 0 $rom write-flash 0x10000 five.bin 0x20104 one.bin 0x30000 empty.bin
says 'Flash will be erased from 0x00010000 to 0x00011fff...'
says 'Flash address 0x00020104 is not aligned to a 0x1000 byte flash sector. 0x104 bytes before this address will be erased.'
says 'Hash of data verified'
says "'empty.bin' is empty"
says 'Hard resetting via RTS pin...'
run 0 $rom write-flash -z 0x10000 five.bin
says 'is sent uncompressed'
run 0 $rom read-flash 0x10000 5000 back.bin
cmp -s back.bin five.bin || fail 'what was read is not what was written'
run 0 $rom verify-flash 0x10000 five.bin 0x20104 one.bin
says 'Verification successful (digest matched).'
run 2 $rom verify-flash --diff 0x10000 one.bin
says 'first at 0x00010000:'
says 'A fatal error occurred: Verification failed.'

run 0 $rom write-flash --skip-flashed 0x10000 five.bin
says "'five.bin' at 0x00010000 already in flash, skipping write"
run 0 $rom write-flash 0x40000 old.bin
run 0 $rom write-flash 0x40000 new.bin --diff-with old.bin
says 'Diff data in flash matches, will reflash changed sectors only'
says 'Reflashing 1 changed sector at 0x00041000'
run 0 $rom read-flash 0x40000 8192 back.bin
cmp -s back.bin new.bin || fail 'the changed sector is not as it should be'
run 0 $rom write-flash 0x40000 old.bin --diff-with one.bin
says 'Diff data in flash has changed, flashing all of the new data'

run 2 $rom write-flash -fs 1MB 0x280000 one.bin
says 'will not fit'
run 2 $rom read-flash 0xffffff 1 back.bin
says "Can't access flash regions larger than detected flash size"
run 2 $rom erase-region 0x10001 0x1000
says 'must be a multiple of 4096'
run 0 $rom erase-region 0x10000 0x1000
run 0 $rom read-flash 0x10000 16 back.bin
[ "$(od -An -tx1 back.bin | tr -d ' \n')" = ffffffffffffffffffffffffffffffff ] || fail 'not erased'
run 0 $rom erase-flash
says 'Flash memory erased successfully in'

run 0 $rom read-flash-sfdp 1 3
says 'SFDP[1..3]: 0x46 0x44 0x50'
run 0 $rom read-flash-status
says 'Flash memory status: 0x0000'
run 0 $rom write-flash-status --bytes 1 --non-volatile 4
says 'After flash memory status:   0x04'

run 0 $rom write-mem 0x3ffb0000 0xabad1dea 0x0000ffff
says 'Wrote 0xabad1dea with mask 0x0000ffff to 0x3ffb0000.'
run 0 $rom read-mem 0x40001000
says '0x40001000 = 0x00f01d83'
run 0 $rom dump-mem 0x40001000 4 mem.bin
says 'Dumped 4 bytes from 0x40001000'
[ "$(od -An -tx1 mem.bin | tr -d ' ')" = 831df000 ] || fail 'the dump is wrong'

run 0 --no-stub --port 'sim:esp8266?flash=lone.bin' write-flash 0x10000 one.bin
says 'what is from 0x00011000 to 0x00011fff is lost too'
run 0 --no-stub --port 'sim:esp8266?flash=lone.bin' write-flash 0x20000 five.bin
says_not 'is lost too'
dd if=lone.bin bs=1024 skip=64 count=1 2>/dev/null | cmp -s - one.bin || fail 'one sector is not written'

run 0 $rom dump-mem 0x40001000 3 mem.bin
[ "$(od -An -tx1 mem.bin | tr -d ' ')" = 831df0 ] || fail 'the dump is not as long as asked'
run 2 $rom write-flash -s --no-diff-verify 0x10000 one.bin
says_not Connecting
run 0 $rom run
run 0 --no-stub --port 'sim:esp32c3?variant=usb' read-mac
says 'USB mode:           USB-Serial/JTAG'
run 0 --no-stub --port sim:esp32c3 read-mac
says_not 'USB mode'
run 2 --chip esp32 --port 'sim:esp32?boot=run' --before no-reset --connect-attempts 1 flash-id
says 'A fatal error occurred: Failed to connect to ESP32: '
says 'Hold the BOOT button'
run 2 --no-stub --port 'sim:esp32?variant=encrypted-release' write-flash 0x10000 one.bin
says 'download manual encrypt disabled.'
run 0 --no-stub --port 'sim:esp32?variant=encrypted' write-flash 0x10000 one.bin
says_not 'brick your device'
says 'Enabling default SPI flash mode'
says_not 'Uploading stub'
run 0 --port sim:esp32 flash-id
says 'Uploading stub flasher...'
says_not 'Enabling default SPI flash mode'
printf ':020000040005F5\n:0400000001020304F2\n:0410000005060708D2\n:00000001FF\n' >apart.hex
run 0 $rom write-flash 0 apart.hex
says_not 'raw bytes'
[ "$(od -An -v -tx1 -j 327680 -N 4 flash.bin)$(od -An -v -tx1 -j 331776 -N 4 flash.bin)" = ' 01 02 03 04 05 06 07 08' ] ||
    fail 'a hex file is not at its addresses'
# An image of one word for the ESP32 in the RAM of an ESP32 and of an ESP32-S3.
{
    printf '\351\1\0\0\0\0\373\77' # entry 0x3ffb0000
    printf '\356\0\0\0\0\0\0\0\0\377\377\0\0\0\0\0'
    printf '\0\0\373\77\4\0\0\0\1\2\3\4'
    printf '\0\0\0\0\0\0\0\0\0\0\0\353'
} >word.img
run 0 $rom load-ram word.img
says "Loaded 1 segments from 'word.img' to RAM, executing at 0x3ffb0000."
says_not 'Unexpected chip ID'
run 0 --no-stub --chip esp32s3 --port sim:esp32s3 load-ram word.img
says 'Unexpected chip ID in image. Expected 9 but value was 0.'
run 2 $rom load-ram five.bin
says 'invalid magic number'

run 0 --no-stub --port sim:esp32 read-mac
says 'Detecting chip type... ESP32'
says 'MAC: '
run 2 --chip esp32s3 --port sim:esp32 chip-id
says 'Wrong chip argument?'
run 1 $rom get-security-info
run 0 --no-stub --port sim:esp32c3 get-security-info
says 'Chip ID: 5'
says 'Secure Boot: Disabled'
run 2 --no-stub --port sim:esp32c3 write-flash 0xd00 one.bin 0x1d00 one.bin
says 'Detected overlap at address: 0x1d00'

run 1 --no-stub --baud -5 --port sim:esp32 flash-id
says 'Not a valid baudrate: -5'
run 0 --stub-version 1 --port sim:esp32 flash-id
says "ESP32 stub version 1 doesn't exist, using 2 instead."
run 0 --stub-version 2 --port sim:esp32 flash-id
says_not warning
run 0 --no-stub --stub-version 1 --port sim:esp32 flash-id
says_not warning
mkdir -p stubs/2
export KILN_STUB_DIR="$work/stubs"
run 0 --stub-version 2 --port sim:esp32 flash-id
unset KILN_STUB_DIR
says 'stubs/2/esp32.json: No such file'

run 0 $rom flash-id -sc 6,0x7,8,9,11
says 'Configuring SPI flash mode (CLK:6, Q:7, D:8, HD:9, CS:11)...'
run 0 $rom flash-id -sc hspi
says 'Configuring SPI flash mode (HSPI)...'
run 2 $rom flash-id -sc 6,7,8,9,30
says 'cannot have CS of its flash on GPIO 30'
run 2 $rom flash-id -sc 6,7,8,9,64
run 0 --no-stub --port sim:esp32c3 flash-id -sc 1,2,3,4,19
says 'pins of the USB port'
run 2 --no-stub --port sim:esp8266 flash-id -sc 6,7,8,9,11

printf '[esptool]\ncustom_reset_sequence = D0|R1|W0.1|D1|R0|W0.05|D0\ncustom_hard_reset_sequence = R1|W0.1|R0\n' >esptool.cfg
run 0 $rom flash-id
says 'Loaded custom configuration from'
printf '[esptool]\ncustom_reset_sequence = F1\n' >esptool.cfg
run 2 $rom flash-id
says 'Invalid custom reset sequence option format'
printf '[esptool]\ncustom_hard_reset_sequence = F1\n' >esptool.cfg
run 2 $rom flash-id
says 'Invalid custom reset sequence option format'
rm esptool.cfg

run 0 --port 'sim:esp32c3?secure=1' write-flash 0x300000 one.bin
run 2 --port 'sim:esp32c3?secure=1' write-flash 0x400000 one.bin
run 0 --port 'sim:esp32c3?secure=1' erase-region 0x300000 0x1000
run 2 --port 'sim:esp32c3?secure=1' erase-region 0x300000 all
says 'Detecting flash size is not supported in secure download mode'
run 0 --port 'sim:esp32c3?secure=1' write-flash -fs 4MB 0x0 one.bin
says 'Secure Download Mode'
says 'Cannot verify written data if encrypted or in secure download mode.'
run 2 --port 'sim:esp32c3?secure=1' read-flash 0 16 back.bin
says "The 'read-flash' command is not available in Secure Download Mode."

run 0 $rom --trace flash-id
grep -qE 'TRACE \+[0-9].[0-9]{3}   --- Cmd READ_REG \(0x0a\) ' out || fail 'no READ_REG in the trace'
grep -qE 'TRACE \+[0-9].[0-9]{3}   Received full packet: ' out || fail 'no packet in the trace'
run 0 $rom --silent flash-id
[ ! -s out ] || fail 'not silent'
run 0 $rom --after no-reset flash-id
says 'Staying in bootloader.'
run 0 $rom --after watchdog-reset flash-id
says 'Watchdog hard reset is not supported'
run 0 --port sim:esp8266 --after soft-reset flash-id
says 'Soft resetting...'
run 2 --port sim:esp32 --after soft-reset flash-id
says 'the flasher stub cannot start the application of this chip'
run 2 --port /dev/there-is-none --chip esp32 flash-id
says 'Could not open /dev/there-is-none'
run 2 --port-filter invalidkey=1 flash-id
says 'Option --port-filter argument key not recognized'
run 2 --port-filter name flash-id
says 'Option --port-filter argument must consist of key=value.'

[ $failures -eq 0 ] && echo "all as expected"
[ $failures -eq 0 ]
