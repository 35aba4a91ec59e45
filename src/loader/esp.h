/* SPDX-License-Identifier: MIT */
/*
 * The ESP loader inside: what its parts, and commands that go beyond the loader seam, share. Every
 * function that talks obeys the context and fills the error slot. Statuses: TIMEOUT (silent), PROTO (not
 * understandable), NAK (refused, `code` is the chip's number), and whatever the link says.
 */
#ifndef KILN_LOADER_ESP_H
#define KILN_LOADER_ESP_H

#include "chip/esp.h"
#include "loader/loader.h"
#include "wire/esp.h"
#include "wire/flasher.h"
#include "wire/slip.h"

#include <kiln/esp.h>

#define KILN_ESP_FLASH_PAGE  4096u
#define KILN_ESP_FLASH_BLOCK 65536u

#define KILN_ESP_BOOT_BAUD 115200u

#define KILN_ESP_WRITE_BLOCK     0x4000u
#define KILN_ESP_ROM_WRITE_BLOCK 0x400u
#define KILN_ESP_ROM_FLASH_MAX   (16u << 20) /* what a ROM can address */
#define KILN_ESP_RAM_BLOCK       0x1800u
#define KILN_ESP_OTG_BLOCK       0x800u
#define KILN_ESP_FRAME_MAX       0x4400u
#define KILN_ESP_LOG_MAX         1024u
#define KILN_ESP_WORDS_MAX       32u
#define KILN_ESP_WRITTEN_MAX     16u

enum kiln_esp_port { KILN_ESP_PORT_UART, KILN_ESP_PORT_OTG, KILN_ESP_PORT_USB_JTAG };

struct kiln_esp {
    struct kiln_loader base;
    struct kiln_byte_link *link;
    struct kiln_loader_options options; /* strings are copies of ours */
    struct kiln_reset_sequence custom_reset, custom_run;
    struct kiln_reset_sequence delayed[2]; /* the usual ones with the user's delay */
    struct kiln_esp_timing timing;         /* no field is 0 save reset_delay_ms */
    const struct kiln_chip *chip;
    const struct kiln_esp_facts *facts;
    struct kiln_esp_security security;
    bool has_security;
    bool stub;           /* a helper runs in RAM, not the ROM: the vendor's stub or ... */
    bool flasher;        /* ... Kiln's own flasher */
    bool flasher_failed; /* it did not start or died, and is not tried again */
    uint32_t flasher_window, flasher_frame;
    struct {
        uint64_t address, len;
        uint8_t md5[16];
    } written[KILN_ESP_WRITTEN_MAX]; /* by the flasher, and read back by it since */
    size_t written_count;
    bool deferred;        /* it is not started before there is enough work for it */
    uint64_t rom_work;    /* bytes written or read while it is deferred */
    bool secure_download; /* the ROM answers only a few commands */
    bool found_stub;      /* it ran before we came */
    bool wrote;           /* flash was written through the stub */
    bool rom_proven;      /* the ROM was held to be able to work at this rate */
    bool touched;         /* the flash may have changed */
    bool left;
    unsigned revision; /* major * 100 + minor */
    enum kiln_esp_port port;
    uint32_t baud;                             /* in use now */
    const struct kiln_reset_sequence *entered; /* that brought the chip in; NULL: none was needed */
    uint32_t pins; /* of the flash, as SPI_ATTACH takes them; 0: the usual ones */
    uint32_t flash_id;
    uint64_t flash_size;
    bool has_flash;
    /* For the next kiln_esp_attach() alone: its id is known and it has not been reset since. */
    bool flash_awake;
    struct kiln_target_info info;
    struct {
        uint32_t address, value;
    } word[KILN_ESP_WORDS_MAX]; /* registers that do not change: eFuses */
    size_t word_count;
    uint8_t last_op; /* of the last reply */
    struct {
        bool open;      /* the reply to a request is still out */
        uint32_t syncs; /* as many replies to SYNCs may be, at most ... */
        uint32_t older; /* ... and as many of these to SYNCs that went before the last request */
    } late;             /* esp_step.c */
    struct kiln_slip_decoder rx;
    uint8_t rx_frame[KILN_ESP_FRAME_MAX];
    uint8_t rx_bytes[4096];
    size_t rx_have, rx_at;
    uint8_t tx[KILN_SLIP_ROOM(KILN_ESP_FRAME_MAX)];
    uint8_t log[KILN_ESP_LOG_MAX]; /* what came before the first reply: a boot log, perhaps */
    size_t log_len;
};

/* ---- commands (esp_command.c) ------------------------------------------------------------------ */

/* One request and what is expected back. */
struct kiln_esp_call {
    uint8_t op;
    const uint8_t *head; /* at most 64 bytes, or NULL */
    size_t head_len;
    const uint8_t *data; /* follows the head */
    size_t data_len;
    bool checksum; /* of `data`, as the *_DATA commands have it */
    uint32_t
        timeout_ms;   /* on top of the time that the bytes need on the wire; 0: timing.reply_ms */
    unsigned tries;   /* > 1: sent again after silence; only for what may be done twice */
    const char *what; /* "read register 0x40001000": for messages, in the infinitive */
};

/* Sends and waits for the reply with the same opcode. The reply is valid until the next call and not yet
 * judged. */
KILN_MUST_USE enum kiln_status kiln_esp_exchange(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                 const struct kiln_esp_call *call,
                                                 struct kiln_esp_reply *out_reply);

/* The same, with a refusal as NAK. */
KILN_MUST_USE enum kiln_status kiln_esp_command(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                const struct kiln_esp_call *call);

/* A command of words only. */
KILN_MUST_USE enum kiln_status kiln_esp_words(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                              uint8_t op, const uint32_t *words, size_t count,
                                              uint32_t timeout_ms, const char *what);

/* Makes the error slot from a verdict. */
KILN_MUST_USE enum kiln_status kiln_esp_refused(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                enum kiln_esp_verdict verdict, unsigned error,
                                                const char *what);

/* Sends a bare frame; waits for any frame (in esp->rx.frame, esp->rx.len). */
KILN_MUST_USE enum kiln_status kiln_esp_send_frame(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                   const uint8_t *bytes, size_t len);
KILN_MUST_USE enum kiln_status kiln_esp_next_frame(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                   uint32_t timeout_ms, const char *what);

/* One SYNC goes out. */
KILN_MUST_USE enum kiln_status kiln_esp_send_sync(struct kiln_esp *esp, struct kiln_ctx *ctx);

/* Drops everything received, in the link and here. */
KILN_MUST_USE enum kiln_status kiln_esp_flush(struct kiln_esp *esp, struct kiln_ctx *ctx);

/* True for statuses after which the same thing may be tried again: TIMEOUT and PROTO while time is left,
 * and a NAK for a damaged frame. */
bool kiln_esp_may_retry(struct kiln_ctx *ctx, enum kiln_status status);

/* The same, and above the boot rate any refusal: it may well mean that the request came damaged. */
bool kiln_esp_line_trouble(const struct kiln_esp *esp, struct kiln_ctx *ctx,
                           enum kiln_status status);

KILN_MUST_USE enum kiln_status kiln_esp_read_reg(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                 uint32_t address, uint32_t *out_value);

/* One entry of a write: the pause comes first, then reg = (reg & ~mask) | (value & mask). */
struct kiln_esp_reg_write {
    uint32_t address, value, mask, delay_us;
};

/* All of them, in one request where the stub can, in order. */
KILN_MUST_USE enum kiln_status kiln_esp_write_regs(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                   const struct kiln_esp_reg_write *writes,
                                                   size_t count);
KILN_MUST_USE enum kiln_status kiln_esp_write_reg(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                  uint32_t address, uint32_t value);

/* Reads registers that do not change, many at once, so that they need not be waited for one by one. It is no error if
 * that does not work: each is then read when it is needed. */
KILN_MUST_USE enum kiln_status kiln_esp_fetch(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                              const uint32_t *addresses, size_t count);

/* A field or a value from registers that do not change; each register is read once. */
KILN_MUST_USE enum kiln_status kiln_esp_bits(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                             const struct kiln_esp_bits *bits, uint32_t *out_value);
KILN_MUST_USE enum kiln_status kiln_esp_value(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                              const struct kiln_esp_value *value,
                                              uint32_t *out_value);

/* Puts `len` bytes into the chip's RAM; run(entry) with kiln_esp_mem_run(). */
KILN_MUST_USE enum kiln_status kiln_esp_mem_write(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                  uint32_t address, const uint8_t *bytes,
                                                  size_t len);
/* Starts code in RAM. A ROM may not answer; that is no error. */
KILN_MUST_USE enum kiln_status kiln_esp_mem_run(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                uint32_t entry);

/* ---- requests and replies in step (esp_step.c) ---------------------------------------------------- */

#define KILN_ESP_SYNC_REPLIES 8u /* to one SYNC, at most */

/* SYNC until a reply proves that nothing older is under way any more. TIMEOUT once one SYNC stays without any reply. */
KILN_MUST_USE enum kiln_status kiln_esp_sync(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* The same with patience, without a reset. */
KILN_MUST_USE enum kiln_status kiln_esp_resync(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* A request other than SYNC goes out now. Until its reply is there the next kiln_esp_exchange() begins with a resync. */
void kiln_esp_expect(struct kiln_esp *esp);
/* The reply to it is there, and so is everything older. */
void kiln_esp_in_step(struct kiln_esp *esp);
/* What answers from now on is not what answered before. */
void kiln_esp_was_reset(struct kiln_esp *esp);
/* How long to wait for the reply to a request that takes the chip no time: `ms`, more over a network. */
uint32_t kiln_esp_patience_ms(const struct kiln_esp *esp, uint32_t ms);
bool kiln_esp_is_far(const struct kiln_esp *esp);

/* ---- entering (esp_connect.c, esp_reset.c) -------------------------------------------------------- */

/* Resets as the options say until the chip answers SYNC; esp->stub says who answers. */
KILN_MUST_USE enum kiln_status kiln_esp_enter(struct kiln_esp *esp, struct kiln_ctx *ctx);

KILN_MUST_USE enum kiln_status kiln_esp_run_sequence(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                     const struct kiln_reset_sequence *sequence);

/* Makes an ESP loader that has not talked to anybody yet; FIRST kiln_esp_find(), then kiln_esp_equip(). */
KILN_MUST_USE enum kiln_status kiln_esp_create(struct kiln_ctx *ctx, struct kiln_byte_link *link,
                                               const struct kiln_loader_options *options,
                                               struct kiln_esp **out_esp);
/* Fields that are not 0 replace the defaults. */
void kiln_esp_set_timing(struct kiln_esp *esp, const struct kiln_esp_timing *timing);
/* Fills in esp->info from what is known by now. */
void kiln_esp_fill_info(struct kiln_esp *esp);

/* Enters and identifies, at the boot rate. */
KILN_MUST_USE enum kiln_status kiln_esp_find(struct kiln_esp *esp, struct kiln_ctx *ctx);

/* Changes the rate and starts the stub; steps the rate down from `baud` on a bad line. */
KILN_MUST_USE enum kiln_status kiln_esp_equip(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                              uint32_t baud);

/* Both. Also used to start over in the middle of a job. */
KILN_MUST_USE enum kiln_status kiln_esp_bring_up(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                 uint32_t baud);

/* Gets going again after a transfer went wrong: resync, else a lower rate, else a reset. */
KILN_MUST_USE enum kiln_status kiln_esp_recover(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                unsigned attempt);

/* ---- identity (esp_detect.c) ----------------------------------------------------------------------- */

KILN_MUST_USE enum kiln_status kiln_esp_security_info(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                      struct kiln_esp_security *out);
/* Which chip: fills chip, facts, security, secure_download. REFUSED if it is not the one asked for. */
KILN_MUST_USE enum kiln_status kiln_esp_detect(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* Revision and console port, watchdogs off where they would strike, flash power on. */
KILN_MUST_USE enum kiln_status kiln_esp_settle(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* Title, features, MAC, crystal into esp->info. */
KILN_MUST_USE enum kiln_status kiln_esp_describe(struct kiln_esp *esp, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_esp_mac(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                            uint8_t out_mac[8], size_t *out_len);
/* Measured, under the ROM, where it is not fixed; 0 if the chip does not tell. */
KILN_MUST_USE enum kiln_status kiln_esp_crystal(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                uint32_t *out_mhz);
/* What comes of a question about `what`: where the options want it, a refusal is noted, and OK then. */
KILN_MUST_USE enum kiln_status kiln_esp_spare(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                              enum kiln_status status, const char *what);
/* Adds a line to info.notes. */
void kiln_esp_note(struct kiln_esp *esp, const char *format, ...) KILN_PRINTF(2, 3);

/* ---- protection (esp_security.c) ---------------------------------------------------------------- */

KILN_MUST_USE enum kiln_status kiln_esp_protection(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                   bool all, struct kiln_protection *out);
KILN_MUST_USE enum kiln_status kiln_esp_protection_op(struct kiln_loader *self,
                                                      struct kiln_ctx *ctx, bool all,
                                                      struct kiln_protection *out);
KILN_MUST_USE enum kiln_status kiln_esp_write_encrypted(struct kiln_loader *self,
                                                        struct kiln_ctx *ctx, uint64_t address,
                                                        const uint8_t *bytes, size_t len,
                                                        const struct kiln_progress *progress);

/* ---- rate (esp_baud.c) ------------------------------------------------------------------------------- */

/* The rate to begin with, from the options and the link; KILN_ESP_BOOT_BAUD for no change. */
uint32_t kiln_esp_first_baud(const struct kiln_esp *esp);
/* The next slower rate, 0 below the boot rate. */
uint32_t kiln_esp_slower(uint32_t baud);
#define KILN_ESP_PROBES       7u
#define KILN_ESP_FIRST_PROBES 2u
/* Whether words that were read at the boot rate and do not change read the same: registers and most requests have no
 * checksum. Probes number `from` to `to` - 1. */
KILN_MUST_USE enum kiln_status kiln_esp_prove(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                              size_t from, size_t to);
/* Tells chip and link. After an error the two may disagree. */
KILN_MUST_USE enum kiln_status kiln_esp_change_baud(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                    uint32_t baud);
/* Tries rates above the present one if the user left the choice to us, and keeps what holds. */
KILN_MUST_USE enum kiln_status kiln_esp_speed_up(struct kiln_esp *esp, struct kiln_ctx *ctx);

/* ---- stub (esp_stub.c, esp_stub_file.c) ----------------------------------------------------------------- */

struct kiln_esp_stub_image {
    uint8_t *text, *data; /* malloc'ed */
    size_t text_len, data_len;
    uint32_t text_start, data_start, bss_start, entry;
};

/* Reads the JSON form. FILE with what is wrong. */
KILN_MUST_USE enum kiln_status kiln_esp_stub_parse(struct kiln_ctx *ctx, const char *json,
                                                   size_t len, struct kiln_esp_stub_image *out);
void kiln_esp_stub_dispose(struct kiln_esp_stub_image *image);
/* Looks in the user's folder, else in the built-in places. FILE or IO if there is none. */
KILN_MUST_USE enum kiln_status kiln_esp_stub_load(struct kiln_ctx *ctx, const char *user_dir,
                                                  const char *name,
                                                  struct kiln_esp_stub_image *out);
/* What runs instead of the ROM. */
const char *kiln_esp_helper_name(const struct kiln_esp *esp);
/* Why no stub may run on this chip as it is, NULL if one may. */
const char *kiln_esp_no_stub_reason(const struct kiln_esp *esp);
/* Decides whether the stub can wait: unchanged flash and small edits need no more than the ROM. */
void kiln_esp_defer_stub(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* To be called before work on `bytes` of flash: starts a deferred stub if that is quicker. */
KILN_MUST_USE enum kiln_status kiln_esp_stub_for(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                 uint64_t bytes);
/* The loader's op: more work than the ROM is good for brings the stub at once. */
KILN_MUST_USE enum kiln_status kiln_esp_prepare(struct kiln_loader *self, struct kiln_ctx *ctx,
                                                uint64_t bytes);
/* Starts a deferred stub now. */
KILN_MUST_USE enum kiln_status kiln_esp_stub_now(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* Uploads and starts the stub if one may run; without one adds a note and stays with the ROM. */
KILN_MUST_USE enum kiln_status kiln_esp_start_stub(struct kiln_esp *esp, struct kiln_ctx *ctx);

/* ---- Kiln's own flasher (esp_flasher.c, esp_flasher_image.c) ------------------------------------------- */

struct kiln_flasher_image {
    const char *chip;
    const uint8_t *code;
    size_t len;
    uint32_t address; /* of the first byte, which is the entry */
};

/* NULL if this program was built without one for the chip. */
const struct kiln_flasher_image *kiln_flasher_image(const char *chip);
/* Whether that was for want of a compiler. */
bool kiln_flasher_left_out(const char *chip);
/* Whether it may and should run on this chip in this session. */
bool kiln_esp_wants_flasher(const struct kiln_esp *esp);
/* Notes why it cannot, although it was asked for, if something else than the ROM can. */
void kiln_esp_note_no_flasher(struct kiln_esp *esp);
/* Uploads and starts it. If it does not come up, the chip must be reset, and it is not wanted any more. */
KILN_MUST_USE enum kiln_status kiln_esp_start_flasher(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* Back into the boot ROM, where nothing else can do that. */
void kiln_esp_flasher_reset(struct kiln_esp *esp, struct kiln_ctx *ctx);

/* What a range is to hold: FF from `len` on. `address` and `covers` are whole pages, `deflated` is raw deflate data. */
struct kiln_esp_flasher_stream {
    uint64_t address;
    size_t len, covers;
    const uint8_t *deflated;
    size_t deflated_len;
};

/* What is known of this range from a write does not hold any more. */
void kiln_esp_forget_written(struct kiln_esp *esp, uint64_t address, uint64_t len);
/* Erases, writes and reads back; what was read back is then in esp->written. */
KILN_MUST_USE enum kiln_status kiln_esp_flasher_write(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                      const struct kiln_esp_flasher_stream *stream,
                                                      const struct kiln_progress *progress);
KILN_MUST_USE enum kiln_status kiln_esp_flasher_erase(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                      uint64_t address, uint64_t len);
/* MD5 of each `unit` bytes of the range, the first `each` bytes of it; `out` has room for all. */
KILN_MUST_USE enum kiln_status kiln_esp_flasher_hash(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                     uint64_t address, uint64_t len, uint32_t unit,
                                                     uint8_t *out, size_t each);
KILN_MUST_USE enum kiln_status kiln_esp_flasher_read(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                     uint64_t address, uint8_t *bytes, size_t len,
                                                     const struct kiln_progress *progress,
                                                     uint64_t done);

/* ---- flash (esp_spi.c, esp_flash.c, esp_read.c) ------------------------------------------------------------ */

/* Connects the flash pins, reads its id, finds its size, tells the loader. */
KILN_MUST_USE enum kiln_status kiln_esp_attach(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* The same, and on trouble again, at lower rates in the end. */
KILN_MUST_USE enum kiln_status kiln_esp_attach_surely(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* The first of these alone. */
KILN_MUST_USE enum kiln_status kiln_esp_attach_pins(struct kiln_esp *esp, struct kiln_ctx *ctx);

/* One SPI flash command through the controller's registers. At most 64 bytes each way. */
struct kiln_esp_spi_command {
    uint8_t opcode;
    uint32_t address;
    uint8_t address_bits; /* 0: none */
    uint8_t dummy_bits;
    const uint8_t *out;
    size_t out_len;
    uint8_t *in;
    size_t in_len;
};

KILN_MUST_USE enum kiln_status kiln_esp_spi(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                            const struct kiln_esp_spi_command *command);
/* JEDEC id: manufacturer in bits 0-7, type in 8-15, capacity in 16-23. */
KILN_MUST_USE enum kiln_status kiln_esp_flash_id(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                 uint32_t *out_id);
/* Bytes, 0 if the id does not say. */
uint64_t kiln_esp_flash_size_of(uint32_t id);

/* Gets the flash going after odd starts: reset, then the cure for an XMC chip that did not come up. Neither
 * is an error if it does not work. Not in secure download mode. */
KILN_MUST_USE enum kiln_status kiln_esp_wake_flash(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* Puts the flash chip back into the state that it has after power-on, where it knows how. */
KILN_MUST_USE enum kiln_status kiln_esp_reset_flash(struct kiln_esp *esp, struct kiln_ctx *ctx);
/* SFDP bytes, at most 64. */
KILN_MUST_USE enum kiln_status kiln_esp_read_sfdp(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                  uint32_t address, uint8_t *bytes, size_t count);
/* Status registers 1 to `count` of 3, the first in the low byte. */
KILN_MUST_USE enum kiln_status kiln_esp_read_status(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                    unsigned count, uint32_t *out_value);
KILN_MUST_USE enum kiln_status kiln_esp_write_status(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                     unsigned count, uint32_t value,
                                                     bool non_volatile);

/* Range inside the flash; ARG otherwise. */
KILN_MUST_USE enum kiln_status kiln_esp_check_range(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                    uint64_t address, uint64_t len);
uint32_t kiln_esp_time_for(const struct kiln_esp *esp, uint32_t per_mb_ms, uint64_t bytes);

KILN_MUST_USE enum kiln_status kiln_esp_erase(struct kiln_loader *self, struct kiln_ctx *ctx,
                                              uint64_t address, uint64_t len,
                                              const struct kiln_progress *progress);
KILN_MUST_USE enum kiln_status kiln_esp_erase_all(struct kiln_loader *self, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_esp_write(struct kiln_loader *self, struct kiln_ctx *ctx,
                                              uint64_t address, const uint8_t *bytes, size_t len,
                                              const struct kiln_progress *progress);
/* How one region is written. */
struct kiln_esp_write_form {
    bool plain; /* no compression */
    bool
        encrypted; /* by the chip: nothing is left out, address and length are as the chip wants them */
    bool lone_sector; /* a ROM that erases two at least may do so; else that is refused */
};

/* Writes as kiln_esp_write() does; *out_wire is how many bytes of data went out. */
KILN_MUST_USE enum kiln_status kiln_esp_write_as(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                 uint64_t address, const uint8_t *bytes, size_t len,
                                                 struct kiln_esp_write_form form,
                                                 const struct kiln_progress *progress,
                                                 uint64_t *out_wire);

/* Lengths of the blocks, at most KILN_ESP_WRITE_BLOCK, that get a compressed stream through a stub soonest (esp_cut.c).
 * malloc'ed; NULL if there is no memory or the stream does not inflate. */
struct kiln_esp_cut_stream {
    const uint8_t *zlib;
    size_t zlib_len;
    uint64_t address;
    size_t len; /* of what comes out */
    uint32_t baud;
};
uint32_t *kiln_esp_cut(const struct kiln_esp_cut_stream *stream, size_t *out_count);

KILN_MUST_USE enum kiln_status kiln_esp_read(struct kiln_loader *self, struct kiln_ctx *ctx,
                                             uint64_t address, uint8_t *bytes, size_t len,
                                             const struct kiln_progress *progress);
KILN_MUST_USE enum kiln_status kiln_esp_digest(struct kiln_loader *self, struct kiln_ctx *ctx,
                                               uint64_t address, uint64_t len, uint8_t out_md5[16]);
KILN_MUST_USE enum kiln_status kiln_esp_digests(struct kiln_loader *self, struct kiln_ctx *ctx,
                                                uint64_t address, uint64_t len, uint32_t unit,
                                                uint8_t *out, size_t each);

/* ---- leaving (esp_leave.c) ------------------------------------------------------------------------------------ */

KILN_MUST_USE enum kiln_status kiln_esp_leave(struct kiln_loader *self, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_esp_abandon(struct kiln_loader *self, struct kiln_ctx *ctx);
KILN_MUST_USE enum kiln_status kiln_esp_run(struct kiln_loader *self, struct kiln_ctx *ctx,
                                            uint64_t address);

/* Every chip of the family encrypts its flash while an odd number of bits of this eFuse counter is burnt. */
static inline bool kiln_esp_encrypts(uint32_t crypt_count)
{
    return __builtin_parity(crypt_count) != 0;
}

static inline struct kiln_esp *kiln_esp_of(struct kiln_loader *loader)
{
    return (struct kiln_esp *)loader;
}

/* ---- details (esp_details.c) ------------------------------------------------------------------------ */

KILN_MUST_USE enum kiln_status kiln_esp_details(struct kiln_loader *self, struct kiln_ctx *ctx,
                                                struct kiln_details *out_details);
/* Who decides about the flash's supply, and what it is: `supply_by` and `supply_mv`. "" where it is not known. */
KILN_MUST_USE enum kiln_status kiln_esp_flash_supply(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                     struct kiln_event_flash *out_flash);
/* Data lines of the flash as eFuses have it, 4 or 8; 0 where they do not say. */
KILN_MUST_USE enum kiln_status kiln_esp_flash_lines(struct kiln_esp *esp, struct kiln_ctx *ctx,
                                                    unsigned *out_lines);

/* ---- memory (esp_ram.c) ----------------------------------------------------------------------------- */

KILN_MUST_USE enum kiln_status kiln_esp_read_memory(struct kiln_loader *self, struct kiln_ctx *ctx,
                                                    uint64_t address, uint8_t *bytes, size_t len,
                                                    const struct kiln_progress *progress);
KILN_MUST_USE enum kiln_status kiln_esp_write_register(struct kiln_loader *self,
                                                       struct kiln_ctx *ctx, uint64_t address,
                                                       uint32_t value, uint32_t mask);
KILN_MUST_USE enum kiln_status kiln_esp_write_memory(struct kiln_loader *self, struct kiln_ctx *ctx,
                                                     uint64_t address, const uint8_t *bytes,
                                                     size_t len);
KILN_MUST_USE enum kiln_status kiln_esp_run_memory(struct kiln_loader *self, struct kiln_ctx *ctx,
                                                   uint64_t entry);

#endif
