#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A made-up boot ROM of every ESP chip, with eFuses as a seed makes them, for two esptools to tell what it is.

    esp_rom.py KILN SUMS                                     compares with sums of what esptool did (a test of the build)
    ESPTOOL=command esp_rom.py --write SUMS                  writes these sums
    ESPTOOL=command esp_rom.py KILN [--chip NAME] [--seeds N] [-v]

The last two by hand: they need Espressif's esptool (5.2.0), of which no package is in CI. Each scenario is a chip with its own contents of
eFuses, console word, crystal and flash chip. Both programs connect over TCP and look at it; then what they print of the chip, what
they write into its registers, the rate and the stub they ask for, and their exit status are compared. The registers that this ROM
knows by itself are the SPI controller's; all others hold what the seed says, so that a field that the two read from different
places shows.
"""
import argparse
import hashlib
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import threading

# chip: id (None: told by its magic word), magic, SPI base, usr, usr1, usr2, w0, mosi/miso length (0: in usr1), address MSB first
LATE = (0x18, 0x1C, 0x20, 0x58)
CHIPS = {
    "esp8266": (None, 0xFFF0C101, 0x60000200, (0x1C, 0x20, 0x24, 0x40), True),
    "esp32": (None, 0x00F01D83, 0x3FF42000, (0x1C, 0x20, 0x24, 0x80), True),
    "esp32s2": (2, 0x000007C6, 0x3F402000, LATE, False),
    "esp32s3": (9, 9, 0x60002000, LATE, False),
    "esp32c2": (12, 0x7C41A06F, 0x60002000, LATE, False),
    "esp32c3": (5, 0x1B31506F, 0x60002000, LATE, False),
    "esp32c5": (23, 0x1101406F, 0x60003000, LATE, False),
    "esp32c6": (13, 0x2CE0806F, 0x60003000, LATE, False),
    "esp32c61": (20, 0x33F0206F, 0x60003000, LATE, False),
    "esp32h2": (16, 0xD7B73E80, 0x60003000, LATE, False),
    "esp32h21": (25, 0x11111111, 0x60003000, LATE, False),
    "esp32h4": (28, 0x22222222, 0x60099000, LATE, False),
    "esp32p4": (18, 0x0ADDBAD0, 0x5008D000, LATE, False),
    "esp32e22": (31, 0x33333333, 0xC3003000, LATE, False),
    "esp32s31": (32, 0x44444444, 0x20500000, LATE, False),
}
UART_CLKDIV = {"esp32": 0x3FF40014, "esp32s2": 0x3F400014, "esp32e22": 0xC3102014}
CONSOLE = {  # the ROM's word for the port in use, and its values for USB-OTG and USB-Serial/JTAG
    "esp32s2": (0x3FFFFD14, 2, None), "esp32s3": (0x3FCEF14C, 3, 4), "esp32c3": (0x3FCDF07C, None, 3),
    "esp32c6": (0x4087F580, None, 3), "esp32c5": (0x4085F514, None, 3), "esp32c61": (0x4084F5EC, None, 3),
    "esp32h2": (0x4084FEFC, None, 3), "esp32p4": (0x4FF3FEC8, 5, 6),
}
SECURE_BOOT = {"esp32c3": 0x60008838, "esp32s3": 0x60007038}
NO_STUB = ("esp32h21", "esp32e22", "esp32s31")  # of version 5.2
GOOD_ID, XMC_BAD_ID, XMC_GOOD_ID = 0x1640EF, 0x000020, 0x164020
SYNC_REPLIES = 8


class Rom:
    """One chip; `scenario` says what differs from the seed."""

    def __init__(self, chip, seed, scenario):
        self.id, self.magic, self.spi, (self.usr, self.usr1, self.usr2, self.w0), self.msb = CHIPS[chip]
        self.chip, self.seed, self.scenario = chip, seed, scenario
        self.words, self.writes, self.log, self.jumps = {}, {}, [], False
        self.last_op = 8
        self.stub, self.flash_id = False, scenario.get("flash_id", GOOD_ID)
        self.xmc = []
        self.words[0x40001000] = self.magic
        self.words.update(scenario.get("words", {}))
        clkdiv = UART_CLKDIV.get(chip, 0x60000014)
        mhz = scenario.get("crystal", 40)
        divider = mhz * 1000000 * (2 if chip == "esp8266" else 1) / 115200
        self.words.setdefault(clkdiv, int(divider) | int(divider % 1 * 16) << 20)
        if chip in CONSOLE:
            self.words.setdefault(CONSOLE[chip][0], scenario.get("console", 0))
        if chip in SECURE_BOOT and "flags" not in scenario:
            # eFuses and security info tell the same.
            self.words[SECURE_BOOT[chip]] = self.read(SECURE_BOOT[chip]) & ~(1 << 20)

    def read(self, address):
        if self.spi <= address < self.spi + 0x100:
            return self.words.get(address, 0)
        if address not in self.words:
            if self.scenario.get("zero"):
                return 0
            digest = hashlib.sha256(f"{self.seed} {address:x}".encode()).digest()
            self.words[address] = int.from_bytes(digest[:4], "little")
        return self.words[address]

    def write(self, address, value, mask):
        before = self.read(address)
        self.words[address] = before & ~mask | value & mask
        if not self.spi <= address < self.spi + 0x100:
            self.writes[address] = self.words[address]
        elif address == self.spi and self.words[address] & 1 << 18:
            self.words[address] = 0
            self.flash_command(self.words.get(self.spi + self.usr2, 0) & 0xFF)

    def flash_command(self, opcode):
        address = self.words.get(self.spi + 4, 0)
        answer = 0
        if opcode == 0x9F:
            answer = self.flash_id
        elif opcode == 0x5A:
            at = (address >> 8 if self.msb else address) & 0xFF
            answer = 0x20 if at == 0x10 and self.flash_id & 0xFF == 0x20 else 0x50444653 if at == 0 else 0
        elif opcode in (0xB9, 0x79, 0xFF, 0xAB):
            self.xmc.append(opcode)
            if self.xmc == [0xB9, 0x79, 0xFF, 0xAB]:
                self.flash_id = XMC_GOOD_ID
        self.log.append(f"flash {opcode:02x}") if opcode not in (0x9F, 0x5A) else None
        self.words[self.spi + self.w0] = answer

    def security_info(self):
        random_ = random.Random(self.seed)
        purposes = bytes(random_.choice((0, 1, 2, 3, 4, 5, 9, 10, 11)) for _ in range(7))
        head = struct.pack("<IB", self.scenario.get("flags", 0), self.scenario.get("crypt", 0)) + purposes
        return head if self.chip == "esp32s2" else head + struct.pack("<II", self.id, 0)

    def answer(self, op, data):
        """The reply's value and body, or None where there is none of this command."""
        secure = self.scenario.get("secure")
        if secure and op not in (0x02, 0x03, 0x04, 0x08, 0x0B, 0x0D, 0x0F, 0x10, 0x11, 0x12, 0x14):
            return None
        if op == 0x0A:
            return self.read(struct.unpack("<I", data[:4])[0]), b""
        if op == 0x09:
            for at in range(0, len(data) - 15, 16):
                address, value, mask, _ = struct.unpack_from("<4I", data, at)
                self.write(address, value, mask)
        elif op == 0x14:
            if self.id is None:
                return None
            return 0, self.security_info()
        elif op == 0x0D:
            self.log.append(f"attach {data[:4].hex()}")
        elif op == 0x0F:
            self.log.append(f"rate {struct.unpack('<I', data[:4])[0]}" + ("" if self.stub else " by the ROM"))
        elif op == 0x05:
            size, _, _, address = struct.unpack("<4I", data[:16])
            self.log.append(f"RAM at {address:08x}")
        elif op == 0x0E and not self.stub and 0x3FCEF688 in self.writes:
            self.jumps = True  # the ROM's flash read is called through this word
        elif op in (0x0B, 0x13, 0x02, 0x03, 0x04, 0x10, 0x11, 0x12, 0x06, 0x07, 0x0E):
            pass
        elif op != 0x08:
            return None
        return 0, b""

    def status(self, good):
        length = 2 if self.stub or self.chip == "esp8266" else 4
        return bytes([not good, 0 if good else 5]).ljust(length, b"\0")

    def serve(self, listener):
        link, _ = listener.accept()
        link.settimeout(30)
        frame, inside, escaped = bytearray(), False, False
        try:
            while data := link.recv(65536):
                for byte in data:
                    if byte == 0xC0:
                        if inside and frame:
                            self.frame(link, bytes(frame))
                        frame, inside = bytearray(), True
                    elif byte == 0xDB:
                        escaped = True
                    elif inside:
                        frame.append({0xDC: 0xC0, 0xDD: 0xDB}.get(byte, byte) if escaped else byte)
                        escaped = False
        except OSError:
            pass
        link.close()

    def frame(self, link, frame):
        if len(frame) < 8 or frame[0] != 0:
            return
        op, data = frame[1], frame[8:]
        found = self.answer(op, data)
        value, body = found if found is not None else (0, b"")
        if found is not None:
            self.last_op = op
        if self.jumps:
            self.stub, self.jumps = True, False
            link.sendall(b"\xc0OHAI\xc0")
            return
        # What it does not know it refuses under the name of the command before.
        reply = struct.pack("<BBHI", 1, op if self.stub else self.last_op, 0, value or (0x20120707 if op == 8 and not self.stub else 0))
        reply += body + self.status(found is not None)
        reply = reply[:2] + struct.pack("<H", len(reply) - 8) + reply[4:]
        escaped = b"\xc0" + reply.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"
        link.sendall(escaped * (SYNC_REPLIES if op == 8 else 1))
        if op == 0x06 and struct.unpack("<II", data[:8])[0] == 0:
            self.stub = True
            link.sendall(b"\xc0OHAI\xc0")


TOLD = re.compile(r"^(?:(?:Chip type|Features|Crystal frequency|USB mode|MAC|BASE MAC|MAC_EXT|Manufacturer|Device|Detected flash size|Flash type set in eFuse|"
                  r"Flash voltage set by [^:]*|Flags|Key Purposes|Chip ID|API Version|Secure Boot|Flash Encryption|SPI Boot Crypt Count.*):|  BLOCK_KEY\d).*", re.M)


def look(tool, chip, seed, scenario, verbose):
    rom = Rom(chip, seed, scenario)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=rom.serve, args=(listener,), daemon=True)
        thread.start()
        port = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        words = [*tool, "--chip", scenario.get("as", chip), "--port", port, "--before", "no-reset", "--after", "no-reset",
                 *scenario.get("options", ["--no-stub"]), *scenario.get("command", ["flash-id"])]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=120, check=False,
                              env=dict(os.environ, NO_COLOR="1", COLUMNS="200"))
        thread.join(5)
    if verbose:
        print(" ".join(words), done.stdout, done.stderr, sep="\n")
    told = [re.sub(r"\s+", " ", match.group(0)) for match in TOLD.finditer(done.stdout)]
    # Of a part that nobody knows kiln says nothing, and no MAC address of only zeros gets an extension.
    told = [line.replace("unknown", "Unknown") for line in told]
    told = [re.sub(r", (Unknown|No) (Embedded (Flash|PSRAM)|calibration in BLK2)( of efuse)?( \(\w*\))?| \(\)", "", line)
            for line in told if not re.search(r"MAC.*: (00:)+00$", line)]
    # Of the three eFuse bits about the supply esptool takes any that is set for all three.
    if not scenario.get("zero"):
        told = [line for line in told if not line.startswith("Flash voltage")]
    rates = [line for line in rom.log if line.startswith("rate") and line.endswith("ROM")]
    return {
        "status": done.returncode, "told": told, "writes": {f"{a:08x}": f"{v:08x}" for a, v in sorted(rom.writes.items())},
        "rates": rates[:1] if "--no-stub" in words else [], "stub": next((l for l in rom.log if l.startswith("RAM at")), "none"),
        # A stub has attached the flash by itself, and once more does no harm.
        "attach": [line for line in rom.log if line.startswith("attach") and not (rom.stub and line == "attach 00000000")],
        "flash": sorted({line for line in rom.log if line.startswith("flash")}),
    }


def scenarios(chip, seeds):
    for seed in range(seeds):
        yield f"seed {seed}", seed, {}
    yield "all zero", 0, {"zero": True}
    yield "found by itself", 1, {"as": "auto"}
    for seed in range(2) if chip not in NO_STUB else ():
        yield f"stub, seed {seed}", seed, {"options": ["--stub-version", "2"]}
    if chip not in NO_STUB:
        yield "stub, all zero", 0, {"zero": True, "options": ["--stub-version", "2"]}
    for mhz in (26, 40) if chip != "esp32c5" else (40, 48):
        # ESP32: what its own clock was calibrated to; C5: what it believes the crystal to be.
        words = {0x3FF5F06C: mhz * 20 << 7, 0x3FF5A010: 0x480, 0x60096110: 48 << 24}
        yield f"{mhz} MHz", 3, {"crystal": mhz, "zero": True, "words": words, "options": ["--no-stub", "--baud", "460800"]}
    yield "pins", 4, {"command": ["flash-id", "-sc", "6,7,8,9,11"]}
    yield "HSPI", 4, {"command": ["flash-id", "-sc", "HSPI"]}
    yield "wrong pins", 4, {"command": ["flash-id", "-sc", "6,7,8,9,63"]}
    yield "XMC flash down", 5, {"flash_id": XMC_BAD_ID}
    yield "XMC flash up", 5, {"flash_id": XMC_GOOD_ID}
    yield "no flash", 5, {"flash_id": 0xFFFFFF}
    yield "security info", 6, {"command": ["get-security-info"], "flags": 0x1, "crypt": 3}
    yield "more security info", 7, {"command": ["get-security-info"], "flags": 0x7C9, "crypt": 2}
    if CHIPS[chip][0] is not None:
        yield "secure download", 8, {"secure": True, "flags": 4, "options": ["--stub-version", "2"], "command": ["get-security-info"]}
        yield "secure download, no command", 8, {"secure": True, "flags": 4, "options": ["--stub-version", "2"]}
    if chip in CONSOLE:
        _, otg, serial_jtag = CONSOLE[chip]
        for name, value in (("USB-OTG", otg), ("USB-Serial/JTAG", serial_jtag)):
            if value is not None:
                yield name, 9, {"console": value, "zero": True}
                yield f"{name}, stub", 9, {"console": value, "zero": True, "options": ["--stub-version", "2"]}
    if chip == "esp32":
        for name, value in (("1.8 V", 1 << 31 | 1 << 22), ("1.9 V", 1 << 31 | 3 << 29 | 1 << 22), ("off", 1 << 22)):
            yield f"flash supply {name}", 12, {"zero": True, "words": {0x3FF48074: value}}
        yield "flash supply by pin", 12, {"zero": True, "words": {0x3FF44038: 1 << 5}}
    if chip in ("esp32s2", "esp32s3"):
        strap, word = (0x3F404038, 0x3F41A03C) if chip == "esp32s2" else (0x60004038, 0x6000703C)
        yield "octal flash of 1.8 V", 12, {"zero": True, "words": {strap: 1 << 4, word: 1 << 9}}
    if chip == "esp32p4":
        for revision in (0, 1, 100, 102, 300, 301, 302):
            major, minor = divmod(revision, 100)
            word = (major >> 2) << 23 | (major & 3) << 4 | minor
            yield f"revision {revision}", 10, {"zero": True, "words": {0x5012D04C: word}, "options": ["--stub-version", "2"]}
    if chip in ("esp32c3", "esp32c61"):
        # Another place for the console's word since revision 1.1 and 1.0.
        revision, console = {"esp32c3": ({0x60008858: 1 << 24, 0x60008850: 1 << 18}, {0x3FCDF078: 3, 0x3FCDF07C: 0}),
                             "esp32c61": ({0x600B484C: 1 << 4}, {0x4084F5E4: 4, 0x4084F5EC: 0})}[chip]
        yield "USB-Serial/JTAG, newer revision", 9, {"zero": True, "words": revision | console}
    if chip == "esp32c2":
        for major in (0, 1, 2):
            yield f"major revision {major}", 10, {"zero": True, "words": {0x60008844: major << 20}, "options": ["--stub-version", "2"]}
    if chip in ("esp32c3", "esp32s3"):
        yield "secure boot", 11, {"zero": True, "words": {SECURE_BOOT[chip]: 1 << 20}, "flags": 1, "options": ["--stub-version", "2"]}


def sum_of(seen):
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def tell(label, ours, theirs):
    for key in ours:
        mine, other = ours[key], theirs[key]
        if mine == other:
            continue
        if isinstance(mine, list):
            mine, other = [x for x in mine if x not in other], [x for x in other if x not in mine]
        elif isinstance(mine, dict):
            mine, other = dict(mine.items() - other.items()), dict(other.items() - mine.items())
        print(f"{label}: {key}: esptool {other}, kiln {mine}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kiln", nargs="?")
    parser.add_argument("sums", nargs="?")
    parser.add_argument("--write", metavar="SUMS")
    parser.add_argument("--chip")
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("-v", action="store_true")
    words = parser.parse_args()
    esptool = os.environ.get("ESPTOOL", "").split()
    if not esptool and not words.sums:
        sys.exit("say which esptool to run, as ESPTOOL=command")
    seeds = words.seeds or (2 if words.sums or words.write else 6)
    expected, lines = {}, []
    if words.sums:
        with open(words.sums, encoding="ascii") as file:
            expected = dict(reversed(line.split(" ", 1)) for line in file.read().splitlines() if line[0] != "#")
    count = wrong = 0
    for chip in CHIPS if words.chip is None else [words.chip]:
        for name, seed, scenario in scenarios(chip, seeds):
            if words.only not in name:
                continue
            label = f"{chip}, {name}"
            count += 1
            theirs = look(esptool, chip, seed, scenario, words.v) if not words.sums else None
            ours = look([words.kiln, "esptool"], chip, seed, scenario, words.v) if words.kiln else theirs
            if theirs is not None:
                lines.append(f"{sum_of(theirs)} {label}\n")
                wrong += ours != theirs
                tell(label, ours, theirs)
            elif expected.get(label) != sum_of(ours):
                wrong += 1
                print(f"{label}: not what esptool makes of it" if label in expected else f"{label}: no sum", ours, flush=True)
    if words.write:
        with open(words.write, "w", encoding="ascii") as file:
            file.write("# Written by tests/tools/esp_rom.py --write with esptool 5.2.0, see there.\n" + "".join(lines))
    print(f"{count} scenarios, {wrong} differ")
    return wrong > 0


sys.exit(main())
