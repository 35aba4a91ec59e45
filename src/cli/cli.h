/* SPDX-License-Identifier: MIT */
/*
 * The command line. One command = one row, one option = one row; parsing, help, man page and shell
 * completion all read the same tables. Commands use the public API only.
 */
#ifndef KILN_CLI_CLI_H
#define KILN_CLI_CLI_H

#include <kiln/kiln.h>
#include <stdio.h>

/* What the user asked for. Every option has one field here; a command reads those it lists. */
#define CLI_DEVICE_MAX 256

struct cli_args {
    struct cli_list {
        const char *word[CLI_DEVICE_MAX];
        size_t count;
    } devices;
    const char *chip;
    const char *output;
    const char *type;
    const char *layout;
    const char *alt;
    const char *reset_sequence;
    const char *trace;
    const char *before;
    const char *after;
    const char *region;
    const char *boot;
    const char *forget;
    const char *stub_dir;
    const char *encoding;
    const char *enter;
    const char *exit_key;
    const char *menu_key;
    const char *parity;
    const char *stop_bits;
    bool ask, by_line, rtscts, send_hex, shared, xonxoff;
    const char *dtr;
    const char *rts;
    const char *show;
    const char *filter;
    const char *flash;
    const char *level;
    const char *line_end;
    const char *log;
    const char *svg;
    const char *send;
    const char *time;
    struct cli_list elf;
    struct cli_list only;
    struct cli_list sets;
    uint64_t duration_s;
    const char *root;
    const char *project;
    const char *environment;
    char port[256];      /* the one a pattern of the project stands for */
    char log_path[4096]; /* where the project wants its log */
    uint64_t baud;
    uint64_t address;
    uint64_t size;
    uint64_t fill;
    uint64_t wait_s;
    uint64_t connect_attempts;
    uint64_t family;
    uint64_t data_bits;
    uint64_t tcp_port;
    uint64_t rfc2217_port;
    uint64_t page_size;
    uint64_t pad_to;
    const char *loader;
    const char *flash_mode;
    const char *flash_freq;
    const char *flash_size;
    struct cli_list encrypted; /* files of --encrypt-file */
    const char *secure_pad;
    const char *pty;
    bool has_address, has_fill, has_rfc2217, has_size, has_tcp, has_wait;
    bool map, mem, forget_all;
    bool all, dry_run, echo, encrypt, erase_all, fix, force, full, hex, json, list, monitor,
        no_verify, quiet, raw, reset, unprotect, watch;
    unsigned verbose;
    bool run_program; /* --run: the operands after the boards are a program and its arguments */
    bool help;
    char **operands;
    size_t operand_count;
    size_t rest_at; /* how many of them stand before a CLI_REST option */
};

enum cli_option_kind {
    CLI_FLAG,   /* bool */
    CLI_COUNT,  /* unsigned, counted */
    CLI_TEXT,   /* const char * */
    CLI_LIST,   /* struct cli_list: may be given several times */
    CLI_NUMBER, /* uint64_t: any base, k and M suffixes */
    CLI_WORD,   /* the same, of at most 32 bits */
    CLI_SIZE,   /* const char *: a number, "keep" or "detect" */
    CLI_CHOICE, /* const char *, one of `choices` */
    CLI_REST    /* bool; everything after it is operands, taken as it stands */
};

struct cli_option {
    const char *name; /* long name without the dashes */
    char letter;      /* 0: none */
    enum cli_option_kind kind;
    size_t field;               /* offset in struct cli_args */
    size_t given;               /* offset of the bool that says it was given, or CLI_NOT_TOLD */
    const char *argument;       /* name of the value in help texts */
    const char *const *choices; /* for CLI_CHOICE, ends with NULL */
    const char *help;
};

#define CLI_NOT_TOLD ((size_t)-1)

enum cli_group { CLI_GROUP_BOARD, CLI_GROUP_BENCH, CLI_GROUP_FILES, CLI_GROUP_OTHER };

struct cli;

struct cli_command {
    const char *name;
    const char *operands;        /* "FILE[@ADDRESS]..." */
    const char *summary;         /* one line, no full stop */
    const char *details;         /* paragraphs for help and man page */
    const char *const *options;  /* names of rows of the option table, ends with NULL */
    const char *const *examples; /* pairs: command line, what it does; ends with NULL */
    enum cli_group group;
    bool operands_verbatim; /* the command parses its own words (look-alikes) */
    /* Returns the exit status. */
    int (*run)(struct cli *cli);
};

struct boards;

struct cli {
    const struct cli_command *command;
    const char *program; /* the look-alike's name that this program was called by, else NULL */
    struct cli_args args;
    char **given; /* the words behind the command's name as they were given, ends with NULL */
    bool tty;     /* standard output is a terminal */
    bool color;
    int width; /* columns */
    struct kiln_device
        worked_on;         /* the device of the last job; selector "" if there were several */
    struct boards *boards; /* see cli_boards() */
    const char *project_dir, *project_environment; /* whose files are used, or NULL */
};

/* ---- tables ---- */

const struct cli_command *cli_command_at(size_t index); /* NULL after the last */
const struct cli_command *cli_command_find(const char *name);
const struct cli_option *cli_option_at(size_t index); /* NULL after the last */
const struct cli_option *cli_option_find(const char *name);

/* The look-alike that a program called `path` is (compat.c), NULL if it is kiln itself. */
const struct cli_command *cli_compat_find(const char *path, const char **out_program);

/* ---- parsing ---- */

/* Parses words after the command's name into cli->args; `words` is permuted. False after printing what is
 * wrong. */
bool cli_parse(struct cli *cli, int count, char **words);

/* "0x1000", "4k", "2MB", "0b11", "16". False if it is no number or does not fit. */
bool cli_number(const char *text, uint64_t *out_number);

/* The bytes that --flash-size names; 0 if it is not given, "keep" or "detect". */
uint64_t cli_flash_size(const struct cli *cli);

/* Copies words for cli->given; false if out of memory. */
bool cli_keep_words(struct cli *cli, int count, char **words);
void cli_free_words(struct cli *cli);

/* ---- errors ---- */

/* Prints "kiln: ..." with hint, or a JSON line with --json, and returns the exit status. */
int cli_fail(struct cli *cli, const struct kiln_error *error);
/* A mistake in the command line: exit status 2. */
int cli_usage(struct cli *cli, const char *format, ...) KILN_PRINTF(2, 3);

/* Asks, and takes one line of standard input for the answer; anything but y or yes is no, the end of it too. */
bool cli_ask(const char *format, ...) KILN_PRINTF(1, 2);

/* ---- jobs ---- */

/* As cli_device_select(), and with --wait until a device is there; CANCELLED by Ctrl-C. */
KILN_MUST_USE enum kiln_status cli_select_waiting(const struct cli *cli, const char *selector,
                                                  struct kiln_device_list *out_list,
                                                  struct kiln_error *out_error);

/* Takes SIGINT, SIGTERM and SIGHUP out of the program's way; what to read them from, or -1. */
int cli_block_signals(void);

/* From now on the program goes on when nobody reads its output any more: work on a board is never left half done for it. */
void cli_outlive_output(void);

/*
 * Runs the request on the device the user chose (on every matching one with --all), draws the events, and
 * returns the exit status: the worst of all jobs. Fills in device, baud and all the other common fields of
 * the request from the options.
 */
int cli_run_job(struct cli *cli, struct kiln_request *request);

/* The same, and hands the data of a READ job to `take` before the job is freed. `take` returns an exit
 * status. */
int cli_run_job_with(struct cli *cli, struct kiln_request *request,
                     int (*take)(struct cli *cli, void *user,
                                 const struct kiln_event_result *result),
                     void *user);

/* How the job of one board ended. */
struct cli_end {
    bool failed;
    enum kiln_status status;
    char message[sizeof((struct kiln_error *)NULL)->message];
    uint64_t time_ms; /* of its last event */
};

/* Of several boards: how many are done, which are not and why, and the command for those alone. */
void cli_put_summary(const struct cli *cli, const struct kiln_device_list *devices,
                     const struct cli_end *ends);

/* Loads one FILE[@ADDRESS] or, where out_partition is not NULL, FILE[@PARTITION]; --address counts if it
 * is `alone`. 0, or the exit status after printing the error. */
int cli_file_load(struct cli *cli, char *word, bool alone, struct kiln_image **out_image,
                  const char **out_partition);

/* Loads FILE[@ADDRESS] operands from `first` on. 0, or the exit status after printing the error. Free with
 * cli_files_free(). */
struct cli_files {
    struct kiln_image **images;
    const char **places; /* the partition each goes to, or NULL */
    bool *encrypted;     /* whether the chip is to encrypt it */
    char **words;        /* what `places` points into */
    size_t count;
};
int cli_files_load(struct cli *cli, size_t first, struct cli_files *out_files);
/* Room for so many files. False when out of memory; free in any case. */
bool cli_files_reserve(struct cli_files *files, size_t count);
void cli_files_free(struct cli_files *files);
/* An image that tells by its vectors alone where it belongs, and that place is an unusual one: asks, if there is
 * somebody to ask; else the job refuses it. False if the answer is no. */
bool cli_files_agreed(const struct cli *cli, struct cli_files *files);

/* `kiln sim BOARD... --run PROGRAM`: becomes the front program; returns an exit status only if that fails. */
int cli_sim_run(struct cli *cli);

/* ---- parts of `kiln image` for Espressif's chips (cmd_image_esp.c) ---- */

int cli_image_elf2image(struct cli *cli);
/* Merges into the format --type names, raw without; for an Espressif chip given with --chip. */
int cli_image_merge_esp(struct cli *cli, const struct cli_files *files);
bool cli_is_esp(const char *chip);
/* Writes --output. 0 or exit status. */
int cli_write_output(struct cli *cli, const uint8_t *bytes, size_t len);

/* What stands behind a DFU device: its alternate settings with their memory, a line each, or with -v a line for
 * each run of equal pages. Nothing for other devices. */
void cli_print_dfu_settings(const struct cli *cli, const struct kiln_device *device);

/*
 * Loads what the project of the current folder (or of -p) is to be flashed with; chip, speed and port come
 * from it where the user gave none, and live as long as *out_project. 0, or the exit status after printing
 * the error. Free both in any case.
 */
int cli_project_load(struct cli *cli, struct kiln_project **out_project,
                     struct cli_files *out_files);

/* Listens to the board that was just flashed, which may still be on its way back; exit status. */
int cli_monitor_after(struct cli *cli);

struct kiln_monitor_options;
/*
 * Fills in what the project of the current folder (or of -p) says about its monitor and the user did not, and
 * says where it stands. No project is no error unless one was asked for. The strings live as long as
 * *out_project. 0, or the exit status after printing the error. Free in any case.
 */
int cli_monitor_project(struct cli *cli, struct kiln_monitor_options *options,
                        struct kiln_project **out_project);

/* ---- boards that are remembered (cli/boards.h, known_boards.c) ---- */

/* What is remembered, read when first asked for. What is wrong with the file is told once. */
const struct boards *cli_boards(const struct cli *cli);

/* kiln_device_select(), which knows the names of boards too. */
KILN_MUST_USE enum kiln_status cli_device_select(const struct cli *cli, const char *selector,
                                                 struct kiln_device_list *out_list,
                                                 struct kiln_error *out_error);

/* Lists the devices that a selector (NULL: none was given) means, and gives the exit status for that. */
int cli_ambiguous(struct cli *cli, const char *selector, const struct kiln_device_list *list);

/*
 * Of the devices that a command without -d may take: leaves the project's board alone in the list if it is
 * there, and says so. Where another one is all there is for a command that writes, or the choice stays open,
 * that is said.
 */
void cli_prefer_known(const struct cli *cli, struct kiln_device_list *list, bool writes);

/* True if another device in the list has the same serial number. */
bool cli_has_twin(const struct kiln_device_list *all, const struct kiln_device *device);

/* The job that used the project's files succeeded: its board is the project's from now on. */
void cli_remember_project(const struct cli *cli);
/* 0 counts for nothing. */
void cli_remember_rate(const struct cli *cli, const struct kiln_device *device, uint32_t rate);
/* The entry's rate, 0 if nothing is known. */
uint32_t cli_known_rate(const struct cli *cli, const struct kiln_device *device);
/* The name of the device, "" if it has none. */
const char *cli_known_name(const struct cli *cli, const struct kiln_device *device);

/* ---- words for people ---- */

/* A line beside a command's work: on standard output, silent with --quiet; with --json an event "notice". */
void cli_note(const struct cli *cli, const char *format, ...) KILN_PRINTF(2, 3);
/* The same on standard error, --quiet or not. */
void cli_warn(const struct cli *cli, const char *format, ...) KILN_PRINTF(2, 3);

/* "1.5 MB", "812 B". `text` must have room for 24 bytes. */
const char *cli_bytes(uint64_t bytes, char *text);

/* Escape sequences, or "" without colour. */
const char *cli_bold(const struct cli *cli);
const char *cli_red(const struct cli *cli);
const char *cli_green(const struct cli *cli);
const char *cli_yellow(const struct cli *cli);
const char *cli_dim(const struct cli *cli);
const char *cli_plain(const struct cli *cli);

/* Prints whole lines. Those that are longer than a terminal is wide are broken between words and go on below the text
 * behind their label ("  Features    ..."); into a pipe or a file they go as they are. */
void cli_put(FILE *out, const char *text);
/* The same. */
void cli_putf(FILE *out, const char *format, ...) KILN_PRINTF(2, 3);
/* Prints `text` and a newline with line breaks between words at `width` columns; every line but the first is
 * indented, the first stands there already. */
void cli_print_wrapped(FILE *out, const char *text, int indent, int width);
/* Is it a terminal that shows more than ASCII? */
bool cli_draws_utf8(const struct cli *cli);
/* The columns of the terminal now; it may have been resized. */
int cli_width_now(const struct cli *cli);

/* ---- help ---- */

void cli_print_overview(const struct cli *cli, FILE *out);
void cli_print_command_help(const struct cli *cli, const struct cli_command *command, FILE *out);
void cli_print_man_page(FILE *out);
void cli_print_command_man_page(const struct cli_command *command, FILE *out);
/* shell: "bash", "zsh" or "fish"; false if unknown. */
bool cli_print_completion(const char *shell, FILE *out);

/* ---- commands, one row each, in the file named after them ---- */

extern const struct cli_command cli_cmd_flash, cli_cmd_verify, cli_cmd_read, cli_cmd_erase,
    cli_cmd_run, cli_cmd_reset, cli_cmd_info, cli_cmd_poke, cli_cmd_list, cli_cmd_doctor,
    cli_cmd_chip, cli_cmd_image, cli_cmd_monitor, cli_cmd_name, cli_cmd_project, cli_cmd_sim,
    cli_cmd_help, cli_cmd_version, cli_cmd_esptool;

extern const struct cli_command cli_cmd_dfu_prefix, cli_cmd_dfu_suffix, cli_cmd_dfu_util,
    cli_cmd_pydfu;

#endif
