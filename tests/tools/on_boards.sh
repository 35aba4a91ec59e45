# SPDX-License-Identifier: MIT
# Sourced with the paths of kiln-sim-usb and kiln as $1 and $2: a folder of its own, and programs run on simulated boards.
set -eu
for program in "$1" "$2"; do
    [ -x "$program" ] || { echo "FAIL: there is no program $program"; exit 1; }
done
sim=$(realpath "$1")
kiln=$(realpath "$2")
tools=$(cd "$(dirname "$0")" && pwd)
examples=$tools/../../examples/firmware
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
unset LD_PRELOAD
fail() { echo "FAIL: $*"; cat log 2>/dev/null; exit 1; }

# on BOARDS STATUS PROGRAM...: its output in log, its exit status held; several boards with spaces between
on() {
    on_boards=$1 on_wanted=$2 on_status=0
    shift 2
    timeout 60 "$sim" $on_boards -- "$@" >log 2>&1 || on_status=$?
    [ $on_status = "$on_wanted" ] || fail "$on_boards: $*: exit status $on_status, not $on_wanted"
}
said() { grep -q -- "$1" log || fail "not said: $1"; }
unsaid() { ! grep -q -- "$1" log || fail "said: $1"; }
