#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kiln monitor and boards on USB: one reboots, panics, leaves and comes back at the same USB place under another
number, while another board takes its old name. In a mount namespace with a /sys and a /dev of its own.

    monitor_usb.py KILN SOURCE_ROOT
"""

import ctypes
import os
import pty
import shutil
import tty as terminal

from monitor_bed import ROOT, Monitor, check

PANIC = (b"Guru Meditation Error: Core  1 panic'ed (LoadProhibited). Exception was unhandled.\r\n"
         b'Backtrace: 0x40201006:0x3ffb4f30 0x40201031:0x3ffb4f50 0x4020105e:0x3ffb4f70\r\n'
         b'\r\nELF file SHA256: 0123456789abcdef\r\n\r\nRebooting...\r\n'
         b'ets Jun  8 2016 00:22:57\r\n\r\nrst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n')


MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 4096, 16384, 1 << 18, 2
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
LIBC = ctypes.CDLL(None, use_errno=True)


def must(done, what):
    check(done == 0, '%s: %s' % (what, os.strerror(ctypes.get_errno())))


def write(path, text):
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)


def own_namespace():
    """Where what is mounted is seen by nobody else. Nothing is mounted before this has come to its end."""
    outside, uid, gid = os.readlink('/proc/self/ns/mnt'), os.geteuid(), os.getegid()
    must(LIBC.unshare(CLONE_NEWNS | (CLONE_NEWUSER if uid != 0 else 0)), 'a namespace of its own')
    check(os.readlink('/proc/self/ns/mnt') != outside, 'this is no namespace of its own')
    if uid != 0:
        write('/proc/self/setgroups', 'deny')
        write('/proc/self/uid_map', '0 %d 1' % uid)
        write('/proc/self/gid_map', '0 %d 1' % gid)
    must(LIBC.mount(b'none', b'/', None, MS_REC | MS_PRIVATE, None), 'keeping mounts to itself')


def mount(kind, source, place, options=''):
    flags = MS_BIND if kind == 'bind' else 0
    must(LIBC.mount(source.encode(), place.encode(), kind.encode(), flags, options.encode()), 'mounting on ' + place)


def make_root():
    """/dev with what programs need and no port, /sys with nothing, all of it gone with the namespace. Nothing of the
    real /dev and /sys can be reached from here but the few devices below."""
    own_namespace()
    names = ('null', 'zero', 'full', 'random', 'urandom', 'tty')
    kept = {name: os.open('/dev/' + name, os.O_PATH) for name in names}
    for place in ('/dev', '/sys', '/mnt'):
        mount('tmpfs', 'none', place)
        check(os.listdir(place) == [], place + ' is the real one')
    for name in names:
        with open('/dev/' + name, 'xb'):
            pass
        mount('bind', '/proc/self/fd/%d' % kept[name], '/dev/' + name)
        os.close(kept[name])
    os.mkdir('/dev/pts')
    mount('devpts', 'none', '/dev/pts', 'newinstance,ptmxmode=0666,mode=0620')
    os.symlink('pts/ptmx', '/dev/ptmx')
    for name, target in (('fd', 'fd'), ('stdin', 'fd/0'), ('stdout', 'fd/1'), ('stderr', 'fd/2')):
        os.symlink('/proc/self/' + target, '/dev/' + name)
    os.makedirs('/sys/class/tty')


class Usb:
    """Boards on one bus: a pseudo-terminal each, bound to the name of the port."""

    @staticmethod
    def plug(port, tty):
        master, slave = pty.openpty()
        terminal.setraw(slave)
        with open('/dev/' + tty, 'wb'):
            pass
        mount('bind', os.ttyname(slave), '/dev/' + tty)
        os.close(slave)
        device = '/sys/devices/usb1/' + port
        interface = '%s/%s:1.0' % (device, port)
        os.makedirs('%s/tty/%s' % (interface, tty))
        os.makedirs('/sys/bus/usb/drivers/cdc_acm', exist_ok=True)
        os.symlink('/sys/bus/usb/drivers/cdc_acm', interface + '/driver')
        for name, text in (('idVendor', '303a'), ('idProduct', '1001')):
            write('%s/%s' % (device, name), text + '\n')
        os.symlink('%s/tty/%s' % (interface, tty), '/sys/class/tty/' + tty)
        return master

    @staticmethod
    def unplug(tty, master):
        device = os.path.realpath('/sys/class/tty/' + tty).rsplit('/', 3)[0]
        os.unlink('/sys/class/tty/' + tty)
        shutil.rmtree(device)
        check(LIBC.umount2(('/dev/' + tty).encode(), MNT_DETACH) == 0, 'umount')
        os.unlink('/dev/' + tty)
        os.close(master)


def comes_back_elsewhere():
    usb = Usb()
    board = usb.plug('1-1.4', 'ttyACM0')
    monitor = Monitor('-d', '/dev/ttyACM0', '--elf', ROOT + '/tests/data/crash-xtensa.elf')
    monitor.until('/dev/ttyACM0 at 115200 baud .* Ctrl-\\] ends')
    os.write(board, b'I (31) main: up\r\n')
    monitor.until('main: up')
    os.write(board, PANIC)
    monitor.until(r'#0 .*store_value at \S*crash.c:12[\s\S]*inlined into write_sensor[\s\S]*#2 .*app_main')
    monitor.until('of another build')
    monitor.until('the program restarted')
    usb.unplug('ttyACM0', board)
    monitor.until('/dev/ttyACM0 is gone; waiting for it to come back')
    # Another board takes the name; it is not this one.
    other = usb.plug('1-2', 'ttyACM0')
    os.write(other, b'I am another\r\n')
    board = usb.plug('1-1.4', 'ttyACM3')
    monitor.until('/dev/ttyACM0 is back as /dev/ttyACM3')
    os.write(board, b'I (2) main: up again\r\n')
    monitor.until('up again')
    monitor.type('hi\r')
    check(os.read(board, 10) in (b'hi\r\n', b'h', b'hi'), 'what is typed arrives at the board')
    check('another\n' not in monitor.text(), 'the other board was not listened to')
    # Again, and back under its old name.
    usb.unplug('ttyACM3', board)
    monitor.until('/dev/ttyACM3 is gone')
    usb.unplug('ttyACM0', other)
    board = usb.plug('1-1.4', 'ttyACM0')
    monitor.until('/dev/ttyACM3 is back as /dev/ttyACM0')
    os.write(board, b'third time\r\n')
    monitor.until('third time')
    monitor.type('\x1d')
    monitor.end(0)
    usb.unplug('ttyACM0', board)


def another_port():
    usb = Usb()
    boards = [usb.plug('1-1', 'ttyACM0'), usb.plug('1-2', 'ttyACM1')]
    monitor = Monitor('-d', '/dev/ttyACM9', '--ask')
    monitor.until('which port, by number or name')
    monitor.type('/dev/ttyACM0\n')
    monitor.until('ttyACM0 at 115200 baud')
    monitor.type('\x14p')
    monitor.until('other port, its number or name: ')
    monitor.type('/dev/ttyACM1\r')
    monitor.until('--- /dev/ttyACM1 at 115200 baud\n')
    os.write(boards[1], b'the second\r\n')
    monitor.until('the second')
    monitor.type('\x14p')
    monitor.until('name: [^\0]*name: ')
    monitor.type('/dev/ttyACM7\r')
    monitor.until('still at /dev/ttyACM1')
    # Let go of it, and take it back.
    monitor.type('\x14z')
    monitor.until('/dev/ttyACM1 is free for others')
    fd = os.open('/dev/ttyACM1', os.O_RDWR | os.O_NOCTTY)
    os.write(boards[1], b'for the other\r\n')
    check(os.read(fd, 40) == b'for the other\r\n', 'another program gets what is said')
    os.close(fd)
    monitor.type(' ')
    monitor.until('/dev/ttyACM1 is back')
    os.write(boards[1], b'here again\r\n')
    monitor.until('here again')
    check('for the other' not in monitor.text(), 'nothing was taken away')
    monitor.type('\x1d')
    monitor.end(0)
    usb.unplug('ttyACM0', boards[0])
    usb.unplug('ttyACM1', boards[1])


def main():
    make_root()
    os.environ.update(XDG_STATE_HOME='/mnt', XDG_RUNTIME_DIR='/mnt')
    comes_back_elsewhere()
    another_port()
    print('ok')


if __name__ == '__main__':
    main()
