#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the flash images of the ESP32 example: only what that example needs.

    mkesp.py image APP.elf APP.bin          an E9 image from the loadable segments of a 32-bit ELF file
    mkesp.py partitions TABLE.bin           the example's partition table
"""

import hashlib
import struct
import sys

CHIP_ID_ESP32 = 0
FLASH_MODE_DIO = 2
FLASH_4MB_40MHZ = 0x20
CHECKSUM_SEED = 0xEF

# name, type, subtype, offset, size
PARTITIONS = [('nvs', 1, 2, 0x9000, 0x6000), ('phy_init', 1, 1, 0xF000, 0x1000), ('factory', 0, 0, 0x10000, 0x100000)]


def load_segments(elf):
    """(address, bytes) of every PT_LOAD segment with contents, and the entry point."""
    assert elf[:6] == b'\x7fELF\x01\x01', 'not a 32-bit little-endian ELF file'
    entry, table = struct.unpack_from('<II', elf, 24)
    size, count = struct.unpack_from('<HH', elf, 42)
    segments = []
    for i in range(count):
        kind, offset, _, address, length = struct.unpack_from('<IIIII', elf, table + i * size)
        if kind == 1 and length:
            segments.append((address, elf[offset:offset + length]))
    return sorted(segments), entry


def make_image(elf):
    segments, entry = load_segments(elf)
    image = struct.pack('<BBBBI', 0xE9, len(segments), FLASH_MODE_DIO, FLASH_4MB_40MHZ, entry)
    image += struct.pack('<BBBBHBHHIB', 0xEE, 0, 0, 0, CHIP_ID_ESP32, 0, 0, 0xFFFF, 0, 1)
    checksum = CHECKSUM_SEED
    for address, data in segments:
        data += b'\0' * (-len(data) % 4)
        image += struct.pack('<II', address, len(data)) + data
        for byte in data:
            checksum ^= byte
    image += b'\0' * (15 - len(image) % 16) + bytes([checksum])
    return image + hashlib.sha256(image).digest()


def make_partitions():
    table = b''
    for name, kind, subtype, offset, size in PARTITIONS:
        table += struct.pack('<2sBBII16sI', b'\xAA\x50', kind, subtype, offset, size, name.encode(), 0)
    table += b'\xEB\xEB' + b'\xFF' * 14 + hashlib.md5(table).digest()
    return table.ljust(0xC00, b'\xFF')


def main(arguments):
    if arguments[:1] == ['image'] and len(arguments) == 3:
        with open(arguments[1], 'rb') as elf:
            output = make_image(elf.read())
    elif arguments[:1] == ['partitions'] and len(arguments) == 2:
        output = make_partitions()
    else:
        sys.exit(__doc__.strip())
    with open(arguments[-1], 'wb') as file:
        file.write(output)


if __name__ == '__main__':
    main(sys.argv[1:])
