#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the tables of the examples as a C header: what a small synthesizer carries in its flash.

    tables.py WAVES > tables.h

WAVES wavetables of 2048 samples (a saw wave built from fewer and fewer harmonics), one sine and one
logarithm table. Only rounded results leave this script, so every machine writes the same bytes.
"""

import math
import sys

SAMPLES = 2048


def saw(harmonics):
    """One period of a saw wave without the harmonics that would fold back."""
    values = [sum(math.sin(2 * math.pi * k * n / SAMPLES) / k for k in range(1, harmonics + 1))
              for n in range(SAMPLES)]
    peak = max(abs(value) for value in values)
    return [int(round(value / peak * 32000, 3)) for value in values]


def write(kind, name, values):
    print('static const %s %s = {' % (kind, name))
    for i in range(0, len(values), 12):
        print('    ' + ' '.join('%d,' % value for value in values[i:i + 12]))
    print('};')


def main(waves):
    print('/* Written by tables.py. */')
    print('#include <stdint.h>')
    print('#define WAVE_COUNT %d' % waves)
    print('#define WAVE_SAMPLES %d' % SAMPLES)
    flat = []
    for wave in range(waves):
        flat += saw(max(1, 96 >> (wave * 7 // waves)) + wave % 3)
    write('int16_t', 'wave_table[WAVE_COUNT * WAVE_SAMPLES]', flat)
    write('int16_t', 'sine_table[8192]', [int(round(32000 * math.sin(math.pi * n / 16384), 3)) for n in range(8192)])
    write('uint16_t', 'log_table[8192]', [int(round(4096 * math.log2(1 + n / 8192), 3)) for n in range(8192)])


if __name__ == '__main__':
    main(int(sys.argv[1]))
