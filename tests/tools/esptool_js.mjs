// SPDX-License-Identifier: MIT
// Espressif's esptool-js as client of the simulated chips: node esptool_js.mjs BUNDLE KILN FOLDER [CHIP...]
// It finds the chip, reads its MAC, starts its own stub, writes two files, has the chip hash them and reads one back.
// Fails if the simulator does not answer as esptool-js expects of the chip, if Kiln reads another MAC, or if the
// flash that the board leaves behind is not exactly the two files in erased memory. One line a chip.
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, connect as connectTo } from 'node:net';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const [bundle, kiln, folder, ...wanted] = process.argv.slice(2);
const { ESPLoader, Transport } = await import(pathToFileURL(bundle).href);

// On the ESP8266, esptool-js 0.7 writes the length of the flash chip's answer over SPI_CMD (a register offset that should
// be null is 0), so it cannot read the flash chip's ID there and has to be told the size.
const BOARDS = {
    esp8266: { name: 'ESP8266', crystal: 26, size: 4 << 20, told: '4MB' },
    esp32: { name: 'ESP32', crystal: 40, size: 4 << 20 },
    esp32s3: { name: 'ESP32-S3', crystal: 40, size: 8 << 20 },
    esp32c3: { name: 'ESP32-C3', crystal: 40, size: 4 << 20 },
    esp32c6: { name: 'ESP32-C6', crystal: 40, size: 4 << 20 },
    esp32p4: { name: 'ESP32-P4', crystal: 40, size: 16 << 20 },
};
const LIMIT_MS = 120000; // for one chip
const BAUD = { rom: 115200, fast: 921600 };

// What esptool-js says is shown only when something fails; its trace goes to the console whatever it is told.
let said = [];
console.log = (...words) => said.push(words.join(' '));
const terminal = { clean: () => {}, writeLine: (line) => said.push(line), write: (text) => said.push(text) };

function check(holds, what) {
    if (!holds) throw new Error(what);
}

function md5(bytes) {
    return createHash('md5').update(bytes).digest('hex');
}

// A Web Serial port at the far end of a TCP connection, which has neither control lines nor a speed.
class SocketPort {
    constructor(number) {
        this.number = number;
        this.speeds = [];
        this.readable = null;
        this.writable = null;
    }

    async open(options) {
        this.speeds.push(options.baudRate);
        this.socket = connectTo(this.number, '127.0.0.1');
        await once(this.socket, 'connect');
        this.socket.setNoDelay(true);
        this.readable = Readable.toWeb(this.socket);
        this.writable = Writable.toWeb(this.socket);
    }

    async close() {
        this.readable = null;
        this.writable = null;
        this.socket.destroy();
    }

    async setBaudRate(speed) {
        this.speeds.push(speed);
    }

    async setSignals() {}

    getInfo() {
        return {};
    }
}

async function freePort() {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    server.close();
    await once(server, 'close');
    return port;
}

// A fresh board that keeps its flash in a file; resolves when it listens.
async function startBoard(chip, file, number) {
    const board = spawn(kiln, ['sim', `${chip}?flash=${file}`, '--tcp', String(number)], { stdio: ['ignore', 'pipe', 'pipe'] });
    board.text = '';
    board.ended = once(board, 'exit');
    const listens = new Promise((resolve, reject) => {
        const take = (part) => {
            board.text += part;
            if (/^board at /m.test(board.text)) resolve();
        };
        board.stdout.on('data', take);
        board.stderr.on('data', take);
        board.on('exit', () => reject(new Error(`kiln sim ${chip} ended: ${board.text}`)));
        board.on('error', reject);
    });
    await listens;
    return board;
}

function macThatKilnReads(chip) {
    const lines = execFileSync(kiln, ['info', '-d', `sim:${chip}`, '--json'], { encoding: 'utf8' }).trim().split('\n');
    const device = lines.map((line) => JSON.parse(line)).find((event) => event.event === 'device');
    return device.serial.toLowerCase();
}

async function refusal(promise) {
    try {
        await promise;
    } catch (error) {
        return error.message;
    }
    return 'nothing';
}

async function session(chip, number, files) {
    const { name, crystal, size, told } = BOARDS[chip];
    const port = new SocketPort(number);
    const loader = new ESPLoader({
        transport: new Transport(port),
        baudrate: BAUD.fast,
        romBaudrate: BAUD.rom,
        terminal,
    });
    await loader.main('no_reset');
    check(loader.chip.CHIP_NAME === name, `found ${loader.chip.CHIP_NAME}, not ${name}`);
    check(loader.IS_STUB && said.includes('Stub running...'), 'the stub does not run');
    check(port.speeds.join() === `${BAUD.rom},${BAUD.fast}`, `speeds of the port: ${port.speeds}`);
    check(said.includes(`Crystal is ${crystal}MHz`), `not a crystal of ${crystal} MHz`);
    const mac = await loader.chip.readMac(loader);
    const wantedMac = macThatKilnReads(chip);
    check(mac.toLowerCase() === wantedMac, `MAC ${mac}; Kiln reads ${wantedMac}`);
    const flashSize = told ?? (await loader.detectFlashSize());
    check(loader.flashSizeBytes(String(flashSize)) === size, `flash of ${flashSize}`);

    const write = (fileArray, hash) =>
        loader.writeFlash({
            fileArray,
            flashSize,
            flashMode: 'keep',
            flashFreq: 'keep',
            eraseAll: false,
            compress: true,
            calculateMD5Hash: hash,
        });
    await write(files, md5);
    check(said.filter((line) => line === 'Hash of data verified.').length === files.length, 'not every file was hashed');
    // The same again with the hash of something else must be refused, or the hash means nothing.
    const reason = await refusal(write([files[1]], () => md5('something else')));
    check(reason.startsWith('MD5 of file does not match'), `a wrong hash is met with: ${reason}`);

    const back = await loader.readFlash(files[0].address, files[0].data.length);
    check(Buffer.compare(Buffer.from(back), files[0].data) === 0, 'what was read back is not what was written');
    await loader.transport.disconnect();
    return `${name}, MAC ${mac}, ${told ? 'told' : 'found'} ${flashSize} of flash`;
}

async function round(chip) {
    check(chip in BOARDS, 'no such board here');
    const files = [
        { address: 0x10000, data: randomBytes(70001) },
        { address: 0x200000, data: Buffer.alloc(9000, 0x55) },
    ];
    const file = join(folder, `${chip}.bin`);
    const number = await freePort();
    const board = await startBoard(chip, file, number);
    let timer;
    const late = new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`not done in ${LIMIT_MS / 1000} s`)), LIMIT_MS);
    });
    let about;
    try {
        about = await Promise.race([session(chip, number, files), late]);
    } finally {
        clearTimeout(timer);
        board.kill();
        await board.ended;
    }
    const image = Buffer.alloc(BOARDS[chip].size, 0xff);
    for (const { address, data } of files) data.copy(image, address);
    const flash = readFileSync(file);
    check(flash.length === image.length, `${flash.length} bytes of flash, not ${image.length}`);
    const at = flash.findIndex((byte, i) => byte !== image[i]);
    check(at < 0, `flash differs from 0x${at.toString(16)} on: 0x${flash[at]?.toString(16)}, not 0x${image[at]?.toString(16)}`);
    return about;
}

let failures = 0;
for (const chip of wanted.length ? wanted : Object.keys(BOARDS)) {
    said = [];
    try {
        process.stdout.write(`ok      ${chip}: ${await round(chip)}\n`);
    } catch (error) {
        failures += 1;
        process.stdout.write(`FAILED  ${chip}: ${error.message}\n`);
        for (const line of said.slice(-15)) process.stdout.write(`    ${line}\n`);
    }
}
process.exit(failures ? 1 : 0);
