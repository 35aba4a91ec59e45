# SPDX-License-Identifier: MIT
"""What all rows share: running commands, the table, and the peers that are found."""

import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIRMWARE = os.path.join(ROOT, 'examples', 'firmware')
RUNS = 3
LONG_S = 4.0


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
    return timed(command, timeout, allow)[0]


def timed(command, timeout=400, allow=(0,)):
    """Seconds, and what the command printed."""
    began = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=timeout, check=False)
    spent = time.monotonic() - began
    if done.returncode not in allow:
        tail = done.stdout.decode('utf-8', 'replace').strip().splitlines()[-6:]
        raise Failed('%s: exit status %d\n    %s' % (' '.join(command), done.returncode, '\n    '.join(tail)))
    return spent, done.stdout


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

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def wanted(self, name):
        return not self.only or any(word in name for word in self.only)

    def row(self, name, kiln_s, limit_s=None, peer=None, peer_s=None, target=None, note=None):
        """target: ('limit' or 'peer' or 'seconds', largest value that is good); note: behind it"""
        value = {None: None, 'seconds': kiln_s, 'limit': kiln_s / limit_s if limit_s else None,
                 'peer': kiln_s / peer_s if peer_s else None}[target[0] if target else None]
        self.rows.append({'name': name, 'kiln_s': kiln_s, 'limit_s': limit_s, 'peer': peer, 'peer_s': peer_s,
                          'target': target, 'met': None if value is None else value <= target[1], 'note': note})
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
        target += '; ' + row['note'] if target and row['note'] else row['note'] or ''
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
