#!/bin/sh
# SPDX-License-Identifier: MIT
# Another esptool as client of the simulated chips: Espressif's program finds, writes, reads and erases each of them, through
# the boot ROM alone and with its own stub, over a TCP socket, RFC 2217 and a pseudo-terminal.
# ESPTOOL=command esptool_peer.sh KILN [CHIP...]
# Fails if a simulator does not answer as esptool 5 expects of the chip, or takes a command that the chip has not.
set -u
kiln=$1
shift
: "${ESPTOOL:?say which esptool to run, as ESPTOOL=command}"
work=$(mktemp -d)
sim=
trap 'if [ -n "$sim" ]; then kill "$sim" 2>/dev/null; fi; rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
calls=0

fail()
{
    echo "FAILED: $1"
    tail -6 out | sed 's/^/    /'
    failures=$((failures + 1))
}

# tool STATUS WORDS...: runs esptool on the board. 0 is success, 1 any failure.
tool()
{
    wanted=$1
    shift
    calls=$((calls + 1))
    # shellcheck disable=SC2086
    timeout 120 $ESPTOOL --chip "$chip" --port "$port" $stub --before "$before" --after no-reset "$@" >out 2>&1
    status=$?
    [ $status -eq 0 ] || status=1
    [ $status -eq "$wanted" ] || fail "$chip ${stub:-stub} $face: status $status, not $wanted: $*"
}

says()
{
    grep -qF -- "$1" out || fail "$chip ${stub:-stub} $face: does not say: $1"
}

# start FACE: a fresh board; sets port and before.
start()
{
    face=$1
    rm -f board
    : >log
    case $face in
    pty) "$kiln" sim "$chip" --pty "$work/board" >log 2>&1 & ;;
    *) "$kiln" sim "$chip" "--$face" 0 >log 2>&1 & ;;
    esac
    sim=$!
    tries=0
    until grep -q '^board at' log; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ] || ! kill -0 "$sim" 2>/dev/null; then
            cp log out
            fail "$chip does not start"
            exit 1
        fi
        sleep 0.1
    done
    port=$(sed -n 's,^board at ,,p' log)
    before=no-reset
    case $face in
    tcp) port=socket://${port#tcp://} ;;
    rfc2217)
        port="$port?ign_set_control"
        before=default-reset
        ;;
    esac
}

finish()
{
    kill "$sim" 2>/dev/null
    wait "$sim" 2>/dev/null
    sim=
}

# Whether this loader can: the ESP8266's ROM neither reads nor hashes flash.
reads()
{
    [ "$chip" != esp8266 ] || [ -z "$stub" ]
}

whole_round()
{
    tool 0 flash-id
    says 'Manufacturer: ef'
    tool 0 read-mac
    says 'MAC:'
    tool 0 chip-id
    case $chip in
    esp8266 | esp32) tool 1 get-security-info ;;
    *) tool 0 get-security-info ;;
    esac
    tool 0 write-flash 0x10000 a.bin 0x40000 b.bin
    tool 0 write-flash -u 0x60000 b.bin
    if reads; then
        tool 0 verify-flash 0x10000 a.bin 0x40000 b.bin 0x60000 b.bin
        tool 1 verify-flash 0x10000 b.bin
        tool 0 read-flash 0x10000 70001 back.bin
        cmp -s a.bin back.bin || fail "$chip ${stub:-stub}: read-flash is not what was written"
        tool 0 write-flash 0x10000 c.bin
        tool 0 verify-flash 0x10000 c.bin
        tool 0 read-flash-status
    fi
    tool 0 read-mem 0x40001000
    tool 0 write-mem "$ram" 0x12345678
    tool 0 read-mem "$ram"
    says 0x12345678
    if [ -z "$stub" ]; then
        tool 0 erase-region 0x10000 0x1000
        tool 0 read-flash 0x10000 16 back.bin
        [ "$(od -An -tx1 back.bin | tr -d ' \n')" = ffffffffffffffffffffffffffffffff ] ||
            fail "$chip: erase-region did not erase"
        tool 0 erase-flash
        tool 0 read-flash 0x40000 16 back.bin
        [ "$(od -An -tx1 back.bin | tr -d ' \n')" = ffffffffffffffffffffffffffffffff ] ||
            fail "$chip: erase-flash did not erase"
    fi
}

head -c 70001 /dev/urandom >a.bin
head -c 9000 /dev/zero | tr '\0' '\125' >b.bin
head -c 70001 /dev/urandom >c.bin
[ $# -gt 0 ] || set -- esp8266 esp32 esp32s3 esp32c3 esp32c6 esp32p4
for chip in "$@"; do
    case $chip in
    esp8266) ram=0x3ffe9000 ;;
    esp32) ram=0x3ffb0000 ;;
    esp32s3) ram=0x3fcb0000 ;;
    esp32c3) ram=0x3fc90000 ;;
    esp32c6) ram=0x40830000 ;;
    esp32p4) ram=0x4ff60000 ;;
    esac
    for stub in --no-stub ''; do
        start tcp
        whole_round
        finish
        for face in rfc2217 pty; do
            start "$face"
            tool 0 flash-id
            tool 0 write-flash 0x10000 b.bin
            if reads; then
                tool 0 verify-flash 0x10000 b.bin
            fi
            finish
        done
    done
done
echo "$calls calls of esptool, $failures failures"
[ $failures -eq 0 ]
