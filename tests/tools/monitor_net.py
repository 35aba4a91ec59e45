#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kiln monitor and Debian's ser2net: by RFC 2217 and raw, through a restart of the server, and a server that hangs up.

    monitor_net.py KILN SOURCE_ROOT
"""

import os
import socket
import subprocess
import sys
import tempfile
import time

from monitor_bed import Board, Monitor, baud_of, check

SETTINGS = """
connection: &telnet
    accepter: telnet(rfc2217),tcp,localhost,%(telnet)d
    connector: serialdev,%(board)s,115200n81,local
    options:
      kickolduser: true
connection: &raw
    accepter: tcp,localhost,%(raw)d
    connector: serialdev,%(board)s,57600n81,local
    options:
      kickolduser: true
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def listens(port):
    """Without connecting: ser2net would open the board, and put its settings back whenever it closes it again."""
    wanted, listening = ':%04X' % port, '0A'
    for name in ('/proc/net/tcp', '/proc/net/tcp6'):
        with open(name, encoding='ascii') as file:
            for fields in map(str.split, file):
                if fields[1].endswith(wanted) and fields[3] == listening:
                    return True
    return False


class Server:
    def __init__(self, folder, board):
        self.folder, self.port, self.raw = folder, free_port(), free_port()
        with open(folder + '/ser2net.yaml', 'w', encoding='ascii') as file:
            file.write(SETTINGS % {'telnet': self.port, 'raw': self.raw, 'board': board.name})
        self.start()

    def start(self):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(['/usr/sbin/ser2net', '-n', '-u', '-c', self.folder + '/ser2net.yaml', '-P',
                                         self.folder + '/pid'], stderr=subprocess.DEVNULL)
        for _ in range(300):
            if listens(self.raw) and listens(self.port):
                return
            time.sleep(0.1)
        check(False, 'ser2net does not listen')

    def stop(self):
        self.process.terminate()
        self.process.wait()


def reaches(board, rate):
    """The server confirms a rate before its port has it."""
    for _ in range(300):
        if baud_of(board.master) == rate:
            return
        time.sleep(0.1)
    check(False, 'the rate at the port is %d, not %d' % (baud_of(board.master), rate))


def rfc2217(server, board):
    monitor = Monitor('-d', 'rfc2217://localhost:%d' % server.port, '-b', '74880', '--parity', 'N')
    monitor.until('H all keys')
    monitor.until('does not confirm DTR and RTS')
    reaches(board, 74880)
    os.write(board.master, b'\xff\xff binary \xff and text\r\n')
    monitor.until('and text')
    monitor.type('hi\r')
    check(board.hear(4) == b'hi\r\n', 'what is typed arrives')
    monitor.type('\x14s250000\r')
    monitor.until('at 250000 baud')
    reaches(board, 250000)
    # The computer with the board restarts.
    server.stop()
    monitor.until('is gone; waiting for it to come back')
    server.start()
    monitor.until('is back')
    reaches(board, 250000)
    monitor.until('after the restart', lambda: os.write(board.master, b'after the restart\r\n'))
    monitor.type('\x1d')
    monitor.end(0)


def raw(server, board):
    monitor = Monitor('-d', 'tcp://localhost:%d' % server.raw)
    monitor.until('H all keys')
    monitor.until('plain bytes', lambda: os.write(board.master, b'plain bytes\r\n'))
    monitor.type('ok\r')
    check(board.hear(4) == b'ok\r\n', 'what is typed arrives')
    monitor.type('\x14k')
    monitor.until('cannot send a break')
    monitor.type('\x1d')
    monitor.end(0)


def hangs_up():
    """A server that takes no one: it is asked now and then, and that is said once."""
    listener = socket.create_server(('127.0.0.1', 0))
    monitor = Monitor('-d', 'tcp://127.0.0.1:%d' % listener.getsockname()[1])
    listener.settimeout(30)
    began = time.monotonic()
    for _ in range(5):
        listener.accept()[0].close()
    check(time.monotonic() - began > 2.5, 'it does not hammer')
    monitor.until('gone again at once; tried on every second')
    check(monitor.text().count(' is gone') == 2, 'said once')
    connection = listener.accept()[0]
    monitor.until('is back', lambda: None)
    connection.sendall(b'welcome\r\n')
    monitor.until('welcome')
    monitor.until(r'gone again[\s\S]*is back')
    monitor.type('\x1d')
    monitor.end(0)
    connection.close()


def main():
    with tempfile.TemporaryDirectory() as folder:
        board = Board(folder + '/board')
        server = Server(folder, board)
        try:
            rfc2217(server, board)
            raw(server, board)
        finally:
            server.stop()
        hangs_up()
    print('ok')


if __name__ == '__main__':
    sys.exit(main())
