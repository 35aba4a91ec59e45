/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

static int list_boards(const struct cli *cli)
{
    const char *name, *title;
    bool usb;

    for (size_t i = 0; kiln_sim_listing(i, &name, &title, &usb); i++)
        cli_putf(stdout, "%s%-14s%s %-6s %s\n", cli_bold(cli), name, cli_plain(cli),
                 usb ? "USB" : "serial", title);
    return 0;
}

/* A thread that waits for Ctrl-C, so that nothing happens inside a signal handler. */
static void *wait_for_signal(void *arg)
{
    sigset_t set;
    int number;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigwait(&set, &number);
    kiln_sim_stop(arg);
    return NULL;
}

static void print_report(const struct kiln_sim_server *server)
{
    struct kiln_sim_report r = kiln_sim_report(server);
    char erased[24], programmed[24];

    printf("%" PRIu64 " commands, %" PRIu64 " replies, %" PRIu64 " resets\n", r.commands, r.replies,
           r.resets);
    printf("%" PRIu64 " bytes in, %" PRIu64 " out, %" PRIu64 " lost\n", r.bytes_in, r.bytes_out,
           r.lost);
    printf("%" PRIu64 " erases (%s), %" PRIu64 " page programs (%s)\n", r.erases,
           cli_bytes(r.erased_bytes, erased), r.programs,
           cli_bytes(r.programmed_bytes, programmed));
}

static int serve(struct cli *cli, const struct kiln_sim_options *options)
{
    struct kiln_sim_server *server;
    struct kiln_error error;
    pthread_t waiter;
    sigset_t set;
    int result = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (kiln_sim_open(options, &server, &error) != KILN_OK)
        return cli_fail(cli, &error);
    printf("board at %s\n", kiln_sim_place(server));
    fflush(stdout);
    if (pthread_create(&waiter, NULL, wait_for_signal, server) != 0) {
        kiln_sim_free(server);
        return cli_usage(cli, "cannot start a thread");
    }
    if (kiln_sim_serve(server, &error) != KILN_OK)
        result = cli_fail(cli, &error);
    pthread_cancel(waiter);
    pthread_join(waiter, NULL);
    print_report(server);
    kiln_sim_free(server);
    return result;
}

static int run_sim(struct cli *cli)
{
    const struct cli_args *args = &cli->args;
    struct kiln_sim_options options = KILN_SIM_OPTIONS_INIT;

    if (args->list)
        return list_boards(cli);
    if (args->run_program)
        return cli_sim_run(cli);
    if (args->operand_count != 1)
        return cli_usage(cli, "say which board; `kiln sim --list` shows them");
    if (args->tcp_port > UINT16_MAX || args->rfc2217_port > UINT16_MAX)
        return cli_usage(cli, "a port number is at most 65535");
    options.board = args->operands[0];
    if (strncmp(options.board, "sim:", 4) == 0)
        options.board += 4;
    options.face = args->has_tcp       ? KILN_SIM_FACE_TCP
                   : args->has_rfc2217 ? KILN_SIM_FACE_RFC2217
                                       : KILN_SIM_FACE_PTY;
    options.port = (uint16_t)(args->has_tcp ? args->tcp_port : args->rfc2217_port);
    options.link = args->pty;
    return serve(cli, &options);
}

static const char *const sim_options[] = {"pty", "tcp", "rfc2217", "run", "list", NULL};
static const char *const sim_examples[] = {"kiln sim esp32 --pty /tmp/board",
                                           "an ESP32 that other programs open as /tmp/board",
                                           "kiln sim 'esp32?flash=f.bin&time=real' --rfc2217 4000",
                                           "as slow as the real one, its flash in a file",
                                           "kiln sim stm32f429 --run dfu-util -l",
                                           "dfu-util with an STM32 in its boot ROM plugged in",
                                           NULL};

const struct cli_command cli_cmd_sim = {
    .name = "sim",
    .operands = "BOARD[?KNOB=VALUE&...]",
    .summary = "a simulated board that other programs can talk to",
    .details =
        "The board lives until Ctrl-C, and tells then what it saw. Knobs: flash=FILE (loaded and "
        "saved), size=4MB, boot=run|download, time=real (as slow as the real board), secure=1 "
        "(secure download mode), baudmax=N, latency=US, seed=N, variant=NAME (ESP chips: usb, "
        "slow-reset, secure-boot, encrypted, encrypted-release, dead-flash), and to make it fail: "
        "cut=N (power goes in flash operation N), drop=N, corrupt=N, refuse=N, delay=N with "
        "delayms=MS, plug=MS (a USB board comes later), unplug=N, badsector=ADDRESS, "
        "and for ESP chips lie=md5|size|op|endless|short|value.",
    .options = sim_options,
    .examples = sim_examples,
    .group = CLI_GROUP_BENCH,
    .run = run_sim,
};
