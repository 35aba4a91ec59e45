# SPDX-License-Identifier: MIT
"""STM32 rows: over simulated USB against dfu-util."""

import hashlib
import os

from common import FIRMWARE, Failed, read, wall, write

# Sectors in KB with their erase times, and the ROM's time for a byte, as the rows of sim/usb_dfu_rows.c have them.
F4_SECTORS = [(16, 0.300)] * 4 + [(64, 0.700)] + [(128, 1.3)] * 7
F4_BYTE_S = 16e-6


class DfuRows:
    def __init__(self, bench):
        self.bench = bench

    def big_image(self, changed, kilobytes=256):
        """Starts like a program and looks like one, with one byte different in a 128 KB sector if `changed`."""
        head = bytearray(read(os.path.join(FIRMWARE, 'stm32f405-v1.bin')))
        seed, tail = b'kiln', b''
        while len(head) + len(tail) < kilobytes * 1024:
            seed = hashlib.sha256(seed).digest()
            tail += seed * 2 + bytes(64)
        image = bytearray((bytes(head) + tail)[:kilobytes * 1024])
        if changed:
            image[200 * 1024] ^= 0x55
        return bytes(image)

    def f4_limit(self, before, image):
        """Seconds: sectors that differ, erased and programmed one after the other."""
        total, at = 0, 0
        for kilobytes, erase_s in F4_SECTORS:
            size = kilobytes * 1024
            new = image[at:at + size]
            if new and before[at:at + len(new)] != new:
                if before[at:at + size].strip(b'\xff'):
                    total += erase_s
                total += len(new) * F4_BYTE_S
            at += size
        return total

    def with_board(self, board, flash, command):
        backing = self.bench.path('stm.flash')
        write(backing, flash)
        spent = wall([self.bench.kiln, 'sim', board + '?time=real&flash=' + backing, '--run'] + command, allow=(0, 74))
        return spent, read(backing)

    def dfu_write(self, name, board, before, image, target):
        file = self.bench.path('image.bin')
        write(file, image)
        flash = before + b'\xff' * (0x100000 - len(before))
        limit = self.f4_limit(flash, image) or None
        kiln_s, after = self.with_board(board, flash,
                                        [self.bench.kiln, 'flash', '-q', '-d', 'usb:0483:df11', file + '@0x08000000'])
        if after[:len(image)] != image:
            raise Failed('kiln: the flash does not hold the file')
        peer_s = None
        if self.bench.dfu_util:
            peer_s, after = self.with_board(board, flash,
                                            [self.bench.dfu_util, '-a', '0', '-s', '0x08000000', '-D', file])
            if after[:len(image)] != image:
                raise Failed('dfu-util: the flash does not hold the file')
        self.bench.row(name, kiln_s, limit, 'dfu-util', peer_s, ('peer', target))

    # ---- all of it

    def run(self):
        guard = self.bench.guard
        blank, old, new = b'', self.big_image(False), self.big_image(True)
        guard('STM32F405 full write, 256 KB', self.dfu_write, 'stm32f405', blank, old, 0.25)
        guard('STM32F405 one byte in a 128 KB sector', self.dfu_write, 'stm32f405', old, new, 0.15)
        guard('STM32F405 nothing changed', self.dfu_write, 'stm32f405', old, old, 0.03)
        other = bytes(0xff - byte for byte in self.big_image(False, 1024))
        old, new = self.big_image(False, 1024), self.big_image(True, 1024)
        for board in ('stm32f405', 'stm32f429'):
            title = board.upper()
            guard(title + ' full write, 1 MB over another', self.dfu_write, board, other, old, 0.25)
            guard(title + ' one byte in 1 MB', self.dfu_write, board, old, new, 0.15)
