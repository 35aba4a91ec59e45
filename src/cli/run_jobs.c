/* SPDX-License-Identifier: MIT */
/* The main thread's loop: job events, signals, the terminal. */
#include "cli/map.h"
#include "cli/render.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

struct run {
    struct cli *cli;
    const struct kiln_device_list *devices;
    struct kiln_job **jobs;
    bool *ended;
    struct cli_end *ends;
    size_t count, running;
    struct renderer *renderer;
    int signal_fd;
    unsigned interrupts;
    int status; /* exit status so far: the worst */
    int (*take)(struct cli *cli, void *user, const struct kiln_event_result *result);
    void *user;
};

static enum kiln_reset_before before_of(const char *word)
{
    if (word == NULL || strcmp(word, "default") == 0)
        return KILN_RESET_BEFORE_DEFAULT;
    if (strcmp(word, "touch") == 0)
        return KILN_RESET_BEFORE_TOUCH;
    if (strcmp(word, "usb") == 0)
        return KILN_RESET_BEFORE_USB;
    return strcmp(word, "no-reset") == 0 ? KILN_RESET_BEFORE_NONE : KILN_RESET_BEFORE_NO_SYNC;
}

static enum kiln_reset_after after_of(const char *word)
{
    static const char *const words[] = {"default", "hard", "soft", "stay", "stay-stub", "watchdog"};

    for (size_t i = 0; word != NULL && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i], word) == 0)
            return (enum kiln_reset_after)i;
    return KILN_RESET_AFTER_DEFAULT;
}

static enum kiln_request_loader loader_of(const char *word)
{
    static const char *const words[] = {
        [KILN_LOADER_STUB] = "stub", [KILN_LOADER_ROM] = "rom", [KILN_LOADER_KILN] = "kiln"};

    for (size_t i = 0; word != NULL && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i], word) == 0)
            return (enum kiln_request_loader)i;
    return KILN_LOADER_STUB;
}

static void fill_request(const struct cli *cli, struct kiln_request *request)
{
    const struct cli_args *args = &cli->args;

    request->chip = args->chip;
    request->baud = (uint32_t)args->baud;
    request->connect_attempts = (uint32_t)args->connect_attempts;
    request->before = before_of(args->before);
    request->after = after_of(args->after);
    request->loader = loader_of(args->loader);
    request->boot_slot = args->boot;
    request->layout = args->layout;
    request->alt = args->alt;
    request->reset_sequence = args->reset_sequence;
    request->trace_path = args->trace;
    request->stub_dir = args->stub_dir;
    request->flash_mode = args->flash_mode;
    request->flash_freq = args->flash_freq;
    request->flash_size = cli_flash_size(cli);
    request->header_size = request->flash_size == 0 ? args->flash_size : NULL;
    request->wait_ms = !args->has_wait                             ? 0
                       : args->wait_s == 0 || args->wait_s > 86400 ? 86400000
                                                                   : (uint32_t)args->wait_s * 1000;
    request->map = args->map || args->svg != NULL;
    request->full = args->full;
    request->force = args->force;
    request->no_verify = args->no_verify;
    request->erase_all = args->erase_all;
    request->unprotect = args->unprotect;
    request->dry_run = args->dry_run;
    request->log_level = args->verbose > 1 ? 0 : args->verbose == 1 ? 2 : 3;
}

/* "-d sim:..." twice means two boards; any other selector twice means the same one. */
static bool known(const struct kiln_device_list *list, const struct kiln_device *device)
{
    for (size_t i = 0; i < list->count && device->kind != KILN_DEVICE_SIMULATED; i++)
        if (strcmp(list->items[i].selector, device->selector) == 0)
            return true;
    return false;
}

static int add_devices(struct kiln_device_list *list, const struct kiln_device_list *more)
{
    struct kiln_device *grown =
        realloc(list->items, (list->count + more->count + 1) * sizeof *list->items);

    if (grown == NULL)
        return 12;
    list->items = grown;
    for (size_t i = 0; i < more->count; i++)
        if (!known(list, &more->items[i]))
            grown[list->count++] = more->items[i];
    return 0;
}

static int choose_one(struct cli *cli, const char *selector, struct kiln_device_list *list)
{
    struct kiln_device_list found = {0};
    struct kiln_error error = {0};
    int status;

    if (cli_select_waiting(cli, selector, &found, &error) != KILN_OK)
        return cli_fail(cli, &error);
    if (selector == NULL && !cli->args.all)
        cli_prefer_known(cli, &found, true);
    if (found.count > 1 && !cli->args.all)
        status = cli_ambiguous(cli, selector, &found);
    else
        status = add_devices(list, &found);
    kiln_device_list_free(&found);
    return status;
}

static int choose_devices(struct cli *cli, struct kiln_device_list *out_list)
{
    const struct cli_list *wanted = &cli->args.devices;

    if (wanted->count == 0)
        return choose_one(cli, NULL, out_list);
    for (size_t i = 0; i < wanted->count; i++) {
        int status = choose_one(cli, wanted->word[i], out_list);

        if (status != 0)
            return status;
    }
    return 0;
}

static void end_job(struct run *run, size_t job, const struct kiln_event_result *result)
{
    int status = kiln_status_exit_code(result->status);

    run->ended[job] = true;
    run->running--;
    if (status == 0 && run->take != NULL)
        status = run->take(run->cli, run->user, result);
    run->ends[job].status = result->status;
    run->ends[job].failed = status != 0;
    if (result->error != NULL)
        snprintf(run->ends[job].message, sizeof run->ends[job].message, "%s",
                 result->error->message);
    if (status > run->status)
        run->status = status;
}

/* "map.svg" for one board; "map-1.svg", "map-2.svg", ... for several. */
static void svg_path(const struct run *run, size_t job, char *path, size_t cap)
{
    const char *given = run->cli->args.svg, *name = strrchr(given, '/');
    const char *dot = strrchr(name != NULL ? name : given, '.');
    size_t stem = dot != NULL ? (size_t)(dot - given) : strlen(given);

    if (run->count > 1)
        snprintf(path, cap, "%.*s-%zu%s", (int)stem, given, job + 1, given + stem);
    else
        snprintf(path, cap, "%s", given);
}

static void take_map(struct run *run, size_t job, const struct kiln_event *event)
{
    const struct kiln_map *map = event->plan->map;
    const struct cli_args *args = &run->cli->args;
    char path[PATH_MAX], line[PATH_MAX + 300];

    if (map == NULL && (args->map || args->svg != NULL))
        run->renderer->ops->notice(run->renderer,
                                   "There is no map: this device tells no addresses, it takes the "
                                   "file as a whole and puts it where it wants.");
    if (map == NULL || args->svg == NULL)
        return;
    svg_path(run, job, path, sizeof path);
    if (!cli_map_svg(map, event->device, path)) {
        cli_putf(stderr, "kiln: %s cannot be written: %s\n", path, strerror(errno));
        if (run->status < 12)
            run->status = 12;
    } else if (run->count > 1) {
        snprintf(line, sizeof line, "The map of %s is %s.", event->device, path);
        run->renderer->ops->notice(run->renderer, line);
    }
}

static void drain_events(struct run *run, size_t job)
{
    struct kiln_event event;

    while (!run->ended[job] && kiln_job_next_event(run->jobs[job], &event, 0)) {
        run->renderer->ops->event(run->renderer, job, &event);
        run->ends[job].time_ms = event.time_ms;
        if (event.kind == KILN_EVENT_PLAN)
            take_map(run, job, &event);
        if (event.kind == KILN_EVENT_RESULT)
            end_job(run, job, event.result);
    }
}

static void end_at_once(struct run *run, size_t job)
{
    struct kiln_error error = {.status = KILN_E_CANCELLED};
    const struct kiln_event_result result = {.status = KILN_E_CANCELLED,
                                             .error = &error,
                                             .state = kiln_job_state(run->jobs[job]),
                                             .board_note = ""};
    const struct kiln_event event = {.kind = KILN_EVENT_RESULT,
                                     .device = run->devices->items[job].selector,
                                     .time_ms = run->ends[job].time_ms,
                                     .result = &result};

    snprintf(error.message, sizeof error.message, "left at once; the bootloader may still wait");
    run->renderer->ops->event(run->renderer, job, &event);
}

static void give_up(struct run *run)
{
    run->renderer->ops->end(run->renderer);
    for (size_t i = 0; i < run->count; i++)
        if (!run->ended[i] && run->cli->args.json)
            end_at_once(run, i);
        else if (!run->ended[i])
            fprintf(stderr,
                    "kiln: left at once; the flash of board %zu was last known to be %s and its "
                    "bootloader "
                    "may still be waiting\n  Reset or replug it before the next try.\n",
                    i + 1, kiln_device_state_name(kiln_job_state(run->jobs[i])));
    fflush(stdout);
    _exit(130);
}

static void on_signal(struct run *run)
{
    struct signalfd_siginfo info;

    if (read(run->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (++run->interrupts > 1)
        give_up(run);
    run->renderer->ops->notice(
        run->renderer, "Stopping; the board is being left in order (again: leave at once).");
    for (size_t i = 0; i < run->count; i++)
        kiln_job_cancel(run->jobs[i]);
}

static void watch(struct run *run)
{
    struct pollfd *fds = calloc(run->count + 1, sizeof *fds);

    while (fds != NULL && run->running > 0) {
        for (size_t i = 0; i < run->count; i++)
            fds[i] = (struct pollfd){.fd = run->ended[i] ? -1 : kiln_job_event_fd(run->jobs[i]),
                                     .events = POLLIN};
        fds[run->count] = (struct pollfd){.fd = run->signal_fd, .events = POLLIN};
        if (poll(fds, (nfds_t)run->count + 1, -1) < 0 && errno != EINTR)
            break;
        if (fds[run->count].revents != 0)
            on_signal(run);
        for (size_t i = 0; i < run->count; i++)
            if (fds[i].revents != 0)
                drain_events(run, i);
    }
    free(fds);
}

static bool start_jobs(struct run *run, struct kiln_request *request,
                       const struct kiln_device_list *devices)
{
    for (size_t i = 0; i < devices->count; i++) {
        request->device = devices->items[i].selector;
        if (kiln_job_create(request, &run->jobs[i]) != KILN_OK)
            return false;
        run->count++;
    }
    for (size_t i = 0; i < run->count; i++)
        if (kiln_job_start(run->jobs[i]) != KILN_OK)
            return false;
    run->running = run->count;
    return true;
}

static int run_all(struct run *run, struct kiln_request *request,
                   const struct kiln_device_list *devices)
{
    run->devices = devices;
    run->jobs = calloc(devices->count, sizeof *run->jobs);
    run->ended = calloc(devices->count, sizeof *run->ended);
    run->ends = calloc(devices->count, sizeof *run->ends);
    run->signal_fd = cli_block_signals();
    cli_outlive_output();
    if (run->jobs == NULL || run->ended == NULL || run->ends == NULL || run->renderer == NULL ||
        !start_jobs(run, request, devices)) {
        fputs("kiln: out of memory or threads\n", stderr);
        run->status = 12;
    } else {
        watch(run);
        run->renderer->ops->end(run->renderer);
        if (run->count > 1)
            cli_put_summary(run->cli, devices, run->ends);
    }
    for (size_t i = 0; i < run->count; i++)
        kiln_job_free(run->jobs[i]);
    if (run->renderer != NULL)
        run->renderer->ops->free(run->renderer);
    if (run->signal_fd >= 0)
        close(run->signal_fd);
    free(run->jobs);
    free(run->ended);
    free(run->ends);
    return run->status;
}

int cli_run_job_with(struct cli *cli, struct kiln_request *request,
                     int (*take)(struct cli *cli, void *user,
                                 const struct kiln_event_result *result),
                     void *user)
{
    struct run run = {.cli = cli, .take = take, .user = user};
    struct kiln_device_list devices = {0};
    int status = choose_devices(cli, &devices);

    cli->worked_on = (struct kiln_device){0};
    if (status == 0) {
        if (devices.count == 1)
            cli->worked_on = devices.items[0];
        fill_request(cli, request);
        run.renderer = renderer_new(cli, devices.count);
        status = run_all(&run, request, &devices);
    }
    kiln_device_list_free(&devices);
    return status;
}

int cli_run_job_drawn(struct cli *cli, struct kiln_request *request, struct renderer *renderer)
{
    struct run run = {.cli = cli, .renderer = renderer};
    struct kiln_device device = {0};
    struct kiln_device_list devices = {&device, 1};

    snprintf(device.selector, sizeof device.selector, "%s", request->device);
    return run_all(&run, request, &devices);
}

int cli_run_job(struct cli *cli, struct kiln_request *request)
{
    return cli_run_job_with(cli, request, NULL, NULL);
}
