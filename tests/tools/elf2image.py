#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Images of ELF files made here for every ESP chip, with every option of elf2image, held against those of esptool 5.2.0.

    elf2image.py KILN SUMS          compares with the sums that esptool's images had (a test of the build)
    elf2image.py --write SUMS       writes these sums, with esptool, which Python must find (PYTHONPATH);
    elf2image.py --peer KILN        compares all images byte for byte. Both by hand: no package of esptool is in CI.
    [--chip NAME] [--keep DIR]      only that chip; the files in which the two differ

The ELF files hold what linker scripts and compilers put there, section by section, so no compiler is needed and they are the same
on every computer. A line of SUMS is the digest of some images of one chip and one ELF file; "refused" counts as an image. Which ones
goes round with the ELF files, so that each chip sees every option there too.
"""
import argparse
import hashlib
import os
import random
import struct
import subprocess
import sys
import tempfile

PROGBITS, STRTAB, NOBITS, NOTE, INIT_ARRAY, FINI_ARRAY, PREINIT_ARRAY = 1, 3, 8, 7, 14, 15, 16
XTENSA, RISCV = 0x5E, 0xF3

SHARE = 6  # one in so many sets of options is in SUMS

# chip: machine, DROM, IROM, IRAM, DRAM, RTC memory, MMU page sizes that can be chosen (KB), frequencies
CHIPS = {
    "esp8266": (XTENSA, 0, 0x40201010, 0x40100000, 0x3FFE8000, 0x60001200, (), ("80m", "40m", "26m", "20m")),
    "esp32": (XTENSA, 0x3F400000, 0x400D0000, 0x40080000, 0x3FFB0000, 0x50000000, (), ("80m", "40m", "26m", "20m")),
    "esp32s2": (XTENSA, 0x3F000000, 0x40080000, 0x40024000, 0x3FFBE000, 0x50000000, (), ("80m", "40m", "26m", "20m")),
    "esp32s3": (XTENSA, 0x3C000000, 0x42010000, 0x40374000, 0x3FC90000, 0x600FE000, (), ("80m", "40m", "26m", "20m")),
    "esp32c2": (RISCV, 0x3C000000, 0x42010000, 0x40380000, 0x3FCA4000, 0, (16, 32, 64), ("60m", "30m", "20m", "15m")),
    "esp32c3": (RISCV, 0x3C000000, 0x42010000, 0x40380000, 0x3FC90000, 0x50000000, (), ("80m", "40m", "26m", "20m")),
    "esp32c5": (RISCV, 0x42000000, 0x42010000, 0x40800000, 0x40820000, 0x50000000, (), ("80m", "40m", "20m")),
    "esp32c6": (RISCV, 0x42800000, 0x42010000, 0x40800000, 0x40820000, 0x50000000, (8, 16, 32, 64), ("80m", "40m", "20m")),
    "esp32c61": (RISCV, 0x42000000, 0x42010000, 0x40800000, 0x40820000, 0, (8, 16, 32, 64), ("80m", "40m", "20m")),
    "esp32h2": (RISCV, 0x42000000, 0x42010000, 0x40800000, 0x40820000, 0x50000000, (8, 16, 32, 64), ("48m", "24m", "16m", "12m")),
    "esp32h21": (RISCV, 0x42000000, 0x42010000, 0x40800000, 0x40820000, 0x50000000, (8, 16, 32, 64), ("48m", "24m", "16m", "12m")),
    "esp32h4": (RISCV, 0x42000000, 0x42010000, 0x40810000, 0x40830000, 0x50000000, (8, 16, 32, 64), ("48m", "24m", "16m", "12m")),
    "esp32p4": (RISCV, 0x40000000, 0x40010000, 0x4FF00000, 0x4FF40000, 0x50108000, (), ("80m", "40m", "20m")),
    "esp32e22": (RISCV, 0x3C000000, 0x3C010000, 0x30FE0000, 0x31000000, 0, (), ("80m", "40m", "26m", "20m")),
    "esp32s31": (RISCV, 0x40000000, 0x40010000, 0x2F000000, 0x2F040000, 0, (), ("80m", "40m", "20m")),
}


def noise(size, seed):
    """Bytes that are the same for every version of Python."""
    out, state = bytearray(), seed + 12345
    for _ in range(size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(state >> 24)
    return bytes(out)


def descriptor(page_log2, size=256):
    text = struct.pack("<IIII32s32s16s16s32s32sHHB", 0xABCD5432, 1, 0, 0, b"1.2.3", b"kiln-test", b"12:00:00",
                       b"Nov 21 2026", b"v5.4", b"", 0, 199, page_log2)
    return text.ljust(size, b"\0")


class Elf:
    """Sections in the order in which they are added; a segment for each run of neighbours in one memory."""

    def __init__(self, machine, entry):
        self.machine, self.entry, self.sections = machine, entry, []

    def add(self, name, address, data, kind=PROGBITS, flags=2):
        self.sections.append((name, kind, flags, address, data))
        return self

    def segments(self):
        found = []
        for _, kind, flags, address, data in self.sections:
            if kind not in (PROGBITS, INIT_ARRAY, FINI_ARRAY, PREINIT_ARRAY) or not flags & 2 or not data:
                continue
            if found and found[-1][0] + len(found[-1][1]) == address:
                found[-1][1] += data
            else:
                found.append([address, bytearray(data)])
        return found

    def bytes(self):
        segments = self.segments()
        names = b"\0" + b"".join(name.encode() + b"\0" for name, *_ in self.sections) + b".shstrtab\0"
        place = 52 + 32 * len(segments)
        body, programs, headers, offset_of_name = bytearray(), b"", bytes(40), 1
        for address, data in segments:
            programs += struct.pack("<8I", 1, place + len(body), address, address, len(data), len(data), 5, 16)
            body += data
        for name, kind, flags, address, data in self.sections:
            headers += struct.pack("<10I", offset_of_name, kind, flags, address, place + len(body), len(data), 0, 0, 4, 0)
            offset_of_name += len(name) + 1
            if kind != NOBITS:
                body += data
        headers += struct.pack("<10I", offset_of_name, STRTAB, 0, 0, place + len(body), len(names), 0, 0, 1, 0)
        body += names
        head = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, self.machine, 1, self.entry, 52, place + len(body),
                           0, 52, 32, len(segments), 40, len(self.sections) + 2, len(self.sections) + 1)
        return head + programs + bytes(body) + headers


def programs_8266(chip):
    machine, _, irom, iram, dram, rtc, _, _ = CHIPS[chip]
    base = lambda: Elf(machine, iram + 4)
    yield "usual", (base().add(".data", dram, noise(0x1F4, 1)).add(".rodata", dram + 0x1F4, noise(0x2C8, 2))
                    .add(".bss", dram + 0x4BC, bytes(0x100), NOBITS, 3).add(".text", iram, noise(0x1235, 3), flags=6)
                    .add(".irom0.text", irom, noise(0x5432, 4), flags=6))
    yield "no flash", base().add(".data", dram, noise(64, 5)).add(".text", iram, noise(1000, 6), flags=6)
    yield "only flash", base().add(".irom0.text", irom, noise(0x10001, 7), flags=6)
    yield "two in flash", (base().add(".irom0.text", irom, noise(0x100, 8)).add(".irom1.text", irom + 0x100, noise(0x102, 9))
                           .add(".text", iram, noise(5, 10)))
    yield "pieces", (base().add(".data", dram, noise(7, 11)).add(".init_array", dram + 8, noise(8, 12), INIT_ARRAY)
                     .add(".fini_array", dram + 16, noise(4, 13), FINI_ARRAY).add(".text", iram, noise(12, 14))
                     .add(".text1", iram + 12, noise(9, 15)).add(".irom0.text", irom, noise(19, 16))
                     .add(".comment", 0, b"made by hand", flags=0))
    yield "flash at 0x40210000", base().add(".text", iram, noise(40, 17)).add(".irom0.text", 0x40210000, noise(77, 18))
    yield "rodata in flash", (base().add(".flash.rodata", 0x40210000, noise(200, 19)).add(".text", iram, noise(40, 20)))


def programs(chip):
    machine, drom, irom, iram, dram, rtc, pages, _ = CHIPS[chip]
    base = lambda: Elf(machine, iram + 4)
    log2s = {size: size.bit_length() + 9 for size in pages}
    flash = lambda elf, log2=0, shift=0x20: (
        elf.add(".flash.appdesc", drom + shift, descriptor(log2)).add(".flash.rodata", drom + shift + 256, noise(0x3A9C, 1)))
    ram = lambda elf: elf.add(".iram0.vectors", iram, noise(0x403, 2), flags=6).add(
        ".iram0.text", iram + 0x404, noise(0x2346, 3), flags=6).add(".dram0.data", dram, noise(0x1771, 4), flags=3)
    usual = lambda log2=0: ram(flash(base(), log2).add(".flash.text", irom + 0x20, noise(0x6E21, 5), flags=6)).add(
        ".dram0.bss", dram + 0x2000, bytes(64), NOBITS, 3).add(".debug_info", 0, noise(50, 6), flags=0)
    yield "usual", usual()
    for size, log2 in log2s.items():
        yield f"descriptor says {size} KB", usual(log2)
    yield "no descriptor", ram(base().add(".flash.rodata", drom + 0x20, noise(999, 7)).add(".flash.text", irom + 0x20, noise(5000, 8)))
    yield "bootloader", (base().add(".iram.text", iram, noise(0x1111, 9), flags=6).add(".dram0.data", dram, noise(0x222, 10))
                         .add(".dram0.bootdesc", dram + 0x1000, b"\x50".ljust(80, b"\0")).add(".iram_loader.text", iram + 0x4000, noise(0x3333, 11)))
    yield "big", (flash(base()).add(".flash.text", irom + 0x20, noise(0x1A000, 12)).add(".iram0.text", iram, noise(0x7777, 13))
                  .add(".dram0.data", dram, noise(0x5555, 14)))
    for over in (0x10, 0x20, 0x24, 0x28):  # how far the last flash segment gets into its second page
        yield f"0x{over:x} into a page", ram(flash(base()).add(".flash.text", irom + 0x20, noise(0x10000 - 0x20 + over, 15)))
    yield "descriptor elsewhere", ram(flash(base(), shift=0x40).add(".flash.text", irom + 0x40, noise(300, 16)))
    yield "descriptor in RAM", base().add(".flash.appdesc", dram, descriptor(0)).add(".iram0.text", iram, noise(100, 17))
    yield "one page twice", ram(flash(base()).add(".flash.text", drom + 0x8020, noise(300, 18)))
    yield "pieces", (flash(base()).add(".flash.a", irom + 0x20, noise(12, 19)).add(".flash.b", irom + 0x2C, noise(7, 20))
                     .add(".iram0.a", iram, noise(4, 21)).add(".iram0.b", iram + 4, noise(1, 22)).add(".iram0.c", iram + 8, noise(2, 23))
                     .add(".preinit_array", dram, noise(4, 24), PREINIT_ARRAY).add(".init_array", dram + 4, noise(8, 25), INIT_ARRAY)
                     .add(".fini_array", dram + 12, noise(4, 26), FINI_ARRAY).add(".note", dram + 0x100, noise(20, 27), NOTE)
                     .add(".empty", dram + 0x200, b"").add(".dram0.z", dram + 0x300, noise(30, 28)))
    if rtc:
        yield "RTC memory", ram(flash(base()).add(".rtc.text", rtc, noise(0x123, 29)).add(".flash.text", irom + 0x20, noise(77, 30)))
    many = flash(base())
    for i in range(17):
        many.add(f".iram0.s{i}", iram + i * 0x100, noise(16 + i, i))
    yield "17 segments", many
    yield "only RAM", ram(base())
    yield "only flash", base().add(".flash.appdesc", drom + 0x20, descriptor(0)).add(".flash.text", irom + 0x20, noise(33, 31))
    yield "high flash", ram(base().add(".flash.text", irom + 0x20020, noise(0x801, 32)))
    yield "odd lengths", (flash(base()).add(".flash.text", irom + 0x20, noise(0x2001, 33)).add(".iram0.text", iram, noise(0x13, 34))
                          .add(".dram0.data", dram, noise(0x25, 35)))


def option_sets(chip, pages, frequencies):
    singles = [[], ["-fm", "dio"], ["-fm", "qout"], ["-fm", "dout"], ["--dont-append-digest"], ["--use-segments"],
               ["--secure-pad"], ["--secure-pad-v2"], ["--ram-only-header"], ["--min-rev", "3"], ["--min-rev-full", "301"],
               ["--max-rev-full", "399"], ["--elf-sha256-offset", "0xb0"], ["--elf-sha256-offset", "0x30"],
               ["--pad-to-size", "4KB"], ["--pad-to-size", "1MB"], ["--version", "2"], ["--version", "3"]]
    singles += [["-ff", frequency] for frequency in frequencies] + [["-ff", "30m"]]
    singles += [["-fs", size] for size in ("256KB", "512KB", "2MB", "4MB", "4MB-c1", "8MB", "16MB", "32MB", "128MB")]
    singles += [["--flash-mmu-page-size", f"{size}KB"] for size in (8, 16, 32, 64)]
    pick = random.Random(sum(chip.encode()))
    order = lambda: pick.random()  # shuffle() changed between versions, random() did not
    sets = list(singles)
    for _ in range(24):
        chosen = sorted(singles[1:], key=lambda _: order())[: 2 + int(pick.random() * 3)]
        sets.append([word for options in chosen for word in options])
    # esptool pads an image without digest from its third byte on, over what it has written.
    loses = lambda words: "--pad-to-size" in words and {"--ram-only-header", "--dont-append-digest"} & set(words)
    return [words for words in sets if not loses(words)]


def images(folder):
    """What elf2image left behind: the files' names and contents."""
    found = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            found.append((name, file.read()))
        os.unlink(os.path.join(folder, name))
    return found


def by_kiln(kiln, chip, elf, options, folder):
    words = [kiln, "esptool", "--chip", chip, "elf2image", *options, "-o", os.path.join(folder, "image"), elf]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode not in (0, 1, 2):
        sys.exit(f"{' '.join(words)}: status {done.returncode}")
    made = images(folder)
    return made if done.returncode == 0 else "refused"


def by_esptool(chip, elf, options, folder):
    import contextlib
    import io

    import esptool

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            esptool.main(["--chip", chip, "elf2image", *options, "-o", os.path.join(folder, "image"), elf])
        except (SystemExit, Exception):
            images(folder)
            return "refused"
    return images(folder)


def digest_of(results):
    sum_ = hashlib.sha256()
    for made in results:
        for name, data in [("refused", b"")] if made == "refused" else made:
            sum_.update(f"{name} {len(data)}\n".encode() + data)
    return sum_.hexdigest()


def keep(folder, label, options, elf, mine, other):
    if folder is None:
        return
    place = os.path.join(folder, f"{label} {' '.join(options)}".replace("/", "_"))
    os.makedirs(place, exist_ok=True)
    for whose, made in (("kiln", mine), ("esptool", other)):
        for name, data in [] if made == "refused" else made:
            with open(os.path.join(place, f"{whose}.{name}"), "wb") as file:
                file.write(data)
    with open(elf, "rb") as source, open(os.path.join(place, "elf"), "wb") as file:
        file.write(source.read())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kiln", nargs="?")
    parser.add_argument("sums", nargs="?")
    parser.add_argument("--peer", metavar="KILN")
    parser.add_argument("--write", metavar="SUMS")
    parser.add_argument("--chip")
    parser.add_argument("--keep")
    words = parser.parse_args()
    expected, lines = {}, []
    count = refused = wrong = 0
    if words.sums:
        with open(words.sums, encoding="ascii") as file:
            expected = dict(reversed(line.split(" ", 1)) for line in file.read().splitlines() if line[0] != "#")
    with tempfile.TemporaryDirectory() as work:
        elf, out = os.path.join(work, "program.elf"), os.path.join(work, "out")
        os.mkdir(out)
        for chip, row in CHIPS.items():
            if words.chip not in (None, chip):
                continue
            for nth, (name, program) in enumerate((programs_8266 if chip == "esp8266" else programs)(chip)):
                with open(elf, "wb") as file:
                    file.write(program.bytes())
                label, mine = f"{chip}, {name}", []
                sets = option_sets(chip, row[6], row[7])
                for options in sets if words.peer else sets[nth % SHARE :: SHARE]:
                    count += 1
                    if words.kiln or words.peer:
                        mine.append(by_kiln(words.kiln or words.peer, chip, elf, options, out))
                    if not words.kiln:
                        other = by_esptool(chip, elf, options, out)
                        if words.peer and mine[-1] != other:
                            wrong += 1
                            says = "refuses" if mine[-1] == "refused" else "esptool refuses" if other == "refused" else "differs"
                            print(f"{label} {' '.join(options)}: {says}", flush=True)
                            keep(words.keep, label, options, elf, mine[-1], other)
                        if not words.peer:
                            mine.append(other)
                    refused += mine[-1] == "refused"
                digest = digest_of(mine)
                lines.append(f"{digest} {label}\n")
                if words.kiln and expected.get(label) != digest:
                    wrong += 1
                    print(f"{label}: not what esptool makes of it" if label in expected else f"{label}: no sum")
    if words.write:
        with open(words.write, "w", encoding="ascii") as file:
            file.write("# Written by tests/tools/elf2image.py --write: images of esptool 5.2.0, see there.\n" + "".join(lines))
    print(f"{count} images of {len(lines)} ELF files ({refused} refused), {wrong} wrong")
    return wrong > 0


sys.exit(main())
