# SPDX-License-Identifier: MIT
"""kiln image on ESP files: otadata, NVS, partition tables as binary and as text, bootloader, application, a whole flash
in one file, and damaged ones of each: one clear line, never more.

    esp_image_info.py KILN

The files are made here from ESP-IDF's description of the formats, or are those of examples/firmware.
"""

import json
import os
import random
import struct
import subprocess

from esp_bed import FIRMWARE, KILN, blank_flash, check, crc, firmware, kiln, load, main, ota_record, save, table


def info(name, status=0):
    return json.loads(kiln("image", "info", "--json", name, status=status))


def otadata(*sequences):
    return b"".join(ota_record(sequence).ljust(4096, b"\xff") for sequence in sequences)


def nvs_entry(namespace, kind, key, data):
    head = struct.pack("<BBBB", namespace, kind, 1, 0xFF)
    tail = key.ljust(16, b"\0") + data.ljust(8, b"\xff")
    return head + struct.pack("<I", crc(head + tail)) + tail


def nvs(entries, pages=3):
    head = struct.pack("<IIB", 0xFFFFFFFE, 0, 0xFE) + b"\xff" * 19
    page = head + struct.pack("<I", crc(head[4:]))
    bitmap = bytearray(b"\xff" * 32)
    for i in range(len(entries)):
        bitmap[i // 4] &= ~(1 << (i % 4 * 2)) & 0xFF
    page += bytes(bitmap) + b"".join(entries)
    return page.ljust(4096, b"\xff") + b"\xff" * 4096 * (pages - 1)


NVS = nvs([nvs_entry(0, 1, b"phy", b"\1"), nvs_entry(0, 1, b"wifi", b"\2"), nvs_entry(2, 1, b"channel", b"\6")])


def otadata_is_told():
    seen = info(save("ota.bin", otadata(3, 0)))
    check(seen["type"] == "esp-otadata" and "sequence 3" in seen["why"] and "ota_0" in seen["why"], seen)
    check(seen["notes"] == ["record 0: sequence 3, undefined", "record 1: blank"], seen)
    seen = info(save("ota.bin", otadata(3, 4)))
    check("sequence 4" in seen["why"] and "ota_1" in seen["why"], seen)
    wrong = bytearray(otadata(3, 0))
    wrong[28] ^= 1
    check(info(save("ota.bin", wrong))["type"] == "unknown", "otadata with a wrong CRC")
    check(info(save("ota.bin", otadata(3, 0)[:-1]))["type"] == "unknown", "otadata cut short")


def nvs_is_named():
    seen = info(save("nvs.bin", NVS))
    check(seen["type"] == "esp-nvs" and "1 of 3 pages in use, 1 entries, namespaces phy, wifi" in seen["why"], seen)
    wrong = bytearray(NVS)
    wrong[28] ^= 1
    check(info(save("nvs.bin", wrong))["type"] != "esp-nvs", "NVS with a wrong header CRC")
    huge = bytearray(NVS)
    huge[64 + 2] = 255  # an entry that claims to span 255 of 126
    check(info(save("nvs.bin", huge))["type"] == "esp-nvs", "NVS with a lying entry")


CSV = """# Name, Type, SubType, Offset, Size, Flags
nvs,      data, nvs,     0x9000,  0x4000,
otadata,  data, ota,     ,        0x2000
phy_init, data, phy,     ,        4K,
ota_0,    app,  ota_0,   ,        1M,
ota_1,    app,  ota_1,   ,        1M,  encrypted
store,    data, spiffs,  ,        64K, readonly
odd,      0x40, 0x07,    ,        0x1000, encrypted:readonly
"""
ROWS = [
    (1, 2, 0x9000, 0x4000, b"nvs"),
    (1, 0, 0xD000, 0x2000, b"otadata"),
    (1, 1, 0xF000, 0x1000, b"phy_init"),
    (0, 16, 0x10000, 0x100000, b"ota_0"),
    (0, 17, 0x110000, 0x100000, b"ota_1", 1),
    (1, 0x82, 0x210000, 0x10000, b"store", 2),
    (0x40, 7, 0x220000, 0x1000, b"odd", 3),
]


def tables_are_read_in_both_forms():
    text = info(save("table.csv", CSV.encode()))
    binary = info(save("table.bin", table(*ROWS)))
    check(text["type"] == binary["type"] == "esp-partitions", text)
    check(text["partitions"] == binary["partitions"] and len(text["partitions"]) == 7, text["partitions"])
    said = kiln("image", "info", "table.csv")
    check("0x00110000 - 0x0020ffff" in said and "ota_1" in said, said)
    kiln("flash", "table.csv", "-d", "sim:esp32?flash=f.bin")
    flash = load("f.bin")
    check(flash[0x8000:0x8C00] == table(*ROWS), "the binary table made of the text")


def bad_tables_get_one_line():
    for words, line in (
        ("nvs,data,nvs,0x9000,0", "line 1: the size of a partition"),
        ("nvs,data,nvs,0x9000,4K\na,app,ota_16,,1M", "line 2: there is no such subtype: 'ota_16'"),
        (f"{'a' * 64},data,nvs,0x9000,4K", "no partition needs a line as long"),
        ("app,app,factory,0x11000,1M", "applications begin at multiples of 64 KB"),
        ("a,data,nvs,0x9000,0x2000\nb,data,phy,0xa000,4K", "line 2: partition 'b' at 0xa000 begins before 0xb000"),
        ("a,data,nvs,0x9000,4K,secret", "flags are encrypted and readonly"),
        ("a,data,nvs,0x9000,4G", "the size of a partition"),
        ("a,data,nvs,0xfffff800,12K", "there is no room in a flash"),
        ("a,data,nvs,0x9800,12K", "partitions begin at multiples"),
        ("\n".join(f"p{i},data,fat,,4K" for i in range(96)), "a table holds 94 partitions"),
    ):
        said = kiln("image", "info", save("bad.csv", words.encode()), status=11)
        check(line in said and said.count("\n") <= 3, f"{words!r}: {said}")
    cut = table(*ROWS)[: 32 * 3 + 10]
    check("cut short" in kiln("image", "info", save("cut.bin", cut), status=11), "a table cut short")
    damaged = bytearray(table(*ROWS))
    damaged[50] ^= 0x10
    check("damaged" in kiln("image", "info", save("bad.bin", damaged), status=11), "a table with a wrong MD5")


def merged(app=None):
    rows = ((1, 2, 0x9000, 0x3000, b"nvs"), (1, 0, 0xD000, 0x2000, b"otadata"), (1, 1, 0xF000, 0x1000, b"phy"),
            (0, 16, 0x10000, 0x100000, b"ota_0"), (0, 17, 0x110000, 0x100000, b"ota_1"))
    return blank_flash(
        0x12000,
        (0x1000, firmware("esp32-bootloader.bin")),
        (0x8000, table(*rows)),
        (0x9000, NVS),
        (0xD000, otadata(1, 0)),
        (0x10000, firmware("esp32-app-v1.bin") if app is None else app),
    )


def a_whole_flash_shows_its_parts():
    seen = info(save("all.bin", merged()))
    parts = {part["what"]: part for part in seen["parts"]}
    check(seen["type"] == "esp-merged" and seen["address"] == 0, seen)
    check(list(parts) == ["bootloader", "partition table", "nvs", "otadata", "phy", "ota_0"], list(parts))
    check(parts["bootloader"]["offset"] == 0x1000 and "program" in parts["bootloader"]["text"], parts)
    check(parts["nvs"]["text"].startswith("1 of 3 pages in use"), parts)
    check(parts["otadata"]["text"].startswith("sequence 1") and parts["phy"]["text"] == "blank", parts)
    check(parts["ota_0"]["text"].startswith("kiln-example, version 1.0.0"), parts)
    said = kiln("image", "info", "all.bin")
    check("0x00010000 - 0x000603af  ota_0" in said, said)
    app = bytearray(firmware("esp32-app-v1.bin"))
    app[100] ^= 1
    said = kiln("image", "info", save("all.bin", merged(app)), status=11)
    check(said.count("\n") <= 3 and "is wrong" in said, said)
    tail = len(firmware("esp32-app-v1.bin")) - 100
    said = kiln("image", "info", save("all.bin", merged()[: 0x10000 + tail]), status=11)
    check("cut short" in said and said.count("\n") <= 3, said)


def programs_have_their_descriptors():
    seen = info(os.path.join(FIRMWARE, "esp32-app-v1.bin"))
    check(seen["role"] == "application" and seen["app"]["project"] == "kiln-example" and seen["bootloader"] is None, seen)
    seen = info(os.path.join(FIRMWARE, "esp32-bootloader.bin"))
    check(seen["role"] == "bootloader" and seen["app"] is None, seen)


def other_verbs_take_them():
    save("all.bin", merged())
    said = kiln("image", "map", "table.csv@0x8000")
    check("ota_0" in said, said)
    kiln("image", "convert", "table.csv", "-a", "0x8000", "-o", "table.hex")
    check(info("table.hex")["address"] == 0x8000, "a table as Intel HEX")
    kiln("image", "convert", "all.bin", "-o", "all.uf2", "-t", "uf2")
    check(info("all.uf2")["type"] == "uf2", "a whole flash as UF2")
    words = [f"{FIRMWARE}/esp32-bootloader.bin@0x1000", "table.bin@0x8000", f"{FIRMWARE}/esp32-app-v1.bin@0x10000"]
    kiln("image", "merge", "-c", "esp32", *words, "-o", "merged.bin")
    check([p["what"] for p in info("merged.bin")["parts"]][-1] == "ota_0", "merged by kiln")
    kiln("image", "elf2image", "-c", "esp32", f"{FIRMWARE}/esp32-app-v1.elf", "-o", "made.bin")
    check(info("made.bin")["chip"] == "esp32", "made from an ELF file")


def hostile_files_end_well():
    """Cut and changed at random: exit status 0 or 11, and never more than a few lines of complaint."""
    dice = random.Random(5)
    originals = [merged(), otadata(3, 0), NVS, table(*ROWS), CSV.encode(), firmware("esp32-app-v1.bin")]
    for turn in range(90):
        data = bytearray(originals[turn % len(originals)])
        for _ in range(dice.randrange(4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        data = data[: dice.randrange(1, len(data) + 1)]
        done = subprocess.run([KILN, "image", "info", save("hostile.bin", data)], capture_output=True, check=False)
        check(done.returncode in (0, 11) and done.stderr.count(b"\n") <= 3, f"turn {turn}: {done}")


TESTS = [
    otadata_is_told,
    nvs_is_named,
    tables_are_read_in_both_forms,
    bad_tables_get_one_line,
    a_whole_flash_shows_its_parts,
    programs_have_their_descriptors,
    other_verbs_take_them,
    hostile_files_end_well,
]


if __name__ == "__main__":
    main(TESTS)
