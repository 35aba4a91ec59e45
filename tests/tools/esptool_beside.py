#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Espressif's esptool and the look-alike side by side: the same command lines on the same simulated boards.

    ESPTOOL=command esptool_beside.py KILN [--chip NAME] [--only TEXT] [--write FILE] [-v]
    esptool_beside.py KILN --sums FILE

After each line exit status, contents of the flash and files that were read are compared, and whether both or none of them says
certain words. That is done by hand: it needs esptool 5.2.0, of which no package is in CI. --write keeps what esptool did, a sum for
each line where kiln does not mean to do otherwise, and --sums holds kiln alone to such a file.
"""
import argparse
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CHIPS = ("esp8266", "esp32", "esp32s3", "esp32c3", "esp32c6", "esp32p4")
WORDS = ("Hash of data verified", "Cannot verify written data", "already in flash, skipping write", "Reflashing", "is empty",
         "not aligned", "will not fit", "Detected overlap", "security features detected", "not available in Secure Download Mode",
         "may brick your device", "Flash encryption key is not programmed", "byte aligned, can't flash encrypted", "Verification successful",
         "Verification failed", "Staying in", "Stub flasher running", "--no-stub to suppress", "Detecting flash size is not supported",
         "Unexpected chip ID in image", "requires chip revision", "larger than", "Secure Boot:", "Flash Encryption:", "does not support",
         "SFDP[", "Flash memory status", "will flash all data")

# Lines for every chip; {rom} is an option that half of the runs have.
LINES = (
    "flash-id", "read-mac", "chip-id", "get-security-info", "read-flash-status", "read-flash-status --bytes 3",
    "read-flash-sfdp 0 4", "read-flash-sfdp 0 5", "write-flash-status --bytes 1 0", "read-mem 0x40001000", "read-mem 2",
    "write-flash 0x10000 a.bin", "write-flash 0x10000 a.bin 0x30000 b.bin", "write-flash -u 0x10000 a.bin", "write-flash -z 0x10000 a.bin",
    "write-flash 0x10123 b.bin", "write-flash 0x10000 odd.bin", "write-flash 0x10000 empty.bin 0x20000 odd.bin", "write-flash 0x10000 noise.bin",
    "write-flash -e 0x10000 b.bin", "write-flash -fs 1MB 0x200000 a.bin", "write-flash -fs 128MB 0x10000 a.bin", "write-flash -fs detect 0x10000 a.bin",
    "write-flash 0x7ff0000 a.bin", "write-flash 0x3ffff00 b.bin", "write-flash 0x0 esp32.img", "write-flash --force 0x0 esp32.img",
    "write-flash 0x10000 late.img", "write-flash 0x10000 early.img", "write-flash 0x10000 rev.img", "write-flash --force 0x10000 late.img",
    "write-flash 0x1000 esp32.img -fm dout -fs 2MB -ff 20m", "write-flash 0x10000 x.hex", "write-flash 0 far.hex", "write-flash 0x11000 far.hex 0x13000 b.bin", "write-flash -s 0x20000 old.bin", "write-flash -s 0x20000 new.bin",
    "write-flash 0x20000 new.bin --diff-with old.bin", "write-flash 0x20000 new.bin --diff-with odd.bin", "write-flash 0x20000 new.bin --diff-with skip",
    "write-flash 0x20000 new.bin --diff-with old.bin --no-diff-verify", "write-flash 0x20000 new.bin --no-diff-verify",
    "write-flash -s --no-diff-verify 0x20000 new.bin", "verify-flash 0x20000 old.bin", "verify-flash 0x20000 new.bin", "verify-flash -d 0x20000 new.bin",
    "verify-flash 0x20000 old.bin 0x40000 odd.bin", "read-flash 0x20000 0x1234 out", "read-flash 0x20000 5 out", "read-flash 0x20000 0 out",
    "read-flash 0x3ff0000 0x20000 out", "read-flash 0x100000000 1 out", "erase-region 0x20000 0x1000", "erase-region 0x20000 0x1001", "erase-region 0x20001 0x1000",
    "erase-region 0 0", "erase-region 0x3fff000 0x2000", "dump-mem 0x40001000 16 out", "dump-mem 0x40001000 3 out", "load-ram esp32.img", "load-ram odd.bin",
    "--after no-reset flash-id", "--after no-reset-stub flash-id", "--after soft-reset flash-id", "--after watchdog-reset flash-id", "run", "version",
)
ENCRYPTED = (
    "write-flash --encrypt 0x10000 a.bin", "write-flash --encrypt -u 0x10000 odd.bin", "write-flash --encrypt 0x10010 b.bin", "write-flash --encrypt 0x10008 b.bin",
    "write-flash 0x10000 a.bin --encrypt-files 0x30000 b.bin", "write-flash 0x30000 a.bin --encrypt-files 0x10000 odd.bin 0x20000 b.bin",
    "write-flash --encrypt --ignore-flash-enc-efuse 0x10000 odd.bin", "write-flash --encrypt --encrypt-files 0x30000 b.bin 0x10000 a.bin",
    "write-flash --encrypt 0x20000 new.bin --diff-with old.bin", "write-flash --encrypt -s 0x20000 old.bin", "write-flash 0x10000 a.bin", "write-flash --force 0x10000 a.bin",
    "write-flash 0x0 b.bin", "write-flash --encrypt 0x1000 esp32.img -fm dout", "erase-flash", "erase-flash --force", "erase-region 0x20000 0x1000",
    "erase-region --force 0x20000 0x1000", "get-security-info", "read-flash 0x20000 16 out", "write-flash 0x10000 b.bin --encrypt-files 0x10800 a.bin",
)
SECURE = (
    "get-security-info", "flash-id", "read-mac", "write-flash 0x10000 a.bin", "write-flash -fs 4MB 0x10000 a.bin", "write-flash -fs detect 0x10000 a.bin",
    "write-flash -fs 4MB -z 0x10000 a.bin", "write-flash -fs 4MB -e 0x10000 a.bin", "erase-region 0x20000 0x1000", "erase-region 0x20000 all", "erase-flash",
    "write-flash -fs 4MB -s 0x20000 old.bin", "write-flash -fs 4MB --diff-with old.bin -fm dio 0x20000 new.bin", "write-flash -fs 4MB --encrypt 0x10000 a.bin",
    "read-flash 0 16 out", "verify-flash 0x20000 old.bin", "write-flash -fs 4MB 0x1000 esp32.img", "write-flash 0x210000 a.bin", "dump-mem 0x40001000 4 out",
)
# What Kiln does otherwise on purpose: "chip, board [--no-stub] line" and which differences it explains.
ON_PURPOSE = (
    (r".* dump-mem 0x40001000 3 out", {"file"}, "as many bytes as asked for, not whole words only"),
    (r".* load-ram (odd.bin|esp32.img)", {"words"}, "a board that was not given a program is left as --after says"),
    (r".* secure --no-stub (flash-id|read-mac|read-flash|verify-flash|dump-mem) ?.*", {"words"}, "a refused command leaves the board as --after says"),
    (r".* run", {"words"}, "what runs is not told to stay in the bootloader"),
    (r"esp8266, plain --no-stub write-flash -z .*", {"status", "flash", "words"}, "what the ROM cannot inflate is sent as it is"),
    (r"esp8266, plain --no-stub (write-flash -e .*|erase-region 0 0)", {"status", "flash", "words"}, "the ROM's way to erase is used"),
    (r"esp8266, plain --no-stub (verify-flash|read-flash|erase-region) .*", {"words"}, "says itself what the ROM cannot do"),
    (r"esp8266, plain --no-stub write-flash .*(late|early|rev).img", {"flash"}, "an odd number of sectors is erased in two steps, and none behind them"),
    (r"esp32, plain --no-stub write-flash -z .*", {"flash"}, "this ROM's inflater writes 32 KB at a time, also what is behind the end"),
)


class Board:
    def __init__(self, kiln, chip, knobs, flash):
        knobs = "&".join([*knobs, f"flash={flash}"])
        self.process = subprocess.Popen([kiln, "sim", f"{chip}?{knobs}", "--tcp", "0"], stdout=subprocess.PIPE, text=True)
        while not (line := self.process.stdout.readline()).startswith("board at tcp://"):
            if not line:
                sys.exit(f"{chip} does not start")
        self.port = line.strip().replace("board at tcp:", "socket:")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.stdout.read()
        self.process.wait()


def make_files(work):
    def put(name, data):
        with open(os.path.join(work, name), "wb") as file:
            file.write(data)

    state, noise = 1, bytearray()
    for _ in range(9000):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        noise.append(state >> 24)
    old = bytes(range(256)) * 64
    put("a.bin", (b"kiln " * 8000)[:30000] + bytes(2000))
    put("b.bin", bytes(noise[:4096]))
    put("odd.bin", bytes(noise[:1021]))
    put("noise.bin", bytes(noise))
    put("empty.bin", b"")
    put("old.bin", old)
    put("new.bin", old[:5000] + b"changed" + old[5007:])
    put("x.hex", b":020000040001F9\n:0400000001020304F2\n:0400100005060708D2\n:00000001FF\n")
    put("far.hex", b":020000040001F9\n:0400000001020304F2\n:0410000005060708D2\n:00000001FF\n")
    put("flash", (b"\xff" * 0x20000 + old).ljust(4 << 20, b"\xff"))


def run(tool, kiln, chip, knobs, line, stub, work, verbose, alone=False):
    """What the line did; `alone` with a board inside of kiln."""
    place = os.path.join(work, "run")
    shutil.rmtree(place, ignore_errors=True)
    os.mkdir(place)
    for name in os.listdir(work):
        if os.path.isfile(os.path.join(work, name)) and name != "flash":
            shutil.copy(os.path.join(work, name), place)
    flash = os.path.join(place, "flash.bin")
    shutil.copy(os.path.join(work, "flash"), flash)
    board = None if alone else Board(kiln, chip, knobs, flash)
    port = "sim:" + chip + "?" + "&".join([*knobs, "boot=download", f"flash={flash}"]) if alone else board.port
    words = [*tool, "--chip", chip, "--port", port, "--before", "no-reset", *stub]
    words += [] if "--after" in line else ["--after", "no-reset"]
    done = subprocess.run(words + line.split(), cwd=place, capture_output=True, text=True, errors="replace", timeout=300, check=False,
                          env=dict(os.environ, NO_COLOR="1", COLUMNS="200"))
    if board is not None:
        board.stop()
    if verbose:
        print(" ".join(words), line, done.stdout, done.stderr, sep="\n")
    said = re.sub(r"\s+", " ", done.stdout + done.stderr)
    with open(flash, "rb") as file:
        contents = file.read()
    out = None
    if os.path.exists(os.path.join(place, "out")):
        with open(os.path.join(place, "out"), "rb") as file:
            out = file.read()
    return {"status": done.returncode, "flash": contents, "file": out, "words": {w for w in WORDS if w in said}, "text": said[-200:]}


def sum_of(did):
    content = repr((did["status"], did["flash"], did["file"], sorted(did["words"])))
    return hashlib.sha256(content.encode("ascii", "backslashreplace")).hexdigest()[:16]


def lines_of(options):
    """(label, chip, knobs, line, stub) of all that are wanted."""
    for chip in CHIPS if options.chip is None else options.chip.split(","):
        boards = [("plain", [], LINES)]
        if chip != "esp8266":
            boards += [(name, [f"variant={name}"], ENCRYPTED) for name in ("encrypted", "encrypted-release", "secure-boot")]
            boards += [("no encryption", [], ENCRYPTED)]
        if chip not in ("esp8266", "esp32"):
            boards += [("secure", ["secure=1"], SECURE)]
        for name, knobs, lines in boards:
            for line, stub in ((line, stub) for line in lines for stub in ([], ["--no-stub"])):
                # esptool refuses to erase all through the ROM; here sectors are erased one by one.
                erases = line.startswith(("erase-flash", "write-flash -e", "write-flash -fs 4MB -e"))
                if erases and chip != "esp8266" and (stub or (chip, name) == ("esp32c3", "secure-boot")):
                    continue
                if options.only not in line or options.board not in name or (name == "secure" and not stub):
                    continue
                yield " ".join([f"{chip}, {name}", *stub, line]), chip, knobs, line, stub


def reason_of(label, kinds):
    """Why all these kinds of differences are meant, or None."""
    return next((why for line, explained, why in ON_PURPOSE if re.fullmatch(line, label) and kinds <= explained), None)


def first_difference(left, right):
    if left is None or right is None or len(left) != len(right):
        return f"{left is not None and len(left)} and {right is not None and len(right)} bytes"
    at = next(i for i, pair in enumerate(zip(left, right)) if pair[0] != pair[1])
    count = sum(a != b for a, b in zip(left, right))
    return f"{count} bytes differ, the first at 0x{at:x}: {left[at:at + 8].hex()} and {right[at:at + 8].hex()}"


def compare(esptool, kiln, options, work):
    """Runs both, and returns (lines, those that differ on purpose, otherwise); sums go to options.write."""
    count = meant = wrong = 0
    sums = []
    for label, chip, knobs, line, stub in lines_of(options):
        count += 1
        other = run(esptool, kiln, chip, knobs, line, stub, work, options.v)
        mine = run([kiln, "esptool"], kiln, chip, knobs, line, stub, work, options.v)
        found = {}
        if mine["status"] != other["status"]:
            found["status"] = f"esptool {other['status']}, kiln {mine['status']} ({other['text'][-90:]!r} | {mine['text'][-90:]!r})"
        for what in ("flash", "file"):
            if mine[what] != other[what]:
                found[what] = first_difference(other[what], mine[what])
        if mine["words"] != other["words"]:
            found["words"] = f"only esptool {sorted(other['words'] - mine['words'])}, only kiln {sorted(mine['words'] - other['words'])}"
        why = reason_of(label, set(found)) if found else None
        meant += why is not None
        wrong += bool(found) and why is None
        if reason_of(label, set()) is None:
            sums.append(f"{label}: {sum_of(other)}\n")
        for kind, text in found.items():
            print(f"{label}: {kind}: {text}{f' (meant: {why})' if why else ''}", flush=True)
    if options.write:
        with open(options.write, "w", encoding="ascii") as file:
            file.write("# Written by tests/tools/esptool_beside.py --write with esptool 5.2.0, see there.\n" + "".join(sorted(sums)))
    return count, meant, wrong


def hold(kiln, options, work):
    """The same for kiln alone against sums of what esptool did."""
    with open(options.sums, encoding="ascii") as file:
        expected = {label: made for label, made in (row.rstrip("\n").rsplit(": ", 1) for row in file if not row.startswith("#"))}
    options.chip = ",".join(chip for chip in CHIPS if any(label.startswith(chip + ",") for label in expected))
    count = meant = wrong = 0
    for label, chip, knobs, line, stub in lines_of(options):
        count += 1
        if label not in expected:
            on_purpose = reason_of(label, set()) is not None
            meant += on_purpose
            wrong += not on_purpose
            print(label, "differs on purpose" if on_purpose else "has no sum")
            continue
        did = run([kiln, "esptool"], kiln, chip, knobs, line, stub, work, options.v, alone=True)
        if sum_of(did) != expected[label]:
            wrong += 1
            print(f"{label}: not what esptool does; now status {did['status']}, {sorted(did['words'])}: {did['text']}", flush=True)
    return count, meant, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kiln")
    parser.add_argument("--chip", help="or several: esp32,esp32c3")
    parser.add_argument("--only", default="")
    parser.add_argument("--board", default="")
    parser.add_argument("--write")
    parser.add_argument("--sums")
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    esptool, kiln = os.environ.get("ESPTOOL", "").split(), os.path.realpath(options.kiln)
    if not esptool and not options.sums:
        sys.exit("say which esptool to run, as ESPTOOL=command")
    with tempfile.TemporaryDirectory() as work:
        make_files(work)
        elf = os.path.join(os.path.dirname(__file__), "..", "esp-elf", "esp32.elf")
        for name, more in (("esp32.img", []), ("late.img", ["--min-rev-full", "399"]), ("early.img", ["--max-rev-full", "100"]), ("rev.img", ["-r", "4"])):
            subprocess.run([kiln, "esptool", "-c", "esp32", "elf2image", *more, "-o", os.path.join(work, name), elf], check=True, stdout=subprocess.DEVNULL)
        count, meant, wrong = hold(kiln, options, work) if options.sums else compare(esptool, kiln, options, work)
    print(f"{count} lines, {meant} differ on purpose, {wrong} differ otherwise")
    return wrong > 0 or count == 0


sys.exit(main())
