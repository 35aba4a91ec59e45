# SPDX-License-Identifier: MIT
"""Partitions by name in flash, verify, read and erase, with what goes wrong; otadata made where a build has none; words
of memory written; ranges that are no whole pages.

    esp_named.py KILN
"""

import json
import os
import re

import esp_bed
from esp_bed import blank_flash, check, firmware, load, main, ota_record, save, says, table

BOARD = "sim:esp32?flash=flash.bin"


def kiln(*words, status=0, board=BOARD):
    return esp_bed.kiln(*words, "-d", board, status=status)


ROWS = [
    (1, 2, 0x9000, 0x4000, b"nvs"),
    (1, 0, 0xD000, 0x2000, b"otadata"),
    (1, 1, 0xF000, 0x1000, b"phy"),
    (0, 16, 0x10000, 0x70000, b"ota_0"),
    (0, 17, 0x80000, 0x70000, b"ota_1"),
    (1, 0x82, 0x100000, 0x1000, b"twice"),
    (1, 0x82, 0x110000, 0x1000, b"twice"),
    (1, 0x82, 0x120000, 0x1000, b"last"),
]


def blank_board(with_table=True):
    save("flash.bin", blank_flash(4 << 20, (0x8000, table(*ROWS) if with_table else b"")))


def every_verb_takes_a_name():
    blank_board()
    data = bytes(range(256)) * 20
    says(kiln("flash", save("data.bin", data) + "@nvs"), "goes to 0x9000, partition nvs")
    flash = load("flash.bin")
    check(flash[0x9000 : 0x9000 + len(data)] == data and flash[0xD000:0xE000] == b"\xff" * 4096, "flash @nvs")
    kiln("verify", "data.bin@nvs")
    says(kiln("verify", "data.bin@phy", status=9), "partition phy holds 4096; the rest would overwrite partition ota_0")
    save("other.bin", data[:-1] + b"x")
    kiln("verify", "other.bin@nvs", status=10)
    kiln("read", "nvs", "-o", "back.bin")
    check(load("back.bin") == flash[0x9000:0xD000], "read nvs")
    kiln("erase", "nvs")
    check(load("flash.bin")[0x9000:0xD000] == b"\xff" * 0x4000, "erase nvs")


def wrong_names_are_explained():
    blank_board()
    save("data.bin", b"data" * 2000)
    says(kiln("flash", "data.bin@phy", status=9), "8000 bytes", "partition phy holds 4096", "would overwrite partition ota_0")
    said = kiln("flash", "data.bin@last", status=9)
    says(said, "partition last holds 4096")
    check("overwrite" not in said, said)
    for words in (("flash", "data.bin@twice"), ("verify", "data.bin@twice"), ("read", "twice", "-o", "x"), ("erase", "twice")):
        says(kiln(*words, status=2), "two partitions 'twice', at 0x100000 and at 0x110000")
    for words in (("flash", "data.bin@none"), ("verify", "data.bin@none"), ("read", "none", "-o", "x"), ("erase", "none")):
        said = kiln(*words, status=2)
        says(said, "none", "nvs")
    check(not os.path.exists("x"), "a failed read leaves a file")
    before = load("flash.bin")
    blank_board(False)
    for words in (("flash", "data.bin@nvs"), ("verify", "data.bin@nvs"), ("read", "nvs", "-o", "x"), ("erase", "nvs")):
        said = kiln(*words, status=2)
        says(said, "nvs")
        check(re.search("no partition table|has no region or partition", said), said)
    check(before != load("flash.bin"), "the board was another one")


def ranges_must_be_whole_pages():
    blank_board()
    said = kiln("erase", "-a", "0x9100", "-s", "0x20", status=2)
    says(said, "only whole pages of 4096 bytes", "-a 0x9000 -s 0x1000")
    says(kiln("erase", "-a", "0x9000", "-s", "0x1001", status=2), "-a 0x9000 -s 0x2000")
    kiln("erase", "-a", "0x9000", "-s", "0x1000")
    says(kiln("erase", "-a", "0x9000", "-s", "8k", "-n"), "would be erased")


def otadata_is_made_where_a_build_has_none():
    """An Arduino build without its boot_app0.bin, on a board whose otadata starts the other slot."""
    os.makedirs("blink/build", exist_ok=True)
    save("blink/blink.ino", b"void setup(){}\nvoid loop(){}\n")
    save("blink/build/blink.ino.bin", firmware("esp32-app-v1.bin"))
    save("blink/build/blink.ino.bootloader.bin", firmware("esp32-bootloader.bin"))
    save("blink/build/blink.ino.partitions.bin", table(*ROWS[:5]))
    blank_board()
    flash = bytearray(load("flash.bin"))
    flash[0xD000:0xD020] = ota_record(2)
    save("flash.bin", flash)
    kiln("flash", "-p", "blink/build")
    flash = load("flash.bin")
    check(flash[0xD000:0xD020] == ota_record(1), f"otadata is {flash[0xD000:0xD020].hex()}")
    check(flash[0xD020:0xF000] == b"\xff" * 0x1FE0, "nothing else in otadata")
    check(flash[0x10000:0x10001] == b"\xe9", "the application is in ota_0")
    device = next(e for e in map(json.loads, kiln("info", "--json").splitlines()) if e["event"] == "device")
    check(device["boots"] == "ota_0", device)


def words_are_written():
    says(kiln("poke", "0x3ffb0000=0x12345678", board="sim:esp32"), "0x3ffb0000: 0x00000000 -> 0x12345678", "still in its bootloader")
    said = kiln("poke", "0x3ffb0000=0xffffffff", "0x3ffb0000=0x0/0x00ff00ff", board="sim:esp32c3")
    says(said, "0xffffffff -> 0xff00ff00")
    for words, why in (
        ("0x3ffb0001=1", "no multiple of 4"),
        ("0x3ffb0000", "is not ADDRESS=VALUE"),
        ("0x3ffb0000=", "is not ADDRESS=VALUE"),
        ("0x3ffb0000=1/", "is not ADDRESS=VALUE"),
        ("0x3ffb0000=0x100000000", "numbers of 32 bits"),
        ("here=1", "is not ADDRESS=VALUE"),
    ):
        says(kiln("poke", words, status=2, board="sim:esp32"), why)
    says(kiln("poke", status=2, board="sim:esp32"), "say what to write")
    said = kiln("poke", "0x3ffb0000=1", status=9, board="sim:esp32c3?secure=1")
    says(said, "secure download mode")


TESTS = [
    every_verb_takes_a_name,
    wrong_names_are_explained,
    ranges_must_be_whole_pages,
    otadata_is_made_where_a_build_has_none,
    words_are_written,
]


if __name__ == "__main__":
    main(TESTS)
