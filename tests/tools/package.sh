#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the Debian packages and the tarball, installs them into clean folders, uses them there, removes
# them, and looks for residue.
#
#   tests/tools/package.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
work=${1:?a folder to work in}
mkdir -p "$work"
work=$(cd "$work" && pwd)
image=$PWD/examples/firmware/esp32-app-v1.bin@0x10000
fail() { echo "package: $*" >&2; exit 1; }

# ---- the Debian packages ----
tools/make-deb "$work/deb" >"$work/names"
deb=$(grep '/kiln_' "$work/names") compat=$(grep '/kiln-compat_' "$work/names")
root=$work/clean
rm -rf "$root"
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/triggers"
: >"$root/var/lib/dpkg/status"
: >"$root/var/lib/dpkg/available"
files() { (cd "$root" && find . -path ./var/lib/dpkg -prune -o -print | sort); }
before=$(files)
# The clean folder has none of the libraries that the package depends on, hence --force-depends.
in_root() { fakeroot dpkg --root="$root" --force-depends --force-script-chrootless --log=/dev/null "$@" >>"$work/log" 2>&1; }
: >"$work/log"
in_root -i "$deb" "$compat" || { cat "$work/log" >&2; fail "the packages cannot be installed"; }

kiln=$root/usr/bin/kiln
[ "$("$kiln" version)" = "kiln $(dpkg-deb -f "$deb" Version)" ] || fail "kiln version"
"$kiln" flash -d sim:esp32 "$image" >/dev/null || fail "flash of a simulated board"
"$kiln" flash -v --loader kiln -d sim:esp32 "$image" 2>&1 | grep -q "Kiln's own flasher runs" || fail "Kiln's own flasher is not in it"
"$root/usr/bin/esptool" version >/dev/null || fail "esptool does not answer"
cmp <("$kiln" help udev-rules) "$root/usr/lib/udev/rules.d/70-kiln.rules" || fail "udev rules"
[ 70-kiln.rules \< 73-seat-late.rules ] || fail "the rules come too late"
# A man page for the program, for each command, and under the names of the other tools; man finds nothing wrong.
for page in kiln $("$kiln" help | awk '/^  [a-z-]+ /{print "kiln-" $1}') esptool esptool.py dfu-util dfu-suffix dfu-prefix pydfu; do
    file=$root/usr/share/man/man1/$page.1.gz
    [ -s "$file" ] || fail "no man page $page"
    warnings=$(MANROFFSEQ='' LC_ALL=C.UTF-8 man --warnings -l "$file" 2>&1 >/dev/null)
    [ -z "$warnings" ] || fail "$page.1: $warnings"
done
cmp <("$kiln" help completion bash) "$root/usr/share/bash-completion/completions/kiln" || fail "bash completion"
cmp <("$kiln" help completion zsh) "$root/usr/share/zsh/vendor-completions/_kiln" || fail "zsh completion"
cmp <("$kiln" help completion fish) "$root/usr/share/fish/vendor_completions.d/kiln.fish" || fail "fish completion"
for file in usr/include/kiln/kiln.h usr/share/doc/kiln/copyright; do
    [ -s "$root/$file" ] || fail "$file is missing"
done
if ls data/stubs/*.json >/dev/null 2>&1; then
    ls "$root"/usr/share/kiln/stubs/*.json >/dev/null || fail "the stubs are missing"
fi
for name in esptool esptool.py dfu-util dfu-suffix dfu-prefix pydfu pydfu.py; do
    [ -L "$root/usr/bin/$name" ] || fail "kiln-compat has no $name"
done
for link in "$root"/usr/bin/*; do
    [ ! -L "$link" ] || [ "$(readlink "$link")" = kiln ] || fail "$link leads elsewhere"
done

# A program builds against the installed library, by pkg-config alone.
library=$(dirname "$(find "$root" -name kiln.pc)")
printf '#include <kiln/kiln.h>\n#include <stdio.h>\nint main(void) { puts(kiln_version()); return 0; }\n' >"$work/use.c"
export PKG_CONFIG_PATH=$library PKG_CONFIG_SYSROOT_DIR=
flags=$(pkg-config --define-variable=prefix="$root/usr" --static --cflags --libs kiln)
# shellcheck disable=SC2086
gcc -o "$work/use" "$work/use.c" $flags
[ "kiln $("$work/use")" = "$("$kiln" version)" ] || fail "a program with the library"

# What it remembers of boards is the user's and lies in no folder of the package.
XDG_STATE_HOME=$work/state "$kiln" name far -d tcp://h:1 >/dev/null && [ -s "$work/state/kiln/boards.json" ] || fail "kiln name"
rm -r "$work/state"

# The package with the names of other tools says what it replaces, and does not stand beside them.
other() { # other NAME: a package of that name with a program of that name
    mkdir -p "$work/other-$1/DEBIAN" "$work/other-$1/usr/bin"
    printf 'Package: %s\nVersion: 9.9\nArchitecture: all\nMaintainer: t <t@localhost>\nDescription: test\n' "$1" \
        >"$work/other-$1/DEBIAN/control"
    echo '#!/bin/sh' >"$work/other-$1/usr/bin/$1"
    dpkg-deb --root-owner-group --build "$work/other-$1" "$work/other-$1.deb" >/dev/null
}
for name in esptool dfu-util; do
    [[ $(dpkg-deb -f "$compat" Description) == *"$name"* ]] || fail "kiln-compat does not say that it replaces $name"
    other "$name"
    ! in_root -i "$work/other-$name.deb" || fail "$name and kiln-compat are installed both"
    grep -q "conflicting packages\|conflicts with" "$work/log" || fail "dpkg does not speak of a conflict"
done
[ "$(readlink "$root/usr/bin/dfu-util")" = kiln ] || fail "kiln-compat lost a name"
in_root --purge kiln-compat || fail "kiln-compat cannot be removed"
in_root -i "$work/other-dfu-util.deb" || fail "dfu-util cannot be installed once kiln-compat is gone"
in_root -i "$compat" || fail "kiln-compat cannot take the place of dfu-util"
grep -q 'will remove dfu-util in favour of kiln-compat' "$work/log" || fail "dfu-util was not removed for kiln-compat"
[ "$(readlink "$root/usr/bin/dfu-util")" = kiln ] || fail "dfu-util is not kiln-compat's"
in_root --purge dfu-util || fail "what is left of dfu-util cannot be purged"

in_root --purge kiln-compat kiln || { cat "$work/log" >&2; fail "the packages cannot be removed"; }
[ "$(files)" = "$before" ] || { diff <(echo "$before") <(files) >&2; fail "something was left behind"; }

# ---- the tarball: unpacked somewhere, then moved ----
tarball=$(tools/make-tarball "$work/tarball")
rm -rf "$work/one" "$work/two"
mkdir "$work/one"
tar -C "$work/one" -xJf "$tarball"
mv "$work/one" "$work/two"
kiln=$(echo "$work"/two/*/bin/kiln)
"$kiln" flash -d sim:esp32 "$image" >/dev/null || fail "flash from the tarball"
"$kiln" flash -v --loader kiln -d sim:esp32 "$image" 2>&1 | grep -q "Kiln's own flasher runs" || fail "the tarball's program has no flasher of Kiln's"
# Nothing but the C library and libudev comes from outside.
outside=$(ldd "$kiln" | awk '$2 == "=>" {print $3}' | grep -v "^$work/two/" | sed 's!.*/!!' |
    grep -Ev '^lib(c|m|pthread|dl|rt|udev)\.so' || true)
[ -z "$outside" ] || fail "the tarball takes from the system: $outside"
if ls data/stubs/*.json >/dev/null 2>&1; then
    ! "$kiln" flash -v -d sim:esp32 "$image" 2>&1 | grep 'no flasher stub' || fail "the moved program does not find its stubs"
fi
echo "packages: $(wc -c <"$deb") and $(wc -c <"$compat") bytes, tarball $(wc -c <"$tarball") bytes"
