#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kiln monitor on pseudo-terminals: a board that speaks at 250000 baud, panics, leaves and comes back as another
terminal under the same name, while the monitor runs on a terminal of its own, then in a pipe; a second kiln that
borrows the port; signals; what a project's files
say; a simulated board by RFC 2217. Standard library only; waits for events, never for a fixed time.

    monitor_pty.py KILN SOURCE_ROOT [--times]
"""

import array
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty

KILN, ROOT = sys.argv[1:3]
PATIENCE = 30
TCGETS2 = 0x802C542A


def baud_of(fd):
    buffer = array.array('B', bytes(44))
    fcntl.ioctl(fd, TCGETS2, buffer)
    return struct.unpack_from('<4I20s2I', buffer)[6]


class Board:
    """The far end of a pseudo-terminal with a fixed name; `rate`: what it speaks, None: any."""

    def __init__(self, name, rate=None):
        self.name, self.rate, self.master = name, rate, -1
        self.plug()

    def plug(self):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        path = os.ttyname(slave)
        os.symlink(path, self.name + '.new')
        os.rename(self.name + '.new', self.name)
        os.close(slave)

    def unplug(self):
        os.unlink(self.name)
        os.close(self.master)

    def say(self, text):
        data = text.encode()
        if self.rate is not None and baud_of(self.master) != self.rate:
            data = bytes((b * 197 + 13 | 0x80) & 0xff for b in data)
        os.write(self.master, data)


class Monitor:
    def __init__(self, *words, terminal=True, env=None, command='monitor'):
        environment = dict(os.environ, TERM='xterm', NO_COLOR='1', **(env or {}))
        self.got, self.errors = b'', b''
        self.master = -1
        if terminal:
            self.master, slave = pty.openpty()
            self.before = termios.tcgetattr(slave)
            self.slave = slave
            self.process = subprocess.Popen([KILN, command, *words], stdin=slave, stdout=slave, stderr=slave,
                                            env=environment, start_new_session=True)
            self.out = self.master
        else:
            self.process = subprocess.Popen([KILN, command, *words], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
            self.out = self.process.stdout.fileno()

    def until(self, pattern, tick=None):
        """Reads until the pattern is there; `tick` is called when it is quiet."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.text()):
            if time.monotonic() > end:
                raise SystemExit('never came: %s\n--- this did:\n%s' % (pattern, self.text()))
            if select.select([self.out], [], [], 0.005)[0]:
                data = os.read(self.out, 65536)
                if not data:
                    raise SystemExit('ended before %s:\n%s' % (pattern, self.text()))
                self.got += data
            elif tick:
                tick()
        return self.text()

    def text(self):
        return self.got.decode(errors='replace').replace('\r\n', '\n')

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self, status):
        got = self.process.wait(PATIENCE)
        check(got == status, 'exit status %d, not %d\n%s' % (got, status, self.text()))
        if self.master >= 0:
            check(termios.tcgetattr(self.slave) == self.before, 'the terminal was not restored')
            os.close(self.slave)
            os.close(self.master)


def check(good, what):
    if not good:
        raise SystemExit('FAILED: ' + what)


PANIC = ("Guru Meditation Error: Core  0 panic'ed (StoreProhibited). Exception was unhandled.\r\n"
         'Backtrace: 0x40201006:0x3ffb4f30 0x40201031:0x3ffb4f50 0x4020105e:0x3ffb4f70\r\n')


def on_a_terminal(folder):
    board = Board(folder + '/board', 250000)
    monitor = Monitor('-d', board.name, '--elf', ROOT + '/tests/data/crash-xtensa.elf')
    check('Ctrl-] ends' in monitor.until('H all keys'), 'first line')
    monitor.until('speaks at 250000 baud', lambda: board.say('I (10) main: temperature 21.5 degrees\r\n'))
    monitor.until('\nI .10. main: temperature')
    board.say('ets Jun  8 2016 00:22:57\r\n\r\nrst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n')
    monitor.until('the RTC watchdog ran out')
    board.say(PANIC)
    monitor.until(r'store_value at \S*crash.c:12\n.*inlined into write_sensor at \S*crash.c:18')
    monitor.until(r'app_main at \S*crash.c:32')
    board.unplug()
    monitor.until('is gone; waiting')
    began = time.monotonic()
    board.plug()
    monitor.until('up again', lambda: board.say('I (1) main: up again\r\n'))
    back = time.monotonic() - began
    check('is back' in monitor.text(), 'it says that the board is back')
    monitor.type('hi\r')
    check(os.read(board.master, 100) in (b'hi\r\n', b'h', b'hi'), 'what is typed arrives')
    monitor.type('\x14h')
    monitor.until('bring it into its bootloader')
    monitor.type('\x1d')
    monitor.end(0)
    board.unplug()
    return back


def in_a_pipe(folder):
    board = Board(folder + '/board')
    monitor = Monitor('-d', board.name, '-b', '115200', '--json', '--filter', 'yes', terminal=False)
    monitor.until('at 115200')
    board.say('no\r\nyes \x1b[1m"1"\x1b[0m\r\n')
    check('"text":"yes \\"1\\""}' in monitor.until('yes'), 'JSON line')
    check('"no"' not in monitor.text(), 'filtered')
    monitor.process.stdin.write(b'ping\n')
    monitor.process.stdin.close()
    check(os.read(board.master, 6) == b'ping\r\n', 'standard input is sent')
    monitor.process.send_signal(signal.SIGTERM)
    monitor.end(130)
    board.unplug()


def signals(folder):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        board = Board(folder + '/board')
        monitor = Monitor('-d', board.name)
        monitor.until('H all keys')
        monitor.process.send_signal(number)
        monitor.end(130)
        board.unplug()


def borrowed(folder):
    board = Board(folder + '/board')
    environment = {'XDG_RUNTIME_DIR': folder}
    monitor = Monitor('-d', board.name, env=environment)
    monitor.until('H all keys')
    other = subprocess.Popen([KILN, 'info', '-d', board.name, '--connect-attempts', '1', '--chip', 'esp32'],
                             env=dict(os.environ, **environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    monitor.until(r'kiln \(process %d\) has ' % other.pid)
    output = other.communicate(timeout=PATIENCE)[0].decode()
    check(other.returncode == 7, 'the borrower had the port, and no board answered: %s' % output)
    monitor.until('is back')
    board.say('after it\r\n')
    monitor.until('after it')
    monitor.type('\x1d')
    monitor.end(0)
    check(not os.listdir(folder + '/kiln'), 'the socket is removed')
    board.unplug()


def in_a_project(folder):
    project = folder + '/project'
    os.mkdir(project)
    with open(project + '/platformio.ini', 'w', encoding='ascii') as file:
        file.write('[env:one]\nplatform = espressif32\nmonitor_speed = 57600\nmonitor_eol = LF\n'
                   'monitor_filters = time, no_such\n')
    board = Board(folder + '/board')
    monitor = Monitor('-d', board.name, '-p', project)
    monitor.until('57600 baud, as the project says .*platformio.ini:3')
    monitor.until("no filter 'no_such' .*platformio.ini:5")
    monitor.until('H all keys')
    check(baud_of(board.master) == 57600, 'the rate of the project')
    board.say('hello\r\n')
    monitor.until(r'\d\d:\d\d:\d\d\S* hello')
    monitor.type('x\r')
    check(os.read(board.master, 9) in (b'x\n', b'x'), 'the line end of the project')
    monitor.type('\x1d')
    monitor.end(0)
    monitor = Monitor('-d', board.name, '-p', project, '-b', '9600')
    monitor.until('H all keys')
    check(baud_of(board.master) == 9600, '-b goes first')
    monitor.type('\x1d')
    monitor.end(0)
    monitor = Monitor('-d', board.name, '-p', project, '-e', 'two')
    monitor.until("no environment 'two' here")
    monitor.end(2)
    board.unplug()


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def over_rfc2217(folder):
    """What a board says right after its reset is all there, also when `kiln flash` reset it before."""
    port = free_port()
    device = 'rfc2217://127.0.0.1:%d' % port
    sim = subprocess.Popen([KILN, 'sim', 'esp32?flash=%s/flash.bin' % folder, '--rfc2217', str(port)],
                           stdout=subprocess.PIPE)
    try:
        check(b'board at' in sim.stdout.readline(), 'the simulated board is there')
        monitor = Monitor('-d', device, '--reset')
        monitor.until(r'ets J[\s\S]*rst:0x1 [\s\S]*invalid header: 0xffffffff')
        monitor.type('\x1d')
        monitor.end(0)
        with open(folder + '/some.bin', 'wb') as file:
            file.write(bytes(range(256)) * 16)
        monitor = Monitor(folder + '/some.bin@0x200000', '-d', device, '--monitor', command='flash')
        monitor.until(r'verified[\s\S]*H all keys[\s\S]*ets J[\s\S]*rst:0x1 ')
        monitor.type('\x1d')
        monitor.end(0)
    finally:
        sim.terminate()
        sim.communicate()


def main():
    # One after the other: each may take long on a busy machine.
    with tempfile.TemporaryDirectory() as folder:
        times = [on_a_terminal(folder) for _ in range(5 if '--times' in sys.argv else 1)]
        in_a_pipe(folder)
        signals(folder)
        borrowed(folder)
        in_a_project(folder)
        over_rfc2217(folder)
    if '--times' in sys.argv:
        print('from plug-in to the first line: %s ms' % ', '.join('%.0f' % (1000 * t) for t in times))
    print('ok')


main()
