/* SPDX-License-Identifier: MIT */
/* Sequences on the modem lines that put a chip into its bootloader or start it: rows, and the parser of
 * custom ones. */
#ifndef KILN_CHIP_ESP_RESET_H
#define KILN_CHIP_ESP_RESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Line masks have the values of KILN_LINE_DTR and KILN_LINE_RTS. Asserted = pin low. Usual wiring: RTS
 * pulls EN low, DTR pulls GPIO0 low, both at once pull neither. */
#define KILN_RESET_DTR 1u
#define KILN_RESET_RTS 2u

struct kiln_reset_step {
    uint8_t mask;     /* lines to set; 0: only wait */
    uint8_t levels;   /* their levels */
    uint16_t wait_ms; /* afterwards */
};

#define KILN_RESET_STEPS_MAX 32

struct kiln_reset_sequence {
    const char *name;
    bool at_once; /* needs a link that sets both lines in one step */
    size_t count;
    struct kiln_reset_step step[KILN_RESET_STEPS_MAX];
};

extern const struct kiln_reset_sequence kiln_reset_classic;      /* small capacitor on EN */
extern const struct kiln_reset_sequence kiln_reset_classic_slow; /* large one, or an early ESP32 */
extern const struct kiln_reset_sequence kiln_reset_tight;
extern const struct kiln_reset_sequence kiln_reset_tight_slow;
extern const struct kiln_reset_sequence kiln_reset_usb_jtag; /* built-in USB-JTAG-Serial */
extern const struct kiln_reset_sequence kiln_reset_run;      /* hard reset into the application */
extern const struct kiln_reset_sequence kiln_reset_run_usb;

/*
 * Parses a custom sequence: words joined by '|', each D0 D1 R0 R1 (one line), U<dtr>,<rts> (both at
 * once) or W<seconds> (with a decimal point, up to 60 s). False with *out_bad = the place of the first
 * character that is wrong.
 */
bool kiln_reset_parse(const char *text, struct kiln_reset_sequence *out_sequence, size_t *out_bad);

#endif
