# SPDX-License-Identifier: MIT
"""STM32 rows: over simulated USB against dfu-util."""

import hashlib
import os

from common import FIRMWARE, Failed, read, wall, write

# STM32F405: sectors, erase times typical at x32 (DS8626 rev 9, table 39) and the ROM's 16 us a byte, as sim/ has them.
F405_SECTORS = [(16, 0.250)] * 4 + [(64, 0.550)] + [(128, 1.0)] * 7
F405_BYTE_S = 16e-6


class DfuRows:
    def __init__(self, bench):
        self.bench = bench

    def big_image(self, changed):
        """256 KB that start like a program and look like one, with one byte different in the last 128 KB sector."""
        head = bytearray(read(os.path.join(FIRMWARE, 'stm32f405-v1.bin')))
        seed, tail = b'kiln', b''
        while len(head) + len(tail) < 256 * 1024:
            seed = hashlib.sha256(seed).digest()
            tail += seed * 2 + bytes(64)
        image = bytearray((bytes(head) + tail)[:256 * 1024])
        if changed:
            image[200 * 1024] ^= 0x55
        return bytes(image)

    def f405_limit(self, before, image):
        """Seconds: sectors that differ, erased and programmed one after the other."""
        total, at = 0, 0
        for kilobytes, erase_s in F405_SECTORS:
            size = kilobytes * 1024
            new = image[at:at + size]
            if new and before[at:at + len(new)] != new:
                if before[at:at + size].strip(b'\xff'):
                    total += erase_s
                total += len(new) * F405_BYTE_S
            at += size
        return total

    def with_f405(self, flash, command):
        backing = self.bench.path('stm.flash')
        write(backing, flash)
        spent = wall([self.bench.kiln, 'sim', 'stm32f405?time=real&flash=' + backing, '--run'] + command, allow=(0, 74))
        return spent, read(backing)

    def dfu_write(self, name, before, image, target):
        file = self.bench.path('image.bin')
        write(file, image)
        flash = before + b'\xff' * (0x100000 - len(before))
        limit = self.f405_limit(flash, image) or None
        kiln_s, after = self.with_f405(flash, [self.bench.kiln, 'flash', '-q', '-d', 'usb:0483:df11', file + '@0x08000000'])
        if after[:len(image)] != image:
            raise Failed('kiln: the flash does not hold the file')
        peer_s = None
        if self.bench.dfu_util:
            peer_s, after = self.with_f405(flash, [self.bench.dfu_util, '-a', '0', '-s', '0x08000000', '-D', file])
            if after[:len(image)] != image:
                raise Failed('dfu-util: the flash does not hold the file')
        self.bench.row(name, kiln_s, limit, 'dfu-util', peer_s, ('peer', target))

    # ---- all of it

    def run(self):
        guard = self.bench.guard
        blank, old, new = b'', self.big_image(False), self.big_image(True)
        guard('STM32F405 full write, 256 KB', self.dfu_write, blank, old, 0.25)
        guard('STM32F405 one byte in a 128 KB sector', self.dfu_write, old, new, 0.15)
        guard('STM32F405 nothing changed', self.dfu_write, old, old, 0.03)
