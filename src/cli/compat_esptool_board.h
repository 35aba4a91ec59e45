/* SPDX-License-Identifier: MIT */
/* Commands of the esptool look-alike that talk to a board: from the port to the reset at the end. */
#ifndef KILN_CLI_COMPAT_ESPTOOL_BOARD_H
#define KILN_CLI_COMPAT_ESPTOOL_BOARD_H

#include "cli/compat_esptool.h"

#include <time.h>

/* Prints what passes on the link, and a dot for each try to connect. */
struct esptool_watch {
    const struct esptool *e;
    struct timespec last;
    bool connecting; /* dots are due */
};

void esptool_watch_link(void *user, enum kiln_esp_watch what, unsigned op, const uint8_t *bytes,
                        size_t len);

/* What a step of a long operation is called: "Writing at 0x00001000". */
struct esptool_bar {
    const struct esptool *e;
    const char *verb; /* "Writing at", "Reading from" */
    uint64_t address;
    unsigned told; /* per mille, of the last line */
    bool open;     /* a line on the terminal is not ended */
};

void esptool_bar_step(void *user, uint64_t done, uint64_t total);
void esptool_bar_end(struct esptool_bar *bar);

struct esptool_board {
    struct esptool *e;
    struct kiln_esp_session *session;
    struct kiln_esp_about about;
    struct esptool_watch watch;
    bool other_stub;      /* there is no stub of the version that was asked for */
    bool started_program; /* what was loaded runs: no reset at the end */
};

#define ESPTOOL_ATTACH 1u /* the command works on the flash */
#define ESPTOOL_SECURE 2u /* it is there in secure download mode too */

/* Connects, does the work, resets as asked. Returns the exit status. */
int esptool_on_board(struct esptool *e, unsigned needs, int (*work)(struct esptool_board *b));

/* Prints the session's error; returns the exit status. */
int esptool_board_fail(struct esptool_board *b);
/* Refreshes b->about. */
void esptool_board_look(struct esptool_board *b);

double esptool_seconds_since(const struct timespec *start);
/* " (123.4 kbit/s)", or "" if it went too fast to tell. */
const char *esptool_speed(uint64_t bytes, double seconds, char text[32]);

/* "4MB", "512KB"; "4MB" as bytes, 0 if it is none. */
const char *esptool_size_text(uint64_t bytes, char text[24]);
uint64_t esptool_size_bytes(const char *text);

void esptool_print_mac(const struct esptool_board *b);

/* Tells the chip the size of its flash that was asked for. *out_size is what goes into a header ("keep" or
 * a size), valid as long as `text`. 0 or exit status. */
int esptool_settle_size(struct esptool_board *b, const char *wanted, char text[24],
                        const char **out_size);

/* Fatal if [address, address + size) is not in the flash. 0 or exit status. */
int esptool_check_size(struct esptool_board *b, uint64_t address, uint64_t size);

/* A copy of the file's bytes, padded with FF to a multiple of `align`, its header changed as the options
 * say; kept until the end. NULL after printing why. */
uint8_t *esptool_flash_image(struct esptool_board *b, const struct esptool_file *file, size_t align,
                             const char *flash_size, size_t *out_len);

void esptool_md5_text(const uint8_t md5[16], char text[33]);

/* ---- commands ---- */

/* The work of commands that leave the flash alone (compat_esptool_chip.c). */
int esptool_work_read_mem(struct esptool_board *b);
int esptool_work_write_mem(struct esptool_board *b);
int esptool_work_dump_mem(struct esptool_board *b);
int esptool_work_load_ram(struct esptool_board *b);
int esptool_work_run_program(struct esptool_board *b);
int esptool_work_read_mac(struct esptool_board *b);
int esptool_work_chip_id(struct esptool_board *b);
int esptool_work_get_security_info(struct esptool_board *b);

int esptool_write_flash(struct esptool *e);
/* What must be so before anything is written. 0 or exit status. */
int esptool_check_before_write(struct esptool_board *b);

/* Rows of the commands that talk to a board; NULL after the last. */
const struct esptool_command *esptool_board_command_at(size_t index);

#endif
