#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pyserial's miniterm and kiln monitor side by side, each on a pseudo-terminal before the same board: what the board
gets, what is shown and how the port is set are compared, option by option and key by key.

    monitor_miniterm.py KILN SOURCE_ROOT
"""

import array
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time

from monitor_bed import KILN, PATIENCE, Board, Monitor, check

MINITERM = ['/usr/bin/python3', '-m', 'serial.tools.miniterm']
IXON, IXOFF, CRTSCTS = 0o2000, 0o10000, 0o20000000000
TCGETS2 = 0x802C542A


class Miniterm(Monitor):
    """The same hands on the other program."""

    def __init__(self, *words):
        super().__init__(*words, program=MINITERM)


def flags_of(board):
    buffer = array.array('B', bytes(44))
    fcntl.ioctl(board.master, TCGETS2, buffer)
    inputs, _, control = struct.unpack_from('<3I', buffer)
    return inputs & (IXON | IXOFF), control & CRTSCTS, struct.unpack_from('<I', buffer, 40)[0]


def take(board, want):
    """What the board got, once it is as long as `want`, and whatever else comes at once."""
    got, end = b'', time.monotonic() + PATIENCE
    while len(got) < len(want) and time.monotonic() < end:
        if select.select([board.master], [], [], 0.05)[0]:
            got += os.read(board.master, 4096)
    while select.select([board.master], [], [], 0.05)[0]:
        got += os.read(board.master, 4096)
    return got


def shown(program):
    """Without the programs' own lines, and what colour and line ends they make."""
    text = re.sub(r'(?m)^--- .*\n?', '', program.text())
    return re.sub(r'\x1b\[[0-9;]*m|\r|\n', '', text)


def settle(program, board, ready):
    program.until(ready)
    end = time.monotonic() + PATIENCE
    while flags_of(board)[2] != 57600 or termios.tcgetattr(program.slave)[3] & termios.ICANON:
        check(time.monotonic() < end, 'it never set port and keyboard')
        time.sleep(0.01)


def session(program, board, ready, row, menu):
    """Says and types what the row says; what came of it."""
    settle(program, board, ready)
    before = flags_of(board)
    got = b''
    for text, want in row.get('typed', ()):
        program.type(text.replace('MENU', menu).replace('EXIT', row.get('exit', '\x1d')))
        got += take(board, want)
    if 'said' in row:
        os.write(board.master, row['said'] + b'<END>')
        program.until('<(?:\x1b\\[[0-9;]*m)*END')
    program.type(row.get('exit', '\x1d'))
    program.end(0)
    return got, shown(program), before


ROWS = [
    # what is sent
    dict(name='eol crlf', theirs=[], ours=[], typed=[('x\r', b'x\r\n')]),
    dict(name='eol cr', theirs=['--eol', 'CR'], ours=['--enter', 'cr'], typed=[('x\r', b'x\r')]),
    dict(name='eol lf', theirs=['--eol', 'LF'], ours=['--enter', 'lf'], typed=[('x\r', b'x\n')]),
    dict(name='Latin1 out', theirs=['--encoding', 'Latin1'], ours=['--encoding', 'Latin1'],
         typed=[('\u00fc\u20ac', b'\xfc?')]),
    dict(name='hexlify out', theirs=['--encoding', 'hexlify'], ours=['--send-hex', '--hex'],
         typed=[('414Aff', b'AJ\xff')], unlike=True),
    dict(name='the keys themselves', theirs=[], ours=[], typed=[('MENUMENU', b'\x14'), ('MENUEXIT', b'\x1d')]),
    dict(name='other keys', theirs=['--exit-char', '1', '--menu-char', '2'],
         ours=['--exit-key', '1', '--menu-key', '^B'], menu='\x02', exit='\x01',
         typed=[('\x14\x1d', b'\x14\x1d'), ('MENUMENU', b'\x02')]),
    # what is shown
    dict(name='echo', theirs=['-e'], ours=['--echo'], typed=[('abc', b'abc')], said=b'.'),
    dict(name='default', theirs=['-f', 'default'], ours=['--show', 'pictures'],
         said=b'a\x01\x1b[1m\x07\x7f\tz \xc3\xa4 \xff|\r\n'),
    dict(name='direct', theirs=['-f', 'direct'], ours=['--show', 'direct'], said=b'a\x01\x07\tz \xc3\xa4\r\n'),
    dict(name='nocontrol', theirs=['-f', 'nocontrol'], ours=['--show', 'nocontrol'],
         said=b'a b\x01\x1b\t\x08\x7f\xc3\xa4\r\n'),
    dict(name='printable', theirs=['-f', 'printable'], ours=['--show', 'printable'],
         said=b'a b\x01\x1b\t\xc3\xa4\xe2\x82\xac\r\n'),
    dict(name='Latin1 in', theirs=['--encoding', 'Latin1'], ours=['--encoding', 'Latin1', '--show', 'pictures'],
         said=b'\xfc\xe4 \x01 \xa9\r\n'),
    dict(name='raw', theirs=['--raw'], ours=['--show', 'direct'], said=b'a\x01\x07 \xc3\xa4\r\n'),
    # how the port is set
    dict(name='xonxoff', theirs=['--xonxoff'], ours=['--xonxoff'], flags=(IXON | IXOFF, 0)),
    dict(name='rtscts', theirs=['--rtscts'], ours=['--rtscts'], flags=(0, CRTSCTS)),
    dict(name='quiet', theirs=['-q'], ours=['-q'], said=b'just this', quiet=True),
]


def compare(folder, row):
    results = []
    for program, words in ((Miniterm, row['theirs']), (Monitor, row['ours'])):
        board = Board(folder + '/board')
        place = [board.name, '57600'] if program is Miniterm else ['-d', board.name, '-b', '57600']
        ready = '' if row.get('quiet') else 'Quit: ' if program is Miniterm else ' ends '
        results.append(session(program(*place, *words), board, ready, row, row.get('menu', '\x14')))
        board.unplug()
    theirs, ours = results
    wanted = b''.join(want for _, want in row.get('typed', ()))
    check(theirs[0] == wanted, '%s: miniterm sent %r, not %r' % (row['name'], theirs[0], wanted))
    check(ours[0] == wanted, '%s: kiln sent %r, not %r' % (row['name'], ours[0], wanted))
    if not row.get('unlike'):
        check(theirs[1] == ours[1], '%s: shown by miniterm %r, by kiln %r' % (row['name'], theirs[1], ours[1]))
    check(theirs[2] == ours[2], '%s: the port is set %s, %s' % (row['name'], theirs[2], ours[2]))
    if 'flags' in row:
        check(ours[2][:2] == row['flags'], '%s: not set: %s' % (row['name'], ours[2]))


def upload(folder):
    """The same file by the same key, asked for by name."""
    data = bytes(range(256)) * 20
    with open(folder + '/data', 'wb') as file:
        file.write(data)
    for program, words, ready, done in ((Miniterm, ['%s', '57600'], 'Quit: ', 'sent ---'),
                                        (Monitor, ['-d', '%s', '-b', '57600'], 'ends ', 'the file is sent: 5120 bytes')):
        board = Board(folder + '/board')
        monitor = program(*(word.replace('%s', board.name) for word in words))
        settle(monitor, board, ready)
        monitor.type('\x14\x15')
        monitor.until('[Ff]ile to (upload|send): ')
        monitor.type(folder + '/data\r')
        check(take(board, data) == data, 'the file arrived whole')
        monitor.until(done)
        monitor.type('\x1d')
        monitor.end(0)
        board.unplug()


def main():
    version = subprocess.run(['/usr/bin/python3', '-c', 'import serial; print(serial.VERSION)'], capture_output=True,
                             check=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            compare(folder, row)
        upload(folder)
    print('%d comparisons with miniterm of pyserial %s' % (len(ROWS) + 1, version))


if __name__ == '__main__':
    sys.exit(main())
