#!/bin/sh
# SPDX-License-Identifier: MIT
# Espressif's esptool-js, under Node, as client of the simulated chips: finds, writes, hashes and reads each of them.
# esptool_js.sh KILN [CHIP...]
# The package is the one whose stubs tools/fetch-stubs takes, pinned by the same line of data/stubs/SHA256SUMS.
# Fails if node or npm is missing, if the package is another one, or as esptool_js.mjs says.
set -eu
kiln=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
pin=$(grep '\.tgz$' data/stubs/SHA256SUMS)
archive=${pin##* }
name=${archive%.tgz}
for program in node npm; do
    command -v $program >/dev/null || { echo "esptool_js.sh: $program is missing; tools/setup build installs it" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
(cd "$work" && npm pack --silent "${name%-*}@${name##*-}" >/dev/null) || { echo "esptool_js.sh: npm cannot fetch $name" >&2; exit 1; }
(cd "$work" && echo "$pin" | sha256sum --check --quiet --strict)
tar -xzf "$work/$archive" -C "$work"
echo "$name on Node $(node --version)"
node tests/tools/esptool_js.mjs "$work/package/bundle.js" "$kiln" "$work" "$@"
