#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kiln monitor on pseudo-terminals: a board that speaks at 250000 baud, panics, leaves and comes back as another
terminal under the same name, while the monitor runs on a terminal of its own, then in a pipe; a second kiln that
borrows the port; signals; what a project's files
say; a simulated board by RFC 2217. Standard library only; waits for events, never for a fixed time.

    monitor_pty.py KILN SOURCE_ROOT [--times]
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from monitor_bed import KILN, PATIENCE, ROOT, Board, Monitor, baud_of, check

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


class Sim:
    """A simulated ESP32 on a pseudo-terminal of its own process."""

    def __init__(self, folder, name):
        self.port = '%s/%s' % (folder, name)
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([KILN, 'sim', 'esp32?flash=%s/%s.bin' % (folder, name), '--pty', self.port],
                                        stdout=subprocess.PIPE)
        check(b'board at' in self.process.stdout.readline(), 'the simulated board is there')

    def end(self):
        self.process.terminate()
        self.process.communicate()


def flashed_from_elsewhere(folder):
    """`kiln flash` in another process while a monitor is open, three times; then the monitor's own flash key."""
    sim = Sim(folder, 'lent')
    environment = {'XDG_RUNTIME_DIR': folder}
    image = folder + '/lent-image.bin'
    with open(image, 'wb') as file:
        file.write(os.urandom(20000))
    try:
        monitor = Monitor('-d', sim.port, '--flash', image + '@0x10000', env=environment)
        monitor.until('waiting for download')
        for count in range(1, 4):
            other = subprocess.Popen([KILN, 'flash', image + '@0x%x0000' % count, '-d', sim.port],
                                     env=dict(os.environ, **environment), stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)
            output = other.communicate(timeout=PATIENCE)[0].decode()
            check(other.returncode == 0 and 'written, verified' in output, 'flashed beside a monitor: ' + output)
            monitor.until(r'kiln \(process %d\) has [^\0]*is back' % other.pid)
            check(monitor.text().count('is back') == count, 'back once each time')
        monitor.type('\x14f')
        monitor.until(r'nothing to write[^\0]*Done in[^\0]*verified[^\0]*is back')
        check(monitor.text().count('is back') == 4, 'back after the flash key')
        monitor.type('\x1d')
        monitor.end(0)
    finally:
        sim.end()
    with open(folder + '/lent.bin', 'rb') as flash, open(image, 'rb') as file:
        data, wanted = flash.read(), file.read()
    for place in (0x10000, 0x20000, 0x30000):
        check(data[place:place + len(wanted)] == wanted, 'the image is at 0x%x' % place)


def logs_and_filters(folder):
    board = Board(folder + '/board')
    log = folder + '/session.log'
    monitor = Monitor('-d', board.name, '--log', log, '--filter', 'net|W ', '--level', 'W', '--time', 'delta')
    monitor.until('H all keys')
    board.say('I (1) net: hidden by its level\r\nW (2) net: shown\r\nplain net line\r\nother\r\n'
              '\x1b[0;31mE (3) net: red\x1b[0m\r\nrst:0x10 (RTCWDT_RTC_RESET)\r\n')
    monitor.until(r'E \(3\) net: red')
    monitor.until('the RTC watchdog ran out')
    shown = monitor.text()
    for text, there in (('hidden', 0), ('W (2) net: shown', 1), ('plain net line', 1), ('other', 0)):
        check((text in shown) == bool(there), '%s: %d' % (text, there))
    monitor.type('\x14gother\r')
    monitor.until('only lines that match other')
    board.say('net again\r\nother too\r\n')
    monitor.until('other too')
    check('net again' not in monitor.text(), 'the new filter')
    monitor.type('\x14g\r\x14v\x14v\x14v\x14v')
    monitor.until('all lines[^\0]*log lines of level D')
    monitor.type('\x14l%s.2\r' % log)
    monitor.until('everything goes to .*session.log.2 too')
    board.say('D (9) x: into the second\r\n')
    monitor.until('into the second')
    monitor.type('\x1d')
    monitor.end(0)
    with open(log, encoding='utf-8') as file:
        text = file.read()
    check('hidden by its level' in text and 'other\n' in text, 'the log has every line: ' + text)
    check('into the second' not in text and 'the RTC watchdog' not in text, 'the first log ended')
    with open(log + '.2', encoding='utf-8') as file:
        check('into the second' in file.read(), 'the second log')
    board.unplug()


def pipes_and_files(folder):
    board = Board(folder + '/board')
    words = [KILN, 'monitor', '-d', board.name, '-b', '115200']

    def start(**where):
        # pylint: disable=consider-using-with
        process = subprocess.Popen(words, stderr=subprocess.PIPE, **where)
        check(b'at 115200' in process.stderr.readline(), 'it listens')
        return process

    # Who reads goes away: it ends, quietly, also when the board says nothing more.
    for speaks in (True, False):
        reader = subprocess.Popen(['head', '-n', '1'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = start(stdin=subprocess.DEVNULL, stdout=reader.stdin)
        reader.stdin.close()
        board.say('first\r\n')
        check(reader.stdout.read() == b'first\n', 'the first line arrives')
        reader.wait(PATIENCE)
        if speaks:
            board.say('second\r\n')
        check(process.wait(PATIENCE) == 0, 'a reader that had enough is no error')
        check(process.stderr.read() == b'', 'and nothing is said of it')
    # No standard input at all.
    process = start(stdout=subprocess.PIPE, preexec_fn=lambda: os.close(0))
    board.say('without input\r\n')
    check(process.stdout.readline() == b'without input\n', 'it works without standard input')
    process.terminate()
    check(process.wait(PATIENCE) == 130, 'ended by a signal')
    # A file: sent whole, line ends as asked for; then it goes on listening.
    lines = b''.join(b'line %d\n' % i for i in range(3000))
    with open(folder + '/script', 'wb') as file:
        file.write(lines)
    with open(folder + '/script', 'rb') as file:
        process = start(stdin=file, stdout=subprocess.PIPE)
        check(board.hear(len(lines) + 3000) == lines.replace(b'\n', b'\r\n'), 'the file arrives')
    board.say('answer\r\n')
    check(process.stdout.readline() == b'answer\n', 'and the answer is shown')
    process.send_signal(signal.SIGINT)
    check(process.wait(PATIENCE) == 130, 'Ctrl-C')
    # What cannot be written is an error, other than a reader that left.
    with open('/dev/full', 'wb') as full:
        process = start(stdin=subprocess.DEVNULL, stdout=full)
        board.say('no room\r\n')
        check(process.wait(PATIENCE) == 12, 'a full disk')
    board.unplug()


PIO = """[platformio]
default_envs = a
[env]
platform = espressif32
monitor_speed = 57600
[env:a]
monitor_port = %(folder)s/bo*rd
monitor_parity = O
monitor_dtr = 1
monitor_rts = 0
monitor_encoding = Latin-1
monitor_echo = yes
monitor_filters = send_on_enter, log2file, esp32_exception_decoder, colorize, printable
[env:raw]
monitor_raw = yes
monitor_filters = hexlify, printable
[env:hex]
monitor_filters = default, hexlify
[env:debug]
monitor_filters = debug, esp8266_exception_decoder
[env:nocontrol]
monitor_filters = direct, nocontrol
[env:windows]
monitor_port = COM7
[env:digits]
monitor_encoding = hexlify
"""


def platformio_settings(folder):
    project = folder + '/pio'
    os.mkdir(project)
    with open(project + '/platformio.ini', 'w', encoding='ascii') as file:
        file.write(PIO % {'folder': folder})
    board = Board(folder + '/board')
    monitor = Monitor('-p', project)
    monitor.until(r'port %s/board, as the project says .*platformio.ini:7' % folder)
    monitor.until('DTR asserted, as the project says .*:9')
    monitor.until('parity O, as the project says .*:8')
    monitor.until('everything goes to %s/logs/device-monitor-\\d{6}-\\d{6}.log too' % project)
    monitor.until('encoding Latin-1')
    monitor.until('H all keys')
    os.write(board.master, b'gr\xfc\xdfe\r\n')
    monitor.until('gr₂₅₂ ₂₂₃ e')
    monitor.type('\u00e4x')
    monitor.until('\u00e4x')
    monitor.type('\x7fy\r')
    check(board.hear(4) == b'\xe4y\r\n', 'a line is sent whole, in the encoding of the project')
    monitor.type('\x1d')
    monitor.end(0)
    logs = os.listdir(project + '/logs')
    with open(project + '/logs/' + logs[0], encoding='utf-8') as file:
        check('gr\u00fc\u00dfe\n' in file.read(), 'the log is UTF-8')
    # No RTS, no DTR there: a terminal has none; that is said and no more.
    check("cannot set DTR and RTS" in monitor.text() or 'has no DTR and RTS' in monitor.text(), 'no lines')
    for env, said, seen in (('raw', b'a\x07b\r\n', 'a\x07b'), ('hex', b'AB', '41 42 '),
                            ('debug', b'a\x07b\r\n', r'<- "a\\ab\\r\\n"'), ('nocontrol', b'a b\x07\r\n', 'a␣b␇␍␊'),
                            ('windows', b'plain\r\n', 'plain'), ('digits', b'Hi', '48 69 ')):
        monitor = Monitor('-d', board.name, '-p', project, '-e', env)
        monitor.until('H all keys')
        os.write(board.master, said)
        monitor.until(seen)
        if env == 'digits':
            monitor.type('7f 0d')
            check(board.hear(2) == b'\x7f\r', 'bytes in hexadecimal')
        monitor.type('\x1d')
        monitor.end(0)
    monitor = Monitor('-p', project, '-e', 'windows', env={'UMOCKDEV_DIR': '/nonexistent'})
    monitor.until('COM7 .*platformio.ini:24. is a port of another system')
    monitor.process.kill()
    monitor.process.wait()
    # Several environments of which none is the default: what they agree on counts.
    with open(project + '/platformio.ini', 'w', encoding='ascii') as file:
        file.write('[env]\nplatform = espressif32\nmonitor_speed = 57600\n[env:a]\n[env:b]\n')
    for words, cwd in (['-p', project], None), ([], project):
        monitor = Monitor('-d', board.name, *words, cwd=cwd)
        monitor.until('57600 baud, as the project says')
        monitor.until('-e chooses an environment')
        monitor.until('H all keys')
        monitor.type('\x1d')
        monitor.end(0)
    with open(project + '/platformio.ini', 'a', encoding='ascii') as file:
        file.write('monitor_speed = 9600\n')
    monitor = Monitor('-d', board.name, '-p', project)
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
        flashed_from_elsewhere(folder)
        logs_and_filters(folder)
        pipes_and_files(folder)
        in_a_project(folder)
        platformio_settings(folder)
        over_rfc2217(folder)
    if '--times' in sys.argv:
        print('from plug-in to the first line: %s ms' % ', '.join('%.0f' % (1000 * t) for t in times))
    print('ok')


main()
