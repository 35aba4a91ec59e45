/* SPDX-License-Identifier: MIT */
/*
 * What is known of a chip with Espressif's serial bootloader: the columns of its row. Registers are bus
 * addresses, fields say where in a register their bits are, so that the loader reads columns and never
 * asks which chip it talks to.
 *
 * Sources: Espressif's technical reference manuals, esptool 5.2.0 (per-chip constants), esp-flasher-stub
 * 1.1.0. Names of registers keep their spelling there.
 */
#ifndef KILN_CHIP_ESP_H
#define KILN_CHIP_ESP_H

#include "chip/chip.h"
#include "chip/esp_reset.h"

/* Some bits of a register; several of them make a value: value |= bits << place. */
struct kiln_esp_bits {
    uint32_t reg;
    uint8_t shift, width, place;
};

#define KILN_ESP_PARTS 6

struct kiln_esp_value {
    struct kiln_esp_bits
        part[KILN_ESP_PARTS]; /* ends with width 0; no part at all: the value is 0 */
};

/* The name of a variant: the first row with (key & mask) == value. The key is the chip's `variant` value
 * with the major revision in bits 24 and up. */
struct kiln_esp_name {
    uint32_t mask, value;
    const char *name; /* NULL ends the list */
};

/* Who made a part in the package; index is the field's value. */
struct kiln_esp_makers {
    struct kiln_esp_bits field;
    const char *name[8]; /* NULL: not known */
};

#define KILN_ESP_NOT_ZERO UINT32_MAX /* as a value: any but 0 */

/* One feature, there if the field has this value, and `also` that one. */
struct kiln_esp_feature {
    struct kiln_esp_bits field;
    uint32_t value;
    const char *text;          /* NULL ends the list */
    struct kiln_esp_bits also; /* width 0: nothing */
    uint32_t also_value;
    const struct kiln_esp_makers *maker; /* NULL: not told */
};

/* An entry of the image header's frequency or size nibble. */
struct kiln_esp_code {
    uint64_t value; /* MHz or bytes; 0 ends the list */
    uint8_t code;
    const char *name; /* "80m", "4MB" */
};

/* What a key in eFuses is for; index is the value of its purpose, NULL one that the chip has not. */
#define KILN_ESP_KEY_NAMES 20
extern const char *const kiln_esp_keys_aes256[KILN_ESP_KEY_NAMES],
    *const kiln_esp_keys_aes128[KILN_ESP_KEY_NAMES],
        *const kiln_esp_keys_ecdsa[KILN_ESP_KEY_NAMES],
            *const kiln_esp_keys_manager[KILN_ESP_KEY_NAMES],
                *const kiln_esp_keys_manager_p384[KILN_ESP_KEY_NAMES],
                    *const kiln_esp_keys_p384[KILN_ESP_KEY_NAMES],
                        *const kiln_esp_keys_p384_psram[KILN_ESP_KEY_NAMES],
                            *const kiln_esp_keys_psram[KILN_ESP_KEY_NAMES],
                                *const kiln_esp_keys_sdc[KILN_ESP_KEY_NAMES];

/* Of the SPI clock: 80, 40, 26 and 20 MHz; the newer parts have no 26. */
extern const struct kiln_esp_code kiln_esp_frequencies_26m[];
extern const struct kiln_esp_code kiln_esp_frequencies[];
extern const struct kiln_esp_code kiln_esp_sizes[];
extern const struct kiln_esp_code kiln_esp8266_sizes[];

/* The first entry with the code, its name, the entry with the value; NULL if there is none. */
const struct kiln_esp_code *kiln_esp_code_of(const struct kiln_esp_code *codes, unsigned code);
const char *kiln_esp_code_name(const struct kiln_esp_code *codes, unsigned code);
const struct kiln_esp_code *kiln_esp_code_for(const struct kiln_esp_code *codes, uint64_t value);

/* The RAM word of the ROM that says which port is the console. Rows are tried in order; the last is for any revision. */
struct kiln_esp_console {
    uint16_t below_revision; /* major * 100 + minor; 0: any revision */
    uint32_t word;
    uint8_t usb_otg, usb_jtag_serial; /* values of the word, 0 if the chip has no such port */
};

struct kiln_esp_stub {
    uint16_t below_revision; /* 0: any */
    const char *file;        /* "esp32"; NULL: no stub runs on this revision */
};

extern const struct kiln_esp_stub kiln_esp_no_stub[]; /* on no revision */

/* Register offsets from spi_base. */
struct kiln_esp_spi {
    uint32_t base;
    uint8_t usr, usr1, usr2, w0;
    uint8_t mosi_dlen, miso_dlen; /* 0: the lengths are in usr1 */
};

struct kiln_esp_watchdog {
    uint32_t config0, config1, wprotect, wkey; /* config0 0: not known */
    uint32_t swd_conf, swd_auto_feed, swd_wprotect, swd_wkey;
};

/* Bits of the eFuse word that decides about the flash's supply (VDD_SPI, VDD_SDIO): it counts if `force` is set,
 * the regulator runs if `xpd` is, and passes 3.3 V on if `tieh` is; without it bit `strap` of the strapping
 * register means 1.8 V. */
struct kiln_esp_supply {
    uint32_t reg; /* 0: not known */
    uint8_t force, xpd, tieh, strap;
};

/* How the ROM takes a rate that CHANGE_BAUD asks for when its idea of the crystal is wrong. */
enum kiln_esp_rom_clock {
    KILN_ESP_CLOCK_RIGHT,
    KILN_ESP_CLOCK_ASSUMED,   /* believes in `mhz` */
    KILN_ESP_CLOCK_REGISTER,  /* believes what `field` says, in MHz */
    KILN_ESP_CLOCK_CALIBRATED /* (field * 15625 * field2 / 40) Hz, from its own RC oscillator */
};

struct kiln_esp_clock {
    enum kiln_esp_rom_clock kind;
    uint16_t mhz;
    struct kiln_esp_bits field, field2;
};

/* One step of the sequence that powers the flash: reg = (reg & ~clear) | set, then a pause. */
struct kiln_esp_power_step {
    uint32_t reg, clear, set; /* reg 0 ends the list */
    uint16_t wait_us;
};

/* Properties and faults. */
#define KILN_ESP_ROM_MINIMAL \
    0x0001u /* ROM has no DEFL, MD5, CHANGE_BAUD, SPI_ATTACH, SPI_SET_PARAMS */
#define KILN_ESP_BEGIN_4_WORDS  0x0002u /* ROM's BEGIN has no encryption word */
#define KILN_ESP_ERASE_BUG      0x0004u /* ROM erases about twice what FLASH_BEGIN asks for */
#define KILN_ESP_SPI_ADDR_MSB   0x0008u /* SPI address register is justified to the left */
#define KILN_ESP_MAC_OTP        0x0010u /* MAC in three OTP words with a vendor byte */
#define KILN_ESP_EUI64          0x0020u /* bits 16-31 of the second MAC word go behind the OUI */
#define KILN_ESP_WDT_RESET      0x0040u /* the watchdog can reset the chip without losing the port */
#define KILN_ESP_NO_STUB_SB     0x0080u /* no stub runs with secure boot on */
#define KILN_ESP_SDM_NO_BAUD    0x0100u /* the rate cannot be changed in secure download mode */
#define KILN_ESP_BIG_FLASH      0x0200u /* the stub reaches flash above 16 MB */
#define KILN_ESP_CLEAR_FORCE_DL 0x0400u /* clear the force-download bit before a hard reset */
#define KILN_ESP_OTG_WDT_ALWAYS 0x0800u /* on USB-OTG only the watchdog resets */
#define KILN_ESP_REV0_BY_BLOCK \
    0x1000u                          /* block version 1.1 with minor & 7 == 0 means revision 0.0 */
#define KILN_ESP_SOFT_RESET  0x2000u /* the stub can run the application without a reset */
#define KILN_ESP_UNARY_MAJOR 0x4000u /* raw major revision 0,1,3,7 stands for 0,1,2,3 */
#define KILN_ESP_IMAGE_PLAIN 0x8000u /* images have no extended header and three layouts */
#define KILN_ESP_IMAGE_TAIL \
    0x10000u /* a flash segment that ends less than 0x24 bytes into a page is made longer: the loader of ESP-IDF did not map that page */
#define KILN_ESP_SECURE_BOOT_V1 0x20000u
#define KILN_ESP_MIN_REV_MINOR \
    0x40000u /* the image header's one-byte least revision is held against the minor one */

/* GPIOs `first` to `last`, a bit each. */
#define KILN_ESP_GPIOS(first, last) (((2ull << ((last) - (first))) - 1) << (first))

struct kiln_esp_facts {
    int32_t chip_id;      /* IMAGE_CHIP_ID and the id of GET_SECURITY_INFO; -1: has none */
    uint32_t magic;       /* word at 40001000 of chips that are told by it; 0: none */
    uint32_t boot_offset; /* where the second-stage bootloader is */
    uint32_t uf2_family;
    uint32_t flags;
    struct kiln_esp_spi spi;
    uint32_t uart_clkdiv;
    uint16_t xtal_mhz; /* fixed crystal, 0: measured */
    uint8_t xtal_divider;
    struct kiln_esp_clock rom_clock;
    uint32_t efuse_base;
    uint32_t mac; /* first of two words */
    struct kiln_esp_value major, minor, variant, block_version;
    const struct kiln_esp_name
        *names;           /* NULL: variant 0 has the row's title and there is no other */
    const char *features; /* what every one of them has */
    const struct kiln_esp_feature *extra;    /* may be NULL */
    const struct kiln_esp_code *frequencies; /* nibble of the image header */
    const struct kiln_esp_code *sizes;
    const struct kiln_esp_console *console; /* may be NULL */
    const struct kiln_esp_stub
        *stubs; /* ends with a row for any revision; NULL: one named as the chip, for all */
    struct kiln_esp_watchdog wdt;
    uint32_t strap;          /* GPIO_STRAP_REG, bit 3 = GPIO0 was high; 0: not known */
    uint32_t force_download; /* RTC_CNTL_OPTION1_REG; 0: none */
    uint32_t force_download_mask;
    struct kiln_esp_bits crypt_count, secure_boot;
    struct kiln_esp_bits jtag_off; /* of a chip whose ROM does not tell; width 0: it does */
    struct kiln_esp_bits
        secure_boot_v1; /* set: the bootloader must not be replaced; width 0: none */
    struct kiln_esp_bits no_manual_encrypt; /* set: the ROM encrypts nothing in download mode */
    struct kiln_esp_bits flash_octal;       /* set: the flash has 8 data lines; width 0: not said */
    struct kiln_esp_supply supply;
    uint32_t sdio_conf; /* RTC_CNTL_SDIO_CONF_REG, which overrides the flash supply; 0: none */
    struct kiln_esp_bits crypt_config; /* width 0: the chip has none */
    struct kiln_esp_bits
        key_hidden; /* all set: the flash key cannot be read and is taken for programmed; width 0: see key_purpose */
    struct kiln_esp_bits key_long; /* set: the flash key has 256 bits; width 0: it always has */
    struct kiln_esp_bits key_hidden_long; /* key_hidden of a key of 256 bits by `key_long` */
    uint32_t
        key_block; /* first word of a flash key that can be read: any bit set means programmed */
    struct kiln_esp_bits key_purpose[6]; /* width 0 ends the list */
    struct kiln_esp_bits
        key_manager;              /* set: the flash key comes from the key manager; width 0: none */
    const char *const *key_names; /* KILN_ESP_KEY_NAMES of them; NULL: keys have no purpose */
    struct kiln_esp_value
        spi_pads; /* pins of the flash as SPI_ATTACH takes them, if the ROM does not look */
    uint32_t
        read_pointer; /* the ROM's pointer to its flash read, by which a stub is started where secure
                              boot forbids the direct way; 0: no such way */
    const struct kiln_esp_power_step
        *power_on; /* before SPI_ATTACH, for revision power_on_revision */
    uint16_t power_on_revision;
    /* Flash-mapped, as an image maker needs it; 0 where that is what the map calls IROM and DROM. See
     * kiln_esp_window(). */
    uint32_t irom_start, irom_end, drom_start, drom_end;
    const struct kiln_map_entry *loads; /* of plain images: where their segments may go */
    uint8_t mmu_page_kb[4];             /* selectable sizes, 0-terminated unless full */
    uint8_t encrypted_align;
    uint64_t flash_pins; /* GPIOs that SPI_ATTACH can connect the flash to; 0: its pins are fixed */
    uint64_t usb_pins;   /* of them, those of the USB port */
    uint8_t flash_hd_max; /* highest GPIO for HD if that is not the highest of all; 0: it is */
    const char *layout_3_rules; /* the row whose size codes and memory map images of layout 3 go by;
                                   NULL: there is no such layout */
};

/* Where ESP-IDF, Arduino and PlatformIO put the partition table unless told otherwise. */
#define KILN_ESP_TABLE_OFFSET 0x8000u

#define KILN_ESP_MAGIC_REG 0x40001000u

/* Do these keys (bit N: one has purpose N) make a flash key on this chip? One of 128 bits, or both halves of one of
 * 256 where the chip has such. */
bool kiln_esp_has_flash_key(const struct kiln_esp_facts *facts, uint32_t purposes);

/* "XTS_AES_128_KEY"; NULL if the chip is not known to have this purpose. */
const char *kiln_esp_key_name(const struct kiln_esp_facts *facts, unsigned purpose);

/* The row with this id, NULL if none. */
const struct kiln_chip *kiln_esp_by_chip_id(uint32_t chip_id);
const struct kiln_chip *kiln_esp_by_magic(uint32_t magic);

/* The row whose images have a plain header and no chip id: its ROM starts the program at 0, without a
 * second-stage bootloader or a partition table. */
const struct kiln_chip *kiln_esp_plain(void);
bool kiln_esp_is_plain(const char *name); /* whether that row has this name; NULL has not */

/* Where the chip maps its flash for code (IROM) or data; empty if it does not. */
struct kiln_esp_window {
    uint32_t start, end;
};
struct kiln_esp_window kiln_esp_window(const struct kiln_chip *chip, bool code);
bool kiln_esp_is_flash(const struct kiln_chip *chip, uint64_t address); /* in one of the two */

/* The rows that apply to a revision (major * 100 + minor); NULL if there is none. */
const struct kiln_esp_console *kiln_esp_console_of(const struct kiln_esp_facts *facts,
                                                   unsigned revision);
const char *kiln_esp_stub_of(const struct kiln_chip *chip, unsigned revision);

#endif
