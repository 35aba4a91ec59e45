# SPDX-License-Identifier: MIT
"""What the tests of kiln monitor share: a board on a pseudo-terminal, and a monitor on one or in a pipe. Waits for
events, never for a fixed time."""

import array
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import tty

KILN, ROOT = (os.path.abspath(path) for path in (sys.argv + ['', ''])[1:3])
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

    def hear(self, count):
        """So many bytes of what is sent, or what came of them in time."""
        got, end = b'', time.monotonic() + PATIENCE
        while len(got) < count and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                got += os.read(self.master, count - len(got))
        return got


class Monitor:
    def __init__(self, *words, terminal=True, env=None, command='monitor', program=None, cwd=None):
        environment = dict(os.environ, TERM='xterm', NO_COLOR='1', **(env or {}))
        self.got, self.errors = b'', b''
        self.master = -1
        program = program or [KILN, command]
        if terminal:
            self.master, slave = pty.openpty()
            # Wide, so that no line of the program's own is wrapped.
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('4H', 24, 300, 0, 0))
            self.before = termios.tcgetattr(slave)
            self.slave = slave
            self.process = subprocess.Popen([*program, *words], stdin=slave, stdout=slave, stderr=slave,
                                            env=environment, cwd=cwd, start_new_session=True)
            self.out = self.master
        else:
            self.process = subprocess.Popen([*program, *words], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=cwd)
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
