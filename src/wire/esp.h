/* SPDX-License-Identifier: MIT */
/*
 * Requests and replies of the ESP serial bootloader: the boot ROMs and the flasher stubs ("Serial
 * protocol" in Espressif's esptool documentation; ESP32 boot ROM). Layouts only, no I/O.
 */
#ifndef KILN_WIRE_ESP_H
#define KILN_WIRE_ESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kiln_esp_op {
    KILN_ESP_FLASH_BEGIN = 0x02,
    KILN_ESP_FLASH_DATA = 0x03,
    KILN_ESP_FLASH_END = 0x04,
    KILN_ESP_MEM_BEGIN = 0x05,
    KILN_ESP_MEM_END = 0x06,
    KILN_ESP_MEM_DATA = 0x07,
    KILN_ESP_SYNC = 0x08,
    KILN_ESP_WRITE_REG = 0x09,
    KILN_ESP_READ_REG = 0x0a,
    KILN_ESP_SPI_SET_PARAMS = 0x0b,
    KILN_ESP_SPI_ATTACH = 0x0d,
    KILN_ESP_READ_FLASH_SLOW = 0x0e,
    KILN_ESP_CHANGE_BAUD = 0x0f,
    KILN_ESP_FLASH_DEFL_BEGIN = 0x10,
    KILN_ESP_FLASH_DEFL_DATA = 0x11,
    KILN_ESP_FLASH_DEFL_END = 0x12,
    KILN_ESP_FLASH_MD5 = 0x13,
    KILN_ESP_GET_SECURITY_INFO = 0x14,
    KILN_ESP_ERASE_FLASH = 0xd0, /* this one and the following: stub only */
    KILN_ESP_ERASE_REGION = 0xd1,
    KILN_ESP_READ_FLASH = 0xd2,
    KILN_ESP_RUN_USER_CODE = 0xd3
};

#define KILN_ESP_HEADER_LEN    8u
#define KILN_ESP_SYNC_LEN      36u
#define KILN_ESP_DATA_HEAD_LEN 16u
#define KILN_ESP_WRITE_REG_LEN 16u
#define KILN_ESP_CHECKSUM_SEED 0xefu
#define KILN_ESP_SLOW_READ_LEN 64u
#define KILN_ESP_SECURITY_MAX  20u

/* Error numbers as kiln_esp_reply::error gives them (first status byte, then second). */
#define KILN_ESP_ERROR_UNKNOWN_COMMAND 0x0105
#define KILN_ESP_ERROR_BAD_CHECKSUM    0x0107
#define KILN_ESP_ERROR_STUB_CHECKSUM   0xc100
#define KILN_ESP_ERROR_STUB_COMMAND    0xc300

void kiln_esp_put_header(uint8_t out[KILN_ESP_HEADER_LEN], uint8_t op, size_t body_len,
                         uint32_t checksum);

/* Checksum of the payload of a *_DATA request. */
uint8_t kiln_esp_checksum(const uint8_t *bytes, size_t len);

void kiln_esp_put_sync(uint8_t out[KILN_ESP_SYNC_LEN]);

/* `count` words, for requests that are nothing else. */
void kiln_esp_put_words(uint8_t *out, const uint32_t *words, size_t count);

struct kiln_esp_reply {
    uint8_t op;
    uint32_t value;
    const uint8_t *body; /* everything behind the header, the status included; in the frame */
    size_t body_len;
};

/* False if the frame is no reply. Believes the smaller of what the header says and what is there. */
bool kiln_esp_parse_reply(const uint8_t *frame, size_t len, struct kiln_esp_reply *out_reply);

enum kiln_esp_verdict { KILN_ESP_VERDICT_OK, KILN_ESP_VERDICT_ERROR, KILN_ESP_VERDICT_SHORT };

/*
 * Splits a reply's body into `expect` bytes of payload and the status behind them. A refusal comes
 * without payload: then the status is in front. *out_error is the error number on VERDICT_ERROR.
 */
enum kiln_esp_verdict kiln_esp_judge(const struct kiln_esp_reply *reply, size_t expect,
                                     unsigned *out_error);

/* The error number in words, NULL if it is unknown. */
const char *kiln_esp_error_text(unsigned error);

/* True for errors that mean "I do not know this command". */
bool kiln_esp_error_is_unknown_command(unsigned error);

/* True for errors that mean "the frame came damaged": nothing was done, send it again. */
bool kiln_esp_error_is_transport(unsigned error);

#define KILN_ESP_SECURE_BOOT     1u
#define KILN_ESP_SECURE_DOWNLOAD 4u

struct kiln_esp_security {
    uint32_t flags; /* KILN_ESP_SECURE_* among others */
    uint8_t crypt_count;
    uint8_t key_purpose[7];
    bool has_chip_id;
    uint32_t chip_id;
    uint32_t api_version;
};

/* The payload of GET_SECURITY_INFO with its status behind it: 12 or 20 bytes and 2 or 4 of status. */
enum kiln_esp_verdict kiln_esp_parse_security(const struct kiln_esp_reply *reply,
                                              struct kiln_esp_security *out, unsigned *out_error);

/* The payload of FLASH_MD5: 16 raw bytes from a stub, 32 hex digits from a ROM. */
enum kiln_esp_verdict kiln_esp_parse_md5(const struct kiln_esp_reply *reply, uint8_t out_md5[16],
                                         unsigned *out_error);

/* What a boot ROM prints after reset says in which mode the chip started. */
struct kiln_esp_boot_log {
    bool seen;       /* a "boot:0x.." was there, and this is the last one */
    uint32_t mode;   /* the number behind it */
    bool download;   /* "waiting for download" followed */
    unsigned resets; /* how many there were */
    bool no_program; /* the ROM found nothing in the flash that it could start */
    bool brownout;   /* the supply was too low */
};

/* `text` is whatever was received, not NUL-terminated, possibly garbage. */
void kiln_esp_scan_boot_log(const uint8_t *text, size_t len, struct kiln_esp_boot_log *out);

#endif
