/* SPDX-License-Identifier: MIT */
/* What the look-alikes of dfu-util's three programs share: their words, their files, their exit statuses (those
 * of sysexits.h). */
#ifndef KILN_CLI_COMPAT_DFU_H
#define KILN_CLI_COMPAT_DFU_H

#include "cli/cli.h"

#include <sysexits.h>

#define DFU_UTIL_VERSION "0.11"

/* ---- words ---- */

struct dfu_option {
    const char *name;
    int code; /* its letter, or from DFU_LONG on for one that has none */
    bool takes_value;
    const char *help; /* "\n" starts a further line; the last row has the name NULL */
};

#define DFU_LONG 256

#define DFU_OPTION_MAX 40

/* Parsing as getopt_long() does it: bundled letters, shortened long names, operands anywhere. */
struct dfu_words {
    const char *tool;  /* "dfu-util": the name in messages */
    const char *shown; /* what the version line begins with: "dfu-suffix (dfu-util)"; NULL: none */
    const struct dfu_option *options;
    int count;
    char **word;
};

/* Prints the version lines, if any. False if out of memory. Free with dfu_words_dispose(). */
bool dfu_words_init(struct cli *cli, struct dfu_words *words);
void dfu_words_dispose(struct dfu_words *words);

/* Code of the next option, -1 after the last, '?' for a mistake that was told; *out_value as needed. */
int dfu_words_next(struct dfu_words *words, const char **out_value);

/* The first word behind all options that none of them takes, NULL if there is none. */
const char *dfu_words_left(const struct dfu_words *words);

void dfu_print_help(const struct dfu_words *words, FILE *out);

/* Prints "TOOL: ..." to standard error and returns the exit status. */
int dfu_fail(const char *tool, int status, const char *format, ...) KILN_PRINTF(3, 4);

/* Prints the mistake and the help, returns EX_USAGE. */
int dfu_usage(const struct dfu_words *words, const char *format, ...) KILN_PRINTF(2, 3);

/* ---- files with a suffix and a prefix ---- */

#define DFU_SUFFIX_LEN 16

enum dfu_prefix { DFU_PREFIX_NONE, DFU_PREFIX_STELLARIS, DFU_PREFIX_LPC };

struct dfu_suffix {
    uint16_t device, product, vendor, version;
    uint8_t length;
    uint32_t crc;
};

struct dfu_file {
    const char *path;
    uint8_t *bytes; /* prefix, payload, suffix */
    size_t len;
    const char *no_suffix; /* why there is none, NULL if there is */
    struct dfu_suffix suffix;
    enum dfu_prefix prefix;
    size_t prefix_len;
};

/* Exit status; the message is out. Free `bytes`. */
int dfu_file_read(const char *tool, const char *path, struct dfu_file *out);

size_t dfu_file_payload_len(const struct dfu_file *file);
const uint8_t *dfu_file_payload(const struct dfu_file *file);

/* Replaces the file by `prefix`, the payload of `file`, and `suffix` (NULL: none) with a fresh checksum. */
int dfu_file_write(const char *tool, const struct dfu_file *file, const uint8_t *prefix,
                   size_t prefix_len, const struct dfu_suffix *suffix);

/* ---- dfu-suffix and dfu-prefix: what is done to one file ---- */

struct dfu_file_tool {
    const char *name, *shown; /* as in struct dfu_words */
    const struct dfu_option *options;
    /* An option other than -h, -V, -c, -a and -D. */
    void (*take)(void *wishes, int code, const char *value);
    /* Before the file is read: exit status after a message, -1 to go on. */
    int (*check)(const struct dfu_words *words, int mode, const void *wishes);
    /* mode is 'c', 'a' or 'D', whichever came last. Exit status. */
    int (*act)(const struct dfu_words *words, int mode, const void *wishes, struct dfu_file *file);
};

/* Runs the tool on the words of the command line. Exit status. */
int dfu_file_tool_run(struct cli *cli, const struct dfu_file_tool *tool, void *wishes);

/* For people; the suffix only where there is one. */
void dfu_print_prefix(const struct dfu_file *file);
void dfu_print_suffix(const struct dfu_file *file);

#endif
