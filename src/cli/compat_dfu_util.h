/* SPDX-License-Identifier: MIT */
/* What the files of the dfu-util look-alike share. */
#ifndef KILN_CLI_COMPAT_DFU_UTIL_H
#define KILN_CLI_COMPAT_DFU_UTIL_H

#include "cli/compat_dfu.h"
#include "cli/render.h"

#include <kiln/dfu.h>

#define DFU_UTIL "dfu-util"

#define DFU_ID_ANY  (-1)
#define DFU_ID_NONE (-2)

struct dfu_ids {
    int32_t vid, pid;
};

/* What the command line asks for. */
struct dfu_util_args {
    const char *tool; /* in front of messages */
    int mode;         /* 'l', 'e', 'D', 'U', 's' (a command of -s alone), 0 nothing to do */
    const char *file;
    struct dfu_ids app_ids, dfu_ids;
    const char *app_serial, *dfu_serial; /* "" any */
    size_t app_serial_len;
    const char *path, *alt;               /* NULL any */
    int devnum, configuration, interface; /* -1 any */
    uint32_t transfer_size;
    bool wait, reset, no_verify, full;
    unsigned verbose;
    /* -s */
    bool dfuse, has_address, leave, force, mass_erase, unprotect, will_reset, fast;
    uint64_t address, length;
};

/* ---- compat_dfu_util_find.c ---- */

struct dfu_util_args dfu_util_any_device(const char *tool);

/* The settings that -d, -p, -S, -n, -c, -i and -a leave. Exit status. Free with kiln_dfu_list_free(). */
int dfu_util_find(const struct dfu_util_args *args, struct kiln_dfu_list *out);

/* The one device they leave, after waiting for it with -w: *out_one is its first setting. */
int dfu_util_choose(const struct dfu_util_args *args, struct kiln_dfu_list *out);

void dfu_util_print_list(const struct kiln_dfu_list *list);

/* ---- compat_dfu_util_look.c ---- */

/* Draws a job's events the way dfu-util shows its progress. */
struct dfu_util_look {
    struct renderer base;
    const char *tool; /* in front of messages */
    bool quiet;       /* only errors */
    int bar;          /* progress drawn so far, -1: none */
    enum kiln_phase phase;
    uint64_t total;
    struct kiln_event_region region[64];
    size_t region_count;
    FILE *save; /* what a READ gives goes here */
    struct kiln_error error;
    bool save_failed;
};

/* Runs the request and draws it. Exit status in terms of sysexits.h; the message is out. */
int dfu_util_run(struct cli *cli, struct kiln_request *request, struct dfu_util_look *look);

/* ---- compat_dfu_util_act.c ---- */

/* Detach, download, upload or the commands of -s. Exit status. */
int dfu_util_act(struct cli *cli, const struct dfu_util_args *args);

/* ---- errors ---- */

int dfu_util_exit_status(const struct kiln_error *error);
int dfu_util_fail(const char *tool, const struct kiln_error *error);

#endif
