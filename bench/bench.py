#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures Kiln on simulated boards that take as long as real ones, next to the peers that are installed.

    bench/bench.py --kiln build/kiln [--only WORD]... [--json FILE]

esptool is taken from $ESPTOOL or from PATH, dfu-util from PATH, miniterm from Debian's python3-serial; a peer that is not
there is said to be missing and its column stays empty. Every time is the wall time of a whole command, the median of some runs where they are short. "limit"
is what wire and flash chip need in the best case: the larger of (compressed bytes at ten bits each) and (erase and program
times of the sectors that differ) for the ESP32, the sum of erase and program times for the STM32, whose ROM does one after
another. The limit holds nothing for connecting, for the flasher stub (7 KB on the wire) and for hashing or reading back, and takes
wire and flash chip to work side by side from the first moment to the last; a target is for the whole command all the same.
Behind a first write stand both sides of its limit and what the command spent on sending stub and data.
Ratios of one run can be compared between machines; seconds cannot.
"""

import argparse
import json
import os
import sys

from common import ROOT, Bench, cpu_seconds
from dfu import DfuRows
from esp import EspRows
from monitor import MonitorRows


def start_up(name, bench, arguments, peer, peer_command):
    kiln_s = cpu_seconds([bench.kiln] + arguments)
    peer_s = cpu_seconds(peer_command, 3) if peer_command else None
    bench.row(name, kiln_s, peer=peer, peer_s=peer_s, target=('seconds', 0.005))


def run(bench):
    print(bench.HEAD)
    esptool = bench.esptool and bench.esptool + ['version']
    dfu_util = bench.dfu_util and [bench.dfu_util, '--version']
    bench.guard('start-up: version (CPU)', start_up, bench, ['version'], 'esptool', esptool)
    bench.guard('start-up: chip esp32 (CPU)', start_up, bench, ['chip', 'esp32'], 'dfu-util', dfu_util)
    MonitorRows(bench).run()
    EspRows(bench).run()
    DfuRows(bench).run()


def main():
    parser = argparse.ArgumentParser(description='measure Kiln against its peers')
    parser.add_argument('--kiln', default=os.path.join(ROOT, 'build', 'kiln'))
    parser.add_argument('--only', action='append', default=[], help='rows whose name has this word')
    parser.add_argument('--json', help='write the rows to this file')
    arguments = parser.parse_args()
    bench = Bench(arguments.kiln, arguments.only)
    try:
        run(bench)
    finally:
        bench.close()
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
