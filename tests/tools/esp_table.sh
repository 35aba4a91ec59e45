# SPDX-License-Identifier: MIT
# Sourced by tests that need partition tables of ESP chips.

# row TYPE SUBTYPE SECTOR SECTORS LABEL: an entry of a partition table; SECTOR below 256
row() {
    printf '\252\120'
    printf "\\$(printf %03o "$1")\\$(printf %03o "$2")"
    for sectors in "$3" "$4"; do
        low=$((sectors * 16 % 256)) high=$((sectors / 16))
        printf "\\000\\$(printf %03o $low)\\$(printf %03o $high)\\000"
    done
    printf '%s' "$5"
    head -c $((20 - ${#5})) /dev/zero
}
