/* SPDX-License-Identifier: MIT */
/* Waiting for a board that is not there yet. */
#include "cli/cli.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 100

int cli_block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void cli_outlive_output(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigaction(SIGPIPE, &ignore, NULL);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum kiln_status cancelled(const char *selector, struct kiln_error *out_error)
{
    *out_error = (struct kiln_error){.status = KILN_E_CANCELLED};
    snprintf(out_error->message, sizeof out_error->message, "stopped while waiting for %s",
             selector != NULL ? selector : "a board");
    return KILN_E_CANCELLED;
}

static enum kiln_status wait_for(const struct cli *cli, const char *selector, int signal_fd,
                                 struct kiln_device_list *out_list, struct kiln_error *out_error)
{
    uint64_t seconds = cli->args.wait_s > 1000000 ? 1000000 : cli->args.wait_s;
    uint64_t until_ms = seconds == 0 ? UINT64_MAX : now_ms() + seconds * 1000;
    struct pollfd fd = {.fd = signal_fd, .events = POLLIN};

    for (;;) {
        enum kiln_status status = cli_device_select(cli, selector, out_list, out_error);

        if (status != KILN_E_NO_DEVICE)
            return status;
        if (poll(&fd, 1, LOOK_MS) > 0)
            return cancelled(selector, out_error);
        if (now_ms() >= until_ms)
            break;
    }
    snprintf(out_error->context, sizeof out_error->context, "waited %u s", (unsigned)seconds);
    return out_error->status;
}

enum kiln_status cli_select_waiting(const struct cli *cli, const char *selector,
                                    struct kiln_device_list *out_list, struct kiln_error *out_error)
{
    enum kiln_status status = cli_device_select(cli, selector, out_list, out_error);
    int signal_fd;

    if (!cli->args.has_wait || status != KILN_E_NO_DEVICE)
        return status;
    signal_fd = cli_block_signals(); /* first, so that who reads the note may stop us */
    if (selector == NULL)
        cli_note(cli, "Waiting for a board; Ctrl-C ends it.");
    else
        cli_note(cli, "Waiting for %s; Ctrl-C ends it.", selector);
    status = wait_for(cli, selector, signal_fd, out_list, out_error);
    if (signal_fd >= 0)
        close(signal_fd);
    return status;
}
