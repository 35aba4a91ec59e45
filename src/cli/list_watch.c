/* SPDX-License-Identifier: MIT */
/* `kiln list --watch`: what is plugged in and out, as it happens. */
#include "cli/list.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* One plug makes several events (device, interfaces, port, permissions): the list is looked at when they
 * have calmed down. */
#define CALM_MS   150
#define LINES_MAX 6

struct watch {
    struct cli *cli;
    struct kiln_device_watch *source;
    struct kiln_device_list now;
    struct kiln_device_list gone; /* the last one that went from each place */
    char lines[LINES_MAX][160];   /* the newest events, under the table of a terminal */
    size_t line_count;
    int signal_fd;
};

static struct kiln_device *find_gone(const struct watch *watch, const char *id)
{
    for (size_t i = 0; i < watch->gone.count; i++) {
        if (strcmp(watch->gone.items[i].id, id) == 0)
            return &watch->gone.items[i];
    }
    return NULL;
}

static void remember(struct watch *watch, const struct kiln_device *device)
{
    struct kiln_device *slot = find_gone(watch, device->id);

    if (slot == NULL) {
        slot = realloc(watch->gone.items, (watch->gone.count + 1) * sizeof *slot);
        if (slot == NULL)
            return; /* only the word of what it was is lost */
        watch->gone.items = slot;
        slot += watch->gone.count++;
    }
    *slot = *device;
}

static const char *words_of(const struct kiln_device *device)
{
    return device->what[0] != '\0' ? device->what : device->title;
}

static void describe(const struct kiln_device *before, const struct kiln_device *after, char *text,
                     size_t cap)
{
    const struct kiln_device *device = after != NULL ? after : before;
    bool turned =
        after != NULL && before != NULL &&
        (before->kind != after->kind || before->vid != after->vid || before->pid != after->pid);
    char ids[16] = "";

    if (device->vid >= 0)
        snprintf(ids, sizeof ids, " %04x:%04x", (unsigned)device->vid, (unsigned)device->pid);
    snprintf(text, cap, "%-8s %s%s %.40s%s%.40s%s%.60s", device->id,
             device->kind == KILN_DEVICE_SERIAL ? device->port
                                                : kiln_device_kind_name(device->kind),
             ids, words_of(device), turned ? ", was " : "", turned ? words_of(before) : "",
             device->usable != KILN_OK && after != NULL ? ": " : "",
             after != NULL ? device->obstacle : "");
}

static void tell_json(const struct cli *cli, const char *event, const struct kiln_device *before,
                      const struct kiln_device *device)
{
    json_t *object = cli_device_json(cli, device);

    cli_json_set(object, "event", event);
    if (before != NULL && before != device)
        json_object_set_new(object, "was", cli_device_json(cli, before));
    cli_put_json(object);
}

static void tell(void *user, const struct kiln_device *before, const struct kiln_device *after)
{
    struct watch *watch = user;
    const struct kiln_device *was = before != NULL ? before : find_gone(watch, after->id);
    char text[512], clock[16];
    time_t now = time(NULL);
    struct tm local;

    if (watch->cli->args.json) {
        tell_json(watch->cli,
                  after == NULL    ? "remove"
                  : before == NULL ? "add"
                                   : "change",
                  was, after != NULL ? after : before);
    } else {
        describe(was, after, text, sizeof text);
        localtime_r(&now, &local);
        strftime(clock, sizeof clock, "%H:%M:%S", &local);
        if (watch->line_count == LINES_MAX)
            memmove(watch->lines[0], watch->lines[1], sizeof watch->lines - sizeof watch->lines[0]);
        else
            watch->line_count++;
        snprintf(watch->lines[watch->line_count - 1], sizeof watch->lines[0], "%s %c %.140s", clock,
                 after == NULL    ? '-'
                 : before == NULL ? '+'
                                  : '~',
                 text);
        if (!watch->cli->tty)
            puts(watch->lines[watch->line_count - 1]);
    }
    if (after == NULL && before != NULL)
        remember(watch, before);
}

static void paint(const struct watch *watch)
{
    const struct cli *cli = watch->cli;

    if (cli->args.json || !cli->tty)
        return;
    watch->cli->width = cli_width_now(cli);
    fputs("\033[H\033[J", stdout);
    cli_print_devices(cli, &watch->now);
    putchar('\n');
    for (size_t i = 0; i < watch->line_count; i++)
        printf("%.*s\n", cli->width, watch->lines[i]);
    printf("%sWatching; Ctrl-C ends.%s\n", cli_dim(cli), cli_plain(cli));
}

static void begin(const struct watch *watch)
{
    for (size_t i = 0; i < watch->now.count && watch->cli->args.json; i++)
        tell_json(watch->cli, "present", NULL, &watch->now.items[i]);
    if (!watch->cli->args.json && !watch->cli->tty)
        cli_print_devices(watch->cli, &watch->now);
    paint(watch);
    fflush(stdout);
}

static int look(struct watch *watch)
{
    struct kiln_device_list next = {0};
    struct kiln_error error = {0};

    if (kiln_device_enumerate(&next, &error) != KILN_OK)
        return cli_fail(watch->cli, &error);
    kiln_device_list_compare(&watch->now, &next, tell, watch);
    kiln_device_list_free(&watch->now);
    watch->now = next;
    paint(watch);
    fflush(stdout);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How long to wait: until it is calm, or the end, or for ever. */
static int patience(int64_t calm_at, int64_t end_at)
{
    int64_t until = calm_at >= 0 && (end_at < 0 || calm_at < end_at) ? calm_at : end_at;
    int64_t left = until - now_ms();

    if (until < 0)
        return -1;
    return left > 3600000 ? 3600000 : left > 0 ? (int)left : 0;
}

/* The terminal has another size now: the table is painted again. Any other signal ends. */
static bool is_resize(struct watch *watch)
{
    struct signalfd_siginfo about;

    if (read(watch->signal_fd, &about, sizeof about) != (ssize_t)sizeof about ||
        about.ssi_signo != SIGWINCH)
        return false;
    paint(watch);
    fflush(stdout);
    return true;
}

static int follow(struct watch *watch)
{
    uint64_t seconds = watch->cli->args.duration_s;
    int64_t end_at =
        seconds > 0 ? now_ms() + (int64_t)(seconds > 1000000 ? 1000000 : seconds) * 1000 : -1;
    int64_t calm_at = -1;
    int status = 0;

    while (status == 0) {
        struct pollfd fds[] = {
            {.fd = kiln_device_watch_fd(watch->source), .events = POLLIN},
            {.fd = watch->signal_fd, .events = POLLIN},
        };

        if (poll(fds, 2, patience(calm_at, end_at)) < 0 && errno != EINTR)
            return 12;
        if (fds[1].revents != 0 && !is_resize(watch))
            return 130;
        if (fds[0].revents != 0 && kiln_device_watch_take(watch->source))
            calm_at = now_ms() + CALM_MS;
        if (calm_at >= 0 && now_ms() >= calm_at) {
            calm_at = -1;
            status = look(watch);
        }
        if (end_at >= 0 && now_ms() >= end_at)
            break;
    }
    return status;
}

/* Those that end, and the one that says that the terminal has another size. */
static int watch_signals(void)
{
    int fd = cli_block_signals();
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return fd >= 0 ? signalfd(fd, &set, 0) : fd;
}

int cli_list_watch(struct cli *cli)
{
    struct watch watch = {.cli = cli};
    struct kiln_error error = {0};
    int status;

    watch.signal_fd = watch_signals();
    /* Listening begins before the first look, so that nothing falls between the two. */
    if (kiln_device_watch_new(&watch.source, &error) != KILN_OK ||
        kiln_device_enumerate(&watch.now, &error) != KILN_OK) {
        status = cli_fail(cli, &error);
    } else {
        begin(&watch);
        status = follow(&watch);
    }
    kiln_device_list_free(&watch.now);
    free(watch.gone.items);
    kiln_device_watch_free(watch.source);
    if (watch.signal_fd >= 0)
        close(watch.signal_fd);
    return status;
}
