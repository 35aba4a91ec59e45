#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What is remembered of boards: names, the board of a project, the rate; and that nothing depends on it.
#
#   tests/tools/names.sh KILN KILN_SIM_USB FIRMWARE
set -euo pipefail
kiln=$1 sim=$2 firmware=$3
tmp=$(mktemp -d)
board=
trap 'if [ -n "$board" ]; then kill "$board"; fi; rm -rf "$tmp"' EXIT
unset LD_PRELOAD
export XDG_STATE_HOME=$tmp/state HOME=$tmp NO_COLOR=1
file=$tmp/state/kiln/boards.json
fail() { echo "names: $*" >&2; cat "$tmp/out" "$file" >&2 2>/dev/null || true; exit 1; }
# run STATUS COMMAND...: its output is in $tmp/out
run() {
    local wanted=$1 status=0
    shift
    "$@" >"$tmp/out" 2>&1 || status=$?
    [ "$status" = "$wanted" ] || fail "status $status instead of $wanted: $*"
}
says() { grep -q -- "$1" "$tmp/out" || fail "does not say: $1"; }
silent_on() { ! grep -q -- "$1" "$tmp/out" || fail "says: $1"; }
# plug BOARD...: runs kiln with these boards on USB; a, b and c differ but for a's twin
a='stm32f405' b='stm32f429' c='stm32f072'
plug() { # plug STATUS "BOARDS" WORD...
    local wanted=$1 boards=$2
    shift 2
    # shellcheck disable=SC2086
    run "$wanted" "$sim" $boards -- "$kiln" "$@"
}

# ---- names ----
run 0 "$kiln" name
says 'No board has a name yet'
[ ! -e "$tmp/state" ] || fail "reading makes a folder"
plug 0 "$a $b" name left -d 1-1
[ "$(stat -c %a "$file")" = 600 ] || fail "others may read the file"
plug 0 "$b $a" list
grep -A1 '^1-2 ' "$tmp/out" | grep -q '  left, usb:1-2' || fail "the name does not follow the serial number"
grep -A1 '^1-1 ' "$tmp/out" | grep -q 'left' && fail "the other board has the name too"
plug 0 "$b $a" list --json
[ "$(/usr/bin/env python3 -c 'import json, sys; print([json.loads(l).get("name") for l in sys.stdin])' <"$tmp/out")" = "[None, 'left']" ] ||
    fail "name in JSON"
plug 0 "$b $a" info -d left
says '001/003'
plug 3 "$b" info -d left
says 'left (serial .*) is not plugged in'
plug 3 "$b" info -d lift
says 'no board that is here has the name, serial number or short id lift'
plug 4 "$a $b" name right
says 'there are 2 boards'
for bad in 1-1 12 tty0 a/b '' "$(printf 'x%.0s' {1..33})"; do
    plug 2 "$a" name "$bad"
done
plug 0 "$a $b" name left -d 1-2
says 'not any more that of'
plug 0 "$a $b" info -d left
says '001/003'
# Two with one serial number are told apart by their places, and the name moves with neither.
plug 0 "$a $a" name twin -d 1-2
says 'known by its USB port alone'
plug 0 "$a $a" info -d twin
says '001/003'
plug 3 "$a" info -d twin
run 0 "$kiln" name far -d tcp://nowhere.invalid:1
run 0 "$kiln" name board -d "sim:esp32?flash=$tmp/f.bin"
run 0 "$kiln" info -d board
run 0 "$kiln" name --json
[ "$(wc -l <"$tmp/out")" = 4 ] || fail "name --json"
run 2 "$kiln" name --forget nothing
run 0 "$kiln" name --forget far
run 0 "$kiln" name
silent_on far
run 0 "$kiln" name --forget-all
run 0 "$kiln" name
says 'No board has a name yet'

# ---- the board of a project ----
project=$tmp/project
mkdir -p "$project/.pio/build/mini"
printf '[env:mini]\nplatform = ststm32\nboard = generic\nboard_build.mcu = stm32f405rgt6\nupload_protocol = dfu\n' >"$project/platformio.ini"
cp "$firmware" "$project/.pio/build/mini/firmware.bin"
flash() { # flash STATUS "BOARDS" WORD...
    local wanted=$1 boards=$2
    shift 2
    plug "$wanted" "$boards" flash -p "$project" "$@"
}
flash 4 "$a $b"
flash 0 "$a" -n
run 0 "$kiln" name
says 'No board has a name yet'
flash 0 "$a"
flash 0 "$b $a"
says '2 boards are plugged in: taking .*; -d chooses another'
says '001/003'
flash 0 "$a"
silent_on 'taking'
flash 0 "$a $b" -q
silent_on .
flash 4 "$a $a" # two boards could be it
flash 4 "$b $c"
says 'was last flashed to .*, which is not here'
flash 0 "$b" -n -q
says 'was last flashed to .*, which is not here; taking .*the only board that is'
flash 0 "$b" -n --json
head -1 "$tmp/out" | grep -q '"event":"notice".*not here; taking' || fail "the notice in JSON"
flash 0 "$a $b" -d 1-2
flash 0 "$a $b"
says '001/003'
flash 0 "$a $b" --all
flash 0 "$a $b"
says '001/003'
plug 0 "$a $b" name right -d 1-2
flash 0 "$a $b" -n
says 'taking right (serial'
# Without the project's files it is anybody's guess again.
plug 4 "$a $b" info
run 0 "$kiln" name
says "flashed from $project, environment mini"

# ---- the rate ----
"$kiln" sim esp8266 --pty "$tmp/tty" >/dev/null &
board=$!
for _ in $(seq 100); do [ -e "$tmp/tty" ] || sleep 0.05; done
run 0 "$kiln" monitor -d "$tmp/tty" -b 74880 --reset --duration 1
run 0 "$kiln" name
silent_on 74880 # a pseudo-terminal without name is nothing to remember
run 0 "$kiln" name slow -d "$tmp/tty"
run 0 "$kiln" monitor -d slow -b 74880 --reset --duration 1
says 'ets Jan'
run 0 "$kiln" monitor -d slow --reset --duration 1
says '74880 baud, as this board spoke the last time'
says 'ets Jan'
run 0 "$kiln" name
says 'speaks at 74880 baud'
kill "$board"
wait "$board" || true
board=

# ---- a file that is not as it should be ----
grep -q '"version": 1' "$file" || fail "no version"
cp "$file" "$tmp/good"
head -c 50 "$tmp/good" >"$file"
plug 0 "$a" info -d 1-1
silent_on remembered # not needed, not read
plug 0 "$a" list
[ "$(grep -c 'remembered of boards cannot be read' "$tmp/out")" = 1 ] || fail "not one warning"
flash 0 "$a"
[ "$(grep -c 'remembered of boards cannot be read' "$tmp/out")" = 1 ] || fail "not one warning"
cmp -s "$file.bad" <(head -c 50 "$tmp/good") || fail "the damaged file is lost"
plug 0 "$a" list
silent_on 'cannot be read'
sed 's/"version": 1/"version": 2/' "$tmp/good" >"$file"
cp "$file" "$tmp/newer"
flash 0 "$a"
says 'newer kiln'
plug 12 "$a" name other
says 'stays as it is'
cmp -s "$file" "$tmp/newer" || fail "a newer file was written"
rm "$file"
mkfifo "$file" # must not wait for a writer
plug 0 "$a" list
rm "$file"

# ---- nowhere to write ----
export XDG_STATE_HOME=relative
unset HOME
flash 0 "$a"
[ ! -e relative ] || fail "a relative XDG_STATE_HOME counts"
plug 12 "$a" name other
says 'neither HOME nor XDG_STATE_HOME'
export XDG_STATE_HOME=/proc/nothing
flash 0 "$a"
plug 12 "$a" name other
if ((EUID == 0)); then # as under sudo: the home of someone else
    mkdir "$tmp/other"
    chown 12345 "$tmp/other"
    export XDG_STATE_HOME=$tmp/other
    flash 0 "$a"
    [ -z "$(ls "$tmp/other")" ] || fail "wrote into the folder of another user"
fi

# ---- many at once: no name is lost ----
export XDG_STATE_HOME=$tmp/many
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do "$kiln" name "n$i" -d "tcp://h:$i" >/dev/null & done
wait
run 0 "$kiln" name --json
[ "$(wc -l <"$tmp/out")" = 12 ] || fail "names were lost"
[ "$(ls "$tmp/many/kiln")" = boards.json ] || fail "files were left behind"
echo "names: all as it should be"
