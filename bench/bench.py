#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures Kiln on simulated boards that take as long as real ones, next to the peers that are installed.

    bench/bench.py --kiln build/kiln [--only WORD]... [--json FILE]

esptool is taken from $ESPTOOL or from PATH, dfu-util from PATH; a peer that is not there is said to be missing and its
column stays empty. Every time is the wall time of a whole command, the median of some runs where they are short. "limit"
is what wire and flash chip need in the best case: the larger of (compressed bytes at ten bits each) and (erase and program
times of the sectors that differ) for the ESP32, the sum of erase and program times for the STM32, whose ROM does one after
another. The limit holds nothing for connecting, for the flasher stub (7 KB on the wire) and for hashing or reading back.
Ratios of one run can be compared between machines; seconds cannot.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIRMWARE = os.path.join(ROOT, 'examples', 'firmware')
SECTOR = 4096
RUNS = 3
LONG_S = 4.0

# Winbond W25Q32JV, revision H, typical: what sim/nor.c goes by.
NOR_SECTOR_ERASE_S = 0.045
NOR_BLOCK_ERASE_S = 0.150
NOR_PAGE_PROGRAM_S = 0.0005
# STM32F405: sectors, erase times typical at x32 (DS8626 rev 9, table 39) and the ROM's 16 us a byte, as sim/ has them.
F405_SECTORS = [(16, 0.250)] * 4 + [(64, 0.550)] + [(128, 1.0)] * 7
F405_BYTE_S = 16e-6


def cpu_seconds(command, runs=30):
    """CPU time (user and system) of a command, the smallest of several runs."""
    best = None
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = spent if best is None else min(best, spent)
    return best


class Failed(Exception):
    pass


def wall(command, timeout=400, allow=(0,)):
    began = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=timeout, check=False)
    spent = time.monotonic() - began
    if done.returncode not in allow:
        tail = done.stdout.decode('utf-8', 'replace').strip().splitlines()[-6:]
        raise Failed('%s: exit status %d\n    %s' % (' '.join(command), done.returncode, '\n    '.join(tail)))
    return spent


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def write(path, data):
    with open(path, 'wb') as file:
        file.write(data)


def median_of(run, runs):
    """Median of several runs, of one if that takes long: what takes long suffers little from a busy machine."""
    times = [run()]
    while len(times) < runs and times[0] < LONG_S:
        times.append(run())
    return statistics.median(times)


class Bench:
    def __init__(self, kiln, only):
        self.kiln = os.path.abspath(kiln)
        self.only = only
        self.rows = []
        self.failed = 0
        self.folder = tempfile.mkdtemp(prefix='kiln-bench-')
        esptool = os.environ.get('ESPTOOL') or shutil.which('esptool') or shutil.which('esptool.py')
        self.esptool = esptool.split() if esptool else None
        self.dfu_util = shutil.which('dfu-util')

    def path(self, name):
        return os.path.join(self.folder, name)

    def wanted(self, name):
        return not self.only or any(word in name for word in self.only)

    def row(self, name, kiln_s, limit_s=None, peer=None, peer_s=None, target=None):
        """target: ('limit' or 'peer' or 'seconds', largest value that is good)"""
        value = {None: None, 'seconds': kiln_s, 'limit': kiln_s / limit_s if limit_s else None,
                 'peer': kiln_s / peer_s if peer_s else None}[target[0] if target else None]
        self.rows.append({'name': name, 'kiln_s': kiln_s, 'limit_s': limit_s, 'peer': peer, 'peer_s': peer_s,
                          'target': target, 'met': None if value is None else value <= target[1]})
        print(self.line(self.rows[-1]), flush=True)

    HEAD = '%-44s %9s %9s %7s %18s %7s  %s' % ('', 'kiln', 'limit', '/limit', 'peer', '/peer', 'target')

    @staticmethod
    def line(row):
        def seconds(value):
            return '' if value is None else '%.1f ms' % (value * 1000) if value < 0.1 else '%.2f s' % value

        def ratio(value):
            return '%.3f' % (row['kiln_s'] / value) if value else ''

        target = ''
        if row['target']:
            kind, limit = row['target']
            what = '<= %g ms' % (limit * 1000) if kind == 'seconds' else '<= %g of %s' % (limit, kind)
            target = what + ('' if row['met'] is None else ', met' if row['met'] else ', MISSED')
        peer = '' if row['peer'] is None else '%s %s' % (row['peer'], seconds(row['peer_s']) or 'missing')
        return '%-44s %9s %9s %7s %18s %7s  %s' % (row['name'], seconds(row['kiln_s']), seconds(row['limit_s']),
                                                   ratio(row['limit_s']), peer, ratio(row['peer_s']), target)

    def guard(self, name, function, *arguments):
        if not self.wanted(name):
            return
        try:
            function(name, *arguments)
        except (Failed, subprocess.TimeoutExpired) as error:
            self.failed += 1
            print('%-44s FAILED: %s' % (name, error), flush=True)

    # ---- start-up

    def start_up(self, name, arguments, peer, peer_command):
        kiln_s = cpu_seconds([self.kiln] + arguments)
        peer_s = cpu_seconds(peer_command, 3) if peer_command else None
        self.row(name, kiln_s, peer=peer, peer_s=peer_s, target=('seconds', 0.005))

    # ---- ESP32 over a PTY

    def esp_files(self, version):
        return [(0x1000, os.path.join(FIRMWARE, 'esp32-bootloader.bin')),
                (0x8000, os.path.join(FIRMWARE, 'esp32-partitions.bin')),
                (0x10000, os.path.join(FIRMWARE, 'esp32-app-v%d.bin' % version))]

    def with_esp(self, flash, commands):
        """Runs the commands against one simulated ESP32 that was just plugged in and holds `flash`. Each command is a
        function of the port; the wall time of the last one counts."""
        backing, port = self.path('esp.flash'), self.path('ttyESP')
        write(backing, flash)
        simulator = subprocess.Popen([self.kiln, 'sim', 'esp32?time=real&boot=download&flash=' + backing, '--pty', port],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 5
            while not os.path.exists(port) and time.monotonic() < until:
                time.sleep(0.02)
            spent = [wall(command(port)) for command in commands]
        finally:
            simulator.terminate()
            simulator.wait()
            if os.path.islink(port):
                os.unlink(port)
        return spent[-1], read(backing)

    @staticmethod
    def holds(flash, files):
        return all(flash[at:at + os.path.getsize(path)] == read(path) for at, path in files)

    def esp_limit(self, before, files, baud):
        """Seconds: sectors that differ, compressed on the wire, against their erase and program times."""
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
        return max(wire * 10 / baud, flash_s)

    def kiln_esp(self, files, baud):
        return lambda port: [self.kiln, 'flash', '-q', '-b', str(baud), '-d', port, '--before', 'no-reset', '--after',
                             'stay'] + ['%s@0x%x' % (path, at) for at, path in files]

    def esptool_esp(self, files, baud):
        return lambda port: self.esptool + ['--chip', 'esp32', '--port', port, '--baud', str(baud), '--before', 'no-reset',
                                            '--after', 'no-reset', 'write-flash'] + [
                                                word for at, path in files for word in ('0x%x' % at, path)]

    def big_app(self):
        """Three times the application one behind the other: about a megabyte that compresses like code."""
        path = self.path('app3.bin')
        write(path, read(self.esp_files(1)[2][1]) * 3)
        return [(0x10000, path)]

    def esp_write(self, name, baud, start, limit_target, peer_target):
        before = bytearray(b'\xff' * 0x400000)
        files = self.big_app() if start == 'blank, 1 MB' else self.esp_files(1)
        if start in ('edit', 'same'):
            for at, path in files:
                before[at:at + os.path.getsize(path)] = read(path)
        if start == 'edit':
            files = self.esp_files(2)
        limit = self.esp_limit(before, files, baud)

        def run(who, command):
            spent, after = self.with_esp(before, [command(files, baud)])
            if not self.holds(after, files):
                raise Failed('%s: the flash does not hold the files' % who)
            return spent

        kiln_s = median_of(lambda: run('kiln', self.kiln_esp), RUNS)
        peer_s = median_of(lambda: run('esptool', self.esptool_esp), RUNS) if self.esptool else None
        self.row(name, kiln_s, limit or None, 'esptool', peer_s,
                 ('limit', limit_target) if limit_target else ('peer', peer_target) if peer_target else None)

    def esp_read(self, name, baud, size):
        flash = bytearray(b'\xff' * 0x400000)
        for at, path in self.esp_files(1):
            flash[at:at + os.path.getsize(path)] = read(path)
        out = self.path('read.bin')

        def kiln(port):
            return [self.kiln, 'read', '-q', '-b', str(baud), '-d', port, '--before', 'no-reset', '--after', 'stay', '-a',
                    '0x10000', '-s', str(size), out]

        def esptool(port):
            return self.esptool + ['--chip', 'esp32', '--port', port, '--baud', str(baud), '--before', 'no-reset', '--after',
                                   'no-reset', 'read-flash', '0x10000', str(size), out]

        def run(who, command):
            if os.path.exists(out):
                os.unlink(out)
            spent, _ = self.with_esp(flash, [command])
            if read(out) != flash[0x10000:0x10000 + size]:
                raise Failed('%s: what was read is not what is there' % who)
            return spent

        kiln_s = median_of(lambda: run('kiln', kiln), RUNS)
        peer_s = median_of(lambda: run('esptool', esptool), RUNS) if self.esptool else None
        self.row(name, kiln_s, size * 10 / baud, 'esptool', peer_s, None)

    # ---- many boards in one process

    def many(self, name, count):
        files = ['%s@0x%x' % (path, at) for at, path in self.esp_files(1)]

        def run(boards):
            devices = []
            for i in range(boards):
                backing = self.path('many%d.flash' % i)
                write(backing, b'\xff' * 0x400000)
                devices += ['-d', 'sim:esp32?time=real&flash=' + backing]
            spent = wall([self.kiln, 'flash', '-q', '-b', '921600'] + devices + files)
            for i in range(boards):
                if not self.holds(read(self.path('many%d.flash' % i)), self.esp_files(1)):
                    raise Failed('board %d does not hold the files' % i)
            return spent

        alone = statistics.median(run(1) for _ in range(RUNS))
        together = statistics.median(run(count) for _ in range(RUNS))
        self.row(name, together, None, 'alone', alone, ('peer', 1 / 0.95))

    # ---- memory

    def memory(self, name, megabytes):
        """Peak resident size of a `kiln flash` of an image that does not compress, over a PTY."""
        peak = 0
        file, port, backing = self.path('big.bin'), self.path('ttyBIG'), self.path('big.flash')
        write(file, os.urandom(megabytes << 20))
        write(backing, b'\xff' * 0x400000)
        simulator = subprocess.Popen([self.kiln, 'sim', 'esp32?boot=download&flash=' + backing, '--pty', port],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 5
            while not os.path.exists(port) and time.monotonic() < until:
                time.sleep(0.02)
            child = subprocess.Popen([self.kiln, 'flash', '-q', '--force', '--raw', '-b', '5000000', '-d', port, '--before',
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
        self.rows.append({'name': name, 'peak_mib': peak, 'met': met})
        print('%-44s %5.1f MiB %61s <= %d MiB, %s' % (name, peak, '', megabytes + 16, 'met' if met else 'MISSED'),
              flush=True)

    # ---- STM32F405 over USB

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
        backing = self.path('stm.flash')
        write(backing, flash)
        spent = wall([self.kiln, 'sim', 'stm32f405?time=real&flash=' + backing, '--run'] + command, allow=(0, 74))
        return spent, read(backing)

    def dfu_write(self, name, before, image, target):
        file = self.path('image.bin')
        write(file, image)
        flash = before + b'\xff' * (0x100000 - len(before))
        limit = self.f405_limit(flash, image) or None
        kiln_s, after = self.with_f405(flash, [self.kiln, 'flash', '-q', '-d', 'usb:0483:df11', file + '@0x08000000'])
        if after[:len(image)] != image:
            raise Failed('kiln: the flash does not hold the file')
        peer_s = None
        if self.dfu_util:
            peer_s, after = self.with_f405(flash, [self.dfu_util, '-a', '0', '-s', '0x08000000', '-D', file])
            if after[:len(image)] != image:
                raise Failed('dfu-util: the flash does not hold the file')
        self.row(name, kiln_s, limit, 'dfu-util', peer_s, ('peer', target))

    # ---- all of it

    def run(self):
        print(self.HEAD)
        esptool = self.esptool and self.esptool + ['version']
        dfu_util = self.dfu_util and [self.dfu_util, '--version']
        self.guard('start-up: version (CPU)', self.start_up, ['version'], 'esptool', esptool)
        self.guard('start-up: chip esp32 (CPU)', self.start_up, ['chip', 'esp32'], 'dfu-util', dfu_util)
        for baud in (115200, 921600, 2000000):
            self.guard('ESP32 first write, %d baud' % baud, self.esp_write, baud, 'blank', 1.05, None)
        self.guard('ESP32 first write of 1 MB, 921600 baud', self.esp_write, 921600, 'blank, 1 MB', 1.05, None)
        for baud in (115200, 921600, 2000000):
            self.guard('ESP32 one line changed, %d baud' % baud, self.esp_write, baud, 'edit', None, 0.1)
        for baud in (115200, 921600, 2000000):
            self.guard('ESP32 nothing changed, %d baud' % baud, self.esp_write, baud, 'same', None, None)
        for baud, size in ((115200, 65536), (921600, 262144), (2000000, 262144)):
            self.guard('ESP32 read of %d KB, %d baud' % (size >> 10, baud), self.esp_read, baud, size)
        for count in (16, 32):
            self.guard('%d ESP32 at once from one process' % count, self.many, count)
        self.guard('memory, image of 3 MiB', self.memory, 3)
        blank, old, new = b'', self.big_image(False), self.big_image(True)
        self.guard('STM32F405 full write, 256 KB', self.dfu_write, blank, old, 0.25)
        self.guard('STM32F405 one byte in a 128 KB sector', self.dfu_write, old, new, 0.15)
        self.guard('STM32F405 nothing changed', self.dfu_write, old, old, 0.03)


def main():
    parser = argparse.ArgumentParser(description='measure Kiln against its peers')
    parser.add_argument('--kiln', default=os.path.join(ROOT, 'build', 'kiln'))
    parser.add_argument('--only', action='append', default=[], help='rows whose name has this word')
    parser.add_argument('--json', help='write the rows to this file')
    arguments = parser.parse_args()
    bench = Bench(arguments.kiln, arguments.only)
    try:
        bench.run()
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)
    if arguments.json:
        with open(arguments.json, 'w', encoding='utf-8') as file:
            json.dump(bench.rows, file, indent=1)
    missed = [row['name'] for row in bench.rows if row['met'] is False]
    print('%d rows, %d of %d targets met%s' % (len(bench.rows), sum(row['met'] is True for row in bench.rows),
                                               sum(row['met'] is not None for row in bench.rows),
                                               ', %d FAILED' % bench.failed if bench.failed else ''))
    for name in missed:
        print('missed: %s' % name)
    return 1 if bench.failed else 0


if __name__ == '__main__':
    sys.exit(main())
