#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kiln list --watch on a terminal, with a USB bus of umockdev's: what is painted as boards come and go and the terminal
changes its size. Run under umockdev-wrapper.

    list_watch.py KILN SOURCE_ROOT
"""

import fcntl
import re
import signal
import struct
import sys
import tempfile
import termios

import gi

from monitor_bed import Monitor, check

gi.require_version('UMockdev', '1.0')
from gi.repository import UMockdev  # pylint: disable=wrong-import-position

DEVICE = """P: /devices/usb1/%(port)s
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
E: BUSNUM=001
E: DEVNUM=%(number)03d
A: idVendor=%(vid)s
A: idProduct=%(pid)s
A: serial=%(serial)s
A: product=%(product)s
A: busnum=1
A: devnum=%(number)d

P: /devices/usb1/%(port)s/%(port)s:1.0
E: SUBSYSTEM=usb
E: DEVTYPE=usb_interface
A: bInterfaceNumber=00

P: /devices/usb1/%(port)s/%(port)s:1.0/%(tty)s/tty/%(tty)s
N: %(tty)s
E: SUBSYSTEM=tty
E: DEVNAME=/dev/%(tty)s
"""
BRIDGE = dict(port='1-1', number=3, vid='10c4', pid='ea60', serial='0001', tty='ttyUSB0',
              product='CP2102 USB to UART Bridge Controller')
BOARD = dict(port='1-2.4', number=4, vid='303a', pid='1001', serial='AA:BB:CC:DD:EE:FF', tty='ttyACM0',
             product='USB JTAG/serial debug unit')


def parts(device):
    text = '/sys/devices/usb1/%(port)s %(port)s:1.0 %(tty)s/tty/%(tty)s' % device
    names = text.split()
    return ['/'.join(names[:count]) for count in (1, 2, 3)]


def come(bed, device):
    bed.add_from_string(DEVICE % device)
    for path in parts(device):
        bed.uevent(path, 'add')


def leave(bed, device):
    for path in reversed(parts(device)):
        bed.uevent(path, 'remove')
        bed.remove_device(path)


def resize(program, rows, columns):
    fcntl.ioctl(program.slave, termios.TIOCSWINSZ, struct.pack('4H', rows, columns, 0, 0))


def painted(program):
    """The last whole screen."""
    return program.text().split('\x1b[H\x1b[J')[-1]


def until_painted(program, pattern):
    program.until(r'\x1b\[H\x1b\[J(?:(?!\x1b\[H)[\s\S])*' + pattern + r'(?:(?!\x1b\[H)[\s\S])*ends\.')
    return painted(program)


def main():
    bed = UMockdev.Testbed.new()
    bed.add_from_string(DEVICE % BRIDGE)
    with tempfile.TemporaryDirectory() as folder:
        program = Monitor('--watch', command='list',
                          env={'UMOCKDEV_DIR': bed.get_root_dir(), 'XDG_STATE_HOME': folder})
        until_painted(program, '/dev/ttyUSB0')
        resize(program, 24, 80)
        program.process.send_signal(signal.SIGWINCH)
        come(bed, BOARD)
        screen = until_painted(program, r'\+ 1-2.4 ')
        check(screen.index('ttyACM0') < screen.index('\n\n'), 'it is in the table')
        leave(bed, BRIDGE)
        screen = until_painted(program, r'- 1-1 ')
        check('ttyUSB0' not in screen[:screen.index('\n\n')], 'it is no longer in the table')
        for columns in (50, 120):
            resize(program, 24, columns)
            program.got = b''
            program.process.send_signal(signal.SIGWINCH)
            screen = until_painted(program, 'ttyACM0')
            widest = max(len(re.sub(r'\x1b\[[0-9;]*m', '', line)) for line in screen.split('\n'))
            check(widest <= columns, 'nothing is wider than %d: %d\n%s' % (columns, widest, screen))
        program.process.send_signal(signal.SIGINT)
        program.end(130)
    print('ok')


if __name__ == '__main__':
    sys.exit(main())
