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

    if (!kiln_front_board_make(&plug->board, "kiln-sim-usb", text))
        return false;
    plug->front = front;
    plug->port = (unsigned)++front->plug_count;
    return true;
}

static int usage(void)
{
    fprintf(stderr, "usage: kiln-sim-usb BOARD[?KNOB=VALUE&...]... -- PROGRAM [ARGUMENT]...\n");
    return KILN_FRONT_EXIT_USAGE;
}

/* The testbed's own uevents go through the preload library too, so this program must run under it. */
static int run_under_preload(char **argv)
{
    const char *old = getenv("LD_PRELOAD");
    char text[1024];

    if (snprintf(text, sizeof text, "%s%s%s", PRELOAD, old != NULL && *old != '\0' ? ":" : "",
                 old != NULL ? old : "") >= (int)sizeof text) {
        fprintf(stderr, "kiln-sim-usb: LD_PRELOAD is too long\n");
        return KILN_FRONT_EXIT_FAILED;
    }
    setenv("LD_PRELOAD", text, 1);
    setenv(UNDER_PRELOAD, "1", 1);
    execv("/proc/self/exe", argv);
    fprintf(stderr, "kiln-sim-usb: cannot start again: %s\n", strerror(errno));
    return KILN_FRONT_EXIT_FAILED;
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
        return KILN_FRONT_EXIT_FAILED;
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
    int split = kiln_front_split(argc, argv, 1, KILN_FRONT_PLUGS), status = 0;

    if (split == 0)
        return usage();
    if (getenv(UNDER_PRELOAD) == NULL)
        return run_under_preload(argv);
    for (int i = 1; i < split && status == 0; i++)
        status = add_board(&front, argv[i]) ? 0 : KILN_FRONT_EXIT_USAGE;
    if (status == 0) {
        front.bed = umockdev_testbed_new();
        front.loop = g_main_loop_new(NULL, FALSE);
        kiln_front_plug_all(&front);
        status = run_program(&front, argv + split + 1);
        g_object_unref(front.bed);
        g_ptr_array_free(front.appearances, TRUE);
        g_main_loop_unref(front.loop);
    }
    for (size_t i = 0; i < front.plug_count; i++)
        kiln_front_board_free(&front.plug[i].board);
    return status;
}
