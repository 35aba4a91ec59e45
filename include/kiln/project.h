/* SPDX-License-Identifier: MIT */
/*
 * What was built in a folder and how it is meant to be flashed, read from the files of the build system that
 * made it: PlatformIO, ESP-IDF, Zephyr, Arduino, Klipper. Nothing is run and nothing is written.
 */
#ifndef KILN_PROJECT_H
#define KILN_PROJECT_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kiln_project_kind {
    KILN_PROJECT_NONE,   /* known to the build system and not set */
    KILN_PROJECT_TEXT,   /* texts[0] */
    KILN_PROJECT_NUMBER, /* number */
    KILN_PROJECT_BOOL,   /* number: 0 or 1 */
    KILN_PROJECT_LIST,   /* texts[0 .. count) */
    KILN_PROJECT_ERROR   /* it cannot be resolved; texts[0] says why */
};

/* Where something is said: a file and its line from 1 on, or a file as a whole (line 0), or another place
 * in words ("environment variable PLATFORMIO_UPLOAD_PORT", line 0). `file` is NULL if nobody says it. */
struct kiln_project_place {
    const char *file;
    unsigned line;
};

struct kiln_project_option {
    const char *name;
    enum kiln_project_kind kind;
    const char *const *texts;
    size_t count;
    int64_t number;
    struct kiln_project_place place;
};

/* One file to write. */
struct kiln_project_file {
    const char *path; /* NULL: `data` instead, which no build step left in a file */
    const char *what; /* "bootloader", "partitions", "application", ... */
    uint64_t address; /* UINT64_MAX: unknown, to be found in the file's contents */
    bool stated;      /* the address was found in the file itself and must not be given again */
    bool missing;     /* the build system names it, and it is not there */
    bool encrypted;   /* it belongs to an encrypted flash */
    bool on_request;  /* only when asked for: the build system has a command of its own */
    const uint8_t *data;
    size_t size;     /* of `data` */
    const char *why; /* why this address: "board_upload.offset_address" */
    struct kiln_project_place place;
};

struct kiln_project_environment {
    const char *name;
    const struct kiln_project_option *options;
    size_t option_count;
    const struct kiln_project_file *files; /* in the order of their addresses; what to flash */
    size_t file_count;
    const char *not_ready; /* why there is nothing to flash, or NULL */
    bool unbuilt;          /* nobody built it yet */
    const char *notes;     /* lines for people, '\n' between; "" if none */
    const char *chip;      /* as the project names it, or NULL */
    bool chip_is_line;     /* that name stands for parts of several sizes */
    const char *board;     /* or NULL */
    const char *protocol;  /* how the build system uploads: "esptool", "dfu", ...; or NULL */
    const char *port;      /* where it uploads to, or NULL */
    uint32_t upload_speed; /* 0: not told */
    uint32_t monitor_speed;
    /* how the board is reset, as kiln flash takes it; NULL: by itself */
    const char *before, *after;
    /* "detect" or "keep" for the header of an ESP bootloader, or NULL */
    const char *flash_size;
    bool no_stub;    /* without a flasher stub */
    const char *elf; /* with the debugging information, or NULL */
};

struct kiln_project {
    const char *system; /* "platformio", "esp-idf", "zephyr", "arduino", "klipper" */
    const char *dir;    /* absolute */
    const struct kiln_project_environment *environments;
    size_t environment_count;
    /* names of the environments that the build system takes by itself */
    const char *const *defaults;
    size_t default_count;
    const char *default_error; /* why these names cannot be resolved, or NULL */
    void *inside;
};

/*
 * Reads the project in `dir` (NULL: the current folder). ARG: it is none that Kiln knows; FILE with file and
 * line: its files are damaged; IO, NOMEM. An option that cannot be resolved and an environment without
 * build are no errors: they say so in their place.
 */
KILN_API KILN_MUST_USE enum kiln_status
kiln_project_open(const char *dir, struct kiln_project **out_project, struct kiln_error *out_error);
KILN_API void kiln_project_free(struct kiln_project *project); /* NULL is fine */

/*
 * The environment to flash: the one called `name`; without a name the only one there is, or the only default
 * one. ARG with the list of names if that leaves a choice: never several by accident.
 */
KILN_API KILN_MUST_USE enum kiln_status
kiln_project_choose(const struct kiln_project *project, const char *name,
                    const struct kiln_project_environment **out_environment,
                    struct kiln_error *out_error);

/* The option of that name, NULL if the environment does not have it. */
KILN_API const struct kiln_project_option *
kiln_project_option(const struct kiln_project_environment *environment, const char *name);

#ifdef __cplusplus
}
#endif
#endif
