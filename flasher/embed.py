#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles the flasher for each chip and writes all of them as one C table.

embed.py OUTPUT SOURCES NAME:PREFIX:CODE:DATA:FLAG,FLAG... ...
A chip without its compiler is left out of the table: `-` stands for its prefix then."""

import os
import subprocess
import sys
import tempfile

FLAGS = ('-std=gnu17 -Os -ffreestanding -nostdlib -fno-tree-loop-distribute-patterns -fno-jump-tables -ffunction-sections '
         '-Wall -Wextra -Wconversion -Wshadow -Werror -Wl,--gc-sections -Wl,--build-id=none').split()


def image(folder, name, prefix, code, data, flags):
    with tempfile.TemporaryDirectory() as work:
        elf, binary = os.path.join(work, 'elf'), os.path.join(work, 'bin')
        subprocess.run([prefix + 'gcc', *FLAGS, *flags, '-I' + os.path.dirname(folder), '-DCHIP_' + name.upper(), '-Wl,--defsym=CODE=' + code,
                        '-Wl,--defsym=DATA=' + data, '-Wl,-T,' + os.path.join(folder, 'flasher.ld'),
                        os.path.join(folder, 'esp.c'), '-lgcc', '-o', elf], check=True)
        subprocess.run([prefix + 'objcopy', '-O', 'binary', '-j', '.code', elf, binary], check=True)
        with open(binary, 'rb') as file:
            return file.read()


def main():
    output, folder, chips = sys.argv[1], sys.argv[2], sys.argv[3:]
    text, rows, left_out = '', '', ''
    for chip in chips:
        name, prefix, code, data, flags = chip.split(':')
        if prefix == '-':
            left_out += '"%s", ' % name
            continue
        content = image(folder, name, prefix, code, data, [flag for flag in flags.split(',') if flag])
        text += 'static const uint8_t %s_code[] = {\n' % name
        for at in range(0, len(content), 16):
            text += '    ' + ' '.join('0x%02x,' % byte for byte in content[at:at + 16]) + '\n'
        text += '};\n\n'
        rows += '    {"%s", %s_code, sizeof %s_code, %s},\n' % (name, name, name, code)
    text += 'static const struct kiln_flasher_image images[] = {\n%s    {NULL, NULL, 0, 0},\n};\n' % rows
    text += 'static const char *const left_out[] = {%sNULL};\n' % left_out
    with open(output, 'w') as file:
        file.write(text)


main()
