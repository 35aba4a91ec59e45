/* SPDX-License-Identifier: MIT */
/* kiln-sim-usb BOARD[?KNOBS]... -- PROGRAM [ARGUMENT]... */
#include "sim/front/front.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PRELOAD       "libumockdev-preload.so.0"
#define UNDER_PRELOAD "KILN_SIM_USB_UNDER_PRELOAD"

/* ---- the program ---- */

static void on_child(GPid pid, gint wait_status, gpointer user)
{
    struct front *front = user;

    (void)pid;
    front->exit_status =
        WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    g_main_loop_quit(front->loop);
}

static bool add_board(struct front *front, const char *text)
{
    struct plug *plug = &front->plug[front->plug_count];
    const struct kiln_sim_board *row;
    struct kiln_virtual_clock clock;
    struct kiln_sim_knobs knobs;
    struct kiln_ctx ctx;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    if (kiln_sim_knobs_parse(&ctx, text, &knobs) != KILN_OK) {
        fprintf(stderr, "kiln-sim-usb: %s\n", ctx.error.message);
        return false;
    }
    row = kiln_sim_board_find(knobs.board);
    if (row->make_usb == NULL) {
        fprintf(stderr, "kiln-sim-usb: %s is no USB board\n", row->name);
        return false;
    }
    if (row->make_usb(&ctx, &knobs, &plug->board) != KILN_OK) {
        fprintf(stderr, "kiln-sim-usb: %s\n", ctx.error.message);
        return false;
    }
    plug->front = front;
    plug->real_time = knobs.real_time;
    plug->port = (unsigned)++front->plug_count;
    return true;
}

static int usage(void)
{
    fprintf(stderr, "usage: kiln-sim-usb BOARD[?KNOB=VALUE&...]... -- PROGRAM [ARGUMENT]...\n");
    return 2;
}

/* The testbed's own uevents go through the preload library too, so this program must run under it. */
static int run_under_preload(char **argv)
{
    const char *old = getenv("LD_PRELOAD");
    char text[1024];

    if (snprintf(text, sizeof text, "%s%s%s", PRELOAD, old != NULL && *old != '\0' ? ":" : "",
                 old != NULL ? old : "") >= (int)sizeof text) {
        fprintf(stderr, "kiln-sim-usb: LD_PRELOAD is too long\n");
        return 12;
    }
    setenv("LD_PRELOAD", text, 1);
    setenv(UNDER_PRELOAD, "1", 1);
    execv("/proc/self/exe", argv);
    fprintf(stderr, "kiln-sim-usb: cannot start again: %s\n", strerror(errno));
    return 12;
}

static int run_program(struct front *front, char **argv)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    GError *error = NULL;
    GPid pid;

    unsetenv(UNDER_PRELOAD);
    if (!g_spawn_async(NULL, argv, NULL,
                       G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH |
                           G_SPAWN_CHILD_INHERITS_STDIN,
                       NULL, NULL, &pid, &error)) {
        fprintf(stderr, "kiln-sim-usb: %s\n", error->message);
        g_error_free(error);
        return 12;
    }
    /* Ctrl-C is for the program; this one stays until the program has ended. */
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGQUIT, &ignore, NULL);
    g_child_watch_add(pid, on_child, front);
    g_main_loop_run(front->loop);
    return front->exit_status;
}

int main(int argc, char **argv)
{
    struct front front = {0};
    int first = 1, status = 0;

    while (first < argc && strcmp(argv[first], "--") != 0)
        first++;
    if (first == 1 || first + 1 >= argc || first > KILN_FRONT_PLUGS)
        return usage();
    if (getenv(UNDER_PRELOAD) == NULL)
        return run_under_preload(argv);
    for (int i = 1; i < first && status == 0; i++)
        status = add_board(&front, argv[i]) ? 0 : 2;
    if (status == 0) {
        front.bed = umockdev_testbed_new();
        front.loop = g_main_loop_new(NULL, FALSE);
        kiln_front_plug_all(&front);
        status = run_program(&front, argv + first + 1);
        g_object_unref(front.bed);
        g_ptr_array_free(front.appearances, TRUE);
        g_main_loop_unref(front.loop);
    }
    for (size_t i = 0; i < front.plug_count; i++)
        front.plug[i].board->ops->free(front.plug[i].board);
    return status;
}
