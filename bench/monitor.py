# SPDX-License-Identifier: MIT
"""Rows about the first line that a person sees: of a board that is plugged in, and of a program that was just flashed.
The peer is pyserial's miniterm, with esptool before it where something is flashed. miniterm does not wait for a board,
so that it is started when the board is plugged in, also beside a monitor of Kiln's that was waiting."""

import os
import pty
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import termios
import threading
import time
import tty

from common import FIRMWARE, Failed, write

RUNS = 5
PATIENCE_S = 60
PYTHON = '/usr/bin/python3'
MINITERM = [PYTHON, '-m', 'serial.tools.miniterm']
TICK_S = 0.002
HELLO = b'Hello from the simulated board'
PROJECT = """[env:board]
platform = espressif32
board = esp32dev
framework = arduino
monitor_speed = 115200
upload_speed = 921600
"""
FILES = (('bootloader', 0x1000, 'esp32-bootloader.bin'), ('partitions', 0x8000, 'esp32-partitions.bin'),
         ('firmware', 0x10000, 'esp32-app-v1.bin'))


def has_miniterm():
    return subprocess.run([PYTHON, '-c', 'import serial.tools.miniterm'], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


class Terminal:
    """A program on a terminal of its own; what it shows, as it comes."""

    def __init__(self, command, cwd=None):
        self.master, slave = pty.openpty()
        self.shown = b''
        self.process = subprocess.Popen(command, cwd=cwd, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)

    def until(self, pattern):
        end = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.shown):
            if time.monotonic() > end:
                raise Failed('%r never came:\n%s' % (pattern, self.shown.decode('utf-8', 'replace')))
            if select.select([self.master], [], [], 0.5)[0]:
                try:
                    self.shown += os.read(self.master, 65536)
                except OSError:
                    raise Failed('it ended:\n%s' % self.shown.decode('utf-8', 'replace')) from None
        return time.monotonic()

    def until_raw(self):
        """Keys that come before are lost."""
        end = time.monotonic() + PATIENCE_S
        while termios.tcgetattr(self.master)[3] & termios.ICANON:
            if time.monotonic() > end:
                raise Failed('it never took the keyboard')
            time.sleep(0.002)

    def type(self, text):
        os.write(self.master, text)

    def end(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)


class TickingBoard:
    """Says a line every 2 ms as long as it is plugged in."""

    def __init__(self, name):
        self.name = name
        self.stop = threading.Event()
        self.thread = None
        self.master = -1

    def plug(self):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.stop.clear()
        os.symlink(os.ttyname(slave), self.name)
        self.thread = threading.Thread(target=self.speak, args=(self.master, slave))
        self.thread.start()

    def speak(self, master, slave):
        os.set_blocking(master, False)
        while not self.stop.wait(TICK_S):
            try:
                os.write(master, b'tick of the board\r\n')
            except BlockingIOError:
                pass
        os.close(slave)

    def unplug(self):
        self.stop.set()
        self.thread.join()
        os.unlink(self.name)
        os.close(self.master)


class MonitorRows:
    def __init__(self, bench):
        self.bench = bench
        self.miniterm = has_miniterm()

    def first_line(self, command):
        """Plug in, start the program, wait for the first line of the board."""
        board = TickingBoard(self.bench.path('ttyTick'))
        board.plug()
        began = time.monotonic()
        terminal = Terminal(command(board.name))
        try:
            return terminal.until(rb'tick of the board') - began
        finally:
            terminal.end()
            board.unplug()

    def come_back(self):
        """A monitor that is there already, and a board that comes back."""
        board = TickingBoard(self.bench.path('ttyTick'))
        board.plug()
        terminal = Terminal([self.bench.kiln, 'monitor', '-d', board.name])
        try:
            terminal.until(rb'tick of the board')
            board.unplug()
            terminal.until(rb'is gone')
            terminal.shown = b''
            time.sleep(0.3)
            terminal.shown = b''
            began = time.monotonic()
            board.plug()
            return terminal.until(rb'tick of the board') - began
        finally:
            terminal.end()
            board.unplug()

    def kiln(self, port):
        return [self.bench.kiln, 'monitor', '-d', port]

    def plug_in(self, name, run):
        kiln_s = statistics.median(run() for _ in range(RUNS))
        peer_s = None
        if self.miniterm:
            peer_s = statistics.median(self.first_line(lambda port: MINITERM + [port, '115200']) for _ in range(RUNS))
        self.bench.row(name, kiln_s, peer='miniterm', peer_s=peer_s, target=('peer', 1))

    # ---- from the project to the running program ----

    def project(self):
        folder = self.bench.path('project')
        build = folder + '/.pio/build/board'
        if not os.path.isdir(build):
            os.makedirs(build)
            write(folder + '/platformio.ini', PROJECT.encode())
            for what, _, file in FILES:
                shutil.copy(os.path.join(FIRMWARE, file), '%s/%s.bin' % (build, what))
        return folder

    def with_board(self, run):
        """A simulated ESP32 with real times and an erased flash, by RFC 2217."""
        flash = self.bench.path('monitor.flash')
        write(flash, b'\xff' * 0x400000)
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        simulator = subprocess.Popen([self.bench.kiln, 'sim', 'esp32?time=real&flash=' + flash, '--rfc2217',
                                      str(port)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            simulator.stdout.readline()
            return run('rfc2217://127.0.0.1:%d' % port)
        finally:
            simulator.terminate()
            simulator.communicate()

    def kiln_hello(self, port):
        began = time.monotonic()
        terminal = Terminal([self.bench.kiln, 'flash', '--monitor', '-d', port], self.project())
        try:
            return terminal.until(HELLO) - began
        finally:
            terminal.end()

    def peer_hello(self, port):
        """What the program says right after esptool's reset is over when miniterm is there: one more reset by its
        keys, pressed as soon as it is ready."""
        build = self.project() + '/.pio/build/board'
        began = time.monotonic()
        done = subprocess.run(self.bench.esptool + ['--chip', 'esp32', '--port', port, '--baud', '921600', 'write-flash'] +
                              [word for what, at, _ in FILES for word in ('0x%x' % at, '%s/%s.bin' % (build, what))],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise Failed(done.stdout.decode('utf-8', 'replace'))
        terminal = Terminal(MINITERM + [port, '115200'])
        try:
            terminal.until(rb'Quit: ')
            terminal.until_raw()
            terminal.type(b'\x14\x04')
            terminal.until(rb'DTR inactive')
            terminal.type(b'\x14\x12')
            return terminal.until(HELLO) - began
        finally:
            terminal.end()

    def flash_and_hear(self, name):
        kiln_s = statistics.median(self.with_board(self.kiln_hello) for _ in range(3))
        peer_s = None
        if self.bench.esptool and self.miniterm:
            peer_s = statistics.median(self.with_board(self.peer_hello) for _ in range(3))
        self.bench.row(name, kiln_s, peer='esptool, miniterm', peer_s=peer_s, target=('peer', 1))

    def run(self):
        guard = self.bench.guard
        guard('monitor: start to first line', self.plug_in, lambda: self.first_line(self.kiln))
        guard('monitor: plug-in to first line, waiting', self.plug_in, self.come_back)
        guard('project: kiln flash to the program\'s line', self.flash_and_hear)
