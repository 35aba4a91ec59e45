#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What careless people and scripts do to kiln, on simulated boards: rough_use.py KILN EXAMPLES.
Fails if a file, a board or another program is harmed by it, or if what is said is not what happened."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

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
    ends(kiln("flash", *board, "-b", 1 << 33, "x"), 2, b"--baud takes")
    app, table = f"{EXAMPLES}/esp32-app-v1.bin", f"{EXAMPLES}/esp32-partitions.bin"
    ends(kiln("flash", *board, app, table, "-a", "0x20000"), 2, b"--address is for one file")
    ends(kiln("flash", *board, "-a", "0x20000"), 2, b"--address is for")
    ends(kiln("run", "-d", "sim:esp32", app), 9, b"run from flash")
    ends(kiln("erase", *board, "--region", "nvs", "-s", "0x1000"), 2, b"whole range")


def documented():
    """What docs/json.md says of each event: the words in its row, and those of the chapter on `device`."""
    text = (pathlib.Path(__file__).parents[2] / "docs/json.md").read_text()
    words = lambda part: set(re.findall(r"`([a-z_0-9]+)`", part))
    rows = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            events, fields = line.split("|")[1:3]
            for event in words(events):
                rows.setdefault(event, set()).update(words(fields) | words(events))
    rows["device"] |= words(text.partition("## `device`")[2])
    return rows


def events(result, rows):
    """The results by job of a run whose every line has to be as documented."""
    results, last = {}, {}
    for line in result.stdout.decode().splitlines():
        event = json.loads(line)
        name, job = event["event"], event.get("job")
        common = {"event", "device", "job", "time_ms"} if name not in ("notice", "memory", "summary", "error") else {"event"}
        hold(name in rows, "an event that is not documented", line)
        hold(common <= event.keys(), "lacks a field", line)
        hold(set(event) - common <= rows.get(name, set()), "fields that are not documented", set(event) - rows.get(name, set()), line)
        if "job" in common:
            hold(job not in results, "goes on after its result", line)
            hold(event["time_ms"] >= last.get(job, 0), "time goes back", line)
            last[job] = event["time_ms"]
        if name == "result":
            results[job] = event
            hold(event["state"] in ("untouched", "erased", "partial", "written", "verified", "unknown"), line)
            hold((event["exit"] == 0) == ("message" not in event), "a failure without words, or words without one", line)
    return results


def production_line():
    """Eight boards at once of which half cannot be flashed, and a program that believes what is said."""
    rows = documented()
    image = [f"{EXAMPLES}/esp32-{name}.bin@{at}" for name, at in
             (("bootloader", "0x1000"), ("partitions", "0x8000"), ("app-v1", "0x10000"))]
    ends(kiln("flash", "-q", *image, "-d", "sim:esp32?flash=done"), 0)
    boards = ["esp32?flash=fresh", "esp32?cut=6&flash=cut", "esp32c3?flash=other", "esp32?flash=done", "esp32?variant=dead-flash",
              "esp32?drop=40&flash=lossy", "esp32s3?secure=1", "esp32?seed=8"]
    result = kiln("flash", "--json", *image, *[word for board in boards for word in ("-d", "sim:" + board)])
    results = events(result, rows)
    hold(len(results) == len(boards), "boards without a result", results.keys())
    hold(result.returncode == max(r["exit"] for r in results.values()), "exit status", result.returncode)
    states = [(results[i]["state"], results[i]["status"] == "ok") for i in range(len(boards))]
    good, kept = ("verified", True), ("untouched", False)
    hold([states[i] for i in (0, 2, 3, 4, 5, 6, 7)] == [good, kept, good, kept, good, kept, good], states)
    hold(states[1][0] in ("partial", "erased") and not states[1][1], "the board whose power went", states[1])
    hold(results[3]["written"] == 0 and results[3]["skipped"] > 0, "a board that is flashed already", results[3])
    fresh, done, other = [pathlib.Path(name).read_bytes() for name in ("fresh", "done", "other")]
    hold(fresh == done and set(other) == {0xff}, "what is in flash is not what was said")
    for words in (("info", "-d", "sim:esp32?flash=done"), ("verify", image[2], "-d", "sim:esp32?flash=done"),
                  ("erase", "--erase-all", "-d", "sim:esp32"), ("run", "-d", "sim:esp32"), ("flash", "nofile", "-d", "sim:esp32"),
                  ("read", "--mem", "-a", "0x3ff00000", "-s", 16, "-d", "sim:esp32"), ("flash", "--bogus"),
                  ("flash", "-n", "--map", *image, "-d", "sim:esp32?flash=done"), ("poke", "0x3ffb0000=1", "-d", "sim:esp32"),
                  ("flash", *image, "-d", "/dev/nothing"), ("read", "-o", folder_of_nobody(), "-d", "sim:esp32")):
        events(kiln(words[0], "--json", *words[1:]), rows)
    ends(kiln("read", "--json", "-o", "-", "-d", "sim:esp32"), 2, b"both want")


def folder_of_nobody():
    return "no/such/folder/file"


def output_goes_away():
    """Nobody reads what is printed: the board is flashed all the same."""
    image = f"{EXAMPLES}/esp32-app-v1.bin"
    for words in (("flash", "--json", "--force", image + "@0x10000", "-d", "sim:esp32?flash=pipe"),
                  ("flash", "--force", image + "@0x10000", "-d", "sim:esp32?flash=pipe")):
        pathlib.Path("pipe").unlink(missing_ok=True)
        ours, theirs = os.pipe()
        os.close(ours)
        status = subprocess.run([KILN, *words], stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL,
                                timeout=60).returncode
        os.close(theirs)
        data = pathlib.Path(image).read_bytes()
        hold(status == 0 and pathlib.Path("pipe").read_bytes()[0x10000:][:len(data)] == data, "left half done", words, status)
    with open("/dev/full", "w", encoding="ascii") as full:
        status = subprocess.run([KILN, "image", "info", image], stdout=full, stderr=subprocess.DEVNULL, timeout=60).returncode
        hold(status == 12, "lost output is no failure", status)
    # A port must not get the number of a stream that is missing: what is printed would go there.
    with served("esp32?flash=closed") as port:
        status = subprocess.run(f'"{KILN}" esptool -p {port} --no-stub write-flash 0x10000 "{image}" <&- >&- 2>&-', shell=True,
                                timeout=60, check=False).returncode
        hold(status == 0, "without standard streams", status)


def one_flash_file():
    """Several simulated boards with one file: none finds it half written by another."""
    image = f"{EXAMPLES}/esp32-app-v1.bin"
    ends(kiln("flash", "-q", "--force", image + "@0x10000", "-d", "sim:esp32?flash=shared"), 0)
    before = pathlib.Path("shared").read_bytes()
    for _ in range(5):
        runs = [subprocess.Popen([KILN, "info", "-q", "-d", "sim:esp32?flash=shared"]) for _ in range(6)]
        for run in runs:
            hold(run.wait(60) == 0, "info", run.returncode)
    hold(pathlib.Path("shared").read_bytes() == before, "the flash in a file was lost")


@contextlib.contextmanager
def served(board):
    link = os.path.abspath("port")
    with subprocess.Popen([KILN, "sim", board, "--pty", link], stdout=subprocess.PIPE) as sim:
        sim.stdout.readline()
        try:
            yield link
        finally:
            sim.terminate()


def second_interrupt():
    """Left at once, and yet every board's state is told."""
    rows = documented()
    pathlib.Path("big").write_bytes(bytes(range(256)) * 4096)
    with served("esp32?time=real") as port:
        with subprocess.Popen([KILN, "flash", "--json", "--force", "big@0x10000", "-d", port], stdout=subprocess.PIPE) as run:
            lines = []
            for line in run.stdout:
                lines.append(line)
                if json.loads(line).get("phase") == "write":
                    break
            for _ in range(2):
                run.send_signal(signal.SIGINT)
                time.sleep(0.002)
            lines += run.stdout.readlines()
        run.stdout = b"".join(lines)
        results = events(run, rows)
        hold(run.returncode == 130 and results.get(0, {}).get("exit") == 130, run.returncode, results)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["HOME"] = os.environ["XDG_STATE_HOME"] = name
        (folder / "out").mkdir()
        os.chdir(folder)
        outputs(folder / "out")
        sizes()
        production_line()
        output_goes_away()
        second_interrupt()
        one_flash_file()
    return 1 if failures else 0


sys.exit(main())
