#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `kiln doctor` on a made-up system: what it prints, asks and runs, and its exit status.
#
#   tests/tools/doctor.sh KILN
set -euo pipefail
kiln=$1
fail() { echo "doctor: $*" >&2; exit 1; }
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

tty=$tree/sys/devices/usb1/1-3/1-3:1.0/ttyUSB0/tty/ttyUSB0
mkdir -p "$tty/device" "$tree/sys/class/tty" "$tree/sys/bus/usb/devices/1-3" "$tree/dev" "$tree/run/lock" \
    "$tree/proc/sys/kernel" "$tree/usr/lib/udev/rules.d" "$tree/bin"
ln -s ../../devices/usb1/1-3/1-3:1.0/ttyUSB0/tty/ttyUSB0 "$tree/sys/class/tty/ttyUSB0"
echo 1a86 >"$tree/sys/bus/usb/devices/1-3/idVendor"
echo 7523 >"$tree/sys/bus/usb/devices/1-3/idProduct"
"$kiln" help udev-rules >"$tree/usr/lib/udev/rules.d/70-kiln.rules"
: >"$tree/dev/ttyUSB0"
chmod 666 "$tree/dev/ttyUSB0"
printf '#!/bin/sh\necho "$*" >>"%s/sudo.log"\nexec "$@"\n' "$tree" >"$tree/bin/sudo"
chmod +x "$tree/bin/sudo"
export PATH=$tree/bin:$PATH HOME=/nobody NO_COLOR=1

out=$("$kiln" doctor --root "$tree") || fail "status $? when all is well"
[ "$out" = "Nothing stands in the way." ] || fail "says more than needed: $out"
"$kiln" doctor -v --root "$tree" | grep -q 'lock-file: no lock file was left behind' || fail "-v"

lock=$tree/run/lock/LCK..ttyUSB0
echo 4194305 >"$lock"
"$kiln" doctor --root "$tree" | grep -q 'LCK..ttyUSB0 locks /dev/ttyUSB0 for process 4194305' || fail "no evidence"
"$kiln" doctor --json --root "$tree" | /usr/bin/env python3 -c '
import json, sys
finding, end = [json.loads(line) for line in sys.stdin]
assert finding["check"] == "lock-file" and finding["weight"] == "note" and finding["fix"].endswith(sys.argv[1]), finding
assert end == {"event": "doctor", "obstacles": 0, "notes": 1, "exit": 0}, end' "$lock" || fail "--json"
echo n | "$kiln" doctor --fix --root "$tree" >/dev/null
[ -e "$lock" ] || fail "ran the command without leave"
"$kiln" doctor --fix --root "$tree" </dev/null >/dev/null
[ -e "$lock" ] || fail "ran the command when nobody answered"
out=$(echo y | "$kiln" doctor --fix --root "$tree")
[ ! -e "$lock" ] || fail "did not run the command"
grep -q 'rm -f' <<<"$out" || fail "did not show the command"
grep -q 'Done' <<<"$out" || fail "did not say that it was done"
((EUID == 0)) || grep -qx "rm -f $lock" "$tree/sudo.log" || fail "not by sudo"

# One line is one answer, and only a whole "y" or "yes" is one.
for answer in 'yyyyyyyyyyyyyyyyyyyyy' 'yikes' ' ' '\xff'; do
    echo 4194305 >"$lock"
    printf "$answer\n" | "$kiln" doctor --fix --root "$tree" >/dev/null
    [ -e "$lock" ] || fail "took '$answer' for yes"
done
printf 'YES' | "$kiln" doctor --fix --root "$tree" >/dev/null
[ ! -e "$lock" ] || fail "did not take YES for yes"

# A name that a shell would take for something else is in no command, whatever is in it.
mv "$tree/sys/class/tty" "$tree/sys/class/tty.good"
for name in 'ttyUSB0 -rf' 'ttyUSB0;touch PWNED' 'ttyUSB0;>PWNED' 'ttyUSB0$(touch PWNED)' 'ttyUSB0`touch PWNED`' "ttyUSB0'" 'ttyUSB0"' \
    $'ttyUSB0\ntouch PWNED\n' 'ttyUSB0*' 'ttyUSB0\' 'ttyUSB0&' 'ttyUSB0>PWNED' 'ttyUSB0~' 'ttyUSB0#' $'ttyUSB0\033[2J'; do
    mkdir -p "$tree/sys/class/tty"
    ln -s ../../devices/usb1/1-3/1-3:1.0/ttyUSB0/tty/ttyUSB0 "$tree/sys/class/tty/$name"
    : >"$tree/dev/$name"
    chmod 666 "$tree/dev/$name"
    echo 4194305 >"$tree/run/lock/LCK..$name"
    out=$(cd "$tree" && "$kiln" doctor --fix --root "$tree" <<<$'y\ny\ny') || fail "status $? with '$name'"
    [ -e "$tree/run/lock/LCK..$name" ] || fail "touched the lock of '$name'"
    [ ! -e "$tree/PWNED" ] || fail "ran '$name'"
    grep -q 'No command can do this: a name in it could mean' <<<"$(tr -s '\n ' ' ' <<<"$out")" || fail "no reason for '$name': $out"
    ! grep -q $'\033' <<<"$out" || fail "wrote an escape sequence"
    rm "$tree/dev/$name" "$tree/run/lock/LCK..$name"
    rm -r "$tree/sys/class/tty"
done
mv "$tree/sys/class/tty.good" "$tree/sys/class/tty"

# While the question stands the process ends and another one gets its number: that one is left in peace.
sleep 300 &
innocent=$!
mkdir -p "$tree/proc/$innocent/fd"
echo screen >"$tree/proc/$innocent/comm"
ln -s /dev/ttyUSB0 "$tree/proc/$innocent/fd/3"
mkfifo "$tree/answers"
"$kiln" doctor --fix --root "$tree" <"$tree/answers" >"$tree/doctor.out" &
exec 3>"$tree/answers"
for _ in $(seq 600); do
    grep -q 'Run this command' "$tree/doctor.out" && break
    sleep 0.1
done
grep -q "kill $innocent" "$tree/doctor.out" || fail "does not offer to end it: $(cat "$tree/doctor.out")"
rm "$tree/proc/$innocent/fd/3" # it is another program now
echo y >&3
exec 3>&-
wait $! || fail "status $? when the port is free again"
grep -q 'no longer so; nothing was run' "$tree/doctor.out" || fail "does not say that it did nothing: $(cat "$tree/doctor.out")"
kill -0 "$innocent" || fail "ended an innocent process"
kill "$innocent"
rm -r "$tree/proc/$innocent"

# One fix brings the next thing to light: the port is held by a service, and once that is stopped by a program.
mkdir -p "$tree/proc/4194801/fd" "$tree/proc/4194802/fd"
echo klippy >"$tree/proc/4194801/comm"
echo screen >"$tree/proc/4194802/comm"
echo '0::/system.slice/klipper.service' >"$tree/proc/4194801/cgroup"
ln -s /dev/ttyUSB0 "$tree/proc/4194801/fd/3"
printf '#!/bin/sh\n[ "$*" = "stop klipper.service" ] && mv %s/proc/4194801/fd/3 %s/proc/4194802/fd/\n' "$tree" "$tree" >"$tree/bin/systemctl"
chmod +x "$tree/bin/systemctl"
status=0
out=$("$kiln" doctor --root "$tree") || status=$?
[ "$status" = 6 ] || fail "status $status with a port in use"
grep -q 'in use by klippy (process 4194801, klipper.service), a service of the system' <<<"$(tr -s '\n ' ' ' <<<"$out")" || fail "no service: $out"
out=$(printf 'y\nn\n' | "$kiln" doctor --fix --root "$tree") && fail "status 0 with a port in use"
grep -q 'systemctl stop klipper.service' <<<"$out" || fail "does not offer to stop the service: $out"
grep -q 'kill 4194802' <<<"$out" || fail "does not offer what came to light: $out"
grep -q 'After that:' <<<"$out" || fail "does not show how it stands: $out"
rm -r "$tree/proc/4194802"

rm -r "$tree/sys"
status=0
"$kiln" doctor --root "$tree" >/dev/null || status=$?
[ "$status" = 3 ] || fail "status $status with nothing plugged in"
out=$("$kiln" doctor --fix --root "$tree" </dev/null) && fail "status 0 with nothing plugged in"
grep -q 'No command can do this: no command mends a cable' <<<"$(tr -s '\n ' ' ' <<<"$out")" || fail "no reason: $out"
status=0
"$kiln" doctor --fix --json 2>/dev/null >&2 || status=$?
[ "$status" = 2 ] || fail "--fix --json is no mistake"
echo "doctor: all as it should be"
