#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pyserial's RFC 2217 server on a pseudo-terminal, for tests/unit/test_network.c.

Serves one client and ends with it. Prints the TCP port and the terminal's name, then one line for each
change of the port. The terminal echoes nothing: what comes in at its far end is sent back in upper case.
"""

import os
import pty
import select
import socket
import sys
import termios
import threading
import tty

import serial
import serial.rfc2217


class RecordedSerial(serial.Serial):
    """A terminal has no lines and no rate: both are recorded instead."""

    told = None, None

    def _reconfigure_port(self, force_update=False):
        try:
            super()._reconfigure_port(force_update)
        except termios.error:
            pass  # a terminal takes eight data bits only
        if self._baudrate != self.told[0]:
            say('baud', self._baudrate)
        flow = 'rtscts' if self._rtscts else 'xonxoff' if self._xonxoff else '-'
        form = ('format', self._bytesize, self._parity, self._stopbits, flow)
        if form != self.told[1]:
            say(*form)
        self.told = self._baudrate, form

    def _update_break_state(self):
        say('break', int(self._break_state))

    def _update_dtr_state(self):
        say('dtr', int(self._dtr_state))

    def _update_rts_state(self):
        say('rts', int(self._rts_state))

    cts = dsr = ri = cd = property(lambda self: False)


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.lock = threading.Lock()

    def write(self, data):
        with self.lock:
            self.sock.sendall(data)


def say(*words):
    print(*words, flush=True)


def main():
    far, near = pty.openpty()
    tty.setraw(far)
    port = RecordedSerial(os.ttyname(near), timeout=0)
    listener = socket.create_server(('127.0.0.1', 0))
    say('listening', listener.getsockname()[1])
    sock, _ = listener.accept()
    manager = serial.rfc2217.PortManager(port, Connection(sock))
    while True:
        ready, _, _ = select.select([sock, far, port.fileno()], [], [], 20)
        if not ready:
            return 1
        if far in ready:
            os.write(far, os.read(far, 4096).upper())
        if port.fileno() in ready:
            manager.connection.write(b''.join(manager.escape(port.read(4096))))
        if sock in ready:
            data = sock.recv(4096)
            if not data:
                return 0
            port.write(b''.join(manager.filter(data)))


if __name__ == '__main__':
    sys.exit(main())
