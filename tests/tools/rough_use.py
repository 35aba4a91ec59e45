#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What careless people and scripts do to kiln, on simulated boards: rough_use.py KILN EXAMPLES.
Fails if a file, a board or another program is harmed by it, or if what is said is not what happened."""
import os
import pathlib
import subprocess
import sys
import tempfile

KILN = os.path.abspath(sys.argv[1])
EXAMPLES = pathlib.Path(sys.argv[2]).resolve()
failures = []


def kiln(*words, **how):
    return subprocess.run([KILN, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, **how)


def hold(condition, *what):
    if not condition:
        failures.append(what)
        print("FAILED:", *what)


def ends(result, status, says=b""):
    text = result.stdout + result.stderr
    hold(result.returncode == status and says in text, f"status {result.returncode}, not {status}, or not said: {says}",
         result.args[1:], text[-400:])


def outputs(folder):
    """Files that are written: nothing else is touched, and what cannot be is known before the board is."""
    short = ("-d", "sim:esp32", "-a", 0, "-s", 16)
    full = folder / "full" # never by its own name: whoever replaces it shall replace this link
    full.symlink_to("/dev/full")
    ends(kiln("read", *short, "-o", full), 12, b"No space left")
    hold(full.is_symlink(), "a device was replaced by a file")
    for path, why in ((folder / "no" / "file", b"No such file"), (folder, b"Is a directory")):
        for words in (("read", *short, "-o", path), ("esptool", "-p", "/dev/nothing", "read-flash", 0, 16, path)):
            result = kiln(*words)
            ends(result, 12 if words[0] == "read" else 1, why)
            hold(b"onnect" not in result.stdout, "the board was asked first", words)
    real, link = folder / "real.bin", folder / "link.bin"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to("real.bin")
    ends(kiln("read", *short, "-o", link), 0)
    hold(link.is_symlink() and real.read_bytes() == b"\xff" * 16, "a link became a file")
    hold(real.stat().st_mode & 0o777 == 0o640, "the file's mode changed")
    other = folder / "other.bin"
    os.link(real, other)
    ends(kiln("read", *short[:-1], 32, "-o", other), 0)
    hold(real.read_bytes() == b"\xff" * 32, "a file of two names became two files")
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    ends(kiln("read", *short, "-o", fifo), 0)
    hold(os.read(end, 100) == b"\xff" * 16, "a pipe was not written to")
    os.close(end)
    hold(sorted(p.name for p in folder.iterdir()) == ["fifo", "full", "link.bin", "other.bin", "real.bin"], "files were left over")


def sizes():
    """A script's size that came out as nothing, and words that contradict each other."""
    board = ("-n", "-d", "sim:esp32")
    ends(kiln("erase", *board, "-a", "0x10000", "-s", 0), 2, b"nothing to erase")
    ends(kiln("read", "-d", "sim:esp32", "-a", 0, "-s", 0, "-o", "-"), 2, b"nothing to read")
    ends(kiln("erase", *board, "--erase-all", "-a", "0x10000"), 2, b"whole chip")
    ends(kiln("erase", *board, "--region", "nvs", "-s", "0x1000"), 2, b"whole range")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["HOME"] = os.environ["XDG_STATE_HOME"] = name
        (folder / "out").mkdir()
        os.chdir(folder)
        outputs(folder / "out")
        sizes()
    return 1 if failures else 0


sys.exit(main())
