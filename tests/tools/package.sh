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
"$root/usr/bin/esptool" version >/dev/null || fail "esptool does not answer"
cmp <("$kiln" help udev-rules) "$root/usr/lib/udev/rules.d/70-kiln.rules" || fail "udev rules"
[ 70-kiln.rules \< 73-seat-late.rules ] || fail "the rules come too late"
zcat "$root/usr/share/man/man1/kiln.1.gz" | grep -q '^\.TH KILN 1' || fail "man page"
bash -n "$root/usr/share/bash-completion/completions/kiln" || fail "bash completion"
for file in usr/share/zsh/vendor-completions/_kiln usr/share/fish/vendor_completions.d/kiln.fish \
    usr/include/kiln/kiln.h usr/share/doc/kiln/copyright; do
    [ -s "$root/$file" ] || fail "$file is missing"
done
if ls data/stubs/*.json >/dev/null 2>&1; then
    ls "$root"/usr/share/kiln/stubs/*.json >/dev/null || fail "the stubs are missing"
fi
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
# Nothing but the C library and libudev comes from outside.
outside=$(ldd "$kiln" | awk '$2 == "=>" {print $3}' | grep -v "^$work/two/" | sed 's!.*/!!' |
    grep -Ev '^lib(c|m|pthread|dl|rt|udev)\.so' || true)
[ -z "$outside" ] || fail "the tarball takes from the system: $outside"
if ls data/stubs/*.json >/dev/null 2>&1; then
    ! "$kiln" flash -v -d sim:esp32 "$image" 2>&1 | grep 'no flasher stub' || fail "the moved program does not find its stubs"
fi
echo "packages: $(wc -c <"$deb") and $(wc -c <"$compat") bytes, tarball $(wc -c <"$tarball") bytes"
