#!/bin/sh
# SPDX-License-Identifier: MIT
# dfu_choose.sh KILN_SIM_USB KILN: which DFU device is meant: kiln list with every alternate setting decoded, one board by
# ids, serial number, USB port and short id, a setting by number and by name, --wait, and several boards at once of which
# some fail.
. "$(dirname "$0")/on_boards.sh"
image=$examples/stm32f405-v1.bin
head -c 5000 /dev/urandom >small.bin
mkdir bin
ln -s "$kiln" bin/kiln
PATH=$tmp/bin:$PATH

# ---- kiln list ----
on 'stm32f405 stm32f429?variant=rubbish-string maple dfu11' 0 kiln list
said 'alt 0  Internal Flash *0x08000000 *1.00 MiB  read, erase, write; 4 x 16.0 KiB, 1 x 64.0 KiB, 7 x 128.0 KiB'
said 'alt 1  Option Bytes *0x1fffc000 *16 B  read, write'
said 'alt 2  STM32duino bootloader v1.0  Upload to Flash 0x8002000'
[ "$(grep -c 'alt 0  Internal Flash' log)" = 2 ] || fail "two flash settings"
on 'stm32f405' 0 kiln list -v
said '0x08020000 *896.0 KiB = *7 x 128.0 KiB *read, erase, write'
said 'revision 2200, DFU version 1.1a (DfuSe), 2048 bytes a transfer'
on 'stm32f405 maple dfu11' 0 sh -c 'kiln list --json >list.json'
python3 - <<'EOF' || fail "list --json"
import json
rows = {row["path"]: row for row in map(json.loads, open("list.json"))}
flash, options = rows["1-1"]["settings"][:2]
assert flash["alt"] == 0 and flash["name"] == "Internal Flash" and flash["transfer_size"] == 2048, flash
assert flash["version"] == "1.1a" and flash["dfu_mode"] is True
assert [(m["address"], m["pages"], m["page"]) for m in flash["memory"]] == [
    (0x08000000, 4, 16384), (0x08010000, 1, 65536), (0x08020000, 7, 131072)], flash
assert sum(m["size"] for m in flash["memory"]) == 1 << 20
assert all(m["read"] and m["erase"] and m["write"] for m in flash["memory"])
assert options["name"] == "Option Bytes" and not options["memory"][0]["erase"] and options["memory"][0]["write"]
assert [s["alt"] for s in rows["1-2"]["settings"]] == [0, 1, 2] and rows["1-2"]["settings"][2]["memory"] == []
assert rows["1-3"]["settings"][0]["dfu_mode"] is False and rows["1-3"]["settings"][0]["name"] is None
EOF

# ---- one board ----
two='stm32f405?flash=one.bin stm32f429?flash=two.bin'
for device in usb:1-2 1-2 3768376B3234 3768376b3234; do
    rm -f one.bin two.bin
    on "$two" 0 kiln flash -d $device "$image"
    cmp -n "$(wc -c <"$image")" "$image" two.bin || fail "-d $device: not in the second board"
    [ "$(tr -d '\377' <one.bin | wc -c)" = 0 ] || fail "-d $device: the first board was written"
done
on 'stm32f405 maple' 0 kiln info -d usb:1eaf:0003
said 'Maple 003'
for device in usb:1234:5678 9-9 usb:9-9 NOBODY; do
    on "$two" 3 kiln info -d $device
    said "$device\|9-9"
done
on "$two" 2 kiln info -d usb:xyz

# Several: each with a command that works when it is pasted, also from under -d and with odd names.
cp "$image" 'a b.bin'
rm -f one.bin two.bin
on "$two" 4 kiln flash 'a b.bin'
said "kiln flash -d usb:1-1 'a b.bin'   # STM32  BOOTLOADER, serial 3267354E3231"
command=$(sed -n 's/^  \(kiln .*usb:1-2.*\)$/\1/p' log)
on "$two" 0 sh -c "$command"
cmp -n "$(wc -c <"$image")" "$image" two.bin || fail "the pasted command: $command"
on "$two" 4 kiln verify --device=usb:0483:df11 --loader rom 'a b.bin'
said "kiln verify -d usb:1-2 --loader rom 'a b.bin'   #"
on "$two" 4 sh -c 'kiln info -d usb:0483:df11 --json >error.json; status=$?; cat error.json; exit $status'
python3 -c 'import json
error = json.load(open("error.json"))
assert [c["selector"] for c in error["candidates"]] == ["usb:1-1", "usb:1-2"], error' || fail "candidates in JSON"

# ---- one setting ----
for alt in 1 "Option Bytes" "option bytes"; do
    on stm32f405 0 kiln info --alt "$alt"
    said 'Option Bytes *0x1fffc000'
    unsaid 'Internal Flash'
done
for alt in 7 Flash; do
    on stm32f405 2 kiln info --alt $alt
    said "no alternate setting \"$alt\" but 0 \"Internal Flash\", 1 \"Option Bytes\", 2 \"OTP Memory\""
done
on 'maple?flash=m.bin' 0 kiln flash --alt "STM32duino bootloader v1.0  Upload to Flash 0x8002000" small.bin
cmp -n 5000 small.bin m.bin || fail "alt by name"
on maple 2 kiln flash --alt 9 small.bin
said '2 "STM32duino bootloader'

# ---- one that is not there yet ----
rm -f one.bin
on 'stm32f405?plug=700&flash=one.bin' 0 kiln flash -w 20 "$image"
said 'Waiting for a board; Ctrl-C ends it'
cmp -n "$(wc -c <"$image")" "$image" one.bin || fail "--wait"
on 'dfu11?plug=700&flash=d.bin' 0 kiln flash --wait 0 -d usb:1209:0001 small.bin
cmp -n 5000 small.bin d.bin || fail "--wait: run-time"
on 'stm32f405?plug=700&variant=klipper' 0 kiln flash --wait 20 -d 1-1 "$image"
said '1200 baud'
on maple 3 kiln flash -w 1 -d usb:0483:df11 "$image"
said 'waited 1 s'
cat >interrupt.py <<'EOF'
import signal, subprocess, sys
program = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
assert "Waiting" in program.stdout.readline()
program.send_signal(signal.SIGINT)
sys.exit(program.wait())
EOF
for words in "-w 0" "--json -w 60"; do
    on maple 130 python3 interrupt.py kiln flash $words -d usb:0483:df11 "$image"
done

# ---- several at once ----
rm -f one.bin two.bin
three='stm32f405?flash=one.bin stm32f429?flash=two.bin&unplug=60 stm32f446?variant=rdp1'
on "$three" 9 kiln flash --all "$image"
said '2 of 3 boards failed, the others are done'
said '  usb:1-2: the USB device at 1-2 is gone'
said "  usb:1-3: cannot read: the chip's read protection is on"
said "kiln flash -d usb:1-2 -d usb:1-3 "
cmp -n "$(wc -c <"$image")" "$image" one.bin || fail "the good board"
on "$three" 7 kiln flash -q -d 1-1 -d 1-2 "$image"
said '1 of 2 boards failed'
on 'stm32f405?flash=one.bin stm32f429?flash=two.bin maple' 0 kiln flash -d 1-1 -d 1-2 "$image"
said 'All 2 boards are done'
cmp -n "$(wc -c <"$image")" "$image" two.bin || fail "the second board"
on "$three" 9 sh -c 'kiln flash --all --json "$0" >events.json' "$image"
python3 -c 'import json
events = [json.loads(line) for line in open("events.json")]
end = events[-1]
assert end["event"] == "summary" and end["done"] == 1 and end["failed"] == 2, end
assert [b["status"] for b in end["boards"]] == ["ok", "gone", "refused"], end' || fail "summary in JSON"
echo ok
