#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A simulated ESP32-C3 that other programs talk to: any free TCP port for it, and a watchdog that leaves the client the time
that it has on a real board, though the board's clock jumps over every other pause.

    sim_ports.py KILN
"""

import re
import socket
import struct
import subprocess

from esp_bed import KILN, check, main

SYNC, WRITE_REG, READ_REG = 0x08, 0x09, 0x0A
WDT_CONFIG, WDT_TIMEOUT = 0x60008090, 0x60008094
# Stage 0 resets the system.
WDT_ENABLE = 1 << 31 | 5 << 28


class Board:
    """A simulated board in a process of its own."""

    def __init__(self, face):
        self.process = subprocess.Popen([KILN, "sim", "esp32c3", face, "0"], stdout=subprocess.PIPE, text=True)
        self.place = self.process.stdout.readline().strip()
        found = re.fullmatch(r"board at (tcp|rfc2217)://127\.0\.0\.1:(\d+)", self.place)
        self.port = int(found.group(2)) if found else 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()

    def connect(self):
        """In its bootloader, which has said all that it had to say; like any client, until it listens."""
        link = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        for _ in range(100):
            link.sendall(frame(SYNC, b"\x07\x07\x12\x20" + b"\x55" * 32))
            if said_until_quiet(link).count(bytes([0xC0, 1, SYNC])) == 8:
                return link
        check(False, "SYNC is never answered eight times")
        return link


def frame(command, data):
    packet = struct.pack("<BBHI", 0, command, len(data), 0) + data
    return b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def said_until_quiet(link):
    said = b""
    link.settimeout(0.3)
    try:
        while got := link.recv(256):
            said += got
    except TimeoutError:
        pass
    link.settimeout(60)
    return said


def byte(link):
    got = link.recv(1)
    check(got != b"", "the board's port was closed")
    return got or b"\xc0"


def reply(link):
    """The next packet. Whatever is no packet is a fault, as other programs take it for one."""
    first = byte(link)
    check(first == b"\xc0", f"{first!r} instead of a packet")
    packet = b""
    while first == b"\xc0" and (got := byte(link)) != b"\xc0":
        packet += got
    return packet.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb").ljust(8, b"\0")


def store(link, address, value):
    link.sendall(frame(WRITE_REG, struct.pack("<IIII", address, value, 0xFFFFFFFF, 0)))
    check(reply(link)[1] == WRITE_REG, f"the store to 0x{address:x} is answered")


def any_free_port():
    with Board("--tcp") as one, Board("--tcp") as two, Board("--rfc2217") as three:
        ports = {one.port, two.port, three.port}
        check(len(ports) == 3 and 0 not in ports, f"{one.place}, {two.place}, {three.place}")
        check(three.place.startswith("board at rfc2217://"), three.place)
        one.connect().close()


def watchdog_waits_for_the_client():
    """Set to four minutes, it has not bitten when the client comes back."""
    with Board("--tcp") as board:
        link = board.connect()
        store(link, WDT_TIMEOUT, 240 * 136000)
        store(link, WDT_CONFIG, WDT_ENABLE)
        said = said_until_quiet(link)
        check(said == b"", f"the watchdog bit: {said!r}")
        store(link, WDT_CONFIG, 0)
        link.close()


def watchdog_bites():
    with Board("--tcp") as board:
        link = board.connect()
        store(link, WDT_TIMEOUT, 2000)
        store(link, WDT_CONFIG, WDT_ENABLE)
        said = b""
        while b"ESP-ROM:" not in said and (got := link.recv(64)):
            said += got
        check(b"ESP-ROM:" in said, f"after the watchdog: {said!r}")
        link.close()


if __name__ == "__main__":
    main([any_free_port, watchdog_waits_for_the_client, watchdog_bites])
