#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Completion as bash, zsh and fish themselves do it: every command, every option of every command, the values of
# options that have a list of them.
#
#   tests/tools/completions.sh KILN
set -euo pipefail
kiln=$(realpath "${1:?the program}")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "completions: $*" >&2; exit 1; }
for shell in bash zsh fish; do
    command -v "$shell" >/dev/null || fail "$shell is missing"
    "$kiln" help completion "$shell" >"$tmp/$shell"
done
mv "$tmp/zsh" "$tmp/_kiln"
mkdir "$tmp/bin"
ln -s "$kiln" "$tmp/bin/kiln"
export PATH=$tmp/bin:$PATH HOME=$tmp

commands=$("$kiln" help | awk '/^  [a-z-]+ /{print $1}' | sort)
[ "$(wc -w <<<"$commands")" -ge 20 ] || fail "no list of commands: $commands"
options() { "$kiln" help "$1" | sed -n '/^Options:/,/^Examples:/s/^  .... *--\([a-z0-9-]*\).*/--\1/p' | sort; }

# ---- the three shells: each prints what it offers for the words of its command line ----
in_bash() { # in_bash WORD...: the last one is being typed
    bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kiln; printf "%s\n" "${COMPREPLY[@]}"' - "$tmp/bash" "$@"
}
in_fish() { fish --no-config -c 'source $argv[1]; complete -C "$argv[2]"' "$tmp/fish" "$*" | cut -f1; }
# A terminal of its own, for zsh completes only while a line is edited.
cat >"$tmp/ask.zsh" <<'ZSH'
zmodload zsh/zpty || exit 1
zpty z zsh -f -i
zpty -w z "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -d $1/dump"
zpty -w z "zstyle ':completion:*' list-separator ' '; zstyle ':completion:*' verbose no; LISTMAX=10000; COLUMNS=200; bindkey '^I' complete-word"
zpty -w z "show() { compstate[list]=; print -l -- \$compstate[nmatches] }"
zpty -w z "compadd() { builtin compadd -A found -O found \"\$@\" 2>/dev/null; print -l -- \$found >>$1/found; builtin compadd \"\$@\" }"
zpty -w z "print rea''dy"
while zpty -r z line && [[ $line != *ready* ]]; do :; done
zpty -n -w z "$2"$'\t'
zpty -w z $'\C-u\nprint do''ne'
while zpty -r z line && [[ $line != *done* ]]; do :; done
zpty -d z
ZSH
in_zsh() {
    : >"$tmp/found"
    timeout 20 zsh -f "$tmp/ask.zsh" "$tmp" "$*" >/dev/null || fail "zsh gives no answer"
    cat "$tmp/found"
}

# offers SHELL WANTED WORD...: every line of WANTED is offered
offers() {
    local shell=$1 wanted=$2 got
    shift 2
    got=$("in_$shell" "$@" | tr -d ' ' | sed 's/=$//' | sort -u)
    [ -z "$(comm -23 <(sort -u <<<"$wanted") - <<<"$got")" ] ||
        fail "$shell does not offer for '$*': $(comm -23 <(sort -u <<<"$wanted") - <<<"$got" | tr '\n' ' ')"
}

for shell in bash fish zsh; do
    offers "$shell" "$commands" kiln ""
    offers "$shell" $'no-reset\ntouch' kiln flash --before ""
    offers "$shell" $'clock\ndelta' kiln monitor --time ""
done
for command in $commands; do
    wanted=$(options "$command")
    [ -n "$wanted" ] || wanted=--help
    offers bash "$wanted" kiln "$command" --
    offers fish "$wanted" kiln "$command" --
done
# zsh needs a terminal for each: those with the most and the newest options.
for command in flash monitor name list doctor; do
    offers zsh "$(options "$command")" kiln "$command" --
done
count=$(grep -c . <<<"$commands")
echo "completions: $count commands in bash, zsh and fish"
