/* SPDX-License-Identifier: MIT */
/*
 * Inside of the simulated Espressif boards. What differs between the chips' boot ROMs is in the rows of
 * esp_chips.c; the model itself names no chip.
 *
 * Sources: esptool's documentation "Serial Protocol", the chips' technical reference manuals (UART, SPI,
 * eFuse registers), and what the ESP32 and ESP32-C3 boot ROMs were seen to answer in an emulator.
 */
#ifndef KILN_SIM_ESP_H
#define KILN_SIM_ESP_H

#include "sim/nor.h"
#include "sim/uart.h"

#define ZLIB_CONST
#include <zlib.h>

/* ---- chips ------------------------------------------------------------------------------------ */

#define ESP_HAS_ATTACH     1u   /* 0B, 0D, 0F and 13 */
#define ESP_HAS_DEFLATE    2u   /* 10, 11, 12 */
#define ESP_HAS_ENCRYPT    4u   /* BEGIN commands take a fifth word */
#define ESP_HAS_SLOW_READ  8u   /* 0E reads flash, 64 bytes a time */
#define ESP_ADDRESS_MSB    16u  /* the SPI address register is justified to its upper end */
#define ESP_LENGTH_IN_USR1 32u  /* SPI lengths are fields of USR1 */
#define ESP_USB_SERIAL     64u  /* has USB-Serial-JTAG: variant "usb" */
#define ESP_MAC_IN_OTP     128u /* the ESP8266's way of keeping its MAC */
#define ESP_INFLATE_SPILLS \
    256u /* the ROM writes its inflater's whole window, with what is left in it */
#define ESP_ERASES_HEAD_TWICE \
    512u /* the ROM counts the sectors up to the next block a second time */
#define ESP_NO_JUMP_IF_SECURE 1024u /* under secure boot the ROM starts nothing from RAM */

struct esp_word {
    uint32_t address, value;
};

struct esp_chip {
    const char *name;
    uint32_t magic;   /* at 40001000 */
    uint32_t chip_id; /* in the security info */
    unsigned features;
    uint8_t status_len;        /* of the ROM's replies */
    uint8_t security_info_len; /* 0: the ROM does not know the command */
    uint32_t spi_base, uart_clkdiv;
    uint8_t spi_usr, spi_w0; /* offsets */
    uint32_t uart_clock_hz, boot_baud;
    size_t flash_size;
    uint32_t boot_offset;         /* of the first image in flash */
    const struct esp_word *words; /* registers with a value after reset, ends with address 0 */
    uint32_t mac_address;         /* register of the low word of the MAC */
    struct esp_word usb_console;  /* what the ROM notes in RAM when USB-Serial-JTAG talks */
    uint32_t read_pointer;        /* word in RAM through which the ROM calls its flash read, or 0 */
    uint32_t wdt_config;          /* RTC watchdog that can reset the chip, 0: not modelled */
    const char *banner;           /* before the reset line */
    const char *run_mode, *download_mode; /* boot:0x.. (..) */
    const char *waiting;
};

extern const struct esp_chip esp_chips[];
extern const size_t esp_chip_count;

/* ---- the board --------------------------------------------------------------------------------- */

#define ESP_ROM_BLOCK_MAX 0x1800u
#define ESP_FRAME_MAX     (0x4000u + 64u)
#define ESP_FIFO          1024u /* what the ROM's receive buffer holds while it works */
#define ESP_PAGES         128u
#define ESP_PAGE          4096u
#define ESP_OUT_BUFFER    32768u

enum esp_state {
    ESP_DARK,  /* no power */
    ESP_RESET, /* EN is low */
    ESP_RUNS,  /* the application, or what the ROM says when there is none */
    ESP_ROM,   /* download mode */
    ESP_STUB,
    ESP_FLASHER /* Kiln's own */
};

/* How replies deceive, once the chip has been told to. */
enum esp_lie {
    ESP_TRUE,
    ESP_LIE_MD5,     /* a digest of something else */
    ESP_LIE_SIZE,    /* the length word claims more than there is */
    ESP_LIE_OP,      /* another command's name */
    ESP_LIE_ENDLESS, /* a frame that does not end */
    ESP_LIE_SHORT,   /* the body cut in half */
    ESP_LIE_VALUE    /* a register reads differently each time */
};

/* A download under way: FLASH, DEFL or MEM. */
struct esp_download {
    enum { ESP_NO_DOWNLOAD, ESP_TO_FLASH, ESP_DEFLATED, ESP_TO_RAM } kind;
    uint32_t address, left; /* where the next byte goes, how many are expected */
    uint32_t erased_to;     /* the stub erases as it goes: up to here */
    uint32_t erase_end;
    uint32_t window_fill; /* of the ROM's inflater */
    uint32_t next_block;  /* sequence number the ROM expects */
    uint32_t blocks_left;
    uint8_t error; /* of deferred work, for the next reply */
    bool inflating, finished;
    bool encrypted; /* the fifth word of BEGIN */
    z_stream z;
};

struct esp_read {
    bool active;
    uint32_t address, left, sent, acked, block, window;
    void *md5;
};

#define ESP_FLASHER_WINDOW 32768u
#define ESP_FLASHER_AHEAD  32768u /* what may be inflated and not yet programmed */

/* Kiln's flasher, from docs/flasher.md. Positions count from the start of the range. */
struct esp_flasher {
    bool dead, odd; /* variants: does not come up, or is another program */
    bool writing, reading, inflating;
    uint32_t address, covers, half_opcode;
    uint32_t len, stream_len;
    uint32_t got, taken, acked; /* of the stream */
    bool complained;
    uint32_t complained_at;
    uint32_t produced, programmed, erased, blank, hashed;
    uint8_t error;
    uint64_t md5_ns;    /* of what was read back just now */
    uint64_t waited_ns; /* for the bus since the last frame */
    bool more;          /* the inflater has output left, without any input */
    z_stream z;
    void *md5;
    uint8_t in[ESP_FLASHER_WINDOW], out[ESP_FLASHER_AHEAD];
};

struct esp_page {
    uint32_t base;
    uint8_t bytes[ESP_PAGE];
};

struct esp_board {
    struct kiln_sim_uart base;
    const struct esp_chip *chip;
    struct kiln_sim_knobs knobs;
    struct kiln_sim_counts counts;
    struct kiln_nor nor;
    struct kiln_sim_line to_board, to_host;
    uint32_t random;

    enum esp_state state;
    bool gone, usb, slow_reset, secure_boot;
    bool dead_flash;
    enum esp_lie lie;
    bool encryption;         /* variant encrypted: flash encryption is on, in development mode */
    bool encryption_release; /* variant encrypted-release: and download mode encrypts nothing */
    bool boot_held;          /* power-on finds GPIO0 low */
    bool synced;             /* the ROM has found the host's rate */
    bool one_block_reads;    /* the second stub's READ_FLASH, which knows no window */
    unsigned lines;
    bool usb_download; /* USB-Serial-JTAG's memory of DTR */
    uint64_t rise_ns;  /* EN goes high, UINT64_MAX if it is not on its way */
    uint64_t wdt_ns;   /* the watchdog bites, UINT64_MAX if it sleeps */
    uint64_t now_ns;   /* how far events were dealt with */
    uint64_t cpu_ns;   /* when the CPU is free; while a command runs: its own time */
    uint32_t baud, host_baud;

    uint8_t frame[ESP_FRAME_MAX + 64], pending[ESP_FRAME_MAX + 64];
    size_t frame_len, pending_len;
    bool in_frame, escaped, frame_bad, has_pending;
    uint8_t fifo[ESP_FIFO];
    size_t fifo_head, fifo_count;

    uint64_t replies;
    /* The ROM keeps these from reply to reply. */
    uint8_t reply_op, reply_error, reply_tail[2];
    uint32_t reply_value;
    bool wedged; /* the ROM hangs until reset */
    bool attached;
    struct esp_download download;
    struct esp_read read;
    struct esp_flasher flasher;
    struct esp_page *pages[ESP_PAGES];
    size_t page_count;
    uint32_t ram_low, ram_len; /* what was uploaded since the last run */
    uint8_t out[ESP_OUT_BUFFER];
    uint8_t window[ESP_OUT_BUFFER]; /* RAM of the ROM's inflater: nothing clears it */
};

/* A request as received. */
struct esp_request {
    uint8_t op;
    uint16_t size; /* as the header says */
    uint32_t checksum;
    const uint8_t
        *data;  /* at least 64 bytes may be read, what was not sent is from an older frame */
    size_t len; /* as received */
};

/* Status bytes: first is 0 for success; the ROM uses {1, code}, the stub {code, 0}. */
#define ESP_OK               0u
#define ESP_ROM_BAD_MESSAGE  0x05u
#define ESP_ROM_FAILED       0x06u
#define ESP_ROM_BAD_CHECKSUM 0x07u
#define ESP_ROM_READ_FAILED  0x09u
#define ESP_ROM_READ_LENGTH  0x0au
#define ESP_ROM_INFLATE      0x0bu
#define ESP_STUB_BAD_LENGTH  0xc0u
#define ESP_STUB_CHECKSUM    0xc1u
#define ESP_STUB_BLOCK_SIZE  0xc2u
#define ESP_STUB_COMMAND     0xc3u
#define ESP_STUB_FAILED      0xc4u
#define ESP_STUB_NOT_WRITING 0xc6u
#define ESP_STUB_INFLATE     0xc7u
#define ESP_STUB_TOO_LITTLE  0xc8u
#define ESP_STUB_TOO_MUCH    0xc9u
#define ESP_STUB_UNKNOWN     0xffu

/* esp_frame.c: SLIP and the wire */
void esp_put_text(struct esp_board *board, const char *text);
void esp_put_frame(struct esp_board *board, const uint8_t *bytes, size_t len);
void esp_put_raw(struct esp_board *board, const uint8_t *bytes, size_t len); /* no framing */
void esp_take_byte(struct esp_board *board, uint8_t byte); /* when a frame is whole: esp_execute */
void esp_clear_input(struct esp_board *board);

/* esp_command.c: one request, run by ROM or stub; cpu_ns moves on */
void esp_execute(struct esp_board *board, const uint8_t *frame, size_t len);
void esp_reply(struct esp_board *board, uint8_t op, uint32_t value, const uint8_t *data, size_t len,
               uint8_t error);
/* The two loaders' error codes for the same thing. */
uint8_t esp_error(const struct esp_board *board, uint8_t rom, uint8_t stub);

/* esp_flash.c */
uint8_t esp_flash_begin(struct esp_board *board, const struct esp_request *request);
void esp_flash_data(struct esp_board *board, const uint8_t *bytes, uint32_t len);
void esp_flash_md5(struct esp_board *board, const struct esp_request *request);
void esp_read_begin(struct esp_board *board, const struct esp_request *request);
void esp_read_more(struct esp_board *board); /* the next block, if it may go */
bool esp_read_can_go_on(const struct esp_board *board);
void esp_read_ack(struct esp_board *board, const uint8_t *frame, size_t len);
void esp_download_end(struct esp_board *board);
void esp_read_end(struct esp_board *board);

/* What a program sees of the flash: decrypted if flash encryption is on. */
void esp_flash_see(struct esp_board *board, uint32_t address, uint8_t *bytes, size_t len);

/* esp_flasher.c */
#define ESP_FLASHER_MAGIC 0x4e4c494bu /* second word of its code */
void esp_flasher_start(struct esp_board *board);
void esp_flasher_end(struct esp_board *board); /* whatever it was in the middle of */
void esp_flasher_frame(struct esp_board *board, const uint8_t *frame, size_t len, bool bad);
uint64_t esp_flasher_next_ns(const struct esp_board *board); /* UINT64_MAX: nothing to do */
void esp_flasher_work(struct esp_board *board);

/* esp_memory.c: RAM and registers */
uint32_t esp_load(struct esp_board *board, uint32_t address);
void esp_store(struct esp_board *board, uint32_t address, uint32_t value);
void esp_copy_to_ram(struct esp_board *board, uint32_t address, const uint8_t *bytes, size_t len);
void esp_memory_reset(struct esp_board *board); /* registers as after power-on; RAM is forgotten */

/* esp_boot.c: what it says after reset */
void esp_boot(struct esp_board *board, bool download);
void esp_leave_rom(struct esp_board *board); /* the ROM goes on without a reset */
void esp_run_from_ram(struct esp_board *board, uint32_t entry);

#endif
