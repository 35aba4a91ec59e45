#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_files.sh KILN: kiln dfu-suffix and dfu-prefix against Debian's: the same exit status, the same file, the same
# words behind the version lines. 77 (skipped) without dfu-util.
set -eu
kiln=$1
command -v dfu-suffix >/dev/null && command -v dfu-prefix >/dev/null || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir bin theirs ours
ln -s "$kiln" bin/dfu-suffix
ln -s "$kiln" bin/dfu-prefix
: >report

# both FILE... -- TOOL WORDS...: each program in a folder with its own copies of the files
both() {
    theirs=0 ours=0
    (cd theirs && "$@") >theirs.out 2>theirs.err || theirs=$?
    (cd ours && PATH=$tmp/bin:$PATH && "$@") >ours.out 2>ours.err || ours=$?
    [ $theirs = $ours ] || { echo "FAIL: $*: exit status $ours, not $theirs"; cat ours.err; exit 1; }
    diff -r theirs ours >report || { echo "FAIL: $*: other files"; cat report; exit 1; }
    # the version lines differ; of help texts and reasons only the fact that they are there counts
    sed 1,/tickets/d theirs.out >theirs.text
    sed 1,/command.line/d ours.out >ours.text
    case " $* " in *" -h "*) return ;; esac
    diff theirs.text ours.text >report || { echo "FAIL: $*: other output"; cat report; exit 1; }
}

start() { rm -f theirs/* ours/*; }
put() { tee theirs/$1 >ours/$1; }

for size in 16 100 496 497 511 512 513 1000 70000; do
    start
    head -c $size /dev/zero | tr '\0' A | put p.bin
    both dfu-suffix -c p.bin
    both dfu-suffix -D p.bin
    both dfu-prefix -c p.bin
    both dfu-prefix -T -c p.bin
    both dfu-prefix -L -c p.bin
    both dfu-prefix -L -a p.bin
    both dfu-prefix -c p.bin
    both dfu-prefix -L -c p.bin
    both dfu-prefix -T -c p.bin
    both dfu-prefix -D p.bin
    both dfu-suffix -v 0x1234 -p 5678 -d 99 -a p.bin
    both dfu-suffix -a p.bin
    both dfu-suffix --check p.bin
    both dfu-prefix --stellaris-address 0x2000 --add p.bin
    both dfu-prefix -c p.bin
    both dfu-suffix -c p.bin
    both dfu-prefix -s 0x2000 -a p.bin
    both dfu-prefix -T -D p.bin
    both dfu-prefix -L -a p.bin
    both dfu-prefix -L --check p.bin
    both dfu-prefix -D p.bin
    both dfu-suffix --del p.bin
    both dfu-suffix -S 0x11a -a p.bin
    both dfu-suffix -c p.bin
done

for size in 0 1 10; do
    start
    head -c $size /dev/zero | put p.bin
    both dfu-suffix -c p.bin
    both dfu-suffix -a p.bin
    both dfu-suffix -c p.bin
    both dfu-suffix -D p.bin
done

# Damaged suffixes.
for at in 0 100 108 111 113; do
    start
    head -c 100 /dev/zero | put p.bin
    both dfu-suffix -v 483 -p df11 -a p.bin
    for side in theirs ours; do
        printf '\001' | dd of=$side/p.bin bs=1 seek=$at conv=notrunc status=none
    done
    both dfu-suffix -c p.bin
done

# Mistakes.
start
echo text | put p.bin
for words in "" "-q" "-c" "-S 0x200 -a p.bin" "-c nofile" "-V" "-h" "-c p.bin -D p.bin" "-v zz -a p.bin" \
    "-v 12345 -p fffff -d * -a p.bin extra"; do
    both dfu-suffix $words
done
for words in "" "-q" "-a p.bin" "-c nofile" "-V" "-h" "-s 0x1001 -a p.bin" "-D p.bin" "-s 0x10000000 -a p.bin" "-c p.bin" \
    "-L -D p.bin" "-T -D p.bin" "-L -T -a p.bin" "-s 4096 -L -a p.bin" "-L -s 0x800 -a p.bin"; do
    both dfu-prefix $words
done
echo ok
