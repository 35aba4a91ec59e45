#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_words.sh KILN_SIM_USB KILN [TABLE]: the modifiers of -s alone and in every pair, and wrong or odd command lines, given to
# Debian's dfu-util and to kiln under its name on a simulated STM32F405: the same exit status, the same flash and the same file
# afterwards. Where Kiln does otherwise on purpose both are held to what docs/dfu-util.md says. TABLE gets those as Markdown.
# 77 (skipped) without dfu-util.
. "$(dirname "$0")/on_boards.sh"
table=${3:-/dev/null}
command -v dfu-util >/dev/null || exit 77
mkdir ours
ln -s "$kiln" ours/dfu-util
head -c 100 /dev/urandom >f.bin
head -c 1048576 /dev/urandom >before.bin

# run PROGRAM FOLDER WORDS...: exit status, flash and uploaded file, in the folder
run() {
    program=$1 folder=$2 status=0
    shift 2
    mkdir -p "$folder"
    cp f.bin "$folder"
    cp before.bin "$folder/flash.bin"
    (cd "$folder" && timeout 60 "$sim" 'stm32f405?flash=flash.bin' -- "$program" "$@" >log 2>&1 </dev/null) || status=$?
    echo $status >"$folder/status"
}

# try LINE: both programs, in parallel with others; the line is split at blanks, @ is an empty word
try() {
    n=$((n + 1))
    printf '%s\n' "$1" >"line.$n"
    set -f
    IFS=' '
    set -- $1
    unset IFS
    set +f
    for word; do
        shift
        [ "$word" != @ ] || word=
        set -- "$@" "$word"
    done
    (run dfu-util "theirs.$n" "$@"; run "$tmp/ours/dfu-util" "ours.$n" "$@") &
    [ $((n % 8)) != 0 ] || wait
}

# differ "THEIRS OURS WHAT WHY" LINE: the two exit statuses, what differs afterwards (flash, file or -), and the reason
differ() {
    try "$2"
    printf '%s\n' "$1" >"differ.$n"
}

n=0
for one in unprotect will-reset force mass-erase leave; do
    try "-a 0 -s 0x08000000:$one -D f.bin"
    try "-a 0 -s :$one"
    for two in unprotect will-reset force mass-erase leave; do
        [ "$one" \< "$two" ] || continue
        case $one:$two in
        leave:will-reset) differ "0,74 0 - an error after a success" "-a 0 -s 0x08000000:$one:$two -D f.bin" ;;
        *) try "-a 0 -s 0x08000000:$one:$two -D f.bin" ;;
        esac
        try "-a 0 -s :$one:$two"
    done
done
for one in unprotect mass-erase; do
    try "-a 0 -s 0x08000000:$one:fast -D f.bin"
done
for one in will-reset force leave; do
    differ "64 0 flash :fast came after dfu-util 0.11" "-a 0 -s 0x08000000:$one:fast -D f.bin"
done

# The file.
try "-D nofile.bin"
try "-a 0 -s 0x08000000 -D nofile.bin"
differ "70 74 - dfu-util takes a folder for a file of -1 bytes" "-a 0 -s 0x08000000 -D ."
try "-a 0 -s 0x08000000:16 -U f.bin"
try "-a 0 -s 0x08000000:16 -U new.bin"
try "-a 0 -s 0x08000000:16 -U no/such/new.bin"
try "-a 0 -s 0x080FFFF0:64 -U new.bin"
differ "64 64 file dfu-util leaves an empty file" "-a 0 -s 0x1FFF0000:16 -U new.bin"
try "-a 0 -Z 16 -s 0x08000000 -U new.bin"
try "-a 0 -Z 16 -U new.bin"
try "-a 0 -Z zz -U new.bin"

# -a
try "-a x -s 0x08000000 -D f.bin"
try "-a 5 -s 0x08000000 -D f.bin"
try "-a -1 -s 0x08000000 -D f.bin"
try "-a Flash -s 0x08000000 -D f.bin"
try "-a 1 -s 0x08000000 -D f.bin"
differ "74 0 flash the address chooses the setting" "-s 0x08000000 -D f.bin"
differ "74 64 - the settings are not the reason" "-D f.bin"
try "-D f.bin -a 0"

# -s
try "-a 0 -s zz -D f.bin"
try "-a 0 -s 0x -D f.bin"
try "-a 0 -s 0x08000000: -D f.bin"
try "-a 0 -s 0x08000000:: -D f.bin"
try "-a 0 -s 0x08000000:zz -D f.bin"
try "-a 0 -s 0x08000000:12x -D f.bin"
differ "64 0 flash a shortened modifier: dfu-util reads past it" "-a 0 -s 0x08000000:lea -D f.bin"
differ "0 64 flash dfu-util cuts the address to 0x08000000" "-a 0 -s 0x108000000 -D f.bin"
differ "0 0 flash the bytes before the file in its page are put back" "-a 0 -s 0x08000004 -D f.bin"
try "-a 0 -s -1 -D f.bin"
try "-a 0 -s 0x1FFF0000 -D f.bin"
try "-a 0 -s 0x080FFFF0 -D f.bin"
try "-a 0 -s @ -D f.bin"
try "-a 0 -s : -D f.bin"
try "-a 0 -s 0x08000000"
try "-a 0 -s 0x08000000:leave"
try "-a 0 -s 0x08004000:leave:force"
try "-a 0 -s 0x1FFF0000:leave"
differ "74 0 - one device is there" "-s :leave"

# -d -n -p -S -c -i
for ids in 0483 0483: :df11 - '*' '*:*' ,- -:-,0483:df11 0483:df11,1234:5678 1234:5678; do
    try "-d $ids -a 0 -s 0x08000000 -D f.bin"
done
for ids in zz 0483:df11:1 0483:df11,zz 10483:df11; do
    differ "0 64 flash dfu-util takes ids that it cannot read for any device" "-d $ids -a 0 -s 0x08000000 -D f.bin"
done
try "-d 1234:5678"
for words in "-p 1-1" "-p 1-9" "-p zz" "-p 1-1 -S 3267354E3231 -n 2" "-p 1-1 -S nobody -n 2" "-p 1-1 -S 3267354E3231 -n 3" \
    "-p 1-2 -S 3267354E3231 -n 2" "-S 3267354e3231" "-S nobody,3267354E3231" "-S 3267354E3231,nobody" "-S ," "-n 99" \
    "-c 1 -i 0" "-c 2" "-i 1"; do
    try "$words -a 0 -s 0x08000000 -D f.bin"
done
differ "74 64 - no number" "-n zz -a 0 -s 0x08000000 -D f.bin"

# Actions.
try "-D f.bin -U g.bin -a 0 -s 0x08000000"
try "-U g.bin -D f.bin -a 0 -s 0x08000000"
try "-D f.bin -l"
try "-D f.bin -D f.bin -a 0 -s 0x08000000"
try "-e -D f.bin -a 0 -s 0x08000000"
try "-e -l"
differ "74 0 - one device is there" "-e"
try "@"
try "-a 0"
try "-R"
try "-a 0 -R"

# The others.
for words in "-t 64" "-t 0" "-t 99999" "-t -5" "-t zz" "-R" "-w" "-E 3" "-E zz" "-v -v"; do
    try "$words -a 0 -s 0x08000000 -D f.bin"
done
differ "0,74,251 0 - an error after a success" "-a 0 -R -s 0x08000000:leave -D f.bin"
try "-w -l"
try "-q"
try "--nonsense"
try "--lis"
try "--alt=0 --dfuse-address=0x08000000 --download=f.bin"
try "--down f.bin --alt 0 --dfuse 0x08000000"
for word in -D -s -a -d -h -V extra; do
    try "$word"
done
try "-l extra"
try "-a 0 -s 0x08000000 -D f.bin extra"
wait

bad=0
complain() { bad=$((bad + 1)); echo "FAIL: [$(cat line.$i)]: $*"; tail -n 3 theirs.$i/log ours.$i/log; }
echo "| words | dfu-util 0.11 | Kiln | why |" >"$table"
echo "|---|---|---|---|" >>"$table"
for i in $(seq $n); do
    read -r theirs <theirs.$i/status
    read -r ours <ours.$i/status
    flash=- same=yes
    cmp -s theirs.$i/flash.bin ours.$i/flash.bin || flash=flash
    [ -e theirs.$i/new.bin ] = [ -e ours.$i/new.bin ] 2>/dev/null || same=no
    if [ -e theirs.$i/new.bin ] || [ -e ours.$i/new.bin ]; then
        cmp -s theirs.$i/new.bin ours.$i/new.bin || flash=file
    fi
    if [ -e differ.$i ]; then
        read -r want_theirs want_ours want_flash why <differ.$i
        case ",$want_theirs," in *",$theirs,"*) theirs=$want_theirs ;; esac # the board's time decides
        [ "$theirs $ours $flash" = "$want_theirs $want_ours $want_flash" ] ||
            complain "$theirs $ours $flash, not $want_theirs $want_ours $want_flash"
        echo "| \`$(cat line.$i)\` | $theirs | $ours | $why |" >>"$table"
    else
        [ "$theirs $flash" = "$ours -" ] || complain "exit status $ours, not $theirs; what differs: $flash"
    fi
    # nobody is left without a word
    [ "$ours" = 0 ] || [ -s ours.$i/log ] || complain "no message"
done
[ $bad = 0 ] || { echo "$bad of $n command lines"; exit 1; }
echo "ok: $n command lines"
