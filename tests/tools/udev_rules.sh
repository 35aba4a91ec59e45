#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the system's own udev makes of `kiln help udev-rules`: its rules engine (udevadm test) is run on simulated
# USB devices with their real descriptors, and on described ports, in a mount namespace with our file in place.
#
#   tests/tools/udev_rules.sh KILN KILN_SIM_USB
set -euo pipefail
fail() { echo "udev_rules: $*" >&2; exit 1; }

if [ "${3:-}" != inside ]; then
    options=(-m)
    ((EUID == 0)) || options=(-rm)
    exec unshare "${options[@]}" "$0" "$(realpath "$1")" "$(realpath "$2")" inside
fi
kiln=$1 sim=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p /run/udev
mount -t tmpfs none /run/udev
mkdir /run/udev/rules.d
rules=/run/udev/rules.d/70-kiln.rules
"$kiln" help udev-rules >"$rules"

# on_board BOARD: udev's verdict on the device of a simulated DFU board, its descriptors included.
on_board() {
    timeout 40 "$sim" "$1" -- udevadm test --action=add /sys/devices/usb1/1-1 >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; fail "$1"; }
}

# on_port VENDOR PRODUCT [NAME]: its verdict on the serial port of a USB device.
on_port() {
    cat >"$tmp/port" <<PORT
P: /devices/usb1/1-2
E: DEVTYPE=usb_device
E: SUBSYSTEM=usb
A: idVendor=$1
A: idProduct=$2
A: product=${3:-serial}

P: /devices/usb1/1-2/1-2:1.0/tty/ttyUSB0
N: ttyUSB0
E: DEVNAME=/dev/ttyUSB0
E: SUBSYSTEM=tty
E: MAJOR=188
E: MINOR=0
PORT
    rm -rf /run/udev/data # nothing known of an earlier device at this place
    umockdev-run -d "$tmp/port" -- udevadm test --action=add /sys/devices/usb1/1-2/1-2:1.0/tty/ttyUSB0 >"$tmp/log" 2>&1 ||
        { cat "$tmp/log" >&2; fail "port of $1:$2"; }
}
has() { grep -q -- "$1" "$tmp/log" || { cat "$tmp/log" >&2; fail "$2: no $1"; }; }
lacks() { ! grep -q -- "$1" "$tmp/log" || { cat "$tmp/log" >&2; fail "$2: $1"; }; }

for board in stm32f405 stm32h743 gd32vf103; do
    on_board "$board"
    lacks '70-kiln.rules.*\(Invalid\|Unknown\|ignoring\)' "$board"
    has '^CURRENT_TAGS=.*:uaccess:' "$board"
    has "70-kiln.rules:[0-9]* MODE 0660" "$board"
    has '^ID_MM_DEVICE_IGNORE=1' "$board"
done
on_port 10c4 ea60
has '^CURRENT_TAGS=.*:uaccess:' "CP210x"
has '^ID_MM_PORT_IGNORE=1' "CP210x"
has "^run: 'uaccess'" "CP210x"
on_port abcd 1234 "Some CMSIS-DAP probe"
has '^CURRENT_TAGS=.*:uaccess:' "CMSIS-DAP known by name alone"
on_port abcd 1234 "Some modem"
lacks '^CURRENT_TAGS=.*:uaccess:' "a port of something else"
lacks '70-kiln.rules:[0-9]* MODE' "a port of something else"

# Too late a number is what `kiln doctor` warns of: the tag comes after the rule that would act on it.
mv "$rules" /run/udev/rules.d/99-kiln.rules
on_port 10c4 ea60
has '^CURRENT_TAGS=.*:uaccess:' "99-kiln.rules"
lacks "^run: 'uaccess'" "99-kiln.rules"
echo "udev_rules: as they should be, by udev $(udevadm --version)"
