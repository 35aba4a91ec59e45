# SPDX-License-Identifier: MIT
"""kiln flash on simulated ESP chips, judged by the whole flash afterwards: settings in the bootloader's header,
files that the chip encrypts, and images that are for another chip, revision or flash size.

    esp_flash.py KILN

The images are made here, and so are the bytes that must be in the flash, none of it by Kiln's code.
"""

import hashlib
import json
import struct
import tempfile

from esp_bed import blank_flash, check, kiln, load, main, save, says, says_not, table

MODES = {"qio": 0, "qout": 1, "dio": 2, "dout": 3}
ESP32_SIZES = {"1MB": 0, "2MB": 1, "4MB": 2, "8MB": 3, "16MB": 4}
ESP8266_SIZES = {"512KB": 0, "1MB": 2, "2MB": 3, "4MB": 4}


class Chip:
    def __init__(self, name, chip_id, boot, frequencies, ram, sizes=ESP32_SIZES):
        self.name, self.id, self.boot, self.ram = name, chip_id, boot, ram
        self.frequencies, self.sizes = frequencies, sizes


FULL = {"40m": 0, "26m": 1, "20m": 2, "80m": 15}
CHIPS = {
    "esp32": Chip("esp32", 0, 0x1000, FULL, 0x40078000),
    "esp32c3": Chip("esp32c3", 5, 0, FULL, 0x403cc710),
    "esp32s3": Chip("esp32s3", 9, 0, FULL, 0x403c9700),
    "esp32c6": Chip("esp32c6", 13, 0, {"80m": 0, "40m": 0, "20m": 2}, 0x4086c410),
    "esp32p4": Chip("esp32p4", 18, 0x2000, {"80m": 15, "40m": 0, "20m": 2}, 0x4ff29ed0),
    "esp8266": Chip("esp8266", None, 0, FULL, 0x40100000, ESP8266_SIZES),
}


def image(chip, mode="dio", freq="40m", size="4MB", min_rev=0, low=0, high=0xFFFF, body=None, digest=True, chip_id=None):
    """A bootloader image with one segment."""
    body = body if body is not None else bytes(range(256)) * 8
    head = struct.pack("<BBBBI", 0xE9, 1, MODES[mode], chip.sizes[size] << 4 | chip.frequencies[freq], chip.ram)
    if chip.id is not None:
        head += struct.pack("<8B", 0xEE, 0, 0, 0, *struct.pack("<H", chip.id if chip_id is None else chip_id), min_rev, low & 255)
        head += struct.pack("<BH4xB", low >> 8, high, int(digest))
    out = head + struct.pack("<II", chip.ram, len(body)) + body
    checksum = 0xEF
    for byte in body:
        checksum ^= byte
    out += bytes(15 - len(out) % 16) + bytes([checksum])
    if digest and chip.id is not None:
        out += hashlib.sha256(out).digest()
    return out


def stand_in_cipher(address, data):
    """What the simulated chips encrypt with."""
    return bytes(b ^ ((0x5A + a * 7 + (a >> 8) * 0x9D + (a >> 16) * 0x35) & 255) for a, b in enumerate(data, address))


class Board:
    """A simulated board whose flash is compared as a whole with what is expected."""

    def __init__(self, chip, size_mb, knobs="", old=None):
        self.size = size_mb << 20
        self.path = tempfile.mktemp(dir=".", suffix=".flash")
        self.expected = blank_flash(self.size, (0, old or b""))
        if old is not None:
            save(self.path, old)
        self.device = f"sim:{chip}?size={size_mb}MB&flash={self.path}{knobs}"

    def run(self, *words, status=0):
        return kiln(*words, "-d", self.device, status=status)

    def expect(self, address, data):
        end = (address + len(data) + 4095) // 4096 * 4096
        self.expected[address // 4096 * 4096 : end] = b"\xff" * (end - address // 4096 * 4096)
        self.expected[address : address + len(data)] = data

    def compare(self, what):
        there = load(self.path)
        wrong = next((i for i, (a, b) in enumerate(zip(there, self.expected)) if a != b), None)
        check(len(there) == self.size and wrong is None, f"{what}: the flash differs at {wrong}")


# ---- who does the work ---------------------------------------------------------------------------


def each_loader_is_the_one_that_was_asked_for():
    """Kiln's own flasher is built with the cross compilers that tools/setup installs."""
    for words, runs in (((), "flasher stub"), (("--loader", "stub"), "flasher stub"), (("--loader", "rom"), "ESP32 boot ROM"),
                        (("--loader", "kiln"), "Kiln's flasher")):
        says(kiln("info", *words, "-d", "sim:esp32"), runs + " at ")


# ---- the header -----------------------------------------------------------------------------------


def header_is_patched():
    for chip in CHIPS.values():
        for stub in ((), ("--loader", "rom")):
            if chip.id is None and stub:
                continue  # that ROM cannot erase a single sector
            board = Board(chip.name, 4)
            boot = save("boot.bin", image(chip))
            words = ["flash", f"{boot}@{chip.boot:#x}", "--flash-mode", "qio", "--flash-freq", "80m", "--flash-size", "2MB"]
            said = board.run(*words, *stub)
            board.expect(chip.boot, image(chip, "qio", "80m", "2MB"))
            board.compare(f"{chip.name} {stub}: settings changed")
            says(said, "DIO, 40m, 4MB become QIO, 80m, 2MB" if chip.name != "esp32c6" else "become QIO")
            check(("with a new SHA-256" in said) == (chip.id is not None), f"{chip.name}: digest: {said}")


def header_is_kept():
    chip = CHIPS["esp32"]
    for words in ((), ("--flash-size", "keep"), ("--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep")):
        board = Board("esp32", 8)
        said = board.run("flash", save("boot.bin", image(chip, size="4MB")) + "@0x1000", *words)
        board.expect(0x1000, image(chip, size="4MB"))
        board.compare(f"nothing changed by {words}")
        says_not(said, "become")


def size_is_detected():
    chip = CHIPS["esp32"]
    board = Board("esp32", 8)
    said = board.run("flash", save("boot.bin", image(chip)), "--flash-size", "detect")
    says(said, "DIO, 40m, 4MB become DIO, 40m, 8MB, with a new SHA-256")
    board.expect(0x1000, image(chip, size="8MB"))
    board.compare("size detected")

    small = Board("esp32", 2)
    said = small.run("flash", save("boot.bin", image(chip)))
    says(said, "4MB become DIO, 40m, 2MB, with a new SHA-256, since the board's flash is smaller", "--flash-size keep")
    small.expect(0x1000, image(chip, size="2MB"))
    small.compare("smaller flash")
    small.run("verify", "boot.bin")
    small.run("verify", "boot.bin", "--flash-size", "keep", status=10)
    small.run("verify", "boot.bin", "--flash-mode", "qio", status=10)

    kept = Board("esp32", 2, old=b"\xff" * 4096)
    said = kept.run("flash", save("boot.bin", image(chip)), "--flash-size", "keep", status=9)
    says(said, "made for 4MB of flash and this board has 2MB", "--flash-size detect", "Nothing on the board was changed")
    said = kept.run("flash", "boot.bin", "--flash-size", "keep", "--force")
    says(said, "forced: boot.bin is made for 4MB")
    kept.expect(0x1000, image(chip))
    kept.compare("forced")

    kiln("flash", "boot.bin", "--flash-size", "3MB", "-d", "sim:esp32", status=2)
    says(kiln("flash", "boot.bin", "--flash-size", "big", "-d", "sim:esp32", status=2), "a size like 4MB, detect or keep")
    says(kiln("flash", "boot.bin", "--flash-freq", "33m", "-d", "sim:esp32", status=2), "33m")


def whole_flash_image_is_patched():
    """Bootloader, table and application in one file: only the bootloader's header changes."""
    chip = CHIPS["esp32"]

    rows = (1, 2, 0x9000, 0x6000, b"nvs"), (0, 0, 0x10000, 0x100000, b"factory")

    def whole(size):
        parts = (0x1000, image(chip, size=size)), (0x8000, table(*rows)), (0x10000, image(chip, size="4MB"))
        return blank_flash(0x12000, *parts)

    board = Board("esp32", 4)
    said = board.run("flash", save("whole.bin", whole("4MB")), "--flash-size", "2MB")
    says(said, "4MB become DIO, 40m, 2MB")
    board.expect(0, whole("2MB"))
    board.compare("one file for the whole flash")


def other_files_have_no_header():
    board = Board("esp32", 4)
    said = board.run("flash", save("data.bin", b"data" * 100) + "@0x20000", "--flash-mode", "qio")
    says(said, "no file holds a bootloader for 0x1000")
    board.expect(0x20000, b"data" * 100)
    board.compare("no bootloader among the files")
    app = save("app.bin", image(CHIPS["esp32"]))
    board.run("flash", app + "@0x30000", "--flash-mode", "qio", "--force")
    board.expect(0x30000, image(CHIPS["esp32"]))
    board.compare("an image elsewhere is left alone")


def signed_images_are_not_touched():
    chip = CHIPS["esp32s3"]
    signed = image(chip)
    signed += b"\xff" * (-len(signed) % 4096) + b"\xe7\x02" + bytes(4094)
    board = Board("esp32s3", 2, old=b"\xff" * 4096)
    said = board.run("flash", save("boot.bin", signed), "--flash-mode", "qio", status=9)
    says(said, "signature is not right any more", "--force")
    said = board.run("flash", "boot.bin", status=9)
    says(said, "made for 4MB of flash and this board has 2MB")
    board.compare("a signed bootloader is refused")
    patched = image(chip, size="2MB")
    board.run("flash", "boot.bin", "--flash-size", "detect", "--force")
    board.expect(0, patched + signed[len(patched) :])
    board.compare("a signed bootloader is changed when forced")


def secure_boards_keep_the_header():
    chip = CHIPS["esp32c3"]
    for knobs, why in (("&secure=1", "secure download mode is on"), ("&variant=secure-boot", "secure boot is on")):
        board = Board("esp32c3", 4, knobs)
        said = board.run("flash", save("boot.bin", image(chip)), "--flash-mode", "qio")
        says(said, why + ", so the flash settings of boot.bin stay as they are")
        board.expect(0, image(chip))
        board.compare(why)


# ---- for whom it is --------------------------------------------------------------------------------


def images_for_others_are_refused():
    chip = CHIPS["esp32c3"]  # the simulated one is v0.4
    board = Board("esp32c3", 4, old=b"\xff" * 4096)
    for words, made in (
        ("is for esp32s3 (chip id 9) and this is ESP32-C3", image(chip, chip_id=9)),
        ("is for chips of revision v0.5 to v0.99 and this is v0.4", image(chip, low=5, high=99)),
        ("is for chips of revision v0.0 to v0.3", image(chip, low=0, high=3)),
        ("needs a chip of revision v1.1 or above", image(chip, low=101)),
        ("needs a chip of minor revision 7 or above", image(chip, min_rev=7)),
    ):
        said = board.run("flash", save("boot.bin", made) + "@0", status=9)
        says(said, words, "Nothing on the board was changed", "--force")
        board.compare(words)
        says(board.run("flash", "-n", "boot.bin@0", "--force"), "forced: boot.bin")
    for made in (image(chip, low=4, high=4), image(chip, low=0, high=0, min_rev=4), image(chip, low=3, min_rev=9)):
        board.run("flash", save("boot.bin", made) + "@0")
        board.expect(0, made)
        board.compare("right revision")


# ---- encryption --------------------------------------------------------------------------------------


def files_are_encrypted():
    for chip in (CHIPS["esp32"], CHIPS["esp32c3"], CHIPS["esp32s3"], CHIPS["esp32c6"]):
        for stub in ((), ("--loader", "rom")):
            align = 1024 if stub else 32 if chip.name == "esp32" else 16  # a ROM takes whole blocks
            if chip.name == "esp32" and stub:
                continue
            board = Board(chip.name, 4, "&variant=encrypted", old=b"\x11" * 0x30000)
            boot, data = image(chip), bytes(range(251)) * 331
            words = (f"{save('boot.bin', boot)}@{chip.boot:#x}", f"{save('data.bin', data)}@0x10000")
            said = board.run("flash", "--encrypt", *words, *stub, "-v")
            says(said, "(encrypted by the chip)", "not verified: only the chip can read it")
            for address, part in ((chip.boot, boot), (0x10000, data)):
                part += b"\xff" * (-len(part) % align)
                board.expect(address, stand_in_cipher(address, part))
            board.compare(f"{chip.name} {stub}: encrypted")


def some_files_are_encrypted():
    chip = CHIPS["esp32c3"]
    board = Board("esp32c3", 4, "&variant=encrypted")
    boot, data = image(chip), b"plain words " * 1000
    said = board.run("flash", save("data.bin", data) + "@0x20000", "--encrypt-file", save("boot.bin", boot) + "@0")
    says(said, "data.bin is written as it is; --encrypt lets the chip encrypt it")
    says_not(said, "boot.bin is written as it is")
    board.expect(0, stand_in_cipher(0, boot + b"\xff" * (-len(boot) % 16)))
    board.expect(0x20000, data)
    board.compare("one encrypted, one plain")
    said = board.run("flash", "-n", "--json", "data.bin@0x20000", "--encrypt-file", "boot.bin@0")
    plan = next(e for e in map(json.loads, said.splitlines()) if e["event"] == "plan")
    writes = {s["address"]: s.get("encrypted", False) for s in plan["steps"] if s["step"] == "write"}
    check(writes == {0: True}, f"the plan: {plan}")


def encryption_is_refused_where_it_cannot_be():
    chip = CHIPS["esp32c3"]
    save("boot.bin", image(chip))
    says(kiln("flash", "--encrypt", "boot.bin@0", "-d", "sim:esp32c3", status=9), "flash encryption is off", "--force")
    release = Board("esp32c3", 4, "&variant=encrypted-release", old=b"\xff" * 4096)
    says(release.run("flash", "--encrypt", "boot.bin@0", status=9), "fuses forbid that in download mode")
    says(release.run("flash", "boot.bin@0", status=9), "flash encryption is on for good", "does not start again")
    release.compare("release mode")
    secure = "sim:esp32c3?variant=encrypted&secure=1"
    says(kiln("flash", "boot.bin@0", "-d", secure, status=9), "in secure download mode,")
    kiln("flash", "--encrypt", "boot.bin@0", "-d", secure)
    said = kiln("flash", "--force", "--encrypt", "boot.bin@0x1010", "-d", "sim:esp32c3?variant=encrypted", status=2)
    says(said, "begins at a multiple of 4096 bytes")
    save("esp32.bin", image(CHIPS["esp32"]))
    said = kiln("flash", "--encrypt", "--loader", "rom", "esp32.bin", "-d", "sim:esp32?variant=encrypted", status=9)
    says(said, "this bootloader cannot do", "without --loader rom")
    said = kiln("flash", "--encrypt", "esp32.bin", "-d", "sim:esp8266", "--force", status=9)
    says(said, "cannot")
    said = kiln("flash", "data.bin@0x900", "--encrypt-file", "boot.bin@0", "-d", "sim:esp32c3?variant=encrypted", status=2)
    says(said, "only one of the two is to be encrypted")


TESTS = [
    each_loader_is_the_one_that_was_asked_for,
    header_is_patched,
    header_is_kept,
    size_is_detected,
    whole_flash_image_is_patched,
    other_files_have_no_header,
    signed_images_are_not_touched,
    secure_boards_keep_the_header,
    images_for_others_are_refused,
    files_are_encrypted,
    some_files_are_encrypted,
    encryption_is_refused_where_it_cannot_be,
]


if __name__ == "__main__":
    main(TESTS)
