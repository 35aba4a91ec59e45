#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_beside.sh KILN_SIM_USB KILN [TABLE]: Debian's dfu-util and kiln with the same words on every simulated DFU device, at
# the boards' own erase and program times: list, write of an odd length, read-back, write at an offset, several elements,
# leave, unplug in the middle of a write and what a second try makes of it. Kiln must do all of them; what dfu-util does is
# held too, so that a change of the model shows. TABLE gets the seconds as a Markdown table (docs/dfu-util.md).
# 77 (skipped) without dfu-util.
. "$(dirname "$0")/on_boards.sh"
table=$(cd "$OLDPWD" && realpath "${3:-/dev/null}")
command -v dfu-util >/dev/null || exit 77
ln -s "$kiln" dfu-util
head -c 20481 /dev/urandom >image.bin
head -c 3001 /dev/urandom >one.bin
head -c 5000 /dev/urandom >two.bin

# What dfu-util 0.11 ends with: 74 after a leave or reset is an error after a success, and depends on when the board goes.
known() {
    case "$1 $2" in
    "stm32u575 list") echo 0 ;;
    "stm32u575 "*) echo 76 ;;
    "stm32l452 leave" | "gd32vf103 leave" | "dfu11 write" | "dfu11 leave" | "maple write" | "maple leave") echo "0 74" ;;
    *) echo 0 ;;
    esac
}

# step NAME PROGRAM WANTED KNOBS WORDS...: the time in the row, "(exit N)" behind it if not 0
step() {
    step=$1 program=$2 wanted=$3 knobs=$4
    shift 4
    case $program in dfu-util) run=$(command -v dfu-util) ;; *) run=$tmp/dfu-util ;; esac
    case $board in *\?*) join="&time=real" ;; *) join="?time=real" ;; esac
    # dfu-util waits once, for the time of -E, and then looks once: a board that a busy machine brings back later is
    # "lost" (74, nothing was done). That step is done again, and must come out as it should.
    for _ in 1 2 3 4 5; do
        got=0
        start=$(date +%s%N)
        timeout 120 "$sim" "$board$join$knobs" -- "$run" "$@" >log 2>&1 || got=$?
        end=$(date +%s%N)
        [ $program = dfu-util ] && grep -q 'Lost device after RESET' log || break
    done
    cell=$(awk -v a="$start" -v b="$end" 'BEGIN { printf "%.1f", (b - a) / 1e9 }')
    [ $got = 0 ] || cell="$cell ($got)"
    printf ' %s |' "$cell" >>"row.$program"
    case " $wanted " in *" $got "*) return 0 ;; esac
    echo "FAIL: $board: $program: $step: exit status $got, not $wanted"
    cat log
    exit 1
}
differs() { echo "FAIL: $board: $program: $1: other contents"; exit 1; }

# beside BOARD FLASH_BASE FIRST_ADDRESS OFFSET WORDS...: both programs, one after the other
beside() {
    board=$1 base=$2 first=$3 offset=$4
    shift 4
    mkdir "$board" && cd "$board"
    "$kiln" image merge -q -o elements.dfu ../one.bin@$first ../two.bin@$offset
    for program in dfu-util kiln; do
        printf '| %s | %s |' "$board" "$program" >"row.$program"
        ours() { [ $program = kiln ] && echo 0 || known "$board" "$1"; }
        step list $program "$(ours list)" "" -l
        grep Found log >"list.$program" || differs list
        rm -f f.bin back.bin
        step write $program "$(ours write)" "&flash=f.bin" "$@" -s $first -D ../image.bin
        held write $first ../image.bin
        step read $program "$(ours read)" "&flash=f.bin" "$@" -s $first:20481 -U back.bin
        [ $program = dfu-util ] && [ "$(known "$board" read)" != 0 ] || cmp -s ../image.bin back.bin || differs read
        step offset $program "$(ours offset)" "&flash=f.bin" "$@" -s $offset -D ../two.bin
        held offset $offset ../two.bin
        rm -f f.bin
        step elements $program "$(ours elements)" "&flash=f.bin" "$@" -D elements.dfu
        held "first element" $first ../one.bin
        held "second element" $offset ../two.bin
        step leave $program "$(ours leave)" "&flash=f.bin" "$@" -s $first:leave -D ../image.bin
        held leave $first ../image.bin
        rm -f f.bin
        step unplug $program "$([ "$board $program" = "stm32u575 dfu-util" ] && echo 74 76 || echo 74)" \
            "&flash=f.bin&unplug=5" "$@" -s $first -D ../image.bin
        [ $program = dfu-util ] || grep -q 'unplug\|has left\|gone' log || { cat log; differs "unplug not told"; }
        [ $program = dfu-util ] || step again $program 0 "&flash=f.bin" "$@" -s $first -D ../image.bin
        [ $program = dfu-util ] || held "second try" $first ../image.bin
        [ $program = kiln ] || printf ' - |' >>"row.$program"
        echo >>"row.$program"
    done
    cmp list.dfu-util list.kiln || { echo "FAIL: $board: other lists"; exit 1; }
}

held() {
    [ $program = dfu-util ] && [ "$(known "$board" write)" = 76 ] && return 0
    skip=$(($2 - base))
    cmp -s -i 0:$skip -n "$(wc -c <"$3")" "$3" f.bin || differs "$1"
}

# plain BOARD WORDS...: no addresses
plain() {
    board=$1 base=0
    shift
    mkdir "$board" && cd "$board"
    for program in dfu-util kiln; do
        printf '| %s | %s |' "$board" "$program" >"row.$program"
        ours() { [ $program = kiln ] && echo 0 || known "$board" "$1"; }
        step list $program 0 "" -l
        grep Found log >"list.$program" || differs list
        rm -f f.bin back.bin
        step write $program "$(ours write)" "&flash=f.bin" "$@" -D ../image.bin
        held write 0 ../image.bin
        step read $program 0 "&flash=f.bin" "$@" -U back.bin
        cmp -s -n 20481 ../image.bin back.bin || differs read
        printf ' - | - |' >>"row.$program"
        step leave $program "$(ours leave)" "&flash=f.bin" "$@" -R -D ../image.bin
        held leave 0 ../image.bin
        step unplug $program 74 "&flash=f.bin&unplug=15" "$@" -D ../two.bin
        [ $program = dfu-util ] || step again $program 0 "&flash=f.bin" "$@" -D ../image.bin
        [ $program = dfu-util ] || held "second try" 0 ../image.bin
        [ $program = kiln ] || printf ' - |' >>"row.$program"
        echo >>"row.$program"
    done
    cmp list.dfu-util list.kiln || { echo "FAIL: $board: other lists"; exit 1; }
}

boards="stm32f405 stm32f429 stm32f429?variant=rubbish-string stm32f429?variant=2mb stm32f072 stm32f103 stm32f746 stm32g0c1
    stm32h743 stm32l452 stm32u575 gd32vf103 maple dfu11"
jobs=
for board in $boards; do
    case $board in
    stm32f103) (beside $board 0x08000000 0x08003000 0x08009000 -a 0) & ;;
    stm32h743) (beside $board 0x08000000 0x08000000 0x08020000 -a 0) & ;;
    maple) (plain maple -a 2) & ;;
    dfu11) (plain dfu11 -E 1 -d 1209:0001,1209:0002) & ;;
    *) (beside "$board" 0x08000000 0x08000000 0x08008000 -a 0) & ;;
    esac
    jobs="$jobs $!"
done
failed=0
for job in $jobs; do
    wait "$job" || failed=1
done
[ $failed = 0 ] || { echo "FAIL: a board did not come to its end, see above"; exit 1; }
{
    echo "| board | program | list | write | read back | offset | elements | leave | unplugged | again |"
    echo "|---|---|---|---|---|---|---|---|---|---|"
    for board in $boards; do
        cat "$board/row.dfu-util" "$board/row.kiln"
    done
} >"$table"
echo ok
