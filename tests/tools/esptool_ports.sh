#!/bin/sh
# SPDX-License-Identifier: MIT
# Which ports the esptool look-alike tries, and in which order, on a computer with five of them (umockdev). The ports cannot
# be opened: what counts is what it says. $1 is kiln.
set -u
kiln=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

# device NUMBER VID PID SERIAL TTY
device()
{
    cat <<END
P: /devices/pci0/usb1/1-$1
E: DEVTYPE=usb_device
E: SUBSYSTEM=usb
A: idVendor=$2
A: idProduct=$3
A: busnum=1
A: devnum=$1
A: serial=$4
A: product=Bridge
H: descriptors=12010002000000400102030405060102030109021200010100803209040000000000000000

P: /devices/pci0/usb1/1-$1/1-$1:1.0
E: DEVTYPE=usb_interface
E: SUBSYSTEM=usb

P: /devices/pci0/usb1/1-$1/1-$1:1.0/tty/$5
N: $5
E: DEVNAME=/dev/$5
E: SUBSYSTEM=tty
E: MAJOR=188
E: MINOR=$1
A: dev=188:$1

END
}

{
    device 1 10c4 ea60 A-1 ttyUSB0
    device 2 10c4 ea60 A-2 ttyUSB1
    device 3 303a 1001 24:6F ttyACM3
    device 4 1a86 7523 "" ttyUSB4
    device 5 10c4 ea71 B-1 ttyUSB5
} >ports.umockdev

# tries PORTS [FILTERS...]: the ports that are tried with these filters
tries()
{
    expected=$1
    shift
    umockdev-run -d ports.umockdev -- "$kiln" esptool --connect-attempts 1 "$@" flash-id >out 2>&1
    found=$(sed -n 's,^Serial port /dev/\(.*\):$,\1,p' out | tr '\n' ' ')
    if [ "$found" != "${expected:+$expected }" ] ||
        ! grep -q "^Found $(echo "$expected" | wc -w) serial ports" out; then
        echo "FAILED: $*: tried $found, not $expected"
        sed 's/^/    /' out
        failures=$((failures + 1))
    fi
}

tries 'ttyACM3 ttyUSB5 ttyUSB4 ttyUSB1 ttyUSB0'
tries 'ttyUSB5 ttyUSB1 ttyUSB0' --port-filter vid=0x10c4
tries 'ttyUSB1 ttyUSB0' --port-filter vid=0x10c4 pid=0xea60
tries 'ttyUSB1 ttyUSB0' --port-filter vid=0x10c4 --port-filter pid=60000
tries 'ttyACM3 ttyUSB5 ttyUSB1 ttyUSB0' --port-filter vid=0x10c4 vid=0x303a
tries 'ttyUSB5 ttyUSB4' --port-filter pid=0x7523 pid=0xea71
tries '' --port-filter vid=0x10c4 pid=0x7523
tries 'ttyACM3' --port-filter name=ACM
tries '' --port-filter name=acm
tries '' --port-filter name=Bridge
tries 'ttyUSB5 ttyUSB4' --port-filter name=USB4 name=USB5
tries 'ttyUSB1 ttyUSB0' --port-filter serial=A-
tries 'ttyUSB5' --port-filter serial=A- serial=B- pid=0xea71
tries '' --port-filter serial=a-
tries 'ttyUSB1' --port-filter serial=2 name=USB vid=0x10c4
[ $failures -eq 0 ] && echo "all as expected"
[ $failures -eq 0 ]
