# SPDX-License-Identifier: MIT
"""ESP32 rows: over a PTY against esptool, and many boards from one process."""

import json
import os
import statistics
import struct
import subprocess
import time
import zlib

from common import FIRMWARE, RUNS, Failed, median_of, read, timed, wall, write

SECTOR = 4096

# Winbond W25Q32JV, revision H, typical: what sim/nor.c goes by.
NOR_SECTOR_ERASE_S = 0.045
NOR_BLOCK_ERASE_S = 0.150
NOR_PAGE_PROGRAM_S = 0.0005


class EspRows:
    def __init__(self, bench):
        self.bench = bench
        self.printed = b''

    def esp_files(self, version):
        return [(0x1000, os.path.join(FIRMWARE, 'esp32-bootloader.bin')),
                (0x8000, os.path.join(FIRMWARE, 'esp32-partitions.bin')),
                (0x10000, os.path.join(FIRMWARE, 'esp32-app-v%d.bin' % version))]

    def with_esp(self, flash, commands):
        """Runs the commands against one simulated ESP32 that was just plugged in and holds `flash`. Each command is a
        function of the port; the wall time of the last one counts."""
        backing, port = self.bench.path('esp.flash'), self.bench.path('ttyESP')
        write(backing, flash)
        simulator = subprocess.Popen([self.bench.kiln, 'sim', 'esp32?time=real&boot=download&flash=' + backing, '--pty', port],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 5
            while not os.path.exists(port) and time.monotonic() < until:
                time.sleep(0.02)
            for command in commands:
                spent, self.printed = timed(command(port))
        finally:
            simulator.terminate()
            simulator.wait()
            if os.path.islink(port):
                os.unlink(port)
        return spent, read(backing)

    @staticmethod
    def holds(flash, files):
        return all(flash[at:at + os.path.getsize(path)] == read(path) for at, path in files)

    def esp_limit(self, before, files, baud):
        """Seconds of the wire and of the flash chip: sectors that differ, compressed, and their erase and program times."""
        wire = flash_s = 0
        for at, path in files:
            new = read(path)
            new += b'\xff' * (-len(new) % SECTOR)
            changed = [i for i in range(0, len(new), SECTOR) if before[at + i:at + i + SECTOR] != new[i:i + SECTOR]]
            wire += len(zlib.compress(b''.join(new[i:i + SECTOR] for i in changed), 9)) if changed else 0
            whole_blocks = len(changed) * SECTOR // 65536
            rest = len(changed) - whole_blocks * 16
            flash_s += whole_blocks * NOR_BLOCK_ERASE_S + rest * NOR_SECTOR_ERASE_S
            flash_s += sum(NOR_PAGE_PROGRAM_S for i in changed for page in range(i, i + SECTOR, 256)
                           if new[page:page + 256].strip(b'\xff'))
        return wire * 10 / baud, flash_s

    def kiln_esp(self, files, baud, loader):
        return lambda port: [self.bench.kiln, 'flash', '--json', '--loader', loader, '-b', str(baud), '-d', port, '--before', 'no-reset', '--after',
                             'stay'] + ['%s@0x%x' % (path, at) for at, path in files]

    def esptool_esp(self, files, baud):
        return lambda port: self.bench.esptool + ['--chip', 'esp32', '--port', port, '--baud', str(baud), '--before', 'no-reset',
                                            '--after', 'no-reset', 'write-flash'] + [
                                                word for at, path in files for word in ('0x%x' % at, path)]

    def transfer_s(self):
        """What the last command, Kiln's own, says of the time between its first and its last change to the flash."""
        for line in reversed(self.printed.splitlines()):
            event = json.loads(line)
            if event.get('event') == 'result':
                return event['transfer_ms'] / 1000
        raise Failed('kiln: no result')

    def big_app(self):
        """Three times the application one behind the other: about a megabyte that compresses like code."""
        path = self.bench.path('app3.bin')
        write(path, read(self.esp_files(1)[2][1]) * 3)
        return [(0x10000, path)]

    def esp_write(self, name, baud, start, limit_target, peer_target, loader='stub'):
        before = bytearray(b'\xff' * 0x400000)
        files = self.big_app() if start == 'blank, 1 MB' else self.esp_files(1)
        if start in ('edit', 'same', 'other'):
            for at, path in files:
                before[at:at + os.path.getsize(path)] = read(path)
        if start == 'other':  # no byte of it stays, and what is behind the files stays blank
            for at, path in files:
                before[at:at + os.path.getsize(path)] = bytes(byte ^ 0xa5 for byte in read(path))
        if start == 'edit':
            files = self.esp_files(2)
        wire_s, flash_s = self.esp_limit(before, files, baud)
        limit = max(wire_s, flash_s)
        data = []

        def run(who, command):
            spent, after = self.with_esp(before, [command])
            if not self.holds(after, files):
                raise Failed('%s: the flash does not hold the files' % who)
            if who == 'kiln':
                data.append(self.transfer_s())
            return spent

        kiln_s = median_of(lambda: run('kiln', self.kiln_esp(files, baud, loader)), RUNS)
        note = 'wire %.2f s, flash %.2f s; from the first change to the last %.2f s' % (wire_s, flash_s, statistics.median(data))
        peer_s = median_of(lambda: run('esptool', self.esptool_esp(files, baud)), RUNS) if self.bench.esptool else None
        self.bench.row(name, kiln_s, limit or None, 'esptool', peer_s,
                 ('limit', limit_target) if limit_target else ('peer', peer_target) if peer_target else None,
                 note if limit_target else None)

    def esp_read(self, name, baud, size, limit_target=None, loader='stub'):
        flash = bytearray(b'\xff' * 0x400000)
        for at, path in self.esp_files(1):
            flash[at:at + os.path.getsize(path)] = read(path)
        out = self.bench.path('read.bin')

        def kiln(port):
            return [self.bench.kiln, 'read', '-q', '--loader', loader, '-b', str(baud), '-d', port, '--before', 'no-reset', '--after', 'stay', '-a',
                    '0x10000', '-s', str(size), out]

        def esptool(port):
            return self.bench.esptool + ['--chip', 'esp32', '--port', port, '--baud', str(baud), '--before', 'no-reset', '--after',
                                   'no-reset', 'read-flash', '0x10000', str(size), out]

        def run(who, command):
            if os.path.exists(out):
                os.unlink(out)
            spent, _ = self.with_esp(flash, [command])
            if read(out) != flash[0x10000:0x10000 + size]:
                raise Failed('%s: what was read is not what is there' % who)
            return spent

        kiln_s = median_of(lambda: run('kiln', kiln), RUNS)
        peer_s = median_of(lambda: run('esptool', esptool), RUNS) if self.bench.esptool else None
        self.bench.row(name, kiln_s, size * 10 / baud, 'esptool', peer_s, ('limit', limit_target) if limit_target else None)

    # ---- many boards in one process

    def many(self, name, count):
        files = ['%s@0x%x' % (path, at) for at, path in self.esp_files(1)]

        def run(boards):
            devices = []
            for i in range(boards):
                backing = self.bench.path('many%d.flash' % i)
                write(backing, b'\xff' * 0x400000)
                devices += ['-d', 'sim:esp32?time=real&flash=' + backing]
            spent = wall([self.bench.kiln, 'flash', '-q', '-b', '921600'] + devices + files)
            for i in range(boards):
                if not self.holds(read(self.bench.path('many%d.flash' % i)), self.esp_files(1)):
                    raise Failed('board %d does not hold the files' % i)
            return spent

        alone = statistics.median(run(1) for _ in range(RUNS))
        together = statistics.median(run(count) for _ in range(RUNS))
        self.bench.row(name, together, None, 'alone', alone, ('peer', 1 / 0.95))

    # ---- memory

    def memory(self, name, megabytes):
        """Peak resident size of a `kiln flash` of an image that does not compress, over a PTY."""
        peak = 0
        file, port, backing = self.bench.path('big.bin'), self.bench.path('ttyBIG'), self.bench.path('big.flash')
        write(file, os.urandom(megabytes << 20))
        write(backing, b'\xff' * 0x400000)
        simulator = subprocess.Popen([self.bench.kiln, 'sim', 'esp32?boot=download&flash=' + backing, '--pty', port],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 5
            while not os.path.exists(port) and time.monotonic() < until:
                time.sleep(0.02)
            child = subprocess.Popen([self.bench.kiln, 'flash', '-q', '--force', '--raw', '-b', '5000000', '-d', port, '--before',
                                      'no-reset', '--after', 'stay', file + '@0x10000'], stdin=subprocess.DEVNULL)
            # What wait4() tells would hold the size of this interpreter, from which the child was forked.
            while child.poll() is None:
                with open('/proc/%d/status' % child.pid, encoding='ascii') as status:
                    for line in status:
                        if line.startswith('VmHWM:'):
                            peak = int(line.split()[1]) / 1024
                time.sleep(0.002)
        finally:
            simulator.terminate()
            simulator.wait()
        if child.returncode != 0:
            raise Failed('exit status %d' % child.returncode)
        met = peak <= megabytes + 16
        self.bench.rows.append({'name': name, 'peak_mib': peak, 'met': met})
        print('%-44s %5.1f MiB %61s <= %d MiB, %s' % (name, peak, '', megabytes + 16, 'met' if met else 'MISSED'),
              flush=True)

    # ---- files

    @staticmethod
    def elf(size):
        """An ESP32 application: half constants, half code, with the section table that makers of images go by."""
        half = size // 2
        body = os.urandom(half)
        sections = [('.flash.rodata', 0x3f400020, 2, body), ('.iram0.text', 0x40080000, 6, body[:32768]),
                    ('.flash.text', 0x400d0020, 6, body)]
        names = b'\0' + b'\0'.join(name.encode() for name, *_ in sections) + b'\0.shstrtab\0'
        data, table = b'', bytes(40)
        for name, address, flags, content in sections:
            table += struct.pack('<10I', names.index(name.encode()), 1, flags, address, 52 + len(data), len(content), 0, 0,
                                 4, 0)
            data += content
        table += struct.pack('<10I', names.index(b'.shstrtab'), 3, 0, 0, 52 + len(data), len(names), 0, 0, 1, 0)
        data += names + bytes(-len(names) % 4)
        ident = b'\x7fELF\x01\x01\x01' + bytes(9)
        return ident + struct.pack('<HHIIIIIHHHHHH', 2, 94, 1, 0x400d0020, 0, 52 + len(data), 0, 52, 32, 0, 40,
                                   len(table) // 40, len(table) // 40 - 1) + data + table

    def elf2image(self, name, size):
        """Wall time against esptool's; both make the same file."""
        elf, out = self.bench.path('big.elf'), self.bench.path('big.bin')
        write(elf, self.elf(size))

        def run(command):
            if os.path.exists(out):
                os.unlink(out)
            spent = wall(command + ['--chip', 'esp32', 'elf2image', '-o', out, elf])
            return spent, read(out)

        made = [run([self.bench.kiln, 'esptool']) for _ in range(RUNS)]
        peer_s = None
        if self.bench.esptool:
            peers = [run(self.bench.esptool) for _ in range(RUNS)]
            if peers[0][1] != made[0][1]:
                raise Failed('the two images differ')
            peer_s = statistics.median(spent for spent, _ in peers)
        self.bench.row(name, statistics.median(spent for spent, _ in made), peer='esptool', peer_s=peer_s)

    # ---- all of it

    def run(self):
        guard = self.bench.guard
        for baud in (115200, 921600, 2000000):
            guard('ESP32 first write, %d baud' % baud, self.esp_write, baud, 'blank', 1.05, None)
        guard('ESP32 first write of 1 MB, 921600 baud', self.esp_write, 921600, 'blank, 1 MB', 1.05, None)
        for baud in (115200, 921600, 2000000):
            guard('ESP32 one line changed, %d baud' % baud, self.esp_write, baud, 'edit', None, 0.1)
        for baud in (115200, 921600, 2000000):
            guard('ESP32 nothing changed, %d baud' % baud, self.esp_write, baud, 'same', None, None)
        for baud in (115200, 921600, 2000000):
            guard('ESP32 read of 1 MB, %d baud' % baud, self.esp_read, baud, 1 << 20)
        for baud in (115200, 921600, 2000000):
            guard('ESP32 --loader kiln, first write, %d baud' % baud, self.esp_write, baud, 'blank', 1.05, None, 'kiln')
        for baud in (921600, 2000000):
            guard('ESP32 --loader kiln, over others, %d baud' % baud, self.esp_write, baud, 'other', 1.05, None, 'kiln')
        for baud in (115200, 921600, 2000000):
            guard('ESP32 --loader kiln, one line, %d baud' % baud, self.esp_write, baud, 'edit', None, 0.1, 'kiln')
        for baud in (115200, 921600, 2000000):
            guard('ESP32 --loader kiln, read 1 MB, %d baud' % baud, self.esp_read, baud, 1 << 20, 1.05, 'kiln')
        for count in (16, 32):
            guard('%d ESP32 at once from one process' % count, self.many, count)
        guard('memory, image of 3 MiB', self.memory, 3)
        guard('elf2image of a 2 MB ELF', self.elf2image, 2 << 20)
