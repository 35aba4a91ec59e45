#!/bin/sh
# SPDX-License-Identifier: MIT
# kiln flash in the folder of a project of each build system, on simulated boards: $1 is kiln, $2 the folder with
# firmware. What lies in flash afterwards is compared with the files of the build.
set -u
. "$(dirname "$0")/esp_table.sh"
kiln=$(realpath "$1")
firmware=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
HOME=$work
export HOME
unset ESPPORT ESPBAUD XDG_CACHE_HOME ARDUINO_DIRECTORIES_DATA
failed=0

# run STATUS FOLDER WORDS...: kiln in the folder, its standard input closed to questions
run() {
    expected=$1 folder=$2
    shift 2
    (cd "$folder" && "$kiln" "$@" <&- >"$work/out" 2>"$work/err")
    got=$?
    [ $got -eq "$expected" ] || { echo "$folder: kiln $*: exit status $got, not $expected"; cat out err; failed=1; }
}

# said TEXT: the last command said it
said() {
    grep -qF -e "$1" out err || { echo "nobody said: $1"; cat out err; failed=1; }
}

# holds FLASH OFFSET FILE: the file is in flash there
holds() {
    cmp -n "$(wc -c <"$3")" -i "$(($2)):0" "$1" "$3" || { echo "$1: not $3 at $2"; failed=1; }
}

# empty FLASH OFFSET COUNT: nothing was written there
empty() {
    is=$(od -An -v -tx1 -j "$(($2))" -N "$3" "$1" | tr -d ' \nf')
    [ -z "$is" ] || { echo "$1: something is at $2"; failed=1; }
}

{
    row 1 2 9 5 nvs
    row 1 0 14 2 otadata
    row 0 16 16 128 app0
    row 1 130 144 64 spiffs
    head -c 2944 /dev/zero | tr '\0' '\377'
} >table.bin

# ---- PlatformIO, Arduino's core on an ESP32: boot_app0 is not installed and made

mkdir -p pio/.pio/build/one pio/.pio/build/three
cat >pio/platformio.ini <<'END'
[env]
platform = espressif32
framework = arduino
[env:one]
board_build.filesystem = littlefs
upload_speed = 921600
upload_port = COM6
[env:two]
[env:three]
platform = atmelavr
board_build.mcu = atmega328p
END
cp "$firmware/esp32-app-v1.bin" pio/.pio/build/one/firmware.bin
cp "$firmware/esp32-bootloader.bin" pio/.pio/build/one/bootloader.bin
cp table.bin pio/.pio/build/one/partitions.bin
head -c 9000 "$firmware/stm32f405-v1.bin" >pio/.pio/build/one/littlefs.bin
touch pio/.pio/build/one/*

run 2 pio flash -d "sim:esp32?flash=$work/pio.flash"
said "one, three, two"
run 11 pio flash -e two -d sim:esp32
said "pio run -e two"
run 11 pio flash -e three -d sim:esp32
said "atmega328p is an AVR"
[ ! -e pio.flash ] || { echo "something was flashed"; failed=1; }

run 0 pio flash -e one -d "sim:esp32?flash=$work/pio.flash"
holds pio.flash 0x1000 "$firmware/esp32-bootloader.bin"
holds pio.flash 0x8000 table.bin
holds pio.flash 0x10000 "$firmware/esp32-app-v1.bin"
[ "$(od -An -v -tx1 -j $((0xe000)) -N 4 pio.flash | tr -d ' ')" = 01000000 ] || { echo "no otadata"; failed=1; }
empty pio.flash 0x90000 9000
run 0 pio flash -e one --only fs -d "sim:esp32?flash=$work/pio.flash"
holds pio.flash 0x90000 pio/.pio/build/one/littlefs.bin
run 0 pio verify -e one -d "sim:esp32?flash=$work/pio.flash"

# Only the application, on another board; and a word that is none of the files.
run 0 pio flash -e one --only app -d "sim:esp32?flash=$work/app.flash"
holds app.flash 0x10000 "$firmware/esp32-app-v1.bin"
empty app.flash 0x8000 1000
run 2 pio flash -e one --only applicaton -d sim:esp32
said "only: bootloader, partitions, otadata, application, filesystem"
run 2 pio flash --only app firmware.bin -d sim:esp32

# The board is another chip than the build is for.
run 9 pio flash -e one -d "sim:esp32c3?flash=$work/other.flash"
said "ESP32"

# ---- the port that the project names: a pattern, an expression over USB ids, an address in the network

mkdir -p port/.pio/build/a ports
cp "$firmware/esp32-app-v1.bin" port/.pio/build/a/firmware.bin
port() {
    printf '[env:a]\nplatform = espressif32\nframework = arduino\nupload_port = %s\n' "$1" >port/platformio.ini
}
"$kiln" sim esp32 --pty ports/ttyS7 >sim.out 2>&1 &
sim=$!
for _ in $(seq 60); do
    [ -e ports/ttyS7 ] && break
    sleep 0.5
done
port "$work/ports/ttyS*"
run 0 port flash
said "$work/ports/ttyS7"
kill $sim
wait $sim 2>/dev/null
port "$work/ports/ttyX*"
run 2 port flash
said "no port matches upload_port $work/ports/ttyX*"
port 'hwgrep://no such board'
run 2 port flash
said "no port matches upload_port hwgrep://no such board"
port 'hwgrep://('
run 2 port flash
said "is no regular expression"
port '"192.168.4.1"'
run 2 port flash
said "over the air to 192.168.4.1; choose a port with -d"
port /dev/cu.usbserial-1
run 0 port flash -n -d sim:esp32

# ---- PlatformIO on an STM32 behind a bootloader, by a probe that Kiln does not use

mkdir -p stm/.pio/build/a
cat >stm/platformio.ini <<'END'
[env:a]
board_build.mcu = stm32f405rgt6
board_build.offset = 0x8000
upload_protocol = stlink
END
cp "$firmware/stm32f405-offset.bin" stm/.pio/build/a/firmware.bin
run 0 stm flash -d "sim:stm32f405?flash=$work/stm.flash"
said "stlink is a debug probe"
holds stm.flash 0x8000 "$firmware/stm32f405-offset.bin"
empty stm.flash 0 32768

# ---- ESP-IDF: the newer file and the older one

mkdir -p idf/build/bootloader old/build
cp "$firmware/esp32-bootloader.bin" idf/build/bootloader/bootloader.bin
cp "$firmware/esp32-app-v1.bin" idf/build/hello.bin
cp table.bin idf/build/table.bin
cat >idf/build/flasher_args.json <<'END'
{ "flash_files": { "0x1000": "bootloader/bootloader.bin", "0x8000": "table.bin", "0x10000": "hello.bin" },
  "app": { "offset": "0x10000", "file": "hello.bin", "encrypted": "false" },
  "extra_esptool_args": { "after": "hard_reset", "before": "default_reset", "stub": true, "chip": "esp32" } }
END
run 0 idf flash -d "sim:esp32?flash=$work/idf.flash"
holds idf.flash 0x1000 "$firmware/esp32-bootloader.bin"
holds idf.flash 0x8000 table.bin
holds idf.flash 0x10000 "$firmware/esp32-app-v1.bin"
cp idf/build/hello.bin idf/build/table.bin old/build
printf -- '--flash_mode dio\n0x8000 table.bin\n0x10000 hello.bin\n' >old/build/flash_project_args
run 0 old flash -d "sim:esp32?flash=$work/old.flash"
holds old.flash 0x8000 table.bin
holds old.flash 0x10000 "$firmware/esp32-app-v1.bin"
rm idf/build/hello.bin
run 11 idf flash -d sim:esp32
said "hello.bin is missing"

# ---- Zephyr with sysbuild: both domains, the signed one in its slot

mkdir -p zephyr/build/mcuboot/zephyr zephyr/build/app/zephyr
cat >zephyr/build/domains.yaml <<'END'
default: app
build_dir: /gone
domains:
  - name: app
    build_dir: /gone/app
  - name: mcuboot
    build_dir: /gone/mcuboot
flash_order:
  - mcuboot
  - app
END
for image in mcuboot app; do
    printf 'flash-runner: dfu-util\nconfig:\n  elf_file: zephyr.elf\n  bin_file: zephyr.bin\n' \
        >zephyr/build/$image/zephyr/runners.yaml
    cp "$firmware/stm32f405-v1.elf" zephyr/build/$image/zephyr/zephyr.elf
done
printf 'CONFIG_SOC="stm32f405xx"\n' >zephyr/build/mcuboot/zephyr/.config
cat >zephyr/build/app/zephyr/.config <<'END'
CONFIG_SOC="stm32f405xx"
CONFIG_BOOTLOADER_MCUBOOT=y
CONFIG_FLASH_BASE_ADDRESS=0x8000000
CONFIG_FLASH_LOAD_OFFSET=0x40000
END
run 11 zephyr flash -d sim:stm32f405
said "west sign"
{ printf '\075\270\363\226'; head -c 20000 "$firmware/stm32f405-offset.bin"; } >zephyr/build/app/zephyr/zephyr.signed.bin
run 0 zephyr flash -d "sim:stm32f405?flash=$work/zephyr.flash"
holds zephyr.flash 0 "$firmware/stm32f405-v1.bin"
holds zephyr.flash 0x40000 zephyr/build/app/zephyr/zephyr.signed.bin

# ---- Klipper and an Arduino sketch

mkdir -p klipper/out sketch/build/esp32.esp32.one
printf 'CONFIG_FLASH_APPLICATION_ADDRESS=0x8008000\n' >klipper/.config
printf '{"config": {"MCU": "stm32f405xx", "SERIAL_BAUD": 250000}}' >klipper/out/klipper.dict
cp "$firmware/stm32f405-offset.bin" klipper/out/klipper.bin
run 0 klipper flash -d "sim:stm32f405?flash=$work/klipper.flash"
holds klipper.flash 0x8000 "$firmware/stm32f405-offset.bin"
cp "$firmware/esp32-app-v1.bin" sketch/build/esp32.esp32.one/sketch.ino.bin
cp "$firmware/esp32-bootloader.bin" sketch/build/esp32.esp32.one/sketch.ino.bootloader.bin
cp table.bin sketch/build/esp32.esp32.one/sketch.ino.partitions.bin
head -c 100000 /dev/zero >sketch/build/esp32.esp32.one/sketch.ino.merged.bin
run 0 sketch flash -d "sim:esp32?flash=$work/sketch.flash"
holds sketch.flash 0x1000 "$firmware/esp32-bootloader.bin"
holds sketch.flash 0x10000 "$firmware/esp32-app-v1.bin"

# ---- an address that only the vectors tell, where no bootloader is known: asked, and refused in a script

# The words of a program that point into it are moved by an odd number of pages, as if it had been linked there.
"${PYTHON:-python3}" - "$firmware/stm32f405-offset.bin" moved.bin <<'END'
import struct, sys
data = open(sys.argv[1], 'rb').read()
base, end = 0x08008000, 0x08008000 + len(data)
words = [w + 0xa200 if base <= w < end else w for (w,) in struct.iter_unpack('<I', data[:len(data) // 4 * 4])]
open(sys.argv[2], 'wb').write(struct.pack('<%dI' % len(words), *words))
END
run 9 . flash moved.bin -d "sim:stm32f405?flash=$work/moved.flash"
said "where no known bootloader looks for an application"
address=$(sed -n 's/.*belongs at \(0x[0-9a-f]*\),.*/\1/p' err)
run 0 . flash "moved.bin@$address" -d "sim:stm32f405?flash=$work/moved.flash"
holds moved.flash "$((address - 0x08000000))" moved.bin

exit $failed
