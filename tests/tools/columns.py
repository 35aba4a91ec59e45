#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What kiln shows on terminals of 40, 80 and 132 columns: no line is broken by the terminal but one whose single word
is longer than it, or a command that is there to be copied; NO_COLOR and a dumb terminal get what they want, and into a
pipe nothing is folded.

    columns.py KILN SOURCE_ROOT
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios

KILN, ROOT = (os.path.abspath(path) for path in sys.argv[1:3])
FILES = [ROOT + '/examples/firmware/' + name for name in
         ('esp32-bootloader.bin', 'esp32-partitions.bin', 'esp32-app-v1.bin')]
COMMANDS = ('flash read verify erase run reset info poke list name doctor monitor chip sim image project esptool '
            'dfu-util help version').split()
COLOUR = re.compile(rb'\x1b\[[0-9;]*m')
# The bar goes up and wipes; nothing else moves the cursor.
WIPED = re.compile(rb'(?:\x1b\[1A\r\x1b\[2K)+')


def check(good, *what):
    if not good:
        raise SystemExit('FAILED: ' + ' '.join(map(str, what)))


def on_terminal(width, words, **environment):
    """All bytes that a terminal of that width gets."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 50, width, 0, 0))
    settings = dict(os.environ, TERM='xterm', HOME='/nonexistent', XDG_STATE_HOME='/nonexistent')
    settings.pop('NO_COLOR', None)
    settings.update(environment)
    child = subprocess.Popen([KILN, *words], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env=settings)
    os.close(slave)
    said = b''
    while select.select([master], [], [], 60)[0]:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
    os.close(master)
    check(child.wait(60) in (0, 2, 3, 9, 10, 12), words, 'ends with', child.returncode, said[-400:])
    return said


def lines_of(said):
    text = WIPED.sub(b'', said.replace(b'\r\n', b'\n'))
    return COLOUR.sub(b'', text).decode().split('\n')


def fits(width, words):
    lines = lines_of(on_terminal(width, words))
    check(any(line.strip() for line in lines), words, 'says nothing')
    for line in lines:
        check('\x1b' not in line and '\r' not in line, words, 'moves the cursor:', repr(line))
        alone = len(line) - len(line.lstrip()) + len(line.split()[-1]) > width if line.strip() else False
        command = line.startswith('  kiln ')
        check(len(line) <= width or alone or command, words, 'at', width, 'columns:', repr(line))
    return lines


def boards(flash):
    """Commands on a board, one after the other."""
    board = 'sim:esp32?flash=' + flash
    yield 'flash', '-d', board + '&time=real', '-b', '460800', *FILES
    yield 'flash', '-n', '-d', board, *FILES
    yield 'flash', '-n', '--map', '-d', board, *FILES
    yield 'flash', '-d', board, FILES[2] + '@0x1000'
    yield 'verify', '-d', board, *FILES
    yield 'read', '-d', board, '-s', '1M', '-o', flash + '.back'
    yield 'info', '-d', board
    yield 'erase', '-d', board, 'nvs'
    yield 'erase', '-d', board, '-a', '0x9001', '-s', '5'
    yield 'flash', '-d', board, '-d', 'sim:esp32c3', '--all', FILES[2]
    yield 'info', '-d', 'sim:stm32f405'
    yield 'info', '-d', 'sim:nothing'
    yield 'reset', '-d', 'sim:esp32'
    yield 'list',
    yield 'chip',
    yield 'chip', 'esp32c3'
    yield 'chip', 'stm32f405'
    yield 'doctor', '-v', '--root', '/nonexistent'
    yield 'project', '-p', '/nonexistent'
    yield 'sim', '--list'
    yield ('image', 'info', *FILES)
    yield 'flash', '--no-such-option'


def main():
    with tempfile.TemporaryDirectory() as folder:
        for width in (40, 80, 132):
            flash = '%s/%d.bin' % (folder, width)
            for words in boards(flash):
                fits(width, words)
            for command in COMMANDS:
                fits(width, ('help', command))
        bars = on_terminal(40, next(boards(folder + '/bar.bin')))
        check(b'Writing' in bars and b' 100 %' in bars and b'left' in bars, 'no bar')
        info = 'info', '-d', 'sim:stm32f405'
        check(COLOUR.search(on_terminal(80, info)), 'no colour')
        check(not COLOUR.search(on_terminal(80, info, NO_COLOR='1')), 'colour with NO_COLOR')
        check(b'\x1b' not in on_terminal(80, info, TERM='dumb'), 'escape sequences on a dumb terminal')
        piped = subprocess.run([KILN, *info], capture_output=True, check=True).stdout
        check(max(map(len, piped.split(b'\n'))) > 100 and b'\x1b' not in piped, 'folded for a pipe')
    print('ok')


if __name__ == '__main__':
    main()
