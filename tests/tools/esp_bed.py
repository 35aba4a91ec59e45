# SPDX-License-Identifier: MIT
"""What the tests of kiln on files for ESP chips share: the program and what it must say, the files of the examples, and
flash contents made from ESP-IDF's description of the formats, none of it by Kiln's code.

Run by hand, the program to test is the first word, or the one in build/.
"""

import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIRMWARE = os.path.join(ROOT, "examples", "firmware")
KILN = os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build", "kiln"))
failures = []


def check(truth, what):
    if not truth:
        failures.append(what)
        print("FAILED:", what)


def kiln(*words, status=0):
    done = subprocess.run([KILN, *words], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    check(done.returncode == status, f"{' '.join(words)}: exit status {done.returncode}, not {status}\n{said}")
    return said


def says(said, *texts):
    for text in texts:
        check(text in said, f"nobody said {text!r}:\n{said}")


def says_not(said, *texts):
    for text in texts:
        check(text not in said, f"somebody said {text!r}:\n{said}")


def save(name, data):
    with open(name, "wb") as file:
        file.write(data)
    return name


def load(name):
    with open(name, "rb") as file:
        return file.read()


def firmware(name):
    return load(os.path.join(FIRMWARE, name))


def crc(data):
    """As the boot ROM has it: the register begins at 0."""
    return zlib.crc32(data, 0xFFFFFFFF)


def ota_record(sequence):
    """32 bytes of otadata; 0 is a blank record."""
    number = struct.pack("<I", sequence)
    return number + b"\xff" * 24 + struct.pack("<I", crc(number)) if sequence else b"\xff" * 32


def table(*rows):
    """A partition table of (type, subtype, offset, size, label[, flags])."""
    out = b"".join(struct.pack("<HBBII16sI", 0x50AA, *row[:5], *(row[5:] or (0,))) for row in rows)
    out += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(out).digest()
    return out.ljust(0xC00, b"\xff")


def blank_flash(size, *parts):
    """So much flash, blank but for the parts: (address, bytes)."""
    out = bytearray(b"\xff" * size)
    for at, part in parts:
        out[at : at + len(part)] = part
    return out


def main(tests):
    """Runs them all in a folder of its own, and ends the program."""
    if not os.access(KILN, os.X_OK):
        sys.exit(f"{sys.argv[0]}: there is no program {KILN}; build it, or name another: {sys.argv[0]} KILN")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for test in tests:
            test()
        os.chdir("/")
    print(f"{len(tests)} tests, {len(failures)} failures")
    sys.exit(len(failures) > 0)
