/* SPDX-License-Identifier: MIT */
/*
 * The command line of esptool 5 (with the spellings of 2 to 4). One command = one row, one option = one
 * row; parsing, conversion of values and help read the same rows.
 */
#ifndef KILN_CLI_COMPAT_ESPTOOL_H
#define KILN_CLI_COMPAT_ESPTOOL_H

#include "cli/cli.h"

#include <kiln/esp.h>

#define ESPTOOL_VERSION "5.2.0" /* the one whose command line this is */

/* Values of an integer that was not given, and of a size given as ALL. */
#define ESPTOOL_NOT_GIVEN INT64_MIN
#define ESPTOOL_ALL       (INT64_MIN + 1)

#define ESPTOOL_CONNECT_ATTEMPTS 7

struct esptool_words {
    char **word;
    size_t count, capacity;
};

/* A stretch of an input file. An Intel HEX file has one for each contiguous region. */
struct esptool_file {
    const char *name;
    uint64_t address;
    bool has_address; /* false for a binary file that stands without an address */
    const uint8_t *data;
    size_t len;
};

struct esptool_files {
    struct esptool_file *file;
    size_t count;
};

/* Every option and operand has one field here; a command reads those it lists. */
struct esptool_args {
    /* before the command */
    const char *chip; /* name of a chip row, or "auto" */
    const char *port, *before, *after, *stub_version, *override_vddsdio;
    int64_t baud, connect_attempts;
    struct esptool_words port_filter;
    bool no_stub, trace, verbose, silent;
    /* of the commands */
    struct esptool_files files, encrypt_files;
    struct esptool_words diff_with; /* file names, or "skip" */
    const char *filename, *output, *format, *version, *pad_to_size, *mmu_page_size;
    const char *flash_freq, *flash_mode, *flash_size; /* flash_freq may be NULL */
    const char *spi_connection; /* "SPI", "HSPI" or five numbers with commas; NULL */
    const char *status_bytes;   /* "1", "2", "3" */
    int64_t address, size, value, mask, sfdp_bytes;
    int64_t min_rev, min_rev_full, max_rev_full, elf_sha256_offset, chunk_size, target_offset;
    int64_t entry_point;
    struct esptool_words segment_files, segment_addresses;
    bool erase_all, no_progress, encrypt, ignore_flash_enc, no_diff_verify, skip_flashed, force;
    bool compress, no_compress, diff, non_volatile, md5_disable;
    bool secure_pad, secure_pad_v2, no_digest, use_segments, ram_only_header;
};

enum esptool_kind {
    ESPTOOL_FLAG,     /* bool */
    ESPTOOL_TEXT,     /* const char * */
    ESPTOOL_PATH,     /* const char *: an existing file or folder */
    ESPTOOL_CHOICE,   /* const char *: one of `choices` */
    ESPTOOL_RESET,    /* the same, '_' is taken for '-' */
    ESPTOOL_CHIP,     /* the same, any letter case, '-' and parentheses are dropped */
    ESPTOOL_SPI,      /* const char * */
    ESPTOOL_DECIMAL,  /* int64_t from `min` to `max` */
    ESPTOOL_RATE,     /* int64_t; no number is exit status 1 */
    ESPTOOL_INT,      /* int64_t in any base */
    ESPTOOL_ALIGNED,  /* the same, a multiple of 4 */
    ESPTOOL_SIZE,     /* the same, with the suffixes k and M */
    ESPTOOL_SIZE_ALL, /* the same, or ALL in any letter case */
    ESPTOOL_WORDS,    /* struct esptool_words: every occurrence adds */
    ESPTOOL_INPUT,    /* struct esptool_files: one file, cut into regions if it is Intel HEX */
    ESPTOOL_PAIRS     /* struct esptool_files: ADDRESS FILE ..., read and checked for overlaps */
};

struct esptool_option {
    const char *name;  /* "--flash-size" */
    const char *alias; /* "-fs", NULL */
    enum esptool_kind kind;
    size_t field;               /* offset in struct esptool_args */
    const char *fallback;       /* as the user would write it; NULL: not given */
    const char *env;            /* variable that replaces the fallback; NULL */
    const char *const *choices; /* ends with NULL */
    const char *(*choice_at)(
        size_t index); /* instead of `choices` where rows of a table are meant */
    int64_t min, max;
    bool eats;   /* takes all words up to the next option */
    bool hidden; /* not in help */
    bool required;
    const char *excludes; /* name of an option that must not be given together with it */
    const char *argument; /* its value in help */
    const char *help;
};

/* Choice number `index` of an option, NULL after the last and where it has none. */
const char *esptool_choice(const struct esptool_option *option, size_t index);

struct esptool_operand {
    const char *name; /* "FILENAME"; NULL ends a list */
    enum esptool_kind kind;
    size_t field;
    const char *fallback; /* NULL: must be given */
};

enum esptool_group { ESPTOOL_BASIC, ESPTOOL_ADVANCED, ESPTOOL_OLD };

struct esptool;

struct esptool_command {
    const char *name;                            /* with dashes */
    const struct esptool_operand *operands;      /* NULL: none. ESPTOOL_PAIRS takes all words */
    const struct esptool_option *const *options; /* ends with NULL; NULL: none */
    const char *summary;
    enum esptool_group group;
    int (*run)(struct esptool *e); /* returns the exit status: 0, 1 or 2 */
};

/* What the configuration file says. */
struct esptool_config {
    struct kiln_esp_timing timing;
    int64_t connect_attempts, open_port_attempts;
    const char *reset_sequence, *run_sequence; /* NULL: the usual ones */
    char notes[2048];                          /* what is to be told of the files, in lines */
};

struct esptool {
    struct cli *cli;
    const char *program; /* how it was called: "esptool", "esptool.py", "kiln esptool" */
    const struct esptool_command *command; /* NULL before it is known */
    struct esptool_args args;
    struct esptool_config config;
    void **kept; /* freed at the end, see esptool_keep() */
    size_t kept_count;
};

/* ---- tables ---- */

extern const struct esptool_option *const esptool_global_options[];
const struct esptool_command *esptool_command_at(size_t index); /* NULL after the last */

/* Options that several commands have. */
extern const struct esptool_option esptool_opt_flash_freq, esptool_opt_flash_mode,
    esptool_opt_flash_size, esptool_opt_flash_freq_keep, esptool_opt_flash_mode_keep,
    esptool_opt_flash_size_keep, esptool_opt_flash_size_detect, esptool_opt_spi_connection;

/* ---- what it says ---- */

/* One line on standard output; nothing with --silent. */
void esptool_print(const struct esptool *e, const char *format, ...) KILN_PRINTF(2, 3);
void esptool_note(const struct esptool *e, const char *format, ...) KILN_PRINTF(2, 3);
void esptool_warning(const struct esptool *e, const char *format, ...) KILN_PRINTF(2, 3);
/* One line on standard error, always. */
void esptool_error(const struct esptool *e, const char *format, ...) KILN_PRINTF(2, 3);
/* "A fatal error occurred: ..."; returns exit status 2. */
int esptool_fatal(const struct esptool *e, const char *format, ...) KILN_PRINTF(2, 3);
/* The same where esptool ends with an exception that nobody catches: returns exit status 1. */
int esptool_uncaught(const struct esptool *e, const char *format, ...) KILN_PRINTF(2, 3);
/* Writes a file. 0 or exit status. */
int esptool_save(const struct esptool *e, const char *path, const uint8_t *bytes, size_t len);
/* An error of the library, with its hint; returns exit status 2. */
int esptool_fail(const struct esptool *e, const struct kiln_error *error);
/* A mistake in the command line; returns exit status 2. */
int esptool_usage(const struct esptool *e, const char *format, ...) KILN_PRINTF(2, 3);
void esptool_print_help(const struct esptool *e, FILE *out);
/* "esptool [OPTIONS] COMMAND [ARGS]...", or the line of the command. */
void esptool_print_usage(const struct esptool *e, FILE *out);

/* ---- steps of parsing ---- */

/* Keeps `pointer` until the end and returns it. */
void *esptool_keep(struct esptool *e, void *pointer);
/* Appends a word; the array belongs to `e`. */
bool esptool_add_word(struct esptool *e, struct esptool_words *words, char *word);

/* Takes one word off the front of `*text` in place, as a shell would. NULL at the end of the line; *out_good
 * is false if a quote is open there. */
char *esptool_next_word(char **text, bool *out_good);

/* Answers a shell that asks how to complete a word. False: nobody asks. */
bool esptool_complete(struct esptool *e, int *out_status);

/* Words of the command line with @FILE replaced by the words of that file and old option names by the new
 * ones. 0 or exit status. */
int esptool_expand_words(struct esptool *e, size_t count, char **words, struct esptool_words *out);

/* The option of that name or alias, NULL if there is none. */
const struct esptool_option *esptool_find_option(const struct esptool_option *const *options,
                                                 const char *name, size_t len);

/*
 * Parses `words` from `*at` on. Without `interspersed` it stops at the first operand, where *at is then.
 * Operands go to `out`. Values that were not given get their fallback. 0 or exit status; *out_help if help
 * was asked for.
 */
int esptool_parse(struct esptool *e, const struct esptool_option *const *options,
                  const struct esptool_words *words, size_t *at, bool interspersed,
                  struct esptool_words *out, bool *out_help);
int esptool_parse_operands(struct esptool *e, const struct esptool_words *words);

/* As Python's int(text, 0) and int(text, 10). */
bool esptool_int(const char *text, int64_t *out);
bool esptool_decimal(const char *text, int64_t *out);

/* Messages of the library go the way of esptool_print() and the others. */
struct kiln_esp_listener esptool_listener(struct esptool *e);

/* The bytes of a file; they belong to `e`. 0 or exit status. */
int esptool_read_bytes(struct esptool *e, const char *path, const uint8_t **out, size_t *out_len);
/* Adds a file, or the regions of an Intel HEX file. 0 or exit status. */
int esptool_read_input(struct esptool *e, const char *path, uint64_t address, bool has_address,
                       struct esptool_files *files);
int esptool_read_pairs(struct esptool *e, const struct esptool_words *words,
                       struct esptool_files *out);

/* Reads the configuration file. 0 or exit status. */
int esptool_load_config(struct esptool *e);
/* Says which file it was. */
void esptool_tell_config(const struct esptool *e);

/* ---- commands, one row each ---- */

extern const struct esptool_command esptool_cmd_version, esptool_cmd_image_info,
    esptool_cmd_elf2image, esptool_cmd_merge_bin, esptool_cmd_make_image;

#endif
