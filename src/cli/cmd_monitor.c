/* SPDX-License-Identifier: MIT */
/* kiln monitor: the terminal, the signals and the output of a monitor. */
#include "cli/cli.h"
#include "cli/json.h"

#include <errno.h>
#include <inttypes.h>
#include <kiln/project.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define NOTICE_INDENT 4
#define BACK_S        10 /* how long a board that was flashed may take to come back */

struct session {
    struct cli *cli;
    struct kiln_monitor *monitor;
    bool keyboard;
    bool raw;
    struct termios cooked;
    bool output_failed;
    bool rate_told;
    struct kiln_device port;
    sigset_t signals;
};

/* ---- the terminal ---- */

/* Every key comes as a byte; what is written is still translated, so that a newline begins a line. */
static void set_raw(struct session *session, bool raw)
{
    struct termios mode = session->cooked;

    if (!session->keyboard || session->raw == raw)
        return;
    if (raw) {
        mode.c_iflag &= (tcflag_t) ~(BRKINT | ICRNL | INLCR | IGNCR | ISTRIP | IXON);
        mode.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
        mode.c_cc[VMIN] = 1;
        mode.c_cc[VTIME] = 0;
    }
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
    session->raw = raw;
}

static bool show(void *user, const uint8_t *bytes, size_t len)
{
    struct session *session = user;

    while (len > 0) {
        ssize_t put = write(STDOUT_FILENO, bytes, len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            session->output_failed = put < 0 && errno != EPIPE;
            return false;
        }
        bytes += put;
        len -= (size_t)put;
    }
    return true;
}

static void put_notice(const struct cli *cli, FILE *out, const char *text)
{
    int width = cli_width_now(cli);

    /* What fits is left as it is: the list of keys is set in columns. */
    if ((int)strlen(text) + NOTICE_INDENT <= width)
        fprintf(out, "%s\n", text);
    else
        cli_print_wrapped(out, text, NOTICE_INDENT, width);
}

static unsigned columns(void *user)
{
    const struct session *session = user;

    return session->cli->tty ? (unsigned)cli_width_now(session->cli) : 0;
}

/* On a terminal between the board's lines, else beside them. */
static void notice(void *user, const char *text)
{
    struct session *session = user;
    const struct cli *cli = session->cli;

    if (cli->args.json) {
        cli_put_json(cli_notice_json(text));
    } else if (!cli->args.quiet) {
        FILE *out = cli->tty ? stdout : stderr;

        if (cli->tty) {
            fprintf(out, "%s--- ", cli_yellow(cli));
            put_notice(cli, out, text);
            fputs(cli_plain(cli), out);
        } else {
            fprintf(out, "--- %s\n", text);
        }
        fflush(out);
    }
}

/* ---- the flash key ---- */

static void flash(void *user, const char *port)
{
    struct session *session = user;
    const struct cli_args *args = &session->cli->args;
    const char *words[10] = {"kiln", "flash", "-d", port};
    size_t count = 4;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child;
    int status;

    if (args->flash != NULL) {
        words[count++] = args->flash;
    } else {
        if (args->project != NULL) {
            words[count++] = "-p";
            words[count++] = args->project;
        }
        if (args->environment != NULL) {
            words[count++] = "-e";
            words[count++] = args->environment;
        }
    }
    set_raw(session, false);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    status = posix_spawn(&child, "/proc/self/exe", NULL, &attributes,
                         (char *const *)(uintptr_t)words, environ);
    if (status == 0) {
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
    } else {
        notice(user, "kiln flash could not be started");
    }
    posix_spawnattr_destroy(&attributes);
    set_raw(session, true);
}

/* ---- which port ---- */

static bool can_be_heard(const struct kiln_device *device)
{
    return device->kind == KILN_DEVICE_SERIAL || device->kind == KILN_DEVICE_NETWORK ||
           device->kind == KILN_DEVICE_SIMULATED;
}

static void keep_ports(struct kiln_device_list *list, bool on_usb)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++)
        if (can_be_heard(&list->items[i]) && (list->items[i].vid >= 0 || !on_usb))
            list->items[count++] = list->items[i];
    list->count = count;
}

static void fail_ports(struct cli *cli, const struct kiln_device_list *ports,
                       struct kiln_error *error)
{
    *error = (struct kiln_error){.status = KILN_E_NO_DEVICE,
                                 .hint = KILN_HINT_CONNECT_DEVICE,
                                 .message = "no serial port on USB is there"};
    if (ports->count == 0)
        return;
    *error = (struct kiln_error){.status = KILN_E_AMBIGUOUS, .hint = KILN_HINT_CHOOSE_DEVICE};
    snprintf(error->message, sizeof error->message,
             "there are %zu serial ports and -d does not say which", ports->count);
    for (size_t i = 0; i < ports->count && !cli->args.json; i++)
        cli_putf(stderr, "  -d %-28s %s %s\n", ports->items[i].selector, ports->items[i].title,
                 ports->items[i].serial);
}

/* Without -d: the one USB serial port that is there, or that of the project's board. */
static enum kiln_status find_port(struct cli *cli, struct kiln_device *out_port,
                                  struct kiln_error *error)
{
    struct kiln_device_list list = {0};
    enum kiln_status status = kiln_device_enumerate(&list, error);

    if (status != KILN_OK)
        return status;
    keep_ports(&list, true);
    cli_prefer_known(cli, &list, false);
    if (list.count == 1) {
        *out_port = list.items[0];
    } else {
        fail_ports(cli, &list, error);
        status = error->status;
    }
    kiln_device_list_free(&list);
    return status;
}

/* The port that -d means; a name is no selector of the library's. */
static enum kiln_status know_port(struct session *session, struct kiln_error *error)
{
    struct kiln_device_list list = {0};
    const char *word = session->cli->args.devices.word[0];
    enum kiln_status status = cli_device_select(session->cli, word, &list, error);

    session->port = (struct kiln_device){0};
    if (status != KILN_OK)
        return status;
    session->port = list.items[0]; /* says that it has no serial port if there is none */
    keep_ports(&list, false);
    if (list.count > 0)
        session->port = list.items[0];
    if (list.count > 1) {
        *error = (struct kiln_error){.status = KILN_E_AMBIGUOUS, .hint = KILN_HINT_CHOOSE_DEVICE};
        snprintf(error->message, sizeof error->message, "'%.100s' means %zu devices", word,
                 list.count);
        status = error->status;
    }
    kiln_device_list_free(&list);
    return status;
}

/* A rate that nobody gave is that of the last time. */
static void take_known_rate(struct session *session, struct kiln_monitor_options *options)
{
    uint32_t rate = options->baud == 0 ? cli_known_rate(session->cli, &session->port) : 0;

    if (rate == 0)
        return;
    options->baud = rate;
    options->find_rate = true;
    if (!session->rate_told) {
        char text[64];

        snprintf(text, sizeof text, "%" PRIu32 " baud, as this board spoke the last time", rate);
        notice(session, text);
    }
    session->rate_told = true;
}

static enum kiln_status open_once(struct session *session,
                                  const struct kiln_monitor_options *wanted,
                                  struct kiln_error *error)
{
    const struct kiln_monitor_sink sink = {show, notice, flash, session, columns};
    struct kiln_monitor_options options = *wanted;
    enum kiln_status status = options.device == NULL
                                  ? find_port(session->cli, &session->port, error)
                                  : know_port(session, error);

    if (status != KILN_OK)
        return status;
    /* What was given stays as it is: /dev/serial/by-id/... is the same port when its number changes. */
    if (options.device == NULL || options.device[0] != '/')
        options.device = session->port.selector;
    take_known_rate(session, &options);
    return kiln_monitor_open(&options, &sink, &session->monitor, error);
}

/* --ask: the ports that are there, and a question. False: nothing was chosen. */
static bool ask_port(char *selector, size_t cap)
{
    struct kiln_device_list list = {0};
    struct kiln_error error;
    unsigned number = 0, wanted;
    char *end;

    if (kiln_device_enumerate(&list, &error) != KILN_OK)
        return false;
    for (size_t i = 0; i < list.count; i++)
        if (can_be_heard(&list.items[i]))
            cli_putf(stderr, "  %u  %s %s\n", ++number, list.items[i].port, list.items[i].title);
    cli_putf(stderr, "which port, by number or name (nothing: none)? ");
    if (fgets(selector, (int)cap, stdin) == NULL)
        selector[0] = '\0';
    selector[strcspn(selector, "\n")] = '\0';
    wanted = (unsigned)strtoul(selector, &end, 10);
    if (*end == '\0' && wanted > 0)
        for (size_t i = 0; i < list.count; i++)
            if (can_be_heard(&list.items[i]) && --wanted == 0)
                snprintf(selector, cap, "%s", list.items[i].port);
    kiln_device_list_free(&list);
    return selector[0] != '\0';
}

static enum kiln_status open_asking(struct session *session,
                                    const struct kiln_monitor_options *wanted,
                                    struct kiln_error *error)
{
    struct kiln_monitor_options options = *wanted;
    char *selector = session->cli->args.port;
    enum kiln_status status;

    while ((status = open_once(session, &options, error)) != KILN_OK) {
        cli_putf(stderr, "kiln: %s\n", error->message);
        if (!ask_port(selector, sizeof session->cli->args.port))
            return status;
        session->cli->args.devices.word[0] = options.device = selector;
        session->cli->args.devices.count = 1;
    }
    return KILN_OK;
}

static enum kiln_status open_waiting(struct session *session,
                                     const struct kiln_monitor_options *options,
                                     struct kiln_error *error)
{
    const struct cli_args *args = &session->cli->args;
    uint64_t left_ms = !args->has_wait ? 0 : args->wait_s == 0 ? UINT64_MAX : args->wait_s * 1000;

    if (args->ask && session->keyboard)
        return open_asking(session, options, error);
    for (;;) {
        enum kiln_status status = open_once(session, options, error);
        struct timespec nap = {.tv_nsec = 50000000};

        /* UNSUPPORTED: at that place is a bootloader without a serial port, which may become one. */
        if ((status != KILN_E_NO_DEVICE && status != KILN_E_UNSUPPORTED) || left_ms < 50)
            return status;
        nanosleep(&nap, NULL);
        left_ms -= 50;
    }
}

/* ---- the run ---- */

static int index_of(const char *const *words, const char *word)
{
    for (int i = 0; word != NULL && words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return 0;
}

static void fill_options(const struct session *session, struct kiln_monitor_options *options)
{
    static const char *const enter[] = {"crlf", "cr", "lf", NULL};
    static const char *const ends[] = {"auto", "lf", "cr", NULL};
    static const char *const times[] = {"none", "clock", "delta", NULL};
    static const char *const shows[] = {"direct",    "text",  "pictures", "nocontrol",
                                        "printable", "debug", NULL};
    const struct cli_args *args = &session->cli->args;

    options->device = args->devices.count > 0 ? args->devices.word[0] : NULL;
    options->baud = (uint32_t)args->baud;
    options->reset = args->reset;
    /* What a board says between flashing and listening is lost; it says it again. */
    options->reset_by_line =
        args->monitor && (args->after == NULL || strcmp(args->after, "default") == 0 ||
                          strcmp(args->after, "hard") == 0);
    options->send_eol = (enum kiln_monitor_eol)index_of(enter, args->enter);
    options->line_end = (enum kiln_monitor_line_end)index_of(ends, args->line_end);
    options->time = (enum kiln_monitor_time)index_of(times, args->time);
    options->echo = args->echo;
    options->hex = args->hex;
    options->color = session->cli->color && !args->json;
    options->show = args->show != NULL  ? (enum kiln_monitor_show)index_of(shows, args->show)
                    : session->cli->tty ? KILN_MONITOR_TEXT
                                        : KILN_MONITOR_DIRECT;
    options->json = args->json;
    options->filter = args->filter;
    options->level = args->level != NULL ? args->level[0] : 0;
    options->log = args->log;
    options->send = args->send;
    options->elf = args->elf.word;
    options->elf_count = args->elf.count;
    options->reset_sequence = args->reset_sequence;
    options->duration_ms =
        (uint32_t)(args->duration_s > 4000000 ? 4000000000u : args->duration_s * 1000);
    options->send_hex = args->send_hex;
    options->by_line = args->by_line;
    options->encoding = args->encoding;
    options->output = STDOUT_FILENO;
    options->input = STDIN_FILENO;
    options->keys = session->keyboard;
}

static enum kiln_monitor_level level_of(const char *word)
{
    if (word == NULL)
        return KILN_MONITOR_AUTO;
    return strcmp(word, "on") == 0 || strcmp(word, "1") == 0 ? KILN_MONITOR_ON : KILN_MONITOR_OFF;
}

static void fill_port(const struct cli_args *args, struct kiln_monitor_options *options)
{
    static const char *const stops[] = {"1", "1.5", "2", NULL};

    options->data_bits = (uint8_t)args->data_bits;
    options->parity = args->parity != NULL ? args->parity[0] : 0;
    options->stop_half_bits = (uint8_t)(2 + index_of(stops, args->stop_bits));
    options->rtscts = args->rtscts;
    options->xonxoff = args->xonxoff;
    options->dtr = level_of(args->dtr);
    options->rts = level_of(args->rts);
    options->shared = args->shared;
}

/* "^]", "Ctrl-]", "29", "0x1d". 0 if it is none. */
static char read_key(const char *text)
{
    uint64_t number;

    if (text[0] == '^' && text[1] != '\0' && text[2] == '\0')
        return (char)(text[1] & 0x1f);
    if (strncasecmp(text, "Ctrl-", 5) == 0 && text[5] != '\0' && text[6] == '\0')
        return (char)(text[5] & 0x1f);
    return cli_number(text, &number) && number < 128 ? (char)number : 0;
}

static int fill_keys(struct cli *cli, struct kiln_monitor_options *options)
{
    const char *leave = cli->args.exit_key, *menu = cli->args.menu_key;

    options->exit_key = leave != NULL ? read_key(leave) : 0x1d;
    options->menu_key = menu != NULL ? read_key(menu) : 0x14;
    if (options->exit_key == 0 || options->menu_key == 0)
        return cli_usage(cli, "'%s' is no key; one is ^A to ^Z, ^], or its number up to 127",
                         options->exit_key == 0 ? leave : menu);
    if (options->exit_key == options->menu_key)
        return cli_usage(cli, "--exit-key and --menu-key are the same key");
    return 0;
}

static void *wait_for_signal(void *user)
{
    struct session *session = user;
    int number;

    if (sigwait(&session->signals, &number) == 0)
        kiln_monitor_stop(session->monitor);
    return NULL;
}

static int run_session(struct session *session)
{
    struct kiln_error error = {0};
    pthread_t waiter;
    enum kiln_status status;

    if (pthread_create(&waiter, NULL, wait_for_signal, session) != 0)
        return cli_usage(session->cli, "cannot start a thread");
    set_raw(session, true);
    status = kiln_monitor_run(session->monitor, &error);
    set_raw(session, false);
    pthread_cancel(waiter);
    pthread_join(waiter, NULL);
    if (session->output_failed)
        return 12;
    if (status == KILN_E_CANCELLED)
        return 130;
    return status == KILN_OK ? 0 : cli_fail(session->cli, &error);
}

static int run_monitor(struct cli *cli)
{
    struct kiln_monitor_options options = KILN_MONITOR_OPTIONS_INIT;
    struct session session = {.cli = cli};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct kiln_project *project = NULL;
    struct kiln_error error = {0};
    int result;

    if (cli->args.operand_count > 0)
        return cli_usage(cli, "`kiln monitor` takes no '%s'; name the port with -d",
                         cli->args.operands[0]);
    if (cli->args.devices.count > 1)
        return cli_usage(cli, "one monitor listens to one port");
    if (cli->args.baud > 20000000)
        return cli_usage(cli, "no serial line runs at that rate");
    if (cli->args.data_bits > 8 || (cli->args.data_bits != 0 && cli->args.data_bits < 5))
        return cli_usage(cli, "a byte has 5 to 8 data bits");
    session.keyboard = isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &session.cooked) == 0;
    fill_options(&session, &options);
    fill_port(&cli->args, &options);
    result = fill_keys(cli, &options);
    if (result != 0)
        return result;
    sigaction(SIGPIPE, &ignore, NULL);
    result = cli_monitor_project(cli, &options, &project);
    if (result == 0 && open_waiting(&session, &options, &error) != KILN_OK)
        result = cli_fail(cli, &error);
    if (result != 0) {
        kiln_project_free(project);
        return result;
    }
    sigemptyset(&session.signals);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        sigaddset(&session.signals, ends[i]);
    pthread_sigmask(SIG_BLOCK, &session.signals, NULL);
    result = run_session(&session);
    cli_remember_rate(cli, &session.port, kiln_monitor_rate(session.monitor));
    kiln_monitor_free(session.monitor);
    cli->project_dir = cli->project_environment = NULL;
    kiln_project_free(project);
    return result;
}

/* A board that was flashed through its USB bootloader needs a moment to become a serial port. */
int cli_monitor_after(struct cli *cli)
{
    cli->args.operand_count = 0;
    cli->args.baud = 0;
    cli->args.devices.count = 0;
    if (cli->worked_on.selector[0] != '\0')
        cli->args.devices.word[cli->args.devices.count++] = cli->worked_on.selector;
    if (!cli->args.has_wait || cli->args.wait_s < BACK_S)
        cli->args.wait_s = BACK_S;
    cli->args.has_wait = true;
    cli->command = &cli_cmd_monitor;
    return run_monitor(cli);
}

static const char *const monitor_options[] = {
    "device",   "project",   "environment", "baud",
    "elf",      "reset",     "flash",       "time",
    "filter",   "level",     "log",         "send",
    "echo",     "hex",       "enter",       "line-end",
    "parity",   "data-bits", "stop-bits",   "rtscts",
    "xonxoff",  "dtr",       "rts",         "encoding",
    "show",     "send-hex",  "by-line",     "exit-key",
    "menu-key", "shared",    "ask",         "reset-sequence",
    "duration", "wait",      "json",        "quiet",
    NULL};
static const char *const monitor_examples[] = {
    "kiln monitor --elf firmware.elf",
    "the one board that is there; crashes become functions and lines",
    "kiln monitor -d /dev/ttyUSB0 -b 74880 --reset",
    "what the ESP8266's ROM says after a reset",
    "kiln monitor --time clock --level W --log today.log",
    "warnings and errors with the time; the log gets everything",
    "kiln monitor --json --duration 10 | jq .text",
    "ten seconds for another program",
    NULL};

const struct cli_command cli_cmd_monitor = {
    .name = "monitor",
    .operands = "",
    .summary = "show what a board says and send what is typed",
    .details =
        "The board is not reset, unless --reset says so. If it leaves, the monitor waits "
        "for it at the "
        "same USB place, whatever it is called there. In a project's folder (or with -p) the rate, "
        "the ELF file, the filters and the line end are the project's. Without -b and a project "
        "the rate is 115200; another one is looked for if that gives no text. `kiln flash` on the "
        "same port makes the monitor let go and "
        "come back. "
        "Ctrl-] ends; Ctrl-T H lists the keys. Nothing resets the board when the port is opened; "
        "--dtr and --rts set those lines, in one step. In a pipe what the board says goes to "
        "standard output, "
        "the monitor's own words to standard error.",
    .options = monitor_options,
    .examples = monitor_examples,
    .group = CLI_GROUP_BENCH,
    .run = run_monitor,
};
