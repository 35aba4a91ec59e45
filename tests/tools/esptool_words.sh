#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line of the esptool look-alike without a board: $1 is kiln, $2 the folder with the ELF files. Each line
# was held against esptool 5.2.0: the exit status, and which spellings make the same file.
set -u
kiln=$(realpath "$1")
elf=$(realpath "$2")/esp32.elf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset ESPTOOL_CHIP ESPTOOL_FS ESPTOOL_FM ESPTOOL_FF ESPTOOL_CFGFILE
HOME=$work
export HOME
failed=0

# status EXPECTED WORDS...
status() {
    expected=$1
    shift
    "$kiln" esptool "$@" >out 2>err
    got=$?
    if [ $got -ne "$expected" ]; then
        echo "esptool $*: exit status $got, not $expected"
        cat out err
        failed=1
    fi
}

# same WORDS...: makes new.bin as it is in want.bin
same() {
    rm -f new.bin
    status 0 "$@"
    cmp -s new.bin want.bin || { echo "esptool $*: another file"; failed=1; }
}

# said TEXT: the last command said it
said() {
    grep -qF -e "$1" out err || { echo "nobody said: $1"; cat out err; failed=1; }
}

status 0 -c esp32 elf2image -fs 4MB -fm dio -o want.bin "$elf"
same --chip esp32 elf2image --flash-size 4MB --flash-mode dio --output new.bin "$elf"
same --chip=ESP32 elf2image "$elf" -fs=4MB --flash-mode=dio -onew.bin
same -cesp32 elf2image --flash_size=4MB --flash_mode dio -o new.bin "$elf"
said "Deprecated"
printf '%s\n' '-fs 4MB "--flash-mode" dio' "-o 'new.bin'" >words
same -c esp32 elf2image @words "$elf"
ESPTOOL_CHIP=esp32 ESPTOOL_FS=4MB ESPTOOL_FM=dio
export ESPTOOL_CHIP ESPTOOL_FS ESPTOOL_FM
same elf2image -o new.bin "$elf"
unset ESPTOOL_CHIP ESPTOOL_FS ESPTOOL_FM
for offset in 0xb0 0o260 0b10110000 176 1_76; do
    same -c esp32 elf2image -fs 4MB -fm dio --elf-sha256-offset $offset -o new.bin "$elf"
done

status 2 elf2image "$elf"
said "--chip"
status 2 -c esp99 elf2image "$elf"
status 2 -c esp32 elf2image
said "Missing argument"
status 2 -c esp32 elf2image "$elf" "$elf"
status 2 -c esp32 elf2image -fs4MB "$elf"
status 2 -c esp32 elf2image --secure-pad=1 "$elf"
status 2 -c esp32 elf2image --elf-sha256-offset 010 "$elf"
status 2 -c esp32 elf2image --min-rev-full 70000 "$elf"
status 2 -c esp32 elf2image nofile
status 2 -s -v version
status 2 nope
status 2 -cp /dev/ttyUSB0 -cb 921600 -ca 0x00000 -cf some.bin
said "esptool-ck"
status 2 --before no_such version
status 0 --before no_reset --after hard_reset --port-filter vid=1 pid=2 version
said "Use 'no-reset' instead"
status 0 version
said "5.2.0"
status 0 -s version
[ ! -s out ] || { echo "--silent is not"; failed=1; }

head -c 100 "$elf" >some
status 0 -c esp32 merge_bin -o new.bin 0x1000 some
said "ready to flash to offset 0x0"
[ "$(wc -c <new.bin)" -eq 4196 ] || { echo "merged: $(wc -c <new.bin) bytes"; failed=1; }
status 2 -c esp32 merge-bin 0x1000 some
status 2 -c esp32 merge-bin -o new.bin 0x1000
status 2 -c esp32 merge-bin -o new.bin 0x1000 some 0x1800 some
said "Detected overlap at address: 0x1800 "
status 2 -c esp32 merge-bin -o new.bin -t 0x2000 0x1000 some
status 2 -c esp32 merge-bin -o new.bin -f uf2 --chunk-size 255 0 some
status 0 -c esp32 merge-bin -o new.bin -fuf2 --chunk-size 0x40 0 some
[ "$(wc -c <new.bin)" -eq 1024 ] || { echo "uf2: $(wc -c <new.bin) bytes"; failed=1; }

# Versions 1 to 4.
status 0 -c esp8266 make_image -f some -a 0x40100000 -f some -a 0x3ffe8000 -e 0x40100004 new.bin
status 0 image_info new.bin
said "Entry point: 0x40100004"
said "(valid)"
status 2 -c esp8266 make_image -f some new.bin

printf '[esptool]\ntimeout = 5\nfoo: 1\n' >esptool.cfg
status 0 version
said "Loaded custom configuration from"
said "Ignoring unknown config file option: foo"
printf '[esptool]\ntimeout = 5\ntimeout = 6\n' >esptool.cfg
status 0 version
said "Ignoring invalid config file"
for wrong in 'timeout = x' 'chip_erase_timeout =' 'max_timeout = 0x10' 'sync_timeout = 5%' 'md5_timeout_per_mb = -1' \
    'erase_region_timeout_per_mb = 1 s' 'erase_write_timeout_per_mb = nan' 'mem_end_rom_timeout = 1,5' \
    'serial_write_timeout = ten' 'connect_attempts = 1.5' 'write_block_attempts = 0' 'reset_delay = _1' \
    'open_port_attempts = x'; do
    printf '[esptool]\n%s\n' "$wrong" >esptool.cfg
    status 1 version
    said "option '${wrong%% *}'"
done
for right in 'timeout = 1e1' 'max_timeout = inf' 'sync_timeout = .2' 'reset_delay = 0' 'md5_timeout_per_mb = 1_0' \
    'connect_attempts = 0' 'open_port_attempts = 2' 'serial_write_timeout: 5'; do
    printf '[esptool]\n%s\n' "$right" >esptool.cfg
    status 0 version
    said "5.2.0"
done
rm esptool.cfg
# What esptool does not catch ends with 1, what it refuses with 2.
status 1 @missing
status 1 @.
printf 'version "x\n' >args
status 1 @args
printf -- '--chip esp32\n version\n' >args
status 0 @args
said "esptool --chip esp32 version"
status 1 -b fast version
status 0 -b -5 version
status 1 --port-filter vid=x flash-id
status 2 --port-filter vid flash-id
status 2 --port-filter vid=1=2 flash-id
status 2 --port-filter colour=1 flash-id
status 1 -p foo://x flash-id
status 2 -p /dev/nonexistent flash-id
ESPTOOL_OPEN_PORT_ATTEMPTS=x status 1 -p /dev/nonexistent flash-id
said "Invalid value for ESPTOOL_OPEN_PORT_ATTEMPTS."
ESPTOOL_OPEN_PORT_ATTEMPTS=-1 status 2 -p /dev/nonexistent -c esp32 flash-id
unset ESPTOOL_OPEN_PORT_ATTEMPTS
mkdir folder
status 1 -c esp32 elf2image -o folder "$elf"

# Completion, asked for as the shells ask.
ln -s "$kiln" esptool
completes()
{
    words=$1
    number=$2
    shift 2
    COMP_WORDS=$words COMP_CWORD=$number _ESPTOOL_COMPLETE=bash_complete ./esptool >out 2>err ||
        { echo "completion of '$words' fails"; failed=1; }
    got=$(sed 's/^plain,//' out | tr '\n' ' ')
    [ "$got" = "${*:+$* }" ] || { echo "'$words' is completed to: $got, not $*"; failed=1; }
}
completes 'esptool wr' 1 write-flash write-flash-status write-mem
completes 'esptool --ch' 1 --chip
completes 'esptool --chip esp32c6' 2 esp32c6 esp32c61
completes 'esptool --chip=esp32h2' 1 esp32h2 esp32h21
completes 'esptool --chip = esp32h2' 3 esp32h2 esp32h21
completes 'esptool -c esp32 --before no-reset fla' 5 flash-id
completes 'esptool --port-filter vid=1 pid=2 merge-bin --format u' 6 uf2
completes 'esptool merge-bin -o ' 3 file,
completes 'esptool write-flash 0x1000 fi' 3 file,fi
completes 'esptool write-flash --flash-m' 2 --flash-mode
completes 'esptool write-flash -fm dio --flash-m' 4
completes 'esptool read-flash 0 ' 3
completes 'esptool read-flash 0 1 ' 4 file,
completes 'esptool -b 92' 2 921600
completes 'esptool nonsense wri' 2 write-flash write-flash-status write-mem
COMP_WORDS='esptool --ch' COMP_CWORD=1 _ESPTOOL_COMPLETE=zsh_complete ./esptool >out
[ "$(tr '\n' '|' <out)" = 'plain|--chip|what the chip is|' ] || { echo "zsh gets: $(cat out)"; failed=1; }
COMP_WORDS='esptool --ch' COMP_CWORD=--ch _ESPTOOL_COMPLETE=fish_complete ./esptool >out
[ "$(cat out)" = "$(printf 'plain,--chip\twhat the chip is')" ] || { echo "fish gets: $(cat out)"; failed=1; }
COMP_WORDS='esptool flash' COMP_CWORD=flash _ESPTOOL_COMPLETE=fish_complete ./esptool >out
grep -q '^plain,flash-id' out || { echo "fish gets: $(cat out)"; failed=1; }
_ESPTOOL_COMPLETE=tcsh_source ./esptool >out && { echo "a shell that nobody knows gets a script"; failed=1; }
for shell in zsh fish; do
    _ESPTOOL_COMPLETE=${shell}_source ./esptool | grep -q "_ESPTOOL_COMPLETE=${shell}_complete" ||
        { echo "no script for $shell"; failed=1; }
done
# shellcheck disable=SC2016
PATH=.:$PATH bash -c 'eval "$(_ESPTOOL_COMPLETE=bash_source esptool)"
    complete -p esptool | grep -q -- "-F _esptool_words" || exit 1
    COMP_WORDS=(esptool --chip esp32c3 era) COMP_CWORD=3
    _esptool_words esptool
    [ "${COMPREPLY[*]}" = "erase-flash erase-region" ]' || { echo "bash completes nothing"; failed=1; }

ln -s "$kiln" esptool.py
./esptool.py -h >out 2>err || { echo "esptool.py -h fails"; failed=1; }
said "DEPRECATED"
said "Usage: esptool.py"
exit $failed
