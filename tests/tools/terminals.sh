#!/bin/sh
# SPDX-License-Identifier: MIT
# terminals.sh KILN: terminal programs of other hands open the pseudo-terminal of a simulated ESP32 and show what its
# boot ROM says after a reset.
set -eu
kiln=$1
tmp=$(mktemp -d)
started=
finish() {
    for pid in $started; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# until_true COMMAND...: tries for a minute.
until_true() {
    for _ in $(seq 600); do
        "$@" && return 0
        sleep 0.1
    done
    echo "not true within a minute: $*"
    cat "$tmp"/*.out
    return 1
}

# shows NAME COMMAND: in a terminal of its own, on a board of its own.
shows() {
    "$kiln" sim esp32 --pty "$tmp/$1" >"$tmp/$1-board.out" 2>&1 &
    board=$!
    started="$started $board"
    until_true test -e "$tmp/$1"
    script -qec "$2 $tmp/$1" /dev/null </dev/null >"$tmp/$1.out" 2>&1 &
    terminal=$!
    started="$started $terminal"
    until_true grep -q '^ets Jul 29 2019' "$tmp/$1.out"
    until_true grep -q '^rst:0x1 (POWERON_RESET)' "$tmp/$1.out"
    kill "$terminal" "$board"
    wait "$board" || true
    echo "$1 shows the boot text"
}

shows tio "tio --baudrate 115200"
shows picocom "picocom --quiet --baud 115200"
