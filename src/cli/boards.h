/* SPDX-License-Identifier: MIT */
/*
 * What Kiln remembers of boards between runs: a name, the projects flashed to it, the rate it speaks at. All of
 * it is convenience: a missing, damaged or read-only memory changes no result. The file is one JSON object,
 *
 *   {"format": "kiln boards", "version": 1, "boards": [
 *     {"name": "left", "serial": "0001", "usb": "1-1.4", "ids": "10c4:ea60", "title": "CP2102N ...", "rate": 115200,
 *      "projects": [{"dir": "/src/blink", "environment": "esp32dev"}]}, ...]}
 *
 * and a board is known by the first of these members it has: "serial", the USB serial number; "device", a port or
 * an address without USB; "usb", the USB place. "interface" tells the ports of one device apart. The newest entry
 * is last.
 */
#ifndef KILN_CLI_BOARDS_H
#define KILN_CLI_BOARDS_H

#include <jansson.h>
#include <kiln/device.h>

#define BOARDS_NAME_MAX 32u  /* letters of a name */
#define BOARDS_MAX      256u /* entries; without a name the oldest go first */
#define BOARDS_FILE_MAX (1u << 20)

enum boards_state {
    BOARDS_GOOD,    /* or there was no file */
    BOARDS_DAMAGED, /* all of it or some entries could not be understood */
    BOARDS_NEWER    /* of a later format: must not be written */
};

struct boards {
    json_t *list; /* of objects; an entry is handed out as a borrowed json_t */
    enum boards_state state;
    char why[160]; /* what is wrong with a damaged one */
};

/* ---- the file's contents (boards.c, no I/O) ---- */

/* Any bytes. False only when out of memory. */
bool boards_parse(const char *text, size_t len, struct boards *out_boards);
/* The contents to write; free() it. NULL when out of memory. */
char *boards_print(const struct boards *boards);
void boards_free(struct boards *boards);

/* 1 to 32 letters, digits, '_', '-' and '.', the first a letter: nothing that a port, an address, a USB place
 * or a number could be. */
bool boards_name_ok(const char *name);

/* A member's text, "" if it has none. */
const char *board_text(const json_t *board, const char *member);
uint32_t board_rate(const json_t *board);

/* "left (serial 0001)", "the board with serial 0001", "the board at USB port 1-1.4". */
const char *board_words(const json_t *board, char *text, size_t cap);

/* What the user means who names the board: at a USB place whatever is plugged in there. */
bool board_is(const json_t *board, const struct kiln_device *device);
/* What Kiln may take by itself: at a USB place only the same kind of device. */
bool board_is_surely(const json_t *board, const struct kiln_device *device);
/* The selector that finds it, to be narrowed by board_is(). */
void board_selector(const json_t *board, char *selector, size_t cap);

/* NULL if there is none. */
json_t *boards_named(const struct boards *boards, const char *name);
json_t *boards_of(const struct boards *boards, const struct kiln_device *device);
json_t *boards_of_project(const struct boards *boards, const char *dir, const char *environment);

/*
 * The entry of a device that is there, made if need be and brought up to date; it becomes the newest.
 * `by_place`: its serial number does not tell it from others. NULL when out of memory, or if nothing tells it
 * from others at all.
 */
json_t *boards_keep(struct boards *boards, const struct kiln_device *device, bool by_place);
void boards_set_name(struct boards *boards, json_t *board, const char *name);
void boards_set_rate(json_t *board, uint32_t rate);
/* The project's board is this one from now on. */
void boards_set_project(struct boards *boards, json_t *board, const char *dir,
                        const char *environment);
void boards_forget(struct boards *boards, const json_t *board);

/* ---- the file (boards_file.c) ---- */

/* $XDG_STATE_HOME/kiln/boards.json, or below ~/.local/state. False if there is no such place. */
bool boards_path(char *path, size_t cap);

/* An empty memory if there is no file. False only when out of memory. */
bool boards_load(struct boards *out_boards);

/*
 * Changes the file: `edit` gets what is in it now, under a lock, and returns whether to write it. Written to a
 * new file that then takes the place of the old one; a damaged one is kept beside it as boards.json.bad.
 * 0, or an errno: EROFS, EACCES, EPERM (the folder is another user's, as under sudo), EBUSY, ...
 * A file of a later format gives EEXIST and stays.
 */
int boards_change(bool (*edit)(struct boards *boards, void *user), void *user);

#endif
